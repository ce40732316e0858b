// SPDX-License-Identifier: Apache-2.0
/* Random operations on readers of every mode and pace, against what each client may see: a tape is
 * a list of frames, a subscription what its client has read and been told. Received + told is what
 * was published, exactly; where all is promised, what is told stands exactly where it is missing;
 * what was conflated has a newer one of its key. The clock is the test's. */
#include "faults.h"
#include "model_modes.h"

#include <signal.h>

/* ---- what is published ---- */

static void note(struct model *model, size_t tape, struct logged frame)
{
    struct model_tape *at = &model->tapes[tape];
    frame.position = at->top;
    at->log[at->frames++] = frame;
    at->top += frame.gap ? frame.count : 1;
}

static void note_lost(struct model *model, size_t tape)
{
    if (model->tapes[tape].lost) {
        model->tapes[tape].lost = false;
        note(model, tape, (struct logged){.gap = true, .shed = SW_SHED_FEED});
    }
}

static void append(struct model *model, size_t tape, uint32_t key, uint32_t most)
{
    struct model_tape *at = &model->tapes[tape];
    if (at->tape->readers == 0) {
        return;
    }
    note_lost(model, tape);
    struct logged frame = {.size = 24 + (uint32_t)below(model, most), .key = key};
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
    uint64_t kind = below(model, 20000);
    uint32_t key = (uint32_t)below(model, KEYS);
    if (kind == 0 && model->tapes[tape].frames + STORM < LOG - 16) {
        for (uint32_t i = 0; i < STORM; i++) {
            append(model, tape, KEYS + i, 4);
        }
        model->storms++;
    } else if (kind < 40) { /* a burst, which is walked early */
        for (unsigned i = 0; i < 8; i++) {
            append(model, tape, key, LARGE - 24);
        }
    } else if (kind < 400) {
        for (unsigned i = 0; i < 40; i++) {
            append(model, tape, (uint32_t)below(model, KEYS), 100);
        }
    } else {
        append(model, tape, key, kind < 450 ? LARGE - 24 : kind < 4000 ? 3000 : 80);
    }
}

static void append_gap(struct model *model, size_t tape)
{
    struct model_tape *at = &model->tapes[tape];
    bool unknown = model->flavour.unknowns && one_in(model, 2);
    uint32_t count = unknown ? 0 : at->serial + 1;
    struct logged frame = {.gap = true,
                           .count = count,
                           .shed = unknown            ? SW_SHED_FEED
                                   : one_in(model, 2) ? SW_SHED_TOO_LARGE
                                                      : SW_SHED_NODE};
    if (at->tape->readers && unknown) {
        at->lost = true;
    } else if (at->tape->readers) {
        at->serial++;
        note_lost(model, tape);
        note(model, tape, frame);
    }
    rig_gap(&model->rig, at->tape, count, (enum sw_shed)frame.shed);
}

/* ---- who reads ---- */

static void open_slot(struct model *model, uint32_t slot)
{
    if (sw_reader(&model->rig.fanout, slot)->flags & SW_DUE) {
        return; /* its row is still on the list */
    }
    memset(&model->slots[slot], 0, sizeof(model->slots[slot]));
    model->slots[slot].open = true;
    rig_open(&model->rig, slot, below(model, 3) ? 1 : 0);
    if (one_in(model, 6) && !model->flavour.secure) {
        sw_reader(&model->rig.fanout, slot)->flags = SW_NEVER_DIRECT;
    }
}

static unsigned random_manner(struct model *model, enum sw_mode *mode)
{
    static const unsigned rates[] = {1, 2, 5, 10, 20};
    *mode = SW_MODE_ALL;
    if (!model->flavour.modes) {
        return 0;
    }
    uint64_t kind = below(model, 10);
    if (model->flavour.closes && kind == 0) {
        *mode = SW_MODE_DISCONNECT;
    } else if (kind < 6) {
        *mode = SW_MODE_LATEST;
    }
    return one_in(model, 3) ? rates[below(model, SW_ARRAY_SIZE(rates))] : 0;
}

static void note_manner(struct place *place, enum sw_mode mode, unsigned max_hz)
{
    place->mode = mode;
    place->paced = max_hz != 0;
    place->loose = place->loose || mode == SW_MODE_LATEST || max_hz;
}

static void subscribe(struct model *model, uint32_t slot, size_t tape)
{
    struct model_tape *of = &model->tapes[tape];
    struct place *place = &model->slots[slot].now[tape];
    enum sw_mode mode;
    unsigned max_hz = random_manner(model, &mode);
    if (of->tape->readers) { /* what was lost before is not the newcomer's */
        note_lost(model, tape);
    }
    of->lost = false;
    *place = (struct place){.live = true, .start = of->frames, .next = of->frames, .at = of->top};
    note_manner(place, mode, max_hz);
    rig_subscribe_as(&model->rig, slot, of->tape, mode, max_hz);
}

static uint32_t index_of(const struct model *model, uint32_t slot, size_t tape)
{
    const struct sw_reader *reader = &model->rig.fanout.readers[slot];
    uint32_t index = 0;
    while (reader->list[index].tape != model->tapes[tape].tape->id) {
        index++;
    }
    assert_true(index < reader->subscriptions);
    return index;
}

static void set_manner(struct model *model, uint32_t slot, size_t tape)
{
    enum sw_mode mode;
    unsigned max_hz = random_manner(model, &mode);
    sw_hub_set_manner(&model->rig.fanout, slot, index_of(model, slot, tape),
                      (struct sw_manner){.mode = mode, .pace = sw_pace_of(max_hz)});
    note_manner(&model->slots[slot].now[tape], mode, max_hz);
}

static void turn(struct model *model);

/* Reads all that is in flight, which may be of the tape that was left. */
static void land(struct model *model, uint32_t slot, size_t tape)
{
    const struct sw_reader *reader = sw_reader(&model->rig.fanout, slot);
    struct model_slot *at = &model->slots[slot];
    at->before[tape] = at->now[tape];
    at->now[tape].live = false;
    do {
        turn(model);
        read_some(model, slot, SIZE_MAX);
    } while (reader->flags & SW_WRITE_PENDING);
    at->before[tape].live = false;
}

/* Its client then reads all there is, so that no more than one frame is still to come. */
static void unsubscribe(struct model *model, uint32_t slot, size_t tape)
{
    struct sw_fanout *fanout = &model->rig.fanout;
    struct model_slot *at = &model->slots[slot];
    uint32_t index = index_of(model, slot, tape);
    struct sw_untold untold = sw_hub_unsubscribe(fanout, slot, index);
    model->told[SW_SHED_SLOW] += untold.slow;
    model->told[untold.passed_reason] += untold.passed;
    assert_true(!untold.unknown || model->flavour.unknowns);
    if (model->flavour.secure) {
        land(model, slot, tape);
        return;
    }
    read_some(model, slot, SIZE_MAX);
    if (sw_reader(fanout, slot)->flags & SW_WRITE_PENDING && !at->before[tape].live) {
        at->before[tape] = at->now[tape];
    }
    at->now[tape].live = false;
}

/* From now on the model does not know all that it still gets. */
static void close_slot(struct model *model, uint32_t slot)
{
    uint64_t how = below(model, 4);
    if (how == 0) { /* the peer goes; it had read all that was sent */
        read_some(model, slot, SIZE_MAX);
        close(model->rig.slots[slot].peer);
        model->rig.slots[slot].peer = -1;
    } else {
        rig_close(&model->rig, slot, how == 1);
        model->rig.slots[slot].broken = how == 2;
    }
    model->slots[slot].lazy = true;
}

static void look_at_closed(struct model *model)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        struct model_slot *at = &model->slots[slot];
        const struct rig_slot *of = &model->rig.slots[slot];
        if (!at->open || of->open) {
            continue;
        }
        assert_true(model->flavour.closes);
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
}

/* ---- quiet ---- */

/* Who has missed the newest of a key was told so, as slow. */
static void check_keys(struct model *model, uint32_t slot, size_t tape, const struct place *place)
{
    const struct model_tape *of = &model->tapes[tape];
    int64_t missing = 0;
    memset(model->covered, 0, sizeof(model->covered));
    for (uint32_t i = of->frames; i > place->start; i--) {
        const struct logged *frame = &of->log[i - 1];
        if (frame->gap) {
            continue;
        }
        if (place->got[(i - 1) / 8] & 1u << (i - 1) % 8) {
            model->covered[frame->key] = 1;
        } else {
            missing += !model->covered[frame->key];
        }
    }
    check(place->unknown || missing <= place->slow, slot, tape, place, SW_SLICE("(keys)"));
}

static void check_quiet(struct model *model, uint32_t slot, size_t tape, struct place *place)
{
    bool unknown = place->unknown || place->said_unknown;
    go_to(model, slot, tape, place, model->tapes[tape].frames, SW_SLICE("(end)"));
    check(unknown || place->balance == 0, slot, tape, place, SW_SLICE("(end)"));
    place->unknown = unknown;
    check_keys(model, slot, tape, place);
    place->unknown = false;
    place->balance = 0;
    place->slow = 0;
    place->start = place->next;
    place->loose = place->paced || place->mode == SW_MODE_LATEST;
}

static void check_totals(const struct model *model)
{
    const struct rig *rig = &model->rig;
    static const enum sw_shed reasons[] = {SW_SHED_SLOW, SW_SHED_CONFLATED, SW_SHED_PACED,
                                           SW_SHED_TOO_LARGE, SW_SHED_NODE};
    if (model->flavour.closes) {
        return;
    }
    assert_int_equal(RIG_COUNT(rig, sent_total), model->messages);
    for (size_t i = model->flavour.unknowns ? 3 : 0; i < SW_ARRAY_SIZE(reasons); i++) {
        assert_int_equal(sw_counter_read(&rig->counters.shed_total[reasons[i]]),
                         model->told[reasons[i]]);
    }
}

/* All clients read all there is, until the slowest pace has ticked and nothing comes any more. */
static void catch_up(struct model *model)
{
    struct rig *rig = &model->rig;
    for (unsigned idle = 0; idle < 40; idle++) {
        int64_t before = RIG_COUNT(rig, sent_total) + RIG_COUNT(rig, writes_total);
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            if (model->slots[slot].open && rig->slots[slot].peer >= 0) {
                read_some(model, slot, SIZE_MAX);
            }
        }
        rig_clock_advance(60);
        turn(model);
        if (before != RIG_COUNT(rig, sent_total) + RIG_COUNT(rig, writes_total)) {
            idle = 0;
        }
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        struct model_slot *at = &model->slots[slot];
        for (size_t tape = 0; at->open && !at->lazy && tape < TAPES; tape++) {
            if (at->now[tape].live) {
                check_quiet(model, slot, tape, &at->now[tape]);
            }
        }
        assert_true(!at->open || at->lane_got == at->lane_sent);
    }
    assert_int_equal(rig->fanout.cursors_used, 0);
    assert_int_equal(RIG_COUNT(rig, behind), 0);
    assert_int_equal(RIG_COUNT(rig, queued_bytes), 0);
    assert_int_equal(RIG_COUNT(rig, block_bytes), 0);
    check_totals(model);
    model->quiets++;
}

/* Numbers begin again, so that the log has room; nobody is behind. */
static void forget_log(struct model *model)
{
    catch_up(model);
    for (size_t tape = 0; tape < TAPES; tape++) {
        struct model_tape *of = &model->tapes[tape];
        of->frames = 0;
        of->serial = 0;
        of->top = 0;
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            struct place *place = &model->slots[slot].now[tape];
            place->next = 0;
            place->start = 0;
            place->at = 0;
            memset(place->got, 0, sizeof(place->got));
            model->slots[slot].before[tape].live = false;
        }
    }
}

/* ---- operations ---- */

/* On a slot that is open and whole. */
static void slot_operation(struct model *model, uint32_t slot)
{
    struct model_slot *at = &model->slots[slot];
    size_t tape = below(model, TAPES);
    uint64_t kind = below(model, 100);
    if (kind < 60) {
        read_some(model, slot, below(model, 8) ? below(model, 20000) : SIZE_MAX);
    } else if (kind < 75) {
        at->now[tape].live ? read_some(model, slot, below(model, 500))
                           : subscribe(model, slot, tape);
    } else if (kind < 87) {
        if (at->now[tape].live) {
            set_manner(model, slot, tape);
        }
    } else if (kind < 92) {
        if (at->now[tape].live) {
            unsubscribe(model, slot, tape);
        }
    } else if (kind < 96) {
        char lane[16];
        snprintf(lane, sizeof(lane), "L%u", at->lane_sent++);
        rig_say(&model->rig, slot, lane);
    } else if (model->flavour.closes && kind == 96) {
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
        rig_clock_advance(1 + below(model, one_in(model, 8) ? 400 : 30));
        turn(model);
    } else if (!model->slots[slot].open) {
        open_slot(model, slot);
    } else if (model->slots[slot].lazy || model->rig.slots[slot].closing) {
        model->slots[slot].lazy = true;
        if (model->rig.slots[slot].peer >= 0 && one_in(model, 4)) {
            read_some(model, slot, SIZE_MAX);
        }
    } else {
        slot_operation(model, slot);
    }
    if (model->tapes[tape].frames > LOG - 64 || one_in(model, 20000)) {
        forget_log(model);
    }
}

static void print_run(const struct model *model)
{
    const struct rig *rig = &model->rig;
    unsigned episodes = 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        episodes += rig->slots[slot].episodes;
    }
    print_message("             %lld sent, %lld slow, %lld conflated, %lld paced, %lld closed, %u "
                  "episodes, %llu storms, %llu quiet, %llu turns\n",
                  (long long)RIG_COUNT(rig, sent_total), (long long)RIG_SHED(rig, SLOW),
                  (long long)RIG_SHED(rig, CONFLATED), (long long)RIG_SHED(rig, PACED),
                  (long long)RIG_SHED(rig, CLOSED), episodes, (unsigned long long)model->storms,
                  (unsigned long long)model->quiets, (unsigned long long)sw_loop_turns(rig->loop));
}

static void run(uint64_t seed, uint64_t operations, const struct flavour *flavour)
{
    static uint64_t runs;
    rig_clock_set_ms((++runs << 32) - 20000); /* milliseconds in 32 bits wrap soon */
    struct model *model = sw_zalloc(sizeof(*model));
    model->random = unit_seeded(seed);
    model->flavour = *flavour;
    rig_init_marks(&model->rig, SLOTS, &flavour->marks);
    if (flavour->secure) {
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
    print_run(model);
    rig_deinit(&model->rig);
    sw_free(model);
}

/* SPILLWAY_LONG: 10 million operations in all; SPILLWAY_OPS and SPILLWAY_SEED: these. */
static void run_asked(uint64_t seed, const struct flavour *flavour)
{
    uint64_t operations = unit_asked("SPILLWAY_OPS");
    uint64_t other = unit_asked("SPILLWAY_SEED");
    if (operations == 0) {
        operations = unit_asked("SPILLWAY_LONG") ? 2500000 : 100000;
    }
    run(other ? other : seed, operations, flavour);
}

static const struct sw_marks small_marks = {
    .low_bytes = 8000, .high_bytes = 24000, .high_messages = 300, .max_bytes = 200000};
static const struct sw_marks byte_marks = {
    .low_bytes = 64000, .high_bytes = 192000, .high_messages = 1000000, .max_bytes = 1000000};

static void readers_in_mode_all_miss_only_what_they_are_told_there(void **state)
{
    (void)state;
    run_asked(31, &(struct flavour){.unknowns = true, .marks = small_marks});
}

static void readers_of_every_mode_get_what_the_model_says(void **state)
{
    (void)state;
    run_asked(32, &(struct flavour){.modes = true, .marks = small_marks});
}

static void readers_of_every_mode_with_large_marks_get_what_the_model_says(void **state)
{
    (void)state;
    run_asked(33, &(struct flavour){.modes = true, .unknowns = true, .marks = byte_marks});
}

static void readers_of_every_mode_that_come_and_go_get_what_the_model_says(void **state)
{
    (void)state;
    run_asked(34, &(struct flavour){
                      .modes = true, .unknowns = true, .closes = true, .marks = small_marks});
}

static void readers_over_tls_of_every_mode_get_what_the_model_says(void **state)
{
    (void)state;
    run_asked(36, &(struct flavour){
                      .modes = true, .unknowns = true, .secure = true, .marks = small_marks});
}

static void readers_over_tls_of_every_mode_that_come_and_go_get_what_the_model_says(void **state)
{
    (void)state;
    run_asked(
        37,
        &(struct flavour){
            .modes = true, .unknowns = true, .closes = true, .secure = true, .marks = small_marks});
}

/* ---- can they fail? ---- */

#ifdef SW_FAULTS
static void readers_while_something_goes_wrong(void **state)
{
    (void)state;
    sw_fanout_fault = (struct sw_fanout_fault){.kind = fault_asked(), .after = 20};
    run(35, 20000, &(struct flavour){.marks = small_marks});
}

static void one_frame_too_few_is_seen_by_the_law_or_the_model(void **state)
{
    (void)state;
    assert_int_equal(fault_status(SW_FAULT_NONE), 0);
    assert_int_equal(WTERMSIG(fault_status(SW_FAULT_WALK)), SIGABRT);
    assert_int_equal(WTERMSIG(fault_status(SW_FAULT_FLUSH)), SIGABRT);
    assert_int_equal(WEXITSTATUS(fault_status(SW_FAULT_SENT)), 1);
    assert_int_equal(WEXITSTATUS(fault_status(SW_FAULT_TOLD)), 1);
}
#endif

int main(void)
{
#ifdef SW_FAULTS
    fault_run(readers_while_something_goes_wrong);
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_in_mode_all_miss_only_what_they_are_told_there),
        cmocka_unit_test(readers_of_every_mode_get_what_the_model_says),
        cmocka_unit_test(readers_of_every_mode_with_large_marks_get_what_the_model_says),
        cmocka_unit_test(readers_of_every_mode_that_come_and_go_get_what_the_model_says),
        cmocka_unit_test(readers_over_tls_of_every_mode_get_what_the_model_says),
        cmocka_unit_test(readers_over_tls_of_every_mode_that_come_and_go_get_what_the_model_says),
#ifdef SW_FAULTS
        cmocka_unit_test(one_frame_too_few_is_seen_by_the_law_or_the_model),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
