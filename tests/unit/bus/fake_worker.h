// SPDX-License-Identifier: Apache-2.0
/* A worker that only listens: an inbox whose entries become lines of text. It hands each batch
 * back, or holds it, as a worker that is stuck does. state 7.1             refused 7.1 forbidden
 * (tape.generation) msg 7.1 orders.eu {"id":1}     with a key: msg 7.1 orders.eu k=c-19 {"id":1}
 *     gap 7.1 3 node        gap 7.1 ? feed
 *     with history: state 7.1 E1:5 joined    msg 7.1 a @6 x    gap 7.1 2 feed @7+2
 *                   run 7.1 0 to 5: 1=a 2=b
 *     published 4           publish 4 bus_unavailable   publish 4 bus_unavailable unknown */
#ifndef SW_TESTS_BUS_FAKE_WORKER_H
#define SW_TESTS_BUS_FAKE_WORKER_H

#include "bus/bus.h"
#include "bus/report.h"
#include "common/assert.h"
#include "common/mem.h"
#include "common/ring.h"
#include "net/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fake_worker {
    struct sw_inbox inbox;
    struct sw_buf heard;
    bool quiet; /* counts, but writes no lines */
    bool stuck; /* holds its batches */
    struct sw_ring held;
    uint64_t batches;
    uint64_t messages;
    uint64_t missed; /* told by counted gaps */
    uint32_t last_retry_ms;
    void (*give_back)(void *owner, struct sw_batch *batch);
    void *owner;
};

static inline void fake_worker_hear_state(struct sw_buf *out, const struct sw_topic_state *state)
{
    if (state && state->history) {
        sw_buf_printf(out, " %.*s:%llu", SW_SLICE_ARG(sw_epoch_text(&state->lineage.epoch)),
                      (unsigned long long)state->top);
    }
    if (state && state->retained) {
        sw_buf_printf(out, " retained %.*s", SW_SLICE_ARG(sw_message_payload(state->retained)));
    }
    if (state && state->check > 0) {
        sw_buf_printf(out, " check %u", state->check);
    }
    sw_buf_printf(out, "%s%s\n", state && state->history && state->joined ? " joined" : "",
                  state && state->forked ? " forked" : "");
}

static inline void fake_worker_hear_run(struct sw_buf *out, const struct sw_run *run)
{
    sw_buf_printf(out, "%llu to %llu:", (unsigned long long)run->run, (unsigned long long)run->to);
    for (uint32_t i = 0; i < run->count; i++) {
        sw_buf_printf(out, " %llu=%.*s", (unsigned long long)run->frames[i].offset,
                      SW_SLICE_ARG(sw_message_payload(run->frames[i].message)));
    }
    sw_buf_append_byte(out, '\n');
}

static inline void fake_worker_hear_entry(struct fake_worker *worker, const struct sw_entry *entry)
{
    struct sw_buf *out = &worker->heard;
    switch ((enum sw_entry_kind)entry->kind) {
    case SW_ENTRY_STATE:
        sw_buf_printf(out, "state %u.%u", entry->tape, entry->generation);
        fake_worker_hear_state(out, entry->state);
        return;
    case SW_ENTRY_REFUSED:
        sw_buf_printf(out, "refused %u.%u %s\n", entry->tape, entry->generation,
                      sw_error_row((enum sw_error)entry->error)->code);
        return;
    case SW_ENTRY_MESSAGE: {
        const struct sw_message *message = entry->message;
        worker->messages++;
        if (worker->quiet) {
            return;
        }
        sw_buf_printf(out, "msg %u.%u %.*s ", entry->tape, entry->generation,
                      SW_SLICE_ARG(sw_message_topic(message)));
        if (entry->offset > 0) {
            sw_buf_printf(out, "@%llu ", (unsigned long long)entry->offset);
        }
        if (message->key_size > 0) {
            sw_buf_printf(out, "k=%.*s ", SW_SLICE_ARG(sw_message_key(message)));
        }
        sw_buf_printf(out, "%.*s\n", SW_SLICE_ARG(sw_message_payload(message)));
        return;
    }
    case SW_ENTRY_GAP:
        worker->missed += entry->count;
        sw_buf_printf(out, "gap %u.%u ", entry->tape, entry->generation);
        if (entry->count == 0) {
            sw_buf_append_byte(out, '?');
        } else {
            sw_buf_printf(out, "%llu", (unsigned long long)entry->count);
        }
        sw_buf_printf(out, " %s", sw_shed_word((enum sw_shed)entry->shed));
        if (entry->span > 0) {
            sw_buf_printf(out, " @%llu+%u", (unsigned long long)entry->offset, entry->span);
        }
        sw_buf_append_byte(out, '\n');
        return;
    case SW_ENTRY_RUN:
        sw_buf_printf(out, "run %u.%u ", entry->tape, entry->generation);
        fake_worker_hear_run(out, entry->run);
        return;
    case SW_ENTRY_FEED:
        sw_buf_printf(out, "feed %s\n", entry->stale ? "stale" : "live");
        return;
    }
    SW_UNREACHABLE();
}

static inline void fake_worker_hear_publish(struct fake_worker *worker, struct sw_publish *publish)
{
    if (publish->error == SW_ERROR_NONE) {
        sw_buf_printf(&worker->heard, "published %llu\n", (unsigned long long)publish->id);
    } else {
        sw_buf_printf(&worker->heard, "publish %llu %s%s\n", (unsigned long long)publish->id,
                      sw_error_row(publish->error)->code,
                      publish->outcome_unknown ? " unknown" : "");
    }
    worker->last_retry_ms = publish->retry_ms;
    sw_publish_destroy(publish);
}

static inline void fake_worker_on_post(void *role, struct sw_post *post)
{
    struct fake_worker *worker = role;
    if (post->kind == SW_POST_PUBLISH) {
        fake_worker_hear_publish(worker, SW_CONTAINER_OF(post, struct sw_publish, post));
        return;
    }
    if (post->kind == SW_POST_LOOKUP) {
        struct sw_lookup *lookup = SW_CONTAINER_OF(post, struct sw_lookup, post);
        lookup->done(lookup->context, lookup);
        return;
    }
    if (post->kind == SW_POST_REPORT) {
        struct sw_report *report = SW_CONTAINER_OF(post, struct sw_report, post);
        report->done(report->context, report);
        return;
    }
    assert_int_equal(post->kind, SW_POST_BATCH);
    struct sw_batch *batch = SW_CONTAINER_OF(post, struct sw_batch, post);
    worker->batches++;
    for (uint32_t i = 0; i < batch->count; i++) {
        fake_worker_hear_entry(worker, &batch->entries[i]);
    }
    if (worker->stuck) {
        sw_ring_push(&worker->held, batch);
    } else {
        worker->give_back(worker->owner, batch);
    }
}

static inline void fake_worker_init(struct fake_worker *worker, struct sw_loop *loop,
                                    void (*give_back)(void *owner, struct sw_batch *batch),
                                    void *owner)
{
    *worker = (struct fake_worker){.give_back = give_back, .owner = owner};
    assert_int_equal(sw_inbox_init(&worker->inbox, loop, fake_worker_on_post, worker), 0);
}

static inline void fake_worker_turn(struct fake_worker *worker)
{
    while (sw_inbox_drain(&worker->inbox)) {
    }
}

/* It is stuck no more: what it holds goes back. */
static inline void fake_worker_wake(struct fake_worker *worker)
{
    worker->stuck = false;
    struct sw_batch *batch;
    while ((batch = sw_ring_pop(&worker->held))) {
        worker->give_back(worker->owner, batch);
    }
}

static inline void fake_worker_deinit(struct fake_worker *worker)
{
    fake_worker_wake(worker);
    sw_inbox_deinit(&worker->inbox);
    sw_buf_deinit(&worker->heard);
    sw_ring_deinit(&worker->held);
}

/* What it heard since the last time. */
static inline void fake_worker_heard(struct fake_worker *worker, const char *lines)
{
    assert_string_equal(sw_buf_text(&worker->heard), lines);
    sw_buf_clear(&worker->heard);
}

/* Turns the loop for so long, for its timers. */
struct fake_pause {
    struct sw_timer timer;
    struct sw_loop *loop;
};

static inline void fake_pause_over(struct sw_timer *timer)
{
    sw_loop_stop(SW_CONTAINER_OF(timer, struct fake_pause, timer)->loop);
}

static inline void fake_pause(struct sw_loop *loop, uint64_t ms)
{
    struct fake_pause pause = {.loop = loop};
    sw_timer_init(&pause.timer, fake_pause_over);
    sw_loop_timer_start(loop, &pause.timer, ms);
    sw_loop_run(loop);
}

#endif
