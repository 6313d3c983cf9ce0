// batches.cpp: one step as Python sees it: actions in, wait, out with the batch.
#include "batches.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "python_error.hpp"

namespace uerl {

// One Python thread at a time: another one may come in while this one sleeps without the lock.
class Guard {
  public:
    explicit Guard(Batches& batches) : batches_(batches) {
        if (batches.busy_)
            throw Error(UERL_E_INVALID,
                        "the env is in use by another thread, expected one at a time: lock it");
        if (batches.learner_.closed())
            throw Error(UERL_E_CLOSED, "the env is closed, expected an open one: make a new one");
        batches.learner_.check_whole(false);
        batches.lease_events_->poll();
        batches.busy_ = true;
    }
    ~Guard() { batches_.busy_ = false; }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

  private:
    Batches& batches_;
};

namespace {

std::vector<std::vector<FieldView>> by_group(const uerl_segment& segment, uint32_t role) {
    std::vector<std::vector<FieldView>> groups(segment.header.num_groups);
    for (FieldView& field : fields_of(segment, role)) groups[field.group].push_back(field);
    return groups;
}

std::vector<uint32_t> only_field(const uerl_segment& segment, uint32_t role) {
    std::vector<uint32_t> indices(segment.header.num_groups, UINT32_MAX);
    for (const FieldView& field : fields_of(segment, role)) indices[field.group] = field.index;
    return indices;
}

}  // namespace

Batches::Batches(Config config, BatchOptions options, std::vector<ActionCheck> checks,
                 py::object on_event)
    : learner_(std::move(config)), options_(options), on_event_(std::move(on_event)) {
    const uerl_segment& segment = learner_.segment();
    num_groups_ = segment.header.num_groups;
    for (uint32_t group = 0; group < num_groups_; group++)
        group_names_.push_back(segment.groups[group].name);
    observations_ = by_group(segment, UERL_ROLE_OBSERVATION);
    finals_ = by_group(segment, UERL_ROLE_FINAL_OBSERVATION);
    infos_ = by_group(segment, UERL_ROLE_INFO);
    final_infos_ = by_group(segment, UERL_ROLE_FINAL_INFO);
    actions_by_group_.resize(num_groups_);
    for (FieldView& field : fields_of(segment, UERL_ROLE_ACTION)) {
        actions_by_group_[field.group].push_back(static_cast<uint32_t>(actions_.size()));
        actions_.push_back({field, checks.at(actions_.size())});
    }
    reward_ = only_field(segment, UERL_ROLE_REWARD);
    terminated_ = only_field(segment, UERL_ROLE_TERMINATED);
    truncated_ = only_field(segment, UERL_ROLE_TRUNCATED);
    mask_ = only_field(segment, UERL_ROLE_MASK);
    all_lanes_.resize(learner_.num_lanes());
    std::iota(all_lanes_.begin(), all_lanes_.end(), 0);
    uint32_t most_rows = 0;
    for (uint32_t group = 0; group < num_groups_; group++)
        most_rows = std::max(most_rows, segment.groups[group].num_rows);
    reward_dtype_ = options_.wide_rewards ? py::dtype::of<double>() : py::dtype::of<float>();
    ones_ = new_array(bool_, {most_rows});
    std::memset(ones_.mutable_data(), 1, most_rows);
    py::detail::array_proxy(ones_.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
}

uint32_t Batches::ids_per_lane() const {
    return num_groups_ > 1 ? learner_.envs_per_lane() : learner_.rows_per_lane(0);
}

uint32_t Batches::rows_per_id(uint32_t group) const {
    return num_groups_ > 1 ? learner_.segment().groups[group].rows_per_env : 1;
}

// Actions -----------------------------------------------------------------------------------------

py::handle Batches::actions_of(const ActionField& field, py::handle actions) const {
    py::object chosen = py::reinterpret_borrow<py::object>(actions);
    if (num_groups_ > 1) chosen = chosen[py::str(group_names_[field.view.group])];
    if (actions_by_group_[field.view.group].size() > 1) chosen = chosen[field.view.key];
    return chosen.release();
}

// position: for each id of the lanes, in order, the row of `actions` that holds it; empty:
// identity.
void Batches::write_actions(py::handle actions, const std::vector<uint32_t>& lanes,
                            const std::vector<uint32_t>& position) {
    std::vector<py::array> checked;
    const size_t ids = lanes.size() * ids_per_lane();
    for (const ActionField& field : actions_) {
        const py::object chosen = py::reinterpret_steal<py::object>(actions_of(field, actions));
        checked.push_back(checked_action(
            field, chosen, static_cast<py::ssize_t>(ids * rows_per_id(field.view.group))));
    }
    // Only now, with every array checked, is the first byte written.
    for (size_t i = 0; i < actions_.size(); i++) {
        const FieldView& view = actions_[i].view;
        const uint8_t* source = static_cast<const uint8_t*>(checked[i].data());
        const uint64_t id_bytes = view.row_bytes * rows_per_id(view.group);
        const uint64_t lane_bytes = id_bytes * ids_per_lane();
        size_t next = 0;
        for (const uint32_t lane : lanes) {
            if (learner_.reads_actions(lane)) {
                next += position.empty() ? 1 : ids_per_lane();
                continue;
            }
            uint8_t* target = learner_.action_rows(view.index, lane);
            if (position.empty()) {
                std::memcpy(target, source + next * lane_bytes, lane_bytes);
                next++;
                continue;
            }
            for (uint32_t id = 0; id < ids_per_lane(); id++)
                std::memcpy(target + id * id_bytes, source + position[next++] * id_bytes, id_bytes);
        }
    }
}

std::vector<uint32_t> Batches::lanes_of(const py::array_t<int64_t>& ids,
                                        std::vector<uint32_t>& position) const {
    const uint32_t per_lane = ids_per_lane();
    const int64_t total = static_cast<int64_t>(per_lane) * learner_.num_lanes();
    std::vector<uint32_t> place(static_cast<size_t>(total), UINT32_MAX);
    std::vector<uint32_t> lanes;
    const auto values = ids.unchecked<1>();
    for (py::ssize_t i = 0; i < values.shape(0); i++) {
        const int64_t id = values(i);
        if (id < 0 || id >= total || place[static_cast<size_t>(id)] != UINT32_MAX)
            throw Error(UERL_E_INVALID, "env id " + std::to_string(id) +
                                            " is unknown or given twice, expected ids from 0 to " +
                                            std::to_string(total - 1) + ", each once");
        place[static_cast<size_t>(id)] = static_cast<uint32_t>(i);
        lanes.push_back(static_cast<uint32_t>(id / per_lane));
    }
    std::sort(lanes.begin(), lanes.end());
    lanes.erase(std::unique(lanes.begin(), lanes.end()), lanes.end());
    if (lanes.empty() || lanes.size() * per_lane != static_cast<size_t>(values.shape(0)))
        throw Error(UERL_E_INVALID, std::to_string(values.shape(0)) + " env ids, expected all " +
                                        std::to_string(per_lane) +
                                        " of each simulator named: send to whole simulators");
    for (const uint32_t lane : lanes)
        for (uint32_t id = lane * per_lane; id < (lane + 1) * per_lane; id++)
            position.push_back(place[id]);
    return lanes;
}

void Batches::send_lanes(py::handle actions, const std::vector<uint32_t>& lanes,
                         const std::vector<uint32_t>& position) {
    learner_.check_step(lanes);
    if (rollout_ && rollout_->done == rollout_->num_steps)
        throw Error(UERL_E_INVALID, "rollout has its " + std::to_string(rollout_->num_steps) +
                                        " steps, expected no more: begin another one");
    need_enough_rows();
    wait_for_recorder();
    write_actions(actions, lanes, position);
    uint32_t target = UINT32_MAX;
    if (rollout_) {
        record_before_step();
        if (rollout_->first != UINT32_MAX)
            target = rollout_->done + 1 < rollout_->num_steps
                         ? rollout_->first + rollout_->done + 1
                         : learner_.slot_after_rollout(rollout_->first, rollout_->num_steps);
    }
    learner_.send_step(lanes, target);
    tell_events();
}

// Calls -------------------------------------------------------------------------------------------

py::tuple Batches::step(py::handle actions, double timeout_s) {
    return translated([&] {
        const Guard guard(*this);
        send_lanes(actions, all_lanes_, {});
        wait(learner_.num_lanes(), timeout_s);
        return take_and_deliver(all_lanes_, true);
    });
}

void Batches::send(py::handle actions, const std::optional<py::array_t<int64_t>>& ids) {
    translated([&] {
        const Guard guard(*this);
        if (rollout_)
            throw Error(UERL_E_INVALID,
                        "send() within a rollout, expected step(): end the rollout "
                        "first");
        std::vector<uint32_t> position;
        send_lanes(actions, ids ? lanes_of(*ids, position) : all_lanes_, position);
    });
}

py::tuple Batches::recv(std::optional<int64_t> min_ids, std::optional<int64_t> max_ids,
                        double timeout_s) {
    return translated([&] {
        const Guard guard(*this);
        const int64_t per_lane = ids_per_lane();
        const int64_t pending = learner_.num_pending();
        if (pending == 0)
            throw Error(UERL_E_INVALID, "recv() without a pending row, expected send() first");
        const int64_t most = max_ids ? *max_ids / per_lane : pending;
        const int64_t least =
            min_ids ? (*min_ids + per_lane - 1) / per_lane : std::min(pending, most);
        if (most < 1 || least < 1 || least > pending || least > most)
            throw Error(UERL_E_INVALID, "recv() wants " + std::to_string(least * per_lane) +
                                            " to " + std::to_string(most * per_lane) +
                                            " envs, expected 1 to " +
                                            std::to_string(pending * per_lane) +
                                            " pending ones in whole simulators "
                                            "of " +
                                            std::to_string(per_lane));
        if (rollout_ && least < learner_.num_lanes())
            throw Error(UERL_E_INVALID,
                        "recv() of some rows within a rollout, expected all of a "
                        "step: leave out min_envs and max_envs");
        wait(static_cast<uint32_t>(least), timeout_s);
        const std::vector<uint32_t> lanes =
            learner_.peek_ready(static_cast<uint32_t>(std::min(most, pending)));
        const py::tuple batch = take_and_deliver(lanes, true);
        py::array_t<int64_t> ids(static_cast<py::ssize_t>(lanes.size() * ids_per_lane()));
        int64_t* next = ids.mutable_data();
        for (const uint32_t lane : lanes)
            for (uint32_t id = 0; id < ids_per_lane(); id++) *next++ = lane * per_lane + id;
        return py::tuple(py::make_tuple(batch[0], batch[1], batch[2], batch[3], batch[4], ids));
    });
}

std::vector<uint32_t> Batches::part_of(uint32_t first_lane, uint32_t num_lanes) const {
    if (num_lanes < 1 || first_lane >= learner_.num_lanes() ||
        num_lanes > learner_.num_lanes() - first_lane)
        throw Error(UERL_E_INVALID, "part of " + std::to_string(num_lanes) + " simulators from " +
                                        std::to_string(first_lane) + ", expected some of " +
                                        std::to_string(learner_.num_lanes()));
    if (rollout_)
        throw Error(UERL_E_INVALID,
                    "a part of the rows within a rollout, expected all: end the rollout first");
    std::vector<uint32_t> lanes(num_lanes);
    std::iota(lanes.begin(), lanes.end(), first_lane);
    return lanes;
}

void Batches::send_part(py::handle actions, uint32_t first_lane, uint32_t num_lanes) {
    translated([&] {
        const Guard guard(*this);
        send_lanes(actions, part_of(first_lane, num_lanes), {});
    });
}

py::tuple Batches::recv_part(uint32_t first_lane, uint32_t num_lanes, double timeout_s) {
    return translated([&] {
        const Guard guard(*this);
        const std::vector<uint32_t> lanes = part_of(first_lane, num_lanes);
        for (const uint32_t lane : lanes)
            if (!learner_.pending(lane))
                throw Error(UERL_E_INVALID,
                            "recv() of lane " + std::to_string(lane) +
                                ", which is idle, expected send() first",
                            {lane});
        wait_for(lanes, timeout_s);
        return take_and_deliver(lanes, true);
    });
}

void Batches::post(uint32_t lane, const py::bytes& data) {
    translated([&] {
        const Guard guard(*this);
        learner_.post(lane, std::string(data));
    });
}

py::list Batches::take_messages() {
    return translated([&] {
        const Guard guard(*this);
        py::list all;
        for (const Message& message : learner_.take_messages())
            all.append(py::make_tuple(message.lane, py::bytes(message.bytes)));
        return all;
    });
}

void Batches::annotate(uint32_t field, const py::array& values) {
    translated([&] {
        const Guard guard(*this);
        const uerl_segment& segment = learner_.segment();
        const uerl_field& found = segment.fields[field];
        const uint32_t rows = learner_.rows_per_lane(found.group);
        const auto* source = static_cast<const uint8_t*>(values.data());
        for (const uint32_t lane : all_lanes_) {
            std::memcpy(uerl_segment_row(&segment, field, learner_.lane(lane).slot, lane * rows),
                        source, rows * found.row_stride);
            source += rows * found.row_stride;
        }
    });
}

void Batches::begin_reset(const py::array_t<uint8_t>& mask, const py::array_t<int64_t>& seeds,
                          const std::string& options, double timeout_s) {
    if (rollout_)
        throw Error(UERL_E_INVALID,
                    "reset() within a rollout, expected step(): end the rollout "
                    "first");
    const std::vector<uint8_t> wanted(mask.data(), mask.data() + mask.size());
    const std::vector<int64_t> all_seeds(seeds.data(), seeds.data() + seeds.size());
    const int64_t deadline_ns = deadline_after(timeout_s);
    while (!learner_.resettable(wanted)) {
        const uint32_t ready = learner_.num_ready();
        {
            const py::gil_scoped_release released;
            learner_.sleep_slice(ready + 1, uerl_wait_next_slice(0, deadline_ns));
        }
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        learner_.check_failures();
        if (uerl_now_ns() >= deadline_ns) throw_timeout(ready + 1, timeout_s);
    }
    wait_for_recorder();
    learner_.send_reset(wanted, all_seeds, options);
    tell_events();
}

void Batches::send_reset(const py::array_t<uint8_t>& mask, const py::array_t<int64_t>& seeds,
                         const std::string& options, double timeout_s) {
    translated([&] {
        const Guard guard(*this);
        begin_reset(mask, seeds, options, timeout_s);
    });
}

py::tuple Batches::reset(const py::array_t<uint8_t>& mask, const py::array_t<int64_t>& seeds,
                         const std::string& options, double timeout_s) {
    return translated([&] {
        const Guard guard(*this);
        for (;;) {
            begin_reset(mask, seeds, options, timeout_s);
            wait(learner_.num_pending(), timeout_s);
            if (has_enough_rows()) break;
            need_enough_rows();  // then what came back has yet to be reset
        }
        return take_and_deliver(all_lanes_, false);
    });
}

void Batches::send_skip() {
    translated([&] {
        const Guard guard(*this);
        learner_.send_skip(all_lanes_);
    });
}

void Batches::recv_skip(double timeout_s) {
    translated([&] {
        const Guard guard(*this);
        wait(learner_.num_pending(), timeout_s);
        learner_.take(all_lanes_);
    });
}

py::object Batches::current() {
    return translated([&] {
        const Guard guard(*this);
        return py::object(deliver(all_lanes_, false));
    });
}

}  // namespace uerl
