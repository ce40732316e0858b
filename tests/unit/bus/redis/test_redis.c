// SPDX-License-Identifier: Apache-2.0
/* The backend against a real redis-server that is killed, stopped, locked and started again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "real_node.h"

/* ---- tests ---- */

static void what_is_published_on_one_link_comes_on_the_other(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    begin(node, "", "", "");
    await(node, "up\n", 2000);
    want(node, "a.b", false);
    want(node, "a.*", true);
    await(node, "acked a.b\nacked a.*\n", 2000);
    publish(node, "a.b", "hello");
    publish(node, "a.b", "");
    publish(node, "other", "1");
    await(node, "message a.* a.b \n", 2000);
    assert_int_equal(node->exchange.messages, 4);
    publish(node, "a.b", "last");
    await(node, "message a.* a.b last\n", 2000);
    assert_int_equal(node->exchange.published, 4);
}

static void the_prefix_stands_on_the_wire_and_not_in_topics(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    begin(node, "", "/3", "pre:");
    await(node, "up\n", 2000);
    want(node, "pre:a", false);
    want(node, "*", true); /* a glob that covers what does not begin with the prefix */
    await(node, "acked *\n", 2000);
    publish(node, "a", "1");
    await(node, "message * a 1\n", 2000);
    server_ask(&node->server, "PUBLISH a 2", ":1");
    server_ask(&node->server, "PUBLISH pre:a 3", ":2");
    await(node, "message pre:a a 3\nmessage * a 3\n", 2000);
    assert_int_equal(sw_counter_read(&node->exchange.counters.bus_ignored_total), 1);
}

static void links_have_names_and_the_database(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    begin(node, "", "/3", "");
    await(node, "up\n", 2000);
    server_ask(&node->server, "CLIENT LIST", "name=spillway-unit_test-sub");
    server_ask(&node->server, "CLIENT LIST", "name=spillway-unit_test-cmd");
    server_ask(&node->server, "CLIENT LIST", "db=3");
}

static void who_leaves_is_unsubscribed_at_the_server(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    begin(node, "", "", "");
    await(node, "up\n", 2000);
    struct sw_interest *leaves = want(node, "a", false);
    await(node, "acked a\n", 2000);
    server_ask(&node->server, "PUBSUB NUMSUB a", ":1");
    node->backend->ops->unsubscribe(node->backend, leaves);
    fake_forget(leaves);
    want(node, "b", false);
    await(node, "acked b\n", 2000);
    server_ask(&node->server, "PUBSUB NUMSUB a", ":0");
}

static void a_server_that_dies_and_returns_gets_everything_again(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    begin(node, "", "", "");
    await(node, "up\n", 2000);
    want(node, "a", false);
    await(node, "acked a\n", 2000);
    for (int round = 0; round < 3; round++) {
        server_kill(&node->server);
        await(node, "down\n", 2000);
        publish(node, "a", "lost");
        assert_string_equal(fake_said(&node->exchange), "published a bus_unavailable\n");
        struct sw_interest *interest = want(node, round == 0 ? "b" : "c", round == 1);
        run(node, 700);
        assert_false(interest->acked);
        server_start(&node->server, "");
        await(node, "up\n", 1500);
        want(node, "z", false); /* behind the others, so they are acked when it is */
        await(node, "acked z\n", 2000);
        assert_true(interest->acked);
        publish(node, "a", "again");
        await(node, "message a a again\n", 2000);
    }
    assert_int_equal(node->exchange.downs, 3);
}

static void a_server_that_comes_later_is_found(void **state)
{
    struct node *node = *state;
    begin(node, "", "", "");
    want(node, "a", false);
    run(node, 500);
    assert_string_equal(fake_said(&node->exchange), "");
    server_start(&node->server, "");
    await(node, "up\nacked a\n", 1500);
    assert_int_equal(node->exchange.downs, 0);
}

static void twenty_thousand_are_all_subscribed_again(void **state)
{
    struct node *node = *state;
    char wire[32];
    server_start(&node->server, "");
    begin(node, "", "", "");
    for (int i = 0; i < 20000; i++) {
        snprintf(wire, sizeof(wire), i % 10 ? "t.%d" : "t.%d.*", i);
        want(node, wire, i % 10 == 0);
    }
    await_acks(node, 20000, 5000);
    server_kill(&node->server);
    await(node, "down\n", 2000);
    server_start(&node->server, "");
    await_acks(node, 40000, 5000);
    server_ask(&node->server, "PUBSUB NUMPAT", ":2000");
}

static void a_wrong_password_keeps_it_down_until_it_is_right(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "right");
    begin(node, ":wr%6fng@", "", "");
    run(node, 400);
    assert_int_equal(node->exchange.ups, 0);
    server_ask(&node->server, "AUTH right\r\nCONFIG SET requirepass wrong", "+OK");
    await(node, "up\n", 1500);
}

static void a_missing_password_keeps_it_down(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "right");
    begin(node, "", "", "");
    run(node, 400);
    assert_int_equal(node->exchange.ups, 0);
    assert_int_equal(node->exchange.downs, 0);
}

static void only_what_the_acl_forbids_is_refused(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    server_ask(&node->server,
               "ACL SETUSER me on >pw resetchannels &ok.* +subscribe +psubscribe +unsubscribe "
               "+punsubscribe +publish +ping",
               "+OK");
    begin(node, "me:pw@", "", "");
    want(node, "ok.1", false);
    want(node, "secret.1", false);
    want(node, "ok.*", true);
    want(node, "secret.*", true);
    want(node, "ok.2", false);
    await(node, "refused secret.* forbidden\n", 2000);
    want(node, "ok.3", false);
    await(node, "acked ok.3\n", 2000);
    assert_int_equal(node->exchange.acks, 4);
    publish(node, "secret.1", "x");
    publish(node, "ok.1", "x");
    await(node, "message ok.* ok.1 x\n", 2000);
    publish(node, "secret.1", "x");
    await(node, "published secret.1 forbidden\n", 2000);
}

static void a_publish_that_a_dead_server_took_has_an_unknown_outcome(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    begin(node, "", "", "");
    await(node, "up\n", 2000);
    kill(node->server.pid, SIGSTOP);
    publish(node, "a", "1");
    run(node, 100);
    server_kill(&node->server);
    await(node, "published a bus_unavailable unknown\n", 2000);
    publish(node, "a", "2");
    assert_string_equal(fake_said(&node->exchange), "published a bus_unavailable\n");
}

static void a_publish_that_never_left_is_known_to_be_lost(void **state)
{
    struct node *node = *state;
    char *large = sw_alloc((8u << 20) + 1);
    memset(large, 'x', 8u << 20);
    large[8u << 20] = '\0';
    server_start(&node->server, "");
    begin(node, "", "", "");
    await(node, "up\n", 2000);
    kill(node->server.pid, SIGSTOP);
    publish(node, "small", "1");
    publish(node, "large", large); /* more than the kernel takes */
    run(node, 200);
    publish(node, "behind", "1");
    run(node, 100);
    server_kill(&node->server);
    await(node,
          "published small bus_unavailable unknown\npublished large bus_unavailable\n"
          "published behind bus_unavailable\n",
          2000);
    sw_free(large);
}

static void a_server_that_does_not_answer_is_left_after_5_s(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    begin(node, "", "", "");
    await(node, "up\n", 2000);
    kill(node->server.pid, SIGSTOP);
    publish(node, "a", "1");
    uint64_t begun = sw_clock_ms();
    await(node, "published a bus_unavailable unknown\n", 7000);
    assert_true(sw_clock_ms() - begun >= 4900);
    kill(node->server.pid, SIGCONT);
    await(node, "up\n", 2000);
}

/* What takes its ten seconds and more is left to `tests/run long`. */
static void only_when_long(void)
{
    if (!getenv("SPILLWAY_LONG")) {
        puts("takes more than 10 s: SPILLWAY_LONG is not set");
        skip();
    }
}

static void a_node_that_was_stopped_keeps_its_links(void **state)
{
    only_when_long();
    struct node *node = *state;
    server_start(&node->server, "");
    begin(node, "", "", "");
    await(node, "up\n", 2000);
    run(node, 1500); /* pings are under way */
    sleep(12);
    run(node, 1500);
    assert_int_equal(node->exchange.downs, 0);
}

static void a_server_that_sends_no_pong_is_left_after_10_s(void **state)
{
    only_when_long();
    struct node *node = *state;
    server_start(&node->server, "");
    begin(node, "", "", "");
    want(node, "a", false);
    await(node, "acked a\n", 2000);
    kill(node->server.pid, SIGSTOP);
    uint64_t begun = sw_clock_ms();
    await(node, "down\n", 12500);
    assert_true(sw_clock_ms() - begun >= 9900);
    kill(node->server.pid, SIGCONT);
    await(node, "up\nacked a\n", 2000);
}

static void a_message_that_is_too_large_costs_one_outage_and_its_channel(void **state)
{
    struct node *node = *state;
    char reply[64];
    struct sw_buf command = {0};
    server_start(&node->server, "");
    /* It comes twice, and by default the server itself ends a link that owes 32 MB. */
    server_ask(&node->server, "CONFIG SET client-output-buffer-limit \"pubsub 0 0 0\"", "+OK");
    begin(node, "", "", "");
    want(node, "big", false);
    want(node, "b*", true);
    want(node, "small", false);
    await(node, "acked b*\n", 2000);
    sw_buf_printf(&command, "*3\r\n$7\r\nPUBLISH\r\n$3\r\nbig\r\n$%u\r\n", SW_REDIS_BULK_BYTES + 1);
    memset(sw_buf_reserve(&command, SW_REDIS_BULK_BYTES + 1), 'x', SW_REDIS_BULK_BYTES + 1);
    command.size += SW_REDIS_BULK_BYTES + 1;
    sw_buf_append(&command, "\r\n", 2);
    assert_true(server_send(&node->server, command.data, command.size, reply, sizeof(reply)) > 0);
    assert_string_equal(reply, ":2\r\n");
    await(node, "too_large big\ndown\n", 2000);
    await(node, "up\nacked small\n", 2000);
    assert_true(server_send(&node->server, command.data, command.size, reply, sizeof(reply)) > 0);
    assert_string_equal(reply, ":0\r\n");
    sw_buf_deinit(&command);
    publish(node, "small", "1");
    await(node, "message small small 1\n", 2000);
    assert_int_equal(node->exchange.downs, 1);
}

static void a_message_just_as_large_as_is_read_comes_through(void **state)
{
    struct node *node = *state;
    char reply[64];
    struct sw_buf command = {0};
    server_start(&node->server, "");
    begin(node, "", "", "");
    want(node, "big", false);
    await(node, "acked big\n", 2000);
    sw_buf_printf(&command, "*3\r\n$7\r\nPUBLISH\r\n$3\r\nbig\r\n$%u\r\n", SW_REDIS_BULK_BYTES);
    memset(sw_buf_reserve(&command, SW_REDIS_BULK_BYTES), 'x', SW_REDIS_BULK_BYTES);
    command.size += SW_REDIS_BULK_BYTES;
    sw_buf_append(&command, "\r\n", 2);
    assert_true(server_send(&node->server, command.data, command.size, reply, sizeof(reply)) > 0);
    sw_buf_deinit(&command);
    await(node, "message big big xxx", 5000);
}

static void it_can_be_ended_in_any_state(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    for (unsigned ms = 0; ms < 40; ms += 3) {
        begin(node, "", "", "");
        want(node, "a", false);
        run(node, ms);
        publish(node, "a", "1");
        node->backend->ops->stop(node->backend);
        if (ms % 2) {
            publish(node, "a", "2");
            run(node, 10);
        }
        node->backend->ops->destroy(node->backend);
        node->backend = NULL;
        sw_loop_destroy(&node->loop);
        assert_int_equal(node->exchange.published, ms % 2 ? 2 : 1);
        fake_deinit(&node->exchange);
    }
}

static int has_server(void **state)
{
    (void)state;
    if (access(SERVER_PATH, X_OK) != 0) {
        fprintf(stderr, SERVER_PATH " is not installed: skipped\n");
        _exit(77);
    }
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_published_on_one_link_comes_on_the_other),
        TEST(the_prefix_stands_on_the_wire_and_not_in_topics),
        TEST(links_have_names_and_the_database),
        TEST(who_leaves_is_unsubscribed_at_the_server),
        TEST(a_server_that_dies_and_returns_gets_everything_again),
        TEST(a_server_that_comes_later_is_found),
        TEST(twenty_thousand_are_all_subscribed_again),
        TEST(a_wrong_password_keeps_it_down_until_it_is_right),
        TEST(a_missing_password_keeps_it_down),
        TEST(only_what_the_acl_forbids_is_refused),
        TEST(a_publish_that_a_dead_server_took_has_an_unknown_outcome),
        TEST(a_publish_that_never_left_is_known_to_be_lost),
        TEST(a_server_that_does_not_answer_is_left_after_5_s),
        TEST(a_node_that_was_stopped_keeps_its_links),
        TEST(a_server_that_sends_no_pong_is_left_after_10_s),
        TEST(a_message_that_is_too_large_costs_one_outage_and_its_channel),
        TEST(a_message_just_as_large_as_is_read_comes_through),
        TEST(it_can_be_ended_in_any_state),
    };
    return cmocka_run_group_tests(tests, has_server, NULL);
}
