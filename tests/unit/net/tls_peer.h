// SPDX-License-Identifier: Apache-2.0
/* The other end of a TLS connection, over a descriptor that does not block, a few bytes at a time
 * where a test wants that; and certificates, made anew for each test. */
#ifndef SW_TLS_PEER_H
#define SW_TLS_PEER_H

#include "../common/unit.h"

#include "net/tls_context.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- certificates ---- */

struct tls_files {
    char directory[40];
    char cert[64];
    char key[64];
};

static inline X509 *tls_sign(EVP_PKEY *key, const char *name, long from_s, long to_s)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

/* A key and a certificate of it for `name`, valid from and to so many seconds from now. */
static inline void tls_files_init(struct tls_files *files, const char *name, long from_s, long to_s)
{
    snprintf(files->directory, sizeof(files->directory), "/tmp/spillway-tls-XXXXXX");
    assert_non_null(mkdtemp(files->directory));
    snprintf(files->cert, sizeof(files->cert), "%s/cert.pem", files->directory);
    snprintf(files->key, sizeof(files->key), "%s/key.pem", files->directory);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = tls_sign(key, name, from_s, to_s);
    FILE *file = fopen(files->cert, "w");
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
    file = fopen(files->key, "w");
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static inline void tls_files_deinit(struct tls_files *files)
{
    unlink(files->cert);
    unlink(files->key);
    rmdir(files->directory);
}

/* A context with a certificate of its own for `name`. */
static inline struct sw_tls_context *tls_context(const char *name)
{
    struct tls_files files;
    struct sw_buf why = {0};
    tls_files_init(&files, name, -60, 3600);
    struct sw_tls_context *context = sw_tls_context_create(files.cert, files.key, &why);
    tls_files_deinit(&files);
    assert_non_null(context);
    assert_int_equal(why.size, 0);
    return context;
}

/* ---- the client ---- */

struct tls_peer {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    BIO *in;
    BIO *out;
    size_t most; /* bytes that one pump moves in each direction; 0: all */
    size_t received;
    bool ended;  /* the socket has */
    bool broken; /* or this side has had enough */
};

/* Takes `fd`. `version`: the highest it knows. */
static inline void tls_peer_init(struct tls_peer *peer, int fd, int version)
{
    *peer = (struct tls_peer){.fd = fd, .context = SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_security_level(peer->context, 0); /* what is too old shall be the server's to say */
    SSL_CTX_set_min_proto_version(peer->context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(peer->context, version);
    peer->ssl = SSL_new(peer->context);
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(peer->in, -1);
    BIO_set_mem_eof_return(peer->out, -1);
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    SSL_set_connect_state(peer->ssl);
}

static inline void tls_peer_deinit(struct tls_peer *peer)
{
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
    if (peer->fd >= 0) {
        close(peer->fd);
    }
    ERR_clear_error();
}

static inline size_t tls_peer_step(const struct tls_peer *peer)
{
    return peer->most && peer->most < 16384 ? peer->most : 16384;
}

/* Brings what the socket has; false: nothing. */
static inline bool tls_peer_receive(struct tls_peer *peer)
{
    char bytes[16384];
    ssize_t n = recv(peer->fd, bytes, tls_peer_step(peer), MSG_DONTWAIT);
    peer->ended = peer->ended || n == 0 || (n < 0 && errno != EAGAIN);
    peer->received += n > 0 ? (size_t)n : 0;
    return n > 0 && BIO_write(peer->in, bytes, (int)n) == n;
}

/* Sends what is to be sent, as far as the socket takes it. */
static inline void tls_peer_send(struct tls_peer *peer)
{
    char *bytes;
    long waits = BIO_get_mem_data(peer->out, &bytes);
    size_t n = (size_t)waits < tls_peer_step(peer) || !peer->most ? (size_t)waits : peer->most;
    ssize_t sent = n ? send(peer->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    char taken[16384];
    while (sent > 0) {
        sent -= BIO_read(peer->out, taken, sent < 16384 ? (int)sent : 16384);
    }
}

/* Moves bytes both ways, and goes on with the handshake. */
static inline void tls_peer_pump(struct tls_peer *peer)
{
    while (tls_peer_receive(peer) && !peer->most) {
    }
    if (!SSL_is_init_finished(peer->ssl)) {
        int n = SSL_do_handshake(peer->ssl);
        peer->broken = peer->broken || (n <= 0 && SSL_get_error(peer->ssl, n) == SSL_ERROR_SSL);
        ERR_clear_error();
    }
    tls_peer_send(peer);
}

/* Plaintext that has come, up to `size` bytes of it. */
static inline size_t tls_peer_read(struct tls_peer *peer, char *out, size_t size)
{
    size_t got = 0;
    while (got < size) {
        int n = SSL_read(peer->ssl, out + got, (int)(size - got));
        if (n <= 0) {
            ERR_clear_error();
            break;
        }
        got += (size_t)n;
    }
    return got;
}

static inline void tls_peer_write(struct tls_peer *peer, const void *data, size_t size)
{
    assert_int_equal(SSL_write(peer->ssl, data, (int)size), (int)size);
    tls_peer_send(peer);
}

/* Has the server said that its side is over? */
static inline bool tls_peer_heard_farewell(const struct tls_peer *peer)
{
    return SSL_get_shutdown(peer->ssl) & SSL_RECEIVED_SHUTDOWN;
}

#endif
