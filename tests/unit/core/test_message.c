// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/mem.h"
#include "core/limits.h"
#include "core/message.h"

static struct sw_message *create(struct sw_slice payload)
{
    char *exact = unit_exact_copy(payload.data, payload.size);
    struct sw_message *message = sw_message_create(SW_SLICE("orders.eu"), SW_SLICE("k1"),
                                                   sw_slice(exact, payload.size), 17, 23);
    free(exact);
    return message;
}

static void message_holds_copies_of_everything(void **state)
{
    (void)state;
    struct sw_message *message = create(SW_SLICE("{\"a\": 1}"));
    unit_assert_slice(sw_message_topic(message), "orders.eu");
    unit_assert_slice(sw_message_key(message), "k1");
    unit_assert_slice(sw_message_payload(message), "{\"a\": 1}");
    assert_int_equal(message->time_ms, 17);
    assert_int_equal(message->arrived_ns, 23);
    assert_int_equal(sw_message_bytes(message), sizeof(*message) + 9 + 2 + 8);
    sw_message_unref(message);
}

static void longest_topic_and_key_fit(void **state)
{
    (void)state;
    char bytes[SW_TOPIC_BYTES];
    memset(bytes, 'a', sizeof(bytes));
    struct sw_message *message = sw_message_create(
        sw_slice(bytes, SW_TOPIC_BYTES), sw_slice(bytes, SW_KEY_BYTES), sw_slice(NULL, 0), 0, 0);
    assert_int_equal(sw_message_topic(message).size, SW_TOPIC_BYTES);
    assert_int_equal(sw_message_key(message).size, SW_KEY_BYTES);
    assert_int_equal(sw_message_payload(message).size, 0);
    sw_message_unref(message);
}

static void payload_is_judged_once(void **state)
{
    (void)state;
    static const struct {
        struct sw_slice payload;
        enum sw_payload kind;
    } rows[] = {
        {{"{\"a\":1}", 7}, SW_PAYLOAD_JSON},  {{"12", 2}, SW_PAYLOAD_JSON},
        {{"", 0}, SW_PAYLOAD_TEXT},           {{NULL, 0}, SW_PAYLOAD_TEXT},
        {{" \n", 2}, SW_PAYLOAD_TEXT},        {{"hello", 5}, SW_PAYLOAD_TEXT},
        {{"{\"a\":", 5}, SW_PAYLOAD_TEXT},    {{"\"\\ud800\"", 8}, SW_PAYLOAD_TEXT},
        {{"a\0b", 3}, SW_PAYLOAD_TEXT},       {{"\xff\xfe", 2}, SW_PAYLOAD_BINARY},
        {{"\"\xc3\"", 3}, SW_PAYLOAD_BINARY},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_message *message = create(rows[i].payload);
        assert_int_equal(message->payload, rows[i].kind);
        assert_true(sw_slice_equal(sw_message_payload(message), rows[i].payload));
        sw_message_unref(message);
    }
}

static void payload_stays_as_it_was_and_breaks_within_json_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        enum sw_payload kind;
        bool breaks;
    } rows[] = {
        {"{\r\n \"a\\n\": 1\n}", SW_PAYLOAD_JSON, true},
        {"1\n", SW_PAYLOAD_JSON, true},
        {"{\t\"a\\n\": 1 }", SW_PAYLOAD_JSON, false},
        {"two\nlines", SW_PAYLOAD_TEXT, false},
        {"\xff\n", SW_PAYLOAD_BINARY, false},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_message *message = create(sw_slice_of(rows[i].payload));
        assert_int_equal(message->payload, rows[i].kind);
        assert_int_equal(message->breaks, rows[i].breaks);
        unit_assert_slice(sw_message_payload(message), rows[i].payload);
        sw_message_unref(message);
    }
}

static void json_nested_too_deep_is_text(void **state)
{
    (void)state;
    char text[2 * SW_PAYLOAD_DEPTH + 2];
    for (size_t depth = SW_PAYLOAD_DEPTH; depth <= SW_PAYLOAD_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        struct sw_message *message = create(sw_slice(text, 2 * depth));
        assert_int_equal(message->payload,
                         depth <= SW_PAYLOAD_DEPTH ? SW_PAYLOAD_JSON : SW_PAYLOAD_TEXT);
        sw_message_unref(message);
    }
}

static void last_reference_frees(void **state)
{
    (void)state;
    struct sw_message *message = create(SW_SLICE("1"));
    sw_message_ref(message);
    sw_message_unref(message);
    assert_int_equal(message->refs, 1);
    sw_message_unref(message);
}

static void sixteen_megabytes_fit(void **state)
{
    (void)state;
    size_t size = (size_t)16 << 20;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'x', size);
    text[0] = '"';
    text[size - 1] = '"';
    struct sw_message *message = create(sw_slice(text, size));
    assert_int_equal(message->payload, SW_PAYLOAD_JSON);
    assert_int_equal(message->size, size);
    sw_message_unref(message);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_holds_copies_of_everything),
        cmocka_unit_test(longest_topic_and_key_fit),
        cmocka_unit_test(payload_is_judged_once),
        cmocka_unit_test(payload_stays_as_it_was_and_breaks_within_json_are_known),
        cmocka_unit_test(json_nested_too_deep_is_text),
        cmocka_unit_test(last_reference_frees),
        cmocka_unit_test(sixteen_megabytes_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
