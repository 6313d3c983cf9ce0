// batches.hpp: the learner as Python steps it: actions in, batches out.
//
// This is the hot path: one call per step, and nothing allocated but the arrays it returns.
#pragma once

#include <optional>

#include "actions.hpp"

namespace uerl {

struct BatchOptions {
    bool wide_rewards = true;  // float64 rewards, as Gymnasium has them; else float32
    bool writable = false;     // torch has no read-only tensors
    bool copy = false;         // plain copies instead of views
    bool tells_valid = false;  // info["valid"]: whether a simulator made the row
    uint32_t min_valid = 0;    // rows of living simulators that a step needs
    uint32_t max_steps = 0;    // of an episode, which is truncated then; 0: the simulator says
};

// What a step brought to the rows of one group; the learner's own memory. reward float32 or
// float64, the others bool, all (rows,); present is empty for a group without a mask.
struct Outcome {
    py::array reward = none(), terminated = none(), truncated = none(), present = none();

    // py::array() would make an empty array, for each of them in every step.
    static py::array none() { return py::reinterpret_steal<py::array>(py::handle()); }
};

// T consecutive steps whose rows stand in consecutive slots, or in arrays of its own.
struct Rollout {
    uint32_t first;  // slot of the first observation; UINT32_MAX: in arrays of its own
    uint32_t num_steps;
    uint32_t done = 0;
    // Of each group: reward float32, terminated, truncated, valid bool, all [T, rows].
    std::vector<py::array> reward, terminated, truncated, valid;
    std::vector<py::array> observation, action;  // of each field, [T, rows, ...]; own or views
};

int64_t deadline_after(double timeout_s);  // INT64_MAX where it is negative or for ever

class Batches {
  public:
    // on_event: called with (lane, change, text) for each Event, and with (-1, 0, text) where too
    // few rows are served: it returns when that is mended, or raises.
    Batches(Config config, BatchOptions options, std::vector<ActionCheck> checks,
            py::object on_event);

    Learner& learner() { return learner_; }

    py::tuple step(py::handle actions, double timeout_s);
    void send(py::handle actions, const std::optional<py::array_t<int64_t>>& ids);
    py::tuple recv(std::optional<int64_t> min_ids, std::optional<int64_t> max_ids,
                   double timeout_s);
    // The same of some lanes, in this order, whatever the others do.
    void send_part(py::handle actions, uint32_t first_lane, uint32_t num_lanes);
    py::tuple recv_part(uint32_t first_lane, uint32_t num_lanes, double timeout_s);
    py::tuple reset(const py::array_t<uint8_t>& mask, const py::array_t<int64_t>& seeds,
                    const std::string& options, double timeout_s);
    // Sends the resets alone; recv() brings their rows.
    void send_reset(const py::array_t<uint8_t>& mask, const py::array_t<int64_t>& seeds,
                    const std::string& options, double timeout_s);
    // Commands every simulator to leave its rows alone, and takes in the results.
    void send_skip();
    void recv_skip(double timeout_s);
    // (observation, info) of the last rows of every lane, without a command.
    py::object current();

    // Messages of the user's own, to a lane and of all lanes: [(lane, bytes), ...].
    void post(uint32_t lane, const py::bytes& data);
    py::list take_messages();
    // Writes an annotation of every row's last observation, for people who watch.
    void annotate(uint32_t field, const py::array& values);

    LeaseEvents& lease_events() { return *lease_events_; }

    // Steps of each row's episode, int64 (rows,), as of the last delivered rows.
    py::array elapsed_steps(uint32_t group);

    void begin_rollout(uint32_t num_steps);
    py::dict rollout_arrays();
    void end_rollout() { rollout_.reset(); }
    uint32_t rollout_done() const { return rollout_ ? rollout_->done : 0; }

  private:
    uint32_t ids_per_lane() const;  // what `ids` counts: rows, or envs where groups are several
    uint32_t rows_per_id(uint32_t group) const;
    py::handle actions_of(const ActionField& field, py::handle actions) const;
    void write_actions(py::handle actions, const std::vector<uint32_t>& lanes,
                       const std::vector<uint32_t>& position);
    std::vector<uint32_t> lanes_of(const py::array_t<int64_t>& ids,
                                   std::vector<uint32_t>& position) const;
    void send_lanes(py::handle actions, const std::vector<uint32_t>& lanes,
                    const std::vector<uint32_t>& position);
    void begin_reset(const py::array_t<uint8_t>& mask, const py::array_t<int64_t>& seeds,
                     const std::string& options, double timeout_s);
    void wait(uint32_t need, double timeout_s);
    std::vector<uint32_t> part_of(uint32_t first_lane, uint32_t num_lanes) const;
    void wait_for(const std::vector<uint32_t>& lanes, double timeout_s);
    void wait_asleep(uint32_t need, int64_t deadline_ns, double timeout_s);
    void wait_for_recorder();
    [[noreturn]] void throw_timeout(uint32_t need, double timeout_s);
    void warn_of_copies();
    void tell_events();
    bool has_enough_rows() const;
    void need_enough_rows();
    void add_validity(uint32_t group, const std::vector<uint32_t>& lanes, py::ssize_t count,
                      py::dict& info);

    py::tuple take_and_deliver(const std::vector<uint32_t>& lanes, bool outcome);
    py::tuple deliver(const std::vector<uint32_t>& lanes, bool outcome);
    py::array rows(FieldView& field, const std::vector<Run>& runs, const py::object& lease);
    py::object observation_of(uint32_t group, const std::vector<Run>& runs, const py::object& lease,
                              std::vector<std::vector<FieldView>>& fields);
    py::dict info_of(uint32_t group, const std::vector<Run>& runs, const py::object& lease,
                     const Outcome& outcome);
    py::array flags_of(uint32_t field, const std::vector<Run>& runs, py::ssize_t count);
    py::array rewards_of(uint32_t field, const std::vector<Run>& runs, py::ssize_t count);
    std::vector<Outcome> outcomes_of(const std::vector<Run>& runs, bool with_rewards);
    void truncate_long(const std::vector<uint32_t>& lanes, std::vector<Outcome>& outcomes);
    void note_ended(const std::vector<uint32_t>& lanes, const std::vector<Outcome>& outcomes);
    py::array present_mask(py::ssize_t count);
    void add_final(uint32_t group, const std::vector<Run>& runs, const py::object& lease,
                   const Outcome& outcome, py::dict& info);
    py::object lease_of(const std::vector<Run>& runs, uint64_t num_rows_in_all);
    uint32_t num_rows(uint32_t group, const std::vector<Run>& runs) const;
    void record_before_step();
    void record_outcome(uint32_t group, const Outcome& outcome);
    void record_validity(uint32_t group, size_t count);
    void make_rollout_arrays(uint32_t num_steps);

    Learner learner_;
    std::shared_ptr<LeaseEvents> lease_events_ = std::make_shared<LeaseEvents>();
    BatchOptions options_;
    uint32_t num_groups_;
    std::vector<std::string> group_names_;
    std::vector<std::vector<FieldView>> observations_, finals_, infos_, final_infos_;  // by group
    std::vector<ActionField> actions_;
    std::vector<std::vector<uint32_t>> actions_by_group_;
    std::vector<uint32_t> reward_, terminated_, truncated_;  // fields by group
    std::vector<uint32_t> mask_;                             // likewise; UINT32_MAX: none
    std::vector<uint32_t> all_lanes_;
    // Keys of an info, made once.
    struct {
        py::str valid{"valid"}, valid_mask{"_valid"}, mask{"mask"}, mask_mask{"_mask"};
    } keys_;
    py::dtype bool_ = py::dtype::of<bool>();
    py::dtype reward_dtype_;
    py::array ones_;  // the mask of an info that every row has
    std::optional<Rollout> rollout_;
    py::object on_event_;
    bool warned_ = false;
    bool busy_ = false;
    friend class Guard;
};

}  // namespace uerl
