// SPDX-License-Identifier: Apache-2.0
#include "bus/redis/redis.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct good {
    const char *text;
    const char *host;
    const char *user;
    const char *password;
    unsigned port;
    unsigned database;
};

static const struct good goods[] = {
    {"redis://localhost", "localhost", NULL, NULL, 6379, 0},
    {"redis://localhost/", "localhost", NULL, NULL, 6379, 0},
    {"redis://127.0.0.1:7000", "127.0.0.1", NULL, NULL, 7000, 0},
    {"redis://redis.svc.cluster.local:6379/3", "redis.svc.cluster.local", NULL, NULL, 6379, 3},
    {"redis://h/15", "h", NULL, NULL, 6379, 15},
    {"redis://h:65535/65535", "h", NULL, NULL, 65535, 65535},
    {"redis://[::1]", "::1", NULL, NULL, 6379, 0},
    {"redis://[::1]/2", "::1", NULL, NULL, 6379, 2},
    {"redis://[fe80::1%25eth0]:6380", "fe80::1%eth0", NULL, NULL, 6380, 0},
    {"redis://:secret@h", "h", NULL, "secret", 6379, 0},
    {"redis://me:secret@h:1", "h", "me", "secret", 1, 0},
    {"redis://me:se%40c%2Fr%3aet%25@h/1", "h", "me", "se@c/r:et%", 6379, 1},
    {"redis://m%c3%a9:p@[::1]:6", "::1", "m\xc3\xa9", "p", 6, 0},
    {"redis://me:a:b@h", "h", "me", "a:b", 6379, 0},
    {"redis://me:a@b@h", "h", "me", "a@b", 6379, 0},
};

static const struct {
    const char *text;
    const char *why; /* a part of it */
} bads[] = {
    {"", "redis://"},
    {"localhost:6379", "redis://"},
    {"http://localhost", "redis://"},
    {"Redis:/localhost", "redis://"},
    {"rediss://localhost", "TLS"},
    {"redis://", "host"},
    {"redis:///1", "host"},
    {"redis://:6379", "host"},
    {"redis://me:p@", "host"},
    {"redis://h:", "port"},
    {"redis://h:0", "port"},
    {"redis://h:65536", "port"},
    {"redis://h:6379x", "port"},
    {"redis://h:+1", "port"},
    {"redis://h:6379?db=1", "port"},
    {"redis://h/one", "database"},
    {"redis://h/1/2", "database"},
    {"redis://h/-1", "database"},
    {"redis://h/65536", "database"},
    {"redis://h/1?timeout=1", "database"},
    {"redis://::1", "brackets"},
    {"redis://::1:6379", "brackets"},
    {"redis://[::1", "']'"},
    {"redis://[::1]6379", "']'"},
    {"redis://[]:6379", "host"},
    {"redis://a b", "space"},
    {"redis://a%0ab", "control"},
    {"redis://a%2", "host has a bad percent"},
    {"redis://a%zz", "host has a bad percent"},
    {"redis://a%00b", "host has a bad percent"},
    {"redis://me@h", "password"},
    {"redis://me:@h", "password is empty"},
    {"redis://:@h", "password is empty"},
    {"redis://me:%@h", "password has a bad percent"},
    {"redis://me:%4@h", "password has a bad percent"},
    {"redis://%g0:p@h", "user has a bad percent"},
};

static void assert_text(const char *got, const char *wanted)
{
    assert_int_equal(got == NULL, wanted == NULL);
    if (wanted) {
        assert_string_equal(got, wanted);
    }
}

static void good_urls_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < SW_ARRAY_SIZE(goods); i++) {
        struct sw_redis_url url;
        const char *why = NULL;
        if (!sw_redis_url_parse(goods[i].text, &url, &why)) {
            fail_msg("%s: %s", goods[i].text, why);
        }
        assert_text(url.host, goods[i].host);
        assert_text(url.user, goods[i].user);
        assert_text(url.password, goods[i].password);
        assert_int_equal(url.port, goods[i].port);
        assert_int_equal(url.database, goods[i].database);
        sw_redis_url_deinit(&url);
    }
}

static void bad_urls_are_refused_in_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < SW_ARRAY_SIZE(bads); i++) {
        struct sw_redis_url url;
        const char *why = NULL;
        if (sw_redis_url_parse(bads[i].text, &url, &why)) {
            fail_msg("%s was taken", bads[i].text);
        }
        if (!why || !strstr(why, bads[i].why)) {
            fail_msg("%s: \"%s\" does not say \"%s\"", bads[i].text, why, bads[i].why);
        }
        assert_false(sw_redis_url_parse(bads[i].text, &url, NULL));
    }
}

static void a_host_of_256_bytes_is_refused(void **state)
{
    (void)state;
    char text[300] = "redis://";
    struct sw_redis_url url;
    memset(text + 8, 'h', 256);
    assert_false(sw_redis_url_parse(text, &url, NULL));
    text[8 + 255] = '\0';
    assert_true(sw_redis_url_parse(text, &url, NULL));
    sw_redis_url_deinit(&url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls_are_taken_apart),
        cmocka_unit_test(bad_urls_are_refused_in_words),
        cmocka_unit_test(a_host_of_256_bytes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
