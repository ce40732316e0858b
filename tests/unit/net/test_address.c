// SPDX-License-Identifier: Apache-2.0
#include "turning.h"

#include "net/address.h"

#include <errno.h>

static void addresses_survive_parsing_and_printing(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed, *host;
        uint16_t port;
        bool loopback;
        const char *peer; /* as a peer, where that is something else */
    } rows[] = {
        {"127.0.0.1:8000", "127.0.0.1:8000", "127.0.0.1", 8000, true, NULL},
        {"127.9.9.9:1", "127.9.9.9:1", "127.9.9.9", 1, true, NULL},
        {"[::1]:8000", "[::1]:8000", "[::1]", 8000, true, NULL},
        {"0.0.0.0:0", "0.0.0.0:0", "0.0.0.0", 0, false, "0.0.0.0"},
        {":8000", "0.0.0.0:8000", "0.0.0.0", 8000, false, NULL},
        {"[::]:65535", "[::]:65535", "[::]", 65535, false, NULL},
        {"[::ffff:127.0.0.1]:5", "[::ffff:127.0.0.1]:5", "[::ffff:127.0.0.1]", 5, true,
         "127.0.0.1:5"},
        {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", 65535, false, NULL},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_address address;
        char out[SW_ADDRESS_TEXT];
        assert_int_equal(sw_address_parse(sw_slice_of(rows[i].text), &address), 0);
        assert_string_equal(sw_address_text(&address, out), rows[i].printed);
        assert_string_equal(sw_address_host(&address, out), rows[i].host);
        assert_int_equal(sw_address_port(&address), rows[i].port);
        assert_int_equal(sw_address_is_loopback(&address), rows[i].loopback);
        struct sw_peer peer = sw_peer_of(&address);
        assert_int_equal(sw_peer_is_loopback(&peer), rows[i].loopback);
        sw_peer_text(&peer, out);
        assert_string_equal(out, rows[i].peer ? rows[i].peer : rows[i].printed);
    }
}

static void hosts_are_parsed_without_a_port(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed; /* NULL: refused */
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"2001:DB8::1", "[2001:db8::1]"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::", "[::]"},
        {"", NULL},
        {"192.0.2.1:80", NULL},
        {"[::1]", NULL},
        {"192.0.2", NULL},
        {"192.0.2.1 ", NULL},
        {"fe80::1%eth0", NULL},
        {"0192.0.2.1", NULL},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_peer peer;
        char out[SW_ADDRESS_TEXT];
        assert_int_equal(sw_peer_parse(sw_slice_of(rows[i].text), &peer), rows[i].printed != NULL);
        if (rows[i].printed) {
            assert_string_equal(sw_peer_text(&peer, out), rows[i].printed);
        }
    }
}

static void nobody_is_unknown(void **state)
{
    (void)state;
    struct sw_peer peer = {.port = 0};
    char out[SW_ADDRESS_TEXT];
    assert_string_equal(sw_peer_text(&peer, out), "unknown");
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",           "8000",          "127.0.0.1",      "127.0.0.1:",     "127.0.0.1:65536",
        "::1:8000",   "[::1]",         "[::1:8000",      "[127.0.0.1]:80", "localhost:8000",
        "1.2.3:80",   "1.2.3.4.5:80",  "127.0.0.1:-1",   "127.0.0.1: 80",  "[]:80",
        "[::g]:8000", "256.0.0.1:800", "127.0.0.1:80a9",
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_address address;
        assert_int_equal(sw_address_parse(sw_slice_of(rows[i]), &address), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_survive_parsing_and_printing),
        cmocka_unit_test(hosts_are_parsed_without_a_port),
        cmocka_unit_test(nobody_is_unknown),
        cmocka_unit_test(what_is_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
