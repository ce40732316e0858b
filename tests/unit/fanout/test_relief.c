// SPDX-License-Identifier: Apache-2.0
/* What is given up while memory is short, step by step: who loses what, who is told what, and who
 * has to go. The clock is the test's. */
#include "rig_clock.h"

#define SMALL  1
#define LIMIT  (1u << 20)
#define OTHERS 7

static const struct sw_marks marks = {
    .low_bytes = 20000, .high_bytes = 400000, .high_messages = 10000, .max_bytes = 800000};

struct short_rig {
    struct rig rig;
    struct sw_budget budget;
    struct sw_purse purse;
};

static void init(struct short_rig *all, uint32_t count)
{
    rig_init_marks(&all->rig, count, &marks);
    sw_budget_init(&all->budget, LIMIT);
    sw_purse_init(&all->purse, &all->budget, all->rig.counters.budget_used_bytes);
    all->rig.fanout.pool.purse = &all->purse;
}

static void deinit(struct short_rig *all)
{
    sw_fanout_relieve(&all->rig.fanout, SW_BUDGET_EASY);
    rig_deinit(&all->rig);
    assert_int_equal(all->purse.used, 0);
}

/* A client that does not read, and whose socket takes nothing more. */
static void open_stuck(struct rig *rig, uint32_t slot, struct sw_tape *tape, enum sw_mode mode)
{
    rig_open(rig, slot, SMALL);
    rig_subscribe_as(rig, slot, tape, mode, 0);
    char dots[4096];
    memset(dots, '.', sizeof(dots));
    for (size_t size = sizeof(dots); size > 0; size /= 16) {
        while (sw_conn_send(sw_reader(&rig->fanout, slot)->fd, dots, size) > 0) {
        }
    }
}

/* "<from>" to "<to>", a KB each. */
static void send_run(struct rig *rig, struct sw_tape *tape, unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++) {
        char text[32];
        snprintf(text, sizeof(text), "%u:", i);
        rig_send_long(rig, tape, text, 1000);
    }
    rig_turn(rig);
}

/* It reads what it was stuffed with, and then all that comes. */
static const char *drain(struct rig *rig, uint32_t slot)
{
    rig_read(rig, slot, SIZE_MAX);
    sw_buf_clear(&rig->slots[slot].got);
    for (unsigned idle = 0; idle < 40; idle++) {
        if (rig_read(rig, slot, SIZE_MAX)) {
            idle = 0;
        }
        rig_pass(rig, 20);
    }
    return rig_text(rig, slot);
}

static void relieve(struct rig *rig, enum sw_budget_step step)
{
    rig_clock_advance(SW_GATE_TICK_MS);
    rig_turn(rig);
    sw_fanout_relieve(&rig->fanout, step);
}

/* Until it is clear that shedding gives nothing back, and one look more. */
static void relieve_long(struct rig *rig, enum sw_budget_step step)
{
    for (unsigned i = 0; i < 9; i++) {
        relieve(rig, step);
    }
}

static void high_is_low_while_memory_is_tight(void **state)
{
    (void)state;
    struct short_rig all;
    struct rig *rig = &all.rig;
    init(&all, 1);
    struct sw_tape *tape = rig_tape(rig, "a");
    open_stuck(rig, 0, tape, SW_MODE_ALL);
    send_run(rig, tape, 1, 40);
    rig_live(rig, 300);
    assert_int_equal(RIG_SHED(rig, SLOW), 0);
    sw_fanout_relieve(&rig->fanout, SW_BUDGET_TIGHT);
    rig_live(rig, 300);
    assert_in_range(RIG_SHED(rig, SLOW), 19, 22);
    assert_in_range(sw_reader(&rig->fanout, 0)->queued_bytes, 15000, 20000);
    sw_fanout_relieve(&rig->fanout, SW_BUDGET_EASY);
    send_run(rig, tape, 41, 80);
    rig_live(rig, 300);
    assert_in_range(RIG_SHED(rig, SLOW), 19, 22);
    deinit(&all);
}

/* Two are stuck for different times: the half of the time goes, not the half of the bytes. */
static void hard_sheds_the_older_half_and_tells_it(void **state)
{
    (void)state;
    struct short_rig all;
    struct rig *rig = &all.rig;
    init(&all, 2);
    struct sw_tape *a = rig_tape(rig, "a");
    struct sw_tape *b = rig_tape(rig, "b");
    open_stuck(rig, 0, a, SW_MODE_ALL);
    open_stuck(rig, 1, b, SW_MODE_ALL);
    send_run(rig, a, 1, 1); /* in flight */
    send_run(rig, b, 1, 1);
    send_run(rig, a, 2, 11);
    rig_live(rig, 600);
    send_run(rig, a, 12, 13);
    send_run(rig, b, 2, 4);
    rig_live(rig, 300);
    relieve(rig, SW_BUDGET_HARD);
    assert_int_equal(RIG_SHED(rig, SLOW), 10);
    assert_int_equal(sw_reader(&rig->fanout, 0)->behind, 3);
    assert_int_equal(sw_reader(&rig->fanout, 1)->behind, 4);
    assert_int_equal(rig->slots[0].evictions + rig->slots[1].evictions, 0);
    sw_fanout_relieve(&rig->fanout, SW_BUDGET_HARD); /* too soon: nothing happens */
    assert_int_equal(RIG_SHED(rig, SLOW), 10);
    assert_string_equal(drain(rig, 0), "1:|dropped a 10 slow|12:|13:");
    assert_string_equal(drain(rig, 1), "1:|2:|3:|4:");
    deinit(&all);
}

/* Those that are left with nothing stand nowhere; what comes next is theirs again, behind the gap.
 */
static void who_lost_all_hears_it_before_what_comes_next(void **state)
{
    (void)state;
    struct short_rig all;
    struct rig *rig = &all.rig;
    init(&all, 2);
    struct sw_tape *tape = rig_tape(rig, "a");
    struct sw_tape *other = rig_tape(rig, "b");
    open_stuck(rig, 0, tape, SW_MODE_ALL);
    open_stuck(rig, 1, other, SW_MODE_ALL);
    send_run(rig, other, 1, 1);
    send_run(rig, tape, 1, 5);
    rig_live(rig, 600);
    send_run(rig, other, 2, 3);
    rig_live(rig, 100);
    relieve(rig, SW_BUDGET_HARD);
    assert_int_equal(RIG_SHED(rig, SLOW), 4);
    assert_null(tape->last);
    rig_live(rig, 100);
    send_run(rig, tape, 6, 7);
    rig_live(rig, 100);
    relieve(rig, SW_BUDGET_HARD); /* and what came then is young */
    assert_string_equal(drain(rig, 0), "1:|dropped a 4 slow|6:|7:");
    assert_string_equal(drain(rig, 1), "1:|dropped b 2 slow");
    deinit(&all);
}

static void latest_goes_onto_its_board(void **state)
{
    (void)state;
    struct short_rig all;
    struct rig *rig = &all.rig;
    init(&all, 2);
    struct sw_tape *tape = rig_tape(rig, "a");
    open_stuck(rig, 0, tape, SW_MODE_LATEST);
    send_run(rig, tape, 1, 1);
    for (unsigned i = 0; i < 5; i++) {
        send_run(rig, tape, 7, 7);
    }
    rig_live(rig, 210);
    assert_null(tape->board);
    relieve(rig, SW_BUDGET_HARD);
    assert_non_null(tape->board);
    assert_int_equal(tape->board->live, 1);
    assert_int_equal(RIG_SHED(rig, SLOW), 0);
    rig->slots[0].evictions = 0;
    deinit(&all);
}

/* A `disconnect` subscription may not be shed for: who is owed most goes. */
static void who_may_not_be_shed_for_is_evicted_the_most_owed_first(void **state)
{
    (void)state;
    struct short_rig all;
    struct rig *rig = &all.rig;
    init(&all, OTHERS);
    struct sw_tape *tapes[OTHERS];
    for (uint32_t slot = 0; slot < OTHERS; slot++) {
        char name[2] = {(char)('a' + slot), '\0'};
        tapes[slot] = rig_tape(rig, name);
        open_stuck(rig, slot, tapes[slot], SW_MODE_DISCONNECT);
        send_run(rig, tapes[slot], 1, 10 + 10 * slot);
    }
    rig_live(rig, 400);
    relieve_long(rig, SW_BUDGET_HARD);
    for (uint32_t slot = 0; slot < OTHERS; slot++) {
        assert_int_equal(rig->slots[slot].evictions, slot >= OTHERS - 4);
    }
    assert_int_equal(RIG_SHED(rig, SLOW), 0);
    rig_turn(rig);
    rig_turn(rig);
    assert_int_equal(rig->fanout.cursors_used, OTHERS - 4);
    deinit(&all);
}

/* Where others hold the memory, ending one of these gives nothing back. */
static void nobody_is_evicted_where_it_does_not_help(void **state)
{
    (void)state;
    struct short_rig all;
    struct rig *rig = &all.rig;
    init(&all, 1);
    _Atomic int64_t parts[SW_PART_COUNT] = {0};
    struct sw_purse other;
    sw_purse_init(&other, &all.budget, parts);
    sw_purse_charge(&other, SW_PART_MESSAGES, LIMIT / 100 * 90);
    struct sw_tape *tape = rig_tape(rig, "a");
    open_stuck(rig, 0, tape, SW_MODE_DISCONNECT);
    send_run(rig, tape, 1, 20);
    rig_live(rig, 400);
    relieve_long(rig, SW_BUDGET_HARD);
    assert_int_equal(rig->slots[0].evictions, 0);
    sw_purse_charge(&other, SW_PART_MESSAGES, -(int64_t)(LIMIT / 100 * 90));
    relieve(rig, SW_BUDGET_HARD);
    assert_int_equal(rig->slots[0].evictions, 1);
    deinit(&all);
}

/* All that is owed is the frame in flight: nothing can be shed, and its block is large. */
static void who_only_has_a_frame_in_flight_is_evicted(void **state)
{
    (void)state;
    struct short_rig all;
    struct rig *rig = &all.rig;
    init(&all, 1);
    struct sw_tape *tape = rig_tape(rig, "a");
    rig_open(rig, 0, SMALL);
    rig_subscribe_as(rig, 0, tape, SW_MODE_ALL, 0);
    rig_send_long(rig, tape, "1:", 200000);
    rig_live(rig, 400);
    assert_int_equal(rig->fanout.cursors_used, 0);
    relieve_long(rig, SW_BUDGET_HARD);
    assert_int_equal(rig->slots[0].evictions, 1);
    deinit(&all);
}

/* A board of those who keep up holds what somebody has yet to read, not all keys that ever came. */
static void board_of_readers_that_keep_up_stays_small(void **state)
{
    (void)state;
    struct short_rig all;
    struct rig *rig = &all.rig;
    init(&all, 2);
    struct sw_tape *tape = rig_tape(rig, "a");
    rig_open(rig, 0, 0);
    rig_open(rig, 1, 0);
    rig_subscribe_as(rig, 0, tape, SW_MODE_ALL, 20);
    rig_subscribe_as(rig, 1, tape, SW_MODE_LATEST, 10);
    char text[16];
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(text, sizeof(text), "k%u:1", i);
        rig_send(rig, tape, text);
        rig_pass(rig, 10);
        rig_received(rig, 0);
        rig_received(rig, 1);
        assert_true(!tape->board || tape->board->live < 200);
    }
    assert_int_equal(rig->slots[0].episodes + rig->slots[1].episodes, 0);
    rig_live(rig, 400);
    assert_int_equal(sw_counter_read(&rig->counters.sent_total), 4000);
    deinit(&all);
}

/* What waited for a tick of 1 Hz has not waited for its reader. */
static void paced_reader_that_keeps_up_is_not_pressured(void **state)
{
    (void)state;
    struct short_rig all;
    struct rig *rig = &all.rig;
    init(&all, 1);
    struct sw_tape *tape = rig_tape(rig, "a");
    rig_open(rig, 0, 0);
    rig_subscribe_as(rig, 0, tape, SW_MODE_ALL, 1);
    for (unsigned i = 0; i < 200; i++) {
        rig_send(rig, tape, "k:1");
        rig_pass(rig, 50);
        rig_received(rig, 0);
    }
    assert_int_equal(rig->slots[0].episodes, 0);
    deinit(&all);
}

/* Healthy ones are owed nothing that a step could take. */
static void who_is_not_pressured_loses_nothing(void **state)
{
    (void)state;
    struct short_rig all;
    struct rig *rig = &all.rig;
    init(&all, 1);
    struct sw_tape *tape = rig_tape(rig, "a");
    rig_open(rig, 0, SMALL);
    rig_subscribe_as(rig, 0, tape, SW_MODE_ALL, 0);
    send_run(rig, tape, 1, 40);
    relieve(rig, SW_BUDGET_HARD);
    assert_int_equal(RIG_SHED(rig, SLOW), 0);
    deinit(&all);
}

/* Near the end what waits is not spared for being young. */
static void full_sheds_what_is_young_too(void **state)
{
    (void)state;
    struct short_rig all;
    struct rig *rig = &all.rig;
    init(&all, 1);
    struct sw_tape *tape = rig_tape(rig, "a");
    open_stuck(rig, 0, tape, SW_MODE_ALL);
    send_run(rig, tape, 1, 11);
    rig_pass(rig, 60);
    send_run(rig, tape, 12, 21);
    sw_gate_shut(&rig->fanout, 0);
    rig_pass(rig, 20);
    relieve(rig, SW_BUDGET_FULL);
    assert_int_equal(rig->slots[0].evictions, 0);
    assert_int_equal(RIG_SHED(rig, SLOW), 10);
    assert_int_equal(sw_reader(&rig->fanout, 0)->behind, 11);
    deinit(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(high_is_low_while_memory_is_tight),
        cmocka_unit_test(hard_sheds_the_older_half_and_tells_it),
        cmocka_unit_test(who_lost_all_hears_it_before_what_comes_next),
        cmocka_unit_test(latest_goes_onto_its_board),
        cmocka_unit_test(who_may_not_be_shed_for_is_evicted_the_most_owed_first),
        cmocka_unit_test(nobody_is_evicted_where_it_does_not_help),
        cmocka_unit_test(who_only_has_a_frame_in_flight_is_evicted),
        cmocka_unit_test(board_of_readers_that_keep_up_stays_small),
        cmocka_unit_test(paced_reader_that_keeps_up_is_not_pressured),
        cmocka_unit_test(who_is_not_pressured_loses_nothing),
        cmocka_unit_test(full_sheds_what_is_young_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
