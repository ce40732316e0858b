// SPDX-License-Identifier: Apache-2.0
/* A request for a stream. An EventSource never comes back after an error status, and always after
 * the end of a stream: so what is wrong for good is answered by an error, and what is wrong for now
 * by a stream that ends at once. */
#ifndef SW_TRANSPORT_SSE_REQUEST_H
#define SW_TRANSPORT_SSE_REQUEST_H

#include "auth/token.h"
#include "http/server.h"
#include "session/session.h"

/* The path that streams are served at. */
#define SW_SSE_PATH "/v1/sse"

/* Answers the request with an open session, or an error. Its token has been verified where tokens
 * are asked for, and its identity is kept (sw_http_keep). The connection is that of a session in
 * HANDSHAKE. */
void sw_sse_request(struct sw_http *http, const struct sw_request *request, bool may_publish);
/* Answers it with a stream that ends at once: to be tried again in retry_ms. */
void sw_sse_put_off(struct sw_http *http, uint32_t retry_ms);
/* Appends that answer's body. */
void sw_sse_append_put_off(struct sw_buf *out, uint32_t retry_ms);

#endif
