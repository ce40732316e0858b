// SPDX-License-Identifier: Apache-2.0
/* Histories kept by a real redis-server: the library is loaded, publishes get positions, reads find
 * what is kept, and whatever a hand or a missing right does is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "real_node.h"

static struct sw_rules rules;

static void begin_keeping(struct node *node, const char *login)
{
    begin_with(node, login, "", "", &rules);
    await(node, "up\n", 2000);
}

/* ---- reads ---- */

static void on_read(void *context, struct sw_history_read *read)
{
    struct node *node = context;
    struct sw_buf *said = &node->exchange.said;
    sw_buf_printf(said, "read %.*s", SW_SLICE_ARG(read->topic));
    if (read->outcome != SW_READ_DONE) {
        sw_buf_printf(said, " %s\n",
                      read->outcome == SW_READ_AWAY ? "away" : sw_error_row(read->error)->code);
        return;
    }
    sw_buf_printf(said, " top %u first %u", (unsigned)read->top, (unsigned)read->first);
    for (uint32_t i = 0; i < read->count; i++) {
        struct sw_slice raw = read->entries[i].raw;
        sw_buf_printf(said, " %u=%c", (unsigned)read->entries[i].offset, raw.data[raw.size - 1]);
    }
    sw_buf_printf(said, "%s\n", read->cut ? " cut" : "");
}

static void read_from(struct node *node, struct sw_history_read *read, const char *topic,
                      uint64_t from, uint32_t limit)
{
    *read = (struct sw_history_read){
        .topic = sw_slice_of(topic),
        .from = from,
        .limit = limit,
        .oldest = true,
        .size = 10,
        .ttl_ms = 60000,
        .done = on_read,
        .context = node,
    };
    node->backend->ops->read(node->backend, read);
}

static void on_value(void *context, struct sw_value_read *read, struct sw_slice value)
{
    struct node *node = context;
    sw_buf_printf(&node->exchange.said, "value %.*s %.*s\n", SW_SLICE_ARG(read->key),
                  value.data ? (int)value.size : 4, value.data ? value.data : "none");
}

static void get(struct node *node, struct sw_value_read *read, const char *key)
{
    *read = (struct sw_value_read){.key = sw_slice_of(key), .done = on_value, .context = node};
    node->backend->ops->get(node->backend, read);
}

static void publish_once(struct node *node, const char *topic, const char *id, const char *payload)
{
    node->backend->ops->publish(node->backend, fake_publish_once(topic, "", id, payload));
}

/* No more than `count` have come before one that is the last of all. */
static void await_messages(struct node *node, unsigned count)
{
    want(node, "end", false);
    await(node, "acked end\n", 2000);
    publish(node, "end", "x");
    await(node, "message end end x\n", 2000);
    assert_int_equal(node->exchange.messages, count + 1);
}

/* ---- tests ---- */

static void a_publish_gets_a_position_and_is_kept(void **state)
{
    struct node *node = *state;
    struct sw_history_read reads[3];
    server_start(&node->server, "");
    begin_keeping(node, "");
    want(node, "h.a", false);
    await(node, "acked h.a\n", 2000);
    publish(node, "h.a", "1");
    publish(node, "h.a", "2");
    publish(node, "a", "3");
    await(node, "published h.a ok at 1\npublished h.a ok at 2\npublished a ok\n", 2000);
    await_messages(node, 2);
    read_from(node, &reads[0], "h.a", 1, 10);
    read_from(node, &reads[1], "h.a", 2, 10);
    read_from(node, &reads[2], "h.a", 0, 0);
    await(node,
          "read h.a top 2 first 1 1=1 2=2\nread h.a top 2 first 1 2=2\nread h.a top 2 first 0\n",
          2000);
    assert_int_equal(reads[0].lineage.epoch.size, 12);
    assert_int_equal(reads[0].lineage.count, 0);
    server_ask(&node->server, "HGET {h.a}:m n", "10");
    server_ask(&node->server, "HGET {h.a}:m t", "60000");
}

static void an_id_is_published_once(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    begin_keeping(node, "");
    want(node, "h.a", false);
    want(node, "a", false);
    await_acks(node, 2, 2000);
    for (int i = 0; i < 2; i++) {
        publish_once(node, "h.a", "one", "x");
        publish_once(node, "a", "one", "x");
        await(node, "published h.a ok at 1\n", 2000);
    }
    publish_once(node, "h.a", "two", "x");
    await(node, "published h.a ok at 2\n", 2000);
    await_messages(node, 3);
    server_ask(&node->server, "EXISTS {a}:h {a}:m", ":0");
}

static void a_topic_that_was_never_published_gets_its_settings_once(void **state)
{
    struct node *node = *state;
    struct sw_history_read read;
    server_start(&node->server, "");
    begin_keeping(node, "");
    for (int i = 0; i < 2; i++) {
        read_from(node, &read, "h.a", 1, 10);
        await(node, "read h.a top 0 first 0\n", 2000);
        publish(node, "a", "1"); /* behind what the read wrote */
        await(node, "published a ok\n", 2000);
        server_ask(&node->server, "HMGET {h.a}:m n t e", "*3\r\n$2\r\n10\r\n$5\r\n60000\r\n$-1");
    }
    server_ask(&node->server, "INFO commandstats", "cmdstat_hset:calls=1,");
    server_ask(&node->server, "TTL {h.a}:m", ":604800");
}

static void a_library_that_is_deleted_is_loaded_again(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    begin_keeping(node, "");
    publish(node, "h.a", "1");
    await(node, "published h.a ok at 1\n", 2000);
    server_ask(&node->server, "FUNCTION FLUSH", "OK");
    publish(node, "h.a", "2");
    publish(node, "h.a", "3");
    await(node, "published h.a ok at 2\npublished h.a ok at 3\n", 2000);
    server_ask(&node->server, "HGET {h.a}:m l", "=1 "); /* another life of the data, maybe */
}

static void an_older_library_is_replaced_and_a_newer_one_left(void **state)
{
    struct node *node = *state;
    static const char load[] =
        "FUNCTION LOAD REPLACE \"#!lua name=spillway\\n"
        "redis.register_function{function_name='spillway_version', flags={'no-writes'}, "
        "callback=function() return %d end}\\n"
        "redis.register_function('spillway_publish', function() return 'Zz9:7' end)\"";
    char command[500];
    server_start(&node->server, "");
    snprintf(command, sizeof(command), load, 99);
    server_ask(&node->server, command, "spillway");
    begin_keeping(node, "");
    publish(node, "h.a", "1");
    await(node, "published h.a ok at 7\n", 2000);
    snprintf(command, sizeof(command), load, 0);
    server_ask(&node->server, command, "spillway");
    server_ask(&node->server, "CLIENT KILL TYPE normal SKIPME yes", ":");
    await(node, "up\n", 5000);
    publish(node, "h.a", "1");
    await(node, "published h.a ok at 1\n", 2000);
    server_ask(&node->server, "FCALL spillway_version 0", ":2");
}

static void foreign_keys_under_its_names_are_named(void **state)
{
    struct node *node = *state;
    struct sw_history_read reads[5];
    server_start(&node->server, "");
    server_ask(&node->server, "SET {h.m}:m x", "OK");
    server_ask(&node->server, "SET {h.h}:h x", "OK");
    server_ask(&node->server, "HSET {h.o}:m e Qx7 o 9007199254740992", ":2");
    server_ask(&node->server, "HSET {h.e}:m e Q-7 o 1", ":2");
    server_ask(&node->server, "HSET {h.s}:m e Qx7 o 9", ":2");
    server_ask(&node->server, "XADD {h.s}:h 1-1 m x", "1-1");
    begin_keeping(node, "");
    read_from(node, &reads[0], "h.m", 1, 10);
    read_from(node, &reads[1], "h.h", 1, 10);
    read_from(node, &reads[2], "h.o", 1, 10);
    read_from(node, &reads[3], "h.e", 1, 0);
    read_from(node, &reads[4], "h.s", 1, 10);
    await(node,
          "read h.m internal\nread h.h internal\nread h.o internal\nread h.e internal\n"
          "read h.s internal\n",
          2000);
    assert_int_equal(node->exchange.counters.bus_read_errors_total, 5);
    publish(node, "h.m", "1");
    publish(node, "h.h", "1"); /* clears what nobody knows away: the string is gone */
    publish(node, "h.o", "1");
    publish(node, "h.e", "1");
    await(node,
          "published h.m internal\npublished h.h ok at 1\npublished h.o internal\n"
          "published h.e internal\n",
          2000);
    assert_int_equal(node->exchange.downs, 0);
}

static void values_are_read_beside(void **state)
{
    struct node *node = *state;
    struct sw_value_read reads[3];
    server_start(&node->server, "");
    server_ask(&node->server, "SET good text", "OK");
    server_ask(&node->server, "LPUSH list x", ":1");
    begin_keeping(node, "");
    get(node, &reads[0], "good");
    get(node, &reads[1], "absent");
    get(node, &reads[2], "list");
    assert_int_equal(node->exchange.said.size, 0);
    await(node, "value good text\nvalue absent none\nvalue list none\n", 2000);
    assert_int_equal(node->exchange.counters.bus_read_errors_total, 1);
}

static void while_it_is_down_reads_are_away(void **state)
{
    struct node *node = *state;
    struct sw_history_read read;
    struct sw_value_read value;
    begin_with(node, "", "", "", &rules);
    read_from(node, &read, "h.a", 1, 10);
    get(node, &value, "k");
    assert_int_equal(node->exchange.said.size, 0);
    await(node, "read h.a away\nvalue k none\n", 2000);
}

static void a_value_above_what_is_read_fails_and_costs_the_link_once(void **state)
{
    struct node *node = *state;
    struct sw_value_read value;
    server_start(&node->server, "");
    server_ask(&node->server, "SETRANGE large 16777216 x", ":16777217");
    begin_keeping(node, "");
    get(node, &value, "large");
    await(node, "value large none\n", 5000);
    await(node, "up\n", 5000);
    publish(node, "h.a", "1");
    await(node, "published h.a ok at 1\n", 2000);
    assert_int_equal(node->exchange.downs, 1);
    assert_int_equal(node->exchange.counters.bus_read_errors_total, 1);
}

static void a_large_history_is_read_in_steps(void **state)
{
    struct node *node = *state;
    struct sw_history_read read;
    char *payload = sw_alloc((4u << 20) + 1);
    memset(payload, 'x', 4u << 20);
    payload[4u << 20] = '\0';
    server_start(&node->server, "");
    begin_keeping(node, "");
    for (int i = 0; i < 4; i++) {
        publish(node, "h.a", payload);
    }
    await(node, "published h.a ok at 4\n", 10000);
    payload[(4u << 20)] = 'x'; /* one byte more is refused: nobody could read it */
    read_from(node, &read, "h.a", 1, 10);
    await(node, "read h.a top 4 first 1 1=x cut\n", 10000);
    read_from(node, &read, "h.a", 4, 10);
    await(node, "read h.a top 4 first 1 4=x\n", 10000);
    sw_free(payload);
}

/* What is missing, and what the node then says. */
static void lacks(struct node *node, const char *right, const char *published, const char *read_as)
{
    struct sw_history_read read;
    char command[300];
    char said[200];
    server_ask(&node->server, "ACL SETUSER gate reset on >p ~* &* +@all", "OK");
    snprintf(command, sizeof(command), "ACL SETUSER gate -%s", right);
    server_ask(&node->server, command, "OK");
    publish(node, "h.a", "1");
    snprintf(said, sizeof(said), "published h.a %s\n", published);
    await(node, said, 2000);
    read_from(node, &read, "h.a", 1, 1);
    snprintf(said, sizeof(said), "read h.a %s\n", read_as);
    await(node, said, 2000);
}

static void each_missing_right_is_named(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    server_ask(&node->server, "ACL SETUSER gate reset on >p ~* &* +@all", "OK");
    begin_keeping(node, "gate:p@");
    publish(node, "h.a", "1");
    await(node, "published h.a ok at 1\n", 2000);
    static const char *const publishers[] = {"fcall", "time", "hset",   "hdel",
                                             "xadd",  "del",  "expire", "publish"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(publishers); i++) {
        lacks(node, publishers[i], "forbidden", "top 1 first 1 1=1");
    }
    static const char *const readers[] = {"multi", "xrange", "exec"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(readers); i++) {
        char published[20];
        snprintf(published, sizeof(published), "ok at %zu", i + 2);
        lacks(node, readers[i], published, "forbidden");
    }
    lacks(node, "hmget", "forbidden", "forbidden");
    lacks(node, "info", "ok at 5", "forbidden");
    server_ask(&node->server, "XLEN {h.a}:h", ":5");
    assert_int_equal(node->exchange.downs, 0);
}

/* PROTOCOL.md, section 7. */
static void the_listed_rights_are_enough(void **state)
{
    struct node *node = *state;
    struct sw_history_read read;
    server_start(&node->server, "");
    server_ask(&node->server,
               "ACL SETUSER gate reset on >p ~app:* ~{app:* &app:* +fcall +info +time +hmget +hset "
               "+hdel +get +set +xadd +expire +del +publish +multi +exec +xrange +subscribe "
               "+unsubscribe +psubscribe +punsubscribe +ping +select +client|setname "
               "+function|load",
               "OK");
    begin_with(node, "gate:p@", "", "app:", &rules);
    await(node, "up\n", 2000);
    want(node, "app:h.a", false);
    await(node, "acked app:h.a\n", 2000);
    publish_once(node, "h.a", "one", "1");
    await(node, "message app:h.a h.a ", 2000);
    read_from(node, &read, "h.a", 1, 10);
    await(node, "read h.a top 1 first 1 1=1\n", 2000);
    publish(node, "h.b", "1"); /* behind what the read wrote */
    await(node, "published h.b ok at 1\n", 2000);
    server_ask(&node->server, "HGET {app:h.a}:m n", "10");
    server_ask(&node->server, "ACL LOG", "*0");
}

static void without_the_right_to_load_one_loaded_by_hand_serves(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    server_ask(&node->server, "ACL SETUSER gate reset on >p ~* &* +@all -function", "OK");
    begin_keeping(node, "gate:p@");
    publish(node, "h.a", "1");
    await(node, "published h.a unsupported\n", 2000);
    server_ask(&node->server,
               "FUNCTION LOAD \"#!lua name=spillway\\n"
               "redis.register_function('spillway_publish', function() return 'Zz9:7' end)\"",
               "spillway");
    publish(node, "h.a", "1");
    await(node, "published h.a ok at 7\n", 2000);
}

static void a_server_that_becomes_a_replica_is_left(void **state)
{
    struct node *node = *state;
    struct server master = {.port = 0};
    char command[64];
    server_start(&node->server, "");
    begin_keeping(node, "");
    master.port = server_free_port();
    server_start(&master, "");
    snprintf(command, sizeof(command), "REPLICAOF 127.0.0.1 %u", (unsigned)master.port);
    server_ask(&node->server, command, "OK");
    publish(node, "h.a", "1");
    await(node, "down\n", 5000);
    unsigned ups = node->exchange.ups;
    run(node, 500); /* it tries again and again */
    assert_int_equal(node->exchange.ups, ups);
    server_ask(&node->server, "REPLICAOF NO ONE", "OK");
    await(node, "up\n", 5000);
    publish(node, "h.a", "1");
    await(node, "published h.a ok at 1\n", 2000);
    server_kill(&master);
}

/* Until what was published has reached the server, which holds it. */
static void run_until_blocked(struct node *node)
{
    char reply[1000];
    uint64_t end = sw_clock_ms() + 5000;
    do {
        assert_true(sw_clock_ms() < end);
        run(node, 5);
        (void)server_send(&node->server, "INFO clients\r\n", 14, reply, sizeof(reply));
    } while (!strstr(reply, "blocked_clients:1"));
}

/* The server runs no writes for a while, so the link is lost with both unanswered. */
static void a_publish_with_an_id_outlives_its_link(void **state)
{
    struct node *node = *state;
    server_start(&node->server, "");
    begin_keeping(node, "");
    publish_once(node, "h.a", "first", "1");
    await(node, "published h.a ok at 1\n", 2000);
    server_ask(&node->server, "CLIENT PAUSE 60000 WRITE", "OK");
    publish_once(node, "h.a", "second", "2");
    publish(node, "h.b", "3");
    run_until_blocked(node);
    server_ask(&node->server, "CLIENT KILL TYPE normal SKIPME yes", ":");
    await(node, "published h.b bus_unavailable unknown\ndown\n", 2000);
    server_ask(&node->server, "CLIENT UNPAUSE", "OK");
    await(node, "published h.a ok at 2\n", 5000);
    server_ask(&node->server, "XLEN {h.a}:h", ":2");
    server_ask(&node->server, "EXISTS {h.b}:h", ":0");
}

static int set_up_rules(void **state)
{
    if (access(SERVER_PATH, X_OK) != 0) {
        fprintf(stderr, SERVER_PATH " is not installed: skipped\n");
        _exit(77);
    }
    struct sw_exchange unused;
    (void)state;
    fake_init(&unused, "");
    fake_keep(&unused, &rules);
    return 0;
}

static int tear_down_rules(void **state)
{
    (void)state;
    sw_rules_deinit(&rules);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_publish_gets_a_position_and_is_kept),
        TEST(an_id_is_published_once),
        TEST(a_topic_that_was_never_published_gets_its_settings_once),
        TEST(a_library_that_is_deleted_is_loaded_again),
        TEST(an_older_library_is_replaced_and_a_newer_one_left),
        TEST(foreign_keys_under_its_names_are_named),
        TEST(values_are_read_beside),
        TEST(while_it_is_down_reads_are_away),
        TEST(a_value_above_what_is_read_fails_and_costs_the_link_once),
        TEST(a_large_history_is_read_in_steps),
        TEST(the_listed_rights_are_enough),
        TEST(each_missing_right_is_named),
        TEST(without_the_right_to_load_one_loaded_by_hand_serves),
        TEST(a_server_that_becomes_a_replica_is_left),
        TEST(a_publish_with_an_id_outlives_its_link),
    };
    return cmocka_run_group_tests(tests, set_up_rules, tear_down_rules);
}
