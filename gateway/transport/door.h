// SPDX-License-Identifier: Apache-2.0
/* Who may come in, and who may publish: what the headers of a request say of whoever sent it. */
#ifndef SW_TRANSPORT_DOOR_H
#define SW_TRANSPORT_DOOR_H

#include "http/request.h"
#include "net/conn.h"

/* Borrowed. */
struct sw_door {
    char *const *origins; /* NULL-terminated allow-list; empty or NULL: any */
    bool publish_set;     /* `publish` is the operator's word, else loopback decides */
    bool publish;
};

/* Is there no allow-list, no Origin (so no browser), or is it on the list? */
bool sw_door_origin_allowed(const struct sw_door *door, const struct sw_request *request);
/* Does the request carry a token (PROTOCOL.md, section 6): a Bearer, a subprotocol bearer.<token>,
 * a ticket? What a proxy in front authorized by another scheme is none. */
bool sw_door_shows_token(const struct sw_request *request);
/* May whoever sends this request publish? */
bool sw_door_may_publish(const struct sw_door *door, struct sw_conn *conn,
                         const struct sw_request *request);

#endif
