// SPDX-License-Identifier: Apache-2.0
/* Over TLS bytes leave as records, which the peer can read only when they are whole. So what a
 * reader is owed is sealed record by record, each as full as 16 KB allows, the next one when the
 * last is with the socket. The end of a record that the socket does not take waits on the
 * connection, and the frames in it are in flight: their cursors stand behind them, so that nobody
 * sheds, unsubscribes or closes them away, and they are not sent before the last byte of the record
 * is. Of a frame that the record only begins, the rest follows as the frame in flight (read.c).
 *
 * A flight needs no frames, only what they count: their bytes are sealed. */
#include "common/clock.h"
#include "common/mem.h"
#include "fanout/internal.h"
#include "net/tls_conn.h"

/* Frames of one block. */
struct leg {
    uint32_t tape;
    uint32_t deliveries;
    uint64_t born_ms; /* the first of them */
    uint8_t rule;
    uint8_t shed; /* enum sw_shed of a gap mark */
    bool gap;
};

struct sw_flight {
    struct sw_fanout *fanout;
    uint32_t bytes; /* that the reader still owes */
    uint32_t count;
    uint32_t slot;
    uint32_t capacity;
    struct leg legs[];
};

void sw_flight_add(struct sw_flight *flight, const struct sw_block *block, uint32_t frame,
                   uint32_t deliveries)
{
    SW_ASSERT(flight->count < flight->capacity);
    if (flight->count == 0) {
        sw_reader(flight->fanout, flight->slot)->since = (uint32_t)sw_block_time_ms(block, frame);
    }
    flight->legs[flight->count++] = (struct leg){.tape = block->tape,
                                                 .deliveries = deliveries,
                                                 .born_ms = sw_block_time_ms(block, frame),
                                                 .rule = block->rule,
                                                 .shed = block->shed,
                                                 .gap = block->gap};
}

/* ---- the end ---- */

/* A subscription that began meanwhile has nothing in flight. */
static void leg_books(const struct sw_reader *reader, const struct leg *leg)
{
#ifdef SW_LAW
    for (uint32_t i = 0; i < reader->subscriptions; i++) {
        struct sw_subscription *subscription = &reader->list[i];
        if (subscription->tape == leg->tape && subscription->in_flight >= leg->deliveries) {
            subscription->in_flight -= leg->deliveries;
            *(leg->gap ? &subscription->shed : &subscription->sent) += leg->deliveries;
        }
    }
#else
    (void)reader, (void)leg;
#endif
}

static void leg_left(struct sw_fanout *fanout, struct sw_reader *reader, const struct leg *leg)
{
    uint32_t n = leg->deliveries;
    sw_reader_settle(fanout, reader, (struct sw_owed){.behind = n, .queued = n});
    leg_books(reader, leg);
    if (leg->gap) {
        sw_reader_lose(fanout, reader, leg->rule, n, (enum sw_shed)leg->shed);
        return;
    }
    sw_reader_sent(fanout, reader, leg->rule, n);
    sw_latency_add(fanout, leg->born_ms, n);
}

/* The record has left: its frames count now. */
static void flight_done(struct sw_conn *conn, const struct sw_rest *rest, int status)
{
    struct sw_flight *flight = rest->owner;
    struct sw_fanout *fanout = flight->fanout;
    uint32_t slot = flight->slot;
    struct sw_reader *reader = sw_reader(fanout, slot);
    if (status || !sw_conn_waits(conn)) { /* else the rest of a frame goes on */
        reader->flags &= (uint8_t)~SW_WRITE_PENDING;
    }
    if (status == 0) {
        sw_reader_settle(fanout, reader, (struct sw_owed){.bytes = flight->bytes});
        sw_gate_wrote(fanout, slot, reader, flight->bytes);
        for (uint32_t i = 0; i < flight->count; i++) {
            leg_left(fanout, reader, &flight->legs[i]);
        }
        sw_fanout_due(fanout, slot);
    } else if (status != -ECANCELED) {
        fanout->events->on_broken(fanout->owner, slot, status);
    }
    sw_free(flight);
}

/* ---- the beginning ---- */

/* Nothing may be written before the record has left. It holds at most so many pieces, and of the
 * reader's cursors `bytes`. */
static struct sw_flight *begin(struct sw_fanout *fanout, uint32_t slot, struct sw_conn *conn,
                               unsigned pieces, size_t bytes)
{
    struct sw_reader *reader = sw_reader(fanout, slot);
    struct sw_flight *flight = sw_alloc(sizeof(*flight) + pieces * sizeof(struct leg));
    *flight = (struct sw_flight){
        .fanout = fanout, .slot = slot, .bytes = (uint32_t)bytes, .capacity = pieces};
    if (reader->behind == 0) {
        reader->since = (uint32_t)sw_loop_now_ms(fanout->loop);
    }
    reader->flags |= SW_WRITE_PENDING;
    sw_gate_watch(fanout, slot); /* else nobody would see how long it waits */
    sw_reader_owe(fanout, reader, (struct sw_owed){.bytes = bytes});
    struct sw_rest rest = {.done = flight_done, .owner = flight, .bytes = 1};
    sw_conn_await_sealed(conn, &rest);
    return flight;
}

int sw_flight_send(struct sw_fanout *fanout, uint32_t slot, const struct iovec *pieces,
                   unsigned count, size_t front, struct sw_taken *taken)
{
    struct sw_conn *conn = fanout->events->conn(fanout->owner, slot);
    size_t bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        bytes += pieces[i].iov_len;
    }
    while (taken->begun < bytes && !sw_conn_sealed_waits(conn)) {
        ssize_t n = sw_conn_seal(conn, pieces, count, taken->begun);
        if (n < 0) {
            return (int)n;
        }
        taken->left = taken->begun;
        taken->begun += (size_t)n;
        sw_count(&fanout->counters->writes_total, taken->begun > front);
        sw_fanout_check_time(fanout); /* sealing takes longer than sending */
    }
    if (!sw_conn_sealed_waits(conn)) {
        taken->left = taken->begun;
        return 0;
    }
    size_t begun = taken->begun > front ? taken->begun - front : 0;
    size_t left = taken->left > front ? taken->left - front : 0;
    taken->flight = begin(fanout, slot, conn, count, begun - left);
    return 0;
}
