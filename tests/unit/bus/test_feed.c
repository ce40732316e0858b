// SPDX-License-Identifier: Apache-2.0
#include "bus/feed.h"

#include "../common/unit.h"
#include "common/mem.h"
#include "core/limits.h"

/* One thing that happens at a moment, and what is told of it. */
struct step {
    uint64_t now_ms;
    enum { LOOK, LOST, BEAT, BEAT_IN_PART } what;
    uint64_t sent_ms; /* of a beat */
    const char *told; /* "": nothing */
    uint64_t since_ms;
};

static bool happen(struct sw_feed *feed, const struct step *step)
{
    switch (step->what) {
    case LOOK:
        return sw_feed_look(feed, step->now_ms);
    case LOST:
        return sw_feed_lost(feed);
    case BEAT:
    case BEAT_IN_PART:
        return sw_feed_beat(feed, step->sent_ms, step->now_ms, step->what == BEAT);
    }
    fail();
    return false;
}

static void check(const struct step *steps, size_t count)
{
    struct sw_feed feed;
    sw_feed_init(&feed, 1000);
    for (size_t i = 0; i < count; i++) {
        bool changed = happen(&feed, &steps[i]);
        const char *told = !changed ? "" : feed.stale ? "stale" : "live";
        if (strcmp(told, steps[i].told) != 0 ||
            (feed.stale && feed.since_ms != steps[i].since_ms)) {
            fail_msg("step %zu: \"%s\" since %llu", i, told, (unsigned long long)feed.since_ms);
        }
    }
}

#define CHECK(...)                                                                                 \
    do {                                                                                           \
        static const struct step steps[] = {__VA_ARGS__};                                          \
        check(steps, SW_ARRAY_SIZE(steps));                                                        \
    } while (0)

static void it_is_live_while_beats_come_round(void **state)
{
    (void)state;
    CHECK({1250, LOOK, 0, "", 0}, {1300, BEAT, 1299, "", 0}, {3548, LOOK, 0, "", 0},
          {3548, BEAT, 3547, "", 0}, {5796, LOOK, 0, "", 0});
}

static void it_is_stale_since_the_last_beat_that_came_was_sent(void **state)
{
    (void)state;
    CHECK({1500, BEAT, 1400, "", 0}, {1400 + SW_FEED_LATE_MS - 1, LOOK, 0, "", 0},
          {1400 + SW_FEED_LATE_MS, LOOK, 0, "stale", 1400}, {9000, LOOK, 0, "", 1400});
}

static void a_node_that_starts_has_the_same_time(void **state)
{
    (void)state;
    CHECK({3249, LOOK, 0, "", 0}, {3250, LOOK, 0, "stale", 1000}, {3300, BEAT, 3299, "live", 0});
}

static void a_lost_link_is_told_at_once(void **state)
{
    (void)state;
    CHECK({1500, BEAT, 1500, "", 0}, {1600, LOST, 0, "stale", 1500}, {1610, LOST, 0, "", 1500},
          {1650, BEAT, 1649, "live", 0});
}

static void it_is_live_only_when_all_is_subscribed_again(void **state)
{
    (void)state;
    CHECK({1600, LOST, 0, "stale", 1000}, {1700, BEAT_IN_PART, 1699, "", 1000},
          {1950, BEAT, 1949, "live", 0});
}

/* A lag that stays the same is one or the other. */
static void it_does_not_flap(void **state)
{
    (void)state;
    CHECK({3500, LOOK, 0, "stale", 1000}, {3600, BEAT, 2100, "", 1000},
          {4600, BEAT, 3100, "", 1000}, {5600, BEAT, 5600 - SW_FEED_FRESH_MS, "", 1000},
          {5700, BEAT, 5701 - SW_FEED_FRESH_MS, "live", 0},
          {5701 - SW_FEED_FRESH_MS + SW_FEED_LATE_MS - 1, LOOK, 0, "", 0});
}

static void how_long_it_was_stale_is_counted_once(void **state)
{
    (void)state;
    struct sw_counters *counters = sw_zalloc(sizeof(*counters));
    struct sw_feed feed;
    sw_feed_init(&feed, 1000);
    sw_feed_count(&feed, counters, 2000);
    assert_int_equal(counters->feed_stale_seconds_total, 0);
    assert_true(sw_feed_lost(&feed));
    sw_feed_count(&feed, counters, 2000);
    sw_feed_count(&feed, counters, 2250);
    assert_int_equal(counters->feed_stale_seconds_total, 1250 * 1000);
    assert_true(sw_feed_beat(&feed, 2400, 2400, true));
    sw_feed_count(&feed, counters, 2400);
    sw_feed_count(&feed, counters, 9000);
    assert_int_equal(counters->feed_stale_seconds_total, 1400 * 1000);
    sw_free(counters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_live_while_beats_come_round),
        cmocka_unit_test(it_is_stale_since_the_last_beat_that_came_was_sent),
        cmocka_unit_test(a_node_that_starts_has_the_same_time),
        cmocka_unit_test(a_lost_link_is_told_at_once),
        cmocka_unit_test(it_is_live_only_when_all_is_subscribed_again),
        cmocka_unit_test(it_does_not_flap),
        cmocka_unit_test(how_long_it_was_stale_is_counted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
