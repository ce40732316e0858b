// SPDX-License-Identifier: Apache-2.0
#include "bus/interests.h"

#include "bus/wire.h"
#include "common/assert.h"
#include "common/mem.h"
#include "core/limits.h"

#include <string.h>

static const uint32_t most_lingering[2] = {SW_LINGERING_TOPICS, SW_LINGERING_PATTERNS};

/* ---- finding ---- */

struct sw_interest *sw_interests_find(const struct sw_interests *interests, struct sw_slice name,
                                      bool pattern)
{
    return sw_map_find(&interests->names[pattern], name);
}

struct sw_interest *sw_interests_find_wire(const struct sw_interests *interests,
                                           struct sw_slice wire, bool pattern)
{
    if (pattern) {
        return sw_map_find(&interests->globs, wire);
    }
    struct sw_slice prefix = sw_slice_of(interests->config->prefix);
    if (!sw_slice_starts_with(wire, prefix)) {
        return NULL;
    }
    return sw_interests_find(interests, sw_slice(wire.data + prefix.size, wire.size - prefix.size),
                             false);
}

void sw_interests_visit(const struct sw_interests *interests,
                        void (*visit)(void *context, struct sw_interest *interest), void *context)
{
    for (int pattern = 0; pattern < 2; pattern++) {
        struct sw_interest *interest;
        size_t cursor = 0;
        while ((interest = sw_map_next(&interests->names[pattern], &cursor))) {
            visit(context, interest);
        }
    }
}

/* ---- coming ---- */

/* Looked up once, so that a message costs one comparison: a topic's own limit, or, since a pattern
 * reads topics of several rules, the least of all. */
static uint32_t find_max_bytes(const struct sw_bus_config *config, struct sw_slice name,
                               bool pattern)
{
    if (!config->rules) {
        return config->max_message_bytes;
    }
    return pattern ? sw_rules_least_bytes(config->rules)
                   : sw_rules_find(config->rules, name, false)->max_message_bytes;
}

struct sw_interest *sw_interests_add(struct sw_interests *interests, struct sw_slice name,
                                     bool pattern, uint64_t now_ns)
{
    struct sw_buf wire = {0};
    sw_wire_put(&wire, sw_slice_of(interests->config->prefix), name, pattern,
                interests->config->separator);
    SW_ASSERT(name.size <= UINT8_MAX && wire.size <= UINT16_MAX);
    struct sw_interest *interest =
        sw_zalloc(sizeof(*interest) + wire.size + (pattern ? name.size : 0));
    interest->pattern = pattern;
    interest->name_size = (uint8_t)name.size;
    interest->wire_size = (uint16_t)wire.size;
    memcpy(interest->bytes, wire.data, wire.size);
    sw_buf_deinit(&wire);
    if (pattern) {
        memcpy(interest->bytes + interest->wire_size, name.data, name.size);
        sw_map_insert(&interests->globs, sw_interest_wire(interest), interest);
    }
    sw_map_insert(&interests->names[pattern], sw_interest_name(interest), interest);
    sw_rate_init(&interest->messages, now_ns);
    interest->max_bytes = find_max_bytes(interests->config, name, pattern);
    return interest;
}

/* ---- going ---- */

void sw_interests_revive(struct sw_interests *interests, struct sw_interest *interest)
{
    if (!interest->lingers) {
        return;
    }
    interest->lingers = false;
    sw_list_remove(&interest->lingering);
    sw_loop_timer_stop(interests->loop, &interest->linger);
    interests->lingering_count[interest->pattern]--;
    sw_count(&interests->counters->interests_lingering, -1);
}

/* It is in no map any more. */
static void destroy(struct sw_interests *interests, struct sw_interest *interest)
{
    SW_ASSERT(!interest->readers);
    sw_interests_revive(interests, interest);
    sw_count(&interests->counters->interests, interest->own ? 0 : -1);
    interests->on_free(interest);
    sw_free(interest);
}

void sw_interests_free(struct sw_interests *interests, struct sw_interest *interest)
{
    sw_map_remove(&interests->names[interest->pattern], sw_interest_name(interest));
    if (interest->pattern) {
        sw_map_remove(&interests->globs, sw_interest_wire(interest));
    }
    destroy(interests, interest);
}

/* Nobody has read it for long enough. */
static void give_up(struct sw_interests *interests, struct sw_interest *interest)
{
    interests->backend->ops->unsubscribe(interests->backend, interest);
    sw_interests_free(interests, interest);
}

static void on_linger(struct sw_timer *timer)
{
    struct sw_interest *interest = SW_CONTAINER_OF(timer, struct sw_interest, linger);
    give_up(interest->interests, interest);
}

/* A string that the bus did not even acknowledge is kept longer: its clients were told to come
 * back, and the work of subscribing shall not begin anew with each of them. */
void sw_interests_linger(struct sw_interests *interests, struct sw_interest *interest)
{
    bool pattern = interest->pattern;
    SW_ASSERT(!interest->readers && !interest->first_used);
    interest->lingers = true;
    interest->interests = interests;
    sw_timer_init(&interest->linger, on_linger);
    sw_list_init(&interest->lingering);
    uint64_t delay = interests->config->unsubscribe_delay_ms;
    delay += sw_random_below(&interests->random, delay + 1);
    if (!interest->acked && delay < SW_INTEREST_KEEP_MS) {
        delay = SW_INTEREST_KEEP_MS;
    }
    sw_loop_timer_start(interests->loop, &interest->linger, delay);
    sw_list_push(&interests->lingering[pattern], &interest->lingering);
    sw_count(&interests->counters->interests_lingering, 1);
    if (++interests->lingering_count[pattern] > most_lingering[pattern]) {
        struct sw_list *oldest = sw_list_first(&interests->lingering[pattern]);
        give_up(interests, SW_CONTAINER_OF(oldest, struct sw_interest, lingering));
    }
}

/* ---- life ---- */

void sw_interests_init(struct sw_interests *interests, struct sw_loop *loop,
                       const struct sw_bus_config *config, struct sw_counters *counters,
                       void (*on_free)(struct sw_interest *interest))
{
    *interests = (struct sw_interests){
        .loop = loop, .config = config, .counters = counters, .on_free = on_free};
    sw_list_init(&interests->lingering[false]);
    sw_list_init(&interests->lingering[true]);
    sw_random_init(&interests->random);
}

static void end(void *context, struct sw_interest *interest)
{
    struct sw_interests *interests = context;
    interests->backend->ops->unsubscribe(interests->backend, interest);
    destroy(interests, interest);
}

void sw_interests_deinit(struct sw_interests *interests)
{
    sw_map_deinit(&interests->globs);
    sw_interests_visit(interests, end, interests);
    sw_map_deinit(&interests->names[false]);
    sw_map_deinit(&interests->names[true]);
}

static bool interest_sane(const struct sw_interest *interest)
{
    if (interest->own) {
        return !interest->readers && !interest->lingers;
    }
    if (!interest->readers != interest->lingers) {
        return false;
    }
    if (interest->lingers) {
        return !interest->first_used && sw_timer_running(&interest->linger) &&
               !sw_list_empty(&interest->lingering);
    }
    return true;
}

bool sw_interests_sane(const struct sw_interests *interests)
{
    for (int pattern = 0; pattern < 2; pattern++) {
        const struct sw_interest *interest;
        size_t cursor = 0;
        uint32_t lingering = 0;
        while ((interest = sw_map_next(&interests->names[pattern], &cursor))) {
            if (!interest_sane(interest) || interest->pattern != pattern) {
                return false;
            }
            lingering += interest->lingers;
        }
        if (lingering != interests->lingering_count[pattern] ||
            lingering > most_lingering[pattern]) {
            return false;
        }
    }
    return interests->names[true].count == interests->globs.count;
}
