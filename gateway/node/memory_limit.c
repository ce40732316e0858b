// SPDX-License-Identifier: Apache-2.0
#include "node/memory_limit.h"

#include "common/slice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 4096
/* A group of version 1 without a limit says a number near 2^63. */
#define NO_LIMIT (UINT64_C(1) << 60)
/* Where not even the machine says what it has. */
#define UNKNOWN_BYTES (UINT64_C(1) << 30)

const struct sw_memory_places sw_memory_system = {
    .groups = "/proc/self/cgroup", .tree = "/sys/fs/cgroup", .machine = "/proc/meminfo"};

/* ---- control groups ---- */

/* The number in the file, or NO_LIMIT where there is no file, no number ("max") or no limit. */
static uint64_t read_limit(const char *path)
{
    uint64_t bytes = NO_LIMIT;
    char text[64];
    FILE *file = fopen(path, "re");
    if (!file) {
        return NO_LIMIT;
    }
    if (fgets(text, sizeof(text), file)) {
        text[strcspn(text, "\n")] = 0;
        if (!sw_slice_to_u64(sw_slice_of(text), NO_LIMIT, &bytes)) {
            bytes = NO_LIMIT;
        }
    }
    fclose(file);
    return bytes;
}

/* The least limit of the group and of those above it. What is mounted may be only the part below
 * the process's own group (a container): then the directories are missing, and the mount's own
 * limit is what counts. */
static uint64_t least_upward(const char *root, const char *group, const char *name)
{
    char below[PATH_BYTES];
    uint64_t least = NO_LIMIT;
    /* "/../.." is how a group outside of the namespace is named */
    snprintf(below, sizeof(below), "%s", strstr(group, "/..") ? "" : group);
    for (;;) {
        char path[2 * PATH_BYTES];
        snprintf(path, sizeof(path), "%s%s/%s", root, below, name);
        uint64_t limit = read_limit(path);
        least = limit < least ? limit : least;
        char *slash = strrchr(below, '/');
        if (!slash) {
            return least;
        }
        *slash = 0;
    }
}

static bool has_memory(const char *controllers)
{
    struct sw_slice rest = sw_slice_of(controllers);
    while (rest.data) {
        if (sw_slice_equal(sw_slice_split(&rest, ','), SW_SLICE("memory"))) {
            return true;
        }
    }
    return false;
}

/* One line of /proc/self/cgroup: "0::/path" is version 2, "4:cpu,memory:/path" version 1. */
static uint64_t limit_of_line(const char *tree, char *line)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) {
        return NO_LIMIT;
    }
    *controllers++ = 0;
    *group++ = 0;
    group[strcspn(group, "\n")] = 0;
    if (!controllers[0]) {
        return least_upward(tree, group, "memory.max");
    }
    if (!has_memory(controllers)) {
        return NO_LIMIT;
    }
    char root[PATH_BYTES];
    snprintf(root, sizeof(root), "%s/memory", tree);
    return least_upward(root, group, "memory.limit_in_bytes");
}

static uint64_t group_limit(const struct sw_memory_places *places)
{
    uint64_t least = NO_LIMIT;
    char *line = NULL;
    size_t capacity = 0;
    FILE *file = fopen(places->groups, "re");
    if (!file) {
        return NO_LIMIT;
    }
    while (getline(&line, &capacity, file) > 0) {
        uint64_t limit = limit_of_line(places->tree, line);
        least = limit < least ? limit : least;
    }
    free(line);
    fclose(file);
    return least;
}

/* ---- the machine ---- */

static uint64_t machine_memory(const char *path)
{
    uint64_t bytes = NO_LIMIT;
    char line[256];
    FILE *file = fopen(path, "re");
    if (!file) {
        return NO_LIMIT;
    }
    while (bytes == NO_LIMIT && fgets(line, sizeof(line), file)) {
        unsigned long long kilobytes;
        if (sscanf(line, "MemTotal: %llu kB", &kilobytes) == 1) {
            bytes = (uint64_t)kilobytes * 1024;
        }
    }
    fclose(file);
    return bytes;
}

struct sw_memory_limit sw_memory_limit(const struct sw_memory_places *places)
{
    uint64_t group = group_limit(places);
    uint64_t machine = machine_memory(places->machine);
    if (group < machine) {
        return (struct sw_memory_limit){.bytes = group, .source = "cgroup"};
    }
    if (machine < NO_LIMIT) {
        return (struct sw_memory_limit){.bytes = machine, .source = "ram"};
    }
    return (struct sw_memory_limit){.bytes = UNKNOWN_BYTES, .source = "unknown"};
}

/* ---- the plan ---- */

/* The rest is for sessions, tables, code, and the kernel's own buffers of those who are slow. */
#define SHARE_PERCENT 60
/* What the kernel holds for a connection that is idle, sockets and descriptors together. */
#define CONNECTION_BYTES 5120
/* Below this a few slow clients would fill it: rather fewer connections. */
#define BUDGET_BYTES      (UINT64_C(64) << 20)
#define LEAST_CONNECTIONS 16
#define LEAST_BUDGET      (UINT64_C(1) << 20)

struct sw_memory_plan sw_memory_plan(uint64_t memory, uint64_t asked, uint32_t connections)
{
    struct sw_memory_plan plan = {.budget = asked, .connections = connections};
    if (asked) {
        return plan;
    }
    uint64_t share = memory / 100 * SHARE_PERCENT;
    uint64_t least = share / 2 < BUDGET_BYTES ? share / 2 : BUDGET_BYTES;
    uint64_t kernel = (uint64_t)connections * CONNECTION_BYTES;
    if (share < least + kernel) {
        uint64_t room = (share - least) / CONNECTION_BYTES;
        room = room < LEAST_CONNECTIONS ? LEAST_CONNECTIONS : room;
        plan.lowered = room < connections;
        plan.connections = plan.lowered ? (uint32_t)room : connections;
        kernel = (uint64_t)plan.connections * CONNECTION_BYTES;
    }
    plan.budget = share > kernel + LEAST_BUDGET ? share - kernel : LEAST_BUDGET;
    return plan;
}
