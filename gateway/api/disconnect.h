// SPDX-License-Identifier: Apache-2.0
/* Who shall go: POST /v1/disconnect (PROTOCOL.md, section 1), on this node and on all others.
 *
 *   here:   main orders its workers, and says it to all nodes ($nodes); the bus answers how many
 *           heard it; each of them answers with how many it ended; the sum is the reply, after
 *           2 s at the latest
 *   there:  main orders its workers, and answers to the mailbox of who asked
 *
 * Without a bus, or where it does not let the node hear others, it is done here alone, and the
 * reply says so. Belongs to main's loop. */
#ifndef SW_API_DISCONNECT_H
#define SW_API_DISCONNECT_H

#include "api/ask.h"
#include "bus/notice.h"

/* All requests that are under way. */
struct sw_disconnects {
    const struct sw_roles *roles;
    struct sw_counters *counters; /* main's */
    struct sw_list list;          /* those that are not answered */
    uint32_t count;               /* with those whose reports are not back */
    bool ended;
};

/* Borrows both. */
void sw_disconnects_init(struct sw_disconnects *all, const struct sw_roles *roles,
                         struct sw_counters *counters);
/* An operator's request. */
void sw_api_disconnect(struct sw_disconnects *all, struct sw_http *http,
                       const struct sw_request *request);
/* Takes what another node said. */
void sw_disconnects_hear(struct sw_disconnects *all, struct sw_notice *notice);
/* The node ends: who waits is answered with what is known, and nothing new begins. */
void sw_disconnects_end(struct sw_disconnects *all);

#endif
