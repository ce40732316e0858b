// SPDX-License-Identifier: Apache-2.0
/* The bus's side of one worker: the batch that is being filled for it, and what it could not take.
 * When the worker's inbox is full, a message becomes a count on its reader: one gap mark, posted
 * before anything else of that reader, or as soon as there is room. Owned by the exchange; the
 * bus's loop.
 *
 * Invariant: a reader hangs on `gapped` exactly while it has a gap that was not posted yet, and
 * then no later entry of it was posted either. */
#ifndef SW_BUS_OUTLET_H
#define SW_BUS_OUTLET_H

#include "bus/lent.h"
#include "common/list.h"

/* One tape of one worker that reads an interest. */
struct sw_exchange_reader {
    struct sw_exchange_reader *next; /* of the same interest */
    struct sw_list gapped;           /* on its outlet's list while a gap waits */
    uint32_t worker;
    uint32_t tape;
    uint32_t generation;
    bool joined; /* it has had its state: what comes now is for it */
    /* of the gap that waits, as struct sw_outlet_gap: */
    uint8_t shed;
    uint32_t count;
    uint32_t span;
    uint64_t from;
};

/* Messages that are missing at one place. */
struct sw_outlet_gap {
    uint32_t count; /* 0: unknown */
    uint32_t span;  /* offsets `from` to from + span - 1 are among them; 0: none has a position */
    uint64_t from;
    enum sw_shed shed;
};

struct sw_outlet {
    uint32_t worker;
    uint32_t lent;          /* batches that the worker has not handed back */
    struct sw_inbox *inbox; /* the worker's; borrowed */
    struct sw_counters *counters;
    struct sw_purse *purse;
    struct sw_batch *open; /* NULL: nothing to post */
    struct sw_batch *spare;
    uint32_t spares;
    struct sw_list gapped;
};

/* `purse`: what messages are charged to, by who makes them; may be NULL. */
struct sw_outlet *sw_outlet_create(uint32_t worker, struct sw_inbox *inbox,
                                   struct sw_counters *counters, struct sw_purse *purse);
/* The batch that was not posted is freed with it. */
void sw_outlet_destroy(struct sw_outlet *outlet);

/* Takes a reference of its own; NULL: there is nothing to say but that the join is done. */
void sw_outlet_state(struct sw_outlet *outlet, struct sw_exchange_reader *reader,
                     struct sw_topic_state *state);
/* Takes a reference of its own. */
void sw_outlet_run(struct sw_outlet *outlet, struct sw_exchange_reader *reader, struct sw_run *run);
/* A gap of it that waits is forgotten. */
void sw_outlet_refused(struct sw_outlet *outlet, struct sw_exchange_reader *reader,
                       enum sw_error error);
/* Takes a reference of its own, or counts it as a gap. `offset` 0: it has no position. */
void sw_outlet_message(struct sw_outlet *outlet, struct sw_exchange_reader *reader,
                       struct sw_message *message, uint64_t offset);
/* Without room it is merged into the gap that waits: different reasons become NODE, and unknown
 * with anything is unknown, for FEED; offsets of both follow one upon the other. */
void sw_outlet_gap(struct sw_outlet *outlet, struct sw_exchange_reader *reader,
                   const struct sw_outlet_gap *gap);
/* For the whole worker: the bus is stale since then, or live again. Gaps that wait go before it,
 * room or not, so that who is told of it can know what was lost. */
void sw_outlet_feed(struct sw_outlet *outlet, bool stale, uint64_t since_ms);
/* The reader goes away: a gap of it that waits is not told any more. */
void sw_outlet_forget(struct sw_exchange_reader *reader);
/* The turn's end: posts the gaps that now have room, then the batch. A worker that is far behind
 * gets full batches only; the rest waits until it hands one back. */
void sw_outlet_close(struct sw_outlet *outlet);
/* A batch came back: its messages are let go. */
void sw_outlet_returned(struct sw_outlet *outlet, struct sw_batch *batch);

#endif
