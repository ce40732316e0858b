// SPDX-License-Identifier: Apache-2.0
/* The sessions of one worker, without sockets and without turns: a test fills in their rows as it
 * likes, and gives the worker its reports. */
#ifndef SW_TESTS_SESSION_SESSIONS_WORLD_H
#define SW_TESTS_SESSION_SESSIONS_WORLD_H

#include "../common/unit.h"

#include "common/mem.h"
#include "protocol/encode.h"
#include "session/internal.h"
#include "session/report.h"

#include <stdio.h>
#include <sys/socket.h>

#define SLOTS 9000

struct world {
    struct sw_loop *loop;
    struct sw_counters counters;
    struct sw_bus *bus;
    struct sw_inbox inbox;
    struct sw_sessions sessions;
    struct sw_encoding encoding;
    struct sw_session *list[SLOTS];
    uint32_t count;
    struct sw_report *back;
    struct sw_buf closed; /* "7 4000 words", a line for each close frame */
};

static inline void say_close(struct sw_session *session, uint16_t code, struct sw_slice words)
{
    struct world *world = SW_CONTAINER_OF(session->all, struct world, sessions);
    sw_buf_printf(&world->closed, "%u %u %.*s\n", (unsigned)session->id, code, SW_SLICE_ARG(words));
}

static const struct sw_transport transport = {.name = "test",
                                              .open = SW_CONNECTION_WS_OPEN,
                                              .closing = SW_CONNECTION_WS_CLOSING,
                                              .close = say_close};

static inline size_t no_head(size_t size)
{
    (void)size;
    return 0;
}

static inline char *write_no_head(void *context, const struct sw_push *push, size_t size, char *out)
{
    (void)context, (void)push, (void)size;
    return out;
}

static const struct sw_framing framing = {
    .name = "test", .head_size = no_head, .write_head = write_no_head};

/* ---- the world ---- */

static inline void on_post(void *role, struct sw_post *post)
{
    (void)role;
    assert_int_equal(post->kind, SW_POST_REPORT);
    struct sw_report *report = SW_CONTAINER_OF(post, struct sw_report, post);
    report->done(report->context, report);
}

static inline int setup(void **state)
{
    struct world *world = sw_zalloc(sizeof(*world));
    world->loop = sw_loop_create();
    world->encoding = (struct sw_encoding){.language = &sw_native_language, .framing = &framing};
    world->bus = sw_bus_create(world->loop,
                               &(struct sw_bus_config){.url = "memory",
                                                       .prefix = "",
                                                       .node = "n1",
                                                       .separator = '.',
                                                       .max_message_bytes = 262144},
                               &world->counters);
    assert_int_equal(sw_inbox_init(&world->inbox, world->loop, on_post, world), 0);
    sw_bus_add_worker(world->bus, &world->inbox);
    sw_sessions_init(&world->sessions,
                     &(struct sw_sessions_config){.max_sessions = SLOTS,
                                                  .max_message_bytes = 262144,
                                                  .marks = {.low_bytes = 65536,
                                                            .high_bytes = 196608,
                                                            .high_messages = 1000,
                                                            .max_bytes = 1u << 20},
                                                  .max_patterns = 256,
                                                  .pending_replies = 256,
                                                  .separator = '.',
                                                  .node = "n1"},
                     world->loop, world->bus, &world->inbox, &world->encoding, &world->counters);
    *state = world;
    return 0;
}

static inline void on_linger(struct sw_timer *timer)
{
    (void)timer; /* no connection is there that could end */
}

/* One that is open, and known by its number. */
static inline struct sw_reader *enter(struct world *world)
{
    struct sw_session *session = sw_session_create(&world->sessions);
    assert_non_null(session);
    world->list[world->count] = session;
    session->transport = &transport;
    session->id = ++world->count;
    session->opened = sw_sessions_tick(&world->sessions);
    sw_timer_init(&session->timer, on_linger);
    struct sw_reader *reader = sw_session_reader(session);
    reader->list = &session->one;
    sw_session_enter(session, SW_OPEN);
    return reader;
}

static inline int teardown(void **state)
{
    struct world *world = *state;
    for (uint32_t i = 0; i < world->count; i++) {
        sw_session_unsubscribe_all(world->list[i]);
        if (world->list[i]->capacity) {
            sw_free(sw_session_reader(world->list[i])->list);
        }
        sw_loop_timer_stop(world->loop, &world->list[i]->timer);
        sw_session_free(world->list[i]);
    }
    sw_buf_deinit(&world->closed);
    sw_sessions_deinit(&world->sessions);
    sw_inbox_deinit(&world->inbox);
    sw_bus_destroy(&world->bus);
    sw_loop_destroy(&world->loop);
    sw_free(world);
    return 0;
}

static inline void keep(void *context, struct sw_report *report)
{
    ((struct world *)context)->back = report;
}

static inline struct sw_report *question(struct world *world, enum sw_report_kind kind,
                                         uint32_t limit)
{
    struct sw_report *report = sw_report_create(kind, limit);
    report->from = &world->inbox;
    report->done = keep;
    report->context = world;
    report->separator = '.';
    return report;
}

/* Turns until it is answered; returns how many. */
static inline unsigned answer(struct world *world, struct sw_report *report)
{
    unsigned turns = 1;
    world->back = NULL;
    sw_sessions_report(&world->sessions, report);
    while (sw_sessions_report_turn(&world->sessions)) {
        (void)sw_inbox_drain(&world->inbox);
        assert_null(world->back);
        turns++;
    }
    (void)sw_inbox_drain(&world->inbox);
    assert_ptr_equal(world->back, report);
    return turns;
}

static inline struct sw_tape *tape_of(struct world *world, const char *name, bool pattern)
{
    struct sw_fanout *fanout = &world->sessions.fanout;
    struct sw_tape *tape = sw_tape_find(fanout, 0, sw_slice_of(name), pattern);
    if (!tape) {
        tape = sw_tape_create(fanout, 0, sw_slice_of(name), pattern);
        tape->state = SW_TAPE_JOINED;
    }
    return tape;
}

/* The session reads the tape from now on. */
static inline void attach(struct sw_session *session, struct sw_tape *tape)
{
    struct sw_want want = {.choice = {.mode = SW_MODE_ALL}};
    struct sw_buf entries = {0};
    assert_true(sw_session_begin(session, tape, &want, &entries));
    sw_buf_deinit(&entries);
}

/* The loop's clock is read when it wakes up. */
struct pause {
    struct sw_timer timer;
    struct sw_loop *loop;
};

static inline void on_pause_over(struct sw_timer *timer)
{
    sw_loop_stop(SW_CONTAINER_OF(timer, struct pause, timer)->loop);
}

static inline void pass(struct world *world, uint64_t ms)
{
    struct pause pause = {.loop = world->loop};
    sw_timer_init(&pause.timer, on_pause_over);
    sw_loop_timer_start(world->loop, &pause.timer, ms);
    sw_loop_run(world->loop);
}

static inline void append(struct world *world, struct sw_tape *tape)
{
    struct sw_message *message =
        sw_message_create(sw_tape_name(tape), sw_slice("", 0), SW_SLICE("{}"), 0, 0);
    sw_tape_append(&world->sessions.fanout, tape, message, 0);
    sw_message_unref(message);
    sw_fanout_walk(&world->sessions.fanout);
    sw_fanout_turned(&world->sessions.fanout);
}

#endif
