// SPDX-License-Identifier: Apache-2.0
/* Who may come in, and who may publish: what the headers of a request say of whoever sent it. */
#ifndef SW_TRANSPORT_DOOR_H
#define SW_TRANSPORT_DOOR_H

#include "http/server.h"

/* How a subprotocol begins that is a token. */
#define SW_DOOR_BEARER "bearer."

/* Borrowed. */
struct sw_door {
    char *const *origins; /* NULL-terminated allow-list; empty or NULL: any */
    bool publish_set;     /* `publish` is the operator's word, else this machine's own may */
    bool publish;
    bool tokens; /* are asked for: what a client may is in its grant, wherever it comes from */
};

/* Is there no allow-list, no Origin (so no browser), or is it on the list? */
bool sw_door_origin_allowed(const struct sw_door *door, const struct sw_request *request);
/* The token that the request carries (PROTOCOL.md, section 6): a Bearer, or else a subprotocol
 * bearer.<token>; data == NULL: none. What a proxy in front authorized by another scheme is none.
 */
struct sw_slice sw_door_token(const struct sw_request *request);
/* Replies and returns false where the request carries what this node cannot look at: a ticket, or a
 * token where none is asked for. It is never ignored. */
bool sw_door_takes_token(const struct sw_door *door, struct sw_http *http,
                         const struct sw_request *request);
/* May whoever sends this request publish? Where tokens are asked for: as far as it is granted. */
bool sw_door_may_publish(const struct sw_door *door, struct sw_conn *conn,
                         const struct sw_request *request);

#endif
