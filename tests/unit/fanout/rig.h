// SPDX-License-Identifier: Apache-2.0
/* A worker without sessions: a loop, the fan-out on it, and slots whose clients are the other ends
 * of socket pairs, over TLS where the rig is secure. Its turn is the sessions' turn: retire, walk,
 * flush, turned, retire, law.
 *
 * A frame is four bytes of size and a text: a message's is its payload, with "@<offset>" behind it
 * where it has one; a gap mark's is "dropped <name> <count> <reason>", with " <epoch>:<from>-<to>"
 * where it names offsets; and "epoch <epoch>:<offset>" or "reset <epoch>:<offset>". */
#ifndef SW_FANOUT_RIG_H
#define SW_FANOUT_RIG_H

#include "../net/tls_peer.h"

#include "common/clock.h"
#include "common/mem.h"
#include "core/limits.h"
#include "fanout/internal.h"
#include "net/loop_internal.h"

#include <fcntl.h>

struct rig;

struct rig_slot {
    struct sw_conn conn; /* first: found from it */
    struct rig *rig;
    int peer;            /* -1: gone */
    struct tls_peer tls; /* of `peer`; `ssl` NULL: plain */
    bool open;
    bool closing;
    bool after_data; /* closing: what it is owed goes first */
    bool retired;
    bool broken;
    unsigned overs;
    unsigned evictions;
    unsigned episodes; /* of pressure: begun */
    unsigned eased;    /* and ended */
    struct sw_buf lane;
    struct sw_buf rest; /* of the lane, while it is with the socket */
    struct sw_buf got;  /* what the client has read */
    struct sw_subscription *list;
};

struct rig {
    struct sw_loop *loop;
    struct sw_turn turn;
    struct sw_fanout fanout;
    struct sw_counters counters;
    struct sw_encoding encoding;
    struct rig_slot *slots;
    uint32_t count;
    struct sw_buf text;  /* rig_text's */
    struct sw_buf asked; /* of the bus, since somebody last looked */
    struct sw_tls *tls;  /* secure: clients that come speak TLS; else NULL */
};

/* ---- the encoding ---- */

#define RIG_HEAD 4

/* Frames rendered so far. */
static unsigned rig_rendered;

static inline size_t rig_mark(const struct sw_push *push, char *out, size_t size)
{
    struct sw_slice epoch = sw_epoch_text(&push->epoch);
    if (push->kind != SW_PUSH_DROPPED) {
        return (size_t)snprintf(out, size, "%s %.*s:%llu",
                                push->kind == SW_PUSH_EPOCH ? "epoch" : "reset",
                                SW_SLICE_ARG(epoch), (unsigned long long)push->offset);
    }
    char range[SW_EPOCH_BYTES + 64] = "";
    if (push->from) {
        snprintf(range, sizeof(range), " %.*s:%llu-%llu", SW_SLICE_ARG(epoch),
                 (unsigned long long)push->from, (unsigned long long)push->to);
    }
    return (size_t)snprintf(out, size, "dropped %.*s %llu %s%s", (int)push->name.size,
                            push->name.data, (unsigned long long)push->count,
                            sw_shed_word(push->reason), range);
}

/* Behind the payload. */
static inline size_t rig_offset(const struct sw_push *push, char *out, size_t size)
{
    return push->offset ? (size_t)snprintf(out, size, "@%llu", (unsigned long long)push->offset)
                        : 0;
}

static inline size_t rig_size(const struct sw_push *push)
{
    return push->kind == SW_PUSH_MESSAGE ? push->message->size + rig_offset(push, NULL, 0)
                                         : rig_mark(push, NULL, 0);
}

static inline char *rig_write(const struct sw_push *push, char *out)
{
    rig_rendered++;
    if (push->kind == SW_PUSH_MESSAGE) {
        struct sw_slice payload = sw_message_payload(push->message);
        memcpy(out, payload.data, payload.size);
        char offset[32];
        size_t size = rig_offset(push, offset, sizeof(offset));
        memcpy(out + payload.size, offset, size);
        return out + payload.size + size;
    }
    char text[SW_TOPIC_BYTES + 160];
    size_t n = rig_mark(push, text, sizeof(text));
    memcpy(out, text, n);
    return out + n;
}

static inline size_t rig_head_size(size_t size)
{
    (void)size;
    return RIG_HEAD;
}

static inline char *rig_write_head(void *context, const struct sw_push *push, size_t size,
                                   char *out)
{
    (void)context, (void)push;
    uint32_t head = (uint32_t)size;
    memcpy(out, &head, RIG_HEAD);
    return out + RIG_HEAD;
}

/* A message's topic and key: its payload up to a colon, or nothing but its first byte. */
static inline struct sw_slice rig_identity(struct sw_slice text)
{
    const char *colon = memchr(text.data, ':', text.size);
    return sw_slice(text.data, colon ? (size_t)(colon - text.data) + 1 : 1);
}

static inline struct sw_slice rig_frame_text(struct sw_slice frame)
{
    return sw_slice(frame.data + RIG_HEAD, frame.size - RIG_HEAD);
}

static const struct sw_language rig_language = {
    .name = "rig", .size = rig_size, .write = rig_write, .identity = rig_identity};
static const struct sw_framing rig_framing = {.name = "rig",
                                              .head_size = rig_head_size,
                                              .write_head = rig_write_head,
                                              .text = rig_frame_text};

/* ---- what the owner of the slots is asked ---- */

static inline struct sw_conn *rig_conn(void *owner, uint32_t slot)
{
    return &((struct rig *)owner)->slots[slot].conn;
}

/* As sessions do it: who closes after its data is not CLOSING until it is retired. */
static inline void rig_close(struct rig *rig, uint32_t slot, bool after_data)
{
    struct rig_slot *at = &rig->slots[slot];
    at->after_data = at->closing ? at->after_data && after_data : after_data;
    at->closing = true;
    if (!at->after_data) {
        sw_reader(&rig->fanout, slot)->flags |= SW_CLOSING;
    }
}

static inline void rig_lost(void *owner, uint32_t slot, int status)
{
    (void)status;
    struct rig *rig = owner;
    rig_close(rig, slot, false);
    rig->slots[slot].broken = true;
}

static inline void rig_over(void *owner, uint32_t slot)
{
    struct rig *rig = owner;
    rig->slots[slot].overs++;
    rig_close(rig, slot, false);
}

static inline void rig_evict(void *owner, uint32_t slot)
{
    struct rig *rig = owner;
    rig->slots[slot].evictions++;
    rig_close(rig, slot, false);
}

static inline void rig_pressure(void *owner, uint32_t slot, const struct sw_pressure *pressure)
{
    struct rig *rig = owner;
    rig->slots[slot].episodes += pressure->begun;
    rig->slots[slot].eased += !pressure->begun;
}

/* What the bus is asked, noted as "<run> " and "check <number> ". */
static inline void rig_ask(void *owner, struct sw_tape *tape, uint64_t run)
{
    (void)tape;
    sw_buf_printf(&((struct rig *)owner)->asked, "%llu ", (unsigned long long)run);
}

static inline void rig_check(void *owner, struct sw_tape *tape, uint32_t number)
{
    (void)tape;
    sw_buf_printf(&((struct rig *)owner)->asked, "check %u ", number);
}

/* Noted beside it as "gap <slot> ". */
static inline void rig_on_gap(void *owner, uint32_t slot)
{
    sw_buf_printf(&((struct rig *)owner)->asked, "gap %u ", slot);
}

/* "bookmark <position>...", of the subscriptions that have one. */
static inline void rig_bookmark(void *owner, uint32_t slot, struct sw_buf *frame)
{
    struct rig *rig = owner;
    struct sw_buf text = {0};
    struct sw_position position;
    sw_buf_append_slice(&text, SW_SLICE("bookmark"));
    for (uint32_t i = 0; i < sw_reader(&rig->fanout, slot)->subscriptions; i++) {
        if (sw_hub_position(&rig->fanout, slot, i, &position)) {
            sw_buf_append_byte(&text, ' ');
            sw_position_write(&text, &position);
        }
    }
    uint32_t head = (uint32_t)text.size;
    sw_buf_append(frame, &head, RIG_HEAD);
    sw_buf_append_slice(frame, sw_buf_slice(&text));
    sw_buf_deinit(&text);
}

static const struct sw_fanout_events rig_events = {.conn = rig_conn,
                                                   .on_broken = rig_lost,
                                                   .on_over = rig_over,
                                                   .on_evict = rig_evict,
                                                   .on_pressure = rig_pressure,
                                                   .on_ask = rig_ask,
                                                   .on_check = rig_check,
                                                   .on_gap = rig_on_gap,
                                                   .bookmark = rig_bookmark};

/* ---- connections ---- */

static inline struct rig_slot *rig_slot_of(struct sw_conn *conn)
{
    return (struct rig_slot *)(void *)conn;
}

static inline uint32_t rig_index(const struct rig_slot *slot)
{
    return (uint32_t)(slot - slot->rig->slots);
}

static inline void rig_on_read(struct sw_conn *conn, const char *data, size_t size)
{
    (void)conn, (void)data, (void)size;
}

static inline void rig_on_end(struct sw_conn *conn, int status)
{
    struct rig_slot *slot = rig_slot_of(conn);
    rig_lost(slot->rig, rig_index(slot), status);
}

static inline void rig_on_closed(struct sw_conn *conn)
{
    struct rig_slot *slot = rig_slot_of(conn);
    sw_reader_close(&slot->rig->fanout, rig_index(slot));
    slot->open = false;
}

static const struct sw_conn_events rig_conn_events = {
    .on_read = rig_on_read, .on_end = rig_on_end, .on_closed = rig_on_closed};

static inline void rig_forget_tls(struct rig_slot *at)
{
    if (at->tls.ssl) {
        at->tls.fd = -1; /* `peer` is closed by whoever likes */
        tls_peer_deinit(&at->tls);
        at->tls.ssl = NULL;
    }
}

/* From now on clients that come speak TLS. */
static inline void rig_secure(struct rig *rig)
{
    rig->tls = sw_tls_create(rig->loop, tls_context("rig"), &rig->counters, NULL);
}

/* The whole handshake, without a turn. */
static inline void rig_shake(struct rig *rig, uint32_t slot)
{
    struct rig_slot *at = &rig->slots[slot];
    char bytes[4096];
    sw_conn_start_tls(&at->conn, rig->tls);
    tls_peer_init(&at->tls, at->peer, TLS1_3_VERSION);
    while (!SSL_is_init_finished(at->tls.ssl)) {
        (void)SSL_do_handshake(at->tls.ssl);
        int n = BIO_read(at->tls.out, bytes, sizeof(bytes));
        if (n > 0) {
            sw_tls_take(&at->conn, bytes, (size_t)n);
        }
        tls_peer_receive(&at->tls);
    }
    sw_reader(&rig->fanout, slot)->flags |= SW_NEVER_DIRECT;
}

/* A new client; `room`: SO_SNDBUF of its server's end, 0: the system's. */
static inline void rig_open(struct rig *rig, uint32_t slot, int room)
{
    struct rig_slot *at = &rig->slots[slot];
    struct sw_reader *reader = sw_reader(&rig->fanout, slot);
    int fds[2];
    assert_false(at->open || reader->flags & SW_DUE);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    if (room) {
        assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    }
    assert_int_equal(sw_conn_open(&at->conn, rig->loop, fds[0], &rig_conn_events), 0);
    rig_forget_tls(at);
    if (at->peer >= 0) {
        close(at->peer);
    }
    if (!at->list) {
        at->list = sw_alloc(SW_SESSION_TOPICS * sizeof(*at->list));
    }
    at->peer = fds[1];
    at->open = true;
    at->closing = false;
    at->retired = false;
    at->broken = false;
    sw_buf_clear(&at->got);
    sw_buf_clear(&at->lane);
    *reader = (struct sw_reader){.fd = fds[0], .list = at->list};
    if (slot >= rig->fanout.slots_high) {
        rig->fanout.slots_high = slot + 1;
    }
    if (rig->tls) {
        rig_shake(rig, slot);
    }
}

/* ---- the turn ---- */

static inline void rig_unsubscribe_all(struct rig *rig, uint32_t slot)
{
    while (sw_reader(&rig->fanout, slot)->subscriptions) {
        sw_hub_unsubscribe(&rig->fanout, slot, sw_reader(&rig->fanout, slot)->subscriptions - 1u);
    }
}

/* Subscriptions end first; the connection ends behind the frame in flight. */
static inline void rig_retire(struct rig *rig)
{
    for (uint32_t slot = 0; slot < rig->count; slot++) {
        struct rig_slot *at = &rig->slots[slot];
        struct sw_reader *reader = sw_reader(&rig->fanout, slot);
        if (!at->open || at->conn.closing || !at->closing) {
            continue;
        }
        bool pending = reader->flags & SW_WRITE_PENDING;
        bool owed = pending || sw_reader_owed(&rig->fanout, reader);
        if (!at->retired && (!at->after_data || !owed)) {
            reader->flags |= SW_CLOSING;
            rig_unsubscribe_all(rig, slot);
            at->retired = true;
        }
        if (at->retired && (!pending || at->broken)) {
            sw_conn_close(&at->conn);
        }
    }
}

static inline void rig_lane_done(struct sw_conn *conn, const struct sw_rest *rest, int status)
{
    struct rig_slot *slot = rig_slot_of(conn);
    (void)rest;
    sw_reader(&slot->rig->fanout, rig_index(slot))->flags &= (uint8_t)~SW_WRITE_PENDING;
    sw_buf_deinit(&slot->rest);
    if (status == 0) {
        sw_fanout_due(&slot->rig->fanout, rig_index(slot));
    }
}

static inline void rig_flush_slot(struct rig *rig, uint32_t slot)
{
    struct rig_slot *at = &rig->slots[slot];
    struct sw_reader *reader = sw_reader(&rig->fanout, slot);
    bool ending = reader->flags & SW_CLOSING && !at->retired;
    if (!at->open || at->conn.closing || ending) {
        sw_fanout_skip(&rig->fanout, slot);
        return;
    }
    if (reader->flags & SW_WRITE_PENDING) {
        sw_fanout_look(&rig->fanout, slot);
        return;
    }
    size_t taken;
    if (!sw_fanout_flush(&rig->fanout, slot, sw_buf_slice(&at->lane), &taken)) {
        sw_fanout_due(&rig->fanout, slot);
    }
    if (at->broken) {
        return;
    }
    if (taken < at->lane.size) {
        at->rest = at->lane;
        at->lane = (struct sw_buf){0};
        reader->flags |= SW_WRITE_PENDING;
        struct sw_rest rest = {.done = rig_lane_done, .bytes = (uint32_t)(at->rest.size - taken)};
        sw_conn_write_rest(&at->conn, at->rest.data + taken, &rest);
    } else {
        sw_buf_clear(&at->lane);
    }
}

static inline void rig_flush(struct rig *rig)
{
    uint32_t stop = 0;
    uint32_t slot;
    while (sw_fanout_due_pop(&rig->fanout, &stop, &slot)) {
        rig_flush_slot(rig, slot);
    }
}

/* The promise `told`, over all readers. */
static inline void rig_check_law(struct rig *rig)
{
    const struct sw_counters *counters = &rig->counters;
    int64_t shed = 0;
    for (unsigned reason = 0; reason < SW_SHED_COUNT; reason++) {
        shed += sw_counter_read(&counters->shed_total[reason]);
    }
    sw_fanout_law(&rig->fanout);
    assert_int_equal(sw_counter_read(&counters->due_total), sw_counter_read(&counters->sent_total) +
                                                                shed +
                                                                sw_counter_read(&counters->behind));
}

static inline void rig_on_turn(void *owner)
{
    struct rig *rig = owner;
    rig_retire(rig);
    sw_fanout_walk(&rig->fanout);
    rig_flush(rig);
    sw_fanout_turned(&rig->fanout);
    rig_retire(rig);
    rig_check_law(rig);
    sw_loop_stop(rig->loop);
}

/* One turn's end and the poll behind it. */
static inline void rig_turn(struct rig *rig)
{
    sw_loop_run(rig->loop);
}

/* ---- life ---- */

static inline void rig_init_marks(struct rig *rig, uint32_t count, const struct sw_marks *marks)
{
    *rig = (struct rig){.loop = sw_loop_create(),
                        .encoding = {.language = &rig_language, .framing = &rig_framing},
                        .slots = sw_zalloc(count * sizeof(struct rig_slot)),
                        .count = count};
    sw_fanout_init(&rig->fanout, rig->loop, count, marks, &rig->encoding, &rig_events, rig,
                   &rig->counters);
    rig->turn = (struct sw_turn){.run = rig_on_turn, .owner = rig};
    sw_loop_add_turn(rig->loop, &rig->turn);
    rig_rendered = 0;
    for (uint32_t slot = 0; slot < count; slot++) {
        rig->slots[slot].rig = rig;
        rig->slots[slot].peer = -1;
    }
}

/* Nothing is high before it is over the max mark. */
static inline void rig_init(struct rig *rig, uint32_t count, uint32_t max_queued_bytes)
{
    rig_init_marks(rig, count,
                   &(struct sw_marks){.low_bytes = max_queued_bytes,
                                      .high_bytes = max_queued_bytes,
                                      .high_messages = UINT32_MAX,
                                      .max_bytes = max_queued_bytes});
}

/* Everybody leaves; all memory must have come back by then. */
static inline void rig_deinit(struct rig *rig)
{
    for (uint32_t slot = 0; slot < rig->count; slot++) {
        if (rig->slots[slot].open) {
            rig_lost(rig, slot, 0);
        }
    }
    rig_turn(rig);
    rig_turn(rig);
    for (uint32_t slot = 0; slot < rig->count; slot++) {
        struct rig_slot *at = &rig->slots[slot];
        assert_false(at->open);
        rig_forget_tls(at);
        if (at->peer >= 0) {
            close(at->peer);
        }
        sw_buf_deinit(&at->lane);
        sw_buf_deinit(&at->got);
        sw_free(at->list);
    }
    for (uint32_t id = 0; id < rig->fanout.tapes_count; id++) {
        if (rig->fanout.tapes[id]) {
            sw_tape_destroy(&rig->fanout, rig->fanout.tapes[id]);
        }
    }
    assert_int_equal(sw_counter_read(&rig->counters.behind), 0);
    assert_int_equal(sw_counter_read(&rig->counters.queued_bytes), 0);
    assert_int_equal(sw_counter_read(&rig->counters.block_bytes), 0);
    assert_int_equal(sw_counter_read(&rig->counters.pressured_sessions), 0);
    assert_int_equal(sw_counter_read(&rig->counters.subscriptions), 0);
    assert_int_equal(sw_counter_read(&rig->counters.tapes), 0);
    sw_fanout_deinit(&rig->fanout);
    sw_tls_destroy(&rig->tls);
    sw_loop_destroy(&rig->loop);
    sw_buf_deinit(&rig->text);
    sw_buf_deinit(&rig->asked);
    sw_free(rig->slots);
}

/* ---- what tests do ---- */

static inline struct sw_tape *rig_tape(struct rig *rig, const char *name)
{
    struct sw_tape *tape = sw_tape_create(&rig->fanout, 0, sw_slice_of(name), false);
    struct sw_list waiting;
    sw_tape_joined(tape, &waiting);
    return tape;
}

static inline void rig_subscribe_as(struct rig *rig, uint32_t slot, struct sw_tape *tape,
                                    enum sw_mode mode, unsigned max_hz)
{
    sw_hub_subscribe(&rig->fanout, tape, slot, sw_reader(&rig->fanout, slot)->subscriptions,
                     (struct sw_manner){.mode = mode, .pace = sw_pace_of(max_hz)}, NULL);
}

static inline void rig_subscribe(struct rig *rig, uint32_t slot, struct sw_tape *tape)
{
    rig_subscribe_as(rig, slot, tape, SW_MODE_DISCONNECT, 0);
}

static inline void rig_append(struct rig *rig, struct sw_tape *tape, struct sw_slice payload)
{
    struct sw_message *message =
        sw_message_create(sw_tape_name(tape), SW_SLICE(""), payload, 0, sw_clock_ns());
    sw_tape_append(&rig->fanout, tape, message, 0);
    sw_message_unref(message);
}

/* What has no offset is missing. */
static inline void rig_gap(struct rig *rig, struct sw_tape *tape, uint64_t count,
                           enum sw_shed reason)
{
    sw_tape_append_gap(&rig->fanout, tape, &(struct sw_gap){.count = count, .reason = reason});
}

static inline void rig_send(struct rig *rig, struct sw_tape *tape, const char *text)
{
    rig_append(rig, tape, sw_slice_of(text));
}

/* The text, and dots up to `size`; rig_text leaves them out again. */
static inline void rig_send_long(struct rig *rig, struct sw_tape *tape, const char *text,
                                 size_t size)
{
    struct sw_buf payload = {0};
    memset(sw_buf_reserve(&payload, size), '.', size);
    memcpy(payload.data, text, strlen(text));
    payload.size = size;
    rig_append(rig, tape, sw_buf_slice(&payload));
    sw_buf_deinit(&payload);
}

static inline void rig_say(struct rig *rig, uint32_t slot, const char *text)
{
    uint32_t head = (uint32_t)strlen(text);
    sw_buf_append(&rig->slots[slot].lane, &head, RIG_HEAD);
    sw_buf_append_slice(&rig->slots[slot].lane, sw_slice_of(text));
    sw_fanout_due(&rig->fanout, slot);
}

/* Up to `size` bytes that came; negative or 0: there are none. */
static inline ssize_t rig_receive(struct rig_slot *at, char *out, size_t size)
{
    if (!at->tls.ssl) {
        return read(at->peer, out, size);
    }
    at->tls.fd = at->peer;
    size_t n = tls_peer_read(&at->tls, out, size);
    while (n == 0 && at->peer >= 0 && tls_peer_receive(&at->tls)) {
        n = tls_peer_read(&at->tls, out, size);
    }
    return (ssize_t)n;
}

/* The client reads up to `size` bytes; returns how many there were. */
static inline size_t rig_read(struct rig *rig, uint32_t slot, size_t size)
{
    struct rig_slot *at = &rig->slots[slot];
    size_t sum = 0;
    while (sum < size) {
        size_t step = size - sum < 65536 ? size - sum : 65536;
        ssize_t n = rig_receive(at, sw_buf_reserve(&at->got, step), step);
        if (n <= 0) {
            break;
        }
        at->got.size += (size_t)n;
        sum += (size_t)n;
    }
    return sum;
}

/* A number that changes when the client reads anything, be it a part of a record. */
static inline size_t rig_progress(const struct rig *rig, uint32_t slot)
{
    return rig->slots[slot].got.size + rig->slots[slot].tls.received;
}

/* Is a gate to wake somebody who reads by now? It does at its next tick. */
static inline bool rig_gated(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->fanout.gates_count; i++) {
        struct sw_reader *reader = sw_reader(&rig->fanout, sw_gate_slot(&rig->fanout, i));
        if (reader->flags & SW_GATED && sw_reader_owed(&rig->fanout, reader)) {
            return true;
        }
    }
    return false;
}

/* The client reads all there is and will be without further messages. */
static inline void rig_drain(struct rig *rig, uint32_t slot)
{
    for (unsigned idle = 0; idle < 3; idle++) {
        size_t before = rig_progress(rig, slot);
        rig_read(rig, slot, SIZE_MAX);
        if (before != rig_progress(rig, slot)) {
            idle = 0;
        }
        rig_turn(rig);
    }
}

/* The whole frames that the client has read since the last call, as "text|text"; dots at a text's
 * end are left out. */
static inline const char *rig_text(struct rig *rig, uint32_t slot)
{
    struct sw_buf *got = &rig->slots[slot].got;
    size_t at = 0;
    sw_buf_clear(&rig->text);
    while (got->size - at >= RIG_HEAD) {
        uint32_t size;
        memcpy(&size, got->data + at, RIG_HEAD);
        if (got->size - at - RIG_HEAD < size) {
            break;
        }
        if (at) {
            sw_buf_append_byte(&rig->text, '|');
        }
        const char *text = got->data + at + RIG_HEAD;
        at += RIG_HEAD + size;
        while (size && text[size - 1] == '.') {
            size--;
        }
        sw_buf_append(&rig->text, text, size);
    }
    sw_buf_consume(got, at);
    return sw_buf_text(&rig->text);
}

static inline const char *rig_received(struct rig *rig, uint32_t slot)
{
    rig_read(rig, slot, SIZE_MAX);
    return rig_text(rig, slot);
}

#define RIG_COUNT(rig, field) sw_counter_read(&(rig)->counters.field)
#define RIG_SHED(rig, NAME)   sw_counter_read(&(rig)->counters.shed_total[SW_SHED_##NAME])

#endif
