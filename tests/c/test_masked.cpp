// test_masked.cpp: the rows that the learner makes for a lane whose simulator is lost.
#include "puppets.hpp"

namespace {

// A learner that masks, of one lane with two envs that are reset one by one, and its simulator.
struct Masked {
    uerl::Learner learner;
    std::unique_ptr<Puppet> puppet;

    Masked() : learner(config()) {
        puppet = std::make_unique<Puppet>(learner.segment().name, 0);
        CHECK_EQUAL(learner.look_for_simulators(), 1);
        reset({1, 1});
        CHECK(puppet->answer());
        take();
    }

    static uerl::Config config() {
        uerl::Config config = config_of(small_spec(1, 2, 1, 3));
        config.header.autoreset_mode = UERL_AUTORESET_DISABLED;
        config.masks = true;
        return config;
    }
    void reset(const std::vector<uint8_t>& mask) { learner.send_reset(mask, {-1, -1}, ""); }
    void take() {
        CHECK_EQUAL(learner.num_ready(), 1);
        learner.take({0});
    }
    const float* observation(uint32_t env) const {
        return reinterpret_cast<const float*>(
            uerl_segment_row(&learner.segment(), kObservation, learner.lane(0).slot, env));
    }
};

}  // namespace

TEST(what_a_lost_simulator_had_begun_to_overwrite_is_never_shown) {
    Masked masked;
    masked.reset({0, 1});  // in place: nobody looks at the last rows
    CHECK_EQUAL(masked.learner.lane(0).target, masked.learner.lane(0).slot);
    CHECK(masked.puppet->receive());
    static_cast<float*>(uerl_simulator_row(masked.puppet->handle(), kObservation, 1))[0] = 7;
    masked.puppet.reset();
    masked.learner.check_failures();
    masked.take();
    CHECK(masked.learner.filled(0) && masked.learner.filled(1));
    CHECK_EQUAL(masked.observation(0)[0], pattern(1, 0, 0));  // left alone: its last valid one
    CHECK_EQUAL(masked.observation(1)[0], 0);
    CHECK_EQUAL(masked.observation(1)[2], 0);
}

TEST(a_lost_simulators_rows_are_its_last_ones_where_it_wrote_elsewhere) {
    Masked masked;
    masked.learner.send_step({0});
    CHECK(masked.puppet->receive());
    masked.puppet->write();
    masked.puppet.reset();
    masked.learner.check_failures();
    masked.take();
    for (uint32_t env = 0; env < 2; env++)
        CHECK_EQUAL(masked.observation(env)[2], pattern(1, env, 2));
}

int main() {
    RUN(what_a_lost_simulator_had_begun_to_overwrite_is_never_shown);
    RUN(a_lost_simulators_rows_are_its_last_ones_where_it_wrote_elsewhere);
    return check_result();
}
