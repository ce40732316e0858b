// SPDX-License-Identifier: Apache-2.0
/* Bookmarks: some clients keep what they were told last of where they are, and bring it when they
 * come back (an EventSource, its `id:`). So behind what moved a position goes, in the same system
 * call, the frame that says so. It is made before anything has left, and left out where what stands
 * before it does not leave whole; then it is owed, and the first that is written next: who takes
 * its frames slowly hears of each step. */
#include "fanout/collect.h"

void sw_reader_keep_bookmark(struct sw_fanout *fanout, uint32_t slot)
{
    sw_reader(fanout, slot)->flags |= SW_BOOKMARKS | SW_BOOKMARK_OWED;
    sw_fanout_due(fanout, slot);
}

/* What the piece will have made of its cursor. */
static void move(const struct sw_tape *tape, const struct sw_piece *piece, struct sw_cursor *cursor)
{
    switch ((enum sw_piece_kind)piece->kind) {
    case SW_PIECE_FRAMES:
        cursor->block = piece->block;
        cursor->frame = piece->frame + piece->frames;
        return;
    case SW_PIECE_RUN:
        cursor->offset += piece->frames;
        return;
    case SW_PIECE_ENTRY:
        cursor->offset = sw_tape_offset(tape, piece->block, 1);
        return;
    case SW_PIECE_GAP:
        cursor->span = 0;
        return;
    case SW_PIECE_NAME:
        cursor->reset = false;
        cursor->epoch = tape->history->epoch;
        return;
    case SW_PIECE_PASSED:
    case SW_PIECE_BOOKMARK:
        return;
    }
}

struct sw_cursor sw_cursor_ahead(const struct sw_fanout *fanout, uint32_t id)
{
    struct sw_cursor cursor = fanout->cursors[id];
    const struct sw_collecting *ahead = fanout->ahead;
    for (unsigned i = ahead ? ahead->lead : 0; ahead && i < ahead->count; i++) {
        if (ahead->pieces[i].cursor == id) {
            move(fanout->tapes[cursor.tape], &ahead->pieces[i], &cursor);
        }
    }
    return cursor;
}

bool sw_piece_moves(const struct sw_fanout *fanout, const struct sw_piece *piece)
{
    const struct sw_cursor *cursor = &fanout->cursors[piece->cursor];
    const struct sw_block *block = piece->block;
    if (piece->kind == SW_PIECE_BOOKMARK) {
        return false;
    }
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    if (!tape->history || !sw_entry_resumes(&tape->hub[cursor->place])) {
        return false;
    }
    switch ((enum sw_piece_kind)piece->kind) {
    case SW_PIECE_FRAMES:
        return block->positioned || block->span || block->renames;
    case SW_PIECE_GAP:
        return cursor->span != 0;
    case SW_PIECE_RUN:
    case SW_PIECE_ENTRY:
    case SW_PIECE_NAME:
        return true;
    case SW_PIECE_PASSED:
    case SW_PIECE_BOOKMARK:
        return false;
    }
    return false;
}

static void put(struct sw_fanout *fanout, struct sw_collecting *to, struct sw_slice frame)
{
    struct sw_block *block = sw_told_block(fanout, frame.size);
    memcpy(sw_block_data(block), frame.data, frame.size);
    sw_put(to, (struct sw_piece){.kind = SW_PIECE_BOOKMARK, .frames = 1, .block = block});
}

static bool any_moves(const struct sw_fanout *fanout, const struct sw_collecting *to)
{
    for (unsigned i = to->lead; i < to->count; i++) {
        if (sw_piece_moves(fanout, &to->pieces[i])) {
            return true;
        }
    }
    return false;
}

void sw_put_bookmark(struct sw_fanout *fanout, uint32_t slot, struct sw_collecting *to)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    bool first = to->count == to->lead;
    bool due = first ? reader->flags & SW_BOOKMARK_OWED
                     : reader->flags & SW_BOOKMARKS && any_moves(fanout, to);
    struct sw_buf frame = {0};
    if (due && !(reader->flags & SW_CLOSING)) {
        fanout->ahead = to;
        fanout->events->bookmark(fanout->owner, slot, &frame);
        fanout->ahead = NULL;
    }
    if (frame.size) {
        put(fanout, to, sw_buf_slice(&frame));
    } else if (first) {
        reader->flags &= (uint8_t)~SW_BOOKMARK_OWED; /* there is nothing to say */
    }
    sw_buf_deinit(&frame);
}
