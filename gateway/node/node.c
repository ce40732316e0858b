// SPDX-License-Identifier: Apache-2.0
/* Main's role. With one worker the bus lives on that worker's loop (a small pod is one core: no
 * hop, no context switch per message); with more it has a thread of its own, so that a busy worker
 * never delays reading Redis.
 *
 * The end, in order: workers drain and say so; the bus stops and says so; all loops are told to
 * quit, their threads are joined, and everything is freed. */
#include "node/node.h"

#include "common/log.h"
#include "common/mem.h"
#include "node/addresses.h"
#include "node/admin.h"
#include "node/demo_feed.h"
#include "node/leave.h"
#include "node/plan.h"
#include "node/reload.h"
#include "node/tls.h"
#include "node/token_keys.h"
#include "node/version.h"
#include "node/watch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define NODE_ID_BYTES 8

/* A loop and the thread that turns it. */
struct thread {
    struct sw_loop *loop;
    pthread_t id;
    char role[16];
};

struct sw_node {
    const struct sw_config *config;
    char id[NODE_ID_BYTES + 1];
    struct sw_loop *loop;
    struct sw_inbox inbox;
    struct sw_turn turn;
    struct sw_counters counters;
    struct sw_token_keys token_keys;
    struct sw_budget budget;
    struct sw_purse purse; /* main's own look at it */
    struct sw_addresses addresses;
    struct sw_admin admin;
    struct sw_demo_feed demo;
    struct sw_reload reload;
    struct sw_leave leave;
    struct sw_watch watch;
    struct sw_node_tls tls;
    uv_signal_t signals[3];

    struct sw_listen listen[SW_LISTENERS];
    int claims[SW_LISTENERS + 1]; /* the last is the admin's; -1: none */
    unsigned listen_count;
    struct sw_address admin_address;
    char admin_text[SW_ADDRESS_TEXT];

    struct sw_bus *bus;
    struct sw_counters bus_counters;
    struct sw_turn bus_turn;
    struct sw_turn bus_settle;
    struct sw_inbox bus_control; /* where the bus has a loop of its own */

    unsigned worker_count;
    struct sw_worker *workers;
    struct sw_inbox **worker_inboxes;
    uint32_t *asked; /* of each role: reports that are not back */
    unsigned thread_count;
    struct thread *threads; /* workers', then the bus's where it has one */
    const struct sw_counters **blocks;

    _Atomic uint32_t connections;
    uint32_t max_connections;
    unsigned drained;
    bool signalled; /* asked by a signal to leave: the second one ends it at once */
    bool serving;
};

static bool bus_has_thread(const struct sw_node *node)
{
    return node->worker_count > 1;
}

/* ---- what the admin side asks ---- */

static enum sw_readiness readiness(struct sw_node *node)
{
    if (node->leave.phase != SW_LEAVE_NOT) {
        return SW_DRAINING;
    }
    if (!sw_bus_ever_up(node->bus)) {
        return SW_STARTING;
    }
    bool full = atomic_load(&node->connections) >= node->max_connections ||
                sw_purse_look(&node->purse) == SW_BUDGET_FULL;
    if (node->config->ready_bus && node->watch.bus.away) {
        return SW_STALE;
    }
    return full ? SW_FULL : SW_READY;
}

static void measure(struct sw_node *node)
{
    struct sw_counters *counters = &node->counters;
    sw_gauge_set(&counters->budget_step, (int64_t)sw_purse_look(&node->purse));
    sw_gauge_set(&counters->ready, readiness(node) == SW_READY);
    sw_gauge_set(&counters->tls_expires_timestamp_seconds,
                 node->tls.context ? sw_tls_context_ends(node->tls.context) : 0);
}

static bool bus_up(struct sw_node *node)
{
    return sw_bus_is_up(node->bus);
}

static bool live(struct sw_node *node, struct sw_buf *answer)
{
    return sw_watch_tell(&node->watch, answer);
}

static void drain_workers(void *owner)
{
    struct sw_node *node = owner;
    for (unsigned i = 0; i < node->worker_count; i++) {
        sw_note_send(&node->workers[i].inbox, SW_POST_DRAIN, 0);
    }
}

/* Asked again, it says how far it is. */
static void drain(struct sw_node *node, struct sw_buf *answer)
{
    sw_leave_start(&node->leave, false);
    sw_leave_tell(&node->leave, answer);
}

static bool reload(struct sw_node *node, struct sw_buf *answer)
{
    bool ok = sw_reload_run(&node->reload, answer);
    sw_count(&node->counters.reload_failures_total, ok ? 0 : 1);
    return ok;
}

static bool hold(struct sw_node *node, uint64_t worker, uint64_t ms)
{
    if (worker >= node->thread_count) {
        return false;
    }
    bool bus = worker == node->worker_count;
    sw_note_send(bus ? &node->bus_control : &node->workers[worker].inbox, SW_POST_HOLD, ms);
    return true;
}

/* ---- main's inbox ---- */

static void quit_all(struct sw_node *node)
{
    for (unsigned i = 0; i < node->worker_count; i++) {
        sw_note_send(&node->workers[i].inbox, SW_POST_QUIT, 0);
    }
    if (bus_has_thread(node)) {
        sw_note_send(&node->bus_control, SW_POST_QUIT, 0);
    }
    sw_loop_stop(node->loop);
}

static void stop_bus(struct sw_node *node)
{
    sw_leave_done(&node->leave, node->blocks);
    sw_demo_feed_stop(&node->demo);
    struct sw_inbox *bus = bus_has_thread(node) ? &node->bus_control : &node->workers[0].inbox;
    sw_note_send(bus, SW_POST_STOP_BUS, 0);
}

static void on_note(struct sw_node *node, const struct sw_note *note)
{
    switch ((enum sw_node_post)note->post.kind) {
    case SW_POST_DRAINED:
        if (++node->drained == node->worker_count) {
            stop_bus(node);
        }
        return;
    case SW_POST_BUS_STOPPED:
        quit_all(node);
        return;
    case SW_POST_DRAIN:
    case SW_POST_STOP_BUS:
    case SW_POST_QUIT:
    case SW_POST_HOLD:
    case SW_POST_KEYS:
    case SW_POST_TLS:
        SW_UNREACHABLE();
    }
}

static void on_post(void *role, struct sw_post *post)
{
    if (post->kind == SW_POST_PUBLISH) {
        struct sw_publish *publish = SW_CONTAINER_OF(post, struct sw_publish, post);
        publish->done(publish->context, publish);
        return;
    }
    if (post->kind == SW_POST_LOOKUP) {
        struct sw_lookup *lookup = SW_CONTAINER_OF(post, struct sw_lookup, post);
        lookup->done(lookup->context, lookup);
        return;
    }
    if (post->kind == SW_POST_REPORT) {
        struct sw_report *report = SW_CONTAINER_OF(post, struct sw_report, post);
        report->done(report->context, report);
        return;
    }
    if (post->kind == SW_POST_NOTICE) {
        sw_disconnects_hear(&((struct sw_node *)role)->admin.disconnects,
                            SW_CONTAINER_OF(post, struct sw_notice, post));
        return;
    }
    struct sw_note *note = SW_CONTAINER_OF(post, struct sw_note, post);
    on_note(role, note);
    sw_free(note);
}

static void on_turn(void *owner)
{
    struct sw_node *node = owner;
    sw_inbox_drain(&node->inbox);
    int64_t dropped = (int64_t)sw_log_dropped();
    sw_count(&node->counters.log_dropped_total,
             dropped - sw_counter_read(&node->counters.log_dropped_total));
}

/* ---- the bus's role ---- */

static void on_bus_turn(void *owner)
{
    sw_bus_turn(((struct sw_node *)owner)->bus);
}

static void on_bus_settle(void *owner)
{
    sw_bus_settle(((struct sw_node *)owner)->bus);
}

static void on_bus_control(void *role, struct sw_post *post)
{
    struct sw_node *node = role;
    struct sw_note *note = SW_CONTAINER_OF(post, struct sw_note, post);
    if (note->post.kind == SW_POST_STOP_BUS) {
        sw_bus_stop(node->bus);
        sw_note_send(&node->inbox, SW_POST_BUS_STOPPED, 0);
    } else if (note->post.kind == SW_POST_HOLD) {
        sw_note_hold(note);
    } else {
        SW_ASSERT(note->post.kind == SW_POST_QUIT);
        sw_loop_stop(node->threads[node->worker_count].loop);
    }
    sw_free(note);
}

static void on_bus_control_turn(void *owner)
{
    sw_inbox_drain(&((struct sw_node *)owner)->bus_control);
    on_bus_turn(owner);
}

static void create_bus(struct sw_node *node)
{
    const struct sw_config *config = node->config;
    struct sw_loop *loop = node->threads[bus_has_thread(node) ? node->worker_count : 0].loop;
    struct sw_bus_config bus = {
        .url = config->bus,
        .prefix = config->prefix,
        .node = node->id,
        .separator = config->topic_separator[0],
        .max_message_bytes = (uint32_t)config->max_message_bytes,
        .rules = &config->rules,
        .notices = &node->inbox,
        .budget = &node->budget,
        .unsubscribe_delay_ms = (uint32_t)config->unsubscribe_delay_ms,
    };
    node->bus = sw_bus_create(loop, &bus, &node->bus_counters);
    node->bus_turn = (struct sw_turn){.run = on_bus_turn, .owner = node};
    if (bus_has_thread(node)) {
        int status = sw_inbox_init(&node->bus_control, loop, on_bus_control, node);
        SW_ASSERT(status == 0);
        node->bus_turn.run = on_bus_control_turn;
    }
    sw_loop_add_turn(loop, &node->bus_turn);
}

/* ---- addresses ---- */

static bool say_cannot_listen(const struct sw_address *address, int status)
{
    char text[SW_ADDRESS_TEXT];
    fprintf(stderr, "spillway: cannot listen on %s: %s%s\n", sw_address_text(address, text),
            uv_strerror(status),
            status == UV_EADDRINUSE
                ? "; end what listens there, or choose another with --listen or --admin-listen"
                : "");
    return false;
}

static bool missing_address(int status)
{
    return status == UV_EADDRNOTAVAIL || status == UV_EAFNOSUPPORT;
}

/* Holds each address; one that nobody asked for may be missing (no IPv6 here). */
static bool claim_addresses(struct sw_node *node)
{
    const struct sw_config *config = node->config;
    bool asked = sw_config_is_set(config, SW_CONFIG_listen);
    for (char **text = config->listen; *text; text++) {
        const char *why;
        SW_ASSERT(node->listen_count < SW_LISTENERS);
        struct sw_listen *listen = &node->listen[node->listen_count];
        bool valid = sw_listen_parse(sw_slice_of(*text), listen, &why);
        SW_ASSERT(valid);
        struct sw_address *address = &listen->address;
        int status = sw_listener_claim(address, &node->claims[node->listen_count]);
        if (status && (asked || !missing_address(status))) {
            return say_cannot_listen(address, status);
        }
        node->listen_count += status == 0;
    }
    int status = sw_address_parse(sw_slice_of(config->admin_listen), &node->admin_address);
    SW_ASSERT(status == 0);
    status = sw_listener_claim(&node->admin_address, &node->claims[SW_LISTENERS]);
    if (status) {
        return say_cannot_listen(&node->admin_address, status);
    }
    sw_address_text(&node->admin_address, node->admin_text);
    return true;
}

static void release_claims(struct sw_node *node)
{
    for (unsigned i = 0; i <= SW_LISTENERS; i++) {
        if (node->claims[i] >= 0) {
            close(node->claims[i]);
            node->claims[i] = -1;
        }
    }
}

/* ---- start ---- */

static unsigned choose_workers(const struct sw_config *config)
{
    if (config->workers) {
        return (unsigned)config->workers;
    }
    unsigned cores = uv_available_parallelism();
    return cores < 1 ? 1 : cores > 64 ? 64 : cores;
}

static void create_workers(struct sw_node *node)
{
    struct sw_worker_config config = {
        .config = node->config,
        .node = node->id,
        .listens = node->listen,
        .listen_count = node->listen_count,
        .tls = node->tls.context,
        .admin = node->admin_text,
        .keys = node->token_keys.keyring,
        .budget = &node->budget,
        .workers = node->worker_count,
        .max_sessions = node->max_connections,
        .connections = &node->connections,
        .addresses = &node->addresses,
    };
    for (unsigned i = 0; i < node->worker_count; i++) {
        config.id = i;
        sw_worker_init(&node->workers[i], &config, node->threads[i].loop, node->bus, &node->inbox);
        node->blocks[2 + i] = &node->workers[i].counters;
        node->worker_inboxes[i] = &node->workers[i].inbox;
    }
    if (!bus_has_thread(node)) {
        node->bus_settle = (struct sw_turn){.run = on_bus_settle, .owner = node};
        sw_loop_add_turn(node->threads[0].loop, &node->bus_settle);
    }
}

static bool open_listeners(struct sw_node *node)
{
    for (unsigned i = 0; i < node->worker_count; i++) {
        int status = sw_worker_listen(&node->workers[i]);
        if (status) {
            return say_cannot_listen(&node->listen[0].address, status);
        }
    }
    const struct sw_config *config = node->config;
    struct sw_admin_node asked = {.node = node,
                                  .readiness = readiness,
                                  .bus_up = bus_up,
                                  .live = live,
                                  .measure = measure,
                                  .drain = drain,
                                  .reload = reload,
                                  .hold = hold,
                                  .blocks = node->blocks,
                                  .about = {.version = sw_version,
                                            .service = config->service,
                                            .environment = config->environment},
                                  .rules = &config->rules,
                                  .roles = {.loop = node->loop,
                                            .inbox = &node->inbox,
                                            .workers = node->worker_inboxes,
                                            .worker_count = node->worker_count,
                                            .asked = node->asked,
                                            .bus = node->bus,
                                            .node = node->id,
                                            .separator = config->topic_separator[0]}};
    struct sw_publisher publisher = {
        .bus = node->bus, .inbox = &node->inbox, .rules = &config->rules, .backend = true};
    int status = sw_admin_open(&node->admin, node->loop, &node->admin_address, &asked, &publisher,
                               &node->counters);
    return status == 0 || say_cannot_listen(&node->admin_address, status);
}

static void *run_thread(void *argument)
{
    struct thread *thread = argument;
    sw_loop_run(thread->loop);
    return NULL;
}

static void start_threads(struct sw_node *node)
{
    sigset_t all;
    sigset_t old;
    sigfillset(&all); /* signals are main's */
    pthread_sigmask(SIG_BLOCK, &all, &old);
    for (unsigned i = 0; i < node->thread_count; i++) {
        char name[SW_ARRAY_SIZE(node->threads->role) + 3];
        struct thread *thread = &node->threads[i];
        int error = pthread_create(&thread->id, NULL, run_thread, thread);
        SW_ASSERT(error == 0);
        snprintf(name, sizeof(name), "sw-%s", thread->role);
        pthread_setname_np(thread->id, name);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct sw_node *node = handle->data;
    if (number == SIGHUP) {
        struct sw_buf answer = {0};
        (void)reload(node, &answer); /* the log says what came of it */
        sw_buf_deinit(&answer);
        return;
    }
    if (node->signalled) { /* a second time: at once */
        sw_log_stop();
        _exit(1);
    }
    node->signalled = true;
    sw_leave_start(&node->leave, number == SIGINT);
}

static void watch_signals(struct sw_node *node)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (unsigned i = 0; i < SW_ARRAY_SIZE(numbers); i++) {
        int status = uv_signal_init(sw_loop_uv(node->loop), &node->signals[i]);
        SW_ASSERT(status == 0);
        node->signals[i].data = node;
        status = uv_signal_start(&node->signals[i], on_signal, numbers[i]);
        SW_ASSERT(status == 0);
    }
}

static void take_plan(struct sw_node *node, const struct sw_plan *plan)
{
    node->max_connections = plan->memory.connections;
    sw_budget_init(&node->budget, plan->memory.budget);
    sw_purse_init(&node->purse, &node->budget, node->counters.budget_used_bytes);
    sw_count(&node->counters.budget_bytes, (int64_t)plan->memory.budget);
    sw_count(&node->counters.max_connections, node->max_connections);
}

static void say_ready(struct sw_node *node)
{
    struct sw_buf line = {0};
    char text[SW_ADDRESS_TEXT];
    sw_buf_append_slice(&line, SW_SLICE("ready listen="));
    for (unsigned i = 0; i < node->listen_count; i++) {
        sw_buf_printf(&line, "%s%s", i ? "," : "", sw_address_text(&node->listen[i].address, text));
    }
    sw_buf_printf(&line, " admin=%s pid=%d\n", node->admin_text, (int)getpid());
    fwrite(line.data, 1, line.size, stdout);
    fflush(stdout);
    sw_buf_deinit(&line);
}

static void start_demo(struct sw_node *node)
{
    const struct sw_config *config = node->config;
    bool embedded = strcmp(config->bus, "memory") == 0;
    /* nobody wants made-up prices in a real Redis */
    if (config->demo_feed || (config->demo && embedded)) {
        sw_demo_feed_start(&node->demo, node->loop, node->bus, &node->inbox,
                           config->topic_separator[0]);
    }
}

/* ---- what is read again at SIGHUP and POST /v1/reload ---- */

/* A row for each thing that this node has. */
static void add_reloads(struct sw_node *node)
{
    node->reload.config = node->config;
    if (node->admin.guard.keys) {
        sw_reload_add(&node->reload, "api_keys", sw_guard_read_again, &node->admin.guard);
    }
    if (node->token_keys.keyring) {
        node->token_keys.workers = node->workers;
        node->token_keys.worker_count = node->worker_count;
        sw_reload_add(&node->reload, "token_keys", sw_token_keys_read_again, &node->token_keys);
    }
    sw_node_tls_watch(&node->tls, &node->reload, node->workers, node->worker_count);
}

static void create_loops(struct sw_node *node)
{
    node->loop = sw_loop_create();
    int status = sw_inbox_init(&node->inbox, node->loop, on_post, node);
    SW_ASSERT(status == 0);
    node->turn = (struct sw_turn){.run = on_turn, .owner = node};
    sw_loop_add_turn(node->loop, &node->turn);
    node->leave = (struct sw_leave){.loop = node->loop,
                                    .config = node->config,
                                    .connections = &node->connections,
                                    .counters = &node->counters,
                                    .on_drain = drain_workers,
                                    .owner = node};
    sw_leave_init(&node->leave);
    node->thread_count = node->worker_count + (bus_has_thread(node) ? 1 : 0);
    node->threads = sw_zalloc(node->thread_count * sizeof(*node->threads));
    node->workers = sw_zalloc(node->worker_count * sizeof(*node->workers));
    node->worker_inboxes = sw_zalloc(node->worker_count * sizeof(struct sw_inbox *));
    node->asked = sw_zalloc((node->worker_count + 1) * sizeof(*node->asked));
    node->blocks = sw_zalloc((node->worker_count + 3) * sizeof(*node->blocks));
    node->blocks[0] = &node->counters;
    node->blocks[1] = &node->bus_counters;
    for (unsigned i = 0; i < node->thread_count; i++) {
        struct thread *thread = &node->threads[i];
        thread->loop = sw_loop_create();
        snprintf(thread->role, sizeof(thread->role), i == node->worker_count ? "bus" : "worker-%u",
                 i);
    }
}

static bool watched_bus_up(void *owner)
{
    return bus_up(owner);
}

static void start_watch(struct sw_node *node)
{
    node->watch = (struct sw_watch){.loop = node->loop,
                                    .counters = &node->counters,
                                    .count = node->thread_count,
                                    .bus_up = watched_bus_up,
                                    .owner = node};
    node->watch.pulses = sw_zalloc(node->thread_count * sizeof(*node->watch.pulses));
    for (unsigned i = 0; i < node->thread_count; i++) {
        node->watch.pulses[i].role = node->threads[i].role;
        node->watch.pulses[i].loop = node->threads[i].loop;
    }
    sw_watch_start(&node->watch);
}

/* ---- end ---- */

static void destroy(struct sw_node *node)
{
    sw_watch_stop(&node->watch);
    sw_demo_feed_stop(&node->demo);
    sw_leave_deinit(&node->leave);
    sw_admin_close(&node->admin);
    for (unsigned i = 0; node->serving && i < SW_ARRAY_SIZE(node->signals); i++) {
        uv_close((uv_handle_t *)&node->signals[i], NULL);
    }
    for (unsigned i = 0; i < node->worker_count; i++) {
        sw_worker_deinit(&node->workers[i]);
    }
    if (bus_has_thread(node)) {
        sw_inbox_deinit(&node->bus_control);
    }
    sw_inbox_deinit(&node->inbox);
    sw_bus_destroy(&node->bus);
    for (unsigned i = 0; i < node->thread_count; i++) {
        sw_loop_destroy(&node->threads[i].loop);
    }
    sw_loop_destroy(&node->loop);
    sw_guard_deinit(&node->admin.guard);
    sw_addresses_deinit(&node->addresses);
    sw_free(node->watch.pulses);
    sw_free(node->threads);
    sw_free(node->workers);
    sw_free(node->worker_inboxes);
    sw_free(node->asked);
    sw_free(node->blocks);
}

static void serve(struct sw_node *node)
{
    node->serving = true;
    watch_signals(node);
    start_threads(node);
    start_demo(node);
    say_ready(node);
    sw_loop_run(node->loop);
    for (unsigned i = 0; i < node->thread_count; i++) {
        pthread_join(node->threads[i].id, NULL);
    }
    sw_log(SW_LOG_INFO, "stopped", "node=%s", node->id);
}

/* 0, or the exit code. */
static int prepare(struct sw_node *node)
{
    struct sw_buf error = {0};
    int code = claim_addresses(node) ? 0 : 1;
    if (code == 0 &&
        !(sw_node_tls_init(&node->tls, node->config, node->listen, node->listen_count, &error) &&
          sw_guard_init(&node->admin.guard, node->config->api_key_file, node->config->api_key,
                        sw_address_is_loopback(&node->admin_address), &error) &&
          sw_token_keys_init(&node->token_keys, node->config, &error))) {
        fprintf(stderr, "spillway: %s", sw_buf_text(&error));
        code = 2;
    }
    sw_buf_deinit(&error);
    return code;
}

int sw_node_run(const struct sw_config *config)
{
    struct sw_node *node = sw_zalloc(sizeof(*node));
    node->config = config;
    for (unsigned i = 0; i <= SW_LISTENERS; i++) {
        node->claims[i] = -1;
    }
    sw_random_token(node->id, NODE_ID_BYTES);
    node->worker_count = choose_workers(config);
    struct sw_plan plan = sw_plan_make(config, node->worker_count);
    take_plan(node, &plan);
    int code = prepare(node);
    if (code == 0) {
        enum sw_log_level level = sw_config_log_level(config);
        enum sw_log_format format = sw_config_log_format(config);
        sw_log_configure(level, format);
        sw_plan_say(&plan, config, node->id,
                    node->worker_count); /* in full before the ready line */
        sw_addresses_init(&node->addresses, config);
        sw_log_start(level, format);
        create_loops(node);
        create_bus(node);
        create_workers(node);
        add_reloads(node);
        start_watch(node);
        code = 1;
        if (open_listeners(node)) {
            release_claims(node);
            sw_bus_start(node->bus);
            serve(node);
            code = 0;
        }
        destroy(node);
        sw_log_stop();
    }
    release_claims(node);
    sw_guard_deinit(&node->admin.guard);
    sw_token_keys_deinit(&node->token_keys);
    sw_node_tls_deinit(&node->tls);
    sw_free(node);
    return code;
}
