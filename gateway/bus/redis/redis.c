// SPDX-License-Identifier: Apache-2.0
/* The backend's turn: pump, then whatever follows from what came, then flush. All that goes wrong
 * is only marked where it is found (sw_redis_link_fail) and acted upon in step(), so nothing is
 * taken down under somebody's feet.
 *
 *   IDLE -> FIRST -> SECOND -> PREPARING -> UP     FIRST: the subscriber's link opens, SECOND: the
 *             ^        |         |          |        commands', PREPARING: what histories need is
 *             |        v         v          v        looked at. A link fails, anywhere: both are
 *             +------- WAITING (back-off) <-+        closed
 */
#include "bus/redis/command.h"
#include "bus/redis/health.h"
#include "bus/redis/interest.h"
#include "bus/redis/link.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "core/limits.h"

#include <stdio.h>
#include <string.h>

#define BACKOFF_BASE_MS 100u
#define BACKOFF_CAP_MS  1000
/* Who stays up for so long begins its back-off anew; a link that breaks at once does not. */
#define SETTLED_MS 1000
/* Deadlines are looked at so often. */
#define BEAT_MS 250

enum state { IDLE, FIRST, SECOND, PREPARING, UP, WAITING, STOPPED };

struct sw_redis {
    struct sw_backend backend; /* first: they are the same address */
    struct sw_loop *loop;
    struct sw_redis_url url;
    struct sw_redis_link subscriber;
    struct sw_redis_link commander;
    struct sw_redis_interests interests;
    struct sw_redis_commands commands;
    struct sw_random random;
    struct sw_timer retry;
    struct sw_timer beat;
    enum state state;
    unsigned failures; /* in a row */
    uint64_t up_ms;    /* since when */
    struct sw_redis_health health;
    bool canary_told; /* the log, that they are refused */
    bool beat_due;
    char noted[300]; /* the last line of the log, so that each change is said once */
};

static struct sw_redis *of(struct sw_backend *backend)
{
    return (struct sw_redis *)(void *)backend;
}

/* ---- the log ---- */

static void note(struct sw_redis *redis, enum sw_log_level level, const char *state,
                 const char *why)
{
    char line[sizeof(redis->noted)];
    char clean[256];
    char host[256];
    snprintf(line, sizeof(line), "%s %s", state, why);
    if (strcmp(line, redis->noted) == 0) {
        return;
    }
    memcpy(redis->noted, line, sizeof(line));
    sw_log(level, "redis_link", "state=%s server=\"%s:%u\" why=\"%s\"", state,
           sw_log_clean(host, sizeof(host), sw_slice_of(redis->url.host)),
           (unsigned)redis->url.port, sw_log_clean(clean, sizeof(clean), sw_slice_of(why)));
}

/* ---- the feed ---- */

static void tell_feed(struct sw_redis *redis, const char *why)
{
    sw_feed_tell(&redis->health.feed, redis->backend.exchange, sw_loop_now_ms(redis->loop), why);
}

/* Where this node's mailbox is refused, or the PUBLISH to it, pongs take the canaries' place. */
static const struct sw_interest *find_cage(const struct sw_redis *redis)
{
    return redis->commands.canary_refused ? NULL : sw_exchange_mailbox(redis->backend.exchange);
}

/* Something that was sent at `sent_ms` has come round. */
static void come_round(struct sw_redis *redis, uint64_t sent_ms)
{
    bool whole = sw_redis_interests_whole(&redis->interests);
    if (sw_feed_beat(&redis->health.feed, sent_ms, sw_loop_now_ms(redis->loop), whole)) {
        tell_feed(redis, "what is sent comes round in time");
    }
}

static void set_lag(struct sw_redis *redis, uint64_t lag_ns)
{
    struct sw_counters *counters = sw_exchange_counters(redis->backend.exchange);
    int64_t lag_us = (int64_t)(lag_ns / 1000);
    sw_count(&counters->bus_lag_seconds, lag_us - sw_counter_read(&counters->bus_lag_seconds));
}

/* ---- up and down ---- */

static void open_links(struct sw_redis *redis)
{
    redis->state = FIRST;
    sw_redis_link_open(&redis->subscriber);
}

static void on_retry(struct sw_timer *timer)
{
    open_links(SW_CONTAINER_OF(timer, struct sw_redis, retry));
}

static void start_retry(struct sw_redis *redis)
{
    /* Full jitter: many nodes lose the same server at the same moment. */
    uint64_t most = redis->failures < 4 ? BACKOFF_BASE_MS << redis->failures : BACKOFF_CAP_MS;
    most = most < BACKOFF_CAP_MS ? most : BACKOFF_CAP_MS;
    redis->failures += redis->failures < 4;
    redis->state = WAITING;
    sw_loop_timer_start(redis->loop, &redis->retry, sw_random_below(&redis->random, most + 1));
}

static void come_up(struct sw_redis *redis)
{
    redis->state = UP;
    redis->up_ms = sw_loop_now_ms(redis->loop);
    sw_redis_health_up(&redis->health, redis->up_ms);
    note(redis, SW_LOG_INFO, "up", "both links are ready");
    sw_redis_commands_up(&redis->commands, redis->up_ms);
    sw_redis_server_ask(&redis->commands.server, &redis->commands.fifo, &redis->commander.out,
                        sw_slice_of(sw_exchange_config(redis->backend.exchange)->prefix),
                        redis->commands.keeps, redis->up_ms);
    sw_exchange_up(redis->backend.exchange);
    sw_redis_interests_up(&redis->interests);
}

/* Closes both links; publishes that waited are given back, unless they can be sent again. */
static void close_links(struct sw_redis *redis)
{
    uint64_t written = sw_redis_link_written(&redis->commander);
    sw_redis_link_close(&redis->subscriber);
    sw_redis_link_close(&redis->commander);
    sw_redis_commands_lost(&redis->commands, written);
}

static void go_down(struct sw_redis *redis, const char *why)
{
    bool was_up = redis->state == UP;
    if (was_up && sw_loop_now_ms(redis->loop) - redis->up_ms >= SETTLED_MS) {
        redis->failures = 0;
    }
    note(redis, SW_LOG_WARN, "down", why);
    start_retry(redis);
    close_links(redis);
    sw_redis_interests_down(&redis->interests);
    if (was_up) {
        sw_exchange_down(redis->backend.exchange, why);
        if (sw_feed_lost(&redis->health.feed)) {
            tell_feed(redis, why);
        }
    }
}

/* What follows from the states of the links. */
static void step(struct sw_redis *redis)
{
    if (redis->subscriber.state == SW_REDIS_FAILED) {
        go_down(redis, redis->subscriber.why);
    } else if (redis->commander.state == SW_REDIS_FAILED) {
        go_down(redis, redis->commander.why);
    } else if (redis->state == FIRST && redis->subscriber.state == SW_REDIS_READY) {
        redis->state = SECOND;
        sw_redis_link_open(&redis->commander);
    } else if (redis->state == SECOND && redis->commander.state == SW_REDIS_READY) {
        redis->state = PREPARING;
        sw_redis_commands_prepare(&redis->commands, sw_loop_now_ms(redis->loop));
        sw_loop_stay_awake(redis->loop);
    } else if (redis->state == PREPARING && sw_redis_commands_prepared(&redis->commands)) {
        come_up(redis);
    }
}

/* ---- what comes ---- */

/* What comes before the ack belongs to a subscription that was given up since. */
static struct sw_interest *find_acked(struct sw_redis *redis, struct sw_slice wire, bool pattern)
{
    struct sw_interest *interest = sw_exchange_find(redis->backend.exchange, wire, pattern);
    return interest && interest->acked ? interest : NULL;
}

static void on_message(struct sw_redis *redis, const struct sw_redis_event *event)
{
    struct sw_exchange *exchange = redis->backend.exchange;
    bool pattern = event->kind == SW_REDIS_PMESSAGE;
    struct sw_slice prefix = sw_slice_of(sw_exchange_config(exchange)->prefix);
    struct sw_interest *interest =
        find_acked(redis, pattern ? event->pattern : event->channel, pattern);
    uint64_t canary;
    if (!interest) {
        return;
    }
    if (interest == sw_exchange_mailbox(exchange) &&
        sw_redis_health_hear(&redis->health, event->text, &canary)) {
        come_round(redis, canary);
        return;
    }
    if (!sw_slice_starts_with(event->channel, prefix)) {
        sw_count(&sw_exchange_counters(exchange)->bus_ignored_total, 1);
        return;
    }
    struct sw_slice topic =
        sw_slice(event->channel.data + prefix.size, event->channel.size - prefix.size);
    sw_exchange_message(exchange, interest, topic, event->text);
}

static void on_pong(struct sw_redis *redis)
{
    uint64_t now_ns = sw_clock_ns();
    uint64_t sent_ns = sw_redis_health_pong(&redis->health, sw_loop_now_ms(redis->loop));
    if (sent_ns == 0) {
        return;
    }
    set_lag(redis, now_ns - sent_ns);
    sw_histogram_add(&sw_exchange_counters(redis->backend.exchange)->bus_round,
                     (now_ns - sent_ns) / 1000, 1);
    if (!find_cage(redis)) {
        come_round(redis, sent_ns / 1000000);
    }
}

static void on_too_large(struct sw_redis *redis, const struct sw_redis_event *event)
{
    char channel[160];
    if (!event->channel.data) {
        return;
    }
    sw_log(SW_LOG_WARN, "redis_channel_left_out", "channel=\"%s\" bytes=%lld ms=%d",
           sw_log_clean(channel, sizeof(channel), event->channel), event->number,
           SW_REDIS_LEFT_OUT_MS);
    sw_redis_interests_leave_out(&redis->interests, event->channel,
                                 sw_loop_now_ms(redis->loop) + SW_REDIS_LEFT_OUT_MS);
}

static void out_of_step(struct sw_redis_link *link)
{
    sw_redis_link_fail(link, "the server's answers do not fit what was asked");
}

static void on_subscriber_event(void *owner, const struct sw_redis_event *event)
{
    struct sw_redis *redis = owner;
    enum sw_redis_answer answer = SW_REDIS_ANSWER_GOOD;
    switch (event->kind) {
    case SW_REDIS_MESSAGE:
    case SW_REDIS_PMESSAGE:
        on_message(redis, event);
        return;
    case SW_REDIS_PONG:
        on_pong(redis);
        answer = sw_redis_interests_answer(&redis->interests, event);
        break;
    case SW_REDIS_SUBSCRIBED:
    case SW_REDIS_UNSUBSCRIBED:
    case SW_REDIS_PSUBSCRIBED:
    case SW_REDIS_PUNSUBSCRIBED:
        answer = sw_redis_interests_answer(&redis->interests, event);
        break;
    case SW_REDIS_ERROR:
        if (!sw_redis_link_fatal(&redis->subscriber, event->text)) {
            answer = sw_redis_interests_error(&redis->interests, event->text);
        }
        break;
    case SW_REDIS_TOO_LARGE:
        on_too_large(redis, event);
        return;
    case SW_REDIS_STATUS:
    case SW_REDIS_INTEGER:
    case SW_REDIS_OTHER:
    case SW_REDIS_BULK:
    case SW_REDIS_ARRAY:
        answer = SW_REDIS_ANSWER_STRAY;
        break;
    }
    if (answer == SW_REDIS_ANSWER_STRAY) {
        out_of_step(&redis->subscriber);
    }
}

/* Said once: it is not looked at any more whether what is published comes. */
static void tell_canary_refused(struct sw_redis *redis)
{
    if (redis->commands.canary_refused && !redis->canary_told) {
        redis->canary_told = true;
        sw_log(SW_LOG_WARN, "canary_refused",
               "hint=\"that Redis delivers is not proved; allow its Redis user to publish to "
               "$node.* (behind the prefix)\"");
    }
}

static void on_commander_event(void *owner, const struct sw_redis_event *event)
{
    struct sw_redis *redis = owner;
    if (event->kind == SW_REDIS_TOO_LARGE) {
        /* The reader says why the link ends. */
        sw_redis_commands_too_large(&redis->commands, sw_loop_now_ms(redis->loop));
        return;
    }
    if (!sw_redis_commands_answer(&redis->commands, event, sw_loop_now_ms(redis->loop))) {
        if (event->kind != SW_REDIS_ERROR || !sw_redis_link_fatal(&redis->commander, event->text)) {
            out_of_step(&redis->commander);
        }
    } else if (event->kind == SW_REDIS_ERROR) {
        (void)sw_redis_link_fatal(&redis->commander, event->text);
        tell_canary_refused(redis);
    }
    if (redis->commands.fault) {
        sw_redis_link_fail(&redis->commander, "%s", redis->commands.fault);
    }
}

/* ---- the beat ---- */

static void on_beat(struct sw_timer *timer)
{
    struct sw_redis *redis = SW_CONTAINER_OF(timer, struct sw_redis, beat);
    redis->beat_due = true; /* judged behind the pump: what lies in the socket is no silence */
    sw_loop_timer_start(redis->loop, &redis->beat, BEAT_MS);
    sw_loop_stay_awake(redis->loop);
}

/* Behind what is subscribed in this turn, so that their answers stand behind those. */
static void send_beats(struct sw_redis *redis)
{
    uint64_t now_ms = sw_loop_now_ms(redis->loop);
    const struct sw_interest *cage = find_cage(redis);
    if (cage && cage->acked && sw_redis_health_canary(&redis->health, now_ms)) {
        sw_redis_commands_canary(&redis->commands, sw_interest_wire(cage), now_ms, now_ms);
    }
    uint64_t now_ns = sw_clock_ns();
    if (sw_redis_health_ping(&redis->health, now_ms, now_ns, redis->commands.canary)) {
        char text[24];
        int size = snprintf(text, sizeof(text), "%llu", (unsigned long long)now_ns);
        sw_redis_interests_ping(&redis->interests, &redis->subscriber.out,
                                sw_slice(text, (size_t)size));
        sw_redis_commands_ping(&redis->commands, now_ms);
    }
}

static void judge(struct sw_redis *redis, uint64_t now_ms)
{
    struct sw_redis_link *link = &redis->subscriber;
    switch (sw_redis_health_look(&redis->health, now_ms, sw_clock_ns(), link->heard_bytes)) {
    case SW_REDIS_SOUND:
        return;
    case SW_REDIS_SILENT:
        sw_redis_link_fail(link, "nothing came within %d ms", SW_REDIS_SILENT_MS);
        return;
    case SW_REDIS_LATE:
        sw_redis_link_fail(link, "no pong within %d ms", SW_REDIS_PONG_MS);
        return;
    case SW_REDIS_DEAF:
        sw_count(&sw_exchange_counters(redis->backend.exchange)->canaries_lost_total, 1);
        sw_redis_link_fail(link, "the server answers, but what is published does not come (split "
                                 "routes, or no master)");
        return;
    }
}

static void look_at_feed(struct sw_redis *redis, uint64_t now_ms)
{
    struct sw_feed *feed = &redis->health.feed;
    if (sw_feed_look(feed, now_ms)) {
        char why[64];
        snprintf(why, sizeof(why), "nothing that was sent within %d ms came round",
                 SW_FEED_LATE_MS);
        tell_feed(redis, why);
    }
    sw_feed_count(feed, sw_exchange_counters(redis->backend.exchange), now_ms);
}

static void beat(struct sw_redis *redis)
{
    uint64_t now_ms = sw_loop_now_ms(redis->loop);
    redis->beat_due = false;
    sw_redis_interests_look(&redis->interests, now_ms);
    sw_redis_commands_look(&redis->commands, now_ms);
    look_at_feed(redis, now_ms);
    if (sw_redis_commands_overdue(&redis->commands, now_ms)) {
        sw_redis_link_fail(&redis->commander, "a command was not answered in time");
    }
    if (redis->state != UP) {
        return;
    }
    uint64_t waiting_ns = sw_redis_health_waiting_ns(&redis->health, sw_clock_ns());
    if (waiting_ns / 1000000 >= SW_FEED_BEAT_MS) {
        set_lag(redis, waiting_ns);
    }
    judge(redis, now_ms);
}

/* ---- the backend ---- */

static void redis_start(struct sw_backend *backend)
{
    struct sw_redis *redis = of(backend);
    note(redis, SW_LOG_INFO, "connecting", "start");
    sw_loop_timer_start(redis->loop, &redis->beat, BEAT_MS);
    open_links(redis);
}

static bool redis_pump(struct sw_backend *backend)
{
    struct sw_redis *redis = of(backend);
    bool more = sw_redis_link_pump(&redis->subscriber);
    more = sw_redis_link_pump(&redis->commander) || more;
    step(redis);
    return more;
}

static void redis_flush(struct sw_backend *backend)
{
    struct sw_redis *redis = of(backend);
    if (redis->beat_due) {
        beat(redis);
    }
    if (redis->state == UP) {
        sw_redis_interests_write(&redis->interests, &redis->subscriber.out);
        send_beats(redis);
    }
    sw_redis_link_flush(&redis->subscriber);
    sw_redis_link_flush(&redis->commander);
    step(redis);
    if (sw_redis_commands_settle(&redis->commands)) {
        sw_loop_stay_awake(redis->loop);
    }
}

static void redis_subscribe(struct sw_backend *backend, struct sw_interest *interest)
{
    sw_redis_interests_subscribe(&of(backend)->interests, interest);
}

static void redis_unsubscribe(struct sw_backend *backend, struct sw_interest *interest)
{
    sw_redis_interests_unsubscribe(&of(backend)->interests, interest);
}

static bool takes_commands(const struct sw_redis *redis)
{
    return redis->state == UP && redis->commander.state == SW_REDIS_READY;
}

static void redis_publish(struct sw_backend *backend, struct sw_publish *publish)
{
    struct sw_redis *redis = of(backend);
    if (!takes_commands(redis)) {
        sw_exchange_published(backend->exchange, publish, SW_ERROR_BUS_UNAVAILABLE, false);
        return;
    }
    sw_redis_commands_publish(&redis->commands, publish, sw_loop_now_ms(redis->loop));
}

static void redis_read(struct sw_backend *backend, struct sw_history_read *read)
{
    struct sw_redis *redis = of(backend);
    if (takes_commands(redis)) {
        sw_redis_commands_read(&redis->commands, read, sw_loop_now_ms(redis->loop));
    } else {
        sw_redis_commands_refuse_read(&redis->commands, read, SW_READ_AWAY, SW_ERROR_NONE);
    }
    sw_loop_stay_awake(redis->loop);
}

static void redis_get(struct sw_backend *backend, struct sw_value_read *read)
{
    struct sw_redis *redis = of(backend);
    if (takes_commands(redis)) {
        sw_redis_commands_get(&redis->commands, read, sw_loop_now_ms(redis->loop));
    } else {
        sw_redis_commands_refuse_get(&redis->commands, read);
    }
    sw_loop_stay_awake(redis->loop);
}

static void end(struct sw_redis *redis)
{
    redis->state = STOPPED;
    sw_loop_timer_stop(redis->loop, &redis->retry);
    sw_loop_timer_stop(redis->loop, &redis->beat);
    close_links(redis);
    sw_redis_commands_look(&redis->commands, UINT64_MAX); /* nothing is sent again */
    (void)sw_redis_commands_settle(&redis->commands);
}

static void redis_stop(struct sw_backend *backend)
{
    struct sw_redis *redis = of(backend);
    end(redis);
    sw_redis_interests_down(&redis->interests);
}

static void redis_destroy(struct sw_backend *backend)
{
    struct sw_redis *redis = of(backend);
    end(redis); /* it may never have been stopped, and the interests are gone */
    sw_redis_link_deinit(&redis->subscriber);
    sw_redis_link_deinit(&redis->commander);
    sw_redis_interests_deinit(&redis->interests);
    sw_redis_commands_deinit(&redis->commands);
    sw_redis_url_deinit(&redis->url);
    sw_free(redis);
}

struct sw_backend *sw_redis_create(struct sw_exchange *exchange, const char *url)
{
    static const struct sw_backend_ops ops = {
        .kind = SW_BUS_REDIS,
        .word = "redis",
        .start = redis_start,
        .pump = redis_pump,
        .flush = redis_flush,
        .subscribe = redis_subscribe,
        .unsubscribe = redis_unsubscribe,
        .publish = redis_publish,
        .read = redis_read,
        .get = redis_get,
        .stop = redis_stop,
        .destroy = redis_destroy,
    };
    struct sw_redis *redis = sw_zalloc(sizeof(*redis));
    const char *node = sw_exchange_config(exchange)->node;
    redis->backend = (struct sw_backend){.ops = &ops, .exchange = exchange};
    redis->loop = sw_exchange_loop(exchange);
    bool good = sw_redis_url_parse(url, &redis->url, NULL);
    SW_ASSERT(good);
    sw_redis_link_init(&redis->subscriber, redis->loop, &redis->url, node, "sub",
                       on_subscriber_event, redis);
    sw_redis_link_init(&redis->commander, redis->loop, &redis->url, node, "cmd", on_commander_event,
                       redis);
    sw_redis_interests_init(&redis->interests, exchange);
    sw_redis_reader_build(&redis->commander.reader, SW_REDIS_ARRAY_BYTES);
    sw_redis_commands_init(&redis->commands, exchange, &redis->commander.out,
                           &redis->commander.handed_bytes);
    redis->commands.server.user = redis->url.user;
    sw_redis_health_init(&redis->health, sw_clock_ms());
    sw_random_init(&redis->random);
    sw_timer_init(&redis->retry, on_retry);
    sw_timer_init(&redis->beat, on_beat);
    return &redis->backend;
}
