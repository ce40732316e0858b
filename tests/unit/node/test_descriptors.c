// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "node/descriptors.h"

#include <stdio.h>

/* How many entries the process's table has. */
static unsigned table_size(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    unsigned size = 0;
    assert_non_null(file);
    while (!size && fgets(line, sizeof(line), file)) {
        (void)sscanf(line, "FDSize: %u", &size);
    }
    fclose(file);
    return size;
}

static void the_table_need_not_grow_later(void **state)
{
    (void)state;
    struct sw_descriptors plan = sw_descriptors_plan(0, 1);
    assert_in_range(table_size(), plan.limit < 65536 ? plan.limit : 65536, UINT32_MAX);
}

static void more_connections_than_there_are_descriptors_are_not_promised(void **state)
{
    (void)state;
    struct sw_descriptors all = sw_descriptors_plan(0, 1);
    struct sw_descriptors many = sw_descriptors_plan(UINT32_MAX, 1);
    struct sw_descriptors few = sw_descriptors_plan(10, 1);
    assert_true(all.connections < all.limit && !all.clamped);
    assert_true(many.connections == all.connections && many.clamped);
    assert_true(few.connections == 10 && !few.clamped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_need_not_grow_later),
        cmocka_unit_test(more_connections_than_there_are_descriptors_are_not_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
