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

static void wall_time_is_written_as_rfc_3339(void **state)
{
    (void)state;
    char out[SW_CLOCK_TEXT];
    assert_string_equal(sw_clock_text(0, out), "1970-01-01T00:00:00.000Z");
    assert_string_equal(sw_clock_text(1709210096007, out), "2024-02-29T12:34:56.007Z");
    assert_string_equal(sw_clock_text(253402300799999, out), "9999-12-31T23:59:59.999Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_time_does_not_go_back),
        cmocka_unit_test(both_units_tell_the_same_time),
        cmocka_unit_test(wall_time_is_the_calendars),
        cmocka_unit_test(wall_time_is_written_as_rfc_3339),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
