// SPDX-License-Identifier: Apache-2.0
/* What becomes of readers that are behind, mode by mode: what is shed, and what they are told. The
 * clock is the test's. */
#include "rig_clock.h"

/* The smallest SO_SNDBUF there is: a few KB. */
#define SMALL 1
#define WIDE  (4 << 20)

static const struct sw_marks marks = {
    .low_bytes = 20000, .high_bytes = 60000, .high_messages = 300, .max_bytes = 300000};

/* ---- small things ---- */

/* One tape, and one reader of it in slot 0, whose socket is small. */
static struct sw_tape *one(struct rig *rig, enum sw_mode mode, unsigned max_hz)
{
    rig_init_marks(rig, 4, &marks);
    struct sw_tape *tape = rig_tape(rig, "a");
    rig_open(rig, 0, SMALL);
    rig_subscribe_as(rig, 0, tape, mode, max_hz);
    return tape;
}

/* The frames "<key>:<from>" to "<key>:<to>" of `size` bytes. */
static void send_run(struct rig *rig, struct sw_tape *tape, const char *key, unsigned from,
                     unsigned to, size_t size)
{
    for (unsigned i = from; i <= to; i++) {
        char text[32];
        snprintf(text, sizeof(text), "%s:%u", key, i);
        rig_send_long(rig, tape, text, size);
    }
}

/* The client reads all that is there and will be, while the time passes. */
static const char *drain(struct rig *rig, uint32_t slot)
{
    for (unsigned idle = 0; idle < 40; idle++) {
        if (rig_read(rig, slot, SIZE_MAX)) {
            idle = 0;
        }
        rig_pass(rig, 20);
    }
    return rig_text(rig, slot);
}

/* Its socket takes nothing more. */
static void stuff(struct rig *rig, uint32_t slot)
{
    for (size_t size = 4096; size > 0; size /= 16) {
        char dots[4096];
        memset(dots, '.', sizeof(dots));
        while (sw_conn_send(sw_reader(&rig->fanout, slot)->fd, dots, size) > 0) {
        }
    }
}

/* The client reads what `stuff` put there, and throws it away. */
static void unstuff(struct rig *rig, uint32_t slot)
{
    rig_read(rig, slot, SIZE_MAX);
    sw_buf_clear(&rig->slots[slot].got);
}

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

/* ---- in another manner ---- */

static void set_manner(struct rig *rig, uint32_t slot, enum sw_mode mode, unsigned max_hz)
{
    sw_hub_set_manner(&rig->fanout, slot, 0,
                      (struct sw_manner){.mode = mode, .pace = sw_pace_of(max_hz)});
}

/* It has read all and waited for its tick: now it waits for nothing, or for another tick. */
static void paced_reader_that_has_read_all_takes_another_manner(void **state)
{
    (void)state;
    static const struct {
        enum sw_mode mode;
        unsigned max_hz;
        unsigned cursors;
    } rows[] = {{SW_MODE_ALL, 0, 0}, {SW_MODE_LATEST, 0, 0}, {SW_MODE_ALL, 10, 1}};
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct rig rig;
        struct sw_tape *tape = one(&rig, SW_MODE_ALL, 1);
        rig_send(&rig, tape, "x:1");
        rig_turn(&rig);
        assert_int_equal(rig.fanout.cursors_used, 1);
        set_manner(&rig, 0, rows[i].mode, rows[i].max_hz);
        rig_turn(&rig);
        assert_int_equal(rig.fanout.cursors_used, rows[i].cursors);
        assert_int_equal(sw_reader(&rig.fanout, 0)->flags, 0);
        rig_send(&rig, tape, "x:2");
        rig_turn(&rig);
        assert_string_equal(rig_received(&rig, 0), rows[i].max_hz ? "x:1" : "x:1|x:2");
        rig_live(&rig, 120);
        assert_string_equal(rig_received(&rig, 0), rows[i].max_hz ? "x:2" : "");
        rig_deinit(&rig);
    }
}

/* ---- boards ---- */

/* A policy has a look at the slot though nothing new came. */
static void look(struct rig *rig, uint32_t slot)
{
    sw_fanout_due(&rig->fanout, slot);
    rig_turn(rig);
}

/* The bus was away, and a newcomer makes it said at once. */
static void lose_and_subscribe(struct rig *rig, struct sw_tape *tape, uint32_t slot,
                               enum sw_mode mode, unsigned max_hz)
{
    sw_tape_append_gap(&rig->fanout, tape, 0, SW_SHED_FEED);
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

static void send_keys(struct rig *rig, struct sw_tape *tape, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%u:", i);
        rig_send(rig, tape, text);
    }
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
    sw_tape_append_gap(&rig.fanout, tape, 0, SW_SHED_FEED);
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

/* ---- several subscriptions of one session ---- */

/* A tape that always has more than the socket takes does not keep the others waiting. */
static void cursors_of_one_session_take_turns_however_little_the_socket_takes(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1, 64u << 20);
    struct sw_tape *a = rig_tape(&rig, "a");
    struct sw_tape *b = rig_tape(&rig, "b");
    rig_open(&rig, 0, SMALL);
    rig_subscribe_as(&rig, 0, a, SW_MODE_ALL, 0);
    rig_subscribe_as(&rig, 0, b, SW_MODE_ALL, 0);
    send_run(&rig, a, "a", 1, 20, 1000);
    send_run(&rig, b, "b", 1, 1, 1000);
    bool got = false;
    for (unsigned turn = 0; turn < 40 && !got; turn++) {
        send_run(&rig, a, "a", 21 + turn * 20, 40 + turn * 20, 1000);
        rig_turn(&rig);
        rig_read(&rig, 0, SIZE_MAX);
        got = strstr(rig_text(&rig, 0), "b:1") != NULL;
    }
    assert_true(got);
    rig_deinit(&rig);
}

/* What waits for a tick does not make what is cut look old. */
static void healthy_reader_beside_a_paced_one_is_not_pressured_by_one_cut(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *paced = one(&rig, SW_MODE_ALL, 1);
    struct sw_tape *b = rig_tape(&rig, "b");
    struct sw_tape *c = rig_tape(&rig, "c");
    rig_subscribe_as(&rig, 0, b, SW_MODE_ALL, 0);
    rig_subscribe_as(&rig, 0, c, SW_MODE_ALL, 0);
    rig_live(&rig, 500);
    send_run(&rig, paced, "p", 1, 1, 10);
    rig_turn(&rig);
    send_run(&rig, paced, "p", 2, 2, 10);
    rig_turn(&rig);
    assert_string_equal(rig_received(&rig, 0), "p:1");
    rig_pass(&rig, 800);
    send_run(&rig, b, "b", 1, 1, 20000);
    send_run(&rig, c, "c", 1, 1, 20000);
    rig_turn(&rig);
    assert_true(sw_reader(&rig.fanout, 0)->flags & SW_WRITE_PENDING);
    assert_int_equal(sw_reader_lag_ms(&rig.fanout, 0), 0);
    assert_int_equal(rig.slots[0].episodes, 0);
    assert_non_null(strstr(drain(&rig, 0), "b:1|c:1"));
    rig_deinit(&rig);
}

/* ---- disconnect ---- */

static void disconnect_ends_who_is_above_high_for_ten_seconds_though_nothing_follows(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_DISCONNECT, 0);
    send_run(&rig, tape, "x", 1, 100, 1000);
    rig_turn(&rig);
    rig_live(&rig, 9800);
    assert_int_equal(rig.slots[0].overs, 0);
    assert_int_equal(rig.slots[0].episodes, 1);
    rig_live(&rig, 700);
    assert_int_equal(rig.slots[0].overs, 1);
    assert_int_equal(RIG_SHED(&rig, SLOW), 0);
    rig_deinit(&rig);
}

static void disconnect_stays_when_it_falls_below_high_in_time(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_DISCONNECT, 0);
    send_run(&rig, tape, "x", 1, 100, 1000);
    rig_turn(&rig);
    rig_live(&rig, 9000);
    drain(&rig, 0);
    send_run(&rig, tape, "x", 101, 200, 1000);
    rig_turn(&rig);
    rig_live(&rig, 9000);
    assert_int_equal(rig.slots[0].overs, 0);
    assert_int_equal(RIG_COUNT(&rig, behind), 100 - sw_reader(&rig.fanout, 0)->sent + 100);
    rig_deinit(&rig);
}

static void disconnect_ends_at_once_above_max(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_DISCONNECT, 0);
    send_run(&rig, tape, "x", 1, 320, 1000);
    rig_turn(&rig);
    assert_int_equal(rig.slots[0].overs, 1);
    rig_turn(&rig);
    assert_false(rig.slots[0].open && !rig.slots[0].retired);
    rig_deinit(&rig);
}

/* ---- the gate ---- */

/* The kernel would swallow megabytes, and say nothing. */
static void paced_reader_that_does_not_read_is_gated_though_its_socket_takes_all(void **state)
{
    (void)state;
    struct rig rig;
    rig_init_marks(&rig, 1, &marks);
    struct sw_tape *tape = rig_tape(&rig, "a");
    rig_open(&rig, 0, WIDE);
    rig_subscribe_as(&rig, 0, tape, SW_MODE_ALL, 20);
    for (unsigned i = 1; i <= 40; i++) {
        send_run(&rig, tape, "x", i, i, 4000);
        rig_live(&rig, 50);
    }
    assert_int_equal(rig.slots[0].episodes, 1);
    assert_int_equal(RIG_COUNT(&rig, pressured_sessions), 1);
    assert_true(sw_reader(&rig.fanout, 0)->sent < 30);
    assert_non_null(strstr(drain(&rig, 0), "x:40"));
    rig_live(&rig, 1100);
    assert_int_equal(rig.slots[0].eased, 1);
    rig_deinit(&rig);
}

/* Far away and fast: its bytes are long in the kernel, many, and all acknowledged in time. */
static void far_reader_that_reads_all_in_time_is_never_pressured(void **state)
{
    (void)state;
    struct rig rig;
    rig_init_marks(&rig, 1, &marks);
    struct sw_tape *tape = rig_tape(&rig, "a");
    rig_open(&rig, 0, WIDE);
    rig_subscribe_as(&rig, 0, tape, SW_MODE_ALL, 0);
    for (unsigned i = 1; i <= 400; i++) {
        send_run(&rig, tape, "x", i, i, 4000);
        rig_pass(&rig, 10);
        if (i > 6) { /* 60 ms later */
            rig_read(&rig, 0, 4004);
        }
    }
    assert_int_equal(rig.slots[0].episodes, 0);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 400);
    assert_null(strstr(drain(&rig, 0), "dropped"));
    assert_int_equal(rig.fanout.gates_count, 0);
    rig_deinit(&rig);
}

/* ---- pace ---- */

/* What comes while a slow one still reads what a tick brought is the next tick's. */
static void slow_reader_gets_each_key_once_a_tick(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 1);
    stuff(&rig, 0);
    send_run(&rig, tape, "x", 1, 1, 1000);
    send_run(&rig, tape, "y", 1, 1, 1000);
    rig_turn(&rig);
    send_run(&rig, tape, "x", 2, 2, 1000);
    rig_turn(&rig);
    unstuff(&rig, 0);
    for (unsigned n = 0; n < 10; n++) {
        rig_pass(&rig, 1);
        rig_read(&rig, 0, SIZE_MAX);
    }
    const char *text = rig_text(&rig, 0);
    assert_non_null(strstr(text, "x:1"));
    assert_non_null(strstr(text, "y:1"));
    assert_null(strstr(text, "x:2"));
    rig_pass(&rig, 1000);
    assert_non_null(strstr(drain(&rig, 0), "x:2"));
    assert_int_equal(RIG_COUNT(&rig, sent_total), 3);
    rig_deinit(&rig);
}

/* ---- unsubscribing ---- */

static void outage_is_untold_to_a_paced_reader_that_had_read_all(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 1);
    rig_send(&rig, tape, "x:1");
    rig_turn(&rig);
    assert_int_equal(rig.fanout.cursors_used, 1);
    sw_tape_append_gap(&rig.fanout, tape, 0, SW_SHED_FEED);
    struct sw_untold untold = sw_hub_unsubscribe(&rig.fanout, 0, 0);
    assert_true(untold.feed);
    assert_int_equal(untold.slow + untold.passed, 0);
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_goes_onto_boards_in_a_turn_of_several_tapes),
        cmocka_unit_test(paced_reader_that_has_read_all_takes_another_manner),
        cmocka_unit_test(mark_before_a_board_of_the_same_position_is_told),
        cmocka_unit_test(mark_that_was_read_is_not_told_again_by_a_board),
        cmocka_unit_test(who_misses_a_count_is_told_it_though_a_mark_fell_before),
        cmocka_unit_test(cursors_of_one_session_take_turns_however_little_the_socket_takes),
        cmocka_unit_test(healthy_reader_beside_a_paced_one_is_not_pressured_by_one_cut),
        cmocka_unit_test(disconnect_ends_who_is_above_high_for_ten_seconds_though_nothing_follows),
        cmocka_unit_test(disconnect_stays_when_it_falls_below_high_in_time),
        cmocka_unit_test(disconnect_ends_at_once_above_max),
        cmocka_unit_test(paced_reader_that_does_not_read_is_gated_though_its_socket_takes_all),
        cmocka_unit_test(far_reader_that_reads_all_in_time_is_never_pressured),
        cmocka_unit_test(slow_reader_gets_each_key_once_a_tick),
        cmocka_unit_test(outage_is_untold_to_a_paced_reader_that_had_read_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
