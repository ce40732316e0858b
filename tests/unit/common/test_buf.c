// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/buf.h"

static void empty_buffer_is_valid(void **state)
{
    (void)state;
    struct sw_buf buf = {0};
    sw_buf_clear(&buf);
    sw_buf_consume(&buf, 0);
    sw_buf_append(&buf, NULL, 0);
    assert_int_equal(sw_buf_slice(&buf).size, 0);
    assert_string_equal(sw_buf_text(&buf), "");
    sw_buf_deinit(&buf);
    assert_null(buf.data);
}

static void appended_bytes_stand_in_order(void **state)
{
    (void)state;
    struct sw_buf buf = {0};
    sw_buf_append(&buf, "ab", 2);
    sw_buf_append_slice(&buf, SW_SLICE("cd"));
    sw_buf_append_byte(&buf, 'e');
    sw_buf_printf(&buf, "%d-%s", 42, "f");
    assert_string_equal(sw_buf_text(&buf), "abcde42-f");
    assert_int_equal(buf.size, 9);
    sw_buf_consume(&buf, 4);
    unit_assert_slice(sw_buf_slice(&buf), "e42-f");
    sw_buf_consume(&buf, 5);
    assert_int_equal(buf.size, 0);
    sw_buf_deinit(&buf);
}

/* printf at every fill and every length around the capacity. */
static void printf_grows_at_every_border(void **state)
{
    (void)state;
    char filler[300];
    memset(filler, 'x', sizeof(filler));
    for (size_t before = 0; before <= 130; before++) {
        for (int size = 0; size <= 130; size++) {
            struct sw_buf buf = {0};
            sw_buf_append(&buf, filler, before);
            sw_buf_printf(&buf, "%.*s", size, filler);
            assert_int_equal(buf.size, before + (size_t)size);
            assert_true(buf.size <= buf.capacity);
            assert_true(buf.size == 0 || memcmp(buf.data, filler, buf.size) == 0);
            sw_buf_deinit(&buf);
        }
    }
}

static void reserved_room_is_there_and_clear_keeps_the_memory(void **state)
{
    (void)state;
    struct sw_buf buf = {0};
    memset(sw_buf_reserve(&buf, 100000), 1, 100000);
    assert_int_equal(buf.size, 0);
    buf.size = 100000;
    size_t capacity = buf.capacity;
    sw_buf_clear(&buf);
    assert_int_equal(buf.capacity, capacity);
    assert_int_equal(buf.size, 0);
    sw_buf_deinit(&buf);
}

static void text_ends_with_nul_even_when_full(void **state)
{
    (void)state;
    struct sw_buf buf = {0};
    do {
        sw_buf_append_byte(&buf, 'a');
    } while (buf.size < buf.capacity);
    assert_int_equal(strlen(sw_buf_text(&buf)), buf.size);
    sw_buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_buffer_is_valid),
        cmocka_unit_test(appended_bytes_stand_in_order),
        cmocka_unit_test(printf_grows_at_every_border),
        cmocka_unit_test(reserved_room_is_there_and_clear_keeps_the_memory),
        cmocka_unit_test(text_ends_with_nul_even_when_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
