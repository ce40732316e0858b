// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/mem.h"
#include "common/wheel.h"

#define TIMERS   200
#define START_MS 123456u

/* One wheel per test, and the clock that its callbacks see. */
static struct sw_wheel wheel;
static uint64_t now_ms;

struct alarm {
    struct sw_timer timer;
    uint64_t due_ms; /* not before */
    uint64_t fired_ms;
    unsigned fired;
    bool running; /* what the model thinks */
};

static void on_alarm(struct sw_timer *timer)
{
    struct alarm *alarm = SW_CONTAINER_OF(timer, struct alarm, timer);
    assert_false(sw_timer_running(timer));
    assert_true(now_ms >= alarm->due_ms);
    alarm->fired_ms = now_ms;
    alarm->fired++;
    alarm->running = false;
}

static void start(struct alarm *alarm, uint64_t delay_ms)
{
    sw_timer_start(&wheel, &alarm->timer, now_ms, delay_ms);
    alarm->due_ms = now_ms + delay_ms;
    alarm->running = true;
}

static void advance_to(uint64_t ms)
{
    now_ms = ms;
    sw_wheel_advance(&wheel, ms);
    assert_true(sw_wheel_sane(&wheel));
}

static int set_up(void **state)
{
    (void)state;
    now_ms = START_MS;
    sw_wheel_init(&wheel, now_ms);
    return 0;
}

static void empty_wheel_lets_the_loop_sleep(void **state)
{
    (void)state;
    assert_true(sw_wheel_sleep_ms(&wheel, now_ms) == UINT64_MAX);
    advance_to(now_ms + 1000000);
    assert_true(sw_wheel_sane(&wheel));
}

/* Every delay around the ends of slots and of the whole round, with a clock that goes on by 1 ms.
 */
static void wheel_never_fires_early_and_within_two_ticks(void **state)
{
    (void)state;
    static const uint64_t delays[] = {0,    1,     9,     10,    11,    19,    20,    21,
                                      1000, 10229, 10230, 10239, 10240, 10241, 20480, 30000};
    for (size_t i = 0; i < SW_ARRAY_SIZE(delays); i++) {
        for (uint64_t offset = 0; offset < 10; offset++) {
            struct alarm alarm = {0};
            sw_timer_init(&alarm.timer, on_alarm);
            advance_to(now_ms + 10 - now_ms % 10 + offset);
            start(&alarm, delays[i]);
            while (!alarm.fired) {
                assert_true(now_ms <= alarm.due_ms + 20);
                now_ms++;
                sw_wheel_advance(&wheel, now_ms);
            }
            assert_true(alarm.fired_ms >= alarm.due_ms && alarm.fired_ms <= alarm.due_ms + 20);
            assert_int_equal(alarm.fired, 1);
        }
    }
}

static void moving_a_timer_later_and_earlier_fires_it_once_at_the_last_word(void **state)
{
    (void)state;
    struct alarm alarm = {0};
    sw_timer_init(&alarm.timer, on_alarm);
    start(&alarm, 100);
    start(&alarm, 5000);
    advance_to(now_ms + 4000);
    assert_int_equal(alarm.fired, 0);
    start(&alarm, 50);
    assert_int_equal(wheel.count, 1);
    advance_to(now_ms + 70);
    assert_int_equal(alarm.fired, 1);
    advance_to(now_ms + 20000);
    assert_int_equal(alarm.fired, 1);
    assert_int_equal(wheel.count, 0);
}

static void stopped_timer_does_not_fire(void **state)
{
    (void)state;
    struct alarm alarm = {0};
    sw_timer_init(&alarm.timer, on_alarm);
    sw_timer_stop(&wheel, &alarm.timer);
    start(&alarm, 30);
    assert_true(sw_timer_running(&alarm.timer));
    sw_timer_stop(&wheel, &alarm.timer);
    sw_timer_stop(&wheel, &alarm.timer);
    assert_false(sw_timer_running(&alarm.timer));
    assert_true(sw_wheel_sleep_ms(&wheel, now_ms) == UINT64_MAX);
    advance_to(now_ms + 100);
    assert_int_equal(alarm.fired, 0);
}

static void a_delay_without_end_neither_overflows_nor_fires(void **state)
{
    (void)state;
    struct alarm alarm = {0};
    sw_timer_init(&alarm.timer, on_alarm);
    sw_timer_start(&wheel, &alarm.timer, now_ms, UINT64_MAX);
    alarm.due_ms = UINT64_MAX;
    advance_to(now_ms + 100000000);
    assert_int_equal(alarm.fired, 0);
    sw_timer_stop(&wheel, &alarm.timer);
}

/* After a gap of more than a round each slot comes up once, and what is due fires once. */
static void long_gap_fires_all_that_is_due_and_nothing_else(void **state)
{
    (void)state;
    static const uint64_t gaps[] = {10230, 10240, 10250, 50000, 86400000};
    for (size_t i = 0; i < SW_ARRAY_SIZE(gaps); i++) {
        static struct alarm alarms[3000];
        for (size_t n = 0; n < SW_ARRAY_SIZE(alarms); n++) {
            alarms[n] = (struct alarm){0};
            sw_timer_init(&alarms[n].timer, on_alarm);
            start(&alarms[n], 10 * n);
        }
        advance_to(now_ms + gaps[i]);
        for (size_t n = 0; n < SW_ARRAY_SIZE(alarms); n++) {
            assert_true(alarms[n].fired <= 1);
            assert_true(alarms[n].fired || alarms[n].due_ms + 10 > now_ms);
            sw_timer_stop(&wheel, &alarms[n].timer);
        }
        assert_int_equal(wheel.count, 0);
    }
}

static void on_alarm_again(struct sw_timer *timer)
{
    struct alarm *alarm = SW_CONTAINER_OF(timer, struct alarm, timer);
    on_alarm(timer);
    start(alarm, 10);
}

static void timer_that_rearms_itself_goes_on_even_across_gaps(void **state)
{
    (void)state;
    struct alarm alarm = {0};
    sw_timer_init(&alarm.timer, on_alarm_again);
    start(&alarm, 10);
    for (int i = 0; i < 1000; i++) {
        advance_to(now_ms + 10);
    }
    assert_true(alarm.fired >= 500 && alarm.fired <= 1000);
    unsigned before = alarm.fired;
    advance_to(now_ms + 1000000);
    assert_true(alarm.fired > before && alarm.fired <= before + 2);
    sw_timer_stop(&wheel, &alarm.timer);
}

static void on_alarm_at_once(struct sw_timer *timer)
{
    struct alarm *alarm = SW_CONTAINER_OF(timer, struct alarm, timer);
    on_alarm(timer);
    start(alarm, 0);
}

static void timer_rearmed_without_delay_waits_for_a_later_tick(void **state)
{
    (void)state;
    struct alarm alarm = {0};
    sw_timer_init(&alarm.timer, on_alarm_at_once);
    start(&alarm, 0);
    advance_to(now_ms + 10);
    assert_int_equal(alarm.fired, 1);
    advance_to(now_ms + 10);
    assert_int_equal(alarm.fired, 2);
    sw_timer_stop(&wheel, &alarm.timer);
}

/* The first to fire of a slot ends all others of it, and its own memory. */
static struct alarm *slot_mates[10];
static unsigned mates_fired;

static void on_end_all(struct sw_timer *timer)
{
    (void)timer;
    mates_fired++;
    for (size_t i = 0; i < SW_ARRAY_SIZE(slot_mates); i++) {
        sw_timer_stop(&wheel, &slot_mates[i]->timer);
        sw_free(slot_mates[i]);
        slot_mates[i] = NULL;
    }
}

static void callback_may_stop_and_free_every_timer_of_its_slot(void **state)
{
    (void)state;
    mates_fired = 0;
    for (size_t i = 0; i < SW_ARRAY_SIZE(slot_mates); i++) {
        slot_mates[i] = sw_zalloc(sizeof(*slot_mates[i]));
        sw_timer_init(&slot_mates[i]->timer, on_end_all);
        start(slot_mates[i], 50);
    }
    advance_to(now_ms + 100);
    assert_int_equal(mates_fired, 1);
    assert_int_equal(wheel.count, 0);
}

static void sleep_ends_at_the_next_slot_in_use(void **state)
{
    (void)state;
    static const uint64_t delays[] = {0, 1, 10, 95, 635, 640, 5000, 10000, 10240, 12000, 40000};
    for (size_t i = 0; i < SW_ARRAY_SIZE(delays); i++) {
        struct alarm alarm = {0};
        sw_timer_init(&alarm.timer, on_alarm);
        start(&alarm, delays[i]);
        unsigned wakes = 0;
        while (!alarm.fired) {
            uint64_t sleep = sw_wheel_sleep_ms(&wheel, now_ms);
            assert_true(sleep <= 10240);
            advance_to(now_ms + sleep);
            wakes++;
            assert_true(wakes <= delays[i] / 10240 + 2);
        }
        assert_true(alarm.fired_ms <= alarm.due_ms + 20);
    }
    struct alarm late = {0};
    sw_timer_init(&late.timer, on_alarm);
    start(&late, 50);
    assert_int_equal(sw_wheel_sleep_ms(&wheel, now_ms + 1000), 0);
    sw_timer_stop(&wheel, &late.timer);
}

static void sleep_looks_past_slots_whose_timers_were_stopped(void **state)
{
    (void)state;
    struct alarm stopped[3] = {0};
    struct alarm alarm = {0};
    for (size_t i = 0; i < SW_ARRAY_SIZE(stopped); i++) {
        sw_timer_init(&stopped[i].timer, on_alarm);
        start(&stopped[i], 50 + 1000 * i);
    }
    sw_timer_init(&alarm.timer, on_alarm);
    start(&alarm, 8000);
    for (size_t i = 0; i < SW_ARRAY_SIZE(stopped); i++) {
        sw_timer_stop(&wheel, &stopped[i].timer);
    }
    assert_true(sw_wheel_sleep_ms(&wheel, now_ms) >= 8000);
    sw_timer_stop(&wheel, &alarm.timer);
}

static void wheel_survives_random_starts_moves_and_stops_against_a_model(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(20260103);
    static struct alarm alarms[TIMERS];
    for (size_t i = 0; i < TIMERS; i++) {
        alarms[i] = (struct alarm){0};
        sw_timer_init(&alarms[i].timer, on_alarm);
    }
    for (int step = 0; step < 20000; step++) {
        struct alarm *alarm = &alarms[sw_random_below(&random, TIMERS)];
        if (sw_random_below(&random, 4) > 0) {
            uint64_t most = (uint64_t[]){20, 1000, 30000}[sw_random_below(&random, 3)];
            start(alarm, sw_random_below(&random, most));
        } else {
            sw_timer_stop(&wheel, &alarm->timer);
            alarm->running = false;
        }
        advance_to(now_ms + sw_random_below(&random, step % 1000 == 0 ? 50000 : 30));
        size_t running = 0;
        for (size_t i = 0; i < TIMERS; i++) {
            assert_int_equal(sw_timer_running(&alarms[i].timer), alarms[i].running);
            assert_true(!alarms[i].running || alarms[i].due_ms + 20 > now_ms);
            running += alarms[i].running;
        }
        assert_int_equal(wheel.count, running);
    }
}

int main(void)
{
#define WHEEL_TEST(test) cmocka_unit_test_setup(test, set_up)
    const struct CMUnitTest tests[] = {
        WHEEL_TEST(empty_wheel_lets_the_loop_sleep),
        WHEEL_TEST(wheel_never_fires_early_and_within_two_ticks),
        WHEEL_TEST(moving_a_timer_later_and_earlier_fires_it_once_at_the_last_word),
        WHEEL_TEST(stopped_timer_does_not_fire),
        WHEEL_TEST(a_delay_without_end_neither_overflows_nor_fires),
        WHEEL_TEST(long_gap_fires_all_that_is_due_and_nothing_else),
        WHEEL_TEST(timer_that_rearms_itself_goes_on_even_across_gaps),
        WHEEL_TEST(timer_rearmed_without_delay_waits_for_a_later_tick),
        WHEEL_TEST(callback_may_stop_and_free_every_timer_of_its_slot),
        WHEEL_TEST(sleep_ends_at_the_next_slot_in_use),
        WHEEL_TEST(sleep_looks_past_slots_whose_timers_were_stopped),
        WHEEL_TEST(wheel_survives_random_starts_moves_and_stops_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
