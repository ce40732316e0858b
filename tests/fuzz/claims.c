// SPDX-License-Identifier: Apache-2.0
/* What a payload claims, behind a good signature: every name that is granted is a topic or a
 * pattern, and a placeholder stands for one token, whatever claim it names. */
#include "fuzz.h"

#include "auth/claims.h"
#include "auth/grant_claim.h"
#include "common/utf8.h"
#include "core/topic.h"

#define NOW_MS UINT64_C(1800000000000)

static char anybody[] = "";
static char issuer[] = "https://id.example";
static char audience[] = "spillway";

static void check_list(const struct sw_grant *grant, const struct sw_grant_list *list)
{
    size_t at = 0;
    uint32_t count = 0;
    struct sw_slice name;
    while (sw_grant_next(list, &at, &name)) {
        count++;
        FUZZ_CHECK(sw_topic_is_grantable(name, '.'));
        FUZZ_CHECK(list == &grant->pub || sw_grant_may_subscribe(grant, name, '.'));
    }
    FUZZ_CHECK(count == list->count && count <= SW_GRANT_NAMES);
}

static void check_grant(const struct sw_claims *claims)
{
    struct sw_grant_claim claim;
    if (sw_grant_claim_read(&claim, claims, '.')) {
        struct sw_grant grant;
        char *memory = fuzz_copy(sw_buf_slice(&claim.names));
        sw_grant_claim_settle(&claim, memory, &grant);
        check_list(&grant, &grant.sub);
        check_list(&grant, &grant.pub);
        check_list(&grant, &grant.automatic);
        free(memory);
    }
    sw_grant_claim_deinit(&claim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sw_keyring any = {.issuer = anybody, .audience = anybody};
    static const struct sw_keyring strict = {
        .issuer = issuer, .audience = audience, .leeway_ms = 60000};
    char *copy = fuzz_copy(fuzz_input(data, size));
    struct sw_slice payload = sw_slice(copy, size);
    struct sw_claims claims;
    if (sw_claims_read(&claims, payload)) {
        FUZZ_CHECK(fuzz_lies_in(claims.object, payload));
        FUZZ_CHECK(sw_utf8_valid(claims.object.data, claims.object.size));
        enum sw_token_verdict verdict = sw_claims_judge(&claims, &any, NOW_MS);
        FUZZ_CHECK((verdict == SW_TOKEN_EXPIRED) == (claims.expires_ms <= NOW_MS));
        FUZZ_CHECK(sw_claims_judge(&claims, &strict, NOW_MS) != SW_TOKEN_GOOD ||
                   (claims.issuer.raw.data && claims.audience.raw.data));
        check_grant(&claims);
    }
    free(copy);
    return 0;
}
