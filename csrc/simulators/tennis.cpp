// tennis.cpp: two players with opposite rewards; one policy can play both sides.
//
//      y = 1  +-----------------+-----------------+      seen from above, walls at y = +-1;
//             |                 |                 |      a ball that passes x = -1 is a point
//     player 0|  O              |    *          O |      for player 1, x = 1 for player 0
//             |                 |                 |
//      y = -1 +-----------------+-----------------+
//           x = -1              0               x = 1
//
// Each player sees and acts in a frame of its own, in which its goal is at x = -1: player 1's is
// mirrored at x = 0. A point gives +1 and -1 and ends the episode; the step limit gives 0 and 0.
#include <algorithm>
#include <array>
#include <cmath>

#include "scene.hpp"

namespace uerl_sim {

namespace {

constexpr std::size_t num_players = 2;
constexpr std::size_t num_values = 12;
constexpr double player_radius = 0.16;
constexpr double ball_radius = 0.04;
constexpr double player_speed = 0.06;  // court units in one step
constexpr double serve_speed = 0.04;   // of the ball
constexpr double speed_gain = 1.06;    // with every return
constexpr double max_ball_speed = 0.09;
constexpr double net_gap = 0.1;      // players keep this far from x = 0
constexpr double min_forward = 0.6;  // a return always crosses the net
constexpr int num_substeps = 4;      // so that the ball cannot pass through a player

struct Vector {
    double x = 0.0;
    double y = 0.0;
};

struct Body {
    Vector position;
    Vector velocity;  // in one step
};

double side_of(std::size_t player) { return player == 0 ? 1.0 : -1.0; }

// Four values within [-1, 1]: position and velocity as the player of that side sees them.
void write_body(float* values, double side, const Body& body, double max_speed) {
    const double seen[4] = {side * body.position.x, body.position.y,
                            side * body.velocity.x / max_speed, body.velocity.y / max_speed};
    for (std::size_t i = 0; i < 4; i++) values[i] = static_cast<float>(clamped(seen[i], -1.0, 1.0));
}

class TennisWorld final : public World {
  public:
    explicit TennisWorld(std::int64_t episode_steps) : episode_steps_(episode_steps) {}

    void reset(Random& random, const Reset&) override {
        for (std::size_t i = 0; i < num_players; i++)
            players_[i] = {{-0.7 * side_of(i), random.uniform(-0.5, 0.5)}, {}};
        const double direction = random.below(2) == 0 ? -1.0 : 1.0;
        const double angle = random.uniform(-0.8, 0.8);
        ball_.position = {0.0, random.uniform(-0.6, 0.6)};
        ball_.velocity = {direction * serve_speed * std::cos(angle), serve_speed * std::sin(angle)};
        num_steps_ = 0;
        num_returns_ = {};
        reward_ = 0.0;
        terminated_ = false;
        truncated_ = false;
    }

    void step(Random&, const Rows& rows) override {
        for (std::size_t i = 0; i < num_players; i++) {
            const float* move = rows.action<float>(0, 0, i);
            players_[i].velocity = {
                side_of(i) * player_speed * clamped(static_cast<double>(move[0]), -1.0, 1.0),
                player_speed * clamped(static_cast<double>(move[1]), -1.0, 1.0)};
        }
        for (int i = 0; i < num_substeps; i++) advance(1.0 / num_substeps);
        num_steps_++;
        reward_ = ball_.position.x > 1.0 ? 1.0 : (ball_.position.x < -1.0 ? -1.0 : 0.0);
        terminated_ = reward_ != 0.0;
        truncated_ = num_steps_ >= episode_steps_;
    }

    void observe(const Rows& rows) const override {
        for (std::size_t i = 0; i < num_players; i++) {
            float* state = rows.observation<float>(0, 0, i);
            write_body(state, side_of(i), players_[i], player_speed);
            write_body(state + 4, side_of(i), players_[1 - i], player_speed);
            write_body(state + 8, side_of(i), ball_, max_ball_speed);
            *rows.info<std::int32_t>(0, 0, i) = num_returns_[i];
        }
    }

    Outcome outcome(std::size_t, std::size_t agent) const override {
        Outcome outcome;
        outcome.reward = side_of(agent) * reward_;
        outcome.terminated = terminated_;
        outcome.truncated = truncated_;
        return outcome;
    }

  private:
    // Moves everything by a part of a step.
    void advance(double part) {
        for (std::size_t i = 0; i < num_players; i++) {
            Body& player = players_[i];
            const double own_x = side_of(i) * (player.position.x + part * player.velocity.x);
            player.position.x = side_of(i) * std::clamp(own_x, -1.0, -net_gap);
            player.position.y = std::clamp(player.position.y + part * player.velocity.y, -1.0, 1.0);
        }
        ball_.position.x += part * ball_.velocity.x;
        ball_.position.y += part * ball_.velocity.y;
        const double wall = 1.0 - ball_radius;
        if (std::fabs(ball_.position.y) > wall) {
            ball_.position.y = std::copysign(2.0 * wall, ball_.position.y) - ball_.position.y;
            ball_.velocity.y = -ball_.velocity.y;
        }
        for (std::size_t i = 0; i < num_players; i++) strike(i);
    }

    // A ball that touches a player flies on in the direction from the player's middle to the ball,
    // and faster: where a player meets the ball decides where it goes.
    void strike(std::size_t i) {
        const Vector gap{ball_.position.x - players_[i].position.x,
                         ball_.position.y - players_[i].position.y};
        const double distance = std::hypot(gap.x, gap.y);
        const bool comes_closer = side_of(i) * ball_.velocity.x < 0.0;
        if (distance > player_radius + ball_radius || !comes_closer) return;
        const double speed =
            std::min(std::hypot(ball_.velocity.x, ball_.velocity.y) * speed_gain, max_ball_speed);
        const double sideways = distance > 0.0 ? gap.y / distance : 0.0;
        const double limit = std::sqrt(1.0 - min_forward * min_forward);
        const double y = std::clamp(sideways, -limit, limit);
        ball_.velocity = {side_of(i) * speed * std::sqrt(1.0 - y * y), speed * y};
        num_returns_[i]++;
    }

    std::int64_t episode_steps_;
    std::array<Body, num_players> players_{};
    Body ball_;
    std::int64_t num_steps_ = 0;
    std::array<std::int32_t, num_players> num_returns_{};
    double reward_ = 0.0;  // of player 0
    bool terminated_ = false;
    bool truncated_ = false;
};

class TennisScene final : public Scene {
  public:
    std::string name() const override { return "tennis"; }

    std::string summary() const override {
        return "two players, one ball, opposite rewards; for self-play";
    }

    std::string example() const override { return "uerl-sim tennis --episode-steps 1000"; }

    std::vector<OptionSpec> options() const override {
        return {{"--episode-steps", "N", "an episode is truncated after N steps (default 500)"}};
    }

    void set_option(const std::string& name, const std::string& value) override {
        episode_steps_ = parse_integer(name, value, 1, 1000000);
    }

    Spec spec() const override {
        Spec spec;
        spec.name = name();
        GroupSpec group;
        group.name = "player";
        group.agents = num_players;
        group.observation = {box("state", UERL_DTYPE_FLOAT32, {num_values}, -1.0, 1.0)};
        group.action = {box("move", UERL_DTYPE_FLOAT32, {2}, -1.0, 1.0)};
        group.info = {box("returns", UERL_DTYPE_INT32, {})};
        spec.groups = {group};
        return spec;
    }

    std::unique_ptr<World> make_world(const Place&) const override {
        return std::make_unique<TennisWorld>(episode_steps_);
    }

  private:
    std::int64_t episode_steps_ = 500;
};

}  // namespace

std::unique_ptr<Scene> make_tennis() { return std::make_unique<TennisScene>(); }

}  // namespace uerl_sim
