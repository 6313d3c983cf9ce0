/* bad_simulator.c: a small world that breaks the rule that its argument names; `none` breaks none.
 *
 * An agent walks a line from 0; at either end the episode is terminated, after 25 steps truncated.
 * Each episode has a picture of its own, drawn at the reset. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "uerl_shm/uerl_shm.h"

enum { MAX_ENVS = 16, LINE_END = 8, EPISODE_STEPS = 25, PICTURE_BYTES = 4 };

static const char spec[] =
    "{\"layout\": 1, \"name\": \"line\", \"groups\": [{\"observation\": {"
    "\"position\": {\"shape\": [2], \"dtype\": \"float32\", \"low\": -1, \"high\": 1},"
    "\"picture\": {\"shape\": [4], \"dtype\": \"uint8\"}},"
    "\"action\": {\"move\": {\"kind\": \"discrete\", \"nvec\": [3]}},"
    "\"info\": {\"clock\": {\"shape\": [], \"dtype\": \"int32\"}}}]}";

struct env {
    uint64_t random;
    int place, steps, ended;
    uint8_t picture[PICTURE_BYTES];
};

static const char *bug;
static struct env envs[MAX_ENVS];
static uerl_simulator *simulator;
static int32_t move, position[2], picture[2], info_clock[2], terminated; /* [1]: final */
static int hidden;

static int is(const char *name)
{
    return strcmp(bug, name) == 0;
}

static uint32_t draw(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*random >> 33);
}

static void nap_ms(long ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void reset(struct env *env, int64_t seed)
{
    if (seed >= 0 && !is("ignores-seed"))
        env->random = (uint64_t)seed * 2 + 1 + (is("seeds-by-process") ? (uint64_t)getpid() : 0);
    if (is("same-episode"))
        env->random = 1;
    if (!is("ignores-reset") || env->ended)
        env->place = env->steps = 0;
    env->ended = 0;
    draw(&env->random);
    for (int i = 0; i < PICTURE_BYTES; i++)
        env->picture[i] = (uint8_t)draw(&env->random);
}

static void write_rows(uint32_t row, const struct env *env, int final)
{
    float *place = uerl_simulator_row(simulator, position[final], row);
    uint8_t *pixels = uerl_simulator_row(simulator, picture[final], row);
    int32_t *steps = uerl_simulator_row(simulator, info_clock[final], row);
    if (place == NULL || (is("skips-rows") && draw(&envs[0].random) % 8 == 0))
        return;
    place[0] = (float)env->place / LINE_END * (is("leaves-bounds") ? 4.0F : 1.0F);
    place[1] = (float)env->steps / EPISODE_STEPS;
    if (is("writes-nan") && env->steps == 5)
        place[1] = 0.0F / (float)env->place * 0.0F / 0.0F;
    if (!is("black-picture"))
        memcpy(pixels, env->picture, PICTURE_BYTES);
    *steps = env->steps + (is("keeps-state") ? hidden++ : 0);
}

static void step(uint32_t row, struct env *env)
{
    const int64_t *action = uerl_simulator_row(simulator, move, row);
    const int same_step = uerl_simulator_autoreset_mode(simulator) == UERL_AUTORESET_SAME_STEP;
    env->place += is("ignores-actions") ? 0 : (int)*action - 1;
    env->steps++;
    const int at_end = env->place <= -LINE_END || env->place >= LINE_END;
    env->ended = at_end || env->steps >= EPISODE_STEPS;
    if (env->ended && same_step && !is("no-final-rows"))
        write_rows(row, env, 1);
    const int reward = env->place;
    const int late = env->ended && !at_end;
    if (env->ended && (same_step ? !is("never-resets") : is("resets-itself")))
        reset(env, -1);
    write_rows(row, env, 0);
    uerl_simulator_outcome(simulator, 0, row, reward, at_end, late);
    if (is("odd-flags") && at_end)
        *(uint8_t *)uerl_simulator_row(simulator, terminated, row) = 2;
}

static void answer(uint32_t num_envs)
{
    for (uint32_t row = 0; row < num_envs; row++) {
        const uint32_t control = uerl_simulator_control(simulator, row);
        if (control == UERL_CONTROL_RESET) {
            reset(&envs[row], uerl_simulator_seed(simulator, row));
            write_rows(row, &envs[row], 0);
            uerl_simulator_outcome(simulator, 0, row, is("rewards-resets") ? 1.0 : 0.0, 0, 0);
        } else if (control == UERL_CONTROL_STEP || is("ignores-skip")) {
            step(row, &envs[row]);
        }
    }
}

static void bind(void)
{
    const uint64_t two = 2, four = PICTURE_BYTES;
    move = uerl_simulator_bind(simulator, NULL, "action/move", UERL_ROLE_ACTION,
                               UERL_DTYPE_INT64, 0, NULL);
    position[0] = uerl_simulator_bind(simulator, NULL, "observation/position",
                                      UERL_ROLE_OBSERVATION, UERL_DTYPE_FLOAT32, 1, &two);
    picture[0] = uerl_simulator_bind(simulator, NULL, "observation/picture",
                                     UERL_ROLE_OBSERVATION, UERL_DTYPE_UINT8, 1, &four);
    info_clock[0] = uerl_simulator_bind(simulator, NULL, "info/clock", UERL_ROLE_INFO,
                                        UERL_DTYPE_INT32, 0, NULL);
    terminated = uerl_simulator_bind(simulator, NULL, "terminated", UERL_ROLE_TERMINATED,
                                     UERL_DTYPE_BOOL, 0, NULL);
    position[1] = uerl_simulator_bind(simulator, NULL, "final_observation/position",
                                      UERL_ROLE_FINAL_OBSERVATION, UERL_DTYPE_FLOAT32, 1, &two);
    picture[1] = uerl_simulator_bind(simulator, NULL, "final_observation/picture",
                                     UERL_ROLE_FINAL_OBSERVATION, UERL_DTYPE_UINT8, 1, &four);
    info_clock[1] = uerl_simulator_bind(simulator, NULL, "final_info/clock",
                                        UERL_ROLE_FINAL_INFO, UERL_DTYPE_INT32, 0, NULL);
}

static int serve(void)
{
    const uint32_t num_envs = uerl_simulator_num_envs(simulator);
    if (num_envs > (is("one-env") ? 1 : MAX_ENVS) || is("wrong-arrays"))
        return uerl_simulator_refuse(simulator, "this many envs are too many") == UERL_OK ? 1 : 2;
    for (uint32_t i = 0; i < num_envs; i++)
        envs[i].random = i;
    bind();
    if (uerl_simulator_ready(simulator) != UERL_OK)
        return 2;
    for (int commands = 0;; commands++) {
        struct uerl_received received;
        if (uerl_simulator_receive(simulator, &received, -1) != UERL_OK)
            break;
        if (is("crashes") && commands == 10)
            return 3;
        if (is("sends-early")) {
            /* The rows of this command are written when it is over: theirs are the addresses. */
            struct env before = envs[0];
            answer(num_envs);
            uint8_t *pixels = uerl_simulator_row(simulator, picture[0], 0);
            uerl_simulator_send(simulator);
            nap_ms(1);
            pixels[0] = (uint8_t)(before.picture[0] + 1);
            continue;
        }
        answer(num_envs);
        uerl_simulator_send(simulator);
    }
    if (is("never-leaves"))
        for (;;)
            nap_ms(1000);
    return is("leaves-badly") ? 4 : 0;
}

int main(int argc, char **argv)
{
    bug = argc > 1 ? argv[1] : "none";
    if (uerl_describe(is("no-json") ? "{\"groups\": oops}" : spec) == 1)
        return 0;
    if (uerl_simulator_attach(&simulator, NULL, -1, INT64_C(1000000000)) != UERL_OK) {
        fprintf(stderr, "%s\n", uerl_last_error());
        return 1;
    }
    const int code = serve();
    uerl_simulator_detach(simulator);
    return code;
}
