// SPDX-License-Identifier: Apache-2.0
#include "api/ask.h"

#include "common/assert.h"
#include "common/mem.h"

#include <stdio.h>

void sw_ask_forget(struct sw_ask *ask)
{
    while (ask->answers) {
        struct sw_report *report = ask->answers;
        struct sw_post *next = report->post.next;
        ask->answers = next ? SW_CONTAINER_OF(next, struct sw_report, post) : NULL;
        sw_report_destroy(report);
    }
}

/* Nobody waits for it any more: it goes with the last report. */
static void end_if_done(struct sw_ask *ask)
{
    if (ask->over && ask->out == 0) {
        sw_ask_forget(ask);
        ask->destroy(ask);
    }
}

/* What is not back is late from now on. */
static void close_round(struct sw_ask *ask)
{
    sw_loop_timer_stop(ask->roles->loop, &ask->deadline);
    ask->round++;
    ask->awaited = 0;
}

static void round_over(struct sw_ask *ask)
{
    close_round(ask);
    ask->on_round(ask);
    end_if_done(ask);
}

void sw_ask_cut(struct sw_ask *ask)
{
    ask->partial = true;
    round_over(ask);
}

static void on_deadline(struct sw_timer *timer)
{
    sw_ask_cut(SW_CONTAINER_OF(timer, struct sw_ask, deadline));
}

static void on_gone(void *owner)
{
    struct sw_ask *ask = owner;
    ask->http = NULL;
    if (!ask->order) {
        close_round(ask);
        ask->over = true;
        end_if_done(ask);
    }
}

/* One report has come back. */
static void on_report(void *context, struct sw_report *report)
{
    struct sw_ask *ask = context;
    ask->out--;
    ask->roles->asked[report->role]--;
    if (report->round != ask->round) {
        sw_report_destroy(report);
        end_if_done(ask);
        return;
    }
    report->post.next = ask->answers ? &ask->answers->post : NULL;
    ask->answers = report;
    sw_ask_met(ask);
}

void sw_ask_begin(struct sw_ask *ask, const struct sw_roles *roles, struct sw_http *http,
                  void (*on_round)(struct sw_ask *ask), void (*destroy)(struct sw_ask *ask))
{
    *ask = (struct sw_ask){.roles = roles, .http = http, .on_round = on_round, .destroy = destroy};
    sw_timer_init(&ask->deadline, on_deadline);
    if (http) {
        sw_http_defer(http, on_gone, ask);
    }
}

void sw_ask_begin_order(struct sw_ask *ask, const struct sw_roles *roles, struct sw_http *http,
                        void (*on_round)(struct sw_ask *ask), void (*destroy)(struct sw_ask *ask))
{
    sw_ask_begin(ask, roles, http, on_round, destroy);
    ask->order = true;
}

void sw_ask_role(struct sw_ask *ask, uint32_t role, struct sw_inbox *inbox,
                 struct sw_report *report)
{
    uint32_t *asked = &ask->roles->asked[role];
    if (*asked >= SW_REPORTS_OUT && !ask->order) {
        ask->partial = true;
        sw_report_destroy(report);
        return;
    }
    ++*asked;
    report->done = on_report;
    report->context = ask;
    report->role = role;
    report->round = ask->round;
    report->separator = ask->roles->separator;
    ask->out++;
    ask->awaited++;
    sw_report_ask(report, inbox, ask->roles->inbox);
}

void sw_ask_await(struct sw_ask *ask, uint32_t ms)
{
    sw_loop_timer_start(ask->roles->loop, &ask->deadline, ask->awaited ? ms : 0);
}

void sw_ask_expect(struct sw_ask *ask)
{
    ask->awaited++;
}

void sw_ask_met(struct sw_ask *ask)
{
    SW_ASSERT(ask->awaited > 0);
    if (--ask->awaited == 0) {
        round_over(ask);
    }
}

void sw_ask_hold(struct sw_ask *ask)
{
    ask->out++;
}

void sw_ask_let_go(struct sw_ask *ask)
{
    ask->out--;
    end_if_done(ask);
}

void sw_ask_reply(struct sw_ask *ask, const struct sw_buf *body)
{
    struct sw_http *http = ask->http;
    ask->http = NULL;
    ask->over = true;
    if (http) {
        sw_http_reply(http, 200, "application/json", sw_buf_slice(body), "");
    }
}

/* ---- what stands behind the '?' ---- */

static bool refuse(struct sw_http *http, const char *what, const char *expected)
{
    char message[256];
    snprintf(message, sizeof(message), "%s; expected: %s", what, expected);
    sw_http_reply_error(http, SW_ERROR_BAD_REQUEST, message, 0, NULL);
    return false;
}

static struct sw_parameter *find(struct sw_parameter *parameters, size_t count,
                                 struct sw_slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (sw_slice_equal(name, sw_slice_of(parameters[i].name))) {
            return &parameters[i];
        }
    }
    return NULL;
}

bool sw_ask_query(struct sw_http *http, const struct sw_request *request,
                  struct sw_parameter *parameters, size_t count, const char *expected)
{
    struct sw_slice rest = request->query;
    struct sw_slice name;
    struct sw_slice value;
    while (sw_query_next(&rest, &name, &value)) {
        struct sw_parameter *parameter = find(parameters, count, name);
        if (!parameter) {
            return refuse(http, "a parameter is unknown", expected);
        }
        if (parameter->given) {
            return refuse(http, "a parameter stands twice", expected);
        }
        parameter->given = true;
        if (!sw_percent_decode(&parameter->value, value, true)) {
            return refuse(http, "a parameter is not well percent-encoded", expected);
        }
    }
    return true;
}

bool sw_ask_limit(struct sw_http *http, const struct sw_parameter *parameter, uint32_t *limit)
{
    uint64_t number = 0;
    if (!parameter->given) {
        return true;
    }
    if (!sw_slice_to_u64(sw_buf_slice(&parameter->value), SW_REPORT_LIMIT, &number) ||
        number == 0) {
        char message[64];
        snprintf(message, sizeof(message), "limit is a whole number from 1 to %d", SW_REPORT_LIMIT);
        sw_http_reply_error(http, SW_ERROR_BAD_REQUEST, message, 0, NULL);
        return false;
    }
    *limit = (uint32_t)number;
    return true;
}
