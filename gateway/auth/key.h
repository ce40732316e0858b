// SPDX-License-Identifier: Apache-2.0
/* One key: a secret, or half of a pair. The other half signs (sign.h), and only `spillway token`
 * has it. Immutable once loaded; verifying with it may go on in many threads at once. */
#ifndef SW_AUTH_KEY_H
#define SW_AUTH_KEY_H

#include "auth/algorithm.h"
#include "common/assert.h"
#include "common/buf.h"

struct evp_pkey_st;

struct sw_key {
    sw_algorithms algorithms; /* that it may be used with; never empty */
    struct evp_pkey_st *pair; /* of a secret NULL */
    struct sw_buf secret;     /* else empty */
    char *kid;                /* of a secret NULL */
    uint64_t cost_ns;         /* of verifying one signature */
};

/* Each reads one file into *key. False: `error` has a line that names the file, what is wrong with
 * it, and what to do; *key is empty. */
bool sw_key_load_secret(struct sw_key *key, const char *path, struct sw_buf *error) SW_MUST_CHECK;
/* PEM: a public key or a certificate, of which only the key counts, neither dates nor issuer; the
 * kid is the file's name. Measures cost_ns, as for a secret. */
bool sw_key_load_public(struct sw_key *key, const char *path, struct sw_buf *error) SW_MUST_CHECK;
/* PEM, not encrypted. */
bool sw_key_load_private(struct sw_key *key, const char *path, struct sw_buf *error) SW_MUST_CHECK;
/* Wipes and frees what it holds; {0} again. */
void sw_key_deinit(struct sw_key *key);

#endif
