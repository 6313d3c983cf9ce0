// test_lost.cpp: simulators that die, give up or refuse: what they committed counts, the rest is
// lost.
#include "puppets.hpp"

namespace
{

enum class Point { before_receive, with_half_a_row, before_send, after_send };

// A simulator in a process of its own that kills itself at some point of its second command.
struct Doomed {
    std::string name;
    Point point;
    gate ready;
};

int live_and_die(void *context)
{
    const Doomed *doomed = static_cast<Doomed *>(context);
    Puppet puppet(doomed->name, 1);
    open_gate(&doomed->ready);
    CHECK(puppet.receive(30000 * kMs));
    puppet.write();
    puppet.send();
    if (doomed->point == Point::before_receive)
        raise(SIGKILL);
    CHECK(puppet.receive(30000 * kMs));
    float *first = const_cast<float *>(puppet.row<float>(kObservation, 0));
    if (doomed->point == Point::with_half_a_row)
        first[0] = -1;
    else
        puppet.write();
    if (doomed->point != Point::after_send)
        raise(SIGKILL);
    puppet.send();
    raise(SIGKILL);
    return 0;
}

// A learner with a puppet in lanes 0 and 2, and a doomed simulator in lane 1.
struct Tragedy {
    Scene scene;
    Doomed doomed;
    pid_t child;

    explicit Tragedy(Point point) : scene(small_spec(3, 1, 1, 4)), doomed{scene.name(), point, {}}
    {
        scene.puppets[1].reset();
        doomed.ready = make_gate();
        child = start_child(live_and_die, &doomed);
        wait_at_gate(&doomed.ready);
        CHECK_EQUAL(scene.learner.look_for_simulators(), 3);
        scene.send_reset(scene.every_env());
        scene.answer({0, 2});
        CHECK(scene.wait(3, 30000 * kMs));
        scene.deliver(scene.all(), false);
    }
    void step_until_death()
    {
        scene.learner.send_step(scene.all());
        scene.answer({0, 2});
        CHECK_EQUAL(end_of_child(child), 128 + SIGKILL);
    }
    ~Tragedy()
    {
        close_gate(&doomed.ready);
    }
};

} // namespace

TEST(a_simulator_that_dies_before_it_commits_is_lost_and_named_and_its_rows_never_appear)
{
    for (const Point point : {Point::before_receive, Point::with_half_a_row, Point::before_send}) {
        Tragedy tragedy(point);
        Scene &scene = tragedy.scene;
        tragedy.step_until_death();
        for (uint64_t i = 1; i <= 2; i++) { // as often as one asks
            try {
                scene.wait(3, 30000 * kMs);
                CHECK(!"expected an error");
            } catch (const uerl::Error &error) {
                CHECK_EQUAL(error.code, UERL_E_CLOSED);
                CHECK(error.lanes == Lanes{1});
                CHECK_SAYS(error.what(), "simulator of lane 1 is gone");
            }
            CHECK(scene.learner.pending(1));
        }
        CHECK_EQUAL(scene.learner.num_ready(), 2);
        scene.deliver({0, 2});
        CHECK(scene.shows(0, 2) && scene.shows(1, 1) && scene.shows(2, 2));
        scene.step({0, 2});
        CHECK(scene.shows(0, 3) && scene.shows(1, 1) && scene.shows(2, 3));
        CHECK_EQUAL(scene.learner.stats.violations, 0);
    }
}

TEST(what_a_simulator_committed_before_it_died_is_delivered)
{
    Tragedy tragedy(Point::after_send);
    Scene &scene = tragedy.scene;
    tragedy.step_until_death();
    scene.learner.check_failures();
    CHECK_EQUAL(scene.learner.num_ready(), 3);
    scene.deliver(scene.all());
    CHECK(scene.shows(0, 2) && scene.shows(1, 2) && scene.shows(2, 2));
    CHECK_EQUAL(scene.learner.stats.lost, 0);
    scene.learner.send_step({1});
    CHECK_THROWS(UERL_E_CLOSED, "lane 1 is gone", scene.wait(1, 30000 * kMs));
}

TEST(the_death_of_several_is_one_error_with_all_their_lanes)
{
    Scene scene(small_spec(4, 1, 1, 3));
    scene.reset_all();
    scene.learner.send_step(scene.all());
    scene.answer({0, 2});
    scene.puppets[1].reset();
    scene.puppets[3].reset();
    try {
        scene.wait(4, 30000 * kMs);
        CHECK(!"expected an error");
    } catch (const uerl::Error &error) {
        CHECK(error.lanes == (Lanes{1, 3}));
        CHECK_SAYS(error.what(), "simulator of lane 1, 3 is gone");
    }
    CHECK_EQUAL(scene.learner.num_ready(), 2);
}

TEST(an_idle_simulator_that_dies_is_missed_at_the_next_step)
{
    Scene scene(small_spec(2, 1, 1, 3));
    scene.reset_all();
    scene.puppets[0].reset();
    scene.learner.check_failures();
    scene.learner.send_step(scene.all());
    scene.answer({1});
    CHECK_THROWS(UERL_E_CLOSED, "lane 0 is gone", scene.wait(2, 30000 * kMs));
}

TEST(a_successor_does_not_answer_for_its_predecessor)
{
    Scene scene(small_spec(2, 1, 1, 3));
    scene.reset_all();
    scene.learner.send_step(scene.all());
    scene.answer({1});
    scene.puppets[0].reset();
    scene.attach(0); // the lane's lock is held again
    CHECK(scene.learner.lane_locked(0));
    CHECK(!scene.puppets[0]->receive());
    CHECK_THROWS(UERL_E_CLOSED, "lane 0 is gone", scene.wait(2, 30000 * kMs));
}

TEST(what_a_predecessor_committed_counts_although_it_has_a_successor)
{
    Scene scene(small_spec(1, 1, 1, 3));
    scene.reset_all();
    scene.learner.send_step({0});
    scene.answer({0});
    scene.puppets[0].reset();
    scene.attach(0);
    scene.learner.check_failures();
    CHECK_EQUAL(scene.learner.num_ready(), 1);
    scene.deliver({0});
    CHECK(scene.shows(0, 2));
    CHECK_EQUAL(scene.learner.stats.lost, 0);
}

// Giving up ---------------------------------------------------------------------------------------

TEST(a_simulator_that_gives_up_is_named_with_its_reason)
{
    Scene scene(small_spec(2, 1, 1, 3));
    scene.reset_all();
    scene.learner.send_step(scene.all());
    scene.answer({0});
    CHECK(scene.puppets[1]->receive());
    CHECK_EQUAL(uerl_simulator_fail(scene.puppets[1]->handle(), "the map is gone"), UERL_OK);
    CHECK_EQUAL(scene.learner.num_ready(), 2);
    CHECK_THROWS(UERL_E_CLOSED, "simulator of lane 1 (env 1) failed: the map is gone",
                 scene.learner.check_failed_ready());
    CHECK_THROWS(UERL_E_CLOSED, "the map is gone", scene.learner.check_failures());
    CHECK(scene.learner.pending(1));
}

TEST(a_refusal_can_be_read_after_the_simulator_has_left)
{
    uerl::Learner learner(config_of(small_spec(1, 1, 1, 3)));
    uerl_simulator *simulator = nullptr;
    CHECK_EQUAL(uerl_simulator_attach(&simulator, learner.segment().name, 0, 0), UERL_OK);
    CHECK_EQUAL(uerl_simulator_refuse(simulator, "array observation/x is missing"), UERL_OK);
    uerl_simulator_detach(simulator);
    CHECK_EQUAL(learner.look_for_simulators(), 0);
    CHECK_EQUAL(learner.lane_state(0), UERL_LANE_REFUSED);
    CHECK(learner.message_of(0) == "array observation/x is missing");
}

// The learner's end -------------------------------------------------------------------------------

TEST(a_closed_learner_tells_its_simulators_and_gives_up_its_name)
{
    Scene scene(small_spec(2, 1, 1, 3));
    scene.reset_all();
    scene.learner.send_step({0});
    const std::string name = scene.name();
    CHECK(name_exists(name.c_str()));
    scene.learner.close();
    CHECK(scene.learner.closed());
    CHECK(!name_exists(name.c_str()));
    CHECK(scene.puppets[0]->answer()); // what came before the end
    for (auto &puppet : scene.puppets) {
        uerl_received received;
        CHECK_EQUAL(uerl_simulator_receive(puppet->handle(), &received, 30000 * kMs),
                    UERL_E_CLOSED);
    }
    scene.learner.close(); // once more does nothing
}

TEST(leased_memory_outlives_its_learner)
{
    std::shared_ptr<uerl::Memory> memory;
    uint32_t slot;
    {
        Scene scene(small_spec(1, 1, 1, 3));
        scene.reset_all();
        memory = scene.learner.memory();
        slot = scene.learner.lane(0).slot;
        memory->slots.hold(slot, 0, 1);
    }
    const auto *values =
        reinterpret_cast<float *>(uerl_segment_row(&memory->segment, kObservation, slot, 0));
    CHECK(values[1] == pattern(1, 0, 1));
    memory->slots.release(slot, 0, 1);
}

TEST(a_name_is_free_again_when_its_learner_is_closed)
{
    uerl::Config config = config_of(small_spec(1, 1, 1, 3));
    uerl::Learner first(config);
    const std::shared_ptr<uerl::Memory> kept = first.memory();
    first.close();
    uerl::Learner second(config);
    CHECK(name_exists(config.name.c_str()));
    first.close();
    CHECK(name_exists(config.name.c_str()));
}

int main()
{
    RUN(a_simulator_that_dies_before_it_commits_is_lost_and_named_and_its_rows_never_appear);
    RUN(what_a_simulator_committed_before_it_died_is_delivered);
    RUN(the_death_of_several_is_one_error_with_all_their_lanes);
    RUN(an_idle_simulator_that_dies_is_missed_at_the_next_step);
    RUN(a_successor_does_not_answer_for_its_predecessor);
    RUN(what_a_predecessor_committed_counts_although_it_has_a_successor);
    RUN(a_simulator_that_gives_up_is_named_with_its_reason);
    RUN(a_refusal_can_be_read_after_the_simulator_has_left);
    RUN(a_closed_learner_tells_its_simulators_and_gives_up_its_name);
    RUN(leased_memory_outlives_its_learner);
    RUN(a_name_is_free_again_when_its_learner_is_closed);
    return check_result();
}
