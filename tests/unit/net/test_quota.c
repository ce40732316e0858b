// SPDX-License-Identifier: Apache-2.0
#include "../common/unit.h"

#include "common/mem.h"
#include "net/quota.h"

static struct sw_peer peer(const char *text)
{
    struct sw_peer parsed;
    assert_true(sw_peer_parse(sw_slice_of(text), &parsed));
    return parsed;
}

static enum sw_quota_answer enter(struct sw_quota *quota, const char *text)
{
    struct sw_peer one = peer(text);
    return sw_quota_enter(quota, &one);
}

static bool may_knock(struct sw_quota *quota, const char *text)
{
    struct sw_peer one = peer(text);
    return sw_quota_knock(quota, &one, 1000) == 0;
}

static void an_address_is_counted_by_itself(void **state)
{
    (void)state;
    struct sw_quota quota;
    struct sw_peer first = peer("192.0.2.1");
    first.port = 7; /* is no matter */
    sw_quota_init(&quota, (struct sw_quota_limit){.most = 2}, (struct sw_quota_limit){0}, NULL);
    assert_int_equal(sw_quota_enter(&quota, &first), SW_QUOTA_COUNTED);
    assert_int_equal(enter(&quota, "192.0.2.1"), SW_QUOTA_COUNTED);
    assert_int_equal(enter(&quota, "::ffff:192.0.2.1"), SW_QUOTA_REFUSED);
    assert_int_equal(enter(&quota, "192.0.2.2"), SW_QUOTA_COUNTED);
    sw_quota_leave(&quota, &first);
    assert_int_equal(enter(&quota, "192.0.2.1"), SW_QUOTA_COUNTED);
    assert_int_equal(enter(&quota, "192.0.2.1"), SW_QUOTA_REFUSED);
    sw_quota_deinit(&quota);
}

static void an_ipv6_network_is_one_address(void **state)
{
    (void)state;
    struct sw_quota quota;
    struct sw_quota_limit one = {.most = 1};
    sw_quota_init(&quota, one, one, NULL);
    assert_int_equal(enter(&quota, "2001:db8:0:1::1"), SW_QUOTA_COUNTED);
    assert_int_equal(enter(&quota, "2001:db8:0:1:ffff::9"), SW_QUOTA_REFUSED);
    assert_int_equal(enter(&quota, "2001:db8:0:2::1"), SW_QUOTA_COUNTED);
    assert_true(may_knock(&quota, "2001:db8:0:1::1"));
    assert_true(may_knock(&quota, "2001:db8:0:1::2"));
    assert_false(may_knock(&quota, "2001:db8:0:1::3"));
    assert_true(may_knock(&quota, "2001:db8:0:2::3"));
    sw_quota_deinit(&quota);
}

static void who_stands_for_others_is_exempt_unless_a_number_is_set(void **state)
{
    (void)state;
    static char network[] = "10.0.0.0/8";
    static const char *const rows[] = {"127.0.0.1", "127.9.9.9", "::1", "10.1.2.3"};
    char *const texts[] = {network, NULL};
    struct sw_networks trusted;
    struct sw_buf why = {0};
    assert_true(sw_networks_parse(texts, &trusted, &why));
    for (int set = 0; set <= 1; set++) {
        struct sw_quota_limit one = {.most = 1, .set = set == 1};
        for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
            struct sw_quota quota;
            sw_quota_init(&quota, one, one, &trusted);
            assert_int_equal(enter(&quota, rows[i]), set ? SW_QUOTA_COUNTED : SW_QUOTA_UNCOUNTED);
            assert_int_equal(enter(&quota, rows[i]), set ? SW_QUOTA_REFUSED : SW_QUOTA_UNCOUNTED);
            assert_true(may_knock(&quota, rows[i]) && may_knock(&quota, rows[i]));
            assert_int_equal(may_knock(&quota, rows[i]), set == 0);
            sw_quota_deinit(&quota);
        }
    }
    sw_networks_deinit(&trusted);
}

static void without_a_limit_nobody_is_counted(void **state)
{
    (void)state;
    struct sw_quota quota;
    struct sw_quota_limit none = {.set = true};
    struct sw_peer unknown = {.port = 0};
    sw_quota_init(&quota, none, none, NULL);
    assert_int_equal(enter(&quota, "192.0.2.1"), SW_QUOTA_UNCOUNTED);
    assert_true(may_knock(&quota, "192.0.2.1"));
    assert_int_equal(sw_quota_enter(NULL, &unknown), SW_QUOTA_UNCOUNTED);
    assert_int_equal(sw_quota_knock(NULL, &unknown, 1), 0);
    sw_quota_deinit(&quota);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_counted_by_itself),
        cmocka_unit_test(an_ipv6_network_is_one_address),
        cmocka_unit_test(who_stands_for_others_is_exempt_unless_a_number_is_set),
        cmocka_unit_test(without_a_limit_nobody_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
