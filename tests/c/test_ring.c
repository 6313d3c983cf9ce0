/* test_ring.c: one writer, one reader, indices that run freely and are never believed. */
#include <pthread.h>
#include <sched.h>

#include "check.h"
#include "ring.h"

/* One ring as both sides have it: a shared index of each, and each side's own copy. */
struct test_ring {
    uint32_t shared_write, shared_read; /* what the other side sees */
    uint32_t write_index, read_index;   /* what each side keeps to itself */
    uint64_t entries[UERL_RING_CAPACITY];
};

static struct test_ring ring_at(uint32_t index)
{
    return (struct test_ring){index, index, index, index, {0}};
}

static void put(struct test_ring *ring, uint64_t value)
{
    ring->entries[ring->write_index % UERL_RING_CAPACITY] = value;
    uerl_ring_publish(&ring->shared_write, &ring->write_index);
}

static uint64_t get(struct test_ring *ring)
{
    const uint64_t value = ring->entries[ring->read_index % UERL_RING_CAPACITY];
    uerl_ring_advance(&ring->shared_read, &ring->read_index);
    return value;
}

static int peek(const struct test_ring *ring)
{
    return uerl_ring_peek(&ring->shared_write, ring->read_index);
}

static int room(const struct test_ring *ring)
{
    return uerl_ring_room(&ring->shared_read, ring->write_index);
}

TEST(a_new_ring_is_empty_and_has_room_for_its_capacity)
{
    const struct test_ring ring = ring_at(0);
    CHECK_EQUAL(peek(&ring), 0);
    CHECK_EQUAL(room(&ring), UERL_RING_CAPACITY);
}

TEST(entries_come_out_in_the_order_in_which_they_went_in)
{
    struct test_ring ring = ring_at(0);
    for (uint64_t i = 0; i < 3; i++)
        put(&ring, 100 + i);
    CHECK_EQUAL(peek(&ring), 3);
    for (uint64_t i = 0; i < 3; i++)
        CHECK_EQUAL(get(&ring), 100 + i);
    CHECK_EQUAL(peek(&ring), 0);
}

TEST(a_full_ring_has_no_room_until_its_reader_advances)
{
    struct test_ring ring = ring_at(0);
    for (int i = 0; i < UERL_RING_CAPACITY; i++) {
        CHECK_EQUAL(room(&ring), UERL_RING_CAPACITY - i);
        put(&ring, 1);
    }
    CHECK_EQUAL(room(&ring), 0);
    CHECK_EQUAL(peek(&ring), UERL_RING_CAPACITY);
    get(&ring);
    CHECK_EQUAL(room(&ring), 1);
}

TEST(indices_may_overflow)
{
    struct test_ring ring = ring_at(UINT32_MAX - 2);
    for (uint64_t i = 0; i < 20; i++) {
        put(&ring, 2 * i);
        put(&ring, 2 * i + 1);
        CHECK_EQUAL(peek(&ring), 2);
        CHECK_EQUAL(room(&ring), UERL_RING_CAPACITY - 2);
        CHECK_EQUAL(get(&ring), 2 * i);
        CHECK_EQUAL(get(&ring), 2 * i + 1);
    }
    CHECK_EQUAL(ring.write_index, 37); /* three below zero, and forty up */
}

/* Every index but the five possible ones is refused, wherever the reader stands. */
TEST(peek_reports_corrupt_when_the_write_index_is_behind_or_more_than_capacity_ahead)
{
    const uint32_t starts[] = {0, 1, 1000, UINT32_MAX - 2, UINT32_MAX};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        for (uint32_t ahead = 0; ahead <= UERL_RING_CAPACITY; ahead++) {
            const uint32_t write_index = starts[i] + ahead;
            CHECK_EQUAL(uerl_ring_peek(&write_index, starts[i]), ahead);
        }
        const uint32_t wrong[] = {UERL_RING_CAPACITY + 1, 1000, UINT32_MAX / 2, UINT32_MAX};
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++) {
            const uint32_t write_index = starts[i] + wrong[j];
            CHECK_EQUAL(uerl_ring_peek(&write_index, starts[i]), UERL_E_CORRUPT);
        }
    }
}

TEST(room_reports_corrupt_when_the_read_index_is_ahead_or_more_than_capacity_behind)
{
    const uint32_t starts[] = {0, 1, 1000, UINT32_MAX - 2, UINT32_MAX};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        for (uint32_t behind = 0; behind <= UERL_RING_CAPACITY; behind++) {
            const uint32_t read_index = starts[i] - behind;
            CHECK_EQUAL(uerl_ring_room(&read_index, starts[i]), UERL_RING_CAPACITY - behind);
        }
        const uint32_t wrong[] = {UERL_RING_CAPACITY + 1, 1000, UINT32_MAX / 2, UINT32_MAX};
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++) {
            const uint32_t read_index = starts[i] - wrong[j];
            CHECK_EQUAL(uerl_ring_room(&read_index, starts[i]), UERL_E_CORRUPT);
        }
    }
}

TEST(a_peer_that_scribbles_over_an_index_does_not_move_it)
{
    struct test_ring ring = ring_at(7);
    ring.shared_write = 12345; /* the reader's doing */
    ring.shared_read = 54321;  /* the writer's doing */
    put(&ring, 42);
    CHECK_EQUAL(ring.shared_write, 8);
    CHECK_EQUAL(get(&ring), 42);
    CHECK_EQUAL(ring.shared_read, 8);
}

/* Two threads: the ring as the processes use it, with rows beside it that the index must cover. */
enum { NUM_PASSED = 200000, ROW_WORDS = 16 };

static struct test_ring passed;
static uint64_t rows[UERL_RING_CAPACITY][ROW_WORDS];

static void *write_entries(void *unused)
{
    for (uint64_t i = 0; i < NUM_PASSED;) {
        if (room(&passed) == 0) {
            sched_yield();
            continue;
        }
        for (int word = 0; word < ROW_WORDS; word++)
            rows[passed.write_index % UERL_RING_CAPACITY][word] = i + (uint64_t)word;
        put(&passed, i++);
    }
    return unused;
}

TEST(two_threads_pass_entries_and_the_rows_beside_them_unchanged)
{
    pthread_t writer;
    passed = ring_at(UINT32_MAX - 1000);
    CHECK(pthread_create(&writer, NULL, write_entries, NULL) == 0);
    uint64_t num_wrong = 0;
    for (uint64_t i = 0; i < NUM_PASSED;) {
        const int count = peek(&passed);
        if (count <= 0) {
            num_wrong += count < 0;
            sched_yield();
            continue;
        }
        for (int word = 0; word < ROW_WORDS; word++)
            num_wrong += rows[passed.read_index % UERL_RING_CAPACITY][word] != i + (uint64_t)word;
        num_wrong += get(&passed) != i++;
    }
    pthread_join(writer, NULL);
    CHECK_EQUAL(num_wrong, 0);
}

int main(void)
{
    RUN(a_new_ring_is_empty_and_has_room_for_its_capacity);
    RUN(entries_come_out_in_the_order_in_which_they_went_in);
    RUN(a_full_ring_has_no_room_until_its_reader_advances);
    RUN(indices_may_overflow);
    RUN(peek_reports_corrupt_when_the_write_index_is_behind_or_more_than_capacity_ahead);
    RUN(room_reports_corrupt_when_the_read_index_is_ahead_or_more_than_capacity_behind);
    RUN(a_peer_that_scribbles_over_an_index_does_not_move_it);
    RUN(two_threads_pass_entries_and_the_rows_beside_them_unchanged);
    return check_result();
}
