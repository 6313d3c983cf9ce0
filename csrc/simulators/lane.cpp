// lane.cpp: binds a scene's arrays, refuses a learner whose spec is another.
#include "lane.hpp"

#include <algorithm>
#include <array>

namespace uerl_sim {

namespace {

// All arrays of the segment, in the order of its field table.
std::vector<uerl_array> list_arrays(const uerl_simulator* simulator) {
    std::vector<uerl_array> arrays(uerl_simulator_num_arrays(simulator));
    for (std::uint32_t i = 0; i < arrays.size(); i++)
        if (uerl_simulator_array(simulator, i, &arrays[i]) != UERL_OK)
            throw SpecMismatch(uerl_last_error());
    return arrays;
}

bool is_named_by_scene(std::uint32_t role) {
    return role == UERL_ROLE_OBSERVATION || role == UERL_ROLE_INFO || role == UERL_ROLE_ACTION ||
           role == UERL_ROLE_PARAMETER;
}

}  // namespace

Lane::Lane(uerl_simulator* simulator, const Spec& spec)
    : simulator_(simulator), spec_(spec), bound_(uerl_simulator_num_arrays(simulator), false) {
    const bool same_step = uerl_simulator_autoreset_mode(simulator) == UERL_AUTORESET_SAME_STEP;
    for (const GroupSpec& group_spec : spec_.groups) {
        find_group(group_spec);
        Group& group = groups_.back();
        group.observation = bind_all(group, "observation/", UERL_ROLE_OBSERVATION,
                                     group_spec.observation, Missing::refuse);
        group.action =
            bind_all(group, "action/", UERL_ROLE_ACTION, group_spec.action, Missing::refuse);
        group.info = bind_all(group, "info/", UERL_ROLE_INFO, group_spec.info, Missing::spare);
        if (!same_step) continue;
        group.final_observation = bind_all(group, "final_observation/", UERL_ROLE_FINAL_OBSERVATION,
                                           group_spec.observation, Missing::spare);
        group.final_info =
            bind_all(group, "final_info/", UERL_ROLE_FINAL_INFO, group_spec.info, Missing::spare);
    }
    bind_parameters();
    refuse_unknown_arrays();
}

void Lane::point(std::uint32_t env, Rows& rows, Rows& final_rows) {
    rows.groups.resize(groups_.size());
    final_rows.groups.resize(groups_.size());
    for (std::size_t i = 0; i < groups_.size(); i++) {
        Group& group = groups_[i];
        point_all(env, group, group.observation, rows.groups[i].observation);
        point_all(env, group, group.action, rows.groups[i].action);
        point_all(env, group, group.info, rows.groups[i].info);
        point_all(env, group, group.final_observation, final_rows.groups[i].observation);
        point_all(env, group, group.final_info, final_rows.groups[i].info);
    }
}

std::vector<double> Lane::parameters(std::uint32_t env) const {
    std::vector<double> values;
    for (std::size_t i = 0; i < parameters_.size(); i++) {
        const void* value = uerl_simulator_row(simulator_, parameters_[i], env * groups_[0].agents);
        values.push_back(value == nullptr ? spec_.parameters[i].value
                                          : *static_cast<const double*>(value));
    }
    return values;
}

void Lane::write_outcome(std::uint32_t env, std::size_t group, std::uint32_t agent,
                         const Outcome& outcome) {
    const std::uint32_t number = groups_[group].number;
    const std::uint32_t row = env * groups_[group].agents + agent;
    uerl_simulator_outcome(simulator_, number, row, outcome.reward, outcome.terminated,
                           outcome.truncated);
    if (!outcome.present) uerl_simulator_present(simulator_, number, row, 0);
}

// Groups come up in the field table in their order, so a group's number is how many came before.
void Lane::find_group(const GroupSpec& spec) {
    Group group;
    group.name = spec.name;
    group.agents = spec.agents;
    std::vector<std::string> names;
    bool has_mask = false;
    std::uint32_t num_rows = 0;
    for (const uerl_array& array : list_arrays(simulator_)) {
        const auto known = std::find(names.begin(), names.end(), array.group);
        const auto number = static_cast<std::uint32_t>(known - names.begin());
        if (known == names.end()) names.emplace_back(array.group);
        if (spec.name == array.group) {
            group.number = number;
            num_rows = array.num_rows;
            has_mask = has_mask || array.role == UERL_ROLE_MASK;
        }
    }
    const std::uint32_t num_envs = uerl_simulator_num_envs(simulator_);
    if (num_rows == 0)
        throw SpecMismatch("group " + spec.name + " of scene " + spec_.name +
                           " is not in the learner's spec: give the learner this simulator's spec "
                           "(uerl-shm describe)");
    if (num_rows != num_envs * spec.agents)
        throw SpecMismatch("group " + spec.name + " has " + std::to_string(num_rows / num_envs) +
                           " agents in the learner's spec, scene " + spec_.name + " has " +
                           std::to_string(spec.agents) +
                           ": start both with the same options (uerl-shm describe)");
    if (spec.mask && !has_mask)
        throw SpecMismatch("group " + spec.name + " has no mask in the learner's spec, scene " +
                           spec_.name +
                           " has agents that may be absent: set mask to true in the spec");
    groups_.push_back(std::move(group));
}

std::vector<Lane::Array> Lane::bind_all(const Group& group, const std::string& prefix,
                                        std::uint32_t role, const std::vector<ArraySpec>& arrays,
                                        Missing missing) {
    std::vector<Array> bound;
    for (const ArraySpec& spec : arrays) {
        Array array;
        array.row_bytes = num_row_bytes(spec);
        array.index = bind(group.name, prefix + spec.name, role, spec, missing);
        if (array.index < 0) array.spare.resize(array.row_bytes * group.agents);
        bound.push_back(std::move(array));
    }
    return bound;
}

void Lane::bind_parameters() {
    for (const ParameterSpec& parameter : spec_.parameters)
        parameters_.push_back(bind(spec_.groups.front().name, "parameter/" + parameter.name,
                                   UERL_ROLE_PARAMETER, box(parameter.name, UERL_DTYPE_FLOAT64, {}),
                                   Missing::spare));
}

// The array's number in the segment; -1 where it is missing and may be.
std::int32_t Lane::bind(const std::string& group, const std::string& name, std::uint32_t role,
                        const ArraySpec& spec, Missing missing) {
    std::array<std::uint64_t, UERL_MAX_DIMS> shape{};
    std::copy(spec.shape.begin(), spec.shape.end(), shape.begin());
    const std::int32_t index =
        uerl_simulator_bind(simulator_, group.c_str(), name.c_str(), role, spec.dtype,
                            static_cast<std::uint32_t>(spec.shape.size()), shape.data());
    if (index >= 0)
        bound_[static_cast<std::size_t>(index)] = true;
    else if (index != UERL_E_NOT_FOUND || missing == Missing::refuse)
        throw SpecMismatch(uerl_last_error());
    return std::max(index, -1);
}

// An array that the learner has and the scene does not know would never be written or read.
void Lane::refuse_unknown_arrays() const {
    const std::vector<uerl_array> arrays = list_arrays(simulator_);
    for (std::size_t i = 0; i < arrays.size(); i++)
        if (!bound_[i] && is_named_by_scene(arrays[i].role))
            throw SpecMismatch("array " + std::string(arrays[i].name) + " of group " +
                               arrays[i].group + " is in the learner's spec, scene " + spec_.name +
                               " has no such array: give the learner this simulator's spec "
                               "(uerl-shm describe)");
}

RowBlock Lane::block(std::uint32_t env, const Group& group, Array& array) {
    if (array.index < 0) return {array.spare.data(), array.row_bytes};
    void* first = uerl_simulator_row(simulator_, array.index, env * group.agents);
    return {static_cast<unsigned char*>(first), array.row_bytes};
}

void Lane::point_all(std::uint32_t env, Group& group, std::vector<Array>& arrays,
                     std::vector<RowBlock>& blocks) {
    blocks.resize(arrays.size());
    for (std::size_t i = 0; i < arrays.size(); i++) blocks[i] = block(env, group, arrays[i]);
}

}  // namespace uerl_sim
