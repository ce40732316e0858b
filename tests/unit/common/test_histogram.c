// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/histogram.h"

#include <pthread.h>

#define ALL (SW_HISTOGRAM_BUCKETS + 1)

static void bounds_rise(void **state)
{
    (void)state;
    for (int i = 1; i < SW_HISTOGRAM_BUCKETS; i++) {
        assert_true(sw_histogram_bounds_us[i] > sw_histogram_bounds_us[i - 1]);
    }
}

static void bound_itself_belongs_to_its_bucket(void **state)
{
    (void)state;
    for (int i = 0; i < SW_HISTOGRAM_BUCKETS; i++) {
        struct sw_histogram histogram = {0};
        uint64_t buckets[ALL] = {0};
        uint64_t sum = 0;
        sw_histogram_add(&histogram, sw_histogram_bounds_us[i], 2);
        sw_histogram_add(&histogram, sw_histogram_bounds_us[i] + 1, 3);
        sw_histogram_collect(&histogram, buckets, &sum);
        assert_true(buckets[i] == 2 && buckets[i + 1] == 3);
        assert_true(sum == 5 * (uint64_t)sw_histogram_bounds_us[i] + 3);
    }
}

static void collecting_adds_to_what_is_there(void **state)
{
    (void)state;
    struct sw_histogram one = {0};
    struct sw_histogram two = {0};
    uint64_t buckets[ALL] = {0};
    uint64_t sum = 0;
    sw_histogram_add(&one, 0, 1);
    sw_histogram_add(&two, UINT32_MAX, 1);
    sw_histogram_collect(&one, buckets, &sum);
    sw_histogram_collect(&two, buckets, &sum);
    assert_true(buckets[0] == 1 && buckets[SW_HISTOGRAM_BUCKETS] == 1);
    assert_true(sum == UINT32_MAX);
}

static void *add_many(void *histogram)
{
    for (int i = 0; i < 200000; i++) {
        sw_histogram_add(histogram, 60, 1);
    }
    return NULL;
}

static void one_thread_adds_while_another_reads(void **state)
{
    (void)state;
    static struct sw_histogram histogram;
    pthread_t thread;
    uint64_t before = 0;
    uint64_t count = 0;
    assert_int_equal(pthread_create(&thread, NULL, add_many, &histogram), 0);
    while (count < 100000) {
        uint64_t buckets[ALL] = {0};
        uint64_t sum = 0;
        sw_histogram_collect(&histogram, buckets, &sum);
        count = buckets[1];
        assert_true(count >= before && sum % 60 == 0);
        before = count;
    }
    pthread_join(thread, NULL);
    assert_true(atomic_load(&histogram.sum_us) == 60 * UINT64_C(200000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_rise),
        cmocka_unit_test(bound_itself_belongs_to_its_bucket),
        cmocka_unit_test(collecting_adds_to_what_is_there),
        cmocka_unit_test(one_thread_adds_while_another_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
