/* watch.c: alive + 1 every 100 ms; a look at the fence. */
#define _GNU_SOURCE
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "atomics.h"
#include "error.h"
#include "wait.h"

/* Not exit(): the simulator's own threads may hang with any lock held. */
static _Noreturn void leave(const struct uerl_watch *watch)
{
    dprintf(STDERR_FILENO,
            "uerl_shm: lane %u of segment %s was fenced by its learner: this simulator was silent "
            "for too long, and leaves\n",
            watch->lane, watch->name);
    _exit(UERL_FENCED_EXIT);
}

static void tick(const struct uerl_watch *watch)
{
    const uint32_t generation = load_relaxed_u32(watch->generation);
    const uint32_t fence = load_relaxed_u32(&watch->commands->fence);
    if (fence != 0 && fence == generation && !watch->relays)
        leave(watch);
    store_relaxed_u64(&watch->results->alive, load_relaxed_u64(&watch->results->alive) + 1);
}

static void *run(void *context)
{
    struct uerl_watch *watch = context;
    pthread_mutex_lock(&watch->mutex);
    while (!watch->stops) {
        tick(watch);
        const int64_t until_ns = uerl_now_ns() + UERL_WATCH_NS;
        const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                                       .tv_nsec = (long)(until_ns % 1000000000)};
        pthread_cond_timedwait(&watch->changed, &watch->mutex, &until);
    }
    pthread_mutex_unlock(&watch->mutex);
    return NULL;
}

int uerl_watch_start(struct uerl_watch *watch)
{
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&watch->mutex, NULL);
    pthread_cond_init(&watch->changed, &clock);
    pthread_condattr_destroy(&clock);
    /* The simulator's signal handlers run on its own threads, never on this one. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&watch->thread, NULL, run, watch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    watch->runs = error == 0;
    if (error == 0)
        return UERL_OK;
    return uerl_fail(UERL_E_SYSTEM,
                     "a thread of segment %s cannot be started: %s: raise the limit "
                     "of processes (ulimit -u, pids.max)",
                     watch->name, strerror(error));
}

void uerl_watch_stop(struct uerl_watch *watch)
{
    if (!watch->runs)
        return;
    watch->runs = false;
    pthread_mutex_lock(&watch->mutex);
    watch->stops = true;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->mutex);
    pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->mutex);
}
