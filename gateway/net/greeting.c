// SPDX-License-Identifier: Apache-2.0
#include "net/greeting.h"

#include "common/mem.h"
#include "net/loop_internal.h"

#include <errno.h>
#include <sys/socket.h>

struct greeting {
    uv_poll_t poll; /* first: closed by its address */
    struct sw_list link;
    struct sw_timer timer;
    struct sw_greetings *all;
    void *owner;
    int fd;
    struct sw_peer peer;
    struct sw_proxy_header header;
};

static void on_closed(uv_handle_t *handle)
{
    sw_free(handle);
}

/* libuv lets go of the descriptor at once, though the handle lives on until the turn is over. */
static void end(struct greeting *greeting, enum sw_greeting_outcome outcome, const char *why)
{
    struct sw_greetings *all = greeting->all;
    sw_list_remove(&greeting->link);
    all->count--;
    sw_loop_timer_stop(all->loop, &greeting->timer);
    uv_close((uv_handle_t *)&greeting->poll, on_closed);
    all->on_end(greeting->owner, &(struct sw_greeting_end){.outcome = outcome,
                                                           .fd = greeting->fd,
                                                           .peer = greeting->peer,
                                                           .named = greeting->header.named,
                                                           .client = greeting->header.client,
                                                           .why = why});
}

static void end_early(struct greeting *greeting)
{
    bool silent = greeting->header.size == 0;
    end(greeting, silent ? SW_GREETING_LEFT : SW_GREETING_BAD, "it ended in its midst");
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct greeting *greeting = SW_CONTAINER_OF(poll, struct greeting, poll);
    struct sw_proxy_header *header = &greeting->header;
    char bytes[SW_PROXY_HEADER_BYTES];
    size_t taken;
    (void)events;
    ssize_t n = recv(greeting->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && status == 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        end_early(greeting);
        return;
    }
    enum sw_proxy_step step = sw_proxy_header_take(header, sw_slice(bytes, (size_t)n), &taken);
    if (step == SW_PROXY_BAD) {
        end(greeting, SW_GREETING_BAD, header->why);
        return;
    }
    bool gone = recv(greeting->fd, bytes, taken, MSG_DONTWAIT) != (ssize_t)taken;
    if (step == SW_PROXY_DONE && !gone) {
        end(greeting, SW_GREETED, NULL);
    } else if (gone || status < 0) { /* broken: libuv has stopped polling */
        end_early(greeting);
    }
}

static void on_timer(struct sw_timer *timer)
{
    struct greeting *greeting = SW_CONTAINER_OF(timer, struct greeting, timer);
    end(greeting, SW_GREETING_BAD, "it did not come in time");
}

void sw_greetings_init(struct sw_greetings *greetings, struct sw_loop *loop,
                       void (*on_end)(void *owner, const struct sw_greeting_end *end))
{
    *greetings = (struct sw_greetings){.loop = loop, .on_end = on_end};
    sw_list_init(&greetings->list);
}

int sw_greeting_open(struct sw_greetings *greetings, int fd, const struct sw_peer *peer,
                     void *owner)
{
    struct greeting *greeting = sw_zalloc(sizeof(*greeting));
    int status = uv_poll_init(&greetings->loop->uv, &greeting->poll, fd);
    if (status) {
        sw_free(greeting);
        close(fd);
        return status;
    }
    greeting->all = greetings;
    greeting->owner = owner;
    greeting->fd = fd;
    greeting->peer = *peer;
    sw_list_push(&greetings->list, &greeting->link);
    greetings->count++;
    sw_timer_init(&greeting->timer, on_timer);
    sw_loop_timer_start(greetings->loop, &greeting->timer, SW_HTTP_DEADLINE_MS);
    status = uv_poll_start(&greeting->poll, UV_READABLE, on_poll);
    SW_ASSERT(status == 0);
    return 0;
}

void sw_greetings_close(struct sw_greetings *greetings)
{
    struct sw_list *first;
    while ((first = sw_list_first(&greetings->list))) {
        end(SW_CONTAINER_OF(first, struct greeting, link), SW_GREETING_LEFT, NULL);
    }
}
