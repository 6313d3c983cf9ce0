/* simulator.c: the simulator of the soak. It journals what it commits, before it commits it;
 * SIGUSR1 makes its next step slow; it waits for the next learner when its own is dead.
 *
 *   simulator NAME LANE JOURNAL STEP_US SLOW_MS
 *
 * The journal has records of struct record, native byte order, one for each result. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <uerl_shm/uerl_shm.h>

enum { FRAME_BYTES = 48 * 48 * 3 };

struct record {
    int64_t run; /* which learner; the parameter `run` */
    int64_t generation;
    int64_t sequence;
    int64_t hash; /* FNV-1a of the frame, by 8 bytes */
};

static volatile sig_atomic_t slow;

static void be_slow(int number)
{
    (void)number;
    slow = 1;
}

static void spin(long microseconds)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000L + (now.tv_nsec - start.tv_nsec) / 1000 <
           microseconds);
}

/* Fills a frame with numbers that no other frame has; returns their hash. */
static uint64_t draw(uint64_t *frame, uint64_t seed)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (int i = 0; i < FRAME_BYTES / 8; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        frame[i] = seed;
        hash = (hash ^ seed) * UINT64_C(0x100000001b3);
    }
    return hash;
}

struct arrays {
    int32_t frame, generation, sequence, run;
};

static int bind_all(uerl_simulator *simulator, struct arrays *arrays)
{
    const uint64_t shape[] = {48, 48, 3};
    arrays->frame = uerl_simulator_bind(simulator, NULL, "observation/frame", UERL_ROLE_OBSERVATION,
                                        UERL_DTYPE_UINT8, 3, shape);
    arrays->generation = uerl_simulator_bind(simulator, NULL, "info/generation", UERL_ROLE_INFO,
                                             UERL_DTYPE_INT64, 0, NULL);
    arrays->sequence = uerl_simulator_bind(simulator, NULL, "info/sequence", UERL_ROLE_INFO,
                                           UERL_DTYPE_INT64, 0, NULL);
    arrays->run = uerl_simulator_bind(simulator, NULL, "parameter/run", UERL_ROLE_PARAMETER,
                                      UERL_DTYPE_FLOAT64, 0, NULL);
    return uerl_simulator_ready(simulator);
}

static int serve(uerl_simulator *simulator, int journal, long step_us, long slow_ms)
{
    struct arrays arrays;
    struct uerl_received received;
    struct record record = {.run = -1};
    int code = bind_all(simulator, &arrays);
    while (code == UERL_OK || code == UERL_E_TIMEOUT) {
        code = uerl_simulator_receive(simulator, &received, INT64_C(100000000));
        if (code != UERL_OK)
            continue;
        if (uerl_simulator_control(simulator, 0) == UERL_CONTROL_RESET)
            record.run = (int64_t)*(double *)uerl_simulator_row(simulator, arrays.run, 0);
        spin(slow ? slow_ms * 1000 : step_us);
        slow = 0;
        record.generation = received.generation;
        record.sequence = (int64_t)received.sequence;
        const uint64_t seed = ((uint64_t)getpid() << 32) ^ received.sequence;
        record.hash = (int64_t)draw(uerl_simulator_row(simulator, arrays.frame, 0), seed);
        *(int64_t *)uerl_simulator_row(simulator, arrays.generation, 0) = record.generation;
        *(int64_t *)uerl_simulator_row(simulator, arrays.sequence, 0) = record.sequence;
        uerl_simulator_outcome(simulator, 0, 0, 1.0, 0, 0);
        if (write(journal, &record, sizeof record) != sizeof record)
            return UERL_E_SYSTEM;
        code = uerl_simulator_send(simulator);
    }
    return code;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    signal(SIGUSR1, be_slow);
    const int journal = open(argv[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    for (;;) {
        uerl_simulator *simulator;
        int code = uerl_simulator_attach(&simulator, argv[1], atoi(argv[2]), INT64_C(60000000000));
        if (code == UERL_E_EXISTS)
            continue;
        if (code == UERL_OK)
            code = serve(simulator, journal, atol(argv[4]), atol(argv[5]));
        if (code != UERL_OK && code != UERL_E_CLOSED) {
            fprintf(stderr, "%s\n", uerl_last_error());
            return code == UERL_E_NOT_FOUND ? EXIT_SUCCESS : EXIT_FAILURE;
        }
        uerl_simulator_detach(simulator);
    }
}
