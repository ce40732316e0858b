// SPDX-License-Identifier: Apache-2.0
/* What the URL of a stream asks for, and the cursor that it goes on from (PROTOCOL.md, section 9).
 * Pure functions. */
#ifndef SW_TRANSPORT_SSE_QUERY_H
#define SW_TRANSPORT_SSE_QUERY_H

#include "core/reasons.h"
#include "http/request.h"
#include "transport/sse_cursor.h"

/* Appends the subscribe that the URL stands for. A browser's `last_event_id` (data == NULL or
 * empty: none) wins over the URL's `from`; one that does not fit is no error, since the page may
 * have changed and can do nothing about it: each topic then hears that it is not resumed. Anything
 * but SW_ERROR_NONE: *why says what is wrong, and nothing is appended. */
enum sw_error sw_sse_query_subscribe(struct sw_slice query, struct sw_slice last_event_id,
                                     struct sw_buf *text, struct sw_sse_cursor *cursor,
                                     const char **why);

#endif
