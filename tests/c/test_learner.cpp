// test_learner.cpp: commands out, results in: nothing shifts, whoever is late.
#include <fcntl.h>

#include "puppets.hpp"

TEST(a_learner_knows_its_simulators_when_they_are_ready_and_hold_their_lane) {
    uerl::Learner learner(config_of(small_spec(2, 1, 1, 3)));
    const std::string name = learner.segment().name;
    CHECK_EQUAL(learner.look_for_simulators(), 0);
    uerl_simulator* half = nullptr;  // attached, but not ready
    CHECK_EQUAL(uerl_simulator_attach(&half, name.c_str(), 0, 0), UERL_OK);
    CHECK_EQUAL(learner.look_for_simulators(), 0);
    CHECK_EQUAL(learner.lane_state(0), UERL_LANE_BINDING);
    CHECK(learner.lane_locked(0) && !learner.lane_locked(1));
    auto puppet = std::make_unique<Puppet>(name, 1);
    CHECK_EQUAL(learner.look_for_simulators(), 1);
    CHECK_EQUAL(learner.lane(1).generation, 1);
    puppet.reset();
    CHECK_EQUAL(learner.lane_state(1), UERL_LANE_DETACHED);
    uerl_simulator_detach(half);
    { const Puppet gone(name, 0); }
    uerl_segment_results(&learner.segment(), 0)->state = UERL_LANE_READY;  // but its lock is free
    CHECK_EQUAL(learner.look_for_simulators(), 0);
    CHECK_EQUAL(learner.lane(0).generation, 0);
}

TEST(a_simulator_that_goes_before_its_first_command_makes_room_for_another) {
    uerl::Learner learner(config_of(small_spec(1, 1, 1, 3)));
    const std::string name = learner.segment().name;
    auto first = std::make_unique<Puppet>(name, 0);
    CHECK_EQUAL(learner.look_for_simulators(), 1);
    first.reset();
    uerl_segment_results(&learner.segment(), 0)->state = UERL_LANE_READY;  // it was killed
    CHECK_EQUAL(learner.look_for_simulators(), 0);
    uerl_simulator* half = nullptr;  // holds the lock, but the generation is still the old one
    CHECK_EQUAL(uerl_simulator_attach(&half, name.c_str(), 0, 0), UERL_OK);
    CHECK_EQUAL(learner.look_for_simulators(), 0);
    uerl_simulator_detach(half);
    Puppet second(name, 0);
    CHECK_EQUAL(learner.look_for_simulators(), 1);
    CHECK_EQUAL(learner.lane(0).generation, 2);
    learner.send_reset({1}, {-1}, "");
    CHECK(second.answer());
    CHECK_EQUAL(learner.num_ready(), 1);
}

TEST(a_refused_learner_leaves_nothing_behind) {
    struct small_spec spec = small_spec(1, 1, 1, 2);
    uerl::Config config = config_of(spec);
    const int standard_input = dup(0);
    CHECK(standard_input >= 0 || dup2(open("/dev/null", O_RDONLY), 0) == 0);
    config.name = "no/such/name";
    CHECK_THROWS(UERL_E_INVALID, "no/such/name", uerl::Learner learner(config));
    config = config_of(spec);
    config.header.num_slots = 1;
    CHECK_THROWS(UERL_E_INVALID, "slots is 1", uerl::Learner learner(config));
    config = config_of(spec);
    config.fields[kObservation].shape[0] = UINT64_C(1) << 42;
    CHECK_THROWS(UERL_E_FULL, "needs", uerl::Learner learner(config));
    CHECK(!name_exists(config.name.c_str()));
    config = config_of(spec);
    uerl::Learner first(config);
    CHECK_THROWS(UERL_E_EXISTS, "is in use by a living learner", uerl::Learner learner(config));
    CHECK(name_exists(config.name.c_str()));
    CHECK(fcntl(0, F_GETFD) >= 0);  // what a learner that never was may not close
    if (standard_input >= 0) close(standard_input);
}

TEST(a_step_delivers_what_each_lane_wrote_for_it) {
    Scene scene(small_spec(3, 2, 2, 4));
    scene.reset_all();
    for (uint64_t sequence = 2; sequence < 30; sequence++) {
        const uint32_t before = scene.learner.lane(0).slot;
        scene.step(scene.all());
        for (uint32_t lane = 0; lane < 3; lane++) {
            CHECK_EQUAL(scene.learner.lane(lane).slot, scene.learner.lane(0).slot);
            CHECK(scene.shows(lane, sequence));
        }
        CHECK(scene.learner.lane(0).slot != before);
        CHECK_EQUAL(scene.learner.num_pending(), 0);
    }
    CHECK_EQUAL(scene.learner.stats.steps, 28 * 12);
    CHECK_EQUAL(scene.learner.stats.batches, 28);
    CHECK_EQUAL(scene.learner.stats.violations, 0);
    CHECK_EQUAL(uerl_segment_header(&scene.learner.segment())->steps, 28 * 12);
}

TEST(an_action_stands_beside_the_observation_that_it_answers) {
    Scene scene(small_spec(2, 2, 1, 4));
    scene.reset_all();
    for (int i = 0; i < 10; i++) {
        const uint32_t slot = scene.learner.lane(1).slot;
        float* actions = reinterpret_cast<float*>(scene.learner.action_rows(kAction, 1));
        CHECK(actions == scene.cell<float>(kAction, slot, 2));
        for (int k = 0; k < 4; k++) actions[k] = static_cast<float>(100 * i + k);
        scene.learner.send_step(scene.all());
        Puppet& puppet = *scene.puppets[1];
        CHECK(puppet.receive());
        CHECK_EQUAL(puppet.received.action_slot, slot);
        CHECK(puppet.received.slot != slot);
        for (uint32_t row = 0; row < 2; row++)
            for (uint32_t k = 0; k < 2; k++)
                CHECK(puppet.row<float>(kAction, row)[k] ==
                      static_cast<float>(100 * i) + static_cast<float>(2 * row + k));
        puppet.write();
        puppet.send();
        scene.answer({0});
        CHECK_EQUAL(scene.learner.num_ready(), 2);
        scene.deliver(scene.all());
    }
}

TEST(steps_and_resets_arrive_as_controls_with_their_seeds) {
    Scene scene(small_spec(2, 2, 1, 4));
    scene.learner.send_reset(scene.every_env(), {10, -1, INT64_MAX, 0}, "");
    for (uint32_t lane = 0; lane < 2; lane++) {
        CHECK(scene.puppets[lane]->receive());
        for (uint32_t env = 0; env < 2; env++)
            CHECK_EQUAL(scene.puppets[lane]->control(env), UERL_CONTROL_RESET);
    }
    CHECK_EQUAL(scene.puppets[0]->seed(0), 10);
    CHECK_EQUAL(scene.puppets[0]->seed(1), -1);
    CHECK_EQUAL(scene.puppets[1]->seed(0), INT64_MAX);
    CHECK_EQUAL(scene.puppets[1]->seed(1), 0);
    for (auto& puppet : scene.puppets) puppet->send();
    CHECK_EQUAL(scene.learner.num_ready(), 2);
    scene.deliver(scene.all(), false);
    scene.learner.send_step(scene.all());
    CHECK(scene.puppets[0]->receive());
    CHECK_EQUAL(scene.puppets[0]->control(0), UERL_CONTROL_STEP);
    CHECK_EQUAL(scene.puppets[0]->seed(0), -1);
}

TEST(every_group_gets_the_controls_of_its_own_rows) {
    struct small_spec spec = small_spec(2, 2, 1, 3);
    add_group(&spec, "pack", 3);
    add_usual_fields(&spec);
    Scene scene(spec);
    scene.send_reset(scene.every_env());
    CHECK(scene.puppets[1]->receive());
    for (uint32_t row = 0; row < 6; row++)
        CHECK_EQUAL(*scene.puppets[1]->row<uint8_t>(7 + kControl, row), UERL_CONTROL_RESET);
    scene.puppets[1]->write();
    scene.puppets[1]->send();
    scene.answer({0});
    CHECK_EQUAL(scene.learner.num_ready(), 2);
    scene.deliver(scene.all(), false);
    for (uint32_t row = 0; row < 12; row++)
        CHECK(*scene.cell<float>(7, scene.learner.lane(0).slot, row) == pattern(1, row, 0));
}

TEST(parameters_arrive_with_every_reset_of_their_env) {
    struct small_spec spec = small_spec(1, 2, 2, 3);
    add_field(&spec, "parameter/size", UERL_ROLE_PARAMETER, UERL_DTYPE_FLOAT64, 0);
    Scene scene(spec);
    scene.learner.set_parameter(0, 0, 2.5);
    scene.learner.set_parameter(0, 1, -4.0);
    scene.send_reset(scene.every_env());
    CHECK(scene.puppets[0]->receive());
    for (uint32_t row = 0; row < 4; row++)
        CHECK(*scene.puppets[0]->row<double>(7, row) == (row < 2 ? 2.5 : -4.0));
    CHECK(scene.puppets[0]->row<double>(7, 4) == nullptr);
}

// Who may step ------------------------------------------------------------------------------------

TEST(no_step_before_the_first_reset_and_none_on_pending_rows) {
    Scene scene(small_spec(2, 1, 1, 3));
    CHECK_THROWS(UERL_E_INVALID, "env 0 was stepped before its first reset",
                 scene.learner.check_step({0}));
    scene.reset_all();
    scene.learner.check_step({0, 1});
    scene.learner.send_step({0});
    CHECK_THROWS(UERL_E_INVALID, "lane 0 is pending, expected idle rows",
                 scene.learner.check_step({0}));
    scene.learner.check_step({1});
    scene.answer({0});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    CHECK_THROWS(UERL_E_INVALID, "lane 0 is pending", scene.learner.check_step({0}));
    scene.deliver({0});
    scene.learner.check_step({0, 1});
}

TEST(in_next_step_mode_an_ended_env_is_reset_by_the_next_step_and_its_neighbour_goes_on) {
    Scene scene(small_spec(1, 2, 1, 3), UERL_AUTORESET_NEXT_STEP);
    scene.reset_all();
    scene.puppets[0]->ends = {true, false};
    scene.step({0});
    CHECK(scene.learner.ended(0) && !scene.learner.ended(1));
    CHECK(!scene.learner.was_reset(0));
    scene.learner.check_step({0});
    scene.learner.send_step({0});
    CHECK(scene.learner.was_reset(0) && !scene.learner.was_reset(1));
    CHECK(scene.puppets[0]->receive());
    CHECK_EQUAL(scene.puppets[0]->control(0), UERL_CONTROL_RESET);
    CHECK_EQUAL(scene.puppets[0]->control(1), UERL_CONTROL_STEP);
    scene.puppets[0]->write();
    scene.puppets[0]->send();
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver({0});
    CHECK(!scene.learner.ended(0));
    scene.learner.send_step({0});
    CHECK(!scene.learner.was_reset(0));
}

TEST(in_disabled_mode_an_ended_env_must_be_reset_before_it_steps) {
    Scene scene(small_spec(1, 2, 1, 3), UERL_AUTORESET_DISABLED);
    scene.reset_all();
    scene.puppets[0]->ends = {false, true};
    scene.step({0});
    CHECK_THROWS(UERL_E_INVALID, "env 1 has ended, expected a reset before its next step",
                 scene.learner.check_step({0}));
    scene.puppets[0]->ends = {false, false};
    scene.send_reset({0, 1});
    scene.answer({0});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver({0}, false);
    scene.learner.check_step({0});
}

TEST(in_same_step_mode_an_ended_env_steps_on) {
    Scene scene(small_spec(1, 1, 1, 3), UERL_AUTORESET_SAME_STEP);
    scene.reset_all();
    scene.puppets[0]->ends = {true};
    scene.step({0});
    CHECK(scene.learner.ended(0));
    scene.learner.check_step({0});
    scene.learner.send_step({0});
    CHECK(scene.puppets[0]->receive());
    CHECK_EQUAL(scene.puppets[0]->control(0), UERL_CONTROL_STEP);
}

// Some lanes at a time ----------------------------------------------------------------------------

TEST(only_the_lanes_that_were_asked_get_a_command) {
    Scene scene(small_spec(4, 1, 1, 4));
    scene.reset_all();
    scene.learner.send_step({1, 3});
    CHECK(!scene.puppets[0]->receive() && !scene.puppets[2]->receive());
    CHECK_EQUAL(scene.learner.num_pending(), 2);
    scene.answer({1, 3});
    CHECK_EQUAL(scene.learner.num_ready(), 2);
    scene.deliver({1, 3});
    CHECK(scene.shows(1, 2) && scene.shows(3, 2));
    CHECK(scene.shows(0, 1) && scene.shows(2, 1));
    scene.step({0, 2});
    CHECK(scene.shows(0, 2) && scene.shows(1, 2) && scene.shows(2, 2) && scene.shows(3, 2));
}

TEST(whoever_was_ready_first_is_delivered_first_and_in_ascending_order) {
    Scene scene(small_spec(4, 1, 1, 4));
    scene.reset_all();
    scene.learner.send_step(scene.all());
    for (const uint32_t lane : {3u, 0u, 2u}) {
        scene.answer({lane});
        scene.learner.num_ready();
    }
    CHECK_EQUAL(scene.learner.num_ready(), 3);
    CHECK(scene.learner.peek_ready(2) == (Lanes{0, 3}));
    CHECK(scene.learner.peek_ready(9) == (Lanes{0, 2, 3}));
    scene.deliver({0, 3});
    CHECK(scene.learner.peek_ready(9) == Lanes{2});
    CHECK(!scene.learner.pending(3) && scene.learner.pending(2) && scene.learner.pending(1));
    CHECK(scene.learner.silent_lanes() == Lanes{1});
}

TEST(neighbouring_lanes_in_one_slot_are_one_run) {
    Scene scene(small_spec(5, 1, 1, 4));
    scene.reset_all();
    CHECK_EQUAL(scene.learner.runs_of(scene.all()).size(), 1);
    CHECK_EQUAL(scene.learner.runs_of({0, 1, 3}).size(), 2);
    scene.step({2});
    const std::vector<uerl::Run> runs = scene.learner.runs_of(scene.all());
    CHECK_EQUAL(runs.size(), 3);
    CHECK(runs[0].first_lane == 0 && runs[0].num_lanes == 2);
    CHECK(runs[1].first_lane == 2 && runs[1].num_lanes == 1);
    CHECK(runs[2].first_lane == 3 && runs[2].num_lanes == 2);
    CHECK(runs[1].slot != runs[0].slot && runs[2].slot == runs[0].slot);
    CHECK_EQUAL(scene.learner.common_slot(), UINT32_MAX);
}

TEST(a_batch_that_could_not_be_delivered_can_be_taken_again) {
    Scene scene(small_spec(2, 1, 1, 4));
    scene.reset_all();
    scene.learner.send_step({0});
    scene.answer({0});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.learner.take(scene.all());  // lane 1 was idle
    scene.learner.put_back();
    CHECK(scene.learner.pending(0) && !scene.learner.pending(1));
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver({0});
    CHECK(scene.shows(0, 2) && scene.shows(1, 1));
    scene.step(scene.all());
    CHECK(scene.shows(0, 3) && scene.shows(1, 2));
}

// Timeouts ----------------------------------------------------------------------------------------

TEST(a_timeout_can_be_repeated_and_shifts_nothing) {
    Scene scene(small_spec(2, 1, 1, 3));
    scene.reset_all();
    for (uint64_t sequence = 2; sequence < 12; sequence++) {
        scene.learner.send_step(scene.all());
        scene.answer({0});
        for (int i = 0; i < 5; i++) {
            CHECK(!scene.wait(2, kMs));
            CHECK(scene.learner.pending(0) && scene.learner.pending(1));
            CHECK(scene.shows(0, sequence - 1) && scene.shows(1, sequence - 1));
        }
        scene.answer({1});
        CHECK(scene.wait(2, 10000 * kMs));
        scene.deliver(scene.all());
        CHECK(scene.shows(0, sequence) && scene.shows(1, sequence));
    }
    CHECK_EQUAL(scene.learner.stats.violations + scene.learner.stats.superseded, 0);
}

TEST(a_late_result_is_delivered_once_while_its_neighbour_steps_on) {
    Scene scene(small_spec(2, 1, 1, 4));
    scene.reset_all();
    scene.learner.send_step(scene.all());
    scene.answer({0});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver({0});
    for (uint64_t sequence = 3; sequence < 9; sequence++) {
        scene.step({0});
        CHECK(scene.shows(0, sequence) && scene.shows(1, 1));
    }
    scene.answer({1});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver({1});
    CHECK(scene.shows(1, 2) && scene.shows(0, 8));
    CHECK_EQUAL(scene.learner.num_ready(), 0);
}

int main() {
    RUN(a_learner_knows_its_simulators_when_they_are_ready_and_hold_their_lane);
    RUN(a_simulator_that_goes_before_its_first_command_makes_room_for_another);
    RUN(a_refused_learner_leaves_nothing_behind);
    RUN(a_step_delivers_what_each_lane_wrote_for_it);
    RUN(an_action_stands_beside_the_observation_that_it_answers);
    RUN(steps_and_resets_arrive_as_controls_with_their_seeds);
    RUN(every_group_gets_the_controls_of_its_own_rows);
    RUN(parameters_arrive_with_every_reset_of_their_env);
    RUN(no_step_before_the_first_reset_and_none_on_pending_rows);
    RUN(in_next_step_mode_an_ended_env_is_reset_by_the_next_step_and_its_neighbour_goes_on);
    RUN(in_disabled_mode_an_ended_env_must_be_reset_before_it_steps);
    RUN(in_same_step_mode_an_ended_env_steps_on);
    RUN(only_the_lanes_that_were_asked_get_a_command);
    RUN(whoever_was_ready_first_is_delivered_first_and_in_ascending_order);
    RUN(neighbouring_lanes_in_one_slot_are_one_run);
    RUN(a_batch_that_could_not_be_delivered_can_be_taken_again);
    RUN(a_timeout_can_be_repeated_and_shifts_nothing);
    RUN(a_late_result_is_delivered_once_while_its_neighbour_steps_on);
    return check_result();
}
