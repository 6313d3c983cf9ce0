/* A copy of csrc/core/attach.c, made by `make unreal`: change that one. */
/* attach.c: a simulator's way in (find the segment, take a lane) and out. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "atomics.h"
#include "error.h"
#include "lock.h"
#include "simulator_private.h"
#include "uerl_shm/bridge.h"
#include "watch.h"

#define RETRY_NS 5000000 /* between two looks for a segment or a lane */

/* A taken lane is waited for only as long as a dead predecessor may need to go (its memory is freed
 * at about 0.13 s a GiB, a core dump is written at about 3 s a GiB): a living one will not leave.
 */
#define TAKEN_LANE_NS INT64_C(10000000000)

static int take_lane(uerl_simulator *simulator, int32_t lane)
{
    const struct uerl_segment *segment = &simulator->segment;
    const uint32_t num_lanes = segment->header.num_lanes;
    if (lane >= 0 && (uint32_t)lane >= num_lanes)
        return uerl_fail(UERL_E_INVALID,
                         "lane is %d, segment %s has lanes 0 to %u: set " UERL_ENV_LANE
                         " to one of them",
                         lane, segment->name, num_lanes - 1);
    const uint32_t first = lane < 0 ? 0 : (uint32_t)lane;
    const uint32_t end = lane < 0 ? num_lanes : first + 1;
    for (uint32_t i = first; i < end; i++) {
        const int error = uerl_lock_take(segment->lock_fd, UERL_LOCK_LANES + (int64_t)i);
        if (error == UERL_OK) {
            simulator->lane = simulator->place = i;
            return UERL_OK;
        }
        if (error != UERL_E_EXISTS)
            return error;
    }
    if (lane < 0)
        return uerl_fail(UERL_E_EXISTS,
                         "all %u lanes of segment %s are taken: raise num_envs, or "
                         "start fewer simulators",
                         num_lanes, segment->name);
    return uerl_fail(UERL_E_EXISTS,
                     "lane %d of segment %s is taken by another simulator: give each "
                     "simulator a lane of its own",
                     lane, segment->name);
}

/* Prefaults this lane's rows, so that the first steps do not pay 2 us for each page. */
static void populate_rows(const uerl_simulator *simulator)
{
    const struct uerl_segment *segment = &simulator->segment;
    for (uint32_t i = 0; i < segment->header.num_fields; i++) {
        const struct uerl_field *field = &segment->fields[i];
        const uint32_t rows = uerl_simulator_rows_of(simulator, field->group);
        for (uint32_t slot = 0; slot < segment->header.num_slots; slot++) {
            const uintptr_t start =
                (uintptr_t)uerl_segment_row(segment, i, slot, simulator->lane * rows);
            const uintptr_t page = start & ~(uintptr_t)(UERL_PAGE_BYTES - 1);
            madvise((void *)page, start + rows * field->row_stride - page, MADV_POPULATE_WRITE);
        }
    }
}

/* The segment is mapped: take the lane and find one's way about. */
static int settle(uerl_simulator *simulator, int32_t lane)
{
    struct uerl_segment *segment = &simulator->segment;
    simulator->header = uerl_segment_header(segment);
    if (uerl_lock_probe(segment->lock_fd, UERL_LOCK_OWNER) != UERL_LOCK_HELD ||
        load_relaxed_u32(&simulator->header->closed) != 0)
        return uerl_fail(UERL_E_NOT_FOUND, "segment %s has no living learner: start the learner",
                         segment->name);
    int error = take_lane(simulator, lane);
    if (error != UERL_OK)
        return error;
    /* First of all: a predecessor that was killed left its generation and "ready" behind. */
    simulator->results = uerl_segment_results(segment, simulator->lane);
    store_relaxed_u32(&simulator->results->state, UERL_LANE_BINDING);
    error = uerl_simulator_find_fixed_fields(simulator);
    simulator->bound = calloc(segment->header.num_fields, sizeof *simulator->bound);
    simulator->text = malloc((size_t)segment->header.text_bytes + 1);
    if (error == UERL_OK && (simulator->bound == NULL || simulator->text == NULL))
        error = uerl_fail(UERL_E_SYSTEM, "no memory for the tables of segment %s", segment->name);
    if (error != UERL_OK)
        return error;
    memcpy(simulator->text, uerl_segment_text(segment), segment->header.text_bytes);
    simulator->text[segment->header.text_bytes] = '\0';
    simulator->commands = uerl_segment_commands(segment, simulator->lane);
    simulator->messages_written = load_relaxed_u32(&simulator->results->message_count);
    uerl_wait_init(&simulator->wait, segment->header.num_lanes + 1);
    populate_rows(simulator);
    simulator->watch = calloc(1, sizeof *simulator->watch);
    if (simulator->watch == NULL)
        return uerl_fail(UERL_E_SYSTEM, "no memory for the watch of segment %s", segment->name);
    *simulator->watch = (struct uerl_watch){
        .commands = simulator->commands,
        .results = simulator->results,
        .generation = &simulator->generation,
        .lane = simulator->lane,
    };
    memcpy(simulator->watch->name, segment->name, sizeof simulator->watch->name);
    return uerl_watch_start(simulator->watch);
}

/* Before settle() has come so far, parts of it are missing. */
static void leave_lane(uerl_simulator *simulator)
{
    if (!uerl_segment_inherited(&simulator->segment)) {
        if (simulator->watch != NULL)
            uerl_watch_stop(simulator->watch);
        if (simulator->results != NULL &&
            load_relaxed_u32(&simulator->results->state) != UERL_LANE_REFUSED)
            store_relaxed_u32(&simulator->results->state, UERL_LANE_DETACHED);
    }
    uerl_segment_close(&simulator->segment);
    free(simulator->watch);
    free(simulator->bound);
    free(simulator->text);
    free(simulator);
}

static int say_ready(uerl_simulator *simulator)
{
    struct uerl_lane_results *results = simulator->results;
    /* What stands in the rings was meant for a predecessor: begin behind it. */
    simulator->read_index = load_relaxed_u32(&simulator->commands->write_index);
    simulator->write_index = load_relaxed_u32(&results->write_index);
    simulator->messages_seen = load_relaxed_u32(&simulator->commands->message_count);
    uint32_t generation = load_relaxed_u32(&results->generation) + 1;
    if (generation == 0)
        generation = 1;
    store_relaxed_u32(&simulator->generation, generation);
    store_relaxed_u32(&results->read_index, simulator->read_index);
    store_relaxed_u64(&results->progress, 0);
    store_relaxed_u64(&results->steps, 0);
    store_relaxed_u64(&results->wait_ns, 0);
    store_relaxed_u32(&results->state, UERL_LANE_READY);
    /* [G] Whoever sees the generation sees the adopted indices. Pairs with [H] in the learner. */
    store_release_u32(&results->generation, generation);
    return UERL_OK;
}

static void say_refused(uerl_simulator *simulator)
{
    store_relaxed_u32(&simulator->results->state, UERL_LANE_REFUSED);
}

static const struct uerl_way lane_way = {
    .ready = say_ready,
    .refuse = say_refused,
    .receive = uerl_lane_receive,
    .commit = uerl_lane_commit,
    .detach = leave_lane,
};

static int try_attach(uerl_simulator **out, const char *name, int32_t lane, void *mapping,
                      uint64_t bytes)
{
    uerl_simulator *simulator = calloc(1, sizeof *simulator);
    if (simulator == NULL)
        return uerl_fail(UERL_E_SYSTEM, "no memory for a simulator");
    simulator->way = &lane_way;
    int error = mapping == NULL ? uerl_segment_open(&simulator->segment, name, false)
                                : uerl_segment_adopt(&simulator->segment, name, mapping, bytes);
    if (error != UERL_OK) {
        free(simulator);
        return error;
    }
    error = settle(simulator, lane);
    if (error != UERL_OK) {
        uerl_simulator_detach(simulator);
        return error;
    }
    *out = simulator;
    return UERL_OK;
}

static int names_from_environment(const char **name, int32_t *lane)
{
    if (*name == NULL)
        *name = getenv(UERL_ENV_NAME);
    if (*name == NULL || **name == '\0')
        return uerl_fail(UERL_E_INVALID,
                         "no segment name, expected an argument or " UERL_ENV_NAME
                         " in the environment: start this simulator from a learner, or name the "
                         "learner's segment");
    const char *text = getenv(UERL_ENV_LANE);
    if (*lane < 0 && text != NULL && *text != '\0') {
        char *end;
        const long value = strtol(text, &end, 10);
        if (*end != '\0' || value < 0 || value >= UERL_MAX_LANES)
            return uerl_fail(UERL_E_INVALID,
                             UERL_ENV_LANE " is '%.40s', expected a number from 0: "
                                           "set it to this simulator's lane",
                             text);
        *lane = (int32_t)value;
    }
    return UERL_OK;
}

int uerl_simulator_attach(uerl_simulator **simulator, const char *name, int32_t lane,
                          int64_t timeout_ns)
{
    *simulator = NULL;
    int error = names_from_environment(&name, &lane);
    if (error != UERL_OK)
        return error;
    const int64_t deadline_ns = uerl_deadline_ns(timeout_ns);
    const struct timespec nap = {.tv_nsec = RETRY_NS};
    int64_t taken_since_ns = 0;
    for (;;) {
        error = try_attach(simulator, name, lane, NULL, 0);
        if (error != UERL_E_NOT_FOUND && error != UERL_E_EXISTS)
            return error;
        const int64_t now_ns = uerl_now_ns();
        if (error == UERL_E_NOT_FOUND || taken_since_ns == 0)
            taken_since_ns = now_ns;
        if (now_ns >= deadline_ns || now_ns - taken_since_ns >= TAKEN_LANE_NS)
            return error;
        nanosleep(&nap, NULL);
    }
}

int uerl_simulator_attach_mapping(uerl_simulator **simulator, void *mapping, uint64_t bytes,
                                  const char *name, int32_t lane)
{
    *simulator = NULL;
    const int error = names_from_environment(&name, &lane);
    return error != UERL_OK ? error : try_attach(simulator, name, lane, mapping, bytes);
}

void uerl_simulator_relays(uerl_simulator *simulator)
{
    simulator->watch->relays = true;
}

int uerl_simulator_is_fenced(const uerl_simulator *simulator)
{
    const uint32_t fence = load_relaxed_u32(&simulator->commands->fence);
    return fence != 0 && fence == simulator->generation;
}
