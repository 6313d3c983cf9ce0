// test_hostile_simulator.cpp: whatever a simulator writes, the learner survives it and names it.
#include <cstring>

#include "puppets.hpp"

namespace {

uerl_lane_results* results_of(const Scene& scene, uint32_t lane) {
    return uerl_segment_results(&scene.learner.segment(), lane);
}

uerl_header* header_of(const Scene& scene) { return uerl_segment_header(&scene.learner.segment()); }

// Publishes any result in a lane's name.
void publish(const Scene& scene, uint32_t lane, uint64_t sequence, uint32_t generation) {
    uerl_lane_results* shared = results_of(scene, lane);
    const uint32_t index = load_relaxed_u32(&shared->write_index);
    shared->results[index % UERL_RING_CAPACITY] = {sequence, generation, UERL_RESULT_OK};
    store_release_u32(&shared->write_index, index + 1);
}

}  // namespace

// Results -----------------------------------------------------------------------------------------

TEST(a_result_of_another_sequence_or_generation_is_a_violation_and_never_delivered) {
    const struct {
        uint64_t sequence;
        uint32_t generation;
    } wrong[] = {{1, 1}, {3, 1}, {0, 1}, {UINT64_MAX, 1}, {2, 0}, {2, 2}, {2, UINT32_MAX}};
    for (const auto& result : wrong) {
        Scene scene(small_spec(2, 1, 1, 3));
        scene.reset_all();
        scene.learner.send_step(scene.all());
        publish(scene, 1, result.sequence, result.generation);
        scene.answer({0});
        CHECK_EQUAL(scene.learner.num_ready(), 1);
        CHECK(scene.learner.peek_ready(2) == Lanes{0});
        CHECK_EQUAL(scene.learner.stats.violations, 1);
        publish(scene, 1, 2, 1);  // the right one, later
        CHECK_EQUAL(scene.learner.num_ready(), 2);
        CHECK_EQUAL(scene.learner.stats.violations, 1);
    }
}

TEST(results_that_nobody_asked_for_are_violations_and_the_next_step_is_answered_by_its_own) {
    Scene scene(small_spec(1, 1, 1, 3));
    scene.reset_all();
    publish(scene, 0, 1, 1);  // once more
    publish(scene, 0, 2, 1);  // before it is asked
    scene.learner.send_step({0});
    CHECK_EQUAL(scene.learner.num_ready(), 1);  // its row is the simulator's own affair
    CHECK_EQUAL(scene.learner.stats.violations, 1);
    scene.deliver({0});
    publish(scene, 0, 2, 1);
    publish(scene, 0, 2, 1);
    scene.learner.send_step({0});
    CHECK_EQUAL(scene.learner.num_ready(), 0);
    CHECK_EQUAL(scene.learner.stats.violations, 3);
}

TEST(an_overtaken_result_of_another_sequence_does_not_pass_for_the_reset) {
    Scene scene(small_spec(1, 1, 1, 4));
    scene.reset_all();
    scene.learner.send_step({0});
    scene.send_reset({1});
    publish(scene, 0, 1, 1);
    CHECK_EQUAL(scene.learner.num_ready(), 0);
    CHECK_EQUAL(scene.learner.stats.superseded, 0);
    CHECK_EQUAL(scene.learner.stats.violations, 1);
    publish(scene, 0, 2, 1);
    CHECK_EQUAL(scene.learner.num_ready(), 0);
    publish(scene, 0, 2, 1);
    CHECK_EQUAL(scene.learner.num_ready(), 0);
    publish(scene, 0, 3, 1);
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    CHECK_EQUAL(scene.learner.stats.superseded, 1);
    CHECK_EQUAL(scene.learner.stats.violations, 2);
}

TEST(an_impossible_result_index_is_an_error_that_names_the_lane_and_the_others_go_on) {
    for (const uint32_t ahead : {5u, 1000u, 0x80000000u, UINT32_MAX}) {
        Scene scene(small_spec(4, 1, 1, 3));
        scene.reset_all();
        scene.learner.send_step(scene.all());
        uint32_t* index = &results_of(scene, 2)->write_index;
        const uint32_t before = *index;
        scene.answer({0, 3});
        *index = before + ahead;
        for (int i = 0; i < 3; i++) {  // for ever, and each time
            CHECK_EQUAL(scene.learner.num_ready(), 2);
            try {
                scene.learner.check_failures();
                CHECK(!"expected an error");
            } catch (const uerl::Error& error) {
                CHECK_EQUAL(error.code, UERL_E_CORRUPT);
                CHECK(error.lanes == Lanes{2});
                CHECK_SAYS(error.what(), "result ring of lane 2 has an impossible write index");
            }
            CHECK_EQUAL(scene.learner.num_pending(), 4);
        }
        CHECK_EQUAL(scene.learner.stats.violations, 1);
        scene.answer({1});
        CHECK_EQUAL(scene.learner.num_ready(), 3);
        *index = before;  // repaired: nothing was lost
        scene.answer({2});
        CHECK_EQUAL(scene.learner.num_ready(), 4);
        CHECK_EQUAL(scene.learner.num_pending(), 4);
        scene.deliver(scene.all());
        for (uint32_t lane = 0; lane < 4; lane++) CHECK(scene.shows(lane, 2));
        CHECK_EQUAL(scene.learner.num_pending(), 0);
    }
}

TEST(a_corrupt_lane_is_reported_by_a_wait) {
    Scene scene(small_spec(2, 1, 1, 3));
    scene.reset_all();
    scene.learner.send_step(scene.all());
    results_of(scene, 1)->write_index += 77;
    CHECK_THROWS(UERL_E_CORRUPT, "result ring of lane 1", scene.wait(2, 30000 * kMs));
}

// Words -------------------------------------------------------------------------------------------

TEST(the_learners_own_words_are_never_read_back) {
    Scene scene(small_spec(2, 1, 1, 4));
    scene.reset_all();
    for (uint64_t sequence = 2; sequence < 10; sequence++) {
        for (uint32_t lane = 0; lane < 2; lane++) {
            uerl_lane_commands* mine = uerl_segment_commands(&scene.learner.segment(), lane);
            mine->read_index = 0xa5a5a5a5;
            mine->slot = 0xa5a5a5a5;
            for (uint32_t i = 0; i < UERL_RING_CAPACITY; i++) mine->commands[i].slot = 0xa5a5a5a5;
        }
        uerl_header identity = *header_of(scene);
        std::memset(header_of(scene), 0xa5, offsetof(uerl_header, command_epoch));
        scene.step(scene.all());
        CHECK(scene.shows(0, sequence) && scene.shows(1, sequence));
        std::memcpy(header_of(scene), &identity, offsetof(uerl_header, command_epoch));
    }
    CHECK_EQUAL(scene.learner.stats.violations, 0);
}

TEST(a_message_of_impossible_length_is_not_read) {
    Scene scene(small_spec(1, 1, 1, 3));
    CHECK(scene.learner.message_of(0).empty());
    uerl_message* area = uerl_segment_message_to_learner(&scene.learner.segment(), 0);
    results_of(scene, 0)->message_count = 1;
    for (const uint32_t bytes : {257u, 0x7fffffffu, UINT32_MAX}) {
        area->bytes = bytes;
        CHECK(scene.learner.message_of(0).empty());
    }
    area->bytes = 256;
    CHECK_EQUAL(scene.learner.message_of(0).size(), 256);
}

TEST(a_message_cannot_move_the_cursor_of_a_terminal_nor_be_other_than_utf_8) {
    const struct {
        const char *written, *read;
    } texts[] = {
        {"no map \xc3\xa9\n", "no map \xc3\xa9\n"},
        {"map\n\x1b[2J\a\x7f gone", "map\n [2J   gone"},
        {"a\xc2\x9b" "2Jb", "a  2Jb"},                  // CSI, in one character
        {"cut \xe2\x82", "cut   "},                     // two bytes of three
        {"\xf0\x9f\x8d\x8e \xe2\x82\xac", "\xf0\x9f\x8d\x8e \xe2\x82\xac"},
        {"\xff\xfe\x80", "   "},
        {"\xc0\xaf\xe0\x80\xaf", "     "},              // longer than needed
        {"\xed\xa0\x80", "   "},                        // half a surrogate pair
        {"\xf4\x90\x80\x80", "    "},                   // beyond the last character
        {"\xe2\x28\xa1", " ( "},
    };
    for (const auto& text : texts) {
        Scene scene(small_spec(1, 1, 1, 3));
        CHECK_EQUAL(uerl_simulator_refuse(scene.puppets[0]->handle(), text.written), UERL_OK);
        CHECK(scene.learner.message_of(0) == text.read);
    }
}

TEST(garbage_in_the_hint_words_costs_at_most_a_bounded_wait) {
    for (const uint32_t garbage : {0u, 1u, 0x7fffffffu, 0x80000000u, UINT32_MAX}) {
        Scene scene(small_spec(1, 1, 1, 3));
        scene.reset_all();
        for (uint64_t sequence = 2; sequence < 6; sequence++) {
            store_relaxed_u32(&header_of(scene)->num_waiting, garbage);
            scene.learner.send_step({0});
            store_relaxed_u32(&header_of(scene)->finished_count, garbage);
            scene.answer({0});
            store_relaxed_u32(&header_of(scene)->finished_count, garbage);
            CHECK(scene.wait(1, 30000 * kMs));
            scene.deliver({0});
            CHECK(scene.shows(0, sequence));
        }
    }
}

// Every byte that a simulator can reach -----------------------------------------------------------

TEST(any_bytes_in_a_lanes_words_cost_that_lane_its_results_and_nothing_else) {
    uint64_t random = 11, num_errors = 0, num_good = 0;
    for (int round = 0; round < 300; round++) {
        Scene scene(small_spec(2, 1, 1, 3));
        scene.reset_all();
        for (uint64_t sequence = 2; sequence < 8; sequence++) {
            scene.learner.send_step({0});
            auto* words = reinterpret_cast<uint8_t*>(results_of(scene, 1));
            for (int i = 0; i < 8; i++) {
                const uint64_t value = next_random(&random) >> (next_random(&random) % 64);
                std::memcpy(words + next_random(&random) % 248, &value, 8);
            }
            if (!scene.learner.pending(1)) scene.learner.send_step({1});
            scene.answer({0});
            CHECK(scene.wait(1, 10000 * kMs));
            try {
                scene.learner.check_failures();
                scene.learner.message_of(1);
                scene.learner.lane_state(1);
            } catch (const uerl::Error& error) {
                CHECK(error.lanes == Lanes{1});
                num_errors++;
            }
            CHECK_EQUAL(scene.learner.peek_ready(2)[0], 0);
            scene.deliver({0});
            CHECK(scene.shows(0, sequence));
            num_good++;
        }
    }
    CHECK_EQUAL(num_good, 1800);
    CHECK(num_errors > 100);
}

// Indices -----------------------------------------------------------------------------------------

TEST(the_indices_of_both_rings_may_overflow) {
    Scene scene(small_spec(2, 1, 1, 3), UERL_AUTORESET_NEXT_STEP, UINT32_MAX - 2);
    CHECK_EQUAL(results_of(scene, 1)->write_index, UINT32_MAX - 2);
    scene.reset_all();
    for (uint64_t i = 0; i < 12; i++) {
        scene.learner.send_step(scene.all());
        if (i % 3 == 0) {
            scene.send_reset(scene.every_env());
            CHECK_EQUAL(scene.learner.num_ready(), 0);
            scene.answer(scene.all());
        }
        CHECK_EQUAL(scene.learner.num_ready(), 0);
        scene.answer(scene.all());
        CHECK_EQUAL(scene.learner.num_ready(), 2);
        scene.deliver(scene.all());
        CHECK(scene.shows(0, scene.learner.lane(0).sequence));
        CHECK(scene.shows(1, scene.learner.lane(1).sequence));
    }
    CHECK_EQUAL(scene.learner.stats.violations, 0);
    CHECK_EQUAL(scene.learner.stats.superseded, 8);
    CHECK_EQUAL(scene.learner.lane(1).write_index, 14);
    CHECK_EQUAL(scene.learner.lane(1).read_index, 14);
}

int main() {
    RUN(a_result_of_another_sequence_or_generation_is_a_violation_and_never_delivered);
    RUN(results_that_nobody_asked_for_are_violations_and_the_next_step_is_answered_by_its_own);
    RUN(an_overtaken_result_of_another_sequence_does_not_pass_for_the_reset);
    RUN(an_impossible_result_index_is_an_error_that_names_the_lane_and_the_others_go_on);
    RUN(a_corrupt_lane_is_reported_by_a_wait);
    RUN(the_learners_own_words_are_never_read_back);
    RUN(a_message_of_impossible_length_is_not_read);
    RUN(a_message_cannot_move_the_cursor_of_a_terminal_nor_be_other_than_utf_8);
    RUN(garbage_in_the_hint_words_costs_at_most_a_bounded_wait);
    RUN(any_bytes_in_a_lanes_words_cost_that_lane_its_results_and_nothing_else);
    RUN(the_indices_of_both_rings_may_overflow);
    return check_result();
}
