/* A copy of csrc/core/bridge_private.h, made by `make unreal`: change that one. */
/* bridge_private.h: what bridge.c (handshake, simulator) and bridge_frames.c (bytes in and out)
 * share. */
#ifndef UERL_BRIDGE_PRIVATE_H
#define UERL_BRIDGE_PRIVATE_H

#include <stdbool.h>

#include "simulator_private.h"
#include "uerl_shm/bridge.h"

enum uerl_bridge_state {
    UERL_BRIDGE_AWAITS_CHALLENGE,
    UERL_BRIDGE_AWAITS_WELCOME,
    UERL_BRIDGE_BINDS,     /* the simulator is there, not ready() yet */
    UERL_BRIDGE_REFUSED,   /* by this end, which says nothing more of itself */
    UERL_BRIDGE_AWAITS,    /* a command */
    UERL_BRIDGE_COMMANDED, /* one is there, or in hand */
    UERL_BRIDGE_ENDED
};

/* A frame's content that has one size. */
union uerl_bridge_fixed {
    struct uerl_bridge_hello hello;
    struct uerl_bridge_challenge challenge;
    struct uerl_bridge_welcome welcome;
    struct uerl_bridge_command command;
    struct uerl_bridge_result result;
    struct uerl_bridge_note note;
    struct uerl_bridge_end end;
    uint8_t proof[UERL_BRIDGE_PROOF_BYTES];
};

/* Where a walk over the rows of a frame is. */
struct uerl_bridge_walk {
    bool of_learner; /* which fields */
    uint32_t field;
    uint32_t env;
};

/* Frames come in stages: a frame's own numbers, fixed content, then what its numbers announce. */
enum uerl_bridge_stage {
    UERL_BRIDGE_FRAME,
    UERL_BRIDGE_FIXED,
    UERL_BRIDGE_ROWS,
    UERL_BRIDGE_REST /* tables and text, a message, or the text of CLOSE */
};

struct uerl_bridge {
    enum uerl_bridge_state state;
    uint8_t token[UERL_BRIDGE_MAX_TOKEN_BYTES]; /* wiped once both proofs are known */
    uint64_t token_bytes;
    struct uerl_bridge_hello hello;
    uint8_t learner_proof[UERL_BRIDGE_PROOF_BYTES];
    uerl_simulator *simulator;
    int64_t heard_ns, said_ns; /* 0: never */
    int code;                  /* why it ended */
    char why[UERL_BRIDGE_MAX_TEXT_BYTES + 1];

    /* Input: `into` has room for `wanted` bytes, of which `got` are there. */
    enum uerl_bridge_stage stage;
    struct uerl_bridge_frame frame;
    union uerl_bridge_fixed fixed;
    uint8_t *into;
    uint64_t wanted, got;
    struct uerl_bridge_walk in;
    uint8_t *tables; /* of WELCOME while it arrives; this side's */

    /* Output: `start`, then rows, then a message or text. */
    uint8_t start[2 * (sizeof(struct uerl_bridge_frame) + sizeof(union uerl_bridge_fixed))];
    const uint8_t *from;
    uint64_t left;
    bool has_rows;
    struct uerl_bridge_walk out;
    const void *rest;
    uint64_t rest_bytes;
};

/* Ends the connection; returns `code`. */
int uerl_bridge_end_with(uerl_bridge *bridge, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Wants `bytes` bytes in `into` next. */
void uerl_bridge_want(uerl_bridge *bridge, enum uerl_bridge_stage stage, void *into,
                      uint64_t bytes);

/* Says a frame of `bytes` bytes that begins with `fixed`. No rows or rest may be on their way: they
 * end the connection. */
int uerl_bridge_say(uerl_bridge *bridge, uint8_t kind, const void *fixed, uint64_t fixed_bytes,
                    uint64_t bytes);

/* The next run of rows of a walk; false at its end. */
bool uerl_bridge_next_rows(const uerl_bridge *bridge, struct uerl_bridge_walk *walk, uint8_t **rows,
                           uint64_t *bytes);

/* A frame's own numbers, its fixed content or its rest has come. */
int uerl_bridge_take_challenge(uerl_bridge *bridge);
int uerl_bridge_take_welcome(uerl_bridge *bridge);
int uerl_bridge_take_tables(uerl_bridge *bridge);
int uerl_bridge_take_command(uerl_bridge *bridge);

#endif
