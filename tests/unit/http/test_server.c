// SPDX-License-Identifier: Apache-2.0
/* Requests and what they are answered at once. */
#include "site.h"

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

static void an_allow_list_names_the_page_that_asked(void **state)
{
    static char *const origins[] = {"https://a.example", "https://b.example", NULL};
    struct world *world = *state;
    world->site.origins = origins;
    say(world, SW_SLICE("OPTIONS /p HTTP/1.1\r\nHost: a\r\nOrigin: https://b.example\r\n"
                        "Access-Control-Request-Method: POST\r\n\r\n"));
    expect_heard(world,
                 "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: https://b.example\r\n"
                 "Vary: Origin\r\n"
                 "Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"
                 "Access-Control-Allow-Headers: Authorization, Content-Type, Last-Event-ID\r\n"
                 "Access-Control-Max-Age: 86400\r\n\r\n");
    say(world, SW_SLICE("POST /p HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\n"
                        "Content-Length: 1\r\n\r\nx"));
    expect_heard(world, OK("Access-Control-Allow-Origin: https://a.example\r\nVary: Origin\r\n"
                           "X-Extra: 1\r\n\r\nx",
                           "1"));
    say(world, SW_SLICE("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"));
    expect_heard(world, OK("Vary: Origin\r\nX-Extra: 1\r\n\r\nx", "1"));
    expect_answer(world,
                  SW_SLICE("OPTIONS /p HTTP/1.1\r\nHost: a\r\nOrigin: https://c.example\r\n\r\n"),
                  403, false, "\r\nVary: Origin\r\n\r\n{\"error\":{\"code\":\"forbidden\"");
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

static void who_may_not_hears_so_before_the_body_is_read(void **state)
{
    struct world *world = *state;
    expect_answer(world,
                  SW_SLICE("POST /p HTTP/1.1\r\nHost: a\r\nX-Nobody: 1\r\n"
                           "Content-Length: 60\r\nExpect: 100-continue\r\n\r\n"),
                  403, true, "Access-Control-Allow-Origin: *\r\n\r\n{\"error\":{\"code\":\"forb");
    expect_answer(world,
                  SW_SLICE("POST /p HTTP/1.1\r\nHost: a\r\nX-Nobody: 1\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n3\r\nabc"),
                  403, true, "not you");
    expect_answer(world, SW_SLICE("POST /p HTTP/1.1\r\nHost: a\r\nX-Nobody: 1\r\n\r\n"), 403, false,
                  "not you");
    assert_int_equal(world->said.size, 0);
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
        CASE(an_allow_list_names_the_page_that_asked),
        CASE(site_headers_stand_in_every_answer),
        CASE(body_is_asked_for_where_the_client_waits),
        CASE(who_may_not_hears_so_before_the_body_is_read),
        CASE(refused_upload_hears_its_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
