// delivery.cpp: from ready lanes to the arrays of a batch: views where possible, else copies.
#include <algorithm>
#include <cstring>

#include "batches.hpp"
#include "copying.hpp"

namespace uerl {

namespace {

void put(const py::dict& dict, const py::str& key, const py::object& value) {
    if (PyDict_SetItem(dict.ptr(), key.ptr(), value.ptr()) != 0) throw py::error_already_set();
}

}  // namespace

uint32_t Batches::num_rows(uint32_t group, const std::vector<Run>& runs) const {
    uint32_t rows = 0;
    for (const Run& run : runs) rows += run.num_lanes * learner_.rows_per_lane(group);
    return rows;
}

// A view when `lease` is one, else a copy of all runs.
py::array Batches::rows(FieldView& field, const std::vector<Run>& runs, const py::object& lease) {
    const uerl_segment& segment = learner_.segment();
    const uint32_t per_lane = learner_.rows_per_lane(field.group);
    field.batch_shape[0] = num_rows(field.group, runs);
    if (!lease.is_none())
        return view_of(
            field, field.batch_shape,
            uerl_segment_row(&segment, field.index, runs[0].slot, runs[0].first_lane * per_lane),
            lease, options_.writable);
    py::array copy = new_array(field.dtype, field.batch_shape);
    uint8_t* target = static_cast<uint8_t*>(copy.mutable_data());
    for (const Run& run : runs) {
        const uint64_t bytes = field.row_bytes * per_lane * run.num_lanes;
        copy_rows(target,
                  uerl_segment_row(&segment, field.index, run.slot, run.first_lane * per_lane),
                  bytes);
        target += bytes;
    }
    return copy;
}

py::object Batches::observation_of(uint32_t group, const std::vector<Run>& runs,
                                   const py::object& lease,
                                   std::vector<std::vector<FieldView>>& fields) {
    std::vector<FieldView>& own = fields[group];
    if (own.size() == 1) return rows(own[0], runs, lease);
    py::dict all;
    for (FieldView& field : own) put(all, field.key, rows(field, runs, lease));
    return all;
}

py::array Batches::present_mask(py::ssize_t count) {
    if (count == ones_.size()) return ones_;
    return py::array(ones_[py::slice(0, count, 1)]);
}

py::dict Batches::info_of(uint32_t group, const std::vector<Run>& runs, const py::object& lease,
                          const Outcome& outcome) {
    py::dict info;
    const py::ssize_t count = num_rows(group, runs);
    for (FieldView& field : infos_[group]) {
        put(info, field.key, rows(field, runs, lease));
        put(info, field.mask_key, present_mask(count));
    }
    if (mask_[group] != UINT32_MAX) {
        put(info, keys_.mask, outcome.present);
        put(info, keys_.mask_mask, present_mask(count));
    }
    return info;
}

namespace {

template <typename Wide, typename Narrow>
void convert(void* target, const void* source, size_t count) {
    const Narrow* from = static_cast<const Narrow*>(source);
    Wide* to = static_cast<Wide*>(target);
    for (size_t i = 0; i < count; i++) to[i] = static_cast<Wide>(from[i]);
}

void copy_rewards(void* target, bool wide, const void* source, bool source_wide, size_t count) {
    if (wide == source_wide)
        std::memcpy(target, source, count * (wide ? sizeof(double) : sizeof(float)));
    else if (wide)
        convert<double, float>(target, source, count);
    else
        convert<float, double>(target, source, count);
}

// Any value but 0 is true: a bool with another bit pattern would be a trap for its reader.
void copy_flags(uint8_t* target, const uint8_t* source, size_t count) {
    for (size_t i = 0; i < count; i++) target[i] = source[i] != 0;
}

}  // namespace

py::array Batches::flags_of(uint32_t field, const std::vector<Run>& runs, py::ssize_t count) {
    const uerl_segment& segment = learner_.segment();
    const uint32_t per_lane = learner_.rows_per_lane(segment.fields[field].group);
    py::array flags = new_array(bool_, count);
    uint8_t* target = static_cast<uint8_t*>(flags.mutable_data());
    for (const Run& run : runs) {
        const size_t rows_of_run = static_cast<size_t>(run.num_lanes) * per_lane;
        copy_flags(target, uerl_segment_row(&segment, field, run.slot, run.first_lane * per_lane),
                   rows_of_run);
        target += rows_of_run;
    }
    return flags;
}

py::array Batches::rewards_of(uint32_t field, const std::vector<Run>& runs, py::ssize_t count) {
    const uerl_segment& segment = learner_.segment();
    const bool source_wide = segment.fields[field].dtype == UERL_DTYPE_FLOAT64;
    const bool wide = options_.wide_rewards;
    const uint32_t per_lane = learner_.rows_per_lane(segment.fields[field].group);
    py::array rewards = new_array(reward_dtype_, count);
    uint8_t* target = static_cast<uint8_t*>(rewards.mutable_data());
    for (const Run& run : runs) {
        const size_t rows_of_run = static_cast<size_t>(run.num_lanes) * per_lane;
        copy_rewards(target, wide,
                     uerl_segment_row(&segment, field, run.slot, run.first_lane * per_lane),
                     source_wide, rows_of_run);
        target += rows_of_run * (wide ? sizeof(double) : sizeof(float));
    }
    return rewards;
}

// Rewards and flags are what decisions rest on: copied once, into memory that simulators cannot
// reach.
std::vector<Outcome> Batches::outcomes_of(const std::vector<Run>& runs, bool with_rewards) {
    std::vector<Outcome> outcomes(num_groups_);
    for (uint32_t group = 0; group < num_groups_; group++) {
        const auto count = static_cast<py::ssize_t>(num_rows(group, runs));
        Outcome& outcome = outcomes[group];
        if (mask_[group] != UINT32_MAX) outcome.present = flags_of(mask_[group], runs, count);
        if (!with_rewards) continue;
        outcome.reward = rewards_of(reward_[group], runs, count);
        outcome.terminated = flags_of(terminated_[group], runs, count);
        outcome.truncated = flags_of(truncated_[group], runs, count);
    }
    return outcomes;
}

// Ends episodes that are as long as they may be; the observer shall see it too.
void Batches::truncate_long(const std::vector<uint32_t>& lanes, std::vector<Outcome>& outcomes) {
    if (options_.max_steps == 0) return;
    const uerl_segment& segment = learner_.segment();
    size_t index = 0;  // of the env within the batch
    for (const uint32_t lane : lanes)
        for (uint32_t i = 0; i < learner_.envs_per_lane(); i++, index++) {
            const uint32_t env = lane * learner_.envs_per_lane() + i;
            if (learner_.filled(env) || learner_.elapsed_with_this_step(env) < options_.max_steps)
                continue;
            for (uint32_t group = 0; group < num_groups_; group++) {
                Outcome& outcome = outcomes[group];
                const uint32_t agents = segment.groups[group].rows_per_env;
                const auto* terminated = static_cast<const uint8_t*>(outcome.terminated.data());
                auto* truncated = static_cast<uint8_t*>(outcome.truncated.mutable_data());
                for (uint32_t agent = 0; agent < agents; agent++) {
                    const size_t row = index * agents + agent;
                    const bool absent =
                        mask_[group] != UINT32_MAX &&
                        static_cast<const uint8_t*>(outcome.present.data())[row] == 0;
                    if (terminated[row] || absent) continue;
                    truncated[row] = 1;
                    *uerl_segment_row(&segment, truncated_[group], learner_.lane(lane).slot,
                                      env * agents + agent) = 1;
                }
            }
        }
}

py::array Batches::elapsed_steps(uint32_t group) {
    const uint32_t agents = learner_.segment().groups[group].rows_per_env;
    py::array_t<int64_t> steps(static_cast<py::ssize_t>(learner_.segment().groups[group].num_rows));
    int64_t* next = steps.mutable_data();
    for (uint32_t env = 0; env < learner_.num_envs(); env++)
        for (uint32_t agent = 0; agent < agents; agent++) *next++ = learner_.elapsed(env);
    return std::move(steps);
}

// An env has ended when none of its rows goes on: each is done or absent, and one at least is done.
void Batches::note_ended(const std::vector<uint32_t>& lanes, const std::vector<Outcome>& outcomes) {
    size_t index = 0;  // of the env within the batch
    for (const uint32_t lane : lanes)
        for (uint32_t i = 0; i < learner_.envs_per_lane(); i++, index++) {
            bool any_done = false, any_running = false;
            for (uint32_t group = 0; group < num_groups_; group++) {
                const Outcome& outcome = outcomes[group];
                const uint32_t agents = learner_.segment().groups[group].rows_per_env;
                const auto* terminated = static_cast<const uint8_t*>(outcome.terminated.data());
                const auto* truncated = static_cast<const uint8_t*>(outcome.truncated.data());
                const auto* present = mask_[group] == UINT32_MAX
                                          ? nullptr
                                          : static_cast<const uint8_t*>(outcome.present.data());
                for (size_t row = index * agents; row < (index + 1) * agents; row++) {
                    const bool done = (terminated[row] | truncated[row]) != 0;
                    any_done |= done;
                    any_running |= !done && (present == nullptr || present[row] != 0);
                }
            }
            learner_.note_outcome(lane * learner_.envs_per_lane() + i, any_done && !any_running);
        }
}

// SAME_STEP: the terminal rows beside the first rows of the next episode.
void Batches::add_final(uint32_t group, const std::vector<Run>& runs, const py::object& lease,
                        const Outcome& outcome, py::dict& info) {
    const auto* a = static_cast<const uint8_t*>(outcome.terminated.data());
    const auto* b = static_cast<const uint8_t*>(outcome.truncated.data());
    const py::ssize_t count = outcome.terminated.size();
    py::array done = new_array(bool_, count);
    auto* either = static_cast<uint8_t*>(done.mutable_data());
    bool any = false;
    for (py::ssize_t i = 0; i < count; i++) any |= (either[i] = a[i] | b[i]) != 0;
    if (!any) return;
    info["final_obs"] = observation_of(group, runs, lease, finals_);
    info["_final_obs"] = done;
    py::dict final_info;
    for (FieldView& field : final_infos_[group]) {
        final_info[field.key] = rows(field, runs, lease);
        final_info[field.mask_key] = done;
    }
    info["final_info"] = final_info;
    info["_final_info"] = done;
}

void Batches::warn_of_copies() {
    if (warned_) return;
    warned_ = true;
    const std::string text =
        "no slot is free: this batch is a copy, and so may others be; " +
        std::to_string(learner_.memory()->slots.num_held()) +
        " of slots=" + std::to_string(learner_.memory()->slots.num_slots()) +
        " are held by batches that are still referenced: drop them, or raise slots= (2 * T + 2 for "
        "rollouts of T steps)";
    if (PyErr_WarnEx(PyExc_RuntimeWarning, text.c_str(), 2) != 0) throw py::error_already_set();
}

// A view's lease, or none where a copy has to do.
py::object Batches::lease_of(const std::vector<Run>& runs, uint64_t num_rows_in_all) {
    if (options_.copy) return py::none();
    if (runs.size() > 1) {
        learner_.stats.gathered_rows += num_rows_in_all;
        return py::none();
    }
    if (learner_.can_lease(runs[0])) return make_lease(learner_.memory(), lease_events_, runs);
    warn_of_copies();
    learner_.stats.copied_batches++;
    return py::none();
}

// info["valid"], and in the batch in which simulators were given up info["lost"]: why.
void Batches::add_validity(uint32_t group, const std::vector<uint32_t>& lanes, py::ssize_t count,
                           py::dict& info) {
    put(info, keys_.valid_mask, present_mask(count));
    if (!learner_.any_filled()) {
        put(info, keys_.valid, present_mask(count));
        return;
    }
    py::array valid = new_array(bool_, count);
    auto* flags = static_cast<uint8_t*>(valid.mutable_data());
    py::list reasons;
    py::array lost = new_array(bool_, count);
    auto* lost_flags = static_cast<uint8_t*>(lost.mutable_data());
    bool any_lost = false;
    const uint32_t agents = learner_.segment().groups[group].rows_per_env;
    for (const uint32_t lane : lanes) {
        const std::string& loss = learner_.loss(lane);
        any_lost |= !loss.empty();
        for (uint32_t i = 0; i < learner_.rows_per_lane(group); i++) {
            *flags++ = !learner_.filled(lane * learner_.envs_per_lane() + i / agents);
            *lost_flags++ = !loss.empty();
            reasons.append(loss.empty() ? py::object(py::none()) : py::object(py::str(loss)));
        }
    }
    put(info, keys_.valid, valid);
    if (!any_lost) return;
    info["lost"] = py::module_::import("numpy").attr("array")(reasons, py::dtype("O"));
    info["_lost"] = lost;
}

// What could not be delivered (a warning may be an error to the caller) can be received again.
py::tuple Batches::take_and_deliver(const std::vector<uint32_t>& lanes, bool outcome) {
    learner_.take(lanes);
    try {
        return deliver(lanes, outcome);
    } catch (...) {
        learner_.put_back();
        throw;
    }
}

namespace {

// What a batch is of one group.
struct Part {
    py::object observation;
    Outcome outcome;
    py::dict info;
};

}  // namespace

// The rows that were taken last, of these lanes.
py::tuple Batches::deliver(const std::vector<uint32_t>& lanes, bool outcome) {
    const std::vector<Run> runs = learner_.runs_of(lanes);
    uint64_t num_rows_in_all = 0;
    for (uint32_t group = 0; group < num_groups_; group++) num_rows_in_all += num_rows(group, runs);
    const py::object lease = lease_of(runs, num_rows_in_all);
    std::vector<Outcome> outcomes = outcomes_of(runs, outcome);
    if (outcome) {
        truncate_long(lanes, outcomes);
        note_ended(lanes, outcomes);
        learner_.count_delivery(
            num_rows_in_all, runs.size() == 1 && lanes.size() == all_lanes_.size(), runs[0].slot);
    }
    std::vector<Part> parts;
    parts.reserve(num_groups_);
    for (uint32_t group = 0; group < num_groups_; group++) {
        const Outcome& own = outcomes[group];
        Part part{observation_of(group, runs, lease, observations_), own,
                  info_of(group, runs, lease, own)};
        if (options_.tells_valid) add_validity(group, lanes, num_rows(group, runs), part.info);
        if (outcome && learner_.autoreset_mode() == UERL_AUTORESET_SAME_STEP)
            add_final(group, runs, lease, own, part.info);
        if (outcome && rollout_) record_outcome(group, own);
        parts.push_back(std::move(part));
    }
    if (rollout_ && outcome) rollout_->done++;
    learner_.forget_losses(lanes);
    const auto whole = [&](auto member) -> py::object {
        if (num_groups_ == 1) return member(parts[0]);
        py::dict named;
        for (uint32_t group = 0; group < num_groups_; group++)
            named[py::str(group_names_[group])] = member(parts[group]);
        return named;
    };
    const py::object observation = whole([](const Part& part) { return part.observation; });
    const py::object info = whole([](const Part& part) -> py::object { return part.info; });
    if (!outcome) return py::make_tuple(observation, info);
    return py::make_tuple(
        observation, whole([](const Part& part) -> py::object { return part.outcome.reward; }),
        whole([](const Part& part) -> py::object { return part.outcome.terminated; }),
        whole([](const Part& part) -> py::object { return part.outcome.truncated; }), info);
}

}  // namespace uerl
