// SPDX-License-Identifier: Apache-2.0
/* The WebSocket handshake (RFC 6455 section 4.2). */
#ifndef SW_TRANSPORT_WS_UPGRADE_H
#define SW_TRANSPORT_WS_UPGRADE_H

#include "http/server.h"
#include "session/session.h"
#include "transport/door.h"

/* Answers the request: 101 and an open session, 101 and a close frame, or an error. `echo`: this is
 * the echo path. The connection is that of a session in HANDSHAKE. */
void sw_ws_upgrade(const struct sw_door *door, struct sw_http *http,
                   const struct sw_request *request, bool echo);

#endif
