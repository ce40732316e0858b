// SPDX-License-Identifier: Apache-2.0
/* The first moment of a connection from a balancer: its PROXY header (net/proxy_header.h) is read,
 * and not one byte behind it. So the descriptor is handed on as if it had just been accepted, and
 * whoever is next (TLS, HTTP) need not know. The header is first looked at where the kernel holds
 * it, and then exactly its bytes are taken; what has come of it is taken in any case, so that a
 * header in pieces wakes nobody twice for the same piece.
 *
 * A greeting lasts until SW_HTTP_DEADLINE_MS after its accept. All on one loop. */
#ifndef SW_NET_GREETING_H
#define SW_NET_GREETING_H

#include "common/list.h"
#include "net/loop.h"
#include "net/proxy_header.h"

enum sw_greeting_outcome {
    SW_GREETED,      /* the header is read */
    SW_GREETING_BAD, /* what came is none, for `why` */
    SW_GREETING_LEFT /* nothing came, and nothing will: a health check, or sw_greetings_close */
};

struct sw_greeting_end {
    enum sw_greeting_outcome outcome;
    int fd;              /* its receiver's from now on, whatever the outcome */
    struct sw_peer peer; /* who connected */
    bool named;          /* GREETED: the header names somebody, */
    struct sw_peer client;
    const char *why;
};

struct sw_greetings {
    struct sw_loop *loop;
    struct sw_list list;
    uint32_t count;
    void (*on_end)(void *owner, const struct sw_greeting_end *end);
};

void sw_greetings_init(struct sw_greetings *greetings, struct sw_loop *loop,
                       void (*on_end)(void *owner, const struct sw_greeting_end *end));
/* Takes the non-blocking `fd`, just accepted from `peer`; on_end(owner, ..) comes once, later.
 * Returns 0, or a negative errno: then `fd` is closed and nothing comes. */
int sw_greeting_open(struct sw_greetings *greetings, int fd, const struct sw_peer *peer,
                     void *owner) SW_MUST_CHECK;
/* Ends all that are under way, as LEFT. */
void sw_greetings_close(struct sw_greetings *greetings);

#endif
