// SPDX-License-Identifier: Apache-2.0
#include "http/request.h"

#include "common/assert.h"
#include "common/mem.h"
#include "http/parser.h"

#include <llhttp.h>
#include <string.h>

/* A chunk of one byte takes six on the wire; who spends more than this on framing means no good. */
#define FRAMING_PER_BYTE 8

struct sw_slice sw_request_header(const struct sw_request *request, const char *name)
{
    struct sw_slice wanted = sw_slice_of(name);
    for (size_t i = 0; i < request->header_count; i++) {
        if (sw_slice_equal_nocase(request->headers[i].name, wanted)) {
            return request->headers[i].value;
        }
    }
    return sw_slice(NULL, 0);
}

size_t sw_request_header_count(const struct sw_request *request, const char *name)
{
    struct sw_slice wanted = sw_slice_of(name);
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        count += sw_slice_equal_nocase(request->headers[i].name, wanted);
    }
    return count;
}

static bool list_has(struct sw_slice list, struct sw_slice token)
{
    while (list.data) {
        if (sw_slice_equal_nocase(sw_slice_trim(sw_slice_split(&list, ',')), token)) {
            return true;
        }
    }
    return false;
}

bool sw_request_header_has(const struct sw_request *request, const char *name, const char *token)
{
    struct sw_slice wanted = sw_slice_of(name);
    for (size_t i = 0; i < request->header_count; i++) {
        if (sw_slice_equal_nocase(request->headers[i].name, wanted) &&
            list_has(request->headers[i].value, sw_slice_of(token))) {
            return true;
        }
    }
    return false;
}

static bool refuse(struct sw_parser *parser, unsigned status, const char *why)
{
    parser->status = status;
    parser->why = why;
    return false;
}

/* RFC 9110 section 5.6.2. */
static bool is_token(struct sw_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        bool digit = c >= '0' && c <= '9';
        if (!letter && !digit && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c))) {
            return false;
        }
    }
    return text.size > 0;
}

static bool has_control(struct sw_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

/* Each line ends in CR LF, and none goes on in the next (obs-fold). */
static bool lines_are_sane(struct sw_slice head)
{
    char previous = 0;
    for (size_t i = 0; i < head.size; i++) {
        char c = head.data[i];
        char next = i + 1 < head.size ? head.data[i + 1] : 0;
        bool folded = c == '\n' && (next == ' ' || next == '\t');
        if (c == 0 || folded || (c == '\r') != (next == '\n') || (c == '\n' && previous != '\r')) {
            return false;
        }
        previous = c;
    }
    return true;
}

static bool check_headers(struct sw_parser *parser)
{
    const struct sw_request *request = &parser->request;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!is_token(request->headers[i].name)) {
            return refuse(parser, 400, "bad header name");
        }
        if (has_control(request->headers[i].value)) {
            return refuse(parser, 400, "control byte in a header");
        }
    }
    return true;
}

/* How the body ends must be beyond doubt: what we and a proxy in front of us read differently is
 * a request smuggled past it. */
static bool check_framing(struct sw_parser *parser)
{
    const struct sw_request *request = &parser->request;
    size_t lengths = sw_request_header_count(request, "Content-Length");
    size_t codings = sw_request_header_count(request, "Transfer-Encoding");
    if (lengths + codings > 1) {
        return refuse(parser, 400, "more than one Content-Length or Transfer-Encoding");
    }
    uint64_t size = 0;
    if (lengths == 1 &&
        !sw_slice_to_u64(sw_request_header(request, "Content-Length"), UINT64_MAX, &size)) {
        return refuse(parser, 400, "bad Content-Length");
    }
    if (codings == 1) {
        struct sw_slice coding = sw_request_header(request, "Transfer-Encoding");
        if (parser->http10 || !sw_slice_equal_nocase(coding, SW_SLICE("chunked"))) {
            return refuse(parser, 400, "no other Transfer-Encoding than chunked");
        }
    }
    parser->body_size = size;
    parser->chunked = codings == 1;
    parser->has_body = size > 0 || parser->chunked;
    return true;
}

static bool check_host(struct sw_parser *parser)
{
    size_t count = sw_request_header_count(&parser->request, "Host");
    if (count > 1 || (count == 0 && !parser->http10)) {
        return refuse(parser, 400, "one Host header is needed");
    }
    struct sw_slice host = sw_request_header(&parser->request, "Host");
    for (size_t i = 0; i < host.size; i++) {
        if (strchr(" \t,/?#@\\<>\"", host.data[i])) {
            return refuse(parser, 400, "bad Host header");
        }
    }
    return true;
}

static bool check_connection(struct sw_parser *parser)
{
    struct sw_request *request = &parser->request;
    bool upgrade = sw_request_header_has(request, "Connection", "upgrade") &&
                   sw_request_header_count(request, "Upgrade") > 0;
    if (upgrade && parser->http10) {
        return refuse(parser, 400, "no upgrade from HTTP/1.0");
    }
    request->upgrade = upgrade;
    bool close = sw_request_header_has(request, "Connection", "close");
    bool keep = sw_request_header_has(request, "Connection", "keep-alive");
    request->keep_alive = !close && (keep || !parser->http10);
    parser->wants_continue = !parser->http10 && parser->has_body &&
                             sw_request_header_has(request, "Expect", "100-continue");
    return true;
}

/* "http://host:80/path" as proxies send it: must name the host that Host names. */
static bool strip_authority(struct sw_parser *parser, struct sw_slice *url)
{
    size_t scheme = 0;
    if (url->size > 7 && sw_slice_equal_nocase(sw_slice(url->data, 7), SW_SLICE("http://"))) {
        scheme = 7;
    } else if (url->size > 8 &&
               sw_slice_equal_nocase(sw_slice(url->data, 8), SW_SLICE("https://"))) {
        scheme = 8;
    } else {
        return refuse(parser, 400, "bad request target");
    }
    struct sw_slice rest = sw_slice(url->data + scheme, url->size - scheme);
    size_t end = 0;
    while (end < rest.size && rest.data[end] != '/' && rest.data[end] != '?') {
        end++;
    }
    struct sw_slice authority = sw_slice(rest.data, end);
    if (!sw_slice_equal_nocase(authority, sw_request_header(&parser->request, "Host"))) {
        return refuse(parser, 400, "request target and Host differ");
    }
    *url = sw_slice(rest.data + end, rest.size - end);
    return true;
}

static bool check_target(struct sw_parser *parser, struct sw_slice url)
{
    struct sw_request *request = &parser->request;
    for (size_t i = 0; i < url.size; i++) {
        if (has_control(sw_slice(url.data + i, 1)) || strchr("\t #", url.data[i])) {
            return refuse(parser, 400, "bad request target");
        }
    }
    if (request->method == SW_OPTIONS && sw_slice_equal(url, SW_SLICE("*"))) {
        request->path = url;
        return true;
    }
    if (parser->engine->method == HTTP_CONNECT) {
        request->path = sw_slice("", 0); /* its target is no path; it gets 405 */
        return true;
    }
    if ((url.size == 0 || url.data[0] != '/') && !strip_authority(parser, &url)) {
        return false;
    }
    request->path = sw_slice_split(&url, '?');
    request->query = url.data ? url : sw_slice("", 0);
    if (request->path.size == 0) {
        request->path = SW_SLICE("/");
    }
    return true;
}

static enum sw_method method_of(const llhttp_t *engine)
{
    switch (engine->method) {
    case HTTP_GET:
        return SW_GET;
    case HTTP_HEAD:
        return SW_HEAD;
    case HTTP_POST:
        return SW_POST;
    case HTTP_OPTIONS:
        return SW_OPTIONS;
    default:
        return SW_METHOD_OTHER;
    }
}

static struct sw_slice slice_of_span(const struct sw_parser *parser, struct sw_span span)
{
    return sw_slice(parser->head.data + span.at, span.size);
}

static void take_headers(struct sw_parser *parser)
{
    struct sw_request *request = &parser->request;
    for (size_t i = 0; i < parser->span_count; i++) {
        request->headers[i].name = slice_of_span(parser, parser->names[i]);
        request->headers[i].value = sw_slice_trim(slice_of_span(parser, parser->values[i]));
    }
    request->header_count = parser->span_count;
    request->method = method_of(parser->engine);
    request->query = sw_slice("", 0);
    request->body = sw_slice("", 0);
}

/* What stands around the target: llhttp takes several spaces, RTSP, and requests without a version,
 * too. */
static bool check_version(struct sw_parser *parser)
{
    size_t at = parser->url.at + parser->url.size;
    struct sw_slice rest = sw_slice(parser->head.data + at, parser->head.size - at);
    if (parser->url.at < 2 || parser->head.data[parser->url.at - 2] == ' ') {
        return false;
    }
    parser->http10 = sw_slice_starts_with(rest, SW_SLICE(" HTTP/1.0\r\n"));
    return parser->http10 || sw_slice_starts_with(rest, SW_SLICE(" HTTP/1.1\r\n"));
}

/* The head is whole and stays where it is. */
static bool judge_head(struct sw_parser *parser)
{
    if (!lines_are_sane(sw_buf_slice(&parser->head))) {
        return refuse(parser, 400, "bad line ends");
    }
    if (!check_version(parser)) {
        return refuse(parser, 400, "HTTP/1.1 is spoken here");
    }
    take_headers(parser);
    return check_headers(parser) && check_framing(parser) && check_host(parser) &&
           check_connection(parser) && check_target(parser, slice_of_span(parser, parser->url));
}

/* ---- cutting: llhttp's callbacks ---- */

static struct sw_parser *parser_of(llhttp_t *engine)
{
    return engine->data;
}

/* A piece may come in pieces; they stand side by side. */
static void extend(struct sw_parser *parser, struct sw_span *span, const char *at, size_t size)
{
    if (span->size == 0) {
        span->at = (uint32_t)(at - parser->in.data);
    }
    span->size += (uint32_t)size;
}

static int on_url(llhttp_t *engine, const char *at, size_t size)
{
    extend(parser_of(engine), &parser_of(engine)->url, at, size);
    return 0;
}

static int on_name(llhttp_t *engine, const char *at, size_t size)
{
    struct sw_parser *parser = parser_of(engine);
    if (parser->span_count < SW_HTTP_HEADERS) {
        extend(parser, &parser->names[parser->span_count], at, size);
    }
    return 0;
}

/* One header too many is refused when its name is whole, not at its first byte: the outcome is
 * the same however the bytes are cut. */
static int on_name_end(llhttp_t *engine)
{
    struct sw_parser *parser = parser_of(engine);
    if (parser->span_count < SW_HTTP_HEADERS) {
        return 0;
    }
    refuse(parser, 431, "too many headers");
    return HPE_USER;
}

static int on_value(llhttp_t *engine, const char *at, size_t size)
{
    struct sw_parser *parser = parser_of(engine);
    extend(parser, &parser->values[parser->span_count], at, size);
    return 0;
}

static int on_value_end(llhttp_t *engine)
{
    parser_of(engine)->span_count++;
    return 0;
}

static int on_head_end(llhttp_t *engine)
{
    (void)engine;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_field_complete = on_name_end,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_end,
    .on_headers_complete = on_head_end,
};

static void start_over(struct sw_parser *parser)
{
    llhttp_init(parser->engine, HTTP_REQUEST, &settings);
    parser->engine->data = parser;
    parser->parsed = 0;
    parser->head_whole = false;
    parser->max_body = 0;
    parser->body_size = 0;
    parser->framing = 0;
    parser->url = (struct sw_span){0};
    memset(parser->names, 0, sizeof(parser->names));
    memset(parser->values, 0, sizeof(parser->values));
    parser->span_count = 0;
    parser->chunk = SW_CHUNK_SIZE;
    parser->chunk_digits = 0;
    parser->chunk_left = 0;
    parser->done = false;
}

struct sw_parser *sw_parser_create(void)
{
    struct sw_parser *parser = sw_zalloc(sizeof(*parser));
    parser->engine = sw_zalloc(sizeof(*parser->engine));
    start_over(parser);
    return parser;
}

void sw_parser_destroy(struct sw_parser **pointer)
{
    struct sw_parser *parser = *pointer;
    *pointer = NULL;
    if (!parser) {
        return;
    }
    sw_buf_deinit(&parser->in);
    sw_buf_deinit(&parser->head);
    sw_buf_deinit(&parser->body);
    sw_free(parser->engine);
    sw_free(parser);
}

void sw_parser_push(struct sw_parser *parser, const char *data, size_t size)
{
    sw_buf_append(&parser->in, data, size);
}

struct sw_slice sw_parser_rest(const struct sw_parser *parser)
{
    size_t size = parser->in.size - parser->parsed;
    return sw_slice(size ? parser->in.data + parser->parsed : "", size);
}

void sw_parser_next(struct sw_parser *parser)
{
    SW_ASSERT(parser->done || (parser->head_whole && !parser->has_body));
    sw_buf_deinit(&parser->head);
    sw_buf_clear(&parser->body);
    start_over(parser);
}

/* A method that no table knows is no broken request; garbage is. Judged by what llhttp read of
 * it, so the answer does not depend on what has come behind. */
static bool looks_like_method(struct sw_slice text)
{
    size_t i = 0;
    while (i < text.size && (text.data[i] == '\r' || text.data[i] == '\n')) {
        i++;
    }
    size_t start = i;
    while (i < text.size && ((text.data[i] >= 'A' && text.data[i] <= 'Z') || text.data[i] == '-')) {
        i++;
    }
    return i > start && i == text.size;
}

static void name_error(struct sw_parser *parser, llhttp_errno_t error, const char *end)
{
    if (parser->status) {
        return;
    }
    struct sw_slice seen = sw_slice(parser->in.data, (size_t)(end - parser->in.data) + 1);
    if (error == HPE_INVALID_METHOD && looks_like_method(seen)) {
        refuse(parser, 405, "unknown method");
        return;
    }
    const char *why = llhttp_get_error_reason(parser->engine);
    refuse(parser, 400, why && *why ? why : "malformed request");
}

/* Runs llhttp over `size` bytes behind `parsed`. True: it wants more. False: the head is whole
 * or bad. */
static bool execute(struct sw_parser *parser, size_t size)
{
    const char *from = parser->in.data + parser->parsed;
    llhttp_errno_t error = llhttp_execute(parser->engine, from, size);
    if (error == HPE_OK) {
        parser->parsed += size;
        return true;
    }
    const char *end = llhttp_get_error_pos(parser->engine);
    if (error == HPE_PAUSED) {
        parser->parsed += (size_t)(end - from);
    } else {
        name_error(parser, error, end);
    }
    return false;
}

/* The head keeps its memory, so that slices of it stay good however much comes behind it. */
static void split_head(struct sw_parser *parser)
{
    parser->head = parser->in;
    parser->in = (struct sw_buf){0};
    size_t rest = parser->head.size - parser->parsed;
    if (rest > 0) {
        sw_buf_append(&parser->in, parser->head.data + parser->parsed, rest);
    }
    parser->head.size = parser->parsed;
    parser->parsed = 0;
    parser->head_whole = true;
}

static enum sw_parser_step step_head(struct sw_parser *parser)
{
    size_t left = SW_HTTP_HEAD_BYTES - parser->parsed;
    size_t size = sw_parser_rest(parser).size;
    if (size == 0 || execute(parser, size < left ? size : left)) {
        if (parser->parsed < SW_HTTP_HEAD_BYTES) {
            return SW_PARSER_MORE;
        }
        refuse(parser, 431, "the head is too large");
    }
    if (parser->status) {
        return SW_PARSER_BAD;
    }
    split_head(parser);
    return judge_head(parser) ? SW_PARSER_HEAD : SW_PARSER_BAD;
}

/* ---- bodies ----
 * Not by llhttp: without LLHTTP_STRICT_MODE, which is how Debian 12's sources are built by default,
 * it takes any two bytes for the line end behind a chunk, which is how requests are smuggled. */

static bool add_body(struct sw_parser *parser, const char *data, size_t size)
{
    if (size > parser->max_body - parser->body.size) {
        return refuse(parser, 413, "the body is too large");
    }
    sw_buf_append(&parser->body, data, size);
    return true;
}

static bool chunk_digit(struct sw_parser *parser, int digit)
{
    if (++parser->chunk_digits > 15) {
        return refuse(parser, 400, "bad chunk size");
    }
    parser->chunk_left = parser->chunk_left << 4 | (unsigned)digit;
    return true;
}

/* Behind the digits of a chunk's size. */
static bool chunk_size_end(struct sw_parser *parser, char c)
{
    if (parser->chunk_digits == 0 || (c != ';' && c != '\r')) {
        return refuse(parser, 400, "bad chunk size");
    }
    if (parser->chunk_left > parser->max_body - parser->body.size) {
        return refuse(parser, 413, "the body is too large");
    }
    parser->chunk = c == ';' ? SW_CHUNK_EXTENSION : SW_CHUNK_SIZE_LF;
    return true;
}

static bool expect(struct sw_parser *parser, char c, char wanted, enum sw_chunk next)
{
    if (c != wanted) {
        return refuse(parser, 400, "bad chunk");
    }
    parser->chunk = next;
    return true;
}

/* Text up to a CR: an extension or a trailer, which nobody asked for. */
static bool skip_text(struct sw_parser *parser, char c, enum sw_chunk next)
{
    if (c == '\r') {
        parser->chunk = next;
        return true;
    }
    return has_control(sw_slice(&c, 1)) ? refuse(parser, 400, "bad chunk") : true;
}

/* One byte of the framing. */
static bool chunk_byte(struct sw_parser *parser, char c)
{
    int digit = sw_hex_digit(c);
    switch (parser->chunk) {
    case SW_CHUNK_SIZE:
        return digit >= 0 ? chunk_digit(parser, digit) : chunk_size_end(parser, c);
    case SW_CHUNK_EXTENSION:
        return skip_text(parser, c, SW_CHUNK_SIZE_LF);
    case SW_CHUNK_SIZE_LF:
        return expect(parser, c, '\n', parser->chunk_left ? SW_CHUNK_DATA : SW_CHUNK_LINE);
    case SW_CHUNK_DATA:
        SW_UNREACHABLE();
    case SW_CHUNK_DATA_CR:
        return expect(parser, c, '\r', SW_CHUNK_DATA_LF);
    case SW_CHUNK_DATA_LF:
        parser->chunk_digits = 0;
        return expect(parser, c, '\n', SW_CHUNK_SIZE);
    case SW_CHUNK_LINE:
        if (c == '\r') {
            return expect(parser, c, '\r', SW_CHUNK_END_LF);
        }
        parser->chunk = SW_CHUNK_TRAILER;
        return is_token(sw_slice(&c, 1)) ? true : refuse(parser, 400, "bad trailer");
    case SW_CHUNK_TRAILER:
        return skip_text(parser, c, SW_CHUNK_TRAILER_LF);
    case SW_CHUNK_TRAILER_LF:
        return expect(parser, c, '\n', SW_CHUNK_LINE);
    case SW_CHUNK_END_LF:
        return expect(parser, c, '\n', SW_CHUNK_END);
    case SW_CHUNK_END:
        break;
    }
    SW_UNREACHABLE();
}

static bool read_chunks(struct sw_parser *parser)
{
    const struct sw_buf *in = &parser->in;
    while (parser->parsed < in->size && parser->chunk != SW_CHUNK_END) {
        const char *at = in->data + parser->parsed;
        size_t size = 1;
        if (parser->chunk == SW_CHUNK_DATA) {
            size = in->size - parser->parsed;
            size = size < parser->chunk_left ? size : (size_t)parser->chunk_left;
            if (!add_body(parser, at, size)) {
                return false;
            }
            parser->chunk_left -= size;
            parser->chunk = parser->chunk_left ? SW_CHUNK_DATA : SW_CHUNK_DATA_CR;
        } else if (++parser->framing > parser->body.size * FRAMING_PER_BYTE + SW_HTTP_HEAD_BYTES) {
            return refuse(parser, 413, "too much around the body");
        } else if (!chunk_byte(parser, *at)) {
            return false;
        }
        parser->parsed += size;
    }
    return true;
}

static bool read_sized(struct sw_parser *parser)
{
    struct sw_slice rest = sw_parser_rest(parser);
    size_t missing = parser->body_size - parser->body.size;
    size_t size = rest.size < missing ? rest.size : missing;
    if (!add_body(parser, rest.data, size)) {
        return false;
    }
    parser->parsed += size;
    return true;
}

static enum sw_parser_step step_body(struct sw_parser *parser)
{
    if (parser->body_size > parser->max_body) {
        refuse(parser, 413, "the body is too large");
        return SW_PARSER_BAD;
    }
    if (parser->has_body) {
        if (!(parser->chunked ? read_chunks(parser) : read_sized(parser))) {
            return SW_PARSER_BAD;
        }
        sw_buf_consume(&parser->in, parser->parsed);
        parser->parsed = 0;
        if (parser->chunked ? parser->chunk != SW_CHUNK_END
                            : parser->body.size < parser->body_size) {
            return SW_PARSER_MORE;
        }
    }
    parser->done = true;
    parser->request.body = sw_slice(parser->body.size ? parser->body.data : "", parser->body.size);
    return SW_PARSER_DONE;
}

enum sw_parser_step sw_parser_step(struct sw_parser *parser)
{
    if (parser->status) {
        return SW_PARSER_BAD;
    }
    if (parser->done) {
        return SW_PARSER_DONE;
    }
    return parser->head_whole ? step_body(parser) : step_head(parser);
}
