// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/mem.h"
#include "transport/raw_query.h"

static void assert_problem(const char *query, const char *words)
{
    char *copy = unit_exact_copy(query, strlen(query));
    const char *problem = sw_raw_query_problem(sw_slice(copy, strlen(query)), '.');
    free(copy);
    assert_int_equal(problem != NULL, words != NULL);
    if (words && !strstr(problem, words)) {
        fail_msg("%s: %s, and not of %s", query, problem, words);
    }
}

static void one_concrete_topic_and_nothing_that_cannot_be_answered(void **state)
{
    (void)state;
    assert_problem("raw=1&topic=orders.eu", NULL);
    assert_problem("topic=orders.eu&other=1", NULL);
    assert_problem("topic=a&last=1", NULL);
    assert_problem("topic=a&last=100000", NULL);
    assert_problem("", "exactly one topic");
    assert_problem("topic=a&topic=a", "exactly one topic");
    assert_problem("topic=a.*", "pattern");
    assert_problem("topic=a.%3E", "pattern");
    assert_problem("topic=", "");
    assert_problem("topic=%zz", "");
    assert_problem("topic=$a", "");
    assert_problem("topic=a&from=a@Qx7:1", "from");
    assert_problem("topic=a&mode=all", "mode");
    assert_problem("topic=a&max_hz=1", "max_hz");
    assert_problem("topic=a&last=0", "last");
    assert_problem("topic=a&last=100001", "last");
    assert_problem("topic=a&last=", "last");
    assert_problem("topic=a&last=-1", "last");
}

static void raw_is_one_or_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        bool asks;
        bool wrong;
    } rows[] = {
        {"", false, false},         {"topic=a", false, false}, {"raw=1", true, false},
        {"a&raw=1&b", true, false}, {"raw", false, true},      {"raw=0", false, true},
        {"raw=11", false, true},    {"raw=%zz", false, true},  {"raws=1", false, false},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        const char *why = NULL;
        assert_int_equal(sw_raw_query_asks(sw_slice_of(rows[i].query), &why), rows[i].asks);
        assert_int_equal(why != NULL, rows[i].wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_concrete_topic_and_nothing_that_cannot_be_answered),
        cmocka_unit_test(raw_is_one_or_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
