// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/buf.h"
#include "common/mem.h"
#include "protocol/command.h"
#include "transport/ws_query.h"

#include <stdio.h>

#define BEGIN "{\"type\":\"subscribe\",\"subs\":["
#define END   "]}"

static void assert_query(const char *query, const char *expected, const char *why)
{
    char *copy = unit_exact_copy(query, strlen(query));
    struct sw_buf text = {0};
    const char *said = sw_ws_query_subscribe(sw_slice(copy, strlen(query)), &text);
    free(copy);
    assert_string_equal(sw_buf_text(&text), expected);
    assert_string_equal(said ? said : "", why ? why : "");
    if (text.size) {
        assert_int_equal(sw_command_parse(sw_buf_slice(&text)).kind, SW_COMMAND_SUBSCRIBE);
    }
    sw_buf_deinit(&text);
}

static void topics_become_a_subscribe(void **state)
{
    (void)state;
    assert_query("", "", NULL);
    assert_query("other=1&mode=latest&last=3", "", NULL);
    assert_query("topic=a", BEGIN "{\"topic\":\"a\"}" END, NULL);
    assert_query("topic=a.%3E&x&topic=b%22", BEGIN "{\"topic\":\"a.>\"},{\"topic\":\"b\\\"\"}" END,
                 NULL);
    assert_query("topic=%zz&topic=%ff", BEGIN "{\"topic\":\"\"},{\"topic\":\"\"}" END, NULL);
}

static void wishes_are_those_of_every_topic(void **state)
{
    (void)state;
    assert_query("topic=a&mode=latest&topic=b&max_hz=5",
                 BEGIN "{\"topic\":\"a\",\"mode\":\"latest\",\"max_hz\":5},"
                       "{\"topic\":\"b\",\"mode\":\"latest\",\"max_hz\":5}" END,
                 NULL);
    assert_query("last=1&topic=a", BEGIN "{\"topic\":\"a\",\"last\":1}" END, NULL);
    /* what is none is refused in the entry, as what it says */
    assert_query("topic=a&max_hz=-1&last=1x", BEGIN "{\"topic\":\"a\",\"max_hz\":0,\"last\":0}" END,
                 NULL);
    assert_query("topic=a&last=99999999999", BEGIN "{\"topic\":\"a\",\"last\":0}" END, NULL);
    assert_query("topic=a&last=", BEGIN "{\"topic\":\"a\",\"last\":0}" END, NULL);
}

static void positions_go_to_their_topics(void **state)
{
    (void)state;
    assert_query("topic=a&topic=b&from=a@Qx7:44",
                 BEGIN "{\"topic\":\"a\",\"from\":{\"epoch\":\"Qx7\",\"offset\":44}},"
                       "{\"topic\":\"b\"}" END,
                 NULL);
    assert_query("from=b%40c@0:0&topic=a&from=a%40Zz1%3A9007199254740991&topic=b@c",
                 BEGIN "{\"topic\":\"a\",\"from\":{\"epoch\":\"Zz1\",\"offset\":9007199254740991}},"
                       "{\"topic\":\"b@c\",\"from\":{\"epoch\":\"0\",\"offset\":0}}" END,
                 NULL);
    /* a topic that stands twice has it once */
    assert_query("topic=a&topic=a&from=a@Qx7:44",
                 BEGIN "{\"topic\":\"a\",\"from\":{\"epoch\":\"Qx7\",\"offset\":44}},"
                       "{\"topic\":\"a\"}" END,
                 NULL);
}

static void bad_positions_are_said(void **state)
{
    (void)state;
    static const char what[] =
        "a \"from\" is a topic and a position of it, like from=orders.eu@Qx7:44";
    static const char *const bad[] = {
        "from=",           "from",           "from=a",
        "from=@Qx7:44",    "from=a@",        "from=a@Qx7",
        "from=a@Qx7:",     "from=a@:44",     "from=a@Q-7:44",
        "from=a@Qx7:-1",   "from=a@Qx7:4.5", "from=a@Qx7:9007199254740992",
        "from=a@Qx7:044",  "from=a@Qx7:44 ", "from=a%4",
        "from=Qx7:44",     "from=a@Qx7:44@", "from=a@abcdefghijklmnopqrstuvwxy:1",
        "from=a@Qx7:44:1",
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(bad); i++) {
        char query[100];
        snprintf(query, sizeof(query), "topic=a&topic=b&%s", bad[i]);
        assert_query(query, "", what);
        snprintf(query, sizeof(query), "topic=a&from=b@Qx7:1&%s&topic=b", bad[i]);
        assert_query(query, "", what);
    }
    assert_query("topic=a&from=b@Qx7:44", "",
                 "a \"from\" is of a topic that no \"topic\" asks for");
    assert_query("topic=a&topic=b&from=a@Qx7:44&from=a@Qx7:45", "",
                 "a topic has more than one \"from\"");
    assert_query("from=a@Qx7:44", "", "there are more \"from\" than \"topic\"");
    assert_query("topic=a&from=a@Qx7:44&from=b@Qx7:44", "",
                 "there are more \"from\" than \"topic\"");
}

/* Whatever a stranger sends, it is a subscribe or refused, and nothing is read beyond it. */
static void damaged_queries_are_survived(void **state)
{
    (void)state;
    static const char line[] = "topic=a.b&topic=c&from=a.b%40Qx7:44&from=c@0:0&last=1&mode=all";
    struct sw_random random = unit_seeded(8459);
    for (unsigned i = 0; i < 30000; i++) {
        char *text = unit_exact_copy(line, sizeof(line) - 1);
        for (uint64_t n = 1 + sw_random_below(&random, 3); n > 0; n--) {
            text[sw_random_below(&random, sizeof(line) - 1)] =
                "@:&=%4+a\xff\"\\"[sw_random_below(&random, 11)];
        }
        size_t size =
            sw_random_below(&random, 3) ? sizeof(line) - 1 : sw_random_below(&random, sizeof(line));
        char *exact = unit_exact_copy(text, size);
        struct sw_buf subscribe = {0};
        const char *why = sw_ws_query_subscribe(sw_slice(exact, size), &subscribe);
        assert_true(!why || !subscribe.size);
        if (subscribe.size) {
            assert_int_equal(sw_command_parse(sw_buf_slice(&subscribe)).kind, SW_COMMAND_SUBSCRIBE);
        }
        sw_buf_deinit(&subscribe);
        free(exact);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_become_a_subscribe),
        cmocka_unit_test(wishes_are_those_of_every_topic),
        cmocka_unit_test(positions_go_to_their_topics),
        cmocka_unit_test(bad_positions_are_said),
        cmocka_unit_test(damaged_queries_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
