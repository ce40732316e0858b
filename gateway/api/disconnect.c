// SPDX-License-Identifier: Apache-2.0
#include "api/disconnect.h"

#include "common/assert.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"

#include <string.h>

/* An operator waits so long; the others answer him what they have before that. */
#define DEADLINE_MS 2000
#define NODE_MS     1500
/* Later, when others are done. */
#define RETRY_MS 500
#define DEPTH    8

/* One order that is carried out here. */
struct call {
    struct sw_ask ask; /* first */
    struct sw_list link;
    struct sw_disconnects *all;
    struct sw_disconnect order;
    char id[SW_NOTICE_ID_BYTES + 1];
    char asker[SW_NODE_BYTES + 1]; /* the node that asked; empty: an operator */
    char address[SW_ADDRESS_TEXT]; /* of the operator */
    /* of other nodes */
    uint32_t heard;      /* nodes that heard the order, with this one */
    uint32_t answered;   /* others that answered */
    uint32_t count;      /* sessions that they ended */
    enum sw_error error; /* why they were not asked */
    bool published;      /* the order has come back from the bus */
    bool unknown;        /* whether others heard it */
    bool met;            /* all of them have answered */
    bool partial;        /* some worker of theirs had not */
};

/* ---- a call ---- */

static void destroy(struct sw_ask *ask)
{
    struct call *call = SW_CONTAINER_OF(ask, struct call, ask);
    call->all->count--;
    sw_list_remove(&call->link);
    sw_free(call);
}

static struct call *call_create(struct sw_disconnects *all, struct sw_http *http,
                                const struct sw_disconnect *order,
                                void (*on_round)(struct sw_ask *ask))
{
    struct call *call = sw_zalloc(sizeof(*call));
    call->all = all;
    call->order = *order;
    call->error = SW_ERROR_NONE;
    call->heard = 1;
    all->count++;
    sw_list_push(&all->list, &call->link);
    sw_ask_begin_order(&call->ask, all->roles, http, on_round, destroy);
    return call;
}

static void ask_workers(struct call *call)
{
    const struct sw_roles *roles = call->ask.roles;
    for (uint32_t i = 0; i < roles->worker_count; i++) {
        sw_ask_role(&call->ask, i, roles->workers[i], sw_report_order(&call->order));
    }
}

/* Sessions that the workers of this node ended. *partial: not all of them have said it. */
static uint32_t sum_up(const struct call *call, bool *partial)
{
    uint32_t silent = call->ask.roles->worker_count;
    uint32_t count = 0;
    const struct sw_report *report = call->ask.answers;
    while (report) {
        const struct sw_post *next = report->post.next;
        count += report->count;
        silent--;
        report = next ? SW_CONTAINER_OF(next, const struct sw_report, post) : NULL;
    }
    *partial = silent > 0;
    return count;
}

static void say(const struct call *call, uint32_t count)
{
    char name[SW_TOPIC_BYTES + 1];
    const char *word = sw_selector_word(call->order.by);
    sw_log_clean(name, sizeof(name), sw_disconnect_name(&call->order));
    if (call->asker[0]) {
        sw_log(SW_LOG_INFO, "disconnect", "%s=\"%s\" disconnected=%u asker=%s", word, name, count,
               call->asker);
    } else {
        sw_log(SW_LOG_INFO, "disconnect",
               "%s=\"%s\" disconnected=%u nodes=%u answered=%u address=%s", word, name, count,
               call->heard, call->answered + 1, call->address);
    }
}

/* ---- an operator's ---- */

static const char *why_alone(const struct call *call)
{
    if (call->unknown) {
        return "this node did it; the message bus does not say who else heard it";
    }
    if (call->error == SW_ERROR_FORBIDDEN) {
        return "only this node was asked: Redis does not let its user read and publish the "
               "channels $nodes and $node.* (behind the prefix)";
    }
    return call->error == SW_ERROR_BUS_UNAVAILABLE
               ? "only this node was asked: the message bus is away"
               : "only this node was asked";
}

static void reply(struct sw_ask *ask)
{
    struct call *call = SW_CONTAINER_OF(ask, struct call, ask);
    bool partial;
    uint32_t count = call->count + sum_up(call, &partial);
    if (!call->published) { /* the bus does not answer */
        call->error = SW_ERROR_BUS_UNAVAILABLE;
        call->unknown = true;
    }
    struct sw_buf body = {0};
    sw_buf_printf(&body, "{\"disconnected\":%u,\"nodes\":%u,\"answered\":%u", count, call->heard,
                  call->answered + 1);
    if (partial || call->partial) {
        sw_buf_append_slice(&body, SW_SLICE(",\"partial\":true"));
    }
    if (call->error != SW_ERROR_NONE) {
        sw_buf_append_slice(&body, SW_SLICE(",\"error\":"));
        sw_http_append_error(&body, call->error, why_alone(call), 0,
                             call->unknown ? "unknown" : NULL);
    }
    sw_buf_append_byte(&body, '}');
    say(call, count);
    sw_list_remove(&call->link); /* what other nodes answer from now on is late */
    sw_ask_reply(ask, &body);
    sw_buf_deinit(&body);
}

/* Have all that heard the order answered it? */
static void meet(struct call *call)
{
    if (!call->met && call->published && call->answered + 1 >= call->heard) {
        call->met = true;
        sw_ask_met(&call->ask);
    }
}

static void on_published(void *context, struct sw_publish *publish)
{
    struct call *call = context;
    if (!call->ask.over) {
        call->published = true;
        call->unknown = publish->outcome_unknown;
        call->error = publish->error;
        if (publish->receivers > 1) {
            call->heard = publish->receivers;
        }
        meet(call);
    }
    sw_publish_destroy(publish);
    sw_ask_let_go(&call->ask);
}

static void ask_others(struct call *call)
{
    const struct sw_roles *roles = call->ask.roles;
    struct sw_notice notice = {.kind = SW_NOTICE_DISCONNECT, .disconnect = call->order};
    sw_random_token(call->id, SW_NOTICE_ID_BYTES);
    memcpy(notice.id, call->id, sizeof(notice.id));
    memcpy(notice.from, roles->node, strlen(roles->node));
    struct sw_publish *publish = sw_notice_publish(&notice, NULL);
    publish->done = on_published;
    publish->context = call;
    sw_ask_hold(&call->ask);
    sw_ask_expect(&call->ask);
    sw_bus_publish(roles->bus, roles->inbox, publish);
}

/* A name that is not known might have narrowed the order. */
static bool knows_all_names(struct sw_slice object)
{
    return sw_json_count(object) == sw_disconnect_members(object);
}

/* False: 400 was replied. */
static bool read_order(const struct sw_disconnects *all, struct sw_http *http, struct sw_slice body,
                       struct sw_disconnect *order)
{
    const char *why = NULL;
    enum sw_error error = SW_ERROR_BAD_REQUEST;
    if (sw_json_validate(body.data, body.size, DEPTH, NULL) != SW_JSON_OK ||
        sw_json_value(body).type != SW_JSON_OBJECT) {
        why = "no JSON object; " SW_DISCONNECT_EXPECTED;
    } else {
        error = sw_disconnect_read(order, sw_json_value(body).raw, all->roles->separator, &why);
    }
    if (error == SW_ERROR_NONE && !knows_all_names(sw_json_value(body).raw)) {
        error = SW_ERROR_BAD_REQUEST;
        why = "a name is unknown; " SW_DISCONNECT_EXPECTED;
    }
    if (error != SW_ERROR_NONE) {
        sw_http_reply_error(http, error, why, 0, NULL);
    }
    return error == SW_ERROR_NONE;
}

void sw_api_disconnect(struct sw_disconnects *all, struct sw_http *http,
                       const struct sw_request *request)
{
    struct sw_disconnect order;
    struct sw_address address;
    if (!read_order(all, http, request->body, &order)) {
        return;
    }
    if (all->ended || all->count >= SW_DISCONNECTS) {
        sw_http_reply_error(http, SW_ERROR_OVERLOADED, NULL, RETRY_MS, NULL);
        return;
    }
    sw_count(&all->counters->disconnect_requests_total, 1);
    int unknown = sw_conn_peer(sw_http_conn(http), &address);
    struct call *call = call_create(all, http, &order, reply);
    if (unknown) {
        memcpy(call->address, "unknown", sizeof("unknown"));
    } else {
        sw_address_text(&address, call->address);
    }
    ask_workers(call);
    ask_others(call);
    sw_ask_await(&call->ask, DEADLINE_MS);
}

/* ---- another node's ---- */

static void on_answer_published(void *context, struct sw_publish *publish)
{
    (void)context;
    sw_publish_destroy(publish); /* who asked has a deadline of his own */
}

static void answer(struct sw_ask *ask)
{
    struct call *call = SW_CONTAINER_OF(ask, struct call, ask);
    const struct sw_roles *roles = ask->roles;
    struct sw_notice notice = {.kind = SW_NOTICE_DISCONNECTED};
    struct sw_buf none = {0};
    notice.count = sum_up(call, &notice.partial);
    memcpy(notice.id, call->id, sizeof(notice.id));
    memcpy(notice.from, roles->node, strlen(roles->node));
    struct sw_publish *publish = sw_notice_publish(&notice, call->asker);
    publish->done = on_answer_published;
    sw_bus_publish(roles->bus, roles->inbox, publish);
    say(call, notice.count);
    sw_list_remove(&call->link);
    sw_ask_reply(ask, &none);
}

static void obey(struct sw_disconnects *all, const struct sw_notice *notice)
{
    struct call *call = call_create(all, NULL, &notice->disconnect, answer);
    memcpy(call->id, notice->id, sizeof(call->id));
    memcpy(call->asker, notice->from, sizeof(call->asker));
    ask_workers(call);
    sw_ask_await(&call->ask, NODE_MS);
}

/* ---- what other nodes say ---- */

/* The operator's call that this answers. */
static struct call *find_call(struct sw_disconnects *all, const struct sw_notice *notice)
{
    for (struct sw_list *at = all->list.next; at != &all->list; at = at->next) {
        struct call *call = SW_CONTAINER_OF(at, struct call, link);
        if (!call->asker[0] && strcmp(call->id, notice->id) == 0) {
            return call;
        }
    }
    return NULL;
}

static bool take(struct sw_disconnects *all, const struct sw_notice *notice)
{
    struct call *call = NULL;
    switch (notice->kind) {
    case SW_NOTICE_DISCONNECT:
        if (all->count >= SW_DISCONNECTS) {
            return false;
        }
        obey(all, notice);
        return true;
    case SW_NOTICE_DISCONNECTED:
        call = find_call(all, notice);
        if (!call) {
            return false;
        }
        call->answered++;
        call->count += notice->count;
        call->partial = call->partial || notice->partial;
        meet(call);
        return true;
    }
    SW_UNREACHABLE();
}

void sw_disconnects_hear(struct sw_disconnects *all, struct sw_notice *notice)
{
    bool taken = !all->ended && take(all, notice);
    sw_count(taken ? &all->counters->notices_total : &all->counters->notices_ignored_total, 1);
    sw_notice_destroy(notice);
}

/* ---- life ---- */

void sw_disconnects_init(struct sw_disconnects *all, const struct sw_roles *roles,
                         struct sw_counters *counters)
{
    *all = (struct sw_disconnects){.roles = roles, .counters = counters};
    sw_list_init(&all->list);
}

void sw_disconnects_end(struct sw_disconnects *all)
{
    struct sw_list *link;
    all->ended = true;
    while ((link = sw_list_pop(&all->list))) {
        sw_ask_cut(&SW_CONTAINER_OF(link, struct call, link)->ask);
    }
}
