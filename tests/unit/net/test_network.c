// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/mem.h"
#include "net/network.h"

static bool contains(const char *network, const char *host)
{
    struct sw_network parsed;
    struct sw_peer peer;
    struct sw_buf why = {0};
    assert_true(sw_network_parse(sw_slice_of(network), &parsed, &why));
    assert_int_equal(why.size, 0);
    assert_true(sw_peer_parse(sw_slice_of(host), &peer));
    return sw_network_contains(&parsed, &peer);
}

static void who_belongs_to_a_network(void **state)
{
    (void)state;
    static const struct {
        const char *network, *inside, *outside;
    } rows[] = {
        {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
        {"10.0.0.0/8", "10.0.0.0", "9.255.255.255"},
        {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
        {"192.0.2.4/30", "192.0.2.7", "192.0.2.8"},
        {"192.0.2.1", "192.0.2.1", "192.0.2.2"},
        {"192.0.2.1/32", "192.0.2.1", "192.0.2.0"},
        {"128.0.0.0/1", "255.1.1.1", "127.255.255.255"},
        {"0.0.0.0/0", "203.0.113.9", "::1"},
        {"::/0", "2001:db8::1", "203.0.113.9"},
        {"::1", "::1", "::2"},
        {"fd00::/8", "fdff::1", "fc00::1"},
        {"2001:db8:0:1::/64", "2001:db8:0:1:ffff::", "2001:db8:0:2::"},
        {"2001:db8::8/125", "2001:db8::f", "2001:db8::10"},
        {"10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"},
        {"::/0", "::1", "::ffff:10.1.2.3"},
        {"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        if (!contains(rows[i].network, rows[i].inside) ||
            contains(rows[i].network, rows[i].outside)) {
            fail_msg("%s: %s is inside, %s is not", rows[i].network, rows[i].inside,
                     rows[i].outside);
        }
    }
}

static void nobody_unknown_belongs_anywhere(void **state)
{
    (void)state;
    static char everybody[] = "0.0.0.0/0";
    static char all_of_ipv6[] = "::/0";
    char *const texts[] = {everybody, all_of_ipv6, NULL};
    struct sw_peer unknown = {.port = 0};
    struct sw_networks networks;
    struct sw_buf why = {0};
    assert_true(sw_networks_parse(texts, &networks, &why));
    assert_int_equal(networks.count, 2);
    assert_false(sw_networks_contain(&networks, &unknown));
    struct sw_peer peer;
    assert_true(sw_peer_parse(SW_SLICE("192.0.2.1"), &peer));
    assert_true(sw_networks_contain(&networks, &peer));
    assert_false(sw_networks_contain(NULL, &peer));
    sw_networks_deinit(&networks);
    assert_false(sw_networks_contain(&networks, &peer));
}

static void what_is_no_network_is_refused_with_the_fix(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"", "a network is an address in numbers"},
        {"/8", "a network is an address in numbers"},
        {"loopback", "like 10.0.0.0/8"},
        {"10.0.0/8", "a network is an address in numbers"},
        {"10.0.0.0:80", "a network is an address in numbers"},
        {"[::1]", "a network is an address in numbers"},
        {"10.0.0.0/33", "the prefix of an IPv4 network is 0 to 32"},
        {"10.0.0.0/", "0 to 32"},
        {"10.0.0.0/8/8", "0 to 32"},
        {"10.0.0.0/255.0.0.0", "0 to 32"},
        {"::/129", "the prefix of an IPv6 network is 0 to 128"},
        {"10.1.2.3/8", "write 10.0.0.0/8 for the network, or 10.1.2.3 for this address alone"},
        {"192.0.2.129/25", "write 192.0.2.128/25 for"},
        {"0.0.0.1/0", "write 0.0.0.0/0 for"},
        {"fd12::1/8", "write fd00::/8 for the network, or fd12::1 for this address alone"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_network network;
        struct sw_buf why = {0};
        assert_false(sw_network_parse(sw_slice_of(rows[i].text), &network, &why));
        if (!strstr(sw_buf_text(&why), rows[i].words)) {
            fail_msg("%s: \"%s\" expected, said \"%s\"", rows[i].text, rows[i].words,
                     sw_buf_text(&why));
        }
        sw_buf_deinit(&why);
    }
}

static void a_list_names_the_first_that_is_wrong(void **state)
{
    (void)state;
    static char good[] = "10.0.0.0/8";
    static char bad[] = "10.0.0.1/8";
    char *const texts[] = {good, bad, NULL};
    struct sw_networks networks;
    struct sw_buf why = {0};
    assert_false(sw_networks_parse(texts, &networks, &why));
    assert_non_null(strstr(sw_buf_text(&why), "10.0.0.1/8: has bits behind its prefix"));
    assert_null(networks.rows);
    sw_buf_deinit(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_belongs_to_a_network),
        cmocka_unit_test(nobody_unknown_belongs_anywhere),
        cmocka_unit_test(what_is_no_network_is_refused_with_the_fix),
        cmocka_unit_test(a_list_names_the_first_that_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
