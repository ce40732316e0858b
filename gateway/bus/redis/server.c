// SPDX-License-Identifier: Apache-2.0
#include "bus/redis/server.h"

#include "bus/redis/command.h"
#include "bus/redis/link.h"
#include "common/log.h"
#include "common/mem.h"

#include <stdio.h>
#include <string.h>

/* The last one is INFO; the others are for histories. A key stands where there is a NULL. */
enum { WORDS = 6 };
static const struct trial {
    const char *right;
    const char *words[WORDS];
    size_t count;
} trials[] = {
    {"+multi", {"MULTI"}, 1},
    {"+exec", {"EXEC"}, 1},
    {"+hmget", {"HMGET", NULL, "e"}, 3},
    {"+xrange", {"XRANGE", NULL, "-", "+", "COUNT", "1"}, 6},
    {"+expire", {"EXPIRE", NULL, "1"}, 3},
    {"+info", {"INFO", "server"}, 2},
};
#define LAST (SW_ARRAY_SIZE(trials) - 1)

/* ---- asking ---- */

/* Shaped as a history's (PROTOCOL.md, section 7), under a name that no topic can have. */
static void put_key(struct sw_buf *out, struct sw_slice prefix)
{
    struct sw_slice tail = SW_SLICE("$node}:m");
    sw_redis_put_size(out, 1 + prefix.size + tail.size);
    sw_buf_append_byte(out, '{');
    sw_buf_append_slice(out, prefix);
    sw_buf_append_slice(out, tail);
    sw_redis_put_end(out);
}

static void put_trial(struct sw_buf *out, struct sw_slice prefix, const struct trial *trial)
{
    sw_redis_put_command(out, trial->count);
    for (size_t i = 0; i < trial->count; i++) {
        if (trial->words[i]) {
            sw_redis_put_argument(out, sw_slice_of(trial->words[i]));
        } else {
            put_key(out, prefix);
        }
    }
}

void sw_redis_server_ask(struct sw_redis_server *server, struct sw_redis_fifo *fifo,
                         struct sw_buf *out, struct sw_slice prefix, bool history, uint64_t now_ms)
{
    server->history = history;
    server->missing[0] = 0;
    server->why[0] = 0;
    for (size_t i = history ? 0 : LAST; i <= LAST; i++) {
        put_trial(out, prefix, &trials[i]);
        sw_redis_fifo_push(fifo, (struct sw_redis_waiting){
                                     .number = i,
                                     .ask = SW_REDIS_ASK_SERVER,
                                     .answers = 1,
                                     .deadline_ms = now_ms + SW_REDIS_REPLY_MS,
                                 });
    }
}

/* ---- answers ---- */

static void note_missing(struct sw_redis_server *server, const char *right, struct sw_slice error)
{
    size_t size = strlen(server->missing);
    snprintf(server->missing + size, sizeof(server->missing) - size, "%s%s", size ? " " : "",
             right);
    if (!server->why[0]) {
        char text[sizeof(server->why)];
        sw_redis_error_text(text, sizeof(text), error);
        sw_log_clean(server->why, sizeof(server->why), sw_slice_of(text));
    }
}

/* What stands behind `name` in INFO's answer, up to the line's end. */
static void read_field(struct sw_slice info, const char *name, char *out, size_t capacity)
{
    size_t size = strlen(name);
    struct sw_slice value = SW_SLICE("unknown");
    while (info.data && info.size > 0) {
        struct sw_slice line = sw_slice_split(&info, '\n');
        if (sw_slice_starts_with(line, sw_slice(name, size))) {
            value = sw_slice(line.data + size, line.size - size);
            value.size = sw_slice_find(value, '\r');
        }
    }
    sw_log_clean(out, capacity, value);
}

static void say(struct sw_redis_server *server, struct sw_slice info)
{
    char version[24];
    char mode[16];
    char user[64];
    char line[sizeof(server->said)];
    bool good = !server->missing[0];
    read_field(info, "redis_version:", version, sizeof(version));
    read_field(info, "redis_mode:", mode, sizeof(mode));
    sw_log_clean(user, sizeof(user), sw_slice_of(server->user ? server->user : "default"));
    int size =
        snprintf(line, sizeof(line), "version=\"%s\" mode=\"%s\" user=\"%s\"", version, mode, user);
    if (!good) {
        snprintf(line + size, sizeof(line) - (size_t)size, " missing=\"%s\" why=\"%s\" fix=\"%s\"",
                 server->missing, server->why, "ACL SETUSER, with these rights");
    }
    if (strcmp(line, server->said) != 0) {
        memcpy(server->said, line, sizeof(line));
        sw_log(good ? SW_LOG_INFO : SW_LOG_WARN, "redis_server", "%s", line);
    }
}

void sw_redis_server_answer(struct sw_redis_server *server, uint64_t number,
                            const struct sw_redis_event *event)
{
    if (server->history && event->kind == SW_REDIS_ERROR &&
        sw_redis_error_is(event->text, "NOPERM")) {
        note_missing(server, trials[number].right, event->text);
    }
    if (number == LAST) {
        say(server, event->kind == SW_REDIS_BULK ? event->text : sw_slice("", 0));
    }
}
