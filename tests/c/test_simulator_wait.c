/* test_simulator_wait.c: how a simulator waits, and how it learns that the learner is gone. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "lanes.h"

static void nap(int64_t nap_ns)
{
    const struct timespec time = {.tv_sec = nap_ns / 1000000000, .tv_nsec = nap_ns % 1000000000};
    nanosleep(&time, NULL);
}

/* Timeouts ------------------------------------------------------------------------------------ */

TEST(a_timeout_says_so_and_may_be_repeated)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    const int64_t timeouts_ns[] = {0, 1, 1000, 100000, 2 * MS, 20 * MS};
    for (size_t i = 0; i < sizeof timeouts_ns / sizeof *timeouts_ns; i++) {
        const int64_t start_ns = uerl_now_ns();
        CHECK_EQUAL(uerl_simulator_receive(simulator, &received, timeouts_ns[i]), UERL_E_TIMEOUT);
        CHECK(uerl_now_ns() - start_ns >= timeouts_ns[i]);
    }
    CHECK_SAYS(uerl_last_error(), "no command came to lane 0 of segment");
    CHECK_SAYS(uerl_last_error(), "in 0.020 s: call again");
    CHECK_EQUAL(uerl_segment_header(&learner.segment)->num_waiting, 0);
    CHECK(results_of(&learner)->wait_ns >= 22 * (uint64_t)MS);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK_EQUAL(received.sequence, 1);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

static void *go_after_a_while(void *learner)
{
    nap(50 * MS);
    go(learner);
    return NULL;
}

TEST(a_sleeping_simulator_is_counted_as_waiting_and_gets_the_next_command)
{
    const int64_t timeouts_ns[] = {-1, INT64_MAX, 60000 * MS};
    for (size_t i = 0; i < sizeof timeouts_ns / sizeof *timeouts_ns; i++) {
        struct hand_learner learner;
        struct uerl_received received;
        pthread_t thread;
        begin_learner(&learner, small_spec(1, 1, 1, 2));
        uerl_simulator *simulator = attach_ready(&learner);
        CHECK(pthread_create(&thread, NULL, go_after_a_while, &learner) == 0);
        CHECK_EQUAL(uerl_simulator_receive(simulator, &received, timeouts_ns[i]), UERL_OK);
        pthread_join(thread, NULL);
        CHECK_EQUAL(received.sequence, 1);
        CHECK_EQUAL(uerl_segment_header(&learner.segment)->num_waiting, 0);
        uerl_simulator_detach(simulator);
        end_learner(&learner);
    }
}

/* Whoever sleeps on finished_count for a result. */
struct waiting_learner {
    struct hand_learner hand;
    uint32_t wake_at;
    uint32_t asleep, woken;
};

static void *sleep_for_results(void *context)
{
    struct waiting_learner *learner = context;
    struct uerl_header *header = uerl_segment_header(&learner->hand.segment);
    store_relaxed_u32(&header->wake_at, learner->wake_at);
    store_relaxed_u32(&header->sleeping, 1);
    fence_seq_cst();
    store_release_u32(&learner->asleep, 1);
    /* No value of the count but the one the wake announces ends this sleep. */
    const int64_t deadline_ns = uerl_deadline_ns(30000 * MS);
    while (uerl_now_ns() < deadline_ns) {
        const uint32_t count = load_acquire_u32(&header->finished_count);
        if ((int32_t)(count - learner->wake_at) >= 0)
            break;
        uerl_futex_wait(&header->finished_count, count, UERL_FUTEX_ALL_BITS, 30000 * MS);
    }
    store_relaxed_u32(&header->sleeping, 0);
    store_release_u32(&learner->woken, uerl_now_ns() < deadline_ns);
    return NULL;
}

TEST(the_result_that_the_learner_waits_for_wakes_it)
{
    struct waiting_learner learner = {.wake_at = 3};
    struct uerl_received received;
    pthread_t thread;
    begin_learner(&learner.hand, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner.hand);
    CHECK(pthread_create(&thread, NULL, sleep_for_results, &learner) == 0);
    while (!load_acquire_u32(&learner.asleep))
        nap(MS);
    nap(20 * MS);
    for (int i = 0; i < 3; i++) {
        go(&learner.hand);
        CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
        CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
    }
    pthread_join(thread, NULL);
    CHECK_EQUAL(learner.woken, 1);
    uerl_simulator_detach(simulator);
    end_learner(&learner.hand);
}

/* The learner's end --------------------------------------------------------------------------- */

TEST(a_close_command_ends_a_simulator)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    go(&learner);
    publish_command(&learner, (struct uerl_command){.sequence = 2, .generation = 1,
                                                    .kind = UERL_COMMAND_CLOSE});
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, -1), UERL_OK); /* first things first */
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, -1), UERL_E_CLOSED);
    CHECK_SAYS(uerl_last_error(), "is finished");
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

/* A learner in another process that ends after a while, and when it did. */
struct ending {
    char name[UERL_NAME_BYTES];
    int64_t end_ns;
    bool close; /* in order, by the closed word alone; else by SIGKILL */
};

static int end_after_a_while(void *context)
{
    struct ending *ending = context;
    struct uerl_segment segment;
    CHECK_EQUAL(uerl_segment_open(&segment, ending->name, false), UERL_OK);
    CHECK_EQUAL(uerl_lock_take(segment.lock_fd, UERL_LOCK_OWNER), UERL_OK);
    nap(150 * MS); /* long enough for the simulator's longest sleep */
    ending->end_ns = uerl_now_ns();
    if (!ending->close)
        raise(SIGKILL);
    store_relaxed_u32(&uerl_segment_header(&segment)->closed, 1);
    pause();
    return 0;
}

/* How long after the learner's end a simulator that waits learns of it. */
static int64_t closed_after_ns(bool close, int64_t timeout_ns)
{
    struct hand_learner learner;
    struct uerl_received received;
    struct ending *ending =
        mmap(NULL, sizeof *ending, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    memcpy(ending->name, learner.name, sizeof ending->name);
    ending->close = close;
    uerl_simulator *simulator = attach_ready(&learner);
    uerl_lock_release(learner.segment.lock_fd, UERL_LOCK_OWNER); /* the child is the owner now */
    const pid_t child = start_child(end_after_a_while, ending);
    while (uerl_lock_probe(learner.segment.lock_fd, UERL_LOCK_OWNER) != UERL_LOCK_HELD)
        nap(MS / 10);
    const int64_t deadline_ns = uerl_deadline_ns(5000 * MS);
    int error;
    do {
        error = uerl_simulator_receive(simulator, &received, timeout_ns);
        if (timeout_ns == 0)
            nap(MS);
    } while (error == UERL_E_TIMEOUT && uerl_now_ns() < deadline_ns);
    const int64_t after_ns = uerl_now_ns() - ending->end_ns;
    CHECK_EQUAL(error, UERL_E_CLOSED);
    CHECK_SAYS(uerl_last_error(), close ? "is finished" : "died");
    kill(child, SIGKILL);
    CHECK_EQUAL(end_of_child(child), 128 + SIGKILL);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
    munmap(ending, sizeof *ending);
    return after_ns;
}

/* A bound of the design, on a machine that may be busy: it holds in one of five attempts. */
static bool is_closed_in_time(bool close, int64_t timeout_ns)
{
    for (int attempt = 0; attempt < 5; attempt++)
        if (closed_after_ns(close, timeout_ns) <= 200 * MS)
            return true;
    return false;
}

TEST(a_waiting_simulator_sees_the_learners_death_within_200_ms)
{
    CHECK(is_closed_in_time(false, 60000 * MS));
}

TEST(a_waiting_simulator_sees_a_closed_learner_within_200_ms_even_without_a_wake)
{
    CHECK(is_closed_in_time(true, 60000 * MS));
}

TEST(a_simulator_that_polls_or_waits_briefly_sees_the_learners_death_too)
{
    CHECK(is_closed_in_time(false, 0));
    CHECK(is_closed_in_time(false, 20000));
}

/* Generations --------------------------------------------------------------------------------- */

TEST(commands_of_another_generation_are_dropped)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    for (uint32_t generation = 0; generation <= 2; generation += 2)
        publish_command(&learner, (struct uerl_command){.sequence = 50, .generation = generation,
                                                        .slot = 99, .kind = UERL_COMMAND_CLOSE});
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_E_TIMEOUT);
    CHECK_EQUAL(results_of(&learner)->read_index, 2);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK_EQUAL(received.sequence, 1);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(a_successor_begins_behind_what_was_meant_for_its_predecessor)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
    go(&learner);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    uerl_simulator_detach(simulator); /* with a command in hand and one unread */
    CHECK_EQUAL(results_of(&learner)->state, UERL_LANE_DETACHED);
    simulator = attach_ready(&learner);
    CHECK_EQUAL(results_of(&learner)->generation, 2);
    CHECK_EQUAL(results_of(&learner)->write_index, 1);
    CHECK_EQUAL(results_of(&learner)->read_index, 3);
    CHECK_EQUAL(results_of(&learner)->steps, 0);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_E_TIMEOUT);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK_EQUAL(received.sequence, 4);
    CHECK_EQUAL(received.generation, 2);
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
    CHECK_EQUAL(next_result(&learner).sequence, 4);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(a_generation_is_never_zero)
{
    struct hand_learner learner;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    results_of(&learner)->generation = UINT32_MAX;
    uerl_simulator *simulator = attach_ready(&learner);
    CHECK_EQUAL(results_of(&learner)->generation, 1);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(indices_may_overflow_while_a_simulator_works)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    learner.write_index = UINT32_MAX - 2;
    uerl_segment_commands(&learner.segment, 0)->write_index = learner.write_index;
    results_of(&learner)->write_index = UINT32_MAX - 5;
    uerl_simulator *simulator = attach_ready(&learner);
    for (uint64_t sequence = 1; sequence <= 12; sequence++) {
        CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_E_TIMEOUT);
        go(&learner);
        CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
        CHECK_EQUAL(received.sequence, sequence);
        CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
        CHECK_EQUAL(next_result(&learner).sequence, sequence);
    }
    CHECK_EQUAL(results_of(&learner)->read_index, 9);
    CHECK_EQUAL(results_of(&learner)->write_index, 6);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

int main(void)
{
    RUN(a_timeout_says_so_and_may_be_repeated);
    RUN(a_sleeping_simulator_is_counted_as_waiting_and_gets_the_next_command);
    RUN(the_result_that_the_learner_waits_for_wakes_it);
    RUN(a_close_command_ends_a_simulator);
    RUN(a_waiting_simulator_sees_the_learners_death_within_200_ms);
    RUN(a_waiting_simulator_sees_a_closed_learner_within_200_ms_even_without_a_wake);
    RUN(a_simulator_that_polls_or_waits_briefly_sees_the_learners_death_too);
    RUN(commands_of_another_generation_are_dropped);
    RUN(a_successor_begins_behind_what_was_meant_for_its_predecessor);
    RUN(a_generation_is_never_zero);
    RUN(indices_may_overflow_while_a_simulator_works);
    return check_result();
}
