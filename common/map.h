// SPDX-License-Identifier: Apache-2.0
/* Strings to pointers: open addressing, linear probing, backward-shift deletion (no tombstones, so
 * a map with much coming and going stays fast). {0} is a valid empty map. Borrows its keys: a key
 * lives in its value and must stay where it is until the entry is removed. Not thread-safe. */
#ifndef SW_COMMON_MAP_H
#define SW_COMMON_MAP_H

#include "common/slice.h"

/* 24 bytes: a node has two of them for each topic that is read. */
struct sw_map_entry {
    const char *key; /* NULL: free place */
    void *value;
    uint32_t hash; /* of which the low bits say where its search begins: no table has 2^32 places */
    uint32_t size; /* of the key */
};

struct sw_map {
    struct sw_map_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

/* The value, or NULL. */
void *sw_map_find(const struct sw_map *map, struct sw_slice key);
/* The key must not be there yet; key.data is not NULL, and key.size is below 4 GB. */
void sw_map_insert(struct sw_map *map, struct sw_slice key, void *value);
/* The removed value, or NULL where there was none. Shrinks the table when it is nearly empty. */
void *sw_map_remove(struct sw_map *map, struct sw_slice key);
/* Walks all entries: start with *cursor = 0; NULL at the end. The map must not change meanwhile. */
void *sw_map_next(const struct sw_map *map, size_t *cursor);
void sw_map_deinit(struct sw_map *map);

#endif
