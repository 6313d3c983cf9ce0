// observer.cpp: reading a segment without being part of it.
#include "observer.hpp"

#include <cstring>

#include "core/atomics.h"
#include "core/error.h"
#include "core/lock.h"
#include "learner.hpp"
#include "recorder.hpp"

namespace uerl {

Observer::Observer(const std::string& name) {
    const int error = uerl_segment_open(&segment_, name.c_str(), true);
    if (error != UERL_OK) throw Error(error, uerl_last_error());
}

Observer::~Observer() { uerl_segment_close(&segment_); }

std::string Observer::text() const {
    return std::string(uerl_segment_text(&segment_), segment_.header.text_bytes);
}

bool Observer::owner_alive() const {
    return uerl_lock_probe(segment_.file_fd, UERL_LOCK_OWNER) == UERL_LOCK_HELD;
}

bool Observer::lane_locked(uint32_t lane) const {
    return uerl_lock_probe(segment_.file_fd, UERL_LOCK_LANES + static_cast<int64_t>(lane)) ==
           UERL_LOCK_HELD;
}

uerl_header Observer::header_now() const { return *uerl_segment_header(&segment_); }

uerl_lane_commands Observer::commands_now(uint32_t lane) const {
    return *uerl_segment_commands(&segment_, lane);
}

uerl_lane_results Observer::results_now(uint32_t lane) const {
    return *uerl_segment_results(&segment_, lane);
}

bool Observer::copy_rows(uint32_t field, uint32_t slot, uint32_t row, uint32_t count,
                         uint8_t* target) {
    const uint32_t* epoch = uerl_segment_slot_epochs(&segment_) + slot;
    // [O] The slot was at rest before the copy ... Pairs with begin_fill() and end_fill().
    const uint32_t before = load_acquire_u32(epoch);
    std::memcpy(target, uerl_segment_row(&segment_, field, slot, row),
                count * segment_.fields[field].row_stride);
    // ... and is the same after it. Pairs with begin_fill() and end_fill().
    fence_acquire();
    const bool whole = before % 2 == 0 && load_relaxed_u32(epoch) == before;
    num_torn_ += !whole;
    return whole;
}

void Observer::begin_recording() {
    if (uerl_lock_probe(segment_.file_fd, UERL_LOCK_RECORDER) == UERL_LOCK_HELD)
        throw Error(UERL_E_EXISTS, std::string("segment ") + segment_.name +
                                       " is recorded by another process, expected one without "
                                       "loss at a time: end that one, or record with loss");
    if (uerl_lock_share(segment_.file_fd, UERL_LOCK_RECORDER) != UERL_OK)
        throw Error(UERL_E_SYSTEM, uerl_last_error());
}

// The new byte first: there is always one that is held.
void Observer::acknowledge(uint64_t deliveries) {
    const int64_t byte = recorded_byte(deliveries);
    if (byte == acknowledged_) return;
    if (uerl_lock_share(segment_.file_fd, byte) != UERL_OK)
        throw Error(UERL_E_SYSTEM, uerl_last_error());
    if (acknowledged_ >= 0) uerl_lock_release(segment_.file_fd, acknowledged_);
    acknowledged_ = byte;
}

}  // namespace uerl
