// SPDX-License-Identifier: Apache-2.0
/* Replies that come later or are taken slowly; upgrades, draining, deadlines. */
#include "site.h"

/* ---- deferral ---- */

static bool is_deferred(void *context)
{
    return ((struct world *)context)->deferred != NULL;
}

static void reply_later(struct world *world, struct sw_slice body)
{
    struct sw_http *http = world->deferred;
    world->deferred = NULL;
    sw_http_reply(http, 200, "text/plain", body, "");
}

static void deferred_reply_holds_back_the_next_request(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE(GET("/later") GET("/later") GET("/")));
    assert_true(turning_until(&world->turning, 5000, is_deferred, world));
    turning_for(&world->turning, 30);
    assert_int_equal(world->deferrals, 1);
    reply_later(world, SW_SLICE("one"));
    assert_int_equal(world->deferrals, 1); /* not inside the reply */
    expect_heard(world, OK("\r\none", "3"));
    assert_true(turning_until(&world->turning, 5000, is_deferred, world));
    reply_later(world, SW_SLICE("two"));
    expect_heard(world, OK("\r\ntwo", "3") OK("X-Extra: 1\r\n\r\n/", "1"));
    assert_int_equal(world->gone, 0);
}

static bool has_gone(void *context)
{
    return ((struct world *)context)->gone > 0;
}

static void reset_by_client(struct world *world)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(world->client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(world->client);
}

static void client_that_leaves_is_told_to_who_would_reply(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE(GET("/later")));
    assert_true(turning_until(&world->turning, 5000, is_deferred, world));
    reset_by_client(world);
    assert_true(turning_until(&world->turning, 5000, has_gone, world));
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    assert_int_equal(world->gone, 1);
    /* And when the owner closes the connection itself. */
    open_connection(world);
    world->gone = 0;
    say(world, SW_SLICE(GET("/later")));
    assert_true(turning_until(&world->turning, 5000, is_deferred, world));
    sw_conn_close(&world->conn);
    assert_true(turning_until(&world->turning, 5000, has_gone, world));
    assert_int_equal(world->gone, 1);
}

static bool has_ended(void *context)
{
    return ((struct world *)context)->conn.ended;
}

static void client_that_ends_its_side_hears_its_reply(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE(GET("/later")));
    assert_true(turning_until(&world->turning, 5000, is_deferred, world));
    shutdown(world->client, SHUT_WR);
    assert_true(turning_until(&world->turning, 5000, has_ended, world));
    reply_later(world, SW_SLICE("one"));
    expect_last_heard(world, OK("Connection: close\r\n\r\none", "3"));
    assert_int_equal(world->gone, 0);
    /* And so does one that had asked for more. */
    hang_up(world);
    open_connection(world);
    say(world, SW_SLICE(GET("/later") GET("/")));
    assert_true(turning_until(&world->turning, 5000, is_deferred, world));
    shutdown(world->client, SHUT_WR);
    assert_true(turning_until(&world->turning, 5000, has_ended, world));
    reply_later(world, SW_SLICE("two"));
    expect_last_heard(world, OK("\r\ntwo", "3") OK("X-Extra: 1\r\n\r\n/", "1"));
}

static void reply_to_a_connection_that_closes_is_harmless(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE(GET("/later")));
    assert_true(turning_until(&world->turning, 5000, is_deferred, world));
    sw_conn_close(&world->conn);
    reply_later(world, SW_SLICE("late"));
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    assert_int_equal(world->gone, 0);
}

static void who_pipelines_behind_a_deferral_is_held_back(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE(GET("/later")));
    assert_true(turning_until(&world->turning, 5000, is_deferred, world));
    static char junk[65536];
    size_t total = 0;
    for (unsigned i = 0; i < 400; i++) {
        ssize_t sent = send(world->client, junk, sizeof(junk), MSG_NOSIGNAL);
        total += sent > 0 ? (size_t)sent : 0;
        turning_for(&world->turning, 1);
    }
    assert_true(total < 20u << 20); /* of 26 MB: the kernel's buffers and one of ours */
    assert_false(world->conn.reading);
    reply_later(world, SW_SLICE("one"));
    assert_true(turning_until(&world->turning, 5000, heard_the_end, world)); /* it was junk */
}

/* ---- */

static void upgrade_hands_over_the_connection_and_what_came_behind(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
                        "behind"));
    expect_heard(world, "raw:behind");
    assert_true(world->detached);
    assert_int_equal(sw_counter_read(&world->counters.connections[SW_CONNECTION_HTTP]), 0);
    say(world, SW_SLICE("more"));
    expect_heard(world, "more");
    assert_int_equal(sw_counter_read(&world->counters.http_requests_total), 1);
    sw_http_close(&world->conn); /* no longer its business */
    assert_false(world->conn.closing);
}

static void large_answer_reaches_a_slow_reader_whole(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    turning_for(&world->turning, 50);
    assert_true(sw_conn_unwritten(&world->conn) > 0);
    shutdown(world->client, SHUT_WR); /* and who closes his side still reads */
    assert_true(turning_until(&world->turning, 20000, heard_the_end, world));
    assert_true(world->heard.size > LARGE);
    assert_int_equal(world->heard.data[world->heard.size - 1], 'x');
    assert_int_equal(world->over_error, 0);
}

static void who_asks_and_never_reads_costs_one_answer(void **state)
{
    struct world *world = *state;
    struct sw_buf requests = {0};
    for (unsigned i = 0; i < 20; i++) {
        sw_buf_printf(&requests, GET("/large"));
    }
    say(world, sw_buf_slice(&requests));
    sw_buf_deinit(&requests);
    turning_for(&world->turning, 100);
    assert_true(sw_conn_unwritten(&world->conn) <= LARGE + 1000);
    assert_int_equal(sw_counter_read(&world->counters.http_requests_total), 1);
    world->wanted = "";
    while (world->heard.size < 20u * LARGE) {
        assert_true(turning_until(&world->turning, 5000, heard_all, world));
    }
    assert_int_equal(sw_counter_read(&world->counters.http_requests_total), 20);
}

static void draining_closes_who_waits_and_finishes_who_asked(void **state)
{
    struct world *world = *state;
    sw_http_close(&world->conn);
    expect_last_heard(world, "");
    hang_up(world);
    open_connection(world);
    say(world, SW_SLICE(GET("/later") GET("/")));
    assert_true(turning_until(&world->turning, 5000, is_deferred, world));
    sw_http_close(&world->conn);
    assert_false(world->conn.closing);
    reply_later(world, SW_SLICE("one"));
    expect_last_heard(world, OK("Connection: close\r\n\r\none", "3"));
    hang_up(world);
    open_connection(world);
    say(world, SW_SLICE("GET / HTT"));
    turning_for(&world->turning, 20);
    sw_http_close(&world->conn);
    say(world, SW_SLICE("P/1.1\r\nHost: a\r\n\r\n"));
    expect_last_heard(world, OK("Connection: close\r\nX-Extra: 1\r\n\r\n/", "1"));
}

static void finishing_waits_for_who_has_not_asked_and_for_nobody_else(void **state)
{
    struct world *world = *state;
    sw_http_finish(&world->conn);
    turning_for(&world->turning, 20);
    assert_false(world->conn.closing);
    say(world, SW_SLICE(GET("/")));
    expect_last_heard(world, OK("Connection: close\r\nX-Extra: 1\r\n\r\n/", "1"));
    hang_up(world);
    open_connection(world);
    say(world, SW_SLICE(GET("/")));
    expect_heard(world, OK("X-Extra: 1\r\n\r\n/", "1"));
    sw_http_finish(&world->conn);
    expect_last_heard(world, "");
}

static void request_in_pieces_is_served(void **state)
{
    struct world *world = *state;
    struct sw_slice request =
        SW_SLICE("POST /t/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "2\r\nxy\r\n0\r\n\r\n");
    for (size_t i = 0; i < request.size; i++) {
        say(world, sw_slice(request.data + i, 1));
        turning_for(&world->turning, 1);
    }
    expect_heard(world, OK("X-Extra: 1\r\n\r\nxy", "2"));
}

/* ---- deadlines: three connections at once, since each takes its ten seconds ---- */

struct sleeper {
    struct sw_conn conn;
    int client;
    const char *says;
    const char *hears; /* at the start, then an end */
};

static unsigned sleepers_closed;

static void on_sleeper_closed(void *context, struct sw_conn *conn)
{
    (void)context;
    (void)conn;
    sleepers_closed++;
}

static bool all_sleepers_closed(void *context)
{
    (void)context;
    return sleepers_closed == 3;
}

static void who_takes_too_long_is_told_and_closed(void **state)
{
    struct world *world = *state;
    struct sw_site site = world->site;
    site.on_closed = on_sleeper_closed;
    struct sleeper sleepers[] = {
        {.says = "", .hears = ""},
        {.says = "GET / HTTP/1.1\r\nHo", .hears = "HTTP/1.1 408 Request Timeout\r\n"},
        {.says = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel",
         .hears = "HTTP/1.1 408 Request Timeout\r\n"},
    };
    sleepers_closed = 0;
    for (size_t i = 0; i < 3; i++) {
        int fds[2];
        pair_connect(fds);
        sleepers[i].client = fds[1];
        assert_int_equal(sw_http_open(&site, &sleepers[i].conn, fds[0]), 0);
        size_t size = strlen(sleepers[i].says);
        assert_int_equal(send(fds[1], sleepers[i].says, size, 0), size);
    }
    uint64_t start_ms = sw_clock_ms();
    assert_true(
        turning_until(&world->turning, SW_HTTP_DEADLINE_MS + 5000, all_sleepers_closed, NULL));
    assert_true(sw_clock_ms() - start_ms >= SW_HTTP_DEADLINE_MS - 100);
    for (size_t i = 0; i < 3; i++) {
        char text[1024] = "";
        ssize_t n = recv(sleepers[i].client, text, sizeof(text) - 1, 0);
        assert_true(n >= 0);
        assert_memory_equal(text, sleepers[i].hears, strlen(sleepers[i].hears));
        assert_int_equal(n > 0, strlen(sleepers[i].hears) > 0);
        close(sleepers[i].client);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(deferred_reply_holds_back_the_next_request),
        CASE(client_that_leaves_is_told_to_who_would_reply),
        CASE(client_that_ends_its_side_hears_its_reply),
        CASE(reply_to_a_connection_that_closes_is_harmless),
        CASE(who_pipelines_behind_a_deferral_is_held_back),
        CASE(upgrade_hands_over_the_connection_and_what_came_behind),
        CASE(large_answer_reaches_a_slow_reader_whole),
        CASE(who_asks_and_never_reads_costs_one_answer),
        CASE(draining_closes_who_waits_and_finishes_who_asked),
        CASE(finishing_waits_for_who_has_not_asked_and_for_nobody_else),
        CASE(request_in_pieces_is_served),
        CASE(who_takes_too_long_is_told_and_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
