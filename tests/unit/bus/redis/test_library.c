// SPDX-License-Identifier: Apache-2.0
/* The function library without a server: when it is asked for, loaded, replaced and left, and what
 * becomes of the publishes that need it. */
#include "bus/redis/asking.h"

#include "fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define VERSION "*3\r\n$5\r\nFCALL\r\n$16\r\nspillway_version\r\n$1\r\n0\r\n"
#define LOAD    "*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$"
#define REPLACE "*4\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$7\r\nREPLACE\r\n$"

static const char not_found[] = "ERR Function not found";

struct setting {
    struct sw_exchange exchange;
    struct sw_rules rules;
    struct sw_redis_commands commands;
    struct sw_buf out;
    uint64_t begin;
    uint64_t now_ms;
};

static int set_up(void **state)
{
    struct setting *setting = sw_zalloc(sizeof(*setting));
    fake_init(&setting->exchange, "p:");
    fake_keep(&setting->exchange, &setting->rules);
    sw_redis_commands_init(&setting->commands, &setting->exchange, &setting->out, &setting->begin);
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    sw_redis_commands_lost(&setting->commands, 0);
    sw_redis_commands_look(&setting->commands, UINT64_MAX);
    (void)sw_redis_commands_settle(&setting->commands);
    sw_redis_commands_deinit(&setting->commands);
    sw_buf_deinit(&setting->out);
    sw_rules_deinit(&setting->rules);
    fake_deinit(&setting->exchange);
    sw_free(setting);
    return 0;
}

/* What was sent since the last time; borrowed until more is. */
static const char *sent(struct setting *setting)
{
    const char *text = sw_buf_text(&setting->out);
    setting->begin += setting->out.size;
    setting->out.size = 0;
    return text;
}

static void begins(const char *text, const char *with)
{
    if (strncmp(text, with, strlen(with)) != 0) {
        fail_msg("\"%.100s\" does not begin with \"%s\"", text, with);
    }
}

static void answer(struct setting *setting, enum sw_redis_event_kind kind, const char *text,
                   long long number)
{
    struct sw_redis_event event = {
        .kind = kind,
        .text = text ? sw_slice_of(text) : sw_slice(NULL, 0),
        .number = number,
    };
    assert_true(sw_redis_commands_answer(&setting->commands, &event, setting->now_ms));
}

static void publish(struct setting *setting, const char *topic, const char *id)
{
    sw_redis_commands_publish(&setting->commands, fake_publish_once(topic, "", id, "x"),
                              setting->now_ms);
}

static bool prepared(const struct setting *setting)
{
    return sw_redis_commands_prepared(&setting->commands);
}

/* Asked for role and version; the role is a master's. */
static void prepare(struct setting *setting)
{
    sw_redis_commands_prepare(&setting->commands, setting->now_ms);
    const char *text = sent(setting);
    begins(text, "*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n" VERSION);
    answer(setting, SW_REDIS_BULK, "role:master\r\n", 0);
    assert_false(prepared(setting));
}

/* ---- tests ---- */

static void without_histories_nothing_is_asked(void **state)
{
    struct setting *setting = *state;
    setting->exchange.config.rules = NULL;
    struct sw_redis_commands commands;
    sw_redis_commands_init(&commands, &setting->exchange, &setting->out, &setting->begin);
    sw_redis_commands_prepare(&commands, 0);
    assert_int_equal(setting->out.size, 0);
    assert_true(sw_redis_commands_prepared(&commands));
    sw_redis_commands_deinit(&commands);
}

static void one_as_new_or_newer_is_left(void **state)
{
    struct setting *setting = *state;
    for (int newer = 0; newer < 2; newer++) {
        prepare(setting);
        answer(setting, SW_REDIS_INTEGER, NULL, sw_redis_library_version + newer);
        assert_true(prepared(setting));
        assert_int_equal(setting->commands.library.state, SW_REDIS_LIBRARY_GOOD);
        assert_string_equal(sent(setting), "");
        (void)sw_redis_commands_settle(&setting->commands); /* a new turn */
    }
}

static void an_older_one_is_replaced(void **state)
{
    struct setting *setting = *state;
    prepare(setting);
    answer(setting, SW_REDIS_INTEGER, NULL, sw_redis_library_version - 1);
    begins(sent(setting), REPLACE);
    assert_false(prepared(setting));
    answer(setting, SW_REDIS_BULK, "spillway", 0);
    assert_true(prepared(setting));
    assert_int_equal(setting->commands.library.state, SW_REDIS_LIBRARY_GOOD);
}

static void an_absent_one_is_loaded_and_never_over_another(void **state)
{
    struct setting *setting = *state;
    prepare(setting);
    answer(setting, SW_REDIS_ERROR, not_found, 0);
    const char *text = sent(setting);
    begins(text, LOAD);
    assert_non_null(strstr(text, "#!lua name=spillway\n"));
    /* Another node was faster. */
    answer(setting, SW_REDIS_ERROR, "ERR Library 'spillway' already exists", 0);
    begins(sent(setting), VERSION);
    answer(setting, SW_REDIS_INTEGER, NULL, sw_redis_library_version);
    assert_true(prepared(setting));
    assert_string_equal(sent(setting), "");
}

static void a_foreign_one_of_this_name_is_given_up(void **state)
{
    struct setting *setting = *state;
    prepare(setting);
    for (int i = 0; i < 3; i++) {
        answer(setting, SW_REDIS_ERROR, not_found, 0);
        begins(sent(setting), LOAD);
        answer(setting, SW_REDIS_ERROR, "ERR Library 'spillway' already exists", 0);
        if (i < 2) {
            begins(sent(setting), VERSION);
        }
    }
    assert_true(prepared(setting));
    assert_string_equal(sent(setting), "");
    assert_int_equal(setting->commands.library.state, SW_REDIS_LIBRARY_REFUSED);
}

static void a_server_without_functions_refuses_histories_alone(void **state)
{
    struct setting *setting = *state;
    prepare(setting);
    answer(setting, SW_REDIS_ERROR, "ERR unknown command `FCALL`, with args beginning with: ", 0);
    assert_true(prepared(setting));
    publish(setting, "h.a", "");
    begins(sent(setting), "*9\r\n$5\r\nFCALL\r\n$16\r\nspillway_publish\r\n$1\r\n1\r\n$5\r\np:h.a");
    answer(setting, SW_REDIS_ERROR, "ERR unknown command `FCALL`, with args beginning with: ", 0);
    publish(setting, "a", "");
    answer(setting, SW_REDIS_INTEGER, NULL, 1);
    assert_string_equal(fake_said(&setting->exchange),
                        "published h.a unsupported\npublished a ok\n");
}

static void a_replica_ends_the_link(void **state)
{
    struct setting *setting = *state;
    sw_redis_commands_prepare(&setting->commands, 0);
    answer(setting, SW_REDIS_BULK, "role:slave\r\nmaster_host:x\r\n", 0);
    assert_non_null(setting->commands.fault);
    sw_redis_commands_lost(&setting->commands, 0);
    assert_null(setting->commands.fault);
}

static void without_the_right_to_load_an_older_one_serves(void **state)
{
    struct setting *setting = *state;
    prepare(setting);
    answer(setting, SW_REDIS_INTEGER, NULL, 0);
    (void)sent(setting);
    answer(setting, SW_REDIS_ERROR, "NOPERM this user ... 'function|load' command", 0);
    assert_true(prepared(setting));
    publish(setting, "h.a", "");
    answer(setting, SW_REDIS_BULK, "Qx7:1", 0);
    assert_string_equal(fake_said(&setting->exchange), "published h.a ok at 1\n");
}

static void without_the_command_to_load_no_right_is_asked_for(void **state)
{
    struct setting *setting = *state;
    prepare(setting);
    answer(setting, SW_REDIS_ERROR, not_found, 0);
    (void)sent(setting);
    answer(setting, SW_REDIS_ERROR, "ERR unknown command 'FUNCTION'", 0);
    assert_true(prepared(setting));
    assert_non_null(strstr(setting->commands.library.said, "fix=\"the command FUNCTION"));
}

static void a_call_carries_the_rule_the_key_and_the_id(void **state)
{
    struct setting *setting = *state;
    sw_redis_commands_publish(&setting->commands, fake_publish_once("h.a", "k1", "i1", "x"), 0);
    assert_string_equal(sent(setting),
                        "*13\r\n$5\r\nFCALL\r\n$16\r\nspillway_publish\r\n$1\r\n1\r\n"
                        "$5\r\np:h.a\r\n$1\r\nx\r\n$2\r\nID\r\n$2\r\ni1\r\n$3\r\nKEY\r\n$2\r\nk1"
                        "\r\n$4\r\nSIZE\r\n$2\r\n10\r\n$3\r\nTTL\r\n$5\r\n60000\r\n");
    publish(setting, "other", "i1");
    assert_string_equal(sent(setting),
                        "*9\r\n$5\r\nFCALL\r\n$16\r\nspillway_publish\r\n$1\r\n1\r\n"
                        "$7\r\np:other\r\n$1\r\nx\r\n$2\r\nID\r\n$2\r\ni1\r\n$4\r\nSIZE\r\n$1\r\n0"
                        "\r\n");
    struct sw_publish *notice = fake_publish("h.a", "", "x");
    notice->notice = true;
    sw_redis_commands_publish(&setting->commands, notice, 0);
    begins(sent(setting), "*3\r\n$7\r\nPUBLISH\r\n");
    answer(setting, SW_REDIS_BULK, "Qx7:41", 0);
    assert_int_equal(setting->exchange.position.offset, 41);
    assert_memory_equal(setting->exchange.position.epoch.text, "Qx7", 3);
    answer(setting, SW_REDIS_BULK, NULL, 0);
    answer(setting, SW_REDIS_INTEGER, NULL, 2);
    assert_string_equal(fake_said(&setting->exchange),
                        "published h.a ok at 41\npublished other ok\npublished h.a ok\n");
}

/* h.1 and h.2 find it gone; h.3 comes while it is loaded, before the answer to h.2. */
static void what_did_not_find_it_is_asked_again_in_order(void **state)
{
    struct setting *setting = *state;
    publish(setting, "h.1", "");
    publish(setting, "h.2", "");
    publish(setting, "a", "");
    (void)sent(setting);
    answer(setting, SW_REDIS_ERROR, not_found, 0);
    publish(setting, "h.3", "");
    publish(setting, "b", ""); /* needs no function, waits for none */
    const char *text = sent(setting);
    begins(text, LOAD);
    assert_non_null(strstr(text, "PUBLISH\r\n$3\r\np:b"));
    assert_null(strstr(text, "p:h.3"));
    answer(setting, SW_REDIS_ERROR, not_found, 0);
    answer(setting, SW_REDIS_INTEGER, NULL, 0);
    assert_string_equal(sent(setting), "");
    answer(setting, SW_REDIS_BULK, "spillway", 0);
    text = sent(setting);
    const char *places[] = {strstr(text, "p:h.1"), strstr(text, "p:h.2"), strstr(text, "p:h.3")};
    assert_true(places[0] && places[0] < places[1] && places[1] < places[2]);
    answer(setting, SW_REDIS_INTEGER, NULL, 0);
    answer(setting, SW_REDIS_BULK, "Q:1", 0);
    answer(setting, SW_REDIS_ERROR, not_found, 0); /* asked twice is enough */
    answer(setting, SW_REDIS_BULK, "Q:2", 0);
    assert_string_equal(fake_said(&setting->exchange),
                        "published a ok\npublished b ok\npublished h.1 ok at 1\n"
                        "published h.2 unsupported\npublished h.3 ok at 2\n");
}

static void what_cannot_be_loaded_is_not_tried_with_every_publish(void **state)
{
    struct setting *setting = *state;
    publish(setting, "h.1", "");
    (void)sent(setting);
    answer(setting, SW_REDIS_ERROR, not_found, 0);
    begins(sent(setting), LOAD);
    answer(setting, SW_REDIS_ERROR, "NOPERM this user ... 'function|load' command", 0);
    answer(setting, SW_REDIS_ERROR, not_found, 0); /* it is asked all the same */
    (void)sent(setting);
    setting->now_ms = 999;
    publish(setting, "h.2", "");
    (void)sent(setting);
    answer(setting, SW_REDIS_ERROR, not_found, 0);
    assert_string_equal(sent(setting), "");
    setting->now_ms = 1000;
    publish(setting, "h.3", "");
    (void)sent(setting);
    answer(setting, SW_REDIS_ERROR, not_found, 0);
    begins(sent(setting), LOAD);
    assert_string_equal(fake_said(&setting->exchange),
                        "published h.1 unsupported\npublished h.2 unsupported\n");
}

static void try_again_is_tried_again_three_times_in_all(void **state)
{
    struct setting *setting = *state;
    publish(setting, "h.1", "");
    for (int i = 0; i < 3; i++) {
        begins(sent(setting), "*9\r\n$5\r\nFCALL");
        answer(setting, SW_REDIS_ERROR, "TRYAGAIN spillway: x", 0);
    }
    assert_string_equal(sent(setting), "");
    assert_string_equal(fake_said(&setting->exchange), "published h.1 bus_unavailable\n");
}

static void errors_of_a_call_are_told_apart(void **state)
{
    struct setting *setting = *state;
    static const char *const table[][2] = {
        {"NOPERM spillway: the user lacks +xadd on key {p:h.a}:h", "forbidden"},
        {"OOM command not allowed when used memory > 'maxmemory'.", "overloaded"},
        {"WRONGTYPE spillway: {p:h.a}:m is no hash", "internal"},
        {"ERR spillway: {p:h.a}:m is damaged", "internal"},
        {"READONLY You can't write against a read only replica.", "bus_unavailable"},
        {"BUSY Redis is busy running a script.", "bus_unavailable"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(table); i++) {
        char wanted[64];
        publish(setting, "h.a", "");
        answer(setting, SW_REDIS_ERROR, table[i][0], 0);
        snprintf(wanted, sizeof(wanted), "published h.a %s\n", table[i][1]);
        assert_string_equal(fake_said(&setting->exchange), wanted);
    }
    assert_non_null(setting->commands.fault); /* READONLY: it has become a replica */
}

static void only_what_has_an_id_is_kept_over_a_lost_link(void **state)
{
    struct setting *setting = *state;
    publish(setting, "h.1", "");
    publish(setting, "h.2", "one");
    setting->now_ms = 100;
    publish(setting, "a", "two");
    (void)sent(setting);
    publish(setting, "h.3", "three"); /* has not left */
    sw_redis_commands_lost(&setting->commands, setting->begin);
    assert_string_equal(fake_said(&setting->exchange), "published h.1 bus_unavailable unknown\n");
    sw_buf_clear(&setting->out);
    setting->begin = 0;
    sw_redis_commands_look(&setting->commands, 4999);
    assert_string_equal(fake_said(&setting->exchange), "");
    sw_redis_commands_look(&setting->commands, 5000); /* h.2 has had its 5 s */
    assert_string_equal(fake_said(&setting->exchange), "published h.2 bus_unavailable unknown\n");
    sw_redis_commands_up(&setting->commands, 5050);
    const char *text = sent(setting);
    const char *second = strstr(text, "p:h.3");
    begins(text, "*9\r\n$5\r\nFCALL\r\n$16\r\nspillway_publish\r\n$1\r\n1\r\n$3\r\np:a");
    assert_non_null(second);
    answer(setting, SW_REDIS_BULK, NULL, 0);
    sw_redis_commands_lost(&setting->commands, 0);
    sw_redis_commands_look(&setting->commands, 5100); /* never left, either time */
    assert_string_equal(fake_said(&setting->exchange),
                        "published a ok\npublished h.3 bus_unavailable\n");
}

static void what_waits_for_the_function_survives_a_lost_link_by_its_id_alone(void **state)
{
    struct setting *setting = *state;
    publish(setting, "h.1", "one");
    answer(setting, SW_REDIS_ERROR, not_found, 0);
    publish(setting, "h.2", "");
    publish(setting, "h.3", "three");
    sw_redis_commands_lost(&setting->commands, UINT64_MAX);
    assert_string_equal(fake_said(&setting->exchange), "published h.2 bus_unavailable\n");
    (void)sent(setting);
    sw_redis_commands_up(&setting->commands, 0);
    const char *text = sent(setting);
    const char *first = strstr(text, "p:h.1");
    assert_true(first && first < strstr(text, "p:h.3"));
}

/* ---- reads ---- */

struct reader {
    struct sw_history_read read;
    struct sw_exchange *exchange;
};

static void on_done(void *context, struct sw_history_read *read)
{
    static const char *const words[] = {"done", "away", "failed"};
    struct reader *reader = context;
    sw_buf_printf(&reader->exchange->said, "%.*s %s %s\n", SW_SLICE_ARG(read->topic),
                  words[read->outcome],
                  read->outcome == SW_READ_FAILED ? sw_error_row(read->error)->code : "-");
}

static void on_value(void *context, struct sw_value_read *read, struct sw_slice value)
{
    struct sw_exchange *exchange = context;
    (void)read;
    sw_buf_printf(&exchange->said, "value %.*s\n", value.data ? (int)value.size : 4,
                  value.data ? value.data : "none");
}

static void ask(struct setting *setting, struct reader *reader, const char *topic, uint32_t limit)
{
    *reader = (struct reader){.exchange = &setting->exchange};
    reader->read = (struct sw_history_read){.topic = sw_slice_of(topic),
                                            .limit = limit,
                                            .oldest = true,
                                            .done = on_done,
                                            .context = reader};
    sw_redis_commands_read(&setting->commands, &reader->read, setting->now_ms);
}

static void a_refused_transaction_names_its_first_error(void **state)
{
    struct setting *setting = *state;
    struct reader readers[2];
    ask(setting, &readers[0], "h.1", 10);
    ask(setting, &readers[1], "h.2", 10);
    answer(setting, SW_REDIS_STATUS, "OK", 0);
    answer(setting, SW_REDIS_STATUS, "QUEUED", 0);
    answer(setting, SW_REDIS_STATUS, "QUEUED", 0);
    answer(setting, SW_REDIS_ERROR, "NOPERM this user ... 'xrange' command", 0);
    answer(setting, SW_REDIS_ERROR, "NOPERM this user ... 'xrange' command", 0);
    answer(setting, SW_REDIS_ERROR, "EXECABORT Transaction discarded", 0);
    assert_string_equal(fake_said(&setting->exchange), "h.1 failed forbidden\n");
    assert_string_equal(setting->commands.read_said, "NOPERM this user ... 'xrange' command");
    assert_int_equal(setting->exchange.counters.bus_read_errors_total, 1);
    /* Without +multi each command is run by itself. */
    answer(setting, SW_REDIS_ERROR, "NOPERM this user ... 'multi' command", 0);
    answer(setting, SW_REDIS_ARRAY, NULL, 0);
    answer(setting, SW_REDIS_BULK, "role:master", 0);
    answer(setting, SW_REDIS_ARRAY, NULL, 0);
    answer(setting, SW_REDIS_ARRAY, NULL, 0);
    answer(setting, SW_REDIS_ERROR, "ERR EXEC without MULTI", 0);
    assert_string_equal(fake_said(&setting->exchange), "h.2 failed forbidden\n");
    assert_string_equal(setting->commands.read_said, "NOPERM this user ... 'multi' command");
}

static void a_lost_link_answers_reads_at_the_turns_end_in_order(void **state)
{
    struct setting *setting = *state;
    struct reader readers[3];
    struct sw_value_read value = {
        .key = SW_SLICE("k"), .done = on_value, .context = &setting->exchange};
    ask(setting, &readers[0], "h.1", 10);
    ask(setting, &readers[1], "h.2", 0);
    sw_redis_commands_get(&setting->commands, &value, 0);
    sw_redis_commands_lost(&setting->commands, 0);
    sw_redis_commands_refuse_read(&setting->commands, &readers[2].read, SW_READ_AWAY,
                                  SW_ERROR_NONE);
    readers[2].exchange = &setting->exchange;
    readers[2].read =
        (struct sw_history_read){.topic = SW_SLICE("h.3"), .done = on_done, .context = &readers[2]};
    readers[2].read.outcome = SW_READ_AWAY;
    assert_string_equal(fake_said(&setting->exchange), "");
    assert_false(sw_redis_commands_settle(&setting->commands));
    assert_string_equal(fake_said(&setting->exchange),
                        "h.1 away -\nh.2 away -\nh.3 away -\nvalue none\n");
}

static void a_sweep_asks_once_a_turn_for_the_role(void **state)
{
    struct setting *setting = *state;
    struct reader readers[3];
    ask(setting, &readers[0], "h.1", 0);
    ask(setting, &readers[1], "h.2", 0);
    const char *text = sent(setting);
    const char *info = strstr(text, "INFO");
    assert_true(info && info < strstr(text, "h.1") && !strstr(info + 1, "INFO"));
    (void)sw_redis_commands_settle(&setting->commands);
    ask(setting, &readers[2], "h.3", 0);
    assert_non_null(strstr(sent(setting), "INFO"));
    answer(setting, SW_REDIS_BULK, "role:slave\r\n", 0);
    assert_non_null(setting->commands.fault);
    sw_redis_commands_lost(&setting->commands, 0);
    (void)sw_redis_commands_settle(&setting->commands);
}

static void what_is_refused_beside_reads_is_said_as_theirs_and_once(void **state)
{
    struct setting *setting = *state;
    struct reader readers[2];
    ask(setting, &readers[0], "h.1", 0);
    answer(setting, SW_REDIS_ERROR, "NOPERM this user ... 'info' command", 0);
    assert_string_equal(setting->commands.read_said, "NOPERM this user ... 'info' command");
    answer(setting, SW_REDIS_ERROR, "LOADING", 0);
    ask(setting, &readers[1], "h.2", 0);
    answer(setting, SW_REDIS_ERROR, "LOADING", 0);
    sw_redis_asked(&setting->commands, SW_REDIS_ASK_SETTING, NULL, 2, 0, 5000);
    answer(setting, SW_REDIS_ERROR, "NOPERM this user ... 'hset' command", 0);
    assert_string_equal(setting->commands.read_said, "LOADING");
    answer(setting, SW_REDIS_ERROR, "NOPERM this user ... 'expire' command", 0);
    assert_string_equal(setting->commands.read_said, "NOPERM this user ... 'hset' command");
    assert_string_equal(setting->commands.publish_said, "");
    assert_int_equal(setting->exchange.counters.bus_read_errors_total, 2); /* the reads alone */
    assert_string_equal(fake_said(&setting->exchange), "h.1 away -\nh.2 away -\n");
}

static void what_is_too_large_fails_and_is_not_asked_again(void **state)
{
    struct setting *setting = *state;
    struct reader reader;
    struct sw_value_read value = {
        .key = SW_SLICE("k"), .done = on_value, .context = &setting->exchange};
    ask(setting, &reader, "h.1", 10);
    sw_redis_commands_too_large(&setting->commands, 0);
    sw_redis_commands_get(&setting->commands, &value, 0);
    sw_redis_commands_too_large(&setting->commands, 0);
    publish(setting, "h.1", "");
    sw_redis_commands_too_large(&setting->commands, 0); /* no read: the link's end is enough */
    assert_string_equal(fake_said(&setting->exchange), "h.1 failed internal\nvalue none\n");
    assert_int_equal(setting->exchange.counters.bus_read_errors_total, 2);
}

static void without_functions_reads_fail_at_the_turns_end(void **state)
{
    struct setting *setting = *state;
    struct reader reader;
    prepare(setting);
    answer(setting, SW_REDIS_ERROR, "ERR unknown command 'FCALL'", 0);
    ask(setting, &reader, "h.1", 10);
    assert_string_equal(fake_said(&setting->exchange), "");
    (void)sw_redis_commands_settle(&setting->commands);
    assert_string_equal(fake_said(&setting->exchange), "h.1 failed unsupported\n");
    assert_int_equal(setting->exchange.counters.bus_read_errors_total, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_histories_nothing_is_asked),
        TEST(one_as_new_or_newer_is_left),
        TEST(an_older_one_is_replaced),
        TEST(an_absent_one_is_loaded_and_never_over_another),
        TEST(a_foreign_one_of_this_name_is_given_up),
        TEST(a_server_without_functions_refuses_histories_alone),
        TEST(a_replica_ends_the_link),
        TEST(without_the_right_to_load_an_older_one_serves),
        TEST(without_the_command_to_load_no_right_is_asked_for),
        TEST(a_call_carries_the_rule_the_key_and_the_id),
        TEST(what_did_not_find_it_is_asked_again_in_order),
        TEST(what_cannot_be_loaded_is_not_tried_with_every_publish),
        TEST(try_again_is_tried_again_three_times_in_all),
        TEST(errors_of_a_call_are_told_apart),
        TEST(only_what_has_an_id_is_kept_over_a_lost_link),
        TEST(what_waits_for_the_function_survives_a_lost_link_by_its_id_alone),
        TEST(a_refused_transaction_names_its_first_error),
        TEST(a_lost_link_answers_reads_at_the_turns_end_in_order),
        TEST(a_sweep_asks_once_a_turn_for_the_role),
        TEST(what_is_refused_beside_reads_is_said_as_theirs_and_once),
        TEST(what_is_too_large_fails_and_is_not_asked_again),
        TEST(without_functions_reads_fail_at_the_turns_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
