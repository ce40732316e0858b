// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "cli/admin.h"

#include <stdlib.h>

static const char *url_for(const char *listen, struct sw_buf *room)
{
    assert_int_equal(setenv("SPILLWAY_ADMIN_LISTEN", listen, 1), 0);
    return sw_cli_admin_url(room);
}

static void the_listener_of_the_environment(void **state)
{
    (void)state;
    struct sw_buf room = {0};
    assert_int_equal(unsetenv("SPILLWAY_ADMIN_LISTEN"), 0);
    assert_string_equal(sw_cli_admin_url(&room), "http://127.0.0.1:9000");
    assert_string_equal(url_for("", &room), "http://127.0.0.1:9000");
    assert_string_equal(url_for("10.0.0.7:9001", &room), "http://10.0.0.7:9001");
    assert_string_equal(url_for("[fd00::7]:9001", &room), "http://[fd00::7]:9001");
    assert_string_equal(url_for("0.0.0.0:9002", &room), "http://127.0.0.1:9002");
    assert_string_equal(url_for("[::]:9003", &room), "http://[::1]:9003");
    sw_buf_deinit(&room);
}

static void a_key_of_the_environment(void **state)
{
    (void)state;
    struct sw_buf key = {0};
    struct sw_buf error = {0};
    assert_int_equal(unsetenv("SPILLWAY_API_KEY"), 0);
    assert_int_equal(setenv("SPILLWAY_API_KEY_FILE", "/absent", 1), 0);
    assert_false(sw_cli_key(NULL, NULL, &key, &error));
    assert_non_null(strstr(sw_buf_text(&error), "/absent"));
    assert_int_equal(setenv("SPILLWAY_API_KEY", "first, second", 1), 0);
    assert_true(sw_cli_key(NULL, NULL, &key, &error));
    assert_string_equal(sw_buf_text(&key), "first");
    sw_buf_clear(&key);
    assert_int_equal(setenv("SPILLWAY_API_KEY", "", 1), 0);
    assert_int_equal(setenv("SPILLWAY_API_KEY_FILE", "", 1), 0);
    assert_true(sw_cli_key(NULL, NULL, &key, &error));
    assert_int_equal(key.size, 0);
    sw_buf_deinit(&key);
    sw_buf_deinit(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_listener_of_the_environment),
        cmocka_unit_test(a_key_of_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
