// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/net/pair.h"

#include "common/clock.h"
#include "http/server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#define LARGE (4u << 20)

/* A site with one connection to it; the client's end is `client`. */
struct world {
    struct turning turning;
    struct sw_counters counters;
    struct sw_site site;
    struct sw_conn conn;
    int client;
    bool closed;
    bool over; /* the client has heard the end */
    int over_error;
    struct sw_buf heard;
    const char *wanted;
    struct sw_http *deferred;
    unsigned deferrals;
    unsigned gone;
    struct sw_buf rest;
    struct sw_buf said; /* what the handlers were told */
    bool detached;
    unsigned guards;
};

static struct world *the;

/* ---- the site ---- */

static void handle_echo(void *context, struct sw_http *http, const struct sw_request *request)
{
    struct world *world = context;
    sw_buf_printf(&world->said, "%.*s?%.*s:%.*s;", SW_SLICE_ARG(request->path),
                  SW_SLICE_ARG(request->query), SW_SLICE_ARG(request->body));
    sw_http_reply(http, 200, "text/plain", request->body.size ? request->body : request->path,
                  "X-Extra: 1\r\n");
}

static void on_gone(void *owner)
{
    struct world *world = owner;
    world->gone++;
    world->deferred = NULL;
}

static void handle_later(void *context, struct sw_http *http, const struct sw_request *request)
{
    struct world *world = context;
    (void)request;
    assert_null(world->deferred);
    world->deferred = http;
    world->deferrals++;
    sw_http_defer(http, on_gone, world);
}

static void handle_at_once(void *context, struct sw_http *http, const struct sw_request *request)
{
    handle_later(context, http, request);
    ((struct world *)context)->deferred = NULL;
    sw_http_reply(http, 200, "text/plain", SW_SLICE("now"), "");
}

static void handle_large(void *context, struct sw_http *http, const struct sw_request *request)
{
    (void)context;
    (void)request;
    char *body = malloc(LARGE);
    memset(body, 'x', LARGE);
    sw_http_reply(http, 200, "text/plain", sw_slice(body, LARGE), "");
    free(body);
}

static void on_raw_read(struct sw_conn *conn, const char *data, size_t size)
{
    (void)sw_conn_write(conn, data, size);
}

static void on_raw_end(struct sw_conn *conn, int status)
{
    (void)status;
    sw_conn_close(conn);
}

static void on_raw_closed(struct sw_conn *conn)
{
    (void)conn;
    the->closed = true;
}

static void handle_upgrade(void *context, struct sw_http *http, const struct sw_request *request)
{
    static const struct sw_conn_events raw = {
        .on_read = on_raw_read, .on_end = on_raw_end, .on_closed = on_raw_closed};
    struct world *world = context;
    if (!request->upgrade) {
        sw_http_reply_error(http, SW_ERROR_BAD_REQUEST, "an upgrade is needed", 0, NULL);
        return;
    }
    assert_ptr_equal(sw_http_conn(http), &world->conn);
    struct sw_conn *conn = sw_http_detach(http, &world->rest);
    world->detached = true;
    sw_conn_adopt(conn, &raw);
    (void)sw_conn_write(conn, "raw:", 4);
    (void)sw_conn_write(conn, world->rest.data, world->rest.size);
}

static void handle_error(void *context, struct sw_http *http, const struct sw_request *request)
{
    (void)context;
    (void)request;
    sw_http_reply_error(http, SW_ERROR_BUS_UNAVAILABLE, "away \"now\"", 1001, "unknown");
}

static bool guard(void *context, struct sw_http *http, const struct sw_request *request)
{
    ((struct world *)context)->guards++;
    if (sw_request_header(request, "X-Stranger").data) {
        sw_http_reply_error(http, SW_ERROR_FORBIDDEN, NULL, 0, NULL);
        return false;
    }
    return true;
}

static void on_closed(void *context, struct sw_conn *conn)
{
    struct world *world = context;
    assert_ptr_equal(conn, &world->conn);
    world->closed = true;
}

static const struct sw_route routes[] = {
    {.methods = SW_GET | SW_HEAD, .path = "/", .handle = handle_echo},
    {.methods = SW_POST, .path = "/p", .max_body = 64, .cors = true, .handle = handle_echo},
    {.methods = SW_GET, .path = "/p", .handle = handle_later},
    {.methods = SW_POST, .path = "/t/", .prefix = true, .max_body = 64, .handle = handle_echo},
    {.methods = SW_GET, .path = "/t/own", .handle = handle_at_once},
    {.methods = SW_GET, .path = "/later", .handle = handle_later},
    {.methods = SW_GET, .path = "/large", .handle = handle_large},
    {.methods = SW_GET, .path = "/ws", .handle = handle_upgrade},
    {.methods = SW_GET, .path = "/error", .handle = handle_error},
};

/* ---- the client ---- */

static void open_connection(struct world *world)
{
    int fds[2];
    pair_connect(fds);
    world->client = fds[1];
    world->closed = false;
    world->over = false;
    sw_buf_clear(&world->heard);
    assert_int_equal(sw_http_open(&world->site, &world->conn, fds[0]), 0);
    assert_int_equal(sw_counter_read(world->site.open), 1);
}

static int set_up(void **state)
{
    struct world *world = sw_zalloc(sizeof(*world));
    the = world;
    turning_init(&world->turning);
    world->site = (struct sw_site){
        .routes = routes,
        .route_count = SW_ARRAY_SIZE(routes),
        .context = world,
        .loop = world->turning.loop,
        .counters = &world->counters,
        .open = &world->counters.connections[SW_CONNECTION_HTTP],
        .guard = guard,
        .on_closed = on_closed,
    };
    open_connection(world);
    *state = world;
    return 0;
}

static void hang_up(struct world *world)
{
    close(world->client);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    assert_int_equal(sw_counter_read(&world->counters.connections[SW_CONNECTION_HTTP]), 0);
}

static int tear_down(void **state)
{
    struct world *world = *state;
    hang_up(world);
    sw_buf_deinit(&world->heard);
    sw_buf_deinit(&world->rest);
    sw_buf_deinit(&world->said);
    turning_deinit(&world->turning);
    sw_free(world);
    return 0;
}

static void say(struct world *world, struct sw_slice bytes)
{
    assert_int_equal(send(world->client, bytes.data, bytes.size, MSG_NOSIGNAL), bytes.size);
}

static void hear(struct world *world)
{
    char buffer[65536];
    ssize_t n;
    while ((n = recv(world->client, buffer, sizeof(buffer), 0)) > 0) {
        sw_buf_append(&world->heard, buffer, (size_t)n);
    }
    if (n == 0 || errno != EAGAIN) {
        world->over = true;
        world->over_error = n == 0 ? 0 : errno;
    }
}

static bool heard_all(void *context)
{
    struct world *world = context;
    sw_loop_stay_awake(world->turning.loop);
    hear(world);
    return world->heard.size >= strlen(world->wanted);
}

static bool heard_the_end(void *context)
{
    struct world *world = context;
    sw_loop_stay_awake(world->turning.loop);
    hear(world);
    return world->over;
}

static void expect_no_end(struct world *world)
{
    turning_for(&world->turning, 30);
    hear(world);
    assert_false(world->over);
}

/* Exactly these bytes come, and no end. */
static void expect_heard(struct world *world, const char *wanted)
{
    world->wanted = wanted;
    bool all = turning_until(&world->turning, 5000, heard_all, world);
    assert_string_equal(sw_buf_text(&world->heard), wanted);
    assert_true(all);
    assert_false(world->over);
    sw_buf_clear(&world->heard);
}

/* These bytes, and then an end that is no reset. */
static void expect_last_heard(struct world *world, const char *wanted)
{
    assert_true(turning_until(&world->turning, 5000, heard_the_end, world));
    assert_string_equal(sw_buf_text(&world->heard), wanted);
    assert_int_equal(world->over_error, 0);
}

/* An answer with this status on a connection of its own, which closes or not. */
static void expect_answer(struct world *world, struct sw_slice request, unsigned status,
                          bool closes, const char *part)
{
    say(world, request);
    world->wanted = "HTTP/1.1 400 x\r\n\r\n";
    if (closes) {
        assert_true(turning_until(&world->turning, 5000, heard_the_end, world));
        assert_int_equal(world->over_error, 0);
    } else {
        assert_true(turning_until(&world->turning, 5000, heard_all, world));
        expect_no_end(world);
    }
    char line[32];
    snprintf(line, sizeof(line), "HTTP/1.1 %u ", status);
    const char *text = sw_buf_text(&world->heard);
    if (strncmp(text, line, strlen(line)) != 0 || !strstr(text, part)) {
        print_error("%.*s\ngave\n%s\n", SW_SLICE_ARG(request), text);
        fail();
    }
    assert_int_equal(strstr(text, "Connection: close\r\n") != NULL, closes);
    hang_up(world);
    open_connection(world);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK(body, size)                                                                             \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " size "\r\n" body

/* ---- */

static void requests_are_answered_on_one_connection(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE(GET("/?x=1")));
    expect_heard(world, OK("X-Extra: 1\r\n\r\n/", "1"));
    say(world, SW_SLICE("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"));
    expect_heard(world, OK("X-Extra: 1\r\n\r\n", "1"));
    say(world, SW_SLICE("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
    expect_heard(world, OK("Access-Control-Allow-Origin: *\r\nX-Extra: 1\r\n\r\nhello", "5"));
    say(world, SW_SLICE("POST /t/a%20b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "2\r\nxy\r\n0\r\n\r\n"));
    expect_heard(world, OK("X-Extra: 1\r\n\r\nxy", "2"));
    assert_string_equal(sw_buf_text(&world->said), "/?x=1:;/?:;/p?:hello;/t/a%20b?:xy;");
    assert_int_equal(sw_counter_read(&world->counters.http_requests_total), 4);
    assert_int_equal(sw_counter_read(&world->counters.http_errors_total), 0);
    assert_int_equal(world->guards, 4);
}

static void last_request_closes_behind_its_answer(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/")));
    expect_last_heard(world, OK("Connection: close\r\nX-Extra: 1\r\n\r\n/", "1"));
    hang_up(world);
    open_connection(world);
    say(world, SW_SLICE("GET / HTTP/1.0\r\n\r\n"));
    expect_last_heard(world, OK("Connection: close\r\nX-Extra: 1\r\n\r\n/", "1"));
    hang_up(world);
    open_connection(world);
    say(world, SW_SLICE("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    expect_heard(world, OK("Connection: keep-alive\r\nX-Extra: 1\r\n\r\n/", "1"));
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE("POST /t/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na" GET("/")
                            GET("/t/own") "POST /t/2 HTTP/1.1\r\nHost: a\r\n\r\n"));
    expect_heard(world, OK("X-Extra: 1\r\n\r\na", "1") OK("X-Extra: 1\r\n\r\n/", "1")
                            OK("\r\nnow", "3") OK("X-Extra: 1\r\n\r\n/t/2", "4"));
}

static void what_cannot_be_served_is_refused_in_words(void **state)
{
    struct world *world = *state;
    expect_answer(world, SW_SLICE(GET("/nothing")), 404, false, "\"code\":\"not_found\"");
    expect_answer(world, SW_SLICE(GET("/T/own")), 404, false, "\"retry\":false");
    expect_answer(world, SW_SLICE("POST / HTTP/1.1\r\nHost: a\r\n\r\n"), 405, false,
                  "Allow: GET, HEAD\r\n");
    expect_answer(world, SW_SLICE("DELETE /p HTTP/1.1\r\nHost: a\r\n\r\n"), 405, false,
                  "Allow: GET, POST, OPTIONS\r\n");
    expect_answer(world, SW_SLICE("OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n"), 405, false,
                  "\"code\":\"bad_method\"");
    expect_answer(world, SW_SLICE("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), 405, true, "Allow: ");
    expect_answer(world, SW_SLICE("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), 405, true,
                  "Allow: ");
    expect_answer(world, SW_SLICE("GET / HTTP/1.1\r\n\r\n"), 400, true,
                  "\"code\":\"bad_request\",\"message\":\"one Host header is needed\"");
    expect_answer(world, SW_SLICE("GET / HTTP/1.1\nHost: a\n\n"), 400, true, "bad_request");
    expect_answer(world, SW_SLICE("\x16\x03\x01"), 400, true, "bad_request");
    expect_answer(world, SW_SLICE("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 65\r\n\r\n"), 413,
                  true, "Access-Control-Allow-Origin: *\r\n");
    expect_answer(world, SW_SLICE("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), 413,
                  true, "\"code\":\"too_large\"");
    expect_answer(world, SW_SLICE("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"), 404,
                  true, "not_found");
    expect_answer(world, SW_SLICE("GET / HTTP/1.1\r\nHost: a\r\nX-Stranger: 1\r\n\r\n"), 403, false,
                  "\"code\":\"forbidden\"");
    expect_answer(world, SW_SLICE(GET("/ws")), 400, false, "an upgrade is needed");
    expect_answer(world, SW_SLICE(GET("/error")), 503, false,
                  "Retry-After: 2\r\n\r\n{\"error\":{\"code\":\"bus_unavailable\",\"message\":"
                  "\"away \\\"now\\\"\",\"retry\":true,\"retry_ms\":1001,"
                  "\"outcome\":\"unknown\"}}\n");
    assert_int_equal(sw_counter_read(&world->counters.http_errors_total), 16);
    assert_int_equal(sw_counter_read(&world->counters.http_requests_total), 16);
}

static void head_that_is_too_large_is_refused(void **state)
{
    struct world *world = *state;
    struct sw_buf request = {0};
    sw_buf_printf(&request, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    while (request.size < 2 * SW_HTTP_HEAD_BYTES) {
        sw_buf_append_byte(&request, 'x');
    }
    expect_answer(world, sw_buf_slice(&request), 431, true, "\"code\":\"too_large\"");
    sw_buf_deinit(&request);
}

static void preflight_and_options_are_answered(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE("OPTIONS /p HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n"
                        "Access-Control-Request-Method: POST\r\n\r\n"));
    expect_heard(world,
                 "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n"
                 "Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"
                 "Access-Control-Allow-Headers: Authorization, Content-Type, Last-Event-ID\r\n"
                 "Access-Control-Max-Age: 86400\r\n\r\n");
    say(world, SW_SLICE("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"));
    expect_heard(world, "HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, POST, OPTIONS\r\n\r\n");
}

static void site_headers_stand_in_every_answer(void **state)
{
    struct world *world = *state;
    world->site.headers = "Cache-Control: no-store\r\n";
    say(world, SW_SLICE(GET("/")));
    expect_heard(world, OK("Cache-Control: no-store\r\nX-Extra: 1\r\n\r\n/", "1"));
}

static void body_is_asked_for_where_the_client_waits(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE("POST /t/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                        "Expect: 100-continue\r\n\r\n"));
    expect_heard(world, "HTTP/1.1 100 Continue\r\n\r\n");
    say(world, SW_SLICE("ab"));
    expect_heard(world, OK("X-Extra: 1\r\n\r\nab", "2"));
    expect_answer(world,
                  SW_SLICE("POST /t/x HTTP/1.1\r\nHost: a\r\nContent-Length: 65\r\n"
                           "Expect: 100-continue\r\n\r\n"),
                  413, true, "too_large");
}

/* The client goes on sending what nobody wants; a close would answer with a RST that eats the
 * reply. */
static void refused_upload_hears_its_answer(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n"));
    static char junk[100000];
    for (unsigned i = 0; i < 9; i++) {
        ssize_t sent = send(world->client, junk, sizeof(junk), MSG_NOSIGNAL);
        assert_true(sent > 0 || errno == EAGAIN);
        turning_for(&world->turning, 20);
    }
    assert_true(turning_until(&world->turning, 5000, heard_the_end, world));
    assert_int_equal(world->over_error, 0);
    assert_memory_equal(world->heard.data, "HTTP/1.1 413 ", 13);
}

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

static void client_that_leaves_is_told_to_who_would_reply(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE(GET("/later")));
    assert_true(turning_until(&world->turning, 5000, is_deferred, world));
    shutdown(world->client, SHUT_WR);
    assert_true(turning_until(&world->turning, 5000, has_gone, world));
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    assert_int_equal(world->gone, 1);
    /* And when the owner closes the connection itself. */
    close(world->client);
    open_connection(world);
    world->gone = 0;
    say(world, SW_SLICE(GET("/later")));
    assert_true(turning_until(&world->turning, 5000, is_deferred, world));
    sw_conn_close(&world->conn);
    assert_true(turning_until(&world->turning, 5000, has_gone, world));
    assert_int_equal(world->gone, 1);
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
    assert_true(world->conn.unwritten > 0);
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
    assert_true(world->conn.unwritten <= LARGE + 1000);
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
        CASE(requests_are_answered_on_one_connection),
        CASE(last_request_closes_behind_its_answer),
        CASE(pipelined_requests_are_answered_in_order),
        CASE(what_cannot_be_served_is_refused_in_words),
        CASE(head_that_is_too_large_is_refused),
        CASE(preflight_and_options_are_answered),
        CASE(site_headers_stand_in_every_answer),
        CASE(body_is_asked_for_where_the_client_waits),
        CASE(refused_upload_hears_its_answer),
        CASE(deferred_reply_holds_back_the_next_request),
        CASE(client_that_leaves_is_told_to_who_would_reply),
        CASE(reply_to_a_connection_that_closes_is_harmless),
        CASE(who_pipelines_behind_a_deferral_is_held_back),
        CASE(upgrade_hands_over_the_connection_and_what_came_behind),
        CASE(large_answer_reaches_a_slow_reader_whole),
        CASE(who_asks_and_never_reads_costs_one_answer),
        CASE(draining_closes_who_waits_and_finishes_who_asked),
        CASE(request_in_pieces_is_served),
        CASE(who_takes_too_long_is_told_and_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
