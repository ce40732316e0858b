// SPDX-License-Identifier: Apache-2.0
#include "node/watch.h"

#include "common/log.h"
#include "common/mem.h"
#include "core/limits.h"

/* ---- the judgement ---- */

bool sw_pulse_look(struct sw_pulse *pulse, uint64_t turns, uint64_t now_ms)
{
    bool stalled = pulse->stalled;
    if (turns != pulse->turns) {
        pulse->turns = turns;
        pulse->turned_ms = now_ms;
        pulse->looks = 0;
        pulse->stalled = false;
    } else if (++pulse->looks >= SW_STALL_LOOKS) {
        pulse->stalled = true;
    }
    return pulse->stalled != stalled;
}

void sw_presence_look(struct sw_presence *presence, bool up, uint64_t now_ms)
{
    if (presence->up != up) {
        presence->up = up;
        presence->since_ms = now_ms;
    }
    uint64_t steady_ms = now_ms - presence->since_ms;
    if (steady_ms >= (up ? SW_BACK_MS : SW_AWAY_MS)) {
        presence->away = !up;
    }
}

/* ---- the watch ---- */

static void on_pulse(struct sw_timer *timer)
{
    struct sw_pulse *pulse = SW_CONTAINER_OF(timer, struct sw_pulse, timer);
    sw_loop_timer_start(pulse->loop, timer, SW_WATCH_MS);
}

static void look(struct sw_watch *watch, struct sw_pulse *pulse, uint64_t now_ms)
{
    uint64_t before_ms = pulse->turned_ms;
    if (!sw_pulse_look(pulse, sw_loop_turns(pulse->loop), now_ms)) {
        return;
    }
    sw_count(&watch->counters->loops_stalled, pulse->stalled ? 1 : -1);
    sw_log(pulse->stalled ? SW_LOG_ERROR : SW_LOG_INFO,
           pulse->stalled ? "loop_stalled" : "loop_turns", "role=%s ms=%llu", pulse->role,
           (unsigned long long)(now_ms - before_ms));
}

static void on_look(struct sw_timer *timer)
{
    struct sw_watch *watch = SW_CONTAINER_OF(timer, struct sw_watch, timer);
    uint64_t now_ms = sw_loop_now_ms(watch->loop);
    for (unsigned i = 0; i < watch->count; i++) {
        look(watch, &watch->pulses[i], now_ms);
    }
    sw_presence_look(&watch->bus, watch->bus_up(watch->owner), now_ms);
    sw_loop_timer_start(watch->loop, timer, SW_WATCH_MS);
}

void sw_watch_start(struct sw_watch *watch)
{
    for (unsigned i = 0; i < watch->count; i++) {
        struct sw_pulse *pulse = &watch->pulses[i];
        sw_timer_init(&pulse->timer, on_pulse);
        sw_loop_timer_start(pulse->loop, &pulse->timer, SW_WATCH_MS);
    }
    watch->bus = (struct sw_presence){.up = true, .since_ms = sw_loop_now_ms(watch->loop)};
    sw_timer_init(&watch->timer, on_look);
    sw_loop_timer_start(watch->loop, &watch->timer, SW_WATCH_MS);
}

void sw_watch_stop(struct sw_watch *watch)
{
    for (unsigned i = 0; i < watch->count; i++) {
        sw_loop_timer_stop(watch->pulses[i].loop, &watch->pulses[i].timer);
    }
    sw_loop_timer_stop(watch->loop, &watch->timer);
}

bool sw_watch_tell(const struct sw_watch *watch, struct sw_buf *out)
{
    uint64_t now_ms = sw_loop_now_ms(watch->loop);
    const char *before = "{\"status\":\"stalled\",\"loops\":[";
    for (unsigned i = 0; i < watch->count; i++) {
        const struct sw_pulse *pulse = &watch->pulses[i];
        if (pulse->stalled) {
            sw_buf_printf(out, "%s{\"role\":\"%s\",\"since_ms\":%llu}", before, pulse->role,
                          (unsigned long long)(now_ms - pulse->turned_ms));
            before = ",";
        }
    }
    bool live = out->size == 0;
    sw_buf_append_slice(out, live ? SW_SLICE("{\"status\":\"live\"}") : SW_SLICE("]}"));
    return live;
}
