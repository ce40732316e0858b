// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/utf8.h"

/* Decides by decoding and encoding again, as slow as it is plain. Returns the size, 0: not valid.
 */
static size_t model_character(const unsigned char *at, size_t size)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : 4;
    if (length == 1) {
        return 1;
    }
    if (length > size || (length == 4 && at[0] >> 3 != 30)) {
        return 0;
    }
    uint32_t code = at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (at[i] >> 6 != 2) {
            return 0;
        }
        code = code << 6 | (at[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code >= lowest[length] && code <= 0x10ffff && !surrogate ? length : 0;
}

static size_t model_prefix(const unsigned char *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        size_t length = model_character(data + done, size - done);
        if (length == 0) {
            break;
        }
        done += length;
    }
    return done;
}

static void assert_like_model(const char *data, size_t size)
{
    size_t prefix = model_prefix((const unsigned char *)data, size);
    char *exact = unit_exact_copy(data, size);
    assert_int_equal(sw_utf8_prefix(exact, size), prefix);
    assert_int_equal(sw_utf8_valid(exact, size), prefix == size);
    free(exact);
}

static void empty_text_is_valid(void **state)
{
    (void)state;
    assert_true(sw_utf8_valid("", 0));
    assert_true(sw_utf8_valid(NULL, 0));
}

/* All first bytes with all second bytes, and the third and fourth at their borders. */
static void all_short_sequences_are_judged_like_the_model(void **state)
{
    (void)state;
    static const unsigned char borders[] = {0x00, 0x41, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    size_t count = sizeof(borders);
    for (unsigned pair = 0; pair < 65536; pair++) {
        char bytes[4] = {(char)(pair >> 8), (char)pair, 0, 0};
        assert_like_model(bytes, 1);
        assert_like_model(bytes, 2);
        if ((pair >> 8) < 0xc0) {
            continue;
        }
        for (size_t third = 0; third < count; third++) {
            bytes[2] = (char)borders[third];
            assert_like_model(bytes, 3);
            for (size_t fourth = 0; fourth < count; fourth++) {
                bytes[3] = (char)borders[fourth];
                assert_like_model(bytes, 4);
            }
        }
    }
}

static void length_is_of_one_character_that_is_whole(void **state)
{
    (void)state;
    static const char text[] = "\xf0\x9f\x98\x80";
    assert_int_equal(sw_utf8_length("a", "a" + 1), 1);
    assert_int_equal(sw_utf8_length(text, text + 4), 4);
    assert_int_equal(sw_utf8_length(text, text + 3), 0);
    assert_int_equal(sw_utf8_length(text + 1, text + 4), 0);
}

/* Mostly valid text with damage: what is valid whole is valid cut anywhere, and the other way
 * around. */
static void pieces_are_judged_like_the_whole(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(20260105);
    static const char *const parts[] = {
        "plain ascii text", "\xc3\xa4", "\xe2\x82\xac", "\xed\x9f\xbf", "\xf0\x9f\x98\x80",
        "\xef\xbf\xbf",     "x"};
    for (int round = 0; round < 3000; round++) {
        char text[200];
        size_t size = 0;
        while (size < 100 && sw_random_below(&random, 12) > 0) {
            const char *part = parts[sw_random_below(&random, 7)];
            memcpy(text + size, part, strlen(part));
            size += strlen(part);
        }
        if (size > 0 && round % 2) {
            text[sw_random_below(&random, size)] = (char)sw_random_u64(&random);
        }
        assert_like_model(text, size);
        bool valid = sw_utf8_valid(text, size);
        for (size_t cut = 0; cut <= size; cut++) {
            sw_utf8_state between = 0;
            char *front = unit_exact_copy(text, cut);
            char *back = unit_exact_copy(text + cut, size - cut);
            bool fed = sw_utf8_feed(&between, front, cut) &&
                       sw_utf8_feed(&between, back, size - cut) && between == 0;
            assert_int_equal(fed, valid);
            free(front);
            free(back);
        }
    }
}

static void feeding_fails_at_the_first_impossible_byte(void **state)
{
    (void)state;
    sw_utf8_state between = 0;
    assert_true(sw_utf8_feed(&between, "abc\xe0", 4));
    assert_true(between != 0);
    assert_false(sw_utf8_feed(&between, "\x80", 1)); /* overlong: known at the second byte */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_text_is_valid),
        cmocka_unit_test(all_short_sequences_are_judged_like_the_model),
        cmocka_unit_test(length_is_of_one_character_that_is_whole),
        cmocka_unit_test(pieces_are_judged_like_the_whole),
        cmocka_unit_test(feeding_fails_at_the_first_impossible_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
