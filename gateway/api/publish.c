// SPDX-License-Identifier: Apache-2.0
#include "api/publish.h"

#include "bus/envelope.h"
#include "common/json.h"
#include "common/mem.h"
#include "core/topic.h"

#define TOPICS_PATH "/v1/topics/"

/* Why one message was not published, or SW_ERROR_NONE. */
struct outcome {
    enum sw_error error;
    const char *message;
    uint32_t retry_ms;
    bool unknown;
    struct sw_position position; /* offset 0: its topic has no history */
};

/* One message as it was given. */
struct item {
    struct sw_slice topic;
    struct sw_slice key; /* data == NULL: none; `id`, too */
    struct sw_slice id;  /* of idempotency */
    struct sw_slice payload;
};

/* One HTTP request whose publishes are with the bus. */
struct call {
    struct sw_http *http; /* NULL: the client has left */
    char *topic;          /* of POST /v1/topics/{topic}, else NULL */
    bool batch;
    uint32_t count;
    uint32_t waiting;
    struct outcome outcomes[];
};

static struct call *call_create(struct sw_http *http, uint32_t count)
{
    struct call *call = sw_zalloc(sizeof(*call) + count * sizeof(call->outcomes[0]));
    call->http = http;
    call->count = count;
    for (uint32_t i = 0; i < count; i++) {
        call->outcomes[i].error = SW_ERROR_NONE;
    }
    return call;
}

static void call_destroy(struct call *call)
{
    sw_free(call->topic);
    sw_free(call);
}

/* Where it has one, as a member. */
static void append_position(struct sw_buf *out, const struct outcome *outcome)
{
    if (outcome->position.offset) {
        sw_buf_append_slice(out, SW_SLICE("\"position\":\""));
        sw_position_write(out, &outcome->position);
        sw_buf_append_byte(out, '"');
    }
}

static void append_outcome(struct sw_buf *out, const struct outcome *outcome)
{
    if (outcome->error == SW_ERROR_NONE) {
        sw_buf_append_byte(out, '{');
        append_position(out, outcome);
        sw_buf_append_byte(out, '}');
        return;
    }
    sw_buf_append_slice(out, SW_SLICE("{\"error\":"));
    sw_http_append_error(out, outcome->error, outcome->message, outcome->retry_ms,
                         outcome->unknown ? "unknown" : NULL);
    sw_buf_append_byte(out, '}');
}

static void reply(struct call *call)
{
    struct sw_buf body = {0};
    const struct outcome *first = call->outcomes;
    if (!call->batch && first->error != SW_ERROR_NONE) {
        sw_http_reply_error(call->http, first->error, first->message, first->retry_ms,
                            first->unknown ? "unknown" : NULL);
        return;
    }
    if (call->topic) {
        sw_buf_append_slice(&body, SW_SLICE("{\"topic\":"));
        sw_json_append_string(&body, sw_slice_of(call->topic));
        if (first->position.offset) {
            sw_buf_append_byte(&body, ',');
            append_position(&body, first);
        }
        sw_buf_append_byte(&body, '}');
    } else {
        sw_buf_append_slice(&body, SW_SLICE("{\"results\":["));
        for (uint32_t i = 0; i < call->count; i++) {
            if (i) {
                sw_buf_append_byte(&body, ',');
            }
            append_outcome(&body, &call->outcomes[i]);
        }
        sw_buf_append_slice(&body, SW_SLICE("]}"));
    }
    sw_http_reply(call->http, 200, "application/json", sw_buf_slice(&body), "");
    sw_buf_deinit(&body);
}

static void finish(struct call *call)
{
    if (call->http) {
        reply(call);
    }
    call_destroy(call);
}

static void on_gone(void *owner)
{
    struct call *call = owner;
    call->http = NULL; /* the publishes go on; the last of them frees the call */
}

/* One publish has come back from the bus. */
static void on_published(void *context, struct sw_publish *publish)
{
    struct call *call = context;
    struct outcome *outcome = &call->outcomes[publish->id];
    outcome->error = publish->error;
    outcome->retry_ms = publish->retry_ms;
    outcome->unknown = publish->outcome_unknown;
    outcome->position = publish->position;
    sw_publish_destroy(publish);
    if (--call->waiting == 0) {
        finish(call);
    }
}

/* What the topic's rule says. */
static enum sw_error judge_rule(const struct sw_publisher *publisher,
                                const struct sw_permit *permit, const struct item *item,
                                const char **why)
{
    const struct sw_rules *rules = publisher->rules;
    const struct sw_rule *rule = sw_rules_find(rules, item->topic, false);
    if (!publisher->backend && !sw_permit_publish(permit, rules, rule, item->topic, why)) {
        return SW_ERROR_FORBIDDEN;
    }
    if (item->payload.size > rule->max_message_bytes) {
        *why = "the payload is above the topic's max_message_bytes";
        return SW_ERROR_TOO_LARGE;
    }
    return SW_ERROR_NONE;
}

static struct outcome judge(const struct sw_publisher *publisher, const struct sw_permit *permit,
                            const struct item *item)
{
    struct outcome outcome = {.error = SW_ERROR_NONE};
    switch (sw_topic_kind(item->topic, publisher->rules->separator, &outcome.message)) {
    case SW_TOPIC_BAD:
        outcome.error = SW_ERROR_BAD_TOPIC;
        return outcome;
    case SW_TOPIC_PATTERN:
        outcome.error = SW_ERROR_BAD_TOPIC;
        outcome.message = "a pattern cannot be published to";
        return outcome;
    case SW_TOPIC_CONCRETE:
        break;
    }
    outcome.error = SW_ERROR_BAD_REQUEST;
    if (item->key.data && !sw_envelope_key_valid(item->key)) {
        outcome.message = "a key is 1 to 64 of '!' to '~' without ';'";
    } else if (item->id.data && !sw_envelope_key_valid(item->id)) {
        outcome.message = "an idempotency id is 1 to 64 of '!' to '~' without ';'";
    } else {
        outcome.error = judge_rule(publisher, permit, item, &outcome.message);
    }
    return outcome;
}

static void hand_over(const struct sw_publisher *publisher, struct call *call, uint32_t index,
                      const struct item *item)
{
    struct sw_publish *publish = sw_publish_create(item->topic, item->key, item->id, item->payload);
    publish->done = on_published;
    publish->context = call;
    publish->id = index;
    call->waiting++;
    sw_bus_publish(publisher->bus, publisher->inbox, publish);
}

/* To the bus, if it may. */
static void try_item(const struct sw_publisher *publisher, const struct sw_permit *permit,
                     struct call *call, uint32_t index, const struct item *item)
{
    call->outcomes[index] = judge(publisher, permit, item);
    if (call->outcomes[index].error == SW_ERROR_NONE) {
        hand_over(publisher, call, index, item);
    }
}

/* Whatever was refused is known; the rest is with the bus. */
static void await(struct call *call)
{
    if (call->waiting == 0) {
        finish(call);
    } else {
        sw_http_defer(call->http, on_gone, call);
    }
}

void sw_api_publish_topic(const struct sw_publisher *publisher, struct sw_http *http,
                          const struct sw_request *request)
{
    struct sw_slice path = request->path;
    struct sw_slice encoded =
        sw_slice(path.data + sizeof(TOPICS_PATH) - 1, path.size - (sizeof(TOPICS_PATH) - 1));
    struct sw_buf topic = {0};
    if (!sw_percent_decode(&topic, encoded, false)) {
        sw_http_reply_error(http, SW_ERROR_BAD_TOPIC, "the path is not well percent-encoded", 0,
                            NULL);
        sw_buf_deinit(&topic);
        return;
    }
    struct call *call = call_create(http, 1);
    call->topic = sw_strndup(sw_buf_text(&topic), topic.size);
    try_item(publisher, NULL, call, 0,
             &(struct item){.topic = sw_buf_slice(&topic),
                            .key = sw_request_header(request, "Spillway-Key"),
                            .id = sw_request_header(request, "Idempotency-Key"),
                            .payload = request->body});
    await(call);
    sw_buf_deinit(&topic);
}

/* ---- POST /v1/publish ---- */

enum field { TOPIC, DATA, KEY, ID, FIELD_COUNT };
static const char *const field_names[FIELD_COUNT] = {"topic", "data", "key", "id"};

#define EXPECTED "expected: {\"topic\":\"orders.eu\",\"data\":{\"id\":7}}"

static const char *check_shape(const struct sw_json_value *fields)
{
    if (!fields[TOPIC].raw.data || fields[TOPIC].type != SW_JSON_STRING) {
        return "\"topic\" is missing or no string; " EXPECTED;
    }
    if (!fields[DATA].raw.data) {
        return "\"data\" is missing; " EXPECTED;
    }
    if (fields[KEY].raw.data && fields[KEY].type != SW_JSON_STRING) {
        return "\"key\" is a string; " EXPECTED;
    }
    if (fields[ID].raw.data && fields[ID].type != SW_JSON_STRING) {
        return "\"id\" is a string; " EXPECTED;
    }
    return NULL;
}

/* The string's text, kept in `text`; none where the field is not given. */
static struct sw_slice take_string(struct sw_json_value field, struct sw_buf *text)
{
    if (!field.raw.data) {
        return sw_slice(NULL, 0);
    }
    sw_json_unescape(text, field.raw);
    return sw_slice(sw_buf_text(text), text->size);
}

static void publish_one(const struct sw_publisher *publisher, const struct sw_permit *permit,
                        struct call *call, uint32_t index, struct sw_json_value value)
{
    struct outcome *outcome = &call->outcomes[index];
    struct sw_json_value fields[FIELD_COUNT];
    outcome->error = SW_ERROR_BAD_REQUEST;
    if (value.type != SW_JSON_OBJECT) {
        outcome->message = "a message is an object; " EXPECTED;
        return;
    }
    if (!sw_json_members(value.raw, field_names, FIELD_COUNT, fields, NULL)) {
        outcome->message = "a name stands twice; " EXPECTED;
        return;
    }
    outcome->message = check_shape(fields);
    if (outcome->message) {
        return;
    }
    struct sw_buf topic = {0};
    struct sw_buf key = {0};
    struct sw_buf id = {0};
    try_item(publisher, permit, call, index,
             &(struct item){.topic = take_string(fields[TOPIC], &topic),
                            .key = take_string(fields[KEY], &key),
                            .id = take_string(fields[ID], &id),
                            .payload = fields[DATA].raw});
    sw_buf_deinit(&topic);
    sw_buf_deinit(&key);
    sw_buf_deinit(&id);
}

static void publish_batch(const struct sw_publisher *publisher, const struct sw_permit *permit,
                          struct sw_http *http, struct sw_slice array)
{
    uint32_t count = (uint32_t)sw_json_count(array);
    if (count > SW_PUBLISH_BATCH) {
        sw_http_reply_error(http, SW_ERROR_TOO_LARGE, "a batch holds at most 1,000 messages", 0,
                            NULL);
        return;
    }
    struct call *call = call_create(http, count);
    struct sw_json_walk walk = sw_json_walk(array);
    struct sw_json_member member;
    call->batch = true;
    for (uint32_t i = 0; sw_json_next(&walk, &member); i++) {
        publish_one(publisher, permit, call, i, member.value);
    }
    await(call);
}

void sw_api_publish(const struct sw_publisher *publisher, struct sw_http *http,
                    const struct sw_request *request, const struct sw_permit *permit)
{
    struct sw_slice body = request->body;
    if (sw_json_validate(body.data, body.size, SW_PAYLOAD_DEPTH, NULL) != SW_JSON_OK) {
        sw_http_reply_error(http, SW_ERROR_BAD_REQUEST, "not valid JSON; " EXPECTED, 0, NULL);
        return;
    }
    struct sw_json_value value = sw_json_value(body);
    if (value.type == SW_JSON_ARRAY) {
        publish_batch(publisher, permit, http, value.raw);
        return;
    }
    struct call *call = call_create(http, 1);
    publish_one(publisher, permit, call, 0, value);
    await(call);
}
