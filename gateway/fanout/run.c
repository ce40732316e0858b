// SPDX-License-Identifier: Apache-2.0
#include "fanout/run.h"

#include "common/mem.h"
#include "fanout/internal.h"

/* Frees it, where nobody stands in it and its tape does not find it. */
static void release(struct sw_fanout *fanout, struct sw_run_kept *run)
{
    if (run->standing || run->listed) {
        return;
    }
    sw_list_remove(&run->used);
    fanout->runs_bytes -= run->bytes;
    if (run->blocks) {
        sw_block_leave(fanout, run->blocks);
    }
    sw_free(run);
}

/* ---- rendering ---- */

/* A run under way. */
struct rendering {
    struct sw_fanout *fanout;
    const struct sw_tape *tape;
    struct sw_run_kept *run;
    struct sw_block *last;
};

static unsigned bounded_tier(unsigned tier)
{
    return tier < SW_BLOCK_TIERS ? tier : SW_BLOCK_TIERS - 1;
}

static struct sw_block *room(struct rendering *at, uint64_t offset, size_t bytes, uint64_t now_ms)
{
    struct sw_block *last = at->last;
    if (last && last->first + last->frames + 1 == offset && sw_block_fits(last, bytes, now_ms)) {
        return last;
    }
    unsigned tier = last ? bounded_tier(last->tier + 1u) : 1;
    struct sw_block *block = sw_block_create(&at->fanout->pool, tier, bytes, false);
    block->refs = 1; /* the run's, or the one before it */
    block->tape = at->tape->id;
    block->rule = at->tape->rule;
    block->first = offset - 1;
    block->born_ms = now_ms;
    block->positioned = true;
    block->run = true;
    at->run->bytes += block->size;
    *(last ? &last->next : &at->run->blocks) = block;
    at->last = block;
    return block;
}

static void render(struct rendering *at, const struct sw_message *message, uint64_t offset)
{
    const struct sw_tape *tape = at->tape;
    const struct sw_encoding *encoding = &at->fanout->encodings[tape->encoding];
    struct sw_push push = {
        .kind = SW_PUSH_MESSAGE, .name = sw_tape_name(tape), .offset = offset, .message = message};
    uint64_t now_ms = sw_loop_now_ms(at->fanout->loop);
    size_t text_size;
    size_t size = sw_encoding_size(encoding, &push, &text_size);
    struct sw_block *block = room(at, offset, size, now_ms);
    char *out = sw_block_data(block) + block->bytes;
    SW_ASSERT(sw_encoding_write(encoding, &push, text_size, out) == out + size);
    sw_block_add(block, size, now_ms);
}

/* ---- a tape's runs ---- */

/* The place of that number among the tape's runs. */
static uint32_t index_of(const struct sw_tape_history *history, uint64_t number)
{
    uint32_t low = 0;
    uint32_t high = history->runs_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (history->runs[middle]->number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void unlist(struct sw_fanout *fanout, struct sw_run_kept *run)
{
    struct sw_tape_history *history = fanout->tapes[run->tape]->history;
    history->runs_count--;
    for (uint32_t i = index_of(history, run->number); i < history->runs_count; i++) {
        history->runs[i] = history->runs[i + 1];
    }
    run->listed = false;
    release(fanout, run);
}

static void list(struct sw_tape_history *history, struct sw_run_kept *run)
{
    if (history->runs_count == history->runs_capacity) {
        history->runs_capacity = history->runs_capacity ? history->runs_capacity * 2 : 4;
        history->runs = sw_realloc(history->runs, history->runs_capacity * sizeof(*history->runs));
    }
    uint32_t at = index_of(history, run->number);
    for (uint32_t i = history->runs_count++; i > at; i--) {
        history->runs[i] = history->runs[i - 1];
    }
    history->runs[at] = run;
    run->listed = true;
}

void sw_run_keep(struct sw_fanout *fanout, struct sw_tape *tape, const struct sw_run *run)
{
    struct sw_run_kept *before = sw_run_find(tape, run->run);
    if (before) {
        unlist(fanout, before);
    }
    struct sw_run_kept *kept = sw_alloc(sizeof(*kept));
    *kept = (struct sw_run_kept){
        .number = run->run, .to = run->to, .tape = tape->id, .bytes = (uint32_t)sizeof(*kept)};
    struct rendering at = {.fanout = fanout, .tape = tape, .run = kept};
    for (uint32_t i = 0; i < run->count; i++) {
        render(&at, run->frames[i].message, run->frames[i].offset);
    }
    uint64_t first = run->run ? run->run * SW_RUN_OFFSETS : 1;
    kept->lacks = first + run->count <= run->to;
    sw_list_init(&kept->used);
    sw_list_push(&fanout->runs, &kept->used);
    fanout->runs_bytes += kept->bytes;
    list(tape->history, kept);
}

struct sw_run_kept *sw_run_find(const struct sw_tape *tape, uint64_t number)
{
    const struct sw_tape_history *history = tape->history;
    uint32_t at = index_of(history, number);
    return at < history->runs_count && history->runs[at]->number == number ? history->runs[at]
                                                                           : NULL;
}

struct sw_block *sw_run_seek(const struct sw_run_kept *run, uint64_t offset, uint32_t *frame)
{
    struct sw_block *block = run->blocks;
    while (block && block->first + block->frames < offset) {
        block = block->next;
    }
    if (!block || block->first >= offset) {
        return NULL;
    }
    *frame = (uint32_t)(offset - block->first - 1);
    return block;
}

uint64_t sw_run_next(const struct sw_run_kept *run, uint64_t offset)
{
    const struct sw_block *block = run->blocks;
    while (block && block->first + block->frames <= offset) {
        block = block->next;
    }
    if (!block) {
        return 0;
    }
    return block->first >= offset ? block->first + 1 : offset + 1;
}

void sw_run_stand(struct sw_fanout *fanout, struct sw_run_kept *run)
{
    run->standing++;
    sw_list_remove(&run->used);
    sw_list_push(&fanout->runs, &run->used);
}

void sw_run_leave(struct sw_fanout *fanout, struct sw_run_kept *run)
{
    run->standing--;
    release(fanout, run);
}

void sw_runs_forget(struct sw_fanout *fanout, struct sw_tape *tape)
{
    struct sw_tape_history *history = tape->history;
    while (history->runs_count) {
        unlist(fanout, history->runs[history->runs_count - 1]);
    }
}

void sw_runs_trim(struct sw_fanout *fanout)
{
    uint64_t most = sw_purse_step(fanout->pool.purse) == SW_BUDGET_EASY ? SW_RUNS_BYTES : 0;
    struct sw_list *link = fanout->runs.next;
    while (fanout->runs_bytes > most && link != &fanout->runs) {
        struct sw_run_kept *run = SW_CONTAINER_OF(link, struct sw_run_kept, used);
        link = link->next;
        if (run->listed && !run->standing) {
            unlist(fanout, run);
        }
    }
}
