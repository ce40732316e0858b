// SPDX-License-Identifier: Apache-2.0
#include "common/map.h"

#include "common/assert.h"
#include "common/mem.h"

#define FIRST_CAPACITY 16

static uint32_t hash_of(struct sw_slice key)
{
    return (uint32_t)sw_slice_hash(key);
}

/* The place of `key`, or the free place where its search ends. The table has free places. */
static size_t place_of(const struct sw_map *map, struct sw_slice key, uint32_t hash)
{
    size_t mask = map->capacity - 1;
    size_t place = hash & mask;
    for (;; place = (place + 1) & mask) {
        const struct sw_map_entry *entry = &map->entries[place];
        if (!entry->key ||
            (entry->hash == hash && sw_slice_equal(sw_slice(entry->key, entry->size), key))) {
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
        if (entry->key) {
            size_t place = entry->hash & mask;
            while (entries[place].key) {
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
    const struct sw_map_entry *entry = &map->entries[place_of(map, key, hash_of(key))];
    return entry->key ? entry->value : NULL;
}

void sw_map_insert(struct sw_map *map, struct sw_slice key, void *value)
{
    SW_ASSERT(key.data && key.size <= UINT32_MAX);
    if (map->count >= map->capacity / 4 * 3) {
        resize(map, map->capacity ? map->capacity * 2 : FIRST_CAPACITY);
    }
    uint32_t hash = hash_of(key);
    struct sw_map_entry *entry = &map->entries[place_of(map, key, hash)];
    SW_ASSERT(!entry->key);
    *entry = (struct sw_map_entry){key.data, value, hash, (uint32_t)key.size};
    map->count++;
}

/* Frees a place and moves later entries of the same run back, so that no search ends too early. */
static void vacate(struct sw_map *map, size_t hole)
{
    size_t mask = map->capacity - 1;
    for (size_t i = (hole + 1) & mask; map->entries[i].key; i = (i + 1) & mask) {
        size_t home = map->entries[i].hash & mask;
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
    size_t place = place_of(map, key, hash_of(key));
    if (!map->entries[place].key) {
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
        if (entry->key) {
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
