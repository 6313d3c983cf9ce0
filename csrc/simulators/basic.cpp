// basic.cpp: the Basic task of ML-Agents and SageMaker RL.
//
//   0 . . . . . . S . . A . . . . . . L . 19      S small goal 7, A start 10, L large goal 17
//
// Each step costs 0.01; a goal ends the episode. Best return: 7 steps to the right, 1 - 0.07.
#include "scene.hpp"

namespace uerl_sim {

namespace {

constexpr std::int64_t num_positions = 20;
constexpr std::int64_t start_position = 10;
constexpr std::int64_t small_goal = 7;
constexpr std::int64_t large_goal = 17;
constexpr double step_reward = -0.01;
constexpr double small_reward = 0.1;
constexpr double large_reward = 1.0;

enum Move : std::int64_t { stay = 0, left = 1, right = 2, num_moves = 3 };

class BasicWorld final : public World {
  public:
    explicit BasicWorld(std::int64_t episode_steps) : episode_steps_(episode_steps) {}

    void reset(Random&, const Reset&) override {
        position_ = start_position;
        num_steps_ = 0;
        outcome_ = {};
    }

    void step(Random&, const Rows& rows) override {
        const std::int64_t move = *rows.action<std::int64_t>(0, 0);
        position_ += move == right ? 1 : (move == left ? -1 : 0);
        num_steps_++;
        outcome_.terminated = position_ == small_goal || position_ == large_goal;
        outcome_.truncated = num_steps_ >= episode_steps_;
        outcome_.reward = step_reward + (position_ == small_goal ? small_reward : 0.0) +
                          (position_ == large_goal ? large_reward : 0.0);
    }

    void observe(const Rows& rows) const override {
        float* one_hot = rows.observation<float>(0, 0);
        for (std::int64_t i = 0; i < num_positions; i++) one_hot[i] = i == position_ ? 1.0F : 0.0F;
    }

    Outcome outcome(std::size_t, std::size_t) const override { return outcome_; }

  private:
    std::int64_t episode_steps_;
    std::int64_t position_ = start_position;
    std::int64_t num_steps_ = 0;
    Outcome outcome_;
};

class BasicScene final : public Scene {
  public:
    std::string name() const override { return "basic"; }

    std::string summary() const override {
        return "a line of 20 positions with a small and a large goal; best return 0.93";
    }

    std::string example() const override { return "uerl-sim basic --episode-steps 50"; }

    std::vector<OptionSpec> options() const override {
        return {{"--episode-steps", "N", "an episode is truncated after N steps (default 100)"}};
    }

    void set_option(const std::string& name, const std::string& value) override {
        episode_steps_ = parse_integer(name, value, 1, 1000000);
    }

    Spec spec() const override {
        Spec spec;
        spec.name = name();
        GroupSpec group;
        group.name = "agent";
        group.observation = {box("position", UERL_DTYPE_FLOAT32, {num_positions}, 0.0, 1.0)};
        group.action = {discrete("move", num_moves)};
        spec.groups = {group};
        return spec;
    }

    std::unique_ptr<World> make_world(const Place&) const override {
        return std::make_unique<BasicWorld>(episode_steps_);
    }

  private:
    std::int64_t episode_steps_ = 100;
};

}  // namespace

std::unique_ptr<Scene> make_basic() { return std::make_unique<BasicScene>(); }

}  // namespace uerl_sim
