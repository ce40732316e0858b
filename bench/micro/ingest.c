// SPDX-License-Identifier: Apache-2.0
/* ingest [SECONDS]: how fast bytes from Redis become messages in a worker's inbox, on one core and
 * without a socket: RESP in slices of 16 KB, through the reader, the exchange (envelope opened,
 * payload validated, history judged) into batches that are handed back at once. Beside it a bare
 * loop: hiredis' redisReader over the same bytes with object functions that do nothing. Both take
 * turns of 50 ms, so that whatever else the machine does meets both.
 *
 * One line of JSON for each kind of message: millions a second of CPU time, and the ratio. */
#include "bus/exchange.h"
#include "bus/redis/reader.h"
#include "common/log.h"
#include "common/mem.h"
#include "core/limits.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOPICS   100
#define MESSAGES 20000u /* of one turn of the tape below */
#define SLICE_NS 50000000u

enum kind { PLAIN, KEYED, HISTORY, KINDS };
static const char *const kind_names[KINDS] = {"plain", "keyed", "history"};

/* ---- the bytes ---- */

static void put_bulk(struct sw_buf *out, const char *data, size_t size)
{
    sw_buf_printf(out, "$%zu\r\n", size);
    sw_buf_append(out, data, size);
    sw_buf_append(out, "\r\n", 2);
}

/* What PUBLISH of 200 bytes of JSON to each topic in turn makes of a subscriber's stream. `round`:
 * how often it was made before, since the offsets of a history go on. */
static void make_bytes(enum kind kind, uint64_t round, struct sw_buf *out)
{
    char topic[16];
    char payload[320];
    sw_buf_clear(out);
    for (unsigned i = 0; i < MESSAGES; i++) {
        int at = 0;
        if (kind == KEYED) {
            at = snprintf(payload, sizeof(payload),
                          "\x1e"
                          "1;;t=1700000000000;k=k%u\x1e",
                          i % 7);
        } else if (kind == HISTORY) {
            unsigned long long offset = round * (MESSAGES / TOPICS) + i / TOPICS + 1;
            at = snprintf(payload, sizeof(payload),
                          "\x1e"
                          "1;Qx7aaaaaaaaa:%llu;t=1700000000000\x1e",
                          offset);
        }
        at += snprintf(
            payload + at, sizeof(payload) - (size_t)at,
            "{\"id\":%u,\"symbol\":\"EURUSD\",\"bid\":1.0%u,\"ask\":1.1%u,\"note\":\"%.*s\"}", i, i,
            i, 130,
            "the quick brown fox jumps over the lazy dog and then it does it again and again until "
            "there is nothing left of the evening but a thin red line over there");
        int n = snprintf(topic, sizeof(topic), "t.%u", i % TOPICS);
        sw_buf_append(out, "*3\r\n$7\r\nmessage\r\n", 17);
        put_bulk(out, topic, (size_t)n);
        put_bulk(out, payload, (size_t)at);
    }
}

/* ---- a bus without a server ---- */

struct world {
    struct sw_backend backend; /* first: they are the same address */
    struct sw_loop *loop;
    struct sw_counters *counters;
    struct sw_exchange *exchange;
    struct sw_inbox inbox;
    struct sw_rules rules;
    struct sw_redis_reader reader;
    uint64_t messages;
};

static void subscribe(struct sw_backend *backend, struct sw_interest *interest)
{
    sw_exchange_acked(backend->exchange, interest);
}

static void unsubscribe(struct sw_backend *backend, struct sw_interest *interest)
{
    (void)backend, (void)interest;
}

/* Nothing was ever published under this epoch but what comes. */
static void read_history(struct sw_backend *backend, struct sw_history_read *read)
{
    (void)backend;
    read->outcome = SW_READ_DONE;
    read->lineage = (struct sw_lineage){0};
    (void)sw_epoch_parse(SW_SLICE("Qx7aaaaaaaaa"), &read->lineage.epoch);
    read->top = 0;
    read->first = 0;
    read->count = 0;
    read->done(read->context, read);
}

static const struct sw_backend_ops ops = {
    .kind = SW_BUS_REDIS, .subscribe = subscribe, .unsubscribe = unsubscribe, .read = read_history};

static void on_post(void *role, struct sw_post *post)
{
    struct world *world = role;
    struct sw_batch *batch = SW_CONTAINER_OF(post, struct sw_batch, post);
    world->messages += batch->count;
    sw_exchange_returned(world->exchange, batch);
}

static void on_event(void *owner, const struct sw_redis_event *event)
{
    struct world *world = owner;
    struct sw_interest *interest = sw_exchange_find(world->exchange, event->channel, false);
    if (interest && interest->acked) {
        sw_exchange_message(world->exchange, interest, event->channel, event->text);
    }
}

static void world_init(struct world *world, enum kind kind)
{
    *world =
        (struct world){.loop = sw_loop_create(), .counters = sw_zalloc(sizeof(struct sw_counters))};
    sw_rules_init(&world->rules);
    if (kind == HISTORY) {
        (void)sw_rules_add(&world->rules, &(struct sw_rule){.match = SW_SLICE("t.>"),
                                                            .modes_allowed = SW_MODES_CHOICE,
                                                            .client_publish = -1,
                                                            .history_size = 1000,
                                                            .history_ttl_ms = 3600000});
    }
    sw_rules_settle(&world->rules, '.', 262144);
    world->exchange = sw_exchange_create(world->loop,
                                         &(struct sw_bus_config){.url = "redis://127.0.0.1",
                                                                 .node = "bench",
                                                                 .separator = '.',
                                                                 .max_message_bytes = 262144,
                                                                 .rules = &world->rules},
                                         world->counters);
    world->backend = (struct sw_backend){.ops = &ops, .exchange = world->exchange};
    sw_exchange_set_backend(world->exchange, &world->backend);
    (void)sw_inbox_init(&world->inbox, world->loop, on_post, world);
    sw_exchange_add_worker(world->exchange, &world->inbox);
    sw_exchange_up(world->exchange);
    sw_redis_reader_init(&world->reader, SW_REDIS_BULK_BYTES, on_event, world);
    for (uint32_t i = 0; i < TOPICS; i++) {
        struct sw_join *join = sw_zalloc(sizeof(*join) + 16);
        join->tape = i;
        join->generation = 1;
        join->size = (uint8_t)snprintf(join->name, 16, "t.%u", i);
        sw_exchange_join(world->exchange, join);
        sw_free(join);
    }
    sw_exchange_close_batches(world->exchange);
    while (sw_inbox_drain(&world->inbox)) {
    }
    world->messages = 0;
}

/* One turn of the bus: a slice after the other, up to SW_REDIS_TURN_BYTES, then what was collected
 * is posted. */
static size_t ingest_turn(struct world *world, const struct sw_buf *bytes, size_t at)
{
    size_t end = at + SW_REDIS_TURN_BYTES < bytes->size ? at + SW_REDIS_TURN_BYTES : bytes->size;
    sw_exchange_tick(world->exchange);
    while (at < end) {
        size_t n = end - at < SW_REDIS_SLICE_BYTES ? end - at : SW_REDIS_SLICE_BYTES;
        if (!sw_redis_reader_feed(&world->reader, bytes->data + at, n)) {
            fprintf(stderr, "ingest: %s\n", world->reader.why);
            exit(1);
        }
        at += n;
    }
    sw_exchange_close_batches(world->exchange);
    while (sw_inbox_drain(&world->inbox)) {
    }
    return at;
}

/* ---- the bare loop ---- */

static char dummy;

static void *bare_string(const redisReadTask *task, char *text, size_t size)
{
    (void)task, (void)text, (void)size;
    return &dummy;
}
#if HIREDIS_MAJOR >= 1
static void *bare_array(const redisReadTask *task, size_t count)
#else
static void *bare_array(const redisReadTask *task, int count)
#endif
{
    (void)task, (void)count;
    return &dummy;
}
static void *bare_integer(const redisReadTask *task, long long value)
{
    (void)task, (void)value;
    return &dummy;
}
static void *bare_nil(const redisReadTask *task)
{
    (void)task;
    return &dummy;
}
static void bare_free(void *object)
{
    (void)object;
}

static redisReplyObjectFunctions bare_functions = {.createString = bare_string,
                                                   .createArray = bare_array,
                                                   .createInteger = bare_integer,
                                                   .createNil = bare_nil,
                                                   .freeObject = bare_free};

static uint64_t bare_turn(redisReader *reader, const struct sw_buf *bytes, size_t *at)
{
    uint64_t count = 0;
    size_t end = *at + SW_REDIS_TURN_BYTES < bytes->size ? *at + SW_REDIS_TURN_BYTES : bytes->size;
    while (*at < end) {
        size_t n = end - *at < SW_REDIS_SLICE_BYTES ? end - *at : SW_REDIS_SLICE_BYTES;
        void *reply = NULL;
        redisReaderFeed(reader, bytes->data + *at, n);
        while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
            count++;
        }
        *at += n;
    }
    return count;
}

/* ---- the measurement ---- */

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double millions(uint64_t messages, uint64_t ns)
{
    return ns ? (double)messages * 1000.0 / (double)ns : 0;
}

static void check(const struct world *world, uint64_t messages)
{
    if (world->messages != messages) {
        fprintf(stderr, "ingest: %llu of %llu messages have arrived\n",
                (unsigned long long)world->messages, (unsigned long long)messages);
        exit(1);
    }
}

static void measure(enum kind kind, uint64_t for_ns)
{
    struct world world;
    struct sw_buf bytes = {0};
    redisReader *bare = redisReaderCreateWithFunctions(&bare_functions);
    uint64_t round = 0;
    size_t at = 0;
    size_t bare_at = 0;
    uint64_t bare_messages = 0;
    uint64_t spent[2] = {0};
    world_init(&world, kind);
    make_bytes(kind, round, &bytes);
    while (spent[0] + spent[1] < for_ns) {
        uint64_t begun = cpu_ns();
        uint64_t now = begun;
        while (now - begun < SLICE_NS && at < bytes.size) {
            at = ingest_turn(&world, &bytes, at);
            now = cpu_ns();
        }
        spent[0] += now - begun;
        begun = cpu_ns();
        now = begun;
        while (now - begun < SLICE_NS) {
            bare_messages += bare_turn(bare, &bytes, &bare_at);
            bare_at = bare_at == bytes.size ? 0 : bare_at;
            now = cpu_ns();
        }
        spent[1] += now - begun;
        if (at == bytes.size) { /* the next offsets; making them is nobody's time */
            check(&world, (round + 1) * MESSAGES);
            at = 0;
            make_bytes(kind, ++round, &bytes);
            bare_at = 0;
            redisReaderFree(bare);
            bare = redisReaderCreateWithFunctions(&bare_functions);
        }
    }
    double own = millions(world.messages, spent[0]);
    double floor = millions(bare_messages, spent[1]);
    printf("{\"scenario\":\"ingest\",\"kind\":\"%s\",\"messages\":%llu,\"millions_per_core\":%.2f,"
           "\"bare_millions\":%.2f,\"ratio\":%.2f}\n",
           kind_names[kind], (unsigned long long)world.messages, own, floor,
           own > 0 ? floor / own : 0);
    redisReaderFree(bare);
    sw_buf_deinit(&bytes);
    sw_redis_reader_deinit(&world.reader);
    sw_exchange_clear(world.exchange);
    sw_exchange_destroy(&world.exchange);
    sw_inbox_deinit(&world.inbox);
    sw_loop_destroy(&world.loop);
    sw_rules_deinit(&world.rules);
    sw_free(world.counters);
}

int main(int argc, char **argv)
{
    sw_log_configure(SW_LOG_WARN, SW_LOG_TEXT);
    uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 6;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        measure(kind, seconds * 1000000000u / KINDS);
    }
    return 0;
}
