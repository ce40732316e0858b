// SPDX-License-Identifier: Apache-2.0
/* WebSocket as a session's transport: bytes in become messages for the session, its words become
 * frames. A session between two messages owns nothing here. */
#ifndef SW_TRANSPORT_WS_H
#define SW_TRANSPORT_WS_H

#include "session/session.h"
#include "transport/ws_codec.h"

extern const struct sw_transport sw_ws_transport;
/* The same with payloads alone in its frames (PROTOCOL.md, section 10). */
extern const struct sw_transport sw_raw_transport;

/* The session's connection speaks WebSocket from now on: adopts it and opens the session. */
void sw_ws_open(struct sw_session *session, const struct sw_transport *transport,
                const struct sw_arrival *arrival);
/* The same, for a session that hears only why it may not be. */
void sw_ws_refuse(struct sw_session *session, const struct sw_transport *transport,
                  enum sw_reason reason);
/* Bytes from the peer; also those that came behind the handshake. */
void sw_ws_receive(struct sw_session *session, struct sw_slice bytes);

#endif
