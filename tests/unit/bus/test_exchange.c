// SPDX-License-Identifier: Apache-2.0
/* Who joins, who leaves, and who gets which message. */
#include "exchange_world.h"

/* ---- joining and leaving ---- */

static void the_state_comes_with_the_ack_and_then_at_once(void **state)
{
    struct world *world = *state;
    join(world, 0, 7, 1, "a.b");
    asked(world, "subscribe a.b\n");
    heard(world, 0, "");
    ack(world, "a.b", false);
    heard(world, 0, "state 7.1\n");
    join(world, 1, 3, 9, "a.b");
    asked(world, "");
    heard(world, 1, "state 3.9\n");
    heard(world, 0, "");
    assert_int_equal(sw_counter_read(&world->counters->interests), 1);
}

static void a_backend_may_ack_before_it_returns(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    join(world, 0, 7, 1, "a.b");
    heard(world, 0, "state 7.1\n");
}

static void an_ack_that_is_repeated_says_nothing_new(void **state)
{
    struct world *world = *state;
    join(world, 0, 7, 1, "a.b");
    ack(world, "a.b", false);
    ack(world, "a.b", false);
    heard(world, 0, "state 7.1\n");
}

static void one_message_reaches_each_reader_once(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    join(world, 0, 1, 1, "a.b");
    join(world, 0, 2, 1, "a.b"); /* another encoding's tape */
    join(world, 1, 1, 4, "a.b");
    join(world, 1, 2, 4, "a.c");
    message(world, "a.b", "a.b", "{\"id\":1}");
    message(world, "a.b", "a.b", "{\"id\":2}");
    heard(world, 0,
          "state 1.1\nstate 2.1\n"
          "msg 1.1 a.b {\"id\":1}\nmsg 2.1 a.b {\"id\":1}\n"
          "msg 1.1 a.b {\"id\":2}\nmsg 2.1 a.b {\"id\":2}\n");
    heard(world, 1, "state 1.4\nstate 2.4\nmsg 1.4 a.b {\"id\":1}\nmsg 1.4 a.b {\"id\":2}\n");
    assert_int_equal(sw_counter_read(&world->counters->messages_total[SW_BUS_REDIS]), 2);
}

static void nothing_comes_before_the_state_or_after_the_leave(void **state)
{
    struct world *world = *state;
    join(world, 0, 1, 1, "a.b");
    message(world, "a.b", "a.b", "early");
    ack(world, "a.b", false);
    message(world, "a.b", "a.b", "one");
    leave(world, 0, 1, 1, "a.b");
    message(world, "a.b", "a.b", "late");
    heard(world, 0, "state 1.1\nmsg 1.1 a.b one\n");
}

static void join_after_leave_with_new_generation_gets_a_state_of_its_own(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    join(world, 0, 1, 1, "a.b");
    asked(world, "subscribe a.b\n");
    leave(world, 0, 1, 1, "a.b");
    join(world, 0, 1, 2, "a.b");
    message(world, "a.b", "a.b", "x");
    heard(world, 0, "state 1.1\nstate 1.2\nmsg 1.2 a.b x\n");
    asked(world, "");
}

static void leaving_twice_or_with_another_generation_is_nothing(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    leave(world, 0, 1, 1, "a.b");
    join(world, 0, 1, 2, "a.b");
    leave(world, 0, 1, 1, "a.b");
    leave(world, 1, 1, 2, "a.b");
    leave(world, 0, 2, 2, "a.b");
    message(world, "a.b", "a.b", "x");
    heard(world, 0, "state 1.2\nmsg 1.2 a.b x\n");
}

static void a_refused_string_is_told_to_its_readers_and_forgotten(void **state)
{
    struct world *world = *state;
    join(world, 0, 1, 1, "a.b");
    join(world, 1, 2, 1, "a.b");
    sw_exchange_refused(world->exchange, find(world, "a.b", false), SW_ERROR_FORBIDDEN);
    heard(world, 0, "refused 1.1 forbidden\n");
    heard(world, 1, "refused 2.1 forbidden\n");
    assert_null(find(world, "a.b", false));
    leave(world, 0, 1, 1, "a.b");
    join(world, 0, 1, 2, "a.b");
    asked(world, "subscribe a.b\nsubscribe a.b\n");
}

static void a_backend_may_refuse_before_it_returns(void **state)
{
    struct world *world = *state;
    world->refuses_at_once = true;
    join(world, 0, 1, 1, "a.b");
    heard(world, 0, "refused 1.1 forbidden\n");
    assert_int_equal(sw_counter_read(&world->counters->interests), 0);
}

static void a_string_that_nobody_reads_lingers_and_is_then_given_up(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    join(world, 0, 1, 1, "a.b");
    leave(world, 0, 1, 1, "a.b");
    asked(world, "subscribe a.b\n");
    message(world, "a.b", "a.b", "nobody hears it");
    fake_pause(world->loop, 120); /* 20 ms, up to 20 more, and the wheel's ticks */
    asked(world, "unsubscribe a.b\n");
    assert_null(find(world, "a.b", false));
    join(world, 0, 1, 2, "a.b");
    asked(world, "subscribe a.b\n");
}

static void a_join_revives_what_lingers(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    join(world, 0, 1, 1, "a.b");
    leave(world, 0, 1, 1, "a.b");
    join(world, 1, 5, 1, "a.b");
    fake_pause(world->loop, 120);
    asked(world, "subscribe a.b\n");
    message(world, "a.b", "a.b", "x");
    heard(world, 1, "state 5.1\nmsg 5.1 a.b x\n");
}

static void what_was_never_acked_is_kept_longer(void **state)
{
    struct world *world = *state;
    join(world, 0, 1, 1, "a.b");
    leave(world, 0, 1, 1, "a.b");
    fake_pause(world->loop, 120);
    asked(world, "subscribe a.b\n");
    ack(world, "a.b", false);
    join(world, 0, 1, 2, "a.b");
    heard(world, 0, "state 1.2\n");
}

static void many_leave(struct world *world, uint32_t from, uint32_t to, const char *format)
{
    char name[32];
    for (uint32_t i = from; i < to; i++) {
        snprintf(name, sizeof(name), format, i);
        struct sw_join *join = join_of(0, i, 1, name, is_pattern(name));
        sw_exchange_join(world->exchange, join);
        sw_exchange_leave(world->exchange, join);
        sw_free(join);
    }
    assert_true(sw_exchange_sane(world->exchange));
}

static void what_lingers_is_bounded_and_the_oldest_goes_first(void **state)
{
    static const struct {
        const char *format;
        const char *second;
        const char *given_up;
        uint32_t most;
    } rows[] = {{"t.%u", "t.1", "\nunsubscribe t.0\n", SW_LINGERING_TOPICS},
                {"p.%u.>", "p.1.>", "\npunsubscribe p.0.*\n", SW_LINGERING_PATTERNS}};
    struct world *world = *state;
    _Atomic int64_t *lingering = &world->counters->interests_lingering;
    for (uint32_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        uint32_t most = rows[i].most;
        int64_t before = sw_counter_read(lingering);
        many_leave(world, 0, most, rows[i].format);
        join(world, 1, i, 1, rows[i].second); /* who is read again waits no more */
        many_leave(world, most, most + 1, rows[i].format);
        assert_null(strstr(sw_buf_text(&world->asked), "unsubscribe"));
        many_leave(world, most + 1, most + 2, rows[i].format);
        assert_non_null(strstr(sw_buf_text(&world->asked), rows[i].given_up));
        assert_int_equal(sw_counter_read(lingering) - before, most);
        sw_buf_clear(&world->asked);
    }
}

/* ---- the link is lost ---- */

static void who_had_its_state_is_told_a_gap_at_the_next_ack(void **state)
{
    struct world *world = *state;
    join(world, 0, 1, 1, "a.b");
    ack(world, "a.b", false);
    join(world, 0, 2, 1, "a.c"); /* not acked: it cannot have missed anything */
    heard(world, 0, "state 1.1\n");
    sw_exchange_down(world->exchange, "why \"quoted\"");
    assert_false(sw_exchange_is_up(world->exchange));
    assert_true(sw_exchange_ever_up(world->exchange));
    join(world, 1, 1, 1, "a.b"); /* waits for the ack, too */
    heard(world, 0, "");
    heard(world, 1, "");
    sw_exchange_up(world->exchange);
    ack(world, "a.b", false);
    ack(world, "a.c", false);
    message(world, "a.b", "a.b", "x");
    heard(world, 0, "gap 1.1 ? feed\nstate 2.1\nmsg 1.1 a.b x\n");
    heard(world, 1, "state 1.1\nmsg 1.1 a.b x\n");
    assert_int_equal(sw_counter_read(&world->counters->bus_losses_total), 1);
}

static void a_link_lost_twice_before_the_ack_is_one_gap(void **state)
{
    struct world *world = *state;
    join(world, 0, 1, 1, "a.b");
    ack(world, "a.b", false);
    for (int i = 0; i < 3; i++) {
        sw_exchange_down(world->exchange, "reset");
        sw_exchange_up(world->exchange);
    }
    ack(world, "a.b", false);
    ack(world, "a.b", false);
    heard(world, 0, "state 1.1\ngap 1.1 ? feed\n");
    assert_int_equal(sw_counter_read(&world->counters->bus_losses_total), 3);
}

static void who_joins_what_lingered_through_an_outage_has_missed_nothing(void **state)
{
    struct world *world = *state;
    join(world, 0, 1, 1, "a.b");
    ack(world, "a.b", false);
    leave(world, 0, 1, 1, "a.b");
    sw_exchange_down(world->exchange, "reset");
    join(world, 0, 1, 2, "a.b");
    sw_exchange_up(world->exchange);
    ack(world, "a.b", false);
    heard(world, 0, "state 1.1\nstate 1.2\n");
}

/* ---- patterns ---- */

static void each_pattern_has_a_glob_of_its_own(void **state)
{
    (void)state;
    static const struct {
        const char *prefix;
        char separator;
        const char *name;
        const char *wire;
    } rows[] = {
        {"", '.', "a.*", "psubscribe a.[^.]*\n"},
        {"", '.', "a.>", "psubscribe a.*\n"},
        {"", '.', "t.*.eu", "psubscribe t.[^.]*.eu\n"},
        {"", '.', "a.*.*.>", "psubscribe a.[^.]*.[^.]*.*\n"},
        {"", ':', "a:*:>", "psubscribe a:[^:]*:*\n"},
        {"", '/', "a.b/*", "psubscribe a.b/[^/]*\n"},
        {"", '.', "a?b.[x].c^d.e-f.g\\h.>", "psubscribe a\\?b.\\[x\\].c\\^d.e\\-f.g\\\\h.*\n"},
        {"p?:", '.', "a.>", "psubscribe p\\?:a.*\n"},
        {"p?:", '.', "a?", "subscribe p?:a?\n"},
        {"", '.',
         "gr\xc3\xb6\xc3\x9f"
         "e.>",
         "psubscribe gr\xc3\xb6\xc3\x9f"
         "e.*\n"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct world *world = create(rows[i].prefix, rows[i].separator, NULL);
        join(world, 0, 1, 1, rows[i].name);
        asked(world, rows[i].wire);
        destroy(world);
    }
}

static void a_pattern_and_a_topic_get_their_own_message(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    join(world, 0, 1, 1, "t.eu");
    join(world, 0, 2, 1, "t.>");
    message(world, "t.eu", "t.eu", "x");
    message(world, "t.*", "t.eu", "x");
    heard(world, 0, "state 1.1\nstate 2.1\nmsg 1.1 t.eu x\nmsg 2.1 t.eu x\n");
    assert_int_equal(sw_counter_read(&world->counters->messages_total[SW_BUS_REDIS]), 2);
    assert_int_equal(sw_counter_read(&world->counters->interests), 2);
}

static void what_a_glob_covers_beyond_its_pattern_is_ignored(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    join(world, 0, 1, 1, "t.*.eu");
    static const char *const rows[] = {
        "t.a.b.eu", "t..eu", "t.\x01.eu", "t.{.eu", "t.*.eu", "t.a b.eu", "t.\xff.eu", "t.a.eu.",
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        message(world, "t.[^.]*.eu", rows[i], "x");
    }
    message(world, "t.[^.]*.eu", "t.a.eu", "y");
    heard(world, 0, "state 1.1\nmsg 1.1 t.a.eu y\n");
    assert_int_equal(sw_counter_read(&world->counters->bus_ignored_total), SW_ARRAY_SIZE(rows));
    assert_int_equal(sw_counter_read(&world->counters->messages_total[SW_BUS_REDIS]), 1);
}

static void a_topic_and_a_pattern_of_the_same_bytes_are_two(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    join(world, 0, 1, 1, "a.>");
    assert_null(find(world, "a.*", false));
    assert_non_null(find(world, "a.*", true));
    assert_null(find(world, "a.>", true));
}

/* A publisher may name a channel like a glob: it is another string than the pattern's. */
static void a_channel_of_the_bytes_of_a_glob_is_nobodys(void **state)
{
    (void)state;
    struct world *world = create("p:", '.', NULL);
    world->acks_at_once = true;
    join(world, 0, 1, 1, "a.>");
    join(world, 0, 2, 1, "a.b");
    struct sw_interest *glob = find(world, "p:a.*", true);
    assert_non_null(glob);
    assert_true(sw_slice_equal(sw_interest_wire(glob), SW_SLICE("p:a.*")));
    assert_true(sw_slice_equal(sw_interest_name(glob), SW_SLICE("a.>")));
    assert_null(find(world, "p:a.*", false));
    assert_null(find(world, "p:a.>", false));
    assert_null(find(world, "p:a.b", true));
    destroy(world);
}

static void a_topic_is_found_by_what_stands_behind_the_prefix(void **state)
{
    (void)state;
    struct world *world = create("p:", '.', NULL);
    world->acks_at_once = true;
    join(world, 0, 1, 1, "a");
    join(world, 0, 2, 1, "p:a");
    join(world, 0, 3, 1, "p:p:a");
    asked(world, "subscribe p:a\nsubscribe p:p:a\nsubscribe p:p:p:a\n");
    static const char *const names[] = {"a", "p:a", "p:p:a"};
    static const char *const wires[] = {"p:a", "p:p:a", "p:p:p:a"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(names); i++) {
        struct sw_interest *interest = find(world, wires[i], false);
        assert_non_null(interest);
        assert_true(sw_slice_equal(sw_interest_name(interest), sw_slice_of(names[i])));
        assert_true(sw_slice_equal(sw_interest_wire(interest), sw_slice_of(wires[i])));
        assert_ptr_equal(sw_exchange_find_topic(world->exchange, sw_slice_of(names[i])), interest);
        sw_exchange_message(world->exchange, interest, sw_slice_of(names[i]), SW_SLICE("x"));
    }
    heard(world, 0,
          "state 1.1\nstate 2.1\nstate 3.1\nmsg 1.1 a x\nmsg 2.1 p:a x\nmsg 3.1 p:p:a x\n");
    static const char *const nobody[] = {"a", "p", "p:", "", "q:a", "pp:a", "p:b"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(nobody); i++) {
        assert_null(find(world, nobody[i], false));
    }
    destroy(world);
}

/* The first reader has a place inside the interest; any of them may leave it, and the next one take
 * it. */
static void readers_come_and_go_in_any_order(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    for (uint32_t gone = 1; gone <= 3; gone++) {
        struct sw_buf words = {0};
        for (uint32_t tape = 1; tape <= 4; tape++) {
            join(world, 0, tape, gone, "a.b");
            sw_buf_printf(&words, "state %u.%u\n", tape, gone);
            if (tape == 3) {
                leave(world, 0, gone, gone, "a.b");
            }
        }
        message(world, "a.b", "a.b", "x");
        for (uint32_t tape = 1; tape <= 4; tape++) {
            if (tape != gone) {
                sw_buf_printf(&words, "msg %u.%u a.b x\n", tape, gone);
            }
            leave(world, 0, tape, gone, "a.b");
        }
        heard(world, 0, sw_buf_text(&words));
        sw_buf_deinit(&words);
    }
    asked(world, "subscribe a.b\n");
}

/* Neither an ack nor what is said of a string that lingers finds a reader. */
static void what_lingers_is_acked_refused_and_overrun_by_nobody(void **state)
{
    struct world *world = *state;
    join(world, 0, 1, 1, "a.b");
    leave(world, 0, 1, 1, "a.b");
    ack(world, "a.b", false);
    sw_exchange_too_large(world->exchange, find(world, "a.b", false));
    leave(world, 0, 1, 1, "a.b");
    heard(world, 0, "");
    sw_exchange_refused(world->exchange, find(world, "a.b", false), SW_ERROR_FORBIDDEN);
    heard(world, 0, "");
    assert_null(find(world, "a.b", false));
    assert_int_equal(sw_counter_read(&world->counters->interests_lingering), 0);
}

/* ---- payloads ---- */

static void a_wrapped_payload_is_delivered_without_its_wrapper(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    join(world, 0, 1, 1, "a");
    message(world, "a", "a",
            "\x1e"
            "1;Qx7:42;k=c-19;t=5\x1e{}");
    message(world, "a", "a",
            "\x1e"
            "1;bad\x1e{}");
    heard(world, 0,
          "state 1.1\nmsg 1.1 a k=c-19 {}\nmsg 1.1 a \x1e"
          "1;bad\x1e{}\n");
}

static void too_large_is_a_gap_of_one_in_its_place(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    char payload[1100];
    memset(payload, '1', sizeof(payload));
    join(world, 0, 1, 1, "a");
    join(world, 1, 1, 1, "a");
    world->workers[0].quiet = true;
    struct sw_interest *interest = find(world, "a", false);
    sw_exchange_message(world->exchange, interest, SW_SLICE("a"), sw_slice(payload, 1000));
    sw_exchange_message(world->exchange, interest, SW_SLICE("a"), sw_slice(payload, 1001));
    sw_exchange_too_large(world->exchange, interest);
    struct sw_slice wrapper = SW_SLICE("\x1e"
                                       "1;;k=k\x1e"); /* it does not count */
    memcpy(payload, wrapper.data, wrapper.size);
    sw_exchange_message(world->exchange, interest, SW_SLICE("a"),
                        sw_slice(payload, wrapper.size + 1000));
    heard(world, 0, "state 1.1\ngap 1.1 1 too_large\ngap 1.1 1 too_large\n");
    assert_int_equal(world->workers[0].messages, 2);
    fake_worker_turn(&world->workers[1]);
    assert_int_equal(sw_counter_read(&world->counters->messages_total[SW_BUS_REDIS]), 4);
    assert_int_equal(sw_counter_read(&world->counters->overflow_total), 0);
}

/* For the topic and for whatever pattern reads it. */
static void rule_of_the_concrete_topic_bounds_its_messages(void **state)
{
    (void)state;
    static const struct {
        const char *topic;
        size_t most;
        const char *words;
    } rows[] = {{"a.x", 10, "state 1.1\nstate 2.1\ngap 1.1 1 too_large\ngap 2.1 1 too_large\n"},
                {"a.y", 20, "state 3.1\ngap 1.1 1 too_large\ngap 3.1 1 too_large\n"},
                {"a.z.z", 1000, "state 4.1\ngap 1.1 1 too_large\ngap 4.1 1 too_large\n"}};
    struct sw_rules rules;
    sw_rules_init(&rules);
    struct sw_rule rule = {.match = SW_SLICE("a.x"), .modes_allowed = 1, .max_message_bytes = 10};
    assert_true(sw_rules_add(&rules, &rule));
    rule = (struct sw_rule){.match = SW_SLICE("a.*"), .modes_allowed = 1, .max_message_bytes = 20};
    assert_true(sw_rules_add(&rules, &rule));
    sw_rules_settle(&rules, '.', 1000);
    struct world *world = create("", '.', &rules);
    char payload[1001] = "";
    world->acks_at_once = true;
    world->workers[0].quiet = true;
    join(world, 0, 1, 1, "a.>");
    for (uint32_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_slice topic = sw_slice_of(rows[i].topic);
        join(world, 0, i + 2, 1, rows[i].topic);
        for (size_t size = rows[i].most; size <= rows[i].most + 1; size++) {
            struct sw_slice raw = sw_slice(payload, size);
            sw_exchange_message(world->exchange, find(world, "a.*", true), topic, raw);
            sw_exchange_message(world->exchange, find(world, rows[i].topic, false), topic, raw);
        }
        heard(world, 0, rows[i].words);
        assert_int_equal(world->workers[0].messages, 2 * (i + 1));
    }
    destroy(world);
    sw_rules_deinit(&rules);
}

/* ---- a worker that is stuck ---- */

static void a_stuck_worker_costs_the_other_nothing(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    join(world, 0, 1, 1, "a");
    join(world, 1, 1, 1, "a");
    heard(world, 0, "state 1.1\n");
    heard(world, 1, "state 1.1\n");
    char payload[1000];
    memset(payload, '1', sizeof(payload));
    const uint64_t sent = 40000; /* more than twice what an inbox takes */
    world->workers[1].quiet = true;
    struct sw_interest *interest = find(world, "a", false);
    for (uint64_t i = 0; i < sent; i++) {
        sw_exchange_message(world->exchange, interest, SW_SLICE("a"), sw_slice(payload, 1000));
        if (i % 100 == 99) {
            sw_exchange_close_batches(world->exchange);
            fake_worker_turn(&world->workers[1]);
        }
    }
    assert_int_equal(world->workers[1].messages, sent);
    assert_true(sw_inbox_bytes(&world->workers[0].inbox) <= SW_INBOX_BYTES);
    world->workers[0].quiet = true;
    for (int i = 0; i < 3; i++) {
        fake_worker_turn(&world->workers[0]);
        sw_exchange_close_batches(world->exchange);
    }
    fake_worker_turn(&world->workers[0]);
    assert_int_equal(world->workers[0].messages + world->workers[0].missed, sent);
    assert_int_equal(world->workers[0].missed, sw_counter_read(&world->counters->overflow_total));
    assert_true(world->workers[0].missed > sent / 2);
}

static void a_gap_that_waits_is_forgotten_at_the_leave(void **state)
{
    struct world *world = *state;
    world->acks_at_once = true;
    join(world, 0, 1, 1, "a");
    char payload[1000];
    memset(payload, '1', sizeof(payload));
    struct sw_interest *interest = find(world, "a", false);
    for (int i = 0; i < 20000; i++) {
        sw_exchange_message(world->exchange, interest, SW_SLICE("a"), sw_slice(payload, 1000));
    }
    leave(world, 0, 1, 1, "a");
    join(world, 0, 1, 2, "a");
    world->workers[0].quiet = true;
    heard(world, 0, "state 1.1\nstate 1.2\n");
    assert_int_equal(world->workers[0].missed, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_state_comes_with_the_ack_and_then_at_once),
        TEST(a_backend_may_ack_before_it_returns),
        TEST(an_ack_that_is_repeated_says_nothing_new),
        TEST(one_message_reaches_each_reader_once),
        TEST(nothing_comes_before_the_state_or_after_the_leave),
        TEST(join_after_leave_with_new_generation_gets_a_state_of_its_own),
        TEST(leaving_twice_or_with_another_generation_is_nothing),
        TEST(a_refused_string_is_told_to_its_readers_and_forgotten),
        TEST(a_backend_may_refuse_before_it_returns),
        TEST(a_string_that_nobody_reads_lingers_and_is_then_given_up),
        TEST(a_join_revives_what_lingers),
        TEST(what_was_never_acked_is_kept_longer),
        TEST(what_lingers_is_bounded_and_the_oldest_goes_first),
        TEST(who_had_its_state_is_told_a_gap_at_the_next_ack),
        TEST(a_link_lost_twice_before_the_ack_is_one_gap),
        TEST(who_joins_what_lingered_through_an_outage_has_missed_nothing),
        cmocka_unit_test(each_pattern_has_a_glob_of_its_own),
        TEST(a_pattern_and_a_topic_get_their_own_message),
        TEST(what_a_glob_covers_beyond_its_pattern_is_ignored),
        TEST(a_topic_and_a_pattern_of_the_same_bytes_are_two),
        cmocka_unit_test(a_channel_of_the_bytes_of_a_glob_is_nobodys),
        cmocka_unit_test(a_topic_is_found_by_what_stands_behind_the_prefix),
        TEST(readers_come_and_go_in_any_order),
        TEST(what_lingers_is_acked_refused_and_overrun_by_nobody),
        TEST(a_wrapped_payload_is_delivered_without_its_wrapper),
        TEST(too_large_is_a_gap_of_one_in_its_place),
        cmocka_unit_test(rule_of_the_concrete_topic_bounds_its_messages),
        TEST(a_stuck_worker_costs_the_other_nothing),
        TEST(a_gap_that_waits_is_forgotten_at_the_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
