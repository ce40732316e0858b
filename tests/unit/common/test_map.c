// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/map.h"

#include <stdio.h>

#define KEYS 3000

struct thing {
    char name[24];
    bool present;
};

static struct sw_slice name_of(const struct thing *thing)
{
    return sw_slice_of(thing->name);
}

static void empty_map_finds_and_removes_nothing(void **state)
{
    (void)state;
    struct sw_map map = {0};
    size_t cursor = 0;
    assert_null(sw_map_find(&map, SW_SLICE("a")));
    assert_null(sw_map_remove(&map, SW_SLICE("a")));
    assert_null(sw_map_next(&map, &cursor));
    sw_map_deinit(&map);
}

static void keys_are_compared_as_bytes(void **state)
{
    (void)state;
    struct sw_map map = {0};
    int a;
    int b;
    int empty;
    sw_map_insert(&map, SW_SLICE("a\0b"), &a);
    sw_map_insert(&map, SW_SLICE("a\0c"), &b);
    sw_map_insert(&map, SW_SLICE(""), &empty);
    assert_ptr_equal(sw_map_find(&map, SW_SLICE("a\0b")), &a);
    assert_ptr_equal(sw_map_find(&map, SW_SLICE("a\0c")), &b);
    assert_ptr_equal(sw_map_find(&map, SW_SLICE("")), &empty);
    assert_null(sw_map_find(&map, SW_SLICE("a")));
    sw_map_deinit(&map);
}

static void map_gives_memory_back(void **state)
{
    (void)state;
    static struct thing things[KEYS];
    struct sw_map map = {0};
    for (int i = 0; i < KEYS; i++) {
        snprintf(things[i].name, sizeof(things[i].name), "t.%d", i);
        sw_map_insert(&map, name_of(&things[i]), &things[i]);
        assert_true(map.count * 4 <= map.capacity * 3);
    }
    size_t most = map.capacity;
    for (int i = 0; i < KEYS; i++) {
        assert_ptr_equal(sw_map_remove(&map, name_of(&things[i])), &things[i]);
    }
    assert_int_equal(map.count, 0);
    assert_true(map.capacity <= 16 && most >= KEYS);
    sw_map_deinit(&map);
    assert_null(map.entries);
}

static void assert_walk_sees_all(const struct sw_map *map, const struct thing *things)
{
    size_t cursor = 0;
    size_t seen = 0;
    const struct thing *thing;
    while ((thing = sw_map_next(map, &cursor))) {
        assert_true(thing >= things && thing < things + KEYS && thing->present);
        seen++;
    }
    assert_int_equal(seen, map->count);
}

static void map_survives_random_inserts_and_removals_against_a_model(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(20260102);
    static struct thing things[KEYS];
    struct sw_map map = {0};
    size_t count = 0;
    for (int i = 0; i < KEYS; i++) {
        snprintf(things[i].name, sizeof(things[i].name), "topic.%d", i);
        things[i].present = false;
    }
    for (int i = 0; i < 200000; i++) {
        struct thing *thing = &things[sw_random_below(&random, KEYS)];
        bool growing = i / 20000 % 2 == 0;
        assert_ptr_equal(sw_map_find(&map, name_of(thing)), thing->present ? thing : NULL);
        if (!thing->present && sw_random_below(&random, 10) < (growing ? 9u : 1u)) {
            sw_map_insert(&map, name_of(thing), thing);
            thing->present = true;
            count++;
        } else if (thing->present && sw_random_below(&random, 10) < (growing ? 1u : 9u)) {
            assert_ptr_equal(sw_map_remove(&map, name_of(thing)), thing);
            assert_null(sw_map_remove(&map, name_of(thing)));
            thing->present = false;
            count--;
        }
        assert_int_equal(map.count, count);
        if (i % 5000 == 0) {
            assert_walk_sees_all(&map, things);
        }
    }
    sw_map_deinit(&map);
}

/* Runs are longest just before the table grows. */
static void table_as_full_as_it_gets_loses_nothing(void **state)
{
    (void)state;
    static struct thing things[KEYS];
    struct sw_map map = {0};
    size_t count = 0;
    while (count < KEYS && (map.capacity < 2048 || count < map.capacity / 4 * 3)) {
        struct thing *thing = &things[count++];
        snprintf(thing->name, sizeof(thing->name), "full.%zu", count);
        thing->present = true;
        sw_map_insert(&map, name_of(thing), thing);
    }
    assert_int_equal(map.capacity, 2048);
    assert_int_equal(map.count, 1536);
    for (size_t i = 0; i < count; i += 2) {
        assert_ptr_equal(sw_map_remove(&map, name_of(&things[i])), &things[i]);
        things[i].present = false;
    }
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(sw_map_find(&map, name_of(&things[i])),
                         things[i].present ? &things[i] : NULL);
    }
    assert_walk_sees_all(&map, things);
    sw_map_deinit(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_map_finds_and_removes_nothing),
        cmocka_unit_test(keys_are_compared_as_bytes),
        cmocka_unit_test(map_gives_memory_back),
        cmocka_unit_test(table_as_full_as_it_gets_loses_nothing),
        cmocka_unit_test(map_survives_random_inserts_and_removals_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
