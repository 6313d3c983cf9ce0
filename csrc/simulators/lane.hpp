// lane.hpp: the arrays of one lane, found in the learner's segment and compared with a scene's.
#ifndef UERL_SIM_LANE_HPP
#define UERL_SIM_LANE_HPP

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "scene.hpp"
#include "uerl_shm/uerl_shm.h"

namespace uerl_sim {

// The learner's spec is not the scene's; what() is the text to refuse with.
struct SpecMismatch : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Lane {
  public:
    // Binds every array of `spec`; throws SpecMismatch.
    Lane(uerl_simulator* simulator, const Spec& spec);

    // Points `rows` at the rows of env `env` of the command in hand, and `final_rows` at those of
    // the terminal observation (SAME_STEP only).
    void point(std::uint32_t env, Rows& rows, Rows& final_rows);

    // The learner's values for env `env`, or the spec's.
    std::vector<double> parameters(std::uint32_t env) const;

    std::size_t num_groups() const { return groups_.size(); }
    std::uint32_t num_agents(std::size_t group) const { return groups_[group].agents; }

    // Tells the learner what a step gave one agent.
    void write_outcome(std::uint32_t env, std::size_t group, std::uint32_t agent,
                       const Outcome& outcome);

  private:
    // An array of the segment, or memory of our own where the learner has no such array.
    struct Array {
        std::int32_t index = -1;
        std::uint64_t row_bytes = 0;
        std::vector<unsigned char> spare;  // rows of one env; empty where index >= 0
    };

    struct Group {
        std::string name;
        std::uint32_t number = 0;  // in the segment
        std::uint32_t agents = 1;
        bool mask = false;
        std::vector<Array> observation, action, info, final_observation, final_info;
    };

    enum class Missing { refuse, spare };

    void find_group(const GroupSpec& spec);
    std::vector<Array> bind_all(const Group& group, const std::string& prefix, std::uint32_t role,
                                const std::vector<ArraySpec>& arrays, Missing missing);
    void bind_parameters();
    std::int32_t bind(const std::string& group, const std::string& name, std::uint32_t role,
                      const ArraySpec& spec, Missing missing);
    void refuse_unknown_arrays() const;
    RowBlock block(std::uint32_t env, const Group& group, Array& array);
    void point_all(std::uint32_t env, Group& group, std::vector<Array>& arrays,
                   std::vector<RowBlock>& blocks);

    uerl_simulator* simulator_;
    const Spec spec_;
    std::vector<Group> groups_;
    std::vector<std::int32_t> parameters_;  // -1: not in the learner's spec
    std::vector<bool> bound_;               // for each array of the segment
};

}  // namespace uerl_sim

#endif
