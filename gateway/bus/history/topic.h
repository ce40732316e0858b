// SPDX-License-Identifier: Apache-2.0
/* One topic's history, inside: history.c begins and ends it, judge.c looks and judges, hold.c is
 * what waits meanwhile, runs.c answers who is behind. */
#ifndef SW_BUS_HISTORY_TOPIC_H
#define SW_BUS_HISTORY_TOPIC_H

#include "bus/history/history.h"
#include "bus/history/ring.h"

enum sw_history_state {
    SW_HISTORY_AWAY,
    SW_HISTORY_LOOKING,
    SW_HISTORY_LIVE,
    SW_HISTORY_FAILED,
};

/* A message that came. */
struct sw_held {
    struct sw_message *message;  /* NULL: too large */
    struct sw_position position; /* offset 0: it has none */
};

/* Who asked, and for what. */
struct sw_asker {
    uint32_t worker;
    uint32_t tape;
    uint32_t generation;
    uint32_t begun;  /* a check: its number when the look began that will answer it; 0: not yet */
    uint64_t number; /* of the run, or of the check */
};

struct sw_askers {
    struct sw_asker *rows;
    uint32_t count;
    uint32_t capacity;
};

/* SW_HISTORY_READ offsets of the history as they were read; of large messages those of a run. */
struct sw_history_page {
    struct sw_list link; /* of its topic, the one that was read last at the end */
    struct sw_list used; /* of all topics */
    struct sw_history *history;
    uint64_t number;
    uint64_t to; /* looked for up to here; what is absent below is gone */
    size_t bytes;
    struct sw_message *messages[SW_HISTORY_READ];
};

struct sw_history {
    struct sw_histories *all;
    struct sw_list link;          /* on all->topics */
    struct sw_interest *interest; /* NULL: it is gone; what is left waits for its looks */
    const struct sw_rule *rule;
    enum sw_history_state state;
    bool known; /* it was looked at before: the claim means something */
    /* the claim */
    struct sw_lineage lineage;
    struct sw_history_ring ring;

    /* judge.c */
    struct sw_history_read look;
    bool looking;             /* the backend has `look` */
    bool stale;               /* its answer is not wanted any more */
    bool bare;                /* it begins behind the ring's last entry, not with it */
    enum sw_look why;         /* of the look that is under way or waits for a stale one */
    struct sw_timer patience; /* with a hole */
    uint64_t failed_ms;       /* FAILED: not looked at again before */
    enum sw_error error;      /* FAILED */
    struct sw_askers checks;

    /* hold.c */
    struct sw_held *held;
    uint32_t held_first;
    uint32_t held_end;
    uint32_t held_capacity;
    uint32_t covered; /* of those that wait: they had come before the look began */
    size_t held_bytes;
    uint32_t dropped; /* without a position, since no more might wait */
    bool overflowed;

    /* runs.c */
    struct sw_history_read read;
    bool reading;
    uint64_t page; /* that is being read */
    struct sw_askers asks;
    struct sw_list pages;
    uint32_t page_offsets; /* of each page */
    uint64_t gone;         /* nothing up to here is kept any more */

    uint8_t topic_size;
    char topic[];
};

static inline struct sw_slice sw_history_topic(const struct sw_history *history)
{
    return sw_slice(history->topic, history->topic_size);
}

/* ---- history.c ---- */

/* It is frozen where its interest is gone and nothing of it is with the backend. True: it was. */
bool sw_history_release(struct sw_history *history);
/* To all who are joined; the ring goes on with it. `message` NULL: too large. */
void sw_history_post(struct sw_history *history, struct sw_message *message);
/* Offsets behind the ring's last, up to `to`, are missing; the ring begins anew behind them. */
void sw_history_skip(struct sw_history *history, uint64_t to);
/* The claim, as a state; one reference. */
struct sw_topic_state *sw_history_state(const struct sw_history *history, bool joined, bool forked,
                                        uint32_t check);
/* A message that the history does not hold at its place: counted, said now and then, and no more.
 */
void sw_history_ghost(struct sw_history *history);
/* Nobody will have it for now; the interest may be gone with that. */
void sw_history_fail(struct sw_history *history, enum sw_error error);
void sw_askers_add(struct sw_askers *askers, const struct sw_exchange_reader *reader,
                   uint64_t number);
void sw_askers_remove(struct sw_askers *askers, uint32_t index);
/* NULL: it has left. */
struct sw_exchange_reader *sw_asker_find(const struct sw_history *history,
                                         const struct sw_asker *asker);

/* ---- judge.c ---- */

void sw_history_look(struct sw_history *history, enum sw_look why);
/* An answer that is still to come is not wanted any more. */
void sw_history_look_no_more(struct sw_history *history);

/* ---- hold.c ---- */

/* Takes the message's reference: passes it on, ignores it, or has it wait and looks. */
void sw_history_take(struct sw_history *history, struct sw_held held);
/* After a look: what waited goes on, as far as the claim allows. */
void sw_history_settle(struct sw_history *history);
/* Nothing waits any more. What has no position is passed on: nobody could read it later. */
void sw_history_let_go(struct sw_history *history);
/* What waits longest may be given up to: the offset before it, or 0 where it is no hole. */
uint64_t sw_history_hole(const struct sw_history *history);

/* ---- runs.c ---- */

/* Answers what can be answered, and reads for the rest. */
void sw_history_serve(struct sw_history *history);
/* The topic's, all of them. */
void sw_history_drop_pages(struct sw_history *history);
/* Of all topics, what may be given up. */
void sw_history_evict(struct sw_histories *all, size_t bytes);

#endif
