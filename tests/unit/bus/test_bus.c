// SPDX-License-Identifier: Apache-2.0
/* The bus role as workers see it, on the embedded bus. */
#include "bus/bus.h"

#include "fake_worker.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct world {
    struct sw_loop *loop;
    struct sw_counters *counters;
    struct sw_bus *bus;
    struct fake_worker workers[2];
};

static void returned(void *owner, struct sw_batch *batch)
{
    sw_bus_return(((struct world *)owner)->bus, batch);
}

static struct world *create(const char *prefix)
{
    struct world *world = sw_zalloc(sizeof(*world));
    char url[] = "memory";
    struct sw_bus_config config = {
        .url = url,
        .prefix = prefix,
        .node = "n1",
        .separator = '.',
        .max_message_bytes = 1000,
        .unsubscribe_delay_ms = 20,
    };
    world->loop = sw_loop_create();
    world->counters = sw_zalloc(sizeof(*world->counters));
    world->bus = sw_bus_create(world->loop, &config, world->counters);
    memset(url, 'x', sizeof(url) - 1); /* it has a copy */
    for (int i = 0; i < 2; i++) {
        fake_worker_init(&world->workers[i], world->loop, returned, world);
        sw_bus_add_worker(world->bus, &world->workers[i].inbox);
    }
    return world;
}

static void destroy(struct world *world)
{
    sw_bus_stop(world->bus);
    for (int i = 0; i < 2; i++) {
        fake_worker_deinit(&world->workers[i]);
    }
    sw_bus_destroy(&world->bus);
    assert_null(world->bus);
    assert_int_equal(sw_counter_read(&world->counters->interests), 0);
    assert_int_equal(sw_counter_read(&world->counters->bus_up), 0);
    assert_int_equal(sw_counter_read(&world->counters->budget_used_bytes[SW_PART_MESSAGES]), 0);
    sw_loop_destroy(&world->loop);
    sw_free(world->counters);
    sw_free(world);
}

static int setup(void **state)
{
    struct world *world = create("");
    sw_bus_start(world->bus);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    destroy(*state);
    return 0;
}

static bool is_pattern(const char *name)
{
    return strchr(name, '*') || strchr(name, '>');
}

static void join(struct world *world, uint32_t worker, uint32_t tape, const char *name)
{
    sw_bus_join(world->bus, worker, tape, 1, sw_slice_of(name), is_pattern(name));
}

static void leave(struct world *world, uint32_t worker, uint32_t tape, const char *name)
{
    sw_bus_leave(world->bus, worker, tape, 1, sw_slice_of(name), is_pattern(name));
}

static void publish(struct world *world, uint64_t id, const char *topic, const char *key,
                    const char *payload)
{
    struct sw_publish *publish =
        sw_publish_create(sw_slice_of(topic), sw_slice_of(key), SW_SLICE(""), sw_slice_of(payload));
    publish->id = id;
    sw_bus_publish(world->bus, &world->workers[0].inbox, publish);
}

static void heard(struct world *world, uint32_t worker, const char *lines)
{
    sw_bus_turn(world->bus);
    fake_worker_turn(&world->workers[worker]);
    fake_worker_heard(&world->workers[worker], lines);
}

static void a_publish_reaches_its_readers_and_comes_back(void **state)
{
    struct world *world = *state;
    join(world, 0, 1, "orders.eu");
    join(world, 1, 4, "orders.eu");
    publish(world, 7, "orders.eu", "", "{\"id\":1}");
    heard(world, 0, "published 7\nstate 1.1\nmsg 1.1 orders.eu {\"id\":1}\n");
    heard(world, 1, "state 4.1\nmsg 4.1 orders.eu {\"id\":1}\n");
    assert_int_equal(sw_counter_read(&world->counters->published_total), 1);
    assert_int_equal(sw_counter_read(&world->counters->messages_total[SW_BUS_MEMORY]), 1);
    assert_int_equal(sw_counter_read(&world->counters->bus_ignored_total), 0);
}

static void a_publish_that_nobody_reads_is_good(void **state)
{
    struct world *world = *state;
    publish(world, 1, "orders.eu", "", "x");
    heard(world, 0, "published 1\n");
    assert_int_equal(sw_counter_read(&world->counters->messages_total[SW_BUS_MEMORY]), 0);
}

static void every_pattern_that_covers_a_topic_gets_it_once(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {"t.eu", "t.>", "t.*", "t.*.x", "u.>", "tt.>", "t.eu.>"};
    for (uint32_t i = 0; i < SW_ARRAY_SIZE(names); i++) {
        join(world, 0, i, names[i]);
    }
    heard(world, 0,
          "state 0.1\nstate 1.1\nstate 2.1\nstate 3.1\nstate 4.1\nstate 5.1\nstate 6.1\n");
    publish(world, 1, "t.eu", "", "a");
    heard(world, 0, "published 1\nmsg 0.1 t.eu a\nmsg 1.1 t.eu a\nmsg 2.1 t.eu a\n");
    publish(world, 2, "t", "", "b");
    heard(world, 0, "published 2\n");
    publish(world, 3, "t.eu.x", "", "c");
    heard(world, 0, "published 3\nmsg 1.1 t.eu.x c\nmsg 3.1 t.eu.x c\nmsg 6.1 t.eu.x c\n");
    assert_int_equal(sw_counter_read(&world->counters->bus_ignored_total), 0);
}

static void patterns_that_are_given_up_leave_the_others_alone(void **state)
{
    struct world *world = *state;
    char name[16];
    for (uint32_t i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "t.%u.>", i);
        join(world, 0, i, name);
    }
    sw_bus_turn(world->bus);
    for (uint32_t i = 0; i < 10; i += 2) {
        snprintf(name, sizeof(name), "t.%u.>", i);
        leave(world, 0, i, name);
    }
    sw_bus_turn(world->bus);
    fake_pause(world->loop, 120);
    assert_int_equal(sw_counter_read(&world->counters->interests), 5);
    fake_worker_turn(&world->workers[0]);
    sw_buf_clear(&world->workers[0].heard);
    publish(world, 1, "t.3.x", "", "a");
    publish(world, 2, "t.4.x", "", "b");
    heard(world, 0, "published 1\npublished 2\nmsg 3.1 t.3.x a\n");
}

static void keys_and_payloads_that_look_wrapped_arrive_as_they_were(void **state)
{
    struct world *world = *state;
    join(world, 0, 1, "a");
    publish(world, 1, "a", "c-19", "x");
    publish(world, 2, "a", "",
            "\x1e"
            "1;;k=forged\x1ey");
    publish(world, 3, "a", "", "");
    heard(world, 0,
          "published 1\npublished 2\npublished 3\nstate 1.1\n"
          "msg 1.1 a k=c-19 x\nmsg 1.1 a \x1e"
          "1;;k=forged\x1ey\nmsg 1.1 a \n");
}

static void a_prefix_stays_on_the_bus(void **state)
{
    (void)state;
    struct world *world = create("p[1]:");
    sw_bus_start(world->bus);
    join(world, 0, 1, "a.b");
    join(world, 0, 2, "a.>");
    publish(world, 1, "a.b", "", "x");
    heard(world, 0, "published 1\nstate 1.1\nstate 2.1\nmsg 1.1 a.b x\nmsg 2.1 a.b x\n");
    destroy(world);
}

static void before_the_start_and_after_the_stop_it_is_away(void **state)
{
    (void)state;
    struct world *world = create("");
    join(world, 0, 1, "a");
    join(world, 0, 2, "a.>");
    publish(world, 1, "a", "", "x");
    heard(world, 0, "publish 1 bus_unavailable\n");
    assert_false(sw_bus_ever_up(world->bus));
    sw_bus_start(world->bus);
    assert_true(sw_bus_is_up(world->bus));
    heard(world, 0, "state 1.1\nstate 2.1\n");
    sw_bus_stop(world->bus);
    assert_false(sw_bus_is_up(world->bus));
    assert_true(sw_bus_ever_up(world->bus));
    publish(world, 2, "a", "", "x");
    heard(world, 0, "publish 2 bus_unavailable\n");
    assert_int_equal(sw_counter_read(&world->counters->bus_losses_total), 0);
    destroy(world);
}

static void what_waits_at_the_end_is_freed(void **state)
{
    struct world *world = *state;
    join(world, 0, 1, "a");
    publish(world, 1, "a", "", "x");
    sw_bus_turn(world->bus);
    join(world, 0, 2, "b");
    leave(world, 0, 1, "a");
    publish(world, 2, "a", "", "x");
}

static void posts_beyond_one_turn_are_done_in_the_next(void **state)
{
    struct world *world = *state;
    world->workers[0].quiet = true;
    join(world, 0, 1, "a");
    heard(world, 0, "state 1.1\n");
    for (int i = 0; i < 3000; i++) {
        publish(world, 1, "a", "", "x");
    }
    uint64_t turns = 0;
    while (world->workers[0].messages < 3000) {
        sw_bus_turn(world->bus);
        fake_worker_turn(&world->workers[0]);
        turns++;
    }
    assert_in_range(turns, 3, 4);
}

/* ---- two threads ---- */

struct bus_thread {
    struct world *world;
    struct sw_turn turn;
    _Atomic bool over;
    pthread_t thread;
};

static void turn_bus(void *owner)
{
    struct bus_thread *thread = owner;
    sw_bus_turn(thread->world->bus);
    if (atomic_load(&thread->over)) {
        sw_loop_stop(thread->world->loop);
    }
}

static void *run_bus(void *argument)
{
    sw_loop_run(((struct bus_thread *)argument)->world->loop);
    return NULL;
}

static void stop_worker(struct sw_loop *loop, struct fake_worker *worker, uint64_t until)
{
    if (worker->messages == until) {
        sw_loop_stop(loop);
    }
}

struct worker_turn {
    struct sw_turn turn;
    struct sw_loop *loop;
    struct fake_worker worker;
};

static void turn_worker(void *owner)
{
    struct worker_turn *turn = owner;
    sw_inbox_drain(&turn->worker.inbox);
    stop_worker(turn->loop, &turn->worker, 5000);
}

static void a_bus_on_its_own_thread_delivers_everything_in_order(void **state)
{
    struct world *world = *state;
    struct worker_turn worker = {.loop = sw_loop_create()};
    fake_worker_init(&worker.worker, worker.loop, returned, world);
    sw_bus_add_worker(world->bus, &worker.worker.inbox); /* number 2 */
    worker.turn = (struct sw_turn){.run = turn_worker, .owner = &worker};
    sw_loop_add_turn(worker.loop, &worker.turn);
    struct bus_thread bus = {.world = world};
    bus.turn = (struct sw_turn){.run = turn_bus, .owner = &bus};
    sw_loop_add_turn(world->loop, &bus.turn);
    assert_int_equal(pthread_create(&bus.thread, NULL, run_bus, &bus), 0);
    join(world, 2, 1, "a");
    struct sw_buf expected = {0};
    sw_buf_append_slice(&expected, SW_SLICE("state 1.1\n"));
    for (uint64_t i = 0; i < 5000; i++) {
        char payload[24];
        snprintf(payload, sizeof(payload), "%llu", (unsigned long long)i);
        publish(world, i, "a", "", payload);
        sw_buf_printf(&expected, "msg 1.1 a %s\n", payload);
    }
    sw_loop_run(worker.loop);
    fake_worker_heard(&worker.worker, sw_buf_text(&expected));
    sw_buf_deinit(&expected);
    atomic_store(&bus.over, true);
    leave(world, 2, 1, "a"); /* wakes it */
    assert_int_equal(pthread_join(bus.thread, NULL), 0);
    fake_worker_deinit(&worker.worker);
    sw_loop_destroy(&worker.loop);
    world->workers[0].quiet = true;
    fake_worker_turn(&world->workers[0]); /* its publishes */
}

/* ---- URLs ---- */

static void urls_are_checked_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *why; /* a part of it; NULL: good */
    } rows[] = {
        {"memory", NULL},
        {"redis://127.0.0.1:6379", NULL},
        {"redis://user:pass@redis.example:6380/3", NULL},
        {"rediss://h", "not supported yet by this version"},
        {"redis-sentinel://h:1,h:2/m", "not supported yet by this version"},
        {"redis-cluster://h:1", "not supported yet by this version"},
        {"", "memory or redis://"},
        {"Memory", "memory or redis://"},
        {"memory://", "memory or redis://"},
        {"http://h", "memory or redis://"},
        {"redis://", ""},
        {"redis://h:x", ""},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        const char *why = NULL;
        assert_int_equal(sw_bus_url_check(rows[i].url, &why), rows[i].why == NULL);
        assert_int_equal(sw_bus_url_check(rows[i].url, NULL), rows[i].why == NULL);
        if (rows[i].why) {
            assert_non_null(why);
            assert_non_null(strstr(why, rows[i].why));
        }
    }
}

static void a_password_is_never_shown(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"memory", "memory"},
        {"redis://h:6379/0", "redis://h:6379/0"},
        {"redis://user:secret@h:6379", "redis://user:***@h:6379"},
        {"redis://:secret@h", "redis://:***@h"},
        {"redis://secret@h", "redis://***@h"},
        {"redis://user:sec@ret@h", "redis://user:***@h"},
        {"redis://user:sec/ret@h/1", "redis://user:***@h/1"},
        {"redis://user:s:e:c@h/1", "redis://user:***@h/1"},
        {"user:secret@h", "user:***@h"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_buf out = {0};
        sw_bus_url_public(rows[i][0], &out);
        assert_string_equal(sw_buf_text(&out), rows[i][1]);
        sw_buf_deinit(&out);
    }
}

/* A message weighs once, from when it is taken until the last worker has handed it back. */
static void messages_are_charged_until_they_come_back(void **state)
{
    struct world *world = *state;
    _Atomic int64_t *used = &world->counters->budget_used_bytes[SW_PART_MESSAGES];
    join(world, 0, 1, "a");
    join(world, 1, 2, "a");
    world->workers[1].stuck = true;
    publish(world, 1, "a", "", "{\"id\":1}");
    sw_bus_turn(world->bus);
    int64_t one = sw_counter_read(used);
    assert_in_range(one, 8, sizeof(struct sw_message) + 16);
    fake_worker_turn(&world->workers[0]);
    fake_worker_turn(&world->workers[1]);
    sw_bus_turn(world->bus);
    assert_int_equal(sw_counter_read(used), one); /* one of two holds it */
    fake_worker_wake(&world->workers[1]);
    sw_bus_turn(world->bus);
    assert_int_equal(sw_counter_read(used), 0);
}

/* ---- reports ---- */

static void keep_report(void *context, struct sw_report *report)
{
    *(struct sw_report **)context = report;
}

/* Asks on behalf of worker 1; *back is set when it is back. */
static void ask_counts(struct world *world, const char *const *names, uint32_t count,
                       struct sw_report **back)
{
    struct sw_report *report = sw_report_create(SW_REPORT_COUNTS, count);
    report->done = keep_report;
    report->context = back;
    report->count = count;
    for (uint32_t i = 0; i < count; i++) {
        report->topics[i].size = (uint8_t)strlen(names[i]);
        memcpy(report->topics[i].name, names[i], report->topics[i].size);
    }
    sw_report_ask(report, sw_bus_inbox(world->bus), &world->workers[1].inbox);
}

/* However many workers read it, and also if it was too large. */
static void messages_are_counted_once_for_a_report(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {"a.b", "a.>", "never"};
    char large[1002] = {0};
    struct sw_report *report = NULL;
    memset(large, 'x', sizeof(large) - 1);
    join(world, 0, 1, "a.b");
    join(world, 1, 2, "a.b");
    join(world, 1, 3, "a.>");
    for (unsigned i = 0; i < 6; i++) {
        publish(world, i, "a.b", "", i == 5 ? large : "1");
    }
    publish(world, 6, "a.c", "", "1");
    ask_counts(world, names, 3, &report);
    sw_bus_turn(world->bus);
    fake_worker_turn(&world->workers[1]);
    assert_non_null(report);
    assert_int_equal(report->topics[0].messages, 6);
    assert_true(report->topics[0].rate == 6.0); /* younger than a second */
    assert_int_equal(report->topics[1].messages, 7);
    assert_true(report->topics[0].known && report->topics[1].known);
    assert_false(report->topics[2].known);
    sw_report_destroy(report);
}

static void a_report_comes_back_from_a_bus_that_ends(void **state)
{
    (void)state;
    struct world *world = create("");
    static const char *const names[] = {"a"};
    struct sw_report *report = NULL;
    ask_counts(world, names, 1, &report);
    destroy(world);
    assert_non_null(report);
    assert_false(report->topics[0].known);
    sw_report_destroy(report);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_publish_reaches_its_readers_and_comes_back),
        TEST(a_publish_that_nobody_reads_is_good),
        TEST(every_pattern_that_covers_a_topic_gets_it_once),
        TEST(patterns_that_are_given_up_leave_the_others_alone),
        TEST(keys_and_payloads_that_look_wrapped_arrive_as_they_were),
        cmocka_unit_test(a_prefix_stays_on_the_bus),
        cmocka_unit_test(before_the_start_and_after_the_stop_it_is_away),
        TEST(what_waits_at_the_end_is_freed),
        TEST(posts_beyond_one_turn_are_done_in_the_next),
        TEST(a_bus_on_its_own_thread_delivers_everything_in_order),
        cmocka_unit_test(urls_are_checked_in_words),
        cmocka_unit_test(a_password_is_never_shown),
        cmocka_unit_test_setup_teardown(messages_are_charged_until_they_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_are_counted_once_for_a_report, setup, teardown),
        cmocka_unit_test(a_report_comes_back_from_a_bus_that_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
