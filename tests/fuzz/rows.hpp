// rows.hpp: poisons the gaps of a segment, so that a step outside a field is seen, and touches
// rows.
#pragma once

#include "stage.hpp"

// Between a field's last byte and the next page there is nothing that anybody may touch.
inline void poison_gaps(const uerl_segment &segment, bool poison)
{
    for (uint32_t i = 0; i < segment.header.num_fields; i++) {
        const uerl_field &field = segment.fields[i];
        const uint64_t end = field.offset + field.slot_stride * segment.header.num_slots;
        const uint64_t page = (end + UERL_PAGE_BYTES - 1) / UERL_PAGE_BYTES * UERL_PAGE_BYTES;
        if (poison)
            ASAN_POISON_MEMORY_REGION(segment.base + end, page - end);
        else
            ASAN_UNPOISON_MEMORY_REGION(segment.base + end, page - end);
    }
}

// Reads every byte.
inline uint32_t sum(const void *bytes, uint64_t count)
{
    uint32_t total = 0;
    for (uint64_t i = 0; i < count; i++)
        total += static_cast<const uint8_t *>(bytes)[i];
    return total;
}

// Reads what a simulator may read of its command, and writes what it may write.
inline uint32_t touch_rows(uerl_simulator *simulator)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < uerl_simulator_num_arrays(simulator); i++) {
        uerl_array array;
        MUST(uerl_simulator_array(simulator, i, &array) == UERL_OK);
        for (uint32_t row = 0; row <= array.num_rows; row++) {
            void *bytes = uerl_simulator_row(simulator, static_cast<int32_t>(i), row);
            if (bytes == nullptr)
                continue;
            MUST(row < array.num_rows);
            total += sum(bytes, array.row_bytes);
            if (array.role < UERL_ROLE_FIRST_OF_LEARNER)
                std::memset(bytes, static_cast<int>(row + 1), array.row_bytes);
        }
    }
    for (uint32_t env = 0; env < uerl_simulator_num_envs(simulator) && env < 64; env++) {
        total += uerl_simulator_control(simulator, env);
        total += static_cast<uint32_t>(uerl_simulator_seed(simulator, env));
    }
    uint32_t kind, count;
    if (const void *message = uerl_simulator_message(simulator, &kind, &count))
        total += sum(message, count);
    return total;
}

// Binds all that the segment lists, and says that it is ready.
inline int bind_all(uerl_simulator *simulator)
{
    for (uint32_t i = 0; i < uerl_simulator_num_arrays(simulator); i++) {
        uerl_array array;
        MUST(uerl_simulator_array(simulator, i, &array) == UERL_OK);
        MUST(array.num_dims <= UERL_MAX_DIMS && std::strlen(array.name) < UERL_NAME_BYTES);
        uerl_simulator_bind(simulator, array.group, array.name, array.role, array.dtype,
                            array.num_dims, array.shape);
    }
    return uerl_simulator_ready(simulator);
}
