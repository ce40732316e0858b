// SPDX-License-Identifier: Apache-2.0
/* A look at a topic's history as commands and their answers (PROTOCOL.md, section 7). Pure
 * functions.
 *
 *   limit 0   HMGET
 *   else      MULTI, HMGET, INFO replication, XRANGE of the first, XRANGE of those asked for, EXEC:
 *             one moment, and whether it was a master's. What may be large comes last, since an
 *             array keeps only so many bytes (reader.h). */
#ifndef SW_BUS_REDIS_READ_H
#define SW_BUS_REDIS_READ_H

#include "bus/backend.h"

struct redisReply;

#define SW_REDIS_WHY_BYTES 200

/* What a look showed beside its answer. */
struct sw_redis_seen {
    bool replica; /* then nothing else means anything */
    bool differs; /* the meta's size and ttl are not the rule's */
    char key;     /* FAILED: the key that it is about, 'm' or 'h'; 0: it may be any */
    char why[SW_REDIS_WHY_BYTES]; /* FAILED: in words, no payload in it */
};

/* Appends the commands; returns how many answers there will be. The last one says it all. */
uint8_t sw_redis_read_put(struct sw_buf *out, struct sw_slice prefix,
                          const struct sw_history_read *read);
/* Fills in `read` from the last answer: DONE or FAILED. `entries` has room for read->limit; they
 * borrow from `array`. */
void sw_redis_read_take(struct sw_history_read *read, const struct redisReply *array,
                        struct sw_history_entry *entries, struct sw_redis_seen *seen);
/* Appends what writes the rule's size and ttl into the meta; returns how many answers there will
 * be. */
uint8_t sw_redis_read_put_settings(struct sw_buf *out, struct sw_slice prefix,
                                   const struct sw_history_read *read);
/* Does the answer to INFO replication come from a replica? */
bool sw_redis_is_replica(struct sw_slice info);
/* Appends INFO replication. */
void sw_redis_put_info(struct sw_buf *out);

#endif
