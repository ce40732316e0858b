// SPDX-License-Identifier: Apache-2.0
/* The strings of the bus that this node wants, by name and by wire. Owned by the exchange, on the
 * bus's loop; it owns the interests.
 *
 * Invariant (sw_interests_sane): every interest has readers or lingers, never both, but the node's
 * own, which have neither; those that linger are at most SW_LINGERING_TOPICS and
 * SW_LINGERING_PATTERNS. */
#ifndef SW_BUS_INTERESTS_H
#define SW_BUS_INTERESTS_H

#include "bus/backend.h"
#include "common/map.h"
#include "common/random.h"

struct sw_interests {
    struct sw_loop *loop;
    const struct sw_bus_config *config; /* borrowed */
    struct sw_counters *counters;
    struct sw_backend *backend; /* borrowed */
    /* What hangs on the interest goes with it. */
    void (*on_free)(struct sw_interest *interest);
    struct sw_list lingering[2]; /* [pattern]; who waits longest first */
    uint32_t lingering_count[2];
    struct sw_map names[2]; /* [pattern]; all interests */
    struct sw_map globs;    /* patterns by their wire; a topic's is found by its name */
    struct sw_random random;
};

void sw_interests_init(struct sw_interests *interests, struct sw_loop *loop,
                       const struct sw_bus_config *config, struct sw_counters *counters,
                       void (*on_free)(struct sw_interest *interest));
/* Unsubscribes and frees them all; nobody reads one any more. */
void sw_interests_deinit(struct sw_interests *interests);

/* NULL: nobody wants it. */
struct sw_interest *sw_interests_find(const struct sw_interests *interests, struct sw_slice name,
                                      bool pattern);
/* Likewise, by what the backend subscribes to. */
struct sw_interest *sw_interests_find_wire(const struct sw_interests *interests,
                                           struct sw_slice wire, bool pattern);
/* A new one that nobody reads yet; not subscribed. */
struct sw_interest *sw_interests_add(struct sw_interests *interests, struct sw_slice name,
                                     bool pattern, uint64_t now_ns);
/* The backend knows nothing of it (any more). */
void sw_interests_free(struct sw_interests *interests, struct sw_interest *interest);
/* The last reader left: it is kept for a while. May free it, or another that lingers. */
void sw_interests_linger(struct sw_interests *interests, struct sw_interest *interest);
/* Somebody reads it again. Harmless where it does not linger. */
void sw_interests_revive(struct sw_interests *interests, struct sw_interest *interest);
/* All of them, in no order. None may come or go meanwhile. */
void sw_interests_visit(const struct sw_interests *interests,
                        void (*visit)(void *context, struct sw_interest *interest), void *context);

bool sw_interests_sane(const struct sw_interests *interests);

#endif
