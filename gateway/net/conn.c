// SPDX-License-Identifier: Apache-2.0
#include "net/conn.h"

#include "common/mem.h"
#include "net/loop_internal.h"

#include <string.h>

_Static_assert(sizeof(uv_tcp_t) <= SW_CONN_HANDLE_BYTES, "SW_CONN_HANDLE_BYTES is too small");
_Static_assert(_Alignof(uv_tcp_t) <= 8, "the handle of a conn is aligned to 8");
_Static_assert(offsetof(struct sw_conn, handle) == 0, "a conn and its handle are one address");

static uv_tcp_t *tcp_of(const struct sw_conn *conn)
{
    return (uv_tcp_t *)(uintptr_t)conn->handle;
}

static uv_stream_t *stream_of(const struct sw_conn *conn)
{
    return (uv_stream_t *)(uintptr_t)conn->handle;
}

/* The handle stands at the start of its conn, which leaves its data pointer to the owner. */
static struct sw_conn *conn_of(void *handle)
{
    return handle;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    *buf = uv_buf_init(sw_loop_of(handle)->read_buffer, SW_CONN_READ_BYTES);
}

void sw_conn_broke(struct sw_conn *conn, int status)
{
    if (conn->closing || conn->ended) {
        return;
    }
    conn->ended = true;
    sw_conn_read(conn, false);
    conn->events->on_end(conn, status);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct sw_conn *conn = conn_of(stream);
    if (n > 0) {
        conn->events->on_read(conn, buf->base, (size_t)n);
    } else if (n < 0) {
        sw_conn_broke(conn, n == UV_EOF ? 0 : (int)n);
    }
}

int sw_conn_open(struct sw_conn *conn, struct sw_loop *loop, int fd,
                 const struct sw_conn_events *events)
{
    memset(conn, 0, sizeof(*conn));
    int status = uv_tcp_init(&loop->uv, tcp_of(conn));
    if (status) {
        close(fd);
        return status;
    }
    /* A socket that was just accepted can always be opened and read; were it not so, the handle
     * could not be taken back at once. */
    status = uv_tcp_open(tcp_of(conn), fd);
    SW_ASSERT(status == 0);
    conn->fd = fd;
    conn->events = events;
    sw_conn_read(conn, true);
    return 0;
}

void sw_conn_adopt(struct sw_conn *conn, const struct sw_conn_events *events)
{
    conn->events = events;
}

void sw_conn_set_owner(struct sw_conn *conn, void *owner)
{
    tcp_of(conn)->data = owner;
}

void *sw_conn_owner(const struct sw_conn *conn)
{
    return tcp_of(conn)->data;
}

void sw_conn_read(struct sw_conn *conn, bool on)
{
    if (conn->reading == on || conn->closing || (on && conn->ended)) {
        return;
    }
    conn->reading = on;
    if (on) {
        int status = uv_read_start(stream_of(conn), on_alloc, on_read);
        SW_ASSERT(status == 0);
    } else {
        uv_read_stop(stream_of(conn));
    }
}

static void on_written(uv_write_t *request, int status)
{
    struct sw_write *write = SW_CONTAINER_OF(request, struct sw_write, uv);
    struct sw_conn *conn = write->conn;
    conn->unwritten -= write->rest.bytes;
    sw_free(write->copy);
    sw_write_put(sw_loop_of((uv_handle_t *)request->handle), write);
    if (conn->closing) {
        return;
    }
    if (status) {
        sw_conn_broke(conn, status);
    } else if (conn->unwritten == 0 && conn->events->on_drained) {
        conn->events->on_drained(conn);
    }
}

/* Copies the bytes for libuv. Where the socket is broken, libuv finds that out once more and
 * says so in a later callback: that is how on_end comes to an owner who has stopped reading. */
static void write_copy(struct sw_conn *conn, const char *data, size_t size)
{
    struct sw_write *write = sw_write_get(sw_loop_of((uv_handle_t *)tcp_of(conn)));
    write->conn = conn;
    write->copy = sw_alloc(size);
    memcpy(write->copy, data, size);
    write->rest = (struct sw_rest){.bytes = (uint32_t)size};
    conn->unwritten += (uint32_t)size;
    uv_buf_t buf = uv_buf_init(write->copy, (unsigned)size);
    int status = uv_write(&write->uv, stream_of(conn), &buf, 1, on_written);
    SW_ASSERT(status == 0);
}

int sw_conn_write(struct sw_conn *conn, const void *data, size_t size)
{
    SW_ASSERT(size <= UINT32_MAX - conn->unwritten);
    if (conn->closing || conn->shut || !uv_is_writable(stream_of(conn))) {
        return -EPIPE;
    }
    if (size == 0) {
        return 0;
    }
    ssize_t sent = 0;
    if (uv_stream_get_write_queue_size(stream_of(conn)) == 0) {
        sent = sw_conn_send(conn->fd, data, size);
    }
    if (sent < 0) {
        write_copy(conn, data, size);
        return (int)sent;
    }
    if ((size_t)sent < size) {
        write_copy(conn, (const char *)data + sent, size - (size_t)sent);
    }
    return 0;
}

static void on_shut(uv_shutdown_t *request, int status)
{
    (void)status; /* a broken connection is told by its reader */
    sw_free(request);
}

void sw_conn_shutdown(struct sw_conn *conn)
{
    if (conn->closing || conn->shut) {
        return;
    }
    conn->shut = true;
    uv_shutdown_t *request = sw_alloc(sizeof(*request));
    if (uv_shutdown(request, stream_of(conn), on_shut)) {
        sw_free(request);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct sw_conn *conn = conn_of(handle);
    conn->events->on_closed(conn);
}

void sw_conn_close(struct sw_conn *conn)
{
    if (conn->closing) {
        return;
    }
    conn->closing = true;
    conn->reading = false;
    conn->fd = -1; /* libuv closes the descriptor now; its number may soon be another's */
    uv_close((uv_handle_t *)tcp_of(conn), on_closed);
}

void sw_conn_reset(struct sw_conn *conn)
{
    if (conn->closing) {
        return;
    }
    /* Not uv_tcp_close_reset, which refuses while a shutdown waits. */
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    sw_conn_close(conn);
}

int sw_conn_peer(const struct sw_conn *conn, struct sw_address *address)
{
    memset(address, 0, sizeof(*address));
    address->size = sizeof(address->u);
    return getpeername(conn->fd, &address->u.any, &address->size) ? -errno : 0;
}
