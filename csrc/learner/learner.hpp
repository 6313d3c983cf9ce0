// learner.hpp: the learner's side of a segment: commands out, results in. Knows nothing of Python.
//
// A lane is idle, pending (a command is outstanding) or ready (its result came and was not yet
// delivered). Whatever goes wrong, a lane keeps its state: a wait can be repeated without shifting
// data by one step. Everything that is decided on is computed from this side's own copies.
//
// A lane whose simulator is lost or late is masked: the learner makes its rows itself, as the last
// valid ones, until a simulator is back and has reset its envs (masked.cpp).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/segment.h"
#include "core/wait.h"
#include "recorder.hpp"
#include "slots.hpp"

namespace uerl {

// A code of uerl_error with its text, and the lanes it is about.
struct Error : std::runtime_error {
    Error(int code_, const std::string& text, std::vector<uint32_t> lanes_ = {})
        : std::runtime_error(text), code(code_), lanes(std::move(lanes_)) {}
    int code;
    std::vector<uint32_t> lanes;
};

// What memory a view needs: the mapping and the slot table outlive every array over them.
struct Memory {
    Memory(uint32_t num_slots, uint32_t num_lanes) : slots(num_slots, num_lanes) {}
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    ~Memory() { uerl_segment_close(&segment); }

    uerl_segment segment{};
    SlotTable slots;
};

struct Config {
    std::string name;
    mode_t mode = 0600;
    gid_t gid = static_cast<gid_t>(-1);
    uerl_header header{};  // the counts of uerl_spec_layout()
    std::vector<uerl_group> groups;
    std::vector<uerl_field> fields;
    std::string text;
    bool any_order = false;  // steps before a reset, and after an end, are the simulator's business
    bool masks = false;      // whether lanes of lost and late simulators are masked; else errors
    int64_t step_deadline_ns = INT64_MAX;  // a simulator that is silent for longer is late
};

// Computes offsets, sizes and the hash of config.header. Throws Error.
void lay_out(Config& config);

// What happened to a lane's simulator.
enum class Change : uint32_t { lost, late, failed, corrupt, back };

struct Event {
    uint32_t lane;
    Change change;
    std::string text;
};

// Bytes that a simulator sent on its own account.
struct Message {
    uint32_t lane;
    std::string bytes;
};

struct Stats {
    uint64_t steps = 0;             // rows delivered
    uint64_t batches = 0;           // batches delivered
    uint64_t copied_batches = 0;    // delivered as a copy because no slot was left
    uint64_t gathered_rows = 0;     // copied because they stood in several runs or slots
    uint64_t copied_rows = 0;       // copied from slot to slot by the learner
    uint64_t superseded = 0;        // results dropped because a reset overtook them
    uint64_t discarded = 0;         // results of late or lost lanes dropped
    uint64_t violations = 0;        // impossible values found in the segment
    uint64_t late = 0;              // times a lane missed the deadline
    uint64_t lost = 0;              // times a simulator was found dead
    uint64_t dropped_messages = 0;  // of simulators, because nobody fetched them
    uint64_t wait_ns = 0;           // time spent waiting for results
};

// Consecutive lanes whose rows stand in one slot.
struct Run {
    uint32_t slot;
    uint32_t first_lane;
    uint32_t num_lanes;
};

struct Lane {
    uint32_t generation = 0;  // of the simulator that is commanded; 0: none yet
    uint32_t write_index = 0;
    uint32_t read_index = 0;
    uint64_t sequence = 0;     // of the last command
    uint32_t slot = 0;         // where the last delivered rows stand
    bool has_rows = false;     // were any delivered?
    uint32_t target = 0;       // where the outstanding command's rows will stand
    uint32_t action_slot = 0;  // where the outstanding command reads what is asked of each row
    uint32_t overtaken = 0;    // where those of the command stand that a reset overtook
    uint32_t outstanding = 0;  // commands without a result: 0, 1, or 2 when a reset overtook
    bool ready = false;
    bool failed = false;       // the simulator reported that it cannot go on
    bool corrupt = false;      // its result ring had an impossible index when last looked at
    bool masked = false;       // no simulator: the learner makes the rows
    bool back = false;         // masked, and a simulator waits to be reset
    bool barred = false;       // masked until its lock is free: what it writes is not believed
    uint32_t result_slot = 0;  // where the rows stand that are ready
    uint32_t violations = 0;   // impossible values, in this generation
    uint32_t num_late = 0;     // times it missed the deadline
    uint32_t num_lost = 0;     // times its simulator was found dead
    uint64_t alive = 0;        // of its simulator's watch, when last looked at
    int64_t moved_ns = 0;      // when that had changed
    int64_t sent_ns = 0;       // when the last command was sent
    uint32_t messages_seen = 0;
    uint32_t messages_sent = 0;
    bool message_outstanding = false;  // the message area belongs to the simulator
};

class Learner {
  public:
    explicit Learner(Config config);
    ~Learner();
    Learner(const Learner&) = delete;
    Learner& operator=(const Learner&) = delete;

    const std::shared_ptr<Memory>& memory() const { return memory_; }
    const uerl_segment& segment() const { return memory_->segment; }
    uint32_t num_lanes() const { return segment().header.num_lanes; }
    uint32_t num_envs() const { return num_lanes() * segment().header.envs_per_lane; }
    uint32_t envs_per_lane() const { return segment().header.envs_per_lane; }
    const Lane& lane(uint32_t index) const { return lanes_[index]; }
    bool pending(uint32_t lane) const {
        return lanes_[lane].ready || (lanes_[lane].outstanding > 0 && !lanes_[lane].masked);
    }
    bool ended(uint32_t env) const { return ended_[env]; }
    uint32_t autoreset_mode() const { return segment().header.autoreset_mode; }
    uint32_t rows_per_lane(uint32_t group) const {
        return envs_per_lane() * segment().groups[group].rows_per_env;
    }

    // Takes in simulators that became ready; returns how many lanes have one.
    uint32_t look_for_simulators();
    // The text of a refusal or failure that the lane's simulator left, or empty.
    std::string message_of(uint32_t lane) const;
    // Messages of the user's own: one of those that were posted goes with each step of a lane.
    void post(uint32_t lane, std::string bytes);
    std::vector<Message> take_messages();  // those that came with results, the oldest first
    uint32_t lane_state(uint32_t lane) const;
    bool lane_locked(uint32_t lane) const;

    // Parameters of the envs, by field: written with every reset.
    void set_parameter(uint32_t field, uint32_t env, double value);

    // Checks that these lanes may step. `lanes` ascending. Throws Error.
    void check_step(const std::vector<uint32_t>& lanes) const;
    // Where the next step of a lane finds its actions.
    uint8_t* action_rows(uint32_t field, uint32_t lane) const;
    // May the lane's late simulator still read its actions, perhaps where the next ones would
    // stand? They are not needed: its next command is a reset.
    bool reads_actions(uint32_t lane) const {
        return lanes_[lane].masked && lanes_[lane].outstanding > 0;
    }
    // Commands a step. Envs that ended are reset instead (NEXT_STEP). target: UINT32_MAX or a slot.
    void send_step(const std::vector<uint32_t>& lanes, uint32_t target = UINT32_MAX);
    // Commands a reset of the envs in `mask`; others keep their rows. seeds: for each env, -1 none.
    // Pending lanes are superseded. options: bytes for every simulator, or empty.
    void send_reset(std::vector<uint8_t> mask, const std::vector<int64_t>& seeds,
                    const std::string& options);
    // Commands idle lanes to leave their rows alone: what is asked of them stands elsewhere.
    void send_skip(const std::vector<uint32_t>& lanes);
    bool resettable(const std::vector<uint8_t>& mask);  // false: a superseding reset is still out
    // Was this env's last command a reset that the learner added (NEXT_STEP)?
    bool was_reset(uint32_t env) const { return was_reset_[env]; }

    // Masked lanes.
    bool filled(uint32_t env) const { return filled_[env]; }  // were its rows made by the learner?
    bool any_filled() const { return num_masked_ > 0 || num_filled_ > 0; }
    const std::string& loss(uint32_t lane) const { return losses_[lane]; }  // since the last batch
    uint32_t num_rows_served() const;  // rows of lanes that have a simulator
    void look_for_returns();           // takes in what masked lanes' simulators did
    // Tells a late lane's simulator to leave; false: it has answered by now, or is gone.
    bool fence(uint32_t lane);
    bool has_successor(uint32_t lane) const;  // of a lane whose simulator was lost: is one ready?
    int64_t paused_ns() const { return paused_ns_; }         // by how much deadlines were put off
    void forget_losses(const std::vector<uint32_t>& lanes);  // they were told
    bool has_events() const { return !events_.empty(); }
    const Event& first_event() const { return events_.front(); }  // what happened, in order
    void forget_first_event() { events_.erase(events_.begin()); }
    int64_t next_deadline_ns() const;  // when the first pending lane is late; INT64_MAX: never

    // Waiting. need: ready lanes wanted. All may be called again and again.
    uint32_t num_ready();           // looks at the rings
    uint32_t num_pending() const {  // outstanding or ready
        return static_cast<uint32_t>(outstanding_.size() + ready_.size());
    }
    bool wait_busy(uint32_t need, int64_t deadline_ns);
    void sleep_slice(uint32_t need, int64_t slice_ns);
    void check_failures();  // masks lanes that failed, are damaged, lost or late, or throws Error
    void check_whole(bool thoroughly) const;  // throws Error when the segment's file was damaged
    void check_failed_ready();                // likewise for ready lanes whose simulator gave up
    std::vector<uint32_t> silent_lanes() const { return outstanding_; }
    void add_wait_ns(uint64_t wait_ns);

    // At most max_lanes ready lanes, those that waited longest, in ascending order.
    std::vector<uint32_t> peek_ready(uint32_t max_lanes) const;
    // Delivers: ready ones among `lanes` are idle then, and their new rows are their last.
    void take(const std::vector<uint32_t>& lanes);
    void put_back();  // undoes the last take(): what it took is ready again
    std::vector<Run> runs_of(const std::vector<uint32_t>& lanes) const;
    // May a view of this run be handed out, so that every lane keeps a slot to write to?
    bool can_lease(const Run& run) const { return can_hold(run, 1) && settled(run); }
    // Notes the outcome of delivered rows: done flags, normalised, for each row of the lane's envs.
    void note_outcome(uint32_t env, bool ended) {
        if (!skipped_[env]) {
            ended_[env] = ended;
            elapsed_[env] = elapsed_with_this_step(env);
            if (ended && autoreset_mode() == UERL_AUTORESET_SAME_STEP) elapsed_[env] = 0;
        }
        owes_[env] = 0;
    }
    // Steps of an env's episode, as of its last delivered rows; 0: they are its first.
    uint32_t elapsed(uint32_t env) const { return elapsed_[env]; }
    // The same when the rows that are being delivered are counted.
    uint32_t elapsed_with_this_step(uint32_t env) const {
        return was_reset_[env] ? 0 : elapsed_[env] + (filled_[env] ? 0 : 1);
    }
    void count_delivery(uint64_t rows, bool whole, uint32_t slot);
    void publish_stats();

    // Slots for a rollout of num_steps steps: the first slot of a free block whose first holds the
    // current batch (copied there if need be), or UINT32_MAX when there is none.
    uint32_t begin_rollout(uint32_t num_steps);
    // A slot for the step after a block: one with room for a further block if possible.
    uint32_t slot_after_rollout(uint32_t first, uint32_t num_steps) const;
    // The slot in which every lane's last rows stand, or UINT32_MAX.
    uint32_t common_slot() const;

    // Does an observer that records without loss have yet to read what was delivered?
    bool recorder_is_behind();
    void give_up_recorder() { recorder_.give_up(); }

    void close();  // tells the simulators; unlinks the name; leases go on
    bool closed() const { return closed_; }
    Stats stats;

  private:
    bool poll(uint32_t lane);
    void count_late(uint32_t lane);
    void count_lost(uint32_t lane);
    void check_corrupt() const;
    void check_lost();
    void note_look();
    std::string life_of(const Lane& lane) const;
    void mask_missing();
    void mask_corrupt(uint32_t lane);
    bool is_running(uint32_t env) const;
    void mask(uint32_t lane, Change change, const std::string& text);
    void drop_outstanding(Lane& lane);
    void fill_in(uint32_t lane, uint32_t slot, bool is_new, bool in_place = false);
    void write_outcome(uint32_t env, uint32_t slot, bool truncated);
    void copy_final(uint32_t env, uint32_t slot);
    void zero_env(uint32_t env, uint32_t slot);
    void say_late(uint32_t lane, uint32_t generation);
    void take_late_results(uint32_t lane);
    void adopt(uint32_t lane);
    void unmask(uint32_t lane);
    bool has_left(uint32_t lane) const;
    std::string name_of(uint32_t lane) const;
    bool settled(const Run& run) const;
    uint32_t slot_to_fill(uint32_t lane, uint32_t wanted) const;
    void set_filled(uint32_t env, bool filled);
    void take_result(uint32_t lane);
    uint32_t action_slot_of_reset(uint32_t lane) const;
    void command(uint32_t lane, uint32_t slot, uint32_t action_slot);
    void publish(uint32_t lane, uint32_t kind, uint32_t slot, uint32_t action_slot);
    void broadcast(const std::vector<uint32_t>& lanes);
    void write_control(uint32_t env, uint32_t action_slot, uint32_t control, int64_t seed);
    void write_parameters(uint32_t env, uint32_t action_slot);
    void write_message(uint32_t lane, uint32_t kind, const std::string& bytes);
    void send_posted(uint32_t lane);
    void take_message(uint32_t lane);
    bool free_for(uint32_t slot, uint32_t lane) const;
    bool can_hold(const Run& run, uint32_t num_slots) const;
    void check_reset(const std::vector<uint8_t>& mask) const;
    void move_lane(uint32_t lane, uint32_t target);
    void place_lane(uint32_t lane, uint32_t slot);
    bool covers_pending(uint32_t lane, const std::vector<uint8_t>& mask) const;
    uint32_t pick_slot(const std::vector<uint32_t>& lanes) const;
    uint32_t pick_slot_of_lane(uint32_t lane) const;
    void copy_env(uint32_t env, uint32_t from, uint32_t to);
    void clear_outcome(uint32_t env, uint32_t slot);
    void begin_fill(uint32_t slot);
    void end_fill(uint32_t slot);
    bool block_free(uint32_t first, uint32_t num_steps, uint32_t except) const;
    void send_reset_to(uint32_t lane, const std::vector<uint8_t>& mask,
                       const std::vector<int64_t>& seeds, uint32_t target);
    void prepare_lanes();

    std::shared_ptr<Memory> memory_;
    uerl_header* header_ = nullptr;
    uint32_t* slot_epochs_ = nullptr;
    std::vector<Lane> lanes_;
    std::vector<uint32_t> outstanding_;  // lanes whose last command has no result yet
    std::vector<uint32_t> ready_;        // lanes to deliver, oldest first
    std::vector<uint32_t> taken_;        // lanes that the last take() made idle
    std::vector<uint8_t> ended_, started_, was_reset_, skipped_, filled_;  // of each env
    std::vector<uint32_t> elapsed_;    // of each env: steps of its episode
    std::vector<uint8_t> owes_;        // of each env: an episode was cut off, which nobody was told
    std::vector<std::string> losses_;  // of each lane
    std::vector<Event> events_;
    std::vector<std::pair<uint32_t, uint32_t>> final_fields_;  // a field, its final one
    std::vector<std::deque<std::string>> posted_;              // of each lane
    size_t num_posted_ = 0;
    std::deque<Message> received_;
    size_t received_bytes_ = 0;  // of all of them
    Recorder recorder_;
    uint32_t num_masked_ = 0;  // lanes
    uint32_t num_filled_ = 0;  // envs
    int64_t step_deadline_ns_ = INT64_MAX;
    int64_t looked_ns_ = 0;   // when somebody looked at the lanes last
    int64_t paused_ns_ = 0;   // how long nobody did although somebody should have
    int64_t checked_ns_ = 0;  // when check_failures() did
    int64_t whole_ns_ = 0;    // when the file was looked at
    bool masks_ = false;
    std::vector<uint32_t> filling_;  // lanes that write to a slot
    std::vector<uint32_t> control_fields_, seed_fields_, parameter_fields_, carried_fields_,
        outcome_fields_;
    std::vector<std::vector<double>> parameters_;  // of each parameter field and env
    uerl_wait wait_{};
    uint32_t finished_seen_ = 0;
    bool any_order_ = false;
    bool closed_ = false;
};

}  // namespace uerl
