// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/best.h"

#define OFFERS 500

static int descending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void test_fewer_than_fit(void **state)
{
    (void)state;
    struct sw_best best;
    sw_best_init(&best, 3);
    assert_int_equal(best.count, 0);
    sw_best_offer(&best, 0, 7);
    sw_best_offer(&best, 0, 8);
    assert_int_equal(best.count, 2);
    assert_int_equal(best.entries[0].id + best.entries[1].id, 15);
    sw_best_deinit(&best);
}

static void test_of_equals_the_first_stay(void **state)
{
    (void)state;
    struct sw_best best;
    sw_best_init(&best, 1);
    sw_best_offer(&best, 5, 1);
    sw_best_offer(&best, 5, 2);
    assert_int_equal(best.entries[0].id, 1);
    sw_best_offer(&best, 6, 3);
    assert_int_equal(best.entries[0].id, 3);
    sw_best_deinit(&best);
}

/* Whatever comes, in whatever order: the kept are the head of the sorted. */
static void test_against_sorting(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(20261128);
    for (unsigned round = 0; round < 200; round++) {
        uint64_t keys[OFFERS];
        struct sw_best best;
        uint32_t limit = 1 + (uint32_t)sw_random_below(&random, 40);
        uint32_t offers = (uint32_t)sw_random_below(&random, OFFERS);
        uint64_t range = 1 + sw_random_below(&random, 1000);
        sw_best_init(&best, limit);
        for (uint32_t i = 0; i < offers; i++) {
            keys[i] = round % 3 == 0 ? i : sw_random_below(&random, range);
            sw_best_offer(&best, keys[i], i);
            assert_true(sw_best_sane(&best));
        }
        assert_int_equal(best.count, offers < limit ? offers : limit);
        uint64_t kept[40];
        for (uint32_t i = 0; i < best.count; i++) {
            kept[i] = best.entries[i].key;
            assert_int_equal(keys[best.entries[i].id], kept[i]);
        }
        qsort(kept, best.count, sizeof(kept[0]), descending);
        qsort(keys, offers, sizeof(keys[0]), descending);
        assert_memory_equal(kept, keys, best.count * sizeof(kept[0]));
        sw_best_deinit(&best);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fewer_than_fit),
        cmocka_unit_test(test_of_equals_the_first_stay),
        cmocka_unit_test(test_against_sorting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
