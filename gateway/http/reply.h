// SPDX-License-Identifier: Apache-2.0
/* The bytes of a reply. Private to http/. */
#ifndef SW_HTTP_REPLY_H
#define SW_HTTP_REPLY_H

#include "common/buf.h"
#include "http/server.h"

struct sw_reply {
    unsigned status;
    const char *type; /* NULL: no body */
    struct sw_slice body;
    const char *headers[3]; /* lines ending in CRLF; NULLs are skipped */
    bool close;
    bool keep_alive; /* said to HTTP/1.0 clients, who do not assume it */
    bool bodyless;   /* HEAD: the length without the bytes */
    bool endless;    /* no length: the body ends with the connection */
};

void sw_reply_append(struct sw_buf *out, const struct sw_reply *reply);
/* An error whose status is not its row's (405, 408, 431, ...). */
void sw_http_reply_refusal(struct sw_http *http, unsigned status, enum sw_error error,
                           const char *message, const char *headers);

#endif
