// SPDX-License-Identifier: Apache-2.0
#include "fanout/history.h"

#include "common/mem.h"
#include "fanout/internal.h"
#include "fanout/run.h"

void sw_history_destroy(struct sw_fanout *fanout, struct sw_tape *tape)
{
    struct sw_tape_history *history = tape->history;
    if (!history) {
        return;
    }
    sw_runs_forget(fanout, tape);
    sw_free(history->runs);
    sw_free(history->asked);
    sw_free(history->names);
    sw_free(history);
    tape->history = NULL;
}

/* ---- what is missing ---- */

void sw_history_mark(struct sw_tape *tape, const struct sw_gap *gap)
{
    struct sw_tape_history *history = tape->history;
    history->marks[history->marked++ % SW_TAPE_MARKS] = (struct sw_tape_mark){
        .from = gap->from, .to = gap->from + gap->span - 1, .reason = gap->reason};
}

enum sw_shed sw_history_reason(const struct sw_tape *tape, uint64_t offset, uint64_t *until)
{
    const struct sw_tape_history *history = tape->history;
    for (unsigned i = 0; i < SW_TAPE_MARKS; i++) {
        const struct sw_tape_mark *mark = &history->marks[i];
        if (mark->from <= offset && offset <= mark->to) {
            *until = mark->to < *until ? mark->to : *until;
            return mark->reason;
        }
        if (mark->from > offset && mark->from <= *until) {
            *until = mark->from - 1;
        }
    }
    return SW_SHED_SLOW;
}

/* ---- names ---- */

/* The stream is of that lineage from now on, under a new number. */
static void rename_to(struct sw_tape_history *history, const struct sw_lineage *lineage)
{
    if (!history->names) {
        history->names = sw_zalloc(SW_TAPE_NAMES * sizeof(*history->names));
    }
    history->names[history->epoch++ % SW_TAPE_NAMES] = history->lineage.epoch;
    history->lineage = *lineage;
}

struct sw_epoch sw_history_name(const struct sw_tape *tape, uint8_t epoch)
{
    const struct sw_tape_history *history = tape->history;
    uint8_t age = (uint8_t)(history->epoch - epoch);
    if (age == 0) {
        return history->lineage.epoch;
    }
    return age < SW_TAPE_NAMES ? history->names[epoch % SW_TAPE_NAMES] : (struct sw_epoch){0};
}

bool sw_history_holds(const struct sw_tape *tape, const struct sw_position *position)
{
    const struct sw_tape_history *history = tape->history;
    return sw_lineage_holds(&history->lineage, history->top, position);
}

/* Cursors that have not heard of the present name for so long that their own is forgotten do not
 * become young again. */
static void age_cursors(struct sw_fanout *fanout, const struct sw_tape *tape)
{
    uint8_t oldest = (uint8_t)(tape->history->epoch - SW_TAPE_NAMES);
    for (uint32_t place = 0; place < tape->readers; place++) {
        struct sw_cursor *cursor = &fanout->cursors[tape->hub[place].cursor];
        if (tape->hub[place].cursor &&
            (uint8_t)(tape->history->epoch - cursor->epoch) > SW_TAPE_NAMES) {
            cursor->epoch = oldest;
        }
    }
}

static void go_on(struct sw_fanout *fanout, struct sw_tape *tape,
                  const struct sw_topic_state *state)
{
    struct sw_tape_history *history = tape->history;
    if (sw_epoch_equal(&history->lineage.epoch, &state->lineage.epoch)) {
        history->lineage = state->lineage;
        return;
    }
    if (tape->readers && !sw_fanout_faulty(SW_FAULT_NAME)) {
        sw_tape_append_name(fanout, tape, &state->lineage.epoch);
    }
    rename_to(history, &state->lineage);
    if (tape->readers == 0) {
        history->walked_epoch = history->epoch;
    }
    age_cursors(fanout, tape);
}

/* ---- the fork ---- */

/* It stays where it is in the new stream. Between there and the end are now `more` messages more,
 * or fewer where that is below 0; what will not come any more is not told: it was never of this
 * stream. */
static void stay(struct sw_fanout *fanout, struct sw_tape *tape, struct sw_cursor *cursor,
                 int64_t more)
{
    struct sw_reader *reader = sw_reader(fanout, cursor->slot);
    cursor->position -= (uint64_t)more;
    if (more >= 0) {
        sw_reader_replay(fanout, tape, cursor->place, (uint64_t)more);
        return;
    }
    sw_reader_settle(fanout, reader, (struct sw_owed){.behind = (uint64_t)-more});
    sw_reader_lose(fanout, reader, tape->rule, (uint64_t)-more, SW_SHED_FEED);
    SW_LAW_ADD(fanout, tape, cursor->place, shed, -more);
}

/* What it has seen is not of the new stream: all that it was owed is missing, of which what had no
 * offset is told, and it stands at the end. */
static void fall_off(struct sw_fanout *fanout, struct sw_tape *tape, struct sw_cursor *cursor,
                     uint64_t plain)
{
    struct sw_reader *reader = sw_reader(fanout, cursor->slot);
    uint64_t behind = tape->walked - cursor->position;
    uint64_t passed = plain - (cursor->position - cursor->offset);
    uint64_t ahead = cursor->passed < 0 ? (uint64_t)-cursor->passed : 0; /* told already */
    passed = passed < behind - ahead ? passed : behind - ahead;
    bool untold = cursor->gap || cursor->gap_unknown;
    enum sw_shed reason = untold ? (enum sw_shed)cursor->gap_reason : SW_SHED_FEED;
    sw_reader_settle(fanout, reader, (struct sw_owed){.behind = behind});
    sw_reader_lose(fanout, reader, tape->rule, passed, reason);
    sw_reader_lose(fanout, reader, tape->rule, ahead, (enum sw_shed)cursor->reason);
    sw_reader_lose(fanout, reader, tape->rule, behind - passed - ahead, SW_SHED_FEED);
    SW_LAW_ADD(fanout, tape, cursor->place, shed, behind);
    cursor->passed += (int32_t)ahead;
    cursor->gap += (uint32_t)passed;
    cursor->gap_reason = (uint8_t)reason;
    cursor->span = 0; /* the reset stands for what had offsets */
    cursor->reset = true;
    sw_cursor_let_go(fanout, cursor);
}

/* One reader lets go of what there was. */
static void part(struct sw_fanout *fanout, struct sw_tape *tape, uint32_t place)
{
    struct sw_entry_hub *entry = &tape->hub[place];
    if (sw_reader(fanout, entry->slot)->flags & SW_CLOSING) {
        if (entry->cursor) {
            sw_cursor_let_go(fanout, &fanout->cursors[entry->cursor]);
        }
    } else if (entry->cursor) {
        sw_cursor_to_bare(fanout, &fanout->cursors[entry->cursor]);
        sw_cursor_leave_run(fanout, &fanout->cursors[entry->cursor]);
    } else {
        sw_cursor_bare(fanout, entry->slot, tape, place, tape->history->top);
    }
}

/* Its place is judged by what is known of the new stream. */
static void judge(struct sw_fanout *fanout, struct sw_tape *tape, uint32_t place, uint64_t old_top,
                  bool renewed)
{
    uint32_t slot = tape->hub[place].slot;
    uint32_t id = tape->hub[place].cursor;
    struct sw_cursor *cursor = &fanout->cursors[id];
    if (!id || cursor->kind != SW_CURSOR_BARE) {
        return;
    }
    struct sw_position at = {.epoch = sw_history_name(tape, cursor->epoch),
                             .offset = cursor->offset};
    cursor->waits = false;             /* it has something to hear */
    bool honest = cursor->passed >= 0; /* else it was told of what it would read now */
    bool good = (!renewed && sw_history_holds(tape, &at)) || sw_fanout_faulty(SW_FAULT_JUDGE);
    if (honest && !cursor->reset && good) {
        stay(fanout, tape, cursor, (int64_t)(tape->history->top - old_top));
    } else {
        fall_off(fanout, tape, cursor, tape->top - old_top);
    }
    if (!(sw_reader(fanout, slot)->flags & (SW_WRITE_PENDING | SW_GATED))) {
        sw_fanout_due_later(fanout, slot);
    }
}

/* Does the lineage hold what the tape has? */
static bool holds(const struct sw_tape_history *history, const struct sw_topic_state *state)
{
    struct sw_position at = {.epoch = history->lineage.epoch, .offset = history->top};
    return sw_lineage_holds(&state->lineage, state->top, &at);
}

/* The stream is another one from here on. What stands on the tape is handed out first; then nobody
 * holds anything of it. */
static void fork_off(struct sw_fanout *fanout, struct sw_tape *tape,
                     const struct sw_topic_state *state)
{
    struct sw_tape_history *history = tape->history;
    uint64_t old_top = history->top;
    bool renewed = holds(history, state); /* no position tells it from the stream that it was */
    if (tape->readers) {
        sw_tape_tell_lost(fanout, tape);
    }
    if (tape->turn.block) {
        sw_walk_early(fanout, tape);
    }
    for (uint32_t place = 0; place < tape->readers; place++) {
        part(fanout, tape, place);
    }
    SW_ASSERT(!tape->last && !history->oldest && !tape->board);
    sw_runs_forget(fanout, tape);
    for (unsigned i = 0; i < SW_TAPE_MARKS; i++) {
        history->marks[i] = (struct sw_tape_mark){0};
    }
    history->gone = 0;
    history->top = state->top;
    history->walked = state->top;
    rename_to(history, &state->lineage);
    history->walked_epoch = history->epoch;
    for (uint32_t place = 0; place < tape->readers; place++) {
        judge(fanout, tape, place, old_top, renewed);
    }
    age_cursors(fanout, tape);
}

/* ---- what the bus says ---- */

static void begin(struct sw_tape *tape, const struct sw_topic_state *state)
{
    struct sw_tape_history *history = sw_zalloc(sizeof(*history));
    sw_list_init(&history->waiting);
    history->lineage = state->lineage;
    history->top = state->top;
    history->walked = state->top;
    tape->history = history;
    tape->top = state->top;
    tape->walked = state->top;
}

void sw_tape_state(struct sw_fanout *fanout, struct sw_tape *tape,
                   const struct sw_topic_state *state)
{
    if (tape->state == SW_TAPE_JOINING && state->history) {
        begin(tape, state);
    } else if (tape->state == SW_TAPE_JOINING && state->retained) {
        sw_tape_keep(fanout, tape, state->retained);
    }
    struct sw_tape_history *history = tape->history;
    if (!history || !state->history) {
        return;
    }
    if (!state->forked && holds(history, state)) {
        SW_ASSERT(state->top == history->top); /* what lies between came before it */
        go_on(fanout, tape, state);
    } else {
        fork_off(fanout, tape, state);
    }
    if ((int32_t)(state->check - history->checked) > 0) {
        history->checked = state->check;
    }
}

/* ---- reading ---- */

/* The frame of the tape that has that offset. */
static struct sw_block *seek_tape(const struct sw_tape *tape, uint64_t offset, uint32_t *frame)
{
    for (struct sw_block *block = tape->history->oldest; block; block = block->next) {
        uint64_t before = sw_tape_offset(tape, block, 0);
        if (before >= offset) {
            return NULL;
        }
        if (block->positioned && offset <= before + block->frames) {
            *frame = (uint32_t)(offset - before - 1);
            return block;
        }
    }
    return NULL;
}

/* The last offset, from `offset` on, of those that the run does not have. */
static uint64_t absent_until(const struct sw_run_kept *run, uint64_t offset)
{
    uint64_t next = sw_run_next(run, offset);
    return next ? next - 1 : run->to;
}

struct sw_found sw_history_find(const struct sw_tape *tape, uint64_t offset)
{
    const struct sw_tape_history *history = tape->history;
    struct sw_found found = {.kind = SW_FOUND_PLACE};
    found.block = seek_tape(tape, offset, &found.frame);
    if (found.block) {
        return found;
    }
    struct sw_run_kept *run = sw_run_find(tape, offset / SW_RUN_OFFSETS);
    found.kind = SW_FOUND_RUN;
    found.run = run;
    found.block = run ? sw_run_seek(run, offset, &found.frame) : NULL;
    if (found.block) {
        return found;
    }
    uint64_t until = run && offset <= run->to ? absent_until(run, offset) : 0;
    until = until > history->gone ? until : history->gone;
    return (struct sw_found){.kind = offset <= until ? SW_FOUND_GONE : SW_FOUND_NONE,
                             .until = until < history->top ? until : history->top};
}

/* Behind `after`? */
static bool run_lacks(const struct sw_tape *tape, const struct sw_run_kept *run, uint64_t after)
{
    uint64_t first = run->number ? run->number * SW_RUN_OFFSETS : 1;
    for (uint64_t at = after >= first ? after + 1 : first; at <= run->to; at++) {
        if (sw_history_find(tape, at).kind == SW_FOUND_GONE) {
            return true;
        }
    }
    return false;
}

bool sw_history_lacks(const struct sw_tape *tape, uint64_t after)
{
    const struct sw_tape_history *history = tape->history;
    for (uint32_t i = 0; i < history->runs_count; i++) {
        const struct sw_run_kept *run = history->runs[i];
        if (run->lacks && run->to > after && run_lacks(tape, run, after)) {
            return true;
        }
    }
    return history->gone > after;
}

void sw_tape_ask(struct sw_fanout *fanout, struct sw_tape *tape, uint64_t offset)
{
    struct sw_tape_history *history = tape->history;
    uint64_t number = offset / SW_RUN_OFFSETS;
    for (uint32_t i = 0; i < history->asked_count; i++) {
        if (history->asked[i] == number) {
            return;
        }
    }
    if (history->asked_count == history->asked_capacity) {
        history->asked_capacity = history->asked_capacity ? history->asked_capacity * 2 : 4;
        history->asked =
            sw_realloc(history->asked, history->asked_capacity * sizeof(*history->asked));
    }
    history->asked[history->asked_count++] = number;
    fanout->events->on_ask(fanout->owner, tape, number);
}

static void answered(struct sw_tape_history *history, uint64_t number)
{
    for (uint32_t i = 0; i < history->asked_count; i++) {
        if (history->asked[i] == number) {
            history->asked[i] = history->asked[--history->asked_count];
            return;
        }
    }
}

/* A history loses its oldest messages: where a whole run is gone, so is all before it. */
static void note_gone(struct sw_tape_history *history, const struct sw_run *run)
{
    uint64_t gone = run->gone > run->to ? run->gone : run->to;
    if (run->count == 0 && gone > history->gone) {
        history->gone = gone;
    }
}

/* Whoever waits for it reads on. */
static void wake(struct sw_fanout *fanout, const struct sw_tape *tape, uint64_t number)
{
    for (uint32_t place = 0; place < tape->readers; place++) {
        const struct sw_entry_hub *entry = &tape->hub[place];
        struct sw_cursor *cursor = &fanout->cursors[entry->cursor];
        if (entry->cursor && cursor->kind == SW_CURSOR_BARE && cursor->waits &&
            (cursor->offset + 1) / SW_RUN_OFFSETS == number) {
            cursor->waits = false;
            cursor->frame = (uint32_t)sw_loop_now_ms(fanout->loop);
            if (!(sw_reader(fanout, entry->slot)->flags & (SW_WRITE_PENDING | SW_GATED))) {
                sw_fanout_due_later(fanout, entry->slot);
            }
        }
    }
}

void sw_tape_run(struct sw_fanout *fanout, struct sw_tape *tape, const struct sw_run *run)
{
    struct sw_tape_history *history = tape->history;
    if (!history) {
        return;
    }
    answered(history, run->run);
    note_gone(history, run);
    sw_run_keep(fanout, tape, run);
    wake(fanout, tape, run->run);
}
