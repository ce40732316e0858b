// SPDX-License-Identifier: Apache-2.0
#include "common/histogram.h"

const uint32_t sw_histogram_bounds_us[SW_HISTOGRAM_BUCKETS] = {
    50,    100,   250,    500,    1000,   2500,    5000,    10000,
    25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000,
};

/* No lock prefix: one thread adds. */
static void add(_Atomic uint64_t *number, uint64_t n)
{
    atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

void sw_histogram_add(struct sw_histogram *histogram, uint64_t us, uint64_t count)
{
    size_t bucket = 0;
    while (bucket < SW_HISTOGRAM_BUCKETS && us > sw_histogram_bounds_us[bucket]) {
        bucket++;
    }
    add(&histogram->buckets[bucket], count);
    add(&histogram->sum_us, us * count);
}

void sw_histogram_collect(const struct sw_histogram *from, uint64_t *buckets, uint64_t *sum_us)
{
    for (size_t i = 0; i <= SW_HISTOGRAM_BUCKETS; i++) {
        buckets[i] += atomic_load_explicit(&from->buckets[i], memory_order_relaxed);
    }
    *sum_us += atomic_load_explicit(&from->sum_us, memory_order_relaxed);
}
