// SPDX-License-Identifier: Apache-2.0
#include "pair.h"
#include "turning.h"

#include "net/greeting.h"

#include <sys/ioctl.h>

#define LINE   "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"
#define BEHIND "GET / HTTP/1.1\r\n"

struct world {
    struct turning turning;
    struct sw_greetings greetings;
    struct sw_greeting_end end;
    bool ended;
    int fd;
    int peer; /* the other end */
};

static void on_end(void *owner, const struct sw_greeting_end *end)
{
    struct world *world = owner;
    assert_false(world->ended);
    world->end = *end;
    world->ended = true;
}

static int set_up(void **state)
{
    struct world *world = sw_zalloc(sizeof(*world));
    struct sw_peer peer = sw_peer_make((const unsigned char[]){127, 0, 0, 1}, 4, 7);
    int fds[2];
    turning_init(&world->turning);
    sw_greetings_init(&world->greetings, world->turning.loop, on_end);
    pair_connect(fds);
    world->fd = fds[0];
    world->peer = fds[1];
    assert_int_equal(sw_greeting_open(&world->greetings, fds[0], &peer, world), 0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    sw_greetings_close(&world->greetings);
    assert_true(world->ended);
    assert_int_equal(world->greetings.count, 0);
    assert_int_equal(world->end.peer.port, 7);
    close(world->end.fd);
    if (world->peer >= 0) {
        close(world->peer);
    }
    turning_deinit(&world->turning);
    sw_free(world);
    return 0;
}

static void say(struct world *world, struct sw_slice bytes)
{
    assert_int_equal(send(world->peer, bytes.data, bytes.size, 0), bytes.size);
}

static void expect_end(struct world *world, enum sw_greeting_outcome outcome)
{
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->ended));
    assert_int_equal(world->end.outcome, outcome);
}

static bool is_taken(void *context)
{
    struct world *world = context;
    int unread = -1;
    sw_loop_stay_awake(world->turning.loop);
    assert_int_equal(ioctl(world->fd, FIONREAD, &unread), 0);
    return unread == 0;
}

static void nothing_behind_the_header_is_read(void **state)
{
    struct world *world = *state;
    char rest[64];
    char text[SW_ADDRESS_TEXT];
    say(world, SW_SLICE(LINE BEHIND));
    expect_end(world, SW_GREETED);
    assert_true(world->end.named);
    assert_string_equal(sw_peer_text(&world->end.client, text), "192.0.2.1:56324");
    ssize_t n = recv(world->end.fd, rest, sizeof(rest), 0);
    assert_int_equal(n, strlen(BEHIND));
    assert_memory_equal(rest, BEHIND, (size_t)n);
}

static void pieces_are_taken_as_they_come(void **state)
{
    struct world *world = *state;
    for (size_t at = 0; at + 1 < sizeof(LINE); at++) {
        assert_false(world->ended);
        say(world, sw_slice(LINE + at, 1));
        assert_true(turning_until(&world->turning, 5000, is_taken, world));
    }
    assert_true(world->ended);
    assert_int_equal(world->end.outcome, SW_GREETED);
    assert_int_equal(world->end.fd, world->fd);
}

static void what_is_no_header_ends_it(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE(BEHIND));
    expect_end(world, SW_GREETING_BAD);
    assert_string_equal(world->end.why, "what comes first is none");
}

static void an_end_in_its_midst_is_told_from_one_before_it(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE("PROXY TCP4 192."));
    shutdown(world->peer, SHUT_WR);
    expect_end(world, SW_GREETING_BAD);
    assert_string_equal(world->end.why, "it ended in its midst");
}

static void who_leaves_without_a_word_is_no_fault(void **state)
{
    struct world *world = *state;
    close(world->peer);
    world->peer = -1;
    expect_end(world, SW_GREETING_LEFT);
}

static void a_reset_ends_it(void **state)
{
    struct world *world = *state;
    struct linger at_once = {.l_onoff = 1};
    say(world, SW_SLICE("PROXY"));
    setsockopt(world->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(world->peer);
    world->peer = -1;
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->ended));
    assert_int_not_equal(world->end.outcome, SW_GREETED);
}

static void an_end_behind_a_whole_header_is_for_the_next(void **state)
{
    struct world *world = *state;
    say(world, SW_SLICE(LINE));
    shutdown(world->peer, SHUT_WR);
    expect_end(world, SW_GREETED);
    char byte;
    assert_int_equal(recv(world->end.fd, &byte, 1, 0), 0);
}

static void all_can_be_closed_at_once(void **state)
{
    struct world *world = *state;
    sw_greetings_close(&world->greetings);
    assert_true(world->ended);
    assert_int_equal(world->end.outcome, SW_GREETING_LEFT);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(nothing_behind_the_header_is_read),
        ROW(pieces_are_taken_as_they_come),
        ROW(what_is_no_header_ends_it),
        ROW(an_end_in_its_midst_is_told_from_one_before_it),
        ROW(who_leaves_without_a_word_is_no_fault),
        ROW(a_reset_ends_it),
        ROW(an_end_behind_a_whole_header_is_for_the_next),
        ROW(all_can_be_closed_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
