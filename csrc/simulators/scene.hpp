// scene.hpp: what a scene is. A scene describes its arrays and makes worlds; run.cpp does all
// talking to uerl_shm.h, so a scene never sees lanes, slots or commands.
//
//   make_<scene>() -> set_option() ... -> spec() -> make_world(place), once for each env
//   world: reset -> observe -> { step -> outcome -> observe } ... -> reset -> ...
//
// A world must depend on nothing but its place, its options, the generator it is given and the
// actions: the same seed then gives the same episode, in any lane.
#ifndef UERL_SIM_SCENE_HPP
#define UERL_SIM_SCENE_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "rng.hpp"
#include "uerl_shm/uerl_shm.h"

namespace uerl_sim {

enum class Kind { box, discrete, multi_discrete, multi_binary };

// One array of one row. Fill it by hand or with the functions below.
struct ArraySpec {
    std::string name;                          // [a-z0-9_]+
    std::uint32_t dtype = UERL_DTYPE_FLOAT32;  // enum uerl_dtype
    std::vector<std::uint64_t> shape;          // of one row; empty for a scalar
    std::vector<double> low;   // empty: the dtype's whole range; one value; or one for each element
    std::vector<double> high;  // as low
    Kind kind = Kind::box;
    std::vector<std::int64_t> nvec;  // discrete kinds: number of choices of each element
    std::int64_t start = 0;          // discrete: the first choice
};

ArraySpec box(std::string name, std::uint32_t dtype, std::vector<std::uint64_t> shape);
ArraySpec box(std::string name, std::uint32_t dtype, std::vector<std::uint64_t> shape, double low,
              double high);
ArraySpec discrete(std::string name, std::int64_t choices);  // shape (), int64

std::uint64_t num_elements(const ArraySpec& array);    // of one row
std::uint64_t num_row_bytes(const ArraySpec& array);   // of one row
std::uint64_t dtype_bytes(std::uint32_t dtype);        // of one element; 0: no such dtype
const char* dtype_name(std::uint32_t dtype);           // such as "uint8"; null: no such dtype
std::uint32_t dtype_of_name(const std::string& name);  // 0: no such dtype

struct GroupSpec {
    std::string name;
    std::uint32_t agents = 1;
    bool mask = false;  // agents may be absent
    std::vector<ArraySpec> observation;
    std::vector<ArraySpec> action;
    std::vector<ArraySpec> info;
    std::uint32_t reward_dtype = UERL_DTYPE_FLOAT32;  // or UERL_DTYPE_FLOAT64
};

struct ParameterSpec {
    std::string name;
    double value = 0.0;  // when the learner gives none
};

struct Spec {
    std::string name;
    std::vector<GroupSpec> groups;
    std::vector<ParameterSpec> parameters;
    std::string render;  // observation array of the first group to look at; empty: none
    std::uint32_t render_fps = 30;
};

std::string to_json(const Spec& spec);  // the form that EnvSpec.from_json() reads

// The rows of one env in one array: one for each agent of the group.
struct RowBlock {
    unsigned char* first = nullptr;
    std::uint64_t row_bytes = 0;
};

// The rows of one env for one command. Groups and arrays count in the order of the spec, agents
// from 0. No pointer is null: what the learner left out of its spec goes to memory of our own.
class Rows {
  public:
    struct Group {
        std::vector<RowBlock> observation;
        std::vector<RowBlock> action;
        std::vector<RowBlock> info;
    };

    template <typename T>
    T* observation(std::size_t group, std::size_t array, std::size_t agent = 0) const {
        return row<T>(groups[group].observation[array], agent);
    }

    template <typename T>
    const T* action(std::size_t group, std::size_t array, std::size_t agent = 0) const {
        return row<T>(groups[group].action[array], agent);
    }

    template <typename T>
    T* info(std::size_t group, std::size_t array, std::size_t agent = 0) const {
        return row<T>(groups[group].info[array], agent);
    }

    std::vector<Group> groups;  // run.cpp fills them

  private:
    template <typename T>
    static T* row(const RowBlock& block, std::size_t agent) {
        return reinterpret_cast<T*>(block.first + agent * block.row_bytes);
    }
};

// What a step gave one agent.
struct Outcome {
    double reward = 0.0;
    bool terminated = false;
    bool truncated = false;
    bool present = true;  // false only in groups with a mask
};

// How an episode begins.
struct Reset {
    std::int64_t seed = -1;          // the learner's seed; -1: the generator goes on
    std::vector<double> parameters;  // in the order of the spec
    bool own = false;                // within the command that ended the last episode (SAME_STEP)
};

// Which env of the segment a world is.
struct Place {
    std::uint32_t env = 0;  // among all envs of the segment
    std::uint32_t lane = 0;
};

class World {
  public:
    virtual ~World() = default;

    // Begins an episode. `random` was reseeded if reset.seed >= 0.
    virtual void reset(Random& random, const Reset& reset) = 0;

    // Reads the actions and advances one step. Called only between a reset and the end that
    // outcome() reports; actions may hold any bits, NaN included: see clamped().
    virtual void step(Random& random, const Rows& rows) = 0;

    // Writes every byte of the observation and info rows. May be called more than once for one
    // state and must then write the same.
    virtual void observe(const Rows& rows) const = 0;

    // Of the last step; after a reset all are {0, false, false, present}.
    virtual Outcome outcome(std::size_t group, std::size_t agent) const = 0;
};

// A bad command line: what() is `<thing> <found>, <expected>: <remedy>`.
struct UsageError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct OptionSpec {
    std::string name;   // such as "--frame"
    std::string value;  // such as "WxH"; empty: the option takes no value
    std::string help;   // one line, with the default
};

class Scene {
  public:
    virtual ~Scene() = default;

    virtual std::string name() const = 0;
    virtual std::string summary() const = 0;  // one line for --help
    virtual std::string example() const = 0;  // one command line
    virtual std::vector<OptionSpec> options() const = 0;

    // `name` is one of options(); throws UsageError for a bad value.
    virtual void set_option(const std::string& name, const std::string& value) = 0;

    virtual Spec spec() const = 0;
    virtual std::unique_ptr<World> make_world(const Place& place) const = 0;

    // True where the scene is to send before its rows are written: the fault that a verifying
    // reader must find.
    virtual bool sends_early() const { return false; }
};

std::unique_ptr<Scene> make_apples();
std::unique_ptr<Scene> make_basic();
std::unique_ptr<Scene> make_gather();
std::unique_ptr<Scene> make_probe();
std::unique_ptr<Scene> make_tennis();

// The scene of that name, null when there is none; and all names in the order of --help.
std::unique_ptr<Scene> make_scene(const std::string& name);
std::vector<std::string> scene_names();

// An action within its bounds; NaN becomes the middle.
inline double clamped(double value, double low, double high) {
    if (!(value == value)) return low + (high - low) / 2;
    return value < low ? low : (value > high ? high : value);
}

// Values of options. All throw UsageError.
std::int64_t parse_integer(const std::string& option, const std::string& value, std::int64_t low,
                           std::int64_t high);
std::string parse_choice(const std::string& option, const std::string& value,
                         const std::vector<std::string>& choices);

struct FrameSize {
    std::uint32_t width = 0;   // pixels
    std::uint32_t height = 0;  // pixels
};
// "WxH", 1x1 to 1280x720.
FrameSize parse_frame(const std::string& option, const std::string& value);

}  // namespace uerl_sim

#endif
