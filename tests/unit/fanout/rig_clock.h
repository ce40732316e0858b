// SPDX-License-Identifier: Apache-2.0
/* A clock that the test owns: the program's clock_gettime takes the place of libc's, for libuv too.
 * Monotonic time stands still until rig_clock_advance. Only one file of a program includes it. */
#ifndef SW_FANOUT_RIG_CLOCK_H
#define SW_FANOUT_RIG_CLOCK_H

#include "rig.h"

#include <sys/syscall.h>
#include <time.h>

/* Sanitizers read the clock before they are ready themselves. */
#define RIG_BARE __attribute__((no_sanitize("address", "thread", "undefined")))

static uint64_t rig_clock_ns = UINT64_C(1000000000000);

RIG_BARE int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock == CLOCK_REALTIME || clock == CLOCK_PROCESS_CPUTIME_ID) {
        return (int)syscall(SYS_clock_gettime, clock, now);
    }
    now->tv_sec = (time_t)(rig_clock_ns / 1000000000u);
    now->tv_nsec = (long)(rig_clock_ns % 1000000000u);
    return 0;
}

/* To be set before the loop is made: it may not go back. */
static inline void rig_clock_set_ms(uint64_t ms)
{
    rig_clock_ns = ms * 1000000u;
}

static inline void rig_clock_advance(uint64_t ms)
{
    rig_clock_ns += ms * 1000000u;
}

/* The time passes, and a turn ends behind it. */
static inline void rig_pass(struct rig *rig, uint64_t ms)
{
    rig_clock_advance(ms);
    rig_turn(rig);
}

/* In steps of a tick of the wheel, with a turn at each. */
static inline void rig_live(struct rig *rig, uint64_t ms)
{
    for (uint64_t at = 0; at < ms; at += 10) {
        rig_pass(rig, ms - at < 10 ? ms - at : 10);
    }
}

#endif
