// SPDX-License-Identifier: Apache-2.0
/* Who a server is, from its answers: good ones, refused ones, and such as no Redis gives. */
#include "bus/redis/server.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define REFUSED "NOPERM this user has no permissions to run the 'xrange' command"

struct setting {
    struct sw_redis_server server;
    struct sw_redis_fifo fifo;
    struct sw_buf out;
};

static const char *ask(struct setting *setting, bool history)
{
    setting->out.size = 0;
    sw_redis_server_ask(&setting->server, &setting->fifo, &setting->out, SW_SLICE("p:"), history,
                        1000);
    return sw_buf_text(&setting->out);
}

/* Answers the oldest question. */
static void answer(struct setting *setting, enum sw_redis_event_kind kind, const char *text)
{
    struct sw_redis_waiting waiting = sw_redis_fifo_pop(&setting->fifo);
    assert_int_equal(waiting.ask, SW_REDIS_ASK_SERVER);
    assert_int_equal(waiting.answers, 1);
    struct sw_redis_event event = {.kind = kind, .text = sw_slice_of(text)};
    sw_redis_server_answer(&setting->server, waiting.number, &event);
}

static int set_up(void **state)
{
    *state = sw_zalloc(sizeof(struct setting));
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    assert_int_equal(setting->fifo.count, 0);
    sw_redis_fifo_deinit(&setting->fifo);
    sw_buf_deinit(&setting->out);
    sw_free(setting);
    return 0;
}

static void without_histories_it_asks_for_info_alone(void **state)
{
    struct setting *setting = *state;
    assert_string_equal(ask(setting, false), "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n");
    answer(setting, SW_REDIS_BULK, "# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\n");
    assert_string_equal(setting->server.said,
                        "version=\"7.0.15\" mode=\"cluster\" user=\"default\"");
}

static void who_may_not_ask_is_told_nothing_where_nothing_needs_it(void **state)
{
    struct setting *setting = *state;
    setting->server.user = "gate";
    (void)ask(setting, false);
    answer(setting, SW_REDIS_ERROR, "NOPERM this user has no permissions to run 'info'");
    assert_string_equal(setting->server.said, "version=\"unknown\" mode=\"unknown\" user=\"gate\"");
}

static void what_is_refused_is_named(void **state)
{
    struct setting *setting = *state;
    const char *sent = ask(setting, true);
    assert_non_null(strstr(sent, "*6\r\n$6\r\nXRANGE\r\n$11\r\n{p:$node}:m\r\n$1\r\n-\r\n"));
    answer(setting, SW_REDIS_STATUS, "OK");
    answer(setting, SW_REDIS_ARRAY, "");
    answer(setting, SW_REDIS_ARRAY, "");
    answer(setting, SW_REDIS_ERROR, REFUSED);
    answer(setting, SW_REDIS_INTEGER, "");
    answer(setting, SW_REDIS_ERROR, "NOPERM another one");
    assert_non_null(strstr(setting->server.said, " missing=\"+xrange +info\" why=\"NOPERM this"));

    (void)ask(setting, true); /* they have been given meanwhile */
    for (unsigned i = 0; i < 5; i++) {
        answer(setting, SW_REDIS_INTEGER, "");
    }
    answer(setting, SW_REDIS_BULK, "redis_version:7.2.0");
    assert_string_equal(setting->server.said,
                        "version=\"7.2.0\" mode=\"unknown\" user=\"default\"");
}

static void another_error_says_nothing_of_rights(void **state)
{
    struct setting *setting = *state;
    (void)ask(setting, true);
    for (unsigned i = 0; i < 6; i++) {
        answer(setting, SW_REDIS_ERROR, "ERR unknown command");
    }
    assert_null(strstr(setting->server.said, "missing"));
}

static void strange_answers_fit(void **state)
{
    struct setting *setting = *state;
    char longest[400];
    memset(longest, '"', sizeof(longest));
    longest[sizeof(longest) - 1] = 0;
    memcpy(longest, "redis_version:", 14);
    static const char *const answers[] = {"", "\n", "redis_version:", "redis_version:\n\n\r",
                                          "\r\nredis_mode:\x01\"x"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(answers); i++) {
        (void)ask(setting, false);
        answer(setting, SW_REDIS_BULK, answers[i]);
        assert_non_null(strstr(setting->server.said, "user=\"default\""));
    }
    setting->server.user = longest;
    (void)ask(setting, true);
    for (unsigned i = 0; i < 5; i++) {
        char error[400];
        memset(error, 'x', sizeof(error));
        memcpy(error, "NOPERM ", 7);
        error[sizeof(error) - 1] = 0;
        answer(setting, SW_REDIS_ERROR, error);
    }
    answer(setting, SW_REDIS_BULK, longest);
    const char *said = setting->server.said;
    assert_int_equal(said[strlen(said) - 1], '"');
    assert_non_null(strstr(said, " fix=\""));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_histories_it_asks_for_info_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_may_not_ask_is_told_nothing_where_nothing_needs_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_refused_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_error_says_nothing_of_rights, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strange_answers_fit, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
