// SPDX-License-Identifier: Apache-2.0
#include "session/guest.h"

#include "common/assert.h"
#include "common/clock.h"
#include "common/mem.h"
#include "session/internal.h"

#include <stdio.h>

/* A refresh that found no room among those that are verified. */
#define BUSY_RETRY_MS 1000

/* What the token is for that is being verified. */
enum purpose { ARRIVAL, HELLO, REFRESH, HELLO_AGAIN };

struct sw_guest {
    struct sw_session *session;
    struct sw_identity *identity; /* NULL: not known yet */
    struct sw_timer timer;        /* of the hello; then of `expiring`, then of the end */
    uint64_t ends_ms;             /* when the token expires, by the loop's clock */
    struct sw_buf subscribe;      /* what the URL asked for, until it is known who that is */
    uint64_t id;                  /* of the request that brought the token; 0: none */
    uint8_t purpose;              /* enum purpose */
    bool shown;                   /* there was a token, and `verdict` came of it */
    enum sw_token_verdict verdict;
};

/* ---- who it is ---- */

bool sw_session_known(const struct sw_session *session)
{
    return !session->guest || session->guest->identity;
}

const struct sw_grant *sw_session_grant(const struct sw_session *session)
{
    return session->guest && session->guest->identity ? &session->guest->identity->grant : NULL;
}

struct sw_slice sw_session_user(const struct sw_session *session)
{
    return session->guest && session->guest->identity ? sw_identity_user(session->guest->identity)
                                                      : sw_slice("", 0);
}

bool sw_session_may_subscribe(const struct sw_session *session, struct sw_slice name)
{
    const struct sw_grant *grant = sw_session_grant(session);
    return !session->guest ||
           (grant && sw_grant_may_subscribe(grant, name, session->all->config.separator));
}

uint64_t sw_session_expires_in(const struct sw_session *session)
{
    uint64_t now_ms = sw_clock_ms();
    return session->guest && session->guest->ends_ms > now_ms
               ? (session->guest->ends_ms - now_ms) / 1000
               : 0;
}

const char *sw_guest_refusal(const struct sw_session *session, char *out, size_t size)
{
    const struct sw_guest *guest = session->guest;
    if (guest->shown && guest->verdict == SW_TOKEN_EXPIRED) {
        snprintf(out, size, "token_expired");
    } else {
        snprintf(out, size, "unauthorized %s",
                 guest->shown ? sw_token_verdict_text(guest->verdict) : "no token was shown");
    }
    return out;
}

/* ---- until when ---- */

static void on_timer(struct sw_timer *timer)
{
    struct sw_guest *guest = SW_CONTAINER_OF(timer, struct sw_guest, timer);
    struct sw_session *session = guest->session;
    uint64_t now_ms = sw_loop_now_ms(session->all->loop);
    if (sw_session_state(session) != SW_OPEN) {
        return;
    }
    if (!guest->identity) {
        sw_session_close(session, SW_REASON_NO_HELLO);
    } else if (now_ms >= guest->ends_ms) {
        sw_session_close(session, SW_REASON_TOKEN_EXPIRED);
    } else {
        uint64_t left_ms = guest->ends_ms - now_ms;
        sw_loop_timer_start(session->all->loop, timer, left_ms);
        if (!session->echo) {
            struct sw_buf text = {0};
            sw_encode_expiring(&text, left_ms);
            sw_session_say(session, sw_buf_slice(&text));
            sw_buf_deinit(&text);
        }
    }
}

/* The wall clock is asked once; from then on the loop's counts, which may have been read a while
 * ago. */
static void take_identity(struct sw_guest *guest, struct sw_identity *identity)
{
    struct sw_loop *loop = guest->session->all->loop;
    uint64_t now_ms = sw_clock_ms() + 1; /* both clocks are cut off: never before its time */
    uint64_t wall_ms = sw_clock_wall_ms();
    uint64_t left_ms = identity->expires_ms > wall_ms ? identity->expires_ms - wall_ms : 0;
    uint64_t told_ms = left_ms < 2 * SW_EXPIRING_MS ? left_ms / 2 : left_ms - SW_EXPIRING_MS;
    sw_identity_destroy(&guest->identity);
    guest->identity = identity;
    guest->ends_ms = now_ms + left_ms;
    sw_loop_timer_start(loop, &guest->timer, now_ms + told_ms - sw_loop_now_ms(loop));
}

/* ---- what comes of a token ---- */

static void subscribe_automatic(struct sw_session *session)
{
    const struct sw_grant_list *list = &session->guest->identity->grant.automatic;
    struct sw_buf text = {0};
    struct sw_slice name;
    size_t at = 0;
    sw_buf_append_slice(&text, SW_SLICE("{\"type\":\"subscribe\",\"subs\":["));
    for (bool first = true; sw_grant_next(list, &at, &name); first = false) {
        sw_buf_append_slice(&text, first ? SW_SLICE("{\"topic\":") : SW_SLICE(",{\"topic\":"));
        sw_json_append_string(&text, name);
        sw_buf_append_byte(&text, '}');
    }
    sw_buf_append_slice(&text, SW_SLICE("]}"));
    if (list->count) {
        (void)sw_session_subscribe_text(session, sw_buf_slice(&text));
    }
    sw_buf_deinit(&text);
}

static void subscribe_url(struct sw_session *session)
{
    struct sw_buf *text = &session->guest->subscribe;
    if (text->size) {
        sw_count(&session->all->counters->requests_total, 1);
        if (!sw_session_subscribe_text(session, sw_buf_slice(text))) {
            /* a page that does nothing but listen would wait for ever */
            sw_session_close_after_data(session, SW_REASON_FORBIDDEN);
        }
    }
    sw_buf_deinit(text);
}

static void admit(struct sw_session *session, struct sw_identity *identity)
{
    struct sw_guest *guest = session->guest;
    take_identity(guest, identity);
    if (session->echo) {
        return;
    }
    sw_session_welcome(session, guest->id);
    if (!session->transport->raw) {
        subscribe_automatic(session);
    }
    subscribe_url(session);
}

static void say_refreshed(struct sw_session *session)
{
    struct sw_buf text = {0};
    sw_encode_refreshed(&text, session->guest->id, sw_session_expires_in(session));
    sw_session_say(session, sw_buf_slice(&text));
    sw_buf_deinit(&text);
}

/* The session goes on as it was. */
static void refuse_refresh(struct sw_session *session, enum sw_error error, const char *message)
{
    sw_session_error(session, &(struct sw_encode_error){
                                  .error = error, .id = session->guest->id, .message = message});
    sw_session_count_bad(session);
}

/* Another user's token is as good as any, but this session is not that user's: what was sent to it
 * and is still to be sent is for the one who opened it. */
static void renew(struct sw_session *session, struct sw_verdict verdict)
{
    struct sw_guest *guest = session->guest;
    const char *why = sw_token_verdict_text(verdict.verdict);
    if (verdict.verdict == SW_TOKEN_EXPIRED) {
        refuse_refresh(session, SW_ERROR_TOKEN_EXPIRED, why);
    } else if (verdict.verdict != SW_TOKEN_GOOD) {
        refuse_refresh(session, SW_ERROR_UNAUTHORIZED, why);
    } else if (!sw_slice_equal(sw_identity_user(verdict.identity), sw_session_user(session))) {
        sw_identity_destroy(&verdict.identity);
        refuse_refresh(session, SW_ERROR_FORBIDDEN,
                       "the token names another user: connect anew with it");
    } else {
        take_identity(guest, verdict.identity);
        if (guest->purpose == HELLO_AGAIN) {
            sw_session_welcome(session, guest->id);
        } else {
            say_refreshed(session);
        }
        sw_session_revoke(session);
    }
}

/* A session ends when its token does, so one that is good by leeway alone opens none. */
static void judge_leeway(struct sw_verdict *verdict)
{
    if (verdict->identity && verdict->identity->expires_ms <= sw_clock_wall_ms()) {
        sw_identity_destroy(&verdict->identity);
        verdict->verdict = SW_TOKEN_EXPIRED;
    }
}

static void settle(struct sw_session *session, struct sw_verdict verdict)
{
    struct sw_guest *guest = session->guest;
    judge_leeway(&verdict);
    guest->shown = true;
    guest->verdict = verdict.verdict;
    switch ((enum purpose)guest->purpose) {
    case ARRIVAL:
    case HELLO:
        if (verdict.verdict == SW_TOKEN_GOOD) {
            admit(session, verdict.identity);
        } else {
            sw_session_close(session, SW_REASON_UNAUTHORIZED);
        }
        return;
    case REFRESH:
    case HELLO_AGAIN:
        renew(session, verdict);
        return;
    }
}

/* ---- tokens to be verified ---- */

static void verify(struct sw_session *session, struct sw_slice token, enum purpose purpose,
                   uint64_t id)
{
    struct sw_verifier *verifier = session->all->verifier;
    struct sw_guest *guest = session->guest;
    struct sw_verdict verdict;
    guest->purpose = (uint8_t)purpose;
    guest->id = id;
    if (sw_verifier_try(verifier, token, &verdict)) {
        settle(session, verdict);
    } else if (sw_verifier_full(verifier)) {
        sw_session_error(session, &(struct sw_encode_error){.error = SW_ERROR_OVERLOADED,
                                                            .id = id,
                                                            .retry_ms = BUSY_RETRY_MS});
    } else {
        if (!guest->identity) {
            sw_loop_timer_stop(session->all->loop, &guest->timer); /* it has said hello */
        }
        sw_session_pause(session, SW_PAUSE_VERDICT);
        sw_verifier_aside(verifier, token, sw_session_name(session));
    }
}

static void verify_raw(struct sw_session *session, const struct sw_command *command,
                       enum purpose purpose)
{
    struct sw_buf token = {0};
    sw_json_unescape(&token, command->token);
    verify(session, sw_slice(sw_buf_text(&token), token.size), purpose, command->id);
    sw_buf_deinit(&token);
}

void sw_sessions_on_verdict(void *all, uint64_t name, struct sw_verdict verdict)
{
    struct sw_session *session = sw_session_named(all, name);
    if (!session || sw_session_state(session) != SW_OPEN) {
        sw_identity_destroy(&verdict.identity);
    } else {
        settle(session, verdict);
    }
    if (session) {
        sw_session_unpause(session, SW_PAUSE_VERDICT);
    }
}

void sw_guest_arrive(struct sw_session *session, const struct sw_arrival *arrival)
{
    struct sw_guest *guest = sw_zalloc(sizeof(*guest));
    guest->session = session;
    session->guest = guest;
    sw_timer_init(&guest->timer, on_timer);
    sw_buf_append_slice(&guest->subscribe, arrival->subscribe);
    if (arrival->identity) {
        admit(session, arrival->identity);
    } else if (arrival->token.data) {
        verify(session, arrival->token, ARRIVAL, 0);
    } else if (session->echo || session->transport->raw) {
        sw_session_close(session, SW_REASON_UNAUTHORIZED); /* no hello is heard there */
    } else {
        sw_loop_timer_start(session->all->loop, &guest->timer, SW_HELLO_MS);
    }
}

void sw_guest_hello(struct sw_session *session, const struct sw_command *command)
{
    bool known = sw_session_known(session);
    if (command->token.data) {
        verify_raw(session, command, known ? HELLO_AGAIN : HELLO);
    } else if (known) {
        sw_session_welcome(session, command->id);
    } else {
        sw_session_close(session, SW_REASON_UNAUTHORIZED);
    }
}

void sw_guest_refresh(struct sw_session *session, const struct sw_command *command)
{
    verify_raw(session, command, REFRESH);
}

void sw_guest_destroy(struct sw_session *session)
{
    struct sw_guest *guest = session->guest;
    session->guest = NULL;
    if (guest) {
        sw_loop_timer_stop(session->all->loop, &guest->timer);
        sw_identity_destroy(&guest->identity);
        sw_buf_deinit(&guest->subscribe);
        sw_free(guest);
    }
}
