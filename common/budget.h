// SPDX-License-Identifier: Apache-2.0
/* Memory that grows with what clients are owed: how much the node allows itself, and how near it
 * is. Nothing is refused here; steps tell those who can act. The budget is shared by all threads;
 * each role has a purse of its own, which is lent whole chunks, so that charging touches no shared
 * line. So what is lent, which the steps go by, is at most two chunks a purse above what is used.
 *
 * A step is entered at its threshold and left 2 % below it. */
#ifndef SW_COMMON_BUDGET_H
#define SW_COMMON_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sw_budget_step {
    SW_BUDGET_EASY,
    SW_BUDGET_TIGHT, /* 70 %: nobody keeps what it could give back */
    SW_BUDGET_HARD,  /* 85 %: those who hold most go first */
    SW_BUDGET_FULL,  /* 97 %: nobody new comes in */
};

struct sw_budget {
    uint64_t limit;
    uint64_t chunk;
    _Atomic uint64_t lent;
    _Atomic int step; /* enum sw_budget_step, as whoever looked last found it */
};

/* One role's; only its own thread touches it. */
struct sw_purse {
    struct sw_budget *budget; /* NULL: nothing is limited */
    _Atomic int64_t *parts;   /* gauges of what is charged, by the owner's own parts */
    int64_t used;
    int64_t lent;
    enum sw_budget_step step;
};

/* `limit` in bytes, at least 1 MB. */
void sw_budget_init(struct sw_budget *budget, uint64_t limit);
/* Any thread: bytes lent. */
uint64_t sw_budget_lent(const struct sw_budget *budget);
/* The step for `used` of `limit`, after `before`. */
enum sw_budget_step sw_budget_step(uint64_t used, uint64_t limit, enum sw_budget_step before);

/* Borrows `budget` and `parts`; `budget` may be NULL. */
void sw_purse_init(struct sw_purse *purse, struct sw_budget *budget, _Atomic int64_t *parts);
/* For sw_purse_charge: borrows or returns chunks. */
void sw_purse_settle(struct sw_purse *purse);

/* `bytes` more for `part`, or less where negative. `purse` may be NULL: not charged. */
static inline void sw_purse_charge(struct sw_purse *purse, unsigned part, int64_t bytes)
{
    if (!purse) {
        return;
    }
    int64_t held = atomic_load_explicit(&purse->parts[part], memory_order_relaxed);
    atomic_store_explicit(&purse->parts[part], held + bytes, memory_order_relaxed);
    purse->used += bytes;
    if (purse->budget && (purse->used > purse->lent ||
                          purse->lent - purse->used >= 2 * (int64_t)purse->budget->chunk)) {
        sw_purse_settle(purse);
    }
}

/* Looks at the node's step, once a turn. True: this look is the first to find that it changed. */
bool sw_purse_refresh(struct sw_purse *purse);
/* The same for who does not tell anybody. True: the step is another than at this purse's last look.
 */
bool sw_purse_follow(struct sw_purse *purse);
/* As of the last look. `purse` may be NULL. */
static inline enum sw_budget_step sw_purse_step(const struct sw_purse *purse)
{
    return purse ? purse->step : SW_BUDGET_EASY;
}

#endif
