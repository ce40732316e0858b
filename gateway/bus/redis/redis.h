// SPDX-License-Identifier: Apache-2.0
/* The Redis backend, standalone: two links (RESP2 allows only subscription commands beside
 * messages), the subscriber's and the commands'. It never gives up: full-jitter back-off, base 100
 * ms, cap 1 s. */
#ifndef SW_BUS_REDIS_REDIS_H
#define SW_BUS_REDIS_REDIS_H

#include "bus/backend.h"

/* redis://[user:pass@]host[:port][/db], percent-encoded where needed. */
struct sw_redis_url {
    char *host;
    char *user;     /* NULL: none */
    char *password; /* NULL: none */
    uint16_t port;
    uint32_t database;
};

/* False: *why (may be NULL) says what is wrong. On true the caller frees it with
 * sw_redis_url_deinit. */
bool sw_redis_url_parse(const char *text, struct sw_redis_url *url, const char **why);
void sw_redis_url_deinit(struct sw_redis_url *url);

/* `url` must parse. */
struct sw_backend *sw_redis_create(struct sw_exchange *exchange, const char *url);

#endif
