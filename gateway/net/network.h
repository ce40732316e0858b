// SPDX-License-Identifier: Apache-2.0
/* Networks in words ("10.0.0.0/8", "fd00::/8", "192.0.2.1"), and who belongs to them. Pure
 * functions, any thread. */
#ifndef SW_NET_NETWORK_H
#define SW_NET_NETWORK_H

#include "common/buf.h"
#include "net/address.h"

struct sw_network {
    unsigned char host[16]; /* 0 behind the first `bits` */
    uint8_t bits;
    bool ipv4; /* else IPv6 */
};

/* Owns its rows. {0}: nobody belongs to it. */
struct sw_networks {
    struct sw_network *rows;
    size_t count;
};

/* False: `why` says in words what is wrong, and what was probably meant. */
bool sw_network_parse(struct sw_slice text, struct sw_network *network,
                      struct sw_buf *why) SW_MUST_CHECK;
/* An IPv4 address never belongs to an IPv6 network, nor the other way round; nobody unknown to any.
 */
bool sw_network_contains(const struct sw_network *network, const struct sw_peer *peer);

/* All of a NULL-terminated list. False: `why` names the first that is wrong, and nothing is owned.
 */
bool sw_networks_parse(char *const *texts, struct sw_networks *networks,
                       struct sw_buf *why) SW_MUST_CHECK;
void sw_networks_deinit(struct sw_networks *networks);
/* `networks` may be NULL: nobody. */
bool sw_networks_contain(const struct sw_networks *networks, const struct sw_peer *peer);

#endif
