// SPDX-License-Identifier: Apache-2.0
/* What a socket did not take waits on its connection, first come first sent, and goes out as the
 * socket becomes writable. `done` and on_drained are the owner's: either may write, or close. */
#include "net/conn_write.h"

#include "common/assert.h"
#include "common/mem.h"
#include "net/loop_internal.h"

#include <string.h>

/* `sent` bytes of it are sealed already. */
static void push(struct sw_conn *conn, const char *data, uint32_t sent, const struct sw_rest *rest)
{
    struct sw_write *write = sw_write_get(sw_loop_of_conn(conn));
    *write = (struct sw_write){.next = write, .data = data, .sent = sent, .rest = *rest};
    if (conn->waiting) {
        write->next = conn->waiting->next;
        conn->waiting->next = write;
    }
    conn->waiting = write;
    sw_conn_watch(conn);
}

static struct sw_write *pop(struct sw_conn *conn)
{
    struct sw_write *write = conn->waiting->next;
    if (write == conn->waiting) {
        conn->waiting = NULL;
    } else {
        conn->waiting->next = write->next;
    }
    return write;
}

size_t sw_conn_unwritten(const struct sw_conn *conn)
{
    size_t bytes = 0;
    const struct sw_write *write = conn->waiting;
    while (write) {
        write = write->next;
        bytes += write->rest.done ? 0 : write->rest.bytes;
        if (write == conn->waiting) {
            break;
        }
    }
    return bytes;
}

/* Takes the first one that waits off, and tells its owner. */
static void finish_first(struct sw_conn *conn, int status)
{
    struct sw_write *write = pop(conn);
    const char *data = write->data;
    struct sw_rest rest = write->rest;
    /* Put back first: what `done` writes next takes the same request, which is warm. */
    sw_write_put(sw_loop_of_conn(conn), write);
    if (rest.done) {
        rest.done(conn, &rest, status);
        return;
    }
    sw_free((char *)(uintptr_t)data);
    if (!status && !conn->closing && conn->events->on_drained && sw_conn_unwritten(conn) == 0) {
        conn->events->on_drained(conn);
    }
}

void sw_conn_fail_waiting(struct sw_conn *conn, int status)
{
    struct sw_write *last = conn->waiting;
    while (last) {
        bool more = conn->waiting->next != last;
        finish_first(conn, status);
        if (!more) {
            return;
        }
    }
}

/* All is written: a FIN, over TLS behind a close_notify. */
static void end_side(struct sw_conn *conn)
{
    if (conn->tls) {
        sw_tls_say_end(conn);
    }
    if (!sw_conn_has_unsent(conn)) {
        (void)shutdown(conn->fd, SHUT_WR); /* a broken connection is told by its reader */
    }
}

/* Sends what the socket takes: over TLS a record at most. The answer is in bytes of `data`, or a
 * negative errno. */
static ssize_t send_some(struct sw_conn *conn, const char *data, size_t size)
{
    if (!conn->tls) {
        return sw_conn_send(conn->fd, data, size);
    }
    struct iovec piece = {.iov_base = (char *)(uintptr_t)data, .iov_len = size};
    return size ? sw_conn_seal(conn, &piece, 1, 0) : 0;
}

/* Does the socket take no more? `left`: bytes of what was offered that it did not take. */
static bool is_full(const struct sw_conn *conn, size_t left)
{
    return conn->tls ? sw_conn_sealed_waits(conn) : left > 0;
}

/* The first one that waits. False: the socket is full, or broken. */
static bool send_first(struct sw_conn *conn)
{
    struct sw_write *write = conn->waiting->next;
    ssize_t n = send_some(conn, write->data + write->sent, write->rest.bytes - write->sent);
    if (n < 0) {
        sw_conn_fail_waiting(conn, (int)n);
        sw_conn_broke(conn, (int)n);
        return false;
    }
    write->sent += (uint32_t)n;
    if (is_full(conn, write->rest.bytes - write->sent)) {
        return false;
    }
    if (write->sent == write->rest.bytes) {
        finish_first(conn, 0);
    }
    return !conn->closing;
}

/* Over TLS first of all what is sealed. False: as send_first. */
static bool send_sealed(struct sw_conn *conn)
{
    ssize_t n = conn->tls ? sw_tls_send_sealed(conn) : 0;
    if (n < 0) {
        sw_conn_fail_waiting(conn, (int)n);
        sw_conn_broke(conn, (int)n);
        return false;
    }
    return !(conn->tls && sw_conn_sealed_waits(conn));
}

void sw_conn_send_waiting(struct sw_conn *conn)
{
    bool goes_on = send_sealed(conn);
    for (unsigned i = 0; goes_on && conn->waiting && i < SW_CONN_WRITES_PER_WAKE; i++) {
        goes_on = send_first(conn);
    }
    if (goes_on && !conn->waiting && conn->shut) {
        end_side(conn);
    }
}

void sw_conn_write_rest(struct sw_conn *conn, const void *data, const struct sw_rest *rest)
{
    SW_ASSERT(rest->bytes > 0 && rest->done && !conn->closing && !conn->shut);
    push(conn, data, 0, rest);
}

void sw_conn_await_sealed(struct sw_conn *conn, const struct sw_rest *rest)
{
    SW_ASSERT(sw_conn_sealed_waits(conn) && !conn->waiting && rest->done);
    push(conn, NULL, rest->bytes, rest);
}

static void push_copy(struct sw_conn *conn, const char *data, size_t size)
{
    char *copy = sw_alloc(size);
    memcpy(copy, data, size);
    push(conn, copy, 0, &(struct sw_rest){.bytes = (uint32_t)size});
}

/* What the socket takes of it, and over TLS one record more, which then waits. */
static ssize_t send_now(struct sw_conn *conn, const char *data, size_t size)
{
    size_t sent = 0;
    while (sent < size && !sw_conn_has_unsent(conn)) {
        ssize_t n = send_some(conn, data + sent, size - sent);
        if (n < 0) {
            return n;
        }
        sent += (size_t)n;
        if (is_full(conn, size - sent)) {
            break;
        }
    }
    return (ssize_t)sent;
}

int sw_conn_write(struct sw_conn *conn, const void *data, size_t size)
{
    SW_ASSERT(size <= UINT32_MAX);
    if (conn->closing || conn->shut || conn->broken) {
        return -EPIPE;
    }
    if (size == 0) {
        return 0;
    }
    ssize_t sent = send_now(conn, data, size);
    if (sent < 0) {
        /* A broken socket is writable, and says so again when this is sent: that is how on_end
         * comes later, and to an owner who has stopped reading. */
        push_copy(conn, data, size);
        return (int)sent;
    }
    if ((size_t)sent < size) {
        push_copy(conn, (const char *)data + sent, size - (size_t)sent);
    } else if (sw_conn_has_unsent(conn)) {
        push(conn, NULL, (uint32_t)sent, &(struct sw_rest){.bytes = (uint32_t)sent});
    }
    return 0;
}

void sw_conn_shutdown(struct sw_conn *conn)
{
    if (conn->closing || conn->shut) {
        return;
    }
    conn->shut = true;
    if (!conn->waiting) {
        end_side(conn);
    }
}
