// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/clock.h"

#include <time.h>

static void monotonic_time_does_not_go_back(void **state)
{
    (void)state;
    uint64_t before = sw_clock_ns();
    for (int i = 0; i < 10000; i++) {
        uint64_t now = sw_clock_ns();
        assert_true(now >= before);
        before = now;
    }
}

static void both_units_tell_the_same_time(void **state)
{
    (void)state;
    uint64_t before = sw_clock_ns() / 1000000;
    uint64_t ms = sw_clock_ms();
    assert_true(ms >= before && ms <= sw_clock_ns() / 1000000);
}

static void wall_time_is_the_calendars(void **state)
{
    (void)state;
    uint64_t before = (uint64_t)time(NULL) - 1;
    uint64_t now = sw_clock_wall_ms() / 1000;
    assert_true(now >= before && now <= (uint64_t)time(NULL) + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_time_does_not_go_back),
        cmocka_unit_test(both_units_tell_the_same_time),
        cmocka_unit_test(wall_time_is_the_calendars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
