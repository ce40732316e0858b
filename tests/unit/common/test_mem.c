// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/mem.h"

static void nothing_of_size_zero_is_null(void **state)
{
    (void)state;
    void *memory = sw_alloc(0);
    assert_non_null(memory);
    memory = sw_realloc(memory, 0);
    assert_non_null(memory);
    sw_free(memory);
    memory = sw_zalloc(0);
    assert_non_null(memory);
    sw_free(memory);
    sw_free(NULL);
}

static void aligned_memory_is_aligned(void **state)
{
    (void)state;
    for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
        void *memory = sw_alloc_aligned(alignment, 100);
        assert_int_equal((uintptr_t)memory % alignment, 0);
        memset(memory, 1, 100);
        sw_free(memory);
    }
}

static void strndup_copies_and_ends_with_nul(void **state)
{
    (void)state;
    char *copy = sw_strndup("topic.and.more", 5);
    assert_string_equal(copy, "topic");
    sw_free(copy);
    copy = sw_strndup(NULL, 0);
    assert_string_equal(copy, "");
    sw_free(copy);
}

static void reserved_space_is_zero_and_writable(void **state)
{
    (void)state;
    size_t size = (size_t)64 << 20;
    char *memory = sw_reserve(size);
    assert_int_equal(memory[0], 0);
    assert_int_equal(memory[size - 1], 0);
    memory[size - 1] = 7;
    assert_int_equal(memory[size - 1], 7);
    sw_release(memory, size);
    sw_mem_trim();
}

struct outer {
    int before;
    int member;
};

static void container_of_finds_the_struct_around_a_member(void **state)
{
    (void)state;
    struct outer outer;
    assert_ptr_equal(SW_CONTAINER_OF(&outer.member, struct outer, member), &outer);
    assert_int_equal(SW_ARRAY_SIZE(((int[]){1, 2, 3})), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_of_size_zero_is_null),
        cmocka_unit_test(aligned_memory_is_aligned),
        cmocka_unit_test(strndup_copies_and_ends_with_nul),
        cmocka_unit_test(reserved_space_is_zero_and_writable),
        cmocka_unit_test(container_of_finds_the_struct_around_a_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
