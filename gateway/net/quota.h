// SPDX-License-Identifier: Apache-2.0
/* What one address may take of this node: so many connections, and so many handshakes a second.
 * Shared by all workers, without locks (common/sketch.h). An IPv6 address counts as its /64: that
 * much is one household's.
 *
 * Where the operator set no number, those who stand for others are not counted: loopback addresses
 * and trusted proxies, by which a client comes whom nobody names. */
#ifndef SW_NET_QUOTA_H
#define SW_NET_QUOTA_H

#include "common/sketch.h"
#include "net/network.h"

struct sw_quota_limit {
    uint32_t most; /* 0: no limit */
    bool set;      /* by the operator: nobody is exempt */
};

struct sw_quota {
    struct sw_quota_limit connections;
    struct sw_quota_limit handshakes; /* a second; twice as many at once */
    const struct sw_networks *trusted;
    struct sw_tally tally;
    struct sw_pacer pacer;
};

enum sw_quota_answer {
    SW_QUOTA_UNCOUNTED,
    SW_QUOTA_COUNTED, /* sw_quota_leave at its end */
    SW_QUOTA_REFUSED, /* as many as there may be */
};

/* Borrows `trusted`. Before the workers run. */
void sw_quota_init(struct sw_quota *quota, struct sw_quota_limit connections,
                   struct sw_quota_limit handshakes, const struct sw_networks *trusted);
void sw_quota_deinit(struct sw_quota *quota);

/* One more connection of this address. Any thread. `quota` may be NULL: nothing is limited. */
enum sw_quota_answer sw_quota_enter(struct sw_quota *quota, const struct sw_peer *peer);
/* One less, that was COUNTED. Any thread. */
void sw_quota_leave(struct sw_quota *quota, const struct sw_peer *peer);
/* One more handshake: 0, or in how many milliseconds it may be tried again. Any thread. */
uint32_t sw_quota_knock(struct sw_quota *quota, const struct sw_peer *peer, uint64_t now_ms);
/* The same answer, and nothing is counted. Any thread. */
uint32_t sw_quota_wait(const struct sw_quota *quota, const struct sw_peer *peer, uint64_t now_ms);

#endif
