// attach_detach.cpp: a simulator comes to a lane whose simulator was killed; a simulator leaves.
#include "lane_experiment.hpp"

namespace
{

class Attach : public LaneExperiment
{
  public:
    explicit Attach(Fate) : LaneExperiment(INT64_MAX)
    {
        kill_predecessor();
        victim_.emplace([this](Marks &marks) {
            marks.begin();
            FrameSimulator simulator(name_, kLane, Author::successor);
            marks.end();
            simulator.serve();
        });
        victim_->wait_for_begin();
    }

    Victim &victim() override
    {
        return *victim_;
    }

    void after_death() override
    {
        frames_.send_step();
        expect_step(std::nullopt);
        welcome_successor();
        expect_honest(1, 0);
    }

    // Either the learner waits for it, or it answers what it is asked.
    void while_it_stands() override
    {
        frames_.send_step();
        const bool believed = !learner().lane(kLane).masked;
        if (!believed)
            expect_step(std::nullopt);
        victim_->go_on();
        if (!believed) {
            wait_until("the simulator", [this] {
                learner().look_for_returns();
                return learner().lane(kLane).back;
            });
            frames_.send_step();
        }
        expect_step(Author::successor);
        expect_honest(1, 0);
    }

  private:
    // It leaves its generation, "ready", and a command that nobody read.
    void kill_predecessor()
    {
        Victim predecessor([this](Marks &marks) {
            FrameSimulator simulator(name_, kLane, Author::first);
            expect(simulator.receive(kPatienceNs) == UERL_OK, "no reset came");
            simulator.write();
            simulator.send();
            marks.begin();
        });
        frames_.wait_for_simulators();
        frames_.send_reset();
        predecessor.wait_for_begin();
        deliver_reset();
        frames_.send_step();
        predecessor.kill();
        expect_step(std::nullopt);
    }

    std::optional<Victim> victim_;
};

class Detach : public LaneExperiment
{
  public:
    explicit Detach(Fate)
        : LaneExperiment(INT64_MAX), victim_([this](Marks &marks) {
              FrameSimulator simulator(name_, kLane, Author::first);
              expect(simulator.receive(kPatienceNs) == UERL_OK, "no reset came");
              simulator.write();
              simulator.send();
              marks.begin();
              simulator.detach();
              marks.end();
          })
    {
        frames_.wait_for_simulators();
        frames_.send_reset();
        victim_.wait_for_begin();
        deliver_reset();
        frames_.send_step(); // which it leaves unread
    }

    Victim &victim() override
    {
        return victim_;
    }

    void after_death() override
    {
        expect_step(std::nullopt);
        welcome_successor();
        expect_honest(1, 0);
    }

    // A successor takes the lane as soon as it can.
    void while_it_stands() override
    {
        auto successor = FrameSimulator::try_attach(name_, kLane, Author::successor);
        victim_.go_on();
        victim_.wait_for_end();
        if (successor == nullptr)
            successor = FrameSimulator::try_attach(name_, kLane, Author::successor);
        expect(successor != nullptr, "the lane was not free when its simulator had left");
        expect_step(std::nullopt);
        expect_served(*successor);
        expect_honest(1, 0);
    }

  private:
    Victim victim_;
};

} // namespace

std::unique_ptr<Experiment> make_attach(Fate fate)
{
    return std::make_unique<Attach>(fate);
}

std::unique_ptr<Experiment> make_detach(Fate fate)
{
    return std::make_unique<Detach>(fate);
}
