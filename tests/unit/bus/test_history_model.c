// SPDX-License-Identifier: Apache-2.0
/* A topic with history under random failures, against a naive model of what a tape must see: one
 * server that publishes, trims, restarts, rolls back, is flushed; a link that breaks and loses;
 * plain and forged messages; two tapes that come and go, ask and check. Nothing may be wrong,
 * doubled, lost or told twice, and without loss on the server nothing may fork.
 *
 * SPILLWAY_MODEL_SECONDS: how long (2). SPILLWAY_MODEL_SEED: where to begin; a failure names its
 * own. */
#include "history_model.h"

static struct model *shown; /* whose entries the workers' callbacks look at */

/* ---- the link ---- */

static void give_away(struct model *model)
{
    for (unsigned i = 0; i < model->results_count; i++) {
        struct sw_history_read *read = model->results[i].read;
        sw_free(model->results[i].server);
        read->outcome = SW_READ_AWAY;
        read->done(read->context, read);
    }
    model->results_count = 0;
    away(model->world);
}

static void drop_link(struct model *model)
{
    if (!model->linked) {
        return;
    }
    model->linked = false;
    model->subscribed = false;
    model->subscribing = false;
    model->queue_first = 0;
    model->queue_end = 0;
    if (below(model, 2)) {
        give_away(model);
        sw_exchange_down(model->world->exchange, "reset");
    } else {
        sw_exchange_down(model->world->exchange, "reset");
        give_away(model);
    }
}

static void connect_link(struct model *model)
{
    if (!model->linked) {
        model->linked = true;
        model->subscribing = true;
        sw_exchange_up(model->world->exchange);
    }
}

/* The server takes the SUBSCRIBE. */
static void execute_subscribe(struct model *model)
{
    if (model->linked && model->subscribing && find(model->world, "h.a", false)) {
        model->subscribing = false;
        model->subscribed = true;
        emit(model, (struct item){.kind = ACK});
    }
}

static void execute_read(struct model *model)
{
    struct sw_history_read *read;
    if (model->linked && (read = sw_ring_pop(&model->world->reads))) {
        struct result *result = &model->results[model->results_count++];
        result->read = read;
        result->server = sw_alloc(sizeof(*result->server));
        *result->server = model->server;
    } else if (!model->linked) {
        away(model->world);
    }
}

static void receive_read(struct model *model)
{
    static struct sw_history_entry entries[SW_HISTORY_READ];
    static char raws[SW_HISTORY_READ][64];
    if (model->results_count == 0) {
        return;
    }
    struct result result = model->results[0];
    struct sw_history_read *read = result.read;
    const struct server *server = result.server;
    memmove(&model->results[0], &model->results[1],
            --model->results_count * sizeof(model->results[0]));
    uint32_t most = below(model, 3) ? read->limit : 1 + below(model, 4);
    read->outcome = SW_READ_DONE;
    read->lineage = server->lineage;
    read->top = server->top;
    read->first = read->limit > 0 && server->first <= server->top ? server->first : 0;
    read->entries = entries;
    uint64_t offset = read->from > server->first ? read->from : server->first;
    for (; read->limit > 0 && offset <= server->top && read->count < read->limit; offset++) {
        if (read->count == most) {
            read->cut = true;
            break;
        }
        int size = snprintf(raws[read->count], sizeof(raws[0]),
                            "\x1e"
                            "1;E%u:%llu\x1em%u",
                            server->named[offset], (unsigned long long)offset, server->ids[offset]);
        entries[read->count] =
            (struct sw_history_entry){offset, sw_slice(raws[read->count], (size_t)size)};
        read->count++;
    }
    sw_free(result.server);
    read->done(read->context, read);
}

static void receive(struct model *model)
{
    char raw[64];
    struct sw_interest *interest = find(model->world, "h.a", false);
    if (!interest || model->queue_first == model->queue_end) {
        return;
    }
    struct item item = model->queue[model->queue_first++];
    if (item.kind == ACK) {
        sw_exchange_acked(model->world->exchange, interest);
        return;
    }
    if (!interest->acked) {
        return;
    }
    int size = item.kind == PLAIN ? snprintf(raw, sizeof(raw), "p%u", item.id)
                                  : snprintf(raw, sizeof(raw),
                                             "\x1e"
                                             "1;E%u:%llu\x1e%c%u",
                                             item.epoch, (unsigned long long)item.offset,
                                             item.kind == FORGED ? 'f' : 'm', item.id);
    for (int i = 0; i < TAPES && item.kind == PLAIN; i++) {
        if (model->tapes[i].joined) {
            model->tapes[i].plain_due = item.id;
        }
    }
    sw_exchange_message(model->world->exchange, interest, SW_SLICE("h.a"),
                        sw_slice(raw, (size_t)size));
}

static void mishear(struct model *model)
{
    if (model->queue_first < model->queue_end &&
        model->queue[model->queue_first].kind == POSITIONED) {
        model->queue_first++;
    }
}

/* ---- the tapes ---- */

static void take_state(struct model *model, struct tape *tape, const struct sw_topic_state *state)
{
    CHECK(state && state->history);
    if (state->joined) {
        CHECK(!tape->joined);
        tape->joined = true;
        tape->lineage = state->lineage;
        tape->top = state->top;
        tape->plain = 0;
        tape->plain_due = 0;
        memset(tape->ids, 0, sizeof(tape->ids));
        return;
    }
    CHECK(tape->joined);
    struct sw_position had = {tape->lineage.epoch, tape->top};
    bool good = sw_lineage_holds(&state->lineage, state->top, &had);
    CHECK(good == !state->forked);
    CHECK(!state->forked || model->lossy);
    CHECK(state->forked || state->top == tape->top);
    tape->lineage = state->lineage;
    tape->top = state->top;
    if (state->forked) {
        memset(tape->ids, 0, sizeof(tape->ids));
    }
    if (state->check > 0) {
        CHECK(state->check > tape->answered && state->check <= tape->checked);
        tape->answered = state->check;
    }
}

static void take_message(struct model *model, struct tape *tape, const struct sw_message *message,
                         uint64_t offset)
{
    struct sw_slice payload = sw_message_payload(message);
    char text[16] = {0};
    memcpy(text, payload.data, payload.size);
    uint32_t id = (uint32_t)strtoul(text + 1, NULL, 10);
    CHECK(tape->joined && text[0] != 'f');
    if (offset == 0) {
        CHECK(text[0] == 'p' && id > tape->plain);
        tape->plain = id;
        return;
    }
    CHECK(text[0] == 'm' && offset == tape->top + 1);
    CHECK(model->branches[number_of(&tape->lineage.epoch)][offset] == id);
    tape->top = offset;
    tape->ids[offset] = id;
}

static void take_gap(struct model *model, struct tape *tape, const struct sw_entry *entry)
{
    CHECK(tape->joined && entry->shed == SW_SHED_FEED);
    CHECK(entry->span == entry->count && entry->offset == tape->top + 1);
    for (uint32_t i = 0; i < entry->span; i++) {
        tape->ids[++tape->top] = MISSING;
    }
}

static void take_run(struct model *model, struct tape *tape, const struct sw_run *run)
{
    uint64_t end = run->run * SW_RUN_OFFSETS + SW_RUN_OFFSETS - 1;
    uint64_t next = run->run == 0 ? 1 : run->run * SW_RUN_OFFSETS;
    CHECK(tape->joined && tape->asks > 0 && run->to == (end < tape->top ? end : tape->top));
    tape->asks--;
    for (uint32_t i = 0; i < run->count; i++, next++) {
        struct sw_slice payload = sw_message_payload(run->frames[i].message);
        char text[16] = {0};
        memcpy(text, payload.data, payload.size);
        for (; next < run->frames[i].offset; next++) {
            CHECK(next < model->first_max); /* it was trimmed */
        }
        CHECK(text[0] == 'm' && next == run->frames[i].offset && next <= run->to);
        CHECK(model->branches[number_of(&tape->lineage.epoch)][next] ==
              strtoul(text + 1, NULL, 10));
    }
    CHECK(next > run->to || run->to < model->first_max);
}

static void take_entry(struct model *model, const struct sw_entry *entry)
{
    struct tape *tape = &model->tapes[entry->tape];
    if (!tape->wanted || entry->generation != tape->generation) {
        return;
    }
    switch ((enum sw_entry_kind)entry->kind) {
    case SW_ENTRY_STATE:
        take_state(model, tape, entry->state);
        return;
    case SW_ENTRY_MESSAGE:
        take_message(model, tape, entry->message, entry->offset);
        return;
    case SW_ENTRY_GAP:
        take_gap(model, tape, entry);
        return;
    case SW_ENTRY_RUN:
        take_run(model, tape, entry->run);
        return;
    case SW_ENTRY_REFUSED:
    case SW_ENTRY_FEED:
        CHECK(!"it is told");
    }
}

static void on_post(void *role, struct sw_post *post)
{
    struct fake_worker *worker = role;
    struct sw_batch *batch = SW_CONTAINER_OF(post, struct sw_batch, post);
    for (uint32_t i = 0; i < batch->count; i++) {
        take_entry(shown, &batch->entries[i]);
    }
    worker->give_back(worker->owner, batch);
}

static void turn(struct model *model)
{
    sw_exchange_close_batches(model->world->exchange);
    for (int i = 0; i < WORKERS; i++) {
        fake_worker_turn(&model->world->workers[i]);
    }
}

static void come_or_go(struct model *model)
{
    uint32_t i = below(model, TAPES);
    struct tape *tape = &model->tapes[i];
    if (tape->wanted) {
        leave(model->world, i, i, tape->generation, "h.a");
        tape->wanted = false;
        tape->joined = false;
    } else {
        *tape = (struct tape){.wanted = true, .generation = ++model->generations};
        join(model->world, i, i, tape->generation, "h.a");
    }
}

static void ask_something(struct model *model)
{
    uint32_t i = below(model, TAPES);
    struct tape *tape = &model->tapes[i];
    if (!tape->joined) {
        return;
    }
    struct sw_join *wish = join_of(i, i, tape->generation, "h.a", false);
    if (below(model, 2)) {
        wish->number = ++tape->checked;
        sw_exchange_check(model->world->exchange, wish);
    } else {
        wish->number = below(model, (uint32_t)(tape->top / SW_RUN_OFFSETS) + 1);
        tape->asks++;
        sw_exchange_ask(model->world->exchange, wish);
    }
    sw_free(wish);
}

/* ---- what happens to the node ---- */

static void squeeze(struct model *model)
{
    struct sw_histories *all = sw_exchange_histories(model->world->exchange);
    all->purse->step = below(model, 2) ? SW_BUDGET_HARD : SW_BUDGET_TIGHT;
    sw_histories_shrink(all);
    all->purse->step = SW_BUDGET_EASY;
}

static void lose_patience(struct model *model)
{
    struct sw_interest *interest = find(model->world, "h.a", false);
    if (!model->patient && interest && sw_timer_running(&interest->history->patience)) {
        sw_loop_timer_stop(model->world->loop, &interest->history->patience);
        interest->history->patience.fire(&interest->history->patience);
    }
}

static void sweep(struct model *model)
{
    sw_histories_sweep(sw_exchange_histories(model->world->exchange), 1);
}

/* ---- what happens ---- */

static void restart(struct model *model)
{
    drop_link(model);
    model->server.renamed = true;
}

/* Nothing is lost, and the link stays: the server got a replica. */
static void rename_alone(struct model *model)
{
    model->server.renamed = true;
}

static void save(struct model *model)
{
    model->saved = model->server;
}

/* The link may stay: a server that becomes the replica of another keeps its clients. */
static void roll_back(struct model *model)
{
    if (model->lossy) {
        if (below(model, 2)) {
            drop_link(model);
        }
        model->server = model->saved;
        model->server.renamed = true;
    }
}

static void wipe(struct model *model)
{
    if (model->lossy && below(model, 3) == 0) {
        memset(&model->server, 0, sizeof(model->server));
    }
}

static void publish_plain(struct model *model)
{
    emit(model, (struct item){.kind = PLAIN, .id = ++model->ids});
}

static void publish_many(struct model *model)
{
    for (uint32_t i = below(model, 7); i > 0; i--) {
        publish(model);
    }
}

static void pump(struct model *model)
{
    for (uint32_t i = below(model, 6); i > 0; i--) {
        execute_subscribe(model);
        receive(model);
        execute_read(model);
        receive_read(model);
    }
}

static const struct {
    uint32_t weight;
    void (*run)(struct model *model);
} actions[] = {
    {9, publish},       {3, publish_many},  {4, publish_plain},
    {2, forge},         {1, trim},          {8, execute_subscribe},
    {14, receive},      {8, execute_read},  {8, receive_read},
    {12, pump},         {8, turn},          {3, come_or_go},
    {6, ask_something}, {4, connect_link},  {1, drop_link},
    {1, mishear},       {1, restart},       {1, rename_alone},
    {1, save},          {1, roll_back},     {1, wipe},
    {1, squeeze},       {1, lose_patience}, {1, sweep},
};

static void act(struct model *model)
{
    uint32_t total = 0;
    for (size_t i = 0; i < SW_ARRAY_SIZE(actions); i++) {
        total += actions[i].weight;
    }
    uint32_t at = below(model, total);
    size_t i = 0;
    while (at >= actions[i].weight) {
        at -= actions[i++].weight;
    }
    actions[i].run(model);
    CHECK(sw_exchange_sane(model->world->exchange));
}

/* Until nothing is under way. */
static void settle(struct model *model)
{
    connect_link(model);
    for (int i = 0; i < 4000; i++) {
        execute_subscribe(model);
        receive(model);
        execute_read(model);
        receive_read(model);
        turn(model);
        if (model->queue_first == model->queue_end && model->results_count == 0 &&
            model->world->reads.count == 0) {
            return;
        }
    }
    CHECK(!"it never comes to rest");
}

static void judge(struct model *model)
{
    const struct server *server = &model->server;
    for (int i = 0; i < TAPES; i++) {
        const struct tape *tape = &model->tapes[i];
        if (!tape->wanted) {
            continue;
        }
        CHECK(tape->joined && tape->asks == 0 && tape->answered == tape->checked);
        CHECK(tape->plain >= tape->plain_due);
        CHECK(sw_epoch_equal(&tape->lineage.epoch, &server->lineage.epoch));
        CHECK(tape->top == server->top);
        for (uint64_t offset = 1; offset < OFFSETS; offset++) {
            bool known = tape->ids[offset] != 0 && tape->ids[offset] != MISSING;
            CHECK(!known || (offset <= server->top && tape->ids[offset] == server->ids[offset]));
        }
    }
}

static void run(uint64_t seed)
{
    struct model *model = sw_zalloc(sizeof(*model));
    model->seed = seed;
    model->random.state = seed;
    model->lossy = seed % 2;
    model->patient = seed % 4 < 2;
    shown = model;
    sw_rules_init(&model->rules);
    struct sw_rule keeps = {.match = SW_SLICE("h.>"),
                            .modes_allowed = SW_MODES_CHOICE,
                            .history_size = 6,
                            .history_ttl_ms = 300000};
    assert_true(sw_rules_add(&model->rules, &keeps));
    sw_rules_settle(&model->rules, '.', 1000);
    model->world = create("", '.', &model->rules);
    model->linked = true;
    model->subscribing = true;
    for (int i = 0; i < WORKERS; i++) {
        model->world->workers[i].inbox.on_post = on_post;
    }
    for (int i = 0; i < ACTIONS; i++) {
        act(model);
    }
    settle(model);
    sweep(model);
    settle(model);
    judge(model);
    publish_many(model);
    settle(model);
    judge(model);
    give_away(model);
    destroy(model->world);
    sw_rules_deinit(&model->rules);
    sw_free(model);
}

static void nothing_is_wrong_doubled_or_lost(void **state)
{
    (void)state;
    const char *seconds = getenv("SPILLWAY_MODEL_SECONDS");
    const char *seed = getenv("SPILLWAY_MODEL_SEED");
    uint64_t end_ms = sw_clock_ms() + (seconds ? strtoull(seconds, NULL, 10) : 2) * 1000;
    struct sw_random random;
    sw_random_init(&random);
    uint64_t first = seed ? strtoull(seed, NULL, 10) : sw_random_u64(&random) % 1000000007;
    uint64_t runs = 0;
    printf("seed %llu\n", (unsigned long long)first);
    do {
        run(first + runs++);
    } while (sw_clock_ms() < end_ms && !(seed && !seconds));
    printf("%llu runs\n", (unsigned long long)runs);
}

int main(void)
{
    sw_log_configure(SW_LOG_ERROR, SW_LOG_JSON);
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_wrong_doubled_or_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
