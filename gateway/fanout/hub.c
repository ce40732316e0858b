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
    if (tape->capacity == 0) {
        tape->capacity = 1;
        tape->hub = &tape->one;
        return;
    }
    /* by a quarter: a hub of 10,000 wastes little, and a small one is small */
    struct sw_entry_hub *old = tape->hub == &tape->one ? NULL : tape->hub;
    tape->capacity += tape->capacity < 4 ? (tape->capacity + 1) / 2 : tape->capacity / 4 + 1;
    tape->hub = sw_realloc(old, tape->capacity * sizeof(*tape->hub));
    if (!old) {
        tape->hub[0] = tape->one;
    }
}

/* It gets what stands on the tape's last block behind `frame`, or in the history behind `offset`.
 */
static void start_before(struct sw_fanout *fanout, struct sw_tape *tape, uint32_t slot,
                         const struct sw_start *start)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    uint32_t place = tape->readers - 1;
    struct sw_block *last = tape->last;
    if (tape->history && start->after < tape->history->top) {
        sw_cursor_bare(fanout, slot, tape, place, start->after);
        sw_reader_replay(fanout, tape, place, tape->history->top - start->after);
    } else if (!tape->history && start->replay && last && !last->gap) {
        uint32_t frame = last->frames - 1;
        uint32_t bytes = last->bytes - sw_block_start(last, frame);
        sw_cursor_place(fanout, slot, tape, place, last, frame);
        sw_reader_replay(fanout, tape, place, 1);
        sw_reader_owe(fanout, reader, (struct sw_owed){.queued = 1, .bytes = bytes});
    } else {
        return;
    }
    if (!(reader->flags & (SW_WRITE_PENDING | SW_GATED))) {
        sw_fanout_due_later(fanout, slot);
    }
}

void sw_hub_subscribe(struct sw_fanout *fanout, struct sw_tape *tape, uint32_t slot, uint32_t index,
                      struct sw_manner manner, const struct sw_start *start)
{
    SW_ASSERT(!fanout->turning);
    if (tape->readers) {
        sw_tape_tell_lost(fanout, tape); /* it is not the newcomer's */
    }
    tape->lost = false;
    if (tape->turn.block) {
        sw_walk_early(fanout, tape);
    }
    struct sw_reader *reader = sw_reader(fanout, slot);
    SW_ASSERT(index == reader->subscriptions);
    if (index == 1) { /* what was the only one is not any more */
        struct sw_subscription *first = &reader->list[0];
        fanout->tapes[first->tape]->hub[first->place].word &= ~SW_ENTRY_SOLO;
    }
    grow(tape);
    reader->list[index] =
        (struct sw_subscription){.tape = tape->id, .place = tape->readers, .start = tape->top};
    tape->hub[tape->readers] =
        (struct sw_entry_hub){.slot = slot, .word = sw_entry_word(index, manner, index == 0)};
    tape->readers++;
    tape->paced += manner.pace != 0;
    reader->subscriptions++;
    sw_count(&fanout->counters->subscriptions, 1);
    if (start) {
        start_before(fanout, tape, slot, start);
    }
}

void sw_hub_set_manner(struct sw_fanout *fanout, uint32_t slot, uint32_t index,
                       struct sw_manner manner)
{
    SW_ASSERT(!fanout->turning);
    struct sw_reader *reader = sw_reader(fanout, slot);
    const struct sw_subscription *subscription = &reader->list[index];
    struct sw_tape *tape = fanout->tapes[subscription->tape];
    struct sw_entry_hub *entry = &tape->hub[subscription->place];
    if (tape->turn.block) {
        sw_walk_early(fanout, tape);
    }
    struct sw_cursor *cursor = entry->cursor ? &fanout->cursors[entry->cursor] : NULL;
    if (cursor && cursor->kind == SW_CURSOR_BOARD) {
        sw_ticker_leave(fanout, cursor); /* it reads on at once, and then in its new manner */
        cursor->begun = false;
    }
    tape->paced -= sw_entry_pace(entry) != 0;
    tape->paced += manner.pace != 0;
    entry->word = sw_entry_word(index, manner, entry->word & SW_ENTRY_SOLO);
    if (cursor && cursor->kind == SW_CURSOR_BOARD) {
        sw_cursor_judge(cursor, entry);
    }
    if (cursor && cursor->kind == SW_CURSOR_PLACE && manner.pace) {
        sw_cursor_take_board(fanout, cursor);
    }
    if (cursor && !(reader->flags & (SW_WRITE_PENDING | SW_GATED))) {
        sw_fanout_due(fanout, slot);
    }
}

/* What the subscription was still owed is shed. */
static struct sw_untold forget(struct sw_fanout *fanout, const struct sw_tape *tape, uint32_t slot,
                               const struct sw_entry_hub *entry)
{
    struct sw_untold untold = {.feed = tape->lost};
    if (!entry->cursor) {
        return untold;
    }
    struct sw_reader *reader = sw_reader(fanout, slot);
    const struct sw_cursor *cursor = &fanout->cursors[entry->cursor];
    untold.slow = cursor->gap;
    untold.slow_reason = (enum sw_shed)cursor->gap_reason;
    untold.reset = cursor->reset;
    if (cursor->span || cursor->reset) {
        struct sw_stood stood = sw_cursor_stood(fanout, cursor);
        untold.epoch = sw_history_name(tape, stood.epoch);
        untold.from = cursor->span ? stood.offset - cursor->span + 1 : 0;
        untold.to = stood.offset;
    }
    untold.unknown = cursor->gap_unknown;
    untold.passed = cursor->passed > 0 ? (uint32_t)cursor->passed : 0;
    untold.passed_reason = (enum sw_shed)cursor->reason;
    if (!(reader->flags & SW_CLOSING)) { /* else its row is settled as a whole when it has closed */
        struct sw_owed owed;
        sw_cursor_behind(fanout, cursor, &owed);
        if (owed.behind) { /* what is missing stands behind what it was not sent */
            untold.feed = false;
        }
        sw_reader_settle(fanout, reader, owed);
        uint64_t ahead = cursor->passed < 0 ? (uint64_t)-cursor->passed : 0; /* told already */
        sw_reader_shed(fanout, reader, ahead, (enum sw_shed)cursor->reason);
        sw_reader_shed(fanout, reader, owed.behind - ahead, SW_SHED_CLOSED);
    }
    sw_cursor_destroy(fanout, slot, entry->cursor);
    return untold;
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
        sw_reader(fanout, moved->slot)->list[sw_entry_index(moved)].place = place;
    }
    if (tape->capacity > 16 && tape->readers < tape->capacity / 4) {
        tape->capacity /= 2;
        tape->hub = sw_realloc(tape->hub, tape->capacity * sizeof(*tape->hub));
    }
}

struct sw_untold sw_hub_unsubscribe(struct sw_fanout *fanout, uint32_t slot, uint32_t index)
{
    SW_ASSERT(!fanout->turning);
    struct sw_reader *reader = sw_reader(fanout, slot);
    SW_ASSERT(index < reader->subscriptions);
    struct sw_subscription *subscription = &reader->list[index];
    struct sw_tape *tape = fanout->tapes[subscription->tape];
    if (tape->turn.block) {
        sw_walk_early(fanout, tape);
    }
    const struct sw_entry_hub *gone = &tape->hub[subscription->place];
    tape->paced -= sw_entry_pace(gone) != 0;
    struct sw_untold untold = forget(fanout, tape, slot, gone);
    leave_hub(fanout, tape, subscription->place);
    uint32_t last = --reader->subscriptions;
    if (index != last) {
        *subscription = reader->list[last];
        struct sw_entry_hub *entry = &fanout->tapes[subscription->tape]->hub[subscription->place];
        entry->word = sw_entry_word(index, sw_entry_manner(entry), false);
    }
    if (last == 1) { /* what is left is the only one */
        struct sw_subscription *first = &reader->list[0];
        fanout->tapes[first->tape]->hub[first->place].word |= SW_ENTRY_SOLO;
    }
    sw_count(&fanout->counters->subscriptions, -1);
    return untold;
}
