/* test_simulator.c: a simulator in its lane: commands in, rows and results out, nothing beyond. */
#define _GNU_SOURCE
#include "lanes.h"
#include "simulator_private.h"
#include "uerl_shm/bridge.h"
#include "watch.h"

TEST(calls_in_the_wrong_order_are_refused_and_say_which_comes_first)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach(&learner, 0);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "receive() was called before ready(): call ready() first");
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "send() was called without a command in hand");
    bind_observation(simulator);
    CHECK_EQUAL(uerl_simulator_ready(simulator), UERL_OK);
    CHECK_EQUAL(uerl_simulator_ready(simulator), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "ready() was called twice");
    CHECK_EQUAL(results_of(&learner)->generation, 1);
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_E_INVALID);
    CHECK_EQUAL(uerl_simulator_fail(simulator, "x"), UERL_E_INVALID);
    go(&learner);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "with a command in hand: call send() first");
    CHECK_EQUAL(received.sequence, 1);
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_E_INVALID);
    CHECK_EQUAL(next_result(&learner).sequence, 1);
    CHECK_EQUAL(next_result(&learner).sequence, 0);
    uerl_simulator_detach(simulator);
    uerl_simulator_detach(NULL);
    end_learner(&learner);
}

TEST(commands_are_answered_one_by_one_in_their_order)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    for (uint64_t sequence = 1; sequence <= 30; sequence += 3) {
        for (int i = 0; i < 3; i++)
            go(&learner);
        for (uint64_t i = 0; i < 3; i++) {
            CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
            CHECK_EQUAL(received.sequence, sequence + i);
            CHECK_EQUAL(received.generation, 1);
            CHECK_EQUAL(received.slot, 1);
            CHECK_EQUAL(received.action_slot, 0);
            CHECK_EQUAL(received.has_message, 0);
            CHECK_EQUAL(next_result(&learner).sequence, 0); /* nothing before send() */
            CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
            const struct uerl_result result = next_result(&learner);
            CHECK_EQUAL(result.sequence, sequence + i);
            CHECK_EQUAL(result.generation, 1);
            CHECK_EQUAL(result.status, UERL_RESULT_OK);
        }
        CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_E_TIMEOUT);
    }
    CHECK_EQUAL(results_of(&learner)->read_index, 30);
    CHECK_EQUAL(results_of(&learner)->progress, 60);
    CHECK_EQUAL(results_of(&learner)->steps, 30);
    CHECK_EQUAL(uerl_segment_header(&learner.segment)->finished_count, 30);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(a_fenced_simulator_commits_nothing)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    uerl_watch_stop(simulator->watch); /* it would end this process */
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    uerl_segment_commands(&learner.segment, 0)->fence = received.generation;
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_E_CLOSED);
    CHECK_SAYS(uerl_last_error(), "was fenced by its learner");
    CHECK_EQUAL(next_result(&learner).sequence, 0);
    CHECK_EQUAL(uerl_segment_header(&learner.segment)->finished_count, 0);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(a_fenced_relay_commits_nothing_and_its_process_lives)
{
    struct hand_learner learner;
    struct uerl_received received;
    const struct timespec ticks = {.tv_nsec = 3 * UERL_WATCH_NS};
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    uerl_simulator_relays(simulator);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK_EQUAL(uerl_simulator_is_fenced(simulator), 0);
    uerl_segment_commands(&learner.segment, 0)->fence = received.generation;
    nanosleep(&ticks, NULL); /* in which the watch would end this process */
    CHECK_EQUAL(uerl_simulator_is_fenced(simulator), 1);
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_E_CLOSED);
    CHECK_EQUAL(next_result(&learner).sequence, 0);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

/* Rows ---------------------------------------------------------------------------------------- */

/* Bytes of a field that are 0xff although they should not be, or are not although they should. */
static uint64_t num_misplaced(const struct uerl_segment *segment, uint32_t index, uint32_t slot,
                              uint32_t first_row, uint32_t num_rows)
{
    const struct uerl_field *field = &segment->fields[index];
    const uint64_t begin = slot * field->slot_stride + first_row * field->row_stride;
    const uint64_t end = begin + num_rows * field->row_stride;
    const uint64_t num_bytes = segment->header.num_slots * field->slot_stride;
    uint64_t count = 0;
    for (uint64_t i = 0; i < num_bytes; i++)
        count += (segment->base[field->offset + i] == 0xff) != (i >= begin && i < end);
    return count;
}

TEST(rows_are_those_of_the_lane_in_the_slots_that_the_command_names)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(1, 2, 2, 4));
    uerl_simulator *simulator = attach_ready(&learner);
    publish_command(&learner, (struct uerl_command){.sequence = 1, .generation = 1,
                                                    .action_slot = 3, .slot = 2,
                                                    .kind = UERL_COMMAND_GO});
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK_EQUAL(received.slot, 2);
    CHECK_EQUAL(received.action_slot, 3);
    for (int32_t array = 0; array < 7; array++) {
        struct uerl_array described;
        CHECK_EQUAL(uerl_simulator_array(simulator, (uint32_t)array, &described), UERL_OK);
        for (uint32_t row = 0; row < described.num_rows; row++)
            memset(uerl_simulator_row(simulator, array, row), 0xff, described.row_bytes);
        const bool from_learner = described.role >= UERL_ROLE_FIRST_OF_LEARNER;
        CHECK_EQUAL(from_learner, array >= 1 && array <= 3);
        CHECK_EQUAL(num_misplaced(&learner.segment, (uint32_t)array, from_learner ? 3 : 2, 0, 4),
                    0);
    }
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(the_rows_of_a_lane_follow_those_of_the_lanes_before_it)
{
    struct small_spec spec = small_spec(3, 2, 2, 4);
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, spec);
    uerl_simulator *simulator = attach(&learner, 1);
    const int32_t observation = bind_observation(simulator);
    CHECK_EQUAL(uerl_simulator_ready(simulator), UERL_OK);
    struct uerl_lane_commands *shared = uerl_segment_commands(&learner.segment, 1);
    shared->commands[0] =
        (struct uerl_command){.sequence = 1, .generation = 1, .slot = 2, .kind = UERL_COMMAND_GO};
    uerl_ring_publish(&shared->write_index, &learner.write_index);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    for (uint32_t row = 0; row < 4; row++)
        memset(uerl_simulator_row(simulator, observation, row), 0xff, 12);
    CHECK_EQUAL(num_misplaced(&learner.segment, 0, 2, 4, 4), 0);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(rows_beyond_the_lane_do_not_exist_and_none_does_without_a_command)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(2, 2, 2, 2)); /* the next lane's rows come behind ours */
    uerl_simulator *simulator = attach_ready(&learner);
    CHECK(uerl_simulator_row(simulator, 0, 0) == NULL);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK(uerl_simulator_row(simulator, 0, 3) != NULL);
    CHECK(uerl_simulator_row(simulator, 0, 4) == NULL);
    CHECK(uerl_simulator_row(simulator, 0, UINT32_MAX) == NULL);
    CHECK(uerl_simulator_row(simulator, -1, 0) == NULL);
    CHECK(uerl_simulator_row(simulator, INT32_MIN, 0) == NULL);
    CHECK(uerl_simulator_row(simulator, 7, 0) == NULL);
    CHECK(uerl_simulator_row(simulator, INT32_MAX, 0) == NULL);
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
    CHECK(uerl_simulator_row(simulator, 0, 0) == NULL); /* it is the learner's by now */
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

/* Control, seed, outcome ---------------------------------------------------------------------- */

TEST(control_and_seed_of_an_env_are_those_of_its_first_agent)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(1, 2, 3, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    uint8_t *controls = uerl_segment_row(&learner.segment, 2, 0, 0);
    const int64_t seeds[] = {INT64_MIN, 5, 5, INT64_MAX, 6, 6};
    memcpy(controls, (const uint8_t[]){UERL_CONTROL_RESET, 9, 9, UERL_CONTROL_STEP, 9, 9}, 6);
    memcpy(uerl_segment_row(&learner.segment, 3, 0, 0), seeds, sizeof seeds);
    CHECK_EQUAL(uerl_simulator_control(simulator, 0), UERL_CONTROL_SKIP);
    CHECK_EQUAL(uerl_simulator_seed(simulator, 0), -1);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK_EQUAL(uerl_simulator_control(simulator, 0), UERL_CONTROL_RESET);
    CHECK_EQUAL(uerl_simulator_control(simulator, 1), UERL_CONTROL_STEP);
    CHECK_EQUAL(uerl_simulator_control(simulator, 2), UERL_CONTROL_SKIP);
    CHECK_EQUAL(uerl_simulator_seed(simulator, 0), INT64_MIN);
    CHECK_EQUAL(uerl_simulator_seed(simulator, 1), INT64_MAX);
    CHECK_EQUAL(uerl_simulator_seed(simulator, 2), -1);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

static uint8_t byte_of(const struct hand_learner *learner, uint32_t field, uint32_t row)
{
    return *uerl_segment_row(&learner->segment, field, 1, row);
}

TEST(an_outcome_is_a_reward_two_flags_and_a_present_agent)
{
    struct small_spec spec = small_spec(1, 2, 1, 2);
    struct hand_learner learner;
    struct uerl_received received;
    add_field(&spec, "mask", UERL_ROLE_MASK, UERL_DTYPE_BOOL, 0);
    begin_learner(&learner, spec);
    uerl_simulator *simulator = attach_ready(&learner);
    uerl_simulator_outcome(simulator, 0, 0, 5.0, 1, 1); /* without a command nothing happens */
    CHECK_EQUAL(byte_of(&learner, 5, 0), 0);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    uerl_simulator_outcome(simulator, 0, 1, -0.25, 256, -1);
    uerl_simulator_outcome(simulator, 0, 2, 7.0, 1, 1);          /* no such row */
    uerl_simulator_outcome(simulator, 1, 0, 7.0, 1, 1);          /* no such group */
    uerl_simulator_outcome(simulator, UINT32_MAX, 0, 7.0, 1, 1); /* nor this one */
    uerl_simulator_present(simulator, UINT32_MAX, 0, 1);
    float rewards[2];
    memcpy(rewards, uerl_segment_row(&learner.segment, 4, 1, 0), sizeof rewards);
    CHECK(rewards[0] == 0.0f && rewards[1] == -0.25f);
    for (uint32_t field = 5; field <= 7; field++) { /* terminated, truncated, mask */
        CHECK_EQUAL(byte_of(&learner, field, 0), 0);
        CHECK_EQUAL(byte_of(&learner, field, 1), 1);
    }
    uerl_simulator_outcome(simulator, 0, 1, 0.0, 0, 0);
    uerl_simulator_present(simulator, 0, 1, 0);
    for (uint32_t field = 5; field <= 7; field++)
        CHECK_EQUAL(byte_of(&learner, field, 1), 0);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(rewards_of_float64_keep_their_digits)
{
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct hand_learner learner;
    struct uerl_received received;
    double reward;
    spec.fields[4].dtype = UERL_DTYPE_FLOAT64;
    begin_learner(&learner, spec);
    uerl_simulator *simulator = attach_ready(&learner);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    uerl_simulator_outcome(simulator, 0, 0, 0.1, 0, 0);
    memcpy(&reward, uerl_segment_row(&learner.segment, 4, 1, 0), sizeof reward);
    CHECK(reward == 0.1);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

/* What the learner may not say ---------------------------------------------------------------- */

TEST(a_command_with_impossible_values_is_corrupt_and_names_them)
{
    const struct {
        struct uerl_command command;
        const char *says;
    } bad[] = {
        {{.sequence = 11, .generation = 1, .slot = 1, .kind = 7}, "kind 7"},
        {{.sequence = 11, .generation = 1, .slot = 1, .kind = 0}, "kind 0"},
        {{.sequence = 11, .generation = 1, .slot = 2, .kind = 1}, "slot 2"},
        {{.sequence = 11, .generation = 1, .slot = UINT32_MAX, .kind = 1}, "slot 4294967295"},
        {{.sequence = 11, .generation = 1, .action_slot = 2, .kind = 1}, "action slot 2"},
        {{.sequence = 11, .generation = 1, .action_slot = UINT32_MAX, .kind = 1}, "action slot 4"},
        {{.sequence = 10, .generation = 1, .slot = 1, .kind = 1}, "sequence 10 after 10"},
        {{.sequence = 9, .generation = 1, .slot = 1, .kind = 1}, "sequence 9 after 10"},
        {{.sequence = 0, .generation = 1, .slot = 1, .kind = 1}, "sequence 0 after 10"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct hand_learner learner;
        struct uerl_received received;
        begin_learner(&learner, small_spec(1, 1, 1, 2));
        uerl_simulator *simulator = attach_ready(&learner);
        learner.sequence = 9;
        go(&learner);
        CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
        CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
        publish_command(&learner, bad[i].command);
        CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_E_CORRUPT);
        CHECK_SAYS(uerl_last_error(), bad[i].says);
        CHECK_SAYS(uerl_last_error(), "lane 0 got command");
        CHECK(uerl_simulator_row(simulator, 0, 0) == NULL);
        uerl_simulator_detach(simulator);
        end_learner(&learner);
    }
}

TEST(an_impossible_write_index_is_corrupt)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    uerl_segment_commands(&learner.segment, 0)->write_index = UERL_RING_CAPACITY + 1;
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_E_CORRUPT);
    CHECK_SAYS(uerl_last_error(), "command ring of lane 0 has an impossible write index");
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(a_simulators_own_words_may_be_scribbled_over)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    memset(results_of(&learner), 0xa5, sizeof(struct uerl_lane_results));
    publish_command(&learner, (struct uerl_command){.sequence = 1, .generation = 1, .slot = 1,
                                                    .kind = UERL_COMMAND_GO});
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK_EQUAL(received.sequence, 1);
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
    CHECK_EQUAL(results_of(&learner)->write_index, 1);
    CHECK_EQUAL(results_of(&learner)->read_index, 1);
    CHECK_EQUAL(next_result(&learner).sequence, 1);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

int main(void)
{
    RUN(calls_in_the_wrong_order_are_refused_and_say_which_comes_first);
    RUN(commands_are_answered_one_by_one_in_their_order);
    RUN(a_fenced_simulator_commits_nothing);
    RUN(a_fenced_relay_commits_nothing_and_its_process_lives);
    RUN(rows_are_those_of_the_lane_in_the_slots_that_the_command_names);
    RUN(the_rows_of_a_lane_follow_those_of_the_lanes_before_it);
    RUN(rows_beyond_the_lane_do_not_exist_and_none_does_without_a_command);
    RUN(control_and_seed_of_an_env_are_those_of_its_first_agent);
    RUN(an_outcome_is_a_reward_two_flags_and_a_present_agent);
    RUN(rewards_of_float64_keep_their_digits);
    RUN(a_command_with_impossible_values_is_corrupt_and_names_them);
    RUN(an_impossible_write_index_is_corrupt);
    RUN(a_simulators_own_words_may_be_scribbled_over);
    return check_result();
}
