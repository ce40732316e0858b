// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/mem.h"
#include "transport/sse_query.h"

#include <stdio.h>

#define SUBSCRIBE(subs) "{\"type\":\"subscribe\",\"subs\":[" subs "]}"
/* A position beyond every stream. */
#define FOREIGN "\"from\":{\"epoch\":\"0\",\"offset\":9007199254740991}"

struct row {
    const char *query;
    const char *last_event_id; /* NULL: no such header */
    const char *text;
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sw_buf text = {0};
        struct sw_sse_cursor cursor;
        const char *why = NULL;
        char *query = unit_exact_copy(rows[i].query, strlen(rows[i].query));
        assert_int_equal(sw_sse_query_subscribe(sw_slice(query, strlen(rows[i].query)),
                                                sw_slice_of(rows[i].last_event_id), &text, &cursor,
                                                &why),
                         SW_ERROR_NONE);
        assert_string_equal(sw_buf_text(&text), rows[i].text);
        sw_buf_deinit(&text);
        free(query);
    }
}

static void topics_keep_their_order_and_their_wishes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"topic=a", NULL, SUBSCRIBE("{\"topic\":\"a\"}")},
        {"topic=b&x=1&topic=a.%3E", NULL, SUBSCRIBE("{\"topic\":\"b\"},{\"topic\":\"a.>\"}")},
        {"topic=a&mode=latest&topic=b", NULL,
         SUBSCRIBE("{\"topic\":\"a\",\"mode\":\"latest\"},{\"topic\":\"b\",\"mode\":\"latest\"}")},
        {"max_hz=5&topic=a", NULL, SUBSCRIBE("{\"topic\":\"a\",\"max_hz\":5}")},
        {"max_hz=x&topic=a", NULL, SUBSCRIBE("{\"topic\":\"a\",\"max_hz\":0}")},
        {"topic=a&last=3", NULL, SUBSCRIBE("{\"topic\":\"a\",\"last\":3}")},
        /* what is no text at all is told as a topic that is none */
        {"topic=%ff&topic=%zz&topic=", NULL,
         SUBSCRIBE("{\"topic\":\"\"},{\"topic\":\"\"},{\"topic\":\"\"}")},
        {"topic=%22%2C%22x", NULL, SUBSCRIBE("{\"topic\":\"\\\",\\\"x\"}")},
    };
    check(rows, SW_ARRAY_SIZE(rows));
}

static void a_cursor_has_a_field_for_each_topic(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"topic=a&from=Qx7:44", NULL,
         SUBSCRIBE("{\"topic\":\"a\",\"from\":{\"epoch\":\"Qx7\",\"offset\":44}}")},
        {"from=Qx7%3A44%2C-%2C0:0&topic=a&topic=b&topic=c", NULL,
         SUBSCRIBE("{\"topic\":\"a\",\"from\":{\"epoch\":\"Qx7\",\"offset\":44}},{\"topic\":\"b\"},"
                   "{\"topic\":\"c\",\"from\":{\"epoch\":\"0\",\"offset\":0}}")},
        {"topic=a&topic=b&from=-,-", NULL, SUBSCRIBE("{\"topic\":\"a\"},{\"topic\":\"b\"}")},
        {"topic=a&from=", NULL, SUBSCRIBE("{\"topic\":\"a\"}")},
        /* `last` is for who comes for the first time */
        {"topic=a&topic=b&from=-,Q:1&last=1", NULL,
         SUBSCRIBE("{\"topic\":\"a\",\"last\":1},"
                   "{\"topic\":\"b\",\"from\":{\"epoch\":\"Q\",\"offset\":1}}")},
    };
    check(rows, SW_ARRAY_SIZE(rows));
}

static void the_browser_wins_over_the_url(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"topic=a&from=Qx7:44", "Qx7:50",
         SUBSCRIBE("{\"topic\":\"a\",\"from\":{\"epoch\":\"Qx7\",\"offset\":50}}")},
        {"topic=a&from=Qx7:44", "-", SUBSCRIBE("{\"topic\":\"a\"}")},
        {"topic=a&from=Qx7:44", "",
         SUBSCRIBE("{\"topic\":\"a\",\"from\":{\"epoch\":\"Qx7\",\"offset\":44}}")},
        {"topic=a&from=garbage", "-", SUBSCRIBE("{\"topic\":\"a\"}")},
    };
    check(rows, SW_ARRAY_SIZE(rows));
}

static void a_foreign_cursor_of_the_browser_resumes_nothing(void **state)
{
    (void)state;
    static const char *const cursors[] = {
        "Qx7:1,Qx7:2,Qx7:3",          "Qx7:1", "Qx7:1,", "Qx7:1,garbage",
        "Qx7:1,Qx7:9007199254740992", "42"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(cursors); i++) {
        struct row row = {"topic=a&topic=b", cursors[i],
                          SUBSCRIBE("{\"topic\":\"a\"," FOREIGN "},{\"topic\":\"b\"," FOREIGN "}")};
        check(&row, 1);
    }
}

static void refuse(const char *query, enum sw_error error, const char *words)
{
    struct sw_buf text = {0};
    struct sw_sse_cursor cursor;
    const char *why = NULL;
    assert_int_equal(
        sw_sse_query_subscribe(sw_slice_of(query), sw_slice(NULL, 0), &text, &cursor, &why), error);
    assert_non_null(strstr(why, words));
    assert_int_equal(text.size, 0);
    sw_buf_deinit(&text);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    struct sw_buf query = {0};
    refuse("", SW_ERROR_BAD_REQUEST, "topic=");
    refuse("mode=latest&Topic=a", SW_ERROR_BAD_REQUEST, "topic=");
    static const char *const cursors[] = {
        "Qx7:1", "Qx7:1,Qx7:2,Qx7:3", "Qx7:1,",   ",",   "a@Q:1",
        "-,-1",  "-,Q:0x10",          "Q:1, Q:2", "%zz", "-,Q:1%4"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(cursors); i++) {
        sw_buf_clear(&query);
        sw_buf_printf(&query, "topic=a&topic=b&from=%s", cursors[i]);
        refuse(sw_buf_text(&query), SW_ERROR_BAD_REQUEST, "\"from\"");
    }
    sw_buf_clear(&query);
    for (unsigned i = 0; i < SW_STREAM_TOPICS; i++) {
        sw_buf_printf(&query, "topic=t%u&", i);
    }
    struct sw_buf text = {0};
    struct sw_sse_cursor cursor;
    const char *why = NULL;
    assert_int_equal(
        sw_sse_query_subscribe(sw_buf_slice(&query), sw_slice(NULL, 0), &text, &cursor, &why),
        SW_ERROR_NONE);
    assert_non_null(strstr(sw_buf_text(&text), "\"t31\""));
    sw_buf_deinit(&text);
    sw_buf_append_slice(&query, SW_SLICE("topic=a"));
    refuse(sw_buf_text(&query), SW_ERROR_TOO_MANY_TOPICS, "32");
    sw_buf_deinit(&query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_keep_their_order_and_their_wishes),
        cmocka_unit_test(a_cursor_has_a_field_for_each_topic),
        cmocka_unit_test(the_browser_wins_over_the_url),
        cmocka_unit_test(a_foreign_cursor_of_the_browser_resumes_nothing),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
