// SPDX-License-Identifier: Apache-2.0
/* The law, looked at after every turn in debug builds. */
#include "fanout/internal.h"

#ifdef SW_LAW

static uint64_t position(struct sw_fanout *fanout, const struct sw_tape *tape,
                         const struct sw_entry_hub *entry)
{
    if (!entry->cursor) {
        return tape->walked;
    }
    const struct sw_cursor *cursor = &fanout->cursors[entry->cursor];
    return sw_block_position(cursor->block, cursor->frame);
}

static void check_subscription(struct sw_fanout *fanout, uint32_t slot, uint32_t index,
                               uint64_t *behind, uint64_t *bytes)
{
    const struct sw_subscription *subscription = &sw_reader(fanout, slot)->list[index];
    const struct sw_tape *tape = fanout->tapes[subscription->tape];
    const struct sw_entry_hub *entry = &tape->hub[subscription->place];
    SW_ASSERT(entry->slot == slot);
    SW_ASSERT(entry->subscription >> 1 == index);
    SW_ASSERT((entry->subscription & 1) == (sw_reader(fanout, slot)->subscriptions == 1));
    uint64_t at = position(fanout, tape, entry);
    SW_ASSERT(at == subscription->start + subscription->sent + subscription->shed +
                        subscription->in_flight);
    *behind += subscription->in_flight;
    if (entry->cursor) {
        const struct sw_cursor *cursor = &fanout->cursors[entry->cursor];
        SW_ASSERT(cursor->slot == slot && cursor->place == subscription->place);
        uint64_t count;
        uint64_t more;
        sw_cursor_behind(fanout, cursor, &count, &more);
        *behind += count;
        *bytes += more;
    }
}

void sw_fanout_law(struct sw_fanout *fanout)
{
    for (uint32_t slot = 0; slot < fanout->slots_high; slot++) {
        const struct sw_reader *reader = sw_reader(fanout, slot);
        uint64_t behind = 0;
        uint64_t bytes = 0;
        if (reader->subscriptions == 0 || reader->flags & SW_CLOSING) {
            continue;
        }
        for (uint32_t i = 0; i < reader->subscriptions; i++) {
            check_subscription(fanout, slot, i, &behind, &bytes);
        }
        /* a frame in flight may belong to a subscription that has ended */
        SW_ASSERT(reader->behind == behind || (reader->flags & SW_WRITE_PENDING));
        SW_ASSERT(reader->queued_bytes == bytes || (reader->flags & SW_WRITE_PENDING));
        SW_ASSERT(!reader->head || reader->flags & (SW_DUE | SW_WRITE_PENDING));
    }
}

#else

void sw_fanout_law(struct sw_fanout *fanout)
{
    (void)fanout;
}

#endif
