// SPDX-License-Identifier: Apache-2.0
/* What a TLS listener shows and allows: a certificate with its chain, the key, versions and
 * ciphers. Immutable, and shared by reference between threads; a renewed certificate makes another
 * one, and connections keep the one that they began with. Nothing is remembered of a connection
 * here: who comes back brings a ticket.
 *
 * TLS 1.2 with ECDHE and an AEAD, or 1.3; no renegotiation, no compression, no early data. */
#ifndef SW_NET_TLS_CONTEXT_H
#define SW_NET_TLS_CONTEXT_H

#include "common/assert.h"
#include "common/buf.h"

struct sw_tls_context;

/* Reads the two PEM files. NULL: `why` says in a line which one cannot be used, why, and what to
 * do. */
struct sw_tls_context *sw_tls_context_create(const char *cert_file, const char *key_file,
                                             struct sw_buf *why) SW_MUST_CHECK;
/* One more owner. Any thread, as sw_tls_context_unref. Returns `context`. */
struct sw_tls_context *sw_tls_context_ref(struct sw_tls_context *context);
/* NULLs *context, which may be NULL. */
void sw_tls_context_unref(struct sw_tls_context **context);
/* When its certificate ends, in seconds since 1970. */
int64_t sw_tls_context_ends(const struct sw_tls_context *context);
/* Appends a line where clients will not accept the certificate today: it has expired, or is not
 * valid yet. */
void sw_tls_context_warn(const struct sw_tls_context *context, struct sw_buf *out);

#endif
