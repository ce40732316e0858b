// SPDX-License-Identifier: Apache-2.0
/* What cursors are owed, written with one system call. */
#include "fanout/collect.h"

/* ---- what a reader is owed ---- */

uint32_t sw_frames_within(const struct sw_collecting *to, const struct sw_block *block,
                          uint32_t frame)
{
    uint32_t n = block->frames - frame;
    if (!to->exact) {
        return n;
    }
    uint32_t start = sw_block_start(block, frame);
    size_t room = to->budget - to->bytes;
    while (n > 1 && sw_block_end(block, frame + n - 1) - start > room) {
        n--;
    }
    return n;
}

static void collect_place(struct sw_fanout *fanout, struct sw_collecting *to, uint32_t id)
{
    const struct sw_cursor *cursor = &fanout->cursors[id];
    const struct sw_entry_hub *entry = &fanout->tapes[cursor->tape]->hub[cursor->place];
    bool all = sw_entry_mode(entry) == SW_MODE_ALL;
    uint32_t frame = cursor->frame;
    for (struct sw_block *block = cursor->block; block && sw_has_room(to); block = block->next) {
        if (all && frame < block->frames && sw_block_may_be_kept(block)) {
            return; /* it asks for that, when it stands there */
        }
        while (frame < block->frames && sw_has_room(to)) {
            uint32_t n = sw_frames_within(to, block, frame);
            sw_put(to, (struct sw_piece){.kind = SW_PIECE_FRAMES,
                                         .cursor = id,
                                         .frame = frame,
                                         .frames = n,
                                         .block = block});
            frame += n;
        }
        if (frame < block->frames) {
            return;
        }
        frame = 0;
    }
}

static void collect_cursor(struct sw_fanout *fanout, struct sw_reader *reader,
                           struct sw_collecting *to, uint32_t id)
{
    struct sw_cursor *cursor = &fanout->cursors[id];
    if (sw_cursor_meets_gap(fanout, cursor)) {
        sw_cursor_to_bare(fanout, cursor);
    }
    switch ((enum sw_cursor_kind)cursor->kind) {
    case SW_CURSOR_PLACE:
        sw_put_pending(fanout, to, id);
        collect_place(fanout, to, id);
        return;
    case SW_CURSOR_BOARD:
        sw_collect_board(fanout, reader, to, id);
        return;
    case SW_CURSOR_BARE:
        sw_collect_bare(fanout, to, id);
        if (cursor->kind == SW_CURSOR_PLACE) { /* it stands on the tape again */
            collect_place(fanout, to, id);
        }
        return;
    case SW_CURSOR_END:
        sw_put_pending(fanout, to, id);
        return;
    }
}

/* The pieces that the slot's cursors are owed, in turn. */
static void collect(struct sw_fanout *fanout, struct sw_reader *reader, struct sw_collecting *to)
{
    uint32_t last = reader->cursors;
    uint32_t id = last;
    while (id && sw_has_room(to)) {
        id = fanout->cursors[id].next;
        if (!sw_cursor_waits(&fanout->cursors[id])) {
            collect_cursor(fanout, reader, to, id);
        }
        if (id == last) {
            return;
        }
    }
}

/* ---- the flush ---- */

/* 0, or a negative errno. */
static int write_pieces(struct sw_fanout *fanout, uint32_t slot, struct sw_collecting *from,
                        size_t front, struct sw_taken *taken)
{
    const struct sw_reader *reader = sw_reader(fanout, slot);
    *taken = (struct sw_taken){0};
    if (reader->flags & SW_NEVER_DIRECT && fanout->events->conn(fanout->owner, slot)->tls) {
        return sw_flight_send(fanout, slot, from->iov, from->count, front, taken);
    }
    sw_count(&fanout->counters->writes_total,
             from->count > from->lead); /* the lane's own are no deliveries */
    ssize_t n = sw_conn_send_pieces(reader->fd, from->iov, from->count);
    taken->left = n < 0 ? 0 : (size_t)n;
    taken->begun = taken->left;
    return n < 0 ? (int)n : 0;
}

enum wrote {
    WROTE_NOTHING, /* there was nothing to write */
    WROTE_ALL,
    WROTE_PART, /* the socket is full, or broken */
};

/* One system call's worth, `front` first; *taken: bytes of `front` that the socket took. */
static enum wrote write_some(struct sw_fanout *fanout, uint32_t slot, struct sw_slice front,
                             struct sw_collecting *to, size_t *taken)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    to->bytes = 0;
    to->lead = front.size != 0;
    to->count = to->lead;
    to->iov[0] = (struct iovec){.iov_base = (char *)(uintptr_t)front.data, .iov_len = front.size};
    collect(fanout, reader, to);
    if (to->count == 0) {
        sw_cursors_tidy(fanout, reader); /* who came here with nothing to read is at TOP */
        return WROTE_NOTHING;
    }
    struct sw_taken wrote;
    int status = write_pieces(fanout, slot, to, front.size, &wrote);
    struct sw_piece *pieces = to->pieces + to->lead;
    unsigned count = to->count - to->lead;
    *taken = sw_least(wrote.begun, front.size);
    sw_gate_wrote(fanout, slot, reader, *taken);
    if (status || *taken < front.size) {
        sw_pieces_forget(fanout, pieces, count);
        if (status) {
            fanout->events->on_broken(fanout->owner, slot, status);
        } else {
            sw_gate_watch(fanout, slot);
        }
        return WROTE_PART;
    }
    wrote.left -= sw_least(wrote.left, front.size);
    wrote.begun -= *taken;
    bool all = sw_pieces_advance(fanout, slot, pieces, count, wrote);
    if (count && all) {
        /* who got something goes to the end of the ring, so that the next one is served next */
        reader->cursors = pieces[count - 1].cursor;
    }
    sw_cursors_tidy(fanout, reader);
    return all ? WROTE_ALL : WROTE_PART;
}

/* False: its share of this turn is used up. */
static bool flush_cursors(struct sw_fanout *fanout, uint32_t slot, struct sw_slice front,
                          size_t *taken)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    struct sw_collecting to = {.budget = sw_gate_room(fanout, reader),
                               .replay = SW_REPLAY_BYTES,
                               .exact = reader->gate != 0};
    while (front.size || reader->cursors) {
        size_t front_taken = 0;
        enum wrote wrote = write_some(fanout, slot, front, &to, &front_taken);
        *taken += front_taken;
        if (wrote == WROTE_PART || (wrote == WROTE_NOTHING && to.replay)) {
            return true;
        }
        front.size = 0;
        if (to.bytes >= to.budget || wrote == WROTE_NOTHING) {
            return reader->flags & SW_GATED || !sw_reader_owed(fanout, reader);
        }
        to.budget -= to.bytes;
    }
    return true;
}

bool sw_fanout_flush(struct sw_fanout *fanout, uint32_t slot, struct sw_slice front, size_t *taken)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    SW_ASSERT(!(reader->flags & SW_WRITE_PENDING));
    *taken = 0;
    if (reader->flags & SW_TURN) {
        if (front.size == 0) {
            sw_items_flush(fanout, slot);
            return true;
        }
        sw_items_to_cursors(fanout, slot);
    }
    if (reader->cursors) {
        sw_policy_look(fanout, slot, false);
    }
    bool done = flush_cursors(fanout, slot, front, taken);
    if (reader->cursors) {
        sw_policy_since(fanout, slot);
        sw_policy_look(fanout, slot, true);
    }
    return done;
}
