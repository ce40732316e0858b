// SPDX-License-Identifier: Apache-2.0
/* Liveness: one timer per session looks at it twice per heartbeat. An idle client is pinged; the
 * answer is due after pong_ms only if nothing stood before the ping, nor stands behind it at a peer
 * whose kernel still answers, because a paused reader is slow, not dead. A page cannot see pings,
 * so an idle one hears `hb` at least once per heartbeat.
 */
#include "common/assert.h"
#include "common/mem.h"
#include "session/guest.h"
#include "session/internal.h"

static uint32_t to_ticks(uint32_t ms)
{
    return ms / SW_WHEEL_TICK_MS;
}

/* Is there something for it that it has not taken yet? */
static bool has_arrears(const struct sw_session *session)
{
    const struct sw_reader *reader = sw_session_reader(session);
    return reader->queued_bytes || reader->flags & (SW_WRITE_PENDING | SW_GATED);
}

/* Has it been owed something, and taken nothing, for stall_ms? What was shed it has not taken. */
static bool stalled(struct sw_session *session, uint32_t now)
{
    const struct sw_reader *reader = sw_session_reader(session);
    bool waits = has_arrears(session);
    uint32_t kernel = waits ? (uint32_t)sw_conn_unacknowledged(&session->conn) : 0;
    if (!waits || reader->sent != session->seen_sent || kernel < session->seen_kernel) {
        session->progress = now;
    }
    session->seen_kernel = kernel;
    return waits && now - session->progress >= to_ticks(session->all->config.stall_ms);
}

/* It stopped reading after a ping for which it had room: something stands behind that, read or not,
 * and its kernel has answered since. One that is gone does not acknowledge the ping. */
static bool paused(const struct sw_session *session, uint32_t now)
{
    bool followed =
        session->ping_followed || has_arrears(session) || sw_conn_unacknowledged(&session->conn);
    return followed &&
           sw_conn_silent_ms(&session->conn) < (now - session->pinged) * SW_WHEEL_TICK_MS;
}

static bool pong_missing(struct sw_session *session, uint32_t now)
{
    const struct sw_sessions_config *config = &session->all->config;
    if (session->paused & SW_PAUSE_REPLIES) {
        return false; /* its pong may stand in what is not read */
    }
    if (session->pinged && session->ping_strict && paused(session, now)) {
        session->ping_strict = false;
    }
    uint32_t limit = session->ping_strict ? config->pong_ms : config->stall_ms;
    return session->pinged && now - session->pinged >= to_ticks(limit);
}

static void ping(struct sw_session *session, uint32_t now)
{
    session->ping_strict = !has_arrears(session) && session->lane.size == 0 &&
                           sw_conn_unacknowledged(&session->conn) == 0;
    session->ping_followed = false;
    session->pinged = now ? now : 1;
    session->transport->ping(session);
    sw_fanout_due(&session->all->fanout, session->slot);
}

static void say_hb(struct sw_session *session)
{
    struct sw_slice idle = session->transport->idle;
    struct sw_buf text = {0};
    if (idle.size) {
        sw_session_say_raw(session, idle.data, idle.size);
        return;
    }
    sw_encode_hb(&text);
    sw_session_say(session, sw_buf_slice(&text));
    sw_buf_deinit(&text);
}

/* Milliseconds to the next look: half a heartbeat, jittered so that clients that came together do
 * not stay together, or less where an answer is awaited. */
static uint64_t next_look(struct sw_session *session)
{
    struct sw_sessions *all = session->all;
    uint64_t half = all->config.ping_ms / 2;
    uint64_t delay = half - sw_random_below(&all->random, half / 8 + 1);
    uint64_t limit = session->ping_strict ? all->config.pong_ms : all->config.stall_ms;
    if (session->pinged && limit < delay) {
        delay = limit;
    }
    uint64_t stays = sw_raw_stays_ms(session);
    return (stays < delay ? stays : delay) + SW_WHEEL_TICK_MS;
}

void sw_silence_again(struct sw_session *session)
{
    sw_loop_timer_start(session->all->loop, &session->timer, next_look(session));
}

static void look(struct sw_session *session)
{
    struct sw_sessions *all = session->all;
    uint32_t now = sw_sessions_tick(all);
    uint32_t sent = sw_session_reader(session)->sent;
    if (sw_raw_leave(session)) {
        return;
    }
    if (stalled(session, now)) {
        sw_session_close(session, SW_REASON_STALLED);
        return;
    }
    session->ping_followed = session->ping_followed || sent != session->seen_sent;
    if (pong_missing(session, now)) {
        sw_session_close(session, session->ping_strict ? SW_REASON_NO_PONG : SW_REASON_STALLED);
        return;
    }
    if (session->lane.size == 0 && !session->echo && sw_session_known(session)) {
        /* who is behind will hear what it is owed */
        bool idle = sent == session->seen_sent && !has_arrears(session);
        /* before `hb`, behind which it would not be strict */
        if (session->transport->ping && !session->pinged &&
            now - session->heard >= to_ticks(all->config.ping_ms / 2)) {
            ping(session, now);
        }
        if (idle && !session->hb_sent) {
            say_hb(session);
        }
        session->hb_sent = idle && !session->hb_sent;
    }
    session->seen_sent = sent;
    sw_silence_again(session);
}

static void on_timer(struct sw_timer *timer)
{
    struct sw_session *session = SW_CONTAINER_OF(timer, struct sw_session, timer);
    if (sw_session_state(session) == SW_OPEN) {
        look(session);
    } else if (session->retired) {
        /* it did not take its close frame, or did not answer it: a FIN would leave the kernel
         * holding what it is owed */
        sw_conn_reset(&session->conn);
    } else {
        session->after_data = false;
    }
}

void sw_silence_start(struct sw_session *session)
{
    struct sw_sessions *all = session->all;
    uint64_t half = all->config.ping_ms / 2;
    session->progress = sw_sessions_tick(all);
    sw_timer_init(&session->timer, on_timer);
    sw_loop_timer_start(all->loop, &session->timer,
                        half / 2 + sw_random_below(&all->random, half / 2 + 1));
}
