// SPDX-License-Identifier: Apache-2.0
/* What is written over TLS and waits, how a connection ends, and what a client may try. */
#include "tls_world.h"

#include <sys/ioctl.h>

#define LARGE (8u << 20)

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

static void count_key_updates(int sent, int version, int kind, const void *data, size_t size,
                              SSL *ssl, void *count)
{
    (void)version, (void)size, (void)ssl;
    bool message = !sent && kind == SSL3_RT_HANDSHAKE;
    *(unsigned *)count += message && *(const unsigned char *)data == SSL3_MT_KEY_UPDATE;
}

/* In test builds after 1,000 records. */
static void key_is_changed_before_it_has_sealed_too_much(void **state)
{
    struct world *world = *state;
    unsigned updates = 0;
    shake(world);
    SSL_set_msg_callback(world->peer.ssl, count_key_updates);
    SSL_set_msg_callback_arg(world->peer.ssl, &updates);
    char *bytes = pattern_bytes(2500);
    for (size_t i = 0; i < 2500; i++) {
        assert_int_equal(sw_conn_write(&world->conn, bytes + i, 1), 0);
    }
    free(bytes);
    world->peer_wanted = 2500;
    assert_true(turning_until(&world->turning, 5000, peer_has_all, world));
    assert_int_equal(updates, 2);
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
    const struct CMUnitTest tests[] = {
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
        CASE(key_is_changed_before_it_has_sealed_too_much),
        CASE(who_only_makes_us_answer_is_not_read_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
