// attaching.hpp: what serving one learner and several have in common: signals, waiting, the
// way to a lane.
#ifndef UERL_SIM_ATTACHING_HPP
#define UERL_SIM_ATTACHING_HPP

#include <algorithm>
#include <csignal>
#include <cstdint>

#include "uerl_shm/uerl_shm.h"

namespace uerl_sim {

constexpr std::int64_t slice_ns = 100000000;  // longest sleep before a look at leave_requested
constexpr std::int64_t taken_lane_ns = 10000000000;  // a dead holder of the lane is gone by then

extern volatile std::sig_atomic_t leave_requested;  // a signal asked this process to leave

void catch_signals();

std::int64_t now_ns();

// Both end early when a signal asks to leave.
void sleep_until(std::int64_t deadline_ns);
void spin_until(std::int64_t deadline_ns);

// Calls `attempt(timeout_ns)`, which attaches, until the learner is there: in slices, so that a
// signal is heeded meanwhile. As in uerl_simulator_attach() itself, a lane that is taken is not
// waited for as long as a learner. Returns what the last attempt did.
template <typename Attempt>
int attach(std::int64_t timeout_s, const Attempt& attempt) {
    std::int64_t deadline_ns = now_ns() + timeout_s * 1000000000;
    bool lane_taken = false;
    for (;;) {
        const std::int64_t left_ns = std::max<std::int64_t>(deadline_ns - now_ns(), 0);
        const int error = attempt(std::min(left_ns, slice_ns));
        if (error == UERL_E_EXISTS && !lane_taken)
            deadline_ns = std::min(deadline_ns, now_ns() + taken_lane_ns);
        lane_taken = lane_taken || error == UERL_E_EXISTS;
        const bool may_come = error == UERL_E_NOT_FOUND || error == UERL_E_EXISTS;
        if (!may_come || left_ns == 0 || leave_requested) return error;
    }
}

}  // namespace uerl_sim

#endif
