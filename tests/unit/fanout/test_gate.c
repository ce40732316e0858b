// SPDX-License-Identifier: Apache-2.0
/* Sessions: their subscriptions take turns, the marks are theirs, and what the kernel holds for
 * them. */
#include "rig_policy.h"

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

/* ---- the gate, pressured ---- */

static void reader_that_does_not_read_is_gated_until_it_has_been_calm(void **state)
{
    (void)state;
    struct rig rig;
    rig_init_marks(&rig, 2, &marks);
    struct sw_tape *tape = rig_tape(&rig, "a");
    rig_open(&rig, 0, WIDE);
    rig_open(&rig, 1, 0);
    rig_subscribe_as(&rig, 0, tape, SW_MODE_ALL, 0);
    rig_subscribe_as(&rig, 1, tape, SW_MODE_ALL, 0);
    const struct sw_reader *reader = sw_reader(&rig.fanout, 0);
    unsigned sent = 0;
    while (!sw_reader_pressured(&rig.fanout, reader)) {
        send_run(&rig, tape, "x", sent + 1, sent + 1, 1000);
        sent++;
        rig_pass(&rig, 10);
        rig_read(&rig, 1, SIZE_MAX);
        assert_true(sent < 200);
    }
    assert_int_equal(RIG_COUNT(&rig, pressured_sessions), 1);
    assert_int_equal(rig.slots[0].episodes, 1);
    assert_int_equal(rig.slots[0].eased, 0);
    uint32_t behind = reader->behind;
    int kernel = sw_conn_unacknowledged(&rig.slots[0].conn);
    send_run(&rig, tape, "x", sent + 1, sent + 20, 1000);
    rig_turn(&rig);
    rig_read(&rig, 1, SIZE_MAX);
    rig_live(&rig, 2000);
    assert_int_equal(sw_conn_unacknowledged(&rig.slots[0].conn), kernel); /* no room */
    assert_int_equal(reader->behind, behind + 20);

    /* it reads slowly: what is not (as this kind of socket counts it, with its heads) acknowledged
     * stays small, and frames are whole */
    for (unsigned i = 0; i < 600 && reader->behind; i++) {
        rig_read(&rig, 0, 300);
        rig_pass(&rig, 10);
        assert_int_equal(reader->flags & SW_WRITE_PENDING, 0);
        if (i > 300) {
            assert_true(sw_conn_unacknowledged(&rig.slots[0].conn) < 24576);
        }
    }
    assert_int_equal(reader->behind, 0);
    rig_read(&rig, 0, SIZE_MAX);
    rig_live(&rig, 900);
    assert_int_equal(rig.slots[0].eased, 0); /* not calm for long */
    rig_live(&rig, 200);
    assert_int_equal(rig.slots[0].eased, 1);
    assert_int_equal(rig.slots[0].episodes, 1);
    assert_int_equal(RIG_COUNT(&rig, pressured_sessions), 0);
    assert_int_equal(rig.slots[1].episodes, 0);
    assert_int_equal(rig.fanout.gates_count, 0);
    rig_deinit(&rig);
}

/* The lane goes before, whatever the gate says. */
static void lane_passes_a_gate_without_room(void **state)
{
    (void)state;
    struct rig rig;
    rig_init_marks(&rig, 1, &marks);
    struct sw_tape *tape = rig_tape(&rig, "a");
    rig_open(&rig, 0, WIDE);
    rig_subscribe_as(&rig, 0, tape, SW_MODE_ALL, 0);
    for (unsigned i = 1; i <= 100; i++) {
        send_run(&rig, tape, "x", i, i, 1000);
        rig_pass(&rig, 10);
    }
    assert_true(sw_reader(&rig.fanout, 0)->flags & SW_GATED);
    rig_say(&rig, 0, "pong");
    rig_turn(&rig);
    assert_non_null(strstr(rig_received(&rig, 0), "|pong"));
    assert_non_null(strstr(drain(&rig, 0), "x:100"));
    rig_deinit(&rig);
}

/* Many who do not read, each looked at; a slot's gate moves when another one's goes. */
static void gates_of_many_come_and_go(void **state)
{
    (void)state;
    struct rig rig;
    const uint32_t count = 40;
    rig_init_marks(&rig, count, &marks);
    struct sw_tape *tape = rig_tape(&rig, "a");
    for (uint32_t slot = 0; slot < count; slot++) {
        rig_open(&rig, slot, WIDE);
        rig_subscribe_as(&rig, slot, tape, slot % 2 ? SW_MODE_LATEST : SW_MODE_ALL, 0);
    }
    for (unsigned i = 1; i <= 100; i++) {
        send_run(&rig, tape, "x", i, i, 1000);
        rig_pass(&rig, 10);
    }
    assert_int_equal(RIG_COUNT(&rig, pressured_sessions), count);
    for (uint32_t slot = 0; slot < count; slot += 3) {
        rig_close(&rig, slot, false);
    }
    rig_turn(&rig);
    for (uint32_t slot = 1; slot < count; slot += 3) {
        assert_non_null(strstr(drain(&rig, slot), "x:100"));
        rig_live(&rig, 1100);
    }
    for (uint32_t slot = 0; slot < count; slot++) {
        bool gone = slot % 3 == 0;
        bool reads = slot % 3 == 1;
        assert_int_equal(rig.slots[slot].open, !gone);
        assert_int_equal(rig.slots[slot].eased, gone || reads);
        assert_int_equal(sw_reader(&rig.fanout, slot)->gate != 0, !gone && !reads);
    }
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursors_of_one_session_take_turns_however_little_the_socket_takes),
        cmocka_unit_test(healthy_reader_beside_a_paced_one_is_not_pressured_by_one_cut),
        cmocka_unit_test(disconnect_ends_who_is_above_high_for_ten_seconds_though_nothing_follows),
        cmocka_unit_test(disconnect_stays_when_it_falls_below_high_in_time),
        cmocka_unit_test(disconnect_ends_at_once_above_max),
        cmocka_unit_test(paced_reader_that_does_not_read_is_gated_though_its_socket_takes_all),
        cmocka_unit_test(far_reader_that_reads_all_in_time_is_never_pressured),
        cmocka_unit_test(reader_that_does_not_read_is_gated_until_it_has_been_calm),
        cmocka_unit_test(lane_passes_a_gate_without_room),
        cmocka_unit_test(gates_of_many_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
