// SPDX-License-Identifier: Apache-2.0
/* What it means that bytes have left: cursors move, accounts follow, and the rest of a frame that
 * the socket cut leaves by itself. */
#include "common/clock.h"
#include "fanout/internal.h"

#ifdef SW_LAW
struct sw_subscription *sw_law_entry(struct sw_fanout *fanout, const struct sw_tape *tape,
                                     uint32_t place)
{
    const struct sw_entry_hub *entry = &tape->hub[place];
    return &sw_reader(fanout, entry->slot)->list[sw_entry_index(entry)];
}
#endif

/* Counts `frames` frames of a block that have left, to where they belong. */
static void count_left(struct sw_fanout *fanout, struct sw_reader *reader,
                       const struct sw_block *block, uint32_t frames)
{
    if (block->gap) {
        sw_reader_lose(fanout, reader, block->rule, block->count, (enum sw_shed)block->shed);
    } else {
        sw_reader_sent(fanout, reader, block->rule, frames);
    }
}

static void books(struct sw_fanout *fanout, const struct sw_cursor *cursor,
                  const struct sw_block *block, uint32_t frames, bool in_flight)
{
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    uint64_t n = sw_block_positions(block, frames);
    if (in_flight) {
        SW_LAW_ADD(fanout, tape, cursor->place, in_flight, n);
    } else if (block->gap) {
        SW_LAW_ADD(fanout, tape, cursor->place, shed, n);
    } else {
        SW_LAW_ADD(fanout, tape, cursor->place, sent, n);
    }
}

void sw_latency_add(struct sw_fanout *fanout, uint64_t born_ms, uint32_t count)
{
    uint64_t now_ms = sw_clock_ms();
    uint64_t us = now_ms > born_ms ? (now_ms - born_ms) * 1000 : 0;
    sw_histogram_add(&fanout->counters->deliver, us, count);
}

static void count_latency(struct sw_fanout *fanout, const struct sw_block *block, uint32_t frame,
                          uint32_t frames)
{
    if (!block->gap && !block->run) { /* of a run it is not known when its messages came */
        sw_latency_add(fanout, sw_block_time_ms(block, frame), frames);
    }
}

/* ---- the frame in flight ---- */

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
        uint32_t n = sw_block_positions(block, 1);
        sw_reader_settle(fanout, reader,
                         (struct sw_owed){.behind = n, .queued = n, .bytes = rest->bytes});
        count_left(fanout, reader, block, 1);
        sw_gate_wrote(fanout, slot, reader, rest->bytes);
#ifdef SW_LAW
        for (uint32_t i = 0; i < reader->subscriptions; i++) {
            struct sw_subscription *subscription = &reader->list[i];
            if (subscription->tape == block->tape && subscription->in_flight) {
                subscription->in_flight = 0;
                *(block->gap ? &subscription->shed : &subscription->sent) += n;
            }
        }
#endif
        sw_fanout_due(fanout, slot);
    } else if (status != -ECANCELED) {
        fanout->events->on_broken(fanout->owner, slot, status);
    }
    sw_block_unpin(fanout, block);
}

/* What the socket did not take of a frame must leave before anything else: `bytes` from `at`. */
static void write_rest(struct sw_fanout *fanout, uint32_t slot, struct sw_block *block,
                       uint32_t frame, uint32_t at, uint32_t bytes)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    block->pins++;
    if (!(reader->flags & SW_WRITE_PENDING)) { /* else a record before it waits longer */
        reader->since =
            (uint32_t)(block->run ? sw_loop_now_ms(fanout->loop) : sw_block_time_ms(block, frame));
    }
    reader->flags |= SW_WRITE_PENDING;
    sw_gate_watch(fanout, slot); /* else nobody would see how long it waits */
    struct sw_rest request = {
        .done = rest_done, .owner = fanout, .pin = block, .bytes = bytes, .tag = slot};
    sw_conn_write_rest(fanout->events->conn(fanout->owner, slot), sw_block_data(block) + at,
                       &request);
}

/* ---- what a piece that has left means ---- */

/* It has read up to frame `frame`, of which `frames` since. */
static void move_on(struct sw_fanout *fanout, struct sw_cursor *cursor, struct sw_block *block,
                    uint32_t frame, uint32_t frames)
{
    if (block->run) {
        sw_cursor_advance(fanout, cursor, frames);
    } else {
        sw_cursor_move(fanout, cursor, block, frame);
    }
}

static void frames_left(struct sw_fanout *fanout, struct sw_reader *reader,
                        struct sw_cursor *cursor, struct sw_block *block, uint32_t frame,
                        uint32_t frames)
{
    if (frames == 0) {
        return;
    }
    uint64_t n = sw_block_positions(block, frames);
    uint64_t bytes = sw_block_end(block, frame + frames - 1) - sw_block_start(block, frame);
    sw_reader_settle(fanout, reader, (struct sw_owed){.behind = n, .queued = n, .bytes = bytes});
    count_left(fanout, reader, block, frames);
    count_latency(fanout, block, frame, frames);
    books(fanout, cursor, block, frames, false);
    move_on(fanout, cursor, block, frame + frames, frames);
}

/* They wait in a record; their bytes are its flight's. */
static void frames_fly(struct sw_fanout *fanout, struct sw_reader *reader, struct sw_cursor *cursor,
                       struct sw_block *block, uint32_t frame, uint32_t frames,
                       struct sw_flight *flight)
{
    if (frames == 0) {
        return;
    }
    uint32_t bytes = sw_block_end(block, frame + frames - 1) - sw_block_start(block, frame);
    sw_reader_settle(fanout, reader, (struct sw_owed){.bytes = bytes});
    books(fanout, cursor, block, frames, true);
    sw_flight_add(flight, block, frame, sw_block_positions(block, frames));
    move_on(fanout, cursor, block, frame + frames, frames);
}

/* The first `bytes` bytes of the piece end in this frame, or in front of it. */
static uint32_t frame_at(const struct sw_piece *piece, size_t bytes)
{
    uint32_t at = sw_block_start(piece->block, piece->frame) + (uint32_t)bytes;
    uint32_t low = piece->frame;
    uint32_t high = piece->frame + piece->frames;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (sw_block_end(piece->block, middle) > at) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* A part of the piece: what has left, what waits in a record, and the frame that was cut. */
static void frames_cut(struct sw_fanout *fanout, uint32_t slot, struct sw_cursor *cursor,
                       const struct sw_piece *piece, struct sw_taken taken)
{
    struct sw_block *block = piece->block;
    struct sw_reader *reader = sw_reader(fanout, slot);
    uint32_t flies = frame_at(piece, taken.left);
    uint32_t cut = frame_at(piece, taken.begun);
    frames_left(fanout, reader, cursor, block, piece->frame, flies - piece->frame);
    frames_fly(fanout, reader, cursor, block, flies, cut - flies, taken.flight);
    uint32_t at = sw_block_start(block, piece->frame) + (uint32_t)taken.begun;
    uint32_t start = sw_block_start(block, cut);
    if (taken.flight && at == start) {
        return; /* nothing of it was begun, and the record will tell when it has left */
    }
    sw_reader_settle(fanout, reader, (struct sw_owed){.bytes = at - start});
    books(fanout, cursor, block, 1, true);
    write_rest(fanout, slot, block, cut, at, sw_block_end(block, cut) - at);
    bool skips = cut + 1 < block->frames && sw_fanout_faulty(SW_FAULT_FLUSH);
    move_on(fanout, cursor, block, cut + 1 + skips, 1 + skips);
}

void sw_cursor_pass(struct sw_fanout *fanout, struct sw_reader *reader, struct sw_cursor *cursor,
                    uint64_t count)
{
    sw_reader_settle(fanout, reader, (struct sw_owed){.behind = count});
    sw_reader_lose(fanout, reader, fanout->tapes[cursor->tape]->rule, count,
                   (enum sw_shed)cursor->reason);
    SW_LAW_ADD(fanout, fanout->tapes[cursor->tape], cursor->place, shed, count);
    cursor->passed += (int32_t)count;
    cursor->position += count;
}

/* Frames of a run are queued from when they are begun. */
static void run_begun(struct sw_fanout *fanout, struct sw_reader *reader,
                      const struct sw_piece *piece, struct sw_taken taken)
{
    const struct sw_block *block = piece->block;
    uint32_t start = sw_block_start(block, piece->frame);
    uint32_t end = piece->frame + piece->frames;
    if (taken.begun < sw_piece_bytes(piece)) {
        end = frame_at(piece, taken.begun);
        bool begun = start + taken.begun > sw_block_start(block, end);
        end += begun || !taken.flight;
    }
    if (end > piece->frame) {
        sw_reader_owe(fanout, reader,
                      (struct sw_owed){.queued = end - piece->frame,
                                       .bytes = sw_block_end(block, end - 1) - start});
    }
}

/* An entry of the board has left, or a part of it. */
static void entry_left(struct sw_fanout *fanout, uint32_t slot, struct sw_cursor *cursor,
                       const struct sw_piece *piece, struct sw_taken taken)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    struct sw_block *block = piece->block;
    bool whole = taken.left == block->bytes;
    uint64_t n = sw_block_positions(block, 1);
    sw_cursor_begin(fanout, cursor);
    sw_cursor_pass(fanout, reader, cursor, piece->passed);
    cursor->position += n;
    SW_ASSERT(cursor->position == piece->position);
    cursor->seq = piece->seq;
    if (fanout->tapes[cursor->tape]->history) {
        cursor->offset = sw_tape_offset(fanout->tapes[cursor->tape], block, 1);
    }
    books(fanout, cursor, block, 1, !whole);
    if (whole) {
        sw_reader_settle(fanout, reader, (struct sw_owed){.behind = n});
        count_left(fanout, reader, block, 1);
        count_latency(fanout, block, 0, 1);
    } else if (taken.begun == block->bytes) {
        sw_reader_owe(fanout, reader, (struct sw_owed){.queued = n});
        sw_flight_add(taken.flight, block, 0, (uint32_t)n);
    } else {
        uint32_t rest = block->bytes - (uint32_t)taken.begun;
        sw_reader_owe(fanout, reader, (struct sw_owed){.queued = n, .bytes = rest});
        write_rest(fanout, slot, block, 0, (uint32_t)taken.begun, rest);
    }
}

/* A told gap has left or is in a record, or its first `taken` bytes; it counts for nothing. */
static void told_left(struct sw_fanout *fanout, uint32_t slot, struct sw_cursor *cursor,
                      const struct sw_piece *piece, size_t taken)
{
    struct sw_block *block = piece->block;
    if (piece->kind == SW_PIECE_GAP) {
        cursor->gap = 0;
        cursor->span = 0;
        cursor->gap_unknown = false;
    } else if (piece->kind == SW_PIECE_NAME && cursor->reset) {
        cursor->reset = false; /* under the name of where it stands */
    } else if (piece->kind == SW_PIECE_NAME) {
        cursor->epoch = fanout->tapes[cursor->tape]->history->epoch;
    } else {
        const struct sw_entry_hub *entry = &fanout->tapes[cursor->tape]->hub[cursor->place];
        cursor->passed -= (int32_t)piece->told;
        cursor->told = sw_told_now(fanout);
        sw_cursor_judge(cursor, entry);
    }
    if (taken < block->bytes) {
        uint32_t rest = block->bytes - (uint32_t)taken;
        sw_reader_owe(fanout, sw_reader(fanout, slot), (struct sw_owed){.bytes = rest});
        write_rest(fanout, slot, block, 0, (uint32_t)taken, rest);
    } else {
        sw_block_free(&fanout->pool, block);
    }
}

static bool is_told(const struct sw_piece *piece)
{
    return piece->kind == SW_PIECE_GAP || piece->kind == SW_PIECE_PASSED ||
           piece->kind == SW_PIECE_NAME;
}

/* `taken`: of its bytes. If not all, what is left of the frame that was cut goes to the socket;
 * also of one that was not begun, unless a record waits: nobody tells of room without having
 * something to write. */
static void piece_left(struct sw_fanout *fanout, uint32_t slot, const struct sw_piece *piece,
                       struct sw_taken taken)
{
    struct sw_cursor *cursor = &fanout->cursors[piece->cursor];
    if (piece->kind == SW_PIECE_RUN) {
        run_begun(fanout, sw_reader(fanout, slot), piece, taken);
    }
    if (piece->kind == SW_PIECE_ENTRY) {
        entry_left(fanout, slot, cursor, piece, taken);
    } else if (is_told(piece)) {
        told_left(fanout, slot, cursor, piece, taken.begun);
    } else if (taken.left < sw_piece_bytes(piece)) {
        frames_cut(fanout, slot, cursor, piece, taken);
    } else {
        frames_left(fanout, sw_reader(fanout, slot), cursor, piece->block, piece->frame,
                    piece->frames);
    }
}

void sw_pieces_forget(struct sw_fanout *fanout, const struct sw_piece *pieces, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (is_told(&pieces[i])) {
            sw_block_free(&fanout->pool, pieces[i].block);
        }
    }
}

bool sw_pieces_advance(struct sw_fanout *fanout, uint32_t slot, const struct sw_piece *pieces,
                       unsigned count, struct sw_taken taken)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    sw_gate_wrote(fanout, slot, reader, taken.left);
    for (unsigned i = 0; i < count; i++) {
        size_t bytes = sw_piece_bytes(&pieces[i]);
        struct sw_taken of = {.left = sw_least(taken.left, bytes),
                              .begun = sw_least(taken.begun, bytes),
                              .flight = taken.flight};
        if (of.begun == 0 && taken.flight) {
            sw_pieces_forget(fanout, &pieces[i], count - i);
            return false;
        }
        piece_left(fanout, slot, &pieces[i], of);
        if (of.left < bytes) {
            reader->cursors = pieces[i].cursor; /* the next one is served next */
        }
        if (of.begun < bytes) {
            sw_pieces_forget(fanout, &pieces[i + 1], count - i - 1);
            return false;
        }
        taken.left -= of.left;
        taken.begun -= of.begun;
    }
    return taken.flight == NULL;
}
