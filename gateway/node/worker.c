// SPDX-License-Identifier: Apache-2.0
#include "node/worker.h"

#include "api/assets.h"
#include "common/log.h"
#include "common/mem.h"
#include "protocol/encode.h"
#include "protocol/raw.h"
#include "session/guest.h"
#include "session/report.h"
#include "transport/sse_codec.h"
#include "transport/sse_request.h"
#include "transport/ws.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Room for a batch of SW_PUBLISH_BATCH small messages, or a few large ones. */
#define PUBLISH_BODY_BYTES (8u << 20)
/* Between two log lines about connections that came from no balancer, or said nothing sensible. */
#define COMPLAIN_MS 10000

void sw_note_send(struct sw_inbox *inbox, enum sw_node_post kind, uint64_t value)
{
    struct sw_note *note = sw_zalloc(sizeof(*note));
    note->post.kind = kind;
    note->value = value;
    sw_inbox_post(inbox, &note->post);
}

void sw_note_hold(const struct sw_note *note)
{
    struct timespec time = {.tv_sec = (time_t)(note->value / 1000),
                            .tv_nsec = (long)(note->value % 1000) * 1000000};
    nanosleep(&time, NULL);
}

enum sw_budget_step sw_purse_look(struct sw_purse *purse)
{
    if (sw_purse_refresh(purse)) {
        const struct sw_budget *budget = purse->budget;
        sw_log(purse->step == SW_BUDGET_EASY ? SW_LOG_INFO : SW_LOG_WARN, "budget_step",
               "step=%d used_bytes=%llu budget_bytes=%llu", (int)purse->step,
               (unsigned long long)sw_budget_lent(budget), (unsigned long long)budget->limit);
    }
    return purse->step;
}

/* ---- the public site ---- */

/* A proxy's connections are not counted as they come: its clients are, each by its own address. */
static bool is_proxy(const struct sw_worker *worker, const struct sw_peer *peer)
{
    return sw_networks_contain(&worker->config.addresses->trusted, peer);
}

/* False: replied, since this address has to wait so long. */
static bool is_in_time(struct sw_worker *worker, struct sw_http *http, uint32_t retry_ms)
{
    if (retry_ms) {
        sw_count(&worker->counters.refused_total[SW_REFUSED_ADDRESS], 1);
        sw_http_reply_error(http, SW_ERROR_RATE_LIMITED, "this address connects too often",
                            retry_ms, NULL);
    }
    return retry_ms == 0;
}

/* Who came without a proxy has been counted as it came. */
static uint32_t handshake_retry_ms(struct sw_worker *worker, struct sw_http *http)
{
    struct sw_peer peer = sw_session_peer(sw_session_of(sw_http_conn(http)));
    if (!is_proxy(worker, &peer)) {
        return 0;
    }
    struct sw_http_client client = sw_http_client(sw_http_conn(http));
    return sw_quota_knock(&worker->config.addresses->quota, &client.peer,
                          sw_loop_now_ms(worker->loop));
}

static void upgrade(struct sw_worker *worker, struct sw_http *http,
                    const struct sw_request *request, bool echo)
{
    if (is_in_time(worker, http, handshake_retry_ms(worker, http))) {
        sw_ws_upgrade(&worker->door, http, request, echo);
    }
}

static void on_ws(void *context, struct sw_http *http, const struct sw_request *request)
{
    upgrade(context, http, request, false);
}

static void on_echo(void *context, struct sw_http *http, const struct sw_request *request)
{
    upgrade(context, http, request, true);
}

/* A stream is an upgrade whose refusals an EventSource understands. */
static void on_sse(void *context, struct sw_http *http, const struct sw_request *request)
{
    struct sw_worker *worker = context;
    uint32_t retry_ms = handshake_retry_ms(worker, http);
    if (retry_ms) {
        sw_count(&worker->counters.refused_total[SW_REFUSED_ADDRESS], 1);
        sw_sse_put_off(http, retry_ms);
    } else {
        sw_sse_request(http, request,
                       sw_door_may_publish(&worker->door, sw_http_conn(http), request));
    }
}

static void drop_identity(void *kept)
{
    struct sw_identity *identity = kept;
    sw_identity_destroy(&identity);
}

/* Who publishes over HTTP, or asks for a stream, is known by the request's own token. Where this
 * turn has verified enough it waits for the next. A token that is no good counts as a handshake of
 * its address, or one connection would try as many as it likes. */
static bool admit_bearer(struct sw_worker *worker, struct sw_http *http,
                         const struct sw_request *request)
{
    struct sw_quota *quota = &worker->config.addresses->quota;
    struct sw_peer peer = sw_http_client(sw_http_conn(http)).peer;
    uint64_t now_ms = sw_loop_now_ms(worker->loop);
    struct sw_slice token = sw_door_token(request);
    struct sw_verdict verdict;
    if (!token.data) {
        sw_http_reply_error(http, SW_ERROR_UNAUTHORIZED, "a token is needed", 0, NULL);
        return false;
    }
    if (!is_in_time(worker, http, sw_quota_wait(quota, &peer, now_ms))) {
        return false;
    }
    if (sw_http_must_wait(http) || !sw_verifier_try_alone(&worker->verifier, token, &verdict)) {
        sw_http_hold(http);
        return false;
    }
    if (verdict.verdict != SW_TOKEN_GOOD) {
        bool expired = verdict.verdict == SW_TOKEN_EXPIRED;
        (void)sw_quota_knock(quota, &peer, now_ms);
        sw_http_reply_error(http, expired ? SW_ERROR_TOKEN_EXPIRED : SW_ERROR_UNAUTHORIZED,
                            sw_token_verdict_text(verdict.verdict), 0, NULL);
        return false;
    }
    sw_http_keep(http, verdict.identity, drop_identity);
    return true;
}

/* Before the body: who may not publish has none of it read. */
static bool guard_publish(void *context, struct sw_http *http, const struct sw_request *request)
{
    struct sw_worker *worker = context;
    const char *why = NULL;
    if (!sw_door_takes_token(&worker->door, http, request)) {
        return false;
    }
    if (!sw_door_origin_allowed(&worker->door, request)) {
        why = "this origin may not publish";
    } else if (!sw_door_may_publish(&worker->door, sw_http_conn(http), request) &&
               !sw_rules_grant_publish(worker->publisher.rules)) {
        why = "clients may not publish here (--client-publish)";
    }
    if (why) {
        sw_http_reply_error(http, SW_ERROR_FORBIDDEN, why, 0, NULL);
        return false;
    }
    return !worker->door.tokens || admit_bearer(worker, http, request);
}

/* There is no later moment for a token: a stream hears nothing. */
static bool guard_sse(void *context, struct sw_http *http, const struct sw_request *request)
{
    struct sw_worker *worker = context;
    if (!sw_door_takes_token(&worker->door, http, request)) {
        return false;
    }
    if (!sw_door_origin_allowed(&worker->door, request)) {
        sw_http_reply_error(http, SW_ERROR_FORBIDDEN, "this origin may not connect", 0, NULL);
        return false;
    }
    return !worker->door.tokens || admit_bearer(worker, http, request);
}

static void on_publish(void *context, struct sw_http *http, const struct sw_request *request)
{
    const struct sw_worker *worker = context;
    const struct sw_identity *identity = sw_http_kept(http);
    struct sw_permit permit = {
        .node = sw_door_may_publish(&worker->door, sw_http_conn(http), request),
        .grant = identity ? &identity->grant : NULL,
    };
    sw_api_publish(&worker->publisher, http, request, &permit);
}

/* Backends publish on the other listener. Where that is, is said on this machine alone. */
static void on_wrong_door(void *context, struct sw_http *http, const struct sw_request *request)
{
    (void)request;
    const struct sw_worker *worker = context;
    bool local = sw_http_client(sw_http_conn(http)).local;
    char message[160];
    snprintf(message, sizeof(message), "this is the admin listener's%s%s%s",
             local ? ": http://" : "", local ? worker->config.admin : "",
             local ? "/v1/topics/..." : "");
    sw_http_reply_error(http, SW_ERROR_NOT_FOUND, message, 0, NULL);
}

static void on_asset(void *context, struct sw_http *http, const struct sw_request *request)
{
    const struct sw_worker *worker = context;
    sw_api_asset(http, request, worker->config.config->demo);
}

static void on_http_closed(void *context, struct sw_conn *conn)
{
    (void)context;
    sw_session_free(sw_session_of(conn));
}

static const unsigned any_method = SW_GET | SW_HEAD | SW_POST | SW_METHOD_OTHER;

static void init_site(struct sw_worker *worker)
{
    const char *echo = worker->config.config->echo_path;
    unsigned n = 0;
    worker->routes[n++] = (struct sw_route){.methods = SW_GET, .path = "/v1/ws", .handle = on_ws};
    worker->routes[n++] = (struct sw_route){.methods = SW_GET | SW_HEAD,
                                            .path = SW_SSE_PATH,
                                            .cors = true,
                                            .guard = guard_sse,
                                            .handle = on_sse};
    worker->routes[n++] = (struct sw_route){.methods = SW_POST,
                                            .path = "/v1/publish",
                                            .cors = true,
                                            .max_body = PUBLISH_BODY_BYTES,
                                            .guard = guard_publish,
                                            .handle = on_publish};
    worker->routes[n++] = (struct sw_route){
        .methods = any_method, .path = "/v1/topics", .max_body = 65536, .handle = on_wrong_door};
    worker->routes[n++] = (struct sw_route){.methods = any_method,
                                            .path = "/v1/topics/",
                                            .prefix = true,
                                            .max_body = 65536,
                                            .handle = on_wrong_door};
    if (echo && echo[0]) {
        worker->routes[n++] = (struct sw_route){.methods = SW_GET, .path = echo, .handle = on_echo};
    }
    worker->routes[n++] = (struct sw_route){
        .methods = any_method, .path = "/", .prefix = true, .cors = true, .handle = on_asset};
    sw_http_held_init(&worker->held, worker->loop);
    worker->site = (struct sw_site){.routes = worker->routes,
                                    .held = &worker->held,
                                    .route_count = n,
                                    .context = worker,
                                    .loop = worker->loop,
                                    .counters = &worker->counters,
                                    .open = &worker->counters.connections[SW_CONNECTION_HTTP],
                                    .origins = worker->config.config->origin,
                                    .trusted = &worker->config.addresses->trusted,
                                    .on_closed = on_http_closed};
}

/* ---- accepting ---- */

static void refuse(struct sw_worker_listener *listener, int fd, enum sw_refusal why)
{
    struct sw_worker *worker = listener->worker;
    sw_count(&worker->counters.refused_total[why], 1);
    sw_refusals_answer(&worker->refusals, fd, why, listener->listen->tls);
}

/* Is there a token for one more? Balancers and tests on this machine come from loopback. */
static bool may_come_now(struct sw_worker *worker, const struct sw_address *peer)
{
    bool counts = sw_config_is_set(worker->config.config, SW_CONFIG_accept_rate) ||
                  !sw_address_is_loopback(peer);
    return !counts || sw_bucket_take(&worker->accepts, sw_loop_now_ms(worker->loop));
}

/* The connection of `client` becomes a session, if there is room for one. Where its address has as
 * many as it may, it is served once, and learns of it in words. */
static void admit(struct sw_worker_listener *listener, int fd, const struct sw_http_client *client)
{
    struct sw_worker *worker = listener->worker;
    struct sw_session *session = NULL;
    if (atomic_fetch_add(worker->config.connections, 1) < worker->config.max_sessions) {
        session = sw_session_create(&worker->sessions);
    }
    if (!session) {
        atomic_fetch_sub(worker->config.connections, 1);
        refuse(listener, fd, SW_REFUSED_FULL);
        return;
    }
    sw_count(&worker->counters.accepted_total, 1);
    sw_session_set_peer(session, &client->peer);
    bool room = is_proxy(worker, &client->peer) || sw_session_admit(session, &client->peer);
    if (sw_http_open(&worker->site, &session->conn, fd)) {
        sw_session_free(session);
        return;
    }
    sw_http_introduce(&session->conn, client);
    if (!room) {
        sw_http_finish(&session->conn);
    }
    if (listener->listen->tls) {
        sw_conn_start_tls(&session->conn, worker->tls);
    }
}

/* Does its address come too often? Trusted proxies come for others, who are known later. */
static bool comes_too_often(struct sw_worker *worker, const struct sw_peer *peer)
{
    return !is_proxy(worker, peer) &&
           sw_quota_knock(&worker->config.addresses->quota, peer, sw_loop_now_ms(worker->loop)) > 0;
}

/* ---- accepting on a listener for PROXY headers ---- */

/* Nobody is answered: whoever is at the other end does not expect HTTP of us. The operator is told
 * why, though not each time. */
static void turn_away(struct sw_worker *worker, int fd, enum sw_refusal refusal,
                      const struct sw_peer *peer, const char *why)
{
    uint64_t now = sw_loop_now_ms(worker->loop);
    sw_count(&worker->counters.refused_total[refusal], 1);
    close(fd);
    if (now >= worker->complain_at_ms) {
        char text[SW_ADDRESS_TEXT];
        worker->complain_at_ms = now + COMPLAIN_MS;
        sw_log(SW_LOG_WARN, "proxy_refused", "peer=%s why=\"%s\"", sw_peer_text(peer, text), why);
    }
}

/* A greeting counts as a connection while it lasts. */
static void greet(struct sw_worker_listener *listener, int fd, const struct sw_peer *peer)
{
    struct sw_worker *worker = listener->worker;
    if (atomic_fetch_add(worker->config.connections, 1) >= worker->config.max_sessions) {
        atomic_fetch_sub(worker->config.connections, 1);
        refuse(listener, fd, SW_REFUSED_FULL);
    } else if (sw_greeting_open(&worker->greetings, fd, peer, listener)) {
        atomic_fetch_sub(worker->config.connections, 1);
    }
}

static void on_greeted(struct sw_worker_listener *listener, const struct sw_greeting_end *end)
{
    struct sw_http_client client = {.peer = end->peer};
    if (end->named) {
        client = (struct sw_http_client){.peer = end->client,
                                         .known = true,
                                         .local = sw_peer_is_loopback(&end->peer) &&
                                                  sw_peer_is_loopback(&end->client)};
    }
    if (comes_too_often(listener->worker, &client.peer)) {
        refuse(listener, end->fd, SW_REFUSED_ADDRESS);
    } else {
        admit(listener, end->fd, &client);
    }
}

static void on_greeting_end(void *owner, const struct sw_greeting_end *end)
{
    struct sw_worker_listener *listener = owner;
    struct sw_worker *worker = listener->worker;
    atomic_fetch_sub(worker->config.connections, 1);
    switch (end->outcome) {
    case SW_GREETED:
        on_greeted(listener, end);
        break;
    case SW_GREETING_BAD:
        turn_away(worker, end->fd, SW_REFUSED_PROXY_HEADER, &end->peer, end->why);
        break;
    case SW_GREETING_LEFT:
        close(end->fd);
        break;
    }
    sw_worker_check_drained(worker);
}

/* ---- all listeners ---- */

/* What one address takes too much of is refused before it can use up what all share. */
static void on_accept(void *owner, int fd, const struct sw_address *address)
{
    struct sw_worker_listener *listener = owner;
    struct sw_worker *worker = listener->worker;
    bool proxy = listener->listen->proxy;
    struct sw_peer peer = sw_peer_of(address);
    if (proxy && !is_proxy(worker, &peer)) {
        turn_away(worker, fd, SW_REFUSED_UNTRUSTED, &peer, "it is in no --trusted-proxy");
    } else if (!proxy && comes_too_often(worker, &peer)) {
        refuse(listener, fd, SW_REFUSED_ADDRESS);
    } else if (sw_purse_look(&worker->purse) == SW_BUDGET_FULL) {
        refuse(listener, fd, SW_REFUSED_BUDGET);
    } else if (!may_come_now(worker, address)) {
        refuse(listener, fd, SW_REFUSED_RATE);
    } else if (proxy) {
        greet(listener, fd, &peer);
    } else {
        struct sw_http_client client = {
            .peer = peer, .known = true, .local = sw_peer_is_loopback(&peer)};
        admit(listener, fd, &client);
    }
}

int sw_worker_listen(struct sw_worker *worker)
{
    const struct sw_worker_config *config = &worker->config;
    /* later than the session's own look, which knows why and says so */
    unsigned user_timeout_ms = (unsigned)(config->config->stall_ms + config->config->ping_ms);
    SW_ASSERT(config->listen_count <= SW_LISTENERS);
    for (unsigned i = 0; i < config->listen_count; i++) {
        struct sw_worker_listener *listener = &worker->listeners[i];
        *listener = (struct sw_worker_listener){.worker = worker, .listen = &config->listens[i]};
        int status = sw_listener_open(&listener->socket, worker->loop, &listener->listen->address,
                                      user_timeout_ms, on_accept, listener);
        if (status) {
            return status;
        }
    }
    return 0;
}

/* ---- the role ---- */

static void on_note(struct sw_worker *worker, const struct sw_note *note)
{
    switch ((enum sw_node_post)note->post.kind) {
    case SW_POST_DRAIN:
        sw_worker_drain(worker);
        return;
    case SW_POST_STOP_BUS: /* the bus lives on this loop */
        sw_bus_stop(worker->bus);
        sw_note_send(worker->main, SW_POST_BUS_STOPPED, 0);
        return;
    case SW_POST_QUIT:
        sw_loop_stop(worker->loop);
        return;
    case SW_POST_HOLD:
        sw_note_hold(note);
        return;
    case SW_POST_DRAINED:
    case SW_POST_BUS_STOPPED:
    case SW_POST_KEYS: /* are no notes */
    case SW_POST_TLS:
        SW_UNREACHABLE();
    }
}

void sw_worker_set_keys(struct sw_worker *worker, struct sw_keyring *keys)
{
    struct sw_keys_post *post = sw_zalloc(sizeof(*post));
    post->post.kind = SW_POST_KEYS;
    post->keys = sw_keyring_ref(keys);
    sw_inbox_post(&worker->inbox, &post->post);
}

static void on_keys(struct sw_worker *worker, struct sw_keys_post *post)
{
    SW_ASSERT(worker->door.tokens);
    sw_verifier_set_keys(&worker->verifier, post->keys);
    sw_keyring_unref(&post->keys);
    sw_free(post);
}

/* A certificate on its way to a worker. */
struct tls_post {
    struct sw_post post;
    struct sw_tls_context *context;
};

void sw_worker_set_tls(struct sw_worker *worker, struct sw_tls_context *context)
{
    struct tls_post *post = sw_zalloc(sizeof(*post));
    post->post.kind = SW_POST_TLS;
    post->context = sw_tls_context_ref(context);
    sw_inbox_post(&worker->inbox, &post->post);
}

static void on_tls(struct sw_worker *worker, struct tls_post *post)
{
    sw_tls_set_context(worker->tls, post->context);
    sw_free(post);
}

static void on_post(void *role, struct sw_post *post)
{
    struct sw_worker *worker = role;
    if (post->kind == SW_POST_REPORT) {
        sw_sessions_report(&worker->sessions, SW_CONTAINER_OF(post, struct sw_report, post));
        return;
    }
    if (post->kind < SW_POST_NODE) {
        sw_sessions_on_post(&worker->sessions, post);
        return;
    }
    if (post->kind == SW_POST_KEYS) {
        on_keys(worker, SW_CONTAINER_OF(post, struct sw_keys_post, post));
        return;
    }
    if (post->kind == SW_POST_TLS) {
        on_tls(worker, SW_CONTAINER_OF(post, struct tls_post, post));
        return;
    }
    struct sw_note *note = SW_CONTAINER_OF(post, struct sw_note, post);
    on_note(worker, note);
    sw_free(note);
}

static void on_turn(void *owner)
{
    struct sw_worker *worker = owner;
    bool more = sw_inbox_drain(&worker->inbox);
    sw_sessions_turn(&worker->sessions);
    more = sw_sessions_report_turn(&worker->sessions) || more;
    enum sw_budget_step step = sw_purse_look(&worker->purse);
    sw_fanout_relieve(&worker->sessions.fanout, step);
    if (step != SW_BUDGET_EASY) {
        sw_block_pool_trim(&worker->sessions.fanout.pool);
    }
    if (more || sw_sessions_busy(&worker->sessions)) {
        sw_loop_stay_awake(worker->loop);
    }
}

static void on_session_free(void *owner)
{
    struct sw_worker *worker = owner;
    atomic_fetch_sub(worker->config.connections, 1);
    sw_worker_check_drained(worker);
}

/* Blocks kept for the next burst: of all workers a sixteenth of the budget. A worker that sleeps
 * keeps them also while memory is tight. */
static uint32_t kept_bytes(const struct sw_worker *worker)
{
    uint64_t share = worker->config.budget->limit / 16 / worker->config.workers;
    return share < UINT32_MAX ? (uint32_t)share : UINT32_MAX;
}

static void init_sessions(struct sw_worker *worker)
{
    const struct sw_config *config = worker->config.config;
    struct sw_sessions_config sessions = {
        .worker = worker->config.id,
        .max_sessions = worker->config.max_sessions,
        .max_message_bytes = (uint32_t)config->max_message_bytes,
        .marks = {.low_bytes = (uint32_t)config->queue_low_bytes,
                  .high_bytes = (uint32_t)config->queue_high_bytes,
                  .high_messages = (uint32_t)config->queue_high_messages,
                  .max_bytes = (uint32_t)config->max_queued_bytes},
        .rules = &config->rules,
        .ping_ms = (uint32_t)config->ping_ms,
        .pong_ms = (uint32_t)config->pong_ms,
        .stall_ms = (uint32_t)config->stall_ms,
        .linger_ms = (uint32_t)config->linger_ms,
        .client_messages = (uint32_t)config->client_messages,
        .client_bytes = (uint32_t)config->client_bytes,
        .max_patterns = (uint32_t)config->max_patterns,
        .pending_replies = (uint32_t)config->pending_replies,
        .message_ms = (uint32_t)config->message_ms,
        .unfinished_messages = (uint32_t)config->unfinished_messages,
        .separator = config->topic_separator[0],
        .node = worker->config.node,
    };
    worker->codec = sw_ws_codec_create();
    worker->framing = sw_ws_framing(worker->codec);
    worker->encodings[SW_ENCODING_WS] =
        (struct sw_encoding){.language = &sw_native_language, .framing = &worker->framing};
    worker->raw_framing = sw_ws_raw_framing(worker->codec);
    worker->encodings[SW_ENCODING_RAW] =
        (struct sw_encoding){.language = &sw_raw_language, .framing = &worker->raw_framing};
    worker->encodings[SW_ENCODING_SSE] =
        (struct sw_encoding){.language = &sw_native_language, .framing = &sw_sse_framing};
    sw_ws_packer_init(&worker->packer, worker->codec, config->compress_min_bytes,
                      &worker->counters);
    worker->packed_framing = sw_ws_packed_framing(&worker->packer);
    worker->encodings[SW_ENCODING_WS_DEFLATE] =
        (struct sw_encoding){.language = &sw_native_language, .framing = &worker->packed_framing};
    sw_sessions_init(&worker->sessions, &sessions, worker->loop, worker->bus, &worker->inbox,
                     worker->encodings, &worker->counters);
    sw_purse_init(&worker->purse, worker->config.budget, worker->counters.budget_used_bytes);
    worker->sessions.fanout.pool.purse = &worker->purse;
    worker->sessions.fanout.pool.keep_bytes = kept_bytes(worker);
    worker->sessions.codecs = worker->codec;
    if (worker->config.tls) {
        worker->tls = sw_tls_create(worker->loop, sw_tls_context_ref(worker->config.tls),
                                    &worker->counters, &worker->purse);
    }
    worker->sessions.quota = &worker->config.addresses->quota;
    worker->sessions.on_free = on_session_free;
    worker->sessions.owner = worker;
    if (worker->config.keys) {
        sw_verifier_init(&worker->verifier, worker->config.keys, worker->loop, &worker->counters,
                         sw_sessions_on_verdict, &worker->sessions);
        worker->sessions.verifier = &worker->verifier;
    }
}

void sw_worker_init(struct sw_worker *worker, const struct sw_worker_config *config,
                    struct sw_loop *loop, struct sw_bus *bus, struct sw_inbox *main)
{
    const struct sw_config *settings = config->config;
    *worker = (struct sw_worker){.config = *config, .loop = loop, .bus = bus, .main = main};
    int status = sw_inbox_init(&worker->inbox, loop, on_post, worker);
    SW_ASSERT(status == 0);
    init_sessions(worker);
    worker->door =
        (struct sw_door){.origins = settings->origin,
                         .publish_set = sw_config_is_set(settings, SW_CONFIG_client_publish),
                         .publish = settings->client_publish,
                         .tokens = config->keys != NULL};
    worker->publisher =
        (struct sw_publisher){.bus = bus, .inbox = &worker->inbox, .rules = &settings->rules};
    uint64_t rate = settings->accept_rate * 1000 / config->workers;
    sw_bucket_init(&worker->accepts, rate, sw_loop_now_ms(loop));
    sw_refusals_init(&worker->refusals, loop, &worker->sessions.random, rate,
                     config->addresses->trusted.count > 0);
    sw_greetings_init(&worker->greetings, loop, on_greeting_end);
    init_site(worker);
    sw_bus_add_worker(bus, &worker->inbox);
    worker->turn = (struct sw_turn){.run = on_turn, .owner = worker};
    sw_loop_add_turn(loop, &worker->turn);
}

void sw_worker_deinit(struct sw_worker *worker)
{
    sw_inbox_deinit(&worker->inbox);
    for (unsigned i = 0; i < SW_LISTENERS; i++) {
        sw_listener_close(&worker->listeners[i].socket);
    }
    sw_greetings_close(&worker->greetings);
    sw_refusals_deinit(&worker->refusals);
    if (worker->config.keys) {
        sw_verifier_deinit(&worker->verifier);
    }
    sw_sessions_deinit(&worker->sessions);
    sw_tls_destroy(&worker->tls);
    sw_ws_packer_deinit(&worker->packer);
    sw_ws_codec_destroy(&worker->codec);
}
