// SPDX-License-Identifier: Apache-2.0
/* What cursors are owed, written with one system call. */
#include "common/clock.h"
#include "fanout/internal.h"

#ifdef SW_LAW
struct sw_subscription *sw_law_entry(struct sw_fanout *fanout, const struct sw_tape *tape,
                                     uint32_t place)
{
    const struct sw_entry_hub *entry = &tape->hub[place];
    return &sw_reader(fanout, entry->slot)->list[entry->subscription >> 1];
}
#endif

/* Counts `frames` frames of a block that have left, to where they belong. */
static void count_left(struct sw_fanout *fanout, struct sw_reader *reader,
                       const struct sw_block *block, uint32_t frames)
{
    if (block->gap) {
        sw_reader_shed(fanout, reader, block->count, (enum sw_shed)block->shed);
    } else {
        reader->sent += frames;
        sw_count(&fanout->counters->sent_total, frames);
    }
}

/* Positions that `frames` frames of the block stand for. */
static uint64_t positions(const struct sw_block *block, uint32_t frames)
{
    return block->gap ? (frames ? block->count : 0) : frames;
}

static void books(struct sw_fanout *fanout, const struct sw_cursor *cursor,
                  const struct sw_block *block, uint32_t frames, bool in_flight)
{
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    uint64_t n = positions(block, frames);
    if (in_flight) {
        SW_LAW_ADD(fanout, tape, cursor->place, in_flight, n);
    } else if (block->gap) {
        SW_LAW_ADD(fanout, tape, cursor->place, shed, n);
    } else {
        SW_LAW_ADD(fanout, tape, cursor->place, sent, n);
    }
}

static void count_latency(struct sw_fanout *fanout, const struct sw_block *block, uint32_t frame,
                          uint32_t frames)
{
    if (block->gap) {
        return;
    }
    uint64_t now_ms = sw_clock_ms();
    uint64_t born_ms = sw_block_time_ms(block, frame);
    uint64_t us = now_ms > born_ms ? (now_ms - born_ms) * 1000 : 0;
    sw_histogram_add(&fanout->counters->deliver, us, frames);
}

/* A rest has left: its frame counts now. */
static void rest_done(struct sw_conn *conn, const struct sw_rest *rest, int status)
{
    (void)conn;
    struct sw_fanout *fanout = rest->owner;
    struct sw_block *block = rest->pin;
    uint32_t slot = rest->tag;
    struct sw_reader *reader = sw_reader(fanout, slot);
    reader->flags &= (uint8_t)~SW_WRITE_PENDING;
    if (status == 0) {
        sw_reader_settle(fanout, reader, positions(block, 1), rest->bytes);
        count_left(fanout, reader, block, 1);
#ifdef SW_LAW
        for (uint32_t i = 0; i < reader->subscriptions; i++) {
            struct sw_subscription *subscription = &reader->list[i];
            if (subscription->tape == block->tape && subscription->in_flight) {
                subscription->in_flight = 0;
                *(block->gap ? &subscription->shed : &subscription->sent) += positions(block, 1);
            }
        }
#endif
        sw_fanout_due(fanout, slot);
    } else if (status != -ECANCELED) {
        fanout->events->on_broken(fanout->owner, slot, status);
    }
    sw_block_unpin(fanout, block);
}

/* The frame that the socket cut: what is left of it must leave before anything else. */
static void cut(struct sw_fanout *fanout, uint32_t slot, struct sw_cursor *cursor,
                const struct sw_piece *piece, size_t taken)
{
    struct sw_block *block = piece->block;
    struct sw_reader *reader = sw_reader(fanout, slot);
    uint32_t at = sw_block_start(block, piece->frame) + (uint32_t)taken;
    uint32_t low = piece->frame;
    uint32_t high = piece->frame + piece->frames - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (sw_block_end(block, middle) > at) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    uint32_t whole = low - piece->frame;
    sw_reader_settle(fanout, reader, whole, taken);
    if (whole) {
        count_left(fanout, reader, block, whole);
        count_latency(fanout, block, piece->frame, whole);
        books(fanout, cursor, block, whole, false);
    }
    uint32_t rest = sw_block_end(block, low) - at;
    books(fanout, cursor, block, 1, true);
    block->pins++;
    sw_cursor_move(fanout, cursor, block, low + 1);
    reader->flags |= SW_WRITE_PENDING;
    struct sw_rest request = {
        .done = rest_done, .owner = fanout, .pin = block, .bytes = rest, .tag = slot};
    sw_conn_write_rest(fanout->events->conn(fanout->owner, slot), sw_block_data(block) + at,
                       &request);
}

bool sw_pieces_advance(struct sw_fanout *fanout, uint32_t slot, const struct sw_piece *pieces,
                       unsigned count, size_t taken)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    for (unsigned i = 0; i < count; i++) {
        const struct sw_piece *piece = &pieces[i];
        struct sw_cursor *cursor = &fanout->cursors[piece->cursor];
        struct sw_block *block = piece->block;
        size_t bytes = sw_block_end(block, piece->frame + piece->frames - 1) -
                       sw_block_start(block, piece->frame);
        if (taken < bytes) {
            cut(fanout, slot, cursor, piece, taken);
            return false;
        }
        taken -= bytes;
        sw_reader_settle(fanout, reader, positions(block, piece->frames), bytes);
        count_left(fanout, reader, block, piece->frames);
        count_latency(fanout, block, piece->frame, piece->frames);
        books(fanout, cursor, block, piece->frames, false);
        sw_cursor_move(fanout, cursor, block, piece->frame + piece->frames);
    }
    return true;
}

/* The pieces that the slot's cursors are owed, in turn. */
static unsigned collect(struct sw_fanout *fanout, const struct sw_reader *reader, size_t budget,
                        struct iovec *iov, struct sw_piece *pieces, unsigned room, size_t *bytes)
{
    unsigned n = 0;
    *bytes = 0;
    for (uint32_t id = reader->head; id && n < room && *bytes < budget;
         id = fanout->cursors[id].next) {
        const struct sw_cursor *cursor = &fanout->cursors[id];
        uint32_t frame = cursor->frame;
        for (struct sw_block *block = cursor->block; block && n < room; block = block->next) {
            if (frame < block->frames) {
                uint32_t start = sw_block_start(block, frame);
                iov[n].iov_base = sw_block_data(block) + start;
                iov[n].iov_len = block->bytes - start;
                *bytes += iov[n].iov_len;
                pieces[n] = (struct sw_piece){
                    .cursor = id, .frame = frame, .frames = block->frames - frame, .block = block};
                n++;
            }
            frame = 0;
        }
    }
    return n;
}

static ssize_t write_pieces(struct sw_fanout *fanout, const struct sw_reader *reader,
                            struct iovec *iov, unsigned count, unsigned lead)
{
    sw_count(&fanout->counters->writes_total, count > lead); /* the lane's own are no deliveries */
    return count == 1 ? sw_conn_send(reader->fd, iov[0].iov_base, iov[0].iov_len)
                      : sw_conn_sendv(reader->fd, iov, count);
}

/* One system call's worth; false: the socket is full or broken. */
static bool write_some(struct sw_fanout *fanout, uint32_t slot, struct sw_slice front,
                       size_t budget, size_t *taken, size_t *written)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    struct iovec iov[SW_FLUSH_PIECES];
    struct sw_piece pieces[SW_FLUSH_PIECES];
    unsigned lead = front.size ? 1 : 0;
    size_t bytes;
    iov[0] = (struct iovec){.iov_base = (char *)(uintptr_t)front.data, .iov_len = front.size};
    unsigned n =
        collect(fanout, reader, budget, iov + lead, pieces, SW_FLUSH_PIECES - lead, &bytes);
    *written = 0;
    if (n + lead == 0) {
        return true;
    }
    ssize_t w = write_pieces(fanout, reader, iov, n + lead, lead);
    if (w < 0) {
        fanout->events->on_broken(fanout->owner, slot, (int)w);
        return false;
    }
    *taken = (size_t)w < front.size ? (size_t)w : front.size;
    if (*taken < front.size) {
        return false;
    }
    *written = (size_t)w;
    bool all = sw_pieces_advance(fanout, slot, pieces, n, (size_t)w - front.size);
    sw_cursor_drop_done(fanout, reader);
    return all;
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
    size_t budget = SW_FLUSH_BYTES;
    while (front.size || reader->head) {
        size_t written;
        size_t front_taken = 0;
        if (!write_some(fanout, slot, front, budget, &front_taken, &written)) {
            *taken += front_taken;
            break;
        }
        *taken += front_taken;
        front.size = 0;
        if (written >= budget) {
            return reader->head == 0;
        }
        budget -= written;
    }
    if (reader->queued_bytes > fanout->max_queued_bytes) {
        fanout->events->on_over(fanout->owner, slot);
    }
    return true;
}
