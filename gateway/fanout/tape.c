// SPDX-License-Identifier: Apache-2.0
#include "common/mem.h"
#include "fanout/internal.h"

void sw_block_hold(struct sw_block *block)
{
    block->refs++;
}

/* Does only its clean tape hold it? Then the tape lets go too, and remembers what size its turns
 * need. */
static bool held_by_tape_alone(struct sw_fanout *fanout, struct sw_block *block)
{
    struct sw_tape *tape = fanout->tapes[block->tape];
    if (!tape || tape->last != block || tape->turn.block) {
        return false;
    }
    tape->last = NULL;
    return true;
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
        if (block->pins) {
            block->next = NULL;
        } else {
            sw_block_free(&fanout->pool, block);
        }
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

/* The block for the next frame of `need` bytes: the last one, or a new one behind it. */
static struct sw_block *room(struct sw_fanout *fanout, struct sw_tape *tape, size_t need,
                             bool alone, uint64_t now_ms)
{
    struct sw_block *last = tape->last;
    if (last && !alone && sw_block_fits(last, need, now_ms)) {
        return last;
    }
    struct sw_block *block = sw_block_create(&fanout->pool, tape->tier, need, alone);
    block->tape = tape->id;
    block->rule = tape->rule;
    block->first = tape->top;
    block->born_ms = now_ms;
    block->refs = 1; /* the tape's */
    tape->last = block;
    if (last) {
        if (tape->tier < SW_BLOCK_TIERS - 1) {
            tape->tier++;
        }
        last->next = block;
        sw_block_hold(block);
        sw_block_leave(fanout, last);
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

/* One frame, rendered once. */
static struct sw_block *append(struct sw_fanout *fanout, struct sw_tape *tape,
                               const struct sw_push *push)
{
    const struct sw_encoding *encoding = &fanout->encodings[tape->encoding];
    uint64_t now_ms = sw_loop_now_ms(fanout->loop);
    size_t text_size;
    size_t size = sw_encoding_size(encoding, push, &text_size);
    struct sw_block *block = room(fanout, tape, size, push->kind != SW_PUSH_MESSAGE, now_ms);
    make_dirty(fanout, tape, block);
    char *out = sw_block_data(block) + block->bytes;
    char *end = sw_encoding_write(encoding, push, text_size, out);
    SW_ASSERT(end == out + size);
    sw_block_add(block, size, now_ms);
    tape->turn.bytes += (uint32_t)size;
    return block;
}

static void append_gap(struct sw_fanout *fanout, struct sw_tape *tape, uint64_t count,
                       enum sw_shed reason)
{
    struct sw_push push = {.kind = SW_PUSH_DROPPED,
                           .name = sw_tape_name(tape),
                           .pattern = tape->pattern,
                           .count = count,
                           .reason = reason};
    struct sw_block *block = append(fanout, tape, &push);
    block->gap = true;
    block->count = count;
    block->shed = (uint8_t)reason;
    tape->turn.gaps += count;
    tape->top += count;
}

/* Said directly before what follows, so that readers stay at TOP meanwhile. */
void sw_tape_tell_lost(struct sw_fanout *fanout, struct sw_tape *tape)
{
    if (tape->lost) {
        tape->lost = false;
        append_gap(fanout, tape, 0, SW_SHED_FEED);
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

void sw_tape_append(struct sw_fanout *fanout, struct sw_tape *tape,
                    const struct sw_message *message)
{
    if (tape->readers == 0) {
        return;
    }
    sw_tape_tell_lost(fanout, tape);
    struct sw_push push = {.kind = SW_PUSH_MESSAGE,
                           .name = sw_tape_name(tape),
                           .pattern = tape->pattern,
                           .message = message};
    append(fanout, tape, &push);
    if (tape->turn.messages == 0) {
        tape->turn.arrived_ns = message->arrived_ns;
    }
    tape->turn.messages++;
    tape->top++;
    bound_turn(fanout, tape);
}

void sw_tape_append_gap(struct sw_fanout *fanout, struct sw_tape *tape, uint64_t count,
                        enum sw_shed reason)
{
    if (tape->readers == 0) {
        return;
    }
    if (count == 0 || count > SW_BEHIND_MAX / 4) { /* no reader's account holds more */
        tape->lost = true;
        return;
    }
    sw_tape_tell_lost(fanout, tape);
    append_gap(fanout, tape, count, reason);
    bound_turn(fanout, tape);
}
