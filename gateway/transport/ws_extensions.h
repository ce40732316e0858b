// SPDX-License-Identifier: Apache-2.0
/* What is agreed upon by Sec-WebSocket-Extensions (RFC 6455 section 9.1, RFC 7692 section 7.1). */
#ifndef SW_TRANSPORT_WS_EXTENSIONS_H
#define SW_TRANSPORT_WS_EXTENSIONS_H

#include "common/buf.h"
#include "http/request.h"

struct sw_ws_extensions {
    bool deflate;          /* permessage-deflate, without context takeover both ways */
    uint8_t server_window; /* the offer's server_max_window_bits; 0: it says none */
};

/* The first offer that can be taken. `narrow`: also one for whom this side may not refer back as
 * far as 32 KB. What is malformed, unknown or said twice leaves its offer out, and no more. */
struct sw_ws_extensions sw_ws_extensions_choose(const struct sw_request *request, bool narrow);
/* Is it for such a client? */
bool sw_ws_extensions_narrow(const struct sw_ws_extensions *chosen);
/* Appends the header that says so, or nothing. */
void sw_ws_extensions_append(const struct sw_ws_extensions *chosen, struct sw_buf *out);

#endif
