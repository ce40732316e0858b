// SPDX-License-Identifier: Apache-2.0
/* What the URL of an upgrade may ask for: subscriptions, so that a page needs no code beyond
 * `onmessage` (PROTOCOL.md, section 2). Pure functions. */
#ifndef SW_TRANSPORT_WS_QUERY_H
#define SW_TRANSPORT_WS_QUERY_H

#include "http/request.h"

/* How many parameters of that name there are. */
unsigned sw_ws_query_count(struct sw_slice query, struct sw_slice wanted);
/* Appends the subscribe that the URL stands for; nothing where it names no topic. NULL, or, with
 * nothing appended, what is wrong with a position that it names. */
const char *sw_ws_query_subscribe(struct sw_slice query, struct sw_buf *text);

#endif
