// SPDX-License-Identifier: Apache-2.0
/* The law, looked at after every turn in debug builds. */
#include "fanout/internal.h"

#ifdef SW_LAW

static void check_subscription(struct sw_fanout *fanout, uint32_t slot, uint32_t index,
                               struct sw_owed *sum)
{
    const struct sw_subscription *subscription = &sw_reader(fanout, slot)->list[index];
    const struct sw_tape *tape = fanout->tapes[subscription->tape];
    const struct sw_entry_hub *entry = &tape->hub[subscription->place];
    SW_ASSERT(entry->slot == slot);
    SW_ASSERT(sw_entry_index(entry) == index);
    SW_ASSERT((entry->word & SW_ENTRY_SOLO) == (sw_reader(fanout, slot)->subscriptions == 1));
    uint64_t at = entry->cursor ? sw_cursor_stood(fanout, &fanout->cursors[entry->cursor]).position
                                : tape->walked;
    SW_ASSERT(at == subscription->start + subscription->sent + subscription->shed +
                        subscription->in_flight);
    sum->behind += subscription->in_flight;
    sum->queued += subscription->in_flight;
    if (entry->cursor) {
        const struct sw_cursor *cursor = &fanout->cursors[entry->cursor];
        SW_ASSERT(cursor->slot == slot && cursor->place == subscription->place);
        struct sw_owed owed;
        sw_cursor_behind(fanout, cursor, &owed);
        sum->behind += owed.behind;
        sum->queued += owed.queued;
        sum->bytes += owed.bytes;
    }
}

void sw_fanout_law(struct sw_fanout *fanout)
{
    for (uint32_t id = 0; id < fanout->tapes_count; id++) {
        const struct sw_tape *tape = fanout->tapes[id];
        SW_ASSERT(!tape || !tape->board || sw_board_sane(tape->board));
    }
    for (uint32_t slot = 0; slot < fanout->slots_high; slot++) {
        const struct sw_reader *reader = sw_reader(fanout, slot);
        struct sw_owed sum = {0};
        if (reader->subscriptions == 0 || reader->flags & SW_CLOSING) {
            continue;
        }
        for (uint32_t i = 0; i < reader->subscriptions; i++) {
            check_subscription(fanout, slot, i, &sum);
        }
        /* a frame in flight may belong to a subscription that has ended */
        bool pending = reader->flags & SW_WRITE_PENDING;
        SW_ASSERT(reader->behind == sum.behind || pending);
        SW_ASSERT(reader->queued == sum.queued || pending);
        SW_ASSERT(reader->queued_bytes == sum.bytes || pending);
        SW_ASSERT(pending || reader->flags & (SW_DUE | SW_GATED) ||
                  !sw_reader_owed(fanout, reader));
    }
}

#else

void sw_fanout_law(struct sw_fanout *fanout)
{
    (void)fanout;
}

#endif
