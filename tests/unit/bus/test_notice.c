// SPDX-License-Identifier: Apache-2.0
/* What nodes tell each other: what is taken, what is ignored, and that what is said is understood.
 */
#include "../common/unit.h"

#include "bus/notice.h"
#include "common/mem.h"

#include <stdio.h>

/* The bytes end where AddressSanitizer sees it. */
static struct sw_notice *read_bytes(const char *data, size_t size)
{
    char *copy = unit_exact_copy(data, size);
    struct sw_notice *notice = sw_notice_read(sw_slice(copy, size), '.');
    free(copy);
    return notice;
}

static struct sw_notice *read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}

#define HEAD   "{\"v\":1,\"kind\":\"disconnect\",\"from\":\"n1\",\"id\":\"r7\""
#define ANSWER "{\"v\":1,\"kind\":\"disconnected\",\"from\":\"n1\",\"id\":\"r7\""

static void an_order_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *rest;
        enum sw_selector by;
        const char *name;
        uint16_t code;
        const char *words;
    } rows[] = {
        {",\"session\":\"GoePSY8UC0x\"}", SW_BY_SESSION, "GoePSY8UC0x", 0, ""},
        {",\"user\":\"al\\u00efce 7\",\"code\":1008}", SW_BY_USER,
         "al\xc3\xaf"
         "ce 7",
         1008, ""},
        {",\"topic\":\"a.*\",\"code\":4999,\"reason\":\"b\\ty\"", SW_BY_TOPIC, NULL, 0, ""},
        {",\"topic\":\"a.>\",\"code\":3000,\"reason\":\"by\\\"e\"}", SW_BY_TOPIC, "a.>", 3000,
         "by\"e"},
        {",\"topic\":\"a\",\"reason\":\"\",\"later\":{\"deep\":[1,{}]}} ", SW_BY_TOPIC, "a", 0, ""},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        char text[256];
        snprintf(text, sizeof(text), HEAD "%s", rows[i].rest);
        struct sw_notice *notice = read_text(text);
        if (!rows[i].name) {
            assert_null(notice);
            continue;
        }
        assert_non_null(notice);
        assert_int_equal(notice->kind, SW_NOTICE_DISCONNECT);
        assert_string_equal(notice->from, "n1");
        assert_string_equal(notice->id, "r7");
        assert_int_equal(notice->disconnect.by, rows[i].by);
        assert_int_equal(notice->disconnect.code, rows[i].code);
        unit_assert_slice(sw_disconnect_name(&notice->disconnect), rows[i].name);
        unit_assert_slice(sw_disconnect_words(&notice->disconnect), rows[i].words);
        sw_notice_destroy(notice);
    }
}

static void an_answer_is_read(void **state)
{
    (void)state;
    struct sw_notice *notice = read_text(ANSWER ",\"count\":4294967295,\"partial\":true}");
    assert_non_null(notice);
    assert_int_equal(notice->kind, SW_NOTICE_DISCONNECTED);
    assert_int_equal(notice->count, UINT32_MAX);
    assert_true(notice->partial);
    sw_notice_destroy(notice);
    notice = read_text(ANSWER ",\"count\":0}");
    assert_non_null(notice);
    assert_false(notice->partial);
    sw_notice_destroy(notice);
}

static void anything_else_is_ignored(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "{",
        "null",
        "[]",
        "garbage",
        "\x1e"
        "1;;k=a\x1e" HEAD ",\"topic\":\"a\"}",
        HEAD "}",
        HEAD ",\"topic\":\"a\"}x",
        HEAD ",\"topic\":\"a\",\"user\":\"b\"}",
        HEAD ",\"topic\":\"a\",\"topic\":\"a\"}",
        HEAD ",\"topic\":\"\xff\"}",
        /* a version that is none, or not ours */
        "{\"kind\":\"disconnect\",\"from\":\"n1\",\"id\":\"r7\",\"topic\":\"a\"}",
        "{\"v\":0,\"kind\":\"disconnect\",\"from\":\"n1\",\"id\":\"r7\",\"topic\":\"a\"}",
        "{\"v\":2,\"kind\":\"disconnect\",\"from\":\"n1\",\"id\":\"r7\",\"topic\":\"a\"}",
        "{\"v\":1.0,\"kind\":\"disconnect\",\"from\":\"n1\",\"id\":\"r7\",\"topic\":\"a\"}",
        "{\"v\":\"1\",\"kind\":\"disconnect\",\"from\":\"n1\",\"id\":\"r7\",\"topic\":\"a\"}",
        /* a kind likewise */
        "{\"v\":1,\"kind\":\"revoke\",\"from\":\"n1\",\"id\":\"r7\",\"topic\":\"a\"}",
        "{\"v\":1,\"kind\":\"disconnec\",\"from\":\"n1\",\"id\":\"r7\",\"topic\":\"a\"}",
        "{\"v\":1,\"kind\":7,\"from\":\"n1\",\"id\":\"r7\",\"topic\":\"a\"}",
        /* ids that would be something else in a channel's name or in the log */
        "{\"v\":1,\"kind\":\"disconnect\",\"from\":\"\",\"id\":\"r7\",\"topic\":\"a\"}",
        "{\"v\":1,\"kind\":\"disconnect\",\"from\":\"n 1\",\"id\":\"r7\",\"topic\":\"a\"}",
        "{\"v\":1,\"kind\":\"disconnect\",\"from\":\"n\\u0041\",\"id\":\"r7\",\"topic\":\"a\"}",
        "{\"v\":1,\"kind\":\"disconnect\",\"from\":\"n1\",\"id\":\"12345678901234567\","
        "\"topic\":\"a\"}",
        "{\"v\":1,\"kind\":\"disconnect\",\"from\":\"n1\",\"id\":7,\"topic\":\"a\"}",
        "{\"v\":1,\"kind\":\"disconnect\",\"from\":null,\"id\":\"r7\",\"topic\":\"a\"}",
        /* orders that no operator could give */
        HEAD ",\"topic\":\"a..b\"}",
        HEAD ",\"topic\":\"$nodes\"}",
        HEAD ",\"topic\":\"*\"}",
        HEAD ",\"topic\":7}",
        HEAD ",\"user\":\"\"}",
        HEAD ",\"user\":\"a\\u0000b\"}",
        HEAD ",\"user\":\"a\\u0085b\"}",
        HEAD ",\"user\":\"a\",\"code\":999}",
        HEAD ",\"user\":\"a\",\"code\":1005}",
        HEAD ",\"user\":\"a\",\"code\":1015}",
        HEAD ",\"user\":\"a\",\"code\":2999}",
        HEAD ",\"user\":\"a\",\"code\":5000}",
        HEAD ",\"user\":\"a\",\"code\":70536}",
        HEAD ",\"user\":\"a\",\"code\":\"4000\"}",
        HEAD ",\"user\":\"a\",\"reason\":7}",
        HEAD ",\"user\":\"a\",\"reason\":\"a\\nb\"}",
        /* answers */
        ANSWER "}",
        ANSWER ",\"count\":-1}",
        ANSWER ",\"count\":4294967296}",
        ANSWER ",\"count\":\"3\"}",
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_notice *notice = read_text(rows[i]);
        if (notice) {
            fail_msg("taken: %s", rows[i]);
        }
    }
}

/* A user of `count` bytes. */
static struct sw_notice *read_user(size_t count)
{
    char text[512];
    int at = snprintf(text, sizeof(text), HEAD ",\"user\":\"");
    memset(text + at, 'x', count);
    snprintf(text + at + count, sizeof(text) - (size_t)at - count, "\"}");
    return read_text(text);
}

static void what_is_too_large_is_ignored(void **state)
{
    (void)state;
    struct sw_notice *notice = read_user(SW_USER_BYTES);
    assert_non_null(notice);
    sw_notice_destroy(notice);
    assert_null(read_user(SW_USER_BYTES + 1));

    char text[SW_NOTICE_BYTES + 2];
    int size = snprintf(text, sizeof(text), HEAD ",\"topic\":\"a\"}");
    memset(text + size, ' ', sizeof(text) - (size_t)size);
    notice = read_bytes(text, SW_NOTICE_BYTES);
    assert_non_null(notice);
    sw_notice_destroy(notice);
    assert_null(read_bytes(text, SW_NOTICE_BYTES + 1));
}

/* Whatever was cut off or changed on the way: nothing is read beyond it, and nothing of it is half
 * taken. */
static void any_bytes_are_read_safely(void **state)
{
    (void)state;
    static const char good[] = HEAD ",\"user\":\"al\\u00efce\",\"code\":4001,\"reason\":\"bye\"}";
    struct sw_random random = unit_seeded(20);
    for (size_t size = 0; size < sizeof(good) - 1; size++) {
        assert_null(read_bytes(good, size));
    }
    for (unsigned i = 0; i < 20000; i++) {
        char text[sizeof(good)];
        memcpy(text, good, sizeof(good));
        for (uint64_t n = 1 + sw_random_below(&random, 3); n > 0; n--) {
            text[sw_random_below(&random, sizeof(good) - 1)] = (char)sw_random_below(&random, 256);
        }
        struct sw_notice *notice = read_bytes(text, sizeof(good) - 1);
        if (notice) {
            assert_int_equal(notice->kind, SW_NOTICE_DISCONNECT);
            assert_in_range(notice->disconnect.size, 1, SW_USER_BYTES);
        }
        sw_notice_destroy(notice);
    }
}

static struct sw_slice said_on(const struct sw_publish *publish)
{
    assert_true(publish->notice);
    return sw_publish_topic(publish);
}

static void what_is_said_is_understood(void **state)
{
    (void)state;
    struct sw_notice order = {.kind = SW_NOTICE_DISCONNECT, .from = "n1", .id = "r7"};
    order.disconnect = (struct sw_disconnect){.by = SW_BY_USER, .code = 4999, .size = 255};
    memset(order.disconnect.name, '"', 255);
    memset(order.disconnect.words, '\\', SW_CLOSE_WORDS);
    order.disconnect.words_size = SW_CLOSE_WORDS;
    struct sw_publish *publish = sw_notice_publish(&order, NULL);
    unit_assert_slice(said_on(publish), "$nodes");
    struct sw_notice *notice = sw_notice_read(sw_publish_payload(publish), '.');
    assert_non_null(notice);
    assert_string_equal(notice->from, "n1");
    assert_string_equal(notice->id, "r7");
    assert_int_equal(notice->disconnect.code, 4999);
    assert_memory_equal(notice->disconnect.name, order.disconnect.name, 255);
    assert_int_equal(notice->disconnect.words_size, SW_CLOSE_WORDS);
    assert_memory_equal(notice->disconnect.words, order.disconnect.words, SW_CLOSE_WORDS);
    sw_notice_destroy(notice);
    sw_publish_destroy(publish);

    struct sw_notice answer = {
        .kind = SW_NOTICE_DISCONNECTED, .from = "n2", .id = "r7", .count = 12, .partial = true};
    publish = sw_notice_publish(&answer, "n1");
    unit_assert_slice(said_on(publish), "$node.n1");
    unit_assert_slice(sw_publish_payload(publish),
                      "{\"v\":1,\"kind\":\"disconnected\",\"from\":\"n2\",\"id\":\"r7\","
                      "\"count\":12,\"partial\":true}");
    sw_publish_destroy(publish);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_is_read),          cmocka_unit_test(an_answer_is_read),
        cmocka_unit_test(anything_else_is_ignored),  cmocka_unit_test(what_is_too_large_is_ignored),
        cmocka_unit_test(any_bytes_are_read_safely), cmocka_unit_test(what_is_said_is_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
