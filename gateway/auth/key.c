// SPDX-License-Identifier: Apache-2.0
#include "auth/key.h"

#include "auth/key_file.h"
#include "auth/signature.h"
#include "common/clock.h"
#include "common/mem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <string.h>

/* As long as the shortest digest: less could be guessed sooner than a signature. */
#define SECRET_BYTES 32
#define RSA_BITS     2048
#define COST_TRIES   3
#define COST_TEXT    512

static bool fail(struct sw_buf *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One line. Always false. */
static bool fail(struct sw_buf *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sw_buf_vprintf(error, format, arguments);
    va_end(arguments);
    sw_buf_append_byte(error, '\n');
    return false;
}

/* A signature that is wrong and looks right: its numbers are in the range of every curve and
 * modulus, and EdDSA's point, which is the key's own, lies on the curve. */
static void append_bogus(const struct sw_key *key, struct sw_buf *signature, size_t size)
{
    unsigned char *out = (unsigned char *)sw_buf_reserve(signature, size);
    size_t point = size / 2;
    memset(out, 1, size);
    out[size - 1] = 0;
    if (key->algorithms == sw_algorithms_of(SW_FAMILY_EDDSA, NULL)) {
        EVP_PKEY_get_raw_public_key(key->pair, out, &point);
    }
    signature->size += size;
}

/* The least of some: what comes on top of that is others' work. */
static void measure(struct sw_key *key)
{
    enum sw_algorithm algorithm = sw_algorithms_first(key->algorithms);
    struct sw_buf signature = {0};
    char text[COST_TEXT] = {0};
    append_bogus(key, &signature, sw_signature_size(key, algorithm));
    key->cost_ns = UINT64_MAX;
    for (int i = 0; i < COST_TRIES; i++) {
        uint64_t start = sw_clock_ns();
        bool good = sw_signature_verify(key, algorithm, sw_slice(text, sizeof(text)),
                                        sw_buf_slice(&signature));
        uint64_t cost = sw_clock_ns() - start;
        SW_ASSERT(!good);
        key->cost_ns = cost < key->cost_ns ? cost : key->cost_ns;
    }
    sw_buf_deinit(&signature);
}

/* ---- a secret ---- */

/* A key that was read is measured, what was read of another is let go. */
static bool settle(struct sw_key *key, bool ok)
{
    if (ok) {
        measure(key);
    } else {
        sw_key_deinit(key);
    }
    return ok;
}

static bool check_secret(struct sw_slice secret, const char *path, struct sw_buf *error)
{
    /* A public key as a secret is no secret: whoever has it could sign. */
    if (sw_slice_starts_with(secret, SW_SLICE("-----BEGIN "))) {
        return fail(error, "%s holds PEM and no secret: name it as a key file (--jwt-key-file)",
                    path);
    }
    if (secret.size < SECRET_BYTES) {
        return fail(error,
                    "the secret in %s has %zu bytes, at least %d are needed: make one by "
                    "openssl rand -hex 32 >SECRET",
                    path, secret.size, SECRET_BYTES);
    }
    return true;
}

bool sw_key_load_secret(struct sw_key *key, const char *path, struct sw_buf *error)
{
    struct sw_buf text = {0};
    *key = (struct sw_key){.algorithms = sw_algorithms_of(SW_FAMILY_HMAC, NULL)};
    bool ok = sw_key_file_read(path, &text, error);
    if (ok) {
        struct sw_slice secret = sw_buf_slice(&text);
        secret.size -= secret.data[secret.size - 1] == '\n';
        sw_buf_append_slice(&key->secret, secret);
        ok = check_secret(secret, path, error);
    }
    sw_key_file_wipe(&text);
    return settle(key, ok);
}

/* ---- pairs ---- */

/* The curve's name in OpenSSL's words; "" where it has none. */
static const char *curve_of(EVP_PKEY *pair, char out[64])
{
    size_t size = 0;
    return EVP_PKEY_get_group_name(pair, out, 64, &size) == 1 ? out : "";
}

static bool find_algorithms(struct sw_key *key, const char *path, struct sw_buf *error)
{
    char curve[64];
    int bits = EVP_PKEY_get_bits(key->pair);
    if (EVP_PKEY_is_a(key->pair, "RSA")) {
        key->algorithms =
            sw_algorithms_of(SW_FAMILY_RSA, NULL) | sw_algorithms_of(SW_FAMILY_PSS, NULL);
        return bits >= RSA_BITS ||
               fail(error, "the RSA key in %s has %d bits, at least %d are needed", path, bits,
                    RSA_BITS);
    }
    if (EVP_PKEY_is_a(key->pair, "EC")) {
        key->algorithms = sw_algorithms_of(SW_FAMILY_ECDSA, curve_of(key->pair, curve));
    } else if (EVP_PKEY_is_a(key->pair, "ED25519") || EVP_PKEY_is_a(key->pair, "ED448")) {
        key->algorithms = sw_algorithms_of(SW_FAMILY_EDDSA, NULL);
    }
    return key->algorithms ||
           fail(error,
                "no token is signed with a key like that in %s; there is RSA, EC on the curves "
                "P-256, P-384 and P-521, Ed25519 and Ed448",
                path);
}

static EVP_PKEY *read_certificate(const unsigned char *der, long size)
{
    X509 *certificate = d2i_X509(NULL, &der, size);
    EVP_PKEY *pair = certificate ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    return pair;
}

/* One piece of a PEM file. */
static bool read_piece(struct sw_key *key, const char *path, const char *label,
                       const unsigned char *der, long size, struct sw_buf *error)
{
    if (strstr(label, "PRIVATE KEY")) {
        return fail(error,
                    "%s holds a private key, and a gateway needs the public half alone: "
                    "openssl pkey -in %s -pubout -out PUBLIC.pem",
                    path, path);
    }
    if (strcmp(label, PEM_STRING_ECPARAMETERS) == 0) {
        return true; /* openssl ecparam writes it before the key */
    }
    bool certificate = strcmp(label, PEM_STRING_X509) == 0;
    if (!certificate && strcmp(label, PEM_STRING_PUBLIC) != 0) {
        return fail(error, "%s holds a %s; what is needed is a PUBLIC KEY or a CERTIFICATE", path,
                    label);
    }
    if (key->pair) {
        return fail(error, "%s holds more than one key: give each a file of its own", path);
    }
    key->pair = certificate ? read_certificate(der, size) : d2i_PUBKEY(NULL, &der, size);
    return key->pair || fail(error, "%s is damaged: its %s cannot be read", path, label);
}

static bool read_pieces(struct sw_key *key, const char *path, BIO *file, struct sw_buf *error)
{
    char *label;
    char *header;
    unsigned char *der;
    long size;
    bool ok = true;
    while (ok && PEM_read_bio(file, &label, &header, &der, &size) == 1) {
        ok = read_piece(key, path, label, der, size, error);
        OPENSSL_clear_free(der, (size_t)size);
        OPENSSL_free(header);
        OPENSSL_free(label);
    }
    return ok && (key->pair ||
                  fail(error,
                       "%s is no PEM file, which has a line -----BEGIN PUBLIC KEY-----; of DER one "
                       "is made by openssl pkey -pubin -inform DER -in %s -out PUBLIC.pem",
                       path, path));
}

/* "keys/2026-a.pem" -> "2026-a" */
static bool name_key(struct sw_key *key, const char *path, struct sw_buf *error)
{
    struct sw_slice name = sw_slice_of(sw_key_file_name(path));
    struct sw_slice ending = SW_SLICE(".pem");
    if (name.size >= ending.size &&
        memcmp(name.data + name.size - ending.size, ending.data, ending.size) == 0) {
        name.size -= ending.size;
    }
    key->kid = sw_strndup(name.data, name.size);
    return name.size > 0 || fail(error, "%s has no name before .pem, which is the key's kid", path);
}

/* The file's bytes in `text`, for the two below. */
static BIO *open_text(const struct sw_buf *text)
{
    BIO *file = BIO_new_mem_buf(text->data, (int)text->size);
    SW_ASSERT(file);
    return file;
}

bool sw_key_load_public(struct sw_key *key, const char *path, struct sw_buf *error)
{
    struct sw_buf text = {0};
    *key = (struct sw_key){0};
    ERR_set_mark();
    bool ok = sw_key_file_read(path, &text, error);
    if (ok) {
        BIO *file = open_text(&text);
        ok = read_pieces(key, path, file, error) && find_algorithms(key, path, error) &&
             name_key(key, path, error);
        BIO_free(file);
    }
    ERR_pop_to_mark();
    sw_key_file_wipe(&text);
    return settle(key, ok);
}

/* Nobody is there to type a password; *asked is kept for the words. */
static int no_password(char *buffer, int size, int writing, void *asked)
{
    (void)buffer;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

bool sw_key_load_private(struct sw_key *key, const char *path, struct sw_buf *error)
{
    struct sw_buf text = {0};
    bool asked = false;
    *key = (struct sw_key){0};
    ERR_set_mark();
    bool ok = sw_key_file_read(path, &text, error);
    if (ok) {
        BIO *file = open_text(&text);
        key->pair = PEM_read_bio_PrivateKey(file, NULL, no_password, &asked);
        BIO_free(file);
        ok = key->pair ? find_algorithms(key, path, error)
             : asked
                 ? fail(error, "%s is encrypted: openssl pkey -in %s -out PLAIN.pem", path, path)
                 : fail(error,
                        "%s holds no private key in PEM; one is made by "
                        "openssl genpkey -algorithm ed25519 -out PRIVATE.pem",
                        path);
    }
    ERR_pop_to_mark();
    sw_key_file_wipe(&text);
    if (!ok) {
        sw_key_deinit(key);
    }
    return ok;
}

void sw_key_deinit(struct sw_key *key)
{
    EVP_PKEY_free(key->pair);
    sw_key_file_wipe(&key->secret);
    sw_free(key->kid);
    *key = (struct sw_key){0};
}
