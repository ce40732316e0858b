// SPDX-License-Identifier: Apache-2.0
/* Readers over TLS: records, and the frames in one that waits for its socket. */
#include "rig_policy.h"

#define QUEUE (8u << 20)

/* One tape and `count` readers of it over TLS; the sockets of the first `small` are small. */
static struct sw_tape *readers(struct rig *rig, uint32_t count, uint32_t small, uint32_t max)
{
    rig_init(rig, count, max);
    rig_secure(rig);
    struct sw_tape *tape = rig_tape(rig, "a");
    for (uint32_t slot = 0; slot < count; slot++) {
        rig_open(rig, slot, slot < small ? SMALL : WIDE);
        rig_subscribe(rig, slot, tape);
    }
    return tape;
}

/* Frames of 1 KB with these texts, which together do not fit into a small socket. */
static void send_ten(struct rig *rig, struct sw_tape *tape)
{
    char text[2] = "0";
    for (; text[0] <= '9'; text[0]++) {
        rig_send_long(rig, tape, text, 1000);
    }
}

/* Nothing can be sealed before it is gone. */
static bool in_flight(struct rig *rig, uint32_t slot)
{
    bool pending = sw_reader(&rig->fanout, slot)->flags & SW_WRITE_PENDING;
    assert_int_equal(pending, sw_conn_waits(&rig->slots[slot].conn));
    return pending;
}

/* Deliveries whose time was taken. */
static uint64_t timed(const struct rig *rig)
{
    uint64_t buckets[SW_HISTOGRAM_BUCKETS + 1] = {0};
    uint64_t sum_us = 0;
    uint64_t count = 0;
    sw_histogram_collect(&rig->counters.deliver, buckets, &sum_us);
    for (unsigned i = 0; i <= SW_HISTOGRAM_BUCKETS; i++) {
        count += buckets[i];
    }
    return count;
}

/* ---- records ---- */

static void turn_of_several_tapes_leaves_as_one_record(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *a = readers(&rig, 1, 0, QUEUE);
    struct sw_tape *b = rig_tape(&rig, "b");
    rig_subscribe(&rig, 0, b);
    rig_send(&rig, a, "1");
    rig_send(&rig, b, "2");
    rig_send(&rig, a, "3");
    rig_say(&rig, 0, "lane");
    rig_turn(&rig);
    assert_int_equal(RIG_COUNT(&rig, writes_total), 1);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 3);
    assert_int_equal(rig.fanout.cursors_used, 0);
    assert_string_equal(rig_received(&rig, 0), "lane|1|3|2");
    rig_deinit(&rig);
}

static void records_are_as_few_as_their_size_allows(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 0, QUEUE);
    for (unsigned i = 0; i < 100; i++) {
        rig_send_long(&rig, tape, "x", 1000);
    }
    rig_turn(&rig);
    unsigned records = (100 * 1004 + SW_TLS_RECORD_BYTES - 1) / SW_TLS_RECORD_BYTES;
    assert_int_equal(RIG_COUNT(&rig, writes_total), records);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 100);
    assert_false(in_flight(&rig, 0));
    rig_deinit(&rig);
}

static void frame_larger_than_many_records_counts_with_its_last_byte(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 1, QUEUE);
    rig_send_long(&rig, tape, "1", 300000);
    rig_send(&rig, tape, "2");
    rig_turn(&rig);
    assert_true(in_flight(&rig, 0));
    assert_int_equal(RIG_COUNT(&rig, sent_total), 0);
    assert_int_equal(sw_reader(&rig.fanout, 0)->behind, 2);
    while (rig.slots[0].got.size < 290000) {
        assert_true(in_flight(&rig, 0));
        assert_int_equal(RIG_COUNT(&rig, sent_total), 0);
        rig_read(&rig, 0, SIZE_MAX);
        rig_turn(&rig);
    }
    rig_drain(&rig, 0);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 2);
    assert_string_equal(rig_text(&rig, 0), "1|2");
    rig_deinit(&rig);
}

static void large_lane_spans_records_and_goes_first(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 1, QUEUE);
    char *words = sw_zalloc(100001);
    memset(words, 'w', 100000);
    rig_say(&rig, 0, words);
    rig_send(&rig, tape, "1");
    rig_turn(&rig);
    assert_true(in_flight(&rig, 0));
    assert_int_equal(sw_reader(&rig.fanout, 0)->behind, 1);
    rig_drain(&rig, 0);
    const char *text = rig_text(&rig, 0);
    assert_int_equal(strncmp(text, words, 100000), 0);
    assert_string_equal(text + 100000, "|1");
    sw_free(words);
    rig_deinit(&rig);
}

/* ---- flights ---- */

static void frames_of_a_record_that_waits_count_when_it_has_left(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 2, 1, QUEUE);
    const struct sw_reader *slow = sw_reader(&rig.fanout, 0);
    send_ten(&rig, tape);
    rig_turn(&rig);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 10); /* the other's */
    assert_true(in_flight(&rig, 0));
    assert_int_equal(slow->sent, 0);
    assert_int_equal(slow->behind, 10);
    assert_int_equal(slow->queued_bytes, 10 * 1004);
    assert_int_equal(rig.fanout.cursors_used, 0); /* it stands behind them */
    rig_drain(&rig, 0);
    assert_int_equal(slow->sent, 10);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 20);
    assert_int_equal(timed(&rig), 20);
    assert_string_equal(rig_text(&rig, 0), "0|1|2|3|4|5|6|7|8|9");
    rig_deinit(&rig);
}

static void what_comes_meanwhile_waits_behind_the_record(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 1, QUEUE);
    send_ten(&rig, tape);
    rig_turn(&rig);
    rig_send(&rig, tape, "A");
    rig_say(&rig, 0, "lane");
    rig_turn(&rig);
    assert_int_equal(sw_reader(&rig.fanout, 0)->behind, 11);
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "0|1|2|3|4|5|6|7|8|9|lane|A");
    rig_deinit(&rig);
}

static void unsubscribe_sheds_what_is_behind_the_record_and_not_what_is_in_it(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *a = readers(&rig, 1, 1, QUEUE);
    struct sw_tape *b = rig_tape(&rig, "b");
    rig_subscribe(&rig, 0, b);
    send_ten(&rig, a);
    rig_send(&rig, b, "b");
    rig_turn(&rig);
    assert_int_equal(sw_reader(&rig.fanout, 0)->behind, 11);
    rig_send(&rig, a, "late");
    rig_turn(&rig);
    sw_hub_unsubscribe(&rig.fanout, 0, 0);
    assert_int_equal(RIG_SHED(&rig, CLOSED), 1);
    assert_int_equal(sw_reader(&rig.fanout, 0)->behind, 11);
    /* who comes again owes nothing of that to the law */
    rig_subscribe(&rig, 0, a);
    rig_turn(&rig);
    rig_send(&rig, a, "again");
    rig_drain(&rig, 0);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 12);
    assert_string_equal(rig_text(&rig, 0), "0|1|2|3|4|5|6|7|8|9|b|again");
    rig_deinit(&rig);
}

static void close_ends_with_the_record_and_what_was_behind_is_shed(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 1, QUEUE);
    send_ten(&rig, tape);
    rig_turn(&rig);
    send_ten(&rig, tape);
    rig_turn(&rig);
    rig_close(&rig, 0, false);
    rig_turn(&rig);
    assert_true(rig.slots[0].open);
    rig_drain(&rig, 0);
    assert_false(rig.slots[0].open);
    assert_string_equal(rig_text(&rig, 0), "0|1|2|3|4|5|6|7|8|9");
    assert_int_equal(RIG_COUNT(&rig, sent_total), 10);
    assert_int_equal(RIG_SHED(&rig, CLOSED), 10);
    rig_deinit(&rig);
}

static void record_that_is_lost_with_its_connection_is_shed(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 1, QUEUE);
    send_ten(&rig, tape);
    rig_send_long(&rig, tape, "begun", 10000);
    rig_turn(&rig);
    assert_true(in_flight(&rig, 0));
    close(rig.slots[0].peer);
    rig.slots[0].peer = -1;
    for (unsigned i = 0; i < 5 && rig.slots[0].open; i++) {
        rig_turn(&rig);
    }
    assert_false(rig.slots[0].open);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 0);
    assert_int_equal(RIG_SHED(&rig, CLOSED), 11);
    rig_deinit(&rig);
}

static void frame_that_a_record_only_begins_follows_it(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 1, QUEUE);
    send_ten(&rig, tape);
    rig_send_long(&rig, tape, "begun", 10000);
    rig_send(&rig, tape, "behind");
    rig_turn(&rig);
    sw_hub_unsubscribe(&rig.fanout, 0, 0);
    assert_int_equal(RIG_SHED(&rig, CLOSED), 1);
    rig_drain(&rig, 0);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 11);
    assert_string_equal(rig_text(&rig, 0), "0|1|2|3|4|5|6|7|8|9|begun");
    rig_deinit(&rig);
}

static void gap_marks_in_a_record_count_as_shed_when_it_has_left(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 1, QUEUE);
    send_ten(&rig, tape);
    rig_gap(&rig, tape, 5, SW_SHED_NODE);
    rig_turn(&rig);
    assert_int_equal(sw_reader(&rig.fanout, 0)->behind, 15);
    assert_int_equal(RIG_SHED(&rig, NODE), 0);
    rig_drain(&rig, 0);
    assert_int_equal(RIG_SHED(&rig, NODE), 5);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 10);
    assert_string_equal(rig_text(&rig, 0), "0|1|2|3|4|5|6|7|8|9|dropped a 5 node");
    rig_deinit(&rig);
}

/* OpenSSL's own words may stand before everything; then nothing is sealed, and nobody is bound. */
static void words_of_openssl_that_wait_commit_to_nothing(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 1, QUEUE);
    struct tls_peer *peer = &rig.slots[0].tls;
    char bytes[256];
    peer->fd = rig.slots[0].peer;
    while (!sw_conn_sealed_waits(&rig.slots[0].conn)) {
        SSL_key_update(peer->ssl, SSL_KEY_UPDATE_REQUESTED);
        (void)SSL_do_handshake(peer->ssl);
        int n = BIO_read(peer->out, bytes, sizeof(bytes));
        sw_tls_take(&rig.slots[0].conn, bytes, (size_t)n);
    }
    send_ten(&rig, tape);
    rig_turn(&rig);
    assert_true(in_flight(&rig, 0));
    assert_int_equal(rig.fanout.cursors_used, 1);
    sw_hub_unsubscribe(&rig.fanout, 0, 0);
    assert_int_equal(RIG_SHED(&rig, CLOSED), 10);
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "");
    assert_int_equal(RIG_COUNT(&rig, sent_total), 0);
    rig_deinit(&rig);
}

/* ---- policies ---- */

static struct sw_tape *pressed(struct rig *rig, enum sw_mode mode)
{
    rig_init_marks(rig, 4, &marks);
    rig_secure(rig);
    struct sw_tape *tape = rig_tape(rig, "a");
    rig_open(rig, 0, SMALL);
    rig_subscribe_as(rig, 0, tape, mode, 0);
    return tape;
}

static void shedding_begins_behind_the_record(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = pressed(&rig, SW_MODE_ALL);
    send_run(&rig, tape, "x", 1, 200, 1000);
    rig_turn(&rig);
    assert_true(in_flight(&rig, 0));
    uint32_t behind = sw_reader(&rig.fanout, 0)->behind;
    rig_live(&rig, 400);
    assert_int_equal(rig.slots[0].episodes, 1);
    assert_true(RIG_SHED(&rig, SLOW) > 100);
    assert_int_equal(sw_reader(&rig.fanout, 0)->behind, behind - RIG_SHED(&rig, SLOW));
    const char *text = drain(&rig, 0);
    assert_int_equal(strncmp(text, "x:1|x:2|", 8), 0);
    assert_int_equal(check_run(text, 200), RIG_SHED(&rig, SLOW));
    assert_int_equal(rig.slots[0].eased, 1);
    rig_deinit(&rig);
}

static void latest_in_a_record_are_sent_when_it_has_left(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = pressed(&rig, SW_MODE_LATEST);
    send_run(&rig, tape, "x", 1, 40, 1000);
    rig_turn(&rig);
    rig_live(&rig, 300);
    for (unsigned i = 1; i <= 30; i++) {
        char key[8];
        snprintf(key, sizeof(key), "k%u", i % 10);
        send_run(&rig, tape, key, i, i, 1000);
    }
    struct account account = account_of(drain(&rig, 0));
    assert_int_equal(account.received, RIG_COUNT(&rig, sent_total));
    assert_int_equal(account.received + account.told, 70);
    assert_int_equal(account.passed, RIG_SHED(&rig, CONFLATED));
    assert_true(account.passed >= 20);
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turn_of_several_tapes_leaves_as_one_record),
        cmocka_unit_test(records_are_as_few_as_their_size_allows),
        cmocka_unit_test(frame_larger_than_many_records_counts_with_its_last_byte),
        cmocka_unit_test(large_lane_spans_records_and_goes_first),
        cmocka_unit_test(frames_of_a_record_that_waits_count_when_it_has_left),
        cmocka_unit_test(what_comes_meanwhile_waits_behind_the_record),
        cmocka_unit_test(unsubscribe_sheds_what_is_behind_the_record_and_not_what_is_in_it),
        cmocka_unit_test(close_ends_with_the_record_and_what_was_behind_is_shed),
        cmocka_unit_test(record_that_is_lost_with_its_connection_is_shed),
        cmocka_unit_test(frame_that_a_record_only_begins_follows_it),
        cmocka_unit_test(gap_marks_in_a_record_count_as_shed_when_it_has_left),
        cmocka_unit_test(words_of_openssl_that_wait_commit_to_nothing),
        cmocka_unit_test(shedding_begins_behind_the_record),
        cmocka_unit_test(latest_in_a_record_are_sent_when_it_has_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
