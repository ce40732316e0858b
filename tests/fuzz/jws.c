// SPDX-License-Identifier: Apache-2.0
/* A token's compact form: what is taken for one has one spelling only, and says nothing that its
 * text does not. */
#include "fuzz.h"

#include "auth/jws.h"
#include "common/base64.h"

static bool spells(struct sw_slice text, struct sw_slice bytes)
{
    struct sw_buf spelled = {0};
    char *start = sw_buf_reserve(&spelled, sw_base64url_size(bytes.size) + 1);
    spelled.size = (size_t)(sw_base64url_encode(start, bytes.data, bytes.size) - start);
    bool same = sw_slice_equal(sw_buf_slice(&spelled), text);
    sw_buf_deinit(&spelled);
    return same;
}

static void check_good(const struct sw_jws *jws, struct sw_slice token)
{
    struct sw_slice rest = token;
    (void)sw_slice_split(&rest, '.');
    struct sw_slice payload = sw_slice_split(&rest, '.');
    FUZZ_CHECK(rest.data && sw_slice_find(rest, '.') == rest.size);
    FUZZ_CHECK(jws->text.data == token.data && jws->text.size + 1 + rest.size == token.size);
    FUZZ_CHECK(spells(payload, jws->payload));
    FUZZ_CHECK(spells(rest, jws->signature));
    FUZZ_CHECK(fuzz_lies_in(jws->kid, sw_buf_slice(&jws->bytes)));
    FUZZ_CHECK(jws->algorithm <= SW_ALGORITHM_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(fuzz_input(data, size));
    struct sw_slice token = sw_slice(copy, size);
    struct sw_jws jws;
    enum sw_token_verdict verdict = sw_jws_read(&jws, token);
    FUZZ_CHECK((verdict == SW_TOKEN_TOO_LARGE) == (size > SW_TOKEN_BYTES));
    if (verdict == SW_TOKEN_GOOD) {
        check_good(&jws, token);
    }
    sw_jws_deinit(&jws);
    free(copy);
    return 0;
}
