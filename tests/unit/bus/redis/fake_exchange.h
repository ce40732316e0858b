// SPDX-License-Identifier: Apache-2.0
/* An exchange that only writes down what it is told, one line each, so that the Redis backend is
 * tested by itself. Interests come and go as the test says. Include it once per program. */
#ifndef SW_TESTS_BUS_REDIS_FAKE_EXCHANGE_H
#define SW_TESTS_BUS_REDIS_FAKE_EXCHANGE_H

#include "bus/backend.h"
#include "common/mem.h"

#include <stdio.h>
#include <string.h>

struct sw_exchange {
    struct sw_bus_config config;
    struct sw_loop *loop;
    struct sw_counters counters;
    struct sw_list interests;
    struct sw_buf said;
    unsigned ups;
    unsigned downs;
    unsigned acks;
    unsigned messages;
    unsigned published;
    uint32_t receivers;                             /* of what was published last */
    struct sw_position position;                    /* likewise */
    void (*on_acked)(struct sw_interest *interest); /* may be NULL */
};

static inline void fake_init(struct sw_exchange *exchange, const char *prefix)
{
    memset(exchange, 0, sizeof(*exchange));
    exchange->config = (struct sw_bus_config){
        .prefix = prefix, .node = "unit test", .separator = '.', .max_message_bytes = 262144};
    sw_list_init(&exchange->interests);
}

/* Each interest stands behind its link on the list. */
static inline struct sw_interest *fake_at(struct sw_list *link)
{
    return (struct sw_interest *)(void *)(link + 1);
}

/* The name is what stands behind the prefix: patterns of tests have the glob that they look like.
 */
static inline struct sw_interest *fake_want(struct sw_exchange *exchange, const char *wire,
                                            bool pattern)
{
    size_t prefix = strlen(exchange->config.prefix);
    size_t size = strlen(wire);
    struct sw_list *link = sw_zalloc(sizeof(*link) + sizeof(struct sw_interest) + 2 * size);
    struct sw_interest *interest = fake_at(link);
    interest->pattern = pattern;
    interest->wire_size = (uint16_t)size;
    interest->name_size = (uint8_t)(size > prefix ? size - prefix : 0);
    memcpy(interest->bytes, wire, size);
    memcpy(interest->bytes + size, wire + size - interest->name_size, interest->name_size);
    sw_list_push(&exchange->interests, link);
    return interest;
}

static inline void fake_forget(struct sw_interest *interest)
{
    struct sw_list *link = (struct sw_list *)(void *)interest - 1;
    sw_list_remove(link);
    sw_free(link);
}

static inline void fake_deinit(struct sw_exchange *exchange)
{
    for (struct sw_list *node; (node = sw_list_first(&exchange->interests));) {
        fake_forget(fake_at(node));
    }
    sw_buf_deinit(&exchange->said);
}

/* What was said since the last time; borrowed until more is said. */
static inline const char *fake_said(struct sw_exchange *exchange)
{
    const char *text = sw_buf_text(&exchange->said);
    exchange->said.size = 0;
    return text;
}

static inline struct sw_publish *fake_publish_once(const char *topic, const char *key,
                                                   const char *id, const char *payload)
{
    size_t sizes[] = {strlen(topic), strlen(key), strlen(id), strlen(payload)};
    size_t size = sizes[0] + sizes[1] + sizes[2] + sizes[3];
    struct sw_publish *publish = sw_zalloc(sizeof(*publish) + size + 1);
    publish->topic_size = (uint8_t)sizes[0];
    publish->key_size = (uint8_t)sizes[1];
    publish->idempotency_size = (uint8_t)sizes[2];
    publish->size = (uint32_t)sizes[3];
    snprintf(publish->bytes, size + 1, "%s%s%s%s", topic, key, id, payload);
    return publish;
}

static inline struct sw_publish *fake_publish(const char *topic, const char *key,
                                              const char *payload)
{
    return fake_publish_once(topic, key, "", payload);
}

/* One rule: topics that begin with "h." keep 10 messages for 60 s. */
static inline void fake_keep(struct sw_exchange *exchange, struct sw_rules *rules)
{
    sw_rules_init(rules);
    sw_rules_add(rules, &(struct sw_rule){
                            .match = SW_SLICE("h.>"),
                            .modes_allowed = SW_MODES_CHOICE,
                            .client_publish = -1,
                            .history_size = 10,
                            .history_ttl_ms = 60000,
                        });
    sw_rules_settle(rules, '.', 262144);
    exchange->config.rules = rules;
}

/* ---- what a backend sees of it ---- */

const struct sw_bus_config *sw_exchange_config(const struct sw_exchange *exchange)
{
    return &exchange->config;
}

struct sw_loop *sw_exchange_loop(const struct sw_exchange *exchange)
{
    return exchange->loop;
}

struct sw_counters *sw_exchange_counters(const struct sw_exchange *exchange)
{
    return (struct sw_counters *)(uintptr_t)&exchange->counters;
}

void sw_exchange_visit(struct sw_exchange *exchange,
                       void (*visit)(void *context, struct sw_interest *interest), void *context)
{
    struct sw_list *all = &exchange->interests;
    for (struct sw_list *at = all->next; at != all; at = at->next) {
        visit(context, fake_at(at));
    }
}

struct sw_interest *sw_exchange_find(const struct sw_exchange *exchange, struct sw_slice wire,
                                     bool pattern)
{
    const struct sw_list *all = &exchange->interests;
    for (struct sw_list *at = all->next; at != all; at = at->next) {
        struct sw_interest *interest = fake_at(at);
        if (interest->pattern == pattern && sw_slice_equal(sw_interest_wire(interest), wire)) {
            return interest;
        }
    }
    return NULL;
}

void sw_exchange_acked(struct sw_exchange *exchange, struct sw_interest *interest)
{
    interest->acked = true;
    interest->lost = false;
    exchange->acks++;
    sw_buf_printf(&exchange->said, "acked %.*s\n", SW_SLICE_ARG(sw_interest_wire(interest)));
    if (exchange->on_acked) {
        exchange->on_acked(interest);
    }
}

void sw_exchange_refused(struct sw_exchange *exchange, struct sw_interest *interest,
                         enum sw_error error)
{
    sw_buf_printf(&exchange->said, "refused %.*s %s\n", SW_SLICE_ARG(sw_interest_wire(interest)),
                  sw_error_row(error)->code);
    fake_forget(interest);
}

void sw_exchange_down(struct sw_exchange *exchange, const char *why)
{
    (void)why;
    exchange->downs++;
    sw_buf_printf(&exchange->said, "down\n");
    for (struct sw_list *at = exchange->interests.next; at != &exchange->interests; at = at->next) {
        struct sw_interest *interest = fake_at(at);
        interest->lost = interest->lost || interest->acked;
        interest->acked = false;
    }
}

void sw_exchange_up(struct sw_exchange *exchange)
{
    exchange->ups++;
    sw_buf_printf(&exchange->said, "up\n");
}

void sw_exchange_message(struct sw_exchange *exchange, struct sw_interest *interest,
                         struct sw_slice topic, struct sw_slice raw)
{
    exchange->messages++;
    sw_buf_printf(&exchange->said, "message %.*s %.*s %.*s\n",
                  SW_SLICE_ARG(sw_interest_wire(interest)), SW_SLICE_ARG(topic),
                  (int)(raw.size < 100 ? raw.size : 100), raw.data);
}

void sw_exchange_too_large(struct sw_exchange *exchange, struct sw_interest *interest)
{
    sw_buf_printf(&exchange->said, "too_large %.*s\n", SW_SLICE_ARG(sw_interest_wire(interest)));
}

void sw_exchange_published(struct sw_exchange *exchange, struct sw_publish *publish,
                           enum sw_error error, bool outcome_unknown)
{
    exchange->published++;
    exchange->receivers = publish->receivers;
    exchange->position = publish->position;
    sw_buf_printf(&exchange->said, "published %.*s %s%s", SW_SLICE_ARG(sw_publish_topic(publish)),
                  error == SW_ERROR_NONE ? "ok" : sw_error_row(error)->code,
                  outcome_unknown ? " unknown" : "");
    if (publish->position.offset > 0) {
        sw_buf_printf(&exchange->said, " at %u", (unsigned)publish->position.offset);
    }
    sw_buf_printf(&exchange->said, "\n");
    sw_free(publish);
}

#endif
