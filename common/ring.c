// SPDX-License-Identifier: Apache-2.0
#include "common/ring.h"

#include "common/mem.h"

#include <string.h>

#define FIRST_CAPACITY 8

static void grow(struct sw_ring *ring)
{
    size_t capacity = ring->capacity ? ring->capacity * 2 : FIRST_CAPACITY;
    void **items = sw_alloc(capacity * sizeof(*items));
    size_t behind = ring->capacity - ring->head; /* from the head to the end of the old array */
    if (ring->capacity > 0) {
        memcpy(items, ring->items + ring->head, behind * sizeof(*items));
        memcpy(items + behind, ring->items, ring->head * sizeof(*items));
    }
    sw_free(ring->items);
    ring->items = items;
    ring->capacity = capacity;
    ring->head = 0;
}

void sw_ring_push(struct sw_ring *ring, void *item)
{
    if (ring->count == ring->capacity) {
        grow(ring);
    }
    ring->items[(ring->head + ring->count) & (ring->capacity - 1)] = item;
    ring->count++;
}

void *sw_ring_pop(struct sw_ring *ring)
{
    if (ring->count == 0) {
        return NULL;
    }
    void *item = ring->items[ring->head];
    ring->head = (ring->head + 1) & (ring->capacity - 1);
    ring->count--;
    return item;
}

void *sw_ring_first(const struct sw_ring *ring)
{
    return ring->count ? ring->items[ring->head] : NULL;
}

void sw_ring_deinit(struct sw_ring *ring)
{
    sw_free(ring->items);
    *ring = (struct sw_ring){0};
}
