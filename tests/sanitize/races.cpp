// races.cpp: a learner and its simulators as threads over one mapping, for ThreadSanitizer.
//
// The sanitizer compares addresses, so a race shows only if both sides use the same mapping. Rows,
// messages and ring entries are plain memory here as everywhere: what orders their accesses is the
// code under test. Fences are unknown to the sanitizer, and nothing that this program does relies
// on one: they order a store before a load of another atomic word, and serve observers' copies.
// Usage: races [batches]
#include <algorithm>
#include <cstdlib>
#include <deque>

#include "kernel_locks.hpp"
#include "player.hpp"

namespace
{

constexpr uint32_t kLanes = 3, kEnvsPerLane = 2, kSlots = 6;

uerl::Config config_with_masks()
{
    uerl::Config config = config_of(small_spec(kLanes, kEnvsPerLane, 1, kSlots));
    config.masks = true;
    config.step_deadline_ns = kDeadlineNs;
    return config;
}

// Rows that somebody still looks at, and what they were when they were delivered.
struct Lease {
    uerl::Run run;
    std::vector<float> rows;
};

class Play
{
  public:
    Play() : learner_(config_with_masks())
    {
        for (uint32_t lane = 0; lane < kLanes; lane++) {
            players_.push_back(std::make_unique<Player>(learner_.segment(), lane));
            threads_.emplace_back([player = players_.back().get()] { player->play(); });
        }
    }

    void run(uint64_t num_batches)
    {
        wait_for_simulators();
        reset(std::vector<uint8_t>(learner_.num_envs(), 1));
        receive(learner_.num_pending());
        while (num_batches_ < num_batches)
            act();
        while (!leases_.empty())
            end_lease();
        learner_.close();
        for (std::thread &thread : threads_)
            thread.join();
        for (const auto &player : players_)
            num_wrong_ += player->num_wrong;
    }

    uint64_t num_wrong() const
    {
        return num_wrong_;
    }

    void report() const
    {
        uint64_t visits = 0, left = 0, late = 0;
        for (const auto &player : players_) {
            visits += player->num_visits;
            left += player->num_left;
            late += player->num_late;
        }
        std::printf(
            "batches %llu steps %llu resets %llu superseded %llu visits %llu left %llu slow %llu "
            "late %llu lost %llu discarded %llu messages %llu leases %llu wrong %llu\n",
            number(num_batches_), number(learner_.stats.steps), number(num_resets_),
            number(learner_.stats.superseded), number(visits), number(left), number(late),
            number(learner_.stats.late), number(learner_.stats.lost),
            number(learner_.stats.discarded), number(num_messages_), number(num_leases_),
            number(num_wrong_));
    }

  private:
    static unsigned long long number(uint64_t value)
    {
        return value;
    }
    bool chance(uint64_t one_in)
    {
        return next_random(&random_) % one_in == 0;
    }

    void wait_for_simulators()
    {
        while (learner_.look_for_simulators() < kLanes) {
            read_messages();
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }

    // What the binding does with one call of a user, whatever it is.
    void act()
    {
        if (chance(40)) {
            std::vector<uint8_t> mask(learner_.num_envs());
            for (uint8_t &asked : mask)
                asked = chance(2);
            reset(mask);
        }
        if (chance(60))
            reset(std::vector<uint8_t>(learner_.num_envs(), 1)); // supersedes
        Lanes idle;
        for (uint32_t lane = 0; lane < kLanes; lane++)
            if (!learner_.pending(lane) && (!chance(3) || idle.empty()))
                idle.push_back(lane);
        step(idle);
        if (chance(30))
            reset(std::vector<uint8_t>(learner_.num_envs(), 1)); // overtakes the step
        const uint32_t pending = learner_.num_pending();
        if (pending > 0)
            receive(chance(2) ? pending : 1);
        if (chance(4))
            read_messages();
        while (learner_.has_events())
            learner_.forget_first_event();
    }

    void step(const Lanes &lanes)
    {
        if (lanes.empty())
            return;
        learner_.check_step(lanes);
        for (const uint32_t lane : lanes)
            for (uint32_t env = 0; env < kEnvsPerLane && !learner_.reads_actions(lane); env++)
                write_action(lane, env, learner_.lane(lane).sequence + 1);
        learner_.send_step(lanes);
        for (const uint32_t lane : lanes)
            for (uint32_t env = 0; env < kEnvsPerLane; env++)
                asked_[lane * kEnvsPerLane + env] = true;
    }

    void write_action(uint32_t lane, uint32_t env, uint64_t sequence)
    {
        auto *row = reinterpret_cast<float *>(learner_.action_rows(kAction, lane)) + env * 2;
        row[0] = row[1] = trace(sequence, lane * kEnvsPerLane + env, 0);
    }

    void reset(const std::vector<uint8_t> &mask)
    {
        for (uint32_t lane = 0; lane < kLanes; lane++)
            if (learner_.pending(lane) &&
                std::count(&mask[lane * kEnvsPerLane], &mask[(lane + 1) * kEnvsPerLane], 0) > 0)
                return; // a pending lane is reset as a whole or not at all
        while (!learner_.resettable(mask)) {
            learner_.sleep_slice(learner_.num_ready() + 1, kMs);
            learner_.check_failures();
        }
        for (uint32_t env = 0; env < learner_.num_envs(); env++) {
            const uint32_t lane = env / kEnvsPerLane;
            const auto begin = mask.begin() + lane * kEnvsPerLane;
            if (std::find(begin, begin + kEnvsPerLane, 1) == begin + kEnvsPerLane)
                continue;
            asked_[env] = mask[env] != 0 || learner_.lane(lane).masked;
        }
        learner_.send_reset(mask, std::vector<int64_t>(learner_.num_envs(), -1), "{\"map\": 1}");
        num_resets_++;
    }

    // Waits as the binding does.
    void receive(uint32_t need)
    {
        const int64_t deadline_ns = uerl_deadline_ns(60000 * kMs);
        if (learner_.num_ready() < need && !learner_.wait_busy(need, deadline_ns)) {
            for (int64_t slice_ns = 0; learner_.num_ready() < need;) {
                slice_ns = uerl_wait_next_slice(slice_ns,
                                                std::min(deadline_ns, learner_.next_deadline_ns()));
                learner_.sleep_slice(need, slice_ns);
                learner_.check_failures();
            }
        }
        learner_.check_failed_ready();
        const Lanes lanes = learner_.peek_ready(kLanes);
        learner_.take(lanes);
        for (const uint32_t lane : lanes)
            read_lane(lane);
        learner_.count_delivery(lanes.size() * kEnvsPerLane, lanes.size() == kLanes, 0);
        num_batches_++;
        for (const uerl::Run &run : learner_.runs_of(lanes))
            if (chance(2))
                begin_lease(run);
        while (leases_.size() > 3 || (!leases_.empty() && chance(3)))
            end_lease();
    }

    const float *values(uint32_t slot, uint32_t row) const
    {
        return reinterpret_cast<const float *>(
            uerl_segment_row(&learner_.segment(), kObservation, slot, row));
    }

    void read_lane(uint32_t lane)
    {
        const uint32_t slot = learner_.lane(lane).slot;
        for (uint32_t env = lane * kEnvsPerLane; env < (lane + 1) * kEnvsPerLane; env++) {
            const uint8_t ended = *uerl_segment_row(&learner_.segment(), kTerminated, slot, env);
            learner_.note_outcome(env, ended != 0);
            if (learner_.filled(env))
                continue;
            if (asked_[env])
                shown_[env] = learner_.lane(lane).sequence;
            for (uint32_t k = 0; k < 3; k++)
                num_wrong_ += values(slot, env)[k] != trace(shown_[env], env, k);
        }
    }

    std::vector<float> rows_of(const uerl::Run &run) const
    {
        const float *first = values(run.slot, run.first_lane * kEnvsPerLane);
        return std::vector<float>(first, first + run.num_lanes * kEnvsPerLane * 3);
    }

    void begin_lease(const uerl::Run &run)
    {
        if (!learner_.can_lease(run))
            return;
        learner_.memory()->slots.hold(run.slot, run.first_lane, run.num_lanes);
        leases_.push_back({run, rows_of(run)});
        num_leases_++;
    }

    // Views never change: whoever wrote there meanwhile is a race, and seen here too.
    void end_lease()
    {
        const Lease &lease = leases_.front();
        num_wrong_ += rows_of(lease.run) != lease.rows;
        learner_.memory()->slots.release(lease.run.slot, lease.run.first_lane, lease.run.num_lanes);
        leases_.pop_front();
    }

    void read_messages()
    {
        for (uint32_t lane = 0; lane < kLanes; lane++)
            if (learner_.lane_state(lane) == UERL_LANE_REFUSED)
                num_messages_ += !learner_.message_of(lane).empty();
    }

    uerl::Learner learner_;
    std::vector<std::unique_ptr<Player>> players_;
    std::vector<std::thread> threads_;
    std::deque<Lease> leases_;
    bool asked_[kLanes * kEnvsPerLane] = {};
    uint64_t shown_[kLanes * kEnvsPerLane] = {};
    uint64_t random_ = 99;
    uint64_t num_batches_ = 0, num_resets_ = 0, num_wrong_ = 0, num_messages_ = 0, num_leases_ = 0;
};

} // namespace

int main(int argc, char **argv)
{
    const uint64_t num_batches = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10000;
    Play play;
    play.run(num_batches);
    play.report();
    if (play.num_wrong() == 0)
        return 0;
    std::printf("wrong values in rows, actions or options\n");
    return 1;
}
