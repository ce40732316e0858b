// SPDX-License-Identifier: Apache-2.0
/* A small blocking client for `spillway pub` and `sub`: one connection, HTTP/1.1 and WebSocket, to
 * a server that is trusted to speak them. Errors are words in client->error. */
#ifndef SW_CLI_CLIENT_H
#define SW_CLI_CLIENT_H

#include "common/buf.h"
#include "net/tls_client.h"

#include <signal.h>

struct sw_client_url {
    char host[256]; /* without the brackets of an IPv6 address */
    char port[8];
    char path[1024];     /* with its query; "/" where the URL has none */
    bool tls;            /* https:// or wss:// */
    const char *ca_file; /* whom to trust then; NULL, as the parser leaves it: the system's */
};

/* http(s)://, ws(s):// or nothing before host[:port][/path]. False: *why says in words what is
 * wrong. */
bool sw_client_url_parse(const char *text, struct sw_client_url *url, const char **why);
/* host:port as it stands in a Host header. */
void sw_client_url_append_host(const struct sw_client_url *url, struct sw_buf *out);

struct sw_client {
    int fd;                    /* -1: closed */
    struct sw_tls_client *tls; /* NULL: plain */
    struct sw_buf in;
    uint64_t heard_ms; /* when bytes came last */
    bool refused;      /* sw_client_connect: nobody listens there */
    char error[448];
};

/* How long an answer is waited for: longer than any deadline of the server's own. */
#define SW_CLIENT_ANSWER_MS 30000

/* Resolves and connects, within 10 s for each address. */
bool sw_client_connect(struct sw_client *client, const struct sw_client_url *url);
void sw_client_close(struct sw_client *client);
/* Waits for answers on an open connection so long at most. */
void sw_client_limit(struct sw_client *client, int ms);
/* Did the server leave an open connection as it was? A kept one may have ended meanwhile. */
bool sw_client_alive(const struct sw_client *client);

/* One request and its response: *status, and the body (replaced). *keep: the connection may carry
 * another one. */
bool sw_client_request(struct sw_client *client, struct sw_slice request, unsigned *status,
                       struct sw_buf *body, bool *keep);
/* The WebSocket handshake, checked as RFC 6455 section 4.1 asks; *status: what was answered, or 0.
 * `token` (NULL: none) goes along as Authorization. */
bool sw_client_upgrade(struct sw_client *client, const struct sw_client_url *url, const char *token,
                       unsigned *status);
/* May it stand in a header? A line break would begin another one. */
bool sw_client_is_plain(const char *text);
/* What --token said (NULL: nothing), else SPILLWAY_TOKEN, which `ps` does not show; NULL: none. */
const char *sw_client_token(const char *said);
/* One masked text frame. */
bool sw_client_say(struct sw_client *client, struct sw_slice text);

enum sw_client_event {
    SW_CLIENT_TEXT,
    SW_CLIENT_CLOSED,
    SW_CLIENT_LOST,
    SW_CLIENT_TIMEOUT,
    SW_CLIENT_STOPPED
};

/* The next message into `text`; pings are answered. CLOSED: *code and `text` hold the close code
 * and words. LOST: the connection broke. TIMEOUT: the monotonic `deadline_ms` has come (UINT64_MAX:
 * never). STOPPED: *stop was set by a signal. Before it waits it flushes standard output. */
enum sw_client_event sw_client_next(struct sw_client *client, struct sw_buf *text, unsigned *code,
                                    uint64_t deadline_ms, const volatile sig_atomic_t *stop);
/* A polite end: a close frame, and up to a second for the server's. Closes the connection. */
void sw_client_goodbye(struct sw_client *client);

#endif
