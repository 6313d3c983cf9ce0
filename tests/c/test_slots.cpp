// test_slots.cpp: memory that somebody looks at is not written again, and every lane keeps a slot.
#include <algorithm>

#include "puppets.hpp"

using uerl::SlotTable;

// The table ---------------------------------------------------------------------------------------

TEST(a_slot_is_held_while_any_lease_of_it_lives)
{
    SlotTable slots(3, 4);
    CHECK(!slots.held(1) && !slots.held(1, 2));
    slots.hold(1, 0, 4);
    slots.hold(1, 0, 4);
    CHECK(slots.held(1) && slots.held(1, 0) && slots.held(1, 3));
    CHECK(!slots.held(0) && !slots.held(2, 0));
    slots.release(1, 0, 4);
    CHECK(slots.held(1) && slots.held(1, 2));
    slots.release(1, 0, 4);
    CHECK(!slots.held(1) && !slots.held(1, 2));
}

TEST(a_partial_lease_holds_its_own_lanes_only)
{
    SlotTable slots(2, 4);
    slots.hold(0, 1, 2);
    CHECK(slots.held(0));
    CHECK(!slots.held(0, 0) && slots.held(0, 1) && slots.held(0, 2) && !slots.held(0, 3));
    slots.hold(0, 2, 1);
    slots.release(0, 1, 2);
    CHECK(slots.held(0) && !slots.held(0, 1) && slots.held(0, 2));
    slots.hold(0, 0, 4);
    slots.release(0, 2, 1);
    CHECK(slots.held(0, 2) && slots.held(0));
    slots.release(0, 0, 4);
    CHECK(!slots.held(0));
}

TEST(held_slots_are_counted_once_however_often_they_are_held)
{
    SlotTable slots(5, 2);
    slots.hold(0, 0, 2);
    slots.hold(0, 0, 2);
    slots.hold(3, 1, 1);
    CHECK_EQUAL(slots.num_held(), 2);
    slots.release(0, 0, 2);
    CHECK_EQUAL(slots.num_held(), 2);
    slots.release(0, 0, 2);
    slots.release(3, 1, 1);
    CHECK_EQUAL(slots.num_held(), 0);
}

TEST(the_slot_freed_last_counts_as_the_most_recent_and_slot_0_before_anything_was_freed)
{
    SlotTable slots(4, 2);
    for (uint32_t slot = 1; slot < 4; slot++)
        CHECK(slots.released_at(slot) < slots.released_at(slot - 1));
    for (const uint32_t slot : {2u, 0u, 3u}) {
        slots.hold(slot, 0, 2);
        slots.release(slot, 0, 2);
        for (uint32_t other = 0; other < 4; other++)
            CHECK(other == slot || slots.released_at(other) < slots.released_at(slot));
    }
}

// Leases ------------------------------------------------------------------------------------------

TEST(the_most_recently_freed_slot_is_written_next)
{
    Scene scene(small_spec(2, 1, 1, 6));
    SlotTable &slots = scene.learner.memory()->slots;
    scene.reset_all();
    for (const uint32_t slot : {5u, 2u, 4u}) {
        slots.hold(slot, 0, 2);
        slots.release(slot, 0, 2);
        scene.step(scene.all());
        CHECK_EQUAL(scene.learner.common_slot(), slot);
    }
    slots.hold(3, 0, 2);
    slots.release(3, 0, 2);
    slots.hold(3, 1, 1); // held again by one lane: not free for both
    scene.step(scene.all());
    CHECK_EQUAL(scene.learner.common_slot(), 2);
    scene.learner.send_step({0}); // free for this one
    scene.answer({0});
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver({0});
    CHECK_EQUAL(scene.learner.lane(0).slot, 3);
    slots.release(3, 1, 1);
}

TEST(a_batch_may_be_leased_only_while_every_lane_keeps_a_slot_to_write_to)
{
    Scene scene(small_spec(3, 1, 1, 3));
    SlotTable &slots = scene.learner.memory()->slots;
    scene.reset_all();
    const uint32_t here = scene.learner.common_slot();
    const uint32_t other = (here + 1) % 3, third = (here + 2) % 3;
    const uerl::Run whole{here, 0, 3}, part{here, 1, 1};
    CHECK(scene.learner.can_lease(whole));
    slots.hold(other, 0, 3);
    CHECK(scene.learner.can_lease(whole)); // the third is free
    slots.hold(third, 1, 1);
    CHECK(!scene.learner.can_lease(whole) && !scene.learner.can_lease(part));
    CHECK(scene.learner.can_lease({here, 0, 1}) && scene.learner.can_lease({here, 2, 1}));
    CHECK(!scene.learner.can_lease({here, 0, 2}));
    slots.release(other, 0, 3);
    slots.hold(other, 0, 1); // every slot is held in part, and every lane still finds one
    CHECK(scene.learner.can_lease(whole));
    slots.hold(other, 1, 1);
    CHECK(!scene.learner.can_lease(whole) && scene.learner.can_lease({here, 0, 1}));
}

TEST(a_lane_without_a_free_slot_writes_over_rows_that_nobody_holds_or_is_refused)
{
    Scene scene(small_spec(1, 1, 1, 2));
    SlotTable &slots = scene.learner.memory()->slots;
    scene.reset_all();
    const uint32_t here = scene.learner.lane(0).slot;
    slots.hold(1 - here, 0, 1);
    CHECK(!scene.learner.can_lease({here, 0, 1}));
    scene.step({0}); // delivered as a copy, so nobody looks at `here`
    CHECK_EQUAL(scene.learner.lane(0).slot, here);
    CHECK(scene.shows(0, 2));
    slots.hold(here, 0, 1); // against the rule
    CHECK_THROWS(UERL_E_FULL, "lane 0 has no free slot among 2, expected one: raise slots=",
                 scene.learner.send_step({0}));
    slots.release(here, 0, 1);
    slots.release(1 - here, 0, 1);
}

// Anything in any order ---------------------------------------------------------------------------

// A lease of rows with a copy of what they said when it was taken.
struct Lease {
    uerl::Run run;
    std::vector<float> copy;
};

struct Fuzz {
    static constexpr uint32_t num_envs = 2; // of a lane
    Scene scene;
    uint64_t random;
    std::vector<Lease> leases;
    std::vector<uint64_t> last;     // command whose rows of each env were delivered last
    std::vector<uint64_t> expected; // command whose rows of each env are delivered next
    std::vector<bool> in_place;     // may a command to this lane write over the last rows?
    uint64_t num_delivered = 0, num_leased = 0, num_refused = 0;

    Fuzz(const struct small_spec &spec, uint64_t seed) : scene(spec), random(seed)
    {
        scene.reset_all();
        last.assign(scene.learner.num_envs(), 1);
        expected = last;
        in_place.assign(scene.learner.num_lanes(), false);
    }
    uint64_t below(uint64_t limit)
    {
        return next_random(&random) % limit;
    }
    Lanes some(const Lanes &lanes)
    {
        Lanes chosen;
        for (const uint32_t lane : lanes)
            if (below(2) == 0)
                chosen.push_back(lane);
        return chosen;
    }
    std::vector<float> rows_of(const uerl::Run &run) const
    {
        const uint32_t count = scene.learner.rows_per_lane(0);
        const float *first = scene.cell<float>(kObservation, run.slot, run.first_lane * count);
        return std::vector<float>(first, first + size_t{3} * count * run.num_lanes);
    }

    void step_some()
    {
        Lanes idle;
        for (const uint32_t lane : scene.all())
            if (!scene.learner.pending(lane))
                idle.push_back(lane);
        const Lanes lanes = some(idle);
        if (lanes.empty())
            return;
        scene.learner.send_step(lanes);
        note_sent(lanes, scene.every_env());
    }
    // Any envs of idle lanes, and all of pending ones.
    void reset_some()
    {
        Lanes asked;
        std::vector<uint8_t> mask = scene.every_env();
        for (const uint32_t lane : scene.all()) {
            bool any = false;
            for (uint32_t env = lane * num_envs; env < (lane + 1) * num_envs; env++) {
                mask[env] = scene.learner.pending(lane) || below(2) == 0;
                any = any || mask[env];
            }
            if (any)
                asked.push_back(lane);
        }
        if (asked.empty() || !scene.learner.resettable(mask))
            return;
        scene.learner.send_reset(mask, scene.no_seeds(), "");
        note_sent(asked, mask);
    }
    void deliver_some()
    {
        const uint32_t ready = scene.learner.num_ready();
        if (ready == 0)
            return;
        const Lanes lanes = scene.learner.peek_ready(1 + static_cast<uint32_t>(below(ready)));
        scene.deliver(lanes);
        num_delivered += lanes.size();
        for (const uint32_t lane : lanes) {
            for (uint32_t env = lane * num_envs; env < (lane + 1) * num_envs; env++)
                last[env] = expected[env];
            in_place[lane] = false;
        }
        for (const uerl::Run &run : scene.learner.runs_of(lanes))
            lease(run);
    }
    void lease(const uerl::Run &run)
    {
        if (!scene.learner.can_lease(run)) {
            num_refused++;
            return;
        }
        num_leased++;
        scene.learner.memory()->slots.hold(run.slot, run.first_lane, run.num_lanes);
        leases.push_back({run, rows_of(run)});
    }
    void release_some()
    {
        for (size_t i = leases.size(); i-- > 0;) {
            if (below(3) != 0)
                continue;
            const uerl::Run run = leases[i].run;
            scene.learner.memory()->slots.release(run.slot, run.first_lane, run.num_lanes);
            leases.erase(leases.begin() + static_cast<ptrdiff_t>(i));
        }
    }
    // Rows that nobody holds may be written in place: until the next delivery, they say nothing.
    void note_sent(const Lanes &lanes, const std::vector<uint8_t> &mask)
    {
        for (const uint32_t lane : lanes) {
            for (uint32_t env = lane * num_envs; env < (lane + 1) * num_envs; env++)
                if (mask[env])
                    expected[env] = scene.learner.lane(lane).sequence;
            if (scene.learner.lane(lane).target == scene.learner.lane(lane).slot)
                in_place[lane] = true;
        }
    }
    bool leases_hold() const
    {
        return std::all_of(leases.begin(), leases.end(),
                           [this](const Lease &lease) { return rows_of(lease.run) == lease.copy; });
    }
    bool delivered_rows_hold() const
    {
        for (uint32_t env = 0; env < last.size(); env++) { // one row each
            const uint32_t lane = env / num_envs;
            if (!in_place[lane] && !scene.row_shows(scene.learner.lane(lane).slot, env, last[env]))
                return false;
        }
        return true;
    }
    void act()
    {
        switch (below(8)) {
        case 0:
            step_some();
            break;
        case 1:
            reset_some();
            break;
        case 2:
            deliver_some();
            break;
        case 3:
            release_some();
            break;
        default:
            scene.puppets[below(scene.puppets.size())]->answer();
        }
    }
};

TEST(in_any_order_leased_rows_never_change_and_delivered_rows_are_the_last)
{
    uint64_t num_leased = 0, num_refused = 0, superseded = 0, violations = 0;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        Fuzz fuzz(small_spec(3, Fuzz::num_envs, 1, 2 + static_cast<uint32_t>(seed % 4)), seed);
        for (int i = 0; i < 4000; i++) {
            fuzz.act();
            const bool leases_hold = fuzz.leases_hold(), rows_hold = fuzz.delivered_rows_hold();
            CHECK(leases_hold);
            CHECK(rows_hold);
            if (leases_hold && rows_hold)
                continue;
            fprintf(stderr, "seed %d, act %d\n", static_cast<int>(seed), i);
            break;
        }
        CHECK(fuzz.num_delivered > 200);
        num_leased += fuzz.num_leased;
        num_refused += fuzz.num_refused;
        superseded += fuzz.scene.learner.stats.superseded;
        violations += fuzz.scene.learner.stats.violations;
    }
    CHECK(num_leased > 1000 && num_refused > 100 && superseded > 100);
    CHECK_EQUAL(violations, 0);
}

int main()
{
    RUN(a_slot_is_held_while_any_lease_of_it_lives);
    RUN(a_partial_lease_holds_its_own_lanes_only);
    RUN(held_slots_are_counted_once_however_often_they_are_held);
    RUN(the_slot_freed_last_counts_as_the_most_recent_and_slot_0_before_anything_was_freed);
    RUN(the_most_recently_freed_slot_is_written_next);
    RUN(a_batch_may_be_leased_only_while_every_lane_keeps_a_slot_to_write_to);
    RUN(a_lane_without_a_free_slot_writes_over_rows_that_nobody_holds_or_is_refused);
    RUN(in_any_order_leased_rows_never_change_and_delivered_rows_are_the_last);
    return check_result();
}
