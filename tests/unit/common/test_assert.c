// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/assert.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void assertion_that_holds_is_silent(void **state)
{
    (void)state;
    int evaluated = 0;
    SW_ASSERT(++evaluated == 1);
    assert_int_equal(evaluated, 1);
}

static void assertion_that_fails_names_its_place_and_aborts(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int answer = 41;
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        SW_ASSERT(answer == 42);
        _exit(0);
    }
    close(ends[1]);
    char text[4096] = {0};
    size_t size = 0;
    ssize_t got;
    while ((got = read(ends[0], text + size, sizeof(text) - 1 - size)) > 0) {
        size += (size_t)got;
    }
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "bug: answer == 42 at "));
    assert_non_null(strstr(text, "test_assert.c:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assertion_that_holds_is_silent),
        cmocka_unit_test(assertion_that_fails_names_its_place_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
