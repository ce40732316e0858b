// SPDX-License-Identifier: Apache-2.0
/* What is wanted against a scripted server: commands are taken from the buffer, run when the test
 * says so, and their answers are fed in pieces. */
#include "bus/redis/interest.h"

#include "common/random.h"
#include "fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NAMES     24
#define ARGUMENTS 512

struct server {
    struct sw_buf input;       /* commands that were not run yet */
    struct sw_buf output;      /* answers that were not fed yet */
    bool subscribed[NAMES];    /* as the server has it */
    unsigned in_flight[NAMES]; /* (un)subscribes whose answer was not fed yet */
    struct sw_ring sent;       /* the same by command: a bit for each name */
};

struct setting {
    struct sw_exchange exchange;
    struct sw_redis_interests interests;
    struct sw_redis_reader reader;
    struct sw_buf out;
    struct server server;
    unsigned commands; /* that were run */
    bool stray;
};

static struct setting *the; /* for on_acked */

/* ---- the server ---- */

/* Of "c7" and "p7*": 7. The last two names are forbidden. */
static unsigned index_of(struct sw_slice name)
{
    unsigned index = 0;
    for (size_t i = 1; i < name.size && name.data[i] >= '0' && name.data[i] <= '9'; i++) {
        index = index * 10 + (unsigned)(name.data[i] - '0');
    }
    return index;
}

static bool is_forbidden(struct sw_slice name)
{
    return (name.data[0] == 'c' || name.data[0] == 'p') && index_of(name) >= NAMES - 2;
}

/* Takes the first command off the input. Returns how many arguments it has; 0: none is there. */
static size_t next_command(struct server *server, struct sw_slice *arguments, size_t *size)
{
    const char *at = server->input.data;
    const char *end = at + server->input.size;
    if (at == end) {
        return 0;
    }
    assert_int_equal(*at, '*');
    char *next;
    size_t count = strtoul(at + 1, &next, 10);
    assert_true(count > 0 && count <= ARGUMENTS);
    at = next + 2;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(*at, '$');
        size_t bytes = strtoul(at + 1, &next, 10);
        arguments[i] = sw_slice(next + 2, bytes);
        at = next + 2 + bytes + 2;
        assert_true(at <= end && at[-1] == '\n');
    }
    *size = (size_t)(at - server->input.data);
    return count;
}

static void run_subscription(struct server *server, const struct sw_slice *arguments, size_t count)
{
    struct sw_slice verb = arguments[0];
    bool on = !sw_slice_equal(verb, SW_SLICE("UNSUBSCRIBE")) &&
              !sw_slice_equal(verb, SW_SLICE("PUNSUBSCRIBE"));
    for (size_t i = 1; i < count && on; i++) {
        if (is_forbidden(arguments[i])) {
            sw_buf_printf(&server->output, "-NOPERM No permissions to access a channel\r\n");
            return;
        }
    }
    for (size_t i = 1; i < count; i++) {
        if (index_of(arguments[i]) < NAMES) {
            server->subscribed[index_of(arguments[i])] = on;
        }
        sw_buf_printf(&server->output, "*3\r\n$%zu\r\n", verb.size);
        for (size_t c = 0; c < verb.size; c++) {
            sw_buf_append_byte(&server->output, (char)(verb.data[c] + 'a' - 'A'));
        }
        sw_buf_printf(&server->output, "\r\n$%zu\r\n%.*s\r\n:1\r\n", arguments[i].size,
                      SW_SLICE_ARG(arguments[i]));
    }
}

/* Runs up to `count` commands. False: there was none. */
static bool run(struct setting *setting, unsigned count)
{
    struct server *server = &setting->server;
    struct sw_slice arguments[ARGUMENTS];
    size_t size;
    bool some = false;
    for (unsigned n = 0; n < count; n++) {
        size_t have = next_command(server, arguments, &size);
        if (have == 0) {
            break;
        }
        if (sw_slice_equal(arguments[0], SW_SLICE("PING"))) {
            sw_buf_printf(&server->output, "*2\r\n$4\r\npong\r\n$%zu\r\n%.*s\r\n",
                          arguments[1].size, SW_SLICE_ARG(arguments[1]));
        } else {
            run_subscription(server, arguments, have);
        }
        setting->commands++;
        sw_buf_consume(&server->input, size);
        some = true;
    }
    return some;
}

/* A command was written: its names wait for their answers. */
static void note_sent(struct server *server, const struct sw_slice *arguments, size_t count)
{
    uintptr_t names = 0;
    for (size_t i = 1; i < count; i++) {
        unsigned index = index_of(arguments[i]);
        if (index < NAMES) {
            server->in_flight[index]++;
            names |= (uintptr_t)1 << index;
        }
    }
    if (names) {
        sw_ring_push(&server->sent, (void *)names);
    }
}

/* The oldest command was answered for `names` of its names. */
static void note_answered(struct server *server, uintptr_t names)
{
    uintptr_t waiting = (uintptr_t)sw_ring_first(&server->sent);
    names &= waiting;
    for (unsigned i = 0; i < NAMES; i++) {
        server->in_flight[i] -= (names >> i & 1) != 0;
    }
    if (waiting) {
        server->sent.items[server->sent.head] = (void *)(waiting & ~names);
        if (waiting == names) {
            (void)sw_ring_pop(&server->sent);
        }
    }
}

/* Moves what the gateway wrote to the server. */
static void write_out(struct setting *setting)
{
    struct sw_slice arguments[ARGUMENTS];
    struct server view = {0};
    size_t size = 0;
    sw_redis_interests_write(&setting->interests, &setting->out);
    view.input = setting->out;
    for (size_t count; (count = next_command(&view, arguments, &size)) > 0;) {
        note_sent(&setting->server, arguments, count);
        view.input.data += size;
        view.input.size -= size;
    }
    sw_buf_append_slice(&setting->server.input, sw_buf_slice(&setting->out));
    sw_buf_clear(&setting->out);
}

/* ---- the gateway's side ---- */

static void on_event(void *owner, const struct sw_redis_event *event)
{
    struct setting *setting = owner;
    enum sw_redis_answer answer;
    if (event->kind == SW_REDIS_ERROR) {
        note_answered(&setting->server, UINTPTR_MAX);
        answer = sw_redis_interests_error(&setting->interests, event->text);
    } else {
        if (event->channel.data && index_of(event->channel) < NAMES) {
            note_answered(&setting->server, (uintptr_t)1 << index_of(event->channel));
        }
        answer = sw_redis_interests_answer(&setting->interests, event);
    }
    setting->stray = setting->stray || answer == SW_REDIS_ANSWER_STRAY;
}

static void feed(struct setting *setting, size_t most)
{
    struct sw_buf *output = &setting->server.output;
    size_t size = output->size < most ? output->size : most;
    if (size > 0) {
        assert_true(sw_redis_reader_feed(&setting->reader, output->data, size));
        sw_buf_consume(output, size);
    }
}

static void exchange_all(struct setting *setting)
{
    do {
        write_out(setting);
        (void)run(setting, 1);
        feed(setting, SIZE_MAX);
    } while (setting->server.input.size > 0 || setting->interests.unanswered > 0 ||
             setting->interests.queue.count > 0);
}

static struct sw_interest *want(struct setting *setting, const char *wire, bool pattern)
{
    struct sw_interest *interest = fake_want(&setting->exchange, wire, pattern);
    sw_redis_interests_subscribe(&setting->interests, interest);
    return interest;
}

static void drop(struct setting *setting, struct sw_interest *interest)
{
    sw_redis_interests_unsubscribe(&setting->interests, interest);
    fake_forget(interest);
}

static int set_up(void **state)
{
    struct setting *setting = sw_zalloc(sizeof(*setting));
    fake_init(&setting->exchange, "");
    sw_redis_interests_init(&setting->interests, &setting->exchange);
    sw_redis_reader_init(&setting->reader, 1024, on_event, setting);
    sw_redis_interests_up(&setting->interests);
    the = setting;
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    assert_false(setting->stray);
    sw_redis_interests_deinit(&setting->interests);
    sw_redis_reader_deinit(&setting->reader);
    sw_buf_deinit(&setting->out);
    sw_buf_deinit(&setting->server.input);
    sw_buf_deinit(&setting->server.output);
    sw_ring_deinit(&setting->server.sent);
    fake_deinit(&setting->exchange);
    sw_free(setting);
    return 0;
}

/* ---- tests ---- */

static void channels_go_in_batches_of_500_and_at_most_4000_are_unanswered(void **state)
{
    struct setting *setting = *state;
    char wire[16];
    for (int i = 0; i < 10000; i++) {
        snprintf(wire, sizeof(wire), "x%d", i + 100);
        want(setting, wire, false);
    }
    write_out(setting);
    assert_int_equal(setting->interests.unanswered, SW_REDIS_WINDOW);
    assert_true(run(setting, 100));
    assert_int_equal(setting->commands, 8);
    feed(setting, 2000);
    write_out(setting);
    assert_int_equal(setting->interests.unanswered, SW_REDIS_WINDOW);
    exchange_all(setting);
    assert_int_equal(setting->exchange.acks, 10000);
}

static void who_comes_back_is_acked_by_its_own_subscribe_only(void **state)
{
    struct setting *setting = *state;
    struct sw_interest *first = want(setting, "c1", false);
    write_out(setting);
    drop(setting, first);
    write_out(setting);
    struct sw_interest *second = want(setting, "c1", false);
    write_out(setting);
    assert_true(run(setting, 1));
    feed(setting, SIZE_MAX);
    assert_false(second->acked);
    assert_true(run(setting, 1));
    feed(setting, SIZE_MAX);
    assert_false(second->acked);
    assert_true(run(setting, 1));
    feed(setting, SIZE_MAX);
    assert_true(second->acked);
    assert_string_equal(fake_said(&setting->exchange), "acked c1\n");
    assert_true(setting->server.subscribed[1]);
}

static void who_is_asked_for_twice_is_acked_by_the_last_answer(void **state)
{
    struct setting *setting = *state;
    struct sw_interest *interest = want(setting, "c1", false);
    write_out(setting);
    sw_redis_interests_subscribe(&setting->interests, interest);
    write_out(setting);
    assert_true(run(setting, 1));
    feed(setting, SIZE_MAX);
    assert_false(interest->acked);
    exchange_all(setting);
    assert_string_equal(fake_said(&setting->exchange), "acked c1\n");
}

static void who_leaves_before_it_was_sent_costs_nothing(void **state)
{
    struct setting *setting = *state;
    drop(setting, want(setting, "c1", false));
    want(setting, "c2", false);
    write_out(setting);
    assert_string_equal(sw_buf_text(&setting->server.input),
                        "*2\r\n$9\r\nSUBSCRIBE\r\n$2\r\nc2\r\n");
    exchange_all(setting);
}

static void who_leaves_is_unsubscribed_though_its_interest_is_freed(void **state)
{
    struct setting *setting = *state;
    struct sw_interest *pattern = want(setting, "p1*", true);
    exchange_all(setting);
    assert_true(setting->server.subscribed[1]);
    drop(setting, pattern);
    write_out(setting);
    assert_string_equal(sw_buf_text(&setting->server.input),
                        "*2\r\n$12\r\nPUNSUBSCRIBE\r\n$3\r\np1*\r\n");
    exchange_all(setting);
    assert_false(setting->server.subscribed[1]);
    assert_true(sw_list_empty(&setting->interests.marks));
}

static void one_that_is_forbidden_is_found_among_its_batch(void **state)
{
    struct setting *setting = *state;
    want(setting, "c1", false);
    want(setting, "c22", false);
    struct sw_interest *leaves = want(setting, "c2", false);
    want(setting, "p23*", true);
    write_out(setting);
    drop(setting, leaves); /* while the command that names it is refused */
    exchange_all(setting);
    assert_string_equal(fake_said(&setting->exchange),
                        "refused p23* forbidden\nacked c1\nrefused c22 forbidden\n");
    assert_false(setting->server.subscribed[2]);
    want(setting, "c3", false); /* no longer alone: goes on as before */
    want(setting, "c4", false);
    setting->commands = 0;
    exchange_all(setting);
    assert_int_equal(setting->commands, 1);
}

static void a_ping_keeps_its_place_among_the_commands(void **state)
{
    struct setting *setting = *state;
    want(setting, "c1", false);
    write_out(setting);
    sw_redis_interests_ping(&setting->interests, &setting->server.input, SW_SLICE("123"));
    want(setting, "c23", false);
    write_out(setting);
    exchange_all(setting);
    assert_string_equal(fake_said(&setting->exchange), "acked c1\nrefused c23 forbidden\n");
}

static void answers_that_do_not_fit_are_stray(void **state)
{
    struct setting *setting = *state;
    struct sw_redis_event event = {.kind = SW_REDIS_SUBSCRIBED, .channel = SW_SLICE("c1")};
    assert_int_equal(sw_redis_interests_answer(&setting->interests, &event), SW_REDIS_ANSWER_STRAY);
    assert_int_equal(sw_redis_interests_error(&setting->interests, SW_SLICE("ERR")),
                     SW_REDIS_ANSWER_STRAY);
    want(setting, "c1", false);
    write_out(setting);
    event.channel = SW_SLICE("c2");
    assert_int_equal(sw_redis_interests_answer(&setting->interests, &event), SW_REDIS_ANSWER_STRAY);
    event.channel = sw_slice(NULL, 0);
    assert_int_equal(sw_redis_interests_answer(&setting->interests, &event), SW_REDIS_ANSWER_STRAY);
    event = (struct sw_redis_event){.kind = SW_REDIS_PONG};
    assert_int_equal(sw_redis_interests_answer(&setting->interests, &event), SW_REDIS_ANSWER_STRAY);
    exchange_all(setting);
    assert_string_equal(fake_said(&setting->exchange), "acked c1\n");
}

static void a_new_link_asks_for_everything_again(void **state)
{
    struct setting *setting = *state;
    struct sw_interest *leaves = want(setting, "c1", false);
    want(setting, "c2", false);
    exchange_all(setting);
    want(setting, "c3", false);
    write_out(setting); /* is never answered */
    sw_redis_interests_down(&setting->interests);
    sw_exchange_down(&setting->exchange, "");
    sw_buf_clear(&setting->server.input);
    drop(setting, leaves);
    want(setting, "p4*", true); /* nothing happens yet */
    write_out(setting);
    assert_int_equal(setting->server.input.size, 0);
    (void)fake_said(&setting->exchange);
    sw_redis_interests_up(&setting->interests);
    exchange_all(setting);
    assert_string_equal(fake_said(&setting->exchange), "acked c2\nacked c3\nacked p4*\n");
}

static void a_channel_with_too_large_messages_is_left_out_for_a_while(void **state)
{
    struct setting *setting = *state;
    want(setting, "c1.x", false);
    want(setting, "c1.*", true);
    want(setting, "c2.x", false);
    want(setting, "c*", true); /* its glob covers c1.x, its meaning does not */
    exchange_all(setting);
    (void)fake_said(&setting->exchange);
    sw_redis_interests_leave_out(&setting->interests, SW_SLICE("c1.x"), 1000);
    assert_string_equal(fake_said(&setting->exchange), "too_large c1.x\ntoo_large c1.*\n");
    sw_redis_interests_down(&setting->interests);
    sw_exchange_down(&setting->exchange, "");
    sw_redis_interests_up(&setting->interests);
    exchange_all(setting);
    assert_string_equal(fake_said(&setting->exchange), "down\nacked c2.x\n");
    drop(setting, want(setting, "c1.?", true));
    sw_redis_interests_look(&setting->interests, 999);
    exchange_all(setting);
    assert_string_equal(fake_said(&setting->exchange), "");
    sw_redis_interests_look(&setting->interests, 1000);
    exchange_all(setting);
    assert_string_equal(fake_said(&setting->exchange), "acked c1.x\nacked c1.*\nacked c*\n");
}

static void globs_cover_what_redis_says(void **state)
{
    struct setting *setting = *state;
    static const struct {
        const char *glob;
        const char *channel;
        bool covers;
    } table[] = {
        {"a.*", "a.b", true},
        {"a.*", "a.", true},
        {"a.*", "a", false},
        {"a.*.c", "a.b.c", true},
        {"a.*.c", "a.b.c.c", true},
        {"a.*.c", "a.b.d", false},
        {"a\\*", "a*", true},
        {"a\\*", "ab", false},
        {"a\\\\*", "a\\b", true},
        {"a\\?b", "a?b", true},
        {"a\\?b", "axb", false},
        {"a?b", "axb", true},
        {"a?b", "ab", false},
        {"a\\[x\\]", "a[x]", true},
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"**", "abc", true},
        {"*a*b*c", "xxaxxbxxc", true},
        {"*a*b*c", "xxaxxc", false},
        {"a\\", "a\\", true},
        {"a.[^.]*", "a.b", true},
        {"a.[^.]*", "a.", false},
        {"a.[^.]*.c", "a.b.d.c", true},
        {"a.[^.]*", "a..b", false},
        {"a\\[^.]", "a[^.]", true},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(table); i++) {
        struct sw_interest *interest = fake_want(&setting->exchange, table[i].glob, true);
        struct sw_slice channel = sw_slice_of(table[i].channel);
        sw_redis_interests_leave_out(&setting->interests, channel, 1);
        sw_redis_interests_subscribe(&setting->interests, interest);
        if ((interest->backend == NULL) != table[i].covers) {
            fail_msg("%s and %s", table[i].glob, table[i].channel);
        }
        drop(setting, interest);
        sw_redis_interests_look(&setting->interests, 1);
    }
}

/* Whatever happens in whatever order: an ack is told only when nothing about its channel is under
 * way any more and the server has it; at rest, the server has what is wanted and nothing else. */

static void check_acked(struct sw_interest *interest)
{
    unsigned i = index_of(sw_interest_wire(interest));
    assert_int_equal(the->server.in_flight[i], 0);
    assert_true(the->server.subscribed[i]);
}

static void name_of(char *wire, size_t size, unsigned i)
{
    snprintf(wire, size, i % 3 == 2 ? "p%u*" : "c%u", i);
}

/* A forbidden one is freed when it is refused, so it is looked up each time. */
static struct sw_interest *find(struct setting *setting, unsigned i)
{
    char wire[16];
    name_of(wire, sizeof(wire), i);
    return sw_exchange_find(&setting->exchange, sw_slice_of(wire), i % 3 == 2);
}

static void act(struct setting *setting, struct sw_random *random)
{
    unsigned i = (unsigned)sw_random_below(random, NAMES);
    char wire[16];
    switch (sw_random_below(random, 8)) {
    case 0:
    case 1:
    case 2:
        if (find(setting, i)) {
            drop(setting, find(setting, i));
        } else {
            name_of(wire, sizeof(wire), i);
            want(setting, wire, i % 3 == 2);
        }
        break;
    case 3:
    case 4:
        write_out(setting);
        break;
    case 5:
        (void)run(setting, 1 + (unsigned)sw_random_below(random, 3));
        break;
    case 6:
        feed(setting, sw_random_below(random, 120));
        break;
    default:
        if (sw_random_below(random, 10) == 0) {
            sw_redis_interests_ping(&setting->interests, &setting->server.input, SW_SLICE("1"));
        }
        break;
    }
}

static void reconnect(struct setting *setting)
{
    sw_redis_interests_down(&setting->interests);
    sw_exchange_down(&setting->exchange, "");
    sw_buf_clear(&setting->server.input);
    sw_buf_clear(&setting->server.output);
    memset(setting->server.subscribed, 0, sizeof(setting->server.subscribed));
    memset(setting->server.in_flight, 0, sizeof(setting->server.in_flight));
    while (sw_ring_pop(&setting->server.sent)) {
    }
    sw_redis_reader_reset(&setting->reader);
    sw_redis_interests_up(&setting->interests);
}

static void check_rest(struct setting *setting)
{
    assert_true(sw_list_empty(&setting->interests.marks)); /* what is quiet costs nothing */
    for (unsigned i = 0; i < NAMES; i++) {
        struct sw_interest *interest = find(setting, i);
        assert_int_equal(interest != NULL, setting->server.subscribed[i]);
        assert_true(!interest || interest->acked);
        assert_int_equal(setting->server.in_flight[i], 0);
        assert_false(interest && is_forbidden(sw_interest_wire(interest)));
    }
    assert_false(setting->stray);
}

static void acks_and_the_server_agree_whatever_happens(void **state)
{
    struct setting *setting = *state;
    struct sw_random random = {.state = 20260101};
    setting->exchange.on_acked = check_acked;
    for (int round = 0; round < 400; round++) {
        for (int n = 0; n < 150; n++) {
            act(setting, &random);
        }
        if (round % 5 == 4) {
            reconnect(setting);
        }
        exchange_all(setting);
        check_rest(setting);
        setting->exchange.said.size = 0;
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(channels_go_in_batches_of_500_and_at_most_4000_are_unanswered),
        TEST(who_comes_back_is_acked_by_its_own_subscribe_only),
        TEST(who_is_asked_for_twice_is_acked_by_the_last_answer),
        TEST(who_leaves_before_it_was_sent_costs_nothing),
        TEST(who_leaves_is_unsubscribed_though_its_interest_is_freed),
        TEST(one_that_is_forbidden_is_found_among_its_batch),
        TEST(a_ping_keeps_its_place_among_the_commands),
        TEST(answers_that_do_not_fit_are_stray),
        TEST(a_new_link_asks_for_everything_again),
        TEST(a_channel_with_too_large_messages_is_left_out_for_a_while),
        TEST(globs_cover_what_redis_says),
        TEST(acks_and_the_server_agree_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
