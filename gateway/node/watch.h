// SPDX-License-Identifier: Apache-2.0
/* What main looks at once a second, for /live and /ready: does every loop turn, and has the bus
 * been there for long enough? Each loop has a timer that makes it turn though nothing happens, so
 * one that does not turn between several looks hangs. Looks are counted and not time: who stops the
 * whole process, main with it, makes nobody hang. */
#ifndef SW_NODE_WATCH_H
#define SW_NODE_WATCH_H

#include "common/buf.h"
#include "core/counters.h"
#include "net/loop.h"

/* One loop. */
struct sw_pulse {
    const char *role; /* borrowed */
    struct sw_loop *loop;
    struct sw_timer timer; /* on that loop */
    uint64_t turns;        /* at the last look, */
    uint64_t turned_ms;    /* which was the first to see them then */
    unsigned looks;        /* that saw nothing else since */
    bool stalled;
};

/* Whether the bus is there, without its flapping. */
struct sw_presence {
    bool up;
    bool away;         /* down for SW_AWAY_MS, and not up again for SW_BACK_MS since */
    uint64_t since_ms; /* `up` is so */
};

struct sw_watch {
    struct sw_loop *loop; /* main's */
    struct sw_timer timer;
    struct sw_pulse *pulses;
    unsigned count;
    struct sw_presence bus;
    bool (*bus_up)(void *owner);
    void *owner;
    struct sw_counters *counters; /* main's */
};

/* ---- what it looks at, without any of it ---- */

/* Returns whether `stalled` changed. */
bool sw_pulse_look(struct sw_pulse *pulse, uint64_t turns, uint64_t now_ms);
void sw_presence_look(struct sw_presence *presence, bool up, uint64_t now_ms);

/* ---- the watch: main's thread ---- */

/* Before the loops run. `loop`, `counters`, `bus_up` and `owner` are set, and of each pulse `role`
 * and `loop`. */
void sw_watch_start(struct sw_watch *watch);
/* When the loops run no more. */
void sw_watch_stop(struct sw_watch *watch);
/* Do all loops turn? Appends the answer of /live. */
bool sw_watch_tell(const struct sw_watch *watch, struct sw_buf *out);

#endif
