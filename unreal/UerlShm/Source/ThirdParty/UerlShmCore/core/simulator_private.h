/* A copy of csrc/core/simulator_private.h, made by `make unreal`: change that one. */
/* simulator_private.h: what the calls of a simulator (calls.c, arrays.c, message.c) share with the
 * two ways in which its commands come: a lane of a segment (attach.c, simulator.c) and a bridge
 * (bridge.c). Simulators include uerl_shm.h instead. */
#ifndef UERL_SIMULATOR_PRIVATE_H
#define UERL_SIMULATOR_PRIVATE_H

#include "segment.h"
#include "wait.h"

/* Fields that every group has; -1 where the spec leaves one out. */
struct uerl_fixed_fields {
    int32_t control, seed, reward, terminated, truncated, mask;
};

struct uerl_watch;

/* Where commands come from and results go to; calls.c has checked what it can. */
struct uerl_way {
    int (*ready)(uerl_simulator *simulator);
    void (*refuse)(uerl_simulator *simulator); /* the message area says why */
    int (*receive)(uerl_simulator *simulator, struct uerl_received *received, int64_t timeout_ns);
    int (*commit)(uerl_simulator *simulator, uint32_t status);
    void (*detach)(uerl_simulator *simulator); /* frees it */
};

struct uerl_simulator {
    const struct uerl_way *way;
    struct uerl_segment segment;
    uint32_t lane;       /* of the learner's segment */
    uint32_t place;      /* of its rows in this memory: the lane, or 0 where there is no other */
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
    char *text;                 /* zero-terminated copy */
    struct uerl_watch *watch;   /* null without a segment */
    struct uerl_bridge *bridge; /* null with a segment */
};

/* Rows that this lane has in a group. */
static inline uint32_t uerl_simulator_rows_of(const uerl_simulator *simulator, uint32_t group)
{
    return simulator->segment.header.envs_per_lane * simulator->segment.groups[group].rows_per_env;
}

int uerl_simulator_find_fixed_fields(uerl_simulator *simulator);
int uerl_simulator_check_bound(const uerl_simulator *simulator);
void uerl_simulator_look_for_message(uerl_simulator *simulator);
void uerl_simulator_write_error(uerl_simulator *simulator, const char *text);

/* A lane's way, in simulator.c. */
int uerl_lane_receive(uerl_simulator *simulator, struct uerl_received *received,
                      int64_t timeout_ns);
int uerl_lane_commit(uerl_simulator *simulator, uint32_t status);

#endif
