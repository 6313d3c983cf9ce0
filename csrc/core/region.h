/* region.h: words and bytes of a named region that another program made.
 *
 * Its maker knows nothing of this library: what is read is copied and looked at again, and the
 * partner of every acquire and release stands in the maker's code. */
#ifndef UERL_REGION_H
#define UERL_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Loads a counter of 4 or 8 bytes, aligned to its size; bytes that were stored before it by a
 * release store are visible afterwards. */
uint64_t uerl_region_load(const void *counter, size_t bytes);

/* Copies bytes that may be changing, before whatever is loaded afterwards. */
void uerl_region_copy(void *to, const void *from, size_t bytes);

/* Stores a word, aligned to 4 bytes, after whatever was read and written before. */
void uerl_region_store(void *word, uint32_t value);

/* Stores `desired` if the byte is `expected`, as one step; was it? */
bool uerl_region_swap(void *byte, uint8_t expected, uint8_t desired);

#ifdef __cplusplus
}
#endif

#endif
