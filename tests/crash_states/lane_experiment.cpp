// lane_experiment.cpp: steps in which lane 1's simulator may be dead, late or new.
#include "lane_experiment.hpp"

LaneExperiment::LaneExperiment(int64_t step_deadline_ns)
    : frames_(config_of(name_, step_deadline_ns)), first_(name_, 0, Author::first)
{
}

void LaneExperiment::deliver_reset()
{
    expect(first_.answer(), "a reset did not come");
    wait_until("the reset's rows", [this] { return learner().num_ready() == kNumLanes; });
    frames_.deliver();
}

void LaneExperiment::expect_step(std::optional<Author> author)
{
    first_.answer();
    frames_.wait();
    frames_.deliver();
    frames_.expect_frame(0, frames_.sequence(0), Author::first, "a bystander's row");
    expect(learner().filled(kLane) != author.has_value(),
           author ? "a committed result was lost" : "an uncommitted result was delivered");
    if (author) {
        seen_ = frames_.sequence(kLane);
        author_ = *author;
    }
    frames_.expect_frame(kLane, seen_, author_,
                         author ? "a committed row" : "a lost simulator's last row");
}

void LaneExperiment::expect_served(FrameSimulator &successor)
{
    wait_until("the successor", [this] {
        learner().look_for_returns();
        return learner().lane(kLane).back;
    });
    frames_.send_step();
    expect(successor.answer(), "the successor was not commanded");
    expect_step(Author::successor);
    frames_.send_step();
    expect(successor.answer(), "the successor was not commanded again");
    expect_step(Author::successor);
}

void LaneExperiment::welcome_successor()
{
    FrameSimulator successor(name_, kLane, Author::successor);
    expect_served(successor);
}

void LaneExperiment::expect_honest(uint64_t num_lost, uint64_t num_discarded) const
{
    const uerl::Stats &stats = frames_.learner.stats;
    expect(stats.lost == num_lost, "simulators were found dead " + std::to_string(stats.lost) +
                                       " times, expected " + std::to_string(num_lost));
    expect(stats.discarded == num_discarded, std::to_string(stats.discarded) +
                                                 " late results were counted, expected " +
                                                 std::to_string(num_discarded));
    expect(stats.violations == 0, "an honest simulator was accused of impossible values");
}
