// SPDX-License-Identifier: Apache-2.0
#include "bus/exchange.h"

#include "bus/envelope.h"
#include "bus/history/history.h"
#include "bus/mailbox.h"
#include "bus/retained.h"
#include "common/assert.h"
#include "common/clock.h"
#include "common/log.h"
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
    struct sw_counters *counters;
    struct sw_backend *backend; /* borrowed */
    struct sw_outlets outlets;
    struct sw_interests interests;
    struct sw_histories histories;
    struct sw_retainers retainers;
    struct sw_mailbox mailbox;
    struct sw_random random;
    struct sw_purse purse; /* of messages */
    uint64_t now_ns;
    uint64_t wall_ms;        /* of this turn; 0: nobody asked yet */
    uint32_t window;         /* the number of the rates' window */
    size_t publishing_bytes; /* of the publishes that the backend has */
    bool cleared;
    _Atomic bool up;
    _Atomic bool ever_up;
};

/* ---- who reads what ---- */

/* What its rule keeps of a topic, from its first reader on. */
static void keep_more(struct sw_exchange *exchange, struct sw_interest *interest)
{
    const struct sw_rules *rules = exchange->config.rules;
    if (!rules || interest->pattern) {
        return;
    }
    const struct sw_rule *rule = sw_rules_find(rules, sw_interest_name(interest), false);
    if (rule->history_size > 0) {
        interest->has_history = true;
        interest->history = sw_history_create(&exchange->histories, interest, rule);
    } else if (rule->retain) {
        interest->has_retained = true;
        interest->retained = sw_retained_create(&exchange->retainers, interest, rule);
    }
}

/* Its string is read already; the state comes now, or with the ack. */
static void welcome(struct sw_exchange *exchange, struct sw_interest *interest,
                    struct sw_exchange_reader *reader)
{
    if (interest->has_history) {
        sw_history_joined(interest->history, reader);
    } else if (!interest->acked) {
        return;
    } else if (interest->has_retained) {
        sw_retained_joined(interest->retained, reader);
    } else {
        sw_reader_welcome(&exchange->outlets, reader, NULL);
    }
}

void sw_exchange_join(struct sw_exchange *exchange, const struct sw_join *join)
{
    SW_ASSERT(join->worker < exchange->outlets.count);
    struct sw_slice name = sw_slice(join->name, join->size);
    struct sw_interest *interest = sw_interests_find(&exchange->interests, name, join->pattern);
    if (interest) {
        SW_ASSERT(!sw_readers_find(interest, join));
        sw_interests_revive(&exchange->interests, interest);
        welcome(exchange, interest, sw_readers_add(interest, join));
        return;
    }
    interest = sw_interests_add(&exchange->interests, name, join->pattern, exchange->now_ns);
    sw_count(&exchange->counters->interests, 1);
    keep_more(exchange, interest);
    sw_readers_add(interest, join);
    exchange->backend->ops->subscribe(exchange->backend, interest); /* last: it may be refused */
}

void sw_exchange_leave(struct sw_exchange *exchange, const struct sw_join *join)
{
    struct sw_slice name = sw_slice(join->name, join->size);
    struct sw_interest *interest = sw_interests_find(&exchange->interests, name, join->pattern);
    struct sw_exchange_reader *reader = interest ? sw_readers_find(interest, join) : NULL;
    if (!reader) {
        return;
    }
    if (interest->has_history) {
        sw_history_left(interest->history, reader);
    }
    sw_readers_remove(interest, reader);
    if (!interest->readers) {
        sw_interests_linger(&exchange->interests, interest);
    }
}

static struct sw_exchange_reader *find_history_reader(struct sw_exchange *exchange,
                                                      const struct sw_join *join,
                                                      struct sw_history **history)
{
    struct sw_slice name = sw_slice(join->name, join->size);
    struct sw_interest *interest = sw_interests_find(&exchange->interests, name, false);
    if (!interest || !interest->has_history) {
        return NULL;
    }
    *history = interest->history;
    struct sw_exchange_reader *reader = sw_readers_find(interest, join);
    return reader && reader->joined ? reader : NULL;
}

void sw_exchange_ask(struct sw_exchange *exchange, const struct sw_join *join)
{
    struct sw_history *history;
    const struct sw_exchange_reader *reader = find_history_reader(exchange, join, &history);
    if (reader) {
        sw_history_ask(history, reader, join->number);
    }
}

void sw_exchange_check(struct sw_exchange *exchange, const struct sw_join *join)
{
    struct sw_history *history;
    const struct sw_exchange_reader *reader = find_history_reader(exchange, join, &history);
    if (reader) {
        sw_history_check(history, reader, (uint32_t)join->number);
    }
}

void sw_exchange_lookup(struct sw_exchange *exchange, struct sw_lookup *lookup)
{
    sw_histories_lookup(&exchange->histories, lookup);
}

/* ---- what the node reads for itself ---- */

/* Wanted from now on; the backend subscribes to all interests when it comes up. */
static void read_own(struct sw_exchange *exchange)
{
    for (unsigned i = 0; exchange->config.notices && i < SW_MAILBOX_STRINGS; i++) {
        struct sw_buf name = {0};
        if (!exchange->mailbox.strings[i]) {
            sw_mailbox_string(&name, i, exchange->config.node);
            exchange->mailbox.strings[i] = sw_interests_add(
                &exchange->interests, sw_buf_slice(&name), false, exchange->now_ns);
            exchange->mailbox.strings[i]->own = true;
        }
        sw_buf_deinit(&name);
    }
}

/* ---- what the backend says ---- */

static void acked_plain(struct sw_exchange *exchange, struct sw_interest *interest, bool lost)
{
    static const struct sw_outlet_gap missed = {.shed = SW_SHED_FEED};
    for (struct sw_exchange_reader *reader = interest->readers; reader; reader = reader->next) {
        if (reader->joined && lost) {
            sw_outlet_gap(sw_outlets_of(&exchange->outlets, reader), reader, &missed);
        } else if (!reader->joined && !interest->has_retained) {
            sw_reader_welcome(&exchange->outlets, reader, NULL);
        }
    }
    if (interest->has_retained) {
        sw_retained_acked(interest->retained);
    }
}

void sw_exchange_acked(struct sw_exchange *exchange, struct sw_interest *interest)
{
    bool lost = interest->lost;
    interest->acked = true;
    interest->lost = false;
    if (interest->has_history) {
        sw_history_acked(interest->history);
    } else {
        acked_plain(exchange, interest, lost);
    }
}

void sw_exchange_refused(struct sw_exchange *exchange, struct sw_interest *interest,
                         enum sw_error error)
{
    if (interest->own) {
        sw_mailbox_refused(&exchange->mailbox, interest);
    }
    sw_readers_refuse(&exchange->outlets, interest, error);
    sw_interests_free(&exchange->interests, interest);
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
    if (interest->has_history) {
        sw_history_lost(interest->history);
    }
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
    for (uint32_t i = 0; i < exchange->outlets.count; i++) {
        sw_outlet_feed(exchange->outlets.rows[i], stale, since_ms);
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
    static const struct sw_outlet_gap one = {.count = 1, .shed = SW_SHED_TOO_LARGE};
    count_message(exchange, interest);
    sw_readers_gap(&exchange->outlets, interest, &one);
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

/* How long it has been under way, by two clocks that may differ. */
static void time_travel(struct sw_exchange *exchange, uint64_t sent_ms)
{
    struct sw_counters *counters = exchange->counters;
    if (exchange->wall_ms == 0) {
        exchange->wall_ms = sw_clock_wall_ms();
    }
    bool ahead = sent_ms > exchange->wall_ms;
    sw_count(&counters->stamps_ahead_total, ahead);
    sw_histogram_add(&counters->travel, ahead ? 0 : (exchange->wall_ms - sent_ms) * 1000, 1);
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
    bool too_large = is_too_large(exchange, interest, topic, envelope.payload.size);
    if (envelope.time_ms > 0) {
        time_travel(exchange, envelope.time_ms);
    }
    if (SW_UNLIKELY(interest->has_history)) {
        count_message(exchange, interest);
        sw_history_message(interest->history, &envelope, too_large, exchange->now_ns);
        return;
    }
    if (too_large) {
        sw_exchange_too_large(exchange, interest);
        return;
    }
    count_message(exchange, interest);
    if (!interest->readers && !interest->has_retained) {
        return; /* it lingers */
    }
    struct sw_message *message =
        sw_lent_message(&exchange->purse, topic, &envelope, exchange->now_ns);
    if (SW_UNLIKELY(interest->has_retained)) {
        sw_retained_take(interest->retained, message);
    }
    sw_readers_message(&exchange->outlets, interest, message, 0);
    sw_lent_let_go(&exchange->purse, message);
}

/* ---- publishes ---- */

static size_t publish_weight(const struct sw_publish *publish)
{
    return sizeof(*publish) + publish->topic_size + publish->key_size + publish->idempotency_size +
           publish->size;
}

/* To its sender, with the outcome. */
static void give_back(struct sw_exchange *exchange, struct sw_publish *publish, enum sw_error error,
                      bool outcome_unknown)
{
    bool away = error == SW_ERROR_BUS_UNAVAILABLE || error == SW_ERROR_OVERLOADED;
    sw_count(error == SW_ERROR_NONE ? &exchange->counters->published_total
                                    : &exchange->counters->publish_errors_total,
             publish->notice ? 0 : 1);
    if (error == SW_ERROR_NONE && !publish->notice) {
        uint64_t now_ns = sw_clock_ns(); /* it may be younger than this turn */
        sw_histogram_add(&exchange->counters->publish, (now_ns - publish->begun_ns) / 1000, 1);
    }
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
        struct sw_interest *interest = sw_interests_find(&exchange->interests, name, false);
        if (!interest) {
            interest = sw_interests_find(&exchange->interests, name, true);
        }
        row->known = interest != NULL;
        if (interest) {
            row->messages = sw_rate_total(&interest->messages);
            row->rate = sw_rate_per_second(&interest->messages, exchange->now_ns);
            row->history =
                interest->has_history &&
                sw_history_describe(interest->history, &row->epoch, &row->first, &row->last);
        }
    }
    sw_report_answer(report);
}

/* ---- turns ---- */

void sw_exchange_tick(struct sw_exchange *exchange)
{
    exchange->now_ns = sw_clock_ns();
    exchange->wall_ms = 0;
    exchange->window = sw_rate_window(exchange->now_ns);
}

void sw_exchange_close_batches(struct sw_exchange *exchange)
{
    if (SW_UNLIKELY(sw_purse_follow(&exchange->purse))) {
        sw_histories_shrink(&exchange->histories);
    }
    for (uint32_t i = 0; i < exchange->outlets.count; i++) {
        sw_outlet_close(exchange->outlets.rows[i]);
    }
}

void sw_exchange_returned(struct sw_exchange *exchange, struct sw_batch *batch)
{
    SW_ASSERT(batch->worker < exchange->outlets.count);
    sw_outlet_returned(exchange->outlets.rows[batch->worker], batch);
}

/* ---- life ---- */

static char *copy(const char *text)
{
    return sw_strndup(text ? text : "", text ? strlen(text) : 0);
}

/* What hangs on an interest goes with it. */
static void on_interest_free(struct sw_interest *interest)
{
    if (interest->has_history) {
        sw_history_close(interest->history);
    } else if (interest->has_retained) {
        sw_retained_close(interest->retained);
    }
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
    exchange->config.node = copy(config->node);
    SW_ASSERT(strlen(exchange->config.node) <= SW_NODE_BYTES);
    sw_interests_init(&exchange->interests, loop, &exchange->config, counters, on_interest_free);
    sw_purse_init(&exchange->purse, config->budget, counters->budget_used_bytes);
    sw_histories_init(&exchange->histories, loop, &exchange->config, counters, &exchange->purse,
                      &exchange->outlets, &exchange->interests);
    exchange->retainers = (struct sw_retainers){
        .loop = loop,
        .counters = counters,
        .purse = &exchange->purse,
        .outlets = &exchange->outlets,
    };
    sw_random_init(&exchange->random);
    sw_exchange_tick(exchange);
    return exchange;
}

void sw_exchange_set_backend(struct sw_exchange *exchange, struct sw_backend *backend)
{
    exchange->backend = backend;
    exchange->interests.backend = backend;
    exchange->histories.backend = backend;
    exchange->retainers.backend = backend;
}

void sw_exchange_add_worker(struct sw_exchange *exchange, struct sw_inbox *inbox)
{
    struct sw_outlets *outlets = &exchange->outlets;
    outlets->rows = sw_realloc(outlets->rows, (outlets->count + 1) * sizeof(outlets->rows[0]));
    outlets->rows[outlets->count] =
        sw_outlet_create(outlets->count, inbox, exchange->counters, &exchange->purse);
    outlets->count++;
}

static void forget_readers(void *context, struct sw_interest *interest)
{
    (void)context;
    while (interest->readers) {
        sw_readers_remove(interest, interest->readers);
    }
}

void sw_exchange_clear(struct sw_exchange *exchange)
{
    exchange->cleared = true;
    exchange->histories.cleared = true;
    sw_exchange_stopped(exchange);
    sw_interests_visit(&exchange->interests, forget_readers, NULL);
    sw_interests_deinit(&exchange->interests);
    exchange->mailbox = (struct sw_mailbox){0};
    exchange->backend = NULL;
}

void sw_exchange_destroy(struct sw_exchange **pointer)
{
    struct sw_exchange *exchange = *pointer;
    *pointer = NULL;
    SW_ASSERT(exchange->cleared);
    sw_histories_deinit(&exchange->histories);
    for (uint32_t i = 0; i < exchange->outlets.count; i++) {
        sw_outlet_destroy(exchange->outlets.rows[i]);
    }
    sw_free(exchange->outlets.rows);
    sw_free((char *)exchange->config.url);
    sw_free((char *)exchange->config.prefix);
    sw_free((char *)exchange->config.node);
    sw_free(exchange);
}

static void look_at_readers(void *context, struct sw_interest *interest)
{
    bool *sane = context;
    *sane = *sane && sw_readers_sane(interest);
}

bool sw_exchange_sane(const struct sw_exchange *exchange)
{
    bool sane = sw_interests_sane(&exchange->interests);
    sw_interests_visit(&exchange->interests, look_at_readers, &sane);
    return sane;
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

struct sw_purse *sw_exchange_purse(struct sw_exchange *exchange)
{
    return &exchange->purse;
}

void sw_exchange_visit(struct sw_exchange *exchange,
                       void (*visit)(void *context, struct sw_interest *interest), void *context)
{
    sw_interests_visit(&exchange->interests, visit, context);
}

struct sw_interest *sw_exchange_find(const struct sw_exchange *exchange, struct sw_slice wire,
                                     bool pattern)
{
    return sw_interests_find_wire(&exchange->interests, wire, pattern);
}

struct sw_interest *sw_exchange_find_topic(const struct sw_exchange *exchange,
                                           struct sw_slice topic)
{
    return sw_interests_find(&exchange->interests, topic, false);
}

struct sw_histories *sw_exchange_histories(struct sw_exchange *exchange)
{
    return &exchange->histories;
}

bool sw_exchange_is_up(const struct sw_exchange *exchange)
{
    return atomic_load_explicit(&exchange->up, memory_order_relaxed);
}

bool sw_exchange_ever_up(const struct sw_exchange *exchange)
{
    return atomic_load_explicit(&exchange->ever_up, memory_order_relaxed);
}
