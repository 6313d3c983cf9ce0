// publish.cpp: a simulator receives a command, writes its frame and sends the result.
#include <cstring>

#include "frames.hpp"
#include "operations.hpp"

namespace
{

constexpr uint32_t kVictims = 1; // lane

class Publish : public Experiment
{
  public:
    explicit Publish(Fate fate)
        : name_(new_segment_name()),
          learner_(config_of(name_, fate == Fate::stopped ? kMs : INT64_MAX)),
          first_(name_, 0, Author::first), victim_([this](Marks &marks) { live(marks); })
    {
        learner_.wait_for_simulators();
        learner_.send_reset();
        victim_.wait_for_begin();
        first_.answer();
        expect(learner_.learner.num_ready() == kNumLanes, "a reset was not answered");
        learner_.deliver();
        learner_.send_step();
    }

    Victim &victim() override
    {
        return victim_;
    }
    const std::string &name() const override
    {
        return name_;
    }

    void after_death() override
    {
        const bool committed = results_published() == 2;
        expect_step(committed);
        if (committed) { // it is missed at the next step
            learner_.send_step();
            expect_step(false);
        }
        expect(learner_.learner.stats.lost == 1, "the dead simulator was not found dead once");
        welcome_successor();
        expect(learner_.learner.stats.discarded == 0, "a result was discarded");
        expect(learner_.learner.stats.violations == 0, "an honest simulator was accused");
    }

    // It misses the deadline; its rows are made by the learner, and held. What it writes when it
    // goes on must not show there.
    void while_it_stands() override
    {
        const bool committed = results_published() == 2;
        expect_step(committed);
        const uint32_t held = learner_.learner.lane(kVictims).slot;
        const std::vector<uint8_t> before(learner_.row(kVictims),
                                          learner_.row(kVictims) + kFrameBytes);
        learner_.learner.memory()->slots.hold(held, 0, kNumLanes);
        learner_.send_step();
        if (committed)
            victim_.go_on();
        else
            expect_step(false);
        if (!committed) {
            victim_.go_on();
            wait_until("the late simulator", [this] {
                learner_.learner.look_for_returns();
                return learner_.learner.lane(kVictims).back;
            });
            learner_.send_step();
        }
        expect_step(true);
        expect(std::memcmp(before.data(), learner_.row_in(held, kVictims), kFrameBytes) == 0,
               "rows that somebody holds were written by a late simulator");
        learner_.learner.memory()->slots.release(held, 0, kNumLanes);
        expect(learner_.learner.stats.discarded == !committed, "a late result was not counted");
        expect(learner_.learner.stats.violations == 0, "an honest simulator was accused");
    }

  private:
    void live(Marks &marks)
    {
        FrameSimulator simulator(name_, kVictims, Author::first);
        expect(simulator.receive(kPatienceNs) == UERL_OK, "no reset came");
        simulator.write();
        simulator.send();
        marks.begin();
        simulator.answer();
        marks.end();
        simulator.serve();
    }

    uint32_t results_published() const
    {
        return uerl_segment_results(&learner_.learner.segment(), kVictims)->write_index;
    }

    // Takes in the step that is out. answered: by the victim; else the learner makes its row.
    void expect_step(bool answered)
    {
        first_.answer();
        learner_.wait();
        learner_.deliver();
        learner_.expect_frame(0, learner_.sequence(0), Author::first, "a bystander's row");
        expect(learner_.learner.filled(kVictims) != answered,
               answered ? "a committed result was lost" : "an uncommitted result was delivered");
        if (answered)
            seen_ = learner_.sequence(kVictims);
        learner_.expect_frame(kVictims, seen_, Author::first,
                              answered ? "a committed row" : "a lost simulator's last row");
    }

    void welcome_successor()
    {
        const uint32_t generation = learner_.learner.lane(kVictims).generation;
        FrameSimulator successor(name_, kVictims, Author::successor);
        learner_.send_step();
        expect(successor.answer(), "the successor was not commanded");
        first_.answer();
        learner_.wait();
        learner_.deliver();
        expect(!learner_.learner.filled(kVictims), "the successor's row was not delivered");
        expect(learner_.learner.lane(kVictims).generation == generation + 1,
               "the successor's generation is not the next one");
        learner_.expect_frame(kVictims, learner_.sequence(kVictims), Author::successor,
                              "a successor's row");
    }

    std::string name_;
    FrameLearner learner_;
    FrameSimulator first_;
    Victim victim_;
    uint64_t seen_ = 1; // the victim's last delivered command: the reset
};

} // namespace

std::unique_ptr<Experiment> make_publish(Fate fate)
{
    return std::make_unique<Publish>(fate);
}
