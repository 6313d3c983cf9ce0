// lane_experiment.hpp: what publish, attach and detach share: a learner and the simulator of lane 0
// live on here, and the victim is the simulator of lane 1.
#pragma once

#include <optional>

#include "frames.hpp"
#include "operations.hpp"

class LaneExperiment : public Experiment
{
  public:
    const std::string &name() const override
    {
        return name_;
    }

  protected:
    static constexpr uint32_t kLane = 1; // of the victim

    explicit LaneExperiment(int64_t step_deadline_ns);

    // The victim, or its predecessor, was asked for its first rows: takes them in.
    void deliver_reset();
    // Takes in the step that is out: lane 1 was answered by `author`, or the learner made its row.
    void expect_step(std::optional<Author> author);
    // A simulator that has just come to lane 1 is commanded, and answers.
    void expect_served(FrameSimulator &successor);
    // From lane 1 without a simulator to a successor that is served.
    void welcome_successor();
    void expect_honest(uint64_t num_lost, uint64_t num_discarded) const;

    uerl::Learner &learner()
    {
        return frames_.learner;
    }

    std::string name_ = new_segment_name();
    FrameLearner frames_;
    FrameSimulator first_;
    uint64_t seen_ = 1; // command of lane 1 whose row was delivered last: the reset
    Author author_ = Author::first;
};
