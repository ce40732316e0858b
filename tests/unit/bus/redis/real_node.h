// SPDX-License-Identifier: Apache-2.0
/* The backend over the fake exchange, on a loop of its own, against a real redis-server. Include it
 * once per program, behind cmocka. */
#ifndef SW_TESTS_BUS_REDIS_REAL_NODE_H
#define SW_TESTS_BUS_REDIS_REAL_NODE_H

#include "bus/redis/redis.h"
#include "core/limits.h"
#include "fake_exchange.h"
#include "real_server.h"

struct node {
    struct server server;
    struct sw_loop *loop;
    struct sw_exchange exchange;
    struct sw_backend *backend;
    struct sw_turn turn;
    struct sw_timer limit;
    const char *awaited; /* the loop runs until this was said */
    unsigned acks;       /* ... or there were so many acks */
    bool late;
};

static inline void on_turn(void *owner)
{
    struct node *node = owner;
    if (node->backend->ops->pump(node->backend)) {
        sw_loop_stay_awake(node->loop);
    }
    node->backend->ops->flush(node->backend);
    bool said = node->awaited && strstr(sw_buf_text(&node->exchange.said), node->awaited);
    if (said || (node->acks > 0 && node->exchange.acks >= node->acks)) {
        sw_loop_stop(node->loop);
    }
}

static inline void on_limit(struct sw_timer *timer)
{
    struct node *node = SW_CONTAINER_OF(timer, struct node, limit);
    node->late = true;
    sw_loop_stop(node->loop);
}

static inline void run(struct node *node, unsigned ms)
{
    node->late = false;
    sw_loop_timer_start(node->loop, &node->limit, ms);
    sw_loop_run(node->loop);
    sw_loop_timer_stop(node->loop, &node->limit);
}

/* Runs until `text` was said; then what was said is forgotten. */
static inline void await(struct node *node, const char *text, unsigned ms)
{
    node->awaited = text;
    run(node, ms);
    node->awaited = NULL;
    if (node->late) {
        fail_msg("\"%s\" was not said within %u ms, but: %s", text, ms,
                 sw_buf_text(&node->exchange.said));
    }
    node->exchange.said.size = 0;
}

static inline void await_acks(struct node *node, unsigned count, unsigned ms)
{
    node->acks = count;
    run(node, ms);
    node->acks = 0;
    assert_false(node->late);
    node->exchange.said.size = 0;
}

static inline struct sw_interest *want(struct node *node, const char *wire, bool pattern)
{
    struct sw_interest *interest = fake_want(&node->exchange, wire, pattern);
    node->backend->ops->subscribe(node->backend, interest);
    return interest;
}

static inline void publish(struct node *node, const char *topic, const char *payload)
{
    node->backend->ops->publish(node->backend, fake_publish(topic, "", payload));
}

/* `login` stands before the host, `path` behind the port. */
static inline void begin_with(struct node *node, const char *login, const char *path,
                              const char *prefix, const struct sw_rules *rules)
{
    char url[128];
    snprintf(url, sizeof(url), "redis://%s127.0.0.1:%u%s", login, (unsigned)node->server.port,
             path);
    fake_init(&node->exchange, prefix);
    node->exchange.config.rules = rules;
    node->loop = sw_loop_create();
    node->exchange.loop = node->loop;
    node->backend = sw_redis_create(&node->exchange, url);
    node->turn = (struct sw_turn){.run = on_turn, .owner = node};
    sw_loop_add_turn(node->loop, &node->turn);
    sw_timer_init(&node->limit, on_limit);
    node->backend->ops->start(node->backend);
}

static inline void begin(struct node *node, const char *login, const char *path, const char *prefix)
{
    begin_with(node, login, path, prefix, NULL);
}

static inline int set_up(void **state)
{
    struct node *node = sw_zalloc(sizeof(*node));
    node->server.port = server_free_port();
    *state = node;
    return 0;
}

static inline int tear_down(void **state)
{
    struct node *node = *state;
    if (node->backend) {
        node->backend->ops->stop(node->backend);
        node->backend->ops->destroy(node->backend);
        sw_loop_destroy(&node->loop);
        fake_deinit(&node->exchange);
    }
    server_kill(&node->server);
    sw_free(node);
    return 0;
}

#endif
