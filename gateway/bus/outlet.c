// SPDX-License-Identifier: Apache-2.0
#include "bus/outlet.h"

#include "common/assert.h"
#include "common/mem.h"
#include "core/limits.h"

/* A batch takes its 48 KB however few entries it has, but weighs what is in it. So a worker that
 * holds this many gets no more half-empty ones, or a stalled one would cost many times
 * SW_INBOX_BYTES. */
#define LENT_BATCHES 16
/* Batches kept for the next turns: what a worker has under way while it keeps up. */
#define SPARE_BATCHES 8

/* ---- batches ---- */

static struct sw_batch *take_batch(struct sw_outlet *outlet)
{
    struct sw_batch *batch = outlet->spare;
    if (batch) {
        outlet->spare = batch->next_free;
        outlet->spares--;
    } else {
        batch = sw_alloc(sizeof(*batch) + SW_BATCH_ENTRIES * sizeof(batch->entries[0]));
    }
    batch->post = (struct sw_post){.kind = SW_POST_BATCH};
    batch->next_free = NULL;
    batch->worker = outlet->worker;
    batch->count = 0;
    return batch;
}

static void put_entry(struct sw_outlet *outlet, const struct sw_entry *entry)
{
    switch ((enum sw_entry_kind)entry->kind) {
    case SW_ENTRY_MESSAGE:
        sw_lent_let_go(outlet->purse, entry->message);
        return;
    case SW_ENTRY_STATE:
        if (entry->state) {
            sw_topic_state_unref(outlet->purse, entry->state);
        }
        return;
    case SW_ENTRY_RUN:
        sw_run_unref(outlet->purse, entry->run);
        return;
    case SW_ENTRY_REFUSED:
    case SW_ENTRY_GAP:
    case SW_ENTRY_FEED:
        return;
    }
    SW_UNREACHABLE();
}

/* Lets go what is in it and keeps it for later, or frees it. */
static void put_batch(struct sw_outlet *outlet, struct sw_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        put_entry(outlet, &batch->entries[i]);
    }
    if (outlet->spares >= SPARE_BATCHES) {
        sw_free(batch);
        return;
    }
    batch->next_free = outlet->spare;
    outlet->spare = batch;
    outlet->spares++;
}

static void post_batch(struct sw_outlet *outlet)
{
    struct sw_batch *batch = outlet->open;
    outlet->open = NULL;
    outlet->lent++;
    sw_inbox_post(outlet->inbox, &batch->post);
}

/* The next entry; `bytes` is what it weighs beside itself. A full batch goes out only now, when its
 * last entry has certainly been written. */
static struct sw_entry *append(struct sw_outlet *outlet, const struct sw_exchange_reader *reader,
                               enum sw_entry_kind kind, size_t bytes)
{
    if (outlet->open && outlet->open->count == SW_BATCH_ENTRIES) {
        post_batch(outlet);
    }
    if (!outlet->open) {
        outlet->open = take_batch(outlet);
    }
    struct sw_batch *batch = outlet->open;
    struct sw_entry *entry = &batch->entries[batch->count++];
    *entry = (struct sw_entry){
        .kind = (uint8_t)kind,
        .error = SW_ERROR_NONE,
        .tape = reader->tape,
        .generation = reader->generation,
    };
    batch->post.bytes += (uint32_t)(sizeof(*entry) + bytes);
    return entry;
}

static bool has_room(const struct sw_outlet *outlet, size_t bytes)
{
    size_t waiting = sw_inbox_bytes(outlet->inbox);
    if (outlet->open) {
        waiting += outlet->open->post.bytes;
    }
    return waiting + sizeof(struct sw_entry) + bytes <= SW_INBOX_BYTES;
}

/* ---- gaps ---- */

static bool is_gapped(const struct sw_exchange_reader *reader)
{
    return !sw_list_empty(&reader->gapped);
}

static void append_gap(struct sw_outlet *outlet, const struct sw_exchange_reader *reader,
                       const struct sw_outlet_gap *gap)
{
    struct sw_entry *entry = append(outlet, reader, SW_ENTRY_GAP, 0);
    entry->shed = (uint8_t)gap->shed;
    entry->count = gap->count;
    entry->span = gap->span;
    entry->offset = gap->from;
}

/* Posts the gap that waits, room or not. */
static void tell(struct sw_outlet *outlet, struct sw_exchange_reader *reader)
{
    if (is_gapped(reader)) {
        struct sw_outlet_gap gap = {reader->count, reader->span, reader->from,
                                    (enum sw_shed)reader->shed};
        append_gap(outlet, reader, &gap);
        sw_outlet_forget(reader);
    }
}

static void merge_counts(struct sw_exchange_reader *reader, const struct sw_outlet_gap *gap)
{
    uint64_t count = (uint64_t)reader->count + gap->count;
    if (reader->count == 0 || gap->count == 0 || count > UINT32_MAX) {
        reader->count = 0;
        reader->shed = SW_SHED_FEED;
        return;
    }
    reader->count = (uint32_t)count;
    if (reader->shed != gap->shed) {
        reader->shed = SW_SHED_NODE;
    }
}

static void keep_gap(struct sw_outlet *outlet, struct sw_exchange_reader *reader,
                     const struct sw_outlet_gap *gap)
{
    if (!is_gapped(reader)) {
        reader->count = gap->count;
        reader->shed = (uint8_t)gap->shed;
        reader->from = gap->from;
        reader->span = gap->span;
        sw_list_push(&outlet->gapped, &reader->gapped);
        return;
    }
    merge_counts(reader, gap);
    if (reader->span == 0) {
        reader->from = gap->from;
    }
    SW_ASSERT(gap->span == 0 || gap->from == reader->from + reader->span);
    reader->span += gap->span;
}

void sw_outlet_forget(struct sw_exchange_reader *reader)
{
    sw_list_remove(&reader->gapped);
}

/* Posts the gap that waits where there is room for it and for what comes behind. False: there is
 * not. */
static bool make_way(struct sw_outlet *outlet, struct sw_exchange_reader *reader, size_t bytes)
{
    size_t gap = is_gapped(reader) ? sizeof(struct sw_entry) : 0;
    if (!has_room(outlet, gap + bytes)) {
        return false;
    }
    tell(outlet, reader);
    return true;
}

/* ---- entries ---- */

void sw_outlet_state(struct sw_outlet *outlet, struct sw_exchange_reader *reader,
                     struct sw_topic_state *state)
{
    tell(outlet, reader);
    if (state) {
        state->refs++;
    }
    append(outlet, reader, SW_ENTRY_STATE, state ? sizeof(*state) : 0)->state = state;
}

void sw_outlet_run(struct sw_outlet *outlet, struct sw_exchange_reader *reader, struct sw_run *run)
{
    size_t bytes = sizeof(*run);
    for (uint32_t i = 0; i < run->count; i++) {
        bytes += sizeof(run->frames[0]) + sw_message_bytes(run->frames[i].message);
    }
    run->refs++;
    append(outlet, reader, SW_ENTRY_RUN, bytes)->run = run;
}

void sw_outlet_refused(struct sw_outlet *outlet, struct sw_exchange_reader *reader,
                       enum sw_error error)
{
    sw_outlet_forget(reader);
    append(outlet, reader, SW_ENTRY_REFUSED, 0)->error = (uint8_t)error;
}

void sw_outlet_message(struct sw_outlet *outlet, struct sw_exchange_reader *reader,
                       struct sw_message *message, uint64_t offset)
{
    size_t bytes = sw_message_bytes(message);
    if (SW_UNLIKELY(!make_way(outlet, reader, bytes))) {
        struct sw_outlet_gap gap = {1, offset > 0, offset, SW_SHED_NODE};
        sw_count(&outlet->counters->overflow_total, 1);
        keep_gap(outlet, reader, &gap);
        return;
    }
    sw_message_ref(message);
    struct sw_entry *entry = append(outlet, reader, SW_ENTRY_MESSAGE, bytes);
    entry->message = message;
    entry->offset = offset;
}

void sw_outlet_gap(struct sw_outlet *outlet, struct sw_exchange_reader *reader,
                   const struct sw_outlet_gap *gap)
{
    if (make_way(outlet, reader, 0)) {
        append_gap(outlet, reader, gap);
    } else {
        keep_gap(outlet, reader, gap);
    }
}

static void tell_first(struct sw_outlet *outlet)
{
    struct sw_list *node = sw_list_first(&outlet->gapped);
    tell(outlet, SW_CONTAINER_OF(node, struct sw_exchange_reader, gapped));
}

void sw_outlet_feed(struct sw_outlet *outlet, bool stale, uint64_t since_ms)
{
    static const struct sw_exchange_reader nobody;
    while (!sw_list_empty(&outlet->gapped)) {
        tell_first(outlet);
    }
    struct sw_entry *entry = append(outlet, &nobody, SW_ENTRY_FEED, 0);
    entry->stale = stale;
    entry->since_ms = since_ms;
}

/* ---- turns ---- */

void sw_outlet_close(struct sw_outlet *outlet)
{
    while (!sw_list_empty(&outlet->gapped) && has_room(outlet, 0)) {
        tell_first(outlet);
    }
    if (!outlet->open) {
        return;
    }
    if (outlet->lent < LENT_BATCHES || outlet->open->count == SW_BATCH_ENTRIES) {
        post_batch(outlet);
    }
}

void sw_outlet_returned(struct sw_outlet *outlet, struct sw_batch *batch)
{
    SW_ASSERT(outlet->lent > 0 && batch->worker == outlet->worker);
    outlet->lent--;
    put_batch(outlet, batch);
}

/* ---- life ---- */

struct sw_outlet *sw_outlet_create(uint32_t worker, struct sw_inbox *inbox,
                                   struct sw_counters *counters, struct sw_purse *purse)
{
    struct sw_outlet *outlet = sw_zalloc(sizeof(*outlet));
    outlet->worker = worker;
    outlet->inbox = inbox;
    outlet->counters = counters;
    outlet->purse = purse;
    sw_list_init(&outlet->gapped);
    return outlet;
}

void sw_outlet_destroy(struct sw_outlet *outlet)
{
    if (outlet->open) {
        put_batch(outlet, outlet->open);
    }
    while (outlet->spare) {
        struct sw_batch *batch = outlet->spare;
        outlet->spare = batch->next_free;
        sw_free(batch);
    }
    sw_free(outlet);
}
