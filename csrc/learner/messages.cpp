// messages.cpp: bytes beside the arrays: reset options, the user's own, error texts.
#include <cstring>

#include "clean_text.hpp"
#include "core/atomics.h"
#include "learner.hpp"

namespace uerl {

namespace {

uint32_t num_announced(const uerl_lane_results* results) {
    // [U] What the count announces is complete. Pairs with [T].
    return load_acquire_u32(&results->message_count);
}

}  // namespace

std::string Learner::message_of(uint32_t lane) const {
    const uerl_lane_results* results = uerl_segment_results(&segment(), lane);
    if (num_announced(results) == lanes_[lane].messages_seen) return "";
    const uerl_message* area = uerl_segment_message_to_learner(&segment(), lane);
    const uint32_t bytes = load_relaxed_u32(&area->bytes);
    if (bytes > segment().header.message_bytes) return "";
    return clean_text(std::string(reinterpret_cast<const char*>(area + 1), bytes));
}

void Learner::write_message(uint32_t index, uint32_t kind, const std::string& bytes) {
    if (bytes.size() > segment().header.message_bytes)
        throw Error(UERL_E_INVALID, "reset options have " + std::to_string(bytes.size()) +
                                        " bytes as JSON, expected at most " +
                                        std::to_string(segment().header.message_bytes) +
                                        ": raise message_bytes in the spec");
    uerl_message* area = uerl_segment_message_to_simulator(&segment(), index);
    uerl_lane_commands* shared = uerl_segment_commands(&segment(), index);
    std::memcpy(area + 1, bytes.data(), bytes.size());
    area->kind = kind;
    area->bytes = static_cast<uint32_t>(bytes.size());
    // The command that follows publishes it, and says that it does: one before it may still be
    // read.
    store_relaxed_u32(&shared->message_count, ++lanes_[index].messages_sent);
    lanes_[index].message_outstanding = true;
}

void Learner::post(uint32_t index, std::string bytes) {
    if (index >= num_lanes())
        throw Error(UERL_E_INVALID, "simulator " + std::to_string(index) +
                                        " is unknown, expected " + "one of " +
                                        std::to_string(num_lanes()));
    if (bytes.size() > segment().header.message_bytes)
        throw Error(UERL_E_INVALID, "message of " + std::to_string(bytes.size()) +
                                        " bytes, expected at most " +
                                        std::to_string(segment().header.message_bytes) +
                                        ": raise message_bytes in the spec");
    posted_[index].push_back(std::move(bytes));
    num_posted_++;
}

// One with each step; the lane is idle, and has read what it was sent before.
void Learner::send_posted(uint32_t index) {
    if (posted_[index].empty()) return;
    write_message(index, UERL_MESSAGE_CUSTOM, posted_[index].front());
    posted_[index].pop_front();
    num_posted_--;
}

// What came with a result: its simulator may write the next one when it has the next command.
void Learner::take_message(uint32_t index) {
    // That nobody fetched: the oldest go. A simulator cannot make the learner grow.
    constexpr size_t kMost = 4096, kMostBytes = 16 << 20;
    Lane& lane = lanes_[index];
    const uerl_lane_results* results = uerl_segment_results(&segment(), index);
    const uint32_t count = num_announced(results);
    if (count == lane.messages_seen) return;
    const uerl_message* area = uerl_segment_message_to_learner(&segment(), index);
    const uint32_t bytes = load_relaxed_u32(&area->bytes);
    if (load_relaxed_u32(&area->kind) != UERL_MESSAGE_CUSTOM) return;
    lane.messages_seen = count;
    if (bytes > segment().header.message_bytes) return;  // nobody who follows the protocol did that
    while (received_.size() == kMost || (bytes > 0 && received_bytes_ + bytes > kMostBytes)) {
        received_bytes_ -= received_.front().bytes.size();
        received_.pop_front();
        stats.dropped_messages++;
    }
    received_bytes_ += bytes;
    received_.push_back({index, std::string(reinterpret_cast<const char*>(area + 1), bytes)});
}

std::vector<Message> Learner::take_messages() {
    std::vector<Message> all(std::make_move_iterator(received_.begin()),
                             std::make_move_iterator(received_.end()));
    received_.clear();
    received_bytes_ = 0;
    return all;
}

}  // namespace uerl
