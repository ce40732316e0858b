// SPDX-License-Identifier: Apache-2.0
#include "transport/ws_message.h"

#include <string.h>

static enum sw_ws_event fault(struct sw_ws_message *message, enum sw_reason reason)
{
    message->reason = reason;
    return SW_WS_FAULT;
}

/* RSV1 stands on the first frame of a compressed message alone (RFC 7692, section 6). */
static bool rsv_valid(const struct sw_ws_message *message, const struct sw_ws_piece *piece)
{
    bool first = piece->opcode == SW_WS_TEXT || piece->opcode == SW_WS_BINARY;
    return piece->rsv == 0 || (piece->rsv == SW_WS_RSV1 && first && message->deflate);
}

/* As compressed, a message may be a little longer than it is. */
static size_t most_collected(const struct sw_ws_message *message, size_t max_bytes)
{
    return message->compressed ? max_bytes + max_bytes / 8 + 64 : max_bytes;
}

/* What a frame's head alone decides. */
static enum sw_ws_event check_head(struct sw_ws_message *message, const struct sw_ws_piece *piece,
                                   const struct sw_ws_limits *limits)
{
    if (!piece->masked || !rsv_valid(message, piece)) {
        return fault(message, SW_REASON_PROTOCOL);
    }
    switch (piece->opcode) {
    case SW_WS_CLOSE:
    case SW_WS_PING:
    case SW_WS_PONG:
        message->control_size = 0;
        return piece->fin && piece->frame_size <= SW_WS_CONTROL_BYTES
                   ? SW_WS_NOTHING
                   : fault(message, SW_REASON_PROTOCOL);
    case SW_WS_TEXT:
    case SW_WS_BINARY:
        if (message->under_way) {
            return fault(message, SW_REASON_PROTOCOL);
        }
        message->under_way = true;
        message->text = piece->opcode == SW_WS_TEXT;
        message->compressed = piece->rsv == SW_WS_RSV1;
        message->utf8 = 0;
        message->fragments = 0;
        break;
    case SW_WS_CONTINUATION:
        if (!message->under_way) {
            return fault(message, SW_REASON_PROTOCOL);
        }
        break;
    default:
        return fault(message, SW_REASON_PROTOCOL);
    }
    if (++message->fragments > limits->fragments) {
        return fault(message, SW_REASON_FRAGMENTS);
    }
    size_t most = most_collected(message, limits->bytes);
    if (piece->frame_size > most || message->collected.size > most - (size_t)piece->frame_size) {
        return fault(message, SW_REASON_TOO_BIG);
    }
    return SW_WS_NOTHING;
}

/* RFC 6455 section 7.4 and the registry: those that may stand on the wire. */
static bool close_code_valid(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static enum sw_ws_event take_close(struct sw_ws_message *message)
{
    struct sw_slice body = message->payload;
    message->code = 0;
    if (body.size == 0) {
        return SW_WS_CLOSED;
    }
    if (body.size == 1) {
        return fault(message, SW_REASON_PROTOCOL);
    }
    message->code = (uint16_t)((uint8_t)body.data[0] << 8 | (uint8_t)body.data[1]);
    if (!close_code_valid(message->code)) {
        return fault(message, SW_REASON_PROTOCOL);
    }
    if (!sw_utf8_valid(body.data + 2, body.size - 2)) {
        return fault(message, SW_REASON_UTF8);
    }
    return SW_WS_CLOSED;
}

static enum sw_ws_event take_control(struct sw_ws_message *message, const struct sw_ws_piece *piece)
{
    memcpy(message->control + message->control_size, piece->data.data, piece->data.size);
    message->control_size = (uint8_t)(message->control_size + piece->data.size);
    if (!piece->last) {
        return SW_WS_NOTHING;
    }
    message->payload = sw_slice(message->control, message->control_size);
    message->control_size = 0;
    switch (piece->opcode) {
    case SW_WS_PING:
        return SW_WS_PINGED;
    case SW_WS_PONG:
        return SW_WS_PONGED;
    default:
        return take_close(message);
    }
}

/* A compressed message is whole: the payload becomes what it was. */
static enum sw_ws_event inflate_payload(struct sw_ws_message *message, size_t max_bytes)
{
    switch (sw_ws_inflate(message->deflate, message->payload, max_bytes, &message->payload)) {
    case SW_WS_INFLATED:
        break;
    case SW_WS_INFLATE_TOO_BIG:
        return fault(message, SW_REASON_TOO_BIG);
    case SW_WS_INFLATE_BAD:
        return fault(message, SW_REASON_DEFLATE);
    }
    if (message->text && !sw_utf8_valid(message->payload.data, message->payload.size)) {
        return fault(message, SW_REASON_UTF8);
    }
    return SW_WS_MESSAGE;
}

static enum sw_ws_event take_data(struct sw_ws_message *message, const struct sw_ws_piece *piece,
                                  size_t max_bytes)
{
    bool end = piece->last && piece->fin;
    if (message->text && !message->compressed &&
        (!sw_utf8_feed(&message->utf8, piece->data.data, piece->data.size) ||
         (end && message->utf8 != 0))) {
        return fault(message, SW_REASON_UTF8);
    }
    if (end && message->collected.size == 0) {
        message->payload = piece->data;
    } else {
        sw_buf_append_slice(&message->collected, piece->data);
        message->payload = sw_buf_slice(&message->collected);
    }
    if (!end) {
        return SW_WS_NOTHING;
    }
    message->under_way = false;
    return message->compressed ? inflate_payload(message, max_bytes) : SW_WS_MESSAGE;
}

enum sw_ws_event sw_ws_message_take(struct sw_ws_message *message, const struct sw_ws_piece *piece,
                                    const struct sw_ws_limits *limits)
{
    if (!message->under_way) {
        sw_buf_clear(&message->collected);
    }
    if (piece->first) {
        enum sw_ws_event event = check_head(message, piece, limits);
        if (event != SW_WS_NOTHING) {
            return event;
        }
    }
    return piece->opcode >= SW_WS_CLOSE ? take_control(message, piece)
                                        : take_data(message, piece, limits->bytes);
}

bool sw_ws_message_clean(const struct sw_ws_message *message)
{
    return !message->under_way && message->control_size == 0;
}

void sw_ws_message_deinit(struct sw_ws_message *message)
{
    sw_buf_deinit(&message->collected);
}
