// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "cli/place.h"

static void assert_at(const struct sw_place *place, const char *expected)
{
    struct sw_buf text = {0};
    sw_position_write(&text, &place->position);
    assert_string_equal(sw_buf_text(&text), expected);
    sw_buf_deinit(&text);
}

static void assert_claim(const struct sw_place *place, const char *last, const char *expected)
{
    struct sw_buf text = {0};
    sw_place_append_claim(place, last, &text);
    assert_string_equal(sw_buf_text(&text), expected);
    sw_buf_deinit(&text);
}

static void a_position_is_of_one_of_the_topics(void **state)
{
    (void)state;
    struct sw_place places[] = {{.name = "a"}, {.name = "b@c"}};
    static const char *const bad[] = {"",        "a",        "a@",       "a@Qx7", "d@Qx7:44",
                                      "@Qx7:44", "a@Qx7:-1", "b@Qx7:44", "Qx7:44"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(sw_place_start(places, 2, bad[i]));
    }
    assert_false(places[0].positioned || places[1].positioned);
    assert_claim(&places[0], NULL, "");
    assert_claim(&places[0], "3", ",\"last\":3");
    assert_true(sw_place_start(places, 2, "b@c@Qx7:44"));
    assert_false(places[0].positioned);
    assert_claim(&places[1], "3", ",\"from\":{\"epoch\":\"Qx7\",\"offset\":44}");
    assert_true(sw_place_start(places, 2, "a@0:0"));
    assert_claim(&places[0], NULL, ",\"from\":{\"epoch\":\"0\",\"offset\":0}");
}

static void where_it_begins(void **state)
{
    (void)state;
    static const struct {
        const char *entry;
        const char *at; /* NULL: it has no position */
    } rows[] = {
        {"{\"topic\":\"a\",\"epoch\":\"Qx7\",\"offset\":44}", "Qx7:44"},
        {"{\"topic\":\"a\",\"epoch\":\"Rk3\",\"offset\":44,\"resumed\":true,\"replay\":3}",
         "Rk3:41"},
        {"{\"topic\":\"a\",\"epoch\":\"Zz1\",\"offset\":9,\"resumed\":false,\"why\":\"epoch\"}",
         "Zz1:9"},
        {"{\"topic\":\"a\",\"epoch\":\"Bb2\",\"offset\":9,\"replay\":2}", "Bb2:7"},
        {"{\"topic\":\"a\",\"epoch\":\"0\",\"offset\":0,\"replay\":0}", "0:0"},
        {"{\"topic\":\"a\",\"recoverable\":false}", NULL},
        {"{\"topic\":\"a\",\"recoverable\":false,\"replay\":1}", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_place place = {.name = "a"};
        assert_true(sw_place_start(&place, 1, "a@Qx7:41"));
        sw_place_begin(&place, sw_slice_of(rows[i].entry));
        assert_int_equal(place.positioned, rows[i].at != NULL);
        if (rows[i].at) {
            assert_at(&place, rows[i].at);
        }
    }
}

static struct sw_json_value value(const char *text)
{
    return text ? sw_json_value(sw_slice_of(text)) : (struct sw_json_value){0};
}

static void frames_move_it(void **state)
{
    (void)state;
    struct sw_place place = {.name = "a"};
    assert_true(sw_place_start(&place, 1, "a@Qx7:41"));
    sw_place_move(&place, value(NULL), value("42"));
    assert_at(&place, "Qx7:42");
    sw_place_move(&place, value("\"Rk3\""), value(NULL));
    assert_at(&place, "Rk3:42");
    sw_place_move(&place, value("\"Zz1\""), value("0"));
    assert_at(&place, "Zz1:0");
    sw_place_move(&place, value("7"), value("\"9\"")); /* of no such protocol */
    assert_at(&place, "Zz1:0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_position_is_of_one_of_the_topics),
        cmocka_unit_test(where_it_begins),
        cmocka_unit_test(frames_move_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
