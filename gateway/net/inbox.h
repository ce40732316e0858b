// SPDX-License-Identifier: Apache-2.0
/* The one door between roles: a many-producer, one-consumer FIFO of posts. Between roles only
 * ids and immutable things lent for a while may pass. A post is the node itself, so posting
 * allocates nothing; whoever posts a first one wakes the consumer's loop once. A post to one's
 * own thread (bus and worker on one loop) is drained in the same turn or keeps the loop awake.
 * Order: FIFO per producer. */
#ifndef SW_NET_INBOX_H
#define SW_NET_INBOX_H

#include "net/loop.h"

#include <stdatomic.h>
#include <stddef.h>

struct sw_post {
    struct sw_post *next;
    uint32_t kind;  /* what stands around it: each receiver's own enum */
    uint32_t bytes; /* what it weighs against the inbox's limit */
};

struct sw_inbox {
    _Atomic(struct sw_post *) head; /* newest first */
    struct sw_post *ready;          /* oldest first; the consumer's */
    _Atomic size_t bytes;
    struct sw_loop *loop;
    void *wake;            /* uv_async_t */
    struct sw_inbox *next; /* of the same loop, which looks at them all before it sleeps */
    void (*on_post)(void *role, struct sw_post *post);
    void *role;
};

/* `on_post` takes each post. Returns 0 or a negative errno. */
int sw_inbox_init(struct sw_inbox *inbox, struct sw_loop *loop,
                  void (*on_post)(void *role, struct sw_post *post), void *role);
/* Nobody posts any more; what is left is handed to on_post. */
void sw_inbox_deinit(struct sw_inbox *inbox);
/* Any thread. Takes `post`. */
void sw_inbox_post(struct sw_inbox *inbox, struct sw_post *post);
/* Any thread: bytes posted and not yet taken. */
static inline size_t sw_inbox_bytes(const struct sw_inbox *inbox)
{
    return atomic_load_explicit(&inbox->bytes, memory_order_relaxed);
}
/* Hands up to SW_POSTS_PER_TURN posts, or SW_INBOX_TURN_BYTES, to on_post; the consumer calls it at
 * its turn's end. True: posts are left (the loop stays awake). */
bool sw_inbox_drain(struct sw_inbox *inbox);

#endif
