// SPDX-License-Identifier: Apache-2.0
/* Who is behind asks for runs. They are answered from the ring, or from pages of what was read
 * before; what is in neither is read page by page, one at a time for each topic, so that thousands
 * who return cost no more reads than the history has pages. */
#include "bus/envelope.h"
#include "bus/history/topic.h"
#include "common/assert.h"
#include "common/clock.h"
#include "common/mem.h"
#include "core/limits.h"

/* ---- pages ---- */

static uint64_t page_start(const struct sw_history *history, uint64_t number)
{
    return number * history->page_offsets;
}

static uint64_t page_end(const struct sw_history *history, uint64_t number)
{
    return page_start(history, number + 1) - 1;
}

static uint64_t page_of(const struct sw_history *history, uint64_t offset)
{
    return offset / history->page_offsets;
}

static struct sw_history_page *find_page(struct sw_history *history, uint64_t number)
{
    struct sw_list *node = history->pages.next;
    for (; node != &history->pages; node = node->next) {
        struct sw_history_page *page = SW_CONTAINER_OF(node, struct sw_history_page, link);
        if (page->number == number) {
            sw_list_remove(&page->used);
            sw_list_push(&history->all->pages, &page->used);
            return page;
        }
    }
    return NULL;
}

static struct sw_history_page *create_page(struct sw_history *history, uint64_t number)
{
    struct sw_history_page *page = sw_zalloc(sizeof(*page));
    page->history = history;
    page->number = number;
    page->bytes = sizeof(*page);
    sw_list_init(&page->used);
    sw_list_push(&history->all->pages, &page->used);
    sw_list_init(&page->link);
    history->all->pages_bytes += page->bytes;
    sw_purse_charge(history->all->purse, SW_PART_HISTORY, sizeof(*page));
    return page;
}

static void drop_page(struct sw_history_page *page)
{
    struct sw_histories *all = page->history->all;
    for (uint32_t i = 0; i < SW_HISTORY_READ; i++) {
        if (page->messages[i]) {
            sw_lent_keep_no_more(all->purse, page->messages[i]);
        }
    }
    all->pages_bytes -= page->bytes;
    sw_purse_charge(all->purse, SW_PART_HISTORY, -(int64_t)sizeof(*page));
    sw_list_remove(&page->link);
    sw_list_remove(&page->used);
    sw_free(page);
}

void sw_history_drop_pages(struct sw_history *history)
{
    struct sw_list *node;
    while ((node = sw_list_first(&history->pages))) {
        drop_page(SW_CONTAINER_OF(node, struct sw_history_page, link));
    }
}

/* A run lies in two pages at most: as long as somebody waits, the two that were read last stay. */
static bool is_needed(const struct sw_history_page *page)
{
    const struct sw_history *history = page->history;
    return history->asks.count > 0 &&
           (history->pages.prev == &page->link || history->pages.prev->prev == &page->link);
}

void sw_history_evict(struct sw_histories *all, size_t bytes)
{
    struct sw_list *node = all->pages.next;
    while (node != &all->pages && all->pages_bytes > bytes) {
        struct sw_history_page *page = SW_CONTAINER_OF(node, struct sw_history_page, used);
        node = node->next;
        if (!is_needed(page)) {
            drop_page(page);
        }
    }
}

static void keep_entry(struct sw_history_page *page, const struct sw_history_entry *entry)
{
    struct sw_history *history = page->history;
    struct sw_envelope envelope = sw_envelope_open(entry->raw);
    struct sw_message **place = &page->messages[entry->offset % history->page_offsets];
    if (page_of(history, entry->offset) != page->number || *place ||
        envelope.payload.size > history->interest->max_bytes) {
        return;
    }
    *place =
        sw_lent_message(history->all->purse, sw_history_topic(history), &envelope, sw_clock_ns());
    sw_lent_keep(history->all->purse, *place);
    sw_lent_let_go(history->all->purse, *place);
    page->bytes += sw_message_bytes(*place);
    history->all->pages_bytes += sw_message_bytes(*place);
}

/* The first offset of the page that is not known. */
static uint64_t page_from(struct sw_history *history, uint64_t number)
{
    const struct sw_history_page *page = find_page(history, number);
    uint64_t from = page ? page->to + 1 : page_start(history, number);
    return from > history->gone ? from : history->gone + 1;
}

/* How far the page is known by that read. What lies beyond the claim may belong to a branch that
 * the next look finds lost. */
static uint64_t looked_to(const struct sw_history *history)
{
    const struct sw_history_read *read = &history->read;
    uint64_t to = page_end(history, history->page);
    if (read->count == read->limit || read->cut) {
        uint64_t seen = read->count > 0 ? read->entries[read->count - 1].offset : read->from;
        to = seen < to ? seen : to;
    }
    return to < history->ring.last ? to : history->ring.last;
}

static void keep_page(struct sw_history *history, const struct sw_history_read *read)
{
    if (read->from > page_from(history, history->page)) {
        return; /* what it goes on from was forgotten meanwhile */
    }
    struct sw_history_page *page = find_page(history, history->page);
    if (!page) {
        page = create_page(history, history->page);
    }
    page->to = looked_to(history);
    for (uint32_t i = 0; i < read->count && read->entries[i].offset <= page->to; i++) {
        keep_entry(page, &read->entries[i]);
    }
    sw_list_remove(&page->link);
    sw_list_push(&history->pages, &page->link);
    /* a stream loses its oldest first: what is absent in front of an entry is gone, and all before
     */
    uint64_t oldest = read->count > 0 ? read->entries[0].offset : history->ring.last + 1;
    if (oldest > read->from && oldest > history->gone + 1) {
        history->gone = oldest - 1;
    }
    bool easy = sw_purse_step(history->all->purse) == SW_BUDGET_EASY;
    sw_history_evict(history->all, easy ? SW_HISTORY_PAGES_BYTES : 0);
}

/* ---- reading ---- */

static bool is_of_claim(const struct sw_history *history, const struct sw_history_read *read)
{
    return sw_epoch_equal(&read->lineage.epoch, &history->lineage.epoch) &&
           read->top >= history->ring.last;
}

static void on_read(void *context, struct sw_history_read *read)
{
    struct sw_history *history = context;
    history->reading = false;
    if (sw_history_release(history)) {
        return;
    }
    switch (read->outcome) {
    case SW_READ_DONE:
        if (is_of_claim(history, read)) {
            keep_page(history, read);
            sw_history_serve(history);
        } else if (history->state == SW_HISTORY_LIVE) {
            sw_history_look(history, SW_LOOK_EPOCH); /* then it is asked for again */
        }
        return;
    case SW_READ_AWAY:
        return; /* it is asked for again when the bus is back */
    case SW_READ_FAILED:
        sw_history_fail(history, read->error);
        return;
    }
    SW_UNREACHABLE();
}

/* As many as fit into what is kept of all pages, judged by the ring and by the read before: of
 * messages of 256 KB, Redis would send 128 MB for a page, and again for each piece that an answer
 * may have; and a page that is waited for stays, however large it is. */
static void choose_page_offsets(struct sw_history *history)
{
    const struct sw_history_ring *ring = &history->ring;
    size_t count = sw_history_ring_count(ring);
    bool large = count > 0 && ring->bytes / count > SW_HISTORY_PAGES_BYTES / SW_HISTORY_READ;
    uint32_t wanted = large || history->read.cut ? SW_RUN_OFFSETS : SW_HISTORY_READ;
    if (wanted < history->page_offsets) {
        sw_history_drop_pages(history);
    }
    if (sw_list_empty(&history->pages)) {
        history->page_offsets = wanted;
    }
}

/* The page in which `offset` is not known, from where it is not known on. */
static void read_page(struct sw_history *history, uint64_t offset)
{
    struct sw_histories *all = history->all;
    choose_page_offsets(history);
    uint64_t number = page_of(history, offset);
    uint64_t from = page_from(history, number);
    history->page = number;
    history->reading = true;
    history->read = (struct sw_history_read){
        .topic = sw_history_topic(history),
        .from = from,
        .limit = (uint32_t)(page_end(history, number) - from + 1),
        .size = history->rule->history_size,
        .ttl_ms = history->rule->history_ttl_ms,
        .done = on_read,
        .context = history,
    };
    sw_count(&all->counters->history_reads_total[SW_LOOK_RUN], 1);
    all->backend->ops->read(all->backend, &history->read);
}

/* ---- answering ---- */

/* Offsets of a run that there may be; from > to: none. */
static uint64_t run_from(uint64_t run)
{
    return run == 0 ? 1 : run * SW_RUN_OFFSETS;
}

static uint64_t run_to(const struct sw_history *history, uint64_t run)
{
    uint64_t to = run * SW_RUN_OFFSETS + SW_RUN_OFFSETS - 1;
    return to < history->ring.last ? to : history->ring.last;
}

/* The first offset of the run that is not known; 0: all are. */
static uint64_t find_unknown(struct sw_history *history, uint64_t run)
{
    uint64_t at = run_from(run) > history->gone ? run_from(run) : history->gone + 1;
    uint64_t to = run_to(history, run);
    while (at <= to && at < sw_history_ring_first(&history->ring)) {
        const struct sw_history_page *page = find_page(history, page_of(history, at));
        if (!page || page->to < at) {
            return at;
        }
        at = page->to + 1;
    }
    return 0;
}

static struct sw_message *find_message(struct sw_history *history, uint64_t offset)
{
    if (offset >= sw_history_ring_first(&history->ring)) {
        return sw_history_ring_get(&history->ring, offset);
    }
    const struct sw_history_page *page = find_page(history, page_of(history, offset));
    return page ? page->messages[offset % history->page_offsets] : NULL;
}

/* The run has none: up to where are there none behind it either? So who is far behind need not ask
 * run by run for what is gone. */
static uint64_t gone_to(const struct sw_history *history, const struct sw_run *run)
{
    uint64_t first = sw_history_ring_first(&history->ring);
    uint64_t to = history->gone < first ? history->gone : first - 1;
    const struct sw_list *node = history->pages.next;
    for (; node != &history->pages; node = node->next) { /* they may hold what was lost since */
        const struct sw_history_page *page = SW_CONTAINER_OF(node, struct sw_history_page, link);
        uint64_t start = page_start(history, page->number);
        to = start > run->to && start <= to ? start - 1 : to;
    }
    return to;
}

static void answer(struct sw_history *history, const struct sw_asker *ask)
{
    struct sw_exchange_reader *reader = sw_asker_find(history, ask);
    if (!reader) {
        return;
    }
    struct sw_run *run = sw_run_create(ask->number, SW_RUN_OFFSETS);
    run->to = run_to(history, ask->number);
    for (uint64_t offset = run_from(ask->number); offset <= run->to; offset++) {
        struct sw_message *message = find_message(history, offset);
        if (message) {
            sw_run_add(run, offset, message);
        }
    }
    run->gone = run->count == 0 ? gone_to(history, run) : 0;
    sw_outlet_run(sw_outlets_of(history->all->outlets, reader), reader, run);
    sw_run_unref(history->all->purse, run);
}

/* 0: it is answered; else the first offset that is not known. */
static uint64_t serve_one(struct sw_history *history, uint32_t index)
{
    const struct sw_asker *ask = &history->asks.rows[index];
    uint64_t unknown = find_unknown(history, ask->number);
    if (unknown == 0) {
        answer(history, ask);
        sw_askers_remove(&history->asks, index);
    }
    return unknown;
}

void sw_history_serve(struct sw_history *history)
{
    uint64_t unknown = 0;
    for (uint32_t i = history->asks.count; i > 0; i--) {
        uint64_t at = serve_one(history, i - 1);
        unknown = at > 0 ? at : unknown;
    }
    if (unknown > 0 && !history->reading && history->state != SW_HISTORY_AWAY) {
        read_page(history, unknown);
    }
}

void sw_history_ask(struct sw_history *history, const struct sw_exchange_reader *reader,
                    uint64_t run)
{
    SW_ASSERT(reader->joined && run <= SW_OFFSET_MAX / SW_RUN_OFFSETS);
    sw_askers_add(&history->asks, reader, run);
    if (history->reading) { /* the others are served with its answer */
        (void)serve_one(history, history->asks.count - 1);
    } else {
        sw_history_serve(history);
    }
}

/* A later number takes the place of a former one. */
void sw_history_check(struct sw_history *history, const struct sw_exchange_reader *reader,
                      uint32_t number)
{
    struct sw_askers *checks = &history->checks;
    uint32_t i = 0;
    while (i < checks->count && sw_asker_find(history, &checks->rows[i]) != reader) {
        i++;
    }
    if (i == checks->count) {
        sw_askers_add(checks, reader, number);
    }
    checks->rows[i].number = number;
    if (history->state == SW_HISTORY_LIVE) {
        sw_history_look(history, SW_LOOK_CHECK);
    }
}
