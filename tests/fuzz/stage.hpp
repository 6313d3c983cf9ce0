// stage.hpp: what both fuzz targets stand on: the input, a clock that never waits, and a hostile
// hand that changes the shared memory between any two loads from it.
//
// The hand: the compiler calls __sanitizer_cov_load*() before each load (trace-loads). Those from
// the segment are counted, and the input says before which of them which word is overwritten: so a
// value may differ each time it is looked at. An input's operations are read from its front, what
// the hand does from its back.
//
// Defined here, core/wait.c and core/watch.c are not linked: sleeping is an advance of the clock,
// and a fenced simulator does not end the process.
#pragma once

#include <pthread.h>
#include <sanitizer/asan_interface.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/segment.h"
#include "core/wait.h"

extern "C" {
#include "core/watch.h"
}

#define HAND __attribute__((no_sanitize("coverage", "address", "undefined")))

// The bytes of one run: operations from the front, the hand's records from the back.
struct Input {
    const uint8_t *front;
    const uint8_t *back;

    HAND bool has(size_t count) const
    {
        return static_cast<size_t>(back - front) >= count;
    }
    HAND uint8_t next()
    {
        return has(1) ? *front++ : 0;
    }
    HAND uint8_t last()
    {
        return has(1) ? *--back : 0;
    }
    HAND uint32_t last_u16()
    {
        const uint32_t low = last();
        return low | static_cast<uint32_t>(last()) << 8;
    }
    uint32_t below(uint32_t limit)
    {
        return next() % limit;
    }
    uint32_t next_u32()
    {
        uint32_t value = 0;
        for (int i = 0; i < 4; i++)
            value = value << 8 | next();
        return value;
    }
};

struct Stage {
    Input input{};
    uint8_t *base = nullptr; // of the shared memory
    uint64_t bytes = 0;
    uint64_t lanes_offset = 0, lane_bytes = 0;
    uint32_t num_lanes = 1;
    uint32_t loads_left = 0; // until the hand's next move
    bool armed = false;
    int64_t now_ns = 1000000000;
};

inline Stage stage;

// Something that must never be: says so, and ends the run as a crash.
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "%s:%d: must be: %s\n", __FILE__, __LINE__, #condition);          \
            std::abort();                                                                          \
        }                                                                                          \
    } while (0)

// An offset in the shared memory; most of them are words that somebody acts upon.
HAND inline uint64_t offset_of(uint32_t kind, uint32_t where, uint64_t loaded)
{
    const uint64_t lane = stage.lanes_offset + where / 64 % stage.num_lanes * stage.lane_bytes;
    const uint64_t message = (stage.lane_bytes - 512) / 2;
    switch (kind) {
    case 0:
        return lane + 256 + where % 64 * 4; // results
    case 1:
        return lane + 256 + where % 4 * 4; // their indices
    case 2:
        return lane + where % 64 * 4; // commands
    case 3:
        return 256 + where % 112 * 4; // the learner's words, hints
    case 4:
        return lane + 512 + where % 2 * message + where / 2 % 2 * 4;
    case 5:
        return where * 16 + where % 4 * 4; // anything
    case 6:
        return where % 64 * 4; // identity and sizes
    default:
        return loaded; // what is looked at right now
    }
}

// Overwrites one word, as the input's next record says.
HAND inline void move_hand(uint64_t loaded)
{
    if (!stage.input.has(6)) {
        stage.armed = false;
        return;
    }
    const uint32_t kind = stage.input.last();
    const uint32_t where = stage.input.last_u16();
    const uint32_t value = stage.input.last_u16();
    stage.loads_left = stage.input.last();
    const uint64_t offset = offset_of(kind % 8, where, loaded) & ~UINT64_C(3);
    if (offset + 4 > stage.bytes)
        return;
    volatile uint32_t *word = reinterpret_cast<volatile uint32_t *>(stage.base + offset);
    switch (kind / 8 % 6) {
    case 0:
        *word = value;
        break;
    case 1:
        *word = *word + static_cast<uint32_t>(static_cast<int8_t>(value));
        break;
    case 2:
        *word = value << 16;
        break;
    case 3:
        *word = UINT32_MAX - value;
        break;
    case 4:
        *word = UINT32_C(1) << value % 32;
        break;
    default:
        *word = 0;
    }
}

HAND inline void before_load(const void *address)
{
    const uint64_t offset =
        static_cast<uint64_t>(static_cast<const uint8_t *>(address) - stage.base);
    if (!stage.armed || offset >= stage.bytes || stage.loads_left-- > 0)
        return;
    move_hand(offset);
}

extern "C" {

HAND void __sanitizer_cov_load1(uint8_t *address)
{
    before_load(address);
}
HAND void __sanitizer_cov_load2(uint16_t *address)
{
    before_load(address);
}
HAND void __sanitizer_cov_load4(uint32_t *address)
{
    before_load(address);
}
HAND void __sanitizer_cov_load8(uint64_t *address)
{
    before_load(address);
}
HAND void __sanitizer_cov_load16(__uint128_t *address)
{
    before_load(address);
}

// wait.h, without waiting.
int64_t uerl_now_ns(void)
{
    return stage.now_ns += 1000;
}
int64_t uerl_deadline_ns(int64_t timeout_ns)
{
    return timeout_ns < 0 || timeout_ns > INT64_MAX - stage.now_ns ? INT64_MAX
                                                                   : stage.now_ns + timeout_ns;
}
int uerl_cpu(void)
{
    return 0;
}
uint32_t uerl_num_cores(void)
{
    return 2;
}
void uerl_wait_init(struct uerl_wait *wait, uint32_t)
{
    *wait = {};
}
bool uerl_wait_busy(struct uerl_wait *, bool (*ready)(void *), void *context, int, int64_t)
{
    return ready(context) || ready(context);
}
int64_t uerl_wait_next_slice(int64_t slice_ns, int64_t deadline_ns)
{
    const int64_t next_ns = slice_ns == 0 ? UERL_WAIT_FIRST_SLICE_NS : UERL_WAIT_LAST_SLICE_NS;
    const int64_t left_ns = deadline_ns - stage.now_ns;
    return left_ns < 0 ? 0 : left_ns < next_ns ? left_ns : next_ns;
}
void uerl_futex_wait(const uint32_t *, uint32_t, uint32_t, int64_t slice_ns)
{
    stage.now_ns += slice_ns;
}
void uerl_futex_wake(const uint32_t *, int, uint32_t)
{
}

// watch.h, without a thread.
int uerl_watch_start(struct uerl_watch *)
{
    return UERL_OK;
}
void uerl_watch_stop(struct uerl_watch *)
{
}

} // extern "C"

// Begins a run: from here on the hand moves.
inline void begin(const uint8_t *data, size_t size)
{
    stage.input = {data, data + size};
    stage.loads_left = stage.input.last();
    stage.now_ns = 1000000000;
}
