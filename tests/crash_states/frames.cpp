// frames.cpp: a learner and simulators that throw Broken as soon as something is not as it must be.
#include "frames.hpp"

#include <cstdio>
#include <cstring>
#include <unistd.h>

#include "core/atomics.h"
#include "core/wait.h"

namespace
{

void add_field(uerl::Config &config, const char *name, uint32_t role, uint32_t dtype,
               std::vector<uint64_t> shape = {})
{
    uerl_field field{};
    snprintf(field.name, sizeof field.name, "%s", name);
    field.role = role;
    field.dtype = dtype;
    field.num_dims = static_cast<uint32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), field.shape);
    config.fields.push_back(field);
}

void check(int error, const char *what)
{
    expect(error == UERL_OK, std::string(what) + " failed: " + uerl_last_error());
}

// Made once, so that a frame takes few instructions, as a copied picture does.
const std::vector<uint8_t> ramp_of_a_frame = [] {
    std::vector<uint8_t> ramp(kFrameBytes);
    for (uint32_t i = 0; i < kFrameBytes; i++)
        ramp[i] = pixel(0, 0, Author{}, i);
    return ramp;
}();

uerl_simulator *attached(const std::string &name, int32_t lane)
{
    uerl_simulator *simulator = nullptr;
    check(uerl_simulator_attach(&simulator, name.c_str(), lane, 0), "attach");
    return simulator;
}

} // namespace

std::string new_segment_name()
{
    static int count;
    return "uerl-crash-" + std::to_string(getpid()) + "-" + std::to_string(++count);
}

uerl::Config config_of(const std::string &name, int64_t step_deadline_ns)
{
    uerl::Config config;
    config.name = name;
    config.text = name; // by which a temporary name of it is known
    config.header.num_lanes = kNumLanes;
    config.header.envs_per_lane = 1;
    config.header.num_slots = 5;
    config.header.message_bytes = 256;
    config.masks = true;
    config.step_deadline_ns = step_deadline_ns;
    uerl_group group{};
    snprintf(group.name, sizeof group.name, "agent");
    group.rows_per_env = 1;
    config.groups.push_back(group);
    add_field(config, "observation/camera", UERL_ROLE_OBSERVATION, UERL_DTYPE_UINT8, {84, 84, 3});
    add_field(config, "action/move", UERL_ROLE_ACTION, UERL_DTYPE_FLOAT32, {2});
    add_field(config, "control", UERL_ROLE_CONTROL, UERL_DTYPE_UINT8);
    add_field(config, "seed", UERL_ROLE_SEED, UERL_DTYPE_INT64);
    add_field(config, "reward", UERL_ROLE_REWARD, UERL_DTYPE_FLOAT32);
    add_field(config, "terminated", UERL_ROLE_TERMINATED, UERL_DTYPE_BOOL);
    add_field(config, "truncated", UERL_ROLE_TRUNCATED, UERL_DTYPE_BOOL);
    return config;
}

void wait_until(const std::string &what, const std::function<bool()> &look)
{
    const int64_t deadline_ns = uerl_deadline_ns(kPatienceNs);
    while (!look()) {
        expect(uerl_now_ns() < deadline_ns,
               what + " did not come in " + std::to_string(kPatienceNs / kMs) + " ms");
        usleep(100);
    }
}

// Simulators --------------------------------------------------------------------------------------

FrameSimulator::FrameSimulator(uerl_simulator *simulator, Author author)
    : simulator_(simulator), author_(author)
{
    const uint64_t shape[] = {84, 84, 3};
    camera_ = uerl_simulator_bind(simulator_, nullptr, "observation/camera", UERL_ROLE_OBSERVATION,
                                  UERL_DTYPE_UINT8, 3, shape);
    expect(camera_ >= 0, "bind failed");
    check(uerl_simulator_ready(simulator_), "ready");
}

FrameSimulator::FrameSimulator(const std::string &name, int32_t lane, Author author)
    : FrameSimulator(attached(name, lane), author)
{
}

std::unique_ptr<FrameSimulator> FrameSimulator::try_attach(const std::string &name, int32_t lane,
                                                           Author author)
{
    uerl_simulator *simulator = nullptr;
    const int error = uerl_simulator_attach(&simulator, name.c_str(), lane, 0);
    if (error == UERL_E_EXISTS || error == UERL_E_NOT_FOUND)
        return nullptr;
    check(error, "attach");
    return std::unique_ptr<FrameSimulator>(new FrameSimulator(simulator, author));
}

FrameSimulator::~FrameSimulator()
{
    detach();
}

void FrameSimulator::detach()
{
    uerl_simulator_detach(simulator_);
    simulator_ = nullptr;
}

int FrameSimulator::receive(int64_t timeout_ns)
{
    return uerl_simulator_receive(simulator_, &received_, timeout_ns);
}

void FrameSimulator::write()
{
    auto *frame = static_cast<uint8_t *>(uerl_simulator_row(simulator_, camera_, 0));
    const auto lane = static_cast<uint32_t>(uerl_simulator_lane(simulator_));
    const uint8_t *ramp = ramp_of_a_frame.data();
    const uint8_t first = pixel(received_.sequence, lane, author_, 0);
    for (uint32_t i = 0; i < kFrameBytes; i++)
        frame[i] = static_cast<uint8_t>(ramp[i] + first);
    const bool steps = uerl_simulator_control(simulator_, 0) == UERL_CONTROL_STEP;
    uerl_simulator_outcome(simulator_, 0, 0, steps ? 1.0 : 0.0, 0, 0);
}

void FrameSimulator::send()
{
    check(uerl_simulator_send(simulator_), "send");
}

bool FrameSimulator::answer()
{
    const int error = receive();
    if (error == UERL_E_TIMEOUT)
        return false;
    check(error, "receive");
    write();
    send();
    return true;
}

void FrameSimulator::serve()
{
    for (;;) {
        const int error = receive(100 * kMs);
        if (error == UERL_E_TIMEOUT)
            continue;
        if (error != UERL_OK)
            return;
        write();
        send();
    }
}

// The learner -------------------------------------------------------------------------------------

FrameLearner::FrameLearner(const uerl::Config &config) : learner(config)
{
    for (uint32_t lane = 0; lane < kNumLanes; lane++)
        all.push_back(lane);
}

void FrameLearner::wait_for_simulators()
{
    wait_until("simulators", [this] { return learner.look_for_simulators() == kNumLanes; });
}

void FrameLearner::send_reset()
{
    const std::vector<uint8_t> every(kNumLanes, 1);
    expect(learner.resettable(every), "lanes cannot be reset");
    learner.send_reset(every, std::vector<int64_t>(kNumLanes, -1), "");
}

void FrameLearner::wait()
{
    wait_until("results", [this] {
        if (learner.num_ready() == kNumLanes)
            return true;
        learner.check_failures();
        return learner.num_ready() == kNumLanes;
    });
}

void FrameLearner::deliver()
{
    learner.take(all);
    for (const uint32_t lane : all)
        learner.note_outcome(lane, truncated(lane));
    learner.count_delivery(kNumLanes, learner.common_slot() != UINT32_MAX, learner.lane(0).slot);
    learner.forget_losses(all);
}

bool FrameLearner::truncated(uint32_t lane) const
{
    return *uerl_segment_row(&learner.segment(), kTruncated, learner.lane(lane).slot, lane) != 0;
}

void FrameLearner::expect_frame(uint32_t lane, uint64_t sequence, Author author,
                                const std::string &what) const
{
    const uint8_t *frame = row(lane);
    for (uint32_t i = 0; i < kFrameBytes; i++)
        if (frame[i] != pixel(sequence, lane, author, i))
            throw Broken(what + ": byte " + std::to_string(i) + " of lane " + std::to_string(lane) +
                         " is " + std::to_string(frame[i]) + ", expected " +
                         std::to_string(pixel(sequence, lane, author, i)) + " of command " +
                         std::to_string(sequence));
}
