// SPDX-License-Identifier: Apache-2.0
#include "net/quota.h"

/* Of an IPv6 address. */
#define NETWORK_BYTES 8

void sw_quota_init(struct sw_quota *quota, struct sw_quota_limit connections,
                   struct sw_quota_limit handshakes, const struct sw_networks *trusted)
{
    *quota =
        (struct sw_quota){.connections = connections, .handshakes = handshakes, .trusted = trusted};
    if (connections.most) {
        sw_tally_init(&quota->tally);
    }
    if (handshakes.most) {
        sw_pacer_init(&quota->pacer, handshakes.most);
    }
}

void sw_quota_deinit(struct sw_quota *quota)
{
    sw_tally_deinit(&quota->tally);
    sw_pacer_deinit(&quota->pacer);
}

static uint64_t key_of(const struct sw_peer *peer)
{
    return sw_slice_hash(sw_slice((const char *)peer->host, peer->ipv4 ? 4 : NETWORK_BYTES));
}

static bool counts(const struct sw_quota *quota, const struct sw_quota_limit *limit,
                   const struct sw_peer *peer)
{
    return limit->most && (peer->ipv4 || peer->ipv6) &&
           (limit->set ||
            (!sw_peer_is_loopback(peer) && !sw_networks_contain(quota->trusted, peer)));
}

enum sw_quota_answer sw_quota_enter(struct sw_quota *quota, const struct sw_peer *peer)
{
    if (!quota || !counts(quota, &quota->connections, peer)) {
        return SW_QUOTA_UNCOUNTED;
    }
    return sw_tally_add(&quota->tally, key_of(peer), quota->connections.most) ? SW_QUOTA_COUNTED
                                                                              : SW_QUOTA_REFUSED;
}

void sw_quota_leave(struct sw_quota *quota, const struct sw_peer *peer)
{
    sw_tally_remove(&quota->tally, key_of(peer));
}

uint32_t sw_quota_knock(struct sw_quota *quota, const struct sw_peer *peer, uint64_t now_ms)
{
    if (!quota || !counts(quota, &quota->handshakes, peer)) {
        return 0;
    }
    return sw_pacer_take(&quota->pacer, key_of(peer), now_ms);
}

uint32_t sw_quota_wait(const struct sw_quota *quota, const struct sw_peer *peer, uint64_t now_ms)
{
    if (!quota || !counts(quota, &quota->handshakes, peer)) {
        return 0;
    }
    return sw_pacer_wait(&quota->pacer, key_of(peer), now_ms);
}
