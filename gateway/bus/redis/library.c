// SPDX-License-Identifier: Apache-2.0
#include "bus/redis/library.h"

#include "bus/redis/command.h"
#include "bus/redis/link.h"
#include "common/log.h"

#include <stdio.h>
#include <string.h>

/* Another node may load it first, or somebody delete it at once: then it is asked for again. */
#define LOADS 3
/* What was refused is not asked for with every publish. */
#define AGAIN_MS 1000

void sw_redis_library_reset(struct sw_redis_library *library)
{
    library->state = SW_REDIS_LIBRARY_UNKNOWN;
    library->older = false;
    library->loads = 0;
    library->next_load_ms = 0;
}

bool sw_redis_library_is_busy(const struct sw_redis_library *library)
{
    return library->state == SW_REDIS_LIBRARY_ASKED || library->state == SW_REDIS_LIBRARY_LOADING;
}

/* ---- the log ---- */

static void say(struct sw_redis_library *library, enum sw_log_level level, const char *state,
                struct sw_slice why, const char *fix)
{
    char text[160];
    char clean[160];
    char line[sizeof(library->said)];
    sw_redis_error_text(text, sizeof(text), why);
    snprintf(line, sizeof(line), "state=%s why=\"%s\"%s%s%s", state,
             sw_log_clean(clean, sizeof(clean), sw_slice_of(text)), *fix ? " fix=\"" : "", fix,
             *fix ? "\"" : "");
    if (strcmp(line, library->said) != 0) {
        memcpy(library->said, line, sizeof(line));
        sw_log(level, "redis_library", "%s", line);
    }
}

static void refuse(struct sw_redis_library *library, struct sw_slice why, const char *fix,
                   uint64_t now_ms)
{
    library->state = SW_REDIS_LIBRARY_REFUSED;
    library->next_load_ms = now_ms + AGAIN_MS;
    say(library, SW_LOG_WARN, "refused", why, fix);
}

static void found(struct sw_redis_library *library, int version)
{
    char why[40];
    library->state = SW_REDIS_LIBRARY_GOOD;
    library->older = false;
    library->loads = 0;
    snprintf(why, sizeof(why), "version %d is loaded", version);
    say(library, SW_LOG_INFO, "good", sw_slice_of(why), "");
}

/* ---- asking ---- */

static void push(struct sw_redis_fifo *fifo, enum sw_redis_ask ask, uint64_t now_ms)
{
    sw_redis_fifo_push(fifo, (struct sw_redis_waiting){
                                 .ask = (uint8_t)ask,
                                 .answers = 1,
                                 .deadline_ms = now_ms + SW_REDIS_REPLY_MS,
                             });
}

void sw_redis_library_ask(struct sw_redis_library *library, struct sw_redis_fifo *fifo,
                          struct sw_buf *out, uint64_t now_ms)
{
    library->state = SW_REDIS_LIBRARY_ASKED;
    sw_redis_put_command(out, 3);
    sw_redis_put_argument(out, SW_SLICE("FCALL"));
    sw_redis_put_argument(out, SW_SLICE("spillway_version"));
    sw_redis_put_argument(out, SW_SLICE("0"));
    push(fifo, SW_REDIS_ASK_VERSION, now_ms);
}

/* REPLACE only where an older one was seen: a library that came meanwhile is looked at first. */
static void put_load(struct sw_redis_library *library, struct sw_redis_fifo *fifo,
                     struct sw_buf *out, uint64_t now_ms)
{
    bool replace = library->older;
    library->state = SW_REDIS_LIBRARY_LOADING;
    library->loads++;
    sw_redis_put_command(out, replace ? 4 : 3);
    sw_redis_put_argument(out, SW_SLICE("FUNCTION"));
    sw_redis_put_argument(out, SW_SLICE("LOAD"));
    if (replace) {
        sw_redis_put_argument(out, SW_SLICE("REPLACE"));
    }
    sw_redis_put_argument(out, sw_redis_library_source);
    push(fifo, SW_REDIS_ASK_LOAD, now_ms);
}

bool sw_redis_library_load(struct sw_redis_library *library, struct sw_redis_fifo *fifo,
                           struct sw_buf *out, uint64_t now_ms)
{
    if (sw_redis_library_is_busy(library)) {
        return true;
    }
    if (now_ms < library->next_load_ms) {
        return false;
    }
    library->older = false;
    library->loads = 0;
    put_load(library, fifo, out, now_ms);
    return true;
}

/* ---- answers ---- */

static void on_version(struct sw_redis_library *library, struct sw_redis_fifo *fifo,
                       struct sw_buf *out, const struct sw_redis_event *event, uint64_t now_ms)
{
    bool absent = event->kind == SW_REDIS_ERROR &&
                  sw_slice_starts_with(event->text, SW_SLICE("ERR Function not found"));
    if (event->kind == SW_REDIS_INTEGER && event->number >= sw_redis_library_version) {
        found(library, (int)event->number);
    } else if ((event->kind == SW_REDIS_INTEGER || absent) && library->loads < LOADS) {
        library->older = !absent;
        put_load(library, fifo, out, now_ms);
    } else if (absent) {
        refuse(library, SW_SLICE("another library of this name is loaded"),
               "FUNCTION DELETE spillway", now_ms);
    } else if (sw_slice_starts_with(event->text, SW_SLICE("ERR unknown command"))) {
        library->state = SW_REDIS_LIBRARY_UNSUPPORTED;
        say(library, SW_LOG_ERROR, "unsupported",
            SW_SLICE("topics with history need functions, and this server has none"),
            "Redis 7 or newer, or rules without history");
    } else {
        refuse(library, event->text, "the rights +fcall and +function|load", now_ms);
    }
}

static const char *load_fix(const struct sw_redis_library *library, struct sw_slice error)
{
    if (sw_slice_starts_with(error, SW_SLICE("ERR unknown command"))) {
        return "the command FUNCTION under its own name, or rules without history";
    }
    return library->older ? "an older version serves; to replace it: the right +function|load"
                          : "the right +function|load, or by hand: redis-cli -x FUNCTION LOAD "
                            "REPLACE < deploy/redis/spillway.lua";
}

static void on_loaded(struct sw_redis_library *library, struct sw_redis_fifo *fifo,
                      struct sw_buf *out, const struct sw_redis_event *event, uint64_t now_ms)
{
    if (event->kind == SW_REDIS_BULK) {
        found(library, sw_redis_library_version);
        return;
    }
    if (event->kind == SW_REDIS_ERROR &&
        memmem(event->text.data, event->text.size, "already exists", 14) &&
        library->loads < LOADS) {
        sw_redis_library_ask(library, fifo, out, now_ms);
        return;
    }
    refuse(library, event->text, load_fix(library, event->text), now_ms);
}

void sw_redis_library_answer(struct sw_redis_library *library, struct sw_redis_fifo *fifo,
                             struct sw_buf *out, const struct sw_redis_event *event,
                             uint64_t now_ms)
{
    if (library->state == SW_REDIS_LIBRARY_ASKED) {
        on_version(library, fifo, out, event, now_ms);
    } else {
        on_loaded(library, fifo, out, event, now_ms);
    }
}
