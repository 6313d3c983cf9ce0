// main.cpp: the command line of uerl-sim.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>

#include "run.hpp"
#include "scene.hpp"
#include "uerl_shm/uerl_shm.h"

namespace {

using namespace uerl_sim;

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;
constexpr std::int64_t max_microseconds = 3600000000;

const std::vector<OptionSpec> common_options{
    {"--describe", "FILE", "write the spec (JSON) to FILE and exit; no learner is needed"},
    {"--name", "NAME", "segment of the learner; a,b of several (default: " UERL_ENV_NAME ")"},
    {"--lane", "N", "lane to hold (default: " UERL_ENV_LANE ", else the first free one)"},
    {"--attach-timeout-s", "N", "longest wait for the learner (default 300)"},
    {"--next-learner-s", "N",
     "when the learner is finished or dead, wait so long for another one (default 0)"},
    {"--step-us", "N", "keep a processor busy for N microseconds in each env step (default 0)"},
    {"--wait-us", "N", "sleep N microseconds in each command, as if for a GPU (default 0)"},
    {"--help", "", "show this page"}};

struct CommandLine {
    std::unique_ptr<Scene> scene;  // null: only help was asked for
    RunOptions run;
    std::string describe_path;
    bool help = false;
};

void print_options(const char* title, const std::vector<OptionSpec>& options) {
    std::printf("\n%s\n", title);
    for (const OptionSpec& option : options) {
        const std::string left = option.name + (option.value.empty() ? "" : " " + option.value);
        std::printf("    %-32s  %s\n", left.c_str(), option.help.c_str());
    }
}

void print_help(const Scene* scene) {
    if (scene == nullptr) {
        std::printf(
            "uerl-sim: the bundled simulators of uerl_shm.\n\n"
            "    uerl-sim SCENE [options]\n\nScenes\n");
        for (const std::string& name : scene_names())
            std::printf("    %-8s  %s\n", name.c_str(), make_scene(name)->summary().c_str());
        print_options("Options of every scene", common_options);
        std::printf(
            "\nA learner starts simulators by itself: uerl_shm.VecEnv(\"uerl-sim basic\").\n"
            "\nExample\n    uerl-sim basic --describe basic.json\n");
        return;
    }
    std::printf("uerl-sim %s: %s\n", scene->name().c_str(), scene->summary().c_str());
    print_options("Options of this scene", scene->options());
    print_options("Options of every scene", common_options);
    std::printf("\nExample\n    %s\n", scene->example().c_str());
}

const OptionSpec* find_option(const std::vector<OptionSpec>& options, const std::string& name) {
    for (const OptionSpec& option : options)
        if (option.name == name) return &option;
    return nullptr;
}

void set_common_option(CommandLine& line, const std::string& name, const std::string& value) {
    if (name == "--help")
        line.help = true;
    else if (name == "--describe")
        line.describe_path = value;
    else if (name == "--name")
        line.run.name = value;
    else if (name == "--lane")
        line.run.lane =
            static_cast<std::int32_t>(parse_integer(name, value, 0, UERL_MAX_LANES - 1));
    else if (name == "--attach-timeout-s")
        line.run.attach_timeout_s = parse_integer(name, value, 0, 1000000);
    else if (name == "--next-learner-s")
        line.run.next_learner_s = parse_integer(name, value, 0, 1000000);
    else if (name == "--step-us")
        line.run.step_us = parse_integer(name, value, 0, max_microseconds);
    else
        line.run.wait_us = parse_integer(name, value, 0, max_microseconds);
}

std::unique_ptr<Scene> find_scene(const std::string& name) {
    std::unique_ptr<Scene> scene = make_scene(name);
    if (scene != nullptr) return scene;
    std::string list;
    for (const std::string& known : scene_names()) list += (list.empty() ? "" : ", ") + known;
    throw UsageError("scene is '" + name + "', expected one of " + list + ": see uerl-sim --help");
}

// Takes "--name value" or "--name=value" from `arguments` at `next` and moves `next` past it.
void take_option(CommandLine& line, const std::vector<std::string>& arguments, std::size_t& next) {
    const std::string scene_name = line.scene->name();
    const std::string help = ": see uerl-sim " + scene_name + " --help";
    const std::string& argument = arguments[next++];
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const std::vector<OptionSpec> scene_options = line.scene->options();
    const OptionSpec* common = find_option(common_options, name);
    const OptionSpec* option = common != nullptr ? common : find_option(scene_options, name);
    if (option == nullptr)
        throw UsageError("option is '" + name + "', expected an option of scene " + scene_name +
                         help);
    std::string value;
    if (option->value.empty() && equals != std::string::npos)
        throw UsageError("option " + name + " has a value, expected none" + help);
    if (!option->value.empty()) {
        if (equals == std::string::npos && next == arguments.size())
            throw UsageError("option " + name + " has no value, expected " + option->value + help);
        value = equals == std::string::npos ? arguments[next++] : argument.substr(equals + 1);
    }
    if (common != nullptr)
        set_common_option(line, name, value);
    else
        line.scene->set_option(name, value);
}

CommandLine parse(const std::vector<std::string>& arguments) {
    CommandLine line;
    if (arguments.empty())
        throw UsageError("scene is missing, expected its name: see uerl-sim --help");
    if (arguments[0] == "--help" || arguments[0] == "-h") {
        line.help = true;
        return line;
    }
    line.scene = find_scene(arguments[0]);
    for (std::size_t next = 1; next < arguments.size();) take_option(line, arguments, next);
    return line;
}

int describe(const std::string& path, const std::string& json) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    const bool written = file != nullptr && std::fputs(json.c_str(), file) >= 0;
    if ((file == nullptr || std::fclose(file) == 0) && written) return 0;
    std::fprintf(stderr, "uerl-sim: spec file %s cannot be written, expected a writable path: %s\n",
                 path.c_str(), std::strerror(errno));
    return exit_failure;
}

int start(const CommandLine& line) {
    if (line.help) {
        print_help(line.scene.get());
        return 0;
    }
    const std::string json = to_json(line.scene->spec());
    if (!line.describe_path.empty()) return describe(line.describe_path, json);
    const int described = uerl_describe(json.c_str());
    if (described == 1) return 0;
    if (described != 0) {
        std::fprintf(stderr, "uerl-sim: %s\n", uerl_last_error());
        return exit_failure;
    }
    return run(*line.scene, line.run);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return start(parse({argv + 1, argv + argc}));
    } catch (const UsageError& error) {
        std::fprintf(stderr, "uerl-sim: %s\n", error.what());
        return exit_usage;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "uerl-sim: %s\n", error.what());
        return exit_failure;
    }
}
