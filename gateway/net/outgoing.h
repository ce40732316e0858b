// SPDX-License-Identifier: Apache-2.0
/* A connection that this node opens: name resolution, connect with a deadline, and reading when
 * its owner says so. The socket's readiness only wakes the loop: libuv promises no order within
 * one poll, and the bus wants its bytes first, so it pumps at the turn's end. Writing is
 * buffered without bound here; the owner bounds what it queues (sw_outgoing_unwritten).
 *
 * Life: open -> on_up | on_down; after on_up: pump, write; on_down(status) once, when it broke.
 * Opening again after on_down or close is fine. */
#ifndef SW_NET_OUTGOING_H
#define SW_NET_OUTGOING_H

#include "common/buf.h"
#include "net/address.h"
#include "net/loop.h"

struct sw_outgoing;

struct sw_outgoing_events {
    void (*on_up)(void *owner);
    /* `status`: a negative errno in libuv's numbers (UV_EOF, UV_ECONNREFUSED, UV_ETIMEDOUT,
     * UV_EAI_*, ...). The connection is closed already. */
    void (*on_down)(void *owner, int status);
};

struct sw_outgoing *sw_outgoing_create(struct sw_loop *loop,
                                       const struct sw_outgoing_events *events, void *owner);
/* Closes and frees it, now or when libuv has let go; no event comes any more. NULLs *outgoing. */
void sw_outgoing_destroy(struct sw_outgoing **outgoing);
/* Resolves `host` (a name or a number) without blocking and connects within `timeout_ms` in all.
 * Must not be open. No event comes before it returns. */
void sw_outgoing_open(struct sw_outgoing *outgoing, const char *host, uint16_t port,
                      unsigned timeout_ms);
/* No on_down follows. Harmless where it is not open. */
void sw_outgoing_close(struct sw_outgoing *outgoing);
bool sw_outgoing_is_up(const struct sw_outgoing *outgoing);
/* Reads up to `max_bytes` in slices of `slice_bytes` (<= 64 KB) and hands each to `on_bytes`,
 * which answers whether to go on. Calls on_down at the end of the stream or on an error. True:
 * more may be waiting. */
bool sw_outgoing_pump(struct sw_outgoing *outgoing, size_t max_bytes, size_t slice_bytes,
                      bool (*on_bytes)(void *owner, const char *data, size_t size));
/* Queues and sends what the socket takes. Must be up. */
void sw_outgoing_write(struct sw_outgoing *outgoing, const void *data, size_t size);
size_t sw_outgoing_unwritten(const struct sw_outgoing *outgoing);

#endif
