// SPDX-License-Identifier: Apache-2.0
/* The seam between the exchange and where messages really travel: the embedded bus or Redis. All on
 * the bus's loop. A backend keeps no lists of its own of what is wanted: the exchange's interests
 * are it. */
#ifndef SW_BUS_BACKEND_H
#define SW_BUS_BACKEND_H

#include "bus/outlet.h"
#include "common/rate.h"

struct sw_exchange;
struct sw_history;
struct sw_interests;
struct sw_retained;

/* One subscribed string of this node. Its wire is what the backend subscribes to: prefix + topic,
 * or the glob that covers the pattern. There is one for each topic, so it is kept small: 112 bytes
 * and the wire. */
struct sw_interest {
    struct sw_exchange_reader *readers;
    void *backend;           /* the backend's own mark */
    struct sw_rate messages; /* taken for it, once however many workers read it */
    union {
        struct sw_history *history;   /* `has_history`: of a topic under a rule that keeps one */
        struct sw_retained *retained; /* `has_retained`: of a plain topic under such a rule */
    };
    union {
        /* `first_used`: one of its readers, which for most interests is the only one */
        struct sw_exchange_reader first;
        /* `lingers`: nobody reads it */
        struct {
            struct sw_timer linger;   /* until it is given up */
            struct sw_list lingering; /* on the list of those that linger */
            struct sw_interests *interests;
        };
    };
    uint32_t max_bytes; /* up to this size a payload is not too large for it (see exchange.c) */
    uint16_t wire_size;
    uint8_t name_size;
    bool pattern : 1;
    bool acked : 1; /* the backend's last SUBSCRIBE for it was acknowledged */
    bool lost : 1;  /* messages may have been missed since it was acked before: readers are told at
                       the ack */
    bool first_used : 1;
    bool lingers : 1;
    bool own : 1; /* no tape reads it, but the node itself */
    bool has_history : 1;
    bool has_retained : 1;
    char bytes[]; /* the wire; then a pattern's name, while a topic's is the wire's end */
};

static inline struct sw_slice sw_interest_wire(const struct sw_interest *interest)
{
    return sw_slice(interest->bytes, interest->wire_size);
}

/* Topic or pattern, without the prefix. */
static inline struct sw_slice sw_interest_name(const struct sw_interest *interest)
{
    size_t at = interest->pattern ? interest->wire_size
                                  : (size_t)(interest->wire_size - interest->name_size);
    return sw_slice(interest->bytes + at, interest->name_size);
}

enum sw_read_outcome {
    SW_READ_DONE,
    SW_READ_AWAY,  /* no answer: the backend is down; ask again when it is up */
    SW_READ_FAILED /* it will not be: no permission, a key of another type; asking again is no use
                      for now */
};

struct sw_history_entry {
    uint64_t offset;
    struct sw_slice raw; /* the envelope */
};

/* One look at a topic's history, all at one moment: what its meta hash says, and entries of its
 * stream. Made and freed by who asks; the backend borrows it until it calls `done`. */
struct sw_history_read {
    /* asked */
    struct sw_slice topic; /* without the prefix; borrowed from who asks */
    uint64_t from;         /* the first offset that is looked for; with limit 0 nothing is */
    uint32_t limit;        /* entries at most, <= SW_HISTORY_READ */
    bool oldest;           /* `first` is wanted too; with limit 0 it is not looked for */
    uint32_t size;         /* of the topic's rule: written into the meta where it says otherwise, */
    uint64_t ttl_ms;       /* likewise; size 0: neither */
    void (*done)(void *context, struct sw_history_read *read);
    void *context;
    /* answered */
    enum sw_read_outcome outcome;
    enum sw_error error; /* FAILED: what a request that needed it is answered; said in the log */
    struct sw_lineage lineage;
    uint64_t top;   /* offset of the newest; 0: there never was one */
    uint64_t first; /* offset of the oldest that is kept; 0: none is, or it was not looked for */
    bool cut; /* the entries that were asked for are larger than a read may be: those behind the
                 last one here are there, and are to be asked for again */
    uint32_t count;
    const struct sw_history_entry *entries; /* by offset, ascending; until `done` returns */
};

/* One value of the backend's own store: what a cold topic's last message was. */
struct sw_value_read {
    struct sw_slice key;   /* whole; borrowed from who asks */
    struct sw_slice topic; /* whose it is, likewise: for a backend without keys */
    /* `value` data == NULL: there is none, or the backend is down. */
    void (*done)(void *context, struct sw_value_read *read, struct sw_slice value);
    void *context;
};

struct sw_backend {
    const struct sw_backend_ops *ops;
    struct sw_exchange *exchange;
};

struct sw_backend_ops {
    enum sw_bus_kind kind;
    const char *word; /* for the log */
    void (*start)(struct sw_backend *backend);
    /* Reads what has come, first thing in every turn; true: more is waiting. */
    bool (*pump)(struct sw_backend *backend);
    /* What the pump and the inbox left to write goes out: last thing of the bus's turn. */
    void (*flush)(struct sw_backend *backend);
    /* Answered by sw_exchange_acked (perhaps before it returns) or sw_exchange_refused. While the
     * backend is down it does nothing: coming up subscribes all interests. */
    void (*subscribe)(struct sw_backend *backend, struct sw_interest *interest);
    /* The interest is freed after the return. */
    void (*unsubscribe)(struct sw_backend *backend, struct sw_interest *interest);
    /* Takes `publish` until sw_exchange_published. One of a topic with history, or with an
     * idempotency id, is given its position (or finds the former one's) and is kept, in one step.
     */
    void (*publish)(struct sw_backend *backend, struct sw_publish *publish);
    /* Reads are answered in the order in which they were asked, each once, never before the call
     * returns. */
    void (*read)(struct sw_backend *backend, struct sw_history_read *read);
    /* Likewise. */
    void (*get)(struct sw_backend *backend, struct sw_value_read *read);
    void (*stop)(struct sw_backend *backend);
    void (*destroy)(struct sw_backend *backend);
};

struct sw_backend *sw_memory_create(struct sw_exchange *exchange);

/* ---- what a backend tells and asks the exchange ---- */

const struct sw_bus_config *sw_exchange_config(const struct sw_exchange *exchange);
struct sw_loop *sw_exchange_loop(const struct sw_exchange *exchange);
struct sw_counters *sw_exchange_counters(const struct sw_exchange *exchange);
struct sw_purse *sw_exchange_purse(struct sw_exchange *exchange);
/* Shows it all interests, in no order. None may come or go meanwhile. */
void sw_exchange_visit(struct sw_exchange *exchange,
                       void (*visit)(void *context, struct sw_interest *interest), void *context);
/* By its wire string; NULL where nobody wants it. */
struct sw_interest *sw_exchange_find(const struct sw_exchange *exchange, struct sw_slice wire,
                                     bool pattern);
/* By its topic, which is the wire string without the prefix. */
struct sw_interest *sw_exchange_find_topic(const struct sw_exchange *exchange,
                                           struct sw_slice topic);
/* The string on which this node alone is spoken to (mailbox.h); NULL: it is not read. */
const struct sw_interest *sw_exchange_mailbox(const struct sw_exchange *exchange);
/* The backend is subscribed: readers that wait get their state; if `lost`, the others a gap of
 * unknown count. */
void sw_exchange_acked(struct sw_exchange *exchange, struct sw_interest *interest);
/* The backend will never have it (no permission): its readers are told and the interest is freed.
 */
void sw_exchange_refused(struct sw_exchange *exchange, struct sw_interest *interest,
                         enum sw_error error);
/* The link was lost: every acked interest is `lost` and no longer acked. */
void sw_exchange_down(struct sw_exchange *exchange, const char *why);
void sw_exchange_up(struct sw_exchange *exchange);
/* What comes from the bus is stale since then, or live again: every worker is told, behind all that
 * was lost. */
void sw_exchange_feed(struct sw_exchange *exchange, bool stale, uint64_t since_ms);
/* A message for one interest. `topic` is the channel without the prefix; `raw` may carry the
 * envelope of PROTOCOL.md, section 7. Too large: a gap of one. A topic that a pattern's glob
 * over-matches, or that is no valid topic: ignored and counted. */
void sw_exchange_message(struct sw_exchange *exchange, struct sw_interest *interest,
                         struct sw_slice topic, struct sw_slice raw);
/* The message was read as far as its size, which was too large to keep: a gap of one. */
void sw_exchange_too_large(struct sw_exchange *exchange, struct sw_interest *interest);
/* Gives a publish back: `error` SW_ERROR_NONE where the bus took it. */
void sw_exchange_published(struct sw_exchange *exchange, struct sw_publish *publish,
                           enum sw_error error, bool outcome_unknown);

#endif
