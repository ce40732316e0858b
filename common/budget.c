// SPDX-License-Identifier: Apache-2.0
#include "common/budget.h"

#include "common/assert.h"

/* Small budgets lend less at a time, or a few workers' first chunks alone would fill them. */
#define CHUNK_MOST (1u << 20)
#define CHUNK_PART 1024

/* In thousandths of the limit. */
static const unsigned thresholds[] = {
    [SW_BUDGET_TIGHT] = 700, [SW_BUDGET_HARD] = 850, [SW_BUDGET_FULL] = 970};
#define HYSTERESIS 20

void sw_budget_init(struct sw_budget *budget, uint64_t limit)
{
    SW_ASSERT(limit >= 1u << 20);
    uint64_t chunk = limit / CHUNK_PART;
    *budget = (struct sw_budget){.limit = limit, .chunk = chunk < CHUNK_MOST ? chunk : CHUNK_MOST};
}

uint64_t sw_budget_lent(const struct sw_budget *budget)
{
    return atomic_load_explicit(&budget->lent, memory_order_relaxed);
}

enum sw_budget_step sw_budget_step(uint64_t used, uint64_t limit, enum sw_budget_step before)
{
    enum sw_budget_step step = SW_BUDGET_EASY;
    for (enum sw_budget_step at = SW_BUDGET_TIGHT; at <= SW_BUDGET_FULL; at++) {
        unsigned threshold = thresholds[at] - (at <= before ? HYSTERESIS : 0);
        if ((double)used * 1000 >= (double)limit * threshold) {
            step = at;
        }
    }
    return step;
}

void sw_purse_init(struct sw_purse *purse, struct sw_budget *budget, _Atomic int64_t *parts)
{
    *purse = (struct sw_purse){.budget = budget, .parts = parts};
}

/* Only when two chunks lie idle they go back: coming and going at an edge borrows nothing. */
void sw_purse_settle(struct sw_purse *purse)
{
    SW_ASSERT(purse->used >= 0);
    int64_t chunk = (int64_t)purse->budget->chunk;
    int64_t wanted = (purse->used + chunk - 1) / chunk * chunk;
    int64_t more = wanted - purse->lent;
    purse->lent = wanted;
    if (more > 0) {
        atomic_fetch_add_explicit(&purse->budget->lent, (uint64_t)more, memory_order_relaxed);
    } else {
        atomic_fetch_sub_explicit(&purse->budget->lent, (uint64_t)-more, memory_order_relaxed);
    }
}

bool sw_purse_follow(struct sw_purse *purse)
{
    const struct sw_budget *budget = purse->budget;
    if (!budget) {
        return false;
    }
    enum sw_budget_step before = purse->step;
    int told = atomic_load_explicit(&budget->step, memory_order_relaxed);
    purse->step = sw_budget_step(sw_budget_lent(budget), budget->limit, (enum sw_budget_step)told);
    return purse->step != before;
}

bool sw_purse_refresh(struct sw_purse *purse)
{
    struct sw_budget *budget = purse->budget;
    if (!budget) {
        return false;
    }
    int before = atomic_load_explicit(&budget->step, memory_order_relaxed);
    (void)sw_purse_follow(purse);
    /* of several who find it at once one is the first */
    return (int)purse->step != before &&
           atomic_compare_exchange_strong_explicit(&budget->step, &before, (int)purse->step,
                                                   memory_order_relaxed, memory_order_relaxed);
}
