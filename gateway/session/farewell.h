// SPDX-License-Identifier: Apache-2.0
/* How the sessions of a node leave it, as arithmetic; the clock is node/drain.c's. Clients that
 * return elsewhere must not arrive there at one moment: each draws its own from a window, and the
 * server closes who is left at an even pace.
 *
 *   0      from              to    close                    drain_ms
 *   said    clients leave, each     the server closes the rest,
 *           at its own moment       each after its data */
#ifndef SW_SESSION_FAREWELL_H
#define SW_SESSION_FAREWELL_H

#include <stdint.h>

/* Milliseconds from when it is said. */
struct sw_farewell {
    uint32_t from_ms; /* the window for clients: from <= to <= close */
    uint32_t to_ms;
    uint32_t close_ms; /* the server begins to close */
};

struct sw_farewell sw_farewell_plan(uint64_t drain_ms);
/* What is left of it for who comes so late. */
struct sw_farewell sw_farewell_late(struct sw_farewell plan, uint64_t late_ms);
/* How many of `total` have been asked to go when `elapsed_ms` of `span_ms` are over. */
uint32_t sw_farewell_due(uint32_t total, uint64_t elapsed_ms, uint64_t span_ms);

#endif
