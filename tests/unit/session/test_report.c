// SPDX-License-Identifier: Apache-2.0
/* What a worker says of its sessions and topics: sessions without sockets, whose rows a test fills
 * in as it likes. */
#include "sessions_world.h"

static struct sw_report *connections(struct world *world, enum sw_report_sort sort, uint32_t limit)
{
    struct sw_report *report = question(world, SW_REPORT_CONNECTIONS, limit);
    report->sort = (uint8_t)sort;
    (void)answer(world, report);
    return report;
}

static const struct sw_connection_row *row_of(const struct sw_report *report, uint64_t session)
{
    for (uint32_t i = 0; i < report->count; i++) {
        if (report->connections[i].session == session) {
            return &report->connections[i];
        }
    }
    return NULL;
}

/* ---- connections ---- */

static void the_first_by_each_order(void **state)
{
    struct world *world = *state;
    for (uint32_t i = 1; i <= 5; i++) {
        struct sw_reader *reader = enter(world);
        reader->queued_bytes = 100 * i;
        reader->shed = 600 - 100 * i;
    }
    static const struct {
        enum sw_report_sort sort;
        uint64_t sessions[2];
    } rows[] = {{SW_SORT_QUEUED, {4, 5}}, {SW_SORT_DROPPED, {1, 2}}, {SW_SORT_LAG, {4, 5}}};
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_report *report = connections(world, rows[i].sort, 2);
        assert_int_equal(report->count, 2);
        assert_non_null(row_of(report, rows[i].sessions[0]));
        assert_non_null(row_of(report, rows[i].sessions[1]));
        sw_report_destroy(report);
    }
    struct sw_report *report = connections(world, SW_SORT_AGE, 100);
    assert_int_equal(report->count, 5);
    const struct sw_connection_row *row = row_of(report, 3);
    assert_int_equal(row->queued_bytes, 300);
    assert_int_equal(row->dropped, 300);
    assert_int_equal(row->topics, 0);
    assert_int_equal(row->ended_ms, 0);
    assert_string_equal(row->transport, "test");
    assert_string_equal(row->state, "open");
    sw_report_destroy(report);
}

static void handshakes_and_free_cells_are_no_clients(void **state)
{
    struct world *world = *state;
    enter(world);
    struct sw_session *session = sw_session_create(&world->sessions); /* still HTTP */
    struct sw_report *report = connections(world, SW_SORT_LAG, 10);
    assert_int_equal(report->count, 1);
    sw_report_destroy(report);
    sw_session_free(session);
}

static void each_is_told_with_its_address(void **state)
{
    struct world *world = *state;
    static const char *const texts[] = {"10.1.2.3:4567", "[2001:db8::7]:65535", "unknown"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(texts); i++) {
        enter(world);
        struct sw_address address;
        if (sw_address_parse(sw_slice_of(texts[i]), &address) == 0) {
            struct sw_peer peer = sw_peer_of(&address);
            sw_session_set_peer(world->list[i], &peer);
        }
    }
    struct sw_report *report = connections(world, SW_SORT_AGE, 10);
    assert_int_equal(report->count, SW_ARRAY_SIZE(texts));
    for (size_t i = 0; i < SW_ARRAY_SIZE(texts); i++) {
        char out[SW_ADDRESS_TEXT];
        assert_string_equal(sw_peer_text(&row_of(report, i + 1)->peer, out), texts[i]);
    }
    sw_report_destroy(report);
}

/* A turn looks at so many and no more; who leaves before the last turn is not told. */
static void many_take_several_turns(void **state)
{
    struct world *world = *state;
    for (uint32_t i = 0; i < SLOTS; i++) {
        enter(world)->queued_bytes = i;
    }
    struct sw_report *report = question(world, SW_REPORT_CONNECTIONS, 3);
    report->sort = SW_SORT_QUEUED;
    assert_int_equal(answer(world, report), SLOTS / SW_REPORT_ROWS + 1);
    assert_int_equal(report->count, 3);
    for (uint64_t session = SLOTS - 2; session <= SLOTS; session++) {
        assert_non_null(row_of(report, session));
    }
    sw_report_destroy(report);

    report = question(world, SW_REPORT_CONNECTIONS, 3);
    report->sort = SW_SORT_DROPPED; /* all alike: the first three stay */
    world->back = NULL;
    sw_sessions_report(&world->sessions, report);
    assert_true(sw_sessions_report_turn(&world->sessions));
    sw_session_reader(world->list[1])->state = SW_HANDSHAKE;
    while (sw_sessions_report_turn(&world->sessions)) {
    }
    (void)sw_inbox_drain(&world->inbox);
    assert_ptr_equal(world->back, report);
    assert_int_equal(report->count, 2);
    assert_null(row_of(report, 2));
    sw_report_destroy(report);
    sw_session_reader(world->list[1])->state = SW_OPEN;
}

/* A worker that ends hands back what it has not answered. */
static void what_is_under_way_comes_back(void **state)
{
    struct world *world = *state;
    struct sw_report *report = question(world, SW_REPORT_CONNECTIONS, 3);
    struct sw_recorder *recorder = sw_recorder_create(1);
    struct sw_recorder *own = world->sessions.recorder;
    world->sessions.recorder = recorder;
    sw_sessions_report(&world->sessions, report);
    world->sessions.recorder = own;
    sw_recorder_destroy(&recorder);
    (void)sw_inbox_drain(&world->inbox);
    assert_ptr_equal(world->back, report);
    assert_int_equal(report->count, 0);
    sw_report_destroy(report);
}

/* ---- topics and lag ---- */

/* The oldest cursor counts, wherever it stands in the list. */
static void lag_is_the_age_of_the_oldest_byte(void **state)
{
    struct world *world = *state;
    struct sw_reader *reader = enter(world);
    uint32_t slot = world->list[0]->slot;
    struct sw_tape *a = tape_of(world, "a", false);
    struct sw_tape *b = tape_of(world, "b", false);
    attach(world->list[0], a);
    attach(world->list[0], b);
    enter(world); /* up to date */
    assert_int_equal(sw_reader_lag_ms(&world->sessions.fanout, slot), 0);
    reader->flags |= SW_WRITE_PENDING; /* what comes waits */
    append(world, a);
    uint64_t began = sw_loop_now_ms(world->loop);
    pass(world, 60);
    append(world, b);
    assert_int_equal(sw_reader_lag_ms(&world->sessions.fanout, slot),
                     sw_loop_now_ms(world->loop) - began);
    pass(world, 40);
    struct sw_report *report = connections(world, SW_SORT_LAG, 1);
    assert_int_equal(report->count, 1);
    assert_int_equal(report->connections[0].session, 1);
    assert_int_equal(report->connections[0].lag_ms, sw_loop_now_ms(world->loop) - began);
    assert_int_equal(report->connections[0].topics, 2);
    assert_true(report->connections[0].queued_bytes > 0);
    sw_report_destroy(report);
    reader->flags &= (uint8_t)~SW_WRITE_PENDING;
}

static const struct sw_topic_row *topic_of(const struct sw_report *report, const char *name)
{
    for (uint32_t i = 0; i < report->count; i++) {
        if (sw_slice_equal(sw_topic_row_name(&report->topics[i]), sw_slice_of(name))) {
            return &report->topics[i];
        }
    }
    return NULL;
}

static void topics_with_the_most_readers(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {"orders.eu", "orders.>", "orders.us", "logs"};
    for (uint32_t i = 0; i < 4; i++) {
        enter(world);
        for (uint32_t n = 0; n <= i; n++) {
            attach(world->list[i], tape_of(world, names[n], n == 1));
        }
    }
    tape_of(world, "awaited", false); /* nobody reads it yet */
    struct sw_report *report = question(world, SW_REPORT_TOPICS, 2);
    (void)answer(world, report);
    assert_int_equal(report->count, 2);
    assert_int_equal(topic_of(report, "orders.eu")->subscribers, 4);
    assert_int_equal(topic_of(report, "orders.>")->subscribers, 3);
    sw_report_destroy(report);

    report = question(world, SW_REPORT_TOPICS, 10);
    report->match_size = 8;
    memcpy(report->match, "orders.*", 8);
    (void)answer(world, report);
    assert_int_equal(report->count, 3);
    assert_int_equal(topic_of(report, "orders.us")->subscribers, 2);
    assert_null(topic_of(report, "logs"));
    assert_null(topic_of(report, "awaited"));

    report->kind = SW_REPORT_COUNTS;
    memcpy(report->topics[0].name, "nothing", 7);
    report->topics[0].size = 7;
    report->topics[0].known = false;
    (void)answer(world, report);
    assert_int_equal(report->count, 3);
    assert_false(report->topics[0].known);
    assert_int_equal(report->topics[0].subscribers, 0);
    uint32_t sum = report->topics[1].subscribers + report->topics[2].subscribers;
    assert_in_range(sum, 2 + 3, 4 + 3);
    sw_report_destroy(report);
    sw_tape_destroy(&world->sessions.fanout, tape_of(world, "awaited", false));
}

/* ---- the flight recorder ---- */

static void the_last_that_ended_newest_first(void **state)
{
    struct world *world = *state;
    uint32_t many = SW_ENDED_SESSIONS + 10;
    for (uint32_t i = 0; i < many; i++) {
        struct sw_reader *reader = enter(world);
        world->list[i]->reason = SW_REASON_STALLED;
        reader->queued_bytes = 7;
        reader->shed = i;
        sw_recorder_note(world->list[i]);
        reader->queued_bytes = 0;
        reader->shed++;
    }
    sw_recorder_close(world->list[0]); /* long forgotten */
    sw_recorder_close(world->list[many - 1]);
    struct sw_report *report = question(world, SW_REPORT_ENDED, SW_ENDED_SESSIONS);
    (void)answer(world, report);
    assert_int_equal(report->count, SW_ENDED_SESSIONS);
    for (uint32_t i = 0; i < report->count; i++) {
        const struct sw_connection_row *row = &report->connections[i];
        assert_int_equal(row->session, many - i);
        assert_int_equal(row->queued_bytes, 7);
        assert_int_equal(row->dropped, many - 1 - i + (i == 0));
        assert_string_equal(row->state, i == 0 ? "closed" : "open");
        assert_int_equal(row->reason, SW_REASON_STALLED);
        assert_true(row->ended_ms >= row->since_ms);
    }
    sw_report_destroy(report);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_by_each_order),       TEST(handshakes_and_free_cells_are_no_clients),
        TEST(each_is_told_with_its_address), TEST(many_take_several_turns),
        TEST(what_is_under_way_comes_back),  TEST(lag_is_the_age_of_the_oldest_byte),
        TEST(topics_with_the_most_readers),  TEST(the_last_that_ended_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
