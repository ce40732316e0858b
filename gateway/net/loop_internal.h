// SPDX-License-Identifier: Apache-2.0
/* What the files of net/ share: the loop's inside, and the requests that carry what a socket did
 * not take. Nobody outside net/ includes this. */
#ifndef SW_NET_LOOP_INTERNAL_H
#define SW_NET_LOOP_INTERNAL_H

#include "net/conn_write.h"
#include "net/inbox.h"
#include "net/loop.h"

#include <stdatomic.h>
#include <uv.h>

/* One buffer per loop that every read fills: its bytes are consumed before the callback returns. */
#define SW_READ_BYTES 65536
/* What an accepted connection may fill of it: when a client is paused the rest of one read is held
 * for it, and there may be many of them. */
#define SW_CONN_READ_BYTES 16384
/* Write requests kept for reuse: 280 bytes each. */
#define SW_WRITES_KEPT 4096

/* A write that libuv carries: the rest of a frame (rest.done is set) or a copy of its own. */
struct sw_write {
    uv_write_t uv;
    struct sw_write *next;
    struct sw_conn *conn;
    char *copy;
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

/* The connection broke below its owner: tells it once, unless it closes already. */
void sw_conn_broke(struct sw_conn *conn, int status);

#endif
