// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/bucket.h"

/* How many of `asked` get through at this moment. */
static unsigned through(struct sw_bucket *bucket, uint64_t now_ms, unsigned asked)
{
    unsigned count = 0;
    for (unsigned i = 0; i < asked; i++) {
        count += sw_bucket_take(bucket, now_ms);
    }
    return count;
}

static void two_seconds_worth_at_once_and_then_the_rate(void **state)
{
    (void)state;
    struct sw_bucket bucket;
    sw_bucket_init(&bucket, 100 * 1000, 5000);
    assert_int_equal(through(&bucket, 5000, 1000), 200);
    assert_int_equal(through(&bucket, 5009, 1000), 0);
    assert_int_equal(through(&bucket, 5010, 1000), 1);
    assert_int_equal(through(&bucket, 6010, 1000), 100);
    assert_int_equal(through(&bucket, 7510, 1000), 150);
    assert_int_equal(through(&bucket, 3600000, 1000), 200); /* it holds no more */
}

static void none_is_lost_between_short_looks(void **state)
{
    (void)state;
    struct sw_bucket bucket;
    unsigned count = 0;
    sw_bucket_init(&bucket, 333, 0); /* a third of one a second: one of three workers */
    assert_int_equal(through(&bucket, 0, 5), 1);
    for (uint64_t now_ms = 1; now_ms <= 60 * 1000; now_ms++) {
        count += through(&bucket, now_ms, 1);
    }
    assert_in_range(count, 17, 20);
}

static void without_a_rate_everything_goes(void **state)
{
    (void)state;
    struct sw_bucket bucket = {0};
    assert_int_equal(through(&bucket, 1, 1000), 1000);
    sw_bucket_init(&bucket, 0, 1);
    assert_int_equal(through(&bucket, 1, 1000), 1000);
}

static void times_far_apart_do_not_overflow(void **state)
{
    (void)state;
    struct sw_bucket bucket;
    sw_bucket_init(&bucket, 1000000u * UINT64_C(1000), 0);
    assert_int_equal(through(&bucket, UINT64_MAX / 2, 2000001), 2000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_seconds_worth_at_once_and_then_the_rate),
        cmocka_unit_test(none_is_lost_between_short_looks),
        cmocka_unit_test(without_a_rate_everything_goes),
        cmocka_unit_test(times_far_apart_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
