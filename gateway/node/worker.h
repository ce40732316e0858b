// SPDX-License-Identifier: Apache-2.0
/* A worker: one loop with everything that a client touches: listeners, connections, sessions,
 * tapes. Created by main before its thread runs; then main talks to it by posts alone. */
#ifndef SW_NODE_WORKER_H
#define SW_NODE_WORKER_H

#include "api/publish.h"
#include "auth/verifier.h"
#include "common/bucket.h"
#include "net/greeting.h"
#include "net/listener.h"
#include "net/tls_conn.h"
#include "node/addresses.h"
#include "node/config.h"
#include "node/listen.h"
#include "node/refusals.h"
#include "transport/ws_packed.h"
#include "transport/ws_upgrade.h"

/* Posts between main and the loops. */
enum sw_node_post {
    SW_POST_DRAIN = SW_POST_NODE, /* to a worker */
    SW_POST_DRAINED,              /* to main: no connection is left */
    SW_POST_STOP_BUS,             /* to the loop that has the bus */
    SW_POST_BUS_STOPPED,          /* to main */
    SW_POST_QUIT,                 /* to every loop but main's: it ends */
    SW_POST_HOLD,                 /* to any loop but main's, in test builds: sw_note_hold */
    SW_POST_TLS,                  /* to a worker: sw_worker_set_tls */
    SW_POST_KEYS,                 /* to a worker: struct sw_keys_post */
};

/* Tokens are verified with these from now on. Owns a reference. */
struct sw_keys_post {
    struct sw_post post;
    struct sw_keyring *keys;
};

/* A post that carries a number. */
struct sw_note {
    struct sw_post post;
    uint64_t value;
};

/* Looks at the node's budget, and says so where its step has changed. Returns the step. */
enum sw_budget_step sw_purse_look(struct sw_purse *purse);

/* Sends one; the receiver frees it. */
void sw_note_send(struct sw_inbox *inbox, enum sw_node_post kind, uint64_t value);

/* The loop that took it sleeps for `value` ms. */
void sw_note_hold(const struct sw_note *note);

#define SW_LISTENERS 8

struct sw_worker_config {
    const struct sw_config *config;
    const char *node; /* its id */
    const struct sw_listen *listens;
    unsigned listen_count;
    struct sw_keyring *keys;       /* NULL: no tokens are asked for */
    struct sw_budget *budget;      /* of the node */
    uint32_t workers;              /* how many share it */
    uint32_t max_sessions;         /* of the node */
    _Atomic uint32_t *connections; /* of the node: all workers count in it */
    struct sw_addresses *addresses;
    struct sw_tls_context *tls; /* NULL: no listener has one */
    uint32_t id;
    const char *admin; /* where the admin listener is, for those who knock at the wrong door */
};

/* A worker's own socket for one of the node's listeners. */
struct sw_worker_listener {
    struct sw_listener *socket; /* NULL: closed */
    struct sw_worker *worker;
    const struct sw_listen *listen;
};

/* How far a worker is with leaving. */
struct sw_drain {
    struct sw_timer timer;
    uint64_t begun_ms;
    uint32_t told_slot;  /* sessions below it have been told */
    uint32_t asked_slot; /* ... asked to go */
    uint32_t total;      /* that were there when the closing began */
    uint32_t asked;      /* of them */
    bool shut;           /* the listeners are closed */
    bool closing;        /* who has not left by itself is closed */
    bool over;           /* nobody is left */
};

struct sw_worker {
    struct sw_worker_config config;
    struct sw_loop *loop;
    struct sw_inbox inbox;
    struct sw_inbox *main;
    struct sw_bus *bus;
    struct sw_turn turn;
    struct sw_counters counters;
    struct sw_purse purse;
    struct sw_sessions sessions;
    struct sw_verifier verifier; /* where tokens are asked for */
    struct sw_ws_codec *codec;
    struct sw_ws_packer packer;
    struct sw_framing framing;
    struct sw_framing packed_framing;
    struct sw_framing raw_framing;
    struct sw_encoding encodings[SW_ENCODINGS];
    struct sw_door door;
    struct sw_publisher publisher;
    struct sw_site site;
    struct sw_http_held held;
    struct sw_route routes[8];
    struct sw_worker_listener listeners[SW_LISTENERS];
    struct sw_tls *tls;            /* NULL: no listener has one */
    struct sw_greetings greetings; /* connections whose PROXY header is still to come */
    struct sw_bucket accepts;      /* this worker's share of new connections */
    struct sw_refusals refusals;   /* as many more hear words */
    uint64_t complain_at_ms;       /* when the next line about a balancer may be written */
    struct sw_drain drain;
};

/* On main's thread, before the loop runs; `bus` is created already. */
void sw_worker_init(struct sw_worker *worker, const struct sw_worker_config *config,
                    struct sw_loop *loop, struct sw_bus *bus, struct sw_inbox *main);
/* Any thread, where tokens are asked for: takes a reference to `keys`. Who is connected stays so
 * until its token expires. */
void sw_worker_set_keys(struct sw_worker *worker, struct sw_keyring *keys);
/* Opens the listeners. Returns 0 or a negative errno. */
int sw_worker_listen(struct sw_worker *worker) SW_MUST_CHECK;
/* Any thread: who comes from now on sees the certificate of `context`, which it takes another
 * reference of. */
void sw_worker_set_tls(struct sw_worker *worker, struct sw_tls_context *context);
/* The loop has stopped, nobody is connected. */
void sw_worker_deinit(struct sw_worker *worker);

/* drain.c: no new clients; everybody goes over drain_ms, at a pace, each after its data. Once. */
void sw_worker_drain(struct sw_worker *worker);
/* A connection has gone. */
void sw_worker_check_drained(struct sw_worker *worker);

#endif
