// SPDX-License-Identifier: Apache-2.0
#include "api/connections.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "session/session.h"

#include <stdlib.h>

#define DEADLINE_MS   2000
#define DEFAULT_LIMIT 20
#define EXPECTED      "/v1/connections?sort=lag|queued|dropped|age&limit=20"
#define ENDED         "/v1/connections/ended"

/* One request. */
struct listing {
    struct sw_ask ask; /* first */
    enum sw_report_sort sort;
    uint32_t limit;
    bool ended;
};

/* ---- rows in their order ---- */

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? 1 : a > b ? -1 : 0;
}

typedef const struct sw_connection_row *row_pointer;

static int by_lag(const void *a, const void *b)
{
    row_pointer x = *(const row_pointer *)a;
    row_pointer y = *(const row_pointer *)b;
    int order = compare_numbers(x->lag_ms, y->lag_ms);
    return order ? order : compare_numbers(x->queued_bytes, y->queued_bytes);
}

static int by_queued(const void *a, const void *b)
{
    return compare_numbers((*(const row_pointer *)a)->queued_bytes,
                           (*(const row_pointer *)b)->queued_bytes);
}

static int by_dropped(const void *a, const void *b)
{
    return compare_numbers((*(const row_pointer *)a)->dropped, (*(const row_pointer *)b)->dropped);
}

/* The oldest first. */
static int by_age(const void *a, const void *b)
{
    return compare_numbers((*(const row_pointer *)b)->since_ms,
                           (*(const row_pointer *)a)->since_ms);
}

static int by_end(const void *a, const void *b)
{
    return compare_numbers((*(const row_pointer *)a)->ended_ms,
                           (*(const row_pointer *)b)->ended_ms);
}

static const struct {
    const char *word;
    int (*compare)(const void *a, const void *b);
} sorts[] = {
    [SW_SORT_LAG] = {"lag", by_lag},
    [SW_SORT_QUEUED] = {"queued", by_queued},
    [SW_SORT_DROPPED] = {"dropped", by_dropped},
    [SW_SORT_AGE] = {"age", by_age},
};

/* ---- the answer ---- */

static const struct sw_report *next_of(const struct sw_report *report)
{
    const struct sw_post *next = report->post.next;
    return next ? SW_CONTAINER_OF(next, const struct sw_report, post) : NULL;
}

static void write_text(struct sw_buf *out, const char *name, const char *text)
{
    sw_buf_printf(out, ",\"%s\":", name);
    sw_json_append_string(out, sw_slice_of(text));
}

static void write_row(struct sw_buf *out, const struct sw_connection_row *row)
{
    char id[SW_SESSION_ID_BYTES + 1];
    char address[SW_ADDRESS_TEXT];
    char time[SW_CLOCK_TEXT];
    sw_buf_printf(out, "{\"session\":\"%s\",\"user\":", sw_session_id_text(row->session, id));
    if (row->user_size) {
        sw_json_append_string(out, sw_slice(row->user, row->user_size));
    } else {
        sw_buf_append_slice(out, SW_SLICE("null"));
    }
    write_text(out, "address", sw_peer_text(&row->peer, address));
    write_text(out, "transport", row->transport);
    sw_buf_printf(out, ",\"topics\":%u,\"queued_bytes\":%u,\"lag_ms\":%u,\"dropped\":%llu",
                  row->topics, row->queued_bytes, row->lag_ms, (unsigned long long)row->dropped);
    write_text(out, "state", row->state);
    write_text(out, "since", sw_clock_text(row->since_ms, time));
    if (row->ended_ms) {
        write_text(out, "reason", sw_reason_row((enum sw_reason)row->reason)->word);
        sw_buf_printf(out, ",\"code\":%u", row->code);
        write_text(out, "ended", sw_clock_text(row->ended_ms, time));
    }
    sw_buf_append_byte(out, '}');
}

void sw_connections_write(struct sw_buf *out, const struct sw_report *reports, bool ended,
                          enum sw_report_sort sort, uint32_t limit, bool partial)
{
    size_t count = 0;
    for (const struct sw_report *at = reports; at; at = next_of(at)) {
        count += at->count;
    }
    row_pointer *rows = sw_alloc((count + 1) * sizeof(row_pointer));
    size_t n = 0;
    for (const struct sw_report *at = reports; at; at = next_of(at)) {
        for (uint32_t i = 0; i < at->count; i++) {
            rows[n++] = &at->connections[i];
        }
    }
    qsort(rows, n, sizeof(row_pointer), ended ? by_end : sorts[sort].compare);
    sw_buf_append_slice(out, SW_SLICE("{\"connections\":["));
    for (size_t i = 0; i < n && i < limit; i++) {
        if (i) {
            sw_buf_append_byte(out, ',');
        }
        write_row(out, rows[i]);
    }
    sw_buf_append_slice(out, partial ? SW_SLICE("],\"partial\":true}") : SW_SLICE("]}"));
    sw_free(rows);
}

static void on_round(struct sw_ask *ask)
{
    struct listing *listing = SW_CONTAINER_OF(ask, struct listing, ask);
    struct sw_buf body = {0};
    sw_connections_write(&body, ask->answers, listing->ended, listing->sort, listing->limit,
                         ask->partial);
    sw_ask_reply(ask, &body);
    sw_buf_deinit(&body);
}

static void destroy(struct sw_ask *ask)
{
    sw_free(SW_CONTAINER_OF(ask, struct listing, ask));
}

/* ---- the question ---- */

static void ask_workers(const struct sw_roles *roles, struct sw_http *http,
                        const struct listing *wanted, enum sw_report_kind kind, uint32_t limit)
{
    struct listing *listing = sw_zalloc(sizeof(*listing));
    *listing = *wanted;
    sw_ask_begin(&listing->ask, roles, http, on_round, destroy);
    for (uint32_t i = 0; i < roles->worker_count; i++) {
        struct sw_report *report = sw_report_create(kind, limit);
        report->sort = (uint8_t)listing->sort;
        sw_ask_role(&listing->ask, i, roles->workers[i], report);
    }
    sw_ask_await(&listing->ask, DEADLINE_MS);
}

static bool find_sort(struct sw_http *http, const struct sw_parameter *parameter,
                      enum sw_report_sort *sort)
{
    for (size_t i = 0; i < SW_ARRAY_SIZE(sorts); i++) {
        if (!parameter->given ||
            sw_slice_equal(sw_buf_slice(&parameter->value), sw_slice_of(sorts[i].word))) {
            *sort = (enum sw_report_sort)i;
            return true;
        }
    }
    sw_http_reply_error(http, SW_ERROR_BAD_REQUEST, "sort is lag, queued, dropped or age", 0, NULL);
    return false;
}

void sw_api_connections(const struct sw_roles *roles, struct sw_http *http,
                        const struct sw_request *request)
{
    struct sw_parameter parameters[] = {{.name = "sort"}, {.name = "limit"}};
    struct listing wanted = {.limit = DEFAULT_LIMIT};
    if (sw_ask_query(http, request, parameters, SW_ARRAY_SIZE(parameters), EXPECTED) &&
        find_sort(http, &parameters[0], &wanted.sort) &&
        sw_ask_limit(http, &parameters[1], &wanted.limit)) {
        ask_workers(roles, http, &wanted, SW_REPORT_CONNECTIONS, wanted.limit);
    }
    sw_buf_deinit(&parameters[0].value);
    sw_buf_deinit(&parameters[1].value);
}

void sw_api_connections_ended(const struct sw_roles *roles, struct sw_http *http,
                              const struct sw_request *request)
{
    struct listing wanted = {.ended = true, .limit = UINT32_MAX};
    if (sw_ask_query(http, request, NULL, 0, ENDED)) {
        ask_workers(roles, http, &wanted, SW_REPORT_ENDED, SW_ENDED_SESSIONS);
    }
}
