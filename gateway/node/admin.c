// SPDX-License-Identifier: Apache-2.0
#include "node/admin.h"

#include "api/connections.h"
#include "api/history.h"
#include "api/topics.h"
#include "common/json.h"
#include "common/mem.h"

#include <unistd.h>

#define PUBLISH_BODY_BYTES (8u << 20)
/* Operators and backends; many keep a connection open for publishing. */
#define ADMIN_CONNECTIONS 1024

struct admin_conn {
    struct sw_conn conn; /* first */
    struct sw_list link;
};

static void on_topic(void *context, struct sw_http *http, const struct sw_request *request)
{
    const struct sw_admin *admin = context;
    sw_api_publish_topic(&admin->publisher, http, request);
}

static void on_publish(void *context, struct sw_http *http, const struct sw_request *request)
{
    const struct sw_admin *admin = context;
    sw_api_publish(&admin->publisher, http, request, NULL);
}

static void on_topics(void *context, struct sw_http *http, const struct sw_request *request)
{
    sw_api_topics(&((const struct sw_admin *)context)->node.roles, http, request);
}

static void on_history(void *context, struct sw_http *http, const struct sw_request *request)
{
    sw_api_history(&((const struct sw_admin *)context)->node.roles, http, request);
}

static void on_connections(void *context, struct sw_http *http, const struct sw_request *request)
{
    sw_api_connections(&((const struct sw_admin *)context)->node.roles, http, request);
}

static void on_ended(void *context, struct sw_http *http, const struct sw_request *request)
{
    sw_api_connections_ended(&((const struct sw_admin *)context)->node.roles, http, request);
}

static void on_disconnect(void *context, struct sw_http *http, const struct sw_request *request)
{
    sw_api_disconnect(&((struct sw_admin *)context)->disconnects, http, request);
}

static void on_live(void *context, struct sw_http *http, const struct sw_request *request)
{
    (void)request;
    const struct sw_admin_node *node = &((const struct sw_admin *)context)->node;
    struct sw_buf answer = {0};
    bool live = node->live(node->node, &answer);
    sw_api_live(http, live, sw_buf_slice(&answer));
    sw_buf_deinit(&answer);
}

static void on_ready(void *context, struct sw_http *http, const struct sw_request *request)
{
    (void)request;
    const struct sw_admin_node *node = &((const struct sw_admin *)context)->node;
    sw_api_ready(http, node->readiness(node->node), node->bus_up(node->node));
}

static void on_metrics(void *context, struct sw_http *http, const struct sw_request *request)
{
    (void)request;
    const struct sw_admin_node *node = &((const struct sw_admin *)context)->node;
    node->measure(node->node);
    sw_api_metrics(http, node->blocks, node->rules, &node->about);
}

static void on_drain(void *context, struct sw_http *http, const struct sw_request *request)
{
    (void)request;
    const struct sw_admin_node *node = &((const struct sw_admin *)context)->node;
    struct sw_buf body = {0};
    node->drain(node->node, &body);
    sw_http_reply(http, 202, "application/json", sw_buf_slice(&body), "");
    sw_buf_deinit(&body);
}

static void on_reload(void *context, struct sw_http *http, const struct sw_request *request)
{
    (void)request;
    const struct sw_admin_node *node = &((const struct sw_admin *)context)->node;
    struct sw_buf body = {0};
    bool ok = node->reload(node->node, &body);
    sw_http_reply(http, ok ? 200 : 500, "application/json", sw_buf_slice(&body), "");
    sw_buf_deinit(&body);
}

#ifdef SW_FAULTS
/* {"worker":1,"ms":5000}: that worker's loop sleeps; for tests only. */
static void on_hold(void *context, struct sw_http *http, const struct sw_request *request)
{
    static const char *const names[] = {"worker", "ms"};
    const struct sw_admin_node *node = &((const struct sw_admin *)context)->node;
    struct sw_json_value fields[2];
    struct sw_slice body = request->body;
    uint64_t worker;
    uint64_t ms;
    if (sw_json_validate(body.data, body.size, 8, NULL) != SW_JSON_OK ||
        sw_json_value(body).type != SW_JSON_OBJECT ||
        !sw_json_members(sw_json_value(body).raw, names, 2, fields, NULL) ||
        !sw_json_to_u64(fields[0], 64, &worker) || !sw_json_to_u64(fields[1], 60000, &ms) ||
        !node->hold(node->node, worker, ms)) {
        sw_http_reply_error(http, SW_ERROR_BAD_REQUEST, NULL, 0, NULL);
        return;
    }
    sw_http_reply(http, 200, "application/json", SW_SLICE("{}"), "");
}
#endif

static const struct sw_route routes[] = {
    {.methods = SW_POST,
     .path = "/v1/topics/",
     .prefix = true,
     .max_body = PUBLISH_BODY_BYTES,
     .handle = on_topic},
    {.methods = SW_GET | SW_HEAD, .path = "/v1/topics/", .prefix = true, .handle = on_history},
    {.methods = SW_POST,
     .path = "/v1/publish",
     .max_body = PUBLISH_BODY_BYTES,
     .handle = on_publish},
    {.methods = SW_GET | SW_HEAD, .path = "/v1/topics", .handle = on_topics},
    {.methods = SW_GET | SW_HEAD, .path = "/v1/connections", .handle = on_connections},
    {.methods = SW_GET | SW_HEAD, .path = "/v1/connections/ended", .handle = on_ended},
    {.methods = SW_POST, .path = "/v1/disconnect", .max_body = 4096, .handle = on_disconnect},
    {.methods = SW_GET | SW_HEAD, .path = "/live", .handle = on_live},
    {.methods = SW_GET | SW_HEAD, .path = "/ready", .handle = on_ready},
    {.methods = SW_GET | SW_HEAD, .path = "/metrics", .handle = on_metrics},
    {.methods = SW_POST, .path = "/v1/drain", .max_body = 4096, .handle = on_drain},
    {.methods = SW_POST, .path = "/v1/reload", .max_body = 4096, .handle = on_reload},
#ifdef SW_FAULTS
    {.methods = SW_POST, .path = "/v1/faults/hold", .max_body = 4096, .handle = on_hold},
#endif
};

static bool check_guard(void *context, struct sw_http *http, const struct sw_request *request)
{
    const struct sw_admin *admin = context;
    return sw_guard_check(&admin->guard, http, request);
}

static void on_closed(void *context, struct sw_conn *conn)
{
    struct sw_admin *admin = context;
    struct admin_conn *own = SW_CONTAINER_OF(conn, struct admin_conn, conn);
    sw_list_remove(&own->link);
    admin->conn_count--;
    sw_free(own);
}

static void on_accept(void *owner, int fd, const struct sw_address *peer)
{
    (void)peer;
    struct sw_admin *admin = owner;
    if (admin->conn_count >= ADMIN_CONNECTIONS) {
        sw_count(&admin->counters->refused_total[SW_REFUSED_FULL], 1);
        close(fd);
        return;
    }
    struct admin_conn *own = sw_zalloc(sizeof(*own));
    sw_list_init(&own->link);
    if (sw_http_open(&admin->site, &own->conn, fd)) {
        sw_free(own);
        return;
    }
    sw_list_push(&admin->conns, &own->link);
    admin->conn_count++;
}

int sw_admin_open(struct sw_admin *admin, struct sw_loop *loop, const struct sw_address *address,
                  const struct sw_admin_node *node, const struct sw_publisher *publisher,
                  struct sw_counters *counters)
{
    admin->node = *node;
    admin->loop = loop;
    admin->counters = counters;
    admin->publisher = *publisher;
    sw_disconnects_init(&admin->disconnects, &admin->node.roles, counters);
    sw_list_init(&admin->conns);
    admin->site = (struct sw_site){.routes = routes,
                                   .route_count = SW_ARRAY_SIZE(routes),
                                   .context = admin,
                                   .loop = loop,
                                   .counters = counters,
                                   .guard = check_guard,
                                   .on_closed = on_closed};
    return sw_listener_open(&admin->listener, loop, address, 0, on_accept, admin);
}

void sw_admin_close(struct sw_admin *admin)
{
    sw_disconnects_end(&admin->disconnects);
    sw_listener_close(&admin->listener);
    for (struct sw_list *link = admin->conns.next; link != &admin->conns; link = link->next) {
        sw_conn_close(&SW_CONTAINER_OF(link, struct admin_conn, link)->conn);
    }
}
