// SPDX-License-Identifier: Apache-2.0
/* When who leaves: the window that clients draw from, and the pace of those that are closed. */
#include "../common/unit.h"

#include "session/farewell.h"

static void assert_farewell(struct sw_farewell farewell, uint32_t from, uint32_t to, uint32_t close)
{
    assert_int_equal(farewell.from_ms, from);
    assert_int_equal(farewell.to_ms, to);
    assert_int_equal(farewell.close_ms, close);
}

static void the_window_ends_before_the_closing_begins(void **state)
{
    (void)state;
    assert_farewell(sw_farewell_plan(10000), 500, 4800, 6000);
    assert_farewell(sw_farewell_plan(3600000), 500, 1728000, 2160000);
    assert_farewell(sw_farewell_plan(1000), 240, 480, 600);
    assert_farewell(sw_farewell_plan(200), 48, 96, 120);
    assert_farewell(sw_farewell_plan(1), 0, 0, 0);
    assert_farewell(sw_farewell_plan(0), 0, 0, 0);
    for (uint64_t ms = 0; ms < 30000; ms += 7) {
        struct sw_farewell plan = sw_farewell_plan(ms);
        assert_true(plan.from_ms <= plan.to_ms && plan.to_ms <= plan.close_ms);
        assert_true(plan.close_ms <= ms);
    }
}

static void who_comes_late_gets_what_is_left(void **state)
{
    (void)state;
    struct sw_farewell plan = sw_farewell_plan(10000);
    assert_farewell(sw_farewell_late(plan, 0), 500, 4800, 6000);
    assert_farewell(sw_farewell_late(plan, 300), 500, 4500, 5700);
    assert_farewell(sw_farewell_late(plan, 4000), 400, 800, 2000);
    assert_farewell(sw_farewell_late(plan, 4800), 0, 0, 1200);
    assert_farewell(sw_farewell_late(plan, 20000), 0, 0, 0);
}

static void the_pace_is_even_and_begins_at_once(void **state)
{
    (void)state;
    assert_int_equal(sw_farewell_due(1, 0, 4000), 0);
    assert_int_equal(sw_farewell_due(1, 1, 4000), 1);
    assert_int_equal(sw_farewell_due(7, 0, 0), 7);
    assert_int_equal(sw_farewell_due(7, 5000, 4000), 7);
    assert_int_equal(sw_farewell_due(0, 100, 4000), 0);
    assert_int_equal(sw_farewell_due(1000000, 1800000, 3600000), 500000);
    /* in each of its seconds as many as in the next */
    uint32_t before = 0;
    for (uint64_t second = 1; second <= 4; second++) {
        uint32_t due = sw_farewell_due(20000, second * 1000, 4000);
        assert_int_equal(due - before, 5000);
        before = due;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_ends_before_the_closing_begins),
        cmocka_unit_test(who_comes_late_gets_what_is_left),
        cmocka_unit_test(the_pace_is_even_and_begins_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
