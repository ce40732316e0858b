// SPDX-License-Identifier: Apache-2.0
/* Topic rules in the file: what is read, refused, warned of and explained. */
#include "attempt.h"

/* A file with these rules. */
static struct attempt with_rules(char text[2048], const char *entries)
{
    int size = snprintf(text, 2048, "{\"topics\": [%s]}", entries);
    assert_in_range(size, 1, 2047);
    return (struct attempt){.file = text};
}

static void accept_rules(struct outcome *outcome, const char *entries)
{
    char text[2048];
    struct attempt attempt = with_rules(text, entries);
    accept_it(outcome, &attempt);
}

static void test_rules_are_read_in_order(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_rules(&outcome,
                 "{\"match\": \"a.b\"}, {\"match\": \"\\u0061.*\", \"mode\": \"latest\","
                 "\"modes_allowed\": [\"latest\"], \"max_hz\": 5, \"max_message_bytes\": 100,"
                 "\"client_publish\": false}, {\"match\": \"a.>\", \"mode\": \"disconnect\"}");
    const struct sw_rules *rules = &outcome.config.rules;
    const struct sw_rule *row = rules->rows;
    assert_int_equal(rules->count, 4);
    assert_int_equal(row[0].mode, SW_MODE_ALL);
    assert_int_equal(row[0].modes_allowed, SW_MODES_CHOICE);
    assert_int_equal(row[0].max_message_bytes, 262144);
    assert_int_equal(row[0].client_publish, -1);
    assert_memory_equal(row[1].match.data, "a.*", row[1].match.size);
    assert_int_equal(row[1].mode, SW_MODE_LATEST);
    assert_int_equal(row[1].modes_allowed, SW_MODE_BIT(SW_MODE_LATEST));
    assert_int_equal(row[1].max_hz, 5);
    assert_int_equal(row[1].max_message_bytes, 100);
    assert_int_equal(row[1].client_publish, 0);
    assert_int_equal(row[2].modes_allowed, SW_MODE_BIT(SW_MODE_DISCONNECT));
    assert_int_equal(row[3].match.size, 0);
    assert_int_equal(row[3].max_message_bytes, 262144);
    forget(&outcome);
    accept_rules(&outcome, "");
    assert_int_equal(outcome.config.rules.count, 1);
    forget(&outcome);
}

static void test_mode_is_what_is_allowed(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_rules(&outcome, "{\"match\": \"a\", \"modes_allowed\": [\"latest\"]},"
                           "{\"match\": \"b\", \"modes_allowed\": [\"latest\", \"all\"]},"
                           "{\"match\": \"c\", \"modes_allowed\": [\"disconnect\"]}");
    assert_int_equal(outcome.config.rules.rows[0].mode, SW_MODE_LATEST);
    assert_int_equal(outcome.config.rules.rows[1].mode, SW_MODE_ALL);
    assert_int_equal(outcome.config.rules.rows[2].mode, SW_MODE_DISCONNECT);
    forget(&outcome);
}

static const struct {
    const char *entries;
    const char *words;
} bad_rules[] = {
    {"7", ":1:13: topics[0]: a rule is an object"},
    {"{\"match\": \"a\"}, \"b\"", "topics[1]: a rule is an object"},
    {"{}", "topics[0]: \"match\" is missing"},
    {"{\"match\": 7}", ":1:23: topics[0]: \"match\" must be a string"},
    {"{\"match\": \"\"}", "\"match\" is empty"},
    {"{\"match\": \"a\\u0000\"}", "a NUL in a string"},
    {"{\"match\": \"a..b\"}", "topics[0] \"a..b\": \"match\" is no topic or pattern: empty token"},
    {"{\"match\": \">\"}", "first token must be literal"},
    {"{\"match\": \"a\", \"matches\": 1}", "unknown key \"matches\"; did you mean \"match\"?"},
    {"{\"match\": \"a\", \"maxhz\": 1}", "did you mean \"max_hz\"?"},
    {"{\"match\": \"a\", \"zzzzzzzzz\": 1}", "unknown key \"zzzzzzzzz\""},
    {"{\"match\": \"a\", \"match\": \"a\"}", ":1:28: topics[0]: \"match\" stands twice"},
    {"{\"match\": \"a\"}, {\"match\": \"a\"}", "topics[1] \"a\": this match stands in topics[0]"},
    {"{\"match\": \"a\", \"mode\": 1}", "\"mode\" must be a string"},
    {"{\"match\": \"a\", \"mode\": \"newest\"}",
     "unknown mode \"newest\"; it is all, latest or disconnect"},
    {"{\"match\": \"a\", \"modes_allowed\": \"all\"}", "must be an array of strings"},
    {"{\"match\": \"a\", \"modes_allowed\": [1]}", "must be an array of strings"},
    {"{\"match\": \"a\", \"modes_allowed\": []}", "\"modes_allowed\" is empty"},
    {"{\"match\": \"a\", \"modes_allowed\": [\"al\"]}", "unknown mode \"al\""},
    {"{\"match\": \"a\", \"modes_allowed\": [\"all\", \"all\"]}",
     "\"all\" stands twice in \"modes_allowed\""},
    {"{\"match\": \"a\", \"mode\": \"latest\", \"modes_allowed\": [\"all\"]}",
     "does not hold the rule's own mode \"latest\""},
    {"{\"match\": \"a\", \"mode\": \"disconnect\", \"modes_allowed\": [\"all\"]}",
     "does not hold the rule's own mode \"disconnect\""},
    {"{\"match\": \"a\", \"modes_allowed\": [\"all\", \"disconnect\"]}",
     "\"disconnect\" stands alone"},
    {"{\"match\": \"a\", \"max_hz\": 3}", "\"max_hz\" must be 1, 2, 5, 10 or 20"},
    {"{\"match\": \"a\", \"max_hz\": 0}", "\"max_hz\" must be 1, 2, 5, 10 or 20"},
    {"{\"match\": \"a\", \"max_hz\": \"5\"}", "\"max_hz\" must be 1, 2, 5, 10 or 20"},
    {"{\"match\": \"a\", \"mode\": \"disconnect\", \"max_hz\": 5}",
     "\"max_hz\" leaves messages out, which mode \"disconnect\" never does"},
    {"{\"match\": \"a\", \"max_message_bytes\": 0}", "a whole number above 0"},
    {"{\"match\": \"a\", \"max_message_bytes\": 1.5}", "a whole number above 0"},
    {"{\"match\": \"a\", \"max_message_bytes\": 262145}",
     "\"max_message_bytes\" (262145) is above the node's --max-message-bytes (262144)"},
    {"{\"match\": \"a\", \"client_publish\": 1}", "\"client_publish\" must be true or false"},
    {"{\"match\": \"a\", \"history\": true}",
     ":1:39: topics[0]: \"history\" must be an object: {\"size\": 100, \"ttl_ms\": 300000}"},
    {"{\"match\": \"a\", \"history\": {\"sizes\": 5}}",
     ":1:40: topics[0]: unknown key \"sizes\"; did you mean \"size\"?"},
    {"{\"match\": \"a\", \"history\": {\"ttl\": 5}}",
     "unknown key \"ttl\"; did you mean \"ttl_ms\"?"},
    {"{\"match\": \"a\", \"history\": {\"ttlms\": 5}}", "did you mean \"ttl_ms\"?"},
    {"{\"match\": \"a\", \"history\": {\"match\": 5}}", "unknown key \"match\""},
    {"{\"match\": \"a\", \"history\": {\"size\": 5, \"size\": 5}}", "\"size\" stands twice"},
    {"{\"match\": \"a\", \"history\": {\"size\": 100001}}",
     "\"size\" must be a whole number of messages, up to 100000"},
    {"{\"match\": \"a\", \"history\": {\"size\": -1}}", "\"size\" must be a whole number"},
    {"{\"match\": \"a\", \"history\": {\"size\": \"5\"}}", "\"size\" must be a whole number"},
    {"{\"match\": \"a\", \"history\": {\"size\": null}}", "\"size\" must be a whole number"},
    {"{\"match\": \"a\", \"history\": {\"ttl_ms\": 0}}",
     "\"ttl_ms\" must be a whole number of milliseconds, 1 to 2678400000 (31 days)"},
    {"{\"match\": \"a\", \"history\": {\"ttl_ms\": 2678400001}}", "1 to 2678400000"},
    {"{\"match\": \"a\", \"history\": {\"ttl_ms\": 1.5}}", "1 to 2678400000"},
    {"{\"match\": \"a\", \"retain\": 1}", "\"retain\" must be true or false"},
    {"{\"match\": \"a\", \"compress\": 1}", "\"compress\" must be true or false"},
    {"{\"match\": \"a\", \"history\": {}, \"retain\": true}",
     "\"retain\" is for topics without \"history\""},
    {"{\"match\": \"a\", \"retain\": true, \"retain_key\": 7}", "\"retain_key\" must be a string"},
    {"{\"match\": \"a\", \"retain\": true, \"retain_key\": \"a{topic}\\u0000\"}",
     "a NUL in a string"},
    {"{\"match\": \"a\", \"retain\": true, \"retain_key\": \"last\"}",
     "\"retain_key\" must have one {topic} where the topic stands, like \"last:{topic}\""},
    {"{\"match\": \"a\", \"retain\": true, \"retain_key\": \"\"}", "must have one {topic}"},
    {"{\"match\": \"a\", \"retain\": true, \"retain_key\": \"{topic}:{topic}\"}",
     "must have one {topic}"},
    {"{\"match\": \"a\", \"retain_key\": \"last:{topic}\"}",
     "\"retain_key\" means nothing without \"retain\": true"},
    {"{\"match\": \"a\", \"retain\": false, \"retain_key\": \"last:{topic}\"}",
     "\"retain_key\" means nothing without \"retain\": true"},
};

static void test_bad_rules(void **state)
{
    (void)state;
    char text[2048];
    for (size_t i = 0; i < SW_ARRAY_SIZE(bad_rules); i++) {
        struct attempt attempt = with_rules(text, bad_rules[i].entries);
        refuse(&attempt, bad_rules[i].words);
        refuse(&attempt, file_path);
    }
    refuse(ATTEMPT(.file = "{\"topics\": {}}"), ":1:12: \"topics\" must be an array of rules");
    refuse(ATTEMPT(.file = "{\"topics\": [], \"topics\": []}"), "\"topics\" stands twice");
    refuse(ATTEMPT(.file = "{\"topic\": []}"), "did you mean \"topics\"?");
    refuse(ATTEMPT(FLAGS("--topics", "[]")), "--topics is no flag: topic rules stand in the file");
}

static void test_what_is_kept_is_read(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_rules(&outcome,
                 "{\"match\": \"a\", \"history\": {}},"
                 "{\"match\": \"b\", \"history\": {\"size\": 100000, \"ttl_ms\": 2678400000}},"
                 "{\"match\": \"c.>\", \"mode\": \"latest\", \"history\": {\"ttl_ms\": 1},"
                 " \"retain\": false},"
                 "{\"match\": \"d\", \"history\": {\"size\": 0}, \"retain\": true},"
                 "{\"match\": \"e\", \"retain\": true, \"retain_key\": \"last:{\\u0074opic}\"}");
    const struct sw_rule *row = outcome.config.rules.rows;
    assert_int_equal(row[0].history_size, 100);
    assert_int_equal(row[0].history_ttl_ms, 300000);
    assert_false(row[0].retain);
    assert_int_equal(row[1].history_size, 100000);
    assert_int_equal(row[1].history_ttl_ms, 2678400000);
    assert_int_equal(row[2].history_size, 100);
    assert_int_equal(row[2].history_ttl_ms, 1);
    assert_int_equal(row[2].mode, SW_MODE_LATEST);
    assert_int_equal(row[3].history_size, 0);
    assert_true(row[3].retain);
    assert_int_equal(row[3].retain_key.size, 0);
    assert_true(row[4].retain);
    assert_int_equal(row[4].history_size, 0);
    assert_int_equal(row[4].retain_key.size, strlen("last:{topic}"));
    assert_memory_equal(row[4].retain_key.data, "last:{topic}", row[4].retain_key.size);
    assert_int_equal(row[5].history_size, 0);
    assert_false(row[5].retain);
    assert_true(sw_rules_keep_history(&outcome.config.rules));
    forget(&outcome);
    accept_rules(&outcome, "{\"match\": \"d\", \"history\": {\"size\": 0}}");
    assert_false(sw_rules_keep_history(&outcome.config.rules));
    forget(&outcome);
}

static void test_rules_follow_the_separator(void **state)
{
    (void)state;
    struct outcome outcome;
    struct attempt attempt = {.file = "{\"topics\": [{\"match\": \"a:*\"}]}",
                              FLAGS("--topic-separator", ":")};
    accept_it(&outcome, &attempt);
    assert_int_equal(outcome.config.rules.separator, ':');
    forget(&outcome);
    attempt.flags[0] = NULL;
    refuse(&attempt, "wildcard beside other characters");
}

static void test_rules_are_bounded(void **state)
{
    (void)state;
    struct sw_buf file = {0};
    sw_buf_append_slice(&file, SW_SLICE("{\"topics\": ["));
    for (int i = 0; i < SW_RULES; i++) {
        sw_buf_printf(&file, "%s{\"match\": \"r.%d\"}", i ? "," : "", i);
    }
    size_t most = file.size;
    sw_buf_append_slice(&file, SW_SLICE("]}"));
    struct outcome outcome;
    accept_it(&outcome, ATTEMPT(.file = sw_buf_text(&file)));
    assert_int_equal(outcome.config.rules.count, SW_RULES + 1);
    forget(&outcome);
    file.size = most;
    sw_buf_append_slice(&file, SW_SLICE(", {\"match\": \"more\"}]}"));
    refuse(ATTEMPT(.file = sw_buf_text(&file)), "topics[64]: more than 64 rules");
    sw_buf_deinit(&file);
}

static void test_rule_that_nothing_reaches_is_a_warning(void **state)
{
    (void)state;
    struct outcome outcome;
    struct sw_buf text = {0};
    accept_rules(&outcome, "{\"match\": \"a.b\"}, {\"match\": \"a.>\"}, {\"match\": \"a.*.c\"}");
    sw_config_warnings(&outcome.config, &text);
    assert_string_equal(sw_buf_text(&text), "topics[2] \"a.*.c\" is never reached: topics[1] "
                                            "\"a.>\" covers it; put it before that one\n");
    sw_buf_deinit(&text);
    forget(&outcome);
}

static void test_key_of_redis_without_redis_is_a_warning(void **state)
{
    (void)state;
    struct outcome outcome;
    struct sw_buf text = {0};
    struct attempt attempt = {.file = "{\"topics\": [{\"match\": \"a\", \"retain\": true},"
                                      "{\"match\": \"b\", \"retain\": true,"
                                      " \"retain_key\": \"{topic}\"}]}"};
    accept_it(&outcome, &attempt);
    sw_config_warnings(&outcome.config, &text);
    assert_string_equal(sw_buf_text(&text),
                        "topics[1] \"b\": \"retain_key\" is a key of Redis, and --bus memory has "
                        "none: what was never published here is not found\n");
    sw_buf_clear(&text);
    forget(&outcome);
    attempt.flags[0] = (char[]){"--bus"};
    attempt.flags[1] = (char[]){"redis://127.0.0.1:1"};
    accept_it(&outcome, &attempt);
    sw_config_warnings(&outcome.config, &text);
    assert_int_equal(text.size, 0);
    sw_buf_deinit(&text);
    forget(&outcome);
}

static void assert_explained(const struct sw_config *config, const char *name, const char *words)
{
    struct sw_buf text = {0};
    assert_true(sw_config_explain(config, sw_slice_of(name), &text));
    if (!strstr(sw_buf_text(&text), words)) {
        fail_msg("\"%s\" expected, said \"%s\"", words, sw_buf_text(&text));
    }
    sw_buf_deinit(&text);
}

static void test_explains_which_rule_counts(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_rules(&outcome, "{\"match\": \"a.b\"}, {\"match\": \"a.*\", \"mode\": \"latest\","
                           "\"max_hz\": 5, \"client_publish\": true}");
    const struct sw_config *config = &outcome.config;
    assert_explained(config, "a.b", "topic \"a.b\" falls under topics[0] \"a.b\", the first that");
    assert_explained(config, "a.c", "topics[1] \"a.*\", the first that matches\n  mode ");
    assert_explained(config, "a.c", "  max_hz             5\n");
    assert_explained(config, "a.c", "  client_publish     true\n  history            none\n");
    assert_explained(config, "a.c",
                     "  retain             false\nnot topics[0] \"a.b\", which does");
    assert_explained(config, "a.*",
                     "pattern \"a.*\" falls under topics[1] \"a.*\", the first that covers");
    assert_explained(config, "a.>", "the default rule\n");
    assert_explained(config, "a.>", "not topics[1] \"a.*\", which does not cover all of it\n");
    struct sw_buf why = {0};
    assert_false(sw_config_explain(config, SW_SLICE("a..b"), &why));
    assert_string_equal(sw_buf_text(&why), "empty token");
    sw_buf_deinit(&why);
    forget(&outcome);
}

static void test_explains_what_is_kept_and_what_it_costs(void **state)
{
    (void)state;
    struct outcome outcome;
    accept_rules(&outcome, "{\"match\": \"h.>\", \"history\": {}}");
    assert_explained(&outcome.config, "h.*", "memory\nits topics have positions, the pattern has");
    forget(&outcome);
    accept_rules(&outcome, "{\"match\": \"a\", \"history\": {\"size\": 7, \"ttl_ms\": 2000},"
                           " \"max_message_bytes\": 100}, {\"match\": \"b\", \"history\": {}},"
                           "{\"match\": \"c\", \"retain\": true, \"retain_key\": \"l:{topic}\"}");
    assert_explained(&outcome.config, "a",
                     "  history            7 messages, until 2000 ms after the last\n"
                     "                     of each topic that is read at most 700 bytes in this "
                     "node's memory\n");
    assert_explained(&outcome.config, "b", "at most 8388608 bytes in this node's memory\nnot");
    assert_explained(&outcome.config, "c",
                     "  history            none\n  retain             true\n"
                     "  retain_key         l:{topic}\n");
    assert_explained(&outcome.config, "d",
                     "  history            none\n  retain             false\n");
    forget(&outcome);
    struct attempt attempt = {.file = "{\"topics\": [{\"match\": \"b\", \"history\": {}}]}",
                              FLAGS("--bus", "redis://127.0.0.1:1")};
    accept_it(&outcome, &attempt);
    assert_explained(&outcome.config, "b",
                     "memory\n                     of each topic at most "
                     "26214400 bytes in Redis\n");
    forget(&outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_are_read_in_order),
        cmocka_unit_test(test_mode_is_what_is_allowed),
        cmocka_unit_test(test_what_is_kept_is_read),
        cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_rules_follow_the_separator),
        cmocka_unit_test(test_rules_are_bounded),
        cmocka_unit_test(test_rule_that_nothing_reaches_is_a_warning),
        cmocka_unit_test(test_key_of_redis_without_redis_is_a_warning),
        cmocka_unit_test(test_explains_which_rule_counts),
        cmocka_unit_test(test_explains_what_is_kept_and_what_it_costs),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
