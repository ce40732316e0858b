// SPDX-License-Identifier: Apache-2.0
#include "transport/sse_cursor.h"

#include "common/mem.h"
#include "core/topic.h"
#include "http/request.h"
#include "session/session.h"

bool sw_sse_cursor_parse(struct sw_slice text, struct sw_sse_cursor *cursor)
{
    unsigned count = 0;
    for (; text.data && count < cursor->count; count++) {
        struct sw_slice field = sw_slice_split(&text, ',');
        struct sw_sse_field *at = &cursor->fields[count];
        at->known = !sw_slice_equal(field, SW_SLICE("-"));
        if (at->known && !sw_position_parse(field, &at->position)) {
            return false;
        }
    }
    return count == cursor->count && !text.data;
}

void sw_sse_cursor_make_foreign(struct sw_sse_cursor *cursor)
{
    for (unsigned i = 0; i < cursor->count; i++) {
        cursor->fields[i].known = true;
        cursor->fields[i].position = (struct sw_position){.offset = SW_OFFSET_MAX};
    }
}

/* ---- what is kept ---- */

struct kept_topic {
    struct sw_slice name;
    struct sw_sse_field brought;
};

struct sw_sse_kept {
    struct sw_buf names;
    unsigned count;
    struct kept_topic topics[];
};

static void keep_topics(struct sw_sse_kept *kept, struct sw_slice query,
                        const struct sw_sse_cursor *cursor)
{
    struct sw_slice name;
    struct sw_slice value;
    sw_buf_reserve(&kept->names, query.size); /* they must not move */
    while (sw_query_next(&query, &name, &value)) {
        if (sw_slice_equal(name, SW_SLICE("topic"))) {
            size_t start = kept->names.size;
            (void)sw_percent_decode(&kept->names, value, true);
            kept->topics[kept->count] = (struct kept_topic){
                .name = sw_slice(kept->names.data + start, kept->names.size - start),
                .brought = cursor->fields[kept->count]};
            kept->count++;
        }
    }
}

static bool keeps_history(const struct sw_rules *rules, struct sw_slice name)
{
    return sw_topic_kind(name, rules->separator, NULL) == SW_TOPIC_CONCRETE &&
           sw_rules_find(rules, name, false)->history_size > 0;
}

struct sw_sse_kept *sw_sse_kept_create(struct sw_slice query, const struct sw_sse_cursor *cursor,
                                       const struct sw_rules *rules)
{
    struct sw_sse_kept *kept = sw_zalloc(sizeof(*kept) + cursor->count * sizeof(struct kept_topic));
    bool history = false;
    keep_topics(kept, query, cursor);
    for (unsigned i = 0; i < kept->count; i++) {
        history = history || keeps_history(rules, kept->topics[i].name);
    }
    if (!history) {
        sw_sse_kept_destroy(&kept);
    }
    return kept;
}

void sw_sse_kept_destroy(struct sw_sse_kept **kept)
{
    if (*kept) {
        sw_buf_deinit(&(*kept)->names);
        sw_free(*kept);
        *kept = NULL;
    }
}

/* ---- the cursor ---- */

/* NULL: it is not subscribed. */
static const struct sw_subscription *find(const struct sw_session *session, struct sw_slice name,
                                          bool pattern)
{
    const struct sw_reader *reader = sw_session_reader(session);
    const struct sw_tape *tape =
        sw_tape_find(&session->all->fanout, session->transport->encoding, name, pattern);
    for (unsigned i = 0; tape && i < reader->subscriptions; i++) {
        if (reader->list[i].tape == tape->id) {
            return &reader->list[i];
        }
    }
    return NULL;
}

static struct sw_sse_field field_of(const struct sw_session *session, struct kept_topic *topic)
{
    struct sw_fanout *fanout = &session->all->fanout;
    const struct sw_subscription *subscription = find(session, topic->name, false);
    struct sw_sse_field field = {0};
    if (!subscription) {
        return find(session, topic->name, true) ? field : topic->brought;
    }
    topic->brought.known =
        false; /* from here on the subscription knows better, even when it ends */
    const struct sw_tape *tape = fanout->tapes[subscription->tape];
    if (sw_entry_resumes(&tape->hub[subscription->place])) {
        uint32_t index = sw_entry_index(&tape->hub[subscription->place]);
        field.known = sw_hub_position(fanout, session->slot, index, &field.position);
    }
    return field;
}

void sw_sse_kept_write(struct sw_sse_kept *kept, const struct sw_session *session,
                       struct sw_buf *out)
{
    for (unsigned i = 0; i < kept->count; i++) {
        struct sw_sse_field field = field_of(session, &kept->topics[i]);
        if (i > 0) {
            sw_buf_append_byte(out, ',');
        }
        if (field.known) {
            sw_position_write(out, &field.position);
        } else {
            sw_buf_append_byte(out, '-');
        }
    }
}
