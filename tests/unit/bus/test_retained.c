// SPDX-License-Identifier: Apache-2.0
/* The last message of plain topics under a retain rule. */
#include "history_world.h"

static void tell_value(struct history_world *all, const char *text)
{
    struct sw_value_read *read = sw_ring_pop(&all->world->values);
    assert_non_null(read);
    read->done(read->context, read, text ? sw_slice_of(text) : (struct sw_slice){0});
}

static void who_comes_later_gets_the_last_message_with_the_state(void **state)
{
    struct history_world *all = *state;
    join(all->world, 0, 1, 1, "r.a");
    ack(all->world, "r.a", false);
    message(all->world, "r.a", "r.a", "one");
    message(all->world, "r.a", "r.a", "two");
    join(all->world, 0, 2, 1, "r.a");
    heard(all->world, 0, "state 1.1\nmsg 1.1 r.a one\nmsg 1.1 r.a two\nstate 2.1 retained two\n");
    asked(all->world, "subscribe r.a\n");
}

static void it_is_kept_while_the_topic_lingers(void **state)
{
    struct history_world *all = *state;
    join(all->world, 0, 1, 1, "r.a");
    ack(all->world, "r.a", false);
    leave(all->world, 0, 1, 1, "r.a");
    message(all->world, "r.a", "r.a", "one");
    join(all->world, 0, 1, 2, "r.a");
    heard(all->world, 0, "state 1.1\nstate 1.2 retained one\n");
    assert_true(sw_counter_read(&all->world->counters->budget_used_bytes[SW_PART_HISTORY]) > 0);
}

static void a_key_says_what_a_cold_topic_had(void **state)
{
    struct history_world *all = *state;
    join(all->world, 0, 1, 1, "k.a");
    ack(all->world, "k.a", false);
    asked(all->world, "subscribe k.a\nget last:k.a:k.a\n");
    join(all->world, 0, 2, 1, "k.a");
    heard(all->world, 0, "");
    tell_value(all, "old");
    heard(all->world, 0, "state 1.1 retained old\nstate 2.1 retained old\n");
    join(all->world, 0, 3, 1, "k.a");
    heard(all->world, 0, "state 3.1 retained old\n");
    asked(all->world, "");
}

static void an_older_value_never_follows_a_newer_message(void **state)
{
    struct history_world *all = *state;
    join(all->world, 0, 1, 1, "k.a");
    ack(all->world, "k.a", false);
    message(all->world, "k.a", "k.a", "new");
    tell_value(all, "old");
    heard(all->world, 0, "state 1.1 retained new\n");
}

static void a_join_does_not_wait_long_for_a_value(void **state)
{
    struct history_world *all = *state;
    join(all->world, 0, 1, 1, "k.a");
    ack(all->world, "k.a", false);
    fake_pause(all->world->loop, SW_RETAIN_WAIT_MS + 50);
    heard(all->world, 0, "state 1.1\n");
    tell_value(all, "late");
    join(all->world, 0, 2, 1, "k.a");
    heard(all->world, 0, "state 2.1 retained late\n");
}

static void a_value_that_is_absent_or_too_large_is_none(void **state)
{
    struct history_world *all = *state;
    char large[1100];
    memset(large, '1', sizeof(large) - 1);
    large[sizeof(large) - 1] = 0;
    join(all->world, 0, 1, 1, "k.a");
    join(all->world, 0, 2, 1, "k.b");
    ack(all->world, "k.a", false);
    ack(all->world, "k.b", false);
    tell_value(all, large);
    tell_value(all, NULL);
    heard(all->world, 0, "state 1.1\nstate 2.1\n");
    assert_int_equal(sw_counter_read(&all->world->counters->retained_ignored_total), 1);
}

static void after_an_outage_the_key_is_asked_again(void **state)
{
    struct history_world *all = *state;
    join(all->world, 0, 1, 1, "k.a");
    ack(all->world, "k.a", false);
    tell_value(all, "old");
    link_lost(all);
    sw_exchange_up(all->world->exchange);
    ack(all->world, "k.a", false);
    tell_value(all, "newer");
    join(all->world, 0, 2, 1, "k.a");
    heard(all->world, 0, "state 1.1 retained old\ngap 1.1 ? feed\nstate 2.1 retained newer\n");
}

static void a_value_may_come_after_everybody_is_gone(void **state)
{
    struct history_world *all = *state;
    join(all->world, 0, 1, 1, "k.a");
    ack(all->world, "k.a", false);
    leave(all->world, 0, 1, 1, "k.a");
    fake_pause(all->world->loop, 80);
    assert_null(find(all->world, "k.a", false));
    tell_value(all, "old");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, history_setup, history_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_comes_later_gets_the_last_message_with_the_state),
        TEST(it_is_kept_while_the_topic_lingers),
        TEST(a_key_says_what_a_cold_topic_had),
        TEST(an_older_value_never_follows_a_newer_message),
        TEST(a_join_does_not_wait_long_for_a_value),
        TEST(a_value_that_is_absent_or_too_large_is_none),
        TEST(after_an_outage_the_key_is_asked_again),
        TEST(a_value_may_come_after_everybody_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
