// SPDX-License-Identifier: Apache-2.0
/* A board: what is newest on a tape, for readers that would rather have that than all. It exists
 * while somebody stands on it: the newest frame per topic and key, and each gap mark, in the order
 * of their last change; copies of its own, since blocks hold on to what is old.
 *
 * An entry has a number (`seq`), by which cursors say how far they have read, and a position: that
 * of the tape behind it. Whoever goes from one entry to the next passes the positions between:
 * frames that something newer has replaced. What was on the tape before `base` is not here.
 * Above SW_BOARD_ENTRIES or SW_BOARD_BYTES the oldest entry goes; `fell` is the position behind the
 * last that did, and whoever stands before it has missed all up to it.
 *
 * Invariant (sw_board_sane): entries are sorted by seq and by position, each key stands once. */
#ifndef SW_FANOUT_BOARD_H
#define SW_FANOUT_BOARD_H

#include "common/map.h"
#include "fanout/tape.h"

struct sw_board_entry {
    uint64_t seq;
    uint64_t position;
    struct sw_block *frame; /* owned, alone; NULL: something newer has replaced it */
    bool unknown;           /* a gap mark without a count: its position is also the one before it */
};

struct sw_board {
    struct sw_board_entry *entries; /* from `first` to `end` */
    uint32_t first;
    uint32_t end;
    uint32_t capacity;
    uint32_t live;    /* entries with a frame */
    uint64_t bytes;   /* of these */
    uint32_t trim_at; /* when there are so many, those that everybody has read go */
    uint32_t readers; /* cursors that stand on it */
    struct sw_map keys;
    uint64_t last;            /* seq of the newest, or where the first will follow */
    uint64_t floor;           /* below every seq of an entry; no cursor's is below it */
    uint64_t base;            /* position */
    uint64_t fell;            /* position */
    uint64_t fell_offset;     /* with history: the same as an offset */
    uint64_t fell_seq;        /* of the last entry that fell; 0: none has */
    uint64_t fell_unknown;    /* seq of the last gap mark without a count that fell; 0: none has */
    uint64_t fell_unknown_at; /* its position */
    bool base_gap;            /* one that stands at `base` is here */
};

/* Entries may come before the first one too, so numbers begin in the middle. */
#define SW_BOARD_FIRST (UINT64_C(1) << 62)

/* The first entry behind `seq`, or NULL. */
const struct sw_board_entry *sw_board_behind(const struct sw_board *board, uint64_t seq);
/* The next one, or NULL. */
const struct sw_board_entry *sw_board_next(const struct sw_board *board,
                                           const struct sw_board_entry *entry);
/* Did a gap mark without a count come behind `seq`? */
bool sw_board_lacks(const struct sw_board *board, uint64_t seq);
bool sw_board_sane(const struct sw_board *board);

#endif
