// SPDX-License-Identifier: Apache-2.0
#include "turning.h"

#include "net/work.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>

#define PIECES 2000u

static struct turning turning;
static pthread_t loop_thread;

struct owner {
    struct sw_crew crew;
    unsigned came_back;
    unsigned wanted;
};

struct piece {
    struct sw_work work;
    sem_t *gate; /* not run before; NULL: at once */
    unsigned number;
    unsigned square;
    int nice;
    bool beside; /* it ran on another thread */
    bool lost;   /* it came back to nobody */
    bool back;
};

static void run(struct sw_work *work)
{
    struct piece *piece = SW_CONTAINER_OF(work, struct piece, work);
    if (piece->gate) {
        sem_wait(piece->gate);
    }
    piece->square = piece->number * piece->number;
    piece->nice = getpriority(PRIO_PROCESS, 0);
    piece->beside = !pthread_equal(pthread_self(), loop_thread);
}

static void done(struct sw_work *work, void *context)
{
    struct piece *piece = SW_CONTAINER_OF(work, struct piece, work);
    struct owner *owner = context;
    assert_true(pthread_equal(pthread_self(), loop_thread));
    assert_false(piece->back);
    piece->back = true;
    piece->lost = !owner;
    if (owner) {
        owner->came_back++;
    }
}

static bool all_back(void *context)
{
    const struct owner *owner = context;
    return owner->came_back == owner->wanted;
}

static void send(struct owner *owner, struct piece *piece)
{
    piece->work = (struct sw_work){.run = run, .done = done};
    owner->wanted++;
    sw_crew_run(&owner->crew, &piece->work);
}

static int set_up(void **state)
{
    (void)state;
    loop_thread = pthread_self();
    turning_init(&turning);
    return 0;
}

static void work_runs_beside_the_loop_and_comes_back_to_it(void **state)
{
    (void)state;
    struct owner owner = {0};
    struct piece *pieces = sw_zalloc(PIECES * sizeof(*pieces));
    sw_crew_init(&owner.crew, turning.loop, &owner);
    for (unsigned i = 0; i < PIECES; i++) {
        pieces[i].number = i;
        send(&owner, &pieces[i]);
    }
    assert_true(turning_until(&turning, 20000, all_back, &owner));
    for (unsigned i = 0; i < PIECES; i++) {
        assert_int_equal(pieces[i].square, i * i);
        assert_true(pieces[i].beside && !pieces[i].lost);
    }
    sw_crew_deinit(&owner.crew);
    turning_deinit(&turning);
    sw_free(pieces);
}

static void its_threads_are_nice_and_the_loop_is_not(void **state)
{
    (void)state;
    struct owner owner = {0};
    struct piece piece = {.number = 1};
    int before = getpriority(PRIO_PROCESS, 0);
    sw_crew_init(&owner.crew, turning.loop, &owner);
    send(&owner, &piece);
    assert_true(turning_until(&turning, 20000, all_back, &owner));
    assert_true(piece.nice >= SW_WORK_NICE);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
    sw_crew_deinit(&owner.crew);
    turning_deinit(&turning);
}

/* More pieces than the pool has threads: some are running, some wait, when their owner ends. */
static void what_is_out_when_its_owner_ends_comes_back_to_nobody(void **state)
{
    (void)state;
    enum { COUNT = 64 };
    struct owner owner = {0};
    struct owner other = {0};
    struct piece pieces[COUNT] = {0};
    struct piece kept = {.number = 3};
    sem_t gate;
    sem_init(&gate, 0, 0);
    sw_crew_init(&owner.crew, turning.loop, &owner);
    sw_crew_init(&other.crew, turning.loop, &other);
    for (unsigned i = 0; i < COUNT; i++) {
        pieces[i] = (struct piece){.gate = &gate, .number = i};
        send(&owner, &pieces[i]);
    }
    send(&other, &kept);
    sw_crew_deinit(&owner.crew);
    for (unsigned i = 0; i < COUNT; i++) {
        sem_post(&gate);
    }
    assert_true(turning_until(&turning, 20000, all_back, &other));
    assert_true(kept.square == 9 && !kept.lost);
    sw_crew_deinit(&other.crew);
    turning_deinit(&turning);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_true(pieces[i].back && pieces[i].lost);
    }
    assert_int_equal(owner.came_back, 0);
    sem_destroy(&gate);
}

/* The loop's own end waits for what runs: nothing comes back to a loop that is gone. */
static void a_loop_ends_behind_the_work_that_is_out(void **state)
{
    (void)state;
    struct owner owner = {0};
    struct piece pieces[16] = {0};
    sw_crew_init(&owner.crew, turning.loop, &owner);
    for (unsigned i = 0; i < 16; i++) {
        send(&owner, &pieces[i]);
    }
    sw_crew_deinit(&owner.crew);
    turning_deinit(&turning);
    for (unsigned i = 0; i < 16; i++) {
        assert_true(pieces[i].back && pieces[i].lost);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(work_runs_beside_the_loop_and_comes_back_to_it, set_up),
        cmocka_unit_test_setup(its_threads_are_nice_and_the_loop_is_not, set_up),
        cmocka_unit_test_setup(what_is_out_when_its_owner_ends_comes_back_to_nobody, set_up),
        cmocka_unit_test_setup(a_loop_ends_behind_the_work_that_is_out, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
