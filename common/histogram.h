// SPDX-License-Identifier: Apache-2.0
/* A histogram of durations with fixed bounds, for Prometheus. One thread adds, any thread reads. */
#ifndef SW_COMMON_HISTOGRAM_H
#define SW_COMMON_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SW_HISTOGRAM_BUCKETS 16

/* Upper bounds in microseconds; a last bucket (+Inf) stands behind them. */
extern const uint32_t sw_histogram_bounds_us[SW_HISTOGRAM_BUCKETS];

struct sw_histogram {
    _Atomic uint64_t buckets[SW_HISTOGRAM_BUCKETS + 1];
    _Atomic uint64_t sum_us;
};

/* `count` events that took `us` each. */
void sw_histogram_add(struct sw_histogram *histogram, uint64_t us, uint64_t count);
/* Adds what `from` holds to plain arrays of SW_HISTOGRAM_BUCKETS + 1 and one sum. */
void sw_histogram_collect(const struct sw_histogram *from, uint64_t *buckets, uint64_t *sum_us);

#endif
