// scribble.cpp: a living learner with simulators, while a hostile hand overwrites their segment.
//
// The input says what the learner and its simulators do, and which shared word the hand changes
// before which load. The learner must go on or throw its own Error, never believe a number that it
// could not have written, and be rid of every outstanding command once no simulator is left.
#include <algorithm>
#include <memory>

#include "../c/segments.h"
#include "learner.hpp"
#include "observer.hpp"
#include "rows.hpp"

namespace
{

constexpr uint32_t kLanes = 2, kEnvsPerLane = 2, kSlots = 4;
constexpr int64_t kMs = 1000000;

uerl::Config config_of(uint8_t mode)
{
    struct small_spec spec = small_spec(kLanes, kEnvsPerLane, mode / 8 % 2 + 1, kSlots);
    add_field(&spec, "final_observation/state", UERL_ROLE_FINAL_OBSERVATION, UERL_DTYPE_FLOAT32, 3);
    add_field(&spec, "mask", UERL_ROLE_MASK, UERL_DTYPE_BOOL, 0);
    add_field(&spec, "parameter/speed", UERL_ROLE_PARAMETER, UERL_DTYPE_FLOAT64, 0);
    char name[UERL_NAME_BYTES];
    uerl::Config config;
    config.name = new_name(name);
    config.header = spec.header;
    config.header.autoreset_mode = mode % 4 % 3;
    config.groups.assign(spec.groups, spec.groups + spec.header.num_groups);
    config.fields.assign(spec.fields, spec.fields + spec.header.num_fields);
    config.text = small_text;
    config.masks = (mode & 16) != 0;
    config.any_order = (mode & 32) != 0;
    if (config.masks)
        config.step_deadline_ns = 50 * kMs;
    return config;
}

class Play
{
  public:
    Play(uint8_t mode, Input &input)
        : learner_(config_of(mode)), masks_((mode & 16) != 0), input_(input)
    {
        const uerl_segment &segment = learner_.segment();
        stage.base = segment.base;
        stage.bytes = segment.header.segment_bytes;
        stage.lanes_offset = segment.header.lanes_offset;
        stage.lane_bytes = segment.header.lane_bytes;
        stage.num_lanes = kLanes;
        identity_ = *uerl_segment_header(&segment);
        for (uint32_t lane = 0; lane < kLanes; lane++)
            attach(lane);
    }
    ~Play()
    {
        stage.armed = false;
        poison_gaps(learner_.segment(), false);
        for (uerl_simulator *simulator : simulators_)
            uerl_simulator_detach(simulator);
    }
    Play(const Play &) = delete;
    Play &operator=(const Play &) = delete;

    void run()
    {
        stage.armed = true;
        bool all = false;
        for (int i = 0; i < 3 && !all; i++)
            guarded([&] { all = learner_.look_for_simulators() == kLanes; });
        for (int i = 0; all && i < 300 && input_.has(1); i++) {
            guarded([&] { act(); });
            check_learner();
        }
        if (all)
            check_end();
    }

  private:
    template <typename Act> void guarded(Act act)
    {
        try {
            act();
        } catch (const uerl::Error &error) {
            MUST(error.code < 0 && error.what()[0] != '\0');
            for (const uint32_t lane : error.lanes)
                MUST(lane < kLanes);
        }
    }

    void attach(uint32_t lane)
    {
        uerl_simulator_detach(simulators_[lane]);
        simulators_[lane] = nullptr;
        const uerl_segment &segment = learner_.segment();
        poison_gaps(segment, false); // a table may be said to lie there: it is copied, and refused
        if (uerl_simulator_attach_mapping(&simulators_[lane], segment.base, stage.bytes,
                                          segment.name, static_cast<int32_t>(lane)) == UERL_OK)
            bind_all(simulators_[lane]);
        poison_gaps(segment, true);
    }

    void act()
    {
        const uint8_t what = input_.next();
        const uint32_t lane = what / 16 % kLanes;
        switch (what % 16) {
        case 0:
        case 1:
            step(what / 16 % 4);
            break;
        case 2:
        case 3:
            receive(what / 16 % 2 + 1u);
            break;
        case 4:
            reset(input_.next());
            break;
        case 5:
        case 6:
        case 7:
            answer(lane, what / 64);
            break;
        case 8:
            attach(lane);
            break;
        case 9:
            leave(lane);
            break;
        case 10:
            look(lane);
            break;
        case 11:
            stage.now_ns += static_cast<int64_t>(input_.next()) * 10 * kMs;
            break;
        case 12:
            observe();
            break;
        case 13:
            roll(what / 16);
            break;
        case 14:
            end_lease();
            break;
        default:
            skip();
            break;
        }
    }

    void step(uint32_t chosen)
    {
        std::vector<uint32_t> lanes;
        for (uint32_t lane = 0; lane < kLanes; lane++)
            if (!learner_.pending(lane) && (chosen == 3 || lane == chosen % kLanes))
                lanes.push_back(lane);
        if (lanes.empty())
            return;
        learner_.check_step(lanes);
        for (const uint32_t lane : lanes)
            if (!learner_.reads_actions(lane))
                std::memset(learner_.action_rows(1, lane), 1,
                            learner_.rows_per_lane(0) * learner_.segment().fields[1].row_stride);
        learner_.send_step(lanes, next_target_);
        next_target_ = UINT32_MAX;
    }

    // Waits as the binding does, though not for long.
    void receive(uint32_t need)
    {
        need = std::min(need, learner_.num_pending());
        if (need == 0)
            return;
        const int64_t deadline_ns = uerl_deadline_ns(120 * kMs);
        bool enough = learner_.wait_busy(need, deadline_ns);
        for (int64_t slice_ns = 0; !enough && stage.now_ns < deadline_ns;) {
            slice_ns =
                uerl_wait_next_slice(slice_ns, std::min(deadline_ns, learner_.next_deadline_ns()));
            learner_.sleep_slice(need, slice_ns);
            learner_.check_failures();
            enough = learner_.num_ready() >= need;
        }
        learner_.check_whole(false);
        learner_.check_failed_ready();
        if (enough)
            deliver();
    }

    void deliver()
    {
        const std::vector<uint32_t> lanes = learner_.peek_ready(kLanes);
        MUST(!lanes.empty());
        learner_.take(lanes);
        for (const uint32_t lane : lanes)
            read_rows(lane);
        learner_.count_delivery(lanes.size(), lanes.size() == kLanes, learner_.lane(0).slot);
        for (const uerl::Run &run : learner_.runs_of(lanes)) {
            if (input_.next() % 4 == 0) {
                learner_.put_back();
                return;
            }
            if (leases_.size() >= 3 || !learner_.can_lease(run))
                continue;
            learner_.memory()->slots.hold(run.slot, run.first_lane, run.num_lanes);
            leases_.push_back(run);
        }
        learner_.forget_losses(lanes);
    }

    void read_rows(uint32_t lane)
    {
        const uerl_segment &segment = learner_.segment();
        const uint32_t rows = learner_.rows_per_lane(0);
        for (uint32_t field = 0; field < segment.header.num_fields; field++)
            sink_ += sum(uerl_segment_row(&segment, field, learner_.lane(lane).slot, lane * rows),
                         rows * segment.fields[field].row_stride);
        for (uint32_t env = lane * kEnvsPerLane; env < (lane + 1) * kEnvsPerLane; env++)
            learner_.note_outcome(env, *uerl_segment_row(&segment, 5, learner_.lane(lane).slot,
                                                         env * rows / kEnvsPerLane) != 0);
    }

    void reset(uint8_t asked)
    {
        std::vector<uint8_t> mask(learner_.num_envs(), 1);
        if (asked % 2 == 1)
            for (uint32_t env = 0; env < mask.size(); env++)
                mask[env] = asked >> (env + 1) & 1;
        for (int i = 0; i < 3 && !learner_.resettable(mask); i++) {
            learner_.sleep_slice(learner_.num_ready() + 1, kMs);
            learner_.check_failures();
        }
        if (!learner_.resettable(mask))
            return;
        learner_.send_reset(mask, std::vector<int64_t>(mask.size(), asked),
                            asked & 64 ? "{\"map\": 1}" : "");
    }

    // Hosted environments do this, whose lanes are never masked.
    void skip()
    {
        if (masks_ || learner_.num_pending() > 0)
            return;
        learner_.send_skip({0, 1});
        for (uint32_t lane = 0; lane < kLanes; lane++)
            answer(lane, 0);
        receive(kLanes);
    }

    void answer(uint32_t lane, uint32_t how)
    {
        uerl_simulator *simulator = simulators_[lane];
        uerl_received received;
        if (simulator == nullptr)
            return;
        if (uerl_simulator_receive(simulator, &received, how == 1 ? kMs : 0) == UERL_OK)
            MUST(received.slot < kSlots && received.action_slot < kSlots);
        sink_ += touch_rows(simulator);
        for (uint32_t row = 0; row < 4; row++)
            uerl_simulator_outcome(simulator, 0, row, 1.0, how == 2, 0);
        if (how == 2)
            uerl_simulator_write_message(simulator, UERL_MESSAGE_CUSTOM, "hello", 5);
        if (how == 3 && input_.next() % 4 == 0)
            uerl_simulator_fail(simulator, "out of fuel");
        else
            uerl_simulator_send(simulator);
    }

    void leave(uint32_t lane)
    {
        if (simulators_[lane] != nullptr && input_.next() % 4 == 0)
            uerl_simulator_refuse(simulators_[lane], "no map");
        uerl_simulator_detach(simulators_[lane]);
        simulators_[lane] = nullptr;
    }

    void look(uint32_t lane)
    {
        MUST(learner_.message_of(lane).size() <= 256);
        sink_ += learner_.lane_state(lane);
        learner_.fence(lane);
        learner_.look_for_returns();
        for (; learner_.has_events(); learner_.forget_first_event())
            MUST(learner_.first_event().lane < kLanes);
        learner_.check_failures();
    }

    // From outside, with a mapping of its own.
    void observe()
    {
        uerl::Observer observer(learner_.segment().name);
        const uerl_segment &segment = observer.segment();
        sink_ += observer.header_now().slot + observer.commands_now(0).slot +
                 observer.results_now(kLanes - 1).state + observer.lane_locked(1) +
                 static_cast<uint32_t>(observer.text().size());
        const uint32_t field = input_.next() % segment.header.num_fields;
        const uint32_t rows = segment.groups[segment.fields[field].group].num_rows;
        std::vector<uint8_t> copy(rows * segment.fields[field].row_stride);
        observer.copy_rows(field, input_.next() % segment.header.num_slots, 0, rows, copy.data());
    }

    void roll(uint32_t num_steps)
    {
        if (learner_.num_pending() > 0)
            return;
        const uint32_t first = learner_.begin_rollout(num_steps % 3 + 1);
        if (first == UINT32_MAX)
            return;
        next_target_ = learner_.slot_after_rollout(first, num_steps % 3 + 1);
    }

    void end_lease()
    {
        if (leases_.empty())
            return;
        const uerl::Run run = leases_.back();
        leases_.pop_back();
        learner_.memory()->slots.release(run.slot, run.first_lane, run.num_lanes);
    }

    void check_learner() const
    {
        MUST(learner_.num_pending() <= kLanes);
        for (uint32_t index = 0; index < kLanes; index++) {
            const uerl::Lane &lane = learner_.lane(index);
            MUST(lane.slot < kSlots && lane.target < kSlots && lane.result_slot < kSlots);
            MUST(lane.action_slot < kSlots && lane.overtaken < kSlots && lane.outstanding <= 2);
        }
    }

    // The hand rests, and nobody holds a lane: then nothing may stay outstanding.
    void check_end()
    {
        stage.armed = false;
        std::memcpy(uerl_segment_header(&learner_.segment()), &identity_,
                    offsetof(uerl_header, command_epoch));
        for (uint32_t lane = 0; lane < kLanes; lane++) {
            uerl_simulator_detach(simulators_[lane]);
            simulators_[lane] = nullptr;
        }
        guarded([&] { learner_.check_failures(); });
        if (masks_) {
            MUST(learner_.silent_lanes().empty());
            guarded([&] { learner_.look_for_returns(); });
            guarded([&] {
                if (learner_.num_pending() > 0)
                    deliver();
            });
        }
        check_learner();
        learner_.close();
    }

    uerl::Learner learner_;
    uerl_simulator *simulators_[kLanes] = {};
    std::vector<uerl::Run> leases_;
    uerl_header identity_{};
    const bool masks_;
    Input &input_;
    uint32_t next_target_ = UINT32_MAX;
    volatile uint32_t sink_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin(data, size);
    stage.armed = false;
    Play play(stage.input.next(), stage.input);
    play.run();
    return 0;
}
