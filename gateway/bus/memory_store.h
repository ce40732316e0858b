// SPDX-License-Identifier: Apache-2.0
/* What the embedded bus keeps, though nobody reads it: topics with history, the last message of
 * topics under a `retain` rule, idempotency ids. It lasts as long as the process. Owned by the
 * memory backend, on the bus's loop; charged to its purse.
 *
 * Bounded: what is larger than SW_MEMORY_STORE_BYTES together, or more topics than
 * SW_MEMORY_TOPICS, goes, whoever was published to longest ago first; of topics, who has no
 * messages any more. A topic that is forgotten begins anew under another epoch. */
#ifndef SW_BUS_MEMORY_STORE_H
#define SW_BUS_MEMORY_STORE_H

#include "bus/backend.h"
#include "common/map.h"

struct sw_memory_store {
    struct sw_purse *purse;
    const struct sw_rules *rules; /* borrowed; NULL: nothing is kept */
    struct sw_map topics;
    struct sw_list used;  /* topics, that which was published to longest ago first, */
    struct sw_list empty; /* but those whose messages have gone; likewise */
    size_t bytes;
    struct sw_map ids;
    struct sw_list aging; /* ids, the oldest first */
    struct sw_buf wrapped;
    struct sw_history_entry entries[SW_HISTORY_READ];
};

struct sw_memory_store *sw_memory_store_create(struct sw_purse *purse,
                                               const struct sw_rules *rules);
void sw_memory_store_destroy(struct sw_memory_store *store);

/* Was a publish with its idempotency id taken before? Then it has that one's position. */
bool sw_memory_store_recall(struct sw_memory_store *store, struct sw_publish *publish,
                            uint64_t now_ms);
/* It was taken: its id is remembered. */
void sw_memory_store_remember(struct sw_memory_store *store, const struct sw_publish *publish,
                              uint64_t now_ms);
/* Keeps it as its topic's rule wants, and gives it its position; what travels, borrowed until the
 * next one. */
struct sw_slice sw_memory_store_take(struct sw_memory_store *store, struct sw_publish *publish,
                                     uint64_t now_ms);
/* Answers. */
void sw_memory_store_read(struct sw_memory_store *store, struct sw_history_read *read,
                          uint64_t now_ms);
/* data == NULL: none. */
struct sw_slice sw_memory_store_last(const struct sw_memory_store *store, struct sw_slice topic);

#endif
