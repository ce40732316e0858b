// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <ctype.h>

static void same_state_gives_the_same_numbers(void **state)
{
    (void)state;
    /* The first numbers of splitmix64 from 0. */
    struct sw_random random = {0};
    assert_true(sw_random_u64(&random) == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(sw_random_u64(&random) == UINT64_C(0x6e789e6aa1b965f4));
}

static void two_generators_of_the_system_differ(void **state)
{
    (void)state;
    struct sw_random a;
    struct sw_random b;
    sw_random_init(&a);
    sw_random_init(&b);
    assert_true(sw_random_u64(&a) != sw_random_u64(&b));
}

static void below_stays_below_and_is_even(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(20260106);
    unsigned counts[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint64_t number = sw_random_below(&random, 7);
        assert_true(number < 7);
        counts[number]++;
    }
    for (int i = 0; i < 7; i++) {
        assert_true(counts[i] > 9500 && counts[i] < 10500);
    }
    assert_true(sw_random_below(&random, 1) == 0);
    assert_true(sw_random_below(&random, UINT64_MAX) < UINT64_MAX);
}

static void tokens_are_letters_and_digits_in_even_numbers(void **state)
{
    (void)state;
    static char token[62000];
    unsigned counts[256] = {0};
    sw_random_token(token, sizeof(token));
    for (size_t i = 0; i < sizeof(token); i++) {
        assert_true(isalnum((unsigned char)token[i]));
        counts[(unsigned char)token[i]]++;
    }
    for (int c = 0; c < 128; c++) {
        /* 1,000 expected; eight deviations of 31. A modulo of 256 bytes would give 1,250 for
         * 'A'..'H'. */
        assert_true(!isalnum(c) || (counts[c] > 750 && counts[c] < 1250));
    }
}

static void bytes_fill_exactly_what_was_asked_for(void **state)
{
    (void)state;
    unsigned char bytes[34];
    unsigned char seen = 0;
    for (int i = 0; i < 20; i++) {
        memset(bytes, 0xaa, sizeof(bytes));
        sw_random_bytes(bytes + 1, 32);
        assert_int_equal(bytes[0], 0xaa);
        assert_int_equal(bytes[33], 0xaa);
        seen |= bytes[32] ^ 0xaa;
    }
    assert_true(seen != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_state_gives_the_same_numbers),
        cmocka_unit_test(two_generators_of_the_system_differ),
        cmocka_unit_test(below_stays_below_and_is_even),
        cmocka_unit_test(tokens_are_letters_and_digits_in_even_numbers),
        cmocka_unit_test(bytes_fill_exactly_what_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
