/* puppet.c: a simulator that does what its action says, good or bad.
 *
 *   puppet NAME LANE      or with UERL_SHM_NAME and UERL_SHM_LANE
 *
 * Observation: float32 (8,): env number, then how often it was commanded. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <uerl_shm/uerl_shm.h>

enum action {
    GO = 0,
    CRASH_SLOWLY = 1, /* SIGSEGV, with a handler that takes its time, as a crash reporter does */
    LOOP = 2,         /* for ever */
    FORK_AND_DIE = 3, /* leaves a child behind that lives for a minute */
    LEAVE = 4,        /* exit code 3, with the command in hand */
    FAIL = 5,         /* says that it cannot go on */
    BE_SLOW = 6,      /* half a second */
    NUM_ACTIONS = 7
};

static const char *const spec =
    "{\"name\": \"puppet\", \"groups\": [{"
    "\"observation\": {\"state\": {\"shape\": [8], \"dtype\": \"float32\"}},"
    "\"action\": {\"do\": {\"kind\": \"discrete\", \"nvec\": [7]}}}]}";

static void report_crash(int number)
{
    (void)number;
    usleep(500000);
    _exit(139);
}

static void misbehave(uerl_simulator *simulator, int64_t action)
{
    switch (action) {
    case CRASH_SLOWLY:
        raise(SIGSEGV);
        break;
    case LOOP:
        for (volatile int forever = 1; forever;)
            continue;
        break;
    case FORK_AND_DIE:
        if (fork() == 0) {
            sleep(60);
            _exit(0);
        }
        raise(SIGKILL);
        break;
    case LEAVE:
        exit(3);
    case FAIL:
        uerl_simulator_fail(simulator, "the level is broken");
        exit(1);
    case BE_SLOW:
        usleep(500000);
        break;
    default:
        break;
    }
}

static int serve(uerl_simulator *simulator)
{
    const uint64_t eight = 8;
    float count = 0;
    struct uerl_received received;
    const int32_t state = uerl_simulator_bind(simulator, NULL, "observation/state",
                                              UERL_ROLE_OBSERVATION, UERL_DTYPE_FLOAT32, 1, &eight);
    const int32_t action = uerl_simulator_bind(simulator, NULL, "action/do", UERL_ROLE_ACTION,
                                               UERL_DTYPE_INT64, 0, NULL);
    int code = uerl_simulator_ready(simulator);
    while (code == UERL_OK || code == UERL_E_TIMEOUT) {
        code = uerl_simulator_receive(simulator, &received, INT64_C(100000000));
        if (code != UERL_OK)
            continue;
        if (uerl_simulator_control(simulator, 0) == UERL_CONTROL_STEP)
            misbehave(simulator, *(int64_t *)uerl_simulator_row(simulator, action, 0));
        float *row = uerl_simulator_row(simulator, state, 0);
        row[0] = (float)uerl_simulator_first_env(simulator);
        count += 1;
        for (int i = 1; i < 8; i++)
            row[i] = count;
        uerl_simulator_outcome(simulator, 0, 0, 1.0, 0, 0);
        code = uerl_simulator_send(simulator);
    }
    return code;
}

int main(int argc, char **argv)
{
    uerl_simulator *simulator;
    if (uerl_describe(spec) == 1)
        return EXIT_SUCCESS;
    signal(SIGSEGV, report_crash);
    const char *name = argc > 1 ? argv[1] : NULL;
    int code = uerl_simulator_attach(&simulator, name, argc > 2 ? atoi(argv[2]) : -1,
                                     INT64_C(20000000000));
    if (code == UERL_OK)
        code = serve(simulator);
    if (code == UERL_E_CLOSED)
        return EXIT_SUCCESS;
    fprintf(stderr, "%s\n", uerl_last_error());
    return EXIT_FAILURE;
}
