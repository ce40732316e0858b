// SPDX-License-Identifier: Apache-2.0
/* Tokens that are good, and everything that is not one. */
#include "mint.h"

static struct sw_buf text_token(const char *text)
{
    struct sw_buf token = {0};
    sw_buf_append_slice(&token, sw_slice_of(text));
    return token;
}

static struct sw_keyring *all_keys(void)
{
    return KEYRING(.secret_file = secret_file(),
                   .key_files = FILES(pair_file(RSA_PAIR), pair_file(P256), pair_file(OTHER_P256),
                                      pair_file(P384), pair_file(P521), pair_file(ED25519),
                                      pair_file(ED448)));
}

/* ---- signatures ---- */

static const struct {
    const char *alg;
    enum pair pair;
} by_pair[] = {
    {"RS256", RSA_PAIR}, {"RS384", RSA_PAIR}, {"RS512", RSA_PAIR}, {"PS256", RSA_PAIR},
    {"PS384", RSA_PAIR}, {"PS512", RSA_PAIR}, {"ES256", P256},     {"ES384", P384},
    {"ES512", P521},     {"EdDSA", ED25519},  {"EdDSA", ED448},
};

/* {"alg":"RS256","kid":"rsa"}; without `kid` where it is NULL. */
static const char *header_of(const char *alg, const char *kid)
{
    static char header[256];
    if (kid) {
        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}", alg, kid);
    } else {
        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", alg);
    }
    return header;
}

static void every_algorithm_verifies(void **state)
{
    (void)state;
    struct sw_keyring *keyring = all_keys();
    static const char *const secret[] = {"HS256", "HS384", "HS512"};
    for (size_t i = 0; i < SW_ARRAY_SIZE(secret); i++) {
        struct sw_buf token =
            mint_by_secret(header_of(secret[i], NULL), "{" EXP "}", secret[i], SW_SLICE(SECRET));
        assert_int_equal(judged(keyring, token, NOW_MS), SW_TOKEN_GOOD);
    }
    for (size_t i = 0; i < SW_ARRAY_SIZE(by_pair); i++) {
        const char *kids[] = {pair_names[by_pair[i].pair], NULL};
        for (size_t j = 0; j < SW_ARRAY_SIZE(kids); j++) {
            struct sw_buf token = mint_by_pair(header_of(by_pair[i].alg, kids[j]), "{" EXP "}",
                                               by_pair[i].alg, by_pair[i].pair);
            assert_int_equal(judged(keyring, token, NOW_MS), SW_TOKEN_GOOD);
        }
    }
    sw_keyring_unref(&keyring);
}

/* The header names an algorithm that the key does not have, or another one than it was signed by.
 */
static void the_algorithm_comes_from_the_key(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        const char *alg; /* that it was really signed by */
        enum pair pair;
        enum sw_token_verdict verdict;
    } rows[] = {
        {"{\"alg\":\"none\"}", "RS256", RSA_PAIR, SW_TOKEN_NO_KEY},
        {"{\"alg\":\"None\",\"kid\":\"rsa\"}", "RS256", RSA_PAIR, SW_TOKEN_NO_KEY},
        {"{\"alg\":\"NONE\"}", "RS256", RSA_PAIR, SW_TOKEN_NO_KEY},
        {"{\"alg\":\"\"}", "RS256", RSA_PAIR, SW_TOKEN_NO_KEY},
        {"{\"alg\":\"rs256\"}", "RS256", RSA_PAIR, SW_TOKEN_NO_KEY},
        {"{\"alg\":\"RS256\\u0000\"}", "RS256", RSA_PAIR, SW_TOKEN_NO_KEY},
        {"{\"alg\":\"PS256\",\"kid\":\"rsa\"}", "RS256", RSA_PAIR, SW_TOKEN_BAD_SIGNATURE},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\"}", "PS256", RSA_PAIR, SW_TOKEN_BAD_SIGNATURE},
        {"{\"alg\":\"RS512\",\"kid\":\"rsa\"}", "RS256", RSA_PAIR, SW_TOKEN_BAD_SIGNATURE},
        {"{\"alg\":\"ES256\",\"kid\":\"rsa\"}", "RS256", RSA_PAIR, SW_TOKEN_NO_KEY},
        {"{\"alg\":\"ES256\",\"kid\":\"p384\"}", "ES256", P384, SW_TOKEN_NO_KEY},
        {"{\"alg\":\"ES384\",\"kid\":\"p256\"}", "ES384", P256, SW_TOKEN_NO_KEY},
        {"{\"alg\":\"ES256\",\"kid\":\"p256\"}", "ES384", P256, SW_TOKEN_BAD_SIGNATURE},
        {"{\"alg\":\"ES256\",\"kid\":\"p256\"}", "ES256", OTHER_P256, SW_TOKEN_BAD_SIGNATURE},
        {"{\"alg\":\"ES256K\"}", "ES256", P256, SW_TOKEN_NO_KEY},
        {"{\"alg\":\"RS256\",\"kid\":\"ed25519\"}", "EdDSA", ED25519, SW_TOKEN_NO_KEY},
        {"{\"alg\":\"EdDSA\",\"kid\":\"ed448\"}", "EdDSA", ED25519, SW_TOKEN_BAD_SIGNATURE},
        /* What a header brings along is no key. */
        {"{\"alg\":\"ES256\",\"kid\":\"p256\",\"jwk\":{\"kty\":\"EC\"},\"jku\":\"http://a/\"}",
         "ES256", OTHER_P256, SW_TOKEN_BAD_SIGNATURE},
    };
    struct sw_keyring *keyring = all_keys();
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_buf token = mint_by_pair(rows[i].header, "{" EXP "}", rows[i].alg, rows[i].pair);
        assert_int_equal(judged(keyring, token, NOW_MS), rows[i].verdict);
    }
    sw_keyring_unref(&keyring);
}

static void a_public_key_is_no_secret(void **state)
{
    (void)state;
    static const char *const kids[] = {"rsa", NULL, "other"};
    struct sw_keyring *public = KEYRING(.key_files = FILES(pair_file(RSA_PAIR)));
    struct sw_keyring *both = all_keys();
    struct sw_buf pem = pem_of(pairs[RSA_PAIR], false);
    for (size_t i = 0; i < SW_ARRAY_SIZE(kids); i++) {
        const char *header = header_of("HS256", kids[i]);
        struct sw_slice secret = sw_buf_slice(&pem);
        assert_int_equal(
            judged(public, mint_by_secret(header, "{" EXP "}", "HS256", secret), NOW_MS),
            SW_TOKEN_NO_KEY);
        assert_int_equal(judged(both, mint_by_secret(header, "{" EXP "}", "HS256", secret), NOW_MS),
                         kids[i] && strcmp(kids[i], "rsa") == 0 ? SW_TOKEN_NO_KEY
                                                                : SW_TOKEN_BAD_SIGNATURE);
    }
    sw_buf_deinit(&pem);
    sw_keyring_unref(&public);
    sw_keyring_unref(&both);
}

static void a_kid_is_a_name_and_no_path(void **state)
{
    (void)state;
    static const char *const kids[] = {"../../etc/passwd", "a/b",   "",      "p256.pem", "P256",
                                       "p256\\u0000",      "p256 ", "./p256"};
    struct sw_keyring *keyring = KEYRING(.key_files = FILES(pair_file(P256)));
    for (size_t i = 0; i < SW_ARRAY_SIZE(kids); i++) {
        struct sw_buf token = mint_by_pair(header_of("ES256", kids[i]), "{" EXP "}", "ES256", P256);
        assert_int_equal(judged(keyring, token, NOW_MS), SW_TOKEN_NO_KEY);
    }
    struct sw_buf token =
        mint_by_pair(header_of("ES256", "p25\\u0036"), "{" EXP "}", "ES256", P256);
    assert_int_equal(judged(keyring, token, NOW_MS), SW_TOKEN_GOOD);
    sw_keyring_unref(&keyring);
}

static void a_secret_has_no_kid(void **state)
{
    (void)state;
    struct sw_keyring *keyring =
        KEYRING(.secret_file = secret_file(), .key_files = FILES(pair_file(P256)));
    static const struct {
        const char *kid;
        enum sw_token_verdict verdict;
    } rows[] = {{NULL, SW_TOKEN_GOOD},
                {"any", SW_TOKEN_GOOD},
                {"", SW_TOKEN_GOOD},
                {"p256", SW_TOKEN_NO_KEY}};
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_buf token =
            mint_by_secret(header_of("HS256", rows[i].kid), "{" EXP "}", "HS256", SW_SLICE(SECRET));
        assert_int_equal(judged(keyring, token, NOW_MS), rows[i].verdict);
    }
    sw_keyring_unref(&keyring);
}

static void forged_numbers_are_no_signature(void **state)
{
    (void)state;
    struct sw_keyring *keyring = all_keys();
    unsigned char raw[512];
    for (size_t i = 0; i < SW_ARRAY_SIZE(by_pair); i++) {
        static const size_t sizes[] = {0, 1, 63, 64, 65, 96, 114, 132, 255, 256, 257, 512};
        for (int fill = 0; fill < 256; fill += 255) {
            for (size_t j = 0; j < SW_ARRAY_SIZE(sizes); j++) {
                struct sw_buf token = unsigned_token(header_of(by_pair[i].alg, NULL), "{" EXP "}");
                memset(raw, fill, sizeof(raw));
                sw_buf_append_byte(&token, '.');
                append_part(&token, raw, sizes[j]);
                assert_int_equal(judged(keyring, token, NOW_MS), SW_TOKEN_BAD_SIGNATURE);
            }
        }
    }
    sw_keyring_unref(&keyring);
}

static void ecdsa_is_raw_and_in_range(void **state)
{
    (void)state;
    struct sw_keyring *keyring = KEYRING(.key_files = FILES(pair_file(P256)));
    struct sw_buf token = unsigned_token(header_of("ES256", NULL), "{" EXP "}");
    append_signature(&token, "ES256", pairs[P256], true);
    assert_int_equal(judged(keyring, token, NOW_MS), SW_TOKEN_BAD_SIGNATURE);
    for (int half = 0; half < 2; half++) { /* r = 0, s = 0 */
        char raw[64];
        char *end;
        token = mint_by_pair(header_of("ES256", NULL), "{" EXP "}", "ES256", P256);
        char *at = strrchr(sw_buf_text(&token), '.') + 1;
        assert_true(sw_base64url_decode(raw, sw_slice_of(at), &end));
        memset(raw + 32 * half, 0, 32);
        sw_base64url_encode(at, raw, sizeof(raw));
        assert_int_equal(judged(keyring, token, NOW_MS), SW_TOKEN_BAD_SIGNATURE);
    }
    sw_keyring_unref(&keyring);
}

static void a_signature_has_one_size(void **state)
{
    (void)state;
    struct sw_keyring *keyring = all_keys();
    for (size_t i = 0; i < SW_ARRAY_SIZE(by_pair); i++) {
        for (int more = 0; more < 2; more++) {
            char raw[1024];
            char *end;
            const char *alg = by_pair[i].alg;
            struct sw_buf token =
                mint_by_pair(header_of(alg, NULL), "{" EXP "}", alg, by_pair[i].pair);
            size_t start = (size_t)(strrchr(sw_buf_text(&token), '.') + 1 - token.data);
            assert_true(
                sw_base64url_decode(raw, sw_slice(token.data + start, token.size - start), &end));
            *end = 0;
            token.size = start;
            append_part(&token, raw, (size_t)(end - raw) + (size_t)more);
            assert_int_equal(judged(keyring, token, NOW_MS),
                             more ? SW_TOKEN_BAD_SIGNATURE : SW_TOKEN_GOOD);
        }
    }
    sw_keyring_unref(&keyring);
}

static void pss_has_a_salt_as_long_as_the_digest(void **state)
{
    (void)state;
    static const int salts[] = {0, 20, 31, 32, 64};
    struct sw_keyring *keyring = KEYRING(.key_files = FILES(pair_file(RSA_PAIR)));
    for (size_t i = 0; i < SW_ARRAY_SIZE(salts); i++) {
        struct sw_buf token = unsigned_token(header_of("PS256", NULL), "{" EXP "}");
        unsigned char out[256];
        size_t size = sizeof(out);
        EVP_PKEY_CTX *parameters;
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        EVP_DigestSignInit(context, &parameters, EVP_sha256(), NULL, pairs[RSA_PAIR]);
        EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, salts[i]);
        assert_int_equal(
            EVP_DigestSign(context, out, &size, (unsigned char *)token.data, token.size), 1);
        EVP_MD_CTX_free(context);
        sw_buf_append_byte(&token, '.');
        append_part(&token, out, size);
        assert_int_equal(judged(keyring, token, NOW_MS),
                         salts[i] == 32 ? SW_TOKEN_GOOD : SW_TOKEN_BAD_SIGNATURE);
    }
    sw_keyring_unref(&keyring);
}

/* ---- the form ---- */

static void every_byte_counts(void **state)
{
    (void)state;
    struct sw_keyring *keyring = KEYRING(.secret_file = secret_file());
    struct sw_buf good = mint("{" EXP ",\"sub\":\"ann\"}");
    for (size_t i = 0; i < good.size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct sw_buf token = {0};
            sw_buf_append_slice(&token, sw_buf_slice(&good));
            token.data[i] = (char)(token.data[i] ^ (1 << bit));
            assert_int_not_equal(judged(keyring, token, NOW_MS), SW_TOKEN_GOOD);
        }
        struct sw_buf cut = {0};
        sw_buf_append(&cut, good.data, i);
        assert_int_not_equal(judged(keyring, cut, NOW_MS), SW_TOKEN_GOOD);
        struct sw_buf longer = {0};
        sw_buf_append(&longer, good.data, i);
        sw_buf_append_byte(&longer, good.data[i]);
        sw_buf_append(&longer, good.data + i, good.size - i);
        assert_int_not_equal(judged(keyring, longer, NOW_MS), SW_TOKEN_GOOD);
    }
    assert_int_equal(judged(keyring, good, NOW_MS), SW_TOKEN_GOOD);
    sw_keyring_unref(&keyring);
}

static void malformed_tokens(void **state)
{
    (void)state;
    static const char *const tokens[] = {
        "",
        ".",
        "..",
        "...",
        "a",
        "a.b",
        "eyJhbGciOiJIUzI1NiJ9",
        "eyJhbGciOiJIUzI1NiJ9.",
        "eyJhbGciOiJIUzI1NiJ9.e30",
        "eyJhbGciOiJIUzI1NiJ9.e30.a.b", /* a dot more */
        "eyJhbGciOiJIUzI1NiJ9.e30.ab.",
        ".e30.ab",
        "eyJhbGciOiJIUzI1NiJ9.e30=.ab", /* padding */
        "eyJhbGciOiJIUzI1NiJ9.e30.aaa=",
        "eyJhbGciOiJIUzI1NiJ9.e31.aaa", /* bits left over */
        "eyJhbGciOiJIUzI1NiJ9.e30.aab",
        "eyJhbGciOiJIUzI1NiJ9.e30.a",
        " eyJhbGciOiJIUzI1NiJ9.e30.aaaa", /* other characters */
        "eyJhbGciOiJIUzI1NiJ9.e30.aaaa\n",
        "eyJhbGciOiJIUzI1NiJ9.e3+.aaaa",
        "bm8.e30.aaaa",  /* "no" */
        "W10.e30.aaaa",  /* [] */
        "ImEi.e30.aaaa", /* "a" in quotes */
    };
    struct sw_keyring *keyring = KEYRING(.secret_file = secret_file());
    for (size_t i = 0; i < SW_ARRAY_SIZE(tokens); i++) {
        assert_int_equal(judged(keyring, text_token(tokens[i]), NOW_MS), SW_TOKEN_MALFORMED);
    }
    sw_keyring_unref(&keyring);
}

static void malformed_headers(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{}",
        "{\"alg\":null}",
        "{\"alg\":256}",
        "{\"alg\":[\"HS256\"]}",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"al\\u0067\":\"none\"}",
        "{\"alg\":\"HS256\",\"kid\":1}",
        "{\"alg\":\"HS256\",\"kid\":null}",
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"HS256\",\"crit\":[]}",
        "{\"alg\":\"HS256\",\"crit\":null}",
        "{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}",
        "{\"alg\":\"HS256\"} ,",
        "{\"alg\":\"HS256\"",
        "{\"alg\":\"HS256\"}{}",
        "{'alg':'HS256'}",
        "{\"alg\":\"HS256\",\"x\":\"\xff\"}",
    };
    struct sw_keyring *keyring = KEYRING(.secret_file = secret_file());
    for (size_t i = 0; i < SW_ARRAY_SIZE(headers); i++) {
        struct sw_buf token = mint_by_secret(headers[i], "{" EXP "}", "HS256", SW_SLICE(SECRET));
        assert_int_equal(judged(keyring, token, NOW_MS), SW_TOKEN_MALFORMED);
    }
    sw_keyring_unref(&keyring);
}

static void a_token_is_bounded(void **state)
{
    (void)state;
    struct sw_keyring *keyring = KEYRING(.secret_file = secret_file());
    struct sw_buf claims = {0};
    for (size_t fill = 5900; fill < 6200; fill++) {
        sw_buf_clear(&claims);
        sw_buf_printf(&claims, "{" EXP ",\"x\":\"%0*d\"}", (int)fill, 0);
        struct sw_buf token = mint(sw_buf_text(&claims));
        bool fits = token.size <= SW_TOKEN_BYTES;
        assert_int_equal(judged(keyring, token, NOW_MS), fits ? SW_TOKEN_GOOD : SW_TOKEN_TOO_LARGE);
    }
    sw_buf_clear(&claims);
    sw_buf_printf(&claims, "{" EXP ",\"x\":");
    for (int i = 0; i < 1000; i++) {
        sw_buf_append_byte(&claims, '[');
    }
    assert_int_equal(judged(keyring, mint(sw_buf_text(&claims)), NOW_MS), SW_TOKEN_MALFORMED);
    sw_buf_deinit(&claims);
    sw_keyring_unref(&keyring);
}

/* ---- claims ---- */

#define MALFORMED SW_TOKEN_MALFORMED

static void claims_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        enum sw_token_verdict verdict;
    } rows[] = {
        {"{" EXP "}", SW_TOKEN_GOOD},
        {"{" EXP ",\"nbf\":1799999999,\"iat\":1799999999.5}", SW_TOKEN_GOOD},
        {"{\"exp\":1800000000.75}", SW_TOKEN_GOOD},
        {"{\"exp\":1.8000036e9}", SW_TOKEN_GOOD},
        {" {\"exp\" : 253402300799 } ", SW_TOKEN_GOOD},
        {"{}", MALFORMED},
        {"[]", MALFORMED},
        {"null", MALFORMED},
        {"", MALFORMED},
        {"{" EXP "} x", MALFORMED},
        {"{\"exp\":\"1800003600\"}", MALFORMED},
        {"{\"exp\":null}", MALFORMED},
        {"{\"exp\":true}", MALFORMED},
        {"{\"exp\":[1800003600]}", MALFORMED},
        {"{\"exp\":-1}", MALFORMED},
        {"{\"exp\":1e300}", MALFORMED},
        {"{\"exp\":1e999}", MALFORMED},
        {"{\"exp\":1800003600000}", MALFORMED}, /* milliseconds */
        {"{\"exp\":NaN}", MALFORMED},
        {"{\"exp\":0x7fffffff}", MALFORMED},
        {"{" EXP "," EXP "}", MALFORMED},
        {"{" EXP ",\"e\\u0078p\":9999999999}", MALFORMED},
        {"{" EXP ",\"sub\":\"a\",\"sub\":\"b\"}", MALFORMED},
        {"{" EXP ",\"other\":1,\"other\":1}", MALFORMED},
        {"{" EXP ",\"nbf\":\"0\"}", MALFORMED},
        {"{" EXP ",\"iat\":\"0\"}", MALFORMED},
        {"{" EXP ",\"iss\":7}", MALFORMED},
        {"{" EXP ",\"iss\":null}", MALFORMED},
        {"{" EXP ",\"aud\":7}", MALFORMED},
        {"{" EXP ",\"aud\":[\"a\",7]}", MALFORMED},
        {"{" EXP ",\"aud\":{}}", MALFORMED},
        {"{" EXP ",\"sub\":42}", MALFORMED},
        {"{" EXP ",\"sub\":null}", MALFORMED},
        {"{" EXP ",\"sub\":\"a\\nb\"}", MALFORMED},
        {"{" EXP ",\"sub\":\"a\\u0000\"}", MALFORMED},
        {"{" EXP ",\"sub\":\"\\u007f\"}", MALFORMED},
        {"{" EXP ",\"sub\":\"\\u009b31m\"}", MALFORMED},
        {"{" EXP ",\"sub\":\"\\ud800\"}", MALFORMED},
        {"{" EXP ",\"sub\":\"\xff\"}", MALFORMED},
        {"{\"exp\":0}", SW_TOKEN_EXPIRED},
        {"{\"exp\":1700000000}", SW_TOKEN_EXPIRED},
        {"{" EXP ",\"nbf\":1800000060}", SW_TOKEN_NOT_YET},
        {"{" EXP ",\"iat\":1800000060}", SW_TOKEN_NOT_YET},
    };
    struct sw_keyring *keyring = KEYRING(.secret_file = secret_file());
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        enum sw_token_verdict verdict = judged(keyring, mint(rows[i].claims), NOW_MS);
        if (verdict != rows[i].verdict) {
            fail_msg("%s: %s", rows[i].claims, sw_token_verdict_text(verdict));
        }
    }
    sw_keyring_unref(&keyring);
}

static void leeway_counts_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        int64_t shift_ms; /* of now */
        enum sw_token_verdict verdict;
    } rows[] = {
        {"{\"exp\":1800000000}", -1, SW_TOKEN_GOOD},
        {"{\"exp\":1800000000}", 4999, SW_TOKEN_GOOD},
        {"{\"exp\":1800000000}", 5000, SW_TOKEN_EXPIRED},
        {"{" EXP ",\"nbf\":1800000000}", -5000, SW_TOKEN_GOOD},
        {"{" EXP ",\"nbf\":1800000000}", -5001, SW_TOKEN_NOT_YET},
        {"{" EXP ",\"iat\":1800000000}", -5000, SW_TOKEN_GOOD},
        {"{" EXP ",\"iat\":1800000000}", -5001, SW_TOKEN_NOT_YET},
    };
    struct sw_keyring *keyring = KEYRING(.secret_file = secret_file(), .leeway_ms = 5000);
    struct sw_keyring *strict = KEYRING(.secret_file = secret_file());
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        uint64_t now_ms = NOW_MS + (uint64_t)rows[i].shift_ms;
        assert_int_equal(judged(keyring, mint(rows[i].claims), now_ms), rows[i].verdict);
    }
    assert_int_equal(judged(strict, mint("{\"exp\":1800000000}"), NOW_MS - 1), SW_TOKEN_GOOD);
    assert_int_equal(judged(strict, mint("{\"exp\":1800000000}"), NOW_MS), SW_TOKEN_EXPIRED);
    sw_keyring_unref(&keyring);
    sw_keyring_unref(&strict);
}

static void issuer_and_audience_must_fit(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        enum sw_token_verdict verdict;
    } rows[] = {
        {"{" EXP ",\"iss\":\"https://id\",\"aud\":\"gw\"}", SW_TOKEN_GOOD},
        {"{" EXP ",\"iss\":\"https:\\/\\/id\",\"aud\":[\"x\",\"g\\u0077\"]}", SW_TOKEN_GOOD},
        {"{" EXP ",\"aud\":\"gw\"}", SW_TOKEN_WRONG_ISSUER},
        {"{" EXP ",\"iss\":\"https://id/\",\"aud\":\"gw\"}", SW_TOKEN_WRONG_ISSUER},
        {"{" EXP ",\"iss\":\"HTTPS://ID\",\"aud\":\"gw\"}", SW_TOKEN_WRONG_ISSUER},
        {"{" EXP ",\"iss\":\"\",\"aud\":\"gw\"}", SW_TOKEN_WRONG_ISSUER},
        {"{" EXP ",\"iss\":\"https://id\\u0000\",\"aud\":\"gw\"}", SW_TOKEN_WRONG_ISSUER},
        {"{" EXP ",\"iss\":\"https://id\"}", SW_TOKEN_WRONG_AUDIENCE},
        {"{" EXP ",\"iss\":\"https://id\",\"aud\":[]}", SW_TOKEN_WRONG_AUDIENCE},
        {"{" EXP ",\"iss\":\"https://id\",\"aud\":\"gw2\"}", SW_TOKEN_WRONG_AUDIENCE},
        {"{" EXP ",\"iss\":\"https://id\",\"aud\":[\"g\",\"w\"]}", SW_TOKEN_WRONG_AUDIENCE},
        /* Who it is for is no one's business once it has ended. */
        {"{\"exp\":1,\"aud\":\"x\"}", SW_TOKEN_EXPIRED},
    };
    struct sw_keyring *keyring =
        KEYRING(.secret_file = secret_file(), .issuer = "https://id", .audience = "gw");
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        assert_int_equal(judged(keyring, mint(rows[i].claims), NOW_MS), rows[i].verdict);
    }
    sw_keyring_unref(&keyring);
}

static void a_claim_is_not_believed_before_the_signature(void **state)
{
    (void)state;
    static const char *const claims[] = {"{\"exp\":1}", "no JSON", "{" EXP ",\"spillway\":7}"};
    struct sw_keyring *keyring = KEYRING(.secret_file = secret_file());
    for (size_t i = 0; i < SW_ARRAY_SIZE(claims); i++) {
        struct sw_buf token = mint_by_secret("{\"alg\":\"HS256\"}", claims[i], "HS256",
                                             SW_SLICE("another secret, of thirty-two bytes"));
        assert_int_equal(judged(keyring, token, NOW_MS), SW_TOKEN_BAD_SIGNATURE);
    }
    sw_keyring_unref(&keyring);
}

/* ---- who it is ---- */

static void an_identity_says_who_and_until_when(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        const char *user;
        uint64_t expires_ms;
    } rows[] = {
        {"{" EXP ",\"sub\":\"ann\"}", "ann", UINT64_C(1800003600000)},
        {"{\"exp\":1800000000.25,\"sub\":\"J\\u00f6rg \\ud83d\\ude00\"}",
         "J\xc3\xb6rg \xf0\x9f\x98\x80", UINT64_C(1800000000250)},
        {"{" EXP ",\"sub\":\"\"}", "", UINT64_C(1800003600000)},
        {"{" EXP "}", "", UINT64_C(1800003600000)},
    };
    struct sw_keyring *keyring = KEYRING(.secret_file = secret_file());
    for (size_t i = 0; i < SW_ARRAY_SIZE(rows); i++) {
        struct sw_buf token = mint(rows[i].claims);
        struct sw_identity *identity;
        assert_int_equal(sw_token_verify(keyring, sw_buf_slice(&token), NOW_MS, &identity),
                         SW_TOKEN_GOOD);
        unit_assert_slice(sw_identity_user(identity), rows[i].user);
        assert_int_equal(identity->expires_ms, rows[i].expires_ms);
        sw_identity_destroy(&identity);
        assert_null(identity);
        sw_identity_destroy(&identity);
        sw_buf_deinit(&token);
    }
    sw_keyring_unref(&keyring);
}

static void a_user_has_at_most_255_bytes(void **state)
{
    (void)state;
    struct sw_keyring *keyring = KEYRING(.secret_file = secret_file());
    for (int size = 250; size < 260; size++) {
        struct sw_buf claims = {0};
        sw_buf_printf(&claims, "{" EXP ",\"sub\":\"%0*d\"}", size, 0);
        assert_int_equal(judged(keyring, mint(sw_buf_text(&claims)), NOW_MS),
                         size <= 255 ? SW_TOKEN_GOOD : SW_TOKEN_MALFORMED);
        sw_buf_deinit(&claims);
    }
    sw_keyring_unref(&keyring);
}

static void verdicts_have_words(void **state)
{
    (void)state;
    for (enum sw_token_verdict i = SW_TOKEN_GOOD; i <= SW_TOKEN_BAD_GRANT; i++) {
        const char *words = sw_token_verdict_text(i);
        assert_in_range(strlen(words), 1, 80);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_algorithm_verifies),
        cmocka_unit_test(the_algorithm_comes_from_the_key),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(a_kid_is_a_name_and_no_path),
        cmocka_unit_test(a_secret_has_no_kid),
        cmocka_unit_test(forged_numbers_are_no_signature),
        cmocka_unit_test(ecdsa_is_raw_and_in_range),
        cmocka_unit_test(a_signature_has_one_size),
        cmocka_unit_test(pss_has_a_salt_as_long_as_the_digest),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(malformed_tokens),
        cmocka_unit_test(malformed_headers),
        cmocka_unit_test(a_token_is_bounded),
        cmocka_unit_test(claims_are_judged),
        cmocka_unit_test(leeway_counts_both_ways),
        cmocka_unit_test(issuer_and_audience_must_fit),
        cmocka_unit_test(a_claim_is_not_believed_before_the_signature),
        cmocka_unit_test(an_identity_says_who_and_until_when),
        cmocka_unit_test(a_user_has_at_most_255_bytes),
        cmocka_unit_test(verdicts_have_words),
    };
    return cmocka_run_group_tests(tests, open_mint, close_mint);
}
