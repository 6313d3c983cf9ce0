// test_learner_wait.cpp: a learner and simulators that run for themselves: who sleeps is woken.
#include <atomic>
#include <thread>

#include "puppets.hpp"

namespace {

// A simulator in a thread of its own that answers whatever is asked, until the learner is closed.
class Actor {
  public:
    Actor(const std::string& name, int32_t lane, int64_t work_ns = 0)
        : thread_([=] { act(name, lane, work_ns); }) {}
    ~Actor() { thread_.join(); }
    Actor(const Actor&) = delete;
    Actor& operator=(const Actor&) = delete;

  private:
    void act(const std::string& name, int32_t lane, int64_t work_ns) {
        Puppet puppet(name, lane);
        while (puppet.receive(60000 * kMs)) {
            if (work_ns > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(work_ns));
            puppet.write();
            puppet.send();
        }
    }

    std::thread thread_;
};

// A learner whose simulators are threads.
struct Stage {
    Scene scene;
    std::vector<std::unique_ptr<Actor>> actors;

    explicit Stage(const struct small_spec& spec, int64_t work_ns = 0) : scene(spec) {
        for (auto& puppet : scene.puppets) puppet.reset();
        for (uint32_t lane = 0; lane < scene.learner.num_lanes(); lane++)
            actors.push_back(
                std::make_unique<Actor>(scene.name(), static_cast<int32_t>(lane), work_ns));
        const int64_t deadline_ns = uerl_deadline_ns(60000 * kMs);
        while (scene.learner.look_for_simulators() < scene.learner.num_lanes() &&
               uerl_now_ns() < deadline_ns)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        scene.send_reset(scene.every_env());
        CHECK(scene.wait(scene.learner.num_lanes(), 60000 * kMs));
        scene.deliver(scene.all(), false);
    }
    ~Stage() { scene.learner.close(); }  // then the threads end
};

}  // namespace

TEST(thousands_of_steps_bring_every_row_of_every_lane) {
    Stage stage(small_spec(3, 2, 2, 4));
    Scene& scene = stage.scene;
    uint64_t num_wrong = 0;
    for (uint64_t sequence = 2; sequence < 2000; sequence++) {
        scene.learner.send_step(scene.all());
        CHECK(scene.wait(3, 60000 * kMs));
        scene.deliver(scene.all());
        for (uint32_t lane = 0; lane < 3; lane++) num_wrong += !scene.shows(lane, sequence);
    }
    CHECK_EQUAL(num_wrong, 0);
    CHECK_EQUAL(scene.learner.stats.violations, 0);
}

TEST(whoever_is_ready_is_delivered_and_sent_on_while_others_work) {
    Stage stage(small_spec(4, 1, 1, 8), 20000);
    Scene& scene = stage.scene;
    std::vector<uint64_t> sequences(4, 2);
    uint64_t num_wrong = 0, num_partial = 0;
    scene.learner.send_step(scene.all());
    for (int i = 0; i < 1500; i++) {
        CHECK(scene.wait(1, 60000 * kMs));
        const Lanes lanes = scene.learner.peek_ready(4);
        scene.deliver(lanes);
        num_partial += lanes.size() < 4;
        for (const uint32_t lane : lanes) num_wrong += !scene.shows(lane, sequences[lane]++);
        scene.learner.send_step(lanes);
    }
    CHECK_EQUAL(num_wrong, 0);
    CHECK(num_partial > 0);
    CHECK_EQUAL(scene.learner.stats.violations, 0);
}

TEST(resets_that_overtake_running_simulators_shift_nothing) {
    Stage stage(small_spec(2, 1, 1, 4), 30000);
    Scene& scene = stage.scene;
    uint64_t num_wrong = 0;
    for (int i = 0; i < 500; i++) {
        scene.learner.send_step(scene.all());
        if (i % 2 == 0) scene.learner.num_ready();
        const int64_t deadline_ns = uerl_deadline_ns(60000 * kMs);
        while (!scene.learner.resettable(scene.every_env()) && uerl_now_ns() < deadline_ns)
            scene.learner.sleep_slice(scene.learner.num_ready() + 1, kMs);
        scene.learner.send_reset(scene.every_env(), scene.no_seeds(), "");
        CHECK(scene.wait(2, 60000 * kMs));
        scene.deliver(scene.all(), false);
        for (uint32_t lane = 0; lane < 2; lane++)
            num_wrong += !scene.shows(lane, scene.learner.lane(lane).sequence);
    }
    CHECK_EQUAL(num_wrong, 0);
    CHECK_EQUAL(scene.learner.stats.superseded, 1000);
    CHECK_EQUAL(scene.learner.stats.violations, 0);
}

// Sleeping ----------------------------------------------------------------------------------------

// The time from a command to its result when the simulator has slept long enough for its longest
// slice. Without a wake it would be half such a slice on average.
static int64_t woken_after_ns(Stage& stage) {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    const int64_t start_ns = uerl_now_ns();
    stage.scene.learner.send_step(stage.scene.all());
    CHECK(stage.scene.wait(stage.scene.learner.num_lanes(), 60000 * kMs));
    const int64_t after_ns = uerl_now_ns() - start_ns;
    stage.scene.deliver(stage.scene.all());
    return after_ns;
}

TEST(a_command_wakes_the_simulators_that_sleep) {
    Stage stage(small_spec(2, 1, 1, 4));
    int64_t sum_ns = 0;
    for (int attempt = 0; attempt < 3; attempt++) {  // the machine may be busy
        sum_ns = 0;
        for (int i = 0; i < 6; i++) sum_ns += woken_after_ns(stage);
        if (sum_ns < 120 * kMs) break;
    }
    CHECK(sum_ns < 120 * kMs);  // 6 times 50 ms, were nobody woken
}

// Sleeps once for as long as it is let; was it woken for `need` results?
static bool sleeps_until(Scene& scene, uint32_t need) {
    const int64_t start_ns = uerl_now_ns();
    for (int i = 0; i < 100 && scene.learner.num_ready() < need; i++)  // it may wake for no reason
        scene.learner.sleep_slice(need, 30000 * kMs);
    return scene.learner.num_ready() >= need && uerl_now_ns() - start_ns < 20000 * kMs;
}

TEST(the_last_result_of_a_batch_wakes_the_learner_that_sleeps) {
    Stage stage(small_spec(3, 1, 1, 4), 50 * kMs);
    Scene& scene = stage.scene;
    for (int i = 0; i < 3; i++) {
        scene.learner.send_step(scene.all());
        CHECK(sleeps_until(scene, 3));
        scene.deliver(scene.all());
    }
    scene.learner.send_step(scene.all());
    CHECK(sleeps_until(scene, 1));  // and the first one, where one is enough
}

TEST(a_sleep_does_not_begin_when_enough_is_ready_and_ends_at_its_slice) {
    Scene scene(small_spec(2, 1, 1, 4));
    scene.reset_all();
    scene.learner.send_step(scene.all());
    scene.answer({0});
    const int64_t start_ns = uerl_now_ns();
    scene.learner.sleep_slice(1, 30000 * kMs);
    CHECK(uerl_now_ns() - start_ns < 20000 * kMs);
    scene.learner.sleep_slice(2, 20 * kMs);
    CHECK(uerl_now_ns() - start_ns >= 20 * kMs);
    CHECK(uerl_now_ns() - start_ns < 20000 * kMs);
    CHECK_EQUAL(uerl_segment_header(&scene.learner.segment())->sleeping, 0);
}

TEST(a_wait_with_nothing_to_come_ends_at_its_deadline) {
    Scene scene(small_spec(2, 1, 1, 4));
    scene.reset_all();
    scene.learner.send_step({0});
    const int64_t start_ns = uerl_now_ns();
    CHECK(!scene.wait(1, 30 * kMs));
    CHECK(uerl_now_ns() - start_ns >= 30 * kMs);
    CHECK(!scene.learner.wait_busy(1, uerl_deadline_ns(0)));
    scene.answer({0});
    CHECK(scene.learner.wait_busy(1, uerl_deadline_ns(0)));
}

int main() {
    RUN(thousands_of_steps_bring_every_row_of_every_lane);
    RUN(whoever_is_ready_is_delivered_and_sent_on_while_others_work);
    RUN(resets_that_overtake_running_simulators_shift_nothing);
    RUN(a_command_wakes_the_simulators_that_sleep);
    RUN(the_last_result_of_a_batch_wakes_the_learner_that_sleeps);
    RUN(a_sleep_does_not_begin_when_enough_is_ready_and_ends_at_its_slice);
    RUN(a_wait_with_nothing_to_come_ends_at_its_deadline);
    return check_result();
}
