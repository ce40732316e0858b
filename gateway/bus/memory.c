// SPDX-License-Identifier: Apache-2.0
/* The embedded bus: one node, no Redis, the same path. What is published goes to the interest of
 * that topic and to that of every pattern that covers it. A pattern's first token is always
 * literal, so patterns are kept by it, and a publish looks only at those that begin like its topic.
 * Invariant: every pattern that was subscribed hangs in exactly one group; a group is never empty.
 */
#include "bus/backend.h"

#include "bus/envelope.h"
#include "common/assert.h"
#include "common/map.h"
#include "common/mem.h"
#include "core/topic.h"

#include <string.h>

/* Patterns with the same first token. */
struct group {
    size_t count;
    size_t capacity;
    struct sw_interest **patterns; /* borrowed */
    size_t size;
    char token[]; /* own copy: the key in the map */
};

struct sw_memory {
    struct sw_backend backend; /* first: they are the same address */
    bool started;
    struct sw_map groups;
    struct sw_buf wrapped; /* the payload of the publish under way, where it must be wrapped */
};

static struct sw_memory *of(struct sw_backend *backend)
{
    return (struct sw_memory *)(void *)backend;
}

static struct sw_slice first_token(const struct sw_memory *memory, struct sw_slice name)
{
    return sw_slice_split(&name, sw_exchange_config(memory->backend.exchange)->separator);
}

/* ---- patterns ---- */

static struct group *group_get(struct sw_memory *memory, struct sw_slice token)
{
    struct group *group = sw_map_find(&memory->groups, token);
    if (!group) {
        group = sw_zalloc(sizeof(*group) + token.size);
        group->size = token.size;
        memcpy(group->token, token.data, token.size);
        sw_map_insert(&memory->groups, sw_slice(group->token, group->size), group);
    }
    return group;
}

static void add_pattern(struct sw_memory *memory, struct sw_interest *interest)
{
    struct group *group = group_get(memory, first_token(memory, sw_interest_name(interest)));
    if (group->count == group->capacity) {
        group->capacity = group->capacity ? group->capacity * 2 : 4;
        group->patterns = sw_realloc(group->patterns, group->capacity * sizeof(group->patterns[0]));
    }
    group->patterns[group->count++] = interest;
    interest->backend = group;
}

static void remove_pattern(struct sw_memory *memory, struct sw_interest *interest)
{
    struct group *group = interest->backend;
    size_t at = 0;
    while (group->patterns[at] != interest) {
        at++;
        SW_ASSERT(at < group->count);
    }
    group->patterns[at] = group->patterns[--group->count];
    interest->backend = NULL;
    if (group->count == 0) {
        sw_map_remove(&memory->groups, sw_slice(group->token, group->size));
        sw_free(group->patterns);
        sw_free(group);
    }
}

/* ---- publishing ---- */

/* As it would travel through Redis. Lives until the next publish. */
static struct sw_slice wrap(struct sw_memory *memory, const struct sw_publish *publish)
{
    struct sw_slice key = sw_publish_key(publish);
    struct sw_slice payload = sw_publish_payload(publish);
    if (!sw_envelope_needed(key, payload)) {
        return payload;
    }
    sw_buf_clear(&memory->wrapped);
    sw_envelope_write_head(&memory->wrapped, key);
    sw_buf_append_slice(&memory->wrapped, payload);
    return sw_buf_slice(&memory->wrapped);
}

static void memory_publish(struct sw_backend *backend, struct sw_publish *publish)
{
    struct sw_memory *memory = of(backend);
    struct sw_exchange *exchange = backend->exchange;
    if (!memory->started) {
        sw_exchange_published(exchange, publish, SW_ERROR_BUS_UNAVAILABLE, false);
        return;
    }
    char separator = sw_exchange_config(exchange)->separator;
    struct sw_slice topic = sw_publish_topic(publish);
    struct sw_slice raw = wrap(memory, publish);
    struct sw_interest *interest = sw_exchange_find_topic(exchange, topic);
    if (interest) {
        sw_exchange_message(exchange, interest, topic, raw);
    }
    struct group *group = sw_map_find(&memory->groups, first_token(memory, topic));
    for (size_t i = 0; group && i < group->count; i++) {
        if (sw_topic_match(sw_interest_name(group->patterns[i]), topic, separator)) {
            sw_exchange_message(exchange, group->patterns[i], topic, raw);
        }
    }
    sw_exchange_published(exchange, publish, SW_ERROR_NONE, false);
}

/* ---- the backend ---- */

static void memory_subscribe(struct sw_backend *backend, struct sw_interest *interest)
{
    struct sw_memory *memory = of(backend);
    if (!memory->started) {
        return;
    }
    if (interest->pattern && !interest->backend) {
        add_pattern(memory, interest);
    }
    sw_exchange_acked(backend->exchange, interest);
}

static void memory_unsubscribe(struct sw_backend *backend, struct sw_interest *interest)
{
    if (interest->backend) {
        remove_pattern(of(backend), interest);
    }
}

static void subscribe_waiting(void *context, struct sw_interest *interest)
{
    memory_subscribe(context, interest);
}

static void memory_start(struct sw_backend *backend)
{
    of(backend)->started = true;
    sw_exchange_up(backend->exchange);
    sw_exchange_visit(backend->exchange, subscribe_waiting, backend);
}

static bool memory_pump(struct sw_backend *backend)
{
    (void)backend;
    return false;
}

static void memory_flush(struct sw_backend *backend)
{
    (void)backend;
}

static void memory_stop(struct sw_backend *backend)
{
    of(backend)->started = false;
}

static void memory_destroy(struct sw_backend *backend)
{
    struct sw_memory *memory = of(backend);
    SW_ASSERT(memory->groups.count == 0);
    sw_map_deinit(&memory->groups);
    sw_buf_deinit(&memory->wrapped);
    sw_free(memory);
}

struct sw_backend *sw_memory_create(struct sw_exchange *exchange)
{
    static const struct sw_backend_ops ops = {
        .kind = SW_BUS_MEMORY,
        .word = "memory",
        .start = memory_start,
        .pump = memory_pump,
        .flush = memory_flush,
        .subscribe = memory_subscribe,
        .unsubscribe = memory_unsubscribe,
        .publish = memory_publish,
        .stop = memory_stop,
        .destroy = memory_destroy,
    };
    struct sw_memory *memory = sw_zalloc(sizeof(*memory));
    memory->backend = (struct sw_backend){.ops = &ops, .exchange = exchange};
    return &memory->backend;
}
