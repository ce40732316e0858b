// SPDX-License-Identifier: Apache-2.0
/* Bytes in, requests out; no socket (http/server.c has that). llhttp cuts and judges the head,
 * this adds what it lets pass (obs-fold, HTTP/1.0 upgrades, several lengths, ...), a limit on
 * everything, and the body. A head that is whole gets memory of its own, to which the request's
 * slices point; body bytes go to `body`. However the bytes are cut, the outcome is the same.
 * Private to http/. */
#ifndef SW_HTTP_PARSER_H
#define SW_HTTP_PARSER_H

#include "http/request.h"

struct llhttp__internal_s;

enum sw_parser_step {
    SW_PARSER_MORE, /* wants bytes */
    SW_PARSER_HEAD, /* the head is whole: set max_body and go on; comes once per request */
    SW_PARSER_DONE, /* the request is whole; go on with sw_parser_next */
    SW_PARSER_BAD,  /* refused with `status` and `why`; nothing more is parsed */
};

/* What comes next in a chunked body. */
enum sw_chunk {
    SW_CHUNK_SIZE,
    SW_CHUNK_EXTENSION,
    SW_CHUNK_SIZE_LF,
    SW_CHUNK_DATA,
    SW_CHUNK_DATA_CR,
    SW_CHUNK_DATA_LF,
    SW_CHUNK_LINE, /* behind the last chunk: a trailer or the end */
    SW_CHUNK_TRAILER,
    SW_CHUNK_TRAILER_LF,
    SW_CHUNK_END_LF,
    SW_CHUNK_END,
};

/* Where a piece of the head stands in `in`, which still moves then. */
struct sw_span {
    uint32_t at;
    uint32_t size;
};

struct sw_parser {
    struct llhttp__internal_s *engine;
    struct sw_buf in; /* what has come of the head, then what came behind it */
    size_t parsed;    /* of `in` */
    bool head_whole;
    struct sw_buf head;
    struct sw_buf body;
    size_t max_body;
    size_t body_size; /* as Content-Length says; 0 with chunks */
    bool chunked;
    enum sw_chunk chunk;
    unsigned chunk_digits;
    uint64_t chunk_left;
    uint64_t framing; /* bytes of chunk heads and trailers */
    struct sw_span url;
    struct sw_span names[SW_HTTP_HEADERS];
    struct sw_span values[SW_HTTP_HEADERS];
    size_t span_count;
    struct sw_request request;
    bool http10;
    bool has_body;
    bool wants_continue; /* Expect: 100-continue */
    bool done;
    unsigned status;
    const char *why;
};

struct sw_parser *sw_parser_create(void);
/* NULLs *parser, which may be NULL. */
void sw_parser_destroy(struct sw_parser **parser);
void sw_parser_push(struct sw_parser *parser, const char *data, size_t size);
enum sw_parser_step sw_parser_step(struct sw_parser *parser);
/* Forgets the request that is done, or whose head is whole and no body follows; what came behind
 * it is the start of the next. */
void sw_parser_next(struct sw_parser *parser);
/* Its value; negative: it is none. */
int sw_hex_digit(char c);
/* What came and was not parsed. */
struct sw_slice sw_parser_rest(const struct sw_parser *parser);

#endif
