// SPDX-License-Identifier: Apache-2.0
/* Requests out of a stream: the same however it is cut, and none that a proxy in front could read
 * otherwise. */
#include "fuzz.h"

#include "http/parser.h"

#define MAX_BODY 1000

static void note(struct sw_buf *log, const char *name, struct sw_slice value)
{
    sw_buf_printf(log, "%s=[%.*s] ", name, value.size ? (int)value.size : 0,
                  value.size ? value.data : "");
}

/* No byte that ends a line, and none that a terminal or a C string would take for something else.
 */
static void check_plain(struct sw_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        FUZZ_CHECK((byte >= ' ' || byte == '\t') && byte != 0x7f);
    }
}

/* The query's pairs, decoded, and the path. */
static void note_decoded(struct sw_buf *log, const struct sw_request *request)
{
    struct sw_slice rest = request->query;
    struct sw_slice name, value;
    struct sw_buf text = {0};
    while (sw_query_next(&rest, &name, &value)) {
        FUZZ_CHECK(fuzz_lies_in(name, request->query) && fuzz_lies_in(value, request->query));
        note(log, sw_percent_decode(&text, value, true) ? "good" : "bad", sw_buf_slice(&text));
        sw_buf_clear(&text);
    }
    FUZZ_CHECK(!sw_percent_decode(&text, request->path, false) || text.size <= request->path.size);
    note(log, "decoded", sw_buf_slice(&text));
    sw_buf_deinit(&text);
}

static void note_request(struct sw_buf *log, const struct sw_parser *parser)
{
    const struct sw_request *request = &parser->request;
    size_t lengths = sw_request_header_count(request, "content-length");
    size_t codings = sw_request_header_count(request, "transfer-encoding");
    FUZZ_CHECK(lengths + codings <= 1);
    FUZZ_CHECK(request->body.size <= MAX_BODY);
    FUZZ_CHECK(lengths + codings == 1 || request->body.size == 0);
    FUZZ_CHECK(sw_request_header_count(request, "host") <= 1);
    FUZZ_CHECK(request->header_count <= SW_HTTP_HEADERS);
    check_plain(request->path);
    check_plain(request->query);
    sw_buf_printf(log, "%d upgrade=%d keep=%d ", (int)request->method, request->upgrade,
                  request->keep_alive);
    note(log, "path", request->path);
    note(log, "query", request->query);
    note_decoded(log, request);
    for (size_t i = 0; i < request->header_count; i++) {
        check_plain(request->headers[i].name);
        check_plain(request->headers[i].value);
        note(log, "name", request->headers[i].name);
        note(log, "value", request->headers[i].value);
    }
    note(log, "body", request->body);
}

/* Takes what the parser has. False: nothing more is read of this stream. */
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
            break;
        case SW_PARSER_BAD:
            FUZZ_CHECK(parser->why && parser->status >= 400 && parser->status < 600);
            sw_buf_printf(log, "%u %s", parser->status, parser->why);
            return false;
        }
    }
}

static void read_stream(struct sw_slice stream, size_t first, size_t step, struct sw_buf *log)
{
    struct sw_parser *parser = sw_parser_create();
    bool more = true;
    for (size_t at = 0, size = first; at < stream.size && more; at += size, size = step) {
        size = size < stream.size - at ? size : stream.size - at;
        char *piece = fuzz_copy(sw_slice(stream.data + at, size));
        sw_parser_push(parser, piece, size);
        free(piece);
        more = take(parser, log);
        if (!more) {
            break;
        }
    }
    sw_parser_destroy(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_cut_everywhere(read_stream, fuzz_input(data, size));
    return 0;
}
