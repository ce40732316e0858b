// SPDX-License-Identifier: Apache-2.0
/* Reads of histories, and of values, on the commands' link. */
#include "bus/redis/asking.h"

#include "bus/redis/link.h"
#include "common/log.h"
#include "common/mem.h"

#include <stdio.h>
#include <string.h>

void sw_redis_commands_read(struct sw_redis_commands *commands, struct sw_history_read *read,
                            uint64_t now_ms)
{
    if (commands->library.state == SW_REDIS_LIBRARY_UNSUPPORTED) {
        sw_redis_commands_refuse_read(commands, read, SW_READ_FAILED, SW_ERROR_UNSUPPORTED);
        return;
    }
    if (read->limit == 0) {
        sw_redis_ask_role(commands, now_ms);
    }
    uint8_t answers = sw_redis_read_put(commands->out, sw_redis_prefix(commands), read);
    sw_redis_asked(commands, SW_REDIS_ASK_READ, read, answers, 0, now_ms + SW_REDIS_REPLY_MS);
}

void sw_redis_commands_get(struct sw_redis_commands *commands, struct sw_value_read *read,
                           uint64_t now_ms)
{
    sw_redis_put_command(commands->out, 2);
    sw_redis_put_argument(commands->out, SW_SLICE("GET"));
    sw_redis_put_argument(commands->out, read->key);
    sw_redis_asked(commands, SW_REDIS_ASK_VALUE, read, 1, 0, now_ms + SW_REDIS_REPLY_MS);
}

void sw_redis_commands_refuse_read(struct sw_redis_commands *commands, struct sw_history_read *read,
                                   enum sw_read_outcome outcome, enum sw_error error)
{
    read->outcome = outcome;
    read->error = error;
    sw_ring_push(&commands->refused_reads, read);
}

void sw_redis_commands_refuse_get(struct sw_redis_commands *commands, struct sw_value_read *read)
{
    sw_ring_push(&commands->refused_values, read);
}

bool sw_redis_commands_settle(struct sw_redis_commands *commands)
{
    commands->role_asked = false;
    for (size_t left = commands->refused_reads.count; left > 0; left--) {
        struct sw_history_read *read = sw_ring_pop(&commands->refused_reads);
        read->done(read->context, read);
    }
    for (size_t left = commands->refused_values.count; left > 0; left--) {
        struct sw_value_read *read = sw_ring_pop(&commands->refused_values);
        read->done(read->context, read, sw_slice(NULL, 0));
    }
    return commands->refused_reads.count + commands->refused_values.count > 0;
}

/* One line for each change of what is wrong, not one per topic. `what` is the key, as far as one
 * is to blame. */
static void log_read_error(struct sw_redis_commands *commands, const char *event,
                           struct sw_slice key, bool history, const char *why)
{
    char name[300];
    char clean_key[300];
    char clean_why[SW_REDIS_WHY_BYTES];
    sw_count(&sw_exchange_counters(commands->exchange)->bus_read_errors_total, 1);
    if (strcmp(why, commands->read_said) == 0) {
        return;
    }
    snprintf(commands->read_said, sizeof(commands->read_said), "%s", why);
    if (history) {
        struct sw_slice prefix = sw_redis_prefix(commands);
        snprintf(name, sizeof(name), "{%.*s%.*s}:m and :h", SW_SLICE_ARG(prefix),
                 SW_SLICE_ARG(key));
    } else {
        snprintf(name, sizeof(name), "%.*s", SW_SLICE_ARG(key));
    }
    sw_log(SW_LOG_WARN, event, "keys=\"%s\" why=\"%s\"%s",
           sw_log_clean(clean_key, sizeof(clean_key), sw_slice_of(name)),
           sw_log_clean(clean_why, sizeof(clean_why), sw_slice_of(why)),
           strncmp(why, "NOPERM", 6) != 0 ? ""
           : history                      ? " needs=\"+multi +exec +hmget +hset +expire +xrange "
                                            "+info, and ~{<prefix>*\""
                                          : " needs=\"+get, and a key pattern that has this key\"");
}

static void read_failed(struct sw_redis_commands *commands, struct sw_history_read *read,
                        const char *why)
{
    struct sw_slice text = sw_slice_of(why);
    read->outcome = sw_redis_error_is_away(text) ? SW_READ_AWAY : SW_READ_FAILED;
    read->error = sw_redis_error_of(text, true);
    log_read_error(commands, "redis_history_refused", read->topic, true, why);
    read->done(read->context, read);
}

static void keep_read_error(struct sw_redis_commands *commands, struct sw_slice error)
{
    if (commands->read_error[0] == '\0') {
        sw_redis_error_text(commands->read_error, sizeof(commands->read_error), error);
    }
}

static void write_settings(struct sw_redis_commands *commands, const struct sw_history_read *read,
                           uint64_t now_ms)
{
    uint8_t answers = sw_redis_read_put_settings(commands->out, sw_redis_prefix(commands), read);
    sw_redis_asked(commands, SW_REDIS_ASK_SETTING, NULL, answers, 0, now_ms + SW_REDIS_REPLY_MS);
}

static void take_read(struct sw_redis_commands *commands, struct sw_history_read *read,
                      const struct redisReply *array, uint64_t now_ms)
{
    struct sw_redis_seen seen;
    struct sw_history_entry *entries =
        read->limit > 0 ? sw_alloc(read->limit * sizeof(*entries)) : NULL;
    sw_redis_read_take(read, array, entries, &seen);
    if (seen.replica) {
        commands->fault = "the server is a replica: histories are read from its master";
        read->outcome = SW_READ_AWAY;
    } else if (read->outcome == SW_READ_FAILED) {
        log_read_error(commands, "redis_history_refused", read->topic, true, seen.why);
    } else if (seen.differs) {
        write_settings(commands, read, now_ms);
    }
    read->done(read->context, read);
    sw_free(entries);
}

/* Of a transaction that is refused each command is answered by itself; its first error says why. */
void sw_redis_read_answer(struct sw_redis_commands *commands, struct sw_history_read *read,
                          bool last, const struct sw_redis_event *event, uint64_t now_ms)
{
    char why[SW_REDIS_WHY_BYTES];
    if (event->kind == SW_REDIS_ERROR) {
        keep_read_error(commands, event->text);
    }
    if (!last) {
        return;
    }
    memcpy(why, commands->read_error, sizeof(why));
    commands->read_error[0] = '\0'; /* the next one's, should `done` ask */
    if (why[0] != '\0') {
        read_failed(commands, read, why);
    } else if (event->kind != SW_REDIS_ARRAY) {
        read_failed(commands, read, "ERR the server's answer has another form than Redis'");
    } else {
        take_read(commands, read, event->array, now_ms);
    }
}

void sw_redis_value_answer(struct sw_redis_commands *commands, struct sw_value_read *read,
                           const struct sw_redis_event *event)
{
    if (event->kind == SW_REDIS_ERROR) {
        char why[SW_REDIS_WHY_BYTES];
        log_read_error(commands, "redis_value_refused", read->key, false,
                       sw_redis_error_text(why, sizeof(why), event->text));
    }
    read->done(read->context, read, event->kind == SW_REDIS_BULK ? event->text : sw_slice(NULL, 0));
}
