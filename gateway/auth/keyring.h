// SPDX-License-Identifier: Apache-2.0
/* What a keyring is inside, for the files of auth/ alone. */
#ifndef SW_AUTH_KEYRING_H
#define SW_AUTH_KEYRING_H

#include "auth/key.h"
#include "auth/keys.h"
#include "core/limits.h"

#include <stdatomic.h>

struct sw_keyring {
    _Atomic uint32_t owners;
    char *issuer;   /* "": any */
    char *audience; /* "": any */
    uint64_t leeway_ms;
    char separator;
    uint32_t count;
    struct sw_key keys[]; /* the secret first, if there is one */
};

/* The keys that a token with this header is verified by, in order; returns how many. With a kid:
 * that key, or the secret where no key has that name. Without (kid.data NULL): each that knows the
 * algorithm, up to SW_KEY_TRIES. */
size_t sw_keyring_choose(const struct sw_keyring *keyring, struct sw_slice kid,
                         enum sw_algorithm algorithm, const struct sw_key *keys[SW_KEY_TRIES]);

#endif
