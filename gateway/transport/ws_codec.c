// SPDX-License-Identifier: Apache-2.0
#include "transport/ws_codec.h"

#include "common/assert.h"
#include "common/mem.h"

#include <string.h>
#include <wslay/wslay.h>

/* Contexts kept for the next incomplete frame. */
#define POOL 16

struct sw_ws_rx {
    wslay_frame_context_ptr context;
    struct sw_ws_rx *next;
    const char *at;
    size_t left;
    uint64_t handed; /* bytes given to wslay */
    uint64_t used;   /* bytes of heads and payloads it has answered */
    uint64_t offset; /* in the payload of the frame under way */
    bool broken;
};

struct sw_ws_codec {
    wslay_frame_context_ptr out;
    char *head; /* where the next head goes */
    bool head_only;
    struct sw_ws_rx *pool;
    unsigned pooled;
    struct sw_ws_deflate *deflate;
};

/* ---- out ---- */

/* wslay hands the head, then the payload; the payload is written by the caller, in place. */
static ssize_t take_head(const uint8_t *data, size_t size, int flags, void *user)
{
    (void)flags;
    struct sw_ws_codec *codec = user;
    if (codec->head_only) {
        memcpy(codec->head, data, size);
        codec->head += size;
    }
    return (ssize_t)size;
}

static ssize_t never_read(uint8_t *data, size_t size, int flags, void *user)
{
    (void)data, (void)size, (void)flags, (void)user;
    return -1;
}

static int never_mask(uint8_t *data, size_t size, void *user)
{
    (void)data, (void)size, (void)user;
    return -1;
}

static char *write_head(struct sw_ws_codec *codec, enum sw_ws_opcode opcode, uint8_t rsv,
                        size_t size, char *out)
{
    struct wslay_frame_iocb frame = {
        .fin = 1, .rsv = rsv, .opcode = (uint8_t)opcode, .payload_length = size, .data_length = 0};
    codec->head = out;
    codec->head_only = true;
    ssize_t n = wslay_frame_send(codec->out, &frame);
    SW_ASSERT(n == 0);
    if (size) { /* tells wslay that the payload has passed, too */
        codec->head_only = false;
        frame.data = (const uint8_t *)out;
        frame.data_length = size;
        n = wslay_frame_send(codec->out, &frame);
        SW_ASSERT(n == (ssize_t)size);
    }
    return codec->head;
}

size_t sw_ws_head_size(size_t size)
{
    return size < 126 ? 2 : size < 65536 ? 4 : 10;
}

struct sw_slice sw_ws_frame_payload(struct sw_slice frame)
{
    unsigned char length = (unsigned char)frame.data[1];
    size_t head = length < 126 ? 2 : length == 126 ? 4 : 10;
    return sw_slice(frame.data + head, frame.size - head);
}

char *sw_ws_write_text_head(void *codec, const struct sw_push *push, size_t size, char *out)
{
    (void)push;
    return write_head(codec, SW_WS_TEXT, 0, size, out);
}

char *sw_ws_write_deflated_head(struct sw_ws_codec *codec, size_t size, char *out)
{
    return write_head(codec, SW_WS_TEXT, SW_WS_RSV1, size, out);
}

/* A pong that nobody asked for is heard by nobody (RFC 6455, section 5.5.3). */
static char *write_raw_head(void *context, const struct sw_push *push, size_t size, char *out)
{
    if (push->kind != SW_PUSH_MESSAGE) {
        return write_head(context, SW_WS_PONG, 0, size, out);
    }
    bool binary = push->message->payload == SW_PAYLOAD_BINARY;
    return write_head(context, binary ? SW_WS_BINARY : SW_WS_TEXT, 0, size, out);
}

struct sw_framing sw_ws_framing(struct sw_ws_codec *codec)
{
    return (struct sw_framing){.name = "ws",
                               .head_size = sw_ws_head_size,
                               .write_head = sw_ws_write_text_head,
                               .text = sw_ws_frame_payload,
                               .context = codec};
}

struct sw_framing sw_ws_raw_framing(struct sw_ws_codec *codec)
{
    return (struct sw_framing){.name = "raw",
                               .head_size = sw_ws_head_size,
                               .write_head = write_raw_head,
                               .text = sw_ws_frame_payload,
                               .context = codec};
}

static void append(struct sw_ws_codec *codec, struct sw_buf *out, enum sw_ws_opcode opcode,
                   uint8_t rsv, struct sw_slice payload)
{
    size_t whole = sw_ws_head_size(payload.size) + payload.size;
    char *at = sw_buf_reserve(out, whole);
    at = write_head(codec, opcode, rsv, payload.size, at);
    if (payload.size) {
        memcpy(at, payload.data, payload.size);
    }
    out->size += whole;
}

void sw_ws_append(struct sw_ws_codec *codec, struct sw_buf *out, enum sw_ws_opcode opcode,
                  struct sw_slice payload)
{
    append(codec, out, opcode, 0, payload);
}

void sw_ws_append_deflated(struct sw_ws_codec *codec, struct sw_buf *out, enum sw_ws_opcode opcode,
                           struct sw_slice payload)
{
    append(codec, out, opcode, SW_WS_RSV1, payload);
}

struct sw_ws_deflate *sw_ws_codec_deflate(const struct sw_ws_codec *codec)
{
    return codec->deflate;
}

/* ---- in ---- */

static ssize_t give_bytes(uint8_t *data, size_t size, int flags, void *user)
{
    (void)flags;
    struct sw_ws_rx *rx = user;
    size_t n = rx->left < size ? rx->left : size;
    if (n == 0) {
        return -1;
    }
    memcpy(data, rx->at, n);
    rx->at += n;
    rx->left -= n;
    rx->handed += n;
    return (ssize_t)n;
}

static ssize_t never_write(const uint8_t *data, size_t size, int flags, void *user)
{
    (void)data, (void)size, (void)flags, (void)user;
    return -1;
}

static struct sw_ws_rx *rx_create(void)
{
    static const struct wslay_frame_callbacks callbacks = {
        .send_callback = never_write, .recv_callback = give_bytes, .genmask_callback = never_mask};
    struct sw_ws_rx *rx = sw_zalloc(sizeof(*rx));
    int error = wslay_frame_context_init(&rx->context, &callbacks, rx);
    SW_ASSERT(error == 0);
    return rx;
}

static void rx_destroy(struct sw_ws_rx *rx)
{
    wslay_frame_context_free(rx->context);
    sw_free(rx);
}

struct sw_ws_rx *sw_ws_rx_take(struct sw_ws_codec *codec)
{
    struct sw_ws_rx *rx = codec->pool;
    if (!rx) {
        return rx_create();
    }
    codec->pool = rx->next;
    codec->pooled--;
    return rx;
}

void sw_ws_rx_give(struct sw_ws_codec *codec, struct sw_ws_rx *rx)
{
    if (rx->broken || !sw_ws_rx_clean(rx) || codec->pooled >= POOL) {
        rx_destroy(rx);
        return;
    }
    rx->next = codec->pool;
    codec->pool = rx;
    codec->pooled++;
}

void sw_ws_rx_feed(struct sw_ws_rx *rx, struct sw_slice bytes)
{
    rx->at = bytes.data;
    rx->left = bytes.size;
}

struct sw_slice sw_ws_rx_rest(struct sw_ws_rx *rx)
{
    struct sw_slice rest = sw_slice(rx->at, rx->left);
    sw_ws_rx_feed(rx, sw_slice("", 0));
    return rest;
}

bool sw_ws_rx_clean(const struct sw_ws_rx *rx)
{
    return rx->handed == rx->used && rx->offset == 0;
}

static uint64_t head_bytes(const struct wslay_frame_iocb *frame)
{
    uint64_t extended = frame->payload_length > 65535 ? 8 : frame->payload_length > 125 ? 2 : 0;
    return 2 + extended + (frame->mask ? 4 : 0);
}

enum sw_ws_read sw_ws_rx_read(struct sw_ws_rx *rx, struct sw_ws_piece *piece)
{
    struct wslay_frame_iocb frame;
    ssize_t n = wslay_frame_recv(rx->context, &frame);
    if (n == WSLAY_ERR_WANT_READ) {
        return SW_WS_MORE;
    }
    if (n < 0) {
        rx->broken = true;
        return SW_WS_BROKEN;
    }
    bool first = rx->offset == 0;
    if (first) {
        rx->used += head_bytes(&frame);
    }
    rx->used += frame.data_length;
    rx->offset += frame.data_length;
    *piece = (struct sw_ws_piece){.first = first,
                                  .last = rx->offset == frame.payload_length,
                                  .fin = frame.fin,
                                  .masked = frame.mask,
                                  .rsv = frame.rsv,
                                  .opcode = frame.opcode,
                                  .frame_size = frame.payload_length,
                                  .data = sw_slice((const char *)frame.data, frame.data_length)};
    if (piece->last) {
        rx->offset = 0;
    }
    return SW_WS_PIECE;
}

struct sw_ws_codec *sw_ws_codec_create(void)
{
    static const struct wslay_frame_callbacks callbacks = {
        .send_callback = take_head, .recv_callback = never_read, .genmask_callback = never_mask};
    struct sw_ws_codec *codec = sw_zalloc(sizeof(*codec));
    int error = wslay_frame_context_init(&codec->out, &callbacks, codec);
    SW_ASSERT(error == 0);
    codec->deflate = sw_ws_deflate_create();
    return codec;
}

void sw_ws_codec_destroy(struct sw_ws_codec **codec)
{
    while ((*codec)->pool) {
        struct sw_ws_rx *rx = (*codec)->pool;
        (*codec)->pool = rx->next;
        rx_destroy(rx);
    }
    sw_ws_deflate_destroy(&(*codec)->deflate);
    wslay_frame_context_free((*codec)->out);
    sw_free(*codec);
    *codec = NULL;
}
