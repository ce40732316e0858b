// SPDX-License-Identifier: Apache-2.0
/* A transport over a socket pair whose words are lines of text: "> a reply", "> ping", "> close
 * 1000 words". A test says before how one stands among others: #define LINE "> %.*s\n" is one. */
#ifndef SW_TESTS_SESSION_LINES_H
#define SW_TESTS_SESSION_LINES_H

#include "common/buf.h"
#include "conn_events.h"
#include "session/internal.h"

#include <stdio.h>

static inline void line(struct sw_session *session, struct sw_slice text)
{
    sw_buf_printf(&session->lane, LINE, SW_SLICE_ARG(text));
}

static inline void ping(struct sw_session *session)
{
    line(session, SW_SLICE("ping"));
}

static inline void close_frame(struct sw_session *session, uint16_t code, struct sw_slice words)
{
    char text[160]; /* a close frame has room for fewer */
    int size = snprintf(text, sizeof(text), "close %u %.*s", code, SW_SLICE_ARG(words));
    line(session, sw_slice(text, (size_t)size));
}

static inline void resume(struct sw_session *session)
{
    sw_conn_read(&session->conn, true);
}

static const struct sw_transport transport = {.name = "test",
                                              .open = SW_CONNECTION_WS_OPEN,
                                              .closing = SW_CONNECTION_WS_CLOSING,
                                              .frame = line,
                                              .ping = ping,
                                              .close = close_frame,
                                              .resume = resume};

#endif
