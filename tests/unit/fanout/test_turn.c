// SPDX-License-Identifier: Apache-2.0
/* What a turn does for readers who keep up: one system call each, whatever came. */
#include "rig.h"

#define QUEUE (8u << 20)

static void messages_of_a_turn_reach_each_reader_by_one_send(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3, QUEUE);
    struct sw_tape *tape = rig_tape(&rig, "a");
    for (uint32_t slot = 0; slot < 3; slot++) {
        rig_open(&rig, slot, 0);
        rig_subscribe(&rig, slot, tape);
    }
    rig_send(&rig, tape, "1");
    rig_send(&rig, tape, "2");
    rig_send(&rig, tape, "");
    rig_send(&rig, tape, "4");
    assert_int_equal(RIG_COUNT(&rig, writes_total), 0);
    rig_turn(&rig);
    assert_int_equal(RIG_COUNT(&rig, writes_total), 3);
    assert_int_equal(RIG_COUNT(&rig, turns_total), 1);
    assert_int_equal(RIG_COUNT(&rig, due_total), 12);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 12);
    assert_int_equal(rig_rendered, 4);
    assert_int_equal(rig.fanout.cursors_high, 1); /* none was ever made */
    assert_int_equal(RIG_COUNT(&rig, block_bytes), 0);
    for (uint32_t slot = 0; slot < 3; slot++) {
        assert_int_equal(sw_reader(&rig.fanout, slot)->sent, 4);
        assert_string_equal(rig_received(&rig, slot), "1|2||4");
    }
    rig_turn(&rig);
    assert_int_equal(RIG_COUNT(&rig, writes_total), 3);
    assert_int_equal(RIG_COUNT(&rig, turns_total), 1);
    rig_deinit(&rig);
}

static void several_tapes_reach_each_reader_by_one_send(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 4, QUEUE);
    struct sw_tape *tapes[] = {rig_tape(&rig, "a"), rig_tape(&rig, "b"), rig_tape(&rig, "c")};
    for (uint32_t slot = 0; slot < 4; slot++) {
        rig_open(&rig, slot, 0);
        for (size_t i = 0; i < 3; i++) {
            rig_subscribe(&rig, slot, tapes[i]);
        }
    }
    rig_send(&rig, tapes[2], "c1");
    rig_send(&rig, tapes[0], "a1");
    rig_send(&rig, tapes[2], "c2");
    rig_send(&rig, tapes[1], "b1");
    rig_turn(&rig);
    assert_int_equal(RIG_COUNT(&rig, writes_total), 4);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 16);
    assert_int_equal(rig.fanout.cursors_high, 1);
    assert_int_equal(RIG_COUNT(&rig, block_bytes), 0);
    for (uint32_t slot = 0; slot < 4; slot++) {
        assert_int_equal(sw_reader(&rig.fanout, slot)->flags, 0);
        assert_string_equal(rig_received(&rig, slot), "c1|c2|a1|b1");
    }
    rig_deinit(&rig);
}

/* Lists of pieces that are the same, shorter, longer and in part the same as the one before. */
static void items_gathered_for_one_reader_are_not_anothers(void **state)
{
    (void)state;
    static const struct {
        const char *topics;
        const char *text;
    } rows[] = {
        {"ab", "a|b"}, {"ab", "a|b"},       {"abc", "a|b|c"}, {"bc", "b|c"}, {"ac", "a|c"},
        {"ab", "a|b"}, {"abcd", "a|b|c|d"}, {"cd", "c|d"},    {"ad", "a|d"}, {"bd", "b|d"},
    };
    struct rig rig;
    rig_init(&rig, SW_ARRAY_SIZE(rows), QUEUE);
    struct sw_tape *tapes[] = {rig_tape(&rig, "a"), rig_tape(&rig, "b"), rig_tape(&rig, "c"),
                               rig_tape(&rig, "d")};
    for (uint32_t slot = 0; slot < SW_ARRAY_SIZE(rows); slot++) {
        rig_open(&rig, slot, 0);
        for (const char *topic = rows[slot].topics; *topic; topic++) {
            rig_subscribe(&rig, slot, tapes[*topic - 'a']);
        }
    }
    for (unsigned turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < 4; i++) {
            rig_append(&rig, tapes[i], sw_slice(&"abcd"[i], 1));
        }
        rig_turn(&rig);
        for (uint32_t slot = 0; slot < SW_ARRAY_SIZE(rows); slot++) {
            assert_string_equal(rig_received(&rig, slot), rows[slot].text);
        }
    }
    assert_int_equal(RIG_COUNT(&rig, writes_total), 2 * SW_ARRAY_SIZE(rows));
    rig_deinit(&rig);
}

/* `tapes` tapes with one message of `size` bytes each: copied together, by sendmsg, or as cursors.
 */
static void turn_of_many_tapes(unsigned tapes, size_t size, int64_t writes)
{
    struct rig rig;
    rig_init(&rig, 1, QUEUE);
    rig_open(&rig, 0, 4 << 20);
    char names[SW_SESSION_TOPICS][16];
    for (unsigned i = 0; i < tapes; i++) {
        snprintf(names[i], sizeof(names[i]), "t%u", i);
        rig_subscribe(&rig, 0, rig_tape(&rig, names[i]));
    }
    for (unsigned i = 0; i < tapes; i++) {
        rig_send_long(&rig, rig.fanout.tapes[i], names[i], size);
    }
    rig_turn(&rig);
    if (writes) {
        assert_int_equal(RIG_COUNT(&rig, writes_total), writes);
    }
    rig_drain(&rig, 0);
    const char *text = rig_text(&rig, 0);
    for (unsigned i = 0; i < tapes; i++) {
        size_t n = strlen(names[i]);
        assert_memory_equal(text, names[i], n);
        text += n + (i + 1 < tapes);
    }
    assert_int_equal(*text, 0);
    assert_int_equal(RIG_COUNT(&rig, sent_total), tapes);
    assert_int_equal(rig.fanout.cursors_used, 0);
    assert_int_equal(RIG_COUNT(&rig, block_bytes), 0);
    rig_deinit(&rig);
}

static void turn_of_any_shape_arrives_in_order(void **state)
{
    (void)state;
    turn_of_many_tapes(2, 100, 1);
    turn_of_many_tapes(2, SW_GATHER_BYTES, 1); /* sendmsg */
    turn_of_many_tapes(SW_FLUSH_PIECES, 1000, 1);
    turn_of_many_tapes(SW_FLUSH_PIECES + 1, 900, 1); /* more than sendmsg takes: copied */
    turn_of_many_tapes(SW_SESSION_TOPICS, 100, 1);
    turn_of_many_tapes(100, 1000, 0); /* too much to copy: cursors */
    turn_of_many_tapes(6, 200000, 0); /* more than a session gets in one turn */
}

static void reader_of_one_tape_is_written_to_at_once_beside_other_dirty_tapes(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 2, QUEUE);
    struct sw_tape *a = rig_tape(&rig, "a");
    struct sw_tape *b = rig_tape(&rig, "b");
    rig_open(&rig, 0, 0);
    rig_open(&rig, 1, 0);
    rig_subscribe(&rig, 0, a);
    rig_subscribe(&rig, 1, a);
    rig_subscribe(&rig, 1, b);
    rig_send(&rig, a, "a1");
    rig_send(&rig, b, "b1");
    sw_fanout_walk(&rig.fanout);
    assert_string_equal(rig_received(&rig, 0), "a1");
    assert_string_equal(rig_received(&rig, 1), "");
    rig_flush(&rig);
    sw_fanout_turned(&rig.fanout);
    assert_string_equal(rig_received(&rig, 1), "a1|b1");
    rig_check_law(&rig);

    sw_hub_unsubscribe(&rig.fanout, 1, 0); /* b alone is left */
    rig_subscribe(&rig, 0, b);             /* and this one has two now */
    rig_send(&rig, a, "a2");
    rig_send(&rig, b, "b2");
    sw_fanout_walk(&rig.fanout);
    assert_string_equal(rig_received(&rig, 0), "");
    assert_string_equal(rig_received(&rig, 1), "b2");
    rig_flush(&rig);
    sw_fanout_turned(&rig.fanout);
    assert_string_equal(rig_received(&rig, 0), "a2|b2");
    assert_int_equal(RIG_COUNT(&rig, writes_total), 4);
    rig_deinit(&rig);
}

static void lane_goes_before_the_data_by_the_same_send(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 2, QUEUE);
    struct sw_tape *a = rig_tape(&rig, "a");
    struct sw_tape *b = rig_tape(&rig, "b");
    for (uint32_t slot = 0; slot < 2; slot++) {
        rig_open(&rig, slot, 0);
        rig_subscribe(&rig, slot, a);
        rig_subscribe(&rig, slot, b);
    }
    rig_say(&rig, 0, "welcome");
    rig_send(&rig, a, "a1");
    rig_send(&rig, b, "b1");
    rig_turn(&rig);
    assert_string_equal(rig_received(&rig, 0), "welcome|a1|b1");
    assert_string_equal(rig_received(&rig, 1), "a1|b1");
    assert_int_equal(RIG_COUNT(&rig, writes_total), 2);

    /* one that comes between walk and flush goes before the items */
    rig_send(&rig, a, "a2");
    rig_send(&rig, b, "b2");
    sw_fanout_walk(&rig.fanout);
    rig_say(&rig, 0, "pong");
    rig_flush(&rig);
    sw_fanout_turned(&rig.fanout);
    rig_check_law(&rig);
    assert_string_equal(rig_received(&rig, 0), "pong|a2|b2");
    assert_string_equal(rig_received(&rig, 1), "a2|b2");
    assert_int_equal(RIG_COUNT(&rig, writes_total), 4);
    assert_int_equal(rig.fanout.cursors_used, 0);
    rig_deinit(&rig);
}

static void one_who_may_not_be_written_to_directly_gets_it_by_the_flush(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1, QUEUE);
    struct sw_tape *tape = rig_tape(&rig, "a");
    rig_open(&rig, 0, 0);
    rig_subscribe(&rig, 0, tape);
    sw_reader(&rig.fanout, 0)->flags = SW_NEVER_DIRECT;
    rig_send(&rig, tape, "1");
    sw_fanout_walk(&rig.fanout);
    assert_string_equal(rig_received(&rig, 0), "");
    rig_flush(&rig);
    sw_fanout_turned(&rig.fanout);
    assert_string_equal(rig_received(&rig, 0), "1");
    assert_int_equal(sw_reader(&rig.fanout, 0)->flags, SW_NEVER_DIRECT);
    rig_deinit(&rig);
}

static void who_becomes_due_while_others_are_flushed_waits_for_the_next_turn(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3, QUEUE);
    uint32_t stop = 0;
    uint32_t slot;
    assert_false(sw_fanout_due_pop(&rig.fanout, &stop, &slot));
    sw_fanout_walk(&rig.fanout);
    sw_fanout_due(&rig.fanout, 2);
    sw_fanout_due(&rig.fanout, 0);
    sw_fanout_due(&rig.fanout, 2); /* harmless */
    stop = 0;
    assert_true(sw_fanout_due_pop(&rig.fanout, &stop, &slot));
    assert_int_equal(slot, 2);
    sw_fanout_due(&rig.fanout, 2);
    sw_fanout_due(&rig.fanout, 1);
    assert_true(sw_fanout_due_pop(&rig.fanout, &stop, &slot));
    assert_int_equal(slot, 0);
    assert_false(sw_fanout_due_pop(&rig.fanout, &stop, &slot));
    assert_true(sw_fanout_busy(&rig.fanout));
    stop = 0;
    assert_true(sw_fanout_due_pop(&rig.fanout, &stop, &slot));
    assert_int_equal(slot, 2);
    assert_true(sw_fanout_due_pop(&rig.fanout, &stop, &slot));
    assert_int_equal(slot, 1);
    assert_false(sw_fanout_due_pop(&rig.fanout, &stop, &slot));
    assert_false(sw_fanout_busy(&rig.fanout));
    sw_fanout_turned(&rig.fanout);
    rig_deinit(&rig);
}

/* ---- gap marks ---- */

static void gap_is_told_in_its_place_and_counted_as_shed(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3, QUEUE);
    struct sw_tape *a = rig_tape(&rig, "a");
    struct sw_tape *b = rig_tape(&rig, "b");
    for (uint32_t slot = 0; slot < 3; slot++) {
        rig_open(&rig, slot, 0);
        rig_subscribe(&rig, slot, a);
    }
    rig_subscribe(&rig, 2, b);
    for (unsigned tapes = 1; tapes <= 2; tapes++) { /* direct; and beside another dirty tape */
        rig_send(&rig, a, "1");
        rig_gap(&rig, a, 3, SW_SHED_TOO_LARGE);
        rig_send(&rig, a, "2");
        rig_gap(&rig, a, 70000, SW_SHED_NODE);
        if (tapes == 2) {
            rig_send(&rig, b, "b");
        }
        rig_turn(&rig);
        for (uint32_t slot = 0; slot < 3; slot++) {
            assert_string_equal(rig_received(&rig, slot),
                                tapes == 2 && slot == 2
                                    ? "1|dropped a 3 too_large|2|dropped a 70000 node|b"
                                    : "1|dropped a 3 too_large|2|dropped a 70000 node");
        }
        assert_int_equal(RIG_SHED(&rig, TOO_LARGE), tapes * 9);
        assert_int_equal(RIG_SHED(&rig, NODE), tapes * 210000);
        assert_int_equal(sw_reader(&rig.fanout, 0)->shed, tapes * 70003);
    }
    assert_int_equal(RIG_COUNT(&rig, sent_total), 13);
    assert_int_equal(RIG_COUNT(&rig, behind), 0);
    assert_int_equal(RIG_COUNT(&rig, block_bytes), 0);
    rig_deinit(&rig);
}

static void gap_of_unknown_count_is_told_once_before_the_next_frame(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1, QUEUE);
    struct sw_tape *tape = rig_tape(&rig, "a");
    rig_open(&rig, 0, 0);
    rig_subscribe(&rig, 0, tape);
    rig_send(&rig, tape, "1");
    rig_gap(&rig, tape, 0, SW_SHED_FEED);
    rig_turn(&rig);
    assert_string_equal(rig_received(&rig, 0), "1");
    rig_gap(&rig, tape, 0, SW_SHED_FEED);
    rig_turn(&rig);
    assert_int_equal(RIG_COUNT(&rig, writes_total), 1); /* the reader stays at TOP */
    assert_string_equal(rig_received(&rig, 0), "");
    rig_gap(&rig, tape, 2, SW_SHED_NODE);
    rig_send(&rig, tape, "2");
    rig_send(&rig, tape, "3");
    rig_turn(&rig);
    assert_string_equal(rig_received(&rig, 0), "dropped a 0 feed|dropped a 2 node|2|3");
    assert_int_equal(RIG_COUNT(&rig, due_total), 5);
    assert_int_equal(RIG_SHED(&rig, FEED), 0);
    assert_int_equal(RIG_SHED(&rig, NODE), 2);
    rig_deinit(&rig);
}

static void gap_without_words_is_heard_by_the_owner_where_it_would_be_told(void **state)
{
    (void)state;
    struct sw_language silent = rig_language;
    silent.silent = true;
    struct rig rig;
    rig_init(&rig, 3, QUEUE);
    struct sw_tape *tape = rig_tape(&rig, "a");
    for (uint32_t slot = 0; slot < 2; slot++) {
        rig_open(&rig, slot, 0);
        rig_subscribe(&rig, slot, tape);
    }
    rig_gap(&rig, tape, 3, SW_SHED_NODE);
    assert_int_equal(rig.asked.size, 0); /* they were told */
    rig.encoding.language = &silent;
    rig_send(&rig, tape, "1");
    rig_gap(&rig, tape, 0, SW_SHED_FEED);
    assert_int_equal(rig.asked.size, 0);
    rig_send(&rig, tape, "2");
    assert_string_equal(sw_buf_text(&rig.asked), "gap 0 gap 1 ");
    sw_buf_clear(&rig.asked);
    rig_gap(&rig, tape, 2, SW_SHED_TOO_LARGE);
    rig_open(&rig, 2, 0);
    rig_subscribe(&rig, 2, tape); /* behind it */
    rig_turn(&rig);
    assert_string_equal(sw_buf_text(&rig.asked), "gap 0 gap 1 ");
    assert_int_equal(RIG_SHED(&rig, TOO_LARGE), 4);
    assert_int_equal(RIG_COUNT(&rig, behind), 0);
    rig_deinit(&rig);
}

static void turn_of_more_gaps_than_a_system_call_takes_is_told_whole(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_buf expected = {0};
    rig_init(&rig, 2, QUEUE);
    struct sw_tape *tape = rig_tape(&rig, "a");
    for (uint32_t slot = 0; slot < 2; slot++) {
        rig_open(&rig, slot, 0);
        rig_subscribe(&rig, slot, tape);
    }
    for (unsigned i = 1; i <= SW_FLUSH_PIECES + 7; i++) {
        rig_gap(&rig, tape, i, SW_SHED_TOO_LARGE);
        sw_buf_printf(&expected, i == 1 ? "dropped a %u too_large" : "|dropped a %u too_large", i);
    }
    rig_turn(&rig);
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), sw_buf_text(&expected));
    rig_drain(&rig, 1);
    assert_string_equal(rig_text(&rig, 1), sw_buf_text(&expected));
    assert_int_equal(rig.fanout.cursors_used, 0);
    sw_buf_deinit(&expected);
    rig_deinit(&rig);
}

/* ---- in the middle of a turn ---- */

static void tape_that_fills_the_turn_is_walked_before_its_end(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 2, QUEUE);
    struct sw_tape *a = rig_tape(&rig, "a");
    struct sw_tape *b = rig_tape(&rig, "b");
    rig_open(&rig, 0, 4 << 20);
    rig_open(&rig, 1, 4 << 20);
    rig_subscribe(&rig, 0, a);
    rig_subscribe(&rig, 1, a);
    rig_subscribe(&rig, 1, b);
    rig_send(&rig, b, "b1");
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(RIG_COUNT(&rig, due_total), 0);
        rig_send_long(&rig, a, (const char[]){(char)('1' + i), 0}, SW_TAPE_TURN_BYTES / 4);
    }
    assert_int_equal(RIG_COUNT(&rig, due_total), 8);
    assert_null(a->turn.block);
    assert_int_equal(rig.fanout.dirty_count, 1);
    rig_send(&rig, a, "5");
    /* the only subscription: written to in the walk; two: never an item then, but a cursor */
    assert_int_equal(rig.fanout.items_count, 0);
    assert_int_not_equal(rig_read(&rig, 0, SIZE_MAX), 0);
    assert_int_equal(rig_read(&rig, 1, SIZE_MAX), 0);
    rig_turn(&rig);
    rig_drain(&rig, 0);
    rig_drain(&rig, 1);
    assert_string_equal(rig_text(&rig, 0), "1|2|3|4|5");
    assert_string_equal(rig_text(&rig, 1), "1|2|3|4|5|b1");
    assert_int_equal(rig.fanout.cursors_used, 0);
    rig_deinit(&rig);
}

static void who_comes_in_the_middle_gets_what_follows(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3, QUEUE);
    struct sw_tape *tape = rig_tape(&rig, "a");
    for (uint32_t slot = 0; slot < 3; slot++) {
        rig_open(&rig, slot, 0);
    }
    rig_subscribe(&rig, 0, tape);
    rig_send(&rig, tape, "1");
    rig_subscribe(&rig, 1, tape);
    rig_send(&rig, tape, "2");
    rig_turn(&rig);
    rig_subscribe(&rig, 2, tape);
    rig_turn(&rig);
    assert_string_equal(rig_received(&rig, 0), "1|2");
    assert_string_equal(rig_received(&rig, 1), "2");
    assert_string_equal(rig_received(&rig, 2), "");
    assert_int_equal(RIG_COUNT(&rig, due_total), 3);
    rig_deinit(&rig);
}

static void who_leaves_in_the_middle_gets_what_was_before(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3, QUEUE);
    struct sw_tape *tape = rig_tape(&rig, "a");
    for (uint32_t slot = 0; slot < 3; slot++) {
        rig_open(&rig, slot, 0);
        rig_subscribe(&rig, slot, tape);
    }
    rig_send(&rig, tape, "1");
    sw_hub_unsubscribe(&rig.fanout, 0, 0);
    rig_send(&rig, tape, "2");
    sw_hub_unsubscribe(&rig.fanout, 2, 0);
    rig_send(&rig, tape, "3");
    rig_turn(&rig);
    assert_string_equal(rig_received(&rig, 0), "1");
    assert_string_equal(rig_received(&rig, 1), "1|2|3");
    assert_string_equal(rig_received(&rig, 2), "1|2");
    assert_int_equal(RIG_COUNT(&rig, due_total), 6);
    assert_int_equal(RIG_SHED(&rig, CLOSED), 0);
    sw_hub_unsubscribe(&rig.fanout, 1, 0);
    rig_send(&rig, tape, "4"); /* nobody reads it: not even rendered */
    assert_int_equal(rig_rendered, 3);
    rig_deinit(&rig);
}

static void tape_is_found_by_its_name_kind_and_generation(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1, QUEUE);
    struct sw_tape *topic = sw_tape_create(&rig.fanout, 0, SW_SLICE("a.*"), false);
    struct sw_tape *pattern = sw_tape_create(&rig.fanout, 0, SW_SLICE("a.*"), true);
    assert_ptr_equal(sw_tape_find(&rig.fanout, 0, SW_SLICE("a.*"), false), topic);
    assert_ptr_equal(sw_tape_find(&rig.fanout, 0, SW_SLICE("a.*"), true), pattern);
    assert_null(sw_tape_find(&rig.fanout, 0, SW_SLICE("a"), false));
    uint32_t id = topic->id;
    uint32_t generation = topic->generation;
    assert_ptr_equal(sw_tape_get(&rig.fanout, id, generation), topic);
    sw_tape_destroy(&rig.fanout, topic);
    assert_null(sw_tape_get(&rig.fanout, id, generation));
    topic = sw_tape_create(&rig.fanout, 0, SW_SLICE("a.*"), false);
    assert_int_equal(topic->id, id);
    assert_null(sw_tape_get(&rig.fanout, id, generation));
    assert_null(sw_tape_get(&rig.fanout, 77, generation));
    assert_int_equal(RIG_COUNT(&rig, tapes), 2);
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_a_turn_reach_each_reader_by_one_send),
        cmocka_unit_test(several_tapes_reach_each_reader_by_one_send),
        cmocka_unit_test(items_gathered_for_one_reader_are_not_anothers),
        cmocka_unit_test(turn_of_any_shape_arrives_in_order),
        cmocka_unit_test(reader_of_one_tape_is_written_to_at_once_beside_other_dirty_tapes),
        cmocka_unit_test(lane_goes_before_the_data_by_the_same_send),
        cmocka_unit_test(one_who_may_not_be_written_to_directly_gets_it_by_the_flush),
        cmocka_unit_test(who_becomes_due_while_others_are_flushed_waits_for_the_next_turn),
        cmocka_unit_test(gap_is_told_in_its_place_and_counted_as_shed),
        cmocka_unit_test(gap_of_unknown_count_is_told_once_before_the_next_frame),
        cmocka_unit_test(gap_without_words_is_heard_by_the_owner_where_it_would_be_told),
        cmocka_unit_test(turn_of_more_gaps_than_a_system_call_takes_is_told_whole),
        cmocka_unit_test(tape_that_fills_the_turn_is_walked_before_its_end),
        cmocka_unit_test(who_comes_in_the_middle_gets_what_follows),
        cmocka_unit_test(who_leaves_in_the_middle_gets_what_was_before),
        cmocka_unit_test(tape_is_found_by_its_name_kind_and_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
