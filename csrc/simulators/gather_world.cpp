// gather_world.cpp: movement, food, tags, death and spawning.
#include "gather_world.hpp"

#include <algorithm>
#include <cmath>

namespace uerl_sim {

namespace {

constexpr double forward_speed = 0.05;    // in one step
constexpr double turn_speed = 0.4;        // radians in one step
constexpr double energy_loss = 0.01;      // in one step
constexpr double min_spawn_energy = 0.5;  // so that those who never eat do not all die at once
constexpr double food_energy = 0.4;
constexpr double tag_reach = 0.25;
constexpr double tag_cosine = 0.8;  // the opponent stands within 37 degrees of the heading
constexpr double food_gain = 1.0;
constexpr double tag_gain = 1.0;
constexpr double death_gain = -1.0;
constexpr double pi = 3.14159265358979323846;

GatherPoint random_point(Random& random) {
    const double x = random.uniform(-0.95, 0.95);
    const double y = random.uniform(-0.95, 0.95);
    return {x, y};
}

double distance(const GatherPoint& a, const GatherPoint& b) {
    return std::hypot(a.x - b.x, a.y - b.y);
}

bool alive(const GatherAgent& agent) { return agent.present && !agent.died; }

void spawn(Random& random, GatherAgent& agent) {
    agent.position = random_point(random);
    agent.heading = random.uniform(-pi, pi);
    agent.energy = random.uniform(min_spawn_energy, 1.0);
    agent.present = true;
    agent.died = false;
    agent.absent = 0;
    agent.cooldown = 0;
}

void apply(GatherAgent& agent, const GatherMove& move) {
    const double wall = 1.0 - GatherWorld::agent_radius;
    agent.heading = std::remainder(agent.heading + turn_speed * move.turn, 2.0 * pi);
    const double way = forward_speed * move.forward;
    agent.position.x = std::clamp(agent.position.x + way * std::cos(agent.heading), -wall, wall);
    agent.position.y = std::clamp(agent.position.y + way * std::sin(agent.heading), -wall, wall);
    agent.energy = std::max(agent.energy - energy_loss, 0.0);
    agent.cooldown = std::max<std::int64_t>(agent.cooldown - 1, 0);
}

void end_life(GatherAgent& agent) {
    agent.died = true;
    agent.absent = GatherWorld::respawn_steps;
    agent.gain += death_gain;
}

}  // namespace

GatherWorld::GatherWorld(const GatherSettings& settings)
    : settings_(settings), agents_(num_teams * settings.agents) {}

void GatherWorld::reset(Random& random, std::size_t num_food) {
    for (GatherAgent& agent : agents_) {
        agent = {};
        spawn(random, agent);
    }
    food_.resize(num_food);
    for (GatherPoint& place : food_) place = random_point(random);
    num_steps_ = 0;
}

void GatherWorld::step(Random& random, const std::vector<GatherMove>& moves) {
    std::vector<bool> tagged(agents_.size(), false);
    std::vector<bool> acts(agents_.size(), false);
    for (std::size_t i = 0; i < agents_.size(); i++) {
        GatherAgent& agent = agents_[i];
        agent.gain = 0.0;
        acts[i] = alive(agent);
        if (acts[i])
            apply(agent, moves[i]);
        else if (agent.absent-- == 0)
            spawn(random, agent);
        else
            agent.present = agent.died = false;
    }
    for (std::size_t i = 0; i < agents_.size(); i++)
        if (acts[i] && moves[i].tag && agents_[i].cooldown == 0) tag(tagged, i);
    for (std::size_t i = 0; i < agents_.size(); i++)
        if (tagged[i]) end_life(agents_[i]);
    feed(random);
    for (GatherAgent& agent : agents_)
        if (alive(agent) && agent.energy <= 0.0) end_life(agent);
    num_steps_++;
}

double GatherWorld::reward(std::size_t team, std::size_t index) const {
    const GatherAgent& one = agent(team, index);
    if (!one.present) return 0.0;
    switch (settings_.rewards) {
        case GatherRewards::shared:
            return (team_gain(0) + team_gain(1)) / 2.0;
        case GatherRewards::opposed:
            return team_gain(team) - team_gain(1 - team);
        case GatherRewards::independent:
            break;
    }
    return one.gain;
}

double GatherWorld::time_left() const {
    return 1.0 - static_cast<double>(num_steps_) / static_cast<double>(settings_.episode_steps);
}

// Marks the nearest opponent in reach before agent `index`. Deaths wait until all have tagged, so
// that two agents can tag each other and nobody's number is an advantage.
void GatherWorld::tag(std::vector<bool>& tagged, std::size_t index) {
    GatherAgent& own = agents_[index];
    own.cooldown = cooldown_steps;
    const std::size_t opponents = index < settings_.agents ? settings_.agents : 0;
    std::size_t victim = agents_.size();
    double nearest = tag_reach;
    for (std::size_t i = opponents; i < opponents + settings_.agents; i++) {
        const GatherPoint gap{agents_[i].position.x - own.position.x,
                              agents_[i].position.y - own.position.y};
        const double length = std::hypot(gap.x, gap.y);
        const double ahead = gap.x * std::cos(own.heading) + gap.y * std::sin(own.heading);
        if (alive(agents_[i]) && length < nearest && ahead >= tag_cosine * length) {
            nearest = length;
            victim = i;
        }
    }
    if (victim == agents_.size()) return;
    tagged[victim] = true;
    own.gain += tag_gain;
    own.num_tags++;
}

// Each piece of food goes to the nearest agent that touches it.
void GatherWorld::feed(Random& random) {
    for (GatherPoint& place : food_) {
        GatherAgent* eater = nullptr;
        double nearest = agent_radius + food_radius;
        for (GatherAgent& agent : agents_) {
            const double length = distance(agent.position, place);
            if (alive(agent) && length < nearest) {
                nearest = length;
                eater = &agent;
            }
        }
        if (eater == nullptr) continue;
        eater->gain += food_gain;
        eater->num_food++;
        eater->energy = std::min(eater->energy + food_energy, 1.0);
        place = random_point(random);
    }
}

// The mean over all agents, the absent ones' gain being 0.
double GatherWorld::team_gain(std::size_t team) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < settings_.agents; i++) sum += agent(team, i).gain;
    return sum / static_cast<double>(settings_.agents);
}

}  // namespace uerl_sim
