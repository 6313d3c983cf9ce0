// The world of apples.hpp: motion, walls, rewards, ends, placement, and that seeing pays.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "apples.hpp"
#include "check.h"

using namespace uerl_sim;

namespace {

constexpr Point kNorth{0.0f, 1.0f}, kEast{1.0f, 0.0f};
constexpr double kReach = 5.0 - ApplesWorld::kRobotRadius;  // of the default square

// A world with memory for its rows.
struct Env {
    ApplesWorld world;
    Random random;
    std::vector<std::uint8_t> camera;
    Rows rows;

    explicit Env(std::uint64_t seed, ApplesOptions options = {}) : world(options), random(seed) {
        camera.resize(std::size_t{3} * options.frame.height * options.frame.width);
        rows.groups.resize(1);
        rows.groups[0].observation = {{camera.data(), camera.size()}};
        world.reset(random, {});
    }
    const std::vector<std::uint8_t> &look() {
        world.observe(rows);
        return camera;
    }
    double advance(double move, double turn) {
        world.advance(random, move, turn);
        return world.outcome(0, 0).reward;
    }
};

double distance(const Point &a, const Point &b) {
    return std::hypot(a.x - b.x, a.y - b.y);
}

// FNV-1a, continued from `hash`.
std::uint64_t hashed(const std::vector<std::uint8_t> &bytes, std::uint64_t hash) {
    for (const std::uint8_t byte : bytes)
        hash = (hash ^ byte) * UINT64_C(0x100000001b3);
    return hash;
}

struct Action {
    double move, turn;
};
using Policy = std::function<Action(Env &env, Random &random)>;

double mean_return(const Policy &policy, int num_episodes) {
    double total = 0.0;
    for (int episode = 0; episode < num_episodes; ++episode) {
        Env env(1000 + episode);
        Random random(episode);
        while (!env.world.outcome(0, 0).truncated) {
            const Action action = policy(env, random);
            total += env.advance(action.move, action.turn);
        }
    }
    return total / num_episodes;
}

// Drives to the apple that stands lowest in the picture, which is the nearest; else turns.
Action steered_by(const std::vector<std::uint8_t> &camera, double right) {
    for (int row = 41; row >= 0; --row) {
        double sum = 0.0;
        int count = 0;
        for (int column = 0; column < 42; ++column) {
            const std::uint8_t *c = &camera[3 * (42 * row + column)];
            if (c[0] > 2 * c[1] && c[0] > 2 * c[2]) {
                sum += column;
                count += 1;
            } else if (count > 0) {
                break;
            }
        }
        if (count > 0) {
            const double slope = (sum / count + 0.5 - 21) / 21;
            const double turn = std::clamp(std::atan(slope) / ApplesWorld::kMaxTurn, -1.0, 1.0);
            return {std::fabs(slope) < 0.4 ? 1.0 : 0.2, right * turn};
        }
    }
    return {0.3, 1.0};
}

}  // namespace

TEST(same_seed_gives_the_same_episode_and_another_seed_another) {
    Env one(7), same(7), other(8);
    CHECK(one.look() == same.look());
    CHECK(one.look() != other.look());
    double rewards = 0.0;
    for (int step = 0; step < 350; ++step) {
        const double turn = 0.5 * std::sin(0.05 * step);
        const double reward = one.advance(1.0, turn);
        rewards += reward;
        CHECK_NEAR(same.advance(1.0, turn), reward, 0);
        CHECK(one.look() == same.look());
    }
    CHECK(rewards > 0);
}

TEST(episodes_of_one_generator_differ) {
    Env env(7);
    const std::vector<std::uint8_t> first = env.look();
    env.world.reset(env.random, {});
    CHECK(env.look() != first);
}

TEST(episode_of_a_seed_is_the_same_on_every_machine) {
    std::uint64_t hash = UINT64_C(0xcbf29ce484222325);
    Env env(7);
    for (int step = 0; step < 350; ++step) {
        env.advance(0.75, step % 64 / 32.0 - 0.5);
        hash = hashed(env.look(), hash);
    }
    // A change of the world or of its pictures changes this number: policies that were trained
    // before, such as a checkpoint that is shipped, have to be trained again.
    CHECK_EQUAL(hash, UINT64_C(0xd2cc715e77af2940));
}

TEST(robot_moves_ahead_and_back_and_turns_right) {
    Env env(1);
    env.world.put({{0, 0}, kNorth}, {{4, 4}});
    env.advance(1.0, 0.0);
    CHECK_NEAR(env.world.robot().position.y, ApplesWorld::kMaxMove, 1e-6);
    CHECK_NEAR(env.world.robot().position.x, 0, 1e-6);
    env.advance(-0.5, 0.0);
    CHECK_NEAR(env.world.robot().position.y, ApplesWorld::kMaxMove / 2, 1e-6);
    env.advance(0.0, 1.0);
    CHECK_NEAR(env.world.robot().ahead.x, std::sin(ApplesWorld::kMaxTurn), 1e-6);
    CHECK_NEAR(env.world.robot().ahead.y, std::cos(ApplesWorld::kMaxTurn), 1e-6);
    for (int step = 0; step < 2000; ++step)
        env.advance(0.0, -0.7);
    CHECK_NEAR(std::hypot(env.world.robot().ahead.x, env.world.robot().ahead.y), 1, 1e-6);
}

TEST(action_is_clipped_to_its_bounds_and_nan_does_nothing) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double infinity = std::numeric_limits<double>::infinity();
    const Action wild[] = {{5, -9}, {infinity, -infinity}, {nan, nan}};
    const Action tame[] = {{1, -1}, {1, -1}, {0, 0}};
    for (int i = 0; i < 3; ++i) {
        Env one(3), other(3);
        one.advance(wild[i].move, wild[i].turn);
        other.advance(tame[i].move, tame[i].turn);
        CHECK(one.look() == other.look());
    }
}

TEST(step_reads_move_and_turn_from_the_action_row) {
    Env by_row(5), by_call(5);
    float action[2] = {0.5f, -0.25f};
    by_row.rows.groups[0].action = {{reinterpret_cast<unsigned char *>(action), sizeof action}};
    by_row.world.step(by_row.random, by_row.rows);
    by_call.advance(0.5, -0.25);
    CHECK(by_row.look() == by_call.look());
}

TEST(walls_are_never_crossed) {
    Env env(11);
    double farthest = 0.0;
    for (int step = 0; step < 20000; ++step) {
        env.advance(1.0, env.random.uniform(-0.6, 0.6));
        const Point at = env.world.robot().position;
        farthest = std::max({farthest, std::fabs(double{at.x}), std::fabs(double{at.y})});
    }
    CHECK_NEAR(farthest, kReach, 1e-6);
}

TEST(robot_slides_along_a_wall_that_it_meets_at_an_angle) {
    Env env(1);
    env.world.put({{float(kReach), -2}, {0.6f, 0.8f}}, {{-4, -4}});
    env.advance(1.0, 0.0);
    CHECK_NEAR(env.world.robot().position.x, kReach, 1e-6);
    CHECK_NEAR(env.world.robot().position.y, -2 + 0.8 * ApplesWorld::kMaxMove, 1e-6);
    env.world.put({{float(kReach), 0}, kEast}, {{-4, -4}});
    env.advance(1.0, 0.0);
    CHECK_NEAR(distance(env.world.robot().position, {float(kReach), 0}), 0, 1e-6);
}

TEST(reward_is_one_for_each_apple_reached_and_nothing_else) {
    Env env(1);
    const float short_of = float(ApplesWorld::kCollectDistance + 1.5 * ApplesWorld::kMaxMove);
    env.world.put({{0, 0}, kNorth}, {{0, short_of}, {4, 4}});
    CHECK_NEAR(env.advance(1.0, 0.0), 0, 0);
    CHECK_EQUAL(env.world.apples().size(), 2);
    CHECK_NEAR(env.advance(1.0, 0.0), 1, 0);
    CHECK_EQUAL(env.world.apples().size(), 1);
    CHECK_NEAR(env.advance(0.0, 0.0), 0, 0);  // it does not come back
    env.world.put({{0, 0}, kNorth}, {{-0.3f, 0.5f}, {0.3f, 0.5f}, {4, 4}});
    CHECK_NEAR(env.advance(1.0, 0.0), 2, 0);
}

TEST(new_batch_appears_when_the_last_apple_is_collected) {
    Env env(1);
    env.world.put({{0, 0}, kNorth}, {{0, 0.6f}});
    CHECK_NEAR(env.advance(1.0, 0.0), 1, 0);
    CHECK_EQUAL(env.world.apples().size(), ApplesWorld::kNumApples);
    CHECK(!env.world.outcome(0, 0).terminated);
    for (const Point &apple : env.world.apples())
        CHECK(distance(apple, env.world.robot().position) >= ApplesWorld::kStartDistance);
}

TEST(episode_is_truncated_at_its_step_limit_and_never_terminated) {
    for (const int limit : {1, 20, 350}) {
        ApplesOptions options;
        options.episode_steps = limit;
        Env env(2, options);
        for (int episode = 0; episode < 2; ++episode) {
            for (int step = 1; step <= limit; ++step) {
                CHECK(!env.world.outcome(0, 0).truncated);
                env.advance(1.0, 0.2);
                CHECK(!env.world.outcome(0, 0).terminated);
            }
            CHECK(env.world.outcome(0, 0).truncated);
            env.world.reset(env.random, {});
            CHECK_NEAR(env.world.outcome(0, 0).reward, 0, 0);
        }
    }
}

TEST(apples_lie_apart_from_each_other_from_walls_and_from_the_robot) {
    const double parameters[][3] = {{10, 10, 10}, {1, 6, 1},   {1e9, 6, 5}, {1e9, 10, 21},
                                    {-3, 20, 1},  {40, 50, 40}};  // number, side, number to be
    for (const auto &set : parameters) {
        for (std::uint64_t seed = 0; seed < 200; ++seed) {
            Env env(seed);
            env.world.reset(env.random, {-1, {set[0], set[1]}});
            const std::vector<Point> &apples = env.world.apples();
            CHECK_EQUAL(apples.size(), set[2]);
            CHECK_NEAR(env.world.half_side(), set[1] / 2, 0);
            const double limit = set[1] / 2 - ApplesWorld::kWallMargin;
            for (std::size_t i = 0; i < apples.size(); ++i) {
                CHECK(std::fabs(apples[i].x) <= limit && std::fabs(apples[i].y) <= limit);
                CHECK(distance(apples[i], env.world.robot().position) >=
                      ApplesWorld::kStartDistance);
                for (std::size_t j = 0; j < i; ++j)
                    CHECK(distance(apples[i], apples[j]) >= ApplesWorld::kAppleDistance - 1e-6);
            }
        }
    }
}

TEST(robot_starts_anywhere_and_looks_anywhere) {
    int quarters[4] = {}, directions[4] = {};
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        const Eye robot = Env(seed).world.robot();
        quarters[(robot.position.x > 0) + 2 * (robot.position.y > 0)] += 1;
        directions[(robot.ahead.x > 0) + 2 * (robot.ahead.y > 0)] += 1;
        CHECK_NEAR(std::hypot(robot.ahead.x, robot.ahead.y), 1, 1e-6);
    }
    for (int i = 0; i < 4; ++i) {
        CHECK(quarters[i] > 60 && quarters[i] < 140);
        CHECK(directions[i] > 60 && directions[i] < 140);
    }
}

TEST(spec_follows_the_options) {
    const auto scene = make_apples();
    CHECK_EQUAL(scene->spec().groups[0].observation.size(), 1);
    CHECK(scene->spec().groups[0].observation[0].shape == (std::vector<std::uint64_t>{42, 42, 3}));
    scene->set_option("--frame", "64x48");
    scene->set_option("--segmentation", "");
    scene->set_option("--depth", "");
    const std::vector<ArraySpec> arrays = scene->spec().groups[0].observation;
    CHECK_EQUAL(arrays.size(), 3);
    CHECK(arrays[0].shape == (std::vector<std::uint64_t>{48, 64, 3}));
    CHECK(arrays[1].name == "depth" && arrays[1].dtype == UERL_DTYPE_FLOAT32);
    CHECK(arrays[2].name == "segmentation" && arrays[2].dtype == UERL_DTYPE_UINT8);
    CHECK(arrays[1].shape == (std::vector<std::uint64_t>{48, 64}));
}

TEST(depth_and_segmentation_are_written_to_the_arrays_of_the_spec) {
    const auto scene = make_apples();
    scene->set_option("--segmentation", "");
    scene->set_option("--depth", "");
    const auto world = scene->make_world({});
    std::vector<std::uint8_t> camera(42 * 42 * 3), segmentation(42 * 42, 0xab);
    std::vector<float> depth(42 * 42, -1.0f);
    Rows rows;
    rows.groups.resize(1);
    rows.groups[0].observation = {{camera.data(), camera.size()},
                                  {reinterpret_cast<unsigned char *>(depth.data()), 42 * 42 * 4},
                                  {segmentation.data(), segmentation.size()}};
    Random random(7);
    world->reset(random, {});
    world->observe(rows);
    Env plain(7);
    CHECK(camera == plain.look());
    CHECK(*std::max_element(segmentation.begin(), segmentation.end()) < kNumPixelClasses);
    CHECK(*std::min_element(depth.begin(), depth.end()) > 0);
}

// What makes the scene worth training on: only who looks can collect much.
TEST(steering_by_the_camera_collects_far_more_than_any_blind_or_mirrored_policy) {
    const double seeing =
        mean_return([](Env &env, Random &) { return steered_by(env.look(), 1); }, 30);
    const double mirrored =
        mean_return([](Env &env, Random &) { return steered_by(env.look(), -1); }, 30);
    const double at_random = mean_return(
        [](Env &, Random &random) { return Action{random.uniform(-1, 1), random.uniform(-1, 1)}; },
        100);
    double constant = 0.0;
    for (const double move : {-1.0, 0.5, 1.0})
        for (const double turn : {-1.0, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 1.0})
            constant = std::max(
                constant, mean_return([=](Env &, Random &) { return Action{move, turn}; }, 30));
    std::printf("     seeing %.1f, mirrored %.1f, constant %.1f, random %.1f\n", seeing, mirrored,
                constant, at_random);
    CHECK(at_random > 0.5);
    CHECK(seeing >= 6 * at_random);
    CHECK(seeing >= 3 * constant);
    CHECK(seeing >= 3 * mirrored);
}

int main() {
    RUN(same_seed_gives_the_same_episode_and_another_seed_another);
    RUN(episodes_of_one_generator_differ);
    RUN(episode_of_a_seed_is_the_same_on_every_machine);
    RUN(robot_moves_ahead_and_back_and_turns_right);
    RUN(action_is_clipped_to_its_bounds_and_nan_does_nothing);
    RUN(step_reads_move_and_turn_from_the_action_row);
    RUN(walls_are_never_crossed);
    RUN(robot_slides_along_a_wall_that_it_meets_at_an_angle);
    RUN(reward_is_one_for_each_apple_reached_and_nothing_else);
    RUN(new_batch_appears_when_the_last_apple_is_collected);
    RUN(episode_is_truncated_at_its_step_limit_and_never_terminated);
    RUN(apples_lie_apart_from_each_other_from_walls_and_from_the_robot);
    RUN(robot_starts_anywhere_and_looks_anywhere);
    RUN(spec_follows_the_options);
    RUN(depth_and_segmentation_are_written_to_the_arrays_of_the_spec);
    RUN(steering_by_the_camera_collects_far_more_than_any_blind_or_mirrored_policy);
    return check_result();
}
