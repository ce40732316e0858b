// SPDX-License-Identifier: Apache-2.0
/* Clients over sockets, who keep what they hear. Each judges a frame when it reads it: an epoch
 * names one content, so what it hears at a position is right or wrong at once. */
#ifndef SW_TESTS_TRUTH_CLIENTS_H
#define SW_TESTS_TRUTH_CLIENTS_H

#include "truth_nodes.h"

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
    assert_int_equal(sw_conn_open(&session->conn, world->loop, fds[0], &events), 0);
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
        world->resumed++;
        return;
    }
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
    client->plain = !field(text, "offset", &offset);
    if (client->plain) {
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
    } else if (has(text, "\"type\":\"unsubscribed\"")) {
        client->unsubscribed = true;
    } else if (has(text, "\"type\":\"subscribed\"")) {
        client_on_subscribed(world, client, text);
    } else if (has(text, "\"type\":\"epoch\"")) {
        client_rename(world, client, epoch_field(world, text));
    } else if (has(text, "\"type\":\"reset\"")) {
        uint64_t offset = 0;
        assert_true(field(text, "offset", &offset));
        world->resets++;
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

#endif
