// SPDX-License-Identifier: Apache-2.0
/* Runs: parts of a topic's history that readers of a tape have asked for, rendered once for all of
 * them. A run is kept while a cursor stands in it, and else as long as there is room: those that
 * were used last, up to SW_RUNS_BYTES of a worker, none while memory is short. Its blocks are
 * charged like all others.
 *
 * Invariant: a tape's runs are sorted by number, each number is there once. */
#ifndef SW_FANOUT_RUN_H
#define SW_FANOUT_RUN_H

#include "fanout/fanout.h"

struct sw_run_kept {
    struct sw_list used; /* fanout's `runs` */
    uint64_t number;     /* of the offsets that it is about */
    uint64_t to;         /* what is absent, and not above this offset, is gone */
    uint32_t bytes;      /* of memory */
    uint32_t standing;   /* cursors in it */
    uint32_t tape;
    bool listed;             /* its tape finds it */
    bool lacks;              /* some of its messages are gone */
    struct sw_block *blocks; /* its frames; NULL: it has none */
};

/* Rendered, in place of the one of the same number. */
void sw_run_keep(struct sw_fanout *fanout, struct sw_tape *tape, const struct sw_run *run);
/* The tape's run of that number, or NULL. */
struct sw_run_kept *sw_run_find(const struct sw_tape *tape, uint64_t number);
/* The block that holds the message at `offset`, and the frame that it is; or NULL. */
struct sw_block *sw_run_seek(const struct sw_run_kept *run, uint64_t offset, uint32_t *frame);
/* The first offset behind `offset` that the run holds; 0: none. */
uint64_t sw_run_next(const struct sw_run_kept *run, uint64_t offset);
/* A cursor stands in it; it is the one used last. */
void sw_run_stand(struct sw_fanout *fanout, struct sw_run_kept *run);
void sw_run_leave(struct sw_fanout *fanout, struct sw_run_kept *run);
/* The tape finds none of its runs any more. */
void sw_runs_forget(struct sw_fanout *fanout, struct sw_tape *tape);
/* Those that there is no room for go. */
void sw_runs_trim(struct sw_fanout *fanout);

#endif
