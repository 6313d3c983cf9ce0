// run_shared.hpp: serves one scene to several learners, each with groups of its own.
#ifndef UERL_SIM_RUN_SHARED_HPP
#define UERL_SIM_RUN_SHARED_HPP

#include <string>
#include <vector>

#include "run.hpp"
#include "scene.hpp"

namespace uerl_sim {

// The names of "a,b". Throws UsageError for one that is given twice.
std::vector<std::string> names_of(const std::string& text);

// As run(), attached to the same lane of every segment of `names`. It leaves all learners when one
// of them is finished or dead.
int run_shared(const Scene& scene, const RunOptions& options,
               const std::vector<std::string>& names);

}  // namespace uerl_sim

#endif
