// SPDX-License-Identifier: Apache-2.0
#include "cli/client.h"

#include "cli/admin.h"
#include "common/base64.h"
#include "common/clock.h"
#include "common/random.h"
#include "net/digest.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MS  10000
#define GOODBYE_MS  1000
#define STOP_MS     500 /* a signal between a look at `stop` and the wait is seen so late */
#define GUID        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define HEAD_BYTES  65536
#define READ_BYTES  65536
#define FRAME_BYTES (64u << 20)

enum opcode { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

static bool fail(struct sw_client *client, const char *what, const char *why)
{
    snprintf(client->error, sizeof(client->error), "%.300s%s%.120s", what, why ? ": " : "",
             why ? why : "");
    sw_client_close(client);
    return false;
}

/* ---- URL ---- */

static bool copy(char *out, size_t capacity, struct sw_slice text)
{
    if (text.size >= capacity) {
        return false;
    }
    memcpy(out, text.data, text.size);
    out[text.size] = 0;
    return true;
}

/* Cuts "scheme://" off; what is wrong with it, or NULL. */
static const char *cut_scheme(struct sw_slice *text, struct sw_client_url *url)
{
    const char *end = memmem(text->data, text->size, "://", 3);
    if (!end) {
        return NULL;
    }
    struct sw_slice scheme = sw_slice(text->data, (size_t)(end - text->data));
    *text = sw_slice(end + 3, text->size - scheme.size - 3);
    url->tls = sw_slice_equal_nocase(scheme, SW_SLICE("https")) ||
               sw_slice_equal_nocase(scheme, SW_SLICE("wss"));
    return url->tls || sw_slice_equal_nocase(scheme, SW_SLICE("http")) ||
                   sw_slice_equal_nocase(scheme, SW_SLICE("ws"))
               ? NULL
               : "it must begin with http://, https://, ws:// or wss://";
}

/* host, host:port, [ipv6] or [ipv6]:port */
static const char *parse_authority(struct sw_slice text, struct sw_client_url *url)
{
    struct sw_slice host = text;
    struct sw_slice port = url->tls ? SW_SLICE("443") : SW_SLICE("80");
    size_t end = sw_slice_find(text, ':');
    host.size = end;
    if (text.size > 0 && text.data[0] == '[') {
        end = sw_slice_find(text, ']');
        if (end == text.size) {
            return "a '[' without its ']'";
        }
        host = sw_slice(text.data + 1, end - 1);
        end++;
    }
    if (end < text.size) {
        uint64_t number;
        port = sw_slice(text.data + end + 1, text.size - end - 1);
        if (text.data[end] != ':' || port.size > 5 || !sw_slice_to_u64(port, 65535, &number) ||
            number == 0) {
            return "the port must be a number from 1 to 65535";
        }
    }
    if (host.size == 0) {
        return "the host is missing";
    }
    if (sw_slice_find(text, '@') < text.size) {
        return "a user has no place in it";
    }
    return copy(url->host, sizeof(url->host), host) && copy(url->port, sizeof(url->port), port)
               ? NULL
               : "the host is longer than 255 bytes";
}

static const char *parse_path(struct sw_slice text, struct sw_client_url *url)
{
    if (sw_slice_find(text, '#') < text.size) {
        return "a fragment (#) has no place in it";
    }
    size_t slash = text.size == 0 || text.data[0] != '/'; /* "?topic=a" alone */
    url->path[0] = '/';
    return copy(url->path + slash, sizeof(url->path) - slash, text)
               ? NULL
               : "the path is longer than 1,000 bytes";
}

bool sw_client_url_parse(const char *text, struct sw_client_url *url, const char **why)
{
    struct sw_slice rest = sw_slice_of(text);
    *url = (struct sw_client_url){0};
    *why = NULL;
    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at <= ' ' || *at == 0x7f) {
            *why = "a space or control byte has no place in it";
        }
    }
    if (!*why) {
        *why = cut_scheme(&rest, url);
    }
    if (!*why) {
        size_t end = 0;
        while (end < rest.size && !strchr("/?#", rest.data[end])) {
            end++;
        }
        *why = parse_authority(sw_slice(rest.data, end), url);
        rest = sw_slice(rest.data + end, rest.size - end);
    }
    if (!*why) {
        *why = parse_path(rest, url);
    }
    return !*why;
}

void sw_client_url_append_host(const struct sw_client_url *url, struct sw_buf *out)
{
    bool v6 = strchr(url->host, ':') != NULL;
    sw_buf_printf(out, "%s%s%s:%s", v6 ? "[" : "", url->host, v6 ? "]" : "", url->port);
}

/* ---- bytes ---- */

static void set_timeout(int fd, int option, int ms)
{
    struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, option, &limit, sizeof(limit));
}

/* A connected socket, or -1 with errno. */
static int connect_one(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol);
    if (fd < 0) {
        return -1;
    }
    set_timeout(fd, SO_SNDTIMEO, CONNECT_MS); /* connect() obeys it, too */
    if (connect(fd, address->ai_addr, address->ai_addrlen)) {
        int reason = errno == EINPROGRESS ? ETIMEDOUT : errno;
        close(fd);
        errno = reason;
        return -1;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    set_timeout(fd, SO_SNDTIMEO, SW_CLIENT_ANSWER_MS);
    set_timeout(fd, SO_RCVTIMEO, SW_CLIENT_ANSWER_MS);
    return fd;
}

static bool shake_hands(struct sw_client *client, const struct sw_client_url *url)
{
    struct sw_buf why = {0};
    client->tls = sw_tls_client_open(client->fd, url->host, url->ca_file, &why);
    bool ok = client->tls || fail(client, url->host, sw_buf_text(&why));
    sw_buf_deinit(&why);
    return ok;
}

bool sw_client_connect(struct sw_client *client, const struct sw_client_url *url)
{
    *client = (struct sw_client){.fd = -1};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int error = getaddrinfo(url->host, url->port, &hints, &list);
    if (error) {
        return fail(client, url->host, gai_strerror(error));
    }
    int reason = ECONNREFUSED;
    for (struct addrinfo *at = list; at && client->fd < 0; at = at->ai_next) {
        client->fd = connect_one(at);
        reason = errno;
    }
    freeaddrinfo(list);
    if (client->fd < 0) {
        struct sw_buf where = {0};
        sw_buf_append_slice(&where, SW_SLICE("cannot connect to "));
        sw_client_url_append_host(url, &where);
        fail(client, sw_buf_text(&where), strerror(reason));
        client->refused = reason == ECONNREFUSED;
        sw_buf_deinit(&where);
        return false;
    }
    client->heard_ms = sw_clock_ms();
    return !url->tls || shake_hands(client, url);
}

void sw_client_limit(struct sw_client *client, int ms)
{
    set_timeout(client->fd, SO_SNDTIMEO, ms);
    set_timeout(client->fd, SO_RCVTIMEO, ms);
}

void sw_client_close(struct sw_client *client)
{
    sw_tls_client_close(&client->tls);
    if (client->fd >= 0) {
        close(client->fd);
        client->fd = -1;
    }
    sw_buf_deinit(&client->in);
}

bool sw_client_alive(const struct sw_client *client)
{
    char byte;
    return client->fd >= 0 && client->in.size == 0 &&
           recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

static ssize_t send_some(struct sw_client *client, struct sw_slice bytes)
{
    return client->tls ? sw_tls_client_write(client->tls, bytes.data, bytes.size)
                       : send(client->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
}

static ssize_t receive(struct sw_client *client, char *out, size_t size)
{
    return client->tls ? sw_tls_client_read(client->tls, out, size)
                       : recv(client->fd, out, size, 0);
}

/* Returns 0 or errno; leaves the connection as it is, since an answer may already wait there. */
static int send_all(struct sw_client *client, struct sw_slice bytes)
{
    while (bytes.size > 0) {
        ssize_t n = send_some(client, bytes);
        if (n < 0 && errno != EINTR) {
            return errno == EAGAIN ? ETIMEDOUT : errno;
        }
        if (n > 0) {
            bytes.data += n;
            bytes.size -= (size_t)n;
        }
    }
    return 0;
}

/* Reads some more, or nothing: the caller looks again. False at the end, on an error and when
 * nothing came in time. */
static bool read_more(struct sw_client *client)
{
    char *room = sw_buf_reserve(&client->in, READ_BYTES);
    ssize_t n = receive(client, room, READ_BYTES);
    if (n < 0 && errno == EINTR) {
        return true;
    }
    if (n <= 0) {
        errno = n == 0 ? ECONNRESET : errno == EAGAIN ? ETIMEDOUT : errno;
        return false;
    }
    client->in.size += (size_t)n;
    client->heard_ms = sw_clock_ms();
    return true;
}

/* ---- HTTP ---- */

bool sw_client_is_plain(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f) {
            return false;
        }
    }
    return true;
}

const char *sw_client_token(const char *said)
{
    const char *token = said ? said : getenv("SPILLWAY_TOKEN");
    return token && token[0] ? token : NULL;
}

/* The index behind the empty line, reading as far as it takes; 0: none comes. */
static size_t read_head(struct sw_client *client)
{
    for (;;) {
        char *end =
            client->in.size ? memmem(client->in.data, client->in.size, "\r\n\r\n", 4) : NULL;
        if (end) {
            return (size_t)(end - client->in.data) + 4;
        }
        if (client->in.size > HEAD_BYTES || !read_more(client)) {
            return 0;
        }
    }
}

static struct sw_slice header(struct sw_slice head, const char *name)
{
    while (head.data) {
        struct sw_slice line = sw_slice_split(&head, '\n');
        size_t colon = sw_slice_find(line, ':');
        if (colon < line.size &&
            sw_slice_equal_nocase(sw_slice(line.data, colon), sw_slice_of(name))) {
            struct sw_slice value = sw_slice(line.data + colon + 1, line.size - colon - 1);
            if (value.size && value.data[value.size - 1] == '\r') {
                value.size--;
            }
            return sw_slice_trim(value);
        }
    }
    return sw_slice(NULL, 0);
}

static bool read_status(struct sw_slice head, unsigned *status)
{
    uint64_t number;
    if (head.size < 12 || memcmp(head.data, "HTTP/1.1 ", 9) != 0 ||
        !sw_slice_to_u64(sw_slice(head.data + 9, 3), 999, &number)) {
        return false;
    }
    *status = (unsigned)number;
    return true;
}

static bool read_response(struct sw_client *client, unsigned *status, struct sw_buf *body,
                          bool *keep)
{
    size_t head_size = read_head(client);
    struct sw_slice head = sw_slice(client->in.data, head_size);
    uint64_t length = 0;
    if (head_size == 0) {
        return fail(client, "the node did not answer", strerror(errno));
    }
    if (!read_status(head, status)) {
        return fail(client, "what answers there does not speak HTTP/1.1", NULL);
    }
    struct sw_slice announced = header(head, "Content-Length");
    if (announced.data && !sw_slice_to_u64(announced, FRAME_BYTES, &length)) {
        return fail(client, "an answer without a sound length", NULL);
    }
    *keep = announced.data && !sw_slice_equal_nocase(header(head, "Connection"), SW_SLICE("close"));
    while (client->in.size < head_size + length) {
        if (!read_more(client)) {
            return fail(client, "the answer was cut off", strerror(errno));
        }
    }
    sw_buf_clear(body);
    sw_buf_append(body, client->in.data + head_size, (size_t)length);
    sw_buf_consume(&client->in, head_size + (size_t)length);
    return true;
}

/* A server that refuses may answer and close before it has read everything, so that its answer is
 * looked for even where sending failed. */
bool sw_client_request(struct sw_client *client, struct sw_slice request, unsigned *status,
                       struct sw_buf *body, bool *keep)
{
    int reason = send_all(client, request);
    bool answered = read_response(client, status, body, keep);
    if (reason) {
        *keep = false;
    }
    return answered || (reason && fail(client, "cannot send", strerror(reason)));
}

/* ---- WebSocket ---- */

static void expected_accept(const char *key, char out[32])
{
    char text[64];
    unsigned char digest[SW_SHA1_BYTES];
    int n = snprintf(text, sizeof(text), "%s" GUID, key);
    sw_sha1(sw_slice(text, (size_t)n), digest);
    *sw_base64_encode(out, digest, sizeof(digest)) = 0;
}

static bool ask_upgrade(struct sw_client *client, const struct sw_client_url *url,
                        const char *token, const char *key)
{
    struct sw_buf request = {0};
    sw_buf_printf(&request, "GET %s HTTP/1.1\r\nHost: ", url->path);
    sw_client_url_append_host(url, &request);
    if (token) {
        sw_buf_printf(&request, "\r\nAuthorization: Bearer %s", token);
    }
    sw_buf_printf(&request,
                  "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
                  "Sec-WebSocket-Protocol: spillway.v1.json\r\n\r\n",
                  key);
    int reason = send_all(client, sw_buf_slice(&request));
    sw_buf_deinit(&request);
    return reason ? fail(client, "cannot send", strerror(reason)) : true;
}

/* An answer that is no upgrade says why, if a node gave it. */
static bool fail_refused(struct sw_client *client, unsigned status)
{
    struct sw_buf body = {0};
    struct sw_buf why = {0};
    bool keep;
    if (!read_response(client, &status, &body, &keep)) {
        sw_buf_clear(&body);
    }
    sw_cli_append_refusal(&why, status, sw_buf_slice(&body), NULL);
    fail(client, "no WebSocket was opened", sw_buf_text(&why));
    sw_buf_deinit(&body);
    sw_buf_deinit(&why);
    return false;
}

bool sw_client_upgrade(struct sw_client *client, const struct sw_client_url *url, const char *token,
                       unsigned *status)
{
    unsigned char nonce[16];
    char key[32];
    char accept[32];
    *status = 0;
    sw_random_bytes(nonce, sizeof(nonce));
    *sw_base64_encode(key, nonce, sizeof(nonce)) = 0;
    expected_accept(key, accept);
    if (!ask_upgrade(client, url, token, key)) {
        return false;
    }
    size_t head_size = read_head(client);
    struct sw_slice head = sw_slice(client->in.data, head_size);
    if (head_size == 0) {
        return fail(client, "the node did not answer", strerror(errno));
    }
    if (!read_status(head, status)) {
        return fail(client, "what answers there does not speak HTTP/1.1", NULL);
    }
    if (*status != 101) {
        return fail_refused(client, *status);
    }
    struct sw_slice protocol = header(head, "Sec-WebSocket-Protocol");
    if (!sw_slice_equal_nocase(header(head, "Upgrade"), SW_SLICE("websocket")) ||
        !sw_slice_equal(header(head, "Sec-WebSocket-Accept"), sw_slice_of(accept)) ||
        (protocol.data && !sw_slice_equal(protocol, SW_SLICE("spillway.v1.json")))) {
        return fail(client, "no Spillway WebSocket is served there", NULL);
    }
    sw_buf_consume(&client->in, head_size);
    return true;
}

static bool send_frame(struct sw_client *client, enum opcode opcode, struct sw_slice payload)
{
    struct sw_buf frame = {0};
    unsigned char mask[4];
    unsigned char head[10] = {(unsigned char)(0x80 | opcode)};
    size_t extended = payload.size < 126 ? 0 : payload.size < 65536 ? 2 : 8;
    head[1] = (unsigned char)(0x80 | (extended == 0 ? payload.size : extended == 2 ? 126 : 127));
    for (size_t i = 0; i < extended; i++) {
        head[2 + i] = (unsigned char)((uint64_t)payload.size >> (8 * (extended - 1 - i)));
    }
    sw_random_bytes(mask, sizeof(mask));
    sw_buf_append(&frame, head, 2 + extended);
    sw_buf_append(&frame, mask, sizeof(mask));
    char *out = sw_buf_reserve(&frame, payload.size);
    for (size_t i = 0; i < payload.size; i++) {
        out[i] = (char)(payload.data[i] ^ (char)mask[i % 4]);
    }
    frame.size += payload.size;
    int reason = send_all(client, sw_buf_slice(&frame));
    sw_buf_deinit(&frame);
    return reason ? fail(client, "cannot send", strerror(reason)) : true;
}

bool sw_client_say(struct sw_client *client, struct sw_slice text)
{
    return send_frame(client, TEXT, text);
}

/* Is one whole frame in `in`? Its head's size and its payload's. */
static bool frame_ready(const struct sw_buf *in, size_t *head, uint64_t *size)
{
    const unsigned char *data = (const unsigned char *)in->data;
    *size = 0;
    if (in->size < 2) {
        return false;
    }
    *size = data[1] & 127;
    *head = *size == 126 ? 4 : *size == 127 ? 10 : 2;
    if (in->size < *head) {
        *size = 0;
        return false;
    }
    if (*head > 2) {
        *size = 0;
        for (size_t i = 2; i < *head; i++) {
            *size = *size << 8 | data[i];
        }
    }
    return in->size - *head >= *size;
}

static void take_close(struct sw_client *client, struct sw_slice payload, struct sw_buf *text,
                       unsigned *code)
{
    *code = 1005; /* RFC 6455: none was given */
    sw_buf_clear(text);
    if (payload.size >= 2) {
        *code = (unsigned)(unsigned char)payload.data[0] << 8 | (unsigned char)payload.data[1];
        sw_buf_append(text, payload.data + 2, payload.size - 2);
    }
    send_frame(client, CLOSE, sw_slice(payload.data, payload.size >= 2 ? 2 : 0));
}

/* What one frame comes to; true: *event is to be returned. */
static bool take_frame(struct sw_client *client, size_t head, size_t size, struct sw_buf *text,
                       unsigned *code, enum sw_client_event *event)
{
    unsigned char first = (unsigned char)client->in.data[0];
    struct sw_slice payload = sw_slice(client->in.data + head, size);
    switch ((enum opcode)(first & 15)) {
    case CONTINUATION:
    case TEXT:
    case BINARY:
        sw_buf_append_slice(text, payload);
        *event = SW_CLIENT_TEXT;
        return first & 0x80;
    case CLOSE:
        take_close(client, payload, text, code);
        *event = SW_CLIENT_CLOSED;
        return true;
    case PING:
        send_frame(client, PONG, payload);
        return false;
    case PONG:
        return false;
    }
    *event = SW_CLIENT_LOST;
    return true;
}

/* Waits until there is something to read. */
static enum sw_client_event wait_readable(struct sw_client *client, uint64_t deadline_ms,
                                          const volatile sig_atomic_t *stop)
{
    fflush(stdout);
    for (;;) {
        uint64_t now = sw_clock_ms();
        if (*stop) {
            return SW_CLIENT_STOPPED;
        }
        if (now >= deadline_ms) {
            return SW_CLIENT_TIMEOUT;
        }
        struct pollfd wait = {.fd = client->fd, .events = POLLIN};
        uint64_t ms = deadline_ms - now < STOP_MS ? deadline_ms - now : STOP_MS;
        if (poll(&wait, 1, (int)ms) > 0) {
            return SW_CLIENT_TEXT;
        }
    }
}

enum sw_client_event sw_client_next(struct sw_client *client, struct sw_buf *text, unsigned *code,
                                    uint64_t deadline_ms, const volatile sig_atomic_t *stop)
{
    enum sw_client_event event = SW_CLIENT_LOST;
    bool done = false;
    sw_buf_clear(text);
    while (client->fd >= 0 && !done) {
        size_t head;
        uint64_t size;
        if (frame_ready(&client->in, &head, &size)) {
            done = take_frame(client, head, (size_t)size, text, code, &event);
            if (client->fd >= 0) {
                sw_buf_consume(&client->in, head + (size_t)size);
            }
        } else if (size > FRAME_BYTES || text->size > FRAME_BYTES) {
            fail(client, "a message above 64 MB", NULL);
        } else {
            event = wait_readable(client, deadline_ms, stop);
            if (event != SW_CLIENT_TEXT) {
                return event;
            }
            if (!read_more(client)) {
                fail(client, "connection lost", strerror(errno));
            }
        }
    }
    return done ? event : SW_CLIENT_LOST;
}

void sw_client_goodbye(struct sw_client *client)
{
    static const char normal[] = {0x03, (char)0xe8}; /* 1000 */
    if (client->fd >= 0 && send_frame(client, CLOSE, sw_slice(normal, sizeof(normal)))) {
        uint64_t end = sw_clock_ms() + GOODBYE_MS;
        struct pollfd wait = {.fd = client->fd, .events = POLLIN};
        /* Closing with unread bytes would be a reset, which says nothing about politeness. */
        for (uint64_t now = sw_clock_ms(); now < end; now = sw_clock_ms()) {
            if (poll(&wait, 1, (int)(end - now)) > 0) {
                sw_buf_clear(&client->in);
                if (!read_more(client)) {
                    break;
                }
            }
        }
    }
    sw_client_close(client);
}
