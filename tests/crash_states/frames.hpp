// frames.hpp: the learner and the simulators of the crash states: two lanes of one env each, and
// frames of 84x84x3 bytes whose every byte says which command, lane and simulator wrote it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "learner.hpp"
#include "stepper.hpp"
#include "uerl_shm/uerl_shm.h"

constexpr uint32_t kNumLanes = 2;
constexpr uint32_t kFrameBytes = 84 * 84 * 3;
constexpr int64_t kMs = 1000000;
constexpr int64_t kPatienceNs = 10000 * kMs; // longer: nobody will come any more

// Places of the fields.
enum : uint32_t { kCamera, kAction, kControl, kSeed, kReward, kTerminated, kTruncated };

// Who wrote a frame.
enum class Author : uint32_t { first = 1, successor = 2 };

inline uint8_t pixel(uint64_t sequence, uint32_t lane, Author author, uint32_t i)
{
    return static_cast<uint8_t>(sequence * 31 + lane * 7 + static_cast<uint32_t>(author) * 101 +
                                i % 251);
}

std::string new_segment_name();
uerl::Config config_of(const std::string &name, int64_t step_deadline_ns = INT64_MAX);

// Calls look() until it is true.
void wait_until(const std::string &what, const std::function<bool()> &look);

class FrameSimulator
{
  public:
    FrameSimulator(const std::string &name, int32_t lane, Author author);
    ~FrameSimulator();
    FrameSimulator(const FrameSimulator &) = delete;
    FrameSimulator &operator=(const FrameSimulator &) = delete;

    // Null while somebody else holds the lane, or where no living learner has the name.
    static std::unique_ptr<FrameSimulator> try_attach(const std::string &name, int32_t lane,
                                                      Author author);

    int receive(int64_t timeout_ns = 0); // an error of uerl_shm.h
    void write();
    void send();
    bool answer(); // false: there was no command
    void serve();  // until the learner is finished or dead
    void detach();
    uerl_simulator *handle() const
    {
        return simulator_;
    }

  private:
    explicit FrameSimulator(uerl_simulator *simulator, Author author);

    uerl_simulator *simulator_ = nullptr;
    Author author_;
    int32_t camera_ = -1;
    uerl_received received_{};
};

// A learner that masks lost simulators, as VecEnv's does, moved step by step.
struct FrameLearner {
    uerl::Learner learner;
    std::vector<uint32_t> all;

    explicit FrameLearner(const uerl::Config &config);

    void wait_for_simulators();
    void send_reset();
    void send_step()
    {
        learner.send_step(all);
    }
    void wait(); // until every lane is ready, or was made by the learner
    void deliver();
    const uint8_t *row(uint32_t lane) const
    {
        return row_in(learner.lane(lane).slot, lane);
    }
    const uint8_t *row_in(uint32_t slot, uint32_t lane) const
    {
        return uerl_segment_row(&learner.segment(), kCamera, slot, lane);
    }
    bool truncated(uint32_t lane) const;
    uint64_t sequence(uint32_t lane) const
    {
        return learner.lane(lane).sequence;
    }
    // Is the lane's last delivered row that of command `sequence`, byte for byte?
    void expect_frame(uint32_t lane, uint64_t sequence, Author author,
                      const std::string &what) const;
};
