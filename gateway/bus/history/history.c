// SPDX-License-Identifier: Apache-2.0
#include "bus/history/history.h"

#include "bus/envelope.h"
#include "bus/history/topic.h"
#include "common/assert.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "core/limits.h"

#include <string.h>

/* ---- who asked ---- */

void sw_askers_add(struct sw_askers *askers, const struct sw_exchange_reader *reader,
                   uint64_t number)
{
    if (askers->count == askers->capacity) {
        askers->capacity = askers->capacity ? askers->capacity * 2 : 4;
        askers->rows = sw_realloc(askers->rows, askers->capacity * sizeof(askers->rows[0]));
    }
    askers->rows[askers->count++] = (struct sw_asker){.worker = reader->worker,
                                                      .tape = reader->tape,
                                                      .generation = reader->generation,
                                                      .number = number};
}

void sw_askers_remove(struct sw_askers *askers, uint32_t index)
{
    askers->rows[index] = askers->rows[--askers->count];
}

static bool is_of(const struct sw_asker *asker, const struct sw_exchange_reader *reader)
{
    return asker->worker == reader->worker && asker->tape == reader->tape &&
           asker->generation == reader->generation;
}

struct sw_exchange_reader *sw_asker_find(const struct sw_history *history,
                                         const struct sw_asker *asker)
{
    struct sw_exchange_reader *reader = history->interest ? history->interest->readers : NULL;
    while (reader && !is_of(asker, reader)) {
        reader = reader->next;
    }
    return reader;
}

static void forget(struct sw_askers *askers, const struct sw_exchange_reader *reader)
{
    for (uint32_t i = askers->count; i > 0; i--) {
        if (is_of(&askers->rows[i - 1], reader)) {
            sw_askers_remove(askers, i - 1);
        }
    }
}

/* ---- what is posted ---- */

void sw_history_post(struct sw_history *history, struct sw_message *message)
{
    uint64_t offset = history->ring.last + 1;
    struct sw_outlet_gap gap = {.count = 1, .span = 1, .from = offset, .shed = SW_SHED_TOO_LARGE};
    if (message) {
        sw_readers_message(history->all->outlets, history->interest, message, offset);
    } else {
        sw_readers_gap(history->all->outlets, history->interest, &gap);
    }
    sw_history_ring_add(&history->ring, message);
}

void sw_history_skip(struct sw_history *history, uint64_t to)
{
    uint64_t span = to - history->ring.last;
    SW_ASSERT(to > history->ring.last && span <= SW_GAP_MAX);
    struct sw_outlet_gap gap = {.count = (uint32_t)span,
                                .span = (uint32_t)span,
                                .from = history->ring.last + 1,
                                .shed = SW_SHED_FEED};
    sw_readers_gap(history->all->outlets, history->interest, &gap);
    sw_count(&history->all->counters->history_missing_total, (int64_t)span);
    sw_history_ring_restart(&history->ring, to);
}

struct sw_topic_state *sw_history_state(const struct sw_history *history, bool joined, bool forked,
                                        uint32_t check)
{
    struct sw_topic_state state = {
        .joined = joined,
        .history = true,
        .forked = forked,
        .lineage = history->lineage,
        .top = history->ring.last,
        .check = check,
    };
    return sw_topic_state_create(&state);
}

/* ---- what the exchange says ---- */

void sw_history_acked(struct sw_history *history)
{
    if (history->state == SW_HISTORY_LIVE || history->state == SW_HISTORY_LOOKING) {
        sw_history_look_no_more(history); /* it may have been answered before this subscription */
    }
    sw_history_look(history, SW_LOOK_ACK);
}

void sw_history_lost(struct sw_history *history)
{
    sw_history_look_no_more(history);
    sw_history_let_go(history);
    if (history->state != SW_HISTORY_FAILED) {
        history->state = SW_HISTORY_AWAY;
    }
}

static void refuse(struct sw_history *history)
{
    struct sw_histories *all = history->all;
    struct sw_interest *interest = history->interest;
    history->asks.count = 0;
    history->checks.count = 0;
    if (interest->readers) {
        sw_readers_refuse(all->outlets, interest, history->error);
        sw_interests_linger(all->interests, interest);
    }
}

/* Of all topics one line in a while: where clients come back again and again, each of them fails
 * again and again. */
static bool may_say(const struct sw_histories *all, uint64_t *said_ms)
{
    uint64_t now_ms = sw_loop_now_ms(all->loop);
    bool may = *said_ms == 0 || now_ms - *said_ms >= SW_HISTORY_LOG_MS;
    *said_ms = may ? now_ms : *said_ms;
    return may;
}

static void tell_failure(struct sw_history *history, enum sw_error error)
{
    char clean[160];
    if (may_say(history->all, &history->all->failure_said_ms)) {
        sw_log(SW_LOG_WARN, "history_unreadable",
               "topic=\"%s\" error=%s hint=\"subscriptions of such topics are refused\"",
               sw_log_clean(clean, sizeof(clean), sw_history_topic(history)),
               sw_error_row(error)->code);
    }
}

void sw_history_fail(struct sw_history *history, enum sw_error error)
{
    struct sw_histories *all = history->all;
    uint64_t delay = SW_HISTORY_FAILED_MS;
    tell_failure(history, error);
    sw_count(&all->counters->history_failures_total, 1);
    sw_history_look_no_more(history);
    sw_history_let_go(history);
    history->state = SW_HISTORY_FAILED;
    history->error = error;
    history->failed_ms =
        sw_loop_now_ms(all->loop) + delay + sw_random_below(&all->random, delay + 1);
    refuse(history);
}

void sw_history_joined(struct sw_history *history, struct sw_exchange_reader *reader)
{
    switch (history->state) {
    case SW_HISTORY_LIVE: {
        struct sw_topic_state *state = sw_history_state(history, true, false, 0);
        sw_reader_welcome(history->all->outlets, reader, state);
        sw_topic_state_unref(history->all->purse, state);
        return;
    }
    case SW_HISTORY_FAILED:
        if (sw_loop_now_ms(history->all->loop) < history->failed_ms) {
            refuse(history);
        } else if (history->interest->acked) {
            sw_history_look(history, SW_LOOK_ACK);
        }
        return;
    case SW_HISTORY_AWAY:
    case SW_HISTORY_LOOKING:
        return;
    }
    SW_UNREACHABLE();
}

void sw_history_left(struct sw_history *history, const struct sw_exchange_reader *reader)
{
    forget(&history->asks, reader);
    forget(&history->checks, reader);
}

/* ---- messages ---- */

void sw_history_ghost(struct sw_history *history)
{
    char clean[160];
    sw_count(&history->all->counters->ghosts_total, 1);
    if (may_say(history->all, &history->all->ghost_said_ms)) {
        sw_log(SW_LOG_WARN, "history_ghost",
               "topic=\"%s\" why=\"its history does not hold what was published, which is not "
               "delivered\" hint=\"it was lost in a failover, or published on another server or in "
               "another database (/db) than this node uses\"",
               sw_log_clean(clean, sizeof(clean), sw_history_topic(history)));
    }
}

/* Its place, as it says. False: it names none that can be. */
static bool read_position(const struct sw_envelope *envelope, struct sw_position *position)
{
    *position = (struct sw_position){0};
    if (envelope->epoch.size == 0) {
        return true;
    }
    position->offset = envelope->offset;
    return sw_epoch_parse(envelope->epoch, &position->epoch) && position->epoch.size > 0 &&
           position->offset > 0;
}

void sw_history_message(struct sw_history *history, const struct sw_envelope *envelope,
                        bool too_large, uint64_t arrived_ns)
{
    struct sw_held held = {0};
    if (history->state == SW_HISTORY_FAILED) {
        return; /* nobody reads it */
    }
    if (!read_position(envelope, &held.position)) {
        sw_history_ghost(history);
        return;
    }
    if (!too_large) {
        held.message =
            sw_lent_message(history->all->purse, sw_history_topic(history), envelope, arrived_ns);
    }
    sw_history_take(history, held);
}

bool sw_history_describe(const struct sw_history *history, struct sw_epoch *epoch, uint64_t *first,
                         uint64_t *last)
{
    *epoch = history->lineage.epoch;
    *first = sw_history_ring_count(&history->ring) > 0 ? sw_history_ring_first(&history->ring) : 0;
    *last = history->ring.last;
    return history->known;
}

/* ---- life of a topic ---- */

static void on_patience(struct sw_timer *timer)
{
    struct sw_history *history = SW_CONTAINER_OF(timer, struct sw_history, patience);
    uint64_t to = sw_history_hole(history);
    if (to == 0) {
        return;
    }
    sw_history_look_no_more(history);
    sw_history_skip(history, to);
    sw_history_settle(history);
}

struct sw_history *sw_history_create(struct sw_histories *all, struct sw_interest *interest,
                                     const struct sw_rule *rule)
{
    struct sw_slice topic = sw_interest_name(interest);
    struct sw_history *history = sw_zalloc(sizeof(*history) + topic.size);
    history->all = all;
    history->interest = interest;
    history->rule = rule;
    history->topic_size = (uint8_t)topic.size;
    memcpy(history->topic, topic.data, topic.size);
    sw_history_ring_init(&history->ring, all->purse, rule->history_size);
    sw_list_init(&history->pages);
    history->page_offsets = SW_HISTORY_READ;
    sw_timer_init(&history->patience, on_patience);
    sw_list_init(&history->link);
    sw_list_push(&all->topics, &history->link);
    sw_purse_charge(all->purse, SW_PART_HISTORY, sizeof(*history));
    sw_count(&all->counters->history_topics, 1);
    if (all->count++ == 0) {
        sw_loop_timer_start(all->loop, &all->sweep, SW_HISTORY_SWEEP_STEP_MS);
    }
    return history;
}

bool sw_history_release(struct sw_history *history)
{
    if (history->interest) {
        return false;
    }
    if (!history->looking && !history->reading) {
        sw_free(history);
    }
    return true;
}

void sw_history_close(struct sw_history *history)
{
    struct sw_histories *all = history->all;
    sw_history_look_no_more(history);
    sw_history_let_go(history);
    sw_history_drop_pages(history);
    sw_history_ring_deinit(&history->ring);
    sw_free(history->held);
    sw_free(history->asks.rows);
    sw_free(history->checks.rows);
    sw_list_remove(&history->link);
    sw_purse_charge(all->purse, SW_PART_HISTORY, -(int64_t)sizeof(*history));
    sw_count(&all->counters->history_topics, -1);
    if (--all->count == 0) {
        sw_loop_timer_stop(all->loop, &all->sweep);
    }
    history->interest = NULL;
    (void)sw_history_release(history);
}

/* ---- all topics ---- */

/* It has been silent for so long that its rule lets it be forgotten; the claim stays. */
static void forget_old(struct sw_history *history)
{
    struct sw_history_ring *ring = &history->ring;
    struct sw_message *newest =
        sw_history_ring_count(ring) > 0 ? sw_history_ring_get(ring, ring->last) : NULL;
    uint64_t now_ns = sw_clock_ns();
    if (newest && now_ns > newest->arrived_ns &&
        (now_ns - newest->arrived_ns) / 1000000 > history->rule->history_ttl_ms) {
        sw_history_ring_restart(ring, ring->last);
        sw_history_drop_pages(history);
    }
}

void sw_histories_sweep(struct sw_histories *all, uint32_t count)
{
    for (uint32_t i = 0; i < count && i < all->count; i++) {
        struct sw_list *node = sw_list_pop(&all->topics);
        struct sw_history *history = SW_CONTAINER_OF(node, struct sw_history, link);
        sw_list_push(&all->topics, node);
        forget_old(history);
        if (history->state == SW_HISTORY_LIVE) {
            sw_history_look(history, SW_LOOK_SWEEP);
        } else if (history->state == SW_HISTORY_AWAY && history->interest->acked) {
            sw_history_look(history, SW_LOOK_ACK);
        }
    }
}

static void on_sweep(struct sw_timer *timer)
{
    struct sw_histories *all = SW_CONTAINER_OF(timer, struct sw_histories, sweep);
    uint64_t share = (uint64_t)all->count * SW_HISTORY_SWEEP_STEP_MS / SW_HISTORY_SWEEP_MS + 1;
    uint64_t rest = SW_HISTORY_SWEEP_MS / (all->count + 1u); /* few topics: seldom, not often */
    sw_histories_sweep(all, (uint32_t)share);
    sw_loop_timer_start(all->loop, &all->sweep,
                        rest > SW_HISTORY_SWEEP_STEP_MS ? rest : SW_HISTORY_SWEEP_STEP_MS);
}

void sw_histories_shrink(struct sw_histories *all)
{
    struct sw_list *node = all->topics.next;
    for (; node != &all->topics; node = node->next) {
        sw_history_ring_shrink(&SW_CONTAINER_OF(node, struct sw_history, link)->ring);
    }
    if (sw_purse_step(all->purse) >= SW_BUDGET_TIGHT) {
        sw_history_evict(all, 0);
    }
}

void sw_histories_init(struct sw_histories *all, struct sw_loop *loop,
                       const struct sw_bus_config *config, struct sw_counters *counters,
                       struct sw_purse *purse, struct sw_outlets *outlets,
                       struct sw_interests *interests)
{
    *all = (struct sw_histories){
        .loop = loop,
        .config = config,
        .counters = counters,
        .purse = purse,
        .outlets = outlets,
        .interests = interests,
    };
    sw_random_init(&all->random);
    sw_timer_init(&all->sweep, on_sweep);
    sw_list_init(&all->topics);
    sw_list_init(&all->pages);
}

void sw_histories_deinit(struct sw_histories *all)
{
    SW_ASSERT(all->count == 0 && !sw_timer_running(&all->sweep) && sw_list_empty(&all->pages) &&
              all->lookups == 0);
}
