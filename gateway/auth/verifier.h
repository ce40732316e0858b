// SPDX-License-Identifier: Apache-2.0
/* A worker's tokens are verified here: at once while the turn's share of time lasts
 * (SW_VERIFY_BUDGET_NS), so that a handshake costs no hop; else beside the loop (net/work.h), so
 * that thousands of clients who come back at once do not hold up those who are connected. Owns a
 * reference to the keys; each verification that is out owns another.
 *
 * All on the worker's loop. */
#ifndef SW_AUTH_VERIFIER_H
#define SW_AUTH_VERIFIER_H

#include "auth/token.h"
#include "core/counters.h"
#include "net/work.h"

struct sw_verdict {
    enum sw_token_verdict verdict;
    struct sw_identity *identity; /* of a good one, the receiver's; else NULL */
};

/* What was asked for as `asker` is known. Takes the identity. */
typedef void sw_on_verdict(void *owner, uint64_t asker, struct sw_verdict verdict);

struct sw_verifier {
    struct sw_loop *loop;
    struct sw_counters *counters;
    struct sw_keyring *keys;
    struct sw_crew crew;
    sw_on_verdict *on_verdict;
    void *owner;
    uint64_t turn;    /* of which left_ns is told */
    uint64_t left_ns; /* of its share; 0: nothing more is verified at once */
    uint32_t out;     /* verifications beside the loop */
    uint64_t told_ms; /* when the log last told of a refusal */
    uint64_t untold;  /* refusals since */
};

/* Borrows all but `keys`, of which it takes one reference. */
void sw_verifier_init(struct sw_verifier *verifier, struct sw_keyring *keys, struct sw_loop *loop,
                      struct sw_counters *counters, sw_on_verdict *on_verdict, void *owner);
/* What is out comes back to nobody. */
void sw_verifier_deinit(struct sw_verifier *verifier);
/* Takes a reference to `keys`; what is out goes on with the old ones. */
void sw_verifier_set_keys(struct sw_verifier *verifier, struct sw_keyring *keys);

/* False: it does not fit into what this turn's share has left; a dear one fits into no share. */
bool sw_verifier_try(struct sw_verifier *verifier, struct sw_slice token,
                     struct sw_verdict *verdict) SW_MUST_CHECK;
/* The same for who waits for another turn and goes never aside: a turn is never too short for its
 * first token. */
bool sw_verifier_try_alone(struct sw_verifier *verifier, struct sw_slice token,
                           struct sw_verdict *verdict) SW_MUST_CHECK;
/* Are as many out as there may be? */
static inline bool sw_verifier_full(const struct sw_verifier *verifier)
{
    return verifier->out >= SW_VERIFYING;
}
/* Not full: beside the loop; on_verdict comes later, unless the verifier ends before. Copies
 * `token`. */
void sw_verifier_aside(struct sw_verifier *verifier, struct sw_slice token, uint64_t asker);

#endif
