// shared_server.hpp: one simulation, several learners. Each learner has some of the scene's groups
// in a segment of its own; the simulator holds the same lane of every segment.
//
// A command of each learner makes one turn: it is received from all, then each env is answered,
// then one result goes to each. What the learners ask of an env decides what becomes of it:
//
//   all ask for a step        the world steps once
//   any asks for a reset      the world is reset once. Who asked for a step instead has its episode
//                             cut off: it sees the old episode's last state again, with reward 0
//                             and truncated. Its own reset, in the next turn, joins:
//   steps and joining resets  the world steps, the actions of who joins being zeros; who joins gets
//                             the state after that step as its first observation
//   any leaves the env out    the world stands still: the others see its state again, with reward 0
//
// An episode ends for all: when each agent of one learner has ended its episode or is absent, the
// present agents of the others are told truncated in that step. So all ask for the reset in the
// next turn, and the episodes of all begin and end together. A reset with a seed never joins; where
// several give a seed, the first learner's counts.
#ifndef UERL_SIM_SHARED_SERVER_HPP
#define UERL_SIM_SHARED_SERVER_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lane.hpp"
#include "run.hpp"
#include "scene.hpp"
#include "shares.hpp"

namespace uerl_sim {

// Rows of our own, for those of a learner that must not be written now, or that has no action.
class SpareRows {
  public:
    explicit SpareRows(const Spec& spec);

    const Rows::Group& group(std::size_t group) const { return rows_.groups[group]; }

  private:
    void add(std::vector<RowBlock>& blocks, const std::vector<ArraySpec>& arrays,
             std::uint32_t agents);

    Rows rows_;
    std::vector<std::vector<unsigned char>> memory_;
};

class SharedServer {
  public:
    // `learners` are attached and have yet to be told ready. Throws SpecMismatch.
    SharedServer(const std::vector<Learner>& learners, const Scene& scene,
                 const RunOptions& options);

    // Answers commands until a learner is finished or dead. Returns the exit code.
    int serve();

    // Tells those who wait for a result; the others see that the lane is free.
    void fail(const char* text);

  private:
    enum class Control { skip, step, reset, join };

    // Which episode of an env a learner is in.
    enum class Standing {
        same,     // the world's
        cut_off,  // the one before; it was told so, and its next reset joins
        behind    // the one before, and it was not told: it had left the env out
    };

    // A learner, its part of the scene, and what it asks of the env that is being answered.
    struct Party {
        Learner learner;
        Share share;
        std::unique_ptr<Lane> lane;
        bool in_hand = false;  // a command of it
        Control control = Control::skip;
        Rows rows, final_rows;
    };

    struct Env {
        std::unique_ptr<World> world;
        Random random;
        Rows rows;  // of all learners
        std::vector<double> parameters;
        std::vector<std::vector<Outcome>> outcomes;  // [group][agent]
        std::vector<Standing> standings;             // [learner]
        bool begun = false;
    };

    void make_envs(const Scene& scene, const Spec& spec);
    int receive_all();
    void answer();
    void answer(std::uint32_t index);
    static Control control_of(const Party& party, std::uint32_t index, Standing standing);
    static bool begins(const Party& party);
    bool any_asks_for(Control control) const;
    bool all_ask_for(Control control) const;
    void point(std::uint32_t index, Env& env);

    void step(std::uint32_t index, Env& env);
    void end_together(Env& env) const;
    void reset(std::uint32_t index, Env& env);
    void cut_off(std::uint32_t index, Env& env);
    void stand_still(std::uint32_t index, Env& env);

    template <typename Chosen>
    void observe(const Env& env, const Chosen& chosen) const;
    static void read_parameters(std::uint32_t index, Env& env, const Party& party);
    static void read_outcomes(Env& env);
    static void need_episode(std::uint32_t index, const Env& env);
    void write(std::uint32_t index, Env& env, std::size_t number, bool has_result);

    RunOptions options_;
    SpareRows spare_;
    std::vector<std::size_t> owners_;  // [group]: number of its learner
    std::vector<Party> parties_;       // [learner]
    std::vector<Env> envs_;
};

}  // namespace uerl_sim

#endif
