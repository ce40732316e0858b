// SPDX-License-Identifier: Apache-2.0
/* A hashed timer wheel (Varghese and Lauck, 1987, scheme 6): 1,024 slots of 10 ms. A timer costs 32
 * bytes and no system call; moving its deadline later costs one store, since it is linked anew only
 * when its slot comes up. One wheel per loop; whoever turns the loop calls sw_wheel_advance.
 * Invariant (sw_wheel_sane): every linked timer hangs in the slot of a tick <= its deadline. */
#ifndef SW_COMMON_WHEEL_H
#define SW_COMMON_WHEEL_H

#include "common/list.h"

#include <stddef.h>
#include <stdint.h>

#define SW_WHEEL_TICK_MS 10
#define SW_WHEEL_SLOTS   1024

struct sw_timer {
    struct sw_list link; /* on itself: not running */
    uint64_t deadline;   /* in ticks */
    void (*fire)(struct sw_timer *timer);
};

struct sw_wheel {
    struct sw_list slots[SW_WHEEL_SLOTS];
    uint64_t used[SW_WHEEL_SLOTS / 64]; /* a bit per slot that may hold timers */
    uint64_t now;                       /* the last tick that was handled */
    size_t count;
};

/* `now_ms`: any monotonic clock. */
void sw_wheel_init(struct sw_wheel *wheel, uint64_t now_ms);
void sw_timer_init(struct sw_timer *timer, void (*fire)(struct sw_timer *timer));
/* Starts it, or moves it: it fires once, not before `now_ms + delay_ms` and within a tick or two of
 * it. */
void sw_timer_start(struct sw_wheel *wheel, struct sw_timer *timer, uint64_t now_ms,
                    uint64_t delay_ms);
/* Harmless where it does not run. */
void sw_timer_stop(struct sw_wheel *wheel, struct sw_timer *timer);
bool sw_timer_running(const struct sw_timer *timer);
/* Fires what is due at `now_ms`. A callback may start and stop any timer, and free its own. */
void sw_wheel_advance(struct sw_wheel *wheel, uint64_t now_ms);
/* How long the loop may sleep: milliseconds to the next slot in use, at most 10,240; UINT64_MAX
 * where no timer runs. */
uint64_t sw_wheel_sleep_ms(const struct sw_wheel *wheel, uint64_t now_ms);
/* Between two calls; inside a callback its slot is half handled. */
bool sw_wheel_sane(const struct sw_wheel *wheel);

#endif
