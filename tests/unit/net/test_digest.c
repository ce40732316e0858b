// SPDX-License-Identifier: Apache-2.0
#include "turning.h"

#include "common/base64.h"
#include "net/digest.h"

/* The example of RFC 6455, section 1.3. */
static void digest_answers_the_handshake_of_the_standard(void **state)
{
    (void)state;
    unsigned char digest[SW_SHA1_BYTES];
    sw_sha1(SW_SLICE("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11"), digest);
    char text[32] = "";
    sw_base64_encode(text, digest, sizeof(digest));
    assert_string_equal(text, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void secrets_are_equal_only_where_every_byte_is(void **state)
{
    (void)state;
    assert_true(sw_secret_equal(SW_SLICE("secret"), SW_SLICE("secret")));
    assert_false(sw_secret_equal(SW_SLICE("secret"), SW_SLICE("secreT")));
    assert_false(sw_secret_equal(SW_SLICE("secret"), SW_SLICE("secret ")));
    assert_true(sw_secret_equal(SW_SLICE(""), sw_slice(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_answers_the_handshake_of_the_standard),
        cmocka_unit_test(secrets_are_equal_only_where_every_byte_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
