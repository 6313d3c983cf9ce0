/* A copy of csrc/core/spec.c, made by `make unreal`: change that one. */
/* spec.c: from a spec to offsets; portable. */
#include "spec.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "atomics.h"
#include "error.h"

#define MAX_SEGMENT_BYTES (UINT64_C(1) << 46) /* half of what a 47-bit address space could map */

static const struct {
    uint8_t bytes;
    const char *name;
} dtypes[] = {
    [UERL_DTYPE_BOOL] = {1, "bool"},           [UERL_DTYPE_INT8] = {1, "int8"},
    [UERL_DTYPE_UINT8] = {1, "uint8"},         [UERL_DTYPE_INT16] = {2, "int16"},
    [UERL_DTYPE_UINT16] = {2, "uint16"},       [UERL_DTYPE_INT32] = {4, "int32"},
    [UERL_DTYPE_UINT32] = {4, "uint32"},       [UERL_DTYPE_INT64] = {8, "int64"},
    [UERL_DTYPE_UINT64] = {8, "uint64"},       [UERL_DTYPE_FLOAT16] = {2, "float16"},
    [UERL_DTYPE_FLOAT32] = {4, "float32"},     [UERL_DTYPE_FLOAT64] = {8, "float64"},
    [UERL_DTYPE_COMPLEX64] = {8, "complex64"}, [UERL_DTYPE_COMPLEX128] = {16, "complex128"},
};

uint32_t uerl_dtype_bytes(uint32_t dtype)
{
    return dtype < sizeof dtypes / sizeof *dtypes ? dtypes[dtype].bytes : 0;
}

const char *uerl_dtype_name(uint32_t dtype)
{
    return uerl_dtype_bytes(dtype) != 0 ? dtypes[dtype].name : "an unknown dtype";
}

uint64_t uerl_row_bytes(uint32_t dtype, uint32_t num_dims, const uint64_t *shape)
{
    uint64_t bytes = uerl_dtype_bytes(dtype);
    if (num_dims > UERL_MAX_DIMS)
        return 0;
    for (uint32_t i = 0; i < num_dims; i++)
        if (__builtin_mul_overflow(bytes, shape[i], &bytes) || bytes > MAX_SEGMENT_BYTES)
            return 0;
    return bytes;
}

/* Moves *end past `count` times `bytes` at a multiple of `alignment`; returns where they start.
 * Sticks at MAX_SEGMENT_BYTES + 1 on overflow, which the caller checks once at the end. */
static uint64_t place(uint64_t *end, uint64_t alignment, uint64_t count, uint64_t bytes)
{
    const uint64_t start = (*end + alignment - 1) / alignment * alignment;
    uint64_t size, stop;
    if (__builtin_mul_overflow(count, bytes, &size) || __builtin_add_overflow(start, size, &stop) ||
        stop > MAX_SEGMENT_BYTES)
        stop = MAX_SEGMENT_BYTES + 1;
    *end = stop;
    return start;
}

static bool name_ends(const char *name)
{
    return name[0] != '\0' && memchr(name, '\0', UERL_NAME_BYTES) != NULL;
}

static int check_range(const char *what, uint64_t found, uint64_t low, uint64_t high)
{
    if (found >= low && found <= high)
        return UERL_OK;
    return uerl_fail(UERL_E_INVALID, "%s is %llu, expected %llu to %llu: change the spec", what,
                     (unsigned long long)found, (unsigned long long)low, (unsigned long long)high);
}

static int check_counts(const struct uerl_header *header)
{
    int error = check_range("number of lanes", header->num_lanes, 1, UERL_MAX_LANES);
    if (error == UERL_OK)
        error = check_range("envs per simulator", header->envs_per_lane, 1, UERL_MAX_ROWS);
    if (error == UERL_OK)
        error = check_range("number of groups", header->num_groups, 1, UERL_MAX_GROUPS);
    if (error == UERL_OK)
        error = check_range("number of fields", header->num_fields, 1, UERL_MAX_FIELDS);
    if (error == UERL_OK)
        error = check_range("slots", header->num_slots, 2, UERL_MAX_SLOTS);
    if (error == UERL_OK)
        error = check_range("autoreset mode", header->autoreset_mode, 0, UERL_AUTORESET_DISABLED);
    if (error == UERL_OK)
        error = check_range("message_bytes", header->message_bytes, 0, UERL_MAX_MESSAGE_BYTES);
    if (error == UERL_OK)
        error = check_range("bytes of spec text", header->text_bytes, 1, UERL_MAX_TEXT_BYTES);
    return error;
}

static int layout_group(const struct uerl_header *header, struct uerl_group *group)
{
    if (!name_ends(group->name))
        return uerl_fail(UERL_E_INVALID, "a group has no name: name every group of the spec");
    const uint64_t num_envs = (uint64_t)header->num_lanes * header->envs_per_lane;
    /* Too many envs are too many rows; and only then could the product overflow. */
    const uint64_t num_rows = num_envs > UERL_MAX_ROWS ? num_envs : num_envs * group->rows_per_env;
    if (num_rows == 0 || num_rows > UERL_MAX_ROWS)
        return uerl_fail(UERL_E_INVALID, "group %s has %llu rows, expected 1 to %d: use fewer envs",
                         group->name, (unsigned long long)num_rows, UERL_MAX_ROWS);
    group->num_rows = (uint32_t)num_rows;
    return UERL_OK;
}

static int layout_field(const struct uerl_header *header, const struct uerl_group *groups,
                        struct uerl_field *field, uint64_t *end)
{
    if (!name_ends(field->name) || field->group >= header->num_groups)
        return uerl_fail(UERL_E_INVALID, "a field has no name or group %u, expected below %u",
                         field->group, header->num_groups);
    const uint64_t row_bytes = uerl_row_bytes(field->dtype, field->num_dims, field->shape);
    if (row_bytes == 0)
        return uerl_fail(UERL_E_INVALID,
                         "field %s has an impossible dtype or shape, expected a known dtype and at "
                         "most %d axes of at least 1: change the spec",
                         field->name, UERL_MAX_DIMS);
    for (uint32_t i = field->num_dims; i < UERL_MAX_DIMS; i++)
        field->shape[i] = 0;
    field->row_stride = row_bytes;
    const uint64_t num_rows = groups[field->group].num_rows;
    if (__builtin_mul_overflow(row_bytes, num_rows, &field->slot_stride))
        field->slot_stride = MAX_SEGMENT_BYTES;
    field->offset = place(end, UERL_PAGE_BYTES, header->num_slots, field->slot_stride);
    return UERL_OK;
}

static uint64_t fnv1a(uint64_t hash, const void *bytes, size_t count)
{
    const uint8_t *byte = bytes;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* FNV-1a, 64 bits (Fowler, Noll, Vo), over everything that decides where a byte is. */
static uint64_t layout_hash(const struct uerl_header *header, const struct uerl_group *groups,
                            const struct uerl_field *fields)
{
    const uint32_t counts[] = {header->layout_version, header->num_lanes,     header->envs_per_lane,
                               header->num_groups,     header->num_fields,    header->num_slots,
                               header->autoreset_mode, header->message_bytes, header->text_bytes};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    hash = fnv1a(hash, counts, sizeof counts);
    hash = fnv1a(hash, groups, header->num_groups * sizeof *groups);
    return fnv1a(hash, fields, header->num_fields * sizeof *fields);
}

int uerl_spec_layout(struct uerl_header *header, struct uerl_group *groups,
                     struct uerl_field *fields)
{
    int error = check_counts(header);
    for (uint32_t i = 0; error == UERL_OK && i < header->num_groups; i++)
        error = layout_group(header, &groups[i]);
    if (error != UERL_OK)
        return error;

    header->layout_version = UERL_LAYOUT_VERSION;
    header->header_bytes = UERL_HEADER_BYTES;
    uint64_t end = UERL_HEADER_BYTES;
    header->groups_offset = place(&end, 64, header->num_groups, sizeof *groups);
    header->fields_offset = place(&end, 64, header->num_fields, sizeof *fields);
    header->text_offset = place(&end, 64, 1, header->text_bytes);
    header->slot_epochs_offset = place(&end, 128, header->num_slots, sizeof(uint32_t));
    const uint64_t message =
        ((uint64_t)header->message_bytes + sizeof(struct uerl_message) + 127) / 128 * 128;
    header->lane_bytes =
        sizeof(struct uerl_lane_commands) + sizeof(struct uerl_lane_results) + 2 * message;
    header->lanes_offset = place(&end, UERL_PAGE_BYTES, header->num_lanes, header->lane_bytes);
    for (uint32_t i = 0; i < header->num_fields; i++) {
        error = layout_field(header, groups, &fields[i], &end);
        if (error != UERL_OK)
            return error;
    }
    header->segment_bytes = (end + UERL_PAGE_BYTES - 1) / UERL_PAGE_BYTES * UERL_PAGE_BYTES;
    if (end > MAX_SEGMENT_BYTES)
        return uerl_fail(UERL_E_INVALID,
                         "the segment would be larger than %llu bytes: use fewer envs or slots",
                         (unsigned long long)MAX_SEGMENT_BYTES);
    header->layout_hash = layout_hash(header, groups, fields);
    return UERL_OK;
}

static int check_version(const struct uerl_header *header)
{
    if (header->magic != UERL_MAGIC)
        return uerl_fail(UERL_E_LAYOUT,
                         "magic is %016llx, expected %016llx: this is no segment of "
                         "uerl_shm; choose another name",
                         (unsigned long long)header->magic, (unsigned long long)UERL_MAGIC);
    if (header->layout_version != UERL_LAYOUT_VERSION || header->header_bytes != UERL_HEADER_BYTES)
        return uerl_fail(UERL_E_LAYOUT,
                         "the segment has layout version %u, this side reads %u: "
                         "rebuild the older side (a simulator: against this uerl_shm.h)",
                         header->layout_version, UERL_LAYOUT_VERSION);
    return UERL_OK;
}

/* A copy of `bytes` bytes at `offset`, or null when they do not lie inside the segment. */
static void *copy_table(const void *mapping, uint64_t segment_bytes, uint64_t offset,
                        uint64_t bytes)
{
    if (offset > segment_bytes || bytes > segment_bytes - offset)
        return NULL;
    void *copy = malloc(bytes);
    if (copy != NULL)
        memcpy(copy, (const uint8_t *)mapping + offset, bytes);
    return copy;
}

static int check_against_again(const struct uerl_header *header, struct uerl_group *groups,
                               struct uerl_field *fields, uint64_t bytes)
{
    struct uerl_header again = *header;
    struct uerl_field *const fields_again = malloc(header->num_fields * sizeof *fields);
    if (fields_again == NULL)
        return uerl_fail(UERL_E_SYSTEM, "no memory for the field table");
    memcpy(fields_again, fields, header->num_fields * sizeof *fields);
    int error = uerl_spec_layout(&again, groups, fields_again);
    if (error == UERL_OK &&
        (memcmp(&again, header, sizeof again) != 0 || again.segment_bytes > bytes ||
         memcmp(fields_again, fields, header->num_fields * sizeof *fields) != 0))
        error = uerl_fail(UERL_E_LAYOUT,
                          "layout hash is %016llx in %llu bytes, this side computes %016llx and "
                          "%llu bytes: rebuild the side that is older",
                          (unsigned long long)header->layout_hash, (unsigned long long)bytes,
                          (unsigned long long)again.layout_hash,
                          (unsigned long long)again.segment_bytes);
    free(fields_again);
    return error == UERL_E_INVALID ? UERL_E_CORRUPT : error;
}

int uerl_spec_check(const void *mapping, uint64_t bytes, struct uerl_header *header,
                    struct uerl_group **groups, struct uerl_field **fields)
{
    if (bytes < UERL_HEADER_BYTES)
        return uerl_fail(UERL_E_LAYOUT,
                         "the segment has %llu bytes, expected at least %d: this is "
                         "no segment of uerl_shm",
                         (unsigned long long)bytes, UERL_HEADER_BYTES);
    const struct uerl_header *shared = mapping;
    /* [M] Everything the learner stored before the magic is visible after it. Pairs with [B]. */
    const uint64_t magic = load_acquire_u64(&shared->magic);
    /* Identity and sizes only: the words behind them are stored to while we look. */
    memset(header, 0, sizeof *header);
    memcpy(header, mapping, offsetof(struct uerl_header, command_epoch));
    header->magic = magic;
    int error = check_version(header);
    if (error != UERL_OK)
        return error;
    if (header->num_groups > UERL_MAX_GROUPS || header->num_fields > UERL_MAX_FIELDS)
        return uerl_fail(UERL_E_CORRUPT,
                         "header names %u groups and %u fields, expected at most %d "
                         "and %d: restart the learner",
                         header->num_groups, header->num_fields, UERL_MAX_GROUPS, UERL_MAX_FIELDS);
    *groups =
        copy_table(mapping, bytes, header->groups_offset, header->num_groups * sizeof **groups);
    *fields =
        copy_table(mapping, bytes, header->fields_offset, header->num_fields * sizeof **fields);
    if (*groups == NULL || *fields == NULL)
        error = uerl_fail(UERL_E_CORRUPT,
                          "the tables lie outside the segment's %llu bytes: restart "
                          "the learner",
                          (unsigned long long)bytes);
    else
        error = check_against_again(header, *groups, *fields, bytes);
    if (error != UERL_OK) {
        free(*groups);
        free(*fields);
        *groups = NULL;
        *fields = NULL;
    }
    return error;
}
