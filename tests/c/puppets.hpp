// puppets.hpp: a learner and its simulators in one thread, moved step by step by the tests of
// csrc/learner. Every observation says which lane, row and command wrote it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/atomics.h"
#include "core/lock.h"
#include "learner.hpp"
#include "segments.h"
#include "uerl_shm/uerl_shm.h"

// Does the statement throw an Error of that code whose text says that?
#define CHECK_THROWS(expected_code, part, statement)                                               \
    do {                                                                                           \
        bool check_thrown = false;                                                                 \
        try {                                                                                      \
            statement;                                                                             \
        } catch (const uerl::Error &check_error) {                                                 \
            check_thrown = true;                                                                   \
            CHECK_EQUAL(check_error.code, expected_code);                                          \
            CHECK_SAYS(check_error.what(), part);                                                  \
        }                                                                                          \
        CHECK(check_thrown);                                                                       \
    } while (0)

using Lanes = std::vector<uint32_t>;

constexpr int64_t kMs = 1000000;

// What command `sequence` leaves in element `k` of the observation in row `row` of the segment.
inline float pattern(uint64_t sequence, uint32_t row, uint32_t k)
{
    return static_cast<float>(sequence) * 1000 + static_cast<float>(row * 10 + k);
}

// A simulator that does one thing at a time, when it is told to.
class Puppet
{
  public:
    Puppet(const std::string &name, int32_t lane)
    {
        CHECK_EQUAL(uerl_simulator_attach(&simulator_, name.c_str(), lane, 0), UERL_OK);
        lane_ = static_cast<uint32_t>(uerl_simulator_lane(simulator_));
        for (uint32_t i = 0; i < uerl_simulator_num_arrays(simulator_); i++) {
            uerl_array array;
            CHECK_EQUAL(uerl_simulator_array(simulator_, i, &array), UERL_OK);
            if (array.role != UERL_ROLE_OBSERVATION)
                continue;
            CHECK(uerl_simulator_bind(simulator_, array.group, array.name, array.role, array.dtype,
                                      array.num_dims, array.shape) >= 0);
            arrays_.push_back(i);
        }
        CHECK_EQUAL(uerl_simulator_ready(simulator_), UERL_OK);
        ends.assign(uerl_simulator_num_envs(simulator_), false);
    }
    ~Puppet()
    {
        uerl_simulator_detach(simulator_);
    }
    Puppet(const Puppet &) = delete;
    Puppet &operator=(const Puppet &) = delete;

    bool receive(int64_t timeout_ns = 0)
    {
        return uerl_simulator_receive(simulator_, &received, timeout_ns) == UERL_OK;
    }

    // Writes the rows of the envs that were asked for anything: the pattern and the outcome.
    void write()
    {
        uint32_t group = 0;
        for (const uint32_t array : arrays_)
            write_group(array, group++);
    }
    void send()
    {
        CHECK_EQUAL(uerl_simulator_send(simulator_), UERL_OK);
    }
    bool answer()
    {
        if (!receive())
            return false;
        write();
        send();
        return true;
    }
    uint32_t control(uint32_t env) const
    {
        return uerl_simulator_control(simulator_, env);
    }
    int64_t seed(uint32_t env) const
    {
        return uerl_simulator_seed(simulator_, env);
    }
    template <typename T> const T *row(int32_t array, uint32_t index) const
    {
        return static_cast<const T *>(uerl_simulator_row(simulator_, array, index));
    }
    uerl_simulator *handle() const
    {
        return simulator_;
    }

    std::vector<bool> ends; // which envs' episodes end at their next step
    uerl_received received{};

  private:
    void write_group(uint32_t index, uint32_t group)
    {
        uerl_array array;
        CHECK_EQUAL(uerl_simulator_array(simulator_, index, &array), UERL_OK);
        const uint32_t agents = array.num_rows / static_cast<uint32_t>(ends.size());
        for (uint32_t row = 0; row < array.num_rows; row++) {
            const uint32_t asked = control(row / agents);
            if (asked == UERL_CONTROL_SKIP)
                continue;
            const bool ended = asked == UERL_CONTROL_STEP && ends[row / agents];
            float *values = static_cast<float *>(
                uerl_simulator_row(simulator_, static_cast<int32_t>(index), row));
            for (uint32_t k = 0; k < 3; k++)
                values[k] = pattern(received.sequence, lane_ * array.num_rows + row, k);
            uerl_simulator_outcome(simulator_, group, row, asked == UERL_CONTROL_STEP ? 1.0 : 0.0,
                                   ended, 0);
        }
    }

    uerl_simulator *simulator_ = nullptr;
    uint32_t lane_ = 0;
    std::vector<uint32_t> arrays_; // the observation of each group
};

inline uerl::Config config_of(const struct small_spec &spec)
{
    char name[UERL_NAME_BYTES];
    uerl::Config config;
    config.name = new_name(name);
    config.header = spec.header;
    config.groups.assign(spec.groups, spec.groups + spec.header.num_groups);
    config.fields.assign(spec.fields, spec.fields + spec.header.num_fields);
    config.text = small_text;
    return config;
}

// Places of the usual fields of group 0.
enum : uint32_t { kObservation, kAction, kControl, kSeed, kReward, kTerminated, kTruncated };

// A learner with a puppet in every lane.
struct Scene {
    uerl::Learner learner;
    std::vector<std::unique_ptr<Puppet>> puppets;

    // first_index: of every ring, as after that many commands.
    explicit Scene(const struct small_spec &spec, uint32_t mode = UERL_AUTORESET_NEXT_STEP,
                   uint32_t first_index = 0)
        : learner(with_mode(config_of(spec), mode))
    {
        for (uint32_t lane = 0; lane < learner.num_lanes(); lane++) {
            const_cast<uerl::Lane &>(learner.lane(lane)).write_index = first_index;
            uerl_segment_commands(&learner.segment(), lane)->write_index = first_index;
            uerl_segment_results(&learner.segment(), lane)->write_index = first_index;
            attach(lane);
        }
        CHECK_EQUAL(learner.look_for_simulators(), learner.num_lanes());
    }

    std::string name() const
    {
        return learner.segment().name;
    }
    void attach(uint32_t lane)
    {
        if (puppets.size() <= lane)
            puppets.resize(lane + 1);
        puppets[lane] = std::make_unique<Puppet>(name(), static_cast<int32_t>(lane));
    }
    Lanes all() const
    {
        Lanes lanes;
        for (uint32_t lane = 0; lane < learner.num_lanes(); lane++)
            lanes.push_back(lane);
        return lanes;
    }
    std::vector<uint8_t> every_env() const
    {
        return std::vector<uint8_t>(learner.num_envs(), 1);
    }
    std::vector<int64_t> no_seeds() const
    {
        return std::vector<int64_t>(learner.num_envs(), -1);
    }

    void send_reset(const std::vector<uint8_t> &mask, const std::string &options = "")
    {
        CHECK(learner.resettable(mask));
        learner.send_reset(mask, no_seeds(), options);
    }
    void answer(const Lanes &lanes)
    {
        for (const uint32_t lane : lanes)
            CHECK(puppets[lane]->answer());
    }

    // Takes these lanes' rows as a batch, and notes which envs ended, as the binding does.
    void deliver(const Lanes &lanes, bool outcome = true)
    {
        learner.take(lanes);
        if (!outcome)
            return;
        for (const uint32_t lane : lanes)
            for (uint32_t i = 0; i < learner.envs_per_lane(); i++) {
                const uint32_t env = lane * learner.envs_per_lane() + i;
                const uint32_t row = env * learner.segment().groups[0].rows_per_env;
                learner.note_outcome(env,
                                     *cell<uint8_t>(kTerminated, learner.lane(lane).slot, row));
            }
        learner.count_delivery(lanes.size() * learner.rows_per_lane(0), false, 0);
    }
    void reset_all()
    {
        send_reset(every_env());
        answer(all());
        CHECK_EQUAL(learner.num_ready(), learner.num_lanes());
        deliver(all(), false);
    }
    void step(const Lanes &lanes)
    {
        learner.check_step(lanes);
        learner.send_step(lanes);
        answer(lanes);
        CHECK_EQUAL(learner.num_ready(), lanes.size());
        deliver(lanes);
    }

    template <typename T> T *cell(uint32_t field, uint32_t slot, uint32_t row) const
    {
        return reinterpret_cast<T *>(uerl_segment_row(&learner.segment(), field, slot, row));
    }
    // Do all rows of this lane's envs, where they stand now, come from the lane's command
    // `sequence`?
    bool shows(uint32_t lane, uint64_t sequence) const
    {
        const uint32_t count = learner.rows_per_lane(0);
        for (uint32_t row = lane * count; row < (lane + 1) * count; row++)
            if (!row_shows(learner.lane(lane).slot, row, sequence))
                return false;
        return true;
    }
    bool row_shows(uint32_t slot, uint32_t row, uint64_t sequence) const
    {
        const float *values = cell<float>(kObservation, slot, row);
        return values[0] == pattern(sequence, row, 0) && values[2] == pattern(sequence, row, 2);
    }
    // Waits as the binding does; false at the timeout.
    bool wait(uint32_t need, int64_t timeout_ns)
    {
        const int64_t deadline_ns = uerl_deadline_ns(timeout_ns);
        if (learner.num_ready() >= need || learner.wait_busy(need, deadline_ns))
            return true;
        for (int64_t slice_ns = 0; uerl_now_ns() < deadline_ns;) {
            slice_ns = uerl_wait_next_slice(slice_ns, deadline_ns);
            learner.sleep_slice(need, slice_ns);
            if (learner.num_ready() >= need)
                return true;
            learner.check_failures();
        }
        return false;
    }

  private:
    static uerl::Config with_mode(uerl::Config config, uint32_t mode)
    {
        config.header.autoreset_mode = mode;
        return config;
    }
};
