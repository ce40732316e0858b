// SPDX-License-Identifier: Apache-2.0
/* What a client asks: one handler for each request. */
#include "bus/envelope.h"
#include "common/assert.h"
#include "common/mem.h"
#include "core/topic.h"
#include "session/internal.h"

#include <stdio.h>

#define MINUTE_MS 60000

void sw_session_error(struct sw_session *session, const struct sw_encode_error *error)
{
    struct sw_buf text = {0};
    sw_encode_error(&text, error);
    sw_session_say(session, sw_buf_slice(&text));
    sw_buf_deinit(&text);
}

/* The connection stays; the tenth within a minute ends it. */
static void bad_request(struct sw_session *session, const struct sw_command *command)
{
    struct sw_sessions *all = session->all;
    char message[256];
    snprintf(message, sizeof(message), "%s; expected: %s", command->problem, command->expected);
    sw_count(&all->counters->bad_requests_total, 1);
    sw_session_error(session, &(struct sw_encode_error){.error = SW_ERROR_BAD_REQUEST,
                                                        .id = command->id,
                                                        .message = message});
    uint32_t now = sw_sessions_tick(all);
    if (session->bad_count == 0 || now - session->bad_since > MINUTE_MS / SW_WHEEL_TICK_MS) {
        session->bad_since = now;
        session->bad_count = 0;
    }
    if (++session->bad_count >= SW_BAD_REQUESTS) {
        sw_session_close(session, SW_REASON_BAD_REQUEST);
    }
}

static void unsupported(struct sw_session *session, uint64_t id, const char *message)
{
    sw_session_error(session, &(struct sw_encode_error){
                                  .error = SW_ERROR_UNSUPPORTED, .id = id, .message = message});
}

/* Who this is was settled at the upgrade, so a hello acts as a refresh. */
static void hello(struct sw_session *session, const struct sw_command *command)
{
    const struct sw_sessions *all = session->all;
    if (command->token) {
        unsupported(session, command->id, "this node takes no tokens");
        return;
    }
    char id[SW_SESSION_ID_BYTES + 1];
    struct sw_buf text = {0};
    sw_encode_welcome(&text,
                      &(struct sw_welcome){.session = sw_slice_of(sw_session_id(session, id)),
                                           .node = sw_slice_of(all->config.node),
                                           .id = command->id,
                                           .heartbeat_ms = all->config.ping_ms,
                                           .frame_limit = SW_FRAME_BYTES,
                                           .topics_limit = SW_SESSION_TOPICS,
                                           .publish = sw_session_publishes(session)});
    sw_session_say(session, sw_buf_slice(&text));
    sw_buf_deinit(&text);
}

static void pong(struct sw_session *session, const struct sw_command *command)
{
    struct sw_buf text = {0};
    sw_encode_pong(&text, command->id);
    sw_session_say(session, sw_buf_slice(&text));
    sw_buf_deinit(&text);
}

static void unknown(struct sw_session *session, const struct sw_command *command)
{
    char message[96];
    int size = command->type.size > 40 ? 40 : (int)command->type.size;
    snprintf(message, sizeof(message), "unknown type: %.*s", size, command->type.data);
    unsupported(session, command->id, message);
}

/* ---- publish ---- */

static enum sw_error judge_publish(const struct sw_session *session, struct sw_slice topic,
                                   struct sw_slice key, struct sw_slice data, const char **why)
{
    const struct sw_sessions *all = session->all;
    switch (sw_topic_kind(topic, all->config.separator, why)) {
    case SW_TOPIC_BAD:
        return SW_ERROR_BAD_TOPIC;
    case SW_TOPIC_PATTERN:
        *why = "a pattern cannot be published to";
        return SW_ERROR_BAD_TOPIC;
    case SW_TOPIC_CONCRETE:
        break;
    }
    const struct sw_rule *rule = sw_rules_find(all->config.rules, topic, false);
    if (!sw_rule_may_publish(rule, session->may_publish, why)) {
        return SW_ERROR_FORBIDDEN;
    }
    if (key.data && !sw_envelope_key_valid(key)) {
        *why = "\"key\" is 1 to 64 of '!' to '~' without ';'";
        return SW_ERROR_BAD_REQUEST;
    }
    if (data.size > rule->max_message_bytes) {
        *why = "the payload is above the topic's max_message_bytes";
        return SW_ERROR_TOO_LARGE;
    }
    return session->publishes < SW_SESSION_PUBLISHES ? SW_ERROR_NONE : SW_ERROR_RATE_LIMITED;
}

/* The session that sent it, if it is still there. */
static struct sw_session *publisher(struct sw_sessions *all, uint64_t owner)
{
    uint32_t slot = (uint32_t)(owner >> 32);
    const struct sw_reader *reader = sw_reader(&all->fanout, slot);
    bool alive = reader->generation == (uint32_t)owner && reader->state == SW_OPEN;
    return alive ? sw_session_at(all, slot) : NULL;
}

/* It has come back from the bus. */
static void on_published(void *context, struct sw_publish *publish)
{
    struct sw_sessions *all = context;
    struct sw_session *session = publisher(all, publish->owner);
    if (session) {
        session->publishes--;
        if (publish->error != SW_ERROR_NONE) {
            sw_session_error(
                session, &(struct sw_encode_error){.error = publish->error,
                                                   .id = publish->id,
                                                   .retry_ms = publish->retry_ms,
                                                   .outcome_unknown = publish->outcome_unknown});
        } else if (publish->id) {
            struct sw_buf text = {0};
            sw_encode_published(&text, publish->id);
            sw_session_say(session, sw_buf_slice(&text));
            sw_buf_deinit(&text);
        }
    }
    sw_publish_destroy(publish);
}

static void publish(struct sw_session *session, const struct sw_command *command)
{
    struct sw_buf topic = {0};
    struct sw_buf key = {0};
    sw_json_unescape(&topic, command->topic);
    struct sw_slice key_slice = {0};
    if (command->key.data) {
        sw_json_unescape(&key, command->key);
        key_slice = sw_slice(sw_buf_text(&key), key.size);
    }
    const char *why = NULL;
    enum sw_error error =
        judge_publish(session, sw_buf_slice(&topic), key_slice, command->data, &why);
    if (error != SW_ERROR_NONE) {
        uint64_t retry_ms = error == SW_ERROR_RATE_LIMITED ? 100 : 0;
        sw_session_error(
            session, &(struct sw_encode_error){
                         .error = error, .id = command->id, .message = why, .retry_ms = retry_ms});
    } else {
        struct sw_publish *item = sw_publish_create(sw_buf_slice(&topic), key_slice, command->data);
        item->owner = (uint64_t)session->slot << 32 | sw_session_reader(session)->generation;
        item->id = command->id;
        item->done = on_published;
        item->context = session->all;
        session->publishes++;
        sw_bus_publish(session->all->bus, session->all->inbox, item);
    }
    sw_buf_deinit(&topic);
    sw_buf_deinit(&key);
}

void sw_session_receive(struct sw_session *session, struct sw_slice text)
{
    sw_count(&session->all->counters->requests_total, 1);
    struct sw_command command = sw_command_parse(text);
    switch (command.kind) {
    case SW_COMMAND_BAD:
        bad_request(session, &command);
        return;
    case SW_COMMAND_UNKNOWN:
        unknown(session, &command);
        return;
    case SW_COMMAND_HELLO:
        hello(session, &command);
        return;
    case SW_COMMAND_SUBSCRIBE:
        sw_session_subscribe(session, &command);
        return;
    case SW_COMMAND_UNSUBSCRIBE:
        sw_session_unsubscribe(session, &command);
        return;
    case SW_COMMAND_PUBLISH:
        publish(session, &command);
        return;
    case SW_COMMAND_REFRESH:
        unsupported(session, command.id, "this node takes no tokens");
        return;
    case SW_COMMAND_PING:
        pong(session, &command);
        return;
    }
}
