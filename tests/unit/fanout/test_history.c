// SPDX-License-Identifier: Apache-2.0
/* Readers of a topic with history: where they begin, and what becomes of their stream. */
#include "rig_clock.h"
#include "rig_history.h"

#define WIDE 0

/* ---- live ---- */

static void messages_carry_their_offsets(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 41);
    rig_start(&topic, 0, NULL);
    assert_string_equal(rig_position(&rig, 0, 0), "E:41");
    rig_publish(&topic, 1);
    rig_send(&rig, topic.tape, "raw");
    rig_publish(&topic, 2);
    assert_string_equal(rig_position(&rig, 0, 0), "E:41");
    assert_string_equal(rig_take(&rig, 0), "m42@42|raw|m43@43|m44@44");
    assert_string_equal(rig_position(&rig, 0, 0), "E:44");
    assert_int_equal(RIG_COUNT(&rig, due_total), 4);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 4);
    assert_int_equal(RIG_COUNT(&rig, block_bytes), 0);
    rig_deinit(&rig);
}

static void plain_topic_has_no_position(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1, 1u << 20);
    struct sw_tape *tape = rig_tape(&rig, "p");
    rig_open(&rig, 0, WIDE);
    rig_subscribe(&rig, 0, tape);
    struct sw_position position;
    assert_false(sw_hub_position(&rig.fanout, 0, 0, &position));
    assert_null(tape->history);
    rig_deinit(&rig);
}

/* ---- claims ---- */

static void position_at_the_top_is_resumed_at_once(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 44);
    struct sw_claim claim = rig_from("E", 44);
    struct sw_start start;
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_true(start.positioned && start.resumed);
    assert_int_equal(start.replay, 0);
    assert_int_equal(start.position.offset, 44);
    assert_string_equal(rig_asked(&rig), "");
    rig_start(&topic, 0, &start);
    assert_int_equal(sw_reader(&rig.fanout, 0)->cursors, 0);
    rig_deinit(&rig);
}

static void position_behind_it_is_asked_for(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 130);
    struct sw_claim claim = rig_from("E", 62);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    assert_false(rig_resolve(&topic, &claim, &start));
    assert_string_equal(rig_asked(&rig), "0 "); /* one ask of a run is outstanding */
    rig_publish(&topic, 1);                     /* nobody reads it yet */
    rig_answer(&topic, 0);
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_true(start.resumed);
    assert_int_equal(start.replay, 69);
    rig_start(&topic, 0, &start);
    assert_int_equal(RIG_COUNT(&rig, behind), 69);
    rig_publish(&topic, 1);
    assert_string_equal(rig_take(&rig, 0), "m63@63");
    assert_string_equal(rig_asked(&rig), "1 ");
    assert_string_equal(rig_position(&rig, 0, 0), "E:63");
    rig_answer(&topic, 1);
    assert_string_equal(rig_take(&rig, 0) + strlen(rig_take(&rig, 0)), "");
    assert_string_equal(rig_asked(&rig), "2 ");
    rig_answer(&topic, 2);
    assert_string_equal(rig_take(&rig, 0), "m128@128|m129@129|m130@130|m131@131|m132@132");
    assert_string_equal(rig_position(&rig, 0, 0), "E:132");
    assert_int_equal(sw_reader(&rig.fanout, 0)->cursors, 0);
    assert_int_equal(RIG_COUNT(&rig, due_total), 70);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 70);
    rig_deinit(&rig);
}

static void position_whose_next_is_gone_is_trimmed(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 50);
    topic.first = 20;
    struct sw_claim claim = rig_from("E", 18);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    rig_answer(&topic, 0);
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_false(start.resumed);
    assert_int_equal(start.why, SW_WHY_TRIMMED);
    assert_int_equal(start.replay, 0);
    claim = rig_from("E", 19);
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_true(start.resumed);
    claim = rig_from("0", 0);
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_int_equal(start.why, SW_WHY_TRIMMED);
    rig_deinit(&rig);
}

static void beginning_is_resumed_while_it_is_held(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 2);
    struct sw_claim claim = rig_from("0", 0);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    rig_answer(&topic, 0);
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_true(start.resumed);
    rig_start(&topic, 0, &start);
    assert_string_equal(rig_take(&rig, 0), "m1@1|m2@2");
    rig_deinit(&rig);
}

/* Another node may have given the name: only a look that begins behind the question decides. */
static void foreign_position_is_checked_before_it_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
    struct sw_claim claim = rig_from("F", 5);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    assert_false(rig_resolve(&topic, &claim, &start));
    assert_string_equal(rig_asked(&rig), "check 1 ");
    struct sw_topic_state before = rig_state(&topic);
    sw_tape_state(&rig.fanout, topic.tape, &before); /* it rests on an older look */
    assert_false(rig_resolve(&topic, &claim, &start));
    before.check = 1;
    sw_tape_state(&rig.fanout, topic.tape, &before);
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_int_equal(start.why, SW_WHY_EPOCH);
    assert_int_equal(start.position.offset, 5);
    rig_deinit(&rig);
}

static void check_that_finds_the_name_resumes(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
    struct sw_claim claim = rig_from("F", 5);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    rig_rename(&topic, "F");
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_true(start.resumed);
    rig_deinit(&rig);
}

static void position_above_the_top_is_not_good(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
    struct sw_claim claim = rig_from("E", 6);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    assert_string_equal(rig_asked(&rig), "check 1 ");
    rig_publish(&topic, 1);
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_true(start.resumed);
    rig_deinit(&rig);
}

static void manner_without_order_is_not_resumed(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
    struct sw_claim claim = rig_from("E", 3);
    struct sw_start start;
    assert_true(sw_tape_resolve(&rig.fanout, topic.tape, (struct sw_manner){.mode = SW_MODE_LATEST},
                                &claim, &start));
    assert_int_equal(start.why, SW_WHY_MODE);
    assert_true(
        sw_tape_resolve(&rig.fanout, topic.tape, (struct sw_manner){.pace = 1}, &claim, &start));
    assert_int_equal(start.why, SW_WHY_MODE);
    struct sw_tape *plain = rig_tape(&rig, "p");
    assert_true(sw_tape_resolve(&rig.fanout, plain, (struct sw_manner){0}, &claim, &start));
    assert_int_equal(start.why, SW_WHY_NO_HISTORY);
    assert_false(start.positioned);
    rig_deinit(&rig);
}

static void last_gives_what_is_held(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 100);
    topic.first = 90;
    struct sw_claim claim = rig_last(3);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    rig_answer(&topic, 1);
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_int_equal(start.replay, 3);
    assert_false(start.resumed);
    claim = rig_last(50); /* of which 11 are held, in the second of two runs */
    assert_false(rig_resolve(&topic, &claim, &start));
    rig_answer(&topic, 0);
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_int_equal(start.replay, 11);
    rig_start_as(&topic, 0, &start, SW_MODE_LATEST, 0); /* in any mode */
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "m90@90|m91@91|m92@92|m93@93|m94@94|m95@95|m96@96|"
                                           "m97@97|m98@98|m99@99|m100@100");
    rig_deinit(&rig);
}

static void last_of_an_empty_history_is_nothing(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 100);
    topic.first = 101;
    struct sw_claim claim = rig_last(100);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    rig_answer(&topic, 0);
    assert_false(rig_resolve(&topic, &claim, &start));
    rig_answer(&topic, 1);
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_int_equal(start.replay, 0);
    rig_deinit(&rig);
}

/* A topic `r` that retains "kept". */
static struct sw_tape *retaining(struct rig *rig)
{
    struct sw_tape *tape = sw_tape_create(&rig->fanout, 0, SW_SLICE("r"), false);
    struct sw_message *message =
        sw_message_create(SW_SLICE("r"), SW_SLICE(""), SW_SLICE("kept"), 0, sw_clock_ns());
    struct sw_topic_state said = {.retained = message};
    struct sw_list waiting;
    sw_tape_state(&rig->fanout, tape, &said);
    sw_message_unref(message);
    sw_tape_joined(tape, &waiting);
    return tape;
}

static void retained_message_comes_first(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3, 1u << 20);
    struct sw_tape *tape = retaining(&rig);
    struct sw_claim claim = rig_last(5);
    struct sw_start start;
    assert_true(sw_tape_resolve(&rig.fanout, tape, (struct sw_manner){0}, &claim, &start));
    assert_int_equal(start.replay, 1);
    for (uint32_t slot = 0; slot < 3; slot++) {
        rig_open(&rig, slot, WIDE);
    }
    sw_hub_subscribe(&rig.fanout, tape, 0, 0, (struct sw_manner){0}, &start);
    sw_hub_subscribe(&rig.fanout, tape, 1, 0, (struct sw_manner){0}, NULL);
    assert_string_equal(rig_take(&rig, 0), "kept");
    rig_send(&rig, tape, "next");
    assert_string_equal(rig_take(&rig, 0), "next");
    assert_string_equal(rig_take(&rig, 1), "next");
    assert_true(RIG_COUNT(&rig, block_bytes) > 0); /* the one block of a quiet tape */
    assert_true(sw_tape_resolve(&rig.fanout, tape, (struct sw_manner){0}, &claim, &start));
    sw_hub_subscribe(&rig.fanout, tape, 2, 0, (struct sw_manner){0}, &start);
    rig_send(&rig, tape, "last");
    assert_string_equal(rig_take(&rig, 2), "next|last");
    assert_int_equal(RIG_COUNT(&rig, due_total), RIG_COUNT(&rig, sent_total));
    rig_deinit(&rig);
}

/* Behind an outage it may not be the last any more. */
static void retained_message_goes_with_an_outage(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 2, 1u << 20);
    struct sw_tape *tape = retaining(&rig);
    rig_open(&rig, 0, WIDE);
    rig_open(&rig, 1, WIDE);
    sw_hub_subscribe(&rig.fanout, tape, 0, 0, (struct sw_manner){0}, NULL);
    rig_gap(&rig, tape, 0, SW_SHED_FEED);
    struct sw_claim claim = rig_last(1);
    struct sw_start start;
    assert_true(sw_tape_resolve(&rig.fanout, tape, (struct sw_manner){0}, &claim, &start));
    assert_int_equal(start.replay, 0); /* what is answered is what comes */
    sw_hub_subscribe(&rig.fanout, tape, 1, 0, (struct sw_manner){0}, &start);
    rig_send(&rig, tape, "next");
    assert_string_equal(rig_take(&rig, 0), "dropped r 0 feed|next");
    assert_string_equal(rig_take(&rig, 1), "next");
    rig_deinit(&rig);
}

/* Of what fell off a board the first were told as paced: they are not missing as well. */
static void range_of_what_fell_leaves_out_what_was_told(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    char stem[16];
    rig_one(&rig, &topic, 5);
    rig_start_as(&topic, 0, NULL, SW_MODE_LATEST, 1);
    rig_publish(&topic, 1);
    assert_string_equal(rig_take(&rig, 0), "m6@6");
    topic.stem = stem;
    for (unsigned i = 0; i < SW_BOARD_ENTRIES + 6; i++) { /* a key each */
        snprintf(stem, sizeof(stem), "%u:", i);
        rig_publish(&topic, 1);
    }
    rig_turn(&rig);
    rig.fanout.cursors[topic.tape->hub[0].cursor].passed = -2;
    rig_live(&rig, 1100);
    assert_non_null(strstr(rig_take(&rig, 0), "dropped t 4 slow E:9-12|6:13@13|"));
    rig_deinit(&rig);
}

/* ---- names and forks ---- */

static void new_name_is_told_to_all(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
    rig_start(&topic, 0, NULL);
    rig_publish(&topic, 1);
    rig_rename(&topic, "F");
    rig_publish(&topic, 1);
    assert_string_equal(rig_take(&rig, 0), "m6@6|epoch F:6|m7@7");
    assert_string_equal(rig_position(&rig, 0, 0), "F:7");
    assert_int_equal(RIG_COUNT(&rig, due_total), 2);
    rig_deinit(&rig);
}

static void new_name_is_told_before_a_run_is_read(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 70);
    rig_answer(&topic, 0);
    rig_resume(&topic, 0, "E", 62);
    assert_string_equal(rig_take(&rig, 0), "m63@63");
    rig_rename(&topic, "F");
    rig_turn(&rig);
    rig_answer(&topic, 1);
    assert_string_equal(rig_take(&rig, 0),
                        "epoch F:63|m64@64|m65@65|m66@66|m67@67|m68@68|m69@69|m70@70");
    assert_string_equal(rig_position(&rig, 0, 0), "F:70");
    rig_deinit(&rig);
}

static void fork_resets_who_has_seen_more(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 10);
    rig_open(&rig, 1, WIDE);
    rig_start(&topic, 0, NULL);
    rig_start_as(&topic, 1, NULL, SW_MODE_LATEST, 0);
    rig_publish(&topic, 1); /* still on the tape: handed out before */
    rig_fork(&topic, "Z", 8, 9, "z");
    assert_string_equal(rig_position(&rig, 0, 0), "0:9007199254740991");
    rig_publish(&topic, 1);
    assert_string_equal(rig_take(&rig, 0), "m11@11|reset Z:9|z10@10");
    assert_string_equal(rig_take(&rig, 1), "m11@11|reset Z:9|z10@10");
    assert_string_equal(rig_position(&rig, 0, 0), "Z:10");
    assert_int_equal(RIG_COUNT(&rig, due_total), 4);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 4);
    rig_deinit(&rig);
}

static void fork_that_no_position_shows_resets_everybody(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 10);
    rig_start(&topic, 0, NULL);
    rig_publish(&topic, 1);
    topic.top = 13;
    topic.stem = "z";
    struct sw_topic_state state_of = rig_state(&topic);
    state_of.forked = true; /* the same name, but the bus found other bytes there */
    sw_tape_state(&rig.fanout, topic.tape, &state_of);
    rig_publish(&topic, 1);
    assert_string_equal(rig_take(&rig, 0), "m11@11|reset E:13|z14@14");
    assert_string_equal(rig_position(&rig, 0, 0), "E:14");
    rig_deinit(&rig);
}

static void fork_hides_no_outage_from_who_is_paced(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
    rig_start_as(&topic, 0, NULL, SW_MODE_LATEST, 1);
    rig_publish(&topic, 1);
    assert_string_equal(rig_take(&rig, 0), "m6@6");
    rig_publish(&topic, 1);
    rig_gap(&rig, topic.tape, 0, SW_SHED_FEED);
    rig_publish(&topic, 1);
    rig_turn(&rig); /* on the board, until the next tick */
    assert_string_equal(rig_take(&rig, 0), "");
    rig_fork(&topic, "Z", 7, 8, "z");
    rig_turn(&rig);
    rig_answer(&topic, 0);
    assert_string_equal(rig_take(&rig, 0), "epoch Z:6|dropped t 0 feed|z7@7|z8@8");
    rig_deinit(&rig);
}

static void fork_sheds_what_was_due(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 70);
    rig_answer(&topic, 0);
    rig_resume(&topic, 0, "E", 62);
    rig_drain(&rig, 0);
    rig_send(&rig, topic.tape, "raw");
    rig_turn(&rig);
    rig_fork(&topic, "Z", 50, 55, "z");
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "m63@63|dropped t 1 feed|reset Z:55");
    assert_int_equal(RIG_SHED(&rig, FEED), 8);
    rig_publish(&topic, 1);
    assert_string_equal(rig_take(&rig, 0), "z56@56");
    rig_deinit(&rig);
}

static void who_stands_before_the_fork_goes_on(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 130);
    rig_answer(&topic, 0);
    rig_resume(&topic, 0, "E", 62);
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "m63@63");
    rig_fork(&topic, "Z", 64, 66, "z");
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "epoch Z:63");
    rig_answer(&topic, 1);
    assert_string_equal(rig_take(&rig, 0), "z64@64|z65@65|z66@66");
    assert_string_equal(rig_position(&rig, 0, 0), "Z:66");
    assert_int_equal(RIG_COUNT(&rig, behind), 0);
    rig_deinit(&rig);
}

static void longer_fork_owes_more(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 66);
    rig_answer(&topic, 0);
    rig_resume(&topic, 0, "E", 62);
    rig_drain(&rig, 0);
    rig_fork(&topic, "Z", 64, 69, "z");
    assert_int_equal(RIG_COUNT(&rig, behind), 6);
    rig_drain(&rig, 0);
    rig_answer(&topic, 1);
    assert_string_equal(rig_take(&rig, 0),
                        "m63@63|epoch Z:63|z64@64|z65@65|z66@66|z67@67|z68@68|z69@69");
    rig_deinit(&rig);
}

static void runs_of_the_former_stream_are_not_read(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 70);
    rig_answer(&topic, 1);
    rig_fork(&topic, "Z", 64, 66, "z");
    struct sw_claim claim = rig_from("E", 64);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    assert_string_equal(rig_asked(&rig), "1 ");
    rig_answer(&topic, 1);
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_true(start.resumed);
    rig_start(&topic, 0, &start);
    assert_string_equal(rig_take(&rig, 0), "z65@65|z66@66");
    claim = rig_from("E", 65);
    assert_false(rig_resolve(&topic, &claim, &start));
    assert_string_equal(rig_asked(&rig), "check 1 ");
    rig_deinit(&rig);
}

/* Messages of the former stream stand on the tape while somebody reads them; nobody finds them. */
static void tape_of_the_former_stream_is_not_read(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
    rig_open(&rig, 1, 1);
    rig_start(&topic, 1, NULL);
    for (unsigned i = 0; i < 2000; i++) {
        rig_publish(&topic, 1);
    }
    rig_turn(&rig);
    assert_non_null(topic.tape->history->oldest);
    rig_fork(&topic, "Z", 1000, 2005, "z");
    assert_null(topic.tape->history->oldest);
    struct sw_claim claim = rig_from("Z", 2004);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    assert_string_equal(rig_asked(&rig), "31 ");
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_carry_their_offsets),
        cmocka_unit_test(plain_topic_has_no_position),
        cmocka_unit_test(position_at_the_top_is_resumed_at_once),
        cmocka_unit_test(position_behind_it_is_asked_for),
        cmocka_unit_test(position_whose_next_is_gone_is_trimmed),
        cmocka_unit_test(beginning_is_resumed_while_it_is_held),
        cmocka_unit_test(foreign_position_is_checked_before_it_is_refused),
        cmocka_unit_test(check_that_finds_the_name_resumes),
        cmocka_unit_test(position_above_the_top_is_not_good),
        cmocka_unit_test(manner_without_order_is_not_resumed),
        cmocka_unit_test(last_gives_what_is_held),
        cmocka_unit_test(last_of_an_empty_history_is_nothing),
        cmocka_unit_test(retained_message_comes_first),
        cmocka_unit_test(retained_message_goes_with_an_outage),
        cmocka_unit_test(range_of_what_fell_leaves_out_what_was_told),
        cmocka_unit_test(new_name_is_told_to_all),
        cmocka_unit_test(new_name_is_told_before_a_run_is_read),
        cmocka_unit_test(fork_resets_who_has_seen_more),
        cmocka_unit_test(fork_that_no_position_shows_resets_everybody),
        cmocka_unit_test(fork_hides_no_outage_from_who_is_paced),
        cmocka_unit_test(fork_sheds_what_was_due),
        cmocka_unit_test(who_stands_before_the_fork_goes_on),
        cmocka_unit_test(longer_fork_owes_more),
        cmocka_unit_test(runs_of_the_former_stream_are_not_read),
        cmocka_unit_test(tape_of_the_former_stream_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
