/* region.c: ordered access to memory that another program arranged. */
#include "region.h"

#include <string.h>

#include "atomics.h"

uint64_t uerl_region_load(const void *counter, size_t bytes)
{
    /* The frame's bytes must be visible. Pairs with the maker's release store of the counter. */
    return bytes == 4 ? load_acquire_u32(counter) : load_acquire_u64(counter);
}

void uerl_region_copy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
    /* A counter that is loaded again must not be older than these bytes. Pairs with the maker's
     * release fence before it writes a buffer again. */
    fence_acquire();
}

void uerl_region_store(void *word, uint32_t value)
{
    /* What was read is done with. Pairs with the maker's load before it writes there again. */
    store_release_u32(word, value);
}

bool uerl_region_swap(void *byte, uint8_t expected, uint8_t desired)
{
    /* Who claims a place has it alone. Pairs with every other receiver's exchange. */
    return compare_exchange_u8(byte, expected, desired);
}
