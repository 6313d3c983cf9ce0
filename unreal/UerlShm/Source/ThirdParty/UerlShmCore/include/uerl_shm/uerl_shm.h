/* A copy of csrc/include/uerl_shm/uerl_shm.h, made by `make unreal`: change that one. */
#pragma GCC visibility push(default)
/* uerl_shm.h: the calls of a simulator. Plain C; Unreal, C, C++ and Python (cffi) include only
 * this.
 *
 *   attach -> bind every array -> ready -> { receive -> write rows -> send } ... -> detach
 *
 * A simulator attaches to a learner's segment by name and holds one lane of it: a run of envs, each
 * with one or several agents. Every command asks each env to step, to reset or to be left alone;
 * the simulator writes its rows straight into the learner's batch and sends one result.
 *
 * Calls return UERL_OK (or a value >= 0 where said) or a negative enum uerl_error, and
 * uerl_last_error() then says what was found, what was expected and the remedy. One thread at a
 * time may use a handle; handles are independent: a simulator may serve several learners. */
#ifndef UERL_SHM_H
#define UERL_SHM_H

#include <stdint.h>

#include "layout.h"

#ifdef __cplusplus
extern "C" {
#endif

enum uerl_error {
    UERL_OK = 0,
    UERL_E_INVALID = -1,   /* an argument or a spec is wrong */
    UERL_E_NOT_FOUND = -2, /* no segment of that name, or no array of that name */
    UERL_E_EXISTS = -3,    /* the name or the lane is in use */
    UERL_E_LAYOUT = -4,    /* the two sides disagree about layout or spec */
    UERL_E_CORRUPT = -5,   /* an impossible value in the segment */
    UERL_E_TIMEOUT = -6,   /* nothing came in time: call again */
    UERL_E_CLOSED = -7,    /* the peer is finished or dead */
    UERL_E_FULL = -8,      /* not enough memory in /dev/shm */
    UERL_E_SYSTEM = -9     /* a system call failed */
};

/* The text of this thread's last error; never null; valid until the thread's next failing call. */
const char *uerl_last_error(void);

typedef struct uerl_simulator uerl_simulator;

/* One array as its simulator sees it. */
struct uerl_array {
    const char *name;  /* such as "observation/camera"; lives as long as the handle */
    const char *group; /* as name */
    uint32_t role;     /* enum uerl_role */
    uint32_t dtype;    /* enum uerl_dtype */
    uint32_t num_dims;
    uint32_t num_rows; /* of this lane: envs times agents */
    uint64_t shape[UERL_MAX_DIMS];
    uint64_t row_bytes;
};

/* What receive() got. */
struct uerl_received {
    uint64_t sequence;
    uint32_t generation;
    uint32_t slot;        /* where the rows of this command are written */
    uint32_t action_slot; /* where its actions stand */
    uint32_t has_message; /* 1: uerl_simulator_message() has one that came with this command */
};

/* Where the learner's launcher put the name, the lane and a request to describe; and where a bridge
 * (bridge.h) and its token are found, for simulators that can use one. */
#define UERL_ENV_NAME "UERL_SHM_NAME"
#define UERL_ENV_LANE "UERL_SHM_LANE"
#define UERL_ENV_DESCRIBE "UERL_SHM_DESCRIBE"
#define UERL_ENV_BRIDGE "UERL_SHM_BRIDGE"
#define UERL_ENV_BRIDGE_TOKEN_FILE "UERL_SHM_BRIDGE_TOKEN_FILE"

/* Writes the spec (JSON, see docs/spec.md) to the file that UERL_SHM_DESCRIBE names.
 *
 * Returns 1 when the spec was asked for and written: the simulator then exits with 0; 0 when nobody
 * asked; UERL_E_SYSTEM when the file cannot be written. */
int uerl_describe(const char *spec_json);

/* Attaches to a lane of the segment `name`.
 *
 * name        null: the environment's UERL_SHM_NAME
 * lane        -1: the environment's UERL_SHM_LANE, else the first free lane
 * timeout_ns  longest wait for the segment to appear; a lane that is taken is waited for at most 10
 * s of it, the time that a dead predecessor may need to go
 *
 * Returns UERL_OK; UERL_E_NOT_FOUND or UERL_E_EXISTS (no segment, or its lane still taken, after
 * that time); UERL_E_LAYOUT (built against another layout); UERL_E_CORRUPT; UERL_E_SYSTEM. */
int uerl_simulator_attach(uerl_simulator **simulator, const char *name, int32_t lane,
                          int64_t timeout_ns);

/* As uerl_simulator_attach(), over a mapping that the engine made and keeps until after detach:
 * Unreal reads segment_bytes from the file's header, then maps as many. */
int uerl_simulator_attach_mapping(uerl_simulator **simulator, void *mapping, uint64_t bytes,
                                  const char *name, int32_t lane);

/* Ends the simulator: frees the lane, unmaps, frees the handle. Null is allowed. */
void uerl_simulator_detach(uerl_simulator *simulator);

int32_t uerl_simulator_lane(const uerl_simulator *simulator);
uint32_t uerl_simulator_num_envs(const uerl_simulator *simulator);  /* of this lane */
uint32_t uerl_simulator_first_env(const uerl_simulator *simulator); /* of the whole segment */
uint32_t
uerl_simulator_autoreset_mode(const uerl_simulator *simulator); /* enum uerl_autoreset_mode */
uint32_t uerl_simulator_num_arrays(const uerl_simulator *simulator);
uint32_t uerl_simulator_message_bytes(const uerl_simulator *simulator); /* capacity of a message */
const char *uerl_simulator_text(const uerl_simulator *simulator);       /* spec and launch, JSON */

/* Fills `array` with array `index`, 0 <= index < uerl_simulator_num_arrays(). */
int uerl_simulator_array(const uerl_simulator *simulator, uint32_t index, struct uerl_array *array);

/* Finds the array `name` of group `group` (null: the first group) and compares it with what this
 * simulator will read or write there.
 *
 * Returns the index of the array, >= 0; UERL_E_NOT_FOUND (the learner's spec has no such array:
 * leave it out, or refuse); UERL_E_LAYOUT (another role, dtype or shape; both are named). */
int32_t uerl_simulator_bind(uerl_simulator *simulator, const char *group, const char *name,
                            uint32_t role, uint32_t dtype, uint32_t num_dims,
                            const uint64_t *shape);

/* Tells the learner that this lane answers commands from now on. Refused with UERL_E_LAYOUT while
 * an observation array of the segment has not been bound: nobody would write it. */
int uerl_simulator_ready(uerl_simulator *simulator);

/* Tells the learner why this simulator cannot serve it (a failed bind, a map that is missing). */
int uerl_simulator_refuse(uerl_simulator *simulator, const char *text);

/* Waits for the next command.
 *
 * timeout_ns  longest wait in nanoseconds: 0 polls once; call again after UERL_E_TIMEOUT
 *
 * On UERL_OK the rows of this command may be read and written until uerl_simulator_send().
 * Returns UERL_OK; UERL_E_TIMEOUT; UERL_E_CLOSED (the learner is finished or dead: detach);
 * UERL_E_CORRUPT (the segment is damaged: detach and report). */
int uerl_simulator_receive(uerl_simulator *simulator, struct uerl_received *received,
                           int64_t timeout_ns);

/* The first byte of row `row` of array `array`, 0 <= row < num_rows of that array; null outside it.
 * Actions, controls, seeds and parameters are to be read, all others to be written. Row of env e
 * and agent a: e * rows_per_env + a. Valid from receive() until send(). */
void *uerl_simulator_row(const uerl_simulator *simulator, int32_t array, uint32_t row);

/* What this command asks of env `env` of this lane: enum uerl_control. */
uint32_t uerl_simulator_control(const uerl_simulator *simulator, uint32_t env);

/* Seed of a reset; -1: go on with the env's own generator. */
int64_t uerl_simulator_seed(const uerl_simulator *simulator, uint32_t env);

/* Writes reward, terminated and truncated of one row of group `group` (by number), and marks its
 * agent present; a row that is reset has reward 0 and neither flag. */
void uerl_simulator_outcome(uerl_simulator *simulator, uint32_t group, uint32_t row, double reward,
                            int terminated, int truncated);

/* Marks the agent of a row as absent (0) or present (1), where the group's spec has a mask. */
void uerl_simulator_present(uerl_simulator *simulator, uint32_t group, uint32_t row, int present);

/* The bytes of the message that came with the command, valid until send(); null without one. */
const void *uerl_simulator_message(const uerl_simulator *simulator, uint32_t *kind,
                                   uint32_t *bytes);

/* Leaves a message for the learner, to be announced with the next send(), ready() or refuse().
 * Returns UERL_E_INVALID when it is longer than the segment's message_bytes. */
int uerl_simulator_write_message(uerl_simulator *simulator, uint32_t kind, const void *data,
                                 uint64_t bytes);

/* Commits this command's rows: the learner sees all of them or none.
 *
 * Returns UERL_OK; UERL_E_INVALID (no command in hand); UERL_E_CLOSED (fenced while it was busy for
 * too long: nothing was committed, the library ends the process). */
int uerl_simulator_send(uerl_simulator *simulator);

/* Commits a failure instead: the learner reports `text` and gives the lane up. */
int uerl_simulator_fail(uerl_simulator *simulator, const char *text);

/* What becomes of a camera's pixels. Bytes of a pixel in the row: 3, 3, 1, 4. */
enum uerl_pixels {
    UERL_PIXELS_RGB = 0,
    UERL_PIXELS_BGR = 1,
    UERL_PIXELS_GRAY = 2, /* luma of Rec. 601: (9798 R + 19235 G + 3735 B + 16384) >> 15 */
    UERL_PIXELS_BGRA = 3  /* as they are */
};

/* Copies a frame of B, G, R, A bytes (Unreal's RTF_RGBA8, read back) into a row, converting it on
 * the way. Needs no handle; any thread may call it, several at once. Gray has the numbers and the
 * rounding of OpenCV's COLOR_RGB2GRAY, on every processor.
 *
 * row          uint8 [height][width][channels] without gaps, at any address; the caller's
 * pixels       the first pixel of the first line; must not overlap the row
 * width        pixels of a line; with 0, or height 0, nothing is read or written
 * pitch_bytes  from the first byte of a line to that of the next, at least 4 * width; a readback
 *              may give it in pixels
 *
 * Reads nothing between the lines or behind the last pixel, and writes nothing beside the row.
 * Returns UERL_OK; UERL_E_INVALID (a null pointer, an unknown format or an impossible pitch:
 * nothing was written). */
int uerl_pixels_from_bgra(void *row, enum uerl_pixels format, const void *pixels, uint32_t width,
                          uint32_t height, uint64_t pitch_bytes);

#ifdef __cplusplus
}
#endif

#endif
#pragma GCC visibility pop
