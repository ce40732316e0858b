// SPDX-License-Identifier: Apache-2.0
/* Who may use the admin listener. With keys: whoever shows one. Without, on loopback only: whoever
 * is no web page: a foreign Origin (CSRF) and a Host that is no loopback name (DNS rebinding) are
 * refused. Probes and scrapers need nothing: /live, /ready and /metrics are open. */
#ifndef SW_API_GUARD_H
#define SW_API_GUARD_H

#include "http/server.h"

struct sw_guard {
    char **keys; /* NULL-terminated; NULL: none */
    bool loopback;
};

/* Reads the keys, one a line; empty lines and those that begin with '#' are skipped. `path` may be
 * empty: no keys. False: `error` says what is wrong, in words. */
bool sw_guard_init(struct sw_guard *guard, const char *path, bool loopback, struct sw_buf *error);
void sw_guard_deinit(struct sw_guard *guard);
/* Replies and returns false where the request is refused. */
bool sw_guard_check(const struct sw_guard *guard, struct sw_http *http,
                    const struct sw_request *request);

#endif
