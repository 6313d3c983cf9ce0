// shares.cpp: reads several learners' specs, refuses what does not make one scene.
#include "shares.hpp"

#include <set>

namespace uerl_sim {

namespace {

// Names of what a learner's spec holds.
struct Content {
    std::set<std::string> groups;
    std::set<std::string> parameters;  // such as "parameter/num_food"
};

Content content_of(const Learner& learner) {
    Content content;
    for (std::uint32_t i = 0; i < uerl_simulator_num_arrays(learner.simulator); i++) {
        uerl_array array;
        if (uerl_simulator_array(learner.simulator, i, &array) != UERL_OK)
            throw SpecMismatch(uerl_last_error());
        content.groups.insert(array.group);
        if (array.role == UERL_ROLE_PARAMETER) content.parameters.insert(array.name);
    }
    return content;
}

void check_envs(const Learner& first, const Learner& other) {
    if (uerl_simulator_autoreset_mode(other.simulator) != UERL_AUTORESET_NEXT_STEP)
        throw SpecMismatch("segment " + other.name +
                           " has another autoreset mode, expected NextStep: several learners of "
                           "one simulator all begin an episode with the step after its end");
    const std::uint32_t num_envs = uerl_simulator_num_envs(other.simulator);
    const std::uint32_t expected = uerl_simulator_num_envs(first.simulator);
    if (num_envs != expected)
        throw SpecMismatch("segment " + other.name + " has " + std::to_string(num_envs) +
                           " envs in each lane, expected " + std::to_string(expected) +
                           " as in segment " + first.name +
                           ": give all learners the same envs_per_simulator");
}

// Counts in whose spec something is; `what` is such as "group red of scene gather".
void check_owners(const std::string& what, const std::vector<std::string>& owners, bool is_needed) {
    if (owners.size() > 1)
        throw SpecMismatch(what + " is in the specs of segments " + owners[0] + " and " +
                           owners[1] + ", expected in one: leave it out of one of them");
    if (owners.empty() && is_needed)
        throw SpecMismatch(what +
                           " is in no learner's spec, expected in one: add it to one of them");
}

std::vector<std::string> owners_of(const std::string& name, const std::vector<Learner>& learners,
                                   const std::vector<Content>& contents,
                                   std::set<std::string> Content::* names) {
    std::vector<std::string> owners;
    for (std::size_t i = 0; i < learners.size(); i++)
        if ((contents[i].*names).count(name) != 0) owners.push_back(learners[i].name);
    return owners;
}

Share share_of(const Spec& spec, const Learner& learner, const Content& content) {
    Share share;
    share.spec = spec;
    share.spec.groups.clear();
    share.spec.parameters.clear();
    for (std::size_t i = 0; i < spec.groups.size(); i++) {
        if (content.groups.count(spec.groups[i].name) == 0) continue;
        share.groups.push_back(i);
        share.spec.groups.push_back(spec.groups[i]);
    }
    for (std::size_t i = 0; i < spec.parameters.size(); i++) {
        if (content.parameters.count("parameter/" + spec.parameters[i].name) == 0) continue;
        share.parameters.push_back(i);
        share.spec.parameters.push_back(spec.parameters[i]);
    }
    if (share.groups.empty())
        throw SpecMismatch("segment " + learner.name + " has no group of scene " + spec.name +
                           ", expected one at least: give the learner a part of this simulator's "
                           "spec (uerl-shm describe)");
    return share;
}

}  // namespace

std::vector<Share> shares_of(const Spec& spec, const std::vector<Learner>& learners) {
    std::vector<Content> contents;
    for (const Learner& learner : learners) {
        check_envs(learners.front(), learner);
        contents.push_back(content_of(learner));
    }
    for (const GroupSpec& group : spec.groups)
        check_owners("group " + group.name + " of scene " + spec.name,
                     owners_of(group.name, learners, contents, &Content::groups), true);
    for (const ParameterSpec& parameter : spec.parameters)
        check_owners(
            "parameter " + parameter.name + " of scene " + spec.name,
            owners_of("parameter/" + parameter.name, learners, contents, &Content::parameters),
            false);
    std::vector<Share> shares;
    for (std::size_t i = 0; i < learners.size(); i++)
        shares.push_back(share_of(spec, learners[i], contents[i]));
    return shares;
}

}  // namespace uerl_sim
