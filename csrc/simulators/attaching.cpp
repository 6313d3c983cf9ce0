// attaching.cpp: signals and waiting.
#include "attaching.hpp"

#include <cerrno>
#include <cstring>
#include <ctime>

namespace uerl_sim {

namespace {

void request_leave(int) { leave_requested = 1; }

}  // namespace

volatile std::sig_atomic_t leave_requested = 0;

void catch_signals() {
    struct sigaction action;
    std::memset(&action, 0, sizeof action);
    action.sa_handler = request_leave;  // without SA_RESTART: a sleep ends at once
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
}

std::int64_t now_ns() {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

void sleep_until(std::int64_t deadline_ns) {
    const struct timespec deadline = {static_cast<time_t>(deadline_ns / 1000000000),
                                      static_cast<long>(deadline_ns % 1000000000)};
    while (!leave_requested &&
           clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR) {
    }
}

void spin_until(std::int64_t deadline_ns) {
    while (!leave_requested && now_ns() < deadline_ns) {
    }
}

}  // namespace uerl_sim
