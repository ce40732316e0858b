// SPDX-License-Identifier: Apache-2.0
#include "session/session.h"

#include "common/assert.h"
#include "common/log.h"
#include "common/mem.h"
#include "session/guest.h"
#include "session/intake.h"
#include "session/internal.h"
#include "session/report.h"

#include <stdio.h>
#include <string.h>

_Static_assert(offsetof(struct sw_session, conn) == 0, "a connection is found in its session");

/* ---- the table ---- */

static struct sw_conn *conn_at(void *owner, uint32_t slot)
{
    return &sw_session_at(owner, slot)->conn;
}

static void on_broken(void *owner, uint32_t slot, int status)
{
    (void)status;
    sw_session_lost(sw_session_at(owner, slot));
}

static void on_over(void *owner, uint32_t slot)
{
    sw_session_close(sw_session_at(owner, slot), SW_REASON_SLOW);
}

static void on_evict(void *owner, uint32_t slot)
{
    sw_session_close(sw_session_at(owner, slot), SW_REASON_EVICTED);
}

#define USER_TEXT (SW_USER_BYTES + 16)

/* A pair for the log, with the space before it; nothing where nobody knows. */
static const char *user_text(const struct sw_session *session, char out[USER_TEXT])
{
    char clean[SW_USER_BYTES + 1];
    struct sw_slice user = sw_session_user(session);
    out[0] = 0;
    if (user.size) {
        snprintf(out, USER_TEXT, " user=\"%s\"", sw_log_clean(clean, sizeof(clean), user));
    }
    return out;
}

/* An episode is two lines: a client that does not keep up, and what it missed until it did. */
static void on_pressure(void *owner, uint32_t slot, const struct sw_pressure *pressure)
{
    const struct sw_session *session = sw_session_at(owner, slot);
    char id[SW_SESSION_ID_BYTES + 1];
    char user[USER_TEXT];
    sw_session_id(session, id);
    user_text(session, user);
    if (pressure->begun) {
        sw_log(SW_LOG_INFO, "session_pressured", "session=%s%s queued_bytes=%u", id, user,
               pressure->queued_bytes);
    } else {
        sw_log(SW_LOG_INFO, "session_eased", "session=%s%s ms=%llu shed=%llu queued_bytes=%u", id,
               user, (unsigned long long)pressure->ms, (unsigned long long)pressure->shed,
               pressure->queued_bytes);
    }
}

static void on_ask(void *owner, struct sw_tape *tape, uint64_t run)
{
    const struct sw_sessions *all = owner;
    sw_bus_ask(all->bus, all->config.worker, tape->id, tape->generation, sw_tape_name(tape), run);
}

static void on_check(void *owner, struct sw_tape *tape, uint32_t number)
{
    const struct sw_sessions *all = owner;
    sw_bus_check(all->bus, all->config.worker, tape->id, tape->generation, sw_tape_name(tape),
                 number);
}

static void on_gap(void *owner, uint32_t slot)
{
    sw_raw_gap(sw_session_at(owner, slot));
}

static void bookmark(void *owner, uint32_t slot, struct sw_buf *frame)
{
    struct sw_session *session = sw_session_at(owner, slot);
    session->transport->bookmark(session, frame);
}

static const struct sw_fanout_events fanout_events = {.conn = conn_at,
                                                      .on_broken = on_broken,
                                                      .on_over = on_over,
                                                      .on_evict = on_evict,
                                                      .on_pressure = on_pressure,
                                                      .on_ask = on_ask,
                                                      .on_check = on_check,
                                                      .on_gap = on_gap,
                                                      .bookmark = bookmark};

void sw_sessions_init(struct sw_sessions *all, const struct sw_sessions_config *config,
                      struct sw_loop *loop, struct sw_bus *bus, struct sw_inbox *inbox,
                      const struct sw_encoding *encodings, struct sw_counters *counters)
{
    *all = (struct sw_sessions){
        .config = *config, .loop = loop, .bus = bus, .inbox = inbox, .counters = counters};
    sw_random_init(&all->random);
    sw_list_init(&all->news);
    uint32_t slabs = (config->max_sessions + SW_SLAB_CELLS - 1) / SW_SLAB_CELLS;
    all->recorder = sw_recorder_create(slabs * SW_SLAB_CELLS);
    all->slab_count = slabs;
    all->slabs = sw_zalloc(slabs * sizeof(struct sw_slab));
    all->intakes = sw_intakes_create(all);
    sw_fanout_init(&all->fanout, loop, slabs * SW_SLAB_CELLS, &config->marks, encodings,
                   &fanout_events, all, counters);
}

void sw_sessions_deinit(struct sw_sessions *all)
{
    SW_ASSERT(all->count == 0);
    sw_recorder_destroy(&all->recorder);
    sw_intakes_destroy(&all->intakes);
    sw_fanout_deinit(&all->fanout);
    sw_free(all->slabs);
}

#define SLAB_BYTES (SW_SLAB_CELLS * sizeof(struct sw_session))

static bool slab_is_full(const struct sw_slab *slab)
{
    return slab->used == SW_SLAB_CELLS;
}

/* One that is not full. */
static struct sw_session *slab_take(struct sw_slab *slab)
{
    if (!slab->cells) {
        /* pages of its own: when everybody has left, the system gets them back at once */
        slab->cells = sw_reserve(SLAB_BYTES);
    }
    slab->used++;
    if (!slab->free_head) {
        return &slab->cells[slab->fresh++];
    }
    struct sw_session *cell = &slab->cells[slab->free_head - 1];
    slab->free_head = cell->next;
    return cell;
}

static void slab_give(struct sw_slab *slab, struct sw_session *cell)
{
    cell->next = slab->free_head;
    slab->free_head = (uint32_t)(cell - slab->cells) + 1;
    slab->used--;
    if (slab->used == 0) {
        sw_release(slab->cells, SLAB_BYTES);
        *slab = (struct sw_slab){0};
    }
}

struct sw_session *sw_session_create(struct sw_sessions *all)
{
    if (all->count >= all->config.max_sessions) {
        return NULL;
    }
    uint32_t at = all->slab_hint;
    while (slab_is_full(&all->slabs[at])) {
        at++;
    }
    all->slab_hint = at;
    all->count++;
    struct sw_session *session = slab_take(&all->slabs[at]);
    uint32_t index = (uint32_t)(session - all->slabs[at].cells);
    *session = (struct sw_session){.all = all, .slot = at * SW_SLAB_CELLS + index};
    struct sw_reader *reader = sw_session_reader(session);
    uint32_t generation = reader->generation + 1;
    *reader = (struct sw_reader){.fd = -1, .generation = generation};
    if (session->slot >= all->fanout.slots_high) {
        all->fanout.slots_high = session->slot + 1;
    }
    sw_session_enter(session, SW_HANDSHAKE);
    return session;
}

void sw_session_free(struct sw_session *session)
{
    struct sw_sessions *all = session->all;
    uint32_t at = session->slot / SW_SLAB_CELLS;
    if (session->counted) {
        struct sw_peer peer = sw_session_peer(session);
        sw_quota_leave(all->quota, &peer);
    }
    sw_session_reader(session)->state = SW_FREE;
    slab_give(&all->slabs[at], session);
    all->count--;
    if (at < all->slab_hint) {
        all->slab_hint = at;
    }
    if (all->on_free) {
        all->on_free(all->owner);
    }
}

struct sw_session *sw_session_at(struct sw_sessions *all, uint32_t slot)
{
    return &all->slabs[slot / SW_SLAB_CELLS].cells[slot % SW_SLAB_CELLS];
}

uint64_t sw_session_name(const struct sw_session *session)
{
    return (uint64_t)session->slot << 32 | sw_session_reader(session)->generation;
}

struct sw_session *sw_session_named(struct sw_sessions *all, uint64_t name)
{
    uint32_t slot = (uint32_t)(name >> 32);
    const struct sw_reader *reader = sw_reader(&all->fanout, slot);
    bool alive = reader->generation == (uint32_t)name &&
                 (reader->state == SW_OPEN || reader->state == SW_CLOSING_STATE);
    return alive ? sw_session_at(all, slot) : NULL;
}
static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const char *sw_session_id_text(uint64_t id, char out[SW_SESSION_ID_BYTES + 1])
{
    for (int i = SW_SESSION_ID_BYTES - 1; i >= 0; i--) {
        out[i] = alphabet[id % 62];
        id /= 62;
    }
    out[SW_SESSION_ID_BYTES] = 0;
    return out;
}

bool sw_session_id_parse(struct sw_slice text, uint64_t *id)
{
    *id = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char *at = memchr(alphabet, text.data[i], sizeof(alphabet) - 1);
        if (!at || __builtin_mul_overflow(*id, (uint64_t)62, id) ||
            __builtin_add_overflow(*id, (uint64_t)(at - alphabet), id)) {
            return false;
        }
    }
    return text.size == SW_SESSION_ID_BYTES;
}

const char *sw_session_id(const struct sw_session *session, char out[SW_SESSION_ID_BYTES + 1])
{
    return sw_session_id_text(session->id, out);
}

/* ---- states ---- */

void sw_session_enter(struct sw_session *session, enum sw_session_state state)
{
    struct sw_counters *counters = session->all->counters;
    switch (state) {
    case SW_FREE:
    case SW_HANDSHAKE:
        break;
    case SW_OPEN:
        sw_count(&counters->connections[session->transport->open], 1);
        break;
    case SW_CLOSING_STATE:
        sw_count(&counters->connections[session->transport->open], -1);
        sw_count(&counters->connections[session->transport->closing], 1);
        break;
    case SW_CLOSED:
        sw_count(&counters->connections[session->transport->closing], -1);
        break;
    }
    sw_session_reader(session)->state = (uint8_t)state;
}

void sw_session_welcome(struct sw_session *session, uint64_t id)
{
    const struct sw_sessions *all = session->all;
    char name[SW_SESSION_ID_BYTES + 1];
    struct sw_permit permit = sw_session_permit(session);
    struct sw_buf text = {0};
    sw_encode_welcome(&text,
                      &(struct sw_welcome){.session = sw_slice_of(sw_session_id(session, name)),
                                           .node = sw_slice_of(all->config.node),
                                           .id = id,
                                           .heartbeat_ms = all->config.ping_ms,
                                           .expires_in = sw_session_expires_in(session),
                                           .frame_limit = SW_FRAME_BYTES,
                                           .topics_limit = session->transport->topics,
                                           .history = sw_rules_keep_history(all->config.rules),
                                           .publish = sw_permit_any(&permit, all->config.rules),
                                           .tokens = session->guest != NULL});
    sw_session_say(session, sw_buf_slice(&text));
    sw_buf_deinit(&text);
    if (all->leaving_ms) {
        sw_session_say_drain(session, sw_loop_now_ms(all->loop) - all->leaving_ms);
    }
    sw_session_say_feed(session);
}

bool sw_session_admit(struct sw_session *session, const struct sw_peer *peer)
{
    if (session->counted) {
        return true;
    }
    enum sw_quota_answer answer = sw_quota_enter(session->all->quota, peer);
    sw_session_set_peer(session, peer);
    session->counted = answer == SW_QUOTA_COUNTED;
    return answer != SW_QUOTA_REFUSED;
}

static void begin(struct sw_session *session, const struct sw_transport *transport)
{
    struct sw_sessions *all = session->all;
    session->transport = transport;
    sw_random_bytes(&session->id, sizeof(session->id));
    session->opened = sw_sessions_tick(all);
    session->heard = session->opened;
    struct sw_reader *reader = sw_session_reader(session);
    reader->fd = session->conn.fd;
    reader->flags |= session->conn.tls ? SW_NEVER_DIRECT : 0;
    reader->list = &session->one;
    sw_intake_begin(session);
    sw_feed_begin(session);
    sw_session_enter(session, SW_OPEN);
    sw_silence_start(session);
}

void sw_session_refuse(struct sw_session *session, const struct sw_transport *transport,
                       enum sw_reason reason)
{
    begin(session, transport);
    sw_session_close(session, reason);
}

void sw_session_open(struct sw_session *session, const struct sw_transport *transport,
                     const struct sw_arrival *arrival)
{
    const struct sw_sessions *all = session->all;
    begin(session, transport);
    if (all->verifier) {
        sw_guest_arrive(session, arrival);
    } else if (!session->echo) {
        sw_session_welcome(session, 0);
        if (arrival->subscribe.size) {
            sw_session_receive(session, arrival->subscribe);
        }
    }
}

void sw_session_heard(struct sw_session *session)
{
    session->heard = sw_sessions_tick(session->all);
    session->pinged = 0;
}

/* ---- the control lane ---- */

void sw_session_pause(struct sw_session *session, enum sw_pause why)
{
    if (!session->paused) {
        sw_conn_read(&session->conn, false);
    }
    session->paused = (session->paused | why) & SW_PAUSES;
}

void sw_session_unpause(struct sw_session *session, enum sw_pause why)
{
    bool paused = session->paused;
    session->paused = session->paused & ~why & SW_PAUSES;
    if (paused && !session->paused) {
        session->transport->resume(session);
    }
}

static void lane_grew(struct sw_session *session)
{
    size_t limit = session->echo ? SW_ECHO_BYTES : SW_LANE_BYTES;
    if (session->lane.size > limit) {
        sw_session_pause(session, SW_PAUSE_LANE);
    }
    sw_fanout_due(&session->all->fanout, session->slot);
}

/* Nothing goes behind the close frame, which stands in the lane once the peer's was heard, or the
 * session was retired. */
static bool may_speak(const struct sw_session *session)
{
    return !session->retired && !session->close_heard &&
           sw_session_state(session) <= SW_CLOSING_STATE;
}

void sw_session_say(struct sw_session *session, struct sw_slice text)
{
    if (!may_speak(session) || session->transport->raw) {
        return;
    }
    session->transport->frame(session, text);
    lane_grew(session);
}

void sw_session_say_raw(struct sw_session *session, const void *data, size_t size)
{
    if (!may_speak(session)) {
        return;
    }
    sw_buf_append(&session->lane, data, size);
    lane_grew(session);
}

/* ---- the end ---- */

static void begin_closing(struct sw_session *session, enum sw_reason reason, bool after_data)
{
    struct sw_sessions *all = session->all;
    switch (sw_session_state(session)) {
    case SW_OPEN:
        session->reason = (uint8_t)reason;
        session->code = 0;
        session->after_data = after_data;
        if (!after_data) {
            sw_session_reader(session)->flags |= SW_CLOSING;
        }
        sw_session_enter(session, SW_CLOSING_STATE);
        session->next = all->closing_head;
        all->closing_head = session->slot + 1;
        return;
    case SW_CLOSING_STATE:
        if (!after_data) {
            session->after_data = false;
            sw_session_reader(session)->flags |= SW_CLOSING;
        }
        return;
    case SW_FREE:
    case SW_HANDSHAKE:
    case SW_CLOSED:
        return;
    }
}

void sw_session_close(struct sw_session *session, enum sw_reason reason)
{
    begin_closing(session, reason, false);
}

void sw_session_close_after_data(struct sw_session *session, enum sw_reason reason)
{
    begin_closing(session, reason, true);
}

void sw_session_close_heard(struct sw_session *session, uint16_t code)
{
    session->close_heard = true;
    if (!session->retired && sw_session_state(session) <= SW_CLOSING_STATE) {
        sw_session_close(session, SW_REASON_CLIENT);
        /* echoed as RFC 6455 section 5.5.1 asks; 1005 cannot be sent, so none answers none */
        session->transport->close(session, code, sw_slice("", 0));
    }
    sw_fanout_due(&session->all->fanout, session->slot);
}

void sw_session_lost(struct sw_session *session)
{
    sw_session_close(session, SW_REASON_GONE);
    session->after_data = false;
    session->close_heard = true;
    sw_conn_close(&session->conn);
}

void sw_sessions_leave(struct sw_sessions *all, struct sw_farewell farewell)
{
    all->farewell = farewell;
    all->leaving_ms = sw_loop_now_ms(all->loop);
}

void sw_session_say_drain(struct sw_session *session, uint64_t late_ms)
{
    if (session->drain_said || session->echo || !sw_session_known(session)) {
        return; /* who is not known yet hears it behind its welcome */
    }
    session->drain_said = true;
    struct sw_farewell left = sw_farewell_late(session->all->farewell, late_ms);
    struct sw_buf text = {0};
    sw_encode_drain(&text, left.from_ms, left.to_ms, left.close_ms);
    if (session->transport->retry) {
        uint32_t span_ms = left.to_ms - left.from_ms + 1;
        session->transport->retry(
            session, left.from_ms + (uint32_t)sw_random_below(&session->all->random, span_ms));
    }
    sw_session_say(session, sw_buf_slice(&text));
    sw_buf_deinit(&text);
    sw_raw_drain(session, &left);
}

/* How a session left a node that leaves, too. */
static enum sw_departure departure(const struct sw_session *session)
{
    if (session->reason == SW_REASON_CLIENT || session->reason == SW_REASON_GONE) {
        return SW_DEPARTURE_LEFT;
    }
    if (session->reason != SW_REASON_DRAIN) {
        return SW_DEPARTURE_OTHER;
    }
    /* without the peer's close frame or its end there is only a reset */
    return session->close_heard ? SW_DEPARTURE_CLOSED : SW_DEPARTURE_RESET;
}

uint16_t sw_session_code(const struct sw_session *session)
{
    return session->code ? (uint16_t)session->code
                         : sw_reason_row((enum sw_reason)session->reason)->code;
}

/* The last frame: what was not sent is said where there is room for it. */
static void say_close(struct sw_session *session, struct sw_slice words, uint32_t behind)
{
    char text[SW_CLOSE_WORDS + 32];
    int n = snprintf(text, sizeof(text), "%.*s dropped=%u", SW_SLICE_ARG(words), behind);
    bool told = behind && n <= SW_CLOSE_WORDS;
    session->transport->close(session, sw_session_code(session),
                              sw_slice(text, told ? (size_t)n : words.size));
}

/* Subscriptions end, and the last frame stands in the lane. */
static void retire(struct sw_session *session, struct sw_slice words)
{
    uint32_t behind = sw_session_reader(session)->behind;
    sw_session_reader(session)->flags |= SW_CLOSING;
    sw_recorder_note(session);
    sw_pending_drop(session);
    sw_session_unsubscribe_all(session);
    if (sw_session_code(session) && session->reason != SW_REASON_CLIENT && !session->close_heard) {
        say_close(session, words, behind);
    }
    session->retired = true;
    sw_loop_timer_start(session->all->loop, &session->timer, session->all->config.linger_ms);
    sw_fanout_due(&session->all->fanout, session->slot);
}

static void retire_with_reason(struct sw_session *session)
{
    char words[SW_CLOSE_WORDS + 1];
    if (session->reason == SW_REASON_UNAUTHORIZED) {
        retire(session, sw_slice_of(sw_guest_refusal(session, words, sizeof(words))));
    } else {
        retire(session, sw_slice_of(sw_reason_row((enum sw_reason)session->reason)->text));
    }
}

bool sw_session_disconnect(struct sw_session *session, uint16_t code, struct sw_slice words)
{
    bool open = sw_session_state(session) == SW_OPEN;
    sw_session_close(session, SW_REASON_DISCONNECTED);
    if (open) {
        session->all->closing_head = session->next; /* it is the first, and need not wait */
        session->code = code;
        if (words.size > 0) {
            retire(session, words);
        } else {
            retire_with_reason(session);
        }
    }
    return open;
}

void sw_sessions_retire(struct sw_sessions *all)
{
    uint32_t wait_head = 0;
    while (all->closing_head) {
        struct sw_session *session = sw_session_at(all, all->closing_head - 1);
        const struct sw_reader *reader = sw_session_reader(session);
        all->closing_head = session->next;
        if (session->after_data &&
            (reader->flags & SW_WRITE_PENDING || sw_reader_owed(&all->fanout, reader))) {
            session->next = wait_head;
            wait_head = session->slot + 1;
        } else {
            retire_with_reason(session);
        }
    }
    all->closing_head = wait_head;
}

/* Who never was let in is seen by its counter, and in the flight recorder: a storm of bad tokens
 * shall not be one of lines. */
static void log_end(const struct sw_session *session, uint64_t behind)
{
    char id[SW_SESSION_ID_BYTES + 1];
    char user[USER_TEXT];
    char address[SW_ADDRESS_TEXT];
    const struct sw_reader *reader = sw_session_reader(session);
    const struct sw_sessions *all = session->all;
    struct sw_peer peer = sw_session_peer(session);
    uint32_t ticks = sw_sessions_tick(all) - session->opened;
    sw_log(sw_session_known(session) ? SW_LOG_INFO : SW_LOG_DEBUG, "session_closed",
           "session=%s%s address=%s reason=%s code=%u transport=%s seconds=%u sent=%u shed=%u "
           "unsent=%llu",
           sw_session_id(session, id), user_text(session, user), sw_peer_text(&peer, address),
           sw_reason_row((enum sw_reason)session->reason)->word, sw_session_code(session),
           session->transport->name, ticks * SW_WHEEL_TICK_MS / 1000, reader->sent, reader->shed,
           (unsigned long long)behind);
}

/* Is it still on the list of the due? Then the row must stay until it is taken off. */
static void leave_due(struct sw_sessions *all, uint32_t slot)
{
    struct sw_fanout *fanout = &all->fanout;
    struct sw_reader *reader = sw_reader(fanout, slot);
    if (!(reader->flags & SW_DUE)) {
        return;
    }
    uint32_t before = 0;
    uint32_t at = fanout->due_head;
    while (at != slot + 1) {
        before = at;
        at = fanout->readers[at - 1].due_next;
    }
    if (before) {
        fanout->readers[before - 1].due_next = reader->due_next;
    } else {
        fanout->due_head = reader->due_next;
    }
    if (fanout->due_tail == slot + 1) {
        fanout->due_tail = before;
    }
    if (fanout->due_live == slot + 1) {
        fanout->due_live = before;
    }
}

/* The transport's on_closed: nothing of the connection is left. */
void sw_session_closed(struct sw_session *session)
{
    struct sw_sessions *all = session->all;
    struct sw_reader *reader = sw_session_reader(session);
    SW_ASSERT(sw_session_state(session) == SW_CLOSING_STATE);
    if (!session->retired) { /* closed before the turn's end */
        uint32_t *link = &all->closing_head;
        while (*link != session->slot + 1) {
            link = &sw_session_at(all, *link - 1)->next;
        }
        *link = session->next;
        retire_with_reason(session);
    }
    uint64_t behind = reader->behind;
    sw_reader_close(&all->fanout, session->slot);
    sw_session_enter(session, SW_CLOSED);
    sw_count(&all->counters->closed_total[session->reason], 1);
    if (all->leaving_ms) {
        sw_count(&all->counters->drained_total[departure(session)], 1);
    }
    sw_recorder_close(session);
    log_end(session, behind);
    sw_loop_timer_stop(all->loop, &session->timer);
    leave_due(all, session->slot);
    sw_buf_deinit(&session->lane);
    sw_guest_destroy(session);
    if (session->capacity) {
        sw_free(reader->list);
    }
    sw_session_free(session);
}

/* ---- the turn ---- */

bool sw_sessions_busy(const struct sw_sessions *all)
{
    return sw_fanout_busy(&all->fanout) || all->feed.untold > 0;
}

void sw_sessions_turn(struct sw_sessions *all)
{
    sw_pending_tell(all);
    sw_feed_turn(all);
    sw_sessions_retire(all);
    sw_fanout_walk(&all->fanout);
    sw_sessions_flush(all);
    sw_fanout_turned(&all->fanout);
    sw_sessions_retire(all);
    sw_fanout_law(&all->fanout);
}
