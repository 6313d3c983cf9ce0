// run.cpp: all talking to the learner: attach, bind, then receive -> step or reset -> send.
#include "run.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "attaching.hpp"
#include "lane.hpp"
#include "run_shared.hpp"

namespace uerl_sim {

namespace {

constexpr std::int64_t early_ns = 200000;  // --bug early: time from the result to the rows

// Rows that are written into memory of our own and copied to where they belong later.
class LateRows {
  public:
    void divert(Rows& rows, const Lane& lane) {
        for (std::size_t i = 0; i < rows.groups.size(); i++) {
            for (RowBlock& block : rows.groups[i].observation) divert(block, lane.num_agents(i));
            for (RowBlock& block : rows.groups[i].info) divert(block, lane.num_agents(i));
        }
    }

    void write() {
        for (const Copy& copy : copies_)
            std::memcpy(copy.target, copy.bytes.data(), copy.bytes.size());
        copies_.clear();
    }

  private:
    struct Copy {
        unsigned char* target;
        std::vector<unsigned char> bytes;
    };

    void divert(RowBlock& block, std::uint32_t agents) {
        const std::size_t size = block.row_bytes * agents;
        copies_.push_back({block.first, {block.first, block.first + size}});
        block.first = copies_.back().bytes.data();
    }

    std::vector<Copy> copies_;
};

// One world and what its last step said, which must outlive a reset within the same command.
struct Env {
    std::unique_ptr<World> world;
    Random random;
    Rows rows;
    Rows final_rows;
    std::vector<std::vector<Outcome>> outcomes;  // [group][agent]
    bool any_ended = false;                      // an agent's episode
    bool ended = true;  // the env: each agent's episode has ended, or it is absent
};

class Server {
  public:
    Server(uerl_simulator* simulator, const Scene& scene, const RunOptions& options)
        : simulator_(simulator),
          lane_(simulator, scene.spec()),
          options_(options),
          sends_early_(scene.sends_early()),
          same_step_(uerl_simulator_autoreset_mode(simulator) == UERL_AUTORESET_SAME_STEP),
          envs_(uerl_simulator_num_envs(simulator)) {
        const auto lane = static_cast<std::uint32_t>(uerl_simulator_lane(simulator));
        for (std::uint32_t i = 0; i < envs_.size(); i++) {
            envs_[i].world = scene.make_world({uerl_simulator_first_env(simulator) + i, lane});
            envs_[i].random.reseed(mix(mix(lane) + i));
        }
    }

    // Returns the exit code.
    int serve() {
        while (!leave_requested) {
            uerl_received received;
            const int error = uerl_simulator_receive(simulator_, &received, slice_ns);
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

  private:
    // Leaves without a result when a signal came: half a command must not look like a whole one.
    void answer() {
        if (options_.wait_us > 0) sleep_until(now_ns() + options_.wait_us * 1000);
        for (std::uint32_t i = 0; i < envs_.size() && !leave_requested; i++) answer(i);
        if (leave_requested) return;
        uerl_simulator_send(simulator_);
        if (sends_early_) {
            sleep_until(now_ns() + early_ns);
            late_rows_.write();
        }
    }

    void answer(std::uint32_t index) {
        const std::uint32_t control = uerl_simulator_control(simulator_, index);
        if (control != UERL_CONTROL_STEP && control != UERL_CONTROL_RESET) return;
        Env& env = envs_[index];
        lane_.point(index, env.rows, env.final_rows);
        if (sends_early_) late_rows_.divert(env.rows, lane_);
        if (control == UERL_CONTROL_STEP) {
            step(index);
        } else {
            reset(index, uerl_simulator_seed(simulator_, index), false);
            read_outcomes(env);
        }
        env.world->observe(env.rows);
        for (std::size_t i = 0; i < lane_.num_groups(); i++)
            for (std::uint32_t agent = 0; agent < lane_.num_agents(i); agent++)
                lane_.write_outcome(index, i, agent, env.outcomes[i][agent]);
    }

    void reset(std::uint32_t index, std::int64_t seed, bool own) {
        Env& env = envs_[index];
        if (seed >= 0) env.random.reseed(static_cast<std::uint64_t>(seed));
        env.world->reset(env.random, {seed, lane_.parameters(index), own});
        env.ended = false;
    }

    void step(std::uint32_t index) {
        Env& env = envs_[index];
        if (env.ended)
            throw std::logic_error("env " + std::to_string(index) +
                                   " of this lane got a step, "
                                   "expected a reset first: call reset() before step()");
        if (options_.step_us > 0) spin_until(now_ns() + options_.step_us * 1000);
        env.world->step(env.random, env.rows);
        read_outcomes(env);
        if (same_step_ && env.any_ended) env.world->observe(env.final_rows);
        if (same_step_ && env.ended) {
            reset(index, -1, true);
            read_presence(env);
        }
    }

    void read_outcomes(Env& env) const {
        env.any_ended = false;
        env.ended = true;
        env.outcomes.resize(lane_.num_groups());
        for (std::size_t i = 0; i < lane_.num_groups(); i++) {
            env.outcomes[i].resize(lane_.num_agents(i));
            for (std::size_t agent = 0; agent < env.outcomes[i].size(); agent++) {
                const Outcome outcome = env.world->outcome(i, agent);
                const bool ended = outcome.terminated || outcome.truncated;
                env.any_ended = env.any_ended || ended;
                env.ended = env.ended && (ended || !outcome.present);
                env.outcomes[i][agent] = outcome;
            }
        }
    }

    // After a SAME_STEP reset the rows hold the next episode's first observation, so the agents of
    // that episode are the present ones.
    static void read_presence(Env& env) {
        for (std::size_t i = 0; i < env.outcomes.size(); i++)
            for (std::size_t agent = 0; agent < env.outcomes[i].size(); agent++)
                env.outcomes[i][agent].present = env.world->outcome(i, agent).present;
    }

    uerl_simulator* simulator_;
    Lane lane_;
    RunOptions options_;
    bool sends_early_;
    bool same_step_;
    std::vector<Env> envs_;
    LateRows late_rows_;
};

// Answers commands of an attached learner; every failure reaches it as text.
int serve(uerl_simulator* simulator, const Scene& scene, const RunOptions& options) {
    std::unique_ptr<Server> server;
    try {
        server = std::make_unique<Server>(simulator, scene, options);
        if (uerl_simulator_ready(simulator) != UERL_OK) throw SpecMismatch(uerl_last_error());
    } catch (const std::exception& error) {
        uerl_simulator_refuse(simulator, error.what());
        std::fprintf(stderr, "uerl-sim: %s\n", error.what());
        return 1;
    }
    try {
        return server->serve();
    } catch (const std::exception& error) {
        uerl_simulator_fail(simulator, error.what());
        std::fprintf(stderr, "uerl-sim: %s\n", error.what());
        return 1;
    }
}

int run_for_one(const Scene& scene, const RunOptions& options) {
    RunOptions now = options;
    for (bool is_first = true;; is_first = false) {
        uerl_simulator* simulator = nullptr;
        const int error = attach(now.attach_timeout_s, [&](std::int64_t timeout_ns) {
            const char* name = now.name.empty() ? nullptr : now.name.c_str();
            return uerl_simulator_attach(&simulator, name, now.lane, timeout_ns);
        });
        if (error != UERL_OK) {
            if (leave_requested || (!is_first && error == UERL_E_NOT_FOUND)) return 0;
            std::fprintf(stderr, "uerl-sim: %s\n", uerl_last_error());
            return 1;
        }
        now.lane = uerl_simulator_lane(simulator);
        const int exit_code = serve(simulator, scene, options);
        uerl_simulator_detach(simulator);
        if (exit_code != 0 || leave_requested || options.next_learner_s == 0) return exit_code;
        now.attach_timeout_s = options.next_learner_s;
    }
}

}  // namespace

int run(const Scene& scene, const RunOptions& options) {
    catch_signals();
    const char* environment = std::getenv(UERL_ENV_NAME);
    const std::vector<std::string> names =
        names_of(options.name.empty() && environment != nullptr ? environment : options.name);
    return names.size() > 1 ? run_shared(scene, options, names) : run_for_one(scene, options);
}

}  // namespace uerl_sim
