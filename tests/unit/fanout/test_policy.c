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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_goes_onto_boards_in_a_turn_of_several_tapes),
        cmocka_unit_test(paced_reader_that_has_read_all_takes_another_manner),
        cmocka_unit_test(mark_before_a_board_of_the_same_position_is_told),
        cmocka_unit_test(mark_that_was_read_is_not_told_again_by_a_board),
        cmocka_unit_test(who_misses_a_count_is_told_it_though_a_mark_fell_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
