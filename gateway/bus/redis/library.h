// SPDX-License-Identifier: Apache-2.0
/* The function library that gives topics a history (deploy/redis/spillway.lua, embedded by
 * embed.cmake): is it on this server, and as new as this node's? Loaded where it is absent,
 * replaced where it is older, and left where it is newer, so that two releases never fight.
 * Sans-I/O: commands are appended, and stand in the FIFO of their link.
 *
 *   UNKNOWN -> ASKED <-> LOADING      how it is there: spillway_version, which needs no more rights
 *               |           |         than publishing does
 *               +-> GOOD    +-> GOOD
 *               +-> UNSUPPORTED, before Redis 7
 *               +-----------+-> REFUSED: nothing is known, or it is not there and cannot be loaded;
 *                               publishes try nevertheless */
#ifndef SW_BUS_REDIS_LIBRARY_H
#define SW_BUS_REDIS_LIBRARY_H

#include "bus/redis/fifo.h"
#include "bus/redis/reader.h"

extern const int sw_redis_library_version;
extern const struct sw_slice sw_redis_library_source;

enum sw_redis_library_state {
    SW_REDIS_LIBRARY_UNKNOWN,
    SW_REDIS_LIBRARY_ASKED,
    SW_REDIS_LIBRARY_LOADING,
    SW_REDIS_LIBRARY_GOOD,
    SW_REDIS_LIBRARY_UNSUPPORTED,
    SW_REDIS_LIBRARY_REFUSED,
};

struct sw_redis_library {
    enum sw_redis_library_state state;
    bool older;            /* one is there that is to be replaced */
    unsigned loads;        /* on this link, since it was last good */
    uint64_t next_load_ms; /* after a refusal: not before */
    char said[300];        /* the last line of the log, so that each change is said once */
};

/* For a new link. What was said last stays. */
void sw_redis_library_reset(struct sw_redis_library *library);
/* Asks for its version. */
void sw_redis_library_ask(struct sw_redis_library *library, struct sw_redis_fifo *fifo,
                          struct sw_buf *out, uint64_t now_ms);
/* A publish has not found it: loads it, unless that is under way. False: it was refused a moment
 * ago, or has been loaded too often. */
bool sw_redis_library_load(struct sw_redis_library *library, struct sw_redis_fifo *fifo,
                           struct sw_buf *out, uint64_t now_ms);
/* An answer to VERSION or LOAD, which stands no longer in the FIFO. */
void sw_redis_library_answer(struct sw_redis_library *library, struct sw_redis_fifo *fifo,
                             struct sw_buf *out, const struct sw_redis_event *event,
                             uint64_t now_ms);
/* Does an answer still come that publishes should wait for? */
bool sw_redis_library_is_busy(const struct sw_redis_library *library);

#endif
