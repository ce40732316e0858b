// SPDX-License-Identifier: Apache-2.0
/* A stream's cursor: for each topic of its URL, in their order, the position that its client has
 * reached, or -: Qx7:44,-,Bb2:9 (PROTOCOL.md, section 9). The client brings it, and is told it
 * again as an event's `id:`. */
#ifndef SW_TRANSPORT_SSE_CURSOR_H
#define SW_TRANSPORT_SSE_CURSOR_H

#include "core/limits.h"
#include "core/position.h"

struct sw_rules;
struct sw_session;

struct sw_sse_field {
    bool known;
    struct sw_position position;
};

struct sw_sse_cursor {
    unsigned count; /* topics of the URL */
    struct sw_sse_field fields[SW_STREAM_TOPICS];
};

/* `cursor->count` is set. False: it is no cursor of so many topics. */
bool sw_sse_cursor_parse(struct sw_slice text, struct sw_sse_cursor *cursor);
/* Positions that no stream ever reaches: whoever brings them hears that nothing is resumed. */
void sw_sse_cursor_make_foreign(struct sw_sse_cursor *cursor);

/* What a session keeps of its URL, to write its cursor. */
struct sw_sse_kept;

/* NULL: none of the URL's topics has a history, so there is nothing to write. */
struct sw_sse_kept *sw_sse_kept_create(struct sw_slice query, const struct sw_sse_cursor *cursor,
                                       const struct sw_rules *rules);
/* NULLs *kept, which may be NULL. */
void sw_sse_kept_destroy(struct sw_sse_kept **kept);
/* Appends the cursor. A topic that is not subscribed yet keeps what the client brought. */
void sw_sse_kept_write(struct sw_sse_kept *kept, const struct sw_session *session,
                       struct sw_buf *out);

#endif
