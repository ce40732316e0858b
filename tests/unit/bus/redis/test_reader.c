// SPDX-License-Identifier: Apache-2.0
/* What the reader tells must not depend on how the bytes came. */
#include "../../common/mutate.h"

#include "bus/redis/reader.h"
#include "common/mem.h"

#include <stdio.h>

#define LIMIT 48

static const char *const words[] = {
    [SW_REDIS_MESSAGE] = "message",
    [SW_REDIS_PMESSAGE] = "pmessage",
    [SW_REDIS_SUBSCRIBED] = "subscribed",
    [SW_REDIS_UNSUBSCRIBED] = "unsubscribed",
    [SW_REDIS_PSUBSCRIBED] = "psubscribed",
    [SW_REDIS_PUNSUBSCRIBED] = "punsubscribed",
    [SW_REDIS_PONG] = "pong",
    [SW_REDIS_STATUS] = "status",
    [SW_REDIS_INTEGER] = "integer",
    [SW_REDIS_ERROR] = "error",
    [SW_REDIS_OTHER] = "other",
    [SW_REDIS_TOO_LARGE] = "too_large",
    [SW_REDIS_BULK] = "bulk",
    [SW_REDIS_ARRAY] = "array",
};

struct table {
    const char *bytes;
    const char *events; /* what is told, each with a ';' */
    bool ends;          /* the link is of no use behind it */
};

static const struct table tables[] = {
    {"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n", "message a hello;", false},
    {"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$0\r\n\r\n", "message a ;", false},
    {"*3\r\n$7\r\nmessage\r\n$0\r\n\r\n$1\r\nx\r\n", "message  x;", false},
    {"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$6\r\n1\r\n2\r\n\r\n", "message a 1\r\n2\r\n;", false},
    {"*4\r\n$8\r\npmessage\r\n$3\r\na.*\r\n$3\r\na.b\r\n$2\r\nhi\r\n", "pmessage a.* a.b hi;",
     false},
    {"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n",
     "subscribed a 1;subscribed b 2;", false},
    {"*3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:1\r\n", "psubscribed a* 1;", false},
    {"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n", "unsubscribed a 0;", false},
    {"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", "unsubscribed (nil) 0;", false},
    {"*3\r\n$12\r\npunsubscribe\r\n$2\r\na*\r\n:0\r\n", "punsubscribed a* 0;", false},
    {"*2\r\n$4\r\npong\r\n$3\r\n123\r\n", "pong 123;", false},
    {"*2\r\n$4\r\npong\r\n$0\r\n\r\n", "pong ;", false},
    {"+PONG\r\n$3\r\n123\r\n", "pong ;pong 123;", false},
    {"+OK\r\n:1\r\n:-7\r\n", "status OK;integer 1;integer -7;", false},
    {"-NOPERM no\r\n-ERR\r\n", "error NOPERM no;error ERR;", false},
    {"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n-ERR "
     "x\r\n*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$1\r\n"
     "2\r\n",
     "message a 1;error ERR x;message b 2;", false},
    /* What nobody asked for is told once, and what follows is read right. */
    {"*0\r\n+OK\r\n", "other;status OK;", false},
    {"*-1\r\n+OK\r\n", "other;status OK;", false},
    {"$-1\r\n+OK\r\n", "other;status OK;", false},
    {"*2\r\n$7\r\nmessage\r\n$1\r\na\r\n+OK\r\n", "other;status OK;", false},
    {"*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nx\r\n+OK\r\n", "other;status OK;", false},
    {"*3\r\n:1\r\n:2\r\n$-1\r\n+OK\r\n", "other;status OK;", false},
    {"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n:5\r\n+OK\r\n", "other;status OK;", false},
    {"*3\r\n$7\r\nmessage\r\n$-1\r\n$1\r\nx\r\n+OK\r\n", "other;status OK;", false},
    {"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n$1\r\n1\r\n+OK\r\n", "other;status OK;", false},
    {"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n$-1\r\n+OK\r\n", "other;status OK;", false},
    {"*2\r\n*1\r\n$1\r\nx\r\n:1\r\n+OK\r\n", "other;status OK;", false},
    {"*2\r\n*2\r\n*1\r\n:1\r\n*0\r\n*1\r\n*0\r\n+OK\r\n", "other;status OK;", false},
    /* A bulk string above the limit is told as soon as its size is known. */
    {"+OK\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$49\r\n", "status OK;too_large a 49;", true},
    {"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$"
     "48\r\n123456789012345678901234567890123456789012345678\r\n",
     "message a 123456789012345678901234567890123456789012345678;", false},
    {"*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$2\r\nab\r\n$1000000000\r\n",
     "too_large a* ab 1000000000;", true},
    {"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n$99\r\n", "message a 1;too_large (nil) 99;",
     true},
    {"*3\r\n$7\r\nmessage\r\n$99\r\n", "too_large (nil) 99;", true},
    {"*3\r\n$99\r\n", "too_large (nil) 99;", true},
    /* No RESP2. */
    {"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$049\r\n", "", true},
    {"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$49\r1\r\n", "", true},
    {"+OK\r\n%1\r\n", "status OK;", true},
    {"HTTP/1.1 400 Bad Request\r\n", "", true},
    {"$x\r\n", "", true},
};

struct ear {
    struct sw_buf said;
    struct sw_redis_reader *reader;
    unsigned stop_after;
    unsigned events;
};

static void on_event(void *owner, const struct sw_redis_event *event)
{
    struct ear *ear = owner;
    struct sw_buf *out = &ear->said;
    bool names = event->kind <= SW_REDIS_PUNSUBSCRIBED || event->kind == SW_REDIS_TOO_LARGE;
    bool acks = event->kind >= SW_REDIS_SUBSCRIBED && event->kind <= SW_REDIS_PUNSUBSCRIBED;
    sw_buf_printf(out, "%s", words[event->kind]);
    if (event->pattern.data) {
        sw_buf_printf(out, " %.*s", SW_SLICE_ARG(event->pattern));
    }
    if (names) {
        sw_buf_printf(out, " %.*s", event->channel.data ? (int)event->channel.size : 5,
                      event->channel.data ? event->channel.data : "(nil)");
    }
    if (acks || event->kind == SW_REDIS_INTEGER || event->kind == SW_REDIS_TOO_LARGE) {
        sw_buf_printf(out, " %lld", event->number);
    } else if (event->kind != SW_REDIS_OTHER) {
        sw_buf_printf(out, " %.*s", (int)event->text.size,
                      event->text.size > 0 ? event->text.data : "");
    }
    sw_buf_append_byte(out, ';');
    if (++ear->events == ear->stop_after) {
        sw_redis_reader_stop(ear->reader);
    }
}

/* Feeds a copy of its own size, so that a read behind it is seen. */
static bool feed(struct sw_redis_reader *reader, const char *data, size_t size)
{
    char *copy = sw_alloc(size + 1);
    memcpy(copy, data, size);
    char *exact = sw_realloc(copy, size > 0 ? size : 1);
    bool goes_on = sw_redis_reader_feed(reader, exact, size);
    sw_free(exact);
    return goes_on;
}

static void check(const struct table *table, size_t first, size_t step)
{
    struct sw_redis_reader reader;
    struct ear ear = {.reader = &reader};
    size_t size = strlen(table->bytes);
    bool goes_on = true;
    sw_redis_reader_init(&reader, LIMIT, on_event, &ear);
    for (size_t at = 0, piece = first; at < size && goes_on; at += piece, piece = step) {
        piece = piece < size - at ? piece : size - at;
        goes_on = feed(&reader, table->bytes + at, piece);
        if (!goes_on) {
            break;
        }
    }
    if (strcmp(sw_buf_text(&ear.said), table->events) != 0 || goes_on == table->ends) {
        fail_msg("%s\ncut at %zu and by %zu: %s (%s)", table->bytes, first, step,
                 sw_buf_text(&ear.said), reader.why);
    }
    assert_int_equal(table->ends, reader.why[0] != '\0');
    sw_redis_reader_deinit(&reader);
    sw_buf_deinit(&ear.said);
}

static void replies_are_told_the_same_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < SW_ARRAY_SIZE(tables); i++) {
        size_t size = strlen(tables[i].bytes);
        check(&tables[i], size, size);
        check(&tables[i], 1, 1);
        for (size_t cut = 1; cut < size; cut++) {
            check(&tables[i], cut, size);
            check(&tables[i], cut, 3);
        }
    }
}

static void all_replies_in_one_stream_are_told_the_same(void **state)
{
    (void)state;
    struct sw_buf bytes = {0};
    struct sw_buf events = {0};
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < SW_ARRAY_SIZE(tables); i++) {
            if (!tables[i].ends) {
                sw_buf_printf(&bytes, "%s", tables[i].bytes);
                sw_buf_printf(&events, "%s", tables[i].events);
            }
        }
    }
    struct table all = {.bytes = sw_buf_text(&bytes), .events = sw_buf_text(&events)};
    static const size_t steps[] = {1, 2, 7, 100, 1000, 1023, 1024, 1025, 16384, 1u << 20};
    for (size_t i = 0; i < SW_ARRAY_SIZE(steps); i++) {
        check(&all, steps[i], steps[i]);
    }
    sw_buf_deinit(&bytes);
    sw_buf_deinit(&events);
}

static void a_size_above_the_limit_that_comes_with_its_bytes_is_refused_too(void **state)
{
    (void)state;
    struct sw_buf bytes = {0};
    sw_buf_printf(&bytes, "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$60\r\n%060d\r\n+OK\r\n", 7);
    struct table table = {sw_buf_text(&bytes), "too_large a 60;", true};
    check(&table, bytes.size, bytes.size);
    check(&table, 1, 1);
    sw_buf_deinit(&bytes);
}

static void a_line_without_an_end_is_given_up(void **state)
{
    (void)state;
    struct sw_redis_reader reader;
    struct ear ear = {.reader = &reader};
    char junk[1024];
    size_t total = 0;
    memset(junk, '+', sizeof(junk));
    sw_redis_reader_init(&reader, LIMIT, on_event, &ear);
    while (feed(&reader, junk, sizeof(junk))) {
        total += sizeof(junk);
        assert_true(total < 1u << 20);
    }
    assert_string_equal(reader.why, "a reply without an end");
    sw_redis_reader_deinit(&reader);
}

static void a_stopped_reader_says_nothing_more_until_it_is_reset(void **state)
{
    (void)state;
    struct sw_redis_reader reader;
    struct ear ear = {.reader = &reader, .stop_after = 2};
    sw_redis_reader_init(&reader, LIMIT, on_event, &ear);
    assert_false(feed(&reader, ":1\r\n:2\r\n:3\r\n:4\r\n", 16));
    assert_false(feed(&reader, ":5\r\n", 4));
    assert_string_equal(sw_buf_text(&ear.said), "integer 1;integer 2;");
    assert_string_equal(reader.why, "");
    sw_redis_reader_reset(&reader);
    assert_true(feed(&reader, "*3\r\n$7\r\nmessage\r\n$1\r\na", 23));
    sw_redis_reader_reset(&reader);
    assert_true(feed(&reader, ":6\r\n", 4));
    assert_string_equal(sw_buf_text(&ear.said), "integer 1;integer 2;integer 6;");
    sw_redis_reader_deinit(&reader);
    sw_buf_deinit(&ear.said);
}

static void a_channel_longer_than_any_topic_is_cut(void **state)
{
    (void)state;
    struct sw_redis_reader reader;
    struct ear ear = {.reader = &reader};
    struct sw_buf bytes = {0};
    sw_redis_reader_init(&reader, 100000, on_event, &ear);
    sw_buf_printf(&bytes, "*3\r\n$7\r\nmessage\r\n$50000\r\n%050000d\r\n$1\r\nx\r\n", 0);
    assert_true(feed(&reader, bytes.data, bytes.size));
    assert_int_equal(ear.said.size, strlen("message  x;") + SW_REDIS_NAME_BYTES);
    sw_redis_reader_deinit(&reader);
    sw_buf_deinit(&ear.said);
    sw_buf_deinit(&bytes);
}

/* What is told of the bytes in pieces of `step`, and how it ended; the caller frees it. */
static struct sw_buf told(struct sw_slice bytes, size_t step)
{
    struct sw_redis_reader reader;
    struct ear ear = {.reader = &reader};
    bool goes_on = true;
    sw_redis_reader_init(&reader, LIMIT, on_event, &ear);
    for (size_t at = 0; at < bytes.size && goes_on; at += step) {
        goes_on = feed(&reader, bytes.data + at, step < bytes.size - at ? step : bytes.size - at);
    }
    sw_buf_printf(&ear.said, " %d %s", goes_on, reader.why);
    sw_redis_reader_deinit(&reader);
    return ear.said;
}

static void any_bytes_are_told_the_same_however_they_are_cut(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(6379);
    for (unsigned run = 0; run < 20000; run++) {
        struct sw_buf bytes = {0};
        for (int i = 0; i < 4; i++) {
            const struct table *table = &tables[sw_random_below(&random, SW_ARRAY_SIZE(tables))];
            sw_buf_append_slice(&bytes, sw_slice_of(table->bytes));
        }
        unit_mutate(&random, &bytes);
        struct sw_slice slice = sw_buf_slice(&bytes);
        struct sw_buf whole = told(slice, slice.size);
        struct sw_buf cut = told(slice, 1 + run % 20);
        if (whole.size != cut.size || memcmp(whole.data, cut.data, cut.size) != 0) {
            fail_msg("%.*s\nwhole: %s\ncut by %u: %s", SW_SLICE_ARG(slice), sw_buf_text(&whole),
                     1 + run % 20, sw_buf_text(&cut));
        }
        sw_buf_deinit(&whole);
        sw_buf_deinit(&cut);
        sw_buf_deinit(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_told_the_same_however_they_are_cut),
        cmocka_unit_test(all_replies_in_one_stream_are_told_the_same),
        cmocka_unit_test(a_size_above_the_limit_that_comes_with_its_bytes_is_refused_too),
        cmocka_unit_test(a_line_without_an_end_is_given_up),
        cmocka_unit_test(a_stopped_reader_says_nothing_more_until_it_is_reset),
        cmocka_unit_test(a_channel_longer_than_any_topic_is_cut),
        cmocka_unit_test(any_bytes_are_told_the_same_however_they_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
