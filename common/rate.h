// SPDX-License-Identifier: Apache-2.0
/* How many, and how many a second over the last ten: two windows of ten seconds instead of a ring
 * of them, of which the elder counts as far as it still lies within ten seconds. Exact where the
 * rate is even. Counting is one comparison and one addition; the owner knows the number of the
 * window. 24 bytes, since every topic has one. Not thread-safe. */
#ifndef SW_COMMON_RATE_H
#define SW_COMMON_RATE_H

#include "common/assert.h"

#include <stdbool.h>
#include <stdint.h>

#define SW_RATE_WINDOW_NS 10000000000u

struct sw_rate {
    uint64_t before;   /* those before this window */
    uint32_t window;   /* which this one is: since the clock's beginning */
    uint32_t current;  /* in this window ... */
    uint32_t previous; /* ... and in the one before it */
    uint16_t born_ms;  /* where in its first window it was born */
    uint8_t age; /* windows since that one; 2: or more, and its birth tells nothing any more */
};

/* `now_ns`: any monotonic clock. */
void sw_rate_init(struct sw_rate *rate, uint64_t now_ns);

static inline uint32_t sw_rate_window(uint64_t now_ns)
{
    return (uint32_t)(now_ns / SW_RATE_WINDOW_NS);
}

/* A window has begun since it was last raised. */
void sw_rate_enter(struct sw_rate *rate, uint32_t window);

static inline void sw_rate_count(struct sw_rate *rate, uint32_t window)
{
    if (SW_UNLIKELY(rate->window != window)) {
        sw_rate_enter(rate, window);
    }
    rate->current++;
}

static inline uint64_t sw_rate_total(const struct sw_rate *rate)
{
    return rate->before + rate->current;
}

/* Over its whole life where that is shorter than a window; at least a second is taken, since one
 * event is no rate. */
double sw_rate_per_second(struct sw_rate *rate, uint64_t now_ns);

#endif
