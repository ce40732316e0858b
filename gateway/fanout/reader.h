// SPDX-License-Identifier: Apache-2.0
/* A reader is what fanout/ knows of a client: a slot with a dense 64-byte row that the walk visits,
 * and a cursor for each subscription that is behind. Who is up to date costs no more than its hub
 * entry.
 *
 * The byte of flags must be 0 for a direct write: then nothing is owed before it. */
#ifndef SW_FANOUT_READER_H
#define SW_FANOUT_READER_H

#include "fanout/tape.h"

enum {
    SW_DUE = 1,           /* on the list of those to flush */
    SW_WRITE_PENDING = 2, /* a rest is with the socket: nothing may be sent before it is back */
    SW_CLOSING = 4,       /* gets nothing new */
    SW_NEVER_DIRECT = 8,  /* io that cannot take shared bytes as they are (TLS) */
    SW_TURN = 16,         /* has items of this turn, and nothing else due */
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
    uint32_t head; /* cursors, in turn; 0: none */
    uint32_t tail;
    uint32_t due_next; /* slot + 1 */
    uint32_t queued_bytes;
    uint32_t behind; /* deliveries due and not yet sent: cursors' and the frame in flight */
    uint32_t sent;   /* deliveries; wraps */
    uint32_t generation;
    uint32_t items; /* of this turn, newest first; 0: none */
    uint32_t items_bytes;
    uint16_t subscriptions;
    uint16_t unused;
    struct sw_subscription *list; /* the session's; moves when it grows */
    uint64_t shed;
};
_Static_assert(sizeof(struct sw_reader) == 64, "the row is one cache line");

/* A subscription that is behind. PLACE: it has read `frame` frames of `block`, which it holds. */
struct sw_cursor {
    struct sw_block *block;
    uint32_t frame;
    uint32_t next; /* of the same reader */
    uint32_t slot;
    uint32_t tape;
    uint32_t place; /* in the hub */
    uint32_t unused;
};
_Static_assert(sizeof(struct sw_cursor) == 32, "two to a cache line");

#endif
