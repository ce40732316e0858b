// SPDX-License-Identifier: Apache-2.0
/* A reader is what fanout/ knows of a client: a slot with a dense 64-byte row that the walk visits,
 * and a cursor for each subscription that is behind. Who is up to date costs no more than its hub
 * entry.
 *
 * The byte of flags must be 0 for a direct write: then nothing is owed before it. A cursor that
 * only waits for its tick sets none. Who has a gate gets none either: what it may be written is
 * counted. */
#ifndef SW_FANOUT_READER_H
#define SW_FANOUT_READER_H

#include "fanout/tape.h"

enum {
    SW_DUE = 1,           /* on the list of those to flush */
    SW_WRITE_PENDING = 2, /* a rest is with the socket: nothing may be sent before it is back */
    SW_CLOSING = 4,       /* gets nothing new */
    SW_NEVER_DIRECT = 8,  /* io that cannot take shared bytes as they are (TLS) */
    SW_TURN = 16,         /* has items of this turn, and nothing else due */
    SW_GATED = 32,        /* only its gate lets more through: see fanout/gate.c */
};

/* One subscription; in an array that the session owns. */
struct sw_subscription {
    uint32_t tape;
    uint32_t place; /* in the tape's hub */
    uint64_t start; /* position at subscribe */
#ifdef SW_LAW
    uint64_t sent;
    uint64_t shed;
    uint64_t in_flight;
#endif
};

struct sw_reader {
    int32_t fd;
    uint8_t state; /* the session's */
    uint8_t flags;
    uint16_t items_count;
    uint32_t cursors;  /* a ring, by its last one; 0: none */
    uint32_t due_next; /* slot + 1 */
    uint32_t
        queued_bytes; /* what its cursors hold in blocks, and the rest of the frame in flight */
    uint32_t queued;  /* deliveries that these bytes are */
    uint32_t behind;  /* deliveries due and not yet sent: `queued`, and those on boards */
    uint32_t sent;    /* deliveries; wraps */
    uint32_t shed;    /* deliveries; wraps */
    uint32_t since;   /* ms: no byte that waits came before it; wraps */
    uint32_t generation;
    uint32_t items; /* of this turn, newest first; 0: none */
    uint32_t gate;  /* fanout/gate.c, index + 1; 0: none */
    uint16_t subscriptions;
    uint16_t unlooked; /* written since the kernel's queue was looked at, in units of 16 bytes */
    struct sw_subscription *list; /* the session's; moves when it grows */
};
_Static_assert(sizeof(struct sw_reader) == 64, "the row is one cache line");

enum sw_cursor_kind {
    SW_CURSOR_PLACE, /* it has read `frame` frames of `block`, which it holds */
    SW_CURSOR_BOARD, /* it has read its tape's board up to `seq`, and holds nothing */
    SW_CURSOR_END,   /* it has read or lost all, holds nothing, and has yet to hear of its gap */
    SW_CURSOR_BARE,  /* with history: it has read up to `offset`, and holds no block of the tape */
};

/* A subscription that is behind. What is missing directly before it and not yet told: `gap` and
 * `passed` (conflated or paced). On a topic with history also what its stream is called by now,
 * where `epoch` is an older name's number, and that it was reset.
 * One tick's reading of a board takes long where the reader is slow; what comes meanwhile is the
 * next tick's. So once it has begun, `frame` is how far it goes: the low half of a seq. */
struct sw_cursor {
    union {
        struct sw_block *block;
        uint64_t seq;
        struct sw_run_kept *run; /* BARE: where it stands while it reads one; or NULL */
    };
    uint64_t position; /* BARE, BOARD: of the tape, behind what it has read or passed */
    uint64_t offset;   /* BARE, BOARD, with history: the same */
    uint32_t frame;    /* BOARD: `waits`: its index at the ticker; `begun`: see there. BARE: since
                          when it waits, in ms; wraps */
    uint32_t next;     /* of the same reader's ring */
    uint32_t slot;
    uint32_t tape;
    uint32_t place; /* in the hub */
    uint32_t gap;
    uint32_t span;           /* so many of them have offsets: the last that it passed */
    int32_t passed;          /* below 0: told already, not passed yet */
    uint16_t told;           /* when `passed` was last told; SW_TOLD_MS, wraps */
    uint8_t kind : 2;        /* enum sw_cursor_kind */
    uint8_t waits : 1;       /* BOARD: for its tick; BARE: for a run */
    uint8_t begun : 1;       /* BOARD: since its tick it has begun to read */
    uint8_t gap_unknown : 1; /* a gap without a count is in `gap` */
    uint8_t reset : 1;       /* its stream is another than it was */
    uint8_t reason;          /* enum sw_shed of `passed` */
    uint8_t gap_reason;      /* enum sw_shed of `gap` */
    uint8_t epoch;           /* BARE, BOARD, with history: the number of its name */
};
_Static_assert(sizeof(struct sw_cursor) == 64, "a cursor is one cache line");

#define SW_TOLD_MS 64

#endif
