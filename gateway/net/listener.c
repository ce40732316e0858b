// SPDX-License-Identifier: Apache-2.0
/* A descriptor of our own behind a uv_poll_t: libuv 1.44 accepts without bound in one callback,
 * later ones accept one per turn; here it is SW_ACCEPTS_PER_TURN on both. */
#include "net/listener.h"

#include "common/log.h"
#include "common/mem.h"
#include "core/limits.h"
#include "net/loop_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

/* The kernel caps it by net.core.somaxconn. */
#define BACKLOG 4096
/* How long a listener looks away when the process has no descriptors (or the kernel no memory)
 * left. */
#define PAUSE_MS 100
/* Between two log lines about that. */
#define COMPLAIN_MS 10000

struct sw_listener {
    uv_poll_t poll;
    struct sw_timer pause;
    struct sw_loop *loop;
    void (*on_accept)(void *owner, int fd, const struct sw_address *peer);
    void *owner;
    int fd;
    int spare_fd; /* given up to accept and close when there is no other descriptor */
    bool closing;
    uint64_t complain_at_ms;
};

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

/* A socket for `address`, not yet bound. Returns the descriptor or a negative errno. */
static int open_socket(const struct sw_address *address)
{
    int family = address->u.any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    /* Connections of the last process in TIME_WAIT are no obstacle. */
    int status = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!status && family == AF_INET6) {
        status = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    if (status) {
        close(fd);
        return status;
    }
    return fd;
}

int sw_listener_claim(struct sw_address *address, int *out)
{
    int fd = open_socket(address);
    if (fd < 0) {
        return fd;
    }
    int status = 0;
    if (bind(fd, &address->u.any, address->size)) {
        status = -errno;
        goto fail;
    }
    socklen_t size = sizeof(address->u);
    if (getsockname(fd, &address->u.any, &size)) {
        status = -errno;
        goto fail;
    }
    address->size = size;
    /* Only now: the bind above must fail beside another's listener, those of the workers must
     * not fail beside this one. */
    status = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (status) {
        goto fail;
    }
    *out = fd;
    return 0;
fail:
    close(fd);
    return status;
}

/* What accepted connections inherit. */
static int set_inherited(int fd, unsigned user_timeout_ms)
{
    const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_NOTSENT_LOWAT, SW_NOTSENT_LOWAT},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 60},
        {IPPROTO_TCP, TCP_KEEPINTVL, 10},
        {IPPROTO_TCP, TCP_KEEPCNT, 6},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, (int)user_timeout_ms},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(options); i++) {
        int status = set_option(fd, options[i].level, options[i].name, options[i].value);
        if (status) {
            return status;
        }
    }
    return 0;
}

static void complain(struct sw_listener *listener, int error)
{
    uint64_t now = sw_loop_now_ms(listener->loop);
    if (now >= listener->complain_at_ms) {
        listener->complain_at_ms = now + COMPLAIN_MS;
        sw_log(SW_LOG_WARN, "accept_failed", "error=%s", uv_err_name(-error));
    }
}

/* No descriptor is left: with the spare one, those who wait get at least an end instead of
 * silence. */
static void turn_away(struct sw_listener *listener)
{
    for (unsigned i = 0; i < SW_ACCEPTS_PER_TURN && listener->spare_fd >= 0; i++) {
        close(listener->spare_fd);
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            close(fd);
        }
        listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            break;
        }
    }
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void start_polling(struct sw_listener *listener)
{
    int status = uv_poll_start(&listener->poll, UV_READABLE, on_poll);
    SW_ASSERT(status == 0);
}

static void on_pause_over(struct sw_timer *timer)
{
    struct sw_listener *listener = SW_CONTAINER_OF(timer, struct sw_listener, pause);
    if (listener->spare_fd < 0) {
        listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    start_polling(listener);
}

/* What was wrong with an accept, and is it worth going on? */
static bool accept_failed(struct sw_listener *listener, int error)
{
    if (error == EAGAIN) {
        return false;
    }
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM) {
        return true; /* this one guest is gone (ECONNABORTED, EPROTO, ...); the next may stand there
                      */
    }
    complain(listener, error);
    if (error == EMFILE || error == ENFILE) {
        turn_away(listener);
    }
    if (!listener->closing) {
        uv_poll_stop(&listener->poll);
        sw_loop_timer_start(listener->loop, &listener->pause, PAUSE_MS);
    }
    return false;
}

static void accept_up_to(struct sw_listener *listener, unsigned limit)
{
    bool was_closing = listener->closing;
    /* on_accept may close the listener, which then accepts the rest itself. */
    for (unsigned i = 0; i < limit && listener->closing == was_closing; i++) {
        struct sw_address peer;
        memset(&peer, 0, sizeof(peer));
        peer.size = sizeof(peer.u);
        int fd = accept4(listener->fd, &peer.u.any, &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener->on_accept(listener->owner, fd, &peer);
        } else if (!accept_failed(listener, errno)) {
            return;
        }
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status; /* accept4 says what is wrong */
    (void)events;
    accept_up_to(SW_CONTAINER_OF(poll, struct sw_listener, poll), SW_ACCEPTS_PER_TURN);
}

int sw_listener_open(struct sw_listener **out, struct sw_loop *loop,
                     const struct sw_address *address, unsigned user_timeout_ms,
                     void (*on_accept)(void *owner, int fd, const struct sw_address *peer),
                     void *owner)
{
    int fd = open_socket(address);
    if (fd < 0) {
        return fd;
    }
    struct sw_listener *listener = sw_zalloc(sizeof(*listener));
    int status = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (!status) {
        status = set_inherited(fd, user_timeout_ms);
    }
    if (!status && (bind(fd, &address->u.any, address->size) || listen(fd, BACKLOG))) {
        status = -errno;
    }
    if (!status) {
        status = uv_poll_init(&loop->uv, &listener->poll, fd);
    }
    if (status) {
        goto fail;
    }
    listener->loop = loop;
    listener->on_accept = on_accept;
    listener->owner = owner;
    listener->fd = fd;
    listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sw_timer_init(&listener->pause, on_pause_over);
    start_polling(listener);
    *out = listener;
    return 0;
fail:
    sw_free(listener);
    close(fd);
    return status;
}

/* The kernel asks this program about each segment that comes to the listening socket, the last one
 * of a handshake included; only those that would begin one (SYN without ACK) are dropped. The
 * sockets that come of it inherit it, and never see such a segment. */
void sw_listener_stop(struct sw_listener *listener)
{
    enum { FLAGS_AT = 13, SYN = 0x02, ACK = 0x10 };
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_AT),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN | ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog filter = {.len = SW_ARRAY_SIZE(program), .filter = program};
    if (listener &&
        setsockopt(listener->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter))) {
        sw_log(SW_LOG_WARN, "listener_not_stopped", "error=%s", uv_err_name(-errno));
    }
}

static void on_closed(uv_handle_t *handle)
{
    sw_free(SW_CONTAINER_OF(handle, struct sw_listener, poll));
}

void sw_listener_close(struct sw_listener **pointer)
{
    struct sw_listener *listener = *pointer;
    if (!listener) {
        return;
    }
    *pointer = NULL;
    listener->closing = true;
    sw_loop_timer_stop(listener->loop, &listener->pause);
    /* Bounded, since strangers may go on connecting while this accepts. */
    accept_up_to(listener, 2 * BACKLOG);
    uv_close((uv_handle_t *)&listener->poll, on_closed);
    close(listener->fd);
    if (listener->spare_fd >= 0) {
        close(listener->spare_fd);
    }
}
