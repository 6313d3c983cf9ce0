// test_reset.cpp: resets that overtake commands, reset some envs only, and carry options.
#include "puppets.hpp"

// Overtaking --------------------------------------------------------------------------------------

TEST(a_reset_supersedes_an_outstanding_step_whose_result_is_dropped_and_counted) {
    Scene scene(small_spec(2, 1, 1, 4));
    scene.reset_all();
    scene.learner.send_step(scene.all());
    scene.send_reset(scene.every_env());
    CHECK_EQUAL(scene.learner.num_pending(), 2);
    scene.answer({0, 1});  // the step
    CHECK_EQUAL(scene.learner.num_ready(), 0);
    CHECK_EQUAL(scene.learner.stats.superseded, 2);
    scene.answer({0, 1});  // the reset
    CHECK_EQUAL(scene.learner.num_ready(), 2);
    scene.deliver(scene.all(), false);
    CHECK(scene.shows(0, 3) && scene.shows(1, 3));
    CHECK_EQUAL(scene.learner.stats.superseded, 2);
    CHECK_EQUAL(scene.learner.stats.violations, 0);
    scene.step(scene.all());
    CHECK(scene.shows(0, 4) && scene.shows(1, 4));
}

TEST(a_superseded_command_is_written_elsewhere_than_the_reset_and_keeps_its_own_actions) {
    Scene scene(small_spec(1, 1, 1, 4));
    scene.reset_all();
    float* action = reinterpret_cast<float*>(scene.learner.action_rows(kAction, 0));
    action[0] = 42;
    scene.learner.send_step({0});
    scene.send_reset({1});
    Puppet& puppet = *scene.puppets[0];
    CHECK(puppet.receive());
    CHECK_EQUAL(puppet.control(0), UERL_CONTROL_STEP);
    CHECK(*puppet.row<float>(kAction, 0) == 42);
    const uint32_t first_slot = puppet.received.slot;
    puppet.send();
    CHECK(puppet.receive());
    CHECK_EQUAL(puppet.control(0), UERL_CONTROL_RESET);
    CHECK(puppet.received.slot != first_slot);
}

TEST(one_reset_at_a_time_overtakes) {
    Scene scene(small_spec(2, 1, 1, 4));
    scene.reset_all();
    scene.learner.send_step({0});
    CHECK(scene.learner.resettable(scene.every_env()));
    scene.send_reset({1, 0});
    CHECK(!scene.learner.resettable(scene.every_env()));
    CHECK(!scene.learner.resettable({1, 0}));
    CHECK(scene.learner.resettable({0, 1}));
    scene.answer({0});  // the superseded step: the reset itself is outstanding now
    CHECK(scene.learner.resettable(scene.every_env()));
    CHECK_EQUAL(scene.learner.stats.superseded, 1);
    scene.send_reset({1, 0});
    CHECK(!scene.learner.resettable({1, 0}));
    scene.answer({0});
    CHECK_EQUAL(scene.learner.num_ready(), 0);
    CHECK_EQUAL(scene.learner.stats.superseded, 2);
    scene.answer({0});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver({0}, false);
    CHECK(scene.shows(0, 4) && scene.shows(1, 1));
    CHECK_EQUAL(scene.learner.stats.violations, 0);
}

TEST(with_two_slots_a_reset_overtakes_too) {
    Scene scene(small_spec(1, 1, 1, 2));
    scene.reset_all();
    for (uint64_t sequence = 2; sequence < 40; sequence += 2) {
        scene.learner.send_step({0});
        scene.send_reset({1});
        scene.answer({0});
        CHECK_EQUAL(scene.learner.num_ready(), 0);
        CHECK(scene.shows(0, sequence - 1));  // the last delivered rows stay until the next are
        scene.answer({0});
        CHECK_EQUAL(scene.learner.num_ready(), 1);
        scene.deliver({0}, false);
        CHECK(scene.shows(0, sequence + 1));
    }
}

TEST(a_result_that_is_ready_but_not_delivered_is_superseded_too) {
    Scene scene(small_spec(2, 1, 1, 4));
    scene.reset_all();
    scene.learner.send_step(scene.all());
    scene.answer({0});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.send_reset(scene.every_env());
    CHECK_EQUAL(scene.learner.num_ready(), 0);
    CHECK_EQUAL(scene.learner.stats.superseded, 1);
    scene.answer({0});  // the reset
    scene.answer({1});  // the step
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.answer({1});
    CHECK_EQUAL(scene.learner.num_ready(), 2);
    CHECK_EQUAL(scene.learner.stats.superseded, 2);
    scene.deliver(scene.all(), false);
    CHECK(scene.shows(0, 3) && scene.shows(1, 3));
}

TEST(a_pending_lane_of_which_a_part_is_to_be_reset_is_refused_and_nothing_happens) {
    Scene scene(small_spec(2, 2, 1, 4));
    scene.reset_all();
    scene.learner.send_step({1});
    CHECK_THROWS(UERL_E_INVALID, "lane 1 is pending and not all of it is to be reset",
                 scene.learner.send_reset({1, 1, 0, 1}, scene.no_seeds(), ""));
    CHECK_THROWS(UERL_E_INVALID, "lane 1 is pending and not all of it is to be reset",
                 scene.learner.send_reset({1, 1, 0, 0}, scene.no_seeds(), ""));
    CHECK(!scene.puppets[0]->receive());
    scene.answer({1});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver({1});
    CHECK(scene.shows(1, 2) && scene.shows(0, 1));
}

// Options -----------------------------------------------------------------------------------------

TEST(options_arrive_with_the_reset_and_only_where_something_is_reset) {
    Scene scene(small_spec(2, 1, 1, 4));
    scene.reset_all();
    uint32_t kind = 0, bytes = 0;
    scene.send_reset({0, 1}, "{\"level\": 2}");
    CHECK(!scene.puppets[0]->receive());
    CHECK(scene.puppets[1]->receive());
    CHECK_EQUAL(scene.puppets[1]->received.has_message, 1);
    const void* message = uerl_simulator_message(scene.puppets[1]->handle(), &kind, &bytes);
    CHECK_EQUAL(kind, UERL_MESSAGE_OPTIONS);
    CHECK(message != nullptr && std::string(static_cast<const char*>(message), bytes) ==
                                    "{\"level\": 2}");
}

TEST(a_message_is_not_overwritten_while_a_simulator_may_read_it) {
    Scene scene(small_spec(1, 1, 1, 4));
    scene.reset_all();
    scene.send_reset({1}, "first");
    CHECK(!scene.learner.resettable({1}));
    scene.answer({0});
    CHECK(scene.learner.resettable({1}));  // answered, though not delivered
    scene.send_reset({1}, "other");
    CHECK(scene.puppets[0]->receive());
    uint32_t kind, bytes;
    const void* message = uerl_simulator_message(scene.puppets[0]->handle(), &kind, &bytes);
    CHECK(message != nullptr && memcmp(message, "other", 5) == 0);
    CHECK(!scene.learner.resettable({1}));
    scene.puppets[0]->send();
    CHECK(scene.learner.resettable({1}));
}

TEST(options_of_a_reset_that_overtakes_a_step_come_with_the_reset) {
    Scene scene(small_spec(1, 1, 1, 4));
    scene.reset_all();
    scene.learner.send_step({0});
    scene.send_reset({1}, R"({"map": 1})");
    CHECK(scene.puppets[0]->receive());
    CHECK_EQUAL(scene.puppets[0]->control(0), UERL_CONTROL_STEP);
    CHECK_EQUAL(scene.puppets[0]->received.has_message, 0);
    scene.puppets[0]->send();
    CHECK(scene.puppets[0]->receive());
    CHECK_EQUAL(scene.puppets[0]->control(0), UERL_CONTROL_RESET);
    CHECK_EQUAL(scene.puppets[0]->received.has_message, 1);
}

TEST(options_that_are_too_long_are_refused_and_nothing_happens) {
    Scene scene(small_spec(2, 1, 1, 4));
    scene.reset_all();
    CHECK_THROWS(UERL_E_INVALID, "reset options have 257 bytes as JSON, expected at most 256",
                 scene.learner.send_reset({1, 1}, scene.no_seeds(), std::string(257, 'x')));
    CHECK(!scene.puppets[0]->receive() && !scene.puppets[1]->receive());
    CHECK_EQUAL(scene.learner.num_pending(), 0);
    scene.send_reset({1, 1}, std::string(256, 'x'));
    CHECK(scene.puppets[1]->receive());
    CHECK_EQUAL(scene.puppets[1]->received.has_message, 1);
}

// Some envs only ----------------------------------------------------------------------------------

TEST(a_partial_reset_happens_in_place_when_nobody_looks_at_the_batch) {
    Scene scene(small_spec(3, 1, 2, 4));
    scene.reset_all();
    scene.step(scene.all());
    const uint32_t slot = scene.learner.common_slot();
    scene.send_reset({0, 1, 0});
    CHECK(!scene.puppets[0]->receive() && !scene.puppets[2]->receive());
    scene.answer({1});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver(scene.all(), false);
    CHECK_EQUAL(scene.learner.common_slot(), slot);
    CHECK(scene.shows(0, 2) && scene.shows(1, 3) && scene.shows(2, 2));
    CHECK_EQUAL(scene.learner.stats.copied_rows, 0);
}

TEST(a_partial_reset_moves_all_rows_to_a_free_slot_when_somebody_looks) {
    Scene scene(small_spec(3, 1, 2, 4));
    scene.reset_all();
    scene.step(scene.all());
    const uint32_t held = scene.learner.common_slot();
    scene.learner.memory()->slots.hold(held, 0, 3);
    scene.send_reset({0, 1, 0});
    scene.answer({1});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver(scene.all(), false);
    const uint32_t slot = scene.learner.common_slot();
    CHECK(slot != held && slot != UINT32_MAX);
    CHECK(scene.shows(0, 2) && scene.shows(1, 3) && scene.shows(2, 2));
    for (uint32_t row = 0; row < 6; row++) CHECK(scene.row_shows(held, row, 2));
    CHECK_EQUAL(scene.learner.stats.copied_rows, 4);
    scene.learner.memory()->slots.release(held, 0, 3);
}

TEST(a_partial_reset_within_a_lane_skips_the_other_envs_and_carries_their_rows) {
    for (const bool held : {false, true}) {
        Scene scene(small_spec(1, 3, 1, 4), UERL_AUTORESET_DISABLED);
        scene.reset_all();
        scene.puppets[0]->ends = {true, true, false};
        scene.step({0});
        const uint32_t slot = scene.learner.lane(0).slot;
        if (held) scene.learner.memory()->slots.hold(slot, 0, 1);
        scene.send_reset({0, 1, 0});
        CHECK(scene.puppets[0]->receive());
        CHECK_EQUAL(scene.puppets[0]->control(0), UERL_CONTROL_SKIP);
        CHECK_EQUAL(scene.puppets[0]->control(1), UERL_CONTROL_RESET);
        CHECK_EQUAL(scene.puppets[0]->control(2), UERL_CONTROL_SKIP);
        scene.puppets[0]->write();
        scene.puppets[0]->send();
        CHECK_EQUAL(scene.learner.num_ready(), 1);
        scene.deliver({0}, false);
        const uint32_t now = scene.learner.lane(0).slot;
        CHECK_EQUAL(now != slot, held);
        CHECK(scene.row_shows(now, 0, 2) && scene.row_shows(now, 1, 3) &&
              scene.row_shows(now, 2, 2));
        CHECK_EQUAL(scene.learner.stats.copied_rows, held ? 2 : 0);
        if (held) CHECK(scene.row_shows(slot, 1, 2));
        CHECK(scene.learner.ended(0) && !scene.learner.ended(1) && !scene.learner.ended(2));
    }
}

TEST(an_env_that_was_skipped_has_no_outcome_and_stays_ended) {
    Scene scene(small_spec(1, 2, 1, 4), UERL_AUTORESET_DISABLED);
    scene.reset_all();
    scene.puppets[0]->ends = {true, true};
    scene.step({0});
    scene.send_reset({0, 1});
    scene.answer({0});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver({0}, true);  // as recv() delivers it
    const uint32_t slot = scene.learner.lane(0).slot;
    CHECK(*scene.cell<float>(kReward, slot, 0) == 0);
    CHECK_EQUAL(*scene.cell<uint8_t>(kTerminated, slot, 0), 0);
    CHECK(scene.learner.ended(0) && !scene.learner.ended(1));
}

TEST(rows_are_carried_from_every_lanes_own_slot) {
    Scene scene(small_spec(4, 1, 1, 6));
    scene.reset_all();
    scene.step({1});
    scene.step({2});
    CHECK_EQUAL(scene.learner.common_slot(), UINT32_MAX);
    scene.send_reset({1, 0, 0, 0});
    scene.answer({0});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver(scene.all(), false);
    CHECK(scene.learner.common_slot() != UINT32_MAX);
    CHECK(scene.shows(0, 2) && scene.shows(1, 2) && scene.shows(2, 2) && scene.shows(3, 1));
}

TEST(infos_and_masks_are_carried_too_and_copies_are_counted_for_every_group) {
    struct small_spec spec = small_spec(2, 1, 1, 4);
    add_field(&spec, "info/level", UERL_ROLE_INFO, UERL_DTYPE_INT64, 0);
    add_field(&spec, "mask", UERL_ROLE_MASK, UERL_DTYPE_BOOL, 0);
    add_group(&spec, "pack", 3);
    add_usual_fields(&spec);
    Scene scene(spec);
    scene.reset_all();
    const uint32_t held = scene.learner.common_slot();
    *scene.cell<int64_t>(7, held, 1) = 77;
    scene.learner.memory()->slots.hold(held, 0, 2);
    scene.send_reset({1, 0});
    scene.answer({0});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver(scene.all(), false);
    const uint32_t slot = scene.learner.common_slot();
    CHECK_EQUAL(*scene.cell<int64_t>(7, slot, 1), 77);
    CHECK_EQUAL(*scene.cell<uint8_t>(8, slot, 1), 1);
    for (uint32_t row = 3; row < 6; row++)
        CHECK(*scene.cell<float>(9, slot, row) == pattern(1, row, 0));
    CHECK_EQUAL(scene.learner.stats.copied_rows, 1 + 3);
    scene.learner.memory()->slots.release(held, 0, 2);
}

int main() {
    RUN(a_reset_supersedes_an_outstanding_step_whose_result_is_dropped_and_counted);
    RUN(a_superseded_command_is_written_elsewhere_than_the_reset_and_keeps_its_own_actions);
    RUN(one_reset_at_a_time_overtakes);
    RUN(with_two_slots_a_reset_overtakes_too);
    RUN(a_result_that_is_ready_but_not_delivered_is_superseded_too);
    RUN(a_pending_lane_of_which_a_part_is_to_be_reset_is_refused_and_nothing_happens);
    RUN(options_arrive_with_the_reset_and_only_where_something_is_reset);
    RUN(a_message_is_not_overwritten_while_a_simulator_may_read_it);
    RUN(options_of_a_reset_that_overtakes_a_step_come_with_the_reset);
    RUN(options_that_are_too_long_are_refused_and_nothing_happens);
    RUN(a_partial_reset_happens_in_place_when_nobody_looks_at_the_batch);
    RUN(a_partial_reset_moves_all_rows_to_a_free_slot_when_somebody_looks);
    RUN(a_partial_reset_within_a_lane_skips_the_other_envs_and_carries_their_rows);
    RUN(an_env_that_was_skipped_has_no_outcome_and_stays_ended);
    RUN(rows_are_carried_from_every_lanes_own_slot);
    RUN(infos_and_masks_are_carried_too_and_copies_are_counted_for_every_group);
    return check_result();
}
