// learner_loop.cpp: the loop of `env.step` in C++: what is left when Python costs nothing.
//
//   learner_loop NAME NUM_ENVS SECONDS
//
// Makes the segment, prints "ready", waits for the simulators of all lanes, steps them for so long
// and prints the median of one step in nanoseconds.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "core/wait.h"
#include "learner/learner.hpp"

namespace
{

constexpr char text[] = "{}";

void add(uerl::Config &config, const char *name, uint32_t role, uint32_t dtype,
         std::initializer_list<uint64_t> shape = {})
{
    uerl_field field{};
    std::snprintf(field.name, sizeof field.name, "%s", name);
    field.role = role;
    field.dtype = dtype;
    field.num_dims = static_cast<uint32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), field.shape);
    config.fields.push_back(field);
}

// The spec of transports.py: the fields in the order in which Python lays them out do not matter.
uerl::Config config_of(const char *name, uint32_t num_envs)
{
    uerl::Config config;
    config.name = name;
    config.text = text;
    config.groups.resize(1);
    std::strcpy(config.groups[0].name, "agent");
    config.groups[0].rows_per_env = 1;
    add(config, "observation/camera", UERL_ROLE_OBSERVATION, UERL_DTYPE_UINT8, {84, 84, 3});
    add(config, "observation/state", UERL_ROLE_OBSERVATION, UERL_DTYPE_FLOAT32, {64});
    add(config, "action/action", UERL_ROLE_ACTION, UERL_DTYPE_FLOAT32, {4});
    add(config, "control", UERL_ROLE_CONTROL, UERL_DTYPE_UINT8);
    add(config, "seed", UERL_ROLE_SEED, UERL_DTYPE_INT64);
    add(config, "reward", UERL_ROLE_REWARD, UERL_DTYPE_FLOAT32);
    add(config, "terminated", UERL_ROLE_TERMINATED, UERL_DTYPE_BOOL);
    add(config, "truncated", UERL_ROLE_TRUNCATED, UERL_DTYPE_BOOL);
    config.header.num_lanes = num_envs;
    config.header.envs_per_lane = 1;
    config.header.num_slots = 4;
    config.header.num_groups = 1;
    config.header.num_fields = static_cast<uint32_t>(config.fields.size());
    config.header.message_bytes = 4096;
    config.header.text_bytes = sizeof text - 1;
    if (uerl_spec_layout(&config.header, config.groups.data(), config.fields.data()) != 0)
        throw std::runtime_error(uerl_last_error());
    config.masks = true; // as VecEnv has it
    config.step_deadline_ns = INT64_C(60000000000);
    return config;
}

struct Loop {
    uerl::Learner learner;
    std::vector<uint32_t> lanes;
    uint64_t sum = 0; // of the outcomes, which a learner reads

    Loop(const char *name, uint32_t num_envs) : learner(config_of(name, num_envs)), lanes(num_envs)
    {
        std::iota(lanes.begin(), lanes.end(), 0u);
    }

    void wait_and_take()
    {
        const auto need = static_cast<uint32_t>(lanes.size());
        if (!learner.wait_busy(need, INT64_MAX))
            for (int64_t slice_ns = 0; learner.num_ready() < need;)
                learner.sleep_slice(need, slice_ns = uerl_wait_next_slice(slice_ns, INT64_MAX));
        learner.take(lanes);
        learner.count_delivery(need, true, learner.lane(0).slot);
    }

    void reset()
    {
        const std::vector<uint8_t> every(lanes.size(), 1);
        learner.send_reset(every, std::vector<int64_t>(lanes.size(), 0), "");
        wait_and_take();
    }

    void step()
    {
        for (const uint32_t lane : lanes)
            std::memset(learner.action_rows(2, lane), 0, 4 * sizeof(float));
        learner.look_for_returns();
        learner.send_step(lanes);
        wait_and_take();
        for (const uint32_t lane : lanes) {
            const uint32_t slot = learner.lane(lane).slot;
            const bool ended = *uerl_segment_row(&learner.segment(), 6, slot, lane) ||
                               *uerl_segment_row(&learner.segment(), 7, slot, lane);
            learner.note_outcome(lane, ended);
            sum += ended;
        }
    }
};

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    Loop loop(argv[1], static_cast<uint32_t>(std::atoi(argv[2])));
    std::puts("ready");
    std::fflush(stdout);
    while (loop.learner.look_for_simulators() < loop.lanes.size())
        continue;
    loop.reset();
    for (int i = 0; i < 1000; i++)
        loop.step();
    std::vector<int64_t> times;
    const int64_t end_ns = uerl_now_ns() + static_cast<int64_t>(std::atof(argv[3]) * 1e9);
    for (int64_t before_ns = uerl_now_ns(); before_ns < end_ns;) {
        loop.step();
        const int64_t now_ns = uerl_now_ns();
        times.push_back(now_ns - before_ns);
        before_ns = now_ns;
    }
    std::sort(times.begin(), times.end());
    std::printf("%lld %zu\n", static_cast<long long>(times[times.size() / 2]), times.size());
    loop.learner.close();
}
