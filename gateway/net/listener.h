// SPDX-License-Identifier: Apache-2.0
/* Listening sockets. Each worker has its own on the same address (SO_REUSEPORT: the kernel
 * spreads the connections), accepts a bounded number per wake-up, and sets the options that
 * connections inherit on the listener once, so an accept costs no further system call:
 * TCP_NODELAY, keepalive, TCP_NOTSENT_LOWAT, TCP_USER_TIMEOUT. */
#ifndef SW_NET_LISTENER_H
#define SW_NET_LISTENER_H

#include "net/address.h"
#include "net/loop.h"

struct sw_listener;

/* Binds without SO_REUSEPORT, so an address that another process holds is found; resolves port 0 in
 * `address`. The descriptor in *fd keeps the address until all listeners are open (then close it).
 * Returns 0 or a negative errno (UV_EADDRINUSE, UV_EACCES, UV_EADDRNOTAVAIL, ...). */
int sw_listener_claim(struct sw_address *address, int *fd) SW_MUST_CHECK;

/* `on_accept` takes the non-blocking descriptor. `user_timeout_ms`: TCP_USER_TIMEOUT, 0 for the
 * system's. Returns 0 or a negative errno. */
int sw_listener_open(struct sw_listener **listener, struct sw_loop *loop,
                     const struct sw_address *address, unsigned user_timeout_ms,
                     void (*on_accept)(void *owner, int fd, const struct sw_address *peer),
                     void *owner) SW_MUST_CHECK;
/* No new connection begins from now on; those under way are accepted as before. A peer that knocks
 * hears nothing and asks again, and is refused once the listener is closed: so a storm of them
 * leaves nobody between the last accept and the close. Closed a round trip later nobody is reset.
 */
void sw_listener_stop(struct sw_listener *listener);
/* Accepts what already waits (closing one of several SO_REUSEPORT sockets resets its backlog),
 * then closes. NULLs *listener, which may be NULL. */
void sw_listener_close(struct sw_listener **listener);

#endif
