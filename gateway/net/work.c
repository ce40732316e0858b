// SPDX-License-Identifier: Apache-2.0
#include "net/work.h"

#include "common/assert.h"
#include "common/mem.h"
#include "net/loop_internal.h"

#include <sys/resource.h>

struct request {
    uv_work_t uv;
    struct sw_work *work;
    struct sw_crew *crew; /* NULL: its owner has ended */
};

/* On Linux this is the thread's own. Looked at each time, since the pool's threads are nobody's;
 * beside a piece of work it costs nothing. */
static void be_nice(void)
{
    if (getpriority(PRIO_PROCESS, 0) < SW_WORK_NICE) {
        (void)setpriority(PRIO_PROCESS, 0, SW_WORK_NICE);
    }
}

static void on_run(uv_work_t *uv)
{
    struct sw_work *work = SW_CONTAINER_OF(uv, struct request, uv)->work;
    be_nice();
    work->run(work);
}

static void on_done(uv_work_t *uv, int status)
{
    (void)status; /* only what an owner that ended left behind was cancelled */
    struct request *request = SW_CONTAINER_OF(uv, struct request, uv);
    struct sw_work *work = request->work;
    void *owner = request->crew ? request->crew->owner : NULL;
    sw_list_remove(&work->link);
    sw_free(request);
    work->done(work, owner);
}

void sw_crew_init(struct sw_crew *crew, struct sw_loop *loop, void *owner)
{
    crew->loop = loop;
    crew->owner = owner;
    sw_list_init(&crew->out);
}

void sw_crew_deinit(struct sw_crew *crew)
{
    struct sw_list *link;
    while ((link = sw_list_pop(&crew->out))) {
        struct request *request = SW_CONTAINER_OF(link, struct sw_work, link)->request;
        request->crew = NULL;
        (void)uv_cancel((uv_req_t *)&request->uv); /* unless it runs; its callback comes anyway */
    }
}

void sw_crew_run(struct sw_crew *crew, struct sw_work *work)
{
    struct request *request = sw_alloc(sizeof(*request));
    request->work = work;
    request->crew = crew;
    work->request = request;
    sw_list_init(&work->link);
    sw_list_push(&crew->out, &work->link);
    int status = uv_queue_work(&crew->loop->uv, &request->uv, on_run, on_done);
    SW_ASSERT(status == 0);
}
