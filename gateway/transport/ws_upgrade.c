// SPDX-License-Identifier: Apache-2.0
#include "transport/ws_upgrade.h"

#include "auth/verifier.h"
#include "common/base64.h"
#include "net/digest.h"
#include "transport/raw_query.h"
#include "transport/ws.h"
#include "transport/ws_extensions.h"
#include "transport/ws_query.h"

#define GUID      "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define NATIVE    "spillway.v1.json"
#define RAW       "spillway.v1.raw"
#define KEY_BYTES 24
/* Who finds the verifier full: half of what it is busy with is done by then. */
#define BUSY_RETRY_MS 1000

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

/* What the upgrade chose. */
struct choice {
    bool offered;            /* a subprotocol; one that is a token asks for none */
    const char *subprotocol; /* the first that is known, and to be named in the answer; or NULL */
    bool raw;
};

static void choose_of(struct sw_slice list, struct choice *choice)
{
    while (list.data) {
        struct sw_slice offered = sw_slice_trim(sw_slice_split(&list, ','));
        bool raw = sw_slice_equal_nocase(offered, SW_SLICE(RAW));
        if (sw_slice_starts_with(offered, SW_SLICE(SW_DOOR_BEARER))) {
            continue;
        }
        choice->offered = true;
        if (!choice->subprotocol && (raw || sw_slice_equal_nocase(offered, SW_SLICE(NATIVE)))) {
            choice->subprotocol = raw ? RAW : NATIVE;
        }
    }
}

/* By the subprotocols in their order, or by raw=1 of the URL, which must not say otherwise. NULL,
 * or what is wrong. */
static const char *choose(const struct sw_request *request, struct choice *choice)
{
    const char *why = NULL;
    for (size_t i = 0; i < request->header_count; i++) {
        if (sw_slice_equal_nocase(request->headers[i].name, SW_SLICE("Sec-WebSocket-Protocol"))) {
            choose_of(request->headers[i].value, choice);
        }
    }
    choice->raw = choice->subprotocol && strcmp(choice->subprotocol, RAW) == 0;
    if (choice->offered && !choice->subprotocol) {
        return "none of the offered subprotocols is known; there is " NATIVE ", and " RAW;
    }
    if (sw_raw_query_asks(request->query, &why) && !choice->raw) {
        why = choice->subprotocol ? "raw=1 is " RAW ", and " NATIVE " is offered first" : NULL;
        choice->raw = true;
    }
    return why;
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
static bool check(const struct sw_door *door, struct sw_http *http,
                  const struct sw_request *request, struct choice *choice)
{
    const char *why;
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
    } else if (!sw_door_takes_token(door, http, request)) {
        return false;
    } else if ((why = choose(request, choice))) {
        sw_http_reply_error(http, SW_ERROR_BAD_REQUEST, why, 0, NULL);
    } else if (sw_ws_query_count(request->query, SW_SLICE("topic")) > SW_SESSION_TOPICS) {
        sw_http_reply_error(http, SW_ERROR_TOO_MANY_TOPICS, NULL, 0, NULL);
    } else {
        return true;
    }
    return false;
}

/* Compression is offered to who can get something compressed, or sends it to be echoed. */
static struct sw_ws_extensions choose_extensions(const struct sw_session *session,
                                                 const struct sw_request *request, bool echo)
{
    return echo || sw_rules_compress(session->all->config.rules)
               ? sw_ws_extensions_choose(request, echo)
               : (struct sw_ws_extensions){0};
}

static void write_accept(struct sw_buf *out, struct sw_slice key, const char *subprotocol,
                         const struct sw_ws_extensions *extensions)
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
    if (subprotocol) {
        sw_buf_printf(out, "\r\nSec-WebSocket-Protocol: %s", subprotocol);
    }
    sw_buf_append_slice(out, SW_SLICE("\r\n"));
    sw_ws_extensions_append(extensions, out);
    sw_buf_append_slice(out, SW_SLICE("\r\n"));
}

void sw_ws_upgrade(const struct sw_door *door, struct sw_http *http,
                   const struct sw_request *request, bool echo)
{
    struct choice choice = {0};
    struct sw_session *session = sw_session_of(sw_http_conn(http));
    struct sw_slice token = sw_door_token(request);
    if (!check(door, http, request, &choice)) {
        return;
    }
    if (echo) {
        choice = (struct choice){0};
    }
    if (token.data && sw_verifier_full(session->all->verifier)) {
        sw_http_reply_error(http, SW_ERROR_OVERLOADED, "too many tokens are being verified",
                            BUSY_RETRY_MS, NULL);
        return;
    }
    struct sw_buf subscribe = {0};
    const char *why = NULL;
    if (choice.raw) {
        why = sw_raw_query_problem(request->query, session->all->config.separator);
    }
    if (!why && !echo) {
        why = sw_ws_query_subscribe(request->query, &subscribe);
    }
    if (why) {
        sw_http_reply_error(http, SW_ERROR_BAD_REQUEST, why, 0, NULL);
        sw_buf_deinit(&subscribe);
        return;
    }
    struct sw_buf reply = {0};
    struct sw_buf shown = {0}; /* the request's bytes go with its HTTP side */
    struct sw_buf early = {0};
    struct sw_ws_extensions extensions = {0};
    if (!choice.raw) {
        extensions = choose_extensions(session, request, echo);
    }
    write_accept(&reply, sw_request_header(request, "Sec-WebSocket-Key"), choice.subprotocol,
                 &extensions);
    session->may_publish = sw_door_may_publish(door, &session->conn, request);
    session->echo = echo;
    session->deflate = extensions.deflate;
    session->deflate_narrow = sw_ws_extensions_narrow(&extensions);
    sw_buf_append_slice(&shown, token);
    struct sw_http_client client = sw_http_client(&session->conn);
    bool room = sw_session_admit(session, &client.peer);
    struct sw_conn *conn = sw_http_detach(http, &early);
    sw_buf_append_slice(&session->lane, sw_buf_slice(&reply));
    (void)conn;
    const struct sw_transport *transport = choice.raw ? &sw_raw_transport : &sw_ws_transport;
    if (room) {
        sw_ws_open(session, transport,
                   &(struct sw_arrival){.token = token.data
                                                     ? sw_slice(sw_buf_text(&shown), token.size)
                                                     : sw_slice(NULL, 0),
                                        .subscribe = sw_buf_slice(&subscribe)});
    } else {
        sw_ws_refuse(session, transport, SW_REASON_ADDRESS);
    }
    sw_fanout_due(&session->all->fanout, session->slot);
    if (early.size) {
        sw_ws_receive(session, sw_buf_slice(&early));
    }
    sw_buf_deinit(&reply);
    sw_buf_deinit(&subscribe);
    sw_buf_deinit(&shown);
    sw_buf_deinit(&early);
}
