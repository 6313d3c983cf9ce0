/* test_wait.c: spin, yield, sleep: when each is tried, and that none lasts longer than it says. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#include "atomics.h"
#include "segments.h"
#include "wait.h"

static const int64_t MS = 1000000;
static const int64_t FOR_EVER = INT64_MAX;

static void nap(int64_t nap_ns)
{
    const struct timespec time = {.tv_sec = nap_ns / 1000000000, .tv_nsec = nap_ns % 1000000000};
    nanosleep(&time, NULL);
}

/* The tests' own sched_yield(): the real one takes as long as the machine's other load likes. */
static int64_t yield_ns;
static uint64_t num_yields;

int sched_yield(void)
{
    num_yields++;
    if (yield_ns > 0)
        nap(yield_ns);
    return 0;
}

/* A ready() that is true at call `when` (0: never) and takes call_ns. */
struct readiness {
    uint64_t when, calls;
    int64_t call_ns;
};

static bool is_ready(void *context)
{
    struct readiness *readiness = context;
    if (readiness->call_ns > 0)
        nap(readiness->call_ns);
    return ++readiness->calls == readiness->when;
}

static struct uerl_wait wait_that_may_spin(bool may_spin)
{
    struct uerl_wait wait;
    uerl_wait_init(&wait, 1);
    wait.may_spin = may_spin;
    return wait;
}

TEST(a_deadline_is_the_timeout_from_now)
{
    const int64_t before_ns = uerl_now_ns();
    const int64_t deadline_ns = uerl_deadline_ns(5 * MS);
    CHECK(deadline_ns >= before_ns + 5 * MS);
    CHECK(deadline_ns <= uerl_now_ns() + 5 * MS);
}

TEST(a_negative_or_immense_timeout_has_no_deadline)
{
    CHECK_EQUAL(uerl_deadline_ns(-1), FOR_EVER);
    CHECK_EQUAL(uerl_deadline_ns(INT64_MIN), FOR_EVER);
    CHECK_EQUAL(uerl_deadline_ns(INT64_MAX), FOR_EVER);
    CHECK(uerl_deadline_ns(INT64_C(1) << 60) < FOR_EVER);
}

TEST(sleeps_double_from_one_millisecond_to_a_hundred)
{
    const int64_t expected_ms[] = {1, 2, 4, 8, 16, 32, 64, 100, 100};
    int64_t slice_ns = 0;
    for (size_t i = 0; i < sizeof expected_ms / sizeof *expected_ms; i++) {
        slice_ns = uerl_wait_next_slice(slice_ns, FOR_EVER);
        CHECK_EQUAL(slice_ns, expected_ms[i] * MS);
    }
}

TEST(no_sleep_passes_the_deadline)
{
    const int64_t slice_ns = uerl_wait_next_slice(64 * MS, uerl_now_ns() + 10 * MS);
    CHECK(slice_ns > 0 && slice_ns <= 10 * MS);
    CHECK_EQUAL(uerl_wait_next_slice(0, uerl_now_ns()), 0);
    CHECK_EQUAL(uerl_wait_next_slice(0, uerl_now_ns() - MS), 0);
    CHECK_EQUAL(uerl_wait_next_slice(0, INT64_MIN / 2), 0);
}

TEST(what_is_ready_at_once_is_asked_once)
{
    struct uerl_wait wait = wait_that_may_spin(true);
    struct readiness readiness = {.when = 1};
    CHECK(uerl_wait_busy(&wait, is_ready, &readiness, -1, FOR_EVER));
    CHECK_EQUAL(readiness.calls, 1);
}

/* Preempted between two looks at the clock, a waiter takes its yield for a slow one. */
static bool was_disturbed(const struct uerl_wait *wait)
{
    return wait->was_slow || wait->yields_off > 0;
}

TEST(without_a_core_to_spare_a_waiter_yields_four_times_and_does_not_spin)
{
    struct uerl_wait wait;
    struct readiness never;
    for (int attempt = 0; attempt < 100; attempt++) {
        wait = wait_that_may_spin(false);
        never = (struct readiness){.when = 0};
        num_yields = 0;
        yield_ns = UERL_WAIT_IDLE_YIELD_NS; /* a nap takes longer */
        CHECK(!uerl_wait_busy(&wait, is_ready, &never, -1, FOR_EVER));
        yield_ns = 0;
        if (!was_disturbed(&wait))
            break;
    }
    CHECK_EQUAL(num_yields, UERL_WAIT_YIELDS);
    CHECK_EQUAL(never.calls, 1 + UERL_WAIT_YIELDS);
}

TEST(where_nobody_else_wants_the_core_a_waiter_yields_as_long_as_it_would_spin)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        struct uerl_wait wait = wait_that_may_spin(false);
        struct readiness never = {.when = 0};
        num_yields = 0; /* it ends: that is the upper bound */
        CHECK(!uerl_wait_busy(&wait, is_ready, &never, -1, FOR_EVER));
        if (num_yields > UERL_WAIT_SPIN_NS / UERL_WAIT_IDLE_YIELD_NS)
            break;
    }
    CHECK(num_yields > UERL_WAIT_SPIN_NS / UERL_WAIT_IDLE_YIELD_NS);
}

TEST(a_waiter_spins_for_a_peer_on_another_core)
{
    struct uerl_wait wait = wait_that_may_spin(true);
    struct readiness soon = {.when = 20};
    wait.yields_off = 1; /* so that only spinning can find it */
    CHECK(uerl_wait_busy(&wait, is_ready, &soon, -1, FOR_EVER));
    CHECK_EQUAL(soon.calls, 20);
}

TEST(a_waiter_does_not_spin_for_a_peer_on_its_own_core)
{
    cpu_set_t before, one;
    CHECK(sched_getaffinity(0, sizeof before, &before) == 0);
    struct uerl_wait wait = wait_that_may_spin(true);
    struct readiness never = {.when = 0};
    wait.yields_off = 1;
    CPU_ZERO(&one);
    CPU_SET((size_t)uerl_cpu(), &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0); /* this thread stays where it is */
    CHECK(!uerl_wait_busy(&wait, is_ready, &never, uerl_cpu(), FOR_EVER));
    CHECK_EQUAL(never.calls, 1);
    CHECK(sched_setaffinity(0, sizeof before, &before) == 0);
}

TEST(a_spin_ends_by_itself_and_at_the_deadline)
{
    struct uerl_wait wait = wait_that_may_spin(true);
    struct readiness never = {.when = 0, .call_ns = 10000};
    wait.yields_off = 2;
    CHECK(!uerl_wait_busy(&wait, is_ready, &never, -1, FOR_EVER));
    /* 32 calls between two looks at the clock, of 10 us at least: one round is past 50 us. */
    CHECK_EQUAL(never.calls, 1 + 32);
    never = (struct readiness){.when = 0};
    CHECK(!uerl_wait_busy(&wait, is_ready, &never, -1, uerl_now_ns()));
    CHECK_EQUAL(never.calls, 1 + 32);
}

TEST(spinning_is_for_machines_with_a_core_for_every_process)
{
    struct uerl_wait wait;
    uerl_wait_init(&wait, uerl_num_cores());
    CHECK(wait.may_spin);
    uerl_wait_init(&wait, uerl_num_cores() + 1);
    CHECK(!wait.may_spin);
    CHECK_EQUAL(wait.penalty, UERL_WAIT_PENALTY_WAITS);
    CHECK_EQUAL(wait.yields_off, 0);
}

TEST(a_waiter_that_is_told_to_sleep_neither_spins_nor_yields)
{
    struct uerl_wait wait;
    struct readiness never = {.when = 0};
    CHECK(setenv(UERL_ENV_WAIT, "sleep", 1) == 0);
    uerl_wait_init(&wait, 1);
    CHECK(unsetenv(UERL_ENV_WAIT) == 0);
    num_yields = 0;
    CHECK(!uerl_wait_busy(&wait, is_ready, &never, -1, FOR_EVER));
    CHECK_EQUAL(num_yields, 0);
    CHECK_EQUAL(never.calls, 1);
}

static bool wait_with_slow_yield(struct uerl_wait *wait)
{
    struct readiness never = {.when = 0};
    yield_ns = 2 * UERL_WAIT_SLOW_YIELD_NS;
    const bool ready = uerl_wait_busy(wait, is_ready, &never, -1, FOR_EVER);
    yield_ns = 0;
    return ready;
}

TEST(one_slow_yield_is_forgiven_after_sixteen_good_waits)
{
    struct uerl_wait wait = wait_that_may_spin(false);
    struct readiness second = {.when = 2};
    yield_ns = 2 * UERL_WAIT_SLOW_YIELD_NS;
    CHECK(uerl_wait_busy(&wait, is_ready, &second, -1, FOR_EVER));
    yield_ns = 0;
    CHECK(wait.was_slow);
    CHECK_EQUAL(wait.yields_off, 0);
    for (uint32_t waits = 0; waits < 100000 && wait.was_slow && wait.yields_off == 0; waits++) {
        second = (struct readiness){.when = 2};
        CHECK(uerl_wait_busy(&wait, is_ready, &second, -1, FOR_EVER));
        CHECK(wait.good_waits <= UERL_WAIT_FORGIVEN_WAITS);
    }
    CHECK(!wait.was_slow);
}

TEST(two_slow_yields_switch_yielding_off_for_64_waits_and_each_next_two_for_twice_as_many)
{
    struct uerl_wait wait = wait_that_may_spin(false);
    for (uint32_t off = UERL_WAIT_PENALTY_WAITS; off <= 4 * UERL_WAIT_PENALTY_WAITS; off *= 2) {
        num_yields = 0;
        CHECK(!wait_with_slow_yield(&wait));
        CHECK_EQUAL(wait.yields_off, off);
        for (uint32_t i = 0; i < off; i++) {
            struct readiness never = {.when = 0};
            CHECK(!uerl_wait_busy(&wait, is_ready, &never, -1, FOR_EVER));
        }
        CHECK_EQUAL(num_yields, 2);
        CHECK_EQUAL(wait.yields_off, 0);
    }
}

TEST(the_penalty_of_slow_yields_has_an_upper_bound)
{
    struct uerl_wait wait = wait_that_may_spin(false);
    for (int i = 0; i < 12; i++) {
        wait.yields_off = 0;
        CHECK(!wait_with_slow_yield(&wait));
    }
    CHECK_EQUAL(wait.yields_off, UERL_WAIT_PENALTY_MAX);
}

/* Waits until `num_waits` waits went well; disturbed ones are forgotten. */
static void wait_well(struct uerl_wait *wait, uint32_t num_waits)
{
    for (uint32_t attempt = 0; num_waits > 0 && attempt < 1000000; attempt++) {
        const struct uerl_wait before = *wait;
        struct readiness soon = {.when = 2};
        uerl_wait_busy(wait, is_ready, &soon, -1, FOR_EVER);
        if (was_disturbed(wait))
            *wait = before;
        else
            num_waits--;
    }
    CHECK_EQUAL(num_waits, 0);
}

TEST(a_thousand_good_waits_halve_the_penalty_down_to_its_first_value)
{
    struct uerl_wait wait = wait_that_may_spin(false);
    wait.penalty = 4 * UERL_WAIT_PENALTY_WAITS;
    wait_well(&wait, UERL_WAIT_GOOD_WAITS - 1);
    CHECK_EQUAL(wait.penalty, 4 * UERL_WAIT_PENALTY_WAITS);
    wait_well(&wait, 1);
    CHECK_EQUAL(wait.penalty, 2 * UERL_WAIT_PENALTY_WAITS);
    wait_well(&wait, 3 * UERL_WAIT_GOOD_WAITS);
    CHECK_EQUAL(wait.penalty, UERL_WAIT_PENALTY_WAITS);
}

/* Futexes -------------------------------------------------------------------------------------- */

/* A word that two processes share, and what a sleeper there saw. */
struct sleeper {
    uint32_t word;
    uint32_t bits;
    uint32_t woken;
    int64_t slept_ns;
};

static int sleep_until_woken(void *context)
{
    struct sleeper *sleeper = context;
    const int64_t start_ns = uerl_now_ns();
    uerl_futex_wait(&sleeper->word, 0, sleeper->bits, 30000 * MS);
    sleeper->slept_ns = uerl_now_ns() - start_ns;
    store_release_u32(&sleeper->woken, 1);
    return 0;
}

static struct sleeper *shared_sleeper(uint32_t bits)
{
    struct sleeper *sleeper =
        mmap(NULL, sizeof *sleeper, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(sleeper != MAP_FAILED);
    sleeper->bits = bits;
    return sleeper;
}

/* The word stays 0, so only a wake that arrives ends the sleep; repeated, for it may come first. */
static bool wakes(struct sleeper *sleeper, uint32_t bits, int attempts)
{
    for (int i = 0; i < attempts; i++) {
        uerl_futex_wake(&sleeper->word, INT32_MAX, bits);
        nap(5 * MS);
        if (load_acquire_u32(&sleeper->woken))
            return true;
    }
    return false;
}

TEST(a_wake_reaches_a_sleeper_in_another_process)
{
    struct sleeper *sleeper = shared_sleeper(UERL_FUTEX_ALL_BITS);
    const pid_t child = start_child(sleep_until_woken, sleeper);
    CHECK(wakes(sleeper, UERL_FUTEX_ALL_BITS, 2000));
    CHECK_EQUAL(end_of_child(child), 0);
    CHECK(sleeper->slept_ns < 30000 * MS);
    munmap(sleeper, sizeof *sleeper);
}

TEST(a_wake_for_other_lanes_lets_a_sleeper_sleep)
{
    struct sleeper *sleeper = shared_sleeper(uerl_futex_lane_bit(3));
    const pid_t child = start_child(sleep_until_woken, sleeper);
    CHECK(!wakes(sleeper, ~uerl_futex_lane_bit(3), 20));
    CHECK(wakes(sleeper, uerl_futex_lane_bit(3), 2000));
    CHECK_EQUAL(end_of_child(child), 0);
    munmap(sleeper, sizeof *sleeper);
}

TEST(a_sleep_ends_at_its_slice_and_does_not_begin_on_another_value)
{
    uint32_t word = 5;
    int64_t start_ns = uerl_now_ns();
    uerl_futex_wait(&word, 5, UERL_FUTEX_ALL_BITS, 20 * MS);
    CHECK(uerl_now_ns() - start_ns >= 20 * MS);
    start_ns = uerl_now_ns();
    uerl_futex_wait(&word, 4, UERL_FUTEX_ALL_BITS, 30000 * MS);
    uerl_futex_wait(&word, 5, UERL_FUTEX_ALL_BITS, 0);
    uerl_futex_wait(&word, 5, UERL_FUTEX_ALL_BITS, -1);
    CHECK(uerl_now_ns() - start_ns < 10000 * MS);
}

TEST(thirty_two_lanes_have_a_bit_each_and_later_ones_share_them)
{
    uint32_t all = 0;
    for (uint32_t lane = 0; lane < 32; lane++) {
        CHECK((all & uerl_futex_lane_bit(lane)) == 0);
        all |= uerl_futex_lane_bit(lane);
        CHECK_EQUAL(uerl_futex_lane_bit(lane), uerl_futex_lane_bit(lane + 32));
    }
    CHECK_EQUAL(all, UERL_FUTEX_ALL_BITS);
}

TEST(cores_are_those_of_the_affinity_mask)
{
    cpu_set_t before, one;
    CHECK(sched_getaffinity(0, sizeof before, &before) == 0);
    CHECK(uerl_num_cores() >= 1 && uerl_num_cores() <= (uint32_t)CPU_COUNT(&before));
    CPU_ZERO(&one);
    CPU_SET((size_t)uerl_cpu(), &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK_EQUAL(uerl_num_cores(), 1);
    CHECK(sched_setaffinity(0, sizeof before, &before) == 0);
}

int main(void)
{
    RUN(a_deadline_is_the_timeout_from_now);
    RUN(a_negative_or_immense_timeout_has_no_deadline);
    RUN(sleeps_double_from_one_millisecond_to_a_hundred);
    RUN(no_sleep_passes_the_deadline);
    RUN(what_is_ready_at_once_is_asked_once);
    RUN(without_a_core_to_spare_a_waiter_yields_four_times_and_does_not_spin);
    RUN(a_waiter_spins_for_a_peer_on_another_core);
    RUN(a_waiter_does_not_spin_for_a_peer_on_its_own_core);
    RUN(a_spin_ends_by_itself_and_at_the_deadline);
    RUN(spinning_is_for_machines_with_a_core_for_every_process);
    RUN(a_waiter_that_is_told_to_sleep_neither_spins_nor_yields);
    RUN(where_nobody_else_wants_the_core_a_waiter_yields_as_long_as_it_would_spin);
    RUN(one_slow_yield_is_forgiven_after_sixteen_good_waits);
    RUN(two_slow_yields_switch_yielding_off_for_64_waits_and_each_next_two_for_twice_as_many);
    RUN(the_penalty_of_slow_yields_has_an_upper_bound);
    RUN(a_thousand_good_waits_halve_the_penalty_down_to_its_first_value);
    RUN(a_wake_reaches_a_sleeper_in_another_process);
    RUN(a_wake_for_other_lanes_lets_a_sleeper_sleep);
    RUN(a_sleep_ends_at_its_slice_and_does_not_begin_on_another_value);
    RUN(thirty_two_lanes_have_a_bit_each_and_later_ones_share_them);
    RUN(cores_are_those_of_the_affinity_mask);
    return check_result();
}
