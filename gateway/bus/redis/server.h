// SPDX-License-Identifier: Apache-2.0
/* Who the server is, and whether this node's user may read what rules with history need there:
 * asked whenever the links come up and said in one line of the log, so that what lacks is known
 * before somebody needs it. Each right is tried with a command that changes nothing, on a key that
 * nobody has. Publishing and subscribing need no trial: canaries and the mailbox are one. */
#ifndef SW_BUS_REDIS_SERVER_H
#define SW_BUS_REDIS_SERVER_H

#include "bus/redis/fifo.h"
#include "bus/redis/reader.h"

struct sw_redis_server {
    const char *user;  /* borrowed; NULL: Redis' own default */
    bool history;      /* rules need rights for it, and INFO is one of them */
    char missing[120]; /* the rights that were refused, as ACL SETUSER takes them */
    char why[120];     /* Redis' words about the first of them */
    char said[512];    /* the last line of the log, so that each change is said once */
};

/* Appends the questions; `history`: with those that rules with history need. */
void sw_redis_server_ask(struct sw_redis_server *server, struct sw_redis_fifo *fifo,
                         struct sw_buf *out, struct sw_slice prefix, bool history, uint64_t now_ms);
/* An answer to one of them; `number` is what its row in the FIFO has. The last one is logged. */
void sw_redis_server_answer(struct sw_redis_server *server, uint64_t number,
                            const struct sw_redis_event *event);

#endif
