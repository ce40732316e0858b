// SPDX-License-Identifier: Apache-2.0
/* A worker leaves: no new clients, then everybody is sent away at a pace, so that they do not come
 * back to the others all at once. */
#include "common/mem.h"
#include "node/worker.h"

#define STEP_MS 20
/* After the pace: time for close frames to be answered, on top of linger_ms. */
#define GRACE_MS 500

/* Asks up to `count` of those who have not been asked yet to go. */
static void send_away(struct sw_worker *worker, uint64_t count)
{
    struct sw_sessions *all = &worker->sessions;
    while (count > 0 && worker->drain_slot < all->fanout.slots_high) {
        uint32_t slot = worker->drain_slot++;
        if (sw_reader(&all->fanout, slot)->state == SW_OPEN) {
            sw_session_close_after_data(sw_session_at(all, slot), SW_REASON_DRAIN);
            count--;
        }
    }
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
            if (state == SW_OPEN) { /* its upgrade came late */
                sw_session_close(session, SW_REASON_DRAIN);
            }
            sw_conn_reset(&session->conn);
        } else if (state == SW_HANDSHAKE) {
            sw_http_close(&session->conn);
        } else {
            sw_session_close(session, SW_REASON_DRAIN);
        }
    }
}

static void on_drain_timer(struct sw_timer *timer)
{
    struct sw_worker *worker = SW_CONTAINER_OF(timer, struct sw_worker, drain_timer);
    uint64_t now = sw_loop_now_ms(worker->loop);
    uint64_t linger = worker->config.config->linger_ms + GRACE_MS;
    if (now >= worker->drain_until_ms + linger) {
        hurry(worker, true);
        return;
    }
    if (now >= worker->drain_until_ms) {
        hurry(worker, false);
        sw_loop_timer_start(worker->loop, timer, worker->drain_until_ms + linger - now);
        return;
    }
    uint64_t left = worker->drain_until_ms - now;
    uint64_t count = (uint64_t)worker->sessions.count * STEP_MS / left + 1;
    send_away(worker, count);
    sw_loop_timer_start(worker->loop, timer, left < STEP_MS ? left : STEP_MS);
}

void sw_worker_drain(struct sw_worker *worker, uint64_t drain_ms)
{
    if (worker->draining) {
        return;
    }
    worker->draining = true;
    for (unsigned i = 0; i < SW_LISTENERS; i++) {
        sw_listener_close(&worker->listeners[i].socket);
    }
    worker->drain_until_ms = sw_loop_now_ms(worker->loop) + drain_ms;
    struct sw_sessions *all = &worker->sessions;
    for (uint32_t slot = 0; slot < all->fanout.slots_high; slot++) {
        if (sw_reader(&all->fanout, slot)->state == SW_HANDSHAKE) {
            sw_http_close(&sw_session_at(all, slot)->conn);
        }
    }
    sw_timer_init(&worker->drain_timer, on_drain_timer);
    sw_loop_timer_start(worker->loop, &worker->drain_timer, 0);
    sw_worker_check_drained(worker);
}

void sw_worker_check_drained(struct sw_worker *worker)
{
    if (!worker->draining || worker->drained || worker->sessions.count || worker->greetings.count) {
        return;
    }
    worker->drained = true;
    sw_loop_timer_stop(worker->loop, &worker->drain_timer);
    sw_note_send(worker->main, SW_POST_DRAINED, worker->config.id);
}
