// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/json.h"
#include "common/mem.h"

#include <stdio.h>

static enum sw_json_verdict verdict(struct sw_slice text, unsigned max_depth, size_t *breaks)
{
    char *exact = unit_exact_copy(text.data, text.size);
    enum sw_json_verdict found = sw_json_validate(exact, text.size, max_depth, breaks);
    free(exact);
    return found;
}

static void assert_verdict(struct sw_slice text, enum sw_json_verdict expected)
{
    enum sw_json_verdict found = verdict(text, 512, NULL);
    if (found != expected) {
        print_error("%.*s\n", SW_SLICE_ARG(text));
    }
    assert_int_equal(found, expected);
}

static const char *const valid_texts[] = {
    "0",
    "-0",
    "12",
    "-12.50",
    "1e5",
    "1E+05",
    "0.0e-0",
    "true",
    "false",
    "null",
    "\"\"",
    "[]",
    "{}",
    " \t\r\n[ \n]\r ",
    "[1,2 , 3]",
    "{\"a\":1}",
    " { \"a\" : [ { } , [ ] ] , \"\" : null } ",
    "\"plain\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0000\\uABCD\\uabcd\\uD7FF\\uE000\"",
    "\"\\ud83d\\ude00\"",
    "\"\x7f\"",
    "\"gr\xc3\xb6\xc3\x9f"
    "e \xe2\x82\xac \xf0\x9f\x98\x80\"",
    "{\"a\":1,\"a\":2}",
    "[[[[[[[[]]]]]]]]",
    "123456789012345678901234567890",
    "\"a long string that spans several words of eight bytes\"",
};

static void valid_texts_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < SW_ARRAY_SIZE(valid_texts); i++) {
        assert_verdict(sw_slice_of(valid_texts[i]), SW_JSON_OK);
    }
}

static const char *const invalid_texts[] = {
    "",
    " ",
    "\n",
    "nul",
    "nulll",
    "True",
    "tru",
    "01",
    "-",
    "-01",
    "+1",
    ".5",
    "1.",
    "1.e5",
    "1e",
    "1e+",
    "0x1",
    "NaN",
    "Infinity",
    "-a",
    "1 2",
    "1,",
    ",",
    ":",
    "[",
    "]",
    "{",
    "}",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "{]",
    "{1:2}",
    "{a:1}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1:2}",
    "{\"a\",1}",
    "[\"a\":1]",
    "{,}",
    "[]]",
    "{}}",
    "[] []",
    "'a'",
    "\"",
    "\"a",
    "\"a\\",
    "\"a\\\"",
    "\"\\x\"",
    "\"\\a\"",
    "\"\\u\"",
    "\"\\u12\"",
    "\"\\u123\"",
    "\"\\u123g\"",
    "\"\\U0041\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800a\"",
    "\"\\ud800\\n\"",
    "\"\\ud800\\u0041\"",
    "\"\\ud800\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud800\\u\"",
    "\"\\ud800\\",
    "\"a\nb\"",
    "\"a\tb\"",
    "\"\x1f\"",
    "\"\x80\"",
    "\"\xc3\"",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xe2\x82\"",
    "\xef\xbb\xbf{}",
    "\xc2\xa0[]",
    "[1]\v",
    "\f[1]",
    "[1]x",
    "//c\n1",
    "[1]//",
    "/**/1",
    "[\x01]",
    "{\"a\n\":1}",
    "a long word that is no json at all",
};

static void invalid_texts_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < SW_ARRAY_SIZE(invalid_texts); i++) {
        assert_verdict(sw_slice_of(invalid_texts[i]), SW_JSON_INVALID);
    }
    assert_verdict(SW_SLICE("1\0"), SW_JSON_INVALID);
    assert_verdict(SW_SLICE("\0"), SW_JSON_INVALID);
    assert_verdict(SW_SLICE("[\0]"), SW_JSON_INVALID);
    assert_verdict(SW_SLICE("\"a\0b\""), SW_JSON_INVALID);
    assert_int_equal(sw_json_validate(NULL, 0, 512, NULL), SW_JSON_INVALID);
}

/* Each byte at each place of strings of each length: the eight-byte steps see what one-byte steps
 * see. */
static void every_byte_is_judged_alike_wherever_it_stands(void **state)
{
    (void)state;
    char text[40];
    for (size_t size = 1; size <= 24; size++) {
        for (size_t place = 0; place < size; place++) {
            for (int byte = 0; byte < 256; byte++) {
                memset(text, 'a', sizeof(text));
                text[0] = '"';
                text[size + 1] = '"';
                text[place + 1] = (char)byte;
                bool good = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
                assert_verdict(sw_slice(text, size + 2), good ? SW_JSON_OK : SW_JSON_INVALID);
            }
        }
    }
}

static void text_cut_anywhere_is_invalid(void **state)
{
    (void)state;
    static const char text[] =
        "{\"n\": [-1.5e+3, 0, true, false, null, {}, []], "
        "\"\\u00e4\\ud83d\\ude00\": \"caf\xc3\xa9 \xf0\x9f\x98\x80 and so on\"}";
    size_t size = sizeof(text) - 1;
    assert_verdict(sw_slice(text, size), SW_JSON_OK);
    for (size_t cut = 0; cut < size; cut++) {
        assert_verdict(sw_slice(text, cut), SW_JSON_INVALID);
    }
}

static void nesting_is_allowed_up_to_its_limit(void **state)
{
    (void)state;
    static const unsigned limits[] = {1, 2, 16, 63, 64, 65, 512, 1024};
    static const char *const kinds[][3] = {
        {"[", "", "]"}, {"{\"a\":", "0", "}"}, {"[{\"a\":", "0", "}]"}};
    for (size_t kind = 0; kind < SW_ARRAY_SIZE(kinds); kind++) {
        unsigned levels = kind == 2 ? 2 : 1;
        for (size_t i = 0; i < SW_ARRAY_SIZE(limits); i++) {
            struct sw_buf text = {0};
            unsigned times = limits[i] / levels;
            for (unsigned n = 0; n < times; n++) {
                sw_buf_append_slice(&text, sw_slice_of(kinds[kind][0]));
            }
            sw_buf_append_slice(&text, sw_slice_of(kinds[kind][1]));
            for (unsigned n = 0; n < times; n++) {
                sw_buf_append_slice(&text, sw_slice_of(kinds[kind][2]));
            }
            unsigned depth = times * levels;
            assert_int_equal(verdict(sw_buf_slice(&text), depth, NULL), SW_JSON_OK);
            assert_int_equal(verdict(sw_buf_slice(&text), depth ? depth - 1 : 0, NULL),
                             depth ? SW_JSON_TOO_DEEP : SW_JSON_OK);
            sw_buf_deinit(&text);
        }
    }
    assert_int_equal(verdict(SW_SLICE("1"), 0, NULL), SW_JSON_OK);
    assert_int_equal(verdict(SW_SLICE("[]"), 0, NULL), SW_JSON_TOO_DEEP);
    assert_int_equal(verdict(SW_SLICE("[1}[["), 1, NULL), SW_JSON_INVALID);
}

static void siblings_do_not_add_to_the_depth(void **state)
{
    (void)state;
    assert_int_equal(verdict(SW_SLICE("[[],[],{},[],{}]"), 2, NULL), SW_JSON_OK);
    assert_int_equal(verdict(SW_SLICE("[{\"a\":[]},[{}],{\"b\":{}}]"), 3, NULL), SW_JSON_OK);
    assert_int_equal(verdict(SW_SLICE("[{\"a\":[]},[{}],{\"b\":{}}]"), 2, NULL), SW_JSON_TOO_DEEP);
}

static void breaks_between_tokens_are_counted_and_flattened(void **state)
{
    (void)state;
    char text[] = "\r\n{\n \"a\\n\":\r[1,\n2]\t}\n";
    size_t size = sizeof(text) - 1;
    size_t breaks = 99;
    assert_int_equal(sw_json_validate(text, size, 512, &breaks), SW_JSON_OK);
    assert_int_equal(breaks, 6);
    sw_json_flatten(text, size);
    assert_string_equal(text, "  {  \"a\\n\": [1, 2]\t} ");
    assert_int_equal(sw_json_validate(text, size, 512, &breaks), SW_JSON_OK);
    assert_int_equal(breaks, 0);
}

/* ---- walking ---- */

static void walk_gives_members_as_they_stand(void **state)
{
    (void)state;
    struct sw_slice text =
        SW_SLICE(" \n{ \"a\" : 1.50 ,\"b\\\"]\":\"x}\\\"\", \"\":[ {\"c\":\"]\"} ,2],"
                 "\"d\":{},\"e\":true,\"f\":false,\"g\":null,\"h\":-1e3} ");
    static const struct {
        const char *name;
        enum sw_json_type type;
        const char *raw;
    } rows[] = {
        {"a", SW_JSON_NUMBER, "1.50"},
        {"b\\\"]", SW_JSON_STRING, "\"x}\\\"\""},
        {"", SW_JSON_ARRAY, "[ {\"c\":\"]\"} ,2]"},
        {"d", SW_JSON_OBJECT, "{}"},
        {"e", SW_JSON_TRUE, "true"},
        {"f", SW_JSON_FALSE, "false"},
        {"g", SW_JSON_NULL, "null"},
        {"h", SW_JSON_NUMBER, "-1e3"},
    };
    assert_verdict(text, SW_JSON_OK);
    struct sw_json_value value = sw_json_value(text);
    assert_int_equal(value.type, SW_JSON_OBJECT);
    assert_int_equal(value.raw.size, text.size - 3);
    struct sw_json_walk walk = sw_json_walk(value.raw);
    struct sw_json_member member;
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        assert_true(sw_json_next(&walk, &member));
        unit_assert_slice(member.name, rows[i].name);
        assert_int_equal(member.value.type, rows[i].type);
        unit_assert_slice(member.value.raw, rows[i].raw);
    }
    assert_false(sw_json_next(&walk, &member));
    assert_false(sw_json_next(&walk, &member));
}

static void walk_of_an_array_has_no_names(void **state)
{
    (void)state;
    struct sw_json_walk walk = sw_json_walk(SW_SLICE("[ 1 ,\"a\",[[]] ]"));
    static const char *const raws[] = {"1", "\"a\"", "[[]]"};
    struct sw_json_member member;
    for (size_t i = 0; i < 3; i++) {
        assert_true(sw_json_next(&walk, &member));
        assert_null(member.name.data);
        unit_assert_slice(member.value.raw, raws[i]);
    }
    assert_false(sw_json_next(&walk, &member));
    walk = sw_json_walk(SW_SLICE("[ ]"));
    assert_false(sw_json_next(&walk, &member));
    walk = sw_json_walk(SW_SLICE("{}"));
    assert_false(sw_json_next(&walk, &member));
}

static void value_is_trimmed(void **state)
{
    (void)state;
    unit_assert_slice(sw_json_value(SW_SLICE(" \r\n-12 ")).raw, "-12");
    unit_assert_slice(sw_json_value(SW_SLICE("\t\"a b\"\n")).raw, "\"a b\"");
    assert_int_equal(sw_json_value(SW_SLICE(" null ")).type, SW_JSON_NULL);
}

static void members_are_found_by_name_even_when_escaped(void **state)
{
    (void)state;
    static const char *const names[] = {"type", "id", "missing",
                                        "gr\xc3\xb6\xc3\x9f"
                                        "e"};
    struct sw_json_value values[4];
    struct sw_slice text =
        SW_SLICE("{\"x\":0,\"\\u0074yp\\u0065\":\"a\",\"id\":7,\"gr\\u00f6\\u00dfe\":null}");
    assert_true(sw_json_members(text, names, 4, values, NULL));
    unit_assert_slice(values[0].raw, "\"a\"");
    unit_assert_slice(values[1].raw, "7");
    assert_true(values[2].type == SW_JSON_NULL && !values[2].raw.data);
    assert_true(values[3].type == SW_JSON_NULL && values[3].raw.size == 4);
    assert_true(sw_json_members(SW_SLICE("{ }"), names, 4, values, NULL));
    assert_null(values[0].raw.data);
}

static void a_name_that_stands_twice_is_reported_also_across_escapes(void **state)
{
    (void)state;
    static const char *const names[] = {"type"};
    static const struct {
        const char *text;
        const char *duplicate;
    } rows[] = {
        {"{\"type\":1,\"type\":2}", "type"},
        {"{\"type\":1,\"\\u0074ype\":2}", "\\u0074ype"},
        {"{\"a\\u002fb\":1,\"x\":2,\"a\\/b\":2}", "a\\/b"},
        {"{\"\":1,\"\":2}", ""},
        {"{\"a\\n\":1,\"a\\u000A\":2,\"b\":3}", "a\\u000A"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_json_value value;
        struct sw_slice duplicate = {0};
        assert_false(sw_json_members(sw_slice_of(rows[i].text), names, 1, &value, &duplicate));
        unit_assert_slice(duplicate, rows[i].duplicate);
        assert_false(sw_json_members(sw_slice_of(rows[i].text), names, 1, &value, NULL));
    }
}

/* Around the number at which the comparison becomes a table, and far above; every third name
 * escaped. */
static void duplicates_are_found_among_any_number_of_members(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 15, 16, 17, 18, 64, 65, 10000};
    for (size_t i = 0; i < SW_ARRAY_SIZE(counts); i++) {
        struct sw_buf text = {0};
        struct sw_json_value value;
        struct sw_slice duplicate;
        char last[16];
        const char *name = last;
        sw_buf_append_byte(&text, '{');
        for (unsigned n = 0; n < counts[i]; n++) {
            sw_buf_printf(&text, "%s\"%s%u\":%u", n ? "," : "", n % 3 ? "n" : "\\u006e", n, n);
            snprintf(last, sizeof(last), "n%u", n);
        }
        size_t size = text.size;
        sw_buf_append_byte(&text, '}');
        assert_true(sw_json_members(sw_buf_slice(&text), &name, 1, &value, &duplicate));
        uint64_t number;
        assert_true(sw_json_to_u64(value, 10000, &number) && number == counts[i] - 1);
        for (unsigned twice = 0; twice < counts[i]; twice += 1 + counts[i] / 20) {
            text.size = size;
            sw_buf_printf(&text, ",\"n%u\":0}", twice);
            assert_false(sw_json_members(sw_buf_slice(&text), &name, 1, &value, &duplicate));
            snprintf(last, sizeof(last), "n%u", twice);
            unit_assert_slice(duplicate, last);
        }
        sw_buf_deinit(&text);
    }
}

static void numbers_are_whole_and_within_their_bound(void **state)
{
    (void)state;
    static const char *const bad[] = {"-1", "-0", "1.0", "1e2", "256", "\"1\"", "null", "true"};
    uint64_t number = 9;
    for (size_t i = 0; i < SW_ARRAY_SIZE(bad); i++) {
        assert_false(sw_json_to_u64(sw_json_value(sw_slice_of(bad[i])), 255, &number));
    }
    assert_true(number == 9);
    assert_true(sw_json_to_u64(sw_json_value(SW_SLICE("255")), 255, &number) && number == 255);
    assert_true(sw_json_to_u64(sw_json_value(SW_SLICE("0")), 255, &number) && number == 0);
    assert_false(sw_json_to_u64((struct sw_json_value){0}, 255, &number));
}

/* ---- strings ---- */

static void escapes_become_their_characters(void **state)
{
    (void)state;
    struct sw_buf out = {0};
    sw_json_unescape(&out, SW_SLICE("\"\""));
    assert_int_equal(out.size, 0);
    sw_json_unescape(&out, SW_SLICE("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\""));
    assert_string_equal(sw_buf_text(&out), "a\"\\/\b\f\n\r\tz");
    sw_buf_clear(&out);
    sw_json_unescape(&out,
                     SW_SLICE("\"\\u0041\\u00e4\\u20AC\\ud83d\\ude00\\udbff\\udfff\\uffff\""));
    assert_string_equal(sw_buf_text(&out),
                        "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\xef\xbf\xbf");
    sw_buf_clear(&out);
    sw_json_unescape(&out, SW_SLICE("\"a\\u0000b\""));
    assert_int_equal(out.size, 3);
    assert_memory_equal(out.data, "a\0b", 3);
    sw_buf_deinit(&out);
}

static void escaping_is_short_where_json_has_a_letter(void **state)
{
    (void)state;
    struct sw_buf out = {0};
    sw_json_append_string(&out, SW_SLICE("\b\f\n\r\t\"\\/\x7f\x1f\0z"));
    assert_string_equal(sw_buf_text(&out), "\"\\b\\f\\n\\r\\t\\\"\\\\/\x7f\\u001f\\u0000z\"");
    sw_buf_clear(&out);
    sw_json_append_string(&out, sw_slice(NULL, 0));
    assert_string_equal(sw_buf_text(&out), "\"\"");
    sw_buf_deinit(&out);
}

static void random_texts_survive_escaping_and_unescaping(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(20260108);
    static const char *const parts[] = {"a",
                                        "\"",
                                        "\\",
                                        "\n",
                                        "\x01",
                                        "\x1f",
                                        "plain and long text",
                                        "\xc3\xa4",
                                        "\xf0\x9f\x98\x80",
                                        "/"};
    for (int i = 0; i < 20000; i++) {
        struct sw_buf text = {0};
        struct sw_buf escaped = {0};
        struct sw_buf back = {0};
        for (uint64_t n = sw_random_below(&random, 20); n > 0; n--) {
            sw_buf_append_slice(&text, sw_slice_of(parts[sw_random_below(&random, 10)]));
        }
        size_t size = sw_json_escaped_size(sw_buf_slice(&text));
        char *exact = unit_exact_copy(NULL, 0);
        exact = sw_realloc(exact, size + 1);
        char *end = sw_json_escape(exact, sw_buf_slice(&text));
        assert_int_equal(end - exact, size);
        sw_json_append_string(&escaped, sw_buf_slice(&text));
        assert_int_equal(escaped.size, size + 2);
        assert_memory_equal(escaped.data + 1, exact, size);
        assert_verdict(sw_buf_slice(&escaped), SW_JSON_OK);
        sw_json_unescape(&back, sw_buf_slice(&escaped));
        assert_true(sw_slice_equal(sw_buf_slice(&back), sw_buf_slice(&text)));
        sw_free(exact);
        sw_buf_deinit(&text);
        sw_buf_deinit(&escaped);
        sw_buf_deinit(&back);
    }
}

static void bytes_that_are_no_text_become_replacement_characters(void **state)
{
    (void)state;
    struct sw_buf out = {0};
    sw_json_append_string(&out, SW_SLICE("a\x80\xffz\xc3\"\xe2\x82"));
    assert_string_equal(sw_buf_text(&out),
                        "\"a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\\\"\xef\xbf\xbd"
                        "\xef\xbf\xbd\"");
    assert_verdict(sw_buf_slice(&out), SW_JSON_OK);
    sw_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_pass),
        cmocka_unit_test(invalid_texts_are_refused),
        cmocka_unit_test(every_byte_is_judged_alike_wherever_it_stands),
        cmocka_unit_test(text_cut_anywhere_is_invalid),
        cmocka_unit_test(nesting_is_allowed_up_to_its_limit),
        cmocka_unit_test(siblings_do_not_add_to_the_depth),
        cmocka_unit_test(breaks_between_tokens_are_counted_and_flattened),
        cmocka_unit_test(walk_gives_members_as_they_stand),
        cmocka_unit_test(walk_of_an_array_has_no_names),
        cmocka_unit_test(value_is_trimmed),
        cmocka_unit_test(members_are_found_by_name_even_when_escaped),
        cmocka_unit_test(a_name_that_stands_twice_is_reported_also_across_escapes),
        cmocka_unit_test(duplicates_are_found_among_any_number_of_members),
        cmocka_unit_test(numbers_are_whole_and_within_their_bound),
        cmocka_unit_test(escapes_become_their_characters),
        cmocka_unit_test(escaping_is_short_where_json_has_a_letter),
        cmocka_unit_test(random_texts_survive_escaping_and_unescaping),
        cmocka_unit_test(bytes_that_are_no_text_become_replacement_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
