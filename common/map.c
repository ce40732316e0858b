// SPDX-License-Identifier: Apache-2.0
#include "common/map.h"

#include "common/assert.h"
#include "common/mem.h"

#define FIRST_CAPACITY 16

/* The place of `key`, or the free place where its search ends. The table has free places. */
static size_t place_of(const struct sw_map *map, struct sw_slice key, uint64_t hash)
{
    size_t mask = map->capacity - 1;
    size_t place = (size_t)hash & mask;
    for (;; place = (place + 1) & mask) {
        const struct sw_map_entry *entry = &map->entries[place];
        if (!entry->key.data || (entry->hash == hash && sw_slice_equal(entry->key, key))) {
            return place;
        }
    }
}

static void resize(struct sw_map *map, size_t capacity)
{
    struct sw_map_entry *entries = sw_zalloc(capacity * sizeof(*entries));
    size_t mask = capacity - 1;
    for (size_t i = 0; i < map->capacity; i++) {
        const struct sw_map_entry *entry = &map->entries[i];
        if (entry->key.data) {
            size_t place = (size_t)entry->hash & mask;
            while (entries[place].key.data) {
                place = (place + 1) & mask;
            }
            entries[place] = *entry;
        }
    }
    sw_free(map->entries);
    map->entries = entries;
    map->capacity = capacity;
}

void *sw_map_find(const struct sw_map *map, struct sw_slice key)
{
    if (map->count == 0) {
        return NULL;
    }
    const struct sw_map_entry *entry = &map->entries[place_of(map, key, sw_slice_hash(key))];
    return entry->key.data ? entry->value : NULL;
}

void sw_map_insert(struct sw_map *map, struct sw_slice key, void *value)
{
    SW_ASSERT(key.data);
    if (map->count >= map->capacity / 4 * 3) {
        resize(map, map->capacity ? map->capacity * 2 : FIRST_CAPACITY);
    }
    uint64_t hash = sw_slice_hash(key);
    struct sw_map_entry *entry = &map->entries[place_of(map, key, hash)];
    SW_ASSERT(!entry->key.data);
    *entry = (struct sw_map_entry){key, value, hash};
    map->count++;
}

/* Frees a place and moves later entries of the same run back, so that no search ends too early. */
static void vacate(struct sw_map *map, size_t hole)
{
    size_t mask = map->capacity - 1;
    for (size_t i = (hole + 1) & mask; map->entries[i].key.data; i = (i + 1) & mask) {
        size_t home = (size_t)map->entries[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->entries[hole] = map->entries[i];
            hole = i;
        }
    }
    map->entries[hole] = (struct sw_map_entry){0};
}

void *sw_map_remove(struct sw_map *map, struct sw_slice key)
{
    if (map->count == 0) {
        return NULL;
    }
    size_t place = place_of(map, key, sw_slice_hash(key));
    if (!map->entries[place].key.data) {
        return NULL;
    }
    void *value = map->entries[place].value;
    vacate(map, place);
    map->count--;
    /* Far below the load at which it grows, so that one entry coming and going does not resize. */
    if (map->capacity > FIRST_CAPACITY && map->count < map->capacity / 8) {
        resize(map, map->capacity / 2);
    }
    return value;
}

void *sw_map_next(const struct sw_map *map, size_t *cursor)
{
    while (*cursor < map->capacity) {
        const struct sw_map_entry *entry = &map->entries[(*cursor)++];
        if (entry->key.data) {
            return entry->value;
        }
    }
    return NULL;
}

void sw_map_deinit(struct sw_map *map)
{
    sw_free(map->entries);
    *map = (struct sw_map){0};
}
