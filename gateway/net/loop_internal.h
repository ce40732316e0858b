// SPDX-License-Identifier: Apache-2.0
/* What the files of net/ share: the loop's inside, and the requests that carry what a socket did
 * not take. Nobody outside net/ includes this. */
#ifndef SW_NET_LOOP_INTERNAL_H
#define SW_NET_LOOP_INTERNAL_H

#include "net/inbox.h"
#include "net/loop.h"
#include "net/tls_conn.h"

#include <stdatomic.h>
#include <uv.h>

/* One buffer per loop that every read fills: its bytes are consumed before the callback returns. */
#define SW_READ_BYTES 65536
/* What an accepted connection may fill of it: when a client is paused the rest of one read is held
 * for it, and there may be many of them. */
#define SW_CONN_READ_BYTES 16384
/* And how often in one wake-up, while it fills it: what a publisher sends at once is then delivered
 * at once (measured: with one read, 64 messages of 1 KB to 100 clients cost 1.7 times as much). */
#define SW_CONN_READS_PER_WAKE 16
/* Write requests kept for reuse: 56 bytes each. */
#define SW_WRITES_KEPT 4096
/* Write requests that one connection may send in one wake-up. */
#define SW_CONN_WRITES_PER_WAKE 16

/* What waits for a socket: the rest of a frame (rest.done is set) or a copy, which it owns. Over
 * TLS it has left when it is sealed, and nothing sealed waits. */
struct sw_write {
    struct sw_write *next; /* of the same connection, a ring; or in the pool */
    const char *data;
    uint32_t sent; /* of rest.bytes; over TLS: sealed */
    struct sw_rest rest;
};

struct sw_loop {
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_idle_t idle;
    uv_timer_t timer;
    uint64_t timer_due_ms; /* UINT64_MAX: the timer does not run */
    struct sw_wheel wheel;
    struct sw_turn *turns;
    struct sw_turn **last_turn;
    struct sw_inbox *inboxes;
    struct sw_list tasks;   /* struct sw_task, for the start of the next turn's end */
    struct sw_list flushes; /* struct sw_task, for behind the turns */
    bool stay_awake;
    _Atomic uint64_t turn_count;
    _Atomic(uintptr_t) thread; /* whose turns these are; 0 while none runs */
    struct sw_write *writes;
    size_t writes_kept;
    char read_buffer[SW_READ_BYTES];
};

static inline struct sw_loop *sw_loop_of(const uv_handle_t *handle)
{
    return handle->loop->data;
}

/* Runs `task` once, after the turns and before the loop sleeps. */
void sw_loop_flush_later(struct sw_loop *loop, struct sw_task *task);
/* Is this the thread that turns the loop? Any thread. */
bool sw_loop_is_mine(const struct sw_loop *loop);

struct sw_write *sw_write_get(struct sw_loop *loop);
void sw_write_put(struct sw_loop *loop, struct sw_write *write);

static inline struct sw_loop *sw_loop_of_conn(const struct sw_conn *conn)
{
    return sw_loop_of((const uv_handle_t *)(const void *)conn->handle);
}

/* The connection ended (status 0) or broke below its owner: tells it once, unless it closes
 * already. */
void sw_conn_broke(struct sw_conn *conn, int status);
/* Reads once more, though it was not told to: what put it off is over. May close the connection. */
void sw_conn_go_on(struct sw_conn *conn);
/* Polls for what is wanted now, if that is more than before. */
void sw_conn_watch(struct sw_conn *conn);
/* The socket is writable: sends what waits. May close the connection. */
void sw_conn_send_waiting(struct sw_conn *conn);
/* Gives all that waits back to its owners, as failed with `status`. */
void sw_conn_fail_waiting(struct sw_conn *conn, int status);

/* ---- tls_conn.c, of a connection that has conn->tls ---- */

/* Is the socket not to be read now? */
bool sw_tls_holds(const struct sw_conn *conn);
/* The same, just before it is: a handshake that has to wait for its turn is put into the queue. */
bool sw_tls_may_read(struct sw_conn *conn);
/* Bytes came. False: there was nothing in them for the owner. May close the connection. */
bool sw_tls_take(struct sw_conn *conn, const char *data, size_t size);
/* Sends of what is sealed and waits what the socket takes. 0, or a negative errno. */
ssize_t sw_tls_send_sealed(struct sw_conn *conn);
/* Our side is over: seals a close_notify. Harmless where there is no way to. */
void sw_tls_say_end(struct sw_conn *conn);
/* Nothing more is read; if there was no handshake, there will be none. */
void sw_tls_give_up(struct sw_conn *conn, enum sw_tls_outcome outcome);
/* The connection has closed: frees its part. */
void sw_tls_close(struct sw_conn *conn);

/* Does anything wait for the socket, be it only OpenSSL's own words? */
static inline bool sw_conn_has_unsent(const struct sw_conn *conn)
{
    return conn->waiting || (conn->tls && sw_conn_sealed_waits(conn));
}

#endif
