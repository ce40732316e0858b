// SPDX-License-Identifier: Apache-2.0
#include "transport/ws.h"

#include "common/mem.h"
#include "session/intake.h"
#include "transport/ws_message.h"

/* What a session holds while a frame or a message is incomplete, or while it is paused before the
 * end of what was read: one read may hold thousands of requests, and their answers are for the
 * memory of who asks, not ours. */
struct ws_state {
    struct sw_ws_rx *rx; /* NULL: between two frames */
    struct sw_ws_message message;
    struct sw_session *session;
    struct sw_task go_on; /* not from inside a flush: requests move what it walks over */
    struct sw_buf held;   /* read and not yet taken */
    bool stopped;         /* something is left to take, in `held` or in the rx */
    struct sw_half half;  /* the message under way */
};

static void state_drop(struct sw_session *session)
{
    struct ws_state *state = session->codec;
    if (!state) {
        return;
    }
    if (state->rx) {
        sw_ws_rx_give(session->all->codecs, state->rx);
    }
    sw_ws_message_deinit(&state->message);
    sw_task_cancel(&state->go_on);
    sw_buf_deinit(&state->held);
    sw_half_release(&state->half, session);
    sw_free(state);
    session->codec = NULL;
}

static void echo(struct sw_session *session, const struct sw_ws_message *message)
{
    struct sw_ws_codec *codec = session->all->codecs;
    enum sw_ws_opcode opcode = message->text ? SW_WS_TEXT : SW_WS_BINARY;
    struct sw_buf frame = {0};
    if (message->compressed) {
        struct sw_slice packed =
            sw_ws_deflate(message->deflate, message->payload,
                          session->deflate_narrow ? SW_WS_DEFLATE_NARROW : SW_WS_DEFLATE_WIDE);
        sw_ws_append_deflated(codec, &frame, opcode, packed);
    } else {
        sw_ws_append(codec, &frame, opcode, message->payload);
    }
    sw_session_say_raw(session, frame.data, frame.size);
    sw_buf_deinit(&frame);
}

static void on_message(struct sw_session *session, const struct sw_ws_message *message)
{
    if (sw_session_state(session) != SW_OPEN) {
        return; /* only its close frame is still of interest */
    }
    if (session->echo) {
        echo(session, message);
    } else if (session->transport->raw) {
        sw_session_receive_payload(session, message->payload);
    } else if (message->text) {
        sw_session_receive(session, message->payload);
    } else {
        sw_session_close(session, SW_REASON_BINARY);
    }
}

static void on_ping(struct sw_session *session, struct sw_slice payload)
{
    struct sw_buf frame = {0};
    sw_ws_append(session->all->codecs, &frame, SW_WS_PONG, payload);
    sw_session_say_raw(session, frame.data, frame.size);
    sw_buf_deinit(&frame);
}

/* A few bytes may have been thousands, which cost as much as any others. */
static bool within_intake(struct sw_session *session, const struct sw_ws_message *message,
                          bool control)
{
    return sw_intake_message(session) &&
           (control || !message->compressed || sw_intake_bytes(session, message->payload.size));
}

/* False: nothing more is read from this peer. */
static bool on_event(struct sw_session *session, enum sw_ws_event event,
                     const struct sw_ws_message *message)
{
    bool control = event == SW_WS_PINGED || event == SW_WS_PONGED;
    if ((control || event == SW_WS_MESSAGE) && !within_intake(session, message, control)) {
        return false;
    }
    switch (event) {
    case SW_WS_NOTHING:
    case SW_WS_PONGED:
        return true;
    case SW_WS_MESSAGE:
        on_message(session, message);
        return true;
    case SW_WS_PINGED:
        on_ping(session, message->payload);
        return true;
    case SW_WS_CLOSED:
        sw_session_close_heard(session, message->code);
        return false;
    case SW_WS_FAULT:
        sw_session_close(session, message->reason);
        return false;
    }
    return false;
}

static struct sw_ws_limits limits_of(const struct sw_session *session)
{
    return session->echo ? (struct sw_ws_limits){SW_ECHO_BYTES, SW_ECHO_FRAGMENTS}
                         : (struct sw_ws_limits){SW_FRAME_BYTES, SW_MESSAGE_FRAGMENTS};
}

/* Reads what was fed until the session is paused. False: nothing more is read from this peer. */
static bool read_pieces(struct sw_session *session, struct sw_ws_rx *rx, struct ws_state *state)
{
    struct sw_ws_limits limits = limits_of(session);
    struct sw_ws_message *message = &state->message;
    struct sw_ws_piece piece;
    while (!session->paused) {
        switch (sw_ws_rx_read(rx, &piece)) {
        case SW_WS_MORE:
            return true;
        case SW_WS_BROKEN:
            sw_session_close(session, SW_REASON_PROTOCOL);
            return false;
        case SW_WS_PIECE:
            if (!on_event(session, sw_ws_message_take(message, &piece, &limits), message)) {
                return false;
            }
            if (piece.last && sw_ws_message_clean(message)) {
                sw_half_end(&state->half); /* what follows begins anew */
            }
        }
    }
    return true;
}

static void on_go_on(struct sw_task *task);

/* The state lives on in the session, if it is not there already. */
static void state_keep(struct sw_session *session, const struct ws_state *state)
{
    if (session->codec != state) {
        struct ws_state *kept = sw_alloc(sizeof(*kept));
        *kept = *state;
        kept->session = session;
        sw_task_init(&kept->go_on, on_go_on);
        session->codec = kept;
    }
}

/* What the session was paused before is kept for later. */
static void hold(struct sw_session *session, struct ws_state *state, struct sw_ws_rx *rx)
{
    struct sw_slice rest = sw_ws_rx_rest(rx);
    state->stopped = session->paused && (rest.size || !sw_ws_rx_clean(rx));
    if (rest.size) {
        sw_buf_append_slice(&state->held, rest);
    }
    if (state->stopped && sw_ws_message_clean(&state->message)) {
        sw_ws_message_deinit(&state->message);
    }
}

/* What is kept counts, and half of a message has its time. May end the session. */
static void account(struct sw_session *session)
{
    struct ws_state *state = session->codec;
    bool half = state->rx || !sw_ws_message_clean(&state->message);
    if (!half) {
        sw_half_end(&state->half);
    } else if (!state->half.session) {
        sw_half_begin(&state->half, session, state_drop);
    }
    sw_half_hold(&state->half, session,
                 sizeof(*state) + state->message.collected.capacity + state->held.capacity +
                     (state->rx ? SW_WS_RX_BYTES : 0));
}

/* Takes bytes that came from the peer, as far as the session is not paused. */
static void take(struct sw_session *session, struct sw_slice bytes)
{
    struct sw_ws_codec *codec = session->all->codecs;
    struct ws_state fresh = {
        .message = {.deflate = session->deflate ? sw_ws_codec_deflate(codec) : NULL}};
    struct ws_state *state = session->codec ? session->codec : &fresh;
    struct sw_ws_rx *rx = state->rx ? state->rx : sw_ws_rx_take(codec);
    sw_ws_rx_feed(rx, bytes);
    state->rx = NULL;
    bool go_on = read_pieces(session, rx, state);
    session->deaf |= !go_on;
    if (go_on) {
        hold(session, state, rx);
    }
    if (!go_on || sw_ws_rx_clean(rx)) {
        sw_ws_rx_give(codec, rx);
    } else {
        state->rx = rx;
    }
    if (go_on && (state->rx || state->stopped || !sw_ws_message_clean(&state->message))) {
        state_keep(session, state);
        account(session);
    } else if (state == &fresh) {
        sw_ws_message_deinit(&fresh.message);
    } else {
        state_drop(session);
    }
}

/* The replies have been taken: what was held is read, then the socket again. */
static void on_go_on(struct sw_task *task)
{
    struct ws_state *state = SW_CONTAINER_OF(task, struct ws_state, go_on);
    struct sw_session *session = state->session;
    struct sw_buf held = state->held;
    state->held = (struct sw_buf){0};
    take(session, sw_buf_slice(&held)); /* may free the state */
    sw_buf_deinit(&held);
    if (!session->paused) {
        sw_conn_read(&session->conn, true);
    }
}

void sw_ws_receive(struct sw_session *session, struct sw_slice bytes)
{
    sw_session_heard(session);
    if (!session->deaf && !sw_intake_bytes(session, bytes.size)) {
        session->deaf = true;
        state_drop(session);
    }
    if (!session->deaf) {
        take(session, bytes);
    }
}

static void resume(struct sw_session *session)
{
    struct ws_state *state = session->codec;
    if (state && state->stopped) {
        sw_loop_later(session->all->loop, &state->go_on);
    } else {
        sw_conn_read(&session->conn, true);
    }
}

/* ---- the connection's events ---- */

static void on_read(struct sw_conn *conn, const char *data, size_t size)
{
    sw_ws_receive(sw_session_of(conn), sw_slice(data, size));
}

static void on_end(struct sw_conn *conn, int status)
{
    (void)status;
    sw_session_lost(sw_session_of(conn));
}

static void on_closed(struct sw_conn *conn)
{
    struct sw_session *session = sw_session_of(conn);
    state_drop(session);
    sw_session_closed(session);
}

static const struct sw_conn_events events = {
    .on_read = on_read, .on_end = on_end, .end_waits = true, .on_closed = on_closed};

void sw_ws_open(struct sw_session *session, const struct sw_transport *transport,
                const struct sw_arrival *arrival)
{
    sw_conn_adopt(&session->conn, &events);
    sw_session_open(session, transport, arrival);
}

void sw_ws_refuse(struct sw_session *session, const struct sw_transport *transport,
                  enum sw_reason reason)
{
    sw_conn_adopt(&session->conn, &events);
    sw_session_refuse(session, transport, reason);
}

/* ---- the session's words ---- */

static void say_frame(struct sw_session *session, struct sw_slice text)
{
    sw_ws_append(session->all->codecs, &session->lane, SW_WS_TEXT, text);
}

static void say_ping(struct sw_session *session)
{
    sw_ws_append(session->all->codecs, &session->lane, SW_WS_PING, sw_slice("", 0));
}

static void say_close(struct sw_session *session, uint16_t code, struct sw_slice words)
{
    char body[SW_WS_CONTROL_BYTES];
    size_t size = 0;
    if (code) {
        size_t room = sizeof(body) - 2;
        size_t n = words.size < room ? words.size : room;
        body[0] = (char)(code >> 8);
        body[1] = (char)(code & 0xff);
        __builtin_memcpy(body + 2, words.data, n);
        size = 2 + n;
    }
    sw_ws_append(session->all->codecs, &session->lane, SW_WS_CLOSE, sw_slice(body, size));
}

const struct sw_transport sw_ws_transport = {.name = "ws",
                                             .open = SW_CONNECTION_WS_OPEN,
                                             .closing = SW_CONNECTION_WS_CLOSING,
                                             .encoding = SW_ENCODING_WS,
                                             .topics = SW_SESSION_TOPICS,
                                             .frame = say_frame,
                                             .ping = say_ping,
                                             .close = say_close,
                                             .resume = resume};

const struct sw_transport sw_raw_transport = {.name = "raw",
                                              .raw = true,
                                              .open = SW_CONNECTION_RAW_OPEN,
                                              .closing = SW_CONNECTION_RAW_CLOSING,
                                              .encoding = SW_ENCODING_RAW,
                                              .topics = 1,
                                              .ping = say_ping,
                                              .close = say_close,
                                              .resume = resume};
