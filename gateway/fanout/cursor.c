// SPDX-License-Identifier: Apache-2.0
/* Cursors and the accounts of who is behind. A reader's cursors are a ring, so that whoever was
 * served in part goes to its end by one store. */
#include "fanout/internal.h"

static struct sw_cursor *create(struct sw_fanout *fanout, uint32_t slot, struct sw_tape *tape,
                                uint32_t place)
{
    uint32_t id = fanout->cursors_free;
    if (id) {
        fanout->cursors_free = fanout->cursors[id].next;
    } else {
        id = fanout->cursors_high++;
    }
    fanout->cursors_used++;
    struct sw_cursor *cursor = &fanout->cursors[id];
    struct sw_reader *reader = sw_reader(fanout, slot);
    uint32_t next = id;
    if (reader->cursors) {
        struct sw_cursor *last = &fanout->cursors[reader->cursors];
        next = last->next;
        last->next = id;
    }
    reader->cursors = id;
    *cursor = (struct sw_cursor){.slot = slot, .tape = tape->id, .place = place, .next = next};
    SW_ASSERT(tape->hub[place].cursor == 0);
    tape->hub[place].cursor = id;
    return cursor;
}

struct sw_cursor *sw_cursor_place(struct sw_fanout *fanout, uint32_t slot, struct sw_tape *tape,
                                  uint32_t place, struct sw_block *block, uint32_t frame)
{
    struct sw_cursor *cursor = create(fanout, slot, tape, place);
    cursor->kind = SW_CURSOR_PLACE;
    cursor->block = block;
    cursor->frame = frame;
    sw_block_hold(block);
    return cursor;
}

struct sw_cursor *sw_cursor_bare(struct sw_fanout *fanout, uint32_t slot, struct sw_tape *tape,
                                 uint32_t place, uint64_t offset)
{
    struct sw_cursor *cursor = create(fanout, slot, tape, place);
    cursor->kind = SW_CURSOR_BARE;
    tape->history->bare++;
    cursor->run = NULL;
    cursor->offset = offset;
    cursor->position = tape->walked - (tape->history->walked - offset);
    cursor->epoch = tape->history->walked_epoch;
    cursor->frame = (uint32_t)sw_loop_now_ms(fanout->loop);
    return cursor;
}

struct sw_cursor *sw_cursor_board(struct sw_fanout *fanout, uint32_t slot, struct sw_tape *tape,
                                  uint32_t place, uint64_t seq)
{
    struct sw_cursor *cursor = create(fanout, slot, tape, place);
    sw_cursor_to_board(fanout, cursor, seq, sw_tape_stood(tape));
    return cursor;
}

void sw_cursor_judge(struct sw_cursor *cursor, const struct sw_entry_hub *entry)
{
    if (cursor->passed) {
        return;
    }
    if (sw_entry_pace(entry)) {
        cursor->reason = SW_SHED_PACED;
    } else if (sw_entry_mode(entry) == SW_MODE_LATEST) {
        cursor->reason = SW_SHED_CONFLATED;
    }
}

void sw_cursor_to_board(struct sw_fanout *fanout, struct sw_cursor *cursor, uint64_t seq,
                        struct sw_stood stood)
{
    struct sw_tape *tape = fanout->tapes[cursor->tape];
    const struct sw_entry_hub *entry = &tape->hub[cursor->place];
    cursor->kind = SW_CURSOR_BOARD;
    cursor->seq = seq;
    cursor->position = stood.position;
    cursor->offset = stood.offset;
    cursor->epoch = stood.epoch;
    cursor->frame = 0;
    cursor->begun = false;
    cursor->told = (uint16_t)(sw_told_now(fanout) - SW_TOLD_STEPS);
    if (cursor->passed == 0) {
        cursor->reason = SW_SHED_CONFLATED;
    }
    sw_cursor_judge(cursor, entry);
    sw_board_hold(tape);
}

void sw_cursor_take_board(struct sw_fanout *fanout, struct sw_cursor *cursor)
{
    struct sw_owed owed;
    sw_cursor_behind(fanout, cursor, &owed);
    owed.behind = 0; /* it still is */
    sw_reader_settle(fanout, sw_reader(fanout, cursor->slot), owed);
    sw_board_take(fanout, cursor);
}

/* Lets go of what it stands on. */
static void release(struct sw_fanout *fanout, struct sw_cursor *cursor)
{
    struct sw_tape *tape = fanout->tapes[cursor->tape];
    switch ((enum sw_cursor_kind)cursor->kind) {
    case SW_CURSOR_PLACE:
        sw_block_leave(fanout, cursor->block);
        break;
    case SW_CURSOR_BOARD:
        sw_ticker_leave(fanout, cursor);
        sw_board_leave(fanout, tape);
        break;
    case SW_CURSOR_BARE:
        sw_cursor_leave_run(fanout, cursor);
        tape->history->bare--;
        break;
    case SW_CURSOR_END:
        break;
    }
}

static void cursor_free(struct sw_fanout *fanout, uint32_t id)
{
    struct sw_cursor *cursor = &fanout->cursors[id];
    fanout->tapes[cursor->tape]->hub[cursor->place].cursor = 0;
    release(fanout, cursor);
    cursor->next = fanout->cursors_free;
    fanout->cursors_free = id;
    fanout->cursors_used--;
}

void sw_cursor_move(struct sw_fanout *fanout, struct sw_cursor *cursor, struct sw_block *block,
                    uint32_t frame)
{
    if (cursor->block != block) {
        sw_block_hold(block);
        struct sw_block *old = cursor->block;
        cursor->block = block;
        sw_block_leave(fanout, old);
    }
    cursor->frame = frame;
}

void sw_cursor_let_go(struct sw_fanout *fanout, struct sw_cursor *cursor)
{
    release(fanout, cursor);
    cursor->kind = SW_CURSOR_END;
    cursor->waits = false;
    cursor->begun = false;
    cursor->frame = 0;
}

/* Takes the one behind `before` out of the ring. */
static void unlink_behind(struct sw_fanout *fanout, struct sw_reader *reader, uint32_t before)
{
    uint32_t id = fanout->cursors[before].next;
    if (id == before) {
        reader->cursors = 0;
    } else {
        fanout->cursors[before].next = fanout->cursors[id].next;
        if (reader->cursors == id) {
            reader->cursors = before;
        }
    }
    cursor_free(fanout, id);
}

void sw_cursor_destroy(struct sw_fanout *fanout, uint32_t slot, uint32_t cursor)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    uint32_t before = reader->cursors;
    while (fanout->cursors[before].next != cursor) {
        before = fanout->cursors[before].next;
        SW_ASSERT(before != reader->cursors);
    }
    unlink_behind(fanout, reader, before);
}

/* Has its reader seen and heard all that there is? */
static bool is_done(struct sw_fanout *fanout, struct sw_cursor *cursor)
{
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    if (cursor->gap || cursor->gap_unknown || cursor->reset || cursor->kind == SW_CURSOR_BARE) {
        return false;
    }
    if (cursor->kind == SW_CURSOR_PLACE) {
        return cursor->frame >= cursor->block->frames && !cursor->block->next;
    }
    if (cursor->kind == SW_CURSOR_END) {
        return cursor->passed <= 0;
    }
    if (sw_cursor_renamed(tape, cursor)) {
        return false;
    }
    const struct sw_board_entry *next = sw_board_behind(tape->board, cursor->seq);
    if (next && sw_cursor_may_read(cursor, next->seq)) {
        return false;
    }
    unsigned pace = sw_entry_pace(&tape->hub[cursor->place]);
    if (pace) { /* it stays until a tick finds nothing */
        sw_ticker_join(fanout, cursor, pace);
        return false;
    }
    SW_ASSERT(cursor->passed >= 0);
    return cursor->passed == 0;
}

void sw_cursors_tidy(struct sw_fanout *fanout, struct sw_reader *reader)
{
    uint32_t last = reader->cursors;
    uint32_t before = last;
    bool end = last == 0;
    while (!end) {
        uint32_t id = fanout->cursors[before].next;
        end = id == last;
        if (is_done(fanout, &fanout->cursors[id])) {
            unlink_behind(fanout, reader, before);
        } else {
            before = id;
        }
    }
}

void sw_cursor_begin(const struct sw_fanout *fanout, struct sw_cursor *cursor)
{
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    if (!cursor->begun && sw_entry_pace(&tape->hub[cursor->place])) {
        cursor->begun = true;
        cursor->frame = (uint32_t)sw_board_last(tape);
    }
}

bool sw_cursor_may_read(const struct sw_cursor *cursor, uint64_t seq)
{
    return !cursor->begun || (int32_t)(cursor->frame - (uint32_t)seq) >= 0;
}

bool sw_cursor_waits(const struct sw_cursor *cursor)
{
    return (cursor->kind == SW_CURSOR_BOARD || cursor->kind == SW_CURSOR_BARE) && cursor->waits;
}

bool sw_reader_owed(const struct sw_fanout *fanout, const struct sw_reader *reader)
{
    if (reader->flags & SW_BOOKMARK_OWED) {
        return true;
    }
    for (uint32_t id = reader->cursors; id;) {
        id = fanout->cursors[id].next;
        if (!sw_cursor_waits(&fanout->cursors[id])) {
            return true;
        }
        if (id == reader->cursors) {
            break;
        }
    }
    return false;
}

void sw_cursor_behind(struct sw_fanout *fanout, const struct sw_cursor *cursor,
                      struct sw_owed *owed)
{
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    SW_ASSERT(tape->top == tape->walked);
    *owed = (struct sw_owed){0};
    if (cursor->kind == SW_CURSOR_END) {
        return;
    }
    if (cursor->kind != SW_CURSOR_PLACE) {
        owed->behind = tape->walked - cursor->position;
        return;
    }
    owed->behind = tape->walked - sw_block_position(cursor->block, cursor->frame);
    owed->queued = owed->behind;
    uint32_t frame = cursor->frame;
    for (const struct sw_block *block = cursor->block; block; block = block->next) {
        owed->bytes += block->bytes - sw_block_start(block, frame);
        frame = 0;
    }
}

uint64_t sw_cursor_since_ms(struct sw_fanout *fanout, const struct sw_cursor *cursor)
{
    if (cursor->kind == SW_CURSOR_END) {
        return UINT64_MAX;
    }
    if (cursor->kind == SW_CURSOR_BARE) {
        uint64_t now = sw_loop_now_ms(fanout->loop);
        return now - (uint32_t)((uint32_t)now - cursor->frame);
    }
    if (cursor->kind == SW_CURSOR_BOARD) {
        const struct sw_tape *tape = fanout->tapes[cursor->tape];
        unsigned pace = sw_entry_pace(&tape->hub[cursor->place]);
        uint64_t since = sw_board_since_ms(tape, cursor->seq);
        /* what waited for its tick has not waited for its reader */
        uint64_t tick = pace ? fanout->tickers[pace - 1].ticked_ms : 0;
        return since < tick ? tick : since;
    }
    if (cursor->frame < cursor->block->frames) {
        return sw_block_time_ms(cursor->block, cursor->frame);
    }
    return cursor->block->next ? cursor->block->next->born_ms : UINT64_MAX;
}

void sw_reader_owe(struct sw_fanout *fanout, struct sw_reader *reader, struct sw_owed owed)
{
    if (reader->behind == 0) {
        reader->since = (uint32_t)sw_loop_now_ms(fanout->loop);
    }
    reader->behind += (uint32_t)owed.behind;
    reader->queued += (uint32_t)owed.queued;
    reader->queued_bytes += (uint32_t)owed.bytes;
    sw_count(&fanout->counters->behind, (int64_t)owed.behind);
    sw_count(&fanout->counters->queued_bytes, (int64_t)owed.bytes);
}

void sw_reader_replay(struct sw_fanout *fanout, struct sw_tape *tape, uint32_t place,
                      uint64_t count)
{
    const struct sw_entry_hub *entry = &tape->hub[place];
    struct sw_reader *reader = sw_reader(fanout, entry->slot);
    reader->list[sw_entry_index(entry)].start -= count;
    sw_reader_owe(fanout, reader, (struct sw_owed){.behind = count});
    sw_count(&fanout->counters->due_total, (int64_t)count);
}

void sw_reader_settle(struct sw_fanout *fanout, struct sw_reader *reader, struct sw_owed owed)
{
    SW_ASSERT(reader->behind >= owed.behind);
    SW_ASSERT(reader->queued >= owed.queued);
    SW_ASSERT(reader->queued_bytes >= owed.bytes);
    reader->behind -= (uint32_t)owed.behind;
    reader->queued -= (uint32_t)owed.queued;
    reader->queued_bytes -= (uint32_t)owed.bytes;
    sw_count(&fanout->counters->behind, -(int64_t)owed.behind);
    sw_count(&fanout->counters->queued_bytes, -(int64_t)owed.bytes);
}

void sw_reader_shed(struct sw_fanout *fanout, struct sw_reader *reader, uint64_t count,
                    enum sw_shed reason)
{
    reader->shed += (uint32_t)count;
    sw_count(&fanout->counters->shed_total[reason], (int64_t)count);
}

void sw_reader_lose(struct sw_fanout *fanout, struct sw_reader *reader, unsigned rule,
                    uint64_t count, enum sw_shed reason)
{
    sw_reader_shed(fanout, reader, count, reason);
    sw_count(&fanout->counters->rule_shed_total[rule], (int64_t)count);
    sw_gate_shed(fanout, reader, count);
}
