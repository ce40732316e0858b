// SPDX-License-Identifier: Apache-2.0
/* What a payload claims (RFC 7519, section 4.1), read and judged once its signature is good.
 * Borrows the payload. */
#ifndef SW_AUTH_CLAIMS_H
#define SW_AUTH_CLAIMS_H

#include "auth/keyring.h"
#include "auth/token.h"
#include "common/json.h"

struct sw_claims {
    struct sw_slice object; /* all of them */
    uint64_t expires_ms;
    uint64_t not_before_ms; /* 0: not said, like the next */
    uint64_t issued_ms;
    struct sw_json_value issuer;   /* a string; raw.data NULL: none, like the next ones */
    struct sw_json_value audience; /* a string or an array of strings */
    struct sw_json_value user;     /* a string */
    struct sw_json_value grant;    /* of any type */
};

/* False: no JSON object, a claim stands twice or has a wrong type, or there is no expiry. */
bool sw_claims_read(struct sw_claims *claims, struct sw_slice payload) SW_MUST_CHECK;
/* Do they hold at `now_ms`, for this keyring's issuer and audience? */
enum sw_token_verdict sw_claims_judge(const struct sw_claims *claims,
                                      const struct sw_keyring *keyring,
                                      uint64_t now_ms) SW_MUST_CHECK;

#endif
