// SPDX-License-Identifier: Apache-2.0
/* What a cursor on a board is owed: the entries that it has not read, and the count of what it
 * passed on the way. */
#include "fanout/collect.h"

/* What has fallen off the board before it was read was not conflated: it is missing. */
static void note_fallen(struct sw_fanout *fanout, struct sw_reader *reader,
                        struct sw_cursor *cursor, const struct sw_board *board)
{
    uint64_t count = board->fell - cursor->position;
    if (cursor->passed < 0) { /* told as passed, ahead */
        uint64_t told = (uint64_t)-cursor->passed;
        told = told < count ? told : count;
        sw_cursor_pass(fanout, reader, cursor, told);
        count -= told;
    }
    sw_reader_settle(fanout, reader, (struct sw_owed){.behind = count});
    sw_reader_lose(fanout, reader, fanout->tapes[cursor->tape]->rule, count, SW_SHED_SLOW);
    SW_LAW_ADD(fanout, fanout->tapes[cursor->tape], cursor->place, shed, count);
    cursor->gap += (uint32_t)count;
    cursor->gap_reason = SW_SHED_SLOW;
    cursor->span += (uint32_t)sw_least(board->fell_offset - cursor->offset, count);
    cursor->offset = board->fell_offset;
    cursor->gap_unknown = cursor->gap_unknown || cursor->seq < board->fell_unknown;
    cursor->position = board->fell;
    cursor->seq = board->fell_seq;
}

/* What one reading of a board takes: the entries within the budget, and what is passed on the way.
 */
struct reading {
    unsigned entries;
    uint64_t passed;
    bool end; /* nothing is left behind them */
};

static uint32_t passed_before(const struct sw_board_entry *entry, uint64_t position)
{
    return (uint32_t)(entry->position - sw_block_positions(entry->frame, 1) - position);
}

static struct reading measure(const struct sw_collecting *to, const struct sw_board *board,
                              const struct sw_cursor *cursor)
{
    struct reading reading = {0};
    size_t bytes = to->bytes;
    uint64_t position = cursor->position;
    const struct sw_board_entry *entry = sw_board_behind(board, cursor->seq);
    while (entry && to->count + reading.entries + 1 < SW_FLUSH_PIECES && bytes < to->budget &&
           sw_cursor_may_read(cursor, entry->seq)) {
        reading.passed += passed_before(entry, position);
        position = entry->position;
        bytes += entry->frame->bytes;
        reading.entries++;
        entry = sw_board_next(board, entry);
    }
    reading.end = entry == NULL;
    return reading;
}

/* When to tell what was passed. */
enum tell {
    TELL_NOT,
    TELL_FIRST, /* a second is over */
    TELL_LAST,  /* nothing more will come for now: behind all that is read, if that leaves whole */
};

static enum tell tells(struct sw_fanout *fanout, const struct sw_cursor *cursor,
                       const struct reading *reading)
{
    if (cursor->passed + (int64_t)reading->passed <= 0) {
        return TELL_NOT;
    }
    if ((uint16_t)(sw_told_now(fanout) - cursor->told) >= SW_TOLD_STEPS) {
        return TELL_FIRST;
    }
    unsigned pace = sw_entry_pace(&fanout->tapes[cursor->tape]->hub[cursor->place]);
    return reading->end && (pace == 0 || reading->entries == 0) ? TELL_LAST : TELL_NOT;
}

void sw_collect_board(struct sw_fanout *fanout, struct sw_reader *reader, struct sw_collecting *to,
                      uint32_t id)
{
    struct sw_cursor *cursor = &fanout->cursors[id];
    const struct sw_board *board = fanout->tapes[cursor->tape]->board;
    if (cursor->seq < board->fell_seq) {
        note_fallen(fanout, reader, cursor, board);
    }
    sw_put_pending(fanout, to, id);
    struct reading reading = measure(to, board, cursor);
    enum tell tell = tells(fanout, cursor, &reading);
    if (tell == TELL_FIRST) {
        sw_put_passed(fanout, to, id, reading.passed);
    }
    uint64_t position = cursor->position;
    const struct sw_board_entry *entry = sw_board_behind(board, cursor->seq);
    for (unsigned i = 0; i < reading.entries; i++) {
        sw_put(to, (struct sw_piece){.kind = SW_PIECE_ENTRY,
                                     .cursor = id,
                                     .frames = 1,
                                     .passed = passed_before(entry, position),
                                     .seq = entry->seq,
                                     .position = entry->position,
                                     .block = entry->frame});
        position = entry->position;
        entry = sw_board_next(board, entry);
    }
    if (tell == TELL_LAST) {
        sw_put_passed(fanout, to, id, reading.passed);
    }
}
