// worlds.hpp: a world with memory for its rows, as run.cpp would give it.
#ifndef UERL_TESTS_WORLDS_HPP
#define UERL_TESTS_WORLDS_HPP

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "scene.hpp"

using Options = std::vector<std::pair<std::string, std::string>>;

class Stage
{
  public:
    explicit Stage(const std::string &name, const Options &options = {},
                   const uerl_sim::Place &place = {})
    {
        const std::unique_ptr<uerl_sim::Scene> scene = uerl_sim::make_scene(name);
        for (const auto &[option, value] : options)
            scene->set_option(option, value);
        spec = scene->spec();
        world = scene->make_world(place);
        for (const uerl_sim::GroupSpec &group : spec.groups) {
            rows.groups.emplace_back();
            rows.groups.back().observation = blocks(group.observation, group.agents);
            rows.groups.back().action = blocks(group.action, group.agents);
            rows.groups.back().info = blocks(group.info, group.agents);
        }
        for (const uerl_sim::ParameterSpec &parameter : spec.parameters)
            parameters.push_back(parameter.value);
    }

    void reset(std::int64_t seed)
    {
        if (seed >= 0)
            random.reseed(static_cast<std::uint64_t>(seed));
        world->reset(random, {seed, parameters, false});
        world->observe(rows);
    }

    void step()
    {
        world->step(random, rows);
        world->observe(rows);
    }

    template <typename T> T *action(std::size_t group, std::size_t array, std::size_t agent = 0)
    {
        return const_cast<T *>(rows.action<T>(group, array, agent));
    }

    // Fills the float actions of all agents with -1 to 1, the discrete ones with any choice.
    void act_at_random(uerl_sim::Random &choices)
    {
        for (std::size_t i = 0; i < spec.groups.size(); i++)
            for (std::size_t agent = 0; agent < spec.groups[i].agents; agent++)
                for (std::size_t array = 0; array < spec.groups[i].action.size(); array++)
                    act_at_random(choices, i, array, agent);
    }

    // Every byte that the world has written, one array after the other.
    std::vector<unsigned char> written() const
    {
        std::vector<unsigned char> all;
        for (const auto &group : rows.groups)
            for (const auto *arrays : {&group.observation, &group.info})
                for (const uerl_sim::RowBlock &block : *arrays) {
                    const auto &bytes = memory_of(block);
                    all.insert(all.end(), bytes.begin(), bytes.end());
                }
        return all;
    }

    // All outcomes as numbers, to compare two worlds.
    std::vector<double> outcomes() const
    {
        std::vector<double> all;
        for (std::size_t i = 0; i < spec.groups.size(); i++)
            for (std::size_t agent = 0; agent < spec.groups[i].agents; agent++) {
                const uerl_sim::Outcome outcome = world->outcome(i, agent);
                all.push_back(outcome.reward);
                all.push_back(outcome.terminated);
                all.push_back(outcome.truncated);
                all.push_back(outcome.present);
            }
        return all;
    }

    bool ended() const
    {
        for (std::size_t i = 0; i < spec.groups.size(); i++)
            for (std::size_t agent = 0; agent < spec.groups[i].agents; agent++) {
                const uerl_sim::Outcome outcome = world->outcome(i, agent);
                if (outcome.present && !outcome.terminated && !outcome.truncated)
                    return false;
            }
        return true;
    }

    uerl_sim::Spec spec;
    std::unique_ptr<uerl_sim::World> world;
    uerl_sim::Rows rows;
    uerl_sim::Random random;
    std::vector<double> parameters;

  private:
    // Starts as garbage, so that a byte that nobody writes shows.
    std::vector<uerl_sim::RowBlock> blocks(const std::vector<uerl_sim::ArraySpec> &arrays,
                                           std::uint32_t agents)
    {
        std::vector<uerl_sim::RowBlock> result;
        for (const uerl_sim::ArraySpec &array : arrays) {
            const std::uint64_t row_bytes = uerl_sim::num_row_bytes(array);
            std::vector<unsigned char> bytes(row_bytes * agents, garbage_++);
            unsigned char *first = bytes.data();
            memory_[first] = std::move(bytes);
            result.push_back({first, row_bytes});
        }
        return result;
    }

    const std::vector<unsigned char> &memory_of(const uerl_sim::RowBlock &block) const
    {
        return memory_.at(block.first);
    }

    void act_at_random(uerl_sim::Random &choices, std::size_t group, std::size_t array,
                       std::size_t agent)
    {
        const uerl_sim::ArraySpec &spec_of_action = spec.groups[group].action[array];
        if (spec_of_action.kind == uerl_sim::Kind::discrete) {
            *action<std::int64_t>(group, array, agent) = static_cast<std::int64_t>(
                choices.below(static_cast<std::uint64_t>(spec_of_action.nvec[0])));
            return;
        }
        float *values = action<float>(group, array, agent);
        for (std::uint64_t i = 0; i < uerl_sim::num_elements(spec_of_action); i++)
            values[i] = static_cast<float>(choices.uniform(-1.0, 1.0));
    }

    std::map<unsigned char *, std::vector<unsigned char>> memory_;
    static inline unsigned char garbage_ = 0x5a;
};

#endif
