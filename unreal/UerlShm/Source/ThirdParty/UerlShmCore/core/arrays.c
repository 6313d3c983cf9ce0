/* A copy of csrc/core/arrays.c, made by `make unreal`: change that one. */
/* arrays.c: the arrays of a lane: found, compared with what a simulator has, counted; portable. */
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "simulator_private.h"

static int32_t find_field(const struct uerl_segment *segment, uint32_t group, uint32_t role)
{
    for (uint32_t i = 0; i < segment->header.num_fields; i++)
        if (segment->fields[i].group == group && segment->fields[i].role == role)
            return (int32_t)i;
    return -1;
}

static bool has_bytes(const struct uerl_segment *segment, int32_t index, uint64_t bytes)
{
    return index < 0 || segment->fields[index].row_stride == bytes;
}

/* Of a group: does each hold what outcome(), control() and the like load and store? */
static bool have_sizes(const struct uerl_segment *segment, const struct uerl_fixed_fields *fixed)
{
    const struct uerl_field *reward = &segment->fields[fixed->reward];
    const bool is_float =
        reward->dtype == UERL_DTYPE_FLOAT32 || reward->dtype == UERL_DTYPE_FLOAT64;
    return is_float && has_bytes(segment, fixed->reward, uerl_dtype_bytes(reward->dtype)) &&
           has_bytes(segment, fixed->control, 1) && has_bytes(segment, fixed->seed, 8) &&
           has_bytes(segment, fixed->terminated, 1) && has_bytes(segment, fixed->truncated, 1) &&
           has_bytes(segment, fixed->mask, 1);
}

/* Finds the fields that outcome(), control() and the like use, and checks what they will store. */
int uerl_simulator_find_fixed_fields(uerl_simulator *simulator)
{
    const struct uerl_segment *segment = &simulator->segment;
    for (uint32_t group = 0; group < segment->header.num_groups; group++) {
        simulator->fixed[group] = (struct uerl_fixed_fields){
            .control = find_field(segment, group, UERL_ROLE_CONTROL),
            .seed = find_field(segment, group, UERL_ROLE_SEED),
            .reward = find_field(segment, group, UERL_ROLE_REWARD),
            .terminated = find_field(segment, group, UERL_ROLE_TERMINATED),
            .truncated = find_field(segment, group, UERL_ROLE_TRUNCATED),
            .mask = find_field(segment, group, UERL_ROLE_MASK),
        };
        const struct uerl_fixed_fields *fixed = &simulator->fixed[group];
        if (fixed->control < 0 || fixed->seed < 0 || fixed->reward < 0 || fixed->terminated < 0 ||
            fixed->truncated < 0 || !have_sizes(segment, fixed))
            return uerl_fail(UERL_E_LAYOUT,
                             "group %s lacks control, seed, reward, terminated or "
                             "truncated, or they have other sizes: the learner is older or damaged",
                             segment->groups[group].name);
    }
    return UERL_OK;
}

int uerl_simulator_array(const uerl_simulator *simulator, uint32_t index, struct uerl_array *array)
{
    const struct uerl_segment *segment = &simulator->segment;
    if (index >= segment->header.num_fields)
        return uerl_fail(UERL_E_INVALID, "array is %u, expected below %u", index,
                         segment->header.num_fields);
    const struct uerl_field *field = &segment->fields[index];
    *array = (struct uerl_array){
        .name = field->name,
        .group = segment->groups[field->group].name,
        .role = field->role,
        .dtype = field->dtype,
        .num_dims = field->num_dims,
        .num_rows = uerl_simulator_rows_of(simulator, field->group),
        .row_bytes = field->row_stride,
    };
    memcpy(array->shape, field->shape, sizeof array->shape);
    return UERL_OK;
}

static void print_shape(char *text, size_t size, uint32_t num_dims, const uint64_t *shape)
{
    size_t used = (size_t)snprintf(text, size, "(");
    for (uint32_t i = 0; i < num_dims && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i == 0 ? "%llu" : ", %llu",
                                 (unsigned long long)shape[i]);
    if (used < size)
        snprintf(text + used, size - used, ")");
}

static int mismatch(const struct uerl_field *field, uint32_t role, uint32_t dtype,
                    uint32_t num_dims, const uint64_t *shape)
{
    char theirs[200], ours[200];
    print_shape(theirs, sizeof theirs, field->num_dims, field->shape);
    print_shape(ours, sizeof ours, num_dims, shape);
    return uerl_fail(UERL_E_LAYOUT,
                     "array %s is %s %s (role %u) in the learner's spec, the simulator has %s %s "
                     "(role %u): rebuild the simulator, or give the learner its spec "
                     "(uerl-shm describe)",
                     field->name, uerl_dtype_name(field->dtype), theirs, field->role,
                     uerl_dtype_name(dtype), ours, role);
}

int32_t uerl_simulator_bind(uerl_simulator *simulator, const char *group, const char *name,
                            uint32_t role, uint32_t dtype, uint32_t num_dims, const uint64_t *shape)
{
    const struct uerl_segment *segment = &simulator->segment;
    for (uint32_t i = 0; i < segment->header.num_fields; i++) {
        const struct uerl_field *field = &segment->fields[i];
        const char *field_group = segment->groups[field->group].name;
        if (strcmp(field->name, name) != 0 ||
            (group == NULL ? field->group != 0 : strcmp(field_group, group) != 0))
            continue;
        if (field->role != role || field->dtype != dtype || field->num_dims != num_dims ||
            (num_dims > 0 && memcmp(field->shape, shape, num_dims * sizeof *shape) != 0))
            return mismatch(field, role, dtype, num_dims, shape);
        simulator->bound[i] = true;
        return (int32_t)i;
    }
    return uerl_fail(UERL_E_NOT_FOUND,
                     "array %s of group %s is not in the learner's spec: give the learner this "
                     "simulator's spec (uerl-shm describe)",
                     name, group == NULL ? segment->groups[0].name : group);
}

int uerl_simulator_check_bound(const uerl_simulator *simulator)
{
    const struct uerl_segment *segment = &simulator->segment;
    for (uint32_t i = 0; i < segment->header.num_fields; i++)
        if (segment->fields[i].role == UERL_ROLE_OBSERVATION && !simulator->bound[i])
            return uerl_fail(
                UERL_E_LAYOUT,
                "array %s of group %s is in the learner's spec, the simulator does not "
                "write it: give the learner this simulator's spec (uerl-shm describe)",
                segment->fields[i].name, segment->groups[segment->fields[i].group].name);
    return UERL_OK;
}
