// SPDX-License-Identifier: Apache-2.0
/* What sessions hear of the bus: `feed` stale when what they see may be old, and live when it is
 * fresh again, with whether something of theirs may have been lost. Every change has a number; a
 * session knows that of the last one it was told of, so one that comes later is told what is new to
 * it alone. A turn tells a bounded number of them. */
#include "common/assert.h"
#include "session/guest.h"
#include "session/internal.h"

/* One change in words, rendered once for all who are told of it now. */
struct words {
    struct sw_buf plain; /* stale; or live, and nothing was lost */
    struct sw_buf gap;   /* live, and something may have been */
};

static void words_init(struct words *words, const struct sw_sessions *all)
{
    const struct sw_feed_news *feed = &all->feed;
    uint64_t now_ms = sw_loop_now_ms(all->loop);
    *words = (struct words){0};
    sw_encode_feed(&words->plain, feed->stale,
                   now_ms > feed->since_ms ? now_ms - feed->since_ms : 0, false);
    if (!feed->stale) {
        sw_encode_feed(&words->gap, false, 0, true);
    }
}

static void words_deinit(struct words *words)
{
    sw_buf_deinit(&words->plain);
    sw_buf_deinit(&words->gap);
}

/* Does it read a tape that missed something since the bus was lost? Where a history was read in
 * between, its tape did not. */
static bool lost_something(const struct sw_session *session)
{
    const struct sw_sessions *all = session->all;
    const struct sw_reader *reader = sw_session_reader(session);
    uint8_t outage = (uint8_t)(all->feed.number - 1);
    for (unsigned i = 0; i < reader->subscriptions; i++) {
        if (all->fanout.tapes[reader->list[i].tape]->outage == outage) {
            return true;
        }
    }
    return false;
}

static void tell(struct sw_session *session, const struct words *words)
{
    const struct sw_feed_news *feed = &session->all->feed;
    if (session->feed == feed->number || session->echo || !sw_session_known(session)) {
        return; /* who is not known yet hears it behind its welcome */
    }
    session->feed = feed->number;
    bool gap = !feed->stale && lost_something(session);
    sw_session_say(session, sw_buf_slice(gap ? &words->gap : &words->plain));
    if (gap) {
        sw_raw_gap(session);
    }
}

void sw_session_say_feed(struct sw_session *session)
{
    if (session->feed != session->all->feed.number) {
        struct words words;
        words_init(&words, session->all);
        tell(session, &words);
        words_deinit(&words);
    }
}

void sw_feed_begin(struct sw_session *session)
{
    const struct sw_feed_news *feed = &session->all->feed;
    session->feed = (uint8_t)(feed->number - feed->stale); /* of its end alone it hears nothing */
}

/* The numbers begin again: what was missed under those before is no outage's to come. */
static void forget_outages(const struct sw_fanout *fanout)
{
    for (uint32_t id = 0; id < fanout->tapes_count; id++) {
        if (fanout->tapes[id]) {
            fanout->tapes[id]->outage = 0; /* no outage has an even number */
        }
    }
}

void sw_feed_change(struct sw_sessions *all, bool stale, uint64_t since_ms)
{
    SW_ASSERT(stale != all->feed.stale);
    if (stale && all->feed.number == 0) {
        forget_outages(&all->fanout);
    }
    all->feed = (struct sw_feed_news){.stale = stale,
                                      .number = (uint8_t)(all->feed.number + 1),
                                      .untold = all->fanout.slots_high,
                                      .since_ms = since_ms};
}

void sw_feed_turn(struct sw_sessions *all)
{
    struct sw_feed_news *feed = &all->feed;
    struct words words;
    if (feed->untold == 0) {
        return;
    }
    words_init(&words, all);
    for (uint32_t left = SW_FEED_SESSIONS; left > 0 && feed->untold > 0; left--) {
        uint32_t slot = --feed->untold;
        if (sw_reader(&all->fanout, slot)->state == SW_OPEN) {
            tell(sw_session_at(all, slot), &words);
        }
    }
    words_deinit(&words);
}
