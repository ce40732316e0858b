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

void sw_outlet_let_go(struct sw_purse *purse, struct sw_message *message)
{
    if (message->refs == 1) {
        sw_purse_charge(purse, SW_PART_MESSAGES, -(int64_t)sw_message_bytes(message));
    }
    sw_message_unref(message);
}

/* Lets its messages go and keeps it for later, or frees it. */
static void put_batch(struct sw_outlet *outlet, struct sw_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->entries[i].kind == SW_ENTRY_MESSAGE) {
            sw_outlet_let_go(outlet->purse, batch->entries[i].message);
        }
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
                       uint64_t count, enum sw_shed shed)
{
    struct sw_entry *entry = append(outlet, reader, SW_ENTRY_GAP, 0);
    entry->shed = (uint8_t)shed;
    entry->count = count <= UINT32_MAX ? (uint32_t)count : 0;
}

/* Posts the gap that waits, room or not. */
static void tell(struct sw_outlet *outlet, struct sw_exchange_reader *reader)
{
    if (is_gapped(reader)) {
        append_gap(outlet, reader, reader->count, (enum sw_shed)reader->shed);
        sw_outlet_forget(reader);
    }
}

static void keep_gap(struct sw_outlet *outlet, struct sw_exchange_reader *reader, uint64_t count,
                     enum sw_shed shed)
{
    if (!is_gapped(reader)) {
        reader->count = count;
        reader->shed = (uint8_t)shed;
        sw_list_push(&outlet->gapped, &reader->gapped);
        return;
    }
    if (reader->count == 0 || count == 0) {
        reader->count = 0;
        reader->shed = SW_SHED_FEED;
        return;
    }
    reader->count += count;
    if (reader->shed != shed) {
        reader->shed = SW_SHED_NODE;
    }
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

void sw_outlet_state(struct sw_outlet *outlet, struct sw_exchange_reader *reader)
{
    tell(outlet, reader);
    append(outlet, reader, SW_ENTRY_STATE, 0);
}

void sw_outlet_refused(struct sw_outlet *outlet, struct sw_exchange_reader *reader,
                       enum sw_error error)
{
    sw_outlet_forget(reader);
    append(outlet, reader, SW_ENTRY_REFUSED, 0)->error = (uint8_t)error;
}

void sw_outlet_message(struct sw_outlet *outlet, struct sw_exchange_reader *reader,
                       struct sw_message *message)
{
    size_t bytes = sw_message_bytes(message);
    if (SW_UNLIKELY(!make_way(outlet, reader, bytes))) {
        sw_count(&outlet->counters->overflow_total, 1);
        keep_gap(outlet, reader, 1, SW_SHED_NODE);
        return;
    }
    sw_message_ref(message);
    append(outlet, reader, SW_ENTRY_MESSAGE, bytes)->message = message;
}

void sw_outlet_gap(struct sw_outlet *outlet, struct sw_exchange_reader *reader, uint64_t count,
                   enum sw_shed shed)
{
    if (make_way(outlet, reader, 0)) {
        append_gap(outlet, reader, count, shed);
    } else {
        keep_gap(outlet, reader, count, shed);
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
