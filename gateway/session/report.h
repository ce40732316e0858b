// SPDX-License-Identifier: Apache-2.0
/* A worker's answers to an operator (bus/report.h): who is slow, who has ended and why, what is
 * read; disconnect.c ends who shall go. Reports are answered at the turn's end, behind the clients,
 * and each turn looks at a bounded number of rows, so that twenty thousand sessions hold up nobody.
 * What is told of one session belongs together; sessions that come and go meanwhile are told or
 * not.
 *
 * The flight recorder is a ring of the sessions that ended last, allocated when the worker starts.
 * All on the worker's loop. */
#ifndef SW_SESSION_REPORT_H
#define SW_SESSION_REPORT_H

#include "bus/report.h"
#include "session/session.h"

/* `slots`: how many sessions there may ever be. */
struct sw_recorder *sw_recorder_create(uint32_t slots);
/* Reports that are under way go back as far as they are filled in. NULLs *recorder. */
void sw_recorder_destroy(struct sw_recorder **recorder);

/* Who the session is, told by who accepted it, and again when it is known for whom that was. */
void sw_session_set_peer(struct sw_session *session, const struct sw_peer *peer);
struct sw_peer sw_session_peer(const struct sw_session *session);

/* The session gives up its subscriptions: what it was like goes into the flight recorder. */
void sw_recorder_note(struct sw_session *session);
/* Nothing is left of it: the final numbers. */
void sw_recorder_close(const struct sw_session *session);

/* Takes `report` and answers it at a turn's end. */
void sw_sessions_report(struct sw_sessions *all, struct sw_report *report);
/* This turn's share of the reports; true: there is more to do. */
bool sw_sessions_report_turn(struct sw_sessions *all);

#endif
