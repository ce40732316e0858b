// SPDX-License-Identifier: Apache-2.0
/* One sw_http per connection, from accept until it closes or is handed on. While nothing has come
 * it is this struct alone; the parser with its buffers exists from a request's first byte to the
 * end of its reply. The phase says who acts next; each has its deadline on one timer:
 *     IDLE     the client may begin a request            idle (at first: the head's deadline)
 *     HEAD     the client is in a head                   408
 *     BODY     the client is in a body                   408
 *     HELD     a guard cannot say yet                none
 *     HANDLING a handler runs, and replies, defers or detaches before it returns
 *     DEFERRED a handler replies later                   none
 *     REPLIED  the reply is out, its handler may still run
 *     WRITING  the socket takes the reply slowly         reset
 *     LINGER   our side is closed; what comes is thrown away, lest a RST overtake the reply */
#include "http/server.h"

#include "common/clock.h"
#include "common/mem.h"
#include "http/cors.h"
#include "http/origin.h"
#include "http/parser.h"
#include "http/reply.h"

#include <stdio.h>

#define LINGER_MS 1000
/* How long a client may take to take a reply. */
#define WRITING_MS 60000

enum phase { IDLE, HEAD, HELD, BODY, HANDLING, DEFERRED, REPLIED, WRITING, LINGER };

struct sw_http {
    const struct sw_site *site;
    struct sw_conn *conn;
    struct sw_parser *parser;     /* NULL while nothing has come */
    const struct sw_route *route; /* of the request; NULL before it is known */
    struct sw_timer timer;
    struct sw_task resume;
    struct sw_list held; /* HELD: on the site's list */
    void (*on_gone)(void *owner);
    void *gone_owner;
    void *kept; /* of a guard, for the handler */
    void (*drop_kept)(void *kept);
    bool *detached; /* told to whoever called the handler */
    struct sw_http_client from;
    struct sw_http_client client; /* of the request, once somebody has asked */
    enum phase phase;
    bool serving; /* serve() is on the stack */
    bool counted; /* the request is in the counters */
    bool looked;  /* for the client */
    bool closes;  /* this reply is the last */
    bool asked;   /* a request has been answered */
};

static void serve(struct sw_http *http);

static void set_phase(struct sw_http *http, enum phase phase, uint64_t delay_ms)
{
    http->phase = phase;
    if (delay_ms) {
        sw_loop_timer_start(http->site->loop, &http->timer, delay_ms);
    } else {
        sw_loop_timer_stop(http->site->loop, &http->timer);
    }
}

/* ---- routes ---- */

static bool route_covers(const struct sw_route *route, struct sw_slice path, bool prefix)
{
    struct sw_slice own = sw_slice_of(route->path);
    return route->prefix == prefix &&
           (prefix ? sw_slice_starts_with(path, own) : sw_slice_equal(path, own));
}

/* The first route of the path, a whole one before a prefix. NULL: none. */
static const struct sw_route *find_path(const struct sw_site *site, struct sw_slice path)
{
    for (int prefix = 0; prefix <= 1; prefix++) {
        for (size_t i = 0; i < site->route_count; i++) {
            if (route_covers(&site->routes[i], path, prefix == 1)) {
                return &site->routes[i];
            }
        }
    }
    return NULL;
}

/* Of all routes with the path of `first`, the one for `method`, or NULL. *methods: what they
 * take. */
static const struct sw_route *find_method(const struct sw_site *site, const struct sw_route *first,
                                          enum sw_method method, unsigned *methods)
{
    const struct sw_route *found = NULL;
    *methods = 0;
    for (size_t i = 0; i < site->route_count; i++) {
        const struct sw_route *route = &site->routes[i];
        if (!route_covers(route, sw_slice_of(first->path), first->prefix) ||
            !sw_slice_equal(sw_slice_of(route->path), sw_slice_of(first->path))) {
            continue;
        }
        *methods |= route->methods | (route->cors ? SW_OPTIONS : 0u);
        if (!found && (route->methods & (unsigned)method)) {
            found = route;
        }
    }
    return found;
}

/* ---- pages of other origins ---- */

static struct sw_slice origin_of(const struct sw_http *http)
{
    return sw_request_header(&http->parser->request, "Origin");
}

static void append_cors(const struct sw_http *http, struct sw_buf *out)
{
    if (http->route && http->route->cors) {
        sw_cors_append(out, http->site->origins, origin_of(http));
    }
}

static void reply_preflight(struct sw_http *http, unsigned methods)
{
    if (!sw_origin_allowed(http->site->origins, origin_of(http))) {
        sw_http_reply_error(http, SW_ERROR_FORBIDDEN, "this origin is not allowed", 0, NULL);
        return;
    }
    struct sw_buf headers = {0};
    sw_cors_append_preflight(&headers, methods);
    sw_http_reply(http, 204, NULL, sw_slice("", 0), sw_buf_text(&headers));
    sw_buf_deinit(&headers);
}

static void reply_allow(struct sw_http *http, bool refused, unsigned methods)
{
    char text[SW_METHODS_TEXT];
    char headers[64];
    snprintf(headers, sizeof(headers), "Allow: %s\r\n", sw_methods_text(methods, text));
    if (refused) {
        sw_http_reply_refusal(http, 405, SW_ERROR_BAD_METHOD, NULL, headers);
    } else {
        sw_http_reply(http, 204, NULL, sw_slice("", 0), headers);
    }
}

/* ---- a request ---- */

static void count_request(struct sw_http *http)
{
    if (!http->counted) {
        http->counted = true;
        sw_count(&http->site->counters->http_requests_total, 1);
    }
}

static void refuse(struct sw_http *http, unsigned status, const char *why)
{
    http->closes = true;
    if (status == 405) {
        reply_allow(http, true, SW_GET | SW_HEAD | SW_POST | SW_OPTIONS);
        return;
    }
    bool large = status == 413 || status == 431;
    sw_http_reply_refusal(http, status, large ? SW_ERROR_TOO_LARGE : SW_ERROR_BAD_REQUEST, why, "");
}

/* Finds the request's route, or replies. */
static bool find_route(struct sw_http *http, const struct sw_request *request)
{
    const struct sw_site *site = http->site;
    if (sw_slice_equal(request->path, SW_SLICE("*"))) {
        reply_allow(http, false, SW_GET | SW_HEAD | SW_POST | SW_OPTIONS);
        return false;
    }
    if (request->path.size == 0) {
        refuse(http, 405, NULL); /* CONNECT */
        return false;
    }
    const struct sw_route *first = find_path(site, request->path);
    if (!first) {
        sw_http_reply_error(http, SW_ERROR_NOT_FOUND, NULL, 0, NULL);
        return false;
    }
    http->route = first;
    unsigned methods = 0;
    const struct sw_route *route = find_method(site, first, request->method, &methods);
    if (route) {
        http->route = route;
        return true;
    }
    if (request->method == SW_OPTIONS && (methods & SW_OPTIONS)) {
        reply_preflight(http, methods);
    } else {
        reply_allow(http, true, methods);
    }
    return false;
}

static bool passes(struct sw_http *http, sw_head_guard *guard)
{
    if (!guard || guard(http->site->context, http, &http->parser->request)) {
        return true;
    }
    SW_ASSERT(http->phase == REPLIED || http->phase == HELD || http->conn->closing);
    return false;
}

/* The guards and the route let it in; else it has been answered, or is held. */
static bool may_enter(struct sw_http *http)
{
    const struct sw_parser *parser = http->parser;
    /* A reply before the body has come leaves no way to the next request. */
    bool keep_alive = parser->request.keep_alive && !http->closes;
    http->closes = !keep_alive || parser->has_body;
    http->phase = HANDLING;
    bool passed = passes(http, http->site->guard) && find_route(http, &parser->request) &&
                  passes(http, http->route->guard);
    if (passed || http->phase == HELD) {
        http->closes = !keep_alive;
    }
    return passed;
}

static void on_head(struct sw_http *http)
{
    struct sw_parser *parser = http->parser;
    count_request(http);
    if (!may_enter(http)) {
        return;
    }
    sw_conn_read(http->conn, true); /* it may have sent more than is kept while it was held */
    parser->max_body = http->route->max_body;
    set_phase(http, BODY, SW_HTTP_DEADLINE_MS);
    if (parser->wants_continue && parser->body_size <= parser->max_body &&
        sw_parser_rest(parser).size == 0) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        (void)sw_conn_write(http->conn, go_on, sizeof(go_on) - 1);
    }
}

/* False: the HTTP side is gone. */
static bool handle(struct sw_http *http)
{
    bool detached = false;
    http->detached = &detached;
    set_phase(http, HANDLING, 0);
    http->route->handle(http->site->context, http, &http->parser->request);
    if (detached) {
        return false;
    }
    http->detached = NULL;
    SW_ASSERT(http->phase != HANDLING || http->conn->closing);
    return true;
}

/* ---- between requests ---- */

static void drop_kept(struct sw_http *http)
{
    if (http->kept) {
        http->drop_kept(http->kept);
        http->kept = NULL;
    }
}

static void linger(struct sw_http *http)
{
    if (http->conn->ended) {
        sw_conn_close(http->conn);
        return;
    }
    sw_parser_destroy(&http->parser);
    sw_conn_shutdown(http->conn);
    sw_conn_read(http->conn, true);
    set_phase(http, LINGER, LINGER_MS);
}

static void next_request(struct sw_http *http)
{
    http->route = NULL;
    http->counted = false;
    http->looked = false;
    http->asked = true;
    drop_kept(http);
    sw_parser_next(http->parser);
    sw_conn_read(http->conn, true);
    if (sw_parser_rest(http->parser).size > 0) {
        set_phase(http, HEAD, SW_HTTP_DEADLINE_MS);
        return;
    }
    sw_parser_destroy(&http->parser);
    if (http->conn->ended) {
        sw_conn_close(http->conn);
        return;
    }
    set_phase(http, IDLE, SW_HTTP_IDLE_MS);
}

/* Behind a reply that the socket has taken. */
static void go_on(struct sw_http *http)
{
    if (http->closes) {
        linger(http);
    } else {
        next_request(http);
    }
}

/* Behind a reply. The next request is not looked at before the socket has taken it, or a client
 * that sends and never reads would have us keep all its answers. */
static void after_reply(struct sw_http *http)
{
    if (sw_conn_unwritten(http->conn) > 0) {
        set_phase(http, WRITING, WRITING_MS);
    } else {
        go_on(http);
    }
}

/* Takes what has come as far as it leads. */
static void serve(struct sw_http *http)
{
    bool held = http->phase == HELD; /* then its guard is asked again */
    http->serving = true;
    while (!http->conn->closing && (held || http->phase == HEAD || http->phase == BODY)) {
        switch (held ? SW_PARSER_HEAD : sw_parser_step(http->parser)) {
        case SW_PARSER_MORE:
            http->serving = false;
            if (http->conn->ended) {
                sw_conn_close(http->conn);
            }
            return;
        case SW_PARSER_HEAD:
            on_head(http);
            break;
        case SW_PARSER_DONE:
            if (!handle(http)) {
                return;
            }
            break;
        case SW_PARSER_BAD:
            refuse(http, http->parser->status, http->parser->why);
            break;
        }
        if (held) {
            http->site->held->asking = NULL; /* what it asks next waits like others */
            held = false;
        }
        if (http->phase == REPLIED && !http->conn->closing) {
            after_reply(http);
        }
    }
    http->serving = false;
}

/* Not from inside sw_http_reply, whose caller does not expect the next handler to run. */
static void on_resume(struct sw_task *task)
{
    serve(SW_CONTAINER_OF(task, struct sw_http, resume));
}

/* ---- the connection ---- */

static void tell_gone(struct sw_http *http)
{
    if (http->phase == DEFERRED) {
        http->phase = HANDLING;
        http->on_gone(http->gone_owner);
    }
}

static void destroy(struct sw_http *http)
{
    if (http->site->open) {
        sw_count(http->site->open, -1);
    }
    sw_loop_timer_stop(http->site->loop, &http->timer);
    sw_task_cancel(&http->resume);
    sw_list_remove(&http->held);
    sw_parser_destroy(&http->parser);
    drop_kept(http);
    sw_conn_set_owner(http->conn, NULL);
    sw_free(http);
}

static void on_read(struct sw_conn *conn, const char *data, size_t size)
{
    struct sw_http *http = sw_conn_owner(conn);
    if (http->phase == LINGER || (http->phase == WRITING && http->closes)) {
        return;
    }
    if (!http->parser) {
        http->parser = sw_parser_create();
    }
    if (http->phase == IDLE) {
        set_phase(http, HEAD, SW_HTTP_DEADLINE_MS);
    }
    sw_parser_push(http->parser, data, size);
    if (http->phase == HEAD || http->phase == BODY) {
        struct sw_loop *loop = http->site->loop;
        uint64_t began_ns = sw_clock_ns();
        serve(http); /* may free it */
        sw_loop_spent(loop, began_ns);
    } else if (sw_parser_rest(http->parser).size > SW_HTTP_HEAD_BYTES) {
        sw_conn_read(conn, false); /* pipelined faster than answered */
    }
}

static void on_end(struct sw_conn *conn, int status)
{
    struct sw_http *http = sw_conn_owner(conn);
    if (status == 0 && http->phase == WRITING) {
        return; /* a client that closes its side still reads its reply */
    }
    if (status == 0 && http->phase == DEFERRED) {
        /* so does one whose reply is still to come; what it asked behind it is answered, too */
        http->closes = http->closes || sw_parser_rest(http->parser).size == 0;
        return;
    }
    if (status == 0 &&
        (http->phase == HELD || (http->phase == HEAD && !sw_list_empty(&http->resume.link)))) {
        return; /* what came before the end is yet to be served */
    }
    tell_gone(http);
    sw_conn_close(conn);
}

static void on_drained(struct sw_conn *conn)
{
    struct sw_http *http = sw_conn_owner(conn);
    if (http->phase == WRITING) {
        go_on(http);
        serve(http);
    }
}

static void on_closed(struct sw_conn *conn)
{
    struct sw_http *http = sw_conn_owner(conn);
    const struct sw_site *site = http->site;
    tell_gone(http);
    destroy(http);
    site->on_closed(site->context, conn);
}

static void on_timer(struct sw_timer *timer)
{
    struct sw_http *http = SW_CONTAINER_OF(timer, struct sw_http, timer);
    if (http->conn->closing) {
        return;
    }
    sw_count(&http->site->counters->http_timeouts_total, http->phase != LINGER);
    switch (http->phase) {
    case HEAD:
    case BODY:
        refuse(http, 408, "the request took too long");
        return;
    case WRITING:
        sw_conn_reset(http->conn);
        return;
    case IDLE:
    case LINGER:
        sw_conn_close(http->conn);
        return;
    case HELD:
    case HANDLING:
    case DEFERRED:
    case REPLIED:
        break;
    }
    SW_UNREACHABLE();
}

static const struct sw_conn_events events = {
    .on_read = on_read,
    .on_end = on_end,
    .on_closed = on_closed,
    .on_drained = on_drained,
};

/* ---- what others call ---- */

int sw_http_open(const struct sw_site *site, struct sw_conn *conn, int fd)
{
    int status = sw_conn_open(conn, site->loop, fd, &events);
    if (status) {
        return status;
    }
    struct sw_http *http = sw_zalloc(sizeof(*http));
    http->site = site;
    http->conn = conn;
    http->closes = site->leaving;
    sw_timer_init(&http->timer, on_timer);
    sw_task_init(&http->resume, on_resume);
    sw_list_init(&http->held);
    sw_conn_set_owner(conn, http);
    if (site->open) {
        sw_count(site->open, 1);
    }
    set_phase(http, IDLE, SW_HTTP_DEADLINE_MS);
    return 0;
}

void sw_http_introduce(struct sw_conn *conn, const struct sw_http_client *from)
{
    struct sw_http *http = sw_conn_owner(conn);
    http->from = *from;
}

/* Looked for once: proxies send the requests of many clients over one connection, and one request's
 * lists may be long. */
struct sw_http_client sw_http_client(struct sw_conn *conn)
{
    struct sw_http *http = sw_conn_owner(conn);
    if (!http->looked) {
        bool ignored;
        http->looked = true;
        http->client =
            sw_forwarded_client(&http->parser->request, &http->from, http->site->trusted, &ignored);
        sw_count(&http->site->counters->forwarded_ignored_total, ignored);
    }
    return http->client;
}

static void finish(struct sw_conn *conn, bool unasked)
{
    if (conn->events != &events || conn->closing) {
        return;
    }
    struct sw_http *http = sw_conn_owner(conn);
    http->closes = true;
    if (http->phase == IDLE && (http->asked || unasked)) {
        sw_conn_close(conn);
    }
}

void sw_http_finish(struct sw_conn *conn)
{
    finish(conn, false);
}

void sw_http_close(struct sw_conn *conn)
{
    finish(conn, true);
}

struct sw_conn *sw_http_conn(struct sw_http *http)
{
    return http->conn;
}

static void send_reply(struct sw_http *http, const struct sw_reply *reply)
{
    struct sw_buf out = {0};
    sw_reply_append(&out, reply);
    (void)sw_conn_write(http->conn, out.data, out.size); /* on_end tells what fails */
    sw_buf_deinit(&out);
}

void sw_http_reply(struct sw_http *http, unsigned status, const char *type, struct sw_slice body,
                   const char *headers)
{
    SW_ASSERT(http->phase != REPLIED && http->phase != WRITING && http->phase != LINGER);
    count_request(http);
    if (status >= 400) {
        sw_count(&http->site->counters->http_errors_total, 1);
    }
    const struct sw_parser *parser = http->parser;
    struct sw_buf cors = {0};
    append_cors(http, &cors);
    bool bodyless = parser && parser->head_whole && parser->request.method == SW_HEAD;
    struct sw_reply reply = {
        .status = status,
        .type = type,
        .body = body,
        .headers = {http->site->headers, sw_buf_text(&cors), headers},
        .close = http->closes,
        .keep_alive = parser && parser->http10,
        .bodyless = bodyless,
        .endless = bodyless && !body.data,
    };
    set_phase(http, REPLIED, 0);
    send_reply(http, &reply);
    sw_buf_deinit(&cors);
    if (http->serving || http->conn->closing) {
        return;
    }
    after_reply(http);
    if (http->phase == HEAD && !http->conn->closing) {
        sw_loop_later(http->site->loop, &http->resume);
    }
}

void sw_http_defer(struct sw_http *http, void (*on_gone)(void *owner), void *owner)
{
    SW_ASSERT(http->phase == HANDLING);
    http->on_gone = on_gone;
    http->gone_owner = owner;
    set_phase(http, DEFERRED, 0);
}

/* One after another until one is held again, for what it waits for, the others do, too. At least
 * one, however much the turn has done already. */
static void on_ask(struct sw_task *task)
{
    struct sw_http_held *held = SW_CONTAINER_OF(task, struct sw_http_held, ask);
    held->again = false;
    do {
        struct sw_list *node = sw_list_pop(&held->list);
        uint64_t began_ns = sw_clock_ns();
        if (!node) {
            return;
        }
        held->asking = SW_CONTAINER_OF(node, struct sw_http, held);
        serve(SW_CONTAINER_OF(node, struct sw_http, held)); /* may free it */
        held->asking = NULL;
        sw_loop_spent(held->loop, began_ns);
    } while (!held->again && sw_loop_has_time(held->loop));
    if (!sw_list_empty(&held->list)) {
        sw_loop_later(held->loop, task);
    }
}

void sw_http_held_init(struct sw_http_held *held, struct sw_loop *loop)
{
    *held = (struct sw_http_held){.loop = loop};
    sw_list_init(&held->list);
    sw_task_init(&held->ask, on_ask);
}

bool sw_http_must_wait(const struct sw_http *http)
{
    const struct sw_http_held *held = http->site->held;
    return held->asking != http && !sw_list_empty(&held->list);
}

void sw_http_hold(struct sw_http *http)
{
    struct sw_http_held *held = http->site->held;
    SW_ASSERT(http->phase == HANDLING && !http->parser->done);
    set_phase(http, HELD, 0);
    held->again = held->asking == http;
    sw_list_push(held->again ? held->list.next : &held->list, &http->held);
    sw_loop_later(held->loop, &held->ask);
}

void sw_http_keep(struct sw_http *http, void *kept, void (*drop)(void *kept))
{
    SW_ASSERT(!http->kept);
    http->kept = kept;
    http->drop_kept = drop;
}

void *sw_http_kept(const struct sw_http *http)
{
    return http->kept;
}

void *sw_http_take_kept(struct sw_http *http)
{
    void *kept = http->kept;
    http->kept = NULL;
    return kept;
}

void sw_http_append_stream(const struct sw_http *http, const char *type, const char *headers,
                           struct sw_buf *head)
{
    struct sw_buf cors = {0};
    append_cors(http, &cors);
    struct sw_reply reply = {.status = 200,
                             .type = type,
                             .headers = {http->site->headers, sw_buf_text(&cors), headers},
                             .close = true,
                             .endless = true};
    sw_reply_append(head, &reply);
    sw_buf_deinit(&cors);
}

struct sw_conn *sw_http_detach(struct sw_http *http, struct sw_buf *rest)
{
    SW_ASSERT((http->phase == HANDLING || http->phase == DEFERRED) && http->parser->done);
    struct sw_conn *conn = http->conn;
    sw_buf_append_slice(rest, sw_parser_rest(http->parser));
    if (http->detached) {
        *http->detached = true;
    }
    destroy(http);
    sw_conn_read(conn, true);
    return conn;
}
