// SPDX-License-Identifier: Apache-2.0
/* A parsed HTTP/1.1 request (RFC 9112). Slices are borrowed from the connection's buffer and valid
 * until the handler has replied. */
#ifndef SW_HTTP_REQUEST_H
#define SW_HTTP_REQUEST_H

#include "common/buf.h"
#include "core/limits.h"

enum sw_method {
    SW_GET = 1,
    SW_HEAD = 2,
    SW_POST = 4,
    SW_OPTIONS = 8,
    SW_METHOD_OTHER = 16,
};

struct sw_header {
    struct sw_slice name;
    struct sw_slice value; /* without white space around it */
};

struct sw_request {
    enum sw_method method;
    struct sw_slice path;  /* before '?', still percent-encoded */
    struct sw_slice query; /* behind '?', empty where there is none */
    struct sw_header headers[SW_HTTP_HEADERS];
    size_t header_count;
    struct sw_slice body;
    bool upgrade; /* Connection: upgrade with an Upgrade header, HTTP/1.1 */
    bool keep_alive;
};

/* The value of the first header of that name (any case), data == NULL where there is none. */
struct sw_slice sw_request_header(const struct sw_request *request, const char *name);
/* How many headers of that name came. */
size_t sw_request_header_count(const struct sw_request *request, const char *name);
/* Is `token` in the comma-separated list of all headers of that name? Any case. */
bool sw_request_header_has(const struct sw_request *request, const char *name, const char *token);

/* Walks a query's pairs: `*rest` starts as the query. Name and value are still encoded. */
bool sw_query_next(struct sw_slice *rest, struct sw_slice *name, struct sw_slice *value);
/* Appends the text with %XX decoded, and '+' as a space where `plus` says so. False: a bad escape,
 * or a NUL. */
bool sw_percent_decode(struct sw_buf *out, struct sw_slice text, bool plus);

#endif
