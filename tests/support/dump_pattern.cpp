// dump_pattern.cpp: writes what probe writes to stdout, for tests/unit/test_probe_pattern.py.
//
//   dump_pattern row NAME ENV AGENT STEP NUM_BYTES DTYPE   the bytes of one row (DTYPE: its number)
//   dump_pattern reward NAME ENV AGENT STEP                a float64
//   dump_pattern end ENV EPISODE EPISODE_STEPS             int64 steps, terminated, truncated
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../../csrc/simulators/pattern.hpp"

int main(int argc, char **argv) {
    using namespace uerl_sim;
    const std::vector<std::string> words(argv, argv + argc);
    const auto number = [&](std::size_t i) {
        return std::strtoull(words.at(i).c_str(), nullptr, 10);
    };
    if (words.at(1) == "row") {
        std::vector<unsigned char> row(number(6));
        fill_pattern(row.data(), row.size(),
                     pattern_base(fnv1a(words.at(2)), number(3), number(4), number(5)),
                     pattern_masks(static_cast<std::uint32_t>(number(7))));
        std::fwrite(row.data(), 1, row.size(), stdout);
    } else if (words.at(1) == "reward") {
        const double reward =
            pattern_reward(pattern_base(fnv1a(words.at(2)), number(3), number(4), number(5)));
        std::fwrite(&reward, sizeof reward, 1, stdout);
    } else {
        const PatternEnd end = pattern_end(number(2), number(3), std::atoll(words.at(4).c_str()));
        const std::int64_t values[3] = {end.num_steps, end.terminated, end.truncated};
        std::fwrite(values, sizeof values, 1, stdout);
    }
    return 0;
}
