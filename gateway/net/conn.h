// SPDX-License-Identifier: Apache-2.0
/* A connection that was accepted: a byte stream with a descriptor, which it owns. What io it does
 * (libuv only says when; the reading and sending are its own) is hidden here. The struct is
 * embedded in its owner's, who gets it back in on_closed and not before.
 *
 * Reading: bytes arrive in a buffer of the loop that is valid during on_read only; 256 KB in one
 * wake-up, so that nobody who sends much keeps the others waiting.
 * Writing: either sw_conn_write, which copies what the socket does not take (HTTP, close frames),
 * or, for deliveries, sw_conn_send on the descriptor and one sw_conn_write_rest for what did not
 * fit. */
#ifndef SW_NET_CONN_H
#define SW_NET_CONN_H

#include "net/address.h"
#include "net/loop.h"

#include <sys/uio.h>

struct sw_conn;
struct sw_tls_conn;

struct sw_conn_events {
    /* Bytes came. May close the connection, not free it. Over TLS what one read brought is
     * delivered whole, up to 32 KB, also behind a pause. */
    void (*on_read)(struct sw_conn *conn, const char *data, size_t size);
    /* The peer ended its side (status 0) or the connection broke (negative errno). Each comes once,
     * at most; behind a break nothing comes, and the owner closes it in answer. An end is heard
     * behind all bytes, so only while reading; a break also while not, but behind an end, or where
     * the end stands unread before it, only by a write that fails. */
    void (*on_end)(struct sw_conn *conn, int status);
    /* Closed: the memory is the owner's again. */
    void (*on_closed)(struct sw_conn *conn);
    /* The socket has taken all that sw_conn_write kept (and only then; not for a write that was
     * taken at once). May be NULL. */
    void (*on_drained)(struct sw_conn *conn);
    /* on_end may come turns later: very many may end at once. */
    bool end_waits;
};

#define SW_CONN_HANDLE_BYTES 160

struct sw_conn {
    _Alignas(8) unsigned char handle[SW_CONN_HANDLE_BYTES]; /* uv_poll_t */
    const struct sw_conn_events *events;
    struct sw_write *waiting; /* a ring, by its last one; NULL: nothing waits for the socket */
    struct sw_tls_conn *tls;  /* net/tls_conn.h; NULL: plain */
    struct sw_list end_link;  /* its end waits to be told */
    int fd;
    uint8_t polled; /* what libuv is asked to tell */
    bool closing : 1;
    bool reading : 1;
    bool ended : 1;  /* on_end has come, or waits to */
    bool broken : 1; /* with an error */
    bool shut : 1;   /* sw_conn_shutdown was called */
    bool hung : 1;   /* not reading, and the peer's end stands behind what is unread */
};

/* Takes `fd`, starts reading. Returns 0, or a negative errno: then `fd` is closed and nothing
 * comes back. */
int sw_conn_open(struct sw_conn *conn, struct sw_loop *loop, int fd,
                 const struct sw_conn_events *events) SW_MUST_CHECK;
/* Another owner's events from now on (the upgrade adopts the connection). */
void sw_conn_adopt(struct sw_conn *conn, const struct sw_conn_events *events);
/* A pointer for the owner, NULL at first; costs no room. */
void sw_conn_set_owner(struct sw_conn *conn, void *owner);
void *sw_conn_owner(const struct sw_conn *conn);
/* Stops or resumes reading; the kernel then holds the peer back. */
void sw_conn_read(struct sw_conn *conn, bool on);
/* Copies what the socket does not take at once; in order with everything written before. Returns
 * 0 or a negative errno (on_end comes too, later, if the connection is not closed by then). */
int sw_conn_write(struct sw_conn *conn, const void *data, size_t size);
/* Does anything wait for the socket that somebody is to be told of? */
static inline bool sw_conn_waits(const struct sw_conn *conn)
{
    return conn->waiting != NULL;
}
/* Bytes of sw_conn_write that wait for the socket. */
size_t sw_conn_unwritten(const struct sw_conn *conn);
/* Sends a FIN when what waits is written; on_end and on_closed still come. */
void sw_conn_shutdown(struct sw_conn *conn);
/* Closes; on_closed comes later in this turn. Idempotent. What waits to be written is lost. */
void sw_conn_close(struct sw_conn *conn);
/* Closes with a RST, so that the kernel frees what an unreading peer is still owed. Idempotent. */
void sw_conn_reset(struct sw_conn *conn);
/* The other end. */
int sw_conn_peer(const struct sw_conn *conn, struct sw_address *address) SW_MUST_CHECK;
/* Bytes in the kernel that the peer has not acknowledged. */
int sw_conn_unacknowledged(const struct sw_conn *conn);
/* How long ago its kernel last acknowledged anything, be it that it has no room. */
uint32_t sw_conn_silent_ms(const struct sw_conn *conn);
/* The shortest round trip that the kernel has seen, in microseconds; 0: unknown. */
uint32_t sw_conn_round_trip_us(const struct sw_conn *conn);

#endif
