// SPDX-License-Identifier: Apache-2.0
#include "common/best.h"

#include "common/assert.h"
#include "common/mem.h"

void sw_best_init(struct sw_best *best, uint32_t limit)
{
    SW_ASSERT(limit > 0);
    *best = (struct sw_best){.entries = sw_alloc(limit * sizeof(*best->entries)), .limit = limit};
}

void sw_best_deinit(struct sw_best *best)
{
    sw_free(best->entries);
    *best = (struct sw_best){0};
}

static void rise(struct sw_best *best, uint32_t at, struct sw_best_entry entry)
{
    while (at > 0 && best->entries[(at - 1) / 2].key > entry.key) {
        best->entries[at] = best->entries[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    best->entries[at] = entry;
}

/* From the root, whose place is free. */
static void sink(struct sw_best *best, struct sw_best_entry entry)
{
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < best->count && best->entries[child + 1].key < best->entries[child].key) {
            child++;
        }
        if (child >= best->count || best->entries[child].key >= entry.key) {
            break;
        }
        best->entries[at] = best->entries[child];
        at = child;
    }
    best->entries[at] = entry;
}

void sw_best_offer(struct sw_best *best, uint64_t key, uint32_t id)
{
    struct sw_best_entry entry = {.key = key, .id = id};
    if (best->count < best->limit) {
        best->count++;
        rise(best, best->count - 1, entry);
    } else if (key > best->entries[0].key) {
        sink(best, entry);
    }
}

bool sw_best_sane(const struct sw_best *best)
{
    for (uint32_t i = 1; i < best->count; i++) {
        if (best->entries[(i - 1) / 2].key > best->entries[i].key) {
            return false;
        }
    }
    return best->count <= best->limit;
}
