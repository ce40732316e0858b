// SPDX-License-Identifier: Apache-2.0
/* Random histories of two servers, two nodes and six clients: publishes, trims, promotions,
 * restarts, rollbacks, lost links, full inboxes, clients that come, go, read and stand still, in
 * any order. Then all comes to rest, and each client must hold exactly what the surviving server
 * holds, or have been told otherwise. Where nothing was ever lost, nobody may be told so.
 *
 *   SPILLWAY_SEED=N        the seed, which is printed
 *   SPILLWAY_STEPS=N       so many actions; else for SECONDS, and LONG_STEPS in a long run */
#include "truth_world.h"

#include "common/log.h"

#include <signal.h>

#define SECONDS    10
#define LONG_STEPS 1000000
#define ACTIONS    260

struct action {
    const char *name;
    unsigned weight;
    unsigned planned; /* its weight where nothing may be lost */
    bool (*run)(struct world *world, uint64_t x);
};

static struct node *node_at(struct world *world, uint64_t x)
{
    return &world->nodes[x % NODES];
}

static struct client *client_at(struct world *world, uint64_t x)
{
    return &world->clients[x % CLIENTS];
}

/* ---- what happens to servers ---- */

static bool do_publish(struct world *world, uint64_t x)
{
    int at = master_of(&world->servers, x);
    return at >= 0 && publish(&world->servers, at);
}

static bool do_plain(struct world *world, uint64_t x)
{
    int at = master_of(&world->servers, x);
    if (at >= 0) {
        publish_plain(&world->servers, at);
    }
    return at >= 0;
}

static bool do_replicate(struct world *world, uint64_t x)
{
    return apply_one(&world->servers, (int)(x % 2));
}

static bool do_promote(struct world *world, uint64_t x)
{
    return promote(&world->servers, (enum promotion)(x % 3));
}

static bool do_plan(struct world *world, uint64_t x)
{
    (void)x;
    return promote(&world->servers, PLANNED);
}

static bool do_rejoin(struct world *world, uint64_t x)
{
    return rejoin(&world->servers, x);
}

static bool do_restart(struct world *world, uint64_t x)
{
    int at = master_of(&world->servers, x / 2);
    if (at >= 0) {
        restart(&world->servers, at, x % 2);
    }
    return at >= 0;
}

static bool do_complete(struct world *world, uint64_t x)
{
    return do_restart(world, x * 2);
}

static bool do_save(struct world *world, uint64_t x)
{
    (void)x;
    save_all(&world->servers);
    return true;
}

static bool do_flush_all(struct world *world, uint64_t x)
{
    int at = master_of(&world->servers, x);
    if (at >= 0) {
        flush_all(&world->servers, at);
    }
    return at >= 0;
}

/* A position of an epoch that never was. Who knows the present one and forges the next is believed
 * until the next look at the stream, as whoever may publish is. */
static bool do_forge(struct world *world, uint64_t x)
{
    int at = master_of(&world->servers, x);
    if (at >= 0) {
        world_emit(world, at, EPOCHS + 7, world->servers.list[at].store.top + 1 + x % 3, -1);
    }
    return at >= 0;
}

/* ---- what happens on nodes ---- */

static bool do_connect(struct world *world, uint64_t x)
{
    struct node *node = node_at(world, x);
    int at = master_of(&world->servers, x / 2);
    if (node->server >= 0 || at < 0) {
        return false;
    }
    node_connect(node, at);
    return true;
}

static bool do_cut(struct world *world, uint64_t x)
{
    node_cut(node_at(world, x));
    return true;
}

static bool do_hear(struct world *world, uint64_t x)
{
    return node_execute_subscribe(node_at(world, x)) | node_hear(node_at(world, x));
}

static bool do_look(struct world *world, uint64_t x)
{
    return node_execute_read(node_at(world, x));
}

static bool do_answer(struct world *world, uint64_t x)
{
    return node_answer_away(node_at(world, x)) || node_answer_read(node_at(world, x));
}

static bool do_bus(struct world *world, uint64_t x)
{
    return node_bus(node_at(world, x));
}

static bool do_work(struct world *world, uint64_t x)
{
    node_work(node_at(world, x), (int)(x / 2 % WORKERS));
    return true;
}

static bool do_block(struct world *world, uint64_t x)
{
    struct node *node = node_at(world, x);
    int at = (int)(x / 2 % WORKERS);
    node_block(node, at, !node->workers[at].full);
    return true;
}

/* A quiet stretch of one node. */
static bool do_pump(struct world *world, uint64_t x)
{
    struct node *node = node_at(world, x);
    for (uint64_t i = 0; i <= x / 2 % 4; i++) {
        (void)node_execute_subscribe(node);
        (void)node_hear(node);
        (void)node_execute_read(node);
        if (!node_answer_away(node)) {
            (void)node_answer_read(node);
        }
        node_bus(node);
        node_work(node, 0);
        node_work(node, 1);
    }
    world_turn(world);
    return true;
}

static bool do_pass(struct world *world, uint64_t x)
{
    world_pass(world, 10 + x % 24 * 40);
    return true;
}

/* ---- what clients do ---- */

static bool do_come(struct world *world, uint64_t x)
{
    struct client *client = client_at(world, x);
    if (client->node < 0) {
        client_come(world, client, (int)(x / CLIENTS % NODES), (int)(x / 2 % WORKERS));
    }
    return true;
}

static bool do_leave(struct world *world, uint64_t x)
{
    client_leave(client_at(world, x));
    world_turn(world);
    return true;
}

static bool do_read(struct world *world, uint64_t x)
{
    return client_read(world, client_at(world, x), 40 + x * 100);
}

/* Unsubscribes, and subscribes again where it is. */
static bool do_again(struct world *world, uint64_t x)
{
    struct client *client = client_at(world, x);
    struct sw_session *session = client->node < 0 ? NULL : client_session(world, client);
    if (!session || !client->subscribed) {
        return false;
    }
    for (int i = 0; i < 50 && client_read(world, client, 4096); i++) {
        world_turn(world);
        node_work(&world->nodes[client->node], client->worker);
    }
    session = client->node < 0 ? NULL : client_session(world, client);
    if (!session) {
        return false;
    }
    client->unsubscribed = false;
    sw_session_receive(session, SW_SLICE("{\"type\":\"unsubscribe\",\"topic\":\"" TOPIC "\"}"));
    for (int i = 0; i < 200 && !client->unsubscribed && client->node >= 0; i++) {
        node_work(&world->nodes[client->node], client->worker);
        world_turn(world);
        (void)client_read(world, client, 65536);
    }
    assert_true(client->unsubscribed || client->node < 0);
    client_subscribe(world, client);
    return true;
}

static const struct action actions[] = {
    {"publish", 120, 120, do_publish},
    {"plain", 15, 15, do_plain},
    {"replicate", 80, 80, do_replicate},
    {"promote", 10, 0, do_promote},
    {"plan", 0, 20, do_plan},
    {"rejoin", 8, 0, do_rejoin},
    {"restart", 6, 0, do_restart},
    {"complete", 0, 20, do_complete},
    {"save", 7, 0, do_save},
    {"flushall", 2, 0, do_flush_all},
    {"forge", 3, 3, do_forge},
    {"connect", 40, 40, do_connect},
    {"cut", 8, 8, do_cut},
    {"hear", 140, 140, do_hear},
    {"look", 80, 80, do_look},
    {"answer", 80, 80, do_answer},
    {"bus", 80, 80, do_bus},
    {"work", 160, 160, do_work},
    {"block", 10, 10, do_block},
    {"pump", 160, 160, do_pump},
    {"pass", 40, 40, do_pass},
    {"come", 80, 100, do_come},
    {"leave", 30, 50, do_leave},
    {"read", 160, 160, do_read},
    {"again", 8, 8, do_again},
};

static const struct action *choose(bool lossless, struct sw_random *random)
{
    unsigned sum = 0;
    for (size_t i = 0; i < SW_ARRAY_SIZE(actions); i++) {
        sum += lossless ? actions[i].planned : actions[i].weight;
    }
    uint64_t x = sw_random_below(random, sum);
    for (size_t i = 0;; i++) {
        unsigned weight = lossless ? actions[i].planned : actions[i].weight;
        if (x < weight) {
            return &actions[i];
        }
        x -= weight;
    }
}

/* ---- the end ---- */

/* Everything that waits moves on, until nothing does any more. */
static void quiet(struct world *world)
{
    for (bool moved = true; moved;) {
        moved = apply_one(&world->servers, 0) | apply_one(&world->servers, 1);
        for (int i = 0; i < NODES; i++) {
            struct node *node = &world->nodes[i];
            moved |= node_execute_subscribe(node);
            moved |= node_hear(node);
            moved |= node_execute_read(node);
            moved |= node_answer_away(node) || node_answer_read(node);
            node_bus(node);
            node_work(node, 0);
            node_work(node, 1);
        }
        world_turn(world);
        for (int i = 0; i < CLIENTS; i++) {
            moved |= client_read(world, &world->clients[i], 65536);
        }
    }
}

/* One master survives, every node is connected to it, and everybody who was ever there is there. */
static void settle(struct world *world)
{
    for (int i = 0; i < NODES; i++) {
        node_block(&world->nodes[i], 0, false);
        node_block(&world->nodes[i], 1, false);
    }
    bool two = world->servers.list[0].master && world->servers.list[1].master;
    if (two && world->servers.list[0].up && world->servers.list[1].up) {
        rejoin(&world->servers, 0);
    }
    int master = master_of(&world->servers, 0);
    assert_true(master >= 0);
    quiet(world);
    for (unsigned ms = 0; ms < 70000; ms += 500) {
        for (int i = 0; i < NODES; i++) { /* the canary's part */
            struct node *node = &world->nodes[i];
            if (node->server >= 0 && node->server != master) {
                node_cut(node);
            }
            if (node->server < 0) {
                node_connect(node, master);
            }
        }
        for (int i = 0; i < CLIENTS; i++) {
            struct client *client = &world->clients[i];
            if (client->node < 0 && client->seen) {
                client_come(world, client, i % NODES, i / 2 % WORKERS);
            } else if (client->node >= 0 && !client->subscribed && !client->asked) {
                client_subscribe(world, client);
            }
        }
        world_pass(world, 500);
        quiet(world);
    }
}

static void look_at(struct world *world, struct client *client, const struct store *store)
{
    if (client->node < 0 || store->epoch < 0) {
        return;
    }
    if (!client->subscribed) {
        CLIENT_FAILS(world, client, "waits for ever\n");
    }
    /* who wants the latest may have got one without a position in place of the last that has one */
    if (client->offset != store->top && !(client->plain && client->mode == SW_MODE_LATEST)) {
        CLIENT_FAILS(world, client, "is at %llu, the end is %llu\n",
                     (unsigned long long)client->offset, (unsigned long long)store->top);
    }
    for (uint64_t at = 1; at <= client->offset; at++) {
        if (client->held[at] != store->numbers[at] && !client->told[at]) {
            CLIENT_FAILS(world, client, "holds %d at %llu, which is %d\n", client->held[at],
                         (unsigned long long)at, store->numbers[at]);
        }
    }
}

static void finish(struct world *world, struct sw_random *random)
{
    settle(world);
    int master = master_of(&world->servers, 0);
    for (uint64_t more = sw_random_below(random, 4); more > 0; more--) {
        (void)publish(&world->servers, master);
        quiet(world);
    }
    world_pass(world, 2000); /* the last counts of who wants the latest are told */
    quiet(world);
    for (int i = 0; i < CLIENTS; i++) {
        look_at(world, &world->clients[i], &world->servers.list[master].store);
    }
    for (int i = 0; i < NODES; i++) {
        const struct sw_counters *counters = &world->nodes[i].counters;
        int64_t shed = 0;
        for (unsigned reason = 0; reason < SW_SHED_COUNT; reason++) {
            shed += sw_counter_read(&counters->shed_total[reason]);
        }
        assert_int_equal(sw_counter_read(&counters->due_total),
                         sw_counter_read(&counters->sent_total) + shed +
                             sw_counter_read(&counters->behind));
    }
}

/* ---- runs ---- */

/* Of the run under way, for who looks for what a broken assertion means. */
static uint64_t current;

static void on_abort(int number)
{
    (void)number;
    char line[64];
    int n = snprintf(line, sizeof(line), "seed %llu\n", (unsigned long long)current);
    (void)!write(STDERR_FILENO, line, (size_t)n);
}

struct total {
    uint64_t runs;
    uint64_t steps;
    uint64_t frames;
    uint64_t needless;
    uint64_t resumed;
    uint64_t resets;
};

static void run_once(uint64_t seed, bool lossless, struct total *total)
{
    static struct world world;
    struct sw_random random = {.state = seed * 2 + lossless};
    bool tell = unit_asked("SPILLWAY_TELL");
    chance = (struct sw_random){.state = seed ^ 0x5bd1e995};
    current = seed;
    world_init(&world, seed, lossless);
    (void)publish(&world.servers, 0);
    for (unsigned i = 0; i < ACTIONS; i++) {
        const struct action *action = choose(lossless, &random);
        uint64_t x = sw_random_below(&random, 24);
        if (tell) {
            print_message("%s %llu\n", action->name, (unsigned long long)x);
        }
        action->run(&world, x);
    }
    finish(&world, &random);
    total->runs++;
    total->steps += ACTIONS;
    total->frames += world.frames;
    total->needless += world.needless;
    total->resumed += world.resumed;
    total->resets += world.resets;
    world_deinit(&world);
}

static void runs(bool lossless)
{
    struct total total = {0};
    uint64_t one = unit_asked("SPILLWAY_SEED");
    uint64_t steps = unit_asked("SPILLWAY_STEPS");
    if (!steps && unit_asked("SPILLWAY_LONG")) {
        steps = LONG_STEPS;
    }
    struct timespec began;
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &began);
    uint64_t seed = one ? one : (uint64_t)began.tv_nsec + 1;
    print_message("seeds from %llu\n", (unsigned long long)seed);
    do {
        run_once(seed + total.runs, lossless, &total);
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    } while (!one && (steps ? total.steps < steps : now.tv_sec - began.tv_sec < SECONDS));
    print_message("%llu runs, %llu steps, %llu frames, %llu resumed, %llu resets, %llu needless\n",
                  (unsigned long long)total.runs, (unsigned long long)total.steps,
                  (unsigned long long)total.frames, (unsigned long long)total.resumed,
                  (unsigned long long)total.resets, (unsigned long long)total.needless);
    assert_true(one || (total.frames > total.runs && total.resumed > 0));
}

static void each_holds_what_redis_holds_or_was_told(void **state)
{
    (void)state;
    runs(false);
}

static void where_nothing_is_lost_nobody_begins_anew(void **state)
{
    (void)state;
    runs(true);
}

int main(void)
{
    signal(SIGABRT, on_abort);
    sw_log_configure(SW_LOG_ERROR, SW_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_holds_what_redis_holds_or_was_told),
        cmocka_unit_test(where_nothing_is_lost_nobody_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
