// SPDX-License-Identifier: Apache-2.0
/* What the embedded bus keeps: histories, last messages, ids. */
#include "bus/memory_store.h"

#include "bus/bus.h"
#include "core/limits.h"
#include "fake_worker.h"

#include <stdio.h>
#include <string.h>

struct world {
    struct sw_loop *loop;
    struct sw_counters *counters;
    struct sw_rules rules;
    struct sw_bus *bus;
    struct fake_worker worker;
    struct sw_lookup *lookup; /* the last that came back */
};

static void returned(void *owner, struct sw_batch *batch)
{
    sw_bus_return(((struct world *)owner)->bus, batch);
}

static void init_rules(struct sw_rules *rules)
{
    struct sw_rule keeps = {.match = SW_SLICE("h.>"),
                            .modes_allowed = SW_MODES_CHOICE,
                            .history_size = 3,
                            .history_ttl_ms = 1000};
    struct sw_rule retains = {
        .match = SW_SLICE("r.>"), .modes_allowed = SW_MODES_CHOICE, .retain = true};
    sw_rules_init(rules);
    assert_true(sw_rules_add(rules, &keeps) && sw_rules_add(rules, &retains));
    sw_rules_settle(rules, '.', 1000);
}

static int setup(void **state)
{
    struct world *world = sw_zalloc(sizeof(*world));
    init_rules(&world->rules);
    struct sw_bus_config config = {.url = "memory",
                                   .node = "n1",
                                   .separator = '.',
                                   .max_message_bytes = 1000,
                                   .rules = &world->rules,
                                   .unsubscribe_delay_ms = 20};
    world->loop = sw_loop_create();
    world->counters = sw_zalloc(sizeof(*world->counters));
    world->bus = sw_bus_create(world->loop, &config, world->counters);
    fake_worker_init(&world->worker, world->loop, returned, world);
    sw_bus_add_worker(world->bus, &world->worker.inbox);
    sw_bus_start(world->bus);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    sw_bus_stop(world->bus);
    fake_worker_deinit(&world->worker);
    sw_bus_destroy(&world->bus);
    assert_int_equal(sw_counter_read(&world->counters->budget_used_bytes[SW_PART_MESSAGES]), 0);
    assert_int_equal(sw_counter_read(&world->counters->budget_used_bytes[SW_PART_HISTORY]), 0);
    if (world->lookup) {
        sw_lookup_destroy(world->lookup);
    }
    sw_loop_destroy(&world->loop);
    sw_rules_deinit(&world->rules);
    sw_free(world->counters);
    sw_free(world);
    return 0;
}

static void turn(struct world *world)
{
    for (int i = 0; i < 3; i++) { /* a look, its answer, what it leads to */
        sw_bus_turn(world->bus);
        fake_worker_turn(&world->worker);
    }
}

static void publish(struct world *world, const char *topic, const char *id, const char *payload)
{
    struct sw_publish *publish =
        sw_publish_create(sw_slice_of(topic), SW_SLICE(""), sw_slice_of(id), sw_slice_of(payload));
    sw_bus_publish(world->bus, &world->worker.inbox, publish);
}

/* Without the epochs, which are drawn, and the answers to publishes. */
static void heard(struct world *world, const char *lines)
{
    struct sw_buf plain = {0};
    turn(world);
    const char *at = sw_buf_text(&world->worker.heard);
    while (*at) {
        size_t size = strcspn(at, "\n") + 1;
        const char *colon = memchr(at, ':', size);
        if (strncmp(at, "published", 9) == 0) {
            at += size;
            continue;
        }
        if (strncmp(at, "state ", 6) == 0 && colon && colon - at > 12) {
            sw_buf_printf(&plain, "%.*s E%.*s", 9, at, (int)(size - (size_t)(colon - at)), colon);
        } else {
            sw_buf_append(&plain, at, size);
        }
        at += size;
    }
    assert_string_equal(sw_buf_text(&plain), lines);
    sw_buf_deinit(&plain);
    sw_buf_clear(&world->worker.heard);
}

static void on_lookup(void *context, struct sw_lookup *lookup)
{
    struct world *world = context;
    if (world->lookup) {
        sw_lookup_destroy(world->lookup);
    }
    world->lookup = lookup;
}

static const struct sw_lookup *look_up(struct world *world, const char *topic, uint64_t after)
{
    struct sw_lookup *lookup = sw_lookup_create(sw_slice_of(topic));
    lookup->done = on_lookup;
    lookup->context = world;
    lookup->after = after;
    lookup->limit = 10;
    sw_bus_lookup(world->bus, &world->worker.inbox, lookup);
    turn(world);
    assert_ptr_equal(world->lookup, lookup);
    return lookup;
}

static void a_history_is_kept_though_nobody_reads_it(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 5; i++) {
        char text[16];
        snprintf(text, sizeof(text), "m%d", i + 1);
        publish(world, "h.a", "", text);
    }
    const struct sw_lookup *lookup = look_up(world, "h.a", 0);
    assert_int_equal(lookup->error, SW_ERROR_NONE);
    assert_int_equal(lookup->lineage.epoch.size, 12);
    assert_int_equal(lookup->first, 3);
    assert_int_equal(lookup->last, 5);
    assert_int_equal(lookup->count, 3);
    assert_int_equal(lookup->messages[0].offset, 3);
    assert_true(sw_slice_equal(sw_message_payload(lookup->messages[2].message), SW_SLICE("m5")));
    assert_true(lookup->messages[0].message->time_ms > 0);
    assert_int_equal(look_up(world, "h.a", 4)->count, 1);
    assert_int_equal(look_up(world, "plain", 0)->error, SW_ERROR_NO_HISTORY);
    assert_int_equal(look_up(world, "h.b", 0)->last, 0);
}

static void a_reader_gets_positions_and_runs(void **state)
{
    struct world *world = *state;
    publish(world, "h.a", "", "m1");
    publish(world, "h.a", "", "m2");
    turn(world);
    sw_buf_clear(&world->worker.heard);
    sw_bus_join(world->bus, 0, 1, 1, SW_SLICE("h.a"), false);
    heard(world, "state 1.1 E:2 joined\n");
    publish(world, "h.a", "", "m3");
    heard(world, "msg 1.1 h.a @3 m3\n");
    sw_bus_ask(world->bus, 0, 1, 1, SW_SLICE("h.a"), 0);
    heard(world, "run 1.1 0 to 3: 1=m1 2=m2 3=m3\n");
    sw_bus_check(world->bus, 0, 1, 1, SW_SLICE("h.a"), 9);
    heard(world, "state 1.1 E:3 check 9\n");
}

static void a_topic_is_named_with_its_first_message(void **state)
{
    struct world *world = *state;
    sw_bus_join(world->bus, 0, 1, 1, SW_SLICE("h.a"), false);
    heard(world, "state 1.1 0:0 joined\n");
    publish(world, "h.a", "", "m1");
    heard(world, "state 1.1 E:0\nmsg 1.1 h.a @1 m1\n");
}

static void an_id_is_published_once(void **state)
{
    struct world *world = *state;
    sw_bus_join(world->bus, 0, 1, 1, SW_SLICE("h.a"), false);
    sw_bus_join(world->bus, 0, 2, 1, SW_SLICE("plain"), false);
    publish(world, "h.a", "", "m1");
    turn(world);
    sw_buf_clear(&world->worker.heard);
    publish(world, "h.a", "i1", "m2");
    publish(world, "h.a", "i1", "m2 again");
    publish(world, "h.b", "i1", "of another topic");
    publish(world, "h.a", "i2", "m3");
    publish(world, "plain", "i1", "x");
    publish(world, "plain", "i1", "x again");
    heard(world, "msg 1.1 h.a @2 m2\nmsg 1.1 h.a @3 m3\nmsg 2.1 plain x\n");
    assert_int_equal(sw_counter_read(&world->counters->published_total), 7);
}

static void the_last_message_of_a_retained_topic_waits_for_who_comes(void **state)
{
    struct world *world = *state;
    publish(world, "r.a", "", "one");
    publish(world, "r.a", "", "two");
    turn(world);
    sw_buf_clear(&world->worker.heard);
    sw_bus_join(world->bus, 0, 1, 1, SW_SLICE("r.a"), false);
    heard(world, "state 1.1 retained two\n");
    publish(world, "r.a", "", "three");
    sw_bus_join(world->bus, 0, 2, 1, SW_SLICE("r.a"), false);
    heard(world, "msg 1.1 r.a three\nstate 2.1 retained three\n");
}

/* ---- the store ---- */

struct shelf {
    struct sw_rules rules;
    struct sw_budget budget;
    struct sw_purse purse;
    _Atomic int64_t parts[SW_PART_COUNT];
    struct sw_memory_store *store;
};

static int shelf_setup(void **state)
{
    struct shelf *shelf = sw_zalloc(sizeof(*shelf));
    init_rules(&shelf->rules);
    sw_budget_init(&shelf->budget, 1 << 30);
    sw_purse_init(&shelf->purse, &shelf->budget, shelf->parts);
    shelf->store = sw_memory_store_create(&shelf->purse, &shelf->rules);
    *state = shelf;
    return 0;
}

static int shelf_teardown(void **state)
{
    struct shelf *shelf = *state;
    sw_memory_store_destroy(shelf->store);
    assert_int_equal(shelf->parts[SW_PART_HISTORY], 0);
    sw_rules_deinit(&shelf->rules);
    sw_free(shelf);
    return 0;
}

static struct sw_position take(struct shelf *shelf, const char *topic, size_t size, uint64_t now_ms)
{
    char *payload = sw_zalloc(size + 1);
    memset(payload, '1', size);
    struct sw_publish *publish =
        sw_publish_create(sw_slice_of(topic), SW_SLICE(""), SW_SLICE(""), sw_slice(payload, size));
    sw_memory_store_take(shelf->store, publish, now_ms);
    struct sw_position position = publish->position;
    sw_publish_destroy(publish);
    sw_free(payload);
    return position;
}

static struct sw_history_read read_of(struct shelf *shelf, const char *topic, uint64_t now_ms)
{
    struct sw_history_read read = {.topic = sw_slice_of(topic), .from = 1, .limit = 500};
    sw_memory_store_read(shelf->store, &read, now_ms);
    return read;
}

static void silence_empties_a_topic_and_keeps_its_position(void **state)
{
    struct shelf *shelf = *state;
    struct sw_position first = take(shelf, "h.a", 10, 0);
    assert_int_equal(read_of(shelf, "h.a", 1000).count, 1);
    struct sw_history_read read = read_of(shelf, "h.a", 1001);
    assert_int_equal(read.count, 0);
    assert_int_equal(read.first, 0);
    assert_int_equal(read.top, 1);
    struct sw_position second = take(shelf, "h.a", 10, 5000);
    assert_int_equal(second.offset, 2);
    assert_true(sw_epoch_equal(&first.epoch, &second.epoch));
    assert_int_equal(read_of(shelf, "h.a", 5000).first, 2);
}

static void the_oldest_topics_give_way_to_the_newest(void **state)
{
    struct shelf *shelf = *state;
    char name[16];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "h.%d", i);
        take(shelf, name, SW_MEMORY_STORE_BYTES / 32, 0);
    }
    assert_true(shelf->store->bytes <= SW_MEMORY_STORE_BYTES);
    assert_int_equal(read_of(shelf, "h.0", 0).count, 0);
    assert_int_equal(read_of(shelf, "h.0", 0).top, 1);
    assert_int_equal(read_of(shelf, "h.39", 0).count, 1);
    shelf->purse.step = SW_BUDGET_TIGHT;
    take(shelf, "h.x", 10, 0);
    assert_true(shelf->store->bytes <= SW_MEMORY_STORE_TIGHT_BYTES);
}

static void there_are_not_too_many_topics(void **state)
{
    struct shelf *shelf = *state;
    char name[16];
    struct sw_position first = take(shelf, "h.first", 1, 0);
    for (int i = 0; i < SW_MEMORY_TOPICS; i++) {
        snprintf(name, sizeof(name), "h.%d", i);
        take(shelf, name, 1, 0);
    }
    assert_int_equal(shelf->store->topics.count, SW_MEMORY_TOPICS);
    struct sw_position again = take(shelf, "h.first", 1, 0);
    assert_int_equal(again.offset, 1);
    assert_false(sw_epoch_equal(&first.epoch, &again.epoch));
}

static void a_topic_without_messages_is_forgotten_before_an_older_one(void **state)
{
    struct shelf *shelf = *state;
    char name[16];
    take(shelf, "h.old", 1, 0);
    take(shelf, "h.silent", 1, 0);
    assert_int_equal(read_of(shelf, "h.silent", 1001).top, 1);
    for (int i = 1; i < SW_MEMORY_TOPICS; i++) {
        snprintf(name, sizeof(name), "h.%d", i);
        take(shelf, name, 1, 0);
    }
    assert_int_equal(shelf->store->topics.count, SW_MEMORY_TOPICS);
    assert_int_equal(read_of(shelf, "h.old", 0).count, 1);
    assert_int_equal(read_of(shelf, "h.silent", 0).top, 0);
}

static bool is_known(struct shelf *shelf, const char *id, uint64_t now_ms)
{
    struct sw_publish *publish =
        sw_publish_create(SW_SLICE("t"), SW_SLICE(""), sw_slice_of(id), SW_SLICE("x"));
    bool known = sw_memory_store_recall(shelf->store, publish, now_ms);
    if (!known) {
        sw_memory_store_remember(shelf->store, publish, now_ms);
    }
    sw_publish_destroy(publish);
    return known;
}

static void ids_are_forgotten_after_their_time_and_when_there_are_too_many(void **state)
{
    struct shelf *shelf = *state;
    char id[16];
    assert_false(is_known(shelf, "a", 0));
    assert_true(is_known(shelf, "a", SW_IDEMPOTENCY_MS - 1));
    assert_false(is_known(shelf, "a", SW_IDEMPOTENCY_MS));
    for (int i = 0; i < SW_MEMORY_IDS; i++) {
        snprintf(id, sizeof(id), "i%d", i);
        assert_false(is_known(shelf, id, SW_IDEMPOTENCY_MS));
    }
    assert_int_equal(shelf->store->ids.count, SW_MEMORY_IDS);
    assert_true(is_known(shelf, "i1", SW_IDEMPOTENCY_MS));
    assert_false(is_known(shelf, "a", SW_IDEMPOTENCY_MS));
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define SHELF(name) cmocka_unit_test_setup_teardown(name, shelf_setup, shelf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_history_is_kept_though_nobody_reads_it),
        TEST(a_reader_gets_positions_and_runs),
        TEST(a_topic_is_named_with_its_first_message),
        TEST(an_id_is_published_once),
        TEST(the_last_message_of_a_retained_topic_waits_for_who_comes),
        SHELF(silence_empties_a_topic_and_keeps_its_position),
        SHELF(the_oldest_topics_give_way_to_the_newest),
        SHELF(there_are_not_too_many_topics),
        SHELF(a_topic_without_messages_is_forgotten_before_an_older_one),
        SHELF(ids_are_forgotten_after_their_time_and_when_there_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
