// SPDX-License-Identifier: Apache-2.0
#include "bus/history/ring.h"

#include "common/assert.h"
#include "core/limits.h"

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

static void charge_places(struct sw_history_ring *ring, size_t before)
{
    int64_t more = (int64_t)ring->places.capacity - (int64_t)before;
    sw_purse_charge(ring->purse, SW_PART_HISTORY, more * (int64_t)sizeof(void *));
}

static void drop_oldest(struct sw_history_ring *ring)
{
    struct sw_message *message = sw_ring_pop(&ring->places);
    if (message) {
        ring->bytes -= sw_message_bytes(message);
        sw_lent_keep_no_more(ring->purse, message);
    }
}

void sw_history_ring_shrink(struct sw_history_ring *ring)
{
    size_t bytes = allowed_bytes(ring);
    while (ring->places.count > ring->most || (ring->places.count > 1 && ring->bytes > bytes)) {
        drop_oldest(ring);
    }
}

void sw_history_ring_add(struct sw_history_ring *ring, struct sw_message *message)
{
    size_t before = ring->places.capacity;
    sw_ring_push(&ring->places, message);
    charge_places(ring, before);
    ring->last++;
    if (message) {
        sw_lent_keep(ring->purse, message);
        ring->bytes += sw_message_bytes(message);
    }
    sw_history_ring_shrink(ring);
}

void sw_history_ring_restart(struct sw_history_ring *ring, uint64_t last)
{
    while (ring->places.count > 0) {
        drop_oldest(ring);
    }
    ring->last = last;
}

struct sw_message *sw_history_ring_get(const struct sw_history_ring *ring, uint64_t offset)
{
    uint64_t first = sw_history_ring_first(ring);
    SW_ASSERT(offset >= first && offset <= ring->last);
    return sw_ring_at(&ring->places, offset - first);
}

void sw_history_ring_init(struct sw_history_ring *ring, struct sw_purse *purse, uint32_t most)
{
    SW_ASSERT(most > 0);
    *ring = (struct sw_history_ring){.purse = purse, .most = most};
}

void sw_history_ring_deinit(struct sw_history_ring *ring)
{
    sw_history_ring_restart(ring, 0);
    size_t before = ring->places.capacity;
    sw_ring_deinit(&ring->places);
    charge_places(ring, before);
    *ring = (struct sw_history_ring){0};
}

bool sw_history_ring_sane(const struct sw_history_ring *ring)
{
    size_t bytes = 0;
    size_t count = ring->places.count;
    for (size_t i = 0; i < count; i++) {
        const struct sw_message *message = sw_ring_at(&ring->places, i);
        bytes += message ? sw_message_bytes(message) : 0;
    }
    return count <= ring->most && count <= ring->last && bytes == ring->bytes;
}
