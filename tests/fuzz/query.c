// SPDX-License-Identifier: Apache-2.0
/* What a URL asks for, of a WebSocket and of a stream, and the cursor that a stream goes on from: a
 * subscribe that the native language takes, with an entry for each topic, or a refusal in words.
 * The input's first line is the query, the rest a Last-Event-ID. */
#include "fuzz.h"

#include "protocol/command.h"
#include "transport/sse_query.h"
#include "transport/ws_query.h"

static size_t count_subs(struct sw_slice subscribe)
{
    struct sw_command command = sw_command_parse(subscribe);
    struct sw_command_walk at = {0};
    struct sw_command_sub sub;
    size_t count = 0;
    FUZZ_CHECK(command.kind == SW_COMMAND_SUBSCRIBE);
    while (sw_command_next_sub(&command, &at, &sub)) {
        count++;
    }
    return count;
}

static void check_websocket(struct sw_slice query)
{
    struct sw_buf text = {0};
    unsigned topics = sw_ws_query_count(query, SW_SLICE("topic"));
    const char *why = sw_ws_query_subscribe(query, &text);
    FUZZ_CHECK(!why || text.size == 0);
    FUZZ_CHECK(why || (topics > 0) == (text.size > 0));
    FUZZ_CHECK(text.size == 0 || count_subs(sw_buf_slice(&text)) == topics);
    sw_buf_deinit(&text);
}

/* Written as a client brings it, and read again. */
static void check_cursor(const struct sw_sse_cursor *cursor)
{
    struct sw_buf text = {0};
    struct sw_sse_cursor again = {.count = cursor->count};
    for (unsigned i = 0; i < cursor->count; i++) {
        if (i > 0) {
            sw_buf_append_byte(&text, ',');
        }
        if (cursor->fields[i].known) {
            sw_position_write(&text, &cursor->fields[i].position);
        } else {
            sw_buf_append_byte(&text, '-');
        }
    }
    FUZZ_CHECK(sw_sse_cursor_parse(sw_buf_slice(&text), &again));
    for (unsigned i = 0; i < cursor->count; i++) {
        const struct sw_sse_field *a = &cursor->fields[i];
        const struct sw_sse_field *b = &again.fields[i];
        FUZZ_CHECK(a->known == b->known && a->position.offset == b->position.offset);
        FUZZ_CHECK(sw_epoch_equal(&a->position.epoch, &b->position.epoch));
    }
    sw_buf_deinit(&text);
}

static void check_stream(struct sw_slice query, struct sw_slice last_event_id)
{
    struct sw_buf text = {0};
    struct sw_sse_cursor cursor;
    const char *why = NULL;
    enum sw_error error = sw_sse_query_subscribe(query, last_event_id, &text, &cursor, &why);
    FUZZ_CHECK((error == SW_ERROR_NONE) == (why == NULL));
    FUZZ_CHECK((error == SW_ERROR_NONE) == (text.size > 0));
    if (error == SW_ERROR_NONE) {
        FUZZ_CHECK(cursor.count == sw_ws_query_count(query, SW_SLICE("topic")));
        FUZZ_CHECK(cursor.count <= SW_STREAM_TOPICS);
        FUZZ_CHECK(count_subs(sw_buf_slice(&text)) == cursor.count);
        check_cursor(&cursor);
    }
    sw_buf_deinit(&text);
}

/* Every byte but NUL survives being escaped and decoded. */
static void check_decoding(struct sw_slice text)
{
    struct sw_buf escaped = {0};
    struct sw_buf decoded = {0};
    for (size_t i = 0; i < text.size; i++) {
        sw_buf_printf(&escaped, "%%%02x", (unsigned)(unsigned char)text.data[i]);
    }
    bool good = sw_percent_decode(&decoded, sw_buf_slice(&escaped), true);
    FUZZ_CHECK(good == (sw_slice_find(text, 0) == text.size));
    FUZZ_CHECK(!good || sw_slice_equal(sw_buf_slice(&decoded), text));
    sw_buf_deinit(&decoded);
    sw_buf_deinit(&escaped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(fuzz_input(data, size));
    struct sw_slice rest = sw_slice(copy, size);
    struct sw_slice query = sw_slice_split(&rest, '\n');
    check_websocket(query);
    check_stream(query, rest);
    check_decoding(query);
    free(copy);
    return 0;
}
