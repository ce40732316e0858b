// SPDX-License-Identifier: Apache-2.0
#include "turning.h"

#include "core/limits.h"
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

static struct turning turning;

static int set_up(void **state)
{
    (void)state;
    turning_init(&turning);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    turning_deinit(&turning);
    return 0;
}

struct door {
    struct sw_listener *listener;
    int fds[256];
    size_t count;
    size_t wanted;
    size_t most_per_turn;
    uint64_t turn;
    size_t in_turn;
    bool close_at_first;
};

static void on_accept(void *owner, int fd, const struct sw_address *peer)
{
    struct door *door = owner;
    assert_true(sw_address_is_loopback(peer));
    if (sw_loop_turns(turning.loop) != door->turn) {
        door->turn = sw_loop_turns(turning.loop);
        door->in_turn = 0;
    }
    door->in_turn++;
    if (door->in_turn > door->most_per_turn) {
        door->most_per_turn = door->in_turn;
    }
    door->fds[door->count++] = fd;
    if (door->close_at_first) {
        door->close_at_first = false;
        sw_listener_close(&door->listener);
    }
}

static bool has_all(void *context)
{
    struct door *door = context;
    return door->count >= door->wanted;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        close(fds[i]);
    }
}

static struct sw_address claim(const char *text, int *fd)
{
    struct sw_address address;
    assert_int_equal(sw_address_parse(sw_slice_of(text), &address), 0);
    assert_int_equal(sw_listener_claim(&address, fd), 0);
    assert_int_not_equal(sw_address_port(&address), 0);
    return address;
}

static struct sw_address open_door(struct door *door)
{
    int claimed = -1;
    struct sw_address address = claim("127.0.0.1:0", &claimed);
    assert_int_equal(
        sw_listener_open(&door->listener, turning.loop, &address, 30000, on_accept, door), 0);
    close(claimed);
    return address;
}

static int connect_to(const struct sw_address *address)
{
    int fd = socket(address->u.any.sa_family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &address->u.any, address->size), 0);
    return fd;
}

static void claim_finds_a_taken_port_and_lets_our_own_in(void **state)
{
    (void)state;
    static const char *const texts[] = {"127.0.0.1:0", "[::1]:0"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(texts); i++) {
        int claimed = -1;
        struct sw_address address = claim(texts[i], &claimed);
        struct door doors[2] = {{0}};
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(sw_listener_open(&doors[k].listener, turning.loop, &address, 0,
                                              on_accept, &doors[k]),
                             0);
        }
        close(claimed);
        int second = -1;
        struct sw_address same = address;
        assert_int_equal(sw_listener_claim(&same, &second), -EADDRINUSE);
        sw_listener_close(&doors[0].listener);
        assert_null(doors[0].listener);
        assert_int_equal(sw_listener_claim(&same, &second), -EADDRINUSE);
        sw_listener_close(&doors[1].listener);
        assert_int_equal(sw_listener_claim(&same, &second), 0);
        close(second);
    }
    sw_listener_close(&(struct sw_listener *){NULL});
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);
    assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

static void accepted_connections_inherit_their_options(void **state)
{
    (void)state;
    struct door door = {.wanted = 1};
    struct sw_address address = open_door(&door);
    int client = connect_to(&address);
    assert_true(turning_until(&turning, 5000, has_all, &door));
    int fd = door.fds[0];
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), SW_NOTSENT_LOWAT);
    assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 6);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    close(client);
    sw_listener_close(&door.listener);
}

static void storm_is_accepted_in_slices(void **state)
{
    (void)state;
    struct door door = {.wanted = 200};
    struct sw_address address = open_door(&door);
    int clients[200];
    for (size_t i = 0; i < 200; i++) {
        clients[i] = connect_to(&address);
    }
    assert_true(turning_until(&turning, 5000, has_all, &door));
    assert_int_equal(door.most_per_turn, SW_ACCEPTS_PER_TURN);
    close_all(door.fds, door.count);
    close_all(clients, 200);
    sw_listener_close(&door.listener);
}

static void close_accepts_the_backlog_first(void **state)
{
    (void)state;
    struct door door = {0};
    struct sw_address address = open_door(&door);
    int clients[100];
    for (size_t i = 0; i < 100; i++) {
        clients[i] = connect_to(&address);
    }
    sw_listener_close(&door.listener);
    assert_int_equal(door.count, 100);
    int refused = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(refused, &address.u.any, address.size), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(refused);
    close_all(door.fds, door.count);
    close_all(clients, 100);
}

/* Begins to connect, and does not wait. */
static int knock(const struct sw_address *address)
{
    int fd = socket(address->u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &address->u.any, address->size), -1);
    assert_int_equal(errno, EINPROGRESS);
    return fd;
}

static bool answered(int fd, int within_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    return poll(&wait, 1, within_ms) > 0;
}

static void after_stop_nobody_begins_and_who_has_begun_is_accepted(void **state)
{
    (void)state;
    static const char *const texts[] = {"127.0.0.1:0", "[::1]:0"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(texts); i++) {
        struct door door = {.wanted = 1};
        int claimed = -1;
        struct sw_address address = claim(texts[i], &claimed);
        assert_int_equal(
            sw_listener_open(&door.listener, turning.loop, &address, 0, on_accept, &door), 0);
        close(claimed);
        int early = connect_to(&address);
        sw_listener_stop(door.listener);
        int late = knock(&address);
        assert_true(turning_until(&turning, 5000, has_all, &door));
        turning_for(&turning, 100);
        assert_false(answered(late, 0));
        assert_int_equal(door.count, 1);
        assert_int_equal(send(door.fds[0], "served", 6, MSG_NOSIGNAL), 6);
        char heard[8];
        assert_int_equal(recv(early, heard, sizeof(heard), 0), 6);
        sw_listener_close(&door.listener);
        assert_int_equal(door.count, 1);
        assert_true(answered(late, 10000)); /* when it asks again */
        assert_int_equal(option(late, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
        close(early);
        close(late);
        close_all(door.fds, door.count);
    }
    sw_listener_stop(NULL);
}

static void listener_may_be_closed_while_it_accepts(void **state)
{
    (void)state;
    struct door door = {.wanted = 10, .close_at_first = true};
    struct sw_address address = open_door(&door);
    int clients[10];
    for (size_t i = 0; i < 10; i++) {
        clients[i] = connect_to(&address);
    }
    assert_true(turning_until(&turning, 5000, has_all, &door));
    assert_int_equal(door.count, 10);
    assert_null(door.listener);
    close_all(door.fds, door.count);
    close_all(clients, 10);
}

/* Takes every descriptor but `spare`. Returns how many. */
static size_t use_up(int *fds, size_t capacity, size_t spare)
{
    size_t count = 0;
    while (count < capacity) {
        int fd = open("/dev/null", O_RDONLY);
        if (fd < 0) {
            break;
        }
        fds[count++] = fd;
    }
    assert_true(count > spare);
    close_all(fds + count - spare, spare);
    return count - spare;
}

static void without_descriptors_guests_are_turned_away_and_later_ones_served(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {.rlim_cur = 128, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct door door = {.wanted = 1};
    struct sw_address address = open_door(&door);
    turning_for(&turning, 20); /* libuv's own descriptors are open now */
    int taken[128];
    size_t count = use_up(taken, 128, 1);
    int client = connect_to(&address); /* the last one */
    struct timeval patience = {.tv_sec = 5};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    turning_for(&turning, 50);
    char byte;
    assert_true(recv(client, &byte, 1, 0) == 0); /* an end, not silence */
    assert_int_equal(door.count, 0);
    close(client);
    close_all(taken, count);
    client = connect_to(&address);
    assert_true(turning_until(&turning, 5000, has_all, &door));
    close(client);
    close_all(door.fds, door.count);
    sw_listener_close(&door.listener);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claim_finds_a_taken_port_and_lets_our_own_in),
        cmocka_unit_test(accepted_connections_inherit_their_options),
        cmocka_unit_test(storm_is_accepted_in_slices),
        cmocka_unit_test(close_accepts_the_backlog_first),
        cmocka_unit_test(after_stop_nobody_begins_and_who_has_begun_is_accepted),
        cmocka_unit_test(listener_may_be_closed_while_it_accepts),
        cmocka_unit_test(without_descriptors_guests_are_turned_away_and_later_ones_served),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
