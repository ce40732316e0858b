// SPDX-License-Identifier: Apache-2.0
#include "common/mem.h"
#include "fanout/internal.h"

#ifdef SW_FAULTS
struct sw_fanout_fault sw_fanout_fault;
#endif

/* Address space only: each subscription of every slot may be behind. 0 is nobody's. */
static size_t cursors_bytes(const struct sw_fanout *fanout)
{
    return ((size_t)fanout->slots * SW_SESSION_TOPICS + 1) * sizeof(*fanout->cursors);
}

void sw_fanout_init(struct sw_fanout *fanout, struct sw_loop *loop, uint32_t slots,
                    const struct sw_marks *marks, const struct sw_encoding *encodings,
                    const struct sw_fanout_events *events, void *owner,
                    struct sw_counters *counters)
{
    *fanout = (struct sw_fanout){.events = events,
                                 .owner = owner,
                                 .counters = counters,
                                 .encodings = encodings,
                                 .loop = loop,
                                 .marks = *marks,
                                 .high_bytes = marks->high_bytes,
                                 .board_bytes = SW_BOARD_BYTES,
                                 .slots = slots,
                                 .cursors_high = 1,
                                 .pool.counters = counters};
    fanout->readers = sw_reserve((size_t)slots * sizeof(*fanout->readers));
    fanout->cursors = sw_reserve(cursors_bytes(fanout));
    fanout->gather = sw_zalloc(sizeof(*fanout->gather));
    sw_list_init(&fanout->runs);
    sw_tickers_init(fanout);
    sw_gates_init(fanout);
}

void sw_fanout_deinit(struct sw_fanout *fanout)
{
    SW_ASSERT(fanout->cursors_used == 0 && sw_list_empty(&fanout->runs));
    for (uint32_t id = 0; id < fanout->tapes_count; id++) {
        SW_ASSERT(!fanout->tapes[id]);
    }
    for (unsigned encoding = 0; encoding < SW_ENCODINGS; encoding++) {
        sw_map_deinit(&fanout->names[encoding][0]);
        sw_map_deinit(&fanout->names[encoding][1]);
    }
    sw_tickers_deinit(fanout);
    sw_gates_deinit(fanout);
    sw_block_pool_deinit(&fanout->pool);
    sw_release(fanout->readers, (size_t)fanout->slots * sizeof(*fanout->readers));
    sw_release(fanout->cursors, cursors_bytes(fanout));
    sw_free(fanout->gather);
    sw_free(fanout->tapes);
    sw_free(fanout->tapes_free);
    sw_free(fanout->items);
    sw_free(fanout->pieces);
}

/* Behind `before` (slot + 1; 0: first of all). */
static void insert_due(struct sw_fanout *fanout, uint32_t slot, uint32_t before)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    uint32_t *link = before ? &fanout->readers[before - 1].due_next : &fanout->due_head;
    reader->flags |= SW_DUE;
    reader->due_next = *link;
    *link = slot + 1;
    if (fanout->due_tail == before) {
        fanout->due_tail = slot + 1;
    }
}

void sw_fanout_due(struct sw_fanout *fanout, uint32_t slot)
{
    if (fanout->flushing) {
        sw_fanout_due_later(fanout, slot); /* it has used up its share */
    } else if (!(sw_reader(fanout, slot)->flags & SW_DUE)) {
        insert_due(fanout, slot, fanout->due_live);
        fanout->due_live = slot + 1;
    }
}

void sw_fanout_due_later(struct sw_fanout *fanout, uint32_t slot)
{
    if (!(sw_reader(fanout, slot)->flags & SW_DUE)) {
        insert_due(fanout, slot, fanout->due_tail);
    }
}

bool sw_fanout_due_pop(struct sw_fanout *fanout, uint32_t *stop, uint32_t *slot)
{
    if (*stop == 0) {
        *stop = fanout->due_tail; /* who becomes due from now on waits for the next turn */
        fanout->flushing = true;
        fanout->deadline_ns = fanout->end_ns;
        fanout->late = false;
        fanout->step = 0;
    }
    sw_fanout_check_time(fanout);
    if (!fanout->due_head || *stop == UINT32_MAX || fanout->late) {
        return false;
    }
    *slot = fanout->due_head - 1;
    if (fanout->due_head == *stop) {
        *stop = UINT32_MAX;
    }
    if (fanout->due_head == fanout->due_live) {
        fanout->due_live = 0;
    }
    struct sw_reader *reader = sw_reader(fanout, *slot);
    fanout->due_head = reader->due_next;
    if (fanout->due_head) {
        struct sw_reader *next = sw_reader(fanout, fanout->due_head - 1);
        __builtin_prefetch(next);
    } else {
        fanout->due_tail = 0;
    }
    reader->flags &= (uint8_t)~SW_DUE;
    return true;
}

void sw_reader_close(struct sw_fanout *fanout, uint32_t slot)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    SW_ASSERT(reader->subscriptions == 0 && reader->cursors == 0);
    struct sw_owed owed = {
        .behind = reader->behind, .queued = reader->queued, .bytes = reader->queued_bytes};
    sw_reader_settle(fanout, reader, owed);
    sw_reader_shed(fanout, reader, owed.behind, SW_SHED_CLOSED);
    sw_gate_leave(fanout, slot);
}
