// SPDX-License-Identifier: Apache-2.0
/* The embedded bus: one node, no Redis, the same path. What is published goes to the interest of
 * that topic and to that of every pattern that covers it. A pattern's first token is always
 * literal, so patterns are kept by it, and a publish looks only at those that begin like its topic.
 * Invariant: every pattern that was subscribed hangs in exactly one group; a group is never empty.
 */
#include "bus/memory_store.h"

#include "common/assert.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/ring.h"
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
    struct sw_memory_store *store;
    struct sw_ring reads;  /* struct sw_history_read: answered in the next turn */
    struct sw_ring values; /* struct sw_value_read, likewise */
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

/* `raw`: as it would travel through Redis. */
static void deliver(struct sw_memory *memory, const struct sw_publish *publish, struct sw_slice raw)
{
    struct sw_exchange *exchange = memory->backend.exchange;
    char separator = sw_exchange_config(exchange)->separator;
    struct sw_slice topic = sw_publish_topic(publish);
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
}

static void memory_publish(struct sw_backend *backend, struct sw_publish *publish)
{
    struct sw_memory *memory = of(backend);
    struct sw_exchange *exchange = backend->exchange;
    if (!memory->started) {
        sw_exchange_published(exchange, publish, SW_ERROR_BUS_UNAVAILABLE, false);
        return;
    }
    uint64_t now_ms = sw_loop_now_ms(sw_exchange_loop(exchange));
    if (!sw_memory_store_recall(memory->store, publish, now_ms)) {
        deliver(memory, publish, sw_memory_store_take(memory->store, publish, now_ms));
        sw_memory_store_remember(memory->store, publish, now_ms);
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

/* ---- what is asked of the store ---- */

static void memory_read(struct sw_backend *backend, struct sw_history_read *read)
{
    sw_ring_push(&of(backend)->reads, read);
    sw_loop_stay_awake(sw_exchange_loop(backend->exchange));
}

static void memory_get(struct sw_backend *backend, struct sw_value_read *read)
{
    sw_ring_push(&of(backend)->values, read);
    sw_loop_stay_awake(sw_exchange_loop(backend->exchange));
}

/* Those that were asked before; what they lead to is asked anew. */
static void answer(struct sw_memory *memory)
{
    uint64_t now_ms = sw_loop_now_ms(sw_exchange_loop(memory->backend.exchange));
    for (size_t i = memory->reads.count; i > 0; i--) {
        struct sw_history_read *read = sw_ring_pop(&memory->reads);
        if (memory->started) {
            sw_memory_store_read(memory->store, read, now_ms);
        } else {
            read->outcome = SW_READ_AWAY;
        }
        read->done(read->context, read);
    }
    for (size_t i = memory->values.count; i > 0; i--) {
        struct sw_value_read *read = sw_ring_pop(&memory->values);
        read->done(read->context, read, sw_memory_store_last(memory->store, read->topic));
    }
}

static bool memory_pump(struct sw_backend *backend)
{
    struct sw_memory *memory = of(backend);
    answer(memory);
    return memory->reads.count + memory->values.count > 0;
}

static void memory_flush(struct sw_backend *backend)
{
    (void)backend;
}

static void memory_stop(struct sw_backend *backend)
{
    struct sw_memory *memory = of(backend);
    memory->started = false;
    answer(memory);
}

static void memory_destroy(struct sw_backend *backend)
{
    struct sw_memory *memory = of(backend);
    SW_ASSERT(memory->groups.count == 0);
    sw_map_deinit(&memory->groups);
    memory->started = false;
    answer(memory);
    SW_ASSERT(memory->reads.count + memory->values.count == 0);
    sw_ring_deinit(&memory->reads);
    sw_ring_deinit(&memory->values);
    sw_memory_store_destroy(memory->store);
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
        .read = memory_read,
        .get = memory_get,
        .stop = memory_stop,
        .destroy = memory_destroy,
    };
    struct sw_memory *memory = sw_zalloc(sizeof(*memory));
    memory->backend = (struct sw_backend){.ops = &ops, .exchange = exchange};
    memory->store =
        sw_memory_store_create(sw_exchange_purse(exchange), sw_exchange_config(exchange)->rules);
    return &memory->backend;
}
