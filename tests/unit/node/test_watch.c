// SPDX-License-Identifier: Apache-2.0
#include "node/watch.h"

#include "../common/unit.h"
#include "core/limits.h"

static void a_loop_that_turns_is_well(void **state)
{
    (void)state;
    struct sw_pulse pulse = {0};
    for (uint64_t look = 1; look < 100; look++) {
        assert_false(sw_pulse_look(&pulse, look, look * SW_WATCH_MS));
        assert_false(pulse.stalled);
    }
}

static void a_loop_that_does_not_turn_hangs_after_some_looks(void **state)
{
    (void)state;
    struct sw_pulse pulse = {0};
    assert_false(sw_pulse_look(&pulse, 7, 1000));
    for (unsigned look = 1; look < SW_STALL_LOOKS; look++) {
        assert_false(sw_pulse_look(&pulse, 7, 1000 + look * SW_WATCH_MS));
    }
    assert_true(sw_pulse_look(&pulse, 7, 20000));
    assert_true(pulse.stalled);
    assert_int_equal(pulse.turned_ms, 1000);
    assert_false(sw_pulse_look(&pulse, 7, 21000)); /* said once */
    assert_true(sw_pulse_look(&pulse, 8, 22000));
    assert_false(pulse.stalled);
}

/* However long main itself stood still, that was one look. */
static void a_process_that_was_stopped_does_not_hang(void **state)
{
    (void)state;
    struct sw_pulse pulse = {0};
    (void)sw_pulse_look(&pulse, 7, 1000);
    assert_false(sw_pulse_look(&pulse, 7, 3600000));
    assert_false(pulse.stalled);
}

/* Looks once a second for so long, and returns whether it is away then. */
static bool pass(struct sw_presence *presence, uint64_t *now_ms, uint64_t ms, bool up)
{
    for (uint64_t end_ms = *now_ms + ms; *now_ms < end_ms; *now_ms += SW_WATCH_MS) {
        sw_presence_look(presence, up, *now_ms);
    }
    return presence->away;
}

static void a_bus_is_away_after_a_while_and_back_after_a_while(void **state)
{
    (void)state;
    struct sw_presence presence = {.up = true, .since_ms = 1000};
    uint64_t now_ms = 1000;
    assert_false(pass(&presence, &now_ms, 60000, true));
    assert_false(pass(&presence, &now_ms, SW_AWAY_MS, false));
    assert_true(pass(&presence, &now_ms, SW_WATCH_MS, false));
    assert_true(pass(&presence, &now_ms, 60000, false));
    assert_true(pass(&presence, &now_ms, SW_BACK_MS, true));
    assert_false(pass(&presence, &now_ms, SW_WATCH_MS, true));
}

static void a_bus_that_flaps_changes_nothing(void **state)
{
    (void)state;
    struct sw_presence presence = {.up = true, .since_ms = 1000};
    uint64_t now_ms = 1000;
    for (unsigned i = 0; i < 20; i++) {
        assert_false(pass(&presence, &now_ms, SW_AWAY_MS, false));
        assert_false(pass(&presence, &now_ms, 1000, true));
    }
    assert_true(pass(&presence, &now_ms, SW_AWAY_MS + 1000, false));
    for (unsigned i = 0; i < 20; i++) {
        assert_true(pass(&presence, &now_ms, SW_BACK_MS, true));
        assert_true(pass(&presence, &now_ms, 1000, false));
    }
}

static void live_names_who_hangs(void **state)
{
    (void)state;
    struct sw_loop *loop = sw_loop_create();
    uint64_t now_ms = sw_loop_now_ms(loop);
    struct sw_pulse pulses[3] = {
        {.role = "worker-0", .turned_ms = now_ms - 7000, .stalled = true},
        {.role = "worker-1", .turned_ms = now_ms},
        {.role = "bus", .turned_ms = now_ms - 8000, .stalled = true},
    };
    struct sw_watch watch = {.loop = loop, .pulses = pulses, .count = 3};
    struct sw_buf out = {0};
    assert_false(sw_watch_tell(&watch, &out));
    assert_string_equal(sw_buf_text(&out),
                        "{\"status\":\"stalled\",\"loops\":[{\"role\":\"worker-0\",\"since_ms\":"
                        "7000},{\"role\":\"bus\",\"since_ms\":8000}]}");
    sw_buf_clear(&out);
    pulses[0].stalled = pulses[2].stalled = false;
    assert_true(sw_watch_tell(&watch, &out));
    assert_string_equal(sw_buf_text(&out), "{\"status\":\"live\"}");
    sw_buf_deinit(&out);
    sw_loop_destroy(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_that_turns_is_well),
        cmocka_unit_test(a_loop_that_does_not_turn_hangs_after_some_looks),
        cmocka_unit_test(a_process_that_was_stopped_does_not_hang),
        cmocka_unit_test(a_bus_is_away_after_a_while_and_back_after_a_while),
        cmocka_unit_test(a_bus_that_flaps_changes_nothing),
        cmocka_unit_test(live_names_who_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
