// SPDX-License-Identifier: Apache-2.0
/* One session over a socket pair, with the embedded bus on the same loop and a transport whose
 * frames are lines: "> text", "> ping", "> close 1000 words". */
#include "../common/unit.h"

#include "common/mem.h"
#include "protocol/encode.h"
#include "session/internal.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE "> %.*s\n"
#include "lines.h"

struct world {
    struct sw_rules rules;
    struct sw_loop *loop;
    struct sw_turn turn;
    struct sw_counters counters;
    struct sw_bus *bus;
    struct sw_inbox inbox;
    struct sw_sessions sessions;
    struct sw_encoding encoding;
    struct sw_session *session;
    int peer;
    bool hang_up; /* the client's close frame comes behind the inbox, before the turn */
    struct sw_buf heard;
};

/* ---- the encoding ---- */

static size_t no_head(size_t size)
{
    (void)size;
    return 0;
}

static char *write_no_head(void *context, const struct sw_push *push, size_t size, char *out)
{
    (void)context, (void)push, (void)size;
    return out;
}

static const struct sw_framing framing = {
    .name = "test", .head_size = no_head, .write_head = write_no_head};

/* ---- the worker ---- */

static void on_post(void *role, struct sw_post *post)
{
    sw_sessions_on_post(&((struct world *)role)->sessions, post);
}

static void on_turn(void *owner)
{
    struct world *world = owner;
    sw_bus_turn(world->bus);
    (void)sw_inbox_drain(&world->inbox);
    if (world->hang_up) {
        world->hang_up = false;
        sw_session_close_heard(world->session, 1000);
    }
    sw_sessions_turn(&world->sessions);
    sw_bus_settle(world->bus);
    sw_loop_stop(world->loop);
}

static void on_free(void *owner)
{
    ((struct world *)owner)->session = NULL;
}

static void init(struct world *world)
{
    *world = (struct world){.loop = sw_loop_create(),
                            .encoding = {.language = &sw_native_language, .framing = &framing}};
    world->bus = sw_bus_create(world->loop,
                               &(struct sw_bus_config){.url = "memory",
                                                       .prefix = "",
                                                       .node = "n1",
                                                       .separator = '.',
                                                       .max_message_bytes = 262144},
                               &world->counters);
    assert_int_equal(sw_inbox_init(&world->inbox, world->loop, on_post, world), 0);
    sw_bus_add_worker(world->bus, &world->inbox);
    sw_rules_init(&world->rules);
    sw_rules_settle(&world->rules, '.', 262144);
    sw_sessions_init(&world->sessions,
                     &(struct sw_sessions_config){.max_sessions = 1,
                                                  .max_message_bytes = 262144,
                                                  .marks = {.low_bytes = 65536,
                                                            .high_bytes = 196608,
                                                            .high_messages = 1000,
                                                            .max_bytes = 1u << 20},
                                                  .rules = &world->rules,
                                                  .ping_ms = 25000,
                                                  .pong_ms = 10000,
                                                  .stall_ms = 120000,
                                                  .linger_ms = 3000,
                                                  .max_patterns = 256,
                                                  .pending_replies = 256,
                                                  .separator = '.',
                                                  .node = "n1"},
                     world->loop, world->bus, &world->inbox, &world->encoding, &world->counters);
    world->sessions.on_free = on_free;
    world->sessions.owner = world;
    world->turn = (struct sw_turn){.run = on_turn, .owner = world};
    sw_loop_add_turn(world->loop, &world->turn);
    sw_bus_start(world->bus);
}

static void turns(struct world *world)
{
    for (unsigned i = 0; i < 6; i++) {
        sw_loop_run(world->loop);
    }
}

static void enter(struct world *world)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    world->peer = fds[1];
    world->session = sw_session_create(&world->sessions);
    assert_non_null(world->session);
    assert_null(sw_session_create(&world->sessions));
    assert_int_equal(sw_conn_open(&world->session->conn, world->loop, fds[0], &events), 0);
    sw_session_open(world->session, &transport, &(struct sw_arrival){0});
}

static void deinit(struct world *world)
{
    if (world->session) {
        sw_session_lost(world->session);
    }
    turns(world);
    assert_null(world->session);
    assert_int_equal(sw_counter_read(&world->counters.subscriptions), 0);
    assert_int_equal(sw_counter_read(&world->counters.tapes), 0);
    assert_int_equal(sw_counter_read(&world->counters.block_bytes), 0);
    close(world->peer);
    sw_buf_deinit(&world->heard);
    sw_bus_stop(world->bus);
    turns(world);
    sw_sessions_deinit(&world->sessions);
    sw_inbox_deinit(&world->inbox);
    sw_bus_destroy(&world->bus);
    sw_loop_destroy(&world->loop);
}

static void say(struct world *world, const char *text)
{
    sw_session_receive(world->session, sw_slice_of(text));
}

static const char *heard(struct world *world)
{
    turns(world);
    sw_buf_clear(&world->heard);
    ssize_t n = read(world->peer, sw_buf_reserve(&world->heard, 65536), 65536);
    world->heard.size += n > 0 ? (size_t)n : 0;
    return sw_buf_text(&world->heard);
}

/* ---- tests ---- */

static void client_hears_welcome_and_what_it_subscribes_to(void **state)
{
    (void)state;
    struct world world;
    init(&world);
    enter(&world);
    assert_memory_equal(heard(&world), "> {\"type\":\"welcome\",\"session\":\"", 31);
    say(&world, "{\"type\":\"subscribe\",\"id\":1,\"subs\":[{\"topic\":\"a\"},{\"topic\":\".\"}]}");
    const char *text = heard(&world);
    assert_non_null(strstr(text, "{\"topic\":\"a\",\"recoverable\":false}"));
    assert_non_null(strstr(text, "{\"topic\":\".\",\"error\":{\"code\":\"bad_topic\""));
    assert_non_null(strstr(text, "\"done\":true"));
    assert_int_equal(sw_counter_read(&world.counters.subscriptions), 1);
    say(&world, "{\"type\":\"unsubscribe\",\"id\":2,\"topic\":\"a\"}");
    assert_string_equal(heard(&world),
                        "> {\"type\":\"unsubscribed\",\"id\":2,\"topics\":[\"a\"]}\n");
    assert_int_equal(sw_counter_read(&world.counters.subscriptions), 0);
    assert_int_equal(sw_counter_read(&world.counters.tapes), 0);
    say(&world, "{\"type\":\"ping\",\"id\":3}");
    assert_string_equal(heard(&world), "> {\"type\":\"pong\",\"id\":3}\n");
    deinit(&world);
}

static void nothing_stands_behind_the_close_frame(void **state)
{
    (void)state;
    struct world world;
    init(&world);
    enter(&world);
    (void)heard(&world);
    say(&world, "{\"type\":\"subscribe\",\"id\":1,\"topic\":\"a\"}");
    sw_bus_turn(world.bus); /* the answer waits in the inbox */
    sw_bus_settle(world.bus);
    world.hang_up = true;
    assert_string_equal(heard(&world), "> close 1000 \n");
    assert_null(world.session);
    assert_int_equal(sw_counter_read(&world.counters.closed_total[SW_REASON_CLIENT]), 1);
    deinit(&world);
}

static void server_closes_with_the_words_of_its_reason(void **state)
{
    (void)state;
    struct world world;
    init(&world);
    enter(&world);
    (void)heard(&world);
    sw_session_close(world.session, SW_REASON_SLOW);
    sw_session_close(world.session, SW_REASON_PROTOCOL); /* the first reason stays */
    assert_string_equal(heard(&world), "> close 4030 slow consumer\n");
    assert_non_null(world.session); /* until the peer's close frame, or linger_ms */
    sw_session_close_heard(world.session, 4030);
    assert_string_equal(heard(&world), "");
    assert_null(world.session);
    assert_int_equal(sw_counter_read(&world.counters.closed_total[SW_REASON_SLOW]), 1);
    deinit(&world);
}

static void too_many_bad_requests_end_the_session(void **state)
{
    (void)state;
    struct world world;
    init(&world);
    enter(&world);
    (void)heard(&world);
    for (unsigned i = 1; i < SW_BAD_REQUESTS; i++) {
        say(&world, "{");
        assert_non_null(strstr(heard(&world), "\"code\":\"bad_request\""));
    }
    say(&world, "{");
    assert_non_null(strstr(heard(&world), "> close 4500 too many bad requests\n"));
    deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_hears_welcome_and_what_it_subscribes_to),
        cmocka_unit_test(nothing_stands_behind_the_close_frame),
        cmocka_unit_test(server_closes_with_the_words_of_its_reason),
        cmocka_unit_test(too_many_bad_requests_end_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
