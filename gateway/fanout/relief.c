// SPDX-License-Identifier: Apache-2.0
/* What a worker gives up while the node's memory is short: the steps of its budget. From 70 % on
 * the high mark is the low one, and boards are small. From 85 % on, every SW_GATE_TICK_MS, sessions
 * that do not keep up lose the older half of what waits; where that gives nothing back (frames in
 * flight, what may not be shed), those who are owed most go. */
#include "fanout/internal.h"

/* Sessions that go in one look, at each step. */
static const unsigned evictions[] = {[SW_BUDGET_HARD] = 4, [SW_BUDGET_FULL] = 16};

/* Looks at everybody that may give nothing back before somebody goes: by then the half of a half is
 * nothing. */
#define FRUITLESS 8

/* How long the oldest byte of a session that has to do with it has waited; 0: it has not. */
static uint64_t age_ms(struct sw_fanout *fanout, uint32_t slot, uint64_t now)
{
    uint64_t since = sw_policy_oldest_ms(fanout, slot);
    uint64_t age = since < now ? now - since : 0;
    return age >= SW_SHED_AGE_MS || sw_reader_pressured(fanout, sw_reader(fanout, slot)) ? age : 0;
}

/* The gates that one look is about: so many that the loop goes on meanwhile, the next ones the next
 * time. */
struct slice {
    uint32_t from;
    uint32_t count;
};

static struct slice next_slice(struct sw_fanout *fanout)
{
    uint32_t gates = fanout->gates_count;
    struct slice slice = {.from = fanout->relief_next < gates ? fanout->relief_next : 0,
                          .count = gates < SW_GATE_LOOKS ? gates : SW_GATE_LOOKS};
    fanout->relief_next = slice.from + slice.count;
    return slice;
}

static uint32_t slot_in(const struct sw_fanout *fanout, struct slice slice, uint32_t i)
{
    return sw_gate_slot(fanout, (slice.from + i) % fanout->gates_count);
}

static void evict_most_owed(struct sw_fanout *fanout, struct slice slice)
{
    uint64_t most = 0;
    uint32_t slot = 0;
    for (uint32_t i = 0; i < slice.count; i++) {
        uint32_t at = slot_in(fanout, slice, i);
        const struct sw_reader *reader = sw_reader(fanout, at);
        uint64_t owed = (uint64_t)reader->queued_bytes + reader->behind;
        if (owed > most && sw_reader_pressured(fanout, reader) && !(reader->flags & SW_CLOSING)) {
            most = owed;
            slot = at;
        }
    }
    if (most) {
        fanout->events->on_evict(fanout->owner, slot);
    }
}

/* The older half of what the slice's sessions wait for. */
static void shed_older_half(struct sw_fanout *fanout, struct slice slice, uint64_t now)
{
    uint64_t ages[SW_GATE_LOOKS];
    uint64_t oldest = 0;
    for (uint32_t i = 0; i < slice.count; i++) {
        ages[i] = age_ms(fanout, slot_in(fanout, slice, i), now);
        oldest = ages[i] > oldest ? ages[i] : oldest;
    }
    for (uint32_t i = 0; i < slice.count; i++) {
        if (ages[i] > oldest / 2) {
            sw_policy_shed_older(fanout, slot_in(fanout, slice, i), now - oldest / 2);
        }
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
    const struct sw_purse *purse = fanout->pool.purse;
    int64_t before = purse->used;
    struct slice slice = next_slice(fanout);
    shed_older_half(fanout, slice, now);
    fanout->fruitless = purse->used < before ? 0 : fanout->fruitless + 1;
    uint32_t patience = FRUITLESS * (1 + fanout->gates_count / SW_GATE_LOOKS);
    for (unsigned i = 0; fanout->fruitless > patience && helps(purse) && i < evictions[step]; i++) {
        evict_most_owed(fanout, slice);
    }
}

void sw_fanout_relieve(struct sw_fanout *fanout, enum sw_budget_step step)
{
    uint64_t now = sw_loop_now_ms(fanout->loop);
    bool easy = step == SW_BUDGET_EASY;
    fanout->high_bytes = easy ? fanout->marks.high_bytes : fanout->marks.low_bytes;
    fanout->board_bytes = easy ? SW_BOARD_BYTES : SW_BOARD_TIGHT_BYTES;
    if (step < SW_BUDGET_HARD) {
        fanout->fruitless = 0;
    } else if (now - fanout->relieved_ms >= SW_GATE_TICK_MS) {
        fanout->relieved_ms = now;
        relieve(fanout, now, step);
    }
}
