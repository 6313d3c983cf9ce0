// test_fork.cpp: a forked child has nothing of its parent's segments, and ends without harm to
// them.
#include <fcntl.h>
#include <sys/mman.h>

#include <functional>

#include "puppets.hpp"

namespace
{

// Runs `act` in a forked child; its failed checks make this one fail.
void in_child(const std::function<void()> &act)
{
    const auto call = [](void *context) {
        (*static_cast<const std::function<void()> *>(context))();
        return 0;
    };
    CHECK_EQUAL(end_of_child(start_child(call, const_cast<std::function<void()> *>(&act))), 0);
}

} // namespace

TEST(a_forked_child_has_neither_the_mapping_nor_the_lock)
{
    Scene scene(small_spec(1, 1, 1, 3));
    in_child([&] {
        unsigned char resident;
        CHECK(mincore(scene.learner.segment().base, UERL_PAGE_BYTES, &resident) != 0);
        CHECK(fcntl(scene.learner.segment().lock_fd, F_GETFD) == -1);
    });
    CHECK(scene.learner.lane_locked(0));
}

TEST(a_learner_that_ends_in_a_forked_child_goes_on_in_its_parent)
{
    auto scene = std::make_unique<Scene>(small_spec(1, 1, 1, 3));
    scene->reset_all();
    in_child([&] { scene.reset(); });
    CHECK(name_exists(scene->name().c_str()));
    CHECK(scene->learner.lane_locked(0));
    CHECK_EQUAL(uerl_segment_results(&scene->learner.segment(), 0)->state, UERL_LANE_READY);
    CHECK_EQUAL(uerl_segment_header(&scene->learner.segment())->closed, 0);
    scene->step({0});
    CHECK(scene->shows(0, 2));
    uerl_segment other;
    CHECK_EQUAL(uerl_segment_open(&other, scene->name().c_str(), false), UERL_OK);
    CHECK_EQUAL(uerl_lock_probe(other.lock_fd, UERL_LOCK_OWNER), UERL_LOCK_HELD);
    uerl_segment_close(&other);
}

TEST(a_simulator_that_ends_in_a_forked_child_goes_on_in_its_parent)
{
    Scene scene(small_spec(1, 1, 1, 3));
    scene.reset_all();
    in_child([&] { scene.puppets[0].reset(); });
    CHECK(scene.learner.lane_locked(0));
    CHECK_EQUAL(scene.learner.lane_state(0), UERL_LANE_READY);
    scene.step({0});
    CHECK(scene.shows(0, 2));
}

// The numbers of the parent's lock fds are free in the child, and so are its addresses.
TEST(what_a_forked_child_makes_of_its_own_survives_the_end_of_what_it_inherited)
{
    auto scene = std::make_unique<Scene>(small_spec(1, 1, 1, 3));
    in_child([&] {
        auto own = std::make_unique<Scene>(small_spec(1, 1, 1, 3));
        own->reset_all();
        scene.reset();
        CHECK(own->learner.lane_locked(0));
        uerl_segment other;
        CHECK_EQUAL(uerl_segment_open(&other, own->name().c_str(), false), UERL_OK);
        CHECK_EQUAL(uerl_lock_probe(other.lock_fd, UERL_LOCK_OWNER), UERL_LOCK_HELD);
        uerl_segment_close(&other);
        own->step({0});
        CHECK(own->shows(0, 2));
        own.reset();
    });
    CHECK(scene->learner.lane_locked(0));
}

TEST(an_observer_of_a_forked_child_ends_without_harm_to_its_parents)
{
    Scene scene(small_spec(1, 1, 1, 3));
    scene.reset_all();
    uerl_segment observer;
    CHECK_EQUAL(uerl_segment_open(&observer, scene.name().c_str(), true), UERL_OK);
    in_child([&] {
        void *elsewhere = mmap(observer.base, observer.bytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        uerl_segment_close(&observer);
        static_cast<char *>(elsewhere)[0] = 1; // the child's own memory by now
    });
    CHECK_EQUAL(uerl_lock_probe(observer.file_fd, UERL_LOCK_OWNER), UERL_LOCK_HELD);
    uerl_segment_close(&observer);
}

int main()
{
    RUN(a_forked_child_has_neither_the_mapping_nor_the_lock);
    RUN(a_learner_that_ends_in_a_forked_child_goes_on_in_its_parent);
    RUN(a_simulator_that_ends_in_a_forked_child_goes_on_in_its_parent);
    RUN(what_a_forked_child_makes_of_its_own_survives_the_end_of_what_it_inherited);
    RUN(an_observer_of_a_forked_child_ends_without_harm_to_its_parents);
    return check_result();
}
