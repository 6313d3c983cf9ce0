/* test_attach.c: a simulator's way in: name, lane, arrays, ready; and every way to be refused. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "lanes.h"

static void nap(int64_t nap_ns)
{
    const struct timespec time = {.tv_nsec = nap_ns};
    nanosleep(&time, NULL);
}

TEST(a_missing_segment_is_not_found_after_the_timeout)
{
    uerl_simulator *simulator = (uerl_simulator *)1;
    CHECK_EQUAL(uerl_simulator_attach(&simulator, "uerl-test-nobody", 0, 0), UERL_E_NOT_FOUND);
    CHECK(simulator == NULL);
    CHECK_SAYS(uerl_last_error(), "uerl-test-nobody not found, expected a learner that made it");
    const int64_t start_ns = uerl_now_ns();
    CHECK_EQUAL(uerl_simulator_attach(&simulator, "uerl-test-nobody", 0, 30 * MS),
                UERL_E_NOT_FOUND);
    CHECK(uerl_now_ns() - start_ns >= 30 * MS);
}

static void *create_after_a_while(void *context)
{
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct hand_learner *learner = context;
    nap(30 * MS);
    CHECK_EQUAL(make_segment(&learner->segment, learner->name, &spec), UERL_OK);
    return NULL;
}

TEST(attach_waits_for_a_learner_that_comes_later)
{
    struct hand_learner learner = {0};
    uerl_simulator *simulator;
    pthread_t thread;
    new_name(learner.name);
    CHECK(pthread_create(&thread, NULL, create_after_a_while, &learner) == 0);
    CHECK_EQUAL(uerl_simulator_attach(&simulator, learner.name, 0, 60000 * MS), UERL_OK);
    pthread_join(thread, NULL);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(names_that_no_learner_can_have_are_refused_at_once)
{
    const char *const bad[] = {"..", "a/b", "/", "-a", ".uerl-1"};
    uerl_simulator *simulator;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_EQUAL(uerl_simulator_attach(&simulator, bad[i], 0, 60000 * MS), UERL_E_INVALID);
}

TEST(a_segment_without_a_living_owner_is_not_found)
{
    struct hand_learner learner;
    uerl_simulator *simulator;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_segment_unlock(&learner.segment);
    CHECK_EQUAL(uerl_simulator_attach(&simulator, learner.name, 0, 0), UERL_E_NOT_FOUND);
    CHECK_SAYS(uerl_last_error(), "has no living learner: start the learner");
    CHECK_EQUAL(results_of(&learner)->state, UERL_LANE_EMPTY);
    end_learner(&learner);
}

TEST(name_and_lane_come_from_the_environment_when_they_are_not_given)
{
    struct hand_learner learner;
    uerl_simulator *simulator;
    begin_learner(&learner, small_spec(3, 1, 1, 2));
    unsetenv(UERL_ENV_NAME);
    CHECK_EQUAL(uerl_simulator_attach(&simulator, NULL, -1, 0), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "no segment name, expected an argument or UERL_SHM_NAME");
    setenv(UERL_ENV_NAME, learner.name, 1);
    setenv(UERL_ENV_LANE, "2", 1);
    CHECK_EQUAL(uerl_simulator_attach(&simulator, NULL, -1, 0), UERL_OK);
    CHECK_EQUAL(uerl_simulator_lane(simulator), 2);
    uerl_simulator_detach(simulator);
    CHECK_EQUAL(uerl_simulator_attach(&simulator, NULL, 1, 0), UERL_OK); /* the argument wins */
    CHECK_EQUAL(uerl_simulator_lane(simulator), 1);
    uerl_simulator_detach(simulator);
    const char *const bad[] = {"x", "1x", "-1", "65536", "99999999999999999999", "3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv(UERL_ENV_LANE, bad[i], 1);
        CHECK_EQUAL(uerl_simulator_attach(&simulator, NULL, -1, 0), UERL_E_INVALID);
        CHECK_SAYS(uerl_last_error(), bad[i]);
    }
    unsetenv(UERL_ENV_NAME);
    unsetenv(UERL_ENV_LANE);
    end_learner(&learner);
}

TEST(without_a_lane_the_first_free_one_is_taken)
{
    struct hand_learner learner;
    uerl_simulator *first, *second, *third;
    begin_learner(&learner, small_spec(2, 3, 1, 2));
    CHECK_EQUAL(uerl_simulator_attach(&first, learner.name, -1, 0), UERL_OK);
    CHECK_EQUAL(uerl_simulator_attach(&second, learner.name, -1, 0), UERL_OK);
    CHECK_EQUAL(uerl_simulator_lane(first), 0);
    CHECK_EQUAL(uerl_simulator_lane(second), 1);
    CHECK_EQUAL(uerl_simulator_first_env(second), 3);
    CHECK_EQUAL(uerl_simulator_num_envs(second), 3);
    CHECK_EQUAL(uerl_simulator_attach(&third, learner.name, -1, 0), UERL_E_EXISTS);
    CHECK_SAYS(uerl_last_error(), "all 2 lanes");
    uerl_simulator_detach(first);
    CHECK_EQUAL(uerl_simulator_attach(&third, learner.name, -1, 0), UERL_OK);
    CHECK_EQUAL(uerl_simulator_lane(third), 0);
    uerl_simulator_detach(second);
    uerl_simulator_detach(third);
    end_learner(&learner);
}

TEST(a_taken_lane_is_refused_by_name_and_its_holder_is_not_disturbed)
{
    struct hand_learner learner;
    uerl_simulator *other;
    begin_learner(&learner, small_spec(2, 1, 1, 2));
    uerl_simulator *simulator = attach_ready(&learner);
    CHECK_EQUAL(uerl_simulator_attach(&other, learner.name, 0, 0), UERL_E_EXISTS);
    CHECK_SAYS(uerl_last_error(), "lane 0 of segment");
    CHECK_SAYS(uerl_last_error(), "is taken by another simulator");
    CHECK_EQUAL(results_of(&learner)->state, UERL_LANE_READY);
    CHECK_EQUAL(results_of(&learner)->generation, 1);
    CHECK_EQUAL(uerl_simulator_attach(&other, learner.name, 2, 0), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "lane is 2, segment");
    CHECK_SAYS(uerl_last_error(), "has lanes 0 to 1");
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

static void *detach_after_a_while(void *simulator)
{
    nap(30 * MS);
    uerl_simulator_detach(simulator);
    return NULL;
}

TEST(attach_waits_for_a_predecessor_that_is_about_to_go)
{
    struct hand_learner learner;
    uerl_simulator *successor;
    pthread_t thread;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach(&learner, 0);
    CHECK(pthread_create(&thread, NULL, detach_after_a_while, simulator) == 0);
    CHECK_EQUAL(uerl_simulator_attach(&successor, learner.name, 0, 9000 * MS), UERL_OK);
    pthread_join(thread, NULL);
    uerl_simulator_detach(successor);
    end_learner(&learner);
}

/* Arrays -------------------------------------------------------------------------------------- */

TEST(arrays_are_described_as_the_lane_sees_them)
{
    struct hand_learner learner;
    struct uerl_array array;
    begin_learner(&learner, small_spec(2, 3, 2, 2));
    uerl_simulator *simulator = attach(&learner, 1);
    CHECK_EQUAL(uerl_simulator_num_arrays(simulator), 7);
    CHECK_EQUAL(uerl_simulator_array(simulator, 0, &array), UERL_OK);
    CHECK(strcmp(array.name, "observation/state") == 0 && strcmp(array.group, "agent") == 0);
    CHECK_EQUAL(array.role, UERL_ROLE_OBSERVATION);
    CHECK_EQUAL(array.dtype, UERL_DTYPE_FLOAT32);
    CHECK_EQUAL(array.num_dims, 1);
    CHECK_EQUAL(array.shape[0], 3);
    CHECK_EQUAL(array.num_rows, 6);
    CHECK_EQUAL(array.row_bytes, 12);
    CHECK_EQUAL(uerl_simulator_array(simulator, 7, &array), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "array is 7, expected below 7");
    CHECK(strcmp(uerl_simulator_text(simulator), small_text) == 0);
    CHECK_EQUAL(uerl_simulator_autoreset_mode(simulator), UERL_AUTORESET_NEXT_STEP);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(an_array_of_another_shape_dtype_or_role_is_refused_with_both_sides_named)
{
    const struct {
        uint32_t role, dtype, num_dims;
        uint64_t shape[2];
        const char *says;
    } bad[] = {
        {UERL_ROLE_OBSERVATION, UERL_DTYPE_FLOAT32, 1, {4}, "the simulator has float32 (4)"},
        {UERL_ROLE_OBSERVATION, UERL_DTYPE_FLOAT32, 2, {3, 1}, "float32 (3, 1)"},
        {UERL_ROLE_OBSERVATION, UERL_DTYPE_FLOAT32, 0, {0}, "the simulator has float32 ()"},
        {UERL_ROLE_OBSERVATION, UERL_DTYPE_INT32, 1, {3}, "the simulator has int32 (3)"},
        {UERL_ROLE_OBSERVATION, 99, 1, {3}, "the simulator has an unknown dtype (3)"},
        {UERL_ROLE_INFO, UERL_DTYPE_FLOAT32, 1, {3}, "(role 7)"},
    };
    struct hand_learner learner;
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    uerl_simulator *simulator = attach(&learner, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQUAL(uerl_simulator_bind(simulator, "agent", "observation/state", bad[i].role,
                                        bad[i].dtype, bad[i].num_dims, bad[i].shape),
                    UERL_E_LAYOUT);
        CHECK_SAYS(uerl_last_error(), "array observation/state is float32 (3) (role 1) in the "
                                      "learner's spec");
        CHECK_SAYS(uerl_last_error(), bad[i].says);
        CHECK_EQUAL(uerl_simulator_ready(simulator), UERL_E_LAYOUT); /* it is not bound */
    }
    CHECK_EQUAL(bind_observation(simulator), 0);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(an_array_or_group_that_the_spec_lacks_is_not_found)
{
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct hand_learner learner;
    add_group(&spec, "other", 1);
    add_usual_fields(&spec);
    add_field(&spec, "info/x", UERL_ROLE_INFO, UERL_DTYPE_UINT8, 0);
    begin_learner(&learner, spec);
    uerl_simulator *simulator = attach(&learner, 0);
    const uint32_t role = UERL_ROLE_INFO, dtype = UERL_DTYPE_UINT8;
    CHECK_EQUAL(uerl_simulator_bind(simulator, "other", "info/x", role, dtype, 0, NULL), 14);
    CHECK_EQUAL(uerl_simulator_bind(simulator, NULL, "info/x", role, dtype, 0, NULL),
                UERL_E_NOT_FOUND); /* null is the first group */
    CHECK_SAYS(uerl_last_error(), "array info/x of group agent is not in the learner's spec");
    CHECK_EQUAL(uerl_simulator_bind(simulator, "nobody", "info/x", role, dtype, 0, NULL),
                UERL_E_NOT_FOUND);
    CHECK_EQUAL(uerl_simulator_bind(simulator, "other", "info", role, dtype, 0, NULL),
                UERL_E_NOT_FOUND);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(ready_is_refused_while_an_observation_of_any_group_is_not_bound)
{
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct hand_learner learner;
    add_group(&spec, "other", 1);
    add_usual_fields(&spec);
    begin_learner(&learner, spec);
    uerl_simulator *simulator = attach(&learner, 0);
    CHECK_EQUAL(uerl_simulator_ready(simulator), UERL_E_LAYOUT);
    CHECK_SAYS(uerl_last_error(), "array observation/state of group agent is in the learner's "
                                  "spec, the simulator does not write it");
    bind_observation(simulator);
    CHECK_EQUAL(uerl_simulator_ready(simulator), UERL_E_LAYOUT);
    CHECK_SAYS(uerl_last_error(), "of group other");
    CHECK_EQUAL(results_of(&learner)->generation, 0);
    CHECK_EQUAL(results_of(&learner)->state, UERL_LANE_BINDING);
    CHECK_EQUAL(uerl_simulator_bind(simulator, "other", "observation/state", UERL_ROLE_OBSERVATION,
                                    UERL_DTYPE_FLOAT32, 1, (const uint64_t[]){3}), 7);
    CHECK_EQUAL(uerl_simulator_ready(simulator), UERL_OK);
    CHECK_EQUAL(results_of(&learner)->generation, 1);
    CHECK_EQUAL(results_of(&learner)->state, UERL_LANE_READY);
    uerl_simulator_detach(simulator);
    end_learner(&learner);
}

TEST(a_group_without_the_fields_that_every_group_has_is_refused)
{
    for (uint32_t left_out = 2; left_out < 7; left_out++) { /* control, seed, reward, flags */
        struct small_spec spec = small_spec(1, 1, 1, 2);
        struct hand_learner learner;
        uerl_simulator *simulator;
        spec.fields[left_out].role = UERL_ROLE_INFO;
        begin_learner(&learner, spec);
        CHECK_EQUAL(uerl_simulator_attach(&simulator, learner.name, 0, 0), UERL_E_LAYOUT);
        CHECK_SAYS(uerl_last_error(), "group agent lacks control, seed, reward, terminated");
        CHECK_EQUAL(uerl_lock_probe(learner.segment.lock_fd, UERL_LOCK_LANES), UERL_LOCK_FREE);
        end_learner(&learner);
    }
}

/* Over a mapping of the engine's -------------------------------------------------------------- */

TEST(a_simulator_over_an_engines_mapping_works_in_that_mapping_and_leaves_it_mapped)
{
    struct hand_learner learner;
    struct uerl_received received;
    uerl_simulator *simulator;
    char path[128];
    begin_learner(&learner, small_spec(1, 1, 1, 2));
    const uint64_t bytes = learner.segment.header.segment_bytes;
    path_of(path, learner.name);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    CHECK_EQUAL(uerl_simulator_attach_mapping(&simulator, mapping, bytes, learner.name, 0),
                UERL_OK);
    CHECK_EQUAL(bind_observation(simulator), 0);
    CHECK_EQUAL(uerl_simulator_ready(simulator), UERL_OK);
    go(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    uint8_t *row = uerl_simulator_row(simulator, 0, 0);
    CHECK(row >= mapping && row < mapping + bytes);
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
    CHECK_EQUAL(next_result(&learner).sequence, 1);
    uerl_simulator_detach(simulator);
    CHECK_EQUAL(mapping[0], 'U');
    CHECK_EQUAL(uerl_lock_probe(learner.segment.lock_fd, UERL_LOCK_LANES), UERL_LOCK_FREE);
    munmap(mapping, bytes);
    end_learner(&learner);
}

int main(void)
{
    RUN(a_missing_segment_is_not_found_after_the_timeout);
    RUN(attach_waits_for_a_learner_that_comes_later);
    RUN(names_that_no_learner_can_have_are_refused_at_once);
    RUN(a_segment_without_a_living_owner_is_not_found);
    RUN(name_and_lane_come_from_the_environment_when_they_are_not_given);
    RUN(without_a_lane_the_first_free_one_is_taken);
    RUN(a_taken_lane_is_refused_by_name_and_its_holder_is_not_disturbed);
    RUN(attach_waits_for_a_predecessor_that_is_about_to_go);
    RUN(arrays_are_described_as_the_lane_sees_them);
    RUN(an_array_of_another_shape_dtype_or_role_is_refused_with_both_sides_named);
    RUN(an_array_or_group_that_the_spec_lacks_is_not_found);
    RUN(ready_is_refused_while_an_observation_of_any_group_is_not_bound);
    RUN(a_group_without_the_fields_that_every_group_has_is_refused);
    RUN(a_simulator_over_an_engines_mapping_works_in_that_mapping_and_leaves_it_mapped);
    return check_result();
}
