// SPDX-License-Identifier: Apache-2.0
/* Nodes on the servers of truth_servers.h, each a bus and two workers as they are. Whatever waits
 * (a subscription, what a link carries, a read, an inbox) waits until the test moves it on, in any
 * order. Time and chance are the test's. */
#ifndef SW_TESTS_TRUTH_NODES_H
#define SW_TESTS_TRUTH_NODES_H

#include "conn_events.h"
#include "truth_servers.h"

#include "bus/backend.h"
#include "common/mem.h"
#include "net/loop_internal.h"
#include "protocol/encode.h"
#include "session/session.h"

#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NODES    2
#define WORKERS  2
#define CLIENTS  6
#define TOPIC    "h.a"
#define LINK     4096
#define READS    64
#define SESSIONS 64

/* ---- time and chance are the test's ---- */

#define BARE __attribute__((no_sanitize("address", "thread", "undefined")))

static uint64_t now_ns = UINT64_C(1000000000000);
static struct sw_random chance;

BARE int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock == CLOCK_REALTIME || clock == CLOCK_PROCESS_CPUTIME_ID) {
        return (int)syscall(SYS_clock_gettime, clock, now);
    }
    now->tv_sec = (time_t)(now_ns / 1000000000u);
    now->tv_nsec = (long)(now_ns % 1000000000u);
    return 0;
}

ssize_t getrandom(void *out, size_t size, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < size; i++) {
        ((unsigned char *)out)[i] = (unsigned char)sw_random_u64(&chance);
    }
    return (ssize_t)size;
}

/* ---- nodes ---- */

struct heard {
    bool ack; /* of the topic; else a message */
    int epoch;
    uint64_t offset;
    int number;
};

/* A read that was asked: first `asked`, then its server has looked, then it is answered. */
struct look {
    struct sw_history_read *read;
    bool done;
    struct store store;
};

struct node {
    struct sw_backend backend; /* first: they are the same address */
    struct world *world;
    struct sw_bus *bus;
    struct sw_counters counters;
    int server; /* that its link leads to; -1: none */
    bool subscribed;
    unsigned subscribing; /* SUBSCRIBEs that its server has not executed */
    struct sw_interest *interest;
    struct heard *link; /* what the link carries, a ring */
    uint32_t head;
    uint32_t count;
    struct look looks[READS];
    uint32_t look_count;
    struct sw_history_read *away[READS]; /* asked while there is no link */
    uint32_t away_count;
    struct worker {
        struct sw_inbox inbox;
        struct sw_sessions sessions;
        bool full; /* its inbox takes nothing */
    } workers[WORKERS];
};

struct client {
    int node; /* -1: not there */
    int worker;
    uint64_t name;
    int fd;
    enum sw_mode mode;
    struct sw_buf got;
    /* what it knows */
    bool seen; /* it has a position */
    int epoch; /* -1: "0" */
    uint64_t offset;
    int held[OFFSETS];
    bool told[OFFSETS];
    bool subscribed;   /* in this session */
    bool unsubscribed; /* it has heard so */
    bool plain;        /* what it heard last had no position */
    bool asked;
};

struct world {
    struct sw_loop *loop;
    struct servers servers;
    struct sw_rules rules;
    struct sw_encoding encodings[4];
    struct node nodes[NODES];
    struct client clients[CLIENTS];
    uint64_t seed;
    bool lossless; /* nothing is ever lost: no client may hear otherwise */
    uint64_t frames;
    uint64_t needless; /* told to begin anew, though nothing that it held was lost */
    uint64_t resumed;
    uint64_t resets;
};

/* ---- the backend ---- */

static inline struct node *node_of(struct sw_backend *backend)
{
    return (struct node *)(void *)backend;
}

static inline void node_carry(struct node *node, struct heard heard)
{
    assert_true(node->count < LINK);
    node->link[(node->head + node->count++) % LINK] = heard;
}

static inline void truth_subscribe(struct sw_backend *backend, struct sw_interest *interest)
{
    struct node *node = node_of(backend);
    if (sw_slice_equal(sw_interest_name(interest), SW_SLICE(TOPIC))) {
        node->interest = interest;
        node->subscribing += node->server >= 0;
    } else if (node->server >= 0) {
        sw_exchange_acked(backend->exchange, interest);
    }
}

static inline void truth_unsubscribe(struct sw_backend *backend, struct sw_interest *interest)
{
    struct node *node = node_of(backend);
    if (node->interest == interest) {
        node->interest = NULL;
        node->subscribed = false;
        node->subscribing = 0;
        node->count = 0;
    }
}

static inline void truth_read(struct sw_backend *backend, struct sw_history_read *read)
{
    struct node *node = node_of(backend);
    if (node->server < 0) {
        assert_true(node->away_count < READS);
        node->away[node->away_count++] = read;
        return;
    }
    assert_true(node->look_count < READS);
    node->looks[node->look_count++] = (struct look){.read = read};
}

static inline void truth_get(struct sw_backend *backend, struct sw_value_read *read)
{
    (void)backend, (void)read;
    fail();
}

static inline void truth_publish(struct sw_backend *backend, struct sw_publish *publish)
{
    sw_exchange_published(backend->exchange, publish, SW_ERROR_BUS_UNAVAILABLE, false);
}

static inline bool truth_pump(struct sw_backend *backend)
{
    (void)backend;
    return false;
}

static inline void truth_nothing(struct sw_backend *backend)
{
    (void)backend;
}

static const struct sw_backend_ops truth_ops = {
    .kind = SW_BUS_REDIS,
    .start = truth_nothing,
    .pump = truth_pump,
    .flush = truth_nothing,
    .subscribe = truth_subscribe,
    .unsubscribe = truth_unsubscribe,
    .publish = truth_publish,
    .read = truth_read,
    .get = truth_get,
    .stop = truth_nothing,
    .destroy = truth_nothing,
};

static inline struct sw_backend *truth_backend(struct sw_exchange *exchange, void *context)
{
    struct node *node = context;
    node->backend = (struct sw_backend){.ops = &truth_ops, .exchange = exchange};
    return &node->backend;
}

/* ---- what moves on a node: each returns whether anything did ---- */

static inline void resubscribe(void *context, struct sw_interest *interest)
{
    truth_subscribe(context, interest);
}

static inline void node_connect(struct node *node, int server)
{
    node->server = server;
    sw_exchange_up(node->backend.exchange);
    sw_exchange_visit(node->backend.exchange, resubscribe, &node->backend);
}

static inline void node_cut(struct node *node)
{
    if (node->server < 0) {
        return;
    }
    node->server = -1;
    node->subscribed = false;
    node->subscribing = 0;
    node->count = 0;
    for (uint32_t i = 0; i < node->look_count; i++) {
        node->away[node->away_count++] = node->looks[i].read;
    }
    node->look_count = 0;
    sw_exchange_down(node->backend.exchange, "cut");
}

static inline bool node_answer_away(struct node *node)
{
    if (node->away_count == 0) {
        return false;
    }
    struct sw_history_read *read = node->away[0];
    node->away_count--;
    memmove(node->away, node->away + 1, node->away_count * sizeof(node->away[0]));
    read->outcome = SW_READ_AWAY;
    read->done(read->context, read);
    return true;
}

static inline bool node_execute_subscribe(struct node *node)
{
    if (node->server < 0 || node->subscribing == 0) {
        return false;
    }
    node->subscribing--;
    node->subscribed = true;
    node_carry(node, (struct heard){.ack = true});
    return true;
}

static inline void put_envelope(struct sw_buf *raw, const struct heard *heard)
{
    if (heard->epoch >= 0) {
        struct sw_position position = {.offset = heard->offset};
        epoch_name(heard->epoch, &position.epoch);
        sw_buf_append_slice(raw, SW_SLICE("\x1e"
                                          "1;"));
        sw_position_write(raw, &position);
        sw_buf_append_slice(raw, SW_SLICE(";t=1\x1e"));
    }
    sw_buf_printf(raw, "{\"n\":%d}", heard->number);
}

static inline bool node_hear(struct node *node)
{
    if (node->count == 0) {
        return false;
    }
    struct heard heard = node->link[node->head];
    node->head = (node->head + 1) % LINK;
    node->count--;
    if (heard.ack) {
        if (node->subscribing == 0 && node->interest) {
            sw_exchange_acked(node->backend.exchange, node->interest);
        }
        return true;
    }
    struct sw_buf raw = {0};
    put_envelope(&raw, &heard);
    if (node->interest && node->interest->acked) {
        sw_exchange_message(node->backend.exchange, node->interest, SW_SLICE(TOPIC),
                            sw_buf_slice(&raw));
    }
    sw_buf_deinit(&raw);
    return true;
}

/* The server looks; no master, no verdict. */
static inline bool node_execute_read(struct node *node)
{
    uint32_t at = 0;
    while (at < node->look_count && node->looks[at].done) {
        at++;
    }
    if (node->server < 0 || at == node->look_count) {
        return false;
    }
    const struct server *server = &node->world->servers.list[node->server];
    if (!server->master) {
        node_cut(node);
        return true;
    }
    node->looks[at].done = true;
    node->looks[at].store = server->store;
    return true;
}

static inline void answer(struct sw_history_read *read, const struct store *store)
{
    struct sw_history_entry entries[KEEPS];
    struct sw_buf raws[KEEPS] = {{0}};
    uint64_t from = read->from > store->first ? read->from : store->first;
    uint32_t count = 0;
    read->outcome = SW_READ_DONE;
    read->lineage = (struct sw_lineage){0};
    read->top = store->top;
    read->first = read->limit && store->top >= store->first ? store->first : 0;
    if (store->epoch >= 0) {
        epoch_name(store->epoch, &read->lineage.epoch);
        for (uint32_t i = 0; i < store->ends; i++) {
            epoch_name(store->lineage[i].epoch, &read->lineage.ends[i].epoch);
            read->lineage.ends[i].last = store->lineage[i].last;
        }
        read->lineage.count = (uint8_t)store->ends;
    }
    for (uint64_t offset = from; offset <= store->top && count < read->limit; offset++) {
        struct heard heard = {
            .epoch = store->epoch, .offset = offset, .number = store->numbers[offset]};
        put_envelope(&raws[count], &heard);
        entries[count] =
            (struct sw_history_entry){.offset = offset, .raw = sw_buf_slice(&raws[count])};
        count++;
    }
    read->count = count;
    read->entries = entries;
    read->done(read->context, read);
    for (uint32_t i = 0; i < count; i++) {
        sw_buf_deinit(&raws[i]);
    }
}

static inline bool node_answer_read(struct node *node)
{
    if (node->look_count == 0 || !node->looks[0].done) {
        return false;
    }
    struct look look = node->looks[0];
    node->look_count--;
    memmove(node->looks, node->looks + 1, node->look_count * sizeof(look));
    answer(look.read, &look.store);
    return true;
}

static inline bool node_bus(struct node *node)
{
    sw_bus_turn(node->bus);
    return false;
}

static inline void node_work(struct node *node, int at)
{
    (void)sw_inbox_drain(&node->workers[at].inbox);
    sw_sessions_turn(&node->workers[at].sessions);
}

static inline void node_block(struct node *node, int at, bool full)
{
    struct worker *worker = &node->workers[at];
    if (worker->full != full) {
        worker->full = full;
        size_t bytes = SW_INBOX_BYTES;
        if (full) {
            atomic_fetch_add(&worker->inbox.bytes, bytes);
        } else {
            atomic_fetch_sub(&worker->inbox.bytes, bytes);
        }
    }
}

/* ---- the sessions' way out ---- */

static inline size_t truth_head_size(size_t size)
{
    (void)size;
    return 4;
}

static inline char *truth_write_head(void *context, const struct sw_push *push, size_t size,
                                     char *out)
{
    (void)context, (void)push;
    uint32_t head = (uint32_t)size;
    memcpy(out, &head, 4);
    return out + 4;
}

static inline struct sw_slice truth_text(struct sw_slice frame)
{
    return sw_slice(frame.data + 4, frame.size - 4);
}

static const struct sw_framing truth_framing = {.name = "test",
                                                .head_size = truth_head_size,
                                                .write_head = truth_write_head,
                                                .text = truth_text};

static inline void truth_frame(struct sw_session *session, struct sw_slice text)
{
    uint32_t head = (uint32_t)text.size;
    sw_buf_append(&session->lane, &head, 4);
    sw_buf_append_slice(&session->lane, text);
}

static inline void truth_ping(struct sw_session *session)
{
    (void)session;
}

static inline void truth_close(struct sw_session *session, uint16_t code, struct sw_slice words)
{
    (void)code;
    truth_frame(session, words);
    session->close_heard = true;
}

static const struct sw_transport truth_transport = {.name = "test",
                                                    .open = SW_CONNECTION_WS_OPEN,
                                                    .closing = SW_CONNECTION_WS_CLOSING,
                                                    .frame = truth_frame,
                                                    .ping = truth_ping,
                                                    .close = truth_close,
                                                    .resume = truth_ping};

static inline void truth_on_post(void *role, struct sw_post *post)
{
    sw_sessions_on_post(&((struct worker *)role)->sessions, post);
}

#endif
