// SPDX-License-Identifier: Apache-2.0
#include "bus/bus.h"

#include "bus/envelope.h"
#include "bus/exchange.h"
#include "bus/redis/redis.h"
#include "bus/report.h"
#include "common/assert.h"
#include "common/clock.h"
#include "common/mem.h"
#include "core/limits.h"

#include <string.h>

struct sw_bus {
    struct sw_inbox inbox;
    struct sw_loop *loop;
    struct sw_exchange *exchange;
    struct sw_backend *backend;
    bool stopped;
    bool dead; /* being destroyed: posts are only freed */
};

/* ---- publishes ---- */

static char *put(char *at, struct sw_slice slice)
{
    return slice.size ? mempcpy(at, slice.data, slice.size) : at;
}

struct sw_publish *sw_publish_create(struct sw_slice topic, struct sw_slice key,
                                     struct sw_slice idempotency, struct sw_slice payload)
{
    SW_ASSERT(topic.size > 0 && topic.size <= SW_TOPIC_BYTES);
    SW_ASSERT(key.size == 0 || sw_envelope_key_valid(key));
    SW_ASSERT(idempotency.size == 0 || sw_envelope_key_valid(idempotency));
    SW_ASSERT(payload.size <= UINT32_MAX);
    size_t size = topic.size + key.size + idempotency.size + payload.size;
    struct sw_publish *publish = sw_alloc(sizeof(*publish) + size);
    *publish = (struct sw_publish){
        .post = {.kind = SW_POST_PUBLISH},
        .begun_ns = sw_clock_ns(),
        .error = SW_ERROR_NONE,
        .topic_size = (uint8_t)topic.size,
        .key_size = (uint8_t)key.size,
        .idempotency_size = (uint8_t)idempotency.size,
        .size = (uint32_t)payload.size,
    };
    put(put(put(put(publish->bytes, topic), key), idempotency), payload);
    return publish;
}

void sw_publish_destroy(struct sw_publish *publish)
{
    sw_free(publish);
}

/* ---- lookups ---- */

struct sw_lookup *sw_lookup_create(struct sw_slice topic)
{
    SW_ASSERT(topic.size > 0 && topic.size <= SW_TOPIC_BYTES);
    struct sw_lookup *lookup = sw_zalloc(sizeof(*lookup) + topic.size);
    lookup->topic_size = (uint8_t)topic.size;
    memcpy(lookup->topic, topic.data, topic.size);
    return lookup;
}

void sw_lookup_destroy(struct sw_lookup *lookup)
{
    for (uint32_t i = 0; i < lookup->count; i++) {
        sw_message_unref(lookup->messages[i].message);
    }
    sw_free(lookup->messages);
    sw_free(lookup);
}

/* ---- the URL ---- */

static bool is_memory(const char *url)
{
    return strcmp(url, "memory") == 0;
}

static const char *url_fault(const char *url)
{
    static const struct {
        const char *scheme;
        const char *why;
    } later[] = {
        {"rediss://", "Redis over TLS (rediss://) is not supported yet by this version"},
        {"redis-sentinel://",
         "Redis Sentinel (redis-sentinel://) is not supported yet by this version"},
        {"redis-cluster://",
         "Redis Cluster (redis-cluster://) is not supported yet by this version"},
    };
    struct sw_slice text = sw_slice_of(url);
    for (size_t i = 0; i < SW_ARRAY_SIZE(later); i++) {
        if (sw_slice_starts_with(text, sw_slice_of(later[i].scheme))) {
            return later[i].why;
        }
    }
    if (is_memory(url)) {
        return NULL;
    }
    if (!sw_slice_starts_with(text, SW_SLICE("redis://"))) {
        return "it must be memory or redis://[user:pass@]host[:port][/db]";
    }
    const char *why = NULL;
    struct sw_redis_url parsed;
    if (!sw_redis_url_parse(url, &parsed, &why)) {
        return why;
    }
    sw_redis_url_deinit(&parsed);
    return NULL;
}

bool sw_bus_url_check(const char *url, const char **why)
{
    const char *fault = url_fault(url);
    if (fault && why) {
        *why = fault;
    }
    return !fault;
}

/* What may be a password goes, also in a URL that is wrong: it is shown most of all then. */
void sw_bus_url_public(const char *url, struct sw_buf *out)
{
    const char *scheme = strstr(url, "://");
    const char *begin = scheme ? scheme + 3 : url;
    const char *end = strrchr(begin, '@');
    if (!end) {
        sw_buf_append_slice(out, sw_slice_of(url));
        return;
    }
    const char *colon = memchr(begin, ':', (size_t)(end - begin));
    const char *shown = colon ? colon + 1 : begin;
    sw_buf_append(out, url, (size_t)(shown - url));
    sw_buf_append_slice(out, SW_SLICE("***"));
    sw_buf_append_slice(out, sw_slice_of(end));
}

/* ---- the inbox ---- */

static void drop_post(struct sw_bus *bus, struct sw_post *post)
{
    switch ((enum sw_post_kind)post->kind) {
    case SW_POST_JOIN:
    case SW_POST_LEAVE:
    case SW_POST_ASK:
    case SW_POST_CHECK:
        sw_free(SW_CONTAINER_OF(post, struct sw_join, post));
        return;
    case SW_POST_BATCH:
        sw_exchange_returned(bus->exchange, SW_CONTAINER_OF(post, struct sw_batch, post));
        return;
    case SW_POST_PUBLISH:
        sw_publish_destroy(SW_CONTAINER_OF(post, struct sw_publish, post));
        return;
    case SW_POST_LOOKUP: { /* as a report */
        struct sw_lookup *lookup = SW_CONTAINER_OF(post, struct sw_lookup, post);
        lookup->done(lookup->context, lookup);
        return;
    }
    case SW_POST_REPORT: { /* its asker stands on this thread now, and has no inbox any more */
        struct sw_report *report = SW_CONTAINER_OF(post, struct sw_report, post);
        report->done(report->context, report);
        return;
    }
    case SW_POST_NOTICE:
    case SW_POST_NODE:
        break;
    }
    SW_UNREACHABLE();
}

static void on_post(void *role, struct sw_post *post)
{
    struct sw_bus *bus = role;
    if (bus->dead) {
        drop_post(bus, post);
        return;
    }
    switch ((enum sw_post_kind)post->kind) {
    case SW_POST_JOIN:
        sw_exchange_join(bus->exchange, SW_CONTAINER_OF(post, struct sw_join, post));
        sw_free(SW_CONTAINER_OF(post, struct sw_join, post));
        return;
    case SW_POST_LEAVE:
        sw_exchange_leave(bus->exchange, SW_CONTAINER_OF(post, struct sw_join, post));
        sw_free(SW_CONTAINER_OF(post, struct sw_join, post));
        return;
    case SW_POST_ASK:
        sw_exchange_ask(bus->exchange, SW_CONTAINER_OF(post, struct sw_join, post));
        sw_free(SW_CONTAINER_OF(post, struct sw_join, post));
        return;
    case SW_POST_CHECK:
        sw_exchange_check(bus->exchange, SW_CONTAINER_OF(post, struct sw_join, post));
        sw_free(SW_CONTAINER_OF(post, struct sw_join, post));
        return;
    case SW_POST_BATCH:
        sw_exchange_returned(bus->exchange, SW_CONTAINER_OF(post, struct sw_batch, post));
        return;
    case SW_POST_PUBLISH:
        sw_exchange_publish(bus->exchange, SW_CONTAINER_OF(post, struct sw_publish, post));
        return;
    case SW_POST_LOOKUP:
        sw_exchange_lookup(bus->exchange, SW_CONTAINER_OF(post, struct sw_lookup, post));
        return;
    case SW_POST_REPORT:
        sw_exchange_report(bus->exchange, SW_CONTAINER_OF(post, struct sw_report, post));
        return;
    case SW_POST_NOTICE:
    case SW_POST_NODE:
        break;
    }
    SW_UNREACHABLE();
}

/* ---- any thread ---- */

struct sw_inbox *sw_bus_inbox(struct sw_bus *bus)
{
    return &bus->inbox;
}

static void post_join(struct sw_bus *bus, enum sw_post_kind kind, const struct sw_join *from,
                      struct sw_slice name)
{
    SW_ASSERT(name.size > 0 && name.size <= SW_TOPIC_BYTES);
    struct sw_join *join = sw_alloc(sizeof(*join) + name.size);
    *join = *from;
    join->post = (struct sw_post){
        .kind = (uint32_t)kind,
        .bytes = (uint32_t)(sizeof(*join) + name.size),
    };
    join->size = (uint8_t)name.size;
    memcpy(join->name, name.data, name.size);
    sw_inbox_post(&bus->inbox, &join->post);
}

void sw_bus_join(struct sw_bus *bus, uint32_t worker, uint32_t tape, uint32_t generation,
                 struct sw_slice name, bool pattern)
{
    struct sw_join join = {
        .worker = worker, .tape = tape, .generation = generation, .pattern = pattern};
    post_join(bus, SW_POST_JOIN, &join, name);
}

void sw_bus_leave(struct sw_bus *bus, uint32_t worker, uint32_t tape, uint32_t generation,
                  struct sw_slice name, bool pattern)
{
    struct sw_join join = {
        .worker = worker, .tape = tape, .generation = generation, .pattern = pattern};
    post_join(bus, SW_POST_LEAVE, &join, name);
}

void sw_bus_ask(struct sw_bus *bus, uint32_t worker, uint32_t tape, uint32_t generation,
                struct sw_slice name, uint64_t run)
{
    struct sw_join join = {.worker = worker, .tape = tape, .generation = generation, .number = run};
    post_join(bus, SW_POST_ASK, &join, name);
}

void sw_bus_check(struct sw_bus *bus, uint32_t worker, uint32_t tape, uint32_t generation,
                  struct sw_slice name, uint32_t number)
{
    struct sw_join join = {
        .worker = worker, .tape = tape, .generation = generation, .number = number};
    post_join(bus, SW_POST_CHECK, &join, name);
}

void sw_bus_publish(struct sw_bus *bus, struct sw_inbox *from, struct sw_publish *publish)
{
    publish->from = from;
    publish->error = SW_ERROR_NONE;
    publish->outcome_unknown = false;
    publish->retry_ms = 0;
    publish->receivers = 0;
    publish->post = (struct sw_post){
        .kind = SW_POST_PUBLISH,
        .bytes = (uint32_t)sizeof(*publish) + publish->size,
    };
    sw_inbox_post(&bus->inbox, &publish->post);
}

void sw_bus_lookup(struct sw_bus *bus, struct sw_inbox *from, struct sw_lookup *lookup)
{
    lookup->from = from;
    lookup->error = SW_ERROR_NONE;
    lookup->post = (struct sw_post){.kind = SW_POST_LOOKUP, .bytes = (uint32_t)sizeof(*lookup)};
    sw_inbox_post(&bus->inbox, &lookup->post);
}

void sw_bus_return(struct sw_bus *bus, struct sw_batch *batch)
{
    sw_inbox_post(&bus->inbox, &batch->post);
}

bool sw_bus_ever_up(const struct sw_bus *bus)
{
    return sw_exchange_ever_up(bus->exchange);
}

bool sw_bus_is_up(const struct sw_bus *bus)
{
    return sw_exchange_is_up(bus->exchange);
}

/* ---- turns and life ---- */

void sw_bus_settle(struct sw_bus *bus)
{
    bool more = sw_inbox_drain(&bus->inbox);
    sw_exchange_close_batches(bus->exchange);
    bus->backend->ops->flush(bus->backend);
    if (more) {
        sw_loop_stay_awake(bus->loop);
    }
}

void sw_bus_turn(struct sw_bus *bus)
{
    sw_exchange_tick(bus->exchange);
    if (bus->backend->ops->pump(bus->backend)) {
        sw_loop_stay_awake(bus->loop);
    }
    sw_exchange_tick(bus->exchange);
    sw_bus_settle(bus);
}

struct sw_bus *sw_bus_create(struct sw_loop *loop, const struct sw_bus_config *config,
                             struct sw_counters *counters)
{
    SW_ASSERT(sw_bus_url_check(config->url, NULL));
    struct sw_bus *bus = sw_zalloc(sizeof(*bus));
    bus->loop = loop;
    int status = sw_inbox_init(&bus->inbox, loop, on_post, bus);
    SW_ASSERT(status == 0);
    bus->exchange = sw_exchange_create(loop, config, counters);
    bus->backend = config->backend ? config->backend(bus->exchange, config->backend_context)
                   : is_memory(config->url) ? sw_memory_create(bus->exchange)
                                            : sw_redis_create(bus->exchange, config->url);
    sw_exchange_set_backend(bus->exchange, bus->backend);
    return bus;
}

void sw_bus_add_worker(struct sw_bus *bus, struct sw_inbox *inbox)
{
    sw_exchange_add_worker(bus->exchange, inbox);
}

void sw_bus_start(struct sw_bus *bus)
{
    bus->backend->ops->start(bus->backend);
}

void sw_bus_stop(struct sw_bus *bus)
{
    if (bus->stopped) {
        return;
    }
    bus->stopped = true;
    bus->backend->ops->stop(bus->backend);
    sw_exchange_stopped(bus->exchange);
}

/* The workers are gone: batches that came back are taken in first, since they hold messages, and
 * what else waits in the inbox has nobody to hear of it. */
void sw_bus_destroy(struct sw_bus **pointer)
{
    struct sw_bus *bus = *pointer;
    *pointer = NULL;
    bus->dead = true;
    sw_inbox_deinit(&bus->inbox);
    sw_exchange_clear(bus->exchange);
    bus->backend->ops->destroy(bus->backend);
    sw_exchange_destroy(&bus->exchange);
    sw_free(bus);
}
