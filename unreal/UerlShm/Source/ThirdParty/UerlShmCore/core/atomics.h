/* A copy of csrc/core/atomics.h, made by `make unreal`: change that one. */
/* atomics.h: the only file that names a memory order. Plain integers in shared memory are accessed
 * through these calls alone; whoever calls an acquire, a release or a fence says what it pairs
 * with.
 *
 * Compiler builtins rather than _Atomic: the same structs are read by C, C++ and cffi. */
#ifndef UERL_ATOMICS_H
#define UERL_ATOMICS_H

#include <stdbool.h>
#include <stdint.h>

static inline uint32_t load_relaxed_u32(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline uint64_t load_relaxed_u64(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline uint32_t load_acquire_u32(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline uint64_t load_acquire_u64(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void store_relaxed_u32(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline void store_relaxed_u64(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline void store_release_u32(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline void store_release_u64(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Adds and returns the new value: for the hint words, which have many writers. */
static inline uint32_t add_relaxed_u32(uint32_t *word, uint32_t difference)
{
    return __atomic_add_fetch(word, difference, __ATOMIC_RELAXED);
}

static inline uint32_t add_release_u32(uint32_t *word, uint32_t difference)
{
    return __atomic_add_fetch(word, difference, __ATOMIC_RELEASE);
}

/* Stores `desired` if the byte is `expected`, and says whether it was: for regions of other makers
 * only; a segment has no word that two sides claim. */
static inline bool compare_exchange_u8(uint8_t *byte, uint8_t expected, uint8_t desired)
{
    return __atomic_compare_exchange_n(byte, &expected, desired, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* Orders a store before a later load of another word, which nothing weaker does: publish, fence,
 * look for sleepers on one side; announce sleep, fence, look for work on the other. */
static inline void fence_seq_cst(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Keeps the loads before it before the loads after it (an observer's copy and its check). */
static inline void fence_acquire(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void fence_release(void)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

/* Tells the processor that this is a spin loop. */
static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

#endif
