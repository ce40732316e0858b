// SPDX-License-Identifier: Apache-2.0
/* Reads of histories, and of values, on the commands' link. */
#include "bus/redis/asking.h"

#include "bus/redis/interest.h"
#include "bus/redis/link.h"
#include "common/log.h"
#include "common/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- what is left out ---- */

/* Its answer ended the link, and would again: it is not asked for before `until_ms`. */
struct left_out {
    struct sw_list link;
    uint64_t until_ms;
    enum sw_redis_ask ask;
    size_t size;
    char name[];
};

static void count_error(struct sw_redis_commands *commands)
{
    sw_count(&sw_exchange_counters(commands->exchange)->bus_read_errors_total, 1);
}

static bool is_left_out(struct sw_redis_commands *commands, enum sw_redis_ask ask,
                        struct sw_slice name, uint64_t now_ms)
{
    struct sw_list *next;
    for (struct sw_list *at = commands->left_out.next; at != &commands->left_out; at = next) {
        struct left_out *left = SW_CONTAINER_OF(at, struct left_out, link);
        next = at->next;
        if (now_ms >= left->until_ms) {
            sw_list_remove(at);
            sw_free(left);
        } else if (left->ask == ask && sw_slice_equal(sw_slice(left->name, left->size), name)) {
            count_error(commands);
            return true;
        }
    }
    return false;
}

void sw_redis_leave_out(struct sw_redis_commands *commands, const struct sw_redis_waiting *waiting,
                        uint64_t now_ms)
{
    const struct sw_history_read *read = waiting->subject;
    const struct sw_value_read *value = waiting->subject;
    struct sw_slice name = waiting->ask == SW_REDIS_ASK_READ ? read->topic : value->key;
    struct left_out *left = sw_alloc(sizeof(*left) + name.size);
    left->until_ms = now_ms + SW_REDIS_LEFT_OUT_MS;
    left->ask = (enum sw_redis_ask)waiting->ask;
    left->size = name.size;
    memcpy(left->name, name.data, name.size);
    sw_list_init(&left->link);
    sw_list_push(&commands->left_out, &left->link);
}

void sw_redis_leave_out_no_more(struct sw_redis_commands *commands)
{
    for (struct sw_list *node; (node = sw_list_pop(&commands->left_out));) {
        sw_free(SW_CONTAINER_OF(node, struct left_out, link));
    }
}

/* ---- asking ---- */

void sw_redis_commands_read(struct sw_redis_commands *commands, struct sw_history_read *read,
                            uint64_t now_ms)
{
    if (is_left_out(commands, SW_REDIS_ASK_READ, read->topic, now_ms)) {
        sw_redis_commands_refuse_read(commands, read, SW_READ_FAILED, SW_ERROR_INTERNAL);
        return;
    }
    if (commands->library.state == SW_REDIS_LIBRARY_UNSUPPORTED) { /* the log says it */
        count_error(commands);
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
    if (is_left_out(commands, SW_REDIS_ASK_VALUE, read->key, now_ms)) {
        sw_redis_commands_refuse_get(commands, read);
        return;
    }
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

/* ---- errors and answers ---- */

/* What is to be done about an error reply, for the log; "" where nobody knows. */
static const char *fix_of(struct sw_slice error, bool history)
{
    if (sw_redis_error_is(error, "NOPERM")) {
        return history ? "the rights +multi +exec +hmget +hset +expire +xrange +info, and "
                         "~{<prefix>*"
                       : "the right +get, and a key pattern that covers this key";
    }
    if (sw_redis_error_is(error, "WRONGTYPE")) {
        return history ? "rename or delete what is there: :m is a hash, :h a stream"
                       : "rename or delete what is there: a value is a string";
    }
    return "";
}

/* One line for each change of what is wrong, not one per topic. */
static void log_read_error(struct sw_redis_commands *commands, const char *key, bool history,
                           const char *why)
{
    char clean_key[300];
    char clean_why[SW_REDIS_WHY_BYTES];
    const char *fix = fix_of(sw_slice_of(why), history);
    if (strcmp(why, commands->read_said) == 0) {
        return;
    }
    snprintf(commands->read_said, sizeof(commands->read_said), "%s", why);
    sw_log(SW_LOG_WARN, history ? "redis_history_refused" : "redis_value_refused",
           "key=\"%s\" why=\"%s\"%s%s%s",
           sw_log_clean(clean_key, sizeof(clean_key), sw_slice_of(key)),
           sw_log_clean(clean_why, sizeof(clean_why), sw_slice_of(why)), *fix ? " fix=\"" : "", fix,
           *fix ? "\"" : "");
}

static void log_history_error(struct sw_redis_commands *commands, struct sw_slice topic, char key,
                              const char *why)
{
    char name[300];
    struct sw_slice prefix = sw_redis_prefix(commands);
    snprintf(name, sizeof(name), "{%.*s%.*s}:%c", SW_SLICE_ARG(prefix), SW_SLICE_ARG(topic),
             key ? key : '*');
    log_read_error(commands, name, true, why);
}

static void read_failed(struct sw_redis_commands *commands, struct sw_history_read *read,
                        const char *why)
{
    struct sw_slice text = sw_slice_of(why);
    read->outcome = sw_redis_error_is_away(text) ? SW_READ_AWAY : SW_READ_FAILED;
    read->error = sw_redis_error_of(text, true);
    count_error(commands);
    log_history_error(commands, read->topic, 0, why);
    read->done(read->context, read);
}

static void keep_read_error(struct sw_redis_commands *commands, struct sw_slice error)
{
    static const struct sw_slice before = {"EXECABORT Transaction discarded because of: ", 44};
    if (sw_slice_starts_with(error, before)) { /* EXEC itself is refused */
        error = sw_slice(error.data + before.size, error.size - before.size);
    }
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
        count_error(commands);
        log_history_error(commands, read->topic, seen.key, seen.why);
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

void sw_redis_beside_answer(struct sw_redis_commands *commands, bool last,
                            const struct sw_redis_event *event)
{
    if (event->kind == SW_REDIS_ERROR) {
        keep_read_error(commands, event->text);
    }
    if (last && commands->read_error[0] != '\0') {
        log_history_error(commands, SW_SLICE("*"), 0, commands->read_error);
        commands->read_error[0] = '\0';
    }
}

void sw_redis_value_answer(struct sw_redis_commands *commands, struct sw_value_read *read,
                           const struct sw_redis_event *event)
{
    if (event->kind == SW_REDIS_ERROR) {
        char key[300];
        char why[SW_REDIS_WHY_BYTES];
        snprintf(key, sizeof(key), "%.*s", SW_SLICE_ARG(read->key));
        count_error(commands);
        log_read_error(commands, key, false, sw_redis_error_text(why, sizeof(why), event->text));
    }
    read->done(read->context, read, event->kind == SW_REDIS_BULK ? event->text : sw_slice(NULL, 0));
}
