// copying.cpp: a batch copied by several threads.
#include "copying.hpp"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

#include "core/wait.h"

namespace uerl {

namespace {

// Less than two of these are copied as fast by one thread: docs/decisions/0003-memory.md.
constexpr uint64_t kPartBytes = UINT64_C(8) << 20;
constexpr uint64_t kMostThreads = 8;  // then memory is what is slow

uint64_t num_parts(uint64_t bytes) {
    static const uint64_t num_cores = uerl_num_cores();  // asks the kernel, reads files
    return std::clamp<uint64_t>(bytes / kPartBytes, 1, std::min(num_cores, kMostThreads));
}

}  // namespace

void copy_rows(uint8_t* target, const uint8_t* source, uint64_t bytes) {
    const uint64_t parts = num_parts(bytes);
    const uint64_t part_bytes = bytes / parts;
    std::vector<std::thread> helpers;
    helpers.reserve(parts);
    uint64_t begun = 0;
    try {
        for (; begun + 2 * part_bytes <= bytes; begun += part_bytes)
            helpers.emplace_back(std::memcpy, target + begun, source + begun, part_bytes);
    } catch (const std::system_error&) {  // no thread to be had: the rest is copied here
    }
    std::memcpy(target + begun, source + begun, bytes - begun);
    for (std::thread& helper : helpers) helper.join();
}

}  // namespace uerl
