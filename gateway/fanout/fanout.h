// SPDX-License-Identifier: Apache-2.0
/* Fan-out: topics to bytes to readers, on one worker. It knows slots, not sessions.
 *
 * Three laws. Once: a frame is rendered once and each reader is visited once a turn, however many
 * messages came. Told: due = sent + shed + behind for every subscription, each counted where it
 * happens. No reader is visited, and no system call made, for a message while the turn lasts (but
 * see SW_TAPE_TURN_BYTES).
 *
 *   inbox -> sw_tape_append (renders; the tape is dirty)
 *   turn's end: sw_fanout_walk (each dirty tape once: direct writes, items, or cursors)
 *               sw_fanout_flush for each due slot (sw_fanout_due_pop), by the session
 *               sw_fanout_turned
 *
 * All on the worker's loop. */
#ifndef SW_FANOUT_FANOUT_H
#define SW_FANOUT_FANOUT_H

#include "bus/bus.h"
#include "common/list.h"
#include "common/map.h"
#include "core/limits.h"
#include "fanout/reader.h"
#include "net/conn_write.h"

/* How far a slot may be behind (DESIGN: marks). */
struct sw_marks {
    uint32_t low_bytes;  /* shedding ends here */
    uint32_t high_bytes; /* above: pressured; what is old is shed */
    uint32_t high_messages;
    uint32_t max_bytes; /* above: anything is shed at once, or the slot is ended */
};

struct sw_pressure {
    bool begun;            /* else it has ended */
    uint64_t ms;           /* how long it lasted */
    uint64_t shed;         /* deliveries, meanwhile */
    uint32_t queued_bytes; /* now */
};

/* What a subscription brings along. */
enum sw_claim_kind {
    SW_CLAIM_NOW,  /* nothing: it reads what comes from now on */
    SW_CLAIM_FROM, /* a position: what is behind it, all or nothing */
    SW_CLAIM_LAST, /* so many of the newest */
};

struct sw_claim {
    enum sw_claim_kind kind;
    struct sw_position from; /* FROM */
    uint32_t last;           /* LAST */
    uint32_t check;          /* fanout's: the check that it waits for; 0: none yet */
};

/* Why a FROM is not resumed (PROTOCOL.md, section 4). */
enum sw_why { SW_WHY_NONE, SW_WHY_EPOCH, SW_WHY_TRIMMED, SW_WHY_MODE, SW_WHY_NO_HISTORY };

/* Where a subscription begins. */
struct sw_start {
    bool positioned;             /* the topic has history: `position` means something */
    bool resumed;                /* a FROM: nothing is missing */
    enum sw_why why;             /* else why */
    struct sw_position position; /* what it will have reached when it has had its replay */
    uint64_t after;              /* it gets what stands behind this offset */
    uint32_t replay;             /* messages up to `position`, or the one that is retained */
};

/* What the owner of the slots is asked and told. */
struct sw_fanout_events {
    struct sw_conn *(*conn)(void *owner, uint32_t slot);
    /* Writing failed: the connection is no good any more. Comes during walk and flush; must not
     * touch hubs. */
    void (*on_broken)(void *owner, uint32_t slot, int status);
    /* A `disconnect` subscription of the slot is too far behind; must not touch hubs either. */
    void (*on_over)(void *owner, uint32_t slot);
    /* The node's memory is short, and the slot is owed most; nor here. */
    void (*on_evict)(void *owner, uint32_t slot);
    /* A pressure episode of the slot begins, or has ended; nor here. */
    void (*on_pressure)(void *owner, uint32_t slot, const struct sw_pressure *pressure);
    /* A tape needs a run of its topic's history that it does not hold, or a state that rests on a
     * look which begins only now; nor here. */
    void (*on_ask)(void *owner, struct sw_tape *tape, uint64_t run);
    void (*on_check)(void *owner, struct sw_tape *tape, uint32_t number);
    /* Something is missing for the slot, or its stream was reset, on a tape whose language has no
     * words for it; nor here. */
    void (*on_gap)(void *owner, uint32_t slot);
    /* Appends the frame that tells the slot where it is (sw_hub_position), or nothing; nor here. */
    void (*bookmark)(void *owner, uint32_t slot, struct sw_buf *frame);
};

/* One reader at TOP that is owed one tape's turn; lives until the turn ends. */
struct sw_item {
    uint32_t next;
    uint32_t place;
    uint32_t piece;
};

/* A dirty tape's turn as one piece of bytes. */
struct sw_piece_turn {
    const char *data;
    uint32_t bytes;
    uint32_t messages;
    uint32_t tape;
    uint32_t frame;
    struct sw_block *block;
    uint64_t arrived_ns;
};

/* The list of pieces that was last gathered: the next session that owes the same ones reuses it. */
struct sw_gather {
    struct iovec pieces[SW_TURN_ITEMS];
    uint32_t ids[SW_TURN_ITEMS];
    uint32_t count;
    uint32_t bytes;
    uint32_t messages;
    uint32_t uses; /* sessions that got it, not yet counted by rule */
    uint8_t rule;
    bool mixed;  /* pieces of several rules */
    bool copied; /* into `data` */
    char data[SW_GATHER_MAX_BYTES];
};

/* The paces that there are: max_hz of 1 2 5 10 20. */
#define SW_PACES 5

/* Who waits for the next tick of one pace. */
struct sw_ticker {
    struct sw_timer timer;
    struct sw_fanout *fanout;
    uint32_t *cursors;
    uint32_t count;
    uint32_t capacity;
    uint32_t period_ms;
    uint64_t ticked_ms; /* the last tick */
};

struct sw_gate;
struct sw_collecting;

struct sw_fanout {
    const struct sw_fanout_events *events;
    void *owner;
    struct sw_counters *counters;
    const struct sw_encoding *encodings; /* SW_ENCODINGS of them */
    struct sw_loop *loop;
    struct sw_marks marks;
    uint32_t high_bytes; /* marks.high_bytes, or less where memory is short */

    struct sw_reader *readers; /* by slot */
    uint32_t slots;            /* capacity */
    uint32_t slots_high;       /* those that were ever used; the owner keeps it */
    struct sw_cursor *cursors; /* by id; 0 is nobody */
    uint32_t cursors_free;
    uint32_t cursors_high;
    uint32_t cursors_used;

    struct sw_tape **tapes; /* by id; NULL: free */
    uint32_t tapes_count;
    uint32_t tapes_capacity;
    uint32_t *tapes_free;
    uint32_t tapes_free_count;
    uint32_t generation;
    struct sw_map names[SW_ENCODINGS][2]; /* [encoding][pattern] */
    struct sw_block_pool pool;

    uint32_t dirty_head; /* id + 1 */
    uint32_t dirty_tail;
    uint32_t dirty_count;
    uint32_t due_head; /* slot + 1 */
    uint32_t due_tail;
    uint32_t due_live; /* the last before those that can wait; 0: all can */
    bool flushing;

    /* this turn's */
    bool turning;
    uint64_t
        deadline_ns; /* of the walk's writing: half the time where somebody waits for a flush */
    uint64_t end_ns; /* of all writing */
    uint32_t step;   /* writes, to look at the clock now and then */
    bool late;       /* it has passed: the rest only gets cursors */
    struct sw_item *items; /* 1-based */
    uint32_t items_count;
    uint32_t items_capacity;
    struct sw_piece_turn *pieces;
    uint32_t pieces_count;
    uint32_t pieces_capacity;
    struct sw_gather *gather;

    struct sw_ticker tickers[SW_PACES];
    struct sw_gate *gates; /* dense */
    uint32_t gates_count;
    uint32_t gates_capacity;
    uint32_t gates_next; /* where the next tick goes on */
    struct sw_timer gates_timer;
    uint64_t relieved_ms;              /* when memory was last given up */
    uint32_t fruitless;                /* looks since anything came back */
    uint32_t relief_next;              /* the gate where the next look begins */
    uint32_t board_bytes;              /* of one board */
    const struct sw_collecting *ahead; /* while a bookmark is made: what will stand before it */
    struct sw_list runs;               /* that are kept, the one that was used last behind */
    uint64_t runs_bytes;
};

/* `slots`: how many there may ever be. All borrowed. */
void sw_fanout_init(struct sw_fanout *fanout, struct sw_loop *loop, uint32_t slots,
                    const struct sw_marks *marks, const struct sw_encoding *encodings,
                    const struct sw_fanout_events *events, void *owner,
                    struct sw_counters *counters);
/* Everybody is unsubscribed. */
void sw_fanout_deinit(struct sw_fanout *fanout);

/* ---- tapes ---- */

/* NULL where nobody reads or awaits it. */
struct sw_tape *sw_tape_find(struct sw_fanout *fanout, unsigned encoding, struct sw_slice name,
                             bool pattern);
/* A new one, JOINING, with a new generation. */
struct sw_tape *sw_tape_create(struct sw_fanout *fanout, unsigned encoding, struct sw_slice name,
                               bool pattern);
/* The bus has answered: it is JOINED, and those who waited are on `waiting`, which is initialised
 * here. What it says of the topic's history is taken in by sw_tape_state, before. */
void sw_tape_joined(struct sw_tape *tape, struct sw_list *waiting);
/* The tape of that id if it is of that generation, else NULL. */
struct sw_tape *sw_tape_get(struct sw_fanout *fanout, uint32_t id, uint32_t generation);
/* Nobody reads or awaits it: it is forgotten at once, and freed when it is clean. */
void sw_tape_destroy(struct sw_fanout *fanout, struct sw_tape *tape);
/* Renders it behind all others; `offset`: its place in the history, one behind the tape's newest;
 * 0: it has none. */
void sw_tape_append(struct sw_fanout *fanout, struct sw_tape *tape,
                    const struct sw_message *message, uint64_t offset);
/* What is missing here. */
struct sw_gap {
    uint64_t count; /* of all, with offsets and without; 0: unknown, and waits for the next frame */
    uint64_t from;  /* with `span`: the first offset, one behind the tape's newest */
    uint64_t span;  /* so many have offsets; 0: none */
    enum sw_shed reason;
};
void sw_tape_append_gap(struct sw_fanout *fanout, struct sw_tape *tape, const struct sw_gap *gap);

/* What the bus says of the topic's history, with a join or later: the tape judges itself by it. */
void sw_tape_state(struct sw_fanout *fanout, struct sw_tape *tape,
                   const struct sw_topic_state *state);
/* The answer to an ask: rendered, and whoever stands there reads on. */
void sw_tape_run(struct sw_fanout *fanout, struct sw_tape *tape, const struct sw_run *run);
/* Where a subscription with that claim begins, on a joined tape. True: *start says it, for
 * sw_hub_subscribe in this same turn, before anything else is appended. False: the bus was asked
 * (`claim` remembers), and the tape's next state or run is the time to ask this again. */
bool sw_tape_resolve(struct sw_fanout *fanout, struct sw_tape *tape, struct sw_manner manner,
                     struct sw_claim *claim, struct sw_start *start);

/* ---- who reads a tape ---- */

/* The pace of a max_hz, which is one of those that there are, or 0. */
uint8_t sw_pace_of(unsigned max_hz);
/* `slot` reads the tape from here on, or from `start` where that is not NULL; subscription `index`
 * of its list is filled in. A dirty tape is walked first, so that what stands on it is nobody's who
 * comes now. */
void sw_hub_subscribe(struct sw_fanout *fanout, struct sw_tape *tape, uint32_t slot, uint32_t index,
                      struct sw_manner manner, const struct sw_start *start);
/* What the subscription has been sent up to, behind the frame in flight; for a bookmark, behind all
 * that stands before it. False: its topic has no history. */
bool sw_hub_position(struct sw_fanout *fanout, uint32_t slot, uint32_t index,
                     struct sw_position *position);
/* The subscription goes on where it is, in another manner. */
void sw_hub_set_manner(struct sw_fanout *fanout, uint32_t slot, uint32_t index,
                       struct sw_manner manner);
/* What a subscription that ends has missed and was not told yet. */
struct sw_untold {
    uint32_t slow; /* deliveries */
    enum sw_shed slow_reason;
    uint64_t from; /* some of these have offsets, `from` to `to` under `epoch`; 0: none has */
    uint64_t to;
    struct sw_epoch epoch;
    bool reset; /* its stream became another one, of which it was at `to` under `epoch` */
    uint32_t passed;
    enum sw_shed passed_reason;
    bool unknown; /* some of it has no count: then `slow` says nothing */
    bool feed;    /* the bus was away, and nothing came since */
};
/* Ends subscription `index` of the slot: what was still to be sent is shed (closed). The last of
 * the slot's list takes its index. Never between walk and turned. */
struct sw_untold sw_hub_unsubscribe(struct sw_fanout *fanout, uint32_t slot, uint32_t index);

/* ---- slots ---- */

static inline struct sw_reader *sw_reader(struct sw_fanout *fanout, uint32_t slot)
{
    return &fanout->readers[slot];
}
/* The slot is told where it is from now on: when its turn comes, and behind whatever moves that.
 * Nothing is written to it directly any more. */
void sw_reader_keep_bookmark(struct sw_fanout *fanout, uint32_t slot);
/* Puts the slot on the list of those to flush; harmless where it is. */
void sw_fanout_due(struct sw_fanout *fanout, uint32_t slot);
/* The next due slot, taken off the list, or false. Slots that become due meanwhile come in the next
 * turn. False also when the turn's time for writing is over; the rest stays due. */
bool sw_fanout_due_pop(struct sw_fanout *fanout, uint32_t *stop, uint32_t *slot);
/* Does it wait for anything but a tick? */
bool sw_reader_owed(const struct sw_fanout *fanout, const struct sw_reader *reader);
/* The oldest byte that it was not sent has waited so long; looks at each of its cursors. */
uint32_t sw_reader_lag_ms(struct sw_fanout *fanout, uint32_t slot);
/* Is it in a pressure episode? */
bool sw_reader_pressured(const struct sw_fanout *fanout, const struct sw_reader *reader);
/* Unsubscribed from everything: what is left of the frame in flight is shed (closed). */
void sw_reader_close(struct sw_fanout *fanout, uint32_t slot);

/* ---- the turn ---- */

/* Each dirty tape, once. */
void sw_fanout_walk(struct sw_fanout *fanout);
/* In place of a flush while a rest is with the socket: what waits too long is shed. */
void sw_fanout_look(struct sw_fanout *fanout, uint32_t slot);
/* Writes what the slot is owed, behind `front` (frames of the control lane; may be empty), with as
 * few system calls as it takes. *taken: bytes of `front` that the socket took; if fewer than all,
 * nothing of the slot's own was written and the caller sends the rest. False: it stays due, since
 * its share of this turn is used up. */
bool sw_fanout_flush(struct sw_fanout *fanout, uint32_t slot, struct sw_slice front, size_t *taken);
/* The slot's connection is closed: what it was to get in this turn is shed with the rest. */
void sw_fanout_skip(struct sw_fanout *fanout, uint32_t slot);
/* After the last flush: items that nobody sent become cursors, tapes are clean. */
void sw_fanout_turned(struct sw_fanout *fanout);
/* Between turns: gives up what the step of the node's budget asks for. */
void sw_fanout_relieve(struct sw_fanout *fanout, enum sw_budget_step step);
/* Is somebody due? Then the loop must not sleep. */
static inline bool sw_fanout_busy(const struct sw_fanout *fanout)
{
    return fanout->due_head != 0 || fanout->dirty_head != 0;
}
/* Checks every subscription: position == start + sent + shed + in flight, and the rows' sums.
 * Aborts where one does not hold. Does nothing without SW_LAW. */
void sw_fanout_law(struct sw_fanout *fanout);

#endif
