// SPDX-License-Identifier: Apache-2.0
/* What becomes of a publish on its way through the exchange. */
#include "exchange_world.h"

static struct sw_publish *publish_of(struct world *world, uint64_t id, size_t size)
{
    char *payload = sw_zalloc(size + 1);
    struct sw_publish *publish =
        sw_publish_create(SW_SLICE("a"), SW_SLICE(""), SW_SLICE(""), sw_slice(payload, size));
    sw_free(payload);
    publish->from = &world->workers[0].inbox;
    publish->id = id;
    return publish;
}

static void a_publish_comes_back_with_its_outcome(void **state)
{
    struct world *world = *state;
    for (uint64_t id = 1; id <= 4; id++) {
        sw_exchange_publish(world->exchange, publish_of(world, id, 10));
    }
    heard(world, 0, "");
    static const enum sw_error errors[] = {SW_ERROR_NONE, SW_ERROR_FORBIDDEN,
                                           SW_ERROR_BUS_UNAVAILABLE, SW_ERROR_BUS_UNAVAILABLE};
    for (size_t i = 0; i < SW_ARRAY_SIZE(errors); i++) {
        sw_exchange_published(world->exchange, sw_ring_pop(&world->publishes), errors[i], i == 3);
    }
    heard(world, 0,
          "published 1\npublish 2 forbidden\npublish 3 bus_unavailable\n"
          "publish 4 bus_unavailable unknown\n");
    assert_in_range(world->workers[0].last_retry_ms, 500, 1000);
    assert_int_equal(sw_counter_read(&world->counters->published_total), 1);
    assert_int_equal(sw_counter_read(&world->counters->publish_errors_total), 3);
}

static void a_publish_while_the_bus_is_away_fails_at_once(void **state)
{
    struct world *world = *state;
    sw_exchange_down(world->exchange, "reset");
    sw_exchange_publish(world->exchange, publish_of(world, 1, 10));
    heard(world, 0, "publish 1 bus_unavailable\n");
    assert_in_range(world->workers[0].last_retry_ms, 500, 1000);
}

static void publishes_that_wait_are_bounded_in_bytes(void **state)
{
    struct world *world = *state;
    const size_t size = SW_PUBLISH_QUEUE_BYTES / 4 - 256;
    for (uint64_t id = 1; id <= 5; id++) {
        sw_exchange_publish(world->exchange, publish_of(world, id, size));
    }
    heard(world, 0, "publish 5 overloaded\n");
    sw_exchange_published(world->exchange, sw_ring_pop(&world->publishes), SW_ERROR_NONE, false);
    sw_exchange_publish(world->exchange, publish_of(world, 6, size));
    heard(world, 0, "published 1\n");
    struct sw_publish *publish;
    while ((publish = sw_ring_pop(&world->publishes))) {
        sw_exchange_published(world->exchange, publish, SW_ERROR_NONE, false);
    }
    heard(world, 0, "published 2\npublished 3\npublished 4\npublished 6\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_publish_comes_back_with_its_outcome),
        TEST(a_publish_while_the_bus_is_away_fails_at_once),
        TEST(publishes_that_wait_are_bounded_in_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
