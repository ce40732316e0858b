// SPDX-License-Identifier: Apache-2.0
/* The WebSocket handshake (RFC 6455 section 4.2), and what a URL may ask for: subscriptions. */
#ifndef SW_TRANSPORT_WS_UPGRADE_H
#define SW_TRANSPORT_WS_UPGRADE_H

#include "http/server.h"
#include "session/session.h"

/* Who may come in, and may they publish? Borrowed. */
struct sw_ws_door {
    struct sw_sessions *all;
    char *const *origins; /* NULL-terminated allow-list; empty or NULL: any */
    bool publish_set;     /* `publish` is the operator's word, else this machine's own may */
    bool publish;
};

/* Answers the request: 101 and an open session, 101 and a close frame, or an error. `echo`: this is
 * the echo path. The connection is that of a session in HANDSHAKE. */
void sw_ws_upgrade(const struct sw_ws_door *door, struct sw_http *http,
                   const struct sw_request *request, bool echo);
/* Is there no allow-list, no Origin (so no browser), or is it on the list? */
bool sw_door_origin_allowed(const struct sw_ws_door *door, const struct sw_request *request);
/* Does the request carry a token (PROTOCOL.md, section 6): a Bearer, a subprotocol bearer.<token>,
 * a ticket? What a proxy in front authorized by another scheme is none. */
bool sw_door_shows_token(const struct sw_request *request);
/* May whoever sends this request publish? */
bool sw_door_may_publish(const struct sw_ws_door *door, struct sw_conn *conn,
                         const struct sw_request *request);

#endif
