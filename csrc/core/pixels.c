/* pixels.c: an engine's camera pixels become a row of a segment, in the one copy that is needed
 * anyway; portable.
 *
 * Ordinary stores: the reader is another core, and finds them in the cache that both share
 * (docs/decisions/0003-memory.md). */
#include "pixels_private.h"

#include <stdbool.h>
#include <string.h>

#include "error.h"

#define BGRA_BYTES 4

static void rgb_line(uint8_t *restrict line, const uint8_t *restrict bgra, size_t num_pixels)
{
    for (size_t i = 0; i < num_pixels; i++) {
        line[3 * i] = bgra[4 * i + 2];
        line[3 * i + 1] = bgra[4 * i + 1];
        line[3 * i + 2] = bgra[4 * i];
    }
}

static void bgr_line(uint8_t *restrict line, const uint8_t *restrict bgra, size_t num_pixels)
{
    for (size_t i = 0; i < num_pixels; i++) {
        line[3 * i] = bgra[4 * i];
        line[3 * i + 1] = bgra[4 * i + 1];
        line[3 * i + 2] = bgra[4 * i + 2];
    }
}

static void gray_line(uint8_t *restrict line, const uint8_t *restrict bgra, size_t num_pixels)
{
    for (size_t i = 0; i < num_pixels; i++) {
        const int32_t sum = bgra[4 * i] * UERL_GRAY_B + bgra[4 * i + 1] * UERL_GRAY_G +
                            bgra[4 * i + 2] * UERL_GRAY_R;
        line[i] = (uint8_t)((sum + UERL_GRAY_HALF) >> UERL_GRAY_BITS);
    }
}

const struct uerl_pixels_path uerl_pixels_scalar = {"scalar", {rgb_line, bgr_line, gray_line}};

static void bgra_line(uint8_t *line, const uint8_t *bgra, size_t num_pixels)
{
    memcpy(line, bgra, num_pixels * BGRA_BYTES);
}

uint32_t uerl_pixels_paths(const struct uerl_pixels_path *paths[UERL_PIXELS_MAX_PATHS])
{
    uint32_t count = 0;
#ifdef __x86_64__
    count = uerl_pixels_x86_paths(paths);
#endif
    paths[count++] = &uerl_pixels_scalar;
    return count;
}

/* Nothing is remembered here: the compiler's own library asked the processor at load time. */
static uerl_pixels_line *line_for(enum uerl_pixels format)
{
    const struct uerl_pixels_path *paths[UERL_PIXELS_MAX_PATHS];
    if (format == UERL_PIXELS_BGRA)
        return bgra_line;
    uerl_pixels_paths(paths);
    return paths[0]->lines[format];
}

static int check_frame(const void *row, const void *pixels, uint32_t width, uint32_t height,
                       uint64_t pitch_bytes)
{
    const uint64_t line_bytes = (uint64_t)width * BGRA_BYTES;
    if (row == NULL || pixels == NULL)
        return uerl_fail(UERL_E_INVALID,
                         "%s of a frame of %ux%u is null, expected memory: pass what "
                         "uerl_simulator_row() and the engine's readback returned",
                         row == NULL ? "row" : "pixels", width, height);
    if (pitch_bytes < line_bytes)
        return uerl_fail(UERL_E_INVALID,
                         "pitch of pixels is %llu bytes, expected at least %llu (%u pixels of 4 "
                         "bytes): pass the pitch in bytes; engines may give it in pixels",
                         (unsigned long long)pitch_bytes, (unsigned long long)line_bytes, width);
    if (height > 1 && pitch_bytes > ((uint64_t)PTRDIFF_MAX - line_bytes) / (height - 1))
        return uerl_fail(UERL_E_INVALID,
                         "pitch of pixels is %llu bytes, expected one whose %u lines fit into "
                         "memory: pass the pitch of the readback",
                         (unsigned long long)pitch_bytes, height);
    return UERL_OK;
}

int uerl_pixels_from_bgra(void *row, enum uerl_pixels format, const void *pixels, uint32_t width,
                          uint32_t height, uint64_t pitch_bytes)
{
    static const uint8_t channels[] = {3, 3, 1, 4}; /* by enum uerl_pixels */
    if ((uint32_t)format >= sizeof channels)
        return uerl_fail(UERL_E_INVALID,
                         "format of pixels is %u, expected 0 to %u: pass one of enum uerl_pixels",
                         (uint32_t)format, UERL_PIXELS_BGRA);
    if (width == 0 || height == 0)
        return UERL_OK;
    const int error = check_frame(row, pixels, width, height, pitch_bytes);
    if (error != UERL_OK)
        return error;
    const bool is_packed = pitch_bytes == (uint64_t)width * BGRA_BYTES;
    const size_t num_lines = is_packed ? 1 : height;
    const size_t num_pixels = is_packed ? (size_t)width * height : width;
    uerl_pixels_line *const convert = line_for(format);
    for (size_t i = 0; i < num_lines; i++)
        convert((uint8_t *)row + i * num_pixels * channels[format],
                (const uint8_t *)pixels + i * pitch_bytes, num_pixels);
    return UERL_OK;
}
