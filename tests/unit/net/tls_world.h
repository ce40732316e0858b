// SPDX-License-Identifier: Apache-2.0
/* A TLS connection on a loop, and OpenSSL's own client at its other end. */
#ifndef SW_TLS_WORLD_H
#define SW_TLS_WORLD_H

#include "pair.h"
#include "tls_peer.h"

#include "core/limits.h"
#include "net/loop_internal.h"

struct world {
    struct turning turning;
    struct sw_counters counters;
    struct sw_purse purse;
    struct sw_tls *tls;
    struct sw_conn conn;
    struct tls_peer peer;
    struct sw_buf got;
    size_t got_wanted;
    bool ended;
    int end_status;
    unsigned ends;
    bool closed;
    unsigned drained;
    unsigned done;
    int done_status;
    bool pauses;     /* on_read stops reading */
    bool closes;     /* on_read closes */
    bool echoes;     /* on_read writes back */
    size_t peer_got; /* of a pattern that starts at byte 0 */
    size_t peer_wanted;
    size_t peer_takes; /* at most so much plaintext a turn; 0: all */
    size_t most_waits; /* sealed bytes that were seen to wait */
};

static inline struct world *world_of(struct sw_conn *conn)
{
    return SW_CONTAINER_OF(conn, struct world, conn);
}

static inline void on_read(struct sw_conn *conn, const char *data, size_t size)
{
    struct world *world = world_of(conn);
    assert_true(size > 0 && size <= SW_TLS_RECORD_BYTES);
    sw_buf_append(&world->got, data, size);
    if (world->pauses) {
        sw_conn_read(conn, false);
    }
    if (world->echoes) {
        assert_int_equal(sw_conn_write(conn, data, size), 0);
    }
    if (world->closes) {
        sw_conn_close(conn);
    }
}

static inline void on_end(struct sw_conn *conn, int status)
{
    world_of(conn)->ended = true;
    world_of(conn)->end_status = status;
    world_of(conn)->ends++;
}

static inline void on_closed(struct sw_conn *conn)
{
    assert_false(world_of(conn)->closed);
    world_of(conn)->closed = true;
}

static inline void on_drained(struct sw_conn *conn)
{
    assert_int_equal(sw_conn_unwritten(conn), 0);
    world_of(conn)->drained++;
}

static const struct sw_conn_events events = {on_read, on_end, on_closed, on_drained, false};

static inline void open_conn(struct world *world, int version)
{
    int fds[2];
    pair_connect(fds);
    assert_int_equal(sw_conn_open(&world->conn, world->turning.loop, fds[0], &events), 0);
    tls_peer_init(&world->peer, fds[1], version);
}

static inline int set_up(void **state)
{
    struct world *world = sw_zalloc(sizeof(*world));
    turning_init(&world->turning);
    sw_purse_init(&world->purse, NULL, world->counters.budget_used_bytes);
    world->tls =
        sw_tls_create(world->turning.loop, tls_context("first"), &world->counters, &world->purse);
    open_conn(world, TLS1_3_VERSION);
    sw_conn_start_tls(&world->conn, world->tls);
    *state = world;
    return 0;
}

static inline int tear_down(void **state)
{
    struct world *world = *state;
    sw_conn_close(&world->conn);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    assert_int_equal(sw_counter_read(&world->counters.budget_used_bytes[SW_PART_TLS]), 0);
    tls_peer_deinit(&world->peer);
    sw_tls_destroy(&world->tls);
    turning_deinit(&world->turning);
    sw_buf_deinit(&world->got);
    sw_free(world);
    return 0;
}

/* ---- looking ---- */

static inline int64_t outcome(const struct world *world, enum sw_tls_outcome outcome)
{
    return sw_counter_read(&world->counters.tls_handshakes_total[outcome]);
}

static inline int64_t outcomes(const struct world *world)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < SW_TLS_OUTCOME_COUNT; i++) {
        sum += outcome(world, (enum sw_tls_outcome)i);
    }
    return sum;
}

static inline int64_t charged(const struct world *world)
{
    return sw_counter_read(&world->counters.budget_used_bytes[SW_PART_TLS]);
}

/* These are asked each turn, so they keep the loop awake and the peer going. */

static inline bool turned(struct world *world)
{
    tls_peer_pump(&world->peer);
    sw_loop_stay_awake(world->turning.loop);
    return true;
}

static inline bool is_shaken(void *context)
{
    struct world *world = context;
    turned(world);
    return outcomes(world) > 0 && SSL_is_init_finished(world->peer.ssl);
}

static inline bool has_got(void *context)
{
    struct world *world = context;
    turned(world);
    return world->got.size >= world->got_wanted;
}

static inline bool has_ended(void *context)
{
    struct world *world = context;
    turned(world);
    return world->ended;
}

static inline bool peer_has_ended(void *context)
{
    struct world *world = context;
    char byte;
    turned(world);
    (void)tls_peer_read(&world->peer, &byte, 1);
    return world->peer.ended;
}

static inline char pattern(size_t at)
{
    return (char)(at * 31 + at / 251);
}

static inline char *pattern_bytes(size_t size)
{
    char *bytes = malloc(size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = pattern(i);
    }
    return bytes;
}

/* Reads what is to be read in one turn, and looks at every byte. */
static inline void peer_takes(struct world *world)
{
    char buffer[65536];
    size_t most = world->peer_takes && world->peer_takes < sizeof(buffer) ? world->peer_takes
                                                                          : sizeof(buffer);
    size_t n = tls_peer_read(&world->peer, buffer, most);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(buffer[i], pattern(world->peer_got));
        world->peer_got++;
    }
}

static inline bool peer_has_all(void *context)
{
    struct world *world = context;
    int64_t waits = charged(world);
    world->most_waits = (size_t)waits > world->most_waits ? (size_t)waits : world->most_waits;
    if (world->peer_takes) {
        tls_peer_receive(&world->peer);
        tls_peer_send(&world->peer);
        sw_loop_stay_awake(world->turning.loop);
    } else {
        turned(world);
    }
    peer_takes(world);
    return world->peer_got >= world->peer_wanted;
}

static inline void shake(struct world *world)
{
    assert_true(turning_until(&world->turning, 5000, is_shaken, world));
    assert_int_equal(outcome(world, SW_TLS_OK_13) + outcome(world, SW_TLS_OK_12), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
