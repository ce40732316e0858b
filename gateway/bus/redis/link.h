// SPDX-License-Identifier: Apache-2.0
/* One link to Redis: the connection, its greeting (AUTH, SELECT, CLIENT SETNAME, PING) with one
 * deadline over it all, what is collected to be written in this turn, and why it ended, in words.
 * Its owner looks at `state` in its turn: nothing here closes a link by itself or calls back but
 * with events, so no caller has to fear that a link goes away under it. */
#ifndef SW_BUS_REDIS_LINK_H
#define SW_BUS_REDIS_LINK_H

#include "bus/redis/reader.h"
#include "bus/redis/redis.h"
#include "net/outgoing.h"

enum sw_redis_link_state {
    SW_REDIS_CLOSED,
    SW_REDIS_OPENING,  /* name resolution and connect */
    SW_REDIS_GREETING, /* the greeting is sent; its answers are waited for */
    SW_REDIS_READY,    /* events go to the owner, what is in `out` is written by flush */
    SW_REDIS_FAILED,   /* `why` says it; to be closed */
};

enum sw_redis_greeting { SW_REDIS_AUTH, SW_REDIS_SELECT, SW_REDIS_NAME, SW_REDIS_HELLO_PING };

struct sw_redis_link {
    struct sw_loop *loop;
    const struct sw_redis_url *url;
    char *name; /* what CLIENT LIST shows; own */
    struct sw_outgoing *outgoing;
    struct sw_redis_reader reader;
    struct sw_timer deadline; /* of opening and greeting */
    enum sw_redis_link_state state;
    enum sw_redis_greeting greeting[4]; /* in order; `greeted` of `greetings` are answered */
    unsigned greetings;
    unsigned greeted;
    struct sw_buf out;     /* commands of this turn */
    uint64_t handed_bytes; /* given to the connection since it was opened */
    uint64_t lost_bytes;   /* of these, what it had not sent when it broke, as far as is known */
    uint64_t heard_bytes;  /* read since it was made */
    void (*on_event)(void *owner, const struct sw_redis_event *event);
    void *owner;
    char why[256];
};

/* `url`, `owner` are borrowed; `node` and `role` make the link's name, "spillway-<node>-<role>". */
void sw_redis_link_init(struct sw_redis_link *link, struct sw_loop *loop,
                        const struct sw_redis_url *url, const char *node, const char *role,
                        void (*on_event)(void *owner, const struct sw_redis_event *event),
                        void *owner);
/* From CLOSED to OPENING; then READY or FAILED within the deadline. */
void sw_redis_link_open(struct sw_redis_link *link);
/* To CLOSED, from anywhere but inside an event. `why` stays readable. */
void sw_redis_link_close(struct sw_redis_link *link);
/* To FAILED, unless it is CLOSED or FAILED already: the first reason stays. From anywhere, inside
 * events too; no further event comes. */
void sw_redis_link_fail(struct sw_redis_link *link, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* An error reply that makes the link useless (NOAUTH, LOADING, ...): fails it with clear words.
 * False: it is another one. */
bool sw_redis_link_fatal(struct sw_redis_link *link, struct sw_slice error);
/* Reads what has come, up to SW_REDIS_TURN_BYTES. True: more may be waiting. */
bool sw_redis_link_pump(struct sw_redis_link *link);
/* Writes `out` by one call. */
void sw_redis_link_flush(struct sw_redis_link *link);
/* How many of the bytes that ever stood in `out` since it was opened may have left for the server;
 * the rest has certainly not. */
uint64_t sw_redis_link_written(const struct sw_redis_link *link);
void sw_redis_link_deinit(struct sw_redis_link *link);

/* Appends the head of a command of `count` arguments, and an argument. */
void sw_redis_put_command(struct sw_buf *out, size_t count);
void sw_redis_put_argument(struct sw_buf *out, struct sw_slice argument);
/* The same in two pieces: the size first, then its bytes by the caller, then the end. */
void sw_redis_put_size(struct sw_buf *out, size_t size);
void sw_redis_put_end(struct sw_buf *out);

/* A copy of an error reply that may be logged: the arguments that some servers echo are cut off,
 * since they may hold a password. Returns `out`. */
const char *sw_redis_error_text(char *out, size_t capacity, struct sw_slice error);
/* The first word of an error reply, such as NOPERM. */
bool sw_redis_error_is(struct sw_slice error, const char *word);

#endif
