// SPDX-License-Identifier: Apache-2.0
#include "pair.h"

#include "common/clock.h"
#include "core/limits.h"
#include "net/conn.h"

#define CONNS 100u
/* What each end costs its owner. */
#define COST_NS (SW_CROWD_BUDGET_NS / 4)
/* Told as they come while there is time, the others from the queue. */
#define MOST_PER_TURN (4 + 1 + SW_CROWD_ENDS)

struct world {
    struct turning turning;
    struct sw_turn turn;
    struct sw_conn conns[CONNS];
    int peers[CONNS];
    bool told[CONNS];
    unsigned ends;
    unsigned resets;
    unsigned closed;
    unsigned ends_before; /* the last turn */
    unsigned most_per_turn;
    bool spares; /* the first end closes the last connection */
    bool writes; /* a later one finds the last connection, whose end waits, broken */
};

static void on_read(struct sw_conn *conn, const char *data, size_t size)
{
    (void)conn;
    (void)data;
    (void)size;
    fail();
}

static void on_end(struct sw_conn *conn, int status)
{
    struct world *world = sw_conn_owner(conn);
    size_t number = (size_t)(conn - world->conns);
    uint64_t began_ns = sw_clock_ns();
    assert_false(world->told[number]);
    world->told[number] = true;
    world->resets += status < 0;
    if (world->spares && world->ends == 0) {
        sw_conn_close(&world->conns[CONNS - 1]);
    }
    if (world->writes && world->ends == MOST_PER_TURN) {
        struct sw_conn *last = &world->conns[CONNS - 1];
        (void)sw_conn_write(last, "x", 1); /* answered by a reset */
        assert_false(world->told[CONNS - 1]);
        assert_int_not_equal(sw_conn_write(last, "x", 1), 0);
        assert_false(world->told[CONNS - 1]);
    }
    world->ends++;
    while (sw_clock_ns() - began_ns < COST_NS) {
    }
    sw_conn_close(conn);
}

static void on_closed(struct sw_conn *conn)
{
    struct world *world = sw_conn_owner(conn);
    world->closed++;
}

static const struct sw_conn_events events = {
    .on_read = on_read, .on_end = on_end, .on_closed = on_closed, .end_waits = true};

static void on_turn(void *owner)
{
    struct world *world = owner;
    unsigned now = world->ends - world->ends_before;
    world->ends_before = world->ends;
    world->most_per_turn = now > world->most_per_turn ? now : world->most_per_turn;
}

static bool all_closed(void *context)
{
    const struct world *world = context;
    return world->closed == CONNS;
}

static void end_all(struct world *world, bool by_reset)
{
    turning_init(&world->turning);
    world->turn = (struct sw_turn){.run = on_turn, .owner = world};
    sw_loop_add_turn(world->turning.loop, &world->turn);
    for (size_t i = 0; i < CONNS; i++) {
        int fds[2];
        pair_connect(fds);
        assert_int_equal(sw_conn_open(&world->conns[i], world->turning.loop, fds[0], &events), 0);
        sw_conn_set_owner(&world->conns[i], world);
        world->peers[i] = fds[1];
    }
    for (size_t i = 0; i < CONNS; i++) {
        struct linger linger = {.l_onoff = by_reset};
        setsockopt(world->peers[i], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        close(world->peers[i]);
    }
    assert_true(turning_until(&world->turning, 20000, all_closed, world));
    turning_deinit(&world->turning);
    assert_in_range(world->most_per_turn, 1, MOST_PER_TURN);
}

static void very_many_ends_are_told_in_slices(void **state)
{
    (void)state;
    struct world world = {0};
    end_all(&world, false);
    assert_int_equal(world.ends, CONNS);
    assert_int_equal(world.resets, 0);
}

static void so_are_very_many_resets(void **state)
{
    (void)state;
    struct world world = {0};
    end_all(&world, true);
    assert_int_equal(world.ends, CONNS);
    assert_int_equal(world.resets, CONNS);
}

static void who_is_closed_meanwhile_is_told_nothing(void **state)
{
    (void)state;
    struct world world = {.spares = true};
    end_all(&world, true);
    assert_int_equal(world.ends, CONNS - 1);
    assert_false(world.told[CONNS - 1]);
}

static void a_break_while_its_end_waits_is_told_in_its_place(void **state)
{
    (void)state;
    struct world world = {.writes = true};
    end_all(&world, false);
    assert_int_equal(world.ends, CONNS);
    assert_int_equal(world.resets, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(very_many_ends_are_told_in_slices),
        cmocka_unit_test(so_are_very_many_resets),
        cmocka_unit_test(who_is_closed_meanwhile_is_told_nothing),
        cmocka_unit_test(a_break_while_its_end_waits_is_told_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
