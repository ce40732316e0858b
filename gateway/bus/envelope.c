// SPDX-License-Identifier: Apache-2.0
#include "bus/envelope.h"

#include "common/assert.h"
#include "core/limits.h"
#include "core/position.h"

#define MARK '\x1e'

/* What stands between the mark and the position. */
static const struct sw_slice version = {"\x1e"
                                        "1;",
                                        3};

/* Printable ASCII without the separator. */
static bool value_valid(struct sw_slice value)
{
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '!' || value.data[i] > '~' || value.data[i] == ';') {
            return false;
        }
    }
    return true;
}

bool sw_envelope_key_valid(struct sw_slice key)
{
    return key.size >= 1 && key.size <= SW_KEY_BYTES && value_valid(key);
}

/* <epoch>:<offset>, or nothing. */
static bool read_position(struct sw_envelope *envelope, struct sw_slice position)
{
    if (position.size == 0) {
        return true;
    }
    struct sw_slice offset = position;
    struct sw_epoch epoch;
    envelope->epoch = sw_slice_split(&offset, ':');
    return sw_epoch_parse(envelope->epoch, &epoch) && offset.data &&
           sw_slice_to_u64(offset, SW_OFFSET_MAX, &envelope->offset);
}

/* <letter>=<value>; `seen` has a bit for each letter that this version knows. */
static bool read_field(struct sw_envelope *envelope, struct sw_slice field, unsigned *seen)
{
    enum { TIME = 1, KEY = 2, ID = 4 };
    if (field.size < 2 || field.data[1] != '=') {
        return false;
    }
    struct sw_slice value = sw_slice(field.data + 2, field.size - 2);
    unsigned letter = 0;
    bool good = false;
    if (field.data[0] == 't') {
        letter = TIME;
        good = sw_slice_to_u64(value, SW_OFFSET_MAX, &envelope->time_ms);
    } else if (field.data[0] == 'k') {
        letter = KEY;
        good = sw_envelope_key_valid(value);
        envelope->key = value;
    } else if (field.data[0] == 'i') {
        letter = ID;
        good = sw_envelope_key_valid(value);
        envelope->id = value;
    } else if (field.data[0] >= 'a' && field.data[0] <= 'z') {
        good = value_valid(value); /* of a later version */
    }
    if (*seen & letter) {
        return false;
    }
    *seen |= letter;
    return good;
}

/* False: `raw` is no wrapper; the envelope may be half filled. */
static bool open_wrapper(struct sw_envelope *envelope, struct sw_slice raw)
{
    if (!sw_slice_starts_with(raw, version)) {
        return false;
    }
    struct sw_slice rest = sw_slice(raw.data + version.size, raw.size - version.size);
    struct sw_slice head = sw_slice_split(&rest, MARK);
    if (!rest.data) {
        return false; /* it has no end */
    }
    unsigned seen = 0;
    if (!read_position(envelope, sw_slice_split(&head, ';'))) {
        return false;
    }
    while (head.data) {
        if (!read_field(envelope, sw_slice_split(&head, ';'), &seen)) {
            return false;
        }
    }
    envelope->payload = rest;
    return true;
}

struct sw_envelope sw_envelope_open(struct sw_slice raw)
{
    struct sw_envelope envelope = {0};
    if (!open_wrapper(&envelope, raw)) {
        return (struct sw_envelope){.payload = raw};
    }
    return envelope;
}

bool sw_envelope_needed(struct sw_slice key, struct sw_slice payload)
{
    return key.size > 0 || (payload.size > 0 && payload.data[0] == MARK);
}

static void put_field(struct sw_buf *out, char letter, struct sw_slice value)
{
    if (value.size > 0) {
        SW_ASSERT(sw_envelope_key_valid(value));
        sw_buf_printf(out, ";%c=%.*s", letter, SW_SLICE_ARG(value));
    }
}

void sw_envelope_write(struct sw_buf *out, const struct sw_envelope *envelope)
{
    sw_buf_append_slice(out, version);
    if (envelope->epoch.size > 0) {
        sw_buf_printf(out, "%.*s:%llu", SW_SLICE_ARG(envelope->epoch),
                      (unsigned long long)envelope->offset);
    }
    if (envelope->time_ms > 0) {
        sw_buf_printf(out, ";t=%llu", (unsigned long long)envelope->time_ms);
    }
    put_field(out, 'k', envelope->key);
    put_field(out, 'i', envelope->id);
    sw_buf_append_byte(out, MARK);
}

void sw_envelope_write_head(struct sw_buf *out, struct sw_slice key)
{
    struct sw_envelope envelope = {.key = key};
    sw_envelope_write(out, &envelope);
}
