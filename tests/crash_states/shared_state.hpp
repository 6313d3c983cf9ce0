// shared_state.hpp: all that survives a process: names in /dev/shm, the bytes behind them, and who
// holds which lock; compared after every instruction.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/segment.h"

// What changed since the last look.
enum Changed : uint32_t { kNothing = 0, kRows = 1, kWords = 2, kNames = 4, kLocks = 8 };

// A name of the segment that is looked at, temporary ones included.
struct Named {
    std::string name;
    ino_t inode = 0;
    int fd = -1;
    const uint8_t *base = nullptr;
    uint64_t bytes = 0;
    uint32_t locks = 0;
    uint64_t first_row = 0;      // where the fields begin
    std::vector<uint64_t> alive; // offsets of words that a thread of its own changes
    std::vector<uint8_t> copy;

    const uerl_header &header() const
    {
        return *reinterpret_cast<const uerl_header *>(base);
    }
    bool complete() const
    {
        return bytes >= UERL_HEADER_BYTES && header().magic == UERL_MAGIC;
    }
    bool locked(uint32_t byte) const
    {
        return (locks >> byte & 1) != 0;
    }
};

class SharedState
{
  public:
    explicit SharedState(const std::string &name);
    ~SharedState();
    SharedState(const SharedState &) = delete;
    SharedState &operator=(const SharedState &) = delete;

    uint32_t look(); // Changed, since the last look
    const std::vector<Named> &names() const
    {
        return names_;
    }
    uint64_t first_changed() const // offset of the first byte that look() found changed
    {
        return first_changed_;
    }
    const Named *find(const std::string &name) const;

  private:
    std::string name_;
    uint64_t first_changed_ = 0;
    std::vector<Named> names_;
};

// Names in /dev/shm that a process which died while it replaced segment `name` left behind.
std::vector<std::string> temporary_names(const std::string &name);
