// SPDX-License-Identifier: Apache-2.0
/* How much memory there is, in trees of control groups that are only files. */
#include "../common/unit.h"

#include "common/buf.h"
#include "common/mem.h"
#include "node/memory_limit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MB (UINT64_C(1) << 20)
#define GB (UINT64_C(1) << 30)

struct place {
    char root[64];
    char groups[96];
    char tree[96];
    char machine[96];
    struct sw_memory_places places;
};

static int setup(void **state)
{
    struct place *place = sw_zalloc(sizeof(*place));
    snprintf(place->root, sizeof(place->root), "/tmp/spillway-memory-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    snprintf(place->groups, sizeof(place->groups), "%s/self", place->root);
    snprintf(place->tree, sizeof(place->tree), "%s/fs", place->root);
    snprintf(place->machine, sizeof(place->machine), "%s/meminfo", place->root);
    place->places = (struct sw_memory_places){
        .groups = place->groups, .tree = place->tree, .machine = place->machine};
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", place->root);
    assert_int_equal(system(command), 0);
    sw_free(place);
    return 0;
}

/* Makes the directories above it. */
static void put(const struct place *place, const char *path, const char *text)
{
    char name[256];
    snprintf(name, sizeof(name), "%s/%s", place->root, path);
    for (char *slash = strchr(name + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdir(name, 0700);
        *slash = '/';
    }
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_limit(const struct place *place, uint64_t bytes, const char *source)
{
    struct sw_memory_limit limit = sw_memory_limit(&place->places);
    assert_int_equal(limit.bytes, bytes);
    assert_string_equal(limit.source, source);
}

static void put_machine(const struct place *place)
{
    put(place, "meminfo", "MemFree: 1 kB\nMemTotal:       24576000 kB\nMemTotalX: 5 kB\n");
}

#define MACHINE (UINT64_C(24576000) * 1024)

/* ---- detection ---- */

static void without_groups_it_is_the_machine(void **state)
{
    assert_limit(*state, GB, "unknown");
    put_machine(*state);
    assert_limit(*state, MACHINE, "ram");
    put(*state, "self", "");
    assert_limit(*state, MACHINE, "ram");
    put(*state, "self", "nonsense\n1:memory\n0::/a\n");
    assert_limit(*state, MACHINE, "ram");
}

static void version_2_is_the_least_from_the_group_upward(void **state)
{
    put_machine(*state);
    put(*state, "self", "0::/pods/one/app\n");
    put(*state, "fs/pods/one/app/memory.max", "max\n");
    assert_limit(*state, MACHINE, "ram");
    put(*state, "fs/pods/memory.max", "1073741824\n");
    assert_limit(*state, GB, "cgroup");
    put(*state, "fs/pods/one/memory.max", "536870912\n");
    assert_limit(*state, 512 * MB, "cgroup");
    put(*state, "fs/pods/one/app/memory.max", "1610612736\n");
    assert_limit(*state, 512 * MB, "cgroup");
}

/* Inside a container the group is the mount's root, or has a name that the mount does not know. */
static void inside_a_container_it_is_the_mounts_own(void **state)
{
    put_machine(*state);
    put(*state, "fs/memory.max", "268435456\n");
    static const char *const lines[] = {"0::/\n", "0::/../..\n", "0::/docker/0123\n", "0::/"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(lines); i++) {
        put(*state, "self", lines[i]);
        assert_limit(*state, 256 * MB, "cgroup");
    }
}

static void version_1_has_a_tree_of_its_own(void **state)
{
    put_machine(*state);
    put(*state, "self", "5:cpu,cpuacct:/x\n4:hugetlb,memory:/kubepods/pod\n1:name=systemd:/y\n");
    put(*state, "fs/memory/kubepods/pod/memory.limit_in_bytes", "9223372036854771712\n");
    put(*state, "fs/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_limit(*state, MACHINE, "ram");
    put(*state, "fs/memory/kubepods/memory.limit_in_bytes", "2147483648\n");
    assert_limit(*state, 2 * GB, "cgroup");
    put(*state, "fs/cpu,cpuacct/x/memory.limit_in_bytes", "1\n");
    put(*state, "fs/memory/x/memory.limit_in_bytes", "1\n");
    assert_limit(*state, 2 * GB, "cgroup");
}

static void of_both_versions_the_least_counts(void **state)
{
    put_machine(*state);
    put(*state, "self", "4:memory:/a\n0::/b\n");
    put(*state, "fs/memory/a/memory.limit_in_bytes", "536870912\n");
    put(*state, "fs/b/memory.max", "1073741824\n");
    assert_limit(*state, 512 * MB, "cgroup");
    put(*state, "fs/b/memory.max", "268435456\n");
    assert_limit(*state, 256 * MB, "cgroup");
}

static void what_is_no_number_is_no_limit(void **state)
{
    put_machine(*state);
    put(*state, "self", "0::/a\n");
    static const char *const texts[] = {"",      "\n",     "-1\n",
                                        "1e9\n", "lots\n", "99999999999999999999\n"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(texts); i++) {
        put(*state, "fs/a/memory.max", texts[i]);
        assert_limit(*state, MACHINE, "ram");
    }
}

/* ---- the plan ---- */

static void assert_plan(uint64_t memory, uint64_t asked, uint32_t connections, uint64_t budget,
                        uint32_t allowed)
{
    struct sw_memory_plan plan = sw_memory_plan(memory, asked, connections);
    assert_int_equal(plan.budget, budget);
    assert_int_equal(plan.connections, allowed);
    assert_int_equal(plan.lowered, allowed < connections);
}

static void the_budget_is_a_share_less_the_kernels(void **state)
{
    (void)state;
    uint64_t share = GB / 100 * 60;
    assert_plan(GB, 0, 20000, share - 20000 * 5120, 20000);
    assert_plan(GB, 5 * MB, 1000000, 5 * MB, 1000000); /* who asks gets it */
    /* rather fewer connections than less than 64 MB */
    uint32_t allowed = (uint32_t)((share - 64 * MB) / 5120);
    assert_plan(GB, 0, allowed, share - (uint64_t)allowed * 5120, allowed);
    assert_plan(GB, 0, 1000000, share - (uint64_t)allowed * 5120, allowed);
    struct sw_memory_plan plan = sw_memory_plan(GB, 0, 1000000);
    assert_in_range(plan.budget, 64 * MB, 64 * MB + 5120);
}

static void little_memory_is_halved(void **state)
{
    (void)state;
    struct sw_memory_plan plan = sw_memory_plan(64 * MB, 0, 20000);
    assert_true(plan.lowered);
    assert_in_range(plan.budget, 19 * MB, 20 * MB);
    assert_in_range(plan.connections, 3800, 4000);
    assert_plan(0, 0, 1000, MB, 16); /* it runs, whatever it is told */
    assert_plan(MB, 0, 8, MB, 8);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(without_groups_it_is_the_machine),
        TEST(version_2_is_the_least_from_the_group_upward),
        TEST(inside_a_container_it_is_the_mounts_own),
        TEST(version_1_has_a_tree_of_its_own),
        TEST(of_both_versions_the_least_counts),
        TEST(what_is_no_number_is_no_limit),
        cmocka_unit_test(the_budget_is_a_share_less_the_kernels),
        cmocka_unit_test(little_memory_is_halved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
