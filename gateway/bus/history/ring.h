// SPDX-License-Identifier: Apache-2.0
/* The newest messages of one topic with history, without holes up to `last`: by number (its rule's
 * size), by bytes (fewer while the node's memory is short). A message that is known to be gone has
 * its place without bytes. Owned by the topic's history, on the bus's loop; keeps its messages
 * (bus/lent.h).
 *
 * Invariant (sw_history_ring_sane): it holds the offsets last - count + 1 to last, count <= most,
 * and always the last one that was added. */
#ifndef SW_BUS_HISTORY_RING_H
#define SW_BUS_HISTORY_RING_H

#include "bus/lent.h"
#include "common/ring.h"

struct sw_history_ring {
    struct sw_purse *purse;
    struct sw_ring places; /* of struct sw_message; NULL: gone */
    uint32_t most;
    size_t bytes;
    uint64_t last; /* offset of the newest */
};

/* `most`: messages at most, at least 1. */
void sw_history_ring_init(struct sw_history_ring *ring, struct sw_purse *purse, uint32_t most);
void sw_history_ring_deinit(struct sw_history_ring *ring);
/* The next one, at last + 1, which is kept; NULL: it is gone. */
void sw_history_ring_add(struct sw_history_ring *ring, struct sw_message *message);
/* Holds nothing any more, and goes on behind `last`. */
void sw_history_ring_restart(struct sw_history_ring *ring, uint64_t last);
/* Gives up what the purse's step does not allow any more. */
void sw_history_ring_shrink(struct sw_history_ring *ring);
static inline size_t sw_history_ring_count(const struct sw_history_ring *ring)
{
    return ring->places.count;
}
/* The oldest offset that it holds; last + 1: none. */
static inline uint64_t sw_history_ring_first(const struct sw_history_ring *ring)
{
    return ring->last + 1 - ring->places.count;
}
/* What stands at an offset that it holds; NULL: it is gone. Borrowed. */
struct sw_message *sw_history_ring_get(const struct sw_history_ring *ring, uint64_t offset);
bool sw_history_ring_sane(const struct sw_history_ring *ring);

#endif
