// SPDX-License-Identifier: Apache-2.0
/* Random operations on a topic with history, against clients that know what they must see: which
 * message stands at each offset under each name of the stream, that nothing comes twice or is left
 * out untold, and that everything there is has arrived when nothing moves any more. The test is the
 * bus: it answers what is asked for late, and keeps only the newest messages. */
#include "faults.h"
#include "rig_clock.h"
#include "rig_history.h"

#define SLOTS   8
#define OFFSETS 6000
#define NAMES   200
#define KEPT    150
#define SMALL   1

static const struct sw_marks marks = {
    .low_bytes = 8000, .high_bytes = 20000, .high_messages = 100, .max_bytes = 60000};

/* What a stream holds, under one of its names. */
struct stream {
    uint16_t content[OFFSETS]; /* which life of the stream the message is of */
    bool lost[OFFSETS];        /* nobody has it */
};

/* What a client believes. */
struct client {
    bool subscribed;
    bool known; /* `name` and `offset` mean something */
    enum sw_mode mode;
    unsigned max_hz;
    uint32_t name;
    uint64_t offset;
    uint64_t raw; /* the last one that it got */
    uint64_t received;
    uint64_t told[SW_SHED_COUNT];
    struct sw_claim claim;
    bool waits;      /* for what its claim needs */
    bool marks;      /* is told where it is */
    uint64_t marked; /* the offset that it was told last */
    bool doomed;     /* ... or that it will hear of a reset */
};

struct model {
    struct rig rig;
    struct rig_topic topic;
    struct sw_purse purse;
    _Atomic int64_t parts[SW_PART_COUNT];
    struct sw_random random;
    struct stream *streams; /* by name */
    uint32_t name;          /* the present one */
    uint16_t life;
    uint64_t raws;
    uint64_t first;
    struct client clients[SLOTS];
    bool outages; /* there are gaps without a count, and others are told with them */
    uint64_t resets;
    uint64_t epochs;
    uint64_t replays;
    uint64_t bookmarks;
    uint64_t asks;
};

static uint64_t below(struct model *model, uint64_t bound)
{
    return sw_random_below(&model->random, bound);
}

static struct stream *present(struct model *model)
{
    return &model->streams[model->name];
}

static void name_text(uint32_t name, char out[16])
{
    snprintf(out, 16, "E%u", name);
}

/* ---- the bus ---- */

/* "<key>:<life>", with dots behind it. */
static struct sw_message *message_at(struct model *model, uint64_t offset, size_t dots)
{
    char text[1200];
    int size = snprintf(text, sizeof(text), "%c:%u", (char)('a' + offset % 5),
                        present(model)->content[offset]);
    memset(text + size, '.', dots);
    return sw_message_create(SW_SLICE("t"), SW_SLICE(""), sw_slice(text, (size_t)size + dots), 0,
                             sw_clock_ns());
}

static size_t dots(struct model *model)
{
    return below(model, 4) ? below(model, 40) : below(model, 1000);
}

static void publish(struct model *model, unsigned count)
{
    for (unsigned i = 0; i < count && model->topic.top < OFFSETS - 200; i++) {
        uint64_t offset = ++model->topic.top;
        present(model)->content[offset] = model->life;
        present(model)->lost[offset] = false;
        struct sw_message *message = message_at(model, offset, dots(model));
        sw_tape_append(&model->rig.fanout, model->topic.tape, message, offset);
        sw_message_unref(message);
    }
}

static void publish_raw(struct model *model)
{
    char text[32];
    snprintf(text, sizeof(text), "r:%llu", (unsigned long long)++model->raws);
    rig_send(&model->rig, model->topic.tape, text);
}

/* The worker's inbox was full (the bus has what it missed), or Redis lacks it. */
static void miss(struct model *model)
{
    unsigned span = (unsigned)below(model, 6);
    unsigned plain = (unsigned)below(model, 3);
    bool lost = span && below(model, 3) == 0;
    bool large = lost && below(model, 2);
    if (span + plain == 0 || model->topic.top > OFFSETS - 200) {
        return;
    }
    for (unsigned i = 1; i <= span; i++) {
        present(model)->content[model->topic.top + i] = model->life;
        present(model)->lost[model->topic.top + i] = lost;
    }
    model->raws += plain;
    rig_miss(&model->topic, span, plain,
             large  ? SW_SHED_TOO_LARGE
             : lost ? SW_SHED_FEED
                    : SW_SHED_NODE);
}

static void answer(struct model *model, uint64_t number)
{
    struct sw_run *run = sw_zalloc(sizeof(*run) + SW_RUN_OFFSETS * sizeof(run->frames[0]));
    uint64_t top = model->topic.top;
    uint64_t last = number * SW_RUN_OFFSETS + SW_RUN_OFFSETS - 1;
    uint64_t oldest = top > KEPT ? top - KEPT + 1 : 1;
    run->run = number;
    run->to = last < top ? last : top;
    for (uint64_t offset = number * SW_RUN_OFFSETS; offset <= run->to; offset++) {
        if (offset >= oldest && !present(model)->lost[offset]) {
            run->frames[run->count].offset = offset;
            run->frames[run->count++].message = message_at(model, offset, dots(model));
        }
    }
    sw_tape_run(&model->rig.fanout, model->topic.tape, run);
    for (uint32_t i = 0; i < run->count; i++) {
        sw_message_unref(run->frames[i].message);
    }
    sw_free(run);
}

/* Answers what was asked, or only some of it. */
static void answer_asked(struct model *model, bool all)
{
    struct sw_buf asked = model->rig.asked;
    model->rig.asked = (struct sw_buf){0};
    struct sw_slice rest = sw_buf_slice(&asked);
    while (rest.size) {
        struct sw_slice word = sw_slice_split(&rest, ' ');
        bool check = sw_slice_equal(word, SW_SLICE("check"));
        word = check ? sw_slice_split(&rest, ' ') : word;
        uint64_t number;
        if (!sw_slice_to_u64(word, UINT64_MAX, &number)) {
            continue;
        }
        model->asks++;
        if (!all && below(model, 2)) { /* later */
            sw_buf_printf(&model->rig.asked, "%s%llu ", check ? "check " : "",
                          (unsigned long long)number);
        } else if (check) {
            struct sw_topic_state said = rig_state(&model->topic);
            said.check = (uint32_t)number;
            sw_tape_state(&model->rig.fanout, model->topic.tape, &said);
        } else {
            answer(model, number);
        }
    }
    sw_buf_deinit(&asked);
}

/* The lineage's ends, where the stream has gone back to `fork`. */
static void cut_ends(struct sw_lineage *lineage, uint64_t fork)
{
    for (uint8_t i = 0; i < lineage->count; i++) {
        lineage->ends[i].last = lineage->ends[i].last < fork ? lineage->ends[i].last : fork;
    }
}

/* A server goes on with what it has of the stream: all (`fork` is the top), or not. */
static void rename_stream(struct model *model, uint64_t fork, uint64_t more)
{
    struct sw_lineage *lineage = &model->topic.lineage;
    if (model->name + 1 == NAMES) {
        return;
    }
    model->streams[model->name + 1] = *present(model);
    model->name++;
    if (lineage->count == SW_LINEAGE_ENDS) {
        memmove(&lineage->ends[0], &lineage->ends[1],
                (SW_LINEAGE_ENDS - 1) * sizeof(lineage->ends[0]));
        lineage->count--;
    }
    lineage->ends[lineage->count].epoch = lineage->epoch;
    lineage->ends[lineage->count++].last = model->topic.top;
    cut_ends(lineage, fork);
    char text[16];
    name_text(model->name, text);
    lineage->epoch = rig_epoch(text);
    if (fork < model->topic.top || more) {
        model->life++;
        for (uint64_t offset = fork + 1; offset <= fork + more; offset++) {
            present(model)->content[offset] = model->life;
            present(model)->lost[offset] = false;
        }
    }
    model->topic.top = fork + more;
    struct sw_topic_state said = rig_state(&model->topic);
    sw_tape_state(&model->rig.fanout, model->topic.tape, &said);
}

static void change_name(struct model *model)
{
    uint64_t top = model->topic.top;
    if (below(model, 2)) {
        rename_stream(model, top, 0);
    } else if (top > 20 && top < OFFSETS - 300) {
        uint64_t back = 1 + below(model, below(model, 2) ? 15 : 3);
        rename_stream(model, top - back, below(model, 2 * back + 1));
    }
}

/* ---- the clients ---- */

/* Is what it has seen the same under another name? */
static void check_same(struct model *model, const struct client *client, uint32_t name)
{
    const struct stream *before = &model->streams[client->name];
    const struct stream *after = &model->streams[name];
    for (uint64_t offset = 1; offset <= client->offset; offset++) {
        assert_int_equal(before->content[offset], after->content[offset]);
    }
}

static void got_message(struct model *model, struct client *client, const char *text)
{
    char *end;
    assert_int_equal(text[1], ':');
    uint64_t number = strtoull(text + 2, &end, 10);
    client->received++;
    if (text[0] == 'r') {
        assert_true(number > client->raw);
        client->raw = number;
        return;
    }
    while (*end == '.') {
        end++;
    }
    assert_int_equal(*end, '@');
    uint64_t offset = strtoull(end + 1, NULL, 10);
    if (client->mode == SW_MODE_ALL && client->max_hz == 0) {
        assert_int_equal(offset, client->offset + 1);
    }
    assert_true(offset > client->offset);
    assert_int_equal(number, model->streams[client->name].content[offset]);
    client->offset = offset;
}

static enum sw_shed reason_of(const char *word)
{
    for (unsigned reason = 0; reason < SW_SHED_COUNT; reason++) {
        const char *name = sw_shed_word((enum sw_shed)reason);
        if (strncmp(word, name, strlen(name)) == 0) {
            return (enum sw_shed)reason;
        }
    }
    fail_msg("no reason: %s", word);
    return SW_SHED_SLOW;
}

static void got_dropped(struct client *client, const char *text)
{
    unsigned long long count;
    char reason[32];
    unsigned name;
    unsigned long long from;
    unsigned long long to;
    int n = sscanf(text, "dropped t %llu %31s E%u:%llu-%llu", &count, reason, &name, &from, &to);
    assert_true(n == 2 || n == 5);
    client->told[reason_of(reason)] += count;
    if (n == 5) {
        if (client->mode == SW_MODE_ALL && client->max_hz == 0) {
            assert_int_equal(from, client->offset + 1);
        }
        assert_true(to >= from && to > client->offset);
        client->offset = to;
    }
}

/* It is told what it knows, or that it will hear of a reset. */
static void got_bookmark(struct model *model, struct client *client, const char *text)
{
    unsigned name;
    unsigned long long offset;
    model->bookmarks++;
    client->marked = client->offset;
    if (sscanf(text, "bookmark E%u:%llu", &name, &offset) == 2) {
        assert_int_equal(offset, client->offset);
        check_same(model, client, name);
    } else if (strcmp(text, "bookmark") != 0) { /* its subscription has ended */
        assert_string_equal(text, "bookmark 0:9007199254740991");
        client->doomed = true;
    }
}

static void got(struct model *model, struct client *client, const char *text)
{
    unsigned name;
    unsigned long long offset;
    if (strncmp(text, "bookmark", 8) == 0) {
        got_bookmark(model, client, text);
    } else if (sscanf(text, "epoch E%u:%llu", &name, &offset) == 2) {
        check_same(model, client, name);
        client->name = name;
        model->epochs++;
    } else if (sscanf(text, "reset E%u:%llu", &name, &offset) == 2) {
        client->name = name;
        client->offset = offset;
        client->doomed = false;
        model->resets++;
    } else if (strncmp(text, "dropped ", 8) == 0) {
        got_dropped(client, text);
    } else {
        got_message(model, client, text);
    }
}

static void read_some(struct model *model, uint32_t slot, size_t size)
{
    struct client *client = &model->clients[slot];
    rig_read(&model->rig, slot, size);
    struct sw_buf texts = {0};
    sw_buf_append_slice(&texts, sw_slice_of(rig_text(&model->rig, slot)));
    struct sw_slice rest = sw_buf_slice(&texts);
    while (rest.size) {
        struct sw_slice frame = sw_slice_split(&rest, '|');
        char text[1400];
        assert_true(frame.size < sizeof(text));
        memcpy(text, frame.data, frame.size);
        text[frame.size] = 0;
        got(model, client, text);
    }
    sw_buf_deinit(&texts);
}

/* ---- coming and going ---- */

static struct sw_manner manner_of(const struct client *client)
{
    return (struct sw_manner){.mode = client->mode, .pace = sw_pace_of(client->max_hz)};
}

/* The client hears where it begins. */
static void begin(struct model *model, uint32_t slot, const struct sw_start *start)
{
    struct client *client = &model->clients[slot];
    uint64_t before = client->offset;
    bool resumed = start->resumed;
    if (resumed) {
        check_same(model, client, model->name);
        assert_int_equal(start->replay, model->topic.top - before);
    }
    client->waits = false;
    client->subscribed = true;
    client->known = true;
    client->name = model->name;
    client->offset = start->after;
    client->raw = 0;
    model->replays += start->replay;
    rig_start_as(&model->topic, slot, start, client->mode, client->max_hz);
    client->doomed = false;
    client->marks = slot % 2 && sw_manner_resumes(manner_of(client));
    if (client->marks) {
        sw_reader_keep_bookmark(&model->rig.fanout, slot);
    }
}

static void resolve(struct model *model, uint32_t slot)
{
    struct client *client = &model->clients[slot];
    struct sw_start start;
    if (client->waits && sw_tape_resolve(&model->rig.fanout, model->topic.tape, manner_of(client),
                                         &client->claim, &start)) {
        begin(model, slot, &start);
    }
}

/* A new client on the slot; one that comes back has the same manner, and its position. */
static void come(struct model *model, uint32_t slot)
{
    struct client *client = &model->clients[slot];
    if (!model->rig.slots[slot].open) {
        rig_open(&model->rig, slot, SMALL);
    }
    if (!client->known) {
        client->mode = below(model, 3) ? SW_MODE_ALL : SW_MODE_LATEST;
        client->max_hz = below(model, 6) ? 0 : 10;
    }
    client->waits = true;
    client->claim = (struct sw_claim){0};
    if (client->known && below(model, 4)) {
        char text[16];
        name_text(client->name, text);
        client->claim = rig_from(text, client->offset);
    } else if (below(model, 2)) {
        client->claim = rig_last((uint32_t)below(model, 200));
    }
    resolve(model, slot);
}

/* It ends its subscription behind all that it can read; the frame in flight comes first. */
static void leave(struct model *model, uint32_t slot)
{
    struct client *client = &model->clients[slot];
    struct sw_reader *reader = sw_reader(&model->rig.fanout, slot);
    read_some(model, slot, SIZE_MAX);
    rig_turn(&model->rig);
    while (reader->flags & SW_WRITE_PENDING) {
        read_some(model, slot, SIZE_MAX);
        rig_turn(&model->rig);
    }
    struct sw_untold untold = sw_hub_unsubscribe(&model->rig.fanout, slot, 0);
    client->told[untold.slow_reason] += untold.slow;
    client->told[untold.passed_reason] += untold.passed;
    read_some(model, slot, SIZE_MAX);
    client->subscribed = false;
}

static void set_manner(struct model *model, uint32_t slot)
{
    struct client *client = &model->clients[slot];
    if (client->mode != SW_MODE_ALL || client->max_hz) {
        client->max_hz = below(model, 2) ? 0 : 10;
        client->mode = client->max_hz ? client->mode : SW_MODE_LATEST;
        sw_hub_set_manner(&model->rig.fanout, slot, 0, manner_of(client));
    }
}

static void slot_operation(struct model *model, uint32_t slot)
{
    struct client *client = &model->clients[slot];
    uint64_t kind = below(model, 100);
    if (!client->subscribed) {
        client->waits ? resolve(model, slot) : come(model, slot);
    } else if (kind < 50) {
        read_some(model, slot, below(model, 3) ? below(model, 6000) : SIZE_MAX);
    } else if (kind < 60) {
        leave(model, slot);
    } else if (kind < 65) {
        set_manner(model, slot);
    }
}

/* Memory is short for a turn. */
static void forget_runs(struct model *model)
{
    struct sw_purse *purse = model->rig.fanout.pool.purse;
    purse->step = SW_BUDGET_TIGHT;
    rig_turn(&model->rig);
    purse->step = SW_BUDGET_EASY;
}

static void operation(struct model *model)
{
    uint64_t kind = below(model, 100);
    if (kind < 22) {
        publish(model, 1 + (unsigned)below(model, below(model, 10) ? 4 : 60));
    } else if (kind < 27) {
        publish_raw(model);
    } else if (kind < 30) {
        miss(model);
    } else if (kind < 31 && model->outages) {
        rig_gap(&model->rig, model->topic.tape, 0, SW_SHED_FEED);
    } else if (kind < 32) {
        change_name(model);
    } else if (kind < 40) {
        answer_asked(model, false);
    } else if (kind < 41) {
        forget_runs(model);
    } else if (kind < 60) {
        rig_pass(&model->rig, below(model, 60));
    } else {
        slot_operation(model, (uint32_t)below(model, SLOTS));
    }
}

/* ---- the end ---- */

static void settle(struct model *model)
{
    for (unsigned idle = 0; idle < 150; idle++) {
        answer_asked(model, true);
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            if (model->clients[slot].waits) {
                resolve(model, slot);
            }
            size_t before = model->rig.slots[slot].open ? rig_progress(&model->rig, slot) : 0;
            if (model->rig.slots[slot].open) {
                rig_read(&model->rig, slot, SIZE_MAX);
                idle = before == rig_progress(&model->rig, slot) ? idle : 0;
                read_some(model, slot, 0);
            }
        }
        rig_pass(&model->rig, 20);
    }
}

static void check_end(struct model *model)
{
    uint64_t received = 0;
    uint64_t told[SW_SHED_COUNT] = {0};
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        struct client *client = &model->clients[slot];
        received += client->received;
        for (unsigned reason = 0; reason < SW_SHED_COUNT; reason++) {
            told[reason] += client->told[reason];
        }
        assert_false(client->waits);
        if (client->subscribed) {
            assert_int_equal(sw_reader(&model->rig.fanout, slot)->cursors, 0);
            assert_int_equal(client->name, model->name);
            if (client->mode == SW_MODE_ALL && client->max_hz == 0) {
                assert_int_equal(client->offset, model->topic.top);
            }
            if (client->marks) {
                assert_int_equal(client->marked, client->offset);
                assert_false(client->doomed);
            }
        }
    }
    const struct rig *rig = &model->rig;
    assert_int_equal(received, RIG_COUNT(rig, sent_total));
    assert_int_equal(RIG_COUNT(rig, behind), 0);
    for (unsigned reason = 0; reason < SW_SHED_CLOSED; reason++) {
        uint64_t shed = (uint64_t)sw_counter_read(&rig->counters.shed_total[reason]);
        if (told[reason] != shed) {
            print_message("             %s: %llu told, %llu shed\n",
                          sw_shed_word((enum sw_shed)reason), (unsigned long long)told[reason],
                          (unsigned long long)shed);
        }
        if (model->outages || reason == SW_SHED_FEED) { /* a reset stands for some of these */
            assert_true(told[reason] <= shed);
        } else {
            assert_int_equal(told[reason], shed);
        }
    }
}

static void run(uint64_t seed, uint64_t operations, bool secure)
{
    struct model *model = sw_zalloc(sizeof(*model));
    model->random = unit_seeded(seed);
    model->streams = sw_zalloc(NAMES * sizeof(*model->streams));
    model->life = 1;
    model->outages = seed % 2;
    rig_init_marks(&model->rig, SLOTS, &marks);
    if (secure) {
        rig_secure(&model->rig);
    }
    sw_purse_init(&model->purse, NULL, model->parts);
    model->rig.fanout.pool.purse = &model->purse;
    rig_topic_init(&model->topic, &model->rig, "t", "E0", 0);
    for (uint64_t i = 0; i < operations; i++) {
        operation(model);
    }
    settle(model);
    check_end(model);
    print_message(
        "             %llu offsets, %lld sent, %llu names told, %llu resets, %llu replayed, "
        "%llu asked, %llu bookmarks\n",
        (unsigned long long)model->topic.top, (long long)RIG_COUNT(&model->rig, sent_total),
        (unsigned long long)model->epochs, (unsigned long long)model->resets,
        (unsigned long long)model->replays, (unsigned long long)model->asks,
        (unsigned long long)model->bookmarks);
    rig_deinit(&model->rig);
    sw_free(model->streams);
    sw_free(model);
}

/* SPILLWAY_OPS makes more runs, with other seeds from SPILLWAY_SEED. */
static void runs(uint64_t seed, bool secure)
{
    uint64_t count = unit_asked("SPILLWAY_OPS");
    uint64_t other = unit_asked("SPILLWAY_SEED");
    seed = other ? other : seed;
    for (uint64_t i = 0; i < (count ? count : 12); i++) {
        run(seed + i, 3000, secure);
    }
}

static void clients_see_what_they_must(void **state)
{
    (void)state;
    runs(20271, false);
}

static void clients_over_tls_see_what_they_must(void **state)
{
    (void)state;
    runs(20281, true);
}

#ifdef SW_FAULTS
static void clients_while_something_goes_wrong(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        sw_fanout_fault = (struct sw_fanout_fault){.kind = fault_asked(), .after = 3};
        run(2 * seed, 3000, false); /* without outages: all counts are exact */
    }
}

static void one_thing_that_goes_wrong_is_seen(void **state)
{
    (void)state;
    assert_int_equal(fault_status(SW_FAULT_NONE), 0);
    for (unsigned fault = SW_FAULT_WALK; fault <= SW_FAULT_JUDGE; fault++) {
        assert_int_not_equal(fault_status((enum sw_fault)fault), 0); /* by the law or the model */
    }
}
#endif

int main(void)
{
#ifdef SW_FAULTS
    fault_run(clients_while_something_goes_wrong);
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_see_what_they_must),
        cmocka_unit_test(clients_over_tls_see_what_they_must),
#ifdef SW_FAULTS
        cmocka_unit_test(one_thing_that_goes_wrong_is_seen),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
