// SPDX-License-Identifier: Apache-2.0
#include "session/farewell.h"

/* Of the whole time: who does not know the frame is closed in the rest, at about the rate at which
 * the others leave. */
#define CLOSE_PERCENT 60
/* Of the time before: who draws the last moment still has time to be elsewhere first. */
#define WINDOW_PERCENT 80
/* Before it nobody leaves: the frame is on its way to the others. */
#define FROM_MS 500

/* The window's beginning, which never takes more than half of it. */
static uint32_t begin(uint32_t to_ms)
{
    return to_ms / 2 < FROM_MS ? to_ms / 2 : FROM_MS;
}

struct sw_farewell sw_farewell_plan(uint64_t drain_ms)
{
    uint32_t close_ms = (uint32_t)(drain_ms * CLOSE_PERCENT / 100);
    uint32_t to_ms = (uint32_t)((uint64_t)close_ms * WINDOW_PERCENT / 100);
    return (struct sw_farewell){.from_ms = begin(to_ms), .to_ms = to_ms, .close_ms = close_ms};
}

static uint32_t left(uint32_t ms, uint64_t late_ms)
{
    return late_ms < ms ? (uint32_t)(ms - late_ms) : 0;
}

struct sw_farewell sw_farewell_late(struct sw_farewell plan, uint64_t late_ms)
{
    uint32_t to_ms = left(plan.to_ms, late_ms);
    return (struct sw_farewell){
        .from_ms = begin(to_ms), .to_ms = to_ms, .close_ms = left(plan.close_ms, late_ms)};
}

uint32_t sw_farewell_due(uint32_t total, uint64_t elapsed_ms, uint64_t span_ms)
{
    if (elapsed_ms >= span_ms) {
        return total;
    }
    return (uint32_t)((total * elapsed_ms + span_ms - 1) / span_ms);
}
