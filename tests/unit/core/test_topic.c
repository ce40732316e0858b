// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/buf.h"
#include "common/mem.h"
#include "core/topic.h"

static void assert_kind(struct sw_slice topic, enum sw_topic_kind kind, const char *why)
{
    const char *words = "";
    char *exact = unit_exact_copy(topic.data, topic.size);
    assert_int_equal(sw_topic_kind(sw_slice(exact, topic.size), '.', &words), kind);
    assert_int_equal(sw_topic_kind(sw_slice(exact, topic.size), '.', NULL), kind);
    if (why) {
        assert_string_equal(words, why);
    } else {
        assert_null(words);
    }
    free(exact);
}

static void names_without_wildcards_are_concrete(void **state)
{
    (void)state;
    static const char *const topics[] = {"orders.eu",
                                         "a",
                                         "user.42.inbox",
                                         "preise.gr\xc3\xb6\xc3\x9f"
                                         "e",
                                         "a:b/c",
                                         "-",
                                         "a.$b",
                                         "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(topics); i++) {
        assert_kind(sw_slice_of(topics[i]), SW_TOPIC_CONCRETE, NULL);
    }
}

static void wildcards_as_tokens_make_a_pattern(void **state)
{
    (void)state;
    static const char *const patterns[] = {"orders.*", "orders.>", "a.*.c.>", "a.*.*", "a.*.>"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(patterns); i++) {
        assert_kind(sw_slice_of(patterns[i]), SW_TOPIC_PATTERN, NULL);
    }
}

static void bad_names_say_why(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "empty token"},
        {".", "empty token"},
        {"a..b", "empty token"},
        {".a", "empty token"},
        {"a.", "empty token"},
        {"a.>.b", "'>' must be last"},
        {"a.>.>", "'>' must be last"},
        {"*", "first token must be literal"},
        {"*.a", "first token must be literal"},
        {">", "first token must be literal"},
        {"a.b*", "wildcard beside other characters"},
        {"a.**", "wildcard beside other characters"},
        {"a>.b", "wildcard beside other characters"},
        {"*a", "wildcard beside other characters"},
        {"a.>*", "wildcard beside other characters"},
        {"a{b", "control byte, space or brace"},
        {"a}b", "control byte, space or brace"},
        {"a b", "control byte, space or brace"},
        {"a\x1f", "control byte, space or brace"},
        {"a\x7f", "control byte, space or brace"},
        {"a\n", "control byte, space or brace"},
        {"a\xc2\x80", "control byte, space or brace"},
        {"a\xc2\x9f", "control byte, space or brace"},
        {"a\x80", "not UTF-8"},
        {"a\xc3", "not UTF-8"},
        {"\xed\xa0\x80", "not UTF-8"},
        {"$sys", "reserved ('$')"},
        {"$", "reserved ('$')"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        assert_kind(sw_slice_of(rows[i][0]), SW_TOPIC_BAD, rows[i][1]);
    }
    assert_kind(SW_SLICE("a\0b"), SW_TOPIC_BAD, "control byte, space or brace");
    assert_kind(sw_slice(NULL, 0), SW_TOPIC_BAD, "empty token");
}

static void name_has_at_most_255_bytes(void **state)
{
    (void)state;
    char name[256];
    memset(name, 'a', sizeof(name));
    assert_kind(sw_slice(name, 254), SW_TOPIC_CONCRETE, NULL);
    assert_kind(sw_slice(name, 255), SW_TOPIC_CONCRETE, NULL);
    assert_kind(sw_slice(name, 256), SW_TOPIC_BAD, "more than 255 bytes");
}

static void separator_is_the_nodes(void **state)
{
    (void)state;
    assert_int_equal(sw_topic_kind(SW_SLICE("a.*"), ':', NULL), SW_TOPIC_BAD);
    assert_int_equal(sw_topic_kind(SW_SLICE("a:*"), ':', NULL), SW_TOPIC_PATTERN);
    assert_int_equal(sw_topic_kind(SW_SLICE("a..b"), '/', NULL), SW_TOPIC_CONCRETE);
    assert_int_equal(sw_topic_kind(SW_SLICE("a//b"), '/', NULL), SW_TOPIC_BAD);
    assert_true(sw_topic_match(SW_SLICE("a/*/c"), SW_SLICE("a/b.x/c"), '/'));
    assert_false(sw_topic_match(SW_SLICE("a:*"), SW_SLICE("a.b"), ':'));
}

static void star_is_one_token_and_the_end_sign_one_or_more(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *topic;
        bool match;
    } rows[] = {
        {"orders.*", "orders", false},
        {"orders.*", "orders.a", true},
        {"orders.*", "orders.a.b", false},
        {"orders.*", "order.a", false},
        {"orders.>", "orders", false},
        {"orders.>", "orders.a", true},
        {"orders.>", "orders.a.b", true},
        {"orders.>", "orderss.a", false},
        {"a.*.c.>", "a.b.c.d", true},
        {"a.*.c.>", "a.b.c", false},
        {"a.*.c.>", "a.b.x.d", false},
        {"a.*.>", "a.b", false},
        {"a.*.>", "a.b.c.d.e", true},
        {"a.b", "a.b", true},
        {"a.b", "a.bc", false},
        {"a.bc", "a.b", false},
        {"a.b", "a.b.c", false},
        {"a.*.c", "a.long token.c", true},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        assert_int_equal(
            sw_topic_match(sw_slice_of(rows[i].pattern), sw_slice_of(rows[i].topic), '.'),
            rows[i].match);
    }
}

static void pattern_covers_all_or_nothing_of_another(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *inner;
        bool covers;
    } rows[] = {
        {"a.b", "a.b", true},      {"a.b", "a.*", false},     {"a.*", "a.b", true},
        {"a.*", "a.*", true},      {"a.*", "a.>", false},     {"a.>", "a.>", true},
        {"a.>", "a.*", true},      {"a.>", "a.b.*.c", true},  {"a.>", "a", false},
        {"a.*.>", "a.>", false},   {"a.*.>", "a.*.*", true},  {"a.*.>", "a.b.>", true},
        {"a.*.c", "a.*.*", false}, {"a.*.*", "a.*.>", false},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        assert_int_equal(
            sw_topic_covers(sw_slice_of(rows[i].pattern), sw_slice_of(rows[i].inner), '.'),
            rows[i].covers);
    }
}

/* ---- against a model that cuts names into arrays of tokens ---- */

#define MOST_TOKENS 6

struct tokens {
    const char *tokens[MOST_TOKENS];
    size_t count;
};

static bool model_match(const struct tokens *pattern, const struct tokens *topic)
{
    for (size_t i = 0; i < pattern->count; i++) {
        if (!strcmp(pattern->tokens[i], ">")) {
            return topic->count > i;
        }
        if (i >= topic->count ||
            (strcmp(pattern->tokens[i], "*") && strcmp(pattern->tokens[i], topic->tokens[i]))) {
            return false;
        }
    }
    return pattern->count == topic->count;
}

static struct sw_slice join(struct sw_buf *out, const struct tokens *tokens)
{
    sw_buf_clear(out);
    for (size_t i = 0; i < tokens->count; i++) {
        sw_buf_printf(out, "%s%s", i ? "." : "", tokens->tokens[i]);
    }
    return sw_buf_slice(out);
}

static void random_patterns_match_like_the_model(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(20260109);
    static const char *const words[] = {"a", "b", "ab", "*", "*", ">"};
    struct sw_buf pattern_text = {0};
    struct sw_buf topic_text = {0};
    unsigned matches = 0;
    for (int i = 0; i < 100000; i++) {
        struct tokens pattern = {.count = 1 + sw_random_below(&random, MOST_TOKENS)};
        struct tokens topic = {.count = 1 + sw_random_below(&random, MOST_TOKENS)};
        bool wild = false;
        for (size_t n = 0; n < pattern.count; n++) {
            uint64_t choices = n == 0 ? 3 : n + 1 == pattern.count ? 6 : 5;
            uint64_t word = sw_random_below(&random, choices);
            pattern.tokens[n] = words[word];
            wild = wild || word >= 3;
        }
        for (size_t n = 0; n < topic.count; n++) {
            topic.tokens[n] = words[sw_random_below(&random, 3)];
        }
        struct sw_slice by = join(&pattern_text, &pattern);
        struct sw_slice name = join(&topic_text, &topic);
        assert_kind(by, wild ? SW_TOPIC_PATTERN : SW_TOPIC_CONCRETE, NULL);
        assert_kind(name, SW_TOPIC_CONCRETE, NULL);
        bool expected = model_match(&pattern, &topic);
        assert_int_equal(sw_topic_match(by, name, '.'), expected);
        assert_int_equal(sw_topic_covers(by, name, '.'), expected); /* the name is concrete */
        matches += expected;
    }
    assert_true(matches > 1000);
    sw_buf_deinit(&pattern_text);
    sw_buf_deinit(&topic_text);
}

static void a_grant_may_begin_with_a_wildcard(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a.*", "a.>", ">", "*", "*.a", "*.>", "a.$b"};
    static const char *const bad[] = {"",     "a..b", ">.a",   "a.>.b", "a*",   "*a",
                                      "$a.b", "a b",  "a.{b}", "a.b\n", "\x80", "a."};
    for (size_t i = 0; i < SW_ARRAY_SIZE(good); i++) {
        assert_true(sw_topic_is_grantable(sw_slice_of(good[i]), '.'));
    }
    for (size_t i = 0; i < SW_ARRAY_SIZE(bad); i++) {
        assert_false(sw_topic_is_grantable(sw_slice_of(bad[i]), '.'));
    }
}

static void a_token_is_what_stands_between_separators(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "42", "a:b", "$a", "gr\xc3\xb6\xc3\x9f", "a-b_c"};
    static const char *const bad[] = {"",   "a.b", ".",  "*",    ">",     "a*",        "a>",
                                      "{a", "a}",  "a ", "a\tb", "a\x7f", "a\xc2\x85", "\xff"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(good); i++) {
        assert_true(sw_topic_is_token(sw_slice_of(good[i]), '.'));
    }
    for (size_t i = 0; i < SW_ARRAY_SIZE(bad); i++) {
        assert_false(sw_topic_is_token(sw_slice_of(bad[i]), '.'));
    }
    assert_true(sw_topic_is_token(SW_SLICE("a.b"), ':'));
    assert_false(sw_topic_is_token(SW_SLICE("a:b"), ':'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_without_wildcards_are_concrete),
        cmocka_unit_test(wildcards_as_tokens_make_a_pattern),
        cmocka_unit_test(bad_names_say_why),
        cmocka_unit_test(name_has_at_most_255_bytes),
        cmocka_unit_test(separator_is_the_nodes),
        cmocka_unit_test(star_is_one_token_and_the_end_sign_one_or_more),
        cmocka_unit_test(pattern_covers_all_or_nothing_of_another),
        cmocka_unit_test(random_patterns_match_like_the_model),
        cmocka_unit_test(a_grant_may_begin_with_a_wildcard),
        cmocka_unit_test(a_token_is_what_stands_between_separators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
