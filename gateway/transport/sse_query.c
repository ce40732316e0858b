// SPDX-License-Identifier: Apache-2.0
#include "transport/sse_query.h"

#include "common/json.h"
#include "common/utf8.h"
#include "transport/ws_query.h"

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)

/* The URL's own; an empty one is none. */
static bool read_from(struct sw_slice query, struct sw_sse_cursor *cursor)
{
    struct sw_slice name;
    struct sw_slice value = {0};
    while (sw_query_next(&query, &name, &value) && !sw_slice_equal(name, SW_SLICE("from"))) {
        value.size = 0;
    }
    struct sw_buf text = {0};
    bool good = value.size == 0 || (sw_percent_decode(&text, value, true) &&
                                    sw_sse_cursor_parse(sw_buf_slice(&text), cursor));
    sw_buf_deinit(&text);
    return good;
}

/* False: the URL's own `from` is wrong. */
static bool read_cursor(struct sw_slice query, struct sw_slice last_event_id,
                        struct sw_sse_cursor *cursor)
{
    if (!last_event_id.size) {
        return read_from(query, cursor);
    }
    if (!sw_sse_cursor_parse(last_event_id, cursor)) {
        sw_sse_cursor_make_foreign(cursor);
    }
    return true;
}

static void append_topic(struct sw_buf *text, struct sw_slice value)
{
    struct sw_buf topic = {0};
    if (!sw_percent_decode(&topic, value, true) || !sw_utf8_valid(topic.data, topic.size)) {
        sw_buf_clear(&topic);
    }
    sw_json_append_string(text, sw_slice(sw_buf_text(&topic), topic.size));
    sw_buf_deinit(&topic);
}

static void append_from(struct sw_buf *text, const struct sw_position *position)
{
    struct sw_slice epoch = sw_epoch_text(&position->epoch);
    sw_buf_printf(text, ",\"from\":{\"epoch\":\"%.*s\",\"offset\":%llu}", SW_SLICE_ARG(epoch),
                  (unsigned long long)position->offset);
}

static void append_subs(struct sw_slice query, const struct sw_sse_cursor *cursor,
                        struct sw_buf *text)
{
    struct sw_buf wish = {0};
    struct sw_buf last = {0};
    struct sw_slice name;
    struct sw_slice value;
    unsigned count = 0;
    sw_ws_query_wish(query, &wish);
    sw_ws_query_number(query, "last", &last); /* for topics that go on from nowhere */
    while (sw_query_next(&query, &name, &value)) {
        if (!sw_slice_equal(name, SW_SLICE("topic"))) {
            continue;
        }
        sw_buf_append_slice(text, count ? SW_SLICE(",{\"topic\":") : SW_SLICE("{\"topic\":"));
        append_topic(text, value);
        sw_buf_append_slice(text, sw_buf_slice(&wish));
        if (cursor->fields[count].known) {
            append_from(text, &cursor->fields[count].position);
        } else {
            sw_buf_append_slice(text, sw_buf_slice(&last));
        }
        sw_buf_append_byte(text, '}');
        count++;
    }
    sw_buf_deinit(&wish);
    sw_buf_deinit(&last);
}

enum sw_error sw_sse_query_subscribe(struct sw_slice query, struct sw_slice last_event_id,
                                     struct sw_buf *text, struct sw_sse_cursor *cursor,
                                     const char **why)
{
    *cursor = (struct sw_sse_cursor){.count = sw_ws_query_count(query, SW_SLICE("topic"))};
    if (cursor->count == 0) {
        *why = "a stream names its topics: /v1/sse?topic=orders.eu&topic=ticker.eu";
        return SW_ERROR_BAD_REQUEST;
    }
    if (cursor->count > SW_STREAM_TOPICS) {
        *why = "a stream reads at most " TEXT(SW_STREAM_TOPICS) " topics";
        return SW_ERROR_TOO_MANY_TOPICS;
    }
    if (!read_cursor(query, last_event_id, cursor)) {
        *why = "\"from\" is a position or - for each topic in the URL's order, as in Qx7:44,-";
        return SW_ERROR_BAD_REQUEST;
    }
    sw_buf_append_slice(text, SW_SLICE("{\"type\":\"subscribe\",\"subs\":["));
    append_subs(query, cursor, text);
    sw_buf_append_slice(text, SW_SLICE("]}"));
    return SW_ERROR_NONE;
}
