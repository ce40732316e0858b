// SPDX-License-Identifier: Apache-2.0
#include "fanout/block.h"

#include "common/mem.h"

/* The last number is also what u16 ends can name. */
static const uint32_t tier_bytes[SW_BLOCK_TIERS] = {1024, 4096, 16384, 65536};

/* Blocks kept for the next burst; what is above goes back to malloc. */
#define POOL_BYTES (4u << 20)
/* Ages are u16 ticks; a block is closed before they run out. */
#define BLOCK_TICKS 60000

static void *take_memory(struct sw_block_pool *pool, uint32_t size, bool alone)
{
    sw_purse_charge(pool->purse, SW_PART_BLOCKS, size);
    return alone ? sw_alloc(size) : sw_alloc_aligned(sizeof(struct sw_block), size);
}

static void give_memory(struct sw_block_pool *pool, struct sw_block *block, uint32_t size)
{
    sw_purse_charge(pool->purse, SW_PART_BLOCKS, -(int64_t)size);
    sw_free(block);
}

struct sw_block *sw_block_create(struct sw_block_pool *pool, unsigned tier, size_t need, bool alone)
{
    struct sw_block *block;
    size_t whole = sizeof(*block) + need + 4;
    alone = alone || whole > tier_bytes[SW_BLOCK_TIERS - 1];
    uint32_t size;
    if (alone) {
        size = (uint32_t)(sizeof(*block) + need);
        block = take_memory(pool, size, true);
    } else {
        while (tier_bytes[tier] < whole) {
            tier++;
        }
        size = tier_bytes[tier];
        block = pool->free[tier];
        if (block) {
            pool->free[tier] = block->next;
            pool->free_bytes -= size;
        } else {
            block = take_memory(pool, size, false);
        }
    }
    *block = (struct sw_block){.size = size, .tier = tier & (SW_BLOCK_TIERS - 1), .alone = alone};
    sw_count(&pool->counters->block_bytes, size);
    return block;
}

/* While memory is tight none are kept. */
static uint32_t kept_bytes(const struct sw_block_pool *pool)
{
    if (sw_purse_step(pool->purse) != SW_BUDGET_EASY) {
        return 0;
    }
    return pool->purse && pool->keep_bytes < POOL_BYTES ? pool->keep_bytes : POOL_BYTES;
}

void sw_block_free(struct sw_block_pool *pool, struct sw_block *block)
{
    sw_count(&pool->counters->block_bytes, -(int64_t)block->size);
    if (block->alone || pool->free_bytes + block->size > kept_bytes(pool)) {
        give_memory(pool, block, block->size);
        return;
    }
    block->next = pool->free[block->tier];
    pool->free[block->tier] = block;
    pool->free_bytes += block->size;
}

void sw_block_pool_trim(struct sw_block_pool *pool)
{
    for (unsigned tier = 0; tier < SW_BLOCK_TIERS; tier++) {
        while (pool->free[tier]) {
            struct sw_block *block = pool->free[tier];
            pool->free[tier] = block->next;
            give_memory(pool, block, tier_bytes[tier]);
        }
    }
    pool->free_bytes = 0;
}

void sw_block_pool_deinit(struct sw_block_pool *pool)
{
    sw_block_pool_trim(pool);
}

bool sw_block_fits(const struct sw_block *block, size_t need, uint64_t now_ms)
{
    uint64_t age = (now_ms - block->born_ms) / SW_BLOCK_TICK_MS;
    size_t table = 4 * ((size_t)block->frames + 1);
    return !block->alone && block->frames < SW_BLOCK_FRAMES && age < BLOCK_TICKS &&
           sizeof(*block) + block->bytes + need + table <= block->size;
}

void sw_block_add(struct sw_block *block, size_t need, uint64_t now_ms)
{
    uint64_t age = (now_ms - block->born_ms) / SW_BLOCK_TICK_MS;
    block->bytes += (uint32_t)need;
    if (!block->alone) {
        char *end = (char *)block + block->size;
        uint32_t *entry = (uint32_t *)(void *)(end - 4 * ((size_t)block->frames + 1));
        *entry = block->bytes | (uint32_t)age << 16;
    }
    block->frames++;
}
