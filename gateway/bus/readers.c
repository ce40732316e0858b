// SPDX-License-Identifier: Apache-2.0
#include "bus/readers.h"

#include "common/mem.h"

struct sw_exchange_reader *sw_readers_find(const struct sw_interest *interest,
                                           const struct sw_join *join)
{
    struct sw_exchange_reader *reader = interest->readers;
    while (reader && (reader->worker != join->worker || reader->tape != join->tape ||
                      reader->generation != join->generation)) {
        reader = reader->next;
    }
    return reader;
}

/* Where the link to `reader` stands; NULL: where the next one's will. */
static struct sw_exchange_reader **find_link(struct sw_interest *interest,
                                             const struct sw_exchange_reader *reader)
{
    struct sw_exchange_reader **link = &interest->readers;
    while (*link != reader) {
        link = &(*link)->next;
    }
    return link;
}

struct sw_exchange_reader *sw_readers_add(struct sw_interest *interest, const struct sw_join *join)
{
    bool inside = !interest->first_used;
    struct sw_exchange_reader *reader = inside ? &interest->first : sw_alloc(sizeof(*reader));
    interest->first_used = true;
    *reader = (struct sw_exchange_reader){
        .worker = join->worker, .tape = join->tape, .generation = join->generation};
    sw_list_init(&reader->gapped);
    *find_link(interest, NULL) = reader;
    return reader;
}

void sw_readers_remove(struct sw_interest *interest, struct sw_exchange_reader *reader)
{
    sw_outlet_forget(reader);
    *find_link(interest, reader) = reader->next;
    if (reader == &interest->first) {
        interest->first_used = false;
    } else {
        sw_free(reader);
    }
}

/* ---- to all ---- */

void sw_reader_welcome(struct sw_outlets *outlets, struct sw_exchange_reader *reader,
                       struct sw_topic_state *state)
{
    reader->joined = true;
    sw_outlet_state(sw_outlets_of(outlets, reader), reader, state);
}

void sw_readers_gap(struct sw_outlets *outlets, struct sw_interest *interest,
                    const struct sw_outlet_gap *gap)
{
    for (struct sw_exchange_reader *reader = interest->readers; reader; reader = reader->next) {
        if (reader->joined) {
            sw_outlet_gap(sw_outlets_of(outlets, reader), reader, gap);
        }
    }
}

void sw_readers_state(struct sw_outlets *outlets, struct sw_interest *interest,
                      struct sw_topic_state *state)
{
    for (struct sw_exchange_reader *reader = interest->readers; reader; reader = reader->next) {
        if (reader->joined) {
            sw_outlet_state(sw_outlets_of(outlets, reader), reader, state);
        }
    }
}

void sw_readers_refuse(struct sw_outlets *outlets, struct sw_interest *interest,
                       enum sw_error error)
{
    while (interest->readers) {
        struct sw_exchange_reader *reader = interest->readers;
        sw_outlet_refused(sw_outlets_of(outlets, reader), reader, error);
        sw_readers_remove(interest, reader);
    }
}

bool sw_readers_sane(const struct sw_interest *interest)
{
    for (const struct sw_exchange_reader *at = interest->readers; at; at = at->next) {
        if (!at->joined && !sw_list_empty(&at->gapped)) {
            return false;
        }
    }
    return true;
}
