// SPDX-License-Identifier: Apache-2.0
/* A BIO of our own, since OpenSSL's writes without MSG_NOSIGNAL. */
#include "net/tls_client.h"

#include "common/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/socket.h>

struct sw_tls_client {
    int fd;
    int error; /* errno of the last call on it; 0: it went well */
    SSL_CTX *context;
    SSL *ssl;
    BIO_METHOD *method;
};

/* ---- the BIO ---- */

/* A call that was interrupted, or waited too long, may be made again. */
static int note(BIO *bio, ssize_t n)
{
    struct sw_tls_client *client = BIO_get_data(bio);
    client->error = n < 0 ? errno : 0;
    BIO_clear_retry_flags(bio);
    if (client->error == EINTR || client->error == EAGAIN) {
        BIO_set_retry_read(bio);
    }
    return (int)n;
}

static int bio_read(BIO *bio, char *out, int size)
{
    const struct sw_tls_client *client = BIO_get_data(bio);
    return note(bio, recv(client->fd, out, (size_t)size, 0));
}

static int bio_write(BIO *bio, const char *data, int size)
{
    const struct sw_tls_client *client = BIO_get_data(bio);
    return note(bio, send(client->fd, data, (size_t)size, MSG_NOSIGNAL));
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO *create_bio(struct sw_tls_client *client)
{
    client->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "spillway client");
    SW_ASSERT(client->method);
    BIO_meth_set_read(client->method, bio_read);
    BIO_meth_set_write(client->method, bio_write);
    BIO_meth_set_ctrl(client->method, bio_control);
    BIO *bio = BIO_new(client->method);
    SW_ASSERT(bio);
    BIO_set_data(bio, client);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---- whom to trust ---- */

static bool trust(SSL_CTX *context, const char *ca_file, struct sw_buf *why)
{
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (!ca_file) {
        (void)SSL_CTX_set_default_verify_paths(context); /* what is missing there trusts nobody */
        return true;
    }
    if (SSL_CTX_load_verify_file(context, ca_file) != 1) {
        sw_buf_printf(why, "%s cannot be read, or holds no certificate in PEM", ca_file);
        return false;
    }
    return true;
}

static void expect(SSL *ssl, const char *host)
{
    unsigned char address[16];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        (void)X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    } else {
        (void)SSL_set1_host(ssl, host);
        (void)SSL_set_tlsext_host_name(ssl, host);
    }
}

/* ---- life ---- */

static void explain(const struct sw_tls_client *client, struct sw_buf *why)
{
    long verdict = SSL_get_verify_result(client->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    if (verdict != X509_V_OK) {
        sw_buf_printf(why, "its certificate is not trusted: %s (--ca FILE says whom to trust)",
                      X509_verify_cert_error_string(verdict));
    } else {
        sw_buf_printf(why, "no TLS handshake: %s",
                      reason          ? reason
                      : client->error ? strerror(client->error)
                                      : "the connection ended");
    }
}

struct sw_tls_client *sw_tls_client_open(int fd, const char *host, const char *ca_file,
                                         struct sw_buf *why)
{
    struct sw_tls_client *client = sw_zalloc(sizeof(*client));
    client->fd = fd;
    client->context = SSL_CTX_new(TLS_client_method());
    SW_ASSERT(client->context);
    (void)SSL_CTX_set_min_proto_version(client->context, TLS1_2_VERSION);
    /* else a read would wait behind a record that holds nothing for us, as a ticket */
    SSL_CTX_clear_mode(client->context, SSL_MODE_AUTO_RETRY);
    if (!trust(client->context, ca_file, why)) {
        goto fail;
    }
    client->ssl = SSL_new(client->context);
    SW_ASSERT(client->ssl);
    BIO *bio = create_bio(client);
    SSL_set_bio(client->ssl, bio, bio);
    expect(client->ssl, host);
    ERR_clear_error();
    if (SSL_connect(client->ssl) != 1) {
        explain(client, why);
        goto fail;
    }
    return client;
fail:
    sw_tls_client_close(&client);
    return NULL;
}

/* What a call that answered `n` comes to. */
static ssize_t answer(const struct sw_tls_client *client, int n)
{
    int error = SSL_get_error(client->ssl, n);
    if (n > 0) {
        return n;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
        return 0;
    }
    bool nothing = error == SSL_ERROR_WANT_READ && client->error == 0;
    errno = nothing ? EINTR : client->error ? client->error : ECONNRESET;
    return -1;
}

ssize_t sw_tls_client_read(struct sw_tls_client *client, void *out, size_t size)
{
    ERR_clear_error();
    return answer(client, SSL_read(client->ssl, out, size < INT_MAX ? (int)size : INT_MAX));
}

ssize_t sw_tls_client_write(struct sw_tls_client *client, const void *data, size_t size)
{
    ERR_clear_error();
    return answer(client, SSL_write(client->ssl, data, size < INT_MAX ? (int)size : INT_MAX));
}

void sw_tls_client_close(struct sw_tls_client **pointer)
{
    struct sw_tls_client *client = *pointer;
    *pointer = NULL;
    if (!client) {
        return;
    }
    if (client->ssl && SSL_is_init_finished(client->ssl)) {
        (void)SSL_shutdown(client->ssl);
    }
    SSL_free(client->ssl);
    BIO_meth_free(client->method);
    SSL_CTX_free(client->context);
    ERR_clear_error();
    sw_free(client);
}
