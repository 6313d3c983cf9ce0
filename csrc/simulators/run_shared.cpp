// run_shared.cpp: attaches to all learners or to none, and leaves all when one of them ends.
#include "run_shared.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "attaching.hpp"
#include "shared_server.hpp"

namespace uerl_sim {

namespace {

void refuse_all(const std::vector<Learner>& learners, const char* text) {
    for (const Learner& learner : learners)
        if (learner.simulator != nullptr) uerl_simulator_refuse(learner.simulator, text);
}

// Answers the commands of all attached learners; every failure reaches them as text.
int serve(const std::vector<Learner>& learners, const Scene& scene, const RunOptions& options) {
    std::unique_ptr<SharedServer> server;
    try {
        server = std::make_unique<SharedServer>(learners, scene, options);
        for (const Learner& learner : learners)
            if (uerl_simulator_ready(learner.simulator) != UERL_OK)
                throw SpecMismatch(uerl_last_error());
    } catch (const std::exception& error) {
        refuse_all(learners, error.what());
        std::fprintf(stderr, "uerl-sim: %s\n", error.what());
        return 1;
    }
    try {
        return server->serve();
    } catch (const std::exception& error) {
        server->fail(error.what());
        std::fprintf(stderr, "uerl-sim: %s\n", error.what());
        return 1;
    }
}

void detach_all(std::vector<Learner>& learners) {
    for (Learner& learner : learners) {
        uerl_simulator_detach(learner.simulator);
        learner.simulator = nullptr;
    }
}

// Attaches to the same lane of all segments, or to none: whoever comes early would not notice the
// end of a learner while it waits for another one. Begins with number `missing`, and sets it to
// that of the learner for which it waited in vain.
int try_attach(std::vector<Learner>& learners, std::int32_t lane, std::size_t& missing,
               std::int64_t timeout_ns) {
    const std::size_t first = missing;
    for (std::size_t i = 0; i < learners.size(); i++) {
        missing = (first + i) % learners.size();
        Learner& learner = learners[missing];
        const int error =
            uerl_simulator_attach(&learner.simulator, learner.name.c_str(), lane, timeout_ns);
        if (error != UERL_OK) {
            const bool may_come = error == UERL_E_NOT_FOUND || error == UERL_E_EXISTS;
            if (!may_come) refuse_all(learners, uerl_last_error());
            detach_all(learners);
            return error;
        }
        lane = uerl_simulator_lane(learner.simulator);
    }
    return UERL_OK;
}

}  // namespace

std::vector<std::string> names_of(const std::string& text) {
    std::vector<std::string> names;
    if (text.empty()) return names;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        const std::string name = text.substr(begin, end - begin);
        if (name.empty() || std::find(names.begin(), names.end(), name) != names.end())
            throw UsageError("segment names are '" + text +
                             "', expected different ones between commas: write for example a,b");
        names.push_back(name);
        begin = end + 1;
    }
    return names;
}

int run_shared(const Scene& scene, const RunOptions& options,
               const std::vector<std::string>& names) {
    if (scene.sends_early())
        throw UsageError("scene " + scene.name() +
                         " sends before its rows are written, expected one segment: give one name");
    std::vector<Learner> learners;
    for (const std::string& name : names) learners.push_back({name, nullptr});
    std::size_t missing = 0;
    std::int32_t lane = options.lane;
    std::int64_t timeout_s = options.attach_timeout_s;
    for (bool is_first = true;; is_first = false) {
        const int error = attach(timeout_s, [&](std::int64_t timeout_ns) {
            return try_attach(learners, lane, missing, timeout_ns);
        });
        if (error != UERL_OK) {
            if (leave_requested || (!is_first && error == UERL_E_NOT_FOUND)) return 0;
            std::fprintf(stderr, "uerl-sim: %s\n", uerl_last_error());
            return 1;
        }
        lane = uerl_simulator_lane(learners.front().simulator);
        const int exit_code = serve(learners, scene, options);
        detach_all(learners);
        if (exit_code != 0 || leave_requested || options.next_learner_s == 0) return exit_code;
        timeout_s = options.next_learner_s;
    }
}

}  // namespace uerl_sim
