// SPDX-License-Identifier: Apache-2.0
/* What a tape knows of its topic's history, and where a message of it can be read: on the tape,
 * while somebody holds its block, or in a run that the bus was asked for.
 *
 * The stream may be called otherwise from some message on: then that stands on the tape. Or it is
 * another one than it was (it forked): then all who read the tape let go of it at once, each is
 * judged by where it stands, and what is appended from there on is the new stream's alone. */
#ifndef SW_FANOUT_HISTORY_H
#define SW_FANOUT_HISTORY_H

#include "fanout/fanout.h"

void sw_history_destroy(struct sw_fanout *fanout, struct sw_tape *tape);

/* Remembers why the gap's offsets are missing. */
void sw_history_mark(struct sw_tape *tape, const struct sw_gap *gap);
/* Why the message at `offset`, which is gone, is missing; `*until`, an offset that is gone as well,
 * becomes the last one up to which that is the reason. */
enum sw_shed sw_history_reason(const struct sw_tape *tape, uint64_t offset, uint64_t *until);

/* The name of that number; none where it is too old to be known. */
struct sw_epoch sw_history_name(const struct sw_tape *tape, uint8_t epoch);
/* Does what somebody has seen up to there belong to the tape's stream? */
bool sw_history_holds(const struct sw_tape *tape, const struct sw_position *position);

enum sw_found_kind {
    SW_FOUND_PLACE, /* on the tape: frame `frame` of `block` */
    SW_FOUND_RUN,   /* the same in a run */
    SW_FOUND_GONE,  /* it is missing, as all up to `until` */
    SW_FOUND_NONE,  /* the bus must be asked */
};

struct sw_found {
    enum sw_found_kind kind;
    uint32_t frame;
    struct sw_block *block;
    struct sw_run_kept *run;
    uint64_t until;
};

/* Where the message at `offset` is, which is not above the tape's newest. */
struct sw_found sw_history_find(const struct sw_tape *tape, uint64_t offset);
/* Is any message behind that offset known to be gone? */
bool sw_history_lacks(const struct sw_tape *tape, uint64_t after);
/* Asks for the run of that offset, unless that is under way. */
void sw_tape_ask(struct sw_fanout *fanout, struct sw_tape *tape, uint64_t offset);

#endif
