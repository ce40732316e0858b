// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/list.h"

static void list_keeps_the_order_of_pushes(void **state)
{
    (void)state;
    struct sw_list list;
    struct sw_list nodes[3];
    sw_list_init(&list);
    assert_true(sw_list_empty(&list));
    assert_null(sw_list_first(&list));
    for (int i = 0; i < 3; i++) {
        sw_list_push(&list, &nodes[i]);
    }
    assert_ptr_equal(sw_list_first(&list), &nodes[0]);
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(sw_list_pop(&list), &nodes[i]);
    }
    assert_null(sw_list_pop(&list));
}

static void removing_twice_is_harmless(void **state)
{
    (void)state;
    struct sw_list list;
    struct sw_list nodes[3];
    sw_list_init(&list);
    for (int i = 0; i < 3; i++) {
        sw_list_push(&list, &nodes[i]);
    }
    sw_list_remove(&nodes[1]);
    sw_list_remove(&nodes[1]);
    assert_true(sw_list_empty(&nodes[1]));
    assert_ptr_equal(sw_list_pop(&list), &nodes[0]);
    assert_ptr_equal(sw_list_pop(&list), &nodes[2]);
    assert_true(sw_list_empty(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_keeps_the_order_of_pushes),
        cmocka_unit_test(removing_twice_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
