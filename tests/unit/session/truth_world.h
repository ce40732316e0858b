// SPDX-License-Identifier: Apache-2.0
/* Two servers, two nodes and their clients. */
#ifndef SW_TESTS_TRUTH_WORLD_H
#define SW_TESTS_TRUTH_WORLD_H

#include "truth_clients.h"

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
    char name[16];
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
                                                      .max_patterns = 256,
                                                      .pending_replies = 256,
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
