// masked.cpp: lanes without a simulator. The learner makes their rows, so that all others go on.
//
//   pending --no lock, a failure--> masked --a successor is ready--> back --reset--> pending
//   pending --silent or damaged---> masked --it answers, or its lock is free--> as above
//
// A simulator that is silent but alive may still write to the slots of its outstanding commands:
// they stay blocked for this lane (free_for), until it answers or its lock is free.
#include <algorithm>
#include <cstring>

#include "core/atomics.h"
#include "core/ring.h"
#include "learner.hpp"

namespace uerl {

namespace {

constexpr uint32_t kMostViolations = 3;                 // then a lane's words are believed no more
constexpr int64_t kStillNs = INT64_C(300000000);        // three ticks of a simulator's watch
constexpr int64_t kCheckNs = INT64_C(100000000);        // between two checks, at most
constexpr int64_t kWholeNs = INT64_C(1000000000);       // between two looks at the file
constexpr int64_t kLongestLookNs = INT64_C(600000000);  // longer between two looks: we stood still

}  // namespace

void Learner::set_filled(uint32_t env, bool filled) {
    num_filled_ += static_cast<uint32_t>(filled) - filled_[env];
    filled_[env] = filled;
}

void Learner::drop_outstanding(Lane& lane) {
    if (lane.outstanding == 2) end_fill(lane.overtaken);
    if (lane.outstanding > 0) end_fill(lane.target);
    lane.outstanding = 0;
    lane.message_outstanding = false;
}

void Learner::mask(uint32_t index, Change change, const std::string& text) {
    Lane& lane = lanes_[index];
    const bool may_write = change == Change::late || change == Change::corrupt;
    const bool in_place =
        lane.slot == lane.target || (lane.outstanding == 2 && lane.slot == lane.overtaken);
    const uint64_t committed = lane.sequence - lane.outstanding;
    if (change == Change::late)
        count_late(index);
    else
        count_lost(index);
    outstanding_.erase(std::remove(outstanding_.begin(), outstanding_.end(), index),
                       outstanding_.end());
    if (!may_write) drop_outstanding(lane);
    lane.masked = true;
    lane.back = false;
    lane.barred = change == Change::corrupt;
    if (may_write) say_late(index, lane.generation);
    if (change == Change::corrupt) {  // nobody can tell what it will do next: it is to leave
        store_relaxed_u32(&uerl_segment_commands(&segment(), index)->fence, lane.generation);
    }
    num_masked_++;
    losses_[index] = text + "; its last committed step was command " + std::to_string(committed);
    events_.push_back({index, change, losses_[index]});
    fill_in(index, may_write ? slot_to_fill(index, UINT32_MAX) : lane.target, true, in_place);
}

// For those who watch from outside: uerl-shm-probe, observers.
void Learner::say_late(uint32_t index, uint32_t generation) {
    store_relaxed_u32(&uerl_segment_commands(&segment(), index)->late, generation);
}

// Where the learner makes a masked lane's rows: in `wanted` unless the lane's simulator may write
// there, else in any slot that is free for the lane, else where they are.
uint32_t Learner::slot_to_fill(uint32_t index, uint32_t wanted) const {
    if (wanted != UINT32_MAX && settled({wanted, index, 1})) return wanted;
    const uint32_t slot = pick_slot({index});
    return slot != UINT32_MAX ? slot : lanes_[index].slot;
}

// Makes a lane's rows: the last valid observation, reward 0, truncated where this ends an episode.
// in_place: the simulator was to write where the last rows are, and may have begun: nothing is
// valid of envs that it was to reset.
void Learner::fill_in(uint32_t index, uint32_t slot, bool is_new, bool in_place) {
    Lane& lane = lanes_[index];
    begin_fill(slot);
    const uint32_t first = index * envs_per_lane();
    for (uint32_t env = first; env < first + envs_per_lane(); env++) {
        const bool truncated = owes_[env] || (is_new && is_running(env));
        owes_[env] = truncated && skipped_[env];  // a reset's batch has no outcome to say it in
        if (lane.has_rows && (!in_place || skipped_[env]))
            copy_env(env, lane.slot, slot);
        else
            zero_env(env, slot);
        write_outcome(env, slot, truncated);
        if (truncated && !memory_->slots.held(slot)) copy_final(env, slot);
        was_reset_[env] = 0;
        skipped_[env] = 0;
        set_filled(env, true);
    }
    end_fill(slot);
    lane.failed = false;
    lane.result_slot = slot;
    if (lane.ready) return;
    lane.ready = true;
    ready_.push_back(index);
}

// Is an episode of this env cut off now?
bool Learner::is_running(uint32_t env) const {
    const bool ended = ended_[env] && autoreset_mode() != UERL_AUTORESET_SAME_STEP;
    return started_[env] && !ended && !filled_[env] && !was_reset_[env];
}

void Learner::write_outcome(uint32_t env, uint32_t slot, bool truncated) {
    clear_outcome(env, slot);
    const uerl_segment& segment = memory_->segment;
    for (const uint32_t field : outcome_fields_) {
        if (segment.fields[field].role != UERL_ROLE_TRUNCATED) continue;
        const uint32_t agents = segment.groups[segment.fields[field].group].rows_per_env;
        std::memset(uerl_segment_row(&segment, field, slot, env * agents), truncated, agents);
    }
}

// SAME_STEP: an episode that is cut off ends with its last valid rows.
void Learner::copy_final(uint32_t env, uint32_t slot) {
    const uerl_segment& segment = memory_->segment;
    for (const auto& [from, to] : final_fields_) {
        const uint32_t agents = segment.groups[segment.fields[to].group].rows_per_env;
        std::memcpy(uerl_segment_row(&segment, to, slot, env * agents),
                    uerl_segment_row(&segment, from, slot, env * agents),
                    agents * segment.fields[to].row_stride);
    }
}

// No row is valid: its simulator was lost before its first result, or amid a reset in place.
void Learner::zero_env(uint32_t env, uint32_t slot) {
    const uerl_segment& segment = memory_->segment;
    for (const uint32_t field : carried_fields_) {
        const uint32_t agents = segment.groups[segment.fields[field].group].rows_per_env;
        std::memset(uerl_segment_row(&segment, field, slot, env * agents), 0,
                    agents * segment.fields[field].row_stride);
    }
}

// Does nobody write to the rows of this run any more?
bool Learner::settled(const Run& run) const {
    if (num_masked_ == 0) return true;
    for (uint32_t index = run.first_lane; index < run.first_lane + run.num_lanes; index++) {
        const Lane& lane = lanes_[index];
        if (!lane.masked || lane.outstanding == 0) continue;
        if (run.slot == lane.target || (lane.outstanding == 2 && run.slot == lane.overtaken))
            return false;
    }
    return true;
}

uint32_t Learner::num_rows_served() const {
    uint32_t rows = 0;
    for (const Lane& lane : lanes_)
        if (!lane.masked || lane.back)
            for (uint32_t group = 0; group < segment().header.num_groups; group++)
                rows += rows_per_lane(group);
    return rows;
}

// Looking -----------------------------------------------------------------------------------------

// "simulator of lane 2 (envs 4 to 5)"
std::string Learner::name_of(uint32_t lane) const {
    const uint32_t first = lane * envs_per_lane(), last = first + envs_per_lane() - 1;
    return "simulator of lane " + std::to_string(lane) +
           (first == last ? " (env " + std::to_string(first)
                          : " (envs " + std::to_string(first) + " to " + std::to_string(last)) +
           ")";
}

int64_t Learner::next_deadline_ns() const {
    int64_t first_ns = INT64_MAX;
    if (!masks_ || step_deadline_ns_ == INT64_MAX) return first_ns;
    for (const uint32_t lane : outstanding_)
        first_ns = std::min(first_ns, lanes_[lane].sent_ns + step_deadline_ns_);
    return first_ns;
}

// Stopped, or busy elsewhere, for long: then silence says little about the simulators.
void Learner::note_look() {
    const int64_t now_ns = uerl_now_ns();
    const int64_t most_ns = std::min(kLongestLookNs, step_deadline_ns_ / 2);
    const int64_t paused_ns = std::max<int64_t>(now_ns - looked_ns_ - most_ns, 0);
    looked_ns_ = now_ns;
    paused_ns_ += paused_ns;
    for (const uint32_t lane : outstanding_) lanes_[lane].sent_ns += paused_ns;
}

// Does the thread of its simulator's library run? Unknown where nobody has looked for long enough.
std::string Learner::life_of(const Lane& lane) const {
    if (looked_ns_ - lane.moved_ns > kStillNs)
        return " (its process stands still: it is stopped, or gets no processor)";
    const bool moved_since = lane.moved_ns - lane.sent_ns > kStillNs;
    return moved_since ? " (its process runs: it is busy, or hangs)" : "";
}

void Learner::mask_missing() {
    note_look();
    const int64_t now_ns = checked_ns_ = looked_ns_;
    for (const uint32_t index : std::vector<uint32_t>(outstanding_)) {
        Lane& lane = lanes_[index];
        const uint64_t alive = load_relaxed_u64(&uerl_segment_results(&segment(), index)->alive);
        if (alive != lane.alive) lane.moved_ns = now_ns;
        lane.alive = alive;
        lane.violations += lane.corrupt;  // once a look, not once a spin
        const bool left = has_left(index);
        // Committed before it died? Then it counts. Its lock was seen free: nothing more can come.
        if (poll(index)) continue;
        const std::string name = name_of(index);
        if (left)
            mask(index, Change::lost,
                 name + " is gone, expected a result of its command " +
                     std::to_string(lane.sequence));
        else if (lane.violations >= kMostViolations)
            mask_corrupt(index);
        else if (now_ns - lane.sent_ns > step_deadline_ns_)
            mask(index, Change::late,
                 name + " was silent for " + std::to_string((now_ns - lane.sent_ns) / 1000000) +
                     " ms, expected a result within step_deadline_s=" + life_of(lane));
    }
    num_ready();
}

void Learner::mask_corrupt(uint32_t index) {
    mask(index, Change::corrupt,
         name_of(index) + " wrote impossible values " + std::to_string(lanes_[index].violations) +
             " times, expected results of its commands");
}

void Learner::check_failed_ready() {
    const auto is_bad = [this](uint32_t lane) {
        const Lane& its = lanes_[lane];
        return its.failed || (masks_ && !its.masked && its.violations >= kMostViolations);
    };
    if (std::none_of(ready_.begin(), ready_.end(), is_bad)) return;
    for (const uint32_t lane : std::vector<uint32_t>(ready_)) {
        if (!is_bad(lane)) continue;
        const std::string text = name_of(lane) + " failed: " + message_of(lane);
        if (!masks_) throw Error(UERL_E_CLOSED, text, {lane});
        if (lanes_[lane].failed)
            mask(lane, Change::failed, text);
        else
            mask_corrupt(lane);
    }
}

void Learner::take_late_results(uint32_t index) {
    Lane& lane = lanes_[index];
    const uerl_lane_results* shared = uerl_segment_results(&segment(), index);
    uerl_lane_commands* mine = uerl_segment_commands(&segment(), index);
    for (int count = uerl_ring_peek(&shared->write_index, lane.read_index); count > 0; count--) {
        const uerl_result result = shared->results[lane.read_index % UERL_RING_CAPACITY];
        uerl_ring_advance(&mine->read_index, &lane.read_index);
        if (result.generation != lane.generation) continue;
        stats.discarded++;
        if (result.sequence == lane.sequence) drop_outstanding(lane);
    }
}

// A successor: it adopted the rings' indices before it said that it is ready.
void Learner::adopt(uint32_t index) {
    Lane& lane = lanes_[index];
    const uerl_lane_results* shared = uerl_segment_results(&segment(), index);
    // The indices that the simulator adopted are visible with it. Pairs with [G].
    lane.generation = load_acquire_u32(&shared->generation);
    lane.read_index = load_relaxed_u32(&shared->write_index);
    store_relaxed_u32(&uerl_segment_commands(&segment(), index)->read_index, lane.read_index);
    lane.messages_seen = load_relaxed_u32(&shared->message_count);
    lane.violations = 0;
    lane.corrupt = false;
    lane.barred = false;
    lane.back = true;
    events_.push_back({index, Change::back, ""});
}

void Learner::look_for_returns() {
    note_look();
    if (looked_ns_ - whole_ns_ > kWholeNs) {
        check_whole(true);
        whole_ns_ = looked_ns_;
    }
    // Where others always answer first, nobody waits for those that are gone.
    if (!outstanding_.empty() && looked_ns_ - checked_ns_ > kCheckNs) check_failures();
    if (num_masked_ == 0) return;
    for (uint32_t index = 0; index < num_lanes(); index++) {
        Lane& lane = lanes_[index];
        if (!lane.masked || lane.back) continue;
        if (lane.outstanding > 0) {
            // First the lock, then the ring: what it committed before it died is there to be seen.
            const bool left = has_left(index);
            if (!lane.barred) take_late_results(index);
            if (!left && lane.outstanding > 0) continue;
            say_late(index, 0);
            if (!left) {
                lane.back = true;
                events_.push_back({index, Change::back, ""});
                continue;
            }
            drop_outstanding(lane);
            if (!lane.barred) count_lost(index);  // else it was counted when it was barred
            const char* before = lane.barred ? "wrote impossible values" : "was late";
            lane.barred = false;
            events_.push_back(
                {index, Change::lost, name_of(index) + " is gone, after it " + before});
        }
        if (has_successor(index)) adopt(index);
    }
}

void Learner::unmask(uint32_t index) {
    Lane& lane = lanes_[index];
    lane.masked = false;
    lane.back = false;
    num_masked_--;
    losses_[index].clear();
    const uint32_t first = index * envs_per_lane();
    for (uint32_t env = first; env < first + envs_per_lane(); env++) {
        set_filled(env, false);
        owes_[env] = 0;
        started_[env] = 1;
    }
}

// Only reads what belongs to the stepping thread: a masked lane changes nowhere but under the lock
// of the interpreter, which the caller holds.
bool Learner::fence(uint32_t index) {
    const Lane& lane = lanes_[index];
    if (!lane.masked || lane.back || lane.outstanding == 0) return false;
    const int count =
        uerl_ring_peek(&uerl_segment_results(&segment(), index)->write_index, lane.read_index);
    if (!lane.barred && count >= static_cast<int>(lane.outstanding)) return false;
    store_relaxed_u32(&uerl_segment_commands(&segment(), index)->fence, lane.generation);
    return true;
}

bool Learner::has_successor(uint32_t index) const {
    // Only looked at; adopt() reads what is visible with it. Pairs with [G].
    const uint32_t generation =
        load_acquire_u32(&uerl_segment_results(&segment(), index)->generation);
    return generation != lanes_[index].generation && lane_locked(index) &&
           lane_state(index) == UERL_LANE_READY;
}

void Learner::forget_losses(const std::vector<uint32_t>& lanes) {
    if (num_masked_ == 0) return;
    for (const uint32_t lane : lanes) losses_[lane].clear();
}

}  // namespace uerl
