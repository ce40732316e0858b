// SPDX-License-Identifier: Apache-2.0
/* Sessions that carry payloads alone: when they go that cannot be told, and why. */
#include "sessions_world.h"

#define CROWD 200

static const struct sw_transport raw_transport = {.name = "raw",
                                                  .raw = true,
                                                  .open = SW_CONNECTION_RAW_OPEN,
                                                  .closing = SW_CONNECTION_RAW_CLOSING,
                                                  .encoding = SW_ENCODING_RAW,
                                                  .close = say_close};

static struct sw_session *enter_raw(struct world *world)
{
    enter(world);
    struct sw_session *session = world->list[world->count - 1];
    sw_count(&world->counters.connections[SW_CONNECTION_WS_OPEN], -1);
    sw_count(&world->counters.connections[SW_CONNECTION_RAW_OPEN], 1);
    session->transport = &raw_transport;
    return session;
}

static void who_missed_something_goes_at_a_moment_of_its_own(void **state)
{
    struct world *world = *state;
    bool taken[SW_RAW_SPREAD_MS / SW_WHEEL_TICK_MS + 1] = {false};
    unsigned moments = 0;
    for (unsigned i = 0; i < CROWD; i++) {
        struct sw_session *session = enter_raw(world);
        assert_int_equal(sw_raw_stays_ms(session), UINT64_MAX);
        sw_raw_gap(session);
        uint64_t ms = sw_raw_stays_ms(session);
        assert_in_range(ms, 0, SW_RAW_SPREAD_MS);
        assert_int_equal(session->reason, SW_REASON_GAP);
        assert_int_equal(sw_session_state(session), SW_OPEN);
        moments += !taken[ms / SW_WHEEL_TICK_MS];
        taken[ms / SW_WHEEL_TICK_MS] = true;
        sw_raw_gap(session); /* a second one puts nothing off */
        assert_in_range(sw_raw_stays_ms(session), 0, ms);
    }
    assert_true(moments > CROWD / 4);
}

static void the_sooner_moment_counts(void **state)
{
    struct world *world = *state;
    struct sw_session *session = enter_raw(world);
    struct sw_farewell late = {.from_ms = 60000, .to_ms = 90000, .close_ms = 95000};
    struct sw_farewell now = {0};
    sw_raw_drain(session, &late);
    assert_int_equal(session->reason, SW_REASON_DRAIN);
    assert_in_range(sw_raw_stays_ms(session), 60000, 90000);
    assert_false(sw_raw_leave(session));
    sw_raw_gap(session);
    assert_int_equal(session->reason, SW_REASON_GAP);
    assert_in_range(sw_raw_stays_ms(session), 0, SW_RAW_SPREAD_MS);
    sw_raw_drain(session, &late);
    assert_int_equal(session->reason, SW_REASON_GAP);
    sw_raw_drain(session, &now);
    assert_int_equal(sw_raw_stays_ms(session), 0);
}

static void its_moment_closes_it_once(void **state)
{
    struct world *world = *state;
    struct sw_session *session = enter_raw(world);
    sw_raw_refused(session);
    session->leaves_at = sw_sessions_tick(&world->sessions);
    assert_true(sw_raw_leave(session));
    assert_int_equal(sw_session_state(session), SW_CLOSING_STATE);
    assert_int_equal(session->reason, SW_REASON_UNAVAILABLE);
    assert_false(session->after_data);
    sw_raw_gap(session);
    assert_int_equal(session->reason, SW_REASON_UNAVAILABLE);
    sw_sessions_retire(&world->sessions);
    assert_string_equal(sw_buf_text(&world->closed), "1 1013 the topic cannot be read now\n");
    assert_int_equal(sw_counter_read(&world->counters.connections[SW_CONNECTION_RAW_CLOSING]), 1);
}

static void a_drain_closes_behind_what_is_owed(void **state)
{
    struct world *world = *state;
    struct sw_session *session = enter_raw(world);
    sw_raw_drain(session, &(struct sw_farewell){0});
    assert_true(sw_raw_leave(session));
    assert_true(session->after_data);
}

static void another_session_is_not_touched_and_nothing_is_said_to_a_raw_one(void **state)
{
    struct world *world = *state;
    enter(world);
    struct sw_session *other = world->list[0];
    sw_raw_gap(other);
    sw_raw_refused(other);
    sw_raw_drain(other, &(struct sw_farewell){0});
    assert_int_equal(sw_raw_stays_ms(other), UINT64_MAX);
    assert_false(sw_raw_leave(other));
    struct sw_session *session = enter_raw(world);
    sw_session_say(session, SW_SLICE("{}"));
    assert_int_equal(session->lane.size, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_missed_something_goes_at_a_moment_of_its_own),
        TEST(the_sooner_moment_counts),
        TEST(its_moment_closes_it_once),
        TEST(a_drain_closes_behind_what_is_owed),
        TEST(another_session_is_not_touched_and_nothing_is_said_to_a_raw_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
