// SPDX-License-Identifier: Apache-2.0
#include "bus/lent.h"

#include "common/mem.h"

/* ---- messages ---- */

void sw_lent_let_go(struct sw_purse *purse, struct sw_message *message)
{
    if (message->refs == 1) {
        sw_purse_charge(purse, SW_PART_MESSAGES, -(int64_t)sw_message_bytes(message));
    }
    sw_message_unref(message);
}

void sw_lent_keep(struct sw_purse *purse, struct sw_message *message)
{
    sw_message_ref(message);
    sw_purse_charge(purse, SW_PART_MESSAGES, -(int64_t)sw_message_bytes(message));
    sw_purse_charge(purse, SW_PART_HISTORY, sw_message_bytes(message));
}

void sw_lent_keep_no_more(struct sw_purse *purse, struct sw_message *message)
{
    sw_purse_charge(purse, SW_PART_HISTORY, -(int64_t)sw_message_bytes(message));
    sw_purse_charge(purse, SW_PART_MESSAGES, sw_message_bytes(message));
    sw_lent_let_go(purse, message);
}

/* ---- states ---- */

struct sw_topic_state *sw_topic_state_create(const struct sw_topic_state *state)
{
    struct sw_topic_state *copy = sw_alloc(sizeof(*copy));
    *copy = *state;
    copy->refs = 1;
    if (copy->retained) {
        sw_message_ref(copy->retained);
    }
    return copy;
}

void sw_topic_state_unref(struct sw_purse *purse, struct sw_topic_state *state)
{
    if (--state->refs > 0) {
        return;
    }
    if (state->retained) {
        sw_lent_let_go(purse, state->retained);
    }
    sw_free(state);
}

/* ---- runs ---- */

struct sw_run *sw_run_create(uint64_t number, uint32_t capacity)
{
    struct sw_run *run = sw_alloc(sizeof(*run) + capacity * sizeof(run->frames[0]));
    *run = (struct sw_run){.refs = 1, .run = number};
    return run;
}

void sw_run_add(struct sw_run *run, uint64_t offset, struct sw_message *message)
{
    sw_message_ref(message);
    run->frames[run->count].offset = offset;
    run->frames[run->count++].message = message;
}

void sw_run_unref(struct sw_purse *purse, struct sw_run *run)
{
    if (--run->refs > 0) {
        return;
    }
    for (uint32_t i = 0; i < run->count; i++) {
        sw_lent_let_go(purse, run->frames[i].message);
    }
    sw_free(run);
}
