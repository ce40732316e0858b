// SPDX-License-Identifier: Apache-2.0
/* What a client may send: how much of it a second, and how long half of a message may stand.
 *
 * Halves of a worker stand in a list, the one that began first in front, which is also the first
 * whose time is over: one timer looks at it. Above their number it is the oldest that goes, not who
 * came last, so that whoever lets halves stand makes room for those who send whole ones. */
#ifndef SW_SESSION_INTAKE_H
#define SW_SESSION_INTAKE_H

#include "session/session.h"

/* A message that has begun and not ended; its transport's, who frees it. {0} is none. */
struct sw_half {
    struct sw_list link;
    struct sw_session *session; /* NULL: none, on no list */
    void (*drop)(struct sw_session *session);
    uint64_t since_ms;
    int64_t charged; /* to the budget */
};

struct sw_intakes *sw_intakes_create(struct sw_sessions *all);
/* Every half has ended. */
void sw_intakes_destroy(struct sw_intakes **intakes);
/* The session begins: it has sent nothing. */
void sw_intake_begin(const struct sw_session *session);
/* So many bytes came, or were made of what came compressed; or a message or a frame of control.
 * False: too much, and the session ends. */
bool sw_intake_bytes(struct sw_session *session, size_t size) SW_MUST_CHECK;
bool sw_intake_message(struct sw_session *session) SW_MUST_CHECK;

/* A message of the session begins now, also where another did before. Whoever has to go is closed,
 * and its `drop` called, which ends its half. */
void sw_half_begin(struct sw_half *half, struct sw_session *session,
                   void (*drop)(struct sw_session *session));
/* What the transport holds for it, half or not; may end the oldest half, also this one: the last
 * thing that a caller does. */
void sw_half_hold(struct sw_half *half, struct sw_session *session, size_t bytes);
/* It is whole, or nothing of it is held any more. Idempotent. */
void sw_half_end(struct sw_half *half);
/* What was held is freed. */
void sw_half_release(struct sw_half *half, struct sw_session *session);

#endif
