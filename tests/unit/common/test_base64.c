// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/base64.h"

static void encodes_the_vectors_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[16] = {0};
        size_t size = strlen(rows[i][0]);
        char *in = unit_exact_copy(rows[i][0], size);
        char *end = sw_base64_encode(out, in, size);
        assert_int_equal(end - out, sw_base64_size(size));
        assert_string_equal(out, rows[i][1]);
        free(in);
    }
}

static int digit_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = strchr(digits, c);
    assert_true(c != '\0' && found);
    return (int)(found - digits);
}

static void every_byte_can_be_read_back(void **state)
{
    (void)state;
    unsigned char in[256];
    char out[344];
    for (int i = 0; i < 256; i++) {
        in[i] = (unsigned char)(i * 167 + 13); /* odd factor: each byte value once */
    }
    assert_ptr_equal(sw_base64_encode(out, in, 255), out + 340);
    for (size_t i = 0; i < 255; i += 3) {
        const char *group = out + i / 3 * 4;
        int bits = digit_value(group[0]) << 18 | digit_value(group[1]) << 12 |
                   digit_value(group[2]) << 6 | digit_value(group[3]);
        assert_int_equal(bits, in[i] << 16 | in[i + 1] << 8 | in[i + 2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_the_vectors_of_rfc_4648),
        cmocka_unit_test(every_byte_can_be_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
