// SPDX-License-Identifier: Apache-2.0
/* A loop under test, turned in the test's own thread until something is so. */
#ifndef SW_TURNING_H
#define SW_TURNING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/mem.h"
#include "net/loop.h"

struct turning {
    struct sw_loop *loop;
    struct sw_turn turn;
    struct sw_timer limit;
    bool (*met)(void *context);
    void *context;
    bool asks;
    bool late;
};

static inline void turning_on_turn(void *owner)
{
    struct turning *turning = owner;
    if (turning->met && turning->met(turning->context)) {
        sw_loop_stop(turning->loop);
    }
}

static inline void turning_on_limit(struct sw_timer *timer)
{
    struct turning *turning = SW_CONTAINER_OF(timer, struct turning, limit);
    turning->late = true;
    sw_loop_stop(turning->loop);
}

static inline void turning_init(struct turning *turning)
{
    *turning = (struct turning){.loop = sw_loop_create()};
    turning->turn = (struct sw_turn){.run = turning_on_turn, .owner = turning};
    sw_timer_init(&turning->limit, turning_on_limit);
}

static inline void turning_deinit(struct turning *turning)
{
    sw_loop_destroy(&turning->loop);
}

/* Did `met` come true within `limit_ms`? It is asked at the end of each turn, behind the turns that
 * were added before the first call. */
static inline bool turning_until(struct turning *turning, uint64_t limit_ms,
                                 bool (*met)(void *context), void *context)
{
    turning->met = met;
    turning->context = context;
    turning->late = false;
    if (!turning->asks) {
        turning->asks = true;
        sw_loop_add_turn(turning->loop, &turning->turn);
    }
    sw_loop_timer_start(turning->loop, &turning->limit, limit_ms);
    sw_loop_run(turning->loop);
    sw_loop_timer_stop(turning->loop, &turning->limit);
    turning->met = NULL;
    return !turning->late;
}

static inline bool turning_is_set(void *flag)
{
    return *(bool *)flag;
}

static inline void turning_for(struct turning *turning, uint64_t ms)
{
    turning_until(turning, ms, NULL, NULL);
}

#endif
