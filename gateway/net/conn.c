// SPDX-License-Identifier: Apache-2.0
/* libuv polls the descriptor, level-triggered; what is read and sent is bounded for each wake-up,
 * and the rest comes in the next turn.
 *
 * To change what it polls for costs libuv two system calls. So what is no longer wanted is dropped
 * only when it is told in vain: a pause, or a rest, that is over before that costs nothing. */
#include "net/conn.h"

#include "common/assert.h"
#include "common/clock.h"
#include "common/mem.h"
#include "core/limits.h"
#include "net/loop_internal.h"
#include "net/tls_conn.h"

#include <string.h>

_Static_assert(sizeof(uv_poll_t) <= SW_CONN_HANDLE_BYTES, "SW_CONN_HANDLE_BYTES is too small");
_Static_assert(_Alignof(uv_poll_t) <= 8, "the handle of a conn is aligned to 8");
_Static_assert(offsetof(struct sw_conn, handle) == 0, "a conn and its handle are one address");

static uv_poll_t *poll_of(const struct sw_conn *conn)
{
    return (uv_poll_t *)(uintptr_t)conn->handle;
}

/* The handle stands at the start of its conn, which leaves its data pointer to the owner. */
static struct sw_conn *conn_of(void *handle)
{
    return handle;
}

/* ---- polling ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static unsigned wanted(const struct sw_conn *conn)
{
    unsigned events = sw_conn_has_unsent(conn) ? UV_WRITABLE : 0;
    if (conn->reading && !(conn->tls && sw_tls_holds(conn))) {
        events |= UV_READABLE;
    } else if (!conn->ended && !conn->hung) {
        events |= UV_DISCONNECT;
    }
    return events;
}

static void poll_for(struct sw_conn *conn, unsigned events)
{
    conn->polled = (uint8_t)events;
    int status = uv_poll_start(poll_of(conn), (int)events, on_poll); /* 0 stops it */
    SW_ASSERT(status == 0);
}

void sw_conn_watch(struct sw_conn *conn)
{
    unsigned events = wanted(conn);
    /* While it is polled for reading, a break is told, too. */
    unsigned missing = events & ~(unsigned)conn->polled;
    if (conn->polled & UV_READABLE) {
        missing &= ~(unsigned)UV_DISCONNECT;
    }
    if (missing) {
        poll_for(conn, events);
    }
}

/* The answer: is there more, and is it worth going on? */
static bool read_once(struct sw_conn *conn)
{
    char *buffer = sw_loop_of_conn(conn)->read_buffer;
    ssize_t n = recv(conn->fd, buffer, SW_CONN_READ_BYTES, MSG_DONTWAIT);
    if (n > 0 && conn->tls) {
        return sw_tls_take(conn, buffer, (size_t)n) && n == SW_CONN_READ_BYTES;
    } else if (n > 0) {
        conn->events->on_read(conn, buffer, (size_t)n);
    } else if (n == 0) {
        sw_conn_broke(conn, 0);
    } else if (errno != EAGAIN && errno != EINTR) {
        sw_conn_broke(conn, -errno);
    }
    return n == SW_CONN_READ_BYTES;
}

static void read_some(struct sw_conn *conn)
{
    for (unsigned i = 0; i < SW_CONN_READS_PER_WAKE && conn->reading; i++) {
        if ((conn->tls && !sw_tls_may_read(conn)) || !read_once(conn)) {
            return;
        }
    }
}

void sw_conn_go_on(struct sw_conn *conn)
{
    if (conn->reading) {
        read_once(conn);
    }
    if (!conn->closing) {
        sw_conn_watch(conn);
    }
}

/* Nobody reads or writes who would find out what broke it. */
static void look_for_error(struct sw_conn *conn)
{
    int error = 0;
    socklen_t size = sizeof(error);
    int status = getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    sw_conn_broke(conn, status || !error ? UV_ECONNRESET : -error);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct sw_conn *conn = conn_of(poll);
    unsigned told = (unsigned)events;
    unsigned before = wanted(conn);
    if (status < 0) {
        /* Broken, and libuv has stopped polling. What came before that is still read. */
        conn->polled = 0;
        told = before;
    }
    conn->hung = conn->hung || events & UV_DISCONNECT;
    if (told & UV_READABLE) {
        read_some(conn);
    }
    if (!conn->closing && told & UV_WRITABLE && sw_conn_has_unsent(conn)) {
        sw_conn_send_waiting(conn);
    }
    if (status < 0 && !(before & (UV_READABLE | UV_WRITABLE)) && !conn->closing) {
        look_for_error(conn);
    }
    if (conn->closing) {
        return;
    }
    if (told & ~before) {
        poll_for(conn, wanted(conn));
    } else {
        sw_conn_watch(conn);
    }
}

/* ---- the end ---- */

static void tell_end(struct sw_conn *conn, int status)
{
    struct sw_loop *loop = sw_loop_of_conn(conn);
    uint64_t began_ns = sw_clock_ns();
    conn->events->on_end(conn, status);
    sw_loop_spent(loop, began_ns);
}

void sw_conn_tell_ends(struct sw_task *task)
{
    struct sw_loop *loop = SW_CONTAINER_OF(task, struct sw_loop, tell_ends);
    struct sw_list *node;
    for (unsigned i = 0;
         (i < SW_CROWD_ENDS || sw_loop_has_time(loop)) && (node = sw_list_pop(&loop->ends)); i++) {
        struct sw_conn *conn = SW_CONTAINER_OF(node, struct sw_conn, end_link);
        tell_end(conn, conn->broken ? UV_ECONNRESET : 0);
    }
    if (sw_conn_ends_wait(loop)) {
        sw_loop_later(loop, task);
    }
}

/* Behind those that wait already; a break that comes while its end waits is told in its place. */
static bool put_end_off(struct sw_conn *conn)
{
    struct sw_loop *loop = sw_loop_of_conn(conn);
    if (!sw_list_empty(&conn->end_link)) {
        return true;
    }
    if (!conn->events->end_waits || (!sw_conn_ends_wait(loop) && sw_loop_has_time(loop))) {
        return false;
    }
    sw_list_push(&loop->ends, &conn->end_link);
    sw_loop_later(loop, &loop->tell_ends);
    return true;
}

void sw_conn_broke(struct sw_conn *conn, int status)
{
    if (conn->closing || conn->broken || (conn->ended && !status)) {
        return;
    }
    conn->ended = true;
    conn->broken = status != 0;
    conn->reading = false;
    if (conn->tls) {
        sw_tls_give_up(conn, SW_TLS_GONE);
    }
    if (!put_end_off(conn)) {
        tell_end(conn, status);
    }
}

/* ---- the connection ---- */

int sw_conn_open(struct sw_conn *conn, struct sw_loop *loop, int fd,
                 const struct sw_conn_events *events)
{
    memset(conn, 0, sizeof(*conn));
    int status = uv_poll_init(&loop->uv, poll_of(conn), fd);
    if (status) {
        close(fd);
        return status;
    }
    conn->fd = fd;
    conn->events = events;
    sw_list_init(&conn->end_link);
    sw_conn_read(conn, true);
    return 0;
}

void sw_conn_adopt(struct sw_conn *conn, const struct sw_conn_events *events)
{
    conn->events = events;
}

void sw_conn_set_owner(struct sw_conn *conn, void *owner)
{
    poll_of(conn)->data = owner;
}

void *sw_conn_owner(const struct sw_conn *conn)
{
    return poll_of(conn)->data;
}

void sw_conn_read(struct sw_conn *conn, bool on)
{
    if (conn->closing || (on && conn->ended)) {
        return;
    }
    conn->reading = on;
    sw_conn_watch(conn);
}

static void on_closed(uv_handle_t *handle)
{
    struct sw_conn *conn = conn_of(handle);
    struct sw_loop *loop = sw_loop_of_conn(conn);
    uint64_t began_ns = sw_clock_ns();
    sw_conn_fail_waiting(conn, UV_ECANCELED);
    if (conn->tls) {
        sw_tls_close(conn);
    }
    conn->events->on_closed(conn);
    sw_loop_spent(loop, began_ns);
}

static void end(struct sw_conn *conn)
{
    if (conn->tls) {
        sw_tls_give_up(conn, SW_TLS_TIMEOUT);
    }
    conn->closing = true;
    conn->reading = false;
    sw_list_remove(&conn->end_link);
    uv_close((uv_handle_t *)poll_of(conn), on_closed);
    close(conn->fd);
    conn->fd = -1; /* the number may soon be another's */
}

void sw_conn_close(struct sw_conn *conn)
{
    if (conn->closing) {
        return;
    }
    if (conn->tls && !sw_conn_has_unsent(conn)) {
        sw_tls_say_end(conn); /* in one try */
    }
    end(conn);
}

void sw_conn_reset(struct sw_conn *conn)
{
    if (conn->closing) {
        return;
    }
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    end(conn);
}

int sw_conn_peer(const struct sw_conn *conn, struct sw_address *address)
{
    memset(address, 0, sizeof(*address));
    address->size = sizeof(address->u);
    return getpeername(conn->fd, &address->u.any, &address->size) ? -errno : 0;
}
