// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/budget.h"

#define MB (1u << 20)

static int64_t sum(_Atomic int64_t *parts)
{
    return parts[0] + parts[1];
}

static void steps_are_entered_high_and_left_low(void **state)
{
    (void)state;
    static const struct {
        uint64_t used;
        enum sw_budget_step step;
    } way[] = {{0, SW_BUDGET_EASY},    {699, SW_BUDGET_EASY},  {700, SW_BUDGET_TIGHT},
               {681, SW_BUDGET_TIGHT}, {679, SW_BUDGET_EASY},  {699, SW_BUDGET_EASY},
               {850, SW_BUDGET_HARD},  {831, SW_BUDGET_HARD},  {829, SW_BUDGET_TIGHT},
               {849, SW_BUDGET_TIGHT}, {970, SW_BUDGET_FULL},  {1500, SW_BUDGET_FULL},
               {951, SW_BUDGET_FULL},  {949, SW_BUDGET_HARD},  {969, SW_BUDGET_HARD},
               {970, SW_BUDGET_FULL},  {700, SW_BUDGET_TIGHT}, {970, SW_BUDGET_FULL},
               {0, SW_BUDGET_EASY}};
    enum sw_budget_step step = SW_BUDGET_EASY;
    for (size_t i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
        step = sw_budget_step(way[i].used, 1000, step);
        assert_int_equal(step, way[i].step);
    }
    assert_int_equal(sw_budget_step(UINT64_MAX / 2, UINT64_MAX / 2, SW_BUDGET_EASY),
                     SW_BUDGET_FULL);
}

static void chunks_are_a_megabyte_or_a_small_part(void **state)
{
    (void)state;
    struct sw_budget budget;
    sw_budget_init(&budget, (uint64_t)64 << 30);
    assert_int_equal(budget.chunk, MB);
    sw_budget_init(&budget, 64 * MB);
    assert_int_equal(budget.chunk, 65536);
    sw_budget_init(&budget, MB);
    assert_int_equal(budget.chunk, 1024);
}

/* Whatever is charged by whom: what is lent covers what is used, and is little more. */
static void what_is_lent_follows_what_is_used(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(20261129);
    struct sw_budget budget;
    struct sw_purse purses[3];
    _Atomic int64_t parts[3][2] = {{0}};
    int64_t held[3][2] = {{0}};
    sw_budget_init(&budget, 64 * MB);
    for (unsigned i = 0; i < 3; i++) {
        sw_purse_init(&purses[i], &budget, parts[i]);
    }
    for (unsigned n = 0; n < 20000; n++) {
        unsigned i = (unsigned)sw_random_below(&random, 3);
        unsigned part = (unsigned)sw_random_below(&random, 2);
        int64_t bytes = (int64_t)sw_random_below(&random, n % 100 == 0 ? 10 * MB : 70000);
        if (sw_random_below(&random, 2)) {
            bytes = bytes < held[i][part] ? -bytes : -held[i][part];
        }
        held[i][part] += bytes;
        sw_purse_charge(&purses[i], part, bytes);
        assert_int_equal(parts[i][part], held[i][part]);
        assert_int_equal(purses[i].used, sum(parts[i]));
        assert_true(purses[i].lent >= purses[i].used);
        assert_true(purses[i].lent - purses[i].used < 2 * (int64_t)budget.chunk);
        assert_int_equal(sw_budget_lent(&budget), purses[0].lent + purses[1].lent + purses[2].lent);
    }
    for (unsigned i = 0; i < 3; i++) {
        sw_purse_charge(&purses[i], 0, -held[i][0]);
        sw_purse_charge(&purses[i], 1, -held[i][1]);
    }
    assert_true(sw_budget_lent(&budget) < 6 * budget.chunk);
}

/* The hot path: a message that comes and goes borrows nothing. */
static void coming_and_going_touches_nothing_shared(void **state)
{
    (void)state;
    struct sw_budget budget;
    struct sw_purse purse;
    _Atomic int64_t parts[1] = {0};
    sw_budget_init(&budget, 64 * MB);
    sw_purse_init(&purse, &budget, parts);
    sw_purse_charge(&purse, 0, (int64_t)budget.chunk); /* at an edge */
    uint64_t lent = sw_budget_lent(&budget);
    sw_purse_charge(&purse, 0, 100);
    assert_int_equal(sw_budget_lent(&budget), lent + budget.chunk);
    for (unsigned i = 0; i < 100; i++) {
        sw_purse_charge(&purse, 0, i % 2 ? 100 : -100);
        assert_int_equal(sw_budget_lent(&budget), lent + budget.chunk);
    }
}

static void one_look_is_the_first_to_find_a_step(void **state)
{
    (void)state;
    struct sw_budget budget;
    struct sw_purse a;
    struct sw_purse b;
    _Atomic int64_t parts[1] = {0};
    sw_budget_init(&budget, 10 * MB);
    sw_purse_init(&a, &budget, parts);
    sw_purse_init(&b, &budget, parts);
    assert_false(sw_purse_refresh(&a));
    sw_purse_charge(&a, 0, 9 * MB);
    assert_int_equal(sw_purse_step(&a), SW_BUDGET_EASY); /* until it looks */
    assert_true(sw_purse_refresh(&b));
    assert_int_equal(sw_purse_step(&b), SW_BUDGET_HARD);
    assert_false(sw_purse_refresh(&a));
    assert_int_equal(sw_purse_step(&a), SW_BUDGET_HARD);
    sw_purse_charge(&a, 0, -9 * (int64_t)MB);
    assert_true(sw_purse_refresh(&a));
    assert_int_equal(sw_purse_step(&a), SW_BUDGET_EASY);
}

static void without_a_budget_it_is_only_counted(void **state)
{
    (void)state;
    struct sw_purse purse;
    _Atomic int64_t parts[1] = {0};
    sw_purse_init(&purse, NULL, parts);
    sw_purse_charge(&purse, 0, (int64_t)1 << 40);
    sw_purse_charge(NULL, 0, 1);
    assert_int_equal(parts[0], (int64_t)1 << 40);
    assert_false(sw_purse_refresh(&purse));
    assert_int_equal(sw_purse_step(&purse), SW_BUDGET_EASY);
    assert_int_equal(sw_purse_step(NULL), SW_BUDGET_EASY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_entered_high_and_left_low),
        cmocka_unit_test(chunks_are_a_megabyte_or_a_small_part),
        cmocka_unit_test(what_is_lent_follows_what_is_used),
        cmocka_unit_test(coming_and_going_touches_nothing_shared),
        cmocka_unit_test(one_look_is_the_first_to_find_a_step),
        cmocka_unit_test(without_a_budget_it_is_only_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
