// commands.cpp: what the learner asks of its simulators, and where they write the answers.
#include <algorithm>
#include <cstring>

#include "core/atomics.h"
#include "core/ring.h"
#include "learner.hpp"

namespace uerl {

// Slots -------------------------------------------------------------------------------------------

bool Learner::free_for(uint32_t slot, uint32_t index) const {
    const Lane& lane = lanes_[index];
    if (memory_->slots.held(slot, index) || (lane.has_rows && slot == lane.slot)) return false;
    return lane.outstanding == 0 ||
           (slot != lane.target && (lane.outstanding == 1 || slot != lane.overtaken));
}

// The most recently freed slot that is free for all of `lanes`, or UINT32_MAX.
uint32_t Learner::pick_slot(const std::vector<uint32_t>& lanes) const {
    uint32_t best = UINT32_MAX;
    for (uint32_t slot = 0; slot < memory_->slots.num_slots(); slot++) {
        if (best != UINT32_MAX &&
            memory_->slots.released_at(slot) < memory_->slots.released_at(best))
            continue;
        if (std::all_of(lanes.begin(), lanes.end(),
                        [&](uint32_t lane) { return free_for(slot, lane); }))
            best = slot;
    }
    return best;
}

// A slot for one lane; at worst the one it wrote last, if nobody looks at it.
uint32_t Learner::pick_slot_of_lane(uint32_t index) const {
    const Lane& lane = lanes_[index];
    const uint32_t slot = pick_slot({index});
    if (slot != UINT32_MAX) return slot;
    if (lane.outstanding > 0 && lane.target != lane.slot) return lane.target;
    if (!memory_->slots.held(lane.slot, index)) return lane.slot;
    throw Error(UERL_E_FULL,
                "lane " + std::to_string(index) + " has no free slot among " +
                    std::to_string(memory_->slots.num_slots()) + ", expected one: raise slots=",
                {index});
}

// Were these consecutive slots held, would each of the run's lanes still have a slot to write to?
bool Learner::can_hold(const Run& run, uint32_t num_slots) const {
    const SlotTable& slots = memory_->slots;
    const auto outside = [&](uint32_t slot) {
        return slot < run.slot || slot >= run.slot + num_slots;
    };
    for (uint32_t slot = 0; slot < slots.num_slots(); slot++)
        if (outside(slot) && !slots.held(slot)) return true;
    for (uint32_t lane = run.first_lane; lane < run.first_lane + run.num_lanes; lane++) {
        bool found = false;
        for (uint32_t slot = 0; !found && slot < slots.num_slots(); slot++)
            found = outside(slot) && !slots.held(slot, lane);
        if (!found) return false;
    }
    return true;
}

uint32_t Learner::common_slot() const {
    for (const Lane& lane : lanes_)
        if (lane.outstanding > 0 || lane.ready || lane.slot != lanes_[0].slot) return UINT32_MAX;
    return lanes_[0].slot;
}

// An observer's copy is whole if the slot's epoch was the same even number before and after it.
void Learner::begin_fill(uint32_t slot) {
    if (filling_[slot]++ > 0) return;
    store_relaxed_u32(&slot_epochs_[slot], slot_epochs_[slot] + 1);
    // Odd before any row changes; commands are published after it. Pairs with [O] in the observer.
    fence_release();
}

void Learner::end_fill(uint32_t slot) {
    if (--filling_[slot] > 0) return;
    // Even after every row; the results were acquired. Pairs with [O] in the observer.
    store_release_u32(&slot_epochs_[slot], slot_epochs_[slot] + 1);
}

// Commands ----------------------------------------------------------------------------------------

void Learner::publish(uint32_t index, uint32_t kind, uint32_t slot, uint32_t action_slot) {
    Lane& lane = lanes_[index];
    uerl_lane_commands* shared = uerl_segment_commands(&segment(), index);
    shared->commands[lane.write_index % UERL_RING_CAPACITY] = {
        ++lane.sequence, lane.generation, action_slot, slot, kind, lane.messages_sent, {}};
    uerl_ring_publish(&shared->write_index, &lane.write_index);
}

void Learner::command(uint32_t index, uint32_t slot, uint32_t action_slot) {
    Lane& lane = lanes_[index];
    if (lane.outstanding == 0)
        outstanding_.push_back(index);
    else
        lane.overtaken = lane.target;
    begin_fill(slot);
    lane.target = slot;
    lane.action_slot = action_slot;
    if (masks_) lane.sent_ns = looked_ns_;
    lane.outstanding++;
    publish(index, UERL_COMMAND_GO, slot, action_slot);
}

void Learner::broadcast(const std::vector<uint32_t>& lanes) {
    store_relaxed_u32(&header_->command_epoch, header_->command_epoch + 1);
    store_relaxed_u64(&header_->progress, header_->progress + 1);
    publish_stats();
    // [L] Publish before the look for sleepers; a simulator announces its sleep before its last
    // look at the ring. Pairs with [S] in the simulator.
    fence_seq_cst();
    if (load_relaxed_u32(&header_->num_waiting) == 0) return;
    uint32_t bits = 0;
    for (const uint32_t lane : lanes) bits |= uerl_futex_lane_bit(lane);
    uerl_futex_wake(&header_->command_epoch, INT32_MAX, bits);
}

void Learner::write_control(uint32_t env, uint32_t action_slot, uint32_t control, int64_t seed) {
    const uerl_segment& segment = memory_->segment;
    for (size_t group = 0; group < control_fields_.size(); group++) {
        const uint32_t agents = segment.groups[group].rows_per_env;
        uint8_t* controls =
            uerl_segment_row(&segment, control_fields_[group], action_slot, env * agents);
        uint8_t* seeds = uerl_segment_row(&segment, seed_fields_[group], action_slot, env * agents);
        for (uint32_t agent = 0; agent < agents; agent++) {
            controls[agent] = static_cast<uint8_t>(control);
            std::memcpy(seeds + agent * sizeof seed, &seed, sizeof seed);
        }
    }
}

void Learner::write_parameters(uint32_t env, uint32_t action_slot) {
    const uint32_t agents = segment().groups[0].rows_per_env;
    for (size_t i = 0; i < parameter_fields_.size(); i++)
        for (uint32_t agent = 0; agent < agents; agent++)
            std::memcpy(uerl_segment_row(&segment(), parameter_fields_[i], action_slot,
                                         env * agents + agent),
                        &parameters_[i][env], sizeof(double));
}

void Learner::set_parameter(uint32_t index, uint32_t env, double value) {
    parameters_.at(index).at(env) = value;
}

uint8_t* Learner::action_rows(uint32_t field, uint32_t lane) const {
    const uint32_t rows = rows_per_lane(segment().fields[field].group);
    return uerl_segment_row(&segment(), field, lanes_[lane].slot, lane * rows);
}

void Learner::check_step(const std::vector<uint32_t>& lanes) const {
    for (const uint32_t lane : lanes) {
        if (pending(lane))
            throw Error(UERL_E_INVALID,
                        "lane " + std::to_string(lane) +
                            " is pending, expected idle rows: receive its result first (recv), or "
                            "reset()",
                        {lane});
        if (any_order_ || lanes_[lane].masked) continue;
        const uint32_t first = lane * envs_per_lane();
        for (uint32_t env = first; env < first + envs_per_lane(); env++) {
            if (!started_[env])
                throw Error(UERL_E_INVALID,
                            "env " + std::to_string(env) +
                                " was stepped before its first reset, expected reset() first: call "
                                "reset()",
                            {lane});
            if (ended_[env] && autoreset_mode() == UERL_AUTORESET_DISABLED)
                throw Error(UERL_E_INVALID,
                            "env " + std::to_string(env) +
                                " has ended, expected a reset before its next step: call "
                                "reset(options={\"reset_mask\": terminated | truncated})",
                            {lane});
        }
    }
}

void Learner::send_step(const std::vector<uint32_t>& lanes, uint32_t target) {
    if (masks_) look_for_returns();
    if (target == UINT32_MAX) target = pick_slot(lanes);
    const bool resets = autoreset_mode() == UERL_AUTORESET_NEXT_STEP;
    const bool writes_parameters =
        autoreset_mode() == UERL_AUTORESET_SAME_STEP && !parameter_fields_.empty();
    for (const uint32_t lane : lanes) {
        if (lanes_[lane].masked && !lanes_[lane].back) {
            fill_in(lane, slot_to_fill(lane, target), false);
            continue;
        }
        const bool is_back = lanes_[lane].masked;
        if (is_back) unmask(lane);
        if (num_posted_ > 0) send_posted(lane);
        const uint32_t action_slot = lanes_[lane].slot;
        const uint32_t first = lane * envs_per_lane();
        for (uint32_t env = first; env < first + envs_per_lane(); env++) {
            was_reset_[env] = is_back || (resets && ended_[env]);
            skipped_[env] = 0;
            write_control(env, action_slot,
                          was_reset_[env] ? UERL_CONTROL_RESET : UERL_CONTROL_STEP, -1);
            if (was_reset_[env] || writes_parameters) write_parameters(env, action_slot);
        }
        command(lane, target != UINT32_MAX ? target : pick_slot_of_lane(lane), action_slot);
    }
    broadcast(lanes);
}

void Learner::send_skip(const std::vector<uint32_t>& lanes) {
    for (const uint32_t lane : lanes)
        if (pending(lane))
            throw Error(UERL_E_INVALID,
                        "lane " + std::to_string(lane) +
                            " is pending, expected idle rows: receive its result first (recv)",
                        {lane});
    for (const uint32_t lane : lanes) {
        const uint32_t slot = lanes_[lane].slot;
        const uint32_t first = lane * envs_per_lane();
        for (uint32_t env = first; env < first + envs_per_lane(); env++)
            write_control(env, slot, UERL_CONTROL_SKIP, -1);
        command(lane, slot, slot);
    }
    broadcast(lanes);
}

// Rollouts ----------------------------------------------------------------------------------------

bool Learner::block_free(uint32_t first, uint32_t num_steps, uint32_t except) const {
    const uint32_t num_slots = memory_->slots.num_slots();
    if (num_steps > num_slots || first > num_slots - num_steps) return false;
    for (uint32_t slot = first; slot < first + num_steps; slot++)
        if (slot != except && (memory_->slots.held(slot) || !settled({slot, 0, num_lanes()})))
            return false;
    return can_hold({first, 0, num_lanes()}, num_steps);
}

uint32_t Learner::begin_rollout(uint32_t num_steps) {
    const uint32_t here = common_slot();
    if (here != UINT32_MAX && block_free(here, num_steps, here)) return here;
    for (uint32_t first = 0; first + num_steps <= memory_->slots.num_slots(); first++) {
        if (!block_free(first, num_steps, UINT32_MAX)) continue;
        if (here != UINT32_MAX && here >= first && here < first + num_steps) continue;
        for (uint32_t env = 0; env < num_envs(); env++)
            copy_env(env, lanes_[env / envs_per_lane()].slot, first);
        for (uint32_t lane = 0; lane < num_lanes(); lane++) place_lane(lane, first);
        store_relaxed_u32(&header_->slot, first);
        return first;
    }
    return UINT32_MAX;
}

uint32_t Learner::slot_after_rollout(uint32_t first, uint32_t num_steps) const {
    const uint32_t end = first + num_steps;
    if (block_free(end, num_steps, UINT32_MAX)) return end;
    for (uint32_t next = 0; next + num_steps <= memory_->slots.num_slots(); next++)
        if ((next + num_steps <= first || next >= end) && block_free(next, num_steps, UINT32_MAX))
            return next;
    return UINT32_MAX;
}

}  // namespace uerl
