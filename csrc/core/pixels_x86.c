/* pixels_x86.c: 16 pixels at a time with SSSE3, 32 with AVX2; portable.
 *
 * A line ends with a block that begins before the last one has ended: some pixels are written
 * twice, with the same bytes, and nothing beyond the line is touched. Lines shorter than a block
 * are left to the next slower path.
 *
 * Only these functions are compiled for more than the oldest x86-64. */
#include "pixels_private.h"

#ifdef __x86_64__
#include <immintrin.h>

#define SSSE3 __attribute__((target("ssse3")))
#define AVX2 __attribute__((target("avx2")))

enum { SSSE3_PIXELS = 16, AVX2_PIXELS = 32 };

/* Where the bytes of four pixels without alpha stand in B, G, R, A; -1 makes a zero. */
#define RGB_ORDER 2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1
#define BGR_ORDER 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1

/* Both weights of a pair of 16 bits, for pmaddwd: (B, R) and (G, A). */
#define BLUE_RED (UERL_GRAY_R << 16 | UERL_GRAY_B)
#define GREEN UERL_GRAY_G

SSSE3 static inline __m128i load_16(const uint8_t *bytes)
{
    return _mm_loadu_si128((const __m128i *)bytes);
}

SSSE3 static inline void store_16(uint8_t *bytes, __m128i value)
{
    _mm_storeu_si128((__m128i *)bytes, value);
}

/* 16 pixels: four times 12 bytes, moved together into three stores. */
SSSE3 static inline void drop_alpha_16(uint8_t *line, const uint8_t *bgra, __m128i order)
{
    const __m128i a = _mm_shuffle_epi8(load_16(bgra), order);
    const __m128i b = _mm_shuffle_epi8(load_16(bgra + 16), order);
    const __m128i c = _mm_shuffle_epi8(load_16(bgra + 32), order);
    const __m128i d = _mm_shuffle_epi8(load_16(bgra + 48), order);
    store_16(line, _mm_or_si128(a, _mm_slli_si128(b, 12)));
    store_16(line + 16, _mm_or_si128(_mm_srli_si128(b, 4), _mm_slli_si128(c, 8)));
    store_16(line + 32, _mm_or_si128(_mm_srli_si128(c, 8), _mm_slli_si128(d, 4)));
}

SSSE3 static inline void drop_alpha_ssse3(uint8_t *line, const uint8_t *bgra, size_t num_pixels,
                                          __m128i order)
{
    size_t i = 0;
    for (; i + SSSE3_PIXELS <= num_pixels; i += SSSE3_PIXELS)
        drop_alpha_16(line + 3 * i, bgra + 4 * i, order);
    if (i < num_pixels) {
        i = num_pixels - SSSE3_PIXELS;
        drop_alpha_16(line + 3 * i, bgra + 4 * i, order);
    }
}

SSSE3 static void rgb_ssse3(uint8_t *line, const uint8_t *bgra, size_t num_pixels)
{
    if (num_pixels < SSSE3_PIXELS)
        uerl_pixels_scalar.lines[UERL_PIXELS_RGB](line, bgra, num_pixels);
    else
        drop_alpha_ssse3(line, bgra, num_pixels, _mm_setr_epi8(RGB_ORDER));
}

SSSE3 static void bgr_ssse3(uint8_t *line, const uint8_t *bgra, size_t num_pixels)
{
    if (num_pixels < SSSE3_PIXELS)
        uerl_pixels_scalar.lines[UERL_PIXELS_BGR](line, bgra, num_pixels);
    else
        drop_alpha_ssse3(line, bgra, num_pixels, _mm_setr_epi8(BGR_ORDER));
}

/* Luma of four pixels, 32 bits each. */
SSSE3 static inline __m128i luma_4(const uint8_t *bgra)
{
    const __m128i pixels = load_16(bgra);
    const __m128i blue_red = _mm_and_si128(pixels, _mm_set1_epi16(0xff));
    const __m128i green_alpha = _mm_srli_epi16(pixels, 8);
    const __m128i sum = _mm_add_epi32(_mm_madd_epi16(blue_red, _mm_set1_epi32(BLUE_RED)),
                                      _mm_madd_epi16(green_alpha, _mm_set1_epi32(GREEN)));
    return _mm_srli_epi32(_mm_add_epi32(sum, _mm_set1_epi32(UERL_GRAY_HALF)), UERL_GRAY_BITS);
}

SSSE3 static inline void gray_16(uint8_t *line, const uint8_t *bgra)
{
    const __m128i low = _mm_packs_epi32(luma_4(bgra), luma_4(bgra + 16));
    const __m128i high = _mm_packs_epi32(luma_4(bgra + 32), luma_4(bgra + 48));
    store_16(line, _mm_packus_epi16(low, high));
}

SSSE3 static void gray_ssse3(uint8_t *line, const uint8_t *bgra, size_t num_pixels)
{
    if (num_pixels < SSSE3_PIXELS) {
        uerl_pixels_scalar.lines[UERL_PIXELS_GRAY](line, bgra, num_pixels);
        return;
    }
    size_t i = 0;
    for (; i + SSSE3_PIXELS <= num_pixels; i += SSSE3_PIXELS)
        gray_16(line + i, bgra + 4 * i);
    if (i < num_pixels)
        gray_16(line + num_pixels - SSSE3_PIXELS, bgra + 4 * (num_pixels - SSSE3_PIXELS));
}

AVX2 static inline __m256i load_32(const uint8_t *bytes)
{
    return _mm256_loadu_si256((const __m256i *)bytes);
}

AVX2 static inline void store_32(uint8_t *bytes, __m256i value)
{
    _mm256_storeu_si256((__m256i *)bytes, value);
}

/* Eight pixels: 24 bytes as six words of 32 bits, moved to their `places`. */
AVX2 static inline __m256i drop_alpha_8(const uint8_t *bgra, __m256i order, __m256i places)
{
    return _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(load_32(bgra), order), places);
}

/* 32 pixels: four times 24 bytes, moved together into three stores. Of a
 * register's words, 3 and 7 have nothing in them after the shuffle. */
AVX2 static inline void drop_alpha_32(uint8_t *line, const uint8_t *bgra, __m256i order)
{
    const __m256i a = drop_alpha_8(bgra, order, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
    const __m256i b = drop_alpha_8(bgra + 32, order, _mm256_setr_epi32(2, 4, 5, 6, 3, 7, 0, 1));
    const __m256i c = drop_alpha_8(bgra + 64, order, _mm256_setr_epi32(5, 6, 3, 7, 0, 1, 2, 4));
    const __m256i d = drop_alpha_8(bgra + 96, order, _mm256_setr_epi32(3, 7, 0, 1, 2, 4, 5, 6));
    store_32(line, _mm256_blend_epi32(a, b, 0xc0));
    store_32(line + 32, _mm256_blend_epi32(b, c, 0xf0));
    store_32(line + 64, _mm256_blend_epi32(c, d, 0xfc));
}

AVX2 static inline void drop_alpha_avx2(uint8_t *line, const uint8_t *bgra, size_t num_pixels,
                                        __m256i order)
{
    size_t i = 0;
    for (; i + AVX2_PIXELS <= num_pixels; i += AVX2_PIXELS)
        drop_alpha_32(line + 3 * i, bgra + 4 * i, order);
    if (i < num_pixels) {
        i = num_pixels - AVX2_PIXELS;
        drop_alpha_32(line + 3 * i, bgra + 4 * i, order);
    }
}

AVX2 static void rgb_avx2(uint8_t *line, const uint8_t *bgra, size_t num_pixels)
{
    if (num_pixels < AVX2_PIXELS)
        rgb_ssse3(line, bgra, num_pixels);
    else
        drop_alpha_avx2(line, bgra, num_pixels, _mm256_setr_epi8(RGB_ORDER, RGB_ORDER));
}

AVX2 static void bgr_avx2(uint8_t *line, const uint8_t *bgra, size_t num_pixels)
{
    if (num_pixels < AVX2_PIXELS)
        bgr_ssse3(line, bgra, num_pixels);
    else
        drop_alpha_avx2(line, bgra, num_pixels, _mm256_setr_epi8(BGR_ORDER, BGR_ORDER));
}

/* Luma of eight pixels, 32 bits each. */
AVX2 static inline __m256i luma_8(const uint8_t *bgra)
{
    const __m256i pixels = load_32(bgra);
    const __m256i blue_red = _mm256_and_si256(pixels, _mm256_set1_epi16(0xff));
    const __m256i green_alpha = _mm256_srli_epi16(pixels, 8);
    const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(blue_red, _mm256_set1_epi32(BLUE_RED)),
                                         _mm256_madd_epi16(green_alpha, _mm256_set1_epi32(GREEN)));
    return _mm256_srli_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(UERL_GRAY_HALF)),
                             UERL_GRAY_BITS);
}

/* Packing works within each half of a register: the words are put in order at the end. */
AVX2 static inline void gray_32(uint8_t *line, const uint8_t *bgra)
{
    const __m256i low = _mm256_packs_epi32(luma_8(bgra), luma_8(bgra + 32));
    const __m256i high = _mm256_packs_epi32(luma_8(bgra + 64), luma_8(bgra + 96));
    const __m256i places = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    store_32(line, _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), places));
}

AVX2 static void gray_avx2(uint8_t *line, const uint8_t *bgra, size_t num_pixels)
{
    if (num_pixels < AVX2_PIXELS) {
        gray_ssse3(line, bgra, num_pixels);
        return;
    }
    size_t i = 0;
    for (; i + AVX2_PIXELS <= num_pixels; i += AVX2_PIXELS)
        gray_32(line + i, bgra + 4 * i);
    if (i < num_pixels)
        gray_32(line + num_pixels - AVX2_PIXELS, bgra + 4 * (num_pixels - AVX2_PIXELS));
}

static const struct uerl_pixels_path ssse3 = {"ssse3", {rgb_ssse3, bgr_ssse3, gray_ssse3}};
static const struct uerl_pixels_path avx2 = {"avx2", {rgb_avx2, bgr_avx2, gray_avx2}};

uint32_t uerl_pixels_x86_paths(const struct uerl_pixels_path *paths[UERL_PIXELS_MAX_PATHS])
{
    uint32_t count = 0;
    __builtin_cpu_init(); /* for callers that run before the compiler's own library has */
    if (__builtin_cpu_supports("avx2"))
        paths[count++] = &avx2;
    if (__builtin_cpu_supports("ssse3"))
        paths[count++] = &ssse3;
    return count;
}

#endif
