// probe.cpp: no world, arrays of any shape. Every byte that it writes is known to a reader
// (pattern.hpp), so that a reader can tell a row that is stale, torn, shifted or another's.
#include <algorithm>

#include "pattern.hpp"
#include "scene.hpp"

namespace uerl_sim {

namespace {

constexpr std::int64_t drawn_episodes = -1;  // the pattern says how long each episode is
constexpr std::int64_t endless = 0;
constexpr std::int64_t faulty_steps = 50;  // a seeded bug shows in one step of so many
constexpr std::uint64_t max_row_bytes = UINT64_C(1) << 30;
constexpr std::size_t max_name_bytes = 40;

enum class Bug { none, early, stale, swap };

// What every row tells about itself, after the info arrays of the command line.
enum Echo : std::size_t {
    echo_step,
    echo_episode,
    echo_action,
    echo_seed,
    echo_lane,
    echo_received
};

std::vector<ArraySpec> echo_arrays() {
    return {box("step", UERL_DTYPE_INT64, {}),     // step of the pattern
            box("episode", UERL_DTYPE_INT64, {}),  // from 0
            box("action_sum", UERL_DTYPE_UINT64, {}),
            box("seed", UERL_DTYPE_INT64, {}),  // the last one the learner gave, or -1
            box("lane", UERL_DTYPE_INT32, {}),
            box("received", UERL_DTYPE_INT64, {})};  // commands this env answered, from 1
}

struct ProbeSettings {
    std::vector<ArraySpec> observation;
    std::vector<ArraySpec> action;
    std::vector<ArraySpec> info;
    std::uint32_t agents = 1;
    std::uint32_t groups = 1;
    std::int64_t episode_steps = drawn_episodes;
    std::uint32_t reward_dtype = UERL_DTYPE_FLOAT32;
    bool writes = true;
    Bug bug = Bug::none;
};

std::string group_name(const ProbeSettings& settings, std::size_t group) {
    return settings.groups == 1 ? "agent" : "group_" + std::to_string(group);
}

// An array of every group, ready to be filled.
struct Target {
    std::uint64_t name_hash;
    std::uint64_t row_bytes;
    PatternMasks masks;
};

std::vector<Target> make_targets(const std::string& prefix, const std::vector<ArraySpec>& arrays) {
    std::vector<Target> targets;
    for (const ArraySpec& array : arrays)
        targets.push_back(
            {fnv1a(prefix + array.name), num_row_bytes(array), pattern_masks(array.dtype)});
    return targets;
}

class ProbeWorld final : public World {
  public:
    ProbeWorld(const ProbeSettings& settings, const Place& place)
        : settings_(settings), place_(place), action_sums_(settings.groups * settings.agents) {
        for (std::size_t i = 0; i < settings.groups; i++) {
            const std::string name = group_name(settings, i);
            groups_.push_back({fnv1a(name + "/reward"),
                               make_targets(name + "/observation/", settings.observation),
                               make_targets(name + "/info/", settings.info)});
        }
        for (const ArraySpec& array : settings.action)
            action_bytes_.push_back(num_row_bytes(array));
    }

    void reset(Random&, const Reset& reset) override {
        step_++;
        received_ += reset.own ? 0 : 1;
        seed_ = reset.seed >= 0 ? reset.seed : seed_;
        end_ = pattern_end(place_.env, static_cast<std::uint64_t>(++episode_),
                           settings_.episode_steps);
        episode_step_ = 0;
        std::fill(action_sums_.begin(), action_sums_.end(), 0);
    }

    void step(Random&, const Rows& rows) override {
        step_++;
        received_++;
        episode_step_++;
        for (std::size_t i = 0; i < action_sums_.size(); i++)
            action_sums_[i] = action_sum(rows, i / settings_.agents, i % settings_.agents);
    }

    void observe(const Rows& rows) const override {
        const bool faulty = step_ % faulty_steps == faulty_steps - 1;
        if (!settings_.writes || (settings_.bug == Bug::stale && faulty)) return;
        const std::uint64_t env = place_.env ^ (settings_.bug == Bug::swap && faulty ? 1U : 0U);
        for (std::size_t i = 0; i < groups_.size(); i++)
            for (std::size_t agent = 0; agent < settings_.agents; agent++) {
                fill(groups_[i].observation, rows.groups[i].observation, env, agent);
                fill(groups_[i].info, rows.groups[i].info, env, agent);
                echo(rows, i, agent);
            }
    }

    Outcome outcome(std::size_t group, std::size_t agent) const override {
        Outcome outcome;
        if (episode_step_ == 0) return outcome;
        const bool ends = settings_.episode_steps != endless && episode_step_ >= end_.num_steps;
        outcome.reward = pattern_reward(pattern_base(groups_[group].reward_hash, place_.env, agent,
                                                     static_cast<std::uint64_t>(step_)));
        outcome.terminated = ends && end_.terminated;
        outcome.truncated = ends && end_.truncated;
        return outcome;
    }

  private:
    struct Group {
        std::uint64_t reward_hash;
        std::vector<Target> observation;
        std::vector<Target> info;
    };

    void fill(const std::vector<Target>& targets, const std::vector<RowBlock>& blocks,
              std::uint64_t env, std::size_t agent) const {
        for (std::size_t i = 0; i < targets.size(); i++)
            fill_pattern(
                blocks[i].first + agent * blocks[i].row_bytes, targets[i].row_bytes,
                pattern_base(targets[i].name_hash, env, agent, static_cast<std::uint64_t>(step_)),
                targets[i].masks);
    }

    void echo(const Rows& rows, std::size_t group, std::size_t agent) const {
        const std::size_t first = settings_.info.size();
        *rows.info<std::int64_t>(group, first + echo_step, agent) = step_;
        *rows.info<std::int64_t>(group, first + echo_episode, agent) = episode_;
        *rows.info<std::uint64_t>(group, first + echo_action, agent) =
            action_sums_[group * settings_.agents + agent];
        *rows.info<std::int64_t>(group, first + echo_seed, agent) = seed_;
        *rows.info<std::int32_t>(group, first + echo_lane, agent) =
            static_cast<std::int32_t>(place_.lane);
        *rows.info<std::int64_t>(group, first + echo_received, agent) = received_;
    }

    std::uint64_t action_sum(const Rows& rows, std::size_t group, std::size_t agent) const {
        std::uint64_t sum = 0;
        std::uint64_t position = 0;
        for (std::size_t i = 0; i < action_bytes_.size(); i++) {
            const auto* bytes = rows.action<unsigned char>(group, i, agent);
            for (std::uint64_t j = 0; j < action_bytes_[i]; j++) sum += ++position * bytes[j];
        }
        return sum;
    }

    ProbeSettings settings_;
    Place place_;
    std::vector<Group> groups_;
    std::vector<std::uint64_t> action_bytes_;
    std::vector<std::uint64_t> action_sums_;  // of all agents of all groups
    std::int64_t step_ = -1;
    std::int64_t episode_ = -1;
    std::int64_t episode_step_ = 0;
    std::int64_t received_ = 0;
    std::int64_t seed_ = -1;
    PatternEnd end_{};
};

[[noreturn]] void refuse_array(const std::string& option, const std::string& value,
                               const std::string& found) {
    throw UsageError("option " + option + " is '" + value + "', " + found +
                     ": write for example camera:uint8:84x84x3 or speed:float32:scalar");
}

std::vector<std::uint64_t> parse_shape(const std::string& option, const std::string& value,
                                       const std::string& text) {
    std::vector<std::uint64_t> shape;
    for (std::size_t from = 0; text != "scalar" && from <= text.size();) {
        const std::size_t cross = std::min(text.find('x', from), text.size());
        shape.push_back(static_cast<std::uint64_t>(
            parse_integer(option + " axis", text.substr(from, cross - from), 1, 1 << 30)));
        from = cross + 1;
    }
    if (shape.size() > UERL_MAX_DIMS) refuse_array(option, value, "expected at most 8 axes");
    return shape;
}

// "NAME:DTYPE:AxBxC"; a scalar's shape is "scalar".
ArraySpec parse_array(const std::string& option, const std::string& value) {
    const std::size_t first = value.find(':');
    const std::size_t second = first == std::string::npos ? first : value.find(':', first + 1);
    if (second == std::string::npos) refuse_array(option, value, "expected NAME:DTYPE:SHAPE");
    const std::string name = value.substr(0, first);
    const bool named =
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
    if (name.empty() || !named || name.size() > max_name_bytes)
        refuse_array(option, value, "expected a name of at most 40 of a-z, 0-9 and _");
    const std::uint32_t dtype = dtype_of_name(value.substr(first + 1, second - first - 1));
    if (dtype == 0)
        refuse_array(option, value, "expected a dtype of NumPy such as uint8 or float32");
    ArraySpec array = box(name, dtype, parse_shape(option, value, value.substr(second + 1)));
    std::uint64_t row_bytes = dtype_bytes(dtype);
    for (const std::uint64_t length : array.shape)
        row_bytes = std::min(row_bytes * length, max_row_bytes + 1);
    if (row_bytes > max_row_bytes) refuse_array(option, value, "expected at most 1 GiB in a row");
    if (dtype == UERL_DTYPE_FLOAT16 || dtype == UERL_DTYPE_FLOAT32 || dtype == UERL_DTYPE_FLOAT64) {
        array.low = {-1.0};
        array.high = {1.0};
    }
    return array;
}

void add_array(std::vector<ArraySpec>& arrays, const std::string& option, const std::string& value,
               std::vector<ArraySpec> taken) {
    const ArraySpec array = parse_array(option, value);
    taken.insert(taken.end(), arrays.begin(), arrays.end());
    for (const ArraySpec& other : taken)
        if (other.name == array.name)
            refuse_array(option, value, "expected a name that is not in use");
    arrays.push_back(array);
}

class ProbeScene final : public Scene {
  public:
    std::string name() const override { return "probe"; }

    std::string summary() const override {
        return "no world: arrays of any shape, filled with bytes that a reader can verify";
    }

    std::string example() const override {
        return "uerl-sim probe --observation camera:uint8:256x256x3 --info speed:float32:scalar";
    }

    std::vector<OptionSpec> options() const override {
        return {{"--observation", "NAME:DTYPE:AxBxC",
                 "an array; may be repeated (default camera:uint8:84x84x3 and state:float32:64)"},
                {"--action", "NAME:DTYPE:AxBxC", "as --observation (default action:float32:4)"},
                {"--info", "NAME:DTYPE:AxBxC", "as --observation (default: none but the echo)"},
                {"--agents", "N", "agents of each group (default 1)"},
                {"--groups", "N", "groups, all with the same arrays (default 1)"},
                {"--episode-steps", "N",
                 "steps of an episode, 0 for no end (default: 20 to 79, other in each episode)"},
                {"--reward-dtype", "DTYPE", "float32 or float64 (default float32)"},
                {"--no-write", "", "write no rows: measures the learner's side"},
                {"--bug", "NAME", "do wrong on purpose: early, stale or swap"}};
    }

    void set_option(const std::string& name, const std::string& value) override {
        if (name == "--observation")
            add_array(settings_.observation, name, value, {});
        else if (name == "--action")
            add_array(settings_.action, name, value, {});
        else if (name == "--info")
            add_array(settings_.info, name, value, echo_arrays());
        else if (name == "--agents")
            settings_.agents = static_cast<std::uint32_t>(parse_integer(name, value, 1, 4096));
        else if (name == "--groups")
            settings_.groups = static_cast<std::uint32_t>(parse_integer(name, value, 1, 16));
        else if (name == "--episode-steps")
            settings_.episode_steps = parse_integer(name, value, endless, INT64_MAX);
        else if (name == "--reward-dtype")
            settings_.reward_dtype =
                dtype_of_name(parse_choice(name, value, {"float32", "float64"}));
        else if (name == "--no-write")
            settings_.writes = false;
        else
            set_bug(parse_choice(name, value, {"early", "stale", "swap"}));
    }

    Spec spec() const override {
        const ProbeSettings settings = with_defaults();
        Spec spec;
        spec.name = name();
        for (std::size_t i = 0; i < settings.groups; i++) {
            GroupSpec group;
            group.name = group_name(settings, i);
            group.agents = settings.agents;
            group.observation = settings.observation;
            group.action = settings.action;
            group.info = settings.info;
            for (const ArraySpec& echo : echo_arrays()) group.info.push_back(echo);
            group.reward_dtype = settings.reward_dtype;
            spec.groups.push_back(group);
        }
        return spec;
    }

    std::unique_ptr<World> make_world(const Place& place) const override {
        return std::make_unique<ProbeWorld>(with_defaults(), place);
    }

    bool sends_early() const override { return settings_.bug == Bug::early; }

  private:
    ProbeSettings with_defaults() const {
        ProbeSettings settings = settings_;
        if (settings.observation.empty())
            settings.observation = {parse_array("", "camera:uint8:84x84x3"),
                                    parse_array("", "state:float32:64")};
        if (settings.action.empty()) settings.action = {parse_array("", "action:float32:4")};
        return settings;
    }

    void set_bug(const std::string& bug) {
        settings_.bug = bug == "early" ? Bug::early : (bug == "stale" ? Bug::stale : Bug::swap);
    }

    ProbeSettings settings_;
};

}  // namespace

std::unique_ptr<Scene> make_probe() { return std::make_unique<ProbeScene>(); }

}  // namespace uerl_sim
