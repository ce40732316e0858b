// SPDX-License-Identifier: Apache-2.0
/* The keys that tokens are verified with, and what every token must say: read from files, immutable
 * from then on, shared by reference between roles. A reload makes another keyring; who holds the
 * old one goes on with it until it lets go. Any thread. */
#ifndef SW_AUTH_KEYS_H
#define SW_AUTH_KEYS_H

#include "common/assert.h"
#include "common/buf.h"

struct sw_keyring;

struct sw_keyring_config {
    const char *secret_file; /* "" or NULL: none */
    char *const *key_files;  /* NULL-terminated; PEM, the kid is the name without ".pem" */
    const char *issuer;      /* "" or NULL: any */
    const char *audience;    /* "" or NULL: any */
    uint64_t leeway_ms;
    char separator; /* of topics: placeholders must be one token */
};

/* NULL: `error` holds a line that names the file, what is wrong with it, and what to do. */
struct sw_keyring *sw_keyring_load(const struct sw_keyring_config *config, struct sw_buf *error);
/* One more owner; returns `keyring`. */
struct sw_keyring *sw_keyring_ref(struct sw_keyring *keyring);
/* NULLs *keyring, which may be NULL. The last owner frees it. */
void sw_keyring_unref(struct sw_keyring **keyring);

#endif
