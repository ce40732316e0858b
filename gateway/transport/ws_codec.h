// SPDX-License-Identifier: Apache-2.0
/* Frames of RFC 6455, by wslay's frame API: heads out, frames in. The only place that knows wslay.
 *
 * wslay's struct is 4.3 KB and has no reset, so a context is lent: a connection keeps one only
 * while a frame is incomplete. Cleanliness is proved by counting: bytes handed to wslay == bytes of
 * complete frames. One codec per worker; everything on its loop. */
#ifndef SW_TRANSPORT_WS_CODEC_H
#define SW_TRANSPORT_WS_CODEC_H

#include "core/encoding.h"
#include "transport/ws_deflate.h"

enum sw_ws_opcode {
    SW_WS_CONTINUATION = 0,
    SW_WS_TEXT = 1,
    SW_WS_BINARY = 2,
    SW_WS_CLOSE = 8,
    SW_WS_PING = 9,
    SW_WS_PONG = 10,
};

/* The reserved bit of a message that is compressed, among the three of a head. */
#define SW_WS_RSV1 4

/* What arrived of a frame. `first` and `last` say whether its head and its end are in this piece.
 */
struct sw_ws_piece {
    bool first;
    bool last;
    bool fin;
    bool masked;
    uint8_t rsv;
    uint8_t opcode;
    uint64_t frame_size;  /* payload, as announced */
    struct sw_slice data; /* unmasked; valid until the next piece is read */
};

struct sw_ws_codec;
struct sw_ws_rx;

/* What an rx costs, wslay's context with it. */
#define SW_WS_RX_BYTES 4352

struct sw_ws_codec *sw_ws_codec_create(void);
void sw_ws_codec_destroy(struct sw_ws_codec **codec);
/* The framing of text frames for tapes, with the codec as its context. */
struct sw_framing sw_ws_framing(struct sw_ws_codec *codec);
/* The head of a text frame for so many bytes, as a framing writes it; and of one whose payload is
 * compressed. */
char *sw_ws_write_text_head(void *codec, const struct sw_push *push, size_t size, char *out);
char *sw_ws_write_deflated_head(struct sw_ws_codec *codec, size_t size, char *out);
/* The same for payloads alone: text or binary, as the payload was judged; what is no message is a
 * frame without words, which no client shows. */
struct sw_framing sw_ws_raw_framing(struct sw_ws_codec *codec);
/* Appends a whole unfragmented, unmasked frame. */
void sw_ws_append(struct sw_ws_codec *codec, struct sw_buf *out, enum sw_ws_opcode opcode,
                  struct sw_slice payload);
/* The same, of a message whose `payload` is compressed. */
void sw_ws_append_deflated(struct sw_ws_codec *codec, struct sw_buf *out, enum sw_ws_opcode opcode,
                           struct sw_slice payload);
/* Of an unmasked frame with a payload of so many bytes; and the payload of such a frame. */
size_t sw_ws_head_size(size_t size);
struct sw_slice sw_ws_frame_payload(struct sw_slice frame);
/* What compresses for all on this loop; the codec's. */
struct sw_ws_deflate *sw_ws_codec_deflate(const struct sw_ws_codec *codec);

enum sw_ws_read {
    SW_WS_PIECE,
    SW_WS_MORE,   /* nothing complete is left in what was fed */
    SW_WS_BROKEN, /* no valid frame; the rx is of no use any more */
};

/* Borrows an rx from the pool. */
struct sw_ws_rx *sw_ws_rx_take(struct sw_ws_codec *codec);
/* Gives it back; one that is broken or holds half a frame is freed. */
void sw_ws_rx_give(struct sw_ws_codec *codec, struct sw_ws_rx *rx);
/* What sw_ws_rx_read reads next; all of it is taken before the call that answers SW_WS_MORE. */
void sw_ws_rx_feed(struct sw_ws_rx *rx, struct sw_slice bytes);
enum sw_ws_read sw_ws_rx_read(struct sw_ws_rx *rx, struct sw_ws_piece *piece);
/* What was fed and not taken, for a caller who stops before SW_WS_MORE and feeds it again later;
 * the rx forgets it, and goes on from where it is. */
struct sw_slice sw_ws_rx_rest(struct sw_ws_rx *rx);
/* Between two frames: nothing hidden is left in it. */
bool sw_ws_rx_clean(const struct sw_ws_rx *rx);

#endif
