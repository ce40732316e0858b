// SPDX-License-Identifier: Apache-2.0
#include "common/clock.h"

#include "common/assert.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t sw_clock_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t sw_clock_ms(void)
{
    return read_ns(CLOCK_MONOTONIC) / 1000000u;
}

uint64_t sw_clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000u;
}

const char *sw_clock_text(uint64_t wall_ms, char out[SW_CLOCK_TEXT])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t size = strftime(out, SW_CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &utc);
    SW_ASSERT(size == SW_CLOCK_TEXT - sizeof(".000Z"));
    snprintf(out + size, SW_CLOCK_TEXT - size, ".%03uZ", (unsigned)(wall_ms % 1000));
    return out;
}
