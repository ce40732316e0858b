// SPDX-License-Identifier: Apache-2.0
#include "bus/redis/asking.h"

#include "bus/envelope.h"
#include "bus/redis/link.h"
#include "common/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Of one publish, by the function: the library is loaded once, and a history that a hand has been
 * at is forgotten by the first TRYAGAIN. */
#define TRIES 3

/* ---- publishes as commands ---- */

static void put_channel(const struct sw_redis_commands *commands, struct sw_slice topic)
{
    struct sw_slice prefix = sw_redis_prefix(commands);
    sw_redis_put_size(commands->out, prefix.size + topic.size);
    sw_buf_append_slice(commands->out, prefix);
    sw_buf_append_slice(commands->out, topic);
    sw_redis_put_end(commands->out);
}

/* The payload, wrapped where it must be. */
static void put_payload(struct sw_buf *out, const struct sw_publish *publish)
{
    struct sw_slice payload = sw_publish_payload(publish);
    struct sw_slice key = sw_publish_key(publish);
    struct sw_buf head = {0};
    if (sw_envelope_needed(key, payload)) {
        sw_envelope_write_head(&head, key);
    }
    sw_redis_put_size(out, head.size + payload.size);
    sw_buf_append_slice(out, sw_buf_slice(&head));
    sw_buf_append_slice(out, payload);
    sw_redis_put_end(out);
    sw_buf_deinit(&head);
}

static void put_option(struct sw_buf *out, struct sw_slice name, struct sw_slice value)
{
    sw_redis_put_argument(out, name);
    sw_redis_put_argument(out, value);
}

static void put_number_option(struct sw_buf *out, struct sw_slice name, uint64_t value)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%" PRIu64, value);
    put_option(out, name, sw_slice(text, (size_t)size));
}

/* The topic's rule, where that gives it a history. */
static const struct sw_rule *history_rule(const struct sw_redis_commands *commands,
                                          const struct sw_publish *publish)
{
    if (!commands->keeps || publish->notice) {
        return NULL;
    }
    const struct sw_rules *rules = sw_exchange_config(commands->exchange)->rules;
    const struct sw_rule *rule = sw_rules_find(rules, sw_publish_topic(publish), false);
    return rule->history_size > 0 ? rule : NULL;
}

/* The function wraps the payload itself. Without a rule the topic has no history: size 0. */
static void put_call(struct sw_redis_commands *commands, const struct sw_publish *publish,
                     const struct sw_rule *rule)
{
    struct sw_buf *out = commands->out;
    struct sw_slice key = sw_publish_key(publish);
    struct sw_slice id = sw_publish_idempotency(publish);
    size_t options = 1u + (key.size > 0) + (id.size > 0) + (rule != NULL);
    sw_redis_put_command(out, 5 + 2 * options);
    sw_redis_put_argument(out, SW_SLICE("FCALL"));
    sw_redis_put_argument(out, SW_SLICE("spillway_publish"));
    sw_redis_put_argument(out, SW_SLICE("1"));
    put_channel(commands, sw_publish_topic(publish));
    sw_redis_put_argument(out, sw_publish_payload(publish));
    if (id.size > 0) {
        put_option(out, SW_SLICE("ID"), id);
    }
    if (key.size > 0) {
        put_option(out, SW_SLICE("KEY"), key);
    }
    put_number_option(out, SW_SLICE("SIZE"), rule ? rule->history_size : 0);
    if (rule) {
        put_number_option(out, SW_SLICE("TTL"), rule->history_ttl_ms);
    }
}

static void send_publish(struct sw_redis_commands *commands, struct sw_publish *publish,
                         const struct sw_rule *rule, uint8_t tries, uint64_t now_ms)
{
    bool call = rule || sw_publish_idempotency(publish).size > 0;
    if (call) {
        put_call(commands, publish, rule);
    } else {
        sw_redis_put_command(commands->out, 3);
        sw_redis_put_argument(commands->out, SW_SLICE("PUBLISH"));
        put_channel(commands, sw_publish_topic(publish));
        put_payload(commands->out, publish);
    }
    sw_redis_asked(commands, call ? SW_REDIS_ASK_KEEP : SW_REDIS_ASK_PUBLISH, publish, 1, tries,
                   now_ms + SW_REDIS_REPLY_MS);
}

void sw_redis_commands_publish(struct sw_redis_commands *commands, struct sw_publish *publish,
                               uint64_t now_ms)
{
    const struct sw_rule *rule = history_rule(commands, publish);
    bool call = rule || sw_publish_idempotency(publish).size > 0;
    publish->deadline_ms = now_ms + SW_REDIS_REPLY_MS;
    publish->outcome_unknown = false;
    publish->position = (struct sw_position){0};
    if (call && sw_redis_library_is_busy(&commands->library)) {
        sw_ring_push(&commands->held, publish);
        return;
    }
    send_publish(commands, publish, rule, 0, now_ms);
}

static void send_ring(struct sw_redis_commands *commands, struct sw_ring *ring, uint8_t tries,
                      uint64_t now_ms)
{
    struct sw_publish *publish;
    while ((publish = sw_ring_pop(ring))) {
        send_publish(commands, publish, history_rule(commands, publish), tries, now_ms);
    }
}

/* ---- publishes answered ---- */

void sw_redis_publish_log(struct sw_redis_commands *commands, struct sw_slice error)
{
    char text[sizeof(commands->publish_said)];
    char clean[sizeof(commands->publish_said)];
    sw_redis_error_text(text, sizeof(text), error);
    sw_log_clean(clean, sizeof(clean), sw_slice_of(text));
    if (strcmp(clean, commands->publish_said) != 0) {
        memcpy(commands->publish_said, clean, sizeof(clean));
        sw_log(SW_LOG_WARN, "redis_publish_refused", "why=\"%s\"", clean);
    }
}

/* Is it to be sent again? Then that has been seen to. */
static bool try_again(struct sw_redis_commands *commands, const struct sw_redis_waiting *waiting,
                      struct sw_slice error, uint64_t now_ms)
{
    struct sw_publish *publish = waiting->subject;
    if (waiting->ask != SW_REDIS_ASK_KEEP || waiting->tries + 1 >= TRIES) {
        return false;
    }
    if (sw_redis_error_is(error, "TRYAGAIN")) {
        send_publish(commands, publish, history_rule(commands, publish),
                     (uint8_t)(waiting->tries + 1), now_ms);
        return true;
    }
    if (waiting->tries == 0 && sw_slice_starts_with(error, SW_SLICE("ERR Function not found")) &&
        sw_redis_library_load(&commands->library, &commands->fifo, commands->out, now_ms)) {
        sw_ring_push(&commands->again, publish);
        return true;
    }
    return false;
}

static void publish_failed(struct sw_redis_commands *commands,
                           const struct sw_redis_waiting *waiting, struct sw_slice text,
                           uint64_t now_ms)
{
    struct sw_publish *publish = waiting->subject;
    bool call = waiting->ask == SW_REDIS_ASK_KEEP;
    if (try_again(commands, waiting, text, now_ms)) {
        return;
    }
    enum sw_error error = sw_redis_error_of(text, call);
    if (call || error != SW_ERROR_FORBIDDEN) {
        sw_redis_publish_log(commands, text);
    }
    if (call && sw_redis_error_is(text, "READONLY")) {
        commands->fault = "the server is a replica: histories are kept by its master";
    }
    publish->receivers = 0;
    sw_exchange_published(commands->exchange, publish, error, false);
}

static void published(struct sw_redis_commands *commands, struct sw_publish *publish,
                      const struct sw_redis_event *event)
{
    publish->receivers = event->kind == SW_REDIS_INTEGER ? (uint32_t)event->number : 0;
    if (event->kind == SW_REDIS_BULK && event->text.data &&
        !sw_position_parse(event->text, &publish->position)) {
        sw_redis_publish_log(commands,
                             SW_SLICE("spillway_publish answers no position: what is loaded "
                                      "under this name is another function"));
    }
    sw_exchange_published(commands->exchange, publish, SW_ERROR_NONE, false);
}

void sw_redis_publish_answer(struct sw_redis_commands *commands,
                             const struct sw_redis_waiting *waiting,
                             const struct sw_redis_event *event, uint64_t now_ms)
{
    if (event->kind == SW_REDIS_ERROR) {
        publish_failed(commands, waiting, event->text, now_ms);
    } else {
        published(commands, waiting->subject, event);
    }
}

void sw_redis_publish_release(struct sw_redis_commands *commands, uint64_t now_ms)
{
    send_ring(commands, &commands->again, 1, now_ms);
    send_ring(commands, &commands->held, 0, now_ms);
}

void sw_redis_commands_up(struct sw_redis_commands *commands, uint64_t now_ms)
{
    send_ring(commands, &commands->again, 0, now_ms);
}

/* ---- the link's end ---- */

static void give_back(struct sw_redis_commands *commands, struct sw_publish *publish)
{
    sw_exchange_published(commands->exchange, publish, SW_ERROR_BUS_UNAVAILABLE,
                          publish->outcome_unknown);
}

/* Asked by an id, the function knows whether it has had it. */
void sw_redis_publish_lost(struct sw_redis_commands *commands, struct sw_publish *publish,
                           bool sent)
{
    publish->outcome_unknown = publish->outcome_unknown || sent;
    if (sw_publish_idempotency(publish).size > 0) {
        sw_ring_push(&commands->again, publish);
    } else {
        give_back(commands, publish);
    }
}

void sw_redis_commands_look(struct sw_redis_commands *commands, uint64_t now_ms)
{
    struct sw_publish *publish;
    while ((publish = sw_ring_first(&commands->again)) && now_ms >= publish->deadline_ms) {
        (void)sw_ring_pop(&commands->again);
        give_back(commands, publish);
    }
}
