/* A copy of csrc/core/pixels_private.h, made by `make unreal`: change that one. */
/* pixels_private.h: the ways to convert camera pixels, one for each kind of processor. */
#ifndef UERL_PIXELS_PRIVATE_H
#define UERL_PIXELS_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "uerl_shm/uerl_shm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Converts `num_pixels` pixels that stand side by side. Reads and writes exactly those: an engine's
 * mapping may end with them. The two must not overlap: some pixels are written twice. */
typedef void uerl_pixels_line(uint8_t *line, const uint8_t *bgra, size_t num_pixels);

/* All that one kind of processor needs; every path writes the same bytes. */
struct uerl_pixels_path {
    const char *name;
    uerl_pixels_line *lines[UERL_PIXELS_BGRA]; /* by enum uerl_pixels */
};

#define UERL_PIXELS_MAX_PATHS 3

/* Lists the paths that this processor can take, the fastest first, and returns how many. */
uint32_t uerl_pixels_paths(const struct uerl_pixels_path *paths[UERL_PIXELS_MAX_PATHS]);

/* Plain C, for every processor; also for lines that are too short for the others. */
extern const struct uerl_pixels_path uerl_pixels_scalar;

/* The paths of pixels_x86.c; plain C comes after them. */
uint32_t uerl_pixels_x86_paths(const struct uerl_pixels_path *paths[UERL_PIXELS_MAX_PATHS]);

/* Luma of Rec. 601, 0.299 R + 0.587 G + 0.114 B, as integers of 15 bits: together 32768, so that
 * white stays 255. The same numbers and rounding as OpenCV's COLOR_RGB2GRAY for bytes
 * (modules/imgproc/src/color_rgb.simd.hpp). */
enum { UERL_GRAY_R = 9798, UERL_GRAY_G = 19235, UERL_GRAY_B = 3735, UERL_GRAY_BITS = 15 };

#define UERL_GRAY_HALF (1 << (UERL_GRAY_BITS - 1))

#ifdef __cplusplus
}
#endif

#endif
