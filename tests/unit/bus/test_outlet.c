// SPDX-License-Identifier: Apache-2.0
#include "bus/outlet.h"

#include "core/limits.h"
#include "fake_worker.h"

#include <stdio.h>
#include <string.h>

/* A message that takes a quarter of a worker's inbox. */
#define QUARTER (SW_INBOX_BYTES / 4 - 256)

struct world {
    struct sw_loop *loop;
    struct sw_counters *counters;
    struct sw_outlet *outlet;
    struct fake_worker worker;
    struct sw_exchange_reader a;
    struct sw_exchange_reader b;
};

static void returned(void *owner, struct sw_batch *batch)
{
    sw_outlet_returned(((struct world *)owner)->outlet, batch);
}

static void reader_init(struct sw_exchange_reader *reader, uint32_t tape)
{
    *reader = (struct sw_exchange_reader){.tape = tape, .generation = 1, .joined = true};
    sw_list_init(&reader->gapped);
}

static int setup(void **state)
{
    struct world *world = sw_zalloc(sizeof(*world));
    world->loop = sw_loop_create();
    world->counters = sw_zalloc(sizeof(*world->counters));
    fake_worker_init(&world->worker, world->loop, returned, world);
    world->outlet = sw_outlet_create(0, &world->worker.inbox, world->counters, NULL);
    reader_init(&world->a, 1);
    reader_init(&world->b, 2);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    fake_worker_deinit(&world->worker);
    sw_outlet_destroy(world->outlet);
    sw_loop_destroy(&world->loop);
    sw_free(world->counters);
    sw_free(world);
    return 0;
}

static void send_to(struct world *world, struct sw_exchange_reader *reader, size_t size)
{
    char *payload = sw_alloc(size);
    memset(payload, 'x', size);
    payload[0] = '"';
    payload[size - 1] = '"';
    struct sw_message *message =
        sw_message_create(SW_SLICE("t"), SW_SLICE(""), sw_slice(payload, size), 0, 0);
    sw_outlet_message(world->outlet, reader, message, 0);
    sw_message_unref(message);
    sw_free(payload);
}

static void tell_gap(struct world *world, struct sw_exchange_reader *reader, uint32_t count,
                     enum sw_shed shed)
{
    struct sw_outlet_gap gap = {.count = count, .shed = shed};
    sw_outlet_gap(world->outlet, reader, &gap);
}

/* Fills the worker's inbox through reader a: nothing of that size fits any more. */
static void fill(struct world *world)
{
    for (int i = 0; i < 4; i++) {
        send_to(world, &world->a, QUARTER);
    }
    sw_outlet_close(world->outlet);
}

/* The worker takes everything; its lines are forgotten, they are long. */
static void empty(struct world *world)
{
    world->worker.quiet = true;
    fake_worker_turn(&world->worker);
    world->worker.quiet = false;
}

static int64_t overflows(const struct world *world)
{
    return sw_counter_read(&world->counters->overflow_total);
}

static void entries_arrive_in_order_at_the_turns_end(void **state)
{
    struct world *world = *state;
    sw_outlet_state(world->outlet, &world->a, NULL);
    send_to(world, &world->a, 3);
    tell_gap(world, &world->a, 2, SW_SHED_TOO_LARGE);
    tell_gap(world, &world->a, 0, SW_SHED_FEED);
    send_to(world, &world->b, 2);
    sw_outlet_refused(world->outlet, &world->b, SW_ERROR_FORBIDDEN);
    fake_worker_turn(&world->worker);
    fake_worker_heard(&world->worker, "");
    sw_outlet_close(world->outlet);
    fake_worker_turn(&world->worker);
    fake_worker_heard(&world->worker, "state 1.1\nmsg 1.1 t \"x\"\ngap 1.1 2 too_large\n"
                                      "gap 1.1 ? feed\nmsg 2.1 t \"\"\nrefused 2.1 forbidden\n");
    assert_int_equal(world->worker.batches, 1);
}

static void a_batch_weighs_its_entries_and_messages(void **state)
{
    struct world *world = *state;
    sw_outlet_state(world->outlet, &world->a, NULL);
    send_to(world, &world->a, 1000);
    sw_outlet_close(world->outlet);
    assert_int_equal(sw_inbox_bytes(&world->worker.inbox),
                     2 * sizeof(struct sw_entry) + sizeof(struct sw_message) + 1 + 1000);
}

static void overflow_becomes_one_gap_told_before_the_next_message(void **state)
{
    struct world *world = *state;
    fill(world);
    for (int i = 0; i < 3; i++) {
        send_to(world, &world->a, QUARTER);
    }
    assert_int_equal(overflows(world), 3);
    empty(world);
    assert_int_equal(world->worker.messages, 4);
    send_to(world, &world->a, 3);
    sw_outlet_close(world->outlet);
    fake_worker_turn(&world->worker);
    fake_worker_heard(&world->worker, "gap 1.1 3 node\nmsg 1.1 t \"x\"\n");
}

static void the_feed_is_told_behind_what_was_lost_room_or_not(void **state)
{
    struct world *world = *state;
    fill(world);
    send_to(world, &world->a, QUARTER);
    send_to(world, &world->b, QUARTER);
    sw_outlet_feed(world->outlet, true, 1);
    sw_outlet_close(world->outlet);
    empty(world);
    fake_worker_heard(&world->worker, "gap 1.1 1 node\ngap 2.1 1 node\nfeed stale\n");
    sw_outlet_feed(world->outlet, false, 1);
    sw_outlet_close(world->outlet);
    fake_worker_turn(&world->worker);
    fake_worker_heard(&world->worker, "feed live\n");
}

static void a_gap_is_told_as_soon_as_there_is_room_without_a_message(void **state)
{
    struct world *world = *state;
    fill(world);
    send_to(world, &world->a, QUARTER);
    send_to(world, &world->b, QUARTER);
    empty(world);
    sw_outlet_close(world->outlet); /* the turn in which the batch came back */
    fake_worker_turn(&world->worker);
    fake_worker_heard(&world->worker, "gap 1.1 1 node\ngap 2.1 1 node\n");
    sw_outlet_close(world->outlet);
    fake_worker_turn(&world->worker);
    fake_worker_heard(&world->worker, "");
}

static void who_fits_beside_who_does_not_is_not_held_up(void **state)
{
    struct world *world = *state;
    fill(world);
    empty(world);
    for (int i = 0; i < 3; i++) {
        send_to(world, &world->a, QUARTER);
    }
    send_to(world, &world->a, 2 * QUARTER);
    send_to(world, &world->b, 3);
    sw_outlet_close(world->outlet);
    assert_int_equal(overflows(world), 1);
    world->worker.quiet = true;
    fake_worker_turn(&world->worker);
    assert_int_equal(world->worker.messages, 4 + 3 + 1);
    assert_int_equal(world->worker.missed, 1);
}

/* Fills the inbox to its last byte, so that not even a gap mark fits. */
static void fill_to_the_brim(struct world *world)
{
    fill(world);
    size_t room = SW_INBOX_BYTES - sw_inbox_bytes(&world->worker.inbox);
    send_to(world, &world->a, room - sizeof(struct sw_entry) - sizeof(struct sw_message) - 1);
    sw_outlet_close(world->outlet);
    assert_int_equal(sw_inbox_bytes(&world->worker.inbox), SW_INBOX_BYTES);
}

static void gaps_without_room_are_merged(void **state)
{
    static const struct {
        uint32_t counts[3];
        enum sw_shed sheds[3];
        const char *told;
    } rows[] = {
        {{1, 1, 1}, {SW_SHED_TOO_LARGE, SW_SHED_TOO_LARGE, SW_SHED_TOO_LARGE}, "3 too_large"},
        {{1, 2, 3}, {SW_SHED_TOO_LARGE, SW_SHED_NODE, SW_SHED_TOO_LARGE}, "6 node"},
        {{4, 1, 1}, {SW_SHED_NODE, SW_SHED_NODE, SW_SHED_NODE}, "6 node"},
        {{1, 0, 1}, {SW_SHED_NODE, SW_SHED_FEED, SW_SHED_NODE}, "? feed"},
        {{0, 1, 1}, {SW_SHED_FEED, SW_SHED_NODE, SW_SHED_TOO_LARGE}, "? feed"},
        {{0, 0, 0}, {SW_SHED_FEED, SW_SHED_FEED, SW_SHED_FEED}, "? feed"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct world *world;
        setup((void **)&world);
        fill_to_the_brim(world);
        for (int g = 0; g < 3; g++) {
            tell_gap(world, &world->a, rows[i].counts[g], rows[i].sheds[g]);
        }
        assert_null(world->outlet->open);
        empty(world);
        sw_outlet_close(world->outlet);
        fake_worker_turn(&world->worker);
        char told[64];
        snprintf(told, sizeof(told), "gap 1.1 %s\n", rows[i].told);
        fake_worker_heard(&world->worker, told);
        assert_int_equal(overflows(world), 0);
        teardown((void **)&world);
    }
    (void)state;
}

static void state_and_refusal_always_have_room(void **state)
{
    struct world *world = *state;
    fill_to_the_brim(world);
    send_to(world, &world->a, 3);
    send_to(world, &world->b, 3);
    sw_outlet_state(world->outlet, &world->a, NULL);                 /* its gap goes before it */
    sw_outlet_refused(world->outlet, &world->b, SW_ERROR_FORBIDDEN); /* its gap is forgotten */
    sw_outlet_close(world->outlet);
    empty(world);
    sw_outlet_close(world->outlet);
    fake_worker_turn(&world->worker);
    fake_worker_heard(&world->worker, "gap 1.1 1 node\nstate 1.1\nrefused 2.1 forbidden\n");
}

static void a_gap_that_waits_is_forgotten_with_its_reader(void **state)
{
    struct world *world = *state;
    fill(world);
    send_to(world, &world->a, QUARTER);
    sw_outlet_forget(&world->a);
    empty(world);
    sw_outlet_close(world->outlet);
    fake_worker_turn(&world->worker);
    fake_worker_heard(&world->worker, "");
}

static void a_full_batch_is_posted_at_once(void **state)
{
    struct world *world = *state;
    world->worker.quiet = true;
    for (int i = 0; i < SW_BATCH_ENTRIES + 1; i++) {
        send_to(world, &world->a, 2);
    }
    fake_worker_turn(&world->worker);
    assert_int_equal(world->worker.messages, SW_BATCH_ENTRIES);
    sw_outlet_close(world->outlet);
    fake_worker_turn(&world->worker);
    assert_int_equal(world->worker.messages, SW_BATCH_ENTRIES + 1);
    assert_int_equal(world->worker.batches, 2);
}

static void a_stuck_worker_gets_few_batches_and_loses_nothing(void **state)
{
    struct world *world = *state;
    world->worker.quiet = true;
    world->worker.stuck = true;
    const int turns = 10000;
    for (int i = 0; i < turns; i++) {
        send_to(world, &world->a, 2);
        sw_outlet_close(world->outlet);
    }
    fake_worker_turn(&world->worker);
    assert_true(world->worker.batches <= 16 + 10000 / SW_BATCH_ENTRIES);
    for (int i = 0; i < 3; i++) {
        fake_worker_wake(&world->worker);
        sw_outlet_close(world->outlet);
        fake_worker_turn(&world->worker);
    }
    assert_int_equal(world->worker.messages, turns);
    assert_int_equal(overflows(world), 0);
}

static void batches_are_used_again(void **state)
{
    struct world *world = *state;
    world->worker.quiet = true;
    for (int i = 0; i < 100; i++) {
        send_to(world, &world->a, 2);
        sw_outlet_close(world->outlet);
        fake_worker_turn(&world->worker);
    }
    assert_int_equal(world->outlet->spares, 1);
    assert_int_equal(world->outlet->lent, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(entries_arrive_in_order_at_the_turns_end),
        TEST(a_batch_weighs_its_entries_and_messages),
        TEST(overflow_becomes_one_gap_told_before_the_next_message),
        TEST(the_feed_is_told_behind_what_was_lost_room_or_not),
        TEST(a_gap_is_told_as_soon_as_there_is_room_without_a_message),
        TEST(who_fits_beside_who_does_not_is_not_held_up),
        cmocka_unit_test(gaps_without_room_are_merged),
        TEST(state_and_refusal_always_have_room),
        TEST(a_gap_that_waits_is_forgotten_with_its_reader),
        TEST(a_full_batch_is_posted_at_once),
        TEST(a_stuck_worker_gets_few_batches_and_loses_nothing),
        TEST(batches_are_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
