/* simulator.c: a simulator's side of one lane: commands in, rows and results out. */
#define _GNU_SOURCE
#include "simulator_private.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "lock.h"
#include "ring.h"

/* Is this command one for us? A command of another generation was meant for a dead predecessor. */
static int take_command(uerl_simulator *simulator, struct uerl_received *received, bool *mine)
{
    const struct uerl_command command =
        simulator->commands->commands[simulator->read_index % UERL_RING_CAPACITY];
    uerl_ring_advance(&simulator->results->read_index, &simulator->read_index);
    *mine = command.generation == simulator->generation;
    if (!*mine)
        return UERL_OK;
    if (command.kind == UERL_COMMAND_CLOSE)
        return uerl_fail(UERL_E_CLOSED, "the learner of segment %s is finished",
                         simulator->segment.name);
    const uint32_t num_slots = simulator->segment.header.num_slots;
    if (command.kind != UERL_COMMAND_GO || command.slot >= num_slots ||
        command.action_slot >= num_slots || command.sequence <= simulator->command.sequence)
        return uerl_fail(
            UERL_E_CORRUPT,
            "lane %u got command kind %u, slot %u, action slot %u, "
            "sequence %llu after %llu, expected kind 1 and slots below %u: the segment "
            "is damaged, restart the learner",
            simulator->lane, command.kind, command.slot, command.action_slot,
            (unsigned long long)command.sequence, (unsigned long long)simulator->command.sequence,
            num_slots);
    simulator->command = command;
    simulator->in_command = true;
    store_relaxed_u64(&simulator->results->progress, ++simulator->progress);
    uerl_simulator_look_for_message(simulator);
    *received = (struct uerl_received){
        .sequence = command.sequence,
        .generation = command.generation,
        .slot = command.slot,
        .action_slot = command.action_slot,
        .has_message = simulator->message_kind != 0,
    };
    return UERL_OK;
}

static bool has_command(void *context)
{
    const uerl_simulator *simulator = context;
    /* A look only; [R] in uerl_ring_peek() follows before anything is used. Pairs with [W]. */
    return load_acquire_u32(&simulator->commands->write_index) != simulator->read_index ||
           load_relaxed_u32(&simulator->header->closed) != 0;
}

static void sleep_slice(uerl_simulator *simulator, int64_t slice_ns)
{
    struct uerl_header *header = simulator->header;
    const uint32_t epoch = load_relaxed_u32(&header->command_epoch);
    add_relaxed_u32(&header->num_waiting, 1);
    /* [S] Announce the sleep before the last look; the learner publishes before it looks for
     * sleepers. Pairs with [L] in the learner. */
    fence_seq_cst();
    if (!has_command(simulator))
        uerl_futex_wait(&header->command_epoch, epoch, uerl_futex_lane_bit(simulator->lane),
                        slice_ns);
    add_relaxed_u32(&header->num_waiting, UINT32_MAX);
}

static int learner_died(const uerl_simulator *simulator)
{
    return uerl_fail(UERL_E_CLOSED, "the learner of segment %s died", simulator->segment.name);
}

/* A wait that was too short to sleep looks at the peer too, though not every time: an engine may
 * poll at every tick for as long as it lives. */
static int nothing_came(uerl_simulator *simulator, int64_t timeout_ns)
{
    const int64_t now_ns = uerl_now_ns();
    if (now_ns - simulator->probed_ns >= UERL_WAIT_LAST_SLICE_NS) {
        simulator->probed_ns = now_ns;
        if (uerl_lock_probe(simulator->segment.lock_fd, UERL_LOCK_OWNER) != UERL_LOCK_HELD)
            return learner_died(simulator);
    }
    return uerl_fail(UERL_E_TIMEOUT,
                     "no command came to lane %u of segment %s in %.3f s: call "
                     "again",
                     simulator->lane, simulator->segment.name, (double)timeout_ns * 1e-9);
}

/* Waits until has_command(). Returns UERL_OK, UERL_E_TIMEOUT or UERL_E_CLOSED. */
static int wait_for_command(uerl_simulator *simulator, int64_t timeout_ns)
{
    if (has_command(simulator))
        return UERL_OK;
    if (timeout_ns == 0)
        return nothing_came(simulator, timeout_ns);
    const int64_t deadline_ns = uerl_deadline_ns(timeout_ns);
    store_relaxed_u32(&simulator->results->cpu, (uint32_t)uerl_cpu());
    const int learner_cpu = (int)load_relaxed_u32(&simulator->header->cpu);
    if (uerl_wait_busy(&simulator->wait, has_command, simulator, learner_cpu, deadline_ns))
        return UERL_OK;
    for (int64_t slice_ns = uerl_wait_next_slice(0, deadline_ns); slice_ns > 0;
         slice_ns = uerl_wait_next_slice(slice_ns, deadline_ns)) {
        sleep_slice(simulator, slice_ns);
        if (has_command(simulator))
            return UERL_OK;
        if (uerl_lock_probe(simulator->segment.lock_fd, UERL_LOCK_OWNER) != UERL_LOCK_HELD)
            return learner_died(simulator);
    }
    return nothing_came(simulator, timeout_ns);
}

int uerl_lane_receive(uerl_simulator *simulator, struct uerl_received *received, int64_t timeout_ns)
{
    for (;;) {
        const int64_t start_ns = uerl_now_ns();
        int error = wait_for_command(simulator, timeout_ns);
        simulator->wait_ns += (uint64_t)(uerl_now_ns() - start_ns);
        store_relaxed_u64(&simulator->results->wait_ns, simulator->wait_ns);
        if (uerl_segment_check_whole(&simulator->segment, false) != UERL_OK)
            return UERL_E_CORRUPT;
        if (error != UERL_OK)
            return error;
        const int count = uerl_ring_peek(&simulator->commands->write_index, simulator->read_index);
        if (count == UERL_E_CORRUPT)
            return uerl_fail(UERL_E_CORRUPT,
                             "command ring of lane %u has an impossible write index: "
                             "the segment is damaged, restart the learner",
                             simulator->lane);
        if (count == 0)
            return uerl_fail(UERL_E_CLOSED, "the learner of segment %s is finished",
                             simulator->segment.name);
        bool mine;
        error = take_command(simulator, received, &mine);
        if (error != UERL_OK || mine)
            return error;
    }
}

/* Commits a result, and wakes the learner if it sleeps and this is the one it waits for. */
int uerl_lane_commit(uerl_simulator *simulator, uint32_t status)
{
    struct uerl_lane_results *results = simulator->results;
    struct uerl_header *header = simulator->header;
    simulator->in_command = false;
    /* After a long pause of its own, the look of the watch thread may still be to come. */
    if (load_relaxed_u32(&simulator->commands->fence) == simulator->generation)
        return uerl_fail(UERL_E_CLOSED,
                         "lane %u of segment %s was fenced by its learner: this simulator was "
                         "silent for too long, and is to leave",
                         simulator->lane, simulator->segment.name);
    results->results[simulator->write_index % UERL_RING_CAPACITY] = (struct uerl_result){
        .sequence = simulator->command.sequence,
        .generation = simulator->generation,
        .status = status,
    };
    store_relaxed_u64(&results->progress, ++simulator->progress);
    store_relaxed_u64(&results->steps, ++simulator->steps);
    uerl_ring_publish(&results->write_index, &simulator->write_index);
    /* [C] The count never runs ahead of the result. Pairs with [D] in the learner. */
    const uint32_t count = add_release_u32(&header->finished_count, 1);
    /* [P] Publish and count before the look at the sleeper; the learner announces its sleep before
     * it looks at the rings. Pairs with [Q] in the learner. */
    fence_seq_cst();
    if (load_relaxed_u32(&header->sleeping) != 0 &&
        (int32_t)(count - load_relaxed_u32(&header->wake_at)) >= 0)
        uerl_futex_wake(&header->finished_count, 1, UERL_FUTEX_ALL_BITS);
    return UERL_OK;
}
