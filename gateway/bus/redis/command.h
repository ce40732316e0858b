// SPDX-License-Identifier: Apache-2.0
/* What is asked on the commands' link, pipelined: publishes, reads of histories and values, and the
 * function library behind them. A publish is a PUBLISH, or, for a topic with history or with an
 * idempotency id, a call of the library's function. Sans-I/O: commands are appended to the link's
 * buffer, answers and the link's end are told to it. The exchange bounds what waits.
 *
 * What is sent twice: a publish that did not find the function (it is loaded, and asked again, in
 * the order in which they came), one that is told TRYAGAIN, and one with an idempotency id whose
 * link broke, as long as its deadline lives: the function knows it again.
 *
 * Invariant: every publish and read that was taken comes back exactly once. */
#ifndef SW_BUS_REDIS_COMMAND_H
#define SW_BUS_REDIS_COMMAND_H

#include "bus/backend.h"
#include "bus/redis/fifo.h"
#include "bus/redis/health.h"
#include "bus/redis/library.h"
#include "bus/redis/read.h"
#include "bus/redis/server.h"
#include "common/list.h"
#include "common/ring.h"

/* A publish whose answer does not come: the link is dropped. One that is kept over a lost link has
 * as long altogether. */
#define SW_REDIS_REPLY_MS 5000

struct sw_redis_commands {
    struct sw_exchange *exchange;
    struct sw_buf *out;    /* the link's, borrowed */
    const uint64_t *begin; /* the link's: which of all its bytes is the first of `out` */
    struct sw_redis_fifo fifo;
    struct sw_redis_library library;
    struct sw_redis_server server;
    struct sw_ring again;         /* publishes to be sent again, */
    struct sw_ring held;          /* and behind them new ones that wait for the function */
    struct sw_ring refused_reads; /* to be answered at the turn's end */
    struct sw_ring refused_values;
    struct sw_list left_out;             /* what is too large to be read, by name */
    bool keeps;                          /* some rule has history */
    bool role_asked;                     /* in this turn */
    bool canary_refused;                 /* this user may not publish it */
    uint64_t canary;                     /* the newest that was answered; 0: none */
    const char *fault;                   /* why the link must end; NULL: it need not */
    char read_error[SW_REDIS_WHY_BYTES]; /* the first of what is being answered; "" where there is
                                            none */
    char publish_said[128];              /* the last error reply of this link that was logged */
    char read_said[SW_REDIS_WHY_BYTES];
};

/* `out` and `begin` are borrowed. */
void sw_redis_commands_init(struct sw_redis_commands *commands, struct sw_exchange *exchange,
                            struct sw_buf *out, const uint64_t *begin);
/* Nothing may wait any more. */
void sw_redis_commands_deinit(struct sw_redis_commands *commands);
/* The link is ready: where a rule has history, asks whether this server can serve it. */
void sw_redis_commands_prepare(struct sw_redis_commands *commands, uint64_t now_ms);
/* Is that answered? */
bool sw_redis_commands_prepared(const struct sw_redis_commands *commands);
/* Publishes that were kept over a lost link are sent again. */
void sw_redis_commands_up(struct sw_redis_commands *commands, uint64_t now_ms);
/* Takes `publish`. */
void sw_redis_commands_publish(struct sw_redis_commands *commands, struct sw_publish *publish,
                               uint64_t now_ms);
/* Borrow `read` until it is answered. */
void sw_redis_commands_read(struct sw_redis_commands *commands, struct sw_history_read *read,
                            uint64_t now_ms);
void sw_redis_commands_get(struct sw_redis_commands *commands, struct sw_value_read *read,
                           uint64_t now_ms);
/* Likewise while there is no link: it will be told so. */
void sw_redis_commands_refuse_read(struct sw_redis_commands *commands, struct sw_history_read *read,
                                   enum sw_read_outcome outcome, enum sw_error error);
void sw_redis_commands_refuse_get(struct sw_redis_commands *commands, struct sw_value_read *read);
/* The turn's end: what was refused is told. True: more has been refused meanwhile. */
bool sw_redis_commands_settle(struct sw_redis_commands *commands);
/* Appends the PUBLISH of a canary. */
void sw_redis_commands_canary(struct sw_redis_commands *commands, struct sw_slice channel,
                              uint64_t number, uint64_t now_ms);
/* Appends a PING; only where nothing waits, since any answer says as much. */
void sw_redis_commands_ping(struct sw_redis_commands *commands, uint64_t now_ms);
/* An answer for the oldest. To a publish: an integer says how many received it, a string is the
 * position, NOPERM is FORBIDDEN, no such command UNSUPPORTED, OOM OVERLOADED, other errors are
 * INTERNAL. False: no answer to anything that waits; the link is out of step. Look at `fault`
 * behind it. */
bool sw_redis_commands_answer(struct sw_redis_commands *commands,
                              const struct sw_redis_event *event, uint64_t now_ms);
/* The answer to the oldest is too large to be read, and the link ends: it is not asked for again
 * before SW_REDIS_LEFT_OUT_MS (interest.h), so that one publisher cannot make an outage that
 * repeats. */
void sw_redis_commands_too_large(struct sw_redis_commands *commands, uint64_t now_ms);
/* Has the oldest waited too long? */
bool sw_redis_commands_overdue(const struct sw_redis_commands *commands, uint64_t now_ms);
/* What is kept to be sent again and has waited too long is given back. */
void sw_redis_commands_look(struct sw_redis_commands *commands, uint64_t now_ms);
/* The link is lost; of all its bytes `written` had left. Reads come back AWAY; publishes
 * BUS_UNAVAILABLE, with an unknown outcome where Redis may have read it whole; those with an
 * idempotency id are kept until they are sent again. */
void sw_redis_commands_lost(struct sw_redis_commands *commands, uint64_t written);

#endif
