// SPDX-License-Identifier: Apache-2.0
/* A reader that builds arrays: what it builds must not depend on how the bytes came, and keeps so
 * many bytes and no more. */
#include "bus/redis/reader.h"

#include "common/mem.h"

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT 48 /* of a bulk string */
#define KEPT  20 /* of an array's strings */

static const struct {
    const char *bytes;
    const char *events;
    bool ends; /* the link is of no use behind it */
} tables[] = {
    {"+OK\r\n:5\r\n-ERR no\r\n+PONG\r\n", "status OK;integer 5;error ERR no;pong;", false},
    {"$3\r\nabc\r\n$0\r\n\r\n$-1\r\n", "bulk abc;bulk ;bulk nil;", false},
    {"*0\r\n*-1\r\n", "array [];bulk nil;", false},
    {"*2\r\n$1\r\na\r\n$-1\r\n", "array [a nil];", false},
    {"*3\r\n:1\r\n-ERR x\r\n+OK\r\n:2\r\n", "array [1 !ERR x OK];integer 2;", false},
    {"*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nm\r\n$1\r\nx\r\n*0\r\n", "array [[1-0 [m x]] []];",
     false},
    /* Subscriptions are answers like others. */
    {"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n", "array [message a x];", false},
    /* What no longer fits is nil, and all that follows: nothing small stands behind a hole. */
    {"*3\r\n$8\r\n12345678\r\n$12\r\n123456789012\r\n$1\r\nx\r\n",
     "array [12345678 123456789012 nil];", false},
    {"*3\r\n$9\r\n123456789\r\n$12\r\n123456789012\r\n$1\r\nx\r\n*1\r\n$1\r\ny\r\n",
     "array [123456789 nil nil];array [y];", false},
    {"*1\r\n$49\r\n", "too_large 49;", true},
    {"*2\r\n*1\r\n$1\r\nx\r\n$49\r\n", "too_large 49;", true},
    {"$49\r\n", "too_large 49;", true},
    {":1\r\n*4097\r\n", "integer 1;too_large 4097;", true},
    {"*2\r\n*100000\r\n", "too_large 100000;", true},
    {"*1\r\n%1\r\n", "", true},
};

static void put_reply(struct sw_buf *out, const redisReply *reply)
{
    if (!reply) {
        sw_buf_printf(out, "null");
        return;
    }
    switch (reply->type) {
    case REDIS_REPLY_ARRAY:
        sw_buf_printf(out, "[");
        for (size_t i = 0; i < reply->elements; i++) {
            sw_buf_printf(out, i > 0 ? " " : "");
            put_reply(out, reply->element[i]);
        }
        sw_buf_printf(out, "]");
        break;
    case REDIS_REPLY_INTEGER:
        sw_buf_printf(out, "%lld", reply->integer);
        break;
    case REDIS_REPLY_NIL:
        sw_buf_printf(out, "nil");
        break;
    default:
        sw_buf_printf(out, "%s%.*s", reply->type == REDIS_REPLY_ERROR ? "!" : "", (int)reply->len,
                      reply->str);
        break;
    }
}

static void on_event(void *owner, const struct sw_redis_event *event)
{
    struct sw_buf *said = owner;
    switch (event->kind) {
    case SW_REDIS_ARRAY:
        sw_buf_printf(said, "array ");
        put_reply(said, event->array);
        break;
    case SW_REDIS_BULK:
        sw_buf_printf(said, "bulk %.*s", event->text.data ? (int)event->text.size : 3,
                      event->text.data ? event->text.data : "nil");
        break;
    case SW_REDIS_INTEGER:
        sw_buf_printf(said, "integer %lld", event->number);
        break;
    case SW_REDIS_TOO_LARGE:
        assert_null(event->channel.data);
        sw_buf_printf(said, "too_large %lld", event->number);
        break;
    case SW_REDIS_STATUS:
        sw_buf_printf(said, "status %.*s", SW_SLICE_ARG(event->text));
        break;
    case SW_REDIS_ERROR:
        sw_buf_printf(said, "error %.*s", SW_SLICE_ARG(event->text));
        break;
    case SW_REDIS_PONG:
        sw_buf_printf(said, "pong");
        break;
    case SW_REDIS_MESSAGE:
    case SW_REDIS_PMESSAGE:
    case SW_REDIS_SUBSCRIBED:
    case SW_REDIS_UNSUBSCRIBED:
    case SW_REDIS_PSUBSCRIBED:
    case SW_REDIS_PUNSUBSCRIBED:
    case SW_REDIS_OTHER:
        fail_msg("event %d", event->kind);
    }
    sw_buf_append_byte(said, ';');
}

/* In pieces of `step` bytes. */
static void tells(const char *bytes, size_t step, const char *wanted, bool ends)
{
    struct sw_buf said = {0};
    struct sw_redis_reader reader;
    sw_redis_reader_init(&reader, LIMIT, on_event, &said);
    sw_redis_reader_build(&reader, KEPT);
    bool good = true;
    size_t size = strlen(bytes);
    for (size_t at = 0; at < size && good; at += step) {
        good = sw_redis_reader_feed(&reader, bytes + at, size - at < step ? size - at : step);
    }
    assert_string_equal(sw_buf_text(&said), wanted);
    assert_int_equal(good, !ends);
    sw_redis_reader_deinit(&reader);
    sw_buf_deinit(&said);
}

static void what_is_built_does_not_depend_on_the_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < SW_ARRAY_SIZE(tables); i++) {
        for (size_t step = 1; step <= strlen(tables[i].bytes); step++) {
            tells(tables[i].bytes, step, tables[i].events, tables[i].ends);
        }
    }
}

static void what_was_begun_is_freed_and_forgotten_at_a_reset(void **state)
{
    (void)state;
    struct sw_buf said = {0};
    struct sw_redis_reader reader;
    sw_redis_reader_init(&reader, LIMIT, on_event, &said);
    sw_redis_reader_build(&reader, KEPT);
    static const char half[] = "*2\r\n*1\r\n$1\r\nx\r\n$5\r\nab";
    assert_true(sw_redis_reader_feed(&reader, half, sizeof(half) - 1));
    sw_redis_reader_reset(&reader);
    assert_true(sw_redis_reader_feed(&reader, "*1\r\n:7\r\n", 8));
    assert_string_equal(sw_buf_text(&said), "array [7];");
    sw_redis_reader_deinit(&reader);
    sw_buf_deinit(&said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_built_does_not_depend_on_the_pieces),
        cmocka_unit_test(what_was_begun_is_freed_and_forgotten_at_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
