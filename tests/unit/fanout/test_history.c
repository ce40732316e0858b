// SPDX-License-Identifier: Apache-2.0
/* Readers of a topic with history: where they begin, what they ask for, what they are told. */
#include "rig_clock.h"
#include "rig_history.h"

#define WIDE 0

/* A topic `t` of epoch E at `top`, and a client on slot 0. */
static void one(struct rig *rig, struct rig_topic *topic, uint64_t top)
{
    rig_init(rig, 4, 1u << 20);
    rig_topic_init(topic, rig, "t", "E", top);
    rig_open(rig, 0, WIDE);
}

static const char *drain(struct rig *rig, uint32_t slot)
{
    rig_drain(rig, slot);
    return rig_text(rig, slot);
}

/* A client on `slot` that reads from a position on. */
static void resume(struct rig_topic *topic, uint32_t slot, const char *epoch, uint64_t offset)
{
    struct sw_claim claim = rig_from(epoch, offset);
    struct sw_start start;
    assert_true(rig_resolve(topic, &claim, &start));
    assert_true(start.resumed);
    assert_int_equal(start.replay, topic->top - offset);
    rig_start(topic, slot, &start);
}

/* ---- live ---- */

static void messages_carry_their_offsets(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 41);
    rig_start(&topic, 0, NULL);
    assert_string_equal(rig_position(&rig, 0, 0), "E:41");
    rig_publish(&topic, 1);
    rig_send(&rig, topic.tape, "raw");
    rig_publish(&topic, 2);
    assert_string_equal(rig_position(&rig, 0, 0), "E:41");
    assert_string_equal(drain(&rig, 0), "m42@42|raw|m43@43|m44@44");
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
    one(&rig, &topic, 44);
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
    one(&rig, &topic, 130);
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
    assert_string_equal(drain(&rig, 0), "m63@63");
    assert_string_equal(rig_asked(&rig), "1 ");
    assert_string_equal(rig_position(&rig, 0, 0), "E:63");
    rig_answer(&topic, 1);
    assert_string_equal(drain(&rig, 0) + strlen(drain(&rig, 0)), "");
    assert_string_equal(rig_asked(&rig), "2 ");
    rig_answer(&topic, 2);
    assert_string_equal(drain(&rig, 0), "m128@128|m129@129|m130@130|m131@131|m132@132");
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
    one(&rig, &topic, 50);
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
    one(&rig, &topic, 2);
    struct sw_claim claim = rig_from("0", 0);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    rig_answer(&topic, 0);
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_true(start.resumed);
    rig_start(&topic, 0, &start);
    assert_string_equal(drain(&rig, 0), "m1@1|m2@2");
    rig_deinit(&rig);
}

/* Another node may have given the name: only a look that begins behind the question decides. */
static void foreign_position_is_checked_before_it_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 5);
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
    one(&rig, &topic, 5);
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
    one(&rig, &topic, 5);
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
    one(&rig, &topic, 5);
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
    one(&rig, &topic, 100);
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
    one(&rig, &topic, 100);
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

static void retained_message_comes_first(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3, 1u << 20);
    struct sw_tape *tape = sw_tape_create(&rig.fanout, 0, SW_SLICE("r"), false);
    struct sw_message *message =
        sw_message_create(SW_SLICE("r"), SW_SLICE(""), SW_SLICE("kept"), 0, sw_clock_ns());
    struct sw_topic_state said = {.retained = message};
    struct sw_list waiting;
    sw_tape_state(&rig.fanout, tape, &said);
    sw_message_unref(message);
    sw_tape_joined(tape, &waiting);
    struct sw_claim claim = rig_last(5);
    struct sw_start start;
    assert_true(sw_tape_resolve(&rig.fanout, tape, (struct sw_manner){0}, &claim, &start));
    assert_int_equal(start.replay, 1);
    for (uint32_t slot = 0; slot < 3; slot++) {
        rig_open(&rig, slot, WIDE);
    }
    sw_hub_subscribe(&rig.fanout, tape, 0, 0, (struct sw_manner){0}, &start);
    sw_hub_subscribe(&rig.fanout, tape, 1, 0, (struct sw_manner){0}, NULL);
    assert_string_equal(drain(&rig, 0), "kept");
    rig_send(&rig, tape, "next");
    assert_string_equal(drain(&rig, 0), "next");
    assert_string_equal(drain(&rig, 1), "next");
    assert_true(RIG_COUNT(&rig, block_bytes) > 0); /* the one block of a quiet tape */
    assert_true(sw_tape_resolve(&rig.fanout, tape, (struct sw_manner){0}, &claim, &start));
    sw_hub_subscribe(&rig.fanout, tape, 2, 0, (struct sw_manner){0}, &start);
    rig_send(&rig, tape, "last");
    assert_string_equal(drain(&rig, 2), "next|last");
    assert_int_equal(RIG_COUNT(&rig, due_total), RIG_COUNT(&rig, sent_total));
    rig_deinit(&rig);
}

/* ---- runs ---- */

static void run_is_rendered_once_for_all(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 60);
    for (uint32_t slot = 1; slot < 4; slot++) {
        rig_open(&rig, slot, WIDE);
    }
    struct sw_claim claim = rig_from("E", 10);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    rig_answer(&topic, 0);
    assert_int_equal(rig_rendered, 60);
    for (uint32_t slot = 0; slot < 4; slot++) {
        resume(&topic, slot, "E", 55 + slot);
    }
    assert_string_equal(drain(&rig, 0), "m56@56|m57@57|m58@58|m59@59|m60@60");
    assert_string_equal(drain(&rig, 3), "m59@59|m60@60");
    assert_int_equal(rig_rendered, 60);
    assert_true(RIG_COUNT(&rig, block_bytes) > 0); /* it is kept for the next one */
    rig_deinit(&rig);
}

static void hole_in_a_run_is_told(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 5);
    topic.hole = 3;
    struct sw_claim claim = rig_from("E", 1);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    rig_answer(&topic, 0);
    assert_true(rig_resolve(&topic, &claim, &start));
    rig_start(&topic, 0, &start);
    assert_string_equal(drain(&rig, 0), "m2@2|dropped t 1 slow E:3-3|m4@4|m5@5");
    assert_int_equal(RIG_SHED(&rig, SLOW), 1);
    assert_int_equal(RIG_COUNT(&rig, due_total), 4);
    rig_deinit(&rig);
}

/* The run that holds the top is asked again as the stream goes on; what is on the tape meanwhile is
 * read there. */
static void place_on_the_tape_is_exact(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 5);
    rig_open(&rig, 1, 4096);
    rig_start(&topic, 1, NULL);
    char filler[3000];
    memset(filler, '.', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = 0;
    for (unsigned i = 0; i < 8; i++) { /* one who holds what is on the tape */
        rig_send(&rig, topic.tape, filler);
        rig_turn(&rig);
    }
    rig_publish(&topic, 2);
    rig_send(&rig, topic.tape, "raw");
    rig_publish(&topic, 1);
    rig_turn(&rig);
    struct sw_claim claim = rig_from("E", 6);
    struct sw_start start;
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_string_equal(rig_asked(&rig), "");
    rig_start(&topic, 0, &start);
    int64_t due = RIG_COUNT(&rig, due_total);
    /* what has no offset and stands between comes too, and is due as well */
    assert_string_equal(drain(&rig, 0), "m7@7|raw|m8@8");
    assert_int_equal(RIG_COUNT(&rig, due_total), due + 1);
    assert_string_equal(rig_position(&rig, 0, 0), "E:8");
    rig_deinit(&rig);
}

static void runs_that_there_is_no_room_for_go(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    struct sw_purse purse;
    _Atomic int64_t parts[SW_PART_COUNT] = {0};
    one(&rig, &topic, 200);
    sw_purse_init(&purse, NULL, parts);
    rig.fanout.pool.purse = &purse;
    rig_answer(&topic, 0);
    rig_answer(&topic, 1);
    resume(&topic, 0, "E", 60);
    purse.step = SW_BUDGET_TIGHT;
    assert_string_equal(rig_asked(&rig), "");
    rig_turn(&rig);
    assert_int_equal(topic.tape->history->runs_count, 0);
    rig_drain(&rig, 0);
    assert_int_equal(sw_reader(&rig.fanout, 0)->behind, 200 - 127);
    assert_string_equal(rig_asked(&rig), "2 ");
    rig.fanout.pool.purse = NULL;
    rig_deinit(&rig);
}

/* ---- slow readers ---- */

static const struct sw_marks tight = {
    .low_bytes = 20000, .high_bytes = 60000, .high_messages = 300, .max_bytes = 300000};

/* Publishes so many of 1 KB, a turn for each. */
static void publish_large(struct rig_topic *topic, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char text[1024];
        memset(text, '.', sizeof(text));
        struct sw_message *message = sw_message_create(
            SW_SLICE("t"), SW_SLICE(""), sw_slice(text, sizeof(text)), 0, sw_clock_ns());
        sw_tape_append(&topic->rig->fanout, topic->tape, message, ++topic->top);
        sw_message_unref(message);
        rig_pass(topic->rig, 2);
    }
}

/* What can be read later is let go of, not shed; what is held does not grow. */
static void slow_reader_of_all_loses_nothing(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_init_marks(&rig, 2, &tight);
    rig_topic_init(&topic, &rig, "t", "E", 100);
    rig_open(&rig, 0, 1);
    rig_start(&topic, 0, NULL);
    publish_large(&topic, 400); /* it reads nothing */
    assert_true(RIG_COUNT(&rig, queued_bytes) <= (int64_t)tight.high_bytes + 2048);
    int64_t held = RIG_COUNT(&rig, block_bytes);
    publish_large(&topic, 400);
    assert_true(RIG_COUNT(&rig, queued_bytes) <= (int64_t)tight.high_bytes + 2048);
    assert_true(RIG_COUNT(&rig, block_bytes) <= held + (1 << 17));
    assert_int_equal(RIG_SHED(&rig, SLOW), 0);
    assert_true(RIG_COUNT(&rig, behind) > 700);
    for (unsigned i = 0; i < 400; i++) { /* it reads again */
        rig_read(&rig, 0, SIZE_MAX);
        rig_pass(&rig, 20);
        struct sw_slice asked = sw_buf_slice(&rig.asked);
        while (asked.size) {
            uint64_t number;
            if (sw_slice_to_u64(sw_slice_split(&asked, ' '), UINT64_MAX, &number)) {
                rig_answer(&topic, number);
            }
        }
        sw_buf_clear(&rig.asked);
    }
    assert_int_equal(RIG_COUNT(&rig, behind), 0);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 800);
    assert_int_equal(RIG_SHED(&rig, SLOW), 0);
    assert_string_equal(rig_position(&rig, 0, 0), "E:900");
    rig_deinit(&rig);
}

/* ---- gaps ---- */

static void reader_of_all_asks_for_what_its_worker_missed(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 5);
    rig_open(&rig, 1, WIDE);
    rig_start(&topic, 0, NULL);
    rig_start_as(&topic, 1, NULL, SW_MODE_LATEST, 0);
    rig_publish(&topic, 1);
    rig_miss(&topic, 2, 1, SW_SHED_NODE);
    rig_publish(&topic, 1);
    assert_string_equal(drain(&rig, 1), "m6@6|dropped t 3 node E:7-8|m9@9");
    assert_string_equal(drain(&rig, 0), "m6@6");
    assert_string_equal(rig_asked(&rig), "0 ");
    rig_answer(&topic, 0);
    assert_string_equal(drain(&rig, 0), "m7@7|m8@8|m9@9|dropped t 1 slow");
    assert_int_equal(RIG_COUNT(&rig, due_total), 10);
    assert_int_equal(RIG_COUNT(&rig, behind), 0);
    rig_deinit(&rig);
}

static void what_is_gone_has_the_mark_s_reason(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 5);
    rig_start(&topic, 0, NULL);
    rig_miss(&topic, 2, 0, SW_SHED_FEED);
    topic.first = 8;
    rig_publish(&topic, 1);
    rig_drain(&rig, 0);
    rig_answer(&topic, 0);
    assert_string_equal(drain(&rig, 0), "dropped t 2 feed E:6-7|m8@8");
    assert_int_equal(RIG_SHED(&rig, FEED), 2);
    rig_deinit(&rig);
}

static void asking_does_not_make_it_smaller(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 5);
    rig_start(&topic, 0, NULL);
    rig_miss(&topic, 1, 0, SW_SHED_TOO_LARGE);
    rig_publish(&topic, 1);
    assert_string_equal(drain(&rig, 0), "dropped t 1 too_large E:6-6|m7@7");
    assert_string_equal(rig_asked(&rig), "");
    rig_deinit(&rig);
}

static void outage_has_no_offsets(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 5);
    rig_start(&topic, 0, NULL);
    rig_gap(&rig, topic.tape, 0, SW_SHED_FEED);
    rig_publish(&topic, 1);
    assert_string_equal(drain(&rig, 0), "dropped t 0 feed|m6@6");
    rig_deinit(&rig);
}

/* ---- names and forks ---- */

static void new_name_is_told_to_all(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 5);
    rig_start(&topic, 0, NULL);
    rig_publish(&topic, 1);
    rig_rename(&topic, "F");
    rig_publish(&topic, 1);
    assert_string_equal(drain(&rig, 0), "m6@6|epoch F:6|m7@7");
    assert_string_equal(rig_position(&rig, 0, 0), "F:7");
    assert_int_equal(RIG_COUNT(&rig, due_total), 2);
    rig_deinit(&rig);
}

static void new_name_is_told_before_a_run_is_read(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 70);
    rig_answer(&topic, 0);
    resume(&topic, 0, "E", 62);
    assert_string_equal(drain(&rig, 0), "m63@63");
    rig_rename(&topic, "F");
    rig_turn(&rig);
    rig_answer(&topic, 1);
    assert_string_equal(drain(&rig, 0),
                        "epoch F:63|m64@64|m65@65|m66@66|m67@67|m68@68|m69@69|m70@70");
    assert_string_equal(rig_position(&rig, 0, 0), "F:70");
    rig_deinit(&rig);
}

static void fork_resets_who_has_seen_more(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 10);
    rig_open(&rig, 1, WIDE);
    rig_start(&topic, 0, NULL);
    rig_start_as(&topic, 1, NULL, SW_MODE_LATEST, 0);
    rig_publish(&topic, 1); /* still on the tape: handed out before */
    rig_fork(&topic, "Z", 8, 9, "z");
    assert_string_equal(rig_position(&rig, 0, 0), "0:9007199254740991");
    rig_publish(&topic, 1);
    assert_string_equal(drain(&rig, 0), "m11@11|reset Z:9|z10@10");
    assert_string_equal(drain(&rig, 1), "m11@11|reset Z:9|z10@10");
    assert_string_equal(rig_position(&rig, 0, 0), "Z:10");
    assert_int_equal(RIG_COUNT(&rig, due_total), 4);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 4);
    rig_deinit(&rig);
}

static void fork_sheds_what_was_due(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 70);
    rig_answer(&topic, 0);
    resume(&topic, 0, "E", 62);
    rig_drain(&rig, 0);
    rig_send(&rig, topic.tape, "raw");
    rig_turn(&rig);
    rig_fork(&topic, "Z", 50, 55, "z");
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "m63@63|dropped t 1 feed|reset Z:55");
    assert_int_equal(RIG_SHED(&rig, FEED), 8);
    rig_publish(&topic, 1);
    assert_string_equal(drain(&rig, 0), "z56@56");
    rig_deinit(&rig);
}

static void who_stands_before_the_fork_goes_on(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 130);
    rig_answer(&topic, 0);
    resume(&topic, 0, "E", 62);
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "m63@63");
    rig_fork(&topic, "Z", 64, 66, "z");
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "epoch Z:63");
    rig_answer(&topic, 1);
    assert_string_equal(drain(&rig, 0), "z64@64|z65@65|z66@66");
    assert_string_equal(rig_position(&rig, 0, 0), "Z:66");
    assert_int_equal(RIG_COUNT(&rig, behind), 0);
    rig_deinit(&rig);
}

static void longer_fork_owes_more(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 66);
    rig_answer(&topic, 0);
    resume(&topic, 0, "E", 62);
    rig_drain(&rig, 0);
    rig_fork(&topic, "Z", 64, 69, "z");
    assert_int_equal(RIG_COUNT(&rig, behind), 6);
    rig_drain(&rig, 0);
    rig_answer(&topic, 1);
    assert_string_equal(drain(&rig, 0),
                        "m63@63|epoch Z:63|z64@64|z65@65|z66@66|z67@67|z68@68|z69@69");
    rig_deinit(&rig);
}

static void runs_of_the_former_stream_are_not_read(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    one(&rig, &topic, 70);
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
    assert_string_equal(drain(&rig, 0), "z65@65|z66@66");
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
    one(&rig, &topic, 5);
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
        cmocka_unit_test(run_is_rendered_once_for_all),
        cmocka_unit_test(hole_in_a_run_is_told),
        cmocka_unit_test(place_on_the_tape_is_exact),
        cmocka_unit_test(runs_that_there_is_no_room_for_go),
        cmocka_unit_test(slow_reader_of_all_loses_nothing),
        cmocka_unit_test(reader_of_all_asks_for_what_its_worker_missed),
        cmocka_unit_test(what_is_gone_has_the_mark_s_reason),
        cmocka_unit_test(asking_does_not_make_it_smaller),
        cmocka_unit_test(outage_has_no_offsets),
        cmocka_unit_test(new_name_is_told_to_all),
        cmocka_unit_test(new_name_is_told_before_a_run_is_read),
        cmocka_unit_test(fork_resets_who_has_seen_more),
        cmocka_unit_test(fork_sheds_what_was_due),
        cmocka_unit_test(who_stands_before_the_fork_goes_on),
        cmocka_unit_test(longer_fork_owes_more),
        cmocka_unit_test(runs_of_the_former_stream_are_not_read),
        cmocka_unit_test(tape_of_the_former_stream_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
