// SPDX-License-Identifier: Apache-2.0
/* Subscriptions that wait for the bus: for their tape to be joined, and then for what it must know
 * of its history to say where they begin. A request's entries are answered in as few frames as
 * turns: what became known in one turn goes out in one, the last with "done". */
#include "common/mem.h"
#include "session/guest.h"
#include "session/internal.h"

/* Clients that are told to come back do not come back together. */
#define RETRY_MS 1000

static void on_timeout(struct sw_timer *timer);

static struct sw_request *request_create(struct sw_session *session, uint64_t id)
{
    struct sw_request *request = sw_zalloc(sizeof(*request));
    request->session = session;
    request->id = id;
    sw_list_init(&request->news);
    sw_list_init(&request->pending);
    sw_timer_init(&request->timer, on_timeout);
    request->next = session->requests;
    session->requests = request;
    return request;
}

static void request_destroy(struct sw_request *request)
{
    struct sw_request **link = &request->session->requests;
    while (*link != request) {
        link = &(*link)->next;
    }
    *link = request->next;
    sw_loop_timer_stop(request->session->all->loop, &request->timer);
    sw_list_remove(&request->news);
    sw_buf_deinit(&request->entries);
    sw_free(request);
}

void sw_pending_add(struct sw_session *session, struct sw_request **request, uint64_t id,
                    struct sw_tape *tape, const struct sw_want *want)
{
    if (!*request) {
        *request = request_create(session, id);
    }
    struct sw_pending *pending = sw_alloc(sizeof(*pending));
    pending->request = *request;
    pending->tape = tape;
    pending->want = *want;
    pending->again = sw_pending_first(session, tape) != NULL;
    sw_list_init(&pending->of_request);
    sw_list_init(&pending->of_tape);
    sw_list_push(&(*request)->pending, &pending->of_request);
    sw_list_push(sw_tape_waiting(tape), &pending->of_tape);
}

void sw_request_start(struct sw_request *request)
{
    sw_loop_timer_start(request->session->all->loop, &request->timer, SW_SUBSCRIBE_TIMEOUT_MS);
}

/* The request has something to tell; its session is not written to directly until it is told. */
static void has_news(struct sw_request *request)
{
    struct sw_sessions *all = request->session->all;
    if (sw_list_empty(&request->news)) {
        sw_list_push(&all->news, &request->news);
    }
    sw_fanout_due(&all->fanout, request->session->slot);
}

static void pending_destroy(struct sw_pending *pending)
{
    sw_list_remove(&pending->of_request);
    sw_list_remove(&pending->of_tape);
    sw_free(pending);
}

static void refuse(struct sw_pending *pending, enum sw_error error, const char *message,
                   uint64_t retry_ms)
{
    sw_encode_subscribed_error(&pending->request->entries, sw_tape_name(pending->tape), error,
                               message, retry_ms);
    has_news(pending->request);
    sw_raw_refused(pending->request->session);
    pending_destroy(pending);
}

/* It begins, if that is known; else it stays where it waits. */
static bool begin(struct sw_pending *pending)
{
    struct sw_request *request = pending->request;
    struct sw_session *session = request->session;
    if (pending->again && sw_pending_first(session, pending->tape) != pending) {
        return false;
    }
    if (!sw_session_begin(session, pending->tape, &pending->want, &request->entries)) {
        return false;
    }
    has_news(request);
    pending_destroy(pending);
    return true;
}

static void begin_each(struct sw_list *waiting)
{
    for (struct sw_list *link = waiting->next; link != waiting;) {
        struct sw_pending *pending = SW_CONTAINER_OF(link, struct sw_pending, of_tape);
        link = link->next;
        (void)begin(pending);
    }
}

void sw_pending_joined(struct sw_tape *tape)
{
    struct sw_list waiting;
    struct sw_list *link;
    sw_tape_joined(tape, &waiting);
    begin_each(&waiting);
    while ((link = sw_list_pop(&waiting))) {
        sw_list_push(sw_tape_waiting(tape), link);
    }
}

void sw_pending_look(struct sw_tape *tape)
{
    if (tape->history) {
        begin_each(&tape->history->waiting);
    }
}

void sw_pending_refused(struct sw_tape *tape, enum sw_error error)
{
    while (sw_tape_awaited(tape)) {
        struct sw_list *link = sw_list_first(sw_tape_waiting(tape));
        refuse(SW_CONTAINER_OF(link, struct sw_pending, of_tape), error, NULL, 0);
    }
}

/* Says what is known of the request, and forgets it when that was the last. */
static void tell(struct sw_request *request)
{
    bool done = sw_list_empty(&request->pending);
    struct sw_session *session = request->session;
    struct sw_buf text = {0};
    sw_encode_subscribed_begin(&text, request->id, done);
    sw_encode_subscribed_end(&text, sw_buf_slice(&request->entries));
    sw_session_say(session, sw_buf_slice(&text));
    sw_buf_deinit(&text);
    sw_buf_clear(&request->entries);
    sw_list_remove(&request->news);
    if (done) {
        request_destroy(request);
    }
}

void sw_pending_tell(struct sw_sessions *all)
{
    struct sw_list *link;
    while ((link = sw_list_first(&all->news))) {
        tell(SW_CONTAINER_OF(link, struct sw_request, news));
    }
}

/* Those that waited for nothing but the one that was given up. */
static void begin_next(const struct sw_session *session, const struct sw_tape *tape)
{
    struct sw_pending *next;
    do {
        next = tape->state == SW_TAPE_JOINED ? sw_pending_first(session, tape) : NULL;
    } while (next && begin(next));
}

static void on_timeout(struct sw_timer *timer)
{
    struct sw_request *request = SW_CONTAINER_OF(timer, struct sw_request, timer);
    struct sw_sessions *all = request->session->all;
    struct sw_list *link;
    while ((link = sw_list_first(&request->pending))) {
        struct sw_pending *pending = SW_CONTAINER_OF(link, struct sw_pending, of_request);
        struct sw_tape *tape = pending->tape;
        refuse(pending, SW_ERROR_BUS_UNAVAILABLE, NULL,
               RETRY_MS + sw_random_below(&all->random, RETRY_MS));
        begin_next(request->session, tape);
        sw_tape_release(all, tape);
    }
}

void sw_pending_cancel(struct sw_session *session, struct sw_tape *tape)
{
    struct sw_request *next;
    for (struct sw_request *request = session->requests; request; request = next) {
        next = request->next;
        bool found = false;
        for (struct sw_list *link = request->pending.next; link != &request->pending;) {
            struct sw_pending *pending = SW_CONTAINER_OF(link, struct sw_pending, of_request);
            link = link->next;
            if (pending->tape == tape) {
                refuse(pending, SW_ERROR_CANCELLED, NULL, 0);
                found = true;
            }
        }
        if (found) {
            tell(request); /* before the `unsubscribed` that follows */
        }
    }
}

void sw_pending_revoke(struct sw_session *session)
{
    struct sw_sessions *all = session->all;
    for (struct sw_request *request = session->requests; request; request = request->next) {
        for (struct sw_list *link = request->pending.next; link != &request->pending;) {
            struct sw_pending *pending = SW_CONTAINER_OF(link, struct sw_pending, of_request);
            struct sw_tape *tape = pending->tape;
            link = link->next;
            if (!sw_session_may_subscribe(session, sw_tape_name(tape))) {
                refuse(pending, SW_ERROR_FORBIDDEN, "no grant", 0);
                sw_tape_release(all, tape);
            }
        }
    }
}

struct sw_pending *sw_pending_first(const struct sw_session *session, const struct sw_tape *tape)
{
    struct sw_pending *first = NULL;
    /* the newest request comes first, the oldest entry of each */
    for (const struct sw_request *request = session->requests; request; request = request->next) {
        for (const struct sw_list *link = request->pending.next; link != &request->pending;
             link = link->next) {
            struct sw_pending *pending = SW_CONTAINER_OF(link, struct sw_pending, of_request);
            if (pending->tape == tape) {
                first = pending;
                break;
            }
        }
    }
    return first;
}

uint32_t sw_pending_count(const struct sw_session *session)
{
    uint32_t count = 0;
    for (const struct sw_request *request = session->requests; request; request = request->next) {
        for (const struct sw_list *link = request->pending.next; link != &request->pending;
             link = link->next) {
            count++;
        }
    }
    return count;
}

uint32_t sw_pending_patterns(const struct sw_session *session)
{
    uint32_t count = 0;
    for (const struct sw_request *request = session->requests; request; request = request->next) {
        for (const struct sw_list *link = request->pending.next; link != &request->pending;
             link = link->next) {
            count += SW_CONTAINER_OF(link, struct sw_pending, of_request)->tape->pattern;
        }
    }
    return count;
}

void sw_pending_drop(struct sw_session *session)
{
    while (session->requests) {
        struct sw_request *request = session->requests;
        struct sw_list *link;
        while ((link = sw_list_first(&request->pending))) {
            struct sw_pending *pending = SW_CONTAINER_OF(link, struct sw_pending, of_request);
            struct sw_tape *tape = pending->tape;
            pending_destroy(pending);
            sw_tape_release(session->all, tape);
        }
        request_destroy(request);
    }
}
