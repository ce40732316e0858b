// SPDX-License-Identifier: Apache-2.0
/* The files that keys come from, and which key a token is verified by. */
#include "mint.h"

#include "auth/keyring.h"

#include <openssl/x509.h>
#include <pthread.h>
#include <sys/stat.h>

static void refused(struct sw_keyring_config config, const char *path, const char *words)
{
    struct sw_buf error = {0};
    config.separator = '.';
    assert_null(sw_keyring_load(&config, &error));
    const char *said = sw_buf_text(&error);
    if (!strstr(said, words) || !strstr(said, path)) {
        fail_msg("\"%s\" of %s expected, said \"%s\"", words, path, said);
    }
    assert_ptr_equal(strchr(said, '\n'), said + error.size - 1);
    sw_buf_deinit(&error);
}

static void refused_secret(const char *path, const char *words)
{
    refused((struct sw_keyring_config){.secret_file = path}, path, words);
}

static void refused_key(char *path, const char *words)
{
    refused((struct sw_keyring_config){.key_files = FILES(path)}, path, words);
}

/* ---- secrets ---- */

static void a_secret_is_the_file_without_its_newline(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *secret;
    } rows[] = {
        {SECRET "\n", SECRET},
        {SECRET, SECRET},
        {SECRET "\n\n", SECRET "\n"},
        {SECRET " \r\n", SECRET " \r"},
    };
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_keyring *keyring = KEYRING(.secret_file = text_file("other", rows[i].text));
        struct sw_buf token = mint_by_secret("{\"alg\":\"HS256\"}", "{" EXP "}", "HS256",
                                             sw_slice_of(rows[i].secret));
        assert_int_equal(judged(keyring, token, NOW_MS), SW_TOKEN_GOOD);
        sw_keyring_unref(&keyring);
    }
}

static void a_secret_may_be_any_bytes(void **state)
{
    (void)state;
    char secret[64];
    for (size_t i = 0; i < sizeof(secret); i++) {
        secret[i] = (char)(i * 4);
    }
    struct sw_keyring *keyring = KEYRING(.secret_file = file_of("binary", secret, sizeof(secret)));
    struct sw_buf token = mint_by_secret("{\"alg\":\"HS512\"}", "{" EXP "}", "HS512",
                                         sw_slice(secret, sizeof(secret)));
    assert_int_equal(judged(keyring, token, NOW_MS), SW_TOKEN_GOOD);
    sw_keyring_unref(&keyring);
}

static void bad_secrets_are_refused_with_the_fix(void **state)
{
    (void)state;
    refused_secret("/nonexistent/secret", "No such file or directory");
    refused_secret(directory, "it is no regular file");
    refused_secret("/dev/null", "it is no regular file");
    refused_secret(text_file("empty", ""), "it is empty");
    refused_secret(text_file("newline", "\n"), "0 bytes");
    refused_secret(text_file("short", "0123456789abcdef0123456789abcde\n"),
                   "has 31 bytes, at least 32 are needed: make one by openssl rand -hex 32 >");
    refused_secret(pair_file(RSA_PAIR), "holds PEM and no secret");
    char *huge = calloc(1, 65537);
    assert_non_null(huge);
    refused_secret(file_of("huge", huge, 65537), "larger than 64 KB");
    free(huge);
}

static void no_key_at_all_is_refused(void **state)
{
    (void)state;
    refused((struct sw_keyring_config){.secret_file = ""}, "", "a key file is needed");
    refused((struct sw_keyring_config){.key_files = (char *[]){NULL}}, "", "is needed");
}

/* ---- pairs ---- */

static void certificate_of(EVP_PKEY *pair, struct sw_buf *text)
{
    char *data;
    X509 *certificate = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 60);
    X509_set_pubkey(certificate, pair);
    assert_true(X509_sign(certificate, pair, EVP_sha256()) > 0);
    BIO *out = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(out, certificate), 1);
    long size = BIO_get_mem_data(out, &data);
    sw_buf_append(text, data, (size_t)size);
    BIO_free(out);
    X509_free(certificate);
}

static void a_certificate_is_a_key(void **state)
{
    (void)state;
    struct sw_buf text = {0};
    sw_buf_append_slice(&text, SW_SLICE("words before it do not matter\n"));
    certificate_of(pairs[P256], &text);
    struct sw_keyring *keyring =
        KEYRING(.key_files = FILES(file_of("issuer.pem", text.data, text.size)));
    struct sw_buf token =
        mint_by_pair("{\"alg\":\"ES256\",\"kid\":\"issuer\"}", "{" EXP "}", "ES256", P256);
    assert_int_equal(judged(keyring, token, NOW_MS), SW_TOKEN_GOOD);
    sw_keyring_unref(&keyring);
    sw_buf_deinit(&text);
}

static void private_keys_are_refused(void **state)
{
    (void)state;
    for (enum pair i = 0; i < PAIR_COUNT; i++) {
        refused_key(pem_file("private.pem", pairs[i], true), "openssl pkey -in ");
        refused_key(pem_file("private.pem", pairs[i], true), " -pubout -out PUBLIC.pem");
    }
    struct sw_buf text = pem_of(pairs[P256], false);
    struct sw_buf private = pem_of(pairs[P256], true);
    sw_buf_append_slice(&text, sw_buf_slice(&private));
    refused_key(file_of("both.pem", text.data, text.size), "holds a private key");
    sw_buf_clear(&text);
    sw_buf_append_slice(&text, SW_SLICE("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
                                        "-----END EC PARAMETERS-----\n"));
    sw_buf_append_slice(&text, sw_buf_slice(&private));
    refused_key(file_of("both.pem", text.data, text.size), "holds a private key");
    sw_buf_deinit(&text);
    sw_buf_deinit(&private);
    refused_key(text_file("locked.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
                                        "-----END ENCRYPTED PRIVATE KEY-----\n"),
                "holds a private key");
}

static void other_files_are_refused_with_the_fix(void **state)
{
    (void)state;
    refused_key(text_file("no.pem", "no PEM\n"), "openssl pkey -pubin -inform DER");
    refused_key(text_file("cut.pem", "-----BEGIN PUBLIC KEY-----\nMFkw"), "is no PEM file");
    refused_key(text_file("bad.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n"
                                     "-----END PUBLIC KEY-----\n"),
                "is damaged");
    refused_key(text_file("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"
                                     "-----END CERTIFICATE-----\n"),
                "is damaged");
    refused_key(text_file("old.pem", "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n"
                                     "-----END RSA PUBLIC KEY-----\n"),
                "holds a RSA PUBLIC KEY; what is needed is a PUBLIC KEY or a CERTIFICATE");
    refused_key(text_file("empty.pem", ""), "it is empty");
    char missing[] = "/nonexistent/key.pem";
    refused_key(missing, "No such file or directory");
    struct sw_buf twice = pem_of(pairs[P256], false);
    struct sw_buf second = pem_of(pairs[OTHER_P256], false);
    sw_buf_append_slice(&twice, sw_buf_slice(&second));
    refused_key(file_of("two.pem", twice.data, twice.size), "give each a file of its own");
    sw_buf_deinit(&twice);
    sw_buf_deinit(&second);
    refused_key(pem_file(".pem", pairs[P256], false), "has no name before .pem");
}

static void other_kinds_are_refused(void **state)
{
    (void)state;
    EVP_PKEY *small = EVP_RSA_gen(1024);
    EVP_PKEY *curve = EVP_EC_gen("secp256k1");
    EVP_PKEY *exchange = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    refused_key(pem_file("small.pem", small, false), "has 1024 bits, at least 2048 are needed");
    refused_key(pem_file("curve.pem", curve, false), "P-256, P-384 and P-521");
    refused_key(pem_file("exchange.pem", exchange, false), "no token is signed with a key like");
    EVP_PKEY_free(small);
    EVP_PKEY_free(curve);
    EVP_PKEY_free(exchange);
}

static void a_fifo_does_not_block(void **state)
{
    (void)state;
    char *path = text_file("fifo.pem", "x");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    refused_key(path, "it is no regular file");
}

/* ---- kids ---- */

static void one_kid_is_one_key(void **state)
{
    (void)state;
    char *first = pair_file(P256);
    refused((struct sw_keyring_config){.key_files = FILES(first, first)}, first,
            "a second key is called p256");
    char *bare = pem_file("p256", pairs[OTHER_P256], false);
    refused((struct sw_keyring_config){.key_files = FILES(first, bare)}, bare,
            "a second key is called p256");
}

static void keys_are_changed_by_kid(void **state)
{
    (void)state;
    struct sw_keyring *old = KEYRING(.key_files = FILES(pair_file(P256)));
    struct sw_keyring *both = KEYRING(.key_files = FILES(pair_file(P256), pair_file(OTHER_P256)));
    struct sw_keyring *new = KEYRING(.key_files = FILES(pair_file(OTHER_P256)));
    static const char header[] = "{\"alg\":\"ES256\",\"kid\":\"other-p256\"}";
    static const char former[] = "{\"alg\":\"ES256\",\"kid\":\"p256\"}";
    assert_int_equal(judged(old, mint_by_pair(header, "{" EXP "}", "ES256", OTHER_P256), NOW_MS),
                     SW_TOKEN_NO_KEY);
    assert_int_equal(judged(both, mint_by_pair(header, "{" EXP "}", "ES256", OTHER_P256), NOW_MS),
                     SW_TOKEN_GOOD);
    assert_int_equal(judged(both, mint_by_pair(former, "{" EXP "}", "ES256", P256), NOW_MS),
                     SW_TOKEN_GOOD);
    assert_int_equal(judged(both, mint_by_pair(header, "{" EXP "}", "ES256", P256), NOW_MS),
                     SW_TOKEN_BAD_SIGNATURE);
    assert_int_equal(judged(new, mint_by_pair(former, "{" EXP "}", "ES256", P256), NOW_MS),
                     SW_TOKEN_NO_KEY);
    sw_keyring_unref(&old);
    sw_keyring_unref(&both);
    sw_keyring_unref(&new);
}

static void without_a_kid_few_keys_are_tried(void **state)
{
    (void)state;
    char *files[6];
    for (size_t i = 0; i < SW_ARRAY_SIZE(files) - 1; i++) {
        char name[16];
        snprintf(name, sizeof(name), "k%zu.pem", i);
        /* The one that it was signed by is the fourth, then the fifth. */
        files[i] = pem_file(name, pairs[i == 3 ? P256 : OTHER_P256], false);
    }
    files[5] = NULL;
    struct sw_keyring *fourth = KEYRING(.key_files = files);
    files[3] = pem_file("k3.pem", pairs[OTHER_P256], false);
    files[4] = pem_file("k4.pem", pairs[P256], false);
    struct sw_keyring *fifth = KEYRING(.key_files = files);
    struct sw_buf token = mint_by_pair("{\"alg\":\"ES256\"}", "{" EXP "}", "ES256", P256);
    const struct sw_key *keys[SW_KEY_TRIES];
    assert_int_equal(sw_keyring_choose(fifth, sw_slice(NULL, 0), SW_ES256, keys), SW_KEY_TRIES);
    assert_int_equal(judged(fourth, token, NOW_MS), SW_TOKEN_GOOD);
    token = mint_by_pair("{\"alg\":\"ES256\"}", "{" EXP "}", "ES256", P256);
    assert_int_equal(judged(fifth, token, NOW_MS), SW_TOKEN_BAD_SIGNATURE);
    token = mint_by_pair("{\"alg\":\"ES256\",\"kid\":\"k4\"}", "{" EXP "}", "ES256", P256);
    assert_int_equal(judged(fifth, token, NOW_MS), SW_TOKEN_GOOD);
    sw_keyring_unref(&fourth);
    sw_keyring_unref(&fifth);
}

static void the_number_of_keys_is_bounded(void **state)
{
    (void)state;
    char *files[SW_KEYS + 2];
    for (size_t i = 0; i < SW_KEYS + 1; i++) {
        files[i] = directory;
    }
    files[SW_KEYS + 1] = NULL;
    refused((struct sw_keyring_config){.key_files = files}, "", "65 key files are more than 64");
}

/* ---- costs ---- */

static void a_token_costs_what_its_keys_do(void **state)
{
    (void)state;
    struct sw_keyring *keyring =
        KEYRING(.secret_file = secret_file(),
                .key_files = FILES(pair_file(P256), pair_file(OTHER_P256)));
    uint64_t first = keyring->keys[1].cost_ns;
    uint64_t second = keyring->keys[2].cost_ns;
    static const struct {
        const char *header;
        bool secret;
        bool first;
        bool second;
    } rows[] = {
        {"{\"alg\":\"ES256\",\"kid\":\"p256\"}", false, true, false},
        {"{\"alg\":\"ES256\",\"kid\":\"other-p256\"}", false, false, true},
        {"{\"alg\":\"ES256\"}", false, true, true},
        {"{\"alg\":\"HS256\"}", true, false, false},
        {"{\"alg\":\"ES256\",\"kid\":\"unknown\"}", false, false, false},
        {"{\"alg\":\"ES384\",\"kid\":\"p256\"}", false, false, false},
        {"{\"alg\":\"none\"}", false, false, false},
        {"{\"alg\":\"ES256\",\"crit\":[]}", false, false, false},
    };
    assert_true(first > 0 && second > 0 && keyring->keys[0].cost_ns > 0);
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_buf token = mint_by_pair(rows[i].header, "{" EXP "}", "ES256", P256);
        uint64_t expected = (rows[i].secret ? keyring->keys[0].cost_ns : 0) +
                            (rows[i].first ? first : 0) + (rows[i].second ? second : 0);
        assert_int_equal(sw_token_cost_ns(keyring, sw_buf_slice(&token)), expected);
        sw_buf_deinit(&token);
    }
    assert_int_equal(sw_token_cost_ns(keyring, SW_SLICE("no token")), 0);
    sw_keyring_unref(&keyring);
}

static void a_keyring_lives_until_its_last_owner_lets_go(void **state)
{
    (void)state;
    struct sw_keyring *keyring = KEYRING(.secret_file = secret_file());
    struct sw_keyring *second = sw_keyring_ref(keyring);
    assert_ptr_equal(second, keyring);
    sw_keyring_unref(&keyring);
    assert_null(keyring);
    assert_int_equal(judged(second, mint("{" EXP "}"), NOW_MS), SW_TOKEN_GOOD);
    sw_keyring_unref(&second);
    sw_keyring_unref(&second);
}

/* ---- threads ---- */

#define THREADS 4

struct bearer {
    struct sw_keyring *keyring; /* an owner of its own */
    struct sw_buf tokens[3];
    bool good;
};

static void *verify_often(void *argument)
{
    struct bearer *bearer = argument;
    bearer->good = true;
    for (size_t i = 0; i < 60; i++) {
        struct sw_identity *identity;
        struct sw_slice token = sw_buf_slice(&bearer->tokens[i % 3]);
        bearer->good &= sw_token_verify(bearer->keyring, token, NOW_MS, &identity) == SW_TOKEN_GOOD;
        sw_identity_destroy(&identity);
    }
    sw_keyring_unref(&bearer->keyring);
    return NULL;
}

static void threads_share_a_keyring(void **state)
{
    (void)state;
    struct bearer bearers[THREADS];
    pthread_t threads[THREADS];
    struct sw_keyring *keyring =
        KEYRING(.secret_file = secret_file(),
                .key_files = FILES(pair_file(RSA_PAIR), pair_file(ED25519)));
    for (size_t i = 0; i < THREADS; i++) {
        bearers[i].keyring = sw_keyring_ref(keyring);
        bearers[i].tokens[0] = mint("{" EXP "}");
        bearers[i].tokens[1] = mint_by_pair("{\"alg\":\"PS256\"}", "{" EXP "}", "PS256", RSA_PAIR);
        bearers[i].tokens[2] = mint_by_pair("{\"alg\":\"EdDSA\"}", "{" EXP "}", "EdDSA", ED25519);
        assert_int_equal(pthread_create(&threads[i], NULL, verify_often, &bearers[i]), 0);
    }
    sw_keyring_unref(&keyring); /* one of the threads is the last */
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(bearers[i].good);
        for (size_t j = 0; j < 3; j++) {
            sw_buf_deinit(&bearers[i].tokens[j]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_the_file_without_its_newline),
        cmocka_unit_test(a_secret_may_be_any_bytes),
        cmocka_unit_test(bad_secrets_are_refused_with_the_fix),
        cmocka_unit_test(no_key_at_all_is_refused),
        cmocka_unit_test(a_certificate_is_a_key),
        cmocka_unit_test(private_keys_are_refused),
        cmocka_unit_test(other_files_are_refused_with_the_fix),
        cmocka_unit_test(other_kinds_are_refused),
        cmocka_unit_test(a_fifo_does_not_block),
        cmocka_unit_test(one_kid_is_one_key),
        cmocka_unit_test(keys_are_changed_by_kid),
        cmocka_unit_test(without_a_kid_few_keys_are_tried),
        cmocka_unit_test(the_number_of_keys_is_bounded),
        cmocka_unit_test(a_token_costs_what_its_keys_do),
        cmocka_unit_test(threads_share_a_keyring),
        cmocka_unit_test(a_keyring_lives_until_its_last_owner_lets_go),
    };
    return cmocka_run_group_tests(tests, open_mint, close_mint);
}
