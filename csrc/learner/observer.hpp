// observer.hpp: reading a segment without being part of it. Needs read permission only.
//
// An observer copies rows, and keeps the copy only if the slot's epoch shows that nobody was
// writing: it holds nothing and slows nobody down. Every number it reports was written by others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/segment.h"

namespace uerl {

class Observer {
  public:
    explicit Observer(const std::string& name);  // throws Error
    ~Observer();
    Observer(const Observer&) = delete;
    Observer& operator=(const Observer&) = delete;

    const uerl_segment& segment() const { return segment_; }
    std::string text() const;
    bool owner_alive() const;
    bool lane_locked(uint32_t lane) const;
    uerl_header header_now() const;  // a copy, the learner's words included
    uerl_lane_commands commands_now(uint32_t lane) const;
    uerl_lane_results results_now(uint32_t lane) const;

    // Copies `count` rows from `row` of a field into `target`; false when the copy may be torn.
    bool copy_rows(uint32_t field, uint32_t slot, uint32_t row, uint32_t count, uint8_t* target);
    uint64_t num_torn() const { return num_torn_; }

    // Lets the learner wait for this observer (docs/layout.md, Locks). Throws Error where another
    // one is waited for.
    void begin_recording();
    // All rows of so many deliveries, the sum over the lanes, have been read.
    void acknowledge(uint64_t deliveries);

  private:
    uerl_segment segment_{};
    uint64_t num_torn_ = 0;
    int64_t acknowledged_ = -1;  // the byte that is held; -1: none
};

}  // namespace uerl
