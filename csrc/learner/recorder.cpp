// recorder.cpp: the learner waits for an observer that records without loss.
#include "recorder.hpp"

#include "core/lock.h"

namespace uerl {

namespace {

constexpr int64_t kLookNs = 100000000;

}  // namespace

bool Recorder::is_behind(int lock_fd, uint64_t deliveries, int64_t now_ns) {
    if ((!is_there_ || given_up_) && now_ns - looked_ns_ < kLookNs) return false;
    looked_ns_ = now_ns;
    is_there_ = uerl_lock_probe(lock_fd, UERL_LOCK_RECORDER) == UERL_LOCK_HELD;
    given_up_ = given_up_ && is_there_;
    return is_there_ && !given_up_ &&
           uerl_lock_probe(lock_fd, recorded_byte(deliveries)) != UERL_LOCK_HELD;
}

}  // namespace uerl
