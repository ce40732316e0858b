// SPDX-License-Identifier: Apache-2.0
#include "transport/sse_request.h"

#include "auth/grant.h"
#include "common/clock.h"
#include "core/topic.h"
#include "protocol/encode.h"
#include "transport/sse.h"
#include "transport/sse_codec.h"
#include "transport/sse_query.h"
#include "transport/ws_query.h"

#define TYPE "text/event-stream"
/* X-Accel-Buffering: nginx passes events on as they come, whatever else it is told. */
#define HEADERS "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n"
/* Back-off begins with it (PROTOCOL.md, section 5). */
#define RETRY_BASE_MS 500
#define OVERLOADED    1013

void sw_sse_append_put_off(struct sw_buf *out, uint32_t retry_ms)
{
    struct sw_buf text = {0};
    sw_sse_append_retry(out, retry_ms);
    sw_encode_closed(&text, OVERLOADED, SW_SLICE("overloaded"));
    sw_sse_append(out, sw_buf_slice(&text));
    sw_buf_deinit(&text);
}

void sw_sse_put_off(struct sw_http *http, uint32_t retry_ms)
{
    struct sw_buf body = {0};
    sw_sse_append_put_off(&body, retry_ms);
    sw_http_reply(http, 200, TYPE, sw_buf_slice(&body), HEADERS);
    sw_buf_deinit(&body);
}

/* Does the grant cover any of the URL's topics? One that is none is told in its own entry. */
static bool is_granted(const struct sw_grant *grant, struct sw_slice query, char separator)
{
    struct sw_slice name;
    struct sw_slice value;
    bool granted = false;
    while (!granted && sw_query_next(&query, &name, &value)) {
        struct sw_buf topic = {0};
        if (sw_slice_equal(name, SW_SLICE("topic"))) {
            sw_ws_query_topic(value, &topic);
            struct sw_slice text = sw_buf_slice(&topic);
            granted = sw_topic_kind(text, separator, NULL) == SW_TOPIC_BAD ||
                      sw_grant_may_subscribe(grant, text, separator);
        }
        sw_buf_deinit(&topic);
    }
    return granted;
}

/* Replies and returns false where the token opens no stream. A session ends when its token does, so
 * one that is good by leeway alone opens none. */
static bool check_identity(struct sw_http *http, const struct sw_request *request, char separator)
{
    const struct sw_identity *identity = sw_http_kept(http);
    if (identity && identity->expires_ms <= sw_clock_wall_ms()) {
        sw_http_reply_error(http, SW_ERROR_TOKEN_EXPIRED, NULL, 0, NULL);
        return false;
    }
    if (identity && !is_granted(&identity->grant, request->query, separator)) {
        sw_http_reply_error(http, SW_ERROR_FORBIDDEN, "no topic of the URL is granted", 0, NULL);
        return false;
    }
    return true;
}

/* Replies and returns false where the address has as many connections as it may: as final as the
 * close code 4504. */
static bool check_room(struct sw_http *http, struct sw_session *session)
{
    struct sw_http_client client = sw_http_client(&session->conn);
    if (sw_session_admit(session, &client.peer)) {
        return true;
    }
    sw_count(&session->all->counters->refused_total[SW_REFUSED_ADDRESS], 1);
    sw_http_reply_error(http, SW_ERROR_RATE_LIMITED, "too many connections from this address", 0,
                        NULL);
    return false;
}

/* Who was connected to a node that breaks off does not come back all at once. */
static uint32_t draw_retry_ms(struct sw_session *session)
{
    uint64_t span_ms = SW_STREAM_RETRY_MS - RETRY_BASE_MS;
    return RETRY_BASE_MS + (uint32_t)sw_random_below(&session->all->random, span_ms + 1);
}

static void open_stream(struct sw_http *http, struct sw_session *session, struct sw_slice subscribe,
                        struct sw_sse_kept *kept)
{
    struct sw_buf head = {0};
    struct sw_buf early = {0}; /* nothing is heard here */
    struct sw_identity *identity = sw_http_take_kept(http);
    sw_http_append_stream(http, TYPE, HEADERS, &head);
    sw_sse_append_retry(&head, draw_retry_ms(session));
    (void)sw_http_detach(http, &early);
    sw_count(&session->all->counters->sse_ignored_bytes_total, (int64_t)early.size);
    session->lane = head;
    sw_sse_open(session, kept, &(struct sw_arrival){.identity = identity, .subscribe = subscribe});
    sw_fanout_due(&session->all->fanout, session->slot);
    sw_buf_deinit(&early);
}

void sw_sse_request(struct sw_http *http, const struct sw_request *request, bool may_publish)
{
    struct sw_session *session = sw_session_of(sw_http_conn(http));
    struct sw_slice last_event_id = sw_request_header(request, "Last-Event-ID");
    struct sw_buf subscribe = {0};
    struct sw_sse_cursor cursor;
    const char *why = NULL;
    enum sw_error error =
        sw_sse_query_subscribe(request->query, last_event_id, &subscribe, &cursor, &why);
    if (error != SW_ERROR_NONE) {
        sw_http_reply_error(http, error, why, 0, NULL);
    } else if (!check_identity(http, request, session->all->config.separator)) {
        /* replied */
    } else if (request->method == SW_HEAD) {
        sw_http_reply(http, 200, TYPE, sw_slice(NULL, 0), HEADERS);
    } else if (check_room(http, session)) {
        session->may_publish = may_publish;
        open_stream(http, session, sw_buf_slice(&subscribe),
                    sw_sse_kept_create(request->query, &cursor, session->all->config.rules));
    }
    sw_buf_deinit(&subscribe);
}
