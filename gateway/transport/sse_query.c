// SPDX-License-Identifier: Apache-2.0
#include "transport/sse_query.h"

#include "transport/ws_query.h"

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)

/* The URL's own; an empty one is none. */
static bool read_from(struct sw_slice query, struct sw_sse_cursor *cursor)
{
    struct sw_slice value;
    if (!sw_ws_query_find(query, SW_SLICE("from"), &value) || value.size == 0) {
        return true;
    }
    struct sw_buf text = {0};
    bool good =
        sw_percent_decode(&text, value, true) && sw_sse_cursor_parse(sw_buf_slice(&text), cursor);
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

static void append_subs(struct sw_slice query, const struct sw_sse_cursor *cursor,
                        struct sw_buf *subs)
{
    struct sw_buf wish = {0};
    struct sw_buf fresh = {0}; /* ... of topics that go on from nowhere */
    struct sw_slice name;
    struct sw_slice value;
    const struct sw_sse_field *field = cursor->fields;
    sw_ws_query_wish(query, &wish);
    sw_buf_append_slice(&fresh, sw_buf_slice(&wish));
    sw_ws_query_number(query, "last", &fresh);
    while (sw_query_next(&query, &name, &value)) {
        struct sw_buf topic = {0};
        if (sw_slice_equal(name, SW_SLICE("topic"))) {
            sw_ws_query_topic(value, &topic);
            sw_ws_query_entry(subs, sw_slice(sw_buf_text(&topic), topic.size),
                              field->known ? &wish : &fresh,
                              field->known ? &field->position : NULL);
            field++;
        }
        sw_buf_deinit(&topic);
    }
    sw_buf_deinit(&wish);
    sw_buf_deinit(&fresh);
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
    struct sw_buf subs = {0};
    append_subs(query, cursor, &subs);
    sw_ws_query_close(&subs, text);
    sw_buf_deinit(&subs);
    return SW_ERROR_NONE;
}
