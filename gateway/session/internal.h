// SPDX-License-Identifier: Apache-2.0
/* What the files of session/ share. */
#ifndef SW_SESSION_INTERNAL_H
#define SW_SESSION_INTERNAL_H

#include "auth/permit.h"
#include "bus/report.h"
#include "protocol/command.h"
#include "protocol/encode.h"
#include "session/session.h"

/* ---- session.c ---- */

/* The one place where a state changes. */
void sw_session_enter(struct sw_session *session, enum sw_session_state state);
/* Says `welcome`; `id` of the hello that it answers, 0: unasked. */
void sw_session_welcome(struct sw_session *session, uint64_t id);
/* Nothing is taken from its client until every reason is over. */
void sw_session_pause(struct sw_session *session, enum sw_pause why);
void sw_session_unpause(struct sw_session *session, enum sw_pause why);
/* Of a session that is CLOSING: the code of its close frame; 0: none is possible. */
uint16_t sw_session_code(const struct sw_session *session);
/* Gives up what CLOSING sessions hold; never between walk and flush. */
void sw_sessions_retire(struct sw_sessions *all);

/* ---- flush.c ---- */

void sw_sessions_flush(struct sw_sessions *all);

/* ---- silence.c ---- */

void sw_silence_start(struct sw_session *session);
/* The time of its next look is reckoned anew. */
void sw_silence_again(struct sw_session *session);

/* ---- subscribe.c ---- */

/* False: its grant covers nothing of what it asked for. */
bool sw_session_subscribe(struct sw_session *session, const struct sw_command *command);
/* The same with a request that is still text; one that is none counts as covered. */
bool sw_session_subscribe_text(struct sw_session *session, struct sw_slice text);
/* Ends what its grant covers no more, and says so. */
void sw_session_revoke(struct sw_session *session);
void sw_session_unsubscribe(struct sw_session *session, const struct sw_command *command);
void sw_session_unsubscribe_all(struct sw_session *session);
/* The bus will not have it. */
void sw_tape_refused(struct sw_sessions *all, struct sw_tape *tape, enum sw_error error);
/* The tape goes if nobody reads or awaits it. */
void sw_tape_release(struct sw_sessions *all, struct sw_tape *tape);

/* ---- begin.c ---- */

/* What a subscription gets, and what it brings along. */
struct sw_want {
    struct sw_choice choice;
    struct sw_claim claim;
};

/* NULL: the session does not read the tape. */
struct sw_subscription *sw_session_find(const struct sw_session *session,
                                        const struct sw_tape *tape);
/* Subscribes the session to a joined tape, or, where it is, lets it go on as it chose now, and
 * appends what it is answered. False: where it begins is not known yet, and the tape's next state
 * or run is the time to ask again. */
bool sw_session_begin(struct sw_session *session, struct sw_tape *tape, struct sw_want *want,
                      struct sw_buf *entries);

/* ---- pending.c: subscriptions that wait for the bus ---- */

/* One subscribe request whose entries are not all answered yet. */
struct sw_request {
    struct sw_request *next; /* of the same session */
    struct sw_session *session;
    struct sw_list news;    /* on all->news: entries wait to be told */
    struct sw_list pending; /* struct sw_pending by `of_request` */
    struct sw_timer timer;
    struct sw_buf entries; /* rendered */
    uint64_t id;
};

struct sw_pending {
    struct sw_list of_request;
    struct sw_list of_tape;
    struct sw_request *request;
    struct sw_tape *tape;
    struct sw_want want;
    bool again; /* the session waited for the tape already: this one is for after that */
};

/* One more topic of the request waits for its tape; *request is made for the first. */
void sw_pending_add(struct sw_session *session, struct sw_request **request, uint64_t id,
                    struct sw_tape *tape, const struct sw_want *want);
/* All of the request's topics are added: the time runs. */
void sw_request_start(struct sw_request *request);
/* The first of the session's waits for the tape, or NULL. */
struct sw_pending *sw_pending_first(const struct sw_session *session, const struct sw_tape *tape);
/* The bus has it: who waits for the tape reads it, and is answered, or waits for its history. */
void sw_pending_joined(struct sw_tape *tape);
/* More is known of a joined tape's history: who waits for that is asked about again. */
void sw_pending_look(struct sw_tape *tape);
void sw_pending_refused(struct sw_tape *tape, enum sw_error error);
/* The session's waits for this tape are answered `cancelled`, at once. */
void sw_pending_cancel(struct sw_session *session, struct sw_tape *tape);
/* Those that its grant covers no more are answered `forbidden`. */
void sw_pending_revoke(struct sw_session *session);
/* Topics that the session waits for. */
uint32_t sw_pending_count(const struct sw_session *session);
/* Of those, patterns. */
uint32_t sw_pending_patterns(const struct sw_session *session);
/* The session ends: nothing is answered. */
void sw_pending_drop(struct sw_session *session);
/* What became known in this turn goes to the lanes. */
void sw_pending_tell(struct sw_sessions *all);

/* ---- feed.c ---- */

/* It opens now, and hears of the bus what changes from here on, or that it is stale. */
void sw_feed_begin(struct sw_session *session);
/* The bus is stale since then, or live again: the sessions are told in this turn and the next. */
void sw_feed_change(struct sw_sessions *all, bool stale, uint64_t since_ms);
/* Messages of this tape were lost with the bus. */
static inline void sw_feed_missed(const struct sw_sessions *all, struct sw_tape *tape)
{
    tape->outage = all->feed.number;
}
/* Tells the session what it has not heard yet. */
void sw_session_say_feed(struct sw_session *session);
/* This turn's share of those that are still to be told. */
void sw_feed_turn(struct sw_sessions *all);

/* ---- disconnect.c ---- */

/* Works at a DISCONNECT within this turn's share, as report.c does at the others: false: there is
 * more of it. */
bool sw_sessions_disconnect(struct sw_sessions *all, struct sw_report *report, uint32_t *work);
/* Is it a session of this user? */
bool sw_session_matches_user(const struct sw_session *session, struct sw_slice user);

/* ---- commands.c ---- */

void sw_session_error(struct sw_session *session, const struct sw_encode_error *error);
/* One that could not be served; the tenth within a minute ends the session. */
void sw_session_count_bad(struct sw_session *session);
/* What the node, and its grant, say of its publishing. */
struct sw_permit sw_session_permit(const struct sw_session *session);

struct sw_publishing {
    uint64_t id; /* of the request; 0: nobody waits for its answer */
    struct sw_slice topic;
    struct sw_slice key; /* data == NULL: none */
    struct sw_slice data;
};
/* Gives it to the bus, or says why not. */
enum sw_error sw_session_publish(struct sw_session *session, const struct sw_publishing *publishing,
                                 const char **why);

/* ---- raw.c: harmless where the session is not raw ---- */

/* It missed something, or its stream is another one. */
void sw_raw_gap(struct sw_session *session);
/* Its topic cannot be read, or not any more. */
void sw_raw_refused(struct sw_session *session);
/* The node leaves; what is left of the times. */
void sw_raw_drain(struct sw_session *session, const struct sw_farewell *farewell);
/* How long it may stay; UINT64_MAX: for ever. */
uint64_t sw_raw_stays_ms(const struct sw_session *session);
/* Its moment has come, and it is CLOSING now. */
bool sw_raw_leave(struct sw_session *session);

#endif
