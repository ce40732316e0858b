// SPDX-License-Identifier: Apache-2.0
/* The model of test_model_modes.c: what was published, and each subscription as its client sees it;
 * each frame that a client reads is looked at here. */
#ifndef SW_FANOUT_MODEL_MODES_H
#define SW_FANOUT_MODEL_MODES_H

#include "rig_clock.h"

#define SLOTS 12
#define TAPES 4
#define KEYS  6
/* Frames that the model keeps of one tape; at the end of them everybody catches up. */
#define LOG 16384
/* More keys than a board holds. */
#define STORM (SW_BOARD_ENTRIES + 300)
#define LARGE 100000

struct logged {
    uint64_t position; /* before it */
    uint32_t size;     /* of a message's payload */
    uint32_t count;    /* of a gap mark; 0: unknown */
    uint32_t key;
    uint8_t shed;
    bool gap;
};

struct model_tape {
    struct sw_tape *tape;
    uint32_t frames;
    uint32_t unknowns; /* gap marks without a count */
    uint32_t serial;   /* the count of the last gap mark */
    uint64_t top;
    bool lost;
    struct logged log[LOG];
};

/* One subscription as its client sees it. */
struct place {
    bool live;
    bool loose;        /* has been `latest` or paced since it last was up to date */
    bool said_unknown; /* a dropped without a count and reason slow is the last that it read */
    bool unknown;      /* one since it last was up to date: the balance may say nothing */
    bool paced;
    enum sw_mode mode;
    uint32_t start;
    uint32_t next;
    uint32_t marks;  /* gap marks without a count, read since `next` */
    uint64_t at;     /* position behind what it has read */
    int64_t balance; /* positions skipped, less those told */
    int64_t slow;    /* positions told as slow since it last was up to date */
    uint8_t got[LOG / 8];
};

struct model_slot {
    bool open;
    bool lazy; /* closes */
    bool pending;
    struct place now[TAPES];
    struct place before[TAPES]; /* ended, with a frame in flight perhaps */
    unsigned lane_sent;
    unsigned lane_got;
};

/* What a run has. */
struct flavour {
    bool closes;
    bool unknowns;
    bool modes;  /* else `all` alone */
    bool secure; /* over TLS, where many frames may be in flight */
    struct sw_marks marks;
};

struct model {
    struct rig rig;
    struct sw_random random;
    struct flavour flavour;
    struct model_tape tapes[TAPES];
    struct model_slot slots[SLOTS];
    int64_t messages; /* that clients have read */
    int64_t told[SW_SHED_COUNT];
    uint64_t storms;
    uint64_t quiets;
    uint8_t covered[KEYS + STORM];
    char filler[LARGE + 26];
};

static inline uint64_t below(struct model *model, uint64_t bound)
{
    return sw_random_below(&model->random, bound);
}

static inline bool one_in(struct model *model, uint64_t n)
{
    return below(model, n) == 0;
}

/* ---- what clients read ---- */

static inline size_t head_of(size_t tape, uint32_t index, const struct logged *frame, char out[64])
{
    return (size_t)snprintf(out, 64, "t%zuk%u:%u ", tape, frame->key, index);
}

static inline void check(bool holds, uint32_t slot, size_t tape, const struct place *place,
                         struct sw_slice text)
{
    if (holds) {
        return;
    }
    print_message("slot %u t%zu read \"%.*s\": next %u at %llu balance %lld slow %lld marks %u "
                  "loose %d paced %d mode %d said_unknown %d unknown %d\n",
                  slot, tape, (int)(text.size < 50 ? text.size : 50), text.data, place->next,
                  (unsigned long long)place->at, (long long)place->balance, (long long)place->slow,
                  place->marks, place->loose, place->paced, place->mode, place->said_unknown,
                  place->unknown);
    assert_true(holds);
}

/* Goes to frame `index`: what is between was told, or will be. */
static inline void go_to(struct model *model, uint32_t slot, size_t tape, struct place *place,
                         uint32_t index, struct sw_slice text)
{
    const struct model_tape *of = &model->tapes[tape];
    check(index >= place->next && index <= of->frames, slot, tape, place, text);
    uint32_t unknowns = 0;
    uint32_t runs = 0; /* a board may take two that stand side by side for one */
    bool last = false;
    for (uint32_t i = place->next; i < index; i++) {
        bool unknown = of->log[i].gap && of->log[i].count == 0;
        unknowns += unknown;
        runs += unknown && !last;
        last = unknown;
    }
    uint64_t position = index < of->frames ? of->log[index].position : of->top;
    check(unknowns >= place->marks, slot, tape, place, text);
    check(place->said_unknown ? unknowns > place->marks : runs <= place->marks, slot, tape, place,
          text);
    place->balance += (int64_t)(position - place->at);
    if (place->said_unknown) {
        place->unknown = true;
        place->balance = place->loose ? place->balance : 0;
    }
    check(place->loose || place->balance == 0, slot, tape, place, text);
    place->said_unknown = false;
    place->marks = 0;
    place->next = index;
    place->at = position;
}

static inline void take_message(struct model *model, uint32_t slot, size_t tape,
                                struct place *place, struct sw_slice text)
{
    const char *colon = memchr(text.data, ':', text.size < 32 ? text.size : 32);
    check(colon != NULL, slot, tape, place, text);
    uint32_t index = (uint32_t)strtoul(colon + 1, NULL, 10);
    check(index < model->tapes[tape].frames, slot, tape, place, text);
    const struct logged *frame = &model->tapes[tape].log[index];
    char head[64];
    size_t n = head_of(tape, index, frame, head);
    check(!frame->gap && text.size == frame->size && memcmp(text.data, head, n) == 0 &&
              memcmp(text.data + n, model->filler + index % 26, text.size - n) == 0,
          slot, tape, place, text);
    go_to(model, slot, tape, place, index, text);
    place->next++;
    place->at++;
    place->got[index / 8] = (uint8_t)(place->got[index / 8] | 1u << index % 8);
    model->messages++;
}

/* A gap mark of the tape: each count is there once. */
static inline void take_mark(struct model *model, uint32_t slot, size_t tape, struct place *place,
                             uint32_t count, struct sw_slice text)
{
    if (count == 0) {
        place->marks++;
        return;
    }
    const struct model_tape *of = &model->tapes[tape];
    uint32_t index = place->next;
    while (index < of->frames && !(of->log[index].gap && of->log[index].count == count)) {
        index++;
    }
    check(index < of->frames, slot, tape, place, text);
    go_to(model, slot, tape, place, index, text);
    place->next++;
    place->at += count;
}

static inline void take_dropped(struct model *model, uint32_t slot, size_t tape,
                                struct place *place, struct sw_slice text)
{
    char line[64] = {0};
    unsigned of;
    unsigned count;
    char word[16];
    memcpy(line, text.data, text.size < 63 ? text.size : 63);
    check(sscanf(line, "dropped t%u %u %15s", &of, &count, word) == 3, slot, tape, place, text);
    unsigned reason = 0;
    while (strcmp(word, sw_shed_word((enum sw_shed)reason)) != 0) {
        reason++;
        assert_true(reason < SW_SHED_COUNT);
    }
    model->told[reason] += count;
    if (reason == SW_SHED_SLOW) {
        place->said_unknown = place->said_unknown || count == 0;
        place->balance -= count;
        place->slow += count;
    } else if (reason == SW_SHED_CONFLATED || reason == SW_SHED_PACED) {
        check(place->loose && count > 0, slot, tape, place, text);
        place->balance -= count;
    } else {
        take_mark(model, slot, tape, place, count, text);
    }
}

static inline void take_frame(struct model *model, uint32_t slot, struct sw_slice text)
{
    struct model_slot *at = &model->slots[slot];
    if (text.size && text.data[0] == 'L') {
        char lane[16];
        snprintf(lane, sizeof(lane), "L%u", at->lane_got++);
        assert_true(sw_slice_equal(text, sw_slice_of(lane)));
    } else {
        bool dropped = text.data[0] == 'd';
        size_t tape = (size_t)(text.data[dropped ? strlen("dropped t") : 1] - '0');
        assert_true(tape < TAPES);
        struct place *place = at->before[tape].live ? &at->before[tape] : &at->now[tape];
        check(place->live, slot, tape, place, text);
        (dropped ? take_dropped : take_message)(model, slot, tape, place, text);
    }
    for (size_t tape = 0; tape < TAPES && !model->flavour.secure; tape++) {
        at->before[tape].live = false; /* what was in flight at its end goes before all else */
    }
}

static inline void read_some(struct model *model, uint32_t slot, size_t size)
{
    struct sw_buf *got = &model->rig.slots[slot].got;
    rig_read(&model->rig, slot, size);
    size_t at = 0;
    while (got->size - at >= RIG_HEAD) {
        uint32_t text;
        memcpy(&text, got->data + at, RIG_HEAD);
        if (got->size - at - RIG_HEAD < text) {
            break;
        }
        take_frame(model, slot, sw_slice(got->data + at + RIG_HEAD, text));
        at += RIG_HEAD + text;
    }
    sw_buf_consume(got, at);
}

#endif
