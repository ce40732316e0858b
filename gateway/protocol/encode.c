// SPDX-License-Identifier: Apache-2.0
#include "protocol/encode.h"

#include "common/assert.h"
#include "common/base64.h"
#include "common/json.h"

#include <stdio.h>
#include <string.h>

/* ---- pushes: sized exactly first, then written into the tape's block ---- */

#define MSG_HEAD             "{\"type\":\"msg\",\"topic\":\""
#define MSG_SUB              "\",\"sub\":\""
#define MSG_KEY              "\",\"key\":\""
#define MSG_OFFSET           ",\"offset\":"
#define MSG_TS               ",\"ts\":"
#define MSG_DATA             ",\"data\":"
#define MSG_TEXT             ",\"text\":\""
#define MSG_B64              ",\"b64\":\""
#define DROPPED_TOPIC        "{\"type\":\"dropped\",\"topic\":\""
#define DROPPED_SUB          "{\"type\":\"dropped\",\"sub\":\""
#define DROPPED_COUNT        "\",\"count\":"
#define DROPPED_COUNT_REASON ",\"reason\":\""
#define DROPPED_REASON       "\",\"reason\":\""
#define DROPPED_EPOCH        ",\"epoch\":\""
#define DROPPED_FROM         "\",\"from\":"
#define DROPPED_TO           ",\"to\":"
#define TURN_EPOCH           "{\"type\":\"epoch\",\"topic\":\""
#define TURN_RESET           "{\"type\":\"reset\",\"topic\":\""
#define TURN_NAME            "\",\"epoch\":\""
#define TURN_OFFSET          "\",\"offset\":"

#define LENGTH(literal) (sizeof(literal) - 1)

static size_t digits(uint64_t number)
{
    size_t n = 1;
    while (number >= 10) {
        number /= 10;
        n++;
    }
    return n;
}

static char *put(char *out, const char *text, size_t size)
{
    memcpy(out, text, size);
    return out + size;
}

#define PUT(out, literal) put(out, literal, LENGTH(literal))

static char *put_slice(char *out, struct sw_slice text)
{
    return put(out, text.data, text.size);
}

static char *put_number(char *out, uint64_t number)
{
    size_t n = digits(number);
    for (size_t i = n; i > 0; i--) {
        out[i - 1] = (char)('0' + number % 10);
        number /= 10;
    }
    return out + n;
}

/* With the brace that ends the object. */
static size_t payload_size(const struct sw_message *message)
{
    struct sw_slice payload = sw_message_payload(message);
    switch ((enum sw_payload)message->payload) {
    case SW_PAYLOAD_JSON:
        return LENGTH(MSG_DATA) + payload.size + 1;
    case SW_PAYLOAD_TEXT:
        return LENGTH(MSG_TEXT) + sw_json_escaped_size(payload) + 2;
    case SW_PAYLOAD_BINARY:
        return LENGTH(MSG_B64) + sw_base64_size(payload.size) + 2;
    }
    SW_UNREACHABLE();
}

static size_t message_size(const struct sw_push *push)
{
    const struct sw_message *message = push->message;
    size_t size = LENGTH(MSG_HEAD) + sw_json_escaped_size(sw_message_topic(message)) + 1;
    if (push->pattern) {
        size += LENGTH(MSG_SUB) + sw_json_escaped_size(push->name);
    }
    if (message->key_size) {
        size += LENGTH(MSG_KEY) + sw_json_escaped_size(sw_message_key(message));
    }
    if (push->offset) {
        size += LENGTH(MSG_OFFSET) + digits(push->offset);
    }
    if (message->time_ms) {
        size += LENGTH(MSG_TS) + digits(message->time_ms);
    }
    return size + payload_size(message);
}

static char *write_payload(const struct sw_message *message, char *out)
{
    struct sw_slice payload = sw_message_payload(message);
    switch ((enum sw_payload)message->payload) {
    case SW_PAYLOAD_JSON:
        out = put(PUT(out, MSG_DATA), payload.data, payload.size);
        if (message->breaks) {
            sw_json_flatten(out - payload.size, payload.size);
        }
        return PUT(out, "}");
    case SW_PAYLOAD_TEXT:
        out = PUT(out, MSG_TEXT);
        out = sw_json_escape(out, payload);
        return PUT(out, "\"}");
    case SW_PAYLOAD_BINARY:
        out = PUT(out, MSG_B64);
        out = sw_base64_encode(out, payload.data, payload.size);
        return PUT(out, "\"}");
    }
    SW_UNREACHABLE();
}

static char *write_message(const struct sw_push *push, char *out)
{
    const struct sw_message *message = push->message;
    out = PUT(out, MSG_HEAD);
    out = sw_json_escape(out, sw_message_topic(message));
    if (push->pattern) {
        out = PUT(out, MSG_SUB);
        out = sw_json_escape(out, push->name);
    }
    if (message->key_size) {
        out = PUT(out, MSG_KEY);
        out = sw_json_escape(out, sw_message_key(message));
    }
    out = PUT(out, "\"");
    if (push->offset) {
        out = PUT(out, MSG_OFFSET);
        out = put_number(out, push->offset);
    }
    if (message->time_ms) {
        out = PUT(out, MSG_TS);
        out = put_number(out, message->time_ms);
    }
    return write_payload(message, out);
}

static size_t dropped_size(const struct sw_push *push)
{
    size_t size = push->pattern ? LENGTH(DROPPED_SUB) : LENGTH(DROPPED_TOPIC);
    size += sw_json_escaped_size(push->name) + strlen(sw_shed_word(push->reason));
    if (push->count) {
        size += LENGTH(DROPPED_COUNT) + digits(push->count) + LENGTH(DROPPED_COUNT_REASON);
    } else {
        size += LENGTH(DROPPED_REASON);
    }
    if (push->from) {
        size += LENGTH(DROPPED_EPOCH) + sw_epoch_text(&push->epoch).size + LENGTH(DROPPED_FROM) +
                digits(push->from) + LENGTH(DROPPED_TO) + digits(push->to);
    }
    return size + LENGTH("\"}");
}

static char *write_dropped(const struct sw_push *push, char *out)
{
    const char *reason = sw_shed_word(push->reason);
    out = push->pattern ? PUT(out, DROPPED_SUB) : PUT(out, DROPPED_TOPIC);
    out = sw_json_escape(out, push->name);
    if (push->count) {
        out = PUT(out, DROPPED_COUNT);
        out = put_number(out, push->count);
        out = PUT(out, DROPPED_COUNT_REASON);
    } else {
        out = PUT(out, DROPPED_REASON);
    }
    out = put(out, reason, strlen(reason));
    out = PUT(out, "\"");
    if (push->from) {
        out = PUT(out, DROPPED_EPOCH);
        out = put_slice(out, sw_epoch_text(&push->epoch));
        out = PUT(out, DROPPED_FROM);
        out = put_number(out, push->from);
        out = PUT(out, DROPPED_TO);
        out = put_number(out, push->to);
    }
    return PUT(out, "}");
}

/* `head`: TURN_EPOCH or TURN_RESET, the stream under a new name. */
static size_t turn_size(const struct sw_push *push, size_t head)
{
    return head + sw_json_escaped_size(push->name) + LENGTH(TURN_NAME) +
           sw_epoch_text(&push->epoch).size + LENGTH(TURN_OFFSET) + digits(push->offset) + 1;
}

/* Behind its head. */
static char *write_turn(const struct sw_push *push, char *out)
{
    out = sw_json_escape(out, push->name);
    out = PUT(out, TURN_NAME);
    out = put_slice(out, sw_epoch_text(&push->epoch));
    out = PUT(out, TURN_OFFSET);
    out = put_number(out, push->offset);
    return PUT(out, "}");
}

static size_t native_size(const struct sw_push *push)
{
    switch (push->kind) {
    case SW_PUSH_MESSAGE:
        return message_size(push);
    case SW_PUSH_DROPPED:
        return dropped_size(push);
    case SW_PUSH_EPOCH:
        return turn_size(push, LENGTH(TURN_EPOCH));
    case SW_PUSH_RESET:
        return turn_size(push, LENGTH(TURN_RESET));
    }
    SW_UNREACHABLE();
}

static char *native_write(const struct sw_push *push, char *out)
{
    switch (push->kind) {
    case SW_PUSH_MESSAGE:
        return write_message(push, out);
    case SW_PUSH_DROPPED:
        return write_dropped(push, out);
    case SW_PUSH_EPOCH:
        return write_turn(push, PUT(out, TURN_EPOCH));
    case SW_PUSH_RESET:
        return write_turn(push, PUT(out, TURN_RESET));
    }
    SW_UNREACHABLE();
}

/* The end of a string whose first byte is at `at`: its closing quote. */
static const char *string_end(const char *at)
{
    while (*at != '"') {
        at += *at == '\\' ? 2 : 1;
    }
    return at;
}

/* Topic, pattern and key stand one behind another, and before the offset, as written by
 * write_message; with the quote that closes them. */
static struct sw_slice native_identity(struct sw_slice text)
{
    const char *limit = text.data + text.size;
    const char *begin = text.data + LENGTH(MSG_HEAD);
    const char *end = string_end(begin);
    if (sw_slice_starts_with(sw_slice(end, (size_t)(limit - end)), SW_SLICE(MSG_SUB))) {
        end = string_end(end + LENGTH(MSG_SUB));
    }
    if (sw_slice_starts_with(sw_slice(end, (size_t)(limit - end)), SW_SLICE(MSG_KEY))) {
        end = string_end(end + LENGTH(MSG_KEY));
    }
    return sw_slice(begin, (size_t)(end + 1 - begin));
}

const struct sw_language sw_native_language = {.name = "spillway.v1.json",
                                               .size = native_size,
                                               .write = native_write,
                                               .identity = native_identity};

/* ---- the control lane ---- */

static void append_id(struct sw_buf *out, uint64_t id)
{
    if (id) {
        sw_buf_printf(out, ",\"id\":%llu", (unsigned long long)id);
    }
}

static void append_position(struct sw_buf *out, const struct sw_position *position)
{
    sw_buf_append_byte(out, ',');
    sw_position_write_members(out, position);
}

void sw_encode_welcome(struct sw_buf *out, const struct sw_welcome *welcome)
{
    sw_buf_append_slice(out, SW_SLICE("{\"type\":\"welcome\""));
    append_id(out, welcome->id);
    sw_buf_append_slice(out, SW_SLICE(",\"session\":"));
    sw_json_append_string(out, welcome->session);
    sw_buf_append_slice(out, SW_SLICE(",\"node\":"));
    sw_json_append_string(out, welcome->node);
    sw_buf_printf(out, ",\"heartbeat_ms\":%llu", (unsigned long long)welcome->heartbeat_ms);
    if (welcome->tokens) {
        sw_buf_printf(out, ",\"expires_in\":%llu", (unsigned long long)welcome->expires_in);
    }
    sw_buf_printf(out,
                  ",\"limits\":{\"frame\":%llu,\"topics\":%llu},\"features\":[\"patterns\"%s%s%s]}",
                  (unsigned long long)welcome->frame_limit,
                  (unsigned long long)welcome->topics_limit, welcome->history ? ",\"history\"" : "",
                  welcome->publish ? ",\"publish\"" : "", welcome->tokens ? ",\"refresh\"" : "");
}

void sw_encode_subscribed_begin(struct sw_buf *out, uint64_t id, bool done)
{
    sw_buf_append_slice(out, SW_SLICE("{\"type\":\"subscribed\""));
    append_id(out, id);
    sw_buf_append_slice(out,
                        done ? SW_SLICE(",\"done\":true,\"subs\":[") : SW_SLICE(",\"subs\":["));
}

static void begin_entry(struct sw_buf *entries, struct sw_slice topic)
{
    if (entries->size) {
        sw_buf_append_byte(entries, ',');
    }
    sw_buf_append_slice(entries, SW_SLICE("{\"topic\":"));
    sw_json_append_string(entries, topic);
}

void sw_encode_subscribed_start(struct sw_buf *entries, struct sw_slice topic,
                                const struct sw_subscribed *subscribed)
{
    begin_entry(entries, topic);
    if (subscribed->positioned) {
        append_position(entries, &subscribed->position);
    } else {
        sw_buf_append_slice(entries, SW_SLICE(",\"recoverable\":false"));
    }
    if (subscribed->has_from && !subscribed->resumed) {
        sw_buf_printf(entries, ",\"resumed\":false,\"why\":\"%s\"", subscribed->why);
    } else if (subscribed->has_from) {
        sw_buf_printf(entries, ",\"resumed\":true,\"replay\":%u", subscribed->replay);
    } else if (subscribed->has_last) {
        sw_buf_printf(entries, ",\"replay\":%u", subscribed->replay);
    }
    sw_buf_append_byte(entries, '}');
}

void sw_encode_subscribed_error(struct sw_buf *entries, struct sw_slice topic, enum sw_error error,
                                const char *message, uint64_t retry_ms)
{
    begin_entry(entries, topic);
    sw_buf_append_slice(entries, SW_SLICE(",\"error\":"));
    sw_encode_error_object(entries, &(struct sw_encode_error){
                                        .error = error, .message = message, .retry_ms = retry_ms});
    sw_buf_append_byte(entries, '}');
}

void sw_encode_subscribed_end(struct sw_buf *out, struct sw_slice entries)
{
    sw_buf_append_slice(out, entries);
    sw_buf_append_slice(out, SW_SLICE("]}"));
}

void sw_encode_unsubscribed_begin(struct sw_buf *out, uint64_t id)
{
    sw_buf_append_slice(out, SW_SLICE("{\"type\":\"unsubscribed\""));
    append_id(out, id);
    sw_buf_append_slice(out, SW_SLICE(",\"topics\":["));
}

void sw_encode_unsubscribed_topic(struct sw_buf *out, struct sw_slice topic, bool first)
{
    if (!first) {
        sw_buf_append_byte(out, ',');
    }
    sw_json_append_string(out, topic);
}

void sw_encode_unsubscribed_end(struct sw_buf *out)
{
    sw_buf_append_slice(out, SW_SLICE("]}"));
}

void sw_encode_ended(struct sw_buf *out, struct sw_slice topic, enum sw_error error)
{
    const struct sw_error_row *row = sw_error_row(error);
    sw_buf_append_slice(out, SW_SLICE("{\"type\":\"unsubscribed\",\"topics\":["));
    sw_json_append_string(out, topic);
    sw_buf_printf(out, "],\"reason\":\"%s\",\"retry\":%s}", row->code,
                  row->retry ? "true" : "false");
}

void sw_encode_revoked_end(struct sw_buf *out)
{
    sw_buf_append_slice(out, SW_SLICE("],\"reason\":\"revoked\",\"retry\":false}"));
}

void sw_encode_refreshed(struct sw_buf *out, uint64_t id, uint64_t expires_in)
{
    sw_buf_append_slice(out, SW_SLICE("{\"type\":\"refreshed\""));
    append_id(out, id);
    sw_buf_printf(out, ",\"expires_in\":%llu}", (unsigned long long)expires_in);
}

void sw_encode_expiring(struct sw_buf *out, uint64_t in_ms)
{
    sw_buf_printf(out, "{\"type\":\"expiring\",\"in_ms\":%llu}", (unsigned long long)in_ms);
}

void sw_encode_kept(struct sw_buf *out, const struct sw_message *message, uint64_t offset)
{
    sw_buf_printf(out, "{\"offset\":%llu", (unsigned long long)offset);
    if (message->key_size) {
        sw_buf_append_slice(out, SW_SLICE(",\"key\":"));
        sw_json_append_string(out, sw_message_key(message));
    }
    if (message->time_ms) {
        sw_buf_printf(out, MSG_TS "%llu", (unsigned long long)message->time_ms);
    }
    size_t size = payload_size(message);
    write_payload(message, sw_buf_reserve(out, size));
    out->size += size;
}

void sw_encode_published(struct sw_buf *out, uint64_t id, const struct sw_position *position)
{
    sw_buf_append_slice(out, SW_SLICE("{\"type\":\"published\""));
    append_id(out, id);
    if (position->offset) {
        append_position(out, position);
    }
    sw_buf_append_byte(out, '}');
}

void sw_encode_pong(struct sw_buf *out, uint64_t id)
{
    sw_buf_append_slice(out, SW_SLICE("{\"type\":\"pong\""));
    append_id(out, id);
    sw_buf_append_byte(out, '}');
}

void sw_encode_hb(struct sw_buf *out)
{
    sw_buf_append_slice(out, SW_SLICE("{\"type\":\"hb\"}"));
}

void sw_encode_feed(struct sw_buf *out, bool stale, uint64_t since_ms, bool gap)
{
    if (stale) {
        sw_buf_printf(out, "{\"type\":\"feed\",\"state\":\"stale\",\"since_ms\":%llu}",
                      (unsigned long long)since_ms);
    } else {
        sw_buf_printf(out, "{\"type\":\"feed\",\"state\":\"live\",\"gap\":%s}",
                      gap ? "true" : "false");
    }
}

void sw_encode_drain(struct sw_buf *out, uint64_t from_ms, uint64_t to_ms, uint64_t close_ms)
{
    sw_buf_printf(out,
                  "{\"type\":\"drain\",\"reason\":\"shutdown\",\"reconnect_ms\":[%llu,%llu],"
                  "\"close_ms\":%llu}",
                  (unsigned long long)from_ms, (unsigned long long)to_ms,
                  (unsigned long long)close_ms);
}

/* PROTOCOL.md, section 5. */
static bool may_return(unsigned code)
{
    bool fault = code == 1002 || code == 1003 || (code >= 1007 && code <= 1009);
    return !fault && (code < 4500 || code > 4999);
}

void sw_encode_closed(struct sw_buf *out, unsigned code, struct sw_slice words)
{
    sw_buf_printf(out, "{\"type\":\"closed\",\"code\":%u,\"reason\":", code);
    sw_json_append_string(out, words);
    sw_buf_append_slice(out, may_return(code) ? SW_SLICE(",\"retry\":true}")
                                              : SW_SLICE(",\"retry\":false}"));
}

void sw_encode_error_object(struct sw_buf *out, const struct sw_encode_error *error)
{
    const struct sw_error_row *row = sw_error_row(error->error);
    const char *message = error->message ? error->message : row->message;
    sw_buf_printf(out, "{\"code\":\"%s\",\"message\":", row->code);
    sw_json_append_string(out, sw_slice_of(message));
    sw_buf_printf(out, ",\"retry\":%s", row->retry ? "true" : "false");
    if (error->retry_ms) {
        sw_buf_printf(out, ",\"retry_ms\":%llu", (unsigned long long)error->retry_ms);
    }
    if (error->outcome_unknown) {
        sw_buf_append_slice(out, SW_SLICE(",\"outcome\":\"unknown\""));
    }
    sw_buf_append_byte(out, '}');
}

void sw_encode_error(struct sw_buf *out, const struct sw_encode_error *error)
{
    sw_buf_append_slice(out, SW_SLICE("{\"type\":\"error\""));
    append_id(out, error->id);
    sw_buf_append_slice(out, SW_SLICE(",\"error\":"));
    sw_encode_error_object(out, error);
    sw_buf_append_byte(out, '}');
}
