// SPDX-License-Identifier: Apache-2.0
/* Server-Sent Events as a session's transport: the server speaks, and nothing is heard but the end
 * (PROTOCOL.md, section 9). The stream ends behind a frame `closed`, which says what a WebSocket's
 * close frame would. */
#ifndef SW_TRANSPORT_SSE_H
#define SW_TRANSPORT_SSE_H

#include "session/session.h"
#include "transport/sse_cursor.h"

extern const struct sw_transport sw_sse_transport;

/* The session's connection is a stream from now on, whose HTTP head stands in the lane: adopts it
 * and opens the session, which owns `kept` (may be NULL). */
void sw_sse_open(struct sw_session *session, struct sw_sse_kept *kept,
                 const struct sw_arrival *arrival);

#endif
