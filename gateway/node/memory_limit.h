// SPDX-License-Identifier: Apache-2.0
/* How much memory this process may use: the least of the limits of its control groups (version 1 or
 * 2, or both), of the groups above them, and of the machine. And what the node makes of it. */
#ifndef SW_NODE_MEMORY_LIMIT_H
#define SW_NODE_MEMORY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* Where to look; tests have trees of their own. */
struct sw_memory_places {
    const char *groups;  /* /proc/self/cgroup: which groups the process is in */
    const char *tree;    /* /sys/fs/cgroup */
    const char *machine; /* /proc/meminfo */
};
extern const struct sw_memory_places sw_memory_system;

struct sw_memory_limit {
    uint64_t bytes;
    const char *source; /* "cgroup", "ram", or "unknown" where nothing could be read */
};
struct sw_memory_limit sw_memory_limit(const struct sw_memory_places *places);

struct sw_memory_plan {
    uint64_t budget;
    uint32_t connections;
    bool lowered; /* fewer connections than there could be: memory would not do */
};
/* `asked`: the budget that the operator set, which is taken as it is, or 0. */
struct sw_memory_plan sw_memory_plan(uint64_t memory, uint64_t asked, uint32_t connections);

#endif
