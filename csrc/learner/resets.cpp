// resets.cpp: resets of all envs or of some, also of those that are pending.
#include <algorithm>
#include <cstring>

#include "core/atomics.h"
#include "learner.hpp"

namespace uerl {

bool Learner::resettable(const std::vector<uint8_t>& mask) {
    num_ready();
    for (uint32_t env = 0; env < num_envs(); env++) {
        const Lane& lane = lanes_[env / envs_per_lane()];
        if (lane.masked) continue;
        // One superseding command for a lane; and its message area may still be being read.
        if (mask[env] &&
            (lane.outstanding > 1 || (lane.outstanding == 1 && lane.message_outstanding)))
            return false;
    }
    return true;
}

// Carries an env's rows from slot to slot: observations, infos, masks.
void Learner::copy_env(uint32_t env, uint32_t from, uint32_t to) {
    if (from == to) return;
    const uerl_segment& segment = memory_->segment;
    for (const uint32_t field : carried_fields_) {
        const uint32_t agents = segment.groups[segment.fields[field].group].rows_per_env;
        std::memcpy(uerl_segment_row(&segment, field, to, env * agents),
                    uerl_segment_row(&segment, field, from, env * agents),
                    agents * segment.fields[field].row_stride);
    }
    for (uint32_t group = 0; group < segment.header.num_groups; group++)
        stats.copied_rows += segment.groups[group].rows_per_env;
}

// An env that is skipped has no outcome; its simulator leaves these rows alone.
void Learner::clear_outcome(uint32_t env, uint32_t slot) {
    const uerl_segment& segment = memory_->segment;
    for (const uint32_t field : outcome_fields_) {
        const uint32_t agents = segment.groups[segment.fields[field].group].rows_per_env;
        std::memset(uerl_segment_row(&segment, field, slot, env * agents), 0,
                    agents * segment.fields[field].row_stride);
    }
}

// An outstanding command still reads its own action slot. A reset reads no action there, only words
// that nobody else sees: any other slot will do, held or not.
uint32_t Learner::action_slot_of_reset(uint32_t index) const {
    const Lane& lane = lanes_[index];
    if (lane.outstanding == 0 || lane.slot != lane.action_slot) return lane.slot;
    return (lane.slot + 1) % memory_->slots.num_slots();
}

void Learner::send_reset_to(uint32_t index, const std::vector<uint8_t>& mask,
                            const std::vector<int64_t>& seeds, uint32_t target) {
    Lane& lane = lanes_[index];
    const uint32_t action_slot = action_slot_of_reset(index);
    const uint32_t first = index * envs_per_lane();
    for (uint32_t env = first; env < first + envs_per_lane(); env++) {
        write_control(env, action_slot, mask[env] ? UERL_CONTROL_RESET : UERL_CONTROL_SKIP,
                      seeds[env]);
        was_reset_[env] = 0;
        skipped_[env] = !mask[env];
        if (!mask[env]) {
            copy_env(env, lane.slot, target);
            clear_outcome(env, target);
            continue;
        }
        write_parameters(env, action_slot);
        started_[env] = 1;
        ended_[env] = 0;
        elapsed_[env] = 0;
    }
    if (lane.ready) {  // its result was not delivered, and never will be
        lane.ready = false;
        ready_.erase(std::find(ready_.begin(), ready_.end(), index));
        stats.superseded++;
    }
    command(index, target, action_slot);
}

// Is every env of a pending lane to be reset, or was left alone by the pending command too?
bool Learner::covers_pending(uint32_t lane, const std::vector<uint8_t>& mask) const {
    const uint32_t first = lane * envs_per_lane();
    for (uint32_t env = first; env < first + envs_per_lane(); env++)
        if (!mask[env] && !skipped_[env]) return false;
    return true;
}

void Learner::check_reset(const std::vector<uint8_t>& mask) const {
    for (uint32_t lane = 0; lane < num_lanes(); lane++)
        if (pending(lane) && !covers_pending(lane, mask))
            throw Error(UERL_E_INVALID,
                        "lane " + std::to_string(lane) +
                            " is pending and not all of it is to be reset, expected idle rows: "
                            "receive its result first (recv)",
                        {lane});
}

// A lane that is left alone moves to the slot of the others, so that the batch stays one view.
void Learner::move_lane(uint32_t lane, uint32_t target) {
    const uint32_t first = lane * envs_per_lane();
    for (uint32_t env = first; env < first + envs_per_lane(); env++)
        copy_env(env, lanes_[lane].slot, target);
    place_lane(lane, target);
}

// Observers look for the last rows where this word says.
void Learner::place_lane(uint32_t lane, uint32_t slot) {
    lanes_[lane].slot = slot;
    store_relaxed_u32(&uerl_segment_commands(&segment(), lane)->slot, slot);
}

void Learner::send_reset(std::vector<uint8_t> mask, const std::vector<int64_t>& seeds,
                         const std::string& options) {
    if (masks_) look_for_returns();
    check_reset(mask);
    const bool partial = std::find(mask.begin(), mask.end(), 0) != mask.end();
    std::vector<uint32_t> all(num_lanes()), asked;
    for (uint32_t lane = 0; lane < num_lanes(); lane++) {
        all[lane] = lane;
        const auto begin = mask.begin() + static_cast<ptrdiff_t>(lane) * envs_per_lane();
        const auto end = begin + envs_per_lane();
        if (std::find(begin, end, 1) == end) continue;
        asked.push_back(lane);
        if (lanes_[lane].back) std::fill(begin, end, 1);  // it has just begun: all envs are new
        if (!options.empty() && (!lanes_[lane].masked || lanes_[lane].back))
            write_message(lane, UERL_MESSAGE_OPTIONS, options);
    }
    // In place if nobody looks; else every row moves.
    const uint32_t here = partial ? common_slot() : UINT32_MAX;
    const bool in_place = here != UINT32_MAX && !memory_->slots.held(here);
    const uint32_t target = in_place ? here : pick_slot(all);
    for (const uint32_t lane : all) {
        if (!std::binary_search(asked.begin(), asked.end(), lane)) {
            if (target != UINT32_MAX && !in_place) move_lane(lane, target);
        } else if (lanes_[lane].masked && !lanes_[lane].back) {
            fill_in(lane, slot_to_fill(lane, target), false);
        } else {
            if (lanes_[lane].masked) unmask(lane);
            send_reset_to(lane, mask, seeds,
                          target != UINT32_MAX ? target : pick_slot_of_lane(lane));
        }
    }
    broadcast(asked);
}

}  // namespace uerl
