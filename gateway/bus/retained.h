// SPDX-License-Identifier: Apache-2.0
/* The last message of a plain topic under a `retain` rule, for who subscribes and asks for it. It
 * is what was read last since the topic is read here; before that, where the rule names a key of
 * the backend's store, what stands there: joins wait for it, but not for long. A message that was
 * read is never replaced by what a key said. One for each such interest; the bus's loop. */
#ifndef SW_BUS_RETAINED_H
#define SW_BUS_RETAINED_H

#include "bus/readers.h"

/* What all of them share; borrowed. */
struct sw_retainers {
    struct sw_loop *loop;
    struct sw_counters *counters;
    struct sw_purse *purse;
    struct sw_outlets *outlets;
    struct sw_backend *backend;
};

struct sw_retained;

/* `rule` is borrowed. */
struct sw_retained *sw_retained_create(struct sw_retainers *all, struct sw_interest *interest,
                                       const struct sw_rule *rule);
/* The interest goes. */
void sw_retained_close(struct sw_retained *retained);
/* The string is subscribed: whoever waits has its state now or soon. */
void sw_retained_acked(struct sw_retained *retained);
/* A reader has come to an acked interest. */
void sw_retained_joined(struct sw_retained *retained, struct sw_exchange_reader *reader);
/* A message came; kept in place of the one before. */
void sw_retained_take(struct sw_retained *retained, struct sw_message *message);

#endif
