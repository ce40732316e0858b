// SPDX-License-Identifier: Apache-2.0
/* What `spillway token` signs is what a node takes. */
#include "mint.h"

#include "auth/sign.h"

static const struct {
    enum pair pair;
    const char *usual;
    const char *others[6];
} pair_rows[] = {
    {RSA_PAIR, "RS256", {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
    {P256, "ES256", {"ES256"}},
    {P384, "ES384", {"ES384"}},
    {P521, "ES512", {"ES512"}},
    {ED25519, "EdDSA", {"EdDSA"}},
    {ED448, "EdDSA", {"EdDSA"}},
};

/* Signs with it, verifies, and ends it; the header must begin like this. */
static void assert_signs(struct sw_signer *signer, const struct sw_keyring *keyring,
                         const char *alg, const char *kid)
{
    struct sw_buf token = {0};
    char header[128] = {0};
    char expected[128];
    char *end;
    assert_non_null(signer);
    assert_true(sw_signer_sign(signer, kid, SW_SLICE("{" EXP "}"), &token));
    size_t size = sw_slice_find(sw_buf_slice(&token), '.');
    assert_true(sw_base64url_decode(header, sw_slice(token.data, size), &end));
    snprintf(expected, sizeof(expected), "{\"alg\":\"%s\",\"typ\":\"JWT\"%s%s%s}", alg,
             kid ? ",\"kid\":\"" : "", kid ? kid : "", kid ? "\"" : "");
    assert_string_equal(header, expected);
    assert_int_equal(judged(keyring, token, NOW_MS), SW_TOKEN_GOOD);
    sw_signer_destroy(&signer);
    assert_null(signer);
}

static void pairs_sign(void **state)
{
    (void)state;
    struct sw_buf error = {0};
    for (size_t i = 0; i < SW_ARRAY_SIZE(pair_rows); i++) {
        enum pair pair = pair_rows[i].pair;
        struct sw_keyring *keyring = KEYRING(.key_files = FILES(pair_file(pair)));
        char *path = pem_file("private.pem", pairs[pair], true);
        assert_signs(sw_signer_load_key(path, NULL, &error), keyring, pair_rows[i].usual, NULL);
        for (size_t j = 0; j < 6 && pair_rows[i].others[j]; j++) {
            const char *alg = pair_rows[i].others[j];
            assert_signs(sw_signer_load_key(path, alg, &error), keyring, alg, pair_names[pair]);
        }
        sw_keyring_unref(&keyring);
    }
    assert_int_equal(error.size, 0);
}

static void a_secret_signs(void **state)
{
    (void)state;
    static const char *const algs[] = {"HS256", "HS384", "HS512"};
    struct sw_buf error = {0};
    struct sw_keyring *keyring = KEYRING(.secret_file = secret_file());
    assert_signs(sw_signer_load_secret(secret_file(), NULL, &error), keyring, "HS256", NULL);
    for (size_t i = 0; i < SW_ARRAY_SIZE(algs); i++) {
        assert_signs(sw_signer_load_secret(secret_file(), algs[i], &error), keyring, algs[i], "k");
    }
    sw_keyring_unref(&keyring);
    assert_int_equal(error.size, 0);
}

static void assert_refused(struct sw_signer *signer, struct sw_buf *error, const char *words)
{
    assert_null(signer);
    if (!strstr(sw_buf_text(error), words)) {
        fail_msg("\"%s\" expected, said \"%s\"", words, sw_buf_text(error));
    }
    assert_ptr_equal(strchr(error->data, '\n'), error->data + error->size - 1);
    sw_buf_deinit(error);
}

static void what_does_not_sign_is_refused(void **state)
{
    (void)state;
    struct sw_buf error = {0};
    char *path = pem_file("private.pem", pairs[P256], true);
    assert_refused(sw_signer_load_key(path, "RS256", &error), &error,
                   "does not sign with RS256, but with ES256\n");
    assert_refused(sw_signer_load_key(path, "none", &error), &error, "does not sign with none");
    assert_refused(sw_signer_load_secret(secret_file(), "EdDSA", &error), &error,
                   "but with HS256 HS384 HS512\n");
    assert_refused(sw_signer_load_key(pair_file(P256), NULL, &error), &error,
                   "holds no private key");
    assert_refused(sw_signer_load_key(text_file("x.pem", "x"), NULL, &error), &error,
                   "holds no private key");
    assert_refused(sw_signer_load_key("/nonexistent/key", NULL, &error), &error,
                   "/nonexistent/key: No such file");
    assert_refused(sw_signer_load_secret(path, NULL, &error), &error, "holds PEM and no secret");
}

static void an_encrypted_key_is_refused_without_asking(void **state)
{
    (void)state;
    struct sw_buf error = {0};
    char *data;
    BIO *out = BIO_new(BIO_s_mem());
    char password[] = "hush";
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(out, pairs[P256], EVP_aes_256_cbc(), password, 4, NULL, NULL),
        1);
    long size = BIO_get_mem_data(out, &data);
    char *path = file_of("locked.pem", data, (size_t)size);
    BIO_free(out);
    assert_refused(sw_signer_load_key(path, NULL, &error), &error, "is encrypted: openssl pkey");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_sign),
        cmocka_unit_test(a_secret_signs),
        cmocka_unit_test(what_does_not_sign_is_refused),
        cmocka_unit_test(an_encrypted_key_is_refused_without_asking),
    };
    return cmocka_run_group_tests(tests, open_mint, close_mint);
}
