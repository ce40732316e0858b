// SPDX-License-Identifier: Apache-2.0
#include "transport/ws_deflate.h"

#include "common/assert.h"
#include "common/buf.h"
#include "common/mem.h"

#include <string.h>
#include <zlib.h>

/* Raw deflate with a window of 32 KB. */
#define RAW_WINDOW (-15)
/* Level 6 takes half as long again and saves a twentieth. */
#define LEVEL  1
#define MEMORY 8
/* Output grows by so much at first; where there is more, by as much as there is. */
#define CHUNK 4096
/* Scratch that one large message made longer than this is given back before the next. */
#define KEPT 65536

/* Ends every flush, and is not sent (RFC 7692, section 7.2.1). */
static const char tail[] = {0, 0, (char)0xff, (char)0xff};

struct sw_ws_deflate {
    z_stream out;
    z_stream in;
    bool out_made;
    bool in_made;
    bool in_ended; /* behind a block that says it is the last one */
    struct sw_buf packed;
    struct sw_buf text;
};

struct sw_ws_deflate *sw_ws_deflate_create(void)
{
    return sw_zalloc(sizeof(struct sw_ws_deflate));
}

void sw_ws_deflate_destroy(struct sw_ws_deflate **streams)
{
    if ((*streams)->out_made) {
        deflateEnd(&(*streams)->out);
    }
    if ((*streams)->in_made) {
        inflateEnd(&(*streams)->in);
    }
    sw_buf_deinit(&(*streams)->packed);
    sw_buf_deinit(&(*streams)->text);
    sw_free(*streams);
    *streams = NULL;
}

static void empty(struct sw_buf *buf)
{
    if (buf->capacity > KEPT) {
        sw_buf_deinit(buf);
    }
    sw_buf_clear(buf);
}

/* zlib's bytes are not const, and not char. */
static Bytef *bytes_of(const char *data)
{
    return (Bytef *)(uintptr_t)data;
}

/* ---- out ---- */

static void begin_out(struct sw_ws_deflate *streams, enum sw_ws_window window)
{
    int strategy = window == SW_WS_DEFLATE_NARROW ? Z_HUFFMAN_ONLY : Z_DEFAULT_STRATEGY;
    int status = streams->out_made ? deflateReset(&streams->out)
                                   : deflateInit2(&streams->out, LEVEL, Z_DEFLATED, RAW_WINDOW,
                                                  MEMORY, Z_DEFAULT_STRATEGY);
    SW_ASSERT(status == Z_OK);
    streams->out_made = true;
    status = deflateParams(&streams->out, LEVEL, strategy); /* nothing is under way to be flushed */
    SW_ASSERT(status == Z_OK);
    empty(&streams->packed);
}

struct sw_slice sw_ws_deflate(struct sw_ws_deflate *streams, struct sw_slice text,
                              enum sw_ws_window window)
{
    z_stream *out = &streams->out;
    struct sw_buf *packed = &streams->packed;
    begin_out(streams, window);
    out->next_in = bytes_of(text.data);
    out->avail_in = (uInt)text.size;
    size_t room = deflateBound(out, out->avail_in) + sizeof(tail) + SW_WS_STORED_BYTES;
    do {
        out->next_out = bytes_of(sw_buf_reserve(packed, room));
        out->avail_out = (uInt)room;
        int status = deflate(out, Z_SYNC_FLUSH);
        SW_ASSERT(status == Z_OK);
        packed->size += room - out->avail_out;
    } while (out->avail_out == 0);
    SW_ASSERT(packed->size > sizeof(tail));
    packed->size -= sizeof(tail);
    return sw_buf_slice(packed);
}

/* A stored block (RFC 1951, section 3.2.4), which begins at a byte and ends at one. */
void sw_ws_deflate_store(struct sw_buf *out, struct sw_slice head)
{
    SW_ASSERT(head.size <= SW_WS_STORED_MAX);
    unsigned char low = (unsigned char)(head.size & 0xff);
    unsigned char high = (unsigned char)(head.size >> 8);
    const unsigned char block[SW_WS_STORED_BYTES] = {0, low, high, (unsigned char)~low,
                                                     (unsigned char)~high};
    sw_buf_append(out, block, sizeof(block));
    sw_buf_append_slice(out, head);
}

struct sw_slice sw_ws_deflate_head(struct sw_slice payload)
{
    const unsigned char *block = (const unsigned char *)payload.data;
    size_t size = (size_t)(block[1] | block[2] << 8);
    SW_ASSERT(block[0] == 0 && size <= payload.size - SW_WS_STORED_BYTES);
    return sw_slice(payload.data + SW_WS_STORED_BYTES, size);
}

/* ---- in ---- */

static void begin_in(struct sw_ws_deflate *streams)
{
    int status =
        streams->in_made ? inflateReset(&streams->in) : inflateInit2(&streams->in, RAW_WINDOW);
    SW_ASSERT(status == Z_OK);
    streams->in_made = true;
    streams->in_ended = false;
    empty(&streams->text);
}

/* One step into free room, which has one byte more than may be made. */
static enum sw_ws_inflated step(struct sw_ws_deflate *streams, size_t max_bytes)
{
    z_stream *in = &streams->in;
    struct sw_buf *text = &streams->text;
    size_t left = max_bytes + 1 - text->size;
    size_t grow = text->size > CHUNK ? text->size : CHUNK;
    size_t room = left < grow ? left : grow;
    in->next_out = bytes_of(sw_buf_reserve(text, room));
    in->avail_out = (uInt)room;
    int status = inflate(in, Z_SYNC_FLUSH);
    text->size += room - in->avail_out;
    streams->in_ended = status == Z_STREAM_END;
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
        return SW_WS_INFLATE_BAD;
    }
    return text->size > max_bytes ? SW_WS_INFLATE_TOO_BIG : SW_WS_INFLATED;
}

/* A last block may be followed by others: another stream, which knows nothing of the one before. */
static enum sw_ws_inflated feed(struct sw_ws_deflate *streams, struct sw_slice bytes,
                                size_t max_bytes)
{
    z_stream *in = &streams->in;
    in->next_in = bytes_of(bytes.data);
    in->avail_in = (uInt)bytes.size;
    do {
        if (streams->in_ended) {
            int status = inflateReset(in);
            SW_ASSERT(status == Z_OK);
        }
        enum sw_ws_inflated done = step(streams, max_bytes);
        if (done != SW_WS_INFLATED) {
            return done;
        }
    } while (in->avail_in || (in->avail_out == 0 && !streams->in_ended));
    return SW_WS_INFLATED;
}

/* Does what was read end with a whole block? */
static bool whole(const struct sw_ws_deflate *streams)
{
    return streams->in_ended || streams->in.data_type & 128;
}

enum sw_ws_inflated sw_ws_inflate(struct sw_ws_deflate *streams, struct sw_slice payload,
                                  size_t max_bytes, struct sw_slice *text)
{
    enum sw_ws_inflated done = SW_WS_INFLATED;
    begin_in(streams);
    if (payload.size) { /* a flush of nothing may be nothing */
        done = feed(streams, payload, max_bytes);
        if (done == SW_WS_INFLATED && !streams->in_ended) {
            done = feed(streams, sw_slice(tail, sizeof(tail)), max_bytes);
        }
        if (done == SW_WS_INFLATED && !whole(streams)) {
            done = SW_WS_INFLATE_BAD;
        }
    }
    *text = sw_slice(streams->text.size ? streams->text.data : "", streams->text.size);
    return done;
}
