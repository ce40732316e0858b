// SPDX-License-Identifier: Apache-2.0
/* Producers push onto a stack (Treiber, 1986); the consumer takes the whole stack with one
 * exchange and turns it round. Taking all at once is what keeps it free of the ABA problem.
 * Invariant: when the loop sleeps and `head` is not NULL, a wake-up is on its way. A foreign
 * producer that finds the stack empty sends it; the loop's own thread needs none, since the loop
 * looks at its inboxes before it sleeps (work_is_left). */
#include "net/inbox.h"

#include "common/assert.h"
#include "common/mem.h"
#include "core/limits.h"
#include "net/loop_internal.h"

static void on_wake(uv_async_t *wake)
{
    (void)wake; /* the turn's end drains */
}

static void on_wake_closed(uv_handle_t *handle)
{
    sw_free(handle);
}

int sw_inbox_init(struct sw_inbox *inbox, struct sw_loop *loop,
                  void (*on_post)(void *role, struct sw_post *post), void *role)
{
    uv_async_t *wake = sw_zalloc(sizeof(*wake));
    int status = uv_async_init(&loop->uv, wake, on_wake);
    if (status) {
        sw_free(wake);
        return status;
    }
    *inbox = (struct sw_inbox){
        .loop = loop, .wake = wake, .next = loop->inboxes, .on_post = on_post, .role = role};
    loop->inboxes = inbox;
    return 0;
}

void sw_inbox_post(struct sw_inbox *inbox, struct sw_post *post)
{
    atomic_fetch_add_explicit(&inbox->bytes, post->bytes, memory_order_relaxed);
    struct sw_post *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    do {
        post->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&inbox->head, &head, post, memory_order_release,
                                                    memory_order_relaxed));
    if (!head && !sw_loop_is_mine(inbox->loop)) {
        int status = uv_async_send(inbox->wake);
        SW_ASSERT(status == 0);
    }
}

/* What was posted since the last time, oldest first. */
static struct sw_post *take_all(struct sw_inbox *inbox)
{
    struct sw_post *newest =
        atomic_exchange_explicit(&inbox->head, (struct sw_post *)NULL, memory_order_acquire);
    struct sw_post *oldest = NULL;
    while (newest) {
        struct sw_post *older = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    return oldest;
}

/* Hands over the oldest and adds its weight to *bytes; false: there is none. */
static bool hand_over_one(struct sw_inbox *inbox, size_t *bytes)
{
    if (!inbox->ready) {
        if (!atomic_load_explicit(&inbox->head, memory_order_relaxed)) {
            return false;
        }
        inbox->ready = take_all(inbox);
    }
    struct sw_post *post = inbox->ready;
    inbox->ready = post->next;
    post->next = NULL;
    *bytes += post->bytes;
    atomic_fetch_sub_explicit(&inbox->bytes, post->bytes, memory_order_relaxed);
    inbox->on_post(inbox->role, post);
    return true;
}

bool sw_inbox_drain(struct sw_inbox *inbox)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < SW_POSTS_PER_TURN && bytes < SW_INBOX_TURN_BYTES; i++) {
        if (!hand_over_one(inbox, &bytes)) {
            return false;
        }
    }
    return inbox->ready || atomic_load_explicit(&inbox->head, memory_order_relaxed);
}

void sw_inbox_deinit(struct sw_inbox *inbox)
{
    size_t bytes = 0;
    while (hand_over_one(inbox, &bytes)) {
    }
    struct sw_inbox **place = &inbox->loop->inboxes;
    while (*place != inbox) {
        place = &(*place)->next;
    }
    *place = inbox->next;
    uv_close((uv_handle_t *)inbox->wake, on_wake_closed);
    inbox->wake = NULL;
}
