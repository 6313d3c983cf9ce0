// publish.cpp: a simulator receives a command, writes its frame and sends the result.
#include <cstring>

#include "lane_experiment.hpp"

namespace
{

class Publish : public LaneExperiment
{
  public:
    explicit Publish(Fate fate)
        : LaneExperiment(fate == Fate::stopped ? kMs : INT64_MAX),
          victim_([this](Marks &marks) { live(marks); })
    {
        frames_.wait_for_simulators();
        frames_.send_reset();
        victim_.wait_for_begin();
        deliver_reset();
        frames_.send_step();
    }

    Victim &victim() override
    {
        return victim_;
    }

    void after_death() override
    {
        if (committed()) { // then it counts; the death is noticed at the next step
            expect_step(Author::first);
            frames_.send_step();
        }
        expect_step(std::nullopt);
        welcome_successor();
        expect_honest(1, 0);
    }

    // It misses the deadline, and somebody holds the rows that the learner made instead: what it
    // writes when it goes on must not show there.
    void while_it_stands() override
    {
        const bool in_time = committed();
        expect_step(in_time ? std::optional(Author::first) : std::nullopt);
        const uint32_t held = learner().lane(kLane).slot;
        const uint8_t *row = frames_.row_in(held, kLane);
        const std::vector<uint8_t> before(row, row + kFrameBytes);
        learner().memory()->slots.hold(held, 0, kNumLanes);
        if (!in_time) {
            frames_.send_step();
            expect_step(std::nullopt);
        }
        victim_.go_on();
        if (!in_time)
            wait_until("the late simulator", [this] {
                learner().look_for_returns();
                return learner().lane(kLane).back;
            });
        frames_.send_step();
        expect_step(Author::first);
        expect(std::memcmp(before.data(), row, kFrameBytes) == 0,
               "rows that somebody holds were written by a late simulator");
        learner().memory()->slots.release(held, 0, kNumLanes);
        expect_honest(0, in_time ? 0 : 1);
    }

  private:
    void live(Marks &marks)
    {
        FrameSimulator simulator(name_, kLane, Author::first);
        expect(simulator.receive(kPatienceNs) == UERL_OK, "no reset came");
        simulator.write();
        simulator.send();
        marks.begin();
        simulator.answer();
        marks.end();
        simulator.serve();
    }

    bool committed()
    {
        return uerl_segment_results(&learner().segment(), kLane)->write_index == 2;
    }

    Victim victim_;
};

} // namespace

std::unique_ptr<Experiment> make_publish(Fate fate)
{
    return std::make_unique<Publish>(fate);
}
