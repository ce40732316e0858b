// SPDX-License-Identifier: Apache-2.0
/* TLS on accepted connections: what a loop shares for it, and a connection's own part, which hangs
 * on its sw_conn and is all that distinguishes it from a plain one. The owner of the connection
 * notices nothing: on_read brings plaintext, sw_conn_write and sw_conn_write_rest take it.
 *
 * One BIO serves all connections of a loop: it reads from what was received last, and writes to the
 * socket of the connection that is being worked on. So between two calls a connection holds what
 * OpenSSL must keep, and at most one thing of ours: the end of a record that the socket did not
 * take. Until that has left, nothing more is sealed; what is to be written stays plaintext, with
 * its owner. (What OpenSSL says by itself, as the answer to a key update, goes behind it; who makes
 * it say too much is not read until it has been taken.)
 *
 * Handshakes cost a thousand times what a message does, so a turn has a budget for them. Whose turn
 * it is not yet waits in order, unread. */
#ifndef SW_NET_TLS_CONN_H
#define SW_NET_TLS_CONN_H

#include "common/budget.h"
#include "core/counters.h"
#include "net/conn_write.h"
#include "net/tls_context.h"

/* The most plaintext in one record. */
#define SW_TLS_RECORD_BYTES 16384

struct sw_tls;

/* What a client hears that is refused before its handshake: the alert internal_error. */
#define SW_TLS_REFUSAL "\x15\x03\x03\x00\x02\x02\x50"

/* ---- what a loop shares ---- */

/* Takes one ownership of `context`; the rest is borrowed. `purse` may be NULL. */
struct sw_tls *sw_tls_create(struct sw_loop *loop, struct sw_tls_context *context,
                             struct sw_counters *counters, struct sw_purse *purse);
/* No connection is left. NULLs *tls, which may be NULL. */
void sw_tls_destroy(struct sw_tls **tls);
/* For who begins a handshake from now on. Takes one ownership. */
void sw_tls_set_context(struct sw_tls *tls, struct sw_tls_context *context);

/* ---- one connection ---- */

/* From here on its bytes are TLS: before anything of it was read. */
void sw_conn_start_tls(struct sw_conn *conn, struct sw_tls *tls);

/* ---- writing without a copy, as fanout/ does: TLS only ---- */

/* Seals the next bytes of the pieces, behind the first `skip` of them, as one record and gives it
 * to the socket. Returns how many bytes, or a negative errno. Nothing sealed may wait already. */
ssize_t sw_conn_seal(struct sw_conn *conn, const struct iovec *pieces, size_t count,
                     size_t skip) SW_MUST_CHECK;
/* Does something sealed wait for the socket? */
bool sw_conn_sealed_waits(const struct sw_conn *conn);
/* As sw_conn_write_rest, for what is sealed already and waits: `done` when it has left. */
void sw_conn_await_sealed(struct sw_conn *conn, const struct sw_rest *rest);

#endif
