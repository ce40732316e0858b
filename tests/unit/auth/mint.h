// SPDX-License-Identifier: Apache-2.0
/* An issuer of tokens, good ones and forged ones. It signs with OpenSSL by itself, so that what is
 * wrong with auth/ is not wrong on both sides. */
#ifndef SW_UNIT_AUTH_MINT_H
#define SW_UNIT_AUTH_MINT_H

#include "../common/unit.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <unistd.h>

#include "auth/token.h"
#include "common/base64.h"
#include "common/mem.h"

#define NOW_S  1800000000
#define NOW_MS (UINT64_C(1000) * NOW_S)
/* It holds for an hour. */
#define EXP "\"exp\":1800003600"

#define SECRET "0123456789abcdef0123456789abcdef"

enum pair { RSA_PAIR, P256, OTHER_P256, P384, P521, ED25519, ED448, PAIR_COUNT };
static EVP_PKEY *pairs[PAIR_COUNT];
static const char *const pair_names[PAIR_COUNT] = {"rsa",  "p256",    "other-p256", "p384",
                                                   "p521", "ed25519", "ed448"};

/* ---- files ---- */

static char directory[64];
static char *paths[64];
static size_t path_count;

/* The path, which stays until the end. */
static inline char *file_of(const char *name, const char *text, size_t size)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    fclose(file);
    for (size_t i = 0; i < path_count; i++) {
        if (strcmp(paths[i], path) == 0) {
            return paths[i];
        }
    }
    assert_true(path_count < SW_ARRAY_SIZE(paths));
    paths[path_count] = sw_strndup(path, strlen(path));
    return paths[path_count++];
}

static inline char *text_file(const char *name, const char *text)
{
    return file_of(name, text, strlen(text));
}

static inline struct sw_buf pem_of(EVP_PKEY *pair, bool private)
{
    struct sw_buf text = {0};
    char *data;
    BIO *out = BIO_new(BIO_s_mem());
    assert_int_equal(private ? PEM_write_bio_PrivateKey(out, pair, NULL, NULL, 0, NULL, NULL)
                             : PEM_write_bio_PUBKEY(out, pair),
                     1);
    long size = BIO_get_mem_data(out, &data);
    sw_buf_append(&text, data, (size_t)size);
    BIO_free(out);
    return text;
}

static inline char *pem_file(const char *name, EVP_PKEY *pair, bool private)
{
    struct sw_buf text = pem_of(pair, private);
    char *path = file_of(name, text.data, text.size);
    sw_buf_deinit(&text);
    return path;
}

/* The public half under its usual name: "rsa.pem". */
static inline char *pair_file(enum pair pair)
{
    char name[32];
    snprintf(name, sizeof(name), "%s.pem", pair_names[pair]);
    return pem_file(name, pairs[pair], false);
}

static inline char *secret_file(void)
{
    return text_file("secret", SECRET "\n");
}

static inline int open_mint(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/spillway-auth-XXXXXX");
    pairs[RSA_PAIR] = EVP_RSA_gen(2048);
    pairs[P256] = EVP_EC_gen("P-256");
    pairs[OTHER_P256] = EVP_EC_gen("P-256");
    pairs[P384] = EVP_EC_gen("P-384");
    pairs[P521] = EVP_EC_gen("P-521");
    pairs[ED25519] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    pairs[ED448] = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
    return mkdtemp(directory) ? 0 : -1;
}

static inline int close_mint(void **state)
{
    (void)state;
    for (size_t i = 0; i < path_count; i++) {
        unlink(paths[i]);
        sw_free(paths[i]);
    }
    for (enum pair i = 0; i < PAIR_COUNT; i++) {
        EVP_PKEY_free(pairs[i]);
    }
    return rmdir(directory);
}

/* ---- signing ---- */

static inline void append_part(struct sw_buf *out, const void *data, size_t size)
{
    char *end = sw_base64url_encode(sw_buf_reserve(out, sw_base64url_size(size)), data, size);
    out->size = (size_t)(end - out->data);
}

/* "RS256" -> "SHA256"; EdDSA has none. */
static inline const EVP_MD *digest_of(const char *alg)
{
    return strcmp(alg + 2, "256") == 0   ? EVP_sha256()
           : strcmp(alg + 2, "384") == 0 ? EVP_sha384()
           : strcmp(alg + 2, "512") == 0 ? EVP_sha512()
                                         : NULL;
}

/* `der`: ECDSA's signature stays as OpenSSL makes it. */
static inline void append_signature(struct sw_buf *token, const char *alg, EVP_PKEY *pair, bool der)
{
    unsigned char out[1024];
    size_t size = sizeof(out);
    EVP_PKEY_CTX *parameters;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, &parameters, digest_of(alg), NULL, pair), 1);
    if (alg[0] == 'P') {
        EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST);
    }
    assert_int_equal(
        EVP_DigestSign(context, out, &size, (const unsigned char *)token->data, token->size), 1);
    EVP_MD_CTX_free(context);
    if (EVP_PKEY_is_a(pair, "EC") && !der) {
        const unsigned char *at = out;
        int half = (EVP_PKEY_get_bits(pair) + 7) / 8;
        ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &at, (long)size);
        BN_bn2binpad(ECDSA_SIG_get0_r(parts), out, half);
        BN_bn2binpad(ECDSA_SIG_get0_s(parts), out + half, half);
        size = 2 * (size_t)half;
        ECDSA_SIG_free(parts);
    }
    sw_buf_append_byte(token, '.');
    append_part(token, out, size);
}

/* "<header>.<claims>", not signed yet; the caller frees what it becomes. */
static inline struct sw_buf unsigned_token(const char *header, const char *claims)
{
    struct sw_buf token = {0};
    append_part(&token, header, strlen(header));
    sw_buf_append_byte(&token, '.');
    append_part(&token, claims, strlen(claims));
    return token;
}

/* Signed as `alg` says, whatever the header says. */
static inline struct sw_buf mint_by_pair(const char *header, const char *claims, const char *alg,
                                         enum pair pair)
{
    struct sw_buf token = unsigned_token(header, claims);
    append_signature(&token, alg, pairs[pair], false);
    return token;
}

static inline struct sw_buf mint_by_secret(const char *header, const char *claims, const char *alg,
                                           struct sw_slice secret)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    struct sw_buf token = unsigned_token(header, claims);
    HMAC(digest_of(alg), secret.data, (int)secret.size, (const unsigned char *)token.data,
         token.size, mac, &size);
    sw_buf_append_byte(&token, '.');
    append_part(&token, mac, size);
    return token;
}

/* By the secret, with HS256. */
static inline struct sw_buf mint(const char *claims)
{
    return mint_by_secret("{\"alg\":\"HS256\"}", claims, "HS256", SW_SLICE(SECRET));
}

/* ---- keyrings ---- */

static inline struct sw_keyring *keyring_with(struct sw_keyring_config config)
{
    struct sw_buf error = {0};
    config.separator = config.separator ? config.separator : '.';
    struct sw_keyring *keyring = sw_keyring_load(&config, &error);
    if (!keyring) {
        fail_msg("refused: %s", sw_buf_text(&error));
    }
    assert_int_equal(error.size, 0);
    return keyring;
}

#define KEYRING(...) keyring_with((struct sw_keyring_config){__VA_ARGS__})
/* For .key_files. */
#define FILES(...) ((char *[]){__VA_ARGS__, NULL})

/* Of a copy that ends where it ends; what a good one says is forgotten. Frees the token. */
static inline enum sw_token_verdict judged(const struct sw_keyring *keyring, struct sw_buf token,
                                           uint64_t now_ms)
{
    struct sw_identity *identity;
    char *exact = unit_exact_copy(token.data, token.size);
    enum sw_token_verdict verdict =
        sw_token_verify(keyring, sw_slice(exact, token.size), now_ms, &identity);
    assert_int_equal(verdict == SW_TOKEN_GOOD, identity != NULL);
    sw_identity_destroy(&identity);
    free(exact);
    sw_buf_deinit(&token);
    return verdict;
}

#endif
