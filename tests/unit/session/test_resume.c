// SPDX-License-Identifier: Apache-2.0
/* Subscriptions that bring a position, or ask for the newest: two sessions over socket pairs, and a
 * bus of the test's own, which only notes what it is asked; what it answers is said by the test.
 * What a client hears are lines: "> a reply", "< a push". */
#include "../common/unit.h"

#include "common/mem.h"
#include "protocol/encode.h"
#include "session/internal.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE "\n> %.*s"
#include "lines.h"

/* ---- the bus: "join a", "leave a", "ask a 0", "check a 1" ---- */

static struct sw_buf asked;

static void note(const char *what, struct sw_slice name)
{
    sw_buf_printf(&asked, "%s%s %.*s", asked.size ? "; " : "", what, SW_SLICE_ARG(name));
}

void sw_bus_join(struct sw_bus *bus, uint32_t worker, uint32_t tape, uint32_t generation,
                 struct sw_slice name, bool pattern)
{
    (void)bus, (void)worker, (void)tape, (void)generation, (void)pattern;
    note("join", name);
}

void sw_bus_leave(struct sw_bus *bus, uint32_t worker, uint32_t tape, uint32_t generation,
                  struct sw_slice name, bool pattern)
{
    (void)bus, (void)worker, (void)tape, (void)generation, (void)pattern;
    note("leave", name);
}

void sw_bus_ask(struct sw_bus *bus, uint32_t worker, uint32_t tape, uint32_t generation,
                struct sw_slice name, uint64_t run)
{
    (void)bus, (void)worker, (void)tape, (void)generation;
    note("ask", name);
    sw_buf_printf(&asked, " %llu", (unsigned long long)run);
}

void sw_bus_check(struct sw_bus *bus, uint32_t worker, uint32_t tape, uint32_t generation,
                  struct sw_slice name, uint32_t number)
{
    (void)bus, (void)worker, (void)tape, (void)generation;
    note("check", name);
    sw_buf_printf(&asked, " %u", number);
}

void sw_bus_publish(struct sw_bus *bus, struct sw_inbox *from, struct sw_publish *publish)
{
    (void)bus, (void)from, (void)publish;
    fail();
}

struct sw_publish *sw_publish_create(struct sw_slice topic, struct sw_slice key,
                                     struct sw_slice idempotency, struct sw_slice payload)
{
    (void)topic, (void)key, (void)idempotency, (void)payload;
    return NULL;
}

void sw_publish_destroy(struct sw_publish *publish)
{
    (void)publish;
    fail();
}

void sw_bus_return(struct sw_bus *bus, struct sw_batch *batch)
{
    (void)bus, (void)batch;
}

/* What it was asked since the last time. */
#define assert_asked(expected)                                                                     \
    do {                                                                                           \
        assert_string_equal(sw_buf_text(&asked), expected);                                        \
        sw_buf_clear(&asked);                                                                      \
    } while (0)

/* ---- the world ---- */

#define CLIENTS 2

struct world {
    struct sw_rules rules;
    struct sw_loop *loop;
    struct sw_turn turn;
    struct sw_counters counters;
    struct sw_sessions sessions;
    struct sw_encoding encoding;
    struct sw_session *list[CLIENTS];
    int peers[CLIENTS];
    struct sw_buf heard;
};

static size_t head_size(size_t size)
{
    (void)size;
    return 3;
}

static char *write_head(void *context, const struct sw_push *push, size_t size, char *out)
{
    (void)context, (void)push, (void)size;
    return mempcpy(out, "\n< ", 3);
}

static struct sw_slice frame_text(struct sw_slice frame)
{
    return sw_slice(frame.data + 3, frame.size - 3);
}

static const struct sw_framing framing = {
    .name = "test", .head_size = head_size, .write_head = write_head, .text = frame_text};

static void on_turn(void *owner)
{
    struct world *world = owner;
    sw_sessions_turn(&world->sessions);
    sw_loop_stop(world->loop);
}

static void turns(struct world *world)
{
    for (unsigned i = 0; i < 4; i++) {
        sw_loop_run(world->loop);
    }
}

/* What the client has heard since the last time. */
static const char *hears(struct world *world, unsigned client)
{
    turns(world);
    sw_buf_clear(&world->heard);
    ssize_t n = read(world->peers[client], sw_buf_reserve(&world->heard, 65536), 65536);
    world->heard.size += n > 0 ? (size_t)n : 0;
    return sw_buf_text(&world->heard);
}

static int setup(void **state)
{
    struct world *world = sw_zalloc(sizeof(*world));
    world->loop = sw_loop_create();
    world->encoding = (struct sw_encoding){.language = &sw_native_language, .framing = &framing};
    sw_rules_init(&world->rules);
    sw_rules_settle(&world->rules, '.', 262144);
    sw_sessions_init(&world->sessions,
                     &(struct sw_sessions_config){.max_sessions = CLIENTS,
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
                     world->loop, NULL, NULL, &world->encoding, &world->counters);
    world->turn = (struct sw_turn){.run = on_turn, .owner = world};
    sw_loop_add_turn(world->loop, &world->turn);
    for (unsigned i = 0; i < CLIENTS; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                         0);
        world->peers[i] = fds[1];
        world->list[i] = sw_session_create(&world->sessions);
        assert_int_equal(sw_conn_open(&world->list[i]->conn, world->loop, fds[0], &events), 0);
        sw_session_open(world->list[i], &transport, &(struct sw_arrival){0});
        (void)hears(world, i);
    }
    sw_buf_clear(&asked);
    *state = world;
    return 0;
}

static void hang_up(struct world *world, unsigned client)
{
    if (world->list[client]) {
        sw_session_lost(world->list[client]);
        world->list[client] = NULL;
    }
    turns(world);
}

static int teardown(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < CLIENTS; i++) {
        hang_up(world, i);
        close(world->peers[i]);
    }
    assert_int_equal(sw_counter_read(&world->counters.subscriptions), 0);
    assert_int_equal(sw_counter_read(&world->counters.tapes), 0);
    assert_int_equal(sw_counter_read(&world->counters.block_bytes), 0);
    sw_buf_deinit(&world->heard);
    sw_buf_deinit(&asked);
    sw_sessions_deinit(&world->sessions);
    sw_loop_destroy(&world->loop);
    sw_free(world);
    return 0;
}

static void say(struct world *world, unsigned client, const char *text)
{
    sw_session_receive(world->list[client], sw_slice_of(text));
}

/* ---- what the bus says ---- */

static struct sw_tape *tape_of(struct world *world, const char *topic)
{
    struct sw_tape *tape = sw_tape_find(&world->sessions.fanout, 0, sw_slice_of(topic), false);
    assert_non_null(tape);
    return tape;
}

static void deliver(struct world *world, const struct sw_tape *tape, struct sw_entry entry)
{
    struct sw_batch *batch = sw_zalloc(sizeof(*batch) + sizeof(entry));
    entry.tape = tape->id;
    entry.generation = tape->generation;
    batch->post.kind = SW_POST_BATCH;
    batch->count = 1;
    batch->entries[0] = entry;
    sw_sessions_on_post(&world->sessions, &batch->post);
    sw_free(batch);
}

static void plain_join(struct world *world, const char *topic)
{
    deliver(world, tape_of(world, topic), (struct sw_entry){.kind = SW_ENTRY_STATE});
}

/* "Qx7:44": the epoch, and what is newest. */
static void state(struct world *world, const char *topic, const char *top, bool joined,
                  uint32_t check)
{
    struct sw_position position;
    assert_true(sw_position_parse(sw_slice_of(top), &position));
    struct sw_topic_state said = {.refs = 1,
                                  .joined = joined,
                                  .history = true,
                                  .lineage = {.epoch = position.epoch},
                                  .top = position.offset,
                                  .check = check};
    deliver(world, tape_of(world, topic),
            (struct sw_entry){.kind = SW_ENTRY_STATE, .state = &said});
}

static struct sw_message *message(const char *topic, uint64_t offset)
{
    char payload[32];
    snprintf(payload, sizeof(payload), "%llu", (unsigned long long)offset);
    return sw_message_create(sw_slice_of(topic), sw_slice("", 0), sw_slice_of(payload), 0, 0);
}

static void publish(struct world *world, const char *topic, uint64_t offset)
{
    struct sw_message *said = message(topic, offset);
    deliver(world, tape_of(world, topic),
            (struct sw_entry){.kind = SW_ENTRY_MESSAGE, .message = said, .offset = offset});
    sw_message_unref(said);
}

/* Of the first run, what is kept of it: `first` to `to`. */
static void run(struct world *world, const char *topic, uint64_t first, uint64_t to)
{
    struct sw_run *said = sw_zalloc(sizeof(*said) + 64 * sizeof(said->frames[0]));
    said->refs = 1;
    said->to = to;
    for (uint64_t offset = first; offset <= to; offset++) {
        said->frames[said->count].offset = offset;
        said->frames[said->count++].message = message(topic, offset);
    }
    deliver(world, tape_of(world, topic), (struct sw_entry){.kind = SW_ENTRY_RUN, .run = said});
    for (uint32_t i = 0; i < said->count; i++) {
        sw_message_unref(said->frames[i].message);
    }
    sw_free(said);
}

#define SUBSCRIBED "\n> {\"type\":\"subscribed\",\"id\":1,\"done\":true,\"subs\":["
#define SOME       "\n> {\"type\":\"subscribed\",\"id\":1,\"subs\":["
#define SUB_FROM_41                                                                                \
    "{\"type\":\"subscribe\",\"id\":1,\"subs\":[{\"topic\":\"a\","                                 \
    "\"from\":{\"epoch\":\"Qx7\",\"offset\":41}}]}"
#define MSG(offset)                                                                                \
    "\n< {\"type\":\"msg\",\"topic\":\"a\",\"offset\":" #offset ",\"data\":" #offset "}"

/* ---- tests ---- */

static void who_is_at_the_newest_resumes_at_once(void **state_)
{
    struct world *world = *state_;
    say(world, 0, SUB_FROM_41);
    assert_asked("join a");
    assert_string_equal(hears(world, 0), "");
    state(world, "a", "Qx7:41", true, 0);
    assert_string_equal(hears(world, 0),
                        SUBSCRIBED "{\"topic\":\"a\",\"epoch\":\"Qx7\",\"offset\":41,"
                                   "\"resumed\":true,\"replay\":0}]}");
    publish(world, "a", 42);
    assert_string_equal(hears(world, 0), MSG(42));
    assert_asked("");
}

static void what_is_missing_is_asked_for_and_comes_behind_the_answer(void **state_)
{
    struct world *world = *state_;
    say(world, 0, SUB_FROM_41);
    state(world, "a", "Qx7:43", true, 0);
    assert_asked("join a; ask a 0");
    assert_string_equal(hears(world, 0), "");
    publish(world, "a", 44);
    assert_string_equal(hears(world, 0), "");
    run(world, "a", 1, 43);
    assert_string_equal(hears(world, 0),
                        SUBSCRIBED "{\"topic\":\"a\",\"epoch\":\"Qx7\",\"offset\":44,"
                                   "\"resumed\":true,\"replay\":3}]}" MSG(42) MSG(43));
    assert_asked("ask a 0"); /* nobody held what came meanwhile */
    run(world, "a", 1, 44);
    assert_string_equal(hears(world, 0), MSG(44));
    publish(world, "a", 45);
    assert_string_equal(hears(world, 0), MSG(45));
}

static void the_newest_are_asked_for_and_counted(void **state_)
{
    struct world *world = *state_;
    say(world, 0, "{\"type\":\"subscribe\",\"id\":1,\"subs\":[{\"topic\":\"a\",\"last\":2}]}");
    state(world, "a", "Qx7:43", true, 0);
    assert_asked("join a; ask a 0");
    run(world, "a", 1, 43);
    assert_string_equal(hears(world, 0),
                        SUBSCRIBED "{\"topic\":\"a\",\"epoch\":\"Qx7\","
                                   "\"offset\":43,\"replay\":2}]}" MSG(42) MSG(43));
}

static void what_is_gone_is_not_resumed(void **state_)
{
    struct world *world = *state_;
    say(world, 0, SUB_FROM_41);
    state(world, "a", "Qx7:44", true, 0);
    run(world, "a", 43, 44);
    assert_string_equal(hears(world, 0),
                        SUBSCRIBED "{\"topic\":\"a\",\"epoch\":\"Qx7\",\"offset\":44,"
                                   "\"resumed\":false,\"why\":\"trimmed\"}]}");
    publish(world, "a", 45);
    assert_string_equal(hears(world, 0), MSG(45));
}

static void a_strange_epoch_is_looked_for_once_more(void **state_)
{
    struct world *world = *state_;
    say(world, 0, SUB_FROM_41);
    state(world, "a", "Rk3:44", true, 0);
    assert_asked("join a; check a 1");
    state(world, "a", "Rk3:44", false, 0); /* begun before it was asked */
    assert_asked("");
    assert_string_equal(hears(world, 0), "");
    state(world, "a", "Rk3:44", false, 1);
    assert_string_equal(hears(world, 0),
                        SUBSCRIBED "{\"topic\":\"a\",\"epoch\":\"Rk3\",\"offset\":44,"
                                   "\"resumed\":false,\"why\":\"epoch\"}]}");
}

static void plain_topics_say_what_they_cannot(void **state_)
{
    struct world *world = *state_;
    say(world, 0,
        "{\"type\":\"subscribe\",\"id\":1,\"subs\":[{\"topic\":\"a\",\"from\":{\"epoch\":\"0\","
        "\"offset\":0}},{\"topic\":\"b\",\"last\":3},{\"topic\":\"c\"}]}");
    plain_join(world, "a");
    plain_join(world, "b");
    plain_join(world, "c");
    assert_string_equal(hears(world, 0),
                        SUBSCRIBED "{\"topic\":\"a\",\"recoverable\":false,\"resumed\":false,"
                                   "\"why\":\"no_history\"},"
                                   "{\"topic\":\"b\",\"recoverable\":false,\"replay\":0},"
                                   "{\"topic\":\"c\",\"recoverable\":false}]}");
}

static void a_mode_that_leaves_out_is_not_resumed(void **state_)
{
    struct world *world = *state_;
    say(world, 0,
        "{\"type\":\"subscribe\",\"id\":1,\"subs\":[{\"topic\":\"a\",\"mode\":\"latest\","
        "\"from\":{\"epoch\":\"Qx7\",\"offset\":41}}]}");
    state(world, "a", "Qx7:44", true, 0);
    assert_string_equal(hears(world, 0),
                        SUBSCRIBED "{\"topic\":\"a\",\"epoch\":\"Qx7\",\"offset\":44,"
                                   "\"resumed\":false,\"why\":\"mode\"}]}");
    assert_asked("join a");
}

static void what_is_ready_is_answered_first(void **state_)
{
    struct world *world = *state_;
    say(world, 0,
        "{\"type\":\"subscribe\",\"id\":1,\"subs\":[{\"topic\":\"a\",\"from\":{\"epoch\":\"Qx7\","
        "\"offset\":41}},{\"topic\":\"b\"}]}");
    state(world, "a", "Qx7:42", true, 0);
    plain_join(world, "b");
    assert_string_equal(hears(world, 0), SOME "{\"topic\":\"b\",\"recoverable\":false}]}");
    run(world, "a", 42, 42);
    assert_string_equal(hears(world, 0),
                        SUBSCRIBED "{\"topic\":\"a\",\"epoch\":\"Qx7\",\"offset\":42,"
                                   "\"resumed\":true,\"replay\":1}]}" MSG(42));
}

static void subscribing_again_is_answered_with_what_was_reached(void **state_)
{
    struct world *world = *state_;
    say(world, 0, "{\"type\":\"subscribe\",\"id\":1,\"topic\":\"a\"}");
    state(world, "a", "Qx7:41", true, 0);
    publish(world, "a", 42);
    assert_string_equal(hears(world, 0),
                        SUBSCRIBED "{\"topic\":\"a\",\"epoch\":\"Qx7\",\"offset\":41}]}" MSG(42));
    say(world, 0, "{\"type\":\"subscribe\",\"id\":1,\"topic\":\"a\",\"mode\":\"latest\"}");
    assert_string_equal(hears(world, 0),
                        SUBSCRIBED "{\"topic\":\"a\",\"epoch\":\"Qx7\",\"offset\":42}]}");
    say(world, 0, SUB_FROM_41);
    assert_non_null(
        strstr(hears(world, 0), "{\"topic\":\"a\",\"error\":{\"code\":\"bad_request\""));
    publish(world, "a", 43);
    assert_string_equal(hears(world, 0), MSG(43));
    assert_asked("join a");
}

static void subscribing_again_meanwhile_waits_for_its_turn(void **state_)
{
    struct world *world = *state_;
    say(world, 0, SUB_FROM_41);
    state(world, "a", "Qx7:43", true, 0);
    say(world, 0, "{\"type\":\"subscribe\",\"id\":2,\"topic\":\"a\"}");
    say(world, 0,
        "{\"type\":\"subscribe\",\"id\":3,\"subs\":[{\"topic\":\"a\",\"last\":1},"
        "{\"topic\":\"a\"}]}");
    assert_string_equal(hears(world, 0), "");
    run(world, "a", 1, 43);
    const char *heard = hears(world, 0);
    const char *first = strstr(heard, "\"resumed\":true,\"replay\":2}");
    const char *second = strstr(heard, "\"id\":2,\"done\":true,\"subs\":[{\"topic\":\"a\","
                                       "\"epoch\":\"Qx7\",\"offset\":41}]}");
    const char *third = strstr(heard, "\"id\":3,\"done\":true,\"subs\":[{\"topic\":\"a\","
                                      "\"error\":{\"code\":\"bad_request\"");
    const char *data = strstr(heard, MSG(42) MSG(43));
    assert_true(first && first < second && second < third && third < data);
    assert_asked("join a; ask a 0");
}

/* The request's time is over. */
static void run_out(struct world *world, unsigned client, uint64_t id)
{
    struct sw_request *request = world->list[client]->requests;
    while (request && request->id != id) {
        request = request->next;
    }
    assert_non_null(request);
    assert_true(sw_timer_running(&request->timer));
    sw_loop_timer_stop(world->loop, &request->timer);
    request->timer.fire(&request->timer);
}

static void who_waits_too_long_is_told_to_come_back(void **state_)
{
    struct world *world = *state_;
    say(world, 0, SUB_FROM_41);
    state(world, "a", "Qx7:43", true, 0);
    assert_asked("join a; ask a 0");
    run_out(world, 0, 1);
    assert_asked("leave a");
    const char *heard = hears(world, 0);
    assert_non_null(strstr(heard, "\"code\":\"bus_unavailable\""));
    assert_non_null(strstr(heard, "\"retry\":true,\"retry_ms\":"));
}

static void the_next_does_not_wait_for_what_was_given_up(void **state_)
{
    struct world *world = *state_;
    say(world, 0, SUB_FROM_41);
    state(world, "a", "Qx7:43", true, 0);
    say(world, 0, "{\"type\":\"subscribe\",\"id\":2,\"topic\":\"a\"}");
    say(world, 0, "{\"type\":\"subscribe\",\"id\":3,\"topic\":\"a\"}");
    run_out(world, 0, 1);
    const char *heard = hears(world, 0);
    const char *first = strstr(heard, "\"code\":\"bus_unavailable\"");
    const char *second = strstr(heard, "\"id\":2,\"done\":true,\"subs\":[{\"topic\":\"a\","
                                       "\"epoch\":\"Qx7\",\"offset\":43}]}");
    const char *third = strstr(heard, "\"id\":3,\"done\":true");
    assert_true(first && first < second && second < third);
    assert_asked("join a; ask a 0");
}

static void a_wait_for_history_can_be_cancelled(void **state_)
{
    struct world *world = *state_;
    say(world, 0, SUB_FROM_41);
    say(world, 1, SUB_FROM_41);
    state(world, "a", "Qx7:43", true, 0);
    say(world, 0, "{\"type\":\"unsubscribe\",\"id\":2,\"topic\":\"a\"}");
    const char *heard = hears(world, 0);
    const char *cancelled = strstr(heard, "{\"topic\":\"a\",\"error\":{\"code\":\"cancelled\"");
    const char *gone = strstr(heard, "{\"type\":\"unsubscribed\",\"id\":2,\"topics\":[\"a\"]}");
    assert_true(cancelled && cancelled < gone);
    assert_asked("join a; ask a 0");
    run(world, "a", 1, 43);
    assert_string_equal(hears(world, 0), "");
    assert_non_null(strstr(hears(world, 1), "\"resumed\":true,\"replay\":2}"));
    say(world, 1, "{\"type\":\"unsubscribe\",\"id\":2,\"topic\":\"a\"}");
    assert_asked("leave a");
}

static void a_session_may_end_while_it_waits_for_history(void **state_)
{
    struct world *world = *state_;
    say(world, 0, SUB_FROM_41);
    state(world, "a", "Rk3:43", true, 0);
    assert_asked("join a; check a 1");
    hang_up(world, 0);
    assert_asked("leave a");
}

static void waits_for_history_count_as_subscriptions(void **state_)
{
    struct world *world = *state_;
    char text[160];
    char topic[16];
    for (unsigned i = 0; i < SW_SESSION_TOPICS; i++) {
        snprintf(topic, sizeof(topic), "t.%u", i);
        snprintf(text, sizeof(text),
                 "{\"type\":\"subscribe\",\"id\":1,\"subs\":[{\"topic\":\"%s\","
                 "\"from\":{\"epoch\":\"Qx7\",\"offset\":41}}]}",
                 topic);
        say(world, 0, text);
        state(world, topic, "Qx7:43", true, 0);
    }
    assert_string_equal(hears(world, 0), "");
    sw_buf_clear(&asked);
    say(world, 0, "{\"type\":\"subscribe\",\"id\":2,\"topic\":\"one.more\"}");
    assert_non_null(strstr(hears(world, 0), "\"code\":\"too_many_topics\""));
    say(world, 0, "{\"type\":\"subscribe\",\"id\":2,\"topic\":\"t.7\"}");
    assert_non_null(strstr(hears(world, 0), "\"code\":\"too_many_topics\""));
    assert_asked("");
}

static void a_refused_topic_ends_every_wait(void **state_)
{
    struct world *world = *state_;
    say(world, 0, SUB_FROM_41);
    state(world, "a", "Qx7:43", true, 0);
    deliver(world, tape_of(world, "a"),
            (struct sw_entry){.kind = SW_ENTRY_REFUSED, .error = SW_ERROR_FORBIDDEN});
    assert_non_null(strstr(hears(world, 0), "{\"topic\":\"a\",\"error\":{\"code\":\"forbidden\""));
    assert_asked("join a; ask a 0");
}

static void a_state_from_before_the_join_is_none(void **state_)
{
    struct world *world = *state_;
    say(world, 0, SUB_FROM_41);
    state(world, "a", "Qx7:41", false, 0);
    assert_string_equal(hears(world, 0), "");
    state(world, "a", "Qx7:41", true, 0);
    assert_non_null(strstr(hears(world, 0), "\"resumed\":true,\"replay\":0}"));
}

/* Its position may be one of the new stream too, and would be resumed over what it never saw. */
static void who_leaves_in_the_turn_of_a_reset_hears_of_it(void **state_)
{
    struct world *world = *state_;
    say(world, 0, "{\"type\":\"subscribe\",\"id\":1,\"topic\":\"a\"}");
    state(world, "a", "Qx7:41", true, 0);
    (void)hears(world, 0);
    state(world, "a", "Zz1:30", false, 0);
    say(world, 0, "{\"type\":\"unsubscribe\",\"id\":2,\"topic\":\"a\"}");
    assert_string_equal(hears(world, 0),
                        "\n< {\"type\":\"reset\",\"topic\":\"a\",\"epoch\":\"Zz1\",\"offset\":30}"
                        "\n> {\"type\":\"unsubscribed\",\"id\":2,\"topics\":[\"a\"]}");
    assert_asked("join a; leave a");
}

static void an_epoch_that_is_not_drawn_is_0(void **state_)
{
    struct world *world = *state_;
    say(world, 0, "{\"type\":\"subscribe\",\"id\":1,\"topic\":\"a\"}");
    say(world, 1,
        "{\"type\":\"subscribe\",\"id\":1,\"subs\":[{\"topic\":\"a\",\"from\":{\"epoch\":\"0\","
        "\"offset\":0}}]}");
    state(world, "a", "0:0", true, 0);
    assert_string_equal(hears(world, 0),
                        SUBSCRIBED "{\"topic\":\"a\",\"epoch\":\"0\",\"offset\":0}]}");
    assert_string_equal(hears(world, 1), SUBSCRIBED "{\"topic\":\"a\",\"epoch\":\"0\",\"offset\":0,"
                                                    "\"resumed\":true,\"replay\":0}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_is_at_the_newest_resumes_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_missing_is_asked_for_and_comes_behind_the_answer,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_newest_are_asked_for_and_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_gone_is_not_resumed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_strange_epoch_is_looked_for_once_more, setup, teardown),
        cmocka_unit_test_setup_teardown(plain_topics_say_what_they_cannot, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mode_that_leaves_out_is_not_resumed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_ready_is_answered_first, setup, teardown),
        cmocka_unit_test_setup_teardown(subscribing_again_is_answered_with_what_was_reached, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(subscribing_again_meanwhile_waits_for_its_turn, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_waits_too_long_is_told_to_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(the_next_does_not_wait_for_what_was_given_up, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_wait_for_history_can_be_cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(a_session_may_end_while_it_waits_for_history, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(waits_for_history_count_as_subscriptions, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_topic_ends_every_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(a_state_from_before_the_join_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(who_leaves_in_the_turn_of_a_reset_hears_of_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_epoch_that_is_not_drawn_is_0, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
