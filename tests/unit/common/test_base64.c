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

static bool decodes(const char *text, size_t *size, char out[64])
{
    char *in = unit_exact_copy(text, strlen(text));
    char *room = unit_exact_copy(text, strlen(text) * 3 / 4); /* and not a byte more */
    char *end = room;
    bool ok = sw_base64url_decode(room, sw_slice(in, strlen(text)), &end);
    *size = ok ? (size_t)(end - room) : 0;
    memcpy(out, room, *size);
    free(in);
    free(room);
    return ok;
}

static void url_digits_come_back_without_padding(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xff\xef\xbe", "_---"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[64] = {0};
        size_t size = strlen(rows[i][0]);
        char *end = sw_base64url_encode(out, rows[i][0], size);
        assert_int_equal(end - out, sw_base64url_size(size));
        assert_string_equal(out, rows[i][1]);
        size_t read;
        assert_true(decodes(rows[i][1], &read, out));
        assert_int_equal(read, size);
        assert_memory_equal(out, rows[i][0], size);
    }
}

static void one_text_alone_stands_for_some_bytes(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z",   "Zg==", "Zg=", "Zh",    "Zm9",      "Zm9vZ", "Zm 8", "Zm8\n", "Z+8",
        "Z/8", "Zm8.", "=",   "____a", "\xc3\xa4", "Zn",    "Zm-",  "Zv",    "Z\x7f",
    };
    char out[64];
    size_t size;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(decodes(bad[i], &size, out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_the_vectors_of_rfc_4648),
        cmocka_unit_test(every_byte_can_be_read_back),
        cmocka_unit_test(url_digits_come_back_without_padding),
        cmocka_unit_test(one_text_alone_stands_for_some_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
