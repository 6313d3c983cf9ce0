// registry.cpp: the scenes by name.
#include <array>

#include "scene.hpp"

namespace uerl_sim {

namespace {

struct Entry {
    const char* name;
    std::unique_ptr<Scene> (*make)();
};

constexpr std::array<Entry, 5> scenes{{
    {"basic", make_basic},
    {"apples", make_apples},
    {"tennis", make_tennis},
    {"gather", make_gather},
    {"probe", make_probe},
}};

}  // namespace

std::unique_ptr<Scene> make_scene(const std::string& name) {
    for (const Entry& entry : scenes)
        if (name == entry.name) return entry.make();
    return nullptr;
}

std::vector<std::string> scene_names() {
    std::vector<std::string> names;
    for (const Entry& entry : scenes) names.emplace_back(entry.name);
    return names;
}

}  // namespace uerl_sim
