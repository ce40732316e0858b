// SPDX-License-Identifier: Apache-2.0
/* Who may use the admin listener: each row is a request's head on a connection of its own. */
#include "../common/unit.h"

#include "api/guard.h"
#include "common/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- one request through a guarded site ---- */

struct world {
    struct sw_loop *loop;
    struct sw_turn turn;
    struct sw_counters counters;
    struct sw_guard guard;
    struct sw_site site;
    bool closed;
};

static void handle(void *context, struct sw_http *http, const struct sw_request *request)
{
    (void)context, (void)request;
    sw_http_reply(http, 200, "text/plain", SW_SLICE("in"), "");
}

static bool check(void *context, struct sw_http *http, const struct sw_request *request)
{
    return sw_guard_check(&((struct world *)context)->guard, http, request);
}

static void on_closed(void *context, struct sw_conn *conn)
{
    (void)conn;
    ((struct world *)context)->closed = true;
}

static void on_turn(void *owner)
{
    sw_loop_stop(((struct world *)owner)->loop);
}

static const struct sw_route routes[] = {
    {.methods = SW_GET | SW_POST, .path = "/", .prefix = true, .max_body = 100, .handle = handle}};

static void init(struct world *world)
{
    *world = (struct world){.loop = sw_loop_create()};
    world->turn = (struct sw_turn){.run = on_turn, .owner = world};
    sw_loop_add_turn(world->loop, &world->turn);
    world->site = (struct sw_site){.routes = routes,
                                   .route_count = SW_ARRAY_SIZE(routes),
                                   .context = world,
                                   .loop = world->loop,
                                   .counters = &world->counters,
                                   .guard = check,
                                   .on_closed = on_closed};
}

/* The status of the answer; the head's lines end in CRLF. */
static unsigned ask(struct world *world, const char *path, const char *head)
{
    struct sw_conn *conn = sw_alloc(sizeof(*conn));
    struct sw_buf text = {0};
    char answer[2048] = "";
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(sw_http_open(&world->site, conn, fds[0]), 0);
    sw_buf_printf(&text, "GET %s HTTP/1.1\r\n%sConnection: close\r\n\r\n", path, head);
    assert_int_equal(write(fds[1], text.data, text.size), text.size);
    ssize_t n = -1;
    for (unsigned turn = 0; turn < 100 && n <= 0; turn++) {
        sw_loop_run(world->loop);
        n = read(fds[1], answer, sizeof(answer) - 1);
    }
    close(fds[1]);
    world->closed = false;
    sw_conn_close(conn);
    while (!world->closed) {
        sw_loop_run(world->loop);
    }
    sw_free(conn);
    sw_buf_deinit(&text);
    unsigned status = 0;
    assert_int_equal(sscanf(answer, "HTTP/1.1 %u", &status), 1);
    return status;
}

struct row {
    const char *path;
    const char *head;
    unsigned status;
};

static void assert_rows(struct world *world, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned status = ask(world, rows[i].path, rows[i].head);
        if (status != rows[i].status) {
            print_message("%s %s: %u\n", rows[i].path, rows[i].head, status);
        }
        assert_int_equal(status, rows[i].status);
    }
}

static char *key_file(const char *text)
{
    char *path = strdup("/tmp/spillway-keys-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static void without_keys_only_this_machine_and_no_web_page_may(void **state)
{
    (void)state;
#define HOST "Host: localhost\r\n"
    static const struct row rows[] = {
        {"/", HOST, 200},
        {"/v1/publish", "Host: 127.0.0.1:8001\r\n", 200},
        {"/v1/publish", "Host: 127.9.8.7\r\n", 200},
        {"/v1/publish", "Host: [::1]:8001\r\n", 200},
        {"/v1/publish", "Host: LOCALHOST:1\r\n", 200},
        {"/v1/publish", "Host: app.localhost\r\n", 200},
        {"/v1/publish", "Host: example.com\r\n", 403}, /* DNS rebinding */
        {"/v1/publish", "Host: localhost.example.com\r\n", 403},
        {"/v1/publish", "Host: 127.0.0.1.example.com\r\n", 403},
        {"/v1/publish", "Host: evillocalhost\r\n", 403},
        {"/v1/publish", "Host: 10.0.0.1\r\n", 403},
        {"/v1/publish", "Host: [::2]\r\n", 403},
        {"/v1/publish", HOST "Origin: http://localhost:3000\r\n", 200},
        {"/v1/publish", HOST "Origin: http://127.0.0.1\r\n", 200},
        {"/v1/publish", HOST "Origin: http://[::1]:3000\r\n", 200},
        {"/v1/publish", HOST "Origin: https://example.com\r\n", 403},
        {"/v1/publish", HOST "Origin: https://localhost.example.com\r\n", 403},
        {"/v1/publish", HOST "Origin: null\r\n", 403},
        {"/v1/publish", HOST "Origin:\r\n", 403},
        {"/live", "Host: example.com\r\nOrigin: https://example.com\r\n", 200},
        {"/ready", "Host: example.com\r\n", 200},
        {"/metrics", "Host: example.com\r\n", 200},
        {"/metrics/", "Host: example.com\r\n", 403},
        {"/metrics2", "Host: example.com\r\n", 403},
        {"/live?x=1", "Host: example.com\r\n", 200},
        {"/%6cive", "Host: example.com\r\n", 403},
        {"/v1/publish", HOST "X-API-Key: anything\r\n", 200},
    };
    struct world world;
    init(&world);
    struct sw_buf error = {0};
    assert_true(sw_guard_init(&world.guard, "", "", true, &error));
    assert_int_equal(error.size, 0);
    assert_rows(&world, rows, SW_ARRAY_SIZE(rows));
    sw_guard_deinit(&world.guard);

    assert_true(sw_guard_init(&world.guard, NULL, NULL, false, &error));
    static const struct row public[] = {
        {"/v1/publish", HOST, 401}, /* not on loopback: a key is needed */
        {"/", HOST, 401},           {"/live", HOST, 200},
        {"/ready", HOST, 200},      {"/metrics", HOST, 200},
    };
    assert_rows(&world, public, SW_ARRAY_SIZE(public));
    sw_guard_deinit(&world.guard);
    sw_loop_destroy(&world.loop);
}

static void with_keys_whoever_shows_one_may(void **state)
{
    (void)state;
#define FOREIGN "Host: example.com\r\nOrigin: https://example.com\r\n"
    static const struct row rows[] = {
        {"/v1/publish", FOREIGN "X-API-Key: first\r\n", 200},
        {"/v1/publish", FOREIGN "X-API-Key: second key\r\n", 200},
        {"/v1/publish", FOREIGN "x-api-key: third\r\n", 200},
        {"/v1/publish", FOREIGN "Authorization: Bearer third\r\n", 200},
        {"/v1/publish", FOREIGN "authorization: BEARER  third \r\n", 200},
        {"/v1/publish", FOREIGN "Authorization: Basic dXNlcg==\r\nX-API-Key: third\r\n", 200},
        {"/v1/publish", FOREIGN, 401},
        {"/v1/publish", FOREIGN "X-API-Key:\r\n", 401},
        {"/v1/publish", FOREIGN "X-API-Key: firs\r\n", 401},
        {"/v1/publish", FOREIGN "X-API-Key: first1\r\n", 401},
        {"/v1/publish", FOREIGN "X-API-Key: First\r\n", 401},
        {"/v1/publish", FOREIGN "X-API-Key: # no key\r\n", 401},
        {"/v1/publish", FOREIGN "Authorization: first\r\n", 401},
        {"/v1/publish", FOREIGN "Authorization: Bearer \r\n", 401},
        {"/v1/publish", FOREIGN "Authorization: Bearer wrong\r\nX-API-Key: first\r\n", 401},
        {"/v1/publish?key=first", FOREIGN, 401},
        {"/v1/publish", HOST, 401}, /* loopback is no excuse then */
        {"/metrics", FOREIGN, 200},
    };
    struct world world;
    init(&world);
    struct sw_buf error = {0};
    char *path = key_file("# no key\n\nfirst\r\n  second key \t\n  # no key\nthird");
    assert_true(sw_guard_init(&world.guard, path, NULL, true, &error));
    assert_rows(&world, rows, SW_ARRAY_SIZE(rows));
    sw_guard_deinit(&world.guard);
    sw_loop_destroy(&world.loop);
    unlink(path);
    free(path);
}

static void assert_refused(const char *path, const char *words)
{
    struct sw_guard guard;
    struct sw_buf error = {0};
    assert_false(sw_guard_init(&guard, path, NULL, true, &error));
    if (!strstr(sw_buf_text(&error), words)) {
        print_message("%s\n", sw_buf_text(&error));
    }
    assert_non_null(strstr(sw_buf_text(&error), words));
    sw_guard_deinit(&guard);
    sw_buf_deinit(&error);
}

static void key_file_that_cannot_guard_is_refused(void **state)
{
    (void)state;
    assert_refused("/nonexistent/keys", "cannot read the API keys in /nonexistent/keys");
    assert_refused("/", "/");
    char *path = key_file("");
    assert_refused(path, "holds no key");
    unlink(path);
    free(path);
    path = key_file("# one\n  \r\n\t\n#two");
    assert_refused(path, "holds no key");
    unlink(path);
    free(path);
    struct sw_buf large = {0};
    memset(sw_buf_reserve(&large, 70000), 'k', 70000);
    large.size = 70000;
    path = key_file(sw_buf_text(&large));
    assert_refused(path, "larger than 64 KB");
    unlink(path);
    free(path);
    sw_buf_deinit(&large);
}

static void keys_of_the_variable_stand_beside_those_of_the_file(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"/v1/publish", FOREIGN "X-API-Key: of the file\r\n", 200},
        {"/v1/publish", FOREIGN "X-API-Key: 0123456789abcdef\r\n", 200},
        {"/v1/publish", FOREIGN "Authorization: Bearer fedcba9876543210-2\r\n", 200},
        {"/v1/publish", FOREIGN "X-API-Key: 0123456789abcdef,fedcba9876543210-2\r\n", 401},
        {"/v1/publish", HOST, 401},
    };
    struct world world;
    init(&world);
    struct sw_buf error = {0};
    char *path = key_file("of the file\n");
    assert_true(
        sw_guard_init(&world.guard, path, "0123456789abcdef, fedcba9876543210-2\n", true, &error));
    assert_int_equal(world.guard.weak, 1);
    assert_rows(&world, rows, SW_ARRAY_SIZE(rows));
    sw_guard_deinit(&world.guard);
    assert_true(sw_guard_init(&world.guard, NULL, "0123456789abcdef", true, &error));
    assert_rows(&world, rows + 4, 1);
    sw_guard_deinit(&world.guard);
    sw_loop_destroy(&world.loop);
    unlink(path);
    free(path);
}

static void a_short_key_in_the_variable_is_refused_and_not_shown(void **state)
{
    (void)state;
    static const struct {
        const char *variable;
        const char *words;
    } rows[] = {
        {"hush-hush-hush-", "key 1 has fewer than 16 bytes"},
        {"0123456789abcdef,hush", "key 2 has fewer than 16 bytes"},
        {"0123456789abcdef,", "key 2 has fewer than 16 bytes"},
        {" hush-hush-hush- \n", "`openssl rand -hex 16`"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_guard guard;
        struct sw_buf error = {0};
        assert_false(sw_guard_init(&guard, NULL, rows[i].variable, true, &error));
        assert_non_null(strstr(sw_buf_text(&error), rows[i].words));
        assert_null(strstr(sw_buf_text(&error), "hush"));
        sw_guard_deinit(&guard);
        sw_buf_deinit(&error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_keys_only_this_machine_and_no_web_page_may),
        cmocka_unit_test(with_keys_whoever_shows_one_may),
        cmocka_unit_test(key_file_that_cannot_guard_is_refused),
        cmocka_unit_test(keys_of_the_variable_stand_beside_those_of_the_file),
        cmocka_unit_test(a_short_key_in_the_variable_is_refused_and_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
