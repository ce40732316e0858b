// SPDX-License-Identifier: Apache-2.0
#include "net/tls_conn.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "core/limits.h"
#include "net/loop_internal.h"
#include "net/tls_internal.h"

#include <openssl/err.h>
#include <string.h>

/* What OpenSSL holds for a connection, measured: it is charged as a whole. */
#define SHAKING_BYTES 49152
#define OPEN_BYTES    14336
/* Records under one key, at TLS 1.3: RFC 8446, section 5.5, allows 2^24.5. Test builds come by it.
 */
#ifdef SW_FAULTS
#define RECORDS_PER_KEY 1000
#else
#define RECORDS_PER_KEY (1u << 24)
#endif
/* Ciphertext that may wait before the peer is not read any more: more than a record's is what it
 * made OpenSSL answer, and does not take. */
#define WAITING_BYTES (2 * SW_TLS_RECORD_BYTES)

struct sw_tls {
    struct sw_loop *loop;
    struct sw_tls_context *context;
    struct sw_counters *counters;
    struct sw_purse *purse;
    BIO_METHOD *method;
    BIO *bio;
    /* what the BIO is about: set before each call of an SSL_ function */
    struct sw_tls_conn *target;
    const char *in;
    size_t in_size;
    /* handshakes */
    struct sw_list queue; /* of struct sw_tls_conn */
    struct sw_task go_on;
    uint64_t turn; /* whose budget `spent_ns` is of */
    uint64_t spent_ns;
    char plain[SW_TLS_RECORD_BYTES];  /* opened: valid during on_read */
    char record[SW_TLS_RECORD_BYTES]; /* pieces, gathered to be sealed */
};

struct sw_tls_conn {
    struct sw_tls *all;
    struct sw_conn *conn;
    SSL *ssl;            /* NULL while nothing has come */
    struct sw_buf waits; /* sealed: what the socket did not take, */
    size_t sent;         /* but so much of it since */
    struct sw_list link; /* in the queue of handshakes; else on itself */
    int64_t charged;
    uint32_t records; /* under this key */
    int error;        /* of the socket; 0: none */
    bool open;        /* the handshake is done */
    bool counted;     /* how the handshake went */
    bool dead;        /* OpenSSL takes no more calls */
    bool farewell;    /* close_notify is sealed */
};

/* ---- memory ---- */

static void charge(struct sw_tls_conn *tls, int64_t bytes)
{
    sw_purse_charge(tls->all->purse, SW_PART_TLS, bytes - tls->charged);
    tls->charged = bytes;
}

static void charge_now(struct sw_tls_conn *tls)
{
    int64_t bytes = !tls->ssl ? 0 : tls->open ? OPEN_BYTES : SHAKING_BYTES;
    charge(tls, bytes + (int64_t)tls->waits.capacity);
}

/* ---- the BIO ---- */

static int bio_read(BIO *bio, char *out, int size)
{
    struct sw_tls *all = BIO_get_data(bio);
    size_t n = (size_t)size < all->in_size ? (size_t)size : all->in_size;
    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, all->in, n);
    all->in += n;
    all->in_size -= n;
    return (int)n;
}

/* Takes everything: what the socket does not, waits. */
static int bio_write(BIO *bio, const char *data, int size)
{
    struct sw_tls *all = BIO_get_data(bio);
    struct sw_tls_conn *tls = all->target;
    BIO_clear_retry_flags(bio);
    ssize_t sent = tls->waits.size ? 0 : sw_conn_send(tls->conn->fd, data, (size_t)size);
    if (sent < 0) {
        tls->error = (int)sent;
        return -1;
    }
    if (sent < size) {
        sw_buf_append(&tls->waits, data + sent, (size_t)(size - sent));
        charge_now(tls);
    }
    return size;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* OpenSSL answers by the thread's queue of errors, in which others may have left some. */
static void aim(struct sw_tls_conn *tls, const char *in, size_t in_size)
{
    struct sw_tls *all = tls->all;
    ERR_clear_error();
    all->target = tls;
    all->in = in;
    all->in_size = in_size;
}

/* Why a call answered `n`: 0, it wants more bytes; else a negative errno, and OpenSSL is done with
 * the connection. */
static int judge(struct sw_tls_conn *tls, int n)
{
    if (!tls->error && SSL_get_error(tls->ssl, n) == SSL_ERROR_WANT_READ) {
        return 0;
    }
    tls->dead = true;
    return tls->error ? tls->error : UV_EPROTO;
}

/* ---- what a loop shares ---- */

static void on_go_on(struct sw_task *task);

struct sw_tls *sw_tls_create(struct sw_loop *loop, struct sw_tls_context *context,
                             struct sw_counters *counters, struct sw_purse *purse)
{
    struct sw_tls *all = sw_zalloc(sizeof(*all));
    all->loop = loop;
    all->context = context;
    all->counters = counters;
    all->purse = purse;
    sw_list_init(&all->queue);
    sw_task_init(&all->go_on, on_go_on);
    all->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "spillway");
    SW_ASSERT(all->method);
    BIO_meth_set_read(all->method, bio_read);
    BIO_meth_set_write(all->method, bio_write);
    BIO_meth_set_ctrl(all->method, bio_control);
    all->bio = BIO_new(all->method);
    SW_ASSERT(all->bio);
    BIO_set_data(all->bio, all);
    BIO_set_init(all->bio, 1);
    return all;
}

void sw_tls_destroy(struct sw_tls **pointer)
{
    struct sw_tls *all = *pointer;
    *pointer = NULL;
    if (!all) {
        return;
    }
    SW_ASSERT(sw_list_empty(&all->queue));
    sw_task_cancel(&all->go_on);
    BIO_free(all->bio);
    BIO_meth_free(all->method);
    sw_tls_context_unref(&all->context);
    sw_free(all);
}

void sw_tls_set_context(struct sw_tls *all, struct sw_tls_context *context)
{
    sw_tls_context_unref(&all->context);
    all->context = context;
}

/* ---- the handshake ---- */

static void count_handshake(struct sw_tls_conn *tls, enum sw_tls_outcome outcome)
{
    tls->counted = true;
    sw_count(&tls->all->counters->tls_handshakes_total[outcome], 1);
}

void sw_tls_give_up(struct sw_conn *conn, enum sw_tls_outcome outcome)
{
    struct sw_tls_conn *tls = conn->tls;
    sw_list_remove(&tls->link);
    if (!tls->counted) {
        count_handshake(tls, outcome);
    }
}

/* Who speaks HTTP here hears what to do. */
static void answer_plain(const struct sw_conn *conn)
{
    static const char words[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                                "Content-Length: 48\r\nConnection: close\r\n\r\n"
                                "this is a TLS port: use https:// or wss:// here\n";
    (void)sw_conn_send(conn->fd, words, sizeof(words) - 1);
}

static void note_failure(struct sw_tls_conn *tls)
{
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    const char *words = ERR_reason_error_string(error);
    bool plain = reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST;
    struct sw_address peer;
    char text[SW_ADDRESS_TEXT] = "unknown";
    if (sw_conn_peer(tls->conn, &peer) == 0) {
        sw_address_text(&peer, text);
    }
    sw_log(SW_LOG_DEBUG, "tls_handshake_failed", "address=%s why=\"%s\"", text,
           words ? words : "connection lost");
    if (plain) {
        answer_plain(tls->conn);
    }
    count_handshake(tls, plain ? SW_TLS_PLAIN : tls->error ? SW_TLS_GONE : SW_TLS_FAILED);
}

/* False: it wants more bytes, or the connection has ended. */
static bool shake(struct sw_tls_conn *tls)
{
    struct sw_tls *all = tls->all;
    uint64_t began_ns = sw_clock_ns();
    if (!tls->ssl) {
        tls->ssl = sw_tls_context_open(all->context);
        BIO_up_ref(all->bio);
        SSL_set_bio(tls->ssl, all->bio, all->bio);
        SSL_set_accept_state(tls->ssl);
    }
    int n = SSL_do_handshake(tls->ssl);
    all->spent_ns += sw_clock_ns() - began_ns;
    tls->open = n == 1;
    charge_now(tls);
    if (tls->open) {
        count_handshake(tls, SSL_version(tls->ssl) == TLS1_3_VERSION ? SW_TLS_OK_13 : SW_TLS_OK_12);
        return true;
    }
    int status = judge(tls, n);
    if (status) {
        note_failure(tls);
        sw_conn_broke(tls->conn, status);
    }
    return false;
}

/* Is there time in this turn for another handshake? */
static bool has_time(struct sw_tls *all)
{
    uint64_t turn = sw_loop_turns(all->loop);
    if (all->turn != turn) {
        all->turn = turn;
        all->spent_ns = 0;
    }
    return all->spent_ns < SW_HANDSHAKE_BUDGET_NS;
}

/* At the end of the turn behind the one in which they were put off: before anybody new. */
static void on_go_on(struct sw_task *task)
{
    struct sw_tls *all = SW_CONTAINER_OF(task, struct sw_tls, go_on);
    while (has_time(all) && !sw_list_empty(&all->queue)) {
        struct sw_list *node = sw_list_pop(&all->queue);
        sw_conn_go_on(SW_CONTAINER_OF(node, struct sw_tls_conn, link)->conn);
    }
    if (!sw_list_empty(&all->queue)) {
        sw_loop_later(all->loop, &all->go_on);
    }
}

/* ---- reading ---- */

bool sw_tls_holds(const struct sw_conn *conn)
{
    const struct sw_tls_conn *tls = conn->tls;
    return !sw_list_empty(&tls->link) || tls->waits.size - tls->sent > WAITING_BYTES;
}

bool sw_tls_may_read(struct sw_conn *conn)
{
    struct sw_tls_conn *tls = conn->tls;
    struct sw_tls *all = tls->all;
    if (!tls->open && sw_list_empty(&tls->link) &&
        (!sw_list_empty(&all->queue) || !has_time(all))) {
        sw_list_push(&all->queue, &tls->link);
        sw_loop_later(all->loop, &all->go_on);
    }
    return !sw_tls_holds(conn);
}

/* What the records that came hold. True: there was something in them. */
static bool open_records(struct sw_tls_conn *tls, const char *in, size_t in_size)
{
    struct sw_tls *all = tls->all;
    struct sw_conn *conn = tls->conn;
    bool any = false;
    while (!conn->closing) {
        aim(tls, in, in_size);
        int n = SSL_read(tls->ssl, all->plain, sizeof(all->plain));
        in = all->in;
        in_size = all->in_size;
        if (n > 0) {
            any = true;
            conn->events->on_read(conn, all->plain, (size_t)n);
            continue;
        }
        bool farewell = SSL_get_error(tls->ssl, n) == SSL_ERROR_ZERO_RETURN;
        int status = farewell ? 0 : judge(tls, n);
        if (farewell || status) {
            sw_conn_broke(conn, status);
        }
        break;
    }
    return any;
}

bool sw_tls_take(struct sw_conn *conn, const char *data, size_t size)
{
    struct sw_tls_conn *tls = conn->tls;
    aim(tls, data, size);
    if (!tls->open && !shake(tls)) {
        return false;
    }
    return open_records(tls, tls->all->in, tls->all->in_size);
}

/* ---- writing ---- */

/* The bytes of one record: those of a piece where they lie, of several gathered. */
static size_t gather(struct sw_tls *all, const struct iovec *pieces, size_t count, size_t skip,
                     const char **data)
{
    size_t i = 0;
    for (; i < count && skip >= pieces[i].iov_len; i++) {
        skip -= pieces[i].iov_len;
    }
    SW_ASSERT(i < count);
    size_t first = pieces[i].iov_len - skip;
    *data = (const char *)pieces[i].iov_base + skip;
    if (i + 1 == count || first >= SW_TLS_RECORD_BYTES) {
        return first < SW_TLS_RECORD_BYTES ? first : SW_TLS_RECORD_BYTES;
    }
    size_t size = 0;
    for (; i < count && size < SW_TLS_RECORD_BYTES; i++) {
        size_t n = pieces[i].iov_len - skip;
        n = n < SW_TLS_RECORD_BYTES - size ? n : SW_TLS_RECORD_BYTES - size;
        memcpy(all->record + size, (const char *)pieces[i].iov_base + skip, n);
        size += n;
        skip = 0;
    }
    *data = all->record;
    return size;
}

/* The key is changed before it has sealed too much; what says so goes before the next record. */
static void spare_key(struct sw_tls_conn *tls)
{
    if (++tls->records == RECORDS_PER_KEY) {
        tls->records = 0;
        if (SSL_version(tls->ssl) == TLS1_3_VERSION) {
            (void)SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
        }
    }
}

ssize_t sw_conn_seal(struct sw_conn *conn, const struct iovec *pieces, size_t count, size_t skip)
{
    struct sw_tls_conn *tls = conn->tls;
    const char *data;
    SW_ASSERT(!sw_conn_sealed_waits(conn));
    if (tls->dead || !tls->open) {
        return UV_EPIPE;
    }
    size_t size = gather(tls->all, pieces, count, skip, &data);
    spare_key(tls);
    aim(tls, NULL, 0);
    int n = SSL_write(tls->ssl, data, (int)size);
    if (n > 0) {
        return n;
    }
    int status = judge(tls, n);
    return status ? status : UV_EPROTO;
}

bool sw_conn_sealed_waits(const struct sw_conn *conn)
{
    return conn->tls->waits.size != 0;
}

ssize_t sw_tls_send_sealed(struct sw_conn *conn)
{
    struct sw_tls_conn *tls = conn->tls;
    if (tls->error) {
        return tls->error;
    }
    if (!tls->waits.size) {
        return 0;
    }
    ssize_t n = sw_conn_send(conn->fd, tls->waits.data + tls->sent, tls->waits.size - tls->sent);
    if (n < 0) {
        tls->error = (int)n;
        tls->dead = true;
        return n;
    }
    tls->sent += (size_t)n;
    if (tls->sent == tls->waits.size) {
        sw_buf_deinit(&tls->waits);
        tls->sent = 0;
        charge_now(tls);
    }
    return 0;
}

/* ---- life ---- */

void sw_conn_start_tls(struct sw_conn *conn, struct sw_tls *all)
{
    SW_ASSERT(!conn->tls && !conn->waiting);
    struct sw_tls_conn *tls = sw_zalloc(sizeof(*tls));
    tls->all = all;
    tls->conn = conn;
    sw_list_init(&tls->link);
    conn->tls = tls;
}

void sw_tls_say_end(struct sw_conn *conn)
{
    struct sw_tls_conn *tls = conn->tls;
    if (tls->open && !tls->dead && !tls->farewell) {
        tls->farewell = true;
        aim(tls, NULL, 0);
        int n = SSL_shutdown(tls->ssl);
        if (n < 0) {
            (void)judge(tls, n);
        }
    }
}

void sw_tls_close(struct sw_conn *conn)
{
    struct sw_tls_conn *tls = conn->tls;
    charge(tls, 0);
    SSL_free(tls->ssl);
    sw_buf_deinit(&tls->waits);
    sw_free(tls);
    conn->tls = NULL;
}
