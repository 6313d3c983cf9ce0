/* bridge.h: a simulator on another machine than its learner, without a segment of its own.
 *
 *   uerl-shm bridge NAME  <== one TCP or TLS connection ==>  engine, this file's calls
 *
 * The engine's end is a handle of uerl_shm.h over private memory, filled and emptied by frames.
 * These calls make and read the frames and know nothing of sockets, threads, clocks or TLS: the
 * caller carries the bytes, so that an engine can use its own sockets on any system. Integers are
 * little-endian. The whole connection, in order:
 *
 *   engine                                      learner's machine
 *   HELLO uerl_bridge_hello                ->
 *                                          <-   CHALLENGE uerl_bridge_challenge
 *   PROOF uint8_t[32]                      ->
 *                                          <-   WELCOME uerl_bridge_welcome, groups, fields, text
 *   READY, or REFUSE: uerl_bridge_note     ->
 *                                          <-   COMMAND uerl_bridge_command, rows, message
 *   RESULT uerl_bridge_result, rows, message ->  (and so on)
 *   ALIVE, CLOSE uerl_bridge_end: either way, at any time; of an engine after its PROOF
 *
 * Proofs: HMAC-SHA256 (FIPS 198-1) with the token as key over "engine" or "learner", the bytes of
 * HELLO and those of CHALLENGE; the token itself never travels. A WELCOME carries the learner's.
 * Rows: of a COMMAND all rows of each field that the learner writes, in the order of the fields; of
 * a RESULT with status OK those of each field that the simulator writes, without envs that the
 * command's control (of group 0) skips. An end that heard nothing for 1.5 s takes the connection
 * for cut; each says ALIVE after 0.4 s. A frame of another kind, size or order ends the connection.
 *
 * Calls return UERL_OK or a negative enum uerl_error. One thread at a time may use a bridge and its
 * simulator, rows apart: those belong to the engine from receive() to send(). */
#ifndef UERL_SHM_BRIDGE_H
#define UERL_SHM_BRIDGE_H

#include "uerl_shm.h"

#ifdef __cplusplus
extern "C" {
#endif

#define UERL_BRIDGE_MAGIC UINT64_C(0x314752424c524555) /* "UERLBRG1" */
#define UERL_BRIDGE_VERSION UINT32_C(1)

enum {
    UERL_BRIDGE_NONCE_BYTES = 32,
    UERL_BRIDGE_PROOF_BYTES = 32,
    UERL_BRIDGE_LEAST_TOKEN_BYTES = 16,
    UERL_BRIDGE_MAX_TOKEN_BYTES = 1024,
    UERL_BRIDGE_MAX_TEXT_BYTES = 1000,      /* of CLOSE */
    UERL_BRIDGE_MAX_MEMORY_BYTES = 1 << 30, /* of one lane, that an engine's end allocates */
    UERL_BRIDGE_ALIVE_MS = 400,
    UERL_BRIDGE_SILENT_MS = 1500
};

enum uerl_bridge_kind {
    UERL_BRIDGE_HELLO = 1,
    UERL_BRIDGE_CHALLENGE = 2,
    UERL_BRIDGE_PROOF = 3,
    UERL_BRIDGE_WELCOME = 4,
    UERL_BRIDGE_READY = 5,
    UERL_BRIDGE_REFUSE = 6,
    UERL_BRIDGE_COMMAND = 7,
    UERL_BRIDGE_RESULT = 8,
    UERL_BRIDGE_ALIVE = 9,
    UERL_BRIDGE_CLOSE = 10
};

/* Before every frame. */
struct uerl_bridge_frame {
    uint32_t bytes; /* that follow */
    uint8_t kind;   /* enum uerl_bridge_kind */
    uint8_t reserved;
    uint16_t channel; /* from 0; each carries one lane */
};

struct uerl_bridge_hello {
    uint64_t magic;
    uint32_t version;
    uint32_t layout_version;
    int32_t lane; /* of channel 0, the next one for channel 1 and so on; -1: any that are free */
    uint32_t num_channels;
    uint8_t nonce[UERL_BRIDGE_NONCE_BYTES]; /* random, of this connection alone */
};

struct uerl_bridge_challenge {
    uint64_t magic;
    uint32_t version;
    uint32_t layout_version;
    uint8_t nonce[UERL_BRIDGE_NONCE_BYTES]; /* likewise */
};

/* Of each channel. uerl_group[num_groups], uerl_field[num_fields] (without offsets and strides) and
 * the text, as in a segment, follow. */
struct uerl_bridge_welcome {
    uint8_t proof[UERL_BRIDGE_PROOF_BYTES];
    uint32_t lane;
    uint32_t envs_per_lane;
    uint32_t num_groups;
    uint32_t num_fields;
    uint32_t autoreset_mode;
    uint32_t message_bytes;
    uint32_t text_bytes;
    uint32_t reserved;
    char name[UERL_NAME_BYTES]; /* of the segment */
};

/* A message, whose bytes follow. kind 0: none. */
struct uerl_bridge_note {
    uint32_t kind; /* enum uerl_message_kind */
    uint32_t bytes;
};

struct uerl_bridge_command {
    uint64_t sequence;
    struct uerl_bridge_note note;
};

struct uerl_bridge_result {
    uint64_t sequence;
    uint32_t status; /* enum uerl_result_status; only OK has rows */
    uint32_t reserved;
    struct uerl_bridge_note note;
};

/* Why the connection, or this channel of it, ends; a text of the remaining bytes follows. */
struct uerl_bridge_end {
    int32_t code; /* NOT_FOUND, EXISTS: try again later; CLOSED: it is over; else: refused */
};

UERL_STATIC_ASSERT(sizeof(struct uerl_bridge_frame) == 8, "protocol changed: new version");
UERL_STATIC_ASSERT(sizeof(struct uerl_bridge_hello) == 56, "protocol changed: new version");
UERL_STATIC_ASSERT(sizeof(struct uerl_bridge_challenge) == 48, "protocol changed: new version");
UERL_STATIC_ASSERT(sizeof(struct uerl_bridge_welcome) == 128, "protocol changed: new version");
UERL_STATIC_ASSERT(sizeof(struct uerl_bridge_command) == 16, "protocol changed: new version");
UERL_STATIC_ASSERT(sizeof(struct uerl_bridge_result) == 24, "protocol changed: new version");

typedef struct uerl_bridge uerl_bridge;

/* Begins the engine's end of a connection of one channel.
 *
 * token  UERL_BRIDGE_LEAST_TOKEN_BYTES at least; the caller's, not kept beyond the handshake
 * nonce  random bytes that nobody can guess or choose
 * lane   -1: any that is free
 *
 * Returns UERL_OK; UERL_E_INVALID (the token is too short or too long); UERL_E_SYSTEM. */
int uerl_bridge_open(uerl_bridge **bridge, const void *token, uint64_t token_bytes,
                     const uint8_t nonce[UERL_BRIDGE_NONCE_BYTES], int32_t lane);

/* Frees the bridge, after its simulator was detached. Null is allowed. */
void uerl_bridge_close(uerl_bridge *bridge);

/* `bytes` bytes came from the connection, cut anywhere. now_ns: of a clock that only goes forward.
 * Returns UERL_OK, or why the connection has ended. */
int uerl_bridge_feed(uerl_bridge *bridge, const void *data, uint64_t bytes, int64_t now_ns);

/* Moves what is to be sent into `data`, and returns how many bytes, `capacity` at most; 0: nothing.
 * To be called until it returns 0, after each feed() and tick(), and after ready(), refuse(),
 * send() and fail() of the simulator, whose rows must not be written until then. */
uint64_t uerl_bridge_drain(uerl_bridge *bridge, void *data, uint64_t capacity);

/* To be called at least every 0.2 s: says ALIVE when it is time, and takes a silent connection for
 * cut. Returns as uerl_bridge_feed(). */
int uerl_bridge_tick(uerl_bridge *bridge, int64_t now_ns);

/* The connection is gone, `why` in words: receive() says so from now on. */
void uerl_bridge_cut(uerl_bridge *bridge, const char *why);

/* The simulator, for the calls of uerl_shm.h; null until the learner's end welcomed it. It is the
 * caller's, who detaches it before uerl_bridge_close(). Its receive() never waits. */
uerl_simulator *uerl_bridge_simulator(uerl_bridge *bridge);

/* For a simulator that only passes commands on: a fence ends it, but not this process. */
void uerl_simulator_relays(uerl_simulator *simulator);

/* 1: the learner has fenced it: nothing that it sends would count; it is to be detached. */
int uerl_simulator_is_fenced(const uerl_simulator *simulator);

#ifdef __cplusplus
}
#endif

#endif
