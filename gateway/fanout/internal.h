// SPDX-License-Identifier: Apache-2.0
/* What the files of fanout/ share. Nobody else includes it. */
#ifndef SW_FANOUT_INTERNAL_H
#define SW_FANOUT_INTERNAL_H

#include "fanout/board.h"
#include "fanout/fanout.h"
#include "fanout/history.h"

/* ---- tape.c ---- */

/* The bus was away: said now, where somebody still has to hear it. */
void sw_tape_tell_lost(struct sw_fanout *fanout, struct sw_tape *tape);
/* The stream is called so from here on; before its tape knows. */
void sw_tape_append_name(struct sw_fanout *fanout, struct sw_tape *tape,
                         const struct sw_epoch *name);
/* The message that was the last before anybody read the tape, which retains it from now on. */
void sw_tape_keep(struct sw_fanout *fanout, struct sw_tape *tape, const struct sw_message *message);

/* ---- block holders (tape.c) ---- */

void sw_block_hold(struct sw_block *block);
/* Lets go; frees it, and those behind it, where nobody holds them any more. */
void sw_block_leave(struct sw_fanout *fanout, struct sw_block *block);
void sw_block_unpin(struct sw_fanout *fanout, struct sw_block *block);

/* ---- accounts (cursor.c) ---- */

/* What a reader, or one of its subscriptions, has not been sent yet. */
struct sw_owed {
    uint64_t behind; /* deliveries */
    uint64_t queued; /* of these, those that a cursor holds in blocks */
    uint64_t bytes;  /* of the queued */
};

/* That much more waits for the reader. */
void sw_reader_owe(struct sw_fanout *fanout, struct sw_reader *reader, struct sw_owed owed);
/* The reader at that place gets so many from before its start: they are due from now on. */
void sw_reader_replay(struct sw_fanout *fanout, struct sw_tape *tape, uint32_t place,
                      uint64_t count);
/* It does not wait any more. */
void sw_reader_settle(struct sw_fanout *fanout, struct sw_reader *reader, struct sw_owed owed);
void sw_reader_shed(struct sw_fanout *fanout, struct sw_reader *reader, uint64_t count,
                    enum sw_shed reason);
/* The same for a subscription that goes on, under topic rule `rule`: it is, or will be, told. */
void sw_reader_lose(struct sw_fanout *fanout, struct sw_reader *reader, unsigned rule,
                    uint64_t count, enum sw_shed reason);

/* ---- cursors (cursor.c) ---- */

/* A place in a stream; offset and epoch with history only. */
struct sw_stood {
    uint64_t position;
    uint64_t offset;
    uint8_t epoch;
};

/* A new last cursor of the slot; its hub entry points to it. */
struct sw_cursor *sw_cursor_place(struct sw_fanout *fanout, uint32_t slot, struct sw_tape *tape,
                                  uint32_t place, struct sw_block *block, uint32_t frame);
/* With history: it has read up to that offset, and all without one. */
struct sw_cursor *sw_cursor_bare(struct sw_fanout *fanout, uint32_t slot, struct sw_tape *tape,
                                 uint32_t place, uint64_t offset);
/* It stands on its tape's board behind `seq`, where the tape was walked up to before this turn. */
struct sw_cursor *sw_cursor_board(struct sw_fanout *fanout, uint32_t slot, struct sw_tape *tape,
                                  uint32_t place, uint64_t seq);
/* It stands there now; what it held is the caller's to leave. */
void sw_cursor_to_board(struct sw_fanout *fanout, struct sw_cursor *cursor, uint64_t seq,
                        struct sw_stood stood);
/* Why it will pass what it passes next; what it has passed already must be told first. In a manner
 * that passes nothing it is still the former one's. */
void sw_cursor_judge(struct sw_cursor *cursor, const struct sw_entry_hub *entry);
/* From its place on a clean tape to the tape's board. */
void sw_cursor_take_board(struct sw_fanout *fanout, struct sw_cursor *cursor);
void sw_cursor_move(struct sw_fanout *fanout, struct sw_cursor *cursor, struct sw_block *block,
                    uint32_t frame);
/* It has read or lost all there is: it lets go of what it stands on. */
void sw_cursor_let_go(struct sw_fanout *fanout, struct sw_cursor *cursor);
/* Takes one out of its reader's ring and frees it; the hub entry is at TOP again. */
void sw_cursor_destroy(struct sw_fanout *fanout, uint32_t slot, uint32_t cursor);
/* Whoever has reached the end is at TOP again, or waits for the next tick. */
void sw_cursors_tidy(struct sw_fanout *fanout, struct sw_reader *reader);
/* It reads its board from now on; paced, what is there now, and the rest at the next tick. */
void sw_cursor_begin(const struct sw_fanout *fanout, struct sw_cursor *cursor);
/* May it read the entry of that number before the next tick? */
bool sw_cursor_may_read(const struct sw_cursor *cursor, uint64_t seq);
/* Does it only wait for its tick? */
bool sw_cursor_waits(const struct sw_cursor *cursor);
/* What it has not read of what was walked. */
void sw_cursor_behind(struct sw_fanout *fanout, const struct sw_cursor *cursor,
                      struct sw_owed *owed);
/* When the next frame that it has not read came; UINT64_MAX: there is none. */
uint64_t sw_cursor_since_ms(struct sw_fanout *fanout, const struct sw_cursor *cursor);

/* ---- cursors on a topic with history (bare.c) ---- */

/* What it has been sent up to, whatever it stands on. */
struct sw_stood sw_cursor_stood(const struct sw_fanout *fanout, const struct sw_cursor *cursor);
/* The same of a reader at TOP. */
struct sw_stood sw_tape_stood(const struct sw_tape *tape);
/* It lets go of what it stands on, and will ask for what follows. */
void sw_cursor_to_bare(struct sw_fanout *fanout, struct sw_cursor *cursor);
/* A gap without a count that it will not meet any more: it is told of it, early. */
void sw_cursor_note_unknown(struct sw_cursor *cursor);
void sw_cursor_leave_run(struct sw_fanout *fanout, struct sw_cursor *cursor);
/* What it reads from a run has left, or is in flight. */
void sw_cursor_advance(struct sw_fanout *fanout, struct sw_cursor *cursor, uint32_t frames);
/* Is its stream called otherwise than it knows? */
static inline bool sw_cursor_renamed(const struct sw_tape *tape, const struct sw_cursor *cursor)
{
    return tape->history && cursor->epoch != tape->history->epoch &&
           (cursor->kind == SW_CURSOR_BOARD || cursor->kind == SW_CURSOR_BARE);
}
/* Does it have to be asked for what the mark in front of it stands for? */
bool sw_cursor_meets_gap(const struct sw_fanout *fanout, const struct sw_cursor *cursor);
/* Is the block a gap mark that a reader in mode `all` asks about? */
static inline bool sw_block_may_be_kept(const struct sw_block *block)
{
    return block->gap && block->span && block->shed != SW_SHED_TOO_LARGE;
}

/* ---- boards (board.c) ---- */

/* The tape's turn goes onto its board, which begins here where a paced reader will need one. */
void sw_board_turn(struct sw_fanout *fanout, struct sw_tape *tape);
/* The board goes where nobody came to stand on it. */
void sw_board_turned(struct sw_fanout *fanout, struct sw_tape *tape);
/* A cursor that stands at a place of a clean tape stands on its board from now on. */
void sw_board_take(struct sw_fanout *fanout, struct sw_cursor *cursor);
void sw_board_hold(struct sw_tape *tape);
void sw_board_leave(struct sw_fanout *fanout, struct sw_tape *tape);
/* The number of its newest entry. */
uint64_t sw_board_last(const struct sw_tape *tape);
/* When the first entry behind `seq` came; UINT64_MAX: there is none. */
uint64_t sw_board_since_ms(const struct sw_tape *tape, uint64_t seq);

/* ---- paced readers (pace.c) ---- */

/* The cursor waits for the next tick of its pace; harmless where it does. */
void sw_ticker_join(struct sw_fanout *fanout, struct sw_cursor *cursor, unsigned pace);
/* Harmless where it does not wait. */
void sw_ticker_leave(struct sw_fanout *fanout, struct sw_cursor *cursor);

void sw_tickers_init(struct sw_fanout *fanout);
void sw_tickers_deinit(struct sw_fanout *fanout);

/* ---- the gate (gate.c) ---- */

void sw_gates_init(struct sw_fanout *fanout);
void sw_gates_deinit(struct sw_fanout *fanout);

/* From now on its kernel queue is looked at. */
void sw_gate_watch(struct sw_fanout *fanout, uint32_t slot);
/* It is pressured: only the gate lets more through. */
void sw_gate_shut(struct sw_fanout *fanout, uint32_t slot);
void sw_gate_leave(struct sw_fanout *fanout, uint32_t slot);
/* Bytes that it may be written now; where there are none, the gate wakes it. */
size_t sw_gate_room(struct sw_fanout *fanout, struct sw_reader *reader);
/* Has it no room before the next tick, as far as is known? */
bool sw_gate_keeps(const struct sw_fanout *fanout, const struct sw_reader *reader);
/* See sw_gate_wrote. */
void sw_gate_passed(struct sw_fanout *fanout, uint32_t slot, size_t bytes);
/* The slot of the gate at `index`. */
uint32_t sw_gate_slot(const struct sw_fanout *fanout, uint32_t index);
/* Counted for the log line of its episode. */
void sw_gate_shed(struct sw_fanout *fanout, const struct sw_reader *reader, uint64_t count);

/* `bytes` were written to it. On the hot path: most have no gate, and are not looked at. */
static inline void sw_gate_wrote(struct sw_fanout *fanout, uint32_t slot, struct sw_reader *reader,
                                 size_t bytes)
{
    size_t unlooked = reader->unlooked + (bytes >> 4) + 1;
    reader->unlooked = (uint16_t)(unlooked < UINT16_MAX ? unlooked : UINT16_MAX);
    if (SW_UNLIKELY(reader->gate || unlooked > SW_UNLOOKED_BYTES / 16)) {
        sw_gate_passed(fanout, slot, bytes);
    }
}

/* ---- pieces (left.c) ---- */

enum sw_piece_kind {
    SW_PIECE_FRAMES,   /* of a block on the tape */
    SW_PIECE_RUN,      /* of a run of the history */
    SW_PIECE_ENTRY,    /* one of the tape's board */
    SW_PIECE_GAP,      /* the cursor's `gap`, told */
    SW_PIECE_PASSED,   /* its `passed` */
    SW_PIECE_NAME,     /* what its stream is called, or that it was reset */
    SW_PIECE_BOOKMARK, /* where all of the reader's are; of no cursor */
};

/* A run of frames of one block, as one entry of an iovec. */
struct sw_piece {
    uint32_t cursor; /* 0: not a cursor's */
    uint32_t frame;
    uint32_t frames;
    uint8_t kind;      /* enum sw_piece_kind */
    bool unknown;      /* GAP: without a count */
    uint32_t told;     /* GAP, PASSED: the count that it says */
    uint32_t passed;   /* ENTRY: positions passed before it */
    uint64_t seq;      /* ENTRY */
    uint64_t position; /* ENTRY: behind it */
    struct sw_block *block;
};

/* What was written of some pieces, in bytes. */
struct sw_taken {
    size_t left;              /* the socket has them */
    size_t begun;             /* and these; or, over TLS, they wait in a record (else: == left) */
    struct sw_flight *flight; /* which this is about; NULL: none waits */
};

static inline size_t sw_piece_bytes(const struct sw_piece *piece)
{
    return sw_block_end(piece->block, piece->frame + piece->frames - 1) -
           sw_block_start(piece->block, piece->frame);
}

static inline size_t sw_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What they tell is told another time. */
void sw_pieces_forget(struct sw_fanout *fanout, const struct sw_piece *pieces, unsigned count);
/* A reader of a board goes past so many positions. */
void sw_cursor_pass(struct sw_fanout *fanout, struct sw_reader *reader, struct sw_cursor *cursor,
                    uint64_t count);
/* So much of the pieces was taken: cursors move, accounts follow, the rest of the frame in flight
 * goes to a write request. True: nothing of them is left, or waits. */
bool sw_pieces_advance(struct sw_fanout *fanout, uint32_t slot, const struct sw_piece *pieces,
                       unsigned count, struct sw_taken taken);

/* That many deliveries under topic rule `rule` have left. */
static inline void sw_reader_sent(struct sw_fanout *fanout, struct sw_reader *reader, unsigned rule,
                                  uint32_t count)
{
    reader->sent += count;
    sw_count(&fanout->counters->sent_total, count);
    sw_count(&fanout->counters->rule_sent_total[rule], count);
}

/* So many came at `born_ms` and leave now. */
void sw_latency_add(struct sw_fanout *fanout, uint64_t born_ms, uint32_t count);

/* ---- bookmarks (bookmark.c) ---- */

/* The cursor as it will be when what is collected before a bookmark has left, to look at. */
struct sw_cursor sw_cursor_ahead(const struct sw_fanout *fanout, uint32_t id);
/* Is a client that comes back somewhere else behind this piece than before it? Before it leaves. */
bool sw_piece_moves(const struct sw_fanout *fanout, const struct sw_piece *piece);

/* ---- flights: records of TLS that wait for their sockets (flight.c) ---- */

struct sw_flight;

/* Seals and sends the pieces, of which the first `front` bytes are no cursor's, until the socket
 * takes no more. `taken` is zeroed. Returns 0 or a negative errno. */
int sw_flight_send(struct sw_fanout *fanout, uint32_t slot, const struct iovec *pieces,
                   unsigned count, size_t front, struct sw_taken *taken);
/* Frames of the block, from `frame` on, are in the record; that many deliveries. */
void sw_flight_add(struct sw_flight *flight, const struct sw_block *block, uint32_t frame,
                   uint32_t deliveries);

/* ---- policy (policy.c) ---- */

/* What is to become of a reader that is behind; before its flush, and behind it (`flushed`): what
 * the socket took is not held against a reader, so the max mark is looked at behind only. */
void sw_policy_look(struct sw_fanout *fanout, uint32_t slot, bool flushed);
/* Is more queued than a reader may have in peace? */
static inline bool sw_policy_over_high(const struct sw_fanout *fanout,
                                       const struct sw_reader *reader)
{
    return reader->queued_bytes > fanout->high_bytes ||
           reader->queued > fanout->marks.high_messages;
}
/* Has it a cursor of that mode? */
bool sw_reader_has(const struct sw_fanout *fanout, const struct sw_reader *reader,
                   enum sw_mode mode);
/* When the oldest that the slot's cursors have not read came; UINT64_MAX: nothing waits. */
uint64_t sw_policy_oldest_ms(struct sw_fanout *fanout, uint32_t slot);
/* What came at `until_ms` or before is shed, where the mode allows it. */
void sw_policy_shed_older(struct sw_fanout *fanout, uint32_t slot, uint64_t until_ms);
/* After a flush that left something: when the oldest of it came. */
void sw_policy_since(struct sw_fanout *fanout, uint32_t slot);

/* ---- the turn (walk.c) ---- */

/* As sw_fanout_due, behind those who are not brought up to date from a history. */
void sw_fanout_due_later(struct sw_fanout *fanout, uint32_t slot);
/* Counts a write; looks at the clock now and then: the time for writing may be over. */
void sw_fanout_check_time(struct sw_fanout *fanout);

/* Walks a dirty tape before the turn's end: direct writes and cursors, never items. */
void sw_walk_early(struct sw_fanout *fanout, struct sw_tape *tape);
/* The slot's items become cursors, in the order of the items. */
void sw_items_to_cursors(struct sw_fanout *fanout, uint32_t slot);
/* Sends a slot's items by one system call. */
void sw_items_flush(struct sw_fanout *fanout, uint32_t slot);
/* Everything of the tape's turn has been handed out. */
void sw_tape_turned(struct sw_fanout *fanout, struct sw_tape *tape);

/* The time, as sw_cursor.told. */
static inline uint16_t sw_told_now(const struct sw_fanout *fanout)
{
    return (uint16_t)(sw_loop_now_ms(fanout->loop) / SW_TOLD_MS);
}

/* ---- faults: what a test lets go wrong once, so that the law and the models show they see it ----
 */

enum sw_fault {
    SW_FAULT_NONE,
    SW_FAULT_WALK,  /* a reader is not visited */
    SW_FAULT_FLUSH, /* a cursor moves one frame too far */
    SW_FAULT_SENT,  /* a turn counts as sent, and was not written */
    SW_FAULT_TOLD,  /* what is told is one less than what was shed */
    SW_FAULT_NAME,  /* that a stream is called otherwise is not said */
    SW_FAULT_JUDGE, /* who stands on another stream stays there */
};

#ifdef SW_FAULTS
struct sw_fanout_fault {
    enum sw_fault kind;
    uint32_t after; /* as many chances that are left out */
};
extern struct sw_fanout_fault sw_fanout_fault;
static inline bool sw_fanout_faulty(enum sw_fault kind)
{
    return sw_fanout_fault.kind == kind && sw_fanout_fault.after-- == 0;
}
#else
#define sw_fanout_faulty(kind) false
#endif

/* ---- the law's books: per subscription, in debug builds only ---- */

#ifdef SW_LAW
struct sw_subscription *sw_law_entry(struct sw_fanout *fanout, const struct sw_tape *tape,
                                     uint32_t place);
#define SW_LAW_ADD(fanout, tape, place, field, n)                                                  \
    (sw_law_entry(fanout, tape, place)->field += (uint64_t)(n))
#else
#define SW_LAW_ADD(fanout, tape, place, field, n)                                                  \
    ((void)(fanout), (void)(tape), (void)(place), (void)(n))
#endif

#endif
