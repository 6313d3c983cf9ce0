// run.hpp: serves a scene to a learner, or to several (run_shared.hpp).
#ifndef UERL_SIM_RUN_HPP
#define UERL_SIM_RUN_HPP

#include <cstdint>
#include <string>

#include "scene.hpp"

namespace uerl_sim {

struct RunOptions {
    std::string name;                     // of the segment, or a,b; empty: from the environment
    std::int32_t lane = -1;               // -1: from the environment, else the first free lane
    std::int64_t attach_timeout_s = 300;  // longest wait for the learner and for the lane
    std::int64_t next_learner_s = 0;      // longest wait for another learner after the first
    std::int64_t step_us = 0;             // busy work for each env step
    std::int64_t wait_us = 0;             // sleep for each command: an engine waiting for its GPU
};

// Attaches and answers commands until the learner is finished or dead and no other one comes, or a
// signal asks to leave. Returns the exit code of the process; errors go to stderr and to the
// learner.
int run(const Scene& scene, const RunOptions& options);

}  // namespace uerl_sim

#endif
