// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/rate.h"

#define SECOND 1000000000u

/* `per_second` events in each of `seconds`, from *now on. */
static void events(struct sw_rate *rate, uint64_t *now, unsigned seconds, unsigned per_second)
{
    for (unsigned i = 0; i < seconds * per_second; i++) {
        *now += SECOND / per_second;
        sw_rate_count(rate, sw_rate_window(*now));
    }
}

static void assert_near(double value, double wanted, double error)
{
    if (value < wanted - error || value > wanted + error) {
        fail_msg("%f, not %f", value, wanted);
    }
}

static void test_young(void **state)
{
    (void)state;
    struct sw_rate rate;
    uint64_t now = 123 * (uint64_t)SECOND + 456;
    sw_rate_init(&rate, now);
    assert_near(sw_rate_per_second(&rate, now), 0, 0);
    sw_rate_count(&rate, sw_rate_window(now));
    assert_near(sw_rate_per_second(&rate, now), 1, 0);
    now += 4 * (uint64_t)SECOND;
    assert_near(sw_rate_per_second(&rate, now), 0.25, 1e-4); /* its birth is known to the ms */
}

/* Whenever one looks, an even rate is what it is, and a topic that was born just before the end of
 * a window is no worse off. */
static void test_even_rate(void **state)
{
    (void)state;
    for (unsigned born = 0; born < 20; born++) {
        struct sw_rate rate;
        uint64_t now = 1000 * (uint64_t)SECOND + born * (uint64_t)SECOND / 2 + 7;
        sw_rate_init(&rate, now);
        for (unsigned second = 1; second < 45; second++) {
            events(&rate, &now, 1, 200);
            assert_near(sw_rate_per_second(&rate, now), 200, 1);
            assert_int_equal(sw_rate_total(&rate), 200 * second);
        }
    }
}

static void test_it_ends(void **state)
{
    (void)state;
    struct sw_rate rate;
    uint64_t now = 1000 * (uint64_t)SECOND;
    sw_rate_init(&rate, now);
    events(&rate, &now, 30, 100);
    double before = sw_rate_per_second(&rate, now);
    for (unsigned second = 0; second < 19; second++) {
        now += SECOND;
        double rate_now = sw_rate_per_second(&rate, now);
        assert_true(rate_now <= before);
        before = rate_now;
    }
    assert_near(sw_rate_per_second(&rate, now + SECOND), 0, 0);
    now += 3600 * (uint64_t)SECOND; /* windows in which nothing came are skipped */
    sw_rate_count(&rate, sw_rate_window(now));
    assert_near(sw_rate_per_second(&rate, now), 0.1, 1e-9);
    assert_int_equal(sw_rate_total(&rate), 3001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_young),
        cmocka_unit_test(test_even_rate),
        cmocka_unit_test(test_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
