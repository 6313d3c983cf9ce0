/* uerl_shm_probe.c: is the simulator of a lane well, does a learner send batches? For kubelets and
 * other supervisors: one small static program that reads, and needs neither Python nor write
 * permission. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/atomics.h"
#include "core/lock.h"
#include "core/segment.h"
#include "core/wait.h"
#include "uerl_shm/uerl_shm.h"

/* A library thread that has not moved for so long is stopped, or its machine is. */
#define LONGEST_STILL_NS INT64_C(5000000000)

#define LOOK_NS 50000000 /* between two looks at a learner */
#define MAX_SECONDS 3600

enum { EXIT_WELL = 0, EXIT_ILL = 1, EXIT_UNKNOWN = 2 };

static const char HELP[] =
    "uerl-shm-probe: is the simulator of a lane well, does a learner send batches?\n\n"
    "    uerl-shm-probe [NAME [LANE]]\n"
    "    uerl-shm-probe --learner SECONDS [NAME]\n\n"
    "NAME  segment of the learner (default: " UERL_ENV_NAME ")\n"
    "LANE  the simulator's lane (default: " UERL_ENV_LANE ")\n\n"
    "Exit code 0: healthy, or waiting for a learner or for commands; 1: late (silent for longer\n"
    "than the learner's step_deadline_s, or its process has stood still for 5 s) or fenced;\n"
    "2: cannot tell. It answers within 0.1 s when all is well and 5 s otherwise, so a kubelet's\n"
    "probe needs timeoutSeconds above 5.\n\n"
    "Of a learner: 0 as soon as it sends a batch; 1: none within SECONDS, whether it stands\n"
    "still, is gone or has not begun; 2: cannot tell. timeoutSeconds has to be above SECONDS.\n\n"
    "Examples\n    uerl-shm-probe train 3\n    uerl-shm-probe --learner 60 train\n";

struct lane {
    const struct uerl_segment *segment;
    uint32_t number;
};

static int answer(const struct lane *lane, int exit_code, const char *state, const char *why)
{
    printf("lane %u of segment %s: %s: %s\n", lane->number, lane->segment->name, state, why);
    return exit_code;
}

static bool is_held(const struct lane *lane, int64_t byte)
{
    return uerl_lock_probe(lane->segment->file_fd, byte) == UERL_LOCK_HELD;
}

/* Does the thread of the simulator's library run? It counts every 100 ms. */
static bool moves(const struct uerl_lane_results *results)
{
    const struct timespec nap = {.tv_nsec = 10000000};
    const uint64_t before = load_relaxed_u64(&results->alive);
    const int64_t deadline_ns = uerl_now_ns() + LONGEST_STILL_NS;
    while (load_relaxed_u64(&results->alive) == before) {
        if (uerl_now_ns() > deadline_ns)
            return false;
        nanosleep(&nap, NULL);
    }
    return true;
}

static int judge(const struct lane *lane)
{
    const struct uerl_lane_commands *commands = uerl_segment_commands(lane->segment, lane->number);
    const struct uerl_lane_results *results = uerl_segment_results(lane->segment, lane->number);
    const int64_t lock = UERL_LOCK_LANES + (int64_t)lane->number;
    if (!is_held(lane, lock))
        return answer(lane, EXIT_WELL, "waiting", "no simulator holds it");
    const uint32_t generation = load_relaxed_u32(&results->generation);
    if (generation != 0 && load_relaxed_u32(&commands->fence) == generation)
        return answer(lane, EXIT_ILL, "fenced", "its learner wants it to leave");
    if (generation != 0 && load_relaxed_u32(&commands->late) == generation)
        return answer(lane, EXIT_ILL, "late", "silent for longer than its learner's deadline");
    if (!moves(results) && is_held(lane, lock))
        return answer(lane, EXIT_ILL, "late", "its process has stood still for 5 s");
    if (!is_held(lane, UERL_LOCK_OWNER))
        return answer(lane, EXIT_WELL, "waiting", "its learner is gone");
    return answer(lane, EXIT_WELL, "healthy", "its process runs, no deadline was missed");
}

static int probe(const char *name, uint32_t number)
{
    struct uerl_segment segment;
    const int error = uerl_segment_open(&segment, name, true);
    if (error == UERL_E_NOT_FOUND) {
        printf("lane %u of segment %s: waiting: there is no learner yet\n", number, name);
        return EXIT_WELL;
    }
    if (error != UERL_OK) {
        fprintf(stderr, "uerl-shm-probe: %s\n", uerl_last_error());
        return EXIT_UNKNOWN;
    }
    int exit_code = EXIT_UNKNOWN;
    if (number < segment.header.num_lanes)
        exit_code = judge(&(struct lane){&segment, number});
    else
        fprintf(stderr, "uerl-shm-probe: lane is %u, segment %s has lanes 0 to %u\n", number, name,
                segment.header.num_lanes - 1);
    uerl_segment_close(&segment);
    return exit_code;
}

struct look {
    bool found;
    uint64_t run_id;
    uint64_t progress;
};

/* By name each time: a learner that was started again has a segment of its own. */
static int look(const char *name, struct look *seen)
{
    struct uerl_segment segment;
    *seen = (struct look){0};
    const int error = uerl_segment_open(&segment, name, true);
    if (error != UERL_OK)
        return error;
    const struct uerl_header *header = (const struct uerl_header *)segment.base;
    *seen = (struct look){true, segment.header.run_id, load_relaxed_u64(&header->progress)};
    uerl_segment_close(&segment);
    return UERL_OK;
}

static int probe_learner(const char *name, long seconds)
{
    const struct timespec nap = {.tv_nsec = LOOK_NS};
    const int64_t deadline_ns = uerl_now_ns() + seconds * INT64_C(1000000000);
    struct look before, now = {0};
    int error;
    do {
        before = now;
        error = look(name, &now);
        if (before.found && now.found && before.run_id == now.run_id &&
            before.progress != now.progress) {
            printf("learner of segment %s: healthy: it sends batches\n", name);
            return EXIT_WELL;
        }
        nanosleep(&nap, NULL);
    } while (uerl_now_ns() < deadline_ns);
    if (error != UERL_OK && error != UERL_E_NOT_FOUND) {
        fprintf(stderr, "uerl-shm-probe: %s\n", uerl_last_error());
        return EXIT_UNKNOWN;
    }
    printf("learner of segment %s: %s within %ld s\n", name,
           now.found ? "stalled: it sent no batch" : "missing: it made no segment", seconds);
    return EXIT_ILL;
}

static const char *argument(int argc, char **argv, int index, const char *variable)
{
    return argc > index ? argv[index] : getenv(variable);
}

/* A whole number of 0 to `largest`; -1: it is none. */
static long number_of(const char *text, long largest)
{
    char *end = NULL;
    errno = 0;
    const long number = text == NULL ? -1 : strtol(text, &end, 10);
    const bool is_number = errno == 0 && end != text && number >= 0 && number <= largest;
    return is_number && *end == '\0' ? number : -1;
}

static int main_of_learner(int argc, char **argv)
{
    const char *text = argc > 2 ? argv[2] : "";
    const char *name = argument(argc, argv, 3, UERL_ENV_NAME);
    const long seconds = number_of(text, MAX_SECONDS);
    if (name != NULL && argc <= 4 && seconds > 0)
        return probe_learner(name, seconds);
    fprintf(stderr,
            "uerl-shm-probe: segment is '%s', seconds are '%s', expected a name and 1 to %d: give "
            "--learner SECONDS NAME, or set " UERL_ENV_NAME "\n",
            name == NULL ? "" : name, text, MAX_SECONDS);
    return EXIT_UNKNOWN;
}

int main(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(HELP, stdout);
        return EXIT_WELL;
    }
    if (argc > 1 && strcmp(argv[1], "--learner") == 0)
        return main_of_learner(argc, argv);
    const char *name = argument(argc, argv, 1, UERL_ENV_NAME);
    const char *text = argument(argc, argv, 2, UERL_ENV_LANE);
    const long number = number_of(text, UERL_MAX_LANES - 1);
    if (name == NULL || argc > 3 || number < 0) {
        fprintf(stderr,
                "uerl-shm-probe: segment is '%s', lane is '%s', expected a name and a number "
                "from 0: give NAME and LANE, or set " UERL_ENV_NAME " and " UERL_ENV_LANE "\n",
                name == NULL ? "" : name, text == NULL ? "" : text);
        return EXIT_UNKNOWN;
    }
    return probe(name, (uint32_t)number);
}
