// SPDX-License-Identifier: Apache-2.0
/* Who reads a tape. Entries are dense, since every turn walks them; the last one takes the place of
 * one that leaves. */
#include "common/mem.h"
#include "fanout/internal.h"

static void grow(struct sw_tape *tape)
{
    if (tape->readers < tape->capacity) {
        return;
    }
    /* by a quarter: a hub of 10,000 wastes little, and a small one is small */
    uint32_t more = tape->capacity < 4 ? 2 : tape->capacity / 4 + 1;
    tape->capacity += more;
    tape->hub = sw_realloc(tape->hub, tape->capacity * sizeof(*tape->hub));
}

void sw_hub_subscribe(struct sw_fanout *fanout, struct sw_tape *tape, uint32_t slot, uint32_t index)
{
    SW_ASSERT(!fanout->turning);
    if (tape->turn.block) {
        sw_walk_early(fanout, tape);
    }
    struct sw_reader *reader = sw_reader(fanout, slot);
    SW_ASSERT(index == reader->subscriptions);
    if (index == 1) { /* what was the only one is not any more */
        struct sw_subscription *first = &reader->list[0];
        fanout->tapes[first->tape]->hub[first->place].subscription &= ~1u;
    }
    grow(tape);
    reader->list[index] =
        (struct sw_subscription){.tape = tape->id, .place = tape->readers, .start = tape->top};
    tape->hub[tape->readers] =
        (struct sw_entry_hub){.slot = slot, .subscription = index << 1 | (index == 0)};
    tape->readers++;
    reader->subscriptions++;
    sw_count(&fanout->counters->subscriptions, 1);
}

/* What the subscription was still owed is shed. */
static void forget(struct sw_fanout *fanout, uint32_t slot, const struct sw_entry_hub *entry)
{
    if (!entry->cursor) {
        return;
    }
    struct sw_reader *reader = sw_reader(fanout, slot);
    if (!(reader->flags & SW_CLOSING)) { /* else its row is settled as a whole when it has closed */
        uint64_t count;
        uint64_t bytes;
        sw_cursor_behind(fanout, &fanout->cursors[entry->cursor], &count, &bytes);
        sw_reader_settle(fanout, reader, count, bytes);
        sw_reader_shed(fanout, reader, count, SW_SHED_CLOSED);
    }
    sw_cursor_destroy(fanout, slot, entry->cursor);
}

/* The last entry of the hub takes the place of one that left. */
static void leave_hub(struct sw_fanout *fanout, struct sw_tape *tape, uint32_t place)
{
    uint32_t last = --tape->readers;
    if (place != last) {
        struct sw_entry_hub *moved = &tape->hub[place];
        *moved = tape->hub[last];
        if (moved->cursor) {
            fanout->cursors[moved->cursor].place = place;
        }
        sw_reader(fanout, moved->slot)->list[moved->subscription >> 1].place = place;
    }
    if (tape->capacity > 16 && tape->readers < tape->capacity / 4) {
        tape->capacity /= 2;
        tape->hub = sw_realloc(tape->hub, tape->capacity * sizeof(*tape->hub));
    }
}

void sw_hub_unsubscribe(struct sw_fanout *fanout, uint32_t slot, uint32_t index)
{
    SW_ASSERT(!fanout->turning);
    struct sw_reader *reader = sw_reader(fanout, slot);
    SW_ASSERT(index < reader->subscriptions);
    struct sw_subscription *subscription = &reader->list[index];
    struct sw_tape *tape = fanout->tapes[subscription->tape];
    if (tape->turn.block) {
        sw_walk_early(fanout, tape);
    }
    forget(fanout, slot, &tape->hub[subscription->place]);
    leave_hub(fanout, tape, subscription->place);
    uint32_t last = --reader->subscriptions;
    if (index != last) {
        *subscription = reader->list[last];
        struct sw_entry_hub *entry = &fanout->tapes[subscription->tape]->hub[subscription->place];
        entry->subscription = index << 1;
    }
    if (last == 1) { /* what is left is the only one */
        struct sw_subscription *first = &reader->list[0];
        fanout->tapes[first->tape]->hub[first->place].subscription |= 1u;
    }
    sw_count(&fanout->counters->subscriptions, -1);
}
