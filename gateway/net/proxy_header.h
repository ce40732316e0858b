// SPDX-License-Identifier: Apache-2.0
/* The PROXY protocol, versions 1 and 2 (HAProxy's public specification): what a balancer that only
 * passes bytes on says in front of them, so that the other side knows the client. Bytes in, an
 * address out; no socket (net/greeting.c has that). Pure, any thread. */
#ifndef SW_NET_PROXY_HEADER_H
#define SW_NET_PROXY_HEADER_H

#include "core/limits.h"
#include "net/address.h"

enum sw_proxy_step {
    SW_PROXY_MORE, /* wants bytes */
    SW_PROXY_DONE, /* whole; what comes next is the client's */
    SW_PROXY_BAD,  /* refused, for `why` */
};

/* {0} before the first byte. */
struct sw_proxy_header {
    unsigned char bytes[SW_PROXY_LINE_BYTES]; /* the first of those that came: all that is looked at
                                               */
    uint32_t size;                            /* how many came */
    /* DONE: whom it names. False: nobody, since the balancer speaks for itself (LOCAL), does not
     * know (UNKNOWN), or the client has no such address (a Unix socket). */
    bool named;
    struct sw_peer client;
    const char *why;
};

/* Takes what belongs to the header, *taken bytes, and none behind it. The outcome is the same
 * however the bytes are cut. Not to be called after DONE or BAD. */
enum sw_proxy_step sw_proxy_header_take(struct sw_proxy_header *header, struct sw_slice bytes,
                                        size_t *taken);

#endif
