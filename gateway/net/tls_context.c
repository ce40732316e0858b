// SPDX-License-Identifier: Apache-2.0
#include "net/tls_context.h"

#include "common/file.h"
#include "common/mem.h"
#include "net/tls_internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

struct sw_tls_context {
    SSL_CTX *ssl;
    char *cert_file;
    _Atomic unsigned owners;
};

/* ---- the files ---- */

/* Always NULL. */
static void *cannot(struct sw_buf *why, const char *file, const char *words)
{
    sw_buf_printf(why, "%s %s\n", file, words);
    ERR_clear_error();
    return NULL;
}

/* OpenSSL's own reason for the last failure. Always NULL. */
static void *cannot_because(struct sw_buf *why, const char *file, const char *words)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    sw_buf_printf(why, "%s %s: %s\n", file, words, reason ? reason : "unknown reason");
    ERR_clear_error();
    return NULL;
}

static BIO *open_file(const char *file, struct sw_buf *why)
{
    const char *words;
    FILE *stream = sw_file_open(file, &words);
    if (!stream) {
        sw_buf_printf(why, "%s cannot be read: %s\n", file, words);
        return NULL;
    }
    BIO *bio = BIO_new_fp(stream, BIO_CLOSE);
    SW_ASSERT(bio);
    return bio;
}

static X509 *read_certificate(const char *file, struct sw_buf *why)
{
    BIO *bio = open_file(file, why);
    if (!bio) {
        return NULL;
    }
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return certificate ? certificate
                       : cannot(why, file,
                                "holds no certificate in PEM (-----BEGIN CERTIFICATE-----): give "
                                "the server's own first, then its chain");
}

/* Nobody is there to be asked for a passphrase. */
static int refuse_passphrase(char *out, int size, int writing, void *asked)
{
    (void)out, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

static EVP_PKEY *read_key(const char *file, struct sw_buf *why)
{
    BIO *bio = open_file(file, why);
    if (!bio) {
        return NULL;
    }
    bool encrypted = false;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &encrypted);
    BIO_free(bio);
    return key ? key
           : encrypted
               ? cannot(why, file, "is encrypted: store it without a passphrase")
               : cannot(why, file, "holds no private key in PEM (-----BEGIN PRIVATE KEY-----)");
}

static bool load_pair(SSL_CTX *ssl, const char *cert_file, const char *key_file, struct sw_buf *why)
{
    X509 *certificate = read_certificate(cert_file, why);
    EVP_PKEY *key = certificate ? read_key(key_file, why) : NULL;
    bool ok = false;
    if (!key) {
        goto out;
    }
    if (X509_check_private_key(certificate, key) != 1) {
        sw_buf_printf(why,
                      "%s does not belong to the certificate in %s: give the two that were "
                      "made together\n",
                      key_file, cert_file);
    } else if (SSL_CTX_use_certificate_chain_file(ssl, cert_file) != 1) {
        cannot_because(why, cert_file, "cannot be used");
    } else if (SSL_CTX_use_PrivateKey(ssl, key) != 1) {
        cannot_because(why, key_file, "cannot be used");
    } else {
        ok = true;
    }
out:
    ERR_clear_error();
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ok;
}

/* ---- what is allowed ---- */

/* HTTP/1.1 is all that is spoken here: a client that names only others is not told no, since some
 * offer h2 alone and speak HTTP/1.1 nevertheless. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *size,
                           const unsigned char *offers, unsigned offers_size, void *unused)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    (void)ssl, (void)unused;
    if (SSL_select_next_proto(&chosen, size, ours, sizeof(ours) - 1, offers, offers_size) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *create_ssl(void)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    SW_ASSERT(ssl);
    bool ok = SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) &&
              SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SW_ASSERT(ok);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* An idle connection keeps no buffers. */
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 1);
    SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
    return ssl;
}

struct sw_tls_context *sw_tls_context_create(const char *cert_file, const char *key_file,
                                             struct sw_buf *why)
{
    SSL_CTX *ssl = create_ssl();
    if (!load_pair(ssl, cert_file, key_file, why)) {
        SSL_CTX_free(ssl);
        return NULL;
    }
    struct sw_tls_context *context = sw_alloc(sizeof(*context));
    *context = (struct sw_tls_context){
        .ssl = ssl, .cert_file = sw_strndup(cert_file, strlen(cert_file)), .owners = 1};
    return context;
}

struct sw_tls_context *sw_tls_context_ref(struct sw_tls_context *context)
{
    atomic_fetch_add(&context->owners, 1);
    return context;
}

void sw_tls_context_unref(struct sw_tls_context **pointer)
{
    struct sw_tls_context *context = *pointer;
    *pointer = NULL;
    if (context && atomic_fetch_sub(&context->owners, 1) == 1) {
        SSL_CTX_free(context->ssl);
        sw_free(context->cert_file);
        sw_free(context);
    }
}

int64_t sw_tls_context_ends(const struct sw_tls_context *context)
{
    const X509 *certificate = SSL_CTX_get0_certificate(context->ssl);
    struct tm ends;
    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &ends) ? timegm(&ends) : 0;
}

void sw_tls_context_warn(const struct sw_tls_context *context, struct sw_buf *out)
{
    const X509 *certificate = SSL_CTX_get0_certificate(context->ssl);
    const char *why = NULL;
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
        why = "has expired: clients will refuse it; renew it, then send SIGHUP";
    } else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
        why = "is not valid yet: clients will refuse it";
    }
    if (why) {
        sw_buf_printf(out, "the certificate in %s %s\n", context->cert_file, why);
    }
}

SSL *sw_tls_context_open(const struct sw_tls_context *context)
{
    SSL *ssl = SSL_new(context->ssl);
    SW_ASSERT(ssl); /* it fails for want of memory alone */
    return ssl;
}
