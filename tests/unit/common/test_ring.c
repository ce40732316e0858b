// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/ring.h"

static void *item(uintptr_t n)
{
    return (void *)n;
}

static void empty_ring_has_nothing(void **state)
{
    (void)state;
    struct sw_ring ring = {0};
    assert_null(sw_ring_pop(&ring));
    assert_null(sw_ring_first(&ring));
    sw_ring_deinit(&ring);
}

static void first_stays_and_pop_takes(void **state)
{
    (void)state;
    struct sw_ring ring = {0};
    sw_ring_push(&ring, item(1));
    assert_ptr_equal(sw_ring_first(&ring), item(1));
    assert_int_equal(ring.count, 1);
    assert_ptr_equal(sw_ring_pop(&ring), item(1));
    assert_null(sw_ring_pop(&ring));
    sw_ring_deinit(&ring);
}

/* At every head that a ring can have, so that wrapped rings grow too. */
static void ring_grows_past_full_wherever_its_head_is(void **state)
{
    (void)state;
    for (uintptr_t head = 0; head < 8; head++) {
        struct sw_ring ring = {0};
        for (uintptr_t i = 0; i < head; i++) {
            sw_ring_push(&ring, item(99));
            sw_ring_pop(&ring);
        }
        for (uintptr_t i = 1; i <= 9; i++) {
            sw_ring_push(&ring, item(i));
        }
        assert_int_equal(ring.capacity, 16);
        for (uintptr_t i = 1; i <= 9; i++) {
            assert_ptr_equal(sw_ring_at(&ring, i - 1), item(i));
        }
        for (uintptr_t i = 1; i <= 9; i++) {
            assert_ptr_equal(sw_ring_pop(&ring), item(i));
        }
        assert_int_equal(ring.count, 0);
        sw_ring_deinit(&ring);
    }
}

static void ring_is_a_queue_under_random_pushes_and_pops(void **state)
{
    (void)state;
    struct sw_random random = unit_seeded(20260101);
    struct sw_ring ring = {0};
    uintptr_t pushed = 0;
    uintptr_t popped = 0;
    for (int i = 0; i < 100000; i++) {
        /* Phases of growth and of shrinking. */
        if (sw_random_below(&random, 100) < (i / 10000 % 2 ? 40u : 60u)) {
            sw_ring_push(&ring, item(++pushed));
        } else if (popped < pushed) {
            assert_ptr_equal(sw_ring_pop(&ring), item(++popped));
        } else {
            assert_null(sw_ring_pop(&ring));
        }
        assert_int_equal(ring.count, pushed - popped);
    }
    sw_ring_deinit(&ring);
    assert_int_equal(ring.capacity, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_ring_has_nothing),
        cmocka_unit_test(first_stays_and_pop_takes),
        cmocka_unit_test(ring_grows_past_full_wherever_its_head_is),
        cmocka_unit_test(ring_is_a_queue_under_random_pushes_and_pops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
