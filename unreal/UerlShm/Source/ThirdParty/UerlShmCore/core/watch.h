/* A copy of csrc/core/watch.h, made by `make unreal`: change that one. */
/* watch.h: a thread of the library in each simulator. It says "this process runs" while the
 * simulator's own threads may be busy for minutes, and ends the process when the learner fences it.
 */
#ifndef UERL_WATCH_H
#define UERL_WATCH_H

#include <pthread.h>
#include <stdbool.h>

#include "segment.h"

#define UERL_WATCH_NS INT64_C(100000000) /* between two ticks */
#define UERL_FENCED_EXIT 70              /* exit code of a fenced simulator */

struct uerl_watch {
    struct uerl_lane_commands *commands;
    struct uerl_lane_results *results;
    const uint32_t *generation; /* stored by another thread; 0 before ready() */
    uint32_t lane;
    char name[UERL_NAME_BYTES];
    bool relays; /* a fence ends the simulator, but not the process; set before ready() */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stops;
    bool runs;
};

/* Starts the thread. The lane's words must stay mapped until uerl_watch_stop(). */
int uerl_watch_start(struct uerl_watch *watch);

/* Ends the thread and waits for it. In a forked child there is none: do not call it there. */
void uerl_watch_stop(struct uerl_watch *watch);

#endif
