// SPDX-License-Identifier: Apache-2.0
/* What the settings say of addresses, and what becomes of it. */
#include "attempt.h"

#include "node/addresses.h"

static void networks_are_settings(void **state)
{
    (void)state;
    struct outcome outcome;
    struct sw_addresses addresses;
    struct sw_peer peer;
    accept_it(&outcome, ATTEMPT(ENVIRONMENT("SPILLWAY_TRUSTED_PROXY=10.0.0.0/8, ::1"),
                                FLAGS("--listen", "127.0.0.1:0,proxy")));
    sw_addresses_init(&addresses, &outcome.config);
    assert_int_equal(addresses.trusted.count, 2);
    assert_true(sw_peer_parse(SW_SLICE("::1"), &peer));
    assert_true(sw_networks_contain(&addresses.trusted, &peer));
    sw_addresses_deinit(&addresses);
    forget(&outcome);

    refuse(ATTEMPT(FLAGS("--trusted-proxy", "10.0.0.1/8")),
           "--trusted-proxy 10.0.0.1/8: has bits behind its prefix: write 10.0.0.0/8");
    refuse(ATTEMPT(FLAGS("--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "lb.example")),
           "--trusted-proxy lb.example: a network is an address in numbers");
    refuse(ATTEMPT(.file = "{\"trusted_proxy\": [\"::/200\"]}"),
           "\"trusted_proxy\" ::/200: the prefix of an IPv6 network is 0 to 128");
    refuse(ATTEMPT(FLAGS("--trusted-proxy=")), "the value is empty");
}

static void so_many_networks_and_no_more(void **state)
{
    (void)state;
    struct outcome outcome;
    struct sw_buf list = {0};
    sw_buf_append_slice(&list, SW_SLICE("SPILLWAY_TRUSTED_PROXY=10.0.0.0"));
    for (unsigned i = 1; i < SW_TRUSTED_NETWORKS; i++) {
        sw_buf_printf(&list, ",10.0.0.%u", i);
    }
    struct attempt attempt = {.environment = {(char *)(uintptr_t)sw_buf_text(&list)}};
    accept_it(&outcome, &attempt);
    forget(&outcome);
    sw_buf_append_slice(&list, SW_SLICE(",10.1.0.0"));
    attempt.environment[0] = (char *)(uintptr_t)sw_buf_text(&list);
    refuse(&attempt, "SPILLWAY_TRUSTED_PROXY takes at most 64 networks");
    sw_buf_deinit(&list);
}

static void a_listener_for_headers_needs_to_know_whose(void **state)
{
    (void)state;
    refuse(ATTEMPT(FLAGS("--listen", "127.0.0.1:0,proxy")),
           "--listen 127.0.0.1:0,proxy: nothing says whose PROXY headers are believed: add "
           "--trusted-proxy CIDR");
    refuse(ATTEMPT(ENVIRONMENT("SPILLWAY_LISTEN=127.0.0.1:0,[::1]:0,proxy")),
           "SPILLWAY_LISTEN [::1]:0,proxy: nothing says");
}

static void everybody_is_warned_of(void **state)
{
    (void)state;
    struct outcome outcome;
    struct sw_buf text = {0};
    accept_it(&outcome, ATTEMPT(FLAGS("--trusted-proxy", "0.0.0.0/0", "--trusted-proxy",
                                      "10.0.0.0/8", "--trusted-proxy", "::/0")));
    sw_config_warnings(&outcome.config, &text);
    assert_string_equal(sw_buf_text(&text),
                        "--trusted-proxy 0.0.0.0/0: whoever connects may say who he is; name the "
                        "networks of the proxies alone\n"
                        "--trusted-proxy ::/0: whoever connects may say who he is; name the "
                        "networks of the proxies alone\n");
    sw_buf_deinit(&text);
    forget(&outcome);
}

static void expect_limits(const struct attempt *attempt, struct sw_quota_limit connections,
                          struct sw_quota_limit handshakes)
{
    struct outcome outcome;
    struct sw_addresses addresses;
    accept_it(&outcome, attempt);
    sw_addresses_init(&addresses, &outcome.config);
    assert_int_equal(addresses.quota.connections.most, connections.most);
    assert_int_equal(addresses.quota.connections.set, connections.set);
    assert_int_equal(addresses.quota.handshakes.most, handshakes.most);
    assert_int_equal(addresses.quota.handshakes.set, handshakes.set);
    sw_addresses_deinit(&addresses);
    forget(&outcome);
}

static void limits_are_usual_behind_proxies_alone(void **state)
{
    (void)state;
    const struct sw_quota_limit none = {.most = 0};
    const struct sw_quota_limit off = {.most = 0, .set = true};
    const struct sw_quota_limit connections = {.most = SW_ADDRESS_CONNECTIONS};
    const struct sw_quota_limit handshakes = {.most = SW_ADDRESS_HANDSHAKES};
    expect_limits(ATTEMPT(.file = NULL), none, none);
    expect_limits(ATTEMPT(FLAGS("--trusted-proxy", "::1")), connections, handshakes);
    expect_limits(ATTEMPT(FLAGS("--trusted-proxy", "::1", "--max-connections-per-address", "0")),
                  off, handshakes);
    expect_limits(ATTEMPT(FLAGS("--max-connections-per-address", "7")),
                  (struct sw_quota_limit){.most = 7, .set = true}, none);
    expect_limits(ATTEMPT(FLAGS("--handshakes-per-address", "1000000")), none,
                  (struct sw_quota_limit){.most = 1000000, .set = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_settings),
        cmocka_unit_test(so_many_networks_and_no_more),
        cmocka_unit_test(a_listener_for_headers_needs_to_know_whose),
        cmocka_unit_test(everybody_is_warned_of),
        cmocka_unit_test(limits_are_usual_behind_proxies_alone),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
