/* A copy of csrc/core/ring.h, made by `make unreal`: change that one. */
/* ring.h: the two rings of a lane: one writer, one reader, free-running 32-bit indices.
 *
 *   writer:  fill entry write_index % capacity  ->  publish (store write_index + 1, release)
 *   reader:  peek (load write_index, acquire)   ->  copy the entry  ->  advance (store read_index)
 *
 * Each side keeps its own index in private memory and only shows it to the other, so a peer cannot
 * move it. Overflow of an index is harmless: only differences matter, and one unsigned comparison
 * rejects an index that is behind, ahead or wrapped. */
#ifndef UERL_RING_H
#define UERL_RING_H

#include "atomics.h"
#include "uerl_shm/uerl_shm.h"

/* Entries the reader may use, or UERL_E_CORRUPT when the writer's index is impossible. */
static inline int uerl_ring_peek(const uint32_t *shared_write_index, uint32_t read_index)
{
    /* [R] Entries counted here, and rows written before them, must be complete. Pairs with [W]. */
    const uint32_t published = load_acquire_u32(shared_write_index) - read_index;
    return published > UERL_RING_CAPACITY ? UERL_E_CORRUPT : (int)published;
}

/* Shows the entry at *write_index, and everything stored before it, to the reader. */
static inline void uerl_ring_publish(uint32_t *shared_write_index, uint32_t *write_index)
{
    *write_index += 1;
    /* [W] Rows and entry must be visible before the index that counts them. Pairs with [R]. */
    store_release_u32(shared_write_index, *write_index);
}

/* Gives the entry at *read_index back to the writer. */
static inline void uerl_ring_advance(uint32_t *shared_read_index, uint32_t *read_index)
{
    *read_index += 1;
    /* [A] The entry was copied before the writer may fill it again. Pairs with [F]. */
    store_release_u32(shared_read_index, *read_index);
}

/* Entries the writer may fill, or UERL_E_CORRUPT when the reader's index is impossible. */
static inline int uerl_ring_room(const uint32_t *shared_read_index, uint32_t write_index)
{
    /* [F] What the reader gave back it has finished copying. Pairs with [A]. */
    const uint32_t unread = write_index - load_acquire_u32(shared_read_index);
    return unread > UERL_RING_CAPACITY ? UERL_E_CORRUPT : (int)(UERL_RING_CAPACITY - unread);
}

#endif
