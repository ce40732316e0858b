// SPDX-License-Identifier: Apache-2.0
/* Server-Sent Events as bytes (WHATWG HTML, section 9.2). A frame is one `data:` line and an empty
 * one: no text of ours holds a CR or LF. No `event:` lines, so that `onmessage` sees all. Pure
 * functions. */
#ifndef SW_TRANSPORT_SSE_CODEC_H
#define SW_TRANSPORT_SSE_CODEC_H

#include "core/encoding.h"

/* A comment: keeps proxies and the kernel from thinking that nobody is there. */
#define SW_SSE_COMMENT ":\n\n"

/* For tapes. */
extern const struct sw_framing sw_sse_framing;

/* Appends a whole frame. */
void sw_sse_append(struct sw_buf *out, struct sw_slice text);
/* What the client brings as Last-Event-ID when it comes back; an event that says no more. */
void sw_sse_append_cursor(struct sw_buf *out, struct sw_slice cursor);
/* How long the client waits before it comes back; no event. */
void sw_sse_append_retry(struct sw_buf *out, uint32_t ms);

#endif
