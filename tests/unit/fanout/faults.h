// SPDX-License-Identifier: Apache-2.0
/* Can a model fail? Where fanout/ is built with faults, a test runs its own program again with one
 * of them, and looks how that ends. */
#ifndef SW_TESTS_FANOUT_FAULTS_H
#define SW_TESTS_FANOUT_FAULTS_H

#include "rig.h"

#ifdef SW_FAULTS
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAULT "SPILLWAY_FAULT"

static inline enum sw_fault fault_asked(void)
{
    return (enum sw_fault)unit_asked(FAULT);
}

/* How this program ends where that goes wrong once. */
static inline int fault_status(enum sw_fault fault)
{
    char number[16];
    snprintf(number, sizeof(number), "%d", (int)fault);
    pid_t child = fork();
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        setenv(FAULT, number, 1);
        execl("/proc/self/exe", "test", (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* In the program that was run again: that test alone, and no return. */
static inline void fault_run(CMUnitTestFunction test)
{
    if (getenv(FAULT)) {
        const struct CMUnitTest faulty[] = {cmocka_unit_test(test)};
        _exit(cmocka_run_group_tests(faulty, NULL, NULL)); /* what a failure leaves is no leak */
    }
}
#endif

#endif
