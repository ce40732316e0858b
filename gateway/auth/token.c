// SPDX-License-Identifier: Apache-2.0
#include "auth/token.h"

#include "auth/claims.h"
#include "auth/grant_claim.h"
#include "auth/jws.h"
#include "auth/keyring.h"
#include "auth/signature.h"
#include "common/mem.h"

#include <string.h>

/* As long as a topic, in which it may stand. */
#define USER_BYTES SW_TOPIC_BYTES

const char *sw_token_verdict_text(enum sw_token_verdict verdict)
{
    switch (verdict) {
    case SW_TOKEN_GOOD:
        return "good";
    case SW_TOKEN_TOO_LARGE:
        return "the token is larger than 8192 bytes";
    case SW_TOKEN_MALFORMED:
        return "the token is malformed";
    case SW_TOKEN_NO_KEY:
        return "no key of this node has the token's kid and alg";
    case SW_TOKEN_BAD_SIGNATURE:
        return "the token's signature is wrong";
    case SW_TOKEN_EXPIRED:
        return "the token has expired";
    case SW_TOKEN_NOT_YET:
        return "the token is not valid yet";
    case SW_TOKEN_WRONG_ISSUER:
        return "the token is of another issuer";
    case SW_TOKEN_WRONG_AUDIENCE:
        return "the token is for another audience";
    case SW_TOKEN_BAD_GRANT:
        return "the token grants what is no topic or pattern";
    }
    SW_UNREACHABLE();
}

static enum sw_token_verdict verify_signature(const struct sw_keyring *keyring,
                                              const struct sw_jws *jws)
{
    const struct sw_key *keys[SW_KEY_TRIES];
    size_t count = sw_keyring_choose(keyring, jws->kid, jws->algorithm, keys);
    for (size_t i = 0; i < count; i++) {
        if (sw_signature_verify(keys[i], jws->algorithm, jws->text, jws->signature)) {
            return SW_TOKEN_GOOD;
        }
    }
    return count ? SW_TOKEN_BAD_SIGNATURE : SW_TOKEN_NO_KEY;
}

/* ---- the identity ---- */

/* It stands in logs and answers, on terminals too. */
static bool has_control(struct sw_slice user)
{
    unsigned char before = 0;
    for (size_t i = 0; i < user.size; i++) {
        unsigned char byte = (unsigned char)user.data[i];
        if (byte < ' ' || byte == 0x7f || (before == 0xc2 && byte < 0xa0)) {
            return true;
        }
        before = byte;
    }
    return false;
}

static bool read_user(const struct sw_claims *claims, struct sw_buf *user)
{
    if (claims->user.raw.data) {
        sw_json_unescape(user, claims->user.raw);
    }
    return user->size <= USER_BYTES && !has_control(sw_buf_slice(user));
}

static struct sw_identity *make_identity(const struct sw_claims *claims, struct sw_slice user,
                                         const struct sw_grant_claim *grant)
{
    struct sw_identity *identity = sw_alloc(sizeof(*identity) + user.size + grant->names.size);
    identity->expires_ms = claims->expires_ms;
    identity->user_size = (uint16_t)user.size;
    if (user.size > 0) {
        memcpy(identity->user, user.data, user.size);
    }
    sw_grant_claim_settle(grant, identity->user + user.size, &identity->grant);
    return identity;
}

/* The signature is good: what does the payload say? */
static enum sw_token_verdict read_identity(const struct sw_keyring *keyring,
                                           struct sw_slice payload, uint64_t now_ms,
                                           struct sw_identity **identity)
{
    struct sw_claims claims;
    struct sw_buf user = {0};
    enum sw_token_verdict verdict = SW_TOKEN_MALFORMED;
    if (sw_claims_read(&claims, payload) && read_user(&claims, &user)) {
        verdict = sw_claims_judge(&claims, keyring, now_ms);
    }
    if (verdict == SW_TOKEN_GOOD) {
        struct sw_grant_claim grant;
        if (sw_grant_claim_read(&grant, &claims, keyring->separator)) {
            *identity = make_identity(&claims, sw_buf_slice(&user), &grant);
        } else {
            verdict = SW_TOKEN_BAD_GRANT;
        }
        sw_grant_claim_deinit(&grant);
    }
    sw_buf_deinit(&user);
    return verdict;
}

/* Nothing of the payload is looked at before the signature is known to be good. */
enum sw_token_verdict sw_token_verify(const struct sw_keyring *keyring, struct sw_slice token,
                                      uint64_t now_ms, struct sw_identity **identity)
{
    struct sw_jws jws;
    *identity = NULL;
    enum sw_token_verdict verdict = sw_jws_read(&jws, token);
    if (verdict == SW_TOKEN_GOOD) {
        verdict = verify_signature(keyring, &jws);
    }
    if (verdict == SW_TOKEN_GOOD) {
        verdict = read_identity(keyring, jws.payload, now_ms, identity);
    }
    sw_jws_deinit(&jws);
    return verdict;
}

uint64_t sw_token_cost_ns(const struct sw_keyring *keyring, struct sw_slice token)
{
    struct sw_jws jws;
    const struct sw_key *keys[SW_KEY_TRIES];
    uint64_t cost_ns = 0;
    if (sw_jws_read(&jws, token) == SW_TOKEN_GOOD) {
        size_t count = sw_keyring_choose(keyring, jws.kid, jws.algorithm, keys);
        for (size_t i = 0; i < count; i++) {
            cost_ns += keys[i]->cost_ns;
        }
    }
    sw_jws_deinit(&jws);
    return cost_ns;
}

void sw_identity_destroy(struct sw_identity **identity)
{
    sw_free(*identity);
    *identity = NULL;
}
