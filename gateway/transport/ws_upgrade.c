// SPDX-License-Identifier: Apache-2.0
#include "transport/ws_upgrade.h"

#include "common/base64.h"
#include "common/json.h"
#include "common/utf8.h"
#include "http/origin.h"
#include "net/digest.h"
#include "transport/ws.h"

#define GUID        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define SUBPROTOCOL "spillway.v1.json"
#define KEY_BYTES   24
#define MODE_BYTES  16 /* no mode has a longer name: what is left of one is unknown, too */

static unsigned count_parameter(struct sw_slice query, struct sw_slice wanted)
{
    struct sw_slice name;
    struct sw_slice value;
    unsigned count = 0;
    while (sw_query_next(&query, &name, &value)) {
        count += sw_slice_equal(name, wanted);
    }
    return count;
}

static bool has_parameter(struct sw_slice query, struct sw_slice wanted)
{
    return count_parameter(query, wanted) > 0;
}

bool sw_door_origin_allowed(const struct sw_ws_door *door, const struct sw_request *request)
{
    return sw_origin_allowed(door->origins, sw_request_header(request, "Origin"));
}

bool sw_door_may_publish(const struct sw_ws_door *door, struct sw_conn *conn,
                         const struct sw_request *request)
{
    if (door->publish_set) {
        return door->publish;
    }
    struct sw_slice origin = sw_request_header(request, "Origin");
    return sw_http_client(conn).local && (!origin.data || sw_origin_is_loopback(origin));
}

static bool shows_bearer(struct sw_slice authorization)
{
    struct sw_slice scheme = sw_slice_split(&authorization, ' ');
    return sw_slice_equal_nocase(scheme, SW_SLICE("Bearer"));
}

static bool offers_bearer(struct sw_slice subprotocols)
{
    while (subprotocols.data) {
        struct sw_slice offered = sw_slice_trim(sw_slice_split(&subprotocols, ','));
        if (sw_slice_starts_with(offered, SW_SLICE("bearer."))) {
            return true;
        }
    }
    return false;
}

bool sw_door_shows_token(const struct sw_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        const struct sw_header *header = &request->headers[i];
        if ((sw_slice_equal_nocase(header->name, SW_SLICE("Authorization")) &&
             shows_bearer(header->value)) ||
            (sw_slice_equal_nocase(header->name, SW_SLICE("Sec-WebSocket-Protocol")) &&
             offers_bearer(header->value))) {
            return true;
        }
    }
    return has_parameter(request->query, SW_SLICE("ticket"));
}

/* 16 bytes in base64: 22 characters and "==". */
static bool key_valid(struct sw_slice key)
{
    if (key.size != KEY_BYTES || key.data[22] != '=' || key.data[23] != '=') {
        return false;
    }
    for (size_t i = 0; i < 22; i++) {
        char c = key.data[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/')) {
            return false;
        }
    }
    return true;
}

/* False: something was offered, and nothing that we know. */
static bool choose_subprotocol(const struct sw_request *request, bool *chosen)
{
    *chosen = sw_request_header_has(request, "Sec-WebSocket-Protocol", SUBPROTOCOL);
    return *chosen || sw_request_header_count(request, "Sec-WebSocket-Protocol") == 0;
}

/* 426 with the headers that say what to upgrade to. */
static void reply_upgrade(struct sw_http *http, const char *message, const char *headers)
{
    struct sw_buf body = {0};
    sw_buf_append_slice(&body, SW_SLICE("{\"error\":"));
    sw_http_append_error(&body, SW_ERROR_BAD_REQUEST, message, 0, NULL);
    sw_buf_append_byte(&body, '}');
    sw_http_reply(http, 426, "application/json", sw_buf_slice(&body), headers);
    sw_buf_deinit(&body);
}

/* Replies and returns false where it is no handshake that we can answer. */
static bool check(const struct sw_ws_door *door, struct sw_http *http,
                  const struct sw_request *request, bool *subprotocol)
{
    struct sw_slice version = sw_request_header(request, "Sec-WebSocket-Version");
    struct sw_slice key = sw_request_header(request, "Sec-WebSocket-Key");
    if (!request->upgrade || !sw_request_header_has(request, "Upgrade", "websocket")) {
        reply_upgrade(http, "a WebSocket is served here", "Upgrade: websocket\r\n");
    } else if (!sw_slice_equal(version, SW_SLICE("13"))) {
        reply_upgrade(http, "WebSocket version 13 is needed",
                      "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n");
    } else if (!key_valid(key) || sw_request_header_count(request, "Sec-WebSocket-Key") != 1) {
        sw_http_reply_error(http, SW_ERROR_BAD_REQUEST, "Sec-WebSocket-Key is 16 bytes in base64",
                            0, NULL);
    } else if (!sw_door_origin_allowed(door, request)) {
        sw_http_reply_error(http, SW_ERROR_FORBIDDEN, "this origin may not connect", 0, NULL);
    } else if (sw_door_shows_token(request)) {
        sw_http_reply_error(http, SW_ERROR_UNSUPPORTED, "this node takes no tokens", 0, NULL);
    } else if (!choose_subprotocol(request, subprotocol)) {
        sw_http_reply_error(http, SW_ERROR_BAD_REQUEST,
                            "none of the offered subprotocols is known; there is " SUBPROTOCOL, 0,
                            NULL);
    } else if (has_parameter(request->query, SW_SLICE("raw"))) {
        sw_http_reply_error(http, SW_ERROR_UNSUPPORTED, "raw is not supported", 0, NULL);
    } else if (count_parameter(request->query, SW_SLICE("topic")) > SW_SESSION_TOPICS) {
        sw_http_reply_error(http, SW_ERROR_TOO_MANY_TOPICS, NULL, 0, NULL);
    } else {
        return true;
    }
    return false;
}

static void write_accept(struct sw_buf *out, struct sw_slice key, bool subprotocol)
{
    struct sw_buf text = {0};
    unsigned char digest[SW_SHA1_BYTES];
    char accept[32];
    sw_buf_append_slice(&text, key);
    sw_buf_append_slice(&text, SW_SLICE(GUID));
    sw_sha1(sw_buf_slice(&text), digest);
    sw_buf_deinit(&text);
    char *end = sw_base64_encode(accept, digest, sizeof(digest));
    sw_buf_append_slice(out, SW_SLICE("HTTP/1.1 101 Switching Protocols\r\n"
                                      "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                      "Sec-WebSocket-Accept: "));
    sw_buf_append(out, accept, (size_t)(end - accept));
    sw_buf_append_slice(out, subprotocol
                                 ? SW_SLICE("\r\nSec-WebSocket-Protocol: " SUBPROTOCOL "\r\n\r\n")
                                 : SW_SLICE("\r\n\r\n"));
}

/* ---- subscriptions in the URL: the same words as a subscribe without an id ---- */

/* The position that `from` names for this topic ("topic@epoch:offset", split at the last '@'). */
static bool has_from(struct sw_slice query, struct sw_slice topic)
{
    struct sw_slice name;
    struct sw_slice value;
    bool found = false;
    while (!found && sw_query_next(&query, &name, &value)) {
        struct sw_buf text = {0};
        if (sw_slice_equal(name, SW_SLICE("from")) && sw_percent_decode(&text, value, true)) {
            size_t at = text.size;
            while (at > 0 && text.data[at - 1] != '@') {
                at--;
            }
            found = at > 0 && sw_slice_equal(sw_slice(text.data, at - 1), topic);
        }
        sw_buf_deinit(&text);
    }
    return found;
}

/* What the URL asks for beside topics, looked for once. */
struct asked {
    struct sw_slice query;
    struct sw_buf wish; /* `mode` and `max_hz`, as members of each entry */
    bool from;
    bool last;
};

/* Appends the first value of a parameter, decoded; nothing of one that cannot be. False: there is
 * none. */
static bool take_parameter(struct sw_slice query, struct sw_slice wanted, struct sw_buf *text)
{
    struct sw_slice name;
    struct sw_slice value;
    while (sw_query_next(&query, &name, &value)) {
        if (sw_slice_equal(name, wanted)) {
            if (!sw_percent_decode(text, value, true)) {
                sw_buf_clear(text);
            }
            return true;
        }
    }
    return false;
}

/* What is wrong with them is told in each topic's own entry, as in a subscribe. */
static void read_wish(struct sw_slice query, struct sw_buf *members)
{
    struct sw_buf text = {0};
    if (take_parameter(query, SW_SLICE("mode"), &text)) {
        size_t size = text.size < MODE_BYTES ? text.size : MODE_BYTES;
        sw_buf_append_slice(members, SW_SLICE(",\"mode\":"));
        sw_json_append_string(members, sw_slice(sw_buf_text(&text), size));
    }
    sw_buf_clear(&text);
    if (take_parameter(query, SW_SLICE("max_hz"), &text)) {
        uint64_t hz;
        bool number = sw_slice_to_u64(sw_buf_slice(&text), UINT32_MAX, &hz);
        sw_buf_printf(members, ",\"max_hz\":%llu", number ? (unsigned long long)hz : 0);
    }
    sw_buf_deinit(&text);
}

static void append_sub(struct sw_buf *out, const struct asked *asked, struct sw_slice topic)
{
    sw_buf_append_slice(out, out->size ? SW_SLICE(",{\"topic\":") : SW_SLICE("{\"topic\":"));
    sw_json_append_string(out, topic);
    sw_buf_append_slice(out, sw_buf_slice(&asked->wish));
    if (asked->from && has_from(asked->query, topic)) {
        sw_buf_append_slice(out, SW_SLICE(",\"from\":{}"));
    }
    if (asked->last) {
        sw_buf_append_slice(out, SW_SLICE(",\"last\":1"));
    }
    sw_buf_append_byte(out, '}');
}

static void collect_subs(struct sw_slice query, struct sw_buf *subs)
{
    struct sw_slice rest = query;
    struct sw_slice name;
    struct sw_slice value;
    struct asked asked = {.query = query,
                          .from = has_parameter(query, SW_SLICE("from")),
                          .last = has_parameter(query, SW_SLICE("last"))};
    read_wish(query, &asked.wish);
    while (sw_query_next(&rest, &name, &value)) {
        struct sw_buf topic = {0};
        if (sw_slice_equal(name, SW_SLICE("topic"))) {
            if (!sw_percent_decode(&topic, value, true) || !sw_utf8_valid(topic.data, topic.size)) {
                sw_buf_clear(&topic);
            }
            append_sub(subs, &asked, sw_slice(sw_buf_text(&topic), topic.size));
        }
        sw_buf_deinit(&topic);
    }
    sw_buf_deinit(&asked.wish);
}

/* The subscribe that the URL stands for, empty where it names no topic. */
static void read_query(struct sw_slice query, struct sw_buf *text)
{
    struct sw_buf subs = {0};
    collect_subs(query, &subs);
    if (subs.size) {
        sw_buf_append_slice(text, SW_SLICE("{\"type\":\"subscribe\",\"subs\":["));
        sw_buf_append_slice(text, sw_buf_slice(&subs));
        sw_buf_append_slice(text, SW_SLICE("]}"));
    }
    sw_buf_deinit(&subs);
}

void sw_ws_upgrade(const struct sw_ws_door *door, struct sw_http *http,
                   const struct sw_request *request, bool echo)
{
    bool subprotocol;
    if (!check(door, http, request, &subprotocol)) {
        return;
    }
    struct sw_session *session = sw_session_of(sw_http_conn(http));
    struct sw_buf reply = {0};
    struct sw_buf subscribe = {0};
    struct sw_buf early = {0};
    write_accept(&reply, sw_request_header(request, "Sec-WebSocket-Key"), subprotocol && !echo);
    if (!echo) {
        read_query(request->query, &subscribe);
    }
    session->may_publish = sw_door_may_publish(door, &session->conn, request);
    session->echo = echo;
    struct sw_http_client client = sw_http_client(&session->conn);
    bool room = sw_session_admit(session, &client.peer);
    struct sw_conn *conn = sw_http_detach(http, &early);
    sw_buf_append_slice(&session->lane, sw_buf_slice(&reply));
    (void)conn;
    if (room) {
        sw_ws_open(session);
    } else {
        sw_ws_refuse(session, SW_REASON_ADDRESS);
    }
    sw_fanout_due(&session->all->fanout, session->slot);
    if (subscribe.size && room) {
        sw_session_receive(session, sw_buf_slice(&subscribe));
    }
    if (early.size) {
        sw_ws_receive(session, sw_buf_slice(&early));
    }
    sw_buf_deinit(&reply);
    sw_buf_deinit(&subscribe);
    sw_buf_deinit(&early);
}
