/* calls.c: the calls of uerl_shm.h on an attached simulator, wherever its commands come from;
 * portable. */
#include <string.h>

#include "error.h"
#include "simulator_private.h"

int32_t uerl_simulator_lane(const uerl_simulator *simulator)
{
    return (int32_t)simulator->lane;
}

uint32_t uerl_simulator_num_envs(const uerl_simulator *simulator)
{
    return simulator->segment.header.envs_per_lane;
}

uint32_t uerl_simulator_first_env(const uerl_simulator *simulator)
{
    return simulator->lane * simulator->segment.header.envs_per_lane;
}

uint32_t uerl_simulator_autoreset_mode(const uerl_simulator *simulator)
{
    return simulator->segment.header.autoreset_mode;
}

uint32_t uerl_simulator_num_arrays(const uerl_simulator *simulator)
{
    return simulator->segment.header.num_fields;
}

uint32_t uerl_simulator_message_bytes(const uerl_simulator *simulator)
{
    return simulator->segment.header.message_bytes;
}

const char *uerl_simulator_text(const uerl_simulator *simulator)
{
    return simulator->text;
}

void *uerl_simulator_row(const uerl_simulator *simulator, int32_t array, uint32_t row)
{
    const struct uerl_segment *segment = &simulator->segment;
    if (array < 0 || (uint32_t)array >= segment->header.num_fields || !simulator->in_command)
        return NULL;
    const struct uerl_field *field = &segment->fields[array];
    const uint32_t num_rows = uerl_simulator_rows_of(simulator, field->group);
    if (row >= num_rows)
        return NULL;
    const uint32_t slot = field->role >= UERL_ROLE_FIRST_OF_LEARNER ? simulator->command.action_slot
                                                                    : simulator->command.slot;
    return uerl_segment_row(segment, (uint32_t)array, slot, simulator->place * num_rows + row);
}

uint32_t uerl_simulator_control(const uerl_simulator *simulator, uint32_t env)
{
    const uint32_t agents = simulator->segment.groups[0].rows_per_env;
    const uint8_t *control =
        uerl_simulator_row(simulator, simulator->fixed[0].control, env * agents);
    return control == NULL ? UERL_CONTROL_SKIP : *control;
}

int64_t uerl_simulator_seed(const uerl_simulator *simulator, uint32_t env)
{
    const uint32_t agents = simulator->segment.groups[0].rows_per_env;
    const int64_t *seed = uerl_simulator_row(simulator, simulator->fixed[0].seed, env * agents);
    return seed == NULL ? -1 : *seed;
}

static void write_byte(const uerl_simulator *simulator, int32_t array, uint32_t row, int value)
{
    uint8_t *byte = uerl_simulator_row(simulator, array, row);
    if (byte != NULL)
        *byte = value != 0;
}

void uerl_simulator_outcome(uerl_simulator *simulator, uint32_t group, uint32_t row, double reward,
                            int terminated, int truncated)
{
    if (group >= simulator->segment.header.num_groups)
        return;
    const struct uerl_fixed_fields *fixed = &simulator->fixed[group];
    void *target = uerl_simulator_row(simulator, fixed->reward, row);
    if (target == NULL)
        return;
    if (simulator->segment.fields[fixed->reward].dtype == UERL_DTYPE_FLOAT64)
        *(double *)target = reward;
    else
        *(float *)target = (float)reward;
    write_byte(simulator, fixed->terminated, row, terminated);
    write_byte(simulator, fixed->truncated, row, truncated);
    write_byte(simulator, fixed->mask, row, 1);
}

void uerl_simulator_present(uerl_simulator *simulator, uint32_t group, uint32_t row, int present)
{
    if (group < simulator->segment.header.num_groups)
        write_byte(simulator, simulator->fixed[group].mask, row, present);
}

int uerl_simulator_ready(uerl_simulator *simulator)
{
    if (simulator->generation != 0)
        return uerl_fail(UERL_E_INVALID, "ready() was called twice, expected once after attach");
    const int error = uerl_simulator_check_bound(simulator);
    return error != UERL_OK ? error : simulator->way->ready(simulator);
}

int uerl_simulator_refuse(uerl_simulator *simulator, const char *text)
{
    uerl_simulator_write_error(simulator, text);
    simulator->way->refuse(simulator);
    return UERL_OK;
}

int uerl_simulator_receive(uerl_simulator *simulator, struct uerl_received *received,
                           int64_t timeout_ns)
{
    if (simulator->generation == 0 || simulator->in_command)
        return uerl_fail(UERL_E_INVALID, "receive() was called %s: call %s first",
                         simulator->generation == 0 ? "before ready()" : "with a command in hand",
                         simulator->generation == 0 ? "ready()" : "send()");
    return simulator->way->receive(simulator, received, timeout_ns);
}

static int commit(uerl_simulator *simulator, uint32_t status)
{
    if (!simulator->in_command)
        return uerl_fail(UERL_E_INVALID, "send() was called without a command in hand: call "
                                         "receive() first");
    return simulator->way->commit(simulator, status);
}

int uerl_simulator_send(uerl_simulator *simulator)
{
    return commit(simulator, UERL_RESULT_OK);
}

int uerl_simulator_fail(uerl_simulator *simulator, const char *text)
{
    uerl_simulator_write_error(simulator, text);
    return commit(simulator, UERL_RESULT_FAILED);
}

void uerl_simulator_detach(uerl_simulator *simulator)
{
    if (simulator != NULL)
        simulator->way->detach(simulator);
}
