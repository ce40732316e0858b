// SPDX-License-Identifier: Apache-2.0
/* May a client publish to a topic? Three have a say: the topic's rule, the client's grant where
 * tokens are asked for, and the node. */
#ifndef SW_AUTH_PERMIT_H
#define SW_AUTH_PERMIT_H

#include "auth/grant.h"
#include "core/rule.h"

struct sw_permit {
    bool node;                    /* what the node says of this client */
    const struct sw_grant *grant; /* borrowed; NULL: no tokens are asked for */
};

/* Can there be a topic that it may publish to? */
bool sw_permit_any(const struct sw_permit *permit, const struct sw_rules *rules);
/* `topic` is valid and concrete, `rule` its rule. False: *why says who forbids it. */
bool sw_permit_publish(const struct sw_permit *permit, const struct sw_rules *rules,
                       const struct sw_rule *rule, struct sw_slice topic, const char **why);

#endif
