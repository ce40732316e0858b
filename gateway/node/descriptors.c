// SPDX-License-Identifier: Apache-2.0
#include "node/descriptors.h"

#include <sys/resource.h>

/* Loops (epoll, eventfd, signals), listeners, Redis links, the log, and admin connections. */
#define RESERVE            64
#define RESERVE_PER_WORKER 16
#define LEAST              16

struct sw_descriptors sw_descriptors_plan(uint32_t wanted, unsigned workers)
{
    struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit)) {
            (void)getrlimit(RLIMIT_NOFILE, &limit);
        }
    }
    uint64_t reserve = RESERVE + (uint64_t)workers * RESERVE_PER_WORKER;
    uint64_t room = limit.rlim_cur > reserve + LEAST ? limit.rlim_cur - reserve : LEAST;
    if (room > 1000000) {
        room = 1000000;
    }
    struct sw_descriptors plan = {.limit = limit.rlim_cur, .connections = (uint32_t)room};
    if (wanted && wanted <= room) {
        plan.connections = wanted;
    }
    plan.clamped = wanted > room;
    return plan;
}
