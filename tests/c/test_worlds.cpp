// test_worlds.cpp: what every scene promises, and the rules of basic and tennis.
#include <cmath>
#include <limits>

#include "check.h"
#include "worlds.hpp"

using namespace uerl_sim;

// Everything that `num_steps` random steps show, with resets where an episode ends.
static std::vector<double> play(const std::string &scene, std::int64_t seed, int num_steps,
                                const Options &options = {})
{
    Stage stage(scene, options);
    Random choices(7);
    std::vector<double> seen;
    stage.reset(seed);
    for (int i = 0; i < num_steps; i++) {
        for (const unsigned char byte : stage.written())
            seen.push_back(byte);
        stage.act_at_random(choices);
        stage.step();
        for (const double number : stage.outcomes())
            seen.push_back(number);
        if (stage.ended())
            stage.reset(-1);
    }
    return seen;
}

TEST(the_same_seed_gives_the_same_episodes)
{
    for (const std::string &scene : scene_names())
        CHECK(play(scene, 3, 300) == play(scene, 3, 300));
}

TEST(another_seed_gives_other_episodes_where_anything_is_drawn)
{
    for (const char *scene : {"apples", "tennis", "gather"})
        CHECK(play(scene, 3, 5) != play(scene, 4, 5));
}

TEST(a_reset_without_a_seed_draws_another_episode)
{
    for (const char *scene : {"apples", "tennis", "gather"}) {
        Stage stage(scene);
        stage.reset(3);
        const std::vector<unsigned char> first = stage.written();
        stage.reset(-1);
        CHECK(stage.written() != first);
        stage.reset(3);
        CHECK(stage.written() == first);
    }
}

// Two worlds in memory that was filled with different garbage.
TEST(observe_writes_every_byte_and_can_be_repeated)
{
    for (const std::string &scene : scene_names()) {
        Stage one(scene), other(scene);
        one.reset(5);
        other.reset(5);
        CHECK(one.written() == other.written());
        const std::vector<unsigned char> first = one.written();
        one.world->observe(one.rows);
        CHECK(one.written() == first);
    }
}

TEST(float_observations_stay_within_their_bounds_for_any_action)
{
    const float bad[] = {std::numeric_limits<float>::quiet_NaN(),
                         std::numeric_limits<float>::infinity(), -1e30F, 3.0F};
    for (const char *scene : {"tennis", "gather"}) {
        Stage stage(scene);
        stage.reset(1);
        for (int i = 0; i < 400; i++) {
            for (std::size_t group = 0; group < stage.spec.groups.size(); group++)
                for (std::size_t agent = 0; agent < 2; agent++)
                    for (std::size_t j = 0; j < num_elements(stage.spec.groups[group].action[0]);
                         j++)
                        stage.action<float>(group, 0, agent)[j] = bad[stage.random.below(4)];
            stage.step();
            for (std::size_t group = 0; group < stage.spec.groups.size(); group++)
                for (std::size_t k = 0; k < stage.spec.groups[group].observation.size(); k++) {
                    const ArraySpec &array = stage.spec.groups[group].observation[k];
                    const float *values = stage.rows.observation<float>(group, k);
                    for (std::size_t j = 0; j < 2 * num_elements(array); j++)
                        CHECK(static_cast<double>(values[j]) >= array.low[0] &&
                              static_cast<double>(values[j]) <= array.high[0]);
                }
            if (stage.ended())
                stage.reset(-1);
        }
    }
}

TEST(an_episode_is_truncated_at_its_step_limit)
{
    for (const char *scene : {"basic", "tennis", "gather"}) {
        Stage stage(scene, {{"--episode-steps", "4"}});
        stage.reset(0);
        for (std::size_t i = 0; i < stage.spec.groups.size(); i++)
            if (stage.spec.groups[i].action[0].kind == Kind::box)
                for (std::size_t agent = 0; agent < 2; agent++)
                    std::fill_n(stage.action<float>(i, 0, agent),
                                num_elements(stage.spec.groups[i].action[0]), 0.0F);
            else
                *stage.action<std::int64_t>(i, 0) = 0;
        for (int i = 1; i <= 4; i++) {
            stage.step();
            CHECK_EQUAL(stage.world->outcome(0, 0).truncated, i == 4);
            CHECK_EQUAL(stage.world->outcome(0, 0).terminated, 0);
        }
    }
}

TEST(basic_returns_0_93_when_it_only_moves_right)
{
    Stage stage("basic");
    stage.reset(0);
    CHECK_EQUAL(stage.rows.observation<float>(0, 0)[10], 1);
    double sum = 0.0;
    int num_steps = 0;
    for (; num_steps < 100 && !stage.ended(); num_steps++) {
        *stage.action<std::int64_t>(0, 0) = 2;
        stage.step();
        sum += stage.world->outcome(0, 0).reward;
    }
    CHECK_NEAR(sum, 0.93, 1e-9);
    CHECK_EQUAL(num_steps, 7);
    CHECK(stage.world->outcome(0, 0).terminated);
    CHECK_EQUAL(stage.rows.observation<float>(0, 0)[17], 1);
}

// The best sum of rewards for each position after each number of steps.
TEST(basic_has_no_return_above_0_93)
{
    const int limit = 40;
    std::map<int, double> best{{10, 0.0}};
    double best_return = -1.0;
    for (int i = 0; i < limit; i++) {
        std::map<int, double> next;
        for (const auto &[position, sum] : best)
            for (std::int64_t move = 0; move < 3; move++) {
                Stage stage("basic");
                stage.reset(0);
                for (int at = 10; at != position; at += position > 10 ? 1 : -1) {
                    *stage.action<std::int64_t>(0, 0) = position > 10 ? 2 : 1;
                    stage.step();
                }
                *stage.action<std::int64_t>(0, 0) = move;
                stage.step();
                const double total = sum + stage.world->outcome(0, 0).reward;
                const int now = position + (move == 2 ? 1 : (move == 1 ? -1 : 0));
                if (stage.ended())
                    best_return = std::max(best_return, total);
                else if (next.count(now) == 0 || next[now] < total)
                    next[now] = total;
            }
        best = next;
    }
    CHECK_NEAR(best_return, 0.93, 1e-9);
}

TEST(basic_returns_0_07_at_the_small_goal)
{
    Stage stage("basic");
    stage.reset(0);
    double sum = 0.0;
    while (!stage.ended()) {
        *stage.action<std::int64_t>(0, 0) = 1;
        stage.step();
        sum += stage.world->outcome(0, 0).reward;
    }
    CHECK_NEAR(sum, 0.1 - 0.03, 1e-9);
}

TEST(both_flags_are_set_when_the_goal_is_reached_at_the_step_limit)
{
    Stage stage("basic", {{"--episode-steps", "7"}});
    stage.reset(0);
    for (int i = 0; i < 7; i++) {
        *stage.action<std::int64_t>(0, 0) = 2;
        stage.step();
    }
    CHECK(stage.world->outcome(0, 0).terminated);
    CHECK(stage.world->outcome(0, 0).truncated);
}

TEST(the_rewards_of_tennis_always_sum_to_zero)
{
    Stage stage("tennis");
    Random choices(1);
    stage.reset(2);
    int num_points = 0;
    for (int i = 0; i < 5000; i++) {
        stage.act_at_random(choices);
        stage.step();
        const double reward = stage.world->outcome(0, 0).reward;
        CHECK_NEAR(reward + stage.world->outcome(0, 1).reward, 0.0, 0.0);
        CHECK(reward == 0.0 || stage.world->outcome(0, 0).terminated);
        num_points += reward != 0.0;
        if (stage.ended())
            stage.reset(-1);
    }
    CHECK(num_points > 20);
}

// Where a player's own values and the ball's are seen mirrored, a mirrored world looks the same.
TEST(each_tennis_player_sees_the_court_from_its_own_side)
{
    Stage stage("tennis");
    Random choices(1);
    stage.reset(2);
    for (int i = 0; i < 30 && !stage.ended(); i++) {
        stage.act_at_random(choices);
        stage.step();
        const float *one = stage.rows.observation<float>(0, 0, 0);
        const float *other = stage.rows.observation<float>(0, 0, 1);
        CHECK(one[0] <= 0.0F && other[0] <= 0.0F);
        for (int j = 0; j < 4; j++) {
            const float sign = j % 2 == 0 ? -1.0F : 1.0F;
            CHECK_NEAR(one[j], sign * other[4 + j], 1e-6);
            CHECK_NEAR(one[4 + j], sign * other[j], 1e-6);
            CHECK_NEAR(one[8 + j], sign * other[8 + j], 1e-6);
        }
    }
}

// Follows the ball sideways; without skill it stands still.
static void move_player(Stage &stage, std::size_t player, bool skilled)
{
    const float *state = stage.rows.observation<float>(0, 0, player);
    float *move = stage.action<float>(0, 0, player);
    move[0] = 0.0F;
    move[1] = skilled ? (state[9] - state[1]) * 10.0F : 0.0F;
}

TEST(a_tennis_player_that_follows_the_ball_beats_one_that_stands_still_on_either_side)
{
    for (const std::size_t skilled : {0U, 1U}) {
        Stage stage("tennis");
        stage.reset(2);
        int num_points = 0;
        double sum = 0.0;
        while (num_points < 100) {
            for (std::size_t player = 0; player < 2; player++)
                move_player(stage, player, player == skilled);
            stage.step();
            if (!stage.ended())
                continue;
            sum += stage.world->outcome(0, skilled).reward;
            num_points++;
            stage.reset(-1);
        }
        CHECK(sum > 60.0);
    }
}

TEST(tennis_counts_the_returns_of_each_player)
{
    Stage stage("tennis");
    stage.reset(2);
    while (!stage.ended()) {
        for (std::size_t player = 0; player < 2; player++)
            move_player(stage, player, true);
        stage.step();
    }
    CHECK(*stage.rows.info<std::int32_t>(0, 0, 0) > 0);
    CHECK(*stage.rows.info<std::int32_t>(0, 0, 1) > 0);
    stage.reset(-1);
    CHECK_EQUAL(*stage.rows.info<std::int32_t>(0, 0, 0), 0);
}

int main()
{
    RUN(the_same_seed_gives_the_same_episodes);
    RUN(another_seed_gives_other_episodes_where_anything_is_drawn);
    RUN(a_reset_without_a_seed_draws_another_episode);
    RUN(observe_writes_every_byte_and_can_be_repeated);
    RUN(float_observations_stay_within_their_bounds_for_any_action);
    RUN(an_episode_is_truncated_at_its_step_limit);
    RUN(basic_returns_0_93_when_it_only_moves_right);
    RUN(basic_has_no_return_above_0_93);
    RUN(basic_returns_0_07_at_the_small_goal);
    RUN(both_flags_are_set_when_the_goal_is_reached_at_the_step_limit);
    RUN(the_rewards_of_tennis_always_sum_to_zero);
    RUN(each_tennis_player_sees_the_court_from_its_own_side);
    RUN(a_tennis_player_that_follows_the_ball_beats_one_that_stands_still_on_either_side);
    RUN(tennis_counts_the_returns_of_each_player);
    return check_result();
}
