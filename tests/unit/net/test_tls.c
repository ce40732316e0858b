// SPDX-License-Identifier: Apache-2.0
/* A TLS connection against OpenSSL's own client. */
#include "pair.h"
#include "tls_peer.h"

#include "core/limits.h"
#include "net/loop_internal.h"

#include <sys/ioctl.h>

#define LARGE (8u << 20)

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

static struct world *world_of(struct sw_conn *conn)
{
    return SW_CONTAINER_OF(conn, struct world, conn);
}

static void on_read(struct sw_conn *conn, const char *data, size_t size)
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
}

static const struct sw_conn_events events = {on_read, on_end, on_closed, on_drained};

static void open_conn(struct world *world, int version)
{
    int fds[2];
    pair_connect(fds);
    assert_int_equal(sw_conn_open(&world->conn, world->turning.loop, fds[0], &events), 0);
    tls_peer_init(&world->peer, fds[1], version);
}

static int set_up(void **state)
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

static int tear_down(void **state)
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

static int64_t outcome(const struct world *world, enum sw_tls_outcome outcome)
{
    return sw_counter_read(&world->counters.tls_handshakes_total[outcome]);
}

static int64_t outcomes(const struct world *world)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < SW_TLS_OUTCOME_COUNT; i++) {
        sum += outcome(world, (enum sw_tls_outcome)i);
    }
    return sum;
}

static int64_t charged(const struct world *world)
{
    return sw_counter_read(&world->counters.budget_used_bytes[SW_PART_TLS]);
}

/* These are asked each turn, so they keep the loop awake and the peer going. */

static bool turned(struct world *world)
{
    tls_peer_pump(&world->peer);
    sw_loop_stay_awake(world->turning.loop);
    return true;
}

static bool is_shaken(void *context)
{
    struct world *world = context;
    turned(world);
    return outcomes(world) > 0 && SSL_is_init_finished(world->peer.ssl);
}

static bool has_got(void *context)
{
    struct world *world = context;
    turned(world);
    return world->got.size >= world->got_wanted;
}

static bool has_ended(void *context)
{
    struct world *world = context;
    turned(world);
    return world->ended;
}

static bool peer_has_ended(void *context)
{
    struct world *world = context;
    char byte;
    turned(world);
    (void)tls_peer_read(&world->peer, &byte, 1);
    return world->peer.ended;
}

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

/* Reads what is to be read in one turn, and looks at every byte. */
static void peer_takes(struct world *world)
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

static bool peer_has_all(void *context)
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

static void shake(struct world *world)
{
    assert_true(turning_until(&world->turning, 5000, is_shaken, world));
    assert_int_equal(outcome(world, SW_TLS_OK_13) + outcome(world, SW_TLS_OK_12), 1);
}

/* ---- handshakes ---- */

static void plaintext_goes_both_ways_under_either_version(void **state)
{
    struct world *world = *state;
    world->echoes = true;
    SSL_set_max_proto_version(world->peer.ssl, TLS1_2_VERSION);
    for (unsigned i = 0; i < 2; i++) {
        shake(world);
        tls_peer_write(&world->peer, "hello", 5);
        world->got_wanted = 5;
        assert_true(turning_until(&world->turning, 5000, has_got, world));
        assert_memory_equal(world->got.data, "hello", 5);
        char answer[8];
        turned(world);
        assert_int_equal(tls_peer_read(&world->peer, answer, sizeof(answer)), 5);
        assert_memory_equal(answer, "hello", 5);
        if (i == 0) {
            assert_int_equal(outcome(world, SW_TLS_OK_12), 1);
            sw_conn_close(&world->conn);
            assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
            tls_peer_deinit(&world->peer);
            sw_buf_clear(&world->got);
            world->closed = false;
            memset(&world->counters.tls_handshakes_total, 0,
                   sizeof(world->counters.tls_handshakes_total));
            open_conn(world, TLS1_3_VERSION);
            sw_conn_start_tls(&world->conn, world->tls);
        }
    }
    assert_int_equal(outcome(world, SW_TLS_OK_13), 1);
}

static void one_byte_at_a_time_is_as_good(void **state)
{
    struct world *world = *state;
    world->peer.most = 1;
    assert_true(turning_until(&world->turning, 20000, is_shaken, world));
    tls_peer_write(&world->peer, "in one record", 13);
    tls_peer_write(&world->peer, " and another", 12);
    world->got_wanted = 25;
    assert_true(turning_until(&world->turning, 20000, has_got, world));
    assert_memory_equal(world->got.data, "in one record and another", 25);
}

static void old_version_is_refused(void **state)
{
    struct world *world = *state;
    SSL_set_max_proto_version(world->peer.ssl, TLS1_1_VERSION);
    assert_true(turning_until(&world->turning, 5000, has_ended, world));
    assert_int_equal(world->end_status, UV_EPROTO);
    assert_int_equal(outcome(world, SW_TLS_FAILED), 1);
    sw_conn_close(&world->conn);
    assert_true(turning_until(&world->turning, 5000, peer_has_ended, world));
    assert_true(world->peer.broken); /* by an alert */
    assert_int_equal(outcomes(world), 1);
}

static bool send_plain(struct world *world, const char *words, char *answer, size_t size)
{
    ssize_t sent = send(world->peer.fd, words, strlen(words), 0);
    assert_int_equal(sent, strlen(words));
    bool ended = turning_until(&world->turning, 5000, turning_is_set, &world->ended);
    ssize_t n = recv(world->peer.fd, answer, size - 1, 0);
    answer[n > 0 ? n : 0] = 0;
    return ended;
}

static void who_speaks_http_hears_what_to_do(void **state)
{
    struct world *world = *state;
    char answer[512];
    assert_true(send_plain(world, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", answer, sizeof(answer)));
    assert_int_equal(strncmp(answer, "HTTP/1.1 400 ", 13), 0);
    const char *body = strstr(answer, "\r\n\r\n") + 4;
    assert_non_null(strstr(body, "use https:// or wss://"));
    char length[48];
    snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
    assert_non_null(strstr(answer, length));
    assert_int_equal(outcome(world, SW_TLS_PLAIN), 1);
    assert_int_equal(outcomes(world), 1);
}

static void what_is_no_tls_is_refused(void **state)
{
    struct world *world = *state;
    char answer[512];
    assert_true(send_plain(world, "\x01 certainly no TLS", answer, sizeof(answer)));
    assert_int_equal(world->end_status, UV_EPROTO);
    assert_null(strstr(answer, "HTTP"));
    assert_int_equal(outcome(world, SW_TLS_FAILED), 1);
    assert_int_equal(world->got.size, 0);
}

static void peer_that_leaves_before_the_end_is_gone(void **state)
{
    struct world *world = *state;
    world->peer.most = 50;
    turned(world);
    turning_for(&world->turning, 20);
    assert_true(charged(world) > 0);
    shutdown(world->peer.fd, SHUT_WR);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->ended));
    assert_int_equal(world->end_status, 0);
    assert_int_equal(outcome(world, SW_TLS_GONE), 1);
    sw_conn_close(&world->conn);
    assert_int_equal(outcomes(world), 1);
}

static void close_before_the_end_counts_as_out_of_time(void **state)
{
    struct world *world = *state;
    turning_for(&world->turning, 10);
    assert_int_equal(charged(world), 0); /* nothing has come, nothing is kept */
    sw_conn_close(&world->conn);
    assert_int_equal(outcome(world, SW_TLS_TIMEOUT), 1);
    assert_int_equal(outcomes(world), 1);
}

static void renewed_certificate_is_for_who_comes_then(void **state)
{
    struct world *world = *state;
    world->echoes = true;
    shake(world);
    sw_tls_set_context(world->tls, tls_context("second"));
    tls_peer_write(&world->peer, "still", 5);
    world->got_wanted = 5;
    assert_true(turning_until(&world->turning, 5000, has_got, world));

    struct world next = {.turning = world->turning, .tls = world->tls};
    open_conn(&next, TLS1_3_VERSION);
    sw_conn_start_tls(&next.conn, next.tls);
    while (!SSL_is_init_finished(next.peer.ssl)) {
        tls_peer_pump(&next.peer);
        turning_for(&world->turning, 1);
    }
    X509 *certificate = SSL_get1_peer_certificate(next.peer.ssl);
    char name[64];
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                              sizeof(name));
    assert_string_equal(name, "second");
    X509_free(certificate);
    sw_conn_close(&next.conn);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &next.closed));
    tls_peer_deinit(&next.peer);
    sw_buf_deinit(&next.got);
}

/* ---- many at once ---- */

#define STORM 200

struct storm {
    struct world *living;
    struct world *all;
    unsigned turns;
    unsigned heard; /* of the living one, in these */
    unsigned begun; /* handshakes that were answered */
    unsigned most;  /* of them in one turn */
};

static bool storm_is_over(void *context)
{
    struct storm *storm = context;
    unsigned begun = 0;
    unsigned shaken = 0;
    for (unsigned i = 0; i < STORM; i++) {
        tls_peer_pump(&storm->all[i].peer);
        begun += storm->all[i].peer.received > 0;
        shaken += (unsigned)SSL_is_init_finished(storm->all[i].peer.ssl);
    }
    storm->most = begun - storm->begun > storm->most ? begun - storm->begun : storm->most;
    storm->begun = begun;
    storm->turns++;
    storm->heard += storm->living->got.size > 0;
    sw_buf_clear(&storm->living->got);
    tls_peer_write(&storm->living->peer, "x", 1);
    sw_loop_stay_awake(storm->living->turning.loop);
    return shaken == STORM;
}

static void storm_of_handshakes_is_spread_over_turns_in_which_the_living_are_heard(void **state)
{
    struct world *world = *state;
    shake(world);
    struct storm storm = {.living = world, .all = sw_zalloc(STORM * sizeof(struct world))};
    for (unsigned i = 0; i < STORM; i++) {
        storm.all[i].turning.loop = world->turning.loop;
        open_conn(&storm.all[i], TLS1_3_VERSION);
        sw_conn_start_tls(&storm.all[i].conn, world->tls);
    }
    assert_true(turning_until(&world->turning, 20000, storm_is_over, &storm));
    /* at 50 us each, which is faster than any machine, 40 fill the budget */
    assert_true(storm.most < STORM / 2);
    assert_true(storm.heard >= storm.turns / 2); /* the kernel may bring a byte a turn later */
    for (unsigned i = 0; i < STORM; i++) {
        sw_conn_close(&storm.all[i].conn);
        assert_true(turning_until(&world->turning, 5000, turning_is_set, &storm.all[i].closed));
        tls_peer_deinit(&storm.all[i].peer);
    }
    assert_int_equal(outcome(world, SW_TLS_OK_13), STORM + 1);
    assert_int_equal(outcomes(world), STORM + 1);
    sw_free(storm.all);
}

static void who_leaves_while_its_handshake_waits_is_forgotten(void **state)
{
    struct world *world = *state;
    struct world *all = sw_zalloc(STORM * sizeof(struct world));
    for (unsigned i = 0; i < STORM; i++) {
        all[i].turning.loop = world->turning.loop;
        open_conn(&all[i], TLS1_3_VERSION);
        sw_conn_start_tls(&all[i].conn, world->tls);
        tls_peer_pump(&all[i].peer);
    }
    turning_for(&world->turning, 0);
    for (unsigned i = 0; i < STORM; i++) {
        sw_conn_close(&all[i].conn);
    }
    for (unsigned i = 0; i < STORM; i++) {
        assert_true(turning_until(&world->turning, 5000, turning_is_set, &all[i].closed));
        tls_peer_deinit(&all[i].peer);
    }
    assert_int_equal(outcome(world, SW_TLS_TIMEOUT), STORM);
    sw_free(all);
    shake(world); /* the others go on */
}

/* ---- writing ---- */

static void what_the_socket_does_not_take_waits_and_stays_in_order(void **state)
{
    struct world *world = *state;
    shake(world);
    char *bytes = pattern_bytes(LARGE + 100);
    assert_int_equal(sw_conn_write(&world->conn, bytes, LARGE), 0);
    assert_true(sw_conn_unwritten(&world->conn) > LARGE / 4);
    for (size_t i = 0; i < 100; i += 10) {
        assert_int_equal(sw_conn_write(&world->conn, bytes + LARGE + i, 10), 0);
    }
    memset(bytes, 0, LARGE + 100); /* nothing is borrowed */
    free(bytes);
    world->peer_wanted = LARGE + 100;
    int64_t idle = charged(world);
    assert_true(turning_until(&world->turning, 20000, peer_has_all, world));
    turning_for(&world->turning, 20);
    assert_int_equal(sw_conn_unwritten(&world->conn), 0);
    assert_int_equal(world->drained, 1);
    /* one record, at most, is all that waited sealed: twice of it is what its buffer may take */
    assert_true(world->most_waits <= (size_t)idle + 2 * (SW_TLS_RECORD_BYTES + 256));
    assert_true(charged(world) < idle); /* and nothing does now */
}

static void on_done(struct sw_conn *conn, const struct sw_rest *rest, int status)
{
    struct world *world = rest->owner;
    assert_ptr_equal(conn, &world->conn);
    assert_int_equal(rest->tag, 7);
    world->done++;
    world->done_status = status;
}

/* Seals records until the socket does not take one. Returns how much plaintext they hold. */
static size_t seal_until_full(struct world *world, char *bytes)
{
    struct iovec pieces[3] = {{.iov_base = bytes, .iov_len = 100},
                              {.iov_base = bytes + 100, .iov_len = 40000},
                              {.iov_base = bytes + 40100, .iov_len = LARGE - 40100}};
    size_t sealed = 0;
    while (!sw_conn_sealed_waits(&world->conn)) {
        ssize_t n = sw_conn_seal(&world->conn, pieces, 3, sealed);
        assert_int_equal(n, SW_TLS_RECORD_BYTES); /* gathered over the pieces' ends */
        sealed += (size_t)n;
        assert_true(sealed < LARGE - SW_TLS_RECORD_BYTES);
    }
    return sealed;
}

static bool is_done(void *context)
{
    struct world *world = context;
    (void)peer_has_all(world);
    return world->done == 2;
}

static void record_that_waits_and_the_rest_behind_it_are_told_in_order(void **state)
{
    struct world *world = *state;
    shake(world);
    char *bytes = pattern_bytes(LARGE);
    size_t sealed = seal_until_full(world, bytes);
    struct sw_rest rest = {.done = on_done, .owner = world, .bytes = 1, .tag = 7};
    sw_conn_await_sealed(&world->conn, &rest);
    rest.bytes = (uint32_t)(LARGE - sealed);
    sw_conn_write_rest(&world->conn, bytes + sealed, &rest);
    assert_true(sw_conn_waits(&world->conn));
    assert_int_equal(world->done, 0);
    world->peer_wanted = LARGE;
    assert_true(turning_until(&world->turning, 20000, is_done, world));
    assert_true(turning_until(&world->turning, 5000, peer_has_all, world));
    assert_int_equal(world->done_status, 0);
    assert_false(sw_conn_waits(&world->conn));
    free(bytes);
}

static void reset_tells_all_that_waits(void **state)
{
    struct world *world = *state;
    shake(world);
    char *bytes = pattern_bytes(LARGE);
    size_t sealed = seal_until_full(world, bytes);
    struct sw_rest rest = {.done = on_done, .owner = world, .bytes = 1, .tag = 7};
    sw_conn_await_sealed(&world->conn, &rest);
    rest.bytes = (uint32_t)(LARGE - sealed);
    sw_conn_write_rest(&world->conn, bytes + sealed, &rest);
    struct linger linger = {.l_onoff = 1};
    setsockopt(world->peer.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(world->peer.fd);
    world->peer.fd = -1;
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->ended));
    assert_true(world->end_status < 0);
    sw_conn_close(&world->conn);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    assert_int_equal(world->done, 2);
    assert_true(world->done_status < 0);
    assert_int_equal(world->ends, 1);
    free(bytes);
}

static void close_cancels_what_waits(void **state)
{
    struct world *world = *state;
    shake(world);
    char *bytes = pattern_bytes(LARGE);
    (void)seal_until_full(world, bytes);
    struct sw_rest rest = {.done = on_done, .owner = world, .bytes = 1, .tag = 7};
    sw_conn_await_sealed(&world->conn, &rest);
    sw_conn_close(&world->conn);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    assert_int_equal(world->done, 1);
    assert_int_equal(world->done_status, -ECANCELED);
    free(bytes);
}

/* ---- the end ---- */

static void farewell_of_the_peer_is_its_end_and_leaves_our_side_open(void **state)
{
    struct world *world = *state;
    shake(world);
    tls_peer_write(&world->peer, "last", 4);
    SSL_shutdown(world->peer.ssl);
    assert_true(turning_until(&world->turning, 5000, has_ended, world));
    assert_int_equal(world->end_status, 0);
    assert_int_equal(world->got.size, 4);
    char *bytes = pattern_bytes(1000);
    assert_int_equal(sw_conn_write(&world->conn, bytes, 1000), 0);
    world->peer_wanted = 1000;
    assert_true(turning_until(&world->turning, 5000, peer_has_all, world));
    free(bytes);
}

static void end_of_the_socket_is_an_end_too(void **state)
{
    struct world *world = *state;
    shake(world);
    shutdown(world->peer.fd, SHUT_WR);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->ended));
    assert_int_equal(world->end_status, 0);
}

static void shutdown_says_farewell_behind_what_waits_and_then_ends(void **state)
{
    struct world *world = *state;
    shake(world);
    char *bytes = pattern_bytes(LARGE);
    assert_int_equal(sw_conn_write(&world->conn, bytes, LARGE), 0);
    free(bytes);
    sw_conn_shutdown(&world->conn);
    assert_int_equal(sw_conn_write(&world->conn, "x", 1), -EPIPE);
    world->peer_wanted = LARGE;
    assert_true(turning_until(&world->turning, 20000, peer_has_all, world));
    assert_true(turning_until(&world->turning, 5000, peer_has_ended, world));
    assert_true(tls_peer_heard_farewell(&world->peer));
    assert_false(world->ended);
    /* the other direction is open */
    tls_peer_write(&world->peer, "yes", 3);
    world->got_wanted = 3;
    assert_true(turning_until(&world->turning, 5000, has_got, world));
}

static void close_says_farewell_and_reset_does_not(void **state)
{
    struct world *world = *state;
    shake(world);
    sw_conn_close(&world->conn);
    assert_true(turning_until(&world->turning, 5000, peer_has_ended, world));
    assert_true(tls_peer_heard_farewell(&world->peer));
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    tls_peer_deinit(&world->peer);

    world->closed = false;
    open_conn(world, TLS1_3_VERSION);
    sw_conn_start_tls(&world->conn, world->tls);
    assert_true(turning_until(&world->turning, 5000, is_shaken, world));
    while (!SSL_is_init_finished(world->peer.ssl)) {
        turning_for(&world->turning, 1);
        turned(world);
    }
    sw_conn_reset(&world->conn);
    assert_true(turning_until(&world->turning, 5000, peer_has_ended, world));
    assert_false(tls_peer_heard_farewell(&world->peer));
}

static void close_from_inside_on_read_is_the_last_that_is_heard(void **state)
{
    struct world *world = *state;
    shake(world);
    world->closes = true;
    tls_peer_write(&world->peer, "one", 3);
    tls_peer_write(&world->peer, "two", 3);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->closed));
    assert_int_equal(world->got.size, 3);
}

/* ---- what a client may try ---- */

static void what_one_read_brought_is_told_though_it_was_paused(void **state)
{
    struct world *world = *state;
    shake(world);
    world->pauses = true;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(SSL_write(world->peer.ssl, "0123456789", 10), 10);
    }
    tls_peer_send(&world->peer);
    world->got_wanted = 100;
    assert_true(turning_until(&world->turning, 5000, has_got, world));
    tls_peer_write(&world->peer, "later", 5);
    turning_for(&world->turning, 30);
    assert_int_equal(world->got.size, 100);
    sw_conn_read(&world->conn, true);
    world->got_wanted = 105;
    assert_true(turning_until(&world->turning, 5000, has_got, world));
}

static void renegotiation_is_refused_and_the_connection_goes_on(void **state)
{
    struct world *world = *state;
    SSL_set_max_proto_version(world->peer.ssl, TLS1_2_VERSION);
    SSL_set_options(world->peer.ssl, SSL_OP_LEGACY_SERVER_CONNECT);
    shake(world);
    assert_int_equal(SSL_renegotiate(world->peer.ssl), 1);
    (void)SSL_do_handshake(world->peer.ssl);
    tls_peer_send(&world->peer);
    turning_for(&world->turning, 30);
    tls_peer_pump(&world->peer);
    assert_true(world->peer.broken || !SSL_is_init_finished(world->peer.ssl));
    assert_false(world->ended);
    char *bytes = pattern_bytes(10);
    assert_int_equal(sw_conn_write(&world->conn, bytes, 10), 0);
    assert_int_equal(sw_conn_unwritten(&world->conn), 0);
    free(bytes);
}

static void new_keys_are_taken_and_given(void **state)
{
    struct world *world = *state;
    shake(world);
    world->echoes = true;
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(SSL_key_update(world->peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        tls_peer_write(&world->peer, "hello", 5);
        world->got_wanted = 5 * i;
        assert_true(turning_until(&world->turning, 5000, has_got, world));
        char answer[8];
        size_t n = 0;
        while (n < 5) {
            turned(world);
            n += tls_peer_read(&world->peer, answer, sizeof(answer));
            turning_for(&world->turning, 1);
        }
        assert_memory_equal(answer, "hello", 5);
    }
}

/* Who asks for new keys again and again, and never reads that it got them, is not read either. */
static void who_only_makes_us_answer_is_not_read_for_ever(void **state)
{
    struct world *world = *state;
    shake(world);
    int64_t most = 0;
    int unread = 0;
    int small = 4096;
    setsockopt(world->conn.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    setsockopt(world->peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    for (unsigned i = 0; i < 100 && unread == 0; i++) {
        for (unsigned n = 0; n < 1000; n++) {
            assert_int_equal(SSL_key_update(world->peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
            (void)SSL_do_handshake(world->peer.ssl);
            tls_peer_send(&world->peer);
        }
        turning_for(&world->turning, 20);
        most = charged(world) > most ? charged(world) : most;
        ioctl(world->conn.fd, FIONREAD, &unread);
    }
    assert_true(unread > 0);
    assert_true(most < 150000);
    /* once it reads, it is read */
    for (unsigned i = 0; i < 2000 && !world->ended && unread; i++) {
        char byte;
        turned(world);
        (void)tls_peer_read(&world->peer, &byte, 1);
        turning_for(&world->turning, 0);
        ioctl(world->conn.fd, FIONREAD, &unread);
    }
    assert_int_equal(unread, 0);
    assert_false(world->ended);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(plaintext_goes_both_ways_under_either_version),
        CASE(one_byte_at_a_time_is_as_good),
        CASE(old_version_is_refused),
        CASE(who_speaks_http_hears_what_to_do),
        CASE(what_is_no_tls_is_refused),
        CASE(peer_that_leaves_before_the_end_is_gone),
        CASE(close_before_the_end_counts_as_out_of_time),
        CASE(renewed_certificate_is_for_who_comes_then),
        CASE(storm_of_handshakes_is_spread_over_turns_in_which_the_living_are_heard),
        CASE(who_leaves_while_its_handshake_waits_is_forgotten),
        CASE(what_the_socket_does_not_take_waits_and_stays_in_order),
        CASE(record_that_waits_and_the_rest_behind_it_are_told_in_order),
        CASE(reset_tells_all_that_waits),
        CASE(close_cancels_what_waits),
        CASE(farewell_of_the_peer_is_its_end_and_leaves_our_side_open),
        CASE(end_of_the_socket_is_an_end_too),
        CASE(shutdown_says_farewell_behind_what_waits_and_then_ends),
        CASE(close_says_farewell_and_reset_does_not),
        CASE(close_from_inside_on_read_is_the_last_that_is_heard),
        CASE(what_one_read_brought_is_told_though_it_was_paused),
        CASE(renegotiation_is_refused_and_the_connection_goes_on),
        CASE(new_keys_are_taken_and_given),
        CASE(who_only_makes_us_answer_is_not_read_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
