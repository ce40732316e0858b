// SPDX-License-Identifier: Apache-2.0
/* Where a subscription begins: what it brings along becomes a place on its tape, and the entry that
 * it is answered. What the place depends on may be known only after a look at the topic's history:
 * then it waits in pending.c. */
#include "common/assert.h"
#include "common/mem.h"
#include "session/internal.h"

struct sw_subscription *sw_session_find(const struct sw_session *session,
                                        const struct sw_tape *tape)
{
    const struct sw_reader *reader = sw_session_reader(session);
    for (uint32_t i = 0; i < reader->subscriptions; i++) {
        if (reader->list[i].tape == tape->id) {
            return &reader->list[i];
        }
    }
    return NULL;
}

/* Room for one more in the session's list. */
static void grow(struct sw_session *session)
{
    struct sw_reader *reader = sw_session_reader(session);
    uint32_t count = reader->subscriptions;
    if (session->capacity == 0 && count == 1) {
        session->capacity = 8;
        reader->list = sw_alloc(session->capacity * sizeof(*reader->list));
        reader->list[0] = session->one;
    } else if (session->capacity && count == session->capacity) {
        session->capacity = (uint16_t)(session->capacity + 8);
        reader->list = sw_realloc(reader->list, session->capacity * sizeof(*reader->list));
    }
}

/* NULL: it is resumed. */
static const char *why_word(enum sw_why why)
{
    switch (why) {
    case SW_WHY_NONE:
        return NULL;
    case SW_WHY_EPOCH:
        return "epoch";
    case SW_WHY_TRIMMED:
        return "trimmed";
    case SW_WHY_MODE:
        return "mode";
    case SW_WHY_NO_HISTORY:
        return "no_history";
    }
    SW_UNREACHABLE();
}

static void say_begun(struct sw_buf *entries, const struct sw_tape *tape,
                      const struct sw_claim *claim, const struct sw_start *start)
{
    sw_encode_subscribed_start(entries, sw_tape_name(tape),
                               &(struct sw_subscribed){.positioned = start->positioned,
                                                       .position = start->position,
                                                       .has_from = claim->kind == SW_CLAIM_FROM,
                                                       .resumed = start->resumed,
                                                       .why = why_word(start->why),
                                                       .has_last = claim->kind == SW_CLAIM_LAST,
                                                       .replay = start->replay});
}

/* It is subscribed already: what it has seen so far is no question any more. */
static void go_on(struct sw_session *session, uint32_t index, const struct sw_tape *tape,
                  const struct sw_want *want, struct sw_manner manner, struct sw_buf *entries)
{
    struct sw_fanout *fanout = &session->all->fanout;
    if (want->claim.kind != SW_CLAIM_NOW) {
        sw_encode_subscribed_error(entries, sw_tape_name(tape), SW_ERROR_BAD_REQUEST,
                                   "it is subscribed: \"from\" and \"last\" are for its beginning, "
                                   "so unsubscribe it first",
                                   0);
        return;
    }
    struct sw_subscribed subscribed = {0};
    sw_hub_set_manner(fanout, session->slot, index, manner);
    subscribed.positioned = sw_hub_position(fanout, session->slot, index, &subscribed.position);
    sw_encode_subscribed_start(entries, sw_tape_name(tape), &subscribed);
}

bool sw_session_begin(struct sw_session *session, struct sw_tape *tape, struct sw_want *want,
                      struct sw_buf *entries)
{
    struct sw_fanout *fanout = &session->all->fanout;
    const struct sw_reader *reader = sw_session_reader(session);
    struct sw_manner manner = {.mode = (enum sw_mode)want->choice.mode,
                               .pace = sw_pace_of(want->choice.max_hz)};
    const struct sw_subscription *known = sw_session_find(session, tape);
    if (known) {
        go_on(session, (uint32_t)(known - reader->list), tape, want, manner, entries);
        return true;
    }
    struct sw_start start;
    if (!sw_tape_resolve(fanout, tape, manner, &want->claim, &start)) {
        return false;
    }
    grow(session);
    sw_hub_subscribe(fanout, tape, session->slot, reader->subscriptions, manner, &start);
    say_begun(entries, tape, &want->claim, &start);
    return true;
}
