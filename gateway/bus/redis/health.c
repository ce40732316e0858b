// SPDX-License-Identifier: Apache-2.0
#include "bus/redis/health.h"

#include "core/limits.h"

#define CANARY "canary "
/* While the feed is stale a canary goes so often: `live` is said no later than it must. */
#define HURRY_MS 250

void sw_redis_health_init(struct sw_redis_health *health, uint64_t now_ms)
{
    *health = (struct sw_redis_health){0};
    sw_feed_init(&health->feed, now_ms);
}

void sw_redis_health_up(struct sw_redis_health *health, uint64_t now_ms)
{
    *health = (struct sw_redis_health){.feed = health->feed,
                                       .next_ping_ms = now_ms,
                                       .next_canary_ms = now_ms,
                                       .heard_ms = now_ms,
                                       .sent = health->sent,
                                       .heard = health->sent,
                                       .deaf = health->deaf};
}

/* ---- what is sent ---- */

bool sw_redis_health_ping(struct sw_redis_health *health, uint64_t now_ms, uint64_t now_ns,
                          uint64_t answered)
{
    if (now_ms < health->next_ping_ms || health->count == SW_REDIS_PINGS) {
        return false;
    }
    health->next_ping_ms = now_ms + SW_FEED_BEAT_MS;
    health->pings[(health->first + health->count++) % SW_REDIS_PINGS] =
        (struct sw_redis_ping){.sent_ns = now_ns, .canary = answered};
    return true;
}

bool sw_redis_health_canary(struct sw_redis_health *health, uint64_t now_ms)
{
    if (now_ms < health->next_canary_ms || now_ms <= health->sent) {
        return false;
    }
    health->next_canary_ms = now_ms + (health->feed.stale ? HURRY_MS : SW_FEED_BEAT_MS);
    health->sent = now_ms;
    return true;
}

void sw_redis_canary_write(struct sw_buf *out, uint64_t number)
{
    sw_buf_printf(out, CANARY "%llu", (unsigned long long)number);
}

/* ---- what comes ---- */

uint64_t sw_redis_health_pong(struct sw_redis_health *health, uint64_t now_ms)
{
    if (health->count == 0) {
        return 0;
    }
    struct sw_redis_ping ping = health->pings[health->first];
    health->first = (health->first + 1) % SW_REDIS_PINGS;
    health->count--;
    if (ping.canary > health->heard && health->missing == 0) {
        health->missing = ping.canary;
    }
    unsigned doubled = health->deaf < SW_REDIS_CANARY_MOST ? health->deaf : SW_REDIS_CANARY_MOST;
    health->overtaken =
        health->missing && now_ms >= health->missing + ((uint64_t)SW_REDIS_CANARY_MS << doubled);
    return ping.sent_ns;
}

bool sw_redis_health_hear(struct sw_redis_health *health, struct sw_slice text, uint64_t *number)
{
    struct sw_slice head = SW_SLICE(CANARY);
    if (!sw_slice_starts_with(text, head) ||
        !sw_slice_to_u64(sw_slice(text.data + head.size, text.size - head.size), health->sent,
                         number) ||
        *number <= health->heard) {
        return false;
    }
    health->heard = *number;
    health->missing = 0;
    health->deaf = 0;
    return true;
}

/* ---- the verdict ---- */

uint64_t sw_redis_health_waiting_ns(const struct sw_redis_health *health, uint64_t now_ns)
{
    uint64_t sent_ns = health->pings[health->first].sent_ns;
    return health->count > 0 && now_ns > sent_ns ? now_ns - sent_ns : 0;
}

enum sw_redis_fault sw_redis_health_look(struct sw_redis_health *health, uint64_t now_ms,
                                         uint64_t now_ns, uint64_t bytes)
{
    if (bytes != health->heard_bytes) {
        health->heard_bytes = bytes;
        health->heard_ms = now_ms;
    }
    if (health->overtaken) {
        health->deaf++;
        return SW_REDIS_DEAF;
    }
    uint64_t waiting_ms = sw_redis_health_waiting_ns(health, now_ns) / 1000000;
    if (waiting_ms >= SW_REDIS_UNHEARD_MS && now_ms >= health->heard_ms + SW_REDIS_SILENT_MS) {
        return SW_REDIS_SILENT;
    }
    return waiting_ms >= SW_REDIS_PONG_MS ? SW_REDIS_LATE : SW_REDIS_SOUND;
}
