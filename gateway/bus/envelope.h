// SPDX-License-Identifier: Apache-2.0
/* The wrapper around a payload on the wire (PROTOCOL.md, section 7):
 *     \x1e1;<epoch>:<offset>;t=<ms>;k=<key>;i=<id>\x1e<payload>
 * Anything else is a raw payload. Pure functions. */
#ifndef SW_BUS_ENVELOPE_H
#define SW_BUS_ENVELOPE_H

#include "common/buf.h"

struct sw_envelope {
    struct sw_slice payload;
    struct sw_slice key;   /* empty where there is none */
    struct sw_slice id;    /* the idempotency id, likewise */
    struct sw_slice epoch; /* empty where it has no position */
    uint64_t offset;
    uint64_t time_ms; /* 0 where the publisher did not say */
};

/* Always succeeds: what is no valid wrapper is payload. Slices are borrowed from `raw`. */
struct sw_envelope sw_envelope_open(struct sw_slice raw);
/* Must a payload be wrapped? With a key, or when it begins like a wrapper. */
bool sw_envelope_needed(struct sw_slice key, struct sw_slice payload);
/* Appends the wrapper's head, without a position. */
void sw_envelope_write_head(struct sw_buf *out, struct sw_slice key);
/* Appends the wrapper's head with all that the envelope has but its payload. */
void sw_envelope_write(struct sw_buf *out, const struct sw_envelope *envelope);
/* Is it 1 to 64 of '!' to '~' without ';'? */
bool sw_envelope_key_valid(struct sw_slice key);

#endif
