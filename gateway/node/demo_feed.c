// SPDX-License-Identifier: Apache-2.0
#include "node/demo_feed.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"

/* One instrument every 20 ms: each moves about four times a second. */
#define STEP_MS 20
/* A bus that does not answer gets no more than this. */
#define MAX_WAITING 64

static const char *const symbols[SW_DEMO_SYMBOLS] = {"ACME", "BOLT", "CRUX", "DELTA",
                                                     "EDEN", "FLUX", "GRID", "HALO",
                                                     "IRIS", "JADE", "KITE", "LUMA"};

static void on_published(void *context, struct sw_publish *publish)
{
    struct sw_demo_feed *feed = context;
    feed->waiting--;
    sw_publish_destroy(publish);
}

/* -1 .. 1, thicker in the middle. */
static double noise(struct sw_demo_feed *feed)
{
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        sum += (double)sw_random_below(&feed->random, 20001) / 10000.0 - 1.0;
    }
    return sum / 3.0;
}

static void publish_tick(struct sw_demo_feed *feed, unsigned i)
{
    struct sw_buf topic = {0};
    struct sw_buf data = {0};
    feed->price[i] *= 1.0 + noise(feed) * 0.004;
    feed->volume[i] += 1 + sw_random_below(&feed->random, 900);
    sw_buf_printf(&topic, "demo%cticks%c%s", feed->separator, feed->separator, symbols[i]);
    sw_buf_printf(&data,
                  "{\"symbol\":\"%s\",\"price\":%.2f,\"change\":%.2f,\"volume\":%llu,\"t\":%llu}",
                  symbols[i], feed->price[i], (feed->price[i] / feed->open[i] - 1.0) * 100.0,
                  (unsigned long long)feed->volume[i], (unsigned long long)sw_clock_wall_ms());
    struct sw_publish *publish = sw_publish_create(sw_buf_slice(&topic), sw_slice("", 0),
                                                   sw_slice("", 0), sw_buf_slice(&data));
    publish->done = on_published;
    publish->context = feed;
    feed->waiting++;
    sw_bus_publish(feed->bus, feed->inbox, publish);
    sw_buf_deinit(&topic);
    sw_buf_deinit(&data);
}

static void on_timer(struct sw_timer *timer)
{
    struct sw_demo_feed *feed = SW_CONTAINER_OF(timer, struct sw_demo_feed, timer);
    if (feed->waiting < MAX_WAITING) {
        publish_tick(feed, feed->next);
        feed->next =
            (feed->next + 1 + (unsigned)sw_random_below(&feed->random, 3)) % SW_DEMO_SYMBOLS;
    }
    sw_loop_timer_start(feed->loop, timer, STEP_MS);
}

void sw_demo_feed_start(struct sw_demo_feed *feed, struct sw_loop *loop, struct sw_bus *bus,
                        struct sw_inbox *inbox, char separator)
{
    *feed = (struct sw_demo_feed){
        .loop = loop, .bus = bus, .inbox = inbox, .separator = separator, .running = true};
    sw_random_init(&feed->random);
    for (unsigned i = 0; i < SW_DEMO_SYMBOLS; i++) {
        feed->open[i] = 20.0 + (double)sw_random_below(&feed->random, 40000) / 100.0;
        feed->price[i] = feed->open[i];
    }
    sw_timer_init(&feed->timer, on_timer);
    sw_loop_timer_start(loop, &feed->timer, STEP_MS);
}

void sw_demo_feed_stop(struct sw_demo_feed *feed)
{
    if (feed->running) {
        feed->running = false;
        sw_loop_timer_stop(feed->loop, &feed->timer);
    }
}
