/* simulator.c: the smallest simulator in C. A point on a line is pushed to a goal, in every
 * autoreset mode and any number of envs; docs/write-a-simulator.md explains the calls.
 *
 *   cc simulator.c -o simulator -I$INCLUDE $INCLUDE/../lib/libuerl_shm.a -pthread
 *   python -c 'import uerl_shm; uerl_shm.VecEnv("./simulator", num_envs=8).reset()' */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <uerl_shm/uerl_shm.h>

static const char *const spec =
    "{\"name\": \"push\", \"groups\": [{"
    "\"observation\": {\"state\":"
    " {\"shape\": [2], \"dtype\": \"float32\", \"low\": -1, \"high\": 1}},"
    "\"action\": {\"push\": {\"kind\": \"discrete\", \"nvec\": [3]}}}]}";

enum { EPISODE_STEPS = 100 };

struct world {
    uint64_t random; /* state of the env's own generator */
    float position, goal;
    int num_steps;
};

/* The next number in [-1, 1): splitmix64, https://prng.di.unimi.it/splitmix64.c */
static float draw(struct world *world)
{
    uint64_t z = world->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (float)((z ^ (z >> 31)) >> 40) / 8388608.0f - 1.0f;
}

static void reset(struct world *world)
{
    world->position = draw(world);
    world->goal = draw(world);
    world->num_steps = 0;
}

static int has_arrived(const struct world *world)
{
    const float distance = world->position - world->goal;
    return distance > -0.05f && distance < 0.05f;
}

/* 0, 1, 2: to the left, stay, to the right. */
static void step(struct world *world, int64_t push)
{
    const float moved = world->position + 0.1f * (float)(push - 1);
    world->position = moved < -1.0f ? -1.0f : moved > 1.0f ? 1.0f : moved;
    world->num_steps += 1;
}

static void observe(uerl_simulator *simulator, int32_t array, uint32_t row,
                    const struct world *world)
{
    float *state = uerl_simulator_row(simulator, array, row);
    state[0] = world->position;
    state[1] = world->goal;
}

struct arrays {
    int32_t state, final_state, push; /* a negative index: not in this segment */
};

/* What the command in hand asks of one env. With one agent an env's row has the env's number. */
static void answer(uerl_simulator *simulator, const struct arrays *arrays, uint32_t env,
                   struct world *world)
{
    const uint32_t control = uerl_simulator_control(simulator, env);
    if (control == UERL_CONTROL_SKIP)
        return;
    if (control == UERL_CONTROL_RESET) {
        const int64_t seed = uerl_simulator_seed(simulator, env);
        if (seed >= 0)
            world->random = (uint64_t)seed;
        reset(world);
        observe(simulator, arrays->state, env, world);
        uerl_simulator_outcome(simulator, 0, env, 0.0, 0, 0);
        return;
    }
    step(world, *(const int64_t *)uerl_simulator_row(simulator, arrays->push, env));
    const int terminated = has_arrived(world), truncated = world->num_steps >= EPISODE_STEPS;
    uerl_simulator_outcome(simulator, 0, env, terminated ? 1.0 : -0.01, terminated, truncated);
    if (arrays->final_state >= 0 && (terminated || truncated)) { /* SAME_STEP: the reset is ours */
        observe(simulator, arrays->final_state, env, world);
        reset(world);
    }
    observe(simulator, arrays->state, env, world);
}

static int bind_all(uerl_simulator *simulator, struct arrays *arrays)
{
    const uint64_t two = 2;
    arrays->state = uerl_simulator_bind(simulator, NULL, "observation/state", UERL_ROLE_OBSERVATION,
                                        UERL_DTYPE_FLOAT32, 1, &two);
    arrays->final_state =
        uerl_simulator_bind(simulator, NULL, "final_observation/state", UERL_ROLE_FINAL_OBSERVATION,
                            UERL_DTYPE_FLOAT32, 1, &two);
    arrays->push = uerl_simulator_bind(simulator, NULL, "action/push", UERL_ROLE_ACTION,
                                       UERL_DTYPE_INT64, 0, NULL);
    if (arrays->state < 0 || arrays->push < 0) {
        uerl_simulator_refuse(simulator, uerl_last_error());
        return UERL_E_LAYOUT;
    }
    return uerl_simulator_ready(simulator);
}

/* Answers commands until the learner is finished or dead. */
static int serve(uerl_simulator *simulator, struct world *worlds)
{
    struct arrays arrays;
    struct uerl_received received;
    int code = bind_all(simulator, &arrays);
    while (code == UERL_OK || code == UERL_E_TIMEOUT) {
        code = uerl_simulator_receive(simulator, &received, INT64_C(100000000));
        if (code != UERL_OK)
            continue;
        for (uint32_t env = 0; env < uerl_simulator_num_envs(simulator); env++)
            answer(simulator, &arrays, env, &worlds[env]);
        code = uerl_simulator_send(simulator);
    }
    return code == UERL_E_CLOSED ? UERL_OK : code;
}

int main(void)
{
    uerl_simulator *simulator = NULL;
    int code = uerl_describe(spec);
    if (code == 1)
        return EXIT_SUCCESS;
    if (code == UERL_OK)
        code = uerl_simulator_attach(&simulator, NULL, -1, INT64_C(300000000000));
    if (code == UERL_OK) {
        const uint32_t num_envs = uerl_simulator_num_envs(simulator);
        struct world *worlds = calloc(num_envs, sizeof *worlds);
        for (uint32_t env = 0; worlds != NULL && env < num_envs; env++)
            worlds[env].random = (uint64_t)time(NULL) + uerl_simulator_first_env(simulator) + env;
        code = worlds != NULL ? serve(simulator, worlds) : UERL_E_SYSTEM;
        free(worlds);
    }
    if (code != UERL_OK)
        fprintf(stderr, "%s\n", uerl_last_error());
    uerl_simulator_detach(simulator);
    return code == UERL_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
