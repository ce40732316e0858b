// SPDX-License-Identifier: Apache-2.0
/* What waits for Redis' answer on the commands' link, in the order in which it was asked: Redis
 * answers in that order. Invariant: the first deadline is the earliest. */
#ifndef SW_BUS_REDIS_FIFO_H
#define SW_BUS_REDIS_FIFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sw_redis_ask {
    SW_REDIS_ASK_PING,
    SW_REDIS_ASK_CANARY,
    SW_REDIS_ASK_PUBLISH, /* subject: struct sw_publish, by PUBLISH */
    SW_REDIS_ASK_KEEP,    /* likewise, by the function */
    SW_REDIS_ASK_READ,    /* subject: struct sw_history_read */
    SW_REDIS_ASK_VALUE,   /* subject: struct sw_value_read */
    SW_REDIS_ASK_SETTING, /* what is written into a meta; nobody waits for it */
    SW_REDIS_ASK_ROLE,    /* is the server a master? */
    SW_REDIS_ASK_VERSION, /* of the function library */
    SW_REDIS_ASK_LOAD,
    SW_REDIS_ASK_SERVER, /* who it is, and what may be done there */
};

struct sw_redis_waiting {
    union {
        void *subject;   /* NULL where nobody is to be told */
        uint64_t canary; /* its number */
        uint64_t number; /* SERVER: which question */
    };
    uint64_t end; /* the place behind its last byte among all bytes of this link */
    uint64_t deadline_ms;
    uint8_t ask;     /* enum sw_redis_ask */
    uint8_t answers; /* that are still to come */
    uint8_t tries;   /* KEEP: how often it was asked before */
};

struct sw_redis_fifo {
    struct sw_redis_waiting *waiting; /* a ring, oldest at `head` */
    size_t capacity;                  /* a power of two, or 0 */
    size_t head;
    size_t count;
};

void sw_redis_fifo_push(struct sw_redis_fifo *fifo, struct sw_redis_waiting waiting);
/* The oldest, which stays; NULL where nothing waits. Lives until the next push or pop. */
struct sw_redis_waiting *sw_redis_fifo_first(const struct sw_redis_fifo *fifo);
/* Something must wait. */
struct sw_redis_waiting sw_redis_fifo_pop(struct sw_redis_fifo *fifo);
/* Nothing may wait any more. */
void sw_redis_fifo_deinit(struct sw_redis_fifo *fifo);

#endif
