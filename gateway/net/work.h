// SPDX-License-Identifier: Apache-2.0
/* Work that would hold up a loop: it runs beside it, on a thread of libuv's pool, and comes back to
 * the loop when it is done. These threads are nice: however much waits for them, they take no
 * processor from the loops, which serve who is connected. (Names are resolved on them, too.)
 *
 * A crew is all the work of one owner. What is out when the owner ends comes back to nobody. */
#ifndef SW_NET_WORK_H
#define SW_NET_WORK_H

#include "net/loop.h"

/* How nice the threads are; at 10 one gets a tenth of what a loop gets that wants the same core. */
#define SW_WORK_NICE 10

/* Embedded in what is worked on. */
struct sw_work {
    struct sw_list link; /* of its crew */
    void *request;       /* uv_work_t */
    /* On another thread: touches nothing but what is this work's own. */
    void (*run)(struct sw_work *work);
    /* On the loop, in any case, and takes `work`. `owner` NULL: it has ended, and it may not have
     * been run. */
    void (*done)(struct sw_work *work, void *owner);
};

struct sw_crew {
    struct sw_loop *loop;
    void *owner;
    struct sw_list out;
};

/* Both borrowed. */
void sw_crew_init(struct sw_crew *crew, struct sw_loop *loop, void *owner);
/* On the loop, or when it has stopped: what is out comes back until sw_loop_destroy is over. */
void sw_crew_deinit(struct sw_crew *crew);
/* Takes `work` until it comes back. */
void sw_crew_run(struct sw_crew *crew, struct sw_work *work);

#endif
