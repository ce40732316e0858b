// SPDX-License-Identifier: Apache-2.0
/* What cursors are owed, written with one system call. */
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

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
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

void sw_latency_add(struct sw_fanout *fanout, uint64_t born_ms, uint32_t count)
{
    uint64_t now_ms = sw_clock_ms();
    uint64_t us = now_ms > born_ms ? (now_ms - born_ms) * 1000 : 0;
    sw_histogram_add(&fanout->counters->deliver, us, count);
}

static void count_latency(struct sw_fanout *fanout, const struct sw_block *block, uint32_t frame,
                          uint32_t frames)
{
    if (!block->gap) {
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
        uint64_t n = positions(block, 1);
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
        reader->since = (uint32_t)sw_block_time_ms(block, frame);
    }
    reader->flags |= SW_WRITE_PENDING;
    sw_gate_watch(fanout, slot); /* else nobody would see how long it waits */
    struct sw_rest request = {
        .done = rest_done, .owner = fanout, .pin = block, .bytes = bytes, .tag = slot};
    sw_conn_write_rest(fanout->events->conn(fanout->owner, slot), sw_block_data(block) + at,
                       &request);
}

/* ---- what a piece that has left means ---- */

static void frames_left(struct sw_fanout *fanout, struct sw_reader *reader,
                        struct sw_cursor *cursor, struct sw_block *block, uint32_t frame,
                        uint32_t frames)
{
    if (frames == 0) {
        return;
    }
    uint64_t n = positions(block, frames);
    uint64_t bytes = sw_block_end(block, frame + frames - 1) - sw_block_start(block, frame);
    sw_reader_settle(fanout, reader, (struct sw_owed){.behind = n, .queued = n, .bytes = bytes});
    count_left(fanout, reader, block, frames);
    count_latency(fanout, block, frame, frames);
    books(fanout, cursor, block, frames, false);
    sw_cursor_move(fanout, cursor, block, frame + frames);
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
    sw_flight_add(flight, block, frame, (uint32_t)positions(block, frames));
    sw_cursor_move(fanout, cursor, block, frame + frames);
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
    sw_cursor_move(fanout, cursor, block, cut + 1 + skips);
}

/* Positions that a reader of a board goes past. */
static void pass(struct sw_fanout *fanout, struct sw_reader *reader, struct sw_cursor *cursor,
                 uint64_t count)
{
    sw_reader_settle(fanout, reader, (struct sw_owed){.behind = count});
    sw_reader_lose(fanout, reader, fanout->tapes[cursor->tape]->rule, count,
                   (enum sw_shed)cursor->reason);
    SW_LAW_ADD(fanout, fanout->tapes[cursor->tape], cursor->place, shed, count);
    cursor->passed += (int32_t)count;
    cursor->position += count;
}

/* An entry of the board has left, or a part of it. */
static void entry_left(struct sw_fanout *fanout, uint32_t slot, struct sw_cursor *cursor,
                       const struct sw_piece *piece, struct sw_taken taken)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    struct sw_block *block = piece->block;
    bool whole = taken.left == block->bytes;
    uint64_t n = positions(block, 1);
    sw_cursor_begin(fanout, cursor);
    pass(fanout, reader, cursor, piece->passed);
    cursor->position += n;
    SW_ASSERT(cursor->position == piece->position);
    cursor->seq = piece->seq;
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
        cursor->gap_unknown = false;
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
    return piece->kind == SW_PIECE_GAP || piece->kind == SW_PIECE_PASSED;
}

static size_t piece_bytes(const struct sw_piece *piece)
{
    return sw_block_end(piece->block, piece->frame + piece->frames - 1) -
           sw_block_start(piece->block, piece->frame);
}

/* `taken`: of its bytes. If not all, what is left of the frame that was cut goes to the socket;
 * also of one that was not begun, unless a record waits: nobody tells of room without having
 * something to write. */
static void piece_left(struct sw_fanout *fanout, uint32_t slot, const struct sw_piece *piece,
                       struct sw_taken taken)
{
    struct sw_cursor *cursor = &fanout->cursors[piece->cursor];
    if (piece->kind == SW_PIECE_ENTRY) {
        entry_left(fanout, slot, cursor, piece, taken);
    } else if (is_told(piece)) {
        told_left(fanout, slot, cursor, piece, taken.begun);
    } else if (taken.left < piece_bytes(piece)) {
        frames_cut(fanout, slot, cursor, piece, taken);
    } else {
        frames_left(fanout, sw_reader(fanout, slot), cursor, piece->block, piece->frame,
                    piece->frames);
    }
}

/* What they tell is told another time. */
static void forget(struct sw_fanout *fanout, const struct sw_piece *pieces, unsigned count)
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
        size_t bytes = piece_bytes(&pieces[i]);
        struct sw_taken of = {.left = least(taken.left, bytes),
                              .begun = least(taken.begun, bytes),
                              .flight = taken.flight};
        if (of.begun == 0 && taken.flight) {
            forget(fanout, &pieces[i], count - i);
            return false;
        }
        piece_left(fanout, slot, &pieces[i], of);
        if (of.left < bytes) {
            reader->cursors = pieces[i].cursor; /* the next one is served next */
        }
        if (of.begun < bytes) {
            forget(fanout, &pieces[i + 1], count - i - 1);
            return false;
        }
        taken.left -= of.left;
        taken.begun -= of.begun;
    }
    return taken.flight == NULL;
}

/* ---- what a reader is owed ---- */

struct collecting {
    struct iovec iov[SW_FLUSH_PIECES];
    struct sw_piece pieces[SW_FLUSH_PIECES];
    unsigned count;
    unsigned lead; /* pieces in front that are not a cursor's */
    size_t bytes;
    size_t budget;
    bool exact; /* no more than the budget, but a frame at least */
};

static bool has_room(const struct collecting *to)
{
    return to->count < SW_FLUSH_PIECES && to->bytes < to->budget;
}

static void put(struct collecting *to, struct sw_piece piece)
{
    size_t bytes = piece_bytes(&piece);
    to->iov[to->count].iov_base =
        sw_block_data(piece.block) + sw_block_start(piece.block, piece.frame);
    to->iov[to->count].iov_len = bytes;
    to->pieces[to->count] = piece;
    to->bytes += bytes;
    to->count++;
}

/* Renders what is missing: a block that the piece owns until it has left. */
static void put_told(struct sw_fanout *fanout, struct collecting *to, uint32_t id,
                     struct sw_piece piece, enum sw_shed reason)
{
    const struct sw_cursor *cursor = &fanout->cursors[id];
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    struct sw_push push = {.kind = SW_PUSH_DROPPED,
                           .name = sw_tape_name(tape),
                           .pattern = tape->pattern,
                           .count = piece.unknown ? 0 : piece.told,
                           .reason = reason};
    const struct sw_encoding *encoding = &fanout->encodings[tape->encoding];
    size_t text_size;
    size_t size = sw_encoding_size(encoding, &push, &text_size);
    uint64_t now_ms = sw_loop_now_ms(fanout->loop);
    piece.block = sw_block_create(&fanout->pool, 0, size, true);
    piece.block->tape = tape->id;
    piece.block->rule = tape->rule;
    piece.block->gap = true; /* of no count: what it tells was counted when it was shed */
    piece.block->born_ms = now_ms;
    sw_encoding_write(encoding, &push, text_size, sw_block_data(piece.block));
    sw_block_add(piece.block, size, now_ms);
    piece.cursor = id;
    piece.frames = 1;
    put(to, piece);
}

static void put_gap(struct sw_fanout *fanout, struct collecting *to, uint32_t id)
{
    const struct sw_cursor *cursor = &fanout->cursors[id];
    if ((cursor->gap || cursor->gap_unknown) && has_room(to)) {
        put_told(fanout, to, id,
                 (struct sw_piece){
                     .kind = SW_PIECE_GAP, .told = cursor->gap, .unknown = cursor->gap_unknown},
                 SW_SHED_SLOW);
    }
}

/* Frames of the block from `frame` on that the budget allows. */
static uint32_t frames_within(const struct collecting *to, const struct sw_block *block,
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

static void collect_place(struct collecting *to, const struct sw_cursor *cursor, uint32_t id)
{
    uint32_t frame = cursor->frame;
    for (struct sw_block *block = cursor->block; block && has_room(to); block = block->next) {
        while (frame < block->frames && has_room(to)) {
            uint32_t n = frames_within(to, block, frame);
            put(to, (struct sw_piece){.kind = SW_PIECE_FRAMES,
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

/* What has fallen off the board before it was read was not conflated: it is missing. */
static void note_fallen(struct sw_fanout *fanout, struct sw_reader *reader,
                        struct sw_cursor *cursor, const struct sw_board *board)
{
    uint64_t count = board->fell - cursor->position;
    if (cursor->passed < 0) { /* told as passed, ahead */
        uint64_t told = (uint64_t)-cursor->passed;
        told = told < count ? told : count;
        pass(fanout, reader, cursor, told);
        count -= told;
    }
    sw_reader_settle(fanout, reader, (struct sw_owed){.behind = count});
    sw_reader_lose(fanout, reader, fanout->tapes[cursor->tape]->rule, count, SW_SHED_SLOW);
    SW_LAW_ADD(fanout, fanout->tapes[cursor->tape], cursor->place, shed, count);
    cursor->gap += (uint32_t)count;
    cursor->gap_unknown = cursor->gap_unknown || cursor->seq < board->fell_unknown;
    cursor->position = board->fell;
    cursor->seq = board->fell_seq;
}

/* What one reading of a board takes: the entries within the budget, and what is passed on the way.
 */
struct reading {
    unsigned entries;
    uint64_t passed;
    bool end; /* nothing is left behind them */
};

static uint32_t passed_before(const struct sw_board_entry *entry, uint64_t position)
{
    return (uint32_t)(entry->position - positions(entry->frame, 1) - position);
}

static struct reading measure(const struct collecting *to, const struct sw_board *board,
                              const struct sw_cursor *cursor)
{
    struct reading reading = {0};
    size_t bytes = to->bytes;
    uint64_t position = cursor->position;
    const struct sw_board_entry *entry = sw_board_behind(board, cursor->seq);
    while (entry && to->count + reading.entries + 1 < SW_FLUSH_PIECES && bytes < to->budget &&
           sw_cursor_may_read(cursor, entry->seq)) {
        reading.passed += passed_before(entry, position);
        position = entry->position;
        bytes += entry->frame->bytes;
        reading.entries++;
        entry = sw_board_next(board, entry);
    }
    reading.end = entry == NULL;
    return reading;
}

/* When to tell what was passed. */
enum tell {
    TELL_NOT,
    TELL_FIRST, /* a second is over */
    TELL_LAST,  /* nothing more will come for now: behind all that is read, if that leaves whole */
};

static enum tell tells(struct sw_fanout *fanout, const struct sw_cursor *cursor,
                       const struct reading *reading)
{
    if (cursor->passed + (int64_t)reading->passed <= 0) {
        return TELL_NOT;
    }
    if ((uint16_t)(sw_told_now(fanout) - cursor->told) >= SW_TOLD_STEPS) {
        return TELL_FIRST;
    }
    unsigned pace = sw_entry_pace(&fanout->tapes[cursor->tape]->hub[cursor->place]);
    return reading->end && (pace == 0 || reading->entries == 0) ? TELL_LAST : TELL_NOT;
}

static void put_passed(struct sw_fanout *fanout, struct collecting *to, uint32_t id,
                       const struct reading *reading)
{
    const struct sw_cursor *cursor = &fanout->cursors[id];
    if (has_room(to)) {
        uint32_t told = (uint32_t)(cursor->passed + (int64_t)reading->passed);
        put_told(fanout, to, id, (struct sw_piece){.kind = SW_PIECE_PASSED, .told = told},
                 (enum sw_shed)cursor->reason);
    }
}

static void collect_board(struct sw_fanout *fanout, struct sw_reader *reader, struct collecting *to,
                          uint32_t id)
{
    struct sw_cursor *cursor = &fanout->cursors[id];
    const struct sw_board *board = fanout->tapes[cursor->tape]->board;
    if (cursor->seq < board->fell_seq) {
        note_fallen(fanout, reader, cursor, board);
    }
    put_gap(fanout, to, id);
    struct reading reading = measure(to, board, cursor);
    enum tell tell = tells(fanout, cursor, &reading);
    if (tell == TELL_FIRST) {
        put_passed(fanout, to, id, &reading);
    }
    uint64_t position = cursor->position;
    const struct sw_board_entry *entry = sw_board_behind(board, cursor->seq);
    for (unsigned i = 0; i < reading.entries; i++) {
        put(to, (struct sw_piece){.kind = SW_PIECE_ENTRY,
                                  .cursor = id,
                                  .frames = 1,
                                  .passed = passed_before(entry, position),
                                  .seq = entry->seq,
                                  .position = entry->position,
                                  .block = entry->frame});
        position = entry->position;
        entry = sw_board_next(board, entry);
    }
    if (tell == TELL_LAST) {
        put_passed(fanout, to, id, &reading);
    }
}

/* The pieces that the slot's cursors are owed, in turn. */
static void collect(struct sw_fanout *fanout, struct sw_reader *reader, struct collecting *to)
{
    uint32_t last = reader->cursors;
    uint32_t id = last;
    while (id && has_room(to)) {
        id = fanout->cursors[id].next;
        const struct sw_cursor *cursor = &fanout->cursors[id];
        switch ((enum sw_cursor_kind)cursor->kind) {
        case SW_CURSOR_PLACE:
            put_gap(fanout, to, id);
            collect_place(to, cursor, id);
            break;
        case SW_CURSOR_BOARD:
            if (!sw_cursor_waits(cursor)) {
                collect_board(fanout, reader, to, id);
            }
            break;
        case SW_CURSOR_END:
            put_gap(fanout, to, id);
            break;
        }
        if (id == last) {
            return;
        }
    }
}

/* ---- the flush ---- */

/* 0, or a negative errno. */
static int write_pieces(struct sw_fanout *fanout, uint32_t slot, struct collecting *from,
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
                             struct collecting *to, size_t *taken)
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
    *taken = least(wrote.begun, front.size);
    sw_gate_wrote(fanout, slot, reader, *taken);
    if (status || *taken < front.size) {
        forget(fanout, pieces, count);
        if (status) {
            fanout->events->on_broken(fanout->owner, slot, status);
        } else {
            sw_gate_watch(fanout, slot);
        }
        return WROTE_PART;
    }
    wrote.left -= least(wrote.left, front.size);
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
    struct collecting to = {.budget = sw_gate_room(fanout, reader), .exact = reader->gate != 0};
    while (front.size || reader->cursors) {
        size_t front_taken = 0;
        enum wrote wrote = write_some(fanout, slot, front, &to, &front_taken);
        *taken += front_taken;
        if (wrote != WROTE_ALL) {
            return true;
        }
        front.size = 0;
        if (to.bytes >= to.budget) {
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
