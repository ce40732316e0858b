// SPDX-License-Identifier: Apache-2.0
/* The bus role: it talks to Redis (or is the embedded bus), owns messages, and lends them to
 * workers. It knows workers and tapes and has never heard of a client.
 *
 *   worker -> bus: sw_bus_join, _leave, _ask, _check, _publish (posts)
 *   bus -> worker: a batch, the publish come back
 *
 * Both directions are FIFO. Whatever carries another generation of a tape is dropped. */
#ifndef SW_BUS_BUS_H
#define SW_BUS_BUS_H

#include "common/budget.h"
#include "common/buf.h"
#include "core/counters.h"
#include "core/message.h"
#include "core/position.h"
#include "core/rule.h"
#include "net/inbox.h"

struct sw_bus;
struct sw_backend;
struct sw_exchange;

/* Kinds of posts. Those of other roles begin at SW_POST_NODE. */
enum sw_post_kind {
    SW_POST_JOIN,      /* to the bus: struct sw_join */
    SW_POST_LEAVE,     /* to the bus: struct sw_join */
    SW_POST_ASK,       /* to the bus: struct sw_join; `number` is the run */
    SW_POST_CHECK,     /* to the bus: struct sw_join; `number` is that of the check */
    SW_POST_BATCH,     /* to a worker: struct sw_batch; and back to the bus */
    SW_POST_PUBLISH,   /* to the bus: struct sw_publish; and back to its `from` */
    SW_POST_LOOKUP,    /* to the bus: struct sw_lookup; and back to its `from` */
    SW_POST_REPORT,    /* to the bus or a worker: struct sw_report; and back to its `from` */
    SW_POST_NOTICE,    /* to main: struct sw_notice */
    SW_POST_NODE = 100 /* node/'s own */
};

struct sw_bus_config {
    const char *url;    /* "memory" or "redis://[user:pass@]host:port[/db]" */
    const char *prefix; /* of channels, "" for none */
    const char *node;   /* this node's id */
    char separator;     /* of topic tokens */
    uint32_t max_message_bytes;
    const struct sw_rules *rules; /* borrowed; a topic's own limit of bytes. NULL: none */
    struct sw_inbox *notices; /* main's: who hears what other nodes say, borrowed; NULL: nobody */
    struct sw_budget *budget; /* what messages are charged to, borrowed; NULL: nothing */
    /* Who makes the backend; NULL: as the URL says. */
    struct sw_backend *(*backend)(struct sw_exchange *exchange, void *context);
    void *backend_context;
    uint32_t unsubscribe_delay_ms; /* an interest that nobody has any more is kept so long, and up
                                      to as long again (jitter) */
};

/* ---- what a worker asks ---- */

/* Offsets of one run: run r is r * SW_RUN_OFFSETS up to the one before the next run's first. */
#define SW_RUN_OFFSETS 64

struct sw_join {
    struct sw_post post;
    uint64_t number; /* ASK, CHECK */
    uint32_t worker;
    uint32_t tape;
    uint32_t generation;
    bool pattern;
    uint8_t size;
    char name[]; /* topic or pattern, without the prefix */
};

/* ---- what a worker gets ---- */

/* What the bus knows of a topic that it has looked at. The bus owns it and counts its references in
 * a plain integer; lent like a message. */
struct sw_topic_state {
    uint32_t refs;
    bool joined; /* the join is done: what follows is live. Else the tape has been joined already */
    bool history; /* the topic has it: the rest means something */
    bool forked;  /* what the tape has is not of this stream, even where the lineage holds it */
    struct sw_lineage lineage;
    uint64_t top;   /* offset of the newest message; the next MESSAGE with an offset has top + 1 */
    uint32_t check; /* the read that it rests on was begun after this check had arrived; 0: none */
    struct sw_message *retained; /* of a plain topic under a retain rule; NULL: none */
};

/* The messages of one run that there are. What is absent and not above `to` is gone. Owned, counted
 * and lent as a state. */
struct sw_run {
    uint32_t refs;
    uint32_t count;
    uint64_t run;
    uint64_t to;   /* the last offset of the run that was looked for: the run's last, or the top */
    uint64_t gone; /* where the run has none: nothing up to here is kept any more */
    struct {
        uint64_t offset;
        struct sw_message *message;
    } frames[]; /* by offset, ascending */
};

enum sw_entry_kind {
    SW_ENTRY_STATE,   /* the join is done, or a topic with history has changed its name or forked */
    SW_ENTRY_REFUSED, /* the bus will not have this string (`error`); it is forgotten there */
    SW_ENTRY_MESSAGE,
    SW_ENTRY_GAP, /* `count` messages are missing here, for `shed`; count 0: unknown */
    SW_ENTRY_RUN, /* the answer to an ask */
    SW_ENTRY_FEED /* for the whole worker: the bus is stale, or live again */
};

struct sw_entry {
    uint8_t kind;  /* enum sw_entry_kind */
    uint8_t shed;  /* enum sw_shed */
    uint8_t error; /* enum sw_error */
    bool stale;    /* FEED */
    uint32_t tape;
    uint32_t generation;
    union {
        struct sw_message *message;   /* borrowed until the batch goes back, as all of these */
        struct sw_topic_state *state; /* NULL: a plain topic's or a pattern's join is done */
        struct sw_run *run;
        uint64_t since_ms; /* FEED, stale: on the monotonic clock, since when */
        struct {
            uint32_t count; /* GAP: of all that is missing, with and without positions */
            uint32_t span;  /* GAP: offsets `offset` to offset + span - 1 are among it; 0: none */
        };
    };
    uint64_t offset; /* MESSAGE: its place in a history; 0: it has none */
};
_Static_assert(sizeof(struct sw_entry) == 32, "a batch of them is 64 KB");

struct sw_batch {
    struct sw_post post; /* kind SW_POST_BATCH; bytes: messages and entries */
    struct sw_batch *next_free;
    uint32_t worker;
    uint32_t count;
    struct sw_entry entries[];
};

/* ---- publishing: any role with an inbox ---- */

/* Travels to the bus and comes back with the outcome. The sender owns it. */
struct sw_publish {
    struct sw_post post;
    struct sw_inbox *from;
    /* Called by the sender's role when it is back; takes `publish`. */
    void (*done)(void *context, struct sw_publish *publish);
    void *context;
    uint64_t owner;       /* the sender's own mark: slot and generation, a pointer */
    uint64_t id;          /* of the client's request */
    uint64_t begun_ns;    /* when it was made */
    uint64_t deadline_ms; /* the bus's own */
    enum sw_error error;  /* SW_ERROR_NONE: the bus took it */
    bool outcome_unknown; /* it may have been delivered or not */
    bool notice;          /* no message, but what nodes tell each other */
    uint32_t receivers;   /* who read the string, as far as the bus says */
    uint32_t retry_ms;
    struct sw_position position; /* of a topic with history, when the bus took it; offset 0: none */
    uint8_t topic_size;
    uint8_t key_size;
    uint8_t idempotency_size; /* of the idempotency id */
    uint32_t size;
    char bytes[]; /* topic, key, idempotency id, payload */
};

/* Copies topic, key, idempotency id and payload; the topic must be valid and concrete, key and id
 * empty or valid (sw_envelope_key_valid). */
struct sw_publish *sw_publish_create(struct sw_slice topic, struct sw_slice key,
                                     struct sw_slice idempotency, struct sw_slice payload);
void sw_publish_destroy(struct sw_publish *publish);
static inline struct sw_slice sw_publish_topic(const struct sw_publish *publish)
{
    return sw_slice(publish->bytes, publish->topic_size);
}
static inline struct sw_slice sw_publish_key(const struct sw_publish *publish)
{
    return sw_slice(publish->bytes + publish->topic_size, publish->key_size);
}
/* Two publishes of a topic with the same one, within 120 s, are one. Empty: none. */
static inline struct sw_slice sw_publish_idempotency(const struct sw_publish *publish)
{
    return sw_slice(publish->bytes + publish->topic_size + publish->key_size,
                    publish->idempotency_size);
}
static inline struct sw_slice sw_publish_payload(const struct sw_publish *publish)
{
    return sw_slice(publish->bytes + publish->topic_size + publish->key_size +
                        publish->idempotency_size,
                    publish->size);
}

/* ---- looking a history up: any role with an inbox ---- */

/* Travels to the bus and comes back with what is kept of a topic. The sender owns it, and what it
 * brings. */
struct sw_lookup {
    struct sw_post post;
    struct sw_inbox *from;
    /* Called by the sender's role when it is back; takes `lookup`. */
    void (*done)(void *context, struct sw_lookup *lookup);
    void *context;
    uint64_t owner;      /* the sender's own mark */
    uint64_t after;      /* asked: messages behind this offset, */
    uint32_t limit;      /* the oldest so many of them, 1 to SW_HISTORY_READ */
    enum sw_error error; /* SW_ERROR_NONE, or why nothing follows */
    struct sw_lineage lineage;
    uint64_t first; /* 0: none is kept */
    uint64_t last;
    uint32_t count;
    struct {
        uint64_t offset;
        struct sw_message *message; /* the lookup's own */
    } * messages;
    uint8_t topic_size;
    char topic[];
};

/* Copies the topic, which must be valid and concrete. */
struct sw_lookup *sw_lookup_create(struct sw_slice topic);
/* With its messages. */
void sw_lookup_destroy(struct sw_lookup *lookup);

/* ---- life ---- */

/* Is this a URL that sw_bus_create will take? False: *why says in words what is wrong. Any thread.
 */
bool sw_bus_url_check(const char *url, const char **why);
/* The URL without its password, for logs and pages. */
void sw_bus_url_public(const char *url, struct sw_buf *out);
/* On the bus's loop, before it runs. Copies the configuration. Never NULL for a checked URL. */
struct sw_bus *sw_bus_create(struct sw_loop *loop, const struct sw_bus_config *config,
                             struct sw_counters *counters);
/* Before the loop runs: the inboxes of the workers, in order of their ids. Borrowed. */
void sw_bus_add_worker(struct sw_bus *bus, struct sw_inbox *inbox);
/* The bus's turn: reads the bus first, then its inbox; registered by node/ on the loop before the
 * worker's turn where both share it. */
void sw_bus_turn(struct sw_bus *bus);
/* The part of the turn that reads nothing: what workers posted is done, what is owed goes out.
 * Where bus and worker share a loop it runs once more behind the worker's turn, so that no post
 * waits for a wake-up. */
void sw_bus_settle(struct sw_bus *bus);
/* Starts connecting. */
void sw_bus_start(struct sw_bus *bus);
/* Ends the links; on the loop's thread, while it still runs. Publishes that wait come back. */
void sw_bus_stop(struct sw_bus *bus);
/* All workers are gone, the loop has stopped: frees it. NULLs *bus. */
void sw_bus_destroy(struct sw_bus **bus);

/* ---- any thread ---- */

struct sw_inbox *sw_bus_inbox(struct sw_bus *bus);
/* Asks for a string; answered by SW_ENTRY_STATE (or _REFUSED) for this tape and generation. */
void sw_bus_join(struct sw_bus *bus, uint32_t worker, uint32_t tape, uint32_t generation,
                 struct sw_slice name, bool pattern);
void sw_bus_leave(struct sw_bus *bus, uint32_t worker, uint32_t tape, uint32_t generation,
                  struct sw_slice name, bool pattern);
/* Asks for a run of a joined topic with history, answered by SW_ENTRY_RUN: once, however long the
 * bus is away, unless the tape leaves. One ask of a run is outstanding. */
void sw_bus_ask(struct sw_bus *bus, uint32_t worker, uint32_t tape, uint32_t generation,
                struct sw_slice name, uint64_t run);
/* Asks for a state that rests on a read begun after this: `check` in it is at least `number`. A
 * tape's numbers grow. */
void sw_bus_check(struct sw_bus *bus, uint32_t worker, uint32_t tape, uint32_t generation,
                  struct sw_slice name, uint32_t number);
/* Takes `publish` until it comes back to `from`. */
void sw_bus_publish(struct sw_bus *bus, struct sw_inbox *from, struct sw_publish *publish);
/* Takes `lookup` until it comes back to `from`. */
void sw_bus_lookup(struct sw_bus *bus, struct sw_inbox *from, struct sw_lookup *lookup);
/* Hands a batch back. */
void sw_bus_return(struct sw_bus *bus, struct sw_batch *batch);
/* Was the bus ever up, and is it now? */
bool sw_bus_ever_up(const struct sw_bus *bus);
bool sw_bus_is_up(const struct sw_bus *bus);

#endif
