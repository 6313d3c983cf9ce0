// learner_experiment.cpp: from a dead learner to the next one.
#include "learner_experiment.hpp"

#include <sys/stat.h>

namespace
{

ino_t inode_of(const std::string &name)
{
    struct stat file;
    const std::string path = UERL_SHM_DIRECTORY "/" + name;
    return lstat(path.c_str(), &file) == 0 ? file.st_ino : 0;
}

} // namespace

void LearnerExperiment::attach_all(Author author)
{
    for (uint32_t lane = 0; lane < kNumLanes; lane++)
        simulators_[lane] =
            std::make_unique<FrameSimulator>(name_, static_cast<int32_t>(lane), author);
    old_inode_ = inode_of(name_);
}

void LearnerExperiment::expect_recovery()
{
    if (simulators_[0] == nullptr)
        expect(FrameSimulator::try_attach(name_, 0, Author::first) == nullptr,
               "a simulator attached to a dead learner's segment");
    FrameLearner learner(config_of(name_));
    expect_successor(learner);
}

void LearnerExperiment::expect_successor(FrameLearner &frames)
{
    for (auto &simulator : simulators_) {
        int error = UERL_E_TIMEOUT;
        wait_until("the learner's death", [&] {
            return simulator == nullptr || (error = simulator->receive(kMs)) != UERL_E_TIMEOUT;
        });
        expect(simulator == nullptr || error == UERL_E_CLOSED,
               std::string("a simulator was not told of its learner's death: ") +
                   uerl_last_error());
        simulator.reset();
    }
    expect(inode_of(name_) == frames.learner.segment().inode, "the name is not the new learner's");
    attach_all(Author::successor);
    frames.wait_for_simulators();
    frames.send_reset();
    for (uint32_t step = 0; step < 3; step++) {
        for (auto &simulator : simulators_)
            expect(simulator->answer(), "a simulator was not commanded by the new learner");
        frames.wait();
        frames.deliver();
        for (uint32_t lane = 0; lane < kNumLanes; lane++) {
            expect(!frames.learner.filled(lane), "a row was not delivered by the new learner");
            frames.expect_frame(lane, frames.sequence(lane), Author::successor, "a row");
        }
        frames.send_step();
    }
    expect(frames.learner.stats.violations == 0, "an honest simulator was accused");
    frames.learner.close();
    for (const std::string &name : temporary_names(name_))
        expect(uerl_segment_clean(name.c_str()) == UERL_OK,
               name + " cannot be cleaned: " + uerl_last_error());
    expect(temporary_names(name_).empty() && inode_of(name_) == 0, "a name was left");
}
