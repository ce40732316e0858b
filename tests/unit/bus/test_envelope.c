// SPDX-License-Identifier: Apache-2.0
#include "bus/envelope.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RS "\x1e"

static void assert_slice(struct sw_slice slice, const char *text)
{
    assert_int_equal(slice.size, strlen(text));
    assert_memory_equal(slice.size ? slice.data : "", text, slice.size);
}

static void a_valid_wrapper_is_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        const char *payload;
        const char *key;
        const char *epoch;
        uint64_t offset;
        uint64_t time_ms;
    } rows[] = {
        {RS "1;" RS "x", "x", "", "", 0, 0},
        {RS "1;" RS, "", "", "", 0, 0},
        {RS "1;" RS RS "1;" RS "x", RS "1;" RS "x", "", "", 0, 0},
        {RS "1;Qx7:42" RS "{}", "{}", "", "Qx7", 42, 0},
        {RS "1;0:0" RS "{}", "{}", "", "0", 0, 0},
        {RS "1;Qx7:9007199254740991" RS "a", "a", "", "Qx7", 9007199254740991, 0},
        {RS "1;aaaaaaaaaaaaaaaaaaaaaaaa:1" RS "a", "a", "", "aaaaaaaaaaaaaaaaaaaaaaaa", 1, 0},
        {RS "1;;k=c-19" RS "a", "a", "c-19", "", 0, 0},
        {RS "1;;t=1700000000000" RS "a", "a", "", "", 0, 1700000000000},
        {RS "1;Q:1;t=5;k=a=b:c;i=~!" RS "a", "a", "a=b:c", "Q", 1, 5},
        {RS "1;Q:1;i=1;k=2;t=3" RS "a", "a", "2", "Q", 1, 3},
        {RS "1;Q:1;z=new;k=2;y=" RS "a", "a", "2", "Q", 1, 0},
        {RS "1;;z=1;z=2" RS "a", "a", "", "", 0, 0},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_envelope envelope = sw_envelope_open(sw_slice_of(rows[i].raw));
        assert_slice(envelope.payload, rows[i].payload);
        assert_slice(envelope.key, rows[i].key);
        assert_slice(envelope.epoch, rows[i].epoch);
        assert_int_equal(envelope.offset, rows[i].offset);
        assert_int_equal(envelope.time_ms, rows[i].time_ms);
    }
}

static void whatever_is_no_wrapper_is_payload_as_a_whole(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "x",
        "{\"a\":1}",
        RS,
        RS RS,
        RS "1",
        RS "1" RS "x",
        RS "1;",
        RS "1;x",
        RS "2;" RS "x",
        RS "11;" RS "x",
        RS "1;Qx7" RS "x",
        RS "1;Qx7:" RS "x",
        RS "1;:1" RS "x",
        RS "1;Qx7:-1" RS "x",
        RS "1;Qx7:1 " RS "x",
        RS "1;Qx7:1:2" RS "x",
        RS "1;Qx7:9007199254740992" RS "x",
        RS "1;Q_7:1" RS "x",
        RS "1;Q\xc3\xa9:1" RS "x",
        RS "1;aaaaaaaaaaaaaaaaaaaaaaaaa:1" RS "x",
        RS "1;k=a" RS "x",
        RS "1;;" RS "x",
        RS "1;;;" RS "x",
        RS "1;;k" RS "x",
        RS "1;;k=" RS "x",
        RS "1;;k=a b" RS "x",
        RS "1;;k=\x7f" RS "x",
        RS "1;;k=\xc3\xa9" RS "x",
        RS "1;;kk=a" RS "x",
        RS "1;;=a" RS "x",
        RS "1;;K=a" RS "x",
        RS "1;;1=a" RS "x",
        RS "1;;t=" RS "x",
        RS "1;;t=-1" RS "x",
        RS "1;;t=1.5" RS "x",
        RS "1;;i=" RS "x",
        RS "1;;k=a;k=b" RS "x",
        RS "1;;t=1;t=1" RS "x",
        RS "1;;z=a b" RS "x",
        RS "1;;k=a;" RS "x",
        "x" RS "1;" RS "x",
        RS "1;;k=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" RS "x",
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_envelope envelope = sw_envelope_open(sw_slice_of(rows[i]));
        assert_slice(envelope.payload, rows[i]);
        assert_int_equal(envelope.key.size, 0);
        assert_int_equal(envelope.epoch.size, 0);
        assert_int_equal(envelope.offset, 0);
        assert_int_equal(envelope.time_ms, 0);
    }
}

/* Each cut lies in memory of exactly its size, so that reading behind it is found. */
static void a_wrapper_cut_anywhere_in_its_head_is_payload(void **state)
{
    (void)state;
    static const char whole[] = RS "1;Qx7:42;t=1700000000000;k=c-19;i=abc;z=later" RS "payload";
    size_t head = sizeof(whole) - 1 - strlen("payload");
    for (size_t size = 0; size < sizeof(whole); size++) {
        char *copy = malloc(size ? size : 1);
        assert_non_null(copy);
        memcpy(copy, whole, size);
        struct sw_envelope envelope = sw_envelope_open(sw_slice(copy, size));
        if (size < head) {
            assert_int_equal(envelope.payload.size, size);
            assert_int_equal(envelope.key.size, 0);
            assert_int_equal(envelope.epoch.size, 0);
        } else {
            assert_int_equal(envelope.payload.size, size - head);
            assert_slice(envelope.key, "c-19");
            assert_int_equal(envelope.offset, 42);
        }
        free(copy);
    }
}

static void a_payload_may_hold_any_byte(void **state)
{
    (void)state;
    static const char raw[] = RS "1;;k=a" RS "\0" RS ";\xff";
    struct sw_envelope envelope = sw_envelope_open(sw_slice(raw, sizeof(raw) - 1));
    assert_int_equal(envelope.payload.size, 4);
    assert_memory_equal(envelope.payload.data, "\0" RS ";\xff", 4);
}

static void what_is_wrapped_comes_out_as_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *payload;
        bool needed;
    } rows[] = {
        {"", "{}", false}, {"", "", false},     {"", RS, true},         {"", RS "1;x", true},
        {"k", "{}", true}, {"", "x" RS, false}, {"a=b", RS "1;", true}, {"!~", RS "1;" RS, true},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_slice key = sw_slice_of(rows[i].key);
        struct sw_slice payload = sw_slice_of(rows[i].payload);
        assert_int_equal(sw_envelope_needed(key, payload), rows[i].needed);
        struct sw_buf out = {0};
        sw_envelope_write_head(&out, key);
        sw_buf_append_slice(&out, payload);
        struct sw_envelope envelope = sw_envelope_open(sw_buf_slice(&out));
        assert_slice(envelope.payload, rows[i].payload);
        assert_slice(envelope.key, rows[i].key);
        assert_int_equal(envelope.epoch.size, 0);
        sw_buf_deinit(&out);
    }
}

static void a_key_is_1_to_64_printable_characters_without_semicolon(void **state)
{
    (void)state;
    char longest[65];
    memset(longest, 'k', sizeof(longest));
    assert_true(sw_envelope_key_valid(SW_SLICE("!")));
    assert_true(sw_envelope_key_valid(SW_SLICE("c-19:~")));
    assert_true(sw_envelope_key_valid(sw_slice(longest, 64)));
    assert_false(sw_envelope_key_valid(sw_slice(longest, 65)));
    assert_false(sw_envelope_key_valid(SW_SLICE("")));
    assert_false(sw_envelope_key_valid(SW_SLICE("a;b")));
    assert_false(sw_envelope_key_valid(SW_SLICE("a b")));
    assert_false(sw_envelope_key_valid(SW_SLICE("a\x1e")));
    assert_false(sw_envelope_key_valid(SW_SLICE("a\0b")));
    assert_false(sw_envelope_key_valid(SW_SLICE("\x7f")));
    assert_false(sw_envelope_key_valid(SW_SLICE("\xff")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_wrapper_is_taken_apart),
        cmocka_unit_test(whatever_is_no_wrapper_is_payload_as_a_whole),
        cmocka_unit_test(a_wrapper_cut_anywhere_in_its_head_is_payload),
        cmocka_unit_test(a_payload_may_hold_any_byte),
        cmocka_unit_test(what_is_wrapped_comes_out_as_it_was),
        cmocka_unit_test(a_key_is_1_to_64_printable_characters_without_semicolon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
