// SPDX-License-Identifier: Apache-2.0
/* What the bus lends to workers, counted in plain integers and charged to its purse: messages, what
 * it knows of a topic, runs of its history. The bus's loop.
 *
 * A message is charged from its making to its last reference: as history while somebody keeps it,
 * else as a message under way. */
#ifndef SW_BUS_LENT_H
#define SW_BUS_LENT_H

#include "bus/bus.h"
#include "bus/envelope.h"

/* Of what came for `topic`; one reference. Inline: the path of every message. */
static inline struct sw_message *sw_lent_message(struct sw_purse *purse, struct sw_slice topic,
                                                 const struct sw_envelope *envelope,
                                                 uint64_t arrived_ns)
{
    struct sw_message *message =
        sw_message_create(topic, envelope->key, envelope->payload, envelope->time_ms, arrived_ns);
    sw_purse_charge(purse, SW_PART_MESSAGES, sw_message_bytes(message));
    return message;
}
/* Gives up a reference. */
void sw_lent_let_go(struct sw_purse *purse, struct sw_message *message);
/* Takes a reference of who outlasts what is under way; at most one such for each message. */
void sw_lent_keep(struct sw_purse *purse, struct sw_message *message);
void sw_lent_keep_no_more(struct sw_purse *purse, struct sw_message *message);

/* A copy with one reference, and one of its own to `retained`. */
struct sw_topic_state *sw_topic_state_create(const struct sw_topic_state *state);
void sw_topic_state_unref(struct sw_purse *purse, struct sw_topic_state *state);
/* One reference, no frames yet, and room for `capacity`. */
struct sw_run *sw_run_create(uint64_t number, uint32_t capacity);
/* Behind the others; takes a reference to the message. */
void sw_run_add(struct sw_run *run, uint64_t offset, struct sw_message *message);
void sw_run_unref(struct sw_purse *purse, struct sw_run *run);

#endif
