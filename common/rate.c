// SPDX-License-Identifier: Apache-2.0
#include "common/rate.h"

#define LEAST_NS 1000000000u
#define MS_NS    1000000u

void sw_rate_init(struct sw_rate *rate, uint64_t now_ns)
{
    *rate = (struct sw_rate){.window = sw_rate_window(now_ns),
                             .born_ms = (uint16_t)(now_ns % SW_RATE_WINDOW_NS / MS_NS)};
}

void sw_rate_enter(struct sw_rate *rate, uint32_t window)
{
    uint32_t since = window - rate->window;
    rate->before += rate->current;
    rate->previous = since == 1 ? rate->current : 0;
    rate->current = 0;
    rate->window = window;
    rate->age = since + rate->age < 2 ? (uint8_t)(since + rate->age) : 2;
}

double sw_rate_per_second(struct sw_rate *rate, uint64_t now_ns)
{
    uint32_t window = sw_rate_window(now_ns);
    if (rate->window != window) {
        sw_rate_enter(rate, window);
    }
    uint64_t into_ns = now_ns % SW_RATE_WINDOW_NS;
    uint64_t born_ns = (uint64_t)rate->born_ms * MS_NS;
    if (rate->age == 0 || (rate->age == 1 && into_ns < born_ns)) {
        uint64_t age_ns = rate->age * SW_RATE_WINDOW_NS + into_ns - born_ns;
        return (double)sw_rate_total(rate) * 1e9 / (double)(age_ns < LEAST_NS ? LEAST_NS : age_ns);
    }
    uint64_t lived_ns = SW_RATE_WINDOW_NS - (rate->age == 1 ? born_ns : 0); /* of the last window */
    double elder =
        (double)rate->previous * (double)(SW_RATE_WINDOW_NS - into_ns) / (double)lived_ns;
    return (elder + (double)rate->current) * 1e9 / (double)SW_RATE_WINDOW_NS;
}
