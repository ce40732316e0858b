// SPDX-License-Identifier: Apache-2.0
/* A request that main cannot answer alone: it asks other roles, each by a report, and the reply
 * waits for all of them or for its deadline. A role that stands still then is left out, and the
 * reply says "partial":true. Rounds may follow one another; what comes back late is only freed. A
 * client that leaves first loses only the reply. Belongs to main's loop.
 *
 * An order is an ask by which something is done: no role is left out, however much it owes, and it
 * goes on without the one who gave it.
 *
 * Life: begin -> (ask ... await -> on_round)+ -> answered by on_round -> freed when all are back.
 */
#ifndef SW_API_ASK_H
#define SW_API_ASK_H

#include "bus/report.h"
#include "http/server.h"

/* Who can be asked. Borrowed. */
struct sw_roles {
    struct sw_loop *loop;   /* main's */
    struct sw_inbox *inbox; /* main's: where reports come back */
    struct sw_inbox *const *workers;
    uint32_t worker_count;
    uint32_t *asked; /* of each worker, then of the bus: reports that are not back */
    struct sw_bus *bus;
    const char *node;
    char separator;
};

struct sw_ask {
    const struct sw_roles *roles;
    struct sw_http *http; /* NULL: answered, or the client has left, or there is none */
    struct sw_timer deadline;
    struct sw_report *answers; /* of this round, linked by post.next; owned */
    uint32_t out;              /* reports that are not back */
    uint32_t awaited;          /* of this round: reports, and what sw_ask_expect added */
    uint32_t round;
    bool order;
    bool over;    /* nobody waits for it any more */
    bool partial; /* somebody did not answer in time */
    /* The round is over: replies to `http`, or asks and awaits anew. */
    void (*on_round)(struct sw_ask *ask);
    void (*destroy)(struct sw_ask *ask);
};

/* Defers the request. `ask` is the caller's, embedded or not, until `destroy`. */
void sw_ask_begin(struct sw_ask *ask, const struct sw_roles *roles, struct sw_http *http,
                  void (*on_round)(struct sw_ask *ask), void (*destroy)(struct sw_ask *ask));
/* The same for an order; `http` is NULL where no client gave it. The caller bounds how many there
 * are. */
void sw_ask_begin_order(struct sw_ask *ask, const struct sw_roles *roles, struct sw_http *http,
                        void (*on_round)(struct sw_ask *ask), void (*destroy)(struct sw_ask *ask));
/* Takes `report`. `role`: the worker's number, or behind them the bus. Who owes SW_REPORTS_OUT
 * answers is not asked, unless it is an order: the answer is partial. */
void sw_ask_role(struct sw_ask *ask, uint32_t role, struct sw_inbox *inbox,
                 struct sw_report *report);
/* Everybody is asked: they have so long. */
void sw_ask_await(struct sw_ask *ask, uint32_t ms);
/* Something that is no report is awaited in this round as well, until it is met; not after the
 * round. sw_ask_met may end the round, and free `ask`. */
void sw_ask_expect(struct sw_ask *ask);
void sw_ask_met(struct sw_ask *ask);
/* `ask` is not freed in between: somebody else has it. */
void sw_ask_hold(struct sw_ask *ask);
void sw_ask_let_go(struct sw_ask *ask);
/* The round is over, with what has come so far. */
void sw_ask_cut(struct sw_ask *ask);
/* The round's answers are not needed any more. */
void sw_ask_forget(struct sw_ask *ask);
/* Replies 200 with `body`, where a client is left to hear it; the last thing that on_round does. */
void sw_ask_reply(struct sw_ask *ask, const struct sw_buf *body);

/* ---- what stands behind the '?' ---- */

struct sw_parameter {
    const char *name;
    struct sw_buf value; /* decoded; freed by the caller */
    bool given;
};

/* Fills in the parameters. False: one is unknown, stands twice or is badly encoded, and a 400 that
 * shows `expected` was replied. */
bool sw_ask_query(struct sw_http *http, const struct sw_request *request,
                  struct sw_parameter *parameters, size_t count, const char *expected);
/* A limit of rows, 1 to SW_REPORT_LIMIT. False: 400 was replied. */
bool sw_ask_limit(struct sw_http *http, const struct sw_parameter *parameter, uint32_t *limit);

#endif
