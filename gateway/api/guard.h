// SPDX-License-Identifier: Apache-2.0
/* Who may use the admin listener. With keys: whoever shows one. Without, on loopback only: whoever
 * is no web page: a foreign Origin (CSRF) and a Host that is no loopback name (DNS rebinding) are
 * refused. Probes and scrapers need nothing: /live, /ready and /metrics are open. */
#ifndef SW_API_GUARD_H
#define SW_API_GUARD_H

#include "http/server.h"

struct sw_guard {
    char **keys; /* NULL: none */
    size_t count;
    size_t weak; /* of the file's: shorter than SW_API_KEY_BYTES */
    bool loopback;
    const char *path; /* borrowed, as the variable */
    const char *variable;
};

/* The variable of the environment that holds keys, for servers and for clients. */
#define SW_API_KEY_VARIABLE "SPILLWAY_API_KEY"

/* Takes the keys of a file, one a line (empty lines and those that begin with '#' are skipped), and
 * those of the variable, at commas, which are refused where they are short. Both may be empty or
 * NULL: no keys. False: `error` says what is wrong, in words. */
bool sw_guard_init(struct sw_guard *guard, const char *path, const char *variable, bool loopback,
                   struct sw_buf *error);
void sw_guard_deinit(struct sw_guard *guard);
/* Takes the keys as they stand in the file now. False: it keeps those that it has, and `error` says
 * why. `guard`: struct sw_guard. */
bool sw_guard_read_again(void *guard, struct sw_buf *error);
/* Replies and returns false where the request is refused. */
bool sw_guard_check(const struct sw_guard *guard, struct sw_http *http,
                    const struct sw_request *request);

#endif
