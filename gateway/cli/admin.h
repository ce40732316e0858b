// SPDX-License-Identifier: Apache-2.0
/* What the subcommands share that ask a node's admin listener: their key, a request's head, and a
 * refusal in words. */
#ifndef SW_CLI_ADMIN_H
#define SW_CLI_ADMIN_H

#include "api/guard.h"
#include "cli/client.h"

#define SW_CLI_ADMIN_URL "http://127.0.0.1:9000"
/* Nesting of an answer that is still read. */
#define SW_CLI_ANSWER_DEPTH 16
#define SW_CLI_KEY_HINT     " (--key KEY, or " SW_API_KEY_VARIABLE ")"

/* For --help. */
#define SW_CLI_ADMIN_URL_HELP "default: where SPILLWAY_ADMIN_LISTEN says, else " SW_CLI_ADMIN_URL

/* The admin listener of a node that runs in this environment, as in a container: that of
 * SPILLWAY_ADMIN_LISTEN, on loopback where it names all addresses, else the default one. The text
 * is in `room`. */
const char *sw_cli_admin_url(struct sw_buf *room);
/* The key of --key, else the first in the file of --key-file, else the first in SPILLWAY_API_KEY or
 * in the file of SPILLWAY_API_KEY_FILE, appended to `out`; nothing where there is none. `key` and
 * `file` may be NULL. False: `error` has one line. */
bool sw_cli_key(const char *key, const char *file, struct sw_buf *out, struct sw_buf *error);
/* Appends a POST's head up to the number of its Content-Length. `path` stands behind the URL's own,
 * since a proxy may have the API below one; `key` may be empty. */
void sw_cli_append_head(struct sw_buf *out, const struct sw_client_url *url, const char *path,
                        struct sw_slice key);
/* Appends the node's own words for what it refused, out of its answer; behind a 401 the `hint`,
 * where it is not NULL. */
void sw_cli_append_refusal(struct sw_buf *out, unsigned status, struct sw_slice text,
                           const char *hint);

#endif
