// SPDX-License-Identifier: Apache-2.0
/* What the settings say of addresses: which are those of trusted proxies, and what a single one may
 * take. One for the node; workers borrow it. */
#ifndef SW_NODE_ADDRESSES_H
#define SW_NODE_ADDRESSES_H

#include "net/quota.h"
#include "node/config.h"

struct sw_addresses {
    struct sw_networks trusted;
    struct sw_quota quota;
};

/* `config` has been checked. Stays where it is: its parts point to each other. */
void sw_addresses_init(struct sw_addresses *addresses, const struct sw_config *config);
void sw_addresses_deinit(struct sw_addresses *addresses);

#endif
