/* test_pixels.c: every path makes the same bytes of camera pixels as a plain loop, and touches no
 * byte beside them. Frames and rows stand against pages that nobody may touch. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "pixels_private.h"
#include "uerl_shm/uerl_shm.h"

#define NUM_FORMATS 4
#define UNTOUCHED 0xa5
#define MARGIN 64 /* bytes beside a row that must stay as they are */
#define MAX_BYTES (256 * 1024)

static const uint32_t channels[NUM_FORMATS] = {3, 3, 1, 4};

/* MAX_BYTES between two pages that may not be touched. */
struct fenced {
    uint8_t *start, *end;
};

static struct fenced from, to; /* camera pixels, and the row */
static uint8_t expected[MAX_BYTES];
static uint64_t state = 1;

static uint32_t random_below(uint32_t limit)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % limit;
}

static struct fenced fenced_memory(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *base = mmap(NULL, MAX_BYTES + 2 * page, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base, page, PROT_NONE) != 0 ||
        mprotect(base + page + MAX_BYTES, page, PROT_NONE) != 0)
        abort();
    return (struct fenced){base + page, base + page + MAX_BYTES};
}

/* One pixel, as the header says. */
static void expect_pixel(uint8_t *pixel, enum uerl_pixels format, const uint8_t *bgra)
{
    switch (format) {
    case UERL_PIXELS_RGB:
        pixel[0] = bgra[2];
        pixel[1] = bgra[1];
        pixel[2] = bgra[0];
        break;
    case UERL_PIXELS_BGR:
        memcpy(pixel, bgra, 3);
        break;
    case UERL_PIXELS_GRAY:
        pixel[0] = (uint8_t)((9798 * bgra[2] + 19235 * bgra[1] + 3735 * bgra[0] + 16384) >> 15);
        break;
    case UERL_PIXELS_BGRA:
        memcpy(pixel, bgra, 4);
    }
}

struct frame {
    enum uerl_pixels format;
    uint32_t width, height;
    uint64_t pitch_bytes;
};

static size_t row_bytes(const struct frame *frame)
{
    return (size_t)frame->width * frame->height * channels[frame->format];
}

static size_t source_bytes(const struct frame *frame)
{
    return (size_t)((frame->height - 1) * frame->pitch_bytes + frame->width * UINT64_C(4));
}

/* Fills `pixels` and says what the row must become. */
static void make_frame(const struct frame *frame, uint8_t *pixels)
{
    for (size_t i = 0; i < source_bytes(frame); i++)
        pixels[i] = (uint8_t)random_below(256);
    uint8_t *next = expected;
    for (uint32_t y = 0; y < frame->height; y++)
        for (uint32_t x = 0; x < frame->width; x++, next += channels[frame->format])
            expect_pixel(next, frame->format, pixels + y * frame->pitch_bytes + x * 4);
}

/* Clears the row and what stands beside it, as far as it may be touched. */
static void clear_row(uint8_t *row, size_t bytes)
{
    uint8_t *first = row - to.start < MARGIN ? to.start : row - MARGIN;
    uint8_t *end = to.end - (row + bytes) < MARGIN ? to.end : row + bytes + MARGIN;
    memset(first, UNTOUCHED, (size_t)(end - first));
}

static bool is_row_right(const uint8_t *row, size_t bytes)
{
    for (const uint8_t *p = row - MARGIN; p < row; p++)
        if (p >= to.start && *p != UNTOUCHED)
            return false;
    for (const uint8_t *p = row + bytes; p < row + bytes + MARGIN; p++)
        if (p < to.end && *p != UNTOUCHED)
            return false;
    return memcmp(row, expected, bytes) == 0;
}

/* The public call and every path this processor can take. */
static bool all_paths_agree(const struct frame *frame, const uint8_t *pixels, uint8_t *row)
{
    const struct uerl_pixels_path *paths[UERL_PIXELS_MAX_PATHS];
    const uint32_t num_paths = uerl_pixels_paths(paths);
    const size_t bytes = row_bytes(frame), line = (size_t)frame->width * channels[frame->format];
    clear_row(row, bytes);
    bool right = uerl_pixels_from_bgra(row, frame->format, pixels, frame->width, frame->height,
                                       frame->pitch_bytes) == UERL_OK &&
                 is_row_right(row, bytes);
    for (uint32_t i = 0; i < num_paths && frame->format != UERL_PIXELS_BGRA; i++) {
        clear_row(row, bytes);
        for (uint32_t y = frame->height; y-- > 0;) /* upwards: no line may spoil the next */
            paths[i]->lines[frame->format](row + y * line, pixels + y * frame->pitch_bytes,
                                           frame->width);
        right = right && is_row_right(row, bytes);
    }
    return right;
}

/* Checks it at both ends of the memory that may be touched, or somewhere within. */
static bool is_frame_right(const struct frame *frame, bool at_ends)
{
    const size_t row = row_bytes(frame), source = source_bytes(frame);
    uint8_t *const pixels = from.end - source - (at_ends ? 0 : random_below(64));
    uint8_t *const late = to.end - row - (at_ends ? 0 : random_below(64));
    make_frame(frame, pixels);
    bool right = all_paths_agree(frame, pixels, late);
    if (at_ends) {
        right = all_paths_agree(frame, pixels, to.start) && right;
        memmove(from.start, pixels, source);
        right = all_paths_agree(frame, from.start, late) && right;
    }
    return right;
}

TEST(this_processor_has_a_path_and_the_last_one_is_plain_c)
{
    const struct uerl_pixels_path *paths[UERL_PIXELS_MAX_PATHS];
    const uint32_t num_paths = uerl_pixels_paths(paths);
    CHECK(num_paths >= 1 && num_paths <= UERL_PIXELS_MAX_PATHS);
    CHECK(paths[num_paths - 1] == &uerl_pixels_scalar);
    for (uint32_t i = 0; i < num_paths; i++)
        printf("     path %s\n", paths[i]->name);
}

TEST(every_path_agrees_for_every_width_to_seventy_between_pages_nobody_may_touch)
{
    static const uint32_t gaps[] = {0, 1, 4, 176};
    for (uint32_t format = 0; format < NUM_FORMATS; format++)
        for (uint32_t width = 1; width <= 70; width++)
            for (uint32_t height = 1; height <= 3; height += 2)
                for (uint32_t gap = 0; gap < sizeof gaps / sizeof gaps[0]; gap++) {
                    const struct frame frame = {format, width, height, width * 4 + gaps[gap]};
                    CHECK(is_frame_right(&frame, true));
                }
}

TEST(every_path_agrees_for_sizes_pitches_and_addresses_at_random)
{
    for (int round = 0; round < 400; round++) {
        const uint32_t width = 1 + random_below(700), height = 1 + random_below(20);
        const uint64_t pitch = width * UINT64_C(4) + (round % 4 == 0 ? 0 : random_below(300));
        const struct frame frame = {random_below(NUM_FORMATS), width, height, pitch};
        CHECK(is_frame_right(&frame, false));
    }
}

TEST(a_line_of_no_pixels_touches_nothing)
{
    const struct uerl_pixels_path *paths[UERL_PIXELS_MAX_PATHS];
    const uint32_t num_paths = uerl_pixels_paths(paths);
    for (uint32_t i = 0; i < num_paths; i++)
        for (uint32_t format = 0; format < UERL_PIXELS_BGRA; format++)
            paths[i]->lines[format](to.end, from.end, 0);
    CHECK_EQUAL(uerl_pixels_from_bgra(NULL, UERL_PIXELS_RGB, NULL, 0, 84, 0), UERL_OK);
    CHECK_EQUAL(uerl_pixels_from_bgra(NULL, UERL_PIXELS_RGB, NULL, 84, 0, 0), UERL_OK);
}

static uint8_t gray_of(uint8_t red, uint8_t green, uint8_t blue)
{
    const uint8_t pixel[4] = {blue, green, red, 77};
    uint8_t gray = 0;
    CHECK_EQUAL(uerl_pixels_from_bgra(&gray, UERL_PIXELS_GRAY, pixel, 1, 1, 4), UERL_OK);
    return gray;
}

TEST(gray_is_the_rounded_luma_of_rec_601)
{
    CHECK_EQUAL(gray_of(0, 0, 0), 0);
    CHECK_EQUAL(gray_of(255, 255, 255), 255);
    CHECK_EQUAL(gray_of(255, 0, 0), 76);
    CHECK_EQUAL(gray_of(0, 255, 0), 150);
    CHECK_EQUAL(gray_of(0, 0, 255), 29);
    for (int red = 0; red < 256; red += 5)
        for (int green = 0; green < 256; green += 5)
            for (int blue = 0; blue < 256; blue += 5) {
                const double luma = 0.299 * red + 0.587 * green + 0.114 * blue;
                const int gray = gray_of((uint8_t)red, (uint8_t)green, (uint8_t)blue);
                /* half a step of rounding, and what weights of 15 bits may be wrong by */
                CHECK_NEAR(gray, luma, 0.5 + 3 * 255 * 0.5 / 32768);
            }
}

static void check_refused(int code, const char *text)
{
    CHECK_EQUAL(code, UERL_E_INVALID);
    CHECK(strstr(uerl_last_error(), text) != NULL);
}

TEST(impossible_frames_are_refused_and_the_row_stays_as_it_was)
{
    uint8_t *const row = to.start, *const pixels = from.start;
    memset(row, UNTOUCHED, 4096);
    check_refused(uerl_pixels_from_bgra(row, UERL_PIXELS_RGB, pixels, 84, 84, 335),
                  "pitch of pixels is 335 bytes, expected at least 336 (84 pixels of 4 bytes)");
    check_refused(uerl_pixels_from_bgra(row, UERL_PIXELS_BGRA, pixels, 84, 84, 84),
                  "pitch of pixels is 84 bytes");
    check_refused(uerl_pixels_from_bgra(row, UERL_PIXELS_RGB, pixels, 84, 2, UINT64_MAX / 2),
                  "fit into memory");
    check_refused(uerl_pixels_from_bgra(row, UERL_PIXELS_RGB, pixels, UINT32_MAX, UINT32_MAX,
                                        UINT64_C(4) * UINT32_MAX),
                  "fit into memory");
    check_refused(uerl_pixels_from_bgra(row, (enum uerl_pixels)4, pixels, 84, 84, 336),
                  "format of pixels is 4, expected 0 to 3");
    check_refused(uerl_pixels_from_bgra(row, (enum uerl_pixels) - 1, pixels, 84, 84, 336),
                  "format of pixels is 4294967295");
    check_refused(uerl_pixels_from_bgra(NULL, UERL_PIXELS_RGB, pixels, 84, 84, 336), "row of");
    check_refused(uerl_pixels_from_bgra(row, UERL_PIXELS_RGB, NULL, 84, 84, 336), "pixels of");
    for (int i = 0; i < 4096; i++)
        CHECK_EQUAL(row[i], UNTOUCHED);
}

TEST(one_line_may_have_any_pitch)
{
    const struct frame frame = {UERL_PIXELS_RGB, 84, 1, UINT64_MAX};
    make_frame(&frame, from.start);
    CHECK(all_paths_agree(&frame, from.start, to.start));
}

int main(void)
{
    from = fenced_memory();
    to = fenced_memory();
    RUN(this_processor_has_a_path_and_the_last_one_is_plain_c);
    RUN(every_path_agrees_for_every_width_to_seventy_between_pages_nobody_may_touch);
    RUN(every_path_agrees_for_sizes_pitches_and_addresses_at_random);
    RUN(a_line_of_no_pixels_touches_nothing);
    RUN(gray_is_the_rounded_luma_of_rec_601);
    RUN(impossible_frames_are_refused_and_the_row_stays_as_it_was);
    RUN(one_line_may_have_any_pitch);
    return check_result();
}
