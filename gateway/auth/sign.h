// SPDX-License-Identifier: Apache-2.0
/* The other side of token.h: tokens that are signed here, for `spillway token`. A node signs
 * nothing. */
#ifndef SW_AUTH_SIGN_H
#define SW_AUTH_SIGN_H

#include "common/assert.h"
#include "common/buf.h"

struct sw_signer;

/* A secret, or a private key in PEM. `algorithm` NULL: the usual one of that key. NULL: `error` has
 * a line for a person. */
struct sw_signer *sw_signer_load_secret(const char *path, const char *algorithm,
                                        struct sw_buf *error) SW_MUST_CHECK;
struct sw_signer *sw_signer_load_key(const char *path, const char *algorithm,
                                     struct sw_buf *error) SW_MUST_CHECK;
/* Appends a token with these claims, a JSON object. `kid` may be NULL. False: OpenSSL could not. */
bool sw_signer_sign(const struct sw_signer *signer, const char *kid, struct sw_slice claims,
                    struct sw_buf *token) SW_MUST_CHECK;
/* NULLs *signer, which may be NULL. */
void sw_signer_destroy(struct sw_signer **signer);

#endif
