// SPDX-License-Identifier: Apache-2.0
#include "turning.h"

#include "net/outgoing.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define EOF_STATUS (-4095) /* UV_EOF */

/* A link and the server that it connects to, which lives in the same thread. */
struct world {
    struct turning turning;
    struct sw_outgoing *outgoing;
    int listener;
    int server;
    uint16_t port;
    bool up;
    bool down;
    int status;
    unsigned ups;
    unsigned downs;
    bool pumps; /* at each turn's end */
    struct sw_turn turn;
    char got[256];
    size_t got_size;
    size_t slices;
    size_t server_got;
    size_t server_wanted;
    enum { GO_ON, STOP, CLOSE, DESTROY } answer;
    bool destroy_in_event;
};

static void on_up(void *owner)
{
    struct world *world = owner;
    assert_true(sw_outgoing_is_up(world->outgoing));
    world->up = true;
    world->ups++;
    if (world->destroy_in_event) {
        sw_outgoing_destroy(&world->outgoing);
    }
}

static void on_down(void *owner, int status)
{
    struct world *world = owner;
    assert_false(sw_outgoing_is_up(world->outgoing));
    world->down = true;
    world->status = status;
    world->downs++;
    if (world->destroy_in_event) {
        sw_outgoing_destroy(&world->outgoing);
    }
}

static const struct sw_outgoing_events events = {on_up, on_down};

static bool on_bytes(void *owner, const char *data, size_t size)
{
    struct world *world = owner;
    assert_true(world->got_size + size <= sizeof(world->got));
    memcpy(world->got + world->got_size, data, size);
    world->got_size += size;
    world->slices++;
    switch (world->answer) {
    case GO_ON:
        return true;
    case STOP:
        return false;
    case CLOSE:
        sw_outgoing_close(world->outgoing);
        return true;
    case DESTROY:
        sw_outgoing_destroy(&world->outgoing);
        return true;
    }
    return true;
}

static void pump(void *owner)
{
    struct world *world = owner;
    if (world->pumps && world->outgoing && sw_outgoing_is_up(world->outgoing)) {
        sw_outgoing_pump(world->outgoing, 1 << 20, 16384, on_bytes);
    }
}

static int set_up(void **state)
{
    struct world *world = sw_zalloc(sizeof(*world));
    turning_init(&world->turning);
    world->turn = (struct sw_turn){.run = pump, .owner = world};
    sw_loop_add_turn(world->turning.loop, &world->turn);
    world->outgoing = sw_outgoing_create(world->turning.loop, &events, world);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(in);
    world->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(world->listener, (struct sockaddr *)&in, size), 0);
    assert_int_equal(getsockname(world->listener, (struct sockaddr *)&in, &size), 0);
    assert_int_equal(listen(world->listener, 8), 0);
    world->port = ntohs(in.sin_port);
    world->server = -1;
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    sw_outgoing_destroy(&world->outgoing);
    close(world->listener);
    if (world->server >= 0) {
        close(world->server);
    }
    turning_deinit(&world->turning);
    sw_free(world);
    return 0;
}

static void come_up(struct world *world)
{
    sw_outgoing_open(world->outgoing, "127.0.0.1", world->port, 5000);
    assert_int_equal(world->ups, 0);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->up));
    world->server = accept4(world->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(world->server >= 0);
}

static void names_and_numbers_connect(void **state)
{
    struct world *world = *state;
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(hosts); i++) {
        world->up = false;
        sw_outgoing_open(world->outgoing, hosts[i], world->port, 5000);
        assert_false(world->up);
        assert_true(turning_until(&world->turning, 6000, turning_is_set, &world->up));
        sw_outgoing_close(world->outgoing);
        sw_outgoing_close(world->outgoing);
        assert_false(sw_outgoing_is_up(world->outgoing));
    }
    assert_int_equal(world->downs, 0);
}

static void refusal_is_told_after_open_has_returned(void **state)
{
    struct world *world = *state;
    close(world->listener);
    world->listener = -1;
    for (unsigned i = 1; i <= 3; i++) {
        world->down = false;
        sw_outgoing_open(world->outgoing, "127.0.0.1", world->port, 5000);
        assert_false(world->down);
        assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->down));
        assert_int_equal(world->status, -ECONNREFUSED);
        assert_int_equal(world->downs, i);
    }
}

/* The backlog of a listener that never accepts is full: SYNs are dropped, as by a host that is
 * gone. */
static void host_that_says_nothing_costs_the_timeout(void **state)
{
    struct world *world = *state;
    assert_int_equal(listen(world->listener, 0), 0);
    int fillers[8];
    for (size_t i = 0; i < SW_ARRAY_SIZE(fillers); i++) {
        struct sockaddr_in in = {.sin_family = AF_INET,
                                 .sin_port = htons(world->port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&in, sizeof(in));
    }
    uint64_t start_ms = sw_loop_now_ms(world->turning.loop);
    sw_outgoing_open(world->outgoing, "127.0.0.1", world->port, 200);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->down));
    assert_int_equal(world->status, -ETIMEDOUT);
    assert_true(sw_loop_now_ms(world->turning.loop) - start_ms >= 200);
    for (size_t i = 0; i < SW_ARRAY_SIZE(fillers); i++) {
        close(fillers[i]);
    }
}

static void unknown_name_is_told(void **state)
{
    struct world *world = *state;
    sw_outgoing_open(world->outgoing, "no-such-host.invalid", world->port, 20000);
    assert_true(turning_until(&world->turning, 25000, turning_is_set, &world->down));
    assert_true(world->status < 0);
    assert_int_equal(world->ups, 0);
}

static void nothing_comes_after_close_or_destroy(void **state)
{
    struct world *world = *state;
    sw_outgoing_open(world->outgoing, "localhost", world->port, 5000);
    sw_outgoing_close(world->outgoing);
    sw_outgoing_open(world->outgoing, "127.0.0.1", world->port, 5000);
    sw_outgoing_close(world->outgoing);
    sw_outgoing_open(world->outgoing, "localhost", world->port, 5000);
    sw_outgoing_destroy(&world->outgoing);
    turning_for(&world->turning, 200);
    assert_int_equal(world->ups + world->downs, 0);
}

static bool got_all(void *context)
{
    return ((struct world *)context)->got_size == 10;
}

static void pump_hands_over_slices_up_to_its_limit(void **state)
{
    struct world *world = *state;
    come_up(world);
    assert_false(sw_outgoing_pump(world->outgoing, 100, 4, on_bytes));
    assert_int_equal(send(world->server, "0123456789", 10, 0), 10);
    turning_for(&world->turning, 20);
    assert_int_equal(world->got_size, 0); /* readiness only wakes */
    assert_true(sw_outgoing_pump(world->outgoing, 8, 4, on_bytes));
    assert_int_equal(world->got_size, 8);
    assert_int_equal(world->slices, 2);
    assert_false(sw_outgoing_pump(world->outgoing, 8, 4, on_bytes));
    assert_memory_equal(world->got, "0123456789", 10);
    assert_int_equal(send(world->server, "abcdefgh", 8, 0), 8);
    world->answer = STOP;
    assert_true(sw_outgoing_pump(world->outgoing, 8, 4, on_bytes));
    assert_int_equal(world->got_size, 14);
}

static void arriving_bytes_wake_the_loop_that_pumps(void **state)
{
    struct world *world = *state;
    come_up(world);
    world->pumps = true;
    assert_int_equal(send(world->server, "0123456789", 10, 0), 10);
    assert_true(turning_until(&world->turning, 5000, got_all, world));
    close(world->server);
    world->server = -1;
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->down));
    assert_int_equal(world->status, EOF_STATUS);
    assert_int_equal(world->downs, 1);
    world->up = false;
    world->ups = 0;
    come_up(world); /* again */
}

static void owner_may_close_or_destroy_in_any_callback(void **state)
{
    struct world *world = *state;
    come_up(world);
    assert_int_equal(send(world->server, "0123", 4, 0), 4);
    turning_for(&world->turning, 20);
    world->answer = CLOSE;
    assert_false(sw_outgoing_pump(world->outgoing, 100, 2, on_bytes));
    assert_int_equal(world->got_size, 2);
    close(world->server);
    world->up = false;
    world->ups = 0;
    come_up(world);
    assert_int_equal(send(world->server, "0123", 4, 0), 4);
    turning_for(&world->turning, 20);
    world->answer = DESTROY;
    assert_false(sw_outgoing_pump(world->outgoing, 100, 2, on_bytes));
    assert_null(world->outgoing);

    world->destroy_in_event = true;
    world->up = false;
    world->outgoing = sw_outgoing_create(world->turning.loop, &events, world);
    sw_outgoing_open(world->outgoing, "localhost", world->port, 5000);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->up));
    assert_null(world->outgoing);
    world->outgoing = sw_outgoing_create(world->turning.loop, &events, world);
    sw_outgoing_open(world->outgoing, "127.0.0.1", 1, 5000);
    assert_true(turning_until(&world->turning, 5000, turning_is_set, &world->down));
    assert_null(world->outgoing);
}

static char pattern(size_t at)
{
    return (char)(at * 31 + at / 251);
}

static bool server_has_all(void *context)
{
    struct world *world = context;
    char buffer[65536];
    ssize_t n;
    while ((n = recv(world->server, buffer, sizeof(buffer), 0)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            assert_int_equal(buffer[i], pattern(world->server_got));
            world->server_got++;
        }
    }
    sw_loop_stay_awake(world->turning.loop);
    return world->server_got >= world->server_wanted;
}

static void writes_arrive_in_order_however_slowly_the_server_reads(void **state)
{
    struct world *world = *state;
    come_up(world);
    size_t size = 12u << 20;
    char *bytes = malloc(size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = pattern(i);
    }
    size_t at = 0;
    for (size_t piece = 1; at < size; piece = piece * 3 + 1) {
        size_t n = piece < size - at ? piece : size - at;
        sw_outgoing_write(world->outgoing, bytes + at, n);
        at += n;
    }
    assert_true(sw_outgoing_unwritten(world->outgoing) > 0);
    free(bytes);
    world->server_wanted = size;
    assert_true(turning_until(&world->turning, 20000, server_has_all, world));
    turning_for(&world->turning, 20);
    assert_int_equal(sw_outgoing_unwritten(world->outgoing), 0);
    assert_int_equal(world->downs, 0);
    uint64_t turns = sw_loop_turns(world->turning.loop);
    turning_for(&world->turning, 100); /* and nobody waits for writability any more */
    assert_true(sw_loop_turns(world->turning.loop) - turns <= 5);
}

static bool write_again(void *context)
{
    struct world *world = context;
    if (!world->down) {
        sw_loop_stay_awake(world->turning.loop);
        sw_outgoing_write(world->outgoing, "x", 1);
        assert_false(world->down); /* never inside the write */
    }
    return world->down;
}

static void writing_into_a_broken_link_brings_it_down_once(void **state)
{
    struct world *world = *state;
    come_up(world);
    struct linger linger = {.l_onoff = 1};
    setsockopt(world->server, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(world->server);
    world->server = -1;
    assert_true(turning_until(&world->turning, 5000, write_again, world));
    assert_true(world->status < 0);
    assert_int_equal(world->downs, 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(names_and_numbers_connect),
        CASE(refusal_is_told_after_open_has_returned),
        CASE(host_that_says_nothing_costs_the_timeout),
        CASE(unknown_name_is_told),
        CASE(nothing_comes_after_close_or_destroy),
        CASE(pump_hands_over_slices_up_to_its_limit),
        CASE(arriving_bytes_wake_the_loop_that_pumps),
        CASE(owner_may_close_or_destroy_in_any_callback),
        CASE(writes_arrive_in_order_however_slowly_the_server_reads),
        CASE(writing_into_a_broken_link_brings_it_down_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
