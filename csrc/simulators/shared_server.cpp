// shared_server.cpp: what becomes of each env when several learners command it.
#include "shared_server.hpp"

#include <cstdio>
#include <optional>

#include "attaching.hpp"

namespace uerl_sim {

namespace {

Outcome without_result(const Outcome& outcome) { return {0.0, false, false, outcome.present}; }

bool has_ended(const Outcome& outcome) {
    return outcome.terminated || outcome.truncated || !outcome.present;
}

}  // namespace

SpareRows::SpareRows(const Spec& spec) {
    for (const GroupSpec& group : spec.groups) {
        rows_.groups.emplace_back();
        add(rows_.groups.back().observation, group.observation, group.agents);
        add(rows_.groups.back().action, group.action, group.agents);
        add(rows_.groups.back().info, group.info, group.agents);
    }
}

void SpareRows::add(std::vector<RowBlock>& blocks, const std::vector<ArraySpec>& arrays,
                    std::uint32_t agents) {
    for (const ArraySpec& array : arrays) {
        const std::uint64_t row_bytes = num_row_bytes(array);
        memory_.emplace_back(row_bytes * agents);
        blocks.push_back({memory_.back().data(), row_bytes});
    }
}

SharedServer::SharedServer(const std::vector<Learner>& learners, const Scene& scene,
                           const RunOptions& options)
    : options_(options), spare_(scene.spec()), owners_(scene.spec().groups.size()) {
    const Spec spec = scene.spec();
    const std::vector<Share> shares = shares_of(spec, learners);
    for (std::size_t i = 0; i < learners.size(); i++) {
        Party party;
        party.learner = learners[i];
        party.share = shares[i];
        party.lane = std::make_unique<Lane>(learners[i].simulator, shares[i].spec);
        for (const std::size_t group : shares[i].groups) owners_[group] = i;
        parties_.push_back(std::move(party));
    }
    make_envs(scene, spec);
}

void SharedServer::make_envs(const Scene& scene, const Spec& spec) {
    const uerl_simulator* simulator = parties_.front().learner.simulator;
    const auto lane = static_cast<std::uint32_t>(uerl_simulator_lane(simulator));
    const std::uint32_t first = uerl_simulator_first_env(simulator);
    for (std::uint32_t i = 0; i < uerl_simulator_num_envs(simulator); i++) {
        Env env;
        env.world = scene.make_world({first + i, lane});
        env.random.reseed(mix(mix(lane) + i));
        env.standings.assign(parties_.size(), Standing::same);
        for (const ParameterSpec& parameter : spec.parameters)
            env.parameters.push_back(parameter.value);
        for (const GroupSpec& group : spec.groups) env.outcomes.emplace_back(group.agents);
        envs_.push_back(std::move(env));
    }
}

int SharedServer::serve() {
    while (!leave_requested) {
        const int error = receive_all();
        if (error == UERL_E_TIMEOUT) continue;
        if (error == UERL_E_CLOSED) return 0;
        if (error != UERL_OK) {
            std::fprintf(stderr, "uerl-sim: %s\n", uerl_last_error());
            return 1;
        }
        answer();
    }
    return 0;
}

void SharedServer::fail(const char* text) {
    for (Party& party : parties_)
        if (party.in_hand) uerl_simulator_fail(party.learner.simulator, text);
}

// Nobody is answered before all have come, so the order of the waits costs no time. Returns
// UERL_E_TIMEOUT while some have not: each call looks at every learner that has sent nothing.
int SharedServer::receive_all() {
    bool all = true;
    for (Party& party : parties_) {
        if (party.in_hand) continue;
        uerl_received received;
        const int error = uerl_simulator_receive(party.learner.simulator, &received, slice_ns);
        if (error != UERL_OK && error != UERL_E_TIMEOUT) return error;
        party.in_hand = error == UERL_OK;
        all = all && party.in_hand;
    }
    return all ? UERL_OK : UERL_E_TIMEOUT;
}

// Leaves without a result when a signal came: half a command must not look like a whole one.
void SharedServer::answer() {
    if (options_.wait_us > 0) sleep_until(now_ns() + options_.wait_us * 1000);
    for (std::uint32_t i = 0; i < envs_.size() && !leave_requested; i++) answer(i);
    if (leave_requested) return;
    for (Party& party : parties_) {
        uerl_simulator_send(party.learner.simulator);
        party.in_hand = false;
    }
}

void SharedServer::answer(std::uint32_t index) {
    Env& env = envs_[index];
    for (std::size_t i = 0; i < parties_.size(); i++)
        parties_[i].control = control_of(parties_[i], index, env.standings[i]);
    if (all_ask_for(Control::skip)) return;
    point(index, env);
    if (any_asks_for(Control::reset))
        reset(index, env);
    else if (any_asks_for(Control::skip) || !any_asks_for(Control::step))
        stand_still(index, env);
    else
        step(index, env);
}

SharedServer::Control SharedServer::control_of(const Party& party, std::uint32_t index,
                                               Standing standing) {
    uerl_simulator* simulator = party.learner.simulator;
    const std::uint32_t control = uerl_simulator_control(simulator, index);
    if (control == UERL_CONTROL_STEP) return Control::step;
    if (control != UERL_CONTROL_RESET) return Control::skip;
    const bool joins = standing == Standing::cut_off && uerl_simulator_seed(simulator, index) < 0;
    return joins ? Control::join : Control::reset;
}

bool SharedServer::begins(const Party& party) {
    return party.control == Control::reset || party.control == Control::join;
}

bool SharedServer::any_asks_for(Control control) const {
    for (const Party& party : parties_)
        if (party.control == control) return true;
    return false;
}

bool SharedServer::all_ask_for(Control control) const {
    for (const Party& party : parties_)
        if (party.control != control) return false;
    return true;
}

void SharedServer::point(std::uint32_t index, Env& env) {
    env.rows.groups.resize(owners_.size());
    for (Party& party : parties_) {
        party.lane->point(index, party.rows, party.final_rows);
        for (std::size_t i = 0; i < party.share.groups.size(); i++)
            env.rows.groups[party.share.groups[i]] = party.rows.groups[i];
    }
}

void SharedServer::step(std::uint32_t index, Env& env) {
    need_episode(index, env);
    if (options_.step_us > 0) spin_until(now_ns() + options_.step_us * 1000);
    for (std::size_t group = 0; group < owners_.size(); group++)
        if (begins(parties_[owners_[group]]))
            env.rows.groups[group].action = spare_.group(group).action;
    env.world->step(env.random, env.rows);
    read_outcomes(env);
    end_together(env);
    env.world->observe(env.rows);
    for (std::size_t i = 0; i < parties_.size(); i++)
        write(index, env, i, parties_[i].control == Control::step);
}

// When the episode is over for one learner, it is for all; and for one who was not told of a reset.
void SharedServer::end_together(Env& env) const {
    bool ends = false;
    for (const Party& party : parties_) {
        bool all = true;
        for (const std::size_t group : party.share.groups)
            for (const Outcome& outcome : env.outcomes[group]) all = all && has_ended(outcome);
        ends = ends || all;
    }
    for (std::size_t i = 0; i < parties_.size(); i++) {
        if (!ends && env.standings[i] != Standing::behind) continue;
        for (const std::size_t group : parties_[i].share.groups)
            for (Outcome& outcome : env.outcomes[group])
                outcome.truncated = outcome.truncated || !has_ended(outcome);
    }
}

void SharedServer::reset(std::uint32_t index, Env& env) {
    if (any_asks_for(Control::step)) cut_off(index, env);
    std::optional<std::int64_t> seed;
    for (const Party& party : parties_) {
        if (!begins(party)) continue;
        const std::int64_t own = uerl_simulator_seed(party.learner.simulator, index);
        if (own >= 0 && !seed) seed = own;
        read_parameters(index, env, party);
    }
    if (seed) env.random.reseed(static_cast<std::uint64_t>(*seed));
    env.world->reset(env.random, {seed.value_or(-1), env.parameters, false});
    env.begun = true;
    read_outcomes(env);
    observe(env, begins);
    for (std::size_t i = 0; i < parties_.size(); i++) {
        if (begins(parties_[i]))
            write(index, env, i, false);
        else if (parties_[i].control == Control::skip && env.standings[i] == Standing::same)
            env.standings[i] = Standing::behind;
    }
}

// Ends the episode of those who ask for a step while another learner resets.
void SharedServer::cut_off(std::uint32_t index, Env& env) {
    need_episode(index, env);
    const auto steps = [](const Party& party) { return party.control == Control::step; };
    observe(env, steps);
    for (std::size_t i = 0; i < parties_.size(); i++) {
        if (!steps(parties_[i])) continue;
        for (const std::size_t group : parties_[i].share.groups)
            for (Outcome& outcome : env.outcomes[group])
                outcome = {0.0, false, outcome.present, outcome.present};
        write(index, env, i, true);
        env.standings[i] = Standing::cut_off;
    }
}

void SharedServer::stand_still(std::uint32_t index, Env& env) {
    need_episode(index, env);
    observe(env, [](const Party& party) { return party.control != Control::skip; });
    for (std::size_t i = 0; i < parties_.size(); i++)
        if (parties_[i].control != Control::skip) write(index, env, i, false);
}

// Writes what the chosen learners see; the rows of the others are left alone.
template <typename Chosen>
void SharedServer::observe(const Env& env, const Chosen& chosen) const {
    Rows rows = env.rows;
    for (std::size_t group = 0; group < owners_.size(); group++)
        if (!chosen(parties_[owners_[group]])) rows.groups[group] = spare_.group(group);
    env.world->observe(rows);
}

// A parameter is the world's: what its learner said last goes for the resets of all.
void SharedServer::read_parameters(std::uint32_t index, Env& env, const Party& party) {
    const std::vector<double> values = party.lane->parameters(index);
    for (std::size_t i = 0; i < values.size(); i++)
        env.parameters[party.share.parameters[i]] = values[i];
}

void SharedServer::read_outcomes(Env& env) {
    for (std::size_t group = 0; group < env.outcomes.size(); group++)
        for (std::size_t agent = 0; agent < env.outcomes[group].size(); agent++)
            env.outcomes[group][agent] = env.world->outcome(group, agent);
}

// A `VecEnv` resets before it steps; not all that writes commands must be one.
void SharedServer::need_episode(std::uint32_t index, const Env& env) {
    if (env.begun) return;
    throw std::logic_error("env " + std::to_string(index) +
                           " of this lane got a step, expected a reset of every learner first: "
                           "call reset() before step()");
}

// Tells a learner what became of its agents, and notes which episode it is in now.
void SharedServer::write(std::uint32_t index, Env& env, std::size_t number, bool has_result) {
    const Party& party = parties_[number];
    for (std::size_t group = 0; group < party.share.groups.size(); group++) {
        const std::vector<Outcome>& outcomes = env.outcomes[party.share.groups[group]];
        for (std::uint32_t agent = 0; agent < outcomes.size(); agent++)
            party.lane->write_outcome(
                index, group, agent,
                has_result ? outcomes[agent] : without_result(outcomes[agent]));
    }
    if (begins(party))
        env.standings[number] = Standing::same;
    else if (has_result && env.standings[number] == Standing::behind)
        env.standings[number] = Standing::cut_off;
}

}  // namespace uerl_sim
