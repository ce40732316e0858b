// SPDX-License-Identifier: Apache-2.0
/* What main asks the other roles on behalf of an operator: who is slow, what is read; or orders:
 * who shall go. A report is a post that travels to one role, is filled in there, and comes back to
 * the inbox that asked; who asked owns it. A worker has it for some turns, since it looks at a
 * bounded number of rows in each.
 *
 *   main -> worker: CONNECTIONS, ENDED, TOPICS, COUNTS, DISCONNECT      main -> bus: COUNTS
 *
 * Nobody answers with more than `limit` rows, and the room for them comes with the question. */
#ifndef SW_BUS_REPORT_H
#define SW_BUS_REPORT_H

#include "bus/bus.h"
#include "bus/disconnect.h"
#include "common/best.h"
#include "core/limits.h"
#include "net/address.h"

enum sw_report_kind {
    SW_REPORT_CONNECTIONS, /* the first of `sort` */
    SW_REPORT_ENDED,       /* the flight recorder */
    SW_REPORT_TOPICS,      /* those with the most readers */
    SW_REPORT_COUNTS,      /* the rows are given: what this role knows of each */
    SW_REPORT_DISCONNECT,  /* no rows: `count` sessions were ended */
};

enum sw_report_sort { SW_SORT_LAG, SW_SORT_QUEUED, SW_SORT_DROPPED, SW_SORT_AGE };

struct sw_connection_row {
    uint64_t session;
    uint64_t dropped;      /* deliveries shed */
    uint64_t since_ms;     /* wall clock */
    uint64_t ended_ms;     /* wall clock; 0: it has not */
    const char *transport; /* words, both for ever */
    const char *state;
    struct sw_peer peer;
    uint32_t queued_bytes;
    uint32_t lag_ms;
    uint16_t topics;
    uint16_t code;     /* of the close frame of who has ended */
    uint8_t reason;    /* enum sw_reason, likewise */
    uint8_t user_size; /* 0: nobody knows */
    char user[SW_USER_BYTES];
};

struct sw_topic_row {
    uint64_t messages;    /* the bus's: taken since it is read here */
    double rate;          /* the bus's: messages a second */
    uint32_t subscribers; /* a worker's */
    bool known;           /* this role knows it */
    bool history;         /* the bus's: it has one, and this is known of it: */
    struct sw_epoch epoch;
    uint64_t first; /* the oldest that this node holds; 0: none */
    uint64_t last;
    uint8_t size;
    char name[SW_TOPIC_BYTES];
};

struct sw_report {
    struct sw_post post;
    struct sw_inbox *from;
    /* Called by the asker's role when it is back; takes `report`. */
    void (*done)(void *context, struct sw_report *report);
    void *context;
    /* the question */
    uint8_t kind; /* enum sw_report_kind */
    uint8_t sort; /* enum sw_report_sort */
    char separator;
    uint8_t match_size; /* 0: everything */
    uint32_t role;      /* the asker's own mark: whom it asked ... */
    uint32_t round;     /* ... and when */
    uint32_t limit;
    char match[SW_TOPIC_BYTES];
    /* the answer */
    uint32_t count;
    union {
        struct sw_connection_row *connections; /* of CONNECTIONS and ENDED */
        struct sw_topic_row *topics;           /* of TOPICS and COUNTS */
        struct sw_disconnect *disconnect; /* of DISCONNECT: the order, given with the question */
    };
    /* the answering role's while it is at it */
    uint32_t begun; /* the tick at which it had it */
    uint32_t next;
    struct sw_best best;
};

/* With room for `limit` rows, which is at least 1. */
struct sw_report *sw_report_create(enum sw_report_kind kind, uint32_t limit);
/* A DISCONNECT with a copy of the order. */
struct sw_report *sw_report_order(const struct sw_disconnect *disconnect);
void sw_report_destroy(struct sw_report *report);
/* Any thread. Takes `report` until it comes back to `from`, by `done`. */
void sw_report_ask(struct sw_report *report, struct sw_inbox *to, struct sw_inbox *from);
/* By the role that was asked. */
void sw_report_answer(struct sw_report *report);
/* Does the report ask for this topic or pattern? A pattern's own wildcards are covered like words.
 */
bool sw_report_wants(const struct sw_report *report, struct sw_slice name);

static inline struct sw_slice sw_topic_row_name(const struct sw_topic_row *row)
{
    return sw_slice(row->name, row->size);
}

#endif
