// SPDX-License-Identifier: Apache-2.0
/* max_hz; and each manner of reading in each state that a cursor can be in: changed, ended, closed.
 */
#include "rig_policy.h"

/* ---- in another manner ---- */

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

/* ---- max_hz ---- */

static void paced_reader_gets_the_first_at_once_and_then_the_newest_at_ticks(void **state)
{
    (void)state;
    static const unsigned rates[] = {1, 2, 5, 10, 20};
    for (size_t i = 0; i < SW_ARRAY_SIZE(rates); i++) {
        unsigned period = 1000 / rates[i];
        struct rig rig;
        struct sw_tape *tape = one(&rig, SW_MODE_ALL, rates[i]);
        rig_send(&rig, tape, "a:1");
        sw_fanout_walk(&rig.fanout);
        assert_string_equal(rig_received(&rig, 0), ""); /* never direct, never an item */
        assert_int_equal(rig.fanout.items_count, 0);
        rig_flush(&rig);
        sw_fanout_turned(&rig.fanout);
        assert_string_equal(rig_received(&rig, 0), "a:1");
        rig_live(&rig, 10);
        rig_send(&rig, tape, "a:2");
        rig_send(&rig, tape, "b:1");
        rig_turn(&rig);
        rig_send(&rig, tape, "a:3");
        rig_live(&rig, period - 30);
        assert_string_equal(rig_received(&rig, 0), "");
        rig_live(&rig, 50);
        assert_string_equal(rig_received(&rig, 0), "dropped a 1 paced|b:1|a:3");
        assert_int_equal(rig.fanout.cursors_used, 1);
        rig_live(&rig, period + 20);
        assert_int_equal(rig.fanout.cursors_used, 0); /* a silent tick */
        assert_null(tape->board);
        rig_send(&rig, tape, "c:1");
        rig_turn(&rig);
        assert_string_equal(rig_received(&rig, 0), "c:1");
        rig_deinit(&rig);
    }
}

static void paced_reader_gets_no_more_than_its_pace_and_is_told_in_time(void **state)
{
    (void)state;
    static const unsigned rates[] = {1, 2, 5, 10, 20};
    for (size_t i = 0; i < SW_ARRAY_SIZE(rates); i++) {
        struct rig rig;
        rig_init_marks(&rig, 1, &marks);
        struct sw_tape *tape = rig_tape(&rig, "a");
        rig_open(&rig, 0, WIDE);
        rig_subscribe_as(&rig, 0, tape, SW_MODE_LATEST, rates[i]);
        for (unsigned n = 1; n <= 500; n++) {
            char text[16];
            snprintf(text, sizeof(text), "x:%u", n);
            rig_send(&rig, tape, text);
            rig_pass(&rig, 10);
            rig_read(&rig, 0, SIZE_MAX);
        }
        struct account busy = account_of(rig_received(&rig, 0));
        rig_live(&rig, 1020);
        struct account late = account_of(rig_received(&rig, 0));
        assert_true(busy.received >= 4 * rates[i] && busy.received <= 5 * rates[i] + 2);
        assert_true(busy.tells <= 6 && late.tells <= 2);
        assert_int_equal(busy.received + busy.told + late.received + late.told, 500);
        assert_int_equal(RIG_SHED(&rig, PACED), busy.passed + late.passed);
        assert_int_equal(rig.slots[0].episodes, 0);
        rig_live(&rig, 1020);
        assert_int_equal(rig.fanout.cursors_used, 0);
        rig_deinit(&rig);
    }
}

/* ---- every manner, in every state ---- */

enum situation {
    AT_TOP,
    IN_FLIGHT, /* of this subscription, with more behind */
    BEHIND,    /* unread, nothing of it in flight */
    PRESSURED, /* on a board where the mode says so */
    TICKED,    /* has read, waits for a tick where it is paced */
    WAITING,   /* the same, with news */
    SITUATIONS
};

/* Slot 0 in that situation; returns how many messages were published to it. */
static unsigned bring(struct rig *rig, struct sw_tape *tape, enum situation situation)
{
    unsigned sent = 0;
    if (situation == IN_FLIGHT || situation == PRESSURED) {
        stuff(rig, 0);
    }
    if (situation == BEHIND) {
        stuff(rig, 0);
        rig_say(rig, 0, "lane");
        rig_turn(rig);
    }
    if (situation != AT_TOP) {
        send_run(rig, tape, "x", 1, 3, 2000);
        sent += 3;
        rig_turn(rig);
    }
    if (situation == PRESSURED) {
        rig_clock_advance(300);
        look(rig, 0);
    }
    if (situation != TICKED && situation != AT_TOP) {
        send_run(rig, tape, "y", 1, 2, 2000);
        sent += 2;
        rig_turn(rig);
    }
    return sent;
}

static const struct {
    enum sw_mode mode;
    unsigned max_hz;
} manners[] = {{SW_MODE_ALL, 0},  {SW_MODE_LATEST, 0},     {SW_MODE_ALL, 5},
               {SW_MODE_ALL, 20}, {SW_MODE_DISCONNECT, 0}, {SW_MODE_LATEST, 1}};

static void open_one_as(struct rig *rig, struct sw_tape **tape, size_t manner)
{
    *tape = one(rig, manners[manner].mode, manners[manner].max_hz);
    rig->fanout.marks.high_messages = UINT32_MAX;
}

/* What is in the kernel from `stuff` is no frame: dropped, and then what follows is. */
static void release(struct rig *rig, enum situation situation)
{
    if (situation == IN_FLIGHT || situation == PRESSURED || situation == BEHIND) {
        unstuff(rig, 0);
    }
}

static void manner_changes_in_every_state(void **state)
{
    (void)state;
    for (int at = 0; at < SITUATIONS; at++) {
        for (size_t from = 0; from < SW_ARRAY_SIZE(manners); from++) {
            for (size_t to = 0; to < SW_ARRAY_SIZE(manners); to++) {
                struct rig rig;
                struct sw_tape *tape;
                open_one_as(&rig, &tape, from);
                unsigned sent = bring(&rig, tape, (enum situation)at);
                set_manner(&rig, 0, manners[to].mode, manners[to].max_hz);
                send_run(&rig, tape, "z", 1, 1, 100); /* dirty when it changes again */
                set_manner(&rig, 0, manners[from].mode, manners[from].max_hz);
                set_manner(&rig, 0, manners[to].mode, manners[to].max_hz);
                rig_turn(&rig);
                send_run(&rig, tape, "z", 2, 2, 100);
                rig_turn(&rig);
                release(&rig, (enum situation)at);
                const char *text = drain(&rig, 0);
                unsigned lane = at == BEHIND;
                struct account account = account_of(text);
                assert_int_equal(account.received - lane + account.told, sent + 2);
                assert_non_null(strstr(text, "z:2"));
                assert_true(sent == 0 || strstr(text, "x:3"));
                rig_live(&rig, 2200);
                assert_int_equal(rig.fanout.cursors_used, 0);
                assert_int_equal(sw_reader(&rig.fanout, 0)->flags, 0);
                send_run(&rig, tape, "z", 3, 3, 100);
                rig_turn(&rig);
                assert_string_equal(rig_received(&rig, 0), "z:3");
                rig_deinit(&rig);
            }
        }
    }
}

static void unsubscribing_in_every_state_returns_what_is_untold(void **state)
{
    (void)state;
    for (int at = 0; at < SITUATIONS; at++) {
        for (size_t manner = 0; manner < SW_ARRAY_SIZE(manners); manner++) {
            struct rig rig;
            struct sw_tape *tape;
            open_one_as(&rig, &tape, manner);
            unsigned sent = bring(&rig, tape, (enum situation)at);
            struct sw_untold untold = sw_hub_unsubscribe(&rig.fanout, 0, 0);
            rig_check_law(&rig);
            assert_int_equal(rig.fanout.cursors_used, 0);
            release(&rig, (enum situation)at);
            struct account account = account_of(drain(&rig, 0));
            unsigned lane = at == BEHIND;
            unsigned closed = (unsigned)RIG_SHED(&rig, CLOSED);
            assert_int_equal(account.received - lane + account.told + untold.slow + untold.passed +
                                 closed,
                             sent);
            assert_false(untold.unknown || untold.feed);
            rig_subscribe_as(&rig, 0, tape, SW_MODE_ALL, 0);
            rig_send(&rig, tape, "new:1");
            rig_turn(&rig);
            assert_string_equal(drain(&rig, 0), "new:1");
            rig_deinit(&rig);
        }
    }
}

static void untold_says_what_was_shed_and_not_told(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 0);
    stuff(&rig, 0);
    send_run(&rig, tape, "x", 1, 20, 1000);
    rig_gap(&rig, tape, 0, SW_SHED_FEED);
    send_run(&rig, tape, "x", 21, 80, 1000);
    rig_turn(&rig);
    rig_live(&rig, 140);
    struct sw_untold untold = sw_hub_unsubscribe(&rig.fanout, 0, 0);
    assert_true(untold.unknown);
    assert_int_equal(untold.slow, RIG_SHED(&rig, SLOW));
    assert_true(untold.slow > 50);
    rig_deinit(&rig);

    tape = one(&rig, SW_MODE_ALL, 20); /* told, and within the second passed again */
    for (unsigned i = 1; i <= 12; i++) {
        send_run(&rig, tape, "x", i, i, 10);
        rig_live(&rig, 20);
    }
    struct account account = account_of(rig_received(&rig, 0));
    untold = sw_hub_unsubscribe(&rig.fanout, 0, 0);
    assert_true(untold.passed > 0);
    assert_int_equal(untold.passed_reason, SW_SHED_PACED);
    assert_int_equal(account.received + account.told + untold.passed + RIG_SHED(&rig, CLOSED), 12);
    rig_deinit(&rig);
}

static void closing_in_every_state_ends_with_the_law(void **state)
{
    (void)state;
    enum { NOW, AFTER_DATA, BROKEN, PEER_GONE, WAYS };
    for (int how = 0; how < WAYS; how++) {
        for (int at = 0; at < SITUATIONS; at++) {
            for (size_t manner = 0; manner < SW_ARRAY_SIZE(manners); manner++) {
                struct rig rig;
                struct sw_tape *tape;
                open_one_as(&rig, &tape, manner);
                rig_open(&rig, 1, 0);
                rig_subscribe_as(&rig, 1, tape, manners[manner].mode, manners[manner].max_hz);
                bring(&rig, tape, (enum situation)at);
                if (how == PEER_GONE) {
                    close(rig.slots[0].peer);
                    rig.slots[0].peer = -1;
                } else {
                    rig_close(&rig, 0, how == AFTER_DATA);
                    rig.slots[0].broken = how == BROKEN;
                }
                send_run(&rig, tape, "z", 1, 1, 100);
                rig_turn(&rig);
                if (how != PEER_GONE) {
                    release(&rig, (enum situation)at);
                    drain(&rig, 0);
                }
                rig_live(&rig, 300);
                assert_false(rig.slots[0].open);
                assert_non_null(strstr(drain(&rig, 1), "z:1"));
                assert_int_equal(sw_reader(&rig.fanout, 0)->gate, 0);
                rig_deinit(&rig);
            }
        }
    }
}

static void subscriptions_of_one_session_keep_their_own_manner(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *a = one(&rig, SW_MODE_ALL, 0);
    struct sw_tape *b = rig_tape(&rig, "b");
    struct sw_tape *c = rig_tape(&rig, "c");
    struct sw_tape *d = rig_tape(&rig, "d");
    rig_subscribe_as(&rig, 0, b, SW_MODE_LATEST, 0);
    rig_subscribe_as(&rig, 0, c, SW_MODE_ALL, 5);
    rig_subscribe_as(&rig, 0, d, SW_MODE_DISCONNECT, 0);
    stuff(&rig, 0);
    rig_say(&rig, 0, "lane");
    rig_turn(&rig);
    for (unsigned i = 1; i <= 40; i++) {
        send_run(&rig, a, "x", i, i, 2000);
        send_run(&rig, b, "y", i, i, 2000);
        send_run(&rig, c, "z", i, i, 2000);
        send_run(&rig, d, "v", i, i, 10);
        rig_pass(&rig, 20);
    }
    assert_int_equal(rig.slots[0].overs, 0);
    unstuff(&rig, 0);
    const char *text = drain(&rig, 0);
    assert_non_null(strstr(text, "dropped a "));
    assert_non_null(strstr(text, "dropped b "));
    assert_non_null(strstr(text, "dropped c "));
    assert_null(strstr(text, "dropped d "));
    assert_non_null(strstr(text, "v:1|"));
    assert_non_null(strstr(text, "x:40"));
    assert_non_null(strstr(text, "y:40"));
    assert_non_null(strstr(text, "z:40"));
    struct account account = account_of(text);
    assert_int_equal(account.received - 1 + account.told, 160);
    assert_int_equal(RIG_SHED(&rig, SLOW), account.slow);
    assert_int_equal(RIG_SHED(&rig, CONFLATED) + RIG_SHED(&rig, PACED), account.passed);
    rig_deinit(&rig);
}

/* ---- unsubscribing ---- */

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

static void outage_is_untold_to_a_paced_reader_that_had_read_all(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 1);
    rig_send(&rig, tape, "x:1");
    rig_turn(&rig);
    assert_int_equal(rig.fanout.cursors_used, 1);
    rig_gap(&rig, tape, 0, SW_SHED_FEED);
    struct sw_untold untold = sw_hub_unsubscribe(&rig.fanout, 0, 0);
    assert_true(untold.feed);
    assert_int_equal(untold.slow + untold.passed, 0);
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paced_reader_that_has_read_all_takes_another_manner),
        cmocka_unit_test(paced_reader_gets_the_first_at_once_and_then_the_newest_at_ticks),
        cmocka_unit_test(paced_reader_gets_no_more_than_its_pace_and_is_told_in_time),
        cmocka_unit_test(manner_changes_in_every_state),
        cmocka_unit_test(unsubscribing_in_every_state_returns_what_is_untold),
        cmocka_unit_test(untold_says_what_was_shed_and_not_told),
        cmocka_unit_test(closing_in_every_state_ends_with_the_law),
        cmocka_unit_test(subscriptions_of_one_session_keep_their_own_manner),
        cmocka_unit_test(slow_reader_gets_each_key_once_a_tick),
        cmocka_unit_test(outage_is_untold_to_a_paced_reader_that_had_read_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
