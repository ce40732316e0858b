// SPDX-License-Identifier: Apache-2.0
/* The exchange between a backend that only writes down what it is asked and two workers that only
 * listen. */
#ifndef SW_TEST_EXCHANGE_WORLD_H
#define SW_TEST_EXCHANGE_WORLD_H

#include "bus/exchange.h"

#include "core/limits.h"
#include "fake_worker.h"

#include <stdio.h>
#include <string.h>

#define WORKERS 2

struct world {
    struct sw_backend backend; /* first: they are the same address */
    struct sw_loop *loop;
    struct sw_counters *counters;
    struct sw_exchange *exchange;
    struct fake_worker workers[WORKERS];
    struct sw_inbox main; /* which hears other nodes where the world was made so */
    void (*on_notice)(struct world *world, struct sw_post *post);
    struct sw_buf asked;
    struct sw_ring publishes;
    struct sw_ring reads;  /* of histories */
    struct sw_ring values; /* of keys */
    bool acks_at_once;
    bool refuses_at_once;
};

/* ---- the backend ---- */

static inline void fake_subscribe(struct sw_backend *backend, struct sw_interest *interest)
{
    struct world *world = (struct world *)(void *)backend;
    sw_buf_printf(&world->asked, "%ssubscribe %.*s\n", interest->pattern ? "p" : "",
                  SW_SLICE_ARG(sw_interest_wire(interest)));
    if (world->acks_at_once) {
        sw_exchange_acked(backend->exchange, interest);
    } else if (world->refuses_at_once) {
        sw_exchange_refused(backend->exchange, interest, SW_ERROR_FORBIDDEN);
    }
}

static inline void fake_unsubscribe(struct sw_backend *backend, struct sw_interest *interest)
{
    struct world *world = (struct world *)(void *)backend;
    sw_buf_printf(&world->asked, "%sunsubscribe %.*s\n", interest->pattern ? "p" : "",
                  SW_SLICE_ARG(sw_interest_wire(interest)));
}

static inline void fake_publish(struct sw_backend *backend, struct sw_publish *publish)
{
    sw_ring_push(&((struct world *)(void *)backend)->publishes, publish);
}

static inline void fake_read(struct sw_backend *backend, struct sw_history_read *read)
{
    struct world *world = (struct world *)(void *)backend;
    sw_buf_printf(&world->asked, "read %.*s from %llu limit %u\n", SW_SLICE_ARG(read->topic),
                  (unsigned long long)read->from, read->limit);
    sw_ring_push(&world->reads, read);
}

static inline void fake_get(struct sw_backend *backend, struct sw_value_read *read)
{
    struct world *world = (struct world *)(void *)backend;
    sw_buf_printf(&world->asked, "get %.*s\n", SW_SLICE_ARG(read->key));
    sw_ring_push(&world->values, read);
}

/* No answer will come to what was asked. */
static inline void away(struct world *world)
{
    struct sw_history_read *read;
    struct sw_value_read *value;
    while ((read = sw_ring_pop(&world->reads))) {
        read->outcome = SW_READ_AWAY;
        read->done(read->context, read);
    }
    while ((value = sw_ring_pop(&world->values))) {
        value->done(value->context, value, (struct sw_slice){0});
    }
}

static const struct sw_backend_ops fake_ops = {
    .kind = SW_BUS_REDIS,
    .subscribe = fake_subscribe,
    .unsubscribe = fake_unsubscribe,
    .publish = fake_publish,
    .read = fake_read,
    .get = fake_get,
};

/* ---- the world ---- */

static inline void returned(void *owner, struct sw_batch *batch)
{
    sw_exchange_returned(((struct world *)owner)->exchange, batch);
}

static inline void on_main_post(void *role, struct sw_post *post)
{
    ((struct world *)role)->on_notice(role, post);
}

static inline struct world *create_hearing(const char *prefix, char separator,
                                           const struct sw_rules *rules, bool hears)
{
    struct world *world = sw_zalloc(sizeof(*world));
    world->loop = sw_loop_create();
    assert_int_equal(sw_inbox_init(&world->main, world->loop, on_main_post, world), 0);
    struct sw_bus_config config = {
        .url = "redis://127.0.0.1",
        .prefix = prefix,
        .node = "n1",
        .separator = separator,
        .max_message_bytes = 1000,
        .rules = rules,
        .notices = hears ? &world->main : NULL,
        .unsubscribe_delay_ms = 20,
    };
    world->counters = sw_zalloc(sizeof(*world->counters));
    world->exchange = sw_exchange_create(world->loop, &config, world->counters);
    world->backend = (struct sw_backend){.ops = &fake_ops, .exchange = world->exchange};
    sw_exchange_set_backend(world->exchange, &world->backend);
    for (int i = 0; i < WORKERS; i++) {
        fake_worker_init(&world->workers[i], world->loop, returned, world);
        sw_exchange_add_worker(world->exchange, &world->workers[i].inbox);
    }
    sw_exchange_up(world->exchange);
    return world;
}

static inline struct world *create(const char *prefix, char separator, const struct sw_rules *rules)
{
    return create_hearing(prefix, separator, rules, false);
}

static inline void destroy(struct world *world)
{
    assert_true(sw_exchange_sane(world->exchange));
    for (int i = 0; i < WORKERS; i++) {
        fake_worker_deinit(&world->workers[i]);
    }
    sw_exchange_clear(world->exchange);
    away(world);
    assert_int_equal(sw_counter_read(&world->counters->interests), 0);
    assert_int_equal(sw_counter_read(&world->counters->bus_up), 0);
    sw_exchange_destroy(&world->exchange);
    assert_int_equal(sw_counter_read(&world->counters->budget_used_bytes[SW_PART_MESSAGES]), 0);
    assert_int_equal(sw_counter_read(&world->counters->budget_used_bytes[SW_PART_HISTORY]), 0);
    sw_inbox_deinit(&world->main);
    sw_loop_destroy(&world->loop);
    sw_buf_deinit(&world->asked);
    sw_ring_deinit(&world->publishes);
    sw_ring_deinit(&world->reads);
    sw_ring_deinit(&world->values);
    sw_free(world->counters);
    sw_free(world);
}

static inline int setup(void **state)
{
    *state = create("", '.', NULL);
    return 0;
}

static inline int teardown(void **state)
{
    destroy(*state);
    return 0;
}

static inline struct sw_join *join_of(uint32_t worker, uint32_t tape, uint32_t generation,
                                      const char *name, bool pattern)
{
    size_t size = strlen(name);
    struct sw_join *join = sw_zalloc(sizeof(*join) + size);
    join->worker = worker;
    join->tape = tape;
    join->generation = generation;
    join->pattern = pattern;
    join->size = (uint8_t)size;
    memcpy(join->name, name, size);
    return join;
}

/* Patterns are known by their last characters, which no topic of these tests has. */
static inline bool is_pattern(const char *name)
{
    return strchr(name, '*') || strchr(name, '>');
}

static inline void join(struct world *world, uint32_t worker, uint32_t tape, uint32_t generation,
                        const char *name)
{
    struct sw_join *join = join_of(worker, tape, generation, name, is_pattern(name));
    sw_exchange_join(world->exchange, join);
    sw_free(join);
    assert_true(sw_exchange_sane(world->exchange));
}

static inline void leave(struct world *world, uint32_t worker, uint32_t tape, uint32_t generation,
                         const char *name)
{
    struct sw_join *join = join_of(worker, tape, generation, name, is_pattern(name));
    sw_exchange_leave(world->exchange, join);
    sw_free(join);
    assert_true(sw_exchange_sane(world->exchange));
}

static inline struct sw_interest *find(struct world *world, const char *wire, bool pattern)
{
    return sw_exchange_find(world->exchange, sw_slice_of(wire), pattern);
}

static inline void ack(struct world *world, const char *wire, bool pattern)
{
    struct sw_interest *interest = find(world, wire, pattern);
    assert_non_null(interest);
    sw_exchange_acked(world->exchange, interest);
}

static inline void message(struct world *world, const char *wire, const char *topic,
                           const char *raw)
{
    struct sw_interest *interest = find(world, wire, strcmp(wire, topic) != 0);
    assert_non_null(interest);
    sw_exchange_message(world->exchange, interest, sw_slice_of(topic), sw_slice_of(raw));
}

static inline void heard(struct world *world, uint32_t worker, const char *lines)
{
    for (int i = 0; i < 2; i++) { /* what was held back may come with the second */
        sw_exchange_close_batches(world->exchange);
        fake_worker_turn(&world->workers[worker]);
    }
    fake_worker_heard(&world->workers[worker], lines);
}

static inline void asked(struct world *world, const char *lines)
{
    assert_string_equal(sw_buf_text(&world->asked), lines);
    sw_buf_clear(&world->asked);
}

#endif
