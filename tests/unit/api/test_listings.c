// SPDX-License-Identifier: Apache-2.0
/* The answers to an operator, made of what several workers said. */
#include "../common/unit.h"

#include "api/connections.h"
#include "api/history.h"
#include "api/topics.h"
#include "common/mem.h"

static struct sw_report *link_reports(struct sw_report *first, struct sw_report *second)
{
    first->post.next = &second->post;
    return first;
}

/* ---- connections ---- */

static struct sw_connection_row *add(struct sw_report *report, uint64_t session)
{
    struct sw_connection_row *row = &report->connections[report->count++];
    *row = (struct sw_connection_row){.session = session,
                                      .since_ms = 1000 * session,
                                      .transport = "ws",
                                      .state = "open",
                                      .topics = 2};
    return row;
}

static void assert_order(const struct sw_report *reports, enum sw_report_sort sort,
                         const char *order)
{
    struct sw_buf out = {0};
    sw_connections_write(&out, reports, false, sort, 3, false);
    const char *text = sw_buf_text(&out);
    for (const char *at = order; *at; at++) {
        text = strstr(text, "\"session\":\"");
        assert_non_null(text);
        text += sizeof("\"session\":\"") - 1;
        assert_int_equal(text[10], *at); /* the last digit of the id */
    }
    assert_null(strstr(text, "\"session\":\""));
    assert_null(strstr(text, "partial"));
    sw_buf_deinit(&out);
}

static void rows_of_all_workers_in_one_order(void **state)
{
    (void)state;
    struct sw_report *a = sw_report_create(SW_REPORT_CONNECTIONS, 3);
    struct sw_report *b = sw_report_create(SW_REPORT_CONNECTIONS, 3);
    add(a, 1)->lag_ms = 5;
    add(a, 2)->queued_bytes = 9;
    struct sw_connection_row *third = add(b, 3);
    third->lag_ms = 5;
    third->queued_bytes = 1;
    third->dropped = 4;
    add(b, 4)->dropped = 1u << 31;
    struct sw_report *both = link_reports(a, b);
    assert_order(both, SW_SORT_LAG, "312");
    assert_order(both, SW_SORT_AGE, "123");
    struct sw_buf out = {0};
    sw_connections_write(&out, both, false, SW_SORT_QUEUED, 1, true);
    assert_string_equal(
        sw_buf_text(&out),
        "{\"connections\":[{\"session\":\"00000000002\",\"user\":null,\"address\":\"unknown\","
        "\"transport\":\"ws\",\"topics\":2,\"queued_bytes\":9,\"lag_ms\":0,\"dropped\":0,"
        "\"state\":\"open\",\"since\":\"1970-01-01T00:00:02.000Z\"}],\"partial\":true}");
    sw_buf_clear(&out);
    sw_connections_write(&out, both, false, SW_SORT_DROPPED, 1, false);
    assert_non_null(strstr(sw_buf_text(&out), "\"dropped\":2147483648"));
    sw_buf_deinit(&out);
    sw_report_destroy(a);
    sw_report_destroy(b);
}

static void ended_rows_say_why(void **state)
{
    (void)state;
    struct sw_report *report = sw_report_create(SW_REPORT_ENDED, 2);
    struct sw_connection_row *row = add(report, 1);
    row->ended_ms = 5000;
    row->reason = SW_REASON_DISCONNECTED;
    row->code = 4123; /* an operator's, not the reason's own */
    add(report, 2)->ended_ms = 6000;
    struct sw_buf out = {0};
    sw_connections_write(&out, report, true, SW_SORT_LAG, 10, false);
    const char *newer = strstr(sw_buf_text(&out), "00000000002");
    const char *older = strstr(sw_buf_text(&out), "00000000001");
    assert_true(newer && older && newer < older);
    assert_non_null(strstr(older, "\"reason\":\"disconnected\",\"code\":4123,"
                                  "\"ended\":\"1970-01-01T00:00:05.000Z\"}]}"));
    sw_buf_clear(&out);
    sw_connections_write(&out, NULL, true, SW_SORT_LAG, 10, false);
    assert_string_equal(sw_buf_text(&out), "{\"connections\":[]}");
    sw_buf_deinit(&out);
    sw_report_destroy(report);
}

/* ---- topics ---- */

static void add_topic(struct sw_report *report, const char *name, uint32_t subscribers)
{
    struct sw_topic_row *row = &report->topics[report->count++];
    row->subscribers = subscribers;
    row->size = (uint8_t)strlen(name);
    memcpy(row->name, name, row->size);
}

static void subscribers_are_summed_over_workers(void **state)
{
    (void)state;
    struct sw_report *a = sw_report_create(SW_REPORT_TOPICS, 4);
    struct sw_report *b = sw_report_create(SW_REPORT_TOPICS, 4);
    add_topic(a, "b", 2);
    add_topic(a, "orders.>", 3);
    add_topic(a, "a", 1);
    add_topic(b, "orders.>", 4);
    add_topic(b, "aa", 1);
    struct sw_topic_row *rows;
    assert_int_equal(sw_topics_merge(link_reports(a, b), 3, &rows), 3);
    unit_assert_slice(sw_topic_row_name(&rows[0]), "orders.>");
    assert_int_equal(rows[0].subscribers, 7);
    unit_assert_slice(sw_topic_row_name(&rows[1]), "b");
    unit_assert_slice(sw_topic_row_name(&rows[2]), "a"); /* of equals the first by name */
    sw_free(rows);
    assert_int_equal(sw_topics_merge(NULL, 3, &rows), 0);
    sw_free(rows);
    sw_report_destroy(a);
    sw_report_destroy(b);
}

/* ---- a topic's history ---- */

static struct sw_lookup *look_up(const char *epoch, uint64_t first, uint64_t last)
{
    struct sw_lookup *lookup = sw_lookup_create(SW_SLICE("a"));
    sw_epoch_parse(sw_slice_of(epoch), &lookup->lineage.epoch);
    lookup->first = first;
    lookup->last = last;
    return lookup;
}

/* Offsets from `first` to `last`, all with the same payload. */
static void fill(struct sw_lookup *lookup, struct sw_slice payload)
{
    lookup->count = (uint32_t)(lookup->last - lookup->first + 1);
    lookup->messages = sw_zalloc(lookup->count * sizeof(*lookup->messages));
    for (uint32_t i = 0; i < lookup->count; i++) {
        lookup->messages[i].offset = lookup->first + i;
        lookup->messages[i].message = sw_message_create(SW_SLICE("a"), SW_SLICE(""), payload, 0, 0);
    }
}

static void history_says_where_it_is(void **state)
{
    (void)state;
    struct sw_buf out = {0};
    struct sw_lookup *lookup = look_up("Qx7", 41, 42);
    fill(lookup, SW_SLICE("{\"id\":7}"));
    sw_history_write(&out, lookup);
    assert_string_equal(
        sw_buf_text(&out),
        "{\"epoch\":\"Qx7\",\"first\":41,\"last\":42,\"msgs\":["
        "{\"offset\":41,\"data\":{\"id\":7}},{\"offset\":42,\"data\":{\"id\":7}}]}");
    sw_buf_clear(&out);
    sw_lookup_destroy(lookup);
    lookup = look_up("0", 0, 0);
    sw_history_write(&out, lookup);
    assert_string_equal(sw_buf_text(&out), "{\"epoch\":\"0\",\"first\":0,\"last\":0,\"msgs\":[]}");
    sw_buf_deinit(&out);
    sw_lookup_destroy(lookup);
}

/* A byte becomes six, and still nobody gets more than he can hold: who asks on gets the rest. */
static void history_of_large_messages_is_cut(void **state)
{
    (void)state;
    static char payload[1u << 20];
    memset(payload, 1, sizeof(payload));
    struct sw_buf out = {0};
    struct sw_lookup *lookup = look_up("Qx7", 1, 5);
    fill(lookup, sw_slice(payload, sizeof(payload)));
    sw_history_write(&out, lookup);
    assert_non_null(strstr(sw_buf_text(&out), "\"offset\":2,"));
    assert_null(strstr(sw_buf_text(&out), "\"offset\":3,"));
    assert_non_null(strstr(sw_buf_text(&out), "\"last\":5,"));
    assert_string_equal(sw_buf_text(&out) + out.size - 4, "\"}]}");
    sw_buf_deinit(&out);
    sw_lookup_destroy(lookup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_all_workers_in_one_order),
        cmocka_unit_test(ended_rows_say_why),
        cmocka_unit_test(subscribers_are_summed_over_workers),
        cmocka_unit_test(history_says_where_it_is),
        cmocka_unit_test(history_of_large_messages_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
