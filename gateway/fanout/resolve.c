// SPDX-License-Identifier: Apache-2.0
/* Where a subscription begins that brings a position, or wants the newest messages. */
#include "fanout/internal.h"

/* Is the message at `offset` to be had? SW_FOUND_NONE: the bus was asked. */
static enum sw_found_kind look(struct sw_fanout *fanout, struct sw_tape *tape, uint64_t offset,
                               uint64_t *until)
{
    struct sw_found found = sw_history_find(tape, offset);
    if (found.kind == SW_FOUND_NONE) {
        sw_tape_ask(fanout, tape, offset);
    }
    *until = found.until;
    return found.kind;
}

static bool ask_check(struct sw_fanout *fanout, struct sw_tape *tape, struct sw_claim *claim)
{
    struct sw_tape_history *history = tape->history;
    if (claim->check == 0) {
        claim->check = ++history->check;
        fanout->events->on_check(fanout->owner, tape, claim->check);
    }
    return (int32_t)(history->checked - claim->check) >= 0;
}

/* A position that does not belong to the stream is looked at once more: the bus may not have heard
 * yet of the name that another node gave it. */
static bool resolve_from(struct sw_fanout *fanout, struct sw_tape *tape, struct sw_claim *claim,
                         struct sw_start *start)
{
    const struct sw_tape_history *history = tape->history;
    uint64_t until;
    if (!sw_history_holds(tape, &claim->from)) {
        start->why = SW_WHY_EPOCH;
        return ask_check(fanout, tape, claim);
    }
    if (claim->from.offset < history->top) {
        switch (look(fanout, tape, claim->from.offset + 1, &until)) {
        case SW_FOUND_NONE:
            return false;
        case SW_FOUND_GONE:
            start->why = SW_WHY_TRIMMED;
            return true;
        case SW_FOUND_PLACE:
        case SW_FOUND_RUN:
            break;
        }
        if (sw_history_lacks(tape, claim->from.offset)) { /* all or nothing */
            start->why = SW_WHY_TRIMMED;
            return true;
        }
    }
    start->resumed = true;
    start->after = claim->from.offset;
    return true;
}

/* As many as there are of the newest. */
static bool resolve_last(struct sw_fanout *fanout, struct sw_tape *tape,
                         const struct sw_claim *claim, struct sw_start *start)
{
    uint64_t top = tape->history->top;
    uint64_t after = claim->last < top ? top - claim->last : 0;
    while (after < top) {
        uint64_t until;
        enum sw_found_kind kind = look(fanout, tape, after + 1, &until);
        if (kind == SW_FOUND_NONE) {
            return false;
        }
        if (kind != SW_FOUND_GONE) {
            break;
        }
        after = until;
    }
    start->after = after;
    return true;
}

static void resolve_plain(const struct sw_tape *tape, const struct sw_claim *claim,
                          struct sw_start *start)
{
    start->why = claim->kind == SW_CLAIM_FROM ? SW_WHY_NO_HISTORY : SW_WHY_NONE;
    /* what is lost is said before the newcomer comes, and then stands on the tape behind it */
    bool retained = tape->retain && tape->last && !tape->last->gap && !tape->lost;
    start->replay = claim->kind == SW_CLAIM_LAST && claim->last && retained;
}

bool sw_tape_resolve(struct sw_fanout *fanout, struct sw_tape *tape, struct sw_manner manner,
                     struct sw_claim *claim, struct sw_start *start)
{
    const struct sw_tape_history *history = tape->history;
    *start = (struct sw_start){0};
    if (!history) {
        resolve_plain(tape, claim, start);
        return true;
    }
    bool known = true;
    start->after = history->top;
    if (claim->kind == SW_CLAIM_FROM && !sw_manner_resumes(manner)) {
        start->why = SW_WHY_MODE;
    } else if (claim->kind == SW_CLAIM_FROM) {
        known = resolve_from(fanout, tape, claim, start);
    } else if (claim->kind == SW_CLAIM_LAST) {
        known = resolve_last(fanout, tape, claim, start);
    }
    start->positioned = true;
    start->position = (struct sw_position){.epoch = history->lineage.epoch, .offset = history->top};
    start->replay = (uint32_t)(history->top - start->after);
    return known;
}
