// SPDX-License-Identifier: Apache-2.0
#include "bus/memory_store.h"

#include "bus/envelope.h"
#include "common/assert.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/random.h"
#include "common/ring.h"
#include "core/limits.h"

#include <string.h>

#define EPOCH_SIZE 12

struct entry {
    uint32_t size;
    char raw[];
};

struct topic {
    struct sw_list used;   /* or empty */
    struct sw_epoch epoch; /* none: no history, its last message is kept */
    uint64_t top;
    uint64_t taken_ms;      /* when the newest came */
    uint64_t ttl_ms;        /* 0: for ever */
    struct sw_ring entries; /* of struct entry */
    size_t bytes;           /* of them */
    uint8_t size;
    char name[];
};

struct id {
    struct sw_list aging;
    struct sw_position position;
    uint64_t until_ms;
    size_t size;
    char name[]; /* topic, NUL, id */
};

static void charge(struct sw_memory_store *store, int64_t bytes)
{
    store->bytes = (size_t)((int64_t)store->bytes + bytes);
    sw_purse_charge(store->purse, SW_PART_HISTORY, bytes);
}

/* ---- topics ---- */

static size_t weight(const struct entry *entry)
{
    return sizeof(*entry) + entry->size;
}

static void drop_oldest(struct sw_memory_store *store, struct topic *topic)
{
    struct entry *entry = sw_ring_pop(&topic->entries);
    topic->bytes -= weight(entry);
    charge(store, -(int64_t)weight(entry));
    sw_free(entry);
}

static void drop_entries(struct sw_memory_store *store, struct topic *topic)
{
    while (topic->entries.count > 0) {
        drop_oldest(store, topic);
    }
    charge(store, -(int64_t)(topic->entries.capacity * sizeof(void *)));
    sw_ring_deinit(&topic->entries);
    sw_list_remove(&topic->used);
    sw_list_push(&store->empty, &topic->used);
}

static void forget_topic(struct sw_memory_store *store, struct topic *topic)
{
    drop_entries(store, topic);
    sw_map_remove(&store->topics, sw_slice(topic->name, topic->size));
    sw_list_remove(&topic->used);
    charge(store, -(int64_t)sizeof(*topic));
    sw_free(topic);
}

static void expire(struct sw_memory_store *store, struct topic *topic, uint64_t now_ms)
{
    if (topic->ttl_ms > 0 && topic->entries.count > 0 && now_ms - topic->taken_ms > topic->ttl_ms) {
        drop_entries(store, topic);
    }
}

static size_t allowed_bytes(const struct sw_memory_store *store)
{
    return sw_purse_step(store->purse) == SW_BUDGET_EASY ? SW_MEMORY_STORE_BYTES
                                                         : SW_MEMORY_STORE_TIGHT_BYTES;
}

/* What was published to longest ago goes first: its messages, and the topic only where there are
 * too many. `topic`, the newest, stays. */
static void make_room(struct sw_memory_store *store, const struct topic *topic, uint64_t now_ms)
{
    struct sw_list *oldest = sw_list_first(&store->used);
    expire(store, SW_CONTAINER_OF(oldest, struct topic, used), now_ms);
    while ((oldest = sw_list_first(&store->used)) != &topic->used &&
           store->bytes > allowed_bytes(store)) {
        drop_entries(store, SW_CONTAINER_OF(oldest, struct topic, used));
    }
    if (store->topics.count > SW_MEMORY_TOPICS) {
        struct sw_list *empty = sw_list_first(&store->empty);
        forget_topic(store, SW_CONTAINER_OF(empty ? empty : oldest, struct topic, used));
    }
}

static struct topic *create_topic(struct sw_memory_store *store, struct sw_slice name, bool history)
{
    struct topic *topic = sw_zalloc(sizeof(*topic) + name.size);
    topic->size = (uint8_t)name.size;
    memcpy(topic->name, name.data, name.size);
    if (history) {
        topic->epoch.size = EPOCH_SIZE;
        sw_random_token(topic->epoch.text, EPOCH_SIZE);
    }
    sw_list_init(&topic->used);
    sw_map_insert(&store->topics, sw_slice(topic->name, topic->size), topic);
    charge(store, sizeof(*topic));
    return topic;
}

static void append(struct sw_memory_store *store, struct topic *topic, struct sw_slice raw,
                   uint32_t most)
{
    struct entry *entry = sw_alloc(sizeof(*entry) + raw.size);
    entry->size = (uint32_t)raw.size;
    if (raw.size > 0) {
        memcpy(entry->raw, raw.data, raw.size);
    }
    size_t capacity = topic->entries.capacity;
    sw_ring_push(&topic->entries, entry);
    charge(store, (int64_t)((topic->entries.capacity - capacity) * sizeof(void *)));
    topic->bytes += weight(entry);
    charge(store, (int64_t)weight(entry));
    while (topic->entries.count > most ||
           (topic->entries.count > 1 && topic->bytes > SW_HISTORY_BYTES)) {
        drop_oldest(store, topic);
    }
}

/* ---- publishes ---- */

static struct sw_slice wrap(struct sw_memory_store *store, const struct sw_publish *publish)
{
    struct sw_slice payload = sw_publish_payload(publish);
    struct sw_envelope envelope = {.key = sw_publish_key(publish),
                                   .id = sw_publish_idempotency(publish)};
    bool positioned = publish->position.offset > 0;
    if (positioned) {
        envelope.epoch = sw_epoch_text(&publish->position.epoch);
        envelope.offset = publish->position.offset;
        envelope.time_ms = sw_clock_wall_ms();
    }
    if (!positioned && envelope.id.size == 0 && !sw_envelope_needed(envelope.key, payload)) {
        return payload;
    }
    sw_buf_clear(&store->wrapped);
    sw_envelope_write(&store->wrapped, &envelope);
    sw_buf_append_slice(&store->wrapped, payload);
    return sw_buf_slice(&store->wrapped);
}

struct sw_slice sw_memory_store_take(struct sw_memory_store *store, struct sw_publish *publish,
                                     uint64_t now_ms)
{
    struct sw_slice name = sw_publish_topic(publish);
    publish->position = (struct sw_position){0};
    const struct sw_rule *rule =
        store->rules && !publish->notice ? sw_rules_find(store->rules, name, false) : NULL;
    if (!rule || (rule->history_size == 0 && !rule->retain)) {
        return wrap(store, publish);
    }
    struct topic *topic = sw_map_find(&store->topics, name);
    if (!topic) {
        topic = create_topic(store, name, rule->history_size > 0);
    }
    topic->ttl_ms = rule->history_size > 0 ? rule->history_ttl_ms : 0;
    expire(store, topic, now_ms);
    topic->taken_ms = now_ms;
    sw_list_remove(&topic->used);
    sw_list_push(&store->used, &topic->used);
    if (rule->history_size > 0) {
        publish->position = (struct sw_position){topic->epoch, ++topic->top};
    }
    struct sw_slice raw = wrap(store, publish);
    append(store, topic, raw, rule->history_size > 0 ? rule->history_size : 1);
    make_room(store, topic, now_ms);
    return raw;
}

/* ---- ids ---- */

static struct id *create_id(const struct sw_publish *publish)
{
    struct sw_slice topic = sw_publish_topic(publish);
    struct sw_slice key = sw_publish_idempotency(publish);
    struct id *id = sw_alloc(sizeof(*id) + topic.size + 1 + key.size);
    *id = (struct id){.position = publish->position, .size = topic.size + 1 + key.size};
    memcpy(id->name, topic.data, topic.size);
    id->name[topic.size] = 0;
    memcpy(id->name + topic.size + 1, key.data, key.size);
    sw_list_init(&id->aging);
    return id;
}

static void forget_id(struct sw_memory_store *store, struct id *id)
{
    sw_map_remove(&store->ids, sw_slice(id->name, id->size));
    sw_list_remove(&id->aging);
    charge(store, -(int64_t)(sizeof(*id) + id->size));
    sw_free(id);
}

static void forget_old_ids(struct sw_memory_store *store, uint64_t now_ms)
{
    struct sw_list *node;
    while ((node = sw_list_first(&store->aging))) {
        struct id *id = SW_CONTAINER_OF(node, struct id, aging);
        if (id->until_ms > now_ms && store->ids.count <= SW_MEMORY_IDS) {
            return;
        }
        forget_id(store, id);
    }
}

bool sw_memory_store_recall(struct sw_memory_store *store, struct sw_publish *publish,
                            uint64_t now_ms)
{
    if (publish->idempotency_size == 0) {
        return false;
    }
    forget_old_ids(store, now_ms);
    struct id *wanted = create_id(publish);
    const struct id *found = sw_map_find(&store->ids, sw_slice(wanted->name, wanted->size));
    if (found) {
        publish->position = found->position;
    }
    sw_free(wanted);
    return found != NULL;
}

void sw_memory_store_remember(struct sw_memory_store *store, const struct sw_publish *publish,
                              uint64_t now_ms)
{
    if (publish->idempotency_size == 0) {
        return;
    }
    struct id *id = create_id(publish);
    id->until_ms = now_ms + SW_IDEMPOTENCY_MS;
    sw_map_insert(&store->ids, sw_slice(id->name, id->size), id);
    sw_list_push(&store->aging, &id->aging);
    charge(store, (int64_t)(sizeof(*id) + id->size));
    forget_old_ids(store, now_ms);
}

/* ---- reads ---- */

void sw_memory_store_read(struct sw_memory_store *store, struct sw_history_read *read,
                          uint64_t now_ms)
{
    struct topic *topic = sw_map_find(&store->topics, read->topic);
    read->outcome = SW_READ_DONE;
    read->entries = store->entries;
    if (!topic) {
        return;
    }
    expire(store, topic, now_ms);
    read->lineage.epoch = topic->epoch;
    read->top = topic->top;
    if (read->limit == 0 || topic->entries.count == 0) {
        return;
    }
    read->first = topic->top - topic->entries.count + 1;
    uint64_t offset = read->from > read->first ? read->from : read->first;
    for (; offset <= topic->top && read->count < read->limit; offset++) {
        const struct entry *entry = sw_ring_at(&topic->entries, offset - read->first);
        store->entries[read->count++] =
            (struct sw_history_entry){offset, sw_slice(entry->raw, entry->size)};
    }
}

struct sw_slice sw_memory_store_last(const struct sw_memory_store *store, struct sw_slice name)
{
    const struct topic *topic = sw_map_find(&store->topics, name);
    if (!topic || topic->entries.count == 0) {
        return (struct sw_slice){0};
    }
    const struct entry *entry = sw_ring_at(&topic->entries, topic->entries.count - 1);
    return sw_slice(entry->raw, entry->size);
}

/* ---- life ---- */

struct sw_memory_store *sw_memory_store_create(struct sw_purse *purse, const struct sw_rules *rules)
{
    struct sw_memory_store *store = sw_zalloc(sizeof(*store));
    store->purse = purse;
    sw_list_init(&store->used);
    sw_list_init(&store->empty);
    sw_list_init(&store->aging);
    for (uint32_t i = 0; rules && i < rules->count; i++) {
        if (rules->rows[i].history_size > 0 || rules->rows[i].retain) {
            store->rules = rules;
        }
    }
    return store;
}

void sw_memory_store_destroy(struct sw_memory_store *store)
{
    struct sw_list *node;
    while ((node = sw_list_first(&store->used)) || (node = sw_list_first(&store->empty))) {
        forget_topic(store, SW_CONTAINER_OF(node, struct topic, used));
    }
    while ((node = sw_list_first(&store->aging))) {
        forget_id(store, SW_CONTAINER_OF(node, struct id, aging));
    }
    sw_map_deinit(&store->topics);
    sw_map_deinit(&store->ids);
    sw_buf_deinit(&store->wrapped);
    sw_free(store);
}
