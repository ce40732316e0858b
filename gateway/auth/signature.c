// SPDX-License-Identifier: Apache-2.0
#include "auth/signature.h"

#include "net/digest.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

/* An ECDSA signature of the largest curve in DER: two integers of 67 bytes and their heads. */
#define DER_BYTES 160

static const struct sw_algorithm_row *row_of(const struct sw_key *key, enum sw_algorithm algorithm)
{
    SW_ASSERT(sw_algorithms_have(key->algorithms, algorithm));
    return &sw_algorithm_rows[algorithm];
}

/* Returns the MAC's size. */
static size_t make_mac(const struct sw_key *key, const struct sw_algorithm_row *row,
                       struct sw_slice text, unsigned char out[EVP_MAX_MD_SIZE])
{
    size_t size = 0;
    unsigned char *done =
        EVP_Q_mac(NULL, "HMAC", NULL, row->digest, NULL, key->secret.data, key->secret.size,
                  (const unsigned char *)text.data, text.size, out, EVP_MAX_MD_SIZE, &size);
    SW_ASSERT(done);
    return size;
}

static bool verify_mac(const struct sw_key *key, const struct sw_algorithm_row *row,
                       struct sw_slice text, struct sw_slice signature)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t size = make_mac(key, row, text, mac);
    bool good = sw_secret_equal(sw_slice((const char *)mac, size), signature);
    OPENSSL_cleanse(mac, sizeof(mac));
    return good;
}

/* r and s as DER, which OpenSSL speaks. */
static struct sw_slice to_der(const struct sw_algorithm_row *row, struct sw_slice raw,
                              unsigned char out[DER_BYTES])
{
    const unsigned char *at = (const unsigned char *)raw.data;
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(at, (int)row->half, NULL);
    BIGNUM *s = BN_bin2bn(at + row->half, (int)row->half, NULL);
    int done = ECDSA_SIG_set0(signature, r, s);
    SW_ASSERT(done == 1);
    unsigned char *end = out;
    int size = i2d_ECDSA_SIG(signature, NULL);
    SW_ASSERT(size > 0 && size <= DER_BYTES);
    i2d_ECDSA_SIG(signature, &end);
    ECDSA_SIG_free(signature);
    return sw_slice((const char *)out, (size_t)size);
}

/* Salt as long as the digest, and the digest's own mask. */
static bool set_padding(EVP_PKEY_CTX *context, const struct sw_algorithm_row *row)
{
    return row->family != SW_FAMILY_PSS ||
           (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1);
}

static bool verify_by_pair(const struct sw_key *key, const struct sw_algorithm_row *row,
                           struct sw_slice text, struct sw_slice signature)
{
    unsigned char der[DER_BYTES];
    EVP_PKEY_CTX *parameters;
    if (row->half) {
        signature = to_der(row, signature, der);
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit_ex(context, &parameters, row->digest, NULL, NULL, key->pair,
                                        NULL) == 1 &&
                set_padding(parameters, row) &&
                EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.size,
                                 (const unsigned char *)text.data, text.size) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

bool sw_signature_verify(const struct sw_key *key, enum sw_algorithm algorithm,
                         struct sw_slice text, struct sw_slice signature)
{
    const struct sw_algorithm_row *row = row_of(key, algorithm);
    if (signature.size != sw_signature_size(key, algorithm)) {
        return false;
    }
    ERR_set_mark();
    bool good = key->pair ? verify_by_pair(key, row, text, signature)
                          : verify_mac(key, row, text, signature);
    ERR_pop_to_mark();
    return good;
}

size_t sw_signature_size(const struct sw_key *key, enum sw_algorithm algorithm)
{
    const struct sw_algorithm_row *row = row_of(key, algorithm);
    if (row->half) {
        return 2 * row->half;
    }
    int size = key->pair ? EVP_PKEY_get_size(key->pair)
                         : EVP_MD_get_size(EVP_get_digestbyname(row->digest));
    SW_ASSERT(size > 0);
    return (size_t)size;
}

/* ---- the other half ---- */

/* Turns the DER that OpenSSL appended behind `start` into r and s. */
static void to_raw(const struct sw_algorithm_row *row, struct sw_buf *signature, size_t start)
{
    const unsigned char *at = (const unsigned char *)signature->data + start;
    ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &at, (long)(signature->size - start));
    SW_ASSERT(parts);
    signature->size = start;
    unsigned char *out = (unsigned char *)sw_buf_reserve(signature, 2 * row->half);
    BN_bn2binpad(ECDSA_SIG_get0_r(parts), out, (int)row->half);
    BN_bn2binpad(ECDSA_SIG_get0_s(parts), out + row->half, (int)row->half);
    signature->size += 2 * row->half;
    ECDSA_SIG_free(parts);
}

static bool sign_by_pair(const struct sw_key *key, const struct sw_algorithm_row *row,
                         struct sw_slice text, struct sw_buf *signature)
{
    EVP_PKEY_CTX *parameters;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t start = signature->size;
    size_t size = (size_t)EVP_PKEY_get_size(key->pair);
    unsigned char *out = (unsigned char *)sw_buf_reserve(signature, size);
    bool done =
        EVP_DigestSignInit_ex(context, &parameters, row->digest, NULL, NULL, key->pair, NULL) ==
            1 &&
        set_padding(parameters, row) &&
        EVP_DigestSign(context, out, &size, (const unsigned char *)text.data, text.size) == 1;
    EVP_MD_CTX_free(context);
    signature->size += done ? size : 0;
    if (done && row->half) {
        to_raw(row, signature, start);
    }
    return done;
}

bool sw_signature_make(const struct sw_key *key, enum sw_algorithm algorithm, struct sw_slice text,
                       struct sw_buf *signature)
{
    const struct sw_algorithm_row *row = row_of(key, algorithm);
    ERR_set_mark();
    bool done = true;
    if (key->pair) {
        done = sign_by_pair(key, row, text, signature);
    } else {
        unsigned char *out = (unsigned char *)sw_buf_reserve(signature, EVP_MAX_MD_SIZE);
        signature->size += make_mac(key, row, text, out);
    }
    ERR_pop_to_mark();
    return done;
}
