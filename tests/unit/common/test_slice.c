// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

static void slice_of_null_is_empty(void **state)
{
    (void)state;
    assert_int_equal(sw_slice_of(NULL).size, 0);
    unit_assert_slice(sw_slice_of("abc"), "abc");
    unit_assert_slice(SW_SLICE("abc"), "abc");
}

static void slices_are_equal_by_their_bytes(void **state)
{
    (void)state;
    assert_true(sw_slice_equal(SW_SLICE(""), sw_slice(NULL, 0)));
    assert_true(sw_slice_equal(SW_SLICE("a\0b"), SW_SLICE("a\0b")));
    assert_false(sw_slice_equal(SW_SLICE("a\0b"), SW_SLICE("a\0c")));
    assert_false(sw_slice_equal(SW_SLICE("ab"), SW_SLICE("abc")));
    assert_false(sw_slice_equal(SW_SLICE("a"), SW_SLICE("A")));
}

static void nocase_is_for_ascii_letters_only(void **state)
{
    (void)state;
    assert_true(
        sw_slice_equal_nocase(SW_SLICE("Sec-WebSocket-Key"), SW_SLICE("sec-websocket-KEY")));
    assert_false(sw_slice_equal_nocase(SW_SLICE("@"), SW_SLICE("`")));
    assert_false(sw_slice_equal_nocase(SW_SLICE("["), SW_SLICE("{")));
    assert_false(sw_slice_equal_nocase(SW_SLICE("\xc4"), SW_SLICE("\xe4")));
    assert_false(sw_slice_equal_nocase(SW_SLICE("a"), SW_SLICE("ab")));
}

static void prefixes_and_finds(void **state)
{
    (void)state;
    assert_true(sw_slice_starts_with(SW_SLICE("abc"), SW_SLICE("")));
    assert_true(sw_slice_starts_with(SW_SLICE("abc"), SW_SLICE("abc")));
    assert_false(sw_slice_starts_with(SW_SLICE("abc"), SW_SLICE("abcd")));
    assert_false(sw_slice_starts_with(SW_SLICE("abc"), SW_SLICE("b")));
    assert_int_equal(sw_slice_find(SW_SLICE("abc"), 'c'), 2);
    assert_int_equal(sw_slice_find(SW_SLICE("abc"), 'd'), 3);
    assert_int_equal(sw_slice_find(sw_slice(NULL, 0), 'd'), 0);
}

static void split_gives_every_piece_even_empty_ones(void **state)
{
    (void)state;
    static const char *const pieces[] = {"", "a", "", "bc", ""};
    struct sw_slice rest = SW_SLICE(",a,,bc,");
    size_t count = 0;
    while (rest.data) {
        assert_true(count < 5);
        unit_assert_slice(sw_slice_split(&rest, ','), pieces[count++]);
    }
    assert_int_equal(count, 5);
    assert_int_equal(rest.size, 0);
}

static void trim_takes_spaces_and_tabs_off_both_ends(void **state)
{
    (void)state;
    unit_assert_slice(sw_slice_trim(SW_SLICE(" \t a b\t ")), "a b");
    unit_assert_slice(sw_slice_trim(SW_SLICE("\na\r")), "\na\r");
    assert_int_equal(sw_slice_trim(SW_SLICE(" \t ")).size, 0);
    assert_int_equal(sw_slice_trim(sw_slice(NULL, 0)).size, 0);
}

static void numbers_are_digits_within_their_bound(void **state)
{
    (void)state;
    uint64_t number = 7;
    assert_true(sw_slice_to_u64(SW_SLICE("0"), 0, &number) && number == 0);
    assert_true(sw_slice_to_u64(SW_SLICE("007"), 10, &number) && number == 7);
    assert_true(sw_slice_to_u64(SW_SLICE("255"), 255, &number) && number == 255);
    assert_true(sw_slice_to_u64(SW_SLICE("18446744073709551615"), UINT64_MAX, &number));
    assert_true(number == UINT64_MAX);
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.",
                                      "0x1",
                                      "256",
                                      "1e2",
                                      "/",
                                      ":",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    number = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t max = strlen(bad[i]) > 10 ? UINT64_MAX : 255;
        assert_false(sw_slice_to_u64(sw_slice_of(bad[i]), max, &number));
        assert_true(number == 7);
    }
}

static void hash_depends_on_every_byte_and_the_size(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(20260104);
    for (size_t size = 0; size <= 70; size++) {
        char bytes[70];
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (char)sw_random_u64(&random);
        }
        char *exact = unit_exact_copy(bytes, size);
        uint64_t hash = sw_slice_hash(sw_slice(exact, size));
        assert_true(hash == sw_slice_hash(sw_slice(bytes, size)));
        for (size_t i = 0; i < size * 8; i++) {
            exact[i / 8] = (char)(exact[i / 8] ^ 1 << i % 8);
            assert_true(sw_slice_hash(sw_slice(exact, size)) != hash);
            exact[i / 8] = bytes[i / 8];
        }
        free(exact);
    }
    static const char zeros[70];
    for (size_t size = 1; size <= sizeof(zeros); size++) {
        assert_true(sw_slice_hash(sw_slice(zeros, size)) !=
                    sw_slice_hash(sw_slice(zeros, size - 1)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slice_of_null_is_empty),
        cmocka_unit_test(slices_are_equal_by_their_bytes),
        cmocka_unit_test(nocase_is_for_ascii_letters_only),
        cmocka_unit_test(prefixes_and_finds),
        cmocka_unit_test(split_gives_every_piece_even_empty_ones),
        cmocka_unit_test(trim_takes_spaces_and_tabs_off_both_ends),
        cmocka_unit_test(numbers_are_digits_within_their_bound),
        cmocka_unit_test(hash_depends_on_every_byte_and_the_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
