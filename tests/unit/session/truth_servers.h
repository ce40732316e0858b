// SPDX-License-Identifier: Apache-2.0
/* Two Redis servers in miniature, with one topic: what the function keeps of it (deploy/redis/
 * spillway.lua), a link of replication that lags, and all that can become of them: planned and
 * lossy promotions, an old master that lives on apart, restarts with and without loss, FLUSHALL.
 * What was ever published under which epoch is written down beside them: an epoch names one
 * content. */
#ifndef SW_TESTS_TRUTH_SERVERS_H
#define SW_TESTS_TRUTH_SERVERS_H

#include "../common/unit.h"

#include "common/buf.h"
#include "common/random.h"
#include "core/position.h"

#include <stdio.h>
#include <string.h>

#define OFFSETS 512 /* more are not published in one run */
#define EPOCHS  256
#define QUEUE   1024
#define KEEPS   24 /* entries of a stream */

struct end {
    int epoch; /* index in `epochs` */
    uint64_t last;
};

/* What a server holds. */
struct store {
    int epoch; /* -1: nothing was ever published */
    int run;
    uint64_t top;
    uint64_t first; /* of those that the stream still has */
    uint32_t ends;
    struct end lineage[SW_LINEAGE_ENDS];
    int numbers[OFFSETS]; /* by offset */
};

struct sent {
    struct store after; /* a replica that applies it is there */
    int epoch;          /* -1: without a position */
    uint64_t offset;
    int number;
};

struct server {
    bool up;
    bool master;
    int of; /* the server that it follows; -1 */
    int run;
    struct store store;
    struct store saved;
    struct sent *queue; /* from its master, not yet applied */
    uint32_t head;
    uint32_t count;
};

struct servers {
    struct server list[2];
    struct {
        uint64_t top;
        int numbers[OFFSETS];
    } * epochs;
    int epoch_count;
    int runs;
    int numbers; /* handed out */
    /* A server's subscribers hear it. */
    void (*emit)(void *context, int server, int epoch, uint64_t offset, int number);
    void (*cut)(void *context, int server); /* its links end */
    void *context;
};

static inline void epoch_name(int epoch, struct sw_epoch *out)
{
    char text[16];
    snprintf(text, sizeof(text), "e%d", epoch);
    (void)sw_epoch_parse(sw_slice_of(text), out);
}

/* The index of an epoch's name; -1: none of ours. */
static inline int epoch_index(const struct servers *servers, struct sw_slice name)
{
    uint64_t index = 0;
    bool ours = name.size > 1 && name.data[0] == 'e' &&
                sw_slice_to_u64(sw_slice(name.data + 1, name.size - 1), EPOCHS, &index) &&
                index < (uint64_t)servers->epoch_count;
    return ours ? (int)index : -1;
}

static inline void store_init(struct store *store)
{
    *store = (struct store){.epoch = -1, .run = -1, .first = 1};
}

static inline void servers_init(struct servers *servers)
{
    *servers = (struct servers){.epochs = calloc(EPOCHS, sizeof(*servers->epochs))};
    for (int i = 0; i < 2; i++) {
        struct server *server = &servers->list[i];
        *server = (struct server){.up = true,
                                  .master = i == 0,
                                  .of = i == 0 ? -1 : 0,
                                  .run = servers->runs++,
                                  .queue = calloc(QUEUE, sizeof(*server->queue))};
        store_init(&server->store);
        store_init(&server->saved);
    }
}

static inline void servers_deinit(struct servers *servers)
{
    free(servers->list[0].queue);
    free(servers->list[1].queue);
    free(servers->epochs);
}

static inline void replicate(struct servers *servers, int from, const struct sent *sent)
{
    for (int i = 0; i < 2; i++) {
        struct server *server = &servers->list[i];
        if (server->of == from && server->up && server->count < QUEUE) {
            server->queue[(server->head + server->count++) % QUEUE] = *sent;
        }
    }
}

static inline void heard(struct servers *servers, int from, const struct sent *sent)
{
    servers->emit(servers->context, from, sent->epoch, sent->offset, sent->number);
    replicate(servers, from, sent);
}

static inline void new_epoch(struct servers *servers, struct store *store)
{
    assert_true(servers->epoch_count < EPOCHS);
    if (store->epoch >= 0) {
        if (store->ends == SW_LINEAGE_ENDS) {
            memmove(&store->lineage[0], &store->lineage[1],
                    (SW_LINEAGE_ENDS - 1) * sizeof(store->lineage[0]));
            store->ends--;
        }
        store->lineage[store->ends++] = (struct end){store->epoch, store->top};
    }
    store->epoch = servers->epoch_count++;
    memcpy(servers->epochs[store->epoch].numbers, store->numbers, sizeof(store->numbers));
    servers->epochs[store->epoch].top = store->top;
}

/* What the function does. */
static inline bool publish(struct servers *servers, int at)
{
    struct server *server = &servers->list[at];
    struct store *store = &server->store;
    if (store->top + 1 >= OFFSETS || servers->epoch_count + 1 >= EPOCHS) {
        return false;
    }
    if (store->epoch < 0 || store->run != server->run) {
        new_epoch(servers, store);
        store->run = server->run;
    }
    int number = ++servers->numbers;
    store->numbers[++store->top] = number;
    servers->epochs[store->epoch].numbers[store->top] = number;
    servers->epochs[store->epoch].top = store->top;
    if (store->top - store->first + 1 > KEEPS) {
        store->first = store->top - KEEPS + 1;
    }
    struct sent sent = {
        .after = *store, .epoch = store->epoch, .offset = store->top, .number = number};
    heard(servers, at, &sent);
    return true;
}

static inline void publish_plain(struct servers *servers, int at)
{
    struct sent sent = {
        .after = servers->list[at].store, .epoch = -1, .number = ++servers->numbers};
    heard(servers, at, &sent);
}

static inline bool apply_one(struct servers *servers, int at)
{
    struct server *server = &servers->list[at];
    if (server->of < 0 || server->count == 0) {
        return false;
    }
    const struct sent *sent = &server->queue[server->head];
    server->head = (server->head + 1) % QUEUE;
    server->count--;
    server->store = sent->after;
    servers->emit(servers->context, at, sent->epoch, sent->offset, sent->number);
    return true;
}

static inline int master_of(const struct servers *servers, uint64_t x)
{
    int masters[2];
    int count = 0;
    for (int i = 0; i < 2; i++) {
        if (servers->list[i].up && servers->list[i].master) {
            masters[count++] = i;
        }
    }
    return count ? masters[x % (uint64_t)count] : -1;
}

enum promotion { PLANNED, OLD_DIES, OLD_LIVES };

static inline bool promote(struct servers *servers, enum promotion how)
{
    int at = servers->list[0].of >= 0 ? 0 : 1;
    struct server *server = &servers->list[at];
    if (server->of < 0 || !server->up) {
        return false;
    }
    int old = server->of;
    while (how == PLANNED && apply_one(servers, at)) {
    }
    server->count = 0;
    server->of = -1;
    server->master = true;
    server->run = servers->runs++;
    struct server *other = &servers->list[old];
    switch (how) {
    case PLANNED:
        other->master = false;
        other->of = at;
        other->store = server->store;
        other->count = 0;
        break;
    case OLD_DIES:
        servers->cut(servers->context, old);
        other->up = false;
        other->master = false;
        break;
    case OLD_LIVES:
        break;
    }
    return true;
}

/* A dead or parted server becomes the other's replica. */
static inline bool rejoin(struct servers *servers, uint64_t x)
{
    bool both = servers->list[0].master && servers->list[1].master && servers->list[0].up &&
                servers->list[1].up;
    int loser = both ? (int)(x % 2) : servers->list[0].up ? 1 : 0;
    struct server *server = &servers->list[loser];
    if (!both && (server->up || !servers->list[1 - loser].up)) {
        return false;
    }
    server->up = true;
    server->master = false;
    server->of = 1 - loser;
    server->store = servers->list[1 - loser].store;
    server->count = 0;
    return true;
}

static inline void follow(struct servers *servers, int at)
{
    for (int i = 0; i < 2; i++) {
        if (servers->list[i].of == at) {
            servers->list[i].store = servers->list[at].store;
            servers->list[i].count = 0;
        }
    }
}

static inline void restart(struct servers *servers, int at, bool rolled_back)
{
    struct server *server = &servers->list[at];
    servers->cut(servers->context, at);
    if (rolled_back) {
        server->store = server->saved;
    }
    server->run = servers->runs++;
    follow(servers, at);
}

static inline void flush_all(struct servers *servers, int at)
{
    store_init(&servers->list[at].store);
    follow(servers, at);
}

static inline void save_all(struct servers *servers)
{
    servers->list[0].saved = servers->list[0].store;
    servers->list[1].saved = servers->list[1].store;
}

#endif
