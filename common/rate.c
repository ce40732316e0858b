// SPDX-License-Identifier: Apache-2.0
#include "common/rate.h"

#define LEAST_NS 1000000000u

void sw_rate_init(struct sw_rate *rate, uint64_t now_ns)
{
    *rate = (struct sw_rate){.window = sw_rate_window(now_ns), .born_ns = now_ns};
}

void sw_rate_enter(struct sw_rate *rate, uint64_t window)
{
    bool next = rate->window + 1 == window;
    rate->at_previous = next ? rate->at_window : rate->total;
    rate->at_window = rate->total;
    rate->window = window;
}

double sw_rate_per_second(struct sw_rate *rate, uint64_t now_ns)
{
    uint64_t window = sw_rate_window(now_ns);
    if (rate->window != window) {
        sw_rate_enter(rate, window);
    }
    uint64_t age_ns = now_ns - rate->born_ns;
    if (age_ns < SW_RATE_WINDOW_NS) {
        return (double)rate->total * 1e9 / (double)(age_ns < LEAST_NS ? LEAST_NS : age_ns);
    }
    uint64_t into_ns = now_ns % SW_RATE_WINDOW_NS;
    uint64_t lived_ns = age_ns - into_ns; /* before this window */
    if (lived_ns > SW_RATE_WINDOW_NS) {
        lived_ns = SW_RATE_WINDOW_NS;
    }
    double elder = (double)(rate->at_window - rate->at_previous) *
                   (double)(SW_RATE_WINDOW_NS - into_ns) / (double)lived_ns;
    double events = elder + (double)(rate->total - rate->at_window);
    return events * 1e9 / (double)SW_RATE_WINDOW_NS;
}
