// SPDX-License-Identifier: Apache-2.0
/* File descriptors: the limit that a node meets first. */
#ifndef SW_NODE_DESCRIPTORS_H
#define SW_NODE_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

struct sw_descriptors {
    uint64_t limit;       /* after raising the soft limit to the hard one */
    uint32_t connections; /* what the node will hold */
    bool clamped;         /* less than was asked for */
};

/* Raises the soft limit as far as allowed, and has the table of descriptors made, so before there
 * are threads; `wanted` 0: as many connections as fit. */
struct sw_descriptors sw_descriptors_plan(uint32_t wanted, unsigned workers);

#endif
