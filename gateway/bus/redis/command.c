// SPDX-License-Identifier: Apache-2.0
#include "bus/redis/command.h"

#include "bus/envelope.h"
#include "bus/redis/link.h"
#include "common/log.h"
#include "common/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- the FIFO ---- */

static struct sw_redis_waiting *at(const struct sw_redis_commands *commands, size_t index)
{
    return &commands->waiting[(commands->head + index) & (commands->capacity - 1)];
}

static void grow(struct sw_redis_commands *commands)
{
    size_t capacity = commands->capacity ? commands->capacity * 2 : 64;
    struct sw_redis_waiting *waiting = sw_alloc(capacity * sizeof(*waiting));
    for (size_t i = 0; i < commands->count; i++) {
        waiting[i] = *at(commands, i);
    }
    sw_free(commands->waiting);
    commands->waiting = waiting;
    commands->capacity = capacity;
    commands->head = 0;
}

static void push(struct sw_redis_commands *commands, struct sw_redis_waiting waiting)
{
    if (commands->count == commands->capacity) {
        grow(commands);
    }
    /* Answers come in order: a ping before a publish has no more time than that. */
    if (commands->count > 0 && at(commands, 0)->deadline_ms > waiting.deadline_ms) {
        at(commands, 0)->deadline_ms = waiting.deadline_ms;
    }
    *at(commands, commands->count++) = waiting;
}

static struct sw_redis_waiting pop(struct sw_redis_commands *commands)
{
    struct sw_redis_waiting waiting = *at(commands, 0);
    commands->head = (commands->head + 1) & (commands->capacity - 1);
    commands->count--;
    return waiting;
}

/* ---- commands ---- */

static void put_channel(const struct sw_redis_commands *commands, struct sw_buf *out,
                        struct sw_slice topic)
{
    struct sw_slice prefix = sw_slice_of(sw_exchange_config(commands->exchange)->prefix);
    sw_redis_put_size(out, prefix.size + topic.size);
    sw_buf_append_slice(out, prefix);
    sw_buf_append_slice(out, topic);
    sw_redis_put_end(out);
}

/* The payload, wrapped where it must be. */
static void put_payload(struct sw_buf *out, const struct sw_publish *publish)
{
    struct sw_slice payload = sw_publish_payload(publish);
    struct sw_slice key = sw_publish_key(publish);
    struct sw_buf head = {0};
    if (sw_envelope_needed(key, payload)) {
        sw_envelope_write_head(&head, key);
    }
    sw_redis_put_size(out, head.size + payload.size);
    sw_buf_append_slice(out, sw_buf_slice(&head));
    sw_buf_append_slice(out, payload);
    sw_redis_put_end(out);
    sw_buf_deinit(&head);
}

void sw_redis_commands_publish(struct sw_redis_commands *commands, struct sw_buf *out,
                               uint64_t begin, struct sw_publish *publish, uint64_t now_ms)
{
    sw_redis_put_command(out, 3);
    sw_redis_put_argument(out, SW_SLICE("PUBLISH"));
    put_channel(commands, out, sw_publish_topic(publish));
    put_payload(out, publish);
    push(commands, (struct sw_redis_waiting){
                       .publish = publish,
                       .end = begin + out->size,
                       .deadline_ms = now_ms + SW_REDIS_REPLY_MS,
                   });
}

void sw_redis_commands_canary(struct sw_redis_commands *commands, struct sw_buf *out,
                              struct sw_slice channel, uint64_t number, uint64_t now_ms)
{
    struct sw_buf text = {0};
    sw_redis_canary_write(&text, number);
    sw_redis_put_command(out, 3);
    sw_redis_put_argument(out, SW_SLICE("PUBLISH"));
    sw_redis_put_argument(out, channel);
    sw_redis_put_argument(out, sw_buf_slice(&text));
    sw_buf_deinit(&text);
    push(commands,
         (struct sw_redis_waiting){.canary = number, .deadline_ms = now_ms + SW_REDIS_REPLY_MS});
}

void sw_redis_commands_ping(struct sw_redis_commands *commands, struct sw_buf *out, uint64_t now_ms)
{
    if (commands->count > 0) {
        return;
    }
    sw_redis_put_command(out, 1);
    sw_redis_put_argument(out, SW_SLICE("PING"));
    push(commands, (struct sw_redis_waiting){.deadline_ms = now_ms + SW_REDIS_PONG_MS});
}

/* ---- answers ---- */

/* One line for each change, not one per publish. */
static void log_error(struct sw_redis_commands *commands, struct sw_slice error)
{
    char text[sizeof(commands->error)];
    char clean[sizeof(commands->error)];
    sw_redis_error_text(text, sizeof(text), error);
    sw_log_clean(clean, sizeof(clean), sw_slice_of(text));
    if (strcmp(clean, commands->error) != 0) {
        memcpy(commands->error, clean, sizeof(clean));
        sw_log(SW_LOG_WARN, "redis_publish_refused", "why=\"%s\"", clean);
    }
}

static enum sw_error error_of(struct sw_slice error)
{
    if (sw_redis_error_is(error, "NOPERM")) {
        return SW_ERROR_FORBIDDEN;
    }
    /* The server says itself that it cannot now; the link may be dropped for it as well. */
    static const char *const away[] = {"LOADING", "MASTERDOWN", "NOAUTH", "READONLY", "BUSY"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(away); i++) {
        if (sw_redis_error_is(error, away[i])) {
            return SW_ERROR_BUS_UNAVAILABLE;
        }
    }
    return SW_ERROR_INTERNAL;
}

bool sw_redis_commands_answer(struct sw_redis_commands *commands,
                              const struct sw_redis_event *event)
{
    bool failed = event->kind == SW_REDIS_ERROR;
    if (commands->count == 0) {
        return false;
    }
    bool ping = !at(commands, 0)->publish && !at(commands, 0)->canary;
    enum sw_redis_event_kind good = ping ? SW_REDIS_PONG : SW_REDIS_INTEGER;
    if (event->kind != good && !failed) {
        return false;
    }
    struct sw_redis_waiting waiting = pop(commands);
    struct sw_publish *publish = waiting.publish;
    enum sw_error error = failed ? error_of(event->text) : SW_ERROR_NONE;
    if (failed && error != SW_ERROR_FORBIDDEN) {
        log_error(commands, event->text);
    }
    if (waiting.canary) {
        commands->canary = failed ? commands->canary : waiting.canary;
        commands->canary_refused = error == SW_ERROR_FORBIDDEN;
    }
    if (publish) {
        publish->receivers = failed ? 0 : (uint32_t)event->number;
        sw_exchange_published(commands->exchange, publish, error, false);
    }
    return true;
}

bool sw_redis_commands_overdue(const struct sw_redis_commands *commands, uint64_t now_ms)
{
    return commands->count > 0 && now_ms >= at(commands, 0)->deadline_ms;
}

void sw_redis_commands_lost(struct sw_redis_commands *commands, uint64_t written)
{
    commands->error[0] = '\0';
    commands->canary = 0;
    commands->canary_refused = false;
    while (commands->count > 0) {
        struct sw_redis_waiting waiting = pop(commands);
        if (waiting.publish) {
            /* A command that has not left to its last byte is never run. */
            sw_exchange_published(commands->exchange, waiting.publish, SW_ERROR_BUS_UNAVAILABLE,
                                  waiting.end <= written);
        }
    }
}

/* ---- life ---- */

void sw_redis_commands_init(struct sw_redis_commands *commands, struct sw_exchange *exchange)
{
    *commands = (struct sw_redis_commands){.exchange = exchange};
}

void sw_redis_commands_deinit(struct sw_redis_commands *commands)
{
    SW_ASSERT(commands->count == 0);
    sw_free(commands->waiting);
    commands->waiting = NULL;
}
