/* A copy of csrc/core/simulator_private.h, made by `make unreal`: change that one. */
/* simulator_private.h: what simulator.c (commands), attach.c (the way in and out) and message.c
 * share. Simulators include uerl_shm.h instead. */
#ifndef UERL_SIMULATOR_PRIVATE_H
#define UERL_SIMULATOR_PRIVATE_H

#include "segment.h"
#include "wait.h"
#include "watch.h"

/* Fields that every group has; -1 where the spec leaves one out. */
struct uerl_fixed_fields {
    int32_t control, seed, reward, terminated, truncated, mask;
};

struct uerl_simulator {
    struct uerl_segment segment;
    uint32_t lane;
    uint32_t generation; /* 0 before ready(); the watch thread reads it, too */
    struct uerl_wait wait;
    struct uerl_header *header;
    struct uerl_lane_commands *commands;
    struct uerl_lane_results *results;
    uint32_t read_index;         /* commands read; this side's own copy */
    uint32_t write_index;        /* results published; this side's own copy */
    struct uerl_command command; /* the one in hand, or the last one */
    bool in_command;
    int64_t probed_ns; /* when a wait that did not sleep last looked at the owner's lock */
    uint64_t progress, steps, wait_ns;
    uint32_t messages_seen;    /* from the learner */
    uint32_t messages_written; /* to the learner */
    uint32_t message_kind;     /* of the message that came with the command in hand; 0: none */
    uint32_t message_bytes;
    bool *bound; /* for each field */
    struct uerl_fixed_fields fixed[UERL_MAX_GROUPS];
    char *text; /* zero-terminated copy */
    struct uerl_watch watch;
};

/* Rows that this lane has in a group. */
static inline uint32_t uerl_simulator_rows_of(const uerl_simulator *simulator, uint32_t group)
{
    return simulator->segment.header.envs_per_lane * simulator->segment.groups[group].rows_per_env;
}

void uerl_simulator_look_for_message(uerl_simulator *simulator);
void uerl_simulator_write_error(uerl_simulator *simulator, const char *text);

#endif
