// rng.hpp: the generator of one env. Its own, because the standard library's distributions give
// other numbers in other libraries, and an episode must be the same wherever its seed is used.
#ifndef UERL_SIM_RNG_HPP
#define UERL_SIM_RNG_HPP

#include <cstdint>

namespace uerl_sim {

// One round of splitmix64: every bit of the result depends on every bit of `value`.
inline std::uint64_t mix(std::uint64_t value) {
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

// xoshiro256**: small, fast, and the same on every machine.
class Random {
  public:
    explicit Random(std::uint64_t seed = 0) { reseed(seed); }

    void reseed(std::uint64_t seed) {
        for (std::uint64_t& word : state_) {
            seed += UINT64_C(0x9e3779b97f4a7c15);
            word = mix(seed);
        }
    }

    std::uint64_t next() {
        const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
        const std::uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = rotate(state_[3], 45);
        return result;
    }

    // 0 <= result < 1, with 53 random bits.
    double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

    double uniform(double low, double high) { return low + (high - low) * uniform(); }

    // 0 <= result < count. The bias is below count / 2^64.
    std::uint64_t below(std::uint64_t count) {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint64_t>((static_cast<Wide>(next()) * count) >> 64);
    }

  private:
    static std::uint64_t rotate(std::uint64_t value, int bits) {
        return (value << bits) | (value >> (64 - bits));
    }

    std::uint64_t state_[4] = {};
};

}  // namespace uerl_sim

#endif
