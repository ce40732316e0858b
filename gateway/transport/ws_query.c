// SPDX-License-Identifier: Apache-2.0
/* The same words as a subscribe without an id, so that there is one way to subscribe. */
#include "transport/ws_query.h"

#include "common/json.h"
#include "common/map.h"
#include "common/utf8.h"

#define MODE_BYTES 16 /* no mode has a longer name: what is left of one is unknown, too */

unsigned sw_ws_query_count(struct sw_slice query, struct sw_slice wanted)
{
    struct sw_slice name;
    struct sw_slice value;
    unsigned count = 0;
    while (sw_query_next(&query, &name, &value)) {
        count += sw_slice_equal(name, wanted);
    }
    return count;
}

/* What the URL asks for beside topics, looked for once: a stranger may send thousands of each. */
struct asked {
    struct sw_buf wish;  /* `mode` and `max_hz`, as members of each entry */
    struct sw_buf names; /* the map's keys */
    struct sw_map from;  /* topics that a `from` names */
    bool last;
};

/* "topic@epoch:offset", split at the last '@'. */
static void read_from(struct sw_slice query, struct asked *asked)
{
    struct sw_buf *names = &asked->names;
    struct sw_slice name;
    struct sw_slice value;
    sw_buf_reserve(names, query.size); /* they must not move */
    while (sw_query_next(&query, &name, &value)) {
        size_t start = names->size;
        bool good = sw_slice_equal(name, SW_SLICE("from")) && sw_percent_decode(names, value, true);
        size_t at = names->size;
        while (at > start && names->data[at - 1] != '@') {
            at--;
        }
        struct sw_slice topic = sw_slice(names->data + start, at > start ? at - 1 - start : 0);
        if (good && topic.size && !sw_map_find(&asked->from, topic)) {
            sw_map_insert(&asked->from, topic, asked);
        }
    }
}

bool sw_ws_query_take(struct sw_slice query, struct sw_slice wanted, struct sw_buf *text)
{
    struct sw_slice name;
    struct sw_slice value;
    while (sw_query_next(&query, &name, &value)) {
        if (sw_slice_equal(name, wanted)) {
            if (!sw_percent_decode(text, value, true)) {
                sw_buf_clear(text);
            }
            return true;
        }
    }
    return false;
}

void sw_ws_query_wish(struct sw_slice query, struct sw_buf *members)
{
    struct sw_buf text = {0};
    if (sw_ws_query_take(query, SW_SLICE("mode"), &text)) {
        size_t size = text.size < MODE_BYTES ? text.size : MODE_BYTES;
        sw_buf_append_slice(members, SW_SLICE(",\"mode\":"));
        sw_json_append_string(members, sw_slice(sw_buf_text(&text), size));
    }
    sw_buf_clear(&text);
    if (sw_ws_query_take(query, SW_SLICE("max_hz"), &text)) {
        uint64_t hz;
        bool number = sw_slice_to_u64(sw_buf_slice(&text), UINT32_MAX, &hz);
        sw_buf_printf(members, ",\"max_hz\":%llu", number ? (unsigned long long)hz : 0);
    }
    sw_buf_deinit(&text);
}

static void append_sub(struct sw_buf *out, const struct asked *asked, struct sw_slice topic)
{
    sw_buf_append_slice(out, out->size ? SW_SLICE(",{\"topic\":") : SW_SLICE("{\"topic\":"));
    sw_json_append_string(out, topic);
    sw_buf_append_slice(out, sw_buf_slice(&asked->wish));
    if (sw_map_find(&asked->from, topic)) {
        sw_buf_append_slice(out, SW_SLICE(",\"from\":{}"));
    }
    if (asked->last) {
        sw_buf_append_slice(out, SW_SLICE(",\"last\":1"));
    }
    sw_buf_append_byte(out, '}');
}

static void collect_subs(struct sw_slice query, struct sw_buf *subs)
{
    struct sw_slice rest = query;
    struct sw_slice name;
    struct sw_slice value;
    struct asked asked = {.last = sw_ws_query_count(query, SW_SLICE("last")) > 0};
    sw_ws_query_wish(query, &asked.wish);
    read_from(query, &asked);
    while (sw_query_next(&rest, &name, &value)) {
        struct sw_buf topic = {0};
        if (sw_slice_equal(name, SW_SLICE("topic"))) {
            if (!sw_percent_decode(&topic, value, true) || !sw_utf8_valid(topic.data, topic.size)) {
                sw_buf_clear(&topic);
            }
            append_sub(subs, &asked, sw_slice(sw_buf_text(&topic), topic.size));
        }
        sw_buf_deinit(&topic);
    }
    sw_buf_deinit(&asked.wish);
    sw_map_deinit(&asked.from);
    sw_buf_deinit(&asked.names);
}

void sw_ws_query_subscribe(struct sw_slice query, struct sw_buf *text)
{
    struct sw_buf subs = {0};
    collect_subs(query, &subs);
    if (subs.size) {
        sw_buf_append_slice(text, SW_SLICE("{\"type\":\"subscribe\",\"subs\":["));
        sw_buf_append_slice(text, sw_buf_slice(&subs));
        sw_buf_append_slice(text, SW_SLICE("]}"));
    }
    sw_buf_deinit(&subs);
}
