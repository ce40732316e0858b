// SPDX-License-Identifier: Apache-2.0
#include "node/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Loops (epoll, eventfd, signals), listeners, Redis links, the log, and admin connections. */
#define RESERVE            64
#define RESERVE_PER_WORKER 16
#define LEAST              16
/* Entries of the process's table that are there from the start, at 8 bytes of the kernel's. */
#define TABLE 65536

/* Where there are threads, an accept that makes the table grow waits for all processors, 5 to 17 ms
 * for each time it doubles, and with it all who are connected; now it waits for nobody. */
static void grow_table(uint64_t limit)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, (int)(limit < TABLE ? limit : TABLE) - 1);
    if (fd >= 0) {
        close(fd);
    }
}

struct sw_descriptors sw_descriptors_plan(uint32_t wanted, unsigned workers)
{
    struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit)) {
            (void)getrlimit(RLIMIT_NOFILE, &limit);
        }
    }
    grow_table(limit.rlim_cur);
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
