// SPDX-License-Identifier: Apache-2.0
#include "node/refusals.h"

#include "common/mem.h"
#include "http/server.h"
#include "net/tls_conn.h"
#include "transport/sse_request.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define FULL_RETRY_MS  5000
#define OFTEN_RETRY_MS 1000

/* Made once, since nothing is spent on them. */
static size_t write_error(char out[512], const char *status, enum sw_error error,
                          const char *message, unsigned retry_ms)
{
    struct sw_buf body = {0};
    sw_buf_append_slice(&body, SW_SLICE("{\"error\":"));
    sw_http_append_error(&body, error, message, retry_ms, NULL);
    sw_buf_append_byte(&body, '}');
    int n = snprintf(out, 512,
                     "HTTP/1.1 %s\r\nRetry-After: %u\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n"
                     "Connection: close\r\n\r\n%s",
                     status, retry_ms / 1000, body.size, sw_buf_text(&body));
    SW_ASSERT(n > 0 && n < 512);
    sw_buf_deinit(&body);
    return (size_t)n;
}

static void on_timer(struct sw_timer *timer);

/* A full node is for a balancer to pass by (503); that an address comes too often is its own affair
 * and would be so on any node (429). */
void sw_refusals_init(struct sw_refusals *refusals, struct sw_loop *loop, struct sw_random *random,
                      uint64_t rate, bool balanced)
{
    *refusals = (struct sw_refusals){.loop = loop, .random = random, .balanced = balanced};
    sw_timer_init(&refusals->timer, on_timer);
    sw_bucket_init(&refusals->answers, rate, sw_loop_now_ms(loop));
    refusals->full_size = write_error(refusals->full, "503 Service Unavailable",
                                      SW_ERROR_OVERLOADED, NULL, FULL_RETRY_MS);
    refusals->often_size =
        write_error(refusals->often, "429 Too Many Requests", SW_ERROR_RATE_LIMITED,
                    "this address connects too often", OFTEN_RETRY_MS);
}

void sw_refusals_deinit(struct sw_refusals *refusals)
{
    sw_loop_timer_stop(refusals->loop, &refusals->timer);
    while (refusals->waiting_count) {
        close(refusals->waiting[--refusals->waiting_count].fd);
    }
}

static void say(int fd, struct sw_slice words)
{
    (void)!write(fd, words.data, words.size);
}

static bool has_asked(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static bool asks_for_stream(int fd)
{
    static const char start[] = "GET " SW_SSE_PATH "?";
    char text[sizeof(start) - 1];
    return recv(fd, text, sizeof(text), MSG_PEEK | MSG_DONTWAIT) == (ssize_t)sizeof(text) &&
           memcmp(text, start, sizeof(text)) == 0;
}

/* An EventSource would never come back after an error status. Each draws its own moment. */
static void put_stream_off(struct sw_refusals *refusals, int fd, enum sw_refusal why)
{
    uint32_t base_ms = why == SW_REFUSED_ADDRESS ? OFTEN_RETRY_MS : FULL_RETRY_MS;
    uint32_t retry_ms = base_ms + (uint32_t)sw_random_below(refusals->random, base_ms);
    struct sw_buf answer = {0};
    sw_buf_append_slice(&answer, SW_SLICE("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                          "Connection: close\r\nAccess-Control-Allow-Origin: *\r\n"
                                          "Cache-Control: no-store\r\n\r\n"));
    sw_sse_append_put_off(&answer, retry_ms);
    say(fd, sw_buf_slice(&answer));
    sw_buf_deinit(&answer);
}

static void answer(struct sw_refusals *refusals, int fd, enum sw_refusal why)
{
    if (!refusals->balanced && asks_for_stream(fd)) {
        put_stream_off(refusals, fd, why);
    } else if (why == SW_REFUSED_ADDRESS) {
        say(fd, sw_slice(refusals->often, refusals->often_size));
    } else {
        say(fd, sw_slice(refusals->full, refusals->full_size));
    }
}

static void leave(int fd)
{
    /* a request that lies unread would be answered by a RST, which may overtake the words */
    char unread[SW_HTTP_HEAD_BYTES];
    (void)!recv(fd, unread, sizeof(unread), MSG_TRUNC | MSG_DONTWAIT);
    close(fd);
}

/* ---- who has not asked yet ---- */

static bool may_wait(const struct sw_refusals *refusals, int fd)
{
    return !refusals->balanced && refusals->waiting_count < SW_REFUSED_WAITING && !has_asked(fd);
}

static void await(struct sw_refusals *refusals, int fd, enum sw_refusal why)
{
    refusals->waiting[refusals->waiting_count++] =
        (struct sw_refused){.fd = fd, .why = why, .since_ms = sw_loop_now_ms(refusals->loop)};
    sw_loop_timer_start(refusals->loop, &refusals->timer, SW_WHEEL_TICK_MS);
}

static void on_timer(struct sw_timer *timer)
{
    struct sw_refusals *refusals = SW_CONTAINER_OF(timer, struct sw_refusals, timer);
    uint64_t now_ms = sw_loop_now_ms(refusals->loop);
    for (unsigned i = refusals->waiting_count; i-- > 0;) {
        struct sw_refused at = refusals->waiting[i];
        if (has_asked(at.fd) || now_ms - at.since_ms >= SW_REFUSED_WAIT_MS) {
            answer(refusals, at.fd, at.why);
            leave(at.fd);
            refusals->waiting[i] = refusals->waiting[--refusals->waiting_count];
        }
    }
    if (refusals->waiting_count) {
        sw_loop_timer_start(refusals->loop, timer, SW_WHEEL_TICK_MS);
    }
}

void sw_refusals_answer(struct sw_refusals *refusals, int fd, enum sw_refusal why, bool tls)
{
    if (!sw_bucket_take(&refusals->answers, sw_loop_now_ms(refusals->loop))) {
        struct linger at_once = {.l_onoff = 1};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        close(fd);
    } else if (tls) {
        say(fd, SW_SLICE(SW_TLS_REFUSAL));
        leave(fd);
    } else if (may_wait(refusals, fd)) {
        await(refusals, fd, why);
    } else {
        answer(refusals, fd, why);
        leave(fd);
    }
}
