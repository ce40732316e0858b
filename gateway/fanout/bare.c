// SPDX-License-Identifier: Apache-2.0
/* Cursors that know only an offset. One asks for the run of what follows and reads it; where the
 * next message stands on the tape, it stands there too; at the tape's end it has read all. What has
 * no offset and was passed meanwhile is told when it leaves. */
#include "fanout/collect.h"
#include "fanout/run.h"

/* ---- where a cursor is ---- */

static struct sw_stood stood_at(const struct sw_tape *tape, const struct sw_block *block,
                                uint32_t frame)
{
    struct sw_stood stood = {.position = sw_block_position(block, frame)};
    if (tape->history) {
        stood.offset = sw_tape_offset(tape, block, frame);
        stood.epoch = (uint8_t)(block->epoch + (block->renames && frame));
    }
    return stood;
}

struct sw_stood sw_tape_stood(const struct sw_tape *tape)
{
    struct sw_stood stood = {.position = tape->walked};
    if (tape->history) {
        stood.offset = tape->history->walked;
        stood.epoch = tape->history->walked_epoch;
    }
    return stood;
}

struct sw_stood sw_cursor_stood(const struct sw_fanout *fanout, const struct sw_cursor *cursor)
{
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    switch ((enum sw_cursor_kind)cursor->kind) {
    case SW_CURSOR_PLACE:
        return stood_at(tape, cursor->block, cursor->frame);
    case SW_CURSOR_BOARD:
    case SW_CURSOR_BARE:
        return (struct sw_stood){
            .position = cursor->position, .offset = cursor->offset, .epoch = cursor->epoch};
    case SW_CURSOR_END:
        break;
    }
    return sw_tape_stood(tape);
}

bool sw_hub_position(struct sw_fanout *fanout, uint32_t slot, uint32_t index,
                     struct sw_position *position)
{
    const struct sw_subscription *subscription = &sw_reader(fanout, slot)->list[index];
    const struct sw_tape *tape = fanout->tapes[subscription->tape];
    uint32_t id = tape->hub[subscription->place].cursor;
    if (!tape->history) {
        return false;
    }
    struct sw_cursor cursor = {0}; /* at TOP nothing is owed */
    struct sw_stood stood = sw_tape_stood(tape);
    if (id) {
        cursor = sw_cursor_ahead(fanout, id);
        stood = sw_cursor_stood(fanout, &cursor);
    }
    *position = (struct sw_position){.epoch = sw_history_name(tape, stood.epoch),
                                     .offset = stood.offset - cursor.span};
    if (cursor.reset) { /* whoever comes back before it has heard of that must hear of it */
        *position = (struct sw_position){.offset = SW_OFFSET_MAX};
    }
    return true;
}

/* ---- letting go, and standing again ---- */

void sw_cursor_leave_run(struct sw_fanout *fanout, struct sw_cursor *cursor)
{
    if (cursor->run) {
        sw_run_leave(fanout, cursor->run);
        cursor->run = NULL;
    }
}

void sw_cursor_note_unknown(struct sw_cursor *cursor)
{
    cursor->gap_reason = cursor->gap ? cursor->gap_reason : SW_SHED_FEED;
    cursor->gap_unknown = true;
}

/* Is there one in what it has not read? */
static bool passes_unknown(const struct sw_fanout *fanout, const struct sw_cursor *cursor)
{
    if (cursor->kind != SW_CURSOR_PLACE) {
        return cursor->kind == SW_CURSOR_BOARD &&
               sw_board_lacks(fanout->tapes[cursor->tape]->board, cursor->seq);
    }
    uint32_t frame = cursor->frame;
    for (const struct sw_block *block = cursor->block; block; block = block->next) {
        if (frame < block->frames && sw_block_is_unknown(block)) {
            return true;
        }
        frame = 0;
    }
    return false;
}

void sw_cursor_to_bare(struct sw_fanout *fanout, struct sw_cursor *cursor)
{
    if (cursor->kind == SW_CURSOR_BARE) {
        return;
    }
    struct sw_stood stood = sw_cursor_stood(fanout, cursor);
    uint64_t since = sw_cursor_since_ms(fanout, cursor);
    if (cursor->kind == SW_CURSOR_PLACE) {
        struct sw_owed owed;
        sw_cursor_behind(fanout, cursor, &owed);
        owed.behind = 0; /* it still is */
        sw_reader_settle(fanout, sw_reader(fanout, cursor->slot), owed);
    }
    if (passes_unknown(fanout, cursor)) {
        sw_cursor_note_unknown(cursor);
    }
    sw_cursor_let_go(fanout, cursor);
    cursor->kind = SW_CURSOR_BARE;
    fanout->tapes[cursor->tape]->history->bare++;
    cursor->run = NULL;
    cursor->position = stood.position;
    cursor->offset = stood.offset;
    cursor->epoch = stood.epoch;
    cursor->frame = (uint32_t)(since == UINT64_MAX ? sw_loop_now_ms(fanout->loop) : since);
}

bool sw_cursor_meets_gap(const struct sw_fanout *fanout, const struct sw_cursor *cursor)
{
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    if (!tape->history || cursor->kind != SW_CURSOR_PLACE ||
        sw_entry_mode(&tape->hub[cursor->place]) != SW_MODE_ALL) {
        return false;
    }
    const struct sw_block *block = cursor->block;
    if (cursor->frame == block->frames) {
        block = block->next;
        return block && sw_block_may_be_kept(block);
    }
    return sw_block_may_be_kept(block);
}

/* It goes past what is missing, of which `span` have offsets. */
static void lose(struct sw_fanout *fanout, struct sw_cursor *cursor, uint64_t count, uint64_t span,
                 enum sw_shed reason)
{
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    struct sw_reader *reader = sw_reader(fanout, cursor->slot);
    sw_reader_settle(fanout, reader, (struct sw_owed){.behind = count});
    sw_reader_lose(fanout, reader, tape->rule, count, reason);
    SW_LAW_ADD(fanout, tape, cursor->place, shed, count);
    cursor->gap += (uint32_t)count - sw_fanout_faulty(SW_FAULT_TOLD);
    cursor->gap_reason = (uint8_t)reason;
    cursor->span += (uint32_t)span;
    cursor->position += count;
    cursor->offset += span;
}

/* What has no offset between the cursor and the place that it goes to is missing; or it is read
 * though the reader came behind it, and due from now on. */
static void settle_plain(struct sw_fanout *fanout, struct sw_cursor *cursor, uint64_t position)
{
    int64_t passed = (int64_t)(position - cursor->position);
    if (passed > 0) {
        lose(fanout, cursor, (uint64_t)passed, 0, SW_SHED_SLOW);
    } else if (passed < 0) {
        sw_reader_replay(fanout, fanout->tapes[cursor->tape], cursor->place, (uint64_t)-passed);
    }
}

static void stand(struct sw_fanout *fanout, struct sw_cursor *cursor, struct sw_block *block,
                  uint32_t frame)
{
    settle_plain(fanout, cursor, sw_block_position(block, frame));
    sw_cursor_let_go(fanout, cursor);
    cursor->kind = SW_CURSOR_PLACE;
    cursor->block = block;
    cursor->frame = frame;
    sw_block_hold(block);
    struct sw_owed owed;
    sw_cursor_behind(fanout, cursor, &owed);
    owed.behind = 0; /* it has been */
    sw_reader_owe(fanout, sw_reader(fanout, cursor->slot), owed);
}

static void stand_in(struct sw_fanout *fanout, struct sw_cursor *cursor, struct sw_run_kept *run)
{
    if (cursor->run != run) {
        sw_run_stand(fanout, run);
        sw_cursor_leave_run(fanout, cursor);
        cursor->run = run;
    }
}

void sw_cursor_advance(struct sw_fanout *fanout, struct sw_cursor *cursor, uint32_t frames)
{
    cursor->offset += frames;
    cursor->position += frames;
    cursor->frame = (uint32_t)sw_loop_now_ms(fanout->loop);
}

/* ---- reading ---- */

/* Frames of the run from `*offset` on, as many as there is room for, but none that is not due yet:
 * a run may know more than has come to the tape. */
static void collect_run(struct sw_collecting *to, uint32_t id, const struct sw_found *found,
                        uint64_t *offset, uint64_t end)
{
    uint32_t frame = found->frame;
    struct sw_block *block = found->block;
    while (block && *offset < end && sw_has_room(to) && to->replay) {
        if (block->first + frame != *offset) {
            return; /* something is missing between them */
        }
        uint32_t n = sw_frames_within(to, block, frame);
        n = (uint32_t)sw_least(n, end - *offset);
        size_t before = to->bytes;
        sw_put(
            to,
            (struct sw_piece){
                .kind = SW_PIECE_RUN, .cursor = id, .frame = frame, .frames = n, .block = block});
        to->replay -= sw_least(to->replay, to->bytes - before);
        *offset += n;
        frame += n;
        if (frame == block->frames) {
            block = block->next;
            frame = 0;
        }
    }
}

/* Nothing of the cursor is to be written: it goes where what follows is. */
static void go(struct sw_fanout *fanout, struct sw_cursor *cursor, const struct sw_found *found)
{
    struct sw_tape *tape = fanout->tapes[cursor->tape];
    uint64_t until = found->until;
    switch (found->kind) {
    case SW_FOUND_PLACE:
        stand(fanout, cursor, found->block, found->frame);
        return;
    case SW_FOUND_GONE: {
        enum sw_shed reason = sw_history_reason(tape, cursor->offset + 1, &until);
        lose(fanout, cursor, until - cursor->offset, until - cursor->offset, reason);
        return;
    }
    case SW_FOUND_NONE:
        sw_cursor_leave_run(fanout, cursor);
        sw_tape_ask(fanout, tape, cursor->offset + 1);
        cursor->waits = true;
        return;
    case SW_FOUND_RUN:
        return;
    }
}

void sw_collect_bare(struct sw_fanout *fanout, struct sw_collecting *to, uint32_t id)
{
    struct sw_cursor *cursor = &fanout->cursors[id];
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    unsigned count = to->count;
    sw_put_pending(fanout, to, id);
    uint64_t offset = cursor->offset;
    while (sw_has_room(to) && to->replay && offset < tape->history->walked) {
        struct sw_found found = sw_history_find(tape, offset + 1);
        if (found.kind == SW_FOUND_RUN) {
            stand_in(fanout, cursor, found.run);
            collect_run(to, id, &found, &offset, tape->history->walked);
            continue;
        }
        if (to->count == count) {
            go(fanout, cursor, &found);
            sw_put_pending(fanout, to, id);
        } else if (found.kind == SW_FOUND_NONE) {
            sw_tape_ask(fanout, fanout->tapes[cursor->tape], offset + 1); /* ahead */
        }
        return;
    }
    if (offset == tape->history->walked && to->count == count && sw_has_room(to)) {
        settle_plain(fanout, cursor, tape->walked);
        sw_cursor_let_go(fanout, cursor);
        sw_put_pending(fanout, to, id);
    }
}
