// SPDX-License-Identifier: Apache-2.0
#include "turning.h"

#include "common/clock.h"

static struct turning turning;

static int set_up(void **state)
{
    (void)state;
    turning_init(&turning);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    turning_deinit(&turning);
    return 0;
}

struct alarm {
    struct sw_timer timer;
    uint64_t at_ms;
    uint64_t seen_now_ms;
    bool fired;
};

static void on_alarm(struct sw_timer *timer)
{
    struct alarm *alarm = SW_CONTAINER_OF(timer, struct alarm, timer);
    alarm->at_ms = sw_clock_ms();
    alarm->seen_now_ms = sw_loop_now_ms(turning.loop);
    alarm->fired = true;
}

static void timer_fires_after_its_delay_and_the_clock_is_fresh_then(void **state)
{
    (void)state;
    struct alarm alarm = {0};
    sw_timer_init(&alarm.timer, on_alarm);
    uint64_t start_ms = sw_loop_now_ms(turning.loop);
    uint64_t wall_start_ms = sw_clock_ms();
    sw_loop_timer_start(turning.loop, &alarm.timer, 60);
    assert_true(turning_until(&turning, 5000, turning_is_set, &alarm.fired));
    assert_true(alarm.at_ms - wall_start_ms >= 55);
    /* The clock is the one after the sleep, not the one before it. */
    assert_true(alarm.seen_now_ms - start_ms >= 60);
}

static void stopped_timer_does_not_fire(void **state)
{
    (void)state;
    struct alarm alarm = {0};
    sw_timer_init(&alarm.timer, on_alarm);
    sw_loop_timer_start(turning.loop, &alarm.timer, 20);
    sw_loop_timer_stop(turning.loop, &alarm.timer);
    turning_for(&turning, 80);
    assert_false(alarm.fired);
}

static void idle_loop_does_not_turn(void **state)
{
    (void)state;
    uint64_t before = sw_loop_turns(turning.loop);
    turning_for(&turning, 200);
    assert_true(sw_loop_turns(turning.loop) - before <= 5);
}

static bool stay_awake_ten_times(void *context)
{
    unsigned *turns = context;
    if (*turns == 10) {
        return true;
    }
    (*turns)++;
    sw_loop_stay_awake(turning.loop);
    return false;
}

static void loop_that_stays_awake_does_not_sleep_and_sleeps_again_after(void **state)
{
    (void)state;
    unsigned turns = 0;
    uint64_t start_ms = sw_clock_ms();
    assert_true(turning_until(&turning, 5000, stay_awake_ten_times, &turns));
    assert_true(sw_clock_ms() - start_ms < 1000);
    idle_loop_does_not_turn(state);
}

/* ---- the order of a turn ---- */

static char order[16];
static struct sw_task task;

static void note(char what)
{
    size_t size = strlen(order);
    order[size] = what;
    order[size + 1] = 0;
}

static void run_first(void *owner)
{
    (void)owner;
    if (strlen(order) < 6) {
        note('1');
        sw_loop_later(turning.loop, &task);
        sw_loop_later(turning.loop, &task); /* waits already */
    }
}

static void run_second(void *owner)
{
    (void)owner;
    if (strlen(order) < 6) {
        note('2');
    }
}

static void run_task(struct sw_task *self)
{
    assert_ptr_equal(self, &task);
    note('t');
}

static bool order_is_long(void *context)
{
    (void)context;
    return strlen(order) >= 6;
}

static void turns_run_in_order_and_a_task_comes_once_before_the_next(void **state)
{
    (void)state;
    order[0] = 0;
    struct sw_turn first = {.run = run_first};
    struct sw_turn second = {.run = run_second};
    sw_task_init(&task, run_task);
    sw_loop_add_turn(turning.loop, &first);
    sw_loop_add_turn(turning.loop, &second);
    assert_true(turning_until(&turning, 5000, order_is_long, NULL));
    order[6] = 0;
    assert_string_equal(order, "12t12t");
    sw_task_cancel(&task);
    turning_deinit(&turning); /* it borrows the turns, which live on this stack */
    turning_init(&turning);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timer_fires_after_its_delay_and_the_clock_is_fresh_then),
        cmocka_unit_test(stopped_timer_does_not_fire),
        cmocka_unit_test(idle_loop_does_not_turn),
        cmocka_unit_test(loop_that_stays_awake_does_not_sleep_and_sleeps_again_after),
        cmocka_unit_test(turns_run_in_order_and_a_task_comes_once_before_the_next),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
