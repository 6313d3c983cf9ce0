// rollout.cpp: T steps as [T, rows, ...] arrays, in the segment itself where its slots suffice.
#include <cstring>

#include "batches.hpp"
#include "python_error.hpp"

namespace uerl {

void Batches::make_rollout_arrays(uint32_t num_steps) {
    Rollout& rollout = *rollout_;
    const auto steps = static_cast<py::ssize_t>(num_steps);
    const uerl_segment& segment = learner_.segment();
    for (uint32_t group = 0; group < num_groups_; group++) {
        const std::vector<py::ssize_t> shape{steps, segment.groups[group].num_rows};
        rollout.reward.push_back(new_array(py::dtype::of<float>(), shape));
        rollout.terminated.push_back(new_array(bool_, shape));
        rollout.truncated.push_back(new_array(bool_, shape));
        rollout.valid.push_back(new_array(bool_, shape));
    }
    py::object lease = py::none();
    if (rollout.first != UINT32_MAX) {
        std::vector<Run> runs;
        for (uint32_t t = 0; t < num_steps; t++)
            runs.push_back({rollout.first + t, 0, learner_.num_lanes()});
        lease = make_lease(learner_.memory(), lease_events_, runs);
    }
    const auto array_for = [&](const FieldView& field) {
        const auto shape = field.with_axes({steps, segment.groups[field.group].num_rows});
        if (rollout.first == UINT32_MAX) return new_array(field.dtype, shape);
        return view_of(field, shape, uerl_segment_row(&segment, field.index, rollout.first, 0),
                       lease, options_.writable);
    };
    for (const auto& group : observations_)
        for (const FieldView& field : group) rollout.observation.push_back(array_for(field));
    for (const ActionField& field : actions_) rollout.action.push_back(array_for(field.view));
}

void Batches::begin_rollout(uint32_t num_steps) {
    translated([&] {
        if (rollout_)
            throw Error(UERL_E_INVALID, "a rollout is open, expected one at a time: end it first");
        for (const uint32_t lane : all_lanes_)
            if (learner_.pending(lane))
                throw Error(UERL_E_INVALID,
                            "lane " + std::to_string(lane) +
                                " is pending, expected idle rows before a rollout: recv() first",
                            {lane});
        const uint32_t first = options_.copy ? UINT32_MAX : learner_.begin_rollout(num_steps);
        if (first == UINT32_MAX && !options_.copy) warn_of_copies();
        rollout_.emplace();
        rollout_->first = first;
        rollout_->num_steps = num_steps;
        make_rollout_arrays(num_steps);
    });
}

py::dict Batches::rollout_arrays() {
    py::dict result;
    const auto fill = [&](const char* name, const std::vector<py::array>& arrays) {
        py::list list;
        for (const py::array& array : arrays) list.append(array);
        result[name] = list;
    };
    fill("observation", rollout_->observation);
    fill("action", rollout_->action);
    fill("reward", rollout_->reward);
    fill("terminated", rollout_->terminated);
    fill("truncated", rollout_->truncated);
    fill("valid", rollout_->valid);
    result["in_segment"] = rollout_->first != UINT32_MAX;
    return result;
}

// In arrays of its own, a rollout copies observation and action of this step before they move on.
void Batches::record_before_step() {
    if (rollout_->first != UINT32_MAX) return;
    const auto copy = [&](const FieldView& field, py::array& target) {
        const uint32_t rows = learner_.rows_per_lane(field.group);
        const uint64_t bytes = rows * field.row_bytes;
        uint8_t* next = static_cast<uint8_t*>(target.mutable_data()) +
                        static_cast<uint64_t>(rollout_->done) * bytes * learner_.num_lanes();
        for (const uint32_t lane : all_lanes_) {
            std::memcpy(next,
                        uerl_segment_row(&learner_.segment(), field.index, learner_.lane(lane).slot,
                                         lane * rows),
                        bytes);
            next += bytes;
        }
    };
    size_t index = 0;
    for (const auto& group : observations_)
        for (const FieldView& field : group) copy(field, rollout_->observation[index++]);
    for (size_t i = 0; i < actions_.size(); i++) copy(actions_[i].view, rollout_->action[i]);
    learner_.stats.copied_batches++;
}

void Batches::record_outcome(uint32_t group, const Outcome& outcome) {
    const auto count = static_cast<size_t>(outcome.reward.size());
    const size_t start = rollout_->done * count;
    float* rewards = static_cast<float*>(rollout_->reward[group].mutable_data()) + start;
    for (size_t i = 0; i < count; i++)
        rewards[i] = options_.wide_rewards
                         ? static_cast<float>(static_cast<const double*>(outcome.reward.data())[i])
                         : static_cast<const float*>(outcome.reward.data())[i];
    std::memcpy(static_cast<uint8_t*>(rollout_->terminated[group].mutable_data()) + start,
                outcome.terminated.data(), count);
    std::memcpy(static_cast<uint8_t*>(rollout_->truncated[group].mutable_data()) + start,
                outcome.truncated.data(), count);
    record_validity(group, count);
}

// A step that only reset its env, or that no simulator made, is no transition.
void Batches::record_validity(uint32_t group, size_t count) {
    const uint32_t agents = learner_.segment().groups[group].rows_per_env;
    auto* valid = static_cast<uint8_t*>(rollout_->valid[group].mutable_data()) +
                  static_cast<size_t>(rollout_->done) * count;
    for (size_t row = 0; row < count; row++) {
        const auto env = static_cast<uint32_t>(row / agents);
        valid[row] = !learner_.was_reset(env) && !learner_.filled(env);
    }
}

}  // namespace uerl
