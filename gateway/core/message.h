// SPDX-License-Identifier: Apache-2.0
/* A message: one payload as it came from the bus, once per node. The bus owns it and counts its
 * references in a plain integer; workers borrow it inside a batch and hand the batch back.
 * Invariant: the payload is byte for byte what was published; that of a SW_PAYLOAD_JSON message is
 * valid JSON, in which CR and LF stand only where `breaks` says so, and between tokens. */
#ifndef SW_CORE_MESSAGE_H
#define SW_CORE_MESSAGE_H

#include "common/slice.h"

enum sw_payload {
    SW_PAYLOAD_JSON,   /* spliced raw: "data" */
    SW_PAYLOAD_TEXT,   /* UTF-8, as a JSON string: "text" */
    SW_PAYLOAD_BINARY, /* base64: "b64" */
};

struct sw_message {
    uint32_t refs;   /* the bus's alone */
    uint8_t payload; /* enum sw_payload */
    uint8_t key_size;
    uint8_t topic_size;
    bool breaks;         /* JSON with a CR or LF: whoever splices it makes spaces of them */
    uint32_t size;       /* of the payload */
    uint64_t arrived_ns; /* monotonic, when the bus read it */
    uint64_t time_ms;    /* the publisher's clock, 0 where it did not say */
    char bytes[];        /* topic, key, payload */
};

/* Copies everything and judges the payload once; one reference. `topic` <= 255 bytes, `key` <= 64.
 */
struct sw_message *sw_message_create(struct sw_slice topic, struct sw_slice key,
                                     struct sw_slice payload, uint64_t time_ms,
                                     uint64_t arrived_ns);
void sw_message_ref(struct sw_message *message);
void sw_message_unref(struct sw_message *message);

static inline struct sw_slice sw_message_topic(const struct sw_message *message)
{
    return sw_slice(message->bytes, message->topic_size);
}

static inline struct sw_slice sw_message_key(const struct sw_message *message)
{
    return sw_slice(message->bytes + message->topic_size, message->key_size);
}

static inline struct sw_slice sw_message_payload(const struct sw_message *message)
{
    return sw_slice(message->bytes + message->topic_size + message->key_size, message->size);
}

/* What it weighs in memory. */
static inline uint32_t sw_message_bytes(const struct sw_message *message)
{
    return (uint32_t)sizeof(*message) + message->topic_size + message->key_size + message->size;
}

#endif
