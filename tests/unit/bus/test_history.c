// SPDX-License-Identifier: Apache-2.0
/* A topic's claim and what it is judged by: each sentence of the design a test. */
#include "history_world.h"

/* ---- joining ---- */

static void a_join_is_done_when_the_ack_and_the_look_behind_it_are_there(void **state)
{
    struct history_world *all = *state;
    name(all, "E1");
    store_many(all, 5);
    join(all->world, 0, 1, 1, "h.a");
    ack(all->world, "h.a", false);
    heard(all->world, 0, "");
    publish(all, "six"); /* the look sees it as well */
    answer(all);
    publish(all, "seven");
    heard(all->world, 0, "state 1.1 E1:6 joined\nmsg 1.1 h.a @7 seven\n");
    join(all->world, 1, 2, 1, "h.a");
    heard(all->world, 1, "state 2.1 E1:7 joined\n");
    assert_int_equal(number(all, &all->world->counters->history_topics), 1);
}

static void what_came_while_the_first_look_was_under_way_follows_its_state(void **state)
{
    struct history_world *all = *state;
    name(all, "E1");
    join(all->world, 0, 1, 1, "h.a");
    ack(all->world, "h.a", false);
    answer(all); /* the look was answered before anything was published */
    publish(all, "one");
    heard(all->world, 0, "state 1.1 E1:0 joined\nmsg 1.1 h.a @1 one\n");
}

static void a_topic_that_was_never_published_to_gets_its_name_with_the_first_message(void **state)
{
    struct history_world *all = *state;
    join(all->world, 0, 1, 1, "h.a");
    ack(all->world, "h.a", false);
    answer(all);
    heard(all->world, 0, "state 1.1 0:0 joined\n");
    name(all, "E1");
    publish(all, "one");
    heard(all->world, 0, "");
    answer(all);
    heard(all->world, 0, "state 1.1 E1:0\nmsg 1.1 h.a @1 one\n");
}

static void patterns_do_not_wait_and_have_no_positions(void **state)
{
    struct history_world *all = *state;
    join(all->world, 1, 9, 1, "h.>");
    asked(all->world, "psubscribe h.*\n");
    ack(all->world, "h.*", true);
    joined(all);
    char *raw = raw_of("E1", 9, "nine");
    message(all->world, "h.*", "h.a", raw);
    free(raw);
    heard(all->world, 1, "state 9.1\nmsg 9.1 h.a nine\n");
}

/* ---- order, holes ---- */

static void doubles_are_ignored_and_plain_messages_pass(void **state)
{
    struct history_world *all = *state;
    joined(all);
    publish(all, "six");
    hear(all, "E1", 6, "six");
    message(all->world, "h.a", "h.a", "plain");
    heard(all->world, 0, "msg 1.1 h.a @6 six\nmsg 1.1 h.a plain\n");
    assert_int_equal(number(all, &all->world->counters->unpositioned_total), 1);
    assert_int_equal(number(all, &all->world->counters->ghosts_total), 0);
    asked(all->world, "");
}

static void a_hole_is_filled_while_the_rest_waits(void **state)
{
    struct history_world *all = *state;
    joined(all);
    publish(all, "six");
    store(all, "seven");
    publish(all, "eight");
    message(all->world, "h.a", "h.a", "plain");
    publish(all, "nine");
    asked(all->world, "read h.a from 6 limit 500\n");
    heard(all->world, 0, "msg 1.1 h.a @6 six\n");
    answer(all);
    heard(all->world, 0,
          "msg 1.1 h.a @7 seven\nmsg 1.1 h.a @8 eight\nmsg 1.1 h.a @9 nine\n"
          "msg 1.1 h.a plain\n");
    publish(all, "ten");
    heard(all->world, 0, "msg 1.1 h.a @10 ten\n");
    assert_int_equal(number(all, &all->world->counters->history_filled_total), 3);
}

static void what_the_history_lacks_is_a_gap(void **state)
{
    struct history_world *all = *state;
    joined(all);
    store_many(all, 4);
    all->stream.first = 8;
    publish(all, "ten");
    answer(all);
    heard(all->world, 0,
          "gap 1.1 2 feed @6+2\nmsg 1.1 h.a @8 8\nmsg 1.1 h.a @9 9\n"
          "msg 1.1 h.a @10 ten\n");
    assert_int_equal(number(all, &all->world->counters->history_missing_total), 2);
}

static void a_long_hole_is_read_in_steps(void **state)
{
    struct history_world *all = *state;
    joined(all);
    store_many(all, 1200);
    all->world->workers[0].quiet = true;
    publish(all, "last");
    for (int i = 0; i < 3; i++) {
        answer(all);
    }
    asked(all->world, "read h.a from 6 limit 500\nread h.a from 505 limit 500\n"
                      "read h.a from 1004 limit 500\n");
    sw_exchange_close_batches(all->world->exchange);
    fake_worker_turn(&all->world->workers[0]);
    assert_int_equal(all->world->workers[0].messages, 1201);
    assert_int_equal(all->world->reads.count, 0);
}

static void a_read_that_was_cut_goes_on(void **state)
{
    struct history_world *all = *state;
    joined(all);
    publish(all, "six");
    store(all, "seven");
    publish(all, "eight");
    answer_cut(all, 1); /* the last entry alone was as much as a read may be */
    answer_cut(all, 1);
    answer_cut(all, 1);
    answer(all);
    asked(all->world, "read h.a from 6 limit 500\nread h.a from 7 limit 500\n"
                      "read h.a from 7 limit 500\nread h.a from 8 limit 500\n");
    heard(all->world, 0, "msg 1.1 h.a @6 six\nmsg 1.1 h.a @7 seven\nmsg 1.1 h.a @8 eight\n");
}

static void a_hole_is_given_up_after_three_seconds_on_a_living_link(void **state)
{
    struct history_world *all = *state;
    joined(all);
    store_many(all, 2);
    publish(all, "eight");
    fake_pause(all->world->loop, SW_HISTORY_HOLE_MS + 50);
    publish(all, "nine");
    heard(all->world, 0, "gap 1.1 2 feed @6+2\nmsg 1.1 h.a @8 eight\nmsg 1.1 h.a @9 nine\n");
    answer(all); /* too late */
    publish(all, "ten");
    heard(all->world, 0, "msg 1.1 h.a @10 ten\n");
}

static void a_hole_does_not_count_its_time_while_the_link_is_away(void **state)
{
    struct history_world *all = *state;
    joined(all);
    store_many(all, 2);
    publish(all, "eight");
    link_lost(all);
    fake_pause(all->world->loop, SW_HISTORY_HOLE_MS + 50);
    heard(all->world, 0, "");
    link_back(all);
    answer(all);
    heard(all->world, 0, "msg 1.1 h.a @6 6\nmsg 1.1 h.a @7 7\nmsg 1.1 h.a @8 eight\n");
}

static void what_is_too_large_keeps_its_place(void **state)
{
    struct history_world *all = *state;
    char large[1100];
    memset(large, '1', sizeof(large) - 1);
    large[sizeof(large) - 1] = 0;
    joined(all);
    publish(all, large);
    publish(all, "seven");
    heard(all->world, 0, "gap 1.1 1 too_large @6+1\nmsg 1.1 h.a @7 seven\n");
    store(all, large);
    publish(all, "nine");
    answer(all);
    heard(all->world, 0, "gap 1.1 1 too_large @8+1\nmsg 1.1 h.a @9 nine\n");
}

static void what_waits_is_bounded_and_read_again(void **state)
{
    struct history_world *all = *state;
    char text[900];
    memset(text, '1', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    joined(all);
    all->world->workers[0].quiet = true;
    store(all, "six");
    for (int i = 0; i < 1500; i++) {
        publish(all, text);
    }
    message(all->world, "h.a", "h.a", "plain");
    assert_in_range(number(all, &all->world->counters->budget_used_bytes[SW_PART_MESSAGES]), 0,
                    SW_HISTORY_HELD_BYTES);
    struct sw_history_read *read = sw_ring_first(&all->world->reads);
    assert_non_null(read);
    uint64_t top = all->stream.top;
    all->stream.top = 7; /* the look knows only of the first that waits */
    answer(all);
    all->stream.top = top;
    answer_all(all);
    heard(all->world, 0, "gap 1.1 1 node\n");
    assert_int_equal(all->world->workers[0].messages, 1501);
    assert_int_equal(all->world->workers[0].missed, 1);
}

/* ---- epochs, forks, ghosts ---- */

static void a_new_name_of_the_same_stream_is_a_state_and_loses_nothing(void **state)
{
    struct history_world *all = *state;
    joined(all);
    rename_to(all, "E2");
    store(all, "six");
    publish(all, "seven");
    asked(all->world, "read h.a from 6 limit 500\n");
    answer(all);
    heard(all->world, 0, "state 1.1 E2:5\nmsg 1.1 h.a @6 six\nmsg 1.1 h.a @7 seven\n");
    hear(all, "E1", 5, "old");
    heard(all->world, 0, "");
    assert_int_equal(number(all, &all->world->counters->ghosts_total), 0);
}

static void a_stream_that_lost_what_is_claimed_is_a_fork(void **state)
{
    struct history_world *all = *state;
    joined(all);
    publish(all, "six");
    all->stream.top = 4;
    rename_to(all, "E2");
    publish(all, "other five");
    publish(all, "other six");
    answer(all);
    heard(all->world, 0, "msg 1.1 h.a @6 six\nstate 1.1 E2:6 forked\n");
    publish(all, "other seven");
    heard(all->world, 0, "msg 1.1 h.a @7 other seven\n");
    assert_int_equal(number(all, &all->world->counters->history_forks_total), 1);
}

static void bytes_that_differ_at_the_claim_are_a_fork_whatever_the_names_say(void **state)
{
    struct history_world *all = *state;
    joined(all);
    hear(all, "E1", 6, "forged");
    store(all, "six");
    check(all, 1, 1);
    answer(all);
    heard(all->world, 0, "msg 1.1 h.a @6 forged\nstate 1.1 E1:6 forked\nstate 1.1 E1:6 check 1\n");
}

static void a_topic_that_is_gone_is_a_fork(void **state)
{
    struct history_world *all = *state;
    joined(all);
    all->stream.lineage = (struct sw_lineage){0};
    all->stream.top = 0;
    all->stream.first = 0;
    sw_histories_sweep(sw_exchange_histories(all->world->exchange), 1);
    answer(all);
    heard(all->world, 0, "state 1.1 0:0 forked\n");
}

static void ghosts_are_counted_and_never_delivered(void **state)
{
    struct history_world *all = *state;
    joined(all);
    rename_to(all, "E2");
    hear(all, "E9", 6, "of no epoch");
    hear(all, "E2", 9, "of no offset"); /* came behind the first look, and needs one of its own */
    answer(all);
    answer(all);
    hear(all, "E1", 6, "beyond a listed end");
    hear(all, "0", 6, "of no name");
    hear(all, "E2", 8, "beyond the top");
    answer(all);
    heard(all->world, 0, "state 1.1 E2:5\n");
    assert_int_equal(number(all, &all->world->counters->ghosts_total), 5);
    publish(all, "six");
    heard(all->world, 0, "msg 1.1 h.a @6 six\n");
    asked(all->world, "read h.a from 6 limit 500\nread h.a from 6 limit 500\n"
                      "read h.a from 6 limit 500\n");
}

static void what_came_after_a_look_began_is_no_ghost_of_it(void **state)
{
    struct history_world *all = *state;
    joined(all);
    hear(all, "E1", 9, "forged");
    uint64_t top = all->stream.top;
    store_many(all, 2); /* 6 is never heard of, 7 is, behind the look */
    hear(all, "E1", 7, "7");
    all->stream.top = top;
    answer(all);
    all->stream.top = top + 2;
    answer(all);
    heard(all->world, 0, "msg 1.1 h.a @6 6\nmsg 1.1 h.a @7 7\n");
    assert_int_equal(number(all, &all->world->counters->ghosts_total), 1);
}

/* ---- checks, the sweep ---- */

static void a_check_is_answered_by_a_look_that_began_after_it(void **state)
{
    struct history_world *all = *state;
    joined(all);
    check(all, 1, 1);
    check(all, 1, 2);
    asked(all->world, "read h.a from 6 limit 500\n");
    answer(all);
    heard(all->world, 0, "state 1.1 E1:5 check 1\n");
    asked(all->world, "read h.a from 6 limit 500\n");
    answer(all);
    heard(all->world, 0, "state 1.1 E1:5 check 2\n");
    asked(all->world, "");
}

static void a_quiet_tail_is_found_by_the_sweep(void **state)
{
    struct history_world *all = *state;
    joined(all);
    sw_histories_sweep(sw_exchange_histories(all->world->exchange), 5);
    asked(all->world, "read h.a from 6 limit 0\n");
    answer(all);
    store(all, "never heard of");
    sw_histories_sweep(sw_exchange_histories(all->world->exchange), 5);
    answer(all);
    answer(all);
    asked(all->world, "read h.a from 6 limit 0\nread h.a from 6 limit 500\n");
    heard(all->world, 0, "msg 1.1 h.a @6 never heard of\n");
}

/* ---- the link ---- */

static void an_outage_is_filled_behind_the_next_ack(void **state)
{
    struct history_world *all = *state;
    joined(all);
    publish(all, "six");
    link_lost(all);
    store(all, "seven");
    link_back(all);
    publish(all, "eight");
    asked(all->world, "read h.a from 6 limit 500\n");
    answer(all);
    heard(all->world, 0, "msg 1.1 h.a @6 six\nmsg 1.1 h.a @7 seven\nmsg 1.1 h.a @8 eight\n");
}

static void plain_messages_that_wait_are_not_lost_with_the_link(void **state)
{
    struct history_world *all = *state;
    joined(all);
    store(all, "six");
    publish(all, "seven");
    message(all->world, "h.a", "h.a", "plain");
    link_lost(all);
    heard(all->world, 0, "msg 1.1 h.a plain\n");
}

static void asks_and_checks_outlive_the_link_but_not_their_tape(void **state)
{
    struct history_world *all = *state;
    joined(all);
    join(all->world, 0, 2, 1, "h.a");
    ask(all, 1, 0);
    ask(all, 2, 0);
    check(all, 1, 4);
    check(all, 2, 5);
    leave(all->world, 0, 2, 1, "h.a");
    link_lost(all);
    link_back(all);
    heard(all->world, 0, "state 2.1 E1:5 joined\n");
    answer_all(all);
    heard(all->world, 0, "state 1.1 E1:5 check 4\nrun 1.1 0 to 5: 1=1 2=2 3=3 4=4 5=5\n");
}

static void a_read_may_come_back_after_everybody_is_gone(void **state)
{
    struct history_world *all = *state;
    joined(all);
    check(all, 1, 1);
    ask(all, 1, 0);
    leave(all->world, 0, 1, 1, "h.a");
    fake_pause(all->world->loop, 80); /* longer than it lingers */
    assert_null(find(all->world, "h.a", false));
    answer_all(all);
    assert_int_equal(number(all, &all->world->counters->history_topics), 0);
}

static void a_topic_that_lingers_keeps_its_claim(void **state)
{
    struct history_world *all = *state;
    joined(all);
    leave(all->world, 0, 1, 1, "h.a");
    publish(all, "six");
    join(all->world, 0, 1, 2, "h.a");
    ask(all, 1, 0); /* of the generation that left */
    heard(all->world, 0, "state 1.2 E1:6 joined\n");
}

/* ---- it cannot be read ---- */

static void deny(struct history_world *all)
{
    struct sw_history_read *read = sw_ring_pop(&all->world->reads);
    assert_non_null(read);
    read->outcome = SW_READ_FAILED;
    read->error = SW_ERROR_FORBIDDEN;
    read->done(read->context, read);
    assert_true(sw_exchange_sane(all->world->exchange));
}

static void who_joins_what_cannot_be_read_is_refused(void **state)
{
    struct history_world *all = *state;
    name(all, "E1");
    all->world->acks_at_once = true;
    join(all->world, 0, 1, 1, "h.a");
    deny(all);
    heard(all->world, 0, "refused 1.1 forbidden\n");
    join(all->world, 0, 2, 1, "h.a");
    heard(all->world, 0, "refused 2.1 forbidden\n");
    assert_int_equal(all->world->reads.count, 0);
    assert_int_equal(number(all, &all->world->counters->history_failures_total), 1);
    fake_pause(all->world->loop, 80);
    join(all->world, 0, 3, 1, "h.a");
    answer(all);
    heard(all->world, 0, "state 3.1 E1:0 joined\n");
}

static void joined_readers_are_refused_when_it_cannot_be_read_any_more(void **state)
{
    struct history_world *all = *state;
    joined(all);
    ask(all, 1, 0);
    check(all, 1, 1);
    deny(all);
    heard(all->world, 0, "refused 1.1 forbidden\n");
    answer_all(all);
    heard(all->world, 0, "");
}

/* ---- runs ---- */

static void a_run_comes_from_the_ring_or_from_one_read_for_many(void **state)
{
    struct history_world *all = *state;
    joined(all);
    publish(all, "six");
    ask(all, 1, 0);
    asked(all->world, "read h.a from 1 limit 499\n");
    join(all->world, 0, 2, 1, "h.a");
    ask(all, 2, 0);
    answer(all);
    heard(all->world, 0,
          "msg 1.1 h.a @6 six\nstate 2.1 E1:6 joined\n"
          "run 2.1 0 to 6: 1=1 2=2 3=3 4=4 5=5 6=six\n"
          "run 1.1 0 to 6: 1=1 2=2 3=3 4=4 5=5 6=six\n");
    ask(all, 1, 0);
    ask(all, 1, 7);
    asked(all->world, "");
    heard(all->world, 0, "run 1.1 0 to 6: 1=1 2=2 3=3 4=4 5=5 6=six\nrun 1.1 7 to 6:\n");
}

static void what_is_gone_is_missing_in_its_run(void **state)
{
    struct history_world *all = *state;
    joined(all);
    all->stream.first = 3;
    ask(all, 1, 0);
    answer(all);
    heard(all->world, 0, "run 1.1 0 to 5: 3=3 4=4 5=5\n");
}

static void a_history_of_ten_thousand_costs_its_pages_and_two(void **state)
{
    struct history_world *all = *state;
    name(all, "E1");
    store_many(all, 10000);
    join(all->world, 0, 1, 1, "h.a");
    ack(all->world, "h.a", false);
    answer(all);
    all->world->workers[0].quiet = true;
    for (uint64_t i = 0; i <= 10000 / SW_RUN_OFFSETS; i++) {
        ask(all, 1, (i * 37) % (10000 / SW_RUN_OFFSETS + 1));
        if (i % 3 == 0 && all->world->reads.count > 0) {
            answer(all);
        }
    }
    answer_all(all);
    assert_in_range(number(all, &all->world->counters->history_reads_total[SW_LOOK_RUN]), 20,
                    10000 / SW_HISTORY_READ + 2);
}

/* What is waited for is kept, so there must not be more of it than a run. */
static void where_a_read_was_cut_pages_become_small(void **state)
{
    struct history_world *all = *state;
    name(all, "E1");
    store_many(all, 1000);
    join(all->world, 0, 1, 1, "h.a");
    ack(all->world, "h.a", false);
    answer(all);
    all->world->workers[0].quiet = true;
    ask(all, 1, 8);
    asked(all->world, "subscribe h.a\nread h.a from 1 limit 0\nread h.a from 500 limit 500\n");
    answer_cut(all, 30);
    asked(all->world, "read h.a from 512 limit 64\n");
    answer_cut(all, 40);
    asked(all->world, "read h.a from 552 limit 24\n");
    answer(all);
    ask(all, 1, 9);
    asked(all->world, "read h.a from 576 limit 64\n");
    answer(all);
}

static void what_is_known_is_answered_while_a_read_is_under_way(void **state)
{
    struct history_world *all = *state;
    joined(all);
    publish(all, "six");
    ask(all, 1, 0);
    ask(all, 1, 7);
    heard(all->world, 0, "msg 1.1 h.a @6 six\nrun 1.1 7 to 6:\n");
    answer(all);
    heard(all->world, 0, "run 1.1 0 to 6: 1=1 2=2 3=3 4=4 5=5 6=six\n");
}

static void a_run_of_another_epoch_waits_for_the_verdict(void **state)
{
    struct history_world *all = *state;
    joined(all);
    rename_to(all, "E2");
    ask(all, 1, 0);
    answer(all);
    heard(all->world, 0, "");
    answer(all); /* the look */
    answer(all); /* and the run */
    heard(all->world, 0, "state 1.1 E2:5\nrun 1.1 0 to 5: 1=1 2=2 3=3 4=4 5=5\n");
}

static void pages_are_forgotten_with_the_stream_that_they_are_of(void **state)
{
    struct history_world *all = *state;
    joined(all);
    ask(all, 1, 0);
    answer(all);
    all->stream.lineage = (struct sw_lineage){0};
    all->stream.top = 0;
    name(all, "E7");
    store_many(all, 1);
    publish(all, "two");
    answer(all);
    ask(all, 1, 0);
    answer(all);
    heard(all->world, 0,
          "run 1.1 0 to 5: 1=1 2=2 3=3 4=4 5=5\nstate 1.1 E7:2 forked\n"
          "run 1.1 0 to 2: 1=1 2=two\n");
}

/* ---- lookups ---- */

struct found {
    enum sw_error error;
    uint64_t first;
    uint64_t last;
    uint32_t count;
    uint64_t offset;
    bool is_back;
};

static void on_lookup(void *context, struct sw_lookup *lookup)
{
    struct found *found = context;
    *found = (struct found){lookup->error,
                            lookup->first,
                            lookup->last,
                            lookup->count,
                            lookup->count ? lookup->messages[0].offset : 0,
                            true};
    sw_lookup_destroy(lookup);
}

static struct sw_lookup *lookup_of(struct history_world *all, const char *topic, uint64_t after,
                                   struct found *found)
{
    struct sw_lookup *lookup = sw_lookup_create(sw_slice_of(topic));
    lookup->post.kind = SW_POST_LOOKUP;
    lookup->from = &all->world->workers[0].inbox;
    lookup->done = on_lookup;
    lookup->context = found;
    lookup->after = after;
    lookup->limit = 2;
    return lookup;
}

static void a_history_is_looked_up_by_who_does_not_read_it(void **state)
{
    static struct found found; /* the last one comes back when the world ends */
    struct history_world *all = *state;
    name(all, "E1");
    store_many(all, 5);
    sw_exchange_lookup(all->world->exchange, lookup_of(all, "h.a", 2, &found));
    asked(all->world, "read h.a from 3 limit 2\n");
    answer(all);
    heard(all->world, 0, "");
    assert_true(found.is_back && found.error == SW_ERROR_NONE);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.offset, 3);
    assert_int_equal(found.first, 1);
    assert_int_equal(found.last, 5);
    sw_exchange_lookup(all->world->exchange, lookup_of(all, "plain", 2, &found));
    heard(all->world, 0, "");
    assert_int_equal(found.error, SW_ERROR_NO_HISTORY);
    sw_exchange_lookup(all->world->exchange, lookup_of(all, "h.a", 2, &found));
    link_lost(all);
    heard(all->world, 0, "");
    assert_int_equal(found.error, SW_ERROR_BUS_UNAVAILABLE);
    sw_exchange_lookup(all->world->exchange, lookup_of(all, "h.a", 2, &found));
}

static void on_report(void *context, struct sw_report *report)
{
    (void)context;
    sw_report_destroy(report);
}

static void an_operator_sees_where_a_history_stands(void **state)
{
    struct history_world *all = *state;
    joined(all);
    publish(all, "six");
    struct sw_report *report = sw_report_create(SW_REPORT_COUNTS, 1);
    report->from = &all->world->workers[0].inbox;
    report->count = 1;
    struct sw_topic_row *row = report->topics;
    row->size = 3;
    memcpy(row->name, "h.a", 3);
    sw_exchange_report(all->world->exchange, report);
    assert_true(row->known && row->history);
    assert_true(sw_slice_equal(sw_epoch_text(&row->epoch), SW_SLICE("E1")));
    assert_int_equal(row->first, 6);
    assert_int_equal(row->last, 6);
    report->done = on_report;
    heard(all->world, 0, "msg 1.1 h.a @6 six\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, history_setup, history_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_join_is_done_when_the_ack_and_the_look_behind_it_are_there),
        TEST(what_came_while_the_first_look_was_under_way_follows_its_state),
        TEST(a_topic_that_was_never_published_to_gets_its_name_with_the_first_message),
        TEST(patterns_do_not_wait_and_have_no_positions),
        TEST(doubles_are_ignored_and_plain_messages_pass),
        TEST(a_hole_is_filled_while_the_rest_waits),
        TEST(what_the_history_lacks_is_a_gap),
        TEST(a_long_hole_is_read_in_steps),
        TEST(a_read_that_was_cut_goes_on),
        TEST(a_hole_is_given_up_after_three_seconds_on_a_living_link),
        TEST(a_hole_does_not_count_its_time_while_the_link_is_away),
        TEST(what_is_too_large_keeps_its_place),
        TEST(what_waits_is_bounded_and_read_again),
        TEST(a_new_name_of_the_same_stream_is_a_state_and_loses_nothing),
        TEST(a_stream_that_lost_what_is_claimed_is_a_fork),
        TEST(bytes_that_differ_at_the_claim_are_a_fork_whatever_the_names_say),
        TEST(a_topic_that_is_gone_is_a_fork),
        TEST(ghosts_are_counted_and_never_delivered),
        TEST(what_came_after_a_look_began_is_no_ghost_of_it),
        TEST(a_check_is_answered_by_a_look_that_began_after_it),
        TEST(a_quiet_tail_is_found_by_the_sweep),
        TEST(an_outage_is_filled_behind_the_next_ack),
        TEST(plain_messages_that_wait_are_not_lost_with_the_link),
        TEST(asks_and_checks_outlive_the_link_but_not_their_tape),
        TEST(a_read_may_come_back_after_everybody_is_gone),
        TEST(a_topic_that_lingers_keeps_its_claim),
        TEST(who_joins_what_cannot_be_read_is_refused),
        TEST(joined_readers_are_refused_when_it_cannot_be_read_any_more),
        TEST(a_run_comes_from_the_ring_or_from_one_read_for_many),
        TEST(what_is_gone_is_missing_in_its_run),
        TEST(a_history_of_ten_thousand_costs_its_pages_and_two),
        TEST(where_a_read_was_cut_pages_become_small),
        TEST(what_is_known_is_answered_while_a_read_is_under_way),
        TEST(a_run_of_another_epoch_waits_for_the_verdict),
        TEST(pages_are_forgotten_with_the_stream_that_they_are_of),
        TEST(a_history_is_looked_up_by_who_does_not_read_it),
        TEST(an_operator_sees_where_a_history_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
