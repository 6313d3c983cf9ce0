/* A copy of csrc/core/wait.h, made by `make unreal`: change that one. */
/* wait.h: how both sides wait, with the numbers beside it.
 *
 * Three stages, measured in docs/decisions/0002-waiting.md:
 *   1. spin, only while there is a core for every process and the peer is on another one;
 *   2. a few timed sched_yield: short of cores, a yield hands the core straight to the next
 * simulator; where nobody else wants the core it returns at once, and is as good as a spin; beside
 * a busy foreign thread it costs a whole time slice, so two slow yields in short order switch
 * yielding off for a while;
 *   3. sleep on a shared futex, in slices, each followed by a look at the peer.
 * The first two are uerl_wait_busy(); the third belongs to the caller, who knows which word. */
#ifndef UERL_WAIT_H
#define UERL_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UERL_WAIT_SPIN_NS INT64_C(50000)        /* about one wake-up of an idle core */
#define UERL_WAIT_YIELDS 4                      /* two are enough; four ride out a late neighbour */
#define UERL_WAIT_IDLE_YIELD_NS INT64_C(1200)   /* shorter: nobody else ran */
#define UERL_WAIT_SLOW_YIELD_NS INT64_C(700000) /* longer: somebody else got a whole slice */
#define UERL_WAIT_FORGIVEN_WAITS 16 /* good waits after which a slow yield is an accident */
#define UERL_WAIT_PENALTY_WAITS 64  /* waits without yields after two slow ones */
#define UERL_WAIT_PENALTY_MAX 8192
#define UERL_WAIT_GOOD_WAITS 1000                  /* good waits that halve the penalty */
#define UERL_WAIT_FIRST_SLICE_NS INT64_C(1000000)  /* asleep before the peer's lock is probed */
#define UERL_WAIT_LAST_SLICE_NS INT64_C(100000000) /* no sleep is longer */

/* "sleep": skip the first two stages. For batteries, and to measure what the stages bring. */
#define UERL_ENV_WAIT "UERL_SHM_WAIT"

/* One waiter's memory of how its waits went; private to its process. */
struct uerl_wait {
    bool may_spin;
    bool was_slow;       /* a yield was, and too few good waits have passed since */
    uint32_t penalty;    /* waits to go without yields after the next two slow yields */
    uint32_t yields_off; /* waits still to go without yields */
    uint32_t good_waits;
};

/* num_processes: how many run at once, this one included. */
void uerl_wait_init(struct uerl_wait *wait, uint32_t num_processes);

/* Spins and yields until ready(context) or until sleeping is better. Returns what ready() said
 * last. peer_cpu: where the peer waits or -1 when there are several. deadline_ns: uerl_now_ns() at
 * most. */
bool uerl_wait_busy(struct uerl_wait *wait, bool (*ready)(void *context), void *context,
                    int peer_cpu, int64_t deadline_ns);

/* The slice that follows `slice_ns` (0 at first), cut off at the deadline. */
int64_t uerl_wait_next_slice(int64_t slice_ns, int64_t deadline_ns);

/* Sleeps while *word is `expected`, at most slice_ns; wakes early for no reason at times. */
void uerl_futex_wait(const uint32_t *word, uint32_t expected, uint32_t bits, int64_t slice_ns);

/* Wakes at most `count` sleepers of *word whose bits match. */
void uerl_futex_wake(const uint32_t *word, int count, uint32_t bits);

#define UERL_FUTEX_ALL_BITS UINT32_C(0xffffffff)

/* The lanes share 32 bits; a neighbour's wake-up costs one look at the ring. */
static inline uint32_t uerl_futex_lane_bit(uint32_t lane)
{
    return UINT32_C(1) << (lane % 32);
}

/* CLOCK_MONOTONIC in nanoseconds; compared only within one process. */
int64_t uerl_now_ns(void);

/* now + timeout, without overflow. */
int64_t uerl_deadline_ns(int64_t timeout_ns);

int uerl_cpu(void); /* the processor this thread is on */

/* Processors this process may use: affinity mask and cgroup quota, at least 1. */
uint32_t uerl_num_cores(void);

#ifdef __cplusplus
}
#endif

#endif
