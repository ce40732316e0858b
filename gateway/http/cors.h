// SPDX-License-Identifier: Apache-2.0
/* What lets pages of other origins read an answer (the Fetch standard). Private to http/. */
#ifndef SW_HTTP_CORS_H
#define SW_HTTP_CORS_H

#include "common/buf.h"
#include "http/request.h"

#define SW_METHODS_TEXT 40

/* Appends the header for a page of this origin (data == NULL: no page). `origins`: a
 * NULL-terminated allow-list; empty or NULL: all may. With a list the answer is one thing for one
 * origin and another for the next, which caches must know. */
void sw_cors_append(struct sw_buf *out, char *const *origins, struct sw_slice origin);
/* Appends the headers that answer a preflight for these methods (enum sw_method, or'ed). */
void sw_cors_append_preflight(struct sw_buf *out, unsigned methods);
/* "GET, HEAD". Returns `out`. */
const char *sw_methods_text(unsigned methods, char out[SW_METHODS_TEXT]);

#endif
