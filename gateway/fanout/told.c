// SPDX-License-Identifier: Apache-2.0
/* Frames that one reader alone is told: what it has missed, and what became of its stream. Each is
 * rendered when it is to be written, into a block that its piece owns until it has left. */
#include "fanout/collect.h"

struct sw_block *sw_told_block(struct sw_fanout *fanout, size_t size)
{
    struct sw_block *block = sw_block_create(&fanout->pool, 0, size, true);
    uint64_t now_ms = sw_loop_now_ms(fanout->loop);
    block->tape = UINT32_MAX; /* nobody's */
    block->gap = true;        /* of no count: what it tells was counted when it was shed */
    block->born_ms = now_ms;
    sw_block_add(block, size, now_ms);
    return block;
}

static void put_told(struct sw_fanout *fanout, struct sw_collecting *to, struct sw_piece piece,
                     const struct sw_push *push)
{
    const struct sw_tape *tape = fanout->tapes[fanout->cursors[piece.cursor].tape];
    const struct sw_encoding *encoding = &fanout->encodings[tape->encoding];
    size_t text_size;
    size_t size = sw_encoding_size(encoding, push, &text_size);
    piece.block = sw_told_block(fanout, size);
    sw_encoding_write(encoding, push, text_size, sw_block_data(piece.block));
    piece.frames = 1;
    if (encoding->language->silent && push->kind != SW_PUSH_EPOCH) {
        fanout->events->on_gap(fanout->owner, fanout->cursors[piece.cursor].slot);
    }
    sw_put(to, piece);
}

static struct sw_push push_of(const struct sw_tape *tape, enum sw_push_kind kind)
{
    return (struct sw_push){.kind = kind, .name = sw_tape_name(tape), .pattern = tape->pattern};
}

static void put_gap(struct sw_fanout *fanout, struct sw_collecting *to, uint32_t id)
{
    const struct sw_cursor *cursor = &fanout->cursors[id];
    if (!sw_has_room(to) || (!cursor->gap && !cursor->gap_unknown)) {
        return;
    }
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    struct sw_push push = push_of(tape, SW_PUSH_DROPPED);
    push.count = cursor->gap_unknown ? 0 : cursor->gap;
    push.reason = (enum sw_shed)cursor->gap_reason;
    if (cursor->span) {
        push.epoch = sw_cursor_renamed(tape, cursor) /* it has just been told that */
                         ? tape->history->lineage.epoch
                         : sw_history_name(tape, sw_cursor_stood(fanout, cursor).epoch);
        push.to = sw_cursor_stood(fanout, cursor).offset;
        push.from = push.to - cursor->span + 1;
    }
    put_told(fanout, to,
             (struct sw_piece){.kind = SW_PIECE_GAP,
                               .cursor = id,
                               .told = cursor->gap,
                               .unknown = cursor->gap_unknown},
             &push);
}

void sw_put_passed(struct sw_fanout *fanout, struct sw_collecting *to, uint32_t id, uint64_t more)
{
    const struct sw_cursor *cursor = &fanout->cursors[id];
    struct sw_push push = push_of(fanout->tapes[cursor->tape], SW_PUSH_DROPPED);
    push.count = (uint64_t)(cursor->passed + (int64_t)more);
    push.reason = (enum sw_shed)cursor->reason;
    if (sw_has_room(to)) {
        put_told(
            fanout, to,
            (struct sw_piece){.kind = SW_PIECE_PASSED, .cursor = id, .told = (uint32_t)push.count},
            &push);
    }
}

static void put_name(struct sw_fanout *fanout, struct sw_collecting *to, uint32_t id,
                     enum sw_push_kind kind)
{
    const struct sw_cursor *cursor = &fanout->cursors[id];
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    struct sw_stood at = sw_cursor_stood(fanout, cursor);
    struct sw_push push = push_of(tape, kind);
    push.offset = at.offset;
    push.epoch =
        kind == SW_PUSH_RESET ? sw_history_name(tape, at.epoch) : tape->history->lineage.epoch;
    if (sw_has_room(to)) {
        put_told(fanout, to, (struct sw_piece){.kind = SW_PIECE_NAME, .cursor = id}, &push);
    }
}

void sw_put_pending(struct sw_fanout *fanout, struct sw_collecting *to, uint32_t id)
{
    const struct sw_cursor *cursor = &fanout->cursors[id];
    bool renamed = sw_cursor_renamed(fanout->tapes[cursor->tape], cursor);
    if (renamed && !cursor->reset) {
        put_name(fanout, to, id, SW_PUSH_EPOCH);
    }
    if (cursor->kind != SW_CURSOR_BOARD && cursor->passed > 0) {
        sw_put_passed(fanout, to, id, 0);
    }
    put_gap(fanout, to, id);
    if (cursor->reset) {
        put_name(fanout, to, id, SW_PUSH_RESET);
    }
    if (renamed && cursor->reset) {
        put_name(fanout, to, id, SW_PUSH_EPOCH);
    }
}
