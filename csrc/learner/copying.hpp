// copying.hpp: copies of whole batches, for those who ask for them (copy=True) or hold every slot.
#pragma once

#include <cstdint>

namespace uerl {

// Large ones are shared among threads, one for each core that this process may use.
void copy_rows(uint8_t* target, const uint8_t* source, uint64_t bytes);

}  // namespace uerl
