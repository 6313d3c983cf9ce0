// gather_world.hpp: two teams look for food in a walled square, x and y in [-1, 1].
//
// An agent moves, turns and tags. Food gives energy, every step costs some. An agent dies when its
// energy is gone or an opponent in reach before it tags it; it is absent for a while and then
// spawns at another place. Food that was eaten grows again elsewhere.
//
//   alive --dies: terminated, still present--> absent for respawn_steps --spawns--> alive
#ifndef UERL_SIM_GATHER_WORLD_HPP
#define UERL_SIM_GATHER_WORLD_HPP

#include <array>
#include <cstdint>
#include <vector>

#include "rng.hpp"

namespace uerl_sim {

enum class GatherRewards {
    shared,      // the mean gain of all agents: the teams work together
    opposed,     // the own team's mean gain minus the other's: one team's loss is the other's win
    independent  // the own gain: everyone for itself
};

struct GatherSettings {
    std::uint32_t agents = 2;  // of one team
    GatherRewards rewards = GatherRewards::opposed;
    std::int64_t episode_steps = 400;
};

// What an agent wants to do in one step.
struct GatherMove {
    double forward = 0.0;  // -1 to 1
    double turn = 0.0;     // -1 (right) to 1 (left)
    bool tag = false;
};

struct GatherPoint {
    double x = 0.0;
    double y = 0.0;
};

struct GatherAgent {
    GatherPoint position;
    double heading = 0.0;  // radians, counterclockwise from the x axis
    double energy = 1.0;   // 0 to 1
    bool present = true;
    bool died = false;          // in the last step
    std::int64_t absent = 0;    // steps until it spawns
    std::int64_t cooldown = 0;  // steps until it may tag again
    double gain = 0.0;          // in the last step
    std::int32_t num_food = 0;  // in this episode
    std::int32_t num_tags = 0;  // in this episode
};

class GatherWorld {
  public:
    static constexpr std::size_t num_teams = 2;
    static constexpr double agent_radius = 0.05;
    static constexpr double food_radius = 0.04;
    static constexpr std::int64_t respawn_steps = 10;
    static constexpr std::int64_t cooldown_steps = 10;

    explicit GatherWorld(const GatherSettings& settings);

    void reset(Random& random, std::size_t num_food);

    // `moves` holds one move for each agent: first all of team 0, then all of team 1. Moves of
    // absent agents are ignored.
    void step(Random& random, const std::vector<GatherMove>& moves);

    double reward(std::size_t team, std::size_t agent) const;  // 0 for absent agents
    bool truncated() const { return num_steps_ >= settings_.episode_steps; }
    double time_left() const;  // 1 at the start, 0 at the end

    const GatherAgent& agent(std::size_t team, std::size_t index) const {
        return agents_[team * settings_.agents + index];
    }
    std::size_t agents_per_team() const { return settings_.agents; }
    const std::vector<GatherPoint>& food() const { return food_; }

  private:
    void tag(std::vector<bool>& tagged, std::size_t index);
    void feed(Random& random);
    double team_gain(std::size_t team) const;

    GatherSettings settings_;
    std::vector<GatherAgent> agents_;
    std::vector<GatherPoint> food_;
    std::int64_t num_steps_ = 0;
};

}  // namespace uerl_sim

#endif
