// SPDX-License-Identifier: Apache-2.0
/* A tape: all frames of one subscribed string in one encoding, in order, rendered once. It exists
 * while somebody of this worker reads it, or waits to. Its hub is the array of who reads it.
 *
 * There is one for each topic that is read, so it is kept small: 132 bytes and the name, with room
 * for one reader.
 *
 * A tape is dirty from its first append until it is walked, once, at the turn's end. `top` counts
 * every position appended, `walked` those that the readers have been told of; a reader at TOP has
 * seen all up to `walked`. A tape that is clean has top == walked. */
#ifndef SW_FANOUT_TAPE_H
#define SW_FANOUT_TAPE_H

#include "common/list.h"
#include "core/encoding.h"
#include "core/position.h"
#include "core/rule.h"
#include "fanout/block.h"

enum sw_tape_state {
    SW_TAPE_JOINING, /* the bus has not answered yet */
    SW_TAPE_JOINED,
    SW_TAPE_DOOMED, /* nobody reads it; freed when it is clean */
};

/* One reader in the hub: 12 bytes, walked at every turn. */
struct sw_entry_hub {
    uint32_t slot;
    uint32_t cursor; /* 0: at TOP */
    uint32_t word;   /* index of the subscription, mode, pace, SOLO */
};

#define SW_ENTRY_SOLO 1u /* it is the session's only subscription */
#define SW_ENTRY_PACE 14u

/* How a reader wants its tape when it is behind, or faster than it likes. */
struct sw_manner {
    enum sw_mode mode;
    uint8_t pace; /* 0: none; else 1 + the index of its rate in fanout's tickers */
};

static inline uint32_t sw_entry_index(const struct sw_entry_hub *entry)
{
    return entry->word >> 6;
}
static inline enum sw_mode sw_entry_mode(const struct sw_entry_hub *entry)
{
    return (enum sw_mode)(entry->word >> 4 & 3);
}
static inline unsigned sw_entry_pace(const struct sw_entry_hub *entry)
{
    return (entry->word & SW_ENTRY_PACE) >> 1;
}
static inline struct sw_manner sw_entry_manner(const struct sw_entry_hub *entry)
{
    return (struct sw_manner){.mode = sw_entry_mode(entry), .pace = (uint8_t)sw_entry_pace(entry)};
}
/* Can its client go on where it was, on a topic with history? */
static inline bool sw_manner_resumes(struct sw_manner manner)
{
    return manner.mode != SW_MODE_LATEST && !manner.pace;
}
static inline bool sw_entry_resumes(const struct sw_entry_hub *entry)
{
    return sw_manner_resumes(sw_entry_manner(entry));
}
static inline uint32_t sw_entry_word(uint32_t index, struct sw_manner manner, bool solo)
{
    return index << 6 | (uint32_t)manner.mode << 4 | (uint32_t)manner.pace << 1 | solo;
}

/* What was appended since the last walk. While the tape is clean only `block` means anything. */
struct sw_tape_turn {
    struct sw_block *block; /* held; NULL: clean */
    uint32_t frame;
    uint32_t messages;
    uint32_t bytes;
    union {
        struct {
            uint64_t gaps;       /* positions of gap marks */
            uint64_t arrived_ns; /* of the first message */
        };
        /* JOINING, when nobody reads it and it has no turns: session/pending, who waits for the bus
         */
        struct sw_list waiting;
    };
};

/* Former names of a stream that cursors may still stand under. */
#define SW_TAPE_NAMES 16
/* Gap marks whose reasons are remembered for those who find the same messages gone. */
#define SW_TAPE_MARKS 4

/* Offsets that a gap mark named. */
struct sw_tape_mark {
    uint64_t from;
    uint64_t to;
    enum sw_shed reason;
};

/* What a tape knows of its topic's history; a plain topic has none. The position of the law is the
 * offset and the number of all that has none (`plain`): tape->top - history->top. */
struct sw_tape_history {
    struct sw_list waiting; /* session/pending, who waits for a run or a check */
    struct sw_lineage lineage;
    uint64_t top;           /* offset of the newest message on the tape, or known to be gone */
    uint64_t walked;        /* the one that readers at TOP have been told of */
    uint64_t gone;          /* up to this offset nothing is kept any more */
    uint32_t check;         /* the last one that was asked for */
    uint32_t checked;       /* what is known rests on a look begun behind that one */
    uint8_t epoch;          /* the number of the present name; wraps */
    uint8_t walked_epoch;   /* as `walked` */
    struct sw_epoch *names; /* former ones, by number; NULL: there were none */
    struct sw_tape_mark marks[SW_TAPE_MARKS];
    uint32_t marked;           /* marks so far */
    uint32_t bare;             /* readers that know only an offset */
    struct sw_block *oldest;   /* the first block of the tape that there still is */
    struct sw_run_kept **runs; /* by number, ascending */
    uint32_t runs_count;
    uint32_t runs_capacity;
    uint64_t *asked; /* runs that the bus has not answered yet */
    uint32_t asked_count;
    uint32_t asked_capacity;
};

struct sw_tape {
    uint32_t id;
    uint32_t generation;
    uint8_t state; /* enum sw_tape_state */
    uint8_t encoding;
    uint8_t tier; /* of the next block: what the last turn needed */
    bool pattern : 1;
    bool lost : 1; /* the bus was away: a gap of unknown count goes before the next frame */
    uint8_t name_size;
    uint8_t rule;        /* the index of its topic rule */
    uint8_t outage;      /* session/feed, the number of the last that it missed something in */
    bool retain;         /* its last message stays, for who asks for it; set with the rule */
    uint32_t dirty_next; /* id + 1 */
    uint32_t readers;
    uint32_t paced; /* readers with a pace */
    uint32_t capacity;
    struct sw_entry_hub *hub;        /* `one` where the capacity is 1 */
    struct sw_block *last;           /* held */
    struct sw_board *board;          /* while somebody stands on it */
    struct sw_tape_history *history; /* NULL: a plain topic or a pattern */
    struct sw_tape_turn turn;
    uint64_t top;
    uint64_t walked;
    struct sw_entry_hub one; /* many topics have one reader */
    char name[];
};

/* Who waits for the bus's answer; NULL: nobody can. */
static inline struct sw_list *sw_tape_waiting(struct sw_tape *tape)
{
    if (tape->state == SW_TAPE_JOINING) {
        return &tape->turn.waiting;
    }
    return tape->history ? &tape->history->waiting : NULL;
}
static inline bool sw_tape_awaited(struct sw_tape *tape)
{
    const struct sw_list *waiting = sw_tape_waiting(tape);
    return waiting && !sw_list_empty(waiting);
}

/* The number of positions on a tape with history that have no offset; wraps. */
static inline uint64_t sw_tape_plain(const struct sw_tape *tape)
{
    return tape->top - tape->history->top;
}

/* The offset that a reader has reached who has read `frame` frames of a block of the tape. */
static inline uint64_t sw_tape_offset(const struct sw_tape *tape, const struct sw_block *block,
                                      uint32_t frame)
{
    uint64_t plain = sw_tape_plain(tape);
    uint32_t since = (uint32_t)plain - block->plain;
    return block->first - (plain - since) + sw_block_offsets(block, frame);
}

static inline struct sw_slice sw_tape_name(const struct sw_tape *tape)
{
    return sw_slice(tape->name, tape->name_size);
}

#endif
