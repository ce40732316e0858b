// SPDX-License-Identifier: Apache-2.0
#include "auth/verifier.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <string.h>

/* Whoever comes with a bad token comes again: one line stands for many. */
#define TELL_MS 10000

static const enum sw_token_outcome outcomes[] = {
    [SW_TOKEN_GOOD] = SW_OUTCOME_GOOD,
    [SW_TOKEN_TOO_LARGE] = SW_OUTCOME_TOO_LARGE,
    [SW_TOKEN_MALFORMED] = SW_OUTCOME_MALFORMED,
    [SW_TOKEN_NO_KEY] = SW_OUTCOME_NO_KEY,
    [SW_TOKEN_BAD_SIGNATURE] = SW_OUTCOME_BAD_SIGNATURE,
    [SW_TOKEN_EXPIRED] = SW_OUTCOME_EXPIRED,
    [SW_TOKEN_NOT_YET] = SW_OUTCOME_NOT_YET,
    [SW_TOKEN_WRONG_ISSUER] = SW_OUTCOME_WRONG_ISSUER,
    [SW_TOKEN_WRONG_AUDIENCE] = SW_OUTCOME_WRONG_AUDIENCE,
    [SW_TOKEN_BAD_GRANT] = SW_OUTCOME_BAD_GRANT,
};

void sw_verifier_init(struct sw_verifier *verifier, struct sw_keyring *keys, struct sw_loop *loop,
                      struct sw_counters *counters, sw_on_verdict *on_verdict, void *owner)
{
    *verifier = (struct sw_verifier){.loop = loop,
                                     .counters = counters,
                                     .keys = sw_keyring_ref(keys),
                                     .on_verdict = on_verdict,
                                     .owner = owner,
                                     .turn = UINT64_MAX};
    sw_crew_init(&verifier->crew, loop, verifier);
}

void sw_verifier_deinit(struct sw_verifier *verifier)
{
    sw_crew_deinit(&verifier->crew);
    sw_keyring_unref(&verifier->keys);
}

void sw_verifier_set_keys(struct sw_verifier *verifier, struct sw_keyring *keys)
{
    sw_keyring_unref(&verifier->keys);
    verifier->keys = sw_keyring_ref(keys);
}

static void tell(struct sw_verifier *verifier, enum sw_token_verdict verdict)
{
    uint64_t now_ms = sw_loop_now_ms(verifier->loop);
    verifier->untold++;
    if (verifier->told_ms && now_ms - verifier->told_ms < TELL_MS) {
        return;
    }
    sw_log(SW_LOG_WARN, "tokens_refused", "count=%llu last=\"%s\"",
           (unsigned long long)verifier->untold, sw_token_verdict_text(verdict));
    verifier->told_ms = now_ms;
    verifier->untold = 0;
}

static void count(struct sw_verifier *verifier, enum sw_token_verdict verdict)
{
    sw_count(&verifier->counters->tokens_total[outcomes[verdict]], 1);
    if (verdict != SW_TOKEN_GOOD) {
        tell(verifier, verdict);
    }
}

/* ---- at once ---- */

/* `alone`: where nothing was verified in this turn yet, it fits whatever it costs. One that does
 * not fit ends the share, unless it is dearer than all of it. */
static bool take_share(struct sw_verifier *verifier, struct sw_slice token, bool alone)
{
    uint64_t turn = sw_loop_turns(verifier->loop);
    if (verifier->turn != turn) {
        verifier->turn = turn;
        verifier->left_ns = SW_VERIFY_BUDGET_NS;
    }
    if (verifier->left_ns == 0) {
        return false;
    }
    uint64_t cost_ns = sw_token_cost_ns(verifier->keys, token);
    bool first = verifier->left_ns == SW_VERIFY_BUDGET_NS;
    bool fits = cost_ns <= verifier->left_ns || (alone && first);
    if (fits || !first) {
        verifier->left_ns -= cost_ns < verifier->left_ns ? cost_ns : verifier->left_ns;
    }
    return fits;
}

static bool verify(struct sw_verifier *verifier, struct sw_slice token, bool alone,
                   struct sw_verdict *verdict)
{
    *verdict = (struct sw_verdict){.verdict = SW_TOKEN_MALFORMED};
    if (!take_share(verifier, token, alone)) {
        return false;
    }
    verdict->verdict =
        sw_token_verify(verifier->keys, token, sw_clock_wall_ms(), &verdict->identity);
    count(verifier, verdict->verdict);
    return true;
}

bool sw_verifier_try(struct sw_verifier *verifier, struct sw_slice token,
                     struct sw_verdict *verdict)
{
    return verify(verifier, token, false, verdict);
}

bool sw_verifier_try_alone(struct sw_verifier *verifier, struct sw_slice token,
                           struct sw_verdict *verdict)
{
    return verify(verifier, token, true, verdict);
}

/* ---- beside the loop ---- */

struct verification {
    struct sw_work work;
    struct sw_keyring *keys;
    uint64_t asker;
    struct sw_verdict verdict;
    struct sw_slice token; /* the memory behind this */
};

static void run(struct sw_work *work)
{
    struct verification *at = SW_CONTAINER_OF(work, struct verification, work);
    at->verdict.verdict =
        sw_token_verify(at->keys, at->token, sw_clock_wall_ms(), &at->verdict.identity);
}

static void done(struct sw_work *work, void *owner)
{
    struct verification *at = SW_CONTAINER_OF(work, struct verification, work);
    struct sw_verifier *verifier = owner;
    if (verifier) {
        verifier->out--;
        sw_count(&verifier->counters->tokens_aside_total, 1);
        count(verifier, at->verdict.verdict);
        verifier->on_verdict(verifier->owner, at->asker, at->verdict);
    } else {
        sw_identity_destroy(&at->verdict.identity);
    }
    sw_keyring_unref(&at->keys);
    sw_free(at);
}

/* One that is too large is refused unread, so no more of it need be kept than shows that. */
void sw_verifier_aside(struct sw_verifier *verifier, struct sw_slice token, uint64_t asker)
{
    SW_ASSERT(!sw_verifier_full(verifier));
    size_t size = token.size <= SW_TOKEN_BYTES ? token.size : SW_TOKEN_BYTES + 1;
    struct verification *at = sw_zalloc(sizeof(*at) + size);
    char *copy = (char *)(at + 1);
    memcpy(copy, token.data, size);
    at->work = (struct sw_work){.run = run, .done = done};
    at->keys = sw_keyring_ref(verifier->keys);
    at->asker = asker;
    at->token = sw_slice(copy, size);
    verifier->out++;
    sw_crew_run(&verifier->crew, &at->work);
}
