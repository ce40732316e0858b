// SPDX-License-Identifier: Apache-2.0
#include "common/mem.h"
#include "fanout/internal.h"

void sw_block_hold(struct sw_block *block)
{
    block->refs++;
}

/* Does only its clean tape hold it, and not for who may ask for its last message? Then the tape
 * lets go too, and remembers what size its turns need. */
static bool held_by_tape_alone(struct sw_fanout *fanout, struct sw_block *block)
{
    struct sw_tape *tape = fanout->tapes[block->tape];
    if (!tape || tape->last != block || tape->turn.block || (tape->retain && !block->gap)) {
        return false;
    }
    tape->last = NULL;
    return true;
}

/* Nobody holds it any more. */
static void block_gone(struct sw_fanout *fanout, struct sw_block *block)
{
    struct sw_tape *tape = fanout->tapes[block->tape];
    if (tape && tape->history && tape->history->oldest == block) {
        tape->history->oldest = block->next;
    }
    if (block->pins) {
        block->next = NULL;
    } else {
        sw_block_free(&fanout->pool, block);
    }
}

void sw_block_leave(struct sw_fanout *fanout, struct sw_block *block)
{
    while (block) {
        block->refs--;
        if (block->refs > 1 || (block->refs == 1 && !held_by_tape_alone(fanout, block))) {
            return;
        }
        struct sw_block *next = block->next;
        block->refs = 0;
        block_gone(fanout, block);
        block = next;
    }
}

void sw_block_unpin(struct sw_fanout *fanout, struct sw_block *block)
{
    block->pins--;
    if (block->pins == 0 && block->refs == 0) {
        sw_block_free(&fanout->pool, block);
    }
}

struct sw_tape *sw_tape_find(struct sw_fanout *fanout, unsigned encoding, struct sw_slice name,
                             bool pattern)
{
    return sw_map_find(&fanout->names[encoding][pattern], name);
}

struct sw_tape *sw_tape_get(struct sw_fanout *fanout, uint32_t id, uint32_t generation)
{
    struct sw_tape *tape = id < fanout->tapes_count ? fanout->tapes[id] : NULL;
    return tape && tape->generation == generation && tape->state != SW_TAPE_DOOMED ? tape : NULL;
}

static uint32_t take_id(struct sw_fanout *fanout)
{
    if (fanout->tapes_free_count) {
        return fanout->tapes_free[--fanout->tapes_free_count];
    }
    if (fanout->tapes_count == fanout->tapes_capacity) {
        uint32_t capacity = fanout->tapes_capacity ? fanout->tapes_capacity * 2 : 64;
        fanout->tapes = sw_realloc(fanout->tapes, capacity * sizeof(*fanout->tapes));
        fanout->tapes_free = sw_realloc(fanout->tapes_free, capacity * sizeof(uint32_t));
        fanout->tapes_capacity = capacity;
    }
    return fanout->tapes_count++;
}

struct sw_tape *sw_tape_create(struct sw_fanout *fanout, unsigned encoding, struct sw_slice name,
                               bool pattern)
{
    struct sw_tape *tape = sw_zalloc(offsetof(struct sw_tape, name) + name.size);
    tape->id = take_id(fanout);
    tape->generation = ++fanout->generation;
    tape->state = SW_TAPE_JOINING;
    tape->encoding = (uint8_t)encoding;
    tape->pattern = pattern;
    tape->name_size = (uint8_t)name.size;
    sw_list_init(&tape->turn.waiting);
    for (size_t i = 0; i < name.size; i++) {
        tape->name[i] = name.data[i];
    }
    fanout->tapes[tape->id] = tape;
    sw_map_insert(&fanout->names[encoding][pattern], sw_tape_name(tape), tape);
    sw_count(&fanout->counters->tapes, 1);
    return tape;
}

void sw_tape_joined(struct sw_tape *tape, struct sw_list *waiting)
{
    SW_ASSERT(tape->state == SW_TAPE_JOINING);
    sw_list_init(waiting);
    for (struct sw_list *node; (node = sw_list_pop(&tape->turn.waiting));) {
        sw_list_push(waiting, node);
    }
    tape->state = SW_TAPE_JOINED;
}

static void tape_free(struct sw_fanout *fanout, struct sw_tape *tape)
{
    struct sw_block *last = tape->last;
    sw_history_destroy(fanout, tape);
    fanout->tapes[tape->id] = NULL;
    if (last) {
        sw_block_leave(fanout, last);
    }
    fanout->tapes_free[fanout->tapes_free_count++] = tape->id;
    if (tape->hub != &tape->one) {
        sw_free(tape->hub);
    }
    sw_free(tape);
}

void sw_tape_destroy(struct sw_fanout *fanout, struct sw_tape *tape)
{
    SW_ASSERT(tape->readers == 0);
    SW_ASSERT(!sw_tape_awaited(tape));
    SW_ASSERT(tape->state != SW_TAPE_DOOMED);
    sw_map_remove(&fanout->names[tape->encoding][tape->pattern], sw_tape_name(tape));
    sw_count(&fanout->counters->tapes, -1);
    tape->state = SW_TAPE_DOOMED;
    if (!tape->turn.block) {
        tape_free(fanout, tape);
    }
}

void sw_tape_turned(struct sw_fanout *fanout, struct sw_tape *tape)
{
    struct sw_block *block = tape->turn.block;
    uint32_t bytes = tape->turn.bytes;
    tape->turn.block = NULL;
    tape->tier = bytes < 800 ? 0 : bytes < 3600 ? 1 : bytes < 14000 ? 2 : 3;
    if (tape->last != block) {
        /* the last one too is asked whether anybody else holds it */
        struct sw_block *last = tape->last;
        sw_block_hold(last);
        sw_block_leave(fanout, block);
        block = last;
    }
    sw_block_leave(fanout, block);
    if (tape->state == SW_TAPE_DOOMED) {
        tape_free(fanout, tape);
    }
}

/* What the next frame is. */
struct frame {
    size_t bytes;
    bool alone;
    bool positioned;
};

static struct sw_block *create_block(struct sw_fanout *fanout, struct sw_tape *tape,
                                     const struct frame *frame, uint64_t now_ms)
{
    struct sw_block *block = sw_block_create(&fanout->pool, tape->tier, frame->bytes, frame->alone);
    block->tape = tape->id;
    block->rule = tape->rule;
    block->first = tape->top;
    block->born_ms = now_ms;
    block->refs = 1; /* the tape's */
    if (tape->history) {
        block->positioned = frame->positioned;
        block->plain = (uint32_t)sw_tape_plain(tape);
        block->epoch = tape->history->epoch;
    }
    return block;
}

/* The block for the next frame: the last one, or a new one behind it. */
static struct sw_block *room(struct sw_fanout *fanout, struct sw_tape *tape,
                             const struct frame *frame, uint64_t now_ms)
{
    struct sw_block *last = tape->last;
    bool same = last && last->positioned == frame->positioned;
    if (same && !frame->alone && sw_block_fits(last, frame->bytes, now_ms)) {
        return last;
    }
    struct sw_block *block = create_block(fanout, tape, frame, now_ms);
    tape->last = block;
    if (last) {
        if (same && tape->tier < SW_BLOCK_TIERS - 1) {
            tape->tier++;
        }
        last->next = block;
        sw_block_hold(block);
        sw_block_leave(fanout, last);
    } else if (tape->history) {
        tape->history->oldest = block;
    }
    return block;
}

static void make_dirty(struct sw_fanout *fanout, struct sw_tape *tape, struct sw_block *block)
{
    if (tape->turn.block) {
        return;
    }
    tape->turn = (struct sw_tape_turn){.block = block, .frame = block->frames};
    sw_block_hold(block);
    tape->dirty_next = 0;
    if (fanout->dirty_tail) {
        fanout->tapes[fanout->dirty_tail - 1]->dirty_next = tape->id + 1;
    } else {
        fanout->dirty_head = tape->id + 1;
    }
    fanout->dirty_tail = tape->id + 1;
    fanout->dirty_count++;
}

static void render(struct sw_fanout *fanout, const struct sw_tape *tape, struct sw_block *block,
                   const struct sw_push *push, size_t text_size, size_t size)
{
    char *out = sw_block_data(block) + block->bytes;
    char *end = sw_encoding_write(&fanout->encodings[tape->encoding], push, text_size, out);
    SW_ASSERT(end == out + size);
    sw_block_add(block, size, sw_loop_now_ms(fanout->loop));
}

/* One frame, rendered once. */
static struct sw_block *append(struct sw_fanout *fanout, struct sw_tape *tape,
                               const struct sw_push *push)
{
    const struct sw_encoding *encoding = &fanout->encodings[tape->encoding];
    size_t text_size;
    size_t size = sw_encoding_size(encoding, push, &text_size);
    bool message = push->kind == SW_PUSH_MESSAGE;
    struct frame frame = {
        .bytes = size, .alone = !message, .positioned = message && push->offset != 0};
    struct sw_block *block = room(fanout, tape, &frame, sw_loop_now_ms(fanout->loop));
    make_dirty(fanout, tape, block);
    render(fanout, tape, block, push, text_size, size);
    tape->turn.bytes += (uint32_t)size;
    return block;
}

static void append_gap(struct sw_fanout *fanout, struct sw_tape *tape, const struct sw_gap *gap)
{
    struct sw_push push = {.kind = SW_PUSH_DROPPED,
                           .name = sw_tape_name(tape),
                           .pattern = tape->pattern,
                           .count = gap->count,
                           .reason = gap->reason};
    if (gap->span) {
        push.epoch = tape->history->lineage.epoch;
        push.from = gap->from;
        push.to = gap->from + gap->span - 1;
    }
    struct sw_block *block = append(fanout, tape, &push);
    block->gap = true;
    block->count = (uint32_t)gap->count;
    block->span = (uint32_t)gap->span;
    block->shed = (uint8_t)gap->reason;
    tape->turn.gaps += gap->count;
    tape->top += gap->count;
    if (fanout->encodings[tape->encoding].language->silent) {
        for (uint32_t place = 0; place < tape->readers; place++) {
            fanout->events->on_gap(fanout->owner, tape->hub[place].slot);
        }
    }
}

void sw_tape_append_name(struct sw_fanout *fanout, struct sw_tape *tape,
                         const struct sw_epoch *name)
{
    struct sw_push push = {.kind = SW_PUSH_EPOCH,
                           .name = sw_tape_name(tape),
                           .pattern = tape->pattern,
                           .offset = tape->history->top,
                           .epoch = *name};
    struct sw_block *block = append(fanout, tape, &push);
    block->gap = true;
    block->renames = true;
}

/* Said directly before what follows, so that readers stay at TOP meanwhile. */
void sw_tape_tell_lost(struct sw_fanout *fanout, struct sw_tape *tape)
{
    if (tape->lost) {
        tape->lost = false;
        append_gap(fanout, tape, &(struct sw_gap){.reason = SW_SHED_FEED});
    }
}

/* One tape may not fill the turn: libuv handles up to 48 x 1,024 events before the next one ends.
 */
static void bound_turn(struct sw_fanout *fanout, struct sw_tape *tape)
{
    if (tape->turn.bytes >= SW_TAPE_TURN_BYTES) {
        sw_walk_early(fanout, tape);
    }
}

/* Nobody reads it, but somebody waits to: it only counts. */
static void pass(struct sw_tape *tape, uint64_t count, uint64_t span)
{
    struct sw_tape_history *history = tape->history;
    if (history) {
        tape->top += count;
        tape->walked = tape->top;
        history->top += span;
        history->walked = history->top;
    }
}

void sw_tape_append(struct sw_fanout *fanout, struct sw_tape *tape,
                    const struct sw_message *message, uint64_t offset)
{
    offset = tape->history ? offset : 0;
    SW_ASSERT(offset == 0 || offset == tape->history->top + 1);
    if (tape->readers == 0) {
        pass(tape, 1, offset != 0);
        return;
    }
    sw_tape_tell_lost(fanout, tape);
    struct sw_push push = {.kind = SW_PUSH_MESSAGE,
                           .name = sw_tape_name(tape),
                           .pattern = tape->pattern,
                           .offset = offset,
                           .message = message};
    append(fanout, tape, &push);
    if (tape->turn.messages == 0) {
        tape->turn.arrived_ns = message->arrived_ns;
    }
    tape->turn.messages++;
    tape->top++;
    if (offset) {
        tape->history->top++;
    }
    bound_turn(fanout, tape);
}

void sw_tape_append_gap(struct sw_fanout *fanout, struct sw_tape *tape, const struct sw_gap *gap)
{
    SW_ASSERT(gap->span == 0 || (tape->history && gap->from == tape->history->top + 1));
    bool counted = gap->count && gap->count <= SW_GAP_MAX;
    struct sw_gap told = *gap;
    if (!counted) {
        tape->lost = tape->readers != 0;
        told.count = told.span; /* what has offsets is counted all the same */
    }
    if (told.span) {
        sw_history_mark(tape, &told);
    }
    if (tape->readers == 0) {
        pass(tape, told.count, told.span);
        return;
    }
    if (!told.count) {
        return;
    }
    if (counted) {
        sw_tape_tell_lost(fanout, tape);
    }
    append_gap(fanout, tape, &told);
    if (tape->history) {
        tape->history->top += told.span;
    }
    bound_turn(fanout, tape);
}

void sw_tape_keep(struct sw_fanout *fanout, struct sw_tape *tape, const struct sw_message *message)
{
    const struct sw_encoding *encoding = &fanout->encodings[tape->encoding];
    struct sw_push push = {.kind = SW_PUSH_MESSAGE,
                           .name = sw_tape_name(tape),
                           .pattern = tape->pattern,
                           .message = message};
    size_t text_size;
    struct frame frame = {.bytes = sw_encoding_size(encoding, &push, &text_size)};
    struct sw_block *block = room(fanout, tape, &frame, sw_loop_now_ms(fanout->loop));
    render(fanout, tape, block, &push, text_size, frame.bytes);
    tape->top++;
    tape->walked = tape->top;
    tape->retain = true;
}
