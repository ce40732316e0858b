// SPDX-License-Identifier: Apache-2.0
#include "api/topics.h"

#include "common/json.h"
#include "common/map.h"
#include "common/mem.h"
#include "core/topic.h"

#include <stdlib.h>
#include <string.h>

/* Both together: the answer comes within two seconds, also when a worker stands still. */
#define NAMES_MS      1500
#define COUNTS_MS     500
#define DEFAULT_LIMIT 100
#define EXPECTED      "/v1/topics?match=orders.>&limit=100"

/* One request. */
struct listing {
    struct sw_ask ask; /* first */
    struct sw_topic_row *rows;
    uint32_t count;
    uint32_t limit;
    bool named; /* the first round is over */
    bool again; /* the workers were asked again */
    bool *slow; /* of each worker: it did not answer the first round */
};

static const struct sw_report *next_of(const struct sw_report *report)
{
    const struct sw_post *next = report->post.next;
    return next ? SW_CONTAINER_OF(next, const struct sw_report, post) : NULL;
}

/* ---- the first round: which topics ---- */

static int by_subscribers(const void *a, const void *b)
{
    const struct sw_topic_row *x = a;
    const struct sw_topic_row *y = b;
    if (x->subscribers != y->subscribers) {
        return x->subscribers < y->subscribers ? 1 : -1;
    }
    size_t shorter = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->name, y->name, shorter);
    return order ? order : (int)x->size - (int)y->size; /* the same order every time */
}

uint32_t sw_topics_merge(const struct sw_report *reports, uint32_t limit, struct sw_topic_row **out)
{
    struct sw_map names = {0};
    size_t most = 0;
    for (const struct sw_report *at = reports; at; at = next_of(at)) {
        most += at->count;
    }
    struct sw_topic_row *rows = sw_alloc((most + 1) * sizeof(*rows));
    uint32_t count = 0;
    for (const struct sw_report *at = reports; at; at = next_of(at)) {
        for (uint32_t i = 0; i < at->count; i++) {
            struct sw_topic_row *known = sw_map_find(&names, sw_topic_row_name(&at->topics[i]));
            if (known) {
                known->subscribers += at->topics[i].subscribers;
                continue;
            }
            rows[count] = at->topics[i];
            sw_map_insert(&names, sw_topic_row_name(&rows[count]), &rows[count]);
            count++;
        }
    }
    sw_map_deinit(&names);
    qsort(rows, count, sizeof(*rows), by_subscribers);
    *out = rows;
    return count < limit ? count : limit;
}

/* ---- the second: their numbers ---- */

static void ask_counts(struct listing *listing, uint32_t role, struct sw_inbox *inbox)
{
    struct sw_report *report = sw_report_create(SW_REPORT_COUNTS, listing->count);
    report->count = listing->count;
    memcpy(report->topics, listing->rows, listing->count * sizeof(*report->topics));
    for (uint32_t i = 0; i < listing->count; i++) {
        report->topics[i].known = false;
    }
    sw_ask_role(&listing->ask, role, inbox, report);
}

/* A worker that named fewer than it might has named all: its numbers are known. Only where one had
 * to leave some out the workers are asked again. */
static bool some_left_out(const struct sw_report *reports)
{
    for (; reports; reports = next_of(reports)) {
        if (reports->count == reports->limit) {
            return true;
        }
    }
    return false;
}

/* The bus is asked behind the workers, by the number that no worker has. */
static void begin_counts(struct listing *listing)
{
    struct sw_ask *ask = &listing->ask;
    const struct sw_roles *roles = ask->roles;
    listing->again = roles->worker_count > 1 && some_left_out(ask->answers);
    memset(listing->slow, 1, roles->worker_count * sizeof(*listing->slow));
    for (const struct sw_report *at = ask->answers; at; at = next_of(at)) {
        listing->slow[at->role] = false;
    }
    sw_ask_forget(ask);
    for (uint32_t i = 0; listing->again && i < roles->worker_count; i++) {
        if (!listing->slow[i]) {
            ask_counts(listing, i, roles->workers[i]);
        }
    }
    ask_counts(listing, roles->worker_count, sw_bus_inbox(roles->bus));
    sw_ask_await(ask, COUNTS_MS);
}

static void take_counts(struct listing *listing)
{
    const struct sw_roles *roles = listing->ask.roles;
    for (uint32_t i = 0; i < listing->count; i++) {
        struct sw_topic_row *row = &listing->rows[i];
        row->known = false;
        row->subscribers = listing->again ? 0 : row->subscribers;
        for (const struct sw_report *at = listing->ask.answers; at; at = next_of(at)) {
            const struct sw_topic_row *counted = &at->topics[i];
            if (at->role < roles->worker_count) {
                row->subscribers += counted->subscribers;
            } else {
                row->known = counted->known;
                row->messages = counted->messages;
                row->rate = counted->rate;
                row->history = counted->history;
                row->epoch = counted->epoch;
                row->first = counted->first;
                row->last = counted->last;
            }
        }
    }
    qsort(listing->rows, listing->count, sizeof(*listing->rows), by_subscribers);
}

/* ---- the answer ---- */

/* What the bus did not say is null, not 0. */
static void write_row(struct sw_buf *out, const struct sw_topic_row *row)
{
    sw_buf_append_slice(out, SW_SLICE("{\"topic\":"));
    sw_json_append_string(out, sw_topic_row_name(row));
    sw_buf_printf(out, ",\"subscribers\":%u,", row->subscribers);
    if (row->known) {
        sw_buf_printf(out, "\"messages\":%llu,\"rate\":%.1f", (unsigned long long)row->messages,
                      row->rate);
    } else {
        sw_buf_append_slice(out, SW_SLICE("\"messages\":null,\"rate\":null"));
    }
    if (row->known && row->history) {
        sw_buf_printf(out, ",\"history\":{\"epoch\":\"%.*s\",\"first\":%llu,\"last\":%llu}",
                      SW_SLICE_ARG(sw_epoch_text(&row->epoch)), (unsigned long long)row->first,
                      (unsigned long long)row->last);
    }
    sw_buf_append_byte(out, '}');
}

static void reply(struct listing *listing)
{
    struct sw_buf body = {0};
    sw_buf_append_slice(&body, SW_SLICE("{\"topics\":["));
    for (uint32_t i = 0; i < listing->count; i++) {
        if (i) {
            sw_buf_append_byte(&body, ',');
        }
        write_row(&body, &listing->rows[i]);
    }
    sw_buf_append_slice(&body, SW_SLICE("],\"node\":"));
    sw_json_append_string(&body, sw_slice_of(listing->ask.roles->node));
    if (listing->ask.partial) {
        sw_buf_append_slice(&body, SW_SLICE(",\"partial\":true"));
    }
    sw_buf_append_byte(&body, '}');
    sw_ask_reply(&listing->ask, &body);
    sw_buf_deinit(&body);
}

static void on_round(struct sw_ask *ask)
{
    struct listing *listing = SW_CONTAINER_OF(ask, struct listing, ask);
    if (!listing->named) {
        listing->named = true;
        listing->count = sw_topics_merge(ask->answers, listing->limit, &listing->rows);
        if (listing->count) {
            begin_counts(listing);
            return;
        }
    } else {
        take_counts(listing);
    }
    reply(listing);
}

static void destroy(struct sw_ask *ask)
{
    struct listing *listing = SW_CONTAINER_OF(ask, struct listing, ask);
    sw_free(listing->rows);
    sw_free(listing->slow);
    sw_free(listing);
}

/* ---- the question ---- */

static void ask_workers(const struct sw_roles *roles, struct sw_http *http, struct sw_slice match,
                        uint32_t limit)
{
    struct listing *listing = sw_zalloc(sizeof(*listing));
    listing->limit = limit;
    listing->slow = sw_zalloc(roles->worker_count * sizeof(*listing->slow));
    sw_ask_begin(&listing->ask, roles, http, on_round, destroy);
    for (uint32_t i = 0; i < roles->worker_count; i++) {
        struct sw_report *report = sw_report_create(SW_REPORT_TOPICS, limit);
        report->match_size = (uint8_t)match.size;
        if (match.size) {
            memcpy(report->match, match.data, match.size);
        }
        sw_ask_role(&listing->ask, i, roles->workers[i], report);
    }
    sw_ask_await(&listing->ask, NAMES_MS);
}

static bool check_match(const struct sw_roles *roles, struct sw_http *http,
                        const struct sw_parameter *parameter)
{
    const char *why = NULL;
    if (parameter->given &&
        sw_topic_kind(sw_buf_slice(&parameter->value), roles->separator, &why) == SW_TOPIC_BAD) {
        sw_http_reply_error(http, SW_ERROR_BAD_TOPIC, why, 0, NULL);
        return false;
    }
    return true;
}

void sw_api_topics(const struct sw_roles *roles, struct sw_http *http,
                   const struct sw_request *request)
{
    struct sw_parameter parameters[] = {{.name = "match"}, {.name = "limit"}};
    uint32_t limit = DEFAULT_LIMIT;
    if (sw_ask_query(http, request, parameters, SW_ARRAY_SIZE(parameters), EXPECTED) &&
        check_match(roles, http, &parameters[0]) && sw_ask_limit(http, &parameters[1], &limit)) {
        ask_workers(roles, http, sw_buf_slice(&parameters[0].value), limit);
    }
    sw_buf_deinit(&parameters[0].value);
    sw_buf_deinit(&parameters[1].value);
}
