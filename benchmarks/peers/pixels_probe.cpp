// pixels_probe.cpp: how long the conversion of one frame of camera pixels takes, on every path.
//
//   pixels_probe WIDTH HEIGHT PITCH_BYTES rgb|bgr|gray|bgra SECONDS
//
// All ways take turns, so that a noisy moment hurts them alike; every way's bytes are compared
// before anything is timed. Prints a line `name nanoseconds` for each, the median of its turns:
// `uerl_shm`, the public call; `path-*`, each way of it that this processor can take; `loop`, one
// pixel after the other, not vectorised; `memcpy`, of as many bytes as the frame has pixels.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "core/pixels_private.h"

namespace
{

constexpr int num_turns = 101;
const std::vector<std::string> formats = {"rgb", "bgr", "gray", "bgra"};
const std::size_t channels[] = {3, 3, 1, 4};

struct Frame {
    std::uint32_t width, height;
    std::uint64_t pitch_bytes;
    uerl_pixels format;
    std::vector<std::uint8_t> pixels, row;
};

#pragma GCC push_options
#pragma GCC optimize("no-tree-vectorize")

// As setup.py compiles the core, -O3, but one pixel at a time.
template <uerl_pixels format> __attribute__((noinline)) void loop(Frame &frame)
{
    const std::size_t width = frame.width, height = frame.height; // stores of bytes may alias them
    std::uint8_t *__restrict to = frame.row.data();
    for (std::size_t y = 0; y < height; y++) {
        const std::uint8_t *__restrict from = frame.pixels.data() + y * frame.pitch_bytes;
        for (std::size_t x = 0; x < width; x++, from += 4, to += channels[format]) {
            if constexpr (format == UERL_PIXELS_GRAY) {
                to[0] = static_cast<std::uint8_t>(
                    (9798 * from[2] + 19235 * from[1] + 3735 * from[0] + 16384) >> 15);
            } else {
                to[0] = from[format == UERL_PIXELS_RGB ? 2 : 0];
                to[1] = from[1];
                to[2] = from[format == UERL_PIXELS_RGB ? 0 : 2];
                if constexpr (format == UERL_PIXELS_BGRA)
                    to[3] = from[3];
            }
        }
    }
}

#pragma GCC pop_options

using Way = std::function<void()>;

Way plain_loop(Frame &frame)
{
    switch (frame.format) {
    case UERL_PIXELS_RGB:
        return [&] { loop<UERL_PIXELS_RGB>(frame); };
    case UERL_PIXELS_BGR:
        return [&] { loop<UERL_PIXELS_BGR>(frame); };
    case UERL_PIXELS_GRAY:
        return [&] { loop<UERL_PIXELS_GRAY>(frame); };
    default:
        return [&] { loop<UERL_PIXELS_BGRA>(frame); };
    }
}

// As the public call does it, but on a path of our choice.
void convert(const uerl_pixels_path &path, Frame &frame)
{
    const bool is_packed = frame.pitch_bytes == 4 * frame.width;
    const std::size_t num_lines = is_packed ? 1 : frame.height;
    const std::size_t num_pixels = is_packed ? frame.width * frame.height : frame.width;
    for (std::size_t y = 0; y < num_lines; y++)
        path.lines[frame.format](frame.row.data() + y * num_pixels * channels[frame.format],
                                 frame.pixels.data() + y * frame.pitch_bytes, num_pixels);
}

struct Contender {
    std::string name;
    Way run;
    std::vector<double> times_ns;
};

std::vector<Contender> contenders(Frame &frame)
{
    std::vector<Contender> found = {{"loop", plain_loop(frame), {}}};
    found.push_back({"uerl_shm",
                     [&] {
                         uerl_pixels_from_bgra(frame.row.data(), frame.format, frame.pixels.data(),
                                               frame.width, frame.height, frame.pitch_bytes);
                     },
                     {}});
    const uerl_pixels_path *paths[UERL_PIXELS_MAX_PATHS];
    const std::uint32_t num_paths = uerl_pixels_paths(paths);
    for (std::uint32_t i = 0; i < num_paths && frame.format != UERL_PIXELS_BGRA; i++)
        found.push_back({std::string("path-") + paths[i]->name,
                         [&frame, path = paths[i]] { convert(*path, frame); },
                         {}});
    return found;
}

void check(std::vector<Contender> &all, Frame &frame)
{
    all.front().run();
    const std::vector<std::uint8_t> expected = frame.row;
    for (Contender &contender : all) {
        std::fill(frame.row.begin(), frame.row.end(), 0);
        contender.run();
        if (frame.row != expected) {
            std::fprintf(stderr, "%s makes other bytes than the loop\n", contender.name.c_str());
            std::exit(1);
        }
    }
}

double nanoseconds(const Way &run, int num_calls)
{
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < num_calls; i++)
        run();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    return took.count() / num_calls;
}

} // namespace

int main(int count, char **words)
{
    const auto format =
        count == 6 ? std::find(formats.begin(), formats.end(), words[4]) : formats.end();
    if (format == formats.end()) {
        std::fputs("expected WIDTH HEIGHT PITCH_BYTES rgb|bgr|gray|bgra SECONDS\n", stderr);
        return 2;
    }
    const auto number = [&](int word) { return std::strtoul(words[word], nullptr, 10); };
    Frame frame = {static_cast<std::uint32_t>(number(1)),
                   static_cast<std::uint32_t>(number(2)),
                   number(3),
                   static_cast<uerl_pixels>(format - formats.begin()),
                   {},
                   {}};
    const std::size_t num_pixels = std::size_t{frame.width} * frame.height;
    frame.pixels.resize(frame.pitch_bytes * frame.height);
    frame.row.resize(num_pixels * channels[frame.format]);
    for (std::size_t i = 0; i < frame.pixels.size(); i++)
        frame.pixels[i] = static_cast<std::uint8_t>(i * 2654435761u >> 13);

    std::vector<Contender> all = contenders(frame);
    check(all, frame);
    std::vector<std::uint8_t> copy(4 * num_pixels);
    all.push_back(
        {"memcpy", [&] { std::memcpy(copy.data(), frame.pixels.data(), copy.size()); }, {}});
    const double each_ns = std::atof(words[5]) * 1e9 / (num_turns * all.size());
    for (int turn = 0; turn < num_turns; turn++)
        for (Contender &contender : all) {
            const double once_ns = nanoseconds(contender.run, 1); // and it warms the cache
            const int num_calls = std::clamp(static_cast<int>(each_ns / once_ns), 1, 1'000'000);
            contender.times_ns.push_back(nanoseconds(contender.run, num_calls));
        }
    for (Contender &contender : all) {
        std::sort(contender.times_ns.begin(), contender.times_ns.end());
        std::printf("%s %.1f\n", contender.name.c_str(), contender.times_ns[num_turns / 2]);
    }
}
