// SPDX-License-Identifier: Apache-2.0
/* A guard that cannot say yet, and what it keeps for the handler. */
#include "site.h"

#define POST     "POST /held HTTP/1.1\r\nHost: a\r\n"
#define SHORT    POST "Content-Length: 3\r\n\r\nabc"
#define HELD     OK("\r\nheld", "4")
#define FOR_EVER 1000000000u

static bool was_asked(void *context)
{
    struct world *world = context;
    sw_loop_stay_awake(world->turning.loop);
    return world->asked > 2;
}

static void held_request_is_asked_again_and_what_follows_waits(void **state)
{
    struct world *world = *state;
    world->holds = 3;
    say(world, SW_SLICE(SHORT SHORT GET("/")));
    expect_heard(world, HELD HELD OK("X-Extra: 1\r\n\r\n/", "1"));
    assert_int_equal(world->asked, 5);
    assert_string_equal(sw_buf_text(&world->said), "3;3;/?:;");
    assert_int_equal(world->kept, 2);
    assert_int_equal(world->dropped, 2);
    assert_int_equal(sw_counter_read(&world->counters.http_requests_total), 3);
}

static void held_request_may_be_refused_in_the_end(void **state)
{
    struct world *world = *state;
    world->holds = 2;
    expect_answer(world, SW_SLICE(POST "X-Nobody: 1\r\nContent-Length: 3\r\n\r\n"), 401, true,
                  "WWW-Authenticate: Bearer\r\n");
    assert_int_equal(world->asked, 3);
    assert_int_equal(world->kept, 0);
    /* Where no body follows the way to the next request is free. */
    world->holds = 2;
    expect_answer(world, SW_SLICE(POST "X-Nobody: 1\r\n\r\n"), 401, false, "who?");
}

static void client_that_ends_its_side_while_it_is_held_hears_its_reply(void **state)
{
    struct world *world = *state;
    world->holds = FOR_EVER;
    say(world, SW_SLICE(SHORT));
    assert_true(turning_until(&world->turning, 5000, was_asked, world));
    shutdown(world->client, SHUT_WR);
    turning_for(&world->turning, 30);
    world->holds = 0;
    expect_last_heard(world, HELD);
    assert_int_equal(world->dropped, 1);
}

static void who_sends_on_while_it_is_held_is_held_back(void **state)
{
    struct world *world = *state;
    static char body[LARGE];
    struct sw_buf head = {0};
    sw_buf_printf(&head, POST "Content-Length: %u\r\n\r\n", LARGE);
    world->holds = FOR_EVER;
    say(world, sw_buf_slice(&head));
    sw_buf_deinit(&head);
    size_t sent = 0;
    for (unsigned i = 0; i < 60 && sent < LARGE; i++) {
        ssize_t n = send(world->client, body + sent, LARGE - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        turning_for(&world->turning, 1);
    }
    assert_false(world->conn.reading);
    world->holds = 0;
    while (sent < LARGE) {
        ssize_t n = send(world->client, body + sent, LARGE - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        turning_for(&world->turning, 1);
    }
    expect_heard(world, HELD);
    assert_string_equal(sw_buf_text(&world->said), "4194304;");
}

static void what_is_kept_goes_with_a_connection_that_breaks(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE(POST "Content-Length: 9\r\n\r\nabc"));
    turning_for(&world->turning, 30);
    assert_int_equal(world->kept, 1);
    assert_int_equal(world->dropped, 0);
    hang_up(world);
    assert_int_equal(world->dropped, 1);
    open_connection(world);
    /* And one that is held can be closed. */
    world->asked = 0;
    world->holds = FOR_EVER;
    say(world, SW_SLICE(SHORT));
    assert_true(turning_until(&world->turning, 5000, was_asked, world));
    sw_conn_close(&world->conn);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
}

/* Many connections beside the world's own; each asks one thing and is held. */
#define MANY 50

struct crowd {
    struct sw_conn conns[MANY];
    int clients[MANY];
    unsigned closed;
};

static struct crowd *crowd;

static void on_crowd_closed(void *context, struct sw_conn *conn)
{
    struct world *world = context;
    if (conn == &world->conn) {
        on_closed(context, conn);
    } else {
        crowd->closed++;
    }
}

static bool crowd_is_asked(void *context)
{
    sw_loop_stay_awake(((struct world *)context)->turning.loop);
    return ((struct world *)context)->asked >= MANY;
}

static bool crowd_is_heard(void *context)
{
    struct world *world = context;
    sw_loop_stay_awake(world->turning.loop);
    return world->kept == MANY;
}

static bool crowd_is_closed(void *context)
{
    (void)context;
    return crowd->closed == MANY;
}

static void very_many_held_cost_a_turn_no_more_than_one(void **state)
{
    struct world *world = *state;
    crowd = sw_zalloc(sizeof(*crowd));
    world->site.on_closed = on_crowd_closed;
    world->holds = FOR_EVER;
    for (unsigned i = 0; i < MANY; i++) {
        int fds[2];
        pair_connect(fds);
        crowd->clients[i] = fds[1];
        assert_int_equal(sw_http_open(&world->site, &crowd->conns[i], fds[0]), 0);
        assert_int_equal(send(fds[1], SHORT, sizeof(SHORT) - 1, MSG_NOSIGNAL), sizeof(SHORT) - 1);
    }
    assert_true(turning_until(&world->turning, 5000, crowd_is_asked, world));
    turning_for(&world->turning, 5); /* all of them have come */
    uint64_t turns = sw_loop_turns(world->turning.loop);
    unsigned asked = world->asked;
    turning_for(&world->turning, 20);
    turns = sw_loop_turns(world->turning.loop) - turns;
    assert_true(turns > 0 && world->asked - asked <= turns + 1);
    world->holds = 0;
    assert_true(turning_until(&world->turning, 5000, crowd_is_heard, world));
    for (unsigned i = 0; i < MANY; i++) {
        close(crowd->clients[i]);
    }
    assert_true(turning_until(&world->turning, 5000, crowd_is_closed, world));
    sw_free(crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(held_request_is_asked_again_and_what_follows_waits, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(held_request_may_be_refused_in_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(client_that_ends_its_side_while_it_is_held_hears_its_reply,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_sends_on_while_it_is_held_is_held_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(very_many_held_cost_a_turn_no_more_than_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_kept_goes_with_a_connection_that_breaks, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
