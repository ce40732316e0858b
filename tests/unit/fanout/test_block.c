// SPDX-License-Identifier: Apache-2.0
/* Blocks and what they are charged: all memory that the pool has, also what it only keeps. */
#include "../common/unit.h"

#include "fanout/block.h"

#define MB (1u << 20)

struct world {
    struct sw_counters counters;
    struct sw_budget budget;
    struct sw_purse purse;
    struct sw_block_pool pool;
};

static void init(struct world *world, uint64_t limit)
{
    memset(world, 0, sizeof(*world));
    sw_budget_init(&world->budget, limit);
    sw_purse_init(&world->purse, &world->budget, world->counters.budget_used_bytes);
    world->pool.counters = &world->counters;
    world->pool.purse = &world->purse;
    world->pool.keep_bytes = 32 << 10;
}

static int64_t charged(struct world *world)
{
    assert_int_equal(sw_counter_read(&world->counters.budget_used_bytes[SW_PART_BLOCKS]),
                     world->purse.used);
    return world->purse.used;
}

static void kept_blocks_stay_charged(void **state)
{
    (void)state;
    struct world world;
    init(&world, 64 * MB);
    struct sw_block *small = sw_block_create(&world.pool, 2, 100, false);
    struct sw_block *more = sw_block_create(&world.pool, 2, 100, false);
    struct sw_block *most = sw_block_create(&world.pool, 2, 100, false);
    assert_int_equal(charged(&world), 3 * 16384);
    sw_block_free(&world.pool, small);
    sw_block_free(&world.pool, more);
    assert_int_equal(charged(&world), 3 * 16384);
    assert_int_equal(sw_counter_read(&world.counters.block_bytes), 16384);
    sw_block_free(&world.pool, most); /* above keep_bytes */
    assert_int_equal(charged(&world), 2 * 16384);
    more = sw_block_create(&world.pool, 2, 100, false); /* a kept one */
    assert_int_equal(charged(&world), 2 * 16384);
    sw_block_free(&world.pool, more);
    sw_block_pool_trim(&world.pool);
    assert_int_equal(charged(&world), 0);
    sw_block_pool_deinit(&world.pool);
}

static void a_frame_alone_is_charged_as_it_is(void **state)
{
    (void)state;
    struct world world;
    init(&world, 64 * MB);
    struct sw_block *block = sw_block_create(&world.pool, 0, 200000, false);
    assert_int_equal(charged(&world), sizeof(struct sw_block) + 200000);
    sw_block_free(&world.pool, block);
    assert_int_equal(charged(&world), 0);
    sw_block_pool_deinit(&world.pool);
}

static void nothing_is_kept_while_memory_is_tight(void **state)
{
    (void)state;
    struct world world;
    init(&world, MB);
    struct sw_block *block = sw_block_create(&world.pool, 0, 100, false);
    struct sw_block *large = sw_block_create(&world.pool, 0, 900000, false);
    assert_true(sw_purse_refresh(&world.purse));
    assert_int_equal(sw_purse_step(&world.purse), SW_BUDGET_HARD);
    sw_block_free(&world.pool, block);
    sw_block_free(&world.pool, large);
    assert_int_equal(charged(&world), 0);
    sw_block_pool_deinit(&world.pool);
}

static void the_end_gives_everything_back(void **state)
{
    (void)state;
    struct world world;
    init(&world, 64 * MB);
    for (unsigned tier = 0; tier < 3; tier++) {
        sw_block_free(&world.pool, sw_block_create(&world.pool, tier, 10, false));
    }
    assert_true(charged(&world) > 0);
    sw_block_pool_deinit(&world.pool);
    assert_int_equal(charged(&world), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_blocks_stay_charged),
        cmocka_unit_test(a_frame_alone_is_charged_as_it_is),
        cmocka_unit_test(nothing_is_kept_while_memory_is_tight),
        cmocka_unit_test(the_end_gives_everything_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
