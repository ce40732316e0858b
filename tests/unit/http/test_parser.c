// SPDX-License-Identifier: Apache-2.0
/* However a stream of bytes is cut, the parser must read the same requests from it: whole, byte by
 * byte, and in two pieces at every place. What it read is written down as text and compared. */
#include "tests/unit/net/turning.h"

#include "../common/mutate.h"
#include "http/parser.h"

#include <stdio.h>

#define MAX_BODY 64

static void note_slice(struct sw_buf *log, const char *name, struct sw_slice slice)
{
    sw_buf_printf(log, "%s=[%.*s] ", name, SW_SLICE_ARG(slice));
}

static void note_request(struct sw_buf *log, const struct sw_parser *parser)
{
    const struct sw_request *request = &parser->request;
    sw_buf_printf(log, "%d ", (int)request->method);
    note_slice(log, "path", request->path);
    note_slice(log, "query", request->query);
    note_slice(log, "body", request->body);
    sw_buf_printf(log, "headers=%zu upgrade=%d keep=%d\n", request->header_count, request->upgrade,
                  request->keep_alive);
}

/* Takes what the parser has. False: it is done with this stream. */
static bool take(struct sw_parser *parser, struct sw_buf *log)
{
    for (;;) {
        switch (sw_parser_step(parser)) {
        case SW_PARSER_MORE:
            return true;
        case SW_PARSER_HEAD:
            parser->max_body = MAX_BODY;
            break;
        case SW_PARSER_DONE:
            note_request(log, parser);
            if (parser->request.upgrade) {
                return false; /* what follows is no HTTP */
            }
            sw_parser_next(parser);
            if (sw_parser_rest(parser).size == 0) {
                return true;
            }
            break;
        case SW_PARSER_BAD:
            sw_buf_printf(log, "%u %s\n", parser->status, parser->why);
            return false;
        }
    }
}

/* The first piece, then the rest in pieces of `step`. */
static char *read_cut(struct sw_slice stream, size_t first, size_t step)
{
    struct sw_buf log = {0};
    struct sw_parser *parser = sw_parser_create();
    size_t at = 0;
    size_t size = first;
    bool more = true;
    while (at < stream.size) {
        size = size < stream.size - at ? size : stream.size - at;
        char *exact = malloc(size);
        memcpy(exact, stream.data + at, size);
        sw_parser_push(parser, exact, size);
        free(exact);
        at += size;
        size = step;
        more = more && take(parser, &log);
    }
    if (more) {
        struct sw_slice rest = sw_parser_rest(parser);
        assert_int_equal(rest.size, 0);
        sw_buf_printf(&log, parser->head_whole || parser->in.size ? "unfinished" : "clean");
    } else {
        sw_buf_printf(&log, "rest=[%.*s]",
                      parser->status ? 0 : SW_SLICE_ARG(sw_parser_rest(parser)));
    }
    sw_parser_destroy(&parser);
    assert_null(parser);
    char *text = strdup(sw_buf_text(&log));
    sw_buf_deinit(&log);
    return text;
}

/* Reads it in every way; the caller frees the answer. */
static char *read_all_ways(struct sw_slice stream)
{
    char *whole = read_cut(stream, stream.size, 1);
    for (size_t cut = 1; cut < stream.size; cut++) {
        char *text = read_cut(stream, cut, stream.size);
        if (strcmp(text, whole) != 0) {
            print_error("cut at %zu of\n%.*s\n", cut, SW_SLICE_ARG(stream));
        }
        assert_string_equal(text, whole);
        free(text);
    }
    char *bytes = read_cut(stream, 1, 1);
    assert_string_equal(bytes, whole);
    free(bytes);
    return whole;
}

static void expect(struct sw_slice stream, const char *wanted)
{
    char *text = read_all_ways(stream);
    if (strcmp(text, wanted) != 0) {
        print_error("of\n%.*s\n", SW_SLICE_ARG(stream));
    }
    assert_string_equal(text, wanted);
    free(text);
}

static void expect_status(struct sw_slice stream, unsigned status)
{
    char *text = read_all_ways(stream);
    /* The refusal stands in the last line but one. */
    char start[8];
    snprintf(start, sizeof(start), "%u ", status);
    const char *line = text;
    for (const char *at = text; (at = strchr(at, '\n')) && at[1] != 'r'; at++) {
        line = at + 1;
    }
    if (strncmp(line, start, strlen(start)) != 0) {
        print_error("not %u but\n%s\nfor\n%.*s\n", status, text, SW_SLICE_ARG(stream));
        fail();
    }
    free(text);
}

#define GET_HOST  "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST_HOST "POST /p HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED   POST_HOST "Transfer-Encoding: chunked\r\n\r\n"

static void good_requests_are_read_alike_however_they_are_cut(void **state)
{
    (void)state;
    expect(SW_SLICE(GET_HOST "\r\n"),
           "1 path=[/] query=[] body=[] headers=1 upgrade=0 keep=1\nclean");
    expect(
        SW_SLICE("\r\n\r\nHEAD /a?b=c?d HTTP/1.1\r\nhOsT:\t a:80 \t\r\nX:\r\nY: \x80\xff\r\n\r\n"),
        "2 path=[/a] query=[b=c?d] body=[] headers=3 upgrade=0 keep=1\nclean");
    expect(SW_SLICE("GET /gr\xc3\xb6\xc3\x9f"
                    "e?q=%20 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
           "1 path=[/gr\xc3\xb6\xc3\x9f"
           "e] query=[q=%20] body=[] headers=2 upgrade=0 keep=0\nclean");
    expect(SW_SLICE("GET / HTTP/1.0\r\n\r\n"),
           "1 path=[/] query=[] body=[] headers=0 upgrade=0 keep=0\nclean");
    expect(SW_SLICE("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
           "1 path=[/] query=[] body=[] headers=1 upgrade=0 keep=1\nclean");
    expect(SW_SLICE(POST_HOST "Content-Length: 5\r\n\r\nhello"),
           "4 path=[/p] query=[] body=[hello] headers=2 upgrade=0 keep=1\nclean");
    expect(SW_SLICE(POST_HOST "Content-Length: 0\r\n\r\n"),
           "4 path=[/p] query=[] body=[] headers=2 upgrade=0 keep=1\nclean");
    expect(SW_SLICE("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
           "8 path=[*] query=[] body=[] headers=1 upgrade=0 keep=1\nclean");
    expect(SW_SLICE("DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n"),
           "16 path=[/x] query=[] body=[] headers=1 upgrade=0 keep=1\nclean");
    expect(SW_SLICE("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
           "16 path=[] query=[] body=[] headers=1 upgrade=0 keep=1\nclean");
    expect(SW_SLICE("GET HTTP://a:80/x?y HTTP/1.1\r\nHost: A:80\r\n\r\n"),
           "1 path=[/x] query=[y] body=[] headers=1 upgrade=0 keep=1\nclean");
    expect(SW_SLICE("GET http://a?y HTTP/1.1\r\nHost: a\r\n\r\n"),
           "1 path=[/] query=[y] body=[] headers=1 upgrade=0 keep=1\nclean");
    expect(SW_SLICE("GET /unfini"), "unfinished");
    expect(SW_SLICE(POST_HOST "Content-Length: 5\r\n\r\nhel"), "unfinished");
}

static void upgrade_leaves_what_is_behind_it_alone(void **state)
{
    (void)state;
    expect(SW_SLICE("GET /v1/ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                    "Connection: keep-alive, Upgrade\r\n\r\n\x81\x80GET / HTTP"),
           "1 path=[/v1/ws] query=[] body=[] headers=3 upgrade=1 keep=1\n"
           "rest=[\x81\x80GET / HTTP]");
    /* Half an upgrade is none. */
    expect(SW_SLICE(GET_HOST "Upgrade: websocket\r\n\r\n"),
           "1 path=[/] query=[] body=[] headers=2 upgrade=0 keep=1\nclean");
    expect(SW_SLICE(GET_HOST "Connection: upgrade\r\n\r\n"),
           "1 path=[/] query=[] body=[] headers=2 upgrade=0 keep=1\nclean");
}

static void pipelined_requests_are_read_one_after_another(void **state)
{
    (void)state;
    expect(SW_SLICE(POST_HOST "Content-Length: 3\r\n\r\nabc" GET_HOST "\r\n" CHUNKED
                              "2\r\nxy\r\n0\r\n\r\n" GET_HOST "\r\n"),
           "4 path=[/p] query=[] body=[abc] headers=2 upgrade=0 keep=1\n"
           "1 path=[/] query=[] body=[] headers=1 upgrade=0 keep=1\n"
           "4 path=[/p] query=[] body=[xy] headers=2 upgrade=0 keep=1\n"
           "1 path=[/] query=[] body=[] headers=1 upgrade=0 keep=1\nclean");
}

/* CONNECT's target has no query, where a slice of the head before it once stayed. */
static void nothing_of_a_request_stays_for_the_next(void **state)
{
    (void)state;
    static const char stream[] = "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"
                                 "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n";
    struct sw_parser *parser = sw_parser_create();
    sw_parser_push(parser, stream, sizeof(stream) - 1);
    assert_int_equal(sw_parser_step(parser), SW_PARSER_HEAD);
    assert_int_equal(parser->request.query.size, 1);
    assert_int_equal(sw_parser_step(parser), SW_PARSER_DONE);
    sw_parser_next(parser);
    assert_int_equal(sw_parser_step(parser), SW_PARSER_HEAD);
    assert_int_equal(parser->request.path.size, 0);
    assert_int_equal(parser->request.query.size, 0);
    sw_parser_destroy(&parser);
}

static void chunks_are_joined(void **state)
{
    (void)state;
#define JOINED "4 path=[/p] query=[] body=[hello, world] headers=2 upgrade=0 keep=1\nclean"
    expect(SW_SLICE(CHUNKED "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"), JOINED);
    expect(SW_SLICE(CHUNKED "0000C;name=\"v\"\r\nhello, world\r\n00\r\n\r\n"), JOINED);
    expect(SW_SLICE(CHUNKED "c\r\nhello, world\r\n0\r\nTrailer: x\r\nOther:\r\n\r\n"), JOINED);
    expect(SW_SLICE(CHUNKED "0\r\n\r\n"),
           "4 path=[/p] query=[] body=[] headers=2 upgrade=0 keep=1\nclean");
}

static void framing_in_doubt_is_refused(void **state)
{
    (void)state;
    const struct sw_slice rows[] = {
        /* two lengths, two codings, both, or none that is one */
        SW_SLICE(POST_HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        SW_SLICE(POST_HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
        SW_SLICE(POST_HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
        SW_SLICE(POST_HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        SW_SLICE(POST_HOST "Content-Length: 5, 5\r\n\r\nhello"),
        SW_SLICE(POST_HOST "Content-Length: +5\r\n\r\nhello"),
        SW_SLICE(POST_HOST "Content-Length: -5\r\n\r\nhello"),
        SW_SLICE(POST_HOST "Content-Length: 0x5\r\n\r\nhello"),
        SW_SLICE(POST_HOST "Content-Length: 5 5\r\n\r\nhello"),
        SW_SLICE(POST_HOST "Content-Length:\r\n\r\nhello"),
        SW_SLICE(POST_HOST "Content-Length: 99999999999999999999\r\n\r\nhello"),
        SW_SLICE(POST_HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
        SW_SLICE(POST_HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        SW_SLICE(POST_HOST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        SW_SLICE(POST_HOST "Transfer-Encoding: identity\r\n\r\n"),
        SW_SLICE(POST_HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        SW_SLICE(POST_HOST "Transfer-Encoding:\x0b"
                           "chunked\r\n\r\n0\r\n\r\n"),
        SW_SLICE(POST_HOST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        SW_SLICE("POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        /* lines */
        SW_SLICE("GET / HTTP/1.1\nHost: a\n\n"),
        SW_SLICE("GET / HTTP/1.1\r\nHost: a\n\r\n"),
        SW_SLICE("GET / HTTP/1.1\r\nHost: a\r\n\n"),
        SW_SLICE("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"),
        SW_SLICE("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
        SW_SLICE("\n" GET_HOST "\r\n"),
        SW_SLICE(GET_HOST "X: a\r\n b\r\n\r\n"),
        SW_SLICE(GET_HOST "X: a\r\n\tb\r\n\r\n"),
        SW_SLICE(GET_HOST "X: a\r\n \r\n\r\n"),
        SW_SLICE("GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        SW_SLICE(GET_HOST "X: a\0b\r\n\r\n"),
        SW_SLICE(GET_HOST "X: a\x01"
                          "b\r\n\r\n"),
        SW_SLICE(GET_HOST "X: a\x7f"
                          "b\r\n\r\n"),
        SW_SLICE(GET_HOST "X : a\r\n\r\n"),
        SW_SLICE(GET_HOST "X\t: a\r\n\r\n"),
        SW_SLICE(GET_HOST "X(: a\r\n\r\n"),
        SW_SLICE(GET_HOST ": a\r\n\r\n"),
        SW_SLICE(GET_HOST "no colon\r\n\r\n"),
        SW_SLICE(GET_HOST "\xc3\xb6: a\r\n\r\n"),
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        expect_status(rows[i], 400);
    }
}

static void bad_request_lines_and_hosts_are_refused(void **state)
{
    (void)state;
    const struct sw_slice rows[] = {
        SW_SLICE("GET / HTTP/1.1\r\n\r\n"),
        SW_SLICE("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
        SW_SLICE("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        SW_SLICE("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n"),
        SW_SLICE("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        SW_SLICE("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET / HTTP/1.11\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET / http/1.1\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET / ICE/1.0\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET / RTSP/1.0\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET /\r\n\r\n"),
        SW_SLICE("GET  HTTP/1.1\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET / x HTTP/1.1\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET a/b HTTP/1.1\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n"),
        SW_SLICE("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        SW_SLICE("GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
        SW_SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        SW_SLICE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        SW_SLICE("get / HTTP/1.1\r\nHost: a\r\n\r\n"),
        SW_SLICE(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        SW_SLICE("\0GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        expect_status(rows[i], 400);
    }
    expect_status(SW_SLICE("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
    expect_status(SW_SLICE("GETS / HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
}

static void bad_chunks_are_refused(void **state)
{
    (void)state;
    const struct sw_slice rows[] = {
        SW_SLICE(CHUNKED "5\r\nhelloXX0\r\n\r\n"), /* llhttp alone takes this one */
        SW_SLICE(CHUNKED "5\rXhello\r\n0\r\n\r\n"),
        SW_SLICE(CHUNKED "5\nhello\r\n0\r\n\r\n"),
        SW_SLICE(CHUNKED "5\r\nhello\n0\r\n\r\n"),
        SW_SLICE(CHUNKED "5\r\nhello\r0\r\n\r\n"),
        SW_SLICE(CHUNKED "5 \r\nhello\r\n0\r\n\r\n"),
        SW_SLICE(CHUNKED " 5\r\nhello\r\n0\r\n\r\n"),
        SW_SLICE(CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"),
        SW_SLICE(CHUNKED "+5\r\nhello\r\n0\r\n\r\n"),
        SW_SLICE(CHUNKED "-5\r\nhello\r\n0\r\n\r\n"),
        SW_SLICE(CHUNKED "\r\nhello\r\n0\r\n\r\n"),
        SW_SLICE(CHUNKED ";a\r\nhello\r\n0\r\n\r\n"),
        SW_SLICE(CHUNKED "g\r\nhello\r\n0\r\n\r\n"),
        SW_SLICE(CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        SW_SLICE(CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        SW_SLICE(CHUNKED "5;a\0b\r\nhello\r\n0\r\n\r\n"),
        SW_SLICE(CHUNKED "0\r\nX: y\n\r\n"),
        SW_SLICE(CHUNKED "0\r\nX: y\r\n folded\r\n\r\n"),
        SW_SLICE(CHUNKED "0\r\n\n"),
        SW_SLICE(CHUNKED "0\r\n\rX"),
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        expect_status(rows[i], 400);
    }
}

static void body_above_its_limit_is_refused_as_early_as_it_says_so(void **state)
{
    (void)state;
    expect_status(SW_SLICE(POST_HOST "Content-Length: 65\r\n\r\n"), 413);
    expect_status(SW_SLICE(POST_HOST "Content-Length: 18446744073709551615\r\n\r\n"), 413);
    expect_status(SW_SLICE(CHUNKED "41\r\n"), 413);
    expect_status(SW_SLICE(CHUNKED "ffffffffffff\r\n"), 413);
    expect_status(SW_SLICE(CHUNKED "3f\r\n0123456789012345678901234567890123456789"
                                   "01234567890123456789012\r\n2\r\n"),
                  413);
}

/* ---- sizes ---- */

static void append_headers(struct sw_buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sw_buf_printf(out, "X%zu: y\r\n", i);
    }
}

static void header_count_has_a_limit(void **state)
{
    (void)state;
    for (size_t extra = 0; extra <= 1; extra++) {
        struct sw_buf stream = {0};
        sw_buf_printf(&stream, GET_HOST);
        append_headers(&stream, SW_HTTP_HEADERS - 1 + extra);
        sw_buf_printf(&stream, "\r\n");
        if (extra) {
            expect_status(sw_buf_slice(&stream), 431);
        } else {
            expect(sw_buf_slice(&stream),
                   "1 path=[/] query=[] body=[] headers=64 upgrade=0 keep=1\nclean");
        }
        sw_buf_deinit(&stream);
    }
}

/* `head` bytes of a head, cut at a few places only. */
static void check_head_of(size_t head, bool good)
{
    struct sw_buf stream = {0};
    sw_buf_printf(&stream, GET_HOST "X: ");
    while (stream.size < head - 4) {
        sw_buf_append_byte(&stream, 'x');
    }
    sw_buf_printf(&stream, "\r\n\r\n");
    assert_int_equal(stream.size, head);
    static const size_t steps[] = {1, 7, 1000, 16383, 16384, 16385, 65536};
    for (size_t i = 0; i < SW_ARRAY_SIZE(steps); i++) {
        char *text = read_cut(sw_buf_slice(&stream), steps[i], steps[i]);
        assert_string_equal(text, good ? "1 path=[/] query=[] body=[] headers=2 upgrade=0 keep=1\n"
                                         "clean"
                                       : "431 the head is too large\nrest=[]");
        free(text);
    }
    sw_buf_deinit(&stream);
}

static void head_size_has_a_limit(void **state)
{
    (void)state;
    check_head_of(SW_HTTP_HEAD_BYTES - 1, true);
    check_head_of(SW_HTTP_HEAD_BYTES, true);
    check_head_of(SW_HTTP_HEAD_BYTES + 1, false);
    check_head_of(4 * SW_HTTP_HEAD_BYTES, false);
}

static void endless_framing_is_refused(void **state)
{
    (void)state;
    struct sw_buf stream = {0};
    sw_buf_printf(&stream, CHUNKED "0\r\n");
    for (size_t i = 0; i < 4000; i++) {
        sw_buf_printf(&stream, "X: y\r\n");
    }
    char *text = read_cut(sw_buf_slice(&stream), 1, 1);
    assert_string_equal(text, "413 too much around the body\nrest=[]");
    free(text);
    text = read_cut(sw_buf_slice(&stream), stream.size, 1);
    assert_string_equal(text, "413 too much around the body\nrest=[]");
    free(text);
    sw_buf_deinit(&stream);
}

static void continue_is_wanted_only_where_a_body_comes(void **state)
{
    (void)state;
    const struct {
        struct sw_slice head;
        bool wanted;
    } rows[] = {
        {SW_SLICE(POST_HOST "Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n"), true},
        {SW_SLICE(POST_HOST "Expect: 100-continue\r\n\r\n"), false},
        {SW_SLICE(POST_HOST "Content-Length: 5\r\n\r\n"), false},
        {SW_SLICE("POST /p HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"), false},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_parser *parser = sw_parser_create();
        sw_parser_push(parser, rows[i].head.data, rows[i].head.size);
        assert_int_equal(sw_parser_step(parser), SW_PARSER_HEAD);
        assert_int_equal(parser->wants_continue, rows[i].wanted);
        sw_parser_destroy(&parser);
    }
}

static void any_bytes_are_read_alike_however_they_are_cut(void **state)
{
    (void)state;
    static const char *const streams[] = {
        GET_HOST "X: y\r\n\r\n" POST_HOST "Content-Length: 5\r\n\r\nhello" GET_HOST "\r\n",
        CHUNKED "5;a=b\r\nhello\r\n0a\r\n0123456789\r\n0\r\nT: u\r\n\r\n" GET_HOST "\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nGET http://a/b?c HTTP/1.0\r\nHost: a\r\n\r\n",
        GET_HOST "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\n\x81\x80",
    };
    struct sw_random random = unit_seeded(9112);
    for (unsigned run = 0; run < 1000; run++) {
        struct sw_buf stream = {0};
        sw_buf_append_slice(&stream, sw_slice_of(streams[run % SW_ARRAY_SIZE(streams)]));
        unit_mutate(&random, &stream);
        free(read_all_ways(sw_buf_slice(&stream)));
        sw_buf_deinit(&stream);
    }
}

/* Asked before anything came, and again between the pieces. */
static void who_asks_too_early_is_told_to_wait(void **state)
{
    (void)state;
    static const char *const pieces[] = {"", POST_HOST, "Content-Length: 3\r\n\r\n", "ab"};
    struct sw_parser *parser = sw_parser_create();
    for (size_t i = 0; i < SW_ARRAY_SIZE(pieces); i++) {
        sw_parser_push(parser, pieces[i], strlen(pieces[i]));
        enum sw_parser_step step = sw_parser_step(parser);
        assert_int_equal(step, i == 2 ? SW_PARSER_HEAD : SW_PARSER_MORE);
        parser->max_body = MAX_BODY;
        assert_int_equal(sw_parser_step(parser), SW_PARSER_MORE);
    }
    sw_parser_push(parser, "c", 1);
    assert_int_equal(sw_parser_step(parser), SW_PARSER_DONE);
    assert_int_equal(parser->request.body.size, 3);
    sw_parser_next(parser);
    assert_int_equal(sw_parser_step(parser), SW_PARSER_MORE);
    sw_parser_destroy(&parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_requests_are_read_alike_however_they_are_cut),
        cmocka_unit_test(upgrade_leaves_what_is_behind_it_alone),
        cmocka_unit_test(pipelined_requests_are_read_one_after_another),
        cmocka_unit_test(nothing_of_a_request_stays_for_the_next),
        cmocka_unit_test(chunks_are_joined),
        cmocka_unit_test(framing_in_doubt_is_refused),
        cmocka_unit_test(bad_request_lines_and_hosts_are_refused),
        cmocka_unit_test(bad_chunks_are_refused),
        cmocka_unit_test(body_above_its_limit_is_refused_as_early_as_it_says_so),
        cmocka_unit_test(header_count_has_a_limit),
        cmocka_unit_test(head_size_has_a_limit),
        cmocka_unit_test(endless_framing_is_refused),
        cmocka_unit_test(continue_is_wanted_only_where_a_body_comes),
        cmocka_unit_test(any_bytes_are_read_alike_however_they_are_cut),
        cmocka_unit_test(who_asks_too_early_is_told_to_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
