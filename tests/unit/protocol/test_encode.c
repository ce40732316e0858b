// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/json.h"
#include "common/mem.h"
#include "core/limits.h"
#include "protocol/encode.h"

#include <stdio.h>

/* Sized, and written into exactly as much. */
static void assert_push(const struct sw_push *push, const char *expected)
{
    size_t size = sw_native_language.size(push);
    char *text = unit_exact_copy("", 0);
    text = realloc(text, size + 1);
    assert_ptr_equal(sw_native_language.write(push, text), text + size);
    text[size] = 0;
    assert_string_equal(text, expected);
    assert_int_equal(sw_json_validate(text, size, SW_PAYLOAD_DEPTH + 1, NULL), SW_JSON_OK);
    free(text);
}

static const struct {
    struct sw_slice topic, key, payload;
    uint64_t time_ms;
    const char *pattern;
    const char *text;
} messages[] = {
    {{"a.b", 3},
     {"", 0},
     {"{\"id\":7}", 8},
     0,
     NULL,
     "{\"type\":\"msg\",\"topic\":\"a.b\",\"data\":{\"id\":7}}"},
    {{"a", 1},
     {"", 0},
     {"[ 1,\r\n2 ]", 9},
     0,
     NULL,
     "{\"type\":\"msg\",\"topic\":\"a\",\"data\":[ 1,  2 ]}"},
    {{"a", 1}, {"", 0}, {"null", 4}, 0, NULL, "{\"type\":\"msg\",\"topic\":\"a\",\"data\":null}"},
    {{"a", 1}, {"", 0}, {"\"x\"", 3}, 0, NULL, "{\"type\":\"msg\",\"topic\":\"a\",\"data\":\"x\"}"},
    {{"a", 1}, {"", 0}, {"", 0}, 0, NULL, "{\"type\":\"msg\",\"topic\":\"a\",\"text\":\"\"}"},
    {{"a", 1},
     {"", 0},
     {"hello \"you\"\n\x01\x7f", 14},
     0,
     NULL,
     "{\"type\":\"msg\",\"topic\":\"a\",\"text\":\"hello \\\"you\\\"\\n\\u0001\x7f\"}"},
    {{"a", 1},
     {"", 0},
     {"gr\xc3\xb6\xc3\x9f"
      "e",
      7},
     0,
     NULL,
     "{\"type\":\"msg\",\"topic\":\"a\",\"text\":\"gr\xc3\xb6\xc3\x9f"
     "e\"}"},
    {{"a", 1},
     {"", 0},
     {"\xff\x00\x10", 3},
     0,
     NULL,
     "{\"type\":\"msg\",\"topic\":\"a\",\"b64\":\"/wAQ\"}"},
    {{"a", 1},
     {"", 0},
     {"\xff", 1},
     0,
     NULL,
     "{\"type\":\"msg\",\"topic\":\"a\",\"b64\":\"/w==\"}"},
    {{"a\"\\", 3},
     {"k\"1", 3},
     {"1", 1},
     0,
     NULL,
     "{\"type\":\"msg\",\"topic\":\"a\\\"\\\\\",\"key\":\"k\\\"1\",\"data\":1}"},
    {{"a", 1},
     {"", 0},
     {"1", 1},
     1700000000123,
     NULL,
     "{\"type\":\"msg\",\"topic\":\"a\",\"ts\":1700000000123,\"data\":1}"},
    {{"a", 1},
     {"", 0},
     {"1", 1},
     UINT64_MAX,
     NULL,
     "{\"type\":\"msg\",\"topic\":\"a\",\"ts\":18446744073709551615,\"data\":1}"},
    {{"a.b", 3},
     {"", 0},
     {"1", 1},
     0,
     "a.*",
     "{\"type\":\"msg\",\"topic\":\"a.b\",\"sub\":\"a.*\",\"data\":1}"},
    {{"a.b", 3},
     {"k", 1},
     {"x", 1},
     9,
     "a.>",
     "{\"type\":\"msg\",\"topic\":\"a.b\",\"sub\":\"a.>\",\"key\":\"k\",\"ts\":9,"
     "\"text\":\"x\"}"},
};

static void messages_are_these_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < SW_ARRAY_SIZE(messages); i++) {
        struct sw_message *message = sw_message_create(messages[i].topic, messages[i].key,
                                                       messages[i].payload, messages[i].time_ms, 0);
        struct sw_push push = {.kind = SW_PUSH_MESSAGE,
                               .name = messages[i].pattern ? sw_slice_of(messages[i].pattern)
                                                           : messages[i].topic,
                               .pattern = messages[i].pattern != NULL,
                               .message = message};
        assert_push(&push, messages[i].text);
        sw_message_unref(message);
    }
}

static void dropped_is_these_bytes(void **state)
{
    (void)state;
    struct sw_push push = {.kind = SW_PUSH_DROPPED, .name = SW_SLICE("a.b"), .count = 12};
    push.reason = SW_SHED_TOO_LARGE;
    assert_push(&push, "{\"type\":\"dropped\",\"topic\":\"a.b\",\"count\":12,"
                       "\"reason\":\"too_large\"}");
    push.reason = SW_SHED_NODE;
    push.count = UINT64_MAX;
    assert_push(&push, "{\"type\":\"dropped\",\"topic\":\"a.b\",\"count\":18446744073709551615,"
                       "\"reason\":\"node\"}");
    push.reason = SW_SHED_FEED;
    push.count = 0;
    assert_push(&push, "{\"type\":\"dropped\",\"topic\":\"a.b\",\"reason\":\"feed\"}");
    push.pattern = true;
    push.name = SW_SLICE("a.\"*");
    assert_push(&push, "{\"type\":\"dropped\",\"sub\":\"a.\\\"*\",\"reason\":\"feed\"}");
    push.count = 1;
    assert_push(&push,
                "{\"type\":\"dropped\",\"sub\":\"a.\\\"*\",\"count\":1,\"reason\":\"feed\"}");
}

static void positions_are_these_bytes(void **state)
{
    (void)state;
    struct sw_message *message =
        sw_message_create(SW_SLICE("a"), SW_SLICE("k"), SW_SLICE("{\"id\":7}"), 9, 0);
    struct sw_push push = {
        .kind = SW_PUSH_MESSAGE, .name = SW_SLICE("a"), .message = message, .offset = 42};
    assert_push(&push, "{\"type\":\"msg\",\"topic\":\"a\",\"key\":\"k\",\"offset\":42,\"ts\":9,"
                       "\"data\":{\"id\":7}}");
    sw_message_unref(message);
    message = sw_message_create(SW_SLICE("orders.eu"), SW_SLICE(""), SW_SLICE("x"), 0, 0);
    push = (struct sw_push){.kind = SW_PUSH_MESSAGE,
                            .name = SW_SLICE("orders.eu"),
                            .message = message,
                            .offset = SW_OFFSET_MAX};
    assert_push(&push, "{\"type\":\"msg\",\"topic\":\"orders.eu\",\"offset\":9007199254740991,"
                       "\"text\":\"x\"}");
    sw_message_unref(message);

    push = (struct sw_push){.kind = SW_PUSH_DROPPED,
                            .name = SW_SLICE("a"),
                            .count = 37,
                            .from = 43,
                            .to = 79,
                            .reason = SW_SHED_NODE};
    sw_epoch_parse(SW_SLICE("Qx7"), &push.epoch);
    assert_push(&push, "{\"type\":\"dropped\",\"topic\":\"a\",\"count\":37,\"reason\":\"node\","
                       "\"epoch\":\"Qx7\",\"from\":43,\"to\":79}");
    push.count = 0;
    push.from = push.to = 1;
    assert_push(&push,
                "{\"type\":\"dropped\",\"topic\":\"a\",\"reason\":\"node\",\"epoch\":\"Qx7\","
                "\"from\":1,\"to\":1}");

    push = (struct sw_push){.kind = SW_PUSH_EPOCH, .name = SW_SLICE("a.\"b"), .offset = 44};
    sw_epoch_parse(SW_SLICE("abcdefghijklmnopqrstuvw9"), &push.epoch);
    assert_push(&push, "{\"type\":\"epoch\",\"topic\":\"a.\\\"b\","
                       "\"epoch\":\"abcdefghijklmnopqrstuvw9\",\"offset\":44}");
    push = (struct sw_push){.kind = SW_PUSH_RESET, .name = SW_SLICE("a")};
    assert_push(&push, "{\"type\":\"reset\",\"topic\":\"a\",\"epoch\":\"0\",\"offset\":0}");
}

/* As a history is read: the members of a msg. */
static void kept_messages_are_these_bytes(void **state)
{
    (void)state;
    static const struct {
        struct sw_slice key, payload;
        uint64_t time_ms;
        const char *text;
    } rows[] = {
        {{"", 0}, {"[1]", 3}, 0, "{\"offset\":42,\"data\":[1]}"},
        {{"k\"", 2}, {"{}", 2}, 9, "{\"offset\":42,\"key\":\"k\\\"\",\"ts\":9,\"data\":{}}"},
        {{"", 0}, {"a\"\n", 3}, 0, "{\"offset\":42,\"text\":\"a\\\"\\n\"}"},
        {{"", 0}, {"\xff", 1}, 9, "{\"offset\":42,\"ts\":9,\"b64\":\"/w==\"}"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_message *message =
            sw_message_create(SW_SLICE("a"), rows[i].key, rows[i].payload, rows[i].time_ms, 0);
        struct sw_buf out = {0};
        sw_encode_kept(&out, message, 42);
        assert_string_equal(sw_buf_text(&out), rows[i].text);
        sw_buf_deinit(&out);
        sw_message_unref(message);
    }
}

/* Newer ones replace older ones by it, so what tells two messages of a topic and key apart is no
 * part of it. */
static void identity_is_the_topic_the_pattern_and_the_key(void **state)
{
    (void)state;
    static const char *const expected[] = {"a\\\"b\"", "a\\\"b\",\"key\":\"k\\\"1\"",
                                           "a\\\"b\",\"sub\":\"a.>\"",
                                           "a\\\"b\",\"sub\":\"a.>\",\"key\":\"k\\\"1\""};
    for (unsigned i = 0; i < 16; i++) {
        struct sw_message *message =
            sw_message_create(SW_SLICE("a\"b"), i & 1 ? SW_SLICE("k\"1") : SW_SLICE(""),
                              SW_SLICE("{\"key\":\"x\"}"), i & 4 ? 1700000000123 : 0, 0);
        struct sw_push push = {.kind = SW_PUSH_MESSAGE,
                               .name = i & 2 ? SW_SLICE("a.>") : SW_SLICE("a\"b"),
                               .pattern = i & 2,
                               .message = message,
                               .offset = i & 8 ? 42 : 0};
        char text[200];
        size_t size = (size_t)(sw_native_language.write(&push, text) - text);
        struct sw_slice identity = sw_native_language.identity(sw_slice(text, size));
        unit_assert_slice(identity, expected[i & 3]);
        size_t cut = (size_t)(identity.data + identity.size - text);
        char *exact = unit_exact_copy(text, cut);
        unit_assert_slice(sw_native_language.identity(sw_slice(exact, cut)), expected[i & 3]);
        free(exact);
        sw_message_unref(message);
    }
}

/* Valid UTF-8 with all that needs care, or any bytes. */
static struct sw_slice random_text(struct sw_random *random, char *out, size_t most, bool binary)
{
    static const char *const parts[] = {"a",
                                        "\"",
                                        "\\",
                                        "/",
                                        "\n",
                                        "\x01",
                                        "\x1f",
                                        "\x7f",
                                        "\xc3\xb6",
                                        "\xe2\x80\xa8",
                                        "\xf0\x9f\x98\x80",
                                        "<",
                                        ".",
                                        "\t"};
    size_t size = 0;
    for (uint64_t n = sw_random_below(random, most); n > 0; n--) {
        const char *part = parts[sw_random_below(random, SW_ARRAY_SIZE(parts))];
        if (size + strlen(part) > most) {
            break;
        }
        if (binary) {
            out[size++] = (char)sw_random_u64(random);
            continue;
        }
        memcpy(out + size, part, strlen(part));
        size += strlen(part);
    }
    return sw_slice(out, size);
}

/* For any push: as many bytes as announced, valid JSON, and one line of it. */
static void any_push_has_the_size_that_was_announced(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(1848);
    char topic[SW_TOPIC_BYTES];
    char key[SW_KEY_BYTES];
    char payload[2000];
    for (unsigned i = 0; i < 20000; i++) {
        size_t most = sw_random_below(&random, 4) ? 40 : sizeof(payload);
        struct sw_slice name = random_text(&random, topic, 1 + most % sizeof(topic), false);
        struct sw_message *message =
            sw_message_create(name, random_text(&random, key, sizeof(key), false),
                              random_text(&random, payload, most, i % 3 == 0),
                              sw_random_u64(&random) >> sw_random_below(&random, 64), 0);
        static const enum sw_push_kind kinds[] = {SW_PUSH_MESSAGE, SW_PUSH_DROPPED, SW_PUSH_MESSAGE,
                                                  SW_PUSH_EPOCH,   SW_PUSH_MESSAGE, SW_PUSH_RESET,
                                                  SW_PUSH_MESSAGE};
        struct sw_push push = {.kind = kinds[i % SW_ARRAY_SIZE(kinds)],
                               .name = name,
                               .pattern = i % 2,
                               .message = message,
                               .count = sw_random_u64(&random) >> sw_random_below(&random, 64),
                               .offset = sw_random_u64(&random) >> sw_random_below(&random, 64),
                               .from = i % 2 ? sw_random_u64(&random) : 0,
                               .to = sw_random_u64(&random),
                               .reason = (enum sw_shed)(i % SW_SHED_COUNT)};
        char epoch[SW_EPOCH_BYTES];
        memset(epoch, 'e', sizeof(epoch));
        sw_epoch_parse(sw_slice(epoch, i % (SW_EPOCH_BYTES + 1)), &push.epoch);
        size_t size = sw_native_language.size(&push);
        char *text = malloc(size);
        size_t breaks = 0;
        assert_ptr_equal(sw_native_language.write(&push, text), text + size);
        assert_int_equal(sw_json_validate(text, size, 4, &breaks), SW_JSON_OK);
        assert_int_equal(breaks, 0);
        free(text);
        sw_message_unref(message);
    }
}

/* ---- the control lane ---- */

static void assert_text(struct sw_buf *out, const char *expected)
{
    assert_string_equal(sw_buf_text(out), expected);
    assert_int_equal(sw_json_validate(out->data, out->size, 8, NULL), SW_JSON_OK);
    sw_buf_clear(out);
}

static void short_replies_are_these_bytes(void **state)
{
    (void)state;
    struct sw_buf out = {0};
    sw_encode_welcome(&out, &(struct sw_welcome){.session = SW_SLICE("s1"),
                                                 .node = SW_SLICE("n\"1"),
                                                 .publish = true,
                                                 .heartbeat_ms = 25000,
                                                 .frame_limit = 65536,
                                                 .topics_limit = 256});
    assert_text(&out, "{\"type\":\"welcome\",\"session\":\"s1\",\"node\":\"n\\\"1\","
                      "\"heartbeat_ms\":25000,\"limits\":{\"frame\":65536,\"topics\":256},"
                      "\"features\":[\"patterns\",\"publish\"]}");
    sw_encode_welcome(
        &out, &(struct sw_welcome){.id = 3, .session = SW_SLICE(""), .node = SW_SLICE("\xff")});
    assert_text(&out, "{\"type\":\"welcome\",\"id\":3,\"session\":\"\",\"node\":\"\xef\xbf\xbd\","
                      "\"heartbeat_ms\":0,\"limits\":{\"frame\":0,\"topics\":0},"
                      "\"features\":[\"patterns\"]}");
    sw_encode_welcome(&out, &(struct sw_welcome){.session = SW_SLICE("s1"),
                                                 .node = SW_SLICE("n1"),
                                                 .heartbeat_ms = 25000,
                                                 .history = true,
                                                 .tokens = true,
                                                 .expires_in = 3600});
    assert_text(&out, "{\"type\":\"welcome\",\"session\":\"s1\",\"node\":\"n1\","
                      "\"heartbeat_ms\":25000,\"expires_in\":3600,"
                      "\"limits\":{\"frame\":0,\"topics\":0},"
                      "\"features\":[\"patterns\",\"history\",\"refresh\"]}");
    sw_encode_refreshed(&out, 6, 3600);
    assert_text(&out, "{\"type\":\"refreshed\",\"id\":6,\"expires_in\":3600}");
    sw_encode_refreshed(&out, 0, 0);
    assert_text(&out, "{\"type\":\"refreshed\",\"expires_in\":0}");
    sw_encode_expiring(&out, 60000);
    assert_text(&out, "{\"type\":\"expiring\",\"in_ms\":60000}");
    sw_encode_pong(&out, 4);
    assert_text(&out, "{\"type\":\"pong\",\"id\":4}");
    sw_encode_pong(&out, 0);
    assert_text(&out, "{\"type\":\"pong\"}");
    sw_encode_hb(&out);
    assert_text(&out, "{\"type\":\"hb\"}");
    sw_encode_drain(&out, 500, 8000, 10000);
    assert_text(&out, "{\"type\":\"drain\",\"reason\":\"shutdown\",\"reconnect_ms\":[500,8000],"
                      "\"close_ms\":10000}");
    sw_encode_ended(&out, SW_SLICE("a.b"), SW_ERROR_BUS_UNAVAILABLE);
    assert_text(&out, "{\"type\":\"unsubscribed\",\"topics\":[\"a.b\"],"
                      "\"reason\":\"bus_unavailable\",\"retry\":true}");
    sw_encode_ended(&out, SW_SLICE("a"), SW_ERROR_FORBIDDEN);
    assert_text(&out, "{\"type\":\"unsubscribed\",\"topics\":[\"a\"],\"reason\":\"forbidden\","
                      "\"retry\":false}");
    sw_encode_unsubscribed_begin(&out, 0);
    sw_encode_unsubscribed_topic(&out, SW_SLICE("a"), true);
    sw_encode_unsubscribed_topic(&out, SW_SLICE("b.*"), false);
    sw_encode_revoked_end(&out);
    assert_text(&out, "{\"type\":\"unsubscribed\",\"topics\":[\"a\",\"b.*\"],"
                      "\"reason\":\"revoked\",\"retry\":false}");
    sw_buf_deinit(&out);
}

static void published_and_feed_are_these_bytes(void **state)
{
    (void)state;
    struct sw_buf out = {0};
    struct sw_position position = {0};
    sw_encode_published(&out, 9007199254740991, &position);
    assert_text(&out, "{\"type\":\"published\",\"id\":9007199254740991}");
    sw_encode_published(&out, 0, &position);
    assert_text(&out, "{\"type\":\"published\"}");
    sw_position_parse(SW_SLICE("Qx7:46"), &position);
    sw_encode_published(&out, 4, &position);
    assert_text(&out, "{\"type\":\"published\",\"id\":4,\"epoch\":\"Qx7\",\"offset\":46}");
    sw_encode_feed(&out, true, 1200, true);
    assert_text(&out, "{\"type\":\"feed\",\"state\":\"stale\",\"since_ms\":1200}");
    sw_encode_feed(&out, false, 1200, true);
    assert_text(&out, "{\"type\":\"feed\",\"state\":\"live\",\"gap\":true}");
    sw_encode_feed(&out, false, 0, false);
    assert_text(&out, "{\"type\":\"feed\",\"state\":\"live\",\"gap\":false}");
    sw_buf_deinit(&out);
}

static void replies_to_subscribe_are_these_bytes(void **state)
{
    (void)state;
    struct sw_buf out = {0};
    struct sw_buf entries = {0};
    sw_encode_subscribed_begin(&out, 0, false);
    sw_encode_subscribed_end(&out, sw_buf_slice(&entries));
    assert_text(&out, "{\"type\":\"subscribed\",\"subs\":[]}");
    sw_encode_subscribed_start(&entries, SW_SLICE("a.\"b"), &(struct sw_subscribed){0});
    sw_encode_subscribed_error(&entries, SW_SLICE("c"), SW_ERROR_BAD_TOPIC, "empty token", 0);
    sw_encode_subscribed_error(&entries, SW_SLICE("d"), SW_ERROR_BUS_UNAVAILABLE, NULL, 1500);
    sw_encode_subscribed_begin(&out, 2, true);
    sw_encode_subscribed_end(&out, sw_buf_slice(&entries));
    assert_text(&out,
                "{\"type\":\"subscribed\",\"id\":2,\"done\":true,\"subs\":["
                "{\"topic\":\"a.\\\"b\",\"recoverable\":false},"
                "{\"topic\":\"c\",\"error\":{\"code\":\"bad_topic\",\"message\":\"empty token\","
                "\"retry\":false}},"
                "{\"topic\":\"d\",\"error\":{\"code\":\"bus_unavailable\","
                "\"message\":\"the message bus is away\",\"retry\":true,\"retry_ms\":1500}}]}");
    sw_encode_unsubscribed_begin(&out, 5);
    sw_encode_unsubscribed_topic(&out, SW_SLICE("a"), true);
    sw_encode_unsubscribed_topic(&out, SW_SLICE("b\n"), false);
    sw_encode_unsubscribed_end(&out);
    assert_text(&out, "{\"type\":\"unsubscribed\",\"id\":5,\"topics\":[\"a\",\"b\\n\"]}");
    sw_encode_unsubscribed_begin(&out, 0);
    sw_encode_unsubscribed_end(&out);
    assert_text(&out, "{\"type\":\"unsubscribed\",\"topics\":[]}");
    sw_buf_deinit(&entries);
    sw_buf_deinit(&out);
}

static void starts_are_these_bytes(void **state)
{
    (void)state;
    static const struct {
        struct sw_subscribed start;
        const char *position;
        const char *text;
    } rows[] = {
        {{0}, NULL, "{\"topic\":\"a\",\"recoverable\":false}"},
        {{.has_last = true}, NULL, "{\"topic\":\"a\",\"recoverable\":false,\"replay\":0}"},
        {{.has_last = true, .replay = 1},
         NULL,
         "{\"topic\":\"a\",\"recoverable\":false,\"replay\":1}"},
        {{.has_from = true, .why = "no_history"},
         NULL,
         "{\"topic\":\"a\",\"recoverable\":false,\"resumed\":false,\"why\":\"no_history\"}"},
        {{0}, "Qx7:44", "{\"topic\":\"a\",\"epoch\":\"Qx7\",\"offset\":44}"},
        {{0}, "0:0", "{\"topic\":\"a\",\"epoch\":\"0\",\"offset\":0}"},
        {{.has_from = true, .resumed = true, .replay = 3},
         "Qx7:44",
         "{\"topic\":\"a\",\"epoch\":\"Qx7\",\"offset\":44,\"resumed\":true,\"replay\":3}"},
        {{.has_from = true, .resumed = true},
         "Qx7:44",
         "{\"topic\":\"a\",\"epoch\":\"Qx7\",\"offset\":44,\"resumed\":true,\"replay\":0}"},
        {{.has_from = true, .why = "epoch"},
         "Qx7:44",
         "{\"topic\":\"a\",\"epoch\":\"Qx7\",\"offset\":44,\"resumed\":false,\"why\":\"epoch\"}"},
        {{.has_last = true, .replay = 1},
         "Bb2:9",
         "{\"topic\":\"a\",\"epoch\":\"Bb2\",\"offset\":9,\"replay\":1}"},
    };
    struct sw_buf out = {0};
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_subscribed start = rows[i].start;
        if (rows[i].position) {
            start.positioned = sw_position_parse(sw_slice_of(rows[i].position), &start.position);
        }
        sw_encode_subscribed_start(&out, SW_SLICE("a"), &start);
        assert_text(&out, rows[i].text);
    }
    sw_encode_subscribed_start(&out, SW_SLICE("a"), &rows[0].start);
    sw_encode_subscribed_start(&out, SW_SLICE("b"), &rows[0].start);
    assert_string_equal(sw_buf_text(&out), "{\"topic\":\"a\",\"recoverable\":false},"
                                           "{\"topic\":\"b\",\"recoverable\":false}");
    sw_buf_deinit(&out);
}

static void errors_are_these_bytes(void **state)
{
    (void)state;
    struct sw_buf out = {0};
    sw_encode_error(&out, &(struct sw_encode_error){.error = SW_ERROR_TOO_LARGE});
    assert_text(&out, "{\"type\":\"error\",\"error\":{\"code\":\"too_large\","
                      "\"message\":\"too large\",\"retry\":false}}");
    sw_encode_error(&out, &(struct sw_encode_error){.error = SW_ERROR_BUS_UNAVAILABLE,
                                                    .id = 8,
                                                    .message = "say \"what\"",
                                                    .retry_ms = 1200,
                                                    .outcome_unknown = true});
    assert_text(&out, "{\"type\":\"error\",\"id\":8,\"error\":{\"code\":\"bus_unavailable\","
                      "\"message\":\"say \\\"what\\\"\",\"retry\":true,\"retry_ms\":1200,"
                      "\"outcome\":\"unknown\"}}");
    for (unsigned error = 0; error < SW_ERROR_COUNT; error++) {
        sw_encode_error_object(&out, &(struct sw_encode_error){.error = (enum sw_error)error});
        assert_int_equal(sw_json_validate(out.data, out.size, 2, NULL), SW_JSON_OK);
        sw_buf_clear(&out);
    }
    sw_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_these_bytes),
        cmocka_unit_test(dropped_is_these_bytes),
        cmocka_unit_test(positions_are_these_bytes),
        cmocka_unit_test(kept_messages_are_these_bytes),
        cmocka_unit_test(identity_is_the_topic_the_pattern_and_the_key),
        cmocka_unit_test(any_push_has_the_size_that_was_announced),
        cmocka_unit_test(short_replies_are_these_bytes),
        cmocka_unit_test(published_and_feed_are_these_bytes),
        cmocka_unit_test(replies_to_subscribe_are_these_bytes),
        cmocka_unit_test(starts_are_these_bytes),
        cmocka_unit_test(errors_are_these_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
