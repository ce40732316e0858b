// SPDX-License-Identifier: Apache-2.0
/* The strings that a node reads for itself: they come and go with the bus, clients never see them,
 * and what stands on them reaches main or is counted. */
#include "exchange_world.h"

#include "bus/notice.h"

#define ALL  "p:$nodes"
#define SELF "p:$node.n1"

static char heard_notices[65536];

/* "disconnect n2 topic a.b" */
static void hear(struct world *world, struct sw_post *post)
{
    (void)world;
    assert_int_equal(post->kind, SW_POST_NOTICE);
    struct sw_notice *notice = SW_CONTAINER_OF(post, struct sw_notice, post);
    size_t at = strlen(heard_notices);
    if (notice->kind == SW_NOTICE_DISCONNECT) {
        snprintf(heard_notices + at, sizeof(heard_notices) - at, "disconnect %s %s %.*s\n",
                 notice->from, sw_selector_word(notice->disconnect.by),
                 SW_SLICE_ARG(sw_disconnect_name(&notice->disconnect)));
    } else {
        snprintf(heard_notices + at, sizeof(heard_notices) - at, "disconnected %s %u\n",
                 notice->from, notice->count);
    }
    sw_notice_destroy(notice);
}

static int set_up(void **state)
{
    struct world *world = create_hearing("p:", '.', NULL, true);
    world->on_notice = hear;
    heard_notices[0] = '\0';
    *state = world;
    return 0;
}

static void main_hears(struct world *world, const char *lines)
{
    while (sw_inbox_drain(&world->main)) {
    }
    assert_string_equal(heard_notices, lines);
    heard_notices[0] = '\0';
}

static void comes(struct world *world, const char *wire, const char *raw)
{
    sw_exchange_message(world->exchange, find(world, wire, false), sw_slice_of(wire + 2),
                        sw_slice_of(raw));
}

static int64_t ignored(struct world *world)
{
    return sw_counter_read(&world->counters->notices_ignored_total);
}

#define ORDER(from)                                                                                \
    "{\"v\":1,\"kind\":\"disconnect\",\"from\":\"" from "\",\"id\":\"r\",\"topic\":\"a.b\"}"

static void they_are_wanted_with_the_bus_and_are_no_topics(void **state)
{
    struct world *world = *state;
    assert_non_null(find(world, ALL, false));
    assert_non_null(find(world, SELF, false));
    assert_int_equal(sw_counter_read(&world->counters->interests), 0);
    assert_true(sw_exchange_sane(world->exchange));
    struct world *deaf = create("p:", '.', NULL);
    assert_null(find(deaf, ALL, false));
    destroy(deaf);
}

static void what_others_say_reaches_main(void **state)
{
    struct world *world = *state;
    ack(world, ALL, false);
    ack(world, SELF, false);
    comes(world, ALL, ORDER("n2"));
    comes(world, SELF,
          "{\"v\":1,\"kind\":\"disconnected\",\"from\":\"n3\",\"id\":\"r\",\"count\":4}");
    main_hears(world, "disconnect n2 topic a.b\ndisconnected n3 4\n");
    assert_int_equal(ignored(world), 0);
    assert_int_equal(sw_counter_read(&world->counters->messages_total[SW_BUS_REDIS]), 0);
    heard(world, 0, "");
}

static void its_own_words_are_nothing_and_garbage_is_counted(void **state)
{
    struct world *world = *state;
    ack(world, ALL, false);
    comes(world, ALL, ORDER("n1"));
    assert_int_equal(ignored(world), 0);
    comes(world, ALL, "garbage");
    comes(world, ALL,
          "{\"v\":2,\"kind\":\"disconnect\",\"from\":\"n2\",\"id\":\"r\",\"topic\":\"a\"}");
    sw_exchange_too_large(world->exchange, find(world, ALL, false));
    assert_int_equal(ignored(world), 3);
    main_hears(world, "");
}

static void a_main_that_stands_still_is_not_buried(void **state)
{
    struct world *world = *state;
    unsigned sent = 0;
    ack(world, ALL, false);
    while (ignored(world) == 0) {
        comes(world, ALL, ORDER("n2"));
        assert_true(++sent < 10000);
    }
    assert_true(sw_inbox_bytes(&world->main) <= SW_NOTICES_BYTES);
    assert_true(sent > 100);
    while (sw_inbox_drain(&world->main)) {
    }
    heard_notices[0] = '\0';
    comes(world, ALL, ORDER("n3"));
    main_hears(world, "disconnect n3 topic a.b\n");
}

/* ---- saying ---- */

static void say(struct world *world, uint64_t id)
{
    struct sw_notice notice = {
        .kind = SW_NOTICE_DISCONNECT,
        .from = "n1",
        .id = "r",
        .disconnect = {.by = SW_BY_TOPIC, .size = 1, .name = "a"},
    };
    struct sw_publish *publish = sw_notice_publish(&notice, NULL);
    publish->from = &world->workers[0].inbox;
    publish->id = id;
    sw_exchange_publish(world->exchange, publish);
}

static void who_would_not_hear_the_answers_does_not_ask(void **state)
{
    struct world *world = *state;
    say(world, 1);
    ack(world, ALL, false);
    say(world, 2);
    heard(world, 0, "publish 1 bus_unavailable\npublish 2 bus_unavailable\n");
    ack(world, SELF, false);
    say(world, 3);
    struct sw_publish *publish = sw_ring_pop(&world->publishes);
    assert_non_null(publish);
    assert_memory_equal(publish->bytes, "$nodes{\"v\":1,", 13);
    sw_exchange_published(world->exchange, publish, SW_ERROR_NONE, false);
    heard(world, 0, "published 3\n");
    assert_int_equal(sw_counter_read(&world->counters->published_total), 0); /* no message */
    assert_int_equal(sw_counter_read(&world->counters->publish_errors_total), 0);
}

static void a_lost_bus_brings_them_again(void **state)
{
    struct world *world = *state;
    ack(world, ALL, false);
    ack(world, SELF, false);
    sw_exchange_down(world->exchange, "test");
    say(world, 1);
    sw_exchange_up(world->exchange);
    say(world, 2);
    heard(world, 0, "publish 1 bus_unavailable\npublish 2 bus_unavailable\n");
    ack(world, ALL, false);
    ack(world, SELF, false);
    comes(world, ALL, ORDER("n2"));
    main_hears(world, "disconnect n2 topic a.b\n");
    heard(world, 0, ""); /* no gap, since no tape reads them */
}

static void who_is_not_let_goes_on_alone_and_tries_again(void **state)
{
    struct world *world = *state;
    sw_exchange_refused(world->exchange, find(world, ALL, false), SW_ERROR_FORBIDDEN);
    ack(world, SELF, false);
    assert_null(find(world, ALL, false));
    assert_int_equal(sw_counter_read(&world->counters->interests), 0);
    say(world, 1);
    heard(world, 0, "publish 1 forbidden\n");
    world->acks_at_once = true;
    join(world, 0, 1, 1, "a");
    heard(world, 0, "state 1.1\n");
    sw_exchange_down(world->exchange, "test");
    sw_exchange_up(world->exchange);
    assert_non_null(find(world, ALL, false));
    sw_exchange_refused(world->exchange, find(world, SELF, false), SW_ERROR_FORBIDDEN);
    ack(world, ALL, false);
    say(world, 2);
    heard(world, 0, "publish 2 forbidden\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, teardown)
    const struct CMUnitTest tests[] = {
        TEST(they_are_wanted_with_the_bus_and_are_no_topics),
        TEST(what_others_say_reaches_main),
        TEST(its_own_words_are_nothing_and_garbage_is_counted),
        TEST(a_main_that_stands_still_is_not_buried),
        TEST(who_would_not_hear_the_answers_does_not_ask),
        TEST(a_lost_bus_brings_them_again),
        TEST(who_is_not_let_goes_on_alone_and_tries_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
