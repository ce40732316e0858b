// SPDX-License-Identifier: Apache-2.0
/* Paced readers (max_hz): each stands on its tape's board and reads it at the ticks of its pace, so
 * that it gets the newest and never more often. A tick that finds nothing sends it to TOP, from
 * where the next message goes to it at once. One timer a pace, while somebody waits. */
#include "common/mem.h"
#include "fanout/internal.h"

static const uint16_t rates_hz[SW_PACES] = {1, 2, 5, 10, 20};

uint8_t sw_pace_of(unsigned max_hz)
{
    for (uint8_t i = 0; i < SW_PACES; i++) {
        if (rates_hz[i] == max_hz) {
            return (uint8_t)(i + 1);
        }
    }
    return 0;
}

static struct sw_ticker *ticker_of(struct sw_fanout *fanout, const struct sw_cursor *cursor)
{
    const struct sw_entry_hub *entry = &fanout->tapes[cursor->tape]->hub[cursor->place];
    return &fanout->tickers[sw_entry_pace(entry) - 1];
}

void sw_ticker_join(struct sw_fanout *fanout, struct sw_cursor *cursor, unsigned pace)
{
    struct sw_ticker *ticker = &fanout->tickers[pace - 1];
    if (cursor->waits) {
        return;
    }
    if (ticker->count == ticker->capacity) {
        ticker->capacity = ticker->capacity ? ticker->capacity * 2 : 64;
        ticker->cursors = sw_realloc(ticker->cursors, ticker->capacity * sizeof(*ticker->cursors));
    }
    cursor->waits = true;
    cursor->begun = false;
    cursor->frame = ticker->count;
    ticker->cursors[ticker->count++] = (uint32_t)(cursor - fanout->cursors);
    if (!sw_timer_running(&ticker->timer)) {
        sw_loop_timer_start(fanout->loop, &ticker->timer, ticker->period_ms);
    }
}

void sw_ticker_leave(struct sw_fanout *fanout, struct sw_cursor *cursor)
{
    if (!cursor->waits) {
        return;
    }
    struct sw_ticker *ticker = ticker_of(fanout, cursor);
    uint32_t moved = ticker->cursors[--ticker->count];
    ticker->cursors[cursor->frame] = moved;
    fanout->cursors[moved].frame = cursor->frame;
    cursor->waits = false;
}

/* Its tick has come: it reads, or has nothing to read and is at TOP again. */
static void tick(struct sw_fanout *fanout, struct sw_cursor *cursor)
{
    uint32_t slot = cursor->slot;
    const struct sw_tape *tape = fanout->tapes[cursor->tape];
    bool news =
        cursor->seq != sw_board_last(tape) || cursor->passed || sw_cursor_renamed(tape, cursor);
    if (!news) {
        sw_cursor_destroy(fanout, slot, (uint32_t)(cursor - fanout->cursors));
        return;
    }
    sw_ticker_leave(fanout, cursor);
    if (!(sw_reader(fanout, slot)->flags & (SW_WRITE_PENDING | SW_GATED))) {
        sw_fanout_due(fanout, slot);
    }
}

static void on_tick(struct sw_timer *timer)
{
    struct sw_ticker *ticker = SW_CONTAINER_OF(timer, struct sw_ticker, timer);
    struct sw_fanout *fanout = ticker->fanout;
    ticker->ticked_ms = sw_loop_now_ms(fanout->loop);
    if (ticker->count == 0) {
        return;
    }
    /* at once: those who read now join again, and their next tick is a period from here */
    sw_loop_timer_start(fanout->loop, timer, ticker->period_ms);
    while (ticker->count) {
        tick(fanout, &fanout->cursors[ticker->cursors[ticker->count - 1]]);
    }
}

void sw_tickers_init(struct sw_fanout *fanout)
{
    for (unsigned i = 0; i < SW_PACES; i++) {
        struct sw_ticker *ticker = &fanout->tickers[i];
        *ticker = (struct sw_ticker){.fanout = fanout, .period_ms = 1000u / rates_hz[i]};
        sw_timer_init(&ticker->timer, on_tick);
    }
}

void sw_tickers_deinit(struct sw_fanout *fanout)
{
    for (unsigned i = 0; i < SW_PACES; i++) {
        sw_loop_timer_stop(fanout->loop, &fanout->tickers[i].timer);
        sw_free(fanout->tickers[i].cursors);
    }
}
