// SPDX-License-Identifier: Apache-2.0
/* What becomes of readers that are behind, mode by mode: what is shed, and what they are told. The
 * clock is the test's. */
#include "rig_clock.h"

/* The smallest SO_SNDBUF there is: a few KB. */
#define SMALL 1
#define WIDE  (4 << 20)

static const struct sw_marks marks = {
    .low_bytes = 20000, .high_bytes = 60000, .high_messages = 300, .max_bytes = 300000};

/* ---- small things ---- */

/* One tape, and one reader of it in slot 0, whose socket is small. */
static struct sw_tape *one(struct rig *rig, enum sw_mode mode, unsigned max_hz)
{
    rig_init_marks(rig, 4, &marks);
    struct sw_tape *tape = rig_tape(rig, "a");
    rig_open(rig, 0, SMALL);
    rig_subscribe_as(rig, 0, tape, mode, max_hz);
    return tape;
}

/* The frames "<key>:<from>" to "<key>:<to>" of `size` bytes. */
static void send_run(struct rig *rig, struct sw_tape *tape, const char *key, unsigned from,
                     unsigned to, size_t size)
{
    for (unsigned i = from; i <= to; i++) {
        char text[32];
        snprintf(text, sizeof(text), "%s:%u", key, i);
        rig_send_long(rig, tape, text, size);
    }
}

/* The client reads all that is there and will be, while the time passes. */
static const char *drain(struct rig *rig, uint32_t slot)
{
    for (unsigned idle = 0; idle < 110; idle++) {
        if (rig_read(rig, slot, SIZE_MAX)) {
            idle = 0;
        }
        rig_pass(rig, 20);
    }
    return rig_text(rig, slot);
}

/* Its socket takes nothing more. */
static void stuff(struct rig *rig, uint32_t slot)
{
    for (size_t size = 4096; size > 0; size /= 16) {
        char dots[4096];
        memset(dots, '.', sizeof(dots));
        while (sw_conn_send(sw_reader(&rig->fanout, slot)->fd, dots, size) > 0) {
        }
    }
}

/* The client reads what `stuff` put there, and throws it away. */
static void unstuff(struct rig *rig, uint32_t slot)
{
    rig_read(rig, slot, SIZE_MAX);
    sw_buf_clear(&rig->slots[slot].got);
}

/* What a text of rig_text says. */
struct account {
    unsigned received; /* messages */
    unsigned told;     /* in all, */
    unsigned slow;     /* as slow, */
    unsigned passed;   /* as conflated or paced */
    unsigned tells;    /* of passed */
};

static struct account account_of(const char *text)
{
    struct account account = {0};
    while (*text) {
        char topic[16];
        char word[16];
        unsigned count;
        if (sscanf(text, "dropped %15s %u %15[a-z_]", topic, &count, word) == 3) {
            bool passed = strcmp(word, "conflated") == 0 || strcmp(word, "paced") == 0;
            account.told += count;
            account.slow += strcmp(word, "slow") == 0 ? count : 0;
            account.passed += passed ? count : 0;
            account.tells += passed;
        } else {
            account.received++;
        }
        text += strcspn(text, "|");
        text += *text == '|';
    }
    return account;
}

/* The stream of messages "x:1" to "x:<last>", with what was shed told exactly where it is missing;
 * returns how many were. */
static unsigned check_run(const char *text, unsigned last)
{
    unsigned next = 1;
    unsigned shed = 0;
    while (*text) {
        unsigned n;
        if (sscanf(text, "dropped a %u slow", &n) == 1) {
            next += n;
            shed += n;
        } else {
            assert_int_equal(sscanf(text, "x:%u", &n), 1);
            assert_int_equal(n, next);
            next++;
        }
        text += strcspn(text, "|");
        text += *text == '|';
    }
    assert_int_equal(next, last + 1);
    return shed;
}

/* ---- beside other dirty tapes ---- */

/* Tapes whose turn was handed out as items are not clean yet when others are flushed. */
static void reader_goes_onto_boards_in_a_turn_of_several_tapes(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *a = one(&rig, SW_MODE_LATEST, 0);
    struct sw_tape *b = rig_tape(&rig, "b");
    rig_subscribe_as(&rig, 0, b, SW_MODE_LATEST, 0);
    rig_open(&rig, 1, WIDE);
    rig_subscribe_as(&rig, 1, a, SW_MODE_LATEST, 0);
    rig_subscribe_as(&rig, 1, b, SW_MODE_LATEST, 0);
    send_run(&rig, a, "x", 1, 40, 1000);
    rig_turn(&rig);
    rig_pass(&rig, 300);
    send_run(&rig, a, "x", 41, 80, 1000);
    send_run(&rig, b, "y", 1, 2, 1000);
    rig_turn(&rig);
    send_run(&rig, a, "x", 81, 81, 1000);
    send_run(&rig, b, "y", 3, 3, 1000);
    rig_turn(&rig);
    assert_null(strstr(drain(&rig, 1), "dropped"));
    assert_non_null(strstr(drain(&rig, 0), "x:81"));
    assert_true(RIG_SHED(&rig, CONFLATED) > 0);
    rig_deinit(&rig);
}

/* ---- in another manner ---- */

static void set_manner(struct rig *rig, uint32_t slot, enum sw_mode mode, unsigned max_hz)
{
    sw_hub_set_manner(&rig->fanout, slot, 0,
                      (struct sw_manner){.mode = mode, .pace = sw_pace_of(max_hz)});
}

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

/* ---- boards ---- */

/* A policy has a look at the slot though nothing new came. */
static void look(struct rig *rig, uint32_t slot)
{
    sw_fanout_due(&rig->fanout, slot);
    rig_turn(rig);
}

/* The bus was away, and a newcomer makes it said at once. */
static void lose_and_subscribe(struct rig *rig, struct sw_tape *tape, uint32_t slot,
                               enum sw_mode mode, unsigned max_hz)
{
    sw_tape_append_gap(&rig->fanout, tape, 0, SW_SHED_FEED);
    rig_open(rig, slot, WIDE);
    rig_subscribe_as(rig, slot, tape, mode, max_hz);
}

/* A mark has no position of its own: a board that begins behind it does not have it. */
static void mark_before_a_board_of_the_same_position_is_told(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
    stuff(&rig, 0);
    rig_send(&rig, tape, "w:1");
    rig_turn(&rig); /* in flight */
    rig_send(&rig, tape, "x:1");
    rig_turn(&rig);
    lose_and_subscribe(&rig, tape, 1, SW_MODE_ALL, 1);
    rig_send(&rig, tape, "x:2");
    rig_turn(&rig);
    assert_non_null(tape->board);
    rig_clock_advance(300);
    look(&rig, 0);
    unstuff(&rig, 0);
    assert_string_equal(drain(&rig, 0), "w:1|dropped a 1 conflated|dropped a 0 feed|x:2");
    assert_string_equal(drain(&rig, 1), "x:2");
    rig_deinit(&rig);
}

static void mark_that_was_read_is_not_told_again_by_a_board(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
    stuff(&rig, 0);
    rig_send(&rig, tape, "w:1");
    rig_turn(&rig);
    rig_open(&rig, 3, SMALL);
    rig_subscribe_as(&rig, 3, tape, SW_MODE_LATEST, 0);
    stuff(&rig, 3);
    lose_and_subscribe(&rig, tape, 1, SW_MODE_ALL, 0); /* 3: in flight; 0: unread */
    lose_and_subscribe(&rig, tape, 2, SW_MODE_ALL, 0); /* 3: unread */
    rig_send(&rig, tape, "x:1");
    rig_turn(&rig);
    rig_clock_advance(300);
    look(&rig, 0);
    look(&rig, 3);
    unstuff(&rig, 0);
    unstuff(&rig, 3);
    assert_string_equal(drain(&rig, 3), "dropped a 0 feed|dropped a 0 feed|x:1");
    assert_non_null(strstr(drain(&rig, 0), "w:1|dropped a 0 feed|"));
    rig_deinit(&rig);
}

static void send_keys(struct rig *rig, struct sw_tape *tape, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%u:", i);
        rig_send(rig, tape, text);
    }
}

/* A mark that fell off the board is no matter of who came behind it. */
static void who_misses_a_count_is_told_it_though_a_mark_fell_before(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
    stuff(&rig, 0);
    rig_send(&rig, tape, "w:1");
    rig_turn(&rig);
    sw_tape_append_gap(&rig.fanout, tape, 0, SW_SHED_FEED);
    rig_send(&rig, tape, "x:1");
    rig_turn(&rig);
    rig_clock_advance(300);
    look(&rig, 0);
    send_keys(&rig, tape, SW_BOARD_ENTRIES);
    rig_turn(&rig);
    rig_open(&rig, 1, WIDE);
    rig_subscribe_as(&rig, 1, tape, SW_MODE_ALL, 5);
    send_keys(&rig, tape, SW_BOARD_ENTRIES + 10);
    rig_turn(&rig);
    const char *text = drain(&rig, 1);
    assert_memory_equal(text, "dropped a 10 slow|10:|11:|", 26);
    assert_int_equal(RIG_SHED(&rig, SLOW), 10);
    unstuff(&rig, 0);
    text = drain(&rig, 0);
    assert_memory_equal(text, "w:1|dropped a 0 slow|", 21);
    rig_deinit(&rig);
}

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

/* ---- unsubscribing ---- */

static void outage_is_untold_to_a_paced_reader_that_had_read_all(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 1);
    rig_send(&rig, tape, "x:1");
    rig_turn(&rig);
    assert_int_equal(rig.fanout.cursors_used, 1);
    sw_tape_append_gap(&rig.fanout, tape, 0, SW_SHED_FEED);
    struct sw_untold untold = sw_hub_unsubscribe(&rig.fanout, 0, 0);
    assert_true(untold.feed);
    assert_int_equal(untold.slow + untold.passed, 0);
    rig_deinit(&rig);
}

/* ---- all ---- */

static void all_sheds_the_oldest_above_high_down_to_low_once_it_is_old(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 0);
    const struct sw_reader *reader = sw_reader(&rig.fanout, 0);
    send_run(&rig, tape, "x", 1, 50, 1000);
    rig_turn(&rig);
    rig_live(&rig, 1000);
    assert_int_equal(RIG_SHED(&rig, SLOW), 0); /* however old, below high */
    send_run(&rig, tape, "x", 51, 66, 1000);
    rig_turn(&rig);
    assert_true(reader->queued_bytes <= 20000 && reader->queued_bytes > 18000);
    unsigned shed = (unsigned)RIG_SHED(&rig, SLOW);
    assert_true(shed >= 40 && shed < 50);
    assert_int_equal(check_run(drain(&rig, 0), 66), shed);
    assert_int_equal(reader->shed, shed);
    assert_int_equal(reader->sent, 66 - shed);
    assert_int_equal(rig.fanout.cursors_used, 0);
    rig_deinit(&rig);
}

static void all_keeps_what_is_young_below_max(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 0);
    send_run(&rig, tape, "x", 1, 100, 1000);
    rig_turn(&rig);
    rig_pass(&rig, 80);
    send_run(&rig, tape, "x", 101, 200, 1000);
    rig_turn(&rig);
    assert_int_equal(RIG_SHED(&rig, SLOW), 0);
    rig_live(&rig, 40); /* the first hundred are old now, and nothing new has to come */
    unsigned shed = (unsigned)RIG_SHED(&rig, SLOW);
    assert_true(shed > 80 && shed <= 100);
    rig_live(&rig, 400);
    assert_true(RIG_SHED(&rig, SLOW) > 170);
    assert_true(check_run(drain(&rig, 0), 200) > 170);
    rig_deinit(&rig);
}

static void all_sheds_above_max_whatever_its_age(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 0);
    send_run(&rig, tape, "x", 1, 310, 1000);
    rig_turn(&rig);
    assert_true(sw_reader(&rig.fanout, 0)->queued_bytes <= 20000);
    assert_int_equal(rig.slots[0].overs, 0);
    unsigned shed = (unsigned)RIG_SHED(&rig, SLOW);
    assert_true(shed > 280);
    assert_int_equal(check_run(drain(&rig, 0), 310), shed);
    rig_deinit(&rig);
}

static void all_sheds_above_the_mark_of_messages(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_ALL, 0);
    stuff(&rig, 0);
    send_run(&rig, tape, "x", 1, 301, 10);
    rig_turn(&rig);
    assert_int_equal(RIG_SHED(&rig, SLOW), 0);
    rig_live(&rig, 140);
    assert_int_equal(sw_reader(&rig.fanout, 0)->queued, 100);
    assert_int_equal(RIG_SHED(&rig, SLOW), 201);
    unstuff(&rig, 0);
    assert_int_equal(check_run(drain(&rig, 0), 301), 201);
    rig_deinit(&rig);
}

static void marks_that_are_passed_join_what_is_told(void **state)
{
    (void)state;
    struct rig rig;
    for (unsigned unknown = 0; unknown < 2; unknown++) {
        struct sw_tape *tape = one(&rig, SW_MODE_ALL, 0);
        stuff(&rig, 0);
        send_run(&rig, tape, "x", 1, 5, 1000);
        sw_tape_append_gap(&rig.fanout, tape, 7, SW_SHED_TOO_LARGE);
        send_run(&rig, tape, "x", 6, 10, 1000);
        if (unknown) {
            sw_tape_append_gap(&rig.fanout, tape, 0, SW_SHED_FEED);
        }
        send_run(&rig, tape, "x", 11, 80, 1000);
        sw_tape_append_gap(&rig.fanout, tape, 9, SW_SHED_NODE);
        rig_turn(&rig);
        rig_live(&rig, 140);
        unsigned shed = (unsigned)RIG_SHED(&rig, SLOW);
        assert_int_equal(RIG_SHED(&rig, TOO_LARGE) + RIG_SHED(&rig, NODE), 0);
        unstuff(&rig, 0);
        char head[64];
        snprintf(head, sizeof(head), "x:1|dropped a %u slow|x:%u|", unknown ? 0 : shed, shed - 5);
        const char *text = drain(&rig, 0);
        assert_memory_equal(text, head, strlen(head));
        assert_string_equal(text + strlen(text) - 17, "|dropped a 9 node");
        assert_int_equal(RIG_SHED(&rig, SLOW), shed);
        assert_int_equal(RIG_SHED(&rig, NODE), 9);
        rig_deinit(&rig);
    }
}

static void who_is_furthest_behind_in_time_loses_first(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *a = one(&rig, SW_MODE_ALL, 0);
    struct sw_tape *b = rig_tape(&rig, "b");
    rig_subscribe_as(&rig, 0, b, SW_MODE_ALL, 0);
    send_run(&rig, b, "y", 1, 50, 1000);
    rig_turn(&rig);
    rig_pass(&rig, 200);
    send_run(&rig, a, "x", 1, 14, 1000);
    rig_turn(&rig);
    rig_pass(&rig, 200);
    send_run(&rig, b, "y", 51, 55, 1000);
    rig_turn(&rig);
    const char *text = drain(&rig, 0);
    assert_null(strstr(text, "dropped a"));
    assert_non_null(strstr(text, "dropped b"));
    assert_non_null(strstr(text, "x:1|x:2"));
    rig_deinit(&rig);
}

static void burst_to_a_healthy_reader_sheds_nothing(void **state)
{
    (void)state;
    struct rig rig;
    for (unsigned mode = 0; mode < 2; mode++) {
        rig_init_marks(&rig, 1,
                       &(struct sw_marks){.low_bytes = 64 << 10,
                                          .high_bytes = 192 << 10,
                                          .high_messages = 1000,
                                          .max_bytes = 1 << 20});
        struct sw_tape *tape = rig_tape(&rig, "a");
        rig_open(&rig, 0, 0);
        rig_subscribe_as(&rig, 0, tape, mode ? SW_MODE_LATEST : SW_MODE_ALL, 0);
        for (unsigned burst = 0; burst < 5; burst++) {
            send_run(&rig, tape, "x", burst * 200 + 1, burst * 200 + 200, 4000);
            rig_turn(&rig);
            for (unsigned ms = 0; ms < 60; ms += 5) {
                rig_read(&rig, 0, SIZE_MAX);
                rig_pass(&rig, 5);
            }
            assert_int_equal(RIG_COUNT(&rig, behind), 0);
        }
        assert_int_equal(check_run(rig_text(&rig, 0), 1000), 0);
        assert_int_equal(rig.slots[0].episodes, 0);
        rig_deinit(&rig);
    }
}

/* ---- latest ---- */

static void latest_gives_all_until_pressured_then_the_newest_in_order_of_change(void **state)
{
    (void)state;
    struct rig rig;
    for (unsigned pressured = 0; pressured < 2; pressured++) {
        struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
        stuff(&rig, 0);
        rig_send(&rig, tape, "w:0");
        rig_turn(&rig);
        static const char *const sends[] = {"a:1", "b:1", "a:2", "c:1", "b:2"};
        for (size_t i = 0; i < SW_ARRAY_SIZE(sends); i++) {
            rig_send(&rig, tape, sends[i]);
        }
        rig_turn(&rig);
        rig_live(&rig, pressured ? 260 : 200);
        unstuff(&rig, 0);
        if (pressured) {
            rig_turn(&rig);
            rig_turn(&rig);
        }
        rig_send(&rig, tape, "a:3");
        rig_turn(&rig);
        assert_string_equal(drain(&rig, 0), pressured ? "w:0|dropped a 2 conflated|a:2|c:1|b:2|a:3"
                                                      : "w:0|a:1|b:1|a:2|c:1|b:2|a:3");
        assert_int_equal(RIG_SHED(&rig, CONFLATED), pressured ? 2 : 0);
        assert_int_equal(rig.slots[0].episodes, pressured);
        assert_int_equal(rig.fanout.cursors_used, 0);
        assert_null(tape->board);
        rig_live(&rig, 1100);
        rig_send(&rig, tape, "a:4"); /* direct again */
        sw_fanout_walk(&rig.fanout);
        assert_string_equal(rig_received(&rig, 0), "a:4");
        sw_fanout_turned(&rig.fanout);
        rig_deinit(&rig);
    }
}

/* It reads as much as leaves it always behind: told at most once a second, not for each frame. */
static void conflated_is_told_at_most_once_a_second(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
    struct account sum = {0};
    for (unsigned i = 0; i < 500; i++) {
        for (unsigned key = 0; key < 40; key++) {
            char text[16];
            snprintf(text, sizeof(text), "k%u:%u", (key + i) % 80, i);
            rig_send_long(&rig, tape, text, 500);
        }
        rig_pass(&rig, 10);
        rig_read(&rig, 0, 1500);
        struct account now = account_of(rig_text(&rig, 0));
        sum.tells += now.tells;
        sum.received += now.received;
    }
    assert_true(sum.tells >= 4 && sum.tells <= 6);
    assert_true(sum.received > 500);
    drain(&rig, 0);
    rig_deinit(&rig);
}

static void marks_keep_their_place_on_a_board(void **state)
{
    (void)state;
    struct rig rig;
    struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
    stuff(&rig, 0);
    rig_send(&rig, tape, "w:0");
    rig_turn(&rig);
    rig_send(&rig, tape, "a:1");
    rig_send(&rig, tape, "b:1");
    sw_tape_append_gap(&rig.fanout, tape, 4, SW_SHED_NODE);
    rig_send(&rig, tape, "a:2");
    rig_turn(&rig);
    rig_clock_advance(300);
    look(&rig, 0);
    sw_tape_append_gap(&rig.fanout, tape, 0, SW_SHED_FEED);
    sw_tape_append_gap(&rig.fanout, tape, 6, SW_SHED_TOO_LARGE);
    rig_send(&rig, tape, "c:1");
    rig_turn(&rig);
    unstuff(&rig, 0);
    assert_string_equal(drain(&rig, 0), "w:0|dropped a 1 conflated|b:1|dropped a 4 node|a:2|"
                                        "dropped a 0 feed|dropped a 6 too_large|c:1");
    assert_int_equal(RIG_SHED(&rig, CONFLATED), 1);
    assert_int_equal(RIG_SHED(&rig, NODE), 4);
    assert_int_equal(RIG_SHED(&rig, TOO_LARGE), 6);
    rig_deinit(&rig);
}

/* Above what a board holds the oldest goes, and is told as slow. */
static void board_of_too_many_keys_tells_the_oldest_as_slow(void **state)
{
    (void)state;
    struct rig rig;
    for (unsigned before = 0; before < 2; before++) { /* what was on the tape; what comes later */
        struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
        rig.fanout.marks.high_messages = UINT32_MAX;
        stuff(&rig, 0);
        rig_send(&rig, tape, "w:0");
        rig_turn(&rig);
        if (before) {
            send_keys(&rig, tape, SW_BOARD_ENTRIES + 10);
        } else {
            rig_send(&rig, tape, "0:");
        }
        rig_turn(&rig);
        rig_clock_advance(300);
        look(&rig, 0);
        if (!before) {
            send_keys(&rig, tape, SW_BOARD_ENTRIES + 10);
            rig_turn(&rig);
        }
        unstuff(&rig, 0);
        const char *text = drain(&rig, 0);
        const char *head = before ? "w:0|dropped a 10 slow|10:|" : "w:0|dropped a 11 slow|10:|";
        assert_memory_equal(text, head, strlen(head));
        assert_int_equal(account_of(text).received, SW_BOARD_ENTRIES + 1);
        assert_int_equal(RIG_SHED(&rig, SLOW), before ? 10 : 11);
        rig_deinit(&rig);
    }
}

/* Two who are behind at different places come onto the board in either order. */
static void laggards_at_different_places_share_a_board(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        struct rig rig;
        struct sw_tape *tape = one(&rig, SW_MODE_LATEST, 0);
        rig_open(&rig, 1, SMALL);
        stuff(&rig, 0);
        stuff(&rig, 1);
        rig_send(&rig, tape, "w:0");
        rig_turn(&rig);
        send_run(&rig, tape, "a", 1, 3, 10);
        send_run(&rig, tape, "b", 1, 1, 10);
        rig_turn(&rig);
        rig_subscribe_as(&rig, 1, tape, SW_MODE_LATEST, 0);
        send_run(&rig, tape, "v", 1, 1, 10);
        rig_turn(&rig); /* in flight to the second */
        send_run(&rig, tape, "a", 4, 5, 10);
        send_run(&rig, tape, "c", 1, 2, 10);
        rig_turn(&rig);
        rig_clock_advance(300);
        look(&rig, first);
        send_run(&rig, tape, "c", 3, 3, 10);
        rig_turn(&rig);
        look(&rig, 1 - first);
        unstuff(&rig, 0);
        unstuff(&rig, 1);
        assert_string_equal(drain(&rig, 0), "w:0|dropped a 6 conflated|b:1|v:1|a:5|c:3");
        assert_string_equal(drain(&rig, 1), "v:1|dropped a 3 conflated|a:5|c:3");
        assert_int_equal(RIG_SHED(&rig, CONFLATED), 9);
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
    sw_tape_append_gap(&rig.fanout, tape, 0, SW_SHED_FEED);
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
    while (!(reader->flags & SW_GATED)) {
        send_run(&rig, tape, "x", sent + 1, sent + 2, 1000);
        sent += 2;
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
        cmocka_unit_test(reader_goes_onto_boards_in_a_turn_of_several_tapes),
        cmocka_unit_test(paced_reader_that_has_read_all_takes_another_manner),
        cmocka_unit_test(mark_before_a_board_of_the_same_position_is_told),
        cmocka_unit_test(mark_that_was_read_is_not_told_again_by_a_board),
        cmocka_unit_test(who_misses_a_count_is_told_it_though_a_mark_fell_before),
        cmocka_unit_test(cursors_of_one_session_take_turns_however_little_the_socket_takes),
        cmocka_unit_test(healthy_reader_beside_a_paced_one_is_not_pressured_by_one_cut),
        cmocka_unit_test(disconnect_ends_who_is_above_high_for_ten_seconds_though_nothing_follows),
        cmocka_unit_test(disconnect_stays_when_it_falls_below_high_in_time),
        cmocka_unit_test(disconnect_ends_at_once_above_max),
        cmocka_unit_test(paced_reader_that_does_not_read_is_gated_though_its_socket_takes_all),
        cmocka_unit_test(far_reader_that_reads_all_in_time_is_never_pressured),
        cmocka_unit_test(outage_is_untold_to_a_paced_reader_that_had_read_all),
        cmocka_unit_test(all_sheds_the_oldest_above_high_down_to_low_once_it_is_old),
        cmocka_unit_test(all_keeps_what_is_young_below_max),
        cmocka_unit_test(all_sheds_above_max_whatever_its_age),
        cmocka_unit_test(all_sheds_above_the_mark_of_messages),
        cmocka_unit_test(marks_that_are_passed_join_what_is_told),
        cmocka_unit_test(who_is_furthest_behind_in_time_loses_first),
        cmocka_unit_test(burst_to_a_healthy_reader_sheds_nothing),
        cmocka_unit_test(latest_gives_all_until_pressured_then_the_newest_in_order_of_change),
        cmocka_unit_test(conflated_is_told_at_most_once_a_second),
        cmocka_unit_test(marks_keep_their_place_on_a_board),
        cmocka_unit_test(board_of_too_many_keys_tells_the_oldest_as_slow),
        cmocka_unit_test(laggards_at_different_places_share_a_board),
        cmocka_unit_test(paced_reader_gets_the_first_at_once_and_then_the_newest_at_ticks),
        cmocka_unit_test(paced_reader_gets_no_more_than_its_pace_and_is_told_in_time),
        cmocka_unit_test(manner_changes_in_every_state),
        cmocka_unit_test(unsubscribing_in_every_state_returns_what_is_untold),
        cmocka_unit_test(untold_says_what_was_shed_and_not_told),
        cmocka_unit_test(closing_in_every_state_ends_with_the_law),
        cmocka_unit_test(subscriptions_of_one_session_keep_their_own_manner),
        cmocka_unit_test(reader_that_does_not_read_is_gated_until_it_has_been_calm),
        cmocka_unit_test(lane_passes_a_gate_without_room),
        cmocka_unit_test(gates_of_many_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
