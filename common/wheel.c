// SPDX-License-Identifier: Apache-2.0
#include "common/wheel.h"

#include "common/mem.h"

/* Far enough to be never, and no sum with it overflows. */
#define FOREVER_MS (UINT64_MAX / 4)

static size_t slot_of(uint64_t tick)
{
    return (size_t)(tick % SW_WHEEL_SLOTS);
}

static void hang(struct sw_wheel *wheel, struct sw_timer *timer)
{
    size_t slot = slot_of(timer->deadline);
    sw_list_push(&wheel->slots[slot], &timer->link);
    wheel->used[slot / 64] |= UINT64_C(1) << slot % 64;
}

void sw_wheel_init(struct sw_wheel *wheel, uint64_t now_ms)
{
    *wheel = (struct sw_wheel){.now = now_ms / SW_WHEEL_TICK_MS};
    for (size_t slot = 0; slot < SW_WHEEL_SLOTS; slot++) {
        sw_list_init(&wheel->slots[slot]);
    }
}

void sw_timer_init(struct sw_timer *timer, void (*fire)(struct sw_timer *timer))
{
    sw_list_init(&timer->link);
    timer->deadline = 0;
    timer->fire = fire;
}

void sw_timer_start(struct sw_wheel *wheel, struct sw_timer *timer, uint64_t now_ms,
                    uint64_t delay_ms)
{
    uint64_t due_ms = now_ms + (delay_ms < FOREVER_MS ? delay_ms : FOREVER_MS);
    uint64_t deadline = (due_ms + SW_WHEEL_TICK_MS - 1) / SW_WHEEL_TICK_MS;
    if (deadline <= wheel->now) {
        deadline = wheel->now + 1;
    }
    bool running = sw_timer_running(timer);
    bool later = deadline >= timer->deadline;
    timer->deadline = deadline;
    if (running && later) {
        return; /* its slot comes up before, and moves it on */
    }
    if (running) {
        sw_list_remove(&timer->link);
    } else {
        wheel->count++;
    }
    hang(wheel, timer);
}

void sw_timer_stop(struct sw_wheel *wheel, struct sw_timer *timer)
{
    if (sw_timer_running(timer)) {
        sw_list_remove(&timer->link);
        wheel->count--;
    }
}

bool sw_timer_running(const struct sw_timer *timer)
{
    return !sw_list_empty(&timer->link);
}

/* Handles the tick wheel->now. The slot is emptied first: a callback may hang timers into it. */
static void run_slot(struct sw_wheel *wheel)
{
    size_t slot = slot_of(wheel->now);
    if (!(wheel->used[slot / 64] >> slot % 64 & 1)) {
        return;
    }
    wheel->used[slot / 64] &= ~(UINT64_C(1) << slot % 64);
    struct sw_list waiting;
    sw_list_init(&waiting);
    struct sw_list *link;
    while ((link = sw_list_pop(&wheel->slots[slot]))) {
        sw_list_push(&waiting, link);
    }
    while ((link = sw_list_pop(&waiting))) {
        struct sw_timer *timer = SW_CONTAINER_OF(link, struct sw_timer, link);
        if (timer->deadline > wheel->now) {
            hang(wheel, timer);
        } else {
            wheel->count--;
            timer->fire(timer);
        }
    }
}

void sw_wheel_advance(struct sw_wheel *wheel, uint64_t now_ms)
{
    uint64_t target = now_ms / SW_WHEEL_TICK_MS;
    if (target > wheel->now + SW_WHEEL_SLOTS) {
        /* One round sees every slot, and with them all that fell due in the ticks left out. */
        wheel->now = target - SW_WHEEL_SLOTS;
    }
    while (wheel->now < target) {
        wheel->now++;
        run_slot(wheel);
    }
}

/* The first tick behind wheel->now whose slot holds timers; there are some. */
static uint64_t next_tick(const struct sw_wheel *wheel)
{
    for (uint64_t tick = wheel->now + 1; tick < wheel->now + SW_WHEEL_SLOTS;) {
        size_t slot = slot_of(tick);
        uint64_t rest = wheel->used[slot / 64] >> slot % 64;
        if (rest == 0) {
            tick += 64 - slot % 64;
            continue;
        }
        tick += (uint64_t)__builtin_ctzll(rest);
        if (!sw_list_empty(&wheel->slots[slot_of(tick)])) {
            return tick;
        }
        tick++; /* its timers were stopped */
    }
    return wheel->now + SW_WHEEL_SLOTS;
}

uint64_t sw_wheel_sleep_ms(const struct sw_wheel *wheel, uint64_t now_ms)
{
    if (wheel->count == 0) {
        return UINT64_MAX;
    }
    uint64_t due_ms = next_tick(wheel) * SW_WHEEL_TICK_MS;
    uint64_t most = (uint64_t)SW_WHEEL_SLOTS * SW_WHEEL_TICK_MS;
    if (due_ms <= now_ms) {
        return 0;
    }
    return due_ms - now_ms < most ? due_ms - now_ms : most;
}

bool sw_wheel_sane(const struct sw_wheel *wheel)
{
    size_t count = 0;
    for (uint64_t tick = wheel->now + 1; tick <= wheel->now + SW_WHEEL_SLOTS; tick++) {
        size_t slot = slot_of(tick);
        const struct sw_list *head = &wheel->slots[slot];
        for (const struct sw_list *link = head->next; link != head; link = link->next) {
            const struct sw_timer *timer = SW_CONTAINER_OF(link, const struct sw_timer, link);
            if (timer->deadline < tick || !(wheel->used[slot / 64] >> slot % 64 & 1)) {
                return false;
            }
            count++;
        }
    }
    return count == wheel->count;
}
