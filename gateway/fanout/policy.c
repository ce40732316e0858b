// SPDX-License-Identifier: Apache-2.0
/* What becomes of a reader that is behind: a row for each mode.
 *
 *   mode        pressured            above high, and old     above max
 *   all         -                    the oldest is shed      the same, whatever its age
 *   (with history                    let go of, asked later  the same)
 *   latest      onto the board       -                       onto the board
 *   disconnect  -                    (10 s: gate.c) ended    ended
 *
 * Pressured: something has waited for SW_PRESSURE_MS, or for SW_SHED_AGE_MS above the high mark.
 * Marks are the session's: what is shed is taken from whichever subscription has the oldest. */
#include "fanout/internal.h"

static enum sw_mode mode_of(const struct sw_fanout *fanout, const struct sw_cursor *cursor)
{
    return sw_entry_mode(&fanout->tapes[cursor->tape]->hub[cursor->place]);
}

bool sw_reader_has(const struct sw_fanout *fanout, const struct sw_reader *reader,
                   enum sw_mode mode)
{
    uint32_t id = reader->cursors;
    while (id) {
        if (mode_of(fanout, &fanout->cursors[id]) == mode) {
            return true;
        }
        id = fanout->cursors[id].next;
        if (id == reader->cursors) {
            return false;
        }
    }
    return false;
}

/* Of what its cursors have not read; UINT64_MAX: nothing waits there. */
uint64_t sw_policy_oldest_ms(struct sw_fanout *fanout, uint32_t slot)
{
    const struct sw_reader *reader = sw_reader(fanout, slot);
    uint64_t oldest = UINT64_MAX;
    uint32_t id = reader->cursors;
    while (id) {
        const struct sw_cursor *cursor = &fanout->cursors[id];
        if (!sw_cursor_waits(cursor)) {
            uint64_t since = sw_cursor_since_ms(fanout, cursor);
            oldest = since < oldest ? since : oldest;
        }
        id = cursor->next;
        if (id == reader->cursors) {
            break;
        }
    }
    return oldest;
}

void sw_policy_since(struct sw_fanout *fanout, uint32_t slot)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    uint64_t now = sw_loop_now_ms(fanout->loop);
    uint64_t oldest = sw_policy_oldest_ms(fanout, slot);
    uint32_t since = (uint32_t)(oldest < now ? oldest : now);
    bool older = (int32_t)(since - reader->since) < 0;
    if (!(reader->flags & SW_WRITE_PENDING) || older) { /* else the frame in flight is older */
        reader->since = since;
    }
}

uint32_t sw_reader_lag_ms(struct sw_fanout *fanout, uint32_t slot)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    if (!(reader->flags & SW_WRITE_PENDING) && !sw_reader_owed(fanout, reader)) {
        return 0;
    }
    sw_policy_since(fanout, slot);
    return (uint32_t)sw_loop_now_ms(fanout->loop) - reader->since;
}

/* ---- shedding ---- */

/* How much is to go, and from when on nothing. */
struct shedding {
    uint32_t low_bytes;
    uint32_t low_messages;
    uint64_t until_ms; /* what came later stays */
};

static bool enough(const struct sw_reader *reader, const struct shedding *shedding)
{
    return reader->queued_bytes <= shedding->low_bytes && reader->queued <= shedding->low_messages;
}

/* The run of frames at the cursor that goes: not more than it takes, not what is too young. */
static uint32_t run_length(const struct sw_reader *reader, const struct sw_cursor *cursor,
                           const struct shedding *shedding, uint64_t until_ms)
{
    const struct sw_block *block = cursor->block;
    uint32_t start = sw_block_start(block, cursor->frame);
    uint32_t n = 0;
    while (cursor->frame + n < block->frames) {
        uint32_t bytes = n ? sw_block_end(block, cursor->frame + n - 1) - start : 0;
        if ((reader->queued_bytes - bytes <= shedding->low_bytes &&
             reader->queued - n <= shedding->low_messages) ||
            sw_block_time_ms(block, cursor->frame + n) > until_ms) {
            break;
        }
        n++;
    }
    return n;
}

/* The cursor moves past its oldest frames, and its gap grows. */
static void shed_frames(struct sw_fanout *fanout, struct sw_reader *reader,
                        struct sw_cursor *cursor, const struct shedding *shedding,
                        uint64_t until_ms)
{
    while (!enough(reader, shedding)) {
        struct sw_block *block = cursor->block;
        if (cursor->frame == block->frames) {
            if (!block->next) {
                return;
            }
            sw_cursor_move(fanout, cursor, block->next, 0);
            continue;
        }
        uint32_t n = run_length(reader, cursor, shedding, until_ms);
        if (n == 0) {
            return;
        }
        uint64_t count = block->gap ? block->count : n;
        uint32_t bytes =
            sw_block_end(block, cursor->frame + n - 1) - sw_block_start(block, cursor->frame);
        sw_reader_settle(fanout, reader,
                         (struct sw_owed){.behind = count, .queued = count, .bytes = bytes});
        sw_reader_lose(fanout, reader, block->rule, count, SW_SHED_SLOW);
        SW_LAW_ADD(fanout, fanout->tapes[cursor->tape], cursor->place, shed, count);
        cursor->gap += (uint32_t)count - sw_fanout_faulty(SW_FAULT_TOLD);
        cursor->gap_reason = SW_SHED_SLOW;
        cursor->gap_unknown = cursor->gap_unknown || sw_block_is_unknown(block);
        sw_cursor_move(fanout, cursor, block, cursor->frame + n);
    }
}

static void shed_from(struct sw_fanout *fanout, struct sw_reader *reader, struct sw_cursor *cursor,
                      const struct shedding *shedding, uint64_t until_ms)
{
    shed_frames(fanout, reader, cursor, shedding, until_ms);
    if (cursor->frame == cursor->block->frames && !cursor->block->next) {
        sw_cursor_let_go(fanout, cursor);
    }
}

/* The cursor of mode `all` that is furthest behind in time; *next: when the oldest of the others
 * came. */
static struct sw_cursor *furthest(struct sw_fanout *fanout, const struct sw_reader *reader,
                                  uint64_t *since, uint64_t *next)
{
    struct sw_cursor *found = NULL;
    *since = UINT64_MAX;
    *next = UINT64_MAX;
    uint32_t id = reader->cursors;
    while (id) {
        struct sw_cursor *cursor = &fanout->cursors[id];
        id = cursor->next == reader->cursors ? 0 : cursor->next;
        if (cursor->kind != SW_CURSOR_PLACE || mode_of(fanout, cursor) != SW_MODE_ALL) {
            continue;
        }
        uint64_t at = sw_cursor_since_ms(fanout, cursor);
        if (at < *since) {
            *next = *since;
            *since = at;
            found = cursor;
        } else if (at < *next) {
            *next = at;
        }
    }
    return found;
}

/* Frames of one cursor that go before the next one is looked for: theirs may be as old. */
#define SHED_STEP_MS 50

static void shed(struct sw_fanout *fanout, struct sw_reader *reader,
                 const struct shedding *shedding)
{
    while (!enough(reader, shedding)) {
        uint64_t since;
        uint64_t next;
        struct sw_cursor *cursor = furthest(fanout, reader, &since, &next);
        if (!cursor || since > shedding->until_ms) {
            return;
        }
        if (fanout->tapes[cursor->tape]->history) {
            sw_cursor_to_bare(fanout, cursor);
            continue;
        }
        uint64_t until = next < UINT64_MAX - SHED_STEP_MS ? next + SHED_STEP_MS : next;
        shed_from(fanout, reader, cursor, shedding,
                  until < shedding->until_ms ? until : shedding->until_ms);
    }
}

/* ---- boards ---- */

/* Who wants the latest stands on the boards from now on. */
static void to_boards(struct sw_fanout *fanout, struct sw_reader *reader)
{
    uint32_t id = reader->cursors;
    while (id) {
        struct sw_cursor *cursor = &fanout->cursors[id];
        id = cursor->next == reader->cursors ? 0 : cursor->next;
        if (cursor->kind == SW_CURSOR_PLACE && mode_of(fanout, cursor) == SW_MODE_LATEST) {
            sw_cursor_take_board(fanout, cursor);
        }
    }
}

/* A run is as large as what it holds, and who does not read would keep it for ever: it asks again.
 */
static void leave_runs(struct sw_fanout *fanout, const struct sw_reader *reader)
{
    uint32_t id = reader->cursors;
    while (id) {
        struct sw_cursor *cursor = &fanout->cursors[id];
        id = cursor->next == reader->cursors ? 0 : cursor->next;
        if (cursor->kind == SW_CURSOR_BARE) {
            sw_cursor_leave_run(fanout, cursor);
        }
    }
}

void sw_policy_shed_older(struct sw_fanout *fanout, uint32_t slot, uint64_t until_ms)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    to_boards(fanout, reader);
    leave_runs(fanout, reader);
    shed(fanout, reader, &(struct shedding){.until_ms = until_ms});
    if (!(reader->flags & (SW_WRITE_PENDING | SW_GATED))) {
        sw_fanout_due(fanout, slot); /* it has a gap to hear of */
    }
}

/* ---- the look ---- */

void sw_policy_look(struct sw_fanout *fanout, uint32_t slot, bool flushed)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    uint64_t now = sw_loop_now_ms(fanout->loop);
    bool high = sw_policy_over_high(fanout, reader);
    if (!high && (uint32_t)now - reader->since < SW_PRESSURE_MS) {
        return;
    }
    sw_policy_since(fanout, slot);
    uint32_t waited = (uint32_t)now - reader->since;
    bool max = flushed && reader->queued_bytes > fanout->marks.max_bytes;
    if (waited >= SW_PRESSURE_MS || (high && waited >= SW_SHED_AGE_MS)) {
        sw_gate_shut(fanout, slot);
    } else if (!max) {
        if (high) {
            sw_gate_watch(fanout, slot); /* it is looked at again, though nothing may follow */
        }
        return;
    }
    to_boards(fanout, reader);
    if (sw_policy_over_high(fanout, reader)) {
        shed(fanout, reader,
             &(struct shedding){.low_bytes = fanout->marks.low_bytes,
                                .low_messages = fanout->marks.high_messages / 3,
                                .until_ms = max ? now : now - SW_SHED_AGE_MS});
    }
    if (max && reader->queued_bytes > fanout->marks.max_bytes &&
        sw_reader_has(fanout, reader, SW_MODE_DISCONNECT)) {
        fanout->events->on_over(fanout->owner, slot);
    }
}

void sw_fanout_look(struct sw_fanout *fanout, uint32_t slot)
{
    sw_fanout_skip(fanout, slot);
    sw_policy_look(fanout, slot, true);
}
