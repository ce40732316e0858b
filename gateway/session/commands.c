// SPDX-License-Identifier: Apache-2.0
/* What a client asks: one handler for each request. */
#include "bus/envelope.h"
#include "common/assert.h"
#include "common/mem.h"
#include "core/topic.h"
#include "session/guest.h"
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

void sw_session_count_bad(struct sw_session *session)
{
    uint32_t now = sw_sessions_tick(session->all);
    if (session->bad_count == 0 || now - session->bad_since > MINUTE_MS / SW_WHEEL_TICK_MS) {
        session->bad_since = now;
        session->bad_count = 0;
    }
    if (++session->bad_count >= SW_BAD_REQUESTS) {
        sw_session_close(session, SW_REASON_BAD_REQUEST);
    }
}

/* The connection stays. */
static void bad_request(struct sw_session *session, const struct sw_command *command)
{
    struct sw_sessions *all = session->all;
    char message[256];
    snprintf(message, sizeof(message), "%s; expected: %s", command->problem, command->expected);
    sw_count(&all->counters->bad_requests_total, 1);
    sw_session_error(session, &(struct sw_encode_error){.error = SW_ERROR_BAD_REQUEST,
                                                        .id = command->id,
                                                        .message = message});
    sw_session_count_bad(session);
}

static void unsupported(struct sw_session *session, uint64_t id, const char *message)
{
    sw_session_error(session, &(struct sw_encode_error){
                                  .error = SW_ERROR_UNSUPPORTED, .id = id, .message = message});
}

static void hello(struct sw_session *session, const struct sw_command *command)
{
    if (session->guest) {
        sw_guest_hello(session, command);
    } else if (command->token.data) {
        unsupported(session, command->id, "this node takes no tokens");
    } else {
        sw_session_welcome(session, command->id);
    }
}

static void refresh(struct sw_session *session, const struct sw_command *command)
{
    if (session->guest) {
        sw_guest_refresh(session, command);
    } else {
        unsupported(session, command->id, "this node takes no tokens");
    }
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

struct sw_permit sw_session_permit(const struct sw_session *session)
{
    return (struct sw_permit){.node = session->may_publish, .grant = sw_session_grant(session)};
}

static enum sw_error judge_publish(const struct sw_session *session,
                                   const struct sw_publishing *publishing, const char **why)
{
    const struct sw_sessions *all = session->all;
    struct sw_slice topic = publishing->topic;
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
    struct sw_permit permit = sw_session_permit(session);
    if (!sw_permit_publish(&permit, all->config.rules, rule, topic, why)) {
        return SW_ERROR_FORBIDDEN;
    }
    if (publishing->key.data && !sw_envelope_key_valid(publishing->key)) {
        *why = "\"key\" is 1 to 64 of '!' to '~' without ';'";
        return SW_ERROR_BAD_REQUEST;
    }
    if (publishing->data.size > rule->max_message_bytes) {
        *why = "the payload is above the topic's max_message_bytes";
        return SW_ERROR_TOO_LARGE;
    }
    return SW_ERROR_NONE;
}

/* Who waits for so many replies is not read from, so that neither they nor what it sends pile up.
 */
static void publish_begun(struct sw_session *session)
{
    if (++session->publishes >= session->all->config.pending_replies) {
        sw_session_pause(session, SW_PAUSE_REPLIES);
        sw_count(&session->all->counters->reply_pauses_total, 1);
    }
}

static void publish_answered(struct sw_session *session)
{
    session->publishes--;
    sw_session_unpause(session, SW_PAUSE_REPLIES);
}

/* It has come back from the bus. */
static void on_published(void *context, struct sw_publish *publish)
{
    struct sw_sessions *all = context;
    struct sw_session *session = sw_session_named(all, publish->owner);
    if (session) {
        publish_answered(session);
    }
    if (session && sw_session_state(session) == SW_OPEN) {
        if (publish->error != SW_ERROR_NONE) {
            sw_session_error(
                session, &(struct sw_encode_error){.error = publish->error,
                                                   .id = publish->id,
                                                   .retry_ms = publish->retry_ms,
                                                   .outcome_unknown = publish->outcome_unknown});
        } else if (publish->id) {
            struct sw_buf text = {0};
            sw_encode_published(&text, publish->id, &publish->position);
            sw_session_say(session, sw_buf_slice(&text));
            sw_buf_deinit(&text);
        }
    }
    sw_publish_destroy(publish);
}

enum sw_error sw_session_publish(struct sw_session *session, const struct sw_publishing *publishing,
                                 const char **why)
{
    enum sw_error error = judge_publish(session, publishing, why);
    if (error == SW_ERROR_NONE) {
        struct sw_publish *item = sw_publish_create(publishing->topic, publishing->key,
                                                    sw_slice("", 0), publishing->data);
        item->owner = sw_session_name(session);
        item->id = publishing->id;
        item->done = on_published;
        item->context = session->all;
        publish_begun(session);
        sw_bus_publish(session->all->bus, session->all->inbox, item);
    }
    return error;
}

static void publish(struct sw_session *session, const struct sw_command *command)
{
    struct sw_buf topic = {0};
    struct sw_buf key = {0};
    struct sw_publishing publishing = {.id = command->id, .data = command->data};
    sw_json_unescape(&topic, command->topic);
    publishing.topic = sw_buf_slice(&topic);
    if (command->key.data) {
        sw_json_unescape(&key, command->key);
        publishing.key = sw_slice(sw_buf_text(&key), key.size);
    }
    const char *why = NULL;
    enum sw_error error = sw_session_publish(session, &publishing, &why);
    if (error != SW_ERROR_NONE) {
        sw_session_error(
            session, &(struct sw_encode_error){.error = error, .id = command->id, .message = why});
    }
    sw_buf_deinit(&topic);
    sw_buf_deinit(&key);
}

/* Before it is known who this is nothing else is served. */
static bool turned_away(struct sw_session *session, const struct sw_command *command)
{
    if (sw_session_known(session) || command->kind == SW_COMMAND_HELLO ||
        command->kind == SW_COMMAND_BAD) {
        return false;
    }
    sw_session_error(session, &(struct sw_encode_error){.error = SW_ERROR_UNAUTHORIZED,
                                                        .id = command->id,
                                                        .message = "say hello with a token first"});
    sw_session_count_bad(session);
    return true;
}

void sw_session_receive(struct sw_session *session, struct sw_slice text)
{
    sw_count(&session->all->counters->requests_total, 1);
    struct sw_command command = sw_command_parse(text);
    if (turned_away(session, &command)) {
        return;
    }
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
        (void)sw_session_subscribe(session, &command);
        return;
    case SW_COMMAND_UNSUBSCRIBE:
        sw_session_unsubscribe(session, &command);
        return;
    case SW_COMMAND_PUBLISH:
        publish(session, &command);
        return;
    case SW_COMMAND_REFRESH:
        refresh(session, &command);
        return;
    case SW_COMMAND_PING:
        pong(session, &command);
        return;
    }
}
