// SPDX-License-Identifier: Apache-2.0
/* Main's side of leaving (a worker's is node/drain.c). Readiness goes first and everything else
 * goes on, until the balancers have heard of it; then the workers let nobody new in and see their
 * clients off; when the last of them has, the node ends. Belongs to main's loop. */
#ifndef SW_NODE_LEAVE_H
#define SW_NODE_LEAVE_H

#include "core/counters.h"
#include "net/loop.h"
#include "node/config.h"

enum sw_leave_phase {
    SW_LEAVE_NOT,    /* it serves */
    SW_LEAVE_HEARD,  /* not ready any more, for drain_delay_ms */
    SW_LEAVE_DRAINS, /* the workers drain */
};

struct sw_leave {
    struct sw_loop *loop;
    const struct sw_config *config;
    const _Atomic uint32_t *connections; /* of the node */
    struct sw_counters *counters;        /* main's */
    /* The workers are to drain. */
    void (*on_drain)(void *owner);
    void *owner;
    enum sw_leave_phase phase;
    struct sw_timer timer;
    uint64_t begun_ms;
    uint64_t until_ms; /* HEARD: the end of the delay; DRAINS: by when it must be over */
};

/* Everything borrowed, and filled in by the caller but what stands behind `owner`. */
void sw_leave_init(struct sw_leave *leave);
void sw_leave_deinit(struct sw_leave *leave);
/* Begins, if it has not begun. `hurried`: somebody waits at a terminal; the delay is left out, also
 * where it is under way. */
void sw_leave_start(struct sw_leave *leave, bool hurried);
/* {"status":"draining","connections":12,"deadline_ms":15500}: how many are left, and in how many
 * milliseconds the node will be gone at the latest. */
void sw_leave_tell(const struct sw_leave *leave, struct sw_buf *out);
/* The last client has left: says how they did. `blocks`: the counters of all roles. */
void sw_leave_done(const struct sw_leave *leave, const struct sw_counters *const *blocks);

#endif
