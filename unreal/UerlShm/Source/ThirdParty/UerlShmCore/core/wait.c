/* A copy of csrc/core/wait.c, made by `make unreal`: change that one. */
/* wait.c: spin, yield, sleep. */
#define _GNU_SOURCE
#include "wait.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "atomics.h"

#define SPINS_PER_CLOCK_READ 32 /* a clock read takes as long as a pause */

int64_t uerl_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t uerl_deadline_ns(int64_t timeout_ns)
{
    const int64_t now_ns = uerl_now_ns();
    return timeout_ns < 0 || timeout_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + timeout_ns;
}

int uerl_cpu(void)
{
    return sched_getcpu();
}

/* Cores that a cgroup's quota leaves, or `cores` when there is none. Containers see their own group
 * at the root of the mount. */
static uint32_t limited_by_cgroup(uint32_t cores)
{
    long long quota = -1, period = 0;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (file != NULL) {
        if (fscanf(file, "%lld %lld", &quota, &period) != 2)
            quota = -1; /* "max" */
        fclose(file);
    } else if ((file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "re")) != NULL) {
        if (fscanf(file, "%lld", &quota) != 1)
            quota = -1;
        fclose(file);
        if ((file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "re")) != NULL) {
            if (fscanf(file, "%lld", &period) != 1)
                period = 0;
            fclose(file);
        }
    }
    if (quota <= 0 || period <= 0)
        return cores;
    const long long whole = quota / period;
    return whole < 1 ? 1 : whole < cores ? (uint32_t)whole : cores;
}

uint32_t uerl_num_cores(void)
{
    /* Machines have had more processors than CPU_SETSIZE; the call fails there until it fits. */
    for (int num_cpus = CPU_SETSIZE; num_cpus <= CPU_SETSIZE * 64; num_cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)num_cpus);
        if (set == NULL)
            break;
        const size_t bytes = CPU_ALLOC_SIZE((size_t)num_cpus);
        const int failed = sched_getaffinity(0, bytes, set);
        const int count = failed ? 0 : CPU_COUNT_S(bytes, set);
        CPU_FREE(set);
        if (!failed)
            return limited_by_cgroup(count < 1 ? 1 : (uint32_t)count);
    }
    return 1;
}

void uerl_wait_init(struct uerl_wait *wait, uint32_t num_processes)
{
    const char *mode = getenv(UERL_ENV_WAIT);
    const bool sleeps = mode != NULL && strcmp(mode, "sleep") == 0;
    *wait = (struct uerl_wait){
        .may_spin = !sleeps && num_processes <= uerl_num_cores(),
        .penalty = UERL_WAIT_PENALTY_WAITS,
        .yields_off = sleeps ? UINT32_MAX : 0,
    };
}

static bool spin(bool (*ready)(void *), void *context, int64_t deadline_ns)
{
    const int64_t start_ns = uerl_now_ns();
    int64_t end_ns = start_ns + UERL_WAIT_SPIN_NS;
    if (end_ns > deadline_ns)
        end_ns = deadline_ns;
    do {
        for (int i = 0; i < SPINS_PER_CLOCK_READ; i++) {
            if (ready(context))
                return true;
            spin_pause();
        }
    } while (uerl_now_ns() < end_ns);
    return false;
}

static void note_slow_yield(struct uerl_wait *wait)
{
    wait->good_waits = 0;
    wait->was_slow = !wait->was_slow;
    if (wait->was_slow)
        return; /* the first may be an accident, with many neighbours hardly a rare one */
    wait->yields_off = wait->penalty;
    if (wait->penalty < UERL_WAIT_PENALTY_MAX)
        wait->penalty *= 2;
}

static void note_good_wait(struct uerl_wait *wait)
{
    if (++wait->good_waits == UERL_WAIT_FORGIVEN_WAITS)
        wait->was_slow = false;
    if (wait->good_waits < UERL_WAIT_GOOD_WAITS)
        return;
    wait->good_waits = 0;
    if (wait->penalty > UERL_WAIT_PENALTY_WAITS)
        wait->penalty /= 2;
}

static bool yield(struct uerl_wait *wait, bool (*ready)(void *), void *context)
{
    if (wait->yields_off > 0) {
        wait->yields_off--;
        return false;
    }
    int64_t before_ns = uerl_now_ns(), idle_ns = 0;
    for (int turns = 0; turns < UERL_WAIT_YIELDS && idle_ns < UERL_WAIT_SPIN_NS;) {
        sched_yield();
        const int64_t after_ns = uerl_now_ns(), yield_ns = after_ns - before_ns;
        const bool slow = yield_ns > UERL_WAIT_SLOW_YIELD_NS;
        if (slow)
            note_slow_yield(wait);
        if (ready(context)) {
            if (!slow)
                note_good_wait(wait);
            return true;
        }
        if (wait->yields_off > 0)
            return false;
        if (yield_ns < UERL_WAIT_IDLE_YIELD_NS)
            idle_ns += yield_ns;
        else
            turns++;
        before_ns = after_ns;
    }
    return false;
}

bool uerl_wait_busy(struct uerl_wait *wait, bool (*ready)(void *context), void *context,
                    int peer_cpu, int64_t deadline_ns)
{
    if (ready(context))
        return true;
    if (wait->may_spin && peer_cpu != uerl_cpu() && spin(ready, context, deadline_ns))
        return true;
    return yield(wait, ready, context);
}

int64_t uerl_wait_next_slice(int64_t slice_ns, int64_t deadline_ns)
{
    int64_t next_ns = slice_ns == 0 ? UERL_WAIT_FIRST_SLICE_NS : slice_ns * 2;
    if (next_ns > UERL_WAIT_LAST_SLICE_NS)
        next_ns = UERL_WAIT_LAST_SLICE_NS;
    const int64_t left_ns = deadline_ns - uerl_now_ns();
    return left_ns < 0 ? 0 : left_ns < next_ns ? left_ns : next_ns;
}

void uerl_futex_wait(const uint32_t *word, uint32_t expected, uint32_t bits, int64_t slice_ns)
{
    if (slice_ns <= 0)
        return;
    const int64_t until_ns = uerl_now_ns() + slice_ns; /* the bitset call takes an absolute time */
    const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                                   .tv_nsec = (long)(until_ns % 1000000000)};
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, &until, NULL, bits) == 0)
        return;
    if (errno == ENOSYS || errno == EPERM) { /* a seccomp filter without futex bitsets: poll */
        const struct timespec nap = {.tv_nsec = 100000};
        nanosleep(&nap, NULL);
    }
}

void uerl_futex_wake(const uint32_t *word, int count, uint32_t bits)
{
    syscall(SYS_futex, word, FUTEX_WAKE_BITSET, count, NULL, NULL, bits);
}
