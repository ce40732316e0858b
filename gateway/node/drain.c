// SPDX-License-Identifier: Apache-2.0
/* A worker sees its clients off. Nobody new begins to connect, and who stood at the door is still
 * served; everybody is told; who has not left by itself is closed at a pace; and at the end whoever
 * is left is not asked any more. One timer looks at the time; what is due at it is done. */
#include "common/mem.h"
#include "node/worker.h"

/* ---- the door ---- */

static void shut(struct sw_worker *worker)
{
    for (unsigned i = 0; i < SW_LISTENERS; i++) {
        sw_listener_close(&worker->listeners[i].socket);
    }
    worker->drain.shut = true;
}

/* A short drain has no time for peers that are far away. */
static uint64_t door_ms(const struct sw_worker *worker)
{
    uint64_t share = worker->config.config->drain_ms / 4;
    return share < SW_DRAIN_DOOR_MS ? share : SW_DRAIN_DOOR_MS;
}

/* ---- who is there ---- */

/* The sessions from *slot on that are open, `count` of them, and *slot behind the last. */
static void each_open(struct sw_worker *worker, uint32_t *slot, uint32_t count,
                      void (*visit)(struct sw_session *session))
{
    struct sw_sessions *all = &worker->sessions;
    while (count > 0 && *slot < all->fanout.slots_high) {
        uint32_t at = (*slot)++;
        if (sw_reader(&all->fanout, at)->state == SW_OPEN) {
            visit(sw_session_at(all, at));
            count--;
        }
    }
}

static void tell(struct sw_session *session)
{
    sw_session_say_drain(session, 0);
}

static void send_away(struct sw_session *session)
{
    sw_session_close_after_data(session, SW_REASON_DRAIN);
}

static uint32_t count_open(struct sw_worker *worker)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < worker->sessions.fanout.slots_high; slot++) {
        count += sw_reader(&worker->sessions.fanout, slot)->state == SW_OPEN;
    }
    return count;
}

static void keep_pace(struct sw_worker *worker, uint64_t elapsed_ms, uint64_t span_ms)
{
    struct sw_drain *drain = &worker->drain;
    if (!drain->closing) {
        drain->closing = true;
        drain->total = count_open(worker);
    }
    uint32_t due = sw_farewell_due(drain->total, elapsed_ms, span_ms);
    each_open(worker, &drain->asked_slot, due - drain->asked, send_away);
    drain->asked = due;
}

/* Whoever is still there, by how late it is. */
static void hurry(struct sw_worker *worker, bool reset)
{
    struct sw_sessions *all = &worker->sessions;
    sw_greetings_close(&worker->greetings);
    for (uint32_t slot = 0; slot < all->fanout.slots_high; slot++) {
        enum sw_session_state state = (enum sw_session_state)sw_reader(&all->fanout, slot)->state;
        if (state == SW_FREE) {
            continue;
        }
        struct sw_session *session = sw_session_at(all, slot);
        if (reset) {
            sw_session_close(session, SW_REASON_DRAIN); /* of one whose upgrade came late */
            sw_conn_reset(&session->conn);
        } else if (state == SW_HANDSHAKE) {
            sw_http_close(&session->conn);
        } else {
            sw_session_close(session, SW_REASON_DRAIN);
        }
    }
}

/* ---- the time ---- */

static void on_drain_timer(struct sw_timer *timer)
{
    struct sw_worker *worker = SW_CONTAINER_OF(timer, struct sw_worker, drain.timer);
    const struct sw_config *config = worker->config.config;
    struct sw_drain *drain = &worker->drain;
    uint64_t elapsed = sw_loop_now_ms(worker->loop) - drain->begun_ms;
    uint64_t close_ms = worker->sessions.farewell.close_ms;
    if (elapsed >= door_ms(worker) && !drain->shut) {
        shut(worker);
    }
    each_open(worker, &drain->told_slot, SW_DRAIN_SESSIONS, tell);
    if (elapsed >= close_ms) {
        keep_pace(worker, elapsed - close_ms, config->drain_ms - close_ms);
    }
    if (elapsed >= config->drain_ms) {
        hurry(worker, elapsed >= config->drain_ms + config->linger_ms + SW_DRAIN_GRACE_MS);
    }
    sw_loop_timer_start(worker->loop, timer, SW_DRAIN_STEP_MS);
    sw_worker_check_drained(worker);
}

void sw_worker_drain(struct sw_worker *worker)
{
    struct sw_sessions *all = &worker->sessions;
    for (unsigned i = 0; i < SW_LISTENERS; i++) {
        sw_listener_stop(worker->listeners[i].socket);
    }
    worker->site.leaving = true; /* also for who still stands at the door */
    worker->drain.begun_ms = sw_loop_now_ms(worker->loop);
    sw_sessions_leave(all, sw_farewell_plan(worker->config.config->drain_ms));
    for (uint32_t slot = 0; slot < all->fanout.slots_high; slot++) {
        if (sw_reader(&all->fanout, slot)->state == SW_HANDSHAKE) {
            sw_http_finish(&sw_session_at(all, slot)->conn);
        }
    }
    sw_timer_init(&worker->drain.timer, on_drain_timer);
    sw_loop_timer_start(worker->loop, &worker->drain.timer, 0);
}

void sw_worker_check_drained(struct sw_worker *worker)
{
    struct sw_drain *drain = &worker->drain;
    if (!drain->shut || drain->over || worker->sessions.count || worker->greetings.count) {
        return;
    }
    drain->over = true;
    sw_loop_timer_stop(worker->loop, &drain->timer);
    sw_note_send(worker->main, SW_POST_DRAINED, worker->config.id);
}
