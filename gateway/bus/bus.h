// SPDX-License-Identifier: Apache-2.0
/* The bus role: it talks to Redis (or is the embedded bus), owns messages, and lends them to
 * workers. It knows workers and tapes and has never heard of a client.
 *
 *   worker -> bus: sw_bus_join, _leave, _publish (posts)
 *   bus -> worker: a batch, the publish come back
 *
 * Both directions are FIFO. Whatever carries another generation of a tape is dropped. */
#ifndef SW_BUS_BUS_H
#define SW_BUS_BUS_H

#include "common/budget.h"
#include "common/buf.h"
#include "core/counters.h"
#include "core/message.h"
#include "core/rule.h"
#include "net/inbox.h"

struct sw_bus;

/* Kinds of posts. Those of other roles begin at SW_POST_NODE. */
enum sw_post_kind {
    SW_POST_JOIN,      /* to the bus: struct sw_join */
    SW_POST_LEAVE,     /* to the bus: struct sw_join */
    SW_POST_BATCH,     /* to a worker: struct sw_batch; and back to the bus */
    SW_POST_PUBLISH,   /* to the bus: struct sw_publish; and back to its `from` */
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
    uint32_t unsubscribe_delay_ms; /* an interest that nobody has any more is kept so long, and up
                                      to as long again (jitter) */
};

/* ---- what a worker asks ---- */

struct sw_join {
    struct sw_post post;
    uint32_t worker;
    uint32_t tape;
    uint32_t generation;
    bool pattern;
    uint8_t size;
    char name[]; /* topic or pattern, without the prefix */
};

/* ---- what a worker gets ---- */

enum sw_entry_kind {
    SW_ENTRY_STATE,   /* the join is done: what follows is live */
    SW_ENTRY_REFUSED, /* the bus will not have this string (`error`); it is forgotten there */
    SW_ENTRY_MESSAGE,
    SW_ENTRY_GAP, /* `count` messages are missing here, for `shed`; count 0: unknown */
};

struct sw_entry {
    uint8_t kind;  /* enum sw_entry_kind */
    uint8_t shed;  /* enum sw_shed */
    uint8_t error; /* enum sw_error */
    uint32_t tape;
    uint32_t generation;
    union {
        struct sw_message *message; /* borrowed until the batch goes back */
        uint64_t count;
    };
};

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
    uint64_t deadline_ms; /* the bus's own */
    enum sw_error error;  /* SW_ERROR_NONE: the bus took it */
    bool outcome_unknown; /* it may have been delivered or not */
    bool notice;          /* no message, but what nodes tell each other */
    uint32_t receivers;   /* who read the string, as far as the bus says */
    uint32_t retry_ms;
    uint8_t topic_size;
    uint8_t key_size;
    uint32_t size;
    char bytes[]; /* topic, key, payload */
};

/* Copies topic, key and payload; the topic must be valid and concrete, the key empty or valid
 * (sw_envelope_key_valid). */
struct sw_publish *sw_publish_create(struct sw_slice topic, struct sw_slice key,
                                     struct sw_slice payload);
void sw_publish_destroy(struct sw_publish *publish);
static inline struct sw_slice sw_publish_topic(const struct sw_publish *publish)
{
    return sw_slice(publish->bytes, publish->topic_size);
}
static inline struct sw_slice sw_publish_key(const struct sw_publish *publish)
{
    return sw_slice(publish->bytes + publish->topic_size, publish->key_size);
}
static inline struct sw_slice sw_publish_payload(const struct sw_publish *publish)
{
    return sw_slice(publish->bytes + publish->topic_size + publish->key_size, publish->size);
}

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
/* Takes `publish` until it comes back to `from`. */
void sw_bus_publish(struct sw_bus *bus, struct sw_inbox *from, struct sw_publish *publish);
/* Hands a batch back. */
void sw_bus_return(struct sw_bus *bus, struct sw_batch *batch);
/* Was the bus ever up, and is it now? */
bool sw_bus_ever_up(const struct sw_bus *bus);
bool sw_bus_is_up(const struct sw_bus *bus);

#endif
