// SPDX-License-Identifier: Apache-2.0
/* A token bucket: so many events a second, and two seconds' worth at once. {0} lets everything
 * through. Not thread-safe. */
#ifndef SW_COMMON_BUCKET_H
#define SW_COMMON_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct sw_bucket {
    uint64_t rate;   /* thousandths of a token a second, millionths a millisecond; 0: no limit */
    uint64_t most;   /* millionths of a token that it holds */
    uint64_t tokens; /* millionths */
    uint64_t at_ms;  /* when they were counted */
};

/* Full. `rate` in thousandths of an event a second, so that several may share one; 0: no limit. */
void sw_bucket_init(struct sw_bucket *bucket, uint64_t rate, uint64_t now_ms);
/* One event; false: too many. `now_ms`: any monotonic clock. */
bool sw_bucket_take(struct sw_bucket *bucket, uint64_t now_ms);

#endif
