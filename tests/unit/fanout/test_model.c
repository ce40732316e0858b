// SPDX-License-Identifier: Apache-2.0
/* Random operations against a model that is too simple to be wrong: each tape is a list of frames,
 * and each subscription the index of the frame that its client must read next. What a client reads
 * is looked at byte by byte; what is due, sent, shed and behind after each turn. */
#include "rig_clock.h"

#define SLOTS 12
#define TAPES 6
/* Frames that the model keeps of one tape; at the end of them everybody catches up. */
#define LOG 8192
/* A turn is walked early above 256 KB, a frame above 64 KB has a block alone. */
#define LARGE 100000

struct logged {
    uint32_t size;  /* of a message's payload */
    uint32_t count; /* of a gap mark; 0: unknown */
    uint8_t shed;
    bool gap;
};

struct model_tape {
    struct sw_tape *tape;
    uint32_t frames;
    uint32_t readers;
    bool lost;
    struct logged log[LOG];
};

/* A subscription that may have a frame in flight after its end. */
struct model_place {
    bool live;
    bool ended;
    uint32_t next;
    uint32_t end; /* where it ended */
};

struct model_slot {
    bool open;
    bool lazy; /* closes; what it gets from now on is only checked to be in order */
    struct model_place now[TAPES];
    struct model_place before[TAPES];
    unsigned lane_sent;
    unsigned lane_got;
    uint32_t messages; /* that its client has read */
};

struct model {
    struct rig rig;
    struct sw_random random;
    struct model_tape tapes[TAPES];
    struct model_slot slots[SLOTS];
    bool closes; /* slots close in all ways; then what is due is not known exactly */
    bool secure; /* over TLS, where many frames may be in flight */
    int64_t due;
    int64_t messages; /* that the clients have read */
    int64_t shed[SW_SHED_COUNT];
    char filler[LARGE + 26];
};

static uint64_t below(struct model *model, uint64_t bound)
{
    return sw_random_below(&model->random, bound);
}

/* ---- what a frame says ---- */

/* Returns its size; the payload of message `index` is its name and number, then the alphabet. */
static size_t head_of(size_t tape, uint32_t index, const struct logged *frame, char out[64])
{
    if (frame->gap) {
        return (size_t)snprintf(out, 64, "dropped t%zu %u %s", tape, frame->count,
                                sw_shed_word((enum sw_shed)frame->shed));
    }
    return (size_t)snprintf(out, 64, "t%zu %u ", tape, index);
}

static bool says(const struct model *model, size_t tape, uint32_t index, struct sw_slice text)
{
    const struct logged *frame = &model->tapes[tape].log[index];
    char head[64];
    size_t n = head_of(tape, index, frame, head);
    size_t size = frame->gap ? n : frame->size;
    return text.size == size && memcmp(text.data, head, n) == 0 &&
           memcmp(text.data + n, model->filler + index % 26, size - n) == 0;
}

/* Is it the frame that this subscription's client must read next? */
static bool is_next(struct model *model, uint32_t slot, size_t tape, struct model_place *place,
                    struct sw_slice text)
{
    uint32_t end = place->ended ? place->end : model->tapes[tape].frames;
    if (!place->live || place->next == end || !says(model, tape, place->next, text)) {
        return false;
    }
    const struct logged *frame = &model->tapes[tape].log[place->next++];
    if (frame->gap) {
        model->shed[frame->shed] += frame->count;
    } else {
        model->messages++;
        model->slots[slot].messages++;
    }
    return true;
}

static void take_frame(struct model *model, uint32_t slot, struct sw_slice text)
{
    struct model_slot *at = &model->slots[slot];
    bool known = false;
    if (text.size && text.data[0] == 'L') {
        char lane[16];
        snprintf(lane, sizeof(lane), "L%u", at->lane_got++);
        known = sw_slice_equal(text, sw_slice_of(lane));
    }
    for (size_t tape = 0; tape < TAPES && !known; tape++) {
        known = is_next(model, slot, tape, &at->before[tape], text) ||
                is_next(model, slot, tape, &at->now[tape], text);
    }
    for (size_t tape = 0; tape < TAPES && !model->secure; tape++) {
        at->before[tape].live = false; /* what was in flight at its end goes before all else */
    }
    if (!known) {
        print_message("slot %u read: %.*s\n", slot, (int)(text.size < 60 ? text.size : 60),
                      text.data);
        for (size_t tape = 0; tape < TAPES; tape++) {
            print_message("t%zu: live %d, next %u of %u\n", tape, at->now[tape].live,
                          at->now[tape].next, model->tapes[tape].frames);
        }
    }
    assert_true(known);
}

static void read_some(struct model *model, uint32_t slot, size_t size)
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

/* ---- operations ---- */

/* Slots that close leave the hub when they like. */
static uint32_t readers_of(const struct model *model, size_t tape)
{
    const struct model_tape *at = &model->tapes[tape];
    assert_true(model->closes || at->readers == at->tape->readers);
    return at->tape->readers;
}

static void note(struct model *model, size_t tape, struct logged frame)
{
    struct model_tape *at = &model->tapes[tape];
    at->log[at->frames++] = frame;
    model->due += (int64_t)readers_of(model, tape) * (frame.gap ? frame.count : 1);
}

static void note_lost(struct model *model, size_t tape)
{
    if (model->tapes[tape].lost) {
        model->tapes[tape].lost = false;
        note(model, tape, (struct logged){.gap = true, .shed = SW_SHED_FEED});
    }
}

static void append(struct model *model, size_t tape, uint32_t most)
{
    struct model_tape *at = &model->tapes[tape];
    if (readers_of(model, tape) == 0) { /* it must not even be rendered */
        unsigned rendered = rig_rendered;
        rig_send(&model->rig, at->tape, "nobody");
        assert_int_equal(rig_rendered, rendered);
        return;
    }
    note_lost(model, tape);
    struct logged frame = {.size = 16 + (uint32_t)below(model, most - 16)};
    char head[64];
    size_t n = head_of(tape, at->frames, &frame, head);
    struct sw_buf payload = {0};
    sw_buf_append(&payload, head, n);
    sw_buf_append(&payload, model->filler + at->frames % 26, frame.size - n);
    note(model, tape, frame);
    rig_append(&model->rig, at->tape, sw_buf_slice(&payload));
    sw_buf_deinit(&payload);
}

static void append_some(struct model *model, size_t tape)
{
    uint64_t kind = below(model, 1000);
    if (kind == 0) { /* a burst, which is walked early */
        for (unsigned i = 0; i < 8; i++) {
            append(model, tape, LARGE);
        }
    } else {
        append(model, tape, kind < 3 ? LARGE : kind < 100 ? 3000 : 80);
    }
}

static void append_gap(struct model *model, size_t tape)
{
    static const uint8_t reasons[] = {SW_SHED_TOO_LARGE, SW_SHED_NODE, SW_SHED_FEED};
    struct model_tape *at = &model->tapes[tape];
    uint32_t count = (uint32_t)below(model, 5);
    struct logged frame = {
        .gap = true, .count = count, .shed = reasons[below(model, sizeof(reasons))]};
    if (readers_of(model, tape) && count == 0) {
        at->lost = true;
    } else if (readers_of(model, tape)) {
        note_lost(model, tape);
        note(model, tape, frame);
    }
    rig_gap(&model->rig, at->tape, count, (enum sw_shed)frame.shed);
}

static void open_slot(struct model *model, uint32_t slot)
{
    if (sw_reader(&model->rig.fanout, slot)->flags & SW_DUE) {
        return; /* its row is still on the list */
    }
    model->slots[slot] = (struct model_slot){.open = true};
    rig_open(&model->rig, slot, below(model, 3) ? 1 : 0);
}

static void subscribe(struct model *model, uint32_t slot, size_t tape)
{
    if (readers_of(model, tape)) { /* what was lost before is not the newcomer's */
        note_lost(model, tape);
    }
    model->tapes[tape].lost = false;
    model->slots[slot].now[tape] =
        (struct model_place){.live = true, .next = model->tapes[tape].frames};
    model->tapes[tape].readers++;
    rig_subscribe(&model->rig, slot, model->tapes[tape].tape);
}

static void end_place(struct model *model, uint32_t slot, size_t tape)
{
    struct model_slot *at = &model->slots[slot];
    uint32_t next = at->now[tape].next;
    at->now[tape].live = false;
    model->tapes[tape].readers--;
    if (at->before[tape].live) {
        return; /* what was in flight then still is */
    }
    at->before[tape] = (struct model_place){.live = true, .ended = true, .next = next};
    at->before[tape].end = next + (next < model->tapes[tape].frames); /* one frame, no more */
}

static void turn(struct model *model);

/* Reads all that is in flight, if there is something: of the tape that was left before all else. */
static void land(struct model *model, uint32_t slot, size_t tape)
{
    const struct sw_reader *reader = sw_reader(&model->rig.fanout, slot);
    struct model_place *before = &model->slots[slot].before[tape];
    before->end = model->tapes[tape].frames;
    do {
        turn(model);
        read_some(model, slot, SIZE_MAX);
    } while (reader->flags & SW_WRITE_PENDING);
    before->live = false;
}

/* Its client then reads all there is, so that no more than one frame is still to come. */
static void unsubscribe(struct model *model, uint32_t slot, size_t tape)
{
    struct sw_fanout *fanout = &model->rig.fanout;
    const struct sw_tape *of = model->tapes[tape].tape;
    const struct sw_reader *reader = sw_reader(fanout, slot);
    uint32_t index = 0;
    while (reader->list[index].tape != of->id) {
        index++;
    }
    assert_true(index < reader->subscriptions);
    sw_hub_unsubscribe(fanout, slot, index);
    if (model->secure) {
        end_place(model, slot, tape);
        land(model, slot, tape);
        return;
    }
    read_some(model, slot, SIZE_MAX);
    end_place(model, slot, tape);
}

/* From now on the model does not know what it still gets. */
static void close_slot(struct model *model, uint32_t slot)
{
    struct model_slot *at = &model->slots[slot];
    uint64_t how = below(model, 4);
    if (how == 0) { /* the peer goes; it had read all that was sent */
        read_some(model, slot, SIZE_MAX);
        close(model->rig.slots[slot].peer);
        model->rig.slots[slot].peer = -1;
    } else {
        rig_close(&model->rig, slot, how == 1);
        model->rig.slots[slot].broken = how == 2;
    }
    at->lazy = true;
}

/* Who has closed reads no more; who began to may not read in the model either. */
static void look_at_closed(struct model *model)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        struct model_slot *at = &model->slots[slot];
        const struct rig_slot *of = &model->rig.slots[slot];
        if (!at->open || of->open) {
            continue;
        }
        if (of->peer >= 0) {
            read_some(model, slot, SIZE_MAX);
        }
        at->open = false;
    }
}

static void turn(struct model *model)
{
    rig_turn(&model->rig);
    look_at_closed(model);
    if (!model->closes) {
        assert_int_equal(RIG_COUNT(&model->rig, due_total), model->due);
    }
}

/* All clients read all there is: then who is still there has read each frame. */
static void catch_up(struct model *model)
{
    struct rig *rig = &model->rig;
    for (unsigned idle = 0; idle < 3; idle++) {
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            size_t before = rig_progress(rig, slot);
            if (!model->slots[slot].open || rig->slots[slot].peer < 0) {
                continue;
            }
            int64_t messages = model->messages;
            read_some(model, slot, SIZE_MAX);
            if (messages != model->messages || before != rig_progress(rig, slot)) {
                idle = 0;
            }
        }
        if (rig_gated(rig)) { /* it is woken by a tick */
            rig_clock_advance(SW_GATE_TICK_MS);
            idle = 0;
        }
        turn(model);
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        const struct model_slot *at = &model->slots[slot];
        for (size_t tape = 0; at->open && tape < TAPES; tape++) {
            assert_true(!at->now[tape].live || at->now[tape].next == model->tapes[tape].frames);
        }
        assert_true(!at->open || at->lane_got == at->lane_sent);
        assert_true(!at->open || at->messages == sw_reader(&rig->fanout, slot)->sent);
    }
    assert_int_equal(rig->fanout.cursors_used, 0);
    assert_int_equal(RIG_COUNT(rig, behind), 0);
    assert_int_equal(RIG_COUNT(rig, queued_bytes), 0);
    assert_int_equal(RIG_COUNT(rig, block_bytes), 0);
    assert_int_equal(RIG_COUNT(rig, sent_total), model->messages);
    assert_int_equal(RIG_SHED(rig, TOO_LARGE), model->shed[SW_SHED_TOO_LARGE]);
    assert_int_equal(RIG_SHED(rig, NODE), model->shed[SW_SHED_NODE]);
    assert_int_equal(RIG_SHED(rig, FEED), model->shed[SW_SHED_FEED]);
}

/* Numbers begin again, so that the log has room; nobody is behind. */
static void forget_log(struct model *model)
{
    catch_up(model);
    for (size_t tape = 0; tape < TAPES; tape++) {
        model->tapes[tape].frames = 0;
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            model->slots[slot].now[tape].next = 0;
            model->slots[slot].before[tape].live = false;
        }
    }
}

/* One operation on a slot that is open and whole. */
static void slot_operation(struct model *model, uint32_t slot)
{
    struct model_slot *at = &model->slots[slot];
    size_t tape = below(model, TAPES);
    uint64_t kind = below(model, 100);
    if (kind < 60) {
        read_some(model, slot, below(model, 8) ? below(model, 20000) : SIZE_MAX);
    } else if (kind < 80) {
        at->now[tape].live ? read_some(model, slot, below(model, 500))
                           : subscribe(model, slot, tape);
    } else if (kind < 88) {
        if (at->now[tape].live) {
            unsubscribe(model, slot, tape);
        }
    } else if (kind < 96) {
        char lane[16];
        snprintf(lane, sizeof(lane), "L%u", at->lane_sent++);
        rig_say(&model->rig, slot, lane);
    } else if (model->closes && kind == 96) {
        close_slot(model, slot);
    }
}

static void operation(struct model *model)
{
    uint64_t kind = below(model, 100);
    uint32_t slot = (uint32_t)below(model, SLOTS);
    size_t tape = below(model, TAPES);
    if (kind < 30) {
        append_some(model, tape);
    } else if (kind < 33) {
        append_gap(model, tape);
    } else if (kind < 40) {
        turn(model);
    } else if (!model->slots[slot].open) {
        open_slot(model, slot);
    } else if (model->slots[slot].lazy || model->rig.slots[slot].closing) {
        model->slots[slot].lazy = true;
        if (model->rig.slots[slot].peer >= 0 && below(model, 4) == 0) {
            read_some(model, slot, SIZE_MAX);
        }
    } else {
        slot_operation(model, slot);
    }
    if (model->tapes[tape].frames > LOG - 16) {
        forget_log(model);
    }
}

static void run(uint64_t seed, uint64_t operations, bool secure, bool closes,
                uint32_t max_queued_bytes)
{
    struct model *model = sw_zalloc(sizeof(*model));
    model->random = unit_seeded(seed);
    model->closes = closes;
    model->secure = secure;
    rig_init(&model->rig, SLOTS, max_queued_bytes);
    if (secure) {
        rig_secure(&model->rig);
    }
    for (size_t i = 0; i < sizeof(model->filler); i++) {
        model->filler[i] = (char)('a' + i % 26);
    }
    for (size_t tape = 0; tape < TAPES; tape++) {
        char name[16];
        snprintf(name, sizeof(name), "t%zu", tape);
        model->tapes[tape].tape = rig_tape(&model->rig, name);
    }
    for (uint64_t i = 0; i < operations; i++) {
        operation(model);
    }
    catch_up(model);
    print_message("             %lld sent, %lld closed, %llu turns\n",
                  (long long)RIG_COUNT(&model->rig, sent_total),
                  (long long)RIG_SHED(&model->rig, CLOSED),
                  (unsigned long long)sw_loop_turns(model->rig.loop));
    rig_deinit(&model->rig);
    sw_free(model);
}

/* SPILLWAY_OPS runs longer, with another seed from SPILLWAY_SEED. */
static void run_asked(uint64_t seed, bool secure, bool closes, uint32_t max_queued_bytes)
{
    uint64_t operations = unit_asked("SPILLWAY_OPS");
    uint64_t other = unit_asked("SPILLWAY_SEED");
    run(other ? other : seed, operations ? operations : 100000, secure, closes, max_queued_bytes);
}

static void readers_get_what_the_model_says(void **state)
{
    (void)state;
    run_asked(20241, false, false, UINT32_MAX);
}

static void readers_that_come_and_go_get_what_the_model_says(void **state)
{
    (void)state;
    run_asked(20242, false, true, 300000);
}

static void readers_over_tls_get_what_the_model_says(void **state)
{
    (void)state;
    run_asked(20243, true, false, UINT32_MAX);
}

static void readers_over_tls_that_come_and_go_get_what_the_model_says(void **state)
{
    (void)state;
    run_asked(20244, true, true, 300000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_get_what_the_model_says),
        cmocka_unit_test(readers_that_come_and_go_get_what_the_model_says),
        cmocka_unit_test(readers_over_tls_get_what_the_model_says),
        cmocka_unit_test(readers_over_tls_that_come_and_go_get_what_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
