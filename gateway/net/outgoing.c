// SPDX-License-Identifier: Apache-2.0
/* Its owner may close or destroy it in any callback. So whatever libuv must keep for longer (the
 * poll handle, the request for the resolver) has memory of its own that knows the outgoing as
 * long as it wants to be known, and every callback to the owner is the last thing a function
 * does. */
#include "net/outgoing.h"

#include "common/assert.h"
#include "common/mem.h"
#include "net/loop_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

/* What is written in one turn goes out together behind it, or as soon as this much waits. */
#define FLUSH_BYTES 65536
/* A buffer that a burst made larger than this is given back. */
#define KEPT_BYTES (1u << 20)
/* Addresses of one name that are tried. */
#define ADDRESSES 8

enum state {
    CLOSED,
    RESOLVING,
    CONNECTING,
    FAILED, /* open() itself found out; on_down comes by the timer */
    UP,
};

struct poll {
    uv_poll_t uv;
    struct sw_outgoing *outgoing; /* NULL: closed */
};

struct resolve {
    uv_getaddrinfo_t uv;
    struct sw_outgoing *outgoing; /* NULL: nobody waits any more */
};

struct sw_outgoing {
    struct sw_loop *loop;
    const struct sw_outgoing_events *events;
    void *owner;
    enum state state;
    int fd;
    int error; /* the last, while connecting; of writing, while up */
    struct poll *poll;
    struct resolve *resolve;
    struct sw_address addresses[ADDRESSES];
    size_t address_count;
    size_t address_next;
    uint64_t deadline_ms;
    struct sw_timer timer;
    struct sw_task flush;
    struct sw_buf out;
    size_t out_sent; /* bytes of `out` that are gone */
    bool writable_wanted;
    bool *destroyed; /* told to whoever is in the middle of calling its owner */
};

static void on_timer(struct sw_timer *timer);
static void on_flush(struct sw_task *task);

struct sw_outgoing *sw_outgoing_create(struct sw_loop *loop,
                                       const struct sw_outgoing_events *events, void *owner)
{
    struct sw_outgoing *outgoing = sw_zalloc(sizeof(*outgoing));
    outgoing->loop = loop;
    outgoing->events = events;
    outgoing->owner = owner;
    outgoing->fd = -1;
    sw_timer_init(&outgoing->timer, on_timer);
    sw_task_init(&outgoing->flush, on_flush);
    return outgoing;
}

static void on_poll_closed(uv_handle_t *handle)
{
    sw_free(SW_CONTAINER_OF(handle, struct poll, uv));
}

static void close_socket(struct sw_outgoing *outgoing)
{
    if (outgoing->poll) {
        outgoing->poll->outgoing = NULL;
        uv_close((uv_handle_t *)&outgoing->poll->uv, on_poll_closed);
        outgoing->poll = NULL;
    }
    if (outgoing->fd >= 0) {
        close(outgoing->fd);
        outgoing->fd = -1;
    }
}

void sw_outgoing_close(struct sw_outgoing *outgoing)
{
    outgoing->state = CLOSED;
    sw_loop_timer_stop(outgoing->loop, &outgoing->timer);
    sw_task_cancel(&outgoing->flush);
    close_socket(outgoing);
    if (outgoing->resolve) {
        outgoing->resolve->outgoing = NULL;
        uv_cancel((uv_req_t *)&outgoing->resolve->uv); /* its callback comes in any case */
        outgoing->resolve = NULL;
    }
    sw_buf_deinit(&outgoing->out);
    outgoing->out_sent = 0;
    outgoing->writable_wanted = false;
}

void sw_outgoing_destroy(struct sw_outgoing **pointer)
{
    struct sw_outgoing *outgoing = *pointer;
    *pointer = NULL;
    if (!outgoing) {
        return;
    }
    sw_outgoing_close(outgoing);
    if (outgoing->destroyed) {
        *outgoing->destroyed = true;
    }
    sw_free(outgoing);
}

/* The last thing its caller does. */
static void go_down(struct sw_outgoing *outgoing, int status)
{
    sw_outgoing_close(outgoing);
    outgoing->events->on_down(outgoing->owner, status);
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof(error);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) ? -errno : -error;
}

static void on_poll(uv_poll_t *handle, int status, int events);

static int watch(struct sw_outgoing *outgoing, int events)
{
    return uv_poll_start(&outgoing->poll->uv, events, on_poll);
}

/* A link to Redis that died without a word is noticed, and its answers are not held back by
 * Nagle. */
static void set_options(int fd)
{
    const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 15}, {IPPROTO_TCP, TCP_KEEPINTVL, 5},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(options); i++) {
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
    }
}

/* Begins to connect to one address. Returns 0 or a negative errno. */
static int begin(struct sw_outgoing *outgoing, const struct sw_address *address)
{
    int fd = socket(address->u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    outgoing->fd = fd;
    set_options(fd);
    if (connect(fd, &address->u.any, address->size) && errno != EINPROGRESS) {
        return -errno;
    }
    struct poll *poll = sw_zalloc(sizeof(*poll));
    int status = uv_poll_init(&outgoing->loop->uv, &poll->uv, fd);
    if (status) {
        sw_free(poll);
        return status;
    }
    poll->outgoing = outgoing;
    outgoing->poll = poll;
    return watch(outgoing, UV_WRITABLE);
}

/* Tries the addresses in turn; each gets its part of the time that is left, so that one that
 * swallows everything does not cost the others their chance. False: none is left. */
static bool try_next(struct sw_outgoing *outgoing)
{
    close_socket(outgoing);
    while (outgoing->address_next < outgoing->address_count) {
        uint64_t now = sw_loop_now_ms(outgoing->loop);
        uint64_t left_ms = outgoing->deadline_ms > now ? outgoing->deadline_ms - now : 0;
        if (left_ms == 0) {
            outgoing->error = UV_ETIMEDOUT;
            return false;
        }
        size_t addresses = outgoing->address_count - outgoing->address_next;
        int status = begin(outgoing, &outgoing->addresses[outgoing->address_next++]);
        if (!status) {
            outgoing->state = CONNECTING;
            sw_loop_timer_start(outgoing->loop, &outgoing->timer, left_ms / addresses);
            return true;
        }
        outgoing->error = status;
        close_socket(outgoing);
    }
    return false;
}

static void come_up(struct sw_outgoing *outgoing)
{
    sw_loop_timer_stop(outgoing->loop, &outgoing->timer);
    int status = watch(outgoing, UV_READABLE);
    SW_ASSERT(status == 0);
    outgoing->state = UP;
    outgoing->error = 0;
    outgoing->events->on_up(outgoing->owner);
}

static void on_timer(struct sw_timer *timer)
{
    struct sw_outgoing *outgoing = SW_CONTAINER_OF(timer, struct sw_outgoing, timer);
    if (outgoing->state == FAILED) {
        go_down(outgoing, outgoing->error);
        return;
    }
    outgoing->error = UV_ETIMEDOUT;
    if (outgoing->state == RESOLVING || !try_next(outgoing)) {
        go_down(outgoing, outgoing->error);
    }
}

static void on_connected(struct sw_outgoing *outgoing)
{
    int status = socket_error(outgoing->fd);
    if (!status) {
        come_up(outgoing);
        return;
    }
    outgoing->error = status;
    if (!try_next(outgoing)) {
        go_down(outgoing, outgoing->error);
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct sw_outgoing *outgoing = SW_CONTAINER_OF(handle, struct poll, uv)->outgoing;
    if (!outgoing) {
        return;
    }
    if (outgoing->state == CONNECTING) {
        on_connected(outgoing);
    } else if (status < 0) {
        /* libuv has stopped watching. */
        int error = socket_error(outgoing->fd);
        go_down(outgoing, error ? error : status);
    } else if (events & UV_WRITABLE) {
        sw_loop_flush_later(outgoing->loop, &outgoing->flush);
    }
    /* Readable: the loop is awake, which is all that was wanted. */
}

static void add_address(struct sw_outgoing *outgoing, const struct sockaddr *address,
                        socklen_t size)
{
    struct sw_address *place = &outgoing->addresses[outgoing->address_count++];
    memset(place, 0, sizeof(*place));
    memcpy(&place->u, address, size);
    place->size = size;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct resolve *resolve = SW_CONTAINER_OF(request, struct resolve, uv);
    struct sw_outgoing *outgoing = resolve->outgoing;
    if (outgoing) {
        outgoing->resolve = NULL;
        for (struct addrinfo *at = list; at && outgoing->address_count < ADDRESSES;
             at = at->ai_next) {
            if (at->ai_family == AF_INET || at->ai_family == AF_INET6) {
                add_address(outgoing, at->ai_addr, at->ai_addrlen);
            }
        }
    }
    uv_freeaddrinfo(list);
    sw_free(resolve);
    if (!outgoing) {
        return;
    }
    outgoing->error = status ? status : UV_EAI_NODATA;
    if (!try_next(outgoing)) {
        go_down(outgoing, outgoing->error);
    }
}

/* A host that is a number needs no resolver. */
static bool add_number(struct sw_outgoing *outgoing, const char *host, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
        add_address(outgoing, (const struct sockaddr *)&in, sizeof(in));
        return true;
    }
    if (inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
        add_address(outgoing, (const struct sockaddr *)&in6, sizeof(in6));
        return true;
    }
    return false;
}

static int begin_resolving(struct sw_outgoing *outgoing, const char *host, uint16_t port)
{
    char service[8];
    snprintf(service, sizeof(service), "%u", (unsigned)port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct resolve *resolve = sw_zalloc(sizeof(*resolve));
    int status =
        uv_getaddrinfo(&outgoing->loop->uv, &resolve->uv, on_resolved, host, service, &hints);
    if (status) {
        sw_free(resolve);
        return status;
    }
    resolve->outgoing = outgoing;
    outgoing->resolve = resolve;
    outgoing->state = RESOLVING;
    return 0;
}

void sw_outgoing_open(struct sw_outgoing *outgoing, const char *host, uint16_t port,
                      unsigned timeout_ms)
{
    SW_ASSERT(outgoing->state == CLOSED);
    outgoing->address_count = 0;
    outgoing->address_next = 0;
    outgoing->error = 0;
    outgoing->deadline_ms = sw_loop_now_ms(outgoing->loop) + timeout_ms;
    if (add_number(outgoing, host, port)) {
        if (try_next(outgoing)) {
            return;
        }
    } else {
        outgoing->error = begin_resolving(outgoing, host, port);
        if (!outgoing->error) {
            sw_loop_timer_start(outgoing->loop, &outgoing->timer, timeout_ms);
            return;
        }
    }
    outgoing->state = FAILED;
    sw_loop_timer_start(outgoing->loop, &outgoing->timer, 0);
}

bool sw_outgoing_is_up(const struct sw_outgoing *outgoing)
{
    return outgoing->state == UP;
}

bool sw_outgoing_pump(struct sw_outgoing *outgoing, size_t max_bytes, size_t slice_bytes,
                      bool (*on_bytes)(void *owner, const char *data, size_t size))
{
    SW_ASSERT(slice_bytes > 0 && slice_bytes <= SW_READ_BYTES && !outgoing->destroyed);
    char *buffer = outgoing->loop->read_buffer;
    size_t total = 0;
    while (outgoing->state == UP && total < max_bytes) {
        ssize_t n = recv(outgoing->fd, buffer, slice_bytes, 0);
        if (n <= 0) {
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
                return false;
            }
            go_down(outgoing, n == 0 ? UV_EOF : -errno);
            return false;
        }
        total += (size_t)n;
        bool destroyed = false;
        outgoing->destroyed = &destroyed;
        bool go_on = on_bytes(outgoing->owner, buffer, (size_t)n);
        if (destroyed) {
            return false;
        }
        outgoing->destroyed = NULL;
        if (!go_on) {
            return outgoing->state == UP;
        }
        if ((size_t)n < slice_bytes) {
            return false; /* that was all; the poll tells what comes behind it */
        }
    }
    return outgoing->state == UP;
}

/* Sends what the socket takes; an error is kept for the flush, so that nobody is called back
 * while he writes. */
static void send_out(struct sw_outgoing *outgoing)
{
    while (!outgoing->error && outgoing->out_sent < outgoing->out.size) {
        ssize_t n = sw_conn_send(outgoing->fd, outgoing->out.data + outgoing->out_sent,
                                 outgoing->out.size - outgoing->out_sent);
        if (n < 0) {
            outgoing->error = (int)n;
        } else if (n == 0) {
            break;
        } else {
            outgoing->out_sent += (size_t)n;
        }
    }
    if (outgoing->out_sent == outgoing->out.size) {
        if (outgoing->out.capacity > KEPT_BYTES) {
            sw_buf_deinit(&outgoing->out);
        }
        sw_buf_clear(&outgoing->out);
        outgoing->out_sent = 0;
    } else if (outgoing->out_sent >= outgoing->out.size / 2) {
        /* Moved only when at least as much is gone as stays, so a byte is moved about once. */
        sw_buf_consume(&outgoing->out, outgoing->out_sent);
        outgoing->out_sent = 0;
    }
}

static void on_flush(struct sw_task *task)
{
    struct sw_outgoing *outgoing = SW_CONTAINER_OF(task, struct sw_outgoing, flush);
    send_out(outgoing);
    if (outgoing->error) {
        go_down(outgoing, outgoing->error);
        return;
    }
    bool wanted = outgoing->out.size > 0;
    if (wanted != outgoing->writable_wanted) {
        outgoing->writable_wanted = wanted;
        int status = watch(outgoing, UV_READABLE | (wanted ? UV_WRITABLE : 0));
        SW_ASSERT(status == 0);
    }
}

void sw_outgoing_write(struct sw_outgoing *outgoing, const void *data, size_t size)
{
    SW_ASSERT(outgoing->state == UP);
    sw_buf_append(&outgoing->out, data, size);
    if (sw_outgoing_unwritten(outgoing) >= FLUSH_BYTES && !outgoing->writable_wanted) {
        send_out(outgoing);
    }
    sw_loop_flush_later(outgoing->loop, &outgoing->flush);
}

size_t sw_outgoing_unwritten(const struct sw_outgoing *outgoing)
{
    return outgoing->out.size - outgoing->out_sent;
}
