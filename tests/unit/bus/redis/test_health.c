// SPDX-License-Identifier: Apache-2.0
#include "bus/redis/health.h"

#include "../../common/unit.h"
#include "common/mem.h"
#include "core/limits.h"

#include <stdio.h>

#define NS(ms) ((uint64_t)(ms)*1000000)

static void up(struct sw_redis_health *health, uint64_t now_ms)
{
    sw_redis_health_init(health, now_ms);
    sw_redis_health_up(health, now_ms);
}

static bool ping(struct sw_redis_health *health, uint64_t now_ms, uint64_t answered)
{
    return sw_redis_health_ping(health, now_ms, NS(now_ms), answered);
}

/* Returns whether the text was one of these links' canaries. */
static bool hear(struct sw_redis_health *health, const char *text)
{
    uint64_t number;
    return sw_redis_health_hear(health, sw_slice_of(text), &number);
}

static enum sw_redis_fault look(struct sw_redis_health *health, uint64_t now_ms, uint64_t bytes)
{
    return sw_redis_health_look(health, now_ms, NS(now_ms), bytes);
}

static void pings_go_at_once_and_then_every_second(void **state)
{
    (void)state;
    struct sw_redis_health health;
    up(&health, 5000);
    assert_true(ping(&health, 5000, 0));
    assert_false(ping(&health, 5999, 0));
    assert_true(ping(&health, 6000, 0));
    assert_int_equal(sw_redis_health_waiting_ns(&health, NS(7000)), NS(2000));
    assert_int_equal(sw_redis_health_pong(&health, 7000), NS(5000));
    assert_int_equal(sw_redis_health_pong(&health, 7000), NS(6000));
    assert_int_equal(sw_redis_health_pong(&health, 7000), 0);
    assert_int_equal(sw_redis_health_waiting_ns(&health, NS(7000)), 0);
}

static void no_more_pings_wait_than_there_are_places(void **state)
{
    (void)state;
    struct sw_redis_health health;
    unsigned sent = 0;
    up(&health, 0);
    for (uint64_t now = 1000; now < 60000; now += 1000) {
        sent += ping(&health, now, 0);
    }
    assert_int_equal(sent, SW_REDIS_PINGS);
    assert_int_equal(sw_redis_health_pong(&health, 60000), NS(1000));
    assert_true(ping(&health, 60000, 0));
}

static void canaries_go_every_second_and_faster_while_it_is_stale(void **state)
{
    (void)state;
    struct sw_redis_health health;
    up(&health, 5000);
    assert_true(sw_redis_health_canary(&health, 5000));
    assert_false(sw_redis_health_canary(&health, 5999));
    assert_true(sw_redis_health_canary(&health, 6000));
    (void)sw_feed_lost(&health.feed);
    sw_redis_health_up(&health, 6000);
    assert_false(sw_redis_health_canary(&health, 6000)); /* the number was used */
    assert_true(sw_redis_health_canary(&health, 6001));
    assert_true(sw_redis_health_canary(&health, 6251));
}

static void only_canaries_of_these_links_are_heard(void **state)
{
    (void)state;
    struct sw_redis_health health;
    up(&health, 5000);
    (void)sw_redis_health_canary(&health, 5000);
    (void)sw_redis_health_canary(&health, 6000);
    assert_false(hear(&health, ""));
    assert_false(hear(&health, "canary "));
    assert_false(hear(&health, "canary x"));
    assert_false(hear(&health, "canary 6001")); /* never sent */
    assert_false(hear(&health, "{\"v\":1,\"kind\":\"disconnect\"}"));
    assert_true(hear(&health, "canary 5000"));
    assert_false(hear(&health, "canary 5000"));
    assert_true(hear(&health, "canary 6000"));
    sw_redis_health_up(&health, 7000);
    (void)sw_redis_health_canary(&health, 7000);
    assert_false(hear(&health, "canary 6000")); /* of links that are gone */
    struct sw_buf text = {0};
    sw_redis_canary_write(&text, 7000);
    assert_true(hear(&health, sw_buf_text(&text)));
    sw_buf_deinit(&text);
}

/* The link answers, but what is published does not come. */
static void a_canary_that_pongs_overtake_is_lost(void **state)
{
    (void)state;
    struct sw_redis_health health;
    up(&health, 5000);
    (void)sw_redis_health_canary(&health, 5000);
    assert_true(ping(&health, 5000, 0)); /* sent before the PUBLISH was answered: proves nothing */
    (void)sw_redis_health_pong(&health, 5001);
    (void)sw_redis_health_canary(&health, 6000);
    assert_true(ping(&health, 6000, 5000));
    (void)sw_redis_health_pong(&health, 6001);
    assert_int_equal(look(&health, 6001, 100), SW_REDIS_SOUND); /* a replica may be later */
    assert_true(ping(&health, 7000, 6000));
    (void)sw_redis_health_pong(&health, 7001);
    assert_int_equal(look(&health, 7001, 200), SW_REDIS_DEAF);
}

/* How long new links have that bring no canary. */
static uint64_t deaf_after(struct sw_redis_health *health, uint64_t now_ms)
{
    uint64_t begun_ms = now_ms;
    uint64_t answered = 0;
    sw_redis_health_up(health, now_ms);
    for (;; now_ms += 1000) {
        assert_true(sw_redis_health_canary(health, now_ms));
        assert_true(ping(health, now_ms, answered));
        (void)sw_redis_health_pong(health, now_ms);
        answered = now_ms;
        if (look(health, now_ms, now_ms) == SW_REDIS_DEAF) {
            return now_ms - begun_ms;
        }
    }
}

static void a_route_that_stays_split_is_given_up_less_and_less_often(void **state)
{
    (void)state;
    static const uint64_t after_ms[] = {2000, 4000, 8000, 16000, 32000, 32000};
    struct sw_redis_health health;
    uint64_t now_ms = 5000;
    sw_redis_health_init(&health, now_ms);
    for (size_t i = 0; i < SW_ARRAY_SIZE(after_ms); i++) {
        assert_int_equal(deaf_after(&health, now_ms), after_ms[i]);
        now_ms += 100000;
    }
    sw_redis_health_up(&health, now_ms);
    assert_true(sw_redis_health_canary(&health, now_ms));
    struct sw_buf text = {0};
    sw_redis_canary_write(&text, now_ms);
    assert_true(hear(&health, sw_buf_text(&text)));
    sw_buf_deinit(&text);
    assert_int_equal(deaf_after(&health, now_ms + 1000), 2000);
}

static void a_canary_that_is_late_is_not_lost(void **state)
{
    (void)state;
    struct sw_redis_health health;
    up(&health, 5000);
    for (uint64_t now = 5000; now < 20000; now += 1000) {
        char text[32];
        uint64_t before = now - 1000;
        assert_true(sw_redis_health_canary(&health, now));
        assert_true(ping(&health, now, before >= 5000 ? before : 0));
        (void)sw_redis_health_pong(&health, now + 1);
        snprintf(text, sizeof(text), "canary %llu", (unsigned long long)before);
        assert_true(before < 5000 || hear(&health, text)); /* a second and more later */
        assert_int_equal(look(&health, now + 500, now), SW_REDIS_SOUND);
    }
}

/* Behind a canary that was never published, or not answered, no pong proves anything. */
static void a_canary_that_was_not_published_is_not_lost(void **state)
{
    (void)state;
    struct sw_redis_health health;
    up(&health, 5000);
    for (uint64_t now = 5000; now < 20000; now += 1000) {
        (void)sw_redis_health_canary(&health, now);
        assert_true(ping(&health, now, 0));
        (void)sw_redis_health_pong(&health, now + 1);
        assert_int_equal(look(&health, now + 1, now), SW_REDIS_SOUND);
    }
}

static void a_link_on_which_nothing_comes_is_silent(void **state)
{
    (void)state;
    struct sw_redis_health health;
    up(&health, 5000);
    assert_int_equal(look(&health, 5000, 10), SW_REDIS_SOUND);
    assert_true(ping(&health, 6000, 0));
    assert_int_equal(look(&health, 7999, 10), SW_REDIS_SOUND);
    assert_int_equal(look(&health, 8000, 10), SW_REDIS_SILENT);
}

/* Who was held up itself hears nothing meanwhile; what waited for it is read before the look. */
static void who_asked_nothing_hears_nothing(void **state)
{
    (void)state;
    struct sw_redis_health health;
    up(&health, 5000);
    assert_int_equal(look(&health, 5000, 10), SW_REDIS_SOUND);
    assert_int_equal(look(&health, 60000, 10), SW_REDIS_SOUND);
    assert_true(ping(&health, 60000, 0));
    assert_int_equal(look(&health, 61999, 10), SW_REDIS_SOUND);
    assert_int_equal(look(&health, 62000, 10), SW_REDIS_SILENT);
}

/* A backlog: bytes come, but the pong stands far behind them. */
static void a_pong_may_be_late_while_something_comes(void **state)
{
    (void)state;
    struct sw_redis_health health;
    up(&health, 5000);
    assert_true(ping(&health, 5000, 0));
    uint64_t now = 5000;
    for (; now < 5000 + SW_REDIS_PONG_MS; now += 250) {
        assert_int_equal(look(&health, now, now), SW_REDIS_SOUND);
    }
    assert_int_equal(look(&health, now, now), SW_REDIS_LATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pings_go_at_once_and_then_every_second),
        cmocka_unit_test(no_more_pings_wait_than_there_are_places),
        cmocka_unit_test(canaries_go_every_second_and_faster_while_it_is_stale),
        cmocka_unit_test(only_canaries_of_these_links_are_heard),
        cmocka_unit_test(a_canary_that_pongs_overtake_is_lost),
        cmocka_unit_test(a_route_that_stays_split_is_given_up_less_and_less_often),
        cmocka_unit_test(a_canary_that_is_late_is_not_lost),
        cmocka_unit_test(a_canary_that_was_not_published_is_not_lost),
        cmocka_unit_test(a_link_on_which_nothing_comes_is_silent),
        cmocka_unit_test(who_asked_nothing_hears_nothing),
        cmocka_unit_test(a_pong_may_be_late_while_something_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
