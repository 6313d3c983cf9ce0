/* test_spec.c: from a spec to offsets: nothing overlaps, nothing overflows, nonsense is refused. */
#define _GNU_SOURCE
#include "segments.h"

/* One part of a segment. */
struct part {
    uint64_t start, bytes;
};

static int by_start(const void *a, const void *b)
{
    const struct part *left = a, *right = b;
    return left->start < right->start ? -1 : left->start > right->start;
}

/* All parts of a layout, by where they start. */
static uint32_t parts_of(const struct small_spec *spec, struct part parts[64])
{
    const struct uerl_header *header = &spec->header;
    uint32_t count = 0;
    parts[count++] = (struct part){0, header->header_bytes};
    parts[count++] = (struct part){header->groups_offset,
                                   header->num_groups * sizeof(struct uerl_group)};
    parts[count++] = (struct part){header->fields_offset,
                                   header->num_fields * sizeof(struct uerl_field)};
    parts[count++] = (struct part){header->text_offset, header->text_bytes};
    parts[count++] = (struct part){header->slot_epochs_offset, header->num_slots * UINT64_C(4)};
    parts[count++] = (struct part){header->lanes_offset, header->num_lanes * header->lane_bytes};
    for (uint32_t i = 0; i < header->num_fields; i++)
        parts[count++] = (struct part){spec->fields[i].offset,
                                       header->num_slots * spec->fields[i].slot_stride};
    qsort(parts, count, sizeof *parts, by_start);
    return count;
}

static void check_alignment(const struct small_spec *spec)
{
    const struct uerl_header *header = &spec->header;
    CHECK_EQUAL(header->groups_offset % 64, 0);
    CHECK_EQUAL(header->fields_offset % 64, 0);
    CHECK_EQUAL(header->text_offset % 64, 0);
    CHECK_EQUAL(header->slot_epochs_offset % 128, 0);
    CHECK_EQUAL(header->lanes_offset % UERL_PAGE_BYTES, 0);
    CHECK_EQUAL(header->lane_bytes % 128, 0); /* two writers never share a pair of cache lines */
    CHECK_EQUAL(header->segment_bytes % UERL_PAGE_BYTES, 0);
    for (uint32_t i = 0; i < header->num_fields; i++)
        CHECK_EQUAL(spec->fields[i].offset % UERL_PAGE_BYTES, 0);
}

static void check_layout(const struct small_spec *spec)
{
    struct part parts[64];
    const uint32_t count = parts_of(spec, parts);
    check_alignment(spec);
    for (uint32_t i = 0; i + 1 < count; i++)
        CHECK(parts[i].start + parts[i].bytes <= parts[i + 1].start);
    CHECK(parts[count - 1].start + parts[count - 1].bytes <= spec->header.segment_bytes);
    for (uint32_t i = 0; i < spec->header.num_fields; i++) {
        const struct uerl_field *field = &spec->fields[i];
        const uint64_t num_rows = spec->groups[field->group].num_rows;
        CHECK_EQUAL(field->row_stride,
                    uerl_row_bytes(field->dtype, field->num_dims, field->shape));
        CHECK_EQUAL(field->slot_stride, num_rows * field->row_stride);
    }
}

TEST(a_small_spec_becomes_the_layout_that_the_header_draws)
{
    struct small_spec spec = small_spec(2, 3, 2, 4);
    CHECK_EQUAL(lay_out(&spec), UERL_OK);
    check_layout(&spec);
    CHECK_EQUAL(spec.header.layout_version, UERL_LAYOUT_VERSION);
    CHECK_EQUAL(spec.header.header_bytes, UERL_HEADER_BYTES);
    CHECK_EQUAL(spec.header.groups_offset, UERL_HEADER_BYTES);
    CHECK_EQUAL(spec.header.fields_offset, UERL_HEADER_BYTES + sizeof(struct uerl_group));
    CHECK_EQUAL(spec.header.lane_bytes, 256 + 256 + 2 * (64 + 256 + 64));
    CHECK_EQUAL(spec.groups[0].num_rows, 2 * 3 * 2);
    CHECK_EQUAL(spec.fields[0].row_stride, 3 * sizeof(float));
    CHECK_EQUAL(spec.fields[0].slot_stride, 12 * 3 * sizeof(float));
}

TEST(parts_never_overlap_whatever_the_spec)
{
    uint64_t random = 1;
    for (int round = 0; round < 2000; round++) {
        struct small_spec spec = small_spec(1 + next_random(&random) % 40,
                                            1 + next_random(&random) % 5,
                                            1 + next_random(&random) % 3,
                                            2 + next_random(&random) % 70);
        spec.header.text_bytes = 1 + next_random(&random) % 9000;
        spec.header.message_bytes = next_random(&random) % 5000;
        for (uint64_t i = next_random(&random) % 20; i > 0; i--) {
            struct uerl_field *field = add_field(&spec, "info/x", UERL_ROLE_INFO,
                                                 1 + next_random(&random) % 14, 1);
            field->num_dims = next_random(&random) % (UERL_MAX_DIMS + 1);
            for (uint32_t axis = 0; axis < field->num_dims; axis++)
                field->shape[axis] = 1 + next_random(&random) % 3;
        }
        CHECK_EQUAL(lay_out(&spec), UERL_OK);
        check_layout(&spec);
    }
}

TEST(the_layout_of_a_layout_is_the_same)
{
    struct small_spec spec = small_spec(3, 2, 2, 5);
    add_group(&spec, "other", 7);
    add_usual_fields(&spec);
    CHECK_EQUAL(lay_out(&spec), UERL_OK);
    struct small_spec again = spec;
    CHECK_EQUAL(lay_out(&again), UERL_OK);
    CHECK(memcmp(&again, &spec, sizeof spec) == 0);
    CHECK_EQUAL(spec.groups[1].num_rows, 3 * 2 * 7);
    CHECK_EQUAL(spec.fields[7].slot_stride, 42 * 3 * sizeof(float));
}

TEST(axes_that_are_not_used_are_cleared)
{
    struct small_spec spec = small_spec(1, 1, 1, 2);
    spec.fields[0].shape[5] = 77;
    CHECK_EQUAL(lay_out(&spec), UERL_OK);
    CHECK_EQUAL(spec.fields[0].shape[5], 0);
}

static uint64_t hash_of(struct small_spec spec)
{
    CHECK_EQUAL(lay_out(&spec), UERL_OK);
    return spec.header.layout_hash;
}

#define CHECK_HASHED(change)                                                                      \
    do {                                                                                          \
        struct small_spec spec = small_spec(2, 2, 2, 4);                                          \
        change;                                                                                   \
        CHECK(hash_of(spec) != hash_of(small_spec(2, 2, 2, 4)));                                  \
    } while (0)

TEST(the_layout_hash_knows_everything_that_the_two_sides_must_agree_on)
{
    CHECK(hash_of(small_spec(2, 2, 2, 4)) == hash_of(small_spec(2, 2, 2, 4)));
    CHECK_HASHED(spec.header.num_lanes = 3);
    CHECK_HASHED(spec.header.envs_per_lane = 3);
    CHECK_HASHED(spec.header.num_slots = 5);
    CHECK_HASHED(spec.header.autoreset_mode = UERL_AUTORESET_SAME_STEP);
    CHECK_HASHED(spec.header.message_bytes++);
    CHECK_HASHED(spec.header.text_bytes++);
    CHECK_HASHED(spec.groups[0].name[0] = 'x');
    CHECK_HASHED(spec.groups[0].rows_per_env = 1);
    CHECK_HASHED(spec.fields[0].name[0] = 'x');
    CHECK_HASHED(spec.fields[0].role = UERL_ROLE_INFO);
    CHECK_HASHED(spec.fields[0].dtype = UERL_DTYPE_INT32); /* as many bytes as before */
    CHECK_HASHED(spec.fields[0].shape[0] = 4);
    CHECK_HASHED(add_field(&spec, "info/x", UERL_ROLE_INFO, UERL_DTYPE_BOOL, 0));
}

TEST(the_layout_hash_does_not_depend_on_who_runs)
{
    struct small_spec spec = small_spec(2, 2, 2, 4);
    const uint64_t before = hash_of(spec);
    spec.header.magic = 1;
    spec.header.run_id = 2;
    spec.header.command_epoch = 3;
    CHECK(hash_of(spec) == before);
}

/* Refusals ------------------------------------------------------------------------------------- */

TEST(every_impossible_count_is_refused_by_name)
{
    const struct {
        size_t offset;
        uint32_t value;
        const char *says;
    } bad[] = {
        {offsetof(struct uerl_header, num_lanes), 0, "number of lanes is 0"},
        {offsetof(struct uerl_header, num_lanes), UERL_MAX_LANES + 1, "number of lanes is 65537"},
        {offsetof(struct uerl_header, num_lanes), UINT32_MAX, "number of lanes is 4294967295"},
        {offsetof(struct uerl_header, envs_per_lane), 0, "envs per simulator is 0"},
        {offsetof(struct uerl_header, envs_per_lane), UERL_MAX_ROWS + 1, "envs per simulator"},
        {offsetof(struct uerl_header, num_groups), 0, "number of groups is 0"},
        {offsetof(struct uerl_header, num_groups), UERL_MAX_GROUPS + 1, "number of groups is 65"},
        {offsetof(struct uerl_header, num_fields), 0, "number of fields is 0"},
        {offsetof(struct uerl_header, num_fields), UERL_MAX_FIELDS + 1, "number of fields is 1025"},
        {offsetof(struct uerl_header, num_slots), 0, "slots is 0, expected 2 to 65536"},
        {offsetof(struct uerl_header, num_slots), 1, "slots is 1, expected 2 to 65536"},
        {offsetof(struct uerl_header, num_slots), UERL_MAX_SLOTS + 1, "slots is 65537"},
        {offsetof(struct uerl_header, autoreset_mode), 3, "autoreset mode is 3, expected 0 to 2"},
        {offsetof(struct uerl_header, message_bytes), UERL_MAX_MESSAGE_BYTES + 1, "message_bytes"},
        {offsetof(struct uerl_header, message_bytes), UINT32_MAX, "message_bytes is 4294967295"},
        {offsetof(struct uerl_header, text_bytes), 0, "bytes of spec text is 0"},
        {offsetof(struct uerl_header, text_bytes), UERL_MAX_TEXT_BYTES + 1, "bytes of spec text"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct small_spec spec = small_spec(2, 2, 2, 4);
        memcpy((uint8_t *)&spec.header + bad[i].offset, &bad[i].value, sizeof bad[i].value);
        CHECK_EQUAL(lay_out(&spec), UERL_E_INVALID);
        CHECK_SAYS(uerl_last_error(), bad[i].says);
    }
}

TEST(names_must_be_there_and_must_end)
{
    for (int long_one = 0; long_one < 2; long_one++) {
        struct small_spec spec = small_spec(1, 1, 1, 2);
        memset(spec.groups[0].name, long_one ? 'a' : 0, UERL_NAME_BYTES);
        CHECK_EQUAL(lay_out(&spec), UERL_E_INVALID);
        CHECK_SAYS(uerl_last_error(), "a group has no name");
        spec = small_spec(1, 1, 1, 2);
        memset(spec.fields[3].name, long_one ? 'a' : 0, UERL_NAME_BYTES);
        CHECK_EQUAL(lay_out(&spec), UERL_E_INVALID);
        CHECK_SAYS(uerl_last_error(), "a field has no name");
    }
}

TEST(a_field_of_a_group_that_does_not_exist_is_refused)
{
    struct small_spec spec = small_spec(1, 1, 1, 2);
    spec.fields[2].group = 1;
    CHECK_EQUAL(lay_out(&spec), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "group 1, expected below 1");
}

static int error_of_shape(uint32_t dtype, uint32_t num_dims, uint64_t first, uint64_t second)
{
    struct small_spec spec = small_spec(1, 1, 1, 2);
    spec.fields[0].dtype = dtype;
    spec.fields[0].num_dims = num_dims;
    spec.fields[0].shape[0] = first;
    spec.fields[0].shape[1] = second;
    return lay_out(&spec);
}

TEST(impossible_shapes_and_dtypes_are_refused)
{
    CHECK_EQUAL(error_of_shape(UERL_DTYPE_FLOAT32, 2, 3, 5), UERL_OK);
    CHECK_EQUAL(error_of_shape(0, 2, 3, 5), UERL_E_INVALID);
    CHECK_EQUAL(error_of_shape(UERL_DTYPE_COMPLEX128 + 1, 2, 3, 5), UERL_E_INVALID);
    CHECK_EQUAL(error_of_shape(UINT32_MAX, 2, 3, 5), UERL_E_INVALID);
    CHECK_EQUAL(error_of_shape(UERL_DTYPE_FLOAT32, 2, 0, 5), UERL_E_INVALID);
    CHECK_EQUAL(error_of_shape(UERL_DTYPE_FLOAT32, 2, 3, 0), UERL_E_INVALID);
    CHECK_EQUAL(error_of_shape(UERL_DTYPE_FLOAT32, UERL_MAX_DIMS + 1, 1, 1), UERL_E_INVALID);
    CHECK_EQUAL(error_of_shape(UERL_DTYPE_FLOAT32, UINT32_MAX, 1, 1), UERL_E_INVALID);
}

TEST(shapes_whose_bytes_overflow_are_refused)
{
    const uint64_t half = UINT64_C(1) << 32;
    CHECK_EQUAL(error_of_shape(UERL_DTYPE_UINT8, 2, half, half), UERL_E_INVALID);
    CHECK_EQUAL(error_of_shape(UERL_DTYPE_FLOAT32, 1, UINT64_C(1) << 62, 0), UERL_E_INVALID);
    CHECK_EQUAL(error_of_shape(UERL_DTYPE_FLOAT32, 1, (UINT64_C(1) << 62) + 1, 0), UERL_E_INVALID);
    CHECK_EQUAL(error_of_shape(UERL_DTYPE_UINT8, 1, UINT64_MAX, 0), UERL_E_INVALID);
    CHECK_EQUAL(error_of_shape(UERL_DTYPE_UINT8, 2, UINT64_MAX, 2), UERL_E_INVALID);
    CHECK_EQUAL(error_of_shape(UERL_DTYPE_UINT8, 1, UINT64_C(1) << 45, 0), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "the segment would be larger than 70368744177664 bytes");
}

/* Each count alone is possible, their product is not. */
TEST(rows_and_sizes_that_only_overflow_together_are_refused)
{
    struct small_spec spec = small_spec(UERL_MAX_LANES, UERL_MAX_ROWS, UERL_MAX_ROWS, 2);
    CHECK_EQUAL(lay_out(&spec), UERL_E_INVALID); /* 2^64 rows */
    CHECK_SAYS(uerl_last_error(), "group agent has 1099511627776 rows");
    spec = small_spec(UERL_MAX_LANES, 1, 257, 2);
    CHECK_EQUAL(lay_out(&spec), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "group agent has 16842752 rows, expected 1 to 16777216");
    spec = small_spec(1, 1, 0, 2);
    CHECK_EQUAL(lay_out(&spec), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "group agent has 0 rows");
    spec = small_spec(UERL_MAX_LANES, 256, 1, UERL_MAX_SLOTS);
    spec.fields[0].shape[0] = UINT64_C(1) << 24; /* 2^26 x 2^24 x 2^16 bytes */
    CHECK_EQUAL(lay_out(&spec), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "the segment would be larger");
    spec = small_spec(UERL_MAX_LANES, 256, 1, UERL_MAX_SLOTS);
    spec.fields[0].shape[0] = UINT64_C(1) << 40; /* already a slot overflows */
    CHECK_EQUAL(lay_out(&spec), UERL_E_INVALID);
}

TEST(dtypes_have_the_sizes_and_names_of_numpy)
{
    const struct {
        uint32_t dtype, bytes;
        const char *name;
    } known[] = {
        {UERL_DTYPE_BOOL, 1, "bool"},        {UERL_DTYPE_INT8, 1, "int8"},
        {UERL_DTYPE_UINT8, 1, "uint8"},      {UERL_DTYPE_INT16, 2, "int16"},
        {UERL_DTYPE_UINT16, 2, "uint16"},    {UERL_DTYPE_INT32, 4, "int32"},
        {UERL_DTYPE_UINT32, 4, "uint32"},    {UERL_DTYPE_INT64, 8, "int64"},
        {UERL_DTYPE_UINT64, 8, "uint64"},    {UERL_DTYPE_FLOAT16, 2, "float16"},
        {UERL_DTYPE_FLOAT32, 4, "float32"},  {UERL_DTYPE_FLOAT64, 8, "float64"},
        {UERL_DTYPE_COMPLEX64, 8, "complex64"}, {UERL_DTYPE_COMPLEX128, 16, "complex128"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        CHECK_EQUAL(known[i].dtype, i + 1);
        CHECK_EQUAL(uerl_dtype_bytes(known[i].dtype), known[i].bytes);
        CHECK(strcmp(uerl_dtype_name(known[i].dtype), known[i].name) == 0);
    }
    CHECK_EQUAL(uerl_dtype_bytes(0), 0);
    CHECK_EQUAL(uerl_dtype_bytes(15), 0);
    CHECK_SAYS(uerl_dtype_name(15), "unknown");
}

int main(void)
{
    RUN(a_small_spec_becomes_the_layout_that_the_header_draws);
    RUN(parts_never_overlap_whatever_the_spec);
    RUN(the_layout_of_a_layout_is_the_same);
    RUN(axes_that_are_not_used_are_cleared);
    RUN(the_layout_hash_knows_everything_that_the_two_sides_must_agree_on);
    RUN(the_layout_hash_does_not_depend_on_who_runs);
    RUN(every_impossible_count_is_refused_by_name);
    RUN(names_must_be_there_and_must_end);
    RUN(a_field_of_a_group_that_does_not_exist_is_refused);
    RUN(impossible_shapes_and_dtypes_are_refused);
    RUN(shapes_whose_bytes_overflow_are_refused);
    RUN(rows_and_sizes_that_only_overflow_together_are_refused);
    RUN(dtypes_have_the_sizes_and_names_of_numpy);
    return check_result();
}
