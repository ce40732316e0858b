// SPDX-License-Identifier: Apache-2.0
#include "bus/redis/link.h"

#include "common/assert.h"
#include "common/mem.h"
#include "core/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A first SYN that is lost is sent again after 1 s, a second after 3 s. */
#define CONNECT_MS 3000
/* Over connect and greeting: a server that accepts and is silent (stopped, or its disk hangs). */
#define DEADLINE_MS 5000
/* An output buffer that a burst has made larger is given back. */
#define KEEP_BYTES (256u << 10)
/* libuv's numbers where they are not errno's; uv.h belongs to net/. */
#define UV_EOF_STATUS (-4095)
#define UV_EAI_FIRST  (-3000)
#define UV_EAI_LAST   (-3014)

/* Error replies after which no command will go better, and what they mean. */
static const struct {
    const char *word;
    const char *means;
} fatal_errors[] = {
    {"NOAUTH", "the server wants a password"},
    {"WRONGPASS", "the server refuses user or password"},
    {"LOADING", "the server is loading its data"},
    {"MASTERDOWN", "the server is a replica that has lost its master"},
    {"DENIED", "the server's protected mode refuses this host"},
};

/* ---- writing commands ---- */

static void put_number(struct sw_buf *out, char type, size_t number)
{
    char text[24];
    char *at = text + sizeof(text);
    *--at = '\n';
    *--at = '\r';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    *--at = type;
    sw_buf_append(out, at, (size_t)(text + sizeof(text) - at));
}

void sw_redis_put_command(struct sw_buf *out, size_t count)
{
    put_number(out, '*', count);
}

void sw_redis_put_size(struct sw_buf *out, size_t size)
{
    put_number(out, '$', size);
}

void sw_redis_put_end(struct sw_buf *out)
{
    sw_buf_append(out, "\r\n", 2);
}

void sw_redis_put_argument(struct sw_buf *out, struct sw_slice argument)
{
    sw_redis_put_size(out, argument.size);
    sw_buf_append_slice(out, argument);
    sw_redis_put_end(out);
}

/* ---- errors in words ---- */

const char *sw_redis_error_text(char *out, size_t capacity, struct sw_slice error)
{
    static const char echo[] = "with args";
    const char *at = error.size > 0 ? memmem(error.data, error.size, echo, sizeof(echo) - 1) : NULL;
    if (at) {
        error.size = (size_t)(at - error.data);
        while (error.size > 0 && (at[-1] == ' ' || at[-1] == ',')) {
            at--;
            error.size--;
        }
    }
    snprintf(out, capacity, "%.*s", (int)(error.size < capacity ? error.size : capacity),
             error.size > 0 ? error.data : "");
    return out;
}

bool sw_redis_error_is(struct sw_slice error, const char *word)
{
    struct sw_slice rest = error;
    return sw_slice_equal(sw_slice_split(&rest, ' '), sw_slice_of(word));
}

static const char *status_text(int status)
{
    if (status == UV_EOF_STATUS) {
        return "the server closed the connection";
    }
    if (status <= UV_EAI_FIRST && status >= UV_EAI_LAST) {
        return "the host's name cannot be resolved";
    }
    const char *text = strerrordesc_np(-status);
    return text ? text : "the connection broke";
}

void sw_redis_link_fail(struct sw_redis_link *link, const char *format, ...)
{
    if (link->state == SW_REDIS_CLOSED || link->state == SW_REDIS_FAILED) {
        return;
    }
    link->state = SW_REDIS_FAILED;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(link->why, sizeof(link->why), format, arguments);
    va_end(arguments);
    sw_redis_reader_stop(&link->reader);
    sw_loop_stay_awake(link->loop); /* the owner acts in its turn */
}

bool sw_redis_link_fatal(struct sw_redis_link *link, struct sw_slice error)
{
    char text[160];
    for (size_t i = 0; i < SW_ARRAY_SIZE(fatal_errors); i++) {
        if (sw_redis_error_is(error, fatal_errors[i].word)) {
            sw_redis_link_fail(link, "%s: %s", fatal_errors[i].means,
                               sw_redis_error_text(text, sizeof(text), error));
            return true;
        }
    }
    return false;
}

/* ---- the greeting ---- */

static void add_greeting(struct sw_redis_link *link, enum sw_redis_greeting greeting, size_t count,
                         struct sw_slice command)
{
    link->greeting[link->greetings++] = greeting;
    sw_redis_put_command(&link->out, count);
    sw_redis_put_argument(&link->out, command);
}

static void write_greeting(struct sw_redis_link *link)
{
    const struct sw_redis_url *url = link->url;
    struct sw_buf *out = &link->out;
    if (url->password) {
        add_greeting(link, SW_REDIS_AUTH, url->user ? 3 : 2, SW_SLICE("AUTH"));
        if (url->user) {
            sw_redis_put_argument(out, sw_slice_of(url->user));
        }
        sw_redis_put_argument(out, sw_slice_of(url->password));
    }
    if (url->database > 0) {
        char number[16];
        snprintf(number, sizeof(number), "%u", (unsigned)url->database);
        add_greeting(link, SW_REDIS_SELECT, 2, SW_SLICE("SELECT"));
        sw_redis_put_argument(out, sw_slice_of(number));
    }
    add_greeting(link, SW_REDIS_NAME, 3, SW_SLICE("CLIENT"));
    sw_redis_put_argument(out, SW_SLICE("SETNAME"));
    sw_redis_put_argument(out, sw_slice_of(link->name));
    /* The others are answered even by a server that loads its data or has lost its master. */
    add_greeting(link, SW_REDIS_HELLO_PING, 1, SW_SLICE("PING"));
}

static void on_greeting_error(struct sw_redis_link *link, enum sw_redis_greeting greeting,
                              struct sw_slice error)
{
    static const char *const commands[] = {
        [SW_REDIS_AUTH] = "AUTH",
        [SW_REDIS_SELECT] = "SELECT",
        [SW_REDIS_NAME] = "CLIENT SETNAME",
        [SW_REDIS_HELLO_PING] = "PING",
    };
    char text[160];
    if (sw_redis_link_fatal(link, error)) {
        return;
    }
    /* A name is nice to have: not every proxy and not every ACL lets one be set. But this may also
     * be the first answer of a server that says "ERR max number of clients reached". */
    bool harmless =
        greeting == SW_REDIS_NAME && (sw_redis_error_is(error, "NOPERM") ||
                                      sw_slice_starts_with(error, SW_SLICE("ERR unknown")));
    if (!harmless) {
        sw_redis_link_fail(link, "the server refuses %s: %s", commands[greeting],
                           sw_redis_error_text(text, sizeof(text), error));
    }
}

static void on_greeting(struct sw_redis_link *link, const struct sw_redis_event *event)
{
    enum sw_redis_greeting greeting = link->greeting[link->greeted++];
    if (event->kind == SW_REDIS_ERROR) {
        on_greeting_error(link, greeting, event->text);
    } else if (event->kind != (greeting == SW_REDIS_HELLO_PING ? SW_REDIS_PONG : SW_REDIS_STATUS)) {
        sw_redis_link_fail(link, "the server answers something else than Redis does");
    }
    if (link->state == SW_REDIS_GREETING && link->greeted == link->greetings) {
        link->state = SW_REDIS_READY;
        sw_loop_timer_stop(link->loop, &link->deadline);
    }
}

static void on_event(void *owner, const struct sw_redis_event *event)
{
    struct sw_redis_link *link = owner;
    if (link->state == SW_REDIS_GREETING) {
        on_greeting(link, event);
    } else if (link->state == SW_REDIS_READY) {
        link->on_event(link->owner, event);
    }
}

/* ---- the connection ---- */

static void on_up(void *owner)
{
    struct sw_redis_link *link = owner;
    if (link->state == SW_REDIS_OPENING) {
        link->state = SW_REDIS_GREETING;
        write_greeting(link);
        sw_loop_stay_awake(link->loop);
    }
}

static void on_down(void *owner, int status)
{
    struct sw_redis_link *link = owner;
    sw_redis_link_fail(link, "%s", status_text(status));
}

static void on_deadline(struct sw_timer *timer)
{
    struct sw_redis_link *link = SW_CONTAINER_OF(timer, struct sw_redis_link, deadline);
    if (link->state == SW_REDIS_OPENING) {
        sw_redis_link_fail(link, "no connection within %d ms", DEADLINE_MS);
    } else {
        sw_redis_link_fail(link, "connected, but no answer within %d ms", DEADLINE_MS);
    }
}

static bool on_bytes(void *owner, const char *data, size_t size)
{
    struct sw_redis_link *link = owner;
    if (link->state != SW_REDIS_GREETING && link->state != SW_REDIS_READY) {
        return false;
    }
    link->heard_bytes += size;
    if (sw_redis_reader_feed(&link->reader, data, size)) {
        return true;
    }
    sw_redis_link_fail(link, "%s", link->reader.why);
    return false;
}

bool sw_redis_link_pump(struct sw_redis_link *link)
{
    if (link->state != SW_REDIS_GREETING && link->state != SW_REDIS_READY) {
        return false;
    }
    size_t unwritten = sw_outgoing_unwritten(link->outgoing);
    bool more =
        sw_outgoing_pump(link->outgoing, SW_REDIS_TURN_BYTES, SW_REDIS_SLICE_BYTES, on_bytes);
    if (!sw_outgoing_is_up(link->outgoing)) {
        link->lost_bytes = unwritten; /* nothing is sent while it reads */
    }
    return more && link->state != SW_REDIS_FAILED;
}

void sw_redis_link_flush(struct sw_redis_link *link)
{
    if ((link->state != SW_REDIS_GREETING && link->state != SW_REDIS_READY) ||
        link->out.size == 0) {
        return;
    }
    link->handed_bytes += link->out.size; /* before: on_down may come from within */
    sw_outgoing_write(link->outgoing, link->out.data, link->out.size);
    sw_buf_clear(&link->out);
    if (link->out.capacity > KEEP_BYTES) {
        sw_buf_deinit(&link->out);
    }
}

uint64_t sw_redis_link_written(const struct sw_redis_link *link)
{
    return link->handed_bytes - link->lost_bytes - sw_outgoing_unwritten(link->outgoing);
}

/* ---- life ---- */

/* Redis takes no spaces and no control bytes in a name. */
static char *make_name(const char *node, const char *role)
{
    struct sw_buf name = {0};
    sw_buf_printf(&name, "spillway-%s-%s", node, role);
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] < '!' || name.data[i] > '~') {
            name.data[i] = '_';
        }
    }
    char *text = sw_strndup(name.data, name.size);
    sw_buf_deinit(&name);
    return text;
}

void sw_redis_link_init(struct sw_redis_link *link, struct sw_loop *loop,
                        const struct sw_redis_url *url, const char *node, const char *role,
                        void (*on_owner_event)(void *owner, const struct sw_redis_event *event),
                        void *owner)
{
    static const struct sw_outgoing_events events = {.on_up = on_up, .on_down = on_down};
    *link = (struct sw_redis_link){
        .loop = loop,
        .url = url,
        .name = make_name(node, role),
        .on_event = on_owner_event,
        .owner = owner,
    };
    link->outgoing = sw_outgoing_create(loop, &events, link);
    sw_redis_reader_init(&link->reader, SW_REDIS_BULK_BYTES, on_event, link);
    sw_timer_init(&link->deadline, on_deadline);
}

void sw_redis_link_open(struct sw_redis_link *link)
{
    SW_ASSERT(link->state == SW_REDIS_CLOSED);
    link->state = SW_REDIS_OPENING;
    link->greetings = 0;
    link->greeted = 0;
    link->handed_bytes = 0;
    link->lost_bytes = 0;
    link->why[0] = '\0';
    sw_loop_timer_start(link->loop, &link->deadline, DEADLINE_MS);
    sw_outgoing_open(link->outgoing, link->url->host, link->url->port, CONNECT_MS);
}

void sw_redis_link_close(struct sw_redis_link *link)
{
    link->state = SW_REDIS_CLOSED;
    sw_loop_timer_stop(link->loop, &link->deadline);
    sw_outgoing_close(link->outgoing);
    sw_redis_reader_reset(&link->reader);
    sw_buf_clear(&link->out);
}

void sw_redis_link_deinit(struct sw_redis_link *link)
{
    sw_redis_link_close(link);
    sw_outgoing_destroy(&link->outgoing);
    sw_redis_reader_deinit(&link->reader);
    sw_buf_deinit(&link->out);
    sw_free(link->name);
    link->name = NULL;
}
