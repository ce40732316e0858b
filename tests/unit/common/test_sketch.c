// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/mem.h"
#include "common/sketch.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS  20000

/* Keys that share no cell with each other. */
static uint64_t key_of(uint64_t number)
{
    return number | number << 16;
}

/* ---- how many ---- */

static void as_many_as_there_may_be_and_one_more_for_each_that_leaves(void **state)
{
    (void)state;
    struct sw_tally tally;
    sw_tally_init(&tally);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 5; i++) {
            assert_true(sw_tally_add(&tally, key_of(1), 5));
        }
        assert_false(sw_tally_add(&tally, key_of(1), 5));
        assert_true(sw_tally_add(&tally, key_of(2), 1));
        sw_tally_remove(&tally, key_of(1));
        assert_true(sw_tally_add(&tally, key_of(1), 5));
        assert_false(sw_tally_add(&tally, key_of(1), 5));
        for (unsigned i = 0; i < 5; i++) {
            sw_tally_remove(&tally, key_of(1));
        }
        sw_tally_remove(&tally, key_of(2));
    }
    sw_tally_deinit(&tally);
}

/* Who shares one cell is not charged for the others; who shares both would be. */
static void sharing_one_cell_costs_nobody_anything(void **state)
{
    (void)state;
    struct sw_tally tally;
    sw_tally_init(&tally);
    for (unsigned i = 0; i < 9; i++) {
        assert_true(sw_tally_add(&tally, 1 | 1 << 16, 9));
    }
    assert_true(sw_tally_add(&tally, 1 | 2 << 16, 1));
    assert_true(sw_tally_add(&tally, 3 | 1 << 16, 1));
    assert_false(sw_tally_add(&tally, 1 | 1 << 16 | UINT64_C(5) << 32, 9));
    sw_tally_deinit(&tally);
}

/* Against a table of numbers: never fewer than there are, and nothing is left in the end. */
static void what_comes_and_goes_leaves_nothing(void **state)
{
    (void)state;
    enum { KEYS = 3000, MOST = 4 };
    static unsigned held[KEYS];
    static uint64_t keys[KEYS];
    struct sw_random random = unit_seeded(11);
    struct sw_tally tally;
    unsigned wronged = 0;
    sw_tally_init(&tally);
    for (unsigned i = 0; i < KEYS; i++) {
        keys[i] = sw_random_u64(&random);
    }
    for (unsigned round = 0; round < 200000; round++) {
        unsigned i = (unsigned)sw_random_below(&random, KEYS);
        if (sw_random_below(&random, 2) && held[i]) {
            sw_tally_remove(&tally, keys[i]);
            held[i]--;
        } else if (sw_tally_add(&tally, keys[i], MOST)) {
            assert_in_range(++held[i], 1, MOST);
        } else {
            wronged += held[i] < MOST;
        }
    }
    assert_in_range(wronged, 0, 2000); /* 1 % */
    for (unsigned i = 0; i < KEYS; i++) {
        for (; held[i]; held[i]--) {
            sw_tally_remove(&tally, keys[i]);
        }
    }
    for (unsigned cell = 0; cell < SW_SKETCH_ROWS * SW_SKETCH_CELLS; cell++) {
        assert_int_equal(atomic_load(&tally.cells[cell]), 0);
    }
    sw_tally_deinit(&tally);
}

struct crowd {
    struct sw_tally tally;
    struct sw_pacer pacer;
    _Atomic unsigned inside;
    _Atomic unsigned passed;
    _Atomic bool too_many;
};

static void *come_and_go(void *argument)
{
    struct crowd *crowd = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (sw_tally_add(&crowd->tally, key_of(1), 2)) {
            if (atomic_fetch_add(&crowd->inside, 1) >= 2) {
                atomic_store(&crowd->too_many, true);
            }
            atomic_fetch_sub(&crowd->inside, 1);
            sw_tally_remove(&crowd->tally, key_of(1));
        }
    }
    return NULL;
}

static void *knock(void *argument)
{
    struct crowd *crowd = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (sw_pacer_take(&crowd->pacer, key_of(1), 5000) == 0) {
            atomic_fetch_add(&crowd->passed, 1);
        }
    }
    return NULL;
}

static void run_threads(struct crowd *crowd, void *(*run)(void *argument))
{
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run, crowd), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void threads_never_let_in_more_than_there_may_be(void **state)
{
    (void)state;
    struct crowd crowd = {.inside = 0};
    sw_tally_init(&crowd.tally);
    run_threads(&crowd, come_and_go);
    assert_false(atomic_load(&crowd.too_many));
    assert_true(sw_tally_add(&crowd.tally, key_of(1), 1));
    sw_tally_deinit(&crowd.tally);
}

/* ---- how often ---- */

/* How many of `asked` get through at this moment; the refused are told when to come again. */
static unsigned through(struct sw_pacer *pacer, uint64_t key, uint64_t now_ms, unsigned asked)
{
    unsigned count = 0;
    for (unsigned i = 0; i < asked; i++) {
        uint32_t wait_ms = sw_pacer_take(pacer, key, now_ms);
        count += wait_ms == 0;
        if (wait_ms) {
            assert_int_not_equal(sw_pacer_take(pacer, key, now_ms + wait_ms - 1), 0);
        }
    }
    return count;
}

static void two_seconds_worth_at_once_and_then_the_rate(void **state)
{
    (void)state;
    struct sw_pacer pacer;
    sw_pacer_init(&pacer, 20);
    assert_int_equal(through(&pacer, key_of(1), 5000, 100), 40);
    assert_int_equal(through(&pacer, key_of(2), 5000, 100), 40); /* the neighbour */
    assert_int_equal(sw_pacer_take(&pacer, key_of(1), 5000), 50);
    assert_int_equal(through(&pacer, key_of(1), 5049, 10), 0);
    assert_int_equal(through(&pacer, key_of(1), 5050, 10), 1);
    assert_int_equal(through(&pacer, key_of(1), 6050, 100), 20);
    assert_int_equal(through(&pacer, key_of(1), 3600000, 100), 40); /* no more, however long */
    sw_pacer_deinit(&pacer);
}

static void any_rate_has_its_burst(void **state)
{
    (void)state;
    static const uint32_t rates[] = {1, 2, 3, 7, 999, 1000000};
    for (size_t i = 0; i < SW_ARRAY_SIZE(rates); i++) {
        struct sw_pacer pacer;
        unsigned count = 0;
        sw_pacer_init(&pacer, rates[i]);
        while (sw_pacer_take(&pacer, key_of(1), 77) == 0) {
            count++;
        }
        assert_int_equal(count, 2 * rates[i]);
        sw_pacer_deinit(&pacer);
    }
}

static void threads_get_the_burst_and_at_most_one_each_beyond(void **state)
{
    (void)state;
    struct crowd crowd = {.inside = 0};
    sw_pacer_init(&crowd.pacer, 1000);
    run_threads(&crowd, knock);
    assert_in_range(atomic_load(&crowd.passed), 2000, 2000 + THREADS - 1);
    sw_pacer_deinit(&crowd.pacer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_as_there_may_be_and_one_more_for_each_that_leaves),
        cmocka_unit_test(sharing_one_cell_costs_nobody_anything),
        cmocka_unit_test(what_comes_and_goes_leaves_nothing),
        cmocka_unit_test(threads_never_let_in_more_than_there_may_be),
        cmocka_unit_test(two_seconds_worth_at_once_and_then_the_rate),
        cmocka_unit_test(any_rate_has_its_burst),
        cmocka_unit_test(threads_get_the_burst_and_at_most_one_each_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
