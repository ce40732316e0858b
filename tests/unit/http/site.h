// SPDX-License-Identifier: Apache-2.0
/* A site with every kind of route, one connection to it, and the client at its other end. */
#ifndef SW_TEST_HTTP_SITE_H
#define SW_TEST_HTTP_SITE_H

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
    struct sw_http_held held;
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
    unsigned holds; /* how often guard_held cannot say yet */
    unsigned asked; /* how often it was asked */
    unsigned kept;
    unsigned dropped;
};

static struct world *the;

/* ---- the site ---- */

static inline void handle_echo(void *context, struct sw_http *http,
                               const struct sw_request *request)
{
    struct world *world = context;
    sw_buf_printf(&world->said, "%.*s?%.*s:%.*s;", SW_SLICE_ARG(request->path),
                  SW_SLICE_ARG(request->query), SW_SLICE_ARG(request->body));
    sw_http_reply(http, 200, "text/plain", request->body.size ? request->body : request->path,
                  "X-Extra: 1\r\n");
}

static inline void on_gone(void *owner)
{
    struct world *world = owner;
    world->gone++;
    world->deferred = NULL;
}

static inline void handle_later(void *context, struct sw_http *http,
                                const struct sw_request *request)
{
    struct world *world = context;
    (void)request;
    assert_null(world->deferred);
    world->deferred = http;
    world->deferrals++;
    sw_http_defer(http, on_gone, world);
}

static inline void handle_at_once(void *context, struct sw_http *http,
                                  const struct sw_request *request)
{
    handle_later(context, http, request);
    ((struct world *)context)->deferred = NULL;
    sw_http_reply(http, 200, "text/plain", SW_SLICE("now"), "");
}

static inline void handle_large(void *context, struct sw_http *http,
                                const struct sw_request *request)
{
    (void)context;
    (void)request;
    char *body = malloc(LARGE);
    memset(body, 'x', LARGE);
    sw_http_reply(http, 200, "text/plain", sw_slice(body, LARGE), "");
    free(body);
}

static inline void on_raw_read(struct sw_conn *conn, const char *data, size_t size)
{
    (void)sw_conn_write(conn, data, size);
}

static inline void on_raw_end(struct sw_conn *conn, int status)
{
    (void)status;
    sw_conn_close(conn);
}

static inline void on_raw_closed(struct sw_conn *conn)
{
    (void)conn;
    the->closed = true;
}

static inline void handle_upgrade(void *context, struct sw_http *http,
                                  const struct sw_request *request)
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

static inline void handle_error(void *context, struct sw_http *http,
                                const struct sw_request *request)
{
    (void)context;
    (void)request;
    sw_http_reply_error(http, SW_ERROR_BUS_UNAVAILABLE, "away \"now\"", 1001, "unknown");
}

static inline bool guard(void *context, struct sw_http *http, const struct sw_request *request)
{
    ((struct world *)context)->guards++;
    if (sw_request_header(request, "X-Stranger").data) {
        sw_http_reply_error(http, SW_ERROR_FORBIDDEN, NULL, 0, NULL);
        return false;
    }
    return true;
}

/* A route's own. */
static inline bool guard_body(void *context, struct sw_http *http, const struct sw_request *request)
{
    (void)context;
    assert_int_equal(request->body.size, 0);
    if (sw_request_header(request, "X-Nobody").data) {
        sw_http_reply_error(http, SW_ERROR_FORBIDDEN, "not you", 0, NULL);
        return false;
    }
    return true;
}

static inline void drop(void *kept)
{
    ((struct world *)kept)->dropped++;
}

static inline bool guard_held(void *context, struct sw_http *http, const struct sw_request *request)
{
    struct world *world = context;
    assert_int_equal(request->body.size, 0);
    world->asked++;
    if (world->holds) {
        world->holds--;
        sw_http_hold(http);
        return false;
    }
    if (sw_request_header(request, "X-Nobody").data) {
        sw_http_reply_error(http, SW_ERROR_UNAUTHORIZED, "who?", 0, NULL);
        return false;
    }
    world->kept++;
    sw_http_keep(http, world, drop);
    return true;
}

static inline void handle_held(void *context, struct sw_http *http,
                               const struct sw_request *request)
{
    struct world *world = context;
    assert_ptr_equal(sw_http_kept(http), world);
    assert_int_equal(world->dropped, world->kept - 1);
    sw_buf_printf(&world->said, "%zu;", request->body.size);
    sw_http_reply(http, 200, "text/plain", SW_SLICE("held"), "");
}

static inline void on_closed(void *context, struct sw_conn *conn)
{
    struct world *world = context;
    assert_ptr_equal(conn, &world->conn);
    world->closed = true;
}

static const struct sw_route routes[] = {
    {.methods = SW_GET | SW_HEAD, .path = "/", .handle = handle_echo},
    {.methods = SW_POST,
     .path = "/p",
     .max_body = 64,
     .cors = true,
     .guard = guard_body,
     .handle = handle_echo},
    {.methods = SW_GET, .path = "/p", .handle = handle_later},
    {.methods = SW_POST, .path = "/t/", .prefix = true, .max_body = 64, .handle = handle_echo},
    {.methods = SW_POST,
     .path = "/held",
     .max_body = LARGE,
     .guard = guard_held,
     .handle = handle_held},
    {.methods = SW_GET, .path = "/t/own", .handle = handle_at_once},
    {.methods = SW_GET, .path = "/later", .handle = handle_later},
    {.methods = SW_GET, .path = "/large", .handle = handle_large},
    {.methods = SW_GET, .path = "/ws", .handle = handle_upgrade},
    {.methods = SW_GET, .path = "/error", .handle = handle_error},
};

/* ---- the client ---- */

static inline void open_connection(struct world *world)
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

static inline int set_up(void **state)
{
    struct world *world = sw_zalloc(sizeof(*world));
    the = world;
    turning_init(&world->turning);
    sw_http_held_init(&world->held, world->turning.loop);
    world->site = (struct sw_site){
        .held = &world->held,
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

static inline void hang_up(struct world *world)
{
    close(world->client);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    assert_int_equal(sw_counter_read(&world->counters.connections[SW_CONNECTION_HTTP]), 0);
}

static inline int tear_down(void **state)
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

static inline void say(struct world *world, struct sw_slice bytes)
{
    assert_int_equal(send(world->client, bytes.data, bytes.size, MSG_NOSIGNAL), bytes.size);
}

static inline void hear(struct world *world)
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

static inline bool heard_all(void *context)
{
    struct world *world = context;
    sw_loop_stay_awake(world->turning.loop);
    hear(world);
    return world->heard.size >= strlen(world->wanted);
}

static inline bool heard_the_end(void *context)
{
    struct world *world = context;
    sw_loop_stay_awake(world->turning.loop);
    hear(world);
    return world->over;
}

static inline void expect_no_end(struct world *world)
{
    turning_for(&world->turning, 30);
    hear(world);
    assert_false(world->over);
}

/* Exactly these bytes come, and no end. */
static inline void expect_heard(struct world *world, const char *wanted)
{
    world->wanted = wanted;
    bool all = turning_until(&world->turning, 5000, heard_all, world);
    assert_string_equal(sw_buf_text(&world->heard), wanted);
    assert_true(all);
    assert_false(world->over);
    sw_buf_clear(&world->heard);
}

/* These bytes, and then an end that is no reset. */
static inline void expect_last_heard(struct world *world, const char *wanted)
{
    assert_true(turning_until(&world->turning, 5000, heard_the_end, world));
    assert_string_equal(sw_buf_text(&world->heard), wanted);
    assert_int_equal(world->over_error, 0);
}

/* An answer with this status on a connection of its own, which closes or not. */
static inline void expect_answer(struct world *world, struct sw_slice request, unsigned status,
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

#endif
