// SPDX-License-Identifier: Apache-2.0
/* A token (JWT, RFC 7519 in RFC 7515's compact form) becomes an identity: who its bearer is, until
 * when, and what it may. Any thread: verification is pure and may run aside. */
#ifndef SW_AUTH_TOKEN_H
#define SW_AUTH_TOKEN_H

#include "auth/grant.h"
#include "auth/keys.h"

/* A longer token is refused unread. */
#define SW_TOKEN_BYTES 8192

enum sw_token_verdict {
    SW_TOKEN_GOOD,
    SW_TOKEN_TOO_LARGE,
    SW_TOKEN_MALFORMED, /* no three parts of base64url, no JSON, `crit`, a claim of a wrong type, no
                           `exp` */
    SW_TOKEN_NO_KEY,    /* no key of this kid and algorithm; "none" never has one */
    SW_TOKEN_BAD_SIGNATURE,
    SW_TOKEN_EXPIRED,
    SW_TOKEN_NOT_YET, /* nbf or iat lies in the future */
    SW_TOKEN_WRONG_ISSUER,
    SW_TOKEN_WRONG_AUDIENCE,
    SW_TOKEN_BAD_GRANT, /* a topic that is none, or a placeholder whose claim is no single token */
};

/* Words for a close frame, an error or a log line: never anything of the token itself. */
const char *sw_token_verdict_text(enum sw_token_verdict verdict);

/* One allocation. */
struct sw_identity {
    uint64_t expires_ms; /* since 1970, without leeway */
    struct sw_grant grant;
    uint16_t user_size;
    char user[]; /* the claim `sub`, valid UTF-8 without controls; empty: none. The grant's names
                    follow */
};

/* `now_ms` since 1970. SW_TOKEN_GOOD: *identity is the caller's (sw_identity_destroy); else NULL.
 */
enum sw_token_verdict sw_token_verify(const struct sw_keyring *keyring, struct sw_slice token,
                                      uint64_t now_ms, struct sw_identity **identity) SW_MUST_CHECK;
/* About how long sw_token_verify will take, in nanoseconds: what its key took when it was loaded. 0
 * for a token that names no key of ours. */
uint64_t sw_token_cost_ns(const struct sw_keyring *keyring, struct sw_slice token);

static inline struct sw_slice sw_identity_user(const struct sw_identity *identity)
{
    return sw_slice(identity->user, identity->user_size);
}
/* NULLs *identity, which may be NULL. */
void sw_identity_destroy(struct sw_identity **identity);

#endif
