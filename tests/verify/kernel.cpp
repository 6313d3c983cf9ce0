// kernel.cpp: counts the bytes of rows that are not what pattern.hpp promises, at memory's speed.
// Shares no code with the simulator: a mistake there must not be repeated here.
#include <cstdint>
#include <cstring>

namespace {

constexpr std::uint64_t kStride = 0x9e3779b97f4a7c15u;
constexpr std::size_t kLanes = 32;  // words compared at a time

std::int64_t differing_bytes(const unsigned char* row, std::size_t num_bytes, std::uint64_t base,
                             std::uint64_t and_mask, std::uint64_t or_mask) {
    std::int64_t count = 0;
    for (std::size_t i = 0; i < num_bytes; i++) {
        const std::uint64_t word = ((base + i / 8 * kStride) & and_mask) | or_mask;
        count += row[i] != static_cast<unsigned char>(word >> (i % 8 * 8));
    }
    return count;
}

bool same(const unsigned char* row, std::size_t num_bytes, std::uint64_t base,
          std::uint64_t and_mask, std::uint64_t or_mask) {
    constexpr std::size_t kBlock = kLanes * sizeof(std::uint64_t);
    std::uint64_t wanted[kLanes], differ[kLanes] = {};
    for (std::size_t k = 0; k < kLanes; k++) wanted[k] = base + k * kStride;
    std::size_t done = 0;
    for (; done + kBlock <= num_bytes; done += kBlock) {
        std::uint64_t found[kLanes];
        std::memcpy(found, row + done, kBlock);
        for (std::size_t k = 0; k < kLanes; k++) {
            differ[k] |= ((wanted[k] & and_mask) | or_mask) ^ found[k];
            wanted[k] += kLanes * kStride;
        }
    }
    std::uint64_t any = 0;
    for (std::size_t k = 0; k < kLanes; k++) any |= differ[k];
    return any == 0 && differing_bytes(row + done, num_bytes - done, base + done / 8 * kStride,
                                       and_mask, or_mask) == 0;
}

}  // namespace

// rows: num_rows rows of row_bytes each, without gaps; bases: the first word of each row's pattern.
extern "C" std::int64_t count_wrong_bytes(const unsigned char* rows, std::uint64_t num_rows,
                                          std::uint64_t row_bytes, const std::uint64_t* bases,
                                          std::uint64_t and_mask, std::uint64_t or_mask) {
    std::int64_t count = 0;
    for (std::uint64_t i = 0; i < num_rows; i++, rows += row_bytes)
        if (!same(rows, row_bytes, bases[i], and_mask, or_mask))
            count += differing_bytes(rows, row_bytes, bases[i], and_mask, or_mask);
    return count;
}
