// test_rollout.cpp: T steps in T consecutive slots, and the epochs by which observers know torn
// rows.
#include "puppets.hpp"

// A rollout as the binding does it: its block is leased from beginning to end.
class Rollout
{
  public:
    Rollout(Scene &scene, uint32_t num_steps)
        : scene_(scene), num_steps_(num_steps), first(scene.learner.begin_rollout(num_steps))
    {
        if (first == UINT32_MAX)
            return;
        for (uint32_t t = 0; t < num_steps; t++)
            scene.learner.memory()->slots.hold(first + t, 0, scene.learner.num_lanes());
        held_ = true;
    }
    void run()
    {
        for (uint32_t t = 0; t < num_steps_; t++) {
            const uint32_t target = t + 1 < num_steps_
                                        ? first + t + 1
                                        : scene_.learner.slot_after_rollout(first, num_steps_);
            CHECK_EQUAL(scene_.learner.common_slot(), first + t);
            scene_.learner.send_step(scene_.all(), target);
            scene_.answer(scene_.all());
            CHECK_EQUAL(scene_.learner.num_ready(), scene_.learner.num_lanes());
            scene_.deliver(scene_.all());
        }
    }
    // Do the block's slots hold the observations of these commands, one after another?
    bool shows(uint64_t first_sequence) const
    {
        for (uint32_t t = 0; t < num_steps_; t++)
            for (uint32_t row = 0; row < scene_.learner.num_envs(); row++)
                if (!scene_.row_shows(first + t, row, first_sequence + t))
                    return false;
        return true;
    }
    void release()
    {
        for (uint32_t t = 0; held_ && t < num_steps_; t++)
            scene_.learner.memory()->slots.release(first + t, 0, scene_.learner.num_lanes());
        held_ = false;
    }
    ~Rollout()
    {
        release();
    }
    Rollout(const Rollout &) = delete;
    Rollout &operator=(const Rollout &) = delete;

  private:
    Scene &scene_;
    uint32_t num_steps_;
    bool held_ = false;

  public:
    const uint32_t first;
};

TEST(with_2T_plus_2_slots_rollouts_follow_each_other_without_a_copy)
{
    for (uint32_t num_steps = 1; num_steps <= 5; num_steps++) {
        Scene scene(small_spec(2, 1, 1, 2 * num_steps + 2));
        scene.reset_all();
        uint64_t sequence = 1;
        for (int i = 0; i < 20; i++, sequence += num_steps) {
            Rollout rollout(scene, num_steps);
            CHECK(rollout.first != UINT32_MAX);
            rollout.run();
            CHECK(rollout.shows(sequence));
            CHECK(scene.shows(0, sequence + num_steps) && scene.shows(1, sequence + num_steps));
        }
        CHECK(scene.learner.stats.copied_rows <= 2); // the first batch may have to move
    }
}

TEST(a_rollout_that_is_kept_does_not_change_and_the_next_one_goes_elsewhere)
{
    Scene scene(small_spec(2, 1, 1, 10));
    scene.reset_all();
    Rollout kept(scene, 4);
    kept.run();
    Rollout next(scene, 4);
    CHECK(next.first != UINT32_MAX);
    CHECK(next.first >= kept.first + 4 || next.first + 4 <= kept.first);
    next.run();
    CHECK(kept.shows(1) && next.shows(5));
    Rollout third(scene, 4); // no block is left
    CHECK_EQUAL(third.first, UINT32_MAX);
    for (uint64_t sequence = 10; sequence < 30; sequence++)
        scene.step(scene.all());
    CHECK(kept.shows(1) && next.shows(5));
    next.release();
    Rollout fourth(scene, 4);
    CHECK(fourth.first != UINT32_MAX);
    fourth.run();
    CHECK(kept.shows(1));
}

TEST(a_rollout_begins_with_the_current_batch_even_if_somebody_holds_it)
{
    Scene scene(small_spec(2, 1, 1, 10));
    scene.reset_all();
    const uint32_t here = scene.learner.common_slot();
    scene.learner.memory()->slots.hold(here, 0, 2);
    Rollout rollout(scene, 4);
    CHECK_EQUAL(rollout.first, here);
    rollout.run();
    CHECK(rollout.shows(1));
    CHECK_EQUAL(scene.learner.stats.copied_rows, 0);
    scene.learner.memory()->slots.release(here, 0, 2);
}

TEST(a_held_slot_in_the_way_moves_the_current_batch_to_another_block)
{
    Scene scene(small_spec(2, 1, 1, 10));
    scene.reset_all();
    const uint32_t here = scene.learner.common_slot();
    scene.learner.memory()->slots.hold(here + 2, 1, 1);
    Rollout rollout(scene, 4);
    CHECK(rollout.first != UINT32_MAX && rollout.first != here);
    CHECK(here + 2 < rollout.first || here + 2 >= rollout.first + 4);
    rollout.run();
    CHECK(rollout.shows(1));
    CHECK_EQUAL(scene.learner.stats.copied_rows, 2);
    scene.learner.memory()->slots.release(here + 2, 1, 1);
}

TEST(a_rollout_gathers_lanes_that_stand_in_several_slots)
{
    Scene scene(small_spec(3, 1, 1, 12));
    scene.reset_all();
    scene.step({1});
    scene.step({2});
    scene.step({1});
    CHECK_EQUAL(scene.learner.common_slot(), UINT32_MAX);
    Rollout rollout(scene, 4);
    CHECK(rollout.first != UINT32_MAX);
    CHECK(scene.row_shows(rollout.first, 0, 1) && scene.row_shows(rollout.first, 1, 3) &&
          scene.row_shows(rollout.first, 2, 2));
    rollout.run();
    CHECK(scene.shows(0, 5) && scene.shows(1, 7) && scene.shows(2, 6));
}

// With few slots a rollout is refused, and the caller copies; but no step ever fails for want of
// one.
TEST(a_rollout_leaves_a_slot_to_write_to)
{
    for (uint32_t num_slots = 2; num_slots <= 8; num_slots++)
        for (uint32_t num_steps = 1; num_steps <= 8; num_steps++)
            for (uint32_t held = 0; held <= num_slots; held++) {
                Scene scene(small_spec(1, 1, 1, num_slots));
                scene.reset_all();
                const bool holds = held < num_slots && held != scene.learner.common_slot();
                if (holds)
                    scene.learner.memory()->slots.hold(held, 0, 1);
                {
                    Rollout rollout(scene, num_steps);
                    if (rollout.first == UINT32_MAX)
                        continue;
                    CHECK(rollout.first + num_steps <= num_slots);
                    rollout.run();
                    CHECK(rollout.shows(1));
                }
                scene.step(scene.all());
            }
    Scene scene(small_spec(1, 1, 1, 4));
    scene.reset_all();
    for (const uint32_t too_many : {5u, UINT32_MAX - 1, UINT32_MAX})
        CHECK_EQUAL(scene.learner.begin_rollout(too_many), UINT32_MAX);
}

// Epochs ------------------------------------------------------------------------------------------

bool is_filling(const Scene &scene, uint32_t slot)
{
    return uerl_segment_slot_epochs(&scene.learner.segment())[slot] % 2 == 1;
}

uint32_t num_filling(const Scene &scene)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < scene.learner.memory()->slots.num_slots(); slot++)
        count += is_filling(scene, slot);
    return count;
}

TEST(a_slots_epoch_is_odd_from_the_first_command_to_the_last_result)
{
    Scene scene(small_spec(3, 1, 1, 4));
    CHECK_EQUAL(num_filling(scene), 0);
    scene.send_reset(scene.every_env());
    const uint32_t slot = scene.learner.lane(0).target;
    for (const uint32_t lane : {2u, 0u, 1u}) {
        CHECK(is_filling(scene, slot));
        CHECK_EQUAL(num_filling(scene), 1);
        scene.answer({lane});
        scene.learner.num_ready();
    }
    CHECK_EQUAL(num_filling(scene), 0);
    CHECK_EQUAL(uerl_segment_slot_epochs(&scene.learner.segment())[slot], 2);
}

TEST(slots_of_partial_sends_are_filled_independently)
{
    Scene scene(small_spec(2, 1, 1, 5));
    scene.reset_all();
    scene.learner.memory()->slots.hold(scene.learner.common_slot(), 0, 2);
    scene.learner.send_step({0});
    const uint32_t first = scene.learner.lane(0).target;
    scene.learner.memory()->slots.hold(first, 1, 1);
    scene.learner.send_step({1});
    const uint32_t second = scene.learner.lane(1).target;
    CHECK(first != second);
    CHECK(is_filling(scene, first) && is_filling(scene, second));
    scene.answer({1});
    scene.learner.num_ready();
    CHECK(is_filling(scene, first) && !is_filling(scene, second));
    scene.answer({0});
    scene.learner.num_ready();
    CHECK_EQUAL(num_filling(scene), 0);
}

TEST(the_slot_of_a_superseded_command_stays_odd_until_its_result_comes)
{
    Scene scene(small_spec(1, 1, 1, 4));
    scene.reset_all();
    scene.learner.send_step({0});
    const uint32_t first = scene.learner.lane(0).target;
    scene.send_reset({1});
    const uint32_t second = scene.learner.lane(0).target;
    CHECK(first != second);
    CHECK(is_filling(scene, first) && is_filling(scene, second));
    scene.answer({0});
    scene.learner.num_ready();
    CHECK(!is_filling(scene, first) && is_filling(scene, second));
    scene.answer({0});
    scene.learner.num_ready();
    CHECK_EQUAL(num_filling(scene), 0);
}

TEST(epochs_end_even_whatever_was_superseded)
{
    for (uint32_t num_slots = 2; num_slots <= 4; num_slots++) {
        Scene scene(small_spec(1, 1, 1, num_slots));
        scene.reset_all();
        for (int i = 0; i < 10; i++) {
            scene.learner.send_step({0});
            scene.send_reset({1});
            scene.answer({0});
            scene.learner.num_ready();
            scene.send_reset({1});
            scene.answer({0});
            scene.answer({0});
            CHECK_EQUAL(scene.learner.num_ready(), 1);
            scene.send_reset({1}); // over one that is ready
            scene.answer({0});
            CHECK_EQUAL(scene.learner.num_ready(), 1);
            scene.deliver({0}, false);
            CHECK_EQUAL(num_filling(scene), 0);
        }
    }
}

int main()
{
    RUN(with_2T_plus_2_slots_rollouts_follow_each_other_without_a_copy);
    RUN(a_rollout_that_is_kept_does_not_change_and_the_next_one_goes_elsewhere);
    RUN(a_rollout_begins_with_the_current_batch_even_if_somebody_holds_it);
    RUN(a_held_slot_in_the_way_moves_the_current_batch_to_another_block);
    RUN(a_rollout_gathers_lanes_that_stand_in_several_slots);
    RUN(a_rollout_leaves_a_slot_to_write_to);
    RUN(a_slots_epoch_is_odd_from_the_first_command_to_the_last_result);
    RUN(slots_of_partial_sends_are_filled_independently);
    RUN(the_slot_of_a_superseded_command_stays_odd_until_its_result_comes);
    RUN(epochs_end_even_whatever_was_superseded);
    return check_result();
}
