// SPDX-License-Identifier: Apache-2.0
/* What is read again, one after another, and what is said of it. */
#include "../common/unit.h"

#include "node/reload.h"

struct thing {
    const char *fault; /* NULL: it is good */
    unsigned reads;
};

static bool read_again(void *owner, struct sw_buf *why)
{
    struct thing *thing = owner;
    thing->reads++;
    if (thing->fault) {
        sw_buf_append_slice(why, sw_slice_of(thing->fault));
    }
    return !thing->fault;
}

static void assert_answer(const struct sw_reload *reload, bool ok, const char *expected)
{
    struct sw_buf answer = {0};
    assert_int_equal(sw_reload_run(reload, &answer), ok);
    assert_string_equal(sw_buf_text(&answer), expected);
    sw_buf_deinit(&answer);
}

static void nothing_to_read_is_no_failure(void **state)
{
    (void)state;
    struct sw_reload reload = {0};
    assert_answer(&reload, true, "{\"reloaded\":[],\"failed\":[]}");
}

static void each_is_read_once_and_named(void **state)
{
    (void)state;
    struct sw_reload reload = {0};
    struct thing keys = {0};
    struct thing certificates = {0};
    sw_reload_add(&reload, "api_keys", read_again, &keys);
    sw_reload_add(&reload, "certificates", read_again, &certificates);
    assert_answer(&reload, true, "{\"reloaded\":[\"api_keys\",\"certificates\"],\"failed\":[]}");
    assert_int_equal(keys.reads, 1);
    assert_int_equal(certificates.reads, 1);
}

static void what_fails_keeps_nobody_from_being_read(void **state)
{
    (void)state;
    struct sw_reload reload = {0};
    struct thing bad = {.fault = "cannot read \"/etc/keys\"\nand a second line"};
    struct thing good = {0};
    sw_reload_add(&reload, "api_keys", read_again, &bad);
    sw_reload_add(&reload, "certificates", read_again, &good);
    assert_answer(&reload, false,
                  "{\"error\":{\"code\":\"internal\",\"message\":\"what failed stays as it was; "
                  "\\\"failed\\\" says why\",\"retry\":true},\"reloaded\":[\"certificates\"],"
                  "\"failed\":[{\"what\":\"api_keys\",\"message\":\"cannot read "
                  "\\\"/etc/keys\\\"\"}]}");
    bad.fault = NULL;
    assert_answer(&reload, true, "{\"reloaded\":[\"api_keys\",\"certificates\"],\"failed\":[]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_read_is_no_failure),
        cmocka_unit_test(each_is_read_once_and_named),
        cmocka_unit_test(what_fails_keeps_nobody_from_being_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
