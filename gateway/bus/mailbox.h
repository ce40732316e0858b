// SPDX-License-Identifier: Apache-2.0
/* The two strings of the bus that a node reads for itself: what is said to all nodes, and what is
 * said to it alone. They are interests like any other, without readers; so they are subscribed on
 * the same link, and again with the others. What comes on them is posted to main, or ignored and
 * counted. Names with '$' first are no topics: clients can neither read nor write them. */
#ifndef SW_BUS_MAILBOX_H
#define SW_BUS_MAILBOX_H

#include "bus/backend.h"
#include "bus/notice.h"

#define SW_MAILBOX_STRINGS 2

struct sw_mailbox {
    struct sw_interest
        *strings[SW_MAILBOX_STRINGS]; /* NULL: refused, until the bus comes up again */
    bool told;                        /* the log, that they were refused */
};

/* Appends the name of string `i`, without the prefix. */
void sw_mailbox_string(struct sw_buf *out, unsigned i, const char *node);
/* The bus does not let the node read this one, which is freed behind it: the node goes on alone. */
void sw_mailbox_refused(struct sw_mailbox *mailbox, const struct sw_interest *interest);
/* Why other nodes cannot be asked now: their answers would not be heard. */
enum sw_error sw_mailbox_fault(const struct sw_mailbox *mailbox);
/* What came on one of the strings. */
void sw_mailbox_take(const struct sw_bus_config *config, struct sw_counters *counters,
                     struct sw_slice raw);

#endif
