// SPDX-License-Identifier: Apache-2.0
/* Who reads an interest, and what goes to all of them. There are as many readers as workers and
 * encodings, so they are looked through. The bus's loop.
 *
 * Invariant (sw_readers_sane): no reader has a gap waiting before its state. */
#ifndef SW_BUS_READERS_H
#define SW_BUS_READERS_H

#include "bus/backend.h"

/* One outlet for each worker, in order of their ids. Owned by the exchange. */
struct sw_outlets {
    struct sw_outlet **rows;
    uint32_t count;
};

static inline struct sw_outlet *sw_outlets_of(const struct sw_outlets *outlets,
                                              const struct sw_exchange_reader *reader)
{
    return outlets->rows[reader->worker];
}

/* NULL: it is not there (any more). */
struct sw_exchange_reader *sw_readers_find(const struct sw_interest *interest,
                                           const struct sw_join *join);
/* It has had no state yet. */
struct sw_exchange_reader *sw_readers_add(struct sw_interest *interest, const struct sw_join *join);
/* A gap of it that waits is not told any more. */
void sw_readers_remove(struct sw_interest *interest, struct sw_exchange_reader *reader);

/* Its join is done; `state` as sw_outlet_state takes it. */
void sw_reader_welcome(struct sw_outlets *outlets, struct sw_exchange_reader *reader,
                       struct sw_topic_state *state);
/* To all that have had their state. Inline: the path of every message. */
static inline void sw_readers_message(struct sw_outlets *outlets,
                                      const struct sw_interest *interest,
                                      struct sw_message *message, uint64_t offset)
{
    for (struct sw_exchange_reader *reader = interest->readers; reader; reader = reader->next) {
        if (reader->joined) {
            sw_outlet_message(sw_outlets_of(outlets, reader), reader, message, offset);
        }
    }
}
void sw_readers_gap(struct sw_outlets *outlets, struct sw_interest *interest,
                    const struct sw_outlet_gap *gap);
void sw_readers_state(struct sw_outlets *outlets, struct sw_interest *interest,
                      struct sw_topic_state *state);
/* All of them are told that they will not have it, and are gone. */
void sw_readers_refuse(struct sw_outlets *outlets, struct sw_interest *interest,
                       enum sw_error error);

bool sw_readers_sane(const struct sw_interest *interest);

#endif
