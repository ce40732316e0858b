// SPDX-License-Identifier: Apache-2.0
/* Who sends a request that proxies may have sent on: X-Forwarded-For, to which each proxy appends
 * whom it heard. Only what a trusted proxy appended is believed, so the list is walked from its
 * end, whoever began it. Forwarded (RFC 7239), X-Real-IP and Via are not read for names; that
 * they are there says that the request was sent on. Pure functions, any thread. */
#ifndef SW_HTTP_FORWARDED_H
#define SW_HTTP_FORWARDED_H

#include "http/request.h"
#include "net/network.h"

struct sw_http_client {
    struct sw_peer peer;
    bool known; /* false: `peer` only sent it on, for somebody whom nobody names that is trusted */
    bool local; /* it is on this machine, and so is all that sent it on */
};

/* `from`: who holds the other end of the connection, as the socket or a PROXY header says.
 * *ignored: there is an X-Forwarded-For that was not read, since `from` is no trusted proxy. */
struct sw_http_client sw_forwarded_client(const struct sw_request *request,
                                          const struct sw_http_client *from,
                                          const struct sw_networks *trusted, bool *ignored);

#endif
