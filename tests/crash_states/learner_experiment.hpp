// learner_experiment.hpp: what create, takeover and collect share: the simulators live on here, and
// the victim is their learner.
#pragma once

#include <array>
#include <optional>

#include "frames.hpp"
#include "operations.hpp"

class LearnerExperiment : public Experiment
{
  public:
    const std::string &name() const override
    {
        return name_;
    }

  protected:
    void attach_all(Author author);
    // The inode under the name when simulators attached; 0: they never did.
    ino_t old_inode() const
    {
        return old_inode_;
    }
    // A learner is started anew under the name.
    void expect_recovery();
    // Simulators notice that theirs is dead, come to this learner and are served. No name is left
    // when it has closed and temporary ones were cleaned.
    void expect_successor(FrameLearner &learner);

    std::string name_ = new_segment_name();
    std::array<std::unique_ptr<FrameSimulator>, kNumLanes> simulators_;

  private:
    ino_t old_inode_ = 0;
};
