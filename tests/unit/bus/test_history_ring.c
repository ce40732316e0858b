// SPDX-License-Identifier: Apache-2.0
#include "bus/history/ring.h"

#include "common/mem.h"
#include "core/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct world {
    struct sw_budget budget;
    struct sw_purse purse;
    _Atomic int64_t parts[SW_PART_COUNT];
    struct sw_history_ring ring;
};

static int setup(void **state)
{
    struct world *world = sw_zalloc(sizeof(*world));
    sw_budget_init(&world->budget, 1 << 30);
    sw_purse_init(&world->purse, &world->budget, world->parts);
    sw_history_ring_init(&world->ring, &world->purse, 20);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    sw_history_ring_deinit(&world->ring);
    assert_int_equal(world->parts[SW_PART_HISTORY], 0);
    assert_int_equal(world->parts[SW_PART_MESSAGES], 0);
    sw_free(world);
    return 0;
}

/* One that somebody else has a reference to as well. */
static struct sw_message *make(struct world *world, size_t size)
{
    char *payload = sw_zalloc(size + 1);
    memset(payload, '1', size);
    struct sw_message *message =
        sw_message_create(SW_SLICE("t"), SW_SLICE(""), sw_slice(payload, size), 0, 0);
    sw_purse_charge(&world->purse, SW_PART_MESSAGES, sw_message_bytes(message));
    sw_free(payload);
    return message;
}

static void add(struct world *world, size_t size)
{
    struct sw_message *message = make(world, size);
    sw_history_ring_add(&world->ring, message);
    sw_lent_let_go(&world->purse, message);
    assert_true(sw_history_ring_sane(&world->ring));
}

static void it_holds_the_newest_without_holes(void **state)
{
    struct world *world = *state;
    sw_history_ring_restart(&world->ring, 100);
    assert_int_equal(sw_history_ring_first(&world->ring), 101);
    for (size_t i = 1; i <= 50; i++) {
        add(world, i);
    }
    assert_int_equal(world->ring.last, 150);
    assert_int_equal(sw_history_ring_first(&world->ring), 131);
    for (uint64_t offset = 131; offset <= 150; offset++) {
        assert_int_equal(sw_history_ring_get(&world->ring, offset)->size, offset - 100);
    }
    sw_history_ring_restart(&world->ring, 7);
    assert_int_equal(sw_history_ring_count(&world->ring), 0);
    assert_int_equal(sw_history_ring_first(&world->ring), 8);
}

static void a_place_may_be_known_to_be_gone(void **state)
{
    struct world *world = *state;
    add(world, 3);
    sw_history_ring_add(&world->ring, NULL);
    add(world, 4);
    assert_null(sw_history_ring_get(&world->ring, 2));
    assert_int_equal(sw_history_ring_get(&world->ring, 3)->size, 4);
    assert_true(sw_history_ring_sane(&world->ring));
}

static void it_is_bounded_by_bytes_but_keeps_the_last(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 10; i++) {
        add(world, SW_HISTORY_BYTES / 4);
    }
    assert_int_equal(sw_history_ring_count(&world->ring), 3);
    add(world, SW_HISTORY_BYTES + 1);
    assert_int_equal(sw_history_ring_count(&world->ring), 1);
}

static void it_shrinks_while_memory_is_short(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 16; i++) {
        add(world, SW_HISTORY_TIGHT_BYTES / 8);
    }
    assert_int_equal(sw_history_ring_count(&world->ring), 16);
    world->purse.step = SW_BUDGET_TIGHT;
    sw_history_ring_shrink(&world->ring);
    assert_int_equal(sw_history_ring_count(&world->ring), 7);
    world->purse.step = SW_BUDGET_HARD;
    sw_history_ring_shrink(&world->ring);
    assert_int_equal(sw_history_ring_count(&world->ring), 1);
    assert_int_equal(world->ring.last, 16);
}

static void a_message_is_charged_once_wherever_it_is_held(void **state)
{
    struct world *world = *state;
    struct sw_message *message = make(world, 1000);
    int64_t bytes = sw_message_bytes(message);
    assert_int_equal(world->parts[SW_PART_MESSAGES], bytes);
    sw_history_ring_add(&world->ring, message);
    assert_int_equal(world->parts[SW_PART_MESSAGES], 0);
    assert_true(world->parts[SW_PART_HISTORY] >= bytes);
    sw_history_ring_restart(&world->ring, 0);
    assert_int_equal(world->parts[SW_PART_MESSAGES], bytes);
    sw_lent_let_go(&world->purse, message);
    assert_int_equal(world->parts[SW_PART_MESSAGES], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_holds_the_newest_without_holes),
        TEST(a_place_may_be_known_to_be_gone),
        TEST(it_is_bounded_by_bytes_but_keeps_the_last),
        TEST(it_shrinks_while_memory_is_short),
        TEST(a_message_is_charged_once_wherever_it_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
