// SPDX-License-Identifier: Apache-2.0
/* What the URL of an upgrade may ask for: subscriptions, so that a page needs no code beyond
 * `onmessage` (PROTOCOL.md, section 2). Pure functions. */
#ifndef SW_TRANSPORT_WS_QUERY_H
#define SW_TRANSPORT_WS_QUERY_H

#include "core/position.h"
#include "http/request.h"

/* How many parameters of that name there are. */
unsigned sw_ws_query_count(struct sw_slice query, struct sw_slice wanted);
/* The first of them, still encoded. False: there is none. */
bool sw_ws_query_find(struct sw_slice query, struct sw_slice wanted, struct sw_slice *value);
/* Appends it decoded; nothing of one that cannot be. False: there is none. */
bool sw_ws_query_take(struct sw_slice query, struct sw_slice wanted, struct sw_buf *text);
/* Appends `mode` and `max_hz`, or a parameter that is a number, as members of each entry of a
 * subscribe: what is wrong with them is told in each topic's own. */
void sw_ws_query_wish(struct sw_slice query, struct sw_buf *members);
void sw_ws_query_number(struct sw_slice query, const char *name, struct sw_buf *members);
/* Appends a `topic`, decoded; nothing of one that cannot be. */
void sw_ws_query_topic(struct sw_slice value, struct sw_buf *topic);
/* Appends an entry with these members to the others. `from`: NULL: none. */
void sw_ws_query_entry(struct sw_buf *subs, struct sw_slice topic, const struct sw_buf *members,
                       const struct sw_position *from);
/* Appends the subscribe of these entries. */
void sw_ws_query_close(const struct sw_buf *subs, struct sw_buf *text);
/* Appends the subscribe that the URL stands for; nothing where it names no topic. NULL, or, with
 * nothing appended, what is wrong with a position that it names. */
const char *sw_ws_query_subscribe(struct sw_slice query, struct sw_buf *text);

#endif
