// SPDX-License-Identifier: Apache-2.0
/* The small client: URLs, and what it makes of a server's bytes (a socket pair plays the server).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/client.h"
#include "common/mem.h"

/* ---- URLs ---- */

static void test_good_urls(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host;
        const char *port;
        const char *path;
        const char *shown;
    } cases[] = {
        {"ws://127.0.0.1:8000/v1/ws", "127.0.0.1", "8000", "/v1/ws", "127.0.0.1:8000"},
        {"http://127.0.0.1:9000", "127.0.0.1", "9000", "/", "127.0.0.1:9000"},
        {"http://127.0.0.1:9000/", "127.0.0.1", "9000", "/", "127.0.0.1:9000"},
        {"HTTP://node.example", "node.example", "80", "/", "node.example:80"},
        {"localhost:8000", "localhost", "8000", "/", "localhost:8000"},
        {"localhost", "localhost", "80", "/", "localhost:80"},
        {"ws://[::1]:8000/x?topic=a:b/c", "::1", "8000", "/x?topic=a:b/c", "[::1]:8000"},
        {"ws://[::1]", "::1", "80", "/", "[::1]:80"},
        {"ws://h?topic=a", "h", "80", "/?topic=a", "h:80"},
        {"wss://h", "h", "443", "/", "h:443"},
        {"HTTPS://[::1]:8443/v1/ws", "::1", "8443", "/v1/ws", "[::1]:8443"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(cases); i++) {
        struct sw_client_url url;
        const char *why = NULL;
        struct sw_buf shown = {0};
        assert_true(sw_client_url_parse(cases[i].text, &url, &why));
        assert_null(why);
        assert_string_equal(url.host, cases[i].host);
        assert_string_equal(url.port, cases[i].port);
        assert_string_equal(url.path, cases[i].path);
        assert_int_equal(url.tls, strstr(cases[i].text, "wss:") || strstr(cases[i].text, "HTTPS:"));
        assert_null(url.ca_file);
        sw_client_url_append_host(&url, &shown);
        assert_string_equal(sw_buf_text(&shown), cases[i].shown);
        sw_buf_deinit(&shown);
    }
}

static void test_bad_urls(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        {"", "the host is missing"},
        {"ws://", "the host is missing"},
        {"ws://:8000", "the host is missing"},
        {"ws://[]:8000", "the host is missing"},
        {"ws://[::1", "a '['"},
        {"ws://[::1]8000", "the port"},
        {"ws://h:0", "the port"},
        {"ws://h:65536", "the port"},
        {"ws://h:000080", "the port"},
        {"ws://h:", "the port"},
        {"ws://h:8x/", "the port"},
        {"ws://::1:8000", "the port"},
        {"ftp://h", "http://, https://, ws:// or wss://"},
        {"http://user@h", "a user"},
        {"http://h/a b", "a space"},
        {"http://h/a\r\nX: y", "a space"},
        {"http://h/#top", "a fragment"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(cases); i++) {
        struct sw_client_url url;
        const char *why = NULL;
        assert_false(sw_client_url_parse(cases[i].text, &url, &why));
        if (!why || !strstr(why, cases[i].words)) {
            fail_msg("%s: \"%s\" expected, said \"%s\"", cases[i].text, cases[i].words,
                     why ? why : "nothing");
        }
    }
}

static void test_long_urls(void **state)
{
    (void)state;
    struct sw_client_url url;
    const char *why;
    char text[2048] = "ws://";
    memset(text + 5, 'h', 255);
    assert_true(sw_client_url_parse(text, &url, &why));
    text[5 + 255] = 'h';
    assert_false(sw_client_url_parse(text, &url, &why));
    memset(text + 5, 0, sizeof(text) - 5);
    text[5] = 'h';
    text[6] = '/';
    memset(text + 7, 'p', 1022);
    assert_true(sw_client_url_parse(text, &url, &why));
    text[7 + 1022] = 'p';
    assert_false(sw_client_url_parse(text, &url, &why));
}

/* ---- bytes ---- */

struct pair {
    struct sw_client client;
    int server;
};

static void open_pair(struct pair *pair)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    *pair = (struct pair){.client = {.fd = fds[0]}, .server = fds[1]};
}

static void close_pair(struct pair *pair)
{
    sw_client_close(&pair->client);
    close(pair->server);
}

static void serve(struct pair *pair, const char *bytes, size_t size)
{
    assert_int_equal(write(pair->server, bytes, size), size);
}

static volatile sig_atomic_t stop;

static void test_messages(void **state)
{
    (void)state;
    static const char bytes[] = "\x81\x02hi"          /* whole */
                                "\x01\x02he\x89\x01p" /* the first half, then a ping between */
                                "\x80\x03llo"         /* the second */
                                "\x88\x06\x03\xf4"
                                "bye!"; /* 1012 */
    struct pair pair;
    struct sw_buf text = {0};
    unsigned code = 0;
    open_pair(&pair);
    serve(&pair, bytes, sizeof(bytes) - 1);
    assert_int_equal(sw_client_next(&pair.client, &text, &code, UINT64_MAX, &stop), SW_CLIENT_TEXT);
    assert_string_equal(sw_buf_text(&text), "hi");
    assert_int_equal(sw_client_next(&pair.client, &text, &code, UINT64_MAX, &stop), SW_CLIENT_TEXT);
    assert_string_equal(sw_buf_text(&text), "hello");
    assert_int_equal(sw_client_next(&pair.client, &text, &code, UINT64_MAX, &stop),
                     SW_CLIENT_CLOSED);
    assert_string_equal(sw_buf_text(&text), "bye!");
    assert_int_equal(code, 1012);
    unsigned char answers[32];
    ssize_t n = read(pair.server, answers, sizeof(answers));
    assert_int_equal(n, 7 + 8); /* a pong of one byte and a close of two, both masked */
    assert_int_equal(answers[0], 0x8a);
    assert_int_equal(answers[1], 0x81);
    assert_int_equal(answers[6] ^ answers[2], 'p');
    assert_int_equal(answers[7], 0x88);
    assert_int_equal(answers[8], 0x82);
    assert_int_equal(answers[13] ^ answers[9], 0x03);
    assert_int_equal(answers[14] ^ answers[10], 0xf4);
    sw_buf_deinit(&text);
    close_pair(&pair);
}

/* Each length form, in and out: what the client says is read back unmasked. */
static void test_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536};
    for (size_t i = 0; i < SW_ARRAY_SIZE(sizes); i++) {
        struct pair pair;
        struct sw_buf text = {0};
        unsigned code = 0;
        char *payload = sw_zalloc(sizes[i] + 1);
        memset(payload, 'x', sizes[i]);
        open_pair(&pair);
        assert_true(sw_client_say(&pair.client, sw_slice(payload, sizes[i])));
        unsigned char *frame = sw_zalloc(sizes[i] + 16);
        size_t head = sizes[i] < 126 ? 2 : sizes[i] < 65536 ? 4 : 10;
        size_t size = 0;
        while (size < head + 4 + sizes[i]) {
            ssize_t n = read(pair.server, frame + size, sizes[i] + 16 - size);
            assert_true(n > 0);
            size += (size_t)n;
        }
        assert_int_equal(size, head + 4 + sizes[i]);
        assert_int_equal(frame[1] & 0x80, 0x80);
        for (size_t k = 0; k < sizes[i]; k++) {
            assert_int_equal(frame[head + 4 + k] ^ frame[head + k % 4], 'x');
        }
        frame[1] &= 0x7f;
        memset(frame + head, 'x', sizes[i]); /* without the mask */
        serve(&pair, (const char *)frame, head + sizes[i]);
        assert_int_equal(sw_client_next(&pair.client, &text, &code, UINT64_MAX, &stop),
                         SW_CLIENT_TEXT);
        assert_int_equal(text.size, sizes[i]);
        assert_memory_equal(sw_buf_text(&text), payload, sizes[i]);
        sw_free(frame);
        sw_free(payload);
        sw_buf_deinit(&text);
        close_pair(&pair);
    }
}

static void test_ends(void **state)
{
    (void)state;
    struct pair pair;
    struct sw_buf text = {0};
    unsigned code = 0;
    open_pair(&pair);
    assert_int_equal(sw_client_next(&pair.client, &text, &code, 0, &stop), SW_CLIENT_TIMEOUT);
    stop = 1;
    assert_int_equal(sw_client_next(&pair.client, &text, &code, UINT64_MAX, &stop),
                     SW_CLIENT_STOPPED);
    stop = 0;
    serve(&pair, "\x81\x05he", 4); /* cut short */
    shutdown(pair.server, SHUT_WR);
    assert_int_equal(sw_client_next(&pair.client, &text, &code, UINT64_MAX, &stop), SW_CLIENT_LOST);
    assert_int_equal(sw_client_next(&pair.client, &text, &code, UINT64_MAX, &stop), SW_CLIENT_LOST);
    close_pair(&pair);
    open_pair(&pair);
    serve(&pair, "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10); /* no such length */
    assert_int_equal(sw_client_next(&pair.client, &text, &code, UINT64_MAX, &stop), SW_CLIENT_LOST);
    close_pair(&pair);
    sw_buf_deinit(&text);
}

static void test_responses(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool ok;
        unsigned status;
        const char *body;
        bool keep;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true, 200, "hi", true},
        {"HTTP/1.1 503 X\r\ncontent-length:  0 \r\nConnection: Close\r\n\r\n", true, 503, "",
         false},
        {"HTTP/1.1 204 X\r\n\r\n", true, 204, "", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", false, 0, "", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", false, 0, "", false},
        {"HTTP/1.0 200 OK\r\n\r\n", false, 0, "", false},
        {"SSH-2.0-x\r\n\r\n", false, 0, "", false},
        {"", false, 0, "", false},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(cases); i++) {
        struct pair pair;
        struct sw_buf body = {0};
        unsigned status = 0;
        bool keep = false;
        open_pair(&pair);
        serve(&pair, cases[i].bytes, strlen(cases[i].bytes));
        shutdown(pair.server, SHUT_WR);
        assert_int_equal(sw_client_request(&pair.client, SW_SLICE("GET"), &status, &body, &keep),
                         cases[i].ok);
        if (cases[i].ok) {
            assert_int_equal(status, cases[i].status);
            assert_string_equal(sw_buf_text(&body), cases[i].body);
            assert_int_equal(keep, cases[i].keep);
            assert_false(sw_client_alive(&pair.client)); /* the server has ended it */
        } else {
            assert_true(pair.client.error[0]);
        }
        sw_buf_deinit(&body);
        close_pair(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_urls), cmocka_unit_test(test_bad_urls),
        cmocka_unit_test(test_long_urls), cmocka_unit_test(test_messages),
        cmocka_unit_test(test_sizes),     cmocka_unit_test(test_ends),
        cmocka_unit_test(test_responses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
