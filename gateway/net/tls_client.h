// SPDX-License-Identifier: Apache-2.0
/* TLS on a descriptor that blocks, from the side that connects: for the small commands. The server
 * must show a certificate for the host that was asked for, by somebody who is trusted. */
#ifndef SW_NET_TLS_CLIENT_H
#define SW_NET_TLS_CLIENT_H

#include "common/assert.h"
#include "common/buf.h"

#include <sys/types.h>

struct sw_tls_client;

/* Shakes hands over `fd`, which stays the caller's; its timeouts hold. `host`: a name or an
 * address. `ca_file`: whom to trust, in PEM; NULL: whom the system trusts. NULL: `why` says it in
 * words. */
struct sw_tls_client *sw_tls_client_open(int fd, const char *host, const char *ca_file,
                                         struct sw_buf *why) SW_MUST_CHECK;
/* As recv. -1 with EINTR also where what came held nothing for the caller: wait again. */
ssize_t sw_tls_client_read(struct sw_tls_client *client, void *out, size_t size);
/* As send. */
ssize_t sw_tls_client_write(struct sw_tls_client *client, const void *data, size_t size);
/* Says goodbye, if it can at once. NULLs *client, which may be NULL. */
void sw_tls_client_close(struct sw_tls_client **client);

#endif
