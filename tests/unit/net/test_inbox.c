// SPDX-License-Identifier: Apache-2.0
#include "turning.h"

#include "core/limits.h"
#include "net/inbox.h"

#include <pthread.h>

#define PRODUCERS 4
#define POSTS     20000u

struct letter {
    struct sw_post post;
    unsigned producer;
    unsigned number;
};

/* One consumer; each test has its own. */
struct role {
    struct turning turning;
    struct sw_turn turn;
    struct sw_inbox inbox;
    unsigned next[PRODUCERS];
    unsigned taken;
    unsigned wanted;
    unsigned most_per_turn;
    bool chatty; /* posts to itself from on_post */
};

static void post(struct role *role, unsigned producer, unsigned number)
{
    struct letter *letter = malloc(sizeof(*letter));
    *letter = (struct letter){.post.bytes = 10, .producer = producer, .number = number};
    sw_inbox_post(&role->inbox, &letter->post);
}

static void on_post(void *owner, struct sw_post *taken)
{
    struct role *role = owner;
    struct letter *letter = SW_CONTAINER_OF(taken, struct letter, post);
    assert_int_equal(letter->number, role->next[letter->producer]);
    role->next[letter->producer]++;
    role->taken++;
    if (role->chatty && role->taken < role->wanted) {
        post(role, letter->producer, role->next[letter->producer]);
    }
    free(letter);
}

static void drain(void *owner)
{
    struct role *role = owner;
    unsigned before = role->taken;
    bool more = sw_inbox_drain(&role->inbox);
    unsigned taken = role->taken - before;
    assert_true(!more || taken == SW_POSTS_PER_TURN);
    if (taken > role->most_per_turn) {
        role->most_per_turn = taken;
    }
}

static bool has_all(void *context)
{
    struct role *role = context;
    return role->taken == role->wanted;
}

static void role_init(struct role *role, unsigned wanted)
{
    memset(role, 0, sizeof(*role));
    role->wanted = wanted;
    turning_init(&role->turning);
    role->turn = (struct sw_turn){.run = drain, .owner = role};
    sw_loop_add_turn(role->turning.loop, &role->turn);
    assert_int_equal(sw_inbox_init(&role->inbox, role->turning.loop, on_post, role), 0);
}

static void role_deinit(struct role *role)
{
    sw_inbox_deinit(&role->inbox);
    turning_deinit(&role->turning);
}

struct producer {
    pthread_t thread;
    struct role *role;
    unsigned number;
};

static void *produce(void *context)
{
    struct producer *producer = context;
    for (unsigned i = 0; i < POSTS; i++) {
        post(producer->role, producer->number, i);
    }
    return NULL;
}

static void each_of_four_producers_is_heard_in_its_order(void **state)
{
    (void)state;
    struct role role;
    role_init(&role, PRODUCERS * POSTS);
    struct producer producers[PRODUCERS];
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){.role = &role, .number = i};
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    assert_true(turning_until(&role.turning, 60000, has_all, &role));
    for (unsigned i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
    }
    assert_true(role.most_per_turn <= SW_POSTS_PER_TURN);
    assert_int_equal(sw_inbox_bytes(&role.inbox), 0);
    role_deinit(&role);
}

static void *post_after_a_while(void *context)
{
    struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    nanosleep(&pause, NULL);
    post(context, 0, 0);
    return NULL;
}

static void post_of_another_thread_wakes_a_sleeping_loop(void **state)
{
    (void)state;
    struct role role;
    role_init(&role, 1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_after_a_while, &role), 0);
    assert_true(turning_until(&role.turning, 5000, has_all, &role));
    pthread_join(thread, NULL);
    role_deinit(&role);
}

struct self_poster {
    struct sw_timer timer;
    struct role *role;
};

static void on_timer(struct sw_timer *timer)
{
    post(SW_CONTAINER_OF(timer, struct self_poster, timer)->role, 0, 0);
}

static void post_to_oneself_from_a_callback_is_drained_in_the_same_turn(void **state)
{
    (void)state;
    struct role role;
    role_init(&role, 1);
    struct self_poster poster = {.role = &role};
    sw_timer_init(&poster.timer, on_timer);
    sw_loop_timer_start(role.turning.loop, &poster.timer, 30);
    assert_true(turning_until(&role.turning, 5000, has_all, &role));
    role_deinit(&role);
}

/* Posted by on_post itself: some of it behind the drain of that turn, without any wake-up. */
static void posts_to_oneself_from_on_post_keep_the_loop_awake(void **state)
{
    (void)state;
    struct role role;
    role_init(&role, 5 * SW_POSTS_PER_TURN);
    role.chatty = true;
    post(&role, 0, 0);
    assert_true(turning_until(&role.turning, 5000, has_all, &role));
    assert_int_equal(role.most_per_turn, SW_POSTS_PER_TURN);
    role_deinit(&role);
}

static void bytes_wait_until_their_post_is_taken(void **state)
{
    (void)state;
    struct role role;
    role_init(&role, 3);
    for (unsigned i = 0; i < 3; i++) {
        post(&role, 0, i);
    }
    assert_int_equal(sw_inbox_bytes(&role.inbox), 30);
    assert_false(sw_inbox_drain(&role.inbox));
    assert_int_equal(sw_inbox_bytes(&role.inbox), 0);
    role_deinit(&role);
}

static void deinit_hands_over_what_is_left(void **state)
{
    (void)state;
    struct role role;
    role_init(&role, 3);
    for (unsigned i = 0; i < 3; i++) {
        post(&role, 0, i);
    }
    role_deinit(&role);
    assert_int_equal(role.taken, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_four_producers_is_heard_in_its_order),
        cmocka_unit_test(post_of_another_thread_wakes_a_sleeping_loop),
        cmocka_unit_test(post_to_oneself_from_a_callback_is_drained_in_the_same_turn),
        cmocka_unit_test(posts_to_oneself_from_on_post_keep_the_loop_awake),
        cmocka_unit_test(bytes_wait_until_their_post_is_taken),
        cmocka_unit_test(deinit_hands_over_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
