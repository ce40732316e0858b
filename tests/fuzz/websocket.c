// SPDX-License-Identifier: Apache-2.0
/* Frames to messages: the same however the stream is cut, text is UTF-8, nothing is larger than it
 * may be. Once as it is where compression was agreed upon, once where it was not. */
#include "fuzz.h"

#include "transport/ws_deflate.h"
#include "transport/ws_message.h"

#define MAX_BYTES 2000

struct peer {
    struct sw_ws_codec *codec;
    struct sw_ws_rx *rx;
    struct sw_ws_message message;
    struct sw_buf *log;
};

static void note(struct sw_buf *log, const char *word, struct sw_slice payload)
{
    sw_buf_printf(log, "%s %zu:", word, payload.size);
    sw_buf_append_slice(log, payload);
    sw_buf_append_byte(log, ' ');
}

/* False: nothing more is read. */
static bool note_event(struct peer *peer, enum sw_ws_event event)
{
    const struct sw_ws_message *message = &peer->message;
    switch (event) {
    case SW_WS_NOTHING:
        return true;
    case SW_WS_MESSAGE:
        FUZZ_CHECK(message->payload.size <= MAX_BYTES);
        FUZZ_CHECK(!message->text || sw_utf8_valid(message->payload.data, message->payload.size));
        note(peer->log, message->text ? "text" : "binary", message->payload);
        return true;
    case SW_WS_PINGED:
    case SW_WS_PONGED:
        FUZZ_CHECK(message->payload.size <= SW_WS_CONTROL_BYTES);
        note(peer->log, event == SW_WS_PINGED ? "ping" : "pong", message->payload);
        return true;
    case SW_WS_CLOSED:
        FUZZ_CHECK(message->code == 0 || (message->code >= 1000 && message->code < 5000));
        FUZZ_CHECK(message->code != 1005 && message->code != 1006 && message->code != 1015);
        sw_buf_printf(peer->log, "close %u ", message->code);
        return false;
    case SW_WS_FAULT:
        sw_buf_printf(peer->log, "fault %s ", sw_reason_row(message->reason)->word);
        return false;
    }
    return false;
}

/* As transport/ws does it: the rx is given back between two frames. False: nothing more is read. */
static bool feed(struct peer *peer, struct sw_slice bytes)
{
    static const struct sw_ws_limits limits = {.bytes = MAX_BYTES, .fragments = 64};
    struct sw_ws_piece piece;
    bool more = true;
    enum sw_ws_read read = SW_WS_PIECE;
    if (!peer->rx) {
        peer->rx = sw_ws_rx_take(peer->codec);
    }
    sw_ws_rx_feed(peer->rx, bytes);
    while (more && read == SW_WS_PIECE) {
        read = sw_ws_rx_read(peer->rx, &piece);
        if (read == SW_WS_BROKEN) {
            sw_buf_printf(peer->log, "fault protocol ");
            more = false;
        } else if (read == SW_WS_PIECE) {
            more = note_event(peer, sw_ws_message_take(&peer->message, &piece, &limits));
            FUZZ_CHECK(peer->message.collected.size <= 2 * MAX_BYTES); /* as compressed */
        }
    }
    if (!more || sw_ws_rx_clean(peer->rx)) {
        sw_ws_rx_give(peer->codec, peer->rx);
        peer->rx = NULL;
    }
    return more;
}

/* `deflate` is NULL where it was not agreed upon. */
static void read_with(struct sw_ws_deflate *deflate, struct sw_slice stream, size_t first,
                      size_t step, struct sw_buf *log)
{
    struct peer peer = {.codec = sw_ws_codec_create(), .message = {.deflate = deflate}, .log = log};
    bool more = true;
    for (size_t at = 0, size = first; more && at < stream.size; at += size, size = step) {
        size = size < stream.size - at ? size : stream.size - at;
        char *piece = fuzz_copy(sw_slice(stream.data + at, size));
        more = feed(&peer, sw_slice(piece, size));
        free(piece);
    }
    if (peer.rx) {
        sw_ws_rx_give(peer.codec, peer.rx);
    }
    sw_ws_message_deinit(&peer.message);
    sw_ws_codec_destroy(&peer.codec);
}

static void read_plain(struct sw_slice stream, size_t first, size_t step, struct sw_buf *log)
{
    read_with(NULL, stream, first, step, log);
}

static void read_packed(struct sw_slice stream, size_t first, size_t step, struct sw_buf *log)
{
    struct sw_ws_deflate *deflate = sw_ws_deflate_create();
    read_with(deflate, stream, first, step, log);
    sw_ws_deflate_destroy(&deflate);
}

/* What is written is read as it was, by a codec that does not ask for a mask. */
static void check_frame(struct sw_ws_codec *codec, struct sw_slice frame, enum sw_ws_opcode opcode,
                        uint8_t rsv, struct sw_slice payload)
{
    char *copy = fuzz_copy(frame);
    struct sw_ws_rx *rx = sw_ws_rx_take(codec);
    struct sw_ws_piece piece;
    struct sw_buf seen = {0};
    FUZZ_CHECK(frame.size == sw_ws_head_size(payload.size) + payload.size);
    FUZZ_CHECK(sw_slice_equal(sw_ws_frame_payload(frame), payload));
    sw_ws_rx_feed(rx, sw_slice(copy, frame.size));
    do {
        FUZZ_CHECK(sw_ws_rx_read(rx, &piece) == SW_WS_PIECE);
        FUZZ_CHECK(piece.fin && !piece.masked && piece.opcode == opcode && piece.rsv == rsv);
        sw_buf_append_slice(&seen, piece.data);
    } while (!piece.last);
    FUZZ_CHECK(sw_slice_equal(sw_buf_slice(&seen), payload));
    FUZZ_CHECK(sw_ws_rx_rest(rx).size == 0 && sw_ws_rx_clean(rx));
    sw_ws_rx_give(codec, rx);
    sw_buf_deinit(&seen);
    free(copy);
}

/* A message as its readers get it: words of ours around it, or it alone, as text where it is some.
 */
static void check_framing(struct sw_ws_codec *codec, struct sw_framing framing,
                          struct sw_slice payload, enum sw_ws_opcode opcode)
{
    struct sw_message *message = sw_message_create(SW_SLICE("t"), sw_slice(NULL, 0), payload, 0, 0);
    struct sw_push push = {.kind = SW_PUSH_MESSAGE, .message = message};
    struct sw_buf out = {0};
    size_t size = framing.head_size(payload.size) + payload.size;
    char *at = framing.write_head(framing.context, &push, payload.size, sw_buf_reserve(&out, size));
    out.size = (size_t)(at - out.data);
    sw_buf_append_slice(&out, payload);
    check_frame(codec, sw_buf_slice(&out), opcode, 0, payload);
    sw_message_unref(message);
    sw_buf_deinit(&out);
}

static void check_writing(struct sw_slice payload)
{
    struct sw_ws_codec *codec = sw_ws_codec_create();
    struct sw_buf out = {0};
    bool text = sw_utf8_valid(payload.data, payload.size);
    sw_ws_append(codec, &out, SW_WS_TEXT, payload);
    check_frame(codec, sw_buf_slice(&out), SW_WS_TEXT, 0, payload);
    sw_buf_clear(&out);
    sw_ws_append_deflated(codec, &out, SW_WS_BINARY, payload);
    check_frame(codec, sw_buf_slice(&out), SW_WS_BINARY, SW_WS_RSV1, payload);
    char head[10]; /* the longest without a mask */
    FUZZ_CHECK((size_t)(sw_ws_write_deflated_head(codec, payload.size, head) - head) ==
               sw_ws_head_size(payload.size));
    check_framing(codec, sw_ws_framing(codec), payload, SW_WS_TEXT);
    check_framing(codec, sw_ws_raw_framing(codec), payload, text ? SW_WS_TEXT : SW_WS_BINARY);
    sw_buf_deinit(&out);
    sw_ws_codec_destroy(&codec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_cut_everywhere(read_plain, fuzz_input(data, size));
    fuzz_cut_everywhere(read_packed, fuzz_input(data, size));
    check_writing(fuzz_input(data, size));
    return 0;
}
