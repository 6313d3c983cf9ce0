// learner.cpp: making the segment, simulators coming, results, waiting, the end.
#include "learner.hpp"

#include <algorithm>
#include <cstring>

#include "clean_text.hpp"
#include "core/atomics.h"
#include "core/error.h"
#include "core/lock.h"
#include "core/ring.h"

namespace uerl {

namespace {

void check(int error) {
    if (error != UERL_OK) throw Error(error, uerl_last_error());
}

std::string list_lanes(const std::vector<uint32_t>& lanes) {
    std::string text;
    for (size_t i = 0; i < lanes.size() && i < 8; i++)
        text += (i == 0 ? "" : ", ") + std::to_string(lanes[i]);
    return lanes.size() > 8 ? text + ", ..." : text;
}

// The field that holds, for running episodes, what field `index` holds of ended ones.
uint32_t plain_field_of(const uerl_segment& segment, uint32_t index) {
    const uerl_field& final_field = segment.fields[index];
    for (uint32_t i = 0; i < segment.header.num_fields; i++)
        if (segment.fields[i].group == final_field.group &&
            std::string("final_") + segment.fields[i].name == final_field.name)
            return i;
    return index;
}

}  // namespace

void lay_out(Config& config) {
    uerl_header& header = config.header;
    header.num_groups = static_cast<uint32_t>(config.groups.size());
    header.num_fields = static_cast<uint32_t>(config.fields.size());
    header.text_bytes = static_cast<uint32_t>(config.text.size());
    check(uerl_spec_layout(&header, config.groups.data(), config.fields.data()));
}

Learner::Learner(Config config)
    : step_deadline_ns_(config.step_deadline_ns),
      masks_(config.masks),
      any_order_(config.any_order) {
    lay_out(config);
    const uerl_header& header = config.header;
    memory_ = std::make_shared<Memory>(header.num_slots, header.num_lanes);
    check(uerl_segment_create(&memory_->segment, config.name.c_str(), &header, config.groups.data(),
                              config.fields.data(), config.text.data(), config.mode, config.gid));
    prepare_lanes();
}

void Learner::prepare_lanes() {
    const uerl_segment& segment = memory_->segment;
    header_ = uerl_segment_header(&segment);
    slot_epochs_ = uerl_segment_slot_epochs(&segment);
    lanes_.resize(num_lanes());
    outstanding_.reserve(num_lanes());
    ready_.reserve(num_lanes());
    taken_.reserve(num_lanes());
    ended_.assign(num_envs(), 0);
    started_.assign(num_envs(), 0);
    was_reset_.assign(num_envs(), 0);
    skipped_.assign(num_envs(), 0);
    filled_.assign(num_envs(), 0);
    owes_.assign(num_envs(), 0);
    elapsed_.assign(num_envs(), 0);
    posted_.resize(num_lanes());
    looked_ns_ = uerl_now_ns();
    losses_.resize(num_lanes());
    filling_.assign(segment.header.num_slots, 0);
    for (uint32_t i = 0; i < segment.header.num_fields; i++) {
        const uint32_t role = segment.fields[i].role;
        if (role == UERL_ROLE_CONTROL) control_fields_.push_back(i);
        if (role == UERL_ROLE_SEED) seed_fields_.push_back(i);
        if (role == UERL_ROLE_PARAMETER) parameter_fields_.push_back(i);
        if (role == UERL_ROLE_OBSERVATION || role == UERL_ROLE_INFO || role == UERL_ROLE_MASK)
            carried_fields_.push_back(i);
        if (role == UERL_ROLE_REWARD || role == UERL_ROLE_TERMINATED || role == UERL_ROLE_TRUNCATED)
            outcome_fields_.push_back(i);
        if (role == UERL_ROLE_FINAL_OBSERVATION || role == UERL_ROLE_FINAL_INFO)
            final_fields_.emplace_back(plain_field_of(segment, i), i);
    }
    parameters_.assign(parameter_fields_.size(), std::vector<double>(num_envs(), 0.0));
    uerl_wait_init(&wait_, num_lanes() + 1);
}

Learner::~Learner() { close(); }

void Learner::close() {
    if (closed_) return;
    closed_ = true;
    if (uerl_segment_inherited(&memory_->segment)) return;  // a forked child ends: not the learner
    // First the name: who is told to leave looks for the next learner at once.
    uerl_segment_unlink(&memory_->segment);
    std::vector<uint32_t> all(num_lanes());
    for (uint32_t lane = 0; lane < num_lanes(); lane++) {
        all[lane] = lane;
        // Where the ring is full of commands that nobody read, the word `closed` has to do.
        const uint32_t* read_index = &uerl_segment_results(&segment(), lane)->read_index;
        if (lanes_[lane].generation != 0 &&
            uerl_ring_room(read_index, lanes_[lane].write_index) > 0)
            publish(lane, UERL_COMMAND_CLOSE, 0, 0);
    }
    store_relaxed_u32(&header_->closed, 1);
    broadcast(all);
    // Simulators that still hold a lane see "closed"; whoever attaches later finds no living owner.
    uerl_segment_unlock(&memory_->segment);
}

bool Learner::recorder_is_behind() {
    uint64_t deliveries = 0;
    for (const Lane& lane : lanes_) deliveries += lane.read_index - (lane.ready ? 1 : 0);
    return recorder_.is_behind(segment().lock_fd, deliveries, uerl_now_ns());
}

uint32_t Learner::look_for_simulators() {
    uint32_t count = 0;
    for (uint32_t i = 0; i < num_lanes(); i++) {
        Lane& lane = lanes_[i];
        if (lane.sequence == 0) {  // until its first command it may leave and be replaced
            const uerl_lane_results* results = uerl_segment_results(&segment(), i);
            // [H] The indices that the simulator adopted are visible with it. Pairs with [G].
            const uint32_t generation = load_acquire_u32(&results->generation);
            // The generation may be a dead predecessor's, and the lock its successor's.
            const bool ready = lane_locked(i) && lane_state(i) == UERL_LANE_READY;
            lane.generation = ready ? generation : 0;
            lane.read_index = load_relaxed_u32(&results->write_index);
        }
        count += lane.generation != 0;
    }
    return count;
}

bool Learner::lane_locked(uint32_t lane) const {
    return uerl_lock_probe(segment().lock_fd, UERL_LOCK_LANES + static_cast<int64_t>(lane)) ==
           UERL_LOCK_HELD;
}

uint32_t Learner::lane_state(uint32_t lane) const {
    return load_relaxed_u32(&uerl_segment_results(&segment(), lane)->state);
}

// Results -----------------------------------------------------------------------------------------

void Learner::take_result(uint32_t index) {
    Lane& lane = lanes_[index];
    uerl_lane_results* shared = uerl_segment_results(&segment(), index);
    uerl_lane_commands* mine = uerl_segment_commands(&segment(), index);
    const uerl_result result = shared->results[lane.read_index % UERL_RING_CAPACITY];
    uerl_ring_advance(&mine->read_index, &lane.read_index);
    if (lane.outstanding == 2 && result.sequence == lane.sequence - 1) {
        lane.outstanding = 1;
        stats.superseded++;
        end_fill(lane.overtaken);
        return;
    }
    if (result.generation != lane.generation || lane.outstanding == 0 ||
        result.sequence != lane.sequence) {
        stats.violations++;
        lane.violations++;
        return;
    }
    if (lane.outstanding == 2) end_fill(lane.overtaken);
    lane.outstanding = 0;
    lane.message_outstanding = false;
    take_message(index);
    lane.failed = result.status != UERL_RESULT_OK;
    lane.ready = true;
    lane.result_slot = lane.target;
    ready_.push_back(index);
    end_fill(lane.target);
}

// Looks at one lane's results; true when its last command is answered. Never throws: a damaged lane
// must not keep the others from being looked at.
bool Learner::poll(uint32_t index) {
    Lane& lane = lanes_[index];
    const uerl_lane_results* results = uerl_segment_results(&segment(), index);
    int count = uerl_ring_peek(&results->write_index, lane.read_index);
    const bool corrupt = count == UERL_E_CORRUPT;
    stats.violations += corrupt && !lane.corrupt;
    lane.corrupt = corrupt;
    for (; count > 0 && !lane.ready; count--) take_result(index);
    return lane.ready;
}

void Learner::check_corrupt() const {
    for (const uint32_t lane : outstanding_)
        if (lanes_[lane].corrupt)
            throw Error(UERL_E_CORRUPT,
                        "result ring of lane " + std::to_string(lane) +
                            " has an impossible write index, expected at most 4 results: restart "
                            "that simulator",
                        {lane});
}

uint32_t Learner::num_ready() {
    outstanding_.erase(std::remove_if(outstanding_.begin(), outstanding_.end(),
                                      [this](uint32_t lane) { return poll(lane); }),
                       outstanding_.end());
    return static_cast<uint32_t>(ready_.size());
}

std::vector<uint32_t> Learner::peek_ready(uint32_t max_lanes) const {
    const size_t count = std::min<size_t>(max_lanes, ready_.size());
    std::vector<uint32_t> lanes(ready_.begin(), ready_.begin() + static_cast<ptrdiff_t>(count));
    std::sort(lanes.begin(), lanes.end());
    return lanes;
}

void Learner::take(const std::vector<uint32_t>& lanes) {
    taken_.clear();
    for (const uint32_t index : lanes) {
        Lane& lane = lanes_[index];
        if (!lane.ready) continue;  // idle: its last rows are delivered once more
        taken_.push_back(index);
        lane.ready = false;
        lane.slot = lane.result_slot;
        lane.has_rows = true;
        store_relaxed_u32(&uerl_segment_commands(&segment(), index)->slot, lane.slot);
    }
    ready_.erase(std::remove_if(ready_.begin(), ready_.end(),
                                [this](uint32_t lane) { return !lanes_[lane].ready; }),
                 ready_.end());
}

void Learner::put_back() {
    for (const uint32_t lane : taken_) lanes_[lane].ready = true;
    ready_.insert(ready_.begin(), taken_.begin(), taken_.end());
    taken_.clear();
}

std::vector<Run> Learner::runs_of(const std::vector<uint32_t>& lanes) const {
    std::vector<Run> runs;
    for (const uint32_t lane : lanes) {
        const uint32_t slot = lanes_[lane].slot;
        if (!runs.empty() && runs.back().slot == slot &&
            runs.back().first_lane + runs.back().num_lanes == lane)
            runs.back().num_lanes++;
        else
            runs.push_back({slot, lane, 1});
    }
    return runs;
}

void Learner::count_delivery(uint64_t rows, bool whole, uint32_t slot) {
    stats.steps += rows;
    stats.batches++;
    if (whole) store_relaxed_u32(&header_->slot, slot);
    store_relaxed_u64(&header_->steps, stats.steps);
    store_relaxed_u64(&header_->batches, stats.batches);
    publish_stats();
}

// For observers. Steps and batches go up with deliveries only, what was waited when a wait ends.
void Learner::publish_stats() {
    store_relaxed_u64(&header_->copied_batches, stats.copied_batches);
    store_relaxed_u64(&header_->gathered_rows, stats.gathered_rows);
    store_relaxed_u64(&header_->copied_rows, stats.copied_rows);
    store_relaxed_u64(&header_->superseded, stats.superseded);
    store_relaxed_u64(&header_->discarded, stats.discarded);
    store_relaxed_u64(&header_->violations, stats.violations);
    store_relaxed_u64(&header_->dropped_messages, stats.dropped_messages);
    store_relaxed_u32(&header_->held_slots, memory_->slots.num_held());
}

void Learner::count_late(uint32_t lane) {
    stats.late++;
    store_relaxed_u32(&uerl_segment_commands(&segment(), lane)->num_late, ++lanes_[lane].num_late);
}

void Learner::count_lost(uint32_t lane) {
    stats.lost++;
    store_relaxed_u32(&uerl_segment_commands(&segment(), lane)->num_lost, ++lanes_[lane].num_lost);
}

// Waiting -----------------------------------------------------------------------------------------

namespace {

struct Wanted {
    Learner* learner;
    uint32_t need;
};

bool enough_ready(void* context) {
    const Wanted* wanted = static_cast<Wanted*>(context);
    return wanted->learner->num_ready() >= wanted->need;
}

}  // namespace

bool Learner::wait_busy(uint32_t need, int64_t deadline_ns) {
    Wanted wanted{this, need};
    store_relaxed_u32(&header_->cpu, static_cast<uint32_t>(uerl_cpu()));
    int peer_cpu = -1;
    if (num_lanes() == 1)
        peer_cpu = static_cast<int>(load_relaxed_u32(&uerl_segment_results(&segment(), 0)->cpu));
    return uerl_wait_busy(&wait_, enough_ready, &wanted, peer_cpu, deadline_ns);
}

void Learner::sleep_slice(uint32_t need, int64_t slice_ns) {
    // [D] Results that the count has counted can be seen. Pairs with [C] in the simulator.
    const uint32_t count = load_acquire_u32(&header_->finished_count);
    const uint32_t ready = num_ready();
    if (ready >= need) return;
    store_relaxed_u32(&header_->wake_at, count + (need - ready));
    store_relaxed_u32(&header_->sleeping, 1);
    // [Q] Announce the sleep before the last look at the rings; a simulator publishes before it
    // looks for a sleeper. Pairs with [P] in the simulator.
    fence_seq_cst();
    if (num_ready() < need)
        uerl_futex_wait(&header_->finished_count, count, UERL_FUTEX_ALL_BITS, slice_ns);
    store_relaxed_u32(&header_->sleeping, 0);
}

void Learner::add_wait_ns(uint64_t wait_ns) {
    stats.wait_ns += wait_ns;
    store_relaxed_u64(&header_->wait_ns, stats.wait_ns);
}

namespace {

constexpr uint32_t kMostSuccessors = 1024;  // that a lane has between two looks

}  // namespace

// Is nobody there any more who could answer the lane's commands?
bool Learner::has_left(uint32_t lane) const {
    // A successor's generation says what a free lock says: the predecessor's last stores are
    // visible and no more will come. Pairs with [G].
    const uint32_t generation =
        load_acquire_u32(&uerl_segment_results(&segment(), lane)->generation);
    const uint32_t later = generation - lanes_[lane].generation;  // garbage is hardly ever so near
    return !lane_locked(lane) || (later > 0 && later <= kMostSuccessors);
}

void Learner::check_whole(bool thoroughly) const {
    check(uerl_segment_check_whole(&segment(), thoroughly));
}

void Learner::check_failures() {
    check_whole(true);
    if (masks_) {
        mask_missing();
    } else {
        check_corrupt();
        check_lost();
    }
    check_failed_ready();
}

void Learner::check_lost() {
    std::vector<uint32_t> lost;
    for (const uint32_t lane : outstanding_) {
        if (!has_left(lane)) continue;
        // Committed before it died? Then it counts. Its lock was seen free: nothing more can come.
        if (!poll(lane)) lost.push_back(lane);
    }
    num_ready();
    if (lost.empty()) return;
    for (const uint32_t lane : lost) count_lost(lane);
    throw Error(
        UERL_E_CLOSED,
        "simulator of lane " + list_lanes(lost) + " is gone, expected a result of its command",
        lost);
}

}  // namespace uerl
