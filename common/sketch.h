// SPDX-License-Identifier: Apache-2.0
/* How many, and how often, for each of any number of keys, in memory that does not grow with them:
 * count-min sketches (Cormode and Muthukrishnan, 2005) of atomic cells. A key has a cell in each of
 * two rows, which it may share with others, so a cell never says less than is true of the key, and
 * the lower of the two is believed. Any thread, without locks.
 *
 * Keys are given as hashes of 64 bits by a seed of this process (sw_slice_hash), or strangers would
 * choose with whom they share. */
#ifndef SW_COMMON_SKETCH_H
#define SW_COMMON_SKETCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SW_SKETCH_ROWS  2
#define SW_SKETCH_CELLS 65536

/* How many there are. */
struct sw_tally {
    _Atomic uint32_t *cells; /* costs memory only where it is touched: at most 512 KB */
};

void sw_tally_init(struct sw_tally *tally);
void sw_tally_deinit(struct sw_tally *tally);
/* One more of this key. False: there are `most` already, and nothing was counted. Threads that ask
 * for the last room there is at the same moment may all be refused it. */
bool sw_tally_add(struct sw_tally *tally, uint64_t key, uint32_t most);
/* One less; it was added. */
void sw_tally_remove(struct sw_tally *tally, uint64_t key);

/* How often something happens: so many a second, and two seconds' worth at once. What a cell holds
 * is the moment at which all that happened would have been due at that rate (the generic cell rate
 * algorithm), so time alone makes it good again and nothing has to be taken back. */
struct sw_pacer {
    _Atomic uint64_t *cells; /* microseconds; at most 1 MB */
    uint64_t interval_us;
};

/* `rate`: 1 to 1,000,000 a second. */
void sw_pacer_init(struct sw_pacer *pacer, uint32_t rate);
void sw_pacer_deinit(struct sw_pacer *pacer);
/* One event of this key: 0, or in how many milliseconds there is room for it again; then nothing
 * was counted. `now_ms`: any monotonic clock. Threads that ask for one key at the same moment may
 * each get the last room there is. */
uint32_t sw_pacer_take(struct sw_pacer *pacer, uint64_t key, uint64_t now_ms);
/* The same answer, and nothing is counted. */
uint32_t sw_pacer_wait(const struct sw_pacer *pacer, uint64_t key, uint64_t now_ms);

#endif
