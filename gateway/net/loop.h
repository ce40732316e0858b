// SPDX-License-Identifier: Apache-2.0
/* A loop: one thread's libuv loop, its clock, its timer wheel and its turns. A role is given a
 * loop; which thread turns it is decided in node/. Whatever does not say "any thread" belongs to
 * the loop's thread.
 *
 * A turn is one iteration. Its end runs in uv_prepare, before the loop sleeps: each registered
 * sw_turn in the order of registration. A turn that leaves work says sw_loop_stay_awake, and the
 * next poll does not sleep. */
#ifndef SW_NET_LOOP_H
#define SW_NET_LOOP_H

#include "common/wheel.h"

struct sw_loop;

struct sw_turn {
    struct sw_turn *next;
    void (*run)(void *owner);
    void *owner;
};

/* Work put off once: it runs when the callback that asked for it is long over. */
struct sw_task {
    struct sw_list link; /* on itself: not waiting */
    void (*run)(struct sw_task *task);
};

/* Never NULL. The caller owns it. Ignores SIGPIPE in the whole process: libuv writes without
 * MSG_NOSIGNAL. */
struct sw_loop *sw_loop_create(void);
/* Everything opened on it must be closed; runs the loop until libuv has let go of it all. NULLs
 * *loop. */
void sw_loop_destroy(struct sw_loop **loop);
/* Runs until sw_loop_stop. */
void sw_loop_run(struct sw_loop *loop);
void sw_loop_stop(struct sw_loop *loop);
/* `turn` is borrowed until the loop is destroyed. */
void sw_loop_add_turn(struct sw_loop *loop, struct sw_turn *turn);
void sw_loop_stay_awake(struct sw_loop *loop);
/* Runs `task` once, at the end of this turn before the registered turns (from inside them: of
 * the next turn, before which the loop does not sleep). Harmless where it waits already. */
void sw_loop_later(struct sw_loop *loop, struct sw_task *task);
void sw_task_init(struct sw_task *task, void (*run)(struct sw_task *task));
/* Harmless where it does not wait. */
void sw_task_cancel(struct sw_task *task);
/* Monotonic milliseconds, read once per wake-up. */
uint64_t sw_loop_now_ms(const struct sw_loop *loop);
/* Has this turn time left for who comes and goes (SW_CROWD_BUDGET_NS)? */
bool sw_loop_has_time(const struct sw_loop *loop);
/* What was begun at `began_ns` (sw_clock_ns) was done for somebody who comes or goes. */
void sw_loop_spent(struct sw_loop *loop, uint64_t began_ns);
/* The loop's wheel, advanced by the loop; see sw_loop_timer_start. */
void sw_loop_timer_start(struct sw_loop *loop, struct sw_timer *timer, uint64_t delay_ms);
void sw_loop_timer_stop(struct sw_loop *loop, struct sw_timer *timer);
/* The number of turns so far: any thread, so that main can tell a loop that turns from one that
 * hangs. */
uint64_t sw_loop_turns(const struct sw_loop *loop);

/* For net/ alone: struct uv_loop_s. */
void *sw_loop_uv(struct sw_loop *loop);

#endif
