// SPDX-License-Identifier: Apache-2.0
/* Topics with history. What this node holds of one is a claim: these are the messages up to `last`
 * of that epoch. The claim is judged by looks at the bus's own history; one is under way for each
 * topic at most, and what comes for the topic waits behind it. So everything that reaches a tape
 * stands in the history at the place it is told for, and what the history has reaches it.
 *
 *   AWAY -> LOOKING -> LIVE       AWAY: not subscribed; a look begins with the last ack
 *             ^  |      |         LIVE -> LOOKING: a message of another epoch, a hole, a check, the
 *             +--|------+           sweep
 *                v
 *              FAILED             it cannot be read: nobody gets it, until somebody joins later
 *
 * Good claim: what is missing is posted, as messages or, where the bus lacks them, as gaps. Not
 * good: the ring begins anew, and the tapes hear it by one state. Messages without a position are
 * passed on in the order in which they came. All on the bus's loop; the exchange owns it.
 *
 * Patterns do not wait for any of this: what they get has no position. */
#ifndef SW_BUS_HISTORY_HISTORY_H
#define SW_BUS_HISTORY_HISTORY_H

#include "bus/interests.h"
#include "bus/readers.h"

struct sw_envelope;

/* What all topics of a node share. */
struct sw_histories {
    struct sw_loop *loop;
    const struct sw_bus_config *config;
    struct sw_counters *counters;
    struct sw_purse *purse;
    struct sw_outlets *outlets;
    struct sw_interests *interests;
    struct sw_backend *backend;
    struct sw_random random;
    struct sw_timer sweep;
    struct sw_list topics; /* who is swept next is first */
    uint32_t count;
    struct sw_list pages; /* of all topics, the one that was used last at the end */
    size_t pages_bytes;
    uint32_t lookups;
    uint64_t ghost_said_ms;   /* when the log last spoke of a ghost; 0: never */
    uint64_t failure_said_ms; /* likewise, that reading fails */
    bool cleared;             /* nobody has an inbox any more */
};

struct sw_history;

/* All borrowed; the backend is set before a topic comes. */
void sw_histories_init(struct sw_histories *all, struct sw_loop *loop,
                       const struct sw_bus_config *config, struct sw_counters *counters,
                       struct sw_purse *purse, struct sw_outlets *outlets,
                       struct sw_interests *interests);
/* The topics are gone, and the backend has answered all looks. */
void sw_histories_deinit(struct sw_histories *all);
/* The node's memory has become shorter, or less short. */
void sw_histories_shrink(struct sw_histories *all);
/* Looks at the next `count` topics: the timer's work, and the tests'. */
void sw_histories_sweep(struct sw_histories *all, uint32_t count);

/* Of an interest whose topic's rule keeps a history; `rule` is borrowed. */
struct sw_history *sw_history_create(struct sw_histories *all, struct sw_interest *interest,
                                     const struct sw_rule *rule);
/* The interest goes. */
void sw_history_close(struct sw_history *history);

/* The string is subscribed: its last SUBSCRIBE was acknowledged. */
void sw_history_acked(struct sw_history *history);
/* It is not any more. */
void sw_history_lost(struct sw_history *history);
/* A reader has come; its state follows, now or later, or it is refused, and then the interest may
 * be gone with it. */
void sw_history_joined(struct sw_history *history, struct sw_exchange_reader *reader);
/* What a reader asked for is forgotten; before it is removed. */
void sw_history_left(struct sw_history *history, const struct sw_exchange_reader *reader);
/* `too_large`: its payload is not wanted, only its place. */
void sw_history_message(struct sw_history *history, const struct sw_envelope *envelope,
                        bool too_large, uint64_t arrived_ns);
/* For a reader that has had its state. */
void sw_history_ask(struct sw_history *history, const struct sw_exchange_reader *reader,
                    uint64_t run);
void sw_history_check(struct sw_history *history, const struct sw_exchange_reader *reader,
                      uint32_t number);
/* Epoch, the oldest that is held here (0: none), and the newest. False: not known yet. */
bool sw_history_describe(const struct sw_history *history, struct sw_epoch *epoch, uint64_t *first,
                         uint64_t *last);

/* Takes `lookup` until it comes back to its sender: what is kept of any topic under a rule with a
 * history. */
void sw_histories_lookup(struct sw_histories *all, struct sw_lookup *lookup);

#endif
