// SPDX-License-Identifier: Apache-2.0
/* A topic with history for the rig: the test is the bus. What it keeps of the stream are messages
 * "m<offset>" from `first` to the top; runs are answered when the test says so. */
#ifndef SW_FANOUT_RIG_HISTORY_H
#define SW_FANOUT_RIG_HISTORY_H

#include "rig.h"

struct rig_topic {
    struct rig *rig;
    struct sw_tape *tape;
    struct sw_lineage lineage;
    uint64_t top;
    uint64_t first;   /* the oldest that is kept */
    uint64_t hole;    /* an offset that is not, though younger ones are; 0: none */
    const char *stem; /* of the payloads: tells one stream from another */
};

static inline struct sw_epoch rig_epoch(const char *name)
{
    struct sw_epoch epoch;
    assert_true(sw_epoch_parse(sw_slice_of(name), &epoch));
    return epoch;
}

static inline struct sw_topic_state rig_state(const struct rig_topic *topic)
{
    return (struct sw_topic_state){.history = true, .lineage = topic->lineage, .top = topic->top};
}

static inline void rig_topic_init(struct rig_topic *topic, struct rig *rig, const char *name,
                                  const char *epoch, uint64_t top)
{
    *topic = (struct rig_topic){
        .rig = rig, .lineage.epoch = rig_epoch(epoch), .top = top, .first = 1, .stem = "m"};
    topic->tape = sw_tape_create(&rig->fanout, 0, sw_slice_of(name), false);
    struct sw_topic_state state = rig_state(topic);
    struct sw_list waiting;
    sw_tape_state(&rig->fanout, topic->tape, &state);
    sw_tape_joined(topic->tape, &waiting);
}

static inline struct sw_message *rig_message(const struct rig_topic *topic, uint64_t offset)
{
    char text[64];
    snprintf(text, sizeof(text), "%s%llu", topic->stem, (unsigned long long)offset);
    return sw_message_create(sw_tape_name(topic->tape), SW_SLICE(""), sw_slice_of(text), 0,
                             sw_clock_ns());
}

/* So many messages of the stream. */
static inline void rig_publish(struct rig_topic *topic, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct sw_message *message = rig_message(topic, ++topic->top);
        sw_tape_append(&topic->rig->fanout, topic->tape, message, topic->top);
        sw_message_unref(message);
    }
}

/* So many of the stream are missing on the tape. */
static inline void rig_miss(struct rig_topic *topic, unsigned span, unsigned plain,
                            enum sw_shed reason)
{
    sw_tape_append_gap(
        &topic->rig->fanout, topic->tape,
        &(struct sw_gap){
            .count = span + plain, .from = topic->top + 1, .span = span, .reason = reason});
    topic->top += span;
}

static inline bool rig_keeps(const struct rig_topic *topic, uint64_t offset)
{
    return offset >= topic->first && offset <= topic->top && offset != topic->hole && offset != 0;
}

/* The bus answers an ask for that run. */
static inline void rig_answer(struct rig_topic *topic, uint64_t number)
{
    struct sw_run *run = sw_zalloc(sizeof(*run) + SW_RUN_OFFSETS * sizeof(run->frames[0]));
    uint64_t last = number * SW_RUN_OFFSETS + SW_RUN_OFFSETS - 1;
    run->run = number;
    run->to = last < topic->top ? last : topic->top;
    for (uint64_t offset = number * SW_RUN_OFFSETS; offset <= run->to; offset++) {
        if (rig_keeps(topic, offset)) {
            run->frames[run->count].offset = offset;
            run->frames[run->count++].message = rig_message(topic, offset);
        }
    }
    sw_tape_run(&topic->rig->fanout, topic->tape, run);
    for (uint32_t i = 0; i < run->count; i++) {
        sw_message_unref(run->frames[i].message);
    }
    sw_free(run);
}

/* The stream goes on under another name. */
static inline void rig_rename(struct rig_topic *topic, const char *epoch)
{
    struct sw_lineage *lineage = &topic->lineage;
    lineage->ends[lineage->count].epoch = lineage->epoch;
    lineage->ends[lineage->count++].last = topic->top;
    lineage->epoch = rig_epoch(epoch);
    struct sw_topic_state state = rig_state(topic);
    sw_tape_state(&topic->rig->fanout, topic->tape, &state);
}

/* It is another stream from behind `fork` on, and goes to `top`: that of a server that had not
 * heard of more. */
static inline void rig_fork(struct rig_topic *topic, const char *epoch, uint64_t fork, uint64_t top,
                            const char *stem)
{
    struct sw_lineage *lineage = &topic->lineage;
    lineage->ends[lineage->count].epoch = lineage->epoch;
    lineage->ends[lineage->count++].last = fork;
    lineage->epoch = rig_epoch(epoch);
    topic->top = top;
    topic->stem = stem;
    struct sw_topic_state state = rig_state(topic);
    sw_tape_state(&topic->rig->fanout, topic->tape, &state);
}

static inline bool rig_resolve(struct rig_topic *topic, struct sw_claim *claim,
                               struct sw_start *start)
{
    return sw_tape_resolve(&topic->rig->fanout, topic->tape,
                           (struct sw_manner){.mode = SW_MODE_ALL}, claim, start);
}

static inline struct sw_claim rig_from(const char *epoch, uint64_t offset)
{
    return (struct sw_claim){.kind = SW_CLAIM_FROM,
                             .from = {.epoch = rig_epoch(epoch), .offset = offset}};
}

static inline struct sw_claim rig_last(uint32_t count)
{
    return (struct sw_claim){.kind = SW_CLAIM_LAST, .last = count};
}

static inline void rig_start_as(struct rig_topic *topic, uint32_t slot,
                                const struct sw_start *start, enum sw_mode mode, unsigned max_hz)
{
    struct rig *rig = topic->rig;
    sw_hub_subscribe(&rig->fanout, topic->tape, slot, sw_reader(&rig->fanout, slot)->subscriptions,
                     (struct sw_manner){.mode = mode, .pace = sw_pace_of(max_hz)}, start);
}

static inline void rig_start(struct rig_topic *topic, uint32_t slot, const struct sw_start *start)
{
    rig_start_as(topic, slot, start, SW_MODE_ALL, 0);
}

/* What the bus was asked since the last call. */
static inline const char *rig_asked(struct rig *rig)
{
    sw_buf_clear(&rig->text);
    sw_buf_append_slice(&rig->text, sw_buf_slice(&rig->asked));
    sw_buf_clear(&rig->asked);
    return sw_buf_text(&rig->text);
}

/* "<epoch>:<offset>" of subscription `index`. */
static inline const char *rig_position(struct rig *rig, uint32_t slot, uint32_t index)
{
    struct sw_position position;
    sw_buf_clear(&rig->text);
    if (sw_hub_position(&rig->fanout, slot, index, &position)) {
        sw_position_write(&rig->text, &position);
    }
    return sw_buf_text(&rig->text);
}

/* A topic `t` of epoch E at `top`, and a client on slot 0. */
static inline void rig_one(struct rig *rig, struct rig_topic *topic, uint64_t top)
{
    rig_init(rig, 4, 1u << 20);
    rig_topic_init(topic, rig, "t", "E", top);
    rig_open(rig, 0, 0);
}

static inline const char *rig_take(struct rig *rig, uint32_t slot)
{
    rig_drain(rig, slot);
    return rig_text(rig, slot);
}

/* A client on `slot` that reads from a position on. */
static inline void rig_resume(struct rig_topic *topic, uint32_t slot, const char *epoch,
                              uint64_t offset)
{
    struct sw_claim claim = rig_from(epoch, offset);
    struct sw_start start;
    assert_true(rig_resolve(topic, &claim, &start));
    assert_true(start.resumed);
    assert_int_equal(start.replay, topic->top - offset);
    rig_start(topic, slot, &start);
}

#endif
