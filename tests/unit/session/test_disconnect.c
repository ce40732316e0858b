// SPDX-License-Identifier: Apache-2.0
/* Who is ordered to go on one worker: exactly those who are meant, a bounded number in one turn,
 * with the code and words of the order. */
#include "sessions_world.h"

static struct sw_disconnect order_of(enum sw_selector by, const char *name)
{
    struct sw_disconnect order = {.by = by, .size = (uint8_t)strlen(name)};
    memcpy(order.name, name, order.size);
    return order;
}

static struct sw_report *order(struct world *world, const struct sw_disconnect *disconnect)
{
    struct sw_report *report = sw_report_order(disconnect);
    report->from = &world->inbox;
    report->done = keep;
    report->context = world;
    return report;
}

/* How many it ended, and with which last frames. */
static void ends(struct world *world, const struct sw_disconnect *disconnect, uint32_t count,
                 const char *closed)
{
    struct sw_report *report = order(world, disconnect);
    (void)answer(world, report);
    assert_int_equal(report->count, count);
    assert_string_equal(sw_buf_text(&world->closed), closed);
    sw_buf_clear(&world->closed);
    sw_report_destroy(report);
}

static void subscribe(struct world *world, uint32_t index, const char *name, bool pattern)
{
    attach(world->list[index], tape_of(world, name, pattern));
}

static void a_session_by_its_id_once(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < 3; i++) {
        enter(world);
    }
    struct sw_disconnect second = order_of(SW_BY_SESSION, "00000000002");
    ends(world, &second, 1, "2 4000 disconnected by the operator\n");
    assert_int_equal(sw_session_state(world->list[1]), SW_CLOSING_STATE);
    assert_int_equal(sw_session_state(world->list[0]), SW_OPEN);
    ends(world, &second, 0, ""); /* it goes already */
    static const char *const nobody[] = {"00000000009", "0000000002",  "000000000002",
                                         "2",           "zzzzzzzzzzz", "0000000000-"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(nobody); i++) {
        struct sw_disconnect unknown = order_of(SW_BY_SESSION, nobody[i]);
        ends(world, &unknown, 0, "");
    }
}

static void ids_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const uint64_t ids[] = {0, 1, 61, 62, UINT64_MAX - 1, UINT64_MAX};
    uint64_t id;
    char text[SW_SESSION_ID_BYTES + 1];
    for (size_t i = 0; i < SW_ARRAY_SIZE(ids); i++) {
        assert_true(sw_session_id_parse(sw_slice_of(sw_session_id_text(ids[i], text)), &id));
        assert_int_equal(id, ids[i]);
    }
    sw_session_id_text(UINT64_MAX, text);
    text[SW_SESSION_ID_BYTES - 1]++;
    assert_false(sw_session_id_parse(sw_slice_of(text), &id)); /* 2^64 */
}

static void who_reads_exactly_that_topic_or_pattern(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < 5; i++) {
        enter(world);
    }
    subscribe(world, 0, "a.b", false);
    subscribe(world, 1, "a.*", true);
    subscribe(world, 1, "c", false);
    subscribe(world, 2, "c", false);
    subscribe(world, 2, "a.b", false);
    subscribe(world, 3, "a.b.c", false);
    struct sw_disconnect topic = order_of(SW_BY_TOPIC, "a.b");
    topic.code = 4321;
    memcpy(topic.words, "moved", topic.words_size = 5);
    ends(world, &topic, 2, "1 4321 moved\n3 4321 moved\n");
    assert_int_equal(sw_session_reader(world->list[2])->subscriptions, 0);
    ends(world, &topic, 0, "");
    struct sw_disconnect pattern = order_of(SW_BY_TOPIC, "a.*");
    pattern.code = 1008;
    ends(world, &pattern, 1, "2 1008 disconnected by the operator\n");
    struct sw_disconnect nothing = order_of(SW_BY_TOPIC, "nobody.reads");
    ends(world, &nothing, 0, "");
    assert_int_equal(sw_session_state(world->list[3]), SW_OPEN);
}

static void nobody_has_a_user_yet(void **state)
{
    struct world *world = *state;
    enter(world);
    struct sw_disconnect user = order_of(SW_BY_USER, "alice");
    ends(world, &user, 0, "");
}

static void the_words_have_room_and_the_loss_is_said_where_it_fits(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct sw_reader *reader = enter(world);
        subscribe(world, i, i ? "b" : "a", false);
        reader->flags |= SW_WRITE_PENDING; /* what comes waits */
        append(world, tape_of(world, i ? "b" : "a", false));
        assert_int_equal(reader->behind, 1);
    }
    struct sw_disconnect most = order_of(SW_BY_TOPIC, "a");
    memset(most.words, 'w', SW_CLOSE_WORDS);
    most.words_size = SW_CLOSE_WORDS;
    char expected[SW_CLOSE_WORDS + 16];
    snprintf(expected, sizeof(expected), "1 4000 %.*s\n", SW_CLOSE_WORDS, most.words);
    ends(world, &most, 1, expected);
    struct sw_disconnect plain = order_of(SW_BY_TOPIC, "b");
    ends(world, &plain, 1, "2 4000 disconnected by the operator dropped=1\n");
    for (unsigned i = 0; i < 2; i++) {
        sw_session_reader(world->list[i])->flags &= (uint8_t)~SW_WRITE_PENDING;
        sw_reader_close(&world->sessions.fanout, world->list[i]->slot);
    }
}

static void one_that_is_ending_is_hurried_and_keeps_its_reason(void **state)
{
    struct world *world = *state;
    enter(world);
    subscribe(world, 0, "a", false);
    sw_session_close_after_data(world->list[0], SW_REASON_DRAIN);
    struct sw_disconnect topic = order_of(SW_BY_TOPIC, "a");
    topic.code = 4321;
    ends(world, &topic, 0, "");
    assert_false(world->list[0]->after_data);
    assert_int_equal(world->list[0]->reason, SW_REASON_DRAIN);
    sw_sessions_retire(&world->sessions);
    assert_string_equal(sw_buf_text(&world->closed), "1 1012 drain retry_ms=500-8000\n");
}

/* A turn ends so many, and looks at so many. */
static void many_go_in_several_turns(void **state)
{
    struct world *world = *state;
    const uint32_t readers = 300;
    for (uint32_t i = 0; i < SLOTS; i++) {
        enter(world);
        if (i < readers) {
            subscribe(world, i, "a", false);
        }
    }
    struct sw_disconnect topic = order_of(SW_BY_TOPIC, "a");
    struct sw_report *report = order(world, &topic);
    unsigned turns = 0;
    uint32_t before = 0;
    bool more;
    sw_sessions_report(&world->sessions, report);
    do {
        more = sw_sessions_report_turn(&world->sessions);
        assert_true(report->count - before <= SW_REPORT_ROWS / SW_DISCONNECT_ROWS);
        before = report->count;
        turns++;
    } while (more);
    (void)sw_inbox_drain(&world->inbox);
    assert_int_equal(report->count, readers);
    assert_in_range(turns, readers * SW_DISCONNECT_ROWS / SW_REPORT_ROWS, 8);
    sw_report_destroy(report);
    struct sw_disconnect last = order_of(SW_BY_SESSION, "");
    last.size = SW_SESSION_ID_BYTES;
    char id[SW_SESSION_ID_BYTES + 1];
    memcpy(last.name, sw_session_id_text(SLOTS, id), SW_SESSION_ID_BYTES);
    report = order(world, &last);
    assert_int_equal(answer(world, report), SLOTS / SW_REPORT_ROWS + 1);
    assert_int_equal(report->count, 1);
    sw_report_destroy(report);
}

/* A client that was ended and is back at once is another session. */
static void who_came_after_the_order_stays(void **state)
{
    struct world *world = *state;
    enter(world);
    subscribe(world, 0, "a", false);
    struct sw_disconnect topic = order_of(SW_BY_TOPIC, "a");
    struct sw_report *report = order(world, &topic);
    sw_sessions_report(&world->sessions, report);
    pass(world, 50);
    enter(world);
    subscribe(world, 1, "a", false);
    while (sw_sessions_report_turn(&world->sessions)) {
    }
    (void)sw_inbox_drain(&world->inbox);
    assert_int_equal(report->count, 1);
    assert_int_equal(sw_session_state(world->list[0]), SW_CLOSING_STATE);
    assert_int_equal(sw_session_state(world->list[1]), SW_OPEN);
    sw_report_destroy(report);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_session_by_its_id_once),
        TEST(who_reads_exactly_that_topic_or_pattern),
        TEST(nobody_has_a_user_yet),
        TEST(the_words_have_room_and_the_loss_is_said_where_it_fits),
        TEST(one_that_is_ending_is_hurried_and_keeps_its_reason),
        TEST(many_go_in_several_turns),
        TEST(who_came_after_the_order_stays),
        cmocka_unit_test(ids_are_read_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
