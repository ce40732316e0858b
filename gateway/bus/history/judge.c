// SPDX-License-Identifier: Apache-2.0
/* A look at the history on the bus, and what follows from it for the claim. */
#include "bus/envelope.h"
#include "bus/history/topic.h"
#include "common/assert.h"
#include "common/clock.h"
#include "common/log.h"
#include "core/limits.h"

#include <string.h>

/* ---- looking ---- */

static void on_look(void *context, struct sw_history_read *look);

static void begin(struct sw_history *history)
{
    struct sw_histories *all = history->all;
    bool with_last = sw_history_ring_count(&history->ring) > 0 && !history->bare;
    bool entries = history->known && history->why != SW_LOOK_SWEEP;
    history->look = (struct sw_history_read){
        .topic = sw_history_topic(history),
        .from = history->ring.last + (with_last ? 0 : 1),
        .limit = entries ? SW_HISTORY_READ : 0,
        .size = history->rule->history_size,
        .ttl_ms = history->rule->history_ttl_ms,
        .done = on_look,
        .context = history,
    };
    history->bare = false;
    history->looking = true;
    history->stale = false;
    history->covered = history->held_end - history->held_first;
    for (uint32_t i = 0; i < history->checks.count; i++) {
        history->checks.rows[i].begun = (uint32_t)history->checks.rows[i].number;
    }
    sw_count(&all->counters->history_reads_total[history->why], 1);
    all->backend->ops->read(all->backend, &history->look);
}

void sw_history_look(struct sw_history *history, enum sw_look why)
{
    history->state = SW_HISTORY_LOOKING;
    history->why = why;
    if (why == SW_LOOK_HOLE) {
        sw_loop_timer_start(history->all->loop, &history->patience, SW_HISTORY_HOLE_MS);
    }
    if (!history->looking) {
        begin(history);
    }
}

void sw_history_look_no_more(struct sw_history *history)
{
    sw_loop_timer_stop(history->all->loop, &history->patience);
    history->stale = history->looking;
    history->covered = 0;
    for (uint32_t i = 0; i < history->checks.count; i++) {
        history->checks.rows[i].begun = 0;
    }
}

/* ---- is the claim good? ---- */

static bool is_same(struct sw_history *history, const struct sw_message *mine, struct sw_slice raw)
{
    struct sw_envelope envelope = sw_envelope_open(raw);
    struct sw_message *other = sw_message_create(sw_history_topic(history), envelope.key,
                                                 envelope.payload, envelope.time_ms, 0);
    bool same = mine->time_ms == other->time_ms &&
                sw_slice_equal(sw_message_key(mine), sw_message_key(other)) &&
                sw_slice_equal(sw_message_payload(mine), sw_message_payload(other));
    sw_message_unref(other);
    return same;
}

static bool holds(struct sw_history *history, const struct sw_history_read *look)
{
    const struct sw_history_ring *ring = &history->ring;
    struct sw_position claim = {history->lineage.epoch, ring->last};
    if (!sw_lineage_holds(&look->lineage, look->top, &claim) ||
        look->top - ring->last > SW_GAP_MAX) {
        return false;
    }
    if (sw_history_ring_count(ring) == 0 || look->count == 0 ||
        look->entries[0].offset != ring->last) {
        return true;
    }
    const struct sw_message *newest = sw_history_ring_get(ring, ring->last);
    return !newest || is_same(history, newest, look->entries[0].raw);
}

/* ---- what follows ---- */

static void take_claim(struct sw_history *history, const struct sw_history_read *look)
{
    history->known = true;
    history->lineage = look->lineage;
    history->gone = 0;
    sw_history_ring_restart(&history->ring, look->top);
    sw_history_drop_pages(history);
}

static void tell_state(struct sw_history *history, bool forked)
{
    struct sw_topic_state *state = sw_history_state(history, false, forked, 0);
    sw_readers_state(history->all->outlets, history->interest, state);
    sw_topic_state_unref(history->all->purse, state);
}

static void fork_off(struct sw_history *history, const struct sw_history_read *look)
{
    char clean[160];
    sw_log(SW_LOG_WARN, "history_reset", "topic=\"%s\" had=%.*s:%llu has=%.*s:%llu",
           sw_log_clean(clean, sizeof(clean), sw_history_topic(history)),
           SW_SLICE_ARG(sw_epoch_text(&history->lineage.epoch)),
           (unsigned long long)history->ring.last,
           SW_SLICE_ARG(sw_epoch_text(&look->lineage.epoch)), (unsigned long long)look->top);
    sw_count(&history->all->counters->history_forks_total, 1);
    take_claim(history, look);
    tell_state(history, true);
}

static void post_entry(struct sw_history *history, struct sw_slice raw)
{
    struct sw_envelope envelope = sw_envelope_open(raw);
    struct sw_message *message = NULL;
    if (envelope.payload.size <= history->interest->max_bytes) {
        message = sw_lent_message(history->all->purse, sw_history_topic(history), &envelope,
                                  sw_clock_ns());
    }
    sw_history_post(history, message);
    sw_count(&history->all->counters->history_filled_total, 1);
    if (message) {
        sw_lent_let_go(history->all->purse, message);
    }
}

/* Posts what is missing. False: there is more, and another look for it. */
static bool fill(struct sw_history *history, const struct sw_history_read *look)
{
    struct sw_history_ring *ring = &history->ring;
    uint64_t before = ring->last;
    for (uint32_t i = 0; i < look->count; i++) {
        const struct sw_history_entry *entry = &look->entries[i];
        if (entry->offset <= ring->last) {
            continue;
        }
        if (entry->offset > ring->last + 1) {
            sw_history_skip(history, entry->offset - 1);
        }
        post_entry(history, entry->raw);
    }
    bool more = look->cut || look->count == look->limit;
    if (ring->last < look->top && !more) {
        sw_history_skip(history, look->top);
    } else if (ring->last == before && look->from > before && more) {
        sw_history_skip(history, before + 1); /* what stands there cannot be read */
    }
    if (ring->last >= look->top) {
        return true;
    }
    history->bare = ring->last == before; /* the last entry alone was as much as a read may be */
    sw_history_look(history, SW_LOOK_MORE);
    return false;
}

/* The claim is good. False: another look is under way. */
static bool carry_on(struct sw_history *history, const struct sw_history_read *look)
{
    bool renamed = !sw_epoch_equal(&history->lineage.epoch, &look->lineage.epoch);
    history->lineage = look->lineage;
    if (renamed) {
        tell_state(history, false);
    }
    if (look->limit > 0) {
        return fill(history, look);
    }
    if (look->top > history->ring.last) {
        sw_history_look(history, SW_LOOK_MORE);
        return false;
    }
    return true;
}

static void judge(struct sw_history *history, const struct sw_history_read *look)
{
    if (!history->known) {
        take_claim(history, look);
    } else if (!holds(history, look)) {
        fork_off(history, look);
    } else if (!carry_on(history, look)) {
        return;
    }
    sw_history_settle(history);
}

/* ---- the answer ---- */

static void on_look(void *context, struct sw_history_read *look)
{
    struct sw_history *history = context;
    history->looking = false;
    if (sw_history_release(history)) {
        return;
    }
    if (history->stale) {
        history->stale = false;
        if (history->state == SW_HISTORY_LOOKING) {
            begin(history);
        }
        return;
    }
    switch (look->outcome) {
    case SW_READ_DONE:
        judge(history, look);
        return;
    case SW_READ_AWAY:
        sw_history_lost(history);
        return;
    case SW_READ_FAILED:
        sw_history_fail(history, look->error);
        return;
    }
    SW_UNREACHABLE();
}
