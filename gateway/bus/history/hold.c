// SPDX-License-Identifier: Apache-2.0
/* What came for a topic: what becomes of it by the claim, and what waits behind a look. */
#include "bus/history/topic.h"
#include "common/assert.h"
#include "common/mem.h"
#include "core/limits.h"

/* An array of what waits is kept up to this size. */
#define KEPT_HELD 64

enum verdict {
    PLAIN, /* it has no position */
    NEXT,
    OLD,     /* it is in the ring, or was */
    GHOST,   /* the history does not hold it */
    STRANGE, /* another epoch's: to be looked at */
    HOLE,    /* something before it is missing: likewise */
};

/* ---- verdicts ---- */

/* `covered`: the claim is that of a look which began after it came, so it stands there or nowhere.
 */
static enum verdict judge(const struct sw_history *history, const struct sw_position *position,
                          bool covered)
{
    const struct sw_lineage *lineage = &history->lineage;
    uint64_t last = history->ring.last;
    if (position->offset == 0) {
        return PLAIN;
    }
    if (sw_epoch_equal(&position->epoch, &lineage->epoch)) {
        if (position->offset <= last) {
            return OLD;
        }
        if (covered) {
            return GHOST;
        }
        return position->offset == last + 1 ? NEXT : HOLE;
    }
    for (uint8_t i = 0; i < lineage->count; i++) {
        if (sw_epoch_equal(&position->epoch, &lineage->ends[i].epoch)) {
            return position->offset <= lineage->ends[i].last ? OLD : GHOST;
        }
    }
    return covered ? GHOST : STRANGE;
}

static void pass_on(struct sw_history *history, struct sw_message *message)
{
    static const struct sw_outlet_gap too_large = {.count = 1, .shed = SW_SHED_TOO_LARGE};
    sw_count(&history->all->counters->unpositioned_total, 1);
    if (message) {
        sw_readers_message(history->all->outlets, history->interest, message, 0);
    } else {
        sw_readers_gap(history->all->outlets, history->interest, &too_large);
    }
}

static void let_go(struct sw_history *history, const struct sw_held *held)
{
    if (held->message) {
        sw_lent_let_go(history->all->purse, held->message);
    }
}

/* Takes its reference. */
static void finish(struct sw_history *history, const struct sw_held *held, enum verdict verdict)
{
    switch (verdict) {
    case PLAIN:
        pass_on(history, held->message);
        break;
    case NEXT:
        sw_history_post(history, held->message);
        break;
    case OLD:
        break;
    case GHOST:
        sw_history_ghost(history);
        break;
    case STRANGE:
    case HOLE:
        SW_UNREACHABLE();
    }
    let_go(history, held);
}

/* ---- waiting ---- */

static size_t weight(const struct sw_held *held)
{
    return sizeof(*held) + (held->message ? sw_message_bytes(held->message) : 0);
}

static void make_room(struct sw_history *history)
{
    if (history->held_end < history->held_capacity) {
        return;
    }
    history->held_capacity = history->held_capacity ? history->held_capacity * 2 : 8;
    history->held = sw_realloc(history->held, history->held_capacity * sizeof(history->held[0]));
}

static void hold(struct sw_history *history, struct sw_held held)
{
    size_t bytes = weight(&held);
    bool first = history->held_first == history->held_end;
    if (history->overflowed || (!first && history->held_bytes + bytes > SW_HISTORY_HELD_BYTES)) {
        history->overflowed = true;
        history->dropped += held.position.offset == 0;
        let_go(history, &held);
        return;
    }
    make_room(history);
    history->held[history->held_end++] = held;
    history->held_bytes += bytes;
}

void sw_history_take(struct sw_history *history, struct sw_held held)
{
    if (history->state != SW_HISTORY_LIVE) {
        hold(history, held);
        return;
    }
    enum verdict verdict = judge(history, &held.position, false);
    if (verdict < STRANGE) {
        finish(history, &held, verdict);
        return;
    }
    hold(history, held);
    sw_history_look(history, verdict == HOLE ? SW_LOOK_HOLE : SW_LOOK_EPOCH);
}

/* Everything that waited has gone its way. */
static void reset_held(struct sw_history *history)
{
    struct sw_outlet_gap gap = {.count = history->dropped, .shed = SW_SHED_NODE};
    history->held_first = 0;
    history->held_end = 0;
    history->held_bytes = 0;
    history->covered = 0;
    if (history->held_capacity > KEPT_HELD) {
        sw_free(history->held);
        history->held = NULL;
        history->held_capacity = 0;
    }
    if (gap.count > 0) {
        history->dropped = 0;
        sw_count(&history->all->counters->unpositioned_total, gap.count);
        sw_readers_gap(history->all->outlets, history->interest, &gap);
    }
}

void sw_history_let_go(struct sw_history *history)
{
    for (uint32_t i = history->held_first; i < history->held_end; i++) {
        struct sw_held *held = &history->held[i];
        if (held->position.offset == 0) {
            pass_on(history, held->message);
        }
        let_go(history, held);
    }
    reset_held(history);
    history->overflowed = false;
}

uint64_t sw_history_hole(const struct sw_history *history)
{
    if (history->state != SW_HISTORY_LOOKING || history->held_first == history->held_end) {
        return 0;
    }
    const struct sw_position *first = &history->held[history->held_first].position;
    bool hole = judge(history, first, false) == HOLE &&
                first->offset - 1 - history->ring.last <= SW_GAP_MAX;
    return hole ? first->offset - 1 : 0;
}

/* ---- after a look ---- */

static void welcome(struct sw_history *history)
{
    struct sw_topic_state *state = sw_history_state(history, true, false, 0);
    struct sw_exchange_reader *reader = history->interest->readers;
    for (; reader; reader = reader->next) {
        if (!reader->joined) {
            sw_reader_welcome(history->all->outlets, reader, state);
        }
    }
    sw_topic_state_unref(history->all->purse, state);
}

/* A check that has come since waits for another look. */
static void answer_checks(struct sw_history *history)
{
    for (uint32_t i = history->checks.count; i > 0; i--) {
        struct sw_asker check = history->checks.rows[i - 1];
        struct sw_exchange_reader *reader = sw_asker_find(history, &check);
        if (check.begun == 0) {
            continue;
        }
        if (reader) {
            struct sw_topic_state *state = sw_history_state(history, false, false, check.begun);
            sw_outlet_state(sw_outlets_of(history->all->outlets, reader), reader, state);
            sw_topic_state_unref(history->all->purse, state);
        }
        if (check.begun == check.number) {
            sw_askers_remove(&history->checks, i - 1);
        } else {
            history->checks.rows[i - 1].begun = 0;
        }
    }
}

/* False: one of them needs another look. */
static bool release_held(struct sw_history *history)
{
    while (history->held_first < history->held_end) {
        struct sw_held held = history->held[history->held_first];
        enum verdict verdict = judge(history, &held.position, history->covered > 0);
        if (verdict >= STRANGE) {
            sw_history_look(history, verdict == HOLE ? SW_LOOK_HOLE : SW_LOOK_EPOCH);
            return false;
        }
        history->held_first++;
        history->covered -= history->covered > 0;
        history->held_bytes -= weight(&held);
        finish(history, &held, verdict);
    }
    reset_held(history);
    return true;
}

void sw_history_settle(struct sw_history *history)
{
    history->state = SW_HISTORY_LIVE;
    sw_loop_timer_stop(history->all->loop, &history->patience);
    welcome(history);
    answer_checks(history);
    sw_history_serve(history);
    if (!release_held(history)) {
        return;
    }
    if (history->overflowed) {
        history->overflowed = false;
        sw_history_look(history, SW_LOOK_MORE);
    } else if (history->checks.count > 0) {
        sw_history_look(history, SW_LOOK_CHECK);
    }
}
