// SPDX-License-Identifier: Apache-2.0
/* How many, and how many a second over the last ten: two windows of ten seconds instead of a ring
 * of them, of which the elder counts as far as it still lies within ten seconds. Exact where the
 * rate is even. Counting is one comparison and one addition; the owner knows the number of the
 * window. Not thread-safe. */
#ifndef SW_COMMON_RATE_H
#define SW_COMMON_RATE_H

#include "common/assert.h"

#include <stdbool.h>
#include <stdint.h>

#define SW_RATE_WINDOW_NS 10000000000u

struct sw_rate {
    uint64_t total;
    uint64_t window;      /* in which `total` was last raised */
    uint64_t at_window;   /* total when that window began ... */
    uint64_t at_previous; /* ... and the one before it */
    uint64_t born_ns;
};

/* `now_ns`: any monotonic clock. */
void sw_rate_init(struct sw_rate *rate, uint64_t now_ns);

static inline uint64_t sw_rate_window(uint64_t now_ns)
{
    return now_ns / SW_RATE_WINDOW_NS;
}

/* A window has begun since it was last raised. */
void sw_rate_enter(struct sw_rate *rate, uint64_t window);

static inline void sw_rate_count(struct sw_rate *rate, uint64_t window)
{
    if (SW_UNLIKELY(rate->window != window)) {
        sw_rate_enter(rate, window);
    }
    rate->total++;
}

/* Over its whole life where that is shorter than a window; at least a second is taken, since one
 * event is no rate. */
double sw_rate_per_second(struct sw_rate *rate, uint64_t now_ns);

#endif
