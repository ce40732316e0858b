// SPDX-License-Identifier: Apache-2.0
/* What sessions of one worker are told of the bus: each what is new to it, once, a bounded number
 * of them in one turn. */
#include "sessions_world.h"

#define STALE     "{\"type\":\"feed\",\"state\":\"stale\",\"since_ms\":1200}\n"
#define LIVE(gap) "{\"type\":\"feed\",\"state\":\"live\",\"gap\":" gap "}\n"

static void say(struct sw_session *session, struct sw_slice text)
{
    struct world *world = SW_CONTAINER_OF(session->all, struct world, sessions);
    sw_buf_printf(&world->closed, "%u %.*s\n", (unsigned)session->id, SW_SLICE_ARG(text));
}

static const struct sw_transport loud = {.name = "test",
                                         .open = SW_CONNECTION_WS_OPEN,
                                         .closing = SW_CONNECTION_WS_CLOSING,
                                         .frame = say,
                                         .close = say_close};

/* One that has just been welcomed. */
static struct sw_session *arrive(struct world *world)
{
    enter(world);
    struct sw_session *session = world->list[world->count - 1];
    session->transport = &loud;
    sw_feed_begin(session);
    sw_session_say_feed(session);
    return session;
}

static void reads(struct world *world, struct sw_session *session, const char *name)
{
    attach(session, tape_of(world, name, strchr(name, '*') != NULL));
}

static void lose(struct world *world)
{
    sw_feed_change(&world->sessions, true, sw_loop_now_ms(world->loop) - 1200);
}

static void miss(struct world *world, const char *name)
{
    sw_feed_missed(&world->sessions, tape_of(world, name, strchr(name, '*') != NULL));
}

static void come_back(struct world *world)
{
    sw_feed_change(&world->sessions, false, 0);
}

static void told(struct world *world, const char *lines)
{
    while (world->sessions.feed.untold > 0) {
        sw_feed_turn(&world->sessions);
    }
    assert_string_equal(sw_buf_text(&world->closed), lines);
    sw_buf_clear(&world->closed);
}

static void everybody_hears_both_changes(void **state)
{
    struct world *world = *state;
    arrive(world);
    arrive(world);
    told(world, "");
    lose(world);
    told(world, "2 " STALE "1 " STALE);
    told(world, "");
    come_back(world);
    told(world, "2 " LIVE("false") "1 " LIVE("false"));
}

static void a_gap_is_of_who_reads_what_missed_something(void **state)
{
    struct world *world = *state;
    reads(world, arrive(world), "plain");
    reads(world, arrive(world), "kept");
    struct sw_session *both = arrive(world);
    reads(world, both, "kept");
    reads(world, both, "plain.*");
    lose(world);
    told(world, "3 " STALE "2 " STALE "1 " STALE);
    miss(world, "plain");
    miss(world, "plain.*");
    come_back(world);
    told(world, "3 " LIVE("true") "2 " LIVE("false") "1 " LIVE("true"));
    lose(world); /* and this time nothing was lost */
    told(world, "3 " STALE "2 " STALE "1 " STALE);
    come_back(world);
    told(world, "3 " LIVE("false") "2 " LIVE("false") "1 " LIVE("false"));
}

static void who_comes_meanwhile_hears_what_is_so(void **state)
{
    struct world *world = *state;
    lose(world);
    reads(world, arrive(world), "a");
    told(world, "1 " STALE);
    miss(world, "a");
    come_back(world);
    reads(world, arrive(world), "a"); /* it has heard of nothing, and nothing is to be said */
    told(world, "1 " LIVE("true"));
}

/* An outage that is over before its turn came: nothing but its end. */
static void a_short_one_is_told_by_its_end(void **state)
{
    struct world *world = *state;
    reads(world, arrive(world), "a");
    lose(world);
    miss(world, "a");
    come_back(world);
    told(world, "1 " LIVE("true"));
}

static void who_echoes_is_no_client_or_goes_hears_nothing(void **state)
{
    struct world *world = *state;
    arrive(world)->echo = true;
    sw_session_close(arrive(world), SW_REASON_CLIENT);
    arrive(world);
    lose(world);
    told(world, "3 " STALE);
    sw_sessions_retire(&world->sessions);
}

static void a_turn_tells_so_many_and_no_more(void **state)
{
    struct world *world = *state;
    for (uint32_t i = 0; i < SW_FEED_SESSIONS + 10; i++) {
        arrive(world);
    }
    lose(world);
    sw_feed_turn(&world->sessions);
    assert_int_equal(world->sessions.feed.untold, 10);
    assert_true(sw_sessions_busy(&world->sessions));
    sw_buf_clear(&world->closed);
    arrive(world);
    sw_buf_clear(&world->closed);
    sw_feed_turn(&world->sessions);
    assert_int_equal(world->sessions.feed.untold, 0);
    unsigned lines = 0;
    for (const char *at = sw_buf_text(&world->closed); (at = strchr(at, '\n')); at++) {
        lines++;
    }
    assert_int_equal(lines, 10);
}

/* Their numbers are eight bits wide. */
static void many_outages_are_told_apart(void **state)
{
    struct world *world = *state;
    reads(world, arrive(world), "a");
    reads(world, arrive(world), "b");
    for (unsigned i = 0; i < 1000; i++) {
        bool gap = i % 3 == 0;
        lose(world);
        told(world, "2 " STALE "1 " STALE);
        if (gap) {
            miss(world, "a");
        }
        come_back(world);
        told(world,
             gap ? "2 " LIVE("false") "1 " LIVE("true") : "2 " LIVE("false") "1 " LIVE("false"));
    }
}

/* Nor is one taken for another that has its number. */
static void an_old_outage_is_none_of_now(void **state)
{
    struct world *world = *state;
    reads(world, arrive(world), "a");
    for (unsigned i = 0; i < 400; i++) {
        lose(world);
        told(world, "1 " STALE);
        if (i == 0) {
            miss(world, "a");
        }
        come_back(world);
        told(world, i == 0 ? "1 " LIVE("true") : "1 " LIVE("false"));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(everybody_hears_both_changes),
        TEST(a_gap_is_of_who_reads_what_missed_something),
        TEST(who_comes_meanwhile_hears_what_is_so),
        TEST(a_short_one_is_told_by_its_end),
        TEST(who_echoes_is_no_client_or_goes_hears_nothing),
        TEST(a_turn_tells_so_many_and_no_more),
        TEST(many_outages_are_told_apart),
        TEST(an_old_outage_is_none_of_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
