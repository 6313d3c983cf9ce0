// probe_row.hpp: `uerl-sim probe` for peers: the same rows and work, whatever carries them.
//
// A peer's command line is PROGRAM ENV WIDTH HEIGHT CHANNELS STEP_US WAIT_US [MORE]. Its message is
// camera uint8[height][width][channels], state float32[64], reward float32, terminated and
// truncated uint8; the bytes are those of csrc/simulators/pattern.hpp.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include "simulators/pattern.hpp"

struct Probe {
    static constexpr std::size_t state_bytes = 64 * sizeof(float);
    static constexpr std::size_t action_bytes = 4 * sizeof(float);

    Probe(int argc, char **argv)
        : env(number(argc, argv, 1, 0)),
          camera_bytes(number(argc, argv, 2, 84) * number(argc, argv, 3, 84) *
                       number(argc, argv, 4, 3)),
          step_us(static_cast<long>(number(argc, argv, 5, 0))),
          wait_us(static_cast<long>(number(argc, argv, 6, 0))), more(argc > 7 ? argv[7] : "")
    {
    }

    std::size_t message_bytes() const
    {
        return camera_bytes + state_bytes + sizeof(float) + 2;
    }

    // Does the step's work, then writes the message.
    void answer(unsigned char *message)
    {
        work();
        using namespace uerl_sim;
        static const std::uint64_t camera = fnv1a("agent/observation/camera");
        static const std::uint64_t state = fnv1a("agent/observation/state");
        static const std::uint64_t reward = fnv1a("agent/reward");
        fill_pattern(message, camera_bytes, pattern_base(camera, env, 0, step),
                     pattern_masks(UERL_DTYPE_UINT8));
        fill_pattern(message + camera_bytes, state_bytes, pattern_base(state, env, 0, step),
                     pattern_masks(UERL_DTYPE_FLOAT32));
        const float value = static_cast<float>(pattern_reward(pattern_base(reward, env, 0, step)));
        std::memcpy(message + camera_bytes + state_bytes, &value, sizeof value);
        message[message_bytes() - 2] = message[message_bytes() - 1] = 0;
        step++;
    }

    std::uint64_t env;
    std::size_t camera_bytes;
    long step_us, wait_us;
    std::string more;
    std::uint64_t step = 0;

  private:
    static std::uint64_t number(int argc, char **argv, int index, std::uint64_t otherwise)
    {
        return argc > index ? std::strtoull(argv[index], nullptr, 10) : otherwise;
    }

    static std::int64_t now_us()
    {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return std::int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
    }

    void work() const
    {
        if (wait_us > 0) {
            const struct timespec nap = {wait_us / 1000000, wait_us % 1000000 * 1000};
            nanosleep(&nap, nullptr);
        }
        if (step_us > 0)
            for (const std::int64_t end = now_us() + step_us; now_us() < end;)
                continue;
    }
};
