// SPDX-License-Identifier: Apache-2.0
/* What this node wants from Redis, made into (P)SUBSCRIBE and (P)UNSUBSCRIBE on the subscriber's
 * link, and their answers told to the right interests. Sans-I/O: commands are appended to a buffer.
 *
 * Redis answers in order, and an error names no channel. So what was sent stands in a FIFO, and an
 * answer belongs to its first command. A command has up to 500 channels; at most SW_REDIS_WINDOW of
 * them wait for answers, since answers count against the output buffer that Redis allows a
 * subscriber.
 *
 * An interest has a *mark* (interest->backend) while the queue or the FIFO names it; once it is
 * subscribed all of them share one, so that a quiet topic costs nothing here. The mark outlives an
 * interest that nobody wants any more until its answers have come; an interest that comes back
 * meanwhile gets a mark of its own, so an answer to the old one is never taken for the new one's.
 *
 * Invariants: a mark is queued at most once; what its place in the queue means is decided when it
 * is sent. While the link is away no interest has one. */
#ifndef SW_BUS_REDIS_INTEREST_H
#define SW_BUS_REDIS_INTEREST_H

#include "bus/backend.h"
#include "bus/redis/reader.h"
#include "common/ring.h"

/* Channels of one command. Measured: 100 to 1,000 take 100,000 channels in 0.15 s and hold up
 * others' PING by 12-18 ms; one by one takes 1.3 s, all in one 196 ms of standstill. */
#define SW_REDIS_BATCH 500
/* Channels that wait for their answer: eight full commands. */
#define SW_REDIS_WINDOW (8u * SW_REDIS_BATCH)
/* How long a channel whose message ended the link is left out. */
#define SW_REDIS_LEFT_OUT_MS 60000

struct sw_redis_interests {
    struct sw_exchange *exchange;
    bool up;
    struct sw_list marks; /* of those that something is under way for */
    struct sw_ring queue; /* marks: to be subscribed, or unsubscribed where the interest is gone */
    struct sw_ring sent;  /* commands, oldest first */
    size_t unanswered;    /* channels of `sent` */
    struct sw_list left_out; /* channels */
};

/* What an answer did. */
enum sw_redis_answer {
    SW_REDIS_ANSWER_GOOD,
    SW_REDIS_ANSWER_STRAY, /* it answers nothing that was sent: the link is out of step */
};

void sw_redis_interests_init(struct sw_redis_interests *interests, struct sw_exchange *exchange);
/* The interests may be gone already. */
void sw_redis_interests_deinit(struct sw_redis_interests *interests);
/* A new link is ready: queues every interest of the exchange. */
void sw_redis_interests_up(struct sw_redis_interests *interests);
/* The link is lost: forgets what was queued and sent. Before any interest is freed. */
void sw_redis_interests_down(struct sw_redis_interests *interests);

/* Queues it. Nothing while down, or while its channel is left out. */
void sw_redis_interests_subscribe(struct sw_redis_interests *interests,
                                  struct sw_interest *interest);
/* The interest may be freed after it. */
void sw_redis_interests_unsubscribe(struct sw_redis_interests *interests,
                                    struct sw_interest *interest);
/* Appends as many queued commands as the window allows. */
void sw_redis_interests_write(struct sw_redis_interests *interests, struct sw_buf *out);
/* Is everything subscribed again that was before the link was lost (but what is left out)? */
bool sw_redis_interests_whole(const struct sw_redis_interests *interests);
/* Appends PING <text>. */
void sw_redis_interests_ping(struct sw_redis_interests *interests, struct sw_buf *out,
                             struct sw_slice text);

/* A (p)subscribe, (p)unsubscribe or pong came. Calls sw_exchange_acked where it was the last
 * SUBSCRIBE of an interest that is still wanted. */
enum sw_redis_answer sw_redis_interests_answer(struct sw_redis_interests *interests,
                                               const struct sw_redis_event *event);
/* An error came instead. Several channels: they are asked for again one by one, to find which one
 * it means. One: sw_exchange_refused, FORBIDDEN for NOPERM, else INTERNAL. */
enum sw_redis_answer sw_redis_interests_error(struct sw_redis_interests *interests,
                                              struct sw_slice error);

/* A message on `channel` was too large to be read and ends the link: whoever has it is told
 * (too_large), and whatever covers it is not subscribed to before `until_ms`. */
void sw_redis_interests_leave_out(struct sw_redis_interests *interests, struct sw_slice channel,
                                  uint64_t until_ms);
/* Queues what is left out no more. */
void sw_redis_interests_look(struct sw_redis_interests *interests, uint64_t now_ms);

#endif
