// SPDX-License-Identifier: Apache-2.0
/* What a connection's events are for sessions on transports that tests make: nothing is read. */
#ifndef SW_TESTS_SESSION_CONN_EVENTS_H
#define SW_TESTS_SESSION_CONN_EVENTS_H

#include "session/session.h"

static inline void on_read(struct sw_conn *conn, const char *data, size_t size)
{
    (void)conn, (void)data, (void)size;
}

static inline void on_end(struct sw_conn *conn, int status)
{
    (void)status;
    sw_session_lost(sw_session_of(conn));
}

static inline void on_closed(struct sw_conn *conn)
{
    sw_session_closed(sw_session_of(conn));
}

static const struct sw_conn_events events = {
    .on_read = on_read, .on_end = on_end, .on_closed = on_closed};

#endif
