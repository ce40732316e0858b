// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/buf.h"
#include "common/mem.h"
#include "http/forwarded.h"

#define LINES 4

/* 10.0.0.0/8, fd00::/8 and this machine are trusted. */
static struct sw_networks trusted;

static int set_up(void **state)
{
    static char one[] = "10.0.0.0/8";
    static char two[] = "fd00::/8";
    static char three[] = "127.0.0.0/8";
    char *const texts[] = {one, two, three, NULL};
    struct sw_buf why = {0};
    (void)state;
    return sw_networks_parse(texts, &trusted, &why) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    sw_networks_deinit(&trusted);
    return 0;
}

static struct sw_http_client from_peer(const char *text)
{
    struct sw_http_client client = {.known = true};
    assert_true(sw_peer_parse(sw_slice_of(text), &client.peer));
    client.local = sw_peer_is_loopback(&client.peer);
    return client;
}

static struct sw_request request_of(const char *const *lines)
{
    struct sw_request request = {
        .headers = {{SW_SLICE("Host"), SW_SLICE("a")}, {SW_SLICE("Origin"), SW_SLICE("http://a")}},
        .header_count = 2};
    for (size_t i = 0; i < LINES && lines[i]; i++) {
        request.headers[request.header_count++] =
            (struct sw_header){SW_SLICE("x-forwarded-FOR"), sw_slice_of(lines[i])};
    }
    return request;
}

/* As the walk found it: the address, behind a '?' where that one only sent the request on. */
static const char *walk(const char *peer, const char *const *lines, char out[SW_ADDRESS_TEXT + 1])
{
    struct sw_request request = request_of(lines);
    struct sw_http_client from = from_peer(peer);
    bool ignored;
    struct sw_http_client client = sw_forwarded_client(&request, &from, &trusted, &ignored);
    assert_int_equal(ignored, lines[0] && !sw_networks_contain(&trusted, &from.peer));
    sw_peer_text(&client.peer, out + 1);
    out[0] = '?';
    return client.known ? out + 1 : out;
}

static void the_list_is_walked_from_its_end(void **state)
{
    (void)state;
    static const struct {
        const char *peer;
        const char *lines[LINES];
        const char *client;
    } rows[] = {
        /* nothing to walk */
        {"203.0.113.9", {NULL}, "203.0.113.9"},
        {"10.0.0.1", {NULL}, "10.0.0.1"},
        /* one proxy, two, and what the client said before them */
        {"10.0.0.1", {"203.0.113.9"}, "203.0.113.9"},
        {"10.0.0.1", {"203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
        {"10.0.0.1", {"1.1.1.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
        {"10.0.0.1", {"127.0.0.1, 203.0.113.9"}, "203.0.113.9"},
        {"10.0.0.1", {"10.0.0.7, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
        {"10.0.0.1", {"garbage, 203.0.113.9"}, "203.0.113.9"},
        {"10.0.0.1", {"1.1.1.1", "203.0.113.9"}, "203.0.113.9"},
        {"10.0.0.1", {"1.1.1.1, 203.0.113.9", "10.0.0.3,10.0.0.2", "10.0.0.4"}, "203.0.113.9"},
        /* from nobody who is trusted */
        {"203.0.113.9", {"1.1.1.1"}, "?203.0.113.9"},
        {"203.0.113.9", {"1.1.1.1, 10.0.0.1"}, "?203.0.113.9"},
        {"::1", {"1.1.1.1"}, "?[::1]"},
        /* all are trusted: the first who was heard */
        {"10.0.0.1", {"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
        {"127.0.0.1", {"127.0.0.1"}, "127.0.0.1"},
        /* ports, brackets, blanks, IPv6 and IPv4 in its clothes */
        {"10.0.0.1", {"203.0.113.9:555"}, "203.0.113.9:555"},
        {"10.0.0.1", {"\t203.0.113.9 ,10.0.0.2:1 "}, "203.0.113.9"},
        {"10.0.0.1", {"2001:db8::1"}, "[2001:db8::1]"},
        {"10.0.0.1", {"[2001:db8::1]"}, "[2001:db8::1]"},
        {"10.0.0.1", {"[2001:db8::1]:80"}, "[2001:db8::1]:80"},
        {"10.0.0.1", {"::ffff:203.0.113.9, [::ffff:10.0.0.2]:80"}, "203.0.113.9"},
        {"fd00::1", {"2001:db8::1, fd00::2"}, "[2001:db8::1]"},
        {"::ffff:10.0.0.1", {"203.0.113.9"}, "203.0.113.9"},
        /* empty items are none */
        {"10.0.0.1", {"203.0.113.9,"}, "203.0.113.9"},
        {"10.0.0.1", {",203.0.113.9, ,\t,10.0.0.2"}, "203.0.113.9"},
        {"10.0.0.1", {"203.0.113.9", ""}, "203.0.113.9"},
        {"10.0.0.1", {""}, "?10.0.0.1"},
        {"10.0.0.1", {",,"}, "?10.0.0.1"},
        /* what is no address ends the walk at who wrote it */
        {"10.0.0.1", {"unknown"}, "?10.0.0.1"},
        {"10.0.0.1", {"203.0.113.9, _hidden, 10.0.0.2"}, "?10.0.0.2"},
        {"10.0.0.1", {"203.0.113.9 10.0.0.2"}, "?10.0.0.1"},
        {"10.0.0.1", {"203.0.113.9:"}, "?10.0.0.1"},
        {"10.0.0.1", {"203.0.113.9:65536"}, "?10.0.0.1"},
        {"10.0.0.1", {"203.0.113.9:80:80"}, "?10.0.0.1"},
        {"10.0.0.1", {"[203.0.113.9]"}, "?10.0.0.1"},
        {"10.0.0.1", {"[2001:db8::1"}, "?10.0.0.1"},
        {"10.0.0.1", {"[2001:db8::1]80"}, "?10.0.0.1"},
        {"10.0.0.1", {"[2001:db8::1]:"}, "?10.0.0.1"},
        {"10.0.0.1", {"[]"}, "?10.0.0.1"},
        {"10.0.0.1", {"\"203.0.113.9\""}, "?10.0.0.1"},
        {"10.0.0.1", {"for=203.0.113.9"}, "?10.0.0.1"},
        {"10.0.0.1", {"203.0.113.999"}, "?10.0.0.1"},
        {"10.0.0.1", {":"}, "?10.0.0.1"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        char out[SW_ADDRESS_TEXT + 1];
        const char *client = walk(rows[i].peer, rows[i].lines, out);
        if (strcmp(client, rows[i].client) != 0) {
            fail_msg("%s, from %s: %s, not %s", rows[i].lines[0], rows[i].peer, client,
                     rows[i].client);
        }
    }
}

/* `proxies` of them behind the client. */
static void expect_row_of(unsigned proxies, const char *client)
{
    struct sw_buf list = {0};
    char out[SW_ADDRESS_TEXT + 1];
    sw_buf_append_slice(&list, SW_SLICE("203.0.113.9"));
    for (unsigned i = 0; i < proxies; i++) {
        sw_buf_append_slice(&list, SW_SLICE(", 10.0.0.2"));
    }
    const char *const lines[LINES] = {sw_buf_text(&list)};
    assert_string_equal(walk("10.0.0.1", lines, out), client);
    sw_buf_deinit(&list);
}

static void only_so_many_are_looked_at(void **state)
{
    (void)state;
    expect_row_of(SW_FORWARDED_HOPS - 1, "203.0.113.9");
    expect_row_of(SW_FORWARDED_HOPS, "?10.0.0.2");
    expect_row_of(1400, "?10.0.0.2");
    struct sw_buf commas = {0};
    char out[SW_ADDRESS_TEXT + 1];
    for (unsigned i = 0; i < 16000; i++) {
        sw_buf_append_byte(&commas, ',');
    }
    const char *const lines[LINES] = {sw_buf_text(&commas)};
    assert_string_equal(walk("10.0.0.1", lines, out), "?10.0.0.1");
    sw_buf_deinit(&commas);
}

static bool is_local(struct sw_http_client from, const char *name, const char *value)
{
    struct sw_request request = {
        .headers = {{sw_slice_of(name), sw_slice_of(value)}},
        .header_count = 1,
    };
    bool ignored;
    return sw_forwarded_client(&request, &from, &trusted, &ignored).local;
}

static void local_is_only_who_was_here_all_the_way(void **state)
{
    (void)state;
    assert_true(is_local(from_peer("127.0.0.1"), "Accept", "*"));
    assert_true(is_local(from_peer("::1"), "Accept", "*"));
    assert_false(is_local(from_peer("10.0.0.1"), "Accept", "*"));
    /* somebody sent it on: who was it for? */
    assert_false(is_local(from_peer("::1"), "X-Forwarded-For", "127.0.0.1"));
    assert_false(is_local(from_peer("127.0.0.1"), "Forwarded", "for=127.0.0.1"));
    assert_false(is_local(from_peer("127.0.0.1"), "via", "1.1 proxy"));
    assert_false(is_local(from_peer("127.0.0.1"), "X-Real-IP", "127.0.0.1"));
    /* a trusted one says it */
    assert_true(is_local(from_peer("127.0.0.1"), "X-Forwarded-For", "127.0.0.1"));
    assert_false(is_local(from_peer("127.0.0.1"), "X-Forwarded-For", "203.0.113.9"));
    assert_false(is_local(from_peer("127.0.0.1"), "X-Forwarded-For", "127.0.0.1, 203.0.113.9"));
    assert_false(is_local(from_peer("127.0.0.1"), "X-Forwarded-For", "garbage, 127.0.0.1"));
    assert_false(is_local(from_peer("127.0.0.1"), "X-Forwarded-For", ""));
    /* 127.0.0.1 of another machine is not here */
    assert_false(is_local(from_peer("10.0.0.1"), "X-Forwarded-For", "127.0.0.1"));
    assert_false(is_local(from_peer("127.0.0.1"), "X-Forwarded-For", "127.0.0.1, 10.0.0.2"));
}

/* The PROXY header named nobody: whose list it is cannot be known. */
static void a_list_of_nobody_is_not_believed(void **state)
{
    (void)state;
    static const char *const lines[LINES] = {"203.0.113.9"};
    struct sw_request request = request_of(lines);
    struct sw_http_client from = from_peer("10.0.0.1");
    bool ignored;
    from.known = false;
    struct sw_http_client client = sw_forwarded_client(&request, &from, &trusted, &ignored);
    assert_true(ignored);
    assert_false(client.known);
    assert_memory_equal(&client.peer, &from.peer, sizeof(from.peer));
}

static void without_trusted_proxies_nothing_is_believed(void **state)
{
    (void)state;
    static const char *const lines[LINES] = {"203.0.113.9"};
    struct sw_request request = request_of(lines);
    struct sw_http_client from = from_peer("10.0.0.1");
    bool ignored;
    struct sw_http_client client = sw_forwarded_client(&request, &from, NULL, &ignored);
    assert_true(ignored);
    assert_memory_equal(&client.peer, &from.peer, sizeof(from.peer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_is_walked_from_its_end),
        cmocka_unit_test(only_so_many_are_looked_at),
        cmocka_unit_test(local_is_only_who_was_here_all_the_way),
        cmocka_unit_test(a_list_of_nobody_is_not_believed),
        cmocka_unit_test(without_trusted_proxies_nothing_is_believed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
