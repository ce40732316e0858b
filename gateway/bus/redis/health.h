// SPDX-License-Identifier: Apache-2.0
/* Do messages really come? A link that looks alive proves nothing: routes may be split, a demoted
 * master stays silent, a subscription may be dead. Two things are sent round once a second:
 *
 *   ping     on the subscriber's link. Its pong stands behind the messages, so the round trip is
 *            the true backlog.
 *   canary   a number, published on the commands' link to the string on which this node alone is
 *            spoken to ("$node.<id>", see notice.h), and awaited on the subscriber's link
 *
 * A ping that is sent when Redis has answered a canary's PUBLISH stands behind that canary: a pong
 * that comes without it proves that it is lost. Sans-I/O; owned by the backend; times are those of
 * its loop. */
#ifndef SW_BUS_REDIS_HEALTH_H
#define SW_BUS_REDIS_HEALTH_H

#include "bus/feed.h"

/* A ping whose pong does not come, on both links: the link is dropped. */
#define SW_REDIS_PONG_MS 10000
/* Nothing at all comes on the subscriber's link for so long, and a ping has waited for the larger
 * part of it: likewise. */
#define SW_REDIS_SILENT_MS  3000
#define SW_REDIS_UNHEARD_MS 2000
/* A canary that a pong has overtaken may come so late, where a replica serves the subscriber. On
 * links that were made anew for it, and brought none, it may take twice as long, and so on up to 16
 * times: a route that stays split shall not cost a loss every few seconds. */
#define SW_REDIS_CANARY_MS   2000
#define SW_REDIS_CANARY_MOST 4
/* Pings that may wait for their pong: more than are sent before the link is dropped. */
#define SW_REDIS_PINGS 16

struct sw_redis_ping {
    uint64_t sent_ns;
    uint64_t canary; /* the newest whose PUBLISH was answered then */
};

struct sw_redis_health {
    struct sw_feed feed;
    struct sw_redis_ping pings[SW_REDIS_PINGS]; /* a ring: those that are not answered */
    unsigned first;
    unsigned count;
    uint64_t next_ping_ms;
    uint64_t next_canary_ms;
    uint64_t heard_bytes; /* of the subscriber's link, at the last look, */
    uint64_t heard_ms;    /* and when it had changed */
    uint64_t sent;        /* the newest canary's number, which is when it was sent; 0: none */
    uint64_t heard;       /* likewise, that came */
    uint64_t missing;     /* the first that a pong has overtaken and that has not come; 0: none */
    bool overtaken;       /* it will not come any more */
    unsigned deaf;        /* links in a row that were given up for it */
};

enum sw_redis_fault {
    SW_REDIS_SOUND,
    SW_REDIS_SILENT, /* nothing comes */
    SW_REDIS_LATE,   /* the pong is overdue */
    SW_REDIS_DEAF    /* what is published does not come, though the link answers */
};

void sw_redis_health_init(struct sw_redis_health *health, uint64_t now_ms);
/* New links are ready: what was under way on the old ones is forgotten, and both are due. */
void sw_redis_health_up(struct sw_redis_health *health, uint64_t now_ms);

/* True: a ping is to be sent, and counts as sent at `now_ns`. `answered`: the newest canary whose
 * PUBLISH was. */
bool sw_redis_health_ping(struct sw_redis_health *health, uint64_t now_ms, uint64_t now_ns,
                          uint64_t answered);
/* True: a canary with the number `now_ms` is to be published, and counts as sent. */
bool sw_redis_health_canary(struct sw_redis_health *health, uint64_t now_ms);
/* Appends what is published. */
void sw_redis_canary_write(struct sw_buf *out, uint64_t number);

/* A pong came; returns when its ping was sent, in ns; 0: none waits. */
uint64_t sw_redis_health_pong(struct sw_redis_health *health, uint64_t now_ms);
/* Is this a canary of these links? Then *number is it. */
bool sw_redis_health_hear(struct sw_redis_health *health, struct sw_slice text, uint64_t *number);
/* What is wrong with the subscriber's link, behind which `bytes` have come so far. */
enum sw_redis_fault sw_redis_health_look(struct sw_redis_health *health, uint64_t now_ms,
                                         uint64_t now_ns, uint64_t bytes);
/* How long the oldest ping has waited. */
uint64_t sw_redis_health_waiting_ns(const struct sw_redis_health *health, uint64_t now_ns);

#endif
