// SPDX-License-Identifier: Apache-2.0
/* Two nodes on the servers of truth_servers.h, each a bus and two workers as they are, and clients
 * over sockets. Whatever waits (a subscription, what a link carries, a read, an inbox, a socket)
 * waits until the test moves it on, in any order. A client judges each frame when it reads it: an
 * epoch names one content, so what it hears at a position is right or wrong at once. */
#ifndef SW_TESTS_TRUTH_WORLD_H
#define SW_TESTS_TRUTH_WORLD_H

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
    uint64_t replay_to; /* until then each message follows the last */
    bool subscribed;    /* in this session */
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

static inline char *truth_write_head(void *context, size_t size, char *out)
{
    (void)context;
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

static inline void truth_on_read(struct sw_conn *conn, const char *data, size_t size)
{
    (void)conn, (void)data, (void)size;
}

static inline void truth_on_end(struct sw_conn *conn, int status)
{
    (void)status;
    sw_session_lost(sw_session_of(conn));
}

static inline void truth_on_closed(struct sw_conn *conn)
{
    sw_session_closed(sw_session_of(conn));
}

static const struct sw_conn_events truth_conn_events = {
    .on_read = truth_on_read, .on_end = truth_on_end, .on_closed = truth_on_closed};

static inline void truth_on_post(void *role, struct sw_post *post)
{
    sw_sessions_on_post(&((struct worker *)role)->sessions, post);
}

/* ---- clients ---- */

static inline struct sw_session *client_session(struct world *world, const struct client *client)
{
    return sw_session_named(&world->nodes[client->node].workers[client->worker].sessions,
                            client->name);
}

static inline void client_subscribe(struct world *world, struct client *client)
{
    struct sw_session *session = client->node < 0 ? NULL : client_session(world, client);
    struct sw_buf text = {0};
    struct sw_epoch epoch = {0};
    if (!session) {
        return;
    }
    if (client->epoch >= 0) {
        epoch_name(client->epoch, &epoch);
    }
    sw_buf_printf(&text, "{\"type\":\"subscribe\",\"id\":1,\"topic\":\"" TOPIC "\",\"mode\":\"%s\"",
                  sw_mode_word(client->mode));
    if (client->seen && client->mode == SW_MODE_ALL) {
        sw_buf_printf(&text, ",\"from\":{\"epoch\":\"%.*s\",\"offset\":%llu}",
                      SW_SLICE_ARG(sw_epoch_text(&epoch)), (unsigned long long)client->offset);
    }
    sw_buf_append_slice(&text, SW_SLICE("}"));
    client->asked = true;
    client->subscribed = false;
    sw_session_receive(session, sw_buf_slice(&text));
    sw_buf_deinit(&text);
}

static inline void client_come(struct world *world, struct client *client, int node, int worker)
{
    struct sw_sessions *all = &world->nodes[node].workers[worker].sessions;
    struct sw_session *session = sw_session_create(all);
    int room = 4608;
    int fds[2];
    if (!session) {
        return;
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    assert_int_equal(sw_conn_open(&session->conn, world->loop, fds[0], &truth_conn_events), 0);
    client->node = node;
    client->worker = worker;
    client->fd = fds[1];
    sw_buf_clear(&client->got);
    sw_session_open(session, &truth_transport, &(struct sw_arrival){0});
    client->name = sw_session_name(session);
    client_subscribe(world, client);
}

static inline void client_leave(struct client *client)
{
    if (client->node >= 0) {
        close(client->fd);
        client->node = -1;
        client->subscribed = false;
        client->asked = false;
    }
}

/* ---- what a client hears ---- */

static inline bool field(const char *text, const char *name, uint64_t *number)
{
    char key[32];
    snprintf(key, sizeof(key), "\"%s\":", name);
    const char *at = strstr(text, key);
    if (at) {
        *number = strtoull(at + strlen(key), NULL, 10);
    }
    return at != NULL;
}

/* Which of ours; -1: "0". */
static inline int epoch_field(struct world *world, const char *text)
{
    const char *at = strstr(text, "\"epoch\":\"");
    assert_non_null(at);
    at += strlen("\"epoch\":\"");
    struct sw_slice name = sw_slice(at, strcspn(at, "\""));
    return sw_slice_equal(name, SW_SLICE("0")) ? -1 : epoch_index(&world->servers, name);
}

static inline bool has(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

/* Is what it holds, up to its position, the content of that epoch? */
static inline bool agrees(const struct world *world, const struct client *client, int epoch)
{
    if (epoch < 0 || client->offset > world->servers.epochs[epoch].top) {
        return epoch < 0 && client->offset == 0;
    }
    for (uint64_t at = 1; at <= client->offset; at++) {
        if (client->held[at] != world->servers.epochs[epoch].numbers[at] && !client->told[at]) {
            return false;
        }
    }
    return true;
}

#define CLIENT_FAILS(world, client, ...)                                                           \
    do {                                                                                           \
        print_error("seed %llu: client %d: ", (unsigned long long)(world)->seed,                   \
                    (int)((client) - (world)->clients));                                           \
        print_error(__VA_ARGS__);                                                                  \
        fail();                                                                                    \
    } while (0)

/* It fetches the state that belongs to the position, and goes on there. */
static inline void client_rebase(struct world *world, struct client *client, int epoch,
                                 uint64_t offset, bool anew)
{
    if (anew && client->seen && agrees(world, client, epoch)) {
        world->needless++;
        if (world->lossless) {
            CLIENT_FAILS(world, client, "begins anew at e%d:%llu, though nothing was lost\n", epoch,
                         (unsigned long long)offset);
        }
    }
    memset(client->held, 0, sizeof(client->held));
    memset(client->told, 0, sizeof(client->told));
    if (epoch < 0 ? offset != 0 : offset > world->servers.epochs[epoch].top) {
        CLIENT_FAILS(world, client, "told a position that never was: e%d:%llu\n", epoch,
                     (unsigned long long)offset);
    }
    for (uint64_t at = 1; at <= offset; at++) {
        client->held[at] = world->servers.epochs[epoch].numbers[at];
    }
    client->epoch = epoch;
    client->offset = offset;
    client->seen = true;
}

static inline void client_rename(struct world *world, struct client *client, int epoch)
{
    if (epoch != client->epoch && !agrees(world, client, epoch)) {
        CLIENT_FAILS(world, client, "e%d is said to be the stream of e%d, at %llu\n", epoch,
                     client->epoch, (unsigned long long)client->offset);
    }
    client->epoch = epoch;
}

static inline void client_on_subscribed(struct world *world, struct client *client,
                                        const char *text)
{
    uint64_t offset = 0;
    client->asked = false;
    if (has(text, "\"error\"")) {
        return; /* it asks again */
    }
    client->subscribed = true;
    int epoch = epoch_field(world, text);
    assert_true(field(text, "offset", &offset));
    if (has(text, "\"resumed\":true")) {
        uint64_t replay = 0;
        (void)field(text, "replay", &replay);
        client_rename(world, client, epoch);
        assert_int_equal(client->offset + replay, offset);
        client->replay_to = offset;
        world->resumed++;
        return;
    }
    client->replay_to = 0;
    if (has(text, "\"resumed\":false")) {
        bool why_epoch = has(text, "\"why\":\"epoch\"");
        assert_true(why_epoch || has(text, "\"why\":\"trimmed\""));
        client_rebase(world, client, epoch, offset, why_epoch);
        return;
    }
    client_rebase(world, client, epoch, offset, false);
}

static inline void client_on_message(struct world *world, struct client *client, const char *text)
{
    uint64_t offset;
    uint64_t number = 0;
    assert_true(client->subscribed);
    assert_true(field(text, "n", &number));
    if (!field(text, "offset", &offset)) {
        return;
    }
    if (offset <= client->offset) {
        CLIENT_FAILS(world, client, "%llu twice, it is at %llu\n", (unsigned long long)offset,
                     (unsigned long long)client->offset);
    }
    if (offset != client->offset + 1 && client->mode == SW_MODE_ALL) {
        CLIENT_FAILS(world, client, "%llu after %llu, and nothing told\n",
                     (unsigned long long)offset, (unsigned long long)client->offset);
    }
    int right = client->epoch < 0 ? 0 : world->servers.epochs[client->epoch].numbers[offset];
    if ((int)number != right) {
        CLIENT_FAILS(world, client, "%llu at e%d:%llu, which is %d\n", (unsigned long long)number,
                     client->epoch, (unsigned long long)offset, right);
    }
    while (++client->offset < offset) {
        client->told[client->offset] = true; /* by a count */
    }
    client->held[offset] = (int)number;
}

static inline void client_on_dropped(struct world *world, struct client *client, const char *text)
{
    uint64_t from;
    uint64_t to = 0;
    if (!field(text, "from", &from)) {
        return;
    }
    assert_true(field(text, "to", &to) && to >= from);
    if (from != client->offset + 1 && client->mode == SW_MODE_ALL) {
        CLIENT_FAILS(world, client, "told from %llu, it is at %llu\n", (unsigned long long)from,
                     (unsigned long long)client->offset);
    }
    if (client->replay_to >= from) {
        CLIENT_FAILS(world, client, "told %llu within its replay\n", (unsigned long long)from);
    }
    while (client->offset < to) {
        client->told[++client->offset] = true;
    }
    client->epoch = epoch_field(world, text);
    assert_true(client->epoch >= 0);
}

static inline void client_on_frame(struct world *world, struct client *client, const char *text)
{
    world->frames++;
    if (has(text, "\"type\":\"msg\"")) {
        client_on_message(world, client, text);
    } else if (has(text, "\"type\":\"dropped\"")) {
        client_on_dropped(world, client, text);
    } else if (has(text, "\"type\":\"subscribed\"")) {
        client_on_subscribed(world, client, text);
    } else if (has(text, "\"type\":\"epoch\"")) {
        client_rename(world, client, epoch_field(world, text));
    } else if (has(text, "\"type\":\"reset\"")) {
        uint64_t offset = 0;
        assert_true(field(text, "offset", &offset));
        world->resets++;
        client->replay_to = 0;
        client_rebase(world, client, epoch_field(world, text), offset, true);
    }
}

/* Reads up to `size` bytes, and hears the whole frames. */
static inline bool client_read(struct world *world, struct client *client, size_t size)
{
    if (client->node < 0) {
        return false;
    }
    ssize_t n = read(client->fd, sw_buf_reserve(&client->got, size), size);
    if (n == 0) { /* the node has ended it */
        client_leave(client);
        return true;
    }
    if (n < 0) {
        return false;
    }
    client->got.size += (size_t)n;
    size_t at = 0;
    uint32_t frame;
    while (client->got.size - at >= 4) {
        memcpy(&frame, client->got.data + at, 4);
        if (client->got.size - at - 4 < frame) {
            break;
        }
        char *text = sw_strndup(client->got.data + at + 4, frame);
        at += 4 + frame;
        client_on_frame(world, client, text);
        sw_free(text);
    }
    sw_buf_consume(&client->got, at);
    return true;
}

/* ---- the world ---- */

static inline void world_emit(void *context, int server, int epoch, uint64_t offset, int number)
{
    struct world *world = context;
    for (int i = 0; i < NODES; i++) {
        struct node *node = &world->nodes[i];
        if (node->server == server && node->subscribed) {
            node_carry(node, (struct heard){.epoch = epoch, .offset = offset, .number = number});
        }
    }
}

static inline void world_cut(void *context, int server)
{
    struct world *world = context;
    for (int i = 0; i < NODES; i++) {
        if (world->nodes[i].server == server) {
            node_cut(&world->nodes[i]);
        }
    }
}

static inline void world_turn(struct world *world)
{
    uv_run(&world->loop->uv, UV_RUN_NOWAIT);
}

static inline void world_pass(struct world *world, uint64_t ms)
{
    now_ns += ms * 1000000;
    uv_update_time(&world->loop->uv);
    world_turn(world);
}

static inline void node_init(struct world *world, int at)
{
    struct node *node = &world->nodes[at];
    char name[8];
    snprintf(name, sizeof(name), "n%d", at);
    node->world = world;
    node->server = -1;
    node->link = calloc(LINK, sizeof(*node->link));
    node->bus = sw_bus_create(world->loop,
                              &(struct sw_bus_config){.url = "memory",
                                                      .prefix = "",
                                                      .node = name,
                                                      .separator = '.',
                                                      .max_message_bytes = 262144,
                                                      .rules = &world->rules,
                                                      .backend = truth_backend,
                                                      .backend_context = node,
                                                      .unsubscribe_delay_ms = 20},
                              &node->counters);
    for (int i = 0; i < WORKERS; i++) {
        struct worker *worker = &node->workers[i];
        assert_int_equal(sw_inbox_init(&worker->inbox, world->loop, truth_on_post, worker), 0);
        sw_sessions_init(&worker->sessions,
                         &(struct sw_sessions_config){.worker = (uint32_t)i,
                                                      .max_sessions = SESSIONS,
                                                      .max_message_bytes = 262144,
                                                      .rules = &world->rules,
                                                      .marks = {.low_bytes = 400,
                                                                .high_bytes = 1200,
                                                                .high_messages = 20,
                                                                .max_bytes = 4096},
                                                      .ping_ms = 1u << 30,
                                                      .pong_ms = 1u << 30,
                                                      .stall_ms = 1u << 30,
                                                      .linger_ms = 100,
                                                      .separator = '.',
                                                      .node = "n"},
                         world->loop, node->bus, &worker->inbox, world->encodings, &node->counters);
        sw_bus_add_worker(node->bus, &worker->inbox);
    }
    sw_bus_start(node->bus);
}

static inline void world_init(struct world *world, uint64_t seed, bool lossless)
{
    *world = (struct world){.loop = sw_loop_create(), .seed = seed, .lossless = lossless};
    servers_init(&world->servers);
    world->servers.emit = world_emit;
    world->servers.cut = world_cut;
    world->servers.context = world;
    sw_rules_init(&world->rules);
    assert_true(sw_rules_add(&world->rules, &(struct sw_rule){.match = SW_SLICE("h.>"),
                                                              .mode = SW_MODE_ALL,
                                                              .modes_allowed = SW_MODES_CHOICE,
                                                              .client_publish = -1,
                                                              .history_size = 12,
                                                              .history_ttl_ms = 3600000}));
    sw_rules_settle(&world->rules, '.', 262144);
    for (size_t i = 0; i < SW_ARRAY_SIZE(world->encodings); i++) {
        world->encodings[i] =
            (struct sw_encoding){.language = &sw_native_language, .framing = &truth_framing};
    }
    for (int i = 0; i < NODES; i++) {
        node_init(world, i);
        node_connect(&world->nodes[i], 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        world->clients[i] = (struct client){
            .node = -1, .epoch = -1, .mode = i == CLIENTS - 1 ? SW_MODE_LATEST : SW_MODE_ALL};
    }
}

static inline void world_deinit(struct world *world)
{
    for (int i = 0; i < CLIENTS; i++) {
        client_leave(&world->clients[i]);
        sw_buf_deinit(&world->clients[i].got);
    }
    for (int i = 0; i < NODES; i++) {
        for (int w = 0; w < WORKERS; w++) {
            node_block(&world->nodes[i], w, false);
        }
    }
    for (int turn = 0; turn < 20; turn++) {
        for (int i = 0; i < NODES; i++) {
            while (node_answer_away(&world->nodes[i])) {
            }
            node_bus(&world->nodes[i]);
            node_work(&world->nodes[i], 0);
            node_work(&world->nodes[i], 1);
        }
        world_pass(world, 50);
    }
    for (int i = 0; i < NODES; i++) {
        struct node *node = &world->nodes[i];
        assert_int_equal(sw_counter_read(&node->counters.behind), 0);
        assert_int_equal(sw_counter_read(&node->counters.queued_bytes), 0);
        assert_int_equal(sw_counter_read(&node->counters.subscriptions), 0);
        node_cut(node);
        while (node_answer_away(node)) {
        }
        sw_bus_stop(node->bus);
        for (int w = 0; w < WORKERS; w++) {
            (void)sw_inbox_drain(&node->workers[w].inbox);
            sw_inbox_deinit(&node->workers[w].inbox);
            sw_sessions_deinit(&node->workers[w].sessions);
        }
        sw_bus_destroy(&node->bus);
        free(node->link);
    }
    sw_rules_deinit(&world->rules);
    servers_deinit(&world->servers);
    sw_loop_destroy(&world->loop);
}

#endif
