// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/mem.h"
#include "core/rule.h"

static const uint8_t any = SW_MODES_CHOICE;

static struct sw_rule rule_for(const char *match)
{
    return (struct sw_rule){.match = sw_slice_of(match),
                            .mode = SW_MODE_ALL,
                            .modes_allowed = any,
                            .client_publish = -1};
}

/* Rules with these matches and no others, settled. */
static void fill(struct sw_rules *rules, const char *const *matches, char separator)
{
    sw_rules_init(rules);
    for (; *matches; matches++) {
        struct sw_rule rule = rule_for(*matches);
        assert_true(sw_rules_add(rules, &rule));
    }
    sw_rules_settle(rules, separator, 1000);
}

static uint32_t found(const struct sw_rules *rules, const char *name, bool pattern)
{
    return sw_rule_index(rules, sw_rules_find(rules, sw_slice_of(name), pattern));
}

static void modes_have_words(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SW_MODE_COUNT; i++) {
        enum sw_mode mode = SW_MODE_COUNT;
        assert_true(sw_mode_parse(sw_slice_of(sw_mode_word((enum sw_mode)i)), &mode));
        assert_int_equal(mode, i);
    }
    enum sw_mode mode;
    assert_false(sw_mode_parse(SW_SLICE("Latest"), &mode));
    assert_false(sw_mode_parse(SW_SLICE(""), &mode));
    char words[SW_MODES_BYTES];
    assert_string_equal(sw_modes_words(any, words), "all, latest");
    assert_string_equal(sw_modes_words(SW_MODE_BIT(SW_MODE_DISCONNECT), words), "disconnect");
    assert_string_equal(sw_modes_words(0, words), "");
}

static void paces_are_five(void **state)
{
    (void)state;
    unsigned valid = 0;
    for (unsigned hz = 0; hz < 300; hz++) {
        valid += sw_max_hz_valid(hz);
    }
    assert_int_equal(valid, 5);
    assert_false(sw_max_hz_valid(0));
    assert_false(sw_max_hz_valid((UINT64_C(1) << 32) + 5));
}

static void without_rules_the_default_counts(void **state)
{
    (void)state;
    struct sw_rules rules;
    fill(&rules, (const char *const[]){NULL}, '.');
    const struct sw_rule *rule = sw_rules_find(&rules, SW_SLICE("a.b"), false);
    assert_int_equal(rule->mode, SW_MODE_ALL);
    assert_int_equal(rule->modes_allowed, any);
    assert_int_equal(rule->max_hz, 0);
    assert_int_equal(rule->max_message_bytes, 1000);
    assert_ptr_equal(rule, sw_rules_find(&rules, SW_SLICE("a.>"), true));
    sw_rules_deinit(&rules);
}

static void first_match_wins(void **state)
{
    (void)state;
    struct sw_rules rules;
    fill(&rules, (const char *const[]){"a.b", "a.*", "a.>", "c.d.>", NULL}, '.');
    assert_int_equal(found(&rules, "a.b", false), 0);
    assert_int_equal(found(&rules, "a.c", false), 1);
    assert_int_equal(found(&rules, "a.c.d", false), 2);
    assert_int_equal(found(&rules, "a", false), 4);
    assert_int_equal(found(&rules, "c.d", false), 4);
    assert_int_equal(found(&rules, "c.d.e", false), 3);
    sw_rules_deinit(&rules);
}

static void pattern_falls_under_a_rule_that_covers_all_of_it(void **state)
{
    (void)state;
    struct sw_rules rules;
    fill(&rules, (const char *const[]){"a.b", "a.*", "a.*.c", "a.>", NULL}, '.');
    assert_int_equal(found(&rules, "a.*", true), 1);
    assert_int_equal(found(&rules, "a.>", true), 3);
    assert_int_equal(found(&rules, "a.*.c", true), 2);
    assert_int_equal(found(&rules, "a.*.*", true), 3);
    assert_int_equal(found(&rules, "a.b.>", true), 3);
    assert_int_equal(found(&rules, "b.>", true), 4);
    sw_rules_deinit(&rules);
}

static void separator_is_the_nodes(void **state)
{
    (void)state;
    struct sw_rules rules;
    fill(&rules, (const char *const[]){"a:*", NULL}, ':');
    assert_int_equal(found(&rules, "a:b.c", false), 0);
    assert_int_equal(found(&rules, "a.b", false), 1);
    sw_rules_deinit(&rules);
}

static void table_owns_its_names_and_is_bounded(void **state)
{
    (void)state;
    struct sw_rules rules;
    sw_rules_init(&rules);
    for (unsigned i = 0; i < SW_RULES; i++) {
        char match[] = {'r', (char)('0' + i / 10), (char)('0' + i % 10), 0};
        struct sw_rule rule = rule_for(match);
        rule.max_message_bytes = i ? 0 : 7;
        assert_true(sw_rules_add(&rules, &rule));
    }
    struct sw_rule more = rule_for("more");
    assert_false(sw_rules_add(&rules, &more));
    sw_rules_settle(&rules, '.', 99);
    assert_int_equal(found(&rules, "r63", false), 63);
    assert_int_equal(found(&rules, "more", false), SW_RULES);
    assert_int_equal(sw_rules_least_bytes(&rules), 7);
    assert_int_equal(rules.rows[0].max_message_bytes, 7);
    assert_int_equal(rules.rows[1].max_message_bytes, 99);
    assert_int_equal(rules.rows[SW_RULES].max_message_bytes, 99);
    sw_rules_deinit(&rules);
}

/* ---- what is asked ---- */

#define NONE (-1)
#define BIT  SW_MODE_BIT

static void wish_is_served_within_the_rule(void **state)
{
    (void)state;
    static const struct {
        uint8_t mode, allowed, bound; /* the rule */
        int8_t wished;
        uint8_t hz;
        int got; /* the mode, or NONE for a refusal */
        uint8_t got_hz;
        const char *why;
    } rows[] = {
        {SW_MODE_ALL, BIT(0) | BIT(1), 0, NONE, 0, SW_MODE_ALL, 0, NULL},
        {SW_MODE_ALL, BIT(0) | BIT(1), 0, SW_MODE_LATEST, 5, SW_MODE_LATEST, 5, NULL},
        {SW_MODE_LATEST, BIT(0) | BIT(1), 0, SW_MODE_ALL, 0, SW_MODE_ALL, 0, NULL},
        {SW_MODE_LATEST, BIT(1), 10, NONE, 0, SW_MODE_LATEST, 10, NULL},
        {SW_MODE_LATEST, BIT(1), 10, NONE, 10, SW_MODE_LATEST, 10, NULL},
        {SW_MODE_LATEST, BIT(1), 10, NONE, 2, SW_MODE_LATEST, 2, NULL},
        {SW_MODE_LATEST, BIT(1), 10, NONE, 20, NONE, 0, "\"max_hz\" is at most 10 for this topic"},
        {SW_MODE_LATEST, BIT(1), 0, SW_MODE_ALL, 0, NONE, 0,
         "mode \"all\" is not allowed for this topic; allowed: latest"},
        {SW_MODE_ALL, BIT(0) | BIT(1), 0, SW_MODE_DISCONNECT, 0, NONE, 0,
         "mode \"disconnect\" is not allowed for this topic; allowed: all, latest"},
        {SW_MODE_DISCONNECT, BIT(2), 0, NONE, 0, SW_MODE_DISCONNECT, 0, NULL},
        {SW_MODE_DISCONNECT, BIT(2), 0, SW_MODE_DISCONNECT, 0, SW_MODE_DISCONNECT, 0, NULL},
        {SW_MODE_DISCONNECT, BIT(2), 0, SW_MODE_LATEST, 0, NONE, 0,
         "mode \"latest\" is not allowed for this topic; allowed: disconnect"},
        {SW_MODE_DISCONNECT, BIT(2), 0, NONE, 1, NONE, 0,
         "\"max_hz\" leaves messages out, which mode \"disconnect\" of this topic never does"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_rule rule = {
            .mode = rows[i].mode, .modes_allowed = rows[i].allowed, .max_hz = rows[i].bound};
        struct sw_wish wish = {.mode = rows[i].wished, .max_hz = rows[i].hz};
        struct sw_choice choice = {0};
        char why[SW_RULE_WHY_BYTES] = "";
        enum sw_error error = sw_rule_choose(&rule, &wish, &choice, why, sizeof(why));
        if (rows[i].why) {
            assert_int_equal(error, SW_ERROR_BAD_REQUEST);
            assert_string_equal(why, rows[i].why);
        } else {
            assert_int_equal(error, SW_ERROR_NONE);
            assert_int_equal(choice.mode, rows[i].got);
            assert_int_equal(choice.max_hz, rows[i].got_hz);
        }
    }
}

static void one_rule_that_grants_is_enough_to_look_further(void **state)
{
    (void)state;
    struct sw_rules rules;
    fill(&rules, (const char *const[]){"a", "b", NULL}, '.');
    rules.rows[0].client_publish = 0;
    assert_false(sw_rules_grant_publish(&rules));
    rules.rows[1].client_publish = 1;
    assert_true(sw_rules_grant_publish(&rules));
    sw_rules_deinit(&rules);
}

static void rule_is_stronger_than_the_node_about_publishing(void **state)
{
    (void)state;
    const char *why = NULL;
    struct sw_rule rule = rule_for("a");
    assert_true(sw_rule_may_publish(&rule, true, &why));
    assert_false(sw_rule_may_publish(&rule, false, &why));
    assert_string_equal(why, "clients may not publish here (--client-publish)");
    rule.client_publish = 1;
    assert_true(sw_rule_may_publish(&rule, false, &why));
    rule.client_publish = 0;
    assert_false(sw_rule_may_publish(&rule, true, &why));
    assert_string_equal(why, "clients may not publish to this topic");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_have_words),
        cmocka_unit_test(paces_are_five),
        cmocka_unit_test(without_rules_the_default_counts),
        cmocka_unit_test(first_match_wins),
        cmocka_unit_test(pattern_falls_under_a_rule_that_covers_all_of_it),
        cmocka_unit_test(separator_is_the_nodes),
        cmocka_unit_test(table_owns_its_names_and_is_bounded),
        cmocka_unit_test(wish_is_served_within_the_rule),
        cmocka_unit_test(one_rule_that_grants_is_enough_to_look_further),
        cmocka_unit_test(rule_is_stronger_than_the_node_about_publishing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
