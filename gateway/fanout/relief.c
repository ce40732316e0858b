// SPDX-License-Identifier: Apache-2.0
/* What a worker gives up while the node's memory is short: the steps of its budget. From 70 % on
 * the high mark is the low one. From 85 % on, every SW_GATE_TICK_MS, those pressured sessions that
 * hold the older half of what waits lose it; where nothing that waits is old any more, or may not
 * be shed, the session that is owed most goes. From 97 % on what waits need not be old. */
#include "fanout/internal.h"

/* Sessions that go in one look, at each step. */
static const unsigned evictions[] = {[SW_BUDGET_HARD] = 4, [SW_BUDGET_FULL] = 16};
/* What has waited for less stays. */
static const uint64_t young_ms[] = {
    [SW_BUDGET_HARD] = SW_SHED_AGE_MS, [SW_BUDGET_FULL] = SW_GATE_TICK_MS};

/* The age of the oldest byte that a pressured session waits for. */
static uint64_t oldest_age_ms(struct sw_fanout *fanout, uint64_t now)
{
    uint64_t oldest = 0;
    for (uint32_t i = 0; i < fanout->gates_count; i++) {
        uint64_t since = sw_policy_oldest_ms(fanout, sw_gate_slot(fanout, i));
        if (since < now && now - since > oldest) {
            oldest = now - since;
        }
    }
    return oldest;
}

static void evict_most_owed(struct sw_fanout *fanout)
{
    uint64_t most = 0;
    uint32_t slot = 0;
    for (uint32_t i = 0; i < fanout->gates_count; i++) {
        uint32_t at = sw_gate_slot(fanout, i);
        const struct sw_reader *reader = sw_reader(fanout, at);
        uint64_t owed = (uint64_t)reader->queued_bytes + reader->behind;
        if (owed > most && !(reader->flags & SW_CLOSING)) {
            most = owed;
            slot = at;
        }
    }
    if (most) {
        fanout->events->on_evict(fanout->owner, slot);
    }
}

/* Would it do any good? Where the others alone are too much, nobody here is to blame. */
static bool helps(const struct sw_purse *purse)
{
    uint64_t others = sw_budget_lent(purse->budget) - (uint64_t)purse->lent;
    return sw_budget_step(others, purse->budget->limit, SW_BUDGET_EASY) < SW_BUDGET_HARD;
}

static void relieve(struct sw_fanout *fanout, uint64_t now, enum sw_budget_step step)
{
    uint64_t age = oldest_age_ms(fanout, now);
    if (age >= 2 * young_ms[step]) {
        for (uint32_t i = 0; i < fanout->gates_count; i++) {
            sw_policy_shed_older(fanout, sw_gate_slot(fanout, i), now - age / 2);
        }
        if (oldest_age_ms(fanout, now) < age) {
            return;
        }
    }
    if (helps(fanout->pool.purse)) {
        for (unsigned i = 0; i < evictions[step]; i++) {
            evict_most_owed(fanout);
        }
    }
}

void sw_fanout_relieve(struct sw_fanout *fanout, enum sw_budget_step step)
{
    uint64_t now = sw_loop_now_ms(fanout->loop);
    fanout->high_bytes =
        step == SW_BUDGET_EASY ? fanout->marks.high_bytes : fanout->marks.low_bytes;
    if (step >= SW_BUDGET_HARD && now - fanout->relieved_ms >= SW_GATE_TICK_MS) {
        fanout->relieved_ms = now;
        relieve(fanout, now, step);
    }
}
