// SPDX-License-Identifier: Apache-2.0
/* Who is due gets the control lane and what its cursors are owed, with one system call where it
 * fits. */
#include "common/mem.h"
#include "session/internal.h"

static void lane_done(struct sw_conn *conn, const struct sw_rest *rest, int status)
{
    struct sw_session *session = sw_session_of(conn);
    struct sw_buf *lane = rest->owner;
    sw_session_reader(session)->flags &= (uint8_t)~SW_WRITE_PENDING;
    sw_buf_deinit(lane);
    sw_free(lane);
    if (status == 0) {
        sw_fanout_due(&session->all->fanout, session->slot);
    } else if (status != -ECANCELED) {
        sw_session_lost(session);
    }
}

/* What the socket did not take of the lane goes on alone; the lane begins anew. */
static void write_lane_rest(struct sw_session *session, size_t taken)
{
    struct sw_buf *lane = sw_alloc(sizeof(*lane));
    *lane = session->lane;
    session->lane = (struct sw_buf){0};
    struct sw_reader *reader = sw_session_reader(session);
    if (reader->behind == 0) {
        reader->since = (uint32_t)sw_loop_now_ms(session->all->loop);
    }
    reader->flags |= SW_WRITE_PENDING;
    struct sw_rest rest = {
        .done = lane_done, .owner = lane, .bytes = (uint32_t)(lane->size - taken)};
    sw_conn_write_rest(&session->conn, lane->data + taken, &rest);
}

/* Its replies have been taken: it may ask again. */
static void resume(struct sw_session *session)
{
    bool waits = session->lane.size || sw_session_reader(session)->flags & SW_WRITE_PENDING;
    if (session->paused && !waits && sw_session_state(session) <= SW_CLOSING_STATE) {
        sw_session_unpause(session, SW_PAUSE_LANE);
    }
}

/* CLOSING and nothing left to write: the connection ends when both close frames have passed. */
static void finish(struct sw_session *session)
{
    const struct sw_reader *reader = sw_session_reader(session);
    if (!session->retired || reader->flags & SW_WRITE_PENDING) {
        return;
    }
    if (session->close_heard) {
        sw_conn_close(&session->conn);
    } else if (session->deaf) {
        /* no close frame can be heard after a fault of framing: a FIN, and the peer's ends it */
        sw_conn_shutdown(&session->conn);
    }
}

static void flush(struct sw_sessions *all, uint32_t slot)
{
    struct sw_session *session = sw_session_at(all, slot);
    const struct sw_reader *reader = sw_session_reader(session);
    bool ending = reader->flags & SW_CLOSING && !session->retired; /* it gets its last frame soon */
    if (session->conn.closing || ending) {
        sw_fanout_skip(&all->fanout, slot);
        return;
    }
    if (reader->flags & SW_WRITE_PENDING) {
        sw_fanout_look(&all->fanout, slot);
        return;
    }
    struct sw_slice front = sw_buf_slice(&session->lane);
    size_t taken;
    bool done = sw_fanout_flush(&all->fanout, slot, front, &taken);
    if (session->conn.closing) {
        return;
    }
    if (taken < front.size) {
        write_lane_rest(session, taken);
    } else {
        sw_buf_deinit(&session->lane); /* an idle session owns no buffer */
    }
    resume(session);
    if (!done) {
        sw_fanout_due(&all->fanout, slot);
    }
    if (reader->flags & SW_CLOSING) {
        finish(session);
    }
}

void sw_sessions_flush(struct sw_sessions *all)
{
    uint32_t stop = 0;
    uint32_t slot;
    while (sw_fanout_due_pop(&all->fanout, &stop, &slot)) {
        flush(all, slot);
    }
}
