// SPDX-License-Identifier: Apache-2.0
/* A block: frames of one tape, one behind another, in 1, 4, 16 or 64 KB; a larger frame has a block
 * alone, and so has a gap mark. Frames grow up from behind the head; for each frame four bytes
 * {end, age in ticks} grow down from the block's end.
 *
 * Who holds it: each cursor that stands in it, the block before it, its tape while it is the last,
 * and the tape's turn. A frame in flight pins its bytes without holding the chain: a block that the
 * last holder leaves drops `next` though it is pinned, else one stuck client would keep the whole
 * later tape alive. A block that only its tape holds goes back to the pool at once: a quiet tape
 * owns none, but for the last message of one that retains it.
 *
 * On a tape with history a block holds either frames with offsets, one behind another, or frames
 * without, or one mark: so the offset of each follows from the block's. */
#ifndef SW_FANOUT_BLOCK_H
#define SW_FANOUT_BLOCK_H

#include "common/assert.h"
#include "common/budget.h"
#include "core/counters.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SW_BLOCK_TIERS   4
#define SW_BLOCK_FRAMES  1024
#define SW_BLOCK_TICK_MS 10

struct sw_block {
    uint32_t refs;
    uint32_t frames;
    struct sw_block *next;
    uint32_t tape;
    uint32_t size;  /* head included */
    uint64_t first; /* position before the first frame */
    uint32_t bytes; /* of frames */
    uint32_t pins;
    uint64_t born_ms; /* when the first frame was appended */
    uint32_t count;   /* a gap mark's; 0: unknown */
    uint32_t span;    /* so many of them have offsets */
    uint32_t plain;   /* with history: what has no offset, before the first frame; wraps */
    uint8_t shed;     /* enum sw_shed of the gap mark */
    uint8_t rule;     /* of its tape */
    uint8_t epoch;    /* with history: the number of its name, before the first frame */
    uint8_t tier : 2;
    bool alone : 1;      /* one frame, no table of ends */
    bool gap : 1;        /* that frame is no message: it is a mark, or tells of something */
    bool renames : 1;    /* it says `epoch`, and counts nothing */
    bool positioned : 1; /* its frames have offsets, one behind another */
    bool run : 1;        /* of a run of the history, not on the tape: `first` is an offset */
};
_Static_assert(sizeof(struct sw_block) == 64, "the head is one cache line");

struct sw_block_pool {
    struct sw_block *free[SW_BLOCK_TIERS];
    uint32_t free_bytes;
    uint32_t keep_bytes; /* with a purse: free ones up to here are kept for the next burst */
    struct sw_counters *counters;
    struct sw_purse *purse; /* what all blocks are charged to; NULL: nothing */
};

/* A block with room for a frame of `need` bytes, of at least tier `tier`; no holder yet. */
struct sw_block *sw_block_create(struct sw_block_pool *pool, unsigned tier, size_t need,
                                 bool alone);
void sw_block_free(struct sw_block_pool *pool, struct sw_block *block);
/* Frees those that are kept. */
void sw_block_pool_trim(struct sw_block_pool *pool);
void sw_block_pool_deinit(struct sw_block_pool *pool);
/* Does a frame of `need` bytes fit behind the others at `now_ms`? */
bool sw_block_fits(const struct sw_block *block, size_t need, uint64_t now_ms);
/* Notes that the frame just written behind block->bytes has `need` bytes. */
void sw_block_add(struct sw_block *block, size_t need, uint64_t now_ms);

static inline char *sw_block_data(struct sw_block *block)
{
    return (char *)(block + 1);
}

static inline const uint32_t *sw_block_entry(const struct sw_block *block, uint32_t frame)
{
    const char *end = (const char *)block + block->size;
    return (const uint32_t *)(const void *)(end - 4 * ((size_t)frame + 1));
}

/* Where frame `frame` ends, in bytes behind the head. */
static inline uint32_t sw_block_end(const struct sw_block *block, uint32_t frame)
{
    return block->alone ? block->bytes : (*sw_block_entry(block, frame) & 0xffff);
}

static inline uint32_t sw_block_start(const struct sw_block *block, uint32_t frame)
{
    return frame == 0 ? 0 : sw_block_end(block, frame - 1);
}

/* When the frame was appended, to the tick; exact for the first. */
static inline uint64_t sw_block_time_ms(const struct sw_block *block, uint32_t frame)
{
    uint64_t age = block->alone ? 0 : *sw_block_entry(block, frame) >> 16;
    return block->born_ms + age * SW_BLOCK_TICK_MS;
}

/* Positions that its first `frames` frames stand for. */
static inline uint32_t sw_block_positions(const struct sw_block *block, uint32_t frames)
{
    return block->gap ? (frames != 0 ? block->count : 0) : frames;
}

/* The position of a reader that has read `frame` frames of the block. */
static inline uint64_t sw_block_position(const struct sw_block *block, uint32_t frame)
{
    return block->first + sw_block_positions(block, frame);
}

/* Offsets that its first `frame` frames stand for. */
static inline uint32_t sw_block_offsets(const struct sw_block *block, uint32_t frame)
{
    return block->positioned ? frame : frame != 0 ? block->span : 0;
}

/* Is it a gap mark without a count? */
static inline bool sw_block_is_unknown(const struct sw_block *block)
{
    return block->gap && block->count == 0 && !block->renames;
}

#endif
