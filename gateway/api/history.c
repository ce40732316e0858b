// SPDX-License-Identifier: Apache-2.0
#include "api/history.h"

#include "common/mem.h"
#include "core/topic.h"
#include "protocol/encode.h"

#include <stdio.h>

#define TOPICS_PATH   "/v1/topics/"
#define HISTORY_PATH  "/history"
#define EXPECTED      "/v1/topics/orders.eu/history?from=Qx7:40&limit=100"
#define DEFAULT_LIMIT 100
/* When to come back where the bus is away. */
#define RETRY_MS 1000
/* Messages of an answer, beside the one that is beyond it. */
#define ANSWER_BYTES (8u << 20)

/* One request whose lookup is with the bus. */
struct call {
    struct sw_http *http; /* NULL: the client has left */
    bool has_from;
    struct sw_position from;
};

static void append_epoch(struct sw_buf *out, const struct sw_epoch *epoch)
{
    sw_buf_printf(out, "\"epoch\":\"%.*s\"", SW_SLICE_ARG(sw_epoch_text(epoch)));
}

void sw_history_write(struct sw_buf *out, const struct sw_lookup *lookup)
{
    sw_buf_append_byte(out, '{');
    append_epoch(out, &lookup->lineage.epoch);
    sw_buf_printf(out, ",\"first\":%llu,\"last\":%llu,\"msgs\":[",
                  (unsigned long long)lookup->first, (unsigned long long)lookup->last);
    for (uint32_t i = 0; i < lookup->count && out->size <= ANSWER_BYTES; i++) {
        if (i) {
            sw_buf_append_byte(out, ',');
        }
        sw_encode_kept(out, lookup->messages[i].message, lookup->messages[i].offset);
    }
    sw_buf_append_slice(out, SW_SLICE("]}"));
}

/* Who goes on from a position of another stream would take its messages for those behind his. */
static void refuse_position(struct sw_http *http, const struct sw_lookup *lookup)
{
    struct sw_buf message = {0};
    sw_buf_append_slice(&message,
                        SW_SLICE("\"from\" is no position of this history, which is at "));
    sw_position_write(
        &message, &(struct sw_position){.epoch = lookup->lineage.epoch, .offset = lookup->last});
    sw_http_reply_error(http, SW_ERROR_BAD_REQUEST, sw_buf_text(&message), 0, NULL);
    sw_buf_deinit(&message);
}

static void reply(const struct call *call, const struct sw_lookup *lookup)
{
    if (lookup->error != SW_ERROR_NONE) {
        unsigned retry_ms = lookup->error == SW_ERROR_BUS_UNAVAILABLE ? RETRY_MS : 0;
        sw_http_reply_error(call->http, lookup->error, NULL, retry_ms, NULL);
        return;
    }
    if (call->has_from && !sw_lineage_holds(&lookup->lineage, lookup->last, &call->from)) {
        refuse_position(call->http, lookup);
        return;
    }
    struct sw_buf body = {0};
    sw_history_write(&body, lookup);
    sw_http_reply(call->http, 200, "application/json", sw_buf_slice(&body), "");
    sw_buf_deinit(&body);
}

static void on_done(void *context, struct sw_lookup *lookup)
{
    struct call *call = context;
    if (call->http) {
        reply(call, lookup);
    }
    sw_lookup_destroy(lookup);
    sw_free(call);
}

static void on_gone(void *owner)
{
    ((struct call *)owner)->http = NULL; /* the lookup frees the call */
}

/* ---- the question ---- */

/* What stands between the path's two ends, still encoded. False: it has none. */
static bool cut_topic(struct sw_slice path, struct sw_slice *topic)
{
    const size_t begin = sizeof(TOPICS_PATH) - 1;
    const size_t tail = sizeof(HISTORY_PATH) - 1;
    if (path.size < begin + tail ||
        !sw_slice_equal(sw_slice(path.data + path.size - tail, tail), SW_SLICE(HISTORY_PATH))) {
        return false;
    }
    *topic = sw_slice(path.data + begin, path.size - begin - tail);
    return true;
}

static bool take_topic(const struct sw_roles *roles, struct sw_http *http,
                       const struct sw_request *request, struct sw_buf *topic)
{
    struct sw_slice encoded;
    if (!cut_topic(request->path, &encoded)) {
        sw_http_reply_error(http, SW_ERROR_NOT_FOUND,
                            "no such path; what is kept of a topic is at " EXPECTED, 0, NULL);
        return false;
    }
    const char *why = "the path is not well percent-encoded";
    enum sw_topic_kind kind = SW_TOPIC_BAD;
    if (sw_percent_decode(topic, encoded, false)) {
        kind = sw_topic_kind(sw_buf_slice(topic), roles->separator, &why);
    }
    if (kind == SW_TOPIC_PATTERN) {
        why = "a pattern has no history, its topics have";
    }
    if (kind != SW_TOPIC_CONCRETE) {
        sw_http_reply_error(http, SW_ERROR_BAD_TOPIC, why, 0, NULL);
    }
    return kind == SW_TOPIC_CONCRETE;
}

static bool take_from(struct sw_http *http, const struct sw_parameter *parameter,
                      struct sw_position *from)
{
    if (parameter->given && !sw_position_parse(sw_buf_slice(&parameter->value), from)) {
        sw_http_reply_error(http, SW_ERROR_BAD_REQUEST, "from is a position; expected: " EXPECTED,
                            0, NULL);
        return false;
    }
    return true;
}

static bool take_limit(struct sw_http *http, const struct sw_parameter *parameter, uint64_t *limit)
{
    bool good = !parameter->given ||
                sw_slice_to_u64(sw_buf_slice(&parameter->value), SW_HISTORY_READ, limit);
    if (!good || *limit == 0) {
        char message[64];
        snprintf(message, sizeof(message), "limit is a whole number from 1 to %d", SW_HISTORY_READ);
        sw_http_reply_error(http, SW_ERROR_BAD_REQUEST, message, 0, NULL);
        return false;
    }
    return true;
}

static void look_up(const struct sw_roles *roles, struct sw_http *http, struct sw_slice topic,
                    const struct sw_position *from, bool has_from, uint32_t limit)
{
    struct call *call = sw_zalloc(sizeof(*call));
    *call = (struct call){.http = http, .has_from = has_from, .from = *from};
    struct sw_lookup *lookup = sw_lookup_create(topic);
    lookup->done = on_done;
    lookup->context = call;
    lookup->after = from->offset;
    lookup->limit = limit;
    sw_http_defer(http, on_gone, call);
    sw_bus_lookup(roles->bus, roles->inbox, lookup);
}

void sw_api_history(const struct sw_roles *roles, struct sw_http *http,
                    const struct sw_request *request)
{
    struct sw_parameter parameters[] = {{.name = "from"}, {.name = "limit"}};
    struct sw_buf topic = {0};
    struct sw_position from = {0};
    uint64_t limit = DEFAULT_LIMIT;
    if (take_topic(roles, http, request, &topic) &&
        sw_ask_query(http, request, parameters, SW_ARRAY_SIZE(parameters), EXPECTED) &&
        take_from(http, &parameters[0], &from) && take_limit(http, &parameters[1], &limit)) {
        look_up(roles, http, sw_buf_slice(&topic), &from, parameters[0].given, (uint32_t)limit);
    }
    sw_buf_deinit(&parameters[0].value);
    sw_buf_deinit(&parameters[1].value);
    sw_buf_deinit(&topic);
}
