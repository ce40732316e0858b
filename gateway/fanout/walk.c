// SPDX-License-Identifier: Apache-2.0
/* The walk: a dirty tape once, at the turn's end, over everybody who reads it. Who is at TOP and
 * free is written to at once where this tape is all that the turn owes them; in a turn with several
 * dirty tapes they get an item instead, and one system call for all of them; everybody else gets a
 * cursor. */
#include "common/clock.h"
#include "common/mem.h"
#include "fanout/internal.h"
#include "fanout/run.h"

/* Rows fetched ahead of the walk; measured without effect up to 10,000 readers, kept for more. */
#define PREFETCH 8

/* One tape's turn, ready to be written. */
struct walk {
    struct sw_tape *tape;
    struct iovec iov[SW_FLUSH_PIECES];
    struct sw_piece pieces[SW_FLUSH_PIECES];
    unsigned count;
    uint64_t due;         /* positions */
    struct sw_owed waits; /* for who is not written to at once */
    uint64_t board_seq;   /* of the tape's board, before this turn */
    bool direct;          /* everybody who is free is written to at once */
    bool solo;            /* those whose only subscription this is are */
    bool items;
    bool unknown;   /* a gap mark without a count is part of it */
    uint32_t piece; /* of this turn, where items */
    uint64_t owed;  /* readers that are owed the turn */
    uint64_t sent;  /* readers that were written to at once */
    uint64_t writes;
};

static void walk_init(struct walk *walk, struct sw_tape *tape, bool alone, bool turning)
{
    walk->tape = tape;
    walk->count = 0;
    walk->due = tape->turn.messages + tape->turn.gaps;
    walk->waits =
        (struct sw_owed){.behind = walk->due, .queued = walk->due, .bytes = tape->turn.bytes};
    walk->owed = 0;
    walk->sent = 0;
    walk->writes = 0;
    bool fits = true;
    bool gap = false;
    bool kept = false;
    walk->unknown = false;
    uint32_t frame = tape->turn.frame;
    for (struct sw_block *block = tape->turn.block; block; block = block->next) {
        if (frame < block->frames) {
            kept = kept || sw_block_may_be_kept(block);
            gap = gap || block->gap;
            walk->unknown = walk->unknown || sw_block_is_unknown(block);
            fits = fits && walk->count < SW_FLUSH_PIECES;
        }
        if (frame < block->frames && fits) {
            uint32_t start = sw_block_start(block, frame);
            walk->iov[walk->count].iov_base = sw_block_data(block) + start;
            walk->iov[walk->count].iov_len = block->bytes - start;
            walk->pieces[walk->count] =
                (struct sw_piece){.frame = frame, .frames = block->frames - frame, .block = block};
            walk->count++;
        }
        frame = 0;
    }
    fits = fits && !kept; /* else some ask for what the mark stands for */
    walk->solo = fits;
    walk->direct = fits && alone;
    walk->items = turning && !alone && walk->count == 1 && !gap;
}

static void *grow(void *array, uint32_t *capacity, uint32_t need, size_t size)
{
    if (need <= *capacity) {
        return array;
    }
    while (*capacity < need) {
        *capacity = *capacity ? *capacity * 2 : 64;
    }
    return sw_realloc(array, *capacity * size);
}

/* The tape's turn as one of the turn's pieces, and room for an item for each reader. */
static void prepare_items(struct sw_fanout *fanout, struct walk *walk)
{
    const struct sw_tape *tape = walk->tape;
    fanout->pieces = grow(fanout->pieces, &fanout->pieces_capacity, fanout->pieces_count + 1,
                          sizeof(*fanout->pieces));
    fanout->items = grow(fanout->items, &fanout->items_capacity,
                         fanout->items_count + tape->readers + 1, sizeof(*fanout->items));
    walk->piece = fanout->pieces_count++;
    fanout->pieces[walk->piece] = (struct sw_piece_turn){.data = walk->iov[0].iov_base,
                                                         .bytes = tape->turn.bytes,
                                                         .messages = tape->turn.messages,
                                                         .tape = tape->id,
                                                         .frame = walk->pieces[0].frame,
                                                         .block = walk->pieces[0].block,
                                                         .arrived_ns = tape->turn.arrived_ns};
}

/* The reader stands where this turn began. */
static struct sw_cursor *place_before(struct sw_fanout *fanout, struct walk *walk, uint32_t place)
{
    struct sw_tape *tape = walk->tape;
    uint32_t slot = tape->hub[place].slot;
    struct sw_reader *reader = sw_reader(fanout, slot);
    sw_reader_owe(fanout, reader, walk->waits);
    return sw_cursor_place(fanout, slot, tape, place, walk->pieces[0].block, walk->pieces[0].frame);
}

/* The socket took `w` bytes of the turn, or said why it took none. */
static void direct_cut(struct sw_fanout *fanout, struct walk *walk, uint32_t place, ssize_t w)
{
    struct sw_tape *tape = walk->tape;
    uint32_t slot = tape->hub[place].slot;
    struct sw_reader *reader = sw_reader(fanout, slot);
    struct sw_cursor *cursor = place_before(fanout, walk, place);
    if (w < 0) {
        fanout->events->on_broken(fanout->owner, slot, (int)w);
        return;
    }
    uint32_t id = tape->hub[place].cursor;
    SW_ASSERT(cursor == &fanout->cursors[id]);
    struct sw_piece pieces[SW_FLUSH_PIECES];
    for (unsigned i = 0; i < walk->count; i++) {
        pieces[i] = walk->pieces[i];
        pieces[i].cursor = id;
    }
    sw_pieces_advance(fanout, slot, pieces, walk->count,
                      (struct sw_taken){.left = (size_t)w, .begun = (size_t)w});
    sw_cursors_tidy(fanout, reader);
    if (sw_policy_over_high(fanout, reader)) {
        sw_fanout_due(fanout, slot); /* a policy has a look, though nothing can be written */
    }
}

/* Nothing is owed before it: the turn goes out at once. */
static inline void write_direct(struct sw_fanout *fanout, struct walk *walk, uint32_t place,
                                uint32_t slot, struct sw_reader *reader)
{
    const struct sw_tape *tape = walk->tape;
    uint32_t bytes = tape->turn.bytes;
    walk->writes++;
    ssize_t w = sw_fanout_faulty(SW_FAULT_SENT)
                    ? (ssize_t)bytes
                    : sw_conn_send_pieces(reader->fd, walk->iov, walk->count);
    if (SW_UNLIKELY(w != (ssize_t)bytes)) {
        direct_cut(fanout, walk, place, w);
        return;
    }
    reader->sent += tape->turn.messages;
    reader->shed += (uint32_t)tape->turn.gaps;
    sw_gate_wrote(fanout, slot, reader, bytes);
    SW_LAW_ADD(fanout, tape, place, sent, tape->turn.messages);
    SW_LAW_ADD(fanout, tape, place, shed, tape->turn.gaps);
    walk->sent++;
}

void sw_fanout_check_time(struct sw_fanout *fanout)
{
    if (++fanout->step % SW_WRITE_BUDGET_STEP == 0 && sw_clock_ns() > fanout->deadline_ns) {
        fanout->late = true;
    }
}

static void note_late(const struct sw_fanout *fanout, struct walk *walk)
{
    if (fanout->late) {
        walk->direct = false;
        walk->solo = false;
    }
}

static void check_time(struct sw_fanout *fanout, struct walk *walk)
{
    sw_fanout_check_time(fanout);
    note_late(fanout, walk);
}

static void check_clock(struct sw_fanout *fanout, struct walk *walk)
{
    fanout->late = sw_clock_ns() > fanout->deadline_ns;
    note_late(fanout, walk);
}

static void add_item(struct sw_fanout *fanout, struct walk *walk, uint32_t place,
                     struct sw_reader *reader, uint32_t slot)
{
    uint32_t id = ++fanout->items_count;
    fanout->items[id] =
        (struct sw_item){.next = reader->items, .place = place, .piece = walk->piece};
    reader->items = id;
    reader->items_count++;
    if (reader->flags == 0) {
        reader->flags = SW_TURN;
        sw_fanout_due(fanout, slot);
    }
}

/* Nothing is owed before, and nobody counts what the kernel may take. */
static bool is_free(const struct sw_reader *reader)
{
    return reader->flags == 0 && reader->gate == 0;
}

/* May it take an item? Only who is free, or is due for nothing but items. */
static bool takes_items(const struct sw_reader *reader)
{
    return (is_free(reader) || reader->flags == (SW_TURN | SW_DUE)) &&
           reader->items_count < SW_TURN_ITEMS;
}

/* A cursor that held nothing holds what this turn brings. */
static void stand_again(struct sw_fanout *fanout, const struct walk *walk, struct sw_cursor *cursor,
                        bool paced)
{
    if (paced) {
        sw_cursor_to_board(fanout, cursor, walk->board_seq, sw_tape_stood(walk->tape));
        return;
    }
    cursor->kind = SW_CURSOR_PLACE;
    cursor->block = walk->pieces[0].block;
    cursor->frame = walk->pieces[0].frame;
    sw_block_hold(cursor->block);
}

/* It has a cursor, or may not be written to now. */
static void owe(struct sw_fanout *fanout, struct walk *walk, uint32_t place,
                struct sw_reader *reader, uint32_t slot)
{
    struct sw_tape *tape = walk->tape;
    const struct sw_entry_hub *entry = &tape->hub[place];
    struct sw_cursor *cursor = entry->cursor ? &fanout->cursors[entry->cursor] : NULL;
    bool paced = entry->word & SW_ENTRY_PACE;
    if (!cursor && reader->flags & SW_TURN) {
        sw_items_to_cursors(fanout, slot);
    }
    if (cursor && cursor->kind == SW_CURSOR_END) {
        stand_again(fanout, walk, cursor, paced);
    }
    if (cursor && cursor->kind == SW_CURSOR_PLACE) {
        sw_reader_owe(fanout, reader, walk->waits);
    } else if (cursor || paced) {
        sw_reader_owe(fanout, reader, (struct sw_owed){.behind = walk->due});
        if (cursor && cursor->kind == SW_CURSOR_BARE && walk->unknown) {
            sw_cursor_note_unknown(cursor);
        }
        if (!cursor) {
            cursor = sw_cursor_board(fanout, slot, tape, place, walk->board_seq);
        }
    } else {
        cursor = place_before(fanout, walk, place);
    }
    if (SW_UNLIKELY(reader->behind > SW_BEHIND_MAX)) {
        fanout->events->on_over(fanout->owner, slot);
    }
    bool stuck = reader->flags & SW_WRITE_PENDING || sw_gate_keeps(fanout, reader);
    if (stuck ? sw_policy_over_high(fanout, reader) : !sw_cursor_waits(cursor)) {
        sw_fanout_due(fanout, slot);
    }
}

static void visit(struct sw_fanout *fanout, struct walk *walk, uint32_t place)
{
    const struct sw_entry_hub *entry = &walk->tape->hub[place];
    uint32_t slot = entry->slot;
    struct sw_reader *reader = sw_reader(fanout, slot);
    if (SW_UNLIKELY(reader->flags & SW_CLOSING)) {
        /* it gets nothing new; what was appended since is shed with it, uncounted on both sides */
        return;
    }
    walk->owed++;
    if (sw_fanout_faulty(SW_FAULT_WALK)) {
        return;
    }
    if (SW_UNLIKELY(entry->cursor | (entry->word & SW_ENTRY_PACE))) {
        owe(fanout, walk, place, reader, slot);
    } else if ((walk->direct || (walk->solo && (entry->word & SW_ENTRY_SOLO))) && is_free(reader)) {
        write_direct(fanout, walk, place, slot, reader);
        check_time(fanout, walk);
    } else if (walk->items && takes_items(reader)) {
        add_item(fanout, walk, place, reader, slot);
    } else {
        owe(fanout, walk, place, reader, slot);
    }
}

/* The common case, kept tight: everybody who is free gets the one piece at once. Returns the place
 * to go on from: the end, or where the time for writing was over. */
static uint32_t walk_direct(struct sw_fanout *fanout, struct walk *walk)
{
    const struct sw_entry_hub *hub = walk->tape->hub;
    struct sw_reader *readers = fanout->readers;
    uint32_t n = walk->tape->readers;
    uint32_t written = 0;
    uint32_t place = 0;
    for (; place < n && walk->direct; place++) {
        const struct sw_entry_hub *entry = &hub[place];
        struct sw_reader *reader = &readers[entry->slot];
        if (place + PREFETCH < n) {
            __builtin_prefetch(&readers[entry[PREFETCH].slot]);
        }
        if (SW_UNLIKELY(entry->cursor | (entry->word & SW_ENTRY_PACE) | reader->flags |
                        reader->gate)) {
            visit(fanout, walk, place);
            continue;
        }
        if (sw_fanout_faulty(SW_FAULT_WALK)) {
            walk->owed++;
            continue;
        }
        write_direct(fanout, walk, place, entry->slot, reader);
        written++;
        if (written % SW_WRITE_BUDGET_STEP == 0) {
            check_clock(fanout, walk);
        }
    }
    walk->owed += written;
    return place;
}

/* Another common case: everybody who is free, or has only items so far, gets one more. Who reads
 * nothing else is written to at once, by visit. */
static uint32_t walk_items(struct sw_fanout *fanout, struct walk *walk)
{
    const struct sw_entry_hub *hub = walk->tape->hub;
    uint32_t n = walk->tape->readers;
    for (uint32_t place = 0; place < n; place++) {
        const struct sw_entry_hub *entry = &hub[place];
        struct sw_reader *reader = &fanout->readers[entry->slot];
        bool plain = !(entry->cursor | (entry->word & (SW_ENTRY_PACE | SW_ENTRY_SOLO)));
        if (place + PREFETCH < n) {
            __builtin_prefetch(&fanout->readers[entry[PREFETCH].slot]);
        }
        if (SW_LIKELY(plain && takes_items(reader)) && !sw_fanout_faulty(SW_FAULT_WALK)) {
            add_item(fanout, walk, place, reader, entry->slot);
            walk->owed++;
        } else {
            visit(fanout, walk, place);
        }
    }
    return n;
}

/* Gap marks that were written at once, by reason. */
static void count_gaps(struct sw_fanout *fanout, const struct walk *walk)
{
    for (unsigned i = 0; walk->tape->turn.gaps && i < walk->count; i++) {
        const struct sw_block *block = walk->pieces[i].block;
        if (block->gap) {
            int64_t lost = (int64_t)block->count * (int64_t)walk->sent;
            sw_count(&fanout->counters->shed_total[block->shed], lost);
            sw_count(&fanout->counters->rule_shed_total[block->rule], lost);
        }
    }
}

static void walk_tape(struct sw_fanout *fanout, struct sw_tape *tape, bool alone)
{
    struct walk walk;
    walk_init(&walk, tape, alone, fanout->turning);
    walk.board_seq = tape->board ? sw_board_last(tape) : SW_BOARD_FIRST;
    sw_board_turn(fanout, tape);
    note_late(fanout, &walk);
    if (walk.items) {
        prepare_items(fanout, &walk);
    }
    uint32_t place = walk.items                       ? walk_items(fanout, &walk)
                     : walk.direct && walk.count == 1 ? walk_direct(fanout, &walk)
                                                      : 0;
    for (; place < tape->readers; place++) {
        visit(fanout, &walk, place);
    }
    sw_count(&fanout->counters->due_total, (int64_t)(walk.due * walk.owed));
    int64_t sent = (int64_t)(tape->turn.messages * walk.sent);
    sw_count(&fanout->counters->sent_total, sent);
    sw_count(&fanout->counters->rule_sent_total[tape->rule], sent);
    sw_count(&fanout->counters->writes_total, (int64_t)walk.writes);
    count_gaps(fanout, &walk);
    if (walk.sent && tape->turn.messages) {
        sw_histogram_add(&fanout->counters->deliver, (sw_clock_ns() - tape->turn.arrived_ns) / 1000,
                         walk.sent * tape->turn.messages);
    }
    tape->walked = tape->top;
    if (tape->history) {
        tape->history->walked = tape->history->top;
        tape->history->walked_epoch = tape->history->epoch;
    }
    sw_board_turned(fanout, tape);
}

static void start_clock(struct sw_fanout *fanout)
{
    fanout->late = false;
    fanout->step = 0;
    fanout->end_ns = sw_clock_ns() + SW_WRITE_BUDGET_NS;
    /* else who is reached by the walk would get everything, and who waits nothing */
    fanout->deadline_ns = fanout->end_ns - (fanout->due_head ? SW_WRITE_BUDGET_NS / 2 : 0);
}

static void remove_dirty(struct sw_fanout *fanout, const struct sw_tape *tape)
{
    uint32_t before = 0;
    uint32_t id = fanout->dirty_head;
    while (id != tape->id + 1) {
        before = id;
        id = fanout->tapes[id - 1]->dirty_next;
    }
    if (before) {
        fanout->tapes[before - 1]->dirty_next = tape->dirty_next;
    } else {
        fanout->dirty_head = tape->dirty_next;
    }
    if (fanout->dirty_tail == id) {
        fanout->dirty_tail = before;
    }
    fanout->dirty_count--;
}

void sw_walk_early(struct sw_fanout *fanout, struct sw_tape *tape)
{
    SW_ASSERT(!fanout->turning);
    start_clock(fanout);
    bool alone = fanout->dirty_count == 1;
    remove_dirty(fanout, tape);
    walk_tape(fanout, tape, alone);
    sw_tape_turned(fanout, tape);
}

/* Readers that catch up from the history find the end of it on the tape, while this turn lasts. */
static bool keep_turn(struct sw_fanout *fanout, const struct sw_tape *tape)
{
    if (!tape->history || !tape->history->bare) {
        return false;
    }
    fanout->pieces = grow(fanout->pieces, &fanout->pieces_capacity, fanout->pieces_count + 1,
                          sizeof(*fanout->pieces));
    fanout->pieces[fanout->pieces_count++] = (struct sw_piece_turn){.tape = tape->id};
    return true;
}

void sw_fanout_walk(struct sw_fanout *fanout)
{
    SW_ASSERT(!fanout->turning);
    start_clock(fanout);
    fanout->turning = true;
    fanout->items_count = 0;
    fanout->pieces_count = 0;
    fanout->gather->count = 0;
    if (fanout->dirty_head) {
        sw_count(&fanout->counters->turns_total, 1);
    }
    bool alone = fanout->dirty_count == 1;
    while (fanout->dirty_head) {
        struct sw_tape *tape = fanout->tapes[fanout->dirty_head - 1];
        fanout->dirty_head = tape->dirty_next;
        uint32_t pieces = fanout->pieces_count;
        walk_tape(fanout, tape, alone);
        if (fanout->pieces_count == pieces && !keep_turn(fanout, tape)) {
            sw_tape_turned(fanout, tape);
        }
    }
    fanout->dirty_tail = 0;
    fanout->dirty_count = 0;
}

void sw_items_to_cursors(struct sw_fanout *fanout, uint32_t slot)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    uint32_t order[SW_TURN_ITEMS];
    uint32_t n = reader->items_count;
    uint32_t id = reader->items;
    for (uint32_t i = n; i > 0; i--) { /* the list is newest first */
        order[i - 1] = id;
        id = fanout->items[id].next;
    }
    reader->items = 0;
    reader->items_count = 0;
    reader->flags &= (uint8_t)~SW_TURN;
    for (uint32_t i = 0; i < n; i++) {
        const struct sw_item *item = &fanout->items[order[i]];
        const struct sw_piece_turn *piece = &fanout->pieces[item->piece];
        sw_reader_owe(fanout, reader,
                      (struct sw_owed){.behind = piece->messages,
                                       .queued = piece->messages,
                                       .bytes = piece->bytes});
        sw_cursor_place(fanout, slot, fanout->tapes[piece->tape], item->place, piece->block,
                        piece->frame);
    }
}

/* What the list carried, by rule: counted once for all who got the same. */
static void gather_count(struct sw_fanout *fanout)
{
    struct sw_gather *list = fanout->gather;
    sw_count(&fanout->counters->rule_sent_total[list->rule], (int64_t)list->messages * list->uses);
    list->uses = 0;
}

/* A list of several rules is counted piece by piece. */
static void gather_count_mixed(struct sw_fanout *fanout)
{
    const struct sw_gather *list = fanout->gather;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct sw_piece_turn *piece = &fanout->pieces[list->ids[i]];
        sw_count(&fanout->counters->rule_sent_total[piece->block->rule], piece->messages);
    }
}

/* The pieces that the slot is owed, in order, unless they are the same as the last session's. */
static void gather(struct sw_fanout *fanout, const struct sw_reader *reader)
{
    struct sw_gather *list = fanout->gather;
    uint32_t n = reader->items_count;
    bool same = n == list->count;
    uint32_t i = n;
    for (uint32_t id = reader->items; id; id = fanout->items[id].next) {
        uint32_t piece = fanout->items[id].piece;
        i--;
        if (!same || list->ids[i] != piece) {
            same = false;
            list->ids[i] = piece;
        }
    }
    if (same) {
        return;
    }
    gather_count(fanout);
    list->count = n;
    list->bytes = 0;
    list->messages = 0;
    list->rule = fanout->pieces[list->ids[0]].block->rule;
    list->mixed = false;
    for (i = 0; i < n; i++) {
        const struct sw_piece_turn *piece = &fanout->pieces[list->ids[i]];
        list->pieces[i].iov_base = (char *)(uintptr_t)piece->data;
        list->pieces[i].iov_len = piece->bytes;
        list->bytes += piece->bytes;
        list->messages += piece->messages;
        list->mixed = list->mixed || piece->block->rule != list->rule;
    }
    list->copied = list->bytes <= SW_GATHER_MAX_BYTES &&
                   (n > SW_FLUSH_PIECES || (n > 1 && list->bytes <= SW_GATHER_BYTES));
    char *out = list->data;
    for (i = 0; list->copied && i < n; i++) {
        const struct sw_piece_turn *piece = &fanout->pieces[list->ids[i]];
        __builtin_memcpy(out, piece->data, piece->bytes);
        out += piece->bytes;
    }
}

static ssize_t send_gathered(struct sw_fanout *fanout, const struct sw_reader *reader)
{
    struct sw_gather *list = fanout->gather;
    sw_count(&fanout->counters->writes_total, 1);
    if (list->copied) {
        return sw_conn_send(reader->fd, list->data, list->bytes);
    }
    return sw_conn_send_pieces(reader->fd, list->pieces, list->count);
}

/* Everything that the slot's items are was written. */
static void items_sent(struct sw_fanout *fanout, struct sw_reader *reader)
{
    uint64_t now_ns = sw_clock_ns();
#ifdef SW_LAW
    for (uint32_t id = reader->items; id; id = fanout->items[id].next) {
        const struct sw_item *item = &fanout->items[id];
        const struct sw_piece_turn *piece = &fanout->pieces[item->piece];
        SW_LAW_ADD(fanout, fanout->tapes[piece->tape], item->place, sent, piece->messages);
    }
#endif
    const struct sw_piece_turn *first = &fanout->pieces[fanout->gather->ids[0]];
    sw_histogram_add(&fanout->counters->deliver, (now_ns - first->arrived_ns) / 1000,
                     fanout->gather->messages);
    reader->sent += fanout->gather->messages;
    sw_count(&fanout->counters->sent_total, fanout->gather->messages);
    if (SW_UNLIKELY(fanout->gather->mixed)) {
        gather_count_mixed(fanout);
    } else {
        fanout->gather->uses++;
    }
    reader->items = 0;
    reader->items_count = 0;
    reader->flags &= (uint8_t)~SW_TURN;
}

/* The socket took a part: the items become cursors, which move on in the items' order. */
static void items_cut(struct sw_fanout *fanout, uint32_t slot, size_t taken)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    struct sw_piece pieces[SW_TURN_ITEMS];
    unsigned n = reader->items_count;
    unsigned i = n;
    for (uint32_t id = reader->items; id; id = fanout->items[id].next) {
        const struct sw_item *item = &fanout->items[id];
        const struct sw_piece_turn *piece = &fanout->pieces[item->piece];
        pieces[--i] = (struct sw_piece){.kind = SW_PIECE_FRAMES,
                                        .cursor = item->place, /* until there is one */
                                        .frame = piece->frame,
                                        .frames = piece->messages,
                                        .block = piece->block};
    }
    sw_items_to_cursors(fanout, slot);
    for (i = 0; i < n; i++) {
        const struct sw_tape *tape = fanout->tapes[pieces[i].block->tape];
        pieces[i].cursor = tape->hub[pieces[i].cursor].cursor;
    }
    sw_pieces_advance(fanout, slot, pieces, n, (struct sw_taken){.left = taken, .begun = taken});
    sw_cursors_tidy(fanout, reader);
    sw_policy_since(fanout, slot);
    sw_policy_look(fanout, slot, true);
}

/* More than one write may carry: it goes as cursors. */
static bool too_much(const struct sw_gather *list)
{
    return list->bytes > SW_FLUSH_BYTES ||
           (list->count > SW_FLUSH_PIECES && list->bytes > SW_GATHER_MAX_BYTES);
}

void sw_items_flush(struct sw_fanout *fanout, uint32_t slot)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    gather(fanout, reader);
    if (too_much(fanout->gather)) {
        sw_items_to_cursors(fanout, slot);
        sw_fanout_due(fanout, slot);
        return;
    }
    ssize_t w = send_gathered(fanout, reader);
    if (SW_LIKELY(w == (ssize_t)fanout->gather->bytes)) {
        sw_gate_wrote(fanout, slot, reader, fanout->gather->bytes);
        items_sent(fanout, reader);
        return;
    }
    if (w < 0) {
        sw_items_to_cursors(fanout, slot);
        fanout->events->on_broken(fanout->owner, slot, (int)w);
        return;
    }
    items_cut(fanout, slot, (size_t)w);
}

void sw_fanout_skip(struct sw_fanout *fanout, uint32_t slot)
{
    if (sw_reader(fanout, slot)->flags & SW_TURN) {
        sw_items_to_cursors(fanout, slot);
    }
}

void sw_fanout_turned(struct sw_fanout *fanout)
{
    for (uint32_t next = fanout->due_head; next && fanout->items_count;) {
        struct sw_reader *reader = &fanout->readers[next - 1];
        if (reader->flags & SW_TURN) {
            sw_items_to_cursors(fanout, next - 1);
        }
        next = reader->due_next;
    }
    gather_count(fanout);
    fanout->turning = false;
    fanout->flushing = false;
    for (uint32_t i = 0; i < fanout->pieces_count; i++) {
        sw_tape_turned(fanout, fanout->tapes[fanout->pieces[i].tape]);
    }
    fanout->pieces_count = 0;
    fanout->items_count = 0;
    if (!sw_list_empty(&fanout->runs)) {
        sw_runs_trim(fanout);
    }
}
