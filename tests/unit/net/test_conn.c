// SPDX-License-Identifier: Apache-2.0
#include "pair.h"
#include "turning.h"

#include "net/conn_write.h"

#include <errno.h>

#define LARGE (8u << 20)

/* A connection and, in `peer`, the descriptor of its other end. */
struct world {
    struct turning turning;
    struct sw_conn conn;
    int peer;
    char got[64];
    size_t got_size;
    bool ended;
    int end_status;
    unsigned ends;
    bool closed;
    unsigned drained;
    unsigned done;
    int done_status;
    size_t peer_got; /* of a pattern that starts at byte 0 */
    size_t peer_wanted;
    size_t peer_takes; /* at most so much a turn; 0: all */
    bool floods;       /* what comes is only counted */
    bool pauses;       /* on_read stops reading */
    size_t reads;
    size_t read_bytes;
    size_t read_before; /* the last turn */
    size_t read_wanted;
    size_t largest_read;
    bool closes; /* in whatever is told next */
};

static struct world *world_of(struct sw_conn *conn)
{
    return SW_CONTAINER_OF(conn, struct world, conn);
}

static void on_read(struct sw_conn *conn, const char *data, size_t size)
{
    struct world *world = world_of(conn);
    world->reads++;
    world->read_bytes += size;
    world->largest_read = size > world->largest_read ? size : world->largest_read;
    if (world->pauses) {
        sw_conn_read(conn, false);
    }
    if (world->floods) {
        return;
    }
    assert_true(world->got_size + size < sizeof(world->got));
    memcpy(world->got + world->got_size, data, size);
    world->got_size += size;
}

static void on_end(struct sw_conn *conn, int status)
{
    world_of(conn)->ended = true;
    world_of(conn)->end_status = status;
    world_of(conn)->ends++;
}

static void on_closed(struct sw_conn *conn)
{
    assert_false(world_of(conn)->closed);
    world_of(conn)->closed = true;
}

static void on_drained(struct sw_conn *conn)
{
    assert_int_equal(sw_conn_unwritten(conn), 0);
    world_of(conn)->drained++;
    if (world_of(conn)->closes) {
        sw_conn_close(conn);
    }
}

static const struct sw_conn_events events = {on_read, on_end, on_closed, on_drained, false};

static int set_up(void **state)
{
    struct world *world = sw_zalloc(sizeof(*world));
    turning_init(&world->turning);
    int fds[2];
    pair_connect(fds);
    world->peer = fds[1];
    assert_int_equal(sw_conn_open(&world->conn, world->turning.loop, fds[0], &events), 0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    sw_conn_close(&world->conn);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    if (world->peer >= 0) {
        close(world->peer);
    }
    turning_deinit(&world->turning);
    sw_free(world);
    return 0;
}

/* ---- the other end ---- */

static char pattern(size_t at)
{
    return (char)(at * 31 + at / 251);
}

static char *pattern_bytes(size_t size)
{
    char *bytes = malloc(size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = pattern(i);
    }
    return bytes;
}

/* Reads what has come; answers whether all of it is there. Asked each turn, so it keeps the loop
 * awake. */
static bool peer_has_all(void *context)
{
    struct world *world = context;
    char buffer[65536];
    size_t most = world->peer_takes ? world->peer_takes : sizeof(buffer);
    ssize_t n;
    while ((n = recv(world->peer, buffer, most, 0)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            assert_int_equal(buffer[i], pattern(world->peer_got));
            world->peer_got++;
        }
        if (world->peer_takes) {
            break;
        }
    }
    sw_loop_stay_awake(world->turning.loop);
    return world->peer_got >= world->peer_wanted;
}

static bool peer_hears_the_end(void *context)
{
    struct world *world = context;
    char byte;
    sw_loop_stay_awake(world->turning.loop);
    return recv(world->peer, &byte, 1, 0) == 0;
}

static bool got_three(void *context)
{
    return ((struct world *)context)->got_size >= 3;
}

/* ---- */

static void bytes_and_the_end_of_the_peer_are_told(void **state)
{
    struct world *world = *state;
    assert_int_equal(send(world->peer, "abc", 3, 0), 3);
    assert_true(turning_until(&world->turning, 5000, got_three, world));
    assert_memory_equal(world->got, "abc", 3);
    shutdown(world->peer, SHUT_WR);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->ended));
    assert_int_equal(world->end_status, 0);
    /* The other direction is open. */
    world->peer_wanted = 1;
    assert_int_equal(sw_conn_write(&world->conn, &(char){pattern(0)}, 1), 0);
    assert_true(turning_until(&world->turning, 5000, peer_has_all, world));
    assert_int_equal(world->ends, 1);
}

static void small_write_leaves_nothing_behind(void **state)
{
    struct world *world = *state;
    char *bytes = pattern_bytes(100);
    assert_int_equal(sw_conn_write(&world->conn, bytes, 100), 0);
    assert_int_equal(sw_conn_unwritten(&world->conn), 0);
    world->peer_wanted = 100;
    assert_true(turning_until(&world->turning, 5000, peer_has_all, world));
    assert_int_equal(world->drained, 0);
    assert_int_equal(sw_conn_write(&world->conn, bytes, 0), 0);
    free(bytes);
}

static void what_the_socket_does_not_take_is_copied_and_stays_in_order(void **state)
{
    struct world *world = *state;
    char *bytes = pattern_bytes(LARGE + 100);
    assert_int_equal(sw_conn_write(&world->conn, bytes, LARGE), 0);
    assert_true(sw_conn_unwritten(&world->conn) > 0);
    for (size_t i = 0; i < 100; i += 10) {
        assert_int_equal(sw_conn_write(&world->conn, bytes + LARGE + i, 10), 0);
    }
    memset(bytes, 0, LARGE + 100); /* nothing is borrowed */
    free(bytes);
    world->peer_wanted = LARGE + 100;
    assert_true(turning_until(&world->turning, 20000, peer_has_all, world));
    turning_for(&world->turning, 20);
    assert_int_equal(sw_conn_unwritten(&world->conn), 0);
    assert_int_equal(world->drained, 1);
}

static void shutdown_comes_behind_what_waits(void **state)
{
    struct world *world = *state;
    char *bytes = pattern_bytes(LARGE);
    assert_int_equal(sw_conn_write(&world->conn, bytes, LARGE), 0);
    sw_conn_shutdown(&world->conn);
    sw_conn_shutdown(&world->conn);
    assert_int_equal(sw_conn_write(&world->conn, bytes, 1), -EPIPE);
    free(bytes);
    world->peer_wanted = LARGE;
    assert_true(turning_until(&world->turning, 20000, peer_has_all, world));
    assert_true(turning_until(&world->turning, 5000, peer_hears_the_end, world));
    assert_false(world->ended);
}

static void on_done(struct sw_conn *conn, const struct sw_rest *rest, int status)
{
    struct world *world = rest->owner;
    assert_ptr_equal(conn, &world->conn);
    assert_int_equal(rest->tag, 7);
    world->done++;
    world->done_status = status;
    if (world->closes) {
        sw_conn_close(conn);
    }
}

static bool is_done(void *context)
{
    peer_has_all(context);
    return ((struct world *)context)->done > 0;
}

/* Fills the socket, and gives the rest to a request. Returns the bytes. */
static char *write_with_rest(struct world *world)
{
    char *bytes = pattern_bytes(LARGE);
    ssize_t sent = 0;
    size_t total = 0;
    do {
        total += (size_t)sent;
        sent = sw_conn_send(world->conn.fd, bytes + total, LARGE - total);
    } while (sent > 0);
    assert_int_equal(sent, 0);
    assert_true(total < LARGE);
    struct sw_rest rest = {
        .done = on_done, .owner = world, .bytes = (uint32_t)(LARGE - total), .tag = 7};
    sw_conn_write_rest(&world->conn, bytes + total, &rest);
    assert_true(sw_conn_unacknowledged(&world->conn) > 0);
    return bytes;
}

static void rest_is_written_and_told_once(void **state)
{
    struct world *world = *state;
    char *bytes = write_with_rest(world);
    world->peer_wanted = LARGE;
    assert_int_equal(world->done, 0);
    assert_true(turning_until(&world->turning, 20000, is_done, world));
    assert_int_equal(world->done_status, 0);
    assert_true(turning_until(&world->turning, 5000, peer_has_all, world));
    assert_int_equal(world->done, 1);
    assert_int_equal(world->drained, 0);
    free(bytes);
}

static void close_cancels_the_rest_and_tells_it_before_the_memory_goes(void **state)
{
    struct world *world = *state;
    char *bytes = write_with_rest(world);
    assert_int_equal(sw_conn_write(&world->conn, "behind", 6), 0);
    sw_conn_close(&world->conn);
    sw_conn_close(&world->conn);
    assert_int_equal(world->conn.fd, -1);
    assert_int_equal(sw_conn_write(&world->conn, "x", 1), -EPIPE);
    assert_false(world->closed);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    assert_int_equal(world->done, 1);
    assert_int_equal(world->done_status, -ECANCELED);
    assert_int_equal(world->ends, 0);
    free(bytes);
}

static void reset_reaches_the_peer_even_behind_a_shutdown(void **state)
{
    struct world *world = *state;
    char *bytes = pattern_bytes(LARGE);
    assert_int_equal(sw_conn_write(&world->conn, bytes, LARGE), 0);
    free(bytes);
    sw_conn_shutdown(&world->conn);
    sw_conn_reset(&world->conn);
    sw_conn_reset(&world->conn);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    int error = 0;
    socklen_t size = sizeof(error);
    assert_int_equal(getsockopt(world->peer, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    assert_int_equal(error, ECONNRESET);
}

static void reading_can_be_held_back(void **state)
{
    struct world *world = *state;
    sw_conn_read(&world->conn, false);
    assert_int_equal(send(world->peer, "abc", 3, 0), 3);
    turning_for(&world->turning, 50);
    assert_int_equal(world->got_size, 0);
    sw_conn_read(&world->conn, true);
    assert_true(turning_until(&world->turning, 5000, got_three, world));
}

static bool write_more(void *context)
{
    struct world *world = context;
    sw_loop_stay_awake(world->turning.loop);
    (void)sw_conn_write(&world->conn, "x", 1);
    return world->ended;
}

static void broken_connection_is_told_to_an_owner_who_only_writes(void **state)
{
    struct world *world = *state;
    sw_conn_read(&world->conn, false);
    struct linger linger = {.l_onoff = 1};
    setsockopt(world->peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(world->peer);
    world->peer = -1;
    assert_true(turning_until(&world->turning, 5000, write_more, world));
    assert_true(world->end_status < 0);
    turning_for(&world->turning, 30);
    assert_int_equal(world->ends, 1);
}

static unsigned adopted_reads;

static void on_adopted_read(struct sw_conn *conn, const char *data, size_t size)
{
    (void)data;
    (void)size;
    adopted_reads++;
    sw_conn_close(conn);
}

static void adopted_connection_speaks_to_its_new_owner(void **state)
{
    static const struct sw_conn_events others = {
        .on_read = on_adopted_read, .on_end = on_end, .on_closed = on_closed};
    struct world *world = *state;
    int owner = 0;
    assert_null(sw_conn_owner(&world->conn));
    sw_conn_set_owner(&world->conn, &owner);
    assert_ptr_equal(sw_conn_owner(&world->conn), &owner);
    sw_conn_adopt(&world->conn, &others);
    assert_int_equal(send(world->peer, "abc", 3, 0), 3);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    assert_int_equal(adopted_reads, 1);
    assert_int_equal(world->got_size, 0);
}

static void peer_has_an_address_until_the_close(void **state)
{
    struct world *world = *state;
    struct sw_address address;
    assert_int_equal(sw_conn_peer(&world->conn, &address), 0);
    assert_true(sw_address_is_loopback(&address));
    sw_conn_close(&world->conn);
    assert_int_equal(sw_conn_peer(&world->conn, &address), -EBADF);
    assert_int_equal(sw_conn_unacknowledged(&world->conn), 0);
}

/* ---- what waits, and who does not read ---- */

/* Turns of the loop in 50 ms in which nothing happens. */
static uint64_t turns_at_rest(struct world *world)
{
    turning_for(&world->turning, 10);
    uint64_t before = sw_loop_turns(world->turning.loop);
    turning_for(&world->turning, 50);
    return sw_loop_turns(world->turning.loop) - before;
}

#define FEW_TURNS 12 /* the timers of turning_for */

static void reset_by_peer(struct world *world)
{
    struct linger linger = {.l_onoff = 1};
    setsockopt(world->peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(world->peer);
    world->peer = -1;
}

static void rest_leaves_in_pieces_and_copies_behind_it(void **state)
{
    struct world *world = *state;
    char *bytes = write_with_rest(world);
    char *behind = pattern_bytes(LARGE + 100);
    for (size_t i = 0; i < 100; i += 10) {
        assert_int_equal(sw_conn_write(&world->conn, behind + LARGE + i, 10), 0);
    }
    free(behind);
    assert_int_equal(sw_conn_unwritten(&world->conn), 100);
    world->peer_takes = 50000;
    world->peer_wanted = LARGE / 4;
    uint64_t before = sw_loop_turns(world->turning.loop);
    assert_true(turning_until(&world->turning, 20000, peer_has_all, world));
    assert_true(sw_loop_turns(world->turning.loop) - before >= LARGE / 4 / 50000);
    assert_int_equal(world->done, 0);
    assert_int_equal(world->drained, 0);
    world->peer_takes = 0;
    world->peer_wanted = LARGE + 100;
    assert_true(turning_until(&world->turning, 20000, peer_has_all, world));
    turning_for(&world->turning, 20);
    assert_int_equal(world->done, 1);
    assert_int_equal(world->done_status, 0);
    assert_int_equal(world->drained, 1);
    assert_true(turns_at_rest(world) <= FEW_TURNS);
    free(bytes);
}

static void owner_may_close_when_the_rest_is_done(void **state)
{
    struct world *world = *state;
    char *bytes = write_with_rest(world);
    assert_int_equal(sw_conn_write(&world->conn, "behind", 6), 0);
    world->closes = true;
    world->peer_wanted = LARGE;
    assert_true(turning_until(&world->turning, 20000, is_done, world));
    assert_int_equal(world->done_status, 0);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    assert_int_equal(world->done, 1);
    assert_int_equal(world->drained, 0);
    free(bytes);
}

static void owner_may_close_when_all_is_drained(void **state)
{
    struct world *world = *state;
    char *bytes = pattern_bytes(LARGE);
    assert_int_equal(sw_conn_write(&world->conn, bytes, LARGE), 0);
    free(bytes);
    sw_conn_shutdown(&world->conn);
    world->closes = true;
    world->peer_wanted = LARGE;
    assert_true(turning_until(&world->turning, 20000, peer_has_all, world));
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    assert_int_equal(world->drained, 1);
}

static void end_of_the_peer_does_not_end_the_rest(void **state)
{
    struct world *world = *state;
    char *bytes = write_with_rest(world);
    shutdown(world->peer, SHUT_WR);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->ended));
    assert_int_equal(world->end_status, 0);
    assert_int_equal(world->done, 0);
    assert_true(turns_at_rest(world) <= FEW_TURNS);
    world->peer_wanted = LARGE;
    assert_true(turning_until(&world->turning, 20000, peer_has_all, world));
    turning_for(&world->turning, 20);
    assert_int_equal(world->done, 1);
    assert_int_equal(world->done_status, 0);
    assert_int_equal(world->ends, 1);
    assert_true(turns_at_rest(world) <= FEW_TURNS);
    free(bytes);
}

static void reset_behind_the_end_of_the_peer_is_told_by_a_write(void **state)
{
    struct world *world = *state;
    shutdown(world->peer, SHUT_WR);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->ended));
    world->ended = false;
    reset_by_peer(world);
    assert_true(sw_conn_write(&world->conn, "x", 1) < 0);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->ended));
    assert_true(world->end_status < 0 && world->ends == 2);
}

static void reset_is_told_to_who_does_not_read(void **state)
{
    struct world *world = *state;
    sw_conn_read(&world->conn, false);
    assert_int_equal(send(world->peer, "abc", 3, 0), 3);
    assert_true(turns_at_rest(world) <= FEW_TURNS);
    reset_by_peer(world);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->ended));
    assert_int_equal(world->end_status, -ECONNRESET);
    assert_int_equal(sw_conn_write(&world->conn, "x", 1), -EPIPE);
    sw_conn_read(&world->conn, true); /* in vain */
    assert_true(turns_at_rest(world) <= FEW_TURNS);
    assert_int_equal(world->ends, 1);
    assert_int_equal(world->got_size, 0);
}

static void reset_ends_a_rest_whose_owner_does_not_read(void **state)
{
    struct world *world = *state;
    sw_conn_read(&world->conn, false);
    char *bytes = write_with_rest(world);
    assert_int_equal(sw_conn_write(&world->conn, "behind", 6), 0);
    reset_by_peer(world);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->ended));
    assert_int_equal(world->end_status, -ECONNRESET);
    assert_int_equal(world->done, 1);
    assert_int_equal(world->done_status, -ECONNRESET);
    assert_int_equal(sw_conn_unwritten(&world->conn), 0);
    assert_true(turns_at_rest(world) <= FEW_TURNS);
    assert_int_equal(world->ends, 1);
    assert_int_equal(world->drained, 0);
    free(bytes);
}

static void end_is_told_behind_the_bytes_when_reading_goes_on(void **state)
{
    struct world *world = *state;
    sw_conn_read(&world->conn, false);
    assert_int_equal(send(world->peer, "abc", 3, 0), 3);
    close(world->peer);
    world->peer = -1;
    assert_true(turns_at_rest(world) <= FEW_TURNS);
    assert_false(world->ended);
    sw_conn_read(&world->conn, true);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->ended));
    assert_memory_equal(world->got, "abc", 3);
    assert_int_equal(world->end_status, 0);
    assert_true(turns_at_rest(world) <= FEW_TURNS);
    assert_int_equal(world->ends, 1);
}

static void bytes_before_a_reset_are_read(void **state)
{
    struct world *world = *state;
    assert_int_equal(send(world->peer, "abc", 3, 0), 3);
    reset_by_peer(world);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->ended));
    assert_memory_equal(world->got, "abc", 3);
    assert_int_equal(world->end_status, -ECONNRESET);
}

static bool has_read(void *context)
{
    return ((struct world *)context)->reads > 0;
}

static void reading_stops_inside_on_read(void **state)
{
    struct world *world = *state;
    static char junk[65536];
    world->floods = true;
    world->pauses = true;
    assert_int_equal(send(world->peer, junk, sizeof(junk), 0), sizeof(junk));
    while (world->read_bytes < sizeof(junk)) {
        world->reads = 0;
        sw_conn_read(&world->conn, true);
        assert_true(turning_until(&world->turning, 5000, has_read, world));
        assert_true(turns_at_rest(world) <= FEW_TURNS);
        assert_int_equal(world->reads, 1);
    }
    assert_true(world->largest_read <= 16384);
}

/* Asked each turn. */
static bool has_read_all(void *context)
{
    struct world *world = context;
    assert_true(world->read_bytes - world->read_before <= 262144);
    world->read_before = world->read_bytes;
    return world->read_bytes >= world->read_wanted;
}

static void one_turn_reads_only_so_much(void **state)
{
    struct world *world = *state;
    static char junk[65536];
    world->floods = true;
    sw_conn_read(&world->conn, false);
    for (ssize_t sent = 1; sent > 0 && world->read_wanted < LARGE;) {
        sent = send(world->peer, junk, sizeof(junk), MSG_NOSIGNAL);
        world->read_wanted += sent > 0 ? (size_t)sent : 0;
        turning_for(&world->turning, 1);
    }
    assert_true(world->read_wanted > 2 * 262144);
    sw_conn_read(&world->conn, true);
    assert_true(turning_until(&world->turning, 5000, has_read_all, world));
    assert_true(world->largest_read <= 16384);
}

/* ---- two connections ---- */

struct two {
    struct world *busy;
    struct world *other;
    size_t asks;
    uint64_t asked; /* the turn */
    uint64_t slowest;
};

/* The busy one reads and is read without end; the other is asked for one byte after another. */
static bool busy_is_done(void *context)
{
    struct two *two = context;
    static char junk[262144];
    (void)send(two->busy->peer, junk, sizeof(junk), MSG_NOSIGNAL);
    two->busy->peer_takes = 50000;
    peer_has_all(two->busy);
    uint64_t turn = sw_loop_turns(two->busy->turning.loop);
    if (two->other->read_bytes == two->asks) {
        uint64_t turns = two->asks ? turn - two->asked : 0;
        two->slowest = turns > two->slowest ? turns : two->slowest;
        two->asked = turn;
        two->asks++;
        assert_int_equal(send(two->other->peer, "x", 1, 0), 1);
    }
    return two->busy->done > 0;
}

static void busy_connection_leaves_the_others_their_turns(void **state)
{
    struct two two = {.busy = *state};
    struct world other = {.floods = true};
    int fds[2];
    pair_connect(fds);
    other.peer = fds[1];
    assert_int_equal(sw_conn_open(&other.conn, two.busy->turning.loop, fds[0], &events), 0);
    two.other = &other;
    two.busy->floods = true;
    char *bytes = write_with_rest(two.busy);
    two.busy->peer_wanted = LARGE;
    assert_true(turning_until(&two.busy->turning, 20000, busy_is_done, &two));
    assert_int_equal(two.busy->done_status, 0);
    assert_true(two.busy->reads > 10 && two.busy->largest_read <= 16384);
    assert_true(two.asks > 10);
    assert_true(two.slowest <= 2);
    sw_conn_close(&other.conn);
    assert_true(turning_until(&two.busy->turning, 5000, turning_is_set, &other.closed));
    close(other.peer);
    free(bytes);
}

static void pair_of_local_sockets_will_do(void **state)
{
    struct world *world = *state;
    struct world local = {0};
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    local.turning = world->turning;
    local.peer = fds[1];
    assert_int_equal(sw_conn_open(&local.conn, world->turning.loop, fds[0], &events), 0);
    char *bytes = write_with_rest(&local);
    sw_conn_read(&local.conn, false);
    assert_true(turns_at_rest(world) <= FEW_TURNS);
    close(local.peer);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &local.ended));
    assert_true(local.end_status < 0);
    assert_int_equal(local.done, 1);
    assert_true(turns_at_rest(world) <= FEW_TURNS);
    sw_conn_close(&local.conn);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &local.closed));
    free(bytes);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bytes_and_the_end_of_the_peer_are_told),
        CASE(small_write_leaves_nothing_behind),
        CASE(what_the_socket_does_not_take_is_copied_and_stays_in_order),
        CASE(shutdown_comes_behind_what_waits),
        CASE(rest_is_written_and_told_once),
        CASE(close_cancels_the_rest_and_tells_it_before_the_memory_goes),
        CASE(reset_reaches_the_peer_even_behind_a_shutdown),
        CASE(reading_can_be_held_back),
        CASE(broken_connection_is_told_to_an_owner_who_only_writes),
        CASE(rest_leaves_in_pieces_and_copies_behind_it),
        CASE(owner_may_close_when_the_rest_is_done),
        CASE(owner_may_close_when_all_is_drained),
        CASE(end_of_the_peer_does_not_end_the_rest),
        CASE(reset_behind_the_end_of_the_peer_is_told_by_a_write),
        CASE(reset_is_told_to_who_does_not_read),
        CASE(reset_ends_a_rest_whose_owner_does_not_read),
        CASE(end_is_told_behind_the_bytes_when_reading_goes_on),
        CASE(bytes_before_a_reset_are_read),
        CASE(reading_stops_inside_on_read),
        CASE(one_turn_reads_only_so_much),
        CASE(busy_connection_leaves_the_others_their_turns),
        CASE(pair_of_local_sockets_will_do),
        CASE(adopted_connection_speaks_to_its_new_owner),
        CASE(peer_has_an_address_until_the_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
