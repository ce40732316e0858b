// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "core/position.h"

#include <string.h>

static struct sw_position position(const char *text)
{
    struct sw_position parsed;
    assert_true(sw_position_parse(sw_slice_of(text), &parsed));
    return parsed;
}

static void positions_are_read_and_written(void **state)
{
    (void)state;
    static const char *const good[] = {
        "Qx7:44", "0:0", "a:0", "0:7", "Zz1:9007199254740991", "abcdefghijklmnopqrstuvwx:1"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct sw_position parsed = position(good[i]);
        struct sw_buf text = {0};
        sw_position_write(&text, &parsed);
        assert_string_equal(sw_buf_text(&text), good[i]);
        sw_buf_deinit(&text);
    }
}

static void positions_are_written_as_members(void **state)
{
    (void)state;
    struct sw_position parsed = position("Qx7:44");
    struct sw_buf text = {0};
    sw_position_write_members(&text, &parsed);
    assert_string_equal(sw_buf_text(&text), "\"epoch\":\"Qx7\",\"offset\":44");
    sw_buf_deinit(&text);
}

static void what_is_no_position_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        ":",
        "Qx7",
        "Qx7:",
        ":44",
        "Q-7:1",
        "Qx7:-1",
        "Qx7:+1",
        "Q:1 ",
        "Q:1.5",
        "Q:007",
        "Q:1:2",
        " Q:1",
        "Q:9007199254740992",
        "Q:99999999999999999999",
        "abcdefghijklmnopqrstuvwxy:1",
        "\xc3\xa9:1",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sw_position parsed = {.offset = 9};
        assert_false(sw_position_parse(sw_slice_of(bad[i]), &parsed));
        assert_int_equal(parsed.offset, 0);
    }
}

static void former_names_hold_up_to_their_ends(void **state)
{
    (void)state;
    struct sw_lineage lineage = {0};
    assert_true(sw_epoch_parse(SW_SLICE("C"), &lineage.epoch));
    assert_true(sw_lineage_parse_ends(&lineage, SW_SLICE("A=10 B=12 ")));
    static const struct {
        const char *position;
        bool good;
    } table[] = {
        {"A:10", true},  {"A:11", false}, {"B:12", true}, {"B:13", false}, {"C:15", true},
        {"C:16", false}, {"D:1", false},  {"0:0", true},  {"0:1", false},  {"C:0", true},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct sw_position at = position(table[i].position);
        assert_int_equal(sw_lineage_holds(&lineage, 15, &at), table[i].good);
    }
    struct sw_position old = position("A:10");
    assert_false(sw_lineage_holds(&lineage, 9, &old)); /* the stream itself is shorter now */
}

static void only_the_newest_sixteen_names_are_kept(void **state)
{
    (void)state;
    struct sw_lineage lineage = {0};
    struct sw_buf text = {0};
    for (int i = 1; i <= 20; i++) {
        sw_buf_printf(&text, "e%d=%d ", i, i);
    }
    assert_true(sw_lineage_parse_ends(&lineage, sw_buf_slice(&text)));
    assert_int_equal(lineage.count, SW_LINEAGE_ENDS);
    struct sw_position gone = position("e4:4");
    struct sw_position kept = position("e5:5");
    assert_false(sw_lineage_holds(&lineage, 99, &gone));
    assert_true(sw_lineage_holds(&lineage, 99, &kept));
    sw_buf_deinit(&text);
    assert_true(sw_lineage_parse_ends(&lineage, SW_SLICE("")));
    assert_int_equal(lineage.count, 0);
    assert_false(sw_lineage_parse_ends(&lineage, SW_SLICE("A=1 B")));
    assert_int_equal(lineage.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_are_read_and_written),
        cmocka_unit_test(positions_are_written_as_members),
        cmocka_unit_test(what_is_no_position_is_refused),
        cmocka_unit_test(former_names_hold_up_to_their_ends),
        cmocka_unit_test(only_the_newest_sixteen_names_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
