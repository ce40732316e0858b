// SPDX-License-Identifier: Apache-2.0
#include "common/sketch.h"

#include "common/assert.h"
#include "common/mem.h"

#define CELLS   (SW_SKETCH_ROWS * SW_SKETCH_CELLS)
#define BURST_S 2

/* Each row goes by other bits of the key. */
static size_t place(uint64_t key, unsigned row)
{
    return row * SW_SKETCH_CELLS + (key >> 16 * row) % SW_SKETCH_CELLS;
}

/* ---- how many ---- */

void sw_tally_init(struct sw_tally *tally)
{
    tally->cells = sw_reserve(CELLS * sizeof(*tally->cells));
}

void sw_tally_deinit(struct sw_tally *tally)
{
    if (tally->cells) {
        sw_release((void *)tally->cells, CELLS * sizeof(*tally->cells));
    }
    *tally = (struct sw_tally){0};
}

static uint32_t held(const struct sw_tally *tally, uint64_t key)
{
    uint32_t least = UINT32_MAX;
    for (unsigned row = 0; row < SW_SKETCH_ROWS; row++) {
        uint32_t count = atomic_load(&tally->cells[place(key, row)]);
        least = count < least ? count : least;
    }
    return least;
}

/* Counted in all rows before any is believed: of two threads at once, each of which found the last
 * room in another row, both would get it. Whoever counts last sees all others, in every row; hence
 * the strictest order of memory. */
bool sw_tally_add(struct sw_tally *tally, uint64_t key, uint32_t most)
{
    for (unsigned row = 0; row < SW_SKETCH_ROWS; row++) {
        atomic_fetch_add(&tally->cells[place(key, row)], 1);
    }
    if (held(tally, key) <= most) {
        return true;
    }
    sw_tally_remove(tally, key);
    return false;
}

void sw_tally_remove(struct sw_tally *tally, uint64_t key)
{
    for (unsigned row = 0; row < SW_SKETCH_ROWS; row++) {
        uint32_t before = atomic_fetch_sub(&tally->cells[place(key, row)], 1);
        SW_ASSERT(before > 0);
    }
}

/* ---- how often ---- */

void sw_pacer_init(struct sw_pacer *pacer, uint32_t rate)
{
    SW_ASSERT(rate > 0 && rate <= 1000000);
    *pacer = (struct sw_pacer){.cells = sw_reserve(CELLS * sizeof(*pacer->cells)),
                               .interval_us = 1000000 / rate};
}

void sw_pacer_deinit(struct sw_pacer *pacer)
{
    if (pacer->cells) {
        sw_release((void *)pacer->cells, CELLS * sizeof(*pacer->cells));
    }
    *pacer = (struct sw_pacer){0};
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void advance(_Atomic uint64_t *cell, uint64_t now_us, uint64_t interval_us)
{
    uint64_t due = atomic_load_explicit(cell, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(cell, &due, later(due, now_us) + interval_us,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

uint32_t sw_pacer_wait(const struct sw_pacer *pacer, uint64_t key, uint64_t now_ms)
{
    const uint64_t room_us = BURST_S * UINT64_C(1000000) - pacer->interval_us;
    uint64_t now_us = now_ms * 1000;
    uint64_t due = UINT64_MAX;
    for (unsigned row = 0; row < SW_SKETCH_ROWS; row++) {
        uint64_t held = atomic_load_explicit(&pacer->cells[place(key, row)], memory_order_relaxed);
        due = held < due ? held : due;
    }
    return due > now_us + room_us ? (uint32_t)((due - now_us - room_us + 999) / 1000) : 0;
}

uint32_t sw_pacer_take(struct sw_pacer *pacer, uint64_t key, uint64_t now_ms)
{
    uint32_t wait_ms = sw_pacer_wait(pacer, key, now_ms);
    for (unsigned row = 0; !wait_ms && row < SW_SKETCH_ROWS; row++) {
        advance(&pacer->cells[place(key, row)], now_ms * 1000, pacer->interval_us);
    }
    return wait_ms;
}
