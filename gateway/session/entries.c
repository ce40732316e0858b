// SPDX-License-Identifier: Apache-2.0
/* What comes from the bus: what it says of topics, which goes to their tapes, and publishes that
 * come back. */
#include "common/assert.h"
#include "common/mem.h"
#include "session/internal.h"

/* What the bus says of a topic: first it counts for the tape, then for who waits to begin there. */
static void on_state(struct sw_sessions *all, struct sw_tape *tape,
                     const struct sw_topic_state *state)
{
    bool joining = tape->state == SW_TAPE_JOINING;
    if (joining && state && !state->joined) {
        return; /* what the join is answered with rests on more */
    }
    if (state) {
        sw_tape_state(&all->fanout, tape, state);
    }
    if (joining) {
        sw_pending_joined(tape);
    } else {
        sw_pending_look(tape);
    }
    sw_tape_release(all, tape);
}

static void on_gap(struct sw_sessions *all, struct sw_tape *tape, const struct sw_entry *entry)
{
    sw_tape_append_gap(&all->fanout, tape,
                       &(struct sw_gap){.count = entry->count,
                                        .from = entry->span ? entry->offset : 0,
                                        .span = entry->span,
                                        .reason = (enum sw_shed)entry->shed});
}

static void on_entry(struct sw_sessions *all, const struct sw_entry *entry)
{
    struct sw_tape *tape = sw_tape_get(&all->fanout, entry->tape, entry->generation);
    if (!tape) {
        return;
    }
    switch ((enum sw_entry_kind)entry->kind) {
    case SW_ENTRY_STATE:
        on_state(all, tape, entry->state);
        return;
    case SW_ENTRY_REFUSED:
        sw_tape_refused(all, tape, (enum sw_error)entry->error);
        return;
    case SW_ENTRY_MESSAGE:
        sw_tape_append(&all->fanout, tape, entry->message, entry->offset);
        return;
    case SW_ENTRY_GAP:
        on_gap(all, tape, entry);
        return;
    case SW_ENTRY_RUN:
        sw_tape_run(&all->fanout, tape, entry->run);
        sw_pending_look(tape);
        return;
    case SW_ENTRY_FEED:
        return;
    }
}

void sw_sessions_on_post(struct sw_sessions *all, struct sw_post *post)
{
    if (post->kind == SW_POST_BATCH) {
        struct sw_batch *batch = SW_CONTAINER_OF(post, struct sw_batch, post);
        for (uint32_t i = 0; i < batch->count; i++) {
            on_entry(all, &batch->entries[i]);
        }
        sw_bus_return(all->bus, batch);
        return;
    }
    SW_ASSERT(post->kind == SW_POST_PUBLISH);
    struct sw_publish *publish = SW_CONTAINER_OF(post, struct sw_publish, post);
    publish->done(publish->context, publish);
}
