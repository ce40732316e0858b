// SPDX-License-Identifier: Apache-2.0
/* The flags of the small subcommands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"

struct parsed {
    const char *url;
    bool json;
    bool help;
    struct sw_buf error;
};

static bool parse(struct parsed *parsed, int *argc, char **argv)
{
    *parsed = (struct parsed){0};
    const struct sw_option options[] = {
        {"--url", "URL", "where", &parsed->url, NULL},
        {"--json", NULL, "how", NULL, &parsed->json},
        {"--help", NULL, "this", NULL, &parsed->help},
        {"--token", NULL, NULL, NULL, NULL},
        {0},
    };
    return sw_options_parse(options, argc, argv, &parsed->error);
}

static void test_good(void **state)
{
    (void)state;
    struct parsed parsed;
    char *argv[] = {"a", "--url", "x", "b", "--json", "--", "--url", "-h"};
    int argc = 8;
    assert_true(parse(&parsed, &argc, argv));
    assert_int_equal(argc, 4);
    assert_string_equal(argv[0], "a");
    assert_string_equal(argv[1], "b");
    assert_string_equal(argv[2], "--url");
    assert_string_equal(argv[3], "-h");
    assert_string_equal(parsed.url, "x");
    assert_true(parsed.json);
    assert_false(parsed.help);
    char *other[] = {"--url=y=z", "-5", "-h"};
    argc = 3;
    assert_true(parse(&parsed, &argc, other));
    assert_int_equal(argc, 1);
    assert_string_equal(other[0], "-5");
    assert_string_equal(parsed.url, "y=z");
    assert_true(parsed.help);
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        char *word;
        const char *words;
    } cases[] = {
        {"--ulr", "unknown flag --ulr; did you mean --url?\n"},
        {"--tokn", "unknown flag --tokn\n"},
        {"--nothing-like-it", "unknown flag --nothing-like-it\n"},
        {"--url", "--url needs a value: URL\n"},
        {"--url=", "--url needs a value: URL\n"},
        {"--json=1", "--json takes no value\n"},
        {"--token", "--token is not supported by this version\n"},
        {"--token=x", "--token is not supported by this version\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct parsed parsed;
        char *argv[] = {cases[i].word};
        int argc = 1;
        assert_false(parse(&parsed, &argc, argv));
        assert_string_equal(sw_buf_text(&parsed.error), cases[i].words);
        sw_buf_deinit(&parsed.error);
    }
}

static void test_repeated(void **state)
{
    (void)state;
    const char *topics[SW_OPTION_REPEATS + 1] = {0};
    const char *user = NULL;
    const struct sw_option options[] = {
        {"--topic", "TOPIC...", "which", topics, NULL},
        {"--user", "S", "who", &user, NULL},
        {0},
    };
    struct sw_buf error = {0};
    char *argv[] = {"--topic", "a", "--user", "x", "--topic=b", "--user", "y"};
    int argc = 7;
    assert_true(sw_options_parse(options, &argc, argv, &error));
    assert_string_equal(topics[0], "a");
    assert_string_equal(topics[1], "b");
    assert_null(topics[2]);
    assert_string_equal(user, "y");
    char *more[SW_OPTION_REPEATS];
    for (size_t i = 0; i < SW_OPTION_REPEATS; i++) {
        more[i] = "--topic=c";
    }
    argc = SW_OPTION_REPEATS - 2;
    assert_true(sw_options_parse(options, &argc, more, &error));
    assert_string_equal(topics[SW_OPTION_REPEATS - 1], "c");
    assert_null(topics[SW_OPTION_REPEATS]);
    more[0] = "--topic=d";
    argc = 1;
    assert_false(sw_options_parse(options, &argc, more, &error));
    assert_string_equal(sw_buf_text(&error), "--topic stands more than 64 times\n");
    sw_buf_deinit(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
