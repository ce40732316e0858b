// SPDX-License-Identifier: Apache-2.0
#include "bus/redis/fifo.h"

#include "common/assert.h"
#include "common/mem.h"

static struct sw_redis_waiting *at(const struct sw_redis_fifo *fifo, size_t index)
{
    return &fifo->waiting[(fifo->head + index) & (fifo->capacity - 1)];
}

static void grow(struct sw_redis_fifo *fifo)
{
    size_t capacity = fifo->capacity ? fifo->capacity * 2 : 64;
    struct sw_redis_waiting *waiting = sw_alloc(capacity * sizeof(*waiting));
    for (size_t i = 0; i < fifo->count; i++) {
        waiting[i] = *at(fifo, i);
    }
    sw_free(fifo->waiting);
    fifo->waiting = waiting;
    fifo->capacity = capacity;
    fifo->head = 0;
}

void sw_redis_fifo_push(struct sw_redis_fifo *fifo, struct sw_redis_waiting waiting)
{
    if (fifo->count == fifo->capacity) {
        grow(fifo);
    }
    /* Answers come in order: a ping before a publish has no more time than that. */
    if (fifo->count > 0 && at(fifo, 0)->deadline_ms > waiting.deadline_ms) {
        at(fifo, 0)->deadline_ms = waiting.deadline_ms;
    }
    *at(fifo, fifo->count++) = waiting;
}

struct sw_redis_waiting *sw_redis_fifo_first(const struct sw_redis_fifo *fifo)
{
    return fifo->count > 0 ? at(fifo, 0) : NULL;
}

struct sw_redis_waiting sw_redis_fifo_pop(struct sw_redis_fifo *fifo)
{
    SW_ASSERT(fifo->count > 0);
    struct sw_redis_waiting waiting = *at(fifo, 0);
    fifo->head = (fifo->head + 1) & (fifo->capacity - 1);
    fifo->count--;
    return waiting;
}

void sw_redis_fifo_deinit(struct sw_redis_fifo *fifo)
{
    SW_ASSERT(fifo->count == 0);
    sw_free(fifo->waiting);
    fifo->waiting = NULL;
}
