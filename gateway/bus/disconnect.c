// SPDX-License-Identifier: Apache-2.0
#include "bus/disconnect.h"

#include "common/json.h"
#include "core/topic.h"

#include <string.h>

enum field { CODE = SW_SELECTOR_COUNT, REASON, FIELD_COUNT };
static const char *const names[FIELD_COUNT] = {
    [SW_BY_SESSION] = "session", [SW_BY_USER] = "user", [SW_BY_TOPIC] = "topic", [CODE] = "code",
    [REASON] = "reason",
};

const char *sw_selector_word(enum sw_selector by)
{
    return names[by];
}

/* ---- reading ---- */

/* Also the controls U+0080 to U+009F, of which some steer terminals. */
static bool has_control(struct sw_slice text)
{
    unsigned char before = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < ' ' || byte == 0x7f || (before == 0xc2 && byte < 0xa0)) {
            return true;
        }
        before = byte;
    }
    return false;
}

/* The text of a string without controls, of at most `most` bytes. */
static bool read_text(struct sw_json_value value, char *out, size_t most, uint8_t *size)
{
    struct sw_buf text = {0};
    if (value.type != SW_JSON_STRING) {
        return false;
    }
    sw_json_unescape(&text, value.raw);
    bool good = text.size <= most && !has_control(sw_buf_slice(&text));
    if (good) {
        memcpy(out, text.data, text.size);
        *size = (uint8_t)text.size;
    }
    sw_buf_deinit(&text);
    return good;
}

/* Those that RFC 6455 lets a server say of its own will, and applications'. */
static bool code_allowed(uint64_t code)
{
    return code == 1000 || code == 1001 || code == 1008 || (code >= 1011 && code <= 1013) ||
           (code >= 3000 && code <= 4999);
}

static bool read_selector(struct sw_disconnect *disconnect, const struct sw_json_value *fields)
{
    unsigned given = 0;
    for (unsigned by = 0; by < SW_SELECTOR_COUNT; by++) {
        if (fields[by].raw.data) {
            disconnect->by = (enum sw_selector)by;
            given++;
        }
    }
    return given == 1;
}

static enum sw_error read_fields(struct sw_disconnect *disconnect,
                                 const struct sw_json_value *fields, char separator,
                                 const char **why)
{
    uint64_t code = 0;
    if (!read_selector(disconnect, fields)) {
        *why = "one of \"session\", \"user\", \"topic\" is needed, and no "
               "second; " SW_DISCONNECT_EXPECTED;
        return SW_ERROR_BAD_REQUEST;
    }
    if (!read_text(fields[disconnect->by], disconnect->name, SW_TOPIC_BYTES, &disconnect->size) ||
        disconnect->size == 0) {
        *why =
            "who shall go is a string of 1 to 255 bytes without controls; " SW_DISCONNECT_EXPECTED;
        return SW_ERROR_BAD_REQUEST;
    }
    if (fields[CODE].raw.data &&
        (!sw_json_to_u64(fields[CODE], UINT16_MAX, &code) || !code_allowed(code))) {
        *why =
            "\"code\" is 1000, 1001, 1008, 1011 to 1013, or 3000 to 4999; " SW_DISCONNECT_EXPECTED;
        return SW_ERROR_BAD_REQUEST;
    }
    disconnect->code = (uint16_t)code;
    if (fields[REASON].raw.data &&
        !read_text(fields[REASON], disconnect->words, SW_CLOSE_WORDS, &disconnect->words_size)) {
        *why =
            "\"reason\" is a string of at most 123 bytes without controls; " SW_DISCONNECT_EXPECTED;
        return SW_ERROR_BAD_REQUEST;
    }
    if (disconnect->by == SW_BY_TOPIC &&
        sw_topic_kind(sw_disconnect_name(disconnect), separator, why) == SW_TOPIC_BAD) {
        return SW_ERROR_BAD_TOPIC;
    }
    return SW_ERROR_NONE;
}

enum sw_error sw_disconnect_read(struct sw_disconnect *disconnect, struct sw_slice object,
                                 char separator, const char **why)
{
    const char *words = NULL;
    struct sw_json_value fields[FIELD_COUNT];
    *disconnect = (struct sw_disconnect){0};
    enum sw_error error = SW_ERROR_BAD_REQUEST;
    if (sw_json_members(object, names, FIELD_COUNT, fields, NULL)) {
        error = read_fields(disconnect, fields, separator, &words);
    } else {
        words = "a name stands twice; " SW_DISCONNECT_EXPECTED;
    }
    if (why) {
        *why = words;
    }
    return error;
}

size_t sw_disconnect_members(struct sw_slice object)
{
    struct sw_json_value fields[FIELD_COUNT];
    size_t count = 0;
    if (sw_json_members(object, names, FIELD_COUNT, fields, NULL)) {
        for (unsigned i = 0; i < FIELD_COUNT; i++) {
            count += fields[i].raw.data != NULL;
        }
    }
    return count;
}

/* ---- saying ---- */

void sw_disconnect_write(struct sw_buf *out, const struct sw_disconnect *disconnect)
{
    sw_buf_printf(out, ",\"%s\":", sw_selector_word(disconnect->by));
    sw_json_append_string(out, sw_disconnect_name(disconnect));
    if (disconnect->code) {
        sw_buf_printf(out, ",\"code\":%u", disconnect->code);
    }
    if (disconnect->words_size) {
        sw_buf_append_slice(out, SW_SLICE(",\"reason\":"));
        sw_json_append_string(out, sw_disconnect_words(disconnect));
    }
}
