// SPDX-License-Identifier: Apache-2.0
/* Messages out of frames (RFC 6455 sections 5.4 to 5.6 and 7.4, RFC 7692 section 6.2): masks,
 * reserved bits, opcodes, the order of fragments, UTF-8 that fails as soon as it can, sizes counted
 * by what has arrived and by what comes out of it, close codes. Sans-I/O.
 *
 * A message in one frame and one piece is handed on where it lies; only fragments and long frames
 * are collected, in a buffer that grows by what came and never by what was announced. */
#ifndef SW_TRANSPORT_WS_MESSAGE_H
#define SW_TRANSPORT_WS_MESSAGE_H

#include "common/utf8.h"
#include "core/reasons.h"
#include "transport/ws_codec.h"

#define SW_WS_CONTROL_BYTES 125

/* What a piece came to. */
enum sw_ws_event {
    SW_WS_NOTHING, /* read on */
    SW_WS_MESSAGE, /* `payload`, `text` */
    SW_WS_PINGED,  /* `payload` */
    SW_WS_PONGED,
    SW_WS_CLOSED, /* `code`, 0 where the frame had none; what follows is not read */
    SW_WS_FAULT,  /* `reason` */
};

struct sw_ws_message {
    struct sw_ws_deflate *deflate; /* borrowed; NULL: messages may not be compressed */
    /* a message under way */
    bool under_way;
    bool text;
    bool compressed;
    sw_utf8_state utf8;
    uint32_t fragments;
    struct sw_buf collected;
    /* a control frame under way */
    uint8_t control_size;
    char control[SW_WS_CONTROL_BYTES];
    /* what the last event is about; borrowed until the next piece */
    struct sw_slice payload;
    uint16_t code;
    enum sw_reason reason;
};

/* Of one message; `bytes` as it is without compression. */
struct sw_ws_limits {
    size_t bytes;
    uint32_t fragments;
};

/* {0} is a fresh one, or one with `deflate`. */
enum sw_ws_event sw_ws_message_take(struct sw_ws_message *message, const struct sw_ws_piece *piece,
                                    const struct sw_ws_limits *limits);
/* Nothing is under way. */
bool sw_ws_message_clean(const struct sw_ws_message *message);
void sw_ws_message_deinit(struct sw_ws_message *message);

#endif
