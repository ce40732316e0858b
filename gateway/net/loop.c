// SPDX-License-Identifier: Apache-2.0
#include "net/loop_internal.h"

#include "common/assert.h"
#include "common/clock.h"
#include "common/mem.h"
#include "core/limits.h"

#include <pthread.h>
#include <signal.h>

static void run_tasks(struct sw_list *list)
{
    /* What a task puts off again waits for the next round. */
    struct sw_list now;
    sw_list_init(&now);
    for (struct sw_list *node = sw_list_pop(list); node; node = sw_list_pop(list)) {
        sw_list_push(&now, node);
    }
    for (struct sw_list *node = sw_list_pop(&now); node; node = sw_list_pop(&now)) {
        struct sw_task *task = SW_CONTAINER_OF(node, struct sw_task, link);
        task->run(task);
    }
}

static bool work_is_left(const struct sw_loop *loop)
{
    if (!sw_list_empty(&loop->tasks) || !sw_list_empty(&loop->flushes)) {
        return true;
    }
    for (const struct sw_inbox *inbox = loop->inboxes; inbox; inbox = inbox->next) {
        if (inbox->ready || atomic_load_explicit(&inbox->head, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is what makes the poll not sleep */
}

static void on_timer(uv_timer_t *timer)
{
    struct sw_loop *loop = sw_loop_of((uv_handle_t *)timer);
    loop->timer_due_ms = UINT64_MAX;
    sw_wheel_advance(&loop->wheel, uv_now(&loop->uv));
}

/* One uv_timer for the whole wheel. It is moved only when the next slot in use is another one. */
static void arm_timer(struct sw_loop *loop)
{
    uint64_t now = uv_now(&loop->uv);
    uint64_t sleep = sw_wheel_sleep_ms(&loop->wheel, now);
    if (sleep == UINT64_MAX) {
        if (loop->timer_due_ms != UINT64_MAX) {
            loop->timer_due_ms = UINT64_MAX;
            uv_timer_stop(&loop->timer);
        }
        return;
    }
    if (loop->timer_due_ms == now + sleep) {
        return;
    }
    loop->timer_due_ms = now + sleep;
    int status = uv_timer_start(&loop->timer, on_timer, sleep, 0);
    SW_ASSERT(status == 0);
}

/* The end of a turn: prepare callbacks are the last that run before the poll. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct sw_loop *loop = sw_loop_of((uv_handle_t *)prepare);
    atomic_store_explicit(&loop->turn_count,
                          atomic_load_explicit(&loop->turn_count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    run_tasks(&loop->tasks);
    for (struct sw_turn *turn = loop->turns; turn; turn = turn->next) {
        turn->run(turn->owner);
    }
    run_tasks(&loop->flushes);
    loop->crowd_ns = 0;
    arm_timer(loop);
    if (loop->stay_awake || work_is_left(loop)) {
        loop->stay_awake = false;
        int status = uv_idle_start(&loop->idle, on_idle);
        SW_ASSERT(status == 0);
    } else {
        uv_idle_stop(&loop->idle);
    }
}

struct sw_loop *sw_loop_create(void)
{
    signal(SIGPIPE, SIG_IGN);
    struct sw_loop *loop = sw_zalloc(sizeof(*loop));
    int status = uv_loop_init(&loop->uv);
    SW_ASSERT(status == 0);
    loop->uv.data = loop;
    status = uv_prepare_init(&loop->uv, &loop->prepare);
    SW_ASSERT(status == 0);
    status = uv_prepare_start(&loop->prepare, on_prepare);
    SW_ASSERT(status == 0);
    status = uv_idle_init(&loop->uv, &loop->idle);
    SW_ASSERT(status == 0);
    status = uv_timer_init(&loop->uv, &loop->timer);
    SW_ASSERT(status == 0);
    loop->timer_due_ms = UINT64_MAX;
    loop->last_turn = &loop->turns;
    sw_list_init(&loop->tasks);
    sw_list_init(&loop->flushes);
    sw_list_init(&loop->ends);
    sw_task_init(&loop->tell_ends, sw_conn_tell_ends);
    sw_wheel_init(&loop->wheel, uv_now(&loop->uv));
    return loop;
}

/* A handle that nobody closed would let the loop below run for ever. */
static void assert_closing(uv_handle_t *handle, void *unused)
{
    (void)unused;
    SW_ASSERT(uv_is_closing(handle));
}

void sw_loop_destroy(struct sw_loop **pointer)
{
    struct sw_loop *loop = *pointer;
    *pointer = NULL;
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_close((uv_handle_t *)&loop->timer, NULL);
    uv_walk(&loop->uv, assert_closing, NULL);
    int status = UV_EBUSY;
    while (status == UV_EBUSY) {
        uv_run(&loop->uv, UV_RUN_DEFAULT);
        status = uv_loop_close(&loop->uv);
    }
    SW_ASSERT(status == 0);
    while (loop->writes) {
        struct sw_write *write = loop->writes;
        loop->writes = write->next;
        sw_free(write);
    }
    sw_free(loop);
}

void sw_loop_run(struct sw_loop *loop)
{
    atomic_store_explicit(&loop->thread, (uintptr_t)pthread_self(), memory_order_relaxed);
    uv_update_time(&loop->uv);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    atomic_store_explicit(&loop->thread, 0, memory_order_relaxed);
}

void sw_loop_stop(struct sw_loop *loop)
{
    uv_stop(&loop->uv);
}

void sw_loop_add_turn(struct sw_loop *loop, struct sw_turn *turn)
{
    turn->next = NULL;
    *loop->last_turn = turn;
    loop->last_turn = &turn->next;
}

void sw_loop_stay_awake(struct sw_loop *loop)
{
    loop->stay_awake = true;
}

void sw_task_init(struct sw_task *task, void (*run)(struct sw_task *task))
{
    sw_list_init(&task->link);
    task->run = run;
}

void sw_task_cancel(struct sw_task *task)
{
    sw_list_remove(&task->link);
}

void sw_loop_later(struct sw_loop *loop, struct sw_task *task)
{
    if (sw_list_empty(&task->link)) {
        sw_list_push(&loop->tasks, &task->link);
    }
}

void sw_loop_flush_later(struct sw_loop *loop, struct sw_task *task)
{
    if (sw_list_empty(&task->link)) {
        sw_list_push(&loop->flushes, &task->link);
    }
}

bool sw_loop_is_mine(const struct sw_loop *loop)
{
    /* Relaxed: only the thread itself ever finds its own number here. */
    return atomic_load_explicit(&loop->thread, memory_order_relaxed) == (uintptr_t)pthread_self();
}

uint64_t sw_loop_now_ms(const struct sw_loop *loop)
{
    /* libuv reads its clock again when the poll returns, so this is fresh in the callback that
     * ends a sleep; a copy taken in prepare would not be. */
    return uv_now(&loop->uv);
}

bool sw_loop_has_time(const struct sw_loop *loop)
{
    return loop->crowd_ns < SW_CROWD_BUDGET_NS;
}

void sw_loop_spent(struct sw_loop *loop, uint64_t began_ns)
{
    loop->crowd_ns += sw_clock_ns() - began_ns;
}

void sw_loop_timer_start(struct sw_loop *loop, struct sw_timer *timer, uint64_t delay_ms)
{
    if (!sw_loop_is_mine(loop)) {
        uv_update_time(&loop->uv); /* a loop that does not run has an old clock */
    }
    sw_timer_start(&loop->wheel, timer, uv_now(&loop->uv), delay_ms);
}

void sw_loop_timer_stop(struct sw_loop *loop, struct sw_timer *timer)
{
    sw_timer_stop(&loop->wheel, timer);
}

uint64_t sw_loop_turns(const struct sw_loop *loop)
{
    return atomic_load_explicit(&loop->turn_count, memory_order_relaxed);
}

void *sw_loop_uv(struct sw_loop *loop)
{
    return &loop->uv;
}

struct sw_write *sw_write_get(struct sw_loop *loop)
{
    struct sw_write *write = loop->writes;
    if (write) {
        loop->writes = write->next;
        loop->writes_kept--;
    } else {
        write = sw_alloc(sizeof(*write));
    }
    return write;
}

void sw_write_put(struct sw_loop *loop, struct sw_write *write)
{
    if (loop->writes_kept == SW_WRITES_KEPT) {
        sw_free(write);
        return;
    }
    write->next = loop->writes;
    loop->writes = write;
    loop->writes_kept++;
}
