// SPDX-License-Identifier: Apache-2.0
/* Preloaded into a gateway that runs under valgrind: its monotonic clock goes SPILLWAY_SLOW_CLOCK
 * (1000) times slower. All else is some 50 times slower there, and the time that the gateway gives
 * itself (2 ms of writing a turn) would be over long before it is in earnest. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long factor;
static long long start_ns;

int clock_gettime(clockid_t clock, struct timespec *time)
{
    long status = syscall(SYS_clock_gettime, clock, time);
    if (status != 0 || (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE)) {
        return (int)status;
    }
    long long ns = time->tv_sec * 1000000000LL + time->tv_nsec;
    if (factor == 0) {
        const char *text = getenv("SPILLWAY_SLOW_CLOCK");
        factor = text ? strtoll(text, NULL, 10) : 1000;
        factor = factor > 0 ? factor : 1;
        start_ns = ns;
    }
    ns = start_ns + (ns - start_ns) / factor;
    time->tv_sec = ns / 1000000000LL;
    time->tv_nsec = ns % 1000000000LL;
    return 0;
}
