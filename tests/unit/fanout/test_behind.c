// SPDX-License-Identifier: Apache-2.0
/* Readers who do not keep up: cursors, the frame in flight, what is shed, and how they end. */
#include "rig.h"

#include <netinet/in.h>

#define QUEUE (8u << 20)
/* The smallest SO_SNDBUF there is: a few KB. */
#define SMALL 1

/* One tape, `count` readers; the sockets of the first `small` of them are small. */
static struct sw_tape *readers(struct rig *rig, uint32_t count, uint32_t small, uint32_t max)
{
    rig_init(rig, count, max);
    struct sw_tape *tape = rig_tape(rig, "a");
    for (uint32_t slot = 0; slot < count; slot++) {
        rig_open(rig, slot, slot < small ? SMALL : 4 << 20);
        rig_subscribe(rig, slot, tape);
    }
    return tape;
}

/* Its socket takes nothing more, not even a byte. */
static size_t fill(struct rig *rig, uint32_t slot)
{
    size_t sum = 0;
    for (ssize_t n = 1; n > 0; sum += n > 0 ? (size_t)n : 0) {
        n = sw_conn_send(sw_reader(&rig->fanout, slot)->fd, "................", 16);
    }
    for (ssize_t n = 1; n > 0; sum += n > 0 ? (size_t)n : 0) {
        n = sw_conn_send(sw_reader(&rig->fanout, slot)->fd, ".", 1);
    }
    return sum;
}

static void discard(struct rig *rig, uint32_t slot, size_t size)
{
    assert_int_equal(rig_read(rig, slot, size), size);
    sw_buf_clear(&rig->slots[slot].got);
}

static void what_a_full_socket_leaves_is_one_write_request_and_a_cursor(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 2, 1, QUEUE);
    struct sw_reader *slow = sw_reader(&rig.fanout, 0);
    rig_send_long(&rig, tape, "1", 100000);
    rig_send(&rig, tape, "2");
    sw_fanout_walk(&rig.fanout);
    rig_flush(&rig);
    sw_fanout_turned(&rig.fanout);
    rig_check_law(&rig);
    assert_int_equal(slow->flags, SW_WRITE_PENDING);
    assert_int_equal(slow->behind, 2);
    assert_int_equal(slow->sent, 0);
    assert_true(slow->queued_bytes > 50000 && slow->queued_bytes < 100009);
    assert_int_equal(rig.fanout.cursors_used, 1);
    assert_string_equal(rig_received(&rig, 1), "1|2");
    int64_t writes = RIG_COUNT(&rig, writes_total);
    rig_send(&rig, tape, "3");
    rig_turn(&rig);
    assert_int_equal(RIG_COUNT(&rig, writes_total), writes + 1); /* the other one's */
    assert_int_equal(slow->behind, 3);
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "1|2|3");
    assert_int_equal(slow->flags, 0);
    assert_int_equal(slow->sent, 3);
    assert_int_equal(slow->behind, 0);
    assert_int_equal(slow->queued_bytes, 0);
    assert_int_equal(rig.fanout.cursors_used, 0);
    assert_int_equal(RIG_COUNT(&rig, block_bytes), 0);
    rig_send(&rig, tape, "4"); /* at TOP again */
    rig_turn(&rig);
    assert_string_equal(rig_received(&rig, 0), "4");
    rig_deinit(&rig);
}

/* However the socket cuts them, frames arrive in order, each once. */
static void frames_cut_anywhere_arrive_in_order(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_buf expected = {0};
    struct sw_tape *tape = readers(&rig, 1, 1, QUEUE);
    unsigned sent = 0;
    for (unsigned turn = 0; turn < 300; turn++) {
        for (unsigned i = 0; i < turn % 5; i++) {
            char text[16];
            snprintf(text, sizeof(text), "%u", ++sent);
            if (sent % 7 == 0) {
                rig_gap(&rig, tape, sent, SW_SHED_NODE);
                sw_buf_printf(&expected, "dropped a %u node|", sent);
            } else {
                rig_send_long(&rig, tape, text, 10 + sent * 37 % 3000);
                sw_buf_printf(&expected, "%u|", sent);
            }
        }
        rig_turn(&rig);
        rig_read(&rig, 0, turn * 53 % 3001);
    }
    rig_drain(&rig, 0);
    expected.size--;
    assert_string_equal(rig_text(&rig, 0), sw_buf_text(&expected));
    assert_int_equal(RIG_COUNT(&rig, block_bytes), 0);
    sw_buf_deinit(&expected);
    rig_deinit(&rig);
}

static void gap_in_flight_counts_when_it_has_left(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 1, QUEUE);
    size_t filled = fill(&rig, 0);
    rig_gap(&rig, tape, 5, SW_SHED_TOO_LARGE);
    rig_turn(&rig);
    assert_int_equal(sw_reader(&rig.fanout, 0)->flags, SW_WRITE_PENDING);
    assert_int_equal(RIG_SHED(&rig, TOO_LARGE), 0);
    assert_int_equal(RIG_COUNT(&rig, behind), 5);
    rig_send(&rig, tape, "1");
    rig_gap(&rig, tape, 0, SW_SHED_FEED);
    rig_send(&rig, tape, "2");
    rig_turn(&rig);
    assert_int_equal(RIG_COUNT(&rig, behind), 7);
    discard(&rig, 0, filled);
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "dropped a 5 too_large|1|dropped a 0 feed|2");
    assert_int_equal(RIG_SHED(&rig, TOO_LARGE), 5);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 2);
    rig_deinit(&rig);
}

static void items_that_a_socket_cuts_become_cursors_in_their_order(void **state)
{
    (void)state;
    static const char names[] = "abcdefgh";
    struct rig rig;
    rig_init(&rig, 2, QUEUE);
    rig_open(&rig, 0, SMALL);
    rig_open(&rig, 1, 0);
    struct sw_tape *tapes[8];
    for (size_t i = 0; i < 8; i++) {
        tapes[i] = rig_tape(&rig, (const char[]){names[i], 0});
        rig_subscribe(&rig, 0, tapes[i]);
        rig_subscribe(&rig, 1, tapes[i]);
    }
    for (size_t i = 8; i-- > 0;) {
        rig_send_long(&rig, tapes[i], (const char[]){names[i], 0}, 1500);
    }
    rig_turn(&rig);
    assert_int_equal(RIG_COUNT(&rig, writes_total), 2);
    assert_true(rig.fanout.cursors_used > 1);
    assert_true(sw_reader(&rig.fanout, 0)->flags & SW_WRITE_PENDING);
    assert_string_equal(rig_received(&rig, 1), "h|g|f|e|d|c|b|a");
    rig_send(&rig, tapes[0], "a2");
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "h|g|f|e|d|c|b|a|a2");
    assert_int_equal(rig.fanout.cursors_used, 0);
    rig_deinit(&rig);
}

static void lane_that_a_socket_cuts_goes_before_the_data(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 1, QUEUE);
    size_t filled = fill(&rig, 0);
    rig_say(&rig, 0, "welcome");
    rig_send(&rig, tape, "1");
    rig_turn(&rig);
    assert_int_equal(sw_reader(&rig.fanout, 0)->flags, SW_WRITE_PENDING);
    rig_send(&rig, tape, "2");
    rig_say(&rig, 0, "pong");
    discard(&rig, 0, filled);
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "welcome|pong|1|2");
    rig_deinit(&rig);
}

/* ---- leaving ---- */

static void unsubscribing_sheds_what_was_behind_the_frame_in_flight(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *a = readers(&rig, 1, 1, QUEUE);
    struct sw_tape *b = rig_tape(&rig, "b");
    struct sw_reader *reader = sw_reader(&rig.fanout, 0);
    rig_subscribe(&rig, 0, b);
    rig_send_long(&rig, a, "a1", 30000);
    rig_send_long(&rig, a, "a2", 30000);
    rig_gap(&rig, a, 10, SW_SHED_NODE);
    rig_send(&rig, b, "b1");
    rig_turn(&rig);
    assert_int_equal(reader->behind, 13);
    sw_hub_unsubscribe(&rig.fanout, 0, 0);
    assert_int_equal(RIG_SHED(&rig, CLOSED), 11);
    assert_int_equal(reader->behind, 2); /* a1, which is in flight, and b1 */
    sw_tape_destroy(&rig.fanout, a);
    rig_check_law(&rig);
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "a1|b1");
    assert_int_equal(RIG_COUNT(&rig, sent_total), 2);
    assert_int_equal(RIG_COUNT(&rig, block_bytes), 0);
    rig_deinit(&rig);
}

static void who_comes_again_starts_behind_its_frame_in_flight(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 1, QUEUE);
    rig_send_long(&rig, tape, "1", 30000);
    rig_send(&rig, tape, "2");
    rig_turn(&rig);
    sw_hub_unsubscribe(&rig.fanout, 0, 0);
    rig_subscribe(&rig, 0, tape);
    rig_send(&rig, tape, "3");
    rig_turn(&rig);
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "1|3");
    assert_int_equal(RIG_SHED(&rig, CLOSED), 1);
    rig_deinit(&rig);
}

/* A stuck client's frame holds its own block, not what the tape wrote since. */
static void frame_in_flight_does_not_hold_the_later_tape(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 2, 1, QUEUE);
    rig_send_long(&rig, tape, "1", 60000);
    rig_turn(&rig);
    rig_received(&rig, 1);
    sw_hub_unsubscribe(&rig.fanout, 0, 0);
    for (unsigned i = 0; i < 100; i++) {
        rig_send_long(&rig, tape, "x", 60000);
        rig_turn(&rig);
        rig_received(&rig, 1);
    }
    assert_true(RIG_COUNT(&rig, block_bytes) <= 65536);
    rig_deinit(&rig);
}

static void closing_ends_the_frame_in_flight_too(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 1, QUEUE);
    rig_send_long(&rig, tape, "1", 30000);
    rig_send(&rig, tape, "2");
    rig_turn(&rig);
    rig_lost(&rig, 0, -EPIPE);
    rig_turn(&rig);
    rig_turn(&rig);
    assert_false(rig.slots[0].open);
    assert_int_equal(RIG_SHED(&rig, CLOSED), 2);
    assert_int_equal(RIG_COUNT(&rig, sent_total), 0);
    assert_int_equal(RIG_COUNT(&rig, block_bytes), 0);
    rig_check_law(&rig);
    rig_deinit(&rig);
}

static void who_is_too_far_behind_is_told_to_its_owner(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 2, 1, 100000);
    unsigned turns = 0;
    while (!rig.slots[0].overs) {
        assert_true(turns++ < 100);
        rig_send_long(&rig, tape, "x", 10000);
        rig_turn(&rig);
        rig_received(&rig, 1);
    }
    assert_true(turns >= 10 && turns <= 13);
    assert_int_equal(rig.slots[1].overs, 0);
    rig_turn(&rig);
    assert_int_equal(sw_reader(&rig.fanout, 0)->subscriptions, 0);
    rig_deinit(&rig);
}

/* Not in the walk, but in the flush that the socket cut short. */
static void flush_that_leaves_too_much_is_told_to_its_owner(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 1, 1, 20000);
    sw_reader(&rig.fanout, 0)->flags = SW_NEVER_DIRECT;
    rig_send_long(&rig, tape, "1", 20000);
    rig_turn(&rig);
    assert_int_equal(rig.slots[0].overs, 0);
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "1");
    rig_send_long(&rig, tape, "2", 30000);
    rig_send(&rig, tape, "3");
    rig_turn(&rig);
    assert_int_equal(rig.slots[0].overs, 1);
    rig_deinit(&rig);
}

/* The session's owner closes it; until it is retired the tape goes on. */
static void tape_goes_on_while_a_reader_that_is_behind_closes(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = readers(&rig, 2, 1, QUEUE);
    rig_send_long(&rig, tape, "1", 30000);
    rig_send(&rig, tape, "2");
    rig_turn(&rig);
    rig_close(&rig, 0, false);
    rig_send(&rig, tape, "3");
    sw_hub_unsubscribe(&rig.fanout, 1, 0); /* walks early */
    rig_turn(&rig);
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "1");
    assert_false(rig.slots[0].open);
    rig_deinit(&rig);
}

static void who_closes_after_its_data_gets_all_until_it_has_caught_up(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *a = readers(&rig, 2, 1, QUEUE);
    struct sw_tape *b = rig_tape(&rig, "b");
    rig_subscribe(&rig, 0, b);
    rig_send_long(&rig, a, "1", 30000);
    rig_send(&rig, a, "2");
    rig_turn(&rig);
    rig_close(&rig, 0, true);
    rig_send(&rig, b, "b");
    rig_turn(&rig);
    rig_send(&rig, a, "3");
    rig_turn(&rig);
    assert_true(rig.slots[0].open);
    rig_drain(&rig, 0);
    assert_string_equal(rig_text(&rig, 0), "1|2|3|b");
    assert_false(rig.slots[0].open);
    assert_int_equal(RIG_SHED(&rig, CLOSED), 0);
    rig_deinit(&rig);
}

static void broken_connection_ends_one_reader_alone(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *a = readers(&rig, 4, 0, QUEUE);
    struct sw_tape *b = rig_tape(&rig, "b");
    rig_subscribe(&rig, 1, b);
    rig_subscribe(&rig, 2, b);
    for (uint32_t slot = 0; slot < 2; slot++) { /* one direct, one by an item */
        close(rig.slots[slot].peer);
        rig.slots[slot].peer = -1;
    }
    rig_send(&rig, a, "1");
    rig_send(&rig, b, "b");
    rig_turn(&rig);
    rig_turn(&rig);
    assert_false(rig.slots[0].open);
    assert_false(rig.slots[1].open);
    assert_string_equal(rig_received(&rig, 2), "1|b");
    assert_string_equal(rig_received(&rig, 3), "1");
    assert_int_equal(RIG_SHED(&rig, CLOSED), 3);
    rig_deinit(&rig);
}

/* ---- limits ---- */

static void reader_may_be_behind_on_every_subscription(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 2, QUEUE);
    for (uint32_t slot = 0; slot < 2; slot++) {
        rig_open(&rig, slot, SMALL);
    }
    for (unsigned i = 0; i < SW_SESSION_TOPICS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "t%u", i);
        struct sw_tape *tape = rig_tape(&rig, name);
        rig_subscribe(&rig, 0, tape);
        rig_subscribe(&rig, 1, tape);
    }
    size_t filled[] = {fill(&rig, 0), fill(&rig, 1)};
    for (unsigned i = 0; i < SW_SESSION_TOPICS; i++) {
        rig_send(&rig, rig.fanout.tapes[i], "x");
    }
    rig_turn(&rig);
    rig_turn(&rig);
    assert_int_equal(rig.fanout.cursors_used, 2 * (SW_SESSION_TOPICS - 1)); /* one is in flight */
    for (uint32_t slot = 0; slot < 2; slot++) {
        discard(&rig, slot, filled[slot]);
        rig_drain(&rig, slot);
        assert_int_equal(strlen(rig_text(&rig, slot)), 2 * SW_SESSION_TOPICS - 1);
    }
    rig_deinit(&rig);
}

/* A socket that takes everything at once and keeps nothing: one for very many readers. */
static int bottomless(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
    return fd;
}

/* As much as anybody waits for, and a turn's walk and flush end in time: who is not reached in one
 * turn is in one of the next, though each brings another message. */
static void time_of_a_turn_is_bounded_and_nobody_starves(void **state)
{
    (void)state;
    const uint32_t count = 30000;
    struct rig rig;
    rig_init(&rig, count, QUEUE);
    struct sw_tape *tape = rig_tape(&rig, "a");
    int fd = bottomless();
    for (uint32_t slot = 0; slot < count; slot++) {
        rig.slots[slot].list = sw_alloc(sizeof(struct sw_subscription));
        *sw_reader(&rig.fanout, slot) = (struct sw_reader){.fd = fd, .list = rig.slots[slot].list};
        rig.slots[slot].open = true;
        rig_subscribe(&rig, slot, tape);
    }
    rig.fanout.slots_high = count;
    int64_t most = 0;
    uint32_t starved = count;
    unsigned turns = 0;
    for (; starved && turns < 2000; turns++) {
        int64_t writes = RIG_COUNT(&rig, writes_total);
        rig_send(&rig, tape, "x");
        sw_fanout_walk(&rig.fanout);
        rig_flush(&rig);
        sw_fanout_turned(&rig.fanout);
        writes = RIG_COUNT(&rig, writes_total) - writes;
        most = writes > most ? writes : most;
        starved = turns % 16 ? starved : 0;
        for (uint32_t slot = 0; slot < count && turns % 16 == 0; slot++) {
            starved += sw_reader(&rig.fanout, slot)->sent == 0;
        }
    }
    rig_check_law(&rig);
    print_message("             all %u read after %u turns of at most %lld writes\n", count, turns,
                  (long long)most);
    assert_int_equal(starved, 0);
    assert_true(most < count / 2);
    for (uint32_t slot = 0; slot < count; slot++) {
        rig_unsubscribe_all(&rig, slot);
        rig.slots[slot].open = false;
    }
    close(fd);
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_full_socket_leaves_is_one_write_request_and_a_cursor),
        cmocka_unit_test(frames_cut_anywhere_arrive_in_order),
        cmocka_unit_test(gap_in_flight_counts_when_it_has_left),
        cmocka_unit_test(items_that_a_socket_cuts_become_cursors_in_their_order),
        cmocka_unit_test(lane_that_a_socket_cuts_goes_before_the_data),
        cmocka_unit_test(unsubscribing_sheds_what_was_behind_the_frame_in_flight),
        cmocka_unit_test(who_comes_again_starts_behind_its_frame_in_flight),
        cmocka_unit_test(frame_in_flight_does_not_hold_the_later_tape),
        cmocka_unit_test(closing_ends_the_frame_in_flight_too),
        cmocka_unit_test(who_is_too_far_behind_is_told_to_its_owner),
        cmocka_unit_test(flush_that_leaves_too_much_is_told_to_its_owner),
        cmocka_unit_test(tape_goes_on_while_a_reader_that_is_behind_closes),
        cmocka_unit_test(who_closes_after_its_data_gets_all_until_it_has_caught_up),
        cmocka_unit_test(broken_connection_ends_one_reader_alone),
        cmocka_unit_test(reader_may_be_behind_on_every_subscription),
        cmocka_unit_test(time_of_a_turn_is_bounded_and_nobody_starves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
