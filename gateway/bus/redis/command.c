// SPDX-License-Identifier: Apache-2.0
#include "bus/redis/asking.h"

#include "bus/redis/link.h"
#include "common/mem.h"

/* ---- what the parts share ---- */

struct sw_slice sw_redis_prefix(const struct sw_redis_commands *commands)
{
    return sw_slice_of(sw_exchange_config(commands->exchange)->prefix);
}

void sw_redis_asked(struct sw_redis_commands *commands, enum sw_redis_ask ask, void *subject,
                    uint8_t answers, uint8_t tries, uint64_t deadline_ms)
{
    sw_redis_fifo_push(&commands->fifo, (struct sw_redis_waiting){
                                            .subject = subject,
                                            .end = *commands->begin + commands->out->size,
                                            .deadline_ms = deadline_ms,
                                            .ask = (uint8_t)ask,
                                            .answers = answers,
                                            .tries = tries,
                                        });
}

/* The server says itself that it cannot now; the link may be dropped for it as well. */
bool sw_redis_error_is_away(struct sw_slice error)
{
    static const char *const away[] = {"LOADING",  "MASTERDOWN", "NOAUTH",
                                       "READONLY", "BUSY",       "TRYAGAIN"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(away); i++) {
        if (sw_redis_error_is(error, away[i])) {
            return true;
        }
    }
    return false;
}

enum sw_error sw_redis_error_of(struct sw_slice error, bool call)
{
    if (sw_redis_error_is(error, "NOPERM")) {
        return SW_ERROR_FORBIDDEN;
    }
    if (sw_redis_error_is(error, "OOM")) {
        return SW_ERROR_OVERLOADED;
    }
    if (call && (sw_slice_starts_with(error, SW_SLICE("ERR unknown command")) ||
                 sw_slice_starts_with(error, SW_SLICE("ERR Function not found")))) {
        return SW_ERROR_UNSUPPORTED;
    }
    return sw_redis_error_is_away(error) ? SW_ERROR_BUS_UNAVAILABLE : SW_ERROR_INTERNAL;
}

/* A sweep looks at many topics in one turn, and asks once in front of them. */
void sw_redis_ask_role(struct sw_redis_commands *commands, uint64_t now_ms)
{
    if (!commands->role_asked) {
        commands->role_asked = true;
        sw_redis_put_info(commands->out);
        sw_redis_asked(commands, SW_REDIS_ASK_ROLE, NULL, 1, 0, now_ms + SW_REDIS_REPLY_MS);
    }
}

/* ---- what is asked by the link itself ---- */

static void on_role(struct sw_redis_commands *commands, const struct sw_redis_event *event)
{
    sw_redis_beside_answer(commands, true, event);
    if (event->kind != SW_REDIS_ERROR && sw_redis_is_replica(event->text)) {
        commands->fault = "the server is a replica: topics with history need its master";
    }
}

static void on_library(struct sw_redis_commands *commands, const struct sw_redis_event *event,
                       uint64_t now_ms)
{
    sw_redis_library_answer(&commands->library, &commands->fifo, commands->out, event, now_ms);
    if (!sw_redis_library_is_busy(&commands->library)) {
        sw_redis_publish_release(commands, now_ms);
    }
}

void sw_redis_commands_prepare(struct sw_redis_commands *commands, uint64_t now_ms)
{
    if (commands->keeps) {
        sw_redis_ask_role(commands, now_ms);
        sw_redis_library_ask(&commands->library, &commands->fifo, commands->out, now_ms);
    }
}

bool sw_redis_commands_prepared(const struct sw_redis_commands *commands)
{
    return !sw_redis_library_is_busy(&commands->library);
}

void sw_redis_commands_canary(struct sw_redis_commands *commands, struct sw_slice channel,
                              uint64_t number, uint64_t now_ms)
{
    struct sw_buf text = {0};
    sw_redis_canary_write(&text, number);
    sw_redis_put_command(commands->out, 3);
    sw_redis_put_argument(commands->out, SW_SLICE("PUBLISH"));
    sw_redis_put_argument(commands->out, channel);
    sw_redis_put_argument(commands->out, sw_buf_slice(&text));
    sw_buf_deinit(&text);
    sw_redis_fifo_push(&commands->fifo,
                       (struct sw_redis_waiting){.canary = number,
                                                 .deadline_ms = now_ms + SW_REDIS_REPLY_MS,
                                                 .ask = SW_REDIS_ASK_CANARY,
                                                 .answers = 1});
}

static void on_canary(struct sw_redis_commands *commands, uint64_t number,
                      const struct sw_redis_event *event)
{
    if (event->kind != SW_REDIS_ERROR) {
        commands->canary = number;
    } else if (sw_redis_error_is(event->text, "NOPERM")) {
        commands->canary_refused = true;
    } else {
        sw_redis_publish_log(commands, event->text);
    }
}

void sw_redis_commands_ping(struct sw_redis_commands *commands, uint64_t now_ms)
{
    if (commands->fifo.count == 0) {
        sw_redis_put_command(commands->out, 1);
        sw_redis_put_argument(commands->out, SW_SLICE("PING"));
        sw_redis_asked(commands, SW_REDIS_ASK_PING, NULL, 1, 0, now_ms + SW_REDIS_PONG_MS);
    }
}

/* ---- answers ---- */

/* Can this be an answer to that? Errors answer everything. */
static bool fits(const struct sw_redis_waiting *waiting, enum sw_redis_event_kind kind)
{
    switch ((enum sw_redis_ask)waiting->ask) {
    case SW_REDIS_ASK_PING:
        return kind == SW_REDIS_PONG;
    case SW_REDIS_ASK_SERVER:
        return true;
    case SW_REDIS_ASK_CANARY:
    case SW_REDIS_ASK_PUBLISH:
    case SW_REDIS_ASK_SETTING:
    case SW_REDIS_ASK_VERSION:
        return kind == SW_REDIS_INTEGER;
    case SW_REDIS_ASK_READ: /* one whose MULTI was refused has answers of all kinds */
        return kind == SW_REDIS_STATUS || kind == SW_REDIS_ARRAY || kind == SW_REDIS_BULK;
    case SW_REDIS_ASK_KEEP:
    case SW_REDIS_ASK_VALUE:
    case SW_REDIS_ASK_ROLE:
    case SW_REDIS_ASK_LOAD:
        return kind == SW_REDIS_BULK;
    }
    return false;
}

static void answer_last(struct sw_redis_commands *commands, const struct sw_redis_waiting *waiting,
                        const struct sw_redis_event *event, uint64_t now_ms)
{
    switch ((enum sw_redis_ask)waiting->ask) {
    case SW_REDIS_ASK_PUBLISH:
    case SW_REDIS_ASK_KEEP:
        sw_redis_publish_answer(commands, waiting, event, now_ms);
        break;
    case SW_REDIS_ASK_READ:
        sw_redis_read_answer(commands, waiting->subject, true, event, now_ms);
        break;
    case SW_REDIS_ASK_VALUE:
        sw_redis_value_answer(commands, waiting->subject, event);
        break;
    case SW_REDIS_ASK_ROLE:
        on_role(commands, event);
        break;
    case SW_REDIS_ASK_VERSION:
    case SW_REDIS_ASK_LOAD:
        on_library(commands, event, now_ms);
        break;
    case SW_REDIS_ASK_SERVER:
        sw_redis_server_answer(&commands->server, waiting->number, event);
        break;
    case SW_REDIS_ASK_CANARY:
        on_canary(commands, waiting->canary, event);
        break;
    case SW_REDIS_ASK_SETTING:
        sw_redis_beside_answer(commands, true, event);
        break;
    case SW_REDIS_ASK_PING:
        if (event->kind == SW_REDIS_ERROR) {
            sw_redis_publish_log(commands, event->text);
        }
        break;
    }
}

bool sw_redis_commands_answer(struct sw_redis_commands *commands,
                              const struct sw_redis_event *event, uint64_t now_ms)
{
    struct sw_redis_waiting *first = sw_redis_fifo_first(&commands->fifo);
    bool failed = event->kind == SW_REDIS_ERROR;
    if (!first || (!failed && !fits(first, event->kind))) {
        return false;
    }
    if (--first->answers > 0) {
        if (first->ask == SW_REDIS_ASK_READ) {
            sw_redis_read_answer(commands, first->subject, false, event, now_ms);
        } else {
            sw_redis_beside_answer(commands, false, event);
        }
        return true;
    }
    struct sw_redis_waiting waiting = sw_redis_fifo_pop(&commands->fifo);
    answer_last(commands, &waiting, event, now_ms);
    return true;
}

void sw_redis_commands_too_large(struct sw_redis_commands *commands, uint64_t now_ms)
{
    struct sw_redis_waiting *first = sw_redis_fifo_first(&commands->fifo);
    if (first && (first->ask == SW_REDIS_ASK_READ || first->ask == SW_REDIS_ASK_VALUE)) {
        struct sw_redis_waiting waiting = sw_redis_fifo_pop(&commands->fifo);
        struct sw_redis_event error = {
            .kind = SW_REDIS_ERROR,
            .text = SW_SLICE("ERR what stands there is too large to be read, and left out for "
                             "60 s"),
        };
        sw_redis_leave_out(commands, &waiting, now_ms);
        answer_last(commands, &waiting, &error, now_ms);
    }
}

bool sw_redis_commands_overdue(const struct sw_redis_commands *commands, uint64_t now_ms)
{
    const struct sw_redis_waiting *first = sw_redis_fifo_first(&commands->fifo);
    return first && now_ms >= first->deadline_ms;
}

/* ---- the link's end ---- */

static void lose(struct sw_redis_commands *commands, const struct sw_redis_waiting *waiting,
                 uint64_t written)
{
    switch ((enum sw_redis_ask)waiting->ask) {
    case SW_REDIS_ASK_PUBLISH:
    case SW_REDIS_ASK_KEEP:
        /* A command that has not left to its last byte is never run. */
        sw_redis_publish_lost(commands, waiting->subject, waiting->end <= written);
        break;
    case SW_REDIS_ASK_READ:
        sw_redis_commands_refuse_read(commands, waiting->subject, SW_READ_AWAY, SW_ERROR_NONE);
        break;
    case SW_REDIS_ASK_VALUE:
        sw_redis_commands_refuse_get(commands, waiting->subject);
        break;
    case SW_REDIS_ASK_PING:
    case SW_REDIS_ASK_CANARY:
    case SW_REDIS_ASK_SETTING:
    case SW_REDIS_ASK_ROLE:
    case SW_REDIS_ASK_VERSION:
    case SW_REDIS_ASK_LOAD:
    case SW_REDIS_ASK_SERVER:
        break;
    }
}

void sw_redis_commands_lost(struct sw_redis_commands *commands, uint64_t written)
{
    struct sw_publish *publish;
    commands->publish_said[0] = '\0';
    commands->read_said[0] = '\0';
    commands->read_error[0] = '\0';
    commands->role_asked = false;
    commands->fault = NULL;
    commands->canary = 0;
    commands->canary_refused = false;
    sw_redis_library_reset(&commands->library);
    /* In the order in which they came: those that wait for the function were asked before. */
    for (size_t left = commands->again.count; left > 0; left--) {
        sw_redis_publish_lost(commands, sw_ring_pop(&commands->again), false);
    }
    while (commands->fifo.count > 0) {
        struct sw_redis_waiting waiting = sw_redis_fifo_pop(&commands->fifo);
        lose(commands, &waiting, written);
    }
    while ((publish = sw_ring_pop(&commands->held))) {
        sw_redis_publish_lost(commands, publish, false);
    }
}

/* ---- life ---- */

void sw_redis_commands_init(struct sw_redis_commands *commands, struct sw_exchange *exchange,
                            struct sw_buf *out, const uint64_t *begin)
{
    const struct sw_rules *rules = sw_exchange_config(exchange)->rules;
    *commands = (struct sw_redis_commands){
        .exchange = exchange,
        .out = out,
        .begin = begin,
        .keeps = rules && sw_rules_keep_history(rules),
    };
    sw_list_init(&commands->left_out);
}

void sw_redis_commands_deinit(struct sw_redis_commands *commands)
{
    sw_redis_fifo_deinit(&commands->fifo);
    sw_ring_deinit(&commands->again);
    sw_ring_deinit(&commands->held);
    sw_ring_deinit(&commands->refused_reads);
    sw_ring_deinit(&commands->refused_values);
    sw_redis_leave_out_no_more(commands);
}
