// SPDX-License-Identifier: Apache-2.0
#include "bus/exchange.h"

#include "bus/envelope.h"
#include "bus/mailbox.h"
#include "bus/outlet.h"
#include "bus/wire.h"
#include "common/assert.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/random.h"
#include "core/limits.h"
#include "core/topic.h"

#include <string.h>

/* When a client may try a publish again, and up to as long again (jitter). */
#define RETRY_MS 500

struct sw_exchange {
    struct sw_loop *loop;
    struct sw_bus_config config; /* own copies */
    struct sw_slice prefix;      /* the configuration's */
    struct sw_counters *counters;
    struct sw_backend *backend; /* borrowed */
    struct sw_outlet **outlets;
    uint32_t workers;
    struct sw_list lingering[2]; /* [pattern]; who waits longest first */
    uint32_t lingering_count[2];
    struct sw_map names[2]; /* [pattern]; all interests */
    struct sw_map globs;    /* patterns by their wire; a topic's is found by its name */
    struct sw_mailbox mailbox;
    struct sw_random random;
    struct sw_purse purse; /* of messages */
    uint64_t now_ns;
    uint32_t window;         /* the number of the rates' window */
    size_t publishing_bytes; /* of the publishes that the backend has */
    bool cleared;
    _Atomic bool up;
    _Atomic bool ever_up;
};

static struct sw_outlet *outlet_of(const struct sw_exchange *exchange,
                                   const struct sw_exchange_reader *reader)
{
    return exchange->outlets[reader->worker];
}

/* ---- interests ---- */

/* Somebody reads it again, or it goes. */
static void linger_stop(struct sw_exchange *exchange, struct sw_interest *interest)
{
    if (!interest->lingers) {
        return;
    }
    interest->lingers = false;
    sw_list_remove(&interest->lingering);
    sw_loop_timer_stop(exchange->loop, &interest->linger);
    exchange->lingering_count[interest->pattern]--;
    sw_count(&exchange->counters->interests_lingering, -1);
}

/* It is in no map any more. */
static void interest_destroy(struct sw_exchange *exchange, struct sw_interest *interest)
{
    SW_ASSERT(!interest->readers);
    linger_stop(exchange, interest);
    sw_count(&exchange->counters->interests, interest->own ? 0 : -1);
    sw_free(interest);
}

static void interest_free(struct sw_exchange *exchange, struct sw_interest *interest)
{
    sw_map_remove(&exchange->names[interest->pattern], sw_interest_name(interest));
    if (interest->pattern) {
        sw_map_remove(&exchange->globs, sw_interest_wire(interest));
    }
    interest_destroy(exchange, interest);
}

/* Nobody has read it for long enough. */
static void interest_give_up(struct sw_exchange *exchange, struct sw_interest *interest)
{
    exchange->backend->ops->unsubscribe(exchange->backend, interest);
    interest_free(exchange, interest);
}

static void on_linger(struct sw_timer *timer)
{
    struct sw_interest *interest = SW_CONTAINER_OF(timer, struct sw_interest, linger);
    interest_give_up(interest->exchange, interest);
}

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

static struct sw_interest *interest_create(struct sw_exchange *exchange, struct sw_slice name,
                                           bool pattern)
{
    struct sw_buf wire = {0};
    sw_wire_put(&wire, exchange->prefix, name, pattern, exchange->config.separator);
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
        sw_map_insert(&exchange->globs, sw_interest_wire(interest), interest);
    }
    sw_map_insert(&exchange->names[pattern], sw_interest_name(interest), interest);
    sw_rate_init(&interest->messages, exchange->now_ns);
    interest->max_bytes = find_max_bytes(&exchange->config, name, pattern);
    return interest;
}

/* The last reader left. A string that the bus did not even acknowledge is kept longer: its clients
 * were told to come back, and the work of subscribing shall not begin anew with each of them. */
static void interest_linger(struct sw_exchange *exchange, struct sw_interest *interest)
{
    static const uint32_t most[2] = {SW_LINGERING_TOPICS, SW_LINGERING_PATTERNS};
    bool pattern = interest->pattern;
    SW_ASSERT(!interest->readers && !interest->first_used);
    interest->lingers = true;
    interest->exchange = exchange;
    sw_timer_init(&interest->linger, on_linger);
    sw_list_init(&interest->lingering);
    uint64_t delay = exchange->config.unsubscribe_delay_ms;
    delay += sw_random_below(&exchange->random, delay + 1);
    if (!interest->acked && delay < SW_INTEREST_KEEP_MS) {
        delay = SW_INTEREST_KEEP_MS;
    }
    sw_loop_timer_start(exchange->loop, &interest->linger, delay);
    sw_list_push(&exchange->lingering[pattern], &interest->lingering);
    sw_count(&exchange->counters->interests_lingering, 1);
    if (++exchange->lingering_count[pattern] > most[pattern]) {
        struct sw_list *oldest = sw_list_first(&exchange->lingering[pattern]);
        interest_give_up(exchange, SW_CONTAINER_OF(oldest, struct sw_interest, lingering));
    }
}

struct sw_interest *sw_exchange_find(const struct sw_exchange *exchange, struct sw_slice wire,
                                     bool pattern)
{
    if (pattern) {
        return sw_map_find(&exchange->globs, wire);
    }
    struct sw_slice prefix = exchange->prefix;
    if (!sw_slice_starts_with(wire, prefix)) {
        return NULL;
    }
    return sw_exchange_find_topic(exchange,
                                  sw_slice(wire.data + prefix.size, wire.size - prefix.size));
}

struct sw_interest *sw_exchange_find_topic(const struct sw_exchange *exchange,
                                           struct sw_slice topic)
{
    return sw_map_find(&exchange->names[false], topic);
}

/* ---- readers ---- */

static struct sw_exchange_reader *reader_find(const struct sw_interest *interest,
                                              const struct sw_join *join)
{
    struct sw_exchange_reader *reader = interest->readers;
    while (reader && (reader->worker != join->worker || reader->tape != join->tape ||
                      reader->generation != join->generation)) {
        reader = reader->next;
    }
    return reader;
}

/* Where the link to `reader` stands; NULL: where the next one's will. There are as many readers as
 * workers and encodings, so they are looked through. */
static struct sw_exchange_reader **reader_link(struct sw_interest *interest,
                                               const struct sw_exchange_reader *reader)
{
    struct sw_exchange_reader **link = &interest->readers;
    while (*link != reader) {
        link = &(*link)->next;
    }
    return link;
}

static struct sw_exchange_reader *reader_create(struct sw_interest *interest,
                                                const struct sw_join *join)
{
    bool inside = !interest->first_used;
    struct sw_exchange_reader *reader = inside ? &interest->first : sw_alloc(sizeof(*reader));
    interest->first_used = true;
    *reader = (struct sw_exchange_reader){
        .worker = join->worker, .tape = join->tape, .generation = join->generation};
    sw_list_init(&reader->gapped);
    *reader_link(interest, NULL) = reader;
    return reader;
}

static void reader_free(struct sw_interest *interest, struct sw_exchange_reader *reader)
{
    sw_outlet_forget(reader);
    *reader_link(interest, reader) = reader->next;
    if (reader == &interest->first) {
        interest->first_used = false;
    } else {
        sw_free(reader);
    }
}

static void reader_welcome(struct sw_exchange *exchange, struct sw_exchange_reader *reader)
{
    reader->joined = true;
    sw_outlet_state(outlet_of(exchange, reader), reader);
}

void sw_exchange_join(struct sw_exchange *exchange, const struct sw_join *join)
{
    SW_ASSERT(join->worker < exchange->workers);
    struct sw_slice name = sw_slice(join->name, join->size);
    struct sw_interest *interest = sw_map_find(&exchange->names[join->pattern], name);
    if (interest) {
        SW_ASSERT(!reader_find(interest, join));
        linger_stop(exchange, interest);
        struct sw_exchange_reader *reader = reader_create(interest, join);
        if (interest->acked) {
            reader_welcome(exchange, reader);
        }
        return;
    }
    interest = interest_create(exchange, name, join->pattern);
    sw_count(&exchange->counters->interests, 1);
    reader_create(interest, join);
    exchange->backend->ops->subscribe(exchange->backend, interest); /* last: it may be refused */
}

void sw_exchange_leave(struct sw_exchange *exchange, const struct sw_join *join)
{
    struct sw_slice name = sw_slice(join->name, join->size);
    struct sw_interest *interest = sw_map_find(&exchange->names[join->pattern], name);
    struct sw_exchange_reader *reader = interest ? reader_find(interest, join) : NULL;
    if (!reader) {
        return;
    }
    reader_free(interest, reader);
    if (!interest->readers) {
        interest_linger(exchange, interest);
    }
}

/* ---- what the node reads for itself ---- */

/* Wanted from now on; the backend subscribes to all interests when it comes up. */
static void read_own(struct sw_exchange *exchange)
{
    for (unsigned i = 0; exchange->config.notices && i < SW_MAILBOX_STRINGS; i++) {
        struct sw_buf name = {0};
        if (!exchange->mailbox.strings[i]) {
            sw_mailbox_string(&name, i, exchange->config.node);
            exchange->mailbox.strings[i] = interest_create(exchange, sw_buf_slice(&name), false);
            exchange->mailbox.strings[i]->own = true;
        }
        sw_buf_deinit(&name);
    }
}

/* ---- what the backend says ---- */

void sw_exchange_acked(struct sw_exchange *exchange, struct sw_interest *interest)
{
    bool lost = interest->lost;
    interest->acked = true;
    interest->lost = false;
    for (struct sw_exchange_reader *reader = interest->readers; reader; reader = reader->next) {
        if (!reader->joined) {
            reader_welcome(exchange, reader);
        } else if (lost) {
            sw_outlet_gap(outlet_of(exchange, reader), reader, 0, SW_SHED_FEED);
        }
    }
}

void sw_exchange_refused(struct sw_exchange *exchange, struct sw_interest *interest,
                         enum sw_error error)
{
    if (interest->own) {
        sw_mailbox_refused(&exchange->mailbox, interest);
    }
    while (interest->readers) {
        sw_outlet_refused(outlet_of(exchange, interest->readers), interest->readers, error);
        reader_free(interest, interest->readers);
    }
    interest_free(exchange, interest);
}

static void set_up(struct sw_exchange *exchange, bool up)
{
    atomic_store_explicit(&exchange->up, up, memory_order_relaxed);
    sw_count(&exchange->counters->bus_up, up ? 1 : -1);
}

void sw_exchange_up(struct sw_exchange *exchange)
{
    if (sw_exchange_is_up(exchange)) {
        return;
    }
    set_up(exchange, true);
    atomic_store_explicit(&exchange->ever_up, true, memory_order_relaxed);
    read_own(exchange);
    sw_log(SW_LOG_INFO, "bus_up", "bus=%s interests=%lld", exchange->backend->ops->word,
           (long long)sw_counter_read(&exchange->counters->interests));
}

static void lose(void *context, struct sw_interest *interest)
{
    (void)context;
    interest->lost = interest->lost || interest->acked;
    interest->acked = false;
}

void sw_exchange_down(struct sw_exchange *exchange, const char *why)
{
    char clean[200];
    sw_exchange_visit(exchange, lose, NULL);
    if (!sw_exchange_is_up(exchange)) {
        return;
    }
    set_up(exchange, false);
    sw_count(&exchange->counters->bus_losses_total, 1);
    sw_log(SW_LOG_WARN, "bus_down", "bus=%s why=\"%s\"", exchange->backend->ops->word,
           sw_log_clean(clean, sizeof(clean), sw_slice_of(why)));
}

void sw_exchange_feed(struct sw_exchange *exchange, bool stale, uint64_t since_ms)
{
    for (uint32_t i = 0; i < exchange->workers; i++) {
        sw_outlet_feed(exchange->outlets[i], stale, since_ms);
    }
}

void sw_exchange_stopped(struct sw_exchange *exchange)
{
    if (sw_exchange_is_up(exchange)) {
        set_up(exchange, false);
    }
}

/* ---- messages ---- */

static void count_message(struct sw_exchange *exchange, struct sw_interest *interest)
{
    sw_count(&exchange->counters->messages_total[exchange->backend->ops->kind], 1);
    sw_rate_count(&interest->messages, exchange->window);
}

void sw_exchange_too_large(struct sw_exchange *exchange, struct sw_interest *interest)
{
    if (interest->own) {
        sw_count(&exchange->counters->notices_ignored_total, 1);
        return;
    }
    count_message(exchange, interest);
    for (struct sw_exchange_reader *reader = interest->readers; reader; reader = reader->next) {
        if (reader->joined) {
            sw_outlet_gap(outlet_of(exchange, reader), reader, 1, SW_SHED_TOO_LARGE);
        }
    }
}

/* Redis' glob covers more than the pattern means, and any name may be published there. */
static bool is_meant(const struct sw_exchange *exchange, const struct sw_interest *interest,
                     struct sw_slice topic)
{
    char separator = exchange->config.separator;
    if (!interest->pattern) {
        return sw_slice_equal(topic, sw_interest_name(interest));
    }
    return sw_topic_kind(topic, separator, NULL) == SW_TOPIC_CONCRETE &&
           sw_topic_match(sw_interest_name(interest), topic, separator);
}

static bool is_too_large(const struct sw_exchange *exchange, const struct sw_interest *interest,
                         struct sw_slice topic, size_t size)
{
    const struct sw_rules *rules = exchange->config.rules;
    if (SW_LIKELY(size <= interest->max_bytes)) {
        return false;
    }
    return !interest->pattern || !rules ||
           size > sw_rules_find(rules, topic, false)->max_message_bytes;
}

void sw_exchange_message(struct sw_exchange *exchange, struct sw_interest *interest,
                         struct sw_slice topic, struct sw_slice raw)
{
    if (interest->own) {
        sw_mailbox_take(&exchange->config, exchange->counters, raw);
        return;
    }
    if (!is_meant(exchange, interest, topic)) {
        sw_count(&exchange->counters->bus_ignored_total, 1);
        return;
    }
    struct sw_envelope envelope = sw_envelope_open(raw);
    if (is_too_large(exchange, interest, topic, envelope.payload.size)) {
        sw_exchange_too_large(exchange, interest);
        return;
    }
    count_message(exchange, interest);
    if (!interest->readers) {
        return; /* it lingers */
    }
    struct sw_message *message = sw_message_create(topic, envelope.key, envelope.payload,
                                                   envelope.time_ms, exchange->now_ns);
    sw_purse_charge(&exchange->purse, SW_PART_MESSAGES, sw_message_bytes(message));
    for (struct sw_exchange_reader *reader = interest->readers; reader; reader = reader->next) {
        if (reader->joined) {
            sw_outlet_message(outlet_of(exchange, reader), reader, message);
        }
    }
    sw_outlet_let_go(&exchange->purse, message);
}

/* ---- publishes ---- */

static size_t publish_weight(const struct sw_publish *publish)
{
    return sizeof(*publish) + publish->topic_size + publish->key_size + publish->size;
}

/* To its sender, with the outcome. */
static void give_back(struct sw_exchange *exchange, struct sw_publish *publish, enum sw_error error,
                      bool outcome_unknown)
{
    bool away = error == SW_ERROR_BUS_UNAVAILABLE || error == SW_ERROR_OVERLOADED;
    sw_count(error == SW_ERROR_NONE ? &exchange->counters->published_total
                                    : &exchange->counters->publish_errors_total,
             publish->notice ? 0 : 1);
    if (exchange->cleared) {
        sw_publish_destroy(publish);
        return;
    }
    publish->error = error;
    publish->outcome_unknown = outcome_unknown;
    publish->retry_ms =
        away ? RETRY_MS + (uint32_t)sw_random_below(&exchange->random, RETRY_MS + 1) : 0;
    publish->post.bytes = 0; /* a worker's inbox has its limit for messages */
    sw_inbox_post(publish->from, &publish->post);
}

void sw_exchange_publish(struct sw_exchange *exchange, struct sw_publish *publish)
{
    size_t weight = publish_weight(publish);
    enum sw_error error = publish->notice ? sw_mailbox_fault(&exchange->mailbox) : SW_ERROR_NONE;
    if (exchange->cleared || !sw_exchange_is_up(exchange)) {
        error = SW_ERROR_BUS_UNAVAILABLE;
    } else if (exchange->publishing_bytes + weight > SW_PUBLISH_QUEUE_BYTES) {
        error = SW_ERROR_OVERLOADED;
    }
    if (error != SW_ERROR_NONE) {
        give_back(exchange, publish, error, false);
        return;
    }
    exchange->publishing_bytes += weight;
    exchange->backend->ops->publish(exchange->backend, publish);
}

void sw_exchange_published(struct sw_exchange *exchange, struct sw_publish *publish,
                           enum sw_error error, bool outcome_unknown)
{
    size_t weight = publish_weight(publish);
    SW_ASSERT(exchange->publishing_bytes >= weight);
    exchange->publishing_bytes -= weight;
    give_back(exchange, publish, error, outcome_unknown);
}

/* ---- reports ---- */

void sw_exchange_report(struct sw_exchange *exchange, struct sw_report *report)
{
    SW_ASSERT(report->kind == SW_REPORT_COUNTS);
    sw_exchange_tick(exchange);
    for (uint32_t i = 0; i < report->count; i++) {
        struct sw_topic_row *row = &report->topics[i];
        struct sw_slice name = sw_topic_row_name(row);
        struct sw_interest *interest = sw_map_find(&exchange->names[0], name);
        if (!interest) {
            interest = sw_map_find(&exchange->names[1], name);
        }
        row->known = interest != NULL;
        if (interest) {
            row->messages = sw_rate_total(&interest->messages);
            row->rate = sw_rate_per_second(&interest->messages, exchange->now_ns);
        }
    }
    sw_report_answer(report);
}

/* ---- turns ---- */

void sw_exchange_tick(struct sw_exchange *exchange)
{
    exchange->now_ns = sw_clock_ns();
    exchange->window = sw_rate_window(exchange->now_ns);
}

void sw_exchange_close_batches(struct sw_exchange *exchange)
{
    for (uint32_t i = 0; i < exchange->workers; i++) {
        sw_outlet_close(exchange->outlets[i]);
    }
}

void sw_exchange_returned(struct sw_exchange *exchange, struct sw_batch *batch)
{
    SW_ASSERT(batch->worker < exchange->workers);
    sw_outlet_returned(exchange->outlets[batch->worker], batch);
}

/* ---- life ---- */

static char *copy(const char *text)
{
    return sw_strndup(text ? text : "", text ? strlen(text) : 0);
}

struct sw_exchange *sw_exchange_create(struct sw_loop *loop, const struct sw_bus_config *config,
                                       struct sw_counters *counters)
{
    struct sw_exchange *exchange = sw_zalloc(sizeof(*exchange));
    exchange->loop = loop;
    exchange->counters = counters;
    exchange->config = *config;
    exchange->config.url = copy(config->url);
    exchange->config.prefix = copy(config->prefix);
    exchange->prefix = sw_slice_of(exchange->config.prefix);
    exchange->config.node = copy(config->node);
    SW_ASSERT(strlen(exchange->config.node) <= SW_NODE_BYTES);
    sw_list_init(&exchange->lingering[false]);
    sw_list_init(&exchange->lingering[true]);
    sw_purse_init(&exchange->purse, config->budget, counters->budget_used_bytes);
    sw_random_init(&exchange->random);
    sw_exchange_tick(exchange);
    return exchange;
}

void sw_exchange_set_backend(struct sw_exchange *exchange, struct sw_backend *backend)
{
    exchange->backend = backend;
}

void sw_exchange_add_worker(struct sw_exchange *exchange, struct sw_inbox *inbox)
{
    exchange->outlets =
        sw_realloc(exchange->outlets, (exchange->workers + 1) * sizeof(struct sw_outlet *));
    exchange->outlets[exchange->workers] =
        sw_outlet_create(exchange->workers, inbox, exchange->counters, &exchange->purse);
    exchange->workers++;
}

static void clear(void *context, struct sw_interest *interest)
{
    struct sw_exchange *exchange = context;
    while (interest->readers) {
        reader_free(interest, interest->readers);
    }
    exchange->backend->ops->unsubscribe(exchange->backend, interest);
    interest_destroy(exchange, interest);
}

void sw_exchange_clear(struct sw_exchange *exchange)
{
    exchange->cleared = true;
    sw_exchange_stopped(exchange);
    sw_map_deinit(&exchange->globs);
    sw_exchange_visit(exchange, clear, exchange);
    exchange->mailbox = (struct sw_mailbox){0};
    sw_map_deinit(&exchange->names[false]);
    sw_map_deinit(&exchange->names[true]);
    exchange->backend = NULL;
}

void sw_exchange_destroy(struct sw_exchange **pointer)
{
    struct sw_exchange *exchange = *pointer;
    *pointer = NULL;
    SW_ASSERT(exchange->names[false].count + exchange->names[true].count == 0);
    for (uint32_t i = 0; i < exchange->workers; i++) {
        sw_outlet_destroy(exchange->outlets[i]);
    }
    sw_free(exchange->outlets);
    sw_free((char *)exchange->config.url);
    sw_free((char *)exchange->config.prefix);
    sw_free((char *)exchange->config.node);
    sw_free(exchange);
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
    for (const struct sw_exchange_reader *at = interest->readers; at; at = at->next) {
        if (!at->joined && !sw_list_empty(&at->gapped)) {
            return false;
        }
    }
    return true;
}

bool sw_exchange_sane(const struct sw_exchange *exchange)
{
    static const uint32_t most[2] = {SW_LINGERING_TOPICS, SW_LINGERING_PATTERNS};
    for (int pattern = 0; pattern < 2; pattern++) {
        const struct sw_interest *interest;
        size_t cursor = 0;
        uint32_t lingering = 0;
        while ((interest = sw_map_next(&exchange->names[pattern], &cursor))) {
            if (!interest_sane(interest) || interest->pattern != pattern) {
                return false;
            }
            lingering += interest->lingers;
        }
        if (lingering != exchange->lingering_count[pattern] || lingering > most[pattern]) {
            return false;
        }
    }
    return exchange->names[true].count == exchange->globs.count;
}

/* ---- asked by backends and other threads ---- */

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
    return exchange->counters;
}

const struct sw_interest *sw_exchange_mailbox(const struct sw_exchange *exchange)
{
    return exchange->mailbox.strings[1];
}

void sw_exchange_visit(struct sw_exchange *exchange,
                       void (*visit)(void *context, struct sw_interest *interest), void *context)
{
    for (int pattern = 0; pattern < 2; pattern++) {
        struct sw_interest *interest;
        size_t cursor = 0;
        while ((interest = sw_map_next(&exchange->names[pattern], &cursor))) {
            visit(context, interest);
        }
    }
}

bool sw_exchange_is_up(const struct sw_exchange *exchange)
{
    return atomic_load_explicit(&exchange->up, memory_order_relaxed);
}

bool sw_exchange_ever_up(const struct sw_exchange *exchange)
{
    return atomic_load_explicit(&exchange->ever_up, memory_order_relaxed);
}
