// SPDX-License-Identifier: Apache-2.0
#include "node/leave.h"

#include "common/log.h"
#include "common/mem.h"

#include <unistd.h>

/* Looks whether anybody is connected. */
#define LOOK_MS 50

static uint64_t closing_ms(const struct sw_config *config)
{
    return config->drain_ms + config->linger_ms + SW_DRAIN_GRACE_MS;
}

static void drain(struct sw_leave *leave)
{
    uint64_t now = sw_loop_now_ms(leave->loop);
    leave->phase = SW_LEAVE_DRAINS;
    leave->until_ms = now + closing_ms(leave->config);
    sw_log(SW_LOG_INFO, "door_closed", "connections=%u after_ms=%llu",
           atomic_load(leave->connections), (unsigned long long)(now - leave->begun_ms));
    sw_loop_timer_start(leave->loop, &leave->timer,
                        closing_ms(leave->config) + SW_DRAIN_OVERDUE_MS);
    leave->on_drain(leave->owner);
}

/* A delay that somebody chose is kept: a balancer may be there although no client is. */
static bool nobody_waits(const struct sw_leave *leave)
{
    return !sw_config_is_set(leave->config, SW_CONFIG_drain_delay_ms) &&
           atomic_load(leave->connections) == 0;
}

static void await_balancers(struct sw_leave *leave)
{
    uint64_t now = sw_loop_now_ms(leave->loop);
    if (now >= leave->until_ms || nobody_waits(leave)) {
        drain(leave);
        return;
    }
    uint64_t left = leave->until_ms - now;
    sw_loop_timer_start(leave->loop, &leave->timer, left < LOOK_MS ? left : LOOK_MS);
}

static void on_timer(struct sw_timer *timer)
{
    struct sw_leave *leave = SW_CONTAINER_OF(timer, struct sw_leave, timer);
    if (leave->phase == SW_LEAVE_HEARD) {
        await_balancers(leave);
        return;
    }
    /* a role stands still, and what it holds cannot be given back */
    sw_log(SW_LOG_ERROR, "drain_overdue",
           "connections=%u hint=\"a worker or the bus stands still\"",
           atomic_load(leave->connections));
    sw_log_stop();
    _exit(1);
}

void sw_leave_init(struct sw_leave *leave)
{
    leave->phase = SW_LEAVE_NOT;
    sw_timer_init(&leave->timer, on_timer);
}

void sw_leave_deinit(struct sw_leave *leave)
{
    sw_loop_timer_stop(leave->loop, &leave->timer);
}

void sw_leave_start(struct sw_leave *leave, bool hurried)
{
    if (leave->phase == SW_LEAVE_NOT) {
        const struct sw_config *config = leave->config;
        uint64_t delay = hurried ? 0 : config->drain_delay_ms;
        leave->phase = SW_LEAVE_HEARD;
        leave->begun_ms = sw_loop_now_ms(leave->loop);
        leave->until_ms = leave->begun_ms + delay;
        sw_count(&leave->counters->draining, 1);
        sw_log(
            SW_LOG_INFO, "draining", "connections=%u delay_ms=%llu drain_ms=%llu deadline_ms=%llu",
            atomic_load(leave->connections), (unsigned long long)delay,
            (unsigned long long)config->drain_ms, (unsigned long long)(delay + closing_ms(config)));
        await_balancers(leave);
    } else if (leave->phase == SW_LEAVE_HEARD && hurried) {
        drain(leave);
    }
}

void sw_leave_tell(const struct sw_leave *leave, struct sw_buf *out)
{
    uint64_t now = sw_loop_now_ms(leave->loop);
    uint64_t left = leave->until_ms > now ? leave->until_ms - now : 0;
    if (leave->phase == SW_LEAVE_HEARD) {
        left += closing_ms(leave->config);
    }
    sw_buf_printf(out, "{\"status\":\"draining\",\"connections\":%u,\"deadline_ms\":%llu}",
                  atomic_load(leave->connections), (unsigned long long)left);
}

static long long count(const struct sw_counters *const *blocks, enum sw_departure how)
{
    long long total = 0;
    for (; *blocks; blocks++) {
        total += (long long)sw_counter_read(&(*blocks)->drained_total[how]);
    }
    return total;
}

void sw_leave_done(const struct sw_leave *leave, const struct sw_counters *const *blocks)
{
    sw_log(SW_LOG_INFO, "drained", "left=%lld closed=%lld reset=%lld other=%lld ms=%llu",
           count(blocks, SW_DEPARTURE_LEFT), count(blocks, SW_DEPARTURE_CLOSED),
           count(blocks, SW_DEPARTURE_RESET), count(blocks, SW_DEPARTURE_OTHER),
           (unsigned long long)(sw_loop_now_ms(leave->loop) - leave->begun_ms));
}
