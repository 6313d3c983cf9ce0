/* lanes.h: a learner played by hand, lane by lane, for the tests of the simulator's calls. */
#ifndef UERL_TESTS_LANES_H
#define UERL_TESTS_LANES_H

#include "atomics.h"
#include "lock.h"
#include "ring.h"
#include "segments.h"
#include "wait.h"

static const int64_t MS = 1000000;

/* A segment with its owner's lock, and what a learner keeps to itself about lane 0. */
struct hand_learner {
    char name[UERL_NAME_BYTES];
    struct uerl_segment segment;
    uint32_t write_index, read_index;
    uint64_t sequence;
};

static inline void begin_learner(struct hand_learner *learner, struct small_spec spec)
{
    memset(learner, 0, sizeof *learner);
    CHECK_EQUAL(make_segment(&learner->segment, new_name(learner->name), &spec), UERL_OK);
}

static inline void end_learner(struct hand_learner *learner)
{
    end_segment(&learner->segment);
}

static inline struct uerl_lane_results *results_of(const struct hand_learner *learner)
{
    return uerl_segment_results(&learner->segment, 0);
}

/* Publishes any command to lane 0, and wakes who sleeps. */
static inline void publish_command(struct hand_learner *learner, struct uerl_command command)
{
    struct uerl_lane_commands *shared = uerl_segment_commands(&learner->segment, 0);
    struct uerl_header *header = uerl_segment_header(&learner->segment);
    command.message_count = shared->message_count;
    shared->commands[learner->write_index % UERL_RING_CAPACITY] = command;
    uerl_ring_publish(&shared->write_index, &learner->write_index);
    store_relaxed_u32(&header->command_epoch, header->command_epoch + 1);
    fence_seq_cst();
    uerl_futex_wake(&header->command_epoch, INT32_MAX, UERL_FUTEX_ALL_BITS);
}

/* Asks lane 0 to go on: actions in slot 0, rows to slot 1. */
static inline void go(struct hand_learner *learner)
{
    publish_command(learner, (struct uerl_command){
                                 .sequence = ++learner->sequence,
                                 .generation = results_of(learner)->generation,
                                 .slot = 1,
                                 .kind = UERL_COMMAND_GO,
                             });
}

/* The next result of lane 0, or one of sequence 0 when there is none. */
static inline struct uerl_result next_result(struct hand_learner *learner)
{
    struct uerl_lane_results *shared = results_of(learner);
    struct uerl_result result = {0, 0, 0};
    if (uerl_ring_peek(&shared->write_index, learner->read_index) < 1)
        return result;
    result = shared->results[learner->read_index % UERL_RING_CAPACITY];
    uerl_ring_advance(&uerl_segment_commands(&learner->segment, 0)->read_index,
                      &learner->read_index);
    return result;
}

/* Leaves a message for the simulator, to come with the next command. */
static inline void leave_message(struct hand_learner *learner, uint32_t kind, const char *text,
                                 uint32_t bytes)
{
    struct uerl_message *area = uerl_segment_message_to_simulator(&learner->segment, 0);
    memcpy(area + 1, text, strlen(text));
    area->kind = kind;
    area->bytes = bytes;
    uerl_segment_commands(&learner->segment, 0)->message_count++;
}

static inline int32_t bind_observation(uerl_simulator *simulator)
{
    return uerl_simulator_bind(simulator, NULL, "observation/state", UERL_ROLE_OBSERVATION,
                               UERL_DTYPE_FLOAT32, 1, (const uint64_t[]){3});
}

/* A simulator of lane `lane` that has bound nothing. */
static inline uerl_simulator *attach(const struct hand_learner *learner, int32_t lane)
{
    uerl_simulator *simulator = NULL;
    CHECK_EQUAL(uerl_simulator_attach(&simulator, learner->name, lane, 0), UERL_OK);
    return simulator;
}

/* A simulator of lane 0 that answers commands. */
static inline uerl_simulator *attach_ready(struct hand_learner *learner)
{
    uerl_simulator *simulator = attach(learner, 0);
    CHECK(bind_observation(simulator) >= 0);
    CHECK_EQUAL(uerl_simulator_ready(simulator), UERL_OK);
    learner->read_index = results_of(learner)->write_index;
    return simulator;
}

#endif
