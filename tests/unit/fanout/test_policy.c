// SPDX-License-Identifier: Apache-2.0
/* What becomes of readers that are behind, mode by mode: what is shed, and what they are told. */
#include "rig_policy.h"

/* ---- beside other dirty tapes ---- */

/* Tapes whose turn was handed out as items are not clean yet when others are flushed. */
static void reader_goes_onto_boards_in_a_turn_of_several_tapes(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *a = one(&rig, SW_MODE_LATEST, 0);
    struct sw_tape *b = rig_tape(&rig, "b");
    rig_subscribe_as(&rig, 0, b, SW_MODE_LATEST, 0);
    rig_open(&rig, 1, WIDE);
    rig_subscribe_as(&rig, 1, a, SW_MODE_LATEST, 0);
    rig_subscribe_as(&rig, 1, b, SW_MODE_LATEST, 0);
    send_run(&rig, a, "x", 1, 40, 1000);
    rig_turn(&rig);
    rig_pass(&rig, 300);
    send_run(&rig, a, "x", 41, 80, 1000);
    send_run(&rig, b, "y", 1, 2, 1000);
    rig_turn(&rig);
    send_run(&rig, a, "x", 81, 81, 1000);
    send_run(&rig, b, "y", 3, 3, 1000);
    rig_turn(&rig);
    assert_null(strstr(drain(&rig, 1), "dropped"));
    assert_non_null(strstr(drain(&rig, 0), "x:81"));
    assert_true(RIG_SHED(&rig, CONFLATED) > 0);
    rig_deinit(&rig);
}

/* ---- boards ---- */

/* The bus was away, and a newcomer makes it said at once. */
static void lose_and_subscribe(struct rig *rig, struct sw_tape *tape, uint32_t slot,
                               enum sw_mode mode, unsigned max_hz)
{
    rig_gap(rig, tape, 0, SW_SHED_FEED);
    rig_open(rig, slot, WIDE);
    rig_subscribe_as(rig, slot, tape, mode, max_hz);
}

/* A mark has no position of its own: a board that begins behind it does not have it. */
static void mark_before_a_board_of_the_same_position_is_told(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
    stuff(&rig, 0);
    rig_send(&rig, tape, "w:1");
    rig_turn(&rig); /* in flight */
    rig_send(&rig, tape, "x:1");
    rig_turn(&rig);
    lose_and_subscribe(&rig, tape, 1, SW_MODE_ALL, 1);
    rig_send(&rig, tape, "x:2");
    rig_turn(&rig);
    assert_non_null(tape->board);
    rig_clock_advance(300);
    look(&rig, 0);
    unstuff(&rig, 0);
    assert_string_equal(drain(&rig, 0), "w:1|dropped a 1 conflated|dropped a 0 feed|x:2");
    assert_string_equal(drain(&rig, 1), "x:2");
    rig_deinit(&rig);
}

static void mark_that_was_read_is_not_told_again_by_a_board(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
    stuff(&rig, 0);
    rig_send(&rig, tape, "w:1");
    rig_turn(&rig);
    rig_open(&rig, 3, SMALL);
    rig_subscribe_as(&rig, 3, tape, SW_MODE_LATEST, 0);
    stuff(&rig, 3);
    lose_and_subscribe(&rig, tape, 1, SW_MODE_ALL, 0); /* 3: in flight; 0: unread */
    lose_and_subscribe(&rig, tape, 2, SW_MODE_ALL, 0); /* 3: unread */
    rig_send(&rig, tape, "x:1");
    rig_turn(&rig);
    rig_clock_advance(300);
    look(&rig, 0);
    look(&rig, 3);
    unstuff(&rig, 0);
    unstuff(&rig, 3);
    assert_string_equal(drain(&rig, 3), "dropped a 0 feed|dropped a 0 feed|x:1");
    assert_non_null(strstr(drain(&rig, 0), "w:1|dropped a 0 feed|"));
    rig_deinit(&rig);
}

/* A mark that fell off the board is no matter of who came behind it. */
static void who_misses_a_count_is_told_it_though_a_mark_fell_before(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
    stuff(&rig, 0);
    rig_send(&rig, tape, "w:1");
    rig_turn(&rig);
    rig_gap(&rig, tape, 0, SW_SHED_FEED);
    rig_send(&rig, tape, "x:1");
    rig_turn(&rig);
    rig_clock_advance(300);
    look(&rig, 0);
    send_keys(&rig, tape, SW_BOARD_ENTRIES);
    rig_turn(&rig);
    rig_open(&rig, 1, WIDE);
    rig_subscribe_as(&rig, 1, tape, SW_MODE_ALL, 5);
    send_keys(&rig, tape, SW_BOARD_ENTRIES + 10);
    rig_turn(&rig);
    const char *text = drain(&rig, 1);
    assert_memory_equal(text, "dropped a 10 slow|10:|11:|", 26);
    assert_int_equal(RIG_SHED(&rig, SLOW), 10);
    unstuff(&rig, 0);
    text = drain(&rig, 0);
    assert_memory_equal(text, "w:1|dropped a 0 slow|", 21);
    rig_deinit(&rig);
}

/* ---- all ---- */

static void all_sheds_the_oldest_above_high_down_to_low_once_it_is_old(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 0);
    const struct sw_reader *reader = sw_reader(&rig.fanout, 0);
    send_run(&rig, tape, "x", 1, 50, 1000);
    rig_turn(&rig);
    rig_live(&rig, 1000);
    assert_int_equal(RIG_SHED(&rig, SLOW), 0); /* however old, below high */
    send_run(&rig, tape, "x", 51, 66, 1000);
    rig_turn(&rig);
    assert_true(reader->queued_bytes <= 20000 && reader->queued_bytes > 18000);
    unsigned shed = (unsigned)RIG_SHED(&rig, SLOW);
    assert_true(shed >= 40 && shed < 50);
    assert_int_equal(check_run(drain(&rig, 0), 66), shed);
    assert_int_equal(reader->shed, shed);
    assert_int_equal(reader->sent, 66 - shed);
    assert_int_equal(rig.fanout.cursors_used, 0);
    rig_deinit(&rig);
}

static void all_keeps_what_is_young_below_max(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 0);
    send_run(&rig, tape, "x", 1, 100, 1000);
    rig_turn(&rig);
    rig_pass(&rig, 80);
    send_run(&rig, tape, "x", 101, 200, 1000);
    rig_turn(&rig);
    assert_int_equal(RIG_SHED(&rig, SLOW), 0);
    rig_live(&rig, 40); /* the first hundred are old now, and nothing new has to come */
    unsigned shed = (unsigned)RIG_SHED(&rig, SLOW);
    assert_true(shed > 80 && shed <= 100);
    rig_live(&rig, 400);
    assert_true(RIG_SHED(&rig, SLOW) > 170);
    assert_true(check_run(drain(&rig, 0), 200) > 170);
    rig_deinit(&rig);
}

static void all_sheds_above_max_whatever_its_age(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 0);
    send_run(&rig, tape, "x", 1, 310, 1000);
    rig_turn(&rig);
    assert_true(sw_reader(&rig.fanout, 0)->queued_bytes <= 20000);
    assert_int_equal(rig.slots[0].overs, 0);
    unsigned shed = (unsigned)RIG_SHED(&rig, SLOW);
    assert_true(shed > 280);
    assert_int_equal(check_run(drain(&rig, 0), 310), shed);
    rig_deinit(&rig);
}

static void all_sheds_above_the_mark_of_messages(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 0);
    stuff(&rig, 0);
    send_run(&rig, tape, "x", 1, 301, 10);
    rig_turn(&rig);
    assert_int_equal(RIG_SHED(&rig, SLOW), 0);
    rig_live(&rig, 140);
    assert_int_equal(sw_reader(&rig.fanout, 0)->queued, 100);
    assert_int_equal(RIG_SHED(&rig, SLOW), 201);
    unstuff(&rig, 0);
    assert_int_equal(check_run(drain(&rig, 0), 301), 201);
    rig_deinit(&rig);
}

static void marks_that_are_passed_join_what_is_told(void **state)
{
    (void)state;
    struct rig rig;
    for (unsigned unknown = 0; unknown < 2; unknown++) {
        struct sw_tape *tape = one(&rig, SW_MODE_ALL, 0);
        stuff(&rig, 0);
        send_run(&rig, tape, "x", 1, 5, 1000);
        rig_gap(&rig, tape, 7, SW_SHED_TOO_LARGE);
        send_run(&rig, tape, "x", 6, 10, 1000);
        if (unknown) {
            rig_gap(&rig, tape, 0, SW_SHED_FEED);
        }
        send_run(&rig, tape, "x", 11, 80, 1000);
        rig_gap(&rig, tape, 9, SW_SHED_NODE);
        rig_turn(&rig);
        rig_live(&rig, 140);
        unsigned shed = (unsigned)RIG_SHED(&rig, SLOW);
        assert_int_equal(RIG_SHED(&rig, TOO_LARGE) + RIG_SHED(&rig, NODE), 0);
        unstuff(&rig, 0);
        char head[64];
        snprintf(head, sizeof(head), "x:1|dropped a %u slow|x:%u|", unknown ? 0 : shed, shed - 5);
        const char *text = drain(&rig, 0);
        assert_memory_equal(text, head, strlen(head));
        assert_string_equal(text + strlen(text) - 17, "|dropped a 9 node");
        assert_int_equal(RIG_SHED(&rig, SLOW), shed);
        assert_int_equal(RIG_SHED(&rig, NODE), 9);
        rig_deinit(&rig);
    }
}

static void who_is_furthest_behind_in_time_loses_first(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *a = one(&rig, SW_MODE_ALL, 0);
    struct sw_tape *b = rig_tape(&rig, "b");
    rig_subscribe_as(&rig, 0, b, SW_MODE_ALL, 0);
    send_run(&rig, b, "y", 1, 50, 1000);
    rig_turn(&rig);
    rig_pass(&rig, 200);
    send_run(&rig, a, "x", 1, 14, 1000);
    rig_turn(&rig);
    rig_pass(&rig, 200);
    send_run(&rig, b, "y", 51, 55, 1000);
    rig_turn(&rig);
    const char *text = drain(&rig, 0);
    assert_null(strstr(text, "dropped a"));
    assert_non_null(strstr(text, "dropped b"));
    assert_non_null(strstr(text, "x:1|x:2"));
    rig_deinit(&rig);
}

static void burst_to_a_healthy_reader_sheds_nothing(void **state)
{
    (void)state;
    struct rig rig;
    for (unsigned mode = 0; mode < 2; mode++) {
        rig_init_marks(&rig, 1,
                       &(struct sw_marks){.low_bytes = 64 << 10,
                                          .high_bytes = 192 << 10,
                                          .high_messages = 1000,
                                          .max_bytes = 1 << 20});
        struct sw_tape *tape = rig_tape(&rig, "a");
        rig_open(&rig, 0, 0);
        rig_subscribe_as(&rig, 0, tape, mode ? SW_MODE_LATEST : SW_MODE_ALL, 0);
        for (unsigned burst = 0; burst < 5; burst++) {
            send_run(&rig, tape, "x", burst * 200 + 1, burst * 200 + 200, 4000);
            rig_turn(&rig);
            for (unsigned ms = 0; ms < 60; ms += 5) {
                rig_read(&rig, 0, SIZE_MAX);
                rig_pass(&rig, 5);
            }
            assert_int_equal(RIG_COUNT(&rig, behind), 0);
        }
        assert_int_equal(check_run(rig_text(&rig, 0), 1000), 0);
        assert_int_equal(rig.slots[0].episodes, 0);
        rig_deinit(&rig);
    }
}

/* ---- latest ---- */

static void latest_gives_all_until_pressured_then_the_newest_in_order_of_change(void **state)
{
    (void)state;
    struct rig rig;
    for (unsigned pressured = 0; pressured < 2; pressured++) {
        struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
        stuff(&rig, 0);
        rig_send(&rig, tape, "w:0");
        rig_turn(&rig);
        static const char *const sends[] = {"a:1", "b:1", "a:2", "c:1", "b:2"};
        for (size_t i = 0; i < SW_ARRAY_SIZE(sends); i++) {
            rig_send(&rig, tape, sends[i]);
        }
        rig_turn(&rig);
        rig_live(&rig, pressured ? 260 : 200);
        unstuff(&rig, 0);
        if (pressured) {
            rig_live(&rig, 40); /* the gate's next tick */
        }
        rig_send(&rig, tape, "a:3");
        rig_turn(&rig);
        assert_string_equal(drain(&rig, 0), pressured ? "w:0|dropped a 2 conflated|a:2|c:1|b:2|a:3"
                                                      : "w:0|a:1|b:1|a:2|c:1|b:2|a:3");
        assert_int_equal(RIG_SHED(&rig, CONFLATED), pressured ? 2 : 0);
        assert_int_equal(rig.slots[0].episodes, pressured);
        assert_int_equal(rig.fanout.cursors_used, 0);
        assert_null(tape->board);
        rig_live(&rig, 1100);
        rig_send(&rig, tape, "a:4"); /* direct again */
        sw_fanout_walk(&rig.fanout);
        assert_string_equal(rig_received(&rig, 0), "a:4");
        sw_fanout_turned(&rig.fanout);
        rig_deinit(&rig);
    }
}

/* It reads as much as leaves it always behind: told at most once a second, not for each frame. */
static void conflated_is_told_at_most_once_a_second(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
    struct account sum = {0};
    for (unsigned i = 0; i < 500; i++) {
        for (unsigned key = 0; key < 40; key++) {
            char text[16];
            snprintf(text, sizeof(text), "k%u:%u", (key + i) % 80, i);
            rig_send_long(&rig, tape, text, 500);
        }
        rig_pass(&rig, 10);
        rig_read(&rig, 0, 1500);
        struct account now = account_of(rig_text(&rig, 0));
        sum.tells += now.tells;
        sum.received += now.received;
    }
    assert_true(sum.tells >= 4 && sum.tells <= 6);
    assert_true(sum.received > 500);
    drain(&rig, 0);
    rig_deinit(&rig);
}

/* Told a moment ago, it hears the rest behind what it reads last. */
static void rest_of_what_was_passed_is_told_where_the_board_ends(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
    for (unsigned n = 1; n <= 2; n++) {
        for (unsigned key = 0; key < 20; key++) {
            char name[8];
            snprintf(name, sizeof(name), "k%u", key);
            send_run(&rig, tape, name, n, n, 2000);
        }
        rig_turn(&rig);
    }
    rig_clock_advance(300);
    look(&rig, 0);
    for (unsigned i = 0; i < 10; i++) { /* some of it, and the first telling */
        rig_read(&rig, 0, 2000);
        rig_pass(&rig, 10);
    }
    send_run(&rig, tape, "k19", 3, 4, 2000);
    rig_turn(&rig);
    const char *text = drain(&rig, 0);
    struct account account = account_of(text);
    assert_int_equal(account.tells, 2);
    assert_int_equal(account.received + account.passed, 42);
    assert_int_equal(RIG_SHED(&rig, CONFLATED), account.passed);
    const char *end = strstr(text, "k19:4");
    assert_non_null(end);
    assert_string_equal(end, "k19:4|dropped a 2 conflated");
    rig_deinit(&rig);
}

static void marks_keep_their_place_on_a_board(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
    stuff(&rig, 0);
    rig_send(&rig, tape, "w:0");
    rig_turn(&rig);
    rig_send(&rig, tape, "a:1");
    rig_send(&rig, tape, "b:1");
    rig_gap(&rig, tape, 4, SW_SHED_NODE);
    rig_send(&rig, tape, "a:2");
    rig_turn(&rig);
    rig_clock_advance(300);
    look(&rig, 0);
    rig_gap(&rig, tape, 0, SW_SHED_FEED);
    rig_gap(&rig, tape, 6, SW_SHED_TOO_LARGE);
    rig_send(&rig, tape, "c:1");
    rig_turn(&rig);
    unstuff(&rig, 0);
    assert_string_equal(drain(&rig, 0), "w:0|dropped a 1 conflated|b:1|dropped a 4 node|a:2|"
                                        "dropped a 0 feed|dropped a 6 too_large|c:1");
    assert_int_equal(RIG_SHED(&rig, CONFLATED), 1);
    assert_int_equal(RIG_SHED(&rig, NODE), 4);
    assert_int_equal(RIG_SHED(&rig, TOO_LARGE), 6);
    rig_deinit(&rig);
}

/* Above what a board holds the oldest goes, and is told as slow. */
static void board_of_too_many_keys_tells_the_oldest_as_slow(void **state)
{
    (void)state;
    struct rig rig;
    for (unsigned before = 0; before < 2; before++) { /* what was on the tape; what comes later */
        struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
        rig.fanout.marks.high_messages = UINT32_MAX;
        stuff(&rig, 0);
        rig_send(&rig, tape, "w:0");
        rig_turn(&rig);
        if (before) {
            send_keys(&rig, tape, SW_BOARD_ENTRIES + 10);
        } else {
            rig_send(&rig, tape, "0:");
        }
        rig_turn(&rig);
        rig_clock_advance(300);
        look(&rig, 0);
        if (!before) {
            send_keys(&rig, tape, SW_BOARD_ENTRIES + 10);
            rig_turn(&rig);
        }
        unstuff(&rig, 0);
        const char *text = drain(&rig, 0);
        const char *head = before ? "w:0|dropped a 10 slow|10:|" : "w:0|dropped a 11 slow|10:|";
        assert_memory_equal(text, head, strlen(head));
        assert_int_equal(account_of(text).received, SW_BOARD_ENTRIES + 1);
        assert_int_equal(RIG_SHED(&rig, SLOW), before ? 10 : 11);
        rig_deinit(&rig);
    }
}

/* Two who are behind at different places come onto the board in either order. */
static void laggards_at_different_places_share_a_board(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        struct rig rig;
        struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
        rig_open(&rig, 1, SMALL);
        stuff(&rig, 0);
        stuff(&rig, 1);
        rig_send(&rig, tape, "w:0");
        rig_turn(&rig);
        send_run(&rig, tape, "a", 1, 3, 10);
        send_run(&rig, tape, "b", 1, 1, 10);
        rig_turn(&rig);
        rig_subscribe_as(&rig, 1, tape, SW_MODE_LATEST, 0);
        send_run(&rig, tape, "v", 1, 1, 10);
        rig_turn(&rig); /* in flight to the second */
        send_run(&rig, tape, "a", 4, 5, 10);
        send_run(&rig, tape, "c", 1, 2, 10);
        rig_turn(&rig);
        rig_clock_advance(300);
        look(&rig, first);
        send_run(&rig, tape, "c", 3, 3, 10);
        rig_turn(&rig);
        look(&rig, 1 - first);
        unstuff(&rig, 0);
        unstuff(&rig, 1);
        assert_string_equal(drain(&rig, 0), "w:0|dropped a 6 conflated|b:1|v:1|a:5|c:3");
        assert_string_equal(drain(&rig, 1), "v:1|dropped a 3 conflated|a:5|c:3");
        assert_int_equal(RIG_SHED(&rig, CONFLATED), 9);
        rig_deinit(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_goes_onto_boards_in_a_turn_of_several_tapes),
        cmocka_unit_test(mark_before_a_board_of_the_same_position_is_told),
        cmocka_unit_test(mark_that_was_read_is_not_told_again_by_a_board),
        cmocka_unit_test(who_misses_a_count_is_told_it_though_a_mark_fell_before),
        cmocka_unit_test(all_sheds_the_oldest_above_high_down_to_low_once_it_is_old),
        cmocka_unit_test(all_keeps_what_is_young_below_max),
        cmocka_unit_test(all_sheds_above_max_whatever_its_age),
        cmocka_unit_test(all_sheds_above_the_mark_of_messages),
        cmocka_unit_test(marks_that_are_passed_join_what_is_told),
        cmocka_unit_test(who_is_furthest_behind_in_time_loses_first),
        cmocka_unit_test(burst_to_a_healthy_reader_sheds_nothing),
        cmocka_unit_test(latest_gives_all_until_pressured_then_the_newest_in_order_of_change),
        cmocka_unit_test(conflated_is_told_at_most_once_a_second),
        cmocka_unit_test(rest_of_what_was_passed_is_told_where_the_board_ends),
        cmocka_unit_test(marks_keep_their_place_on_a_board),
        cmocka_unit_test(board_of_too_many_keys_tells_the_oldest_as_slow),
        cmocka_unit_test(laggards_at_different_places_share_a_board),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
