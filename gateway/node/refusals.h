// SPDX-License-Identifier: Apache-2.0
/* What is said to connections that a worker refuses as they come: words while there is time for
 * them, then a RST, since a storm shall cost the connected nothing. A member of its worker. */
#ifndef SW_NODE_REFUSALS_H
#define SW_NODE_REFUSALS_H

#include "common/bucket.h"
#include "common/random.h"
#include "core/counters.h"
#include "net/loop.h"

/* Its request decides what it hears, and is on its way. */
struct sw_refused {
    int fd;
    enum sw_refusal why;
    uint64_t since_ms;
};

struct sw_refusals {
    struct sw_loop *loop;
    struct sw_timer timer;
    struct sw_refused waiting[SW_REFUSED_WAITING];
    unsigned waiting_count;
    struct sw_bucket answers; /* that are given in words */
    struct sw_random *random;
    bool balanced;  /* a balancer stands before the node, and passes over who says 503 */
    char full[512]; /* the whole answer to who comes when the node is full */
    size_t full_size;
    char often[512]; /* ... and to whose address comes too often */
    size_t often_size;
};

/* Borrows. `rate`: of answers, a second. */
void sw_refusals_init(struct sw_refusals *refusals, struct sw_loop *loop, struct sw_random *random,
                      uint64_t rate, bool balanced);
void sw_refusals_deinit(struct sw_refusals *refusals);
/* Answers and closes an accepted connection. `tls`: by an alert, since there was no handshake. */
void sw_refusals_answer(struct sw_refusals *refusals, int fd, enum sw_refusal why, bool tls);

#endif
