// SPDX-License-Identifier: Apache-2.0
/* What the files of fanout/ share. Nobody else includes it. */
#ifndef SW_FANOUT_INTERNAL_H
#define SW_FANOUT_INTERNAL_H

#include "fanout/fanout.h"

/* ---- block holders (tape.c) ---- */

void sw_block_hold(struct sw_block *block);
/* Lets go; frees it, and those behind it, where nobody holds them any more. */
void sw_block_leave(struct sw_fanout *fanout, struct sw_block *block);
void sw_block_unpin(struct sw_fanout *fanout, struct sw_block *block);

/* ---- cursors (cursor.c) ---- */

/* A new last cursor of the slot, at PLACE; its hub entry points to it. */
struct sw_cursor *sw_cursor_create(struct sw_fanout *fanout, uint32_t slot, struct sw_tape *tape,
                                   uint32_t place, struct sw_block *block, uint32_t frame);
void sw_cursor_move(struct sw_fanout *fanout, struct sw_cursor *cursor, struct sw_block *block,
                    uint32_t frame);
/* Takes one out of its slot's list and frees it; the hub entry is at TOP again. */
void sw_cursor_destroy(struct sw_fanout *fanout, uint32_t slot, uint32_t cursor);
/* Frees the leading cursors of a slot that have reached the end: their readers are at TOP. */
void sw_cursor_drop_done(struct sw_fanout *fanout, struct sw_reader *reader);
/* What a cursor has not read of what was walked. */
void sw_cursor_behind(struct sw_fanout *fanout, const struct sw_cursor *cursor, uint64_t *count,
                      uint64_t *bytes);

/* ---- accounts (cursor.c) ---- */

/* `count` deliveries of `bytes` wait for the slot. */
void sw_reader_owe(struct sw_fanout *fanout, struct sw_reader *reader, uint64_t count,
                   uint64_t bytes);
/* They do not wait any more. */
void sw_reader_settle(struct sw_fanout *fanout, struct sw_reader *reader, uint64_t count,
                      uint64_t bytes);
void sw_reader_shed(struct sw_fanout *fanout, struct sw_reader *reader, uint64_t count,
                    enum sw_shed reason);

/* ---- pieces (read.c) ---- */

/* A run of frames of one block, as one entry of an iovec. */
struct sw_piece {
    uint32_t cursor; /* 0: not a cursor's */
    uint32_t frame;
    uint32_t frames;
    struct sw_block *block;
};

/* `taken` bytes of the pieces were taken: cursors move, accounts follow, the rest of the frame in
 * flight goes to a write request. True: all were taken. */
bool sw_pieces_advance(struct sw_fanout *fanout, uint32_t slot, const struct sw_piece *pieces,
                       unsigned count, size_t taken);

/* ---- the turn (walk.c) ---- */

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
