// slots.hpp: which slots of the segment somebody still looks at.
//
// A lease holds rows of a run of lanes in one slot; while it lives nobody may write there. The
// table is touched only by whoever holds Python's interpreter lock (leases end with their arrays).
#pragma once

#include <cstdint>
#include <vector>

namespace uerl {

class SlotTable {
  public:
    SlotTable(uint32_t num_slots, uint32_t num_lanes)
        : num_lanes_(num_lanes),
          whole_(num_slots),
          partial_(num_slots),
          of_lane_(static_cast<size_t>(num_slots) * num_lanes),
          released_at_(num_slots) {
        // Nothing was released yet: slot 0 counts as the most recent, so that use begins there.
        for (uint32_t slot = 0; slot < num_slots; slot++) released_at_[slot] = num_slots - slot;
        clock_ = num_slots;
    }

    uint32_t num_slots() const { return static_cast<uint32_t>(whole_.size()); }

    void hold(uint32_t slot, uint32_t first_lane, uint32_t num_lanes) {
        num_held_ += !held(slot);
        if (num_lanes == num_lanes_) {
            whole_[slot]++;
            return;
        }
        partial_[slot]++;
        for (uint32_t lane = first_lane; lane < first_lane + num_lanes; lane++)
            of_lane_[index(slot, lane)]++;
    }

    void release(uint32_t slot, uint32_t first_lane, uint32_t num_lanes) {
        released_at_[slot] = ++clock_;
        if (num_lanes == num_lanes_) {
            whole_[slot]--;
        } else {
            partial_[slot]--;
            for (uint32_t lane = first_lane; lane < first_lane + num_lanes; lane++)
                of_lane_[index(slot, lane)]--;
        }
        num_held_ -= !held(slot);
    }

    // Is any row of the slot held?
    bool held(uint32_t slot) const { return whole_[slot] != 0 || partial_[slot] != 0; }

    bool held(uint32_t slot, uint32_t lane) const {
        return whole_[slot] != 0 || (partial_[slot] != 0 && of_lane_[index(slot, lane)] != 0);
    }

    // The greater, the more recently was the slot freed: its memory is still in the cache.
    uint64_t released_at(uint32_t slot) const { return released_at_[slot]; }

    uint32_t num_held() const { return num_held_; }

  private:
    size_t index(uint32_t slot, uint32_t lane) const {
        return static_cast<size_t>(slot) * num_lanes_ + lane;
    }

    uint32_t num_lanes_;
    std::vector<uint32_t> whole_;    // leases on all lanes of a slot
    std::vector<uint32_t> partial_;  // leases on some lanes of a slot
    std::vector<uint32_t> of_lane_;  // of these, how many cover a lane
    std::vector<uint64_t> released_at_;
    uint64_t clock_;
    uint32_t num_held_ = 0;
};

}  // namespace uerl
