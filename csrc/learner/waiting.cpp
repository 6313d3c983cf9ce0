// waiting.cpp: how Python waits for results: busy, then asleep, and what is told meanwhile.
#include <algorithm>
#include <ctime>

#include "batches.hpp"

namespace uerl {

int64_t deadline_after(double timeout_s) {
    const bool endless = timeout_s < 0 || timeout_s > 9e9;
    return uerl_deadline_ns(endless ? -1 : static_cast<int64_t>(timeout_s * 1e9));
}

void Batches::throw_timeout(uint32_t need, double timeout_s) {
    const std::vector<uint32_t> silent = learner_.silent_lanes();
    std::string names;
    for (size_t i = 0; i < silent.size() && i < 8; i++)
        names += (i == 0 ? "" : ", ") + std::to_string(silent[i]);
    throw Error(
        UERL_E_TIMEOUT,
        std::to_string(learner_.num_ready()) + " of " + std::to_string(need) +
            " simulators answered in " + py::str(py::float_(timeout_s)).cast<std::string>() +
            " s, silent: lane " + names + (silent.size() > 8 ? ", ..." : "") +
            ": nothing is lost, call recv() to go on waiting, or reset() to give the step up",
        silent);
}

void Batches::wait_asleep(uint32_t need, int64_t deadline_ns, double timeout_s) {
    int64_t paused_ns = learner_.paused_ns();
    for (int64_t slice_ns = 0;;) {
        slice_ns =
            uerl_wait_next_slice(slice_ns, std::min(deadline_ns, learner_.next_deadline_ns()));
        if (slice_ns > 0) {
            const py::gil_scoped_release released;  // others run while simulators work
            learner_.sleep_slice(need, slice_ns);
        }
        if (learner_.num_ready() >= need) return;
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        learner_.check_failures();
        if (learner_.num_ready() >= need) return;
        // A pause of our own puts off both deadlines, so that late comes before timed out.
        if (deadline_ns != INT64_MAX) deadline_ns += learner_.paused_ns() - paused_ns;
        paused_ns = learner_.paused_ns();
        if (uerl_now_ns() >= deadline_ns) throw_timeout(need, timeout_s);
    }
}

// The lock is released only to sleep: giving it up beside a busy Python thread costs milliseconds.
void Batches::wait(uint32_t need, double timeout_s) {
    if (learner_.num_ready() < need) {
        const int64_t start_ns = uerl_now_ns();
        const int64_t deadline_ns = deadline_after(timeout_s);
        if (timeout_s == 0.0 || !learner_.wait_busy(need, deadline_ns))
            wait_asleep(need, deadline_ns, timeout_s);
        learner_.add_wait_ns(static_cast<uint64_t>(uerl_now_ns() - start_ns));
    }
    learner_.check_whole(false);
    learner_.check_failed_ready();
    tell_events();
}

// What happened to simulators, told where nothing is half done.
void Batches::tell_events() {
    while (learner_.has_events()) {
        const Event event = learner_.first_event();
        on_event_(event.lane, static_cast<uint32_t>(event.change), event.text);
        learner_.forget_first_event();  // told: what raises is told again
    }
}

bool Batches::has_enough_rows() const {
    return !learner_.any_filled() || learner_.num_rows_served() >= options_.min_valid;
}

void Batches::need_enough_rows() {
    while (!has_enough_rows()) {
        on_event_(-1, 0,
                  std::to_string(learner_.num_rows_served()) +
                      " rows have a living simulator, expected at least min_valid=" +
                      std::to_string(options_.min_valid));
        learner_.look_for_returns();
        tell_events();
    }
}

// Others may become ready meanwhile: so many more ready ones cannot come before these have.
void Batches::wait_for(const std::vector<uint32_t>& lanes, double timeout_s) {
    const int64_t start_ns = uerl_now_ns();
    for (;;) {
        const uint32_t ready = learner_.num_ready();
        const auto missing =
            static_cast<uint32_t>(std::count_if(lanes.begin(), lanes.end(), [this](uint32_t lane) {
                return !learner_.lane(lane).ready;
            }));
        const double passed_s = static_cast<double>(uerl_now_ns() - start_ns) * 1e-9;
        wait(ready + missing, std::max(timeout_s - passed_s, 0.0));
        if (missing == 0) return;
    }
}

// Before commands go out: what was delivered last may be written over afterwards.
void Batches::wait_for_recorder() {
    constexpr int64_t kPatienceNs = 5000000000;
    if (!learner_.recorder_is_behind()) return;
    const int64_t deadline_ns = uerl_now_ns() + kPatienceNs;
    for (timespec pause{0, 10000}; learner_.recorder_is_behind();) {
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        if (uerl_now_ns() >= deadline_ns) {
            learner_.give_up_recorder();
            if (PyErr_WarnEx(PyExc_RuntimeWarning,
                             "the recorder read nothing for 5 seconds, expected it to keep up: it "
                             "is not waited for any more, and drops steps",
                             1) != 0)
                throw py::error_already_set();
            return;
        }
        const py::gil_scoped_release released;
        nanosleep(&pause, nullptr);
        pause.tv_nsec = std::min(pause.tv_nsec * 2, 1000000L);
    }
}

}  // namespace uerl
