// SPDX-License-Identifier: Apache-2.0
/* A token's compact form (RFC 7515): three parts in base64url with a dot between them, taken apart.
 * Nothing of it is believed yet. */
#ifndef SW_AUTH_JWS_H
#define SW_AUTH_JWS_H

#include "auth/algorithm.h"
#include "auth/token.h"

struct sw_jws {
    struct sw_slice text;        /* what is signed, borrowed from the token */
    enum sw_algorithm algorithm; /* that its header names; SW_ALGORITHM_COUNT: none of ours */
    struct sw_slice kid;         /* data NULL: none */
    struct sw_slice payload;     /* decoded, like the signature */
    struct sw_slice signature;
    struct sw_buf bytes; /* in which the three above lie */
};

/* GOOD, TOO_LARGE or MALFORMED. Ended by sw_jws_deinit whatever came of it. */
enum sw_token_verdict sw_jws_read(struct sw_jws *jws, struct sw_slice token) SW_MUST_CHECK;
void sw_jws_deinit(struct sw_jws *jws);

#endif
