// SPDX-License-Identifier: Apache-2.0
#include "common/clock.h"

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
