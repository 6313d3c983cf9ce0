// pattern.hpp: the bytes that `probe` writes. tests/support/probe_pattern.py computes the same.
//
// All arithmetic is modulo 2^64, words are little-endian. mix() is in rng.hpp, fnv1a() below.
//
//   pattern_base(name, env, agent, step)
//           = mix(env + mix(agent + mix(step + fnv1a(name))))
//     name  "<group>/<array>", such as "agent/observation/camera"
//     env   number of the env among all envs of the segment, from 0
//     agent number of the agent in its env and group, from 0
//     step  how many rows the env has written since its process attached, from 0: + 1 with every
//           reset and every step (both when a SAME_STEP command steps and resets)
//
//   word k of a row = (base + k * pattern_stride) & and_mask | or_mask, the last word cut off
//     The masks keep bools 0 or 1 and floats finite, 0.5 <= |x| < 1, and are 'all bits' and 'none'
//     for integers. A row that is stale, torn, shifted or another's has other bytes.
//
//   reward of a step = (pattern_base("<group>/reward", env, agent, step) >> 40) / 2^24
//     of a reset 0; exact in float32.
//
//   end of episode e (from 0) of an env: word = pattern_base("episode", env, 0, e)
//     after 20 + word % 60 steps, or after --episode-steps; kind = (word >> 32) % 4:
//     0 truncated; 1 truncated and terminated; 2, 3 terminated.
//
//   action_sum of a step = sum over i of (i + 1) * byte i of the agent's action arrays, one after
//     the other in the order of the spec; of a reset 0.
#ifndef UERL_SIM_PATTERN_HPP
#define UERL_SIM_PATTERN_HPP

#include <cstdint>
#include <cstring>
#include <string>

#include "rng.hpp"
#include "uerl_shm/uerl_shm.h"

namespace uerl_sim {

constexpr std::uint64_t pattern_stride = UINT64_C(0x9e3779b97f4a7c15);

// FNV-1a, 64 bits (Fowler, Noll, Vo).
inline std::uint64_t fnv1a(const std::string& text) {
    std::uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char c : text)
        hash = (hash ^ static_cast<unsigned char>(c)) * UINT64_C(0x100000001b3);
    return hash;
}

inline std::uint64_t pattern_base(std::uint64_t name_hash, std::uint64_t env, std::uint64_t agent,
                                  std::uint64_t step) {
    return mix(env + mix(agent + mix(step + name_hash)));
}

struct PatternMasks {
    std::uint64_t and_mask = ~UINT64_C(0);
    std::uint64_t or_mask = 0;
};

inline PatternMasks pattern_masks(std::uint32_t dtype) {
    switch (dtype) {
        case UERL_DTYPE_BOOL:
            return {UINT64_C(0x0101010101010101), 0};
        case UERL_DTYPE_FLOAT16:
            return {UINT64_C(0x83ff83ff83ff83ff), UINT64_C(0x3800380038003800)};
        case UERL_DTYPE_FLOAT32:
        case UERL_DTYPE_COMPLEX64:
            return {UINT64_C(0x807fffff807fffff), UINT64_C(0x3f0000003f000000)};
        case UERL_DTYPE_FLOAT64:
        case UERL_DTYPE_COMPLEX128:
            return {UINT64_C(0x800fffffffffffff), UINT64_C(0x3fe0000000000000)};
        default:
            return {};
    }
}

// Fills one row nearly as fast as memset() would: two words in a register, four of these at a time.
inline void fill_pattern(unsigned char* row, std::uint64_t num_bytes, std::uint64_t base,
                         const PatternMasks& masks) {
    typedef std::uint64_t Pair __attribute__((vector_size(16)));
    typedef std::uint64_t UnalignedPair __attribute__((vector_size(16), aligned(1), may_alias));
    constexpr std::uint64_t block = 4 * sizeof(Pair);
    const Pair and_masks = {masks.and_mask, masks.and_mask};
    const Pair or_masks = {masks.or_mask, masks.or_mask};
    const Pair two_words = {2 * pattern_stride, 2 * pattern_stride};
    const Pair eight_words = {8 * pattern_stride, 8 * pattern_stride};
    Pair first = {base, base + pattern_stride};
    Pair second = first + two_words, third = second + two_words, fourth = third + two_words;
    for (; num_bytes >= block; num_bytes -= block, row += block) {
        UnalignedPair* pairs = reinterpret_cast<UnalignedPair*>(row);  // auto would align it
        pairs[0] = (first & and_masks) | or_masks;
        pairs[1] = (second & and_masks) | or_masks;
        pairs[2] = (third & and_masks) | or_masks;
        pairs[3] = (fourth & and_masks) | or_masks;
        first += eight_words;
        second += eight_words;
        third += eight_words;
        fourth += eight_words;
    }
    for (std::uint64_t word = first[0]; num_bytes > 0; word += pattern_stride) {
        const std::uint64_t masked = (word & masks.and_mask) | masks.or_mask;
        const std::uint64_t part = num_bytes < sizeof masked ? num_bytes : sizeof masked;
        std::memcpy(row, &masked, part);
        row += part;
        num_bytes -= part;
    }
}

inline double pattern_reward(std::uint64_t base) {
    return static_cast<double>(base >> 40) * 0x1.0p-24;
}

struct PatternEnd {
    std::int64_t num_steps;
    bool terminated;
    bool truncated;
};

// How episode `episode` of an env ends; episode_steps < 0: the length comes from the pattern too.
inline PatternEnd pattern_end(std::uint64_t env, std::uint64_t episode,
                              std::int64_t episode_steps) {
    const std::uint64_t word = pattern_base(fnv1a("episode"), env, 0, episode);
    const std::uint64_t kind = (word >> 32) % 4;
    const std::int64_t drawn = 20 + static_cast<std::int64_t>(word % 60);
    return {episode_steps < 0 ? drawn : episode_steps, kind != 0, kind <= 1};
}

}  // namespace uerl_sim

#endif
