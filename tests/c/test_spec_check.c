/* test_spec_check.c: a segment that somebody else made is believed only as far as it computes. */
#define _GNU_SOURCE
#include "segments.h"

/* The bytes of a segment as its learner leaves them, in memory that ends where the segment ends, so
 * that a sanitizer sees a look beyond it. */
struct image {
    uint8_t *bytes;
    uint64_t num_bytes;
    struct small_spec spec;
};

static struct image make_image(void)
{
    struct image image = {NULL, 0, small_spec(2, 2, 2, 3)};
    add_group(&image.spec, "other", 1);
    add_usual_fields(&image.spec);
    CHECK_EQUAL(lay_out(&image.spec), UERL_OK);
    image.spec.header.magic = UERL_MAGIC;
    image.spec.header.run_id = 77;
    const struct uerl_header *header = &image.spec.header;
    image.num_bytes = header->segment_bytes;
    image.bytes = calloc(1, image.num_bytes);
    memcpy(image.bytes, header, sizeof *header);
    memcpy(image.bytes + header->groups_offset, image.spec.groups,
           header->num_groups * sizeof *image.spec.groups);
    memcpy(image.bytes + header->fields_offset, image.spec.fields,
           header->num_fields * sizeof *image.spec.fields);
    memcpy(image.bytes + header->text_offset, small_text, header->text_bytes);
    return image;
}

/* What uerl_spec_check() says of the first num_bytes of an image; its copies. */
struct verdict {
    int error;
    struct uerl_header header;
    struct uerl_group *groups;
    struct uerl_field *fields;
};

static struct verdict check_image(const struct image *image)
{
    struct verdict verdict = {0};
    verdict.error = uerl_spec_check(image->bytes, image->num_bytes, &verdict.header,
                                    &verdict.groups, &verdict.fields);
    return verdict;
}

static void end_verdict(struct verdict *verdict)
{
    free(verdict->groups);
    free(verdict->fields);
}

/* Are the copies what the learner laid out, but for what describes no layout? */
static bool is_equal(struct verdict *verdict, const struct small_spec *spec)
{
    struct uerl_header expected = spec->header;
    verdict->header.run_id = expected.run_id;
    verdict->header.file_mode = expected.file_mode;
    memcpy(verdict->header.reserved_identity, expected.reserved_identity,
           sizeof expected.reserved_identity);
    return memcmp(&verdict->header, &expected, sizeof expected) == 0 &&
           memcmp(verdict->groups, spec->groups, expected.num_groups * sizeof *spec->groups) == 0 &&
           memcmp(verdict->fields, spec->fields, expected.num_fields * sizeof *spec->fields) == 0;
}

enum judgement { REFUSED, EQUAL, MISJUDGED };

/* Whatever the bytes are, they are refused with nothing left to free, or the copies are equal. */
static enum judgement judge(const struct image *image)
{
    struct verdict verdict = check_image(image);
    if (verdict.error != UERL_OK) {
        const bool said_why = (verdict.error == UERL_E_LAYOUT || verdict.error == UERL_E_CORRUPT) &&
                              uerl_last_error()[0] != '\0';
        return said_why && verdict.groups == NULL && verdict.fields == NULL ? REFUSED : MISJUDGED;
    }
    const bool equal = is_equal(&verdict, &image->spec);
    end_verdict(&verdict);
    return equal ? EQUAL : MISJUDGED;
}

TEST(an_intact_segment_is_accepted_and_copied)
{
    struct image image = make_image();
    struct verdict verdict = check_image(&image);
    CHECK_EQUAL(verdict.error, UERL_OK);
    CHECK_EQUAL(verdict.header.run_id, 77);
    CHECK(is_equal(&verdict, &image.spec));
    end_verdict(&verdict);
    free(image.bytes);
}

TEST(the_learners_words_and_the_hints_are_not_part_of_the_verdict)
{
    struct image image = make_image();
    memset(image.bytes + 256, 0xa5, UERL_HEADER_BYTES - 256);
    CHECK_EQUAL(judge(&image), EQUAL);
    struct verdict verdict = check_image(&image);
    CHECK_EQUAL(verdict.error, UERL_OK);
    CHECK_EQUAL(verdict.header.command_epoch, 0);
    CHECK_EQUAL(verdict.header.finished_count, 0);
    end_verdict(&verdict);
    free(image.bytes);
}

TEST(any_single_byte_of_header_and_tables_may_be_wrong)
{
    struct image image = make_image();
    const uint64_t end = image.spec.header.text_offset;
    uint64_t num_wrong = 0, num_refused = 0;
    for (uint64_t i = 0; i < end; i++) {
        const uint8_t byte = image.bytes[i];
        const uint8_t wrong[] = {(uint8_t)(byte ^ 1), (uint8_t)(byte ^ 0x80), (uint8_t)~byte, 0};
        for (size_t j = 0; j < sizeof wrong; j++) {
            image.bytes[i] = wrong[j];
            const enum judgement judgement = judge(&image);
            num_wrong += judgement == MISJUDGED;
            num_refused += judgement == REFUSED;
        }
        image.bytes[i] = byte;
    }
    CHECK_EQUAL(num_wrong, 0);
    /* Each of the first 120 bytes (but run_id's) and of the tables (but num_rows) decides. */
    const uint64_t tables = image.spec.header.num_groups * sizeof(struct uerl_group) +
                            image.spec.header.num_fields * sizeof(struct uerl_field);
    CHECK(num_refused >= 3 * (tables + 120 - 8 - image.spec.header.num_groups * 4));
    free(image.bytes);
}

TEST(any_word_of_header_and_tables_may_hold_an_extreme_value)
{
    struct image image = make_image();
    const uint64_t extremes[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, UINT64_C(1) << 32,
                                 UINT64_C(1) << 46, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX,
                                 UINT64_MAX - 63, image.num_bytes, image.num_bytes - 1};
    const uint64_t end = image.spec.header.text_offset;
    uint64_t num_wrong = 0;
    for (uint64_t i = 0; i < end; i += 4)
        for (size_t j = 0; j < sizeof extremes / sizeof *extremes; j++)
            for (size_t size = 4; size <= 8 && i + size <= end; size += 4) {
                uint8_t before[8];
                memcpy(before, image.bytes + i, size);
                memcpy(image.bytes + i, &extremes[j], size);
                num_wrong += judge(&image) == MISJUDGED;
                memcpy(image.bytes + i, before, size);
            }
    CHECK_EQUAL(num_wrong, 0);
    free(image.bytes);
}

TEST(many_words_may_be_wrong_at_once)
{
    struct image image = make_image();
    uint8_t *const intact = malloc(image.num_bytes);
    memcpy(intact, image.bytes, image.num_bytes);
    uint64_t random = 3, num_wrong = 0;
    for (int round = 0; round < 10000; round++) {
        for (uint64_t i = 1 + next_random(&random) % 6; i > 0; i--) {
            /* Identity, sizes and offsets most of the time: there the traps are. */
            const uint64_t end = next_random(&random) % 4 ? 120 : image.spec.header.text_offset;
            const uint64_t value = next_random(&random) >> (next_random(&random) % 64);
            const uint64_t at = 8 + next_random(&random) % (end - 16);
            memcpy(image.bytes + at, &value, next_random(&random) % 2 ? 4 : 8);
        }
        num_wrong += judge(&image) == MISJUDGED;
        memcpy(image.bytes, intact, image.num_bytes);
    }
    CHECK_EQUAL(num_wrong, 0);
    free(intact);
    free(image.bytes);
}

/* Somebody who computes as well as we do lies about the size of the file only. */
TEST(a_consistent_layout_in_too_small_a_file_is_refused)
{
    const struct image whole = make_image();
    const uint64_t num_pages = whole.num_bytes / UERL_PAGE_BYTES;
    for (uint64_t page = 0; page < num_pages; page++) {
        struct image image = whole;
        image.num_bytes = page * UERL_PAGE_BYTES + (page == 0 ? 100 : 0);
        image.bytes = malloc(image.num_bytes);
        memcpy(image.bytes, whole.bytes, image.num_bytes);
        struct verdict verdict = check_image(&image);
        CHECK(verdict.error == UERL_E_LAYOUT || verdict.error == UERL_E_CORRUPT);
        CHECK(verdict.groups == NULL && verdict.fields == NULL);
        free(image.bytes);
    }
    free(whole.bytes);
}

TEST(a_file_larger_than_its_layout_is_accepted)
{
    struct image image = make_image();
    image.num_bytes += UERL_PAGE_BYTES;
    image.bytes = realloc(image.bytes, image.num_bytes);
    CHECK_EQUAL(judge(&image), EQUAL);
    free(image.bytes);
}

TEST(what_is_no_segment_is_said_to_be_none)
{
    struct image image = make_image();
    memset(image.bytes, 0, sizeof(uint64_t));
    CHECK_EQUAL(check_image(&image).error, UERL_E_LAYOUT);
    CHECK_SAYS(uerl_last_error(), "magic is 0000000000000000, expected 314d48534c524555");
    image.num_bytes = 100;
    CHECK_EQUAL(check_image(&image).error, UERL_E_LAYOUT);
    CHECK_SAYS(uerl_last_error(), "the segment has 100 bytes, expected at least 4096");
    free(image.bytes);
}

TEST(another_layout_version_is_named_beside_ours)
{
    struct image image = make_image();
    ((struct uerl_header *)image.bytes)->layout_version = 9;
    CHECK_EQUAL(check_image(&image).error, UERL_E_LAYOUT);
    CHECK_SAYS(uerl_last_error(), "layout version 9, this side reads 1: rebuild the older side");
    free(image.bytes);
}

TEST(a_layout_that_computes_otherwise_is_refused_with_both_hashes)
{
    struct image image = make_image();
    ((struct uerl_header *)image.bytes)->layout_hash = 0x1234;
    char ours[32];
    snprintf(ours, sizeof ours, "%016llx", (unsigned long long)image.spec.header.layout_hash);
    CHECK_EQUAL(check_image(&image).error, UERL_E_LAYOUT);
    CHECK_SAYS(uerl_last_error(), "layout hash is 0000000000001234");
    CHECK_SAYS(uerl_last_error(), ours);
    free(image.bytes);
}

int main(void)
{
    RUN(an_intact_segment_is_accepted_and_copied);
    RUN(the_learners_words_and_the_hints_are_not_part_of_the_verdict);
    RUN(any_single_byte_of_header_and_tables_may_be_wrong);
    RUN(any_word_of_header_and_tables_may_hold_an_extreme_value);
    RUN(many_words_may_be_wrong_at_once);
    RUN(a_consistent_layout_in_too_small_a_file_is_refused);
    RUN(a_file_larger_than_its_layout_is_accepted);
    RUN(what_is_no_segment_is_said_to_be_none);
    RUN(another_layout_version_is_named_beside_ours);
    RUN(a_layout_that_computes_otherwise_is_refused_with_both_hashes);
    return check_result();
}
