// SPDX-License-Identifier: Apache-2.0
#include "bus/feed.h"

#include "common/log.h"
#include "core/limits.h"

void sw_feed_init(struct sw_feed *feed, uint64_t now_ms)
{
    *feed = (struct sw_feed){.proof_ms = now_ms};
}

static bool become_stale(struct sw_feed *feed)
{
    bool changed = !feed->stale;
    if (changed) {
        feed->stale = true;
        feed->since_ms = feed->proof_ms;
        feed->counted_ms = feed->proof_ms;
    }
    return changed;
}

bool sw_feed_lost(struct sw_feed *feed)
{
    return become_stale(feed);
}

bool sw_feed_beat(struct sw_feed *feed, uint64_t sent_ms, uint64_t now_ms, bool whole)
{
    if (sent_ms > feed->proof_ms) {
        feed->proof_ms = sent_ms;
    }
    if (!feed->stale || !whole || now_ms >= sent_ms + SW_FEED_FRESH_MS) {
        return false;
    }
    feed->stale = false;
    return true;
}

bool sw_feed_look(struct sw_feed *feed, uint64_t now_ms)
{
    return now_ms >= feed->proof_ms + SW_FEED_LATE_MS && become_stale(feed);
}

void sw_feed_tell(struct sw_feed *feed, struct sw_exchange *exchange, uint64_t now_ms,
                  const char *why)
{
    char clean[256];
    struct sw_counters *counters = sw_exchange_counters(exchange);
    sw_count(&counters->feed_stale, feed->stale ? 1 : -1);
    sw_feed_count(feed, counters, now_ms);
    sw_exchange_feed(exchange, feed->stale, feed->since_ms);
    sw_loop_stay_awake(sw_exchange_loop(exchange)); /* what is said now is posted in a turn */
    sw_log(feed->stale ? SW_LOG_WARN : SW_LOG_INFO, "feed", "state=%s since_ms=%llu why=\"%s\"",
           feed->stale ? "stale" : "live", (unsigned long long)(now_ms - feed->since_ms),
           sw_log_clean(clean, sizeof(clean), sw_slice_of(why)));
}

void sw_feed_count(struct sw_feed *feed, struct sw_counters *counters, uint64_t now_ms)
{
    if (feed->counted_ms && now_ms > feed->counted_ms) {
        sw_count(&counters->feed_stale_seconds_total, (int64_t)(now_ms - feed->counted_ms) * 1000);
        feed->counted_ms = feed->stale ? now_ms : 0;
    }
}
