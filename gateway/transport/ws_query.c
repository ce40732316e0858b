// SPDX-License-Identifier: Apache-2.0
/* The same words as a subscribe without an id, so that there is one way to subscribe. */
#include "transport/ws_query.h"

#include "common/json.h"
#include "common/map.h"
#include "common/mem.h"
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

bool sw_ws_query_find(struct sw_slice query, struct sw_slice wanted, struct sw_slice *value)
{
    struct sw_slice name;
    while (sw_query_next(&query, &name, value)) {
        if (sw_slice_equal(name, wanted)) {
            return true;
        }
    }
    return false;
}

/* What the URL asks for beside topics, looked for once: a stranger may send thousands of each. */
struct asked {
    struct sw_buf wish;  /* `mode`, `max_hz` and `last`, as members of each entry */
    struct sw_buf names; /* the map's keys */
    struct sw_position *positions;
    struct sw_map from; /* topic to position, until its entry has it */
};

/* "topic@epoch:offset", split at the last '@'. NULL, or what is wrong with it. */
static const char *read_from(struct sw_slice value, struct asked *asked,
                             struct sw_position *position)
{
    struct sw_buf *names = &asked->names;
    size_t start = names->size;
    bool decoded = sw_percent_decode(names, value, true);
    size_t at = names->size;
    while (at > start && names->data[at - 1] != '@') {
        at--;
    }
    if (!decoded || at < start + 2 ||
        !sw_position_parse(sw_slice(names->data + at, names->size - at), position)) {
        return "a \"from\" is a topic and a position of it, like from=orders.eu@Qx7:44";
    }
    struct sw_slice topic = sw_slice(names->data + start, at - 1 - start);
    if (sw_map_find(&asked->from, topic)) {
        return "a topic has more than one \"from\"";
    }
    sw_map_insert(&asked->from, topic, position);
    return NULL;
}

/* NULL, or what is wrong with one of them. */
static const char *read_froms(struct sw_slice query, struct asked *asked)
{
    unsigned count = sw_ws_query_count(query, SW_SLICE("from"));
    if (count > sw_ws_query_count(query, SW_SLICE("topic"))) {
        return "there are more \"from\" than \"topic\"";
    }
    struct sw_slice name;
    struct sw_slice value;
    const char *why = NULL;
    asked->positions = sw_alloc((count + 1) * sizeof(*asked->positions));
    sw_buf_reserve(&asked->names, query.size); /* they must not move */
    for (unsigned i = 0; i < count && !why && sw_query_next(&query, &name, &value);) {
        if (sw_slice_equal(name, SW_SLICE("from"))) {
            why = read_from(value, asked, &asked->positions[i++]);
        }
    }
    return why;
}

bool sw_ws_query_take(struct sw_slice query, struct sw_slice wanted, struct sw_buf *text)
{
    struct sw_slice value;
    if (!sw_ws_query_find(query, wanted, &value)) {
        return false;
    }
    if (!sw_percent_decode(text, value, true)) {
        sw_buf_clear(text);
    }
    return true;
}

void sw_ws_query_number(struct sw_slice query, const char *name, struct sw_buf *members)
{
    struct sw_buf text = {0};
    uint64_t number = 0; /* what is none is as wrong as this */
    if (sw_ws_query_take(query, sw_slice_of(name), &text)) {
        (void)sw_slice_to_u64(sw_buf_slice(&text), UINT32_MAX, &number);
        sw_buf_printf(members, ",\"%s\":%llu", name, (unsigned long long)number);
    }
    sw_buf_deinit(&text);
}

void sw_ws_query_wish(struct sw_slice query, struct sw_buf *members)
{
    struct sw_buf text = {0};
    if (sw_ws_query_take(query, SW_SLICE("mode"), &text)) {
        size_t size = text.size < MODE_BYTES ? text.size : MODE_BYTES;
        sw_buf_append_slice(members, SW_SLICE(",\"mode\":"));
        sw_json_append_string(members, sw_slice(sw_buf_text(&text), size));
    }
    sw_buf_deinit(&text);
    sw_ws_query_number(query, "max_hz", members);
}

void sw_ws_query_topic(struct sw_slice value, struct sw_buf *topic)
{
    if (!sw_percent_decode(topic, value, true) || !sw_utf8_valid(topic->data, topic->size)) {
        sw_buf_clear(topic);
    }
}

void sw_ws_query_entry(struct sw_buf *subs, struct sw_slice topic, const struct sw_buf *members,
                       const struct sw_position *from)
{
    sw_buf_append_slice(subs, subs->size ? SW_SLICE(",{\"topic\":") : SW_SLICE("{\"topic\":"));
    sw_json_append_string(subs, topic);
    sw_buf_append_slice(subs, sw_buf_slice(members));
    if (from) {
        sw_buf_append_slice(subs, SW_SLICE(",\"from\":{"));
        sw_position_write_members(subs, from);
        sw_buf_append_byte(subs, '}');
    }
    sw_buf_append_byte(subs, '}');
}

void sw_ws_query_close(const struct sw_buf *subs, struct sw_buf *text)
{
    sw_buf_append_slice(text, SW_SLICE("{\"type\":\"subscribe\",\"subs\":["));
    sw_buf_append_slice(text, sw_buf_slice(subs));
    sw_buf_append_slice(text, SW_SLICE("]}"));
}

static void append_subs(struct sw_slice query, struct asked *asked, struct sw_buf *subs)
{
    struct sw_slice name;
    struct sw_slice value;
    while (sw_query_next(&query, &name, &value)) {
        struct sw_buf text = {0};
        if (sw_slice_equal(name, SW_SLICE("topic"))) {
            sw_ws_query_topic(value, &text);
            struct sw_slice topic = sw_slice(sw_buf_text(&text), text.size);
            sw_ws_query_entry(subs, topic, &asked->wish, sw_map_remove(&asked->from, topic));
        }
        sw_buf_deinit(&text);
    }
}

static const char *collect_subs(struct sw_slice query, struct sw_buf *subs)
{
    struct asked asked = {0};
    const char *why = read_froms(query, &asked);
    if (!why) {
        sw_ws_query_wish(query, &asked.wish);
        sw_ws_query_number(query, "last", &asked.wish);
        append_subs(query, &asked, subs);
        why = asked.from.count ? "a \"from\" is of a topic that no \"topic\" asks for" : NULL;
    }
    sw_buf_deinit(&asked.wish);
    sw_map_deinit(&asked.from);
    sw_buf_deinit(&asked.names);
    sw_free(asked.positions);
    return why;
}

const char *sw_ws_query_subscribe(struct sw_slice query, struct sw_buf *text)
{
    struct sw_buf subs = {0};
    const char *why = collect_subs(query, &subs);
    if (!why && subs.size) {
        sw_ws_query_close(&subs, text);
    }
    sw_buf_deinit(&subs);
    return why;
}
