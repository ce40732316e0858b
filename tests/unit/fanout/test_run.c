// SPDX-License-Identifier: Apache-2.0
/* Runs of a history: asked for, read by many, missing in part; and who is slow beside one. */
#include "fanout/run.h"
#include "rig_clock.h"
#include "rig_history.h"

#define WIDE 0

/* ---- runs ---- */

static void run_is_rendered_once_for_all(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 60);
    for (uint32_t slot = 1; slot < 4; slot++) {
        rig_open(&rig, slot, WIDE);
    }
    struct sw_claim claim = rig_from("E", 10);
    struct sw_start start;
    assert_false(rig_resolve(&topic, &claim, &start));
    rig_answer(&topic, 0);
    assert_int_equal(rig_rendered, 60);
    for (uint32_t slot = 0; slot < 4; slot++) {
        rig_resume(&topic, slot, "E", 55 + slot);
    }
    assert_string_equal(rig_take(&rig, 0), "m56@56|m57@57|m58@58|m59@59|m60@60");
    assert_string_equal(rig_take(&rig, 3), "m59@59|m60@60");
    assert_int_equal(rig_rendered, 60);
    assert_true(RIG_COUNT(&rig, block_bytes) > 0); /* it is kept for the next one */
    rig_deinit(&rig);
}

static void hole_in_a_run_is_told(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 70);
    topic.hole = 65;
    rig_answer(&topic, 0);
    rig_resume(&topic, 0, "E", 62); /* what is asked for later is not known yet */
    assert_string_equal(rig_take(&rig, 0), "m63@63");
    rig_answer(&topic, 1);
    assert_string_equal(rig_take(&rig, 0),
                        "m64@64|dropped t 1 slow E:65-65|m66@66|m67@67|m68@68|m69@69|m70@70");
    assert_int_equal(RIG_SHED(&rig, SLOW), 1);
    assert_int_equal(RIG_COUNT(&rig, due_total), 8);
    rig_deinit(&rig);
}

static void hole_that_is_known_is_not_resumed_over(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
    topic.hole = 3;
    rig_answer(&topic, 0);
    struct sw_claim claim = rig_from("E", 1);
    struct sw_start start;
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_int_equal(start.why, SW_WHY_TRIMMED);
    claim = rig_from("E", 3);
    assert_true(rig_resolve(&topic, &claim, &start));
    assert_true(start.resumed);
    rig_deinit(&rig);
}

/* On a topic that never rests too: what came since the answer stands on the tape for the turn. */
static void end_of_the_history_is_reached_while_messages_come(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 10);
    rig_open(&rig, 1, WIDE);
    rig_start(&topic, 1, NULL);
    rig_answer(&topic, 0);
    rig_resume(&topic, 0, "E", 5);
    rig_publish(&topic, 1);
    rig_turn(&rig);
    assert_string_equal(rig_received(&rig, 0), "m6@6|m7@7|m8@8|m9@9|m10@10|m11@11");
    assert_int_equal(sw_reader(&rig.fanout, 0)->cursors, 0);
    assert_string_equal(rig_asked(&rig), "");
    rig_deinit(&rig);
}

/* Those who are brought up to date wait for those who are not. */
static void replays_come_behind_what_is_live(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 60);
    rig_open(&rig, 1, WIDE);
    rig_answer(&topic, 0);
    rig_resume(&topic, 0, "E", 10);
    rig_say(&rig, 1, "live");
    assert_int_equal(rig.fanout.due_head, 2);
    assert_int_equal(rig.fanout.due_tail, 1);
    rig_drain(&rig, 0);
    assert_int_equal(rig.fanout.due_head, 0);
    assert_int_equal(rig.fanout.due_live, 0);
    rig_deinit(&rig);
}

/* The run that holds the top is asked again as the stream goes on; what is on the tape meanwhile is
 * read there. */
static void place_on_the_tape_is_exact(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
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
    assert_string_equal(rig_take(&rig, 0), "m7@7|raw|m8@8");
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
    rig_one(&rig, &topic, 200);
    sw_purse_init(&purse, NULL, parts);
    rig.fanout.pool.purse = &purse;
    rig_answer(&topic, 0);
    rig_answer(&topic, 1);
    rig_resume(&topic, 0, "E", 60);
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

/* The first run, of messages of 1 KB. */
static void answer_large(struct rig_topic *topic)
{
    struct sw_run *run = sw_zalloc(sizeof(*run) + SW_RUN_OFFSETS * sizeof(run->frames[0]));
    char text[1024];
    memset(text, '.', sizeof(text));
    run->to = SW_RUN_OFFSETS - 1;
    while (run->count < run->to) {
        struct sw_message *message = sw_message_create(
            SW_SLICE("t"), SW_SLICE(""), sw_slice(text, sizeof(text)), 0, sw_clock_ns());
        run->frames[run->count++].message = message;
        run->frames[run->count - 1].offset = run->count;
    }
    sw_tape_run(&topic->rig->fanout, topic->tape, run);
    while (run->count > 0) {
        sw_message_unref(run->frames[--run->count].message);
    }
    sw_free(run);
}

/* While memory is short nobody keeps a run by not reading. */
static void silent_reader_gives_its_run_back(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_init_marks(&rig, 1, &tight);
    rig_topic_init(&topic, &rig, "t", "E", SW_RUN_OFFSETS - 1);
    rig_open(&rig, 0, 1);
    answer_large(&topic);
    rig_resume(&topic, 0, "E", 10);
    rig_turn(&rig);
    const struct sw_run_kept *run = sw_run_find(topic.tape, 0);
    assert_int_equal(run->standing, 1);
    sw_policy_shed_older(&rig.fanout, 0, 0);
    assert_int_equal(run->standing, 0);
    rig_drain(&rig, 0);
    assert_int_equal(RIG_COUNT(&rig, sent_total), SW_RUN_OFFSETS - 1 - 10);
    assert_string_equal(rig_position(&rig, 0, 0), "E:63");
    rig_deinit(&rig);
}

/* ---- gaps ---- */

static void reader_of_all_asks_for_what_its_worker_missed(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
    rig_open(&rig, 1, WIDE);
    rig_start(&topic, 0, NULL);
    rig_start_as(&topic, 1, NULL, SW_MODE_LATEST, 0);
    rig_publish(&topic, 1);
    rig_miss(&topic, 2, 1, SW_SHED_NODE);
    rig_publish(&topic, 1);
    assert_string_equal(rig_take(&rig, 1), "m6@6|dropped t 3 node E:7-8|m9@9");
    assert_string_equal(rig_take(&rig, 0), "m6@6");
    assert_string_equal(rig_asked(&rig), "0 ");
    rig_answer(&topic, 0);
    assert_string_equal(rig_take(&rig, 0), "m7@7|m8@8|m9@9|dropped t 1 slow");
    assert_int_equal(RIG_COUNT(&rig, due_total), 10);
    assert_int_equal(RIG_COUNT(&rig, behind), 0);
    rig_deinit(&rig);
}

static void what_is_gone_has_the_mark_s_reason(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
    rig_start(&topic, 0, NULL);
    rig_miss(&topic, 2, 0, SW_SHED_FEED);
    topic.first = 8;
    rig_publish(&topic, 1);
    rig_drain(&rig, 0);
    rig_answer(&topic, 0);
    assert_string_equal(rig_take(&rig, 0), "dropped t 2 feed E:6-7|m8@8");
    assert_int_equal(RIG_SHED(&rig, FEED), 2);
    rig_deinit(&rig);
}

static void asking_does_not_make_it_smaller(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
    rig_start(&topic, 0, NULL);
    rig_miss(&topic, 1, 0, SW_SHED_TOO_LARGE);
    rig_publish(&topic, 1);
    assert_string_equal(rig_take(&rig, 0), "dropped t 1 too_large E:6-6|m7@7");
    assert_string_equal(rig_asked(&rig), "");
    rig_deinit(&rig);
}

static void outage_has_no_offsets(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
    rig_start(&topic, 0, NULL);
    rig_gap(&rig, topic.tape, 0, SW_SHED_FEED);
    rig_publish(&topic, 1);
    assert_string_equal(rig_take(&rig, 0), "dropped t 0 feed|m6@6");
    rig_deinit(&rig);
}

/* Blocks with offsets and without take turns, so that it has more of them than one write takes. */
static void outage_is_told_however_long_its_turn(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_topic topic;
    rig_one(&rig, &topic, 5);
    rig_start(&topic, 0, NULL);
    rig_miss(&topic, 1, 0, SW_SHED_FEED);
    rig_drain(&rig, 0); /* it asks for what its worker missed, and waits */
    assert_string_equal(rig_asked(&rig), "0 ");
    for (unsigned i = 0; i < SW_FLUSH_PIECES; i++) {
        rig_publish(&topic, 1);
        rig_append(&rig, topic.tape, SW_SLICE("plain"));
    }
    rig_gap(&rig, topic.tape, 0, SW_SHED_FEED);
    rig_publish(&topic, 1);
    rig_turn(&rig);
    rig_answer(&topic, 0);
    rig_drain(&rig, 0);
    rig_answer(&topic, 1);
    const char *text = rig_take(&rig, 0);
    assert_non_null(strstr(text, "dropped t 0 feed|m6@6|"));
    assert_non_null(strstr(text, "|m71@71"));
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_is_rendered_once_for_all),
        cmocka_unit_test(hole_in_a_run_is_told),
        cmocka_unit_test(hole_that_is_known_is_not_resumed_over),
        cmocka_unit_test(replays_come_behind_what_is_live),
        cmocka_unit_test(end_of_the_history_is_reached_while_messages_come),
        cmocka_unit_test(place_on_the_tape_is_exact),
        cmocka_unit_test(runs_that_there_is_no_room_for_go),
        cmocka_unit_test(slow_reader_of_all_loses_nothing),
        cmocka_unit_test(silent_reader_gives_its_run_back),
        cmocka_unit_test(reader_of_all_asks_for_what_its_worker_missed),
        cmocka_unit_test(what_is_gone_has_the_mark_s_reason),
        cmocka_unit_test(asking_does_not_make_it_smaller),
        cmocka_unit_test(outage_has_no_offsets),
        cmocka_unit_test(outage_is_told_however_long_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
