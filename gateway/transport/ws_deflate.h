// SPDX-License-Identifier: Apache-2.0
/* Payloads of permessage-deflate (RFC 7692): bytes in, bytes out. The only place that knows zlib.
 *
 * No message knows of the one before it ("no context takeover", both ways), so one stream each way
 * serves all connections of a loop, a compressed message is the same for everybody, and a
 * connection owns nothing here. A stream is made when it is first needed (270 KB out, 40 KB in). */
#ifndef SW_TRANSPORT_WS_DEFLATE_H
#define SW_TRANSPORT_WS_DEFLATE_H

#include "common/assert.h"
#include "common/buf.h"

struct sw_ws_deflate;

struct sw_ws_deflate *sw_ws_deflate_create(void);
void sw_ws_deflate_destroy(struct sw_ws_deflate **streams);

/* Bytes before a head that stands in a payload as it is. */
#define SW_WS_STORED_BYTES 5
/* The longest such head. */
#define SW_WS_STORED_MAX 65535

/* How far back a payload may refer. */
enum sw_ws_window {
    SW_WS_DEFLATE_WIDE,   /* 32 KB, as every client that asked for nothing else */
    SW_WS_DEFLATE_NARROW, /* not at all: for any server_max_window_bits */
};

/* Compresses `text`. The answer is valid until the next call. */
struct sw_slice sw_ws_deflate(struct sw_ws_deflate *streams, struct sw_slice text,
                              enum sw_ws_window window);
/* Appends a head of 1 to SW_WS_STORED_MAX bytes as it is, behind SW_WS_STORED_BYTES: the beginning
 * of a payload that an answer of sw_ws_deflate completes. */
void sw_ws_deflate_store(struct sw_buf *out, struct sw_slice head);
/* The head of such a payload, which has one. */
struct sw_slice sw_ws_deflate_head(struct sw_slice payload);

enum sw_ws_inflated {
    SW_WS_INFLATED,
    SW_WS_INFLATE_TOO_BIG, /* more than max_bytes; no more than these were made */
    SW_WS_INFLATE_BAD,     /* no deflate data, or cut off */
};

/* Decompresses a whole message into *text, which is valid until the next call. */
enum sw_ws_inflated sw_ws_inflate(struct sw_ws_deflate *streams, struct sw_slice payload,
                                  size_t max_bytes, struct sw_slice *text) SW_MUST_CHECK;

#endif
