// SPDX-License-Identifier: Apache-2.0
#include "core/message.h"

#include "common/assert.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "core/limits.h"

#include <string.h>

static enum sw_payload judge(struct sw_slice payload, size_t *breaks)
{
    switch (sw_json_validate(payload.data, payload.size, SW_PAYLOAD_DEPTH, breaks)) {
    case SW_JSON_OK:
        return SW_PAYLOAD_JSON;
    case SW_JSON_INVALID:
    case SW_JSON_TOO_DEEP:
        break;
    }
    return sw_utf8_valid(payload.data, payload.size) ? SW_PAYLOAD_TEXT : SW_PAYLOAD_BINARY;
}

static char *put(char *out, struct sw_slice slice)
{
    if (slice.size > 0) {
        memcpy(out, slice.data, slice.size);
    }
    return out + slice.size;
}

struct sw_message *sw_message_create(struct sw_slice topic, struct sw_slice key,
                                     struct sw_slice payload, uint64_t time_ms, uint64_t arrived_ns)
{
    struct sw_message *message;
    size_t breaks = 0;
    enum sw_payload kind = judge(payload, &breaks);
    SW_ASSERT(topic.size <= SW_TOPIC_BYTES && key.size <= SW_KEY_BYTES);
    SW_ASSERT(payload.size <= UINT32_MAX / 2);
    message = sw_alloc(sizeof(*message) + topic.size + key.size + payload.size);
    *message = (struct sw_message){
        .refs = 1,
        .payload = (uint8_t)kind,
        .key_size = (uint8_t)key.size,
        .topic_size = (uint8_t)topic.size,
        .breaks = kind == SW_PAYLOAD_JSON && breaks > 0,
        .size = (uint32_t)payload.size,
        .arrived_ns = arrived_ns,
        .time_ms = time_ms,
    };
    put(put(put(message->bytes, topic), key), payload);
    return message;
}

void sw_message_ref(struct sw_message *message)
{
    SW_ASSERT(message->refs > 0 && message->refs < UINT32_MAX);
    message->refs++;
}

void sw_message_unref(struct sw_message *message)
{
    SW_ASSERT(message->refs > 0);
    if (--message->refs == 0) {
        sw_free(message);
    }
}
