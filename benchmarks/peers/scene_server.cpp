// scene_server.cpp: a scene of `uerl-sim` behind a websocket, one agent, no mask.
//
//   scene_server ENV SCENE
//
// Prints its port, serves one client, ends with it. A request: control uint8 (1 step, 2 reset),
// seed int64, the action arrays' bytes. The answer: the observation arrays' bytes, reward float32,
// terminated and truncated uint8. Arrays in the order of the spec, without gaps.
#include <algorithm>
#include <cstring>

#include "scene.hpp"
#include "uerl_shm/layout.h"
#include "websocket_door.hpp"

namespace
{

std::size_t point(unsigned char *bytes, const std::vector<uerl_sim::ArraySpec> &arrays,
                  std::vector<uerl_sim::RowBlock> &blocks)
{
    std::size_t used = 0;
    blocks.clear();
    for (const uerl_sim::ArraySpec &array : arrays) {
        blocks.push_back({bytes + used, uerl_sim::num_row_bytes(array)});
        used += uerl_sim::num_row_bytes(array);
    }
    return used;
}

} // namespace

int main(int argc, char **argv)
{
    using namespace uerl_sim;
    if (argc < 3)
        return 2;
    const auto env = static_cast<std::uint32_t>(std::atoi(argv[1]));
    const std::unique_ptr<Scene> scene = make_scene(argv[2]);
    const GroupSpec group = scene->spec().groups.at(0);
    const std::unique_ptr<World> world = scene->make_world({env, env});
    Random random;
    random.reseed(env);
    Rows rows;
    rows.groups.resize(1);
    std::vector<unsigned char> info(4096), request(4096), answer(1 << 24);
    point(info.data(), group.info, rows.groups[0].info);
    const std::size_t asked = 9 + point(request.data() + 9, group.action, rows.groups[0].action);
    const std::size_t observed =
        point(answer.data(), group.observation, rows.groups[0].observation);
    answer.resize(observed + sizeof(float) + 2);
    std::vector<double> parameters;
    for (const ParameterSpec &parameter : scene->spec().parameters)
        parameters.push_back(parameter.value);

    const auto serve = [&](const unsigned char *data,
                           std::size_t bytes) -> const std::vector<unsigned char> & {
        std::memcpy(request.data(), data, std::min(bytes, asked));
        std::int64_t seed;
        std::memcpy(&seed, request.data() + 1, sizeof seed);
        if (request[0] == UERL_CONTROL_RESET) {
            if (seed >= 0)
                random.reseed(static_cast<std::uint64_t>(seed));
            world->reset(random, {seed, parameters, false});
        } else {
            world->step(random, rows);
        }
        world->observe(rows);
        const Outcome outcome = world->outcome(0, 0);
        const auto reward = static_cast<float>(outcome.reward);
        std::memcpy(answer.data() + observed, &reward, sizeof reward);
        answer[observed + 4] = outcome.terminated;
        answer[observed + 5] = outcome.truncated;
        return answer;
    };
    serve_websocket(serve);
}
