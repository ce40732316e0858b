// SPDX-License-Identifier: Apache-2.0
/* What the kernel may hold for whom. The sockets here take megabytes, and the clock is the test's:
 * a client's rate is what it reads each tick. */
#include "rig_clock.h"

#include <sys/ioctl.h>

#define WIDE    (4 << 20)
#define WATCHED (32 << 10)
/* The 8 KB that are always allowed; a socket pair lets go of whole writes, and so allows more. */
#define PRESSED (24 << 10)

static const struct sw_marks marks = {
    .low_bytes = 64 << 10, .high_bytes = 192 << 10, .high_messages = 1000, .max_bytes = 1 << 20};

static struct sw_tape *one(struct rig *rig, enum sw_mode mode, int room)
{
    rig_init_marks(rig, 1, &marks);
    struct sw_tape *tape = rig_tape(rig, "a");
    rig_open(rig, 0, room);
    rig_subscribe_as(rig, 0, tape, mode, 0);
    return tape;
}

/* Bytes that the client could read now. */
static int unread(struct rig *rig)
{
    int bytes = 0;
    assert_int_equal(ioctl(rig->slots[0].peer, FIONREAD, &bytes), 0);
    return bytes;
}

static void send_run(struct rig *rig, struct sw_tape *tape, unsigned count, size_t size)
{
    for (unsigned i = 0; i < count; i++) {
        rig_send_long(rig, tape, "x:", size);
    }
}

/* For `ms`, each 10 ms: `count` frames of a KB come, and the client reads `bytes`. Returns the most
 * that waited for it in the kernel. */
static int run(struct rig *rig, struct sw_tape *tape, uint64_t ms, unsigned count, size_t bytes)
{
    int most = 0;
    for (uint64_t at = 0; at < ms; at += 10) {
        send_run(rig, tape, count, 1000);
        rig_pass(rig, 10);
        rig_turn(rig);
        most = unread(rig) > most ? unread(rig) : most;
        rig_read(rig, 0, bytes);
    }
    return most;
}

/* At 32 KB/s: ten times as much comes. */
static void slow_reader_has_little_in_the_kernel_before_it_is_known_and_less_then(void **state)
{
    (void)state;
    static const enum sw_mode modes[] = {SW_MODE_ALL, SW_MODE_LATEST, SW_MODE_DISCONNECT};
    for (size_t i = 0; i < SW_ARRAY_SIZE(modes); i++) {
        struct rig rig;
        struct sw_tape *tape = one(&rig, modes[i], WIDE);
        assert_in_range(run(&rig, tape, 300, 3, 320), 8000, WATCHED + 4000);
        assert_in_range(run(&rig, tape, 1700, 3, 320), 8000, WATCHED + 4000);
        assert_int_equal(rig.slots[0].episodes, 1);
        assert_in_range(run(&rig, tape, 2000, 3, 320), 2000, PRESSED);
        rig_deinit(&rig);
    }
}

/* It was away for two ticks; then it takes all there is as fast as it comes. */
static void reader_that_reads_again_does_not_wait_for_ticks(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 100000);
    send_run(&rig, tape, 800, 1000);
    rig_turn(&rig);
    rig_live(&rig, 50);
    assert_true(RIG_COUNT(&rig, sent_total) < 800);
    for (unsigned turn = 0; turn < 60; turn++) {
        rig_read(&rig, 0, SIZE_MAX);
        rig_turn(&rig);
    }
    assert_int_equal(RIG_COUNT(&rig, sent_total), 800);
    assert_int_equal(rig.slots[0].episodes, 0);
    rig_live(&rig, 100);
    assert_int_equal(rig.fanout.gates_count, 0);
    rig_deinit(&rig);
}

static void burst_in_an_episode_that_is_about_to_end_waits_here(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, WIDE);
    run(&rig, tape, 1000, 3, 320);
    for (unsigned at = 0; at < 50; at++) {
        rig_read(&rig, 0, SIZE_MAX);
        rig_live(&rig, 20);
    }
    assert_int_equal(RIG_COUNT(&rig, behind), 0);
    assert_int_equal(rig.slots[0].eased, 0);
    send_run(&rig, tape, 60, 1000);
    rig_turn(&rig);
    assert_in_range(unread(&rig), 1000, 40000); /* it has just read so much in the window */
    rig_live(&rig, 300);
    assert_in_range(unread(&rig), 1000, 40000);
    rig_deinit(&rig);
}

/* What was acknowledged is reckoned by time, not by looks. */
static void window_is_as_long_where_looks_are_rare(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, WIDE);
    run(&rig, tape, 1000, 3, 320);
    assert_int_equal(rig.slots[0].episodes, 1);
    int most = 0;
    for (unsigned at = 0; at < 50; at++) {
        send_run(&rig, tape, 10, 1000);
        rig_pass(&rig, 100);
        rig_turn(&rig);
        most = at > 20 && unread(&rig) > most ? unread(&rig) : most;
        rig_read(&rig, 0, 2000);
    }
    assert_in_range(most, 2000, PRESSED);
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_reader_has_little_in_the_kernel_before_it_is_known_and_less_then),
        cmocka_unit_test(reader_that_reads_again_does_not_wait_for_ticks),
        cmocka_unit_test(burst_in_an_episode_that_is_about_to_end_waits_here),
        cmocka_unit_test(window_is_as_long_where_looks_are_rare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
