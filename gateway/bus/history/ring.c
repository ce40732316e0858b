// SPDX-License-Identifier: Apache-2.0
#include "bus/history/ring.h"

#include "common/assert.h"
#include "common/mem.h"
#include "core/limits.h"

static struct sw_message **place(const struct sw_history_ring *ring, uint32_t index)
{
    return &ring->places[(ring->head + index) & (ring->capacity - 1)];
}

static size_t allowed_bytes(const struct sw_history_ring *ring)
{
    switch (sw_purse_step(ring->purse)) {
    case SW_BUDGET_EASY:
        return SW_HISTORY_BYTES;
    case SW_BUDGET_TIGHT:
        return SW_HISTORY_TIGHT_BYTES;
    case SW_BUDGET_HARD:
    case SW_BUDGET_FULL:
        return 0;
    }
    SW_UNREACHABLE();
}

static void grow(struct sw_history_ring *ring)
{
    uint32_t capacity = ring->capacity ? ring->capacity * 2 : 8;
    struct sw_message **places = sw_alloc(capacity * sizeof(struct sw_message *));
    for (uint32_t i = 0; i < ring->count; i++) {
        places[i] = *place(ring, i);
    }
    sw_purse_charge(ring->purse, SW_PART_HISTORY,
                    (int64_t)((capacity - ring->capacity) * sizeof(struct sw_message *)));
    sw_free(ring->places);
    ring->places = places;
    ring->capacity = capacity;
    ring->head = 0;
}

static void drop_oldest(struct sw_history_ring *ring)
{
    struct sw_message *message = *place(ring, 0);
    ring->head = (ring->head + 1) & (ring->capacity - 1);
    ring->count--;
    if (message) {
        ring->bytes -= sw_message_bytes(message);
        sw_lent_keep_no_more(ring->purse, message);
    }
}

void sw_history_ring_shrink(struct sw_history_ring *ring)
{
    size_t bytes = allowed_bytes(ring);
    while (ring->count > ring->most || (ring->count > 1 && ring->bytes > bytes)) {
        drop_oldest(ring);
    }
}

void sw_history_ring_add(struct sw_history_ring *ring, struct sw_message *message)
{
    if (ring->count == ring->capacity) {
        grow(ring);
    }
    *place(ring, ring->count++) = message;
    ring->last++;
    if (message) {
        sw_lent_keep(ring->purse, message);
        ring->bytes += sw_message_bytes(message);
    }
    sw_history_ring_shrink(ring);
}

void sw_history_ring_restart(struct sw_history_ring *ring, uint64_t last)
{
    while (ring->count > 0) {
        drop_oldest(ring);
    }
    ring->last = last;
}

struct sw_message *sw_history_ring_get(const struct sw_history_ring *ring, uint64_t offset)
{
    uint64_t first = sw_history_ring_first(ring);
    SW_ASSERT(offset >= first && offset <= ring->last);
    return *place(ring, (uint32_t)(offset - first));
}

void sw_history_ring_init(struct sw_history_ring *ring, struct sw_purse *purse, uint32_t most)
{
    SW_ASSERT(most > 0);
    *ring = (struct sw_history_ring){.purse = purse, .most = most};
}

void sw_history_ring_deinit(struct sw_history_ring *ring)
{
    sw_history_ring_restart(ring, 0);
    sw_purse_charge(ring->purse, SW_PART_HISTORY,
                    -(int64_t)(ring->capacity * sizeof(struct sw_message *)));
    sw_free(ring->places);
    *ring = (struct sw_history_ring){0};
}

bool sw_history_ring_sane(const struct sw_history_ring *ring)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < ring->count; i++) {
        bytes += *place(ring, i) ? sw_message_bytes(*place(ring, i)) : 0;
    }
    return ring->count <= ring->most && ring->count <= ring->last && bytes == ring->bytes;
}
