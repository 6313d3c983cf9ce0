// collect.cpp: a learner takes in results, delivers the batch and copies its frames.
#include <cstring>
#include <unistd.h>

#include "learner_experiment.hpp"

namespace
{

class Collect : public LearnerExperiment
{
  public:
    explicit Collect(Fate fate) : victim_([this, fate](Marks &marks) { live(fate, marks); })
    {
        wait_until("the segment", [this, fate] { return attach(fate); });
        for (auto &simulator : simulators_)
            if (simulator != nullptr)
                expect(simulator->receive(kPatienceNs) == UERL_OK, "no reset came");
        for (auto &simulator : simulators_)
            if (simulator != nullptr) {
                simulator->write();
                simulator->send();
            }
        victim_.wait_for_begin();
        if (other_)
            other_->wait_for_begin();
        for (auto &simulator : simulators_)
            if (simulator != nullptr)
                expect(simulator->answer(), "no step came");
    }

    Victim &victim() override
    {
        return victim_;
    }

    // What the learner shows to observers as delivered is whole.
    void check(const SharedState &state) override
    {
        const Named *named = state.find(name_);
        expect(named != nullptr, "the name was gone");
        const uerl_header &header = named->header();
        expect_even(*named, header.slot, "the last batch");
        for (uint32_t lane = 0; lane < kNumLanes; lane++)
            expect_even(*named,
                        reinterpret_cast<const uerl_lane_commands *>(
                            named->base + header.lanes_offset + lane * header.lane_bytes)
                            ->slot,
                        "a lane's last rows");
    }

    void after_death() override
    {
        expect_recovery();
    }

    // The simulator of lane 1 commits and dies at this instruction.
    void while_it_stands() override
    {
        other_->go_on();
        other_->wait_for_end();
        victim_.go_on();
        victim_.wait_for_end();
    }

  private:
    // Until then the reset's slot, then that of the step.
    static void expect_even(const Named &named, uint32_t slot, const std::string &what)
    {
        const uerl_header &header = named.header();
        const auto *epochs =
            reinterpret_cast<const uint32_t *>(named.base + header.slot_epochs_offset);
        expect(slot <= header.num_slots, what + " stands in no slot");
        expect(slot == header.num_slots || epochs[slot] % 2 == 0,
               what + " was shown while its slot was being filled");
    }

    bool attach(Fate fate)
    {
        simulators_[0] = FrameSimulator::try_attach(name_, 0, Author::first);
        if (simulators_[0] == nullptr)
            return false;
        if (fate == Fate::killed)
            simulators_[1] = FrameSimulator::try_attach(name_, 1, Author::first);
        else
            other_.emplace([this](Marks &marks) {
                FrameSimulator simulator(name_, 1, Author::first);
                expect(simulator.receive(kPatienceNs) == UERL_OK, "no reset came");
                simulator.write();
                simulator.send();
                expect(simulator.receive(kPatienceNs) == UERL_OK, "no step came");
                simulator.write();
                marks.begin();
                simulator.send();
                _exit(0); // without detaching
            });
        return true;
    }

    void live(Fate fate, Marks &marks)
    {
        FrameLearner frames(config_of(name_));
        std::vector<uint8_t> batch(kNumLanes * kFrameBytes);
        frames.wait_for_simulators();
        frames.send_reset();
        frames.wait();
        frames.deliver();
        frames.send_step();
        marks.begin();
        frames.learner.check_failures();
        frames.learner.num_ready();
        if (fate == Fate::stopped)
            marks.end(); // the rest is a wait for lane 1
        frames.wait();
        frames.deliver();
        std::memcpy(batch.data(), frames.row(0), batch.size());
        marks.end();
        for (uint32_t lane = 0; lane < kNumLanes; lane++) {
            expect(!frames.learner.filled(lane), "a committed result was lost");
            frames.expect_frame(lane, 2, Author::first, "a committed row");
        }
        expect(std::memcmp(batch.data(), frames.row(0), batch.size()) == 0, "a batch was torn");
        expect(frames.learner.stats.violations == 0, "an honest simulator was accused");
    }

    Victim victim_;
    std::optional<Victim> other_;
};

} // namespace

std::unique_ptr<Experiment> make_collect(Fate fate)
{
    return std::make_unique<Collect>(fate);
}
