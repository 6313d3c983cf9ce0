// test_gather.cpp: life, death, absence and rewards in gather, and what each team sees.
#include <cmath>

#include "check.h"
#include "gather_world.hpp"
#include "worlds.hpp"

using namespace uerl_sim;

static const std::vector<GatherMove> idle(4);

// A world of two teams of two without food, after a reset.
static GatherWorld world_without_food(Random &random,
                                      GatherRewards rewards = GatherRewards::independent)
{
    GatherSettings settings;
    settings.rewards = rewards;
    settings.episode_steps = 100000;
    GatherWorld world(settings);
    world.reset(random, 0);
    return world;
}

// Steps until the first agent of team 0 dies.
static void starve(GatherWorld &world, Random &random)
{
    for (int i = 0; i < 200 && !world.agent(0, 0).died; i++)
        world.step(random, idle);
}

TEST(an_agent_that_never_eats_dies_after_50_to_101_steps)
{
    Random random(1);
    GatherWorld world = world_without_food(random);
    int num_steps = 0;
    while (!world.agent(0, 0).died && num_steps < 200) {
        world.step(random, idle);
        num_steps++;
    }
    CHECK(num_steps >= 50 && num_steps <= 101);
    CHECK(world.agent(0, 0).present);
    CHECK_NEAR(world.reward(0, 0), -1.0, 0.0);
}

TEST(a_dead_agent_is_absent_for_ten_steps_and_spawns_elsewhere_with_new_energy)
{
    Random random(1);
    GatherWorld world = world_without_food(random);
    starve(world, random);
    const GatherPoint grave = world.agent(0, 0).position;
    for (int i = 0; i < GatherWorld::respawn_steps; i++) {
        world.step(random, idle);
        CHECK(!world.agent(0, 0).present);
        CHECK(!world.agent(0, 0).died);
        CHECK_NEAR(world.reward(0, 0), 0.0, 0.0);
    }
    world.step(random, idle);
    CHECK(world.agent(0, 0).present);
    CHECK(!world.agent(0, 0).died);
    CHECK(world.agent(0, 0).energy >= 0.5);
    CHECK(world.agent(0, 0).position.x != grave.x);
}

TEST(food_gives_a_reward_and_energy_and_grows_again)
{
    GatherSettings settings;
    settings.rewards = GatherRewards::independent;
    GatherWorld world(settings);
    Random random(1);
    world.reset(random, 100);
    double sum = 0.0;
    std::vector<GatherMove> forward(4);
    for (GatherMove &move : forward) {
        move.forward = 1.0;
        move.turn = 0.3;
    }
    for (int i = 0; i < 50; i++) {
        world.step(random, forward);
        sum += world.reward(0, 0);
        CHECK_EQUAL(world.food().size(), 100);
    }
    CHECK(sum >= 1.0);
    CHECK_NEAR(sum, world.agent(0, 0).num_food, 1e-9);
    CHECK(world.agent(0, 0).energy > 0.6);
}

// Random play with everyone tagging all the time; calls `look` after each step.
template <typename Look> static void brawl(GatherRewards rewards, Look look)
{
    GatherSettings settings;
    settings.rewards = rewards;
    GatherWorld world(settings);
    Random random(4);
    world.reset(random, 12);
    std::vector<GatherMove> moves(4);
    for (int i = 0; i < 3000; i++) {
        for (GatherMove &move : moves)
            move = {random.uniform(-1.0, 1.0), random.uniform(-1.0, 1.0), true};
        world.step(random, moves);
        look(world);
    }
}

// The move that turns agent `index` of team 0 to the nearest opponent, follows and tags it.
static GatherMove hunt(const GatherWorld &world, std::size_t index)
{
    const GatherAgent &own = world.agent(0, index);
    double nearest = 10.0;
    GatherMove move;
    for (std::size_t i = 0; i < world.agents_per_team(); i++) {
        const GatherAgent &other = world.agent(1, i);
        const double x = other.position.x - own.position.x;
        const double y = other.position.y - own.position.y;
        if (!other.present || other.died || std::hypot(x, y) >= nearest)
            continue;
        nearest = std::hypot(x, y);
        const double angle = std::remainder(std::atan2(y, x) - own.heading, 2.0 * std::acos(-1.0));
        move = {nearest > 0.2 ? 1.0 : 0.0, clamped(angle / 0.4, -1.0, 1.0),
                nearest < 0.25 && std::fabs(angle) < 0.5};
    }
    return move;
}

TEST(hunters_tag_opponents_who_die_with_energy_left)
{
    Random random(4);
    GatherWorld world = world_without_food(random);
    int num_deaths = 0;
    double sum = 0.0;
    for (int i = 0; i < 45; i++) {
        std::vector<GatherMove> moves(4);
        moves[0] = hunt(world, 0);
        moves[1] = hunt(world, 1);
        world.step(random, moves);
        for (std::size_t agent = 0; agent < 2; agent++) {
            num_deaths += world.agent(1, agent).died;
            sum += world.reward(0, agent) - world.reward(1, agent);
        }
    }
    const int num_tags = world.agent(0, 0).num_tags + world.agent(0, 1).num_tags;
    CHECK(num_deaths >= 2);
    CHECK(num_tags >= num_deaths);
    CHECK_NEAR(sum, num_tags + num_deaths, 1e-9);
}

TEST(no_agent_tags_a_mate)
{
    Random random(9);
    GatherWorld world = world_without_food(random);
    std::vector<GatherMove> moves(4);
    moves[0].tag = moves[1].tag = true;
    for (int i = 0; i < 2000; i++) {
        moves[0].forward = moves[1].forward = 1.0;
        moves[0].turn = random.uniform(-1.0, 1.0);
        moves[1].turn = random.uniform(-1.0, 1.0);
        world.step(random, moves);
        for (std::size_t agent = 0; agent < 2; agent++)
            CHECK(!world.agent(0, agent).died || world.agent(0, agent).energy < 0.02);
    }
}

TEST(shared_rewards_are_equal_for_all_who_are_present)
{
    int num_rewards = 0;
    brawl(GatherRewards::shared, [&](const GatherWorld &world) {
        double first = 0.0;
        bool found = false;
        for (std::size_t i = 0; i < 4; i++) {
            if (!world.agent(i / 2, i % 2).present)
                continue;
            const double reward = world.reward(i / 2, i % 2);
            CHECK(!found || reward == first);
            first = reward;
            found = true;
            num_rewards += reward != 0.0;
        }
    });
    CHECK(num_rewards > 100);
}

TEST(opposed_rewards_are_opposite_for_the_teams)
{
    int num_rewards = 0;
    brawl(GatherRewards::opposed, [&](const GatherWorld &world) {
        for (std::size_t i = 0; i < 2; i++)
            for (std::size_t j = 0; j < 2; j++)
                if (world.agent(0, i).present && world.agent(1, j).present) {
                    CHECK_NEAR(world.reward(0, i) + world.reward(1, j), 0.0, 1e-12);
                    num_rewards += world.reward(0, i) != 0.0;
                }
    });
    CHECK(num_rewards > 100);
}

TEST(independent_rewards_differ_between_mates)
{
    int num_different = 0;
    brawl(GatherRewards::independent, [&](const GatherWorld &world) {
        num_different += world.reward(0, 0) != world.reward(0, 1);
    });
    CHECK(num_different > 50);
}

TEST(absent_agents_have_no_flags_and_see_zeros)
{
    Stage stage("gather", {{"--episode-steps", "100000"}});
    stage.parameters[0] = 0.0;
    stage.reset(1);
    int num_absent = 0;
    for (int i = 0; i < 130; i++) {
        stage.step();
        for (const std::size_t group : {0U, 1U}) {
            const Outcome outcome = stage.world->outcome(group, 1);
            if (outcome.present)
                continue;
            num_absent++;
            CHECK(!outcome.terminated && !outcome.truncated && outcome.reward == 0.0);
            for (std::size_t array = 0; array < stage.spec.groups[group].observation.size();
                 array++)
                for (std::uint64_t j = 0;
                     j < num_elements(stage.spec.groups[group].observation[array]); j++)
                    CHECK(stage.rows.observation<float>(group, array, 1)[j] == 0.0F);
        }
    }
    CHECK(num_absent >= 2 * GatherWorld::respawn_steps);
}

TEST(the_teams_have_different_observations_and_a_mask)
{
    const Stage stage("gather", {{"--agents", "3"}});
    CHECK_EQUAL(stage.spec.groups.size(), 2);
    CHECK(stage.spec.groups[0].name == "red" && stage.spec.groups[1].name == "blue");
    CHECK(stage.spec.groups[0].observation.size() != stage.spec.groups[1].observation.size());
    for (const GroupSpec &group : stage.spec.groups)
        CHECK(group.mask && group.agents == 3);
}

// What agent 0 of a group gathers in ten episodes when `steer` chooses its heading: where to turn,
// in radians, from its observation.
template <typename Steer> static int gathered(std::size_t group, Steer steer)
{
    Stage stage("gather", {{"--agents", "1"}});
    stage.parameters[0] = 12.0;
    int num_food = 0;
    for (int seed = 0; seed < 10; seed++) {
        stage.reset(seed);
        for (int i = 0; i < 45; i++) {
            const double angle = steer(stage.rows.observation<float>(group, 0));
            float *move = stage.action<float>(group, 0);
            move[0] = std::fabs(angle) < 0.6 ? 1.0F : 0.0F;
            move[1] = static_cast<float>(clamped(angle / 0.4, -1.0, 1.0));
            move[2] = 0.0F;
            stage.step();
        }
        num_food += *stage.rows.info<std::int32_t>(group, 0);
    }
    return num_food;
}

TEST(rays_and_state_lead_an_agent_to_food)
{
    Random random(5);
    const int at_random = gathered(0, [&](const float *) { return random.uniform(-0.4, 0.4); });
    const int by_rays = gathered(0, [](const float *rays) {
        std::size_t best = 0;
        for (std::size_t ray = 0; ray < 12; ray++)
            if (rays[4 * ray] > rays[4 * best])
                best = ray;
        const double turn = static_cast<double>(best) * std::acos(-1.0) / 6.0;
        return std::remainder(turn, 2.0 * std::acos(-1.0));
    });
    const int by_state = gathered(1, [](const float *state) {
        return std::atan2(static_cast<double>(state[7]), static_cast<double>(state[6]));
    });
    CHECK(2 * by_rays > 3 * at_random);
    CHECK(by_state > 2 * at_random);
}

TEST(discrete_actions_move_and_tag_as_well)
{
    Stage stage("gather", {{"--actions", "discrete"}});
    stage.reset(3);
    const std::vector<float> before(stage.rows.observation<float>(1, 0),
                                    stage.rows.observation<float>(1, 0) + 2);
    *stage.action<std::int64_t>(1, 0) = 1;
    stage.step();
    const float *after = stage.rows.observation<float>(1, 0);
    CHECK(before[0] != after[0] || before[1] != after[1]);
    *stage.action<std::int64_t>(1, 0) = 4;
    CHECK_NEAR(after[5], 1.0, 0.0);
    stage.step();
    CHECK(after[5] < 0.5F);
}

int main()
{
    RUN(an_agent_that_never_eats_dies_after_50_to_101_steps);
    RUN(a_dead_agent_is_absent_for_ten_steps_and_spawns_elsewhere_with_new_energy);
    RUN(food_gives_a_reward_and_energy_and_grows_again);
    RUN(hunters_tag_opponents_who_die_with_energy_left);
    RUN(no_agent_tags_a_mate);
    RUN(shared_rewards_are_equal_for_all_who_are_present);
    RUN(opposed_rewards_are_opposite_for_the_teams);
    RUN(independent_rewards_differ_between_mates);
    RUN(absent_agents_have_no_flags_and_see_zeros);
    RUN(the_teams_have_different_observations_and_a_mask);
    RUN(rays_and_state_lead_an_agent_to_food);
    RUN(discrete_actions_move_and_tag_as_well);
    return check_result();
}
