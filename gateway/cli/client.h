// SPDX-License-Identifier: Apache-2.0
/* A small blocking client for `spillway pub` and `sub`: one connection, HTTP/1.1 and WebSocket, to
 * a server that is trusted to speak them. Errors are words in client->error. */
#ifndef SW_CLI_CLIENT_H
#define SW_CLI_CLIENT_H

#include "common/buf.h"

struct sw_client_url {
    char host[256];
    char port[8];
    char path[1024]; /* "/" where the URL has none */
};

/* http://, ws:// or nothing before host[:port][/path]. False: not of that form. */
bool sw_client_url_parse(const char *text, struct sw_client_url *url);

struct sw_client {
    int fd; /* -1: closed */
    struct sw_buf in;
    char error[448];
};

/* Resolves and connects, within 10 s. */
bool sw_client_connect(struct sw_client *client, const struct sw_client_url *url);
void sw_client_close(struct sw_client *client);
bool sw_client_send(struct sw_client *client, struct sw_slice bytes);

/* One response to one request: *status, and the body (replaced). The connection stays open if
 * *open. */
bool sw_client_response(struct sw_client *client, unsigned *status, struct sw_buf *body,
                        bool *open);
/* The WebSocket handshake, checked as RFC 6455 section 4.1 asks; `key`: Bearer token or NULL. */
bool sw_client_upgrade(struct sw_client *client, const struct sw_client_url *url,
                       const char *token);
/* One masked text frame. */
bool sw_client_say(struct sw_client *client, struct sw_slice text);

enum sw_client_event { SW_CLIENT_TEXT, SW_CLIENT_CLOSED, SW_CLIENT_LOST, SW_CLIENT_STOPPED };

/* The next message into `text`; pings are answered. CLOSED: *code and `text` hold the close code
 * and words. LOST: the connection broke. STOPPED: *stop was set by a signal. */
enum sw_client_event sw_client_next(struct sw_client *client, struct sw_buf *text, unsigned *code,
                                    const volatile int *stop);

#endif
