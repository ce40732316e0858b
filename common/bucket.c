// SPDX-License-Identifier: Apache-2.0
#include "common/bucket.h"

#define TOKEN    1000000
#define BURST_MS 2000

void sw_bucket_init(struct sw_bucket *bucket, uint64_t rate, uint64_t now_ms)
{
    /* at least one event must fit, however low the rate */
    uint64_t most = rate * BURST_MS < TOKEN ? TOKEN : rate * BURST_MS;
    *bucket = (struct sw_bucket){.rate = rate, .most = most, .tokens = most, .at_ms = now_ms};
}

bool sw_bucket_take(struct sw_bucket *bucket, uint64_t now_ms)
{
    if (bucket->rate == 0) {
        return true;
    }
    uint64_t missing = bucket->most - bucket->tokens;
    uint64_t passed_ms = now_ms - bucket->at_ms;
    bool full = passed_ms > missing / bucket->rate;
    bucket->tokens += full ? missing : passed_ms * bucket->rate;
    bucket->at_ms = now_ms;
    if (bucket->tokens < TOKEN) {
        return false;
    }
    bucket->tokens -= TOKEN;
    return true;
}
