// SPDX-License-Identifier: Apache-2.0
/* The model of test_history_model.c: all of its parts, and the server, which knows of each epoch
 * what it held. */
#ifndef SW_TEST_HISTORY_MODEL_H
#define SW_TEST_HISTORY_MODEL_H

#include "bus/history/topic.h"
#include "common/clock.h"
#include "common/log.h"
#include "exchange_world.h"

#include <stdlib.h>

#define OFFSETS 700
#define EPOCHS  400
#define QUEUE   4096
#define KEPT    12 /* messages that the server keeps */
#define MISSING UINT32_MAX
#define TAPES   2
#define ACTIONS 300

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail_at(model, __LINE__, #condition);                                                  \
        }                                                                                          \
    } while (0)

struct server {
    struct sw_lineage lineage;
    uint64_t top;
    uint64_t first;
    bool renamed; /* the next publish draws another epoch */
    uint32_t ids[OFFSETS];
    uint32_t named[OFFSETS]; /* the number of the epoch under which it was published */
};

enum item_kind { ACK, POSITIONED, PLAIN, FORGED };

struct item {
    enum item_kind kind;
    uint32_t id;
    uint32_t epoch; /* its number; that of a forged one may be nobody's */
    uint64_t offset;
};

struct result {
    struct sw_history_read *read;
    struct server *server; /* as it was */
};

struct tape {
    bool wanted;
    bool joined;
    uint32_t generation;
    struct sw_lineage lineage;
    uint64_t top;
    uint32_t ids[OFFSETS]; /* 0: before its time */
    uint32_t plain;        /* the last that it got */
    uint32_t plain_due;    /* the last that came while it was joined */
    uint32_t checked;
    uint32_t answered;
    uint32_t asks; /* that are out */
};

struct model {
    struct world *world;
    struct sw_rules rules;
    uint64_t seed;
    struct sw_random random;
    bool lossy;
    bool patient; /* else holes are given up, even those that a forged message made */
    struct server server;
    struct server saved;
    uint32_t branches[EPOCHS][OFFSETS]; /* what each epoch held */
    uint32_t epochs;
    uint64_t first_max;
    uint32_t ids;
    bool linked;
    bool subscribed;
    bool subscribing;
    struct item queue[QUEUE];
    unsigned queue_first;
    unsigned queue_end;
    struct result results[64];
    unsigned results_count;
    struct tape tapes[TAPES];
    uint32_t generations;
};

static inline void fail_at(const struct model *model, int line, const char *what)
{
    fprintf(stderr, "seed %llu line %d: %s\n", (unsigned long long)model->seed, line, what);
    fail();
}

static inline uint32_t below(struct model *model, uint32_t bound)
{
    return (uint32_t)sw_random_below(&model->random, bound);
}

/* ---- the server ---- */

static inline struct sw_epoch epoch_of(uint32_t number)
{
    char text[16];
    struct sw_epoch epoch = {0};
    if (number > 0) {
        snprintf(text, sizeof(text), "E%u", number);
        assert_true(sw_epoch_parse(sw_slice_of(text), &epoch));
    }
    return epoch;
}

static inline uint32_t number_of(const struct sw_epoch *epoch)
{
    return epoch->size ? (uint32_t)strtoul(epoch->text + 1, NULL, 10) : 0;
}

static inline void add_end(struct sw_lineage *lineage, uint64_t last)
{
    if (lineage->count == SW_LINEAGE_ENDS) {
        memmove(&lineage->ends[0], &lineage->ends[1],
                (SW_LINEAGE_ENDS - 1) * sizeof(lineage->ends[0]));
        lineage->count--;
    }
    lineage->ends[lineage->count].epoch = lineage->epoch;
    lineage->ends[lineage->count++].last = last;
}

static inline void draw_epoch(struct model *model)
{
    struct server *server = &model->server;
    if (server->lineage.epoch.size > 0) {
        add_end(&server->lineage, server->top);
    }
    server->lineage.epoch = epoch_of(++model->epochs);
    server->renamed = false;
}

static inline void emit(struct model *model, struct item item)
{
    if (model->subscribed) {
        CHECK(model->queue_end < QUEUE);
        model->queue[model->queue_end++] = item;
    }
}

static inline void note_first(struct model *model)
{
    if (model->server.first > model->first_max) {
        model->first_max = model->server.first;
    }
}

static inline void publish(struct model *model)
{
    struct server *server = &model->server;
    if (server->top + 1 >= OFFSETS || model->epochs + 1 >= EPOCHS) {
        return;
    }
    if (server->renamed || server->lineage.epoch.size == 0) {
        draw_epoch(model);
    }
    uint32_t number = number_of(&server->lineage.epoch);
    server->ids[++server->top] = ++model->ids;
    server->named[server->top] = number;
    memcpy(model->branches[number], server->ids, (server->top + 1) * sizeof(server->ids[0]));
    if (server->top >= server->first + KEPT) {
        server->first = server->top - KEPT + 1;
    }
    server->first = server->first ? server->first : 1;
    note_first(model);
    emit(model, (struct item){POSITIONED, model->ids, number, server->top});
}

/* A position that no stream will ever have there. */
static inline void forge(struct model *model)
{
    struct server *server = &model->server;
    if (!model->patient) {
        return;
    }
    struct item item = {.kind = FORGED, .id = ++model->ids, .offset = OFFSETS};
    item.epoch = number_of(&server->lineage.epoch);
    if (below(model, 2) || item.epoch == 0) {
        item.epoch = EPOCHS + below(model, 5);
        item.offset = 1 + below(model, (uint32_t)server->top + 3);
    }
    emit(model, item);
}

static inline void trim(struct model *model)
{
    struct server *server = &model->server;
    if (server->top > 0) {
        server->first += below(model, (uint32_t)(server->top + 2 - server->first));
        note_first(model);
    }
}

#endif
