// SPDX-License-Identifier: Apache-2.0
/* A FIFO of pointers that grows. {0} is a valid empty one. Not thread-safe. */
#ifndef SW_COMMON_RING_H
#define SW_COMMON_RING_H

#include <stddef.h>

struct sw_ring {
    void **items;
    size_t capacity; /* a power of two, or 0 */
    size_t head;
    size_t count;
};

void sw_ring_push(struct sw_ring *ring, void *item);
/* The oldest, or NULL. */
void *sw_ring_pop(struct sw_ring *ring);
/* The oldest, or NULL; it stays. */
void *sw_ring_first(const struct sw_ring *ring);
/* The one at `index` < count, counted from the oldest; it stays. */
static inline void *sw_ring_at(const struct sw_ring *ring, size_t index)
{
    return ring->items[(ring->head + index) & (ring->capacity - 1)];
}
void sw_ring_deinit(struct sw_ring *ring);

#endif
