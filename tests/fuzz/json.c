// SPDX-License-Identifier: Apache-2.0
/* A payload: valid or not as a whole; what is valid can be walked to its last value, put on one
 * line, and its strings read and written again. */
#include "fuzz.h"

#include "common/json.h"
#include "common/utf8.h"
#include "core/limits.h"

static bool is_valid(struct sw_slice text)
{
    return sw_json_validate(text.data, text.size, SW_PAYLOAD_DEPTH, NULL) == SW_JSON_OK;
}

/* Any bytes become a string; what is no UTF-8 is replaced in it. */
static void check_writing(struct sw_slice text)
{
    struct sw_buf string = {0};
    struct sw_buf again = {0};
    sw_json_append_string(&string, text);
    FUZZ_CHECK(is_valid(sw_buf_slice(&string)));
    sw_json_unescape(&again, sw_buf_slice(&string));
    FUZZ_CHECK(sw_utf8_valid(again.data, again.size));
    FUZZ_CHECK(!sw_utf8_valid(text.data, text.size) || sw_slice_equal(sw_buf_slice(&again), text));
    sw_buf_deinit(&again);
    sw_buf_deinit(&string);
}

static void check_string(struct sw_slice raw)
{
    struct sw_buf text = {0};
    sw_json_unescape(&text, raw);
    FUZZ_CHECK(sw_utf8_valid(text.data, text.size));
    check_writing(sw_buf_slice(&text));
    sw_buf_deinit(&text);
}

static void check_value(struct sw_json_value value, struct sw_slice text);

static void check_members(struct sw_slice raw, struct sw_slice text)
{
    static const char *const names[] = {"id", "price"};
    struct sw_json_value values[2];
    struct sw_json_walk walk = sw_json_walk(raw);
    struct sw_json_member member;
    size_t count = 0;
    while (sw_json_next(&walk, &member)) {
        count++;
        if (member.name.data) {
            check_string(sw_slice(member.name.data - 1, member.name.size + 2));
        }
        check_value(member.value, text);
    }
    FUZZ_CHECK(count == sw_json_count(raw));
    if (raw.data[0] == '{') {
        (void)sw_json_members(raw, names, 2, values, NULL);
    }
}

static void check_value(struct sw_json_value value, struct sw_slice text)
{
    uint64_t number;
    FUZZ_CHECK(value.raw.size > 0 && fuzz_lies_in(value.raw, text) && is_valid(value.raw));
    (void)sw_json_to_u64(value, UINT64_MAX, &number);
    if (value.type == SW_JSON_STRING) {
        check_string(value.raw);
    } else if (value.type == SW_JSON_OBJECT || value.type == SW_JSON_ARRAY) {
        check_members(value.raw, text);
    }
}

static void check_flat(struct sw_slice text)
{
    char *flat = fuzz_copy(text);
    sw_json_flatten(flat, text.size);
    FUZZ_CHECK(is_valid(sw_slice(flat, text.size)));
    FUZZ_CHECK(!memchr(flat, '\n', text.size) && !memchr(flat, '\r', text.size));
    free(flat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(fuzz_input(data, size));
    struct sw_slice text = sw_slice(copy, size);
    if (is_valid(text)) {
        check_value(sw_json_value(text), text);
        check_flat(text);
    }
    check_writing(text);
    free(copy);
    return 0;
}
