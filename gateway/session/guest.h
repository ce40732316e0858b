// SPDX-License-Identifier: Apache-2.0
/* What a session has beside its cell where tokens are asked for: who its client is and until when,
 * and what waits until that is known.
 *
 *   a token was shown at the upgrade ------> VERIFYING -> known -> ... -> it expires: 4001
 *   none was: waits for a hello with one --> VERIFYING -> known      a refresh: VERIFYING, and
 * known (SW_HELLO_MS, else 4008)                |             again, or as before bad: 4501
 *
 * While a token is verified beside the loop, its session is paused: what came behind it waits in
 * order, held by the transport. A session has a guest from its opening to its end, or never. */
#ifndef SW_SESSION_GUEST_H
#define SW_SESSION_GUEST_H

#include "auth/verifier.h"
#include "protocol/command.h"
#include "session/session.h"

/* The session is OPEN: verifies the token that the upgrade showed, or waits for a hello. */
void sw_guest_arrive(struct sw_session *session, const struct sw_arrival *arrival);
/* NULLs session->guest, which may be NULL. */
void sw_guest_destroy(struct sw_session *session);
/* A token that was verified beside the loop: a sw_on_verdict, `all` its owner. */
void sw_sessions_on_verdict(void *all, uint64_t name, struct sw_verdict verdict);

/* A hello, known or not yet; a refresh, known. */
void sw_guest_hello(struct sw_session *session, const struct sw_command *command);
void sw_guest_refresh(struct sw_session *session, const struct sw_command *command);

/* Is it settled who the client is? Always so where no tokens are asked for. */
bool sw_session_known(const struct sw_session *session);
/* What it was granted; NULL: not known, or no tokens are asked for. */
const struct sw_grant *sw_session_grant(const struct sw_session *session);
/* `name` is a valid topic or pattern. */
bool sw_session_may_subscribe(const struct sw_session *session, struct sw_slice name);
/* Seconds until its token expires; 0 where there is none. */
uint64_t sw_session_expires_in(const struct sw_session *session);
/* Why it was refused, for its close frame. Returns `out`. */
const char *sw_guest_refusal(const struct sw_session *session, char *out, size_t size);

#endif
