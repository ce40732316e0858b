// SPDX-License-Identifier: Apache-2.0
/* The hot way out: one system call on the descriptor. The answer is in bytes, or a negative
 * errno; EAGAIN is answered as 0. What is left of the frame in flight goes into exactly one
 * pooled write request, which is sent as the socket becomes writable, and nothing may be sent
 * directly until it has come back. */
#ifndef SW_NET_CONN_WRITE_H
#define SW_NET_CONN_WRITE_H

#include "net/conn.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline ssize_t sw_conn_sent(ssize_t n)
{
    if (SW_LIKELY(n >= 0)) {
        return n;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -errno;
}

/* A single piece by send: 4-8 % cheaper than sendmsg. Where the kernel is Linux without libc's
 * wrapper, a cancellation point that in a process with threads costs as much user time again as the
 * whole walk. */
static inline ssize_t sw_conn_send(int fd, const void *data, size_t size)
{
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
#ifdef SYS_sendto
    return sw_conn_sent(syscall(SYS_sendto, fd, data, size, flags, NULL, 0));
#else
    return sw_conn_sent(send(fd, data, size, flags));
#endif
}

static inline ssize_t sw_conn_sendv(int fd, struct iovec *pieces, size_t count)
{
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    return sw_conn_sent(sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

static inline ssize_t sw_conn_send_pieces(int fd, struct iovec *pieces, size_t count)
{
    return count == 1 ? sw_conn_send(fd, pieces[0].iov_base, pieces[0].iov_len)
                      : sw_conn_sendv(fd, pieces, count);
}

/* What a write request carries back to its owner. */
struct sw_rest {
    void (*done)(struct sw_conn *conn, const struct sw_rest *rest, int status);
    void *owner;
    void *pin;      /* what holds the bytes */
    uint32_t bytes; /* of this request */
    uint32_t tag;
};

/* Writes rest->bytes bytes at `data`, borrowed until `done`, which comes once in any case:
 * status 0, or a negative errno (UV_ECANCELED where the connection was closed first). Nothing
 * may be pending already. */
void sw_conn_write_rest(struct sw_conn *conn, const void *data, const struct sw_rest *rest);

#endif
