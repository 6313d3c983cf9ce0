// options.cpp: values of command line options.
#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "scene.hpp"

namespace uerl_sim {

namespace {

constexpr std::int64_t max_frame_width = 1280;
constexpr std::int64_t max_frame_height = 720;

}  // namespace

std::int64_t parse_integer(const std::string& option, const std::string& value, std::int64_t low,
                           std::int64_t high) {
    char* end = nullptr;
    errno = 0;
    const long long number = std::strtoll(value.c_str(), &end, 10);
    const bool is_number = !value.empty() && *end == '\0' && errno == 0 && value[0] != ' ';
    if (!is_number || number < low || number > high)
        throw UsageError("option " + option + " is '" + value + "', expected a whole number from " +
                         std::to_string(low) + " to " + std::to_string(high) + ": see --help");
    return number;
}

std::string parse_choice(const std::string& option, const std::string& value,
                         const std::vector<std::string>& choices) {
    if (std::find(choices.begin(), choices.end(), value) != choices.end()) return value;
    std::string list;
    for (const std::string& choice : choices) list += (list.empty() ? "" : ", ") + choice;
    throw UsageError("option " + option + " is '" + value + "', expected one of " + list +
                     ": see --help");
}

FrameSize parse_frame(const std::string& option, const std::string& value) {
    const std::size_t cross = value.find('x');
    if (cross == std::string::npos)
        throw UsageError("option " + option + " is '" + value +
                         "', expected WIDTHxHEIGHT in pixels: write for example 84x84");
    FrameSize size;
    size.width = static_cast<std::uint32_t>(
        parse_integer(option + " width", value.substr(0, cross), 1, max_frame_width));
    size.height = static_cast<std::uint32_t>(
        parse_integer(option + " height", value.substr(cross + 1), 1, max_frame_height));
    return size;
}

}  // namespace uerl_sim
