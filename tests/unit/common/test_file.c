// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "common/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/spillway-file-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    memcpy(directory + sizeof(directory) - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/file", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory);
}

static void assert_refused(const char *name, const char *words)
{
    const char *why = NULL;
    assert_null(sw_file_open(name, &why));
    assert_string_equal(why, words);
}

static void a_file_is_read(void **state)
{
    (void)state;
    const char *why = NULL;
    char text[8] = {0};
    FILE *file = fopen(path, "w");
    fputs("text", file);
    fclose(file);
    file = sw_file_open(path, &why);
    assert_non_null(file);
    assert_null(why);
    assert_int_equal(fread(text, 1, sizeof(text), file), 4);
    assert_string_equal(text, "text");
    fclose(file);
}

static void what_is_none_is_refused_and_not_waited_for(void **state)
{
    (void)state;
    assert_refused(path, "No such file or directory");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(path, "it is no regular file");
    assert_refused(directory, "it is no regular file");
    assert_refused("/dev/zero", "it is no regular file");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_file_is_read),
        CASE(what_is_none_is_refused_and_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
