// SPDX-License-Identifier: Apache-2.0
#include "bus/redis/command.h"

#include "fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct setting {
    struct sw_exchange exchange;
    struct sw_redis_commands commands;
    struct sw_buf out;
    uint64_t begin;
};

static int set_up(void **state)
{
    struct setting *setting = sw_zalloc(sizeof(*setting));
    fake_init(&setting->exchange, "p:");
    sw_redis_commands_init(&setting->commands, &setting->exchange, &setting->out, &setting->begin);
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    sw_redis_commands_deinit(&setting->commands);
    sw_buf_deinit(&setting->out);
    fake_deinit(&setting->exchange);
    sw_free(setting);
    return 0;
}

static void publish(struct setting *setting, const char *topic, const char *payload, uint64_t now)
{
    sw_redis_commands_publish(&setting->commands, fake_publish(topic, "", payload), now);
}

static bool answer(struct setting *setting, enum sw_redis_event_kind kind, const char *text)
{
    struct sw_redis_event event = {.kind = kind, .text = sw_slice_of(text)};
    return sw_redis_commands_answer(&setting->commands, &event, 0);
}

static void a_publish_is_one_command_with_prefix_and_raw_payload(void **state)
{
    struct setting *setting = *state;
    publish(setting, "a.b", "{\"x\":1}", 0);
    assert_string_equal(sw_buf_text(&setting->out),
                        "*3\r\n$7\r\nPUBLISH\r\n$5\r\np:a.b\r\n$7\r\n{\"x\":1}\r\n");
    sw_redis_commands_lost(&setting->commands, 0);
}

static void a_key_and_a_payload_that_looks_wrapped_are_wrapped(void **state)
{
    struct setting *setting = *state;
    sw_redis_commands_publish(&setting->commands, fake_publish("a", "EURUSD", "7"), 0);
    assert_non_null(strstr(sw_buf_text(&setting->out), "k=EURUSD"));
    assert_non_null(strstr(sw_buf_text(&setting->out), "\x1e"
                                                       "7\r\n"));
    sw_buf_clear(&setting->out);
    publish(setting, "a",
            "\x1e"
            "1;",
            0);
    assert_non_null(strstr(sw_buf_text(&setting->out), "\x1e\x1e"
                                                       "1;\r\n"));
    sw_redis_commands_lost(&setting->commands, 0);
}

static void answers_belong_to_publishes_in_order(void **state)
{
    struct setting *setting = *state;
    for (int i = 0; i < 200; i++) { /* the ring grows and wraps */
        publish(setting, "a", "1", 0);
        publish(setting, "b", "2", 0);
        publish(setting, "c", "3", 0);
        assert_true(answer(setting, SW_REDIS_INTEGER, ""));
        assert_true(answer(setting, SW_REDIS_ERROR, "NOPERM this user has no permissions"));
    }
    assert_int_equal(setting->commands.fifo.count, 200);
    static const char wanted[] = "published a ok\npublished b forbidden\npublished c ok\n"
                                 "published a forbidden\npublished b ok\npublished c forbidden\n";
    assert_memory_equal(fake_said(&setting->exchange), wanted, sizeof(wanted) - 1);
    sw_redis_commands_lost(&setting->commands, 0);
    assert_int_equal(setting->exchange.published, 600);
    assert_int_equal(setting->commands.fifo.count, 0);
}

static void the_answer_says_how_many_received_it(void **state)
{
    struct setting *setting = *state;
    publish(setting, "a", "1", 0);
    struct sw_redis_event event = {.kind = SW_REDIS_INTEGER, .number = 3};
    assert_true(sw_redis_commands_answer(&setting->commands, &event, 0));
    assert_int_equal(setting->exchange.receivers, 3);
    publish(setting, "a", "1", 0);
    assert_true(answer(setting, SW_REDIS_ERROR, "NOPERM x"));
    assert_int_equal(setting->exchange.receivers, 0);
}

static void errors_are_told_apart(void **state)
{
    struct setting *setting = *state;
    static const char *const table[][2] = {
        {"NOPERM x", "forbidden"},
        {"NOPERMX x", "internal"},
        {"LOADING Redis is loading the dataset in memory", "bus_unavailable"},
        {"MASTERDOWN Link with MASTER is down", "bus_unavailable"},
        {"NOAUTH Authentication required.", "bus_unavailable"},
        {"ERR unknown command 'PUBLISH', with args beginning with: 'a' 'secret'", "internal"},
        {"", "internal"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(table); i++) {
        char wanted[64];
        publish(setting, "a", "1", 0);
        assert_true(answer(setting, SW_REDIS_ERROR, table[i][0]));
        snprintf(wanted, sizeof(wanted), "published a %s\n", table[i][1]);
        assert_string_equal(fake_said(&setting->exchange), wanted);
    }
    assert_null(strstr(setting->commands.publish_said, "secret"));
}

static void an_answer_that_nobody_waits_for_is_out_of_step(void **state)
{
    struct setting *setting = *state;
    assert_false(answer(setting, SW_REDIS_INTEGER, ""));
    assert_false(answer(setting, SW_REDIS_ERROR, "ERR"));
    publish(setting, "a", "1", 0);
    assert_false(answer(setting, SW_REDIS_PONG, ""));
    assert_false(answer(setting, SW_REDIS_STATUS, "OK"));
    assert_false(answer(setting, SW_REDIS_MESSAGE, "x"));
    assert_true(answer(setting, SW_REDIS_INTEGER, ""));
    sw_redis_commands_ping(&setting->commands, 0);
    assert_false(answer(setting, SW_REDIS_INTEGER, ""));
    assert_true(answer(setting, SW_REDIS_PONG, ""));
    assert_string_equal(fake_said(&setting->exchange), "published a ok\n");
}

static void only_what_left_whole_has_an_unknown_outcome(void **state)
{
    struct setting *setting = *state;
    publish(setting, "a", "1", 0);
    uint64_t first = setting->out.size;
    publish(setting, "b", "2", 0);
    uint64_t second = setting->out.size;
    sw_buf_clear(&setting->out);
    setting->begin = second;
    publish(setting, "c", "3", 0);
    sw_redis_commands_lost(&setting->commands, second - 1);
    assert_string_equal(fake_said(&setting->exchange), "published a bus_unavailable unknown\n"
                                                       "published b bus_unavailable\n"
                                                       "published c bus_unavailable\n");
    assert_true(first < second);
}

static void a_publish_has_5_s_and_a_ping_10(void **state)
{
    struct setting *setting = *state;
    assert_false(sw_redis_commands_overdue(&setting->commands, 1u << 30));
    sw_redis_commands_ping(&setting->commands, 1000);
    assert_false(sw_redis_commands_overdue(&setting->commands, 10999));
    assert_true(sw_redis_commands_overdue(&setting->commands, 11000));
    publish(setting, "a", "1", 2000); /* stands behind the ping */
    assert_false(sw_redis_commands_overdue(&setting->commands, 6999));
    assert_true(sw_redis_commands_overdue(&setting->commands, 7000));
    assert_true(answer(setting, SW_REDIS_PONG, ""));
    sw_redis_commands_ping(&setting->commands, 3000); /* not beside a publish */
    assert_int_equal(setting->commands.fifo.count, 1);
    sw_redis_commands_lost(&setting->commands, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_publish_is_one_command_with_prefix_and_raw_payload),
        TEST(a_key_and_a_payload_that_looks_wrapped_are_wrapped),
        TEST(answers_belong_to_publishes_in_order),
        TEST(the_answer_says_how_many_received_it),
        TEST(errors_are_told_apart),
        TEST(an_answer_that_nobody_waits_for_is_out_of_step),
        TEST(only_what_left_whole_has_an_unknown_outcome),
        TEST(a_publish_has_5_s_and_a_ping_10),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
