// SPDX-License-Identifier: Apache-2.0
/* Sessions that carry payloads alone (PROTOCOL.md, section 10). What another is told ends one of
 * these, each at a moment of its own, since all who read a topic would come back together; what it
 * says is a payload for its topic. */
#include "common/log.h"
#include "common/mem.h"
#include "session/internal.h"

/* ---- ends ---- */

static uint32_t ticks_left(const struct sw_session *session)
{
    int32_t left = (int32_t)(session->leaves_at - sw_sessions_tick(session->all));
    return left > 0 ? (uint32_t)left : 0;
}

/* Ends it at a moment drawn from the window, unless it goes sooner. */
static void close_within(struct sw_session *session, enum sw_reason reason, uint32_t from_ms,
                         uint32_t to_ms)
{
    struct sw_sessions *all = session->all;
    if (!session->transport->raw || sw_session_state(session) != SW_OPEN) {
        return;
    }
    uint32_t ms = from_ms + (uint32_t)sw_random_below(&all->random, to_ms - from_ms + 1);
    uint32_t ticks = ms / SW_WHEEL_TICK_MS;
    if (session->leaves && ticks_left(session) <= ticks) {
        return;
    }
    session->leaves = true;
    session->leaves_at = sw_sessions_tick(all) + ticks;
    session->reason = (uint8_t)reason;
    sw_silence_again(session);
}

void sw_raw_gap(struct sw_session *session)
{
    close_within(session, SW_REASON_GAP, 0, SW_RAW_SPREAD_MS);
}

void sw_raw_refused(struct sw_session *session)
{
    close_within(session, SW_REASON_UNAVAILABLE, 0, SW_RAW_SPREAD_MS);
}

void sw_raw_drain(struct sw_session *session, const struct sw_farewell *farewell)
{
    close_within(session, SW_REASON_DRAIN, farewell->from_ms, farewell->to_ms);
}

uint64_t sw_raw_stays_ms(const struct sw_session *session)
{
    return session->leaves ? (uint64_t)ticks_left(session) * SW_WHEEL_TICK_MS : UINT64_MAX;
}

bool sw_raw_leave(struct sw_session *session)
{
    if (!session->leaves || ticks_left(session)) {
        return false;
    }
    if (session->reason == SW_REASON_DRAIN) {
        sw_session_close_after_data(session, SW_REASON_DRAIN);
    } else {
        sw_session_close(session, (enum sw_reason)session->reason);
    }
    return true;
}

/* ---- what it says ---- */

/* The one that it subscribed to, or waits for; empty where the bus refused it. */
static struct sw_slice topic_of(const struct sw_session *session)
{
    const struct sw_reader *reader = sw_session_reader(session);
    if (reader->subscriptions) {
        return sw_tape_name(session->all->fanout.tapes[reader->list[0].tape]);
    }
    const struct sw_request *request = session->requests;
    if (!request || sw_list_empty(&request->pending)) {
        return sw_slice("", 0);
    }
    return sw_tape_name(
        SW_CONTAINER_OF(sw_list_first(&request->pending), struct sw_pending, of_request)->tape);
}

static void ignore(struct sw_session *session, const char *why)
{
    char id[SW_SESSION_ID_BYTES + 1];
    sw_count(&session->all->counters->raw_ignored_total, 1);
    if (!session->ignored) {
        sw_log(SW_LOG_INFO, "raw_ignored", "session=%s why=\"%s\"", sw_session_id(session, id),
               why);
    }
    session->ignored = true;
}

void sw_session_receive_payload(struct sw_session *session, struct sw_slice payload)
{
    const char *why = "the bus does not have its topic";
    struct sw_slice topic = topic_of(session);
    sw_count(&session->all->counters->requests_total, 1);
    if (!topic.size ||
        sw_session_publish(session, &(struct sw_publishing){.topic = topic, .data = payload},
                           &why) != SW_ERROR_NONE) {
        ignore(session, why);
    }
}
