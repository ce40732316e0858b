// SPDX-License-Identifier: Apache-2.0
/* Is what comes from the bus fresh? Sans-I/O: the backend sends something on a round trip through
 * the bus once a second (a beat), and tells what came back and when it had been sent. Whether the
 * links look alive says nothing; a beat that comes round does.
 *
 *   live -> stale   a link is lost, or no beat that was sent within SW_FEED_LATE_MS has come round
 *   stale -> live   a beat comes round in SW_FEED_FRESH_MS, and all that was subscribed is again
 *
 * Between the two limits lies more than a second, the time from one beat to the next: a lag that
 * stays the same is either or, and does not make the feed flap. A node that starts is live, and has
 * the same time for its first beat. One per server, owned by its backend. */
#ifndef SW_BUS_FEED_H
#define SW_BUS_FEED_H

#include "bus/backend.h"

struct sw_feed {
    bool stale;
    uint64_t proof_ms;   /* when the newest beat that came round was sent: good until then */
    uint64_t since_ms;   /* `stale`: since when, perhaps */
    uint64_t counted_ms; /* so far it is counted in feed_stale_seconds_total; 0: it is live */
};

void sw_feed_init(struct sw_feed *feed, uint64_t now_ms);

/* Each of them returns whether the state changed. */

/* A link is lost. */
bool sw_feed_lost(struct sw_feed *feed);
/* A beat that was sent at `sent_ms` has come; `whole`: nothing that was subscribed before the loss
 * is still to be subscribed again. */
bool sw_feed_beat(struct sw_feed *feed, uint64_t sent_ms, uint64_t now_ms, bool whole);
/* Asked several times a second. */
bool sw_feed_look(struct sw_feed *feed, uint64_t now_ms);

/* Every worker is told of the change, and the log. */
void sw_feed_tell(struct sw_feed *feed, struct sw_exchange *exchange, uint64_t now_ms,
                  const char *why);
/* Counts how long it has been stale. */
void sw_feed_count(struct sw_feed *feed, struct sw_counters *counters, uint64_t now_ms);

#endif
