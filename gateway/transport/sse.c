// SPDX-License-Identifier: Apache-2.0
#include "transport/sse.h"

#include "protocol/encode.h"
#include "session/intake.h"
#include "transport/sse_codec.h"

/* ---- the connection's events ---- */

/* Nothing is heard, but to take it costs as much as any other bytes. */
static void on_read(struct sw_conn *conn, const char *data, size_t size)
{
    (void)data;
    struct sw_session *session = sw_session_of(conn);
    sw_count(&session->all->counters->sse_ignored_bytes_total, (int64_t)size);
    if (!sw_intake_bytes(session, size)) {
        sw_conn_read(conn, false);
    }
}

/* Also one that only ends its side: nothing else tells of a page that was left, since a FIN is all
 * that comes of it before the next frame is written. */
static void on_end(struct sw_conn *conn, int status)
{
    (void)status;
    sw_session_lost(sw_session_of(conn));
}

static void on_closed(struct sw_conn *conn)
{
    struct sw_session *session = sw_session_of(conn);
    struct sw_sse_kept *kept = session->codec;
    session->codec = NULL;
    sw_sse_kept_destroy(&kept);
    sw_session_closed(session);
}

static const struct sw_conn_events events = {
    .on_read = on_read, .on_end = on_end, .end_waits = true, .on_closed = on_closed};

void sw_sse_open(struct sw_session *session, struct sw_sse_kept *kept,
                 const struct sw_arrival *arrival)
{
    session->deaf = true;
    session->codec = kept;
    sw_conn_adopt(&session->conn, &events);
    sw_session_open(session, &sw_sse_transport, arrival);
}

/* ---- the session's words ---- */

static void say_frame(struct sw_session *session, struct sw_slice text)
{
    sw_sse_append(&session->lane, text);
}

static void say_close(struct sw_session *session, uint16_t code, struct sw_slice words)
{
    struct sw_buf text = {0};
    sw_encode_closed(&text, code, words);
    sw_sse_append(&session->lane, sw_buf_slice(&text));
    sw_buf_deinit(&text);
}

static void say_retry(struct sw_session *session, uint32_t ms)
{
    struct sw_buf line = {0};
    sw_sse_append_retry(&line, ms);
    sw_session_say_raw(session, line.data, line.size);
    sw_buf_deinit(&line);
}

static void write_bookmark(struct sw_session *session, struct sw_buf *frame)
{
    struct sw_buf cursor = {0};
    if (session->codec) {
        sw_sse_kept_write(session->codec, session, &cursor);
        sw_sse_append_cursor(frame, sw_buf_slice(&cursor));
    }
    sw_buf_deinit(&cursor);
}

static void resume(struct sw_session *session)
{
    sw_conn_read(&session->conn, true);
}

const struct sw_transport sw_sse_transport = {
    .name = "sse",
    .open = SW_CONNECTION_SSE_OPEN,
    .closing = SW_CONNECTION_SSE_CLOSING,
    .encoding = SW_ENCODING_SSE,
    .topics = SW_STREAM_TOPICS,
    .idle = {.data = SW_SSE_COMMENT, .size = sizeof(SW_SSE_COMMENT) - 1},
    .frame = say_frame,
    .close = say_close,
    .retry = say_retry,
    .bookmark = write_bookmark,
    .resume = resume};
