// SPDX-License-Identifier: Apache-2.0
/* Cursors and the accounts of who is behind. */
#include "fanout/internal.h"

struct sw_cursor *sw_cursor_create(struct sw_fanout *fanout, uint32_t slot, struct sw_tape *tape,
                                   uint32_t place, struct sw_block *block, uint32_t frame)
{
    uint32_t id = fanout->cursors_free;
    if (id) {
        fanout->cursors_free = fanout->cursors[id].next;
    } else {
        id = fanout->cursors_high++;
    }
    fanout->cursors_used++;
    struct sw_cursor *cursor = &fanout->cursors[id];
    *cursor = (struct sw_cursor){
        .block = block, .frame = frame, .slot = slot, .tape = tape->id, .place = place};
    sw_block_hold(block);
    struct sw_reader *reader = sw_reader(fanout, slot);
    if (reader->head) {
        fanout->cursors[reader->tail].next = id;
    } else {
        reader->head = id;
    }
    reader->tail = id;
    SW_ASSERT(tape->hub[place].cursor == 0);
    tape->hub[place].cursor = id;
    return cursor;
}

static void release(struct sw_fanout *fanout, uint32_t id)
{
    struct sw_cursor *cursor = &fanout->cursors[id];
    fanout->tapes[cursor->tape]->hub[cursor->place].cursor = 0;
    sw_block_leave(fanout, cursor->block);
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

void sw_cursor_destroy(struct sw_fanout *fanout, uint32_t slot, uint32_t cursor)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    uint32_t before = 0;
    uint32_t id = reader->head;
    while (id != cursor) {
        SW_ASSERT(id != 0);
        before = id;
        id = fanout->cursors[id].next;
    }
    uint32_t next = fanout->cursors[id].next;
    if (before) {
        fanout->cursors[before].next = next;
    } else {
        reader->head = next;
    }
    if (reader->tail == id) {
        reader->tail = before;
    }
    release(fanout, id);
}

void sw_cursor_drop_done(struct sw_fanout *fanout, struct sw_reader *reader)
{
    while (reader->head) {
        uint32_t id = reader->head;
        const struct sw_cursor *cursor = &fanout->cursors[id];
        if (cursor->frame < cursor->block->frames || cursor->block->next) {
            return;
        }
        reader->head = cursor->next;
        release(fanout, id);
    }
    reader->tail = 0;
}

void sw_cursor_behind(struct sw_fanout *fanout, const struct sw_cursor *cursor, uint64_t *count,
                      uint64_t *bytes)
{
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    SW_ASSERT(!tape->turn.block);
    *count = tape->walked - sw_block_position(cursor->block, cursor->frame);
    *bytes = 0;
    uint32_t frame = cursor->frame;
    for (const struct sw_block *block = cursor->block; block; block = block->next) {
        *bytes += block->bytes - sw_block_start(block, frame);
        frame = 0;
    }
}

void sw_reader_owe(struct sw_fanout *fanout, struct sw_reader *reader, uint64_t count,
                   uint64_t bytes)
{
    reader->behind += (uint32_t)count;
    reader->queued_bytes += (uint32_t)bytes;
    sw_count(&fanout->counters->behind, (int64_t)count);
    sw_count(&fanout->counters->queued_bytes, (int64_t)bytes);
}

void sw_reader_settle(struct sw_fanout *fanout, struct sw_reader *reader, uint64_t count,
                      uint64_t bytes)
{
    SW_ASSERT(reader->behind >= count);
    SW_ASSERT(reader->queued_bytes >= bytes);
    reader->behind -= (uint32_t)count;
    reader->queued_bytes -= (uint32_t)bytes;
    sw_count(&fanout->counters->behind, -(int64_t)count);
    sw_count(&fanout->counters->queued_bytes, -(int64_t)bytes);
}

void sw_reader_shed(struct sw_fanout *fanout, struct sw_reader *reader, uint64_t count,
                    enum sw_shed reason)
{
    reader->shed += count;
    sw_count(&fanout->counters->shed_total[reason], (int64_t)count);
}
