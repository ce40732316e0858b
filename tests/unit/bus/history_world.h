// SPDX-License-Identifier: Apache-2.0
/* The exchange's world with a stream behind it, from which looks are answered when the test says
 * so, and rules: h.> keeps 100 messages, r.> retains. */
#ifndef SW_TEST_HISTORY_WORLD_H
#define SW_TEST_HISTORY_WORLD_H

#include "bus/history/history.h"
#include "exchange_world.h"

#include <stdlib.h>

#define STREAM_MAX 20000

struct stream {
    struct sw_lineage lineage;
    uint64_t top;
    uint64_t first; /* of what is kept */
    char *raws[STREAM_MAX];
};

struct history_world {
    struct world *world;
    struct sw_rules rules;
    struct stream stream;
};

static inline char *raw_of(const char *epoch, uint64_t offset, const char *text)
{
    char *raw = NULL;
    int size = asprintf(&raw,
                        "\x1e"
                        "1;%s:%llu;t=7\x1e%s",
                        epoch, (unsigned long long)offset, text);
    assert_true(size > 0);
    return raw;
}

static inline void name(struct history_world *all, const char *epoch)
{
    assert_true(sw_epoch_parse(sw_slice_of(epoch), &all->stream.lineage.epoch));
}

/* It goes on under another name. */
static inline void rename_to(struct history_world *all, const char *epoch)
{
    struct sw_lineage *lineage = &all->stream.lineage;
    lineage->ends[lineage->count].epoch = lineage->epoch;
    lineage->ends[lineage->count++].last = all->stream.top;
    name(all, epoch);
}

/* Published, but not heard of. */
static inline void store(struct history_world *all, const char *text)
{
    struct stream *stream = &all->stream;
    char epoch[SW_EPOCH_BYTES + 1] = {0};
    memcpy(epoch, stream->lineage.epoch.text, stream->lineage.epoch.size);
    stream->top++;
    stream->first = stream->first ? stream->first : 1;
    free(stream->raws[stream->top]);
    stream->raws[stream->top] = raw_of(epoch, stream->top, text);
}

static inline void store_many(struct history_world *all, unsigned count)
{
    char text[24];
    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%llu", (unsigned long long)all->stream.top + 1);
        store(all, text);
    }
}

/* Heard of. */
static inline void hear(struct history_world *all, const char *epoch, uint64_t offset,
                        const char *text)
{
    char *raw = raw_of(epoch, offset, text);
    message(all->world, "h.a", "h.a", raw);
    free(raw);
}

static inline void publish(struct history_world *all, const char *text)
{
    store(all, text);
    message(all->world, "h.a", "h.a", all->stream.raws[all->stream.top]);
}

/* The first of the looks that wait is answered, as the stream is now. */
static inline void answer_cut(struct history_world *all, uint32_t most)
{
    static struct sw_history_entry entries[SW_HISTORY_READ];
    struct stream *stream = &all->stream;
    struct sw_history_read *read = sw_ring_pop(&all->world->reads);
    assert_non_null(read);
    read->outcome = SW_READ_DONE;
    read->lineage = stream->lineage;
    read->top = stream->top;
    read->first = read->limit > 0 && stream->first <= stream->top ? stream->first : 0;
    read->entries = entries;
    uint64_t offset = read->from > stream->first ? read->from : stream->first;
    for (; read->limit > 0 && offset <= stream->top && read->count < read->limit; offset++) {
        if (read->count == most) {
            read->cut = true;
            break;
        }
        if (stream->raws[offset]) {
            entries[read->count++] =
                (struct sw_history_entry){offset, sw_slice_of(stream->raws[offset])};
        }
    }
    read->done(read->context, read);
    assert_true(sw_exchange_sane(all->world->exchange));
}

static inline void answer(struct history_world *all)
{
    answer_cut(all, UINT32_MAX);
}

static inline void answer_all(struct history_world *all)
{
    while (all->world->reads.count > 0) {
        answer(all);
    }
}

static inline int64_t number(struct history_world *all, const _Atomic int64_t *counter)
{
    (void)all;
    return sw_counter_read(counter);
}

/* Reader 0 of tape 1 has joined h.a, whose stream is E1 up to 5. */
static inline void joined(struct history_world *all)
{
    name(all, "E1");
    store_many(all, 5);
    join(all->world, 0, 1, 1, "h.a");
    ack(all->world, "h.a", false);
    asked(all->world, "subscribe h.a\nread h.a from 1 limit 0\n");
    answer(all);
    heard(all->world, 0, "state 1.1 E1:5 joined\n");
}

static inline void ask(struct history_world *all, uint32_t tape, uint64_t run)
{
    struct sw_join *wish = join_of(0, tape, 1, "h.a", false);
    wish->number = run;
    sw_exchange_ask(all->world->exchange, wish);
    sw_free(wish);
}

static inline void check(struct history_world *all, uint32_t tape, uint32_t number)
{
    struct sw_join *wish = join_of(0, tape, 1, "h.a", false);
    wish->number = number;
    sw_exchange_check(all->world->exchange, wish);
    sw_free(wish);
}

static inline void link_lost(struct history_world *all)
{
    away(all->world);
    sw_exchange_down(all->world->exchange, "reset");
}

static inline void link_back(struct history_world *all)
{
    sw_exchange_up(all->world->exchange);
    ack(all->world, "h.a", false);
}

static inline int history_setup(void **state)
{
    struct history_world *all = sw_zalloc(sizeof(*all));
    sw_rules_init(&all->rules);
    struct sw_rule keeps = {.match = SW_SLICE("h.>"),
                            .modes_allowed = SW_MODES_CHOICE,
                            .history_size = 100,
                            .history_ttl_ms = 300000};
    struct sw_rule retains = {
        .match = SW_SLICE("r.>"), .modes_allowed = SW_MODES_CHOICE, .retain = true};
    struct sw_rule key = {.match = SW_SLICE("k.>"),
                          .modes_allowed = SW_MODES_CHOICE,
                          .retain = true,
                          .retain_key = SW_SLICE("last:{topic}:{topic}")};
    assert_true(sw_rules_add(&all->rules, &keeps) && sw_rules_add(&all->rules, &retains) &&
                sw_rules_add(&all->rules, &key));
    sw_rules_settle(&all->rules, '.', 1000);
    all->world = create("", '.', &all->rules);
    *state = all;
    return 0;
}

static inline int history_teardown(void **state)
{
    struct history_world *all = *state;
    destroy(all->world);
    for (size_t i = 0; i < STREAM_MAX; i++) {
        free(all->stream.raws[i]);
    }
    sw_rules_deinit(&all->rules);
    sw_free(all);
    return 0;
}

#endif
