/* test_messages.c: bounded bytes beside the rings, both ways, and the spec on request. */
#define _GNU_SOURCE
#include "lanes.h"

enum { CAPACITY = 256 }; /* message_bytes of a small spec */

static struct uerl_message *message_to_learner(const struct hand_learner *learner)
{
    return uerl_segment_message_to_learner(&learner->segment, 0);
}

/* To the simulator ---------------------------------------------------------------------------- */

TEST(a_message_comes_with_one_command_and_goes_with_it)
{
    struct hand_learner learner;
    struct uerl_received received;
    uint32_t kind = 0, bytes = 0;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    CHECK(uerl_simulator_message(simulator, &kind, &bytes) == NULL);
    leave_message(&learner, UERL_MESSAGE_OPTIONS, "{\"map\": 3}", 10);
    go(&learner);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK_EQUAL(received.has_message, 1);
    const void *message = uerl_simulator_message(simulator, &kind, &bytes);
    CHECK(message != NULL && memcmp(message, "{\"map\": 3}", 10) == 0);
    CHECK_EQUAL(kind, UERL_MESSAGE_OPTIONS);
    CHECK_EQUAL(bytes, 10);
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
    CHECK(uerl_simulator_message(simulator, &kind, &bytes) == NULL);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK_EQUAL(received.has_message, 0);
    CHECK(uerl_simulator_message(simulator, &kind, &bytes) == NULL);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(a_message_for_a_predecessor_is_not_its_successors)
{
    struct hand_learner learner;
    struct uerl_received received;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    leave_message(&learner, UERL_MESSAGE_OPTIONS, "old", 3);
    uerl_simulator_detach(simulator);
    simulator = attach_ready(&learner);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK_EQUAL(received.has_message, 0);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(a_message_that_claims_more_bytes_than_its_area_has_is_ignored)
{
    struct hand_learner learner;
    struct uerl_received received;
    const uint32_t bad[] = {CAPACITY + 1, UINT32_MAX};
    uint32_t kind, bytes;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        leave_message(&learner, UERL_MESSAGE_CUSTOM, "x", bad[i]);
        go(&learner);
        CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
        CHECK_EQUAL(received.has_message, 0);
        CHECK(uerl_simulator_message(simulator, &kind, &bytes) == NULL);
        CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
    }
    leave_message(&learner, UERL_MESSAGE_CUSTOM, "x", CAPACITY);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK(uerl_simulator_message(simulator, &kind, &bytes) != NULL);
    CHECK_EQUAL(bytes, CAPACITY);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

/* To the learner ------------------------------------------------------------------------------ */

TEST(a_message_to_the_learner_is_counted_when_it_is_complete)
{
    struct hand_learner learner;
    char text[CAPACITY + 1];
    memset(text, 'm', sizeof text);
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach(&learner, 0);
    CHECK_EQUAL(uerl_simulator_write_message(simulator, UERL_MESSAGE_CUSTOM, text, CAPACITY),
                UERL_OK);
    CHECK_EQUAL(results_of(&learner)->message_count, 1);
    CHECK_EQUAL(message_to_learner(&learner)->kind, UERL_MESSAGE_CUSTOM);
    CHECK_EQUAL(message_to_learner(&learner)->bytes, CAPACITY);
    CHECK(memcmp(message_to_learner(&learner) + 1, text, CAPACITY) == 0);
    CHECK_EQUAL(uerl_simulator_write_message(simulator, UERL_MESSAGE_CUSTOM, NULL, 0), UERL_OK);
    CHECK_EQUAL(results_of(&learner)->message_count, 2);
    CHECK_EQUAL(message_to_learner(&learner)->bytes, 0);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(a_message_that_is_too_long_is_refused_and_changes_nothing)
{
    struct hand_learner learner;
    char text[CAPACITY + 1];
    memset(text, 'm', sizeof text);
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach(&learner, 0);
    const uint64_t bad[] = {CAPACITY + 1, (UINT64_C(1) << 32) + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQUAL(uerl_simulator_write_message(simulator, UERL_MESSAGE_CUSTOM, text, bad[i]),
                    UERL_E_INVALID);
        CHECK_SAYS(uerl_last_error(), "expected at most 256: raise message_bytes in the spec");
    }
    CHECK_EQUAL(results_of(&learner)->message_count, 0);
    CHECK_EQUAL(message_to_learner(&learner)->bytes, 0);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(a_refusal_and_a_failure_leave_their_text_cut_to_the_area)
{
    struct hand_learner learner;
    struct uerl_received received;
    char text[2 * CAPACITY];
    memset(text, 'm', sizeof text);
    text[sizeof text - 1] = '\0';
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach(&learner, 0);
    CHECK_EQUAL(uerl_simulator_refuse(simulator, "no such map"), UERL_OK);
    CHECK_EQUAL(message_to_learner(&learner)->kind, UERL_MESSAGE_ERROR);
    CHECK_EQUAL(message_to_learner(&learner)->bytes, 11);
    CHECK(memcmp(message_to_learner(&learner) + 1, "no such map", 11) == 0);
    CHECK_EQUAL(results_of(&learner)->state, UERL_LANE_REFUSED);
    uerl_simulator_detach(simulator);
    CHECK_EQUAL(results_of(&learner)->state, UERL_LANE_REFUSED); /* the reason stays to be read */
    simulator = attach_ready(&learner);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK_EQUAL(uerl_simulator_fail(simulator, text), UERL_OK);
    const struct uerl_result result = next_result(&learner);
    CHECK_EQUAL(result.status, UERL_RESULT_FAILED);
    CHECK_EQUAL(result.sequence, 1);
    CHECK_EQUAL(message_to_learner(&learner)->bytes, CAPACITY);
    CHECK_EQUAL(results_of(&learner)->message_count, 2); /* goes on from the predecessor's */
    uerl_simulator_detach(simulator);
    CHECK_EQUAL(results_of(&learner)->state, UERL_LANE_DETACHED);
    end_learner(&learner);
}

TEST(the_bytes_behind_a_message_area_are_never_touched)
{
    struct small_spec spec = small_spec(2, 1, 1, 2);
    struct hand_learner learner;
    char text[130];
    memset(text, 0xff, sizeof text);
    spec.header.message_bytes = 130; /* the area is rounded up behind it */
    begin_learner(&learner, spec);
    uerl_simulator *simulator = attach(&learner, 0);
    CHECK_EQUAL(uerl_simulator_write_message(simulator, UERL_MESSAGE_CUSTOM, text, 130), UERL_OK);
    const uint8_t *const end = (uint8_t *)(message_to_learner(&learner) + 1) + 130;
    for (const uint8_t *byte = end; byte < (uint8_t *)uerl_segment_commands(&learner.segment, 1);
         byte++)
        CHECK_EQUAL(*byte, 0);
    CHECK_EQUAL(end[-1], 0xff);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

/* The spec ------------------------------------------------------------------------------------ */

TEST(a_simulator_describes_itself_when_the_environment_asks)
{
    char path[128], name[UERL_NAME_BYTES], read_back[64] = {0};
    unsetenv(UERL_ENV_DESCRIBE);
    CHECK_EQUAL(uerl_describe("{}"), 0);
    setenv(UERL_ENV_DESCRIBE, "", 1);
    CHECK_EQUAL(uerl_describe("{}"), 0);
    path_of(path, new_name(name));
    setenv(UERL_ENV_DESCRIBE, path, 1);
    CHECK_EQUAL(uerl_describe("{\"layout\": 1, \"a\": true}"), 1);
    CHECK_EQUAL(uerl_describe(small_text), 1); /* replaces what stood there */
    FILE *file = fopen(path, "r");
    CHECK(file != NULL && fread(read_back, 1, sizeof read_back - 1, file) > 0);
    fclose(file);
    CHECK(strcmp(read_back, small_text) == 0);
    CHECK(unlink(path) == 0);
}

TEST(a_spec_that_cannot_be_written_is_an_error_that_names_the_file)
{
    setenv(UERL_ENV_DESCRIBE, "/nowhere/spec.json", 1);
    CHECK_EQUAL(uerl_describe("{}"), UERL_E_SYSTEM);
    CHECK_SAYS(uerl_last_error(), "spec file /nowhere/spec.json cannot be written");
    if (access("/dev/full", W_OK) == 0) {
        setenv(UERL_ENV_DESCRIBE, "/dev/full", 1);
        CHECK_EQUAL(uerl_describe("{}"), UERL_E_SYSTEM);
    }
    unsetenv(UERL_ENV_DESCRIBE);
}

int main(void)
{
    RUN(a_message_comes_with_one_command_and_goes_with_it);
    RUN(a_message_for_a_predecessor_is_not_its_successors);
    RUN(a_message_that_claims_more_bytes_than_its_area_has_is_ignored);
    RUN(a_message_to_the_learner_is_counted_when_it_is_complete);
    RUN(a_message_that_is_too_long_is_refused_and_changes_nothing);
    RUN(a_refusal_and_a_failure_leave_their_text_cut_to_the_area);
    RUN(the_bytes_behind_a_message_area_are_never_touched);
    RUN(a_simulator_describes_itself_when_the_environment_asks);
    RUN(a_spec_that_cannot_be_written_is_an_error_that_names_the_file);
    return check_result();
}
