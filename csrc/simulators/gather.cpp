// gather.cpp: the scene of two teams. Red sees by rays and knows its inventory; blue is told where
// the nearest things are: two groups with different observations in one world.
#include <algorithm>
#include <array>
#include <cmath>

#include "gather_world.hpp"
#include "scene.hpp"

namespace uerl_sim {

namespace {

constexpr std::size_t red = 0;
constexpr std::size_t blue = 1;
constexpr std::size_t num_rays = 12;
constexpr double ray_range = 1.0;
constexpr std::size_t num_inventory = 3;
constexpr std::size_t num_state = 16;
constexpr double max_distance = 2.83;  // from corner to corner
constexpr double pi = 3.14159265358979323846;

enum Thing : std::size_t { food, mate, opponent, wall, num_things };
enum Choice : std::int64_t { rest, forward, turn_left, turn_right, tag, num_choices };

float* write(float* values, double value) {
    *values = static_cast<float>(clamped(value, -1.0, 1.0));
    return values + 1;
}

// Distance along a ray to a circle; ray_range when the ray misses it. `gap` points from the ray's
// start to the circle's middle.
double ray_to_circle(const GatherPoint& gap, double x, double y, double radius) {
    const double along = gap.x * x + gap.y * y;
    const double aside = gap.x * y - gap.y * x;
    const double chord = radius * radius - aside * aside;
    if (along < 0.0 || chord < 0.0) return ray_range;
    return std::max(along - std::sqrt(chord), 0.0);
}

double ray_to_wall(const GatherPoint& from, double x, double y) {
    const double to_x = x > 0.0 ? (1.0 - from.x) / x : (x < 0.0 ? (-1.0 - from.x) / x : ray_range);
    const double to_y = y > 0.0 ? (1.0 - from.y) / y : (y < 0.0 ? (-1.0 - from.y) / y : ray_range);
    return std::min(to_x, to_y);
}

// What one agent can see of a world.
class Eyes {
  public:
    Eyes(const GatherWorld& world, std::size_t team, std::size_t index)
        : world_(world), team_(team), index_(index), own_(world.agent(team, index)) {}

    // num_rays times num_things: how close the first thing on each ray is, 1 when it touches the
    // eye and 0 beyond the range; all other things of that ray are 0.
    void write_rays(float* values) const {
        for (std::size_t i = 0; i < num_rays; i++) {
            const double angle = own_.heading + 2.0 * pi * static_cast<double>(i) / num_rays;
            const double x = std::cos(angle);
            const double y = std::sin(angle);
            std::array<double, num_things> distances;
            distances.fill(ray_range);
            for (const GatherPoint& place : world_.food())
                shorten(distances[food], place, x, y, GatherWorld::food_radius);
            for (std::size_t team = 0; team < GatherWorld::num_teams; team++)
                for (std::size_t j = 0; j < world_.agents_per_team(); j++)
                    if (sees(team, j))
                        shorten(distances[team == team_ ? mate : opponent],
                                world_.agent(team, j).position, x, y, GatherWorld::agent_radius);
            distances[wall] = std::min(ray_to_wall(own_.position, x, y), ray_range);
            const auto first = std::min_element(distances.begin(), distances.end());
            for (auto thing = distances.begin(); thing != distances.end(); ++thing)
                values = write(values, thing == first ? 1.0 - *thing / ray_range : 0.0);
        }
    }

    void write_inventory(float* values) const {
        values = write(values, own_.energy);
        values = write(values, tag_charge());
        write(values, world_.time_left());
    }

    // Position, heading, energy, charge; then the nearest two pieces of food, the nearest opponent
    // and the nearest mate in the agent's own frame (x ahead, y to the left).
    void write_state(float* values) const {
        values = write(values, own_.position.x);
        values = write(values, own_.position.y);
        values = write(values, std::cos(own_.heading));
        values = write(values, std::sin(own_.heading));
        values = write(values, own_.energy);
        values = write(values, tag_charge());
        std::vector<GatherPoint> gaps;
        for (const GatherPoint& place : world_.food()) gaps.push_back(gap_to(place));
        values = write_nearest(values, gaps, 2, false);
        for (const std::size_t team : {1 - team_, team_}) {
            gaps.clear();
            for (std::size_t j = 0; j < world_.agents_per_team(); j++)
                if (sees(team, j)) gaps.push_back(gap_to(world_.agent(team, j).position));
            values = write_nearest(values, gaps, 1, true);
        }
    }

  private:
    bool sees(std::size_t team, std::size_t index) const {
        const GatherAgent& other = world_.agent(team, index);
        return other.present && !other.died && !(team == team_ && index == index_);
    }

    void shorten(double& distance, const GatherPoint& place, double x, double y,
                 double radius) const {
        distance = std::min(distance, ray_to_circle(gap_to(place), x, y, radius));
    }

    GatherPoint gap_to(const GatherPoint& place) const {
        return {place.x - own_.position.x, place.y - own_.position.y};
    }

    double tag_charge() const {
        return 1.0 - static_cast<double>(own_.cooldown) / GatherWorld::cooldown_steps;
    }

    // The `count` shortest gaps in the agent's own frame, zeros where there are fewer; with `flag`
    // each is followed by 1 where there is one.
    float* write_nearest(float* values, std::vector<GatherPoint>& gaps, std::size_t count,
                         bool flag) const {
        std::sort(gaps.begin(), gaps.end(), [](const GatherPoint& a, const GatherPoint& b) {
            return a.x * a.x + a.y * a.y < b.x * b.x + b.y * b.y;
        });
        const double x = std::cos(own_.heading) / max_distance;
        const double y = std::sin(own_.heading) / max_distance;
        for (std::size_t i = 0; i < count; i++) {
            const bool there = i < gaps.size();
            const GatherPoint gap = there ? gaps[i] : GatherPoint{};
            values = write(values, gap.x * x + gap.y * y);
            values = write(values, gap.y * x - gap.x * y);
            if (flag) values = write(values, there ? 1.0 : 0.0);
        }
        return values;
    }

    const GatherWorld& world_;
    std::size_t team_;
    std::size_t index_;
    const GatherAgent& own_;
};

class GatherEnv final : public World {
  public:
    GatherEnv(const GatherSettings& settings, bool discrete_actions)
        : world_(settings),
          discrete_(discrete_actions),
          moves_(GatherWorld::num_teams * settings.agents) {}

    void reset(Random& random, const Reset& reset) override {
        world_.reset(random, static_cast<std::size_t>(clamped(reset.parameters[0], 0.0, 100.0)));
        truncated_ = false;
    }

    void step(Random& random, const Rows& rows) override {
        const std::size_t agents = world_.agents_per_team();
        for (std::size_t i = 0; i < moves_.size(); i++)
            moves_[i] = discrete_ ? chosen(*rows.action<std::int64_t>(i / agents, 0, i % agents))
                                  : steered(rows.action<float>(i / agents, 0, i % agents));
        world_.step(random, moves_);
        truncated_ = world_.truncated();
    }

    void observe(const Rows& rows) const override {
        for (std::size_t i = 0; i < world_.agents_per_team(); i++) {
            observe_red(rows, i);
            observe_blue(rows, i);
            for (const std::size_t team : {red, blue}) {
                *rows.info<std::int32_t>(team, 0, i) = world_.agent(team, i).num_food;
                *rows.info<std::int32_t>(team, 1, i) = world_.agent(team, i).num_tags;
            }
        }
    }

    Outcome outcome(std::size_t team, std::size_t agent) const override {
        const GatherAgent& one = world_.agent(team, agent);
        Outcome outcome;
        outcome.present = one.present;
        outcome.reward = world_.reward(team, agent);
        outcome.terminated = one.present && one.died;
        outcome.truncated = one.present && truncated_;
        return outcome;
    }

  private:
    static GatherMove chosen(std::int64_t choice) {
        GatherMove move;
        move.forward = choice == forward ? 1.0 : 0.0;
        move.turn = choice == turn_left ? 1.0 : (choice == turn_right ? -1.0 : 0.0);
        move.tag = choice == tag;
        return move;
    }

    static GatherMove steered(const float* values) {
        GatherMove move;
        move.forward = clamped(static_cast<double>(values[0]), -1.0, 1.0);
        move.turn = clamped(static_cast<double>(values[1]), -1.0, 1.0);
        move.tag = values[2] > 0.5F;
        return move;
    }

    // Absent agents see zeros.
    void observe_red(const Rows& rows, std::size_t i) const {
        float* rays = rows.observation<float>(red, 0, i);
        float* inventory = rows.observation<float>(red, 1, i);
        std::fill(rays, rays + num_rays * num_things, 0.0F);
        std::fill(inventory, inventory + num_inventory, 0.0F);
        if (!world_.agent(red, i).present) return;
        const Eyes eyes(world_, red, i);
        eyes.write_rays(rays);
        eyes.write_inventory(inventory);
    }

    void observe_blue(const Rows& rows, std::size_t i) const {
        float* state = rows.observation<float>(blue, 0, i);
        std::fill(state, state + num_state, 0.0F);
        if (world_.agent(blue, i).present) Eyes(world_, blue, i).write_state(state);
    }

    GatherWorld world_;
    bool discrete_;
    bool truncated_ = false;
    std::vector<GatherMove> moves_;
};

class GatherScene final : public Scene {
  public:
    std::string name() const override { return "gather"; }

    std::string summary() const override {
        return "two teams with different eyes gather food, tag each other, die and spawn";
    }

    std::string example() const override {
        return "uerl-sim gather --agents 3 --rewards shared --actions discrete";
    }

    std::vector<OptionSpec> options() const override {
        return {{"--agents", "N", "agents of each team (default 2)"},
                {"--rewards", "HOW", "shared, opposed or independent (default opposed)"},
                {"--actions", "HOW", "continuous or discrete (default continuous)"},
                {"--episode-steps", "N", "an episode is truncated after N steps (default 400)"}};
    }

    void set_option(const std::string& name, const std::string& value) override {
        if (name == "--agents") {
            settings_.agents = static_cast<std::uint32_t>(parse_integer(name, value, 1, 64));
        } else if (name == "--rewards") {
            const std::string how = parse_choice(name, value, {"shared", "opposed", "independent"});
            settings_.rewards = how == "shared"    ? GatherRewards::shared
                                : how == "opposed" ? GatherRewards::opposed
                                                   : GatherRewards::independent;
        } else if (name == "--actions") {
            discrete_ = parse_choice(name, value, {"continuous", "discrete"}) == "discrete";
        } else {
            settings_.episode_steps = parse_integer(name, value, 1, 1000000);
        }
    }

    Spec spec() const override {
        GroupSpec team;
        team.agents = settings_.agents;
        team.mask = true;
        team.action = {discrete_ ? discrete("move", num_choices)
                                 : box("move", UERL_DTYPE_FLOAT32, {3}, -1.0, 1.0)};
        team.info = {box("food", UERL_DTYPE_INT32, {}), box("tags", UERL_DTYPE_INT32, {})};
        Spec spec;
        spec.name = name();
        spec.groups = {team, team};
        spec.groups[red].name = "red";
        spec.groups[red].observation = {
            box("rays", UERL_DTYPE_FLOAT32, {num_rays, num_things}, 0.0, 1.0),
            box("inventory", UERL_DTYPE_FLOAT32, {num_inventory}, 0.0, 1.0)};
        spec.groups[blue].name = "blue";
        spec.groups[blue].observation = {box("state", UERL_DTYPE_FLOAT32, {num_state}, -1.0, 1.0)};
        spec.parameters = {{"num_food", 12.0}};
        return spec;
    }

    std::unique_ptr<World> make_world(const Place&) const override {
        return std::make_unique<GatherEnv>(settings_, discrete_);
    }

  private:
    GatherSettings settings_;
    bool discrete_ = false;
};

}  // namespace

std::unique_ptr<Scene> make_gather() { return std::make_unique<GatherScene>(); }

}  // namespace uerl_sim
