// SPDX-License-Identifier: Apache-2.0
/* What one system call is to write of a reader's cursors: collected by kind (read.c from places,
 * stand.c from boards, bare.c from a history), told of by told.c. Nothing of it has happened before
 * the pieces have left. */
#ifndef SW_FANOUT_COLLECT_H
#define SW_FANOUT_COLLECT_H

#include "fanout/internal.h"

struct sw_collecting {
    struct iovec iov[SW_FLUSH_PIECES + 1]; /* the last one for a bookmark alone */
    struct sw_piece pieces[SW_FLUSH_PIECES + 1];
    unsigned count;
    unsigned lead; /* pieces in front that are not a cursor's */
    size_t bytes;
    size_t budget;
    size_t replay; /* bytes that may still come from runs */
    bool exact;    /* no more than the budget, but a frame at least */
};

static inline bool sw_has_room(const struct sw_collecting *to)
{
    return to->count < SW_FLUSH_PIECES && to->bytes < to->budget;
}

static inline void sw_put(struct sw_collecting *to, struct sw_piece piece)
{
    size_t bytes = sw_piece_bytes(&piece);
    to->iov[to->count].iov_base =
        sw_block_data(piece.block) + sw_block_start(piece.block, piece.frame);
    to->iov[to->count].iov_len = bytes;
    to->pieces[to->count] = piece;
    to->bytes += bytes;
    to->count++;
}

/* Frames of the block from `frame` on that the budget allows. */
uint32_t sw_frames_within(const struct sw_collecting *to, const struct sw_block *block,
                          uint32_t frame);

/* ---- told.c ---- */

/* A block for one frame of that size that a reader alone is told, still to be written. */
struct sw_block *sw_told_block(struct sw_fanout *fanout, size_t size);

/* Where there is room: */

/* What stands directly before the cursor: what is missing, and what its stream is by now. */
void sw_put_pending(struct sw_fanout *fanout, struct sw_collecting *to, uint32_t id);
/* What it has passed, and will have when `more` is passed too. */
void sw_put_passed(struct sw_fanout *fanout, struct sw_collecting *to, uint32_t id, uint64_t more);

/* ---- bookmark.c ---- */

/* Before anything is collected, where one is owed; behind it, where it moves a position. */
void sw_put_bookmark(struct sw_fanout *fanout, uint32_t slot, struct sw_collecting *to);

/* ---- by kind ---- */

void sw_collect_board(struct sw_fanout *fanout, struct sw_reader *reader, struct sw_collecting *to,
                      uint32_t id);
void sw_collect_bare(struct sw_fanout *fanout, struct sw_collecting *to, uint32_t id);

#endif
