// shares.hpp: which groups and parameters of a scene each of several learners has.
#ifndef UERL_SIM_SHARES_HPP
#define UERL_SIM_SHARES_HPP

#include <cstddef>
#include <string>
#include <vector>

#include "lane.hpp"
#include "scene.hpp"
#include "uerl_shm/uerl_shm.h"

namespace uerl_sim {

// A learner that a simulator is attached to.
struct Learner {
    std::string name;  // of its segment
    uerl_simulator* simulator = nullptr;
};

// One learner's part of a scene. Groups and parameters have their numbers in the scene's spec.
struct Share {
    Spec spec;  // the scene's, with these groups and parameters alone
    std::vector<std::size_t> groups;
    std::vector<std::size_t> parameters;
};

// The share of each learner. Throws SpecMismatch unless each group is in one of their specs, no
// parameter is in two, all of them hold the same envs, and all reset with the next step.
std::vector<Share> shares_of(const Spec& spec, const std::vector<Learner>& learners);

}  // namespace uerl_sim

#endif
