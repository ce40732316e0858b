// SPDX-License-Identifier: Apache-2.0
/* Publishes on the commands' link: pipelined PUBLISH, and a FIFO of those that wait for Redis'
 * answer. Sans-I/O: commands are appended to a buffer, answers and the link's end are told to it.
 * The exchange bounds what waits. Invariants: every publish that was taken comes back exactly once
 * by sw_exchange_published; the first deadline of the FIFO is its earliest. */
#ifndef SW_BUS_REDIS_COMMAND_H
#define SW_BUS_REDIS_COMMAND_H

#include "bus/redis/health.h"
#include "bus/redis/reader.h"

/* A publish whose answer does not come: the link is dropped. */
#define SW_REDIS_REPLY_MS 5000

struct sw_redis_waiting {
    struct sw_publish *publish; /* NULL: a canary or a PING */
    uint64_t canary;            /* its number; 0: none */
    uint64_t end;               /* the place behind its last byte among all bytes of this link */
    uint64_t deadline_ms;
};

struct sw_redis_commands {
    struct sw_exchange *exchange;
    struct sw_redis_waiting *waiting; /* a ring, oldest at `head` */
    size_t capacity;                  /* a power of two, or 0 */
    size_t head;
    size_t count;
    uint64_t canary;     /* the newest that was answered; 0: none */
    bool canary_refused; /* this user may not publish it */
    char error[128];     /* the last error reply of this link that was logged */
};

void sw_redis_commands_init(struct sw_redis_commands *commands, struct sw_exchange *exchange);
/* Nothing may wait any more. */
void sw_redis_commands_deinit(struct sw_redis_commands *commands);
/* Takes `publish` and appends its command to `out`, whose first byte is byte number `begin` of the
 * link. */
void sw_redis_commands_publish(struct sw_redis_commands *commands, struct sw_buf *out,
                               uint64_t begin, struct sw_publish *publish, uint64_t now_ms);
/* Appends the PUBLISH of a canary. */
void sw_redis_commands_canary(struct sw_redis_commands *commands, struct sw_buf *out,
                              struct sw_slice channel, uint64_t number, uint64_t now_ms);
/* Appends a PING; only where nothing waits, since any answer says as much. */
void sw_redis_commands_ping(struct sw_redis_commands *commands, struct sw_buf *out,
                            uint64_t now_ms);
/* An answer for the oldest: an integer is good and says how many received it, NOPERM is FORBIDDEN,
 * other errors are INTERNAL. False: no answer to anything that waits; the link is out of step. */
bool sw_redis_commands_answer(struct sw_redis_commands *commands,
                              const struct sw_redis_event *event);
/* Has the oldest waited too long? */
bool sw_redis_commands_overdue(const struct sw_redis_commands *commands, uint64_t now_ms);
/* The link is lost; of all its bytes `written` had left. Every publish comes back BUS_UNAVAILABLE,
 * with an unknown outcome where Redis may have read it whole. */
void sw_redis_commands_lost(struct sw_redis_commands *commands, uint64_t written);

#endif
