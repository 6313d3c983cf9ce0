// player.hpp: a simulator as a thread over the learner's own mapping. It answers, is late, fails,
// refuses, leaves in the midst of a command, and comes back, as its random numbers say.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "../c/puppets.hpp"

constexpr int64_t kDeadlineNs = 30 * kMs; // of a step; a late player takes twice as long

// What command `sequence` leaves in a row, exact in a float however long the run is.
inline float trace(uint64_t sequence, uint32_t row, uint32_t k)
{
    return pattern(sequence % 10000, row, k);
}

class Player
{
  public:
    Player(const uerl_segment &segment, uint32_t lane)
        : segment_(segment), lane_(lane), random_(lane + 1)
    {
    }

    // Until the learner is finished. To be run by a thread of its own.
    void play()
    {
        while (!finished_) {
            uerl_simulator *simulator = nullptr;
            const int error =
                uerl_simulator_attach_mapping(&simulator, segment_.base, segment_.bytes,
                                              segment_.name, static_cast<int32_t>(lane_));
            if (error == UERL_E_NOT_FOUND)
                return; // the learner is gone
            if (error != UERL_OK) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
                continue;
            }
            simulator_ = simulator;
            num_visits++;
            if (num_visits == 1)
                refuse();
            else
                visit();
            uerl_simulator_detach(simulator_);
        }
    }

    uint64_t num_answers = 0, num_visits = 0, num_late = 0, num_left = 0;
    uint64_t num_wrong = 0; // actions that were not those of the command

  private:
    bool chance(uint64_t one_in)
    {
        return next_random(&random_) % one_in == 0;
    }

    void refuse()
    {
        uerl_simulator_refuse(simulator_, "no map of that name");
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }

    void visit()
    {
        const uint64_t shape = 3;
        const int32_t observation =
            uerl_simulator_bind(simulator_, nullptr, "observation/state", UERL_ROLE_OBSERVATION,
                                UERL_DTYPE_FLOAT32, 1, &shape);
        if (observation < 0 || uerl_simulator_ready(simulator_) != UERL_OK)
            return;
        for (uint64_t left = 20 + next_random(&random_) % 400; left > 0; left--) {
            uerl_received received;
            const int error = uerl_simulator_receive(simulator_, &received, 200 * kMs);
            if (error == UERL_E_TIMEOUT)
                continue;
            if (error != UERL_OK) {
                finished_ = error == UERL_E_CLOSED;
                return;
            }
            if (!answer(observation, received))
                return;
        }
    }

    // Returns false when it leaves with the command in hand.
    bool answer(int32_t observation, const uerl_received &received)
    {
        bool resets = false;
        for (uint32_t row = 0; row < uerl_simulator_num_envs(simulator_); row++)
            resets |= uerl_simulator_control(simulator_, row) == UERL_CONTROL_RESET;
        read_message(resets);
        for (uint32_t row = 0; row < uerl_simulator_num_envs(simulator_); row++) {
            if (uerl_simulator_control(simulator_, row) == UERL_CONTROL_SKIP)
                continue;
            if (uerl_simulator_control(simulator_, row) == UERL_CONTROL_STEP)
                read_action(row, received);
            write_row(observation, row, received);
        }
        if (chance(150)) {
            num_left++;
            return false;
        }
        if (chance(400)) {
            num_late++;
            std::this_thread::sleep_for(std::chrono::nanoseconds(2 * kDeadlineNs));
            write_row(observation, 0, received);
        }
        if (chance(20))
            uerl_simulator_write_message(simulator_, UERL_MESSAGE_CUSTOM, "hello", 5);
        num_answers++;
        if (chance(300))
            return uerl_simulator_fail(simulator_, "out of fuel") == UERL_OK && false;
        return uerl_simulator_send(simulator_) == UERL_OK;
    }

    // Options come with a reset, never with the step that it overtakes.
    void read_message(bool resets)
    {
        uint32_t kind, bytes;
        const void *message = uerl_simulator_message(simulator_, &kind, &bytes);
        if (message == nullptr)
            return;
        const std::string text(static_cast<const char *>(message), bytes);
        num_wrong += !resets || text != "{\"map\": 1}";
    }

    void read_action(uint32_t env, const uerl_received &received)
    {
        const auto *action =
            static_cast<const float *>(uerl_simulator_row(simulator_, kAction, env));
        const uint32_t row = lane_ * uerl_simulator_num_envs(simulator_) + env;
        num_wrong += action[0] != trace(received.sequence, row, 0);
        num_wrong += uerl_simulator_seed(simulator_, env) != -1;
    }

    void write_row(int32_t observation, uint32_t env, const uerl_received &received)
    {
        auto *values = static_cast<float *>(uerl_simulator_row(simulator_, observation, env));
        const uint32_t row = lane_ * uerl_simulator_num_envs(simulator_) + env;
        for (uint32_t k = 0; k < 3; k++)
            values[k] = trace(received.sequence, row, k);
        uerl_simulator_outcome(simulator_, 0, env, 1.0, chance(30), 0);
    }

    const uerl_segment &segment_;
    const uint32_t lane_;
    uint64_t random_;
    uerl_simulator *simulator_ = nullptr;
    bool finished_ = false;
};
