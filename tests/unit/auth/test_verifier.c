// SPDX-License-Identifier: Apache-2.0
/* When a token is verified at once and when beside the loop; and who may publish. */
#include "mint.h"

#include "tests/unit/net/turning.h"

#include "auth/keyring.h"
#include "auth/permit.h"
#include "auth/verifier.h"
#include "common/log.h"

#define CLAIMS "{\"exp\":4102444800,\"sub\":\"ann\"}"
#define ASIDE  300u

struct world {
    struct turning turning;
    struct sw_counters counters;
    struct sw_verifier verifier;
    struct sw_buf token;
    struct sw_buf forged;
    unsigned verdicts;
    unsigned good;
    unsigned wanted;
    uint64_t askers;  /* their sum */
    unsigned at_once; /* in this turn */
    unsigned most;
    unsigned turns;
    struct sw_turn turn;
};

static void on_verdict(void *owner, uint64_t asker, struct sw_verdict verdict)
{
    struct world *world = owner;
    world->verdicts++;
    world->good += verdict.verdict == SW_TOKEN_GOOD;
    world->askers += asker;
    assert_int_equal(verdict.identity != NULL, verdict.verdict == SW_TOKEN_GOOD);
    sw_identity_destroy(&verdict.identity);
}

static bool all_came(void *context)
{
    const struct world *world = context;
    return world->verdicts == world->wanted;
}

static int set_up(void **state)
{
    struct world *world = sw_zalloc(sizeof(*world));
    sw_log_configure(SW_LOG_ERROR, SW_LOG_TEXT);
    turning_init(&world->turning);
    struct sw_keyring *keys =
        KEYRING(.secret_file = secret_file(), .key_files = FILES(pair_file(P256)));
    sw_verifier_init(&world->verifier, keys, world->turning.loop, &world->counters, on_verdict,
                     world);
    sw_keyring_unref(&keys);
    world->token = mint_by_pair("{\"alg\":\"ES256\",\"kid\":\"p256\"}", CLAIMS, "ES256", P256);
    world->forged =
        mint_by_pair("{\"alg\":\"ES256\",\"kid\":\"p256\"}", CLAIMS, "ES256", OTHER_P256);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    sw_verifier_deinit(&world->verifier);
    turning_deinit(&world->turning);
    sw_buf_deinit(&world->token);
    sw_buf_deinit(&world->forged);
    sw_free(world);
    return 0;
}

static bool try_token(struct world *world, const struct sw_buf *token,
                      enum sw_token_verdict *verdict)
{
    struct sw_verdict at_once;
    bool done = sw_verifier_try_alone(&world->verifier, sw_buf_slice(token), &at_once);
    *verdict = at_once.verdict;
    assert_true(done || !at_once.identity);
    sw_identity_destroy(&at_once.identity);
    return done;
}

static bool has_turned(void *context)
{
    struct world *world = context;
    sw_loop_stay_awake(world->turning.loop);
    return world->turns >= 10;
}

/* As much as fits, and once more. */
static void use_up(void *owner)
{
    struct world *world = owner;
    enum sw_token_verdict verdict;
    unsigned count = 0;
    while (try_token(world, &world->token, &verdict)) {
        assert_int_equal(verdict, SW_TOKEN_GOOD);
        count++;
    }
    assert_false(try_token(world, &world->token, &verdict));
    world->most = count > world->most ? count : world->most;
    assert_true(count >= 1);
    world->turns++;
}

static void a_turn_verifies_for_its_share_of_time(void **state)
{
    struct world *world = *state;
    uint64_t cost_ns = sw_token_cost_ns(world->verifier.keys, sw_buf_slice(&world->token));
    world->turn = (struct sw_turn){.run = use_up, .owner = world};
    sw_loop_add_turn(world->turning.loop, &world->turn);
    assert_true(turning_until(&world->turning, 20000, has_turned, world));
    uint64_t fits = SW_VERIFY_BUDGET_NS / cost_ns;
    assert_int_equal(world->most, fits ? fits : 1);
    int64_t counted = sw_counter_read(&world->counters.tokens_total[SW_OUTCOME_GOOD]);
    assert_int_equal(counted, world->turns * world->most);
    assert_int_equal(sw_counter_read(&world->counters.tokens_aside_total), 0);
}

/* Said, not measured: how dear a key is depends on the machine. */
static void a_token_dearer_than_the_share_is_taken_only_for_who_cannot_go_aside(void **state)
{
    struct world *world = *state;
    struct sw_keyring *keys = world->verifier.keys;
    struct sw_verdict verdict;
    for (uint32_t i = 0; i < keys->count; i++) {
        keys->keys[i].cost_ns = SW_VERIFY_BUDGET_NS + 1;
    }
    assert_false(sw_verifier_try(&world->verifier, sw_buf_slice(&world->token), &verdict));
    assert_false(sw_verifier_try(&world->verifier, sw_buf_slice(&world->token), &verdict));
    assert_null(verdict.identity);
    assert_true(sw_verifier_try_alone(&world->verifier, sw_buf_slice(&world->token), &verdict));
    assert_int_equal(verdict.verdict, SW_TOKEN_GOOD);
    sw_identity_destroy(&verdict.identity);
    assert_false(sw_verifier_try_alone(&world->verifier, sw_buf_slice(&world->token), &verdict));
}

static void what_is_verified_beside_the_loop_comes_back_to_who_asked(void **state)
{
    struct world *world = *state;
    uint64_t askers = 0;
    for (unsigned i = 0; i < ASIDE; i++) {
        const struct sw_buf *token = i % 3 ? &world->token : &world->forged;
        askers += (uint64_t)i << 32;
        sw_verifier_aside(&world->verifier, sw_buf_slice(token), (uint64_t)i << 32);
    }
    assert_int_equal(world->verifier.out, ASIDE);
    world->wanted = ASIDE;
    assert_true(turning_until(&world->turning, 20000, all_came, world));
    assert_int_equal(world->good, ASIDE / 3 * 2);
    assert_int_equal(world->askers, askers);
    assert_int_equal(world->verifier.out, 0);
    const _Atomic int64_t *total = world->counters.tokens_total;
    assert_int_equal(sw_counter_read(&total[SW_OUTCOME_GOOD]), ASIDE / 3 * 2);
    assert_int_equal(sw_counter_read(&total[SW_OUTCOME_BAD_SIGNATURE]), ASIDE / 3);
    assert_int_equal(sw_counter_read(&world->counters.tokens_aside_total), ASIDE);
}

static void as_many_are_out_as_there_may_be(void **state)
{
    struct world *world = *state;
    struct sw_buf large = {0};
    memset(sw_buf_reserve(&large, SW_TOKEN_BYTES + 1), 'x', SW_TOKEN_BYTES + 1);
    large.size = SW_TOKEN_BYTES + 1;
    while (!sw_verifier_full(&world->verifier)) {
        sw_verifier_aside(&world->verifier, sw_buf_slice(&large), 1);
    }
    assert_int_equal(world->verifier.out, SW_VERIFYING);
    world->wanted = SW_VERIFYING;
    assert_true(turning_until(&world->turning, 20000, all_came, world));
    assert_int_equal(sw_counter_read(&world->counters.tokens_total[SW_OUTCOME_TOO_LARGE]),
                     SW_VERIFYING);
    assert_false(sw_verifier_full(&world->verifier));
    sw_buf_deinit(&large);
}

/* The identities are freed, too: the leak sanitizer looks. */
static void what_is_out_when_a_worker_ends_comes_back_to_nobody(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < 64; i++) {
        sw_verifier_aside(&world->verifier, sw_buf_slice(&world->token), i);
    }
}

static void what_is_out_goes_on_with_the_keys_it_began_with(void **state)
{
    struct world *world = *state;
    struct sw_keyring *other =
        KEYRING(.key_files = FILES(pem_file("p256.pem", pairs[OTHER_P256], false)));
    enum sw_token_verdict verdict;
    sw_verifier_aside(&world->verifier, sw_buf_slice(&world->token), 1);
    sw_verifier_set_keys(&world->verifier, other);
    sw_keyring_unref(&other);
    assert_true(try_token(world, &world->token, &verdict));
    assert_int_equal(verdict, SW_TOKEN_BAD_SIGNATURE);
    world->wanted = 1;
    assert_true(turning_until(&world->turning, 20000, all_came, world));
    assert_int_equal(world->good, 1);
}

/* ---- who may publish ---- */

static void rule_grant_and_node_have_their_say(void **state)
{
    (void)state;
    static const char names[] = "\006chat.*\006shut.*";
    const struct sw_grant some = {.pub = {.names = names, .count = 2}};
    const struct sw_grant none = {0};
    const struct {
        const char *topic;
        struct sw_permit permit;
        const char *why; /* NULL: it may */
    } rows[] = {
        {"chat.1", {true, NULL}, NULL},
        {"chat.1", {false, NULL}, "clients may not publish here (--client-publish)"},
        {"chat.1", {true, &some}, NULL},
        {"chat.1.x", {true, &some}, "no grant"},
        {"chat.1", {true, &none}, "no grant"},
        {"chat.1", {false, &some}, "clients may not publish here (--client-publish)"},
        {"open.1", {false, &none}, NULL},
        {"open.1", {true, &none}, NULL},
        {"shut.1", {true, &some}, "clients may not publish to this topic"},
        {"shut.1", {true, NULL}, "clients may not publish to this topic"},
    };
    struct sw_rules rules;
    sw_rules_init(&rules);
    struct sw_rule rule = rules.rows[0];
    rule.match = SW_SLICE("shut.>");
    rule.client_publish = 0;
    assert_true(sw_rules_add(&rules, &rule));
    assert_true(sw_permit_any(&(struct sw_permit){true, NULL}, &rules));
    assert_true(sw_permit_any(&(struct sw_permit){true, &some}, &rules));
    assert_false(sw_permit_any(&(struct sw_permit){true, &none}, &rules));
    assert_false(sw_permit_any(&(struct sw_permit){false, &some}, &rules));
    rule.match = SW_SLICE("open.>");
    rule.client_publish = 1;
    assert_true(sw_rules_add(&rules, &rule));
    assert_true(sw_permit_any(&(struct sw_permit){false, &none}, &rules));
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_slice topic = sw_slice_of(rows[i].topic);
        const char *why = NULL;
        bool may = sw_permit_publish(&rows[i].permit, &rules, sw_rules_find(&rules, topic, false),
                                     topic, &why);
        assert_int_equal(may, rows[i].why == NULL);
        if (!may) {
            assert_string_equal(why, rows[i].why);
        }
    }
    sw_rules_deinit(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_turn_verifies_for_its_share_of_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_token_dearer_than_the_share_is_taken_only_for_who_cannot_go_aside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_verified_beside_the_loop_comes_back_to_who_asked,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(as_many_are_out_as_there_may_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_out_when_a_worker_ends_comes_back_to_nobody, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_out_goes_on_with_the_keys_it_began_with, set_up,
                                        tear_down),
        cmocka_unit_test(rule_grant_and_node_have_their_say),
    };
    return cmocka_run_group_tests(tests, open_mint, close_mint);
}
