// SPDX-License-Identifier: Apache-2.0
/* The largest few of many: whatever is offered is kept while it is among the `limit` largest so
 * far, in a heap whose root is the least of those kept. An offer costs a comparison, or the heap's
 * depth where it is kept. Owns its memory. Not thread-safe. */
#ifndef SW_COMMON_BEST_H
#define SW_COMMON_BEST_H

#include <stdbool.h>
#include <stdint.h>

struct sw_best_entry {
    uint64_t key;
    uint32_t id;
};

struct sw_best {
    struct sw_best_entry *entries; /* no order but the heap's: a parent is not above its children */
    uint32_t count;
    uint32_t limit;
};

/* `limit` >= 1. */
void sw_best_init(struct sw_best *best, uint32_t limit);
void sw_best_offer(struct sw_best *best, uint64_t key, uint32_t id);
void sw_best_deinit(struct sw_best *best);
bool sw_best_sane(const struct sw_best *best);

#endif
