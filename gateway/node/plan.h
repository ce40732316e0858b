// SPDX-License-Identifier: Apache-2.0
/* What a node may take of its machine: how many connections and how much memory. The descriptors
 * decide first, then the memory. Belongs to main, before it serves. */
#ifndef SW_NODE_PLAN_H
#define SW_NODE_PLAN_H

#include "node/config.h"
#include "node/descriptors.h"
#include "node/memory_limit.h"

struct sw_plan {
    struct sw_descriptors descriptors;
    struct sw_memory_limit limit;
    struct sw_memory_plan memory;
};

/* Raises the limit of descriptors as far as it can. */
struct sw_plan sw_plan_make(const struct sw_config *config, unsigned workers);
/* Logs what node `node` will and will not do, and what its settings were hardly meant to say. */
void sw_plan_say(const struct sw_plan *plan, const struct sw_config *config, const char *node,
                 unsigned workers);

#endif
