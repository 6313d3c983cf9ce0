// recorder.hpp: the learner waits for an observer that records without loss.
//
// The observer writes nothing: it holds shared locks (docs/layout.md), which end with it.
#pragma once

#include <cstdint>

#include "uerl_shm/layout.h"

namespace uerl {

// The byte that says that so many deliveries, the sum over the lanes, have been read.
inline int64_t recorded_byte(uint64_t deliveries) {
    constexpr uint64_t kBytes = 4096;  // far more than a recorder can be behind
    return UERL_LOCK_RECORDED + static_cast<int64_t>(deliveries % kBytes);
}

class Recorder {
  public:
    // Is there one, that has yet to read what was delivered? Asks the kernel for one that may have
    // come every 100 ms, and, where there is one, each time.
    bool is_behind(int lock_fd, uint64_t deliveries, int64_t now_ns);
    // It is silent: let it go, and look for another one when it has gone.
    void give_up() { given_up_ = true; }

  private:
    bool is_there_ = false;
    bool given_up_ = false;
    int64_t looked_ns_ = 0;
};

}  // namespace uerl
