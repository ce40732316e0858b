// SPDX-License-Identifier: Apache-2.0
/* Handshakes: how they end, and many at once. */
#include "tls_world.h"

static void echo_under(struct world *world, int version, enum sw_tls_outcome expected)
{
    char answer[8];
    SSL_set_max_proto_version(world->peer.ssl, version);
    world->echoes = true;
    shake(world);
    tls_peer_write(&world->peer, "hello", 5);
    world->got_wanted = 5;
    assert_true(turning_until(&world->turning, 5000, has_got, world));
    assert_memory_equal(world->got.data, "hello", 5);
    size_t n = 0;
    while (n == 0) {
        turned(world);
        n = tls_peer_read(&world->peer, answer, sizeof(answer));
    }
    assert_int_equal(n, 5);
    assert_memory_equal(answer, "hello", 5);
    assert_int_equal(outcome(world, expected), 1);
}

static void plaintext_goes_both_ways_under_1_2(void **state)
{
    echo_under(*state, TLS1_2_VERSION, SW_TLS_OK_12);
}

static void plaintext_goes_both_ways_under_1_3(void **state)
{
    echo_under(*state, TLS1_3_VERSION, SW_TLS_OK_13);
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
    /* who is done with it has yet to be heard by the other side */
    return shaken == STORM && outcome(storm->living, SW_TLS_OK_13) == STORM + 1;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(plaintext_goes_both_ways_under_1_2),
        CASE(plaintext_goes_both_ways_under_1_3),
        CASE(one_byte_at_a_time_is_as_good),
        CASE(old_version_is_refused),
        CASE(who_speaks_http_hears_what_to_do),
        CASE(what_is_no_tls_is_refused),
        CASE(peer_that_leaves_before_the_end_is_gone),
        CASE(close_before_the_end_counts_as_out_of_time),
        CASE(renewed_certificate_is_for_who_comes_then),
        CASE(storm_of_handshakes_is_spread_over_turns_in_which_the_living_are_heard),
        CASE(who_leaves_while_its_handshake_waits_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
